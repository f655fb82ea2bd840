from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.facts_for_tests import (
    CONTROL_PLANE,
    PLAN_RIGHTS,
    WINDOWS,
    cluster,
    clusters,
    judged,
    live_quota,
    namespace,
    node,
    nodes,
)
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice, SecurityModulesChoice, VerifyChoice
from wizard.facts.cluster import ClusterFacts, DevicePlugin, Right, Unread
from wizard.finding import Finding, Outcome
from wizard.findings.prerequisites import RULES
from wizard.manifest import guide_objects


def finding(facts: ClusterFacts, name: str, answers: Answers | None = None) -> Finding:
    return next(one for one in judged(facts, answers).prerequisites if one.id == name)


def wrong(facts: ClusterFacts, answers: Answers | None = None) -> dict[str, str]:
    found = judged(facts, answers).prerequisites
    return {one.id: str(one.outcome) for one in found if one.outcome in ("warning", "blocker", "unknown")}


def live_daemon_set(memory: str = "30Mi", manager: str = "kubectl-edit", image: str = "other/sdm:1") -> dict[str, Any]:
    daemon_set = guide_objects()[3]
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    container["image"] = image
    container["resources"]["limits"]["memory"] = memory
    daemon_set["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "time": "2026-11-01T10:00:00Z",
            "fieldsV1": {
                "f:spec": {
                    "f:template": {
                        "f:spec": {"f:containers": {'k:{"name":"smarter-device-manager"}': {".": {}, "f:image": {}}}}
                    }
                }
            },
        },
        {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    return daemon_set


def test_a_plain_cluster_has_nothing_wrong_with_it() -> None:
    assert wrong(cluster(*nodes(12))) == {}


def test_every_rule_is_heard_once_and_fits_the_screen() -> None:
    for facts in (
        cluster(*nodes(3)),
        cluster(),
        cluster(nodes=None),
        cluster(*nodes(4000, labels={"karpenter.sh/nodepool": "x"})),
    ):
        found = judged(facts).prerequisites
        assert [one.id for one in found] == [rule.id for rule in RULES]
        assert [one.title for one in found if not 5 < len(one.title) <= 55] == []


@given(clusters())
@settings(max_examples=40)
def test_any_cluster_can_be_judged_and_what_is_wrong_says_why(facts: ClusterFacts) -> None:
    for one in judged(facts).prerequisites:
        if one.outcome in (Outcome.WARNING, Outcome.BLOCKER):
            assert one.detail or one.evidence, one.id


WARDEN = (
    'admission webhook "warden-validating.common-webhooks.networking.gke.io" denied the request: GKE Warden rejected '
    'the request because it violates one or more constraints. Violations details: {"[denied by '
    'autogke-no-write-mode-hostpath]":["hostPath volume dev-dir uses path /dev which is not allowed in Autopilot."]}'
)

WRONG: list[tuple[ClusterFacts, dict[str, str]]] = [
    (cluster(*nodes(80)), {"quota.daemonset-pods": "warning"}),
    (cluster(), {"node.eligible": "blocker"}),
    (cluster(node(**WINDOWS)), {"node.eligible": "blocker"}),
    (cluster(node(), clock_skew=-95.0), {"kube.clock-skew": "warning"}),
    (cluster(node(), node("late", ready=False)), {"node.ready": "warning"}),
    (cluster(*nodes(3, labels={"eks.amazonaws.com/nodegroup": "a"})), {"node.label-durable": "warning"}),
    (cluster(node(), node("cp", labelled=True, taints=(CONTROL_PLANE,))), {"node.taints": "warning"}),
    (cluster(node(), node("win", labelled=True, **WINDOWS)), {"node.os-arch": "warning"}),
    (cluster(node(), node("old", labelled=True, kernel="4.14.1")), {"node.kernel-min": "warning"}),
    (cluster(node(), distribution="Talos"), {"adm.psa-namespace": "warning"}),
    (cluster(node("gk3-prod-pool-2-973644bc-np7s")), {"adm.autopilot": "warning"}),
    (cluster(node("gk3-prod-pool-2-973644bc-np7s"), pod_refusal=WARDEN), {"adm.autopilot": "blocker"}),
    (
        cluster(node(), pod_refusal='admission webhook "validate.kyverno.svc-fail" denied the request: no host paths'),
        {"adm.webhook": "warning"},
    ),
    (cluster(node(), distribution="OpenShift"), {"adm.openshift-scc": "warning"}),
    (cluster(node(), objects={"Namespace": namespace("Terminating")}), {"namespace.terminating": "blocker"}),
    (
        cluster(
            node(), device_plugins=(DevicePlugin("iot", "sdm", "ghcr.io/smarter-project/smarter-device-manager:v1"),)
        ),
        {"plugin.duplicate-resource": "warning"},
    ),
    (
        cluster(node(), objects={"DaemonSet": live_daemon_set("15Mi", "podman-wizard")}),
        {"plugin.memory-limit": "warning"},
    ),
    (cluster(node(), objects={"DaemonSet": live_daemon_set()}), {"field.owner": "warning"}),
    (cluster(node(), objects={"DaemonSet": live_daemon_set(manager="argocd-controller")}), {"gitops.owner": "warning"}),
]


@pytest.mark.parametrize(("facts", "expected"), WRONG, ids=[next(iter(expected)) for _, expected in WRONG])
def test_what_is_wrong_is_named_and_nothing_else(facts: ClusterFacts, expected: dict[str, str]) -> None:
    assert wrong(facts) == expected


def test_what_is_unfit_and_not_meant_is_only_told() -> None:
    facts = cluster(
        node(), node("cp", taints=(CONTROL_PLANE,)), node("w", **WINDOWS), node("f", labels={"type": "virtual-kubelet"})
    )
    assert wrong(facts) == {}
    told = [one.id for one in judged(facts).prerequisites if one.outcome is Outcome.INFO and one.category == "nodes"]
    assert told == ["node.taints", "node.os-arch", "node.virtual", "node.needs-fuse", "node.label-durable"]
    assert finding(facts, "node.eligible").title == "1 of 4 nodes qualifies, kernel 6.1"


def test_the_quota_names_numbers_and_the_remedy() -> None:
    quota = finding(cluster(*nodes(57)), "quota.daemonset-pods")
    assert quota.title == "The guide's quota of 50 pods is too small"
    assert "7 of 57 nodes get no FUSE" in quota.detail and "Raise it to 70" in quota.remedies[0].text
    assert "already on" in quota.remedies[0].text
    guide = Answers(manifest=ManifestChoice(preset="guide"))
    assert (
        finding(cluster(*nodes(57)), "quota.daemonset-pods", guide).remedies[0].command.endswith("--set pod-quota=70")
    )


def test_a_live_quota_that_is_large_enough_is_enough() -> None:
    live = {"ResourceQuota": live_quota({"hard": {"pods": "100"}})}
    assert finding(cluster(*nodes(80), objects=live), "quota.daemonset-pods").outcome is Outcome.OK


def test_a_live_quota_that_counts_no_pods_is_not_quoted_as_one() -> None:
    for spec in ({"hard": {"requests.cpu": "4"}}, {}):
        live = {"ResourceQuota": live_quota(spec)}
        quota = finding(cluster(*nodes(57), objects=live), "quota.daemonset-pods")
        assert quota.title == "The guide's quota of 50 pods is too small"
        assert quota.evidence == ("57 nodes with a pod; the manifest's ResourceQuota has pods: 50",)


def denied(*which: str) -> tuple[Right, ...]:
    return tuple(replace(right, allowed=str(right) not in which) for right in PLAN_RIGHTS)


def test_a_right_that_the_plan_needs_stops_it_and_is_named() -> None:
    rights = finding(cluster(node(), rights=denied("patch nodes")), "rbac.plan")
    assert rights.outcome is Outcome.BLOCKER
    assert rights.title == "You lack 1 of the 7 permissions for this plan"
    assert "patch nodes" in rights.detail and "plan" in rights.remedies[0].command


def test_a_right_that_this_plan_does_not_need_does_not_stop_it() -> None:
    facts = cluster(node(), rights=denied("patch nodes"))
    everywhere = Answers(manifest=ManifestChoice(set={"no-node-selector": True}))
    assert finding(facts, "rbac.plan", everywhere).outcome is Outcome.WARNING
    there = cluster(node(), rights=denied("create namespaces"), objects={"Namespace": namespace()})
    assert finding(there, "rbac.plan").outcome is Outcome.WARNING
    events = Right("list", "events", namespace="smarter-device-manager", allowed=False, purpose="observe")
    assert finding(cluster(node(), rights=(*PLAN_RIGHTS, events)), "rbac.plan").outcome is Outcome.WARNING


def test_the_rights_of_short_pods_count_only_where_the_plan_sends_some() -> None:
    pods = tuple(
        Right("create", "pods", namespace=place, allowed=place != "dev", purpose="pods") for place in ("default", "dev")
    )
    facts = cluster(node(), rights=(*PLAN_RIGHTS, *pods))
    probing = Answers(security_modules=SecurityModulesChoice(probe=True))
    proving = Answers(verify=VerifyChoice(run=True, namespace="dev"))
    assert finding(facts, "rbac.plan").title == "You have all 7 permissions for this plan"
    assert finding(facts, "rbac.plan", probing).title == "You have all 8 permissions for this plan"
    assert finding(facts, "rbac.plan", proving).outcome is Outcome.BLOCKER
    assert "create pods in dev" in finding(facts, "rbac.plan", proving).detail


def test_a_review_that_failed_is_unknown() -> None:
    rights = (*PLAN_RIGHTS, Right("get", "nodes", allowed=None, reason="timeout"))
    assert finding(cluster(node(), rights=rights), "rbac.plan").outcome is Outcome.UNKNOWN


def test_where_nodes_may_not_be_listed_only_what_needs_them_is_unknown() -> None:
    unread = (Unread("nodes", "list", "nodes", 'nodes is forbidden: User "dev" cannot list resource "nodes"'),)
    facts = cluster(nodes=None, unread=unread, rights=denied("list nodes"))
    found = wrong(facts)
    assert found.pop("rbac.plan") == "blocker"
    assert set(found.values()) == {"unknown"} and set(found) == {rule.id for rule in RULES if "nodes" in rule.needs}
    assert "list nodes" in finding(facts, "node.eligible").detail


def test_a_daemon_set_that_may_not_be_read_makes_its_rules_unknown() -> None:
    unread = (Unread("DaemonSet x", "get", "daemonsets.apps", "forbidden"),)
    installed = finding(cluster(node(), unread=unread), "plugin.installed")
    assert installed.outcome is Outcome.UNKNOWN and "get daemonsets.apps" in installed.detail


def test_a_choice_that_finds_no_node_is_a_blocker_not_a_crash() -> None:
    for choice in (NodesChoice(all=False, names=("gone",)), NodesChoice(all=False, selector="pool=x")):
        assert finding(cluster(node()), "node.eligible", Answers(nodes=choice)).outcome is Outcome.BLOCKER


def test_tolerated_taints_are_no_longer_wrong() -> None:
    facts = cluster(node(), node("cp", taints=(CONTROL_PLANE,)))
    chosen = Answers(nodes=NodesChoice(all=False, names=("cp",)))
    assert wrong(facts, chosen) == {}
    without = replace(chosen, manifest=ManifestChoice(without=("tolerations",)))
    assert wrong(facts, without) == {"node.taints": "warning"}


def test_gke_is_told_to_keep_the_quota() -> None:
    assert finding(cluster(node(), distribution="GKE"), "quota.critical-class").outcome is Outcome.INFO
    assert finding(cluster(node(), distribution="EKS"), "quota.critical-class").outcome is Outcome.SKIPPED


def pod(node_name: str, **container: Any) -> dict[str, Any]:
    return {
        "spec": {"nodeName": node_name},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False" if container else "True"}],
            "containerStatuses": [container] if container else [],
        },
    }


