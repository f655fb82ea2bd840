"""The DaemonSet controller: a pod on each matching node, replaced in turn when the template changes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from wizard.sandbox import events, selectors
from wizard.sandbox.cluster import SYSTEM as SYSTEM_USER
from wizard.sandbox.cluster import TEMPLATE_GENERATION, Cluster, Deletion, Write
from wizard.sandbox.kinds import DAEMON_SET, POD
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.store import Change, Key, Object, Version

MANAGER = "kube-controller-manager"
BURST = 250
"""The maximum number of pods created in one pass."""
LARGEST_BATCH = 16
"""Pods created before other tasks run."""
SYNC_SECONDS = 0.15
"""Seconds between two passes over the same DaemonSet."""
RETRY_SECONDS = (0.5, 4.0)
"""The first and the longest wait after a rejected pod."""
HASH = "controller-revision-hash"


def tolerations(pod_spec: Object) -> list[Object]:
    """Returns the tolerations that every pod of a DaemonSet gets besides those of its template."""
    added = [("not-ready", "NoExecute"), ("unreachable", "NoExecute")]
    added += [
        (f"{name}", "NoSchedule") for name in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
    ]
    if pod_spec.get("hostNetwork"):
        added.append(("network-unavailable", "NoSchedule"))
    own = list(pod_spec.get("tolerations", ()))
    new = [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in added]
    return own + [one for one in new if one not in own]


def tolerates(listed: list[Object], taint: Object) -> bool:
    """Whether one of the tolerations covers a taint."""
    for one in listed:
        if one.get("effect") not in (None, "", taint.get("effect")):
            continue
        if one.get("operator") == "Exists":
            if one.get("key") in (None, "", taint["key"]):
                return True
        elif one.get("key") == taint["key"] and one.get("value", "") == taint.get("value", ""):
            return True
    return False


def fits_selector(pod_spec: Object, node: Object) -> bool:
    """Whether a node matches a pod's node selector and required node affinity."""
    labels = node["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in pod_spec.get("nodeSelector", {}).items()):
        return False
    affinity = pod_spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    name = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(selectors.matches_expression(rule, labels) for rule in term.get("matchExpressions", ()))
        and all(selectors.matches_expression(rule, name) for rule in term.get("matchFields", ()))
        for term in required["nodeSelectorTerms"]
    )


def should_run(pod_spec: Object, tolerated: list[Object], node: Object) -> tuple[bool, bool]:
    """Whether a DaemonSet's pod should be started on a node, and whether it can stay there."""
    if not fits_selector(pod_spec, node):
        return False, False
    untolerated = [
        taint["effect"]
        for taint in node["spec"].get("taints", ())
        if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerated, taint)
    ]
    return not untolerated, "NoExecute" not in untolerated


