"""Template policy: every field with its field policy and value, edited in place; what Podman needs, merged in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from screens.steps.coder import CoderView
from screens.steps.coder_model import CoderModel
from screens.steps.policy_asking import EditDialogs
from screens.steps.policy_fields import FieldsTab
from screens.steps.policy_files import FileDialogs, diff_of
from screens.steps.policy_judging import Judging
from screens.steps.policy_keys import KEYS
from screens.steps.policy_model import PolicyModel
from screens.steps.policy_tabs import DiffTab, EffectTab, PolicyTab, ProblemsTab, StartTab
from screens.steps.policy_view import commands_for, effects, error_detail, starts, state_words, tabs_text
from screens.steps.step import Step
from screens.walk import Walk
from screens.widgets.dialogs import Dialog
from screens.widgets.pages import StoryPage
from screens.widgets.words import clean, detail_text
from wizard.choices.answers import PolicyChoice
from wizard.errors import InputError
from wizard.policy import PolicyDocument
from wizard.resources import asset_text

if TYPE_CHECKING:
    from wizard.journal.unfinished import PolicyEdits

View = Literal["start", "fields", "problems", "diff", "effect", "coder"]


ENTER_WORDS: dict[str, str] = {"start": "Start", "fields": "Value", "problems": "Show field", "diff": "Full page"}
"""What Enter does in each view."""


class PolicyStep(Step):
    """The template policy: opened, edited, merged, compared, written."""

    STEP = "policy"
    TITLE = "Template"
    DEFAULT_CSS = asset_text("styles", "policy.tcss")
    BINDING_GROUP_TITLE = "Template"
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.model = PolicyModel()
        self.view: View = "start"
        self.asking = EditDialogs(self.model, self)
        self.files = FileDialogs(self.model, self)
        self.judging = Judging(self.in_background, self.show)
        self.coder = CoderModel(walk, self.model)
        self.fields = FieldsTab(self.model, self.asking, self.choice)
        self.problems = ProblemsTab(self.model)
        self.start = StartTab()
        self.effect = EffectTab()
        self.diff = DiffTab()
        self._coder = CoderView(self, self.coder, lambda: self.model.changed_on_disk() is not None)
        self._tabs: dict[View, Widget] = {
            "start": self.start,
            "fields": self.fields,
            "problems": self.problems,
            "diff": self.diff,
            "effect": self.effect,
            "coder": self._coder,
        }
        self._proof = Static("", classes="proof", markup=False)
        self._asked_for_file = False
        self._shown: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        """Yields the tabs, of which one is shown, and the check at the bottom."""
        yield from self._tabs.values()
        yield self._proof

    # For the shell --------------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether quitting loses changes."""
        return self.model.dirty

    def unsaved(self) -> str:
        """Returns a sentence about unsaved changes, or ""."""
        return f"{self.model.name} has unsaved changes." if self.dirty else ""

    def unfinished(self) -> PolicyEdits | None:
        """Returns the unsaved changes, to be kept for the next session."""
        return self.model.unfinished()

    def home(self) -> Widget | None:
        """Returns the list in view, or the input line of a value."""
        tab = self._tabs[self.view]
        return tab.home() if isinstance(tab, PolicyTab | DiffTab) else self._coder.rows

    def commands(self) -> Sequence[str]:
        """Returns the commands that do the merge without the screens."""
        return commands_for(self.model.path)

    def main_keys(self) -> Sequence[str]:
        """Returns the key that saves, or that merges as long as something is missing."""
        if self.unsaved():
            return ("s",)
        return ("m",) if any(row.wants_fuse for row in self.fields.tree_rows) else ()

    def describe(self, action: str) -> str:
        """Returns the label of a key; what Enter does depends on the list."""
        if action == "choose":
            return self._coder.verb if self.view == "coder" else ENTER_WORDS.get(self.view, "")
        if action.startswith("view(") and f"'{self.view}'" in action:
            return "Fields"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers only what is possible here and now."""
        edits = self.model.edits
        if action in ("open", "new") or (action == "view" and parameters == ("coder",)):
            return True
        if action == "choose":
            return self._can_choose()
        if action == "leave":
            return self.fields.is_typing or self.view not in ("start", "fields")
        if action == "editor":
            return edits is not None or self.model.refused is not None
        if edits is None or (self.view == "coder" and self.coder.is_v2 and action in ("merge", "save")):
            return False
        if action in ("word", "add", "remove", "items"):
            return self.view == "fields" and self.fields.offers(action)
        if action == "undo":
            return edits.can_undo or self.model.draft is not None
        if action == "redo":
            return edits.can_redo
        if action == "problem":
            return any(one.wants_attention for one in self.fields.tree_rows)
        if action == "read_again":
            return self.model.path is not None
        return action != "view" or parameters != ("fields",) or self.view != "fields"

    def _can_choose(self) -> bool:
        if self.view == "fields":
            return self.fields.offers("choose")
        tab = self.start if self.view == "start" else self.problems if self.view == "problems" else None
        return self.view in ("diff", "coder") or (tab is not None and bool(tab.rows.items))

    # Drawing -------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws what has changed since the last time; opens the file from the command line first."""
        if not self._asked_for_file:
            self._asked_for_file = True
            named = self.walk.policy_file or self.choice().file
            if named:
                self.files.open(Path(named), say=False)
        if self.walk.policy_edits is not None:
            edits, self.walk.policy_edits = self.walk.policy_edits, None
            self.files.take_up(edits)
        model = self.model
        document = model.document if model.edits is not None else None
        original = model.edits.original if model.edits is not None else None
        width = max(20, min(80, self.diff.width or self.app.size.width) - 1) if self.view == "diff" else 0
        opened = self.fields.opened
        state = (document, original, model.path, self.view, model.refused, self.coder.is_v2, width, opened)
        if self.view == "coder":
            self._coder.show()
            self.set_excerpt(self._coder.excerpt())
        if state == self._shown:
            return
        if document is not None and original is not None:
            devices = self.choice().devices
            if not self.judging.is_ready(original, document, devices, opened):
                self.set_excerpt(f"Checking {clean(model.name)}. It is a large file.")
                return
        self._shown = state
        if document is None and self.view != "coder":
            self.view = "start"
        elif self.view == "start":
            self.view = "fields"
        for view, tab in self._tabs.items():
            tab.display = view == self.view
        self._proof.display = self.view != "coder"
        self._fill(document, original, width)
        self._draw_lines(document)
        self.refresh_bindings()

    def _fill(self, document: PolicyDocument | None, original: PolicyDocument | None, width: int) -> None:
        if document is None or original is None:
            self.start.fill(starts(self.model.refused, self.model.refused_text))
            return
        self.fields.show_tree(self.judging.tree)
        match self.view:
            case "problems":
                self.problems.fill(self.judging.problems)
            case "effect":
                self.effect.fill(effects(original, document))
            case "diff":
                self.diff.fill(diff_of(self.model, width))

    def _draw_lines(self, document: PolicyDocument | None) -> None:
        if document is None or self.model.edits is None:
            self.set_note("")
            self.set_excerpt(self._coder.excerpt() if self.view == "coder" else self.EXCERPT)
            self._proof.update("")
            return
        self.set_note(tabs_text(self.view, is_v2=self.coder.is_v2))
        words = state_words(self.model, self.judging.problems)
        self.set_excerpt(self._coder.excerpt() if self.view == "coder" else words)
        self._proof.update(Text(str(self.model.edits.proof)))

    def explain(self, content: RenderableType, said: str = "") -> None:
        """Shows a text in place of the detail, in the fields if it is the diff's; in Coder ``said`` in the corner."""
        if self.view == "diff":
            self.action_view("fields")
        tab = self._tabs[self.view]
        if isinstance(tab, PolicyTab):
            tab.explain(content)
        elif said:
            self.say(said)

    def on_policy_tab_chosen(self, message: PolicyTab.Chosen) -> None:
        """Treats a second click on a row as Enter."""
        message.stop()
        if self._can_choose():
            self.action_choose()

    def on_resize(self) -> None:
        """Folds the diff to the new width."""
        if self.view == "diff":
            self.call_after_refresh(self.show)

    def on_show(self) -> None:
        """Checks the file again when the step comes into view."""
        self.files.look_at_disk()

    # For the dialogs ------------------------------------------------------------------------------------------

    def choice(self) -> PolicyChoice:
        """Returns what the answers say about the policy."""
        return self.session.answers.policy_or_default

    def put_question(self, dialog: Dialog[str], then: Callable[[str | None], None]) -> None:
        """Asks, also from within the answer to another question."""
        _ = self.app.push_screen(dialog, then)

    def changed(self) -> None:
        """Draws what has changed."""
        for tab in self._tabs.values():
            if isinstance(tab, PolicyTab):
                tab.forget_notice()
        self.show()

    def after_opening(self) -> None:
        """Shows the fields of another policy."""
        self.view = "fields"
        self.fields.opened = frozenset()
        self.fields.close_editor(focus=False)
        if self.is_mounted:
            self.changed()
            self.fields.rows.action_first()
            if self.display:
                self.fields.rows.focus()

    def after_refusal(self, title: str, error: InputError, text: str, then: str = "Nothing was changed.") -> None:
        """Shows an error."""
        self.show()
        self.explain(error_detail(title, error, text, then=then), f"{title}. {error}")

    def after_merge(self, path: tuple[str | int, ...]) -> None:
        """Goes to the field that a merge changed."""
        if self.view == "fields":
            self.fields.go_to(path)

    # Tabs ----------------------------------------------------------------------------------------------------

    def action_view(self, view: View) -> None:
        """Opens another tab; the key of the current one returns to the fields."""
        self.view = "fields" if view == self.view else view
        self.changed()
        if self.view == "diff":
            # Its width is known once it is on the screen.
            self.call_after_refresh(self.show)
        target = self.home()
        if target is not None:
            target.focus()

    def action_leave(self) -> None:
        """Leaves the input line of a value, or another tab."""
        if self.fields.is_typing:
            self.fields.close_editor()
        else:
            self.action_view("fields")

    def action_problem(self) -> None:
        """Goes to the next field with a problem; after the last, to the first."""
        if self.view != "fields":
            self.action_view("fields")
        self.fields.go_to_next_problem()

    def action_choose(self) -> None:
        """Edits a value, goes to a problem, marks a step done, or opens a policy."""
        match self.view:
            case "diff":
                diff = diff_of(self.model, min(80, self.app.size.width) - 4)
                _ = self.app.push_screen(StoryPage(f"{self.model.name}: changes to the file", diff))
            case "coder":
                self._coder.choose()
            case "fields":
                self.fields.edit_value()
            case "problems" if (problem := self.problems.rows.current) is not None:
                self.action_view("fields")
                self.fields.go_to_problem(problem)
            case "start" if (start := self.start.rows.current) is not None:
                self.files.begin(start.id)

    def on_coder_view_go_to_line(self, message: CoderView.GoToLine) -> None:
        """Goes to the field that a message from Coder is about, and shows the message in its detail."""
        message.stop()
        refused = message.refused
        self.action_view("fields")
        self.fields.go_to_line(refused.line)
        self.explain(
            detail_text(
                f"Coder rejected line {refused.line}",
                seen=[refused.message, self.model.document.text.split("\n")[refused.line - 1].strip()],
                then="Nothing was changed in Coder.",
                do="Fix it here or in your editor (E), then press t to check again.",
            )
        )

    # Keys ----------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Asks for a path; asks about unsaved changes first."""
        self.files.open_another()

    def action_new(self) -> None:
        """Asks which of the guide's policies to start from."""
        self.files.new()

    def action_read_again(self) -> None:
        """Reads the file again; asks about unsaved changes first."""
        self.files.read_again()

    def action_save(self) -> None:
        """Shows what will be written, where, and what happens to the current content; then asks."""
        self.files.save()

    def action_word(self, word: str) -> None:
        """Sets the field policy of the field under the cursor; adds a missing field."""
        self.fields.set_word(word)

    def action_add(self) -> None:
        """Adds the field under the cursor, or an entry to it."""
        self.fields.add()

    def action_remove(self) -> None:
        """Removes the field or the entry under the cursor, after showing what is removed."""
        self.fields.remove_current()

    def action_items(self) -> None:
        """Shows or hides a row for each entry of the field under the cursor."""
        self.fields.switch_items()

    def action_merge(self) -> None:
        """Adds what Podman needs."""
        self.asking.merge()

    def action_secure(self) -> None:
        """Merges so that no workspace can drop FUSE."""
        self.asking.secure()

    def action_undo(self) -> None:
        """Undoes the last change; discards an invalid text from the editor first."""
        self.model.undo()
        self.changed()

    def action_redo(self) -> None:
        """Redoes the last undone change."""
        self.model.redo()
        self.changed()

    def action_editor(self) -> None:
        """Opens a copy in the user's editor; opens an invalid file itself, to be fixed."""
        self.files.open_editor()
