"""Which nodes will get a pod of the device manager, computed from the objects as they would be applied.

It knows nothing of adjustments and their reasons, so it also tells where one of them would not do what it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wizard.facts import ClusterFacts, KubernetesObject, NodeFacts
from wizard.manifest import Rendering, enforced_level
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import ARCHITECTURES, CONTROL_PLANE_TAINTS, NodeVerdict, judge, untolerated, virtual_kind

_ENFORCE = "pod-security.kubernetes.io/enforce"
_CRITICAL = ("system-node-critical", "system-cluster-critical")


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """Like nodes with the same fate: ``title`` names their system, ``nodes`` their names, ``why`` the reason.

    ``short`` is the reason in a word or two, for sums ("control plane").
    """

    title: str
    nodes: tuple[str, ...]
    gets_pod: bool
    why: str
    short: str

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.nodes)

    @property
    def sample(self) -> tuple[str, ...]:
        """The names of the first three."""
        return self.nodes[:3]

    def to_json(self) -> dict[str, Any]:
        """The row as commands print it."""
        return {
            "title": self.title,
            "nodes": self.count,
            "sample": list(self.sample),
            "gets_pod": self.gets_pod,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class _Fate:
    gets_pod: bool
    why: str
    short: str


def forecast(facts: ClusterFacts, chosen: Sequence[NodeVerdict], rendering: Rendering) -> tuple[ForecastRow, ...]:
    """The fate of every node once the objects are applied and the chosen nodes are labelled, largest row first.

    Where the nodes may not be listed, of the chosen ones alone. Where the quota is smaller than the number of nodes,
    those that have a pod keep it, and the rest are taken in the cluster's order: which ones the controller takes is
    up to it, how many is not.
    """
    named = {verdict.node.name for verdict in chosen}
    verdicts = chosen if facts.nodes is None else tuple(map(judge, facts.nodes))
    fates = {verdict.node.name: _fate(verdict.node, verdict.node.name in named, rendering) for verdict in verdicts}
    fates = _under_pod_security(fates, facts, rendering)
    fates = _under_quota(fates, facts, rendering)
    rows: defaultdict[tuple[str, _Fate], list[str]] = defaultdict(list)
    for verdict in verdicts:
        rows[verdict.system, fates[verdict.node.name]].append(verdict.node.name)
    found = [
        ForecastRow(title, tuple(names), fate.gets_pod, fate.why, fate.short) for (title, fate), names in rows.items()
    ]
    return tuple(sorted(found, key=lambda row: (not row.gets_pod, -row.count, row.title)))


def _fate(node: NodeFacts, named: bool, rendering: Rendering) -> _Fate:
    pod = _object(rendering.objects, "DaemonSet")["spec"]["template"]["spec"]
    # Every kubelet sets this label; a node that is known by its name alone shows none.
    labels = {"kubernetes.io/os": node.operating_system, **node.labels}
    if named:
        labels[NODE_LABEL] = NODE_LABEL_VALUE
    taints = untolerated(node, pod.get("tolerations", ()))
    if virtual := virtual_kind(node):
        return _Fate(False, f"{virtual}: daemon sets get no pod there", virtual)
    missed = {key: wanted for key, wanted in pod.get("nodeSelector", {}).items() if labels.get(key) != wanted}
    if wanted := missed.get("kubernetes.io/os"):
        return _Fate(False, f"the node selector asks for {wanted}", f"not {wanted.capitalize()}")
    for key, wanted in missed.items():
        if key != NODE_LABEL:
            return _Fate(False, f"the node selector asks for {key}={wanted}", "node selector")
    if missed and not taints:
        return _Fate(False, "not chosen, and has no label", "not chosen")
    if taints:
        control_plane = any(taint.key in CONTROL_PLANE_TAINTS for taint in taints)
        short = "control plane" if control_plane else "tainted"
        return _Fate(False, f"taint {taints[0]}, which the daemon set does not tolerate", short)
    if node.operating_system != "linux":
        return _Fate(False, "its pod cannot start: the image is for Linux", "not Linux")
    if node.architecture and node.architecture not in ARCHITECTURES:
        return _Fate(False, f"its pod cannot start: no image for {node.architecture}", f"no {node.architecture} image")
    if not node.ready:
        return _Fate(True, "once it is ready", "not ready")
    return _Fate(True, "", "")


def _under_pod_security(fates: Mapping[str, _Fate], facts: ClusterFacts, rendering: Rendering) -> dict[str, _Fate]:
    labels = _object(rendering.objects, "Namespace")["metadata"].get("labels", {})
    level, _ = enforced_level(facts)
    if not level or labels.get(_ENFORCE) == "privileged":
        return dict(fates)
    refused = _Fate(False, f"Pod Security {level} refuses its host paths", "Pod Security")
    return {name: refused if fate.gets_pod else fate for name, fate in fates.items()}


def _under_quota(fates: dict[str, _Fate], facts: ClusterFacts, rendering: Rendering) -> dict[str, _Fate]:
    limit = _pods_allowed(rendering.objects)
    waiting = [name for name, fate in fates.items() if fate.gets_pod]
    if limit is None or len(waiting) <= limit:
        return fates
    served = {pod.get("spec", {}).get("nodeName") for pod in facts.plugin_pods}
    over = sorted(waiting, key=lambda name: name not in served)[limit:]
    stopped = _Fate(False, f"the quota allows {limit} pods", "quota")
    return {**fates, **dict.fromkeys(over, stopped)}


def _pods_allowed(objects: Sequence[KubernetesObject]) -> int | None:
    """How many pods the quota allows the daemon set; None where it does not count them."""
    spec = _object(objects, "ResourceQuota")["spec"]
    pod = _object(objects, "DaemonSet")["spec"]["template"]["spec"]
    scopes = spec.get("scopeSelector", {}).get("matchExpressions", ())
    counted = all(pod.get("priorityClassName") in scope.get("values", _CRITICAL) for scope in scopes)
    limit = str(spec.get("hard", {}).get("pods", ""))
    return int(limit) if counted and limit.isdecimal() else None


def _object(objects: Sequence[KubernetesObject], kind: str) -> KubernetesObject:
    return next(item for item in objects if item["kind"] == kind)


def summary(rows: Iterable[ForecastRow]) -> str:
    """The forecast in a line: ``57 nodes will get a pod, 3 will not (control plane)``."""
    served = sum(row.count for row in rows if row.gets_pod)
    reasons: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        if not row.gets_pod:
            reasons[row.short] += row.count
    text = f"{served} node{'' if served == 1 else 's'} will get a pod"
    if not reasons:
        return text
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    why = ordered[0][0] if len(ordered) == 1 else ", ".join(f"{count} {short}" for short, count in ordered)
    return f"{text}, {sum(reasons.values())} will not ({why})"
