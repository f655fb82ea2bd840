"""A policy field by field, as a person sees and edits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wizard.policy.checks import check
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import PODMAN_FIELDS, Entry, Path, entries, summary
from wizard.policy.findings import Problem
from wizard.policy.readings import data_of
from wizard.policy.schema import Field, schema, wrong_shape
from wizard.policy.tree import Mapping
from wizard.policy.writing import Manner, inline, node_of


@dataclass(frozen=True)
class FieldView:
    """One field as a person sees it: what the file says of it, and what the schema does.

    ``word`` is the policy word as it is written, None where there is none (Coder then takes ``read``).
    ``data`` is the value as plain data, ``value`` a summary of it in one line; ``has_value`` tells a value
    that is null from none. ``line`` is the key's, 0 where the field is not in the file. ``field`` is the
    schema's entry, None for a field that it does not know.
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
        """The path as people write it."""
        return show_path(self.path)


def fields(document: PolicyDocument) -> tuple[FieldView, ...]:
    """All fields, those of the file first, in its order, then those that only the schema has."""
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
    """Plain data as one line of YAML, for editing in place."""
    return inline(node_of(data), Manner())


def value_from_text(text: str) -> Any:
    """What a person typed as a value, read as YAML: a number, a text, ``{a: b}``.

    Raises InputError where it is not YAML, or more than one value.
    """
    holder = PolicyDocument.parse(f"value: {text}\n".encode(), "the value")
    root = holder.tree.root
    assert isinstance(root, Mapping)
    if len(root.children) != 2:
        raise holder.refusal(root.children[2], "This is more than one value.", "Put it into braces or quotes.")
    return data_of(root.children[1])


def value_problem(path: Path, data: Any) -> str:
    """Why a value does not fit its field, as a sentence; "" where it fits or the field is unknown."""
    field = schema().fields.get(path)
    why = wrong_shape(field.shape, data, field) if field is not None and data is not None else ""
    return f"{path[-1]} {why}; it wants {field.shape_in_words}." if why and field is not None else ""
