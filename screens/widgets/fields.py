"""A line of input."""

from __future__ import annotations

import unicodedata
from typing import Any

from textual.widgets import Input

BIDIRECTIONAL = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Characters that change the direction of the text after them."""


def harmless(text: str) -> str:
    """Returns a pasted text without control characters, and without what changes its direction."""
    if text.isprintable():
        return text
    return "".join(
        character
        for character in text.replace("\t", " ")
        if unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        and unicodedata.bidirectional(character) not in BIDIRECTIONAL
    )


class Field(Input):
    """A line of input. Pasted text can contain anything, so control characters are removed."""

    def __init__(self, value: str = "", **options: Any) -> None:
        super().__init__(value, compact=True, classes="field", select_on_focus=False, **options)
        self.cursor_blink = False

    def replace(self, text: str, start: int, end: int) -> None:
        """Replaces a part of the text; typing and pasting come through here."""
        super().replace(harmless(text), start, end)
