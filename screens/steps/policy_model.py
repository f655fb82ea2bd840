"""The policy being edited: the file it came from, its edits, and where it is saved. Nothing here is a widget."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from screens.steps.policy_changes import Edit
from screens.terminal.external_editor import edited
from wizard.choices.answers import PolicyChoice
from wizard.errors import InputError
from wizard.facts.differences import file_diff
from wizard.files import Snapshot, read_snapshot, read_target, write_file
from wizard.plan.actions import WritePolicy
from wizard.plan.derive import plan_without_cluster
from wizard.policy import (
    LARGEST,
    EditSession,
    MergeResult,
    PolicyDocument,
    Reapplied,
    merge_podman,
    new_policy,
    outcome_in_words,
    reapply_edits,
)

if TYPE_CHECKING:
    from wizard.choices.answers import Answers
    from wizard.engine.engine import Engine
    from wizard.engine.executor import RunOutcome
    from wizard.journal.unfinished import PolicyEdits

NEW_FILE = Path("policy.yaml")
"""Default file of a policy that was not opened from a file."""


class Shared(Exception):
    """An edit that would also change other fields; it is possible if the shared part is copied first."""

    def __init__(self, error: InputError) -> None:
        super().__init__(error.what)
        self.error = error


class PolicyModel:
    """One policy at a time. An edit that fails changes nothing."""

    def __init__(self) -> None:
        self.edits: EditSession | None = None
        self.path: Path | None = None
        """The file that was opened or written last; None for a policy that has no file yet."""
        self.read: Snapshot | None = None
        """The content of that file at that time."""
        self.given: Path | None = None
        """The file with the user's original: the one that was opened, or its backup after it was written."""
        self.refused: InputError | None = None
        """Why the last file could not be opened."""
        self.refused_text = ""
        """The content of that file, as far as it can be read."""
        self.draft: bytes | None = None
        """A text from the editor that is not a valid policy yet; it is kept so that it can be fixed."""

    # State ---------------------------------------------------------------------------------------------------

    @property
    def document(self) -> PolicyDocument:
        """The current policy."""
        assert self.edits is not None
        return self.edits.document

    @property
    def dirty(self) -> bool:
        """Whether quitting loses changes."""
        return self.edits is not None and (self.edits.dirty or self.draft is not None)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name if self.path is not None else f"{NEW_FILE} (new)"

    # Where it comes from -------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Opens a file. Raises InputError, and keeps the current policy, if the file cannot be used."""
        path = path.expanduser()
        try:
            if _is_special(path):
                # Reading a pipe or a device could block the screen forever.
                raise InputError(f"{path} is not a file.", "Enter the path of a template policy.", file=path)
            document, snapshot = PolicyDocument.read(path)
        except InputError as error:
            self.refused, self.refused_text = error, _text_of(path)
            raise
        self._take(document, path, snapshot)

    def start(self, preset: str) -> None:
        """Starts from one of the guide's policies; all of it counts as new, because no file holds it."""
        name = str(NEW_FILE)
        self._take(PolicyDocument.parse(new_policy(preset), name), None, None)
        assert self.edits is not None
        self.edits.original = PolicyDocument.parse(b"", name)

    def unfinished(self) -> PolicyEdits | None:
        """Returns the unsaved changes, to be kept for the next session; None if there are none."""
        if not self.dirty or self.edits is None:
            return None
        original = self.edits.original.content if self.read is None else self.read.content or b""
        from wizard.journal.unfinished import PolicyEdits

        return PolicyEdits(self.path and self.path.absolute(), original, self.document.content, self.draft)

    def take_up(self, edits: PolicyEdits) -> None:
        """Continues with kept changes; if the file has changed since, saving says so. Raises InputError."""
        name = str(edits.path or NEW_FILE)
        original = PolicyDocument.parse(edits.original, name)
        document = PolicyDocument.parse(edits.content, name)
        if edits.path is None:
            self._take(document, None, None)
        else:
            self._take(original, edits.path, Snapshot(edits.path, edits.original))
            self.put(document)
        assert self.edits is not None
        self.edits.original, self.draft = original, edits.draft

    def make_again(self, now: Snapshot) -> Reapplied:
        """Returns the unsaved edits made again on the file's current content. Raises InputError if that fails."""
        assert self.edits is not None
        return reapply_edits(
            self.edits.original, self.document, PolicyDocument.parse(now.content or b"", self.document.name)
        )

    def continue_with(self, made: Reapplied, now: Snapshot) -> None:
        """Continues with the current content of the file and the edits on it."""
        assert self.path is not None
        self._take(PolicyDocument.parse(now.content or b"", self.document.name), self.path, now)
        self.put(made.document)

    def read_again(self) -> None:
        """Reads the file again and discards unsaved edits. Raises InputError as ``open`` does."""
        assert self.path is not None
        self.open(self.path)

    def _take(self, document: PolicyDocument, path: Path | None, snapshot: Snapshot | None) -> None:
        self.edits, self.path, self.read = EditSession(document), path, snapshot
        self.given = path
        self.refused = self.draft = None

    def changed_on_disk(self) -> Snapshot | None:
        """Returns the file's current content if it differs from what was read; None if it does not."""
        if self.path is None or self.read is None:
            return None
        now = read_snapshot(self.path, missing_ok=True, limit=LARGEST)
        return now if now.content != self.read.content else None

    # Edits ---------------------------------------------------------------------------------------------------

    def try_edit(self, edit: Edit, *, unshare: bool = False) -> PolicyDocument:
        """Returns the result of an edit without making it.

        Raises Shared if the edit is possible on a copy of what other fields also use, InputError if it is not
        possible at all.
        """
        try:
            return edit(self.document, unshare)
        except InputError as error:
            if unshare:
                raise
            try:
                edit(self.document, True)
            except InputError:
                raise error from None
            raise Shared(error) from None

    def put(self, document: PolicyDocument) -> None:
        """Makes the result of an edit the current policy."""
        assert self.edits is not None
        self.edits.put(document)

    def undo(self) -> None:
        """Undoes the last change; discards an invalid text from the editor first."""
        if self.draft is not None:
            self.draft = None
        elif self.edits is not None:
            self.edits.undo()

    def redo(self) -> None:
        """Redoes the last undone change."""
        if self.edits is not None:
            self.edits.redo()

    def edit(self, edit: Edit, *, unshare: bool = False) -> None:
        """Makes an edit; raises what ``try_edit`` raises."""
        self.put(self.try_edit(edit, unshare=unshare))

    def merge(
        self, choice: PolicyChoice | None = None, on_conflict: str = "keep", *, unshare: bool = False
    ) -> MergeResult:
        """Merges what Podman needs, exactly as the command does; raises what ``try_edit`` raises."""
        choice = choice or PolicyChoice()

        def merged(document: PolicyDocument, unshare: bool) -> MergeResult:
            return merge_podman(document, choice.mode, choice.devices, on_conflict, unshare=unshare)

        results: list[MergeResult] = []

        def edit(before: PolicyDocument, copied: bool) -> PolicyDocument:
            results.append(merged(before, copied))
            return results[-1].document

        self.put(self.try_edit(edit, unshare=unshare))
        return results[-1]

    def conflicts(self, choice: PolicyChoice) -> MergeResult | None:
        """Returns a merge with conflicting values; None if there are none, or if the merge fails anyway."""
        try:
            result = merge_podman(self.document, choice.mode, choice.devices, "keep", unshare=True)
        except InputError:
            return None
        return result if result.conflicts else None

    # The editor ----------------------------------------------------------------------------------------------

    def edit_by_hand(self) -> bool:
        """Opens a copy of the policy in the user's editor; returns whether the user changed it.

        Raises InputError if the result is not a valid policy: it is kept as ``draft`` and opened next time.
        """
        before = self.draft if self.draft is not None else self.document.content
        content = edited(before, (self.path or NEW_FILE).name)
        try:
            document = PolicyDocument.parse(content, self.document.name)
        except InputError:
            self.draft = content
            raise
        self.draft = None
        changed = document.content != self.document.content
        self.put(document)
        return changed

    # Saving --------------------------------------------------------------------------------------------------

    def is_own(self, path: Path) -> bool:
        """Whether a path is the file that was opened."""
        return self.path is not None and os.path.realpath(path) == os.path.realpath(self.path)

    def writing(self, path: Path) -> WritePolicy:
        """Returns the action that writes the policy there. Raises InputError if that file cannot be read."""
        path = path.expanduser()
        # a file that was deleted in the meantime is created again
        own = self.is_own(path) and self.read is not None and path.exists()
        source = self.path or path
        return WritePolicy(
            title=f"Write {path}",
            why=outcome_in_words(self.document),
            by_hand=(f"podman-wizard policy merge {shlex.quote(str(source))} --to {shlex.quote(str(path))}",),
            undo="Restores the earlier content of the file; deletes a new file.",
            path=path,
            content=self.document.content,
            read=self.read if own else read_target(path),
        )

    def saved(self, action: WritePolicy, document: PolicyDocument, backup: Path | None = None) -> None:
        """Notes that the file now has this version, and ``backup`` its earlier content."""
        assert self.edits is not None
        if (
            backup is not None
            and self.given is not None
            and os.path.realpath(self.given) == os.path.realpath(action.path)
        ):
            self.given = backup
        self.edits.original = document
        self.path, self.read = action.path, Snapshot(action.path, action.content)


