"""A YAML text as a tree of nodes with their places in the text.

Built in one pass over the parser's events. The parser's own node graph is not used: for an alias it returns the
anchor's node, whose marks refer to another place of the file. Positions are indices into the text, in characters.
Aliases stay aliases: nothing is expanded while a file is read, so a file of nested aliases costs no more than its
own length.

``Node.start`` includes an anchor and a tag; ``Node.end`` is the end of the content itself, while the end marks of
libyaml's block collections are at the next token. The end of a block scalar includes the blank lines after it,
which are data or not depending on its header.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import yaml

from wizard.errors import InputError
from wizard.text.escaping import printable

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from typing import Any

MOST_NODES = 250_000
"""Values in one file, and values after its aliases are expanded."""
MOST_LINES = 250_000
"""Lines, including comments and blank lines."""
DEEPEST = 100
"""Levels of nesting with aliases expanded; a policy has six, so a much deeper file is an attack."""
_MOST_DIRECTIVES = 50  # libyaml compares each with all before it
_RIGHT_FILE = "Check that it is the right file."

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BEFORE_A_COMMENT = frozenset(" \t\n\r{}[],\"':")


class Node:
    """A node of a YAML text; ``tag`` and ``anchor`` are set only if they are written out."""

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
        """Whether this is nothing, ``~``, or ``null`` in both versions of YAML."""
        return not self.style and self.tag is None and self.value in ("", "~", "null", "Null", "NULL")


class Collection(Node):
    """The items of a sequence, or the alternating keys and values of a mapping."""

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
    """Keys and values in the order of the file; there can be duplicate keys."""

    __slots__ = ()

    @property
    def pairs(self) -> Iterator[tuple[Node, Node]]:
        return zip(self.children[::2], self.children[1::2], strict=True)

    def get(self, name: str) -> Node | None:
        """Returns the value of the last key of that name, as parsers that allow duplicates do."""
        found = self.all(name)
        return found[-1][1] if found else None

    def all(self, name: str) -> list[tuple[Node, Node]]:
        """Returns all pairs with a key of that name; there are several if it is a duplicate."""
        children = self.children
        # written out, because a merge looks up every key on its way several times
        return [
            (key, children[2 * number + 1])
            for number, key in enumerate(children[::2])
            if getattr(key.target if isinstance(key, Alias) else key, "value", None) == name
        ]


class Alias(Node):
    """``*name``, with its target node."""

    __slots__ = ("name", "target")

    def __init__(self, name: str, target: Node, start: int, end: int) -> None:
        self.name = name
        self.target = target
        self.tag = None
        self.anchor = None
        self.start = start
        self.end = end


def key_text(key: Node) -> str | None:
    """Returns a key as text; None for a key that is a collection."""
    target = resolved(key)
    return target.value if isinstance(target, Scalar) else None


def resolved(node: Node) -> Node:
    """Returns the node itself, or the target of an alias."""
    return node.target if isinstance(node, Alias) else node


class Tree:
    """The one document of a text: its root, comments, aliases, and custom tags."""

    __slots__ = ("_line_starts", "aliases", "comments", "root", "tagged", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: Node = Scalar("")
        self.comments: list[int] = []
        """Where each comment starts; it ends with its line."""
        self.aliases: list[Alias] = []
        self.tagged: list[Node] = []
        """Nodes with a tag that is not a standard YAML tag."""
        self._line_starts: list[int] | None = None

    def place(self, position: int) -> tuple[int, int]:
        """Returns the line and column of a position, both from 1."""
        if self._line_starts is None:
            self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        line = bisect_right(self._line_starts, position)
        return line, position - self._line_starts[line - 1] + 1

    def column(self, position: int) -> int:
        """Returns the number of characters before a position on its line."""
        return position - self.line_start(position)

    def line_start(self, position: int) -> int:
        return self.text.rfind("\n", 0, position) + 1

    def line_end(self, position: int) -> int:
        """Returns where the next line starts, or the end of the text."""
        found = self.text.find("\n", position)
        return len(self.text) if found < 0 else found + 1

    def comment_texts(self) -> list[str]:
        """Returns every comment from its ``#`` on, without trailing blanks."""
        return [self.text[start : self.line_end(start)].rstrip() for start in self.comments]

    def users(self, node: Node) -> list[Alias]:
        """Returns the aliases of this node."""
        return [alias for alias in self.aliases if alias.target is node] if node.anchor else []


