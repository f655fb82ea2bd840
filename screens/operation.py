"""Work that changes the cluster, as the screens show it: one row for each object or node, made from events."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from wizard.engine.events import ActionEnded, ActionProgress, ActionStarted, Event, Note, ObjectResult, progress_words
from wizard.facts.rollout import Shortfall
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.manifest.forecast import Comparison
    from wizard.steps import StepId


NOT_DONE = {"failed": ("skipped", "not attempted"), "stopped": ("stopped", "no result before it was stopped")}
"""By the result of the work: state and text of the objects that were still waiting."""


@dataclass(frozen=True)
class OperationRow:
    """One object or node: its state (waiting, done, failed), its name, and the reason.

    ``short`` is the reason in a word or two, ``todo`` the fix; "" if only the text is known.
    """

    state: str
    name: str
    text: str = ""
    short: str = ""
    todo: str = ""


class Operation:
    """Work in progress, or work that has ended.

    Events come from the engine's thread; a screen reads the attributes, each of which is replaced as a whole.
    """

    def __init__(self, step: StepId, title: str, rows: tuple[str, ...], on_change: Callable[[], None]) -> None:
        self.step = step
        self.title = title
        self.objects: tuple[OperationRow, ...] = tuple(OperationRow("waiting", name) for name in rows)
        self.missing: tuple[OperationRow, ...] = ()
        self.comparison: tuple[Comparison, ...] = ()
        """After a rollout, by node type: the forecast and the result."""
        self.phase = title
        self.done = 0
        self.total = len(rows)
        self.seconds = 0.0
        """How long it took, as last reported; while it runs, ``count`` has the time until now."""
        self.told_at = self._began = monotonic()
        self.waiting = len(rows)
        self._patience: float | None = None
        self._last_at = self._began
        """When the last one was done, for work that is given up after ``_patience`` seconds without another."""
        self.result = ""
        """``done``, ``failed`` or ``stopped``; "" while it runs."""
        self.detail = ""
        self.todo = ""
        self.notes: tuple[str, ...] = ()
        self.ended = False
        self.stopping = False
        self.seen = False
        """Whether the user has left its result."""
        self.plan_changed = False
        """Whether it ended because the cluster was not what its plan was made from."""
        self.is_log = False
        """Whether its notes are the rows, for work on one thing that tells what it does."""
        self.stops_softly = True
        """Whether the work checks ``stop`` itself; other work is canceled."""
        self.stop: asyncio.Event | None = None
        self.future: concurrent.futures.Future[None] | None = None
        self._on_change = on_change

    def take(self, event: Event) -> None:
        """Takes an event into account; this is the listener for the engine."""
        match event:
            case ActionStarted():
                self.phase, self.total, self.done, self.seconds = event.title, event.total, 0, 0.0
                self._began, self._patience = monotonic(), None
                self.waiting, self.result = event.total, ""
            case ActionProgress():
                self.done, self.total, self.seconds = event.done, event.total, event.seconds
                self.waiting, self._patience = event.waiting, event.patience
                if event.quiet is not None:
                    self._last_at = monotonic() - event.quiet
                self._set_shortfalls(event.shortfalls)
            case ObjectResult():
                state = "failed" if event.change in ("failed", "conflict") else "done"
                state = "skipped" if event.change == "skipped" else state
                self._set_row(OperationRow(state, event.object, "; ".join([event.words, *event.warnings])))
                if state == "done":
                    self.done += 1
                    self.waiting = max(0, self.total - self.done)
            case ActionEnded():
                self.result = "done" if event.result == "skipped" else event.result
                self.detail = event.detail
                self._set_shortfalls(event.shortfalls)
            case Note():
                self.notes = (*self.notes, event.text)
        self.told_at = monotonic()
        self._on_change()

    def _set_row(self, row: OperationRow) -> None:
        rows = {item.name: item for item in self.objects}
        rows[row.name] = row
        self.objects = tuple(rows.values())

    def _set_shortfalls(self, shortfalls: tuple[Shortfall, ...]) -> None:
        if not self.objects:
            state = "failed" if self.result else "waiting"
            self.missing = tuple(
                OperationRow(state, item.name, item.seen, item.short, item.todo) for item in shortfalls
            )

    @property
    def rows(self) -> tuple[OperationRow, ...]:
        """Returns the objects, if they are few; otherwise the nodes that are not ready, with the reasons."""
        if self.is_log:
            return tuple(OperationRow("", note) for note in self.notes)
        return self.objects or self.missing

    def fail(self, what: str, todo: str) -> None:
        """Records an error as the result."""
        self.result, self.detail, self.todo = "failed", what, todo

    def interrupt(self) -> None:
        """Records that it was stopped."""
        self.result = "stopped"
        self.detail = self.detail or f"{self.done} of {self.total} done"

    def close(self) -> None:
        """Ends it: no more events will come."""
        self.ended = True
        self.result = self.result or "done"
        if self.result != "done":
            state, text = NOT_DONE[self.result]
            self.objects = tuple(
                OperationRow(state, row.name, text) if row.state == "waiting" else row for row in self.objects
            )
        self._on_change()

    def count(self) -> str:
        """Returns the progress: ``41 of 57, 12 s``, or ``18 lines, 12 s`` of a log."""
        seconds = self.seconds if self.ended else max(self.seconds, monotonic() - self._began)
        done = counted(len(self.notes), "line") if self.is_log else f"{self.done} of {self.total}"
        return done + (f", {seconds:.0f} s" if seconds >= 1 else "")

    def progress(self) -> str:
        """Returns the progress as all doors tell it: of a wait also when the last one became ready."""
        if self._patience is None or self.ended:
            return self.count()
        return progress_words(self.done, self.total, monotonic() - self._last_at, self._patience)
