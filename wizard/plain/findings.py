"""The first two steps in plain mode: the findings about the cluster, and about the security modules of its nodes."""

from __future__ import annotations

from collections.abc import Sequence

from wizard.engine.podman_check import probe_nodes
from wizard.finding import PASSED, Finding, outcome_counts, worst_first
from wizard.findings.security_modules import PROBE_IMAGE
from wizard.names import PROBE_NAMESPACE
from wizard.plain.asking import ask
from wizard.plain.desk import Desk
from wizard.plain.telling import tell_finding
from wizard.printing.lines import out, tell


class FindingsSteps:
    """The steps Prerequisites and Security modules; ``told`` has the numbered findings of the step."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.told: Sequence[Finding] = ()

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Prints the findings, the worst first; those that passed only by title."""
        self.told = worst_first(findings)
        for number, finding in enumerate(self.told, start=1):
            if finding.outcome not in PASSED:
                tell_finding(finding, number)
        passed = [finding.title for finding in self.told if finding.outcome in PASSED]
        if passed:
            out(f"passed: {'; '.join(passed)}")
        if findings:
            out(", ".join(words for _, words in outcome_counts(findings)))

    async def prerequisites(self) -> None:
        """Prints the findings of the first step."""
        if self._desk.session.judgement is None:
            out("The cluster could not be read. You can still prepare the manifest and the template policy.")
            out("To try again, enter repeat.")
            return
        self._tell(self._desk.judgement.prerequisites)

    async def security_modules(self) -> None:
        """Prints the findings of the second step, and asks for their acknowledgment."""
        session = self._desk.session
        while True:
            judgement = self._desk.judgement
            self._tell(judgement.security_modules)
            if not session.needs_acknowledgement:
                return
            options = ("yes", "no") if judgement.probes else ("yes", "no", "probe")
            answer = await ask("I have reviewed these warnings for this cluster", options, default="no")
            if answer != "probe":
                session.acknowledge(answer == "yes")
                return
            if not self._desk.refuses(session.may_send_pods(PROBE_NAMESPACE)) and await self._desk.agreed_here(
                f"Run a probe pod on one node of each type ({PROBE_IMAGE}, namespace {PROBE_NAMESPACE})?"
            ):
                session.take_probes(await probe_nodes(self._desk.engine, judgement.facts, tell))
