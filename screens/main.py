"""The main screen: cluster line, steps, the step in view, keys."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from screens.steps.step import Step
from screens.widgets.chrome import KeyLine, StatusLine, StepList, TopLine
from wizard.steps import STEPS, StepId

if TYPE_CHECKING:
    from screens.steps.progress import OperationView
    from screens.walk import Walk
    from wizard.journal.unfinished import PolicyEdits

TOO_SMALL = "This terminal is too small: podman-wizard needs 40 columns and 10 rows. Enlarge it; nothing is lost."


CLOCK_SECONDS = 1.0


class Middle(Container):
    """The list of steps and the step in view; hidden while the terminal is too small."""

    class Shown(Message):
        """Posted when it has come back into view."""

    def on_show(self) -> None:
        """Announces it: the focus was lost while it was out of view."""
        self.post_message(self.Shown())


class MainScreen(Screen[None]):
    """Shows one step at a time; a step is made at the first visit, and then kept."""

    BINDING_GROUP_TITLE = "Wizard"
    ORDER: ClassVar[tuple[StepId, ...]] = tuple(step for step, _ in STEPS)

    def __init__(self, walk: Walk, make_step: Callable[[StepId], Step]) -> None:
        super().__init__()
        self._walk = walk
        self._make_step = make_step
        self._made: dict[StepId, Step] = {}
        self._top = TopLine(walk)
        self._list = StepList(walk)
        self._status = StatusLine(walk)
        self._progress: OperationView | None = None
        self._had_focus: Widget | None = None
        self._clock: Timer | None = None
        self.current: StepId = self.ORDER[0]

    def compose(self) -> ComposeResult:
        """Yields the frame, with the first step in it."""
        yield self._top
        with Middle(id="middle"):
            yield self._list
            first = self._make_step(self.current)
            self._made[self.current] = first
            yield first
        yield self._status
        yield KeyLine()
        yield Static(TOO_SMALL, id="too-small", markup=False)

    def on_mount(self) -> None:
        """Gives the focus to the first step."""
        self.show_current(focus=True)
        self._clock = self.set_interval(CLOCK_SECONDS, self._show_the_time, pause=True)

    def _show_the_time(self) -> None:
        """Updates the seconds while work in progress reports nothing, to show that it is running."""
        operation = self._walk.operation
        if operation is None or operation.ended:
            if self._clock is not None:
                self._clock.pause()
        elif monotonic() - operation.told_at >= CLOCK_SECONDS:
            self._list.redraw()
            self._status.redraw()
            if self._progress is not None and self.showing_progress:
                self._progress.show()

    def set_focus(self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False) -> None:
        """Gives the focus to a widget that is in view.

        ``Widget.focus`` takes effect later: by then another step may be in view, and keys must not go to the old one.
        """
        if widget is None:
            self._had_focus = self.focused or self._had_focus
        if widget is None or self._is_in_view(widget):
            super().set_focus(widget, scroll_visible, from_app_focus)

    @staticmethod
    def _is_in_view(widget: Widget) -> bool:
        return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))

    def on_middle_shown(self) -> None:
        """Restores the focus to where it was before the terminal was too small."""
        if self.focused is None and self.is_mounted:
            had = self._had_focus
            self.set_focus(had if had is not None and self._is_in_view(had) else self._home())

    def on_operation_view_plan_changed(self) -> None:
        """Asks again, about the plan of now."""
        self.show_current()
        self.step.ask_again()

    def _home(self) -> Widget | None:
        return self._progress.home() if self._progress is not None and self.showing_progress else self.step.home()

    @property
    def step(self) -> Step:
        """Returns the step in view."""
        return self._made[self.current]

    def step_in_view(self) -> Step | None:
        """Returns the step in view; None while it is made."""
        return self._made.get(self.current)

    @property
    def showing_progress(self) -> bool:
        """Whether work, or its result, is shown instead of the step."""
        operation = self._walk.operation
        return operation is not None and operation.step == self.current and not operation.seen

    def unsaved(self) -> list[str]:
        """Returns what quitting would lose, a sentence for each step."""
        return [words for step in self._made.values() if (words := step.unsaved())]

    def policy_edits(self) -> PolicyEdits | None:
        """Returns the policy with unsaved changes, whatever step is in view."""
        kept = (step.unfinished() for step in self._made.values())
        return next((edits for edits in kept if edits is not None), self._walk.policy_edits)

    async def go(self, step: StepId) -> None:
        """Shows a step."""
        # One picture for all of it: over a slow connection each costs seconds.
        with self.app.batch_update():
            if step not in self._made:
                made = self._make_step(step)
                self._made[step] = made
                made.display = False
                await self.query_one("#middle").mount(made)
            self.current = step
            self.show_current(focus=True)

    async def make_again(self, step: StepId) -> None:
        """Replaces a step by one of another class, for a choice that decides what the step is.

        One that is not in view is made when the user goes to it.
        """
        with self.app.batch_update():
            await self._made.pop(step).remove()
            if self.current == step:
                await self.go(step)

    async def on_which_coder_step_chosen(self) -> None:
        """Opens the step for the Coder that was chosen."""
        await self.make_again("policy")

    def show_current(self, *, focus: bool = False) -> None:
        """Draws everything that can have changed; moves the focus only if it would be lost."""
        progress = self._progress_view() if self.showing_progress else None
        if self._progress is not None and self._progress.display != (progress is not None):
            self._progress.display = progress is not None
            focus = True
        for name, step in self._made.items():
            step.display = name == self.current and progress is None
        self._list.current = self.current
        self._list.unsaved = [name for name, step in self._made.items() if step.unsaved()]
        self._status.unsaved = self._list.unsaved
        self._status.redraw()
        self._list.redraw()
        self._top.redraw()
        if self._walk.busy and self._clock is not None:
            self._clock.resume()
        if progress is not None:
            progress.show()
        else:
            self.step.show()
        if focus:
            self.set_focus(self._home())
        self.refresh_bindings()

    def _progress_view(self) -> OperationView:
        """Returns the view of work in progress, made when it is first needed."""
        if self._progress is None:
            from screens.steps.progress import OperationView

            self._progress = OperationView(self._walk)
            self._progress.display = False
            _ = self.query_one("#middle").mount(self._progress)
        return self._progress

    def neighbour(self, distance: int) -> StepId | None:
        """Returns the step that many steps away; None past either end."""
        number = self.ORDER.index(self.current) + distance
        return self.ORDER[number] if 0 <= number < len(self.ORDER) else None
