"""The forecast: which nodes will get a device manager pod, computed from the objects as they would be applied.

It does not use the adjustments and their reasons, so it also shows if one of them would not have the stated effect.
After the rollout, ``compare`` puts the result next to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from wizard import quantities
from wizard.facts.cluster import ClusterFacts, KubernetesObject, NodeFacts
from wizard.facts.full_nodes import PRIORITIES, RunningPod
from wizard.manifest import enforced_level
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes.taints import CONTROL_PLANE_TAINTS, until_they_pass, untolerated
from wizard.nodes.verdicts import ARCHITECTURES, NodeVerdict, fits_affinity, virtual_kind
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.facts.rollout import RolloutResult

_ENFORCE = "pod-security.kubernetes.io/enforce"
_CRITICAL = ("system-node-critical", "system-cluster-critical")

POD: Final = "pod"
"""The forecast of a node that gets a pod and is ready."""
READY: Final = "ready"
NOT_READY: Final = "not ready"
NOT_KNOWN: Final = "not known"
"""The result of a node if the wait was stopped, or could not see it."""
QUOTA: Final = "quota"
"""Forecasts and results that are compared with each other; all others are only shown."""


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """Similar nodes with the same forecast: their system (``title``), their names, and the reason (``why``).

    ``short`` is the reason in a word or two, for totals ("control plane").
    """

    title: str
    nodes: tuple[str, ...]
    gets_pod: bool
    why: str
    short: str

    @property
    def count(self) -> int:
        """The number of nodes."""
        return len(self.nodes)

    @property
    def sample(self) -> tuple[str, ...]:
        """The names of the first three."""
        return self.nodes[:3]

    def to_json(self) -> dict[str, Any]:
        """Returns the row as commands print it."""
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


def forecast(
    facts: ClusterFacts,
    verdicts: Sequence[NodeVerdict],
    labeled: Collection[str],
    objects: Sequence[KubernetesObject],
    *,
    level: str = "",
) -> tuple[ForecastRow, ...]:
    """Returns the forecast of every node once the cluster has these objects and the nodes in ``labeled`` the label.

    ``verdicts`` are all nodes, or the selected ones if nodes cannot be listed. The largest row comes first. If the
    quota is smaller than the number of nodes, those that have a pod keep it, and the rest follow in the cluster's
    order: the number is certain, but the controller decides which nodes they are. ``level`` is the Pod Security level
    that the server enforces from now on, if it said so.
    """
    fates = {verdict.node.name: _fate(verdict.node, verdict.node.name in labeled, objects) for verdict in verdicts}
    fates = _under_pod_security(fates, level or enforced_level(facts)[0], objects)
    fates = _under_quota(fates, facts, objects)
    fates = _on_full_nodes(fates, facts, objects)
    rows: defaultdict[tuple[str, _Fate], list[str]] = defaultdict(list)
    for verdict in verdicts:
        rows[verdict.system, fates[verdict.node.name]].append(verdict.node.name)
    found = [
        ForecastRow(title, tuple(names), fate.gets_pod, fate.why, fate.short) for (title, fate), names in rows.items()
    ]
    return tuple(sorted(found, key=lambda row: (not row.gets_pod, -row.count, row.title)))


def displaced_pods(
    facts: ClusterFacts, objects: Sequence[KubernetesObject], nodes: Collection[str]
) -> dict[str, tuple[RunningPod, ...] | None]:
    """Returns by node the running pods that the device manager's pod displaces: those nodes have no room for it.

    None: the node is full, and its pods were not read. A node on which it cannot displace any is left out.
    """
    priority = _priority(objects)
    if priority is None:
        return {}
    found = {one.node: one.displaced(priority) for one in facts.full_nodes if one.node in nodes}
    return {name: pods for name, pods in found.items() if pods is None or pods}


def _priority(objects: Sequence[KubernetesObject]) -> int | None:
    """Returns the priority of the device manager's pod; None if its class is not one that every cluster has."""
    daemon_set = _object(objects, "DaemonSet")
    if not daemon_set:
        return None
    return PRIORITIES.get(str(daemon_set["spec"]["template"]["spec"].get("priorityClassName") or ""))


