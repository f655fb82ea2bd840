"""A structural scanner of HCL, Terraform's language: it accepts what Terraform's own parser accepts.

Bodies, blocks, attributes, and object literals become a tree with places. Other expressions are only checked and
bracketed, because no edit goes into them. Newlines follow HCL's rule: one ends an attribute unless a parenthesis, a
square bracket, or an interpolation is open; in an object literal it separates items.
"""

from __future__ import annotations

from wizard.template.cursor import Cursor
from wizard.template.expressions import Expressions
from wizard.template.tree import Attribute, Block, Body


class Scanner:
    """Reads one file; the cursor then has its comments, and ``expressions`` the references."""

    def __init__(self, text: str) -> None:
        self.cursor = Cursor(text)
        self.expressions = Expressions(self.cursor)

    def read(self) -> Body:
        """Reads the whole file. Raises ScanError."""
        return self._body(-1)

    def _body(self, opened: int) -> Body:
        body, names = Body(self.cursor.at), set[str]()
        while True:
            self.cursor.skip(newlines=False)
            if self.cursor.newline():
                continue
            if self.cursor.at >= len(self.cursor.text):
                if opened >= 0:
                    self.cursor.fail("this block is not closed", opened)
                body.end = self.cursor.at
                return body
            if self.cursor.text[self.cursor.at] == "}" and opened >= 0:
                body.end = self.cursor.at
                self.cursor.at += 1
                return body
            member = self._member()
            if isinstance(member, Attribute):
                if member.name in names:
                    self.cursor.fail(f"the argument {member.name} is set a second time here", member.start)
                names.add(member.name)
            body.members.append(member)
            self._line_end("an argument" if isinstance(member, Attribute) else "a block")

    def _member(self) -> Attribute | Block:
        start = self.cursor.at
        name = self.cursor.word()
        if name is None:
            self.cursor.fail("an argument or a block must start here with its name")
        self.cursor.skip(newlines=False)
        if self.cursor.peek("=") and not self.cursor.peek("=="):
            return self._attribute(name, start)
        labels = []
        while not self.cursor.peek("{"):
            label = self._label()
            if label is None:
                self.cursor.fail(f"after {name}, there must be = or {{, on the same line")
            labels.append(label)
            self.cursor.skip(newlines=False)
        opened = self.cursor.at
        self.cursor.at += 1
        with_depth = self.cursor.deeper(opened)
        body = self._block_body(opened)
        self.cursor.depth = with_depth
        return Block(name, tuple(labels), start, body, self.cursor.at)

    def _attribute(self, name: str, start: int) -> Attribute:
        sign_at = self.cursor.at
        self.cursor.at += 1
        return Attribute(name, start, sign_at, self.expressions.expression(newlines=False))

    def _label(self) -> str | None:
        if not self.cursor.peek('"'):
            return self.cursor.word()
        label = self.expressions.strings.quoted()
        if label.kind != "text":
            self.cursor.fail("a label cannot contain a template", label.start)
        return label.value

    def _block_body(self, opened: int) -> Body:
        start = self.cursor.at
        self.cursor.skip(newlines=False)
        if self.cursor.at >= len(self.cursor.text):
            self.cursor.fail("this block is not closed", opened)
        if self.cursor.text[self.cursor.at] in "\r\n":
            self.cursor.at = start
            return self._body(opened)
        body = Body(start, one_line=True)
        if not self.cursor.peek("}"):
            name_at = self.cursor.at
            name = self.cursor.word()
            self.cursor.skip(newlines=False)
            if name is None or not self.cursor.peek("=") or self.cursor.peek("=="):
                self.cursor.fail("a block on one line can only contain one argument", name_at)
            body.members.append(self._attribute(name, name_at))
            self.cursor.skip(newlines=False)
            if not self.cursor.peek("}"):
                self.cursor.fail(
                    "a block that starts with an argument on its first line must end after it, on that line"
                )
        body.end = self.cursor.at
        self.cursor.at += 1
        return body

    def _line_end(self, what: str) -> None:
        self.cursor.skip(newlines=False)
        if self.cursor.at < len(self.cursor.text) and not self.cursor.newline():
            self.cursor.fail(f"after {what}, there must be a new line")
