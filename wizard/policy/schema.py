"""The fields that a policy can have, read from ``assets/policies/schema.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import yaml

from wizard.policy.tree import LOADER
from wizard.resources import asset_bytes

FieldPath = tuple[str, ...]

DEFAULT_WORD = "read"
"""The field policy of a field that does not set one (Coder v1 documentation, workspace templates)."""

IN_WORDS = {
    "text": "text",
    "number": "a number",
    "integer": "a whole number",
    "signed": "a whole number",
    "boolean": "true or false",
    "texts": "a mapping of names to text",
    "quantities": 'a mapping of resources to quantities, such as smarter-devices/fuse: "1"',
    "list": "a list",
}


@dataclass(frozen=True)
class Field:
    """One field of the schema; ``path`` is the keys down to it.

    ``items`` are the keys of each mapping in a list with their shapes (for another shape, the value can also be such
    a list). ``item_words`` are the values that Kubernetes knows for some of these keys. ``since`` is the first version
    of Coder with the field ("" for all). ``default`` is the field policy if no policy was uploaded. ``sure`` is False
    if the documentation does not define the shape.
    """

    path: FieldPath
    shape: str
    items: MappingProxyType[str, str]
    item_words: MappingProxyType[str, tuple[str, ...]]
    required: tuple[str, ...]
    words: tuple[str, ...]
    since: str
    unit: str
    default: str
    for_podman: bool
    sure: bool

    @property
    def can_be_appended(self) -> bool:
        """Whether ``append`` has an effect: only lists and mappings can be extended."""
        return self.shape in ("list", "texts", "quantities")

    @property
    def shape_in_words(self) -> str:
        """The form of the field's values."""
        if self.shape == "one-of":
            return "one of " + ", ".join(self.words)
        if self.items:
            items = f"a list of mappings with {', '.join(self.items)}"
            return items if self.shape == "list" else f"{IN_WORDS[self.shape]}, or {items}"
        return IN_WORDS[self.shape] + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Schema:
    """All fields by path, and the mappings that contain them."""

    version: str
    fields: MappingProxyType[FieldPath, Field]
    groups: frozenset[FieldPath]


@lru_cache(maxsize=1)
def schema() -> Schema:
    """Returns the schema of version 0.2, in the order of the file."""
    data = yaml.load(asset_bytes("policies", "schema.yaml"), Loader=LOADER)
    fields = {field.path: field for field in (_field(name, entry) for name, entry in data["fields"].items())}
    groups = frozenset(path[:length] for path in fields for length in range(len(path)))
    return Schema(data["version"], MappingProxyType(fields), groups)


def _field(name: str, entry: dict[str, Any]) -> Field:
    return Field(
        path=tuple(name.split(".")),
        shape=entry["shape"],
        items=MappingProxyType(entry.get("items", {})),
        item_words=MappingProxyType({key: tuple(words) for key, words in entry.get("item-words", {}).items()}),
        required=tuple(entry.get("required", ())),
        words=tuple(entry.get("words", ())),
        since=entry.get("since", ""),
        unit=entry.get("unit", ""),
        default=entry.get("default", ""),
        for_podman=entry.get("podman", False),
        sure=entry.get("sure", True),
    )
