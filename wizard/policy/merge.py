"""The merge of what Podman needs into a policy.

In ``workspace.specs.kubernetes`` the fields ``resource-requests`` and ``resource-limits`` shall each ask
for the FUSE device: ``value: {"smarter-devices/fuse": "1"}``. Missing parents are made, ``version: "0.2"``
is added where it is missing. A field that is missing or empty gets a policy word, ``write`` unless a mode
says otherwise; one that is there keeps its word (also that it has none) unless a mode is given, and keeps
every other resource. Another count than wanted is a conflict. Where the count of one field is kept, the
other field, if it has none, gets the same: Kubernetes refuses pods whose request and limit differ. What is
kept and is no count at all (``true``, a text) stays where it is, and the other field gets the count wanted.
A second merge changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wizard.errors import UsageError
from wizard.policy.checks import podman_problems
from wizard.policy.compare import Proof, prove, unified_diff
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.edit import Path, Set, apply, lookup
from wizard.policy.entries import FUSE_RESOURCE, PODMAN_FIELDS, count_to_add, quantity
from wizard.policy.findings import Problem, merge_warnings, two_readings_in_words
from wizard.policy.readings import TAG, data_of, differ, readings
from wizard.policy.tree import Mapping, Node, Scalar, resolved
from wizard.policy.words import ON_CONFLICT, WORDS

VERSION = "0.2"


@dataclass(frozen=True)
class Change:
    """One thing that the merge did: ``add`` or ``replace``; ``line`` is in the merged file, from 1."""

    path: Path
    action: str
    before: Any
    after: Any
    line: int


@dataclass(frozen=True)
class Conflict:
    """A count that is another than wanted; ``line`` is in the file as it was, ``kept`` what became of it."""

    path: Path
    found: Any
    wanted: str
    line: int
    kept: bool


@dataclass(frozen=True)
class MergeResult:
    """The merged policy, which is ``before`` itself where there was nothing to do."""

    before: PolicyDocument
    document: PolicyDocument
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    warnings: tuple[Problem, ...]
    proof: Proof

    @property
    def changed(self) -> bool:
        return self.document.content != self.before.content

    def diff(self, *, width: int | None = None) -> str:
        """The unified diff; see ``unified_diff``."""
        return unified_diff(self.before, self.document, width=width)


def merge_podman(
    document: PolicyDocument,
    mode: str | None = None,
    devices: int = 1,
    on_conflict: str = "keep",
    *,
    unshare: bool = False,
) -> MergeResult:
    """Merges what Podman needs; ``devices`` is the number of FUSE devices that a workspace asks for.

    With ``on_conflict`` ``fail`` the document comes back as it was if there are conflicts; ``keep`` and
    ``replace`` say what becomes of another count.

    Raises InputError where a field has another shape or the text cannot be edited safely, UsageError where
    an argument is not one of those that there are.
    """
    if devices < 1:
        raise UsageError(f"{devices} FUSE devices are too few.", "Ask for at least 1.")
    if on_conflict not in ON_CONFLICT or mode not in (None, *WORDS):
        raise UsageError(
            f"{on_conflict} or {mode} is not a choice.", f"Take one of {', '.join(ON_CONFLICT)}, {', '.join(WORDS)}."
        )
    plan = _Plan(document, mode, str(devices), on_conflict)
    plan.make()
    if on_conflict == "fail" and plan.conflicts:
        merged = document
        plan.changes = []
    else:
        merged = apply(document, plan.edits, unshare=unshare)
    changes = tuple(
        Change(path, "add" if before is None else "replace", before, after, merged.key_line(path))
        for path, before, after in plan.changes
    )
    found = {*merge_warnings(document), *plan.warnings, *_left(document, merged)}
    warnings = sorted(found, key=lambda problem: (problem.line, problem.column))
    return MergeResult(document, merged, changes, tuple(plan.conflicts), tuple(warnings), prove(document, merged))


_TOLD_ELSEWHERE = ("fuse-missing", "write-with-value")
"""What the merge is there for, and what it does by default."""


def _left(document: PolicyDocument, merged: PolicyDocument) -> Iterator[Problem]:
    """What is wrong with the two fields and stays so, at its place in the file as it was."""
    found = [problem for problem in podman_problems(document) if problem.id not in _TOLD_ELSEWHERE]
    if found:
        stays = {(problem.id, problem.path, problem.message) for problem in podman_problems(merged)}
        yield from (problem for problem in found if (problem.id, problem.path, problem.message) in stays)


class _Plan:
    """What a merge will change, found by looking at the document."""

    def __init__(self, document: PolicyDocument, mode: str | None, count: str, on_conflict: str) -> None:
        self.document = document
        self.mode = mode
        self.count = count
        self.on_conflict = on_conflict
        self.edits: list[Set] = []
        self.changes: list[tuple[Path, Any, Any]] = []
        """Where, what was there (None for nothing), and what will be."""
        self.conflicts: list[Conflict] = []
        self.warnings: list[Problem] = []

    def make(self) -> None:
        if _is_nothing(version := lookup(self.document, ("version",))):
            self.edits.append(Set(("version",), VERSION, first=True))
            self.changes.append((("version",), None, VERSION))
        elif version is not None:
            self._touch(version, ("version",))
            self._other_version(version)
        counts = {path: self._count(path) for path in PODMAN_FIELDS}
        kept = count_to_add(counts.values(), self.count) if self.on_conflict == "keep" else self.count
        for path, count in counts.items():
            self._field(path, count, kept if count is None else self.count)

    def _other_version(self, version: Node) -> None:
        target = resolved(version)
        if not isinstance(target, Scalar) or target.value != VERSION:
            line, column = self.document.tree.place(version.start)
            self.warnings.append(
                Problem(
                    "warning",
                    "version-unsupported",
                    line,
                    column,
                    ("version",),
                    f"The version is not {VERSION}, the only one that Coder 1.19 and later know.",
                    "It is left as it is.",
                )
            )

    def _count(self, path: Path) -> str | None:
        """The count that a field has; None where it has none."""
        self._mapping(path)
        self._mapping((*path, "value"))
        here = (*path, "value", FUSE_RESOURCE)
        node = lookup(self.document, here)
        if node is None or _is_nothing(node):
            return None
        self._touch(node, here)
        count = quantity(node)
        if count is None:
            raise self.document.refusal(node, f"{show_path(here)} is not a single value.", 'Write "1".')
        return count

    def _mapping(self, path: Path) -> None:
        node = lookup(self.document, path)
        if node is not None and resolved(node).tag == f"{TAG}set":
            raise self.document.refusal(
                node, f"{show_path(path)} is a set, where a mapping is needed.", "Remove the tag, and merge again."
            )
        if not _is_nothing(node) and node is not None and not isinstance(resolved(node), Mapping):
            kind = "a single value" if isinstance(resolved(node), Scalar) else "a list"
            raise self.document.refusal(
                node,
                f"{show_path(path)} is {kind}, where a mapping is needed.",
                "Mend it, or remove the key, and merge again.",
            )

    def _field(self, path: Path, count: str | None, wanted: str) -> None:
        node = lookup(self.document, path)
        target = resolved(node) if node is not None else None
        is_new = _is_nothing(node) or (isinstance(target, Mapping) and not target.children)
        if is_new:
            word = self.mode or "write"
            self.edits += [Set((*path, "policy"), word), Set((*path, "value", FUSE_RESOURCE), wanted)]
            self.changes.append((path, None, {"policy": word, "value": {FUSE_RESOURCE: wanted}}))
            return
        word_node = lookup(self.document, (*path, "policy"))
        if word_node is not None:
            self._touch(word_node, (*path, "policy"))
        old = data_of(word_node) if word_node is not None else None
        if self.mode is not None and old != self.mode:
            self.edits.append(Set((*path, "policy"), self.mode))
            self.changes.append(((*path, "policy"), old, self.mode))
        here = (*path, "value", FUSE_RESOURCE)
        if count is None:
            self.edits.append(Set(here, wanted))
            self.changes.append((here, None, wanted))
        elif count != wanted:
            found = lookup(self.document, here)
            assert found is not None
            replaced = self.on_conflict == "replace"
            self.conflicts.append(Conflict(here, data_of(found), wanted, self.document.line(found), not replaced))
            if replaced:
                self.edits.append(Set(here, wanted))
                self.changes.append((here, data_of(found), wanted))

    def _touch(self, node: Node, path: Path) -> None:
        """Warns of a scalar that the merge looks at and that the two versions of YAML read differently."""
        target = resolved(node)
        if isinstance(target, Scalar) and differ(target):
            line, column = self.document.tree.place(node.start)
            message = f"{show_path(path)}: {two_readings_in_words(target, *readings(target))}"
            self.warnings.append(
                Problem(
                    "warning",
                    "two-readings",
                    line,
                    column,
                    path,
                    message,
                    "Put it into quotes, or write what you mean (true, 10).",
                )
            )


def _is_nothing(node: Node | None) -> bool:
    if node is None:
        return True
    target = resolved(node)
    return isinstance(target, Scalar) and target.is_null
