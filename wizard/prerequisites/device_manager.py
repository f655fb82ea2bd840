"""What is installed already, how it does, and what it can give out."""

from __future__ import annotations

import re
from collections import Counter

from wizard.facts import KubernetesObject
from wizard.findings import Outcome, Remedy
from wizard.manifest import GUIDE_DEVICES, pods_per_node
from wizard.names import FUSE_RESOURCE, NAMESPACE, OTHER_FUSE_RESOURCES
from wizard.prerequisites.situation import Judged, Situation, counted, in_manifest, names, written
from wizard.systems import version_in


def installed(situation: Situation) -> Judged:
    """What is installed, and by whom."""
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.INFO,
            "smarter-device-manager is not installed yet",
            "The plan installs it.",
            (f"no daemon set {NAMESPACE} in namespace {NAMESPACE}",),
        )
    managers = list(dict.fromkeys(entry.get("manager", "?") for entry in written(daemon_set)))
    by = ", ".join(managers) or "unknown"
    status = daemon_set.get("status", {})
    return Judged(
        Outcome.INFO,
        f"smarter-device-manager is installed, by {by}"[:55],
        "The plan changes it in place; Manifest shows the difference.",
        (
            f"daemon set {NAMESPACE}: image {_container(daemon_set).get('image', '?')}",
            f"pods ready: {status.get('numberReady', 0)} of {status.get('desiredNumberScheduled', 0)}",
            f"fields written by: {by}",
        ),
        nodes=status.get("desiredNumberScheduled", 0),
    )


def _container(daemon_set: KubernetesObject) -> KubernetesObject:
    containers = daemon_set.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    container: KubernetesObject = next((one for one in containers if one.get("name") == NAMESPACE), containers[0])
    return container