def _on_full_nodes(
    fates: Mapping[str, _Fate], facts: ClusterFacts, objects: Sequence[KubernetesObject]
) -> dict[str, _Fate]:
    changed = dict(fates)
    priority = _priority(objects)
    if priority is None:
        return changed
    for one in facts.full_nodes:
        fate = fates.get(one.node)
        if fate is None or not fate.gets_pod:
            continue
        pods = one.displaced(priority)
        if pods is None:
            changed[one.node] = replace(fate, why="in place of a pod of lower priority: the node is full")
        elif pods:
            changed[one.node] = replace(fate, why=f"in place of {', '.join(map(str, pods))}: the node is full")
        else:
            changed[one.node] = _Fate(False, "the node is full, and no pod there has a lower priority", "full")
    return changed


def _fate(node: NodeFacts, named: bool, objects: Sequence[KubernetesObject]) -> _Fate:
    daemon_set = _object(objects, "DaemonSet")
    if not daemon_set:
        return _Fate(False, "the DaemonSet does not exist and will not be applied", "no DaemonSet")
    pod = daemon_set["spec"]["template"]["spec"]
    # Every kubelet sets this label, but a node of which only the name is known has no labels here.
    labels = {"kubernetes.io/os": node.operating_system, **node.labels}
    if named:
        labels[NODE_LABEL] = NODE_LABEL_VALUE
    taints = untolerated(node, pod.get("tolerations") or ())
    if virtual := virtual_kind(node):
        return _Fate(False, f"{virtual}: DaemonSets do not run there", virtual)
    missed = {key: wanted for key, wanted in (pod.get("nodeSelector") or {}).items() if labels.get(key) != wanted}
    if wanted := missed.get("kubernetes.io/os"):
        return _Fate(False, f"the node selector requires {wanted}", f"not {wanted.capitalize()}")
    for key, wanted in missed.items():
        if key != NODE_LABEL:
            return _Fate(False, f"the node selector requires {key}={wanted}", "node selector")
    if missed and not taints:
        return _Fate(False, "not selected and not labeled", "not selected")
    if taints:
        control_plane = any(taint.key in CONTROL_PLANE_TAINTS for taint in taints)
        short = "control plane" if control_plane else "tainted"
        return _Fate(False, f"the DaemonSet does not tolerate the taint {taints[0]}", short)
    for key, wanted in _namespace_selector(objects).items():
        if labels.get(key) != wanted:
            why = f"the node selector of the namespace requires {key}={wanted}, so the pod is rejected on other nodes"
            return _Fate(False, why, "namespace selector")
    if not fits_affinity(node, labels, pod):
        return _Fate(False, "the required node affinity of the DaemonSet excludes it", "required node affinity")
    return _fate_of_pod(node, pod)


_SELECTORS: Final = ("openshift.io/node-selector", "scheduler.alpha.kubernetes.io/node-selector")
"""The annotations of a namespace whose selector admission adds to each pod; the DaemonSet's controller ignores them
(OpenShift documentation, project node selectors; Kubernetes documentation, PodNodeSelector)."""


def _namespace_selector(objects: Sequence[KubernetesObject]) -> dict[str, str]:
    namespace = _object(objects, "Namespace")
    annotations = (namespace.get("metadata") or {}).get("annotations") or {}
    parts = (part.partition("=") for name in _SELECTORS for part in str(annotations.get(name) or "").split(","))
    return {key.strip(): value.strip() for key, equals, value in parts if equals}


def _fate_of_pod(node: NodeFacts, pod: KubernetesObject) -> _Fate:
    """Returns what becomes of a pod that the DaemonSet's controller makes for the node."""
    if node.operating_system != "linux":
        return _Fate(False, "its pod cannot start: the image supports only Linux", "not Linux")
    if node.architecture and node.architecture not in ARCHITECTURES:
        return _Fate(
            False,
            f"its pod cannot start: the image does not support {node.architecture}",
            f"no {node.architecture} image",
        )
    if not node.ready:
        return _Fate(True, "when the node is ready", NOT_READY)
    if passing := until_they_pass(node, pod):
        return _Fate(True, f"when the taint {passing[0]} is gone", NOT_READY)
    return _Fate(True, "", "")


