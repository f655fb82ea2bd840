"""Work that changes the cluster, while it runs and after: the same list for apply, label, rollout and verify."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from screens.operation import OperationRow
from screens.steps import forecast
from screens.steps.step import HeadLine
from screens.widgets.rows import Heading, Name, RowList
from screens.widgets.tokens import tone
from screens.widgets.words import clean, detail_text, gist, state_word
from wizard.manifest.forecast import sentence

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.walk import Walk
    from wizard.manifest.forecast import Comparison

SECONDS_BETWEEN = 0.5
"""Progress is drawn twice a second at most, however often the cluster reports it."""

WIDTHS = (8, 36, 0)
REASON_WIDTHS = (8, 0, 13)


def _key(row: OperationRow | Comparison) -> str:
    return row.name if isinstance(row, OperationRow) else row.nodes[0]


class OperationView(Vertical):
    """The work in progress, or the result of the last one until the user leaves it."""

    class PlanChanged(Message):
        """Posted when the user leaves work that ended because the cluster was not what its plan was made from."""

    BINDING_GROUP_TITLE = "Work in progress"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "Stop", id="work.stop", tooltip="Stop; completed changes are kept and listed"),
        Binding("enter", "leave", "Back", id="work.leave", tooltip="Close this result and return to the step"),
    ]

    def __init__(self, walk: Walk) -> None:
        super().__init__(id="progress", classes="step")
        self._walk = walk
        self._title = HeadLine("")
        self._count = Static("", classes="excerpt", markup=False)
        self._rows: RowList[OperationRow | Comparison] = RowList(self._cells, WIDTHS, key=_key, classes="rows")
        self._heading = Heading(self._rows)
        self._detail = Static("", classes="detail", markup=False)
        self._shown: tuple[object, ...] = ()
        self._drawn_at = 0.0
        self._later: Timer | None = None

    def compose(self) -> ComposeResult:
        """Yields title, count, rows, and the details of the row under the cursor."""
        yield self._title
        yield self._count
        yield self._heading
        yield self._rows
        yield self._detail

    def home(self) -> Widget:
        """The list."""
        return self._rows

    def show(self) -> None:
        """Draws it, at most every half second."""
        operation = self._walk.operation
        if operation is None:
            return
        wait = SECONDS_BETWEEN - (monotonic() - self._drawn_at)
        if wait > 0 and not operation.ended:
            if self._later is None:
                self._later = self.set_timer(wait, self._draw)
            return
        self._draw()

    def _draw(self) -> None:
        self._later = None
        operation = self._walk.operation
        if operation is None:
            return
        state = (
            operation.phase,
            operation.progress(),
            operation.result,
            operation.detail,
            operation.stopping,
            operation.rows,
            operation.notes,
            operation.ended,
            operation.comparison,
        )
        if state == self._shown:
            return
        self._shown, self._drawn_at = state, monotonic()
        self._title.title = clean(operation.phase)
        if operation.ended:
            word = operation.result
            line = Text.assemble(state_word(word), f"  {clean(operation.detail)}")
            if operation.comparison:
                line.append(f". {sentence(operation.comparison)}")
        elif operation.stopping:
            line = Text(f"Stopping: {operation.progress()}")
        else:
            line = Text(operation.progress())
            if operation.notes and not operation.is_log:
                line.append(f"  {clean(operation.notes[-1])}")
        self._count.update(line)
        empty = "" if operation.ended else "No node is late and nothing has failed."
        compared = operation.comparison if operation.ended else ()
        if operation.is_log:
            self._rows.set_widths((0,))
            self._rows.fill(operation.rows, empty="")
            if not operation.ended:
                self._rows.action_last()
            self._heading.show()
            self._show_detail()
            self.screen.refresh_bindings()
            return
        reasons = bool(operation.rows) and all(row.short for row in operation.rows)
        self._rows.set_widths(forecast.WIDTHS if compared else REASON_WIDTHS if reasons else self._widths(operation))
        self._rows.fill(compared or operation.rows, empty=empty)
        self._heading.show(forecast.HEADING if compared else ())
        self._show_detail()
        self.screen.refresh_bindings()

    @staticmethod
    def _widths(operation: Operation) -> tuple[int, int, int]:
        """Returns widths that give the names no more room than they need: the results are beside them."""
        state, name, rest = WIDTHS
        longest = max((len(clean(row.name)) for row in operation.rows), default=name)
        return (state, min(name, longest), rest)

    def _cells(self, row: OperationRow | Comparison) -> Sequence[Text | str]:
        if not isinstance(row, OperationRow):
            return forecast.cells(row)
        name = clean(row.name)
        if self._walk.operation is not None and self._walk.operation.is_log:
            # An indented line belongs to the stage above it.
            text = " " * (len(row.name) - len(row.name.lstrip())) + name
            return (Text(text, style=tone("bad") if name.startswith("error: ") else ""),)
        # Only the name of a node has no blanks; the names of node types and objects are cut at their end.
        return (state_word(row.state), name if " " in name else Name(name), clean(row.short or row.text))

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Shows the details of the row under the cursor."""
        message.stop()
        self._show_detail()

    def _show_detail(self) -> None:
        row, operation = self._rows.current, self._walk.operation
        if row is not None and not isinstance(row, OperationRow):
            self._detail.update(forecast.detail(row))
        elif row is not None and row.text:
            failed = operation is not None and operation.ended and row.state == "failed"
            do = row.todo or (self._what_to_do(operation) if operation is not None and failed else "")
            self._detail.update(detail_text(row.name, seen=gist(row.text) if row.todo else row.text, do=do))
        elif operation is not None and (operation.todo or (operation.is_log and operation.ended)):
            self._detail.update(detail_text(operation.title, seen=operation.detail, do=self._what_to_do(operation)))
        else:
            self._detail.update("")

    def _what_to_do(self, operation: Operation) -> list[str]:
        key = "Press h to export the plan for someone with access." if self._walk.hand_over_helps else ""
        return [operation.todo, key]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers to stop while it runs, and to go back when it has ended."""
        operation = self._walk.operation
        ended = operation is None or operation.ended
        if action == "stop":
            return not ended and operation is not None and not operation.stopping
        if action == "leave":
            return ended
        return True

    def action_stop(self) -> None:
        """Asks the work to stop."""
        self._walk.stop_operation()

    def action_leave(self) -> None:
        """Closes the result; if the plan has changed since it was shown, the new one is asked about."""
        operation = self._walk.operation
        if operation is None or operation.seen:
            return
        operation.seen = True
        self._walk.tell()
        if operation.plan_changed:
            self.post_message(self.PlanChanged())
