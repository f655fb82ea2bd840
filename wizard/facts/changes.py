"""What an action changes, field by field; the only comparison of two versions of an object.

The screens, the commands, and the journal show and keep these changes. Paths are those of wizard.facts.objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wizard.facts.differences import NOISY_ANNOTATIONS, owners
from wizard.facts.objects import SERVER_METADATA, Json, KubernetesObject, ObjectRef, leaves, same_value

NOISE: Final = tuple(f".metadata.annotations.{name}" for name in NOISY_ANNOTATIONS)
"""Paths that tools keep for themselves: a change there is listed in JSON, and is not counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field: its value before and after (None: not set).

    ``object`` is None for a file; then ``path`` is "" and ``after`` has the unified diff. ``owners`` are the managers
    that own the field now, ``by`` is what asks for the change ("guide", an adjustment's ID, "label", "take-over").
    ``noise`` marks what tools keep for themselves.
    """

    object: ObjectRef | None
    path: str
    before: Json = None
    after: Json = None
    owners: tuple[str, ...] = ()
    by: str = ""
    noise: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the change as every document of JSON has it."""
        return {
            "object": self.object.title if self.object else "",
            "path": self.path,
            "before": self.before,
            "after": self.after,
            "owners": list(self.owners),
            "by": self.by,
            "noise": self.noise,
        }


def counts(changes: Iterable[Change]) -> bool:
    """Tells whether anything changes but noise."""
    return any(not change.noise for change in changes)


def changes_between(
    ref: ObjectRef,
    before: KubernetesObject | None,
    after: KubernetesObject | None,
    *,
    by: Callable[[ObjectRef, str], str] = lambda ref, path: "",
) -> tuple[Change, ...]:
    """Returns the fields that differ between two versions of an object, in the order of ``after``.

    None stands for an object that does not exist. Status and what only the server writes are left out. Both versions
    should have the server's defaults: the live object and the answer of a dry run.
    """
    old, new = _values(before), _values(after)
    managers = _managers(before)
    found = []
    for path in dict.fromkeys([*new, *old]):
        if not same_value(path, old.get(path), new.get(path)):
            noise = path.startswith(NOISE)
            cause = "" if noise else by(ref, path)
            found.append(Change(ref, path, old.get(path), new.get(path), _owners(managers, path), cause, noise))
    return tuple(found)


def changes_of_set_fields(
    ref: ObjectRef,
    live: KubernetesObject | None,
    wanted: KubernetesObject,
    *,
    by: Callable[[ObjectRef, str], str] = lambda ref, path: "",
) -> tuple[Change, ...]:
    """Returns what applying ``wanted`` would set, before the server was asked: only fields that ``wanted`` has.

    What it would remove, and what the server adds, is unknown at that stage.
    """
    old, new = _values(live), _values(wanted)
    managers = _managers(live)
    return tuple(
        Change(ref, path, old.get(path), value, _owners(managers, path), by(ref, path))
        for path, value in new.items()
        if not same_value(path, old.get(path), value)
    )


def _values(item: KubernetesObject | None) -> dict[str, Json]:
    if item is None:
        return {}
    content = {key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind", "metadata")}
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in SERVER_METADATA}
    # An empty map or list is the same as none: the server drops most of them, and adds others as defaults.
    return {path: value for path, value in leaves({"metadata": metadata, **content}) if value not in ({}, [], None)}


def _managers(item: KubernetesObject | None) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for owner in owners(item) if item else ():
        found[owner.path] = (*found.get(owner.path, ()), owner.manager)
    return found


def _owners(managers: Mapping[str, tuple[str, ...]], path: str) -> tuple[str, ...]:
    """Returns the managers of a field; a field in a map or list that is owned as a whole has those of the whole."""
    if path in managers:
        return managers[path]
    whole = (names for owned, names in managers.items() if path.startswith((f"{owned}.", f"{owned}[")))
    return next(whole, ())