def template_hash(daemon_set: Object) -> str:
    """Returns the name of a template's revision."""
    text = json.dumps(daemon_set["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def is_ready(pod: Object) -> bool:
    """Whether a pod's Ready condition is true."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


@dataclass
class _Work:
    """One DaemonSet in the care of the controller."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    retry: float = RETRY_SECONDS[0]


class DaemonSetController:
    """Controls all DaemonSets of a cluster."""

    def __init__(self, cluster: Cluster, recorder: events.Recorder) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._recorder = recorder
        self._work: dict[Key, _Work] = {}
        self._pods: defaultdict[str, dict[Key, Version]] = defaultdict(dict)
        """The pods of each DaemonSet, by its UID."""
        self._ends = [
            self._store.listen("daemonsets", self._daemon_set_changed),
            self._store.listen("nodes", self._node_changed),
            self._store.listen("pods", self._pod_changed),
        ]

    async def stop(self) -> None:
        for end in self._ends:
            end()
        tasks = [work.task for work in self._work.values() if work.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # what wakes it

    def _daemon_set_changed(self, change: Change) -> None:
        key = change.version.key
        if change.type == "DELETED":
            work = self._work.pop(key, None)
            if work and work.task and work.task is not asyncio.current_task():
                work.task.cancel()
            self._collect(change.version.obj)
            return
        if (
            change.previous
            and change.previous.obj["spec"] is change.version.obj["spec"]
            and all(
                change.previous.obj["metadata"].get(name) == change.version.obj["metadata"].get(name)
                for name in ("deletionTimestamp", "annotations", "labels")
            )
        ):
            return  # only its status
        if key not in self._work:
            work = self._work[key] = _Work()
            work.task = asyncio.get_running_loop().create_task(self._look_after(key, work))
        self._work[key].retry = RETRY_SECONDS[0]
        self._work[key].wake.set()

    def _node_changed(self, change: Change) -> None:
        if change.type == "DELETED":
            for pods in list(self._pods.values()):
                for pod in list(pods.values()):
                    if pod.obj["spec"].get("nodeName") == change.version.key[1]:
                        self._delete(pod, grace=0)
        elif change.previous and (
            change.previous.obj["spec"] is change.version.obj["spec"]
            and change.previous.obj["metadata"].get("labels") is change.version.obj["metadata"].get("labels")
        ):
            return  # only its status
        for work in self._work.values():
            work.wake.set()

    def _pod_changed(self, change: Change) -> None:
        owner = next(
            (one for one in change.version.obj["metadata"].get("ownerReferences", ()) if one.get("controller")), None
        )
        if owner is None or owner["kind"] != "DaemonSet":
            return
        pods = self._pods[owner["uid"]]
        if change.type == "DELETED":
            pods.pop(change.version.key, None)
        else:
            pods[change.version.key] = change.version
        work = self._work.get((change.version.key[0], owner["name"]))
        if work:
            work.wake.set()

    def _collect(self, daemon_set: Object) -> None:
        """Acts as the garbage collector: pods are deleted with their DaemonSet, unless they were orphaned."""
        pods = self._pods.pop(daemon_set["metadata"]["uid"], {})
        if "orphan" not in daemon_set["metadata"].get("finalizers", ()):
            for pod in list(pods.values()):
                self._delete(pod)

    # what it does

    async def _look_after(self, key: Key, work: _Work) -> None:
        # the first pass comes a moment after the DaemonSet, as in a real cluster, where the response to an apply never
        # has a status yet
        await asyncio.sleep(self._cluster.clock.seconds(SYNC_SECONDS))
        while True:
            await work.wake.wait()
            work.wake.clear()
            live = self._store.get("daemonsets", key)
            if live is None:
                return
            began = time.perf_counter()
            lacking = self._sync(live)
            cost = time.perf_counter() - began
            refused = await self._create_pods(live.obj, lacking[:BURST])
            if len(lacking) > BURST:
                work.wake.set()
            if refused:
                pause = self._cluster.clock.seconds(work.retry)
                work.retry = min(work.retry * 2, RETRY_SECONDS[1])
                self._wake_later(work, pause)
            # a pass over thousands of nodes takes a while, so other tasks get most of the time
            await asyncio.sleep(max(self._cluster.clock.seconds(SYNC_SECONDS), 4 * cost))

    def _wake_later(self, work: _Work, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(seconds, 0.02), work.wake.set)

    def _sync(self, live: Version) -> list[str]:
        """Makes one pass over a DaemonSet; returns the nodes that lack a pod."""
        daemon_set = live.obj
        metadata = daemon_set["metadata"]
        if metadata.get("deletionTimestamp"):
            self._finish(live)
            return []
        pod_spec = daemon_set["spec"]["template"]["spec"]
        tolerated = tolerations(pod_spec)
        by_node: defaultdict[str, list[Version]] = defaultdict(list)
        for pod in self._pods[metadata["uid"]].values():
            by_node[pod.obj["spec"].get("nodeName") or _node_of(pod.obj)].append(pod)
        lacking, excess, wanted = [], [], set()
        for node in list(self._store.values("nodes")):
            name = node.key[1]
            start, stay = should_run(pod_spec, tolerated, node.obj)
            pods = by_node.get(name, [])
            if start:
                wanted.add(name)
            if start and not pods:
                lacking.append(name)
            elif start:
                ended = [pod for pod in pods if pod.obj["status"].get("phase") in ("Failed", "Succeeded")]
                running = [pod for pod in pods if pod not in ended]
                excess += ended + sorted(running, key=lambda pod: pod.resource_version)[1:]
            elif not stay:
                excess += pods
        for pod in excess:
            self._delete(pod)
        self._write_status(daemon_set, by_node, wanted)
        self._roll(daemon_set, by_node, wanted)
        return sorted(lacking)

    def _finish(self, live: Version) -> None:
        """Removes a DaemonSet that is being deleted when its pods are gone, or at once if they are orphaned."""
        metadata = live.obj["metadata"]
        pods = self._pods[metadata["uid"]]
        if "foregroundDeletion" in metadata.get("finalizers", ()) and pods:
            for pod in list(pods.values()):
                self._delete(pod)
            return
        self._store.remove("daemonsets", live.key)

    def _delete(self, pod: Version, grace: int | None = None) -> None:
        current = self._store.get("pods", pod.key)
        if current is None or (grace is None and current.obj["metadata"].get("deletionTimestamp")):
            return
        self._cluster.delete(POD, *pod.key, Deletion(grace=grace), Write(SYSTEM_USER, MANAGER))

    async def _create_pods(self, daemon_set: Object, names: list[str]) -> bool:
        """Creates pods in growing batches, until a pod is rejected; returns whether one was."""
        size = 1
        example: Version | None = None
        while names:
            await asyncio.sleep(0)
            batch, names = names[:size], names[size:]
            size = min(size * 2, LARGEST_BATCH)
            refused = False
            for name in batch:
                pod = self._pod(daemon_set, name)
                try:
                    example = created = self._cluster.create_as(POD, pod, MANAGER, example)
                except Refusal as refusal:
                    if refusal.code == 404 or "being terminated" in refusal.message:
                        return False
                    text = f"Error creating: {refusal.message}"
                    self._recorder.record(daemon_set, "Warning", "FailedCreate", text, events.DAEMON_SET_CONTROLLER)
                    refused = True
                else:
                    text = f"Created pod: {created.key[1]}"
                    self._recorder.record(daemon_set, "Normal", "SuccessfulCreate", text, events.DAEMON_SET_CONTROLLER)
            if refused:
                return True
        return False

    def _pod(self, daemon_set: Object, node: str) -> Object:
        metadata, template = daemon_set["metadata"], daemon_set["spec"]["template"]
        generation = metadata["annotations"].get(TEMPLATE_GENERATION, "1")
        labels = {**template["metadata"].get("labels", {}), HASH: template_hash(daemon_set)}
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        owner = {
            "apiVersion": DAEMON_SET.api_version,
            "kind": "DaemonSet",
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        own: Object = {
            "name": f"{metadata['name']}-{self._cluster.clock.suffix()}",
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": {**labels, "pod-template-generation": generation},
            "ownerReferences": [owner],
        }
        if annotations := template["metadata"].get("annotations"):
            own["annotations"] = annotations
        spec = {**template["spec"], "affinity": affinity, "tolerations": tolerations(template["spec"])}
        return {"kind": "Pod", "apiVersion": "v1", "metadata": own, "spec": spec}

    def _roll(self, daemon_set: Object, by_node: dict[str, list[Version]], wanted: set[str]) -> None:
        """Deletes pods of older templates, as many as can be unavailable at a time."""
        strategy = daemon_set["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        current = template_hash(daemon_set)
        allowed = _share(strategy.get("rollingUpdate", {}).get("maxUnavailable", 1), len(wanted))
        stale = []
        unavailable = 0
        for name in sorted(wanted):
            pods = [pod for pod in by_node.get(name, ()) if not pod.obj["metadata"].get("deletionTimestamp")]
            if not pods or not any(is_ready(pod.obj) for pod in pods):
                unavailable += 1
            stale += [pod for pod in pods if pod.obj["metadata"]["labels"].get(HASH) != current]
        # replacing a pod that is not ready does not reduce availability
        for pod in [one for one in stale if not is_ready(one.obj)]:
            self._delete(pod)
        for pod in [one for one in stale if is_ready(one.obj)][: max(allowed - unavailable, 0)]:
            self._delete(pod)

    def _write_status(self, daemon_set: Object, by_node: dict[str, list[Version]], wanted: set[str]) -> None:
        current = template_hash(daemon_set)
        scheduled = ready = updated = misscheduled = 0
        for name, pods in by_node.items():
            if name not in wanted:
                misscheduled += 1
                continue
            scheduled += 1
            pod = max(pods, key=lambda one: one.obj["metadata"]["creationTimestamp"]).obj
            if is_ready(pod) and not pod["metadata"].get("deletionTimestamp"):
                ready += 1
            updated += pod["metadata"]["labels"].get(HASH) == current
        status: dict[str, Any] = {
            "currentNumberScheduled": scheduled,
            "numberMisscheduled": misscheduled,
            "desiredNumberScheduled": len(wanted),
            "numberReady": ready,
            "observedGeneration": daemon_set["metadata"]["generation"],
        }
        optional = {
            "updatedNumberScheduled": updated,
            "numberAvailable": ready,
            "numberUnavailable": len(wanted) - ready,
        }
        status |= {name: value for name, value in optional.items() if value}
        if status != daemon_set["status"]:
            self._cluster.record(DAEMON_SET, {**daemon_set, "status": status}, MANAGER)


def _node_of(pod: Object) -> str:
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


def _share(value: int | str, of: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return max(1, -(-of * int(value[:-1]) // 100))
    return int(value)
