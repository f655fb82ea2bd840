"""The question about an undo, with what it would do; the work that carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.text import Text

from screens.widgets.words import clean
from wizard.text.counting import counted

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.steps.step import Step
    from screens.walk import Work
    from wizard.engine.engine import Engine
    from wizard.plan.undo import UndoPlan
    from wizard.session.session import Session


async def _nothing(_: Engine) -> None:
    """Does nothing after an undo."""


async def ask_to_undo(
    step: Step,
    run: str,
    *,
    everything: bool = False,
    place: str = "",
    then: Callable[[Engine], Awaitable[None]] = _nothing,
) -> None:
    """Shows what the undo of a run does, or of the last one without a name; asks, and begins it.

    ``place`` is what is changed if it is not the cluster. ``then`` is awaited in the engine's thread when it has ended.
    """
    from screens.widgets.dialogs import Choice
    from wizard.engine.undo import plan_undo
    from wizard.plan.words import undo_lines

    engine = step.walk.engine
    undoing = await step.walk.run(plan_undo(engine, everything=everything, run="" if everything else run))
    lines = [*undo_lines(undoing, "on this cluster"), *(f"Note: {note}" for note in undoing.notes)]
    if not undoing.todo:
        from screens.widgets.pages import StoryPage

        _ = step.app.push_screen(StoryPage("Nothing can be undone", Text("\n".join(map(clean, lines)))))
        return
    what = f"Undo {counted(len(undoing.todo), 'change')}"
    choices = [Choice("undo", what, danger=True)]
    work = _undoing(step.session, undoing, then)
    step.ask_and_begin(what, lines, choices, lambda _: work, stops_softly=False, place=place)


def _undoing(session: Session, undoing: UndoPlan, then: Callable[[Engine], Awaitable[None]]) -> Work:
    async def work(engine: Engine, operation: Operation) -> None:
        from wizard.engine.events import ObjectResult
        from wizard.engine.undoing import execute_undo

        outcome = await execute_undo(engine, undoing, operation.take)
        failed = {item.name for item in outcome.failed}
        for step in outcome.left:
            if step.title not in failed:
                operation.take(ObjectResult("undo", step.title, "skipped", message=step.left))
        session.take_undone(outcome.done)
        await then(engine)

    return work
