"""Input of the template policy step: the value of a row, a new entry, the file to open, the file to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from screens.steps.policy_model import PolicyModel
from screens.steps.policy_rows import Row
from screens.widgets.dialogs import Dialog
from screens.widgets.fields import Field
from screens.widgets.pages import Scroll
from screens.widgets.tokens import tone
from screens.widgets.words import clean
from wizard.errors import InputError
from wizard.policy import PolicyDocument, value_from_text, value_problem
from wizard.policy.item_edits import is_list, item_problem, new_item_from_text, new_item_problem
from wizard.text.escaping import printable


class ValueEditor(Vertical):
    """An input line for a value in the detail, with the errors below it."""

    def __init__(self) -> None:
        super().__init__(classes="value-editor")
        self.row: Row | None = None
        """The row whose value is edited, or to whose field an entry is added; None for neither."""
        self.is_new = False
        """Whether an entry is added."""
        self._label = Static("", markup=False)
        self.field = Field()
        self._error = Static("", classes="value-error", markup=False)
        self._first = ""
        self._judge: Callable[[str], tuple[str, bool]] = lambda text: ("", True)

    def compose(self) -> ComposeResult:
        """Yields the name, the input line, and the errors."""
        yield self._label
        yield self.field
        yield self._error

    def on_mount(self) -> None:
        """Hides it until a value is edited."""
        self.display = False

    def open(self, row: Row, text: str, judge: Callable[[str], tuple[str, bool]], *, is_new: bool = False) -> None:
        """Starts editing. ``judge`` returns what is wrong with a text, and whether it can be set all the same."""
        self.row, self._first, self._judge, self.is_new = row, text, judge, is_new
        name = clean(row.label)
        if row.item is not None:
            name = f"{clean(row.path[-1])}: {name}"
        what = f"New entry of {clean(row.path[-1])}" if is_new else name
        self._label.update(
            Text(f"{what} as YAML; enter to {'add' if is_new else 'set'}, escape to cancel", style="bold")
        )
        self.field.value = text
        self.field.cursor_position = len(text)
        self.display = True
        self._show_problem(text)
        self.field.focus()

    def close(self) -> None:
        """Ends editing."""
        self.row = None
        self.display = False

    @property
    def untouched(self) -> bool:
        """Whether the value is unchanged."""
        return self.field.value == self._first

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show_problem(event.value)

    def _show_problem(self, text: str) -> None:
        problem, taken = self.problem(text)
        style = tone("warning" if taken else "bad")
        self._error.update(Text(printable(problem), style=style))

    def problem(self, text: str) -> tuple[str, bool]:
        """Returns what is wrong with a text, and whether it can be set all the same."""
        return self._judge(text) if self.row is not None else ("", True)


def value_judge(row: Row) -> Callable[[str], tuple[str, bool]]:
    """Returns the check of a field's value, or of one of its items, as it is typed."""

    def judge(text: str) -> tuple[str, bool]:
        if row.view is None or not text.strip():
            what = "value" if row.item is None else "entry"
            return (f"empty: the {what} is removed" if row.value or row.item else ""), True
        try:
            data = value_from_text(text)
        except InputError as error:
            return _syntax(error), False
        if row.item is None:
            problem = value_problem(row.path, data)
        else:
            name = row.item.path[-1]
            problem = item_problem(row.path, [data] if isinstance(name, int) else {name: data})
        unsure = row.view.field is None or not row.view.field.sure
        return (f"{problem} (Coder's documentation is unclear here)" if problem and unsure else problem), unsure or (
            not problem
        )

    return judge


def new_item_judge(row: Row, document: PolicyDocument) -> Callable[[str], tuple[str, bool]]:
    """Returns the check of a new item of a field's value, as it is typed."""
    known = row.view.field if row.view is not None else None
    names = f"a mapping with {', '.join(known.items)}" if known is not None and known.items else "a value"
    hint = names if is_list(document, row.path) else "NAME: value"

    def judge(text: str) -> tuple[str, bool]:
        if not text.strip():
            return hint, True
        try:
            problem = new_item_problem(document, row.path, new_item_from_text(document, row.path, text))
        except InputError as error:
            return _syntax(error), False
        return problem, not problem

    return judge


def _syntax(error: InputError) -> str:
    return (f"at column {error.column}: " if error.column > 1 else "") + error.what


@dataclass(frozen=True)
class Written:
    """What will be written, in words, and whether that is possible."""

    lines: tuple[str, ...]
    possible: bool = True


class SavePage(Dialog[str]):
    """The file to write, its changes, and what happens to its current content."""

    HELP = """\
Shows the file and its changes: + lines are added, - lines are removed, and everything else stays. Enter another name \
to keep the original file. Nothing has been written yet; press escape or "Cancel" to go back.

A replaced file is backed up next to the new one with a name ending in .bak; the new file keeps its mode and owner. \
If someone changed the file after it was read, nothing is written."""
    DEFAULT_CSS = """
    SavePage .save-changes { height: auto; max-height: 8; scrollbar-size-vertical: 1; }
    SavePage .save-changes Static { height: auto; width: auto; }
    .-low SavePage .save-changes { max-height: 3; }
    SavePage .save-lines { height: auto; max-height: 4; }
    """

    def __init__(self, path: str, describe: Callable[[str], Written], changes: Text) -> None:
        super().__init__("Write the policy")
        self._path = path
        self._describe = describe
        self._changes = changes
        self._lines = Static("", markup=False, classes="save-lines")
        self._write = Button("", id="write", compact=True)

    def compose_dialog(self) -> ComposeResult:
        """Yields the file, the facts about it, the changes, and the buttons."""
        field = Field(self._path)
        yield Static("File (enter another name to keep the original)", markup=False)
        yield field
        yield self._lines
        scroll = Scroll(Static(self._changes, markup=False), classes="save-changes")
        yield scroll
        with Horizontal(classes="dialog-buttons"):
            yield Button("Cancel", id="back", compact=True)
            yield self._write

    def on_mount(self) -> None:
        """Focuses Cancel, so that an extra key press writes nothing."""
        self._say(self._path)
        self.query_one("#back", Button).focus()

    def _say(self, path: str) -> None:
        written = self._describe(path)
        self._lines.update(Text("\n".join(printable(line, lines=True) for line in written.lines)))
        self._write.label = Text(f"Write {clean(Path(path).name) or '?'}")
        self._write.disabled = not written.possible

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._say(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if not self._write.disabled:
            self._write.focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        _ = self.dismiss(self.query_one(Input).value if event.button.id == "write" else None)


def path_problem(text: str) -> str:
    """Returns what is wrong with a path as it is typed; parses the file if it exists."""
    if not text.strip():
        return "Enter a path."
    path = Path(text).expanduser()
    try:
        if not path.exists():
            return f"The file {path} does not exist."
        PolicyModel().open(path)
    except InputError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"This is not a valid path: {error}"
    return ""
