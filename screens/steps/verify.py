"""The sixth step: the guide's test as a checklist, and test pods on one node of each type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from screens.steps.step import ListStep
from screens.widgets.dialogs import Choice
from screens.widgets.words import clean, detail_text, remedy_lines, state_word
from wizard.engine.podman_check import Proof, subjects, verify_nodes, without_fuse
from wizard.findings.verification import TestStep, guide_test
from wizard.text.counting import counted

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.engine.engine import Engine


class VerifyStep(ListStep[TestStep | Proof]):
    """Shows the steps that test Podman in a workspace, each with its role, and the results of the test pods."""

    STEP = "verify"
    TITLE = "Verify"
    WIDTHS = (3, 13, 0)
    BINDING_GROUP_TITLE = "Verify"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Test Podman", id="verify.run", tooltip="Run a test pod on one node of each type"),
        Binding("space", "tick", "Mark done", id="verify.tick", tooltip="Mark this step done, or clear the mark"),
    ]

    def main_keys(self) -> Sequence[str]:
        """Returns the key that tests Podman, until it was tested."""
        return () if self.session.proofs else ("v",)

    def key(self, item: TestStep | Proof) -> str:
        """Returns the id of a step, or the title of a node type."""
        return item.id if isinstance(item, TestStep) else item.title

    def steps(self) -> Sequence[TestStep]:
        """Returns the guide's test, with the image from the answers."""
        image = self.session.answers.verify.image
        return guide_test(image) if image else guide_test()

    def items(self) -> Iterable[TestStep | Proof]:
        """Returns the guide's test, and then the test result of each node type."""
        return (*self.steps(), *self.session.proofs)

    def cells(self, item: TestStep | Proof) -> Sequence[Text | str]:
        """Returns box, role, and step; for a node type, its test result."""
        if isinstance(item, Proof):
            return ("", state_word(item.word), clean(f"{item.title}: {item.text}"))
        box = Text("[x]" if item.id in self.session.ticks else "[ ]", style="bold")
        return (box, item.who, clean(item.text))

    def detail(self, item: TestStep | Proof) -> RenderableType:
        """Returns what to run, and the result so far."""
        if isinstance(item, Proof):
            output = item.excerpt if item.checks and item.id != "ok" else ()
            means = [line for line in (item.text, item.means) if line]
            return detail_text(item.title, seen=[*item.lines, *output], then=means, do=remedy_lines(item.remedies))
        seen = ""
        if item.id == "fuse":
            facts = self.session.facts
            nodes = [node for node in (facts.nodes if facts else None) or () if node.labelled]
            having = [node for node in nodes if node.fuse_devices]
            if facts is not None and facts.nodes is not None:
                seen = f"labeled nodes that advertise FUSE: {len(having)} of {len(nodes)}"
        done = "You marked this step done." if item.id in self.session.ticks else "This step is not done yet."
        return detail_text(item.text, seen=seen, then=done, do=item.command or f"{item.who}: do this by hand in Coder")

    def commands(self) -> Sequence[str]:
        """Returns the command of each step, with the name of a labeled node if there is one."""
        facts = self.session.facts
        node = next((node.name for node in (facts.nodes if facts else None) or () if node.labelled), "NODE")
        lines: list[str] = []
        for step in self.steps():
            lines.append(f"# {step.who}: {step.text}")
            if step.command:
                lines.append(step.command.replace("get node NODE", f"get node {node}"))
        return lines

    def show(self) -> None:
        """Shows the steps, and how many are done."""
        super().show()
        self.show_detail()
        steps = self.steps()
        ticked = sum(step.id in self.session.ticks for step in steps)
        proofs = self.session.proofs
        works = (
            f"Podman works on {sum(proof.ok is True for proof in proofs)} of {counted(len(proofs), 'node type')}, "
            if proofs
            else ""
        )
        self.set_note(f"{works}{ticked} of {len(steps)} done")

    def action_tick(self) -> None:
        """Marks the step under the cursor done, or clears the mark."""
        current = self.rows.current
        if isinstance(current, TestStep):
            self.session.ticks.symmetric_difference_update({current.id})
            self.walk.tell()

    def activate(self) -> None:
        """Marks the step done on a second click."""
        self.action_tick()

    def action_verify(self) -> None:
        """Asks, and runs a test pod on one node of each type that advertises FUSE, or without FUSE if none does."""
        session, facts, choice = self.session, self.session.facts, self.session.answers.verify
        with_fuse = subjects(facts) if facts is not None else ()
        kinds = with_fuse or (without_fuse(facts) if facts is not None else ())
        if not kinds and not self.walk.why_not_act(pods_in=choice.namespace):
            self.say("FUSE cannot work on any node of this cluster, so there is nothing to test.", bad=True)
            return

        async def work(engine: Engine, operation: Operation) -> None:
            assert facts is not None
            session.take_proofs(await verify_nodes(engine, facts, choice, operation.take, native=not with_fuse))

        device = "with one FUSE device each" if with_fuse else "none of which requests FUSE"
        lines = [] if with_fuse else ["No node advertises FUSE yet, so only native overlay is tested, without FUSE."]
        lines += [
            f"{counted(len(kinds), 'test pod')} in the namespace {choice.namespace}, {device}. "
            f"Image: {choice.image}; user ID: 1000. Each runs a container with Podman and is then deleted.",
        ]
        choices = [Choice("verify", f"Run {counted(len(kinds), 'pod')}", danger=True)]
        what = f"Test Podman on {counted(len(kinds), 'node type')}"
        rows = tuple(kind.title for kind in kinds)
        self.ask_to(what, lines, choices, lambda _: work, rows=rows, stops_softly=False, pods_in=choice.namespace)
