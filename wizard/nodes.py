"""Which nodes can serve FUSE to workspaces, and which of them a person means.

Three standings: a node qualifies (``eligible``: it is chosen by default), it could serve if the daemon set
tolerated its taints (``possible``), or it cannot. Being not ready, cordoned or under a security module never
makes a node unfit; it is said.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wizard.answers import NodesChoice
from wizard.errors import UsageError
from wizard.facts import ClusterFacts, NodeFacts, Taint
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.systems import major_minor, system_of, version_in

ARCHITECTURES = ("amd64", "arm64")
"""The architectures that the device manager's image is built for (v1.20.12; 32-bit arm ended with v1.20.8)."""

CONTROL_PLANE_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

PASSING_TAINTS = frozenset(
    f"node.kubernetes.io/{condition}"
    for condition in (
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
        "network-unavailable",
    )
)
"""Taints by which Kubernetes marks a condition. They pass, and the daemon set controller tolerates them by itself
(Kubernetes documentation, DaemonSet, "Taints and tolerations"; network-unavailable only with hostNetwork)."""

OLDEST_KERNEL = (4, 18)
"""fuse-overlayfs wants a kernel newer than 4.18 for FUSE in user namespaces; RHEL 8 brought it to its own 4.18."""

NFD = "feature.node.kubernetes.io/"
"""The prefix of Node Feature Discovery's labels."""

LABEL_PAIR = f"{NODE_LABEL}={NODE_LABEL_VALUE}"

Standing = Literal["eligible", "possible", "impossible"]


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """A node and whether it can serve. ``reasons`` say why it does not qualify, ``notes`` what else to know.

    ``system`` and ``kernel`` are short ("Ubuntu 24.04", "6.8"); ``security_module`` is what the node is known or
    expected to run ("AppArmor", "SELinux enforcing", "" where nothing is known).
    """

    node: NodeFacts
    standing: Standing
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    system: str
    kernel: str
    security_module: str

    @property
    def eligible(self) -> bool:
        """Whether it is chosen by default."""
        return self.standing == "eligible"

    @property
    def possible(self) -> bool:
        """Whether it can serve, if need be with tolerations."""
        return self.standing != "impossible"

    @property
    def short(self) -> str:
        """Why it does not qualify, in a word or two; "" where it does."""
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
    """Whether a node can serve FUSE, with every reason why not."""
    unfit = tuple(_unfit(node))
    taints = tuple(f"taint {taint}: the daemon set gets no pod there" for taint in untolerated(node))
    return NodeVerdict(
        node=node,
        standing="impossible" if unfit else "possible" if taints else "eligible",
        reasons=unfit + taints,
        notes=tuple(_notes(node)),
        system=system_of(node.os_image).name,
        kernel=major_minor(node.kernel),
        security_module=security_module(node),
    )


def _unfit(node: NodeFacts) -> Iterable[str]:
    if node.operating_system != "linux":
        yield f"not Linux ({node.operating_system}): FUSE is a device of Linux"
        return
    if virtual := virtual_kind(node):
        yield f"{virtual}: daemon sets get no pod there"
        return
    if node.architecture and node.architecture not in ARCHITECTURES:
        yield f"architecture {node.architecture}: the image is built for {' and '.join(ARCHITECTURES)} only"
    if kernel_too_old(node.kernel):
        yield f"kernel {node.kernel}: FUSE in user namespaces needs one newer than 4.18"


def _notes(node: NodeFacts) -> Iterable[str]:
    if not node.ready:
        yield "not ready: its pod waits until it is"
    if node.unschedulable:
        yield "cordoned: the device manager runs there all the same, new workspaces do not"
    if not node.kernel:
        yield "kernel unknown"
    other = node.labels.get(NODE_LABEL)
    if other is not None and other != NODE_LABEL_VALUE:
        yield f"label {NODE_LABEL} is {other!r}, not {NODE_LABEL_VALUE!r}"


def virtual_kind(node: NodeFacts) -> str:
    """What stands in for a machine here ("Fargate", "virtual node"), "" where it is a machine."""
    if node.labels.get("eks.amazonaws.com/compute-type") == "fargate":
        return "Fargate"
    if node.labels.get("type") == "virtual-kubelet" or any(t.key == "virtual-kubelet.io/provider" for t in node.taints):
        return "virtual node"
    return ""


def kernel_too_old(kernel: str) -> bool:
    """Whether a kernel cannot do FUSE in user namespaces (fuse-overlayfs, README). An unknown one can."""
    version = version_in(kernel)[:2]
    if version == OLDEST_KERNEL:
        return ".el8" not in kernel
    return bool(version) and version < OLDEST_KERNEL


