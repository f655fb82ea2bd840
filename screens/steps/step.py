"""The base of each step of the wizard: a title, an introduction, a body, its keys, and a help text.

To add a step: write its texts (``wizard.steps``), subclass ``Step`` (or ``ListStep``, a list with a detail), set the
class attributes, build ``compose_body``, and redraw in ``show``, which is called when something in the walk changes
while the step is in view, and each time it comes into view. A step judges nothing: it reads ``self.walk.session``
and passes changes to ``self.change``. It exists as long as the program, so typed text and selections are kept when
the user goes to another step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from screens.walk import Walk, Work
from screens.widgets.rows import Detail, RowList
from screens.widgets.tokens import tone
from screens.widgets.words import Titled, clean
from wizard.errors import WizardError
from wizard.steps import StepId, step_help, step_introduction

if TYPE_CHECKING:
    from screens.widgets.dialogs import Choice, Dialog
    from wizard.journal.unfinished import PolicyEdits
    from wizard.plan.derive import Plan
    from wizard.plan.gates import Gate
    from wizard.session.session import Session

Item = TypeVar("Item")
Result = TypeVar("Result")


TITLE_MARGIN = 4
"""The columns of a rule that a title on it leaves."""


class HeadLine(Widget):
    """The rule above a step: its title on the left, a short note (counts, a file, views) on the right."""

    note: reactive[str | Text] = reactive("")
    title: reactive[str] = reactive("")

    def __init__(self, title: str) -> None:
        super().__init__(classes="headline")
        self.title = title

    def render(self) -> Text:
        """Returns one line."""
        note = self.note.copy() if isinstance(self.note, Text) else Text(self.note, style=tone("dim"))
        space = self.size.width - len(self.title) - note.cell_len - 8
        if space < 2 or not note:
            note, space = Text(), self.size.width - len(self.title) - 3
        rule = tone("rule")
        line = Text.assemble(("─ ", rule), (self.title, tone("title")), (f" {'─' * max(0, space)}", rule), no_wrap=True)
        if note:
            line.append(" ").append_text(note).append(" ─", style=rule)
        return line


class StepText:
    """A class attribute with a text of the step from ``assets/steps``, read when it is first needed."""

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read

    def __get__(self, step: Step | None, kind: type[Step]) -> str:
        """Returns the text of the step that the class is for."""
        return self._read(kind.TEXTS or kind.STEP)


class Step(Vertical):
    """One step of the wizard."""

    STEP: ClassVar[StepId]
    TITLE: ClassVar[str]
    TEXTS: ClassVar[str] = ""
    """The file in ``assets/steps``, if it is not the one of the step."""
    EXCERPT = StepText(step_introduction)
    """The sentence under the title."""
    HELP = StepText(step_help)
    """The explanation that F1 shows, for users who are new to all this."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(id=f"step-{self.STEP}", classes="step")
        self.walk = walk
        self._head = HeadLine(self.TITLE)
        self._said = self.EXCERPT
        self._excerpt = Static(Text(self.EXCERPT), classes="excerpt", markup=False)

    # For subclasses to fill in --------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """Yields the widgets below the introduction."""
        yield from ()

    def show(self) -> None:
        """Redraws from ``self.session``; the cursor, and what was typed, stay."""

    def home(self) -> Widget | None:
        """Returns the widget that gets the focus when the step comes into view."""
        return None

    def commands(self) -> Sequence[str]:
        """Returns the command lines that ``c`` shows here, with comments."""
        return ()

    def unsaved(self) -> str:
        """Returns what quitting would lose, in a sentence; "" if nothing."""
        return ""

    def unfinished(self) -> PolicyEdits | None:
        """Returns what is kept for the next session if the connection is lost; None if nothing."""
        return None

    def ask_again(self) -> None:
        """Asks again about work that ended because the cluster was not what its plan was made from."""

    def describe(self, action: str) -> str:
        """Returns the label of an action at present ("Apply 4 objects"); "" for the label of its binding."""
        return ""

    def main_keys(self) -> Sequence[str]:
        """Returns the keys of the main actions at present, the likeliest first: the first that works is the button."""
        return ("a",)

    @classmethod
    def actions(cls) -> Iterable[Binding]:
        """Yields its keys, its own first, for the command palette."""
        for kind in cls.__mro__:
            if issubclass(kind, Step):
                yield from (binding for binding in vars(kind).get("BINDINGS", ()) if isinstance(binding, Binding))

    # For subclasses to use ------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """Returns the session of the walk."""
        return self.walk.session

    def set_note(self, note: str | Text) -> None:
        """Sets the short note to the right of the title."""
        self._head.note = note

    def set_excerpt(self, text: str) -> None:
        """Sets the sentence under the title."""
        if text != self._said:
            self._said = text
            self._excerpt.update(Text(text))

    def say(self, text: str, *, bad: bool = False) -> None:
        """Shows a notice in the corner for some seconds, without control characters."""
        self.app.notify(clean(text), severity="error" if bad else "information", markup=False)

    def complain(self, error: WizardError) -> None:
        """Shows an error: what happened, and what to do."""
        self.say(f"{error.what} {error.todo}".strip(), bad=True)

    def change(self, change: Callable[[Session], None]) -> None:
        """Changes the session, in the engine's thread; shows what is not valid, and keeps the old choice."""

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
        pods_in: str,
    ) -> None:
        """Asks, and starts work that no plan has: pods in the namespace ``pods_in``, which are deleted afterwards.

        ``what`` names the work, ``choices`` are the ways to do it, and ``work`` returns the work for the chosen one.
        Pods need fewer permissions than the plan.
        """
        why_not = self.walk.why_not_act(pods_in=pods_in)
        if why_not:
            self.say(why_not, bad=True)
        else:
            self.ask_and_begin(what, lines, choices, work, rows=rows, stops_softly=stops_softly)

    def ask_and_begin(
        self,
        what: str,
        lines: Sequence[str | Text],
        choices: Sequence[Choice],
        work: Callable[[str], Work],
        *,
        rows: tuple[str, ...] = (),
        stops_softly: bool = True,
        place: str = "",
    ) -> None:
        """Asks, and starts work that nothing here can forbid any more.

        ``place`` is what is changed if it is not the cluster ("In Coder at ...").
        """

        def begin(answer: str) -> None:
            self.walk.begin(self.STEP, what, rows, work(answer)).stops_softly = stops_softly

        self._confirm(what, lines, choices, begin, place=place)

    def ask_to_carry_out(
        self, what: str, lines: Sequence[str | Text], plan: Plan, only: Collection[str], *, stops_softly: bool = True
    ) -> None:
        """Asks, and carries out the actions of the plan with the ids ``only``: the only way to change the cluster.

        Taking FUSE from nodes that offer it is asked first, as a question of its own.
        """
        from screens.widgets.dialogs import Choice

        why_not = self.walk.why_not_act() or self._stopping(plan, only)
        if why_not:
            self.say(why_not, bad=True)
            return
        lost = [gate for gate in self._gates(plan, only) if gate.kind == "disruption"]

        def begin(_: str) -> None:
            allow = {gate.kind for gate in lost}
            self.walk.carry_out(self.STEP, what, plan, only, allow=allow).stops_softly = stops_softly

        def ask_for_work() -> None:
            self._confirm(what, lines, [Choice("do", what, danger=True)], begin)

        if lost:
            self._ask_to_take(lost, ask_for_work)
        else:
            ask_for_work()

    @staticmethod
    def _gates(plan: Plan, only: Collection[str]) -> tuple[Gate, ...]:
        from wizard.plan.gates import closed

        return closed(plan.gates, "screens", actions={action.kind for action in plan.actions if action.id in only})

    def _stopping(self, plan: Plan, only: Collection[str]) -> str:
        """Returns why these actions cannot be carried out, whatever the user agrees to; "" if they can."""
        return next((gate.words for gate in self._gates(plan, only) if gate.kind != "disruption"), "")

    def _ask_to_take(self, lost: Sequence[Gate], then: Callable[[], None]) -> None:
        """Asks whether nodes may lose FUSE, or pods their node, naming them."""
        from screens.widgets.dialogs import Choice, Confirm

        lines = [f"On {self.walk.cluster_words()}:"]
        for gate in lost:
            lines += ["", gate.words, "", gate.means]
        what = lost[0].asks if len(lost) == 1 else "Disrupt workspaces"
        question = Confirm(f"{what}?", lines, [Choice("take", what, danger=True)])
        self.ask(question, lambda answer: then() if answer == "take" else None)

    def _confirm(
        self,
        what: str,
        lines: Sequence[str | Text],
        choices: Sequence[Choice],
        then: Callable[[str], None],
        *,
        place: str = "",
    ) -> None:
        from screens.widgets.dialogs import Confirm

        def decided(answer: str | None) -> None:
            if answer is None or answer not in {choice.value for choice in choices}:
                return
            if not place:
                self.walk.was_named()
            then(answer)

        question = [f"{place or f'On {self.walk.cluster_words()}'}:", "", *lines]
        type_first = "" if place else self.walk.type_first()
        self.ask(Confirm(f"{what}?", question, choices, type_first=type_first), decided)

    def ask(self, question: Dialog[Result], answered: Callable[[Result | None], None]) -> None:
        """Asks, unless another question or page is open: a key that is pressed twice asks once."""
        if self.app.screen is self.screen:
            self.app.clear_notifications()  # they would stand on the question
            _ = self.app.push_screen(question, answered)

    def in_background(self, work: Coroutine[Any, Any, Any], *, group: str = "default", exclusive: bool = False) -> None:
        """Runs a coroutine in the background; shows its errors."""

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
        """Yields title, introduction, and body."""
        yield self._head
        yield self._excerpt
        yield from self.compose_body()


