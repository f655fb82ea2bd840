"""Undo in plain mode: what podman-wizard undo would do is shown, asked about, and done."""

from __future__ import annotations

from wizard.engine.undo import plan_undo
from wizard.engine.undoing import execute_undo
from wizard.plain.desk import Desk
from wizard.printing.lines import out, tell
from wizard.printing.results import print_undo
from wizard.text.counting import counted


async def undo(desk: Desk) -> None:
    """Shows the undo of the last run on this cluster, asks, does it, and reads the cluster again.

    What this walk changed so far is that run; what it changes later is a run of its own.
    """
    desk.end_run()
    undoing = await plan_undo(desk.engine)
    for note in undoing.notes:
        out(f"Note: {note}")
    print_undo(undoing, "on this cluster")
    if not undoing.todo or desk.refuses(desk.session.read_only):
        return
    if not await desk.agreed_here(f"Undo {counted(len(undoing.todo), 'change')}?"):
        return
    outcome = await execute_undo(desk.engine, undoing, tell)
    for step in outcome.left:
        out(f"Not undone: {step.title}: {step.left}")
    desk.session.take_undone(outcome.done)
    desk.done.append(f"{counted(len(outcome.done), 'change')} undone")
    await desk.look()
