"""A policy while it is edited in the screens."""

from __future__ import annotations

from wizard.policy.compare import Proof, prove, unified_diff
from wizard.policy.document import PolicyDocument


class EditSession:
    """The versions of an edited policy; the diff and the check compare with ``original``."""

    def __init__(self, document: PolicyDocument) -> None:
        self.original = document
        self._versions = [document]
        self._at = 0

    @property
    def document(self) -> PolicyDocument:
        """The current version of the policy."""
        return self._versions[self._at]

    @property
    def dirty(self) -> bool:
        """Whether the current version differs from the original."""
        return self.document.content != self.original.content

    @property
    def can_undo(self) -> bool:
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        return self._at + 1 < len(self._versions)

    def put(self, document: PolicyDocument) -> None:
        """Makes an edit's result the current version, and drops the edits that were undone before."""
        if document.content != self.document.content:
            self._versions[self._at + 1 :] = [document]
            self._at += 1

    def undo(self) -> PolicyDocument:
        """Undoes the last edit; does nothing if there is none."""
        self._at = max(self._at - 1, 0)
        return self.document

    def redo(self) -> PolicyDocument:
        """Redoes the edit that was undone last; does nothing if there is none."""
        self._at = min(self._at + 1, len(self._versions) - 1)
        return self.document

    @property
    def proof(self) -> Proof:
        """The check of the current version against the original."""
        return prove(self.original, self.document)

    def unified_diff(self, width: int | None = 80) -> str:
        """Returns the diff from the original; ``width`` is the number of columns for it."""
        return unified_diff(self.original, self.document, width=width)