def test_pods_that_fail_are_counted_by_reason() -> None:
    killed = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled"}},
    }
    pull = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
    starting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    pods = (pod("a", **killed), pod("b", **pull), pod("c", **pull), pod("d", **starting))
    running = finding(cluster(node(), plugin_pods=pods), "plugin.running")
    assert running.title == "3 of 4 device manager pods failing"
    assert running.evidence == ("2 x ImagePullBackOff", "1 x CrashLoopBackOff (OOMKilled)")


def test_a_running_pod_without_fuse_on_its_node_is_told_apart() -> None:
    members = (node("a", allocatable={"smarter-devices/fuse": 50}), node("b"))
    running = finding(cluster(*members, plugin_pods=(pod("a"), pod("b"))), "plugin.running")
    assert running.title == "1 node with a running pod but no FUSE"
    assert "modprobe fuse" in running.remedies[0].command


def test_a_version_that_is_not_told_is_not_an_old_one() -> None:
    facts = cluster(node())
    hidden = replace(facts, identity=replace(facts.identity, version=""))
    assert wrong(hidden) == {"kube.version": "unknown"}
    assert "get /version" in finding(hidden, "kube.version").title
    assert "version hidden" in finding(hidden, "kube.reachable").title


def test_what_the_cluster_warns_of_is_not_what_it_enforces() -> None:
    warned = ('would violate PodSecurity "restricted:latest": host namespaces (hostNetwork=true)',)
    assert wrong(cluster(node(), warnings=warned)) == {}


