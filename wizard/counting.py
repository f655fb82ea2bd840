"""How many there are of something, in words."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """A number with its noun: ``1 node``, ``12 nodes``, ``2 kinds of nodes``."""
    return f"{count} {thing if count == 1 else things or f'{thing}s'}"