class ListStep(Step, Generic[Item]):
    """A step with a list and a detail; enter opens the details of a row."""

    BINDING_GROUP_TITLE = "List"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "story",
            "Details",
            id="step.story",
            tooltip="Show everything known about this row",
            priority=False,
        ),
    ]
    WIDTHS: ClassVar[tuple[int, ...]] = (8, 0)
    EMPTY: ClassVar[str] = "The list is empty."

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.rows: RowList[Item] = RowList(self.cells, self.WIDTHS, key=self.key, empty=self.EMPTY, classes="rows")
        self._detail = Detail()
        self._pane = Vertical(classes="detail")

    def key(self, item: Item) -> str:
        """Returns what identifies an item after a redraw."""
        raise NotImplementedError

    def cells(self, item: Item) -> Sequence[Text | str]:
        """Returns the cells of an item's row, the state first."""
        raise NotImplementedError

    def detail(self, item: Item) -> RenderableType:
        """Returns what is shown below the list while the cursor is on the item."""
        raise NotImplementedError

    def story(self, item: Item) -> RenderableType | None:
        """Returns the details of an item, by default its detail; None if there are none."""
        return self.detail(item)

    def items(self) -> Iterable[Item]:
        """Returns what the list shows now."""
        raise NotImplementedError

    def compose_above(self) -> ComposeResult:
        """Yields widgets between the introduction and the list."""
        yield from ()

    def compose_under(self) -> ComposeResult:
        """Yields widgets below the detail."""
        yield from ()

    def compose_body(self) -> ComposeResult:
        """Yields the list and the detail: one above the other, or side by side if there is room."""
        yield from self.compose_above()
        with Container(classes="list-and-detail"):
            yield self.rows
            with self._pane:
                yield self._detail
                yield from self.compose_under()

    def home(self) -> Widget | None:
        """Returns the list."""
        return self.rows

    def show(self) -> None:
        """Fills the list again."""
        self.rows.fill(tuple(self.items()))

    def show_detail(self) -> None:
        """Draws the detail of the row under the cursor again."""
        current = self.rows.current
        content = "" if current is None else self.detail(current)
        # Below the list, a title that fits stands on the rule; beside the list, there is no rule.
        room = self.app.size.width - TITLE_MARGIN
        if isinstance(content, Titled) and cell_len(content.title) <= room and not self.screen.has_class("-wide"):
            self._pane.border_title = Content(f" {content.title} ")
            self._detail.update(content.body)
        else:
            self._pane.border_title = ""
            self._detail.update(content)

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Shows the detail of the row under the cursor."""
        if message.rows is self.rows:
            self.show_detail()
            self.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """Does the main action of the step on a second click on a row."""
        if message.rows is self.rows:
            self.activate()

    def activate(self) -> None:
        """Does what a second click does: opens the details, unless the step has a better action."""
        self.action_story()

    def action_story(self) -> None:
        """Opens the details of the row under the cursor."""
        from screens.widgets.pages import StoryPage

        current = self.rows.current
        story = self.story(current) if current is not None else None
        if story is not None:
            _ = self.app.push_screen(StoryPage(self.TITLE, story))
