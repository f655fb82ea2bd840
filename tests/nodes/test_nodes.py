from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.facts_for_tests import (
    CONTROL_PLANE,
    RHCOS,
    TALOS,
    UBUNTU_22,
    UBUNTU_24,
    WINDOWS,
    chosen,
    cluster,
    clusters,
    judged,
    node,
    nodes,
)
from wizard.choices.answers import Answers, NodesChoice
from wizard.cluster.conversion import node_facts
from wizard.errors import UsageError
from wizard.facts.cluster import Taint
from wizard.nodes.pools import pool_of, pool_rows, pools
from wizard.nodes.taints import until_they_pass, untolerated
from wizard.nodes.verdicts import groups, judge, kernel_too_old, matches, parse_selector


def test_a_plain_linux_node_qualifies_without_a_word() -> None:
    verdict = judge(node())
    assert verdict.eligible and not verdict.reasons and not verdict.notes


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (WINDOWS, "not Linux (windows)"),
        ({"labels": {"eks.amazonaws.com/compute-type": "fargate"}}, "Fargate"),
        ({"labels": {"type": "virtual-kubelet"}}, "virtual node"),
        ({"taints": (Taint("virtual-kubelet.io/provider", "azure", "NoSchedule"),)}, "virtual node"),
        ({"architecture": "arm"}, "architecture arm"),
        ({"architecture": "s390x"}, "architecture s390x"),
        ({"kernel": "4.14.355-271.amzn2.x86_64"}, "kernel 4.14.355"),
    ],
)
def test_what_cannot_serve_is_unfit_and_says_why(fields: dict[str, object], said: str) -> None:
    verdict = judge(node(**fields))  # type: ignore[arg-type]
    assert not verdict.possible
    assert said in verdict.reasons[0]


@pytest.mark.parametrize(
    ("kernel", "old"),
    [
        ("4.18.0-553.el8_10.x86_64", False),
        ("4.18.0-477.27.1.an8.x86_64", False),
        ("4.18.0-25-generic", True),
        ("4.19.0-27-amd64", False),
        ("6.12.25-talos", False),
        ("3.10.0-1160.el7.x86_64", True),
        ("", False),
        ("unknown", False),
    ],
)
def test_the_kernel_must_be_newer_than_4_18_or_that_of_rhel_8(kernel: str, old: bool) -> None:
    assert kernel_too_old(kernel) is old


def test_a_tainted_node_is_possible_and_not_chosen_by_default() -> None:
    tainted = node("cp", taints=(CONTROL_PLANE,))
    verdict = judge(tainted)
    assert verdict.standing == "possible"
    assert verdict.reasons == (
        "taint node-role.kubernetes.io/control-plane:NoSchedule: the DaemonSet does not run there",
    )
    assert [v.node.name for v in chosen(cluster(tainted, node()))] == ["node-1"]


def test_taints_that_pass_or_only_prefer_keep_nobody_away() -> None:
    passing = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
    preferring = Taint("spot", "true", "PreferNoSchedule")
    cordoned = judge(node(taints=(passing, preferring), unschedulable=True, ready=False))
    assert cordoned.eligible
    assert [note.split(":")[0] for note in cordoned.notes] == ["not ready", "cordoned"]


@pytest.mark.parametrize(
    ("key", "by_itself"),
    [
        ("ToBeDeletedByClusterAutoscaler", True),
        ("DeletionCandidateOfClusterAutoscaler", True),
        ("node.cilium.io/agent-not-ready", True),
        ("ebs.csi.aws.com/agent-not-ready", True),
        ("node.gardener.cloud/critical-components-not-ready", True),
        ("node.deckhouse.io/csi-not-bootstrapped", True),
        ("cni.istio.io/not-ready", True),
        ("example.org/notReady", True),
        ("node.cloudprovider.kubernetes.io/uninitialized", True),
        ("node.cluster.x-k8s.io/uninitialized", True),
        ("karpenter.sh/disrupted", True),
        ("karpenter.sh/unregistered", True),
        ("startup-taint.cluster-autoscaler.kubernetes.io/gpu", True),
        ("aws-node-termination-handler/spot-itn", True),
        ("cloud.google.com/impending-node-termination", True),
        ("readiness.k8s.io/network", True),
        ("node.kubernetes.io/out-of-service", True),
        ("dedicated", False),
        ("nvidia.com/gpu", False),
        ("kubernetes.azure.com/scalesetpriority", False),
        ("cloud.google.com/gke-spot", False),
        ("node-role.kubernetes.io/control-plane", False),
        ("example.org/notebooks", False),
        ("team-ready", False),
    ],
)
def test_a_taint_for_a_state_passes_and_is_never_tolerated(key: str, by_itself: bool) -> None:
    one = node(taints=(Taint(key, "1700000000", "NoSchedule"),))
    assert judge(one).eligible is by_itself
    assert bool(untolerated(one)) is not by_itself
    facts = cluster(one)
    switch = judged(facts, Answers(nodes=NodesChoice(all=False, names=(one.name,)))).rendering.switch("tolerations")
    assert switch.on is not by_itself


