"""The fields that a policy may have, read from ``assets/policies/schema.yaml``."""

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
"""What a field without a policy word has (Coder v1 documentation, workspace templates)."""

_IN_WORDS = {
    "text": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "texts": "a mapping of names to text",
    "quantities": 'a mapping of resources to quantities, such as smarter-devices/fuse: "1"',
    "list": "a list",
}


@dataclass(frozen=True)
class Field:
    """One field of the schema; ``path`` is the keys down to it.

    ``items`` are the keys of each mapping in a list with their shapes, ``since`` the version of Coder
    that has the field ("" for all), ``default`` the policy word where no policy was uploaded, ``sure``
    False where the documentation leaves the shape open.
    """

    path: FieldPath
    shape: str
    items: MappingProxyType[str, str]
    required: tuple[str, ...]
    words: tuple[str, ...]
    since: str
    unit: str
    default: str
    for_podman: bool
    sure: bool

    @property
    def can_be_appended(self) -> bool:
        """Whether ``append`` means anything: lists and mappings can be extended."""
        return self.shape in ("list", "texts", "quantities")

    @property
    def shape_in_words(self) -> str:
        """What a value of the field looks like."""
        if self.shape == "one-of":
            return "one of " + ", ".join(self.words)
        if self.items:
            return f"a list of mappings with {', '.join(self.items)}"
        return _IN_WORDS[self.shape] + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Schema:
    """All fields, by path, and the mappings that they stand in."""

    version: str
    fields: MappingProxyType[FieldPath, Field]
    groups: frozenset[FieldPath]


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The schema of version 0.2, in the order of the file."""
    data = yaml.load(asset_bytes("policies", "schema.yaml"), Loader=LOADER)
    fields = {field.path: field for field in (_field(name, entry) for name, entry in data["fields"].items())}
    groups = frozenset(path[:length] for path in fields for length in range(len(path)))
    return Schema(data["version"], MappingProxyType(fields), groups)


def _field(name: str, entry: dict[str, Any]) -> Field:
    return Field(
        path=tuple(name.split(".")),
        shape=entry["shape"],
        items=MappingProxyType(entry.get("items", {})),
        required=tuple(entry.get("required", ())),
        words=tuple(entry.get("words", ())),
        since=entry.get("since", ""),
        unit=entry.get("unit", ""),
        default=entry.get("default", ""),
        for_podman=entry.get("podman", False),
        sure=entry.get("sure", True),
    )


def wrong_shape(shape: str, data: Any, field: Field) -> str:
    """Why a value (plain data) does not have a shape, as the end of a sentence; "" where it has it."""
    if shape == "text":
        return "" if isinstance(data, str) else f"is {_kind(data)}, not text"
    if shape == "boolean":
        return "" if isinstance(data, bool) else f"is {_kind(data)}, not true or false"
    if shape == "integer":
        is_whole = isinstance(data, int) and not isinstance(data, bool)
        return "" if is_whole and data >= 0 else f"is {_kind(data)}, not a whole number from 0"
    if shape == "number":
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        return "" if is_number and data >= 0 else f"is {_kind(data)}, not a number from 0"
    if shape == "one-of":
        return "" if data in field.words else f"is not one of {', '.join(field.words)}"
    if shape == "list":
        return _wrong_list(data, field)
    if not isinstance(data, dict):
        return f"is {_kind(data)}, not {_IN_WORDS[shape]}"
    for name, value in data.items():
        # a bare number is what people write and what parsers turn into text
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return f"has {_kind(value)} under {name}, not text"
    return ""


def _wrong_list(data: Any, field: Field) -> str:
    if not isinstance(data, list):
        return f"is {_kind(data)}, not {field.shape_in_words}"
    for number, item in enumerate(data, 1):
        if not isinstance(item, dict):
            return f"has {_kind(item)} as item {number}, not a mapping with {', '.join(field.items)}"
        for name in field.required:
            if name not in item:
                return f"has no {name} in item {number}"
        for name, value in item.items():
            if name not in field.items:
                return f"has the unknown key {name} in item {number} (known: {', '.join(field.items)})"
            why = wrong_shape(field.items[name], value, field)
            # numbers are taken for text here too, as above
            if why and not (
                field.items[name] == "text" and isinstance(value, int | float) and not isinstance(value, bool)
            ):
                return f"has an item {number} whose {name} {why}"
    return ""


def _kind(data: Any) -> str:
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true or false"
    if isinstance(data, int | float):
        return "a number"
    for kind, name in ((str, "text"), (dict, "a mapping"), (list, "a list")):
        if isinstance(data, kind):
            return name
    return "something else"
