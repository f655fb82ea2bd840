"""A plan's changes, and what became of it, as lines of text: the same for plain mode and for every command."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from wizard.facts.changes import Change
from wizard.facts.objects import Json
from wizard.manifest.ownership import value_words
from wizard.names import FIELD_MANAGER
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.plan.undo import UndoPlan, UndoStep

NOT_ASKED = ("", "guide", "server", "label")
"""What asks for a change if no adjustment does."""

NAME = ".metadata.name"
"""The field that every object has: it is set where an object is created, and removed where it is deleted."""


def change_lines(changes: Iterable[Change], *, whole: bool = False) -> list[str]:
    """Returns what changes, object by object and field by field: before and after, who manages it, and what asks.

    What tools keep for themselves is left out. Of a new object only what adjustments change is listed, unless
    ``whole`` asks for every field: the rest is the guide's manifest with the server's defaults.
    """
    counted_ones = [change for change in changes if not change.noise]
    lines: list[str] = []
    for ref, group in groupby(counted_ones, key=lambda change: change.object):
        fields = list(group)
        if ref is None:
            lines += [line for change in fields for line in str(change.after or "").splitlines()]
        elif _names(fields, before=True):
            lines.append(f"{ref.title}: deleted")
        elif _names(fields, before=False):
            lines += [f"{ref.title}: new", *_new_object(fields, whole)]
        else:
            lines += [ref.title, *(line for change in fields for line in _field(change))]
    return lines


def _names(fields: Sequence[Change], *, before: bool) -> bool:
    return any(one.path == NAME and (one.after if before else one.before) is None for one in fields)


def _new_object(fields: Sequence[Change], whole: bool) -> Iterator[str]:
    listed = [one for one in fields if whole or one.by not in NOT_ASKED]
    for one in listed:
        yield f"  {one.path}: {_value(one.after)}{_cause(one)}"
    rest = len(fields) - len(listed)
    if rest:
        yield f"  {counted(rest, 'more field' if listed else 'field')} as in the guide, or set by the server"


def _field(change: Change) -> Iterator[str]:
    cause = _cause(change, guide="as in the guide")
    if _is_text(change.before) and _is_text(change.after):
        yield f"  {change.path}:{cause}"
        old, new = str(change.before).splitlines(), str(change.after).splitlines()
        yield from (f"    {line}" for line in difflib.ndiff(old, new) if line[0] in "+-")
        return
    after = "removed" if change.after is None else _value(change.after)
    yield f"  {change.path}: {_value(change.before)} -> {after}{cause}"


def _value(value: Json) -> str:
    return value_words(value) or '""'


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and "\n" in value


def _cause(change: Change, guide: str = "") -> str:
    """Returns the adjustment that asks for a change, and who else manages the field, in brackets."""
    others = [owner for owner in change.owners if owner != FIELD_MANAGER]
    parts = [
        f"adjustment {change.by}" if change.by not in NOT_ASKED else "",
        "set by the server" if change.by == "server" else "",
        guide if change.by == "guide" else "",
        f"managed by {', '.join(others)}" if others else "",
    ]
    told = "; ".join(filter(None, parts))
    return f" ({told})" if told else ""


def undo_lines(undoing: UndoPlan, where: str) -> list[str]:
    """Returns what an undo does, step by step, and what it leaves; first the running pods that lose their device."""
    if not undoing.steps:
        return [f"There is nothing to undo {where}."]
    lines = list(undoing.pods.lines()) if undoing.pods is not None else []
    told = undoing.told_runs() if undoing.todo else ()
    if len(told) == 1:
        lines.append("This undoes:")
    elif told:
        lines.append(f"This undoes {len(told)} runs and restores the state before the first one:")
    lines += [f"  {line}" for line in told]
    for step in undoing.steps:
        lines.append(f"{step.title}: not touched: {step.left}" if step.left else _undo_line(step))
        lines += _undone_fields(step)
    return lines


def _undo_line(step: UndoStep) -> str:
    """Returns the title of a step; for objects and files also what happens to them, which other titles already say."""
    from wizard.plan.undo import What

    words = {
        What.DELETE: "delete it",
        What.DELETE_FILE: "delete it",
        What.RESTORE: "restore the previous content",
        What.RESTORE_FILE: "restore the previous content",
        What.RETURN_FIELDS: "content already restored; return its fields to their previous managers",
    }.get(step.what)
    return f"{step.title}: {words}" if words else step.title


def _undone_fields(step: UndoStep) -> list[str]:
    """Returns what a step changes, field by field; a deletion is said already, a file has its diff."""
    from wizard.plan.undo import What

    lines = change_lines(step.changes)
    if step.ref is None:
        return lines
    return [] if step.what is What.DELETE else lines[1:]
