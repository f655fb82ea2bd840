"""The comparison of two versions of a policy: the counts of the check, and the unified diff."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wizard.editing.diff import Counts, Hunk, count, grouped, shown, split_lines
from wizard.policy.document import PolicyDocument
from wizard.text.escaping import printable

_MOST_DIFFERENCES = 1000
"""The largest number of added and removed lines for which the shortest diff is computed; its cost is quadratic."""


Proof = Counts
"""The check of an edit: what it did to a file, counted from the two files and not from the edit.

``other_bytes_changed`` counts bytes on all other lines, line endings included. If the last line gains or loses its line
ending because of added or removed lines, that ending is not counted.
"""


def prove(before: PolicyDocument, after: PolicyDocument) -> Proof:
    """Counts the differences between two versions of a file."""
    old, new = _lines(before), _lines(after)
    found = _hunks_with_ends(old, new) if "\r\n" in before.text else hunks(old, new)
    at = new_at = other = 0
    for hunk in [*found, Hunk(len(old), len(old), len(new), len(new))]:
        last = hunk.start == len(old) or hunk.new_start == len(new)
        other += _end_changes(old[at : hunk.start], new[new_at : hunk.new_start], last=last)
        at, new_at = hunk.end, hunk.new_end
    if before.is_marked != after.is_marked:
        other += 3
    comments = before.tree.comment_texts()
    kept = _kept(comments, after.tree.comment_texts())
    return replace(count(found, comments, kept), other_bytes_changed=other)


def _hunks_with_ends(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    """Returns the shortest diff; of several, in a file with two kinds of line endings, one that changes no ending."""
    found = hunks(old, new)
    endings = {line.endswith("\r\n") for line in old[:-1]}
    if len(endings) > 1 and old != new:
        exact = hunks(old, new, ends=True)
        if _size(exact) == _size(found):
            return exact
    return found


def _size(found: Sequence[Hunk]) -> int:
    return sum(hunk.end - hunk.start + hunk.new_end - hunk.new_start for hunk in found)


def _end_changes(old: Sequence[str], new: Sequence[str], *, last: bool) -> int:
    if old == new:
        return 0
    pairs = list(zip(old, new, strict=True))
    if last and pairs and not (pairs[-1][0].endswith("\n") and pairs[-1][1].endswith("\n")):
        pairs.pop()
    return sum(abs(len(one) - len(other)) for one, other in pairs)


def _kept(old: Sequence[str], new: Sequence[str]) -> int:
    """Returns how many comments were kept, in their order."""
    return len(old) - sum(hunk.end - hunk.start for hunk in hunks(old, new)) if old != new else len(old)


def _lines(document: PolicyDocument) -> list[str]:
    return split_lines(document.text)


def hunks(old: Sequence[str], new: Sequence[str], *, ends: bool = False) -> list[Hunk]:
    """Returns the shortest diff between two lists of lines, in order, by default without regard to line endings.

    Uses Myers' algorithm on the lines between a common head and tail; if more than ``_MOST_DIFFERENCES`` lines
    differ, all of them are one hunk.
    """
    # the last line can gain or lose its line ending
    a, b = ([line.rstrip("\n" if ends else "\r\n") for line in lines] for lines in (old, new))
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
    """Returns single lines removed (at x) or added (before x, from y), in order; None if there are too many."""
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
    """Returns the diff as ``diff -u`` shows it; "" if there is none.

    Without a width it is an exact patch. With a width (in columns) it is for display: longer lines continue
    below, marked with ``>``, and control characters are shown as escapes.
    """
    old, new = _lines(before), _lines(after)
    if before.content == after.content:
        return ""
    if width is None:  # a patch is of the bytes
        for lines, document in ((old, before), (new, after)):
            if document.is_marked:
                lines[:1] = [f"\ufeff{''.join(lines[:1])}"]
    out = [f"--- {printable(before.name) or 'policy'}", f"+++ {printable(after.name) or 'policy'}"]
    for group in _groups(hunks(old, new), old, new):
        out += shown(group, old, new)
    if width is not None:
        out = [piece for line in out for piece in _folded(line, width)]
    return "\n".join(out) + "\n"


def _groups(found: list[Hunk], old: Sequence[str], new: Sequence[str]) -> list[list[Hunk]]:
    # the patch of a file without a final line ending includes the line that gains one
    if old and new and old[-1].endswith("\n") != new[-1].endswith("\n") and not (found and found[-1].end == len(old)):
        found = [*found, Hunk(len(old) - 1, len(old), len(new) - 1, len(new))]
    elif old and not old[-1].endswith("\n") and found and found[-1].start == len(old) and found[-1].new_start:
        last = found[-1]
        found = [*found[:-1], Hunk(last.start - 1, last.end, last.new_start - 1, last.new_end)]
    return grouped(found)


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
