"""Which nodes will get a pod of the device manager, computed from the objects as they would be applied.

It knows nothing of adjustments and their reasons, so it also tells where one of them would not do what it says.
After the rollout, ``compare`` sets beside it what happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from wizard.facts import ClusterFacts, KubernetesObject, NodeFacts
from wizard.manifest import Rendering, enforced_level
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import ARCHITECTURES, CONTROL_PLANE_TAINTS, NodeVerdict, judge, untolerated, virtual_kind

if TYPE_CHECKING:
    from wizard.rollout import RolloutResult

_ENFORCE = "pod-security.kubernetes.io/enforce"
_QUOTA = "quota"
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
    daemon_set = _object(rendering.objects, "DaemonSet")
    if not daemon_set:
        return _Fate(False, "there is no daemon set, and it is not to be applied", "no daemon set")
    pod = daemon_set["spec"]["template"]["spec"]
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
    labels = _object(rendering.objects, "Namespace").get("metadata", {}).get("labels", {})
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
    stopped = _Fate(False, f"the quota allows {limit} pods", _QUOTA)
    return {**fates, **dict.fromkeys(over, stopped)}


def _pods_allowed(objects: Sequence[KubernetesObject]) -> int | None:
    """How many pods the quota allows the daemon set; None where it does not count them."""
    spec = _object(objects, "ResourceQuota").get("spec", {})
    pod = _object(objects, "DaemonSet").get("spec", {}).get("template", {}).get("spec", {})
    scopes = spec.get("scopeSelector", {}).get("matchExpressions", ())
    counted = all(pod.get("priorityClassName") in scope.get("values", _CRITICAL) for scope in scopes)
    limit = str(spec.get("hard", {}).get("pods", ""))
    return int(limit) if counted and limit.isdecimal() else None


def _object(objects: Sequence[KubernetesObject], kind: str) -> KubernetesObject:
    return next((item for item in objects if item["kind"] == kind), {})


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


READY: Final = "ready"
NOT_KNOWN: Final = "not known"
"""Where the wait was stopped, or could not see."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Like nodes with the same forecast and the same end: what was expected, and what happened.

    ``expected`` and ``happened`` are a word or two: "pod" or why none, "ready" or why not; ``happened`` is "" before
    anything was waited for. ``why`` is the forecast's reason, ``seen`` what the wait saw, ``todo`` what mends it.
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
        """Whether these nodes offer FUSE now."""
        return self.happened == READY

    @property
    def wrong(self) -> bool:
        """Whether it came otherwise than it was forecast; a node that is not ready may still come."""
        return self.happened not in ("", NOT_KNOWN, self.expected) and self.ready != self.gets_pod

    @property
    def state(self) -> Literal["ok", "warning", "done", "failed", "unknown"]:
        """The word of state: of the forecast, and then of what became of it."""
        if not self.happened:
            return "ok" if self.gets_pod else "warning"
        if self.happened == NOT_KNOWN:
            return "unknown"
        return "done" if self.ready else "failed" if self.wrong else "warning"

    @property
    def forecast(self) -> str:
        """What was expected, in words that stand alone: ``no pod: quota``."""
        if not self.gets_pod:
            return f"no pod: {self.expected}"
        return self.expected if self.expected == "pod" else "pod once ready"

    @property
    def name(self) -> str:
        """``31 x Ubuntu 24.04``."""
        return f"{len(self.nodes)} x {self.title}"

    def to_json(self) -> dict[str, Any]:
        """The row as commands print it."""
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
    """The forecast for these nodes, and what the wait saw of them; what came otherwise than forecast first.

    Which nodes a quota leaves out is up to the controller: as many as were forecast count as forecast, whichever.
    A node that the forecast did not know of is one for which none was made.
    """
    wanted = dict.fromkeys(nodes)
    forecasts = {name: row for row in rows for name in row.nodes if name in wanted}
    ends = _ends(result)
    fates = {name: _Fate(row.gets_pod, row.why, _expected(row)) for name, row in forecasts.items()}
    fates = _under_the_quota_that_was(fates, {name for name, end in ends.items() if end[0] == _QUOTA})
    unforeseen = _Fate(False, "it was not there when the forecast was made", "not known")
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
    return (row.short or "pod") if row.gets_pod else row.short


def _ends(result: RolloutResult | None) -> dict[str, tuple[str, str, str]]:
    """By node what happened: in a word or two, as it was seen, what mends it."""
    if result is None:
        return {}
    ends = dict.fromkeys(result.nodes, (READY, "", ""))
    ends |= dict.fromkeys(result.waiting, (NOT_KNOWN, "", ""))
    return ends | {one.name: (one.short or "not ready", one.seen, one.todo) for one in result.failing}


def _under_the_quota_that_was(fates: Mapping[str, _Fate], refused: Collection[str]) -> dict[str, _Fate]:
    over = [name for name, fate in fates.items() if fate.short == _QUOTA and not fate.gets_pod]
    served = [name for name, fate in fates.items() if fate.gets_pod and not fate.short.startswith("not ready")]
    met = dict.fromkeys([name for name in (*over, *served) if name in refused][: len(over)])
    changed = dict(fates)
    if met:
        stopped, pod = fates[over[0]], _Fate(True, "", "pod")
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
        todo = f"{todo}; likewise on the others"
    return seen, todo


def sentence(rows: Sequence[Comparison]) -> str:
    """How the forecast did, in a line: ``6 of 8 nodes as forecast; 2 otherwise (image)``."""
    total = sum(len(row.nodes) for row in rows)
    wrong = [row for row in rows if row.wrong]
    if not wrong:
        return f"As forecast for all {total} nodes." if total != 1 else "As forecast."
    count = sum(len(row.nodes) for row in wrong)
    words = ", ".join(dict.fromkeys(row.happened for row in wrong))
    return f"Otherwise than forecast for {count} of {total} nodes ({words})."
