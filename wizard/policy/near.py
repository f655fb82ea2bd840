"""Near misses: the word that was meant, where another one is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wizard.names import FUSE_RESOURCE

_SHORTEST_HEAD = 5
_SHARE_OF_HEAD = 0.6


def normalized(name: str) -> str:
    """Returns a word in lower case without dashes, underscores, slashes, and dots."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def near(word: str, known: Iterable[str]) -> str:
    """Returns the known word that was probably meant; "" if none is near enough.

    It is one that differs only in case or punctuation, or by a few letters for its length, or that starts alike.
    """
    best, least = "", 99
    short = normalized(word)
    for name in known:
        other = normalized(name)
        if other == short:
            return name
        most = 1 if len(other) < 5 else 2 if len(other) < 9 else 3
        number = distance(short, other, most)
        if number > most and _starts_alike(short, other):
            number = most
        if number <= most and number < least:
            best, least = name, number
    return best


def _starts_alike(one: str, other: str) -> bool:
    head = 0
    while head < min(len(one), len(other)) and one[head] == other[head]:
        head += 1
    return head >= _SHORTEST_HEAD and head >= _SHARE_OF_HEAD * max(len(one), len(other))


def distance(one: str, other: str, most: int) -> int:
    """Returns how many letters are added, missing, different, or exchanged with their neighbor.

    Returns more than ``most`` as soon as it is clear that there are more.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, expected in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != expected))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == expected:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def like_fuse(name: str) -> str:
    """Returns what a resource is that is nearly the FUSE resource: ``misspelt``, ``other`` for another plugin's.

    Returns "" for the FUSE resource itself and for every other resource, such as ``smarter-devices/kvm``.
    """
    if name == FUSE_RESOURCE:
        return ""
    domain, _, device = name.strip(" /").rpartition("/")
    whole, short = normalized(name), normalized(device)
    if short in ("fuse", "devfuse", "fusedevice"):
        return "misspelt" if normalized(domain) in ("", "dev") or normalized(domain).startswith("smart") else "other"
    end = short if domain else whole[-4:]
    is_near = distance(whole, normalized(FUSE_RESOURCE), 2) <= 2 and distance(end, "fuse", 1) <= 1
    return "misspelt" if is_near else ""
