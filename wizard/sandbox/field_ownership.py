"""Field ownership: server-side apply, and the effect of every other write on ownership.

A set of fields is kept as the API shows it (``FieldsV1``): a tree of ``f:<field>``, ``k:<keys>`` and ``v:<value>``,
in which ``{}`` is a member without members below it and ``"."`` marks a member that has some. The rules are those of
Kubernetes' structured merge and diff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wizard.facts.field_sets import Fields, difference, intersection, is_member, overlap, paths, union
from wizard.sandbox.schema import ListOf, Scalar, Struct, Type, child, item_key

Object = dict[str, Any]


# --- sets of fields -------------------------------------------------------------------------------------------------


def fields_of(value: Any, of: Type) -> Fields:
    """Returns the set of fields that an apply configuration claims."""
    if isinstance(of, ListOf):
        if of.sharing == "atomic":
            return {}
        return {item_key(of, item): {**_dotted(fields_of(item, of.item))} for item in value or []}
    if isinstance(of, Scalar) or of.atomic or not isinstance(value, dict):
        return {}
    result: Fields = {}
    for name, item in value.items():
        kind = child(of, name)
        below = fields_of(item, kind)
        # a list or map without members is no claim, but an empty map or a null is one
        if below or _owned_whole(kind) or item is None or item == {}:
            result["f:" + name] = below
    return result


def _dotted(below: Fields) -> Fields:
    return {".": {}, **below} if below else {}


def _owned_whole(of: Type) -> bool:
    return isinstance(of, Scalar) or (of.sharing == "atomic" if isinstance(of, ListOf) else of.atomic)


# --- what a write changed -------------------------------------------------------------------------------------------


@dataclass
class Changes:
    """The fields that differ between two versions of an object."""

    added: Fields = field(default_factory=dict)
    modified: Fields = field(default_factory=dict)
    removed: Fields = field(default_factory=dict)

    @property
    def touched(self) -> Fields:
        """Fields with a changed value."""
        return union(self.modified, self.added)

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.removed)


_MISSING: Any = object()


def changes(old: Object, new: Object, of: Type) -> Changes:
    """Returns what a write changed. Parts that both versions share by identity are skipped."""
    result = Changes()
    _compare(old, new, of, (), result)
    return result


def _compare(old: Any, new: Any, of: Type, path: tuple[str, ...], out: Changes) -> None:
    if old is new:
        return
    if _owned_whole(of):
        if old is _MISSING:
            _add(out.added, path)
        elif new is _MISSING:
            _add(out.removed, path)
        elif old != new:
            _add(out.modified, path)
        return
    before, after = _children(old, of), _children(new, of)
    for name in [*before, *(name for name in after if name not in before)]:
        value, other = before.get(name, _MISSING), after.get(name, _MISSING)
        if value is not other:
            key, kind = (name, of.item) if isinstance(of, ListOf) else ("f:" + name, child(of, name))
            _compare(value, other, kind, (*path, key), out)
    if old is _MISSING:
        _add(out.added, path)
    elif new is _MISSING:
        _add(out.removed, path)


def _children(value: Any, of: Type) -> Mapping[str, Any]:
    """The values of a map by name, the items of a list by key."""
    if value is _MISSING or value is None:
        return {}
    if isinstance(of, ListOf):
        return {item_key(of, item): item for item in value}
    found: Mapping[str, Any] = value
    return found


def _add(fields: Fields, path: tuple[str, ...]) -> None:
    """Make the field at ``path`` a member."""
    node = fields
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        if key in node:
            below = node[key]
            if last and below:
                below["."] = {}
            elif not last and not below:
                below["."] = {}  # it was a member without members below
        else:
            below = node[key] = {}
        node = below


# --- merging and taking away ----------------------------------------------------------------------------------------


def merged(live: Any, config: Any, of: Type) -> Any:
    """Returns the live value merged with an apply configuration."""
    if _owned_whole(of) or live is None or config is None:
        return config
    if isinstance(of, ListOf):
        return _merged_list(live, config, of)
    result = dict(live)
    for name, item in config.items():
        result[name] = merged(result.get(name), item, child(of, name))
    return result


def _merged_list(live: list[Any], config: list[Any], of: ListOf) -> list[Any]:
    old = {item_key(of, item): item for item in live}
    new = {item_key(of, item): item for item in config}
    result: list[Any] = []
    waiting = list(old)
    for key, item in new.items():
        while waiting and waiting[0] not in new:  # what only the live list has comes before what is new
            result.append(old[waiting.pop(0)])
        result.append(merged(old.get(key), item, of.item))
        if key in old:
            waiting.remove(key)
    return result + [old[key] for key in waiting]


def without(value: Any, of: Type, fields: Fields) -> Any:
    """Returns the value without the fields of a set and everything below them."""
    if _owned_whole(of) or value is None:
        return value
    if isinstance(of, ListOf):
        kept = []
        for item in value:
            node = fields.get(item_key(of, item))
            if node is None:
                kept.append(item)
            elif not is_member(node):
                kept.append(without(item, of.item, node))
        return kept
    result = {}
    for name, item in value.items():
        node = fields.get("f:" + name)
        if node is None:
            result[name] = item
        elif not is_member(node):
            left = without(item, child(of, name), node)
            if left or item == left:  # a list or map that lost its last member goes with it
                result[name] = left
    return result


def with_named_fields(fields: Fields, of: Type) -> Fields:
    """Returns the set plus each struct field with a member below it, but without the free keys of maps."""
    result: Fields = {}
    for key, node in fields.items():
        if key == ".":
            result["."] = {}
            continue
        kind = of.item if isinstance(of, ListOf) else child(of, key[2:])
        below = with_named_fields(node, kind)
        named = isinstance(of, Struct) and key[2:] in of.fields
        result[key] = {".": {}, **below} if below and named else below
    return result


# --- managers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manager:
    """Who writes, and how: these four values identify an entry of ``metadata.managedFields``."""

    name: str
    operation: str
    """``Apply`` or ``Update``."""
    api_version: str
    subresource: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        # an applier keeps its entry when it uses another version of the API
        version = "" if self.operation == "Apply" else self.api_version
        return (self.name, self.operation, version, self.subresource)

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True)
class Owned:
    """The fields of one manager, and since when."""

    manager: Manager
    fields: Fields
    time: str
    """"" if the entry has none: an apply that changes nothing sets none, and a patch can leave it out."""


Ownership = dict[tuple[str, ...], Owned]


@dataclass(frozen=True)
class Conflict:
    """A field that an apply would change and another manager owns."""

    manager: Manager
    path: str


class ApplyConflict(Exception):
    """An apply without force conflicts with other managers."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts


def ownership(obj: Object) -> Ownership:
    """Returns ``metadata.managedFields`` by manager."""
    result: Ownership = {}
    for entry in obj.get("metadata", {}).get("managedFields", ()):
        manager = Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        result[manager.key] = Owned(manager, entry.get("fieldsV1", {}), entry.get("time", ""))
    return result


def entries(owned: Ownership) -> list[Object]:
    """Returns ``metadata.managedFields`` in the order of the server."""

    def order(item: Owned) -> tuple[str, ...]:
        who = item.manager
        return (who.operation, item.time, who.name, who.api_version, who.subresource)

    result = []
    for item in sorted((one for one in owned.values() if one.fields), key=order):
        entry = {
            "manager": item.manager.name,
            "operation": item.manager.operation,
            "apiVersion": item.manager.api_version,
            **({"time": item.time} if item.time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": item.fields,
        }
        if item.manager.subresource:
            entry["subresource"] = item.manager.subresource
        result.append(entry)
    return result


UNOWNED_METADATA = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
]


def ownable(obj: Object, *, subresource: str = "") -> Object:
    """Returns the part of an object that managers own when they write through a (sub)resource."""
    kept = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}
    kept.pop("spec" if subresource == "status" else "status", None)
    metadata = obj.get("metadata", {})
    kept["metadata"] = {name: value for name, value in metadata.items() if name not in UNOWNED_METADATA}
    return kept


def _others_lose(owned: Ownership, writer: Manager, changed: Changes) -> Ownership:
    lost = union(changed.touched, changed.removed)
    if not lost:
        return dict(owned)
    result: Ownership = {}
    for key, item in owned.items():
        if key == writer.key or not overlap(item.fields, lost):
            result[key] = item
        elif left := difference(item.fields, lost):
            result[key] = Owned(item.manager, left, item.time)
    return result


def updated(old: Object, new: Object, of: Type, writer: Manager, now: str) -> list[Object]:
    """Returns ``managedFields`` after a create, replace, or patch by ``writer``."""
    # most writes keep the identity of spec and status, so comparing them is cheap
    changed = changes(ownable(old, subresource=writer.subresource), ownable(new, subresource=writer.subresource), of)
    owned = ownership(old)
    if not changed:
        return entries(owned)
    owned = _others_lose(owned, writer, changed)
    mine = owned.get(writer.key, Owned(writer, {}, now))
    touched = changed.touched
    fields = union(difference(mine.fields, changed.removed), touched)
    owned[writer.key] = Owned(writer, fields, now if touched else mine.time)
    return entries(owned)


def applied(live: Object, config: Object, of: Type, writer: Manager, now: str, *, force: bool) -> Object:
    """The live object after a server-side apply, ``managedFields`` included.

    Raises ApplyConflict where the apply would change fields that others own and ``force`` is not given.
    """
    subresource = writer.subresource
    owned = ownership(live)
    last = owned.get(writer.key)
    asked = ownable(config, subresource=subresource)
    if not asked["metadata"]:
        del asked["metadata"]  # a name alone claims nothing
    claim = fields_of(asked, of)
    result = merged(live, asked, of)
    owned[writer.key] = Owned(writer, claim, last.time if last else "")
    if last:
        everyone: Fields = {}
        for item in owned.values():
            everyone = union(everyone, item.fields)
        dropped = difference(with_named_fields(last.fields, of), with_named_fields(everyone, of))
        result = without(result, of, dropped)
    changed = changes(ownable(live, subresource=subresource), ownable(result, subresource=subresource), of)
    touched = changed.touched
    conflicts = [
        Conflict(item.manager, path)
        for key, item in sorted(owned.items())
        if key != writer.key
        for path in paths(intersection(item.fields, touched))
    ]
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    owned = _others_lose(owned, writer, changed)
    if changed:
        owned[writer.key] = Owned(writer, claim, now)
    return {**result, "metadata": {**result.get("metadata", {}), "managedFields": entries(owned)}}
