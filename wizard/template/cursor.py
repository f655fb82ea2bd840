"""A place in a Terraform file that moves forward: blanks, comments, line endings, names, and brackets.

Input is bounded: by size (in ``document``), and here by ``DEEPEST``, so that no file can exhaust the stack.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

DEEPEST: Final = 100
"""The deepest nesting of blocks, brackets, and interpolations that is read."""

_BLANK = re.compile(r"[ \t]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class ScanError(Exception):
    """What Terraform's parser rejects; ``at`` is the place, ``since`` where the unfinished thing starts, or -1."""

    def __init__(self, what: str, at: int, since: int = -1) -> None:
        super().__init__(what)
        self.what, self.at, self.since = what, at, since


class TooDeepError(ScanError):
    """More nesting than is read; Terraform itself could accept it."""


class Cursor:
    """A place in a text, with the depth of nesting there and the comments before it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.comments: dict[int, int] = {}
        """The end of each comment by its start; the line ending after ``#`` and ``//`` is not part of it."""

    def skip(self, *, newlines: bool) -> None:
        """Skips blanks and comments, and line endings if they are blanks here."""
        text = self.text
        while True:
            if text[self.at : self.at + 1] in (" ", "\t"):
                blank = _BLANK.match(text, self.at)
                assert blank is not None
                self.at = blank.end()
            if text[self.at : self.at + 1] not in ("#", "/", "\r", "\n"):
                return
            if text.startswith("#", self.at) or text.startswith("//", self.at):
                end = text.find("\n", self.at)
                end = len(text) if end < 0 else end
                self.comments[self.at] = end - 1 if text[end - 1 : end + 1] == "\r\n" else end
                self.at = self.comments[self.at]
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end < 0:
                    self.fail("this comment is not closed")
                self.comments[self.at] = end + 2
                self.at = end + 2
            elif not (newlines and self.newline()):
                return

    def newline(self) -> bool:
        """Reads a line ending; returns whether there was one."""
        if self.text.startswith("\n", self.at):
            self.at += 1
            return True
        if self.text.startswith("\r\n", self.at):
            self.at += 2
            return True
        return False

    def is_line_end(self) -> bool:
        """Tells whether the line ends here."""
        return self.at >= len(self.text) or self.peek("\n") or self.peek("\r\n")

    def word(self) -> str | None:
        """Reads a name; None if there is none."""
        start = self.at
        word = _WORD.match(self.text, start)
        end = word.end() if word else start
        # Identifiers can have letters of every script.
        while end < len(self.text) and self.text[end] > "\x7f":
            if not (self.text[end] if end == start else "a" + self.text[end]).isidentifier():
                break
            end += 1
            while end < len(self.text) and (self.text[end] in "_-" or ("a" + self.text[end]).isidentifier()):
                end += 1
        self.at = end
        return self.text[start:end] or None

    def keyword(self, word: str) -> bool:
        """Reads this word; returns whether it was there."""
        at = self.at
        if self.word() == word:
            return True
        self.at = at
        return False

    def peek(self, token: str) -> bool:
        """Tells whether a token is next."""
        return self.text.startswith(token, self.at)

    def expect(self, token: str, what: str) -> None:
        """Reads a token. Raises ScanError if another one is there."""
        if not self.peek(token):
            self.fail(f"{what} needs {token} here")
        self.at += len(token)

    def close(self, token: str, opened: int) -> None:
        """Reads a closing bracket, and blanks and line endings before it."""
        self.skip(newlines=True)
        if not self.peek(token):
            self.fail(f"there must be {token} here", self.at, opened)
        self.at += 1

    def deeper(self, at: int) -> int:
        """Counts one more level; returns the depth to restore at its end."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooDeepError(f"There are more than {DEEPEST} levels of nesting here", at)
        return self.depth - 1

    def fail(self, what: str, at: int | None = None, since: int = -1) -> NoReturn:
        """Raises ScanError."""
        raise ScanError(what, self.at if at is None else at, since)
