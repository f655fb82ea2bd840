"""The first step: whether this cluster can, and whether this person may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.step import ListStep
from screens.words import clean, finding_commands, finding_detail, finding_story, state_word
from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.findings import Finding

OTHER_FILE = "another file"


def _with_key(finding: Finding) -> Finding:
    """A finding about rights names the key that writes the hand-over; others stay as they are."""
    if finding.id != "rbac.plan" or not finding.remedies:
        return finding
    first, *rest = finding.remedies
    words = f"{first.text} h writes it into a folder; without the screens:"
    return replace(finding, remedies=(replace(first, text=words), *rest))


class FindingsStep(ListStep["Finding"]):
    """A step whose rows are findings."""

    def key(self, item: Finding) -> str:
        """Findings have ids."""
        return item.id

    def cells(self, item: Finding) -> Sequence[Text | str]:
        """The outcome and the title."""
        return (state_word(item.outcome), clean(item.title))

    def detail(self, item: Finding) -> RenderableType:
        """Seen, Then, Do."""
        return finding_detail(item)

    def story(self, item: Finding) -> RenderableType:
        """With every remedy and the background."""
        return finding_story(item, explanation(item.id))

    def commands(self) -> Sequence[str]:
        """The commands of every remedy."""
        return finding_commands(self.items())


def explanation(name: str) -> str:
    """The long text on a finding or an adjustment; "" where there is none."""
    from wizard.explanations import explain

    try:
        return explain(name)
    except WizardError:
        return ""


class PrerequisitesStep(FindingsStep):
    """Shows what the cluster offers and lacks; reads it again; chooses another one."""

    STEP = "prerequisites"
    TITLE = "Prerequisites"
    EXCERPT = "Can this cluster, and may you? Nothing is changed here."
    EMPTY = ""
    HELP = """\
Podman runs containers inside a workspace without root. For the files of those containers it needs FUSE: a device \
of Linux, /dev/fuse, by which a program can offer a file system without being root. Pods do not get devices by \
themselves; a small daemon, smarter-device-manager, offers the device to the cluster, node by node.

This step only looks. It asks the API server which version it runs, which rights you hold, what the nodes run, and \
whether someone has set up the same thing before. Each row is one finding:

  ok       nothing to do
  info     worth knowing
  warning  it works, with a catch
  blocker  a later step cannot be carried out until this is mended
  unknown  you hold no right to look; the row names the right
  skipped  it does not apply here

Seen says where the judgement comes from, Then what follows from it, Do what mends it. Read Podman's own documents \
first if you have never run it rootless; the last rows name them.

Where a right is missing, here or in a later step, h writes the plan into a folder: the manifest, the commands, the \
policy, a README, and a role with exactly the rights that are missing. Someone who has them carries it out."""
    BINDING_GROUP_TITLE = "Prerequisites"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "read_again", "Read again", id="prerequisites.read", tooltip="Read the cluster again"),
        Binding("k", "choose_cluster", "Cluster", id="prerequisites.cluster", tooltip="Another context or kubeconfig"),
    ]

    def items(self) -> Iterable[Finding]:
        """The findings; where the cluster could not be read, why, and what to do."""
        trouble = self.walk.trouble
        if trouble is not None:
            from wizard.findings import Finding, Outcome, Remedy

            yield Finding(
                id="connection",
                category="cluster",
                outcome=Outcome.BLOCKER,
                title=trouble.what,
                detail="Nothing is known of the cluster. The manifest and the policy can be prepared all the same.",
                remedies=(
                    Remedy(trouble.todo or "Mend it, then r reads again; k chooses another cluster.", who="you"),
                ),
            )
        if self.walk.judgement is not None:
            yield from map(_with_key, self.walk.judgement.prerequisites)

    def show(self) -> None:
        """Says what is being read until there is something to show."""
        reading = self.walk.reading
        self.rows.fill(tuple(self.items()), empty=f"waiting  {reading}" if reading else "Nothing has been read.")
        self.show_detail()

    def action_read_again(self) -> None:
        """Reads the cluster again."""
        if self.walk.busy:
            self.say("Work is in flight; it is read again when that has ended.")
        else:
            self.in_background(self.walk.read(), group="read", exclusive=True)

    def action_choose_cluster(self) -> None:
        """Offers the contexts of the kubeconfig, and another kubeconfig."""
        if self.walk.busy:
            self.say("Work is in flight on this cluster.")
            return
        self.in_background(self._offer_contexts(self.walk.target.kubeconfig))

    async def _offer_contexts(self, kubeconfig: str | None) -> None:
        from screens.dialogs import AskText, Option, Pick
        from wizard.cluster import contexts

        try:
            found = await self.walk.compute(lambda: contexts(kubeconfig))
        except WizardError as error:
            self.complain(error)
            found = ()
        options = [Option(item.name, f"{item.name}   {item.server}   {item.user}") for item in found]
        options.append(Option(OTHER_FILE, "Another kubeconfig file ..."))
        current = next((item.name for item in found if item.current), "")
        text = f"Contexts of {kubeconfig or 'the kubeconfig that kubectl would use'}:"

        def picked(answer: str | None) -> None:
            if answer == OTHER_FILE:
                _ = self.app.push_screen(
                    AskText("Another kubeconfig", "The file:", kubeconfig or "~/.kube/config"), self._take_file
                )
            elif answer is not None:
                self._go_to(kubeconfig, answer)

        self.ask(Pick("Which cluster?", text, options, current), picked)

    def _take_file(self, answer: str | None) -> None:
        if answer:
            self.in_background(self._offer_contexts(answer))

    def _go_to(self, kubeconfig: str | None, context: str) -> None:
        from wizard.target import Target

        self.in_background(self.walk.retarget(Target(kubeconfig=kubeconfig, context=context)), group="read")
