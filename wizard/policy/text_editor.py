"""Edits of a policy's text that change nothing else.

**The contract.** An edit either succeeds: the data of the new text is exactly the old data with the edit
applied, every byte outside the edited spans is the same (line endings, byte order mark, a missing final line
ending, trailing blanks, quotes, indentation, document markers), and every comment outside them is still a
comment. Or it raises an ``InputError`` that names file, line, column, and reason. This is ensured in two ways.
First, the parser's marks give the place of each node, and the text is cut and joined only there. Second, the
new text is parsed and checked: its tree is compared with the old tree after the same edit on the data, and its
comments with those that had to be kept.

**Where a new key goes** in a mapping in block style: after the last key's value and the rest of that line.
Comment lines that follow and are indented at least as far as the mapping's keys belong to the mapping and stay
above the new key (commented-out keys, and deeper ones that belong to the last value). Comment lines with less
indentation belong to what comes next and stay below it, as do blank lines before them or at the end. For the
mapping at the root, all comments up to the end of the document (``...``) are its own. In flow style, the new key
goes after the last pair: on a line of its own if the pairs have lines of their own, otherwise on the same line.
The comma goes before a comment, and a comma after the last pair is kept.

A new key that belongs beside another one (``resource-limits`` beside ``resource-requests``) goes right after that. If
there is a blank line between all keys of a mapping, there is one before a new key. At the end of a block that another
tool manages, new keys go after its end marker.

**Where a new first key goes** (``version``): before the first key, below the comments at the head of the file.
Comment lines directly above the first key belong to that key, and the new key goes above them, if there are
other comments before those; a single block of comments is the head.

**What is removed with a key**: its value, the comments in the value and on its lines, the comment lines directly
above the key in the same column, and those below that are indented deeper than the key.

**An empty value** (nothing, ``~``, ``null``) that gets keys: the null is removed, a comment on that line stays,
and comment lines below that are indented deeper than the key stay above the new keys.

**An empty mapping in braces** under a key in block style says nothing about style: it becomes a block, unless the
mappings beside it are in braces.

**A text block that ends the file without a line ending** gets ``-`` in its header when a line is added after it, so
that its value stays the same.

Rejected are edits of a part that an anchor, an alias, or a merge key shares with another place (``unshare``
copies it first), of a duplicate key, of a value of another shape, and every edit that fails the check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from wizard.editing.cuts import Cut, apply_cuts, in_order
from wizard.errors import InputError
from wizard.policy.block_style import BlockStyle
from wizard.policy.changes import BESIDE, Append, Edit, Path, Remove, Rename, Set, Wish, differences, mixes, wish_of
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.equality import difference, equal_data
from wizard.policy.flow_style import FlowStyle
from wizard.policy.lookup import twice
from wizard.policy.readings import TAG, inherited, is_merge_key
from wizard.policy.sharing import UNSHARE, sharing_refusal, unshared
from wizard.policy.surroundings import Surroundings
from wizard.policy.tree import Alias, Collection, Mapping, Node, Scalar, Sequence, key_text, resolved
from wizard.policy.writing import Manner, block_pairs, inline, manner_of, node_of, quotes_keys

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.policy.items import Items

__all__ = ["Append", "Edit", "Remove", "Rename", "Set", "TextEditor", "apply"]

_END_OF_DOCUMENT = re.compile(r"^\.\.\.(?=\s|\Z)", re.M)
_BY_HAND = "Edit this line by hand, then repeat the step."


def apply(document: PolicyDocument, edits: Iterable[Edit], *, unshare: bool = False) -> PolicyDocument:
    """Returns the document with all edits made; the same document if they change nothing.

    With ``unshare``, parts that an anchor, an alias, or a merge key shares with another place are copied first.
    Raises InputError if an edit cannot be made or fails the check; see the contract above.
    """
    edits = list(edits)
    if unshare:
        for edit in edits:
            document = unshared(document, edit.path)
    return TextEditor(document).make(wish_of(edits))


class TextEditor:
    """The cuts in one text, and the tree that they must result in."""

    def __init__(self, document: PolicyDocument, *, may_hide: bool = False) -> None:
        self.document = document
        self.may_hide = may_hide
        """Whether a key can be added that overrides one from a merge key."""
        self.tree = document.tree
        self.text = document.text
        self.cuts: list[Cut] = []
        self.around = Surroundings(document.tree)
        self.block = BlockStyle(self)
        self.flow = FlowStyle(self)

    def splice(self, start: int, end: int, text: str) -> None:
        """Records that ``text`` replaces what is between two positions."""
        if start != end or text:
            self.cuts.append(Cut(start, end, text))

    def new_text(self) -> str:
        """Returns the text with all cuts made."""
        try:
            return apply_cuts(self.text, self.cuts)
        except ValueError:
            what = "Two of the edits overlap."
            raise self.refusal(self.tree.root, what, "Make one edit at a time.") from None

    def refusal(self, node: Node, what: str, todo: str = "") -> InputError:
        """Returns an error at the place of a node."""
        return self.document.refusal(node, what, todo)

    def refuse_shared(self, node: Node, path: Path, *, inside: bool = False) -> None:
        """Raises an error if aliases refer to a node, or with ``inside`` to a node in it."""
        error = sharing_refusal(self.document, node, path, inside=inside)
        if error is not None:
            raise error

    def copy_in(self, alias: Alias) -> None:
        """Replaces an alias with a copy of its target."""
        waiting: list[Node] = [self.tree.root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping) and not node.flow:
                for key, value in node.pairs:
                    if value is alias and not is_merge_key(key):
                        self.block.replace(node, key, alias, alias.target, (), json=False)
                        return
            if isinstance(node, Collection):
                waiting += node.children
        self.splice(alias.start, alias.end, inline(alias.target, manner_of(self.document)))

    # The whole edit -------------------------------------------------------------------------------------------

    def cut(self, wish: Wish) -> str:
        """Returns the text after a change, without the check; for changes that keep the data and are compared later."""
        assert isinstance(self.tree.root, Mapping)
        self.mapping(self.tree.root, wish, (), json=quotes_keys(self.tree.root))
        return self.new_text()

    def make(self, wish: Wish) -> PolicyDocument:
        """Returns the document after a change; raises InputError if it cannot be made or fails the check."""
        root = self.tree.root
        if isinstance(root, Mapping):
            if self.empties(root, wish):
                what = "This would remove everything in the policy."
                raise self.refusal(root, what, "Delete the file, or edit it by hand.")
            expected: Node = self.mapping(root, wish, (), json=quotes_keys(root))
        elif self.document.is_empty:
            self._refuse_missing(root, wish, ())
            expected = wish.as_node()
            self._write_empty(expected)
        else:
            raise self.refusal(root, "There is no mapping at the root.")
        return self._proved(expected) if self.cuts else self.document

    def _write_empty(self, expected: Node) -> None:
        assert isinstance(expected, Mapping)
        manner = Manner(eol=self.document.eol)
        end = _END_OF_DOCUMENT.search(self.text)
        at = end.start() if end is not None else len(self.text)
        lines = "".join(line + manner.eol for line in block_pairs(expected.pairs, manner, 0))
        self.splice(at, at, lines if not self.text[:at] or self.text[at - 1] == "\n" else manner.eol + lines)

    def _proved(self, expected: Node) -> PolicyDocument:
        try:
            made = self.document.with_text(self.new_text())
        except InputError as error:
            at = self._before(error.line, error.column)
            raise self.refusal(at, f"This cannot be edited safely: {error.what}", _BY_HAND) from None
        found = difference(expected, made.tree.root)
        if found is not None:
            at = self._before(*made.tree.place(max(found.start, 0)))
            raise self.refusal(at, "This cannot be edited safely: the value here would change.", _BY_HAND)
        spans = [(cut.start, cut.end) for cut in self.cuts if cut.start != cut.end]
        kept = [
            (start, text)
            for start, text in zip(self.tree.comments, self.tree.comment_texts(), strict=True)
            if not any(cut <= start < end for cut, end in spans)
        ]
        comments = made.tree.comment_texts()
        if comments != [text for _, text in kept]:
            lost = next((start for n, (start, text) in enumerate(kept) if comments[n : n + 1] != [text]), 0)
            at = Scalar("", start=lost, end=lost)
            raise self.refusal(at, "This cannot be edited safely: a comment would change.", _BY_HAND)
        return made

    def _before(self, line: int, column: int) -> Scalar:
        """Returns the place in the old text of one in the new text; for an added text, where it is added."""
        lines = self.new_text().split("\n")
        position = sum(len(text) + 1 for text in lines[: line - 1]) + column - 1
        shift = 0
        for cut in in_order(self.cuts):
            if position < cut.start + shift:
                break
            if position < cut.start + shift + len(cut.new):
                position = cut.start + shift
                break
            shift += len(cut.new) - (cut.end - cut.start)
        at = min(max(position - shift, 0), len(self.text))
        return Scalar("", start=at, end=at)

    # Mappings -------------------------------------------------------------------------------------------------

    def mapping(self, mapping: Mapping, wish: Wish, path: Path, *, json: bool) -> Mapping:
        """Makes the changes inside a mapping, and returns the mapping that they must result in."""
        self.refuse_shared(mapping, path)
        if mapping.tag is not None and mapping.tag.startswith(TAG) and mapping.tag != f"{TAG}map":
            tag = f"!!{mapping.tag.removeprefix(TAG)}"
            what = f"{show_path(path) or 'The policy'} has the tag {tag}, so it cannot be edited as a mapping."
            raise self.refusal(mapping, what, "Remove the tag.")
        wishes = wish.keys()
        positions = self._positions(mapping, wishes, path)
        new = {name: child for name, child in wishes.items() if name not in positions}
        for name, child in new.items():
            self._refuse_new(mapping, child, (*path, name))
        if mixes(mapping, wish):
            what = "Several keys of a mapping in braces would change at once."
            raise self.refusal(mapping, what, "Change one key at a time.")
        pairs: list[tuple[Node, Node] | None] = []
        for number, (key, value) in enumerate(mapping.pairs):
            name = key_text(key) or ""
            is_meant = positions.get(name) == number
            pairs.append(self._pair(mapping, number, wishes[name], path, json=json) if is_meant else (key, value))
        children = self._with_new(mapping, pairs, positions, new, json=json)
        return Mapping(children, mapping.flow, mapping.tag, mapping.anchor)

    def _positions(self, mapping: Mapping, wishes: dict[str, Wish], path: Path) -> dict[str, int]:
        """Returns the numbers of the pairs that change. Raises InputError for a key that is there twice or shared."""
        positions: dict[str, int] = {}
        for number, key in enumerate(mapping.children[::2]):
            name = key_text(key)
            if name is None or name not in wishes:
                continue
            if name in positions:
                raise twice(self.document, key, (*path, name))
            if isinstance(key, Alias) or self.tree.users(key):
                what = f"The key of {show_path((*path, name))} is shared with another place."
                raise self.refusal(key, what, "Edit it by hand.")
            positions[name] = number
        return positions

    def _refuse_new(self, mapping: Mapping, wish: Wish, path: Path) -> None:
        """Raises an error if a key cannot be added, or if something in it would be removed."""
        if wish.removed and inherited(mapping, str(path[-1])) is not None:
            what = f"{show_path(path)} comes from a merge key (<<), so it cannot be removed here."
            raise self.refusal(mapping, what, "Edit it by hand.")
        self._refuse_missing(mapping, wish, path)
        if not self.may_hide and inherited(mapping, str(path[-1])) is not None:
            what = f"{show_path(path)} comes from a merge key (<<), and a new key would override it."
            raise self.refusal(mapping, what, UNSHARE)

    def _refuse_missing(self, at: Node, wish: Wish, path: Path) -> None:
        """Raises an error if something in a missing value would be removed, renamed, or looked up by its number."""
        if wish.removed or wish.name or (path and isinstance(path[-1], int)):
            raise self.refusal(at, f"{show_path(path)} does not exist.")
        for name, child in wish.children.items():
            self._refuse_missing(at, child, (*path, name))

    def _pair(self, mapping: Mapping, number: int, wish: Wish, path: Path, *, json: bool) -> tuple[Node, Node] | None:
        """Makes the change of one pair, and returns what it must result in; None for nothing."""
        key, value = mapping.children[2 * number : 2 * number + 2]
        here = (*path, key_text(key) or "")
        if not wish.removed:
            new_key = self._renamed(key, wish.name, here) if wish.name else key
            if not wish.name or wish.children or wish.value is not None:
                value = self._value(mapping, key, value, wish, here, json=json)
            return new_key, value
        if inherited(mapping, str(here[-1])) is not None:
            what = f"{show_path(here)} also comes from a merge key (<<), which would remain."
            raise self.refusal(key, what, "Edit it by hand.")
        self.refuse_shared(key, here, inside=True)
        self.refuse_shared(value, here, inside=True)
        (self.flow if mapping.flow else self.block).remove(mapping, number)
        return None

    def _with_new(
        self,
        mapping: Mapping,
        pairs: list[tuple[Node, Node] | None],
        positions: dict[str, int],
        new: dict[str, Wish],
        *,
        json: bool,
    ) -> list[Node]:
        """Adds the new keys, each beside its sibling, first, or last; returns all keys and values."""
        firsts: list[tuple[Node, Node]] = []
        lasts: list[tuple[Node, Node]] = []
        beside: dict[int, tuple[Node, Node]] = {}
        for name, child in new.items():
            pair = (node_of(name), child.as_node())
            number = positions.get(BESIDE.get(name, ""), -1)
            if child.first:
                firsts.append(pair)
            elif number >= 0 and None not in pairs and self._add_beside(mapping, number, pair, json=json):
                beside[number] = pair
            else:
                lasts.append(pair)
        if mapping.flow:
            self.flow.add(mapping, firsts, lasts, json=json)
        else:
            self.block.add(mapping, firsts, lasts)
        kept = [one for number, pair in enumerate(pairs) for one in (pair, beside.get(number)) if one is not None]
        return [part for pair in (*firsts, *kept, *lasts) for part in pair]

    def _add_beside(self, mapping: Mapping, number: int, pair: tuple[Node, Node], *, json: bool) -> bool:
        """Adds a pair right after another one; returns whether it did, and not where that is the end anyway."""
        if 2 * number + 2 == len(mapping.children):
            return False
        if mapping.flow:
            return self.flow.add_beside(mapping, number, pair, json=json)
        return self.block.add_beside(mapping, number, pair)

    def empties(self, mapping: Mapping, wish: Wish) -> bool:
        """Whether the change removes everything in a mapping."""
        names = [key_text(key) for key, _ in mapping.pairs]
        removed = {name for name, child in wish.keys().items() if child.removed}
        return bool(removed) and len(removed) == len(wish.children) == len(names) and removed == set(names)

    def _renamed(self, key: Node, name: str, path: Path) -> Node:
        """Writes another name in place of a key, in the same quotes, and returns it."""
        if not isinstance(key, Scalar) or key.tag is not None or key.anchor is not None or key.style in ("|", ">"):
            raise self.refusal(key, f"{show_path(path)} cannot be renamed safely.", f"Write {name} by hand.")
        new = Scalar(name, key.style) if key.style else node_of(name)
        self.splice(key.start, key.end, inline(new, Manner(quote=key.style or '"')))
        return new

    # Values ---------------------------------------------------------------------------------------------------

    def _value(self, mapping: Mapping, key: Node, value: Node, wish: Wish, path: Path, *, json: bool) -> Node:
        """Makes the change of a key's value, and returns the value that it must result in."""
        if wish.value is not None:
            return self._set(mapping, key, value, wish.value, path, json=json)
        if isinstance(value, Alias):
            what = f"{show_path(path)} is the alias *{value.name}; the edit would also change its anchor."
            raise self.refusal(value, what, UNSHARE)
        is_list = bool(wish.added or wish.items())
        if isinstance(value, Mapping):
            return self._inside(mapping, key, value, wish, path, json=json)
        if isinstance(value, Scalar) and value.is_null:
            for name, child in wish.children.items():
                self._refuse_missing(value, child, (*path, name))
            return self._put(mapping, key, value, wish.as_node(), path, json=json)
        if isinstance(value, Sequence) and is_list:
            return self._inside_list(mapping, key, value, wish, path, json=json)
        kind = "a list" if isinstance(value, Sequence) else "a single value"
        what = f"{show_path(path)} is {kind}, but must be {'a list' if is_list else 'a mapping'}."
        raise self.refusal(value, what, "Correct it, or remove the key; then repeat the step.")

    def _set(self, mapping: Mapping, key: Node, value: Node, wanted: Node, path: Path, *, json: bool) -> Node:
        """Sets a key's value: key by key and item by item, so that what remains keeps its text, if possible."""
        if equal_data(resolved(value), wanted):
            return value
        if isinstance(wanted, Mapping) and isinstance(value, Mapping) and wanted.children and value.children:
            nested = differences(value, wanted)
            if nested is not None and not self.empties(value, nested) and not mixes(value, nested):
                return self.mapping(value, nested, path, json=quotes_keys(value))
        if isinstance(wanted, Sequence) and isinstance(value, Sequence) and value.children:
            items = self._items(value, path, json=json)
            inside = items.differences(wanted)
            if inside is not None:
                return items.change(inside)
        return self._put(mapping, key, value, wanted, path, json=json)

    def _put(self, mapping: Mapping, key: Node, value: Node, wanted: Node, path: Path, *, json: bool) -> Node:
        """Writes a value in place of another one, and returns it."""
        self.refuse_shared(value, path, inside=True)
        return self.block.replace(mapping, key, value, wanted, path, json=json)

    def _inside(self, mapping: Mapping, key: Node, value: Mapping, wish: Wish, path: Path, *, json: bool) -> Node:
        if self.empties(value, wish):
            return self._put(mapping, key, value, Mapping([]), path, json=json)
        if self._becomes_block(mapping, value):
            for name, child in wish.children.items():
                self._refuse_missing(value, child, (*path, name))
            return self._put(mapping, key, value, wish.as_node(), path, json=json)
        return self.mapping(value, wish, path, json=quotes_keys(value) if value.children else json)

    def _inside_list(self, mapping: Mapping, key: Node, value: Sequence, wish: Wish, path: Path, *, json: bool) -> Node:
        left = len(value.children) - sum(child.removed for child in wish.items().values())
        if left or (value.children and wish.added):
            return self._items(value, path, json=json).change(wish)
        made = wish.as_node() if wish.added else Sequence([], flow=True)
        return self._put(mapping, key, value, made, path, json=json)

    def _items(self, sequence: Sequence, path: Path, *, json: bool) -> Items:
        from wizard.policy.items import Items  # most merges change no list

        return Items(self, sequence, path, json=json)

    def _becomes_block(self, mapping: Mapping, value: Mapping) -> bool:
        """Whether an empty mapping in braces becomes a block when something is added to it."""
        if mapping.flow or value.children or value.tag is not None or value.anchor is not None:
            return False
        if self.text[value.start : value.end].strip("{} \t"):  # a comment, or braces on several lines
            return False
        beside = [one for one in mapping.children[1::2] if isinstance(one, Mapping) and one.children]
        return not beside or any(not one.flow for one in beside)
