"""Edits of a policy's text that damage nothing.

**The contract.** Either the new text's data is exactly the old data with the edit made on it, and every
byte outside the edited spans is what it was (line ends, byte order mark, a missing last line end, blanks
at line ends, quotes, indentation, document markers), and every comment outside them is still a comment;
or nothing comes back but an ``InputError`` that names file, line, column and reason. By construction: the
parser's marks say where a node stands, and the text is cut and joined there and nowhere else. By proof:
the new text is parsed, its tree compared with the old tree on which the edit was made as data, and its
comments compared with those that were to stay.

**Where a new key goes** in a mapping in block style: after the last key's value and what stands on that
line. Comment lines that follow and are indented at least as far as the mapping's keys belong to the
mapping and stay above the new key (commented-out keys, and deeper ones that belong to the last value);
less indented ones belong to what comes next and stay below it, and so do blank lines before them or at
the end. For the mapping at the root all comments down to the end of the document (``...``) count as its
own. In flow style: after the last pair, on a line of its own where the pairs have lines of their own,
and otherwise on the same line; the comma goes before a comment, and a comma after the last pair stays one.

**Where a new first key goes** (``version``): before the first key, below the comments at the head. The
comment lines right above the first key belong to that key, and the new one goes above them, if there are
other comments before those; the only block of comments is the head.

**What goes with a key that is removed**: its value, the comments within that and on its lines, the
comment lines right above the key in the key's column, and those below that are indented deeper than it.

**An empty value** (nothing, ``~``, ``null``) that gets keys: what says null goes, a comment on that line
stays there, and comment lines below that are indented deeper than the key stay above the new keys.

Refused: an edit of what an anchor, an alias or a merge key shares with another place (``unshare`` makes
the copies first), of a key that stands there twice, of a value of another shape, and whatever fails the
proof. A block scalar that ends the file without a line end is not followed by anything, because a line
end would change its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from wizard.errors import InputError
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.readings import TAG, Reading, data_of, inherited, is_merge_key, readings
from wizard.policy.tree import (
    Alias,
    Collection,
    Mapping,
    Node,
    Scalar,
    Sequence,
    after_properties,
    block_header,
    key_text,
    resolved,
)
from wizard.policy.writing import (
    Manner,
    block,
    block_pairs,
    inline,
    inline_pair,
    manner_of,
    mapping_column,
    node_of,
)

Path = tuple[str, ...]

# possessive (*+): what a comment holds is never taken for the colon or the comma after it
_COLON = re.compile(r"(?:\s|#[^\n]*+)*+:")
_COMMA = re.compile(r"(?:\s|#[^\n]*+)*+,")
_END_OF_DOCUMENT = re.compile(r"^\.\.\.(?=\s|\Z)", re.M)
_UNSHARE = "Edit it by hand, or have the shared part copied first: podman-wizard policy merge --unshare."


@dataclass(frozen=True)
class Set:
    """What is under ``path`` shall be ``value`` (plain data); missing parents are made.

    ``first`` puts a key that is new before all others of its mapping. A mapping that is there and shall
    be another mapping is changed key by key, so that what stays in it keeps its comments.
    """

    path: Path
    value: Any
    first: bool = False


@dataclass(frozen=True)
class Remove:
    """What is under ``path`` shall not be there."""

    path: Path


class _Wish:
    """What shall become of one node: another value, its removal, or wishes for what is in it."""

    def __init__(self, value: Node | None = None, *, removed: bool = False) -> None:
        self.value = value
        self.removed = removed
        self.first = False
        self.children: dict[str, _Wish] = {}

    def as_node(self) -> Node:
        if self.value is not None:
            return self.value
        return Mapping([part for name, wish in self.children.items() for part in (node_of(name), wish.as_node())])


def apply(document: PolicyDocument, edits: Iterable[Set | Remove], *, unshare: bool = False) -> PolicyDocument:
    """The document with the edits made, in one go; the document itself where they change nothing.

    With ``unshare``, what the edits would change elsewhere through an anchor, an alias or a merge key is
    copied first. Raises InputError where the edit cannot be made or proved; see the contract above.
    """
    edits = list(edits)
    if unshare:
        for edit in edits:
            document = unshared(document, edit.path)
    wish = _Wish()
    for edit in edits:
        at = wish
        for name in edit.path:
            at = at.children.setdefault(name, _Wish())
        if isinstance(edit, Set):
            at.value, at.first = node_of(edit.value), edit.first
        else:
            at.removed = True
    return _Editor(document).make(wish)


def lookup(document: PolicyDocument, path: Path) -> Node | None:
    """What stands under a path, aliases followed and merge keys looked into; None where nothing does.

    Raises InputError where a key on the way stands there twice: parsers do not agree on which counts.
    """
    node: Node = document.tree.root
    for depth, name in enumerate(path):
        target = resolved(node)
        if not isinstance(target, Mapping):
            return None
        keys = [key for key in target.children[::2] if key_text(key) == name]
        if len(keys) > 1:
            raise _twice(document, keys[1], path[: depth + 1])
        found = target.get(name)
        if found is None:
            found = inherited(target, name)
        if found is None:
            return None
        node = found
    return node


def _twice(document: PolicyDocument, key: Node, path: Path) -> InputError:
    return document.refusal(key, f"{show_path(path)} stands here a second time.", "Remove one of the two.")


def unshared(document: PolicyDocument, path: Path) -> PolicyDocument:
    """The same data, with nothing on the way to ``path`` shared with another place of the file.

    An alias on the way becomes a copy of what it stands for; what an anchor on the way gives to aliases
    elsewhere is copied there; a key on the way that only a merge key brings in is written out.
    """
    while (copied := _unshared_once(document, path)) is not None:
        same_comments = copied.tree.comment_texts() == document.tree.comment_texts()
        if not same_comments or data_of(copied.tree.root) != data_of(document.tree.root):
            raise document.refusal(document.tree.root, f"{show_path(path)} cannot be un-shared safely.")
        document = copied
    return document


def _unshared_once(document: PolicyDocument, path: Path) -> PolicyDocument | None:
    editor = _Editor(document, may_hide=True)
    node = document.tree.root
    for depth, name in enumerate((*path, "")):
        users = [node] if isinstance(node, Alias) else document.tree.users(node)
        if users:
            for alias in users:
                editor.copy_in(alias)
            return document.with_text(editor.new_text())
        if not isinstance(node, Mapping):
            return None
        found = node.get(name) if depth < len(path) else None
        if found is None:
            source = inherited(node, name)
            if source is None:
                return None
            wish = at = _Wish()
            for step in path[: depth + 1]:
                at = at.children.setdefault(step, _Wish())
            at.value = resolved(source)
            return document.with_text(editor.cut(wish))
        node = found
    return None


class _Editor:
    """The cuts in one text, and the tree that must come out of them."""

    def __init__(self, document: PolicyDocument, *, may_hide: bool = False) -> None:
        self.document = document
        self.may_hide = may_hide
        """Whether a key may be added that hides what a merge key brings in."""
        self.tree = document.tree
        self.text = document.text
        self.splices: list[tuple[int, int, str]] = []

    def splice(self, start: int, end: int, text: str) -> None:
        """Notes that ``text`` takes the place of what is between two positions."""
        if start != end or text:
            self.splices.append((start, end, text))

    def new_text(self) -> str:
        parts, at = [], 0
        for start, end, text in sorted(self.splices, key=lambda splice: splice[:2]):
            if start < at:
                raise self.refusal(self.tree.root, "Two of the edits overlap.", "Make them one after the other.")
            parts += [self.text[at:start], text]
            at = end
        return "".join([*parts, self.text[at:]])

    def refusal(self, node: Node, what: str, todo: str = "") -> InputError:
        return self.document.refusal(node, what, todo)

    def copy_in(self, alias: Alias) -> None:
        """Puts a copy of what an alias stands for in its place."""
        waiting: list[Node] = [self.tree.root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping) and not node.flow:
                for key, value in node.pairs:
                    if value is alias and not is_merge_key(key):
                        self._replace(node, key, alias, alias.target, (), json=False)
                        return
            if isinstance(node, Collection):
                waiting += node.children
        self.splice(alias.start, alias.end, inline(alias.target, manner_of(self.document)))

    def cut(self, wish: _Wish) -> str:
        """The text with a wish made, not proved: for what keeps the data and is compared as a whole."""
        assert isinstance(self.tree.root, Mapping)
        self._mapping(self.tree.root, wish, (), json=_quotes_keys(self.tree.root))
        return self.new_text()

    def make(self, wish: _Wish) -> PolicyDocument:
        root = self.tree.root
        if isinstance(root, Mapping):
            if self._empties(root, wish):
                raise self.refusal(
                    root, "That is all that the policy holds.", "Remove the file itself, or edit it by hand."
                )
            expected: Node = self._mapping(root, wish, (), json=_quotes_keys(root))
        elif self.document.is_empty:
            expected = wish.as_node()
            self._write_empty(expected)
        else:
            raise self.refusal(root, "At the root there is no mapping.")
        if not self.splices:
            return self.document
        return self._proved(expected)

    def _proved(self, expected: Node) -> PolicyDocument:
        first = min(start for start, _, _ in self.splices)
        place = Scalar("", start=first, end=first)
        hint = "Edit this place by hand, and run the merge again."
        try:
            made = self.document.with_text(self.new_text())
        except InputError as error:
            raise self.refusal(place, f"The edit cannot be made safely here: {error.what}", hint) from None
        if not same(expected, made.tree.root):
            raise self.refusal(place, "The edit cannot be made safely here: it would change other data.", hint)
        cuts = [(start, end) for start, end, _ in self.splices if start != end]
        kept = [
            text
            for start, text in zip(self.tree.comments, self.tree.comment_texts(), strict=True)
            if not any(cut <= start < end for cut, end in cuts)
        ]
        if made.tree.comment_texts() != kept:
            raise self.refusal(place, "The edit cannot be made safely here: it would change a comment.", hint)
        return made

    def _write_empty(self, expected: Node) -> None:
        assert isinstance(expected, Mapping)
        manner = Manner(eol=self.document.eol)
        end = _END_OF_DOCUMENT.search(self.text)
        at = end.start() if end is not None else len(self.text)
        lines = "".join(line + manner.eol for line in block_pairs(expected.pairs, manner, 0))
        self.splice(at, at, lines if not self.text[:at] or self.text[at - 1] == "\n" else manner.eol + lines)

    # --- mappings ---

    def _mapping(self, mapping: Mapping, wish: _Wish, path: Path, *, json: bool) -> Mapping:
        """Makes the wishes for what is in a mapping; gives the mapping that must come out."""
        self._refuse_shared(mapping, path)
        positions: dict[str, int] = {}
        for number, (key, _) in enumerate(mapping.pairs):
            name = key_text(key)
            if name in wish.children:
                if name in positions:
                    raise _twice(self.document, key, (*path, name))
                if isinstance(key, Alias) or self.tree.users(key):
                    raise self.refusal(
                        key, f"{show_path((*path, name))} shares its key with another place.", "Edit it by hand."
                    )
                positions[name] = number
        pairs = [[key, value] for key, value in mapping.pairs]
        new = {name: child for name, child in wish.children.items() if name not in positions}
        removed = [positions[name] for name, child in wish.children.items() if child.removed and name in positions]
        for name, child in new.items():
            if child.removed:
                raise self.refusal(mapping, f"{show_path((*path, name))} is not there.")
            if not self.may_hide and inherited(mapping, name) is not None:
                raise self.refusal(
                    mapping,
                    f"{show_path((*path, name))} comes from a merge key (<<), and a key of its own would hide it.",
                    _UNSHARE,
                )
        if _mixes(mapping, wish):
            raise self.refusal(
                mapping, "Several keys of a mapping in braces change at once.", "Change one after the other."
            )
        for name, number in positions.items():
            child = wish.children[name]
            if child.removed and inherited(mapping, name) is not None:
                raise self.refusal(
                    mapping.children[2 * number],
                    f"{show_path((*path, name))} comes from a merge key (<<) too, and would stay without its own key.",
                    "Edit it by hand.",
                )
            if not child.removed:
                key, value = pairs[number]
                pairs[number][1] = self._value(mapping, key, value, child, (*path, name), json=json)
        for number in removed:
            self._remove(mapping, number, path)
        kept = [part for number, pair in enumerate(pairs) if number not in removed for part in pair]
        firsts = [(node_of(name), child.as_node()) for name, child in new.items() if child.first]
        lasts = [(node_of(name), child.as_node()) for name, child in new.items() if not child.first]
        if mapping.flow:
            self._add_to_flow(mapping, firsts, lasts, json=json)
        else:
            self._add_to_block(mapping, firsts, lasts)
        children = [part for pair in firsts for part in pair] + kept + [part for pair in lasts for part in pair]
        return Mapping(children, mapping.flow, mapping.tag, mapping.anchor)

    def _value(self, mapping: Mapping, key: Node, value: Node, wish: _Wish, path: Path, *, json: bool) -> Node:
        """Makes the wish for the value of a key; gives the value that must come out."""
        if wish.value is not None:
            target = resolved(value)
            if equal_data(target, wish.value):
                return value
            if (
                isinstance(wish.value, Mapping)
                and isinstance(value, Mapping)
                and wish.value.children
                and value.children
            ):
                nested = _differences(value, wish.value)
                if nested is not None and not self._empties(value, nested) and not _mixes(value, nested):
                    return self._mapping(value, nested, path, json=_quotes_keys(value) if value.children else json)
            self._refuse_shared(value, path, inside=True)
            self._replace(mapping, key, value, wish.value, path, json=json)
            return wish.value
        if isinstance(value, Alias):
            raise self.refusal(
                value, f"{show_path(path)} is what *{value.name} stands for; the edit would change both.", _UNSHARE
            )
        if isinstance(value, Mapping):
            if self._empties(value, wish):
                self._refuse_shared(value, path, inside=True)
                self._replace(mapping, key, value, Mapping([]), path, json=json)
                return Mapping([])
            return self._mapping(value, wish, path, json=_quotes_keys(value) if value.children else json)
        if isinstance(value, Scalar) and value.is_null:
            if any(child.removed for child in wish.children.values()):
                raise self.refusal(value, f"{show_path((*path, *list(wish.children)[:1]))} is not there.")
            self._refuse_shared(value, path)
            made = wish.as_node()
            self._replace(mapping, key, value, made, path, json=json)
            return made
        kind = "a list" if isinstance(value, Sequence) else "a single value"
        raise self.refusal(
            value,
            f"{show_path(path)} is {kind}, where a mapping is needed.",
            "Mend it, or remove the key, and merge again.",
        )

    def _empties(self, mapping: Mapping, wish: _Wish) -> bool:
        """Whether the wish takes all that is in a mapping out of it."""
        names = [key_text(key) for key, _ in mapping.pairs]
        removed = {name for name, child in wish.children.items() if child.removed}
        return (
            bool(removed)
            and len(removed) == len(wish.children)
            and removed == set(names)
            and len(names) == len(removed)
        )

    def _refuse_shared(self, node: Node, path: Path, *, inside: bool = False) -> None:
        """Refuses to change a node that aliases stand for; ``inside``: or to drop one in it."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            users = self.tree.users(one)
            if users:
                found = list(dict.fromkeys(str(self.document.line(alias)) for alias in users))
                used = f"used on line{'s' if len(found) > 1 else ''} {', '.join(found)} too"
                name = show_path(path) or "The policy"
                if one is not node:
                    raise self.refusal(
                        one, f"{name} holds the anchor &{one.anchor}, which is {used}.", "Edit it by hand."
                    )
                raise self.refusal(
                    one, f"{name} has the anchor &{one.anchor}, which is {used}; the edit would change both.", _UNSHARE
                )
            if inside and isinstance(one, Collection) and self.tree.aliases:
                waiting += one.children

    # --- block style ---

    def _add_to_block(self, mapping: Mapping, firsts: list[tuple[Node, Node]], lasts: list[tuple[Node, Node]]) -> None:
        if not firsts and not lasts:
            return
        manner = manner_of(self.document, mapping)
        column = mapping_column(self.document, mapping)
        quote = _key_quote(mapping)
        if firsts:
            at = self._before_first(mapping)
            self.splice(at, at, self._joined(block_pairs(firsts, manner, column, quote_keys=quote), at, manner))
        if lasts:
            at = self._after_block(mapping, column)
            self.splice(at, at, self._joined(block_pairs(lasts, manner, column, quote_keys=quote), at, manner))

    def _joined(self, lines: Iterable[str], at: int, manner: Manner) -> str:
        """Lines to put in at ``at``, the start of a line or the end of a last line without an end."""
        text = manner.eol.join(lines)
        if not text:
            return ""
        return text + manner.eol if at == 0 or self.text[at - 1] == "\n" else manner.eol + text

    def _before_first(self, mapping: Mapping) -> int:
        start = mapping.children[0].start
        at = self.tree.line_start(start)
        if self.text[at:start].strip(" ?"):
            raise self.refusal(mapping, "No key can be added before the first one here.", "Add it by hand.")
        own = at
        while own > 0:
            above = self.tree.line_start(own - 1)
            if not self.text[above:own].lstrip().startswith("#"):
                break
            own = above
        has_head = bool(self.tree.comments) and self.tree.comments[0] < own
        return own if has_head else at

    def _content_end(self, node: Node) -> int:
        """The start of the line after a node's content; the end of the text if there is none."""
        leaf = node
        while isinstance(leaf, Collection) and not leaf.flow and leaf.children:
            leaf = leaf.children[-1]
        if not isinstance(leaf, Scalar) or leaf.style not in ("|", ">"):
            return self.tree.line_end(node.end)
        if self._keeps(leaf):
            return leaf.end
        content = self.text[leaf.start : leaf.end]
        return self.tree.line_end(leaf.start + max(len(content.rstrip()) - 1, 0))

    def _keeps(self, scalar: Scalar) -> bool:
        """Whether the blank lines after a block scalar are part of it."""
        at = block_header(self.text, scalar.start)
        return "+" in self.text[at : at + 3]

    def _after_block(self, mapping: Mapping, column: int) -> int:
        at = self._content_end(mapping)
        leaf: Node = mapping
        while isinstance(leaf, Collection) and not leaf.flow and leaf.children:
            leaf = leaf.children[-1]
        if (
            isinstance(leaf, Scalar)
            and leaf.style in ("|", ">")
            and at == len(self.text)
            and not self.text.endswith("\n")
        ):
            header = block_header(self.text, leaf.start)
            if "-" not in self.text[header : header + 3]:
                raise self.refusal(
                    leaf,
                    "This text block ends the file without a line end; a line after it would change its value.",
                    f"End the file with a line end, or write {self.text[header]}- if the text shall not end with one.",
                )
        return self._after_comments(at, column)

    def _after_comments(self, at: int, column: int, stop: int | None = None) -> int:
        """Past the comment lines from ``at`` on that are indented at least to ``column``."""
        after = at
        limit = len(self.text) if stop is None else stop
        while at < limit:
            end = self.tree.line_end(at)
            line = self.text[at:end]
            content = line.lstrip(" \t")
            if content.startswith("#"):
                if len(line) - len(content) < column:
                    break
                after = end
            elif content.strip():
                break
            at = end
        return after

    def _replace(self, mapping: Mapping, key: Node, old: Node, new: Node, path: Path, *, json: bool) -> None:
        """Puts another value in the place of a key's value."""
        manner = manner_of(self.document, mapping)
        colon = _COLON.match(self.text, key.end)
        if colon is None or colon.end() > old.start:
            if not mapping.flow:
                raise self.refusal(
                    key, f"{show_path(path)} has neither a value nor a colon.", "Write a colon after it."
                )
            self.splice(key.end, key.end, f": {inline(new, manner, json=json)}")
            return
        after_colon = colon.end()
        if isinstance(new, Scalar) and isinstance(old, Scalar) and old.style in ("'", '"') and new.style:
            manner = replace(manner, quote=old.style)
        if (
            isinstance(new, Scalar)
            and isinstance(old, Scalar)
            and old.style in ("'", '"')
            and readings(new)[0].kind == "str"
        ):
            new = Scalar(new.value, old.style)
        column = mapping_column(self.document, mapping)
        below = self._content_end(old) if old.start != old.end else self.tree.line_end(after_colon)
        if self._after_comments(below, column + 1) != below:
            # a text block would swallow the comments that are indented as it is
            manner = replace(manner, literal=False)
        if mapping.flow:
            head, lines = f" {inline(new, manner, json=json)}", list[str]()
        else:
            head, lines = block(new, manner, column, quote_keys=_key_quote(mapping))
        if isinstance(old, Collection) and not old.flow and old.children:
            self._replace_block(old, after_colon, head, lines, manner)
            return
        end = old.end
        if isinstance(old, Scalar) and old.style in ("|", ">"):
            end = self._content_end(old)
            while end > old.start and self.text[end - 1] in "\r\n":
                end -= 1
        start = max(old.start, after_colon)
        if start == end:  # nothing was there: no blank, or more than one
            start = end = after_colon
        elif head and self.text[after_colon:start].isspace():
            head = head[1:]
        elif not head and not self.text[after_colon:start].strip(" \t"):
            start = after_colon
        self.splice(start, end, head)
        if lines:
            at = self._after_comments(self.tree.line_end(end), column + 1) if _is_null(old) else self.tree.line_end(end)
            self.splice(at, at, self._joined(lines, at, manner))

    def _replace_block(self, old: Collection, after_colon: int, head: str, lines: list[str], manner: Manner) -> None:
        on_the_line = after_properties(self.text, old.start) if old.start < old.children[0].start else after_colon
        properties_end = max(after_colon, len(self.text[:on_the_line].rstrip()))
        body = self.tree.line_end(properties_end)
        end = self._content_end(old)
        self.splice(after_colon, properties_end, head)
        if not lines and end == len(self.text) and not self.text.endswith("\n"):
            body -= len(manner.eol)
        text = manner.eol.join(lines)
        ends = end < len(self.text) or self.text.endswith("\n")
        self.splice(body, end, text + manner.eol if text and ends else text)

    # --- flow style ---

    def _flow_end(self, key: Node, value: Node) -> int:
        """Where a pair's content ends in flow style."""
        if value.start != value.end:
            return value.end
        colon = _COLON.match(self.text, key.end, value.start + 1)
        return colon.end() if colon is not None else key.end

    def _add_to_flow(
        self, mapping: Mapping, firsts: list[tuple[Node, Node]], lasts: list[tuple[Node, Node]], *, json: bool
    ) -> None:
        if not firsts and not lasts:
            return
        manner = manner_of(self.document, mapping)
        inside = after_properties(self.text, mapping.start) + 1
        close = mapping.end - 1
        if not mapping.children:
            self._fill_flow(inside, close, [*firsts, *lasts], manner, json=json)
            return
        if firsts:
            key = mapping.children[0]
            indent = self._own_line(key, inside)
            if self.text[inside : key.start].rstrip().endswith("?"):
                raise self.refusal(key, "No key can be added before the first one here.", "Add it by hand.")
            pairs = self._flow_pairs(mapping, firsts, indent, manner, json=json)
            between = ", " if indent is None else f",{manner.eol}{indent}"
            self.splice(key.start, key.start, between.join(pairs) + between)
        if lasts:
            self._append_to_flow(mapping, lasts, inside, close, manner, json=json)

    def _own_line(self, key: Node, inside: int) -> str | None:
        """The blanks before a key that starts a line within its braces; None where it does not."""
        start = self.tree.line_start(key.start)
        before = self.text[start : key.start]
        return before if start >= inside and not before.strip() else None

    def _append_to_flow(
        self, mapping: Mapping, lasts: list[tuple[Node, Node]], inside: int, close: int, manner: Manner, *, json: bool
    ) -> None:
        last_key, last_value = mapping.children[-2:]
        end = self._flow_end(last_key, last_value)
        comma = _COMMA.match(self.text, end, close)
        content_end = comma.end() if comma is not None else end
        indent = self._own_line(last_key, inside)
        pairs = self._flow_pairs(mapping, lasts, indent, manner, json=json)
        last_comma = "," if comma is not None else ""
        if indent is None:
            self.splice(content_end, content_end, ("" if comma else ",") + " " + ", ".join(pairs) + last_comma)
            return
        line = self.tree.line_end(content_end)
        text = f",{manner.eol}".join(indent + pair for pair in pairs) + last_comma
        if line > close:
            self.splice(content_end, content_end, ("" if comma else ",") + manner.eol + text)
            return
        if comma is None:
            self.splice(end, end, ",")
        at = self._after_comments(line, len(indent), self.tree.line_start(close))
        self.splice(at, at, text + manner.eol)

    def _flow_pairs(
        self, mapping: Mapping, pairs: list[tuple[Node, Node]], indent: str | None, manner: Manner, *, json: bool
    ) -> list[str]:
        """Pairs as text, over several lines where a mapping beside them is."""
        deeper = self._deeper(mapping, indent) if indent is not None else None
        if indent is None or deeper is None:
            return [inline_pair(key, value, manner, json=json) for key, value in pairs]
        return [
            f"{inline(key, manner, json=json, key=True)}: {_spread(value, manner, indent, deeper, json=json)}"
            for key, value in pairs
        ]

    def _deeper(self, mapping: Mapping, indent: str) -> str | None:
        """By how much mappings on several lines are indented here; None where there are none."""
        for value in mapping.children[1::2]:
            if isinstance(value, Mapping) and value.children:
                own = self._own_line(value.children[0], value.start + 1)
                if own is not None and own.startswith(indent) and own != indent:
                    return own[len(indent) :]
        return None

    def _fill_flow(
        self, inside: int, close: int, pairs: list[tuple[Node, Node]], manner: Manner, *, json: bool
    ) -> None:
        shown = [inline_pair(key, value, manner, json=json) for key, value in pairs]
        blank = self.text[inside:close]
        if "\n" not in blank:
            around = " " if blank else ""
            self.splice(inside, close, around + ", ".join(shown) + around)
            return
        line = self.tree.line_start(close)
        indent = self.text[line:close] + " " * manner.step
        self.splice(
            line,
            line,
            "".join(f"{indent}{pair},{manner.eol}" for pair in shown[:-1]) + f"{indent}{shown[-1]}{manner.eol}",
        )

    # --- removal ---

    def _remove(self, mapping: Mapping, number: int, path: Path) -> None:
        key, value = mapping.children[2 * number : 2 * number + 2]
        here = (*path, key_text(key) or "")
        self._refuse_shared(key, here, inside=True)
        self._refuse_shared(value, here, inside=True)
        if mapping.flow:
            self._remove_from_flow(mapping, number)
        else:
            self._remove_from_block(mapping, key, value)

    def _remove_from_block(self, mapping: Mapping, key: Node, value: Node) -> None:
        column = mapping_column(self.document, mapping)
        start = self.tree.line_start(key.start)
        if self.text[start : key.start].strip(" ?"):
            raise self.refusal(key, "This key shares its line with what is before it.", "Remove it by hand.")
        while start > 0:
            above = self.tree.line_start(start - 1)
            line = self.text[above:start]
            if not line.lstrip(" \t").startswith("#") or len(line) - len(line.lstrip(" \t")) != column:
                break
            start = above
        last = value if value.end > key.end and value.start != value.end else key
        end = self._after_comments(self._content_end(last), column + 1)
        if end == len(self.text) and not self.text.endswith("\n") and start > 0:
            start -= 2 if self.text[:start].endswith("\r\n") else 1
        self.splice(start, end, "")

    def _remove_from_flow(self, mapping: Mapping, number: int) -> None:
        key, value = mapping.children[2 * number : 2 * number + 2]
        inside = after_properties(self.text, mapping.start) + 1
        end = self._flow_end(key, value)
        comma = _COMMA.match(self.text, end, mapping.end - 1)
        content_end = comma.end() if comma is not None else end
        start = self.tree.line_start(key.start)
        line = self.tree.line_end(content_end)
        rest = self.text[content_end:line].lstrip()
        owns_line = self._own_line(key, inside) is not None and (not rest or rest.startswith("#"))
        is_last = 2 * number + 2 == len(mapping.children)
        if is_last and number and comma is None:  # the comma before it goes, which JSON would not forgive
            before = self._flow_end(*mapping.children[2 * number - 2 : 2 * number])
            found = _COMMA.match(self.text, before, key.start)
            assert found is not None
            if not owns_line:
                self.splice(found.end() - 1, end, "")
                return
            self.splice(found.end() - 1, found.end(), "")
        if owns_line:
            self.splice(start, line, "")
        elif is_last:
            previous = _COMMA.match(
                self.text, self._flow_end(*mapping.children[2 * number - 2 : 2 * number]), key.start
            )
            self.splice(previous.end() if previous is not None else key.start, content_end, "")
        else:
            self.splice(
                key.start,
                content_end + len(self.text[content_end:line]) - len(self.text[content_end:line].lstrip(" ")),
                "",
            )


