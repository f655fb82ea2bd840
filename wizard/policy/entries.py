"""The fields of a policy, at their places in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wizard.names import FUSE_RESOURCE
from wizard.policy.document import PolicyDocument
from wizard.policy.near import like_fuse, near
from wizard.policy.readings import is_merge_key, merge_sources, readings
from wizard.policy.schema import Field, schema
from wizard.policy.tree import Collection, Mapping, Node, Scalar, key_text, resolved
from wizard.policy.writing import Manner, inline
from wizard.text.escaping import printable

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from decimal import Decimal

Path = tuple[str, ...]

KUBERNETES: Path = ("workspace", "specs", "kubernetes")
PODMAN_FIELDS: tuple[Path, Path] = ((*KUBERNETES, "resource-requests"), (*KUBERNETES, "resource-limits"))
"""The fields in which every workspace requests a FUSE device."""

WHOLE_NUMBER = re.compile(r"[1-9][0-9]*")
"""A device count with which a workspace gets at least one device."""

_COUNT = re.compile(r"[0-9]+[a-zA-Z]*")
_LONGEST_SUMMARY = 60


@dataclass(frozen=True)
class Entry:
    """A field, at its place in the file."""

    path: Path
    key: Node
    node: Node
    field: Field | None

    def part(self, name: str) -> Node | None:
        """Returns the field's node under ``policy`` or ``value``."""
        mapping = resolved(self.node)
        return own_or_inherited(mapping).get(name, (None, None))[1] if isinstance(mapping, Mapping) else None

    @property
    def word(self) -> str | None:
        node = self.part("policy")
        target = resolved(node) if node is not None else None
        return target.value if isinstance(target, Scalar) and not target.is_null else None


def own_or_inherited(mapping: Mapping) -> dict[str, tuple[Node, Node]]:
    """Returns keys and values by the key's text, including those from merge keys that the mapping does not set."""
    own: dict[str, tuple[Node, Node]] = {}
    merged: dict[str, tuple[Node, Node]] = {}
    for key, value in mapping.pairs:
        if is_merge_key(key):
            for source in merge_sources(value):
                for name, pair in own_or_inherited(source).items():
                    merged.setdefault(name, pair)
        elif (name := key_text(key)) is not None:  # type: ignore[assignment]
            own[name] = (key, value)
    return {**own, **{name: pair for name, pair in merged.items() if name not in own}}


def entries(document: PolicyDocument) -> Iterator[Entry]:
    """Yields every field of the file in order; mappings that are not a group in the schema are fields."""
    root = document.tree.root
    if isinstance(root, Mapping):
        yield from _entries(root, ())


def _entries(mapping: Mapping, path: Path) -> Iterator[Entry]:
    known = schema()
    for name, (key, value) in own_or_inherited(mapping).items():
        here = (*path, name)
        target = resolved(value)
        if here == ("version",):
            continue
        if here in known.groups and isinstance(target, Mapping):
            yield from _entries(target, here)
        elif here in known.groups and isinstance(target, Scalar) and target.is_null:
            continue
        elif here in known.fields or not path or not isinstance(target, Mapping) or not _holds_fields(target):
            yield Entry(here, key, value, known.fields.get(here))
        elif any(meant in known.groups for meant in meant_paths(here, target)):
            yield Entry(here, key, value, None)  # one finding about the group, not one for each of its fields
        else:
            yield from _entries(target, here)


def _holds_fields(mapping: Mapping) -> bool:
    """Whether an unknown mapping is a group: it has no field policy or value of its own, but a mapping in it has."""
    if mapping.get("policy") is not None or mapping.get("value") is not None:
        return False
    children = [resolved(value) for _, value in mapping.pairs]
    return any(isinstance(child, Mapping) and child.get("policy") is not None for child in children)


def meant_paths(path: Path, node: Node | None = None) -> tuple[Path, ...]:
    """Returns the fields and groups that were probably meant by an unknown one; () if none is near.

    It is one at the same place with a similar name or with the same fields in it, or else all of that name at
    other places.
    """
    known = [*schema().fields, *schema().groups, ("version",)]
    beside = {other[-1]: other for other in known if len(other) == len(path) and other[:-1] == path[:-1]}
    name = near(path[-1], beside)
    if name:
        return (beside[name],)
    target = resolved(node) if node is not None else None
    inside = {key_text(key) for key in target.children[::2]} if isinstance(target, Mapping) else set()
    alike = [group for group in beside.values() if inside & {other[-1] for other in known if other[:-1] == group}]
    if len(alike) == 1:
        return (alike[0],)
    return tuple(other for other in known if other and other[-1] == path[-1] and other != path)


def fuse_like(mapping: Mapping | None) -> tuple[Node, str, str] | None:
    """Returns the key of a resource that is nearly the FUSE resource, its name, and what ``like_fuse`` says of it.

    Returns None if the FUSE resource itself is there, or nothing like it.
    """
    own = own_or_inherited(mapping) if mapping is not None else {}
    if FUSE_RESOURCE in own:
        return None
    return next(((key, name, kind) for name, (key, _) in own.items() if (kind := like_fuse(name))), None)


def is_whole(amount: str | None) -> bool:
    """Whether a quantity is a whole number of at least 1."""
    if amount is None or WHOLE_NUMBER.fullmatch(amount):
        return amount is not None
    value = value_of(amount)
    return value is not None and value >= 1 and value == int(value)


def same_amount(one: str | None, other: str | None) -> bool:
    """Whether two quantities have the same value; texts that are no quantities are compared as texts."""
    if one == other or one is None or other is None:
        return one == other
    from wizard.quantities import equal  # not needed for most policies, and slow to import

    return equal(one, other)


def value_of(amount: str | None) -> Decimal | None:
    """Returns a quantity as a number; None if it is not one."""
    from wizard.quantities import QuantityError
    from wizard.quantities import amount as number

    try:
        return number(amount) if amount is not None else None
    except QuantityError:
        return None


def gives_devices(count: str | None) -> bool:
    """Whether a count of an extended resource gives a pod devices: Kubernetes takes only whole ones, above 0."""
    value = value_of(count)
    return value is not None and value >= 1 and value % 1 == 0


def quantity(node: Node) -> str | None:
    """Returns a resource's count as text, "1" for both 1 and "1"; None if it is not a single value."""
    target = resolved(node)
    if not isinstance(target, Scalar) or target.is_null:
        return None
    data = readings(target)[0]
    return str(data.value) if data.kind == "int" else target.value


def count_to_add(counts: Iterable[str | None], wanted: str) -> str:
    """Returns the device count for a field without one: the count of the other field if it has one."""
    return next((count for count in counts if count is not None and _COUNT.fullmatch(count)), wanted)


def summary(value: Node) -> str:
    """Returns a value as one short line that is safe to show."""
    target = resolved(value)
    if isinstance(target, Collection) and len(target.children) > 20:
        number = len(target.children) // (2 if isinstance(target, Mapping) else 1)
        return f"{number} entries"
    shown = printable(inline(target, Manner()))
    return shown if len(shown) <= _LONGEST_SUMMARY else shown[: _LONGEST_SUMMARY - 3] + "..."
