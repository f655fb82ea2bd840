"""The tabs of the template policy step but the fields and Coder: a list over a detail, or the diff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from screens.steps.policy_model import PolicyModel
from screens.steps.policy_view import Effect, Start, problem_detail, short_message, source_text
from screens.widgets.pages import Scroll
from screens.widgets.rows import LongDetail, RowList
from screens.widgets.tokens import Token, tone
from screens.widgets.words import clean, state_word
from wizard.policy import Problem

Item = TypeVar("Item")

WITH_SOURCE = 110
"""Columns from which the text of the file is shown beside its fields."""
SOURCE_LINES = 12
"""Lines of it that are shown before the size of its place is known."""

MARK_TOKENS: Mapping[str, Token] = {"+": "accent", "*": "ok", "!": "warning"}


def marks_text(marks: str) -> Text:
    """Returns the marks of a row in their colors; the signs carry the meaning."""
    text = Text()
    for mark in marks:
        text.append(mark, style=tone(MARK_TOKENS.get(mark, "text")))
    return text


class PolicyTab(Container, Generic[Item]):
    """A list over the detail of the row under its cursor; a text can take the place of the detail for a while."""

    class Chosen(Message):
        """The row under the cursor was clicked once more."""

    def __init__(self, rows: RowList[Item]) -> None:
        super().__init__(classes="list-and-detail policy-tab")
        self.rows = rows
        rows.add_class("rows")
        self._detail = LongDetail()
        self._notice: tuple[str, RenderableType] | None = None
        """A text in place of a row's detail, as long as the cursor stays on that row."""

    def compose(self) -> ComposeResult:
        """Yields the list, and the detail with what belongs below it."""
        yield self.rows
        with Vertical(classes="detail"):
            yield self._detail
            yield from self.compose_under()

    def compose_under(self) -> ComposeResult:
        """Yields widgets below the detail."""
        yield from ()

    def detail(self, item: Item) -> RenderableType:
        """Returns what is shown about a row."""
        raise NotImplementedError

    def key(self, item: Item) -> str:
        """Returns what identifies a row."""
        raise NotImplementedError

    def home(self) -> Widget:
        """Returns the widget that gets the focus when the tab comes into view."""
        return self.rows

    def fill(self, items: Any) -> None:
        """Shows these rows."""
        self.rows.fill(items)
        self.show_detail()

    def explain(self, content: RenderableType) -> None:
        """Shows a text in place of the detail, until the cursor moves or something changes."""
        self._notice = (self._key(), content)
        self.show_detail()

    def forget_notice(self) -> None:
        """Shows the detail again."""
        self._notice = None

    def show_detail(self) -> None:
        """Shows the detail of the row under the cursor, or the text in its place."""
        if self._notice is not None and self._notice[0] == self._key():
            self._detail.update(self._notice[1])
        else:
            current = self.rows.current
            self._detail.update(self.detail(current) if current is not None else "")

    def _key(self) -> str:
        current = self.rows.current
        return self.key(current) if current is not None else ""

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Shows the detail of the row under the cursor."""
        message.stop()
        if self._notice is not None and self._notice[0] != self._key():
            self._notice = None
        self.show_detail()
        self.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """Treats a second click as Enter."""
        message.stop()
        self.post_message(self.Chosen())


class SourceTab(PolicyTab[Item]):
    """A tab that shows the text of the file beside its rows, where there is room."""

    def __init__(self, rows: RowList[Item], model: PolicyModel) -> None:
        super().__init__(rows)
        self.model = model
        self.source = Static("", classes="source", markup=False)

    def compose_under(self) -> ComposeResult:
        """Yields the text of the file."""
        yield self.source

    def line(self, item: Item) -> int:
        """Returns the line that a row is about; 0 for none."""
        raise NotImplementedError

    def show_detail(self) -> None:
        """Shows the detail, and the text of the file at the row under the cursor."""
        super().show_detail()
        edits, current = self.model.edits, self.rows.current
        shown = edits is not None and current is not None and self.app.size.width >= WITH_SOURCE
        self.source.display = shown
        self.set_class(shown, "with-source")
        if edits is not None and current is not None and shown:
            height = self.source.size.height or SOURCE_LINES
            self.source.update(source_text(edits.original, edits.document, self.line(current), height))

    def on_resize(self) -> None:
        """Shows the text of the file if there is room now."""
        self.call_after_refresh(self.show_detail)


class StartTab(PolicyTab[Start]):
    """The ways to start."""

    def __init__(self) -> None:
        rows = RowList[Start](lambda start: (state_word(start.state), start.title), (6, 0), key=self.key)
        super().__init__(rows)

    def key(self, item: Start) -> str:
        """Returns the way's id."""
        return item.id

    def detail(self, item: Start) -> RenderableType:
        """Returns what the way does."""
        return item.detail


class ProblemsTab(SourceTab[Problem]):
    """All problems and warnings."""

    def __init__(self, model: PolicyModel) -> None:
        rows = RowList[Problem](
            lambda problem: (state_word(problem.severity), str(problem.line or ""), clean(short_message(problem))),
            (8, 4, 0),
            key=self.key,
            empty="No problems.",
        )
        super().__init__(rows, model)

    def line(self, item: Problem) -> int:
        """Returns the problem's line."""
        return item.line

    def key(self, item: Problem) -> str:
        """Returns the problem's kind and place."""
        return f"{item.id} {item.path}"

    def detail(self, item: Problem) -> RenderableType:
        """Returns the whole message and the hint."""
        return problem_detail(item)


class EffectTab(PolicyTab[Effect]):
    """What users can change, before and after the edits."""

    def __init__(self) -> None:
        rows = RowList[Effect](
            lambda effect: (marks_text(effect.marks), clean(effect.name), effect.before, effect.after),
            (1, 0, 13, 13),
            key=self.key,
        )
        super().__init__(rows)

    def key(self, item: Effect) -> str:
        """Returns the field."""
        return item.key

    def detail(self, item: Effect) -> RenderableType:
        """Returns the values before and after."""
        return item.detail


class DiffTab(Container):
    """The changes to the file."""

    def __init__(self) -> None:
        super().__init__(classes="policy-tab diff-tab")
        self._diff = Static("", markup=False, classes="diff")
        self._scroll = Scroll(self._diff, classes="diff-scroll")

    def compose(self) -> ComposeResult:
        """Yields the diff, which scrolls."""
        yield self._scroll

    def home(self) -> Widget:
        """Returns the widget that scrolls."""
        return self._scroll

    @property
    def width(self) -> int:
        """The columns for a line; 0 before it was on the screen."""
        return self._scroll.size.width

    def fill(self, diff: Text) -> None:
        """Shows this diff."""
        self._diff.update(diff)