def _mixes(mapping: Mapping, wish: _Wish) -> bool:
    """Whether a removal meets another removal or an addition, at which commas would be cut twice."""
    names = {key_text(key) for key in mapping.children[::2]}
    removed = [name for name, child in wish.children.items() if child.removed]
    return mapping.flow and bool(removed) and (len(removed) > 1 or not names.issuperset(wish.children))


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _quotes_keys(mapping: Mapping) -> bool:
    """Whether all keys of a mapping are in double quotes, as in JSON."""
    return _key_quote(mapping) == '"'


def _key_quote(mapping: Mapping) -> str:
    """The quote that all keys of a mapping have; "" where they do not."""
    styles = {key.style if isinstance(key, Scalar) else "" for key in mapping.children[::2]}
    return styles.pop() if len(styles) == 1 and styles <= {"'", '"'} else ""


def _spread(value: Node, manner: Manner, indent: str, deeper: str, *, json: bool) -> str:
    """A value in flow style with a line for each pair."""
    if not isinstance(value, Mapping) or not value.children:
        return inline(value, manner, json=json)
    inner = indent + deeper
    pairs = [
        f"{inner}{inline(key, manner, json=json, key=True)}: {_spread(child, manner, inner, deeper, json=json)}"
        for key, child in value.pairs
    ]
    return "{" + manner.eol + f",{manner.eol}".join(pairs) + manner.eol + indent + "}"


