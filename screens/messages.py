"""What the walk tells the screens, as Textual messages."""

from __future__ import annotations

from textual.message import Message


class WalkChanged(Message):
    """Something that is shown changed: facts, findings, choices, or what is being read."""

    def can_replace(self, message: Message) -> bool:
        """One redraw shows the last state of all."""
        return isinstance(message, WalkChanged)


class OperationChanged(Message):
    """Work that changes the cluster went on, began, or ended."""

    def can_replace(self, message: Message) -> bool:
        """Likewise."""
        return isinstance(message, OperationChanged)
