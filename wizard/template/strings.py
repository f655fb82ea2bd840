"""Strings and text blocks with interpolations and directives."""

from __future__ import annotations

import re
from collections.abc import Callable

from wizard.template.cursor import Cursor, ScanError
from wizard.template.tree import Expression

_QUOTED = re.compile(r'[^"\\\n\r$%]+')
_ESCAPE = re.compile(r'\\(?:[nrt"\\]|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})')
_MARK = re.compile(r"[$%]+\{")
_HEREDOC = re.compile(r"<<-?")
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Strings:
    """Reads strings at a cursor; ``inside`` reads the expression of an interpolation."""

    def __init__(self, cursor: Cursor, inside: Callable[[], Expression], for_head: Callable[[str], None]) -> None:
        self.cursor = cursor
        self.inside = inside
        self.for_head = for_head

    def quoted(self) -> Expression:
        """Reads a string in quotes."""
        start = self.cursor.at
        self.cursor.at += 1
        template = _Template(start)
        while True:
            if plain := _QUOTED.match(self.cursor.text, self.cursor.at):
                template.add(plain[0])
                self.cursor.at = plain.end()
            character = self.cursor.text[self.cursor.at : self.cursor.at + 1]
            if character == '"':
                self.cursor.at += 1
                break
            if character in ("", "\n", "\r"):
                self.cursor.fail("this string is not closed on its line", self.cursor.at, start)
            if character == "\\":
                escape = _ESCAPE.match(self.cursor.text, self.cursor.at)
                if escape is None:
                    self.cursor.fail("this is not an escape sequence of Terraform")
                code = escape[0][1:]
                template.add(_PLAIN_ESCAPES.get(code) or _character(code))
                self.cursor.at = escape.end()
            else:
                self._dollar(template)
        return template.done(self.cursor)

    def _dollar(self, template: _Template) -> None:
        """Reads a ``$`` or ``%``: itself, an escape, an interpolation, or a directive."""
        sign = self.cursor.text[self.cursor.at]
        if self.cursor.text.startswith(f"{sign}{sign}{{", self.cursor.at):
            template.add(sign + "{")
            self.cursor.at += 3
        elif not self.cursor.text.startswith("{", self.cursor.at + 1):
            template.add(sign)
            self.cursor.at += 1
        else:
            opened = self.cursor.at
            self.cursor.at += 2
            template.cut()
            with_depth = self.cursor.deeper(opened)
            if self.cursor.peek("~"):
                self.cursor.at += 1
            if sign == "%":
                self._directive(template, opened)
            else:
                self.inside()
            self.cursor.skip(newlines=True)
            if self.cursor.peek("~"):
                self.cursor.at += 1
            self.cursor.close("}", opened)
            self.cursor.depth = with_depth

    def _directive(self, template: _Template, opened: int) -> None:
        self.cursor.skip(newlines=True)
        at = self.cursor.at
        name = self.cursor.word()
        self.cursor.at = at
        inner = template.open[-1] if template.open else ""
        if name == "for":
            self.for_head("a for directive")
            template.open.append("for")
        elif name == "if":
            self.cursor.keyword("if")
            self.inside()
            template.open.append("if")
        elif name == "else" and inner == "if":
            self.cursor.keyword("else")
            template.open[-1] = "else"
        elif (name == "endif" and inner in ("if", "else")) or (name == "endfor" and inner == "for"):
            self.cursor.keyword(name)
            template.open.pop()
        else:
            self.cursor.fail("this is not a template directive, or it closes none", opened)

    def heredoc(self) -> Expression:
        """Reads a text block (``<<NAME``)."""
        start = self.cursor.at
        opening = _HEREDOC.match(self.cursor.text, self.cursor.at)
        assert opening is not None
        self.cursor.at = opening.end()
        marker = self.cursor.word()
        if marker is None or not self.cursor.newline():
            self.cursor.fail("after << there must be a name and, right behind it, a new line", start)
        template = _Template(start)
        fresh = True
        while True:
            end = self.cursor.text.find("\n", self.cursor.at)
            if end < 0:
                self.cursor.fail(
                    f"this text block has no end: a line with only {marker}, and a new line after it", start
                )
            if fresh and self.cursor.text[self.cursor.at : end].strip() == marker:
                self.cursor.at = end - 1 if self.cursor.text[end - 1] == "\r" else end
                return template.done(self.cursor)
            fresh = self._heredoc_line(template, end)

    def _heredoc_line(self, template: _Template, end: int) -> bool:
        """Reads up to the end of a line, or past an interpolation; returns whether a new line starts."""
        cursor, start = self.cursor, self.cursor.at
        line = cursor.text[start : end + 1]
        if (lone := line.removesuffix("\n").removesuffix("\r").find("\r")) >= 0:
            cursor.fail("a carriage return without a line feed is not allowed here", start + lone)
        if mark := _MARK.search(line):
            signs = mark[0][:-1]
            cursor.at = start + mark.end() - 2
            if signs[-2:] == signs[-1] * 2:  # $${ is an escape
                template.add(cursor.text[start : cursor.at] + "{")
                cursor.at += 2
            else:
                template.add(cursor.text[start : cursor.at])
                self._dollar(template)
            return False
        template.add(self.cursor.text[self.cursor.at : end + 1])
        self.cursor.at = end + 1
        return True


class _Template:
    """The literal parts of a string that is being read, and the directives that are open in it."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.pieces: list[list[str]] = [[]]
        self.open: list[str] = []

    def add(self, text: str) -> None:
        self.pieces[-1].append(text)

    def cut(self) -> None:
        self.pieces.append([])

    def done(self, cursor: Cursor) -> Expression:
        if self.open:
            raise ScanError(f"this string has a {self.open[-1]} directive without its end", self.start)
        first, last = "".join(self.pieces[0]), "".join(self.pieces[-1])
        if len(self.pieces) == 1:
            return Expression("text", self.start, cursor.at, first)
        return Expression("template", self.start, cursor.at, parts=(first, last))


def _character(code: str) -> str:
    number = int(code[1:], 16)
    return chr(number) if number < 0x110000 else "\ufffd"
