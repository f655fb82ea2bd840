"""Replacing the file that was edited, or writing another one, only if it is still what was read."""

from __future__ import annotations

from pathlib import Path

from wizard.files import Snapshot, read_target, write_file
from wizard.text.counting import counted
from wizard.text.escaping import printable

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from collections.abc import Iterator


class Saved:
    """What became of a file: its backup, if it had other content, whether it is new, and its other names."""

    def __init__(self, path: Path, backup: Path | None, *, is_new: bool, others: int) -> None:
        self.path = path
        self.backup = backup
        self.is_new = is_new
        self.others = others

    def in_words(self) -> Iterator[str]:
        """Yields sentences about it; none if the file had this content already."""
        name = printable(str(self.path))
        if self.backup is not None:
            yield f"{name}: written; its earlier content is in {printable(str(self.backup))}."
            if self.others:
                yield f"{name}: {others_in_words(self.others)}"
        elif self.is_new:
            yield f"{name}: written."


def save(path: Path, content: bytes, read: Snapshot | None) -> Saved:
    """Writes an edited file.

    ``read`` is the file that was edited. If ``path`` is another name for it, it must still have that content.
    Raises ConflictError if it changed, InputError if it cannot be written.
    """
    is_read = read is not None and (path == read.path or is_same_file(path, read.path))
    before = Snapshot(path, read.content) if read is not None and is_read else read_target(path)
    others = other_names(path)
    backup = write_file(path, content, read=before)
    return Saved(path, backup, is_new=before.content is None, others=others)


def is_same_file(one: Path, other: Path) -> bool:
    """Tells whether two paths name one file; False if one of them does not exist."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def other_names(path: Path) -> int:
    """Returns how many other names (hard links) a file has. Replacing the file leaves them with its old content."""
    try:
        return path.stat().st_nlink - 1
    except (OSError, ValueError):
        return 0


def others_in_words(others: int) -> str:
    """Returns a sentence about the other names of a file that is replaced."""
    verb = "keeps" if others == 1 else "keep"
    return f"{counted(others, 'other name')} of this file (hard links) {verb} the earlier content."
