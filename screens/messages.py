"""Messages from the walk to the screens."""

from __future__ import annotations

from textual.message import Message


class WalkChanged(Message):
    """Posted when something that is shown has changed: facts, findings, choices, or the reading in progress."""

    def can_replace(self, message: Message) -> bool:
        """Returns whether one redraw can stand for both."""
        return isinstance(message, WalkChanged)


class OperationChanged(Message):
    """Posted when work that changes the cluster began, progressed, or ended."""

    def can_replace(self, message: Message) -> bool:
        """Returns whether one redraw can stand for both."""
        return isinstance(message, OperationChanged)
