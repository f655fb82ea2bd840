"""Colors on a light background: the sixteen of a terminal are made for a dark one, and some of them vanish on white.

On xterm's own palette green and cyan have a contrast of 2 to white, bright cyan of 1.3; text needs 4.5 (WCAG 2.2,
1.4.3). Where a terminal has 256 colors, darker ones of the same kind stand in; rich takes the nearest of sixteen
where it has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Ground
from textual.filter import LineFilter

RED, GREEN, BROWN, BLUE, MAGENTA, CYAN = 124, 22, 94, 19, 90, 24

DARKER: Mapping[int, int] = {
    number + bright: darker
    for number, darker in enumerate((RED, GREEN, BROWN, BLUE, MAGENTA, CYAN), start=1)
    for bright in (0, 8)
}
"""By the number of a color among the sixteen: the one among 256 that reads on white."""


class LightGround(LineFilter):
    """Replaces the terminal's own colors with darker ones, in everything on the terminal's own background."""

    def apply(self, segments: list[Segment], background: Ground) -> list[Segment]:
        """The same text in other colors."""
        return [
            segment if segment.style is None else Segment(segment.text, _darker(segment.style), segment.control)
            for segment in segments
        ]


@lru_cache(1024)
def _darker(style: Style) -> Style:
    number = style.color.number if style.color is not None else None
    on_ground = style.bgcolor is None or style.bgcolor.is_default
    if number is None or number not in DARKER or not on_ground:
        return style
    return style + Style.from_color(Color.from_ansi(DARKER[number]))
