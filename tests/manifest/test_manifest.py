from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts_for_tests import (
    CONTROL_PLANE,
    RHCOS,
    UBUNTU_24,
    WINDOWS,
    cluster,
    clusters,
    judged,
    live_quota,
    namespace,
    node,
    nodes,
)
from wizard import quantities
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice
from wizard.errors import UsageError
from wizard.facts.cluster import DRY_RUN, ClusterFacts, KubernetesObject, Taint, Unread
from wizard.manifest import ADJUSTMENT_IDS, ADJUSTMENTS, Basis, Rendering, Switch, guide_objects, render
from wizard.manifest.adjustments import Adjustment

GPU = Taint("nvidia.com/gpu", "present", "NoSchedule")
GUIDE = Path(__file__).parents[1] / "data" / "guide" / "smarter-device-manager.yaml"


def rendered(facts: ClusterFacts | None, choice: ManifestChoice | None = None, **which: object) -> Rendering:
    manifest = choice or ManifestChoice()
    if facts is None:
        return render(Basis(), manifest)
    return judged(facts, Answers(manifest=manifest, nodes=NodesChoice(**which))).rendering  # type: ignore[arg-type]


def switch(rendering: Rendering, name: str) -> Switch:
    return next(item for item in rendering.switches if item.id == name)


def on(rendering: Rendering) -> set[str]:
    return {item.id for item in rendering.switches if item.on}


def pods_allowed(rendering: Rendering) -> int | None:
    """The quota, which is written as the server stores it: 1000 is ``1k``."""
    return quantities.whole(rendering.objects[1]["spec"]["hard"]["pods"])


def test_the_asset_is_the_guides_manifest_object_for_object() -> None:
    assert list(guide_objects()) == list(yaml.safe_load_all(GUIDE.read_text()))
    assert [item["kind"] for item in guide_objects()] == ["Namespace", "ResourceQuota", "ConfigMap", "DaemonSet"]


@given(clusters())
def test_the_guides_preset_is_the_guide_on_every_cluster(facts: ClusterFacts) -> None:
    assert rendered(facts, ManifestChoice(preset="guide")).objects == guide_objects()


@given(clusters(), st.sets(st.sampled_from(ADJUSTMENT_IDS)))
def test_the_yaml_says_what_the_objects_say(facts: ClusterFacts, wanted: set[str]) -> None:
    rendering = rendered(facts, ManifestChoice(set=dict.fromkeys(wanted, True)))
    assert list(yaml.safe_load_all(rendering.yaml())) == list(rendering.objects)


def test_the_yaml_reads_like_the_guide() -> None:
    text = rendered(None, ManifestChoice(preset="guide")).yaml()
    assert "  conf.yaml: |+\n    - devicematch: ^fuse$\n" in text
    assert 'node.kubernetes.io/bootstrap-checkpoint: "true"' in text
    assert text.count("\n---\n") == 3 and "..." not in text and "'" not in text


EVERYWHERE = {"image", "memory", "linux-only", "drop-checkpoint-annotation", "restart-on-change"}
"""What every cluster needs. The hash of the configuration is new: pods read it only when they start."""


def test_without_a_cluster_only_what_every_cluster_needs_is_on() -> None:
    assert on(rendered(None)) == EVERYWHERE


def test_a_small_plain_cluster_needs_no_more_than_that() -> None:
    assert on(rendered(cluster(*nodes(12)))) == EVERYWHERE


def value_for(adjustment: Adjustment) -> str | int | bool:
    if adjustment.id == "restart-on-change":
        return "- devicematch: ^fuse$\n"  # the configuration as the other adjustments leave it
    examples: dict[str, str | int | bool] = {
        "image": "localhost:5000/a/sdm@sha256:" + "0" * 64,
        "quantity": "64Mi",
        "count": 77,
        "taints": "dedicated=coder:NoSchedule,gpu:NoExecute",
        "name": "spc_t",
    }
    return examples.get(adjustment.value_kind, True)


@pytest.mark.parametrize("adjustment", ADJUSTMENTS, ids=lambda adjustment: adjustment.id)
def test_each_adjustment_changes_something_once_and_never_its_input(adjustment: Adjustment) -> None:
    before = guide_objects()
    kept = copy.deepcopy(before)
    once = adjustment.change(before, value_for(adjustment))
    assert before == kept
    assert once != before
    assert adjustment.change(once, value_for(adjustment)) == once


def test_any_two_adjustments_may_change_places() -> None:
    for first, second in itertools.combinations(ADJUSTMENTS, 2):
        one, two = value_for(first), value_for(second)
        there = second.change(first.change(guide_objects(), one), two)
        back = first.change(second.change(guide_objects(), two), one)
        assert there == back, (first.id, second.id)


@given(clusters(largest=300))
@settings(max_examples=50)
def test_the_recommended_quota_never_stops_a_chosen_node(facts: ClusterFacts) -> None:
    judgement = judged(facts)
    allowed = pods_allowed(judgement.rendering)
    assert allowed is not None
    assert allowed >= max(50, len(judgement.chosen))


