"""One walk through the steps, shared by the screens: the session, and the engine on the other side of the bridge.

All judging and all network work happens in the engine's thread, so that five thousand nodes or a stalled server
never delay a key. A screen reads the session and passes changes on; it gets the result as a message.

The plan follows every reading and every choice: the server is asked what an apply would change, and what is shown
and carried out is that plan. After every work the cluster is read again, once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from wizard.engine.bridge import Bridge
from wizard.errors import InputError, WizardError
from wizard.steps import STEPS, StepId, StepState

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.choices.answers import Answers, TemplateChoice
    from wizard.choices.target import Target
    from wizard.cluster.credentials import Interactive
    from wizard.engine.engine import Engine
    from wizard.engine.events import Event
    from wizard.facts.cluster import ClusterFacts, ClusterIdentity, NodeFacts
    from wizard.journal.journal import Run
    from wizard.journal.unfinished import PolicyEdits, Unfinished
    from wizard.plan.actions import ApplyObject
    from wizard.plan.derive import Plan
    from wizard.plan.gates import GateKind
    from wizard.plan.judgement import Judgement
    from wizard.session.session import Session

Result = TypeVar("Result")

WHERE_IT_STOOD: dict[str, StepId] = {"apply": "manifest", "label": "nodes", "policy": "policy"}
"""The step that a change of the journal belongs to."""

PROGRESS_SECONDS = 0.5
"""How often the nodes that arrive are drawn: each time, all of those that have are judged and drawn."""

ASK_SECONDS = 0.15
"""How long after a choice the server is asked about the plan: keys that follow one another ask once."""

Work = Callable[["Engine", "Operation"], Coroutine[Any, Any, Any]]


class Walk:
    """The state that the screens show, and the only way for them to change it."""

    def __init__(  # noqa: PLR0913 (each is an option of the command line, or a door to the application)
        self,
        target: Target,
        answers: Answers | None,
        *,
        policy_file: str | None = None,
        fresh: bool = False,
        facts: ClusterFacts | None = None,
        sandbox_speed: float = 1.0,
        interactive: Interactive | None = None,
        on_change: Callable[[], None] = lambda: None,
        on_operation: Callable[[], None] = lambda: None,
    ) -> None:
        self.target = target
        self.bridge = Bridge()
        self._answers = answers
        self._sandbox_speed = sandbox_speed
        self._interactive = interactive
        self._awake: tuple[Session, Engine] | None = None
        self._waking = threading.Lock()
        self.policy_file = policy_file
        self.coder: Literal["v1", "v2"] | None = None
        """Which Coder was chosen, if nothing tells."""
        self.merged_template: TemplateChoice | None = None
        """The template that is open and can be merged, written or not."""
        self.fresh = fresh
        self.identity: ClusterIdentity | None = facts.identity if facts else None
        self.reading = ""
        """What is being read now; "" if nothing is."""
        self.nodes_read = 0
        self.arriving: tuple[NodeFacts, ...] = ()
        """The nodes that were read so far, until the facts are complete."""
        self.interrupted: Run | None = None
        """An interrupted run on this cluster, until the user resumes or discards it."""
        self.unfinished: Unfinished | None = None
        """The choices of a session that lost its connection, likewise."""
        self.policy_edits: PolicyEdits | None = None
        """The policy of that session, until its step opens it."""
        self.vanished: tuple[str, ...] = ()
        """The selected nodes that no longer existed when the cluster was read last."""
        self.is_new_here = False
        """Whether nothing was ever changed on this cluster from this machine."""
        self.trouble: WizardError | None = None
        """Why the cluster could not be read."""
        self.check_trouble: WizardError | None = None
        """Why the server could not be asked about the plan."""
        self.operation: Operation | None = None
        self.files: list[str] = []
        """The files that were written so far."""
        self._saved_facts = facts
        self._told_at = 0.0
        self._looked_back = self._looked_back_without_cluster = False
        self._named = False
        self._on_change = on_change
        self._on_operation = on_operation
        self._ask_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._looking: concurrent.futures.Future[None] | None = None
        self._leaving = False

    # The session and the engine ------------------------------------------------------------------------------

    def _wake(self) -> tuple[Session, Engine]:
        # Judging brings YAML and a good many tables with it; the first picture does not wait for their import,
        # which the first reading does, in the engine's thread.
        with self._waking:
            if self._awake is None:
                from wizard.choices.answers import Answers
                from wizard.engine.engine import Engine
                from wizard.session.session import Session

                session = Session(self._answers or Answers())
                engine = Engine(self.target, sandbox_speed=self._sandbox_speed, interactive=self._interactive)
                self._awake = session, engine
            return self._awake

    @property
    def session(self) -> Session:
        """What the walk holds."""
        return self._wake()[0]

    @property
    def engine(self) -> Engine:
        """What works on the cluster, in its own thread."""
        return self._wake()[1]

    @property
    def judgement(self) -> Judgement | None:
        """What follows from facts and choices; None before anything was read."""
        return self._awake[0].judgement if self._awake else None

    @property
    def plan(self) -> Plan | None:
        """The plan of facts, choices, and the server's answers; None before anything was read."""
        return self._awake[0].plan if self._awake else None

    @property
    def facts(self) -> ClusterFacts | None:
        """What was read; None before that."""
        return self.judgement.facts if self.judgement else None

    def step_states(self) -> dict[StepId, StepState]:
        """The marks of the side list."""
        return self._awake[0].step_states() if self._awake else {step: "" for step, _ in STEPS}

    # What is known -------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Returns whether work that changes the cluster is in progress."""
        return self.operation is not None and not self.operation.ended

    @property
    def offline(self) -> bool:
        """Returns whether this is a replay of saved facts, without a cluster."""
        return self._saved_facts is not None

    def cluster_words(self) -> str:
        """Returns the cluster as every confirmation names it."""
        return "no cluster" if self.identity is None else self.identity.words

    def type_first(self) -> str:
        """Returns what must be typed before the first change to this cluster: its context; "" later."""
        return self.identity.context if self.is_new_here and self.identity is not None else ""

    def was_named(self) -> None:
        """Notes that the user has confirmed work on this cluster, with its context typed if that was required."""
        self._named, self.is_new_here = True, False

    def why_not_act(self, *, pods_in: str = "") -> str:
        """Returns why nothing can be changed now, or no pods created in the namespace ``pods_in``; "" if it can."""
        if self.offline:
            return "You are viewing saved facts, so nothing can be changed."
        if self.busy and self.operation is not None:
            return f"{self.operation.title} is still running."
        if pods_in:
            return self.session.may_send_pods(pods_in)
        if self.reading and self.plan is not None:
            return "The cluster is being read again. Try again when the plan is up to date."
        return self.session.may_act()

    def why_not_undo(self) -> str:
        """Returns why nothing can be undone from here now; "" if it can. An undo needs nothing that a plan needs."""
        if self.identity is None and not self.offline:
            return "No cluster is connected. For policy files written without one, run podman-wizard undo --no-cluster."
        if self.offline or self.busy:
            return self.why_not_act()
        return self.session.read_only

    @property
    def hand_over_helps(self) -> bool:
        """Returns whether something in the plan was rejected or lacks permission, so that someone else must do it."""
        facts = self.facts
        if facts is None:
            return False
        session = self.session
        return bool(
            facts.missing_rights(self.session.pods_offered())
            or any(check.change == "failed" for check in session.checks)
            or (session.applied and session.applied.failing)
            or (session.labelled and session.labelled.failed)
        )

    def tell(self) -> None:
        """Draws everything again."""
        self._on_change()

    # Work ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the engine's thread."""
        self.bridge.start()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine of the engine in its thread, to the end even if the caller stops waiting."""
        return await self.bridge.call(work)

    async def compute(self, function: Callable[[], Result]) -> Result:
        """Runs a slow function in the engine's thread."""

        async def call() -> Result:
            return function()

        return await self.run(call())

    async def read(self) -> None:
        """Reads the cluster, after connecting if needed, and asks the server; announces each change."""
        if self.reading or self.busy:
            return
        self._begin_reading()
        await self.run(self._look())

    def _begin_reading(self) -> None:
        self.reading, self.nodes_read, self.arriving = "Connecting" if self.identity is None else "Reading", 0, ()
        self._on_change()

    async def _look(self) -> None:
        """Reads the cluster and makes the plan of now; for the engine's thread."""
        try:
            await self._read()
        except WizardError as error:
            self.trouble = error
            if self.identity is None:
                self._look_back_without_cluster()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A bug must not leave an empty screen without an explanation.
            self.trouble = WizardError(
                f"Internal error while reading: {type(error).__name__}: {error}", "Press r to retry."
            )
        finally:
            self.reading, self.arriving = "", ()
            self._on_change()
        self._ask_after(0)

    async def _read(self) -> None:
        facts = self._saved_facts
        if facts is not None:
            self._look_back_without_cluster()
        else:
            if self.identity is None:
                self.identity = await self.engine.open()
            self._tell_reading("Reading")
            verify_in = self.session.answers.verify.namespace
            facts = await self.engine.read_facts(self._take_slice, verify_in=verify_in)
            self.identity = facts.identity
            try:
                self._look_back()
            except InputError as error:
                # Reading continues if no journal can be kept.
                self.session.read_only = f"This session cannot change anything: {error}"
        await self._take(facts)
        self.trouble = None

    async def _take(self, facts: ClusterFacts) -> None:
        """Judges what was read; a plan in view is replaced by the next one once the server has answered."""
        from wizard.engine.looking import ask

        session, plan = self.session, None
        self.vanished = session.drop_vanished(facts)
        if session.checks and not self.offline:
            with contextlib.suppress(WizardError):  # it is asked once more, and the error is shown then
                plan = await ask(self.engine, session.judged(facts), read_only=session.read_only)
        if plan is not None:
            session.take_plan(plan)
        else:
            session.take_facts(facts)

    def _look_back(self) -> None:
        """Finds another running wizard, and an interrupted run or session. Raises InputError."""
        holder = self.engine.other_wizard()
        self.session.read_only = f"Another podman-wizard ({holder}) is changing this cluster." if holder else ""
        if holder:
            return
        if not self.fresh and not self._looked_back:
            self.interrupted = self.engine.interrupted_run()
            self.unfinished = self.engine.unfinished_session()
        self._looked_back = True
        self.is_new_here = not self._named and self.engine.is_new_here()

    def _look_back_without_cluster(self) -> None:
        """Finds an interrupted session that edited a policy without a cluster."""
        if not self.fresh and not self._looked_back_without_cluster:
            self._looked_back_without_cluster = True
            with contextlib.suppress(InputError):
                self.unfinished = self.engine.unfinished_session()

    def _take_slice(self, nodes: tuple[NodeFacts, ...], total: int | None) -> None:
        self.arriving += nodes
        self.nodes_read = len(self.arriving)
        self.reading = f"Reading nodes: {self.nodes_read}" + (f" of {total}" if total else "")
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._tell_reading(self.reading)

    def _tell_reading(self, text: str) -> None:
        self.reading = text
        self._told_at = time.monotonic()
        self._on_change()

    async def retarget(self, target: Target) -> None:
        """Changes to another cluster; what was read, checked, and done on the first one no longer counts."""
        session, engine = self._wake()
        await self.run(engine.close())
        self.target, self._answers, self._awake = target, session.answers, None
        self.identity, self.trouble, self.operation, self._saved_facts = None, None, None, None
        self.check_trouble = None
        self.interrupted = self.unfinished = None
        self._named = self._looked_back = False
        await self.read()

    async def change(self, change: Callable[[Session], None]) -> None:
        """Changes the session in the engine's thread. Raises what the change raises, and then keeps the old state."""

        async def apply() -> None:
            session = self.session
            before = session.judgement, session.plan, session.answers
            try:
                change(session)
            except WizardError:
                session.judgement, session.plan, session.answers = before
                raise
            self._ask_after(ASK_SECONDS)

        await self.run(apply())
        self._on_change()

    async def settled(self) -> None:
        """Waits until the reading after the last work has ended, and the server has answered."""

        async def asked() -> None:
            if self._asking is not None:
                await asyncio.wait({self._asking})

        if self._looking is not None:
            await asyncio.wrap_future(self._looking)
        await self.run(asked())

    def _ask_after(self, seconds: float) -> None:
        """Asks the server about the plan after this time, and no earlier; for the engine's thread."""
        self._ask_at = time.monotonic() + seconds
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Asks until the last choice is answered, one question at a time."""
        from wizard.manifest.ownership import require_known_fields

        session, engine = self._wake()
        while True:
            ask_at = self._ask_at
            await asyncio.sleep(max(0.0, ask_at - time.monotonic()))
            if ask_at != self._ask_at:
                continue
            judgement = session.judgement
            if judgement is None or judgement.checks or self.offline or self.identity is None or self.busy:
                return
            trouble: WizardError | None = None
            try:
                require_known_fields(judgement.rendering.objects, judgement.answers.ownership)
                session.take_checks(judgement, await engine.ask(judgement))
            except WizardError as error:
                trouble = error
            except asyncio.CancelledError:
                raise
            except Exception as error:
                trouble = WizardError(f"Internal error: {type(error).__name__}: {error}", "Press r to retry.")
            if self._awake is None or self._awake[0] is not session:
                return  # another cluster was chosen in the meantime
            self.check_trouble = trouble
            self._on_change()
            if ask_at == self._ask_at:
                return

    def begin(self, step: StepId, title: str, rows: tuple[str, ...], work: Work) -> Operation:
        """Starts work that changes the cluster. It belongs to the walk: leaving the screen does not end it."""
        from screens.operation import Operation

        operation = Operation(step, title, rows, on_change=self._on_operation)
        self.operation = operation
        self.engine.note_answers(self.session.answers)
        operation.future = self.bridge.submit(self._operate(operation, work))
        self._on_operation()
        return operation

    def carry_out(
        self, step: StepId, title: str, plan: Plan, only: Collection[str], *, allow: Collection[GateKind] = ()
    ) -> Operation:
        """Starts to carry out the actions of the plan with these ids, as they were shown.

        ``allow`` are the gates that were opened by a question of their own.
        """
        rows = tuple(action.ref.title for action in applying(plan, only))
        session = self.session

        async def work(engine: Engine, operation: Operation) -> None:
            from wizard.engine.events import ActionEnded
            from wizard.engine.executor import Executor

            def listen(event: Event) -> None:
                operation.take(event)
                if isinstance(event, ActionEnded):
                    session.take_outcome(executor.outcome)  # the labels are set, and the wait goes on

            executor = Executor(engine, plan, listen, stop=operation.stop)
            try:
                await executor.execute(agreed=plan.digest, door="screens", only=only, allow=allow)
            finally:
                # After an error or a stop, too: what was done until then stands.
                session.take_outcome(executor.outcome)
                operation.comparison = executor.outcome.comparison

        return self.begin(step, title, rows, work)

    async def _operate(self, operation: Operation, work: Work) -> None:
        operation.stop = asyncio.Event()
        try:
            await work(self.engine, operation)
        except WizardError as error:
            from wizard.manifest.asking import PlanChanged

            operation.plan_changed = isinstance(error, PlanChanged)
            operation.fail(error.what, error.todo)
        except asyncio.CancelledError:
            operation.interrupt()
            raise
        except Exception as error:
            operation.fail(
                f"Internal error: {type(error).__name__}: {error}", "Changes made so far are in the journal."
            )
        finally:
            if not self._leaving:
                # Before the end is reported: nothing more is done by the earlier plan.
                self._begin_reading()
            operation.close()
            if not self._leaving:
                self._looking = self.bridge.submit(self._look())

    def stop_operation(self) -> None:
        """Asks the work in progress to stop; completed changes are kept and listed."""
        operation = self.operation
        if operation is None or operation.ended:
            return
        operation.stopping = True
        if operation.stop is not None and operation.stops_softly:
            self.bridge.submit(_set(operation.stop))
        elif operation.future is not None:
            operation.future.cancel()
        self._on_operation()

    async def finish(self, seconds: float) -> None:
        """Lets the work in progress end, or stops it; returns after ``seconds`` at the latest."""
        self._leaving = True
        operation = self.operation
        if operation is None or operation.ended or operation.future is None:
            return
        self.stop_operation()
        await self._settle(operation.future, seconds)
        if not operation.future.done():
            operation.future.cancel()
            await self._settle(operation.future, 1.0)

    async def _settle(self, future: concurrent.futures.Future[None], seconds: float) -> None:
        await asyncio.wait([asyncio.ensure_future(_outcome(future))], timeout=seconds)

    async def decide_about_earlier(self, *, go_on: bool) -> StepId | None:
        """Resumes or discards what was interrupted; returns the step to continue from."""
        run, self.interrupted = self.interrupted, None
        left, self.unfinished = self.unfinished, None

        def settle() -> None:
            if run is not None and go_on:
                self.engine.resume(run)
            elif run is not None:
                self.engine.settle_run(run)
            if left is not None and (not go_on or self.identity is None):
                self.engine.keep_session(None)

        await self.compute(settle)
        if not go_on or (run is None and left is None):
            return None
        from wizard.answers_file import parse_answers

        if left is not None:
            self.policy_edits = left.policy
        text, source = (
            (left.answers, "the session") if left is not None else (run.answers, run.path) if run else ("", "")
        )
        answers = parse_answers(text.encode(), str(source))
        # The server is asked then: the plan has what is left to do, and not what was done.
        await self.change(lambda session: session.choose(answers))
        if left is not None:
            return left.step
        return WHERE_IT_STOOD.get(run.changes[-1].kind) if run is not None else None

    async def keep_unfinished(self, step: StepId, policy: PolicyEdits | None) -> None:
        """Keeps the choices for the next session after the connection is lost."""
        if self._awake is None or self.unfinished is not None or self.interrupted is not None:
            # An interrupted run without a decision is offered again.
            return
        answers = self.session.answers
        if policy is None and answers == self._answers:
            return
        from wizard.answers_file import write_answers
        from wizard.journal.journal import now
        from wizard.journal.unfinished import Unfinished

        left = Unfinished(now(), step, write_answers(answers), policy)
        await self.compute(lambda: self.engine.keep_session(left))

    async def forget_unfinished(self) -> None:
        """Discards the choices: the user has quit this session on purpose."""
        if self._awake is not None and self.unfinished is None:
            await self.compute(lambda: self.engine.keep_session(None))

    async def close(self, *, interrupted: bool = False) -> None:
        """Ends the connection; the thread is ended by ``bridge.stop``."""
        self._leaving = True
        if self._awake is not None:
            await asyncio.wait_for(self.run(self.engine.close(interrupted=interrupted)), 5)


def applying(plan: Plan, only: Collection[str]) -> list[ApplyObject]:
    """Returns the objects that these actions of a plan apply."""
    from wizard.plan.actions import ApplyObject

    return [action for action in plan.actions if isinstance(action, ApplyObject) and action.id in only]


async def _set(event: asyncio.Event) -> None:
    event.set()


async def _outcome(future: concurrent.futures.Future[None]) -> None:
    await asyncio.wait([asyncio.wrap_future(future)])
