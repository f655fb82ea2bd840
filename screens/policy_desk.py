"""The policy that is worked on: what was opened, what became of it, where it will go. Nothing here is a widget."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.answers import PolicyChoice
from wizard.errors import InputError
from wizard.files import Snapshot, read_snapshot, read_target, write_file
from wizard.plan import WritePolicy
from wizard.policy import (
    LARGEST,
    EditSession,
    MergeResult,
    PolicyDocument,
    add_field,
    merge_podman,
    new_policy,
    outcome_in_words,
    prove,
    remove_field,
    remove_value,
    set_policy_word,
    set_value,
)

if TYPE_CHECKING:
    from wizard.engine import Engine
    from wizard.events import Listener
    from wizard.unfinished import PolicyEdits

FieldPath = tuple[str, ...]
Edit = Callable[[PolicyDocument, bool], PolicyDocument]
"""An edit of a document; the second argument says whether shared parts are copied first."""

NEW_FILE = Path("policy.yaml")
"""Where a policy goes that was not opened from a file, unless the person says otherwise."""


class Shared(Exception):
    """An edit was refused because it would change other places too; with un-sharing it can be made."""

    def __init__(self, error: InputError) -> None:
        super().__init__(error.what)
        self.error = error


class PolicyDesk:
    """One policy at a time. An edit that is refused leaves everything as it was."""

    def __init__(self) -> None:
        self.edits: EditSession | None = None
        self.path: Path | None = None
        """The file that was opened, or written last; None for a policy that has none yet."""
        self.read: Snapshot | None = None
        """What that file held then."""
        self.given: Path | None = None
        """The file that holds what the person gave: the one that was opened, or its backup once that was written."""
        self.refused: InputError | None = None
        """Why the last file could not be opened."""
        self.refused_text = ""
        """What stands in that file, as far as it can be read."""
        self.draft: bytes | None = None
        """A text from the editor that is no policy yet; it is kept so that it can be mended."""

    # What is there -------------------------------------------------------------------------------------------

    @property
    def document(self) -> PolicyDocument:
        """The policy as it now is."""
        assert self.edits is not None
        return self.edits.document

    @property
    def dirty(self) -> bool:
        """Whether something would be lost with the program."""
        return self.edits is not None and (self.edits.dirty or self.draft is not None)

    @property
    def name(self) -> str:
        """What people call the file."""
        return self.path.name if self.path is not None else f"{NEW_FILE} (new)"

    # Where it comes from -------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Opens a file. Raises InputError, and keeps what is on the desk, where it cannot be used."""
        path = path.expanduser()
        try:
            if _is_special(path):
                # Reading a pipe or a device would hold up the screen for as long as it likes.
                raise InputError(f"{path} is not a file.", "Give the path of a template policy.", file=path)
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
        """What would be lost with the program, to be kept for the next time; None where nothing would."""
        if not self.dirty or self.edits is None:
            return None
        original = self.edits.original.content if self.read is None else self.read.content or b""
        from wizard.unfinished import PolicyEdits

        return PolicyEdits(self.path and self.path.absolute(), original, self.document.content, self.draft)

    def take_up(self, edits: PolicyEdits) -> None:
        """Goes on with what was kept; where the file has changed since, saving says so. Raises InputError."""
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

    def read_again(self) -> None:
        """Takes what the file holds now; edits that were not saved go. Raises InputError as ``open`` does."""
        assert self.path is not None
        self.open(self.path)

    def _take(self, document: PolicyDocument, path: Path | None, snapshot: Snapshot | None) -> None:
        self.edits, self.path, self.read = EditSession(document), path, snapshot
        self.given = path
        self.refused = self.draft = None

    def changed_on_disk(self) -> Snapshot | None:
        """What the file holds now, if that is no longer what was read; None where nothing happened to it."""
        if self.path is None or self.read is None:
            return None
        now = read_snapshot(self.path, missing_ok=True, limit=LARGEST)
        return now if now.content != self.read.content else None

    # Edits ---------------------------------------------------------------------------------------------------

    def try_edit(self, edit: Edit, *, unshare: bool = False) -> PolicyDocument:
        """What an edit would give; the desk stays as it is.

        Raises Shared where it could be made on a copy of what other places use too, InputError where it
        cannot be made at all.
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
        """Takes an edit's result."""
        assert self.edits is not None
        self.edits.put(document)

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
        """What a merge would keep that it wants otherwise; None where nothing, or where it is refused anyway."""
        try:
            result = merge_podman(self.document, choice.mode, choice.devices, "keep", unshare=True)
        except InputError:
            return None
        return result if result.conflicts else None

    # The editor ----------------------------------------------------------------------------------------------

    def edit_by_hand(self) -> bool:
        """Opens a copy of the policy in the person's editor; gives whether it came back as another one.

        Raises InputError where what came back is no policy: it is kept as ``draft`` and opened next time.
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
        """The action that writes the policy there. Raises InputError where that file cannot be looked at."""
        path = path.expanduser()
        own = self.is_own(path) and self.read is not None
        source = self.path or path
        return WritePolicy(
            title=f"Write {path}",
            why=outcome_in_words(self.document),
            by_hand=(f"podman-wizard policy merge {shlex.quote(str(source))} --to {shlex.quote(str(path))}",),
            undo="The file gets back what it held; a new one is removed.",
            path=path,
            content=self.document.content,
            read=self.read if own else read_target(path),
        )

    def saved(self, action: WritePolicy, document: PolicyDocument, backup: Path | None = None) -> None:
        """Says that the file now holds this version, and ``backup`` what it held."""
        assert self.edits is not None
        if (
            backup is not None
            and self.given is not None
            and os.path.realpath(self.given) == os.path.realpath(action.path)
        ):
            self.given = backup
        self.edits.original = document
        self.path, self.read = action.path, Snapshot(action.path, action.content)


async def write_through(engine: Engine, action: WritePolicy, listener: Listener) -> tuple[Path | None, str]:
    """Writes through the journal; gives the backup, and why it is not in the journal ("" where it is).

    Another wizard at work on the cluster keeps its journal to itself; that is no reason not to write a file.
    """
    holder = engine.other_wizard()
    if holder:
        return write_now(action), f"Another wizard ({holder}) is at work, so undo does not know of it."
    return await engine.write_policy(action, listener), ""


def write_now(action: WritePolicy) -> Path | None:
    """Writes without a journal, where there is no cluster to keep one for; gives the backup."""
    return write_file(action.path, action.content, read=action.read)


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


# The edits of a field ----------------------------------------------------------------------------------------


def word_edit(path: FieldPath, word: str) -> Edit:
    """Sets the policy word; makes the field where it is missing."""
    return lambda document, unshare: set_policy_word(document, path, word, unshare=unshare)


def value_removal(path: FieldPath) -> Edit:
    """Takes the value away and leaves the policy word."""
    return lambda document, unshare: remove_value(document, path, unshare=unshare)


def data_edit(path: FieldPath, data: Any, *, word: str = "read", present: bool = True) -> Edit:
    """Sets the value; a field that is missing is made with a policy word."""
    if present:
        return lambda document, unshare: set_value(document, path, data, unshare=unshare)
    return lambda document, unshare: add_field(document, path, word, data, unshare=unshare)


def removal(path: FieldPath) -> Edit:
    """Removes the field with its own comments."""
    return lambda document, unshare: remove_field(document, path, unshare=unshare)


def lost_comments(before: PolicyDocument, after: PolicyDocument) -> int:
    """How many comments an edit takes with it."""
    proof = prove(before, after)
    return proof.comments - proof.comments_kept


# The editor --------------------------------------------------------------------------------------------------


def editor_command() -> list[str]:
    """The person's editor, as other tools find it."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError:
            words = []
        if words:
            return words
    return ["vi"]


def edited(content: bytes, name: str) -> bytes:
    """What a person makes of a text in the editor. The caller has given the terminal back before.

    Raises InputError where the editor cannot be started or says that it failed (``:cq``).
    """
    with tempfile.TemporaryDirectory(prefix="podman-wizard-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        run_editor(path)
        return read_snapshot(path, limit=LARGEST).content or b""


def run_editor(path: Path) -> None:
    """Runs the editor on a file, to its end; raises InputError where it cannot be started or failed."""
    command = editor_command()
    todo = "Set EDITOR to one that is installed here."
    try:
        code = subprocess.run([*command, str(path)], check=False).returncode
    except OSError as error:
        raise InputError(f"The editor {command[0]} cannot be started: {error.strerror}.", todo) from None
    if code:
        raise InputError(f"The editor {command[0]} ended with code {code}.", "What it held was not taken over.")
