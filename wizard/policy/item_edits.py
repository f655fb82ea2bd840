"""Edits of what a path leads to: a value, one item of a list, one entry of a mapping.

The commands ``policy set`` and ``policy unset`` and the screens make these edits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wizard.errors import InputError
from wizard.policy.checks import check
from wizard.policy.document import PolicyDocument
from wizard.policy.entries import own_or_inherited, summary
from wizard.policy.findings import Problem
from wizard.policy.paths import Path, Place
from wizard.policy.readings import data_of
from wizard.policy.rules import sentence_about
from wizard.policy.schema import schema
from wizard.policy.text_editor import Append, Edit, Remove, Set, apply
from wizard.policy.tree import Mapping, Node, Scalar, Sequence, resolved
from wizard.policy.views import entries_from_text, text_or_value, value_from_text

_WRONG = (
    "fuse-misspelt",
    "negative",
    "not-whole",
    "toleration",
    "version-unsupported",
    "wrong-name",
    "wrong-resource",
    "wrong-shape",
    "wrong-word",
)
"""The problems with which a value is not written."""

_NAMES = ("key", "name")


@dataclass(frozen=True)
class Item:
    """One item of a field's value; ``path`` ends with its number in a list, or with its key in a mapping."""

    path: Path
    label: str
    value: str
    data: Any
    line: int
    last_line: int


def items_of(document: PolicyDocument, field: tuple[str, ...]) -> tuple[Item, ...]:
    """Returns the items of a field's value, in the order of the file; none if it is not a list or a mapping."""
    node = document.at((*field, "value"))
    value = resolved(node) if node is not None else None
    here = (*field, "value")
    if isinstance(value, Sequence):
        return tuple(_item(document, (*here, number), "", one, one) for number, one in enumerate(value.children))
    if isinstance(value, Mapping):
        return tuple(_item(document, (*here, name), name, *pair) for name, pair in own_or_inherited(value).items())
    return ()


def _item(document: PolicyDocument, path: Path, label: str, first: Node, node: Node) -> Item:
    data, shown = data_of(node), summary(node)
    if isinstance(path[-1], int) and isinstance(data, dict):
        names = [name for name in (*_NAMES, *data) if isinstance(data.get(name), str)]
        label = data[names[0]] if names else f"[{path[-1]}]"
        shown = ", ".join(str(value) for name, value in data.items() if not names or name != names[0])
    elif isinstance(path[-1], int):
        label = f"[{path[-1]}]"
    end = node.end if node.end > first.start else first.start
    return Item(path, label, shown, data, document.line(first), document.tree.place(end)[0])


def is_list(document: PolicyDocument, field: tuple[str, ...]) -> bool:
    """Whether a field's value is a list, or would be one."""
    node = document.at((*field, "value"))
    value = resolved(node) if node is not None else None
    if value is None or (isinstance(value, Scalar) and value.is_null):
        known = schema().fields.get(field)
        return known is not None and known.shape == "list"
    return isinstance(value, Sequence)


def new_item_from_text(document: PolicyDocument, field: tuple[str, ...], text: str) -> Any:
    """Reads an item that a user typed as YAML; an entry of a mapping needs no braces. Raises InputError."""
    known = schema().fields.get(field)
    if is_list(document, field):
        shapes = known.items if known is not None else {}
        return entries_from_text(text, lambda name: shapes.get(name) == "text")
    is_text = known is not None and known.shape in ("texts", "quantities")
    return entries_from_text(text if text.lstrip().startswith("{") else f"{{{text}}}", lambda _: is_text)


def new_item_problem(document: PolicyDocument, field: tuple[str, ...], data: Any) -> str:
    """Returns why data cannot be added to a field's value, as a sentence; "" if it can."""
    if not is_list(document, field):
        if not isinstance(data, dict) or not data or None in data.values():
            return "Enter a name and a value: NAME: value."
        has = {item.path[-1] for item in items_of(document, field)}
        twice = next((str(name) for name in data if str(name) in has), "")
        return f"{twice} exists already. Change it instead." if twice else item_problem(field, data)
    return item_problem(field, [data])


