"""What every step of plain mode needs: the session and its plan, the questions before a change, the look after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wizard.engine.engine import Engine
from wizard.engine.executor import Executor, RunOutcome
from wizard.engine.looking import look_again
from wizard.engine.words import done_words
from wizard.errors import ClusterError, ConflictError, InputError, WizardError
from wizard.manifest.asking import PlanChanged
from wizard.nodes.verdicts import vanished_words
from wizard.plain.asking import agreed, ask
from wizard.plan.derive import Plan
from wizard.plan.gates import GateKind, closed
from wizard.plan.judgement import Judgement
from wizard.printing.lines import out, say, tell
from wizard.session.session import Session

UNTOUCHED = "Changes made so far are kept. Enter repeat to read the cluster again."


class Desk:
    """The engine and the session of one walk, and what was done in it."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self.engine = engine
        self.session = session
        self.done: list[str] = []
        """What was done, in words."""
        self.disrupted = False
        """Whether someone agreed to take FUSE from nodes."""
        self._is_known = False
        """Whether this cluster was changed from this machine before, or its context was typed."""

    @property
    def judgement(self) -> Judgement:
        """What is known; raises ClusterError if the cluster was not read."""
        if self.session.judgement is None:
            raise ClusterError(
                "The cluster has not been read yet.", 'Under "Choose an action", enter repeat to read it.'
            )
        return self.session.judgement

    @property
    def plan(self) -> Plan:
        """The plan of the judgement; raises ClusterError if the cluster was not read."""
        _ = self.judgement
        assert self.session.plan is not None
        return self.session.plan

    async def read(self) -> None:
        """Reads the cluster, and connects to it first if it is not connected. Raises InputError or ClusterError."""
        if not self.engine.has_cluster:
            identity = await self.engine.open()
            out(f"Cluster: {identity.context}, {identity.server}, {identity.version}, {identity.distribution}")
        facts = await self.engine.read_facts(verify_in=self.session.answers.verify.namespace)
        if vanished := self.session.drop_vanished(facts):
            out(vanished_words(vanished))
        self.session.take_facts(facts)
        self._claim()

    def _claim(self) -> None:
        """Takes the cluster's lock; without it the session is read-only until it is read again."""
        before, why = self.session.read_only, ""
        try:
            self.engine.claim()
        except (ConflictError, InputError) as error:
            why = f"This session is read-only: {error}"
        if why != before:
            self.session.set_read_only(why)
            out(why or "This session is no longer read-only.", lines=True)

    def end_run(self) -> None:
        """Ends the run in the journal; what is changed from now on belongs to another one."""
        _ = self.engine.identity
        self.engine.end_run()
        self._claim()

    async def ask_server(self) -> None:
        """Has the server check the manifest, unless it has; without an answer the plan stays unchecked."""
        if self.session.judgement is None or self.session.checks:
            return
        asked = self.session.judgement
        try:
            self.session.take_checks(asked, await self.engine.ask(asked))
        except ClusterError as error:
            say(str(error))

    async def look(self) -> None:
        """Reads the cluster again, and asks the server."""
        await self.read()
        await self.ask_server()

    def refuses(self, reason: str) -> bool:
        """Prints why something cannot be done here, and what is possible instead; returns whether there is a reason."""
        if reason:
            out(reason, lines=True)
            out('At the next "Choose an action", enter export to write the plan for someone with access.')
        return bool(reason)

    async def agreed_here(self, question: str) -> bool:
        """Asks the same, and before the first change to a cluster also for its context: it could be the wrong one."""
        out(f"On {self.engine.identity.words}:")
        if not await agreed(question):
            return False
        context = self.engine.identity.context
        self._is_known = self._is_known or not self.engine.is_new_here()
        question = f"First change to this cluster from this machine. To confirm, type {context}"
        if self._is_known or await ask(question) == context:
            self._is_known = True
            return True
        out("Nothing was changed.")
        return False

    async def act(self, plan: Plan, kinds: Sequence[str], question: str) -> RunOutcome | None:
        """Asks, and carries out the actions of these kinds; returns None if the user does not agree.

        Nodes that would lose FUSE are a question of their own, before the other one. Raises what ``execute`` raises.
        """
        only = plan.ids(*kinds)
        allow = await self._consents(plan, {action.kind for action in plan.actions if action.id in only})
        if allow is None or not await self.agreed_here(question):
            return None
        self.disrupted = self.disrupted or bool(allow)
        return await self.execute(plan, only, allow)

    async def _consents(self, plan: Plan, kinds: Collection[str]) -> tuple[GateKind, ...] | None:
        gates = [gate for gate in closed(plan.gates, "plain", actions=kinds) if gate.kind == "disruption"]
        for gate in gates:
            out(f"Warning: {gate.words}")
            out(gate.means)
            if not await agreed("Continue all the same?"):
                out("Nothing was changed.")
                return None
        return ("disruption",) if gates else ()

    async def execute(self, plan: Plan, only: Collection[str], allow: Collection[GateKind] = ()) -> RunOutcome:
        """Carries out actions of the plan that was shown, and looks again, whatever became of them.

        Raises the error of a closed gate, and PlanChanged if the cluster is not what the plan was made from; then the
        session has the plan of now.
        """
        self.engine.note_answers(self.session.answers)
        executor = Executor(self.engine, plan, tell)
        trouble: WizardError | None = None
        try:
            await executor.execute(agreed=plan.digest, door="plain", only=only, allow=allow)
        except WizardError as error:
            trouble = error
        outcome = executor.outcome
        self.take(outcome)
        try:
            await self._look_again(plan, outcome, changed=isinstance(trouble, PlanChanged))
        except WizardError as error:
            say(f"{error}\n{UNTOUCHED}")
        if trouble is not None:
            raise trouble
        return outcome

    def take(self, outcome: RunOutcome) -> None:
        """Keeps what became of a plan."""
        self.session.take_outcome(outcome)
        self.done.extend(done_words(outcome))

    async def _look_again(self, plan: Plan, outcome: RunOutcome, *, changed: bool) -> None:
        if changed:
            await self.look()
        elif outcome.objects or outcome.labelled or outcome.rollout:
            vanished = self.session.take_plan(await look_again(self.engine, plan, outcome))
            if vanished:
                out(vanished_words(vanished))
