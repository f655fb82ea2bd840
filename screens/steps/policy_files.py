"""The file of a policy: opened, started, read again, compared with what is on disk, and written; with the questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import SuspendNotSupported

from screens.steps.coder_model import UPLOADED_TICKS
from screens.steps.policy_asking import DIFF_WIDTH
from screens.steps.policy_forms import SavePage, Written, path_problem
from screens.steps.policy_model import NEW_FILE, PolicyModel, write_now, write_through
from screens.steps.policy_view import error_detail
from screens.terminal.external_editor import run_editor
from screens.terminal.handoff import suspended
from screens.widgets.dialogs import AskText, Choice, Confirm, Option, Pick
from screens.widgets.words import clean, detail_text, diff_text
from wizard.editing.saving import other_names, others_in_words
from wizard.errors import ConflictError, InputError
from wizard.files import Snapshot
from wizard.policy import PolicyDocument, Reapplied, check, unified_diff
from wizard.text.counting import counted

if TYPE_CHECKING:
    from screens.steps.policy import PolicyStep
    from wizard.journal.unfinished import PolicyEdits
    from wizard.plan.actions import WritePolicy
    from wizard.session.session import Session


def diff_of(model: PolicyModel, width: int) -> Text:
    """Returns the changes to the file in columns of that width."""
    diff = model.edits.unified_diff(width) if model.edits is not None else ""
    return diff_text(diff.splitlines()) if diff else Text("No changes to the file.")


class FileDialogs:
    """Opens and writes files; asks before anything is lost."""

    def __init__(self, model: PolicyModel, step: PolicyStep) -> None:
        self._model = model
        self._step = step
        self._to_write: WritePolicy | None = None
        """What the save dialog showed last."""

    def open(self, path: Path, *, say: bool = True) -> None:
        """Opens a file, or says why it cannot be opened."""
        try:
            self._model.open(path)
        except InputError as error:
            if self._model.edits is not None or say:
                self._step.after_refusal(f"Cannot open {clean(str(path))}", error, self._model.refused_text)
            return
        self._step.after_opening()

    def begin(self, way: str) -> None:
        """Starts in one of the ways that the first list offers."""
        match way:
            case "open":
                self.open_another()
            case "again":
                self.ask_path(self._model.refused.file if self._model.refused else "")
            case preset:
                self.start(preset)

    def take_up(self, edits: PolicyEdits) -> None:
        """Continues with the changes of an interrupted session."""
        try:
            self._model.take_up(edits)
            changed = self._model.changed_on_disk()
        except InputError as error:
            self._step.complain(error)
            return
        self._step.view = "fields"
        if changed is not None:
            what = "changed" if changed.content is not None else "deleted"
            self._step.say(
                f"{self._model.name} was {what} in the meantime. Your changes are kept here. "
                "Press s to compare before anything is written."
            )

    def start(self, preset: str) -> None:
        """Starts from one of the guide's policies."""
        self._model.start(preset)
        self._step.after_opening()

    def open_another(self) -> None:
        """Asks for a path; asks about unsaved changes first."""
        current = self._model.path or self._step.walk.policy_file or ""
        self._unless_lost("Open another file", lambda: self.ask_path(str(current)))

    def ask_path(self, path: str) -> None:
        """Asks for the file to open."""
        question = AskText("Open a template policy", "File path:", path, check=path_problem)
        self._step.put_question(question, lambda answer: self.open(Path(answer)) if answer else None)

    def new(self) -> None:
        """Asks which of the guide's policies to start from."""
        options = [
            Option("podman", "Short: only what Podman needs"),
            Option("complete", "Complete: every field in the guide"),
        ]

        def ask() -> None:
            pick = Pick("Start a new policy", "Choose one of the guide's policies:", options, "podman")
            self._step.put_question(pick, lambda answer: self.start(answer) if answer else None)

        self._unless_lost("Start a new policy", ask)

    def read_again(self) -> None:
        """Reads the file again; asks about unsaved changes first."""
        path = self._model.path
        if path is not None:
            self._unless_lost(f"Reload {path.name}", lambda: self.open(path))

    def _unless_lost(self, what: str, then: Callable[[], None]) -> None:
        """Does something that loses unsaved changes; asks first if there are any."""
        if not self._model.dirty or self._model.edits is None:
            then()
            return
        lines = [
            f"{self._model.name} has unsaved changes:",
            str(self._model.edits.proof),
            "They will be lost.",
        ]
        question = Confirm(f"{what}?", lines, [Choice("drop", "Discard changes", danger=True)], back="Keep editing")
        self._step.put_question(question, lambda answer: then() if answer == "drop" else None)

    def save(self) -> None:
        """Shows what will be written, where, and what happens to the current content; then asks."""
        assert self._model.edits is not None
        try:
            changed = self._model.changed_on_disk()
        except InputError:
            changed = None
        if changed is not None and changed.content is not None:
            self._ask_changed(changed)
            return
        choice = self._step.session.answers.policy_or_default
        planned = choice.output if choice.file and self._model.is_own(Path(choice.file).expanduser()) else None
        self._ask_save(str(planned or self._model.path or self._offered_file()))

    def _offered_file(self) -> Path:
        """Returns the file that is offered for a policy that has none; in a sandbox, one in the sandbox's folder."""
        folder = self._step.walk.engine.sandbox_folder
        return NEW_FILE if folder is None else folder / NEW_FILE

    def _ends_with_sandbox(self, path: Path) -> bool:
        return path.parent == self._step.walk.engine.sandbox_folder

    def _ask_save(self, path: str) -> None:
        self._step.put_question(
            SavePage(path, self._describe_target, diff_of(self._model, DIFF_WIDTH)), self._save_answered
        )

    def _describe_target(self, text: str) -> Written:
        if not text.strip():
            return Written(("Enter a file path.",), possible=False)
        path = Path(text).expanduser()
        try:
            action = self._to_write = self._model.writing(path)
        except (InputError, ValueError) as error:
            return Written((str(error),), possible=False)
        assert self._model.edits is not None
        if not path.parent.is_dir():
            return Written((f"The folder {path.parent} does not exist.",), possible=False)
        held = action.read.content if action.read is not None else None
        if held is None:
            is_gone = self._model.is_own(path) and self._model.read is not None
            place = f"{path.name} was deleted. This creates it again." if is_gone else "This creates a new file."
        elif held == action.content:
            place = "The file already has this content. Nothing will be written."
        else:
            own = "" if self._model.is_own(path) else "This replaces another file. "
            place = f"{own}Its current content is saved as {path.name}.DATE-TIME.bak."
            if others := other_names(path):
                place += f" {others_in_words(others)}"
        problems = sum(problem.severity == "problem" for problem in check(self._model.document))
        lines = [place, f"{self._model.edits.proof}."]
        if self._ends_with_sandbox(path):
            lines.append("This folder is deleted when the sandbox ends. Enter another path to keep the file.")
        if problems:
            lines.append(f"The policy still has {counted(problems, 'problem')}. To list them, cancel and press P.")
        return Written(tuple(lines))

    def _ask_changed(self, now: Snapshot) -> None:
        assert self._model.read is not None and self._model.path is not None
        name = self._model.path.name
        lines: list[str | Text] = ["Someone changed this file after you opened it. It will not be overwritten."]
        try:
            before = PolicyDocument.parse(self._model.read.content or b"", f"{name} when opened")
            there = PolicyDocument.parse(now.content or b"", f"{name} now")
            lines.append(diff_text(unified_diff(before, there, width=DIFF_WIDTH).splitlines()))
        except InputError as error:
            lines.append(f"Its current content is not a valid policy: {error}")
        choices = [Choice("other", "Write elsewhere"), Choice("again", "Discard changes", danger=True)]
        made: Reapplied | None = None
        try:
            made = self._model.make_again(now)
        except InputError as error:
            lines.append(f"Your changes cannot be repeated on it: {error}")
        else:
            there = PolicyDocument.parse(now.content or b"", f"{name} now")
            mine = replace(made.document, name=f"{name} with your changes")
            lines += [
                "Your changes on it would be:",
                diff_text(unified_diff(there, mine, width=DIFF_WIDTH).splitlines()),
            ]
            if made.both:
                lines.append(f"Changed on both sides, and yours would win: {clean(', '.join(made.both))}")
            choices.insert(0, Choice("mine", "Reapply changes"))
        self._step.put_question(
            Confirm(f"{name} has changed on disk", lines, choices, back="Keep editing"),
            lambda answer: self._changed_answered(answer, made, now),
        )

    def _changed_answered(self, answer: str | None, made: Reapplied | None, now: Snapshot) -> None:
        path = self._model.path
        assert path is not None
        if answer == "mine" and made is not None:
            self._model.continue_with(made, now)
            self._step.changed()
            self._step.explain(
                detail_text(
                    "Your changes were made again",
                    seen="They are now on the current content of the file.",
                    do="Press d to see them, s to save them.",
                )
            )
        elif answer == "other":
            self._ask_save(str(path.with_name(f"{path.stem}.merged{path.suffix}")))
        elif answer == "again":
            self.open(path)

    def _save_answered(self, answer: str | None) -> None:
        if answer is not None and self._to_write is not None:
            self._step.in_background(self._save(self._to_write))

    async def _save(self, action: WritePolicy) -> None:
        """Writes the file, through the journal of the cluster if it has one; the screen continues with the new file."""
        document, path, answers = self._model.document, action.path, self._step.session.answers
        aside = ""
        try:
            if self._step.walk.identity is None or self._step.walk.offline:
                outcome = write_now(action)
            else:
                outcome, aside = await self._step.walk.run(write_through(self._step.walk.engine, action, answers))
        except (ConflictError, InputError) as error:
            self._step.explain(error_detail(f"{path.name} was not written", error))
            self._step.complain(error)
            return
        backup, written = outcome.backup, str(action.path)
        self._model.saved(action, document, backup)

        def keep(session: Session) -> None:
            # A run that repeats this finds the policy merged and does not change it; a file that ends with the
            # sandbox is made anew, from the guide's policy.
            policy = session.answers.policy_or_default
            if not self._ends_with_sandbox(action.path):
                policy = replace(policy, file=written, output=written)
            session.choose(replace(session.answers, policy=policy))
            session.take_outcome(outcome)
            if not self._step.coder.is_uploaded:
                session.ticks.difference_update(UPLOADED_TICKS)

        for file in (written, *([str(backup)] if backup else [])):
            if file not in self._step.walk.files:
                self._step.walk.files.append(file)
        self._step.change(keep)
        self._step.changed()
        self._step.explain(
            detail_text(
                f"{path.name} was saved",
                seen=[written, f"backup of its earlier content: {backup.name}" if backup else ""],
                then=aside or "You can still undo changes with u and save again.",
                do="Press t to upload it to Coder.",
            ),
            f"{path.name} was saved." + (f" Its earlier content is in {backup.name}." if backup else ""),
        )

    def look_at_disk(self) -> None:
        """Says whether the file has changed since it was read."""
        try:
            changed = self._model.changed_on_disk()
        except InputError as error:
            self._step.explain(error_detail(f"{clean(self._model.name)} can no longer be read", error))
            return
        if changed is not None:
            gone = changed.content is None
            self._step.explain(
                detail_text(
                    f"{self._model.name} was {'deleted' if gone else 'changed'} after you opened it",
                    seen="The file no longer exists." if gone else "The file has different content now.",
                    then="Your changes are kept here." if gone else "Saving does not overwrite it.",
                    do="Press s to write it again, or to another file."
                    if gone
                    else "Press s to see the differences and decide.",
                )
            )

    # The editor ---------------------------------------------------------------------------------------------------

    def open_editor(self) -> None:
        """Opens a copy in the user's editor; opens an invalid file itself, to be fixed."""
        if self._step.walk.busy:
            self._step.say("You cannot open the editor while a change is in progress.", bad=True)
            return
        try:
            if self._model.edits is None:
                self._fix_file()
                return
            with suspended(self._step.app):
                changed = self._model.edit_by_hand()
        except SuspendNotSupported:
            self._step.say("An editor cannot run in this terminal.", bad=True)
        except InputError as error:
            draft = self._model.draft
            if draft is None:
                self._step.after_refusal("The editor failed", error, "")
                return
            error.todo = f"{error.todo} Press E to edit it again, or u to discard it."
            text = draft.decode("utf-8", "replace")
            self._step.after_refusal("This is not a valid policy yet", error, text, "Your text is kept.")
        else:
            self._step.changed()
            seen = "Your edits are one change." if changed else "Nothing was changed."
            do = "Press s to save it, d to see it, or u to undo it." if changed else ""
            self._step.explain(detail_text("The editor was closed", seen=seen, do=do), f"The editor was closed. {seen}")

    def _fix_file(self) -> None:
        refused = self._model.refused
        if refused is None or not refused.file:
            return
        path = Path(refused.file)
        with suspended(self._step.app):
            run_editor(path)
        self.open(path, say=False)
        self._step.show()
