"""New attributes, blocks, and items as text: with the indentation, line ending, sign, and comma of what is around them.

A planned edit is a list of additions to bodies and object literals, and of replaced literals. ``cuts_of`` says where
they go in the text; ``proof`` says independently what the structure must be afterwards.

An item goes to the front of its object, because there nothing has to be appended to another item. Text with an ``=``
is a paragraph of its own where it would otherwise have to be aligned with its neighbors, as ``terraform fmt`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wizard.editing.cuts import Cut
from wizard.template.document import Document
from wizard.template.tree import Attribute, Block, Body, Expression


@dataclass(frozen=True)
class NewAttribute:
    """``name = value`` on one line; ``value`` is HCL."""

    name: str
    value: str


@dataclass(frozen=True)
class NewItem:
    """An item of an object, with a quoted key; both are texts."""

    key: str
    value: str


@dataclass(frozen=True)
class NewObject:
    """``name = { ... }`` with an item on each line."""

    name: str
    items: tuple[NewItem, ...]


@dataclass(frozen=True)
class NewBlock:
    """A block."""

    type: str
    members: tuple[NewMember, ...]


NewMember = NewAttribute | NewObject | NewBlock


@dataclass
class Edits:
    """What a merge adds and replaces, by the node in which it happens."""

    bodies: dict[Body, tuple[Block, list[NewMember]]] = field(default_factory=dict)
    objects: dict[Expression, list[NewItem]] = field(default_factory=dict)
    literals: dict[Expression, str] = field(default_factory=dict)
    """The new text of a string, a number, or a word, which is then a string."""

    def add(self, block: Block, member: NewMember) -> None:
        """Adds a member at the end of a block."""
        self.bodies.setdefault(block.body, (block, []))[1].append(member)

    def add_item(self, target: Expression, key: str, value: str) -> None:
        """Adds an item to a literal object."""
        self.objects.setdefault(target, []).append(NewItem(key, value))

    def __bool__(self) -> bool:
        return bool(self.bodies or self.objects or self.literals)


def quoted(text: str) -> str:
    """Returns a text as an HCL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'"{escaped}"'


def cuts_of(document: Document, edits: Edits) -> list[Cut]:
    """Returns where the planned edits go."""
    writer = _Writer(document)
    cuts = [Cut(node.start, node.end, quoted(text)) for node, text in edits.literals.items()]
    for block, members in edits.bodies.values():
        cuts += writer.into_body(block, members)
    for target, items in edits.objects.items():
        cuts += writer.into_object(target, items)
    return cuts


