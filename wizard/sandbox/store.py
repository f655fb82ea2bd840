"""The objects of the simulated cluster, their versions, and their watchers.

Objects are never changed in place: a write stores a new version, which can share parts with the previous one. So a
list that was begun stays consistent, unchanged parts are recognized by identity, and each version is serialized once.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wizard.sandbox.refusals import expired

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace ("" if there is none) and name."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
LISTS_KEPT = 32
CHANGES_KEPT = 10_000


class Version:
    """One version of one object."""

    __slots__ = ("_tail", "key", "obj")

    def __init__(self, key: Key, obj: Object) -> None:
        self.key = key
        self.obj = obj
        self._tail: bytes | None = None

    @property
    def _body(self) -> bytes:
        """Its JSON without the opening brace, kind and apiVersion."""
        if self._tail is None:
            content = {name: value for name, value in self.obj.items() if name not in ("kind", "apiVersion")}
            self._tail = _encode(content).encode()[1:]
        return self._tail

    @property
    def as_item(self) -> bytes:
        """Its JSON as an item of a list, which has the kind once for all items."""
        return b"{" + self._body

    @property
    def as_document(self) -> bytes:
        head = json.dumps({"kind": self.obj["kind"], "apiVersion": self.obj["apiVersion"]}, separators=(",", ":"))
        return head[:-1].encode() + b"," + self._body

    @property
    def resource_version(self) -> int:
        return int(self.obj["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Change:
    """One write: ``ADDED``, ``MODIFIED`` or ``DELETED``."""

    type: str
    plural: str
    version: Version
    previous: Version | None

    @property
    def resource_version(self) -> int:
        return self.version.resource_version


Listener = Callable[[Change], None]


class Store:
    """All objects by plural and key, under one counter of resource versions."""

    def __init__(self) -> None:
        self.resource_version = 0
        self._objects: dict[str, dict[Key, Version]] = {}
        self._sorted: dict[str, list[Version]] = {}
        self._lists: OrderedDict[tuple[str, int], list[Version]] = OrderedDict()
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._forgotten = 0
        self._listeners: dict[str, list[Listener]] = {}

    # reading

    def get(self, plural: str, key: Key) -> Version | None:
        return self._objects.get(plural, {}).get(key)

    def all(self, plural: str, namespace: str = "") -> list[Version]:
        """Returns the current versions by namespace and name; those of one namespace if one is given."""
        found = self._sorted.get(plural)
        if found is None:
            objects = self._objects.get(plural, {})
            found = self._sorted[plural] = [objects[key] for key in sorted(objects)]
        return [one for one in found if one.key[0] == namespace] if namespace else found

    def values(self, plural: str) -> Iterator[Version]:
        """Returns the current versions, unordered."""
        return iter(self._objects.get(plural, {}).values())

    def count(self, plural: str) -> int:
        return len(self._objects.get(plural, {}))

    def begin_list(self, plural: str) -> tuple[int, list[Version]]:
        """Begins a list with later pages; returns its resource version and content."""
        content = self.all(plural)
        self._lists[plural, self.resource_version] = content
        if len(self._lists) > LISTS_KEPT:
            self._lists.popitem(last=False)
        return self.resource_version, content

    def resume_list(self, plural: str, resource_version: int) -> list[Version] | None:
        """Returns a list that was begun, None if it was dropped."""
        return self._lists.get((plural, resource_version))

    def changes_since(self, plural: str, resource_version: int) -> list[Change]:
        """Returns the changes after a version. Raises the server's 410 if they were dropped."""
        if resource_version < self._forgotten:
            raise expired(f"too old resource version: {resource_version} ({self._forgotten})")
        return [one for one in self._changes if one.plural == plural and one.resource_version > resource_version]

    def compact(self) -> None:
        """Drops past versions, as etcd does every five minutes: older lists and watches then answer 410."""
        self._lists.clear()
        self._changes.clear()
        self._forgotten = self.resource_version

    # writing

    def put(self, plural: str, obj: Object) -> Version:
        """Stores a version; its resource version is the next one."""
        self.resource_version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.resource_version)}
        key = (metadata.get("namespace", ""), metadata["name"])
        version = Version(key, {**obj, "metadata": metadata})
        objects = self._objects.setdefault(plural, {})
        previous = objects.get(key)
        objects[key] = version
        # a list in use keeps its content, so the next reader gets a new one
        self._sorted.pop(plural, None)
        self._announce(Change("MODIFIED" if previous else "ADDED", plural, version, previous))
        return version

    def remove(self, plural: str, key: Key) -> Version | None:
        """Removes an object; the announced version has the resource version of the removal."""
        previous = self._objects.get(plural, {}).pop(key, None)
        if previous is None:
            return None
        self._sorted.pop(plural, None)
        self.resource_version += 1
        metadata = {**previous.obj["metadata"], "resourceVersion": str(self.resource_version)}
        last = Version(key, {**previous.obj, "metadata": metadata})
        self._announce(Change("DELETED", plural, last, previous))
        return last

    def _announce(self, change: Change) -> None:
        if len(self._changes) == CHANGES_KEPT:
            self._forgotten = self._changes[0].resource_version
        self._changes.append(change)
        for listener in list(self._listeners.get(change.plural, ())):
            listener(change)

    def listen(self, plural: str, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` at each change, within the write; the result is a function that stops it."""
        listeners = self._listeners.setdefault(plural, [])
        listeners.append(listener)

        def end() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return end
