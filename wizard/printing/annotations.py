"""Problems as workflow commands of GitHub Actions, which show them at their lines of a pull request."""

from __future__ import annotations

from wizard.errors import InputError
from wizard.text.escaping import printable

_LEVELS = {"problem": "error", "warning": "warning"}


def annotation(severity: str, id: str, text: str, file: str, line: int = 0, column: int = 0) -> str:
    """Returns a problem or warning as one line; ``line`` and ``column`` count from 1, 0 if they are unknown."""
    place = {"file": file, "line": line, "col": column, "title": f"podman-wizard {id}"}
    properties = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in place.items() if value)
    return printable(f"::{_LEVELS.get(severity, 'notice')} {properties}::{_escaped(text.strip())}")


def refusal_annotation(error: InputError) -> str:
    """Returns a file that could not be read as one line, at the place that the error names."""
    return annotation("problem", error.id, f"{error.what} {error.todo}", error.file, error.line, error.column)


def _escaped(text: str, more: str = "") -> str:
    """Returns text as workflow commands need it (actions/toolkit, packages/core/src/command.ts)."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
