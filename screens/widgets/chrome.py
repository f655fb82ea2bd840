"""What is always in view: the line of the cluster, the list of the steps, the line of the keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events
from textual.app import App
from textual.message import Message
from textual.widget import Widget

from screens.widgets.words import clean
from wizard.steps import STEP_TITLES, STEPS, StepId, StepState

if TYPE_CHECKING:
    from screens.walk import Walk


KEY_NAMES = {"enter": "enter", "space": "space", "escape": "escape", "slash": "/"}
KEY_GAP = 2
ALWAYS = 10
PLACES = {
    "step.story": 1,
    "app.copy": 2,
    "app.handover": ALWAYS,
    "app.next": ALWAYS + 1,
    "app.help": ALWAYS + 2,
    "page.help": ALWAYS + 2,
}
"""The order of the keys after those of the step; from ``ALWAYS`` on they show however narrow the terminal is."""


def _width(entry: tuple[int, str, str, str]) -> int:
    return len(entry[2]) + 1 + len(entry[3]) + KEY_GAP


def top_line(app: App[Any]) -> Iterable[TopLine]:
    """Yields the line of the cluster for a screen over the steps, so that the cluster stays in view."""
    walk = getattr(app, "walk_through", None)
    if walk is not None:
        yield TopLine(walk)


class Line(Widget):
    """Text that is drawn again only where it has changed."""

    _drawn: Text | None = None

    def text(self) -> Text:
        """Returns the current text."""
        raise NotImplementedError

    def render(self) -> Text:
        """Returns the current text, and remembers it."""
        self._drawn = self.text()
        return self._drawn

    def redraw(self) -> None:
        """Draws it again if its text has changed."""
        if self.text() != self._drawn:
            self.refresh()


class TopLine(Line):
    """Program, cluster, and whether it is a sandbox or read-only."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(classes="topline")
        self._walk = walk

    def text(self) -> Text:
        """Returns one line, without what does not fit: the distribution is left out first."""
        flags = [Text(f" {word} ", style="reverse") for word in self._flags()]
        right = Text(" ").join(flags)
        identity = self._walk.identity
        pieces: list[str] = []
        if identity is not None:
            pieces = [identity.context or "in-cluster", identity.server, identity.version, identity.distribution]
        elif self._walk.trouble is not None:
            pieces = ["no cluster connection"]
        pieces = [clean(piece) for piece in pieces if piece]
        name = "podman-wizard"
        width = self.size.width - 2
        for dropped in (None, 3, 1, -1, -1):
            if dropped is not None and pieces:
                pieces.pop(dropped if dropped < len(pieces) else -1)
            left = "  ".join([name, *pieces])
            if len(left) + right.cell_len + 2 <= width:
                break
        else:
            left = name
        space = max(1, width - len(left) - right.cell_len)
        return Text.assemble(" ", (name, "bold"), left[len(name) :], " " * space, right, no_wrap=True)

    def _flags(self) -> list[str]:
        flags = []
        identity = self._walk.identity
        if identity is not None and identity.sandbox:
            flags.append("SANDBOX")
        facts = self._walk.facts
        if self._walk.offline:
            flags.append("SAVED FACTS")
        elif facts is not None and self._walk.session.cannot_change:
            flags.append("READ ONLY")
        return flags


