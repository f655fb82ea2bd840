"""Sets the guide's label on many nodes with parallel merge patches, as fast as the server allows.

The nodes are processed in the given order. The previous value of a node is reported before the node is changed, so
that the journal always covers every change.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from wizard.cluster import ApiRefusal, Gateway, Retry
from wizard.cluster.concurrency import together
from wizard.engine.events import ActionProgress, Listener
from wizard.errors import ClusterError
from wizard.facts.cluster import KubernetesObject
from wizard.facts.rollout import NO_LONGER_EXISTS, Shortfall
from wizard.names import NODE_LABEL

IN_FLIGHT = 32
"""The maximum number of parallel patches, unless the server asks to slow down."""

BATCH = 200
"""The number of nodes whose previous values are reported together."""

FEW = 50
"""Up to this number, nodes are read one by one; for more, reading the whole list is faster."""

PROGRESS_SECONDS = 0.5
SETTLE_SECONDS = 3.0
"""How long running requests can take to finish after a stop, so that their results are known."""

OnBatch = Callable[[Mapping[str, str | None]], None]


@dataclass(frozen=True, slots=True)
class LabelResult:
    """The result for each node, by name: every node is in exactly one of the first five.

    ``gone`` nodes do not exist, or do so no longer. ``cancelled`` nodes were not changed, or it is not known, because
    the work was stopped. ``before`` has the previous value of the label on each node that was attempted (None: no
    label).
    """

    done: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    failed: tuple[Shortfall, ...] = ()
    gone: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    before: Mapping[str, str | None] = field(default_factory=dict)
    seconds: float = 0.0


async def set_labels(
    gateway: Gateway,
    names: Sequence[str],
    *,
    value: str | None,
    on_event: Listener,
    action: str,
    in_flight: int = IN_FLIGHT,
    on_batch: OnBatch | None = None,
    stop: asyncio.Event | None = None,
) -> LabelResult:
    """Sets the guide's label to ``value`` on these nodes; None removes it.

    A node that fails or that no longer exists does not stop the others. ``on_batch`` gets the previous values, by node,
    of those that are changed next. ``stop`` ends the work: no new request starts, and running ones can finish. A
    cancellation does the same, without a result. Raises ClusterError if the nodes cannot be read.
    """
    work = _Labelling(gateway, list(dict.fromkeys(names)), value, on_event, action, on_batch)
    work.limit = work.most = max(1, in_flight)
    await work.read_values()
    await work.run(stop or asyncio.Event())
    return work.result()


class _Labelling:
    def __init__(
        self,
        gateway: Gateway,
        names: list[str],
        value: str | None,
        on_event: Listener,
        action: str,
        on_batch: OnBatch | None,
    ) -> None:
        self.limit: float = IN_FLIGHT
        self.most = IN_FLIGHT
        self._gateway = gateway
        self._names = names
        self._value = value
        self._on_event = on_event
        self._action = action
        self._on_batch = on_batch
        self._values: dict[str, str | None] = {}
        self._told: dict[str, str | None] = {}
        self._done: set[str] = set()
        self._unchanged: set[str] = set()
        self._failed: dict[str, str] = {}
        self._gone: set[str] = set()
        self._fatal = ""
        self._paused_until = 0.0
        self._began = time.monotonic()
        self._reported_at = 0.0
        self._reported: tuple[int, int] | None = None

    async def read_values(self) -> None:
        """Reads the current values. Nodes that do not exist, or cannot be read, fail here."""
        if len(self._names) > FEW:
            try:
                await self._read_list()
            except ApiRefusal as refusal:
                if refusal.status != 403:
                    raise
                await self._read_each()
        else:
            await self._read_each()
        self._unchanged = {name for name, value in self._values.items() if value == self._value}

    async def _read_list(self) -> None:
        found: dict[str, str | None] = {}
        async for part in self._gateway.slices("Node", convert=_label_of, metadata_only=True):
            if part.restarted:
                found.clear()
            found.update(part.items)
        for name in self._names:
            if name in found:
                self._values[name] = found[name]
            else:
                self._lose(name)

    async def _read_each(self) -> None:
        gate = asyncio.Semaphore(self.most)

        async def read(name: str) -> None:
            async with gate:
                try:
                    node = await self._gateway.get("Node", name)
                except ApiRefusal as refusal:
                    if refusal.status == 401:
                        raise
                    self._failed[name] = _reason(refusal, name)
                    return
            if node is None:
                self._lose(name)
            else:
                self._values[name] = _label_of(node)[1]

        await together(read(name) for name in self._names)

    async def run(self, stop: asyncio.Event) -> None:
        queue = deque(name for name in self._names if name in self._values and name not in self._unchanged)
        running: set[asyncio.Task[None]] = set()
        stopped = asyncio.create_task(stop.wait())
        try:
            while (queue or running) and not stop.is_set() and not self._fatal:
                pause = self._paused_until - time.monotonic()
                while queue and len(running) < int(self.limit) and pause <= 0:
                    self._announce(queue)
                    running.add(asyncio.create_task(self._patch(queue.popleft())))
                patience = PROGRESS_SECONDS if pause <= 0 else min(PROGRESS_SECONDS, pause)
                await asyncio.wait({*running, stopped}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in [one for one in running if one.done()]:
                    running.discard(task)
                    task.result()
                self._report()
        finally:
            stopped.cancel()
            await self._settle(running)
            self._report(last=True)

    async def _settle(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for the running requests, or cancels them; none is left running."""
        if not running:
            return
        try:
            await asyncio.wait(running, timeout=SETTLE_SECONDS)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _announce(self, queue: deque[str]) -> None:
        if queue[0] in self._told:
            return
        batch = {name: self._values[name] for name in islice(queue, BATCH)}
        self._told.update(batch)
        if self._on_batch is not None:
            self._on_batch(batch)

    async def _patch(self, name: str) -> None:
        body = {"metadata": {"labels": {NODE_LABEL: self._value}}}
        try:
            await self._gateway.patch("Node", name, body, on_retry=self._slow_down)
        except ApiRefusal as refusal:
            if refusal.status == 404:
                self._lose(name)
            else:
                self._failed[name] = _reason(refusal, name)
            if refusal.status == 401:
                self._fatal = self._failed[name] = refusal.what
        except ClusterError as error:
            # All retries have failed, so the requests for the other nodes would fail too.
            self._fatal = self._failed[name] = error.what
        else:
            self._done.add(name)
            # One more parallel request for each round without an objection.
            self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def _lose(self, name: str) -> None:
        self._gone.add(name)
        self._failed[name] = NO_LONGER_EXISTS

    def _slow_down(self, retry: Retry) -> None:
        if retry.status != 429:
            return
        now = time.monotonic()
        if now >= self._paused_until:
            # Only once for all requests of the same moment.
            self.limit = max(1.0, self.limit / 2)
        self._paused_until = max(self._paused_until, now + retry.delay)

    def _report(self, *, last: bool = False) -> None:
        now = time.monotonic()
        state = (len(self._done) + len(self._unchanged), len(self._failed))
        if state == self._reported or (not last and now - self._reported_at < PROGRESS_SECONDS):
            return
        self._reported_at, self._reported = now, state
        shortfalls = tuple(Shortfall(name, reason) for name, reason in self._failed.items())
        self._on_event(
            ActionProgress(
                self._action,
                state[0],
                len(self._names),
                now - self._began,
                shortfalls,
                len(self._names) - sum(state),
            )
        )

    def result(self) -> LabelResult:
        """Returns the result, in the order of the names."""
        settled = self._done | self._unchanged | self._failed.keys()
        left = [name for name in self._names if name not in settled]
        if self._fatal:
            self._failed.update(dict.fromkeys(left, f"skipped: {self._fatal}"))
            left = []
        tried = self._done | self._failed.keys() | set(left)
        return LabelResult(
            done=tuple(name for name in self._names if name in self._done),
            unchanged=tuple(name for name in self._names if name in self._unchanged),
            failed=tuple(
                Shortfall(name, self._failed[name])
                for name in self._names
                if name in self._failed and name not in self._gone
            ),
            gone=tuple(name for name in self._names if name in self._gone),
            cancelled=tuple(left),
            before={name: value for name, value in self._told.items() if name in tried},
            seconds=time.monotonic() - self._began,
        )


def _reason(refusal: ApiRefusal, name: str) -> str:
    """Returns why a node was rejected, without its name: the same reason of many nodes is then told once."""
    return (refusal.message or refusal.what).replace(f'nodes "{name}" is ', "", 1)


def _label_of(node: KubernetesObject) -> tuple[str, str | None]:
    metadata = node["metadata"]
    return metadata["name"], (metadata.get("labels") or {}).get(NODE_LABEL)
