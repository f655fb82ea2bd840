"""Waits until the selected nodes advertise FUSE, and reports for every other node why it does not.

The DaemonSet's own counters are not enough: at the quota, or under Pod Security, they stop without an error. A node
counts as ready when a pod of the current template is ready on it and the node advertises the configured number of
devices: the device manager reads its configuration only when it starts, so a node can advertise an earlier number.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from wizard.cluster import ApiRefusal, Gateway, WatchEvent
from wizard.cluster.concurrency import together
from wizard.cluster.conversion import node_facts
from wizard.engine.events import HEARTBEAT_SECONDS, ActionProgress, Listener, Note
from wizard.engine.unseen_nodes import AT_ONCE, AWAY_SECONDS, UnseenNodes
from wizard.errors import ClusterError
from wizard.facts.cluster import KubernetesObject, NodeFacts
from wizard.facts.rollout import RolloutResult, Shortfall
from wizard.manifest.forecast import NOT_KNOWN, NOT_READY, QUOTA
from wizard.names import FUSE_RESOURCE, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE, NUDGE_ANNOTATION
from wizard.nodes.taints import until_they_pass, untolerated
from wizard.text.escaping import printable

PROGRESS_SECONDS = 0.5
JUDGE_SECONDS = 0.1
"""The shortest time between two evaluations of all nodes while there are many changes."""

GRACE_SECONDS = 15.0
"""How long a node can take to advertise its devices after its pod is ready; a kubelet takes about a second."""

RETRY_SECONDS = 1000.0
"""The longest interval at which the controller tries again, and reports (client-go, DefaultControllerRateLimiter): what
it has not repeated for longer is past."""

STALE_SECONDS = 10.0
"""How long a rejection from before the wait is ignored: its cause may have just been fixed."""

_Source = Literal["DaemonSet", "pods", "events", "nodes"]
"""What the wait reads."""

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_CREATE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CREATING = re.compile(r'^(?:\(combined from similar events\): )?Error creating: (?:pods "[^"]*" is forbidden: )?')


async def wait_for_rollout(
    gateway: Gateway,
    expected: Sequence[str],
    *,
    timeout: float,
    on_event: Listener,
    action: str,
    devices: int | None = None,
    stop: asyncio.Event | None = None,
    grace: float = GRACE_SECONDS,
) -> RolloutResult:
    """Waits until each of the ``expected`` nodes is ready, or until ``stop``.

    A ready node advertises ``devices`` FUSE devices (None: more than none). ``timeout`` is the longest time, in
    seconds, in which no further node becomes ready: a rollout that goes forward is not given up. Reports on the way
    which nodes are missing and why; a node that no longer exists is not waited for. ``grace`` is how many seconds a
    node with a ready pod can take to advertise its devices. Events and pods are optional: without permission to read
    them, the wait knows less. Raises ApiRefusal if nodes cannot be listed or the credentials are no longer accepted.
    """
    wait = _Wait(gateway, tuple(dict.fromkeys(expected)), devices, grace)
    return await wait.run(timeout, on_event, action, stop or asyncio.Event())


async def nudge(gateway: Gateway) -> None:
    """Makes the DaemonSet controller retry at once, after the cause of its rejected pods was fixed.

    It retries by itself, but at intervals that double with every rejection, up to 15 minutes (measured on 1.36.2:
    nothing for a minute after a quota was raised), and raising a quota does not trigger it. Any change of the
    DaemonSet does; an annotation is the smallest one and restarts no pod. It is removed at once, so that there is
    nothing to undo. Raises ApiRefusal.
    """
    for moment in (datetime.now(UTC).isoformat(timespec="seconds"), None):
        body = {"metadata": {"annotations": {NUDGE_ANNOTATION: moment}}}
        await gateway.patch("DaemonSet", NAMESPACE, body, NAMESPACE)


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a node is not ready: in a word or two, the observation, and the fix."""

    short: str
    seen: str
    do: str = ""

    def of(self, name: str) -> Shortfall:
        return Shortfall(name, f"{self.seen}; {self.do}" if self.do else self.seen, self.short, self.do)


_PATIENCE = _Why("waiting", "")
"""No problem is known yet."""

_GONE = _Why("gone", "")
"""It no longer exists."""


