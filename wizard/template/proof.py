"""The check of a merge: the structure of the result is the planned one, and nothing outside the cuts changed.

The expected structure is made from the old tree and the plan, without the text that was written; the result is
scanned anew. Expressions that are no literal objects are compared by their exact text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wizard.editing.cuts import Cut, apply_cuts, untouched
from wizard.errors import InputError
from wizard.template.document import Document
from wizard.template.tree import Attribute, Body, Expression
from wizard.template.writing import Edits, NewAttribute, NewBlock, NewItem, NewMember, NewObject, quoted

_NOTHING = Edits()


def proved(before: Document, edits: Edits, cuts: Sequence[Cut]) -> Document:
    """Returns the merged file. Raises InputError if it is not exactly what was planned; then nothing can be written."""
    try:
        after = before.with_text(apply_cuts(before.text, cuts))
    except (InputError, ValueError) as error:
        why = error.what.rstrip(".") if isinstance(error, InputError) else str(error)
        raise _failed(before, cuts, why) from None
    if not untouched(before.content, after.content, cuts, before.text):
        raise _failed(before, cuts, "bytes outside the edited places would change")
    if before.comment_texts() != after.comment_texts():
        raise _failed(before, cuts, "a comment would change")
    if body_shape(after, after.root, _NOTHING) != body_shape(before, before.root, edits):
        raise _failed(before, cuts, "another part of the template would change")
    return after


def _failed(before: Document, cuts: Sequence[Cut], why: str) -> InputError:
    return before.refusal(
        min((cut.start for cut in cuts), default=0),
        f"Podman cannot be added safely here: {why}.",
        "Nothing was written. Add it by hand, and report this as a bug.",
    )


def body_shape(document: Document, body: Body, edits: Edits) -> list[Any]:
    """Returns the structure of a body after the edits, without places."""
    shape: list[Any] = []
    for member in body.members:
        if isinstance(member, Attribute):
            shape.append(("argument", member.name, _expression_shape(document, member.value, edits)))
        else:
            shape.append(("block", member.type, list(member.labels), body_shape(document, member.body, edits)))
    if body in edits.bodies:
        shape += [_new_shape(member) for member in edits.bodies[body][1]]
    return shape


def _expression_shape(document: Document, value: Expression, edits: Edits) -> Any:
    if value in edits.literals:
        return quoted(edits.literals[value])
    if value.kind != "object":
        return document.text[value.start : value.end]
    items = [
        (_expression_shape(document, one.key, edits), one.sign, _expression_shape(document, one.value, edits))
        for one in value.items
    ]
    sign = value.items[0].sign if value.items else "="
    new = [(quoted(item.key), sign, quoted(item.value)) for item in edits.objects.get(value, ())]
    return ("object", new + items)


def _new_shape(member: NewMember) -> Any:
    match member:
        case NewAttribute(name, text):
            return ("argument", name, text)
        case NewObject(name, items):
            return ("argument", name, ("object", [_new_item(item) for item in items]))
        case NewBlock(type, members):
            return ("block", type, [], [_new_shape(one) for one in members])


def _new_item(item: NewItem) -> tuple[str, str, str]:
    return quoted(item.key), "=", quoted(item.value)
