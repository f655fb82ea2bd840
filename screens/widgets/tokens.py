"""The colors of the screens, by what they mean: for 16 million colors, 256, 16, or none, on a dark or a light ground.

The terminal's own ground stays. Five things are filled: the step in view, the row under the cursor, the button, the
mark of a blocker, and the flags. The 256 colors are chosen, because the nearest to the others are often greys. Among
the sixteen no red reads well as text on every palette, so a blocker is a fill; cyan and blue vanish on some, so what
is only information has no color. SGR 2 (dim) is used nowhere: its contrast is unknown, and some terminals ignore it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from rich.style import Style

Depth = Literal["truecolor", "256", "16", "none"]
Token = Literal[
    "text",
    "title",
    "dim",
    "rule",
    "accent",
    "ok",
    "info",
    "warning",
    "blocker",
    "bad",
    "cursor",
    "step",
    "button",
    "cap",
    "locked",
    "flag",
    "added",
    "removed",
    "key",
]

DARK: Final[Mapping[Token, tuple[str, str, str, str]]] = {
    "text": ("", "", "", ""),
    "title": ("bold", "bold", "bold", "bold"),
    "dim": ("#a3a9b8", "color(248)", "", ""),
    "rule": ("#6b7285", "color(243)", "bright_black", ""),
    "accent": ("bold #b9a7ff", "bold color(147)", "bold bright_cyan", "bold"),
    "ok": ("#6fdc8c", "color(78)", "bright_green", ""),
    "info": ("#6cc7ff", "color(81)", "", ""),
    "warning": ("bold #ffd24a", "bold color(221)", "bold bright_yellow", "bold"),
    "blocker": ("bold #ffffff on #b0122c", "bold color(231) on color(124)", "bold bright_white on red", "bold reverse"),
    "bad": ("#ff9a94", "color(217)", "bright_red", "bold"),
    "cursor": ("#ffffff on #3b3470", "color(231) on color(54)", "bold bright_white on blue", "reverse"),
    "step": ("#120a2e on #b9a7ff", "color(16) on color(147)", "black on bright_cyan", "reverse"),
    "button": ("bold #120a2e on #b9a7ff", "bold color(16) on color(147)", "black on bright_cyan", "reverse"),
    "cap": ("bold #120a2e on #e4dcff", "bold color(16) on color(189)", "black on white", "bold reverse"),
    "locked": ("#c3c8d4 on #3a3d48", "color(188) on color(237)", "", ""),
    "flag": ("bold #ffd24a on #3a3426", "bold color(221) on color(236)", "bold bright_yellow", "bold reverse"),
    "added": ("#a6f0b8 on #12351d", "color(157) on color(22)", "bright_green", ""),
    "removed": ("#ffb3ad on #46161a", "color(217) on color(52)", "bright_red", ""),
    "key": ("#a9b8d9", "color(146)", "", ""),
}
"""On a dark ground, the styles for 16 million colors, 256, 16, and none."""

LIGHT: Final[Mapping[Token, tuple[str, str, str, str]]] = {
    **DARK,
    "dim": ("#5d6070", "color(241)", "", ""),
    "rule": ("#8a8fa0", "color(246)", "", ""),
    "accent": ("bold #6b2fc0", "bold color(55)", "bold blue", "bold"),
    "ok": ("#1b6b2a", "color(22)", "", ""),
    "info": ("#0b5c8c", "color(24)", "", ""),
    "warning": ("bold #744500", "bold color(58)", "bold magenta", "bold"),
    "blocker": ("bold #ffffff on #b00020", "bold color(231) on color(124)", "bold bright_white on red", "bold reverse"),
    "bad": ("#a8001e", "color(88)", "red", "bold"),
    "cursor": ("#1a1033 on #ddd3f7", "color(17) on color(189)", "bold bright_white on blue", "reverse"),
    "step": ("#ffffff on #6b2fc0", "color(231) on color(55)", "reverse", "reverse"),
    "button": ("bold #ffffff on #6b2fc0", "bold color(231) on color(55)", "reverse", "reverse"),
    "cap": ("bold #ffffff on #43188a", "bold color(231) on color(54)", "bright_white on blue", "bold reverse"),
    "locked": ("#4a4d59 on #e2e3e9", "color(239) on color(253)", "", ""),
    "flag": ("bold #744500 on #fbecc4", "bold color(94) on color(230)", "bold magenta", "bold reverse"),
    "added": ("#0d4d1c on #d5f2dc", "color(22) on color(194)", "blue", ""),
    "removed": ("#8a1020 on #fbdcdc", "color(88) on color(224)", "red", ""),
    "key": ("#3d4a78", "color(60)", "", ""),
}
"""On a light ground."""

DEPTHS: Final[tuple[Depth, ...]] = ("truecolor", "256", "16", "none")

OF_SYSTEM: Final[Mapping[str | None, Depth]] = {
    "truecolor": "truecolor",
    "256": "256",
    "standard": "16",
    "windows": "16",
}
"""What Rich calls the colors of a terminal."""


class _Palette:
    """The styles in use; the app sets them once it knows the terminal, and again if the ground is changed."""

    def __init__(self) -> None:
        self.depth: Depth = "16"
        self.light = False
        self._styles: dict[Token, Style] = {}

    def use(self, depth: Depth, *, light: bool) -> None:
        """Sets the number of colors, and the ground."""
        self.depth, self.light = depth, light
        self._styles.clear()

    def style(self, token: Token) -> Style:
        """Returns the style of a token."""
        if token not in self._styles:
            table = LIGHT if self.light else DARK
            self._styles[token] = Style.parse(table[token][DEPTHS.index(self.depth)])
        return self._styles[token]


PALETTE: Final = _Palette()
tone = PALETTE.style

STATES: Final[Mapping[str, Token]] = {
    "ok": "ok",
    "done": "ok",
    "ready": "ok",
    "passed": "ok",
    "labeled": "ok",
    "info": "info",
    "waiting": "info",
    "warning": "warning",
    "failed": "blocker",
    "blocker": "blocker",
    "conflict": "blocker",
    "unknown": "warning",
    "skipped": "dim",
    "take": "warning",
    "leave": "info",
}
"""The color of each word of a state; the word itself has the meaning."""


def state_style(state: str) -> Style:
    """Returns the style of a word of a state."""
    return tone(STATES.get(state, "text"))
