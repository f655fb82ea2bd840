"""Reads all facts of a cluster at once, and notes what cannot be read.

Also saves them to a file and loads them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from wizard.cluster import ApiRefusal, Gateway
from wizard.cluster.concurrency import together
from wizard.cluster.full_nodes import full_nodes
from wizard.cluster.permissions import review_permissions
from wizard.cluster.shapes import FACTS, Odd, require_flat
from wizard.errors import InputError
from wizard.facts.cluster import (
    DRY_RUN,
    LEVEL_REFUSES,
    ClusterFacts,
    ClusterIdentity,
    DevicePlugin,
    KubernetesObject,
    NodeFacts,
    Right,
    Unread,
)
from wizard.facts.full_nodes import PODS_OF_ALL_NODES, FullNode
from wizard.files import read_snapshot, write_file
from wizard.names import BORROWED_NAMESPACE, ENFORCE_LABEL, NAMESPACE, PROBE_NAMESPACE
from wizard.nodes.autoscaling import Read, read_scaled_pools

T = TypeVar("T")

_OWN_QUOTA = re.compile(rf"exceeded quota: {NAMESPACE}\b")
"""The guide's quota rejects one pod more than there are; that says nothing about those that are planned."""

OnNodes = Callable[[tuple[NodeFacts, ...], int | None], None]

FACTS_LIMIT = 200_000_000
"""The maximum size of a facts file in bytes; 5,000 nodes need about 10 million."""

PLUGIN_IMAGES = ("smarter-device-manager", "generic-device-plugin", "fuse-device-plugin")
"""Parts of the image names of known FUSE device plugins."""

GUIDE_OBJECTS = ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")


def rights_for_plan() -> tuple[Right, ...]:
    """Returns exactly the permissions that the whole plan needs; ``allowed`` is not known yet."""
    apply = ("get", "create", "patch")
    return (
        *(Right(verb, "nodes") for verb in ("list", "get", "patch")),
        Right("watch", "nodes", purpose="observe"),
        *(Right(verb, "namespaces") for verb in apply),
        *(Right(verb, "resourcequotas", namespace=NAMESPACE) for verb in apply),
        *(Right(verb, "configmaps", namespace=NAMESPACE) for verb in apply),
        *(Right(verb, "daemonsets", "apps", NAMESPACE) for verb in apply),
        *(Right(verb, "daemonsets", "apps", NAMESPACE, purpose="observe") for verb in ("list", "watch")),
        *(
            Right(verb, what, namespace=NAMESPACE, purpose="observe")
            for what in ("pods", "events")
            for verb in ("list", "watch")
        ),
    )


def rights_for_pods(namespace: str) -> tuple[Right, ...]:
    """Returns the permissions that probe pods and test pods need in a namespace."""
    return (
        *(Right(verb, "pods", namespace=namespace, purpose="pods") for verb in ("create", "get", "list", "delete")),
        Right("get", "pods", namespace=namespace, subresource="log", purpose="pods"),
    )


