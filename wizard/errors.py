"""The errors that a person may see, each with the exit code it ends a command with.

Whatever leaves a room of ``wizard`` on purpose is a ``WizardError``: a sentence that says what
happened and to which object, and a second one that says what to do next. Anything else that
escapes is a bug.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """How a command ends."""

    DONE = 0
    PROBLEMS = 1
    """It ran, and found blockers or problems, or was not allowed to go on."""
    USAGE = 2
    CLUSTER = 3
    """The cluster or Coder cannot be reached, refuses the credentials, or refused an action."""
    INPUT = 4
    """An input file is missing, unreadable, not valid, or cannot be edited safely."""
    CONFLICT = 5
    """A decision is needed: another manager's field, another count, a file that changed meanwhile."""
    TERMINAL_GONE = 129
    INTERRUPTED = 130


class WizardError(Exception):
    """Something a person has to know: what happened, and what to do next."""

    exit_code: ExitCode = ExitCode.PROBLEMS

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n{self.todo}" if self.todo else self.what


class UsageError(WizardError):
    """The command line does not fit together, or needs something that is not there."""

    exit_code = ExitCode.USAGE


class ProblemsFound(WizardError):
    """The command ran; what it found, or an acknowledgement that is missing, does not let it go on."""

    exit_code = ExitCode.PROBLEMS


class ClusterError(WizardError):
    """The cluster, or Coder, cannot be reached or refused something."""

    exit_code = ExitCode.CLUSTER


class InputError(WizardError):
    """A file cannot be used; ``line`` and ``column`` count from 1, 0 where there is none."""

    exit_code = ExitCode.INPUT

    def __init__(self, what: str, todo: str = "", *, file: Path | str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(what, todo)
        self.file = str(file)
        self.line = line
        self.column = column

    @property
    def place(self) -> str:
        """``file:line:column``, as editors and terminals understand it; "" where none is known."""
        numbers = [str(n) for n in (self.line, self.column) if n]
        return ":".join([part for part in [self.file, *numbers] if part])

    def __str__(self) -> str:
        text = super().__str__()
        return text if not self.place or self.place in self.what else f"{self.place}: {text}"


class ConflictError(WizardError):
    """Somebody else's decision stands in the way; a person has to choose."""

    exit_code = ExitCode.CONFLICT


class Interrupted(WizardError):
    """A person, or a signal, stopped the work; ``what`` says what had been done."""

    exit_code = ExitCode.INTERRUPTED
