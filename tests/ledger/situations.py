"""The ledger: each situation with what is in the cluster, what was answered, the plan, and how it ends.

A row is data. The same plan is expected at every door; what differs is only the exit code.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.ledger.setups import GUIDE, Offering, Ours, Step, applied, kubectl_apply, kubectl_label, part_of, patched
from tests.ledger.states import NAME

WORKERS = tuple(f"w{number}" for number in range(1, 6))
EVERYONE = (*WORKERS, "cp", "win")

IMAGE = "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
GUIDE_IMAGE = "registry.gitlab.com/arm-research/smarter/smarter-device-manager:v1.20.7"
POD = ".spec.template.spec"
CONTAINER = f'{POD}.containers[name="{NAME}"]'
SELECTOR = f"{POD}.nodeSelector.{NAME}"
OS_SELECTOR = f"{POD}.nodeSelector.kubernetes.io/os"
CHECKPOINT = ".spec.template.metadata.annotations.node.kubernetes.io/bootstrap-checkpoint"
HASH = ".spec.template.metadata.annotations.podman-wizard/config-hash"
LEFT_OUT = ".metadata.annotations.podman-wizard/left-out"
ENFORCE = ".metadata.labels.pod-security.kubernetes.io/enforce"
CONFIG = ".data.conf.yaml"


def config(devices: int) -> str:
    """The device manager's configuration with this number of devices."""
    return f"- devicematch: ^fuse$\n  nummaxdevices: {devices}\n\n"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


Changes = Mapping[str, tuple[Any, Any, str]]
"""By path: before, after, and what asks for it."""


@dataclass(frozen=True)
class Expected:
    """The plan of a situation.

    ``objects`` has the changes of each object that gets an action. ``wait`` has the number of devices that the wait is
    for (None: no wait), for ``nodes``. ``gates`` has the closed gates with the names they are about. ``pods`` are the
    nodes that the forecast gives a pod.
    """

    objects: Mapping[str, Changes] = field(default_factory=dict)
    label: Sequence[str] = ()
    wake: bool = False
    wait: int | None = None
    gates: Mapping[str, Sequence[str]] = field(default_factory=dict)
    losing: Sequence[str] = ()
    pods: Sequence[str] = WORKERS
    nodes: Sequence[str] = WORKERS
    checked: Mapping[str, str] = field(default_factory=dict)
    """Who checked an object, if not the server in the object's own namespace."""

    @property
    def changes(self) -> bool:
        return bool(self.objects or self.label)


@dataclass(frozen=True)
class Situation:
    """A row of the ledger. ``answers`` is the answers file without the acknowledgement of the security modules.

    ``exits`` has the exit codes that are not ``exit``, by door; ``doors`` those at which the row is tried.
    """

    id: str
    setup: Sequence[Step]
    plan: Expected
    answers: str = ""
    scenario: Mapping[str, Any] = field(default_factory=dict)
    exit: int = 0
    exits: Mapping[str, int] = field(default_factory=dict)
    limited: bool = False
    doors: str = "RDSPCH"
    on_real: bool = True
    loses_until_labelled: bool = False
    """Whether applying alone takes FUSE from nodes, until the labels are set."""
    offers: Mapping[str, str] = field(default_factory=dict)
    """What is offered to who cannot go on, by door."""
    forced: Sequence[str] = ()
    """The objects whose fields are taken from other managers."""
    asks: Sequence[str] = ()
    """The answers to what plain mode and the screens ask besides, before an apply."""
    finds: Mapping[str, str] = field(default_factory=dict)
    """Findings that must be there, by ID: a part of their title."""

    def exit_of(self, door: str) -> int:
        return self.exits.get(door, self.exit)


