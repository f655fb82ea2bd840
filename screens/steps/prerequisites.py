"""The first step: checks the cluster and the permissions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.steps.step import ListStep
from screens.widgets.tokens import state_style, tone
from screens.widgets.words import clean, finding_commands, finding_detail, finding_story, state_word
from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.finding import Finding

OTHER_FILE = "another file"


def _with_key(finding: Finding) -> Finding:
    """Returns a finding about permissions with the key that exports the plan, and others unchanged."""
    if finding.id != "rbac.plan" or not finding.remedies:
        return finding
    first, *rest = finding.remedies
    words = f"{first.text} Press h to export the plan to a folder, or run:"
    return replace(finding, remedies=(replace(first, text=words), *rest))


FOLDED = "passed"
"""The id of the row that stands for the checks that passed."""


class FindingsStep(ListStep["Finding"]):
    """A step whose rows are findings, the worst first.

    Where there is little room, one row stands for those that passed, until it is opened.
    """

    opened = False
    """Whether the checks that passed are listed."""

    def found(self) -> Iterable[Finding]:
        """Yields the findings, in any order."""
        raise NotImplementedError

    def items(self) -> Iterable[Finding]:
        """Yields the findings as rows."""
        from wizard.finding import PASSED, worst_first

        findings = worst_first(self.found())
        passed = [one for one in findings if one.outcome in PASSED]
        yield from (one for one in findings if one.outcome not in PASSED)
        if len(passed) > 1 and len(passed) < len(findings) and not self.screen.has_class("-wide"):
            yield self._folded(passed)
            if not self.opened:
                return
        yield from passed

    def _folded(self, passed: Sequence[Finding]) -> Finding:
        from wizard.finding import Finding, Outcome

        title = f"{len(passed)} checks"
        evidence = tuple(one.title for one in passed)
        return Finding(id=FOLDED, category="", outcome=Outcome.OK, title=title, evidence=evidence)

    def show_counts(self) -> None:
        """Shows how many findings have each outcome, on the rule of the step."""
        from wizard.finding import outcome_counts

        note = Text()
        for outcome, words in outcome_counts(self.found()):
            filled = outcome == "blocker"
            note.append("  " if note else "").append(f" {words} " if filled else words, style=state_style(outcome))
        self.set_note(note)

    def on_resize(self) -> None:
        """Folds or lists what passed, as there is room."""
        if self.is_mounted and self.display:
            self.show()

    def action_story(self) -> None:
        """Opens the details of a finding, or lists the checks that passed."""
        current = self.rows.current
        if current is None or current.id != FOLDED:
            super().action_story()
            return
        self.opened = not self.opened
        self.show()

    def key(self, item: Finding) -> str:
        """Returns the id of the finding."""
        return item.id

    def cells(self, item: Finding) -> Sequence[Text | str]:
        """Returns the outcome and the title."""
        if item.id == FOLDED:
            hint = Text(f"   enter {'folds' if self.opened else 'lists'} them", style=tone("dim"))
            return (state_word("passed"), Text(item.title).append_text(hint))
        return (state_word(item.outcome), clean(item.title))

    def detail(self, item: Finding) -> RenderableType:
        """Returns Found, Means, and To do."""
        return finding_detail(item)

    def story(self, item: Finding) -> RenderableType:
        """Returns every fix and the background."""
        return finding_story(item, explanation(item.id))

    def commands(self) -> Sequence[str]:
        """Returns the commands of every fix."""
        return finding_commands(self.found())


def explanation(name: str) -> str:
    """Returns the explanation of a finding or an adjustment; "" if there is none."""
    from wizard.explanations import explain

    try:
        return explain(name)
    except WizardError:
        return ""


class PrerequisitesStep(FindingsStep):
    """Shows what the cluster offers and lacks; refreshes; chooses another cluster."""

    STEP = "prerequisites"
    TITLE = "Prerequisites"
    EMPTY = ""
    BINDING_GROUP_TITLE = "Prerequisites"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read_again", "Refresh", id="prerequisites.read", tooltip="Read the cluster again"),
        Binding(
            "k", "choose_cluster", "Cluster", id="prerequisites.cluster", tooltip="Choose another context or kubeconfig"
        ),
    ]

    def found(self) -> Iterable[Finding]:
        """Yields the findings; if the cluster could not be read, the reason and what to do."""
        trouble = self.walk.trouble
        if trouble is not None:
            from wizard.finding import Finding, Outcome, Remedy

            yield Finding(
                id="connection",
                category="cluster",
                outcome=Outcome.BLOCKER,
                title=trouble.what,
                detail="The cluster could not be read. You can still prepare the manifest and the template policy.",
                remedies=(
                    Remedy(
                        trouble.todo or "Fix this and press r to retry, or press k to choose another cluster.",
                        who="you",
                    ),
                ),
            )
        if self.walk.judgement is not None:
            yield from map(_with_key, self.walk.judgement.prerequisites)

    def show(self) -> None:
        """Shows the findings, or what is being read until there are some."""
        reading = self.walk.reading
        self.rows.fill(
            tuple(self.items()), empty=f"waiting  {reading}" if reading else "The cluster has not been read."
        )
        self.show_counts()
        self.show_detail()

    def action_read_again(self) -> None:
        """Reads the cluster again."""
        if self.walk.busy:
            self.say("A change is in progress. The cluster is read again when it finishes.")
        else:
            self.in_background(self.walk.read(), group="read", exclusive=True)

    def action_choose_cluster(self) -> None:
        """Offers the contexts of the kubeconfig, and another file."""
        if self.walk.busy:
            self.say("A change is in progress on this cluster. Wait until it finishes.")
            return
        self.in_background(self._offer_contexts(self.walk.target.kubeconfig))

    async def _offer_contexts(self, kubeconfig: str | None) -> None:
        from screens.widgets.dialogs import AskText, Option, Pick
        from wizard.cluster import contexts

        try:
            found = await self.walk.compute(lambda: contexts(kubeconfig))
        except WizardError as error:
            self.complain(error)
            found = ()
        options = [Option(item.name, f"{item.name}   {item.server}   {item.user}") for item in found]
        options.append(Option(OTHER_FILE, "Another kubeconfig file…"))
        current = next((item.name for item in found if item.current), "")
        text = f"Contexts in {kubeconfig or 'the kubeconfig that kubectl uses'}:"

        def picked(answer: str | None) -> None:
            if answer == OTHER_FILE:
                _ = self.app.push_screen(
                    AskText("Another kubeconfig", "File path:", kubeconfig or "~/.kube/config"), self._take_file
                )
            elif answer is not None:
                self._go_to(kubeconfig, answer)

        self.ask(Pick("Which cluster?", text, options, current), picked)

    def _take_file(self, answer: str | None) -> None:
        if answer:
            self.in_background(self._offer_contexts(answer))

    def _go_to(self, kubeconfig: str | None, context: str) -> None:
        from wizard.choices.target import Target

        self.in_background(self.walk.retarget(Target(kubeconfig=kubeconfig, context=context)), group="read")
