"""What goes to the terminal is what has changed, and the terminal shows all of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from screens.terminal.repaint import Pieces, Thrift

WIDTH, HEIGHT = 12, 3
STYLES = st.sampled_from([None, Style(bold=True), Style(reverse=True)])


def strips(width: int) -> st.SearchStrategy[Strip]:
    cells = st.lists(st.tuples(st.sampled_from("ab 漢"), STYLES), min_size=width, max_size=width)
    return cells.map(lambda found: Strip([Segment(*cell) for cell in found]).adjust_cell_length(width))


FULL = st.lists(strips(WIDTH), min_size=HEIGHT, max_size=HEIGHT)
PART = st.tuples(st.integers(0, HEIGHT - 1), st.sampled_from([(0, 5), (5, 12), (0, 12)])).flatmap(
    lambda place: strips(place[1][1] - place[1][0]).map(lambda strip: (*place, strip))
)


def paint(terminal: list[Strip], x: int, y: int, strip: Strip) -> None:
    line = terminal[y]
    terminal[y] = Strip.join([line.crop(0, x), strip, line.crop(x + strip.cell_length)])


def cells(line: Strip) -> list[tuple[str, Style | None]]:
    return [(character, style) for text, style, _ in line for character in text]


@settings(max_examples=60, deadline=None)
@given(FULL, st.lists(PART, max_size=8))
def test_the_terminal_shows_what_it_would_show_if_all_were_drawn(full: list[Strip], parts: list[Any]) -> None:
    thrift = Thrift()
    thrift.left_to_draw(LayoutUpdate([[line] for line in full], Region(0, 0, WIDTH, HEIGHT)))
    wanted, terminal = list(full), list(full)
    for y, (left, right), strip in parts:
        paint(wanted, left, y, strip)
        chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
        chops[y] = {left: strip}
        ends = [[right] for _ in range(HEIGHT)]
        drawn = thrift.left_to_draw(ChopsUpdate(chops, [(y, left, right)], ends))
        assert isinstance(drawn, Pieces)
        for piece in drawn.pieces:
            paint(terminal, *piece)
        assert list(map(cells, terminal)) == list(map(cells, wanted))
        again = thrift.left_to_draw(ChopsUpdate(chops, [(y, left, right)], ends))
        assert isinstance(again, Pieces)
        assert "漢" in wanted[y].text or not again.pieces, "what stands there is not drawn again"