def _differences(old: Mapping, new: Mapping) -> _Wish | None:
    """What turns one mapping into another, key by key; None where that cannot be said by keys."""
    wish = _Wish()
    names = [key_text(key) for key in old.children[::2]]
    is_other = old.tag is not None and old.tag.startswith(TAG) and old.tag != f"{TAG}map"  # a set
    if None in names or any(is_merge_key(key) for key in old.children[::2]) or is_other:
        return None
    wanted = {key_text(key): value for key, value in new.pairs}
    for name in names:
        if name not in wanted:
            wish.children[name or ""] = _Wish(removed=True)
    for name, value in wanted.items():
        wish.children[name or ""] = _Wish(value=value)
    return wish


def same(expected: Node, found: Node) -> bool:
    """Whether two trees are the same data, written with the same anchors, aliases and tags, in one order."""
    waiting = [(expected, found)]
    while waiting:
        one, other = waiting.pop()
        if type(one) is not type(other) or one.tag != other.tag or one.anchor != other.anchor:
            return False
        if isinstance(one, Scalar):
            assert isinstance(other, Scalar)
            alike = one.value == other.value and (not one.style) == (not other.style)
            if not alike and readings(one) != readings(other):
                return False
        elif isinstance(one, Alias):
            assert isinstance(other, Alias)
            if one.name != other.name:
                return False
        else:
            assert isinstance(one, Collection) and isinstance(other, Collection)
            if len(one.children) != len(other.children):
                return False
            waiting += zip(one.children, other.children, strict=True)
    return True


def equal_data(node: Node, wanted: Node) -> bool:
    """Whether a node already is what is wanted, in both versions of YAML; a tag of its own it may have."""
    if isinstance(node, Scalar) and isinstance(wanted, Scalar):
        found = tuple(Reading("str", one.value) if one.kind == node.tag else one for one in readings(node))
        return found == readings(wanted)
    return type(node) is type(wanted) and not isinstance(node, Scalar) and same_data(node, wanted)


def same_data(node: Node, wanted: Node) -> bool:
    """Like ``equal_data`` for collections, item by item."""
    if not isinstance(node, Collection) or not isinstance(wanted, Collection):
        return equal_data(node, wanted)
    if len(node.children) != len(wanted.children):
        return False
    return all(equal_data(resolved(one), other) for one, other in zip(node.children, wanted.children, strict=True))
