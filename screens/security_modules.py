"""The second step: what on the nodes would stop Podman, and the decision about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from screens.dialogs import Choice
from screens.prerequisites import FindingsStep
from screens.words import clean
from wizard.counting import counted
from wizard.findings import Finding, Outcome
from wizard.names import PROBE_NAMESPACE
from wizard.security_modules import PROBE_IMAGE, security_groups

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.engine import Engine


class Tick(Widget):
    """A line with a box that a key or a click ticks."""

    class Clicked(Message):
        """It was clicked."""

    def __init__(self, words: str) -> None:
        super().__init__(classes="tick")
        self._words = words
        self.ticked = False

    def render(self) -> Text:
        """``[x] words``."""
        return Text.assemble(("[x] " if self.ticked else "[ ] ", "bold"), self._words)

    def set(self, ticked: bool) -> None:
        """Ticks it, or not."""
        self.ticked = ticked
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click ticks it."""
        self.post_message(self.Clicked())


class SecurityModulesStep(FindingsStep):
    """Shows each kind of node with what stands in Podman's way; keeps the acknowledgement."""

    STEP = "security-modules"
    TITLE = "Security modules"
    EXCERPT = "What on the nodes would stop Podman, by kind of node."
    EMPTY = "No nodes are known."
    HELP = """\
A node's kernel may forbid what Podman needs although the device is there. AppArmor and SELinux confine what a \
container may do, seccomp filters its system calls, and some systems do not let a process without root have a user \
namespace, in which Podman would be root of its own.

Nodes that are alike share a row. What is said of them comes from what the cluster tells: their system, kernel, \
labels and messages. That is often a known default and not a proof; the detail says how sure it is. A short pod on \
a node of each kind (p) looks for itself; it has no rights and is removed at once.

The remedies stand in order, the least drastic first. The guide says to disable AppArmor on the nodes. It works; it \
also takes AppArmor's protection from every container there, so it stands last.

None of this stops you from going on. Applying and labelling want one thing: that you tick the line at the bottom \
(space), which says that you have read it and decide for your cluster."""
    BINDING_GROUP_TITLE = "Security modules"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "acknowledge", "Tick", id="security.acknowledge", tooltip="I have read this and decide"),
        Binding(
            "p", "probe", "Probe", id="security.probe", tooltip="A short pod on each kind of node looks for itself"
        ),
        Binding(
            "e",
            "export",
            "Export for the system admin",
            id="security.export",
            tooltip="All remedies as one text",
        ),
    ]

    _tick: Tick

    def compose_under(self) -> ComposeResult:
        """The acknowledgement."""
        self._tick = Tick("I have read this and decide for my cluster")
        yield self._tick

    def items(self) -> Iterable[Finding]:
        """A row a kind of node."""
        return self.session.judgement.security_modules if self.session.judgement else ()

    def show(self) -> None:
        """With the acknowledgement as it is kept."""
        super().show()
        self.show_detail()
        self._tick.set(self.session.answers.security_modules.acknowledged)
        warnings = sum(finding.outcome is Outcome.WARNING for finding in self.items())
        self.set_note(f"{warnings} to decide about" if warnings else "")

    def on_tick_clicked(self) -> None:
        """A click does what the key does."""
        self.action_acknowledge()

    def action_acknowledge(self) -> None:
        """Ticks it, or takes the tick back."""
        if self.session.judgement is None:
            self.say("There is nothing to decide about before the nodes have been read.")
            return
        acknowledged = not self.session.answers.security_modules.acknowledged
        self._tick.set(acknowledged)
        self.change(lambda session: session.acknowledge(acknowledged))

    def action_probe(self) -> None:
        """Asks, and sends a short pod to one node of each kind."""
        session, facts = self.session, self.session.facts
        kinds = security_groups(facts) if facts is not None else ()

        async def work(engine: Engine, operation: Operation) -> None:
            from wizard.prove import probe_nodes

            assert facts is not None
            session.take_probes(await probe_nodes(engine, facts, operation.take))

        lines = [
            f"{counted(len(kinds), 'short pod')} in the namespace {PROBE_NAMESPACE}, one on a node of each kind, "
            f"image {PROBE_IMAGE}.",
            "They have no rights, read a few files of /proc and /sys, and are removed at once.",
        ]
        choices = [Choice("probe", f"Send {counted(len(kinds), 'pod')}", danger=True)]
        what = f"Probe {counted(len(kinds), 'kind of node', 'kinds of nodes')}"
        self.ask_to(what, lines, choices, lambda _: work, stops_softly=False, pods_in=PROBE_NAMESPACE)

    def action_export(self) -> None:
        """All remedies as one text."""
        from screens.pages import CommandsPage

        lines: list[str] = []
        for finding in self.items():
            if not finding.remedies:
                continue
            lines += [f"# {clean(finding.title)}", f"# {clean(finding.detail)}"]
            for number, remedy in enumerate(finding.remedies, start=1):
                reboot = ", with a reboot" if remedy.reboot else ""
                lines.append(f"# {number}. {clean(remedy.text)} ({remedy.who}{reboot})")
                if remedy.command:
                    lines.append(remedy.command)
            lines.append("")
        if not lines:
            self.say("There is nothing to mend.")
            return
        _ = self.app.push_screen(
            CommandsPage("For the system admin", "\n".join(lines), "security-modules-remedies.txt")
        )
