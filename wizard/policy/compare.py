"""Two versions of a policy side by side: the proof line and the unified diff."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wizard.escaping import printable
from wizard.policy.document import PolicyDocument

_MOST_DIFFERENCES = 1000
"""Lines added and removed up to which the shortest difference is looked for; its cost is their square."""
_CONTEXT = 3


class Hunk(NamedTuple):
    """Lines ``before[start:end]`` that became ``after[new_start:new_end]``; numbered from 0."""

    start: int
    end: int
    new_start: int
    new_end: int


@dataclass(frozen=True)
class Proof:
    """What an edit did to a file, counted from the two files and not from the edit.

    A line that was replaced counts as changed; ``other_bytes_changed`` are bytes on all other lines, their
    ends included (the end that a last line without one gets is not counted: it belongs to the added lines;
    nor is the one that it loses to lines that are removed below it).
    """

    lines_added: int
    lines_changed: int
    lines_removed: int
    other_bytes_changed: int
    comments: int
    comments_kept: int

    def __str__(self) -> str:
        parts = [
            f"{number} line{'' if number == 1 else 's'} {what}"
            for number, what, always in [
                (self.lines_added, "added", not (self.lines_changed or self.lines_removed)),
                (self.lines_changed, "changed", False),
                (self.lines_removed, "removed", False),
            ]
            if number or always
        ]
        return ", ".join(
            [
                *parts,
                f"{self.other_bytes_changed} other bytes changed",
                f"{self.comments_kept} of {self.comments} comments kept",
            ]
        )


def prove(before: PolicyDocument, after: PolicyDocument) -> Proof:
    """Counts what lies between two versions of a file."""
    old, new = _lines(before), _lines(after)
    found = hunks(old, new)
    added = changed = removed = other = 0
    at = new_at = 0
    for hunk in [*found, Hunk(len(old), len(old), len(new), len(new))]:
        last = hunk.start == len(old) or hunk.new_start == len(new)
        other += _end_changes(old[at : hunk.start], new[new_at : hunk.new_start], last=last)
        was, became = hunk.end - hunk.start, hunk.new_end - hunk.new_start
        changed += min(was, became)
        added += max(became - was, 0)
        removed += max(was - became, 0)
        at, new_at = hunk.end, hunk.new_end
    if before.is_marked != after.is_marked:
        other += 3
    comments = before.tree.comment_texts()
    return Proof(added, changed, removed, other, len(comments), _kept(comments, after.tree.comment_texts()))


def _end_changes(old: Sequence[str], new: Sequence[str], *, last: bool) -> int:
    if old == new:
        return 0
    pairs = list(zip(old, new, strict=True))
    if last and pairs and not (pairs[-1][0].endswith("\n") and pairs[-1][1].endswith("\n")):
        pairs.pop()
    return sum(abs(len(one) - len(other)) for one, other in pairs)


def _kept(old: Sequence[str], new: Sequence[str]) -> int:
    """How many comments are still there, in their order."""
    return len(old) - sum(hunk.end - hunk.start for hunk in hunks(old, new)) if old != new else len(old)


def _lines(document: PolicyDocument) -> list[str]:
    # not splitlines, which knows more line ends than YAML
    lines = document.text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def hunks(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    """The shortest difference between two lists of lines, line ends aside, in order.

    Myers' algorithm, on what is left between a common head and tail; where more than
    ``_MOST_DIFFERENCES`` lines differ, all of that is one hunk.
    """
    a = [line.rstrip("\r\n") for line in old]
    b = [line.rstrip("\r\n") for line in new]
    head = 0
    while head < len(a) and head < len(b) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    steps = _shortest(a[head : len(a) - tail], b[head : len(b) - tail])
    if steps is None:
        return [Hunk(head, len(a) - tail, head, len(b) - tail)]
    found: list[Hunk] = []
    for x, y, is_removal in steps:
        x, y = x + head, y + head
        last = found[-1] if found else None
        if last is not None and (last.end, last.new_end) == (x, y):
            found[-1] = Hunk(last.start, x + is_removal, last.new_start, y + (not is_removal))
        else:
            found.append(Hunk(x, x + is_removal, y, y + (not is_removal)))
    return found


def _shortest(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, bool]] | None:
    """Single lines removed (at x) or added (before x, from y), in order; None where there are too many."""
    reached = {1: 0}
    trace: list[dict[int, int]] = []
    for distance in range(min(len(a) + len(b), _MOST_DIFFERENCES) + 1):
        trace.append(dict(reached))
        for k in range(-distance, distance + 1, 2):
            down = k == -distance or (k != distance and reached[k - 1] < reached[k + 1])
            x = reached[k + 1] if down else reached[k - 1] + 1
            y = x - k
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x += 1
                y += 1
            reached[k] = x
            if x >= len(a) and y >= len(b):
                return _walk_back(trace, len(a), len(b))
    return None


def _walk_back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int, bool]]:
    steps = []
    for distance in range(len(trace) - 1, 0, -1):
        reached = trace[distance]
        k = x - y
        down = k == -distance or (k != distance and reached[k - 1] < reached[k + 1])
        before_k = k + 1 if down else k - 1
        x = reached[before_k]
        y = x - before_k
        steps.append((x, y, not down))
    return steps[::-1]


def unified_diff(before: PolicyDocument, after: PolicyDocument, *, width: int | None = None) -> str:
    """The difference as ``diff -u`` shows it, "" where there is none.

    Without a width it is a patch, byte for byte; with one (in columns) it is for looking at: longer lines
    go on below, marked with ``>``, and control characters are shown as escapes.
    """
    old, new = _lines(before), _lines(after)
    if before.content == after.content:
        return ""
    out = [f"--- {printable(before.name) or 'policy'}", f"+++ {printable(after.name) or 'policy'}"]
    for group in _groups(hunks(old, new), old, new):
        out += _shown(group, old, new)
    if width is not None:
        out = [piece for line in out for piece in _folded(line, width)]
    return "\n".join(out) + "\n"


def _groups(found: list[Hunk], old: Sequence[str], new: Sequence[str]) -> list[list[Hunk]]:
    # the patch of a file without a last line end names the line that gets one
    if old and new and old[-1].endswith("\n") != new[-1].endswith("\n") and not (found and found[-1].end == len(old)):
        found = [*found, Hunk(len(old) - 1, len(old), len(new) - 1, len(new))]
    elif old and not old[-1].endswith("\n") and found and found[-1].start == len(old) and found[-1].new_start:
        last = found[-1]
        found = [*found[:-1], Hunk(last.start - 1, last.end, last.new_start - 1, last.new_end)]
    groups: list[list[Hunk]] = []
    for hunk in found:
        if groups and hunk.start - groups[-1][-1].end <= 2 * _CONTEXT:
            groups[-1].append(hunk)
        else:
            groups.append([hunk])
    return groups


def _shown(group: list[Hunk], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    start = max(group[0].start - _CONTEXT, 0)
    end = min(group[-1].end + _CONTEXT, len(old))
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


def _folded(line: str, width: int) -> Iterator[str]:
    if line.startswith("\\"):
        yield line[:width]
        return
    width = max(width, 10)
    sign, rest = line[:1], printable(line[1:].removesuffix("\r").expandtabs(8))
    start, room = sign, width - len(sign)
    while True:
        piece, used = "", 0
        for character in rest:
            cells = _cells(character)
            if used + cells > room:
                break
            piece += character
            used += cells
        yield start + piece
        rest = rest[len(piece) :]
        if not rest:
            return
        start, room = f"{sign} > ", width - len(sign) - 3


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
