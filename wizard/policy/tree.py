"""A YAML text as a tree of nodes that know where they stand in it.

Built in one pass over the parser's events. The parser's own node graph is not used: it answers an alias
with the anchor's node, so its marks point at another place of the file. Positions are indices into the
text, in characters. Aliases stay aliases: nothing is ever expanded while a file is read, so a file of
nested aliases costs no more than its own length.

``Node.start`` includes an anchor and a tag; ``Node.end`` is the end of the content itself, while the end
marks of libyaml's block collections lie at the next token. A block scalar's end includes the blank lines
after it, which are data or not depending on its header.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import yaml

from wizard.errors import InputError
from wizard.escaping import printable

MOST_NODES = 250_000
"""Values in one file, and values it may stand for once its aliases are expanded."""
MOST_LINES = 250_000
"""Lines, comments and blank ones included."""
DEEPEST = 100
"""Levels of nesting, aliases expanded; a policy has six, and what is nested far deeper was made to do harm."""
_MOST_DIRECTIVES = 50  # libyaml compares each with all before it

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BEFORE_A_COMMENT = frozenset(" \t\n\r{}[],\"':")


class Node:
    """Something in a YAML text; ``tag`` and ``anchor`` only where they are written out."""

    __slots__ = ("anchor", "end", "start", "tag")

    def __init__(self, tag: str | None, anchor: str | None, start: int, end: int) -> None:
        self.tag = tag
        self.anchor = anchor
        self.start = start
        self.end = end


class Scalar(Node):
    """A single value; ``style`` is ``""`` (plain), ``'``, ``"``, ``|`` or ``>``."""

    __slots__ = ("style", "value")

    def __init__(
        self,
        value: str,
        style: str = "",
        tag: str | None = None,
        anchor: str | None = None,
        start: int = -1,
        end: int = -1,
    ) -> None:
        self.value = value
        self.style = style
        self.tag = tag
        self.anchor = anchor
        self.start = start
        self.end = end

    @property
    def is_null(self) -> bool:
        """Nothing, ``~`` or ``null``, in both versions of YAML."""
        return not self.style and self.tag is None and self.value in ("", "~", "null", "Null", "NULL")


class Collection(Node):
    """A sequence's items, or a mapping's keys and values in turn."""

    __slots__ = ("children", "flow")

    def __init__(
        self,
        children: list[Node],
        flow: bool = False,
        tag: str | None = None,
        anchor: str | None = None,
        start: int = -1,
        end: int = -1,
    ) -> None:
        self.children = children
        self.flow = flow
        self.tag = tag
        self.anchor = anchor
        self.start = start
        self.end = end


class Sequence(Collection):
    """A list."""

    __slots__ = ()


class Mapping(Collection):
    """Keys and values, in the order of the file; a key may stand there twice."""

    __slots__ = ()

    @property
    def pairs(self) -> Iterator[tuple[Node, Node]]:
        return zip(self.children[::2], self.children[1::2], strict=True)

    def get(self, name: str) -> Node | None:
        """The value of the last key of that name, as parsers that allow duplicates take it."""
        found = None
        for key, value in self.pairs:
            if key_text(key) == name:
                found = value
        return found


class Alias(Node):
    """``*name``, with the node that it stands for."""

    __slots__ = ("name", "target")

    def __init__(self, name: str, target: Node, start: int, end: int) -> None:
        self.name = name
        self.target = target
        self.tag = None
        self.anchor = None
        self.start = start
        self.end = end


def key_text(key: Node) -> str | None:
    """A key as text; None for a key that is a collection."""
    target = resolved(key)
    return target.value if isinstance(target, Scalar) else None


def resolved(node: Node) -> Node:
    """The node itself, or what the alias stands for."""
    return node.target if isinstance(node, Alias) else node