def test_owners_are_named_with_field_and_time() -> None:
    owner = finding(cluster(node(), objects={"DaemonSet": live_daemon_set()}), "field.owner")
    assert "kubectl-edit" in owner.title
    assert owner.evidence == (
        'DaemonSet .spec.template.spec.containers[name="smarter-device-manager"].image: '
        "kubectl-edit, Update at 2026-11-01T10:00:00Z",
    )


def test_a_field_that_holds_what_the_plan_wants_is_nobodys_business() -> None:
    same = live_daemon_set(image="ghcr.io/smarter-project/smarter-device-manager:v1.20.12")
    assert wrong(cluster(node(), objects={"DaemonSet": same})) == {}


@pytest.mark.parametrize(
    ("annotations", "tool"),
    [
        ({"objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"}, "k3s"),
        ({"objectset.rio.cattle.io/owner-gvk": "fleet.cattle.io/v1alpha1, Kind=BundleDeployment"}, "Fleet"),
        ({"kapp.k14s.io/identity": "v1;x"}, "kapp"),
    ],
)
def test_a_tool_is_told_by_what_its_annotation_says(annotations: dict[str, str], tool: str) -> None:
    item = namespace()
    item["metadata"]["annotations"] = annotations
    item["metadata"].setdefault("labels", {})["objectset.rio.cattle.io/hash"] = "1"
    if tool == "kapp":
        del item["metadata"]["labels"]["objectset.rio.cattle.io/hash"]
    title = finding(cluster(node(), objects={"Namespace": item}), "gitops.owner").title
    assert title == f"Objects of the plan managed by {tool}"


def test_gitops_is_recognised_by_its_annotation_too() -> None:
    labelled = namespace()
    labelled["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    assert (
        finding(cluster(node(), objects={"Namespace": labelled}), "gitops.owner").title
        == "Objects of the plan managed by Argo CD"
    )


def test_the_documents_of_the_guide_are_there_with_their_addresses() -> None:
    guide = (Path(__file__).parents[1] / "data" / "guide" / "documents.txt").read_text().split()
    assert [remedy.command for remedy in finding(cluster(node()), "docs.podman").remedies] == guide


def test_findings_are_the_same_from_saved_facts() -> None:
    facts = cluster(*nodes(60), node("cp", taints=(CONTROL_PLANE,)), objects={"DaemonSet": live_daemon_set()})
    again = ClusterFacts.from_json(json.loads(json.dumps(facts.to_json())))
    assert judged(again).prerequisites == judged(facts).prerequisites
