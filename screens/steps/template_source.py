"""The text of a template with the lines that a merge adds and removes, and the pane that shows it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.widgets.tokens import Token, tone
from wizard.editing.diff import hunks, split_lines
from wizard.template.merge import MergeResult
from wizard.text.escaping import printable


class SourceLine(NamedTuple):
    """A line: its numbers before and after the merge (0 if it is not there), its sign, and its text."""

    old: int
    new: int
    sign: str
    text: str


def source_lines(merge: MergeResult) -> tuple[SourceLine, ...]:
    """Returns the whole file, with the lines that the merge adds and those that it removes."""
    before, after = split_lines(merge.before.text), split_lines(merge.document.text)
    lines: list[SourceLine] = []
    old = new = 0

    def keep(until: int) -> None:
        nonlocal old, new
        while new < until:
            lines.append(SourceLine(old + 1, new + 1, " ", after[new]))
            old, new = old + 1, new + 1

    for hunk in hunks(merge.before.text, merge.document.text, merge.cuts):
        keep(hunk.new_start)
        lines += [SourceLine(n + 1, 0, "-", before[n]) for n in range(hunk.start, hunk.end)]
        lines += [SourceLine(0, n + 1, "+", after[n]) for n in range(hunk.new_start, hunk.new_end)]
        old, new = hunk.end, hunk.new_end
    keep(len(after))
    return tuple(lines)


class SourcePane(ScrollView, can_focus=False, inherit_bindings=False):
    """The text of the file. The lines that the row in the list is about are in view, and marked."""

    TOKENS: ClassVar[dict[str, Token]] = {"+": "added", "-": "removed", " ": "text"}

    def __init__(self) -> None:
        super().__init__(classes="source-pane")
        self._lines: Sequence[SourceLine] = ()
        self._marked: Collection[int] = ()

    def fill(self, lines: Sequence[SourceLine], marked: Collection[int]) -> None:
        """Shows lines, with the first of the marked ones (places in ``lines``) in the middle; none keeps the place."""
        if lines is self._lines and marked == self._marked:
            return
        if lines is not self._lines:
            self._lines = lines
            self.virtual_size = Size(0, len(lines))
        self._marked = marked
        self._bring_into_view()
        self.refresh()

    def _bring_into_view(self) -> None:
        if self._marked:
            self.scroll_to(y=max(0, min(self._marked) - self.size.height // 2), animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keeps the marked lines in view."""
        self._bring_into_view()

    def render_line(self, y: int) -> Strip:
        """Returns one line: the mark, its number, its sign, and the text."""
        place = y + self.scroll_offset.y
        if place >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line, is_marked = self._lines[place], place in self._marked
        style = tone(self.TOKENS[line.sign]) + Style(bold=True) if is_marked else tone(self.TOKENS[line.sign])
        text = Text(no_wrap=True, end="")
        text.append(">" if is_marked else " ", style="bold")
        text.append(f"{line.new or line.old:>4} ", style=tone("dim"))
        text.append(f"{line.sign} {printable(line.text.rstrip().expandtabs(4))}", style=style)
        text.truncate(self.size.width, overflow="ellipsis")
        strip = Strip(text.render(self.app.console))
        return strip.adjust_cell_length(self.size.width).apply_style(self.rich_style)
