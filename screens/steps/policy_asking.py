"""The questions before an edit: shared parts, lost comments, removals, and conflicts of the merge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from rich.console import RenderableType
from rich.text import Text

from screens.steps.policy_changes import Edit, lost_comments
from screens.steps.policy_model import PolicyModel, Shared
from screens.widgets.dialogs import Choice, Confirm, Dialog
from screens.widgets.words import clean, detail_text, diff_text
from wizard.errors import InputError
from wizard.policy import PolicyDocument, fuse_guarantee, unified_diff
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.choices.answers import PolicyChoice

DIFF_WIDTH = 70
"""Columns of a diff in a question."""
_LONGEST_COUNT = 12
"""Columns of a count that fits on a button."""


class Screen(Protocol):
    """What the questions need of the step."""

    def put_question(self, dialog: Dialog[str], then: Callable[[str | None], None]) -> None:
        """Asks."""

    def changed(self) -> None:
        """Draws what has changed."""

    def explain(self, content: RenderableType, said: str = "") -> None:
        """Shows a text in place of the detail."""

    def after_refusal(self, title: str, error: InputError, text: str) -> None:
        """Shows why an edit was not made."""

    def after_merge(self, path: tuple[str | int, ...]) -> None:
        """Goes to the field that a merge changed."""

    def choice(self) -> PolicyChoice:
        """Returns what the answers say about the policy."""


class EditDialogs:
    """Makes edits, or explains why not; asks first where an edit does more than it seems."""

    def __init__(self, model: PolicyModel, screen: Screen) -> None:
        self._model = model
        self._screen = screen

    def redraw(self) -> None:
        """Draws the policy again, without an edit."""
        self._screen.changed()

    def _take(self, document: PolicyDocument) -> None:
        self._model.put(document)
        self._screen.changed()

    def _try(self, what: str, edit: Edit, again: Callable[[], None], *, unshare: bool) -> PolicyDocument | None:
        """Returns the result of an edit; None if it failed or needs a decision about a shared part."""
        try:
            return self._model.try_edit(edit, unshare=unshare)
        except Shared as shared:
            self._ask_unshare(shared, again)
        except InputError as error:
            self._screen.after_refusal(f"{what}: failed", error, self._model.document.text)
        return None

    def edit(self, what: str, edit: Edit, *, unshare: bool = False, ask_for_comments: bool = False) -> None:
        """Makes an edit or explains why not; asks if it also affects other fields or removes comments."""
        document = self._try(
            what,
            edit,
            lambda: self.edit(what, edit, unshare=True, ask_for_comments=ask_for_comments),
            unshare=unshare,
        )
        if document is None:
            return
        before = self._model.document
        lost = lost_comments(before, document) if ask_for_comments else 0
        if not lost:
            self._take(document)
            return
        self._screen.put_question(
            Confirm(
                f"{what}?",
                [
                    f"This also removes {counted(lost, 'comment')}. "
                    "To keep comments, change the value in your editor (E).",
                    diff_text(unified_diff(before, document, width=DIFF_WIDTH).splitlines()),
                ],
                [Choice("take", "Change anyway", danger=True)],
                back="Cancel",
            ),
            lambda answer: self._take(document) if answer == "take" else None,
        )

    def remove(self, what: str, edit: Edit, said: list[str], *, unshare: bool = False) -> None:
        """Removes something after showing what is removed."""
        document = self._try(what, edit, lambda: self.remove(what, edit, said, unshare=True), unshare=unshare)
        if document is None:
            return
        lost = lost_comments(self._model.document, document)
        lines: list[str | Text] = [*said]
        if lost:
            lines.append(f"This also removes {counted(lost, 'comment')}.")
        lines.append(diff_text(unified_diff(self._model.document, document, width=DIFF_WIDTH).splitlines()))
        question = Confirm(f"{what}?", lines, [Choice("remove", what, danger=True)], back="Cancel")
        self._screen.put_question(question, lambda answer: self._take(document) if answer == "remove" else None)

    def _ask_unshare(self, shared: Shared, then: Callable[[], None]) -> None:
        error = shared.error
        self._screen.put_question(
            Confirm(
                "This change also affects other fields",
                [
                    f"{error.place}: {error.what}" if error.place else error.what,
                    "You can copy the shared part first so that only this field changes.",
                ],
                [Choice("unshare", "Copy and change this field", danger=True)],
                back="Cancel",
            ),
            lambda answer: then() if answer == "unshare" else None,
        )

    # The merge ------------------------------------------------------------------------------------------------------

    def merge(self, choice: PolicyChoice | None = None) -> None:
        """Adds what Podman needs; asks if the policy requests a different number of devices, or has other names."""
        choice = choice or self._screen.choice()
        found = self._model.conflicts(choice)
        if found is None:
            self._merge(choice, "keep")
            return
        lines = [
            f"line {one.line}: {clean('.'.join(one.path[-3:]))} is "
            + (f"not {one.wanted}" if one.kind == "name" else f"{clean(one.shown)}, not {one.wanted}")
            for one in found.conflicts
        ]
        counts = ", ".join(dict.fromkeys(conflict.shown for conflict in found.conflicts))
        only_counts = all(conflict.kind != "name" for conflict in found.conflicts)
        title = "The policy requests a different number of FUSE devices"
        if not only_counts:
            title = "The policy has names that differ from what Podman needs"
            lines.append("With these names, workspaces get no FUSE device.")
        choices = [
            Choice("keep", f"Keep {clean(counts)}" if only_counts and len(counts) <= _LONGEST_COUNT else "Keep them"),
            Choice("replace", f"Replace with {choice.devices}" if only_counts else "Correct them", danger=True),
        ]
        self._screen.put_question(
            Confirm(title, lines, choices, back="Cancel the merge"),
            lambda answer: self._merge(choice, answer) if answer else None,
        )

    def _merge(self, choice: PolicyChoice, on_conflict: str, *, unshare: bool = False) -> None:
        try:
            result = self._model.merge(choice, on_conflict, unshare=unshare)
        except Shared as shared:
            self._ask_unshare(shared, lambda: self._merge(choice, on_conflict, unshare=True))
            return
        except InputError as error:
            self._screen.after_refusal("The merge failed", error, self._model.document.text)
            return
        self._screen.changed()
        if result.changes:
            self._screen.after_merge(result.changes[-1].path[:4])
        if not result.changed:
            seen = ["The policy already requests FUSE."]
            if any(conflict.kept for conflict in result.conflicts):
                seen = ["Existing values were kept.", *fuse_guarantee(result.document).reasons]
            self._screen.explain(detail_text("Nothing to add", seen=seen), "The merge has nothing to add.")

    def secure(self) -> None:
        """Merges with a field policy with which no workspace can drop FUSE, after saying what it takes from users."""
        lines = [
            "append: workspaces can add resources of their own to these two fields, but not remove FUSE.",
            "read: workspaces cannot set these two fields at all; a resource that they request now is rejected.",
            "write, as in the guide: a workspace can replace the fields, and lose FUSE.",
        ]
        choices = [Choice("append", "Set append"), Choice("read", "Set read", danger=True)]

        def answered(answer: str | None) -> None:
            if answer is not None:
                self.merge(replace(self._screen.choice(), mode="append" if answer == "append" else "read"))

        question = Confirm("How can every workspace be sure to get FUSE?", lines, choices, back="Cancel")
        self._screen.put_question(question, answered)
