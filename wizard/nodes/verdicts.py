"""Which nodes qualify for FUSE, and which of them are selected.

A node has one of three standings: it qualifies (``eligible``: selected by default), it would qualify if the DaemonSet
tolerated its taints (``possible``), or it cannot (``impossible``). A node that is not ready, cordoned, or under a
security module still qualifies; its notes say so.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wizard.choices.answers import NodesChoice
from wizard.errors import UsageError
from wizard.facts.cluster import NodeFacts
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes.systems import major_minor, system_of, version_in
from wizard.nodes.taints import CONTROL_PLANE_TAINTS, keeping_off, passes, untolerated
from wizard.text.counting import counted, named

ARCHITECTURES = ("amd64", "arm64")
"""The CPU architectures that the device manager's image supports (v1.20.12; 32-bit arm ended with v1.20.8)."""

OLDEST_KERNEL = (4, 18)
"""fuse-overlayfs needs a kernel newer than 4.18 for FUSE in user namespaces; RHEL 8 backported it to its 4.18."""

RHEL_8_BUILD = 80
"""The build of RHEL 8.0's kernel 4.18.0; Ubuntu's builds of 4.18.0 ended below it."""

NFD = "feature.node.kubernetes.io/"
"""The prefix of Node Feature Discovery's labels."""