def parse_tree(text: str, name: str = "") -> Tree:
    """Reads a text without a byte order mark; ``name`` is the file's, for messages.

    Raises InputError if the parser rejects the text, or if it contains several documents, an alias without an
    anchor, more than ``MOST_NODES`` values, or more than ``DEEPEST`` levels, with or without aliases expanded.
    """
    tree = Tree(text)
    try:
        _build(tree, name)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(tree, name, error) from None
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
    _refuse_at_once(tree, name)
    loader = LOADER(text)
    next_event = loader.get_event
    scalar_event, alias_event = yaml.ScalarEvent, yaml.AliasEvent
    starts = {yaml.MappingStartEvent: Mapping, yaml.SequenceStartEvent: Sequence}
    ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    anchors: dict[str, Node] = {}
    siblings = top = list[Node]()
    open_collections: list[Collection] = []
    enclosing: list[list[Node]] = []
    documents = count = second = 0
    hash_at = _hash_from(text, 0)
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
        elif kind in starts:
            node = starts[kind]([], bool(event.flow_style), event.tag, event.anchor, start)
            siblings.append(node)
            open_collections.append(node)
            enclosing.append(siblings)
            siblings = node.children
            _refuse_deep(tree, name, start, len(open_collections))
        elif kind in ends:
            collection = open_collections.pop()
            siblings = enclosing.pop()
            collection.end = event.end_mark.index if collection.flow else _block_end(text, collection.children)
            continue
        elif kind is alias_event:
            node = _alias(tree, name, event, anchors, open_collections)
            siblings.append(node)
        else:
            if kind is yaml.DocumentStartEvent:
                documents += 1
                second = start
            continue
        if documents > 1:
            _drop_empty_document(tree, name, siblings, second)
            continue
        count += 1
        if count > MOST_NODES:
            raise _refusal(tree, name, start, f"This file has more than {MOST_NODES:,} values.", _RIGHT_FILE)
        if node.anchor is not None or node.tag is not None:
            _note(tree, anchors, node)
    _comments_between(tree, hash_at, len(text))
    tree.root = top[0] if top else tree.root


def _hash_from(text: str, at: int) -> int:
    """Returns where the next ``#`` is; the end of the text if there is none."""
    found = text.find("#", at)
    return len(text) if found < 0 else found


def _refuse_at_once(tree: Tree, name: str) -> None:
    _refuse_many_directives(tree, name)
    if tree.text.count("\n") > MOST_LINES:
        what = f"This file has more than {MOST_LINES:,} lines."
        raise InputError(what, _RIGHT_FILE, file=name, line=MOST_LINES + 1)


def _refuse_deep(tree: Tree, name: str, start: int, depth: int) -> None:
    if depth > DEEPEST:
        raise _refusal(tree, name, start, f"This is nested more than {DEEPEST} levels deep.", _RIGHT_FILE)


def _alias(tree: Tree, name: str, event: Any, anchors: dict[str, Node], open_collections: list[Collection]) -> Alias:
    start, target = event.start_mark.index, anchors.get(event.anchor)
    if target is None or target in open_collections:
        why = "has no anchor before it." if target is None else "is inside its own anchor."
        raise _refusal(tree, name, start, f"The alias *{event.anchor} {why}", "Correct or remove the alias.")
    alias = Alias(event.anchor, target, start, event.end_mark.index)
    tree.aliases.append(alias)
    return alias


