"""Pages over the steps: whole stories, texts, diffs, commands to copy, help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from screens.chrome import KeyLine, top_line
from wizard.errors import WizardError
from wizard.escaping import printable


class Page(ModalScreen[None]):
    """A page over everything; Escape closes it."""

    BINDING_GROUP_TITLE = "Page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="page.close", tooltip="Back to the step"),
        Binding("ctrl+q,ctrl+c", "app.ask_quit", "Quit", show=False, priority=True, id="page.quit", tooltip="Quit"),
    ]

    def __init__(self, title: str) -> None:
        super().__init__(classes="page")
        self._title = title

    def compose_page(self) -> ComposeResult:
        """What is on the page."""
        yield from ()

    def compose(self) -> ComposeResult:
        """Title, page, keys."""
        with Vertical(classes="page-frame"):
            yield from top_line(self.app)
            yield Static(Text(self._title, style="bold"), classes="page-title", markup=False)
            yield from self.compose_page()
            yield KeyLine()

    def action_close(self) -> None:
        """Closes it."""
        _ = self.dismiss(None)


class Scroll(VerticalScroll, can_focus=True):
    """A text that scrolls with the keys."""

    BINDING_GROUP_TITLE = "Text"


class StoryPage(Page):
    """A text that scrolls."""

    def __init__(self, title: str, content: RenderableType) -> None:
        super().__init__(title)
        self._content = content

    def compose_page(self) -> ComposeResult:
        """The text."""
        with Scroll(classes="page-body"):
            yield Static(self._content, markup=False, expand=True)

    def on_mount(self) -> None:
        """The text has the focus, so that the keys scroll it."""
        self.query_one(Scroll).focus()


class HelpPage(StoryPage):
    """What a step is for, and every key that works in it."""

    def __init__(self, title: str, text: str, keys: Sequence[tuple[str, str, str]]) -> None:
        content = Text(text.strip() + "\n")
        group = ""
        width = max((len(key) for _, key, _ in keys), default=0)
        for name, key, what in keys:
            if name != group:
                group = name
                content.append(f"\n{name}\n", style="bold")
            content.append(f"  {key:<{width}}  ", style="bold").append(f"{what}\n")
        super().__init__(f"Help: {title}", content)


class CommandsPage(Page):
    """A text to take away: selectable, sent to the terminal's clipboard on request, or written to a file."""

    BINDING_GROUP_TITLE = "Take away"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "send", "To the clipboard", id="take.clipboard", tooltip="Ask the terminal to copy it (OSC 52)"),
        Binding("w", "write", "Write a file", id="take.file", tooltip="Write it to a file in this folder"),
    ]

    def __init__(self, title: str, text: str, file_name: str, written: list[str] | None = None) -> None:
        super().__init__(title)
        self._written = written if written is not None else []
        self._text = printable(text, lines=True)
        self._file_name = file_name
        self._said = Static("", classes="page-said", markup=False)

    def compose_page(self) -> ComposeResult:
        """The text, and what became of it."""
        area = TextArea(self._text, read_only=True, soft_wrap=True, compact=True, classes="page-body")
        area.cursor_blink = False
        area.highlight_cursor_line = False
        yield area
        yield self._said

    def on_mount(self) -> None:
        """Shift with the arrows selects."""
        self.query_one(TextArea).focus()

    def action_send(self) -> None:
        """Asks the terminal; it gives no answer, so none is claimed."""
        selected = self.query_one(TextArea).selected_text
        self.app.copy_to_clipboard(selected or self._text)
        what = "The selection" if selected else "All of it"
        self._said.update(
            f"{what} was sent to the terminal's clipboard. tmux and some terminals drop it without a word; "
            "if nothing arrived, w writes a file."
        )

    def action_write(self) -> None:
        """Writes it where the program was started, never over another file."""
        from wizard.files import read_target, write_file

        path = free_path(Path(self._file_name))
        try:
            write_file(path, (self._text.rstrip("\n") + "\n").encode(), read=read_target(path))
        except WizardError as error:
            self._said.update(printable(str(error), lines=True))
        else:
            self._written.append(str(path))
            self._said.update(f"Written: {printable(str(path.absolute()))}")


def free_path(path: Path) -> Path:
    """The path, or the next one of its kind that is not taken: ``name-2.txt``."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
