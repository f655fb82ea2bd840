"""What is wrong with a text that is not YAML, in words, and where it starts.

A parser reports the place where it cannot continue. What is wrong often starts earlier: at the quote that is not
closed, at the line without a colon. Both places are named if they differ.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from wizard.policy.spaces import ODD_SPACE, space_in_words
from wizard.text.escaping import printable

_GIT_MARKER = re.compile(r"^(?:<{7}|>{7}|\|{7})(?= |$)|^={7}$", re.M)
_TEMPLATE = re.compile(r"^[^#\n]*?(\{\{|\{%|\{#)", re.M)
_OPENINGS = ("while parsing a flow sequence", "while parsing a flow mapping")


class Syntax(NamedTuple):
    """What is wrong, what to do, and the position at which it starts."""

    what: str
    todo: str
    at: int


def explained(error: yaml.MarkedYAMLError, text: str) -> Syntax:
    """Returns what is wrong with a text that the parser rejects."""
    noticed = _index(error.problem_mark or error.context_mark, text)
    found = _foreign(text, noticed) or _in_words(error, text, noticed)
    if _line(text, found.at) == _line(text, noticed) or not found.what.startswith("This is not valid YAML"):
        return found
    line, column = _line(text, noticed), noticed - text.rfind("\n", 0, noticed)
    return found._replace(what=f"{found.what} The parser noticed it at line {line}, column {column}.")


def _index(mark: yaml.Mark | None, text: str) -> int:
    return min(mark.index, len(text)) if mark is not None else 0


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _line_at(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else len(text)]


def _foreign(text: str, noticed: int) -> Syntax | None:
    """Returns what is in the text that belongs to another tool, or only looks like a space."""
    line = _line_at(text, noticed)
    indentation = line[: len(line) - len(line.lstrip())]
    if noticed < len(text) and "\t" in indentation + text[noticed]:
        return Syntax("YAML does not allow a tab here.", "Replace the tab with spaces.", noticed)
    marker = _GIT_MARKER.search(text)
    if marker is not None:
        return Syntax(
            "This is a Git conflict marker: the file is merged only in part.",
            "Decide the conflict, and remove the lines that start with <<<<<<<, =======, and >>>>>>>.",
            marker.start(),
        )
    end = text.find("\n", noticed)
    template = _TEMPLATE.search(text, 0, end if end >= 0 else len(text))
    if template is not None:
        kind = "Jinja or Ansible" if template[1] != "{{" else "Helm, Go, or Jinja"
        return Syntax(
            f"This is {kind} template syntax ({template[1]}), not YAML.",
            "Render the template first, and use the result.",
            template.start(1),
        )
    start = text.rfind("\n", 0, max(text.rfind("\n", 0, noticed), 0)) + 1
    space = ODD_SPACE.search(text, start, end if end >= 0 else len(text))
    if space is not None:
        return Syntax(
            f"This is {space_in_words(space[0])}, which YAML does not treat as a space.",
            "Replace it with a space.",
            space.start(),
        )
    return None


def _in_words(error: yaml.MarkedYAMLError, text: str, noticed: int) -> Syntax:
    context, problem = str(error.context or ""), str(error.problem or "not readable")
    start = _index(error.context_mark, text) if error.context_mark is not None else noticed
    if context == "while scanning a quoted scalar" and "end of" in problem:
        quote = text[start : start + 1]
        return _invalid("a quote opens here and is not closed", f"Close the text with {quote}.", start)
    if context == "while scanning a simple key":
        return _no_colon(text, start)
    quoted, opened = _before_the_error(text, noticed)
    if context == "while parsing a flow node" and opened is not None:
        context, start = "while parsing a flow sequence", opened
    if context in _OPENINGS and _is_open(text, start, noticed):
        return _invalid(f"{text[start : start + 1]} opens here and is not closed", "Close it.", start)
    if quoted is not None and context == "while parsing a block mapping":
        line = _line(text, noticed)
        return _invalid(f"the quote that opens here is closed only on line {line}", "Close the text earlier.", quoted)
    if "mapping values are not allowed" in problem:
        word = _word_above(text, noticed)
        if word is not None:
            return _no_colon(text, word)
        todo = "Put a text that contains a colon in quotes. If this is a key, check the indentation and the line above."
        return _invalid("a colon is not allowed here", todo, noticed)
    if context == "while parsing a block mapping" and "expected key" in problem:
        column, other = noticed - text.rfind("\n", 0, noticed), start - text.rfind("\n", 0, start)
        if column != other and not text[text.rfind("\n", 0, noticed) + 1 : noticed].strip():
            what = (
                f"this line starts in column {column}, but the mapping above it (line {_line(text, start)}) in {other}"
            )
            return _invalid(what, "Correct the indentation.", noticed)
    if "expected <document start>" in problem and (second := _second_root(text, noticed)) is not None:
        return second
    character = text[noticed : noticed + 1]
    if ("start any token" in problem or context == "while scanning an alias") and character:
        first = text[start : start + 1]
        return _invalid(f"a text that starts with {printable(first)} needs quotes", "Put it in quotes.", start)
    more = f" ({printable(context)})" if context else ""
    return _invalid(f"{printable(problem)}{more}", "Correct this line.", noticed)


def _no_colon(text: str, at: int) -> Syntax:
    if re.search(r"\w:\S", _line_at(text, at)):
        return _invalid("the colon in this line has no space after it", "Add a space after the colon.", at)
    return _invalid("this line has no colon", "Add a colon after the key.", at)


def _second_root(text: str, noticed: int) -> Syntax | None:
    """Returns why there seems to be a second document: the first line is no key, or is indented."""
    first = re.search(r"^( *)(?![ #\n]|---)(.*)", text, re.M)
    if first is None:
        return None
    if not re.search(r":(?: |$)", first[2]):
        return _no_colon(text, first.start(2))
    if not first[1]:
        return None
    above = f"the mapping above it (line {_line(text, first.start())}) in {len(first[1]) + 1}"
    return _invalid(f"this line starts in column 1, but {above}", "Correct the indentation.", noticed)


def _word_above(text: str, noticed: int) -> int | None:
    """Returns where the line above starts, if it is in the same column as a position's line and is no key."""
    lines = text[: text.rfind("\n", 0, noticed) + 1].split("\n")[:-1]
    own = _line_at(text, noticed)
    at = sum(len(line) + 1 for line in lines)
    for line in reversed(lines):
        at -= len(line) + 1
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        column = len(line) - len(line.lstrip(" "))
        is_word = re.match(r"\w(?!.*:(?: |$))", word) is not None
        return at + column if is_word and column == len(own) - len(own.lstrip(" ")) else None
    return None