class _Writer:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
        self.lines = document.lines
        self.unit = _unit(document)

    # Bodies -----------------------------------------------------------------------------------------------------

    def into_body(self, block: Block, members: list[NewMember]) -> list[Cut]:
        body = block.body
        outer = self.lines.indentation(block.start)
        eol = self.lines.ending(block.start)
        at = self._closing_line(body)
        if at is None:
            return self._opened(body, outer, eol, members)
        inner = self._inner(body, outer)
        eol = self.lines.ending(at - 1)
        before = self._blank_before(body, at, members[0]) if body.members else []
        lines = [*before, *self._rendered(members, inner, body)]
        return [Cut(at, at, "".join(line + eol for line in lines))]

    def _closing_line(self, body: Body) -> int | None:
        """Returns the start of the line on which a body ends; None if it starts on that line."""
        if body.one_line:
            return None
        at = self.lines.start(body.end)
        while (comment := self.document.comment_at(at)) is not None:
            at = self.lines.start(comment[0])
        return at if at > body.start else None

    def _opened(self, body: Body, outer: str, eol: str, members: list[NewMember]) -> list[Cut]:
        """Returns the cuts that put a body of one line onto lines of its own."""
        inner = outer + self.unit
        first, last = body.start, body.end
        while first < last and self.text[first] in " \t":
            first += 1
        while last > first and self.text[last - 1] in " \t":
            last -= 1
        if not body.members:
            new = "".join(line + eol for line in self._rendered(members, inner, body))
            return [Cut(body.start, first, eol + new + outer)]
        gap = eol if self._needs_gap(body, members[0]) else ""
        new = gap + "".join(line + eol for line in self._rendered(members, inner, body))
        return [Cut(body.start, first, eol + inner), Cut(last, body.end, eol + new + outer)]

    def _inner(self, body: Body, outer: str) -> str:
        for member in body.members:
            if self.lines.is_first(member.start):
                return self.lines.indentation(member.start)
        return outer + self.unit

    def _blank_before(self, body: Body, at: int, first: NewMember) -> list[str]:
        if self.lines.is_blank(at - 1):
            return []
        if isinstance(first, NewAttribute):
            near = self.lines.start(at - 1) <= body.members[-1].end
            return [""] if near and self._needs_gap(body, first) else []
        spaced = any(
            isinstance(other, Block) and self.lines.is_blank(self.lines.start(other.start) - 1)
            for other in body.members[1:]
        )
        return [""] if spaced else []

    def _last_sign(self, body: Body) -> int | None:
        """Returns the column of the = of a body's last member, from its start, if that is an argument on one line."""
        last = body.members[-1] if body.members else None
        if isinstance(last, Attribute) and "\n" not in self.text[last.start : last.end]:
            return last.sign_at - last.start
        return None

    def _needs_gap(self, body: Body, first: NewMember) -> bool:
        """Tells whether a new argument would have to be aligned with the one before it, and cannot be."""
        sign = self._last_sign(body)
        return isinstance(first, NewAttribute) and sign is not None and sign < len(first.name) + 1

    def _rendered(self, members: list[NewMember], indent: str, body: Body) -> list[str]:
        sign = self._last_sign(body)
        beside = sign is not None and isinstance(members[0], NewAttribute) and not self._needs_gap(body, members[0])
        return list(rendered(members, indent, self.unit, sign - 1 if beside and sign is not None else 0))

    # Objects ----------------------------------------------------------------------------------------------------

    def into_object(self, target: Expression, items: list[NewItem]) -> list[Cut]:
        first = target.items[0] if target.items else None
        if target.first_newline < 0:
            return [self._on_one_line(target, items)]
        at = self.text.index("\n", target.first_newline) + 1
        eol = self.lines.ending(target.first_newline)
        outer = self.lines.indentation(target.start)
        indent = outer + self.unit
        sign, comma, width, gap = "=", "", 0, ""
        if first is not None:
            if self.lines.is_first(first.key.start):
                indent = self.lines.indentation(first.key.start)
            comma = "," if first.comma else ""
            sign = first.sign
            width = max(len(quoted(one.key)) for one in items)
            if sign == "=":
                width, gap = self._beside(at, target, width)
        blank = self._before_colon(target) if sign == ":" else " "
        lines = []
        for item in items:
            key = quoted(item.key)
            pad = " " * max(width - len(key), 0) if sign == "=" else ""
            lines.append(f"{indent}{key}{pad}{blank}{sign} {quoted(item.value)}{comma}")
        return [Cut(at, at, "".join(line + eol for line in lines) + (eol if gap else ""))]

    def _beside(self, at: int, target: Expression, width: int) -> tuple[int, str]:
        """Returns the width of the new keys, and whether a blank line must follow, so that the signs are aligned."""
        first = target.items[0]
        on_next_line = self.lines.start(first.key.start) == at
        if not on_next_line or "\n" in self.text[first.key.start : first.value.end]:
            return width, ""
        theirs = first.sign_at - first.key.start - 1
        return (theirs, "") if theirs >= width else (width, "gap")

    def _before_colon(self, target: Expression) -> str:
        first = target.items[0]
        between = self.text[first.key.end : first.sign_at]
        return between if not between.strip(" ") else " "

    def _on_one_line(self, target: Expression, items: list[NewItem]) -> Cut:
        if not target.items:
            new = ", ".join(f"{quoted(one.key)} = {quoted(one.value)}" for one in items)
            last = target.end - 1
            at = last
            while at > target.start + 1 and self.text[at - 1] in " \t":
                at -= 1
            return Cut(at, last, f" {new} ")
        first = target.items[0]
        blank = self._before_colon(target) if first.sign == ":" else " "
        new = "".join(f"{quoted(one.key)}{blank}{first.sign} {quoted(one.value)}, " for one in items)
        return Cut(first.key.start, first.key.start, new)


def rendered(members: list[NewMember] | tuple[NewMember, ...], indent: str, unit: str, width: int = 0) -> Iterator[str]:
    """Yields the lines of new members; neighboring arguments have their ``=`` in one column, as terraform fmt does."""
    names = [one.name for one in members if isinstance(one, NewAttribute)]
    width = max([width, *map(len, names)])
    for member in members:
        if isinstance(member, NewAttribute):
            yield f"{indent}{member.name.ljust(width)} = {member.value}"
        elif isinstance(member, NewObject):
            yield f"{indent}{member.name} = {{"
            for item in member.items:
                yield f"{indent}{unit}{quoted(item.key)} = {quoted(item.value)}"
            yield f"{indent}}}"
        else:
            yield f"{indent}{member.type} {{"
            yield from rendered(member.members, indent + unit, unit)
            yield f"{indent}}}"


def _unit(document: Document) -> str:
    """Returns one level of indentation: what the first block's first member has more than its block."""
    lines = document.lines
    waiting = list(document.root.blocks())
    for block in waiting:
        outer = lines.indentation(block.start)
        for member in block.body.members:
            inner = lines.indentation(member.start)
            if lines.is_first(member.start) and inner != outer and inner.startswith(outer):
                return inner[len(outer) :]
        waiting.extend(block.body.blocks())
    return "  "
