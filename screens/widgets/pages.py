"""Pages over the steps: details, texts, diffs, commands to copy, help."""

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

from screens.widgets.chrome import KeyLine, top_line
from wizard.errors import WizardError
from wizard.text.escaping import printable

GENERAL_GROUPS = ("List", "Text", "Everywhere")
"""Groups of keys that many screens share; the help lists them last."""


CLOSE = Binding("escape,q", "close", "Close", id="page.close", tooltip="Close this page")
QUIT = Binding("ctrl+q,ctrl+c", "app.ask_quit", "Quit", show=False, priority=True, id="page.quit", tooltip="Quit")


class Page(ModalScreen[None]):
    """A page over everything; Escape closes it."""

    BINDING_GROUP_TITLE = "Page"
    BINDINGS: ClassVar[list[BindingType]] = [
        CLOSE,
        Binding("f1", "help", "Help", id="page.help", tooltip="Explain this page and its keys"),
        QUIT,
    ]

    HELP: ClassVar[str] = """\
This page only shows information; it changes nothing. Press the arrow keys, page up, or page down to scroll."""

    def __init__(self, title: str) -> None:
        super().__init__(classes="page")
        self._title = title

    def compose_page(self) -> ComposeResult:
        """Yields what is on the page."""
        yield from ()

    def compose(self) -> ComposeResult:
        """Yields the title, the page, and the keys."""
        with Vertical(classes="page-frame"):
            yield from top_line(self.app)
            yield Static(Text(self._title, style="bold"), classes="page-title", markup=False)
            yield from self.compose_page()
            yield KeyLine()

    def action_close(self) -> None:
        """Closes the page."""
        _ = self.dismiss(None)

    def action_help(self) -> None:
        """Opens the help of the page."""
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
        """Yields the text."""
        with Scroll(classes="page-body"):
            yield Static(self._content, markup=False, expand=True)

    def on_mount(self) -> None:
        """Focuses the text, so that the keys scroll it."""
        self.query_one(Scroll).focus()


class HelpPage(StoryPage, inherit_bindings=False):
    """What a screen is for, and every key that works in it; the key that opens it also closes it."""

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
    """Returns the active keys by group and tooltip; the groups of the screen itself come first."""
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
    """A text to copy or save: selectable, sent to the terminal's clipboard, or written to a file."""

    BINDING_GROUP_TITLE = "Copy or save"
    HELP = """\
Text to copy or save. Use the arrow keys to move; hold shift, or drag with the mouse, to select.

Press c to ask your terminal to put the text on its clipboard (OSC 52). This also works over SSH. Terminals do not \
confirm it and some ignore it: tmux needs set-clipboard on. If nothing arrives, press w to write the whole text to a \
new file in the folder where you started the wizard; existing files are never overwritten."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "send", "Copy", id="take.clipboard", tooltip="Copy to your terminal's clipboard (OSC 52)"),
        Binding("w", "write", "Save", id="take.file", tooltip="Write it to a new file in this folder"),
    ]

    def __init__(self, title: str, text: str, file_name: str, written: list[str] | None = None) -> None:
        super().__init__(title)
        self._written = written if written is not None else []
        self._text = printable(text, lines=True)
        self._file_name = file_name
        self._said = Static("", classes="page-said", markup=False)

    def compose_page(self) -> ComposeResult:
        """Yields the text, and a line for the result."""
        area = TextArea(self._text, read_only=True, soft_wrap=True, compact=True, classes="page-body")
        area.cursor_blink = False
        area.highlight_cursor_line = False
        yield area
        yield self._said

    def on_mount(self) -> None:
        """Focuses the text, so that shift and the arrow keys select."""
        self.query_one(TextArea).focus()

    def action_send(self) -> None:
        """Sends the text to the terminal's clipboard; terminals do not confirm it."""
        selected = self.query_one(TextArea).selected_text
        self.app.copy_to_clipboard(selected or self._text)
        what = "the selection" if selected else "the whole text"
        self._said.update(
            f"Sent to your terminal's clipboard: {what}. If nothing arrives, press w to save it to a file."
        )

    def action_write(self) -> None:
        """Writes the text to a new file in the current folder."""
        from wizard.files import read_target, write_file

        path = free_path(Path(self._file_name))
        try:
            write_file(path, (self._text.rstrip("\n") + "\n").encode(), read=read_target(path))
        except WizardError as error:
            self._said.update(printable(str(error), lines=True))
        else:
            self._written.append(str(path))
            self._said.update(f"Saved to {printable(str(path.absolute()))}")


def free_path(path: Path) -> Path:
    """Returns the path, or the next free one: ``name-2.txt``."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
