"""Edits of the items of a list: one item changes, and the others keep their text and their comments.

**Where a new item goes**: after the item that it follows and the comment lines below that are indented deeper than
the dash; at the end of a list, also after those in the column of the dashes, unless the list is not indented. In
brackets, it goes after the last item, on a line of its own if the items have lines of their own.

**What is removed with an item** is what is removed with a key: the comments in it and on its lines, the comment lines
directly above in the column of its dash, and those below that are indented deeper than the dash.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from wizard.policy.block_style import in_quotes, with_anchor
from wizard.policy.changes import END, Path, Wish, differences, mixes
from wizard.policy.document import show_path
from wizard.policy.equality import equal_data
from wizard.policy.readings import data_of
from wizard.policy.surroundings import is_text_block
from wizard.policy.tree import Alias, Mapping, Node, Scalar, Sequence, after_properties, resolved
from wizard.policy.writing import block_pairs, inline, key_quote, manner_of, quotes_keys

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.policy.text_editor import TextEditor

_DASH = re.compile(r"^[ ]*-[ \t]+$")
_IDENTITY = ("key", "name", "operator", "effect", "command")
"""The keys by which an item of a changed list is taken for the same item."""


class Items:
    """The items of one list, and the cuts that change them."""

    def __init__(self, editor: TextEditor, sequence: Sequence, path: Path, *, json: bool) -> None:
        self.editor = editor
        self.around = editor.around
        self.text = editor.text
        self.tree = editor.tree
        self.sequence = sequence
        self.path = path
        maps = [item for item in sequence.children if isinstance(item, Mapping) and item.children]
        self.json = all(quotes_keys(item) for item in maps) if maps else json

    def change(self, wish: Wish) -> Sequence:
        """Makes the changes inside the list, and returns the list that it must result in."""
        self.editor.refuse_shared(self.sequence, self.path)
        old = self.sequence.children
        items: list[Node | None] = list(old)
        wishes = wish.items()
        for number in wishes:
            if number >= len(old):
                what = f"{show_path((*self.path, number))} does not exist."
                raise self.editor.refusal(self.sequence, what, f"The list has {len(old)} items; the first is [0].")
        if self._cuts_meet(wish):
            raise self.editor.refusal(
                self.sequence, "Several items of a list in brackets would change at once.", "Change one at a time."
            )
        for number, child in wishes.items():
            if child.removed:
                self._remove(number)
                items[number] = None
            else:
                items[number] = self._item(number, child)
        made: list[Node] = list(wish.added.get(-1, ()))
        for number, item in enumerate(items):
            made += [item] if item is not None else []
            made += wish.added.get(number, ())
        made += wish.added.get(END, ())
        for number, nodes in wish.added.items():
            self._add(nodes, number)
        return Sequence(made, self.sequence.flow, self.sequence.tag, self.sequence.anchor)

    def _cuts_meet(self, wish: Wish) -> bool:
        """Whether a removal is combined with another removal or an addition in brackets, so that commas would meet."""
        removed = sum(child.removed for child in wish.items().values())
        return self.sequence.flow and bool(removed) and (removed > 1 or bool(wish.added))

    # --- what differs ---

    def differences(self, wanted: Sequence) -> Wish | None:
        """Returns the changes to another list, item by item; None if it is better written anew."""
        from difflib import SequenceMatcher

        old = self.sequence.children
        before, after_it = ([_identity(item) for item in items] for items in (old, wanted.children))
        wish = Wish()
        if len(old) == len(wanted.children):
            pairs = enumerate(zip(old, wanted.children, strict=True))
            others = [number for number, (one, other) in pairs if not equal_data(resolved(one), other)]
            if len(others) <= 1:
                wish.children = {number: Wish(wanted.children[number]) for number in others}
                return wish
        for kind, i, i_end, j, j_end in SequenceMatcher(None, before, after_it, autojunk=False).get_opcodes():
            both = min(i_end - i, j_end - j)
            for step in range(both):
                if kind == "equal" and equal_data(resolved(old[i + step]), wanted.children[j + step]):
                    continue
                wish.children[i + step] = Wish(wanted.children[j + step])
            for number in range(i + both, i_end):
                wish.children[number] = Wish(removed=True)
            if j + both < j_end:
                after = END if i_end == len(old) else i + both - 1
                wish.added[after] = wanted.children[j + both : j_end]
        in_brackets = self.sequence.flow and any(number != END for number in wish.added)
        stays = len(old) - sum(child.removed for child in wish.items().values())
        return None if self._cuts_meet(wish) or in_brackets or not stays else wish

    # --- one item ---

    def _item(self, number: int, wish: Wish) -> Node:
        item, path, editor = self.sequence.children[number], (*self.path, number), self.editor
        if wish.value is not None:
            if equal_data(resolved(item), wish.value):
                return item
            if isinstance(item, Mapping) and isinstance(wish.value, Mapping) and item.children and wish.value.children:
                inside = differences(item, wish.value)
                if inside is not None and not editor.empties(item, inside) and not mixes(item, inside):
                    return editor.mapping(item, inside, path, json=quotes_keys(item))
            return self._replace(item, wish.value, path)
        if isinstance(item, Alias):
            what = f"{show_path(path)} is the alias *{item.name}; the edit would also change its anchor."
            raise editor.refusal(item, what, "Edit it by hand, or with --unshare, which copies the shared part first.")
        if isinstance(item, Mapping) and not editor.empties(item, wish):
            json = quotes_keys(item) if item.children else self.json
            return editor.mapping(item, wish, path, json=json)
        if isinstance(item, Sequence):
            return Items(editor, item, path, json=self.json).change(wish)
        if isinstance(item, Mapping):
            return self._replace(item, Mapping([], flow=True), path)
        raise editor.refusal(item, f"{show_path(path)} is a single value, but must be a mapping.", "Correct it.")

    def _replace(self, item: Node, new: Node, path: Path) -> Node:
        self.editor.refuse_shared(item, path, inside=True)
        manner = manner_of(self.editor.document)
        if isinstance(item, Scalar) and item.style in ("'", '"'):
            manner = replace(manner, quote=item.style)
        is_block = isinstance(item, Sequence | Mapping) and not item.flow
        end = self.around.end_before_line_ending(item) if is_block or is_text_block(item) else item.end
        written = inline(in_quotes(new, item), manner, json=self.json)
        if item.anchor is not None:
            written = f"&{item.anchor} {written}"
        elif is_block and isinstance(new, Mapping) and new.children:
            column = self.tree.column(item.start)
            written = manner.eol.join(block_pairs(new.pairs, manner, column)).lstrip(" ")
        if item.start == item.end and self.text[item.start - 1 : item.start] == "-":
            written = f" {written}"
        self.editor.splice(item.start, end, written)
        return with_anchor(new, item.anchor)

    # --- additions ---

    def _add(self, nodes: list[Node], after: int) -> None:
        items = self.sequence.children
        last = items[min(after, len(items) - 1)] if after >= 0 else None
        if self.sequence.flow:
            self._add_in_brackets(nodes, items[-1])
            return
        dash = self._dash_of(items[0])
        column = self.tree.column(dash)
        is_end = after >= len(items) - 1
        if last is None:
            at = self.around.own_comments(dash)
        else:
            at = self.editor.block.after(last, column + (0 if is_end and self._is_indented(column) else 1))
        manner = manner_of(self.editor.document)
        self.editor.splice(at, at, self.editor.block.joined(self._lines(nodes, column), at, manner))

    def _is_indented(self, column: int) -> bool:
        """Whether the dashes are deeper than the key of the list, so that comments in their column are its own."""
        at = self.tree.line_start(self.sequence.children[0].start)
        while at > 0:
            end, at = at, self.tree.line_start(at - 1)
            line = self.text[at:end]
            if line.strip() and not line.lstrip().startswith("#"):
                return len(line) - len(line.lstrip(" ")) < column
        return False

    def _add_in_brackets(self, nodes: list[Node], last: Node) -> None:
        manner = manner_of(self.editor.document)
        inside = after_properties(self.text, self.sequence.start) + 1
        indent = self.around.own_line(last, inside)
        parts = [inline(node, manner, json=self.json) for node in nodes]
        self.editor.flow.append(parts, last.end, indent, self.sequence.end - 1, manner)

    def _lines(self, nodes: list[Node], column: int) -> list[str]:
        """Returns new items as lines in the style of the others."""
        manner = manner_of(self.editor.document)
        mappings = [item for item in self.sequence.children if isinstance(item, Mapping) and item.children]
        like = mappings[-1] if mappings else None
        gap = 2
        if like is not None and self.tree.line_start(like.start) == self.tree.line_start(self._dash_of(like)):
            gap = like.start - self._dash_of(like)
        lines: list[str] = []
        for node in nodes:
            head = " " * column + "-" + " " * (gap - 1)
            if isinstance(node, Mapping) and node.children and not (like is not None and like.flow):
                quote = key_quote(like) if like is not None else ""
                pairs = list(block_pairs(node.pairs, manner, column + gap, quote_keys=quote))
                lines += [head + pairs[0].lstrip(" "), *pairs[1:]]
            else:
                lines.append(head + inline(node, manner, json=self.json))
        return lines

    # --- removals ---

    def _dash_of(self, item: Node) -> int:
        """Returns the position of an item's dash."""
        at = item.start
        while at > 0 and self.text[at - 1] in " \t\r\n":
            at -= 1
        if self.text[at - 1 : at] == "-":
            return at - 1
        # a comment between the dash and the item
        line = self.tree.line_start(item.start)
        while line > 0:
            end, line = line, self.tree.line_start(line - 1)
            content = self.text[line:end].lstrip(" ")
            if content.startswith("-"):
                return end - len(content)
        raise self.editor.refusal(item, "The dash of this item cannot be found.", "Edit it by hand.")

    def _remove(self, number: int) -> None:
        item, path = self.sequence.children[number], (*self.path, number)
        self.editor.refuse_shared(item, path, inside=True)
        if self.sequence.flow:
            parts = [(one.start, one.end) for one in self.sequence.children]
            self.editor.flow.cut(self.sequence, parts, number)
            return
        dash = self._dash_of(item)
        if self.text[self.tree.line_start(dash) : dash].strip():
            what = "There is something before the dash of this item on its line."
            raise self.editor.refusal(item, what, "Remove the item by hand.")
        start = self.around.own_comments(dash)
        content = self.around.content_end(item) if item.start != item.end else self.tree.line_end(dash)
        end = self.around.after_comments(content, self.tree.column(dash) + 1)
        if end == len(self.text) and not self.text.endswith("\n") and start > 0:
            start -= 2 if self.text[:start].endswith("\r\n") else 1
        self.editor.splice(start, end, "")


def _identity(item: Node) -> str:
    """Returns a text that is the same for two versions of an item: its name, or all of it."""
    data: Any = data_of(item)
    if isinstance(data, dict):
        names = [(key, data[key]) for key in _IDENTITY if key in data]
        return repr(names or data)
    return repr(data)
