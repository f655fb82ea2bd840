"""The last step: what was done, what is left and for whom, how to undo it, how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.step import ListStep
from screens.words import clean, detail_text, remedy_lines, state_word
from wizard.answers_file import write_answers
from wizard.coder.actions import undo_command
from wizard.coder.steps import impact_sentence
from wizard.counting import counted
from wizard.plan import steps_left

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
    """Lists what was done and what is left; exports the answers file."""

    STEP = "summary"
    TITLE = "Summary"
    EXCERPT = "What was done, what is left for whom, how to undo it."
    HELP = """\
What was done carries done, failed or skipped; what is left for a person is waiting, and starts with who must do it.

Whatever the wizard changed it wrote down before it did it. podman-wizard undo takes the last run back: objects that \
were not there are deleted, others get back what they held, labels come off, files get back what they held. What \
someone else changed in the meantime is left alone, and said.

h writes the whole plan into a folder, for someone who has rights that you lack: the manifest, the commands, the \
policy, a README, and a role with exactly the rights that were missing. It takes no right on the cluster.

e shows the answers file: your choices, as podman-wizard run takes them. With it the same work can be repeated on \
this cluster or on another one, without a screen."""
    BINDING_GROUP_TITLE = "Summary"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "export", "Export answers", id="summary.export", tooltip="The answers file that repeats this"),
    ]

    def key(self, item: Line) -> str:
        """By what it says."""
        return item.what

    def cells(self, item: Line) -> Sequence[Text | str]:
        """State and sentence."""
        return (state_word(item.state), clean(item.what))

    def detail(self, item: Line) -> RenderableType:
        """In full."""
        return detail_text(item.what, seen=item.seen, then=item.then, do=item.do)

    def items(self) -> Iterable[Line]:
        """Done first, then what is left, then how to undo and repeat."""
        yield from self._done()
        yield from self._left()
        if self._changed():
            yield self._undo()
        coder = self.session.in_coder
        if coder.undo and coder.undo != undo_command():
            yield Line(
                "info",
                f"Undo in Coder: {coder.undo} --yes",
                seen="the journal of this deployment: there was no cluster to have it in its own",
                then="workspace templates are switched off again if they were switched on here",
                do=f"{coder.undo} shows what it would do",
            )
        yield Line(
            "info",
            f"Repeat: podman-wizard run --answers {ANSWERS_FILE} --yes",
            then=["the same choices, without a screen, here or on another cluster", self._merged_first()],
            do="e shows the answers file and writes it",
        )
        for path in self.walk.files:
            yield Line("info", f"Written: {path}")

    def _undo(self) -> Line:
        if self.walk.target.sandbox is not None:
            return Line(
                "info",
                "Undo: the sandbox ends with the wizard, and all that was done in it",
                do="on a cluster, podman-wizard undo shows what it would take back; with --yes it does it",
            )
        command = f"podman-wizard{self._where()} undo"
        return Line(
            "info",
            f"Undo: {command} --yes",
            seen="the journal of this run",
            then="objects that were not there are deleted; others, labels and files get back what they held",
            do=f"{command} shows what it would do",
        )

    def _where(self) -> str:
        """The options that name this cluster, whatever the kubeconfig's current context is by then."""
        target, identity = self.walk.target, self.walk.identity
        context = identity.context if identity is not None else target.context
        options = (("--kubeconfig", target.kubeconfig), ("--context", context))
        return "".join(f" {name} {shlex.quote(value)}" for name, value in options if value)

    def _left(self) -> Iterable[Line]:
        session = self.session
        coder = session.in_coder
        here = session.policy_saved or coder.policy
        for step, todo in steps_left(Path(here) if here else None, v2=session.coder_is_v2):
            who, _, what = todo.partition(": ")
            needed = {step, "coder-save"} if step == "coder-upload-policy" else {step}
            if not needed <= session.ticks:
                yield Line("waiting", todo, then="Nobody but a person can do this.", do=f"{who}: {what}")
            elif not (step == "coder-enable-templates" and coder.enabled) and not (len(needed) > 1 and coder.uploaded):
                yield Line("done", todo, then="It was ticked off.")

    def _merged_first(self) -> str:
        """What a run does to a policy that was uploaded as it was, and that it would not upload so."""
        choice, uploaded = self.session.answers.policy, self.session.in_coder.policy
        if not uploaded or choice.file != uploaded or choice.output:
            return ""
        return f"it first merges what Podman needs into a copy of {Path(uploaded).name}, and uploads the copy"

    def _changed(self) -> bool:
        session = self.session
        in_journal = session.in_coder.undo == undo_command()
        return bool(session.applied or session.labelled or session.policy_saved or in_journal)

    def _verified(self) -> Iterable[Line]:
        """What Podman said on the nodes, a line for all kinds and one for each where it did not run."""
        proofs = self.session.proofs
        bad = [proof for proof in proofs if not proof.ok]
        if proofs:
            yield Line(
                "failed" if bad else "done",
                f"Verify: Podman ran on {len(proofs) - len(bad)} of {len(proofs)} kinds of nodes",
                seen=[proof.title for proof in proofs if proof.ok],
            )
        for proof in bad:
            yield Line(
                "failed", f"Verify: {proof.title}", seen=proof.excerpt, then=proof.text, do=remedy_lines(proof.remedies)
            )

    def _in_coder(self) -> Iterable[Line]:
        """What the wizard itself did in Coder; clicks that were ticked off are among what was left."""
        coder = self.session.in_coder
        if coder.trouble:
            yield Line("failed", f"Coder: {coder.trouble}", seen=coder.url, do="t in Template policy tries it again")
        if coder.enabled is not None:
            before = "enabled already" if coder.enabled.before else "off before, on now"
            yield Line("done", f"Coder: workspace templates are enabled, {before}", seen=coder.url)
        if coder.uploaded is not None:
            again = "" if "coder-upload-policy" in self.session.ticks else "the file was changed after that"
            yield Line(
                "done",
                f"Coder: {Path(coder.policy).name} uploaded, {impact_sentence(coder.uploaded.impact)}",
                seen=[coder.url, coder.policy],
                then=["every workspace asks for a FUSE device once it is rebuilt", again],
                do="rebuild the workspaces",
            )

    def _done(self) -> Iterable[Line]:
        session = self.session
        if session.applied is None and session.is_applied:
            yield Line(
                "done", "Manifest: the cluster has it as it is here", seen="a dry run by the server changes nothing"
            )
        elif session.applied is None and not session.checks and session.has_device_manager:
            yield Line(
                "skipped",
                "Manifest: not applied in this session",
                seen="the cluster has a daemon set smarter-device-manager",
                do="Manifest compares it with what is planned, and applies that",
            )
        elif session.applied is None:
            yield Line("skipped", "Manifest: not applied", do="apply it in Manifest, or h hands the plan over")
        else:
            failed, left, done = session.applied.failed, session.applied.left, session.applied.applied
            state, count = ("failed", len(failed)) if failed else ("done", len(done))
            words = f"{counted(count, 'object')} {'refused' if failed else 'applied'}"
            if left:
                state, words = "failed", f"stopped, {len(done)} of {len(done) + len(left)} objects applied"
            yield Line(
                state,
                f"Manifest: {words}",
                seen=", ".join(session.applied.applied),
                then="; ".join(f"{item.name}: {item.reason}" for item in failed),
            )
        labelled = session.labelled
        if labelled is None and session.judgement is not None and session.offers_fuse:
            count = len(session.judgement.chosen)
            yield Line("done", f"Nodes: all {count} that are chosen offer FUSE", seen="as last read from the cluster")
        elif labelled is None:
            yield Line("skipped", "Nodes: none labelled here", do="choose and label them in Nodes, or h hands it over")
        else:
            bad = len(labelled.failed) + len(labelled.cancelled)
            yield Line(
                "failed" if bad else "done",
                f"Nodes: {len(labelled.done)} labelled" + (f", {bad} not" if bad else ""),
                then="; ".join(f"{item.name}: {item.reason}" for item in labelled.failed[:5]),
            )
        rollout = session.rollout
        if rollout is not None:
            complete = rollout.ready >= rollout.desired
            yield Line(
                "done" if complete else "failed",
                f"Rollout: {rollout.ready} of {rollout.desired} nodes ready",
                seen="; ".join(f"{item.name}: {item.reason}" for item in rollout.failing[:5]),
                do="" if complete else "w in Nodes waits again",
            )
        if session.policy_saved:
            yield Line("done", f"Template policy: written to {session.policy_saved}")
        elif session.in_coder.uploaded is not None:
            yield Line("done", f"Template policy: {session.in_coder.policy}, uploaded as it was")
        elif session.coder_is_v2:
            yield Line("skipped", "Template policy: there is none in Coder v2", do="the template below takes its place")
        else:
            yield Line("skipped", "Template policy: not written", do="merge and save it in Template policy")
        yield from self._in_coder()
        yield from self._verified()

    def show(self) -> None:
        """Again, from the session."""
        super().show()
        self.show_detail()

    def commands(self) -> Sequence[str]:
        """Undo and repeat."""
        where = self._where()
        coder = self.session.in_coder
        own = coder.undo and coder.undo != undo_command()
        undo = ("# take the last run back", f"podman-wizard{where} undo --yes")
        return (
            *(undo if self.walk.target.sandbox is None else ()),
            *(("# and what was done in Coder alone", f"{coder.undo} --yes") if own else ()),
            "# the same again, without a screen",
            f"podman-wizard{where} run --answers {ANSWERS_FILE} --yes",
        )

    def action_export(self) -> None:
        """Shows the answers file; w there writes it."""
        from screens.pages import CommandsPage

        text = write_answers(self.session.answers)
        text = "# every default, nothing chosen\n" if text.strip() == "{}" else text
        page = CommandsPage("Answers file", text, ANSWERS_FILE, self.walk.files)
        # What was written there belongs into the list.
        _ = self.app.push_screen(page, lambda _: self.show())
