"""What the simulated Coder's provisioner finds in a template: a few of the errors that Terraform would report.

These checks are small and its own, so a template that the wizard merged wrongly fails here as it would there: brackets,
arguments set twice, blocks that may stand once, variables that nobody declares. The messages are Terraform's own
(``terraform validate`` 1.5), with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ONCE = frozenset(
    ("metadata", "resources", "security_context", "capabilities", "seccomp_profile", "se_linux_options", "template")
)
"""Blocks of the Kubernetes provider's pods that may stand once in the block around them (its schema: MaxItems 1)."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)"
    r"|(?P<newline>\n)"
    r"|(?P<heredoc><<-?(?P<end>\w+)\n.*?\n[ \t]*(?P=end)(?=\n|\Z))"
    r"|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<equals>=(?![=>]))"
    r"|(?P<open>[{(\[])|(?P<close>[})\]])"
    r"|(?P<quote>\")"
    r"|(?P<other>[^\s])",
    re.DOTALL,
)
_PAIRS = {"{": "}", "(": ")", "[": "]"}
_VARIABLE = re.compile(r"\bvar\.([A-Za-z_][\w-]*)")


class _Broken(Exception):
    """An error after which the rest of the file cannot be read."""

    def __init__(self, title: str, line: int, detail: str) -> None:
        super().__init__(title)
        self.error = title, line, detail


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


@dataclass
class _Block:
    """What was seen in one block: the line of each argument, and of each block that may stand once."""

    title: str
    arguments: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)


@dataclass
class Judged:
    """A template as the provisioner sees it. ``errors`` has the lines of its log."""

    errors: list[str] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)
    """Variables without a default value."""


def judge(files: Mapping[str, str]) -> Judged:
    """Judges the files of a template, by their paths; only ``.tf`` files in its root count."""
    judged = Judged()
    used: list[tuple[str, str, int]] = []
    for name, text in sorted(files.items()):
        if name.endswith(".tf") and "/" not in name.removeprefix("./"):
            _File(name, text, judged).judge()
            used += [(match[1], name, text.count("\n", 0, match.start()) + 1) for match in _VARIABLE.finditer(text)]
    for variable, name, line in used:
        if variable not in judged.declared:
            judged.declared.add(variable)
            detail = f'An input variable with the name "{variable}" has not been declared.'
            judged.errors += _lines("Reference to undeclared input variable", name, line, detail)
    return judged


def _lines(title: str, name: str, line: int, detail: str) -> list[str]:
    return [f"Error: {title}", f"  on {name} line {line}:", *([detail] if detail else [])]


class _File:
    """Reads one file from the start to the end."""

    def __init__(self, name: str, text: str, judged: Judged) -> None:
        self._name = name
        self._judged = judged
        self._text = text
        self._tokens: list[_Token] = []
        self._at = 0

    def judge(self) -> None:
        try:
            self._tokens = list(_tokens(self._text))
            self._body(_Block(""), closed_by="")
        except _Broken as broken:
            title, line, detail = broken.error
            self._judged.errors += _lines(title, self._name, line, detail)

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _body(self, block: _Block, closed_by: str) -> None:
        began = self._tokens[max(0, self._at - 1)].line
        while True:
            token = self._next()
            if token.kind == "newline":
                continue
            if token.kind == "end":
                if closed_by:
                    detail = "There is no closing brace for this block before the end of the file."
                    raise _Broken("Unclosed configuration block", began, detail)
                return
            if token.kind == "close" and token.text == closed_by:
                return
            if token.kind != "name":
                raise _Broken("Argument or block definition required", token.line, "")
            self._item(block, token)

    def _item(self, block: _Block, name: _Token) -> None:
        labels = []
        while (token := self._next()).kind in ("name", "string"):
            labels.append(token.text)
        if token.kind == "equals" and not labels:
            self._argument(block, name)
        elif token.text == "{":
            self._inner(block, name, labels)
        else:
            detail = f'Either a quoted string block label or an opening brace ("{{") is expected after {name.text}.'
            raise _Broken("Invalid block definition", name.line, detail)

    def _argument(self, block: _Block, name: _Token) -> None:
        first = block.arguments.setdefault(name.text, name.line)
        if first != name.line:
            detail = (
                f'The argument "{name.text}" was already set at {self._name}:{first}. Each argument may be set only '
                "once."
            )
            self._judged.errors += _lines("Attribute redefined", self._name, name.line, detail)
        waiting: list[_Token] = []
        while (token := self._next()).kind != "end":
            if token.kind == "open":
                waiting.append(token)
            elif token.kind == "close":
                if not waiting and token.text == "}":
                    self._at -= 1  # of a block on one line
                    return
                if not waiting or _PAIRS[waiting[-1].text] != token.text:
                    raise _Broken("Missing item separator or closing bracket", token.line, "")
                waiting.pop()
            elif token.kind == "newline" and not waiting:
                return
        if waiting:
            raise _Broken("Unterminated expression", waiting[-1].line, "There is no corresponding closing bracket.")

    def _inner(self, block: _Block, name: _Token, labels: list[str]) -> None:
        if name.text in ONCE:
            first = block.blocks.setdefault(name.text, name.line)
            if first != name.line:
                detail = f'No more than 1 "{name.text}" blocks are allowed'
                self._judged.errors += _lines(f"Too many {name.text} blocks", self._name, name.line, detail)
        inner = _Block(" ".join([name.text, *labels]))
        self._body(inner, closed_by="}")
        if name.text == "variable" and labels:
            self._judged.declared.add(labels[0])
            if "default" not in inner.arguments:
                self._judged.required.add(labels[0])


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        kind, end = str(match.lastgroup), match.end()
        if match["heredoc"] is not None:
            kind = "heredoc"
        if kind == "quote":
            end = _end_of_string(text, position, line)
            yield _Token("string", text[position + 1 : end - 1], line)
        elif kind != "space":
            yield _Token(kind, match[0], line)
        line += text.count("\n", position, end)
        position = end
    yield _Token("end", "", line)


def _end_of_string(text: str, start: int, line: int) -> int:
    """Returns where a quoted string ends, over templates in it. Raises _Broken if it does not."""
    position, depth = start + 1, 0
    while position < len(text):
        two = text[position : position + 2]
        if two in ("${", "%{") and text[position - 1] != two[0]:
            depth += 1
            position += 2
            continue
        one = text[position]
        if one == "\\" and not depth:
            position += 2
            continue
        if depth and one == '"':
            position = _end_of_string(text, position, line)
            continue
        if depth and one in "{}":
            depth += 1 if one == "{" else -1
        elif not depth and one == '"':
            return position + 1
        elif not depth and one == "\n":
            break
        position += 1
    raise _Broken("Unterminated template string", line, "No closing marker was found for the string.")
