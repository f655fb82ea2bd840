"""Questions: what will happen, on which cluster, and buttons that say what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from screens.chrome import top_line
from screens.fields import Field
from screens.rows import RowList
from screens.words import clean
from wizard.escaping import printable

Result = TypeVar("Result")


class Dialog(ModalScreen[Result | None]):
    """A question over everything; Escape means no."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c,ctrl+q", "refuse", "Back", priority=True, id="dialog.refuse", tooltip="Nothing is done"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="dialog.previous", tooltip="Previous button"),
        Binding("right", "app.focus_next", "Next", show=False, id="dialog.next", tooltip="Next button"),
        Binding("f1", "help", "Help", id="dialog.help", tooltip="What is asked here, and the keys"),
    ]
    HELP: ClassVar[str] = """\
A question. Nothing has been done yet, and escape goes back without doing anything. tab goes to the next field or \
button, shift+tab to the one before; enter presses the button in reverse."""

    def __init__(self, title: str) -> None:
        super().__init__(classes="dialog")
        self._title = title

    def compose_dialog(self) -> ComposeResult:
        """What is asked."""
        yield from ()

    def compose(self) -> ComposeResult:
        """The box."""
        yield from top_line(self.app)
        with Vertical(classes="dialog-box"):
            yield Static(Text(clean(self._title), style="bold"), classes="dialog-title", markup=False)
            yield from self.compose_dialog()

    def action_refuse(self) -> None:
        """No."""
        _ = self.dismiss(None)

    def action_help(self) -> None:
        """What is asked."""
        from screens.pages import show_help

        show_help(self, clean(self._title), self.HELP)


@dataclass(frozen=True)
class Choice:
    """A button: what it gives, and what it says. ``danger`` never has the focus."""

    value: str
    words: str
    danger: bool = False


class Confirm(Dialog[str]):
    """Says what will happen, line by line, and asks.

    With ``type_first`` that word has to be typed before a dangerous choice can be taken: a guard against the
    wrong cluster.
    """

    HELP = """\
The lines say what will be done, and where. Nothing has been done yet, and escape or the first button goes back \
without doing anything.

A button says what it does. left, right and tab go from one to the next, enter presses the one in reverse; a button \
that changes something on a cluster is never the first to be in reverse. The first time that something is to be \
changed on a cluster, its context has to be typed before: who has several clusters has one moment more to see which \
one this is. What was changed is in a journal, and podman-wizard undo takes it back.

Where the lines are more than fit, the arrows and page keys move them; the buttons stay."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move_lines(-1)", "Up", show=False, id="dialog.up", tooltip="One line up"),
        Binding("down", "move_lines(1)", "Down", show=False, id="dialog.down", tooltip="One line down"),
        Binding("pageup", "move_lines(-8)", "Page up", show=False, id="dialog.page-up", tooltip="Lines up"),
        Binding("pagedown", "move_lines(8)", "Page down", show=False, id="dialog.page-down", tooltip="Lines down"),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[str | Text],
        choices: Sequence[Choice],
        *,
        back: str = "Back",
        type_first: str = "",
    ) -> None:
        super().__init__(title)
        self._lines = lines
        self._choices = choices
        self._back = back
        self._type_first = type_first
        self.set_class(bool(type_first), "typed")

    def compose_dialog(self) -> ComposeResult:
        """The lines scroll where they are many; the buttons stay."""
        with VerticalScroll(classes="dialog-lines", can_focus=False):
            for line in self._lines:
                yield Static(line if isinstance(line, Text) else Text(printable(line, lines=True)), markup=False)
        if self._type_first:
            words = f"The first change on this cluster from here. Type {self._type_first}"
            yield Static(Text(clean(words)), markup=False)
            yield Field()
        with Horizontal(classes="dialog-buttons"):
            yield Button(Text(self._back), id="back", compact=True)
            for choice in self._choices:
                yield Button(
                    Text(choice.words),
                    id=choice.value,
                    compact=True,
                    variant="error" if choice.danger else "default",
                    disabled=bool(self._type_first) and choice.danger,
                )

    def action_move_lines(self, count: int) -> None:
        """Moves the lines, which have no focus of their own: tab goes from button to button."""
        self.query_one(".dialog-lines", VerticalScroll).scroll_relative(y=count, animate=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        for choice in self._choices:
            if choice.danger:
                self.query_one(f"#{choice.value}", Button).disabled = event.value.strip() != self._type_first

    @on(Input.Submitted)
    def _entered(self) -> None:
        """With the right word, enter goes on to the button that asked for it, and presses nothing."""
        buttons = (self.query_one(f"#{choice.value}", Button) for choice in self._choices if choice.danger)
        if able := next((button for button in buttons if not button.disabled), None):
            able.focus()

    def on_mount(self) -> None:
        """What changes nothing has the focus, unless nothing here is dangerous."""
        if self._type_first:
            self.query_one(Input).focus()
            return
        safe = next((choice for choice in self._choices if not choice.danger), None)
        self.query_one(f"#{safe.value if safe else 'back'}", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        value = event.button.id
        _ = self.dismiss(None if value == "back" else value)


class AskText(Dialog[str]):
    """Asks for a line of text, and says what is wrong with it while it is typed."""

    HELP = """\
