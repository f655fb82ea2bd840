"""Coder's own words, made safe and short enough for a line on a screen."""

from __future__ import annotations

from typing import Any

from wizard.text.escaping import printable

LONGEST = 500
"""Characters of one message."""
MOST = 50
"""Messages in one response."""


def one_line(text: Any) -> str:
    """Returns text from the server on one line, safe for a terminal and of bounded length."""
    line = printable(" ".join(str(text)[: LONGEST * 4].split()))
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def sentence(value: Any) -> str:
    """Returns Coder's sentence without its final period; "" if it is not text."""
    return one_line(value).rstrip(".") if isinstance(value, str) else ""