def _under_pod_security(
    fates: Mapping[str, _Fate], level: str, objects: Sequence[KubernetesObject]
) -> dict[str, _Fate]:
    labels = _object(objects, "Namespace").get("metadata", {}).get("labels") or {}
    if not level or labels.get(_ENFORCE) == "privileged":
        return dict(fates)
    refused = _Fate(False, f"Pod Security {level} rejects its host paths", "Pod Security")
    return {name: refused if fate.gets_pod else fate for name, fate in fates.items()}


def _under_quota(fates: dict[str, _Fate], facts: ClusterFacts, objects: Sequence[KubernetesObject]) -> dict[str, _Fate]:
    limit = _pods_allowed(objects)
    waiting = [name for name, fate in fates.items() if fate.gets_pod]
    if limit is None or len(waiting) <= limit:
        return fates
    served = {pod.get("spec", {}).get("nodeName") for pod in facts.plugin_pods}
    over = sorted(waiting, key=lambda name: name not in served)[limit:]
    stopped = _Fate(False, f"the quota allows {counted(limit, 'pod')}", QUOTA)
    return {**fates, **dict.fromkeys(over, stopped)}


def _pods_allowed(objects: Sequence[KubernetesObject]) -> int | None:
    """Returns how many pods the quota allows for the DaemonSet; None if it does not count them."""
    spec = _object(objects, "ResourceQuota").get("spec", {})
    pod = _object(objects, "DaemonSet").get("spec", {}).get("template", {}).get("spec", {})
    scopes = spec.get("scopeSelector", {}).get("matchExpressions", ())
    applies = all(pod.get("priorityClassName") in scope.get("values", _CRITICAL) for scope in scopes)
    return quantities.whole((spec.get("hard") or {}).get("pods", "")) if applies else None


def _object(objects: Sequence[KubernetesObject], kind: str) -> KubernetesObject:
    return next((item for item in objects if item["kind"] == kind), {})


