"""Whether a value has the shape that its field needs; every wrong part is found at its own place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wizard.policy.near import near
from wizard.policy.readings import data_of, is_merge_key
from wizard.policy.schema import IN_WORDS, Field
from wizard.policy.tree import Mapping, Node, Scalar, Sequence, key_text, resolved
from wizard.policy.writing import Manner, inline, node_of
from wizard.text.escaping import printable

_LONGEST_SHOWN = 60
_LARGEST = 2**63 - 1
"""The largest integer that programs in Go, such as Coder and Kubernetes, can read."""


@dataclass(frozen=True)
class Wrong:
    """A part of a value that cannot be as it is.

    ``keys`` lead to it from the value, ``what`` completes a sentence that starts with its path, and ``todo`` says how
    to correct it, as sentences. ``severity`` is "" for a fault that is only as sure as the shape of the field is.
    """

    node: Node
    keys: tuple[str | int, ...]
    what: str
    todo: str
    id: str = "wrong-shape"
    severity: str = ""


def wrong_shapes(field: Field, value: Node) -> Iterator[Wrong]:
    """Yields each part of a value that does not have the field's shape."""
    target = resolved(value)
    if field.shape == "list" or (field.items and isinstance(target, Sequence)):
        yield from _wrong_list(field, value)
    elif field.shape in ("texts", "quantities"):
        yield from _wrong_mapping(field, value)
    elif field.shape == "one-of":
        if data_of(value) not in field.words:
            yield _not_one_of(value, (), field.words)
    elif (wrong := _wrong_single(field.shape, value, (), field.unit)) is not None:
        yield wrong


def _not_one_of(value: Node, keys: tuple[str | int, ...], words: tuple[str, ...]) -> Wrong:
    target = resolved(value)
    meant = near(target.value, words) if isinstance(target, Scalar) else ""
    todo = f"Did you mean {meant}?" if meant else f"Write one of {', '.join(words)}."
    return Wrong(value, keys, f"is {shown(value, with_kind=False)}, not one of {', '.join(words)}", todo)


def _wrong_single(shape: str, value: Node, keys: tuple[str | int, ...], unit: str = "") -> Wrong | None:
    data, target = data_of(value), resolved(value)
    is_boolean, is_number = isinstance(data, bool), isinstance(data, int | float) and not isinstance(data, bool)
    wanted = IN_WORDS[shape] + (f" ({unit})" if unit else "")
    what = "text" if shape == "text" else wanted.partition(" (")[0]
    if shape in ("number", "integer"):
        what += " of at least 0"
    todo = f"Write {wanted}."
    if shape == "text":
        is_right = isinstance(data, str)
        if is_boolean or is_number:
            todo = f'Write "{printable(target.value)}".' if isinstance(target, Scalar) else todo
    elif shape == "boolean":
        is_right = is_boolean
        if isinstance(data, str) and data.lower() in ("true", "false", "yes", "no", "on", "off"):
            todo = f"Write {'true' if data.lower() in ('true', 'yes', 'on') else 'false'} without quotes."
    elif shape == "number":
        is_right = is_number and 0 <= data < math.inf
    else:
        is_right = isinstance(data, int) and not is_boolean and (data >= 0 or shape == "signed")
        if is_right and abs(data) > _LARGEST:
            return Wrong(
                value, keys, f"is {shown(value, with_kind=False)}, too large a number", "Write a smaller number."
            )
    if is_right:
        return None
    if shape in ("number", "integer", "signed") and isinstance(data, str) and data.strip().isdecimal():
        todo = f"Write {data.strip()} without quotes."
    # the kind is what is wrong, unless it is the amount
    is_kind = not (is_number and shape in ("number", "integer", "signed"))
    return Wrong(value, keys, f"is {shown(value, with_kind=is_kind)}, not {what}", todo)


def shown(value: Node, *, with_kind: bool = True) -> str:
    """Returns a value for a sentence: ``"5" (text)``, ``-1 (a number)``, ``a list``, ``empty``."""
    data, target = data_of(value), resolved(value)
    if not isinstance(target, Scalar):
        return "a list" if isinstance(target, Sequence) else "a mapping"
    if data is None:
        return "empty"
    text = target.value if len(target.value) <= _LONGEST_SHOWN else target.value[: _LONGEST_SHOWN - 3] + "..."
    in_quotes = target.style in ("'", '"') or (isinstance(data, str) and text != text.strip()) or not text
    text = f'"{printable(text)}"' if in_quotes else printable(text)
    if not with_kind:
        return text
    if isinstance(data, bool):
        return f"{text} (a boolean)"
    kind = "a number" if isinstance(data, int | float) else "text" if isinstance(data, str) else "another type"
    return f"{text} ({kind})"


