"""Paths as a person writes them: ``workspace.specs.kubernetes.tolerations[key=gpu].value``.

Keys are joined by dots; a key with a dot can be in double quotes. ``[2]`` is an item of a list, from 0;
``[key=gpu,effect=NoSchedule]`` is the item with these values, and ``[gpu]`` the item or the entry of that name. What
follows a field is looked up in its value, unless it is ``policy`` or ``value``.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any

from wizard.errors import InputError, UsageError
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import entries, meant_paths, own_or_inherited
from wizard.policy.lookup import lookup
from wizard.policy.near import near
from wizard.policy.readings import data_of
from wizard.policy.schema import Field, schema
from wizard.policy.tree import Mapping, Node, Sequence, resolved
from wizard.text.escaping import printable, visible

Path = tuple[str | int, ...]

_PART = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^."\[\]]+))|\[((?:"(?:[^"\\]|\\.)*"|[^\]"])*)\]')
_CONDITION = re.compile(r'\s*([^=,"\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*?))\s*(?:,|$)')
_MOST_NEAR = 5


@dataclass(frozen=True)
class Selector:
    """What is in brackets: the number of an item, the values that an item has, or a name."""

    text: str
    number: int | None = None
    values: tuple[tuple[str, str], ...] = ()

    def matches(self, item: Any) -> bool:
        """Whether an item of a list is meant."""
        if not isinstance(item, dict):
            return not self.values and _same(item, self.text)
        if self.values:
            return all(_same(item.get(key), value) for key, value in self.values)
        return any(_same(item.get(key), self.text) for key in ("key", "name"))


@dataclass(frozen=True)
class Place:
    """Where a path leads: an existing node, or what would be added there.

    ``path`` is of the node, or of the deepest existing list for a new item; ``item`` is what identifies such an
    item, and ``inside`` the key in it that the path ends with ("" for the item itself). ``field`` is the schema's
    entry of the field on the way.
    """

    path: Path
    exists: bool
    field: Field | None = None
    item: dict[str, str] | None = None
    inside: str = ""


def parse_path(text: str) -> list[str | Selector]:
    """Returns the parts of a path. Raises UsageError if it is not one."""
    parts: list[str | Selector] = []
    at = 0
    while at < len(text):
        is_first = not parts
        if text[at] == "." and not is_first:
            at += 1
        elif text[at] != "[" and not is_first:
            raise _bad_path(text, at)
        found = _PART.match(text, at)
        if found is None or (found[3] is not None and text[at - 1 : at] == "."):
            raise _bad_path(text, at)
        at = found.end()
        if found[3] is not None:
            parts.append(_selector(text, found[3]))
        else:
            parts.append(re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2])
    if not parts or isinstance(parts[0], Selector):
        raise _bad_path(text, 0)
    return parts


def _bad_path(text: str, at: int) -> UsageError:
    where = f" at {printable(text[at : at + 10])!r}" if text[at:] else ""
    return UsageError(
        f"{visible(text)} is not a path{where}.",
        "Write keys with dots between them, and items in brackets: workspace.dev-urls[name=web].port",
    )


def _selector(path: str, text: str) -> Selector:
    if text.isascii() and text.isdigit():
        return Selector(text, number=int(text))
    values, at = [], 0
    while at < len(text) and (found := _CONDITION.match(text, at)) is not None:
        values.append((found[1], re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]))
        at = found.end()
    if values and at == len(text):
        return Selector(text, values=tuple(values))
    if not text.strip() or "=" in text or re.fullmatch(r"\s*-[0-9]+\s*", text):  # not an item from the end
        raise _bad_path(path, path.index("["))
    return Selector(text.strip().strip('"'))


class Finder:
    """Finds where a path leads in one document."""

    def __init__(self, document: PolicyDocument, text: str) -> None:
        self.document = document
        self.text = text
        self.path: Path = ()
        self._missing: Selector | None = None
        """What should select an item, and selects none."""
        self._rest: tuple[str, ...] = ()
        """The keys that follow it in the path."""

    def find(self) -> Place:
        """Returns where the path leads. Raises InputError if it is ambiguous, or if nothing can be there."""
        parts = parse_path(self.text)
        while parts:
            part = parts.pop(0)
            if self.path in schema().fields and part not in ("policy", "value"):
                self.path = (*self.path, "value")  # a path does not have to name it
            node = _target(lookup(self.document, self.path))
            if isinstance(part, str) and isinstance(node, Sequence):
                part = self._named_item(node, part, parts)
            if isinstance(part, Selector):
                if isinstance(node, Sequence) or (self._is_list() and not isinstance(node, Mapping)):
                    number = self._item(node, part, _keys_of(parts)) if isinstance(node, Sequence) else None
                    if number is None:
                        return self._new_item(part, parts)
                    self.path = (*self.path, number)
                else:
                    self.path = (*self.path, self._name(part))
                continue
            number = self._parts_of_key(node, part, parts)
            self.path = (*self.path, ".".join([part, *map(str, parts[: number - 1])]))
            del parts[: number - 1]
        exists = lookup(self.document, self.path) is not None
        if not exists and not self._is_possible():
            raise self.refusal()
        return Place(self.path, exists, self._field())

    def _field(self) -> Field | None:
        return next((one for path, one in schema().fields.items() if self.path[: len(path)] == path), None)

    def _is_list(self) -> bool:
        """Whether the path is the value of a field that is a list."""
        found = self._field()
        return found is not None and found.shape == "list" and self.path == (*found.path, "value")

    def _is_possible(self) -> bool:
        """Whether a policy can have the path, which does not exist yet."""
        found = self._field()
        if found is None:
            return self.path == ("version",)
        inside = self.path[len(found.path) :]
        if len(inside) <= 1:
            return inside in ((), ("policy",), ("value",))
        if inside[0] != "value":
            return False
        if len(inside) == 2:
            return found.shape in ("texts", "quantities") and isinstance(inside[1], str)
        parent = _target(lookup(self.document, self.path[:-1]))
        return isinstance(inside[1], int) and (isinstance(parent, Mapping) or inside[2] in found.items)

    def _parts_of_key(self, node: Any, part: str, parts: list[str | Selector]) -> int:
        """Returns how many parts make up the next key: keys with dots need no quotes if they exist, or in a value."""
        keys = [part, *itertools.takewhile(lambda one: isinstance(one, str), parts)]
        if isinstance(node, Mapping):
            for number in range(len(keys), 0, -1):
                if node.get(".".join(map(str, keys[:number]))) is not None:
                    return number
        found = self._field()
        is_flat = found is not None and found.shape in ("texts", "quantities") and self.path == (*found.path, "value")
        return len(keys) if is_flat and not isinstance(node, Sequence) else 1

    def _item(self, sequence: Sequence, selector: Selector, rest: tuple[str, ...]) -> int | None:
        if selector.number is not None:
            return selector.number if selector.number < len(sequence.children) else None
        numbers = [n for n, item in enumerate(sequence.children) if selector.matches(data_of(item))]
        if len(numbers) > 1:
            lines = ", ".join(str(self.document.line(sequence.children[number])) for number in numbers)
            choices = " or ".join(self._inside(number, rest) for number in numbers)
            raise self.document.refusal(
                sequence.children[numbers[1]],
                f"{printable(self.text)} is ambiguous: {len(numbers)} items match (lines {lines}).",
                f"Did you mean {choices}?",
            )
        return numbers[0] if numbers else None

    def _named_item(self, sequence: Sequence, part: str, parts: list[str | Selector]) -> Selector:
        """Returns the item that a key names, as in ``env.A``, and takes the rest of a key with dots from the parts."""
        keys = [part, *(str(one) for one in itertools.takewhile(lambda one: isinstance(one, str), parts))]
        found = self._field()
        known = found.items if found is not None else {}
        inside = len(keys) - 1 if len(keys) > 1 and keys[-1] in known else len(keys)
        items = [data_of(item) for item in sequence.children]
        for number in range(len(keys), 0, -1):
            selector = Selector(".".join(keys[:number]))
            if any(selector.matches(item) for item in items):
                break
        else:
            number, selector = inside, Selector(".".join(keys[:inside]))
        del parts[: number - 1]
        return selector

    def _new_item(self, selector: Selector, parts: list[str | Selector]) -> Place:
        found = self._field()
        self._missing, self._rest = selector, _keys_of(parts)
        if selector.number is not None or len(parts) > 1 or any(isinstance(part, Selector) for part in parts):
            raise self.refusal()
        name = "name" if found is not None and "key" not in found.items and "name" in found.items else "key"
        others = _target(lookup(self.document, self.path))
        if isinstance(others, Sequence) and others.children:
            like = data_of(others.children[-1])
            name = "name" if isinstance(like, dict) and "name" in like and "key" not in like else name
        return Place(self.path, False, found, dict(selector.values) or {name: selector.text}, str(*parts))

    def _name(self, selector: Selector) -> str:
        """Returns the key of a mapping that is written in brackets: ``[A]`` or ``[key=A]``."""
        if not selector.values:
            return selector.text
        if len(selector.values) > 1 or selector.values[0][0] not in ("key", "name"):
            raise self.refusal()
        return selector.values[0][1]

    def refusal(self) -> InputError:
        """Returns the error about a path that does not exist, with those that are near."""
        near_ones, others = self._near_inside()
        close = [path for path in near_ones or near_paths(self.document, self.text) if path != self.text]
        todo = f"Did you mean {' or '.join(close)}?" if close else "For all fields, run podman-wizard policy effect."
        if others and not near_ones:
            todo = f"What exists there: {', '.join(others[:_MOST_NEAR])}."
        return InputError(f"{printable(self.text)} does not exist.", todo, file=self.document.name)

    def _near_inside(self) -> tuple[list[str], list[str]]:
        """Returns what is near in the value that the path leads into, and all that is there."""
        found = self._field()
        if found is None:
            return [], []
        if self._missing is not None:
            return self._near_items(self._missing)
        for depth in range(len(found.path) + 1, len(self.path)):
            parent, name = _target(lookup(self.document, self.path[:depth])), self.path[depth]
            start = self._shown(self.path[:depth])
            if isinstance(parent, Sequence):
                continue
            if not isinstance(parent, Mapping):
                word = near(str(name), ("policy", "value")) if depth == len(found.path) + 1 else ""
                return [f"{start}.{word}" if word else start], []
            own = own_or_inherited(parent)
            if name not in own:
                meant = near(str(name), own)
                rest = tuple(str(key) for key in self.path[depth + 1 :])
                close = [f"{start}.{show_path((meant, *_corrected(own[meant][1], rest)))}"] if meant else []
                return close, [f"{start}.{show_path((key,))}" for key in own]
        return [], []

    def _near_items(self, selector: Selector) -> tuple[list[str], list[str]]:
        sequence = _target(lookup(self.document, self.path))
        items = [data_of(item) for item in sequence.children] if isinstance(sequence, Sequence) else []
        names = [str(item.get("key", item.get("name", ""))) if isinstance(item, dict) else "" for item in items]
        wanted = dict(selector.values)
        meant = near(wanted.get("key", wanted.get("name", selector.text)), filter(None, names))
        numbers = [number for number, name in enumerate(names) if meant and name == meant]
        return [self._inside(number, self._rest) for number in numbers], item_paths(self.document, self.path)

    def _inside(self, number: int, rest: tuple[str, ...]) -> str:
        """Returns the path of an item of the list here, or of what ``rest`` probably leads to in it."""
        item = lookup(self.document, (*self.path, number))
        keys = _corrected(item, rest) if item is not None else ()
        return ".".join([*item_paths(self.document, self.path, [number]), *([show_path(keys)] if keys else [])])

    def _shown(self, path: Path) -> str:
        """Returns a path as a user writes it: without ``value``, and with an item's values in place of its number."""
        field = self._field()
        for depth, key in enumerate(path):
            if isinstance(key, int):
                [start] = item_paths(self.document, path[:depth], [key])
                rest = show_path(path[depth + 1 :])
                return f"{start}{'.' if rest and rest[0] != '[' else ''}{rest}"
        return show_path(field.path if field is not None and path == (*field.path, "value") else path)


