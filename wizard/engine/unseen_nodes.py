"""Tells whether nodes that a wait expects, and that are not among those it watches, exist."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wizard.cluster import ApiRefusal, Gateway
from wizard.cluster.concurrency import together
from wizard.errors import ClusterError

AT_ONCE = 20
"""How many nodes are read at the same time."""

AWAY_SECONDS = 2.0
"""The time before the next attempt to reach a server that does not respond."""


class UnseenNodes:
    """Reads each unseen node by its name, once. Without permission, it stays unknown whether it exists."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._unread: dict[str, None] = {}
        self._more = asyncio.Event()
        self._exists: dict[str, bool | None] = {}

    def note(self, name: str, *, seen: bool) -> None:
        """Notes whether a node is among the watched ones; if so, what was known of it before is past."""
        if seen:
            self._unread.pop(name, None)
            self._exists.pop(name, None)
        elif name not in self._exists:
            self._exists[name] = None
            self._unread[name] = None
            self._more.set()

    def exists(self, name: str) -> bool | None:
        """Returns whether an unseen node exists; None if that is not known."""
        return self._exists.get(name)

    async def read(self, on_change: Callable[[], None]) -> None:
        """Reads those that were noted, until it is canceled or the server denies it."""
        while True:
            await self._more.wait()
            some = list(self._unread)[:AT_ONCE]
            try:
                found = await together(self._gateway.get("Node", name) for name in some)
            except ApiRefusal:
                return  # a login that has ended ends the watches as well
            except ClusterError:
                await asyncio.sleep(AWAY_SECONDS)
                continue
            for name, node in zip(some, found, strict=True):
                if self._unread.pop(name, "") is None:  # else it was seen meanwhile
                    self._exists[name] = node is not None
            if not self._unread:
                self._more.clear()
            on_change()
