"""Labels on many nodes: in order, adapting, stopped at once; every value of before is told before it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import status
from wizard.cluster import ApiRefusal, Gateway
from wizard.engine.events import ActionProgress, Event
from wizard.engine.labels import IN_FLIGHT, LabelResult, set_labels
from wizard.names import NODE_LABEL
from wizard.sandbox import Sandbox


class Nodes:
    """A server that has nodes, and notes what is done to them."""

    def __init__(self, count: int, labels: Mapping[str, str] | None = None) -> None:
        self.labels: dict[str, str | None] = {f"n{number:03}": None for number in range(count)}
        self.labels.update(labels or {})
        self.patched: list[str] = []
        self.running = 0
        self.most = 0
        self.before_patch: Callable[[str], Awaitable[web.StreamResponse | None]] | None = None

    def _node(self, name: str) -> dict[str, object]:
        value = self.labels[name]
        return {"kind": "Node", "metadata": {"name": name, "labels": {NODE_LABEL: value} if value else {}}}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "nodes":
            return web.json_response(
                {"metadata": {"resourceVersion": "1"}, "items": [self._node(n) for n in self.labels]}
            )
        if name not in self.labels:
            return status(404, "NotFound", f'nodes "{name}" not found')
        if request.method == "GET":
            return web.json_response(self._node(name))
        self.patched.append(name)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            refusal = await self.before_patch(name) if self.before_patch else None
            if refusal is not None:
                return refusal
            if "dryRun" not in request.query:
                self.labels[name] = json.loads(await request.text())["metadata"]["labels"][NODE_LABEL]
            return web.json_response(self._node(name))
        finally:
            self.running -= 1


async def label(gateway: Gateway, names: list[str], value: str | None = "enabled", **options: Any) -> LabelResult:
    options = {"on_event": lambda _: None, "action": "label", **options}
    return await set_labels(gateway, names, value=value, **options)


@pytest.mark.parametrize("count", [10, 120])
async def test_every_node_ends_in_one_place(connected: Connected, count: int) -> None:
    server = Nodes(count, {"n001": "enabled", "n002": "other"})
    names = [*reversed(server.labels), "gone"]
    events: list[Event] = []
    batches: list[Mapping[str, str | None]] = []
    async with connected(server) as gateway:
        result = await label(gateway, names, on_event=events.append, on_batch=batches.append)
    assert set(server.labels.values()) == {"enabled"}
    assert result.unchanged == ("n001",)
    assert result.done == tuple(name for name in names if name not in ("n001", "gone"))
    assert (result.gone, result.failed) == (("gone",), ())
    assert result.cancelled == ()
    assert result.before["n002"] == "other"
    assert {name: value for batch in batches for name, value in batch.items()} == result.before
    last = events[-1]
    assert isinstance(last, ActionProgress)
    assert (last.done, last.total, last.waiting, len(last.shortfalls)) == (count, count + 1, 0, 1)


async def test_they_are_taken_in_order_one_after_the_other(connected: Connected) -> None:
    server = Nodes(8)
    async with connected(server) as gateway:
        await label(gateway, ["n005", "n001", "n007", "n005"], in_flight=1)
    assert server.patched == ["n005", "n001", "n007"]
    assert server.most == 1


async def test_the_label_comes_off(connected: Connected) -> None:
    server = Nodes(3, {"n000": "enabled", "n001": "other"})
    async with connected(server) as gateway:
        result = await label(gateway, list(server.labels), None)
    assert result.before == {"n000": "enabled", "n001": "other"}
    assert result.unchanged == ("n002",)
    assert set(server.labels.values()) == {None}


async def test_a_busy_server_gets_fewer_at_a_time(connected: Connected, no_waiting: list[float]) -> None:
    server = Nodes(400)
    refused: set[str] = set()

    async def busy(name: str) -> web.StreamResponse | None:
        await asyncio.sleep(0)
        if server.running > 8 and name not in refused:
            refused.add(name)
            answer = status(429, "TooManyRequests", "slow down")
            answer.headers["Retry-After"] = "0"
            return answer
        return None

    server.before_patch = busy
    async with connected(server) as gateway:
        result = await label(gateway, list(server.labels))
    assert len(result.done) == 400
    assert 0 < len(refused) < 400
    assert server.most <= IN_FLIGHT


async def test_what_fails_does_not_stop_the_others(connected: Connected) -> None:
    server = Nodes(60)

    async def refuse(name: str) -> web.StreamResponse | None:
        if name == "n003":
            return status(404, "NotFound", "gone")
        if name == "n004":
            return status(403, "Forbidden", "a webhook says no")
        return None

    server.before_patch = refuse
    async with connected(server) as gateway:
        result = await label(gateway, list(server.labels))
    assert len(result.done) == 58
    assert result.gone == ("n003",)
    assert [(item.name, item.reason) for item in result.failed] == [("n004", "a webhook says no")]


async def test_credentials_that_end_in_the_middle_end_the_work(connected: Connected) -> None:
    server = Nodes(60)

    async def expire(_: str) -> web.StreamResponse | None:
        return status(401, "Unauthorized", "Unauthorized") if len(server.patched) > 10 else None

    server.before_patch = expire
    async with connected(server) as gateway:
        result = await label(gateway, list(server.labels), in_flight=4)
    assert len(result.done) == 10
    assert len(result.failed) == 50
    assert len(server.patched) < 20
    assert all("401" in item.reason for item in result.failed)
    assert result.failed[-1].reason.startswith("skipped")


async def test_a_stop_says_what_was_done(connected: Connected) -> None:
    server = Nodes(100)
    stop = asyncio.Event()

    async def pull(_: str) -> web.StreamResponse | None:
        if len(server.patched) >= 20:
            stop.set()
        return None

    server.before_patch = pull
    batches: list[Mapping[str, str | None]] = []
    async with connected(server) as gateway:
        result = await label(gateway, list(server.labels), in_flight=4, stop=stop, on_batch=batches.append)
    assert [name for name, value in server.labels.items() if value] == list(result.done)
    assert 20 <= len(result.done) < 30
    assert len(result.done) + len(result.cancelled) == 100


async def test_a_cancellation_leaves_nothing_untold(connected: Connected) -> None:
    server = Nodes(300)
    told: dict[str, str | None] = {}
    under_way = asyncio.Event()

    async def notice(name: str) -> web.StreamResponse | None:
        assert name in told
        if len(server.patched) > 30:
            under_way.set()
        return None

    server.before_patch = notice
    async with connected(server) as gateway:
        task = asyncio.create_task(label(gateway, list(server.labels), on_batch=told.update))
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        tried = len(server.patched)
        assert tried < 300
        await gateway.get("Node", "n000")
        assert len(server.patched) == tried
    assert {name for name, value in server.labels.items() if value} <= told.keys()


async def test_nodes_that_may_not_be_read_are_an_error(connected: Connected) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(401, "Unauthorized", "Unauthorized")

    async with connected(refuse) as gateway:
        with pytest.raises(ApiRefusal):
            await label(gateway, ["a"])


async def test_nothing_is_lost_on_a_flaky_server(tmp_path: Path) -> None:
    async with await Sandbox.start("flaky", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "k")
        async with await Gateway.connect(str(tmp_path / "k"), None) as gateway:
            names = [node.name async for part in gateway.nodes() for node in part.items]
            result = await label(gateway, names)
            labelled = [node.name async for part in gateway.nodes(f"{NODE_LABEL}=enabled") for node in part.items]
    assert sorted(labelled) == sorted(result.done) == sorted(names)
    assert not result.failed
