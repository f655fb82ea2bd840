"""The fields of a policy where they stand in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wizard.escaping import printable
from wizard.policy.document import PolicyDocument
from wizard.policy.readings import is_merge_key, merge_sources, readings
from wizard.policy.schema import Field, schema
from wizard.policy.tree import Collection, Mapping, Node, Scalar, key_text, resolved
from wizard.policy.writing import Manner, inline

Path = tuple[str, ...]

FUSE_RESOURCE = "smarter-devices/fuse"
"""The extended resource under which smarter-device-manager offers /dev/fuse."""
KUBERNETES: Path = ("workspace", "specs", "kubernetes")
PODMAN_FIELDS: tuple[Path, Path] = ((*KUBERNETES, "resource-requests"), (*KUBERNETES, "resource-limits"))
"""The fields in which every workspace asks for a FUSE device."""

WHOLE_NUMBER = re.compile(r"[1-9][0-9]*")
"""A count of devices of which a workspace gets at least one."""

_COUNT = re.compile(r"[0-9]+[a-zA-Z]*")
_LONGEST_SUMMARY = 60


@dataclass(frozen=True)
class Entry:
    """A field where it stands in the file."""

    path: Path
    key: Node
    node: Node
    field: Field | None

    def part(self, name: str) -> Node | None:
        """What the field has under ``policy`` or ``value``."""
        mapping = resolved(self.node)
        return own_or_inherited(mapping).get(name, (None, None))[1] if isinstance(mapping, Mapping) else None

    @property
    def word(self) -> str | None:
        node = self.part("policy")
        target = resolved(node) if node is not None else None
        return target.value if isinstance(target, Scalar) and not target.is_null else None


def own_or_inherited(mapping: Mapping) -> dict[str, tuple[Node, Node]]:
    """Keys and values by the key's text, those of merge keys included where the mapping has no own."""
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
    """Every field of the file, in its order; mappings that are no group of the schema are fields."""
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
        elif here not in known.fields and path and isinstance(target, Mapping) and _holds_fields(target):
            yield from _entries(target, here)
        else:
            yield Entry(here, key, value, known.fields.get(here))


def _holds_fields(mapping: Mapping) -> bool:
    """Whether an unknown mapping is a group: none of its own is a policy word or a value, but that of one in it is."""
    if mapping.get("policy") is not None or mapping.get("value") is not None:
        return False
    children = [resolved(value) for _, value in mapping.pairs]
    return any(isinstance(child, Mapping) and child.get("policy") is not None for child in children)


def quantity(node: Node) -> str | None:
    """A resource's count as text, "1" for 1 and "1" alike; None where it is not a single value."""
    target = resolved(node)
    if not isinstance(target, Scalar) or target.is_null:
        return None
    data = readings(target)[0]
    return str(data.value) if data.kind == "int" else target.value


def count_to_add(counts: Iterable[str | None], wanted: str) -> str:
    """What a field without a count of devices gets: the count of the other one, where that has one."""
    return next((count for count in counts if count is not None and _COUNT.fullmatch(count)), wanted)


def summary(value: Node) -> str:
    """A value in one short line, safe to show."""
    target = resolved(value)
    if isinstance(target, Collection) and len(target.children) > 20:
        number = len(target.children) // (2 if isinstance(target, Mapping) else 1)
        return f"{number} entries"
    shown = printable(inline(target, Manner()))
    return shown if len(shown) <= _LONGEST_SUMMARY else shown[: _LONGEST_SUMMARY - 3] + "..."
