"""All facts of a cluster, read once and at the same time; what may not be read is told as such.

Also saves them to a file and loads them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from wizard.autoscaling import read_scaled_pools
from wizard.cluster import ApiRefusal, Gateway
from wizard.cluster.concurrency import together
from wizard.cluster.gateway import BORROWED_NAMESPACE, ENFORCE_LABEL
from wizard.errors import InputError
from wizard.facts import (
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
from wizard.files import read_snapshot, write_file
from wizard.names import NAMESPACE, PROBE_NAMESPACE

T = TypeVar("T")

_ADMISSION = re.compile(
    r"PodSecurity|admission webhook .* denied|denied request|insufficient quota to match these scopes"
    r"|failed calling webhook",
    re.DOTALL,
)
"""What a refusal by admission says; a missing right, or a quota that is used up, says nothing of the pod."""

OnNodes = Callable[[tuple[NodeFacts, ...], int | None], None]

FACTS_LIMIT = 200_000_000
"""The largest facts file that is read, in bytes; 5,000 nodes take about 10 million."""

PLUGIN_IMAGES = ("smarter-device-manager", "generic-device-plugin", "fuse-device-plugin")
"""What the image names of known FUSE device plugins contain."""

GUIDE_OBJECTS = ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")


def rights_for_plan() -> tuple[Right, ...]:
    """The rights that the whole plan takes, and no other; ``allowed`` is not known yet."""
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
    """The rights that short pods take in a namespace: those that look for themselves, and those that run Podman."""
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
    """Reads all facts. ``on_nodes`` is told of each slice of nodes, and of how many there are where that is known.

    No node is told twice, even where the list had to begin anew; the result has what holds. ``selector`` limits
    the nodes by label, ``pods_in`` names the namespaces where short pods may be wanted. Raises ClusterError where the
    server cannot be reached or does not take the credentials.
    """
    unread: list[Unread] = []
    read = partial(_read, unread)
    work: list[Coroutine[Any, Any, Any]] = [
        gateway.identity(),
        gateway.review_rights((*rights_for_plan(), *(one for place in pods_in for one in rights_for_pods(place)))),
        read("nodes", "list", "nodes", _read_nodes(gateway, on_nodes, selector)),
        read("pods of the device manager", "list", "pods", gateway.list("Pod", NAMESPACE)),
        read("daemon sets of all namespaces", "list", "daemonsets.apps", gateway.list("DaemonSet")),
        read_scaled_pools(gateway, read),
        *(
            read(f"{kind} {NAMESPACE}", "get", _resource(kind), gateway.get(kind, NAMESPACE, NAMESPACE))
            for kind in GUIDE_OBJECTS
        ),
    ]
    identity, rights, nodes, pods, daemon_sets, scaled_pools, *objects = await together(work)
    # Admission has its say on pods only; a cluster's own Pod Security default is written nowhere in the API.
    where = NAMESPACE if objects[0] is not None else BORROWED_NAMESPACE
    try:
        pod_refusal = await _dry_run_pod(gateway, where)
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
    )


async def collect_nodes(gateway: Gateway, identity: ClusterIdentity) -> ClusterFacts:
    """The nodes and no other facts, in a fraction of the requests; otherwise as ``collect``."""
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
    """What is read, or None, noted in ``unread``, where the server refuses it."""
    try:
        return await work
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        unread.append(Unread(what, verb, resource, refusal.message or refusal.what))
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def _dry_run_pod(gateway: Gateway, namespace: str) -> str:
    """Why the device manager's pod would be refused in a namespace; "" where it would not, or does not say.

    Where its own namespace does not exist yet, another one tells of the cluster's default. Raises ApiRefusal where
    nobody may ask, and where that other one has a Pod Security level of its own that refuses the pod: it says nothing
    of the cluster's default, and what else might refuse it is not asked any more.
    """
    from wizard.manifest import guide_objects

    daemon_set = next(item for item in guide_objects() if item["kind"] == "DaemonSet")
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
        if _ADMISSION.search(refusal.message):
            return refusal.message
        if refusal.status in (401, 403) and " cannot " in refusal.message:
            raise
    return ""


def _resource(kind: str) -> str:
    return "daemonsets.apps" if kind == "DaemonSet" else f"{kind.lower()}s"


async def _read_nodes(
    gateway: Gateway, on_nodes: OnNodes | None, selector: str, *, at_once: bool = False
) -> tuple[NodeFacts, ...]:
    told: set[str] = set()
    found: dict[str, NodeFacts] = {}
    async for part in gateway.nodes(selector, at_once=at_once):
        if part.restarted:
            found.clear()
        found.update((node.name, node) for node in part.items)
        fresh = tuple(node for node in part.items if node.name not in told)
        told.update(node.name for node in fresh)
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
    """Writes the facts to a file, readable by its owner only. Raises InputError where it cannot be written."""
    text = json.dumps(facts.to_json(), indent=1)
    write_file(path, f"{text}\n".encode(), mode=0o600, backup=False)


def load_facts(path: Path) -> ClusterFacts:
    """The facts of a file that ``save_facts`` wrote. Raises InputError where it is something else."""
    content = read_snapshot(path, limit=FACTS_LIMIT).content or b""
    try:
        return ClusterFacts.from_json(json.loads(content))
    except json.JSONDecodeError as error:
        raise InputError(
            f"The facts file is not JSON: {error.msg}.",
            "Was it written by check --save?",
            file=path,
            line=error.lineno,
            column=error.colno,
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "This is not a facts file of this version of podman-wizard.", "Write one with check --save.", file=path
        ) from None
