"""What is always in view: the cluster, the steps, what is going on with the main action, and the keys."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events
from textual.app import App
from textual.binding import ActiveBinding
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from screens.widgets.tokens import Token, tone
from screens.widgets.words import clean
from wizard.steps import STEP_TITLES, STEPS, StepId, StepState

if TYPE_CHECKING:
    from screens.walk import Walk


KEY_NAMES = {"enter": "enter", "space": "space", "escape": "esc", "slash": "/", "greater_than_sign": ">"}
KEY_GAP = 2
ALWAYS = 10
PLACES = {
    "step.story": 1,
    "app.copy": 2,
    "app.handover": -1,
    "app.back": ALWAYS,
    "app.next": ALWAYS + 1,
    "app.help": ALWAYS + 2,
    "page.help": ALWAYS + 2,
}
"""The order of the keys: those of the step have 0; the export stands first, because it is offered where it helps.

From ``ALWAYS`` on they stand at the right, however narrow it is.
"""

MARKS: Mapping[StepState, tuple[str, Token]] = {
    "": (" ", "text"),
    "ok": ("✓", "ok"),
    "!": ("!", "warning"),
    "blocked": ("×", "bad"),
}
AT_WORK = "▸"
PLAIN_MARKS = {"✓": "+", "×": "x", AT_WORK: ">"}
"""The marks of steps, and what stands for them on the Linux console, whose font does not have them."""

SHORT_TITLES: tuple[Mapping[StepId, str], ...] = (
    {"security-modules": "Security"},
    {"security-modules": "Security", "prerequisites": "Prereq"},
)
"""The titles on the line of the steps, where the full ones do not fit; the shorter ones if it is still too long."""


def main_action(screen: Screen[Any]) -> ActiveBinding | None:
    """Returns the main action of the step in view, which is the button instead of one of the keys."""
    from screens.steps.step import Step

    step = screen.step_in_view() if hasattr(screen, "step_in_view") else None
    for key in step.main_keys() if isinstance(step, Step) and step.display else ():
        active = screen.active_bindings.get(key)
        if active is not None and active.enabled and active.node is step:
            return active
    return None


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
        flags = [Text(f" {word} ", style=tone("flag")) for word in self._flags()]
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
        context, rest = pieces[:1], pieces[1:]
        line = Text.assemble(" ", (name, tone("accent")), no_wrap=True)
        if left != name:
            for words, style in ((context, "bold"), (rest, tone("dim"))):
                for piece in words:
                    line.append("  ").append(piece, style=style)
        return Text.assemble(line, " " * space, right, no_wrap=True)

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
    """The steps with their state, the current one filled; ``*`` follows unsaved changes. A click goes there.

    One line, or a list where there is room for one.
    """

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
        self._spots: list[tuple[int, int, StepId]] = []

    def text(self) -> Text:
        """Returns the line of the steps, or one line for each."""
        states = self._walk.step_states()
        if self.size.height <= 1:
            return self._one_line(states)
        lines = [self._list_line(number, step, states[step]) for number, (step, _) in enumerate(STEPS, start=1)]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def _one_line(self, states: dict[StepId, StepState]) -> Text:
        """Returns all steps with their titles, or, if that is too long, only the current title."""
        line = Text()
        for titles in (*SHORT_TITLES, None):
            line = Text(no_wrap=True, overflow="ellipsis")
            self._spots = []
            for number, (step, title) in enumerate(STEPS, start=1):
                start = line.cell_len
                words = title if step == self.current else ""
                if titles is not None:
                    words = titles.get(step, title)
                self._append(line, number, step, words, states[step])
                self._spots.append((start, line.cell_len, step))
            if line.cell_len <= self.size.width:
                break
        return line

    def _append(self, line: Text, number: int, step: StepId, title: str, state: StepState) -> None:
        mark, token = self._mark(step, state)
        words = f"{number} {title}" if title else f"{number}"
        if step == self.current:
            line.append(f" {words}{mark}", style=tone("step"))
            return
        mark = mark.strip()
        reached = state or step in self.unsaved
        line.append(f" {words}", style=tone("text" if reached else "dim")).append(mark, style=tone(token))

    def _list_line(self, number: int, step: StepId, state: StepState) -> Text:
        mark, token = self._mark(step, state)
        line = Text(no_wrap=True)
        if step == self.current:
            return line.append(f" {number} {mark} {STEP_TITLES[step]} ", style=tone("step"))
        line.append(f" {number} ", style=tone("dim")).append(mark, style=tone(token))
        return line.append(f" {STEP_TITLES[step]}", style=tone("text" if state else "dim"))

    def _mark(self, step: StepId, state: StepState) -> tuple[str, Token]:
        busy = self._walk.operation
        mark, token = MARKS[state]
        if busy is not None and busy.step == step and not busy.ended:
            mark, token = AT_WORK, "accent"
        elif step in self.unsaved and step != self.current:
            mark, token = "*", "accent"
        return (PLAIN_MARKS.get(mark, mark) if os.environ.get("TERM") == "linux" else mark), token

    def on_click(self, event: events.Click) -> None:
        """Goes to the step that was clicked."""
        if self.size.height <= 1:
            found = next((step for start, end, step in self._spots if start <= event.x < end), None)
        else:
            found = STEPS[event.y][0] if event.y < len(STEPS) else None
        if found is not None:
            self.post_message(self.Picked(found))


class StatusLine(Line):
    """The rule under a step: what is going on at the left, the main action of the step as a button at the right."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(classes="statusline")
        self._walk = walk
        self.unsaved: Collection[StepId] = ()
        self._button: tuple[int, int, str] = (0, 0, "")

    def on_mount(self) -> None:
        """Subscribes to changes of the bindings: the button is one."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw())

    def text(self) -> Text:
        """Returns one line, with as much of the status as fits beside the button."""
        button, key = self._make_button()
        room = self.size.width - button.cell_len - 6
        status = self._status()
        status.truncate(max(0, room), overflow="ellipsis")
        line = Text("─ ", style=tone("rule"), no_wrap=True)
        line = Text.assemble(line, status, " " if status.cell_len else "")
        line.append("─" * max(0, self.size.width - line.cell_len - button.cell_len - 2), style=tone("rule"))
        line.append(" ")
        self._button = (line.cell_len, line.cell_len + button.cell_len, key)
        return Text.assemble(line, button, no_wrap=True)

    def _status(self) -> Text:
        walk, status = self._walk, Text()
        if self.unsaved:
            names = ", ".join(STEP_TITLES[step] for step in self.unsaved)
            status.append(f"unsaved: {names}", style=tone("warning")).append("   ")
        if walk.operation is not None and not walk.operation.ended:
            status.append(f"{clean(walk.operation.phase)}: {clean(walk.operation.count())}", style=tone("info"))
        elif walk.reading:
            status.append(clean(walk.reading), style=tone("info"))
        elif walk.facts is not None:
            moment = walk.facts.read_at
            status.append(f"read {moment[11:16]}" if len(moment) > 16 else "read", style=tone("dim"))
        status.rstrip()
        return status

    def _make_button(self) -> tuple[Text, str]:
        """Returns the main action, or the next step if there is none; nothing while work is shown."""
        operation = self._walk.operation
        if operation is not None and not operation.ended and getattr(self.screen, "showing_progress", False):
            return Text(), ""
        from screens.steps.step import Step

        active = main_action(self.screen)
        if active is not None and isinstance(active.node, Step):
            binding = active.binding
            words, key, shown = active.node.describe(binding.action) or binding.description, binding.key, binding.key
        else:
            following = self.screen.active_bindings.get("greater_than_sign")
            if following is None or not following.enabled:
                return Text(), ""
            words, key, shown = "Next", "greater_than_sign", ">"
            number = [step for step, _ in STEPS].index(getattr(self.screen, "current", STEPS[0][0]))
            if number + 1 < len(STEPS):
                words = f"Next: {STEPS[number + 1][1]}"
        return Text.assemble((f" {words} ", tone("button")), (f" {shown} ", tone("cap")), no_wrap=True), key

    def on_click(self, event: events.Click) -> None:
        """Presses the button."""
        start, end, key = self._button
        if key and start <= event.x < end:
            self.app.simulate_key(key)


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
        main = main_action(self.screen)
        seen = {main.binding.action} if main is not None else set()  # the button shows it
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
        right = [entry for entry in entries if entry[0] >= ALWAYS]
        room = self.size.width - 1 - sum(map(_width, right))
        self._spots = []
        line = Text(" ", no_wrap=True, overflow="ellipsis")
        for entry in entries:
            if entry[0] < ALWAYS and _width(entry) <= room:
                room -= _width(entry)
                self._append(line, entry)
        line.append(" " * max(0, self.size.width + KEY_GAP - 1 - line.cell_len - sum(map(_width, right))))
        for entry in right:
            self._append(line, entry)
        line.rstrip()
        return line

    def _append(self, line: Text, entry: tuple[int, str, str, str]) -> None:
        _, key, shown, words = entry
        start = line.cell_len
        line.append(shown, style=tone("accent")).append(f" {words}")
        self._spots.append((start, line.cell_len, key))
        line.append(" " * KEY_GAP)

    def on_click(self, event: events.Click) -> None:
        """Presses the key that was clicked."""
        for start, end, key in self._spots:
            if start <= event.x < end:
                self.app.simulate_key(key)