def _target(node: Node | None) -> Any:
    return resolved(node) if node is not None else None


def _keys_of(parts: list[str | Selector]) -> tuple[str, ...]:
    return tuple(part for part in itertools.takewhile(lambda one: isinstance(one, str), parts) if isinstance(part, str))


def _corrected(node: Node, keys: tuple[str, ...]) -> Path:
    """Returns the existing keys below a node that are, or are near, the given ones; it ends where none is near."""
    made: tuple[str, ...] = ()
    for key in keys:
        target = resolved(node)
        own = own_or_inherited(target) if isinstance(target, Mapping) else {}
        meant = key if key in own else near(key, own)
        if not meant:
            break
        made, node = (*made, meant), own[meant][1]
    return made


def _same(data: Any, text: str) -> bool:
    if isinstance(data, bool):
        return text == ("true" if data else "false")
    return data is not None and str(data) == text


def item_paths(document: PolicyDocument, path: Path, numbers: list[int] | None = None) -> list[str]:
    """Returns the paths of the items of a list, by their values, or by their numbers if the values are alike."""
    sequence = _target(lookup(document, path))
    if not isinstance(sequence, Sequence):
        return []
    items = [data_of(item) for item in sequence.children]
    shown = [_selector_of(item) for item in items]
    start = show_path(path[:-1] if path[-1:] == ("value",) else path)
    return [
        f"{start}{one if one and shown.count(one) == 1 else f'[{number}]'}"
        for number, one in enumerate(shown)
        if numbers is None or number in numbers
    ]


