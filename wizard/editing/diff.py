"""The diff of a text and its cuts, and the counts that show what they changed.

The lines that differ are known from the cuts, so nothing is searched for, and a long file costs no more than a
short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wizard.editing.cuts import Cut, Lines, in_order
from wizard.text.counting import counted
from wizard.text.escaping import printable

CONTEXT = 3


class Hunk(NamedTuple):
    """The lines ``before[start:end]`` that became ``after[new_start:new_end]``, numbered from 0."""

    start: int
    end: int
    new_start: int
    new_end: int


@dataclass(frozen=True)
class Counts:
    """What cuts did to a file, counted from the two texts. A line that was replaced counts as changed."""

    lines_added: int
    lines_changed: int
    lines_removed: int
    comments: int
    comments_kept: int
    other_bytes_changed: int = 0

    def __str__(self) -> str:
        parts = [
            f"{counted(number, 'line')} {what}"
            for number, what, always in [
                (self.lines_added, "added", not (self.lines_changed or self.lines_removed)),
                (self.lines_changed, "changed", False),
                (self.lines_removed, "removed", False),
            ]
            if number or always
        ]
        kept = f"{self.comments_kept} of {counted(self.comments, 'comment')} kept"
        return ", ".join([*parts, f"{counted(self.other_bytes_changed, 'other byte')} changed", kept])


def split_lines(text: str) -> list[str]:
    """Returns the lines with their endings; only a line feed ends one."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def hunks(before: str, after: str, cuts: Sequence[Cut]) -> list[Hunk]:
    """Returns the lines that differ, in order; equal lines at the ends of a hunk are left out."""
    lines, old, new = Lines(before), split_lines(before), split_lines(after)
    spans: list[list[int]] = []
    shift = 0
    for cut in in_order(cuts):
        start, end = lines.place(cut.start)[0] - 1, lines.place(cut.end)[0]
        if spans and start < spans[-1][1]:
            span = spans[-1]
            span[1] = max(span[1], end)
        else:
            span = [start, end, start + shift, 0]
            spans.append(span)
        shift += cut.new.count("\n") - before.count("\n", cut.start, cut.end)
        span[3] = span[1] + shift
    found: list[Hunk] = []
    for start, end, new_start, new_end in spans:
        end, new_end = min(end, len(old)), min(new_end, len(new))
        while start < end and new_start < new_end and old[start] == new[new_start]:
            start, new_start = start + 1, new_start + 1
        while start < end and new_start < new_end and old[end - 1] == new[new_end - 1]:
            end, new_end = end - 1, new_end - 1
        if (start, new_start) == (end, new_end):
            continue
        if found and (found[-1].end, found[-1].new_end) == (start, new_start):
            start, new_start = found[-1].start, found.pop().new_start
        found.append(Hunk(start, end, new_start, new_end))
    return found


def count(found: Sequence[Hunk], comments: Sequence[str], kept: int) -> Counts:
    """Returns the counts of the hunks; ``kept`` is how many of the comments the new text has."""
    added = changed = removed = 0
    for hunk in found:
        was, became = hunk.end - hunk.start, hunk.new_end - hunk.new_start
        changed += min(was, became)
        added += max(became - was, 0)
        removed += max(was - became, 0)
    return Counts(added, changed, removed, len(comments), kept)


def unified_diff(name: str, before: str, after: str, cuts: Sequence[Cut]) -> str:
    """Returns the diff as ``diff -u`` shows it, an exact patch; "" if there is none."""
    if before == after:
        return ""
    old, new = split_lines(before), split_lines(after)
    out = [f"--- {printable(name)}", f"+++ {printable(name)}"]
    for group in grouped(hunks(before, after, cuts)):
        out += shown(group, old, new)
    return "\n".join(out) + "\n"


def grouped(found: list[Hunk]) -> list[list[Hunk]]:
    """Returns the hunks in groups, between which there is more than their context."""
    groups: list[list[Hunk]] = []
    for hunk in found:
        if groups and hunk.start - groups[-1][-1].end <= 2 * CONTEXT:
            groups[-1].append(hunk)
        else:
            groups.append([hunk])
    return groups


def shown(group: list[Hunk], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Yields one group of hunks as ``diff -u`` shows it, with the lines around them."""
    start = max(group[0].start - CONTEXT, 0)
    end = min(group[-1].end + CONTEXT, len(old))
    new_start = group[0].new_start - (group[0].start - start)
    new_end = group[-1].new_end + (end - group[-1].end)
    yield f"@@ -{_range(start, end)} +{_range(new_start, new_end)} @@"
    at = start
    for hunk in group:
        yield from _signed(" ", old[at : hunk.start])
        yield from _signed("-", old[hunk.start : hunk.end])
        yield from _signed("+", new[hunk.new_start : hunk.new_end])
        at = hunk.end
    yield from _signed(" ", old[at:end])


def _signed(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start}" + ("" if length == 1 else f",{length}")
