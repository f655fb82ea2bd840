"""The errors that users can see, each with the exit code of the command that it ends.

Every expected error is a ``WizardError``: one text about what happened, with the name of the object, and
one about what to do next. Any other exception is a bug.
"""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from typing import Any

from wizard.text.redaction import redacted


class ExitCode(IntEnum):
    """How a command ends."""

    DONE = 0
    PROBLEMS = 1
    """The command ran and found blockers or problems, or could not continue because of them."""
    USAGE = 2
    CLUSTER = 3
    """The cluster or Coder cannot be reached, rejected the credentials, or rejected an action."""
    INPUT = 4
    """An input file is missing, unreadable, or not valid, or cannot be edited safely."""
    CONFLICT = 5
    """A decision is needed: another manager owns a field, a count differs, or a file changed in the meantime."""
    TERMINAL_GONE = 129
    INTERRUPTED = 130


class WizardError(Exception):
    """An error to show to the user: what happened, and what to do next."""

    exit_code: ExitCode = ExitCode.PROBLEMS
    documented: bool = False
    """Whether the JSON document of a command has it already."""

    def __init__(self, what: str, todo: str = "") -> None:
        what, todo = redacted(what), redacted(todo)
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n{self.todo}" if self.todo else self.what

    @property
    def id(self) -> str:
        """The kind of error, as JSON has it: ``cluster-error``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def to_json(self) -> dict[str, Any]:
        """Returns the error as commands print it."""
        return {
            "id": self.id,
            "what": self.what,
            "object": str(getattr(self, "object", "") or getattr(self, "place", "")),
            "todo": self.todo,
            "exit_code": int(self.exit_code),
        }


class UsageError(WizardError):
    """The options of a command contradict each other, or one is missing."""

    exit_code = ExitCode.USAGE
    usage: str = ""
    """The usage of the command, to print below the message."""


class ProblemsFound(WizardError):
    """The command ran, but a finding or a missing acknowledgment stops it."""

    exit_code = ExitCode.PROBLEMS


class ClusterError(WizardError):
    """The cluster or Coder cannot be reached, or rejected a request."""

    exit_code = ExitCode.CLUSTER


class InputError(WizardError):
    """A file cannot be used; ``line`` and ``column`` count from 1, 0 if there is none."""

    exit_code = ExitCode.INPUT

    def __init__(self, what: str, todo: str = "", *, file: Path | str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(what, todo)
        self.file = str(file)
        self.line = line
        self.column = column

    @property
    def place(self) -> str:
        """``file:line:column``, as editors and terminals understand it; "" if unknown."""
        numbers = [str(n) for n in (self.line, self.column) if n]
        return ":".join([part for part in [self.file, *numbers] if part])

    def __str__(self) -> str:
        text = super().__str__()
        return text if not self.place or self.place in self.what else f"{self.place}: {text}"


class ConflictError(WizardError):
    """A conflict with a change by someone else; the user has to decide."""

    exit_code = ExitCode.CONFLICT


class Interrupted(WizardError):
    """The user, or a signal, stopped the work; ``what`` says how far it got."""

    exit_code = ExitCode.INTERRUPTED
