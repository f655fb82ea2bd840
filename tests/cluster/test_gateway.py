"""Conversion, lists, watches and dry runs, on small servers; distributions by what they leave behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import status
from wizard.cluster import ApiRefusal, WatchEvent, lists, watches
from wizard.cluster.conversion import find_distribution, list_parts, node_facts, whole_number
from wizard.errors import ClusterError
from wizard.facts.cluster import NodeFacts, Taint
from wizard.manifest.asking import check_objects


def test_importing_it_imports_no_client() -> None:
    script = (
        "import sys, wizard.cluster\n"
        "import wizard.engine.collect, wizard.engine.labels, wizard.engine.rollout, wizard.engine.pods\n"
        "sys.exit(any(name in sys.modules for name in ('kubernetes', 'aiohttp')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        " { } ",
        '{"items": []}',
        '{"kind":"List","metadata":{"continue":""},"items":[{"a":[1,{"items":[2]}]},{"b":"]}"}],"x":[1]}',
        '{\n "items" : [ {"a" : 1} ,\n {"b": "\\"," } ] , "metadata": {"resourceVersion": "5"} }',
    ],
)
def test_a_list_is_read_item_by_item(text: str) -> None:
    expected = json.loads(text)
    read: dict[str, Any] = {"items": []} if isinstance(expected.get("items"), list) else {}
    for key, value in list_parts(text):
        if key == "items" and isinstance(read.get("items"), list):
            read["items"].append(value)
        else:
            read[key] = value
    assert read == expected


def test_an_empty_list_may_be_null() -> None:
    text = '{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":null}'
    for at_once in (False, True):
        parts = list(list_parts(text, at_once=at_once))
        assert [value for key, value in parts if key == "items"] == []
        assert ("metadata", {"resourceVersion": "7"}) in parts


@pytest.mark.parametrize(("code", "known"), [(403, True), (404, True), (500, False), (503, False)])
async def test_a_cluster_is_not_taken_for_another_while_its_server_is_in_trouble(
    connected: Connected, no_waiting: list[float], code: int, known: bool
) -> None:
    async def troubled(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/kube-system"):
            return status(code, "", "etcdserver: request timed out" if code >= 500 else "no such right")
        return web.json_response({})

    async with connected(troubled) as gateway:
        if known:
            assert (await gateway.identity()).uid == ""
        else:
            with pytest.raises(ApiRefusal, match="etcdserver"):
                await gateway.identity()


async def test_an_odd_answer_is_named_with_its_request(connected: Connected) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Something", "metadata": None, "status": None, "items": None})

    async with connected(odd) as gateway:
        with pytest.raises(ClusterError, match=r"GET /api/v1/namespaces/kube-system .* metadata is missing"):
            await gateway.identity()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"items": [', '{"items": [{}', '{"items": [{}}', '{"a" 1}', '{"a": }']
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        list(list_parts(text))


def test_a_recorded_node(recordings: Path) -> None:
    body = json.loads((recordings / "51-node-with-the-resource.json").read_text())["response"]["body"]
    node = node_facts(body)
    assert node.os_image == "Red Hat Enterprise Linux CoreOS 416.94"
    assert node.allocatable == {"pods": 110, "smarter-devices/fuse": 50}
    assert (node.labelled, node.fuse_devices) == (True, 50)


def test_a_node_with_nothing_but_a_name() -> None:
    node = node_facts({"metadata": {"name": "a"}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}})
    assert node == NodeFacts("a", {}, (Taint("k", "", "NoSchedule"),), architecture="", ready=False)


@pytest.mark.parametrize(("text", "number"), [("50", 50), ("1k", 1000), ("2Ki", 2048), ("100m", 0), ("x", 0), (7, 7)])
def test_counts(text: object, number: int) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("version", "server", "groups", "node", "name"),
    [
        ("v1.31.4-eks-2d5f260", "", (), {}, "EKS"),
        ("v1.31.4", "https://x.gr7.eu-central-1.eks.amazonaws.com", (), {}, "EKS"),
        ("v1.31.4", "https://x.hcp.westeurope.azmk8s.io:443", (), {}, "AKS"),
        ("v1.31.4-gke.1183000", "", (), {}, "GKE"),
        ("v1.31.4+k3s1", "", (), {}, "k3s"),
        ("v1.31.4+rke2r1", "", (), {}, "RKE2"),
        ("v1.31.4+k0s", "", (), {}, "k0s"),
        ("v1.31.4", "", ("config.openshift.io", "route.openshift.io"), {}, "OpenShift"),
        ("v1.31.4", "", ("route.openshift.io",), {}, "MicroShift"),
        ("v1.31.4", "", (), {"os_image": "Talos (v1.9.1)"}, "Talos"),
        ("v1.31.4", "", (), {"provider_id": "kind://docker/kind/kind-control-plane"}, "kind"),
        ("v1.31.4", "", (), {"labels": {"microk8s.io/cluster": "true"}}, "MicroK8s"),
        ("v1.31.4", "", (), {"labels": {"kubernetes.azure.com/cluster": "x"}}, "AKS"),
        ("v1.31.4", "https://10.0.0.1", ("apps",), {}, "Kubernetes"),
    ],
)
def test_distributions(version: str, server: str, groups: tuple[str, ...], node: dict[str, Any], name: str) -> None:
    assert find_distribution(version, server, groups, [NodeFacts("a", node.pop("labels", {}), **node)]) == name


async def test_a_big_page_comes_in_slices(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "SLICE_SECONDS", 0.0)

    async def page(_: web.Request) -> web.StreamResponse:
        items = [{"metadata": {"name": f"n{number}"}} for number in range(20)]
        return web.json_response({"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": items})

    async with connected(page) as gateway:
        parts = [part async for part in gateway.nodes()]
    assert [len(part.items) for part in parts] == [1] * 20 + [0]
    assert parts[-1].total == 20
    assert parts[-1].version == "1"


class Watched:
    """A list that can be watched: each connection gets the next script."""

    def __init__(self, *scripts: list[Any] | web.Response) -> None:
        self.scripts = list(scripts)
        self.lists = 0
        self.versions: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            items = [{"metadata": {"name": "listed"}, "spec": {}}]
            return web.json_response({"metadata": {"resourceVersion": f"{self.lists}00"}, "items": items})
        self.versions.append(request.query["resourceVersion"])
        if not self.scripts:
            await asyncio.Event().wait()
        script = self.scripts.pop(0)
        if isinstance(script, web.Response):
            return script
        response = web.StreamResponse()
        await response.prepare(request)
        for line in script:
            if line is None:
                assert request.transport is not None
                request.transport.abort()
                break
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        return response


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}, "spec": {}}}


async def take(gateway: Any, count: int) -> list[tuple[str, tuple[str, ...]]]:
    seen: list[tuple[str, tuple[str, ...]]] = []
    watch = gateway.watch("Pod", "default", convert=lambda item: item["metadata"]["name"])
    part: WatchEvent[str]
    async with asyncio.timeout(20):
        async for part in watch:
            seen.append((part.kind, part.objects))
            if len(seen) == count:
                break
    await watch.aclose()
    return seen


async def test_a_watch_goes_on_where_it_broke_off(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    half = json.dumps(event("MODIFIED", "b", 103)).encode()
    server = Watched(
        [event("ADDED", "a", 101), event("BOOKMARK", "", 102)],
        [half[:20], half[20:] + b"\n", event("DELETED", "a", 104), None],
    )
    monkeypatch.setattr(watches, "RECONNECT_SECONDS", 0.0)
    async with connected(server) as gateway:
        seen = await take(gateway, 4)
        assert seen == [("listed", ("listed",)), ("changed", ("a",)), ("changed", ("b",)), ("deleted", ("a",))]
    assert server.versions == ["100", "102"]
    assert server.lists == 1


async def test_a_watch_that_fell_behind_lists_anew(connected: Connected) -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    server = Watched([gone], status(410, "Expired", "too old"), [event("ADDED", "a", 301)])
    async with connected(server) as gateway:
        seen = await take(gateway, 4)
    assert [kind for kind, _ in seen] == ["listed", "listed", "listed", "changed"]
    assert server.versions == ["100", "200", "300"]


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_server_too_busy_for_a_watch_is_not_asked_for_the_whole_list(
    connected: Connected, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(watches, "RECONNECT_SECONDS", 0.01)
    busy = [status(code, "TooManyRequests", "try again later") for _ in range(watches.BUSY_TRIES + 3)]
    server = Watched(*busy[:2], [event("ADDED", "a", 101)], *busy[2:], [event("ADDED", "b", 201)])
    async with connected(server) as gateway:
        assert [kind for kind, _ in await take(gateway, 4)] == ["listed", "changed", "listed", "changed"]
    assert server.versions == ["100"] * 3 + ["101"] * (watches.BUSY_TRIES + 1) + ["200"]


async def test_where_watching_is_not_allowed_it_lists(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "POLL_SECONDS", 0.01)
    server = Watched(status(403, "Forbidden", "cannot watch"))
    async with connected(server) as gateway:
        assert [kind for kind, _ in await take(gateway, 3)] == ["listed"] * 3
    assert len(server.versions) == 1


async def test_a_refused_object_says_so_and_the_others_are_checked(connected: Connected) -> None:
    async def server(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return status(404, "NotFound", "not found")
        assert dict(request.query) == {
            "fieldManager": "podman-wizard",
            "fieldValidation": "Strict",
            "dryRun": "All",
        }
        if request.path.endswith("/configmaps/x"):
            return status(403, "Forbidden", 'User "me" cannot patch resource "configmaps"')
        body = json.loads(await request.text())
        if body["kind"] == "DaemonSet":
            message = 'admission webhook "policy.example.org" denied the request: no host paths'
            return status(400, "", message)
        body["metadata"]["uid"] = "1"
        return web.json_response(body, status=201)

    objects = [
        {"kind": kind, "metadata": {"name": "x", **({"namespace": "n"} if kind != "Namespace" else {})}}
        for kind in ("Namespace", "ConfigMap", "DaemonSet")
    ]
    async with connected(server) as gateway:
        made, refused, denied = await check_objects(gateway, objects)
    assert (made.change, made.checked) == ("create", "server")
    assert (refused.change, refused.checked) == ("failed", "not checked (patch configmaps)")
    assert refused.todo == (
        "Ask a cluster admin for permission to patch configmaps in the namespace n, or export the plan for them: "
        "podman-wizard plan --to DIR."
    )
    assert (denied.change, denied.checked) == ("failed", "server")
    assert "policy.example.org" in denied.message
    assert "webhook" in denied.todo


async def test_in_the_borrowed_namespace_nothing_that_is_there_is_met(connected: Connected) -> None:
    patched: list[str] = []

    async def server(request: web.Request) -> web.StreamResponse:
        if "/namespaces/n/" in request.path:
            missing = {"name": "n", "kind": "namespaces"}
            return status(404, "NotFound", 'namespaces "n" not found', **missing)
        if request.method == "GET":
            return (
                web.json_response({"metadata": {"name": "x", "uid": "1"}})
                if request.path.endswith("/x")
                else status(404, "NotFound", "not found")
            )
        patched.append(request.path)
        body = json.loads(await request.text())
        body["metadata"]["uid"] = "1"
        answer = web.json_response(body, status=201)
        answer.headers["Warning"] = '299 - "would violate PodSecurity \\"baseline:latest\\""'
        return answer

    item: dict[str, Any] = {"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}}
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    namespace = {"kind": "Namespace", "metadata": {"name": "n", "labels": labels}}
    async with connected(server) as gateway:
        (check,) = await check_objects(gateway, [item])
        check_when_labelled = (await check_objects(gateway, [namespace, item]))[1]
    assert patched[0] == "/api/v1/namespaces/default/configmaps/x-dry-run"
    assert check.after == {**item, "apiVersion": "v1", "metadata": {**item["metadata"], "uid": "1"}}
    assert (check.change, check.checked) == ("create", "server (in default)")
    assert check.warnings == ('in default: would violate PodSecurity "baseline:latest"',)
    assert check_when_labelled.warnings == ()


async def test_rights_that_cannot_be_reviewed_are_unknown(connected: Connected) -> None:
    from wizard.cluster.permissions import review_permissions
    from wizard.facts.cluster import Right

    async def server(request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.text())["spec"]["resourceAttributes"]
        if asked["resource"] == "pods":
            return status(403, "Forbidden", "no reviews for you")
        assert asked == {"verb": "patch", "resource": "daemonsets", "group": "apps", "namespace": "n"}
        return web.json_response({"status": {"allowed": False, "reason": "because"}}, status=201)

    async with connected(server) as gateway:
        rights = await review_permissions(gateway, [Right("patch", "daemonsets", "apps", "n"), Right("list", "pods")])
    assert [(right.allowed, right.reason) for right in rights] == [(False, "because"), (None, "no reviews for you")]


async def test_deleting_what_is_gone_and_what_is_another(connected: Connected) -> None:
    async def server(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/gone"):
            return status(404, "NotFound", "not found")
        assert json.loads(await request.text())["preconditions"] == {"uid": "1"}
        return status(409, "Conflict", "the UID in the precondition (1) does not match")

    async with connected(server) as gateway:
        assert not await gateway.delete("ConfigMap", "gone", "n")
        with pytest.raises(ApiRefusal, match="precondition"):
            await gateway.delete("ConfigMap", "x", "n", uid="1")


async def test_its_repr_tells_nothing(connected: Connected) -> None:
    async def server(_: web.Request) -> web.StreamResponse:
        return status(404)

    async with connected(server) as gateway:
        assert "secret-token" not in repr(gateway)
        assert "secret-token" not in repr(gateway._transport.access)