async def collect(
    gateway: Gateway,
    *,
    on_nodes: OnNodes | None = None,
    selector: str = "",
    pods_in: Iterable[str] = (PROBE_NAMESPACE,),
) -> ClusterFacts:
    """Reads all facts. ``on_nodes`` gets each part of the list of nodes, and the total number if it is known.

    It gets no node twice, even if the list had to be restarted; the result has the final list. ``selector`` limits
    the nodes by label, ``pods_in`` names the namespaces of possible probe pods and test pods. Raises ClusterError if
    the server cannot be reached or rejects the credentials.
    """
    unread: list[Unread] = []
    read = partial(_read, unread)
    work: list[Coroutine[Any, Any, Any]] = [
        gateway.identity(),
        review_permissions(
            gateway, (*rights_for_plan(), *(one for place in pods_in for one in rights_for_pods(place)))
        ),
        read("nodes", "list", "nodes", _read_nodes(gateway, on_nodes, selector)),
        read("device manager pods", "list", "pods", gateway.list("Pod", NAMESPACE)),
        read("DaemonSets in all namespaces", "list", "daemonsets.apps", gateway.list("DaemonSet")),
        read_scaled_pools(gateway, read),
        *(
            read(f"{kind} {NAMESPACE}", "get", _resource(kind), gateway.get(kind, NAMESPACE, NAMESPACE))
            for kind in GUIDE_OBJECTS
        ),
    ]
    identity, rights, nodes, pods, daemon_sets, scaled_pools, *objects = await together(work)
    full = await _full_nodes(gateway, read, nodes or (), pods or ())
    # Only a pod shows what admission rejects: the API does not expose a cluster's own Pod Security default.
    where = NAMESPACE if objects[0] is not None else BORROWED_NAMESPACE
    try:
        pod_refusal = await dry_run_pod(gateway, where, objects[-1])
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        pod_refusal = ""
        place = f" in {refusal.target.namespace}" if refusal.target.namespace else ""
        unread.append(Unread(DRY_RUN, refusal.target.verb, f"{refusal.target.resource}{place}", refusal.message))
    return ClusterFacts(
        read_at=_now(),
        identity=identity,
        rights=rights,
        nodes=nodes,
        objects={kind: found for kind, found in zip(GUIDE_OBJECTS, objects, strict=True) if found is not None},
        device_plugins=tuple(_find_device_plugins(daemon_sets or ())),
        plugin_pods=pods or (),
        unread=tuple(sorted(unread, key=lambda one: one.what)),
        clock_skew=gateway.clock_skew,
        warnings=gateway.warnings,
        pod_refusal=pod_refusal,
        scaled_pools=scaled_pools,
        full_nodes=full,
    )


async def _full_nodes(
    gateway: Gateway, read: Read[Any], nodes: Iterable[NodeFacts], pods: Iterable[KubernetesObject]
) -> tuple[FullNode, ...]:
    """Returns the full nodes that have no pod of the device manager yet."""
    served = {str((pod.get("spec") or {}).get("nodeName")) for pod in pods}
    bare = [node for node in nodes if node.name not in served]
    if not bare:
        return ()
    return await read(PODS_OF_ALL_NODES, "list", "pods in all namespaces", full_nodes(gateway, bare)) or ()


async def with_full_nodes(gateway: Gateway, facts: ClusterFacts) -> ClusterFacts:
    """Adds the full nodes to facts that have only nodes."""
    unread = list(facts.unread)
    read = partial(_read, unread)
    pods = await read("device manager pods", "list", "pods", gateway.list("Pod", NAMESPACE))
    full = await _full_nodes(gateway, read, facts.nodes or (), pods or ())
    return replace(facts, plugin_pods=pods or (), full_nodes=full, unread=tuple(unread))


async def collect_nodes(gateway: Gateway, identity: ClusterIdentity) -> ClusterFacts:
    """Reads only the nodes, with a fraction of the requests; otherwise like ``collect``."""
    unread: list[Unread] = []
    nodes = await _read(unread, "nodes", "list", "nodes", _read_nodes(gateway, None, "", at_once=True))
    return ClusterFacts(
        read_at=_now(),
        identity=identity,
        rights=(),
        nodes=nodes,
        unread=tuple(unread),
        clock_skew=gateway.clock_skew,
        warnings=gateway.warnings,
    )