def test_a_network_that_is_missing_keeps_only_pods_with_a_network_of_their_own_off() -> None:
    one = node(taints=(Taint("node.kubernetes.io/network-unavailable", "", "NoSchedule"),))
    assert until_they_pass(one, {}) and not until_they_pass(one, {"hostNetwork": True})
    assert judge(one).eligible


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"labels": {"vcluster.loft.sh/fake-node": "true"}}, "vCluster's fake node"),
        ({"labels": {"type": "kwok"}}, "simulated node (kwok)"),
        ({"annotations": {"kwok.x-k8s.io/node": "fake"}}, "simulated node (kwok)"),
        ({"labels": {"type": "virtual-kubelet"}}, "virtual node"),
    ],
)
def test_nodes_that_are_no_machines_do_not_qualify(fields: dict[str, Any], kind: str) -> None:
    assert judge(node(**fields)).short == kind and not judge(node(**fields)).possible


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "a"}, True),
        ({"key": "gpu", "value": "b"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations_as_in_kubernetes(toleration: dict[str, str], tolerates: bool) -> None:
    tainted = node(taints=(Taint("gpu", "a", "NoSchedule"),))
    assert (not untolerated(tainted, [toleration])) is tolerates


LABELS = {"pool": "coder", "zone": "b", "example.org/tier": ""}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("pool", True),
        ("gpu", False),
        ("!gpu", True),
        ("! pool", False),
        ("pool=coder", True),
        ("pool == coder", True),
        ("pool!=coder", False),
        ("gpu!=yes", True),
        ("zone in (a, b)", True),
        ("zone in (a,c)", False),
        ("zone notin (a)", True),
        ("gpu notin (a)", True),
        ("gpu in (a)", False),
        ("example.org/tier=", True),
        ("pool=coder,zone in (a,b),!gpu", True),
        ("pool=coder,zone in (a)", False),
    ],
)
def test_selectors_as_kubectl_reads_them(selector: str, found: bool) -> None:
    assert parse_selector(selector)(LABELS) is found


@pytest.mark.parametrize(
    "selector", ["", "  ", "a,", "a=b=c", "a in b", "in (a)", "a in (b", "a=b c", "-a=b", "a in (b c)"]
)
def test_a_selector_that_cannot_be_read_is_refused(selector: str) -> None:
    with pytest.raises(UsageError, match="selector"):
        parse_selector(selector)


words = st.from_regex(r"[a-z][a-z0-9]{0,3}", fullmatch=True)


@given(st.dictionaries(words, words, max_size=4), words, st.lists(words, min_size=1, max_size=3))
def test_notin_is_the_opposite_of_in(labels: dict[str, str], key: str, values: list[str]) -> None:
    listed = ",".join(values)
    assert parse_selector(f"{key} in ({listed})")(labels) is not parse_selector(f"{key} notin ({listed})")(labels)


def test_a_selector_takes_tainted_nodes_and_leaves_out_what_cannot_serve() -> None:
    facts = cluster(node("a", taints=(CONTROL_PLANE,)), node("w", **WINDOWS), node("b"))
    found = chosen(facts, NodesChoice(all=False, selector="kubernetes.io/os"))
    assert [verdict.node.name for verdict in found] == ["a", "b"]


