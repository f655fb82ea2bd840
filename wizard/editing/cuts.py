"""Cuts in a text, and what the lines around a place look like."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """Replaces ``text[start:end]`` with ``new``; an insertion if both are the same."""

    start: int
    end: int
    new: str


def in_order(cuts: Iterable[Cut]) -> list[Cut]:
    """Returns the cuts by their place; insertions at one place stay in order. Raises ValueError if two overlap."""
    ordered = sorted(cuts, key=lambda cut: (cut.start, cut.end))
    for one, other in pairwise(ordered):
        if other.start < one.end:
            raise ValueError(f"cuts overlap at {other.start}")
    return ordered


def apply_cuts(text: str, cuts: Iterable[Cut]) -> str:
    """Returns the text with every cut made; what is outside them is copied."""
    pieces, at = [], 0
    for cut in in_order(cuts):
        pieces += [text[at : cut.start], cut.new]
        at = cut.end
    return "".join([*pieces, text[at:]])


def untouched(before: bytes, after: bytes, cuts: Sequence[Cut], text: str) -> bool:
    """Tells whether every byte of ``before`` outside the cuts is in ``after``, in order and with nothing between.

    ``text`` is what the cuts count in: the end of ``before`` without a byte order mark.
    """
    at, new_at = 0, 0
    shift = len(before) - len(text.encode())
    for cut in in_order(cuts):
        start, end = (shift + len(text[:place].encode()) for place in (cut.start, cut.end))
        new = cut.new.encode()
        if before[at:start] != after[new_at : new_at + start - at]:
            return False
        new_at += start - at
        if after[new_at : new_at + len(new)] != new:
            return False
        at, new_at = end, new_at + len(new)
    return before[at:] == after[new_at:]


class Lines:
    """The lines of a text; places count from 0, lines and columns from 1."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, at: int) -> tuple[int, int]:
        """Returns the line and the column of a place."""
        line = bisect_right(self.starts, at)
        return line, at - self.starts[line - 1] + 1

    def start(self, at: int) -> int:
        """Returns where the line of a place starts."""
        return self.starts[bisect_right(self.starts, at) - 1]

    def end(self, at: int) -> int:
        """Returns where the line of a place ends, before its line ending."""
        found = self.text.find("\n", at)
        end = len(self.text) if found < 0 else found
        return end - 1 if end > at and self.text[end - 1] == "\r" and found >= 0 else end

    def indentation(self, at: int) -> str:
        """Returns the blanks at the start of the line of a place."""
        start = self.start(at)
        end = start
        while end < len(self.text) and self.text[end] in " \t":
            end += 1
        return self.text[start:end]

    def is_first(self, at: int) -> bool:
        """Tells whether only blanks are before a place on its line."""
        return not self.text[self.start(at) : at].strip(" \t")

    def is_blank(self, at: int) -> bool:
        """Tells whether the line of a place is blank."""
        return not self.text[self.start(at) : self.end(at)].strip(" \t\r")

    def ending(self, at: int) -> str:
        """Returns the line ending to use at a place: the one of its line, else of the line before, else a line feed."""
        line = bisect_right(self.starts, at)
        if line == len(self.starts):  # the last line has none
            line -= 1
        if line == 0:
            return "\n"
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return "\r\n" if self.text[max(end - 2, 0) : end] == "\r\n" else "\n"