async def write_through(engine: Engine, action: WritePolicy, answers: Answers) -> tuple[RunOutcome, str]:
    """Writes through the journal; returns what became of it, and why it is not in the journal ("" if it is).

    Another running wizard locks the journal of the cluster; that is no reason not to write a file.
    """
    from wizard.engine.executor import Executor
    from wizard.engine.looking import ignored

    holder = engine.other_wizard()
    if holder:
        return write_now(action), f"Another wizard is running ({holder}), so undo does not know about this file."
    before = action.read.content if action.read is not None else None
    action = replace(action, diff=file_diff(action.path, before, action.content))
    plan = plan_without_cluster(answers, [action])
    engine.note_answers(answers)
    return await Executor(engine, plan, ignored).execute(agreed=plan.digest, door="screens"), ""


def write_now(action: WritePolicy) -> RunOutcome:
    """Writes without a journal, if there is no cluster to keep one for; returns what became of it."""
    from wizard.engine.executor import Outcome, RunOutcome

    backup = write_file(action.path, action.content, read=action.read)
    return RunOutcome((Outcome(action, "done"),), policy=action.path, backup=backup)


def _is_special(path: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except OSError:  # reading it will say why
        return False


def _text_of(path: Path) -> str:
    try:
        return (
            "" if _is_special(path) else (read_snapshot(path, limit=LARGEST).content or b"").decode("utf-8", "replace")
        )
    except InputError:
        return ""
