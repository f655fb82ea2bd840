"""What every step of the wizard is: a title, a sentence, a body, its keys, and a help text.

To add a step: subclass ``Step`` (or ``ListStep``, which has the list over a detail), give it the class
attributes, build ``compose_body``, and redraw in ``show``, which is called whenever something in the walk
changed while the step is in view, and each time it comes into view. A step judges nothing: it reads
``self.walk.session`` and hands changes to ``self.change``. It lives as long as the program, so whatever a
person typed or marked in it survives going back and forth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from screens.rows import Detail, RowList
from screens.walk import Walk, Work
from screens.words import clean
from wizard.errors import WizardError
from wizard.steps import StepId

if TYPE_CHECKING:
    from screens.dialogs import Choice, Dialog
    from wizard.session import Session
    from wizard.unfinished import PolicyEdits

Item = TypeVar("Item")
Result = TypeVar("Result")


class HeadLine(Widget):
    """The title of a step on the left, a short note (a count, a file) on the right."""

    note: reactive[str | Text] = reactive("")
    title: reactive[str] = reactive("")

    def __init__(self, title: str) -> None:
        super().__init__(classes="headline")
        self.title = title

    def render(self) -> Text:
        """One line."""
        note = self.note.copy() if isinstance(self.note, Text) else Text(self.note)
        space = self.size.width - len(self.title) - note.cell_len
        if space < 2:
            note, space = Text(), 0
        return Text.assemble((self.title, "bold"), " " * space, note, no_wrap=True, overflow="ellipsis")


class Step(Vertical):
    """One step of the wizard."""

    STEP: ClassVar[StepId]
    TITLE: ClassVar[str]
    EXCERPT: ClassVar[str] = ""
    """One sentence under the title."""
    HELP = ""
    """What F1 shows: for someone who meets all this for the first time."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(id=f"step-{self.STEP}", classes="step")
        self.walk = walk
        self._head = HeadLine(self.TITLE)
        self._said = self.EXCERPT
        self._excerpt = Static(Text(self.EXCERPT), classes="excerpt", markup=False)

    # For subclasses to fill in --------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """The widgets under the title."""
        yield from ()

    def show(self) -> None:
        """Redraws from ``self.session``; the cursor, and what was typed, stay."""

    def home(self) -> Widget | None:
        """The widget that has the focus when the step comes into view."""
        return None

    def commands(self) -> Sequence[str]:
        """The command lines that ``c`` offers here, comments among them."""
        return ()

    def unsaved(self) -> str:
        """What would be lost with the program, in a sentence; "" where nothing would."""
        return ""

    def unfinished(self) -> PolicyEdits | None:
        """What of it is kept for the next session where the line drops; None where nothing is."""
        return None

    def describe(self, action: str) -> str:
        """What the key line calls an action just now ("Apply 4 objects"); "" for the binding's own words."""
        return ""

    @classmethod
    def actions(cls) -> Iterable[Binding]:
        """What its keys do, its own first; for who looks for an action without being there."""
        for kind in cls.__mro__:
            if issubclass(kind, Step):
                yield from (binding for binding in vars(kind).get("BINDINGS", ()) if isinstance(binding, Binding))

    # For subclasses to use ------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """What the walk holds."""
        return self.walk.session

    def set_note(self, note: str | Text) -> None:
        """The short note to the right of the title."""
        self._head.note = note

    def set_title(self, title: str) -> None:
        """Another title than the step's own."""
        self._head.title = title

    def set_excerpt(self, text: str) -> None:
        """The sentence under the title."""
        if text != self._said:
            self._said = text
            self._excerpt.update(Text(text))

    def say(self, text: str, *, bad: bool = False) -> None:
        """A sentence in the corner, for some seconds; text from outside is made harmless."""
        self.app.notify(clean(text), severity="error" if bad else "information", markup=False)

    def complain(self, error: WizardError) -> None:
        """Says what happened, and what to do next."""
        self.say(f"{error.what} {error.todo}".strip(), bad=True)

    def change(self, change: Callable[[Session], None]) -> None:
        """Changes the session, in the engine's thread; what does not fit is said, and the old choice kept."""

        async def apply() -> None:
            try:
                await self.walk.change(change)
            except WizardError as error:
                self.complain(error)
                self.show()

        self.in_background(apply())

    def ask_to(
        self,
        what: str,
        lines: Sequence[str | Text],
        choices: Sequence[Choice],
        work: Callable[[str], Work],
        *,
        rows: tuple[str, ...] = (),
        stops_softly: bool = True,
        pods_in: str = "",
    ) -> None:
        """The one way to work on the cluster: whether one may, the question, the work.

        ``what`` says what is done ("Label 12 nodes"), ``choices`` are the ways to do it, and ``work`` gives the work
        of the one that was chosen. Short pods in the namespace ``pods_in`` need less than the plan does.
        """
        from screens.dialogs import Confirm

        why_not = self.walk.why_not_act(pods_in=pods_in)
        if why_not:
            self.say(why_not, bad=True)
            return

        def decided(answer: str | None) -> None:
            if answer is None or answer not in {choice.value for choice in choices}:
                return
            self.walk.was_named()
            self.walk.begin(self.STEP, what, rows, work(answer)).stops_softly = stops_softly

        question = [f"On {self.walk.cluster_words()}:", "", *lines]
        self.ask(Confirm(f"{what}?", question, choices, type_first=self.walk.type_first()), decided)

    def ask(self, question: Dialog[Result], answered: Callable[[Result | None], None]) -> None:
        """Asks, unless something else is asked or shown already: a key that was pressed twice asks once."""
        if self.app.screen is self.screen:
            _ = self.app.push_screen(question, answered)

    def in_background(self, work: Coroutine[Any, Any, Any], *, group: str = "default", exclusive: bool = False) -> None:
        """Runs a coroutine beside the screen; errors for a person are said."""

        async def guarded() -> None:
            try:
                await work
            except WizardError as error:
                self.complain(error)
            except asyncio.CancelledError:
                raise

        # The app owns it: nothing ends because a step went out of view.
        self.app.run_worker(guarded(), group=group, exclusive=exclusive, exit_on_error=True)

    # The rest is the same for all -----------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Title, sentence, body."""
        yield self._head
        yield self._excerpt
        yield from self.compose_body()


