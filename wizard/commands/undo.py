"""``undo``: restores the state before earlier runs."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from wizard.choices.target import Target, target_of
from wizard.commands.running import connected, engine_of, run_async
from wizard.engine.engine import Engine
from wizard.errors import UsageError
from wizard.printing.lines import document, say, tell
from wizard.printing.results import print_undo

if TYPE_CHECKING:
    from wizard.engine.undoing import UndoOutcome
    from wizard.plan.undo import UndoPlan


def undo(arguments: argparse.Namespace) -> int:
    """Runs ``undo``: the last run on this cluster, another one, or all.

    With ``--coder-url`` only in Coder, with ``--no-cluster`` only files that were written without a cluster.
    """
    return run_async(_undo(arguments))


@asynccontextmanager
async def _undoing(arguments: argparse.Namespace) -> AsyncIterator[Engine]:
    """Opens the engine with the journal of the cluster, or with one that needs no cluster."""
    from wizard.engine.coder import journaled_deployments, undo_command
    from wizard.engine.undo import has_work_without_cluster

    target = target_of(arguments)
    if arguments.coder_url is not None or arguments.no_cluster:
        from wizard.coder.credentials import base_url

        if target != Target():
            option = "--no-cluster" if arguments.no_cluster else "--coder-url"
            raise UsageError(
                f"{option} cannot be combined with a cluster.", "Each has its own journal. Undo them one at a time."
            )
        async with engine_of(Engine(target)) as engine:
            if arguments.coder_url is not None:
                engine.at_coder(base_url(arguments.coder_url))
            yield engine
        return
    try:
        async with connected(target) as engine:
            yield engine
    finally:
        for url in () if target.sandbox else journaled_deployments():
            say(f"Changes made only in Coder have their own journal. To preview their undo, run {undo_command(url)}")
        if not target.sandbox and has_work_without_cluster():
            say(
                "Policy files written without a cluster have their own journal. To preview their undo, run "
                "podman-wizard undo --no-cluster --dry-run"
            )


async def _undo(arguments: argparse.Namespace) -> int:
    from wizard.engine.undo import plan_undo
    from wizard.engine.undoing import UndoOutcome, execute_undo

    async with _undoing(arguments) as engine:
        undoing = await plan_undo(engine, everything=arguments.all, run=arguments.run_id or "")
        changing = arguments.yes and not arguments.dry_run
        for note in undoing.notes:
            say(f"note: {note}")
        if arguments.output == "text":
            elsewhere = "in this Coder deployment" if arguments.coder_url is not None else "without a cluster"
            print_undo(undoing, "on this cluster" if engine.has_cluster else elsewhere)
        outcome = UndoOutcome(undoing.steps)
        if changing and (undoing.todo or undoing.runs):
            outcome = await execute_undo(engine, undoing, (lambda event: None) if arguments.output == "json" else tell)
    if arguments.output == "json":
        document("undo", _json(undoing, outcome, changing=changing))
    if undoing.todo and not changing and not arguments.dry_run:
        raise UsageError("undo makes changes, so it requires --yes.", "The changes are listed above.")
    if arguments.output == "text" and changing:
        for step in outcome.left:
            say(f"left: {step.title}: {step.left}")
    # A dry run ends as the undo itself would, as far as it can be known beforehand.
    return outcome.exit_code


def _json(undoing: UndoPlan, outcome: UndoOutcome, *, changing: bool) -> dict[str, Any]:
    return undoing.to_json() | {
        "undone": changing,
        "changed": bool(outcome.done),
        "left": [{"title": step.title, "reason": step.left} for step in outcome.left],
        "failed": [{"title": item.name, "reason": item.reason} for item in outcome.failed],
    }
