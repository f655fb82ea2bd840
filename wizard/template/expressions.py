"""Expressions: checked and bracketed as Terraform does. Only literal objects, lists, and strings become a tree."""

from __future__ import annotations

import re

from wizard.template.cursor import Cursor
from wizard.template.strings import Strings
from wizard.template.tree import Expression, Item, Kind, Reference

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|&&|\|\||[-+*/%]|<(?!<)|>")


class Expressions:
    """Reads expressions at a cursor, and notes the references in them."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.strings = Strings(cursor, lambda: self.expression(newlines=True), self._for_head)
        self.references: list[Reference] = []
        self.splat = False

    def expression(self, *, newlines: bool) -> Expression:
        """Reads operands and operators; ``newlines`` says that newlines are blanks here."""
        self.cursor.skip(newlines=newlines)
        with_depth = self.cursor.deeper(self.cursor.at)
        first = self._operand(newlines=newlines)
        start, end, single = first.start, first.end, True
        while True:
            self.cursor.at = end
            self.cursor.skip(newlines=newlines)
            if operator := _OPERATOR.match(self.cursor.text, self.cursor.at):
                self.cursor.at = operator.end()
            elif self.cursor.peek("?"):
                self.cursor.at += 1
                self.expression(newlines=newlines)
                self.cursor.skip(newlines=newlines)
                self.cursor.expect(":", "the second part of a condition (a ? b : c)")
            else:
                break
            single = False
            self.cursor.skip(newlines=newlines)
            end = self._operand(newlines=newlines).end
        self.cursor.at = end
        self.cursor.depth = with_depth
        return first if single else Expression("other", start, end)

    def _operand(self, *, newlines: bool) -> Expression:
        start = self.cursor.at
        while self.cursor.peek("-") or (self.cursor.peek("!") and not self.cursor.peek("!=")):
            self.cursor.at += 1
            self.cursor.skip(newlines=newlines)
        signed = self.cursor.at > start
        term = self._term(newlines=newlines)
        names = [term.value] if term.kind == "name" and not term.wrapped else []
        end = self.cursor.at
        self.splat = False
        while self._step(names, newlines=newlines):
            end = self.cursor.at
        self.cursor.at = end
        if len(names) > 1:
            self.references.append(Reference(term.start, tuple(names)))
        if end == term.end and not signed:
            return term
        return Expression("reference" if names and not signed else "other", start, end)

    def _step(self, names: list[str], *, newlines: bool) -> bool:
        """Reads one step of a traversal (``.name``, ``.0``, ``.*``, ``[...]``); returns whether there was one."""
        self.cursor.skip(newlines=newlines)
        if self.cursor.peek(".") and not self.cursor.peek("..."):
            self.cursor.at += 1
            self.cursor.skip(newlines=newlines)
            name = self.cursor.word()
            if name is not None:
                if names:
                    names.append(name)
            elif self.cursor.peek("*"):
                if self.splat:
                    self.cursor.fail("a second .* is not allowed in a reference")
                self.cursor.at += 1
                self.splat = True
            else:
                index = _NUMBER.match(self.cursor.text, self.cursor.at)
                if index is None or "." in index[0]:
                    self.cursor.fail("after a dot, there must be the name of an attribute")
                self.cursor.at = index.end()
            return True
        if self.cursor.peek("["):
            opened = self.cursor.at
            self.cursor.at += 1
            self.splat = False
            self.cursor.skip(newlines=True)
            if self.cursor.peek("*"):
                self.cursor.at += 1
            else:
                self.expression(newlines=True)
                self.splat = False
            self.cursor.close("]", opened)
            return True
        return False

    def _term(self, *, newlines: bool) -> Expression:
        start = self.cursor.at
        character = self.cursor.text[start : start + 1]
        if character == '"':
            return self.strings.quoted()
        if character == "(":
            self.cursor.at += 1
            inside = self.expression(newlines=True)
            self.cursor.close(")", start)
            kind: Kind = "other" if inside.kind == "object" else inside.kind
            return Expression(kind, start, self.cursor.at, inside.value, wrapped=True, parts=inside.parts)
        if character == "[":
            return self._list(start)
        if character == "{":
            return self._object(start)
        if self.cursor.peek("<<"):
            return self.strings.heredoc()
        if number := _NUMBER.match(self.cursor.text, start):
            self.cursor.at = number.end()
            return Expression("number", start, self.cursor.at, number[0])
        name = self.cursor.word()
        if name is None:
            self.cursor.fail("a value is missing here" if self.cursor.is_line_end() else "this is not a value")
        return self._named(name, start, newlines=newlines)

    def _named(self, name: str, start: int, *, newlines: bool) -> Expression:
        end = self.cursor.at
        while self.cursor.peek("::"):
            self.cursor.at += 2
            if self.cursor.word() is None:
                self.cursor.fail("after ::, there must be the name of a function")
            end = self.cursor.at
        spaced = end > start + len(name)
        self.cursor.skip(newlines=newlines)
        if not self.cursor.peek("("):
            if spaced:
                self.cursor.fail("a function must be called: there is no ( after its name")
            self.cursor.at = end
            return Expression("name", start, end, name)
        opened = self.cursor.at
        self.cursor.at += 1
        while True:
            self.cursor.skip(newlines=True)
            if self.cursor.peek(")"):
                break
            self.expression(newlines=True)
            self.cursor.skip(newlines=True)
            if self.cursor.peek("..."):
                self.cursor.at += 3
                self.cursor.skip(newlines=True)
                break
            if not self.cursor.peek(","):
                break
            self.cursor.at += 1
        self.cursor.close(")", opened)
        return Expression("call", start, self.cursor.at, name)

    def _list(self, start: int) -> Expression:
        self.cursor.at += 1
        self.cursor.skip(newlines=True)
        if self._is_for():
            return self._for(start, "]")
        elements = []
        while not self.cursor.peek("]"):
            elements.append(self.expression(newlines=True))
            self.cursor.skip(newlines=True)
            if not self.cursor.peek(","):
                break
            self.cursor.at += 1
            self.cursor.skip(newlines=True)
        self.cursor.close("]", start)
        return Expression("list", start, self.cursor.at, elements=elements)

    def _object(self, start: int) -> Expression:
        self.cursor.at += 1
        self.cursor.skip(newlines=True)
        if self._is_for():
            return self._for(start, "}")
        self.cursor.at = start + 1
        found = Expression("object", start, start)
        self.cursor.skip(newlines=False)
        found.first_newline = self.cursor.at if self.cursor.is_line_end() else -1
        while True:
            self.cursor.skip(newlines=False)
            if self.cursor.newline():
                continue
            if self.cursor.at >= len(self.cursor.text):
                self.cursor.fail("this { is not closed", start)
            if self.cursor.peek("}"):
                self.cursor.at += 1
                found.end = self.cursor.at
                return found
            found.items.append(self._item())

    def _item(self) -> Item:
        key = self.expression(newlines=False)
        self.cursor.skip(newlines=False)
        sign_at = self.cursor.at
        sign = self.cursor.text[self.cursor.at : self.cursor.at + 1]
        if sign not in ("=", ":") or self.cursor.peek("==") or self.cursor.peek("=>"):
            self.cursor.fail("after the key of an item, there must be = or :")
        self.cursor.at += 1
        item = Item(key, sign, sign_at, self.expression(newlines=False))
        self.cursor.skip(newlines=False)
        if self.cursor.peek(","):
            item.comma = True
            self.cursor.at += 1
        elif not self.cursor.peek("}") and not self.cursor.newline():
            self.cursor.fail("after an item, there must be a new line or a comma")
        return item

    def _is_for(self) -> bool:
        at = self.cursor.at
        name = self.cursor.word()
        self.cursor.at = at
        return name == "for"

    def _for(self, start: int, close: str) -> Expression:
        self._for_head("a for expression")
        self.cursor.expect(":", "a for expression")
        self.expression(newlines=True)
        self.cursor.skip(newlines=True)
        if close == "}":
            self.cursor.expect("=>", "a for expression that makes an object")
            self.expression(newlines=True)
            self.cursor.skip(newlines=True)
            if self.cursor.peek("..."):
                self.cursor.at += 3
                self.cursor.skip(newlines=True)
        if self.cursor.keyword("if"):
            self.expression(newlines=True)
        self.cursor.close(close, start)
        return Expression("for", start, self.cursor.at)

    def _for_head(self, what: str) -> None:
        """Reads ``for a, b in list``."""
        self.cursor.keyword("for")
        self.cursor.skip(newlines=True)
        if self.cursor.word() is None:
            self.cursor.fail(f"{what} needs the name of a variable here")
        self.cursor.skip(newlines=True)
        if self.cursor.peek(","):
            self.cursor.at += 1
            self.cursor.skip(newlines=True)
            if self.cursor.word() is None:
                self.cursor.fail(f"{what} needs the name of a variable here")
            self.cursor.skip(newlines=True)
        if not self.cursor.keyword("in"):
            self.cursor.fail(f"{what} needs the word in here")
        self.expression(newlines=True)
        self.cursor.skip(newlines=True)
