"""A policy field by field, as a user sees and edits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wizard.errors import InputError
from wizard.policy.checks import check
from wizard.policy.document import PolicyDocument, checked_text, show_path
from wizard.policy.entries import PODMAN_FIELDS, Entry, Path, entries, summary
from wizard.policy.findings import Problem
from wizard.policy.readings import data_of
from wizard.policy.rules import sentence_about
from wizard.policy.schema import Field, schema
from wizard.policy.tree import Mapping, Node, Scalar, key_text
from wizard.policy.writing import Manner, inline, node_of


@dataclass(frozen=True)
class FieldView:
    """One field as a user sees it: from the file and from the schema.

    ``word`` is the field policy as written, None if there is none (Coder then uses ``read``). ``data`` is the
    value as plain data, ``value`` a summary of it in one line; ``has_value`` distinguishes a value of null from
    no value. ``line`` is the key's, 0 if the field is not in the file. ``field`` is the schema's entry, None for
    an unknown field.
    """

    path: Path
    word: str | None
    value: str
    data: Any
    has_value: bool
    line: int
    present: bool
    for_podman: bool
    field: Field | None
    problems: tuple[Problem, ...]

    @property
    def name(self) -> str:
        """The path for display."""
        return show_path(self.path)


def fields(document: PolicyDocument) -> tuple[FieldView, ...]:
    """Returns all fields: those of the file in its order, then those that only the schema has."""
    found = check(document)
    views = [_view(entry, document, found) for entry in entries(document)]
    present = {view.path for view in views}
    for path, field in schema().fields.items():
        if path not in present:
            about = tuple(problem for problem in found if problem.path[: len(path)] == path)
            views.append(FieldView(path, None, "", None, False, 0, False, field.for_podman, field, about))
    return tuple(views)


def _view(entry: Entry, document: PolicyDocument, found: tuple[Problem, ...]) -> FieldView:
    value = entry.part("value")
    data = data_of(value) if value is not None else None
    return FieldView(
        path=entry.path,
        word=entry.word,
        value=summary(value) if value is not None else "",
        data=data,
        has_value=value is not None,
        line=document.line(entry.key),
        present=True,
        for_podman=entry.path in PODMAN_FIELDS,
        field=entry.field,
        problems=tuple(problem for problem in found if problem.path[: len(entry.path)] == entry.path),
    )


def value_text(data: Any) -> str:
    """Returns plain data as one line of YAML, for editing in place."""
    return inline(node_of(data), Manner())


def value_from_text(text: str, *, version: int = 1) -> Any:
    """Reads a value that a user typed as YAML (1.1, or with ``version`` 2 1.2): a number, a text, ``{a: b}``.

    Raises InputError if it is not YAML, or more than one value.
    """
    return data_of(_value_node(text), version)


def text_or_value(text: str, *, version: int = 1) -> Any:
    """Reads a value for a place that needs text: a number or a boolean is the text as it was typed (``1.10``)."""
    return _as_text(_value_node(text), version)


def entries_from_text(text: str, is_text: Callable[[str], bool]) -> Any:
    """Reads a mapping that a user typed; ``is_text`` says of which keys only text can be the value."""
    node = _value_node(text)
    if not isinstance(node, Mapping):
        return data_of(node)
    pairs = {key_text(key) or "": value for key, value in node.pairs}
    return {name: _as_text(value, 1) if is_text(name) else data_of(value) for name, value in pairs.items()}


def _as_text(node: Node, version: int) -> Any:
    data = data_of(node, version)
    return node.value if isinstance(node, Scalar) and isinstance(data, bool | int | float) else data


def _value_node(text: str) -> Node:
    start = "value: "
    try:
        holder = PolicyDocument.of_text(checked_text(f"{start}{text}\n".encode(), "the value"), "the value")
        root = holder.tree.root
        assert isinstance(root, Mapping)
        if len(root.children) != 2:
            raise holder.refusal(root.children[2], "This is more than one value.", "Put it in braces or quotes.")
    except InputError as error:
        if error.line == 1:
            error.column = max(error.column - len(start), 1)
        error.what = error.what.partition(" The parser noticed")[0]
        raise
    return root.children[1]


def value_problem(path: Path, data: Any) -> str:
    """Returns why a value is not valid for its field, as a sentence; "" if it is valid or the field is unknown."""
    field = schema().fields.get(path)
    return sentence_about(field, data, path[-1:]) if field is not None and data is not None else ""
