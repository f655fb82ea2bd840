"""Counts the pods of every node with little traffic, and reads whole pods only of full nodes.

The server counts as kubectl prints: a table has some 200 bytes for a pod, where the pod itself has some thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from wizard.cluster import shapes
from wizard.cluster.concurrency import together
from wizard.cluster.gateway import Gateway
from wizard.cluster.paths import path_of
from wizard.facts.cluster import KubernetesObject, NodeFacts
from wizard.facts.full_nodes import FullNode, RunningPod

TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PAGE: Final = 2000
"""How many rows are requested at once: some 400 kB."""

NAMED: Final = 20
"""Of how many full nodes the pods are read."""

_NOT_ENDED: Final = "status.phase!=Succeeded,status.phase!=Failed"


async def full_nodes(gateway: Gateway, nodes: Iterable[NodeFacts]) -> tuple[FullNode, ...]:
    """Returns those of the nodes that have no room for one more pod, in their order.

    Only the number of pods counts, not what they request. Raises ApiRefusal without permission to list all pods,
    ClusterError without an answer.
    """
    most = {node.name: node.allocatable.get("pods", 0) for node in nodes}
    if not any(most.values()):
        return ()
    counts = await _counted(gateway)
    full = [FullNode(name, counts[name] + 1 - room) for name, room in most.items() if room and counts[name] >= room]
    named = await together(_with_pods(gateway, one) for one in full[:NAMED])
    return (*named, *full[NAMED:])


async def _counted(gateway: Gateway) -> Counter[str]:
    """Returns the number of running and pending pods by node."""
    counts: Counter[str] = Counter()
    query = {"fieldSelector": _NOT_ENDED, "limit": str(PAGE), "includeObject": "None"}
    while True:
        answer = await gateway.request("GET", path_of("Pod"), query=query, accept=TABLE, shape=shapes.PODS_TABLE)
        counts.update(_nodes_in(answer.body))
        token = (answer.body.get("metadata") or {}).get("continue")
        if not token or token == query.get("continue"):
            return counts
        query["continue"] = token


def _nodes_in(page: Mapping[str, Any]) -> Iterator[str]:
    """Yields the node of each pod of a page; a server that knows no tables sends whole pods."""
    names = [column["name"] for column in page.get("columnDefinitions", ())]
    if "Node" in names:
        at = names.index("Node")
        yield from (str(row["cells"][at]) for row in page.get("rows", ()) if len(row["cells"]) > at)
    for pod in page.get("items", ()):
        if node := (pod.get("spec") or {}).get("nodeName"):
            yield str(node)


async def _with_pods(gateway: Gateway, full: FullNode) -> FullNode:
    pods = await gateway.list("Pod", fields=f"spec.nodeName={full.node},{_NOT_ENDED}")
    first = sorted(pods, key=_importance)[: full.excess]
    named = (RunningPod(pod["metadata"]["namespace"], pod["metadata"]["name"], _priority(pod)) for pod in first)
    return FullNode(full.node, full.excess, tuple(named))


def _importance(pod: KubernetesObject) -> tuple[int, list[int]]:
    started = str((pod.get("status") or {}).get("startTime") or "9")
    return _priority(pod), [-ord(letter) for letter in started]


def _priority(pod: KubernetesObject) -> int:
    priority = pod["spec"].get("priority")
    return priority if type(priority) is int else 0
