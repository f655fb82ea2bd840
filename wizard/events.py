"""What happens while a plan is executed: plain frozen data, told as it happens.

Screens, the plain mode and ``run -o json`` all read the same events. An action is told by ``ActionStarted``,
any number of ``ActionProgress``, and ``ActionEnded``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Something that is not where it should be yet, or failed: its name (a node, an object) and the reason.

    ``short`` is the kind of reason in a word or two, by which like ones are told from others ("image"). ``todo`` is
    what mends it; the reason ends with it.
    """

    name: str
    reason: str
    short: str = ""
    todo: str = ""

    @property
    def seen(self) -> str:
        """The reason without what mends it."""
        return self.reason.removesuffix(self.todo).rstrip(" ;") if self.todo else self.reason


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    kind: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        """The event as ``run -o json`` prints it, one line each."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A sentence worth telling that is neither progress nor a result."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True)
class ActionStarted(Event):
    """An action of the plan begins. ``total`` counts what it works on (objects, nodes)."""

    kind: ClassVar[str] = "started"
    action: str
    title: str
    total: int


@dataclass(frozen=True, slots=True)
class ActionProgress(Event):
    """How far an action is: ``done`` of ``total``, who is still missing and why, ``seconds`` since it began.

    ``shortfalls`` holds what failed or is late and says why, ``waiting`` counts the rest.
    """

    kind: ClassVar[str] = "progress"
    action: str
    done: int
    total: int
    seconds: float
    shortfalls: tuple[Shortfall, ...] = ()
    waiting: int = 0


CHANGE_WORDS: Final[Mapping[str, str]] = {
    "create": "created",
    "configure": "configured",
    "unchanged": "as it was",
    "delete": "deleted",
    "skipped": "skipped",
    "proved": "works",
    "conflict": "belongs to another manager",
    "failed": "refused",
}
"""What became of an object, in words for people."""


@dataclass(frozen=True, slots=True)
class ObjectResult(Event):
    """One object of the manifest was dry-run, applied or removed.

    ``checked`` says who checked it: "server", or the reason why not. ``change`` is what it did or would do.
    """

    kind: ClassVar[str] = "object"
    action: str
    object: str
    change: Literal["create", "configure", "unchanged", "delete", "conflict", "failed", "skipped", "proved"]
    checked: str = "server"
    message: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What became of it and why, in words for people."""
        word = "does not work" if self.action == "verify" and self.change == "failed" else CHANGE_WORDS[self.change]
        return word + (f": {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class ActionEnded(Event):
    """An action of the plan ended. ``detail`` says what was done, in numbers."""

    kind: ClassVar[str] = "ended"
    action: str
    result: Literal["done", "failed", "interrupted", "skipped"]
    detail: str
    shortfalls: tuple[Shortfall, ...] = ()


Listener = Callable[[Event], None]
"""Who is told. It must return at once, and must not raise."""
