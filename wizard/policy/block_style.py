"""Changes of mappings in block style."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from wizard.policy.document import show_path
from wizard.policy.readings import readings
from wizard.policy.surroundings import COLON, is_text_block, last_leaf, last_of_pair
from wizard.policy.tree import Collection, Mapping, Node, Scalar, after_properties, block_header
from wizard.policy.writing import Manner, block, block_pairs, inline, key_quote, manner_of, mapping_column

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.policy.changes import Path
    from wizard.policy.text_editor import TextEditor

Pair = tuple[Node, Node]


class BlockStyle:
    """Adds pairs to mappings in block style, replaces values, and removes pairs; the cuts go to the editor."""

    def __init__(self, editor: TextEditor) -> None:
        self.editor = editor
        self.around = editor.around
        self.document = editor.document
        self.text = editor.text
        self.tree = editor.tree

    # Additions --------------------------------------------------------------------------------------------------

    def add(self, mapping: Mapping, firsts: list[Pair], lasts: list[Pair]) -> None:
        """Adds pairs before the first one and after the last one."""
        if not firsts and not lasts:
            return
        manner = manner_of(self.document, mapping)
        column = mapping_column(self.document, mapping)
        if firsts:
            before = self.around.before_first(mapping)
            if before is None:
                what = "Cannot add a key before the first one here."
                raise self.editor.refusal(mapping, what, "Add it by hand.")
            lines = block_pairs(firsts, manner, column, quote_keys=key_quote(mapping))
            self.editor.splice(before, before, self.joined(lines, before, manner))
        if lasts:
            at = self.around.outside_managed(self.after(mapping, column))
            self.editor.splice(at, at, self._with_gaps(mapping, lasts, at, manner))

    def add_beside(self, mapping: Mapping, number: int, pair: Pair) -> bool:
        """Adds a pair right after another one; returns whether it did."""
        key, value = mapping.children[2 * number : 2 * number + 2]
        at = self.after(last_of_pair(key, value), mapping_column(self.document, mapping) + 1)
        if self.around.outside_managed(at) != at:
            return False
        self.editor.splice(at, at, self._with_gaps(mapping, [pair], at, manner_of(self.document, mapping)))
        return True

    def _with_gaps(self, mapping: Mapping, pairs: list[Pair], at: int, manner: Manner) -> str:
        """Returns new pairs as text, with a blank line before each if the pairs that exist have one between them."""
        column, quote = mapping_column(self.document, mapping), key_quote(mapping)
        gap = [""] if self.around.has_gaps(mapping) else []
        lines = [[*gap, *block_pairs([pair], manner, column, quote_keys=quote)] for pair in pairs]
        return self.joined([line for block in lines for line in block], at, manner)

    def joined(self, lines: Iterable[str], at: int, manner: Manner) -> str:
        """Joins the lines to insert at ``at``: the start of a line, or the end of the text without a line ending."""
        text = manner.eol.join(lines)
        if not text:
            return ""
        return text + manner.eol if at == 0 or self.text[at - 1] == "\n" else manner.eol + text

    def after(self, node: Node, column: int) -> int:
        """Returns where a line goes after a node: below the comments that are indented at least to a column."""
        at = self.around.content_end(node)
        leaf = last_leaf(node)
        if isinstance(leaf, Scalar) and is_text_block(leaf) and at == len(self.text) and self.text[-1:] != "\n":
            self._strip_last(leaf)
        return self.around.after_comments(at, column)

    def _strip_last(self, leaf: Scalar) -> None:
        """Keeps a text block without a line ending at the end of the file as it is, when a line follows it."""
        header = block_header(self.text, leaf.start)
        chomping = re.compile(r"[|>][1-9]?([-+]?)[1-9]?").match(self.text, header)
        assert chomping is not None
        if chomping[1] != "-" and not leaf.value.endswith("\n"):
            start = chomping.start(1) if chomping[1] else header + 1
            self.editor.splice(start, chomping.end(1) if chomping[1] else start, "-")

    # Replacements -----------------------------------------------------------------------------------------------

    def replace(self, mapping: Mapping, key: Node, old: Node, new: Node, path: Path, *, json: bool) -> Node:
        """Replaces the value of a key, in block or in flow style; returns the value with the anchor that it keeps."""
        colon = COLON.match(self.text, key.end)
        if colon is None or colon.end() > old.start:
            if not mapping.flow:
                what = f"{show_path(path)} has neither a value nor a colon."
                raise self.editor.refusal(key, what, "Add a colon after it.")
            self.editor.splice(key.end, key.end, f": {inline(new, manner_of(self.document, mapping), json=json)}")
            return new
        after_colon = colon.end()
        wanted, new = with_anchor(new, old.anchor), in_quotes(new, old)
        manner = self._manner_for(mapping, old, new, after_colon)
        anchor = f" &{old.anchor}" if old.anchor is not None else ""
        if mapping.flow:
            head, lines = f" {inline(new, manner, json=json)}", list[str]()
        else:
            column = mapping_column(self.document, mapping)
            head, lines = block(new, manner, column, quote_keys=key_quote(mapping))
        if isinstance(old, Collection) and not old.flow and old.children:
            self._replace_block(old, after_colon, anchor + head, lines, manner)
        else:
            self._replace_inline(mapping, old, after_colon, anchor + head, lines, manner)
        return wanted

    def _manner_for(self, mapping: Mapping, old: Node, new: Node, after_colon: int) -> Manner:
        """Returns the style of a value that takes the place of another one."""
        manner = manner_of(self.document, mapping)
        if isinstance(new, Scalar) and isinstance(old, Scalar) and old.style in ("'", '"') and new.style:
            manner = replace(manner, quote=old.style)
        below = self.around.content_end(old) if old.start != old.end else self.tree.line_end(after_colon)
        if self.around.after_comments(below, mapping_column(self.document, mapping) + 1) != below:
            # a text block would include comments with its indentation
            manner = replace(manner, literal=False)
        return manner

    def _replace_inline(
        self, mapping: Mapping, old: Node, after_colon: int, head: str, lines: list[str], manner: Manner
    ) -> None:
        end = self.around.end_before_line_ending(old) if is_text_block(old) else old.end
        start = max(old.start, after_colon)
        if start == end:  # there was no value: no blank, or more than one
            start = end = after_colon
        elif head and self.text[after_colon:start].isspace():
            head = head[1:]
        elif not head and not self.text[after_colon:start].strip(" \t"):
            start = after_colon
        self.editor.splice(start, end, head)
        if lines:
            at = self.tree.line_end(end)
            if isinstance(old, Scalar) and old.is_null:
                at = self.around.after_comments(at, mapping_column(self.document, mapping) + 1)
            self.editor.splice(at, at, self.joined(lines, at, manner))

    def _replace_block(self, old: Collection, after_colon: int, head: str, lines: list[str], manner: Manner) -> None:
        has_properties = old.tag is not None or old.anchor is not None
        on_the_line = after_properties(self.text, old.start) if has_properties else after_colon
        properties_end = max(after_colon, len(self.text[:on_the_line].rstrip()))
        body = self.tree.line_end(properties_end)
        end = self.around.content_end(old)
        self.editor.splice(after_colon, properties_end, head)
        if not lines and end == len(self.text) and not self.text.endswith("\n"):
            body -= len(manner.eol)
        text = manner.eol.join(lines)
        ends = end < len(self.text) or self.text.endswith("\n")
        self.editor.splice(body, end, text + manner.eol if text and ends else text)

    # Removals ---------------------------------------------------------------------------------------------------

    def remove(self, mapping: Mapping, number: int) -> None:
        """Removes a pair with its comments."""
        key, value = mapping.children[2 * number : 2 * number + 2]
        column = mapping_column(self.document, mapping)
        line = self.tree.line_start(key.start)
        if self.text[line : key.start].strip(" ?"):
            self._remove_after_dash(mapping, key)
            return
        start = self.around.own_comments(line + column)
        end = self.around.after_comments(self.around.pair_end(key, value), column + 1)
        if end == len(self.text) and not self.text.endswith("\n") and start > 0:
            start -= 2 if self.text[:start].endswith("\r\n") else 1
        self.editor.splice(start, end, "")

    def _remove_after_dash(self, mapping: Mapping, key: Node) -> None:
        """Removes the first key of an item of a list: the next key takes its place after the dash."""
        before = self.text[self.tree.line_start(key.start) : key.start]
        after = mapping.children[2] if len(mapping.children) > 2 else None
        if before.strip(" -") or after is None or key is not mapping.children[0]:
            what = "There is something before this key on its line."
            raise self.editor.refusal(key, what, "Remove the key by hand.")
        below = self.tree.line_end(self.around.content_end(mapping.children[1]) - 1)
        if self.text[below : after.start].strip():
            what = "There is a comment between this key and the next one."
            raise self.editor.refusal(key, what, "Remove the key by hand.")
        self.editor.splice(key.start, after.start, "")


def in_quotes(new: Node, old: Node) -> Node:
    """Returns a text in the quotes of the text that it replaces, if that had some."""
    if not isinstance(new, Scalar) or not isinstance(old, Scalar) or old.style not in ("'", '"'):
        return new
    return Scalar(new.value, old.style, new.tag, new.anchor) if readings(new)[0].kind == "str" else new


def with_anchor(new: Node, anchor: str | None) -> Node:
    """Returns a value without a place that has the anchor of the value that it replaces."""
    if anchor is None:
        return new
    if isinstance(new, Scalar):
        return Scalar(new.value, new.style, new.tag, anchor)
    if isinstance(new, Collection):
        return type(new)(new.children, new.flow, new.tag, anchor)
    return new
