"""New nodes as text, in the manner of the file that they go into."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wizard.policy.document import PolicyDocument
from wizard.policy.readings import reading_1_1, reading_1_2
from wizard.policy.tree import Alias, Collection, Mapping, Node, Scalar, Sequence

_PLAIN = re.compile(r"[^\W\d_]?[\w./@%+=~^-]*(?: [\w./@%+=~^-]+)*\Z")
_START = re.compile(r"[\w/]")
_NOT_PLAIN = frozenset("yYnN")  # booleans in the letter of YAML 1.1, though not to PyYAML
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_SAMPLE = 2000
"""Nodes that are looked at to learn a file's manner."""


def node_of(data: Any) -> Node:
    """Plain data as nodes without a place; text is quoted where either version of YAML needs it.

    Raises TypeError for what is neither None, a boolean, a number, text, a list nor a dict of these.
    """
    if isinstance(data, dict):
        return Mapping([part for key, value in data.items() for part in (node_of(key), node_of(value))])
    if isinstance(data, list | tuple):
        return Sequence([node_of(item) for item in data])
    if isinstance(data, str):
        return Scalar(data, "" if is_plain(data) else '"')
    if data is None:
        return Scalar("null")
    if isinstance(data, bool):
        return Scalar("true" if data else "false")
    if isinstance(data, int):
        return Scalar(str(data))
    if isinstance(data, float):
        return Scalar(_number(data))
    raise TypeError(f"a policy cannot hold {type(data).__name__}")


def _number(number: float) -> str:
    shown = repr(number)
    if shown in ("inf", "-inf", "nan"):
        return shown.replace("inf", ".inf").replace("nan", ".nan")
    # both versions of YAML want a point and a sign: 1e+16 is text to the one, 1.0e+16 a number to both
    mantissa, exponent, power = shown.partition("e")
    if not exponent:
        return shown
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{power if power[0] in '+-' else '+' + power}"


def is_plain(text: str) -> bool:
    """Whether a text may stand without quotes, anywhere, and is that text under YAML 1.1 and 1.2."""
    return (
        _START.match(text) is not None
        and _PLAIN.match(text) is not None
        and text not in _NOT_PLAIN
        and reading_1_1(text).kind == "str"
        and reading_1_2(text).kind == "str"
    )


@dataclass(frozen=True)
class Manner:
    """How a file writes what is new in it.

    ``step`` is the columns from a mapping to a mapping in it, ``dash`` from a key to the dashes of its
    list, ``quote`` the character around text that needs one.
    """

    eol: str = "\n"
    step: int = 2
    dash: int = 2
    quote: str = '"'
    literal: bool = True
    """Whether text of several lines may become a block scalar: not where a last line has no end."""


@dataclass
class _Habits:
    """How often a file writes things in which way."""

    steps: Counter[int]
    dashes: Counter[int]
    quotes: Counter[str]

    def look(self, document: PolicyDocument, mapping: Mapping, weight: int) -> None:
        tree = document.tree
        own = mapping_column(document, mapping)
        for key, value in mapping.pairs:
            if isinstance(value, Collection) and not value.flow and not mapping.flow and value.children:
                child = tree.column(value.children[0].start)
                if isinstance(value, Mapping):
                    self.steps[mapping_column(document, value) - own] += weight
                else:
                    self.dashes[_dash_column(document, value, child) - own] += weight
            for scalar in (key, value):
                if isinstance(scalar, Scalar) and scalar.style in ("'", '"'):
                    self.quotes[scalar.style] += weight


@lru_cache(maxsize=1)
def _habits(document: PolicyDocument) -> _Habits:
    habits = _Habits(Counter(), Counter(), Counter())
    seen = 0
    waiting: deque[Node] = deque([document.tree.root])
    while waiting and seen < _SAMPLE:
        node = waiting.popleft()
        seen += 1
        if isinstance(node, Collection):
            waiting.extend(node.children[:_SAMPLE])
            if isinstance(node, Mapping):
                habits.look(document, node, 1)
    return habits


def manner_of(document: PolicyDocument, near: Mapping | None = None) -> Manner:
    """The manner of a file; what stands near ``near`` counts before what the rest of the file does.

    Looks at no more than the first ``_SAMPLE`` nodes.
    """
    habits = _habits(document)
    if near is not None and near.start >= 0:
        habits = _Habits(habits.steps.copy(), habits.dashes.copy(), habits.quotes.copy())
        habits.look(document, near, _SAMPLE)
    # negative: a value that stands to the left of its key, which only a list may, and a file only by chance
    return Manner(
        eol=document.eol,
        step=_most(habits.steps, at_least=1, otherwise=2),
        dash=_most(habits.dashes, at_least=0, otherwise=2),
        quote=max(habits.quotes, key=lambda quote: habits.quotes[quote], default='"'),
        literal=document.text.endswith("\n"),
    )


def _most(found: Counter[int], *, at_least: int, otherwise: int) -> int:
    return max((n for n in found if at_least <= n <= 16), key=lambda n: found[n], default=otherwise)


