from __future__ import annotations

import copy
import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from wizard.choices.answers import ManifestChoice
from wizard.facts.differences import FieldOwner, against_cluster, owners, to_yaml, unified
from wizard.facts.live import Live
from wizard.manifest import Basis, guide_objects, render
from wizard.manifest.guide import against_guide
from wizard.manifest.ownership import foreign_fields

CONTAINER = 'k:{"name":"smarter-device-manager"}'


def daemon_set(*entries: dict[str, Any]) -> dict[str, Any]:
    found = guide_objects()[3]
    found["metadata"]["managedFields"] = list(entries)
    return found


def entry(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "time": "2026-11-23T17:31:10Z", "fieldsV1": fields, **more}


def image_of(manager: str) -> dict[str, Any]:
    container: dict[str, Any] = {CONTAINER: {".": {}, "f:name": {}, "f:image": {}}}
    return entry(manager, {"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}})


def test_owners_are_read_from_managed_fields_as_conflicts_write_them() -> None:
    status = entry("kube-controller-manager", {"f:status": {"f:numberReady": {}}}, subresource="status")
    found = owners(daemon_set(image_of("argocd"), status))
    assert [(owner.path, owner.manager, owner.operation) for owner in found] == [
        ('.spec.template.spec.containers[name="smarter-device-manager"].image', "argocd", "Apply"),
        ('.spec.template.spec.containers[name="smarter-device-manager"].name', "argocd", "Apply"),
    ]
    assert found[0].time == "2026-11-23T17:31:10Z"


def contested(live: dict[str, Any], wanted: dict[str, Any]) -> tuple[FieldOwner, ...]:
    return foreign_fields(Live.of(live), wanted)


def test_only_fields_of_others_that_would_change_are_contested() -> None:
    live = daemon_set(image_of("argocd"))
    wanted = copy.deepcopy(live)
    assert contested(live, wanted) == ()
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "new:1"
    assert [owner.path.rpartition(".")[2] for owner in contested(live, wanted)] == ["image"]
    assert contested(daemon_set(image_of("podman-wizard")), wanted) == ()
    taken_over = entry("kubectl-client-side-apply", image_of("x")["fieldsV1"], operation="Update")
    assert contested(daemon_set(taken_over), wanted) == ()
    del wanted["spec"]["template"]["spec"]["containers"][0]["image"]
    assert contested(live, wanted) == ()


def test_keys_with_dots_and_slashes_are_contested_too() -> None:
    live = guide_objects()[0]
    live["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"
    live["metadata"]["managedFields"] = [
        entry("platform", {"f:metadata": {"f:labels": {"f:pod-security.kubernetes.io/enforce": {}}}})
    ]
    wanted = render(Basis(), ManifestChoice(set={"pod-security": True})).objects[0]
    assert [owner.manager for owner in contested(live, wanted)] == ["platform"]


def test_the_guide_does_not_differ_from_itself() -> None:
    assert against_guide(guide_objects()) == ""


def test_each_departure_is_a_line_in_the_diff_against_the_guide() -> None:
    text = against_guide(render(Basis(), ManifestChoice()).objects)
    changed = [line for line in text.splitlines() if line[0] in "+-" and not line.startswith(("+++", "---"))]
    assert "+        kubernetes.io/os: linux" in changed
    assert '-        node.kubernetes.io/bootstrap-checkpoint: "true"' in changed
    assert sum("memory" in line for line in changed) == 4
    assert len(changed) == 9


def test_what_only_the_server_writes_is_no_difference() -> None:
    live = daemon_set(image_of("argocd"))
    live["metadata"] |= {"uid": "1", "resourceVersion": "5", "generation": 1}
    live["status"] = {"numberReady": 1}
    result = copy.deepcopy(live)
    result["metadata"] |= {"resourceVersion": "6", "generation": 2, "managedFields": []}
    result["status"] = {}
    assert against_cluster([live], [result]) == ""
    result["spec"]["template"]["spec"]["hostNetwork"] = False
    assert "+      hostNetwork: false" in against_cluster([live], [result]).splitlines()


def test_the_order_of_keys_is_no_difference_against_the_cluster() -> None:
    live = guide_objects()[3]
    turned = json.loads(json.dumps(live, sort_keys=True))
    assert against_cluster([live], [turned]) == ""


def test_an_object_that_is_new_is_shown_whole() -> None:
    text = unified([], guide_objects()[:1])
    assert text.startswith("--- before/Namespace/smarter-device-manager\n+++ after/Namespace/smarter-device-manager\n")
    assert "+  name: smarter-device-manager" in text


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
lines = st.lists(texts, max_size=4).map("\n".join)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | lines
    | st.sampled_from(["yes", "0x1", "1e3", "null", "~", "1_0", "=", "a\n\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(texts, values, min_size=1, max_size=3), min_size=1, max_size=3))
def test_yaml_is_read_back_as_it_was_written(objects: list[dict[str, Any]]) -> None:
    assert list(yaml.safe_load_all(to_yaml(objects))) == objects
