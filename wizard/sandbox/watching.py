"""What goes on until the client or the server ends it: watches, and logs that are followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from wizard.sandbox.kinds import Kind
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.requests import Shape, Target, matcher_of, number_of
from wizard.sandbox.responses import Answer, document_of
from wizard.sandbox.store import Change, Object, Store, Version

BOOKMARK_SECONDS = 60.0


@dataclass(frozen=True)
class Log:
    """A container's output, and whether more can follow."""

    text: str
    complete: bool


LogReader = Callable[[Version, Mapping[str, str]], Log]


class Watches:
    """Serves the watches and logs of one store until ``stopping``."""

    def __init__(self, store: Store, read_log: LogReader, stopping: asyncio.Event) -> None:
        self._store = store
        self._read_log = read_log
        self._stopping = stopping

    async def watch(self, request: web.BaseRequest, kind: Kind, target: Target, shape: Shape) -> web.StreamResponse:
        """Sends the changes of the objects that the request selects."""
        watched = _Watched(self._store, request, kind, target, shape)
        seconds = number_of(request, "timeoutSeconds")
        first, failed = watched.first()
        changes: asyncio.Queue[Change] = asyncio.Queue()
        end = self._store.listen(kind.plural, changes.put_nowait)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            if first:
                await response.write(first)
            if failed:
                return response
            await self._send(response, watched, changes, seconds or 1800)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        finally:
            end()
        return response

    async def _send(
        self, response: web.StreamResponse, watched: _Watched, changes: asyncio.Queue[Change], seconds: float
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (left := deadline - loop.time()) > 0 and not self._stopping.is_set():
            change = await self._next(changes, min(left, BOOKMARK_SECONDS))
            content = b""
            if change is not None:
                content = watched.event(change)
                while not changes.empty():
                    content += watched.event(changes.get_nowait())
            elif watched.bookmarks:
                content = watched.bookmark({})
            if content:
                await response.write(content)

    async def _next(self, changes: asyncio.Queue[Change], seconds: float) -> Change | None:
        """Returns the next change; None at the timeout or if the server stops."""
        waiting = {asyncio.ensure_future(changes.get()), asyncio.ensure_future(self._stopping.wait())}
        try:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            results = [one.result() for one in done]
        finally:
            for one in waiting:
                one.cancel()
        return next((result for result in results if isinstance(result, Change)), None)

    async def log(self, request: web.BaseRequest, pod: Version) -> Answer | web.StreamResponse:
        """Sends a container's output, as long as it grows if the request follows it."""
        log = self._read_log(pod, request.query)
        if request.query.get("follow") != "true" or log.complete:
            return Answer(log.text.encode(), content_type="text/plain")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        changes: asyncio.Queue[Change] = asyncio.Queue()
        end = self._store.listen("pods", changes.put_nowait)
        written = ""
        try:
            while True:
                await response.write(log.text[len(written) :].encode())
                written = log.text
                current = self._store.get("pods", pod.key)
                if log.complete or current is None or self._stopping.is_set():
                    break
                await self._next(changes, BOOKMARK_SECONDS)
                log = self._read_log(current, request.query)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        finally:
            end()
        return response


class _Watched:
    """The objects that one watch selects, and its events about them."""

    def __init__(self, store: Store, request: web.BaseRequest, kind: Kind, target: Target, shape: Shape) -> None:
        self._store, self._request, self._kind, self._target, self._shape = store, request, kind, target, shape
        self._matches = matcher_of(request, kind)
        self.bookmarks = request.query.get("allowWatchBookmarks") == "true"

    def first(self) -> tuple[bytes, bool]:
        """Returns what is sent first: what there is, or what changed since; and whether the watch fails with it."""
        query, store, plural = self._request.query, self._store, self._kind.plural
        since = query.get("resourceVersion", "")
        number_of(self._request, "resourceVersion")
        initial = query.get("sendInitialEvents") == "true"
        if since in ("", "0") or initial:
            sent = [self._shown("ADDED", one) for one in store.all(plural) if self._wanted(one.obj)]
            if initial:
                sent.append(self.bookmark({"annotations": {"k8s.io/initial-events-end": "true"}}))
            return b"".join(sent), False
        try:
            return b"".join(self.event(change) for change in store.changes_since(plural, int(since))), False
        except Refusal as refusal:
            return json.dumps({"type": "ERROR", "object": refusal.body()}).encode() + b"\n", True

    def event(self, change: Change) -> bytes:
        """Returns the event of a change; nothing if it is not about the selected objects."""
        now = change.type != "DELETED" and self._wanted(change.version.obj)
        before = change.previous is not None and self._wanted(change.previous.obj)
        if not now and not before:
            return b""
        return self._shown("DELETED" if not now else "MODIFIED" if before else "ADDED", change.version)

    def bookmark(self, annotations: Object) -> bytes:
        """Returns an event that says only how far the watch is."""
        metadata = {"resourceVersion": str(self._store.resource_version)} | annotations
        obj = {"kind": self._kind.name, "apiVersion": self._kind.api_version, "metadata": metadata}
        return json.dumps({"type": "BOOKMARK", "object": obj}).encode() + b"\n"

    def _wanted(self, obj: Object) -> bool:
        metadata, target = obj["metadata"], self._target
        return (
            (not target.namespace or metadata.get("namespace") == target.namespace)
            and (not target.name or metadata["name"] == target.name)
            and (self._matches is None or self._matches(obj))
        )

    def _shown(self, type_: str, version: Version) -> bytes:
        content = document_of(self._request, self._kind, version, self._shape).body
        return b'{"type":"' + type_.encode() + b'","object":' + content + b"}\n"
