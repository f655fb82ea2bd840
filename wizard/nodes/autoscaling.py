"""Autoscaled pools, and whether they would scale up for a workspace that requests a FUSE device.

An autoscaler adds a node only if it knows that the node would provide what a pending pod requests. The cluster
autoscaler learns this from the existing nodes of a pool, so it does not know a device plugin's resource in an empty
pool (skypilot#4108). Karpenter uses only the machine types, so it never knows (karpenter-provider-aws#1900), unless a
NodeOverlay adds the resource.

The module reads the status of the cluster autoscaler (kube-system/cluster-autoscaler-status), Karpenter's NodePools
and NodeOverlays, and OpenShift's MachineSets. It does not read MachineDeployments of Cluster API: they are in the
management cluster and may belong to another workload cluster.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from wizard.cluster.custom_objects import custom_objects
from wizard.facts.cluster import KubernetesObject, ScaledPool
from wizard.names import FUSE_RESOURCE
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.cluster import Gateway

T = TypeVar("T")
Read = Callable[[str, str, str, Awaitable[T]], Awaitable[T | None]]
"""Reads something, or notes that it cannot be read: what, the verb, the resource, the reading itself."""

STATUS = "cluster-autoscaler-status"
STATUS_NAMESPACE = "kube-system"

STATUS_RESOURCE = f"configmaps in {STATUS_NAMESPACE}"
NODE_POOLS, NODE_OVERLAYS = "nodepools.karpenter.sh", "nodeoverlays.karpenter.sh"
MACHINE_SETS = "machinesets.machine.openshift.io"
RESOURCES = (STATUS_RESOURCE, NODE_POOLS, NODE_OVERLAYS, MACHINE_SETS)
"""What has to be readable to know every pool."""

MACHINE_API = "openshift-machine-api"
_MACHINE_SIZE = "machine.openshift.io/cluster-api-autoscaler-node-group-{}-size"


async def read_scaled_pools(gateway: Gateway, read: Read[Any]) -> tuple[ScaledPool, ...]:
    """Returns the autoscaled pools that can be read; ``read`` notes what cannot be read."""
    work = gateway.get("ConfigMap", STATUS, STATUS_NAMESPACE)
    status = await read("the cluster autoscaler's status", "get", STATUS_RESOURCE, work)
    found = [*pools_of_status(status)] if status else []
    groups = await gateway.api_groups()
    if "karpenter.sh" in groups:
        pools = await read(
            "Karpenter's NodePools", "list", NODE_POOLS, custom_objects(gateway, "karpenter.sh", "nodepools")
        )
        overlays = custom_objects(gateway, "karpenter.sh", "nodeoverlays")
        known = await read("Karpenter's NodeOverlays", "list", NODE_OVERLAYS, overlays)
        if pools is not None and known is not None:
            found += pools_of_karpenter(pools, known)
    if "machine.openshift.io" in groups:
        sets = custom_objects(gateway, "machine.openshift.io", "machinesets", MACHINE_API)
        found += pools_of_machine_sets(await read("MachineSets", "list", MACHINE_SETS, sets) or ())
    return tuple(found)


def pools_of_status(config_map: KubernetesObject) -> Iterable[ScaledPool]:
    """Yields the node groups in the cluster autoscaler's status, which is YAML since 1.30 and was plain text before."""
    text = str((config_map.get("data") or {}).get("status") or "")
    written = config_map.get("metadata", {}).get("managedFields") or ()
    as_of = max((str(entry.get("time") or "") for entry in written), default="")
    for name, nodes, smallest, largest in (*_yaml_groups(text), *_text_groups(text)):
        yield ScaledPool("cluster autoscaler", printable(name), nodes, smallest, largest, as_of=as_of)


def _yaml_groups(text: str) -> Iterable[tuple[str, int, int, int]]:
    try:
        status = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    groups = status.get("nodeGroups") if isinstance(status, dict) else None
    for group in groups if isinstance(groups, list) else ():
        health = group.get("health") if isinstance(group, dict) else None
        if isinstance(health, dict) and isinstance(group.get("name"), str):
            sizes = [health.get(key) for key in ("cloudProviderTarget", "minSize", "maxSize")]
            if all(isinstance(size, int) for size in sizes):
                yield (group["name"], *sizes)


_TEXT_GROUP = re.compile(
    r"^ *Name: +(?P<name>\S+)\s+Health: .*cloudProviderTarget=(?P<nodes>\d+) "
    r"\(minSize=(?P<min>\d+), maxSize=(?P<max>\d+)\)",
    re.MULTILINE,
)


def _text_groups(text: str) -> Iterable[tuple[str, int, int, int]]:
    for group in _TEXT_GROUP.finditer(text):
        yield group["name"], int(group["nodes"]), int(group["min"]), int(group["max"])


def pools_of_karpenter(
    node_pools: Iterable[KubernetesObject], overlays: Iterable[KubernetesObject]
) -> Iterable[ScaledPool]:
    """Yields Karpenter's NodePools. An overlay with the resource counts for all of them."""
    knows = any(FUSE_RESOURCE in (_at(overlay, "spec", "capacity") or {}) for overlay in overlays)
    for pool in node_pools:
        nodes = _number(_at(pool, "status", "resources", "nodes"))
        labels = _at(pool, "spec", "template", "metadata", "labels") or {}
        yield ScaledPool("Karpenter", _name(pool), nodes or 0, 0, None, dict(labels), knows_fuse=knows)


def pools_of_machine_sets(machine_sets: Iterable[KubernetesObject]) -> Iterable[ScaledPool]:
    """Yields OpenShift's MachineSets with a MachineAutoscaler, which annotates them with the sizes."""
    for item in machine_sets:
        annotations = _at(item, "metadata", "annotations") or {}
        smallest, largest = (_number(annotations.get(_MACHINE_SIZE.format(which))) for which in ("min", "max"))
        if smallest is not None and largest is not None:
            nodes = _number(_at(item, "spec", "replicas"))
            labels = _at(item, "spec", "template", "spec", "metadata", "labels") or {}
            yield ScaledPool("OpenShift", _name(item), nodes or 0, smallest, largest, dict(labels))


def _at(item: Any, *path: str) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _name(item: KubernetesObject) -> str:
    return printable(str(_at(item, "metadata", "name") or ""))


def _number(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