class Tree:
    """The one document of a text: its root, its comments, its aliases, its unusual tags."""

    __slots__ = ("_line_starts", "aliases", "comments", "root", "tagged", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Node = Scalar("")
        self.comments: list[int] = []
        """Where each comment starts; it ends with its line."""
        self.aliases: list[Alias] = []
        self.tagged: list[Node] = []
        """Nodes with a tag that is not one of YAML's own."""
        self._line_starts: list[int] | None = None

    def place(self, position: int) -> tuple[int, int]:
        """Line and column of a position, both from 1."""
        if self._line_starts is None:
            self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        line = bisect_right(self._line_starts, position)
        return line, position - self._line_starts[line - 1] + 1

    def column(self, position: int) -> int:
        """Characters before a position on its line."""
        return position - self.line_start(position)

    def line_start(self, position: int) -> int:
        return self.text.rfind("\n", 0, position) + 1

    def line_end(self, position: int) -> int:
        """Where the next line starts, or the end of the text."""
        found = self.text.find("\n", position)
        return len(self.text) if found < 0 else found + 1

    def comment_texts(self) -> list[str]:
        """Every comment from its ``#``, without blanks at its end."""
        return [self.text[start : self.line_end(start)].rstrip() for start in self.comments]

    def users(self, node: Node) -> list[Alias]:
        """The aliases that stand for this node."""
        return [alias for alias in self.aliases if alias.target is node] if node.anchor else []


def parse_tree(text: str, name: str = "") -> Tree:
    """Reads a text without a byte order mark; ``name`` is the file's, for messages.

    Raises InputError where the parser refuses the text, or it holds several documents, an alias without
    an anchor, more than ``MOST_NODES`` values or more than ``DEEPEST`` levels, also once aliases are expanded.
    """
    tree = Tree(text)
    try:
        _build(tree, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        what, todo = _in_plain_words(error, text, mark.index if mark is not None else -1)
        raise InputError(what, todo, file=name, line=line, column=column) from None
    except yaml.YAMLError as error:
        raise InputError(f"This is not valid YAML: {printable(str(error))}.", file=name) from None
    if tree.aliases:
        _refuse_bomb(tree, name)
    return tree


def _refusal(tree: Tree, name: str, position: int, what: str, todo: str) -> InputError:
    line, column = tree.place(position)
    return InputError(what, todo, file=name, line=line, column=column)


def _build(tree: Tree, name: str) -> None:
    text = tree.text
    _refuse_many_directives(tree, name)
    if text.count("\n") > MOST_LINES:
        what = f"This holds more than {MOST_LINES:,} lines."
        raise InputError(what, "Is it the file that you meant?", file=name, line=MOST_LINES + 1)
    loader = LOADER(text)
    next_event = loader.get_event
    scalar_event, alias_event = yaml.ScalarEvent, yaml.AliasEvent
    mapping_start, sequence_start = yaml.MappingStartEvent, yaml.SequenceStartEvent
    mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
    anchors: dict[str, Node] = {}
    siblings: list[Node] = []
    open_collections: list[Collection] = []
    enclosing: list[list[Node]] = []
    documents = count = 0
    find = text.find
    hash_at = find("#")
    if hash_at < 0:
        hash_at = len(text)
    node: Node
    while (event := next_event()) is not None:
        kind = type(event)
        start = event.start_mark.index
        if hash_at < start:
            hash_at = _comments_between(tree, hash_at, start)
        if kind is scalar_event:
            style = event.style or ""
            end = event.end_mark.index
            node = Scalar(event.value, style, event.tag, event.anchor, start, end)
            siblings.append(node)
            if hash_at < end:
                hash_at = _after_scalar(tree, style, start, end)
        elif kind is mapping_start or kind is sequence_start:
            make = Mapping if kind is mapping_start else Sequence
            node = make([], bool(event.flow_style), event.tag, event.anchor, start)
            siblings.append(node)
            open_collections.append(node)
            enclosing.append(siblings)
            siblings = node.children
            if len(open_collections) > DEEPEST:
                raise _refusal(
                    tree,
                    name,
                    start,
                    f"This is nested more than {DEEPEST} levels deep.",
                    "Is it the file that you meant?",
                )
        elif kind is mapping_end or kind is sequence_end:
            collection = open_collections.pop()
            siblings = enclosing.pop()
            collection.end = event.end_mark.index if collection.flow else _block_end(text, collection.children)
            continue
        elif kind is alias_event:
            found = anchors.get(event.anchor)
            if found is None or found in open_collections:
                raise _refusal(
                    tree,
                    name,
                    start,
                    f"The alias *{event.anchor} "
                    + ("has no anchor before it." if found is None else "stands inside what it stands for."),
                    "Mend or remove the alias.",
                )
            node = Alias(event.anchor, found, start, event.end_mark.index)
            siblings.append(node)
            tree.aliases.append(node)
        else:
            if kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise _refusal(
                        tree,
                        name,
                        start,
                        "A second document starts here; a policy is one document.",
                        "Put the policy into a file of its own.",
                    )
            continue
        count += 1
        if count > MOST_NODES:
            raise _refusal(
                tree, name, start, f"This holds more than {MOST_NODES:,} values.", "Is it the file that you meant?"
            )
        if event.anchor is not None and kind is not alias_event:
            anchors[event.anchor] = node
        tag = node.tag
        if tag is not None and not tag.startswith("tag:yaml.org,2002:"):
            tree.tagged.append(node)
    _comments_between(tree, hash_at, len(text))
    if siblings:
        tree.root = siblings[0]


def _refuse_many_directives(tree: Tree, name: str) -> None:
    for number, directive in enumerate(re.finditer(r"^%", tree.text, re.M)):
        if number >= _MOST_DIRECTIVES:
            raise _refusal(
                tree,
                name,
                directive.start(),
                f"More than {_MOST_DIRECTIVES} lines start with %.",
                "Is it the file that you meant?",
            )


def _comments_between(tree: Tree, hash_at: int, stop: int) -> int:
    """Notes the comments before ``stop``, where no scalar stands; gives the next ``#`` from there on."""
    text = tree.text
    while hash_at < stop:
        if hash_at == 0 or text[hash_at - 1] in _BEFORE_A_COMMENT:
            tree.comments.append(hash_at)
            hash_at = text.find("#", tree.line_end(hash_at))
        else:  # part of a tag or a directive
            hash_at = text.find("#", hash_at + 1)
        if hash_at < 0:
            hash_at = len(text)
    return hash_at


def _after_scalar(tree: Tree, style: str, start: int, end: int) -> int:
    """The next ``#`` after a scalar that holds one; in a block scalar's header it starts a comment."""
    if style in ("|", ">"):
        header = re.compile(r"[^\n]*?[ \t](#)").match(tree.text, block_header(tree.text, start))
        if header is not None:
            tree.comments.append(header.start(1))
    found = tree.text.find("#", end)
    return len(tree.text) if found < 0 else found


def block_header(text: str, start: int) -> int:
    """Where the ``|`` or ``>`` of a block scalar stands, after its anchor and tag."""
    return after_properties(text, start)


def after_properties(text: str, start: int) -> int:
    """Where the content starts, after an anchor and a tag."""
    match = re.compile(r"(?:[&!]\S*(?:[ \t]+|(?=\r?\n)|$))*").match(text, start)
    return match.end() if match is not None else start


def _block_end(text: str, children: list[Node]) -> int:
    last = children[-1]
    # the mark of a value that is not there at all (`? key` alone) lies at the next token
    if last.start == last.end and last.end > 0 and text[last.end - 1] not in ":-?" and len(children) > 1:
        return children[-2].end
    return last.end


def _refuse_bomb(tree: Tree, name: str) -> None:
    measures: dict[int, tuple[int, int]] = {}

    def measure(node: Node) -> tuple[int, int]:
        """How many values a node holds, and how many levels, aliases expanded."""
        if isinstance(node, Alias):
            return measure(node.target)
        if not isinstance(node, Collection):
            return 1, 0
        known = measures.get(id(node))
        if known is None:
            inner = [measure(child) for child in node.children]
            size = 1 + sum(size for size, _ in inner)
            known = measures[id(node)] = size, 1 + max((depth for _, depth in inner), default=0)
        return known

    def refuse(node: Node, alias: Alias, expanded: str) -> None:
        size, depth = measure(node)
        what = ""
        if size > MOST_NODES:
            what = f"{expanded}, this holds more than {MOST_NODES:,} values."
        elif depth > DEEPEST:
            what = f"{expanded}, this is nested more than {DEEPEST} levels deep."
        if what:
            raise _refusal(tree, name, alias.start, what, "Is it the file that you meant?")

    # each anchor before its aliases, so that the recursion goes no deeper than the nesting of the text
    for alias in tree.aliases:
        refuse(alias, alias, f"With the alias *{alias.name} expanded")
    refuse(tree.root, tree.aliases[-1], "With its aliases expanded")


def _in_plain_words(error: yaml.MarkedYAMLError, text: str, position: int) -> tuple[str, str]:
    problem = printable(str(error.problem or "not readable"))
    line = text[text.rfind("\n", 0, position) + 1 : text.find("\n", position) if "\n" in text[position:] else None]
    if 0 <= position < len(text) and "\t" in line[: len(line) - len(line.lstrip())] + text[position]:
        return "A tab stands where YAML wants spaces.", "Replace the tab by spaces."
    if "exceeded maximum nesting depth" in problem:
        # libyaml has a limit of its own from 0.2.6 on; where it stands, ours was passed long before.
        return f"This is nested more than {DEEPEST} levels deep.", "Is it the file that you meant?"
    if "more than one" in problem or "exceeded" in problem or "nesting" in problem:
        return f"This is not valid YAML: {problem}.", "Is it the file that you meant?"
    context = f" ({printable(str(error.context))})" if error.context else ""
    return f"This is not valid YAML: {problem}{context}.", "Mend the line; nothing was changed."
