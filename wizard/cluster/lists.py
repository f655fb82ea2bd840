"""Lists of objects: read in pages, and converted while the server prepares the next page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wizard.cluster import shapes
from wizard.cluster.conversion import list_parts, node_facts
from wizard.cluster.paths import ListQuery
from wizard.cluster.refusals import ApiRefusal
from wizard.cluster.shapes import Odd
from wizard.cluster.transport import JSON, LARGEST_LIST, Answer, Transport
from wizard.facts.cluster import KubernetesObject

T = TypeVar("T")

PAGE = 500
"""How many objects are requested at once, as in kubectl."""

MOST_PAGES = 4000
"""How many pages a list can have: two million objects."""

SLICE_SECONDS = 0.005
"""How long the conversion of a page can block the loop."""

METADATA_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""Requests only metadata, as the garbage collector does. A server that does not know it sends whole objects (Kubernetes
documentation, API concepts, "Metadata-only fetches")."""


@dataclass(frozen=True, slots=True)
class ListSlice(Generic[T]):
    """Some of the objects of a list. ``total`` is the number of all, None if the server does not report it.

    After ``restarted``, the list begins again: earlier slices no longer count. ``version`` is the list's
    resource version, from which a watch continues; it is known with the last slice.
    """

    items: tuple[T, ...]
    total: int | None = None
    restarted: bool = False
    version: str = ""


class ListReader(Generic[T]):
    """Reads one list, once."""

    def __init__(
        self,
        transport: Transport,
        query: ListQuery,
        convert: Callable[[KubernetesObject], T],
        *,
        at_once: bool = False,
        metadata_only: bool = False,
    ) -> None:
        self._transport = transport
        self._path = query.path
        self._selectors = query.selectors
        self._parameters = {**query.selectors, "limit": str(PAGE)}
        self._accept = METADATA_LIST if metadata_only else JSON
        self._at_once = at_once
        self._take = _checked(query.kind, convert, metadata_only)
        self._told = 0
        """How many objects were yielded."""
        self._pages = 0
        self._restarted = False
        self._token = ""
        """Where the next page begins; empty if there is none."""

    async def slices(self) -> AsyncGenerator[ListSlice[T], None]:
        """Yields the objects in slices. Raises ApiRefusal, OddAnswer, ClusterError."""
        self._page = self._ask()
        try:
            while True:
                text = await self._page_text()
                async for part in self._converted(text):
                    yield part
                if not self._token:
                    return
        finally:
            self._page.cancel()
            await asyncio.gather(self._page, return_exceptions=True)

    def _ask(self) -> asyncio.Task[Answer[bytes]]:
        """Requests the next page in the background."""
        fetched = self._transport.fetch(
            "GET", self._path, query=dict(self._parameters), accept=self._accept, largest=LARGEST_LIST
        )
        return asyncio.create_task(fetched)

    async def _page_text(self) -> str:
        while True:
            try:
                return (await self._page).body.decode("utf-8", "replace")
            except ApiRefusal as refusal:
                if refusal.status != 410 or "continue" not in self._parameters:
                    raise
                # The list is older than the server remembers. A list in one page cannot expire.
                self._parameters, self._told, self._restarted = dict(self._selectors), 0, True
                self._page = self._ask()

    async def _converted(self, text: str) -> AsyncGenerator[ListSlice[T], None]:
        """Yields the objects of one page, the last slice at its end; requests the next page as soon as it is known."""
        items, metadata = list[T](), dict[str, Any]()
        self._token = ""
        began = time.perf_counter()
        try:
            for key, value in list_parts(text, at_once=self._at_once):
                if key == "metadata":
                    metadata = _list_metadata(value)
                    self._continue_at(metadata.get("continue", ""))
                elif key == "items":
                    items.append(self._take(value))
                    if time.perf_counter() - began > SLICE_SECONDS:
                        yield self._slice(items, metadata)
                        items = []
                        await asyncio.sleep(0)
                        began = time.perf_counter()
        except (ValueError, RecursionError) as error:
            odd = error if isinstance(error, Odd) else Odd("is not JSON")
            raise self._transport.odd("GET", self._path, odd) from None
        yield self._slice(items, metadata, ends=True)

    def _continue_at(self, token: str) -> None:
        """Requests the page after this one, if there is one. Raises Odd if the list goes on for ever."""
        self._token = token
        if not token:
            return
        self._pages += 1
        if token == self._parameters.get("continue") or self._pages > MOST_PAGES:
            raise Odd("has no end", "the list")
        self._parameters["continue"] = token
        self._page = self._ask()

    def _slice(self, items: list[T], metadata: Mapping[str, Any], *, ends: bool = False) -> ListSlice[T]:
        """Returns the next slice; ``ends`` if its page ends with it."""
        self._told += len(items)
        restarted, self._restarted = self._restarted, False
        if ends and not self._token:
            version = str(metadata.get("resourceVersion") or "")
            return ListSlice(tuple(items), self._told, restarted, version)
        remaining = metadata.get("remainingItemCount")
        total = self._told + int(remaining) if remaining is not None and remaining > 0 else None
        return ListSlice(tuple(items), total, restarted)


def _checked(
    kind: str, convert: Callable[[KubernetesObject], T], metadata_only: bool
) -> Callable[[KubernetesObject], T]:
    """Returns the conversion of an item, with the check before it; ``node_facts`` checks what it reads."""
    if convert is node_facts:
        return convert
    shape = shapes.METADATA_ITEM if metadata_only else shapes.ITEMS[kind]

    def take(item: KubernetesObject) -> T:
        shape(item)
        # The items of a list have no kind of their own.
        item.setdefault("kind", kind)
        return convert(item)

    return take


def _list_metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        shapes.LIST_METADATA(value)
    except Odd as odd:
        raise odd.under("metadata") from None
    return dict(value)