def item_problem(field: tuple[str, ...], data: Any) -> str:
    """Returns why a value with some items is not valid for its field, as a sentence; "" if it is."""
    known = schema().fields.get(field)
    is_item = isinstance(data, list)
    return sentence_about(known, data, () if is_item else field[-1:], item=is_item) if known is not None else ""


def edits_to_set(place: Place, data: Any) -> tuple[Path, list[Edit]]:
    """Returns the path that a value goes to, and the edits that put it there."""
    field, path = place.field, place.path
    if place.item is not None:
        item: dict[str, Any] = dict(place.item)
        if place.inside:
            item[place.inside] = data
        elif isinstance(data, dict):
            item |= data
        else:
            item["value"] = data
        shapes = field.items if field is not None else {}
        return path, [Append(path, {key: _typed(value, shapes.get(key, "")) for key, value in item.items()})]
    is_field = field is not None and path == field.path
    has_value = field is not None and "value" in field.items
    if is_field or (isinstance(path[-1], int) and not isinstance(data, dict) and has_value):
        path = (*path, "value")
    return path, [Set(path, data)]


def _typed(value: Any, shape: str) -> Any:
    is_number = shape in ("integer", "signed") and isinstance(value, str) and re.fullmatch("-?[0-9]+", value)
    return int(value) if is_number else value


def edits_to_add(document: PolicyDocument, field: tuple[str, ...], data: Any) -> list[Edit]:
    """Returns the edits that add an item to a field's list, or the entries of ``data`` to its mapping."""
    here = (*field, "value")
    if is_list(document, field):
        return [Append(here, data)]
    return [Set((*here, str(name)), value) for name, value in data.items()]


def edits_to_remove(path: Path) -> list[Edit]:
    """Returns the edits that remove what is at a path."""
    return [Remove(path)]


def edited(document: PolicyDocument, edits: list[Edit], *, unshare: bool = False) -> PolicyDocument:
    """Returns the document with the edits made.

    Raises InputError if they cannot be made safely, or if a field gets a value that it cannot have.
    """
    made = apply(document, edits, unshare=unshare)
    for problem in new_problems(document, made):
        if problem.severity == "problem" and problem.id in _WRONG:
            raise InputError(problem.message, f"{problem.hint} Nothing was changed.", file=document.name)
    return made


def new_problems(before: PolicyDocument, after: PolicyDocument) -> list[Problem]:
    """Returns the problems and warnings that an edit brought."""
    known = {_identity(problem) for problem in check(before)}
    return [one for one in check(after) if _identity(one) not in known]


def _identity(problem: Problem) -> tuple[object, ...]:
    # the number of an item changes when one before it is removed
    path = tuple(0 if isinstance(key, int) else key for key in problem.path)
    return problem.id, path, re.sub(r"\[[0-9]+\]", "[]", problem.message)


def typed_value(place: Place, text: str, *, version: int = 1) -> Any:
    """Reads a value that a user typed for a place. Where only text can be, a number stays as it was typed.

    Raises InputError if it is not YAML.
    """
    return text_or_value(text, version=version) if needs_text(place) else value_from_text(text, version=version)


def needs_text(place: Place) -> bool:
    """Whether only text can be at a place, so that a number or a boolean there is probably meant as text."""
    field = place.field
    if field is None:
        return False
    inside = place.path[len(field.path) + 1 :]
    if place.item is not None:
        return field.items.get(place.inside or "value") == "text"
    if not inside:
        return field.shape == "text" and place.path[len(field.path) :] in ((), ("value",))
    if isinstance(inside[0], str):
        return field.shape in ("texts", "quantities")
    return field.items.get(str(inside[1]) if len(inside) > 1 else "value") == "text"
