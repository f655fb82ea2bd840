"""The adjustments: each is one change to the guide's manifest, with the reason why this cluster needs it.

An adjustment changes the objects without knowing of any other one. Adjustments touch different fields, so their order
does not matter, and applying one twice is applying it once. ``here`` is the inverse of ``change``: it reads from the
live objects what was chosen before, so that it stays chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import shorten
from typing import Any, Final, Literal

from wizard import quantities
from wizard.facts.cluster import DRY_RUN, LEVEL_REFUSES, ClusterFacts
from wizard.facts.live import Live
from wizard.facts.objects import KubernetesObject
from wizard.manifest.device_config import FILE, HASH_ANNOTATION, devices_in, hash_of, text_of, with_devices
from wizard.manifest.guide import (
    CONTAINER,
    GUIDE_DEVICES,
    GUIDE_QUOTA,
    Objects,
    container_of,
    edit,
    guide_objects,
    pod_of,
)
from wizard.manifest.values import PLUGIN_TYPE, Value, ValueKind, taint_of, toleration_of
from wizard.names import ENFORCE_LABEL, NODE_LABEL
from wizard.nodes.taints import CONTROL_PLANE_TAINTS, untolerated
from wizard.nodes.verdicts import NodeVerdict
from wizard.text.counting import counted

CURRENT_IMAGE: Final = "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
"""The last release (2022-11), from where the project publishes now. Later states of its main branch do not build."""
ENOUGH_MEMORY: Final = "30Mi"
"""What the project's Helm chart sets since March 2025, "because 15Mi is not enough anymore"."""
DEFAULT_MAX_PODS: Final = 110
"""The kubelet's default for maxPods (Kubernetes, KubeletConfiguration)."""

LEFT_OUT_ANNOTATION: Final = "podman-wizard/left-out"
"""On the DaemonSet: the adjustments that were turned off although the cluster needs them, since their absence alone
would not say so."""

Here = Value | Literal[False] | None
"""What is live and ours: a value, False for the guide's value, None if nothing of ours tells."""


@dataclass(frozen=True)
class Basis:
    """What adjustments are judged from: the cluster (None without one), its nodes, and the live objects by kind.

    ``everywhere`` says that the DaemonSet runs without the label. ``config`` is the device manager's configuration
    as it will be.
    """

    facts: ClusterFacts | None = None
    verdicts: Sequence[NodeVerdict] = ()
    chosen: Sequence[NodeVerdict] = ()
    live: Mapping[str, Live] = field(default_factory=dict)
    everywhere: bool = False
    config: str = ""

    @property
    def nodes_known(self) -> bool:
        """Tells whether it is known for which nodes the manifest is."""
        return self.facts is not None and (self.facts.nodes is not None or bool(self.chosen))

    def _others(self) -> Iterable[NodeVerdict]:
        """Yields the nodes besides the selected ones that get a pod: those labeled before, or all."""
        names = {verdict.node.name for verdict in self.chosen}
        for verdict in self.verdicts:
            if (verdict.node.labelled or self.everywhere) and verdict.node.name not in names:
                yield verdict

    @cached_property
    def served(self) -> tuple[NodeVerdict, ...]:
        """The selected nodes and those that have a pod by an earlier choice; without labels, all that qualify.

        All nodes share one DaemonSet: if an adjustment is dropped because the selected nodes do not need it, the
        other nodes lose it too.
        """
        live = self.live.get("DaemonSet")
        tolerations = (pod_of(live.object).get("tolerations") or ()) if live else ()
        return (*self.chosen, *(v for v in self._others() if v.possible and not untolerated(v.node, tolerations)))

    @cached_property
    def expected_pods(self) -> int:
        """How many nodes get a pod: those selected and those labeled before, or all that qualify."""
        return sum(v.possible for v in self.chosen) + sum(v.eligible for v in self._others())


