from __future__ import annotations

from hypothesis import given, settings

from tests.facts_for_tests import CONTROL_PLANE, WINDOWS, cluster, clusters, namespace, node, nodes
from wizard.answers import ManifestChoice, NodesChoice
from wizard.facts import ClusterFacts, Taint
from wizard.forecast import ForecastRow, forecast, summary
from wizard.manifest import render
from wizard.nodes import choose, judge


def rows(
    facts: ClusterFacts, manifest: ManifestChoice | None = None, which: NodesChoice | None = None
) -> tuple[ForecastRow, ...]:
    chosen = choose(facts, which or NodesChoice())
    return forecast(facts, chosen, render(facts, chosen, manifest or ManifestChoice()))


GUIDE = ManifestChoice(preset="guide")


def test_the_sum_names_who_stays_out() -> None:
    facts = cluster(*nodes(57), *nodes(3, "cp", taints=(CONTROL_PLANE,)))
    assert summary(rows(facts)) == "57 nodes will get a pod, 3 will not (control plane)"
    assert summary(rows(cluster(node()))) == "1 node will get a pod"


def test_the_guides_quota_stops_the_rest() -> None:
    found = rows(cluster(*nodes(80)), GUIDE)
    assert [(row.count, row.gets_pod, row.why) for row in found] == [
        (50, True, ""),
        (30, False, "the quota allows 50 pods"),
    ]
    assert summary(rows(cluster(*nodes(80)))) == "80 nodes will get a pod"


def test_who_has_a_pod_keeps_it_under_the_quota() -> None:
    pods = tuple({"spec": {"nodeName": f"node-{n:05}"}} for n in range(55, 60))
    found = rows(cluster(*nodes(60), plugin_pods=pods), GUIDE)
    assert {"node-00055", "node-00059"} <= set(found[0].nodes) and found[0].count == 50


def test_pod_security_refuses_all_until_the_namespace_is_labelled() -> None:
    facts = cluster(*nodes(4), objects={"Namespace": namespace(**{"pod-security.kubernetes.io__enforce": "baseline"})})
    assert summary(rows(facts, GUIDE)) == "0 nodes will get a pod, 4 will not (Pod Security)"
    assert summary(rows(facts)) == "4 nodes will get a pod"


def test_labels_that_were_there_before_count_too() -> None:
    facts = cluster(node("a"), node("b", labelled=True), node("c"))
    found = rows(facts, which=NodesChoice(all=False, names=("a",)))
    assert {name for row in found if row.gets_pod for name in row.nodes} == {"a", "b"}
    assert [row.why for row in found if not row.gets_pod] == ["not chosen, and has no label"]


def test_windows_is_kept_out_by_the_selector_or_fails() -> None:
    facts = cluster(node("a"), node("w", labelled=True, **WINDOWS))
    assert [row.why for row in rows(facts) if not row.gets_pod] == ["the node selector asks for linux"]
    assert [row.why for row in rows(facts, GUIDE) if not row.gets_pod] == [
        "its pod cannot start: the image is for Linux"
    ]


def test_a_toleration_lets_a_chosen_node_in() -> None:
    facts = cluster(node("a"), node("g", taints=(Taint("gpu", "yes", "NoSchedule"),)))
    both = NodesChoice(all=False, names=("a", "g"))
    assert summary(rows(facts, which=both)) == "2 nodes will get a pod"
    assert summary(rows(facts, GUIDE, both)) == "1 node will get a pod, 1 will not (tainted)"


def test_without_node_selector_every_untainted_linux_node_gets_one() -> None:
    facts = cluster(*nodes(3), node("w", **WINDOWS), node("cp", taints=(CONTROL_PLANE,)))
    one = NodesChoice(all=False, names=("node-00000",))
    found = rows(facts, ManifestChoice(set={"no-node-selector": True}), one)
    assert sum(row.count for row in found if row.gets_pod) == 3


def test_a_node_that_is_not_ready_gets_it_later() -> None:
    assert rows(cluster(node(ready=False)))[0].why == "once it is ready"


def test_fargate_gets_none_whatever_is_chosen() -> None:
    fargate = node("f", labels={"eks.amazonaws.com/compute-type": "fargate"})
    assert summary(rows(cluster(fargate), which=NodesChoice(all=False, names=("f",)))).endswith("will not (Fargate)")


def test_where_nodes_may_not_be_listed_the_named_ones_are_forecast() -> None:
    found = rows(cluster(nodes=None), which=NodesChoice(all=False, names=("a", "b")))
    assert summary(found) == "2 nodes will get a pod"


@given(clusters())
@settings(max_examples=60)
def test_with_the_recommended_manifest_every_chosen_node_and_no_unfit_one_gets_a_pod(facts: ClusterFacts) -> None:
    found = rows(facts)
    assert sorted(name for row in found for name in row.nodes) == sorted(n.name for n in facts.nodes or ())
    served = {name for row in found if row.gets_pod for name in row.nodes}
    assert served == {n.name for n in facts.nodes or () if judge(n).eligible}
