"""The application's colors: how many the terminal has, on which ground, and what the style sheet gets of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.style import Style
from textual.app import App
from textual.filter import LineFilter

from screens.terminal.background import LightGround
from screens.widgets.tokens import OF_SYSTEM, PALETTE, tone


class ColoredApp(App[int]):
    """An application in the colors of the tokens, on the ground of its theme."""

    def __init__(self, *, light: bool) -> None:
        no_color = "NO_COLOR" in os.environ
        self._light_ground = LightGround()
        super().__init__(ansi_color=True if no_color else None)
        self.theme = "ansi-light" if light and not no_color else "ansi-dark"
        self._use_tokens()

    def redraw(self) -> None:
        """Draws what keeps its text in the colors it was made in."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Returns the filters, with darker colors on a light background."""
        filters = super().get_line_filters()
        return filters if self.current_theme.dark or self.no_color else [*filters, self._light_ground]

    def _use_tokens(self) -> None:
        """Sets the colors by what the terminal has, and by its ground."""
        depth = "none" if "NO_COLOR" in os.environ else OF_SYSTEM.get(self.console.color_system, "16")
        PALETTE.use(depth, light=self.theme == "ansi-light")

    def _watch_theme(self, theme_name: str) -> None:
        """Follows the ground that was chosen: the style sheet needs its colors first."""
        self._use_tokens()
        super()._watch_theme(theme_name)
        if self.is_running:
            self.call_after_refresh(self.redraw)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Returns the colors of the rules for the style sheet."""
        return {"rule": _css(tone("rule")), "accent-line": _css(tone("accent"))}


def _css(style: Style) -> str:
    """Returns the color of a style as the style sheet writes it."""
    color = style.color
    if color is None or color.is_default:
        return "ansi_default"
    return f"ansi_{color.name}" if color.number is not None and color.number < 16 else color.get_truecolor().hex
