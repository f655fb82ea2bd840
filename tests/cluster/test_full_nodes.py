"""Full nodes: who would be displaced is told before, wants a consent, and is what happens; counted cheaply."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import cluster_of
from tests.facts_for_tests import cluster, judged, node, nodes
from wizard.choices.answers import Answers, ManifestChoice
from wizard.cluster import Gateway, full_nodes
from wizard.cluster.credentials import Identity
from wizard.cluster.full_nodes import TABLE
from wizard.cluster.kubeconfig import Access
from wizard.cluster.lists import ListSlice
from wizard.cluster.transport import Answer, Transport
from wizard.facts.cluster import ClusterFacts, Unread
from wizard.facts.full_nodes import PODS_OF_ALL_NODES, FullNode, RunningPod
from wizard.manifest.forecast import compare, displaced_pods
from wizard.plan.derive import derive, plan_labels
from wizard.sandbox import Scenario
from wizard.sandbox.scenarios import scenario

BUSY, FREE, ANSWERS = "busy-1", "free-1", "security-modules: {acknowledged: true}\nrollout: {timeout: 20}\n"


def workspace(name: str, priority: str = "") -> dict[str, Any]:
    spec = {"nodeName": BUSY, "priorityClassName": priority, "containers": [{"name": "dev", "image": "dev"}]}
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}
    return {"manager": "coder", "operation": "Update", "object": item}


def two_nodes(*pods: dict[str, Any], **more: Any) -> Scenario:
    groups = [{"name": BUSY, "system": "amazon-linux-2023", "pods": "2"}, {"name": FREE, "system": "amazon-linux-2023"}]
    return scenario("full", {"nodes": groups, "objects": list(pods), **more})


PODS = workspace("ws-1", "system-cluster-critical"), workspace("ws-2")


async def test_whom_a_critical_pod_displaces_is_told_and_wants_a_consent(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(ANSWERS)
    run = ("run", "--answers", str(answers), "--yes")
    async with cluster_of("sandbox", two_nodes(*PODS), tmp_path) as busy:
        stopped = await busy.command(*run, "-o", "json")
        assert stopped.code == 5, stopped.error
        error = stopped.events[-1]["error"]["what"]
        assert error == (
            "Nothing was changed. The device manager displaces 1 running pod on 1 full node: default/ws-2 on busy-1."
        )
        shown = await busy.command(*run, "--dry-run")
        assert "Why    busy-1: in place of default/ws-2: the node is full" in shown.out
        assert (await busy.command("nodes", "label", "--all")).code == 0, (
            "without a DaemonSet, a label displaces nobody"
        )
        assert (await busy.command("nodes", "unlabel", "--all", "--allow-disruption")).code == 0
        ended = await busy.command(*run, "--allow-disruption", "-o", "json")
        assert ended.code == 0, ended.error
        pods = (await busy.get("/api/v1/namespaces/default/pods"))["items"]
        assert [pod["metadata"]["name"] for pod in pods] == ["ws-1"]
        again = await busy.command(*run, "-o", "json")
        assert (again.code, again.events[0]["gates"]) == (0, [])


async def test_a_label_alone_displaces_too(tmp_path: Path) -> None:
    async with cluster_of("sandbox", two_nodes(*PODS), tmp_path) as busy:
        assert (await busy.command("manifest", "apply")).code == 0
        refused = await busy.command("nodes", "label", "--all")
        assert (refused.code, "default/ws-2 on busy-1" in refused.error) == (5, True), refused.error
        free = await busy.command("nodes", "label", FREE, "--wait", "20")
        assert free.code == 0, free.error


def full(*pods: RunningPod, excess: int = 1, read: bool = True) -> ClusterFacts:
    one = FullNode("a", excess, pods if read else None)
    return cluster(node("a"), node("b"), full_nodes=(one,))


@pytest.mark.parametrize(
    ("facts", "says", "gate"),
    [
        (full(RunningPod("x", "p")), "ok, in place of x/p: the node is full", "x/p on a"),
        (full(read=False), "ok, in place of a pod of lower priority: the node is full", "a pod on a"),
        (full(RunningPod("x", "p", 2000001000)), "no pod, the node is full, and no pod there has a lower priority", ""),
        (full(RunningPod("x", "p"), RunningPod("x", "q", 2000001000), excess=2), "no pod, the node is full", ""),
        (cluster(node("a"), node("b")), "ok, ", ""),
    ],
)
def test_the_forecast_has_them_by_node(facts: ClusterFacts, says: str, gate: str) -> None:
    judgement = judged(facts)
    row = next(one for one in judgement.forecast if "a" in one.nodes)
    assert f"{'ok' if row.gets_pod else 'no pod'}, {row.why}".startswith(says)
    state = next(one.state for one in compare(judgement.forecast, ["a"]))
    assert state == ("ok" if says == "ok, " else "warning")
    told = [one.text for one in derive(judgement).gates if one.kind == "disruption"]
    assert (gate in told[0]) if gate else not told
    # Without a DaemonSet, a label displaces nobody.
    alone = judgement.changed(answers=Answers(manifest=ManifestChoice(apply=False)))
    assert not plan_labels(alone, alone.chosen, remove=False, by_name=False).gates


def test_where_pods_cannot_be_listed_the_plan_says_so_and_stops_nothing() -> None:
    unread = Unread(PODS_OF_ALL_NODES, "list", "pods in all namespaces", "forbidden")
    plan = derive(judged(cluster(*nodes(2), unread=(unread,))))
    assert not [gate for gate in plan.gates if gate.kind == "disruption"]
    assert plan.notes[-1].startswith("Not checked: whether 2 nodes have room for one more pod (list pods in all")
    served = tuple({"metadata": {"name": f"p{i}"}, "spec": {"nodeName": f"node-0000{i}"}} for i in range(2))
    assert not derive(judged(cluster(*nodes(2), unread=(unread,), plugin_pods=served))).notes


def test_a_class_that_is_not_known_tells_nothing() -> None:
    objects = [{"kind": "DaemonSet", "spec": {"template": {"spec": {"priorityClassName": "mine"}}}}]
    assert displaced_pods(full(RunningPod("x", "p")), objects, {"a"}) == {}


async def test_five_thousand_nodes_with_a_hundred_thousand_pods_are_counted_in_fifty_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"node-{number:05}" for number in range(5000)]
    sent: list[int] = []
    listed: list[str] = []

    async def request(self: Gateway, method: str, path: str, **options: Any) -> Answer[Any]:
        query = options["query"]
        assert (options["accept"], query["includeObject"]) == (TABLE, "None")
        start, size = int(query.get("continue", 0)), int(query["limit"])
        rows = [{"cells": [f"pod-{one}", names[one % 5000]]} for one in range(start, min(start + size, 100_000))]
        more = {"continue": str(start + size)} if start + size < 100_000 else {}
        page = {"metadata": more, "columnDefinitions": [{"name": "Name"}, {"name": "Node"}], "rows": rows}
        sent.append(len(json.dumps(page)))
        return Answer(200, {}, page, ())

    async def slices(self: Gateway, kind: str, *_: Any, fields: str = "", **__: Any) -> AsyncGenerator[Any, None]:
        listed.append(fields)
        yield ListSlice(
            tuple(
                {
                    "metadata": {"name": name, "namespace": "x"},
                    "spec": {"priority": priority},
                    "status": {"startTime": f"2026-11-{day}T10:00:00Z"},
                }
                for name, priority, day in (("old", 0, 20), ("late", 0, 23), ("high", 9, 25))
            )
        )

    monkeypatch.setattr(Gateway, "request", request)
    monkeypatch.setattr(Gateway, "slices", slices)
    gateway = Gateway(Transport(Access("test", "https://127.0.0.1:1", Identity(), "nowhere")))
    # Each has twenty; a hundred of them take no more than that.
    facts = [node(name, allocatable={"pods": 20 if number < 100 else 110}) for number, name in enumerate(names)]
    found = await full_nodes.full_nodes(gateway, facts)
    assert [one.node for one in found] == names[:100]
    assert (len(sent), len(listed)) == (50, full_nodes.NAMED)
    # The lowest priority goes first, and of these the latest start.
    assert found[0].pods == (RunningPod("x", "late"),)
    assert found[-1].pods is None