def _invalid(what: str, todo: str, at: int) -> Syntax:
    return Syntax(f"This is not valid YAML: {what}.", todo, at)


def _is_open(text: str, start: int, noticed: int) -> bool:
    """Whether a bracket is not closed: what follows is the end, or a line that is not indented more than its own."""
    if not text[noticed:].strip():
        return True
    own, next_line = _line_at(text, start), _line_at(text, noticed)
    is_later = text.find("\n", start, noticed) >= 0
    return is_later and len(next_line) - len(next_line.lstrip()) <= len(own) - len(own.lstrip())


def _before_the_error(text: str, noticed: int) -> tuple[int | None, int | None]:
    """Returns where two things before an error start.

    The first is the last text, if it is a quoted one of several lines that ends on the line of the error; the second
    is the last bracket that is not closed.
    """
    last: tuple[str, int, int, int] | None = None
    opened: list[int] = []
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            start, end = event.start_mark, event.end_mark
            if isinstance(event, yaml.ScalarEvent) and start is not None and end is not None:
                last = (event.style or "", start.index, start.line, end.line)
            elif isinstance(event, yaml.CollectionStartEvent) and start is not None:
                opened.append(start.index if event.flow_style else -1)
            elif isinstance(event, yaml.CollectionEndEvent):
                opened.pop()
    except yaml.YAMLError:
        pass
    bracket = opened[-1] if opened and opened[-1] >= 0 else None
    if last is None or last[0] not in ("'", '"') or last[2] == last[3] or last[3] + 1 != _line(text, noticed):
        return None, bracket
    return last[1], bracket
