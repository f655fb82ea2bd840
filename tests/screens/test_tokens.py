"""The colors of the screens: each token reads on every ground, in every number of colors."""

from __future__ import annotations

import pytest
from rich.color import Color
from rich.style import Style
from rich.terminal_theme import TerminalTheme

from screens.app import AppOptions, make_app
from screens.widgets.tokens import DARK, DEPTHS, LIGHT, PALETTE, STATES, Depth, Token, state_style
from wizard.choices.target import Target

GROUNDS = {
    "dark": ["#000000", "#0c0c0c", "#1e1e1e", "#300a24", "#002b36"],
    "light": ["#fdf6e3", "#ffffff"],
}
TABLES = {"dark": DARK, "light": LIGHT}

LOWEST = {"rule": 2.8}
"""Rules decorate; everything else is text (WCAG 2.2, 1.4.3: 4.5)."""

WINDOWS_TERMINAL = TerminalTheme(
    (12, 12, 12),
    (204, 204, 204),
    [
        *((12, 12, 12), (197, 15, 31), (19, 161, 14), (193, 156, 0)),
        *((0, 55, 218), (136, 23, 152), (58, 150, 221), (204, 204, 204)),
    ],
    [
        *((118, 118, 118), (231, 72, 86), (22, 198, 12), (249, 241, 165)),
        *((59, 120, 255), (180, 0, 158), (97, 214, 214), (242, 242, 242)),
    ],
)


def luminance(color: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in color]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rgb(color: Color) -> tuple[int, int, int]:
    red, green, blue = color.get_truecolor(WINDOWS_TERMINAL)
    return red, green, blue


@pytest.mark.parametrize("depth", ["truecolor", "256"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_every_token_reads_on_every_ground(ground: str, depth: Depth) -> None:
    for token, styles in TABLES[ground].items():
        style = Style.parse(styles[DEPTHS.index(depth)])
        if style.color is None:
            continue
        filled = style.bgcolor
        backgrounds = [rgb(filled)] if filled else [rgb(Color.parse(one)) for one in GROUNDS[ground]]
        lowest = min(contrast(rgb(style.color), one) for one in backgrounds)
        assert lowest >= LOWEST.get(token, 4.5), f"{token}: {lowest:.1f}"


def test_with_sixteen_colors_what_matters_stands_out() -> None:
    ground = (12, 12, 12)
    for token in ("accent", "ok", "warning", "bad"):
        style = Style.parse(DARK[token][DEPTHS.index("16")])
        assert style.color is not None
        # No red of the sixteen reaches more as text; a sign or a word stands beside it.
        assert contrast(rgb(style.color), ground) >= (4.2 if token == "bad" else 4.5), token
    blocker = Style.parse(DARK["blocker"][DEPTHS.index("16")])
    assert blocker.color is not None
    assert blocker.bgcolor is not None
    assert contrast(rgb(blocker.color), rgb(blocker.bgcolor)) >= 4.5


def test_without_colors_a_blocker_is_still_not_a_warning() -> None:
    for table in TABLES.values():
        styles = {token: Style.parse(of[DEPTHS.index("none")]) for token, of in table.items()}
        assert all(style.color is None and style.bgcolor is None for style in styles.values())
        assert len({str(styles[token]) for token in ("text", "warning", "blocker")}) == 3


def test_nothing_relies_on_dim() -> None:
    every = [style for table in TABLES.values() for styles in table.values() for style in styles]
    assert not [style for style in every if Style.parse(style).dim]
    assert set(STATES.values()) <= set(DARK)


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, "truecolor"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
    ],
)
def test_the_terminal_decides_on_the_number_of_colors(
    environment: dict[str, str], depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = make_app(AppOptions(target=Target()))
    assert PALETTE.depth == depth
    assert PALETTE.light is False
    app.theme = "ansi-light"
    assert PALETTE.light is (depth != "none") or app.no_color
    blocker: Token = "blocker"
    assert state_style("blocker") == PALETTE.style(blocker)
