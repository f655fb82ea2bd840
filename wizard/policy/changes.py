"""Edits of a policy as data, and the tree of changes that several of them are together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wizard.policy.readings import TAG, is_merge_key
from wizard.policy.tree import Mapping, Node, Sequence, key_text
from wizard.policy.writing import node_of

Path = tuple[str | int, ...]
"""Keys, and the numbers of items of lists, from 0."""


@dataclass(frozen=True)
class Set:
    """Sets ``path`` to ``value`` (plain data); missing parents are added.

    ``first`` puts a new key before all others of its mapping. If an existing mapping becomes another mapping, it
    is changed key by key, so that the remaining keys keep their comments.
    """

    path: Path
    value: Any
    first: bool = False


@dataclass(frozen=True)
class Remove:
    """Removes ``path``."""

    path: Path


@dataclass(frozen=True)
class Append:
    """Adds an item (plain data) at the end of the list at ``path``; a missing list is added."""

    path: Path
    value: Any


@dataclass(frozen=True)
class Rename:
    """Gives the key at the end of ``path`` another name; what it holds stays."""

    path: Path
    name: str


END = 1 << 30
BESIDE = {"resource-requests": "resource-limits", "resource-limits": "resource-requests"}
"""Keys that belong beside each other: a new one goes right after the other."""


class Wish:
    """The change for one node: a new value, another name, its removal, or changes inside it."""

    def __init__(self, value: Node | None = None, *, removed: bool = False) -> None:
        self.value = value
        self.removed = removed
        self.first = False
        self.name = ""
        self.children: dict[str | int, Wish] = {}
        self.added: dict[int, list[Node]] = {}
        """New items of a list, by the number of the item that they follow, -1 for none; ``END`` for the last."""

    def as_node(self) -> Node:
        if self.value is not None:
            return self.value
        if self.added:
            return Sequence([node for nodes in self.added.values() for node in nodes])
        return Mapping([part for name, wish in self.children.items() for part in (node_of(name), wish.as_node())])

    def keys(self) -> dict[str, Wish]:
        """Returns the changes inside a mapping."""
        return {str(name): wish for name, wish in self.children.items()}

    def items(self) -> dict[int, Wish]:
        """Returns the changes inside a list."""
        return {number: wish for number, wish in self.children.items() if isinstance(number, int)}


Edit = Set | Remove | Rename | Append


def wish_of(edits: Iterable[Edit]) -> Wish:
    """Returns all edits as one change of the root."""
    wish = Wish()
    for edit in edits:
        at = wish
        for name in edit.path:
            at = at.children.setdefault(name, Wish())
        if isinstance(edit, Set):
            at.value, at.first = node_of(edit.value), edit.first
        elif isinstance(edit, Rename):
            at.name = edit.name
        elif isinstance(edit, Append):
            at.added.setdefault(END, []).append(node_of(edit.value))
        else:
            at.removed = True
    return wish


def mixes(mapping: Mapping, wish: Wish) -> bool:
    """Whether a removal is combined with another removal or an addition, so that commas would be cut twice."""
    names = {key_text(key) for key in mapping.children[::2]}
    removed = [name for name, child in wish.keys().items() if child.removed]
    return mapping.flow and bool(removed) and (len(removed) > 1 or not names.issuperset(wish.keys()))


def differences(old: Mapping, new: Mapping) -> Wish | None:
    """Returns the changes from one mapping to another, key by key; None if keys cannot express them."""
    wish = Wish()
    names = [key_text(key) for key in old.children[::2]]
    is_other = old.tag is not None and old.tag.startswith(TAG) and old.tag != f"{TAG}map"  # a set
    if None in names or any(is_merge_key(key) for key in old.children[::2]) or is_other:
        return None
    wanted = {key_text(key): value for key, value in new.pairs}
    for name in names:
        if name not in wanted:
            wish.children[name or ""] = Wish(removed=True)
    for name, value in wanted.items():
        wish.children[name or ""] = Wish(value=value)
    return wish