def test_names_are_taken_as_they_are_said() -> None:
    facts = cluster(*nodes(3), node("old", kernel="4.14.1"))
    found = chosen(facts, NodesChoice(all=False, names=("old", "node-00001")))
    assert [verdict.node.name for verdict in found] == ["node-00001", "old"]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        chosen(cluster(*nodes(3)), NodesChoice(all=False, names=("node-00001", "nod-00002", "x")))
    assert "nod-00002 (and 1 more)" in refused.value.what
    assert "node-00002" in refused.value.todo


def test_where_nodes_may_not_be_listed_names_are_taken_on_trust() -> None:
    facts = cluster(nodes=None)
    assert [v.node.name for v in chosen(facts, NodesChoice(all=False, names=("a", "a")))] == ["a"]
    assert chosen(facts) == ()


@given(clusters())
def test_by_default_exactly_the_nodes_without_a_reason_are_chosen(facts) -> None:  # type: ignore[no-untyped-def]
    found = {verdict.node.name for verdict in chosen(facts)}
    assert found == {n.name for n in facts.nodes if not judge(n).reasons}


@given(clusters())
def test_groups_hold_every_node_once_and_are_alike(facts) -> None:  # type: ignore[no-untyped-def]
    found = groups(map(judge, facts.nodes))
    assert sorted(v.node.name for g in found for v in g.verdicts) == sorted(n.name for n in facts.nodes)
    assert all(len({v.node.os_image for v in g.verdicts}) == 1 for g in found)
    assert [g.count for g in found] == sorted((g.count for g in found), reverse=True)
    assert all(len(g.title) <= 55 for g in found)


def test_patch_releases_of_one_system_are_one_group() -> None:
    alike = [
        node("a", os_image="Ubuntu 24.04.1 LTS", kernel="6.8.0-45-generic"),
        node("b", os_image="Ubuntu 24.04.2 LTS", kernel="6.8.0-60-generic"),
    ]
    (group,) = groups(map(judge, alike))
    assert group.title == "2 x Ubuntu 24.04, kernel 6.8, containerd 1.7"
    assert group.sample == ("a", "b")


ENFORCING, PERMISSIVE = "SELinux enforcing", "SELinux permissive"