def test_the_quota_grows_with_room_and_says_by_how_much() -> None:
    quota = switch(rendered(cluster(*nodes(57))), "pod-quota")
    assert (quota.on, quota.value, quota.why) == (True, 70, "50 -> 70 for 57 nodes")


def test_the_quota_counts_nodes_labelled_before_and_with_no_selector_all() -> None:
    facts = cluster(*nodes(30, "old", labelled=True), *nodes(30, "new"))
    some = {"all": False, "names": tuple(f"new-{n:05}" for n in range(25))}
    assert switch(rendered(facts, **some), "pod-quota").why == "50 -> 70 for 55 nodes"  # type: ignore[arg-type]
    everywhere = rendered(facts, ManifestChoice(set={"no-node-selector": True}), **some)
    assert switch(everywhere, "pod-quota").why == "50 -> 80 for 60 nodes"


def test_a_larger_quota_that_is_there_stays() -> None:
    live = {"ResourceQuota": live_quota({"hard": {"pods": "200"}})}
    assert pods_allowed(rendered(cluster(*nodes(3), objects=live))) == 200


WARNED = ('would violate PodSecurity "restricted:latest": host namespaces',)


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, False),
        ({"objects": {"Namespace": namespace(**{"pod-security.kubernetes.io__enforce": "baseline"})}}, True),
        ({"objects": {"Namespace": namespace(**{"pod-security.kubernetes.io__enforce": "privileged"})}}, False),
        ({"warnings": WARNED}, False),
        ({"warnings": WARNED, "unread": (Unread(DRY_RUN, "create", "pods", "no right"),)}, True),
        ({"distribution": "Talos"}, True),
    ],
)
def test_pod_security_is_relaxed_where_it_stands_in_the_way(fields: dict[str, object], needed: bool) -> None:
    rendering = rendered(cluster(node(), **fields))  # type: ignore[arg-type]
    assert switch(rendering, "pod-security").on is needed
    labels = rendering.objects[0]["metadata"]["labels"]
    assert (labels.get("pod-security.kubernetes.io/enforce") == "privileged") is needed


@pytest.mark.parametrize(("manager", "stays"), [("podman-wizard", True), ("kubectl", False)])
def test_a_pod_security_label_that_was_set_from_here_stays_in_the_next_apply(manager: str, stays: bool) -> None:
    label = "pod-security.kubernetes.io/enforce"
    live = namespace(**{"pod-security.kubernetes.io__enforce": "privileged"})
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{label}": {}}}}
    live["metadata"]["managedFields"] = [{"manager": manager, "operation": "Apply", "time": "2026-11-01T10:00:00Z"}]
    live["metadata"]["managedFields"][0]["fieldsV1"] = fields
    rendering = rendered(cluster(node(), objects={"Namespace": live}, distribution="Talos"))
    assert switch(rendering, "pod-security").on is stays
    assert (label in rendering.objects[0]["metadata"]["labels"]) is stays


def test_windows_nodes_are_counted_in_the_reason_for_linux_only() -> None:
    rendering = rendered(cluster(node(), *nodes(2, "win", **WINDOWS)))
    assert switch(rendering, "linux-only").why.startswith("keeps pods off 2 non-Linux nodes")
    selector = rendering.objects[3]["spec"]["template"]["spec"]["nodeSelector"]
    assert selector == {"smarter-device-manager": "enabled", "kubernetes.io/os": "linux"}


def with_live_tolerations(*tolerations: Any) -> dict[str, KubernetesObject]:
    return {"DaemonSet": {"spec": {"template": {"spec": {"containers": [{}], "tolerations": list(tolerations)}}}}}


def test_what_nodes_need_that_were_labelled_before_stays_when_others_are_chosen() -> None:
    before = (node("rhcos", labelled=True, **RHCOS), node("gpu", labelled=True, taints=(GPU,)))
    tolerated = with_live_tolerations({"key": GPU.key, "operator": "Exists", "effect": GPU.effect})
    facts = cluster(*before, node("new"), objects=tolerated)
    rendering = rendered(facts, all=False, names=("new",))
    assert switch(rendering, "selinux-type").on
    assert switch(rendering, "tolerations").on
    assert switch(rendering, "tolerations").why == "1 tainted node selected or labeled"


def test_a_labelled_node_that_nobody_tolerates_is_not_tolerated_unasked() -> None:
    facts = cluster(node("gpu", labelled=True, taints=(GPU,)), node("new"), objects=with_live_tolerations())
    assert not switch(rendered(facts, all=False, names=("new",)), "tolerations").on


def test_tolerations_follow_the_chosen_nodes() -> None:
    facts = cluster(node("a"), node("cp", taints=(CONTROL_PLANE,)), node("g", taints=(GPU, GPU)))
    assert not switch(rendered(facts), "tolerations").on
    rendering = rendered(facts, all=False, names=("a", "cp", "g"))
    assert switch(rendering, "tolerations").why == "2 tainted nodes selected"
    assert rendering.objects[3]["spec"]["template"]["spec"]["tolerations"] == [
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"},
    ]