class StepList(Line):
    """The steps with their state; ``>`` is the current one, ``*`` follows unsaved changes. A click goes there."""

    class Picked(Message):
        """A step was clicked."""

        def __init__(self, step: StepId) -> None:
            super().__init__()
            self.step = step

    def __init__(self, walk: Walk) -> None:
        super().__init__(id="steps")
        self._walk = walk
        self.current: StepId = STEPS[0][0]
        self.unsaved: Collection[StepId] = ()
        """The steps with changes that no file has yet."""

    def text(self) -> Text:
        """Returns one line for each step; below 70 columns, one line in all."""
        states = self._walk.step_states()
        if self.size.height <= 1:
            return self._one_line(states)
        lines = [Text(" Steps", style="dim")]
        lines += [self._step_line(step, STEP_TITLES[step], states[step]) for step, _ in STEPS]
        pending = [piece for line in self._pending() for piece in wrap(line, max(1, self.size.width - 2))]
        room = self.size.height - len(lines) - len(pending)
        lines += [Text()] * max(0, room)
        lines += [Text(f" {line}", style="dim") for line in pending]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def _one_line(self, states: dict[StepId, StepState]) -> Text:
        number = [step for step, _ in STEPS].index(self.current)
        text = Text.assemble(f" {number + 1} of {len(STEPS)} ", (STEP_TITLES[self.current], "bold"), no_wrap=True)
        state = states[self.current]
        if state:
            text.append(f"  {state}")
        if others := [STEP_TITLES[step] for step in self.unsaved if step != self.current]:
            text.append(f"   unsaved: {', '.join(others)}")
        operation = self._walk.operation
        if operation is not None and not operation.ended:
            text.append(f"   running: {operation.count()}", style="dim")
        elif pending := self._pending():
            text.append(f"   {pending[-1]}", style="dim")
        return text

    def _step_line(self, step: StepId, title: str, state: StepState) -> Text:
        current = step == self.current
        busy = self._walk.operation
        if busy is not None and busy.step == step and not busy.ended:
            state_text = Text("..")
        else:
            style = {"ok": "green", "!": "bold magenta", "blocked": "bold red"}.get(state, "")
            state_text = Text("x" if state == "blocked" else state, style=style)
        mark = Text(">", style="bold") if current else state_text
        mark.pad_right(2 - mark.cell_len)
        unsaved = ("*", "bold") if step in self.unsaved and not current else ""
        return Text.assemble(" ", mark, " ", (title, "bold" if current else ""), unsaved)

    def _pending(self) -> Sequence[str]:
        walk = self._walk
        lines: list[str] = []
        if walk.operation is not None and not walk.operation.ended:
            lines += [f"{walk.operation.phase}:", walk.operation.count()]
        if walk.reading:
            lines.append(walk.reading)
        elif walk.facts is not None:
            moment = walk.facts.read_at
            lines.append(f"read {moment[11:16]}" if len(moment) > 16 else "read")
        return lines

    def on_click(self, event: events.Click) -> None:
        """Goes to the step that was clicked."""
        number = event.y - 1
        if self.size.height > 1 and 0 <= number < len(STEPS):
            self.post_message(self.Picked(STEPS[number][0]))


class KeyLine(Line):
    """The keys that work here and now; a click presses one."""

    def __init__(self) -> None:
        super().__init__(classes="keyline")
        self._spots: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        """Subscribes to changes of the bindings, which follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw())

    def text(self) -> Text:
        """Returns as many keys as fit, always with the next step and the help."""
        from screens.steps.step import Step

        entries: list[tuple[int, str, str, str]] = []
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled or binding.action in seen:
                continue
            seen.add(binding.action)
            words = active.node.describe(binding.action) if isinstance(active.node, Step) else ""
            shown = KEY_NAMES.get(binding.key) or self.app.get_key_display(binding)
            rank = PLACES.get(binding.id or "", 0)
            entries.append((rank, binding.key, shown, words or binding.description))
        entries.sort(key=lambda entry: entry[0])
        room = self.size.width - 1 - sum(_width(entry) for entry in entries if entry[0] >= ALWAYS)
        self._spots = []
        line = Text(" ", no_wrap=True, overflow="ellipsis")
        for entry in entries:
            rank, key, shown, words = entry
            if rank < ALWAYS:
                if _width(entry) > room:
                    continue
                room -= _width(entry)
            start = line.cell_len
            line.append(shown, style="bold").append(f" {words}")
            self._spots.append((start, line.cell_len, key))
            line.append(" " * KEY_GAP)
        return line

    def on_click(self, event: events.Click) -> None:
        """Presses the key that was clicked."""
        for start, end, key in self._spots:
            if start <= event.x < end:
                self.app.simulate_key(key)
