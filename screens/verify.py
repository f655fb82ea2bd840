"""The sixth step: the guide's own test, to tick off, and Podman in a pod on each kind of node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.dialogs import Choice
from screens.step import ListStep
from screens.words import clean, detail_text, remedy_lines, state_word
from wizard.counting import counted
from wizard.prove import Proof, subjects, verify_nodes
from wizard.verification import TestStep, guide_test

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.engine import Engine


class VerifyStep(ListStep[TestStep | Proof]):
    """The steps that prove that Podman works in a workspace, each with who does it."""

    STEP = "verify"
    TITLE = "Verify"
    EXCERPT = "The guide's own test, to tick off; v has Podman run."
    WIDTHS = (3, 13, 0)
    HELP = """\
Everything is in place when a person can start a container in a workspace. The guide proves it so: import an image \
that has Podman in it, create a workspace with it, and in its terminal become the user podman, because root would \
not be rootless.

The first step looks at the cluster: a node advertises smarter-devices/fuse with a number above 0 once the device \
manager's pod runs there. Without it, a workspace that asks for the device stays Pending.

v does not wait for a workspace: it runs Podman in a short pod on one node of each kind, as a workspace would, and \
shows what came of it, with the cause where it failed.

Ticks are yours; the wizard keeps them until you leave. The detail has the command of each step, and c shows them \
all."""
    BINDING_GROUP_TITLE = "Verify"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Run Podman", id="verify.run", tooltip="Podman in a short pod on each kind of node"),
        Binding("space", "tick", "Tick", id="verify.tick", tooltip="This step worked, or take that back"),
    ]

    def key(self, item: TestStep | Proof) -> str:
        """Steps have ids, kinds of nodes a title."""
        return item.id if isinstance(item, TestStep) else item.title

    def steps(self) -> Sequence[TestStep]:
        """The guide's test, with the image that the answers name."""
        image = self.session.answers.verify.image
        return guide_test(image) if image else guide_test()

    def items(self) -> Iterable[TestStep | Proof]:
        """The guide's test, and under it what Podman said on each kind of node."""
        return (*self.steps(), *self.session.proofs)

    def cells(self, item: TestStep | Proof) -> Sequence[Text | str]:
        """Ticked or not, who, what; of a kind of node, whether Podman ran there."""
        if isinstance(item, Proof):
            return ("", state_word(item.word), clean(f"{item.title}: {item.text}"))
        box = Text("[x]" if item.id in self.session.ticks else "[ ]", style="bold")
        return (box, item.who, clean(item.text))

    def detail(self, item: TestStep | Proof) -> RenderableType:
        """What to run, and what one should see."""
        if isinstance(item, Proof):
            return detail_text(item.title, seen=item.excerpt, then=item.text, do=remedy_lines(item.remedies))
        seen = ""
        if item.id == "fuse":
            facts = self.session.facts
            nodes = [node for node in (facts.nodes if facts else None) or () if node.labelled]
            having = [node for node in nodes if node.fuse_devices]
            if facts is not None and facts.nodes is not None:
                seen = f"{len(having)} of {len(nodes)} labelled nodes advertise it"
        done = "You ticked this off." if item.id in self.session.ticks else "Not ticked off yet."
        return detail_text(item.text, seen=seen, then=done, do=item.command or f"{item.who}: by hand, in Coder")

    def commands(self) -> Sequence[str]:
        """The command of each step, with the name of a labelled node where one is known."""
        facts = self.session.facts
        node = next((node.name for node in (facts.nodes if facts else None) or () if node.labelled), "NODE")
        lines: list[str] = []
        for step in self.steps():
            lines.append(f"# {step.who}: {step.text}")
            if step.command:
                lines.append(step.command.replace("get node NODE", f"get node {node}"))
        return lines

    def show(self) -> None:
        """With how many are ticked off."""
        super().show()
        self.show_detail()
        steps = self.steps()
        ticked = sum(step.id in self.session.ticks for step in steps)
        proofs = self.session.proofs
        works = f"Podman on {sum(proof.ok is True for proof in proofs)} of {len(proofs)} kinds, " if proofs else ""
        self.set_note(f"{works}{ticked} of {len(steps)} ticked off")

    def action_tick(self) -> None:
        """Ticks the step under the cursor, or takes the tick back."""
        current = self.rows.current
        if isinstance(current, TestStep):
            self.session.ticks.symmetric_difference_update({current.id})
            self.walk.tell()

    def activate(self) -> None:
        """A second click ticks."""
        self.action_tick()

    def action_verify(self) -> None:
        """Asks, and runs Podman in a pod on one node of each kind that offers FUSE."""
        session, facts, choice = self.session, self.session.facts, self.session.answers.verify
        kinds = subjects(facts) if facts is not None else ()
        if not kinds and not self.walk.why_not_act(pods_in=choice.namespace):
            self.say("No node offers FUSE yet: apply, label and wait first.", bad=True)
            return

        async def work(engine: Engine, operation: Operation) -> None:
            assert facts is not None
            session.proofs = await verify_nodes(engine, facts, choice, operation.take)

        lines = [
            f"{counted(len(kinds), 'short pod')} in the namespace {choice.namespace}, image {choice.image}, uid 1000, "
            "one FUSE device each. They run a container in themselves and are removed.",
        ]
        choices = [Choice("verify", f"Run {counted(len(kinds), 'pod')}", danger=True)]
        what = f"Run Podman on {counted(len(kinds), 'kind of node', 'kinds of nodes')}"
        rows = tuple(kind.title for kind in kinds)
        self.ask_to(what, lines, choices, lambda _: work, rows=rows, stops_softly=False, pods_in=choice.namespace)
