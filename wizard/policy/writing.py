"""New nodes as text, in the style of the file that they are added to."""

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
_NOT_PLAIN = frozenset("yYnN")  # booleans in the YAML 1.1 specification, but not in PyYAML
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_SAMPLE = 2000
"""The number of nodes that are read to learn a file's style."""


def node_of(data: Any) -> Node:
    """Returns plain data as nodes without a place; text is quoted if either version of YAML needs it.

    Raises TypeError for anything but None, a boolean, a number, text, or a list or dict of these.
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
    raise TypeError(f"a policy cannot contain {type(data).__name__}")


def _number(number: float) -> str:
    shown = repr(number)
    if shown in ("inf", "-inf", "nan"):
        return shown.replace("inf", ".inf").replace("nan", ".nan")
    # both versions of YAML need a point and a sign: 1e+16 is text in one, 1.0e+16 a number in both
    mantissa, exponent, power = shown.partition("e")
    if not exponent:
        return shown
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{power if power[0] in '+-' else '+' + power}"


def is_plain(text: str) -> bool:
    """Whether a text can be written without quotes anywhere, and is the same text in YAML 1.1 and 1.2."""
    return (
        _START.match(text) is not None
        and _PLAIN.match(text) is not None
        and text not in _NOT_PLAIN
        and reading_1_1(text).kind == "str"
        and reading_1_2(text).kind == "str"
    )


@dataclass(frozen=True)
class Manner:
    """The style in which new content is written to a file.

    ``step`` is the number of columns from a mapping to a mapping in it, ``dash`` from a key to the dashes of its
    list; ``quote`` is the character around text that needs one.
    """

    eol: str = "\n"
    step: int = 2
    dash: int = 2
    quote: str = '"'
    text_quote: str = ""
    """The quotes of text that needs none, if all such text in the file has them."""
    literal: bool = True
    """Whether text of several lines can become a block scalar: not if the file has no final line ending."""


@dataclass
class _Habits:
    """How often a file uses each style."""

    steps: Counter[int]
    dashes: Counter[int]
    quotes: Counter[str]
    texts: Counter[str]
    """The quotes around values that need none."""

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
            # one plain text settles it, and most files have one at once
            if isinstance(value, Scalar) and value.tag is None and not self.texts[""] and is_plain(value.value):
                self.texts[value.style] += 1


@lru_cache(maxsize=1)
def _habits(document: PolicyDocument) -> _Habits:
    habits = _Habits(Counter(), Counter(), Counter(), Counter())
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
    """Returns the style of a file; the style near ``near`` takes precedence over the rest of the file.

    Reads no more than the first ``_SAMPLE`` nodes.
    """
    habits = _habits(document)
    if near is not None and near.start >= 0:
        habits = _Habits(habits.steps.copy(), habits.dashes.copy(), habits.quotes.copy(), habits.texts.copy())
        habits.look(document, near, _SAMPLE)
    # negative steps are values to the left of their key, which only lists allow, and which are no style to copy
    return Manner(
        eol=document.eol,
        step=_most(habits.steps, at_least=1, otherwise=2),
        dash=_most(habits.dashes, at_least=0, otherwise=2),
        quote=max(habits.quotes, key=lambda quote: habits.quotes[quote], default='"'),
        text_quote=_only_quote(habits.texts),
        literal=document.text.endswith("\n"),
    )


def _only_quote(found: Counter[str]) -> str:
    styles = [style for style in found if found[style]]
    return styles[0] if len(styles) == 1 and styles[0] in ("'", '"') else ""


def _most(found: Counter[int], *, at_least: int, otherwise: int) -> int:
    return max((n for n in found if at_least <= n <= 16), key=lambda n: found[n], default=otherwise)


def mapping_column(document: PolicyDocument, mapping: Mapping) -> int:
    """Returns the column of a block mapping's keys, or of their question marks."""
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
    """Returns a node on one line: a scalar, or a collection in flow style; ``json`` quotes every text."""
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
    if manner.text_quote and node.tag is None and not key and is_plain(node.value):
        return quoted(node.value, manner.text_quote)
    if not node.value or (node.tag is None and re.search(r"[][{},:#]", node.value)):
        # plain text in block style can contain characters that flow style does not allow; nothing is null
        is_text = bool(node.value) and reading_1_1(node.value).kind == "str"
        return tag + (quoted(node.value, manner.quote) if is_text or tag else node.value or "null")
    return tag + (quoted(node.value, manner.quote) if tag and not is_plain(node.value) else node.value)


def inline_pair(key: Node, value: Node, manner: Manner, *, json: bool = False) -> str:
    """Returns ``key: value`` on one line."""
    return f"{inline(key, manner, json=json, key=True)}: {inline(value, manner, json=json)}"


def _tag(node: Node) -> str:
    if node.tag is None:
        return ""
    if node.tag.startswith("tag:yaml.org,2002:"):
        return f"!!{node.tag.removeprefix('tag:yaml.org,2002:')} "
    return f"{node.tag} " if node.tag.startswith("!") else f"!<{node.tag}> "


def block(node: Node, manner: Manner, column: int, *, quote_keys: str = "") -> tuple[str, list[str]]:
    """Returns a value under a key at ``column``: what follows the colon, and the lines below, without line endings.

    ``quote_keys`` is the quote for the keys of the mapping itself, not of nested ones.
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
    """Yields the lines of a mapping's pairs in block style, with their keys at ``column``."""
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
    """Returns a text in quotes; in double quotes if single ones are not possible."""
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


def quotes_keys(mapping: Mapping) -> bool:
    """Whether all keys of a mapping are in double quotes, as in JSON."""
    return key_quote(mapping) == '"'


def key_quote(mapping: Mapping) -> str:
    """Returns the quote that all keys of a mapping have; "" if they differ."""
    styles = {key.style if isinstance(key, Scalar) else "" for key in mapping.children[::2]}
    return styles.pop() if len(styles) == 1 and styles <= {"'", '"'} else ""
