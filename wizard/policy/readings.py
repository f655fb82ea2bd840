"""How YAML 1.1 and YAML 1.2 parsers read a plain scalar.

It is unknown which parser Coder uses, and ``on``, ``012``, and ``1:20`` have different values in the two. The
1.1 reading uses PyYAML's own tables. The 1.2 reading repeats those of ruamel.yaml, because importing that package
takes longer than a merge; the tests compare both readings with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from wizard.policy.tree import Alias, Mapping, Node, Scalar, Sequence

TAG = "tag:yaml.org,2002:"

_IN_WORDS = {
    "null": "nothing",
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a merge key",
}
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"(?:[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


@dataclass(frozen=True)
class Reading:
    """One reading of a scalar: its kind, as the last part of its YAML tag, and its value.

    Dates keep their text: a policy has none, and the parsers disagree about their time zone.
    """

    kind: str
    value: Any

    @property
    def in_words(self) -> str:
        """The reading for use in a sentence: ``false (a boolean)``."""
        shown = (
            {True: "true", False: "false", None: "nothing"}.get(self.value) if self._is_constant else repr(self.value)
        )
        return f"{shown} ({_IN_WORDS.get(self.kind, 'text')})"

    @property
    def _is_constant(self) -> bool:
        return self.value is None or isinstance(self.value, bool)


@lru_cache(maxsize=4096)
def reading_1_1(text: str) -> Reading:
    """Returns a plain scalar as PyYAML reads it."""
    tables = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in [*tables.get(text[:1], ()), *tables.get(None, ())]:
        if pattern.match(text):
            return _constructed(tag.removeprefix(TAG), text, old=True)
    return Reading("str", text)


@lru_cache(maxsize=4096)
def reading_1_2(text: str) -> Reading:
    """Returns a plain scalar as ruamel.yaml reads it."""
    if _BOOLEAN.match(text):
        return _constructed("bool", text, old=False)
    if _FLOAT.match(text):
        return _constructed("float", text, old=False)
    if _INTEGER.match(text):
        return _constructed("int", text, old=False)
    # dates, nulls, the merge key, and the value key are the same in both
    same = reading_1_1(text)
    return same if same.kind in ("null", "timestamp", "merge", "value") else Reading("str", text)


def _constructed(kind: str, text: str, *, old: bool) -> Reading:
    try:
        if kind == "null":
            return Reading(kind, None)
        if kind == "bool":
            return Reading(kind, text.lower() in ("yes", "true", "on"))
        if kind == "int":
            return Reading(kind, _integer(text.replace("_", ""), old=old))
        if kind == "float":
            return Reading(kind, _float(text.replace("_", "").lower()))
    except ValueError:  # "-_", or more digits than Python turns into a number
        return Reading("str", text)
    return Reading(kind, text)


def _integer(text: str, *, old: bool) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-")
    if digits[:2] in ("0b", "0x", "0o"):
        return sign * int(digits, 0)
    if ":" in digits:
        return sign * int(_base_60(digits))
    return sign * int(digits, 8 if old and len(digits) > 1 and digits[0] == "0" else 10)


def _float(text: str) -> float:
    sign = -1.0 if text[0] == "-" else 1.0
    digits = text.lstrip("+-")
    if digits in (".inf", ".nan"):
        return sign * float(digits[1:])
    return sign * (_base_60(digits) if ":" in digits else float(digits))


def _base_60(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total


def readings(node: Scalar) -> tuple[Reading, Reading]:
    """Returns a scalar as YAML 1.1 and as 1.2 reads it; with a quote or a tag there is only one reading."""
    if node.tag is None:
        if node.style:
            text = Reading("str", node.value)
            return text, text
        return reading_1_1(node.value), reading_1_2(node.value)
    kind = node.tag.removeprefix(TAG)
    if kind in ("int", "float", "bool", "null"):
        old, new = reading_1_1(node.value), reading_1_2(node.value)
        return tuple(  # type: ignore[return-value]
            found if found.kind == kind else Reading(kind, node.value) for found in (old, new)
        )
    one = Reading("str" if node.tag in ("!", TAG + "str") else node.tag, node.value)
    return one, one


def differ(node: Scalar) -> bool:
    """Whether the two versions of YAML read a scalar differently."""
    if node.style or node.tag is not None:
        return False
    old, new = reading_1_1(node.value), reading_1_2(node.value)
    if old.kind != new.kind:
        return True
    return bool(old.value != new.value) and old.value == old.value  # .nan equals nothing, itself included


def data_of(node: Node, version: int = 1) -> Any:
    """Returns a node as plain Python data, with aliases and merge keys expanded.

    It is read as YAML 1.1, or, if ``version`` is 2, as YAML 1.2. Custom tags are ignored. The expanded size of the
    aliases is bounded, because it was checked when the file was read.
    """
    if isinstance(node, Alias):
        return data_of(node.target, version)
    if isinstance(node, Scalar):
        return readings(node)[version - 1].value
    if isinstance(node, Sequence):
        return [data_of(item, version) for item in node.children]
    assert isinstance(node, Mapping)
    merged: dict[Any, Any] = {}
    own: dict[Any, Any] = {}
    for key, value in node.pairs:
        if is_merge_key(key):
            for source in merge_sources(value):
                for name, inherited in data_of(source, version).items():
                    merged.setdefault(name, inherited)
        else:
            name = data_of(key, version)
            own[name if isinstance(name, str | int | float | None) else str(name)] = data_of(value, version)
    return {**merged, **own}


def is_merge_key(key: Node) -> bool:
    """Whether a key is ``<<``, which includes all keys of its value."""
    return isinstance(key, Scalar) and not key.style and key.value == "<<" and key.tag in (None, TAG + "merge")


def merge_sources(value: Node) -> list[Mapping]:
    """Returns the mappings that a merge key includes, in order of precedence."""
    target = value.target if isinstance(value, Alias) else value
    if isinstance(target, Mapping):
        return [target]
    if isinstance(target, Sequence):
        return [source for item in target.children for source in merge_sources(item)]
    return []


def inherited(mapping: Mapping, name: str) -> Node | None:
    """Returns what a mapping has under ``name`` from a merge key; None if there is none."""
    for key, value in mapping.pairs:
        if is_merge_key(key):
            for source in merge_sources(value):
                found = source.get(name)
                if found is None:
                    found = inherited(source, name)
                if found is not None:
                    return found
    return None
