"""One pod, run to its end: what it printed, and how it ended. It is always removed again."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard.cluster import ApiRefusal, Gateway
from wizard.errors import ClusterError
from wizard.escaping import printable
from wizard.facts import KubernetesObject

RUN_ANNOTATION = "podman-wizard/run"
"""By this a pod is known again as the one that was just asked for, where the answer was lost."""

LOG_LIMIT = 200_000
"""How many bytes of the log are read."""

REMOVE_SECONDS = 20.0
GRACE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class PodResult:
    """How a pod ended, or how far it came.

    ``phase`` is Succeeded or Failed at the end, Pending or Running where the time ran out, and "Deleted" where
    somebody removed it. ``reason`` is the word of the kubelet or the scheduler (OOMKilled, ErrImagePull,
    Unschedulable), ``message`` their sentence. ``events`` are the messages of its warning events, oldest first.
    ``exit_code`` is None where no container ended.
    """

    phase: str
    reason: str = ""
    message: str = ""
    log: str = ""
    events: tuple[str, ...] = ()
    exit_code: int | None = None
    node: str = ""

    @property
    def ended(self) -> bool:
        """Whether it came to its own end."""
        return self.phase in ("Succeeded", "Failed")


async def run_pod(gateway: Gateway, pod: KubernetesObject, *, timeout: float) -> PodResult:
    """Creates the pod, waits ``timeout`` seconds at most until it ends, reads its log, removes it.

    A ``generateName`` gets its suffix here, so that a lost answer cannot leave a second pod behind. The caller
    sets ``activeDeadlineSeconds``, which ends the pod where nobody is left to remove it. Raises ApiRefusal
    where the server does not take the pod, ClusterError where it goes away.
    """
    wanted = copy.deepcopy(pod)
    metadata = wanted["metadata"]
    if not metadata.get("name"):
        metadata["name"] = metadata.pop("generateName") + secrets.token_hex(3)
    metadata.setdefault("namespace", "default")
    mark = secrets.token_hex(8)
    metadata["annotations"] = {**(metadata.get("annotations") or {}), RUN_ANNOTATION: mark}
    try:
        await _create(gateway, wanted, mark)
        last = await _wait(gateway, metadata["name"], metadata["namespace"], timeout)
        return await _read_result(gateway, metadata["name"], metadata["namespace"], last)
    finally:
        # A cancellation ends the wait, not the removal.
        removal = asyncio.create_task(_remove(gateway, metadata["name"], metadata["namespace"], mark))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(removal), REMOVE_SECONDS)


async def _create(gateway: Gateway, pod: KubernetesObject, mark: str) -> None:
    try:
        await gateway.create(pod, idempotent=True)
    except ApiRefusal as refusal:
        # It may be there because an answer was lost and the request repeated.
        if refusal.reason != "AlreadyExists":
            raise
        live = await gateway.get("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        if live is None or not _is_ours(live, mark):
            raise


def _is_ours(pod: KubernetesObject, mark: str) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(RUN_ANNOTATION) == mark


async def _wait(gateway: Gateway, name: str, namespace: str, timeout: float) -> KubernetesObject | None:
    """The pod as it was last seen; None where somebody removed it."""
    last: KubernetesObject | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            seen_pods = gateway.watch("Pod", namespace, fields=f"metadata.name={name}", convert=lambda pod: pod)
            async with contextlib.aclosing(seen_pods):
                async for seen in seen_pods:
                    if seen.kind == "deleted" or not seen.objects:
                        return None
                    last = seen.objects[-1]
                    if (last.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                        break
    return last


async def _read_result(gateway: Gateway, name: str, namespace: str, pod: KubernetesObject | None) -> PodResult:
    events = await _read_events(gateway, name, namespace)
    if pod is None:
        return PodResult("Deleted", message="somebody removed the pod", events=events)
    status = pod.get("status") or {}
    phase = str(status.get("phase") or "Pending")
    reason, message, exit_code = _ending(status)
    log = ""
    if phase != "Pending":
        try:
            log = await gateway.log(namespace, name, limit=LOG_LIMIT)
        except ApiRefusal as refusal:
            message = "\n".join(part for part in (message, f"Its log cannot be read: {refusal.message}") if part)
    node = str(pod["spec"].get("nodeName") or "")
    return PodResult(phase, reason, message, printable(log, lines=True), events, exit_code, node)


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


async def _read_events(gateway: Gateway, name: str, namespace: str) -> tuple[str, ...]:
    try:
        events = await gateway.list("Event", namespace, fields=f"involvedObject.name={name},type=Warning")
    except ApiRefusal:
        return ()  # they help to explain; without the right to read them the result stands
    ordered = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return tuple(dict.fromkeys(printable(str(event.get("message") or "")) for event in ordered))


async def _remove(gateway: Gateway, name: str, namespace: str, mark: str) -> None:
    """Removes the pod if it is ours. Where the server is away, its deadline ends it."""
    with contextlib.suppress(ClusterError):
        live = await gateway.get("Pod", name, namespace)
        if live is not None and _is_ours(live, mark):
            await gateway.delete("Pod", name, namespace, uid=live["metadata"]["uid"], grace=GRACE_SECONDS)
