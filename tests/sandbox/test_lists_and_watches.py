from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.api import CONFIG_MAP, MERGE, NAMESPACE, Api, guide, running


async def pages(api: Api, limit: int, start: str = "") -> list[Any]:
    found, token = [], start
    while True:
        page = await api.get(f"/api/v1/nodes?limit={limit}" + (f"&continue={token}" if token else ""))
        found.append(page)
        token = page["metadata"].get("continue", "")
        if not token:
            return found


async def test_pages_together_are_the_list() -> None:
    async with running("mixed") as api:
        whole = await api.get("/api/v1/nodes")
        found = await pages(api, 5)
        assert [len(page["items"]) for page in found] == [5, 5, 2]
        assert [page["metadata"].get("remainingItemCount") for page in found] == [7, 2, None]
        assert [one for page in found for one in page["items"]] == whole["items"]
        assert "kind" not in whole["items"][0]


async def test_pages_show_the_list_as_it_was_at_the_first_one() -> None:
    async with running("mixed") as api:
        first = await api.get("/api/v1/nodes?limit=11")
        last = (await api.node_names())[-1]
        await api.label(last)
        assert (await api.ask("DELETE", "/api/v1/nodes/akswin000001")).status == 200
        (rest,) = await pages(api, 11, first["metadata"]["continue"])
        assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        assert [one["metadata"]["name"] for one in rest["items"]] == [last]
        assert "smarter-device-manager" not in rest["items"][0]["metadata"]["labels"]


async def test_a_forgotten_list_is_refused_with_a_token_that_goes_on() -> None:
    async with running("mixed") as api:
        first = await api.get("/api/v1/nodes?limit=10")
        api.sandbox.compact()
        reply = await api.ask("GET", f"/api/v1/nodes?limit=10&continue={first['metadata']['continue']}")
        assert (reply.status, reply.body["reason"]) == (410, "Expired")
        assert reply.message.startswith("The provided continue parameter is too old")
        (rest,) = await pages(api, 10, reply.body["metadata"]["continue"])
        assert len(rest["items"]) == 2


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ("pool=workspaces", 2),
        ("pool", 2),
        ("!pool", 10),
        ("pool!=workspaces", 10),
        ("kubernetes.io/os in (windows),!pool", 1),
        ("kubernetes.io/os notin (linux,plan9)", 1),
        ("kubernetes.io/arch=arm64", 1),
        ("", 12),
    ],
)
async def test_label_selectors(selector: str, count: int) -> None:
    async with running("mixed") as api:
        found = await api.get(f"/api/v1/nodes?labelSelector={quote(selector)}")
        assert len(found["items"]) == count


async def test_field_selectors() -> None:
    async with running("mixed") as api:
        one = await api.get("/api/v1/nodes?fieldSelector=metadata.name%3Dtalos-a7k-m2p")
        assert [node["metadata"]["name"] for node in one["items"]] == ["talos-a7k-m2p"]
        others = await api.get("/api/v1/nodes?fieldSelector=metadata.name!%3Dtalos-a7k-m2p,spec.unschedulable%3Dfalse")
        assert len(others["items"]) == 11
        reply = await api.ask("GET", "/api/v1/nodes?fieldSelector=spec.podCIDR%3Dx")
        assert (reply.status, reply.message) == (400, "field label not supported: spec.podCIDR")


async def test_a_watch_tells_what_happened_since_a_version() -> None:
    async with running("mixed") as api:
        since = (await api.get("/api/v1/nodes?limit=1"))["metadata"]["resourceVersion"]
        await api.label("talos-a7k-m2p")
        async with api.watch(f"/api/v1/nodes?watch=true&resourceVersion={since}") as events:
            assert (await anext(events))["object"]["metadata"]["labels"]["smarter-device-manager"] == "enabled"
            await api.ask("DELETE", "/api/v1/nodes/talos-a7k-m2p")
            gone = await anext(events)
            assert (gone["type"], gone["object"]["metadata"]["name"]) == ("DELETED", "talos-a7k-m2p")


async def test_a_watch_without_a_version_begins_with_what_there_is() -> None:
    async with running("mixed") as api, api.watch("/api/v1/nodes?watch=true") as events:
        types = [(await anext(events))["type"] for _ in range(12)]
        assert types == ["ADDED"] * 12


