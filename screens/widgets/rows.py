"""The list over a detail: rows that start with a state word, and the text that explains the row under the cursor.

Rows are drawn only when they come into view, so that five thousand cost as much as twenty, and a key repaints
two lines. (A DataTable of that size blocks the event loop for half a second each time it is filled.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from screens.widgets.tokens import PALETTE, tone

Item = TypeVar("Item")

GAP = 1
EDGE = 1
"""The columns before a row, in which its mark stands."""


class Name(str):
    """The name of a machine in a cell: if it does not fit, its domain is cut first, then its middle.

    Such names differ at the end of the host name ("vmss000000") or right before the domain.
    """

    __slots__ = ()

    def within(self, width: int) -> str:
        """Returns the name, or as much of it as fits."""
        if len(self) <= width:
            return self
        host, dot, _ = self.partition(".")
        if dot and len(host) < width:
            return f"{host}…"
        end = (width - 1) // 2
        return f"{host[: width - 1 - end]}…{host[len(host) - end :]}"


class RowList(ScrollView, Generic[Item], can_focus=True, inherit_bindings=False):
    """A list with a cursor; each item becomes a row of cells when it is drawn.

    ``widths`` are the widths of the columns; 0, at most once, is the remaining width. ``key`` identifies an
    item, so that the cursor stays on it when the list is filled again.
    """

    BINDING_GROUP_TITLE = "List"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", "Up", show=False, id="list.up", tooltip="Move up one row"),
        Binding("down", "cursor(1)", "Down", show=False, id="list.down", tooltip="Move down one row"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.pageup", tooltip="Move up one page"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.pagedown", tooltip="Move down one page"),
        Binding("home", "first", "First", show=False, id="list.first", tooltip="Go to the first row"),
        Binding("end", "last", "Last", show=False, id="list.last", tooltip="Go to the last row"),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, rows: RowList[Any]) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList[Any]:
            """The list."""
            return self.rows

    class Clicked(Moved):
        """The row under the cursor was clicked once more."""

    def __init__(
        self,
        cells: Callable[[Item], Sequence[Text | str]],
        widths: Sequence[int],
        *,
        key: Callable[[Item], str] = str,
        empty: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._cells = cells
        self._widths = tuple(widths)
        self._key = key
        self._empty = empty
        self.items: Sequence[Item] = ()
        self.cursor = 0
        self._painted: dict[int, Strip] = {}

    @property
    def current(self) -> Item | None:
        """The item under the cursor; None if the list is empty."""
        return self.items[self.cursor] if self.items else None

    def set_widths(self, widths: Sequence[int]) -> None:
        """Sets the widths of the columns."""
        if self._widths != tuple(widths):
            self._widths = tuple(widths)
            self.refresh()

    def heading(self, names: Sequence[str]) -> Text:
        """Returns the names of the columns, in the current widths."""
        return Text(" " * EDGE).append_text(self._line_of(names, self.scrollable_content_region.width - EDGE))

    def fill(self, items: Sequence[Item], *, empty: str | None = None) -> None:
        """Shows these items; the cursor stays on its item if that is still in the list."""
        before = self.current
        self.items = items
        if empty is not None:
            self._empty = empty
        cursor = min(self.cursor, max(0, len(items) - 1))
        if before is not None and items:
            wanted = self._key(before)
            if self._key(items[cursor]) != wanted:
                cursor = next((n for n, item in enumerate(items) if self._key(item) == wanted), cursor)
        self.cursor = cursor
        height = max(1, len(items))
        if self.virtual_size.height != height:
            # The height of the list can depend on it ("auto").
            self.virtual_size = Size(0, height)
            self.refresh(layout=True)
        else:
            self.redraw()
        self._show_cursor()
        self.post_message(self.Moved(self))

    def redraw(self) -> None:
        """Redraws the lines that look different now."""
        for y in range(self.size.height):
            if self._line(y) != self._painted.get(y):
                self.refresh_line(y)

    def redraw_current(self) -> None:
        """Redraws the row under the cursor."""
        self.refresh_line(self.cursor - self.scroll_offset.y)

    def move_to(self, key: str) -> None:
        """Moves the cursor to the item with this key, if there is one."""
        for number, item in enumerate(self.items):
            if self._key(item) == key:
                self._move(number)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Returns the number of rows."""
        return max(1, len(self.items))

    def render_line(self, y: int) -> Strip:
        """One row."""
        self._painted[y] = self._line(y)
        return self._painted[y]

    def _line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        base = self.rich_style
        if number < len(self.items):
            return self._row_line(number, width, base)
        text = Text(f" {self._empty}" if number == 0 and not self.items else "", style=tone("dim"))
        return Strip(text.render(self.app.console)).adjust_cell_length(width, base).apply_style(base)

    def _row_line(self, number: int, width: int, base: Style) -> Strip:
        """Returns a row behind its edge, which marks the row under the cursor."""
        is_current = number == self.cursor
        edge = Segment("▌" if is_current else " ", base + (tone("accent") if is_current else Style()))
        strip = Strip(self._row(self.items[number], width - EDGE)).adjust_cell_length(width - EDGE)
        if not is_current:
            strip = strip.apply_style(base)
        elif self.has_focus:
            strip = _under_the_cursor(strip, base + tone("cursor"), width - EDGE)
            edge = Segment(edge.text, base + tone("accent") + Style.from_color(bgcolor=tone("cursor").bgcolor))
        else:
            strip = strip.apply_style(base + Style(bold=True))
        return Strip([edge, *strip], width).simplify()

    def _row(self, item: Item, width: int) -> list[Segment]:
        return list(self._line_of(self._cells(item), width).render(self.app.console))

    def _line_of(self, cells: Sequence[Text | str], width: int) -> Text:
        widths = self._widths[: len(cells)]
        rest = max(0, width - sum(widths) - GAP * (len(widths) - 1))
        line = Text(no_wrap=True, end="")
        # While the columns change, cells can still have the earlier layout.
        for place, (cell, column) in enumerate(zip(cells, widths, strict=False)):
            if isinstance(cell, Name):
                cell = cell.within(column or rest)
            text = cell.copy() if isinstance(cell, Text) else Text(cell)
            text.no_wrap, text.end = True, ""
            text.truncate(column or rest, overflow="ellipsis", pad=True)
            if place:
                line.append(" " * GAP)
            line.append_text(text)
        return line

    def _move(self, number: int) -> None:
        if not self.items:
            return
        number = max(0, min(number, len(self.items) - 1))
        if number == self.cursor:
            return
        before, self.cursor = self.cursor, number
        top = self.scroll_offset.y
        self.refresh_line(before - top)
        self.refresh_line(number - top)
        self._show_cursor()
        self.post_message(self.Moved(self))

    def refresh_line(self, y: int) -> None:
        """Redraws one visible line, without the scrollbar."""
        self.refresh(Region(0, y, self.scrollable_content_region.width, 1))

    def _show_cursor(self) -> None:
        height = self.scrollable_content_region.height
        top = self.scroll_offset.y
        if height <= 0 or top <= self.cursor < top + height:
            return
        target = self.cursor if self.cursor < top else self.cursor - height + 1
        self.scroll_to(y=target, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keeps the row under the cursor in view."""
        self.call_after_refresh(self._show_cursor)

    def on_focus(self) -> None:
        """Redraws the cursor, which looks different with the focus."""
        self.redraw_current()

    def on_blur(self) -> None:
        """Redraws the cursor, which looks different without the focus."""
        self.redraw_current()

    def on_click(self, event: events.Click) -> None:
        """Moves the cursor to the clicked row; a click on the row under the cursor chooses it."""
        number = event.y + self.scroll_offset.y
        if number >= len(self.items):
            return
        if number == self.cursor:
            self.post_message(self.Clicked(self))
        else:
            self._move(number)

    def action_cursor(self, step: int) -> None:
        """Moves the cursor by rows."""
        self._move(self.cursor + step)

    def action_page(self, step: int) -> None:
        """Moves the cursor by pages."""
        self._move(self.cursor + step * max(1, self.scrollable_content_region.height - 1))

    def action_first(self) -> None:
        """Moves the cursor to the first row."""
        self._move(0)

    def action_last(self) -> None:
        """Moves the cursor to the last row."""
        self._move(len(self.items) - 1)


def _under_the_cursor(strip: Strip, filled: Style, width: int) -> Strip:
    """Returns a row on the fill of the cursor: a blocker keeps its own fill, other words keep their color."""
    if PALETTE.depth in ("16", "none"):
        # One style only: a colored word is hard to read on blue, and in reverse.
        return Strip([Segment(strip.text, filled)], width)
    on_fill = Style.from_color(bgcolor=filled.bgcolor)
    parts = []
    for text, style, _ in strip:
        own = style or Style()
        colored = own.color not in (None, tone("dim").color) and not (own.color and own.color.is_default)
        keeps = own if own.bgcolor is not None and not own.bgcolor.is_default else own + on_fill
        parts.append(Segment(text, keeps if colored else filled + Style(bold=own.bold)))
    return Strip(parts, width).simplify()


def fold(widget: Widget, content: RenderableType, width: int) -> list[Strip]:
    """Returns a text as lines of at most that width."""
    console = widget.app.console
    options = console.options.update(width=width, height=None)
    return [Strip(line) for line in console.render_lines(content, options, pad=False)]


def changed_parts(before: Sequence[Strip], after: Sequence[Strip], width: int) -> Iterator[Region]:
    """Yields the regions to redraw, line by line, when one text replaces another; trailing blanks stay."""
    for y in range(max(len(before), len(after))):
        old, new = (_characters(lines[y]) if y < len(lines) else [] for lines in (before, after))
        if old == new:
            continue
        if any(lines[y : y + 1] and lines[y].cell_length != len(lines[y].text) for lines in (before, after)):
            # Half of a character of two cells cannot be drawn.
            yield Region(0, y, width, 1)
            continue
        start = next((x for x, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), None)
        start = min(len(old), len(new)) if start is None else start
        yield Region(start, y, max(len(old), len(new)) - start, 1)


def _characters(line: Strip) -> list[tuple[str, Style | None]]:
    found = [(character, segment.style) for segment in line for character in segment.text]
    while found and found[-1][0] == " " and not _shows_on_blanks(found[-1][1]):
        found.pop()
    return found


def _shows_on_blanks(style: Style | None) -> bool:
    return style is not None and bool(style.reverse or style.underline or style.bgcolor)


class Heading(Widget):
    """The names of the columns above a list; hidden while there are none."""

    def __init__(self, rows: RowList[Any]) -> None:
        super().__init__(classes="heading")
        self._rows = rows
        self._names: Sequence[str] = ()
        self.display = False

    def show(self, names: Sequence[str] = ()) -> None:
        """Shows these names, or hides the line if there are none."""
        if self._names != names:
            self._names, self.display = names, bool(names)
            self.refresh()

    def render(self) -> Text:
        """Returns one dim line."""
        line = self._rows.heading(self._names)
        line.stylize("dim")
        return line


class Detail(Widget):
    """The text under a list. It redraws only the lines that changed, because the cursor moves often."""

    MORE = "… press enter for more"

    def __init__(self, *, classes: str = "") -> None:
        super().__init__(classes=f"detail-lines {classes}")
        self._content: RenderableType = ""
        self._lines: list[Strip] = []

    def update(self, content: RenderableType) -> None:
        """Shows another text."""
        self._content = content
        before, self._lines = self._lines, self._make_lines()
        for part in changed_parts(before, self._lines, self.size.width):
            self.refresh(part)

    def _make_lines(self) -> list[Strip]:
        width, height = self.size
        if not width or not height:
            return []
        lines = fold(self, self._content, width)
        if len(lines) > height:
            lines[height - 1 :] = [Strip([Segment(self.MORE, tone("dim"))])]
        return lines

    def on_resize(self) -> None:
        """Folds the text to the new width."""
        self._lines = self._make_lines()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line."""
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return line.adjust_cell_length(self.size.width).apply_style(self.rich_style).simplify()


class LongDetail(ScrollView, can_focus=False, inherit_bindings=False):
    """Like ``Detail``, but it scrolls instead of cutting the text."""

    def __init__(self) -> None:
        super().__init__(classes="detail-scroll")
        self._content: RenderableType = ""
        self._lines: list[Strip] = []

    def update(self, content: RenderableType) -> None:
        """Shows another text, from its start."""
        self._content = content
        self.scroll_to(y=0, animate=False, immediate=True)
        before = self._lines
        self._fold()
        for part in changed_parts(before, self._lines, self.size.width):
            self.refresh(part)

    def _fold(self) -> None:
        width, height = self.size
        self._lines = fold(self, self._content, width) if width and height else []
        if len(self._lines) > height:
            self._lines = fold(self, self._content, width - self.styles.scrollbar_size_vertical)
        # At least as high as the widget: another height would redraw everything.
        self.virtual_size = Size(0, max(len(self._lines), height))

    def on_resize(self) -> None:
        """Folds the text to the new width."""
        self._fold()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line."""
        number = y + self.scroll_offset.y
        line = self._lines[number] if number < len(self._lines) else Strip([])
        return line.adjust_cell_length(self.size.width).apply_style(self.rich_style).simplify()
