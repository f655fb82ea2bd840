"""The structure of a Terraform file: bodies, attributes, blocks, and the items of object literals, with places.

Places are counted in characters of the text without its byte order mark. Nodes are compared by identity, because an
edit is planned for one node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "template", "number", "name", "reference", "call", "object", "list", "for", "other"]
"""``text`` is a string without templates, ``name`` a bare word, ``other`` whatever an operator is part of."""


@dataclass(slots=True, eq=False)
class Item:
    """One item of an object literal: ``key = value`` or ``key : value``; ``comma`` if one follows."""

    key: Expression
    sign: str
    sign_at: int
    value: Expression
    comma: bool = False


@dataclass(slots=True, eq=False)
class Expression:
    """An expression. ``value`` is its text if it is a literal; ``wrapped`` if it is in parentheses.

    ``parts`` are the literal beginning and end of a template. ``first_newline`` is where the first line ends in a
    literal object, -1 if it starts on the line of its brace.
    """

    kind: Kind
    start: int
    end: int
    value: str = ""
    wrapped: bool = False
    items: list[Item] = field(default_factory=list)
    elements: list[Expression] = field(default_factory=list)
    parts: tuple[str, str] = ("", "")
    first_newline: int = -1

    @property
    def literal(self) -> str | None:
        """The text of a string, a number, or a word; None for everything that has to be evaluated."""
        return self.value if self.kind in ("text", "number", "name") else None

    @property
    def key(self) -> str | None:
        """The text of an object's key; None if it has to be evaluated, as a word in parentheses."""
        if self.kind == "name" and self.wrapped:
            return None
        return self.literal

    def could_be(self, key: str) -> bool:
        """Tells whether a key that has to be evaluated could have this text."""
        if self.key is not None:
            return self.key == key
        if self.kind != "template":
            return True
        first, last = self.parts
        return len(first) + len(last) <= len(key) and key.startswith(first) and key.endswith(last)


@dataclass(slots=True, eq=False)
class Attribute:
    """``name = value`` in a body."""

    name: str
    start: int
    sign_at: int
    value: Expression

    @property
    def end(self) -> int:
        """Where its expression ends."""
        return self.value.end


@dataclass(slots=True, eq=False)
class Body:
    """What is between the braces of a block, or a whole file; ``start`` is after ``{``, ``end`` at ``}``."""

    start: int
    end: int = 0
    members: list[Attribute | Block] = field(default_factory=list)
    one_line: bool = False

    def attribute(self, name: str) -> Attribute | None:
        """Returns an attribute; a body has at most one of a name."""
        return next((one for one in self.members if isinstance(one, Attribute) and one.name == name), None)

    def blocks(self, *types: str) -> list[Block]:
        """Returns the blocks of these types; all blocks without any."""
        return [one for one in self.members if isinstance(one, Block) and (not types or one.type in types)]

    def dynamic(self, type: str) -> Block | None:
        """Returns the first ``dynamic`` block that makes blocks of a type."""
        return next((one for one in self.blocks("dynamic") if one.labels[:1] == (type,)), None)


@dataclass(slots=True, eq=False)
class Block:
    """``type "label" { ... }``; ``end`` is after ``}``."""

    type: str
    labels: tuple[str, ...]
    start: int
    body: Body
    end: int = 0

    @property
    def title(self) -> str:
        """Its header, as a message names it: ``kubernetes_pod.main``, ``dynamic "env"``."""
        if self.type == "resource" and len(self.labels) == 2:
            return ".".join(self.labels)
        return " ".join([self.type, *(f'"{label}"' for label in self.labels)])


@dataclass(frozen=True, slots=True)
class Reference:
    """A traversal, without its indexes: ``coder_agent.main.init_script``."""

    start: int
    names: tuple[str, ...]
