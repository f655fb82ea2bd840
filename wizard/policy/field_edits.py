"""The edits that a user makes to the fields of a policy; each returns a new document."""

from __future__ import annotations

from typing import Any

from wizard.errors import UsageError
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import Path
from wizard.policy.lookup import lookup
from wizard.policy.text_editor import Remove, Set, apply
from wizard.policy.words import WORDS


def set_policy_word(document: PolicyDocument, path: Path, word: str, *, unshare: bool = False) -> PolicyDocument:
    """Sets the field policy of a field; adds the field if it is missing.

    Raises UsageError for an unknown field policy, InputError if the edit cannot be made safely.
    """
    _check_word(word)
    return apply(document, [Set((*path, "policy"), word)], unshare=unshare)


def set_value(document: PolicyDocument, path: Path, data: Any, *, unshare: bool = False) -> PolicyDocument:
    """Sets a field's value (plain data); keys of a mapping that remain keep their place and comments.

    Raises InputError if the edit cannot be made safely. ``value_problem`` checks whether the value is valid.
    """
    return apply(document, [Set((*path, "value"), data)], unshare=unshare)


def remove_value(document: PolicyDocument, path: Path, *, unshare: bool = False) -> PolicyDocument:
    """Removes a field's value and keeps its field policy."""
    return apply(document, [Remove((*path, "value"))], unshare=unshare)


_NO_VALUE = object()


def add_field(
    document: PolicyDocument, path: Path, word: str = "read", data: Any = _NO_VALUE, *, unshare: bool = False
) -> PolicyDocument:
    """Adds a field with a field policy and, if ``data`` is given, a value.

    Raises InputError if the field exists or the edit cannot be made safely, UsageError for an unknown field
    policy.
    """
    _check_word(word)
    node = lookup(document, (*path, "policy")) or lookup(document, (*path, "value"))
    if node is not None:
        raise document.refusal(node, f"{show_path(path)} already exists.", "Change it instead.")
    wishes = [Set((*path, "policy"), word)]
    if data is not _NO_VALUE:
        wishes.append(Set((*path, "value"), data))
    return apply(document, wishes, unshare=unshare)


def remove_field(document: PolicyDocument, path: Path, *, unshare: bool = False) -> PolicyDocument:
    """Removes a field with its own comments (the rule is in ``wizard.policy.text_editor``).

    Raises InputError if the field does not exist or cannot be removed safely.
    """
    return apply(document, [Remove(path)], unshare=unshare)


def _check_word(word: str) -> None:
    if word not in WORDS:
        raise UsageError(f"{word} is not a field policy.", f"Use one of {', '.join(WORDS)}.")
