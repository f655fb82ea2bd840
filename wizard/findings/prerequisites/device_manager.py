"""Rules about the device manager: whether it is installed, whether it works, and how many devices it offers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from wizard import quantities
from wizard.facts.cluster import KubernetesObject
from wizard.facts.live import entries_of
from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import TITLE_WIDTH, Judged, Situation, in_manifest, names
from wizard.manifest import GUIDE_DEVICES, container_of, devices_in, pods_per_node
from wizard.manifest.guide import CONTAINER, guide_objects, pod_of
from wizard.names import FUSE_RESOURCE, NAMESPACE, OTHER_FUSE_RESOURCES
from wizard.nodes.systems import version_in
from wizard.text.counting import counted


def installed(situation: Situation) -> Judged:
    """Reports what is installed, and by which field managers."""
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.INFO,
            "smarter-device-manager is not installed yet",
            "The plan installs it.",
            (f"no DaemonSet {NAMESPACE} in namespace {NAMESPACE}",),
        )
    managers = list(dict.fromkeys(entry.get("manager", "?") for entry in entries_of(daemon_set)))
    by = ", ".join(managers) or "unknown"
    status = daemon_set.get("status", {})
    if (other := _other_selector(daemon_set)) is not None:
        return _with_other_selector(other, by)
    containers = pod_of(situation.planned("DaemonSet")).get("containers") or ()
    if len(containers) > 1:
        return _with_other_containers(containers, by)
    return Judged(
        Outcome.INFO,
        f"Device manager installed by {by}"[:55],
        "The plan changes it in place. Manifest shows the differences.",
        (
            f"DaemonSet {NAMESPACE}: image {container_of(daemon_set).get('image', '?')}",
            f"pods ready: {status.get('numberReady', 0)} of {status.get('desiredNumberScheduled', 0)}",
            f"fields written by: {by}",
        ),
        nodes=status.get("desiredNumberScheduled", 0),
    )


def _other_selector(daemon_set: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the live selector if it is not the guide's: the API server never changes it; None if it is."""
    guide = next(item for item in guide_objects() if item["kind"] == "DaemonSet")["spec"]["selector"]
    live: Mapping[str, Any] = daemon_set.get("spec", {}).get("selector") or {}
    return live if live and live != guide else None


def _with_other_selector(selector: Mapping[str, Any], by: str) -> Judged:
    """Reports a DaemonSet that no apply can change into the guide's."""
    return Judged(
        Outcome.BLOCKER,
        "The existing DaemonSet selects other pods",
        "A selector cannot be changed (Kubernetes API), so the server rejects the plan's DaemonSet.",
        (f"spec.selector: {json.dumps(selector, sort_keys=True)}", f"fields written by: {by}"),
        (
            Remedy(
                "Delete the DaemonSet, then apply the plan. Until then, new workspaces get no FUSE device. Running "
                "workspaces keep their device.",
                f"kubectl -n {NAMESPACE} delete daemonset {NAMESPACE}",
                touches="nodes that offer FUSE",
            ),
        ),
    )


def _with_other_containers(containers: Sequence[Mapping[str, Any]], by: str) -> Judged:
    """Reports containers beside the device manager's: they stay, and can be a second device manager."""
    count = "two" if len(containers) == 2 else str(len(containers))
    return Judged(
        Outcome.WARNING,
        f"The device manager's pod has {count} containers",
        f"The plan changes only the container {CONTAINER}. If another one is a device manager too, both register the "
        "same devices, and the last one wins.",
        (*(f"container {one.get('name')}: image {one.get('image')}" for one in containers), f"fields written by: {by}"),
        (
            Remedy(
                "Check that each container is wanted.",
                f"kubectl -n {NAMESPACE} get daemonset {NAMESPACE} -o yaml --show-managed-fields",
                touches="nothing",
            ),
        ),
    )


def running(situation: Situation) -> Judged:
    """Checks for device manager pods that fail, or run without FUSE."""
    pods = situation.facts.plugin_pods
    if not pods:
        return Judged(Outcome.SKIPPED, "No device manager pods to check", "None are running yet.")
    failing = [(pod, reason) for pod in pods if (reason := _trouble(pod))]
    if failing:
        reasons = Counter(reason for _, reason in failing)
        return Judged(
            Outcome.WARNING,
            f"{len(failing)} of {counted(len(pods), 'device manager pod')} failing",
            "Their nodes do not advertise FUSE.",
            tuple(f"{count} x {reason}" for reason, count in reasons.most_common(5)),
            (Remedy("Check the events of the pods.", f"kubectl -n {NAMESPACE} describe pods", touches="nothing"),),
            len(failing),
        )
    without = _running_without_fuse(situation)
    if without:
        return Judged(
            Outcome.WARNING,
            f"{counted(len(without), 'node')} with a running pod but no FUSE",
            "The device manager looks for /dev/fuse only when it starts. It did not find the device.",
            (f"ready pod, no {FUSE_RESOURCE} in allocatable: {', '.join(without[:3])}",),
            (
                Remedy(
                    "Load the fuse module now and at every boot.",
                    _LOAD_FUSE,
                    who="system admin",
                    touches="the nodes",
                ),
                Remedy("Then restart the pods.", f"kubectl -n {NAMESPACE} rollout restart daemonset/{NAMESPACE}"),
            ),
            len(without),
        )
    return Judged(Outcome.OK, f"{counted(len(pods), 'device manager pod')} running", nodes=len(pods))


