"""A Terraform file as it was read: its bytes, text, and structure. It is immutable; a merge returns a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wizard.editing.cuts import Lines
from wizard.errors import InputError
from wizard.files import Snapshot, read_snapshot
from wizard.template.cursor import ScanError, TooDeepError
from wizard.template.scanner import Scanner
from wizard.template.tree import Body, Reference

LARGEST = 2 * 1024 * 1024
"""Bytes; the largest file that is read. Coder's CLI does not even push templates above 1 MiB."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TODO = "Nothing was written. Correct the file; terraform fmt reports the same place."


@dataclass(frozen=True)
class Document:
    """A file; ``name`` is for messages, ``text`` is without the byte order mark that ``content`` may start with."""

    content: bytes
    name: str
    text: str = field(repr=False)
    root: Body = field(repr=False, compare=False)
    comments: tuple[tuple[int, int], ...] = field(repr=False, compare=False, default=())
    references: tuple[Reference, ...] = field(repr=False, compare=False, default=())

    @classmethod
    def parse(cls, content: bytes, name: str) -> Document:
        """Reads a file.

        Raises InputError, with line and column, if it is larger than ``LARGEST``, is not UTF-8, or is nothing that
        Terraform accepts.
        """
        if len(content) > LARGEST:
            raise InputError(
                f"The file is larger than {LARGEST:,} bytes.", "Check that this is the right file.", file=name
            )
        text = _decoded(content, name)
        scanner = Scanner(text)
        try:
            root = scanner.read()
        except ScanError as error:
            line, column = Lines(text).place(error.at)
            since = f" It starts on line {Lines(text).place(error.since)[0]}." if error.since >= 0 else ""
            what, todo = f"This is not valid Terraform: {error.what}.{since}", _TODO
            if isinstance(error, TooDeepError):
                what, todo = f"{error.what}, which is more than podman-wizard reads.", "Nothing was written."
            raise InputError(what, todo, file=name, line=line, column=column) from None
        comments = tuple(sorted(scanner.cursor.comments.items()))
        references = tuple(sorted(scanner.expressions.references, key=lambda one: one.start))
        return cls(content, name, text, root, comments, references)

    @classmethod
    def read(cls, path: Path) -> tuple[Document, Snapshot]:
        """Reads a file and the snapshot that is needed to save it."""
        snapshot = read_snapshot(path, limit=LARGEST)
        assert snapshot.content is not None
        return cls.parse(snapshot.content, str(path)), snapshot

    def with_text(self, text: str) -> Document:
        """Returns the same file with another text. Raises InputError if it is not valid."""
        mark = _BYTE_ORDER_MARK if self.content.startswith(_BYTE_ORDER_MARK) else b""
        return Document.parse(mark + text.encode(), self.name)

    @cached_property
    def lines(self) -> Lines:
        """Its lines."""
        return Lines(self.text)

    @cached_property
    def full_text(self) -> str:
        """The text with the byte order mark, for a diff that is an exact patch."""
        return self.content.decode()

    def line(self, at: int) -> int:
        """Returns the line of a place, from 1."""
        return self.lines.place(at)[0]

    def where(self, at: int) -> str:
        """Returns ``file:line`` of a place."""
        return f"{self.name}:{self.line(at)}"

    def comment_texts(self) -> list[str]:
        """Returns the comments, in order."""
        return [self.text[start:end] for start, end in self.comments]

    def comment_at(self, at: int) -> tuple[int, int] | None:
        """Returns the comment that a place is inside of; its start and end are not inside."""
        return next(((start, end) for start, end in self.comments if start < at < end), None)

    def refusal(self, at: int, what: str, todo: str = "") -> InputError:
        """Returns the error for something that cannot be edited safely."""
        line, column = self.lines.place(at)
        return InputError(what, todo, file=self.name, line=line, column=column)


def _decoded(content: bytes, name: str) -> str:
    try:
        text = content.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError("The file is not UTF-8.", "Save it as UTF-8.", file=name, line=line) from None
    return text
