"""Where things end in a text: a value with its comments, a line, a block that another tool manages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wizard.policy.tree import Collection, Mapping, Node, Scalar, Tree, block_header

# possessive (*+), so that a colon or comma inside a comment never matches
COLON = re.compile(r"(?:\s|#[^\n]*+)*+:")
COMMA = re.compile(r"(?:\s|#[^\n]*+)*+,")
_MANAGED = re.compile(r"^[ \t]*#[^\n]*\b(BEGIN|END)\b[^\n]*MANAGED BLOCK", re.M)


def managed_end(text: str, at: int) -> int | None:
    """Returns where the end marker of a managed block (Ansible's) is, if a position is inside one."""
    if "MANAGED BLOCK" not in text:
        return None
    before = list(_MANAGED.finditer(text, 0, at))
    after = _MANAGED.search(text, at)
    is_inside = bool(before) and before[-1][1] == "BEGIN" and after is not None and after[1] == "END"
    return after.start() if is_inside and after is not None else None


def last_leaf(node: Node) -> Node:
    """Returns the node in block style with which another one ends."""
    while isinstance(node, Collection) and not node.flow and node.children:
        node = node.children[-1]
    return node


def is_text_block(node: Node) -> bool:
    """Whether a node is a text block: ``|`` or ``>``."""
    return isinstance(node, Scalar) and node.style in ("|", ">")


class Surroundings:
    """What is around the nodes of one text."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.text = tree.text

    # Ends -----------------------------------------------------------------------------------------------------

    def content_end(self, node: Node) -> int:
        """Returns the start of the line after a node's content; the end of the text if there is none."""
        leaf = last_leaf(node)
        if not isinstance(leaf, Scalar) or not is_text_block(leaf):
            return self.tree.line_end(node.end)
        header = block_header(self.text, leaf.start)
        if "+" in self.text[header : header + 3]:  # the blank lines after it are part of it
            return leaf.end
        at = self.tree.line_end(header)
        return at + sum(map(len, self._content_lines(leaf, at)))

    def end_before_line_ending(self, node: Node) -> int:
        """Returns the end of a node's content, without the line ending of a collection or a text block."""
        end = self.content_end(node)
        while end > node.start and self.text[end - 1] in "\r\n":
            end -= 1
        return end

    def _content_lines(self, leaf: Scalar, at: int) -> Iterator[str]:
        """Yields the lines of a text block from ``at`` to the last one that is not an empty line after the text.

        A line of blanks that is indented deeper than the text is part of it.
        """
        lines = self.text[at : leaf.end].splitlines(keepends=True)
        texts = [line for line in lines if line.strip()]
        header = self.text[block_header(self.text, leaf.start) : self.tree.line_end(leaf.start)]
        if not texts and not leaf.value.strip("\n"):
            return
        if re.match(r"[|>][-+]?[1-9]", header) or not texts:
            # the indentation is given, so that the first line can be deeper; the value says which lines are text
            last = leaf.value.rstrip("\n").rpartition("\n")[2]
            blanks = [len(line.rstrip("\r\n")) for line in lines if not line.strip()]
            indent = len(self.text) if last.strip() else max(blanks, default=0) - len(last)
        else:
            indent = len(texts[0]) - len(texts[0].lstrip(" "))
        number = max(n for n, line in enumerate(lines, 1) if line.strip() or len(line.rstrip("\r\n")) > indent)
        yield from lines[:number]

    def pair_end(self, key: Node, value: Node) -> int:
        """Returns the start of the line after a pair in block style."""
        return self.content_end(last_of_pair(key, value))

    def flow_end(self, key: Node, value: Node) -> int:
        """Returns where a pair's content ends in flow style."""
        if value.start != value.end:
            return value.end
        colon = COLON.match(self.text, key.end, value.start + 1)
        return colon.end() if colon is not None else key.end

    # Comments, blank lines, and managed blocks ------------------------------------------------------------------

    def after_comments(self, at: int, column: int, stop: int | None = None) -> int:
        """Returns the position after the comment lines from ``at`` on that are indented at least to ``column``."""
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

    def own_comments(self, at: int) -> int:
        """Returns the start of the comment lines directly above a position, in its column; else of its own line."""
        column = self.tree.column(at)
        start = self.tree.line_start(at)
        while start > 0:
            above = self.tree.line_start(start - 1)
            line = self.text[above:start]
            is_comment = line.lstrip(" \t").startswith("#") and len(line) - len(line.lstrip(" \t")) == column
            if not is_comment or _MANAGED.match(line):  # the marker of another tool stays
                break
            start = above
        return start

    def before_first(self, mapping: Mapping) -> int | None:
        """Returns where a new first key of a mapping in block style goes; None if another key is on that line."""
        start = mapping.children[0].start
        at = self.tree.line_start(start)
        if self.text[at:start].strip(" ?"):
            return None
        own = at
        while own > 0:
            above = self.tree.line_start(own - 1)
            if not self.text[above:own].lstrip().startswith("#"):
                break
            own = above
        has_head = bool(self.tree.comments) and self.tree.comments[0] < own
        return own if has_head else at

    def has_gaps(self, mapping: Mapping) -> bool:
        """Whether there is a blank line between all pairs of a mapping, of which there are at least two."""
        ends = [self.pair_end(key, value) for key, value in mapping.pairs][:-1]
        keys = mapping.children[2::2]
        return bool(ends) and all(
            any(not line.strip() for line in self.text[end : self.tree.line_start(key.start)].split("\n")[:-1])
            for end, key in zip(ends, keys, strict=True)
        )

    def outside_managed(self, at: int) -> int:
        """Returns a place for new text: after a block that another tool manages, if ``at`` is at the end of one."""
        end = managed_end(self.text, at)
        if end is None:
            return at
        lines = self.text[at:end].split("\n")
        is_end = all(not line.strip() or line.lstrip().startswith("#") for line in lines)
        return self.tree.line_end(end) if is_end else at

    def own_line(self, node: Node, inside: int) -> str | None:
        """Returns the blanks before a node that starts a line after ``inside``; None if it does not."""
        start = self.tree.line_start(node.start)
        before = self.text[start : node.start]
        return before if start >= inside and not before.strip() else None


def last_of_pair(key: Node, value: Node) -> Node:
    """Returns the value of a pair, or the key if there is no value."""
    return value if value.end > key.end and value.start != value.end else key