_LOAD_FUSE = "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf"


def _trouble(pod: KubernetesObject) -> str:
    status = pod.get("status", {})
    if pod.get("metadata", {}).get("deletionTimestamp"):
        return ""
    for container in status.get("containerStatuses") or ():
        state, last = container.get("state") or {}, container.get("lastState") or {}
        ended = (last.get("terminated") or {}).get("reason", "")
        waiting = (state.get("waiting") or {}).get("reason", "")
        if waiting and waiting not in ("ContainerCreating", "PodInitializing"):
            return f"{waiting} ({ended})" if ended else str(waiting)
        if (state.get("terminated") or {}).get("reason"):
            return str(state["terminated"]["reason"])
        if ended == "OOMKilled":
            return f"restarted after {ended}"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason') or 'not scheduled'}: {condition.get('message') or '?'}"[:160]
    return str(status.get("reason") or "Failed") if status.get("phase") == "Failed" else ""


def _running_without_fuse(situation: Situation) -> list[str]:
    ready = {
        pod.get("spec", {}).get("nodeName", "")
        for pod in situation.facts.plugin_pods
        if any(
            c.get("type") == "Ready" and c.get("status") == "True"
            for c in pod.get("status", {}).get("conditions") or ()
        )
    }
    return [v.node.name for v in situation.verdicts if v.node.name in ready and not v.node.fuse_devices]


def duplicates(situation: Situation) -> Judged:
    """Checks for other device plugins that offer FUSE."""
    plugins = situation.facts.device_plugins
    same = [plugin for plugin in plugins if "smarter-device-manager" in plugin.image]
    seen = tuple(f"DaemonSet {plugin.namespace}/{plugin.name}: {plugin.image}" for plugin in plugins)
    if same:
        # Its configuration says what it offers, and is not read: it can be other devices than FUSE.
        shown = any(verdict.node.fuse_devices for verdict in situation.verdicts)
        offered_now = shown and situation.object("DaemonSet") is None
        none_yet = "" if shown else f"No node advertises {FUSE_RESOURCE} now, so it may offer other devices only. "
        return Judged(
            Outcome.WARNING,
            "Another device manager offers FUSE" if offered_now else "Another device manager may offer FUSE",
            f"{none_yet}If two plugins register {FUSE_RESOURCE} on a node, the last one wins. When that plugin stops, "
            "the node loses the resource.",
            seen,
            (
                Remedy(
                    "Keep only one of them.",
                    f"kubectl -n {same[0].namespace} get daemonset {same[0].name} -o yaml",
                    touches="nothing",
                ),
            ),
            confidence="medium",
        )
    offered = Counter(
        name for verdict in situation.verdicts for name in OTHER_FUSE_RESOURCES if verdict.node.allocatable.get(name)
    )
    if offered:
        return Judged(
            Outcome.INFO,
            "Another plugin offers FUSE under another name",
            f"Workspaces that request {' or '.join(offered)} use that plugin. Both can run side by side.",
            (*(f"{name} in allocatable of {counted(count, 'node')}" for name, count in offered.items()), *seen),
        )
    if plugins:
        return Judged(
            Outcome.INFO,
            "Another device plugin may offer FUSE",
            f"No node advertises {' or '.join(OTHER_FUSE_RESOURCES)}, so it offers other devices, or uses another "
            "name.",
            seen,
            confidence="medium",
        )
    strange = [verdict for verdict in situation.verdicts if verdict.node.fuse_devices]
    if strange and situation.object("DaemonSet") is None:
        return Judged(
            Outcome.WARNING,
            f"An unknown plugin offers {FUSE_RESOURCE}",
            "If two plugins register it on a node, the last one wins. When that plugin stops, the node loses the "
            "resource.",
            (f"{FUSE_RESOURCE} in allocatable of {counted(len(strange), 'node')}: {names(strange)}",),
            (Remedy("Find this plugin before you install a second one.", "kubectl get daemonsets -A -o wide"),),
            len(strange),
            "medium",
        )
    return Judged(Outcome.OK, "No other device plugin offers FUSE", evidence=("DaemonSets in all namespaces",))


