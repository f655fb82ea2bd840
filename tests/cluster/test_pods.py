"""One pod run to its end, and removed whatever happens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import status
from wizard.cluster import ApiRefusal
from wizard.pods import RUN_ANNOTATION, run_pod


class PodServer:
    """A server with one pod whose status the test decides; a watch tells each status in turn."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.statuses = list(statuses)
        self.pod: dict[str, Any] | None = None
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.lose_first_answer = False
        self.watching = asyncio.Event()
        self.log: web.Response | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/log"):
            return self.log or web.Response(text="one\n\x1b[2Jtwo\n")
        if request.path.endswith("/events"):
            event = {"metadata": {"name": "e"}, "message": "Back-off pulling image", "lastTimestamp": "2026"}
            return web.json_response({"metadata": {}, "items": [event, event]})
        if request.method == "POST":
            body = json.loads(await request.text())
            self.created.append(body["metadata"]["name"])
            if self.pod is not None:
                return status(409, "AlreadyExists", "pods already exists")
            self.pod = {**body, "status": {"phase": "Pending"}}
            self.pod["metadata"]["uid"] = "u"
            if self.lose_first_answer:
                assert request.transport is not None
                request.transport.abort()
            return web.json_response(self.pod, status=201)
        if request.method == "DELETE":
            self.deleted.append(json.loads(await request.text())["preconditions"]["uid"])
            self.pod = None
            return web.json_response({})
        if "watch" in request.query:
            return await self._watch(request)
        if request.path.endswith("/pods"):
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [self.pod] if self.pod else []})
        return web.json_response(self.pod) if self.pod else status(404, "NotFound", "not found")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        assert self.pod is not None
        while self.statuses:
            self.pod = {**self.pod, "status": self.statuses.pop(0)}
            await response.write(json.dumps({"type": "MODIFIED", "object": self.pod}).encode() + b"\n")
        self.watching.set()
        await asyncio.Event().wait()
        return response


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "probe-", "namespace": "default"},
    "spec": {"activeDeadlineSeconds": 60, "nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
}
DONE = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]}


async def test_its_log_and_its_end(connected: Connected) -> None:
    server = PodServer({"phase": "Running"}, DONE)
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=20)
    assert (result.phase, result.reason, result.exit_code, result.node) == ("Succeeded", "Completed", 0, "n")
    assert result.ended
    assert result.log == "one\n\\x1b[2Jtwo\n"
    assert result.events == ("Back-off pulling image",)
    assert server.deleted == ["u"]
    assert server.created[0].startswith("probe-")
    assert "name" not in POD["metadata"]


async def test_one_that_cannot_start(connected: Connected) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    server = PodServer({"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]})
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=0.5)
    assert (result.phase, result.reason, result.message) == ("Pending", "ImagePullBackOff", "no such image")
    assert not result.ended
    assert server.deleted == ["u"]


async def test_one_that_finds_no_place(connected: Connected) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    server = PodServer({"phase": "Pending", "conditions": [condition]})
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=0.5)
    assert (result.reason, result.message) == ("Unschedulable", "0/3 nodes")


async def test_a_log_that_cannot_be_read_does_not_hide_the_end(connected: Connected) -> None:
    server = PodServer(DONE)
    server.log = status(403, "Forbidden", "cannot get pods/log")
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=20)
    assert result.phase == "Succeeded"
    assert "cannot get pods/log" in result.message


async def test_a_cancelled_run_removes_it(connected: Connected) -> None:
    server = PodServer({"phase": "Running"})
    async with connected(server) as gateway:
        task = asyncio.create_task(run_pod(gateway, POD, timeout=60))
        await server.watching.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert server.deleted == ["u"]


async def test_a_lost_answer_makes_no_second_pod(connected: Connected, no_waiting: list[float]) -> None:
    server = PodServer(DONE)
    server.lose_first_answer = True
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=20)
    assert result.phase == "Succeeded"
    assert len(set(server.created)) == 1
    assert server.deleted == ["u"]


async def test_a_pod_of_someone_else_is_left_alone(connected: Connected) -> None:
    server = PodServer(DONE)
    server.pod = {"metadata": {"name": "taken", "uid": "x", "annotations": {RUN_ANNOTATION: "other"}}, "spec": {}}
    pod = {**POD, "metadata": {"name": "taken", "namespace": "default"}}
    async with connected(server) as gateway:
        with pytest.raises(ApiRefusal, match="already exists"):
            await run_pod(gateway, pod, timeout=20)
    assert server.deleted == []