Standing = Literal["eligible", "possible", "impossible"]
Cause = Literal["system", "virtual", "architecture", "kernel", "taint"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node does not qualify: ``what`` names what was found, ``why`` explains it. ``str()`` has both."""

    cause: Cause
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """A node and whether it qualifies. ``causes`` say why it does not, ``notes`` what else to know.

    ``system`` and ``kernel`` are short ("Ubuntu 24.04", "6.8"); ``security_module`` is what the node is known or
    expected to run ("AppArmor", "SELinux enforcing", "" if nothing is known).
    """

    node: NodeFacts
    standing: Standing
    causes: tuple[Reason, ...]
    notes: tuple[str, ...]
    system: str
    kernel: str
    security_module: str

    @property
    def eligible(self) -> bool:
        """Whether it is selected by default."""
        return self.standing == "eligible"

    @property
    def possible(self) -> bool:
        """Whether it qualifies, with tolerations if necessary."""
        return self.standing != "impossible"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not qualify, as text."""
        return tuple(map(str, self.causes))

    @property
    def short(self) -> str:
        """Why it does not qualify, in a word or two; "" if it does."""
        node = self.node
        if self.standing == "possible":
            held = any(taint.key in CONTROL_PLANE_TAINTS for taint in untolerated(node))
            return "control plane" if held else "tainted"
        if self.standing == "eligible":
            return ""
        if node.operating_system != "linux":
            return "not Linux"
        return virtual_kind(node) or ("old kernel" if kernel_too_old(node.kernel) else node.architecture)


def judge(node: NodeFacts) -> NodeVerdict:
    """Decides whether a node qualifies for FUSE, with every reason why not."""
    unfit = tuple(_unfit(node))
    taints = tuple(Reason("taint", f"taint {taint}", "the DaemonSet does not run there") for taint in untolerated(node))
    return NodeVerdict(
        node=node,
        standing="impossible" if unfit else "possible" if taints else "eligible",
        causes=unfit + taints,
        notes=tuple(_notes(node)),
        system=system_of(node.os_image).name,
        kernel=major_minor(node.kernel),
        security_module=security_module(node),
    )


def _unfit(node: NodeFacts) -> Iterable[Reason]:
    if node.operating_system != "linux":
        yield Reason("system", f"not Linux ({node.operating_system})", "FUSE is a Linux device")
        return
    if virtual := virtual_kind(node):
        yield Reason("virtual", virtual, "DaemonSets do not run there")
        return
    if node.architecture and node.architecture not in ARCHITECTURES:
        yield Reason(
            "architecture",
            f"architecture {node.architecture}",
            f"the image supports only {' and '.join(ARCHITECTURES)}",
        )
    if kernel_too_old(node.kernel):
        yield Reason("kernel", f"kernel {node.kernel}", "FUSE in user namespaces needs one newer than 4.18")


def _notes(node: NodeFacts) -> Iterable[str]:
    if not node.ready:
        yield "not ready: its pod starts when the node is ready"
    for taint in keeping_off(node, host_network=True):
        if passes(taint):
            yield f"taint {taint} passes by itself: its pod starts when the taint is gone"
    if node.unschedulable:
        yield "cordoned: the device manager still runs there, but new workspaces do not"
    if not node.kernel:
        yield "kernel unknown"
    other = node.labels.get(NODE_LABEL)
    if other is not None and other != NODE_LABEL_VALUE:
        yield f"label {NODE_LABEL} is {other!r}, not {NODE_LABEL_VALUE!r}"


_VIRTUAL_LABELS: tuple[tuple[str, str, str], ...] = (
    ("eks.amazonaws.com/compute-type", "fargate", "Fargate"),
    ("type", "virtual-kubelet", "virtual node"),
    ("kubernetes.io/role", "virtual-kubelet", "virtual node"),
    ("type", "kwok", "simulated node (kwok)"),
    ("vcluster.loft.sh/fake-node", "true", "vCluster's fake node"),
)
"""A label, its value, and the kind of node that it shows (documentation of EKS, Virtual Kubelet, kwok, vCluster)."""


def virtual_kind(node: NodeFacts) -> str:
    """Returns the kind of a node that is not a machine ("Fargate", "virtual node"), "" for a machine."""
    for label, value, kind in _VIRTUAL_LABELS:
        if node.labels.get(label) == value:
            return kind
    if any(taint.key == "virtual-kubelet.io/provider" for taint in node.taints):
        return "virtual node"
    simulated = "kwok.x-k8s.io/node" in node.annotations or any(t.key == "kwok.x-k8s.io/node" for t in node.taints)
    return "simulated node (kwok)" if simulated else ""


def kernel_too_old(kernel: str) -> bool:
    """Whether a kernel is too old for FUSE in user namespaces (fuse-overlayfs, README). An unknown one is not."""
    version = version_in(kernel)[:2]
    if version == OLDEST_KERNEL:
        # RHEL 8 and what is built from it (Rocky Linux, Anolis) count their builds of 4.18.0 from 80.
        build = re.match(r"4\.18\.0-(\d+)", kernel)
        return build is None or int(build[1]) < RHEL_8_BUILD
    return bool(version) and version < OLDEST_KERNEL


def says_apparmor(node: NodeFacts) -> bool | None:
    """Whether a node reports that AppArmor is on; None if its kubelet does not report it.

    Kubelets before 1.30 append it to the Ready message when it is on (kubernetes#31659, removed by #123435), so a
    ready kubelet without it means off.
    """
    if version_in(node.kubelet_version) >= (1, 30):
        return None
    if node.ready_message.endswith("AppArmor enabled"):
        return True
    return False if node.kubelet_version and node.ready and node.ready_message else None


def says_selinux_enforces(node: NodeFacts) -> bool | None:
    """Whether Node Feature Discovery reports that SELinux is enforcing; None if it does not run.

    It sets its label only if SELinux is enforcing (NFD, source/kernel/selinux.go), so no label means no, provided
    that it reports on the kernel at all. Device labels do not count: they can be set by hand, or by an NFD that
    checks nothing else.
    """
    if node.labels.get(f"{NFD}kernel-selinux.enabled") == "true":
        return True
    return False if any(label.startswith(f"{NFD}kernel-") for label in node.labels) else None


def security_module(node: NodeFacts) -> str:
    """Returns the security module that a node reports, or else the known default of its system."""
    known = system_of(node.os_image).known
    apparmor, enforcing = says_apparmor(node), says_selinux_enforces(node)
    if apparmor or (apparmor is None and known is not None and known.apparmor):
        return "AppArmor"
    if enforcing:
        return "SELinux enforcing"
    if known is None:
        return ""
    if not known.selinux:
        return "none"
    return "SELinux permissive" if enforcing is False and known.selinux == "enforcing" else f"SELinux {known.selinux}"


def choose(verdicts: Sequence[NodeVerdict], choice: NodesChoice, *, listed: bool = True) -> tuple[NodeVerdict, ...]:
    """Returns the selected nodes, in the cluster's order.

    These are all that qualify, or the named ones, or those that a selector matches and that can qualify. If the
    nodes cannot be listed (``listed``), names are trusted and any other choice is empty. Raises UsageError for a name
    that no node has and for an invalid selector.
    """
    if choice.selector is not None:
        matching = parse_selector(choice.selector)
        return tuple(verdict for verdict in verdicts if verdict.possible and matching(verdict.node.labels))
    if choice.names:
        return _by_name(verdicts, choice.names, listed=listed)
    return tuple(verdict for verdict in verdicts if verdict.eligible) if choice.all else ()


def _by_name(verdicts: Sequence[NodeVerdict], names: Sequence[str], *, listed: bool) -> tuple[NodeVerdict, ...]:
    if not listed:
        return tuple(judge(NodeFacts(name, {})) for name in dict.fromkeys(names))
    wanted, known = set(names), [verdict.node.name for verdict in verdicts]
    unknown = sorted(wanted.difference(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=3)
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UsageError(
            f"There is no node {unknown[0]}{more}.",
            f"Similar names: {', '.join(near)}." if near else "List the nodes with kubectl get nodes.",
        )
    return tuple(verdict for verdict in verdicts if verdict.node.name in wanted)


def vanished(names: Sequence[str], before: Iterable[NodeFacts], now: Iterable[NodeFacts]) -> tuple[str, ...]:
    """Returns which of these nodes existed before and no longer do."""
    existed, exist = {node.name for node in before}, {node.name for node in now}
    return tuple(name for name in names if name in existed and name not in exist)


def vanished_words(names: Sequence[str], thing: str = "selected node") -> str:
    """Returns what became of selected nodes that no longer exist, as a sentence."""
    exist = "exists" if len(names) == 1 else "exist"
    return f"{counted(len(names), thing)} no longer {exist}: {named(names, 3)}."


def fits_affinity(node: NodeFacts, labels: Mapping[str, str], pod: Mapping[str, Any]) -> bool:
    """Tells whether a node satisfies a pod's required node affinity: any one of its terms, wholly.

    An operator that Kubernetes does not have, and an empty term, matches nothing (Kubernetes' API reference,
    NodeSelectorTerm).
    """
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    for term in required.get("nodeSelectorTerms") or ():
        expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
        if (expressions or fields) and all(
            [
                *(_expression_holds(one, labels) for one in expressions),
                *(_expression_holds(one, {"metadata.name": node.name}) for one in fields),
            ]
        ):
            return True
    return False


def _expression_holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(str(expression.get("key"))), [str(one) for one in expression.get("values") or ()]
    match expression.get("operator"):
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                found, limit = int(value or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return found > limit if operator == "Gt" else found < limit
        case _:
            return False


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """A node type: nodes with the same system, kernel (major.minor), runtime, and kubelet (major.minor)."""

    system: str
    kernel: str
    runtime: str
    kubelet: str
    verdicts: tuple[NodeVerdict, ...]

    @property
    def key(self) -> str:
        """The id of the node type, for ids and names: ``ubuntu-24.04_6.8_containerd-1.7``."""
        parts = [self.system, self.kernel, self.runtime, self.kubelet]
        return "_".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()) for part in parts if part)

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.verdicts)

    @property
    def sample(self) -> tuple[str, ...]:
        """The names of the first three."""
        return tuple(verdict.node.name for verdict in self.verdicts[:3])

    @property
    def to_try(self) -> str:
        """The name of the node to test for this type: a ready one if possible, because pods start only there."""
        return next((verdict.node for verdict in self.verdicts if verdict.node.ready), self.verdicts[0].node).name

    @property
    def title(self) -> str:
        """``31 x Ubuntu 24.04, kernel 6.8, containerd 1.7``."""
        parts = [self.system, f"kernel {self.kernel}" if self.kernel else "", self.runtime]
        return f"{self.count} x {', '.join(part for part in parts if part)}"


