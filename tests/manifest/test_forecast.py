from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts_for_tests import CONTROL_PLANE, WINDOWS, cluster, clusters, judged, live_quota, namespace, node, nodes
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice, OwnershipChoice
from wizard.facts.cluster import ClusterFacts, Taint
from wizard.facts.rollout import RolloutResult, Shortfall
from wizard.manifest import Basis, render
from wizard.manifest.forecast import ForecastRow, compare, forecast, sentence, summary
from wizard.nodes.verdicts import judge


def rows(
    facts: ClusterFacts, manifest: ManifestChoice | None = None, which: NodesChoice | None = None
) -> tuple[ForecastRow, ...]:
    answers = Answers(manifest=manifest or ManifestChoice(), nodes=which or NodesChoice())
    return judged(facts, answers).forecast


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


@pytest.mark.parametrize("name", ["openshift.io/node-selector", "scheduler.alpha.kubernetes.io/node-selector"])
@pytest.mark.parametrize(
    ("selector", "served"), [("pool=b, zone=z", ["b"]), ("pool=b", ["b", "c"]), ("", ["a", "b", "c"])]
)
def test_the_node_selector_of_the_namespace_keeps_pods_off_other_nodes(name: str, selector: str, served: str) -> None:
    there = namespace()
    there["metadata"]["annotations"] = {name: selector}
    members = node("a"), node("b", labels={"pool": "b", "zone": "z"}), node("c", labels={"pool": "b"})
    found = rows(cluster(*members, objects={"Namespace": there}))
    assert sorted(name for row in found if row.gets_pod for name in row.nodes) == list(served)
    assert {row.short for row in found if not row.gets_pod} <= {"namespace selector"}


def test_labels_that_were_there_before_count_too() -> None:
    facts = cluster(node("a"), node("b", labelled=True), node("c"))
    found = rows(facts, which=NodesChoice(all=False, names=("a",)))
    assert {name for row in found if row.gets_pod for name in row.nodes} == {"a", "b"}
    assert [row.why for row in found if not row.gets_pod] == ["not selected and not labeled"]


def test_windows_is_kept_out_by_the_selector_or_fails() -> None:
    facts = cluster(node("a"), node("w", labelled=True, **WINDOWS))
    assert [row.why for row in rows(facts) if not row.gets_pod] == ["the node selector requires linux"]
    assert [row.why for row in rows(facts, GUIDE) if not row.gets_pod] == [
        "its pod cannot start: the image supports only Linux"
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
    assert rows(cluster(node(ready=False)))[0].why == "when the node is ready"


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


# What happened, beside what was forecast


def ended(names: list[str], *failing: Shortfall, waiting: tuple[str, ...] = ()) -> RolloutResult:
    return RolloutResult(len(names), len(names) - len(failing) - len(waiting), failing, 9.0, tuple(names), waiting)


def short(name: str, word: str) -> Shortfall:
    return Shortfall(name, f"{word} was seen; mend the {word}", word, f"mend the {word}")


def test_a_group_that_came_otherwise_stands_first_with_what_was_seen_and_its_remedy() -> None:
    facts = cluster(*nodes(4), node("gone", ready=False))
    names = [one.name for one in facts.nodes or ()]
    found = compare(rows(facts), names, ended(names, short(names[0], "image"), short("gone", "not ready")))
    assert [(row.state, len(row.nodes), row.expected, row.happened, row.wrong) for row in found] == [
        ("failed", 1, "pod", "image", True),
        ("warning", 1, "not ready", "not ready", False),
        ("done", 3, "pod", "ready", False),
    ]
    assert (found[0].nodes, found[0].seen, found[0].todo) == ((names[0],), "image was seen", "mend the image")
    assert sentence(found) == "1 of 5 nodes differs from the forecast (image)."


def test_before_the_rollout_it_is_the_forecast_of_the_chosen_nodes_alone() -> None:
    facts = cluster(*nodes(3), node("cp", taints=(CONTROL_PLANE,)))
    both = NodesChoice(all=False, names=("node-00000", "cp"))
    found = compare(rows(facts, GUIDE, both), ["node-00000", "cp"])
    assert [(row.state, row.nodes, row.forecast, row.happened) for row in found] == [
        ("warning", ("cp",), "no pod: control plane", ""),
        ("ok", ("node-00000",), "pod", ""),
    ]


@given(st.integers(0, 30), st.integers(0, 20))
def test_whichever_nodes_the_quota_left_out_their_number_was_forecast(refused: int, first: int) -> None:
    facts = cluster(*nodes(80))
    names = [one.name for one in facts.nodes or ()]
    left_out = names[first : first + refused]
    found = compare(rows(facts, GUIDE), names, ended(names, *(short(name, "quota") for name in left_out)))
    assert sorted(name for row in found for name in row.nodes) == names
    # Thirty were to be left out; where it was fewer, the rest got a pod against the forecast.
    assert sum(len(row.nodes) for row in found if row.wrong) == 30 - refused
    assert all(row.ready for row in found if row.wrong)


def test_thousands_that_the_quota_left_out_are_compared_in_a_moment() -> None:
    def seconds(number: int) -> float:
        facts = cluster(*nodes(number))
        names = [one.name for one in facts.nodes or ()]
        forecasts, end = rows(facts, GUIDE), ended(names, *(short(name, "quota") for name in reversed(names[50:])))

        def once() -> float:
            began = thread_time()
            compare(forecasts, names, end)
            return thread_time() - began

        return min(once() for _ in range(5))

    # Eight times as many nodes: where each were compared with each, it would be sixty-four times as much.
    assert seconds(4000) < 24 * max(seconds(500), 0.001)


def test_what_was_not_waited_for_to_the_end_is_neither_right_nor_wrong() -> None:
    facts = cluster(*nodes(2))
    names = [one.name for one in facts.nodes or ()]
    found = compare(rows(facts), names, ended(names, waiting=(names[1],)))
    assert [(row.state, row.nodes, row.wrong) for row in found] == [
        ("unknown", (names[1],), False),
        ("done", (names[0],), False),
    ]


def test_what_others_keep_is_what_the_forecast_goes_by() -> None:
    live = {item["kind"]: item for item in render(Basis(), GUIDE).objects}
    live["ResourceQuota"] = live_quota({"hard": {"pods": "2"}})
    facts = cluster(*nodes(5, labelled=True), objects=live)

    def served(choice: OwnershipChoice) -> int:
        return sum(row.count for row in judged(facts, Answers(ownership=choice)).forecast if row.gets_pod)

    assert served(OwnershipChoice()) == 5
    assert served(OwnershipChoice(decided={"ResourceQuota": "skip"})) == 2
    assert served(OwnershipChoice(decided={"ResourceQuota .spec.hard.pods": "leave"})) == 2
    as_it_is = forecast(facts, judged(facts).verdicts, set(), tuple(live.values()))
    assert sum(row.count for row in as_it_is if row.gets_pod) == 2


def test_a_daemon_set_that_is_skipped_and_not_there_gives_no_pod() -> None:
    found = judged(cluster(*nodes(2)), Answers(ownership=OwnershipChoice(decided={"DaemonSet": "skip"}))).forecast
    assert summary(found) == "0 nodes will get a pod, 2 will not (no DaemonSet)"