def mapping_column(document: PolicyDocument, mapping: Mapping) -> int:
    """The column of a block mapping's keys, or of their question marks."""
    start = mapping.children[0].start if mapping.children else mapping.start
    line_start = document.tree.line_start(start)
    before = document.text[line_start:start]
    question = re.search(r"(?:^|[ \t])(\?)[ \t]+\Z", before) if "?" in before else None
    return question.start(1) if question is not None else start - line_start


def _dash_column(document: PolicyDocument, sequence: Collection, otherwise: int) -> int:
    start = sequence.children[0].start
    line_start = document.tree.line_start(start)
    dash = document.text.find("-", line_start, start)
    return dash - line_start if dash >= 0 else otherwise


def inline(node: Node, manner: Manner, *, json: bool = False, key: bool = False) -> str:
    """A node on one line: a scalar, or a collection in flow style; ``json`` quotes every text."""
    if isinstance(node, Alias):
        return f"*{node.name} " if key else f"*{node.name}"
    tag = _tag(node)
    if isinstance(node, Mapping):
        pairs = [inline_pair(name, value, manner, json=json) for name, value in node.pairs]
        return tag + "{" + ", ".join(pairs) + "}"
    if isinstance(node, Sequence):
        return tag + "[" + ", ".join(inline(item, manner, json=json) for item in node.children) + "]"
    assert isinstance(node, Scalar)
    if node.style:
        return tag + quoted(node.value, '"' if json else manner.quote)
    if node.tag is None and json and reading_1_1(node.value).kind == "str" == reading_1_2(node.value).kind:
        return quoted(node.value, '"')
    if not node.value or (node.tag is None and re.search(r"[][{},:#]", node.value)):
        # plain text of a block may hold what plain text of a flow collection may not; nothing is null
        is_text = bool(node.value) and reading_1_1(node.value).kind == "str"
        return tag + (quoted(node.value, manner.quote) if is_text or tag else node.value or "null")
    return tag + (quoted(node.value, manner.quote) if tag and not is_plain(node.value) else node.value)


def inline_pair(key: Node, value: Node, manner: Manner, *, json: bool = False) -> str:
    """``key: value`` on one line."""
    return f"{inline(key, manner, json=json, key=True)}: {inline(value, manner, json=json)}"


def _tag(node: Node) -> str:
    if node.tag is None:
        return ""
    if node.tag.startswith("tag:yaml.org,2002:"):
        return f"!!{node.tag.removeprefix('tag:yaml.org,2002:')} "
    return f"{node.tag} " if node.tag.startswith("!") else f"!<{node.tag}> "


def block(node: Node, manner: Manner, column: int, *, quote_keys: str = "") -> tuple[str, list[str]]:
    """A value under a key at ``column``: what follows the colon, and the lines below it, without ends.

    ``quote_keys`` is the quote that the keys of the mapping itself (not of what is in it) get.
    """
    head = f" {_tag(node)}".rstrip()
    if isinstance(node, Mapping) and node.children:
        return head, list(block_pairs(node.pairs, manner, column + manner.step, quote_keys=quote_keys))
    if isinstance(node, Sequence) and node.children:
        return head, list(_items(node, manner, column + manner.dash))
    if isinstance(node, Scalar) and manner.literal and node.style and _fits_literal(node.value):
        strip = "" if node.value.endswith("\n") else "-"
        lines = node.value.removesuffix("\n").split("\n")
        return f"{head} |{strip}", [" " * (column + manner.step) + line if line else "" for line in lines]
    return f" {inline(node, manner)}", []


def block_pairs(
    pairs: Iterable[tuple[Node, Node]], manner: Manner, column: int, *, quote_keys: str = ""
) -> Iterator[str]:
    """The lines of a mapping's pairs in block style, their keys at ``column``."""
    for key, value in pairs:
        name = inline(key, manner, key=True)
        if quote_keys and isinstance(key, Scalar) and not key.style and is_plain(key.value):
            name = quoted(key.value, quote_keys)
        head, lines = block(value, manner, column, quote_keys=quote_keys)
        yield f"{' ' * column}{name}:{head}"
        yield from lines


def _items(sequence: Sequence, manner: Manner, column: int) -> Iterator[str]:
    for item in sequence.children:
        if isinstance(item, Mapping) and item.children and item.tag is None:
            lines = list(block_pairs(item.pairs, manner, column + 2))
            yield f"{' ' * column}- {lines[0].lstrip(' ')}"
            yield from lines[1:]
        else:
            yield f"{' ' * column}- {inline(item, manner)}"


def _fits_literal(text: str) -> bool:
    if "\n" not in text or text.endswith("\n\n") or text[:1] in (" ", "\n", ""):
        return False
    return all(not line.endswith((" ", "\t")) and _shown(line) for line in text.split("\n"))


def _shown(text: str) -> bool:
    return all(character == "\t" or _is_printable(character) for character in text)


def _is_printable(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def quoted(text: str, quote: str) -> str:
    """A text in quotes; in double ones where single ones cannot hold it."""
    if quote == "'" and all(map(_is_printable, text)):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _is_printable(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
