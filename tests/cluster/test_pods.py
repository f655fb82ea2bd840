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
from wizard.engine.pods import RUN_ANNOTATION, run_pod


def event(uid: str, message: str, reason: str = "") -> dict[str, Any]:
    told = {"reason": reason} if reason else {}
    about = {"kind": "Pod", "name": "p", "uid": uid}
    return {"metadata": {"name": "e"}, "message": message, "lastTimestamp": "2026", "involvedObject": about, **told}


def node_status(ready: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."}
    return {"metadata": {"name": "n", "uid": "n"}, "status": {"conditions": [condition]}}


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
        self.events_answer: web.Response | None = None
        self.node: dict[str, Any] | None = node_status("True")
        self.node_answer: web.Response | None = None
        self.events = [event("u", "Back-off pulling image"), event("u", "Back-off pulling image")]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/log"):
            return self.log or web.Response(text="one\n\x1b[2Jtwo\n")
        if request.path.endswith("/events") and self.events_answer is not None:
            return self.events_answer
        if request.path.endswith("/events"):
            wanted = dict(one.split("=") for one in request.query["fieldSelector"].split(","))
            uid = wanted.get("involvedObject.uid")
            found = [one for one in self.events if uid in (None, one["involvedObject"]["uid"])]
            return web.json_response({"metadata": {}, "items": found})
        if "/nodes/" in request.path:
            if self.node_answer is not None:
                return self.node_answer
            return web.json_response(self.node) if self.node else status(404, "NotFound", "not found")
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


NO_IMAGE = {"reason": "ErrImagePull", "message": "quay.io/no/such:1: not found"}
BACK_OFF = {"reason": "ImagePullBackOff", "message": "no such image"}


@pytest.mark.parametrize("waiting", [NO_IMAGE, BACK_OFF])
async def test_one_whose_image_cannot_be_pulled_is_not_waited_for(
    connected: Connected, waiting: dict[str, str]
) -> None:
    server = PodServer({"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]})
    async with connected(server) as gateway:
        async with asyncio.timeout(10):
            result = await run_pod(gateway, POD, timeout=600)
    assert (result.phase, result.reason, result.message) == ("Pending", waiting["reason"], waiting["message"])
    assert not result.ended
    assert server.deleted == ["u"]


async def test_a_pull_that_can_still_succeed_is_waited_for(connected: Connected) -> None:
    hiccup = {"reason": "ErrImagePull", "message": "429 Too Many Requests"}
    server = PodServer({"phase": "Pending", "containerStatuses": [{"state": {"waiting": hiccup}}]}, DONE)
    async with connected(server) as gateway:
        assert (await run_pod(gateway, POD, timeout=20)).phase == "Succeeded"


async def test_events_of_an_earlier_pod_of_that_name_do_not_count(connected: Connected) -> None:
    server = PodServer(DONE)
    server.events = [event("earlier", "no healthy devices present"), event("u", "cannot mount", "FailedMount")]
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=20)
    assert result.events == ("FailedMount: cannot mount",)


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.engine.pods.NODE_INTERVAL", 0.01)
    monkeypatch.setattr("wizard.engine.pods.SILENT_SECONDS", 0.02)


ACCEPTED = {"phase": "Pending", "startTime": "2026-11-26T00:00:00Z"}


@pytest.mark.usefixtures("quick_looks")
@pytest.mark.parametrize(
    ("node", "seen", "reason", "words"),
    [
        (node_status("Unknown"), {"phase": "Running"}, "NodeNotReady", "n: Kubelet stopped posting node status."),
        (None, {"phase": "Running"}, "NodeGone", "n does not exist any more"),
        (node_status("True"), {"phase": "Pending"}, "KubeletSilent", "kubelet of n did not accept"),
        (node_status("True"), ACCEPTED, "FailedCreatePodSandBox", "does not support user namespaces"),
    ],
)
async def test_one_that_cannot_go_on_is_not_waited_for(
    connected: Connected, node: dict[str, Any] | None, seen: dict[str, Any], reason: str, words: str
) -> None:
    server = PodServer(seen)
    server.node = node
    server.events = [event("u", "runtime does not support user namespaces", "FailedCreatePodSandBox")]
    async with connected(server) as gateway:
        async with asyncio.timeout(10):
            result = await run_pod(gateway, POD, timeout=600)
    assert result.reason == reason
    assert words in result.message
    assert server.deleted == ["u"]


@pytest.mark.usefixtures("quick_looks")
async def test_without_permission_to_read_the_node_the_pod_decides(connected: Connected) -> None:
    server = PodServer({"phase": "Running", "startTime": "2026"})
    server.node_answer = status(403, "Forbidden", "cannot get resource nodes")
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=0.5)
    assert (result.phase, result.reason) == ("Running", "")


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


async def test_events_that_cannot_be_read_are_named_and_do_not_hide_the_end(connected: Connected) -> None:
    server = PodServer(DONE)
    server.events_answer = status(403, "Forbidden", "events is forbidden")
    async with connected(server) as gateway:
        result = await run_pod(gateway, POD, timeout=20)
    assert (result.phase, result.events, result.unread) == ("Succeeded", (), "events is forbidden")


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
