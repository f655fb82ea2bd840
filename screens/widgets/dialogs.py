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

from screens.widgets.fields import Field
from screens.widgets.rows import RowList
from screens.widgets.tokens import tone
from screens.widgets.words import clean
from wizard.text.escaping import printable

Result = TypeVar("Result")


class Dialog(ModalScreen[Result | None]):
    """A question over everything; escape cancels it."""

    BINDING_GROUP_TITLE = "Question"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,ctrl+c,ctrl+q",
            "refuse",
            "Cancel",
            priority=True,
            id="dialog.refuse",
            tooltip="Cancel; nothing changes",
        ),
        Binding(
            "left",
            "app.focus_previous",
            "Previous",
            show=False,
            id="dialog.previous",
            tooltip="Go to the previous button",
        ),
        Binding("right", "app.focus_next", "Next", show=False, id="dialog.next", tooltip="Go to the next button"),
        Binding("f1", "help", "Help", id="dialog.help", tooltip="Explain this question and its keys"),
    ]
    HELP: ClassVar[str] = """\
Nothing has changed yet; press escape to cancel. Press tab or shift+tab to move to the next or previous field or \
button, and enter to press the highlighted button."""

    def __init__(self, title: str) -> None:
        super().__init__(classes="dialog")
        self._title = title

    def compose_dialog(self) -> ComposeResult:
        """Yields the content of the question."""
        yield from ()

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="dialog-box"):
            yield Static(Text(clean(self._title), style=tone("accent")), classes="dialog-title", markup=False)
            yield from self.compose_dialog()

    def action_refuse(self) -> None:
        """Cancels."""
        _ = self.dismiss(None)

    def action_help(self) -> None:
        """Shows the help."""
        from screens.widgets.pages import show_help

        show_help(self, clean(self._title), self.HELP)


@dataclass(frozen=True)
class Choice:
    """A button: its value and its label. A ``danger`` button never has the focus first."""

    value: str
    words: str
    danger: bool = False


class Confirm(Dialog[str]):
    """A list of what will change, and buttons to confirm or cancel it.

    With ``type_first``, that word must be typed before a dangerous button works: a guard against the wrong cluster.
    """

    HELP = """\
This dialog lists what will change, and where. Nothing has changed yet; press escape or the first button to cancel.

Each button names its action. Press left, right, or tab to move between buttons and enter to press the highlighted \
one. A button that changes the cluster is never highlighted first. Before the first change to a cluster, you type the \
name of its context to confirm that it is the right cluster. Every change is recorded in the journal, and \
podman-wizard undo can undo it.

If the list does not fit, scroll it with the arrow and page keys."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False, id="dialog.yes", tooltip="Press the button of the only choice"),
        Binding("n", "refuse", "No", show=False, id="dialog.no", tooltip="Cancel; nothing changes"),
        Binding("up", "move_lines(-1)", "Up", show=False, id="dialog.up", tooltip="Scroll up one line"),
        Binding("down", "move_lines(1)", "Down", show=False, id="dialog.down", tooltip="Scroll down one line"),
        Binding(
            "pageup", "move_lines(-8)", "Page up", show=False, id="dialog.page-up", tooltip="Scroll up several lines"
        ),
        Binding(
            "pagedown",
            "move_lines(8)",
            "Page down",
            show=False,
            id="dialog.page-down",
            tooltip="Scroll down several lines",
        ),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[str | Text],
        choices: Sequence[Choice],
        *,
        back: str = "Cancel",
        type_first: str = "",
    ) -> None:
        super().__init__(title)
        self._lines = lines
        self._choices = choices
        self._back = back
        self._type_first = type_first
        self.set_class(bool(type_first), "typed")

    def compose_dialog(self) -> ComposeResult:
        """Yields the lines, which scroll if they are many, and the buttons, which stay."""
        with VerticalScroll(classes="dialog-lines", can_focus=False):
            for line in self._lines:
                yield Static(line if isinstance(line, Text) else Text(printable(line, lines=True)), markup=False)
        if self._type_first:
            yield Static("First change to this cluster from this machine.", markup=False)
            yield Static(Text(f"To confirm, type {clean(self._type_first)}"), markup=False)
            yield Field()
        with Horizontal(classes="dialog-buttons"):
            yield Button(_label(self._back, "esc"), id="back", compact=True)
            for choice in self._choices:
                yield Button(
                    _label(choice.words, "y" if len(self._choices) == 1 else ""),
                    id=choice.value,
                    compact=True,
                    variant="error" if choice.danger else "default",
                    disabled=bool(self._type_first) and choice.danger,
                )

    def action_yes(self) -> None:
        """Presses the button of the only choice, if it works yet."""
        if len(self._choices) == 1:
            button = self.query_one(f"#{self._choices[0].value}", Button)
            if not button.disabled:
                button.press()

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
        """Goes on to the button that needs the word, once it is right, and presses nothing."""
        buttons = (self.query_one(f"#{choice.value}", Button) for choice in self._choices if choice.danger)
        if able := next((button for button in buttons if not button.disabled), None):
            able.focus()

    def on_mount(self) -> None:
        """Gives the focus to the button that changes nothing, unless nothing here is dangerous."""
        if self._type_first:
            self.query_one(Input).focus()
            return
        safe = next((choice for choice in self._choices if not choice.danger), None)
        self.query_one(f"#{safe.value if safe else 'back'}", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        value = event.button.id
        _ = self.dismiss(None if value == "back" else value)


def _label(words: str, key: str) -> Text:
    """Returns the label of a button, with its key."""
    return Text(f"{words}  {key}" if key else words)


class AskText(Dialog[str]):
    """A question for a line of text, which shows what is wrong with it as it is typed."""

    HELP = """\
