"""Template policy: every field with its policy word and value, edited in place; what Podman needs, merged in."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.coder import CoderView
from screens.coder_desk import UPLOADED_TICKS, CoderDesk
from screens.dialogs import AskText, Choice, Confirm, Dialog, Option, Pick
from screens.pages import Scroll, StoryPage
from screens.policy_desk import (
    NEW_FILE,
    Edit,
    PolicyDesk,
    Shared,
    data_edit,
    lost_comments,
    removal,
    run_editor,
    value_removal,
    word_edit,
    write_now,
    write_through,
)
from screens.policy_forms import SavePage, ValueEditor, Written, path_problem
from screens.policy_view import (
    VERSION,
    Effect,
    Row,
    Start,
    effects,
    error_detail,
    field_of,
    problem_detail,
    row_detail,
    starts,
    suggested_value,
    tree_rows,
)
from screens.rows import LongDetail, RowList
from screens.step import Step
from screens.walk import Walk
from screens.words import clean, detail_text, diff_text, state_word
from wizard.answers import PolicyChoice
from wizard.errors import ConflictError, InputError
from wizard.files import Snapshot
from wizard.policy import (
    PolicyDocument,
    Problem,
    check,
    fields,
    fuse_guarantee,
    unified_diff,
    value_from_text,
    value_text,
)
from wizard.resources import asset_text

if TYPE_CHECKING:
    from wizard.plan import WritePolicy
    from wizard.session import Session
    from wizard.unfinished import PolicyEdits

View = Literal["start", "fields", "problems", "diff", "effect", "coder"]

TABS: dict[View, str] = {
    "fields": "Fields",
    "problems": "Problems",
    "diff": "Diff",
    "effect": "Effect",
    "coder": "Coder",
}

LARGE = 100_000
"""Bytes of a policy from which on judging it takes longer than a key may."""

MARK_STYLES = {"+": "bold cyan", "*": "green", "!": "bold magenta"}


def marks_text(marks: str) -> Text:
    """The marks of a row in their colours; the signs carry the meaning."""
    text = Text()
    for mark in marks:
        text.append(mark, style=MARK_STYLES.get(mark, ""))
    return text


class PolicyStep(Step):
    """The template policy: opened, edited, merged, compared, written."""

    STEP = "policy"
    TITLE = "Template policy"
    EXCERPT = "Which fields of a workspace its author may set, and that each gets FUSE."
    DEFAULT_CSS = asset_text("styles", "policy.tcss")
    BINDING_GROUP_TITLE = "Template policy"
    HELP = """
A template policy is a YAML file that a Coder admin uploads once, for all of Coder. It says, field by field, \
what the author of a workspace template may decide: the image, the memory, which resources a workspace asks for.

Each field has a policy word and may have a value:
  read     workspaces may not change it; they get the value
  append   workspaces may add to the value (a list or a mapping)
  write    workspaces may replace the value

Podman needs FUSE, so every workspace has to ask for one FUSE device: in resource-requests and in \
resource-limits there must stand smarter-devices/fuse: "1". m (Merge) adds just that to the policy that you \
have. Nothing else in the file changes, not a comment and not a blank; the line at the bottom counts it.

Marks in the list:
  +  Podman needs it and it is missing
  *  changed here
  !  there is a problem (p goes to it)

With write, a workspace can replace the whole value and so lose FUSE; read and append keep it. Effect (e) says \
what changes for the authors of workspaces, and whether every workspace is sure to get FUSE.

Nothing is written before you say so (s): the wizard then shows the file, the changes and where the old text \
goes. If somebody changed the file meanwhile, nothing is overwritten. Your editor (E) gets a copy; what you make \
of it comes back as one more change, which u takes back and s writes.