One line of text. What stands there is what holds now; type over it. What is wrong with it is said under it while \
you type, and enter does not take it until it is right. Escape leaves it as it was."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Take it", priority=True, id="dialog.take", tooltip="Take what stands there"),
    ]

    def __init__(self, title: str, text: str, value: str, *, check: Callable[[str], str] = lambda value: "") -> None:
        super().__init__(title)
        self._text = text
        self._value = value
        self._check = check
        self._error = Static("", classes="dialog-error", markup=False)

    def compose_dialog(self) -> ComposeResult:
        """What is meant, the field, what is wrong."""
        yield Static(Text(printable(self._text, lines=True)), markup=False)
        yield Field(self._value)
        yield self._error
        yield Static(Text("enter takes it, escape leaves it as it was", style="dim"), markup=False)

    def on_mount(self) -> None:
        """Typing starts at once."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._error.update(Text(printable(self._check(event.value), lines=True), style="bold red"))

    def action_take(self) -> None:
        """Takes it, if nothing is wrong with it."""
        value = self.query_one(Input).value
        if not self._check(value):
            _ = self.dismiss(value)


@dataclass(frozen=True)
class Option:
    """A row to pick: its value, and what it says."""

    value: str
    words: str


class Pick(Dialog[str]):
    """Asks for one of several."""

    HELP = """\
One of several. The cursor is on what holds now; up and down move it, enter takes the row under it. Escape leaves \
it as it was."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Take it", id="dialog.take", tooltip="Take the row under the cursor"),
    ]

    def __init__(self, title: str, text: str, options: Sequence[Option], current: str = "") -> None:
        super().__init__(title)
        self._text = text
        self._options = options
        self._current = current
        self._rows: RowList[Option] = RowList(
            lambda option: (clean(option.words),), (0,), key=lambda option: option.value, empty="None.", classes="rows"
        )

    def compose_dialog(self) -> ComposeResult:
        """What is meant, and the rows."""
        yield Static(Text(printable(self._text, lines=True)), markup=False)
        with Container(classes="dialog-rows"):
            yield self._rows
        yield Static(Text("enter takes one, escape leaves it as it was", style="dim"), markup=False)

    def on_mount(self) -> None:
        """The cursor is on what holds now."""
        self._rows.fill(self._options)
        self._rows.move_to(self._current)
        self._rows.focus()

    def action_take(self) -> None:
        """Takes the row under the cursor."""
        current = self._rows.current
        if current is not None:
            _ = self.dismiss(current.value)

    def on_row_list_clicked(self) -> None:
        """A second click takes it too."""
        self.action_take()