@dataclass(frozen=True, slots=True)
class _Pod:
    name: str
    node: str
    owner: str
    generation: str
    revision: str
    leaving: bool
    ready: bool
    trouble: _Why | None
    """Why it does not become ready, None if no problem is known yet."""
    state: str
    """Its current state, in a few words."""


@dataclass(frozen=True, slots=True)
class _DaemonSet:
    uid: str
    template: str
    observed: bool
    updated: bool
    """Whether its controller counts every pod as one of the current template."""
    selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]
    network: bool


@dataclass(frozen=True, slots=True)
class _Happening:
    """A warning event: its object and its message."""

    kind: str
    name: str
    reason: str
    message: str
    at: float
    key: str
    uid: str = ""


@dataclass(slots=True)
class _Picture:
    """The known state of the cluster. None: not read yet, or not readable (then in ``unread``)."""

    nodes: dict[str, NodeFacts] | None = None
    pods: dict[str, _Pod] | None = None
    daemon_sets: dict[str, _DaemonSet] | None = None
    refusals: dict[str, _Happening] = field(default_factory=dict)
    unread: set[_Source] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _State:
    """How many nodes are ready, which are not and why, for which no problem is known yet, and which are gone."""

    ready: int
    failing: tuple[Shortfall, ...]
    waiting: tuple[str, ...]
    gone: frozenset[str]