# --- what the server makes of the guide's objects -------------------------------------------------------------------

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Namespace": {
        ".metadata.labels.kubernetes.io/metadata.name": NAME,
        ".spec.finalizers": ["kubernetes"],
    },
    "ResourceQuota": {},
    "ConfigMap": {},
    "DaemonSet": {
        ".spec.updateStrategy.rollingUpdate.maxUnavailable": 1,
        ".spec.updateStrategy.rollingUpdate.maxSurge": 0,
        ".spec.revisionHistoryLimit": 10,
        f"{POD}.restartPolicy": "Always",
        f"{POD}.schedulerName": "default-scheduler",
        f"{CONTAINER}.terminationMessagePath": "/dev/termination-log",
        f"{CONTAINER}.terminationMessagePolicy": "File",
        f'{POD}.volumes[name="config"].configMap.defaultMode': 420,
        **{f'{POD}.volumes[name="{one}"].hostPath.type': "" for one in ("device-plugin", "dev-dir", "sys-dir")},
    },
}


def created(kind: str, sets: Mapping[str, tuple[Any, str]] | None = None, without: Sequence[str] = ()) -> Changes:
    """The creation of the guide's object, with other values, and without some fields."""
    from tests.ledger.states import fields

    found = {path: (None, value, "guide") for path, value in fields(GUIDE[kind], noise=True)}
    found |= {path: (None, value, "server") for path, value in DEFAULTS[kind].items()}
    found |= {path: (None, value, by) for path, (value, by) in (sets or {}).items()}
    return {path: change for path, change in found.items() if path not in without}


NEW_DAEMON_SET = created(
    "DaemonSet",
    {
        f"{CONTAINER}.image": (IMAGE, "image"),
        f"{CONTAINER}.resources.limits.memory": ("30Mi", "memory"),
        f"{CONTAINER}.resources.requests.memory": ("30Mi", "memory"),
        OS_SELECTOR: ("linux", "linux-only"),
        HASH: (hash_of(config(50)), "restart-on-change"),
    },
    without=[CHECKPOINT],
)
NEW = {
    "Namespace": created("Namespace"),
    "ResourceQuota": created("ResourceQuota", {".spec.hard.pods": ("50", "guide")}),
    "ConfigMap": created("ConfigMap"),
    "DaemonSet": NEW_DAEMON_SET,
}
IN_DEFAULT = dict.fromkeys(("ResourceQuota", "ConfigMap", "DaemonSet"), "server (in default)")

ADJUSTED_BY_DEFAULT: Changes = {
    f"{CONTAINER}.image": (GUIDE_IMAGE, IMAGE, "image"),
    f"{CONTAINER}.resources.limits.memory": ("15Mi", "30Mi", "memory"),
    f"{CONTAINER}.resources.requests.memory": ("15Mi", "30Mi", "memory"),
    OS_SELECTOR: (None, "linux", "linux-only"),
    CHECKPOINT: ("true", None, "drop-checkpoint-annotation"),
    HASH: (None, hash_of(config(50)), "restart-on-change"),
}
"""What becomes of the guide's DaemonSet."""

# --- what is in the cluster -----------------------------------------------------------------------------------------

BY_KUBECTL: tuple[Step, ...] = (
    *(kubectl_apply(item) for item in GUIDE.values()),
    kubectl_label("w1"),
    kubectl_label("w2"),
    Offering(["w1", "w2"]),
)
OURS = (Ours(), Offering(WORKERS))
EVERYWHERE = (Ours("manifest: {set: {no-node-selector: true}}"), Offering(WORKERS))


def of_argocd() -> tuple[Step, ...]:
    """The guide's objects as Argo CD keeps them: what we would apply, but for the image."""
    objects = copy.deepcopy(GUIDE)
    daemon_set = objects["DaemonSet"]
    daemon_set["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": f"fuse:apps/DaemonSet:{NAME}/{NAME}"}
    template = daemon_set["spec"]["template"]
    del template["metadata"]["annotations"]
    template["spec"]["nodeSelector"]["kubernetes.io/os"] = "linux"
    container = template["spec"]["containers"][0]
    container["image"] = "registry.internal/sdm:argo"
    container["resources"]["limits"]["memory"] = container["resources"]["requests"]["memory"] = "30Mi"
    return tuple(applied("argocd", item) for item in objects.values())


def unfitting_affinity() -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpu"]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    return part_of("DaemonSet", spec={"template": {"spec": {"affinity": affinity}}})


