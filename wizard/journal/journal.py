"""The journal: each change before and after it is made, with the earlier state, for undo and resume.

A journal is a file of JSON lines, one for each run, in the cluster's folder (wizard.journal.state). One line is synced
before a change is tried and another after it ended, so that the journal has every change that was tried. It
contains no credentials.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from wizard.errors import InputError
from wizard.facts.cluster import KubernetesObject
from wizard.facts.differences import LAST_APPLIED as LAST_APPLIED
from wizard.facts.differences import NOISY_ANNOTATIONS
from wizard.facts.objects import ObjectRef
from wizard.files import why
from wizard.journal.state import ELSEWHERE, private_folder
from wizard.names import NAMESPACE

Kind = Literal["apply", "label", "policy", "coder"]
Result = Literal["done", "failed", "stopped"]
_OLD_RESULTS: Mapping[str, Result] = {"interrupted": "stopped"}
"""Earlier versions of podman-wizard wrote this word."""

NEEDED: Mapping[str, Sequence[str]] = {
    "apply": ("object",),
    "label": ("value",),
    "policy": ("path", "existed"),
    "coder": ("what", "url"),
}
"""The keys that ``before`` must have, by the kind of the change."""


@dataclass(frozen=True)
class Change:
    """One change that was tried. ``result`` is None if the run ended during the change.

    ``before`` and ``after`` are the states by name: an object (None if it did not exist), a node's label
    value, or a file's facts. ``before`` also has the intended state, as ``meant``: it identifies a change
    whose end was never recorded.
    """

    kind: str
    title: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] = field(default_factory=dict)
    result: Result | None = None


@dataclass(frozen=True)
class Run:
    """One run, as recorded in its journal."""

    path: Path
    started: str
    answers: str
    """The answers file of the run, as text."""
    changes: tuple[Change, ...]
    ended: bool
    undone: bool
    resumes: str = ""
    """The name of the journal of the run that this run resumed, "" if none."""
    damaged: tuple[int, ...] = ()
    """The lines of the journal that cannot be read, counted from 1."""

    @property
    def id(self) -> str:
        """The run as ``undo`` prints it, and takes it: the time at which it began."""
        return self.path.stem.removeprefix("run-")

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted: the process ended before it recorded its end."""
        return not self.ended and not self.undone

    @property
    def damage(self) -> str:
        """The lines of the journal that cannot be read, in a sentence; "" if all can be read."""
        if not self.damaged:
            return ""
        lines = f"line{'s' * (len(self.damaged) > 1)} {', '.join(map(str, self.damaged))}"
        return f"The journal {self.path} is damaged in {lines}. The entries there are unknown."


def now() -> str:
    """Returns the current time, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(content: bytes) -> str:
    """Returns a hash of a file's content, to detect later changes."""
    return hashlib.sha256(content).hexdigest()


STAMP = "run-%Y%m%dT%H%M%S.%fZ.jsonl"
"""The name of a journal; sorted by name, journals are in the order in which the runs began."""


def _next_name(folder: Path) -> str:
    """Returns a name that sorts after all existing ones, even if the clock was set back: undo relies on the order."""
    moment = datetime.now(UTC)
    for path in folder.glob("run-*.jsonl"):
        with contextlib.suppress(ValueError):  # not the name of a journal
            moment = max(moment, datetime.strptime(path.name, STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1))
    return moment.strftime(STAMP)