def runtime_of(node: NodeFacts) -> str:
    """Returns the container runtime in short: ``containerd 1.7``."""
    name, _, version = node.container_runtime.partition("://")
    return f"{name} {major_minor(version)}".strip()


def groups(verdicts: Iterable[NodeVerdict], *, by_kubelet: bool = True) -> tuple[NodeGroup, ...]:
    """Returns the nodes by node type, the largest type first."""
    alike: defaultdict[tuple[str, str, str, str], list[NodeVerdict]] = defaultdict(list)
    for verdict in verdicts:
        kubelet = major_minor(verdict.node.kubelet_version) if by_kubelet else ""
        alike[verdict.system, verdict.kernel, runtime_of(verdict.node), kubelet].append(verdict)
    found = [NodeGroup(*key, tuple(members)) for key, members in alike.items()]
    return tuple(sorted(found, key=lambda group: (-group.count, group.title)))


def matches(verdict: NodeVerdict, filter_text: str) -> bool:
    """Whether a node matches a filter: it must match every word.

    ``key=value`` matches a label whose key has that name or ending (``zone=z1`` matches topology.kubernetes.io/zone)
    and whose value starts with this value. The words of a state (labeled, unlabeled, ready, notready, cordoned,
    tainted, fuse, eligible, unfit) match that state. Any other word is searched in name, system, kernel, runtime, and
    reasons.
    """
    return all(_word_matches(verdict, word) for word in filter_text.lower().split())


