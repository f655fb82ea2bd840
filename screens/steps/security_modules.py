"""The second step: node settings that can stop Podman, and the acknowledgement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from screens.steps.prerequisites import FindingsStep
from screens.widgets.dialogs import Choice
from screens.widgets.words import clean
from wizard.finding import Finding
from wizard.findings.security_modules import PROBE_IMAGE, security_groups
from wizard.names import PROBE_NAMESPACE
from wizard.text.counting import counted

if TYPE_CHECKING:
    from screens.operation import Operation
    from wizard.engine.engine import Engine


class Tick(Widget):
    """A line with a check box for a key or a click."""

    class Clicked(Message):
        """Posted when it was clicked."""

    def __init__(self, words: str) -> None:
        super().__init__(classes="tick")
        self._words = words
        self.ticked = False

    def render(self) -> Text:
        """Returns ``[x] words``."""
        return Text.assemble(("[x] " if self.ticked else "[ ] ", "bold"), self._words)

    def set(self, ticked: bool) -> None:
        """Checks or clears the box."""
        self.ticked = ticked
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Announces the click."""
        self.post_message(self.Clicked())


class SecurityModulesStep(FindingsStep):
    """Shows what can stop Podman on each node type; keeps the acknowledgement."""

    STEP = "security-modules"
    TITLE = "Security modules"
    EMPTY = "The nodes have not been read."
    BINDING_GROUP_TITLE = "Security modules"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "a,space",
            "acknowledge",
            "Acknowledge",
            id="security.acknowledge",
            tooltip="Confirm that you have reviewed the warnings",
        ),
        Binding("p", "probe", "Probe", id="security.probe", tooltip="Run a probe pod on one node of each type"),
        Binding(
            "e",
            "export",
            "Export fixes",
            id="security.export",
            tooltip="Show all fixes as text for the system admin",
        ),
    ]

    _tick: Tick

    def compose_under(self) -> ComposeResult:
        """Yields the acknowledgement."""
        self._tick = Tick("I have reviewed these warnings for this cluster")
        yield self._tick

    def found(self) -> Iterable[Finding]:
        """Returns one finding for each node type."""
        return self.session.judgement.security_modules if self.session.judgement else ()

    def show(self) -> None:
        """Shows the findings and the acknowledgement."""
        super().show()
        self.show_detail()
        self._tick.set(self.session.answers.security_modules.acknowledged)
        self.show_counts()

    def main_keys(self) -> Sequence[str]:
        """Returns the key that acknowledges, as long as that is missing."""
        return ("a",) if self.session.needs_acknowledgement else ()

    def on_tick_clicked(self) -> None:
        """Acknowledges, as the key does."""
        self.action_acknowledge()

    def action_acknowledge(self) -> None:
        """Acknowledges the warnings, or withdraws that."""
        if self.session.judgement is None:
            self.say("There are no warnings to review until the nodes have been read.")
            return
        acknowledged = not self.session.answers.security_modules.acknowledged
        self._tick.set(acknowledged)
        self.change(lambda session: session.acknowledge(acknowledged))

    def action_probe(self) -> None:
        """Asks, and runs a probe pod on one node of each type."""
        session, judgement = self.session, self.session.judgement
        kinds = security_groups(judgement.verdicts) if judgement is not None else ()

        async def work(engine: Engine, operation: Operation) -> None:
            from wizard.engine.podman_check import probe_nodes

            assert judgement is not None
            session.take_probes(await probe_nodes(engine, judgement.facts, operation.take))

        lines = [
            f"{counted(len(kinds), 'probe pod')} in the namespace {PROBE_NAMESPACE}, on one node of each type. "
            f"Image: {PROBE_IMAGE}.",
            "They are unprivileged, read a few files in /proc and /sys, try a user namespace, and are deleted when "
            "they finish.",
        ]
        choices = [Choice("probe", f"Run {counted(len(kinds), 'pod')}", danger=True)]
        what = f"Probe {counted(len(kinds), 'node type')}"
        self.ask_to(what, lines, choices, lambda _: work, stops_softly=False, pods_in=PROBE_NAMESPACE)

    def action_export(self) -> None:
        """Shows all fixes as one text."""
        from screens.widgets.pages import CommandsPage

        lines: list[str] = []
        for finding in self.found():
            if not finding.remedies:
                continue
            lines += [f"# {clean(finding.title)}", f"# {clean(finding.detail)}"]
            for number, remedy in enumerate(finding.remedies, start=1):
                reboot = ", requires a reboot" if remedy.reboot else ""
                lines.append(f"# {number}. {clean(remedy.text)} ({remedy.who}{reboot})")
                if remedy.command:
                    lines.append(remedy.command)
            lines.append("")
        if not lines:
            self.say("There are no fixes to export.")
            return
        _ = self.app.push_screen(
            CommandsPage("Fixes for the system admin", "\n".join(lines), "security-modules-fixes.txt")
        )