async def _read(unread: list[Unread], what: str, verb: str, resource: str, work: Awaitable[T]) -> T | None:
    """Returns what was read, or None if the server denies it, and then notes it in ``unread``."""
    try:
        return await work
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        unread.append(Unread(what, verb, resource, refusal.message or refusal.what))
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def dry_run_pod(gateway: Gateway, namespace: str, live: KubernetesObject | None) -> str:
    """Returns why the device manager's pod would be rejected in a namespace; "" if it would not.

    The pod is the ``live`` DaemonSet's, else the guide's. If its own namespace does not exist yet, another one shows
    the cluster's default. Raises ApiRefusal if a dry run is denied or not answered, and if that other namespace has
    its own Pod Security level that rejects the pod: this says nothing about the cluster's default, and hides any other
    reason for a rejection.
    """
    from wizard.manifest import guide_objects

    daemon_set = live or next(item for item in guide_objects() if item["kind"] == "DaemonSet")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{NAMESPACE}-dry-run", "namespace": namespace},
        "spec": daemon_set["spec"]["template"]["spec"],
    }
    try:
        await gateway.create(pod, dry_run=True)
    except ApiRefusal as refusal:
        if LEVEL_REFUSES in refusal.message and namespace != NAMESPACE:
            borrowed = await gateway.get("Namespace", namespace) or {"metadata": {}}
            if ENFORCE_LABEL in (borrowed["metadata"].get("labels") or {}):
                raise
        if not _is_of_admission(refusal):
            raise
        return "" if _OWN_QUOTA.search(refusal.message) else refusal.message
    return ""


def _is_of_admission(refusal: ApiRefusal) -> bool:
    """Tells whether admission rejected the pod itself: a plugin, a policy, a webhook, or a webhook that fails."""
    if refusal.status == 403:
        return " cannot " not in refusal.message  # else a permission is missing
    return refusal.status in (400, 422) or (refusal.status == 500 and "webhook" in refusal.message)


def _resource(kind: str) -> str:
    return "daemonsets.apps" if kind == "DaemonSet" else f"{kind.lower()}s"


async def _read_nodes(
    gateway: Gateway, on_nodes: OnNodes | None, selector: str, *, at_once: bool = False
) -> tuple[NodeFacts, ...]:
    reported: set[str] = set()
    found: dict[str, NodeFacts] = {}
    async for part in gateway.nodes(selector, at_once=at_once):
        if part.restarted:
            found.clear()
        found.update((node.name, node) for node in part.items)
        fresh = tuple(node for node in part.items if node.name not in reported)
        reported.update(node.name for node in fresh)
        if on_nodes is not None and fresh:
            on_nodes(fresh, part.total)
    return tuple(found.values())


def _find_device_plugins(daemon_sets: Iterable[KubernetesObject]) -> Iterable[DevicePlugin]:
    for daemon_set in daemon_sets:
        namespace, name = daemon_set["metadata"].get("namespace", ""), daemon_set["metadata"]["name"]
        if (namespace, name) == (NAMESPACE, NAMESPACE):
            continue
        for container in daemon_set["spec"]["template"]["spec"].get("containers") or ():
            image = str(container.get("image") or "")
            if any(mark in image for mark in PLUGIN_IMAGES):
                yield DevicePlugin(namespace, name, image)


def save_facts(facts: ClusterFacts, path: Path) -> None:
    """Writes the facts to a file that only its owner can read. Raises InputError if it cannot be written."""
    text = json.dumps(facts.to_json(), indent=1)
    write_file(path, f"{text}\n".encode(), mode=0o600, backup=False)


def load_facts(path: Path) -> ClusterFacts:
    """Returns the facts of a file that ``save_facts`` wrote. Raises InputError for any other file."""
    content = read_snapshot(path, limit=FACTS_LIMIT).content or b""
    try:
        document = json.loads(content)
        require_flat(document)
        FACTS(document)
        return ClusterFacts.from_json(document)
    except Odd as odd:
        raise InputError(
            f"This is not a facts file: {odd}.", "Create one with check --save, and do not edit it.", file=path
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"The facts file is not JSON: {error.msg}.",
            "Use a file that check --save wrote.",
            file=path,
            line=error.lineno,
            column=error.colno,
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "This is not a facts file of this version of podman-wizard.", "Create one with check --save.", file=path
        ) from None