def running(situation: Situation) -> Judged:
    """Pods of the device manager that fail, or run without FUSE."""
    pods = situation.facts.plugin_pods
    if not pods:
        return Judged(Outcome.SKIPPED, "No pod of the device manager to look at", "None runs yet.")
    failing = [(pod, reason) for pod in pods if (reason := _trouble(pod))]
    if failing:
        reasons = Counter(reason for _, reason in failing)
        return Judged(
            Outcome.WARNING,
            f"{len(failing)} of {counted(len(pods), 'pod')} of the device manager fail",
            "Their nodes offer no FUSE.",
            tuple(f"{count} x {reason}" for reason, count in reasons.most_common(5)),
            (Remedy("Read the events of the pods.", f"kubectl -n {NAMESPACE} describe pods", touches="nothing"),),
            len(failing),
        )
    without = _running_without_fuse(situation)
    if without:
        return Judged(
            Outcome.WARNING,
            f"{counted(len(without), 'node')} with a running pod, without FUSE",
            "The device manager looks for /dev/fuse once, when it starts, and found none.",
            (f"ready pod, no {FUSE_RESOURCE} in allocatable: {', '.join(without[:3])}",),
            (
                Remedy("Load the module on the node, for good.", _LOAD_FUSE, who="system admin", touches="the nodes"),
                Remedy("Then restart the pods.", f"kubectl -n {NAMESPACE} rollout restart daemonset/{NAMESPACE}"),
            ),
            len(without),
        )
    return Judged(Outcome.PASS, f"{counted(len(pods), 'pod')} of the device manager run", nodes=len(pods))


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
    """Other plugins that offer FUSE."""
    plugins = situation.facts.device_plugins
    same = [plugin for plugin in plugins if "smarter-device-manager" in plugin.image]
    seen = tuple(f"daemon set {plugin.namespace}/{plugin.name}: {plugin.image}" for plugin in plugins)
    if same:
        # What it offers is told by its configuration, which is not read: a board's buses, perhaps, and no FUSE.
        shown = any(verdict.node.fuse_devices for verdict in situation.verdicts)
        offered_now = shown and situation.object("DaemonSet") is None
        none_yet = "" if shown else f"No node shows {FUSE_RESOURCE} now: it may offer other devices only. "
        return Judged(
            Outcome.WARNING,
            f"Another device manager {'offers' if offered_now else 'may offer'} the same resource",
            f"{none_yet}Of two that register {FUSE_RESOURCE} on a node, the later one takes over; when it ends, both "
            "are gone.",
            seen,
            (
                Remedy(
                    "Keep one of the two.",
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
            "Another device plugin offers FUSE by another name",
            f"Workspaces that request {' or '.join(offered)} use that one; both can run side by side.",
            (*(f"{name} in allocatable of {counted(count, 'node')}" for name, count in offered.items()), *seen),
        )
    if plugins:
        return Judged(
            Outcome.INFO,
            "Another device plugin runs, that may offer FUSE",
            f"Nodes show none of {', '.join(OTHER_FUSE_RESOURCES)}, so it offers other devices, or another name.",
            seen,
            confidence="medium",
        )
    strange = [verdict for verdict in situation.verdicts if verdict.node.fuse_devices]
    if strange and situation.object("DaemonSet") is None:
        return Judged(
            Outcome.WARNING,
            f"Somebody else offers {FUSE_RESOURCE}",
            "Of two that register it on a node, the later one takes over; when it ends, both are gone.",
            (f"{FUSE_RESOURCE} in allocatable of {counted(len(strange), 'node')}: {names(strange)}",),
            (Remedy("Find out who does, before a second one comes.", "kubectl get daemonsets -A -o wide"),),
            len(strange),
            "medium",
        )
    return Judged(Outcome.PASS, "No other device plugin offers FUSE", evidence=("daemon sets of all namespaces",))


def kubelet_path(situation: Situation) -> Judged:
    """Kubelets that look for device plugins elsewhere than the manifest puts them."""
    snaps = [
        verdict
        for verdict in situation.chosen
        if any(label.startswith("microk8s.io/") for label in verdict.node.labels)
        and version_in(verdict.node.kubelet_version) < LINKED_MICROK8S
        and not verdict.node.fuse_devices
    ]
    if not snaps:
        return Judged(
            Outcome.PASS,
            "The kubelets look where the manifest puts the plugin",
            evidence=("/var/lib/kubelet/device-plugins is fixed in the kubelet; no MicroK8s before 1.27",),
        )
    return Judged(
        Outcome.WARNING,
        f"{counted(len(snaps), 'kubelet')} may look for plugins in another folder",
        "MicroK8s has its kubelet's folder in the snap, and links /var/lib/kubelet to it only since 1.27: the device "
        "manager's pod would run, and its node offer nothing.",
        (f"MicroK8s {snaps[0].node.kubelet_version}: {names(snaps)}",),
        (
            Remedy(
                "Make the link on each of these nodes, where no such folder is there, or upgrade MicroK8s.",
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
    """Devices against pods, per node."""
    if not situation.chosen:
        return Judged(Outcome.SKIPPED, "No node whose devices could run out", "No node is chosen.")
    pods = pods_per_node(situation.chosen)
    switch = situation.switch("devices-per-node")
    devices = int(switch.value) if switch.on else GUIDE_DEVICES
    if pods <= devices:
        return Judged(Outcome.PASS, f"{devices} FUSE devices cover the {pods} pods of a node")
    return Judged(
        Outcome.INFO,
        f"{devices} FUSE devices a node, which takes {pods} pods",
        f"A node serves {devices} workspaces with FUSE at a time. The devices are virtual; more cost nothing.",
        (f"nodes' allocatable pods: {pods}; the manifest's nummaxdevices: {devices}",),
        (in_manifest(switch, f"Raise it to {pods}"),),
        len(situation.chosen),
    )


_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


def _mebibytes(quantity: str) -> float:
    """An amount of memory as Kubernetes writes it, in MiB; 0 where it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]|[KMG]i)?", quantity)
    return float(found[1]) * _UNITS[found[2] or ""] / 1024**2 if found else 0.0


def memory(situation: Situation) -> Judged:
    """The installed memory limit."""
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.SKIPPED, "No memory limit to look at", "It is not installed yet; the manifest gives 30Mi."
        )
    limit = str(_container(daemon_set).get("resources", {}).get("limits", {}).get("memory", ""))
    seen = (f"daemon set {NAMESPACE}: memory limit {limit or 'none'}",)
    if 0 < _mebibytes(limit) < 30:
        return Judged(
            Outcome.WARNING,
            f"The installed memory limit of {limit} is too small",
            "The device manager is killed (OOMKilled) and its node loses FUSE. Its makers give 30Mi.",
            seen,
            (in_manifest(situation.switch("memory"), "Give it 30Mi"),),
        )
    return Judged(Outcome.PASS, "The installed device manager has enough memory", evidence=seen)