def _selector_of(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    names = [key for key in ("key", "name", "effect", "operator", "value") if isinstance(item.get(key), str)]
    plain = [key for key in names if re.fullmatch(r"[^\],=\"]+", item[key])]
    return f"[{','.join(f'{key}={printable(item[key])}' for key in plain[:3])}]" if plain and plain == names else ""


def _exists(document: PolicyDocument, text: str) -> bool:
    try:
        return Finder(document, text).find().exists
    except InputError:
        return False


def near_paths(document: PolicyDocument, text: str) -> list[str]:
    """Returns existing and possible paths that are near one that does not exist."""
    known: dict[str, None] = {}
    for entry in entries(document):
        known[show_path(entry.path)] = None
        known.update(dict.fromkeys(item_paths(document, (*entry.path, "value"))))
    known.update(dict.fromkeys(show_path(path) for path in schema().fields))
    keys = tuple(part for part in parse_path(text) if isinstance(part, str))
    ends = [name for name in ("policy", "value") if keys[-1:] == (name,) or near(keys[-1], ["policy", "value"]) == name]
    bare = keys[:-1] if ends and len(keys) > 1 else keys
    meant = [show_path(path) + "".join(f".{end}" for end in ends) for path in meant_paths(bare)]
    head, bracket, tail = text.partition("[")
    if bracket and head in known:
        meant = [path for path in known if path.startswith(f"{head}[")] or meant
    elif bracket:
        above = tuple(part for part in parse_path(head) if isinstance(part, str))
        meant = [path for one in meant_paths(above) if _exists(document, path := f"{show_path(one)}[{tail}")] or meant
    if not meant:
        from difflib import get_close_matches

        meant = get_close_matches(text, list(known), _MOST_NEAR, 0.75)
    return list(dict.fromkeys(meant))[:_MOST_NEAR]
