"""Whether a value has the shape that its field needs; every wrong item is found at its own place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from wizard.policy.near import near
from wizard.policy.readings import data_of, is_merge_key
from wizard.policy.schema import IN_WORDS, Field
from wizard.policy.tree import Mapping, Node, Scalar, Sequence, key_text, resolved
from wizard.policy.writing import node_of
from wizard.text.escaping import visible


def wrong_parts(field: Field, value: Node) -> Iterator[tuple[Node, str]]:
    """Yields each part of a value that does not have the field's shape, and why, as the end of a sentence."""
    target = resolved(value)
    if field.shape == "list" or (field.items and isinstance(target, Sequence)):
        yield from _wrong_list(field, value)
    elif field.shape in ("texts", "quantities"):
        yield from _wrong_mapping(field, value)
    elif field.shape == "one-of":
        if data_of(value) not in field.words:
            word = target.value if isinstance(target, Scalar) else ""
            hint = near(word, field.words)
            yield value, f"is not one of {', '.join(field.words)}" + (f" (did you mean {hint}?)" if hint else "")
    elif why := _wrong_single(field.shape, data_of(value)):
        yield value, why


def wrong_shape(field: Field, data: Any) -> str:
    """Returns why a value (plain data) does not have the field's shape, as the end of a sentence; "" if it has it."""
    return next((why for _, why in wrong_parts(field, node_of(data))), "")


def _wrong_single(shape: str, data: Any) -> str:
    if shape == "text":
        return "" if isinstance(data, str) else f"is {_kind(data)}, not text"
    if shape == "boolean":
        return "" if isinstance(data, bool) else f"is {_kind(data)}, not true or false"
    if shape == "integer":
        is_whole = isinstance(data, int) and not isinstance(data, bool)
        return "" if is_whole and data >= 0 else f"is {_kind(data)}, not a whole number of at least 0"
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return "" if is_number and 0 <= data < math.inf else f"is {_kind(data)}, not a number of at least 0"


def _wrong_mapping(field: Field, value: Node) -> Iterator[tuple[Node, str]]:
    target = resolved(value)
    if not isinstance(target, Mapping):
        yield value, f"is {_kind(data_of(value))}, not {IN_WORDS[field.shape]}"
        return
    for key, part in target.pairs:
        if is_merge_key(key):
            continue
        data, name = data_of(part), key_text(key)
        # numbers without quotes are common, and parsers turn them into text
        if not isinstance(data, str | int | float) or isinstance(data, bool):
            yield part, f"has {_kind(data)} under {visible(name or '')}, not text"
        elif field.shape == "quantities" and not is_quantity(str(data)):
            yield part, f"has {visible(str(data))} under {visible(name or '')}, which is not a quantity"


def is_quantity(text: str) -> bool:
    """Whether Kubernetes accepts a text as a quantity."""
    if text.isascii() and text.isdigit():
        return True
    from wizard.quantities import QuantityError, amount  # not needed for most policies, and slow to import

    try:
        amount(text)
    except QuantityError:
        return False
    return True


def _wrong_list(field: Field, value: Node) -> Iterator[tuple[Node, str]]:
    target = resolved(value)
    if not isinstance(target, Sequence):
        yield value, f"is {_kind(data_of(value))}, not {field.shape_in_words}"
        return
    for number, item in enumerate(target.children, 1):
        mapping = resolved(item)
        if not isinstance(mapping, Mapping):
            kind = _kind(data_of(item))
            yield item, f"has {kind} as item {number}, not a mapping with {', '.join(field.items)}"
            continue
        known = data_of(mapping)
        for name in field.required:
            if name not in known:
                yield item, f"has no {name} in item {number}"
        yield from _wrong_keys(field, mapping, number)


def _wrong_keys(field: Field, mapping: Mapping, number: int) -> Iterator[tuple[Node, str]]:
    for key, value in mapping.pairs:
        if is_merge_key(key):
            continue
        name = key_text(key) or ""
        if name not in field.items:
            hint = near(name, field.items)
            meant = f"did you mean {hint}?" if hint else f"known: {', '.join(field.items)}"
            yield key, f"has the unknown key {visible(name)} in item {number} ({meant})"
            continue
        shape, data = field.items[name], data_of(value)
        words = field.item_words.get(name, ())
        if words and isinstance(data, str | int | float) and data not in words:
            data = str(data)
            known = [word for word in words if word]
            hint = near(data, known)
            meant = f" (did you mean {hint}?)" if hint else ""
            yield value, f"has item {number}, in which {name} is {visible(data)}, not one of {', '.join(known)}{meant}"
            continue
        # numbers count as text here too, as above
        if shape == "text" and isinstance(data, int | float) and not isinstance(data, bool):
            continue
        if shape == "texts":
            for part, why in _wrong_mapping(field, value) if isinstance(data, dict) else [(value, "is no mapping")]:
                yield part, f"has item {number}, in which {name} {why}"
        elif why := _wrong_single(shape, data):
            yield value, f"has item {number}, in which {name} {why}"


def _kind(data: Any) -> str:
    if data is None:
        return "nothing"
    if isinstance(data, bool):
        return "true or false"
    if isinstance(data, int | float):
        return "a number"
    for kind, name in ((str, "text"), (dict, "a mapping"), (list, "a list")):
        if isinstance(data, kind):
            return name
    return "something else"