def second_container() -> dict[str, Any]:
    sidecar = {"name": "log-agent", "image": "registry.internal/agent:1"}
    return part_of("DaemonSet", spec={"template": {"spec": {"containers": [sidecar]}}})


def quota(pods: Any) -> dict[str, Any]:
    return part_of("ResourceQuota", spec={"hard": {"pods": pods}})


ENFORCED = {"pod-security": {"enforce": "baseline", "warn": "baseline", "exempt-namespaces": ["kube-system"]}}
SIXTY = tuple(sorted(f"w{number}" for number in range(1, 61)))
SIXTY_NODES = {"nodes": [{"name": "w{n}", "system": "ubuntu-24.04", "count": 60}]}
CONTESTED_IMAGE = f"DaemonSet {CONTAINER}.image"
ARGO_TO_OURS: Changes = {
    f"{CONTAINER}.image": ("registry.internal/sdm:argo", IMAGE, "image"),
    HASH: (None, hash_of(config(50)), "restart-on-change"),
}

SITUATIONS = (
    Situation(
        "01 fresh",
        (),
        Expected(NEW, label=WORKERS, wait=50, checked=IN_DEFAULT),
    ),
    Situation("02 ours, again", OURS, Expected()),
    Situation(
        "03 the guide by kubectl apply, two nodes labeled",
        BY_KUBECTL,
        Expected({"DaemonSet": ADJUSTED_BY_DEFAULT}, label=("w3", "w4", "w5"), wait=50),
        forced=["DaemonSet"],
    ),
    Situation(
        "04 the guide by kubectl apply, without host network and node selector",
        BY_KUBECTL,
        Expected(
            {
                "DaemonSet": {
                    **ADJUSTED_BY_DEFAULT,
                    f"{POD}.hostNetwork": (True, None, "drop-host-network"),
                    f"{POD}.dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "drop-host-network"),
                    SELECTOR: ("enabled", None, "no-node-selector"),
                }
            },
            wait=50,
        ),
        "manifest: {set: {drop-host-network: true, no-node-selector: true}}",
        forced=["DaemonSet"],
    ),
    Situation(
        "05 ours without node selector, more devices",
        EVERYWHERE,
        Expected(
            {
                "ConfigMap": {CONFIG: (config(50), config(110), "devices-per-node")},
                "DaemonSet": {HASH: (hash_of(config(50)), hash_of(config(110)), "restart-on-change")},
            },
            wait=110,
        ),
        "manifest: {set: {devices-per-node: 110}}",
    ),
    Situation(
        "06 ours with another image, nothing said",
        (Ours("manifest: {set: {image: 'registry.internal/sdm:1'}}"), Offering(WORKERS)),
        Expected(),
    ),
    Situation(
        "06 ours with another image, the recommended one wanted",
        (Ours("manifest: {set: {image: 'registry.internal/sdm:1'}}"), Offering(WORKERS)),
        Expected({"DaemonSet": {f"{CONTAINER}.image": ("registry.internal/sdm:1", IMAGE, "image")}}, wait=50),
        "manifest: {set: {image: recommended}}",
    ),
    Situation(
        "07 ours without node selector, the selector wanted again",
        EVERYWHERE,
        Expected({"DaemonSet": {SELECTOR: (None, "enabled", "guide")}}, label=WORKERS, wait=50),
        "manifest: {without: [no-node-selector]}",
        doors="RDSPH",
        loses_until_labelled=True,
    ),
    Situation(
        "07 ours without node selector, the selector wanted again, the objects alone",
        EVERYWHERE,
        Expected({"DaemonSet": {SELECTOR: (None, "enabled", "guide")}}, gates={"disruption": WORKERS}),
        "manifest: {without: [no-node-selector]}",
        doors="C",
        exit=5,
    ),
    Situation(
        "08 of Argo CD with its image, nothing decided",
        of_argocd(),
        Expected({"DaemonSet": ARGO_TO_OURS}, label=WORKERS, wait=50, gates={"conflict": [CONTESTED_IMAGE]}),
        exit=5,
    ),
    Situation(
        "09 of Argo CD, the DaemonSet skipped, a larger quota needed",
        of_argocd(),
        Expected(
            {"ResourceQuota": {".spec.hard.pods": ("50", "80", "pod-quota")}},
            label=SIXTY,
            wake=True,
            wait=50,
            pods=SIXTY,
            nodes=SIXTY,
        ),
        "ownership: {default: take, DaemonSet: skip}",
        scenario=SIXTY_NODES,
        asks=["apply"],
        forced=["ResourceQuota"],
        on_real=False,
    ),
    Situation(
        "11 ours, no permission to change the DaemonSet, another image wanted",
        OURS,
        Expected(
            {"DaemonSet": {f"{CONTAINER}.image": (IMAGE, "registry.internal/sdm:1", "image")}},
            wait=50,
            gates={"blocker": ["rbac.plan"], "rejected": [f"DaemonSet {NAME}"]},
            checked={"DaemonSet": "not checked (patch daemonsets.apps)"},
        ),
        "manifest: {set: {image: 'registry.internal/sdm:1'}}",
        limited=True,
        offers={"P": "enter export", "R": "podman-wizard check", "H": "patch daemonsets.apps"},
        exit=1,
        exits={"C": 3, "H": 0},
        on_real=False,
    ),
    Situation(
        "12 fresh, Pod Security enforced",
        (),
        Expected(
            {**NEW, "Namespace": created("Namespace", {ENFORCE: ("privileged", "pod-security")})},
            label=WORKERS,
            wait=50,
            checked=IN_DEFAULT,
        ),
        scenario=ENFORCED,
        on_real=False,
    ),
    Situation(
        "12 Pod Security enforced, the label left out",
        OURS,
        Expected(
            {
                "Namespace": {ENFORCE: ("privileged", None, "guide")},
                "DaemonSet": {LEFT_OUT: (None, "pod-security", "pod-security")},
            },
            gates={"disruption": WORKERS},
            losing=WORKERS,
            pods=(),
        ),
        "manifest: {without: [pod-security]}",
        scenario=ENFORCED,
        exit=5,
        exits={"H": 1},
        on_real=False,
    ),
    Situation(
        "12 Pod Security enforced, the label was left out",
        (*OURS, Ours("manifest: {without: [pod-security]}\nallow-disruption: true")),
        Expected(pods=()),
        scenario=ENFORCED,
        on_real=False,
    ),
    Situation(
        "13 ours, an affinity of another manager that fits no node",
        (*OURS, applied("scheduling", unfitting_affinity()), Offering(())),
        Expected(wait=50, pods=()),
        "rollout: {timeout: 3}",
        exit=1,
        exits={"C": 0, "H": 0},
        on_real=False,
    ),
    Situation(
        "14 ours, a second container of another manager",
        (*OURS, applied("logging", second_container()), Offering(WORKERS)),
        Expected(),
        on_real=False,
        finds={"plugin.installed": "two containers"},
    ),
    Situation(
        "15 ours, a larger quota of another manager",
        (*OURS, applied("capacity", quota("1k"), force=True)),
        Expected(),
        finds={"quota.daemonset-pods": "covers 5 nodes"},
    ),
    Situation(
        "16 a quota with a number by kubectl apply",
        tuple(kubectl_apply(GUIDE[kind]) for kind in ("Namespace", "ResourceQuota")),
        Expected({kind: NEW[kind] for kind in ("ConfigMap", "DaemonSet")}, label=WORKERS, wait=50),
    ),
    Situation(
        "17 ours, the devices edited by kubectl edit",
        (*OURS, patched("kubectl-edit", "ConfigMap", {"data": {"conf.yaml": config(110)}})),
        Expected(
            {"ConfigMap": {CONFIG: (config(110), config(50), "guide")}},
            gates={"conflict": [f"ConfigMap {CONFIG}"]},
        ),
        exit=5,
    ),
    Situation(
        "17 ours, the devices edited by kubectl edit, left to it",
        (*OURS, patched("kubectl-edit", "ConfigMap", {"data": {"conf.yaml": config(110)}})),
        Expected(
            {"DaemonSet": {HASH: (hash_of(config(50)), hash_of(config(110)), "restart-on-change")}},
            wait=110,
        ),
        "ownership: {ConfigMap: leave}",
    ),
)