def _drop_empty_document(tree: Tree, name: str, siblings: list[Node], second: int) -> None:
    """Drops the second document if it is nothing: a marker at the end starts one. Raises InputError if it is not."""
    if len(siblings) == 2 and not _is_nothing(siblings[0]) and _is_nothing(siblings[1]):
        siblings.pop()
        return
    what = "A second document starts here, but a policy is a single document."
    raise _refusal(tree, name, second, what, "Put the policy in its own file.")


def _note(tree: Tree, anchors: dict[str, Node], node: Node) -> None:
    if node.anchor is not None:
        anchors[node.anchor] = node
    if node.tag is not None and not node.tag.startswith("tag:yaml.org,2002:"):
        tree.tagged.append(node)


def _is_nothing(node: Node) -> bool:
    return node.start == node.end and node.tag is None and node.anchor is None


def _refuse_many_directives(tree: Tree, name: str) -> None:
    for number, directive in enumerate(re.finditer(r"^%", tree.text, re.M)):
        if number >= _MOST_DIRECTIVES:
            raise _refusal(
                tree,
                name,
                directive.start(),
                f"More than {_MOST_DIRECTIVES} lines start with %.",
                _RIGHT_FILE,
            )


def _comments_between(tree: Tree, hash_at: int, stop: int) -> int:
    """Records the comments before ``stop``, outside of scalars; returns the position of the next ``#``."""
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
    """Returns the next ``#`` after a scalar that contains one; in a block scalar's header it starts a comment."""
    if style in ("|", ">"):
        header = re.compile(r"[^\n]*?[ \t](#)").match(tree.text, block_header(tree.text, start))
        if header is not None:
            tree.comments.append(header.start(1))
    return _hash_from(tree.text, end)


def block_header(text: str, start: int) -> int:
    """Returns the position of the ``|`` or ``>`` of a block scalar, after its anchor and tag."""
    match = re.compile(r"(?:[&!]\S*\s+)*").match(text, start)  # they can also be on a line of their own
    return match.end() if match is not None else start


def after_properties(text: str, start: int) -> int:
    """Returns where the content starts, after an anchor and a tag."""
    match = re.compile(r"(?:[&!]\S*(?:[ \t]+|(?=\r?\n)|$))*").match(text, start)
    return match.end() if match is not None else start


def _block_end(text: str, children: list[Node]) -> int:
    last = children[-1]
    # the mark of a missing value (`? key` alone) is at the next token
    if last.start == last.end and last.end > 0 and text[last.end - 1] not in ":-?" and len(children) > 1:
        return children[-2].end
    return last.end


def _refuse_bomb(tree: Tree, name: str) -> None:
    measures: dict[int, tuple[int, int]] = {}

    def measure(node: Node) -> tuple[int, int]:
        """Returns how many values and levels a node has, with aliases expanded."""
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
            what = f"{expanded}, this has more than {MOST_NODES:,} values."
        elif depth > DEEPEST:
            what = f"{expanded}, this is nested more than {DEEPEST} levels deep."
        if what:
            raise _refusal(tree, name, alias.start, what, _RIGHT_FILE)

    # each anchor before its aliases, so that the recursion goes no deeper than the nesting of the text
    for alias in tree.aliases:
        refuse(alias, alias, f"With the alias *{alias.name} expanded")
    refuse(tree.root, tree.aliases[-1], "With its aliases expanded")


def _not_yaml(tree: Tree, name: str, error: yaml.MarkedYAMLError) -> InputError:
    problem = printable(str(error.problem or "not readable"))
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark is not None else 0
    if "exceeded maximum nesting depth" in problem:
        # libyaml has its own limit from 0.2.6 on, which is higher than this one.
        return _refusal(tree, name, at, f"This is nested more than {DEEPEST} levels deep.", _RIGHT_FILE)
    if "more than one" in problem or "exceeded" in problem or "nesting" in problem:
        return _refusal(tree, name, at, f"This is not valid YAML: {problem}.", _RIGHT_FILE)
    from wizard.policy.syntax import explained  # only for what is not YAML

    what, todo, start = explained(error, tree.text)
    return _refusal(tree, name, start, what, todo)