Coder (t) is what happens in Coder itself: it enables workspace templates, shows which workspaces the policy \
would touch, and uploads it, each after a question. Where its API cannot be used, three clicks do the same; they \
stand there to tick off. A Coder v2 has no template policy: there t shows what your own Terraform template needs.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "choose", "Value", id="policy.choose", tooltip="Edit the value, or take the row"),
        Binding("m", "merge", "Merge", id="policy.merge", tooltip="Add what Podman needs, and change nothing else"),
        Binding("s", "save", "Save", id="policy.save", tooltip="Write the policy to a file, after a question"),
        Binding("r", "word('read')", "read", id="policy.read", tooltip="Policy word read: may not be changed"),
        Binding("w", "word('write')", "write", id="policy.write", tooltip="Policy word write: may be replaced"),
        Binding("a", "word('append')", "append", id="policy.append", tooltip="Policy word append: may be added to"),
        Binding("d", "view('diff')", "Diff", id="policy.diff", tooltip="What differs from the file"),
        Binding("p", "problem", "Problem", id="policy.problem", tooltip="To the next field with a problem"),
        Binding("u", "undo", "Undo", id="policy.undo", tooltip="Take the last change back"),
        Binding("o", "open", "Open", id="policy.open", tooltip="Open another file"),
        Binding("e", "view('effect')", "Effect", id="policy.effect", tooltip="What authors of workspaces may do"),
        Binding(
            "t",
            "view('coder')",
            "Coder",
            id="policy.coder",
            tooltip="Templates, impact and upload in Coder, or the clicks",
        ),
        Binding("U", "redo", "Redo", show=False, id="policy.redo", tooltip="Make it again"),
        Binding("plus,insert", "add", "Add", show=False, id="policy.add", tooltip="Add the field that is missing"),
        Binding("x,delete", "remove", "Remove", show=False, id="policy.remove", tooltip="Remove the field"),
        Binding("P", "view('problems')", "Problems", show=False, id="policy.problems", tooltip="All problems"),
        Binding("E", "editor", "Editor", show=False, id="policy.editor", tooltip="Edit a copy in $EDITOR"),
        Binding("n", "new", "New", show=False, id="policy.new", tooltip="Start from one of the guide's policies"),
        Binding("R", "read_again", "Read again", show=False, id="policy.again", tooltip="Read the file again"),
        Binding("f", "view('fields')", "Fields", show=False, id="policy.fields", tooltip="Back to the fields"),
        Binding("escape", "leave", "Back", show=False, id="policy.leave", tooltip="Back to the fields"),
    ]

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.desk = PolicyDesk()
        self.view: View = "start"
        self._asked_for_file = False
        self._shown: tuple[object, ...] = ()
        self._tree: tuple[Row, ...] = ()
        self._judged: tuple[PolicyDocument, PolicyDocument] | None = None
        """What the tree and the problems are of: the text that was opened, and the one that is there now."""
        self._judging: tuple[PolicyDocument, PolicyDocument] | None = None
        self._problems: Sequence[Problem] = ()
        self._to_write: WritePolicy | None = None
        """What the person was shown last as about to be written."""
        self._notice: tuple[str, RenderableType] | None = None
        """What is said in place of a row's detail, as long as the cursor stays on that row."""
        self._editor = ValueEditor()
        self._detail = LongDetail()
        self._diff = Static("", markup=False, classes="diff")
        self._diff_scroll = Scroll(self._diff, classes="diff-scroll")
        self._proof = Static("", classes="proof", markup=False)
        self._lists: dict[View, RowList[Any]] = {
            "start": RowList[Start](
                lambda start: (state_word(start.state), start.title), (6, 0), key=lambda start: start.id
            ),
            "fields": RowList[Row](self._row_cells, (2, 26, 7, 0), key=lambda row: row.key),
            "problems": RowList[Problem](
                lambda problem: (state_word(problem.severity), str(problem.line or ""), clean(problem.message)),
                (8, 4, 0),
                key=lambda problem: f"{problem.id} {problem.path}",
                empty="No problems.",
            ),
            "effect": RowList[Effect](
                lambda effect: (marks_text(effect.marks), clean(effect.name), effect.before, effect.after),
                (1, 0, 12, 11),
                key=lambda effect: effect.key,
            ),
        }
        self.coder = CoderDesk(walk, self.desk)
        self._coder = CoderView(self, self.coder, lambda: self.desk.changed_on_disk() is not None)
        for rows in self._lists.values():
            rows.add_class("rows")

    def compose_body(self) -> ComposeResult:
        """One list at a time over the detail; the editor in the detail, the proof under all."""
        with Container(classes="list-and-detail policy-lists"):
            yield from self._lists.values()
            yield self._diff_scroll
            with Vertical(classes="detail"):
                yield self._detail
                yield self._editor
        yield self._coder
        yield self._proof

    # What the shell asks -------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether changes would be lost with the program."""
        return self.desk.dirty

    def unsaved(self) -> str:
        """The changes to the policy."""
        return f"The changes to {self.desk.name} are not saved." if self.dirty else ""

    def unfinished(self) -> PolicyEdits | None:
        """The changes to the policy, to be kept for the next session."""
        return self.desk.unfinished()

    def home(self) -> Widget | None:
        """The list in view, or the line in which a value is typed."""
        if self._editor.row is not None:
            return self._editor.field
        if self.view == "coder":
            return self._coder.rows
        return self._diff_scroll if self.view == "diff" else self._lists[self.view]

    def commands(self) -> Sequence[str]:
        """The merge as a command."""
        path = self.desk.path
        if path is None:
            return ["# a new policy with only what Podman needs", f"podman-wizard policy new > {NEW_FILE}"]
        name = shlex.quote(str(path))
        return [
            "# what the merge would change",
            f"podman-wizard policy merge {name} --diff",
            "# the merge, in the file itself, with a backup",
            f"podman-wizard policy merge {name} --in-place",
            "# what is wrong with the policy",
            f"podman-wizard policy check {name}",
        ]

    def describe(self, action: str) -> str:
        """What Enter does depends on the list."""
        if action == "choose":
            return {
                "start": "Begin",
                "fields": "Value",
                "problems": "Go there",
                "diff": "Whole page",
                "coder": self._coder.verb,
            }.get(self.view, "")
        if action.startswith("view(") and f"'{self.view}'" in action:
            return "Fields"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done here and now is offered."""
        edits, row = self.desk.edits, self._current(Row)
        if action in ("open", "new"):
            return True
        if action == "choose":
            return self._can_choose()
        if action == "leave":
            return self._editor.row is not None or self.view not in ("start", "fields")
        if action == "editor":
            return edits is not None or self.desk.refused is not None
        if action == "view" and parameters == ("coder",):
            return True
        if edits is None or (self.view == "coder" and self.coder.is_v2 and action in ("merge", "save")):
            return False
        if action in ("word", "add", "remove"):
            if self.view != "fields" or row is None or row.view is None:
                return False
            offered = {"add": row.wants_fuse or not row.view.present, "remove": row.view.present}
            return bool(offered.get(action, True))
        if action == "undo":
            return edits.can_undo or self.desk.draft is not None
        if action == "redo":
            return edits.can_redo
        if action == "problem":
            return any(one.wants_attention for one in self._tree)
        if action == "read_again":
            return self.desk.path is not None
        if action == "view":
            return parameters != ("fields",) or self.view != "fields"
        return True

    def _can_choose(self) -> bool:
        if self.view in ("diff", "coder"):
            return True
        current = self._lists[self.view].current if self.view != "effect" else None
        return current is not None and (not isinstance(current, Row) or current.view is not None)

    # Drawing -------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws what changed since the last time; the file that was named at the start is opened first."""
        if not self._asked_for_file:
            self._asked_for_file = True
            named = self.walk.policy_file or self.session.answers.policy.file
            if named:
                self._open(Path(named), say=False)
        if self.walk.policy_edits is not None:
            edits, self.walk.policy_edits = self.walk.policy_edits, None
            self._take_up(edits)
        desk = self.desk
        document = desk.document if desk.edits is not None else None
        original = desk.edits.original if desk.edits is not None else None
        self.set_title(self.walk.step_title(self.STEP))
        width = max(20, min(80, self._diff_scroll.size.width or self.app.size.width) - 1) if self.view == "diff" else 0
        refused = desk.refused
        state = (document, original, desk.path, self.view, refused, self.coder.is_v2, width)
        if self.view == "coder":
            self._coder.show()
            self.set_excerpt(self._coder.excerpt())
        if state == self._shown or (
            document is not None and original is not None and not self._judge(original, document)
        ):
            return
        self._shown = state
        if document is None and self.view != "coder":
            self.view = "start"
        elif self.view == "start":
            self.view = "fields"
        for view, rows in self._lists.items():
            rows.display = view == self.view
        self.query_one(".policy-lists").display = self.view != "coder"
        self._coder.display = self.view == "coder"
        self._proof.display = self.view != "coder"
        self._diff_scroll.display = self.view == "diff"
        self.query_one(".detail").display = self.view != "diff"
        self._fill(document, original, width)
        self._draw_lines(document, original)
        self._show_detail()
        self.refresh_bindings()

    def _judge(self, original: PolicyDocument, document: PolicyDocument) -> bool:
        """Makes the tree and the problems; gives whether they are there. A large policy is judged beside the loop."""
        if self._judged is not None and self._judged[0] is original and self._judged[1] is document:
            return True
        if len(document.content) < LARGE:
            self._judged, self._tree = (original, document), tree_rows(original, document, self._devices)
            self._problems = check(document)
            return True
        if self._judging is None or self._judging[0] is not original or self._judging[1] is not document:
            self._judging = (original, document)
            self.set_excerpt(f"{clean(self.desk.name)} is large; it is being read.")
            self.in_background(self._judge_beside(original, document))
        return False

    @property
    def _devices(self) -> int:
        return self.session.answers.policy.devices

    async def _judge_beside(self, original: PolicyDocument, document: PolicyDocument) -> None:
        devices = self._devices
        tree, problems = await asyncio.to_thread(lambda: (tree_rows(original, document, devices), check(document)))
        if self._judging is not None and self._judging[0] is original and self._judging[1] is document:
            self._judging, self._judged = None, (original, document)
            self._tree, self._problems = tree, problems
            self.show()

    def _fill(self, document: PolicyDocument | None, original: PolicyDocument | None, width: int) -> None:
        if document is None or original is None:
            self._lists["start"].fill(starts(self.desk.refused, self.desk.refused_text))
            return
        self._lists["fields"].fill(self._tree)
        match self.view:
            case "problems":
                self._lists["problems"].fill(self._problems)
            case "effect":
                self._lists["effect"].fill(effects(original, document))
            case "diff":
                self._diff.update(self._diff_text(width))

    def _diff_text(self, width: int) -> Text:
        diff = self.desk.edits.unified_diff(width) if self.desk.edits is not None else ""
        return diff_text(diff.splitlines()) if diff else Text("Nothing differs from the file.")

    def _draw_lines(self, document: PolicyDocument | None, original: PolicyDocument | None) -> None:
        if document is None or self.desk.edits is None:
            self.set_note("")
            self.set_excerpt(self._coder.excerpt() if self.view == "coder" else self.EXCERPT)
            self._proof.update("")
            return
        note = Text()
        for view, name in TABS.items():
            name = "Template" if view == "coder" and self.coder.is_v2 else name
            # No blank before the first: at 80 columns each counts.
            text = f"[{name}]" if view == self.view else f" {name} " if note else f"{name} "
            note.append(text, style="bold" if view == self.view else "")
        self.set_note(note)
        found = self._problems
        parts = []
        for word in ("problem", "warning"):
            number = sum(problem.severity == word for problem in found)
            if number:
                parts.append(f"{number} {word}{'' if number == 1 else 's'}")
        parts.append("FUSE sure" if fuse_guarantee(document).sure else "FUSE not sure")
        name = clean(self.desk.name) + (", unsaved" if self.desk.edits.dirty else "")
        self.set_excerpt(self._coder.excerpt() if self.view == "coder" else f"{name}: {', '.join(parts)}")
        self._proof.update(Text(str(self.desk.edits.proof)))

    def _row_cells(self, row: Row) -> Sequence[Text | str]:
        style = "bold" if row.view is None and row.path != VERSION else ""
        missing = row.view is not None and not row.view.present and not row.wants_fuse
        name = Text("  " * row.depth + row.label, style="dim" if missing else style)
        word = (row.view.word or ("-" if row.view.present else "")) if row.view is not None else ""
        return (marks_text(row.marks), name, clean(word), Text(row.value, style="dim" if missing else ""))

    def _current(self, kind: type[Any]) -> Any:
        """The item under the cursor, if it is of that kind."""
        rows = self._lists.get(self.view)
        current = rows.current if rows is not None else None
        return current if isinstance(current, kind) else None

    def _key(self) -> str:
        rows = self._lists.get(self.view)
        current = rows.current if rows is not None else None
        return f"{self.view} {getattr(current, 'key', getattr(current, 'id', ''))}"

    def _show_detail(self) -> None:
        if self._notice is not None and self._notice[0] == self._key():
            self._detail.update(self._notice[1])
            return
        content: RenderableType = ""
        rows = self._lists.get(self.view)
        match rows.current if rows is not None else None:
            case Row() as row:
                content = row_detail(row)
            case Problem() as problem:
                content = problem_detail(problem)
            case Effect() as effect:
                content = effect.detail
            case Start() as start:
                content = start.detail
        self._detail.update(content)

    def _explain(self, content: RenderableType) -> None:
        """Says something in place of the detail, until the cursor moves or something is changed."""
        self._notice = (self._key(), content)
        self._show_detail()

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """The detail follows the cursor."""
        message.stop()
        if self._notice is not None and self._notice[0] != self._key():
            self._notice = None
        self._show_detail()
        self.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """A second click is Enter."""
        message.stop()
        if self.check_action("choose", ()):
            self.action_choose()

    def on_resize(self) -> None:
        """The diff is folded to the width that there is."""
        if self.view == "diff":
            self.call_after_refresh(self.show)

    def on_show(self) -> None:
        """Coming back is the moment to find that somebody changed the file."""
        self._look_at_disk()

    def _look_at_disk(self) -> None:
        try:
            changed = self.desk.changed_on_disk()
        except InputError as error:
            self._explain(error_detail(f"{clean(self.desk.name)} cannot be read any more", error))
            return
        if changed is not None:
            gone = changed.content is None
            self._explain(
                detail_text(
                    f"{self.desk.name} is {'gone' if gone else 'no longer what was read'}",
                    seen="somebody removed it" if gone else "somebody changed it after it was opened here",
                    then="saving does not overwrite it",
                    do="s shows the difference and the choices" if not gone else "s writes it anew, or another file",
                )
            )

    def _ask(self, dialog: Dialog[str], then: Callable[[str | None], None]) -> None:
        _ = self.app.push_screen(dialog, then)

    # Views ---------------------------------------------------------------------------------------------------

    def action_view(self, view: View) -> None:
        """To another view; its own key leads back to the fields."""
        self.view = "fields" if view == self.view else view
        self._notice = None
        self.show()
        if self.view == "diff":
            # Its width is known once it is there.
            self.call_after_refresh(self.show)
        target = self.home()
        if target is not None:
            target.focus()

    def action_leave(self) -> None:
        """Leaves the line in which a value is typed, or another view."""
        if self._editor.row is not None:
            self._close_editor()
        else:
            self.action_view("fields")

    def action_problem(self) -> None:
        """To the next field with a problem, round the end."""
        places = [number for number, row in enumerate(self._tree) if row.wants_attention]
        if self.view != "fields":
            self.action_view("fields")
        rows = self._lists["fields"]
        if places:
            number = next((place for place in places if place > rows.cursor), places[0])
            rows.move_to(self._tree[number].key)

    def action_choose(self) -> None:
        """Enter: edits a value, goes to a problem, ticks a click off, or begins."""
        if self.view == "diff":
            diff = self._diff_text(min(80, self.app.size.width) - 4)
            _ = self.app.push_screen(StoryPage(f"{self.desk.name}: what differs from the file", diff))
            return
        if self.view == "coder":
            self._coder.choose()
            return
        match self._lists[self.view].current:
            case Row() as row:
                self._edit_value(row)
            case Problem() as problem:
                path = field_of(problem, {row.path for row in self._tree})
                self.action_view("fields")
                self._lists["fields"].move_to("\0".join(path))
            case Start(id="open"):
                self.action_open()
            case Start(id="again"):
                self._ask_path(self.desk.refused.file if self.desk.refused else "")
            case Start() as start:
                self._start(start.id)

    def on_coder_view_go_to_line(self, message: CoderView.GoToLine) -> None:
        """To the field that a message of Coder's is about, with the message in its detail."""
        message.stop()
        refused = message.refused
        before = [row for row in self._tree if row.view is not None and 0 < row.line <= refused.line]
        self.action_view("fields")
        if before:
            self._lists["fields"].move_to(max(before, key=lambda row: row.line).key)
        self._explain(
            detail_text(
                f"Coder refuses line {refused.line}",
                seen=[refused.message, self.desk.document.text.split("\n")[refused.line - 1].strip()],
                then="nothing was changed in Coder",
                do="mend it here, or in your editor (E); then t asks Coder again",
            )
        )

    # Where it comes from -------------------------------------------------------------------------------------

    def _open(self, path: Path, *, say: bool = True) -> None:
        try:
            self.desk.open(path)
        except InputError as error:
            if self.desk.edits is not None or say:
                self._after_refusal(f"{clean(str(path))} was not opened", error, self.desk.refused_text)
            return
        self._after_opening()

    def _take_up(self, edits: PolicyEdits) -> None:
        """Goes on with the changes of a session whose line dropped."""
        try:
            self.desk.take_up(edits)
            changed = self.desk.changed_on_disk()
        except InputError as error:
            self.complain(error)
            return
        self.view = "fields"
        if changed is not None:
            what = "is no longer what was read then" if changed.content is not None else "is gone"
            self.say(f"{self.desk.name} {what}. Your changes are kept here; s shows both before anything is written.")

    def _start(self, preset: str) -> None:
        self.desk.start(preset)
        self._after_opening()

    def _after_opening(self) -> None:
        self._notice = None
        self.view = "fields"
        self._close_editor(focus=False)
        if self.is_mounted:
            self.show()
            self._lists["fields"].action_first()
            if self.display:
                self._lists["fields"].focus()

    def _after_refusal(self, title: str, error: InputError, text: str) -> None:
        if self.view == "diff":
            self.view = "fields"
        self.show()
        self._explain(error_detail(title, error, text))

    def action_open(self) -> None:
        """Asks for a path; changes that were not saved are asked about first."""
        current = self.desk.path or self.walk.policy_file or ""
        self._unless_lost("Open another file", lambda: self._ask_path(str(current)))

    def _ask_path(self, path: str) -> None:
        question = AskText("Open a template policy", "The path of the file:", path, check=path_problem)
        self._ask(question, lambda answer: self._open(Path(answer)) if answer else None)

    def action_new(self) -> None:
        """Asks which of the guide's policies to start from."""
        options = [
            Option("podman", "The short one: only what Podman needs"),
            Option("complete", "The complete one: every field that the guide knows"),
        ]

        def ask() -> None:
            pick = Pick("Start a new policy", "Which of the guide's policies?", options, "podman")
            self._ask(pick, lambda answer: self._start(answer) if answer else None)

        self._unless_lost("Start a new policy", ask)

    def action_read_again(self) -> None:
        """Reads the file again; changes that were not saved are asked about first."""
        path = self.desk.path
        if path is not None:
            self._unless_lost(f"Read {path.name} again", lambda: self._open(path))

    def _unless_lost(self, what: str, then: Callable[[], None]) -> None:
        """Does something that drops unsaved changes, after asking where there are any."""
        if not self.desk.dirty or self.desk.edits is None:
            then()
            return
        lines = [
            f"{self.desk.name} has changes that were not saved:",
            str(self.desk.edits.proof),
            "They would be gone.",
        ]
        question = Confirm(f"{what}?", lines, [Choice("drop", "Drop the changes", danger=True)], back="Keep them")
        self._ask(question, lambda answer: then() if answer == "drop" else None)

    # Edits ---------------------------------------------------------------------------------------------------

    def _edit(self, what: str, edit: Edit, *, unshare: bool = False, ask_for_comments: bool = False) -> None:
        """Makes an edit, or explains why not; what would reach other places, or take comments along, is asked."""
        try:
            document = self.desk.try_edit(edit, unshare=unshare)
        except Shared as shared:
            self._ask_unshare(shared, lambda: self._edit(what, edit, unshare=True, ask_for_comments=ask_for_comments))
            return
        except InputError as error:
            self._after_refusal(f"{what}: refused", error, self.desk.document.text)
            return
        before = self.desk.document
        lost = lost_comments(before, document) if ask_for_comments else 0
        if not lost:
            self._take(document)
            return
        self._ask(
            Confirm(
                what,
                [
                    f"{lost} {'comment goes' if lost == 1 else 'comments go'} with it. "
                    "In your editor (E) you can change the value and keep them.",
                    diff_text(unified_diff(before, document, width=70).splitlines()),
                ],
                [Choice("take", "Do it without them", danger=True)],
                back="Leave it",
            ),
            lambda answer: self._take(document) if answer == "take" else None,
        )

    def _take(self, document: PolicyDocument) -> None:
        self.desk.put(document)
        self._changed()

    def _changed(self) -> None:
        self._notice = None
        self.show()

    def _ask_unshare(self, shared: Shared, then: Callable[[], None]) -> None:
        error = shared.error
        self._ask(
            Confirm(
                "This would change other places too",
                [
                    f"{error.place}: {error.what}" if error.place else error.what,
                    "Un-sharing copies the shared part first, so that the change reaches this place only.",
                ],
                [Choice("unshare", "Copy it and change this place", danger=True)],
                back="Leave it",
            ),
            lambda answer: then() if answer == "unshare" else None,
        )

    def action_word(self, word: str) -> None:
        """Sets the policy word of the field under the cursor; a field that is missing is added."""
        row = self._current(Row)
        if row is not None and row.view is not None and row.view.word != word:
            self._edit(f"Policy word of {row.label}", word_edit(row.path, word))

    def action_add(self) -> None:
        """Adds the field under the cursor, with what Podman needs in it where it is one of Podman's."""
        row = self._current(Row)
        if row is None or row.view is None:
            return
        what = f"Add {row.label}"
        if not row.wants_fuse:
            self._edit(what, word_edit(row.path, "read"))
            return
        choice = self.session.answers.policy
        value = suggested_value(fields(self.desk.document), row.path, choice.devices)
        if value is None:
            self.action_merge()  # the merge says what is wrong with the value that is there
            return
        self._edit(what, data_edit(row.path, value, word=choice.mode or "write", present=row.view.present))

    def action_remove(self) -> None:
        """Removes the field under the cursor, after showing what goes."""
        row = self._current(Row)
        if row is not None and row.view is not None:
            self._remove(row, unshare=False)

    def _remove(self, row: Row, *, unshare: bool) -> None:
        what = f"Remove {row.label}"
        try:
            document = self.desk.try_edit(removal(row.path), unshare=unshare)
        except Shared as shared:
            self._ask_unshare(shared, lambda: self._remove(row, unshare=True))
            return
        except InputError as error:
            self._after_refusal(f"{what}: refused", error, self.desk.document.text)
            return
        lost = lost_comments(self.desk.document, document)
        lines: list[str | Text] = ["Coder then takes read for it: workspaces may not set it."]
        if lost:
            lines.append(f"Its own {'comment goes' if lost == 1 else f'{lost} comments go'} with it.")
        lines.append(diff_text(unified_diff(self.desk.document, document, width=70).splitlines()))
        question = Confirm(f"{what}?", lines, [Choice("remove", what, danger=True)], back="Keep it")
        self._ask(question, lambda answer: self._take(document) if answer == "remove" else None)

    def action_undo(self) -> None:
        """Takes the last change back; a text from the editor that was not taken goes first."""
        if self.desk.draft is not None:
            self.desk.draft = None
        elif self.desk.edits is not None:
            self.desk.edits.undo()
        self._changed()

    def action_redo(self) -> None:
        """Makes it again."""
        if self.desk.edits is not None:
            self.desk.edits.redo()
            self._changed()

    def _edit_value(self, row: Row) -> None:
        if row.view is None:
            return
        text = value_text(row.view.data) if row.view.has_value else ""
        if row.wants_fuse:
            value = suggested_value(fields(self.desk.document), row.path, self._devices)
            text = value_text(value) if value is not None else text
        self._editor.open(row, text)
        self.refresh_bindings()

    def _close_editor(self, *, focus: bool = True) -> None:
        if self._editor.row is None:
            return
        self._editor.close()
        if focus:
            self._lists["fields"].focus()
        self.refresh_bindings()

    @on(Input.Submitted)
    def _value_typed(self, event: Input.Submitted) -> None:
        event.stop()
        row, text = self._editor.row, event.value
        if row is None or row.view is None or not self._editor.problem(text)[1]:
            return
        # What has two readings is settled by taking it as it is shown.
        untouched = self._editor.untouched and not row.wants_attention
        self._close_editor()
        what = f"Value of {row.label}"
        if untouched:
            return
        if text.strip():
            word = (self.session.answers.policy.mode or "write") if row.wants_fuse else "read"
            edit = data_edit(row.path, value_from_text(text), word=word, present=row.view.present)
            self._edit(what, edit, ask_for_comments=True)
        elif row.view.has_value:
            self._edit(what, value_removal(row.path), ask_for_comments=True)

    # The merge -----------------------------------------------------------------------------------------------

    def action_merge(self) -> None:
        """Adds what Podman needs; another count of devices is asked about."""
        choice = self.session.answers.policy
        found = self.desk.conflicts(choice)
        if found is None:
            self._merge(choice, "keep")
            return
        lines = [
            f"line {one.line}: {clean('.'.join(one.path[-3:]))} is {clean(str(one.found))}, not {one.wanted}"
            for one in found.conflicts
        ]
        counts = ", ".join(dict.fromkeys(str(conflict.found) for conflict in found.conflicts))
        choices = [
            Choice("keep", f"Keep {clean(counts)}"),
            Choice("replace", f"Replace by {choice.devices}", danger=True),
        ]
        self._ask(
            Confirm("Another number of FUSE devices is there", lines, choices, back="Merge nothing"),
            lambda answer: self._merge(choice, answer) if answer else None,
        )

    def _merge(self, choice: PolicyChoice, on_conflict: str, *, unshare: bool = False) -> None:
        try:
            result = self.desk.merge(choice, on_conflict, unshare=unshare)
        except Shared as shared:
            self._ask_unshare(shared, lambda: self._merge(choice, on_conflict, unshare=True))
            return
        except InputError as error:
            self._after_refusal("The merge was refused", error, self.desk.document.text)
            return
        self._changed()
        if self.view == "fields" and result.changes:
            self._lists["fields"].move_to("\0".join(result.changes[-1].path[:4]))
        if not result.changed:
            self._explain(detail_text("Nothing to add", seen="the policy asks for FUSE already"))

    # The editor ----------------------------------------------------------------------------------------------

    def action_editor(self) -> None:
        """Opens a copy in the person's editor; a file that was refused is opened itself, to be mended."""
        if self.walk.busy:
            self.say("While work is in flight, the editor stays closed.", bad=True)
            return
        try:
            if self.desk.edits is None:
                self._mend()
                return
            with self.app.suspend():
                changed = self.desk.edit_by_hand()
        except SuspendNotSupported:
            self.say("This terminal cannot be handed to an editor.", bad=True)
        except InputError as error:
            draft = self.desk.draft
            if draft is None:
                self._after_refusal("Nothing came back from the editor", error, "")
                return
            error.todo = f"{error.todo} Your text is kept: E opens it again, u drops it."
            self._after_refusal("This is no policy yet", error, draft.decode("utf-8", "replace"))
        else:
            self._changed()
            seen = "taken as one change" if changed else "nothing was changed"
            self._explain(
                detail_text("Back from the editor", seen=seen, do="s writes it, d shows it" if changed else "")
            )

    def _mend(self) -> None:
        refused = self.desk.refused
        if refused is None or not refused.file:
            return
        path = Path(refused.file)
        with self.app.suspend():
            run_editor(path)
        self._open(path, say=False)
        self.show()

    # Saving --------------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        """Shows what would be written, where, and what becomes of what is there; then asks."""
        assert self.desk.edits is not None
        try:
            changed = self.desk.changed_on_disk()
        except InputError:
            changed = None
        if changed is not None and changed.content is not None:
            self._ask_changed(changed)
            return
        choice = self.session.answers.policy
        planned = choice.output if choice.file and self.desk.is_own(Path(choice.file).expanduser()) else None
        self._ask_save(str(planned or self.desk.path or NEW_FILE))

    def _ask_save(self, path: str) -> None:
        self._ask(SavePage(path, self._describe_target, self._diff_text(70)), self._save_answered)

    def _describe_target(self, text: str) -> Written:
        if not text.strip():
            return Written(("Give the path of a file.",), possible=False)
        path = Path(text).expanduser()
        try:
            action = self._to_write = self.desk.writing(path)
        except (InputError, ValueError) as error:
            return Written((str(error),), possible=False)
        assert self.desk.edits is not None
        if not path.parent.is_dir():
            return Written((f"There is no folder {path.parent}.",), possible=False)
        held = action.read.content if action.read is not None else None
        if held is None:
            place = "A new file."
        elif held == action.content:
            place = "It holds just this already; nothing is written."
        else:
            own = "" if self.desk.is_own(path) else "Another file is there. "
            place = f"{own}What it holds is kept beside it, as {path.name}.DATE-TIME.bak."
        problems = sum(problem.severity == "problem" for problem in check(self.desk.document))
        lines = [place, f"{self.desk.edits.proof}."]
        if problems:
            lines.append(f"Problems that remain in it: {problems} (P lists them).")
        return Written(tuple(lines))

    def _ask_changed(self, now: Snapshot) -> None:
        assert self.desk.read is not None and self.desk.path is not None
        name = self.desk.path.name
        lines: list[str | Text] = ["Somebody changed it after it was opened here. It will not be overwritten."]
        try:
            before = PolicyDocument.parse(self.desk.read.content or b"", f"{name} as it was read")
            there = PolicyDocument.parse(now.content or b"", f"{name} as it is now")
            lines.append(diff_text(unified_diff(before, there, width=70).splitlines()))
        except InputError as error:
            lines.append(f"What it holds now is no policy: {error}")
        choices = [Choice("other", "Write another file"), Choice("again", "Drop mine, read it again", danger=True)]
        self._ask(Confirm(f"{name} has changed on disk", lines, choices, back="Keep editing"), self._changed_answered)

    def _changed_answered(self, answer: str | None) -> None:
        path = self.desk.path
        assert path is not None
        if answer == "other":
            self._ask_save(str(path.with_name(f"{path.stem}.merged{path.suffix}")))
        elif answer == "again":
            self._open(path)

    def _save_answered(self, answer: str | None) -> None:
        if answer is not None and self._to_write is not None:
            self.in_background(self._save(self._to_write))

    async def _save(self, action: WritePolicy) -> None:
        """Writes, in the journal where a cluster has one; the screen goes on from the new file."""
        document, path = self.desk.document, action.path
        aside = ""
        try:
            if self.walk.identity is None or self.walk.offline:
                backup = write_now(action)
            else:
                self.walk.engine.note_answers(self.session.answers)
                backup, aside = await self.walk.run(write_through(self.walk.engine, action, lambda event: None))
        except (ConflictError, InputError) as error:
            self._explain(error_detail(f"{path.name} was not written", error))
            self.complain(error)
            return
        self.desk.saved(action, document, backup)
        written = str(action.path)

        def keep(session: Session) -> None:
            # A run that repeats this finds the policy merged and leaves it as it is.
            policy = replace(session.answers.policy, file=written, output=written)
            session.choose(replace(session.answers, policy=policy))
            session.policy_saved = written
            if not self.coder.is_uploaded:
                session.ticks.difference_update(UPLOADED_TICKS)

        for file in (written, *([str(backup)] if backup else [])):
            if file not in self.walk.files:
                self.walk.files.append(file)
        self.change(keep)
        self._changed()
        self._explain(
            detail_text(
                f"{path.name} is written",
                seen=[written, f"what it held is in {backup.name}" if backup else ""],
                then=aside or "u still takes changes back, for the next time that you save",
                do="t uploads it into Coder, or lists the clicks",
            )
        )
