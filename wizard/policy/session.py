"""A policy being edited: what the screens hold."""

from __future__ import annotations

from pathlib import Path

from wizard.files import Snapshot, write_file
from wizard.policy.compare import Proof, prove, unified_diff
from wizard.policy.document import PolicyDocument


class EditSession:
    """The versions that a policy went through; ``original`` is what diff and proof are made against."""

    def __init__(self, document: PolicyDocument) -> None:
        self.original = document
        self._versions = [document]
        self._at = 0

    @property
    def document(self) -> PolicyDocument:
        """The policy as it now is."""
        return self._versions[self._at]

    @property
    def dirty(self) -> bool:
        """Whether it is another than the original."""
        return self.document.content != self.original.content

    @property
    def can_undo(self) -> bool:
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        return self._at + 1 < len(self._versions)

    def put(self, document: PolicyDocument) -> None:
        """Makes an edit's result the current version; what was undone before is forgotten."""
        if document.content != self.document.content:
            self._versions[self._at + 1 :] = [document]
            self._at += 1

    def undo(self) -> PolicyDocument:
        """Takes the last edit back; where there is none, nothing happens."""
        self._at = max(self._at - 1, 0)
        return self.document

    def redo(self) -> PolicyDocument:
        """Makes the edit that was taken back once more; where there is none, nothing happens."""
        self._at = min(self._at + 1, len(self._versions) - 1)
        return self.document

    def saved(self) -> None:
        """Says that the current version is what the file now holds; undo goes on to work."""
        self.original = self.document

    @property
    def proof(self) -> Proof:
        """What lies between the original and the current version."""
        return prove(self.original, self.document)

    def unified_diff(self, width: int | None = 80) -> str:
        """The difference from the original; ``width`` is the columns that it may take."""
        return unified_diff(self.original, self.document, width=width)


def save(source: EditSession | PolicyDocument, path: Path, snapshot: Snapshot | None) -> Path | None:
    """Writes a policy; gives the path of the backup, if one was made.

    ``snapshot`` is what the file held when it was read: where it has changed since, nothing is written.

    Raises ConflictError where the file changed since, InputError where it cannot be written.
    """
    document = source.document if isinstance(source, EditSession) else source
    backup = write_file(path, document.content, read=snapshot)
    if isinstance(source, EditSession):
        source.saved()
    return backup
