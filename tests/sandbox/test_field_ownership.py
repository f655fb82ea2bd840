from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.sandbox.api import CONFIG_MAP, DAEMON_SET, MERGE, NAMESPACE, Api, guide, running
from wizard.facts.field_sets import difference, intersection, overlap, paths, union


@pytest.fixture
async def api() -> Any:
    async with running() as api:
        await api.apply(NAMESPACE, guide()[NAMESPACE])
        yield api


def data(**entries: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "smarter-device-manager"}, "data": entries}


def daemon_set(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(guide()[DAEMON_SET])
    body["spec"]["template"]["spec"]["containers"][0].update(changes)
    return body


async def test_applying_twice_changes_nothing(api: Api) -> None:
    first = await api.apply(DAEMON_SET, guide()[DAEMON_SET])
    await api.until(DAEMON_SET, lambda found: "observedGeneration" in found["status"])
    live = await api.get(DAEMON_SET)
    second = await api.apply(DAEMON_SET, guide()[DAEMON_SET])
    assert (first.status, second.status) == (201, 200)
    assert second.body == live
    assert second.body["metadata"]["generation"] == 1


async def test_a_field_that_is_no_longer_applied_goes(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1", b="2"))
    reply = await api.apply(CONFIG_MAP, data(a="1"))
    assert reply.body["data"] == {"a": "1"}
    assert reply.managers == {"podman-wizard": {"f:data": {"f:a": {}}}}


async def test_a_field_that_another_manager_owns_too_stays(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1", b="2"))
    await api.apply(CONFIG_MAP, data(b="2"), "argocd")
    reply = await api.apply(CONFIG_MAP, data(a="1"))
    assert reply.body["data"] == {"a": "1", "b": "2"}
    assert reply.managers["argocd"] == {"f:data": {"f:b": {}}}


async def test_equal_values_are_shared_and_other_values_conflict(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1", b="2"))
    assert (await api.apply(CONFIG_MAP, data(a="1"), "argocd")).status == 200
    reply = await api.apply(CONFIG_MAP, data(a="3", b="4"), "argocd")
    assert reply.status == 409
    assert reply.message == ('Apply failed with 2 conflicts: conflicts with "podman-wizard":\n- .data.a\n- .data.b')
    assert [cause["field"] for cause in reply.body["details"]["causes"]] == [".data.a", ".data.b"]


async def test_force_takes_the_field_and_leaves_the_rest(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1", b="2"))
    reply = await api.apply(CONFIG_MAP, data(a="3"), "argocd", "&force=true")
    assert reply.body["data"] == {"a": "3", "b": "2"}
    assert reply.managers == {"podman-wizard": {"f:data": {"f:b": {}}}, "argocd": {"f:data": {"f:a": {}}}}


async def test_an_update_takes_what_it_changes_and_is_named_in_the_conflict(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1"))
    reply = await api.patch(f"{CONFIG_MAP}?fieldManager=kubectl-edit", {"data": {"a": "2"}})
    assert reply.managers == {"kubectl-edit": {"f:data": {"f:a": {}}}}
    conflict = await api.apply(CONFIG_MAP, data(a="1"))
    assert conflict.message == 'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a'


async def test_a_deleted_field_is_nobodys(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1", b="2"))
    reply = await api.patch(CONFIG_MAP, {"data": {"a": None}})
    assert reply.managers == {"podman-wizard": {"f:data": {"f:b": {}}}}


async def test_items_of_a_list_are_owned_by_their_keys(api: Api) -> None:
    await api.apply(DAEMON_SET, guide()[DAEMON_SET])
    sidecar: dict[str, Any] = copy.deepcopy(guide()[DAEMON_SET])
    sidecar["metadata"].pop("labels")
    sidecar["spec"] = {"template": {"spec": {"containers": [{"name": "sidecar", "image": "example.org/sidecar:1"}]}}}
    reply = await api.apply(DAEMON_SET, sidecar, "mesh")
    assert [one["name"] for one in reply.body["spec"]["template"]["spec"]["containers"]] == [
        "smarter-device-manager",
        "sidecar",
    ]
    # the first manager applies again without speaking of the sidecar, which stays; the second one takes it back
    again = await api.apply(DAEMON_SET, guide()[DAEMON_SET])
    assert len(again.body["spec"]["template"]["spec"]["containers"]) == 2
    sidecar["spec"] = {"template": {"metadata": {"annotations": {"mesh": "off"}}}}
    without = await api.apply(DAEMON_SET, sidecar, "mesh")
    assert [one["name"] for one in without.body["spec"]["template"]["spec"]["containers"]] == ["smarter-device-manager"]


async def test_a_list_that_is_owned_whole_is_replaced_whole(api: Api) -> None:
    first = daemon_set()
    first["spec"]["template"]["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    await api.apply(DAEMON_SET, first)
    second: dict[str, Any] = {**first, "metadata": {"name": "smarter-device-manager"}}
    second["spec"] = {"template": {"spec": {"tolerations": [{"key": "b", "operator": "Exists"}]}}}
    refused = await api.apply(DAEMON_SET, second, "other")
    assert refused.body["details"]["causes"][0]["field"] == ".spec.template.spec.tolerations"
    taken = await api.apply(DAEMON_SET, second, "other", "&force=true")
    assert taken.body["spec"]["template"]["spec"]["tolerations"] == [{"key": "b", "operator": "Exists"}]


async def test_quantities_are_kept_in_one_form_and_compared_as_they_are_written(api: Api) -> None:
    written, stored = {"cpu": "0.1", "memory": "1024Mi"}, {"cpu": "100m", "memory": "1Gi"}
    await api.apply(DAEMON_SET, daemon_set(resources={"limits": written}))
    live = await api.get(DAEMON_SET)
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == stored
    again = await api.apply(DAEMON_SET, daemon_set(resources={"limits": written}))
    assert again.body["metadata"]["generation"] == live["metadata"]["generation"]
    refused = await api.apply(DAEMON_SET, daemon_set(resources={"limits": written}), "other")
    limits = '.spec.template.spec.containers[name="smarter-device-manager"].resources.limits'
    assert [one["field"] for one in refused.body["details"]["causes"]] == [f"{limits}.cpu", f"{limits}.memory"]
    assert (await api.apply(DAEMON_SET, daemon_set(resources={"limits": stored}), "other")).status == 200


async def test_a_dry_run_shows_and_changes_nothing(api: Api) -> None:
    await api.apply(CONFIG_MAP, data(a="1"))
    before = await api.get(CONFIG_MAP)
    reply = await api.apply(CONFIG_MAP, data(a="2"), options="&dryRun=All")
    assert reply.body["data"] == {"a": "2"}
    label = {"metadata": {"labels": {"x": "y"}}}
    assert (await api.patch(f"{CONFIG_MAP}?dryRun=All", label)).body["metadata"]["labels"] == {"x": "y"}
    assert (await api.ask("DELETE", f"{CONFIG_MAP}?dryRun=All")).status == 200
    created = await api.ask("POST", f"{NAMESPACE}/configmaps?dryRun=All", {"metadata": {"name": "new"}})
    assert created.status == 201
    assert await api.get(CONFIG_MAP) == before
    assert (await api.ask("GET", f"{NAMESPACE}/configmaps/new")).status == 404


async def test_several_misfits_are_all_told(api: Api) -> None:
    body = daemon_set(imagePullPolciy="Always", image=7)
    reply = await api.apply(DAEMON_SET, body)
    container = '.spec.template.spec.containers[name="smarter-device-manager"]'
    assert reply.status == 500
    assert reply.message.split(": ", 1)[1].splitlines() == [
        "errors:",
        f"  {container}.image: expected string, got &value.valueUnstructured{{Value:7}}",
        f"  {container}.imagePullPolciy: field not declared in schema",
    ]


async def test_unknown_fields_of_other_writes_warn_or_are_refused(api: Api) -> None:
    body = {**data(a="1"), "dta": {}}
    warned = await api.ask("POST", f"{NAMESPACE}/configmaps", body)
    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "unknown field \\"dta\\""')
    strict = await api.ask("POST", f"{NAMESPACE}/configmaps?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.message.endswith('strict decoding error: unknown field "dta"')
    assert (
        await api.ask("PATCH", f"{CONFIG_MAP}?fieldValidation=Strict", {"dta": 1}, Content_Type=MERGE)
    ).status == 422


def test_sets_of_fields() -> None:
    one: dict[str, Any] = {"f:a": {".": {}, "f:b": {}}, "f:c": {}}
    other: dict[str, Any] = {"f:a": {"f:b": {}, "f:d": {}}}
    assert union(one, other) == {"f:a": {".": {}, "f:b": {}, "f:d": {}}, "f:c": {}}
    assert intersection(one, other) == {"f:a": {"f:b": {}}}
    assert difference(one, other) == {"f:a": {}, "f:c": {}}
    assert overlap(one, other)
    assert not overlap({"f:a": {"f:x": {}}}, other)
    assert list(paths({"f:l": {'k:{"name":"x"}': {".": {}, "f:image": {}}}})) == ['.l[name="x"]', '.l[name="x"].image']