async def test_what_no_longer_fits_the_selector_is_deleted_to_the_watcher() -> None:
    selector = "labelSelector=smarter-device-manager%3Denabled"
    async with running("mixed") as api, api.watch(f"/api/v1/nodes?watch=true&{selector}") as events:
        await api.label("talos-a7k-m2p")
        assert (await anext(events))["type"] == "ADDED"
        await api.label("talos-a7k-m2p", value=None)
        assert (await anext(events))["type"] == "DELETED"


async def test_a_watch_from_a_forgotten_version_is_an_error_410() -> None:
    async with running("mixed") as api:
        await api.label("talos-a7k-m2p")
        api.sandbox.compact()
        async with api.watch("/api/v1/nodes?watch=true&resourceVersion=1") as events:
            event = await anext(events)
            assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
            with pytest.raises(StopAsyncIteration):
                await anext(events)


async def test_a_watch_ends_at_its_time() -> None:
    path = "/api/v1/nodes?watch=true&timeoutSeconds=1"
    async with running() as api, asyncio.timeout(5), api.watch(path) as events:
        assert [event async for event in events] == []


async def test_initial_events_end_with_a_bookmark() -> None:
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    async with running("mixed") as api, api.watch(f"/api/v1/nodes?{query}") as events:
        for _ in range(12):
            assert (await anext(events))["type"] == "ADDED"
        bookmark = await anext(events)
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_stopping_ends_the_watches() -> None:
    async with running() as api, asyncio.timeout(5), api.watch("/api/v1/nodes?watch=true") as events:
        await api.sandbox.stop()
        assert [event async for event in events] == []


async def test_namespaces_keep_lists_apart() -> None:
    async with running() as api:
        await api.apply(NAMESPACE, guide()[NAMESPACE])
        await api.apply(CONFIG_MAP, guide()[CONFIG_MAP])
        ours = "configmaps?fieldSelector=metadata.name%3Dsmarter-device-manager"
        assert len((await api.get(f"/api/v1/{ours}"))["items"]) == 1
        assert (await api.get(f"/api/v1/namespaces/default/{ours}"))["items"] == []
        deleted = await api.ask("DELETE", f"{NAMESPACE}/configmaps", json.dumps({}))
        assert deleted.status == 200
        assert (await api.get(f"/api/v1/{ours}"))["items"] == []
        assert (await api.get(f"{NAMESPACE}/configmaps"))["items"] == []


async def test_a_list_of_metadata_holds_no_secret() -> None:
    async with running() as api:
        secret = {
            "kind": "Secret",
            "apiVersion": "v1",
            "metadata": {"name": "s"},
            "stringData": {"password": "hunter2"},
        }
        assert (await api.ask("POST", "/api/v1/namespaces/default/secrets", json.dumps(secret))).status == 201
        path = "/api/v1/namespaces/default/secrets"
        whole = await api.get(path)
        assert whole["items"][0]["data"] == {"password": "aHVudGVyMg=="}
        accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
        async with api.session.get(path, headers={**api._headers, **accept}) as response:
            listed = await response.json()
        assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
        (item,) = listed["items"]
        assert item == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
        assert item["metadata"]["name"] == "s"


METADATA_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


async def test_a_patch_may_answer_with_metadata_alone() -> None:
    async with running("mixed") as api:
        name = (await api.get("/api/v1/nodes"))["items"][0]["metadata"]["name"]
        patch = json.dumps({"metadata": {"labels": {"a": "b"}}})
        merge = {"Content_Type": MERGE, "Accept": f"{METADATA_OBJECT},application/json"}
        given = await api.ask("PATCH", f"/api/v1/nodes/{name}", patch, **merge)
        assert given.status == 200
        body = given.body
        assert (body["kind"], body["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
        assert body.keys() == {"kind", "apiVersion", "metadata"}
        assert body["metadata"]["labels"]["a"] == "b"
        assert (await api.get(f"/api/v1/nodes/{name}"))["metadata"] == body["metadata"]


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("/api/v1/nodes", "PartialObjectMetadata", "the requested object is a list (*core.NodeList)"),
        ("/api/v1/namespaces/default", "PartialObjectMetadataList", "is not a list (*core.Namespace)"),
    ],
)
async def test_a_list_is_not_an_object(path: str, asked: str, message: str) -> None:
    async with running() as api:
        accept = f"application/json;as={asked};g=meta.k8s.io;v=v1"
        refused = await api.ask("GET", path, Accept=accept)
        assert (refused.status, refused.body["reason"]) == (406, "NotAcceptable")
        assert message in refused.body["message"]
