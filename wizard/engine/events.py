"""Events of a running plan, as plain frozen data.

The screens, plain mode, and ``run -o json`` all use the same events. Each action has one ``ActionStarted``, any number
of ``ActionProgress``, and one ``ActionEnded``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    from wizard.facts.changes import Change
    from wizard.facts.rollout import Shortfall
    from wizard.plan.derive import Plan

HEARTBEAT_SECONDS: Final = 10.0
"""How often a wait in which nothing changes reports for how long nothing has changed."""


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    kind: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        """Returns the event as ``run -o json`` prints it, one line each."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A message that is neither progress nor a result."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True)
class PlanShown(Event):
    """The plan that is about to be executed, shown first of all."""

    kind: ClassVar[str] = "plan"
    plan: Plan

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as ``run -o json`` prints it."""
        return {"event": self.kind, **self.plan.to_json()}


@dataclass(frozen=True, slots=True)
class ActionStarted(Event):
    """An action of the plan starts. ``total`` counts its objects or nodes."""

    kind: ClassVar[str] = "started"
    action: str
    title: str
    total: int


@dataclass(frozen=True, slots=True)
class ActionProgress(Event):
    """The progress of an action: ``done`` of ``total``, and the ``seconds`` since it started.

    ``shortfalls`` has what failed or is late, with the reason; ``waiting`` counts the rest. A wait tells for how many
    seconds no further one became ready (``quiet``), and after how many of them it gives up (``patience``).
    """

    kind: ClassVar[str] = "progress"
    action: str
    done: int
    total: int
    seconds: float
    shortfalls: tuple[Shortfall, ...] = ()
    waiting: int = 0
    quiet: float | None = None
    patience: float | None = None

    @property
    def words(self) -> str:
        """The progress as text, without ``seconds``."""
        return progress_words(self.done, self.total, self.quiet, self.patience)


def progress_words(done: int, total: int, quiet: float | None = None, patience: float | None = None) -> str:
    """Returns the progress as text: ``41 of 57``; of a wait also when the last one became ready, and when it gives up.

    ``41 of 57 ready, last 12 s ago, gives up after 300 s without another``, both times in seconds.
    """
    if patience is None:
        return f"{done} of {total}"
    parts = [f"{done} of {total} ready"]
    if done < total and quiet is not None:
        if quiet >= 1:
            parts.append(f"last {quiet:.0f} s ago" if done else f"waiting for {quiet:.0f} s")
        parts.append(f"gives up after {patience:.0f} s" + (" without another" if done else ""))
    return ", ".join(parts)


CHANGE_WORDS: Final[Mapping[str, str]] = {
    "create": "created",
    "configure": "configured",
    "unchanged": "unchanged",
    "delete": "deleted",
    "skipped": "skipped",
    "proved": "works",
    "conflict": "conflict with another field manager",
    "failed": "failed",
}
"""The result for an object, as text."""


@dataclass(frozen=True, slots=True)
class ObjectResult(Event):
    """One object of the manifest was dry-run, applied, or deleted.

    ``checked`` says who checked it: "server", or why it was not checked. ``change`` is the change that was made or
    would be made.
    """

    kind: ClassVar[str] = "object"
    action: str
    object: str
    change: Literal["create", "configure", "unchanged", "delete", "conflict", "failed", "skipped", "proved"]
    checked: str = "server"
    message: str = ""
    warnings: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the result with its changes by field."""
        return {"event": self.kind, **asdict(self), "changes": [change.to_json() for change in self.changes]}

    @property
    def words(self) -> str:
        """The result and the reason, as text."""
        word = "does not work" if self.action == "verify" and self.change == "failed" else CHANGE_WORDS[self.change]
        return word + (f": {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class ActionEnded(Event):
    """An action of the plan ended. ``detail`` summarizes the result in numbers."""

    kind: ClassVar[str] = "ended"
    action: str
    result: Literal["done", "failed", "stopped", "skipped"]
    detail: str
    shortfalls: tuple[Shortfall, ...] = ()


Listener = Callable[[Event], None]
"""Receives the events. It must return at once, and must not raise."""
