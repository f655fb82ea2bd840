"""Coder's own words, made fit for a line on a screen."""

from __future__ import annotations

from typing import Any

from wizard.escaping import printable

LONGEST = 500
"""Characters of one message."""
MOST = 50
"""Messages of one answer."""


def one_line(text: Any) -> str:
    """Text of the server on one line, harmless for a terminal, of bounded length."""
    line = printable(" ".join(str(text)[: LONGEST * 4].split()))
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def sentence(value: Any) -> str:
    """Coder's sentence without its full stop; "" where it is no text."""
    return one_line(value).rstrip(".") if isinstance(value, str) else ""
