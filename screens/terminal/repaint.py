"""Draws nothing twice: over a slow connection every byte costs time.

A step that comes into view lays itself out in several rounds (its list gets a scrollbar, its detail follows the
cursor), and the framework draws the whole of it in each. The first full picture goes to the terminal as it is, and so
does each that follows ``forget`` (a resize, another program on the terminal, ctrl+l), which repairs whatever else was
written there; after that, only the characters that have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip


class Pieces(CompositorUpdate):
    """Parts of lines, each with its column and its line."""

    def __init__(self, pieces: Iterable[tuple[int, int, Strip]]) -> None:
        self.pieces = tuple(pieces)

    def render_segments(self, console: Console) -> str:
        """As written to the terminal."""
        return "".join(Control.move_to(x, y).segment.text + strip.render(console) for x, y, strip in self.pieces)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As segments."""
        for x, y, strip in self.pieces:
            yield Control.move_to(x, y).segment
            yield from strip


class Thrift:
    """Keeps what is on the terminal."""

    def __init__(self) -> None:
        self._lines: list[Strip] = []

    def forget(self) -> None:
        """Forgets the terminal's content: everything is drawn until the next full picture."""
        self._lines = []

    def left_to_draw(self, update: CompositorUpdate) -> CompositorUpdate:
        """Returns the update without what is on the terminal already; it counts as drawn."""
        if isinstance(update, LayoutUpdate):
            update.strips = [tuple(map(_lean, line)) for line in update.strips]
            before, self._lines = self._lines, [Strip.join(line) for line in update.strips]
            if len(before) == len(self._lines):
                return Pieces(_lines_changed(before, self._lines))
        elif isinstance(update, ChopsUpdate) and len(self._lines) == len(update.chops):
            return Pieces(self._changed(update))
        else:
            self.forget()
        return update

    def _changed(self, update: ChopsUpdate) -> Iterable[tuple[int, int, Strip]]:
        for y, left, right in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is None or x >= right or end <= left:
                    continue
                new = _lean(strip.crop(0, min(end, right) - x))
                line = self._lines[y]
                if len(line.text) == line.cell_length:
                    start, stop = _difference(line.crop(x, x + new.cell_length), new)
                else:
                    # A character of two cells may reach over the edge, and would be cut.
                    start, stop = 0, new.cell_length
                if start == stop:
                    continue
                self._lines[y] = Strip.join([line.crop(0, x), new, line.crop(x + new.cell_length)])
                yield x + start, y, new.crop(start, stop)


def _lines_changed(before: Sequence[Strip], after: Sequence[Strip]) -> Iterable[tuple[int, int, Strip]]:
    """Yields what differs between two full pictures, at most one piece a line."""
    for y, (old, new) in enumerate(zip(before, after, strict=True)):
        start, stop = _difference(old, new)
        if start < stop:
            yield start, y, new.crop(start, stop)


def _lean(strip: Strip) -> Strip:
    """Returns a strip that does not name the terminal's own colors: every piece of text starts with them anyway."""
    return Strip(
        [Segment(text, _without_defaults(style) if style else style, control) for text, style, control in strip],
        strip.cell_length,
    )


@lru_cache(4096)
def _without_defaults(style: Style) -> Style:
    color, ground = (None if one is None or one.is_default else one for one in (style.color, style.bgcolor))
    if color is style.color and ground is style.bgcolor:
        return style
    return style.without_color + Style.from_color(color, ground)


def _difference(old: Strip, new: Strip) -> tuple[int, int]:
    """Returns the first and last cell in which two strips differ; all of them if a character is wide."""
    before, after = _characters(old), _characters(new)
    if len(before) != len(after) or len(after) != new.cell_length:
        return 0, new.cell_length
    differ = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    return (differ[0], differ[-1] + 1) if differ else (0, 0)


def _characters(strip: Strip) -> list[tuple[str, Style | None]]:
    return [(character, segment.style) for segment in strip for character in segment.text]
