"""The last two steps in plain mode: the Podman test, and the summary with the answers file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wizard.engine.podman_check import subjects
from wizard.files import write_file
from wizard.findings.verification import guide_test
from wizard.plain.asking import agreed
from wizard.plain.desk import Desk
from wizard.plan.actions import verify_podman
from wizard.plan.derive import derive, plan_without_cluster
from wizard.plan.left_to_do import steps_left
from wizard.printing.lines import out
from wizard.printing.results import print_proofs
from wizard.session.repeating import outcome_of, resolved_answers

ANSWERS_FILE = "podman-wizard.choices.answers.yaml"


class EndingSteps:
    """The steps Verify and Summary."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def verify(self) -> None:
        """Prints the guide's test, and offers to run Podman in a test pod on each node type."""
        for step in guide_test():
            out(f"{step.who}: {step.text}")
            if step.command:
                out(f"    {step.command}")
        session, judgement = self._desk.session, self._desk.judgement
        choice = session.answers.verify
        if not subjects(judgement.facts):
            out("No node advertises FUSE yet. First apply the manifest, label nodes, and wait for them.")
            return
        question = f"Run Podman in a test pod on one node of each type ({choice.image}, namespace {choice.namespace})?"
        if not self._desk.refuses(session.may_send_pods(choice.namespace)):
            plan = derive(judgement, [verify_podman(choice)], read_only=session.read_only)
            outcome = await self._desk.act(plan, ("verify",), question)
            print_proofs(outcome.proofs if outcome is not None else ())

    async def summary(self) -> None:
        """Prints what was done, what is left, and the answers file that repeats it."""
        session = self._desk.session
        out("Done: " + ("; ".join(self._desk.done) or "nothing was changed"))
        saved = session.policy_saved
        pushed = session.pushed is not None and session.pushed.promoted
        v2 = session.answers.template is not None
        for _, step in steps_left(Path(saved) if saved else None, v2=v2, pushed=pushed, offers=session.offers_fuse):
            out(f"Left to do: {step}")
        if self._desk.done:
            out("To undo: enter undo below, or later run podman-wizard undo to preview, and podman-wizard undo --yes.")
        text = self._answers()
        out("The answers file, with which podman-wizard run repeats this:")
        out(text, lines=True)
        if await agreed(f"Write it to {ANSWERS_FILE}?"):
            write_file(Path(ANSWERS_FILE), text.encode())

    def _answers(self) -> str:
        """Returns the text of the answers file that repeats what was done."""
        session = self._desk.session
        plan = session.plan
        if plan is None:
            # Nothing was done on a cluster.
            manifest = replace(session.answers.manifest, apply=False)
            plan = plan_without_cluster(replace(session.answers, manifest=manifest), ())
        return resolved_answers(
            plan,
            outcome_of(session),
            kubeconfig=self._desk.engine.target.kubeconfig,
            disrupted=self._desk.disrupted,
        )
