"""JSON Schemas, made from the types of what is read and printed.

The types are dataclasses (the answers file) and TypedDicts (the documents of ``-o json``). What is made is kept in
``assets/schemas``, so that ``schema`` prints it without importing the types.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, Required

from wizard.choices.answers import Answers, OwnershipChoice
from wizard.resources import asset_text

if TYPE_CHECKING:
    from wizard.policy.schema import Field

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_SIMPLE: Final[Mapping[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}

Schema = dict[str, Any]


def schema_of(kind: Any, *, closed: bool = False) -> Schema:
    """Returns the schema of a type.

    ``closed`` refuses unknown keys. The documents are open, because a later version can have more keys.
    """
    if kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Required, NotRequired):
        return schema_of(arguments[0], closed=closed)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _one_of([schema_of(one, closed=closed) for one in arguments])
    if origin in (list, tuple):
        return {"type": "array", "items": schema_of(arguments[0], closed=closed)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1], closed=closed)}
    if typing.is_typeddict(kind):
        return _of_typed_dict(kind, closed=closed)
    raise TypeError(f"no schema for {kind!r}")


def _one_of(schemas: list[Schema]) -> Schema:
    """Returns the schema of a union; simple types are listed, as people write it."""
    if all(set(one) == {"type"} for one in schemas):
        return {"type": [one["type"] for one in schemas]}
    words = [word for one in schemas if set(one) == {"enum"} for word in one["enum"]]
    null = [None for one in schemas if one == {"type": "null"}]
    if words and len(schemas) == sum(set(one) == {"enum"} for one in schemas) + len(null):
        return {"enum": [*words, *null]}
    return {"anyOf": schemas}


def _of_typed_dict(kind: Any, *, closed: bool) -> Schema:
    hints = typing.get_type_hints(kind, include_extras=True)
    made: Schema = {
        "type": "object",
        "properties": {name: schema_of(hint, closed=closed) for name, hint in hints.items()},
        "required": [name for name, hint in hints.items() if typing.get_origin(hint) is not NotRequired],
    }
    if (kind.__doc__ or "").strip():
        made["description"] = " ".join(kind.__doc__.split()).replace("``", "`")
    if closed:
        made["additionalProperties"] = False
    return made


# The answers file -----------------------------------------------------------------------------------------------------


def answers_schema() -> Schema:
    """Returns the schema of the answers file, with the comments of its template as descriptions."""
    from wizard.manifest import ADJUSTMENT_IDS
    from wizard.template.words import PARTS

    descriptions = _descriptions()
    made = _of_choice(Answers, descriptions, "")
    choices = made["properties"]
    manifest, template = choices["manifest"]["properties"], choices["template"]["properties"]
    manifest["set"] |= {"propertyNames": {"enum": list(ADJUSTMENT_IDS)}}
    manifest["without"]["items"] = {"enum": list(ADJUSTMENT_IDS)}
    for name in ("with", "without"):
        template[name]["items"] = {"enum": list(PARTS)}
    timeout = choices["rollout"]["properties"]["timeout"]
    timeout |= {"type": ["integer", "string"], "minimum": 1, "pattern": r"^(\d+h)?(\d+m)?(\d+s?)?$"}
    choices["policy"]["properties"]["devices"]["minimum"] = 1
    return {"$schema": DRAFT, "title": "Answers file of podman-wizard", **made, "additionalProperties": False}


def _of_choice(kind: Any, descriptions: Mapping[str, str], path: str) -> Schema:
    """Returns the schema of choices; a key without a value means its default, as in the file."""
    hints = typing.get_type_hints(kind)
    properties: dict[str, Schema] = {}
    for item in fields(kind):
        name = item.name.rstrip("_").replace("_", "-")
        where = f"{path}.{name}" if path else name
        hint = hints[item.name]
        nested = next((one for one in (hint, *typing.get_args(hint)) if is_dataclass(one)), None)
        if nested is OwnershipChoice:
            one = _ownership()
        elif nested is not None:
            one = _of_choice(nested, descriptions, where)
        else:
            one = schema_of(hint)
            default = item.default if item.default is not MISSING else None
            if default is not None and default != "":
                one["default"] = list(default) if isinstance(default, tuple) else default
        properties[name] = {"description": descriptions[where], **one}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _ownership() -> Schema:
    words = typing.get_type_hints(OwnershipChoice)["default"]
    decisions = {"enum": ["take", "leave", "skip"]}
    by_object = {"type": "object", "properties": {"default": schema_of(words)}, "additionalProperties": decisions}
    return {"anyOf": [schema_of(words), by_object], "default": "fail"}


_KEY = re.compile(r"( *)#([a-z][a-z-]*):")


def _descriptions() -> dict[str, str]:
    """Returns the comment above each key of the template of the answers file, by the key's path."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in asset_text("answers", "answers.yaml").splitlines():
        key = _KEY.match(line)
        if key:
            path = [*path[: len(key[1]) // 2], key[2]]
            found[".".join(path)] = " ".join(comment)
            comment = []
        elif line.strip().startswith("# "):
            comment.append(line.strip()[2:])
        else:
            comment = []
    return found


# The template policy --------------------------------------------------------------------------------------------------

_QUANTITY: Final[Schema] = {"type": ["string", "number"]}

_VALUES: Final[Mapping[str, Schema]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "texts": {"type": "object", "additionalProperties": {"type": "string"}},
    "quantities": {"type": "object", "additionalProperties": _QUANTITY},
}


def policy_schema() -> Schema:
    """Returns the schema of a template policy, made from the fields that Coder v1 documents.

    Unknown keys are allowed, because a later version of Coder can have more fields.
    """
    from wizard.policy.schema import schema
    from wizard.policy.words import WORDS

    root: Schema = {"type": "object", "properties": {"version": {"const": "0.2"}}}
    for field in schema().fields.values():
        place = root
        for key in field.path:
            place = place["properties"].setdefault(key, {"type": ["object", "null"], "properties": {}})
        value = dict(_VALUES.get(field.shape, {}))
        if field.shape == "one-of":
            value = {"enum": list(field.words)}
        items = {
            "type": "object",
            "properties": {
                key: {"enum": list(field.item_words[key])} if key in field.item_words else dict(_VALUES.get(shape, {}))
                for key, shape in field.items.items()
            },
            "required": list(field.required),
        }
        if field.shape == "list":
            value = {"type": "array", "items": items}
        elif field.items:
            value = {"anyOf": [value, {"type": "array", "items": items}]}
        known = {"policy": {"enum": list(WORDS)}, "value": value if field.sure else {}}
        place |= {"description": _field_words(field), "properties": {**known, **place["properties"]}}
    return {"$schema": DRAFT, "title": "Template policy of Coder v1", **root}


def _field_words(field: Field) -> str:
    since = f" Since Coder {field.since}." if field.since else ""
    unit = f" In {field.unit}." if field.unit else ""
    return f"Field policy without one here: {field.default or 'read'}.{unit}{since}"


# All of them ----------------------------------------------------------------------------------------------------------


def make_schemas() -> dict[str, Schema]:
    """Returns every schema by its name."""
    from wizard.printing.shapes import SHAPES

    documents = {
        name: {"$schema": DRAFT, "title": f"podman-wizard: {name}", **schema_of(shape)}
        for name, shape in SHAPES.items()
    }
    return {"answers": answers_schema(), "policy": policy_schema(), **documents}


def schema_text(schema: Schema) -> str:
    """Returns a schema as its file has it."""
    return json.dumps(schema, indent=2) + "\n"


def documents_page() -> str:
    """Returns the page about all documents of ``-o json``, as Markdown, with its introduction from ``assets/docs``."""
    from wizard.printing.shapes import SHAPES

    lines = [asset_text("docs", "json-intro.md").rstrip()]
    for name, shape in SHAPES.items():
        lines += ["", f"## {name}"]
        for kind in typing.get_args(shape) or (shape,):
            lines += ["", *_about(kind)]
    return "\n".join(lines) + "\n"


def _about(kind: Any) -> list[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    own = [name for name in hints if name not in ("schema_version", "document", "error")]
    rows = [f"| `{name}` | {_type_words(hints[name])} |" for name in own]
    text = " ".join((kind.__doc__ or "").split()).replace("``", "`")
    return [text, "", "| Key | Type |", "|---|---|", *rows] if rows else [text]


def _type_words(hint: Any) -> str:
    """Returns a type as a reader of the page sees it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is NotRequired:
        return f"{_type_words(arguments[0])}, optional"
    if origin is Literal:
        return " or ".join(f"`{json.dumps(word)}`" for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_type_words, arguments))
    if origin is list:
        return f"list of {_type_words(arguments[0])}"
    if typing.is_typeddict(hint):
        return f"object ({', '.join(typing.get_type_hints(hint))})"
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return words.get(hint, "object" if origin is dict else "any value")