def test_control_plane_nodes_are_offered_not_taken() -> None:
    offered = switch(rendered(cluster(node("a"), *nodes(3, "cp", taints=(CONTROL_PLANE,)))), "tolerations")
    assert (offered.on, offered.why) == (False, "3 control plane nodes left out")
    assert offered.value == "node-role.kubernetes.io/control-plane:NoSchedule"


def test_the_selinux_type_is_for_nodes_that_confine_containers() -> None:
    assert switch(rendered(cluster(node(**RHCOS))), "selinux-type").on
    rhel: dict[str, Any] = {"os_image": "Red Hat Enterprise Linux 9.4 (Plow)"}
    assert not switch(rendered(cluster(node(**rhel), node("b", **UBUNTU_24))), "selinux-type").on


def test_devices_are_offered_up_to_the_pods_of_a_node() -> None:
    devices = switch(rendered(cluster(node(allocatable={"pods": 110}))), "devices-per-node")
    assert (devices.on, devices.value) == (False, 110)
    rendering = rendered(cluster(node()), ManifestChoice(set={"devices-per-node": "64"}))
    assert yaml.safe_load(rendering.objects[2]["data"]["conf.yaml"]) == [{"devicematch": "^fuse$", "nummaxdevices": 64}]


def test_the_guides_alternative_to_labels_keeps_the_linux_selector() -> None:
    pod = rendered(cluster(node()), ManifestChoice(set={"no-node-selector": True})).objects[3]["spec"]["template"][
        "spec"
    ]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    guide = ManifestChoice(preset="guide", set={"no-node-selector": True})
    assert "nodeSelector" not in rendered(None, guide).objects[3]["spec"]["template"]["spec"]


def test_a_person_has_the_last_word() -> None:
    facts = cluster(*nodes(57))
    rendering = rendered(
        facts, ManifestChoice(set={"image": "r.example/sdm:1", "linux-only": False}, without=("memory",))
    )
    assert switch(rendering, "memory").source == "without"
    assert {"memory", "linux-only"}.isdisjoint(on(rendering))
    container = rendering.objects[3]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "r.example/sdm:1"
    assert container["resources"]["limits"]["memory"] == "15Mi"
    guide = rendered(facts, ManifestChoice(preset="guide", set={"pod-quota": True}))
    assert on(guide) == {"pod-quota"} and pods_allowed(guide) == 70


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ManifestChoice(set={"imge": "a"}), "image"),
        (ManifestChoice(without=("podquota",)), "pod-quota"),
        (ManifestChoice(set={"image": "Not An Image"}), "image reference"),
        (ManifestChoice(set={"image": "a:b:c:d"}), "image reference"),
        (ManifestChoice(set={"memory": "lots"}), "30Mi"),
        (ManifestChoice(set={"max-unavailable": "0"}), "5 or 10%"),
        (ManifestChoice(set={"max-unavailable": "101%"}), "5 or 10%"),
        (ManifestChoice(set={"image-pull-secrets": "A_B"}), "regcred"),
        (ManifestChoice(set={"memory": "0Mi"}), "30Mi"),
        (ManifestChoice(set={"memory": "30000ki"}), "30Mi"),
        (ManifestChoice(set={"pod-quota": 0}), "above 0"),
        (ManifestChoice(set={"pod-quota": "-5"}), "above 0"),
        (ManifestChoice(set={"devices-per-node": "1.5"}), "above 0"),
        (ManifestChoice(set={"tolerations": "dedicated"}), "NoSchedule"),
        (ManifestChoice(set={"selinux-type": "unconfined"}), "container_device_plugin_t"),
        (ManifestChoice(set={"linux-only": "perhaps"}), "true or false"),
        (ManifestChoice(set={"image": "a/b:1"}, without=("image",)), "only one of them"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_with_what_does(choice: ManifestChoice, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        rendered(cluster(node()), choice)
    assert said in str(refused.value)


def test_every_line_of_every_switch_fits_the_screen() -> None:
    members = (*nodes(3000, **UBUNTU_24), *nodes(200, "cp", taints=(CONTROL_PLANE,)), *nodes(99, "w", **WINDOWS))
    for facts in (None, cluster(*members), cluster(*nodes(60, **RHCOS)), cluster(nodes=None)):
        for item in rendered(facts).switches:
            assert len(item.why) <= 55 and len(item.title) <= 55, item


def test_how_many_nodes_restart_at_a_time_and_the_secrets_to_pull_with_are_set() -> None:
    choice = ManifestChoice(set={"max-unavailable": "25%", "image-pull-secrets": "one, two"})
    item = next(one for one in render(Basis(), choice).objects if one["kind"] == "DaemonSet")
    assert item["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}}
    assert item["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    objects = render(Basis(), ManifestChoice(set={"max-unavailable": "5"})).objects
    number = next(one for one in objects if one["kind"] == "DaemonSet")
    assert number["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 5}
