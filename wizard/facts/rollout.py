"""The result of a rollout: which nodes are ready, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NO_LONGER_EXISTS: Final = "the node no longer exists"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A node or an object that is not done yet, or failed: its name and the reason.

    ``short`` is the category of the reason in a word or two ("image"), for grouping. ``todo`` is the fix; the reason
    ends with it.
    """

    name: str
    reason: str
    short: str = ""
    todo: str = ""

    @property
    def seen(self) -> str:
        """The reason without the fix."""
        return self.reason.removesuffix(self.todo).rstrip(" ;") if self.todo else self.reason


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """The result of the wait: ``desired`` counts the expected nodes, ``failing`` has those that are not ready.

    ``nodes`` names all expected nodes. If the wait was stopped, nodes without a known reason are neither ready nor
    failing: ``waiting`` names them. ``gone`` nodes were expected and no longer exist: they are not among the others.
    """

    desired: int
    ready: int
    failing: tuple[Shortfall, ...]
    seconds: float
    nodes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every node is ready."""
        return self.ready >= self.desired
