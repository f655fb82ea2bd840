"""The effect of a policy on users who define workspaces, before and after an edit."""

from __future__ import annotations

from dataclasses import dataclass

from wizard.names import FUSE_RESOURCE
from wizard.policy.checks import podman_problems
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import (
    PODMAN_FIELDS,
    Entry,
    Path,
    entries,
    fuse_like,
    is_whole,
    own_or_inherited,
    quantity,
    same_amount,
    summary,
)
from wizard.policy.schema import DEFAULT_WORD, Field, schema
from wizard.policy.tree import Mapping, resolved
from wizard.policy.words import WORDS
from wizard.text.escaping import printable

MAY = {"read": "cannot change", "append": "can add", "write": "can replace"}
"""What a workspace can do with a field, by its field policy."""

UNKNOWN = "unknown"
"""The same for a field policy that is none of these."""


@dataclass(frozen=True)
class EffectiveRow:
    """One field: ``before`` and ``after`` are values of ``MAY``, or ``UNKNOWN``.

    ``value_before`` and ``value_after`` are the values that the policy sets, in one line, "" for none.
    ``assumed`` is set if the newer policy does not set the field policy: according to Coder's documentation, it
    is then ``read``.
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
    """Whether every workspace is guaranteed a FUSE device, and the reasons, one sentence each."""

    sure: bool
    reasons: tuple[str, ...]


def effective_view(before: PolicyDocument, after: PolicyDocument) -> tuple[EffectiveRow, ...]:
    """Returns all fields of the schema and of both versions: those of the newer file first, in its order."""
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
                MAY.get(_word(one, field), UNKNOWN),
                MAY.get(_word(other, field), UNKNOWN),
                _value(one),
                _value(other),
                other is None or other.word is None,
            )
        )
    return tuple(rows)


def _word(entry: Entry | None, field: Field | None) -> str:
    """Returns the field policy that takes effect; it can be a word that Coder does not know."""
    word = (entry.word if entry is not None else None) or DEFAULT_WORD
    return "read" if word == "append" and field is not None and not field.can_be_appended else word


def _value(entry: Entry | None) -> str:
    node = entry.part("value") if entry is not None else None
    return summary(node) if node is not None else ""


def fuse_guarantee(document: PolicyDocument) -> FuseGuarantee:
    """Checks whether the policy guarantees that each workspace requests FUSE.

    That ``append`` keeps the key follows from Coder's documentation of mappings, which does not name resources.
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
        word = _word(entry, None)
        like = fuse_like(mapping) if isinstance(mapping, Mapping) else None
        if not is_whole(count):
            sure = False
            instead = f" It requests {printable(like[1])} instead." if like is not None else ""
            reasons.append(f"{name} does not request {FUSE_RESOURCE}.{instead}")
        elif word not in WORDS:
            sure = False
            reasons.append(f"{name} requests it, but Coder does not know its field policy.")
        elif word == "read":
            reasons.append(f"{name} requests it, and workspaces cannot change that.")
        elif word == "append":
            reasons.append(f"{name} requests it, and workspaces can only add other resources.")
        else:
            sure = False
            reasons.append(f"{name} requests it, but workspaces can replace the value and lose FUSE.")
    if None not in counts and not same_amount(*counts):
        sure = False
        reasons.append("The request and the limit differ, and Kubernetes rejects such pods.")
    rejected = next((one for one in podman_problems(document) if one.id in _REJECTED), None)
    if sure and rejected is not None:
        sure = False
        reasons.append(f"Kubernetes rejects the pods: {rejected.message}")
    return FuseGuarantee(sure, tuple(reasons))


_REJECTED = {"negative", "not-whole", "request-unlike-limit", "wrong-resource"}
"""The problems of the two fields with which Kubernetes rejects the pods, whatever they request of FUSE."""

_NO_FUSE = _REJECTED | {
    "fuse-missing",
    "fuse-misspelt",
    "fuse-of-another-plugin",
    "wrong-shape",
    "wrong-word",
}
"""The problems of the two fields with which workspaces get no FUSE device, or do not start."""


def outcome_in_words(document: PolicyDocument) -> str:
    """Returns a sentence that states what workspaces get if the policy is in force."""
    if fuse_guarantee(document).sure:
        return "With it, every workspace gets a FUSE device."
    ids = {problem.id for problem in podman_problems(document)}
    if not ids & _NO_FUSE:
        return "With it, every workspace gets a FUSE device, unless its template replaces the value."
    return "With it, workspaces do not get a FUSE device. To see why, run podman-wizard policy check."