def summary(rows: Iterable[ForecastRow]) -> str:
    """Returns the forecast in one line: ``57 nodes will get a pod, 3 will not (control plane)``."""
    served = sum(row.count for row in rows if row.gets_pod)
    reasons: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        if not row.gets_pod:
            reasons[row.short] += row.count
    text = f"{counted(served, 'node')} will get a pod"
    if not reasons:
        return text
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    why = ordered[0][0] if len(ordered) == 1 else ", ".join(f"{count} {short}" for short, count in ordered)
    return f"{text}, {sum(reasons.values())} will not ({why})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Similar nodes with the same forecast and the same result.

    ``expected`` and ``happened`` are a word or two: "pod" or why none, "ready" or why not; ``happened`` is "" before
    the rollout. ``why`` is the reason of the forecast, ``seen`` what the wait observed, ``todo`` the fix.
    """

    title: str
    nodes: tuple[str, ...]
    gets_pod: bool
    expected: str
    why: str
    happened: str = ""
    seen: str = ""
    todo: str = ""

    @property
    def ready(self) -> bool:
        """Whether these nodes advertise FUSE now."""
        return self.happened == READY

    @property
    def wrong(self) -> bool:
        """Whether the result differs from the forecast; a node that is not ready yet does not count."""
        return self.happened not in ("", NOT_KNOWN, self.expected) and self.ready != self.gets_pod

    @property
    def state(self) -> Literal["ok", "warning", "done", "failed", "unknown"]:
        """The state word: of the forecast, and after the rollout of the result."""
        if not self.happened:
            return "ok" if self.gets_pod and not self.displaces else "warning"
        if self.happened == NOT_KNOWN:
            return "unknown"
        return "done" if self.ready else "failed" if self.wrong else "warning"

    @property
    def displaces(self) -> bool:
        """Whether other pods have to go for the pods on these nodes."""
        return self.gets_pod and self.expected == POD and bool(self.why)

    @property
    def forecast(self) -> str:
        """The forecast as a short text: ``no pod: quota``."""
        if not self.gets_pod:
            return f"no pod: {self.expected}"
        return self.expected if self.expected == POD else "pod when ready"

    @property
    def name(self) -> str:
        """``31 x Ubuntu 24.04``."""
        return f"{len(self.nodes)} x {self.title}"

    def to_json(self) -> dict[str, Any]:
        """Returns the row as commands print it."""
        return {
            "title": self.title,
            "nodes": len(self.nodes),
            "sample": list(self.nodes[:3]),
            "gets_pod": self.gets_pod,
            "expected": self.expected,
            "happened": self.happened,
            "as_forecast": not self.wrong,
            "why": self.why,
            "seen": self.seen,
            "todo": self.todo,
        }


def compare(
    rows: Iterable[ForecastRow], nodes: Collection[str], result: RolloutResult | None = None
) -> tuple[Comparison, ...]:
    """Returns the forecast and the result for these nodes; rows that differ from the forecast come first.

    The controller decides which nodes a quota leaves out: if their number matches the forecast, they do too. A node
    that the forecast did not know counts as one without a forecast.
    """
    wanted = dict.fromkeys(nodes)
    forecasts = {name: row for row in rows for name in row.nodes if name in wanted}
    ends = _ends(result)
    fates = {name: _Fate(row.gets_pod, row.why, _expected(row)) for name, row in forecasts.items()}
    fates = _under_the_quota_that_was(fates, {name for name, end in ends.items() if end[0] == QUOTA})
    unforeseen = _Fate(False, "it did not exist when the forecast was made", NOT_KNOWN)
    groups: defaultdict[tuple[str, _Fate, str], list[str]] = defaultdict(list)
    for name in wanted:
        title = forecasts[name].title if name in forecasts else "unknown"
        end = ends[name][0] if name in ends else NOT_KNOWN if result else ""
        groups[title, fates.get(name, unforeseen), end].append(name)
    found = [
        Comparison(title, tuple(names), fate.gets_pod, fate.short, fate.why, happened, *_told(names, ends))
        for (title, fate, happened), names in groups.items()
    ]
    order = ("failed", "warning", "unknown", "done", "ok")
    return tuple(sorted(found, key=lambda one: (order.index(one.state), -len(one.nodes), one.title)))


def _expected(row: ForecastRow) -> str:
    return (row.short or POD) if row.gets_pod else row.short


def _ends(result: RolloutResult | None) -> dict[str, tuple[str, str, str]]:
    """Returns the result by node: in a word or two, the observation, and the fix."""
    if result is None:
        return {}
    ends = dict.fromkeys(result.nodes, (READY, "", ""))
    ends |= dict.fromkeys(result.waiting, (NOT_KNOWN, "", ""))
    return ends | {one.name: (one.short or NOT_READY, one.seen, one.todo) for one in result.failing}


def _under_the_quota_that_was(fates: Mapping[str, _Fate], refused: Collection[str]) -> dict[str, _Fate]:
    over = [name for name, fate in fates.items() if fate.short == QUOTA and not fate.gets_pod]
    served = [name for name, fate in fates.items() if fate.gets_pod and fate.short != NOT_READY]
    met = dict.fromkeys([name for name in (*over, *served) if name in refused][: len(over)])
    changed = dict(fates)
    if met:
        stopped, pod = fates[over[0]], _Fate(True, "", POD)
        left = [name for name in over if name not in met]
        changed |= dict.fromkeys(left[: len(met) - (len(over) - len(left))], pod)
        changed |= dict.fromkeys(met, stopped)
    return changed


def _told(names: Sequence[str], ends: Mapping[str, tuple[str, str, str]]) -> tuple[str, str]:
    told = [ends[name] for name in names if name in ends]
    if not told:
        return "", ""
    _, seen, todo = told[0]
    if len({one[1] for one in told}) > 1:
        seen = f"{names[0]}: {seen}"
    if len({one[2] for one in told}) > 1:
        todo = f"{todo} (the same applies to the other nodes)"
    return seen, todo


def sentence(rows: Sequence[Comparison]) -> str:
    """Returns the comparison in one line, such as ``2 of 8 nodes differ from the forecast (image)``."""
    total = sum(len(row.nodes) for row in rows)
    wrong = [row for row in rows if row.wrong]
    if not wrong:
        return f"All {counted(total, 'node')} match the forecast." if total != 1 else "The node matches the forecast."
    count = sum(len(row.nodes) for row in wrong)
    words = ", ".join(dict.fromkeys(row.happened for row in wrong))
    return f"{count} of {counted(total, 'node')} {'differs' if count == 1 else 'differ'} from the forecast ({words})."
