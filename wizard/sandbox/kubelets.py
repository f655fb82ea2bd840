"""The scheduler and the kubelets: pods find a node, start there, print something, and end.

A pod that mounts the kubelet's device-plugin folder is a device plugin: while it is ready, its node advertises
``smarter-devices/fuse`` as many times as its configuration sets, if the node has /dev/fuse.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import yaml

from wizard.quantities import amount
from wizard.sandbox import events, podman, refusals
from wizard.sandbox.cluster import SYSTEM, Cluster, Deletion, Write
from wizard.sandbox.daemon_sets import fits_selector, tolerates
from wizard.sandbox.kinds import NODE, POD
from wizard.sandbox.nodes import Machine
from wizard.sandbox.podman import FUSE
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.store import Change, Key, Object, Version
from wizard.sandbox.watching import Log

SCHEDULING, PULLING, STARTING, REGISTERING = 0.15, 1.1, 0.5, 0.4
"""Seconds that a pod's steps take, plus or minus a third."""
RUNNING, STOPPING, BACK_OFF, RESCHEDULING = 1.0, 0.4, 2.0, 1.0
TOO_MANY = "Too many pods"
DEVICE_PLUGINS = "/var/lib/kubelet/device-plugins"
ZONE_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class Kubelets:
    """All kubelets of a cluster, and its scheduler."""

    def __init__(self, cluster: Cluster, recorder: events.Recorder, machines: Mapping[str, Machine]) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._clock = cluster.clock
        self._recorder = recorder
        self._machines = machines
        self._timers: defaultdict[str, set[asyncio.TimerHandle]] = defaultdict(set)
        """What is scheduled for each pod, by its UID."""
        self._images: set[tuple[str, str]] = set()
        """Pairs of node and image that have been pulled."""
        self._logs: dict[str, str] = {}
        self._given: defaultdict[str, set[str]] = defaultdict(set)
        """The resources of which a pod got devices, by the pod's UID."""
        self._waiting: dict[Key, str] = {}
        """Pods without a node, with their UID."""
        self._on_node: defaultdict[str, set[Key]] = defaultdict(set)
        """The pods of each node that have not ended."""
        self._ends = [
            self._store.listen("pods", self._pod_changed),
            self._store.listen("nodes", self._node_changed),
        ]

    def stop(self) -> None:
        for end in self._ends:
            end()
        for timers in self._timers.values():
            for timer in timers:
                timer.cancel()

    # --- timing

    def _after(self, uid: str, seconds: float, call: Any, *arguments: Any) -> None:
        """Schedules a change of a pod; nothing happens if the pod is gone by then."""
        timers = self._timers[uid]

        def run() -> None:
            timers.discard(handle)
            with suppress(Refusal):  # the pod or its node may have gone meanwhile
                call(*arguments)

        handle = self._clock.later(seconds, run, spread=0.33)
        timers.add(handle)

    def _forget(self, uid: str) -> None:
        for timer in self._timers.pop(uid, ()):
            timer.cancel()

    # --- what wakes them

    def _pod_changed(self, change: Change) -> None:
        pod = change.version.obj
        uid = pod["metadata"]["uid"]
        if node := pod["spec"].get("nodeName"):
            ended = change.type == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed")
            (self._on_node[node].discard if ended else self._on_node[node].add)(change.version.key)
        if change.type == "DELETED":
            self._forget(uid)
            self._logs.pop(uid, None)
            self._given.pop(uid, None)
            self._waiting.pop(change.version.key, None)
            if _is_plugin(pod):
                self._withdraw(pod)
            self._try_waiting_again()
        elif change.type == "ADDED":
            if name := pod["spec"].get("nodeName"):
                self._after(uid, 0, self._bound, change.version.key, uid, name)
            else:
                self._waiting[change.version.key] = uid
                self._after(uid, SCHEDULING, self._schedule, change.version.key, uid)
        elif pod["metadata"].get("deletionTimestamp") and not (
            change.previous and change.previous.obj["metadata"].get("deletionTimestamp")
        ):
            self._forget(uid)
            self._after(uid, STOPPING, self._ended, change.version.key)

    def _node_changed(self, change: Change) -> None:
        if change.type == "DELETED":
            return
        before = change.previous.obj if change.previous else None
        node = change.version.obj
        if (
            before
            and all(before.get(part) is node.get(part) or before[part] == node[part] for part in ("spec", "status"))
            and before["metadata"].get("labels") == node["metadata"].get("labels")
        ):
            return
        self._try_waiting_again()

    def _try_waiting_again(self) -> None:
        for key, uid in list(self._waiting.items()):
            if not self._timers[uid]:
                self._after(uid, SCHEDULING, self._schedule, key, uid)

    def _live(self, key: Key, uid: str) -> Object:
        found = self._cluster.find(POD, *key).obj
        if found["metadata"]["uid"] != uid:
            raise refusals.not_found(POD.resource, key[1])
        return found

    # --- the scheduler

    def _schedule(self, key: Key, uid: str) -> None:
        pod = self._live(key, uid)
        if pod["spec"].get("nodeName"):
            return
        reasons: dict[str, int] = {}
        taken: defaultdict[str, defaultdict[str, int]] | None = None
        wanted = _extended(pod)
        name = _pinned(pod)
        candidates = [self._store.get("nodes", ("", name))] if name else list(self._store.values("nodes"))
        for node in candidates:
            if node is None:
                continue
            if wanted and taken is None:
                taken = self._taken()
            why = self._unfit(pod, node.obj, wanted, taken[node.key[1]] if taken is not None else {})
            if not why:
                self._bind(pod, node.obj)
                return
            reasons[why] = reasons.get(why, 0) + 1
        if name and set(reasons) == {TOO_MANY} and self._preempt(pod, name):
            return
        self._unschedulable(pod, reasons, pinned=bool(name))

    def _preempt(self, pod: Object, node: str) -> bool:
        """Evicts the least important pod of a node if it is less important than ``pod``, which is then tried again."""
        found = (self._store.get("pods", key) for key in self._on_node[node])
        victims = [one.obj for one in found if one and one.obj["spec"].get("priority", 0) < pod["spec"]["priority"]]
        if not victims:
            return False
        lowest = min(one["spec"].get("priority", 0) for one in victims)
        victim = max(
            (one for one in victims if one["spec"].get("priority", 0) == lowest),
            key=lambda one: str(one["status"].get("startTime", "9")),
        )
        if not victim["metadata"].get("deletionTimestamp"):
            text = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
            self._recorder.record(victim, "Normal", "Preempted", text, events.SCHEDULER)
            key = (victim["metadata"]["namespace"], victim["metadata"]["name"])
            self._cluster.delete(POD, *key, Deletion(grace=None), Write(SYSTEM, "kube-scheduler"))
        return True

    def _unfit(self, pod: Object, node: Object, wanted: Mapping[str, int], taken: Mapping[str, int]) -> str:
        if node["spec"].get("unschedulable") and not tolerates(
            pod["spec"].get("tolerations", []), {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        ):
            return "node(s) were unschedulable"
        for taint in node["spec"].get("taints", ()):
            if taint["effect"] != "PreferNoSchedule" and not tolerates(pod["spec"].get("tolerations", []), taint):
                return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
        if not fits_selector(pod["spec"], node):
            return "node(s) didn't match Pod's node affinity/selector"
        name, room = node["metadata"]["name"], node["status"].get("allocatable", {}).get("pods")
        if room is not None and len(self._on_node[name]) >= int(amount(room)):
            return TOO_MANY
        for resource, count in wanted.items():
            if int(amount(node["status"].get("allocatable", {}).get(resource, "0"))) - taken.get(resource, 0) < count:
                return f"Insufficient {resource}"
        return ""

    def _taken(self) -> defaultdict[str, defaultdict[str, int]]:
        taken: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for one in self._store.values("pods"):
            if one.obj["status"].get("phase") not in ("Succeeded", "Failed"):
                for resource, count in _extended(one.obj).items():
                    taken[one.obj["spec"].get("nodeName", "")][resource] += count
        return taken

    def _unschedulable(self, pod: Object, reasons: Mapping[str, int], *, pinned: bool) -> None:
        total = self._store.count("nodes")
        if pinned:
            left = total - sum(reasons.values())
            reasons = {**reasons, "node(s) didn't satisfy plugin(s) [NodeAffinity]": left} if left else reasons
        listed = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items(), key=lambda item: item[0]))
        said = listed or "no nodes available to schedule pods"
        text = f"0/{total} nodes are available: {said}."
        if reasons:
            text += (
                f" no new claims to deallocate, preemption: 0/{total} nodes are available: "
                f"{total} Preemption is not helpful for scheduling."
            )
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": self._clock.now(),
            "reason": "Unschedulable",
            "message": text,
        }
        self._write(pod, "kube-scheduler", conditions=[condition])
        self._recorder.record(pod, "Warning", "FailedScheduling", text, events.SCHEDULER)

    def _bind(self, pod: Object, node: Object) -> None:
        name = node["metadata"]["name"]
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._waiting.pop(key, None)
        self._take_place(pod, node)
        text = f"Successfully assigned {key[0]}/{key[1]} to {name}"
        self._recorder.record(pod, "Normal", "Scheduled", text, events.SCHEDULER)
        self._bound(key, pod["metadata"]["uid"], name)

    def _take_place(self, pod: Object, node: Object) -> None:
        """Assigns a pod to a node, and copies the labels of its zone to the pod."""
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self._clock.now(),
        }
        zone = {
            key: node["metadata"]["labels"][key] for key in ZONE_LABELS if key in node["metadata"].get("labels", {})
        }
        metadata = pod["metadata"]
        if zone:
            metadata = {**metadata, "labels": {**metadata.get("labels", {}), **zone}}
        self._store.put(
            "pods",
            {
                **pod,
                "metadata": metadata,
                "spec": {**pod["spec"], "nodeName": node["metadata"]["name"]},
                "status": {**pod["status"], "conditions": [scheduled]},
            },
        )

    # --- a kubelet

    def _bound(self, key: Key, uid: str, node_name: str) -> None:
        """Lets the node's kubelet, if it has one, start a pod."""
        pod = self._live(key, uid)
        node = self._store.get("nodes", ("", node_name))
        machine = self._machines.get(node_name)
        if node is None or machine is None or not machine.group.ready:
            return
        if not pod["status"].get("conditions"):
            self._take_place(pod, node.obj)
            pod = self._live(key, uid)
        if machine.system.get("virtual"):
            return  # there is no kubelet to start it
        if refused := self._refused_devices(pod, node.obj):
            self._fail(pod, "UnexpectedAdmissionError", f"Pod was rejected: Allocate failed due to {refused}")
            return
        deadline = pod["spec"].get("activeDeadlineSeconds")
        if deadline:
            self._after(uid, float(deadline), self._overdue, key, uid)
        self._waits(pod, machine, "ContainerCreating")
        self._after(uid, 0.1, self._pull, key, uid, machine, 1)

    def _refused_devices(self, pod: Object, node: Object) -> str:
        """Returns why a kubelet lacks the devices that a pod requests; it ignores a resource that it does not know."""
        allocatable, taken = node["status"].get("allocatable", {}), self._taken()[node["metadata"]["name"]]
        for resource, count in _extended(pod).items():
            if resource not in allocatable:
                continue
            there = int(amount(allocatable[resource]))
            free = there - taken[resource] + count
            if not there:
                return f"no healthy devices present; cannot allocate unhealthy devices {resource}, which is unexpected"
            if free < count:
                unavailable = f"requested number of devices unavailable for {resource}"
                return f"{unavailable}. Requested: {count}, Available: {max(free, 0)}, which is unexpected"
            self._given[pod["metadata"]["uid"]].add(resource)
        return ""

    def _fail(self, pod: Object, reason: str, message: str) -> None:
        self._write(pod, "kubelet", phase="Failed", reason=reason, message=message, startTime=self._clock.now())
        node = pod["spec"].get("nodeName", "")
        self._recorder.record(pod, "Warning", reason, message.removeprefix("Pod was rejected: "), events.kubelet(node))

    def _overdue(self, key: Key, uid: str) -> None:
        pod = self._live(key, uid)
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            return
        self._forget(uid)
        message = "Pod was active on the node longer than the specified deadline"
        self._fail(pod, "DeadlineExceeded", message)

    def _pull(self, key: Key, uid: str, machine: Machine, attempt: int) -> None:
        pod = self._live(key, uid)
        node, source = pod["spec"]["nodeName"], events.kubelet(pod["spec"]["nodeName"])
        image = pod["spec"]["containers"][0]["image"]
        if (node, image) in self._images and pod["spec"]["containers"][0].get("imagePullPolicy") != "Always":
            text = f'Container image "{image}" already present on machine and can be accessed by the pod'
            self._recorder.record(pod, "Normal", "Pulled", text, source)
            self._after(uid, STARTING, self._start, key, uid, machine, 0)
            return
        self._recorder.record(pod, "Normal", "Pulling", f'Pulling image "{image}"', source)
        self._after(uid, PULLING, self._pulled, key, uid, machine, attempt)

    def _pulled(self, key: Key, uid: str, machine: Machine, attempt: int) -> None:
        pod = self._live(key, uid)
        node, source = pod["spec"]["nodeName"], events.kubelet(pod["spec"]["nodeName"])
        image = pod["spec"]["containers"][0]["image"]
        error = self._pull_error(machine, image)
        if not error:
            self._images.add((node, image))
            text = f'Successfully pulled image "{image}" in 1.1s (1.1s including waiting). Image size: 9437184 bytes.'
            self._recorder.record(pod, "Normal", "Pulled", text, source)
            self._after(uid, STARTING, self._start, key, uid, machine, 0)
            return
        self._recorder.record(pod, "Warning", "Failed", f'Failed to pull image "{image}": {error}', source)
        self._recorder.record(pod, "Warning", "Failed", "Error: ErrImagePull", source)
        self._waits(pod, machine, "ErrImagePull", error)
        self._after(uid, 0.5, self._back_off_pulling, key, uid, machine, error)
        self._after(uid, BACK_OFF * attempt, self._pull, key, uid, machine, min(attempt + 1, 5))

    def _pull_error(self, machine: Machine, image: str) -> str:
        registry = image.partition("/")[0]
        unpack = f'failed to pull and unpack image "{image}"'
        if machine.operating_system != "linux" or machine.group.arch not in ("amd64", "arm64"):
            return f"rpc error: code = NotFound desc = {unpack}: no match for platform in manifest: not found"
        if not machine.group.unpullable and registry not in self._cluster.scenario.document.get(
            "unreachable-registries", ()
        ):
            return ""
        head = f'{unpack}: failed to resolve reference "{image}"'
        why = f'failed to do request: Head "https://{registry}/v2/": dial tcp: i/o timeout'
        return f"rpc error: code = Unavailable desc = {head}: {why}"

    def _back_off_pulling(self, key: Key, uid: str, machine: Machine, error: str) -> None:
        pod = self._live(key, uid)
        image, source = pod["spec"]["containers"][0]["image"], events.kubelet(pod["spec"]["nodeName"])
        text = f'Back-off pulling image "{image}"'
        self._waits(pod, machine, "ImagePullBackOff", f"{text}: ErrImagePull: {error}")
        self._recorder.record(pod, "Normal", "BackOff", text, source)
        self._recorder.record(pod, "Warning", "Failed", "Error: ImagePullBackOff", source)

    def _start(self, key: Key, uid: str, machine: Machine, restarts: int) -> None:
        pod = self._live(key, uid)
        source = events.kubelet(pod["spec"]["nodeName"])
        if missing := self._missing_config_map(pod):
            text = f'MountVolume.SetUp failed for volume "{missing[0]}" : configmap "{missing[1]}" not found'
            self._recorder.record(pod, "Warning", "FailedMount", text, source)
            self._after(uid, BACK_OFF, self._start, key, uid, machine, restarts)
            return
        self._recorder.record(pod, "Normal", "Created", "Container created", source)
        self._recorder.record(pod, "Normal", "Started", "Container started", source)
        if _is_plugin(pod):
            self._start_plugin(pod, key, uid, machine, restarts)
        elif pod["spec"].get("restartPolicy") == "Always":
            self._runs(pod, machine, restarts, ready=True)
        else:
            self._runs(pod, machine, restarts, ready=True)
            self._after(uid, RUNNING, self._finish, key, uid, machine)

    def _missing_config_map(self, pod: Object) -> tuple[str, str] | None:
        for volume in pod["spec"].get("volumes", ()):
            name = volume.get("configMap", {}).get("name")
            if not name or volume["configMap"].get("optional"):
                continue
            if self._store.get("configmaps", (pod["metadata"]["namespace"], name)) is None:
                return volume["name"], name
        return None

    # a pod that runs to its end

    def _finish(self, key: Key, uid: str, machine: Machine) -> None:
        pod = self._live(key, uid)
        purpose = pod["metadata"].get("labels", {}).get(podman.PURPOSE, "")
        if purpose == "probe":
            self._logs[uid] = podman.probe_log(machine, pod)
        elif purpose == "verify":
            self._logs[uid] = podman.verification_log(machine, pod, given=podman.FUSE in self._given[uid])
        state = {
            "terminated": {
                "exitCode": 0,
                "reason": "Completed",
                "startedAt": self._clock.now(),
                "finishedAt": self._clock.now(),
            }
        }
        self._write_running(pod, machine, state, phase="Succeeded", ready=False)

    # the device plugin

    def _start_plugin(self, pod: Object, key: Key, uid: str, machine: Machine, restarts: int) -> None:
        limit = pod["spec"]["containers"][0]["resources"].get("limits", {}).get("memory")
        if limit and amount(limit) < machine.group.plugin_memory * 1024 * 1024:
            self._killed(pod, key, uid, machine, restarts)
            return
        self._runs(pod, machine, restarts, ready=True)
        devices = self._devices(pod)
        self._logs[uid] = podman.plugin_log(machine, devices)
        if machine.has_fuse and devices is not None and devices >= 0:
            self._after(uid, REGISTERING, self._advertise, key, uid, devices)

    def _killed(self, pod: Object, key: Key, uid: str, machine: Machine, restarts: int) -> None:
        now = self._clock.now()
        killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": now, "finishedAt": now}
        name, metadata = pod["spec"]["containers"][0]["name"], pod["metadata"]
        where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        back_off = f"back-off {min(10 * 2**restarts, 300)}s restarting failed container={name} pod={where}"
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": back_off}}
        state = {"terminated": killed} if not restarts else waiting
        self._write_running(
            pod,
            machine,
            state,
            phase="Running",
            ready=False,
            restarts=restarts,
            last={"terminated": killed} if restarts else {},
        )
        if restarts:
            text = f"Back-off restarting failed container {name} in pod {where}"
            self._recorder.record(pod, "Warning", "BackOff", text, events.kubelet(pod["spec"]["nodeName"]))
        self._logs[uid] = ""
        self._after(uid, BACK_OFF * min(restarts + 1, 5), self._start, key, uid, machine, restarts + 1)

    def _devices(self, pod: Object) -> int | None:
        """Returns how many devices the configuration sets for /dev/fuse: -1 for no match, None for no configuration."""
        for volume in pod["spec"].get("volumes", ()):
            name = volume.get("configMap", {}).get("name")
            found = self._store.get("configmaps", (pod["metadata"]["namespace"], name)) if name else None
            if found is None:
                continue
            try:
                entries = yaml.safe_load(found.obj.get("data", {}).get("conf.yaml", "")) or []
                for entry in entries:
                    if re.search(entry["devicematch"], "fuse"):
                        return int(entry.get("nummaxdevices", 0))
            except (yaml.YAMLError, re.error, KeyError, TypeError, ValueError):
                return None
            return -1
        return None

    def _advertise(self, key: Key, uid: str, devices: int) -> None:
        pod = self._live(key, uid)
        self._set_resource(pod["spec"]["nodeName"], str(devices))

    def _withdraw(self, pod: Object) -> None:
        """Removes the devices of a plugin that ended; the kubelet keeps showing a capacity of 0."""
        name = pod["spec"].get("nodeName", "")
        node = self._store.get("nodes", ("", name))
        if node is not None and FUSE in node.obj["status"].get("allocatable", {}):
            self._set_resource(name, "0")

    def _set_resource(self, node_name: str, devices: str) -> None:
        node = self._cluster.find(NODE, "", node_name).obj
        status = node["status"]
        status = {**status, **{part: {**status[part], FUSE: devices} for part in ("capacity", "allocatable")}}
        self._cluster.record(NODE, {**node, "status": status}, "kubelet")

    # statuses

    def _ended(self, key: Key) -> None:
        self._cluster.delete(POD, *key, Deletion(grace=0), Write(SYSTEM, "kubelet"))

    def _waits(self, pod: Object, machine: Machine, reason: str, message: str = "") -> None:
        waiting = {"reason": reason} | ({"message": message} if message else {})
        self._write_running(pod, machine, {"waiting": waiting}, phase="Pending", ready=False)

    def _runs(self, pod: Object, machine: Machine, restarts: int, *, ready: bool) -> None:
        state = {"running": {"startedAt": self._clock.now()}}
        self._write_running(pod, machine, state, phase="Running", ready=ready, restarts=restarts)

    def _write_running(
        self,
        pod: Object,
        machine: Machine,
        state: Object,
        *,
        phase: str,
        ready: bool,
        restarts: int = 0,
        last: Object | None = None,
    ) -> None:
        now = self._clock.now()
        kept = {one["type"]: one for one in pod["status"].get("conditions", ())}
        conditions = [kept["PodScheduled"]] if "PodScheduled" in kept else []
        for kind in ("Initialized", "ContainersReady", "Ready"):
            status = "True" if ready or kind == "Initialized" else "False"
            since = kept.get(kind, {})
            changed = now if since.get("status") != status else since["lastTransitionTime"]
            conditions.append({"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": changed})
        containers = [
            {
                "name": container["name"],
                "state": state,
                "lastState": last or {},
                "ready": ready,
                "restartCount": restarts,
                "image": container["image"],
                "imageID": "" if "waiting" in state else f"sha256:{'0' * 64}",
                "started": "running" in state,
            }
            for container in pod["spec"]["containers"]
        ]
        node = self._cluster.find(NODE, "", pod["spec"]["nodeName"]).obj
        host = next((one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"), "")
        addresses: Object = {"hostIP": host}
        if phase != "Pending":
            own = host if pod["spec"].get("hostNetwork") else f"10.200.{sum(pod['metadata']['uid'].encode()) % 250}.7"
            addresses |= {"podIP": own, "podIPs": [{"ip": own}]}
        self._write(
            pod,
            "kubelet",
            phase=phase,
            conditions=conditions,
            **addresses,
            startTime=pod["status"].get("startTime", now),
            containerStatuses=containers,
        )

    def _write(self, pod: Object, manager: str, **status: Any) -> None:
        self._cluster.record(POD, {**pod, "status": {**pod["status"], **status}}, manager)

    # --- logs

    def read_log(self, version: Version, query: Mapping[str, str]) -> Log:
        """Returns what a container printed. Raises the errors of the server and the kubelet if there is no log."""
        pod = version.obj
        name, containers = pod["metadata"]["name"], [one["name"] for one in pod["spec"]["containers"]]
        wanted = query.get("container", "")
        if not wanted and len(containers) > 1:
            listed = " ".join(containers)
            raise refusals.bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
        if wanted and wanted not in containers:
            raise refusals.bad_request(f"container {wanted} is not valid for pod {name}")
        container = wanted or containers[0]
        node = pod["spec"].get("nodeName", "")
        machine = self._machines.get(node)
        if node and (machine is None or machine.group.log_error):
            where = f"https://{node}:10250/containerLogs/{pod['metadata']['namespace']}/{name}/{container}"
            error = machine.group.log_error.format(node=node) if machine else "no such host"
            raise refusals.internal(f'Get "{where}": {error}')
        statuses = pod["status"].get("containerStatuses", ())
        state: Object = next((one["state"] for one in statuses if one["name"] == container), {})
        if not node or not state:
            raise refusals.bad_request(f'container "{container}" in pod "{name}" is not available')
        if "waiting" in state and state["waiting"]["reason"] != "CrashLoopBackOff":
            why = state["waiting"]["reason"]
            text = "trying and failing to pull image" if "Image" in why else f"waiting to start: {why}"
            raise refusals.bad_request(f'container "{container}" in pod "{name}" is {text}')
        text = self._logs.get(pod["metadata"]["uid"], "")
        if tail := query.get("tailLines"):
            text = "".join(text.splitlines(keepends=True)[-int(tail) :]) if int(tail) else ""
        if limit := query.get("limitBytes"):
            text = text[: int(limit)]
        return Log(text, complete="terminated" in state)


def _is_plugin(pod: Object) -> bool:
    return any(
        volume.get("hostPath", {}).get("path", "").rstrip("/") == DEVICE_PLUGINS
        for volume in pod["spec"].get("volumes", ())
    )


def _extended(pod: Object) -> dict[str, int]:
    """Returns the devices that a pod requests."""
    wanted: defaultdict[str, int] = defaultdict(int)
    for container in pod["spec"]["containers"]:
        for name, value in container.get("resources", {}).get("limits", {}).items():
            if "/" in name:
                wanted[name] += int(amount(value))
    return wanted


def _pinned(pod: Object) -> str:
    """Returns the node that a DaemonSet's pod is for; "" for other pods."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    if len(terms) == 1:
        for rule in terms[0].get("matchFields", ()):
            if rule["key"] == "metadata.name" and rule["operator"] == "In" and len(rule["values"]) == 1:
                return str(rule["values"][0])
    return ""
