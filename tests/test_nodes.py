from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.facts_for_tests import (
    CONTROL_PLANE,
    RHCOS,
    TALOS,
    UBUNTU_22,
    UBUNTU_24,
    WINDOWS,
    cluster,
    clusters,
    node,
    nodes,
)
from wizard.answers import NodesChoice
from wizard.errors import UsageError
from wizard.facts import Taint
from wizard.nodes import choose, groups, judge, kernel_too_old, matches, parse_selector, pool_of, pools, untolerated


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
    verdict = judge(node(**fields))
    assert not verdict.possible
    assert said in verdict.reasons[0]


@pytest.mark.parametrize(
    ("kernel", "old"),
    [
        ("4.18.0-553.el8_10.x86_64", False),
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
        "taint node-role.kubernetes.io/control-plane:NoSchedule: the daemon set gets no pod there",
    )
    assert [v.node.name for v in choose(cluster(tainted, node()), NodesChoice())] == ["node-1"]


def test_taints_that_pass_or_only_prefer_keep_nobody_away() -> None:
    passing = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
    preferring = Taint("spot", "true", "PreferNoSchedule")
    cordoned = judge(node(taints=(passing, preferring), unschedulable=True, ready=False))
    assert cordoned.eligible
    assert [note.split(":")[0] for note in cordoned.notes] == ["not ready", "cordoned"]


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
    chosen = choose(facts, NodesChoice(all=False, selector="kubernetes.io/os"))
    assert [verdict.node.name for verdict in chosen] == ["a", "b"]


def test_names_are_taken_as_they_are_said() -> None:
    facts = cluster(*nodes(3), node("old", kernel="4.14.1"))
    chosen = choose(facts, NodesChoice(all=False, names=("old", "node-00001")))
    assert [verdict.node.name for verdict in chosen] == ["node-00001", "old"]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        choose(cluster(*nodes(3)), NodesChoice(all=False, names=("node-00001", "nod-00002", "x")))
    assert "nod-00002 (and 1 more)" in refused.value.what
    assert "node-00002" in refused.value.todo


def test_where_nodes_may_not_be_listed_names_are_taken_on_trust() -> None:
    facts = cluster(nodes=None)
    assert [v.node.name for v in choose(facts, NodesChoice(all=False, names=("a", "a")))] == ["a"]
    assert choose(facts, NodesChoice()) == ()


@given(clusters())
def test_by_default_exactly_the_nodes_without_a_reason_are_chosen(facts) -> None:  # type: ignore[no-untyped-def]
    chosen = {verdict.node.name for verdict in choose(facts, NodesChoice())}
    assert chosen == {n.name for n in facts.nodes if not judge(n).reasons}


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
    verdict = judge(node(**fields))
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
        ("labelled", True),
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


def test_each_managed_pool_has_its_own_command() -> None:
    labels = {
        "Karpenter": {"karpenter.sh/nodepool": "coder", "eks.amazonaws.com/nodegroup": "x"},
        "EKS": {"eks.amazonaws.com/nodegroup": "coder"},
        "AKS": {"kubernetes.azure.com/agentpool": "coder"},
        "GKE": {"cloud.google.com/gke-nodepool": "coder"},
    }
    for manager, of_pool in labels.items():
        pool = pool_of(node(labels=of_pool))
        assert pool is not None and (pool.manager, pool.name) == (manager, "coder")
        assert "smarter-device-manager" in pool.command and "coder" in pool.command
    assert pool_of(node()) is None


def test_pools_are_counted() -> None:
    members = [
        *nodes(3, "a", labels={"karpenter.sh/nodepool": "a"}),
        *nodes(5, "b", labels={"karpenter.sh/nodepool": "b"}),
    ]
    assert [(pool.name, count) for pool, count in pools(map(judge, members))] == [("b", 5), ("a", 3)]


def test_a_hostile_pool_name_is_quoted() -> None:
    pool = pool_of(node(labels={"eks.amazonaws.com/nodegroup": "a; rm -rf /"}))
    assert pool is not None and "'a; rm -rf /'" in pool.command
