"""Tables as text."""

from __future__ import annotations

from collections.abc import Iterable


def columns(table: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Returns the rows of a table as lines, each column as wide as its widest cell."""
    rows = tuple(table)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
