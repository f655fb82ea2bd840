"""Nodes that have as many pods as they take, and the pods that would go first for a more important one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PODS_OF_ALL_NODES: Final = "the pods of all nodes"
"""The name of the read that counts pods (in ``Unread.what``)."""

PRIORITIES: Final[Mapping[str, int]] = {
    "": 0,
    "system-node-critical": 2000001000,
    "system-cluster-critical": 2000000000,
}
"""The priority of the classes that every cluster has."""


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod on a full node."""

    namespace: str
    name: str
    priority: int = 0

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class FullNode:
    """A node without room for one more pod: ``excess`` pods have to go for it.

    ``pods`` are the ``excess`` least important ones, which the scheduler evicts first (kube-scheduler, preemption: the
    lowest priority, then the latest start); None if they were not read.
    """

    node: str
    excess: int
    pods: tuple[RunningPod, ...] | None = None

    def displaced(self, priority: int) -> tuple[RunningPod, ...] | None:
        """Returns the pods that a pod of this priority displaces: () if it cannot, None if they were not read."""
        if self.pods is None:
            return None
        lower = tuple(pod for pod in self.pods if pod.priority < priority)
        return lower if len(lower) >= self.excess else ()
