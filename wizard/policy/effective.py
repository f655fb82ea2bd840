"""What a policy means for the author of a workspace, before and after an edit."""

from __future__ import annotations

from dataclasses import dataclass

from wizard.policy.checks import podman_problems
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import (
    FUSE_RESOURCE,
    PODMAN_FIELDS,
    WHOLE_NUMBER,
    Entry,
    Path,
    entries,
    own_or_inherited,
    quantity,
    summary,
)
from wizard.policy.schema import DEFAULT_WORD, Field, schema
from wizard.policy.tree import Mapping, resolved
from wizard.policy.words import WORDS

MAY = {"read": "may not", "append": "may add", "write": "may replace"}
"""What the author of a workspace may do to a field, by its policy word."""


@dataclass(frozen=True)
class EffectiveRow:
    """One field: ``before`` and ``after`` are values of ``MAY``, ``unknown`` for a word that is none of them.

    ``value_before`` and ``value_after`` are the values that the policy gives, in one line, "" for none.
    ``assumed`` tells that the word afterwards is not written: Coder's documentation says that it is then
    ``read``.
    """

    path: Path
    before: str
    after: str
    value_before: str
    value_after: str
    assumed: bool

    @property
    def name(self) -> str:
        return show_path(self.path)

    @property
    def changed(self) -> bool:
        return (self.before, self.value_before) != (self.after, self.value_after)


@dataclass(frozen=True)
class FuseGuarantee:
    """Whether every workspace is sure to get a FUSE device, and the reasons, a sentence each."""

    sure: bool
    reasons: tuple[str, ...]


def effective_view(before: PolicyDocument, after: PolicyDocument) -> tuple[EffectiveRow, ...]:
    """All fields of the schema and of both versions: those of the newer file first, in its order."""
    old = {entry.path: entry for entry in entries(before)}
    new = {entry.path: entry for entry in entries(after)}
    known = schema().fields
    rows = []
    for path in dict.fromkeys([*new, *old, *known]):
        field = known.get(path)
        one, other = old.get(path), new.get(path)
        rows.append(
            EffectiveRow(
                path,
                _may(one, field),
                _may(other, field),
                _value(one),
                _value(other),
                other is None or other.word is None,
            )
        )
    return tuple(rows)


def _may(entry: Entry | None, field: Field | None) -> str:
    word = (entry.word if entry is not None else None) or DEFAULT_WORD
    if word not in WORDS:
        return "unknown"
    if word == "append" and field is not None and not field.can_be_appended:
        return MAY["read"]
    return MAY[word]


def _value(entry: Entry | None) -> str:
    node = entry.part("value") if entry is not None else None
    return summary(node) if node is not None else ""


def fuse_guarantee(document: PolicyDocument) -> FuseGuarantee:
    """Whether the policy makes sure that each workspace asks for FUSE.

    That ``append`` keeps the key is what Coder's documentation says of mappings; it names no resources.
    """
    found = {entry.path: entry for entry in entries(document)}
    reasons = []
    sure = True
    counts = []
    for path in PODMAN_FIELDS:
        name = show_path(path)
        entry = found.get(path)
        value = entry.part("value") if entry is not None else None
        mapping = resolved(value) if value is not None else None
        pair = own_or_inherited(mapping).get(FUSE_RESOURCE) if isinstance(mapping, Mapping) else None
        count = quantity(pair[1]) if pair is not None else None
        counts.append(count)
        may = _may(entry, None)
        if count is None or not WHOLE_NUMBER.fullmatch(count):
            sure = False
            reasons.append(f"{name} does not ask for {FUSE_RESOURCE}.")
        elif may not in MAY.values():
            sure = False
            reasons.append(f"{name} asks for it, but its policy word is none that Coder knows.")
        elif may == MAY["read"]:
            reasons.append(f"{name} asks for it, and workspaces may not change that.")
        elif may == MAY["append"]:
            reasons.append(f"{name} asks for it; workspaces may add to that, not take away.")
        else:
            sure = False
            reasons.append(f"{name} asks for it, but workspaces may replace that and drop FUSE.")
    if None not in counts and counts[0] != counts[1]:
        sure = False
        reasons.append("The request and the limit differ, and Kubernetes refuses such pods.")
    return FuseGuarantee(sure, tuple(reasons))


def outcome_in_words(document: PolicyDocument) -> str:
    """What workspaces get by a policy that is put into force, as a sentence."""
    if fuse_guarantee(document).sure:
        return "With it, every workspace gets a FUSE device."
    ids = {problem.id for problem in podman_problems(document)}
    if not ids & {"fuse-missing", "wrong-shape", "wrong-word", "request-unlike-limit"}:
        return "With it, every workspace gets a FUSE device, unless its template replaces what is asked for."
    return "It does not get workspaces a FUSE device as it is: podman-wizard policy check says why."
