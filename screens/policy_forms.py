"""What is typed into the step Template policy: a value in its row, the file to open, the file to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from screens.dialogs import Dialog
from screens.fields import Field
from screens.pages import Scroll
from screens.policy_desk import PolicyDesk
from screens.policy_view import Row
from screens.words import clean
from wizard.errors import InputError
from wizard.escaping import printable
from wizard.policy import value_from_text, value_problem


class ValueEditor(Vertical):
    """A line in the detail in which a value is typed, with what is wrong with it under it."""

    def __init__(self) -> None:
        super().__init__(classes="value-editor")
        self.row: Row | None = None
        """The row whose value is edited; None where none is."""
        self._label = Static("", markup=False)
        self.field = Field()
        self._error = Static("", classes="value-error", markup=False)
        self._first = ""

    def compose(self) -> ComposeResult:
        """The name, the line, what is wrong."""
        yield self._label
        yield self.field
        yield self._error

    def on_mount(self) -> None:
        """It shows up when a value is edited."""
        self.display = False

    def open(self, row: Row, text: str) -> None:
        """Starts editing."""
        self.row, self._first = row, text
        self._label.update(Text(f"{clean(row.label)}, as YAML; enter takes it, escape leaves it", style="bold"))
        self.field.value = text
        self.field.cursor_position = len(text)
        self.display = True
        self._judge(text)
        self.field.focus()

    def close(self) -> None:
        """Ends editing."""
        self.row = None
        self.display = False

    @property
    def untouched(self) -> bool:
        """Whether the value is still what it was."""
        return self.field.value == self._first

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge(event.value)

    def _judge(self, text: str) -> None:
        problem, taken = self.problem(text)
        style = "magenta" if taken else "bold red"
        self._error.update(Text(printable(problem), style=style))

    def problem(self, text: str) -> tuple[str, bool]:
        """What is wrong with a value, and whether it is taken all the same."""
        row = self.row
        if row is None or row.view is None or not text.strip():
            return ("nothing: the value is taken away" if row is not None and row.value else ""), True
        try:
            data = value_from_text(text)
        except InputError as error:
            # The value stands after "value: " in what is parsed.
            column = error.column - len("value: ")
            return (f"at column {column}: " if column > 0 else "") + error.what, False
        problem = value_problem(row.path, data)
        unsure = row.view.field is None or not row.view.field.sure
        return (f"{problem} (Coder's documentation leaves this open)" if problem and unsure else problem), unsure or (
            not problem
        )


@dataclass(frozen=True)
class Written:
    """What will be written: the words for it, and whether it can be."""

    lines: tuple[str, ...]
    possible: bool = True


class SavePage(Dialog[str]):
    """Which file, what changes in it, what becomes of what it held."""

    HELP = """\
Where the policy goes, and what changes in that file: lines with + come, lines with - go, nothing else is touched. \
Another name leaves the file that you opened as it is. Nothing has been written yet; "Not yet" or escape goes back.

A file that is replaced is kept beside the new one, with a name that ends in .bak; the new one keeps its mode and its \
owner. If somebody changed the file since it was read, nothing is written."""
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
        """The file, what is known of it, the changes, and the buttons."""
        field = Field(self._path)
        yield Static("File (type another one to leave this one as it is)", markup=False)
        yield field
        yield self._lines
        scroll = Scroll(Static(self._changes, markup=False), classes="save-changes")
        yield scroll
        with Horizontal(classes="dialog-buttons"):
            yield Button("Not yet", id="back", compact=True)
            yield self._write

    def on_mount(self) -> None:
        """Nothing is written by one key too many."""
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
    """What is wrong with a path as it is typed; a file that is there is looked into."""
    if not text.strip():
        return "Type a path."
    path = Path(text).expanduser()
    try:
        if not path.exists():
            return f"There is no file {path} yet."
        PolicyDesk().open(path)
    except InputError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"This cannot be a path: {error}"
    return ""
