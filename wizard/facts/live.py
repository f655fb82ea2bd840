"""A live object and who owns its fields: what is ours, what we take over without asking, and what is others'."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wizard.facts.field_sets import Fields, difference, union
from wizard.facts.objects import SERVER_METADATA, KubernetesObject, ObjectRef
from wizard.names import FIELD_MANAGER, NUDGE_ANNOTATION, TAKEN_OVER_ANNOTATION

CLIENT_SIDE_APPLY: Final = "kubectl-client-side-apply"
"""The manager of ``kubectl apply`` without ``--server-side`` (kubectl, pkg/cmd/apply)."""

TAKEN_OVER_AT: Final = "1970-01-01T00:00:00Z"
"""The time of our entry between the two requests of a take-over; the apply that follows replaces it (measured on
1.36.2). No time would not tell: an apply that changes nothing has none either."""

_NOTES: Final = (f"f:{NUDGE_ANNOTATION}", f"f:{TAKEN_OVER_ANNOTATION}")
"""What the wizard notes on an object beside its applies: the wake-up of the controller (wizard.engine.rollout), and
that the object was taken over. No apply has these fields, so none may adopt and then remove them."""


@dataclass(frozen=True)
class Live:
    """One live object.

    ``ours`` are the fields that an apply of ours set. ``adopted`` are the fields that we take over without asking:
    those of ``kubectl apply``, of an update of ours, and of a take-over that was interrupted (an entry of ours
    with the time TAKEN_OVER_AT). ``others`` has the fields of everyone else by manager. Two objects with the same
    ``key`` differ at most in what a controller wrote to a subresource.
    """

    object: KubernetesObject
    ours: Fields = field(default_factory=dict)
    adopted: Fields = field(default_factory=dict)
    others: Mapping[str, Fields] = field(default_factory=dict)
    key: str = ""

    @classmethod
    def of(cls, item: KubernetesObject, *, keeper: str = "") -> Live:
        """Returns the live object; ``keeper`` names a GitOps tool that keeps it, and then nothing is adopted."""
        ours: Fields = {}
        adopted: Fields = {}
        others: dict[str, Fields] = {}
        for entry in entries_of(item):
            fields, manager = entry.get("fieldsV1") or {}, str(entry.get("manager"))
            if is_adopted(entry) and not keeper:
                adopted = union(adopted, adopted_fields_of(entry))
            elif manager == FIELD_MANAGER and entry.get("operation") == "Apply":
                ours = union(ours, fields)
            elif manager != FIELD_MANAGER:
                others[manager] = union(others.get(manager, {}), fields)
        return cls(item, ours, adopted, others, content_key(item))

    @property
    def ref(self) -> ObjectRef:
        """What it is called."""
        return ObjectRef.of(self.object)

    @property
    def version(self) -> str:
        """Its resource version."""
        return str(self.object["metadata"].get("resourceVersion") or "")

    @property
    def is_ours(self) -> bool:
        """Tells whether an apply of ours was ever made on it."""
        return bool(self.ours)


def entries_of(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the managed fields' entries of those who wrote the object itself, not a subresource."""
    for entry in item.get("metadata", {}).get("managedFields") or ():
        if not entry.get("subresource"):
            yield entry


def is_adopted(entry: Mapping[str, Any]) -> bool:
    """Tells whether an entry's fields are taken over without asking."""
    manager, operation = entry.get("manager"), entry.get("operation")
    if manager == CLIENT_SIDE_APPLY:
        return operation == "Update"
    if manager != FIELD_MANAGER:
        return False
    if operation == "Apply":
        return entry.get("time") == TAKEN_OVER_AT
    return bool(adopted_fields_of(entry))


def adopted_fields_of(entry: Mapping[str, Any]) -> Fields:
    """Returns the fields of an entry that we take over: all but what the wizard notes in annotations."""
    fields: Fields = entry.get("fieldsV1") or {}
    annotations = fields.get("f:metadata", {}).get("f:annotations", {})
    notes: Fields = {name: {} for name in _NOTES if name in annotations}
    if not notes:
        return fields
    alone = annotations.keys() <= {".", *notes}
    return difference(fields, {"f:metadata": {"f:annotations": {**notes, **({".": {}} if alone else {})}}})


def content_key(item: KubernetesObject) -> str:
    """Returns a digest of an object's content and of who owns it, without status and what only the server writes."""
    kept = SERVER_METADATA - {"deletionTimestamp"}
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in kept}
    content = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    owners = [{key: entry.get(key) for key in ("manager", "operation", "fieldsV1")} for entry in entries_of(item)]
    text = json.dumps([metadata, content, owners], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def migrated_entries(item: KubernetesObject, left: Fields) -> Sequence[Mapping[str, Any]]:
    """Returns managed fields in which the adopted fields, but for ``left``, belong to our apply.

    As client-go's csaupgrade does it, with two differences: fields in ``left`` stay with their manager, and our entry
    has the time TAKEN_OVER_AT, by which a take-over that was interrupted is recognized.
    """
    moved: Fields = {}
    kept: list[Mapping[str, Any]] = []
    ours: Mapping[str, Any] = {}
    for entry in item["metadata"].get("managedFields") or ():
        if entry.get("subresource") or not is_adopted(entry):
            if (entry.get("manager"), entry.get("operation"), entry.get("subresource")) == (
                FIELD_MANAGER,
                "Apply",
                None,
            ):
                ours = entry
            else:
                kept.append(entry)
            continue
        fields = adopted_fields_of(entry)
        moved = union(moved, difference(fields, left))
        rest = difference(dict(entry.get("fieldsV1") or {}), difference(fields, left))
        if rest:
            kept.append({**entry, "fieldsV1": rest})
    fresh = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": item["apiVersion"],
        "time": TAKEN_OVER_AT,
        "fieldsType": "FieldsV1",
        "fieldsV1": union(ours.get("fieldsV1") or {}, moved),
    }
    return [fresh, *kept]
