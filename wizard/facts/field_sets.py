"""Sets of fields as the API server keeps them (``FieldsV1``), and what is done with them.

A set is a tree of ``f:<field>``, ``k:<keys of a list item>`` and ``v:<value of a set item>``. ``{}`` is a member
without members below it, and ``"."`` marks a member that has some. The rules are those of Kubernetes' structured
merge and diff (sigs.k8s.io/structured-merge-diff, fieldpath).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any

Fields = dict[str, Any]


def _combined(left: Mapping[str, Any], right: Mapping[str, Any], keeps: Callable[[bool, bool], bool]) -> Fields:
    """Returns the members for which ``keeps(in left, in right)``; the roots themselves are never members."""
    result: Fields = {}
    for key in left if not keeps(False, True) else [*left, *(key for key in right if key not in left)]:
        if key == ".":
            continue
        a, b = left.get(key), right.get(key)
        if b is None:
            if keeps(True, False):
                result[key] = a
            continue
        if a is None:
            result[key] = b
            continue
        below = _combined(a, b, keeps)
        member = keeps(is_member(a), is_member(b))
        if member or below:
            result[key] = {".": {}, **below} if member and below else below
    return result


def is_member(node: Mapping[str, Any]) -> bool:
    """Tells whether the field that a node stands for is itself in the set."""
    return not node or "." in node


def union(left: Mapping[str, Any], right: Mapping[str, Any]) -> Fields:
    """Returns the fields in either set."""
    return _combined(left, right, lambda a, b: a or b)


def union_of(sets: Iterable[Mapping[str, Any]]) -> Fields:
    """Returns the fields in any of these sets."""
    return reduce(union, sets, {})


def difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> Fields:
    """Returns the fields in the first set and not in the second."""
    return _combined(left, right, lambda a, b: a and not b)


def intersection(left: Mapping[str, Any], right: Mapping[str, Any]) -> Fields:
    """Returns the fields in both sets."""
    return _combined(left, right, lambda a, b: a and b)


def overlap(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Tells whether two sets have a field in common."""
    for key, node in right.items():
        if key in left and key != ".":
            other = left[key]
            if (is_member(node) and is_member(other)) or overlap(other, node):
                return True
    return False


def step(element: str) -> str:
    """Returns one element of a path as the server's messages show it: ``.image``, ``[name="x"]``, ``[=text]``."""
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        return "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(text).items()) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


def paths(fields: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yields each member as the server's messages show it: ``.spec.template.spec.containers[name="x"].image``."""
    for key, node in sorted(fields.items()):
        if key == ".":
            continue
        path = prefix + step(key)
        if is_member(node):
            yield path
        yield from paths(node, path)


def select(fields: Mapping[str, Any], wanted: Callable[[str], bool], prefix: str = "") -> Fields:
    """Returns the members whose path, as ``paths`` writes it, is wanted."""
    result: Fields = {}
    for key, node in fields.items():
        if key == ".":
            continue
        path = prefix + step(key)
        below = select(node, wanted, path)
        if is_member(node) and wanted(path):
            result[key] = {".": {}, **below} if below else {}
        elif below:
            result[key] = below
    return result


def without(item: Any, drop: Mapping[str, Any], kept: Mapping[str, Any]) -> Any:
    """Returns a copy of an object without the fields in ``drop``.

    A member goes with all that is below it only if ``kept`` has nothing below it: a map that another manager has a
    key in stays. A map or list that is empty afterwards goes too, as the server removes it.
    """
    result = copy.deepcopy(item)
    _remove(result, drop, kept)
    return result


def _remove(value: Any, drop: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    places = [(place, key) for key in drop if key != "." and (place := _place(value, key)) is not None]
    if isinstance(value, list):
        places.sort(reverse=True)  # the places of earlier items stay as they are
    for place, key in places:
        below, stays = drop[key], kept.get(key)
        if is_member(below) and stays is None:
            del value[place]
            continue
        _remove(value[place], below, stays or {})
        if value[place] in ({}, []):
            del value[place]


def _place(value: Any, element: str) -> Any:
    """Returns the key or index that an element of a path has in a mapping or list; None if it is not there."""
    kind, _, text = element.partition(":")
    if kind == "f" and isinstance(value, dict):
        return text if text in value else None
    if not isinstance(value, list):
        return None
    if kind == "i":
        return int(text) if int(text) < len(value) else None
    wanted = json.loads(text)
    for index, one in enumerate(value):
        if kind == "v" and one == wanted:
            return index
        if kind == "k" and isinstance(one, dict) and all(one.get(name) == found for name, found in wanted.items()):
            return index
    return None
