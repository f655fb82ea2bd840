"""Numbers with their nouns."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, thing: str, things: str = "") -> str:
    """Returns a number with its noun: ``1 node``, ``12 nodes``, ``2 policies``."""
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"


def named(names: Sequence[str], most: int = 12) -> str:
    """Returns the first names, and how many more there are: ``a, b, and 3 more``."""
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