@pytest.mark.parametrize(
    ("fields", "system", "module"),
    [
        (UBUNTU_22, "Ubuntu 22.04", "AppArmor"),
        (RHCOS, "RHCOS 416.94", "SELinux enforcing"),
        (TALOS, "Talos 1.10", "SELinux permissive"),
        (WINDOWS, "Windows 2022", ""),
        ({"os_image": "SUSE Linux Enterprise Server 15 SP5"}, "SLES 15", "AppArmor"),
        ({"os_image": "SUSE Linux Enterprise Server 16.0"}, "SLES 16", "SELinux enforcing"),
        ({"os_image": "Debian GNU/Linux 12 (bookworm)"}, "Debian 12", "AppArmor"),
        ({"os_image": "Amazon Linux 2"}, "Amazon Linux 2", "SELinux disabled"),
        ({"os_image": "Container-Optimized OS from Google"}, "Container-Optimized OS", "AppArmor"),
        ({"os_image": "Something Else 3"}, "Something Else 3", ""),
        ({"os_image": "Debian GNU/Linux trixie/sid"}, "Debian trixie/sid", "AppArmor"),
        ({"os_image": "Ubuntu Core 24"}, "Ubuntu Core 24", "AppArmor"),
        ({"os_image": "openSUSE Leap Micro 6.1"}, "openSUSE Leap Micro 6.1", ""),
        ({"os_image": "openSUSE Leap 15.6"}, "openSUSE Leap 15.6", "AppArmor"),
        ({"os_image": "openSUSE MicroOS"}, "openSUSE MicroOS", "SELinux enforcing"),
        ({"os_image": "SUSE Linux Enterprise Micro 5.5"}, "SLE Micro 5.5", ""),
        ({"os_image": "Garden Linux 1592.1"}, "Garden Linux 1592.1", ""),
        ({"os_image": "VMware Photon OS/Linux"}, "Photon OS", ""),
        ({"os_image": "CBL-Mariner/Linux"}, "CBL-Mariner", ""),
        ({"os_image": "Azure Linux 4.0"}, "Azure Linux 4.0", ""),
        ({**UBUNTU_22, "kubelet_version": "v1.28.0"}, "Ubuntu 22.04", "none"),
        ({**RHCOS, "labels": {"feature.node.kubernetes.io/kernel-version.major": "5"}}, "RHCOS 416.94", PERMISSIVE),
        # By hand, as the GPU operator's documentation has it where NFD does not run.
        ({**RHCOS, "labels": {"feature.node.kubernetes.io/pci-10de.present": "true"}}, "RHCOS 416.94", ENFORCING),
        ({"os_image": "CentOS Stream CoreOS 418.9.202504250632-0"}, "SCOS 418.9", ENFORCING),
        ({"os_image": "Bottlerocket (EKS Auto) 2025.3.14 (aws-k8s-1.30)"}, "Bottlerocket (EKS Auto)", ENFORCING),
        (
            {
                "os_image": "Something Else 3",
                "kubelet_version": "v1.29.4",
                "ready_message": "kubelet is posting ready status. AppArmor enabled",
            },
            "Something Else 3",
            "AppArmor",
        ),
    ],
)
def test_systems_go_by_their_short_names_and_known_defaults(fields: dict[str, str], system: str, module: str) -> None:
    verdict = judge(node(**fields))  # type: ignore[arg-type]
    assert (verdict.system, verdict.security_module) == (system, module)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("ubuntu", True),
        ("ubuntu zone=z1", True),
        ("topology.kubernetes.io/zone=z1", True),
        ("zone=z2", False),
        ("zone=", True),
        ("labeled", True),
        ("labelled", True),
        ("unlabeled", False),
        ("unlabelled", False),
        ("ready node-7", True),
        ("unfit", False),
        ("6.8 amd64 containerd", True),
        ("UBUNTU", True),
        ("rhel", False),
    ],
)
def test_the_filter_finds_what_is_typed(text: str, found: bool) -> None:
    labels = {"topology.kubernetes.io/zone": "z10"}
    assert matches(judge(node("node-7", labelled=True, labels=labels, **UBUNTU_24)), text) is found


POOL_NODES = yaml.safe_load(Path(__file__).parents[1].joinpath("data", "pool_nodes.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", POOL_NODES, ids=lambda row: f"{row['manager'] or 'unknown'} {row['pool']}")
def test_each_managed_pool_says_how_it_is_labeled(row: dict[str, Any]) -> None:
    item = {"metadata": {"name": "n", "labels": row.get("labels", {}), "annotations": row.get("annotations", {})}}
    pool = pool_of(node_facts(item))
    assert pool is not None and (pool.manager, pool.name) == (row["manager"], row["pool"])
    told = f"{pool.command} {pool.caution}"
    assert "smarter-device-manager" in told and (row["pool"] in pool.command or not pool.command)
    assert not re.search(r"[{}]\w+[{}]", told.replace('"', ""))


def test_every_row_of_a_provider_has_a_node_that_it_is_for() -> None:
    assert {row.manager for row in pool_rows()} == {row["manager"] for row in POOL_NODES} - {""}
    assert all(row.source and re.fullmatch(r"20\d\d-\d\d", row.read) for row in pool_rows())


@pytest.mark.parametrize("label", ["node.kubernetes.io/instance-type", "pool", "example.org/carpool", "a.b/pools"])
def test_other_labels_are_no_sign_of_a_pool(label: str) -> None:
    assert pool_of(node(labels={label: "x"})) is None


def test_pools_are_counted() -> None:
    members = [
        *nodes(3, "a", labels={"karpenter.sh/nodepool": "a"}),
        *nodes(5, "b", labels={"karpenter.sh/nodepool": "b"}),
    ]
    assert [(pool.name, count) for pool, count in pools(map(judge, members))] == [("b", 5), ("a", 3)]


def test_a_hostile_pool_name_is_quoted() -> None:
    pool = pool_of(node(labels={"eks.amazonaws.com/nodegroup": "a; rm -rf /"}))
    assert pool is not None and "'a; rm -rf /'" in pool.command
