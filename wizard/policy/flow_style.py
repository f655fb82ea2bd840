"""Changes of collections in braces and brackets."""

from __future__ import annotations

from wizard.policy.surroundings import COMMA
from wizard.policy.tree import Collection, Mapping, Node, after_properties
from wizard.policy.writing import Manner, inline, inline_pair, manner_of

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.policy.text_editor import TextEditor

Pair = tuple[Node, Node]


class FlowStyle:
    """Adds parts to collections in flow style and removes parts; the cuts go to the editor."""

    def __init__(self, editor: TextEditor) -> None:
        self.editor = editor
        self.around = editor.around
        self.document = editor.document
        self.text = editor.text
        self.tree = editor.tree

    # Additions --------------------------------------------------------------------------------------------------

    def add(self, mapping: Mapping, firsts: list[Pair], lasts: list[Pair], *, json: bool) -> None:
        """Adds pairs before the first one and after the last one."""
        if not firsts and not lasts:
            return
        manner = manner_of(self.document, mapping)
        inside = after_properties(self.text, mapping.start) + 1
        close = mapping.end - 1
        if not mapping.children:
            self._fill(inside, close, [*firsts, *lasts], manner, json=json)
            return
        if firsts:
            key = mapping.children[0]
            indent = self.around.own_line(key, inside)
            if self.text[inside : key.start].rstrip().endswith("?"):
                raise self.editor.refusal(key, "Cannot add a key before the first one here.", "Add it by hand.")
            pairs = self._pairs(mapping, firsts, indent, manner, json=json)
            between = ", " if indent is None else f",{manner.eol}{indent}"
            self.editor.splice(key.start, key.start, between.join(pairs) + between)
        if lasts:
            last_key, last_value = mapping.children[-2:]
            indent = self.around.own_line(last_key, inside)
            pairs = self._pairs(mapping, lasts, indent, manner, json=json)
            self.append(pairs, self.around.flow_end(last_key, last_value), indent, close, manner)

    def add_beside(self, mapping: Mapping, number: int, pair: Pair, *, json: bool) -> bool:
        """Adds a pair right after another one that is not the last; returns whether it did."""
        key, value = mapping.children[2 * number : 2 * number + 2]
        manner = manner_of(self.document, mapping)
        end = self.around.flow_end(key, value)
        indent = self.around.own_line(key, after_properties(self.text, mapping.start) + 1)
        written = self._pairs(mapping, [pair], indent, manner, json=json)[0]
        comma = COMMA.match(self.text, end, mapping.end - 1)
        assert comma is not None
        line = self.tree.line_end(comma.end())
        rest = self.text[comma.end() : line].strip()
        if indent is not None and (not rest or rest.startswith("#")) and "\n" not in comma.group():
            self.editor.splice(line, line, f"{indent}{written},{manner.eol}")
        elif "#" in comma.group() or "\n" in comma.group():
            return False
        else:
            self.editor.splice(end, end, f", {written}")
        return True

    def append(self, parts: list[str], end: int, indent: str | None, close: int, manner: Manner) -> None:
        """Adds parts after the last one of a collection, which ends at ``end``.

        ``indent`` is the indentation of the last part if it starts a line, and ``close`` is where the bracket is.
        """
        comma = COMMA.match(self.text, end, close)
        content_end = comma.end() if comma is not None else end
        last_comma = "," if comma is not None else ""
        if indent is None:
            text = ("" if comma else ",") + " " + ", ".join(parts) + last_comma
            self.editor.splice(content_end, content_end, text)
            return
        line = self.tree.line_end(content_end)
        text = f",{manner.eol}".join(indent + part for part in parts) + last_comma
        if line > close:
            self.editor.splice(content_end, content_end, ("" if comma else ",") + manner.eol + text)
            return
        if comma is None:
            self.editor.splice(end, end, ",")
        at = self.around.after_comments(line, len(indent), self.tree.line_start(close))
        self.editor.splice(at, at, text + manner.eol)

    def _pairs(
        self, mapping: Mapping, pairs: list[Pair], indent: str | None, manner: Manner, *, json: bool
    ) -> list[str]:
        """Returns pairs as text, on several lines if a neighboring mapping is."""
        deeper = self._deeper(mapping, indent) if indent is not None else None
        if indent is None or deeper is None:
            return [inline_pair(key, value, manner, json=json) for key, value in pairs]
        return [
            f"{inline(key, manner, json=json, key=True)}: {_spread(value, manner, indent, deeper, json=json)}"
            for key, value in pairs
        ]

    def _deeper(self, mapping: Mapping, indent: str) -> str | None:
        """Returns the extra indentation of mappings on several lines here; None if there are none."""
        for value in mapping.children[1::2]:
            if isinstance(value, Mapping) and value.children:
                own = self.around.own_line(value.children[0], value.start + 1)
                if own is not None and own.startswith(indent) and own != indent:
                    return own[len(indent) :]
        return None

    def _fill(self, inside: int, close: int, pairs: list[Pair], manner: Manner, *, json: bool) -> None:
        shown = [inline_pair(key, value, manner, json=json) for key, value in pairs]
        blank = self.text[inside:close]
        if "\n" not in blank:
            around = " " if blank else ""
            self.editor.splice(inside, close, around + ", ".join(shown) + around)
            return
        line = self.tree.line_start(close)
        indent = self.text[line:close] + " " * manner.step
        lines = "".join(f"{indent}{pair},{manner.eol}" for pair in shown[:-1]) + f"{indent}{shown[-1]}{manner.eol}"
        self.editor.splice(line, line, lines)

    # Removals ---------------------------------------------------------------------------------------------------

    def remove(self, mapping: Mapping, number: int) -> None:
        """Removes a pair."""
        pairs = [(key.start, self.around.flow_end(key, value)) for key, value in mapping.pairs]
        self.cut(mapping, pairs, number)

    def cut(self, collection: Collection, parts: list[tuple[int, int]], number: int) -> None:
        """Removes one part of a collection, with its comma and its line."""
        inside = after_properties(self.text, collection.start) + 1
        own_start, end = parts[number]
        comma = COMMA.match(self.text, end, collection.end - 1)
        content_end = comma.end() if comma is not None else end
        start = self.tree.line_start(own_start)
        line = self.tree.line_end(content_end)
        rest = self.text[content_end:line].lstrip()
        is_first_on_line = start >= inside and not self.text[start:own_start].strip()
        owns_line = is_first_on_line and (not rest or rest.startswith("#"))
        is_last = number + 1 == len(parts)
        before = COMMA.match(self.text, parts[number - 1][1], own_start) if number else None
        if is_last and before is not None and comma is None:
            # also remove the comma before it, which JSON does not allow
            if not owns_line:
                self.editor.splice(before.end() - 1, end, "")
                return
            self.editor.splice(before.end() - 1, before.end(), "")
        if owns_line:
            self.editor.splice(start, line, "")
        elif is_last:
            self.editor.splice(before.end() if before is not None else own_start, content_end, "")
        else:
            blanks = len(self.text[content_end:line]) - len(self.text[content_end:line].lstrip(" "))
            self.editor.splice(own_start, content_end + blanks, "")


def _spread(value: Node, manner: Manner, indent: str, deeper: str, *, json: bool) -> str:
    """Returns a value in flow style with one line for each pair."""
    if not isinstance(value, Mapping) or not value.children:
        return inline(value, manner, json=json)
    inner = indent + deeper
    pairs = [
        f"{inner}{inline(key, manner, json=json, key=True)}: {_spread(child, manner, inner, deeper, json=json)}"
        for key, child in value.pairs
    ]
    return "{" + manner.eol + f",{manner.eol}".join(pairs) + manner.eol + indent + "}"
