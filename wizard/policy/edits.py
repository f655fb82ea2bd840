"""The edits that a person makes to a policy's fields; each gives a new document."""

from __future__ import annotations

from typing import Any

from wizard.errors import UsageError
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.edit import Path, Remove, Set, apply, lookup
from wizard.policy.words import WORDS


def set_policy_word(document: PolicyDocument, path: Path, word: str, *, unshare: bool = False) -> PolicyDocument:
    """Sets a field's policy word; the field is made where it is missing.

    Raises UsageError for what is no policy word, InputError where the edit cannot be made safely.
    """
    _check_word(word)
    return apply(document, [Set((*path, "policy"), word)], unshare=unshare)


def set_value(document: PolicyDocument, path: Path, data: Any, *, unshare: bool = False) -> PolicyDocument:
    """Sets a field's value (plain data); what stays in a mapping keeps its place and its comments.

    Raises InputError where the edit cannot be made safely. Whether the value fits the field is for
    ``value_problem`` to say.
    """
    return apply(document, [Set((*path, "value"), data)], unshare=unshare)


def remove_value(document: PolicyDocument, path: Path, *, unshare: bool = False) -> PolicyDocument:
    """Takes a field's value away and leaves its policy word."""
    return apply(document, [Remove((*path, "value"))], unshare=unshare)


_NO_VALUE = object()


def add_field(
    document: PolicyDocument, path: Path, word: str = "read", data: Any = _NO_VALUE, *, unshare: bool = False
) -> PolicyDocument:
    """Adds a field with a policy word and, if ``data`` is given, a value.

    Raises InputError where it is there already or the edit cannot be made safely, UsageError for what is
    no policy word.
    """
    _check_word(word)
    node = lookup(document, (*path, "policy")) or lookup(document, (*path, "value"))
    if node is not None:
        raise document.refusal(node, f"{show_path(path)} is there already.", "Change it instead.")
    wishes = [Set((*path, "policy"), word)]
    if data is not _NO_VALUE:
        wishes.append(Set((*path, "value"), data))
    return apply(document, wishes, unshare=unshare)


def remove_field(document: PolicyDocument, path: Path, *, unshare: bool = False) -> PolicyDocument:
    """Removes a field with the comments that are its own (the rule is in ``wizard.policy.edit``).

    Raises InputError where it is not there or cannot be removed safely.
    """
    return apply(document, [Remove(path)], unshare=unshare)


def _check_word(word: str) -> None:
    if word not in WORDS:
        raise UsageError(f"{word} is not a policy word.", f"Take one of {', '.join(WORDS)}.")
