"""The pods that hold a FUSE device, on nodes that are about to lose it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wizard.names import FUSE_RESOURCE
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.cluster import Gateway
    from wizard.facts.cluster import KubernetesObject

FEW: Final = 50
"""Up to this number, the pods of each node are requested; for more nodes, one list of all pods is faster."""

AT_ONCE: Final = 12

SHOWN: Final = 20
"""How many pods are named."""

_NOT_ENDED: Final = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True, slots=True, order=True)
class PodWithFuse:
    """One pod that requests FUSE devices, and its node."""

    namespace: str
    name: str
    node: str


@dataclass(frozen=True, slots=True)
class PodsWithFuse:
    """The pods that hold a FUSE device; ``not_looked`` is why they are unknown, "" if they are known."""

    pods: tuple[PodWithFuse, ...] = ()
    not_looked: str = ""

    def lines(self) -> tuple[str, ...]:
        """Returns what to show before the nodes lose their devices; nothing if no pod holds one."""
        if self.not_looked:
            return (f"Pods that hold a FUSE device were not looked at: {self.not_looked}",)
        if not self.pods:
            return ()
        holds = "holds" if len(self.pods) == 1 else "hold"
        lines = [f"{counted(len(self.pods), 'running pod')} {holds} a FUSE device on nodes that lose it:"]
        lines += [f"  {pod.namespace}/{pod.name} on {pod.node}" for pod in self.pods[:SHOWN]]
        if len(self.pods) > SHOWN:
            lines.append(f"  and {len(self.pods) - SHOWN} more")
        return (*lines, "They keep it until they restart; then they cannot start on these nodes.")

    def to_json(self) -> dict[str, Any]:
        """Returns the pods as commands print them."""
        return {
            "pods": [{"namespace": one.namespace, "name": one.name, "node": one.node} for one in self.pods],
            "not_looked": self.not_looked,
        }


async def pods_with_fuse(gateway: Gateway, nodes: Collection[str] | None) -> PodsWithFuse:
    """Returns the pods on these nodes (None: on any node) that hold a FUSE device; changes nothing.

    Without permission to list pods, the result says so. Raises ClusterError if the server does not answer.
    """
    from wizard.cluster import ApiRefusal
    from wizard.cluster.concurrency import together

    try:
        if nodes is None or len(nodes) > FEW:
            found = await _holding(gateway, _NOT_ENDED)
        else:
            gate = asyncio.Semaphore(AT_ONCE)

            async def of_node(name: str) -> list[PodWithFuse]:
                async with gate:
                    return await _holding(gateway, f"spec.nodeName={name},{_NOT_ENDED}")

            found = [pod for part in await together(map(of_node, nodes)) for pod in part]
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        return PodsWithFuse(not_looked=refusal.what)
    wanted = None if nodes is None else frozenset(nodes)
    return PodsWithFuse(tuple(sorted(pod for pod in found if wanted is None or pod.node in wanted)))


async def _holding(gateway: Gateway, fields: str) -> list[PodWithFuse]:
    found: list[PodWithFuse] = []
    async for part in gateway.slices("Pod", fields=fields, convert=_holder):
        found = [*([] if part.restarted else found), *(pod for pod in part.items if pod is not None)]
    return found


def _holder(pod: KubernetesObject) -> PodWithFuse | None:
    """Returns the pod if a node gave it a FUSE device."""
    spec: Mapping[str, Any] = pod.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    requests = any(
        str((container.get("resources") or {}).get(kind, {}).get(FUSE_RESOURCE, "0")) != "0"
        for container in containers
        for kind in ("limits", "requests")
    )
    node = spec.get("nodeName")
    return PodWithFuse(pod["metadata"]["namespace"], pod["metadata"]["name"], node) if node and requests else None
