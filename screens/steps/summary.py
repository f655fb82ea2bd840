"""The last step: what is done, what is left to do, how to undo it, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.steps.step import ListStep
from screens.widgets.words import clean, detail_text, remedy_lines, state_word
from wizard.answers_file import write_answers
from wizard.coder.steps import impact_sentence
from wizard.engine.coder import undo_command
from wizard.plan.left_to_do import steps_left
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.engine.executor import RunOutcome
    from wizard.engine.undo import Undoable

ALL_RUNS = "all"
"""The choice of every run, beside the IDs of runs."""

ANSWERS_FILE = "podman-wizard-answers.yaml"


@dataclass(frozen=True)
class Line:
    """A row of the summary."""

    state: str
    what: str
    seen: str | Sequence[str] = ""
    then: str | Sequence[str] = ""
    do: str | Sequence[str] = ""


class SummaryStep(ListStep[Line]):
    """Lists what is done and what is left to do; exports the answers file."""

    STEP = "summary"
    TITLE = "Summary"
    BINDING_GROUP_TITLE = "Summary"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "e", "export", "Export answers", id="summary.export", tooltip="Show the answers file, which repeats this"
        ),
        Binding("u", "undo", "Undo", id="summary.undo", tooltip="Choose a run, see what its undo does, and undo it"),
    ]

    def main_keys(self) -> Sequence[str]:
        """Returns the key that exports the answers."""
        return ("e",)

    def key(self, item: Line) -> str:
        """Returns the text of the line."""
        return item.what

    def cells(self, item: Line) -> Sequence[Text | str]:
        """Returns state and text."""
        return (state_word(item.state), clean(item.what))

    def detail(self, item: Line) -> RenderableType:
        """Returns the line in full."""
        return detail_text(item.what, seen=item.seen, then=item.then, do=item.do)

    def items(self) -> Iterable[Line]:
        """Yields what is done, then what is left, then how to undo and repeat it."""
        yield from self._done()
        yield from self._left()
        if self._changed():
            yield self._undo()
        coder = self.session.in_coder
        if coder.undo and coder.undo != undo_command():
            yield Line(
                "info",
                f"Undo in Coder: {coder.undo} --yes",
                seen="These changes were made without a cluster, so they are in the journal of the Coder deployment.",
                then="Workspace templates are turned off again if podman-wizard turned them on.",
                do=f"Run {coder.undo} to preview it.",
            )
        yield Line(
            "info",
            f"Repeat: podman-wizard run --answers {ANSWERS_FILE} --yes",
            then=["The same choices, without the screens, on this or another cluster.", self._merged_first()],
            do="Press e to show and save the answers file.",
        )
        for path in self.walk.files:
            yield Line("info", f"Written: {path}")

    def _undo(self) -> Line:
        if self.walk.target.sandbox is not None:
            return Line(
                "info",
                "Undo: not needed, the sandbox ends with the wizard",
                do="Press u to preview an undo.",
            )
        command = f"podman-wizard{self._where()} undo"
        return Line(
            "info",
            f"Undo: {command} --yes",
            seen="The changes are in the journal of this run.",
            then="New objects are deleted; changed objects, labels, and files are restored.",
            do=f"Press u to preview it, or run {command}.",
        )

    def _where(self) -> str:
        """Returns the options that name this cluster, whatever the current context is later."""
        target, identity = self.walk.target, self.walk.identity
        context = identity.context if identity is not None else target.context
        options = (("--kubeconfig", target.kubeconfig), ("--context", context))
        return "".join(f" {name} {shlex.quote(value)}" for name, value in options if value)

    def _left(self) -> Iterable[Line]:
        session = self.session
        coder = session.in_coder
        here = session.policy_saved or coder.policy
        pushed = session.pushed is not None and session.pushed.promoted
        policy, offers = Path(here) if here else None, session.offers_fuse
        for step, todo in steps_left(policy, v2=session.coder_is_v2, pushed=pushed, offers=offers):
            needed = {step, "coder-save"} if step == "coder-upload-policy" else {step}
            if not needed <= session.ticks:
                yield Line("waiting", todo, then="This must be done by hand.", do=todo)
            elif not (step == "coder-enable-templates" and coder.enabled) and not (len(needed) > 1 and coder.uploaded):
                yield Line("done", todo, then="You marked this step done.")

    def _merged_first(self) -> str:
        """Returns what a run does to a policy that was uploaded unchanged, without a FUSE request."""
        choice, uploaded = self.session.answers.policy_or_default, self.session.in_coder.policy
        if not uploaded or choice.file != uploaded or choice.output:
            return ""
        return f"It first merges the FUSE request into a copy of {Path(uploaded).name}, and uploads the copy."

    def _changed(self) -> bool:
        session = self.session
        in_journal = session.in_coder.undo == undo_command()
        files = session.policy_saved or session.template_saved
        return bool(session.applied or session.labelled or files or session.pushed or in_journal)

    def _verified(self) -> Iterable[Line]:
        """Yields the test results, a line for all node types and one for each on which Podman failed."""
        proofs = self.session.proofs
        bad = [proof for proof in proofs if not proof.ok]
        if proofs:
            yield Line(
                "failed" if bad else "done",
                f"Verify: Podman works on {len(proofs) - len(bad)} of {counted(len(proofs), 'node type')}",
                seen=[proof.title for proof in proofs if proof.ok],
            )
        for proof in bad:
            yield Line(
                "failed", f"Verify: {proof.title}", seen=proof.excerpt, then=proof.text, do=remedy_lines(proof.remedies)
            )

    def _in_coder(self) -> Iterable[Line]:
        """Yields what the wizard changed in Coder; steps done by hand are among what was left to do."""
        coder = self.session.in_coder
        if coder.trouble:
            yield Line("failed", f"Coder: {coder.trouble}", seen=coder.url, do="Press t in Template to try again.")
        if coder.enabled is not None:
            how = "were already on" if coder.enabled.before else "turned on"
            yield Line("done", f"Coder: workspace templates {how}", seen=coder.url)
        if coder.uploaded is not None:
            again = "" if "coder-upload-policy" in self.session.ticks else "The file has changed since then."
            yield Line(
                "done",
                f"Coder: {Path(coder.policy).name} uploaded, {impact_sentence(coder.uploaded.impact)}",
                seen=[coder.url, coder.policy],
                then=["Each workspace requests a FUSE device after it is rebuilt.", again],
                do="Rebuild the workspaces.",
            )

    def _done(self) -> Iterable[Line]:
        session = self.session
        plan = session.plan
        if session.applied is None and session.is_applied:
            yield Line("done", "Manifest: already on the cluster", seen="A dry run by the server shows no changes.")
        elif session.applied is None and plan is not None and plan.stage == "asked" and not plan.ids("apply"):
            yield Line("skipped", "Manifest: nothing to apply, what differs is skipped")
        elif session.applied is None and session.has_device_manager:
            count = len(plan.ids("apply")) if plan is not None else 0
            yield Line(
                "skipped",
                "Manifest: not applied in this session",
                seen="The cluster has a DaemonSet smarter-device-manager.",
                then=f"The plan changes {counted(count, 'object')}." if count else "",
                do="Open Manifest to see the changes and to apply them.",
            )
        elif session.applied is None:
            yield Line("skipped", "Manifest: not applied", do="Apply it in Manifest, or press h to export the plan.")
        else:
            yield self._applied(session.applied)
        labelled = session.labelled
        if labelled is None and session.judgement is not None and session.offers_fuse:
            count = len(session.judgement.chosen)
            words = f"Nodes: {count} of {counted(count, 'selected node')} advertise FUSE"
            yield Line("done", words, seen="As last read from the cluster.")
        elif labelled is None:
            yield Line("skipped", "Nodes: none labeled", do="Label them in Nodes, or press h to export the plan.")
        else:
            bad = len(labelled.failed) + len(labelled.cancelled)
            yield Line(
                "failed" if bad else "done",
                f"Nodes: {len(labelled.done)} labeled" + (f", {bad} not" if bad else ""),
                then="; ".join(f"{item.name}: {item.reason}" for item in labelled.failed[:5]),
            )
        rollout = session.rollout
        if rollout is not None:
            complete = rollout.ready >= rollout.desired
            yield Line(
                "done" if complete else "failed",
                f"Rollout: {rollout.ready} of {counted(rollout.desired, 'node')} ready",
                seen="; ".join(f"{item.name}: {item.reason}" for item in rollout.failing[:5]),
                do="" if complete else "Press w in Nodes to wait again.",
            )
        yield from self._template()
        if session.policy_saved:
            yield Line("done", f"Template policy: written to {session.policy_saved}")
        elif session.in_coder.uploaded is not None:
            yield Line("done", f"Template policy: {session.in_coder.policy}, uploaded unchanged")
        elif session.coder_is_v2:
            if not session.template_saved and session.pushed is None:
                yield Line("skipped", "Template: not written and not pushed", do="Merge and save it in Template.")
        else:
            yield Line("skipped", "Template policy: not written", do="Merge and save it in Template.")
        yield from self._in_coder()
        yield from self._verified()

    def _template(self) -> Iterable[Line]:
        """Yields what became of a Terraform template of Coder v2."""
        saved, pushed = self.session.template_saved, self.session.pushed
        if saved:
            yield Line("done", f"Template: written to {saved}")
        if pushed is not None:
            name = pushed.version.name
            how = "is the active version" if pushed.promoted else "was imported and is not active"
            yield Line(
                "done",
                f"Template in Coder: {name} {how}",
                then="Workspaces get it when they are updated.",
                do="" if pushed.promoted else "Make it active in the Coder UI: Templates, Versions, Promote.",
            )

    @staticmethod
    def _applied(outcome: RunOutcome) -> Line:
        """Returns what became of the last apply."""
        failed = [(ref, one) for ref, one in outcome.objects if one.result == "failed"]
        left = [ref for ref, one in outcome.objects if one.result not in ("done", "failed")]
        done = outcome.applied
        words = f"{counted(len(done), 'object')} applied"
        if failed:
            words = f"{counted(len(failed), 'object')} rejected" + (f", {len(left)} not attempted" if left else "")
        elif left:
            words = f"stopped, {len(done)} of {counted(len(done) + len(left), 'object')} applied"
        return Line(
            "failed" if failed or left else "done",
            f"Manifest: {words}",
            seen=", ".join(done),
            then="; ".join(f"{ref.title}: {one.message}" for ref, one in failed),
            do=[one.todo for _, one in failed],
        )

    def show(self) -> None:
        """Shows the lines from the session."""
        super().show()
        self.show_detail()

    def commands(self) -> Sequence[str]:
        """Returns the commands to undo and to repeat it."""
        where = self._where()
        coder = self.session.in_coder
        own = coder.undo and coder.undo != undo_command()
        undo = ("# undo the last run", f"podman-wizard{where} undo --yes")
        return (
            *(undo if self.walk.target.sandbox is None else ()),
            *(("# undo the changes in Coder", f"{coder.undo} --yes") if own else ()),
            "# repeat this without the screens",
            f"podman-wizard{where} run --answers {ANSWERS_FILE} --yes",
        )

    def action_undo(self) -> None:
        """Lists the runs on this cluster, shows what the undo of one does, asks, and carries it out."""
        why_not = self.walk.why_not_undo()
        if why_not:
            self.say(why_not, bad=True)
        else:
            self.in_background(self._choose_undo(), group="undo", exclusive=True)

    async def _choose_undo(self) -> None:
        from screens.widgets.dialogs import Option, Pick
        from wizard.engine.undo import undoable

        engine = self.walk.engine

        def find() -> tuple[Undoable, ...]:
            engine.end_run()  # what was done so far is a run like the others
            return undoable(engine)

        found = await self.walk.compute(find)
        if not found:
            self.say("There is nothing to undo on this cluster.")
            return
        if len(found) == 1:
            await self._ask_to_undo(found[0].run)
            return

        def choose(run: str | None) -> None:
            if run is not None:
                self.in_background(self._ask_to_undo(run), group="undo", exclusive=True)

        options = [Option(one.run, one.words) for one in found]
        options.append(Option(ALL_RUNS, f"All {len(found)}: the state before the first one"))
        self.ask(Pick("Undo", "Which run? The latest is first.", options), choose)

    async def _ask_to_undo(self, run: str) -> None:
        from screens.steps.undoing import ask_to_undo

        await ask_to_undo(self, run, everything=run == ALL_RUNS)

    def action_export(self) -> None:
        """Shows the answers file, which w writes there."""
        from screens.widgets.pages import CommandsPage

        text = write_answers(self.session.answers)
        text = "# all defaults\n" if text.strip() == "{}" else text
        page = CommandsPage("Answers file", text, ANSWERS_FILE, self.walk.files)
        # What was written there belongs in the list.
        _ = self.app.push_screen(page, lambda _: self.show())