def says_apparmor(node: NodeFacts) -> bool | None:
    """Whether a node says that AppArmor is on; None where its kubelet says nothing of it.

    Kubelets before 1.30 end the Ready message so where it is on (kubernetes#31659, removed by #123435), so the
    silence of one that is ready tells as well.
    """
    if version_in(node.kubelet_version) >= (1, 30):
        return None
    if node.ready_message.endswith("AppArmor enabled"):
        return True
    return False if node.kubelet_version and node.ready and node.ready_message else None


def says_selinux_enforces(node: NodeFacts) -> bool | None:
    """Whether Node Feature Discovery says that SELinux enforces; None where it does not run.

    It sets its label only where SELinux enforces, so its silence tells as well (NFD, source/kernel/selinux.go): where
    it tells of the kernel at all. Labels of devices are set by hand too, and by NFDs that look at nothing else.
    """
    if node.labels.get(f"{NFD}kernel-selinux.enabled") == "true":
        return True
    return False if any(label.startswith(f"{NFD}kernel-") for label in node.labels) else None


def security_module(node: NodeFacts) -> str:
    """The security module that a node says it runs, else the one its system is known to come with."""
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


def untolerated(node: NodeFacts, tolerations: Sequence[Mapping[str, Any]] = ()) -> tuple[Taint, ...]:
    """The taints that keep a daemon set's pod with these tolerations (as in a pod's spec) away from a node."""
    return tuple(
        taint
        for taint in node.taints
        if taint.effect in ("NoSchedule", "NoExecute")
        and taint.key not in PASSING_TAINTS
        and not any(_tolerates(toleration, taint) for toleration in tolerations)
    )


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.value


def choose(facts: ClusterFacts, choice: NodesChoice) -> tuple[NodeVerdict, ...]:
    """The nodes that a person means, in the cluster's order.

    All that qualify; or those named, fit or not; or those that a selector matches and that can serve. Where the
    nodes may not be listed, names are taken on trust and the rest is empty. Raises UsageError for a name that no
    node has and for a selector that cannot be read.
    """
    if choice.selector is not None:
        matching = parse_selector(choice.selector)
        return tuple(v for v in map(judge, facts.nodes or ()) if v.possible and matching(v.node.labels))
    if choice.names:
        return _by_name(facts, choice.names)
    return tuple(verdict for verdict in map(judge, facts.nodes or ()) if verdict.eligible) if choice.all else ()


def _by_name(facts: ClusterFacts, names: Sequence[str]) -> tuple[NodeVerdict, ...]:
    if facts.nodes is None:
        return tuple(judge(NodeFacts(name, {})) for name in dict.fromkeys(names))
    wanted = set(names)
    unknown = sorted(wanted - {node.name for node in facts.nodes})
    if unknown:
        near = difflib.get_close_matches(unknown[0], [node.name for node in facts.nodes], n=3)
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UsageError(
            f"No node is called {unknown[0]}{more}.",
            f"Nearest: {', '.join(near)}." if near else "kubectl get nodes lists them.",
        )
    return tuple(judge(node) for node in facts.nodes if node.name in wanted)


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike: same system, kernel (major.minor), runtime and kubelet (major.minor)."""

    system: str
    kernel: str
    runtime: str
    kubelet: str
    verdicts: tuple[NodeVerdict, ...]

    @property
    def key(self) -> str:
        """What tells the group from others, for ids and names: ``ubuntu-24.04_6.8_containerd-1.7``."""
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
        """The name of the node that stands for all: a ready one where there is one, for pods start on no other."""
        return next((verdict.node for verdict in self.verdicts if verdict.node.ready), self.verdicts[0].node).name

    @property
    def title(self) -> str:
        """``31 x Ubuntu 24.04, kernel 6.8, containerd 1.7``."""
        parts = [self.system, f"kernel {self.kernel}" if self.kernel else "", self.runtime]
        return f"{self.count} x {', '.join(part for part in parts if part)}"


def runtime_of(node: NodeFacts) -> str:
    """The container runtime, short: ``containerd 1.7``."""
    name, _, version = node.container_runtime.partition("://")
    return f"{name} {major_minor(version)}".strip()


def groups(verdicts: Iterable[NodeVerdict], *, by_kubelet: bool = True) -> tuple[NodeGroup, ...]:
    """The nodes by what they have in common, the largest group first."""
    alike: defaultdict[tuple[str, str, str, str], list[NodeVerdict]] = defaultdict(list)
    for verdict in verdicts:
        kubelet = major_minor(verdict.node.kubelet_version) if by_kubelet else ""
        alike[verdict.system, verdict.kernel, runtime_of(verdict.node), kubelet].append(verdict)
    found = [NodeGroup(*key, tuple(members)) for key, members in alike.items()]
    return tuple(sorted(found, key=lambda group: (-group.count, group.title)))


def matches(verdict: NodeVerdict, filter_text: str) -> bool:
    """Whether a node passes a filter as it is typed: every word must be found.

    ``key=value`` finds a label whose key has that name or ending (``zone=z1`` finds topology.kubernetes.io/zone)
    and whose value begins so. The words of a state (labelled, unlabelled, ready, notready, cordoned, tainted, fuse,
    eligible, unfit) find that state. Any other word is looked for in name, system, kernel, runtime and reasons.
    """
    return all(_word_matches(verdict, word) for word in filter_text.lower().split())


_STATES: Mapping[str, Callable[[NodeVerdict], bool]] = {
    "labelled": lambda verdict: verdict.node.labelled,
    "unlabelled": lambda verdict: not verdict.node.labelled,
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
    """A label selector as ``kubectl -l`` takes it, as a function of labels.

    ``key``, ``!key``, ``key=value``, ``key==value``, ``key!=value``, ``key in (a, b)``, ``key notin (a, b)``; commas
    mean and. As in Kubernetes, ``!=`` and ``notin`` also match where the key is missing. Raises UsageError; an empty
    selector, which kubectl takes for every node, is refused.
    """
    requirements = [part.strip() for part in re.split(r",(?![^()]*\))", text)]
    if not text.strip():
        raise UsageError("The label selector is empty.", "Use --all for every node that qualifies.")
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
        f"The label selector {text!r} cannot be read at {part!r}.",
        "For example: pool=workspaces, zone in (a, b), !gpu",
    )


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool whose nodes its manager makes and replaces: a label set on a node alone is lost with the node.

    ``command`` sets the label on the pool; words in capitals are for the person to fill in. ``caution`` says what
    else that does.
    """

    manager: str
    name: str
    command: str
    caution: str


