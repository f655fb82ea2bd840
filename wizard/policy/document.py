"""A policy file as it was read: its bytes, text, and tree. It is immutable; an edit returns a new one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wizard.errors import InputError
from wizard.files import Snapshot, read_snapshot
from wizard.policy.readings import data_of
from wizard.policy.strangers import refuse_stranger
from wizard.policy.tree import Mapping, Node, Tree, key_text, parse_tree, resolved
from wizard.text.escaping import printable, visible

LARGEST = 4 * 1024 * 1024
"""Bytes; the largest policy that is read."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Besides what no version of YAML allows: the line breaks of YAML 1.1 that 1.2 does not have. After one of them,
# a parser of one version can find a key where a parser of the other finds the rest of a comment.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\r(?!\n)")
_NAMES = {
    "\0": "A NUL byte",
    "\r": "A carriage return without a line feed (an old Macintosh line ending)",
    "\x85": "A next-line character (NEL)",
    "\u2028": "A line separator (LS)",
    "\u2029": "A paragraph separator (PS)",
    "\ufeff": "A byte order mark within the text",
}


@dataclass(frozen=True)
class PolicyDocument:
    """A policy, which can be empty; ``name`` is the file's, for messages.

    ``text`` is without the byte order mark that ``content`` may start with.
    """

    content: bytes
    name: str
    text: str = field(repr=False)
    tree: Tree = field(repr=False, compare=False)

    @classmethod
    def parse(cls, content: bytes, name: str = "") -> PolicyDocument:
        """Reads a policy.

        Raises InputError, with line and column if there are any, if the content is larger than ``LARGEST``, is
        not UTF-8, contains characters that the two versions of YAML read differently, is not YAML, contains
        several documents, has no mapping at its root, or is plainly something else than a policy. A file with only
        comments is an empty policy.
        """
        document = cls.of_text(checked_text(content, name), name, marked=content.startswith(_BYTE_ORDER_MARK))
        root = document.tree.root
        if not isinstance(root, Mapping) and not document.is_empty:
            line, column = document.tree.place(root.start)
            raise InputError(
                "This is not a policy: there is no mapping at its root.",
                'A policy starts with version: "0.2" and workspace:.',
                file=name,
                line=line,
                column=column,
            )
        refuse_stranger(document.tree, name)
        return document

    @classmethod
    def of_text(cls, text: str, name: str, *, marked: bool = False) -> PolicyDocument:
        """Creates a document from a checked text; ``marked`` adds a byte order mark before it."""
        content = text.encode()
        return cls(_BYTE_ORDER_MARK + content if marked else content, name, text, parse_tree(text, name))

    @classmethod
    def read(cls, path: Path) -> tuple[PolicyDocument, Snapshot]:
        """Reads a policy and the snapshot of its file, which is needed to save it."""
        snapshot = read_snapshot(path, limit=LARGEST)
        assert snapshot.content is not None
        return cls.parse(snapshot.content, str(path)), snapshot

    def with_text(self, text: str) -> PolicyDocument:
        """Returns the same file with another text."""
        return PolicyDocument.of_text(text, self.name, marked=self.is_marked)

    @property
    def is_marked(self) -> bool:
        """Whether the file starts with a byte order mark."""
        return self.content.startswith(_BYTE_ORDER_MARK)

    @property
    def is_empty(self) -> bool:
        """Whether there are only comments, blank lines, and document markers."""
        root = self.tree.root
        return root.start == root.end and root.tag is None and root.anchor is None and not isinstance(root, Mapping)

    @cached_property
    def data(self) -> Any:
        """The policy as plain data, as YAML 1.1 reads it; None if it is empty."""
        return data_of(self.tree.root)

    @cached_property
    def eol(self) -> str:
        """The line ending of most of its lines."""
        windows = self.text.count("\r\n")
        return "\r\n" if windows * 2 > self.text.count("\n") else "\n"

    def at(self, path: tuple[str, ...]) -> Node | None:
        """Returns the node at a path of keys, aliases followed; None if there is none."""
        node = self.tree.root
        for name in path:
            target = resolved(node)
            found = target.get(name) if isinstance(target, Mapping) else None
            if found is None:
                return None
            node = found
        return node

    def key_line(self, path: tuple[str, ...]) -> int:
        """Returns the line of the key at the end of a path, from 1; 0 if it does not exist."""
        parent = self.at(path[:-1])
        if parent is not None and isinstance(mapping := resolved(parent), Mapping):
            for key, _ in mapping.pairs:
                if key_text(key) == path[-1]:
                    return self.line(key)
        return 0

    def line(self, node: Node) -> int:
        """Returns the line on which a node starts, from 1."""
        return self.tree.place(node.start)[0]

    def refusal(self, node: Node, what: str, todo: str = "") -> InputError:
        """Returns an error at the place of a node."""
        line, column = self.tree.place(node.start)
        return InputError(what, todo, file=self.name, line=line, column=column)


def show_path(path: tuple[str | int, ...]) -> str:
    """Returns a path for display: keys joined by dots, items as ``[0]``.

    Keys that are empty, contain a dot, or begin or end with a space are in quotes.
    """
    shown = ""
    for key in path:
        if isinstance(key, int):
            shown += f"[{key}]"
        else:
            shown += ("." if shown else "") + (f'"{printable(key)}"' if "." in key else visible(key))
    return shown


def checked_text(content: bytes, name: str) -> str:
    """Returns a file's text without its byte order mark.

    Raises InputError if it is too large, not UTF-8, or has characters that YAML parsers read differently.
    """
    if len(content) > LARGEST:
        raise InputError(
            f"This file is larger than {LARGEST // 1024 // 1024} MB.", "Check that it is the right file.", file=name
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[:4].count(0) in (2, 3):
        raise InputError("This is UTF-16 or UTF-32, not UTF-8.", "Save the file as UTF-8.", file=name, line=1, column=1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.start counts from after the byte order mark, which utf-8-sig has removed
        before = error.object[: error.start]
        raise InputError(
            f"The byte 0x{error.object[error.start]:02x} is not UTF-8.",
            "Save the file as UTF-8.",
            file=name,
            line=before.count(b"\n") + 1,
            column=len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1,
        ) from None
    refused = _REFUSED.search(text)
    if refused is not None:
        character, position = refused.group(), refused.start()
        what = _NAMES.get(character, f"A control character (U+{ord(character):04X})")
        todo = "Remove it, or write it as an escape inside double quotes."
        if text.startswith("\r\r\n", position):
            what, todo = "A second carriage return in a Windows line ending", "Convert the line endings of the file."
        raise InputError(
            f"{what} is not allowed here, because YAML parsers read it differently.",
            todo,
            file=name,
            line=text.count("\n", 0, position) + 1,
            column=position - text.rfind("\n", 0, position),
        )
    return text
