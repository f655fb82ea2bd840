"""What the wizard is about to change, and what it changed, with the state before: the source of undo and resume.

A journal is a file of JSON lines, one a run, in the cluster's folder (wizard.state). A line is synced before
the change that it announces is tried, and another after it ended; so whatever happens in between, the journal
never claims less than was tried. Credentials never reach it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from wizard.differences import NOISY_ANNOTATIONS
from wizard.errors import InputError
from wizard.facts import KubernetesObject
from wizard.state import ELSEWHERE, private_folder, why

Kind = Literal["apply", "label", "policy", "coder", "delete"]
Result = Literal["done", "failed", "interrupted"]

NEEDED: Mapping[str, Sequence[str]] = {
    "apply": ("object",),
    "label": ("value",),
    "policy": ("path", "existed"),
    "coder": ("what", "url"),
}
"""What the state before of each kind of change holds at the least."""


@dataclass(frozen=True)
class Change:
    """One thing that was tried. ``result`` is None where the run ended in the middle of it.

    ``before`` and ``after`` are the states by name: an object (None where there was none), a node's label
    value, or a file's facts. What was meant to come of it stands in ``before`` too, under ``meant``: by it a
    change is recognised whose end was never noted.
    """

    kind: Kind
    title: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] = field(default_factory=dict)
    result: Result | None = None


@dataclass(frozen=True)
class Run:
    """One run as its journal tells it."""

    path: Path
    started: str
    answers: str
    """The answers file of the run, as text."""
    changes: tuple[Change, ...]
    ended: bool
    undone: bool
    resumes: str = ""
    """The name of the journal whose run it went on with, "" where it began by itself."""
    damaged: tuple[int, ...] = ()
    """The lines of the journal that cannot be read, counted from 1."""

    @property
    def interrupted(self) -> bool:
        """Whether it stopped in the middle: the process went away before it could say how it ended."""
        return not self.ended and not self.undone

    @property
    def damage(self) -> str:
        """What of the journal cannot be read, in a sentence; "" where all can."""
        if not self.damaged:
            return ""
        lines = f"line{'s' * (len(self.damaged) > 1)} {', '.join(map(str, self.damaged))}"
        return f"The journal {self.path} is damaged in {lines}; what stood there is not known."


def now() -> str:
    """The time now, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(content: bytes) -> str:
    """A file's content in short, to see later whether it is still the same."""
    return hashlib.sha256(content).hexdigest()


STAMP = "run-%Y%m%dT%H%M%S.%fZ.jsonl"
"""The name of a journal: in their order the runs were begun."""


def _next_name(folder: Path) -> str:
    """A name after all that are there, also where the clock has been set back since: undo goes by their order."""
    moment = datetime.now(UTC)
    for path in folder.glob("run-*.jsonl"):
        with contextlib.suppress(ValueError):  # a name that is not ours
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
            raise InputError(f"The journal {self.path} cannot be made: {why(error)}.", ELSEWHERE) from None
        self._next = 0
        header = {"entry": "run", "time": now(), "answers": answers}
        try:
            self._write({**header, "resumes": resumes} if resumes else header)
        except InputError:
            # A journal without a word in it is none.
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
            # What cannot be noted is not tried; what was tried is at least announced. Half a line would take the
            # next one with it.
            with contextlib.suppress(OSError):
                if size >= 0:
                    os.ftruncate(self._handle, size)
            raise InputError(f"The journal {self.path} cannot be written: {why(error)}.", ELSEWHERE) from None

    def begin(self, kind: Kind, title: str, before: Mapping[str, Any]) -> int:
        """Notes what is about to be tried, with the state before; gives the number of the change."""
        number = self._next
        self._next += 1
        self._begin(number, kind, title, before)
        return number

    def begin_anew(self, number: int, kind: Kind, title: str, before: Mapping[str, Any]) -> None:
        """Notes the state before once more, where it turned out to be another by the time of the change."""
        self._begin(number, kind, title, before)

    def _begin(self, number: int, kind: Kind, title: str, before: Mapping[str, Any]) -> None:
        self._write({"entry": "begin", "change": number, "kind": kind, "title": title, "before": before, "time": now()})

    def batch(self, number: int, after: Mapping[str, Any]) -> None:
        """Notes a part of a change that is done (some nodes of many)."""
        self._write({"entry": "batch", "change": number, "after": after, "time": now()})

    def end(self, number: int, result: Result, after: Mapping[str, Any] | None = None) -> None:
        """Notes how a change ended."""
        self._write({"entry": "end", "change": number, "result": result, "after": after or {}, "time": now()})

    def close(self) -> None:
        """Notes that the run came to its end by itself, whatever its result."""
        if self._handle >= 0:
            self._write({"entry": "ended", "time": now()})
            self.abandon()

    def abandon(self) -> None:
        """Lets go of the file without an end: the run counts as interrupted."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def read_run(path: Path) -> Run:
    """A run from its journal, as far as it can be read: a crash may have cut its last line off, a disk lost more."""
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
                        raise ValueError("a line that does not say what was there before is as good as lost")
                    changes[entry["change"]] = Change(entry["kind"], str(entry["title"]), before)
                case "batch" | "end":
                    change = changes[entry["change"]]
                    changes[entry["change"]] = Change(
                        change.kind,
                        change.title,
                        change.before,
                        {**change.after, **entry["after"]},
                        entry.get("result"),
                    )
                case "ended":
                    ended = True
                case "undone":
                    undone = True
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
    return Run(path, started, answers, tuple(changes.values()), ended, undone, resumes, tuple(damaged))


def runs(folder: Path) -> tuple[Run, ...]:
    """The runs on a cluster, the latest first. Raises InputError where a journal cannot be read."""
    try:
        # A glob takes a folder that may not be read for an empty one.
        names = [name for name in os.listdir(folder) if name.startswith("run-") and name.endswith(".jsonl")]  # noqa: PTH208
        return tuple(read_run(folder / name) for name in sorted(names, reverse=True))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(
            f"The journal {error.filename} cannot be read: {why(error)}.", "Mend its rights, or set XDG_STATE_HOME."
        ) from None


def pieces(latest_first: Sequence[Run]) -> tuple[tuple[Run, ...], ...]:
    """The runs by the piece of work that they belong to, the latest first in both.

    A run that was cut off, and the one that went on with it, and so on, are one piece of work.
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
            # Where several went on with it, it belongs to the latest.
            awaited.setdefault(run.resumes, piece)
    return tuple(map(tuple, found))


def mark(run: Run, entry: Literal["ended", "undone"]) -> None:
    """Notes in a finished journal that its run was undone, or that it is not to be resumed.

    Raises InputError where it cannot be written.
    """
    try:
        handle = os.open(run.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(handle, b"\n" + json.dumps({"entry": entry, "time": now()}).encode() + b"\n")
            os.fdatasync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"The journal {run.path} cannot be written: {why(error)}.", "Mend its rights.") from None


def without_noise(live: KubernetesObject | None) -> KubernetesObject | None:
    """The part of an object that people write: no status, no managed fields, no versions, as it was ordered."""
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
