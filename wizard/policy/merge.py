"""The merge of what Podman needs into a policy.

After a merge, the fields ``resource-requests`` and ``resource-limits`` of ``workspace.specs.kubernetes`` each
request the FUSE device: ``value: {"smarter-devices/fuse": "1"}``. Missing parents, and a missing
``version: "0.2"``, are added. A field that is missing or empty gets a field policy, ``write`` unless a mode is
given; an existing field keeps its field policy (also if it has none) unless a mode is given, and keeps every
other resource. If the count of one field is kept, the other field, if it has none, gets the same, because Kubernetes
rejects pods whose request and limit differ. If what is kept is not a count (``true``, a text), the other field gets
the wanted count. A second merge changes nothing.

A different count than wanted is a conflict, which is kept unless told otherwise. So are a count that gives no device
(0, or one that Kubernetes rejects: ``-1``, ``1.5``, ``true``), a key that is nearly one of these, and another device
plugin's name of the resource. With those, workspaces get no FUSE device, and a second key beside them would hide what
was meant, so they need a decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wizard.errors import UsageError
from wizard.names import FUSE_RESOURCE
from wizard.policy.checks import podman_problems
from wizard.policy.compare import Proof, prove, unified_diff
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import (
    PODMAN_FIELDS,
    Path,
    count_to_add,
    fuse_like,
    gives_devices,
    own_or_inherited,
    quantity,
    same_amount,
    summary,
)
from wizard.policy.findings import Problem, merge_warnings, two_readings_in_words
from wizard.policy.lookup import lookup
from wizard.policy.near import near
from wizard.policy.readings import TAG, data_of, differ, inherited, readings
from wizard.policy.schema import schema
from wizard.policy.surroundings import managed_end
from wizard.policy.text_editor import Rename, Set, apply
from wizard.policy.tree import Collection, Mapping, Node, Scalar, resolved
from wizard.policy.words import ON_CONFLICT, WORDS
from wizard.policy.writing import node_of
from wizard.text.escaping import visible

VERSION = "0.2"


@dataclass(frozen=True)
class Change:
    """One change of the merge: ``add`` or ``replace``; ``line`` is in the merged file, from 1."""

    path: Path
    action: str
    before: Any
    after: Any
    line: int


@dataclass(frozen=True)
class Conflict:
    """A count that differs from the wanted one, or a key that is nearly the wanted one.

    ``line`` is in the original file, ``kept`` is the decision. ``kind`` is ``count``, ``none`` for a count that
    gives no device, or ``name`` for a key; the last two need a decision, because nothing is right by itself.
    """

    path: Path
    found: Any
    wanted: str
    line: int
    kept: bool
    kind: str = "count"

    @property
    def shown(self) -> str:
        """What was found, safe to show: lists, mappings, and ``true`` as YAML writes them, an empty text in quotes."""
        if isinstance(self.found, list | dict):
            return summary(node_of(self.found))
        return visible(str(self.found).lower() if isinstance(self.found, bool) else str(self.found))


@dataclass(frozen=True)
class MergeResult:
    """The merged policy, which is ``before`` itself if there was nothing to do."""

    before: PolicyDocument
    document: PolicyDocument
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    warnings: tuple[Problem, ...]
    proof: Proof
    undecided: bool = False
    """Whether a conflict needs a decision; nothing was merged then."""

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
    on_conflict: str | None = None,
    *,
    unshare: bool = False,
) -> MergeResult:
    """Merges what Podman needs; ``devices`` is the number of FUSE devices that a workspace requests.

    ``keep`` and ``replace`` decide about conflicts. With ``fail``, and without a decision for conflicts that need
    one, the document is returned unchanged and ``undecided``.

    Raises InputError if a field has another shape or the text cannot be edited safely, UsageError for an
    invalid argument.
    """
    if devices < 1:
        raise UsageError(f"{devices} FUSE devices are too few.", "Request at least 1.")
    if on_conflict not in (None, *ON_CONFLICT) or mode not in (None, *WORDS):
        raise UsageError(
            f"{on_conflict} or {mode} is not a valid choice.",
            f"Use one of {', '.join(ON_CONFLICT)} for conflicts, and one of {', '.join(WORDS)} as the mode.",
        )
    names = near_misses(document)
    renames = [Rename(path, meant) for path, meant in names] if on_conflict == "replace" else []
    named = apply(document, renames, unshare=unshare) if renames else document
    left = set() if renames else {(*path[:-1], meant) for path, meant in names}
    plan = _Plan(named, mode, str(devices), on_conflict, left)
    for path, meant in names:
        line = document.key_line(path)
        plan.conflicts.append(Conflict(path, path[-1], meant, line, on_conflict != "replace", "name"))
        if renames:
            plan.changes.append(((*path[:-1], meant), path[-1], meant))
    plan.make()
    undecided = bool(plan.conflicts) if on_conflict == "fail" else _is_open(on_conflict, plan.conflicts)
    if undecided:
        merged = document
        plan.changes = []
    else:
        merged = apply(named, plan.edits, unshare=unshare)
    changes = tuple(
        Change(path, "add" if before is None else "replace", before, after, merged.key_line(path))
        for path, before, after in plan.changes
    )
    found = dict.fromkeys(  # not a set: the order of those at one place would differ from run to run
        (*merge_warnings(document), *plan.warnings, *_left(document, merged), *_managed(merged, changes))
    )
    warnings = sorted(found, key=lambda problem: (problem.line, problem.column))
    proof = prove(document, merged)
    return MergeResult(document, merged, changes, tuple(plan.conflicts), tuple(warnings), proof, undecided)


def _is_open(on_conflict: str | None, conflicts: list[Conflict]) -> bool:
    return on_conflict is None and any(conflict.kind != "count" for conflict in conflicts)


def near_misses(document: PolicyDocument) -> list[tuple[Path, str]]:
    """Returns the keys on the way to the FUSE counts that are nearly the right ones, each with the right one.

    Only keys in place of a missing one count: beside the right one, such a key is another key.
    """
    found: dict[Path, str] = {}
    root = document.tree.root
    if isinstance(root, Mapping) and root.get("version") is None:
        found.update(_nearly(root, (), "version"))
    for path in PODMAN_FIELDS:
        node: Node | None = root
        written = Path()
        for name in (*path, "value", FUSE_RESOURCE):
            mapping = resolved(node) if node is not None else None
            if not isinstance(mapping, Mapping):
                break
            key, node = name, mapping.get(name)
            if node is None:
                node = inherited(mapping, name)
            if node is None:
                miss = _nearly(mapping, written, name)
                if not miss:
                    break
                found.update(miss)
                key = next(iter(miss))[-1]
                node = own_or_inherited(mapping)[key][1]
            written = (*written, key)
            if name == path[-1]:
                found.update(_nearly_policy(node, written))
    return list(found.items())


def _nearly_policy(field: Node, path: Path) -> dict[Path, str]:
    """Returns the key of a field that is nearly ``policy``: it is not on the way to the count, but needed as well."""
    mapping = resolved(field)
    if not isinstance(mapping, Mapping) or mapping.get("policy") is not None:
        return {}
    own = own_or_inherited(mapping)
    miss = next((key for key in own if key != "value" and near(key, ["policy"])), "")
    return {(*path, miss): "policy"} if miss and "policy" not in own else {}


@lru_cache(maxsize=16)
def _known(path: Path) -> tuple[str, ...]:
    return tuple(other[-1] for other in (*schema().fields, *schema().groups) if other[:-1] == path and other)


def _nearly(mapping: Mapping, path: Path, name: str) -> dict[Path, str]:
    """Returns the one key of a mapping that is nearly a name, and that name; nothing if there is none."""
    if name == FUSE_RESOURCE:
        like = fuse_like(mapping)
        return {(*path, like[1]): name} if like is not None else {}
    known = _known(path) or (name,)
    for key in own_or_inherited(mapping):
        if key not in known and key not in ("policy", "value", "version") and near(key, [*known, name]) == name:
            return {(*path, key): name}
    return {}


_NOT_REPORTED = ("fuse-missing", "fuse-misspelt", "fuse-of-another-plugin", "write-with-value")
"""What the merge fixes, what it reports as a conflict, and what it does by default."""


def _left(document: PolicyDocument, merged: PolicyDocument) -> Iterator[Problem]:
    """Yields the problems of the two fields that remain after the merge, at their places in the original file."""
    found = [problem for problem in podman_problems(document) if problem.id not in _NOT_REPORTED]
    if found:
        stays = {(problem.id, problem.path, problem.message) for problem in podman_problems(merged)}
        yield from (problem for problem in found if (problem.id, problem.path, problem.message) in stays)


def _managed(merged: PolicyDocument, changes: tuple[Change, ...]) -> Iterator[Problem]:
    """Yields a warning for each change inside a block that another tool manages, at its place in the merged file."""
    if "MANAGED BLOCK" not in merged.text:
        return
    lines = [0, *(match.end() for match in re.finditer("\n", merged.text))]
    for change in changes:
        if change.line and managed_end(merged.text, lines[change.line - 1]) is not None:
            what = "This is inside a block that another tool manages (Ansible), which can remove it at its next run."
            yield Problem("warning", "managed-block", change.line, 1, change.path, what, "Change it in that tool, too.")


class _Plan:
    """What a merge will change in a document."""

    def __init__(
        self, document: PolicyDocument, mode: str | None, count: str, on_conflict: str | None, left: set[Path]
    ) -> None:
        self.document = document
        self.mode = mode
        self.count = count
        self.on_conflict = on_conflict
        self.left = left
        """Paths of which there is nearly the same, which is kept, so that nothing is added beside it."""
        self.edits: list[Set] = []
        self.changes: list[tuple[Path, Any, Any]] = []
        """Path, earlier data (None for nothing), and new data."""
        self.conflicts: list[Conflict] = []
        self.warnings: list[Problem] = []

    def make(self) -> None:
        version = lookup(self.document, ("version",))
        if _is_nothing(version) and ("version",) not in self.left:
            self.edits.append(Set(("version",), VERSION, first=True))
            self.changes.append((("version",), None, VERSION))
        elif version is not None:
            self._touch(version, ("version",))
            self._other_version(version)
        counts = {path: self._count(path) for path in PODMAN_FIELDS}
        kept = self.count if self.on_conflict == "replace" else count_to_add(counts.values(), self.count)
        for path, count in counts.items():
            if any((*path, "value", FUSE_RESOURCE)[: len(left)] == left for left in self.left):
                continue
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
                    f"The version is not {VERSION}, the only one that Coder 1.19 and later support.",
                    "The merge does not change it.",
                )
            )

    def _count(self, path: Path) -> str | None:
        """Returns the count of a field; None if it has none, "" for a list or a mapping, which is no count."""
        self._mapping(path)
        self._mapping((*path, "value"))
        here = (*path, "value", FUSE_RESOURCE)
        node = lookup(self.document, here)
        if node is None or _is_nothing(node):
            return None
        self._touch(node, here)
        return quantity(node) or ""

    def _mapping(self, path: Path) -> None:
        node = lookup(self.document, path)
        if node is not None and resolved(node).tag == f"{TAG}set":
            raise self.document.refusal(
                node, f"{show_path(path)} is a set, but must be a mapping.", "Remove the tag, then merge again."
            )
        if not _is_nothing(node) and node is not None and not isinstance(resolved(node), Mapping):
            kind = "a single value" if isinstance(resolved(node), Scalar) else "a list"
            raise self.document.refusal(
                node,
                f"{show_path(path)} is {kind}, but must be a mapping.",
                "Correct it, or remove the key; then merge again.",
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
        if self.mode is not None and old != self.mode and (*path, "policy") not in self.left:
            self.edits.append(Set((*path, "policy"), self.mode))
            self.changes.append(((*path, "policy"), old, self.mode))
        here = (*path, "value", FUSE_RESOURCE)
        if count is None:
            self.edits.append(Set(here, wanted))
            self.changes.append((here, None, wanted))
        elif not same_amount(count, wanted):
            found = lookup(self.document, here)
            assert found is not None
            replaced = self.on_conflict == "replace"
            inside = range(found.start, found.end) if isinstance(found, Collection) else ()
            if replaced and any(comment in inside for comment in self.document.tree.comments):
                raise self.document.refusal(
                    found, f"{show_path(here)} is a list or a mapping with comments, which would be lost.", 'Write "1".'
                )
            # What a tag of the site stands for (!env COUNT) is not known here.
            kind = "count" if gives_devices(count) or (resolved(found).tag or "").startswith("!") else "none"
            line = self.document.line(found)
            self.conflicts.append(Conflict(here, data_of(found), wanted, line, not replaced, kind))
            if replaced:
                self.edits.append(Set(here, wanted))
                self.changes.append((here, data_of(found), wanted))

    def _touch(self, node: Node, path: Path) -> None:
        """Adds a warning for a scalar that the merge reads and that the two versions of YAML read differently."""
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
                    "Put it in quotes, or write it in an unambiguous form (true, 10).",
                )
            )


def _is_nothing(node: Node | None) -> bool:
    if node is None:
        return True
    target = resolved(node)
    return isinstance(target, Scalar) and target.is_null
