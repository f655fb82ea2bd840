"""Runs one pod until its result is known, and returns its output and how it ended. The pod is always deleted."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard.cluster import ApiRefusal, Gateway
from wizard.errors import ClusterError
from wizard.facts.cluster import KubernetesObject
from wizard.text.escaping import printable

RUN_ANNOTATION = "podman-wizard/run"
"""Identifies the pod that was just created, if the response of the server was lost."""

LOG_LIMIT = 200_000
"""The maximum number of bytes that are read from the log."""

REMOVE_SECONDS = 20.0
GRACE_SECONDS = 1

NODE_INTERVAL = 3.0
"""Seconds between two looks at the node, and at what keeps the pod from starting."""

SILENT_SECONDS = 30.0
"""Seconds within which a kubelet accepts a pod, and the container runtime makes its sandbox."""

_HOPELESS = (
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
)
"""Reasons of a waiting container after which the kubelet only repeats itself."""

_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|no such host|no match for platform|x509:", re.IGNORECASE
)
"""Errors of a first pull that a second one does not change."""

_CANNOT_START = ("FailedCreatePodSandBox", "FailedMount")


@dataclass(frozen=True, slots=True)
class PodResult:
    """How a pod ended, or how far it got.

    ``phase`` is Succeeded or Failed at the end, Pending or Running if it was not waited for any longer, and "Deleted"
    if it was deleted by another client. ``reason`` and ``message`` come from the kubelet or the scheduler (OOMKilled,
    ErrImagePull, Unschedulable), or say why there was no use in waiting (NodeNotReady, NodeGone, KubeletSilent).
    ``events`` are the reasons and messages of its own warning events, oldest first; ``unread`` is why they are not
    known. ``exit_code`` is None if no container ended.
    """

    phase: str
    reason: str = ""
    message: str = ""
    log: str = ""
    events: tuple[str, ...] = ()
    exit_code: int | None = None
    node: str = ""
    unread: str = ""

    @property
    def ended(self) -> bool:
        """Whether the pod ended by itself."""
        return self.phase in ("Succeeded", "Failed")


async def run_pod(gateway: Gateway, pod: KubernetesObject, *, timeout: float) -> PodResult:
    """Creates the pod, waits until its end is known, reads its log, and deletes it.

    It waits at most ``timeout`` seconds, and no longer than the pod can still start: not for an image that cannot be
    pulled, nor for a node that does not report.

    A ``generateName`` gets its suffix here, so that a lost response cannot leave a second pod behind. The caller
    sets ``activeDeadlineSeconds``, which ends the pod if nothing else can delete it. Raises ApiRefusal if the server
    rejects the pod, ClusterError if the server cannot be reached.
    """
    wanted = copy.deepcopy(pod)
    metadata = wanted["metadata"]
    if not metadata.get("name"):
        metadata["name"] = metadata.pop("generateName") + secrets.token_hex(3)
    metadata.setdefault("namespace", "default")
    mark = secrets.token_hex(8)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), RUN_ANNOTATION: mark}
    try:
        created = await _create(gateway, wanted, mark)
        return await _read_result(gateway, created, await _Wait(gateway, created).run(timeout))
    finally:
        # A cancellation ends the wait, but not the deletion.
        removal = asyncio.create_task(_remove(gateway, metadata["name"], metadata["namespace"], mark))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(removal), REMOVE_SECONDS)


async def _create(gateway: Gateway, pod: KubernetesObject, mark: str) -> KubernetesObject:
    try:
        return await gateway.create(pod, idempotent=True)
    except ApiRefusal as refusal:
        # It can exist because a response was lost and the request was repeated.
        if refusal.reason != "AlreadyExists":
            raise
        live = await gateway.get("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        if live is None or not _is_ours(live, mark):
            raise
        return live


def _is_ours(pod: KubernetesObject, mark: str) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(RUN_ANNOTATION) == mark


@dataclass(frozen=True, slots=True)
class _Waited:
    """The last known state of a pod (None: it was deleted), and why nothing more is to be expected of it."""

    pod: KubernetesObject | None
    reason: str = ""
    message: str = ""


class _Wait:
    """Waits for one pod: follows the pod, and looks at its node and at its events from time to time."""

    def __init__(self, gateway: Gateway, pod: KubernetesObject) -> None:
        self._gateway = gateway
        self._name, self._namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self._uid = str(pod["metadata"].get("uid") or "")
        self._last: KubernetesObject | None = pod

    async def run(self, timeout: float) -> _Waited:
        """Returns the pod as it was when its result was known, or after ``timeout`` seconds."""
        pod, node = asyncio.create_task(self._follow()), asyncio.create_task(self._watch_node())
        try:
            await asyncio.wait((pod, node), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if pod.done():
                pod.result()  # raises what stopped it
                return _Waited(self._last)
            return _Waited(self._last, *node.result()) if node.done() else _Waited(self._last)
        finally:
            for task in (pod, node):
                task.cancel()
            await asyncio.gather(pod, node, return_exceptions=True)

    async def _follow(self) -> None:
        seen_pods = self._gateway.watch(
            "Pod", self._namespace, fields=f"metadata.name={self._name}", convert=lambda pod: pod
        )
        async with contextlib.aclosing(seen_pods):
            async for seen in seen_pods:
                if seen.kind == "deleted" or not seen.objects:
                    self._last = None
                    return
                self._last = seen.objects[-1]
                status = self._last.get("status") or {}
                if status.get("phase") in ("Succeeded", "Failed") or _is_hopeless(status):
                    return

    async def _watch_node(self) -> tuple[str, str]:
        """Returns why the pod cannot go on, as reason and message; never returns if it can."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(NODE_INTERVAL)
            pod = self._last or {}
            name = str((pod.get("spec") or {}).get("nodeName") or "")
            try:
                trouble = await self._node_trouble(name) if name else None
                if trouble is None and loop.time() - began >= SILENT_SECONDS:
                    trouble = await self._start_trouble(pod, name)
            except ClusterError:
                continue  # without the permission, or the connection, to look at it, the pod itself decides
            if trouble is not None:
                return trouble

    async def _node_trouble(self, name: str) -> tuple[str, str] | None:
        node = await self._gateway.get("Node", name)
        if node is None:
            return "NodeGone", f"The node {name} does not exist any more."
        for condition in (node.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "Ready" and condition.get("status") != "True":
                said = printable(str(condition.get("message") or condition.get("reason") or ""))
                return "NodeNotReady", f"{name}: {said}"
        return None

    async def _start_trouble(self, pod: KubernetesObject, node: str) -> tuple[str, str] | None:
        status = pod.get("status") or {}
        if status.get("phase") not in (None, "Pending"):
            return None
        if node and not status.get("startTime"):
            return "KubeletSilent", f"The kubelet of {node} did not accept the pod."
        events = await _read_events(self._gateway, self._namespace, self._uid)
        said = next((event for event in events if event.startswith(_CANNOT_START)), "")
        reason, _, message = said.partition(": ")
        return (reason, message) if said else None


def _is_hopeless(status: Mapping[str, Any]) -> bool:
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            return True
        if waiting.get("reason") == "ErrImagePull" and _NO_SUCH_IMAGE.search(str(waiting.get("message") or "")):
            return True
    return False


async def _read_result(gateway: Gateway, created: KubernetesObject, waited: _Waited) -> PodResult:
    name, namespace = created["metadata"]["name"], created["metadata"]["namespace"]
    pod = waited.pod
    try:
        events, unread = await _read_events(gateway, namespace, str(created["metadata"].get("uid") or "")), ""
    except ApiRefusal as refusal:  # they only help to explain: the result is valid without them
        events, unread = (), refusal.message or refusal.what
    if pod is None:
        return PodResult("Deleted", message="the pod was deleted before it ended", events=events, unread=unread)
    status = pod.get("status") or {}
    phase = str(status.get("phase") or "Pending")
    reason, message, exit_code = _ending(status)
    if waited.reason:
        reason, message = waited.reason, waited.message
    log = ""
    if phase != "Pending":
        try:
            log = await gateway.log(namespace, name, limit=LOG_LIMIT)
        except ApiRefusal as refusal:
            message = "\n".join(part for part in (message, f"Its log cannot be read: {refusal.message}") if part)
    node = str(pod["spec"].get("nodeName") or "")
    return PodResult(phase, reason, message, printable(log, lines=True), events, exit_code, node, unread)


def _ending(status: Mapping[str, Any]) -> tuple[str, str, int | None]:
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        now = state.get("terminated") or state.get("waiting") or {}
        if now.get("reason") and now["reason"] not in ("ContainerCreating", "PodInitializing"):
            words = (printable(str(now.get(key) or "")) for key in ("reason", "message"))
            return (*words, now.get("exitCode"))  # type: ignore[return-value]
    if status.get("reason"):
        return printable(str(status["reason"])), printable(str(status.get("message") or "")), None
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason") or ""), printable(str(condition.get("message") or "")), None
    return "", "", None


async def _read_events(gateway: Gateway, namespace: str, uid: str) -> tuple[str, ...]:
    """Returns the warnings about this very pod: an earlier one can have had the same name. Raises ApiRefusal."""
    if not uid:
        return ()
    events = await gateway.list("Event", namespace, fields=f"involvedObject.uid={uid},type=Warning")
    ordered = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    said = (": ".join(str(event[part]) for part in ("reason", "message") if event.get(part)) for event in ordered)
    return tuple(dict.fromkeys(printable(text) for text in said))


async def _remove(gateway: Gateway, name: str, namespace: str, mark: str) -> None:
    """Deletes the pod if this run created it. If the server cannot be reached, the deadline ends the pod."""
    with contextlib.suppress(ClusterError):
        live = await gateway.get("Pod", name, namespace)
        if live is not None and _is_ours(live, mark):
            await gateway.delete("Pod", name, namespace, uid=live["metadata"]["uid"], grace=GRACE_SECONDS)