def _is_labeled(verdict: NodeVerdict) -> bool:
    return verdict.node.labelled


def _is_unlabeled(verdict: NodeVerdict) -> bool:
    return not verdict.node.labelled


_STATES: Mapping[str, Callable[[NodeVerdict], bool]] = {
    "labeled": _is_labeled,
    "labelled": _is_labeled,
    "unlabeled": _is_unlabeled,
    "unlabelled": _is_unlabeled,
    "ready": lambda verdict: verdict.node.ready,
    "notready": lambda verdict: not verdict.node.ready,
    "cordoned": lambda verdict: verdict.node.unschedulable,
    "tainted": lambda verdict: verdict.standing == "possible",
    "fuse": lambda verdict: verdict.node.fuse_devices > 0,
    "eligible": lambda verdict: verdict.eligible,
    "unfit": lambda verdict: not verdict.eligible,
}


def _word_matches(verdict: NodeVerdict, word: str) -> bool:
    if state := _STATES.get(word):
        return state(verdict)
    node = verdict.node
    key, equals, value = word.partition("=")
    if equals and any(
        (name.lower() == key or name.lower().rpartition("/")[2] == key) and text.lower().startswith(value)
        for name, text in node.labels.items()
    ):
        return True
    seen = (node.name, node.os_image, verdict.system, node.kernel, node.container_runtime, node.architecture)
    return any(word in text.lower() for text in (*seen, verdict.security_module, *verdict.reasons))


Labels = Mapping[str, str]

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}"
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_NAME})?")
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_VALUE = re.compile(rf"(?:{_NAME})?")


def parse_selector(text: str) -> Callable[[Labels], bool]:
    """Returns a label selector, written as for ``kubectl -l``, as a function of labels.

    ``key``, ``!key``, ``key=value``, ``key==value``, ``key!=value``, ``key in (a, b)``, ``key notin (a, b)``; commas
    mean "and". As in Kubernetes, ``!=`` and ``notin`` also match if the key is missing. Raises UsageError, also for
    an empty selector, which kubectl would match with every node.
    """
    requirements = [part.strip() for part in re.split(r",(?![^()]*\))", text)]
    if not text.strip():
        raise UsageError("The label selector is empty.", "To select every node that qualifies, use --all.")
    tests = [_requirement(part, text) for part in requirements]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(part: str, text: str) -> Callable[[Labels], bool]:
    if found := _EXISTS.fullmatch(part):
        absent, key = bool(found[1]), found[2]
        return lambda labels: (key in labels) is not absent
    if found := _EQUALITY.fullmatch(part):
        key, value, differs = found[1], found[3] or "", found[2] == "!="
        return lambda labels: (labels.get(key) == value) is not differs
    if found := _SET.fullmatch(part):
        key, outside = found[1], found[2] == "notin"
        values = {value.strip() for value in found[3].split(",")}
        if all(_VALUE.fullmatch(value) for value in values):
            return lambda labels: (labels.get(key) in values) is not outside
    raise UsageError(
        f"The label selector {text!r} is invalid at {part!r}.",
        "Examples: pool=workspaces, zone in (a, b), !gpu",
    )