def _wrong_mapping(field: Field, value: Node, keys: tuple[str | int, ...] = ()) -> Iterator[Wrong]:
    target = resolved(value)
    is_texts = field.shape != "quantities" or bool(keys)
    if not isinstance(target, Mapping):
        wanted = "a mapping of names to text" if is_texts else IN_WORDS[field.shape]
        yield Wrong(value, keys, f"is {shown(value)}, not a mapping", _as_entries(target) or f"Write {wanted}.")
        return
    for key, part in target.pairs:
        if is_merge_key(key):
            continue
        data, name = data_of(part), key_text(key)
        if name is None:
            continue  # said of all keys
        here = (*keys, name)
        if not name:
            todo = "Write a name before the colon, or remove the entry."
            yield Wrong(key, here, "has an empty name", todo, severity="problem")
        # numbers without quotes are common, and parsers turn them into text
        elif is_texts and (not isinstance(data, str | int | float) or isinstance(data, bool)):
            wrong = _wrong_single("text", part, here)
            assert wrong is not None
            yield wrong
        elif not is_texts and (not isinstance(data, str | int | float) or isinstance(data, bool)):
            yield Wrong(part, here, f"is {shown(part)}, not a quantity", 'Write a quantity, such as "1" or 2Gi.')
        elif not is_texts and not is_quantity(str(data)):
            yield Wrong(part, here, f"is {shown(part, with_kind=False)}, which is not a quantity", _as_quantity(data))


def _as_quantity(data: Any) -> str:
    """Returns what to do about a text that is nearly a quantity, such as ``1 GB`` or ``2gi``."""
    number, unit = str(data).strip(), ""
    while number and not number[-1].isdigit():
        number, unit = number[:-1], number[-1] + unit
    known = {"gb": "G", "gib": "Gi", "mb": "M", "mib": "Mi", "kb": "k", "kib": "Ki", "tb": "T", "tib": "Ti"}
    known |= {suffix.lower(): suffix for suffix in ("Ki", "Mi", "Gi", "Ti", "G", "T", "k")}
    meant = number.strip() + known.get(unit.strip().lower(), "?")
    if meant != str(data) and is_quantity(meant):
        return f"Did you mean {meant}?"
    return "Write a number with an optional unit, such as 500m, 2Gi, or 1."


def _as_entries(target: Node) -> str:
    """Returns how to write a list of mappings with key and value as a mapping; "" if it is something else."""
    item = resolved(target.children[0]) if isinstance(target, Sequence) and target.children else None
    data = data_of(item) if isinstance(item, Mapping) else {}
    name, value = data.get("key", data.get("name")), data.get("value")
    if not isinstance(name, str) or not isinstance(value, str):
        return ""
    written = printable(inline(node_of({name: value}), Manner()))
    return f"Write each item as an entry: {written[1:-1]}."


def _as_items(field: Field, target: Node) -> str:
    """Returns how to write a mapping as a list of items; "" if it is something else."""
    names = [key_text(key) or "" for key, _ in target.pairs] if isinstance(target, Mapping) else []
    if not names:
        return ""
    if any(name in field.items for name in names):
        return "Put a dash before each item."
    is_pair = tuple(field.items) == ("key", "value")
    return f"Write each entry as an item: - {{key: {printable(names[0])}, value: VALUE}}." if is_pair else ""


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


def _wrong_list(field: Field, value: Node) -> Iterator[Wrong]:
    target = resolved(value)
    if not isinstance(target, Sequence):
        what = f"is {shown(value)}, not a list"
        yield Wrong(value, (), what, _as_items(field, target) or f"Write {field.shape_in_words}.")
        return
    for number, item in enumerate(target.children):
        mapping = resolved(item)
        if not isinstance(mapping, Mapping):
            todo = f"Write a mapping with {', '.join(field.items)}, or remove the item."
            yield Wrong(item, (number,), f"is {shown(item)}, not a mapping", todo)
            continue
        yield from _wrong_item(field, item, mapping, number)


def _wrong_item(field: Field, item: Node, mapping: Mapping, number: int) -> Iterator[Wrong]:
    known = data_of(mapping)
    missing = [name for name in field.required if name not in known]
    for key, value in mapping.pairs:
        if is_merge_key(key):
            continue
        name = key_text(key) or ""
        if name in field.items:
            yield from _wrong_entry(field, value, number, name)
            continue
        free = [other for other in field.items if other not in known]
        meant = near(name, free) or near(name, field.items)
        if missing and meant not in missing:
            meant = missing[0]
        if meant in missing:
            missing.remove(meant)  # told once
        todo = f"Did you mean {meant}?" if meant else f"Use {', '.join(free)}, or remove it." if free else "Remove it."
        yield Wrong(key, (number, name), "is an unknown key", todo)
    if missing:
        names = " and ".join(missing)
        yield Wrong(item, (number,), f"has no {names}", f"Add {names}.")


def _wrong_entry(field: Field, value: Node, number: int, name: str) -> Iterator[Wrong]:
    shape, data = field.items[name], data_of(value)
    words = field.item_words.get(name, ())
    # numbers count as text here too, as above
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    if words and isinstance(data, str | int | float):
        if data not in words:
            yield _not_one_of(value, (number, name), tuple(word for word in words if word))
    elif shape == "texts":
        yield from _wrong_mapping(field, value, (number, name))
    elif not (shape == "text" and is_number) and (wrong := _wrong_single(shape, value, (number, name))) is not None:
        yield wrong