@dataclass(frozen=True, slots=True)
class Reason:
    """Whether a cluster needs an adjustment, one line why, and the value that fits."""

    needed: bool
    why: str
    value: Value = True


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change to the guide's manifest: ``change`` is pure, and ``here`` reads its value from the live objects.

    ``absence_tells`` says that live objects of ours without it mean that it was turned off. ``grown`` joins the live
    value with the one that this cluster needs, if that is larger: nodes that are served stay served.
    """

    id: str
    title: str
    value_kind: ValueKind
    reason: Callable[[Basis], Reason]
    change: Callable[[Objects, Value], Objects]
    here: Callable[[Mapping[str, Live]], Here]
    absence_tells: bool = True
    grown: Callable[[Value, Value], Value] | None = None


# --- reading what is live -------------------------------------------------------------------------------------


def _daemon_set(live: Mapping[str, Live]) -> Live | None:
    """Returns the live DaemonSet if an apply of ours was made on it."""
    found = live.get("DaemonSet")
    return found if found is not None and found.is_ours else None


_POD = ("f:spec", "f:template", "f:spec")
_CONTAINER = (*_POD, "f:containers", f'k:{{"name":"{CONTAINER}"}}')


def _owns(live: Live, *path: str) -> bool:
    node: Any = live.ours
    for element in path:
        node = node.get(element) if isinstance(node, Mapping) else None
        if node is None:
            return False
    return True


def _foreign(live: Live, *path: str) -> bool:
    """Tells whether another manager owns a field, and we do not."""
    if _owns(live, *path):
        return False
    for fields in (*live.others.values(), live.adopted):
        node: Any = fields
        for element in path:
            node = node.get(element) if isinstance(node, Mapping) else None
        if node is not None:
            return True
    return False


# --- image ------------------------------------------------------------------------------------------------------


def _image_reason(basis: Basis) -> Reason:
    return Reason(True, "v1.20.7 is old; v1.20.12 is current", CURRENT_IMAGE)


def _change_image(objects: Objects, value: Value) -> Objects:
    return edit(objects, "DaemonSet", lambda item: container_of(item).update(image=value))


_GUIDE_CONTAINER: Final = container_of(guide_objects()[3])


def _image_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, *_CONTAINER, "f:image"):
        return None
    image = str(container_of(found.object).get("image", ""))
    return False if image == _GUIDE_CONTAINER["image"] else image


# --- memory -----------------------------------------------------------------------------------------------------


def _memory_reason(basis: Basis) -> Reason:
    return Reason(True, f"15Mi is too little; upstream: {ENOUGH_MEMORY}", ENOUGH_MEMORY)


def _change_memory(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        resources = container_of(item)["resources"]
        resources["limits"]["memory"] = resources["requests"]["memory"] = quantities.canonical(value)

    return edit(objects, "DaemonSet", change)


def _memory_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, *_CONTAINER, "f:resources", "f:limits", "f:memory"):
        return None
    limit = (container_of(found.object).get("resources") or {}).get("limits", {}).get("memory", "")
    guide = _GUIDE_CONTAINER["resources"]["limits"]["memory"]
    return False if quantities.equal(limit, guide) else str(limit)


# --- pod-quota --------------------------------------------------------------------------------------------------


def quota_for(pods: int) -> int:
    """Returns a quota with 20% headroom, rounded up to tens, and never below the guide's."""
    return max(GUIDE_QUOTA, -(-pods * 12 // 100) * 10)


def _quota_reason(basis: Basis) -> Reason:
    """A quota only grows, and only if the live one is too small: a larger one stays, whoever set it."""
    live = _live_quota(basis.live)
    pods = basis.expected_pods if basis.nodes_known else 0
    limit, wanted = live or GUIDE_QUOTA, quota_for(pods)
    if pods > limit:
        return Reason(True, f"{limit} -> {wanted} for {counted(pods, 'node')}", wanted)
    if live > GUIDE_QUOTA:
        return Reason(True, f"already set to {live}; kept", live)
    if not basis.nodes_known:
        return Reason(False, "nodes unknown; set your node count", GUIDE_QUOTA)
    return Reason(False, f"the guide's {GUIDE_QUOTA} covers {counted(pods, 'node')}", wanted)


def _live_quota(live: Mapping[str, Live]) -> int:
    found = live.get("ResourceQuota")
    hard = ((found.object.get("spec") or {}).get("hard") or {}) if found else {}
    return quantities.whole(hard.get("pods", "")) or 0


def _change_quota(objects: Objects, value: Value) -> Objects:
    return edit(objects, "ResourceQuota", lambda item: item["spec"]["hard"].update(pods=quantities.canonical(value)))


def _quota_here(live: Mapping[str, Live]) -> Here:
    found = live.get("ResourceQuota")
    if found is None or not _owns(found, "f:spec", "f:hard", "f:pods"):
        return None
    pods = _live_quota(live)
    return False if pods == GUIDE_QUOTA else pods or None


# --- pod-security -----------------------------------------------------------------------------------------------

POD_SECURITY: Final = "pod-security.kubernetes.io/"


def enforced_level(facts: ClusterFacts) -> tuple[str, str]:
    """Returns the Pod Security level that blocks the device manager, and its evidence.

    Both are empty if no such level was found. A cluster's default cannot be read through the API: a dry run of the
    pod shows it, and Talos is known for one (Talos documentation, Pod Security). The server's warnings name the level
    to warn of, which is often stricter, so they count only if a dry run is not allowed.
    """
    labels = facts.objects.get("Namespace", {}).get("metadata", {}).get("labels") or {}
    level = labels.get(ENFORCE_LABEL, "")
    if level == "privileged":
        return "", ""
    if level:
        return level, f"namespace {NODE_LABEL}, label {ENFORCE_LABEL}={level}"
    if found := re.search(r'violates PodSecurity "(\w+):', facts.pod_refusal):
        return found[1], f"dry run of the pod: {shorten(facts.pod_refusal, 200, placeholder=' …')}"
    not_asked = any(unread.what == DRY_RUN and LEVEL_REFUSES not in unread.message for unread in facts.unread)
    for warning in facts.warnings if not_asked else ():
        if found := re.search(r'would violate PodSecurity "(\w+):', warning):
            return found[1], f"server warning: {shorten(warning, 200, placeholder=' …')}"
    if "talos" in facts.identity.distribution.lower():
        return "baseline", "Talos default for namespaces without the label"
    return "", ""


def _pod_security_reason(basis: Basis) -> Reason:
    if basis.facts is None:
        return Reason(False, "only if Pod Security is enforced")
    level, _ = enforced_level(basis.facts)
    if level:
        return Reason(True, f"level {level} blocks the pods")
    if _pod_security_here(basis.live):
        # The label removes the obstacle; an apply without it would remove the label.
        return Reason(True, "already set; pods can depend on it")
    return Reason(False, "no enforced level found")


def _change_pod_security(objects: Objects, value: Value) -> Objects:
    # Only what is enforced keeps pods out: the labels for audit and warn belong to others (OpenShift's syncer).
    return edit(objects, "Namespace", lambda item: item["metadata"]["labels"].update({ENFORCE_LABEL: "privileged"}))


def _pod_security_here(live: Mapping[str, Live]) -> Here:
    found = live.get("Namespace")
    if found is None or not _owns(found, "f:metadata", "f:labels", f"f:{ENFORCE_LABEL}"):
        return None
    level = (found.object["metadata"].get("labels") or {}).get(ENFORCE_LABEL)
    return True if level == "privileged" else None


# --- linux-only and no-node-selector: one map, which has one owner -----------------------------------------------

OS_LABEL: Final = "kubernetes.io/os"


def _linux_reason(basis: Basis) -> Reason:
    nodes = (basis.facts.nodes if basis.facts else None) or ()
    others = sum(node.operating_system != "linux" for node in nodes)
    if others:
        return Reason(True, f"keeps pods off {counted(others, 'non-Linux node')}")
    return Reason(True, "keeps pods off Windows nodes")


def _change_linux(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        pod = pod_of(item)
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), OS_LABEL: "linux"}

    return edit(objects, "DaemonSet", change)


def _selector_here(live: Mapping[str, Live]) -> Mapping[str, str] | None:
    found = _daemon_set(live)
    if found is None or _foreign(found, *_POD, "f:nodeSelector"):
        return None
    return pod_of(found.object).get("nodeSelector") or {}


def _linux_here(live: Mapping[str, Live]) -> Here:
    selector = _selector_here(live)
    return None if selector is None else OS_LABEL in selector


def _selector_reason(basis: Basis) -> Reason:
    return Reason(False, "no labels; uses all untainted nodes")


def _drop_selector(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        pod = pod_of(item)
        selector = {key: text for key, text in pod.get("nodeSelector", {}).items() if key != NODE_LABEL}
        if selector:
            pod["nodeSelector"] = selector
        else:
            pod.pop("nodeSelector", None)

    return edit(objects, "DaemonSet", change)


def _no_selector_here(live: Mapping[str, Live]) -> Here:
    selector = _selector_here(live)
    return None if selector is None else NODE_LABEL not in selector


# --- tolerations ------------------------------------------------------------------------------------------------


def _tolerations_reason(basis: Basis) -> Reason:
    tainted = [verdict for verdict in basis.served if untolerated(verdict.node)]
    if tainted:
        names = {verdict.node.name for verdict in basis.chosen}
        selected = all(verdict.node.name in names for verdict in tainted)
        which = "selected" if selected else "selected or labeled"
        return Reason(True, f"{counted(len(tainted), 'tainted node')} {which}", _taints(tainted))
    outside = [verdict for verdict in basis.verdicts if verdict.standing == "possible"]
    if not outside:
        return Reason(False, "no selected node is tainted", "")
    control_plane = all(any(t.key in CONTROL_PLANE_TAINTS for t in v.node.taints) for v in outside)
    kind = "control plane node" if control_plane else "tainted node"
    return Reason(False, f"{counted(len(outside), kind)} left out", _taints(outside))


def _taints(verdicts: Iterable[NodeVerdict]) -> str:
    return ",".join(sorted({str(taint) for verdict in verdicts for taint in untolerated(verdict.node)}))


def _larger(one: Value, other: Value) -> Value:
    return max(int(one), int(other))


def joined_taints(*values: Value) -> str:
    """Returns taints of several values as one, each once; False stands for none."""
    taints = [taint.strip() for value in values if value is not False for taint in str(value).split(",")]
    return ",".join(sorted({taint for taint in taints if taint}))


def _change_tolerations(objects: Objects, value: Value) -> Objects:
    tolerations = [toleration_of(taint) for taint in str(value).split(",") if taint]

    def change(item: KubernetesObject) -> None:
        pod = pod_of(item)
        present = pod.get("tolerations", [])
        if added := [toleration for toleration in tolerations if toleration not in present]:
            pod["tolerations"] = [*present, *added]

    return edit(objects, "DaemonSet", change)


def _tolerations_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, *_POD, "f:tolerations"):
        return None
    taints = [taint_of(one) for one in pod_of(found.object).get("tolerations") or ()]
    return joined_taints(*taints) or None


def other_tolerations(live: Mapping[str, Live]) -> list[dict[str, Any]]:
    """Returns the tolerations of ours that no taint can say; they are kept as they are."""
    found = _daemon_set(live)
    if found is None or not _owns(found, *_POD, "f:tolerations"):
        return []
    return [one for one in pod_of(found.object).get("tolerations") or () if not taint_of(one)]


# --- devices-per-node -------------------------------------------------------------------------------------------


def pods_per_node(chosen: Sequence[NodeVerdict]) -> int:
    """Returns the highest number of pods that fit on one of these nodes."""
    return max((verdict.node.allocatable.get("pods", 0) for verdict in chosen), default=0) or DEFAULT_MAX_PODS


def _devices_reason(basis: Basis) -> Reason:
    pods = pods_per_node(basis.served)
    fit = counted(pods, "pod")
    if pods > GUIDE_DEVICES:
        return Reason(False, f"{GUIDE_DEVICES} per node, but {fit} fit", pods)
    return Reason(False, f"{GUIDE_DEVICES} cover the {fit} of a node", GUIDE_DEVICES)


def _change_devices(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        item["data"][FILE] = with_devices(item["data"][FILE], int(value))

    return edit(objects, "ConfigMap", change)


def _devices_here(live: Mapping[str, Live]) -> Here:
    found = live.get("ConfigMap")
    if found is None or not _owns(found, "f:data", f"f:{FILE}"):
        return None
    devices = devices_in(found.object)
    return None if devices is None else False if devices == GUIDE_DEVICES else devices


def config_of_ours(live: Mapping[str, Live]) -> str:
    """Returns the live configuration if it is ours: its other entries are kept; "" if it is not."""
    found = live.get("ConfigMap")
    owned = found is not None and _owns(found, "f:data", f"f:{FILE}") and devices_in(found.object) is not None
    return text_of(found.object) if found is not None and owned else ""


# --- restart-on-change ------------------------------------------------------------------------------------------


def _restart_reason(basis: Basis) -> Reason:
    """Needed if no DaemonSet of ours runs yet, if its configuration changes, or if a node offers another number."""
    found, config = _daemon_set(basis.live), basis.live.get("ConfigMap")
    if found is None:
        return Reason(True, "restarts pods if the config changes")
    live_text = text_of(config.object) if config else ""
    if live_text != basis.config:
        return Reason(True, "new config; pods must restart")
    devices = devices_in(config.object) if config else None
    stale = [v for v in basis.verdicts if devices is not None and v.node.fuse_devices not in (0, devices)]
    if stale:
        return Reason(True, f"{counted(len(stale), 'node')} with another count")
    if _restart_here(basis.live):
        return Reason(True, "already set; removal restarts pods")
    return Reason(False, "the config does not change")


def _change_restart(objects: Objects, value: Value) -> Objects:
    """``value`` is the configuration whose hash is set; True: that of the ConfigMap among the objects."""
    config = next((item for item in objects if item["kind"] == "ConfigMap"), None)
    text = text_of(config) if value is True else str(value)

    def change(item: KubernetesObject) -> None:
        metadata = item["spec"]["template"]["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), HASH_ANNOTATION: hash_of(text)}

    return edit(objects, "DaemonSet", change)


_TEMPLATE_ANNOTATIONS = ("f:spec", "f:template", "f:metadata", "f:annotations")


def _restart_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    return True if found is not None and _owns(found, *_TEMPLATE_ANNOTATIONS, f"f:{HASH_ANNOTATION}") else None


# --- selinux-type -----------------------------------------------------------------------------------------------


def confines_containers(verdict: NodeVerdict) -> bool:
    """Tells whether SELinux confines a node's containers, as far as its system shows.

    CRI-O confines by default; containerd only if configured to, which the API does not show. Bottlerocket confines
    too, but its own policy does not have the type of container-selinux.
    """
    enforcing = verdict.security_module == "SELinux enforcing"
    return enforcing and verdict.node.container_runtime.startswith("cri-o:")


def _selinux_reason(basis: Basis) -> Reason:
    confined = sum(map(confines_containers, basis.served))
    if confined:
        return Reason(True, f"SELinux confines pods on {counted(confined, 'node')}", PLUGIN_TYPE)
    return Reason(False, "no node is known to need it", PLUGIN_TYPE)


def _change_selinux(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        container_of(item)["securityContext"]["seLinuxOptions"] = {"type": value}

    return edit(objects, "DaemonSet", change)


def _selinux_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, *_CONTAINER, "f:securityContext", "f:seLinuxOptions"):
        return None
    options = (container_of(found.object).get("securityContext") or {}).get("seLinuxOptions") or {}
    return str(options["type"]) if options.get("type") else None


# --- max-unavailable --------------------------------------------------------------------------------------------


def _max_unavailable_reason(basis: Basis) -> Reason:
    return Reason(False, "pods restart one node at a time", "10%")


def _change_max_unavailable(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        number: Value = int(value) if str(value).isdigit() else value
        item["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": number}}

    return edit(objects, "DaemonSet", change)


def _max_unavailable_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, "f:spec", "f:updateStrategy", "f:rollingUpdate", "f:maxUnavailable"):
        return None
    strategy = found.object["spec"].get("updateStrategy") or {}
    return str((strategy.get("rollingUpdate") or {}).get("maxUnavailable") or "") or None


# --- image-pull-secrets -----------------------------------------------------------------------------------------


def _pull_secrets_reason(basis: Basis) -> Reason:
    return Reason(False, "the registry needs no credentials", "regcred")


def _change_pull_secrets(objects: Objects, value: Value) -> Objects:
    names = [name.strip() for name in str(value).split(",")]

    def change(item: KubernetesObject) -> None:
        pod_of(item)["imagePullSecrets"] = [{"name": name} for name in names]

    return edit(objects, "DaemonSet", change)


def _pull_secrets_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or not _owns(found, *_POD, "f:imagePullSecrets"):
        return None
    return ",".join(str(one.get("name")) for one in pod_of(found.object).get("imagePullSecrets") or ()) or None


# --- what the guide's DaemonSet does not need --------------------------------------------------------------------


def _host_network_reason(basis: Basis) -> Reason:
    return Reason(False, "not needed; it uses a local socket")


def _drop_host_network(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        pod_of(item).pop("hostNetwork", None)
        pod_of(item).pop("dnsPolicy", None)

    return edit(objects, "DaemonSet", change)


def _host_network_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or _foreign(found, *_POD, "f:hostNetwork"):
        return None
    return not pod_of(found.object).get("hostNetwork")


CHECKPOINT_ANNOTATION: Final = "node.kubernetes.io/bootstrap-checkpoint"


def _checkpoint_reason(basis: Basis) -> Reason:
    return Reason(True, "no effect since Kubernetes 1.20")


def _drop_checkpoint(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        metadata = item["spec"]["template"]["metadata"]
        present = metadata.get("annotations", {}).items()
        annotations = {key: text for key, text in present if key != CHECKPOINT_ANNOTATION}
        if annotations:
            metadata["annotations"] = annotations
        else:
            metadata.pop("annotations", None)

    return edit(objects, "DaemonSet", change)


def _checkpoint_here(live: Mapping[str, Live]) -> Here:
    found = _daemon_set(live)
    if found is None or _foreign(found, *_TEMPLATE_ANNOTATIONS, f"f:{CHECKPOINT_ANNOTATION}"):
        return None
    annotations = found.object["spec"]["template"]["metadata"].get("annotations") or {}
    return CHECKPOINT_ANNOTATION not in annotations


def left_out_here(live: Mapping[str, Live]) -> tuple[str, ...]:
    """Returns the adjustments that were turned off here although the cluster needs them.

    A quota that was raised since, whoever did it, is not left out any more: it only grows.
    """
    found = _daemon_set(live)
    annotations = (found.object["metadata"].get("annotations") or {}) if found else {}
    raised = ("pod-quota",) if _live_quota(live) > GUIDE_QUOTA else ()
    return tuple(one for one in str(annotations.get(LEFT_OUT_ANNOTATION, "")).split(",") if one and one not in raised)


# --- all of them ------------------------------------------------------------------------------------------------

ADJUSTMENTS: tuple[Adjustment, ...] = (
    Adjustment("image", "Current image", "image", _image_reason, _change_image, _image_here),
    Adjustment("memory", "Enough memory", "quantity", _memory_reason, _change_memory, _memory_here),
    Adjustment(
        "pod-quota",
        "Quota for all nodes",
        "count",
        _quota_reason,
        _change_quota,
        _quota_here,
        absence_tells=False,
        grown=_larger,
    ),
    Adjustment(
        "pod-security",
        "Pod Security: privileged",
        "switch",
        _pod_security_reason,
        _change_pod_security,
        _pod_security_here,
        absence_tells=False,
    ),
    Adjustment("linux-only", "Linux nodes only", "switch", _linux_reason, _change_linux, _linux_here),
    Adjustment(
        "tolerations",
        "Tolerations for node taints",
        "taints",
        _tolerations_reason,
        _change_tolerations,
        _tolerations_here,
        absence_tells=False,
        grown=joined_taints,
    ),
    Adjustment("devices-per-node", "FUSE devices per node", "count", _devices_reason, _change_devices, _devices_here),
    Adjustment(
        "selinux-type",
        "SELinux type for device plugins",
        "name",
        _selinux_reason,
        _change_selinux,
        _selinux_here,
        absence_tells=False,
    ),
    Adjustment(
        "drop-host-network", "No host network", "switch", _host_network_reason, _drop_host_network, _host_network_here
    ),
    Adjustment(
        "drop-checkpoint-annotation",
        "No checkpoint annotation",
        "switch",
        _checkpoint_reason,
        _drop_checkpoint,
        _checkpoint_here,
    ),
    Adjustment("no-node-selector", "No node selector", "switch", _selector_reason, _drop_selector, _no_selector_here),
    Adjustment(
        "image-pull-secrets",
        "Secrets to pull the image",
        "names",
        _pull_secrets_reason,
        _change_pull_secrets,
        _pull_secrets_here,
    ),
    Adjustment(
        "max-unavailable",
        "Nodes that restart at a time",
        "share",
        _max_unavailable_reason,
        _change_max_unavailable,
        _max_unavailable_here,
    ),
    Adjustment(
        "restart-on-change", "Restart on a config change", "switch", _restart_reason, _change_restart, _restart_here
    ),
)
"""All adjustments, in the order in which they are shown and made."""

ADJUSTMENT_IDS: Final = tuple(adjustment.id for adjustment in ADJUSTMENTS)
