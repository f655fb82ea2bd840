"""One walk through the steps as the screens share it: the session, and the engine on the other side of the bridge.

All judging and all network work happens in the engine's thread, so that five thousand nodes or a stalled server
hold up no key. A screen reads the session and hands over changes; it is told of the result by a message.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from wizard.bridge import Bridge
from wizard.errors import InputError, WizardError
from wizard.steps import STEPS, StepId, StepState

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.answers import Answers
    from wizard.credentials import Interactive
    from wizard.engine import Engine
    from wizard.facts import ClusterFacts, ClusterIdentity, NodeFacts
    from wizard.journal import Run
    from wizard.session import Judgement, Session
    from wizard.target import Target
    from wizard.unfinished import PolicyEdits, Unfinished

Result = TypeVar("Result")

WHERE_IT_STOOD: dict[str, StepId] = {"apply": "manifest", "label": "nodes", "policy": "policy"}
"""The step that a change of the journal belongs to."""

PROGRESS_SECONDS = 0.5
"""How often the nodes that arrive are drawn: each time, all of those that have are judged and drawn."""

Work = Callable[["Engine", "Operation"], Coroutine[Any, Any, Any]]


class Walk:
    """The state that the screens show, and the only way for them to change it."""

    def __init__(
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
        self.fresh = fresh
        self.identity: ClusterIdentity | None = facts.identity if facts else None
        self.reading = ""
        """What is being read now; "" where nothing is."""
        self.nodes_read = 0
        self.arriving: tuple[NodeFacts, ...] = ()
        """The nodes that were read so far, until the facts are complete."""
        self.interrupted: Run | None = None
        """An earlier run on this cluster that stopped in the middle, until the person has decided about it."""
        self.unfinished: Unfinished | None = None
        """What a session had chosen when its line dropped, likewise."""
        self.policy_edits: PolicyEdits | None = None
        """The policy of that session, until its step takes it up."""
        self.is_new_here = False
        """Whether nothing was ever changed on this cluster from this machine."""
        self.trouble: WizardError | None = None
        """Why the cluster could not be read."""
        self.operation: Operation | None = None
        self.applied_objects: tuple[dict[str, Any], ...] = ()
        """The objects as they were applied last."""
        self.files: list[str] = []
        """The files that were written on the way."""
        self._saved_facts = facts
        self._told_at = 0.0
        self._looked_back = self._looked_back_without_cluster = False
        self._named = False
        self._on_change = on_change
        self._on_operation = on_operation
        self._one_change = asyncio.Lock()

    # The session and the engine ------------------------------------------------------------------------------

    def _wake(self) -> tuple[Session, Engine]:
        # Judging brings YAML and a good many tables with it; the first picture does not wait for their import,
        # which the first reading does, in the engine's thread.
        with self._waking:
            if self._awake is None:
                from wizard.answers import Answers
                from wizard.engine import Engine
                from wizard.session import Session

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
    def facts(self) -> ClusterFacts | None:
        """What was read; None before that."""
        return self.judgement.facts if self.judgement else None

    def step_states(self) -> dict[StepId, StepState]:
        """The marks of the side list."""
        return self._awake[0].step_states() if self._awake else {step: "" for step, _ in STEPS}

    def step_title(self, step: StepId) -> str:
        """What the step is called: a Coder v2 has templates in place of the policy."""
        if step == "policy" and self._awake is not None and self._awake[0].coder_is_v2:
            return "Template"
        return dict(STEPS)[step]

    # What is known -------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether work that changes the cluster is in flight."""
        return self.operation is not None and not self.operation.ended

    @property
    def offline(self) -> bool:
        """Whether this is a replay of saved facts, without a cluster."""
        return self._saved_facts is not None

    def cluster_words(self) -> str:
        """The cluster as every confirmation names it."""
        return "no cluster" if self.identity is None else self.identity.words

    def type_first(self) -> str:
        """What has to be typed before anything is sent there: the context, where it is the first time."""
        return self.identity.context if self.is_new_here and self.identity is not None else ""

    def was_named(self) -> None:
        """Notes that the person has agreed to work on this cluster, with its context typed if that was wanted."""
        self._named, self.is_new_here = True, False

    def why_not_act(self, *, pods_in: str = "") -> str:
        """Why nothing may be changed now, or no short pods sent to the namespace ``pods_in``; "" where it may."""
        if self.offline:
            return "These are saved facts: there is no cluster behind them."
        if self.busy and self.operation is not None:
            return f"{self.operation.title} is still at work."
        return self.session.may_send_pods(pods_in) if pods_in else self.session.may_act()

    @property
    def hand_over_helps(self) -> bool:
        """Whether something that is planned was refused, or will be: then someone else can do it."""
        facts = self.facts
        if facts is None:
            return False
        session = self.session
        return bool(
            facts.missing_rights(self.session.pods_offered())
            or any(check.change == "failed" for check in session.checks)
            or (session.applied and session.applied.failed)
            or (session.labelled and session.labelled.failed)
        )

    def tell(self) -> None:
        """Has everything drawn again."""
        self._on_change()

    # Work ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the engine's thread."""
        self.bridge.start()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine of the engine in its thread, to the end even where the caller stops waiting."""
        return await self.bridge.call(work)

    async def compute(self, function: Callable[[], Result]) -> Result:
        """Runs a function that takes its time in the engine's thread."""

        async def call() -> Result:
            return function()

        return await self.run(call())

    async def read(self) -> None:
        """Reads the cluster (connecting first, where there is no connection yet); tells of each change."""
        if self.reading or self.busy:
            return
        self.reading, self.nodes_read, self.arriving = "Connecting", 0, ()
        self._on_change()
        try:
            await self.run(self._read())
        except WizardError as error:
            self.trouble = error
            if self.identity is None:
                await self.compute(self._look_back_without_cluster)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A bug must not leave the person in front of an empty screen without a word.
            self.trouble = WizardError(f"Reading ended unexpectedly: {type(error).__name__}: {error}", "r reads again.")
        finally:
            self.reading, self.arriving = "", ()
            self._on_change()

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
                # Looking goes on where no journal can be kept.
                self.session.read_only = f"Nothing can be changed from here: {error}"
        self.session.take_facts(facts)
        self.trouble = None

    def _look_back(self) -> None:
        """Whether another wizard is at work, and what was left unfinished here. Raises InputError."""
        holder = self.engine.other_wizard()
        self.session.read_only = f"Another podman-wizard ({holder}) is at work on this cluster." if holder else ""
        if holder:
            return
        if not self.fresh and not self._looked_back:
            self.interrupted = self.engine.interrupted_run()
            self.unfinished = self.engine.unfinished_session()
        self._looked_back = True
        self.is_new_here = not self._named and self.engine.is_new_here()

    def _look_back_without_cluster(self) -> None:
        """A policy can be worked on without a cluster, and its session's line drop."""
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
        """Goes over to another cluster; what was read, checked and done on the first one no longer counts."""
        session, engine = self._wake()
        await self.run(engine.close())
        self.target, self._answers, self._awake = target, session.answers, None
        self.identity, self.trouble, self.operation, self._saved_facts = None, None, None, None
        self.interrupted = self.unfinished = None
        self._named = self._looked_back = False
        await self.read()

    async def change(self, change: Callable[[Session], None]) -> None:
        """Changes the session in the engine's thread. Raises what the change raises, and then keeps the old state."""

        async def apply() -> None:
            change(self.session)

        async with self._one_change:
            before, answers = self.session.judgement, self.session.answers
            try:
                await self.run(apply())
            except WizardError:
                self.session.judgement, self.session.answers = before, answers
                raise
        self._on_change()

    async def check(self) -> None:
        """Has the server check what would be applied (a dry run of every object)."""
        judgement = self.session.judgement
        if judgement is None or self.offline or self.identity is None:
            return
        checks = await self.run(self.engine.dry_run(judgement.rendering.objects, judgement.answers.ownership))
        if self.session.judgement is judgement:
            self.session.checks = tuple(checks)
            self._on_change()

    def begin(self, step: StepId, title: str, rows: tuple[str, ...], work: Work) -> Operation:
        """Starts work that changes the cluster. It belongs to the walk: leaving the screen does not end it."""
        from screens.operation import Operation

        operation = Operation(step, title, rows, on_change=self._on_operation)
        self.operation = operation
        self.engine.note_answers(self.session.answers)
        operation.future = self.bridge.submit(self._operate(operation, work))
        self._on_operation()
        return operation

    async def _operate(self, operation: Operation, work: Work) -> None:
        operation.stop = asyncio.Event()
        try:
            await work(self.engine, operation)
        except WizardError as error:
            operation.fail(error.what, error.todo)
        except asyncio.CancelledError:
            operation.interrupt()
            raise
        except Exception as error:
            operation.fail(f"Ended unexpectedly: {type(error).__name__}: {error}", "What was done is in the journal.")
        finally:
            operation.close()

    def stop_operation(self) -> None:
        """Asks the work in flight to stop; what has been done so far is kept and said."""
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
        """Lets the work in flight end, or stops it; returns after ``seconds`` at the latest."""
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
        """Goes on with what was left unfinished, or lets go of it; gives the step where it stood."""
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
        await self.change(lambda session: session.choose(answers))
        if run is not None:
            # Whether what was applied still stands there; what is refused now, Manifest asks again and says.
            with contextlib.suppress(WizardError):
                await self.check()
        if left is not None:
            return left.step
        return WHERE_IT_STOOD.get(run.changes[-1].kind) if run is not None else None

    async def keep_unfinished(self, step: StepId, policy: PolicyEdits | None) -> None:
        """Keeps what was chosen here and not done, for the next session: the line has dropped."""
        if self._awake is None or self.unfinished is not None or self.interrupted is not None:
            # What was on offer and not decided about stays on offer.
            return
        answers = self.session.answers
        if policy is None and answers == self._answers:
            return
        from wizard.answers_file import write_answers
        from wizard.journal import now
        from wizard.unfinished import Unfinished

        left = Unfinished(now(), step, write_answers(answers), policy)
        await self.compute(lambda: self.engine.keep_session(left))

    async def forget_unfinished(self) -> None:
        """Lets go of it: the person has ended this session on purpose."""
        if self._awake is not None and self.unfinished is None:
            await self.compute(lambda: self.engine.keep_session(None))

    async def close(self, *, interrupted: bool = False) -> None:
        """Ends the connection; the thread is ended by ``bridge.stop``."""
        if self._awake is not None:
            await asyncio.wait_for(self.run(self.engine.close(interrupted=interrupted)), 5)


async def _set(event: asyncio.Event) -> None:
    event.set()


async def _outcome(future: concurrent.futures.Future[None]) -> None:
    await asyncio.wait([asyncio.wrap_future(future)])
