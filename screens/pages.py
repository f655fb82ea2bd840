"""Pages over the steps: whole stories, texts, diffs, commands to copy, help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static, TextArea

from screens.chrome import KeyLine, top_line
from wizard.errors import WizardError
from wizard.escaping import printable

GENERAL_GROUPS = ("List", "Text", "Everywhere")
"""Groups of keys that are the same on many screens."""


CLOSE = Binding("escape,q", "close", "Close", id="page.close", tooltip="Back to where you were")
QUIT = Binding("ctrl+q,ctrl+c", "app.ask_quit", "Quit", show=False, priority=True, id="page.quit", tooltip="Quit")


class Page(ModalScreen[None]):
    """A page over everything; Escape closes it."""

    BINDING_GROUP_TITLE = "Page"
    BINDINGS: ClassVar[list[BindingType]] = [
        CLOSE,
        Binding("f1", "help", "Help", id="page.help", tooltip="What this page is for, and its keys"),
        QUIT,
    ]

    HELP: ClassVar[str] = """\
A page that only shows: nothing is changed by it, or by closing it. Text that does not fit scrolls with the arrows, \
with page up and page down."""

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

    def action_help(self) -> None:
        """What the page is for."""
        show_help(self, self._title, self.HELP)


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


class HelpPage(StoryPage, inherit_bindings=False):
    """What a screen is for, and every key that works in it; the key that brought it takes it away."""

    BINDINGS: ClassVar[list[BindingType]] = [replace(CLOSE, key=f"{CLOSE.key},f1"), QUIT]

    def __init__(self, title: str, text: str, screen: Screen[Any]) -> None:
        content = Text(text.strip() + "\n")
        groups = _keys_by_group(screen)
        width = max((len(keys) for group in groups.values() for keys in group.values()), default=0)
        for name, group in groups.items():
            content.append(f"\n{name}\n", style="bold")
            for what, keys in group.items():
                content.append(f"  {keys:<{width}}  ", style="bold").append(f"{what}\n")
        super().__init__(f"Help: {title}", content)


def _keys_by_group(screen: Screen[Any]) -> dict[str, dict[str, str]]:
    """What works now, by group and by what it does: its keys. What is special to the screen stands first."""
    groups: dict[str, dict[str, str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if active.enabled and binding.id:
            group = groups.setdefault(getattr(type(active.node), "BINDING_GROUP_TITLE", None) or "Everywhere", {})
            keys = (group.get(binding.tooltip), screen.app.get_key_display(binding))
            group[binding.tooltip] = " ".join(key for key in keys if key)
    return dict(
        sorted(groups.items(), key=lambda item: GENERAL_GROUPS.index(item[0]) if item[0] in GENERAL_GROUPS else -1)
    )


def show_help(screen: Screen[Any], title: str, text: str) -> None:
    """Opens the help of a screen."""
    _ = screen.app.push_screen(HelpPage(title, text, screen))


class CommandsPage(Page):
    """A text to take away: selectable, sent to the terminal's clipboard on request, or written to a file."""

    BINDING_GROUP_TITLE = "Take away"
    HELP = """\
A text to take away. Move with the arrows; shift with the arrows, or the mouse, selects.

c hands it to the terminal (OSC 52), which puts it on the clipboard of the machine in front of you, also over ssh. A \
terminal gives no answer, and some ignore it: tmux does unless set-clipboard is on. So nothing here claims that it \
was copied; w writes the whole text to a file in the folder in which the wizard was started, never over another \
file, and says where."""
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