class _Wait:
    def __init__(self, gateway: Gateway, expected: tuple[str, ...], devices: int | None, grace: float) -> None:
        self._gateway = gateway
        self._expected = expected
        self._devices = devices
        self._grace = grace
        self._picture = _Picture()
        self._changed = asyncio.Event()
        self._ready_since: dict[str, float] = {}
        self._outdated: frozenset[str] = frozenset()
        self._unseen = UnseenNodes(gateway)
        self._away = ""
        self._notes: list[str] = []
        self._began = time.monotonic()
        self._began_there = time.time() + gateway.clock_skew

    async def run(self, timeout: float, on_event: Listener, action: str, stop: asyncio.Event) -> RolloutResult:
        last_ready_at, most_ready = self._began, 0
        watches = [asyncio.create_task(one) for one in self._watches()]
        stopped = asyncio.create_task(stop.wait())
        reported: tuple[int, tuple[Shortfall, ...]] | None = None
        reported_at = 0.0
        try:
            while True:
                now = time.monotonic()
                state = self._judge(final=now - last_ready_at >= timeout)
                ready, failing = state.ready, state.failing
                if ready > most_ready:
                    last_ready_at, most_ready = now, ready
                expected = tuple(name for name in self._expected if name not in state.gone)
                quiet = now - last_ready_at
                over = quiet >= timeout or stop.is_set() or self._picture.daemon_sets == {}
                complete = ready == len(expected)
                interval = PROGRESS_SECONDS if (ready, failing) != reported else HEARTBEAT_SECONDS
                if now - reported_at >= interval or over or complete:
                    for note in self._notes:
                        on_event(Note(note))
                    self._notes.clear()
                    seconds, still = now - self._began, None if over else quiet
                    waiting = len(state.waiting)
                    on_event(ActionProgress(action, ready, len(expected), seconds, failing, waiting, still, timeout))
                    reported, reported_at = (ready, failing), now
                if over or complete:
                    seconds = now - self._began
                    gone = tuple(name for name in self._expected if name in state.gone)
                    return RolloutResult(len(expected), ready, failing, seconds, expected, state.waiting, gone)
                await self._until_something_happens(watches, stopped, min(PROGRESS_SECONDS, timeout - quiet))
        finally:
            for task in (*watches, stopped):
                task.cancel()
            await asyncio.gather(*watches, stopped, return_exceptions=True)

    async def _until_something_happens(
        self, watches: Sequence[asyncio.Task[None]], stopped: asyncio.Task[Any], seconds: float
    ) -> None:
        self._changed.clear()
        change = asyncio.create_task(self._changed.wait())
        try:
            done, _ = await asyncio.wait(
                {change, stopped, *(one for one in watches if not one.done())},
                timeout=max(0.0, seconds),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in watches:
                if task.done():  # perhaps while the change before was judged
                    task.result()
            if change in done and not stopped.done():
                # A rollout on thousands of nodes changes all the time; it is judged as a whole now and then.
                await asyncio.wait({stopped}, timeout=min(JUDGE_SECONDS, max(0.0, seconds)))
        finally:
            change.cancel()

    # Reading

    def _watches(self) -> Iterable[Coroutine[Any, Any, None]]:
        name = f"metadata.name={NAMESPACE}"
        yield self._keep("DaemonSet", lambda: self._watch_daemon_set(name))
        yield self._keep("pods", self._watch_pods)
        yield self._keep("events", self._watch_events)
        yield self._keep("nodes", self._watch_nodes)
        yield self._unseen.read(self._changed.set)

    async def _keep(self, what: _Source, watch: Any) -> None:
        """Watches until the wait ends; resumes when the server responds again."""
        while True:
            try:
                await watch()
            except ApiRefusal as refusal:
                if refusal.status == 401 or (what == "nodes" and refusal.status in (400, 403)):
                    raise
                if refusal.status in (403, 404):
                    self._picture.unread.add(what)
                    self._notes.append(f"The {what} cannot be read: {refusal.message}")
                    self._changed.set()
                    return
                self._lose(refusal)
            except ClusterError as error:
                self._lose(error)
            await asyncio.sleep(AWAY_SECONDS)

    def _lose(self, error: ClusterError) -> None:
        if error.what != self._away:
            self._away = error.what
            self._notes.append(f"{error.what} Retrying.")
            self._changed.set()

    async def _watch_daemon_set(self, fields: str) -> None:
        async for seen in self._gateway.watch("DaemonSet", NAMESPACE, fields=fields, convert=_daemon_set):
            self._picture.daemon_sets = _fold(self._picture.daemon_sets, seen)
            self._changed.set()

    async def _watch_pods(self) -> None:
        async for seen in self._gateway.watch("Pod", NAMESPACE, convert=_pod):
            self._picture.pods = _fold(self._picture.pods, seen)
            self._changed.set()

    async def _watch_nodes(self) -> None:
        try:
            await self._watch_listed_nodes()
        except ApiRefusal as refusal:
            if refusal.status != 403:
                raise
            await self._read_each_node()

    async def _read_each_node(self) -> None:
        """Reads the nodes one by one, for those who may read nodes but not list them."""
        while True:
            found: list[KubernetesObject | None] = []
            for start in range(0, len(self._expected), AT_ONCE):
                some = self._expected[start : start + AT_ONCE]
                found += await together(self._gateway.get("Node", name) for name in some)
            self._picture.nodes = dict(_named_node(item) for item in found if item is not None)
            self._changed.set()
            await asyncio.sleep(PROGRESS_SECONDS)

    async def _watch_listed_nodes(self) -> None:
        # If the DaemonSet runs only on labeled nodes, the others need not be watched.
        daemon_set = await self._gateway_daemon_set()
        labeled = daemon_set is not None and daemon_set.selector.get(NODE_LABEL) == NODE_LABEL_VALUE
        labels = f"{NODE_LABEL}={NODE_LABEL_VALUE}" if labeled else ""
        wanted = set(self._expected)
        async for seen in self._gateway.watch("Node", labels=labels, convert=_named_node):
            kept = WatchEvent(seen.kind, tuple(one for one in seen.objects if one[0] in wanted))
            self._picture.nodes = _fold(self._picture.nodes, kept)
            self._changed.set()

    async def _gateway_daemon_set(self) -> _DaemonSet | None:
        try:
            live = await self._gateway.get("DaemonSet", NAMESPACE, NAMESPACE)
        except ApiRefusal:
            return None
        return _daemon_set(live)[1] if live else None

    async def _watch_events(self) -> None:
        async for seen in self._gateway.watch("Event", NAMESPACE, fields="type=Warning", convert=_happening):
            for happening in seen.objects:
                if seen.kind == "deleted":
                    continue
                known = self._picture.refusals.get(happening.key)
                if known is None or happening.at >= known.at:
                    self._picture.refusals[happening.key] = happening
            self._changed.set()

    # Judging

    def _judge(self, *, final: bool) -> _State:
        picture = self._picture
        daemon_set = next(iter((picture.daemon_sets or {}).values()), None)
        pods = self._current_pods(daemon_set)
        refused = self._refusal_of_pods(daemon_set.uid if daemon_set else "", final=final)
        said = self._said_of_pods() if final else {}
        failing, waiting, gone = [], [], set()
        for name in self._expected:
            why = self._why_not(name, daemon_set, pods.get(name), refused, said, final=final)
            if why is _GONE:
                gone.add(name)
            elif why is _PATIENCE:
                waiting.append(name)
            elif why is not None:
                failing.append(why.of(name))
        ready = len(self._expected) - len(failing) - len(waiting) - len(gone)
        return _State(ready, tuple(failing), tuple(waiting), frozenset(gone))

    def _current_pods(self, daemon_set: _DaemonSet | None) -> dict[str, _Pod]:
        """Returns the pod of the current template by node; a pod of an older template does not count.

        The controller uses the hash of the revision or the generation of the template. The hash of the current
        revision is not in the DaemonSet: it is read from pods of the current generation.
        """
        pods = [pod for pod in (self._picture.pods or {}).values() if not pod.leaving]
        if daemon_set is None:
            return {}
        pods = [pod for pod in pods if pod.owner == daemon_set.uid]
        nodes = frozenset(pod.node for pod in pods)
        if daemon_set.template and not (daemon_set.observed and daemon_set.updated):
            current = {pod.revision for pod in pods if pod.generation == daemon_set.template and pod.revision}
            pods = [pod for pod in pods if pod.generation in ("", daemon_set.template) or pod.revision in current]
        current_pods = {pod.node: pod for pod in sorted(pods, key=lambda pod: pod.ready)}
        self._outdated = nodes - current_pods.keys()
        return current_pods

    def _why_not(
        self,
        name: str,
        daemon_set: _DaemonSet | None,
        pod: _Pod | None,
        refused: _Why | None,
        said: Mapping[str, str],
        *,
        final: bool,
    ) -> _Why | None:
        """Returns None if the node is ready. ``said`` has the latest warning about each pod."""
        picture = self._picture
        if picture.nodes is None:
            return _Why(NOT_KNOWN, self._away or "the nodes were not read in time") if final else _PATIENCE
        node = picture.nodes.get(name)
        self._unseen.note(name, seen=node is not None)
        if node is None:
            return _unseen(self._unseen.exists(name))
        if "pods" in picture.unread or "DaemonSet" in picture.unread:
            return self._why_not_by_devices(node, final=final)
        if picture.pods is None or picture.daemon_sets is None:
            return _Why(NOT_KNOWN, self._away or "the pods were not read in time") if final else _PATIENCE
        if daemon_set is None:
            return _Why("no DaemonSet", "the DaemonSet does not exist")
        if pod is not None and pod.ready:
            return self._why_no_devices(node, daemon_set, pod, final=final)
        self._ready_since.pop(name, None)
        if pod is None:
            return self._why_no_pod(node, daemon_set, refused, final=final)
        if not node.ready:
            return _not_ready(node)
        if pod.trouble is not None or not final:
            return pod.trouble or _PATIENCE
        because = f": {said[pod.name]}" if said.get(pod.name) else ""
        return _Why("pod not ready", f"its pod {pod.name} is not ready ({pod.state}){because}")

    def _why_not_by_devices(self, node: NodeFacts, *, final: bool) -> _Why | None:
        """Returns what the devices tell alone: without pods they are the only evidence, and the more important part."""
        if self._offers_enough(node):
            return None
        if not final:
            return _PATIENCE
        if node.fuse_devices:
            return self._why_other_number(node)
        return _Why(NOT_KNOWN, f"it does not advertise {FUSE_RESOURCE}, and its pod cannot be read")

    def _offers_enough(self, node: NodeFacts) -> bool:
        return node.fuse_devices == self._devices if self._devices is not None else node.fuse_devices > 0

    def _why_other_number(self, node: NodeFacts) -> _Why:
        return _Why(
            "devices",
            f"offers {node.fuse_devices}, not {self._devices}",
            f"restart the device manager: kubectl -n {NAMESPACE} rollout restart daemonset/{NAMESPACE}",
        )

    def _why_no_devices(self, node: NodeFacts, daemon_set: _DaemonSet, pod: _Pod, *, final: bool) -> _Why | None:
        if self._offers_enough(node) and daemon_set.observed:
            return None
        since = self._ready_since.setdefault(node.name, time.monotonic())
        if not daemon_set.observed:
            return _Why("no controller", "the DaemonSet controller has not processed it yet") if final else _PATIENCE
        if not final and time.monotonic() - since < self._grace:
            return _PATIENCE
        if node.fuse_devices:
            return self._why_other_number(node)
        return _Why(
            "no /dev/fuse",
            "the device manager runs, but the node does not advertise FUSE",
            f"load the module on the node (modprobe fuse), then delete the pod {pod.name} (it looks for devices only "
            "when it starts)",
        )

    def _why_no_pod(self, node: NodeFacts, daemon_set: _DaemonSet, refused: _Why | None, *, final: bool) -> _Why:
        unmatched = [f"{key}={value}" for key, value in daemon_set.selector.items() if node.labels.get(key) != value]
        if unmatched:
            return _Why("node selector", f"no pod: the DaemonSet selects nodes with {', '.join(unmatched)}")
        taints = untolerated(node, daemon_set.tolerations)
        if taints:
            return _Why(
                "tainted",
                f"no pod: the taint {taints[0]} is not tolerated",
                "add the toleration (adjustment tolerations)",
            )
        if refused is not None:
            return refused
        if passing := until_they_pass(node, {"tolerations": daemon_set.tolerations, "hostNetwork": daemon_set.network}):
            return _Why(
                NOT_READY,
                f"no pod yet: the node has the taint {passing[0]}, which passes by itself",
                "wait until whoever set the taint removes it, or leave the node out",
            )
        if not final:
            return _PATIENCE
        if not node.ready:
            return _not_ready(node)
        if not daemon_set.observed:
            return _Why(
                "no controller",
                "no pod: the DaemonSet controller has not processed it",
                "check that kube-controller-manager runs",
            )
        if node.name in self._outdated:
            return _Why("old pod", "its pod has not been updated to the current DaemonSet yet")
        if "events" in self._picture.unread:
            return _Why("no pod", "no pod, and the events that could explain why cannot be read")
        return _Why("no pod", "no pod was created, and no event explains why")

    def _refusal_of_pods(self, uid: str, *, final: bool) -> _Why | None:
        """Returns why the controller cannot create pods of this DaemonSet, from its latest FailedCreate event."""
        waited = time.monotonic() - self._began
        oldest = self._began_there + waited - RETRY_SECONDS
        found = [
            one
            for one in self._picture.refusals.values()
            if one.kind == "DaemonSet"
            and one.name == NAMESPACE
            and one.reason == "FailedCreate"
            and one.uid in ("", uid)
            and one.at >= oldest
            and (final or waited > STALE_SECONDS or one.at >= self._began_there - 2)
        ]
        return _explain_refusal(max(found, key=lambda one: one.at).message) if found else None

    def _said_of_pods(self) -> dict[str, str]:
        warnings = sorted(self._picture.refusals.values(), key=lambda one: one.at)
        return {one.name: one.message for one in warnings if one.kind == "Pod"}


def _fold(known: dict[str, Any] | None, seen: WatchEvent[tuple[str, Any]]) -> dict[str, Any]:
    if seen.kind == "listed" or known is None:
        return dict(seen.objects)
    for name, value in seen.objects:
        if seen.kind == "deleted":
            known.pop(name, None)
        else:
            known[name] = value
    return known


def _unseen(exists: bool | None) -> _Why:
    if exists is False:
        return _GONE
    unsure = "" if exists else ", or no longer exists"
    return _Why("no label", f"it does not have the label {NODE_LABEL}={NODE_LABEL_VALUE}{unsure}")


def _not_ready(node: NodeFacts) -> _Why:
    return _Why(
        NOT_READY,
        f"the node is not ready: {printable(node.ready_message).rstrip('.') or 'its kubelet does not report'}",
        "fix its kubelet, or leave the node out; its pod starts when the node is ready",
    )


def _explain_refusal(message: str) -> _Why | None:
    """Returns why the server rejects the pod, and what to do; None if the cause is temporary."""
    said = _CREATING.sub("", message)
    if "status unknown for quota" in said:
        return None  # for a moment after a quota is created; the controller retries
    if "insufficient quota to match these scopes" in said:
        seen = f"no pod: {said}. This cluster requires a quota for critical pods"
        return _Why(QUOTA, seen, "apply the guide's ResourceQuota to the namespace")
    if "exceeded quota" in said:
        return _Why(QUOTA, f"no pod, quota: {said}", "raise it (adjustment pod-quota), or select fewer nodes")
    if "violates PodSecurity" in said:
        return _Why("Pod Security", f"no pod, Pod Security: {said}", "label the namespace (adjustment pod-security)")
    if "security context constraint" in said:
        return _Why(
            "OpenShift SCC", f"no pod, OpenShift: {said}", "grant the pod's service account an SCC that allows it"
        )
    return _Why("rejected", f"no pod: {said}")


def _named_node(node: KubernetesObject) -> tuple[str, NodeFacts]:
    facts = node_facts(node)
    return facts.name, facts


def _daemon_set(item: KubernetesObject) -> tuple[str, _DaemonSet]:
    metadata, status, spec = item["metadata"], item.get("status") or {}, item["spec"]["template"]["spec"]
    current = status.get("currentNumberScheduled", 0)
    return metadata["name"], _DaemonSet(
        uid=metadata["uid"],
        template=(metadata.get("annotations") or {}).get("deprecated.daemonset.template.generation", ""),
        observed=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        updated=current > 0 and status.get("updatedNumberScheduled", 0) >= current,
        selector=spec.get("nodeSelector") or {},
        tolerations=tuple(spec.get("tolerations") or ()),
        network=bool(spec.get("hostNetwork")),
    )


def _pod(item: KubernetesObject) -> tuple[str, _Pod]:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    trouble, state = _trouble(status, conditions)
    return metadata["name"], _Pod(
        name=metadata["name"],
        node=spec.get("nodeName") or _target_node(spec),
        owner=next((one["uid"] for one in metadata.get("ownerReferences") or () if one.get("controller")), ""),
        generation=labels.get("pod-template-generation", ""),
        revision=labels.get("controller-revision-hash", ""),
        leaving="deletionTimestamp" in metadata,
        ready=conditions.get("Ready", {}).get("status") == "True",
        trouble=trouble,
        state=state,
    )


def _target_node(spec: Mapping[str, Any]) -> str:
    """Returns the node that a DaemonSet's pod is for, before the scheduler has bound it."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for match in term.get("matchFields") or ():
            if match.get("key") == "metadata.name" and match.get("values"):
                return str(match["values"][0])
    return ""


def _trouble(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> tuple[_Why | None, str]:
    phase = str(status.get("phase") or "Pending")
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state, last = container.get("state") or {}, container.get("lastState") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        reason, message = str(waiting.get("reason") or ""), printable(str(waiting.get("message") or ""))
        message = f": {message}" if message else ""
        image = printable(str(container.get("image") or ""))
        if reason in _IMAGE:
            return _Why(
                "image",
                f"image: {image} cannot be pulled ({reason}){message}",
                "give the node access to that registry, or use an image that it can pull (adjustment image)",
            ), reason
        if ended.get("reason") == "OOMKilled" and not container.get("ready"):
            return _Why(
                "memory", "memory: the device manager was killed (OOMKilled)", "raise its limit (adjustment memory)"
            ), "OOMKilled"
        if reason == "CrashLoopBackOff":
            said = printable(str(ended.get("message") or "")).strip()
            code = f"exit code {ended.get('exitCode', '?')}"
            return _Why("crash", f"the device manager keeps crashing ({said or code})", "check its log"), reason
        if reason in _CREATE:
            return _Why("container", f"its container cannot be started ({reason}){message}"), reason
        if reason:
            phase = reason
    if phase == "Failed":
        why = ": ".join(printable(str(status[key])) for key in ("reason", "message") if status.get(key))
        return _Why("pod failed", f"its pod failed ({why or 'no reason given'})"), phase
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        said = printable(str(scheduled.get("message") or scheduled.get("reason") or "no reason given"))
        return _Why(
            "pending", f"pending: its pod cannot be scheduled: {said}", "free resources on the node, or leave it out"
        ), "Pending"
    return None, phase


def _happening(item: KubernetesObject) -> _Happening:
    about = item.get("involvedObject") or {}
    series = item.get("series") or {}
    moment = item.get("lastTimestamp") or series.get("lastObservedTime") or item.get("eventTime")
    moment = moment or item["metadata"].get("creationTimestamp") or ""
    try:
        at = datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        at = 0.0
    kind, name, reason = (str(value or "") for value in (about.get("kind"), about.get("name"), item.get("reason")))
    message = printable(str(item.get("message") or "")).strip()
    # There is one event for each pod that could not be created: the latest one of each reason is enough.
    uid = str(about.get("uid") or "")
    return _Happening(kind, name, reason, message, at, f"{kind}/{name}/{reason}/{uid}", uid)