class Journal:
    """The journal of one run, while it is written."""

    def __init__(self, folder: Path, answers: str, *, resumes: str = "") -> None:
        private_folder(folder)
        self.path = folder / _next_name(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._handle = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise InputError(f"The journal {self.path} cannot be created: {why(error)}.", ELSEWHERE) from None
        self._next = 0
        header = {"entry": "run", "time": now(), "answers": answers}
        try:
            self._write({**header, "resumes": resumes} if resumes else header)
        except InputError:
            # An empty journal would count as a run.
            self.abandon()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        size = -1
        try:
            size = os.fstat(self._handle).st_size
            while line:
                line = line[os.write(self._handle, line) :]
            os.fdatasync(self._handle)
        except OSError as error:
            # A change that cannot be recorded is not tried. The partial line is cut off, because it would damage
            # the next one.
            with contextlib.suppress(OSError):
                if size >= 0:
                    os.ftruncate(self._handle, size)
            raise InputError(f"The journal {self.path} cannot be written: {why(error)}.", ELSEWHERE) from None

    def begin(self, kind: Kind, title: str, before: Mapping[str, Any]) -> int:
        """Records a change before it is tried, with the earlier state; returns the number of the change."""
        number = self._next
        self._next += 1
        self._begin(number, kind, title, before)
        return number

    def begin_anew(self, number: int, kind: Kind, title: str, before: Mapping[str, Any]) -> None:
        """Records the earlier state again, if it changed before the change was tried."""
        self._begin(number, kind, title, before)

    def _begin(self, number: int, kind: Kind, title: str, before: Mapping[str, Any]) -> None:
        self._write({"entry": "begin", "change": number, "kind": kind, "title": title, "before": before, "time": now()})

    def batch(self, number: int, after: Mapping[str, Any]) -> None:
        """Records a part of a change that is done (some nodes of many)."""
        self._write({"entry": "batch", "change": number, "after": after, "time": now()})

    def end(self, number: int, result: Result, after: Mapping[str, Any] | None = None) -> None:
        """Records how a change ended."""
        self._write({"entry": "end", "change": number, "result": result, "after": after or {}, "time": now()})

    def close(self) -> None:
        """Records that the run ended normally, whatever its result."""
        if self._handle >= 0:
            self._write({"entry": "ended", "time": now()})
            self.abandon()

    def abandon(self) -> None:
        """Closes the file without recording an end: the run counts as interrupted."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def read_run(path: Path) -> Run:
    """Reads a run from its journal, except for damaged lines: a crash can cut off the last one."""
    started, answers, resumes, ended, undone = "", "", "", False, False
    changes: dict[int, Change] = {}
    damaged: list[int] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip(b" \0"):
            continue
        try:
            entry = json.loads(line)
            match entry["entry"]:
                case "run":
                    started, answers = str(entry["time"]), str(entry["answers"])
                    resumes = str(entry.get("resumes", ""))
                case "begin":
                    before = dict(entry["before"])
                    if not before.keys() >= set(NEEDED.get(entry["kind"], ())):
                        raise ValueError("a line without the earlier state is useless for undo")
                    changes[entry["change"]] = Change(entry["kind"], str(entry["title"]), before)
                case "batch" | "end":
                    change = changes[entry["change"]]
                    changes[entry["change"]] = Change(
                        change.kind,
                        change.title,
                        change.before,
                        {**change.after, **entry["after"]},
                        _OLD_RESULTS.get(entry.get("result"), entry.get("result")),
                    )
                case "ended":
                    ended = True
                case "undone":
                    undone = True
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
    return Run(path, started, answers, tuple(changes.values()), ended, undone, resumes, tuple(damaged))


def runs(folder: Path) -> tuple[Run, ...]:
    """Reads the runs on a cluster, the latest first. Raises InputError if a journal cannot be read."""
    try:
        # A glob treats an unreadable folder as an empty one.
        names = [name for name in os.listdir(folder) if name.startswith("run-") and name.endswith(".jsonl")]  # noqa: PTH208
        return tuple(read_run(folder / name) for name in sorted(names, reverse=True))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(
            f"The journal {error.filename} cannot be read: {why(error)}.", "Fix its permissions, or set XDG_STATE_HOME."
        ) from None


def pieces(latest_first: Sequence[Run]) -> tuple[tuple[Run, ...], ...]:
    """Groups the runs by piece of work, the latest first in both.

    An interrupted run and the runs that resumed it are one piece of work.
    """
    found: list[list[Run]] = []
    awaited: dict[str, list[Run]] = {}
    for run in latest_first:
        piece = awaited.pop(run.path.name, None)
        if piece is None:
            piece = []
            found.append(piece)
        piece.append(run)
        if run.resumes:
            # If several runs resumed it, it belongs to the latest.
            awaited.setdefault(run.resumes, piece)
    return tuple(map(tuple, found))


def object_of(change: Change) -> ObjectRef:
    """Returns the object that a change of the kind "apply" is about."""
    states = (change.after.get("object"), change.before.get("object"), change.before.get("meant"))
    for state in states:
        if state is not None:
            return ObjectRef.of(state)
    # Earlier versions recorded nothing but the title of an object that did not exist.
    kind, _, name = change.title.partition(" ")
    return ObjectRef(kind, name, "" if kind == "Namespace" else NAMESPACE)


def left_by(latest_first: Sequence[Change], name: str) -> list[Any]:
    """Returns the states in which the wizard can have left a thing: ``name`` in ``after`` of its changes.

    If the end of the latest change is not recorded, the state is the intended one, or that of the change before.
    """
    states: list[Any] = []
    for change in latest_first:
        if name in change.after:
            return [*states, change.after[name]]
        if "meant" in change.before:
            states.append(change.before["meant"])
    return states


def labels_set(latest_first: Iterable[Run]) -> dict[str, str]:
    """Returns by node the start of the run that set its label last; without nodes that lost it by a later run."""
    latest: dict[str, tuple[str, bool]] = {}
    for run in latest_first:
        for change in reversed(run.changes if not run.undone else ()):
            if change.kind == "label":
                for node in change.after:
                    latest.setdefault(node, (run.started, change.before["value"] is not None))
    return {node: started for node, (started, is_set) in latest.items() if is_set}


def mark(run: Run, entry: Literal["ended", "undone"]) -> None:
    """Records in a finished journal that its run was undone, or that it will not be offered again.

    Raises InputError if it cannot be written.
    """
    try:
        handle = os.open(run.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(handle, b"\n" + json.dumps({"entry": entry, "time": now()}).encode() + b"\n")
            os.fdatasync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"The journal {run.path} cannot be written: {why(error)}.", "Fix its permissions.") from None


def without_noise(live: KubernetesObject | None) -> KubernetesObject | None:
    """Returns the part of an object that clients set: without status, managed fields, and versions."""
    if live is None:
        return None
    kept = {key: value for key, value in live.items() if key != "status"}
    kept["metadata"] = {
        key: value for key, value in live.get("metadata", {}).items() if key in ("name", "namespace", "labels")
    }
    annotations = live.get("metadata", {}).get("annotations", {})
    written = {key: value for key, value in annotations.items() if key not in NOISY_ANNOTATIONS}
    if written:
        kept["metadata"]["annotations"] = written
    return kept
