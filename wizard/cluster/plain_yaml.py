"""The first document of a YAML text as mappings, lists, and text, as kubectl's library reads it.

It is made from the parser's events one by one, and not from a tree of nodes: a kubeconfig of ten thousand contexts then
takes a fraction of the time and the memory, and other threads go on meanwhile. Scalars stay text, because a token can
consist of digits.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from yaml.composer import ComposerError

NULLS = ("", "~", "null", "Null", "NULL")
"""How YAML writes that there is no value."""

MOST_MERGED = 1_000_000
"""How many keys can be merged into other mappings (``<<``)."""


class RepeatsItself(ValueError):
    """Aliases make a text grow without a limit."""


Lines = Mapping[str, Sequence[int]]
"""The line in which the value of each key at the top begins, then those of its items if it is a list."""


def first_document(text: str) -> tuple[Any, Lines]:
    """Returns the content of the first document, None if there is nothing, and where its parts are.

    Raises yaml.YAMLError if it is not YAML, RecursionError if it is nested deeply, and RepeatsItself.
    """
    loader = yaml.CSafeLoader(text)
    try:
        loader.get_event()  # the start of the stream
        if type(loader.get_event()) is yaml.StreamEndEvent:
            return None, {}
        reader = _Reader(loader)
        return reader.document(), reader.lines
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, loader: Any) -> None:
        self.lines: dict[str, list[int]] = {}
        self._next = loader.get_event
        self._anchors: dict[str, Any] = {}
        self._merged = 0

    def document(self) -> Any:
        event = self._next()
        return self._mapping(event, self.lines) if type(event) is yaml.MappingStartEvent else self._value(event)

    def _mapping(self, event: Any, lines: dict[str, list[int]] | None = None) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        self._keep(event, mapping)
        while type(key := self._next()) is not yaml.MappingEndEvent:
            # The same few names are the keys of every entry.
            simple = type(key) is yaml.ScalarEvent and key.anchor is None
            name = sys.intern(key.value) if simple else self._value(key)
            if not isinstance(name, str):
                raise ComposerError(None, None, "a key is not text", key.start_mark)
            event = self._next()
            found = None if lines is None else lines.setdefault(name, [])
            if found is not None:
                found[:] = [event.start_mark.line + 1]
            value = self._list(event, found) if type(event) is yaml.SequenceStartEvent else self._value(event)
            if name == "<<" and type(key) is yaml.ScalarEvent and key.implicit[0]:
                self._merge(mapping, value)
            else:
                mapping[name] = value
        return mapping

    def _list(self, event: Any, lines: list[int] | None = None) -> list[Any]:
        items: list[Any] = []
        self._keep(event, items)
        while type(item := self._next()) is not yaml.SequenceEndEvent:
            if lines is not None:
                lines.append(item.start_mark.line + 1)
            items.append(self._value(item))
        return items

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = None if event.implicit[0] and event.value in NULLS else event.value
            self._keep(event, value)
            return value
        if kind is yaml.MappingStartEvent:
            return self._mapping(event)
        if kind is yaml.SequenceStartEvent:
            return self._list(event)
        if event.anchor not in self._anchors:
            raise ComposerError(None, None, "found undefined alias", event.start_mark)
        return self._anchors[event.anchor]

    def _keep(self, event: Any, value: Any) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = value

    def _merge(self, mapping: dict[str, Any], value: Any) -> None:
        """Merges where the merge stands: it replaces the keys before it; of several mappings, the first one counts."""
        for merged in reversed(value if isinstance(value, list) else [value]):
            if isinstance(merged, dict):
                self._merged += len(merged)
                if self._merged > MOST_MERGED:
                    raise RepeatsItself
                mapping.update(merged)


def size_of(value: Any) -> int:
    """Returns how many values a value has, each counted as often as an alias repeats it. Raises RecursionError."""
    return _size(value, {})


def _size(value: Any, seen: dict[int, int]) -> int:
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in seen:
        items = value.values() if isinstance(value, dict) else value
        seen[id(value)] = 1 + sum(_size(item, seen) for item in items)
    return seen[id(value)]