def kubelet_path(situation: Situation) -> Judged:
    """Checks for kubelets whose plugin folder is not the one in the manifest."""
    snaps = [
        verdict
        for verdict in situation.chosen
        if any(label.startswith("microk8s.io/") for label in verdict.node.labels)
        and version_in(verdict.node.kubelet_version) < LINKED_MICROK8S
        and not verdict.node.fuse_devices
    ]
    if not snaps:
        return Judged(
            Outcome.OK,
            "Kubelets use the standard plugin folder",
            evidence=("kubelets always use /var/lib/kubelet/device-plugins; no MicroK8s before 1.27 found",),
        )
    return Judged(
        Outcome.WARNING,
        f"{counted(len(snaps), 'kubelet')} may use another plugin folder",
        "MicroK8s keeps the kubelet folder in its snap and links /var/lib/kubelet to it only since 1.27. Before that, "
        "the device manager pod runs, but its node advertises nothing.",
        (f"MicroK8s {snaps[0].node.kubelet_version}: {names(snaps)}",),
        (
            Remedy(
                "Create the link on each of these nodes that has no such folder, or upgrade MicroK8s.",
                "ln -s /var/snap/microk8s/common/var/lib/kubelet /var/lib/kubelet",
                who="system admin",
                touches="the nodes",
            ),
        ),
        len(snaps),
        "medium",
    )


LINKED_MICROK8S = (1, 27)
"""The first MicroK8s that links /var/lib/kubelet to its own folder (minio/directpv#816, openebs/lvm-localpv#378)."""


def capacity(situation: Situation) -> Judged:
    """Compares the FUSE devices with the pods, per node, and what nodes offer with what is configured.

    What nodes advertise counts first, then the configuration in the cluster, and last the manifest.
    """
    if not situation.chosen:
        return Judged(Outcome.SKIPPED, "No node with FUSE devices to check", "No node is selected.")
    configured = devices_in(situation.object("ConfigMap") or situation.planned("ConfigMap")) or GUIDE_DEVICES
    offered = [verdict.node.fuse_devices for verdict in situation.verdicts if verdict.node.fuse_devices]
    stale = [number for number in offered if number != configured]
    if stale and situation.object("ConfigMap") is not None:
        return Judged(
            Outcome.WARNING,
            f"{counted(len(stale), 'node')} with {stale[0]} FUSE devices, not {configured}"[:TITLE_WIDTH],
            "The device manager reads its configuration only when it starts, so these nodes offer an earlier number.",
            (f"nummaxdevices in the ConfigMap: {configured}; allocatable on these nodes: {stale[0]}",),
            (
                Remedy(
                    "Restart the device manager. Running workspaces keep their device.",
                    f"kubectl -n {NAMESPACE} rollout restart daemonset/{NAMESPACE}",
                    touches="the device manager",
                ),
            ),
            len(stale),
        )
    pods = pods_per_node(situation.chosen)
    switch = situation.switch("devices-per-node")
    devices = min(offered, default=configured)
    where = "allocatable FUSE devices per node" if offered else "nummaxdevices"
    if pods <= devices:
        return Judged(Outcome.OK, f"{counted(devices, 'FUSE device')} for {counted(pods, 'pod')} per node")
    return Judged(
        Outcome.INFO,
        f"{counted(devices, 'FUSE device')} per node, but {counted(pods, 'pod')} fit",
        f"A node can run {counted(devices, 'workspace')} with FUSE at a time. The devices are virtual, so a higher "
        "number costs nothing.",
        (f"allocatable pods per node: {pods}; {where}: {devices}",),
        (in_manifest(switch, f"Raise it to {pods}"),),
        len(situation.chosen),
    )


def _mebibytes(quantity: str) -> float:
    """Returns an amount of memory, as Kubernetes writes it, in MiB; 0 if it is not one."""
    return (quantities.whole(quantity) or 0) / 1024**2


def memory(situation: Situation) -> Judged:
    """Checks the memory limit of the installed device manager."""
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.SKIPPED,
            "No memory limit to check",
            "The device manager is not installed yet. The manifest sets 30Mi.",
        )
    limit = str(container_of(daemon_set).get("resources", {}).get("limits", {}).get("memory", ""))
    seen = (f"DaemonSet {NAMESPACE}: memory limit {limit or 'none'}",)
    if 0 < _mebibytes(limit) < 30:
        return Judged(
            Outcome.WARNING,
            f"The memory limit of {limit} is too small",
            "The device manager is killed (OOMKilled), and its node loses FUSE. Upstream sets 30Mi.",
            seen,
            (in_manifest(situation.switch("memory"), "Set it to 30Mi"),),
        )
    return Judged(Outcome.OK, "The device manager has enough memory", evidence=seen)
