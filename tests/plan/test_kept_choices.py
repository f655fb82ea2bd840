"""What was chosen stays chosen: live fields of ours are the default of the next manifest."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts_for_tests import CONTROL_PLANE, RHCOS, cluster, judged, live_quota, node, nodes
from tests.live_objects import KINDS, Server, live_of
from wizard import quantities
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice
from wizard.facts.cluster import NodeFacts, Taint
from wizard.manifest import (
    ADJUSTMENT_IDS,
    ADJUSTMENTS,
    PLUGIN_TYPE,
    Rendering,
    attribution,
    container_of,
    guide_objects,
    pod_of,
)
from wizard.manifest.adjustments import LEFT_OUT_ANNOTATION, Adjustment
from wizard.manifest.values import Value
from wizard.names import ENFORCE_LABEL, NODE_LABEL
from wizard.nodes.taints import untolerated

GPU = Taint("nvidia.com/gpu", "present", "NoSchedule")
BY_ID = {adjustment.id: adjustment for adjustment in ADJUSTMENTS}
VALUES: dict[str, list[Value]] = {
    "image": ["r.example:5000/sdm:1", "registry.internal/a/sdm@sha256:" + "0" * 64],
    "memory": ["64Mi", "0.5Gi", "1024Mi", "31457280"],
    "pod-quota": [60, 77, 1000, 1200],
    "tolerations": ["dedicated=coder:NoSchedule", "a:NoExecute,b=:NoSchedule", "example.org/x=1:NoExecute"],
    "devices-per-node": [1, 64, 110],
    "selinux-type": [PLUGIN_TYPE, "spc_t"],
    "image-pull-secrets": ["regcred", "one,two.example"],
    "max-unavailable": ["5", "25%"],
}
"""Values of each adjustment that has one; any other is on or off."""

CHOICES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([*VALUES.get(name, [True]), False]) for name in ADJUSTMENT_IDS}
)
"""What is chosen about some adjustments: a value, or False (without)."""


def choice_of(drawn: dict[str, Value]) -> ManifestChoice:
    chosen = {name: value for name, value in drawn.items() if value is not False}
    return ManifestChoice(set=chosen, without=tuple(name for name, value in drawn.items() if value is False))


def applied(choice: ManifestChoice, *members: NodeFacts, server: Server | None = None, **fields: Any) -> Server:
    """A server on which this choice was applied, for all these nodes."""
    server = server or Server()
    names = tuple(member.name for member in members)
    answers = Answers(manifest=choice, nodes=NodesChoice(all=False, names=names))
    server.apply(server.judged(*members, answers=answers, **fields).rendering.objects)
    return server


def again(server: Server, *members: NodeFacts, choice: ManifestChoice | None = None, **fields: Any) -> Rendering:
    names = tuple(member.name for member in members)
    answers = Answers(manifest=choice or ManifestChoice(), nodes=NodesChoice(all=False, names=names))
    return server.judged(*members, answers=answers, **fields).rendering


def contents(server: Server) -> dict[str, Any]:
    return {kind: server.object(kind) for kind in KINDS}


# --- each adjustment is read back ------------------------------------------------------------------------------


def same(adjustment: Adjustment, one: Value | None, other: Value | None) -> bool:
    return quantities.equal(one, other) if adjustment.value_kind == "quantity" else one == other


@pytest.mark.parametrize(
    ("adjustment", "value"),
    [(one, value) for one in ADJUSTMENTS for value in VALUES.get(one.id, [True])],
    ids=lambda item: item.id if isinstance(item, Adjustment) else str(item)[:20],
)
def test_what_an_adjustment_sets_is_read_back_from_the_live_objects(adjustment: Adjustment, value: Value) -> None:
    server = Server()
    server.apply(guide_objects())
    assert adjustment.here(live_of(server.facts())) in (False, None)
    server.apply(adjustment.change(guide_objects(), value))
    assert same(adjustment, adjustment.here(live_of(server.facts())), value)


@pytest.mark.parametrize("adjustment", ADJUSTMENTS, ids=lambda one: one.id)
def test_what_others_set_is_no_choice_that_was_made_here(adjustment: Adjustment) -> None:
    for value in VALUES.get(adjustment.id, [True]):
        server = Server()
        server.kubectl_apply(adjustment.change(guide_objects(), value))
        assert adjustment.here(live_of(server.facts())) is None
        server = Server()
        server.apply(adjustment.change(guide_objects(), value), "argocd")
        assert adjustment.here(live_of(server.facts())) is None


@pytest.mark.parametrize("name", [name for name in VALUES if name != "tolerations"])
def test_a_later_value_replaces_an_earlier_one(name: str) -> None:
    change, values = BY_ID[name].change, VALUES[name]
    assert change(change(guide_objects(), values[0]), values[1]) == change(guide_objects(), values[1])


# --- nothing else changes --------------------------------------------------------------------------------------

SMALL, WIDE = nodes(3), nodes(57)
TAINTED = (node("a"), node("gpu", taints=(GPU,)), node("rhcos", **RHCOS))


@given(CHOICES, st.sampled_from([SMALL, WIDE, TAINTED]), st.sampled_from(["Kubernetes", "Talos"]))
@settings(max_examples=80, deadline=None)
def test_a_second_apply_without_choices_changes_nothing(
    drawn: dict[str, Value], members: tuple[NodeFacts, ...], distribution: str
) -> None:
    if members is TAINTED and drawn.get("tolerations"):
        del drawn["tolerations"]  # tolerations that leave a selected node out grow with the next apply
    server = applied(choice_of(drawn), *members, distribution=distribution)
    before = contents(server)
    server.apply(again(server, *members, distribution=distribution).objects)
    assert contents(server) == before


@given(CHOICES, st.sampled_from(ADJUSTMENT_IDS).filter(lambda name: name != "restart-on-change"))
@settings(max_examples=80, deadline=None)
def test_one_setting_more_is_the_same_as_both_at_once(drawn: dict[str, Value], name: str) -> None:
    value = VALUES.get(name, [True])[0]
    drawn = {key: chosen for key, chosen in drawn.items() if key not in (name, "restart-on-change")}
    later = applied(choice_of(drawn), *SMALL)
    later = applied(ManifestChoice(set={name: value}), *SMALL, server=later)
    at_once = applied(choice_of({**drawn, name: value}), *SMALL)
    one, other = again(later, *SMALL), again(at_once, *SMALL)
    assert [item["spec"] for item in one.objects if "spec" in item] == [
        item["spec"] for item in other.objects if "spec" in item
    ]
    assert {one.id for one in one.switches if one.on} == {one.id for one in other.switches if one.on}


def test_nodes_without_the_label_keep_their_pod_when_another_setting_changes() -> None:
    server = applied(ManifestChoice(set={"no-node-selector": True}), *SMALL)
    rendering = again(server, *SMALL, choice=ManifestChoice(set={"devices-per-node": 110}))
    assert NODE_LABEL not in pod_of(rendering.objects[3])["nodeSelector"]
    assert rendering.switch("no-node-selector").source == "live"
    before = contents(server)
    server.apply(rendering.objects)
    after = contents(server)
    assert [kind for kind in KINDS if after[kind] != before[kind]] == ["ConfigMap", "DaemonSet"]
    # Of the DaemonSet only the hash, so that its pods restart and offer the new number.
    assert pod_of(after["DaemonSet"]) == pod_of(before["DaemonSet"])


def test_a_preset_that_is_given_resets_what_is_not_named() -> None:
    server = applied(ManifestChoice(set={"image": "r.example/sdm:1", "memory": "64Mi"}), *SMALL)
    guide = again(server, *SMALL, choice=ManifestChoice(preset="guide", set={"memory": "64Mi"}))
    assert container_of(guide.objects[3])["image"] == container_of(guide_objects()[3])["image"]
    assert container_of(guide.objects[3])["resources"]["limits"]["memory"] == "64Mi"
    one = again(server, *SMALL, choice=ManifestChoice(set={"image": "recommended"}))
    assert container_of(one.objects[3])["image"].endswith(":v1.20.12")
    assert container_of(one.objects[3])["resources"]["limits"]["memory"] == "64Mi"
    shown = one.switch("memory")
    assert (shown.source, shown.value, shown.live, shown.recommended) == ("live", "64Mi", "64Mi", "30Mi")


def test_the_guide_stays_the_guide_once_it_was_chosen() -> None:
    server = applied(ManifestChoice(preset="guide"), *SMALL)
    rendering = again(server, *SMALL)
    assert rendering.objects == guide_objects()
    assert {one.source for one in rendering.switches if one.needed} == {"live"}


def reversed_containers(server: Server) -> list[Any]:
    return list(reversed(pod_of(server.object("DaemonSet"))["containers"]))


def test_the_recommended_preset_keeps_the_hash_so_that_no_pod_restarts() -> None:
    server = applied(ManifestChoice(), *SMALL)
    before = contents(server)
    server.apply(again(server, *SMALL, choice=ManifestChoice(preset="recommended")).objects)
    assert contents(server) == before


def test_a_container_of_another_manager_is_not_read_as_ours() -> None:
    server = applied(ManifestChoice(set={"image": "r.example/sdm:1"}), *SMALL)
    sidecar = {"name": "a-sidecar", "image": "r.example/sidecar:1"}
    mesh = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NODE_LABEL, "namespace": NODE_LABEL},
        "spec": {"template": {"spec": {"containers": [sidecar]}}},
    }
    server.apply([mesh], "mesh")
    server.patch("DaemonSet", {"spec": {"template": {"spec": {"containers": reversed_containers(server)}}}}, "mesh")
    assert pod_of(server.object("DaemonSet"))["containers"][0]["name"] == "a-sidecar"
    rendering = again(server, *SMALL)
    assert rendering.switch("image").value == "r.example/sdm:1"
    assert rendering.switch("memory").value == "30Mi"


# --- what its absence alone would not say ----------------------------------------------------------------------


def left_out(rendering: Rendering) -> str | None:
    annotations = rendering.objects[3]["metadata"].get("annotations") or {}
    return annotations.get(LEFT_OUT_ANNOTATION)


def test_what_was_turned_off_although_it_is_needed_stays_off() -> None:
    members = (*TAINTED, *nodes(60))
    off = ("pod-security", "tolerations", "selinux-type", "pod-quota")
    server = applied(ManifestChoice(without=off), *members, distribution="Talos")
    rendering = again(server, *members, distribution="Talos")
    assert set((left_out(rendering) or "").split(",")) == set(off)
    assert {name for name in off if rendering.switch(name).on} == set()
    named = attribution(rendering)[f"DaemonSet .metadata.annotations.{LEFT_OUT_ANNOTATION}"]
    assert set(named.split(",")) == set(off)
    back = again(server, *members, choice=ManifestChoice(set=dict.fromkeys(off, "recommended")), distribution="Talos")
    assert {name for name in off if back.switch(name).on} == set(off)
    assert left_out(back) is None
    assert back.objects[0]["metadata"]["labels"][ENFORCE_LABEL] == "privileged"


def test_what_is_not_needed_is_not_noted_as_left_out() -> None:
    server = applied(ManifestChoice(without=("pod-security", "tolerations", "memory")), *SMALL)
    assert left_out(again(server, *SMALL)) is None
    tainted = (*SMALL, node("cp", taints=(CONTROL_PLANE,)))
    assert again(server, *tainted).switch("tolerations").on


# --- what only grows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "manager", "count", "expected"),
    [
        ("1k", "platform", 5, 1000),
        ("1k", "podman-wizard", 5, 1000),
        ("50", "platform", 60, 80),
        ("60", "podman-wizard", 57, 60),  # chosen here, and large enough
        ("20", "podman-wizard", 5, 20),
        ("20", "podman-wizard", 30, 50),
        ("60", "podman-wizard", 61, 80),
    ],
)
def test_a_quota_grows_if_it_is_too_small_and_never_shrinks(live: str, manager: str, count: int, expected: int) -> None:
    quota = live_quota({"hard": {"pods": live}}, manager)
    quota["metadata"]["managedFields"][0]["operation"] = "Apply"
    rendering = judged(cluster(*nodes(count), objects={"ResourceQuota": quota})).rendering
    assert quantities.whole(rendering.objects[1]["spec"]["hard"]["pods"]) == expected


def test_a_quota_of_another_manager_with_the_same_value_is_nobodys_business() -> None:
    server = applied(ManifestChoice(), *SMALL)
    server.patch("ResourceQuota", {"spec": {"hard": {"pods": "1k"}}}, "platform")
    judgement = server.judged(*SMALL)
    assert judgement.foreign == ()
    assert "ResourceQuota" not in judgement.changing


def test_tolerations_grow_and_what_no_taint_can_say_is_kept() -> None:
    server = applied(ManifestChoice(), *TAINTED)
    daemon_set = again(server, *TAINTED).objects[3]
    limited = {"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    pod_of(daemon_set)["tolerations"].append(limited)
    server.apply([daemon_set])
    members = (node("a"), node("gpu", labelled=True, taints=(GPU,)), node("cp", taints=(CONTROL_PLANE,)))
    answers = Answers(nodes=NodesChoice(all=False, names=("a", "cp")))
    found = pod_of(server.judged(*members, answers=answers).rendering.objects[3])["tolerations"]
    assert limited in found
    assert not any(untolerated(member, found) for member in members)


def test_entries_for_other_devices_are_kept() -> None:
    text = "- devicematch: ^snd$\n  nummaxdevices: 20\n- devicematch: ^fuse$\n  nummaxdevices: 50\n"
    server = applied(ManifestChoice(), *SMALL)
    config = again(server, *SMALL).objects[2]
    config["data"]["conf.yaml"] = text
    server.apply([config])
    rendering = again(server, *SMALL, choice=ManifestChoice(set={"devices-per-node": 110}))
    assert yaml.safe_load(rendering.objects[2]["data"]["conf.yaml"]) == [
        {"devicematch": "^snd$", "nummaxdevices": 20},
        {"devicematch": "^fuse$", "nummaxdevices": 110},
    ]


def test_the_labels_by_which_earlier_versions_set_audit_and_warn_are_kept() -> None:
    server = applied(ManifestChoice(set={"pod-security": True}), *SMALL)
    fresh = server.object("Namespace")["metadata"]["labels"]
    assert {key for key in fresh if key.startswith("pod-security")} == {ENFORCE_LABEL}
    earlier = again(server, *SMALL).objects[0]
    levels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}
    earlier["metadata"]["labels"] |= levels
    server.apply([earlier])
    server.apply(again(server, *SMALL).objects)
    assert levels.items() <= server.object("Namespace")["metadata"]["labels"].items()
