"""The changes of a policy that the screens offer, as functions from a document to a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wizard.policy import PolicyDocument, add_field, prove, remove_field, remove_value, set_policy_word, set_value
from wizard.policy.item_edits import Item, edited, edits_to_add, edits_to_remove, edits_to_set, typed_value
from wizard.policy.paths import Place
from wizard.policy.schema import schema

FieldPath = tuple[str, ...]
Edit = Callable[[PolicyDocument, bool], PolicyDocument]
"""An edit of a document; the second argument says whether shared parts are copied first."""


def word_edit(path: FieldPath, word: str) -> Edit:
    """Sets the field policy; adds a missing field."""
    return lambda document, unshare: set_policy_word(document, path, word, unshare=unshare)


def value_removal(path: FieldPath) -> Edit:
    """Removes the value and keeps the field policy."""
    return lambda document, unshare: remove_value(document, path, unshare=unshare)


def data_edit(path: FieldPath, data: Any, *, word: str = "read", present: bool = True) -> Edit:
    """Sets the value; adds a missing field with a field policy."""
    if present:
        return lambda document, unshare: set_value(document, path, data, unshare=unshare)
    return lambda document, unshare: add_field(document, path, word, data, unshare=unshare)


def removal(path: FieldPath) -> Edit:
    """Removes the field with its own comments."""
    return lambda document, unshare: remove_field(document, path, unshare=unshare)


def lost_comments(before: PolicyDocument, after: PolicyDocument) -> int:
    """Returns how many comments an edit removes."""
    proof = prove(before, after)
    return proof.comments - proof.comments_kept


def item_edit(item: Item, text: str) -> Edit:
    """Sets one item of a value as it was typed, as ``policy set`` does."""
    field = next((one for path, one in schema().fields.items() if item.path[: len(path)] == path), None)
    place = Place(item.path, True, field)
    _, edits = edits_to_set(place, typed_value(place, text))
    return lambda document, unshare: edited(document, edits, unshare=unshare)


def item_addition(field: FieldPath, data: Any) -> Edit:
    """Adds an item to a field's list, or entries to its mapping."""
    return lambda document, unshare: edited(document, edits_to_add(document, field, data), unshare=unshare)


def item_removal(item: Item) -> Edit:
    """Removes one item of a value, as ``policy unset`` does."""
    return lambda document, unshare: edited(document, edits_to_remove(item.path), unshare=unshare)
