"""The types of the API server: their fields, and which lists and maps several managers can share.

The table itself is ``api_types.txt``; its facts are those of the public OpenAPI document of Kubernetes 1.36
(``x-kubernetes-list-type``, ``-list-map-keys``, ``-map-type``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from wizard.facts.field_sets import step
from wizard.quantities import canonical


@dataclass(frozen=True)
class Scalar:
    """A value that has one owner: ``str int bool time quantity int-or-str any``."""

    name: str


@dataclass(frozen=True)
class ListOf:
    """A list; ``sharing`` is ``atomic``, ``set``, or ``map`` with the ``keys`` that identify its items."""

    item: Type
    sharing: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class MapOf:
    """A map with free keys."""

    item: Type
    atomic: bool = False


@dataclass(eq=False)
class Struct:
    """A type with named fields."""

    name: str
    atomic: bool = False
    fields: dict[str, Type] = field(default_factory=dict)


Type = Scalar | ListOf | MapOf | Struct


class SchemaError(ValueError):
    """An object does not match its type; the text is that of the server's typed objects."""


@cache
def types() -> dict[str, Struct]:
    """All types by name."""
    text = files(__package__).joinpath("api_types.txt").read_text(encoding="utf-8")
    lines = re.sub(r"\n +", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#"))).splitlines()
    table: dict[str, Struct] = {}
    for line in lines:
        name = line.partition(":")[0]
        table[name.rstrip("!")] = Struct(name.rstrip("!"), atomic=name.endswith("!"))
    for line in lines:
        name, _, fields = line.partition(":")
        table[name.rstrip("!")].fields.update(
            (field_name, _parsed(kind, table)) for field_name, kind in (word.split("=", 1) for word in fields.split())
        )
    return table


def _parsed(text: str, table: dict[str, Struct]) -> Type:
    if text.startswith("["):
        inside, rest = text[1:].split("]", 1)
        item = _parsed(rest, table)
        if inside in ("", "set"):
            return ListOf(item, inside or "atomic")
        return ListOf(item, "map", tuple(inside.split(",")))
    if text.startswith("{"):
        inside, rest = text[1:].split("}", 1)
        return MapOf(_parsed(rest, table), atomic=inside == "atomic")
    return table[text] if text in table else Scalar(text)


def child(of: Type, name: str) -> Type:
    """Returns the type of a field or of a map's value; ``any`` if the schema has none."""
    if isinstance(of, Struct):
        return of.fields.get(name, ANY)
    return of.item if isinstance(of, MapOf) else ANY


ANY = Scalar("any")

ITEM_DEFAULTS = {"protocol": "TCP"}
"""Key fields that an item can leave out, with their default values."""


def item_key(of: ListOf, item: Any) -> str:
    """How field sets name an item of a shared list: ``k:{"name":"x"}`` or ``v:"x"``."""
    if of.sharing == "set":
        return "v:" + json.dumps(item)
    key = {name: item.get(name, ITEM_DEFAULTS.get(name)) for name in sorted(of.keys)}
    return "k:" + json.dumps(key, separators=(",", ":"))


def misfits(value: Any, of: Type, path: str = "") -> list[str]:
    """Returns why an apply configuration does not match its type: one text for each error, in the server's words."""
    if value is None:
        return []
    if isinstance(of, Scalar):
        return [f"{path}: {problem}"] if (problem := _scalar_problem(value, of.name)) else []
    if isinstance(of, ListOf):
        return _list_misfits(value, of, path)
    if not isinstance(value, dict):
        return [f"{path}: expected map, got {_go(value)}"]
    if isinstance(of, MapOf):
        return [text for name, item in value.items() for text in misfits(item, of.item, f"{path}.{name}")]
    found: list[str] = []
    for name, item in value.items():
        if name in of.fields:
            found += misfits(item, of.fields[name], f"{path}.{name}")
        else:
            found.append(f"{path}.{name}: field not declared in schema")
    return found


def _list_misfits(value: Any, of: ListOf, path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: expected list, got {_go(value)}"]
    found: list[str] = []
    for index, item in enumerate(value):
        if of.sharing != "map":
            found += misfits(item, of.item, f"{path}[{index}]")
        elif not isinstance(item, dict):
            found.append(f"{path}: element {index}: associative list with keys may not have non-map elements")
        elif missing := [key for key in of.keys if key not in item and key not in ITEM_DEFAULTS]:
            text = f'associative list with keys has an element that omits key field "{missing[0]}"'
            found.append(f"{path}: element {index}: {text} (and doesn't have default value)")
        else:
            found += misfits(item, of.item, path + step(item_key(of, item)))
    return found


def _scalar_problem(value: Any, name: str) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ("str", "time") and not isinstance(value, str):
        return f"expected string, got {_go(value)}"
    if name == "bool" and not isinstance(value, bool):
        return f"expected boolean, got {_go(value)}"
    if name == "int" and not number:
        return f"expected numeric (int or float), got {_go(value)}"
    return ""


def _go(value: Any) -> str:
    shown = {True: "true", False: "false", None: "<nil>"}.get(value) if isinstance(value, bool | None) else value
    return (
        f"&value.valueUnstructured{{Value:{json.dumps(shown) if isinstance(shown, str) and value is shown else shown}}}"
    )


def unknown_fields(value: Any, of: Type, path: str = "") -> list[str]:
    """Paths of the fields that a type does not have, as strict decoding names them."""
    if isinstance(of, Struct) and isinstance(value, dict):
        return [
            unknown
            for name, item in value.items()
            for unknown in (
                unknown_fields(item, of.fields[name], f"{path}.{name}".lstrip("."))
                if name in of.fields
                else [f"{path}.{name}".lstrip(".")]
            )
        ]
    if isinstance(of, MapOf) and isinstance(value, dict):
        return [u for name, item in value.items() for u in unknown_fields(item, of.item, f"{path}.{name}".lstrip("."))]
    if isinstance(of, ListOf) and isinstance(value, list):
        return [u for index, item in enumerate(value) for u in unknown_fields(item, of.item, f"{path}[{index}]")]
    return []


def normal(value: Any, of: Type, *, in_patch: bool = False, as_written: bool = False) -> Any:
    """Returns the value as the server stores it: quantities in canonical form, without unknown fields and nulls.

    In a patch, nulls and ``$`` directives stay, because they remove fields. ``as_written`` leaves quantities as they
    are. Raises SchemaError for a value that does not match the type of its field, QuantityError for an invalid
    quantity.
    """
    if value is None and in_patch:
        return None
    if isinstance(of, Scalar):
        if of.name == "quantity":
            return value if as_written else canonical(value)
        if problem := _scalar_problem(value, of.name):
            raise SchemaError(problem)
        return value
    if isinstance(of, ListOf):
        if not isinstance(value, list):
            raise SchemaError(f"expected list, got {_go(value)}")
        return [normal(item, of.item, in_patch=in_patch, as_written=as_written) for item in value]
    if not isinstance(value, dict):
        raise SchemaError(f"expected map, got {_go(value)}")
    result = {}
    for name, item in value.items():
        if in_patch and name.startswith("$"):
            result[name] = item
        elif (item is not None or in_patch) and (isinstance(of, MapOf) or name in of.fields):
            result[name] = normal(item, child(of, name), in_patch=in_patch, as_written=as_written)
    return result