_POOL_LABELS: tuple[tuple[str, str], ...] = (
    ("karpenter.sh/nodepool", "Karpenter"),
    ("eks.amazonaws.com/nodegroup", "EKS"),
    ("kubernetes.azure.com/agentpool", "AKS"),
    ("cloud.google.com/gke-nodepool", "GKE"),
)


def pool_of(node: NodeFacts) -> Pool | None:
    """The managed pool that a node belongs to; None where there is no sign of one."""
    for label, manager in _POOL_LABELS:
        if name := node.labels.get(label):
            return make_pool(manager, name)
    return None


def pools(verdicts: Iterable[NodeVerdict]) -> tuple[tuple[Pool, int], ...]:
    """The managed pools among these nodes, each with how many of them it holds, the largest first."""
    counted = Counter(pool for verdict in verdicts if (pool := pool_of(verdict.node)))
    return tuple(counted.most_common())


def make_pool(manager: str, name: str) -> Pool:
    """A pool of Karpenter, EKS, AKS, GKE or OpenShift, with the command that labels it."""
    quoted, labels = shlex.quote(name), {"metadata": {"labels": {NODE_LABEL: NODE_LABEL_VALUE}}}
    if manager == "Karpenter":
        patch = json.dumps({"spec": {"template": labels}}, separators=(",", ":"))
        command = f"kubectl patch nodepool {quoted} --type merge -p '{patch}'"
        caution = "Karpenter sees a drift and replaces the pool's nodes one after another."
    elif manager == "EKS":
        command = (
            f"aws eks update-nodegroup-config --cluster-name CLUSTER --nodegroup-name {quoted} "
            f"--labels 'addOrUpdateLabels={{{LABEL_PAIR}}}'"
        )
        caution = "Labels the nodes that are there and those to come."
    elif manager == "OpenShift":
        patch = json.dumps({"spec": {"template": {"spec": labels}}}, separators=(",", ":"))
        command = f"oc -n openshift-machine-api patch machineset {quoted} --type merge -p '{patch}'"
        caution = "Labels the nodes to come; those that are there are labelled in Nodes."
    elif manager == "AKS":
        where = f"--resource-group GROUP --cluster-name CLUSTER --name {quoted}"
        command = f"az aks nodepool update {where} --labels {LABEL_PAIR}"
        caution = "Name the pool's present labels too: the command replaces them all."
    else:
        command = (
            f"gcloud container node-pools update {quoted} --cluster CLUSTER --location LOCATION "
            f"--node-labels={LABEL_PAIR}"
        )
        caution = "Name the pool's present labels too: the command replaces them all."
    return Pool(manager, name, command, caution)
