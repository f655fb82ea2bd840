"""Watches: the objects of a list, and then their changes, for as long as they are wanted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from wizard.cluster import shapes
from wizard.cluster.lists import ListReader
from wizard.cluster.paths import ListQuery
from wizard.cluster.refusals import ApiRefusal, Target
from wizard.cluster.shapes import Odd, decoded, require_flat
from wizard.cluster.transport import TRANSIENT, Transport
from wizard.errors import ClusterError
from wizard.facts.cluster import KubernetesObject

T = TypeVar("T")

WATCH_SECONDS = 240
"""How long one watch lasts before it is opened again; the server ends it then."""

RECONNECT_SECONDS = 1.0
"""How long to wait before a watch is opened again that ended immediately."""

BUSY_TRIES = 5
"""How often a watch is requested from a busy server before the list is read again."""

POLL_SECONDS = 2.0
"""How often a list is read if watching it is not allowed."""


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """An event of a watch. ``listed`` replaces all earlier objects; the others are about one object each."""

    kind: Literal["listed", "changed", "deleted"]
    objects: tuple[T, ...]


class Watch(Generic[T]):
    """Watches one list.

    After a lost connection, the watch continues from the same point; a server that is too busy for a watch gets new
    requests at growing intervals; if it no longer remembers the point, the list is read again. If watching is not
    allowed, the list is read every two seconds.
    """

    def __init__(self, transport: Transport, query: ListQuery, convert: Callable[[KubernetesObject], T]) -> None:
        self._transport = transport
        self._query = query
        self._convert = convert
        self._target = Target("watch", Target.of("GET", query.path).resource, namespace=query.namespace)
        self._version = ""
        """From where the watch continues; empty if the list must be read first."""
        self._allowed = True
        self._busy = 0
        """How often in a row the server was too busy."""
        self._odd = 0
        """How often in a row its answer was odd."""

    async def events(self) -> AsyncGenerator[WatchEvent[T], None]:
        """Yields the objects, and then their changes, without end.

        Raises ApiRefusal if listing is denied, ClusterError if the server does not answer.
        """
        while True:
            if not self._version:
                yield WatchEvent("listed", await self._list())
            if not self._allowed or not self._version:
                self._version = ""
                await asyncio.sleep(POLL_SECONDS)
                continue
            opened = time.monotonic()
            try:
                # The connection is closed when the watch ends, not when the garbage collector runs.
                async with aclosing(self._changes()) as changes:
                    async for change in changes:
                        yield change
            except Odd as odd:
                self._answer_was_odd(odd)
            except ApiRefusal as refusal:
                if await self._is_to_continue(refusal):
                    continue
            except (ClusterError, ValueError):
                # The next request, which is repeated, shows whether the server still answers.
                if time.monotonic() - opened < RECONNECT_SECONDS:
                    self._version = ""
            if self._allowed and time.monotonic() - opened < RECONNECT_SECONDS:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _list(self) -> tuple[T, ...]:
        """Reads the list, and from where a watch of it starts."""
        listed: list[T] = []
        async with aclosing(ListReader(self._transport, self._query, self._convert).slices()) as slices:
            async for part in slices:
                listed = [*([] if part.restarted else listed), *part.items]
                self._version = part.version or self._version
        return tuple(listed)

    async def _changes(self) -> AsyncGenerator[WatchEvent[T], None]:
        """Yields the changes of one connection."""
        query = {
            **self._query.selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with aclosing(self._transport.stream(self._query.path, query, silence=WATCH_SECONDS + 30)) as lines:
            async for line in lines:
                happened, content = _event(line, self._query.kind, self._target)
                self._busy = self._odd = 0
                self._version = _version_of(content) or self._version
                if happened != "BOOKMARK":
                    yield WatchEvent("deleted" if happened == "DELETED" else "changed", (self._convert(content),))

    def _answer_was_odd(self, odd: Odd) -> None:
        """Has the list read again: it can be in order where a watch is not. Raises OddAnswer if that goes on."""
        self._odd, self._version = self._odd + 1, ""
        if self._odd > BUSY_TRIES:
            raise self._transport.odd("GET", self._query.path, odd) from None

    async def _is_to_continue(self, refusal: ApiRefusal) -> bool:
        """Waits for a busy server; returns whether the watch is opened again at once."""
        if refusal.status in (403, 405):
            self._allowed = False
        # A list is the most expensive request for a busy server.
        self._busy = self._busy + 1 if refusal.status in TRANSIENT else 0
        if 0 < self._busy <= BUSY_TRIES:
            await asyncio.sleep(RECONNECT_SECONDS * 2 ** (self._busy - 1))
            return True
        self._version, self._busy = "", 0
        return refusal.status == 410


def _event(line: bytes, kind: str, target: Target) -> tuple[str, dict[str, Any]]:
    """Returns the type of a watch's event, and its object. Raises ApiRefusal for an error."""
    event = decoded(line)
    shapes.EVENT_OF_WATCH(event)
    require_flat(event)
    happened, content = event["type"], event["object"]
    if happened == "ERROR":
        code = content.get("code")
        raise ApiRefusal(target, code if type(code) is int else 0, content)
    # A bookmark has only a version.
    if happened != "BOOKMARK":
        shapes.ITEMS[kind](content)
    return happened, content


def _version_of(content: Mapping[str, Any]) -> str:
    metadata = content.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else ""