Enter one line of text. The field shows the current value. Errors appear below it as you type; enter works once the \
value is valid. Press escape to cancel."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Accept", priority=True, id="dialog.take", tooltip="Accept this value"),
    ]

    def __init__(self, title: str, text: str, value: str, *, check: Callable[[str], str] = lambda value: "") -> None:
        super().__init__(title)
        self._text = text
        self._value = value
        self._check = check
        self._error = Static("", classes="dialog-error", markup=False)

    def compose_dialog(self) -> ComposeResult:
        """Yields the question, the field, and the error."""
        yield Static(Text(printable(self._text, lines=True)), markup=False)
        yield Field(self._value)
        yield self._error
        yield Static(Text("enter to accept, escape to cancel", style=tone("dim")), markup=False)

    def on_mount(self) -> None:
        """Gives the focus to the field."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._error.update(Text(printable(self._check(event.value), lines=True), style=tone("bad")))

    def action_take(self) -> None:
        """Accepts the value, if it is valid."""
        value = self.query_one(Input).value
        if not self._check(value):
            _ = self.dismiss(value)


@dataclass(frozen=True)
class Option:
    """A row to choose: its value and its text."""

    value: str
    words: str


class Pick(Dialog[str]):
    """A question with several options."""

    HELP = """\
Choose one option. The cursor starts on the current one. Press up or down to move, enter to choose, or escape to \
cancel."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "Choose", id="dialog.take", tooltip="Choose the option under the cursor"),
    ]

    def __init__(self, title: str, text: str, options: Sequence[Option], current: str = "") -> None:
        super().__init__(title)
        self._text = text
        self._options = options
        self._current = current
        self._rows: RowList[Option] = RowList(
            lambda option: (clean(option.words),),
            (0,),
            key=lambda option: option.value,
            empty="No options.",
            classes="rows",
        )

    def compose_dialog(self) -> ComposeResult:
        """Yields the question and the rows."""
        yield Static(Text(printable(self._text, lines=True)), markup=False)
        with Container(classes="dialog-rows"):
            yield self._rows
        yield Static(Text("enter to choose, escape to cancel", style=tone("dim")), markup=False)

    def on_mount(self) -> None:
        """Starts on the current option."""
        self._rows.fill(self._options)
        self._rows.move_to(self._current)
        self._rows.focus()

    def action_take(self) -> None:
        """Chooses the option under the cursor."""
        current = self._rows.current
        if current is not None:
            _ = self.dismiss(current.value)

    def on_row_list_clicked(self) -> None:
        """Chooses the option on a second click too."""
        self.action_take()