class ListStep(Step, Generic[Item]):
    """A step that is a list over a detail; Enter opens the whole story of a row."""

    BINDING_GROUP_TITLE = "List"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "story", "Whole story", id="step.story", tooltip="All that is known about this row", priority=False
        ),
    ]
    WIDTHS: ClassVar[tuple[int, ...]] = (8, 0)
    EMPTY: ClassVar[str] = "Nothing here."

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.rows: RowList[Item] = RowList(self.cells, self.WIDTHS, key=self.key, empty=self.EMPTY, classes="rows")
        self._detail = Detail()

    def key(self, item: Item) -> str:
        """By what an item is known again after a redraw."""
        raise NotImplementedError

    def cells(self, item: Item) -> Sequence[Text | str]:
        """The cells of an item's row, the word of state first."""
        raise NotImplementedError

    def detail(self, item: Item) -> RenderableType:
        """What stands under the list while the cursor is on the item."""
        raise NotImplementedError

    def story(self, item: Item) -> RenderableType | None:
        """The whole story of an item; None where there is none. Without more to say: the detail in full."""
        return self.detail(item)

    def items(self) -> Iterable[Item]:
        """What the list shows now."""
        raise NotImplementedError

    def compose_above(self) -> ComposeResult:
        """Widgets between the sentence and the list."""
        yield from ()

    def compose_under(self) -> ComposeResult:
        """Widgets under the detail."""
        yield from ()

    def compose_body(self) -> ComposeResult:
        """The list and the detail: one over the other, or side by side where there is room."""
        yield from self.compose_above()
        with Container(classes="list-and-detail"):
            yield self.rows
            with Vertical(classes="detail"):
                yield self._detail
                yield from self.compose_under()

    def home(self) -> Widget | None:
        """The list."""
        return self.rows

    def show(self) -> None:
        """Fills the list again."""
        self.rows.fill(tuple(self.items()))

    def show_detail(self) -> None:
        """Draws the detail of the row under the cursor again."""
        current = self.rows.current
        self._detail.update("" if current is None else self.detail(current))

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """The detail follows the cursor."""
        if message.rows is self.rows:
            self.show_detail()
            self.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """A second click on a row does what its step does most."""
        if message.rows is self.rows:
            self.activate()

    def activate(self) -> None:
        """What a second click does: the whole story, unless the step has something better."""
        self.action_story()

    def action_story(self) -> None:
        """Opens the whole story of the row under the cursor."""
        from screens.pages import StoryPage

        current = self.rows.current
        story = self.story(current) if current is not None else None
        if story is not None:
            _ = self.app.push_screen(StoryPage(self.TITLE, story))
