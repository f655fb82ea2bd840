"""The line in which something is typed."""

from __future__ import annotations

import unicodedata
from typing import Any

from textual.widgets import Input

BIDIRECTIONAL = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""What turns the direction of the text after it."""


def harmless(text: str) -> str:
    """A pasted text without what a terminal would obey, or what would show it otherwise than it is."""
    if text.isprintable():
        return text
    return "".join(
        character
        for character in text.replace("\t", " ")
        if unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        and unicodedata.bidirectional(character) not in BIDIRECTIONAL
    )


class Field(Input):
    """A line to type in. What is pasted into it may hold anything; what a terminal would obey is left out."""

    def __init__(self, value: str = "", **options: Any) -> None:
        super().__init__(value, compact=True, classes="field", select_on_focus=False, **options)
        self.cursor_blink = False

    def replace(self, text: str, start: int, end: int) -> None:
        """Puts text in place of what stands there; typing and pasting come through here."""
        super().replace(harmless(text), start, end)
