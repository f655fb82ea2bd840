"""Edits made again on another version of the file: what changed between two versions, applied to a third."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.lookup import lookup
from wizard.policy.readings import data_of
from wizard.policy.text_editor import Edit, Remove, Set, apply

Path = tuple[str, ...]
_MISSING = object()


class Reapplied(NamedTuple):
    """The other version with the edits, and the paths that both versions changed in different ways."""

    document: PolicyDocument
    both: tuple[str, ...]


def reapply_edits(original: PolicyDocument, mine: PolicyDocument, now: PolicyDocument) -> Reapplied:
    """Makes the edits that led from ``original`` to ``mine`` again on ``now``.

    Where both changed the same, the edit wins, and the path is named. Raises InputError if an edit cannot be made
    there.
    """
    edits: list[Edit] = []
    both = []
    for path, data in _differences(original.data, mine.data, ()):
        there, before = _at(now, path), _at(original, path)
        if there == data or (there is _MISSING and data is _MISSING):
            continue
        if there != before:
            both.append(show_path(path))
        edits.append(Remove(path) if data is _MISSING else Set(path, data))
    return Reapplied(apply(now, edits) if edits else now, tuple(both))


def _differences(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yields the deepest paths at which two versions differ, each with the new data, or ``_MISSING``."""
    if not isinstance(old, dict) or not isinstance(new, dict) or not old or not new:
        if old != new:
            yield path, new
        return
    for key in dict.fromkeys([*old, *new]):
        here = (*path, str(key))
        if key not in new:
            yield here, _MISSING
        elif key not in old:
            yield here, new[key]
        else:
            yield from _differences(old[key], new[key], here)


def _at(document: PolicyDocument, path: Path) -> Any:
    node = lookup(document, path)
    return data_of(node) if node is not None else _MISSING
