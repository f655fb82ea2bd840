"""``undo``: what runs changed is taken back."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wizard.commands.printing import document, out, say, tell
from wizard.commands.running import connected, engine_of, run_async
from wizard.engine import Engine
from wizard.errors import ExitCode, UsageError
from wizard.target import Target, target_of

if TYPE_CHECKING:
    from wizard.undo import UndoPlan, UndoStep


def undo(arguments: argparse.Namespace) -> int:
    """``undo``: the last run on this cluster, or all of them; with ``--coder-url`` those in Coder alone."""
    return run_async(_undo(arguments))


@asynccontextmanager
async def _undoing(arguments: argparse.Namespace) -> AsyncIterator[Engine]:
    """The engine whose journal is meant: the cluster's, or the one of a Coder deployment, which takes no cluster."""
    from wizard.coder.actions import journaled_deployments, undo_command

    target = target_of(arguments)
    if arguments.coder_url is not None:
        from wizard.coder.credentials import base_url

        if target != Target():
            raise UsageError("--coder-url and a cluster exclude each other.", "Each has a journal of its own.")
        async with engine_of(Engine(target)) as engine:
            engine.at_coder(base_url(arguments.coder_url))
            yield engine
        return
    try:
        async with connected(target) as engine:
            yield engine
    finally:
        for url in () if target.sandbox else journaled_deployments():
            say(f"There is more, done in Coder alone: {undo_command(url)}")


async def _undo(arguments: argparse.Namespace) -> int:
    from wizard.undo import execute_undo, plan_undo

    async with _undoing(arguments) as engine:
        undoing = await plan_undo(engine, everything=arguments.all)
        changing = arguments.yes and not arguments.dry_run
        for note in undoing.notes:
            say(f"note: {note}")
        if arguments.output == "text":
            _print_undo(undoing, "on this cluster" if engine.has_cluster else "in this Coder")
        failed = (
            await execute_undo(engine, undoing, (lambda event: None) if arguments.output == "json" else tell)
            if changing and (undoing.todo or undoing.runs)
            else ()
        )
    if arguments.output == "json":
        failures = [{"title": item.name, "reason": item.reason} for item in failed]
        document(undoing.to_json() | {"undone": changing, "failed": failures})
    if undoing.todo and not changing and not arguments.dry_run:
        raise UsageError("undo changes things, and does so only with --yes.", "What it would do is shown above.")
    return ExitCode.CLUSTER if failed else ExitCode.DONE


def _print_undo(undoing: UndoPlan, where: str) -> None:
    if not undoing.steps:
        out(f"There is nothing to undo {where}.")
        return
    told = undoing.told_runs() if undoing.todo else ()
    if told:
        out(
            "This takes back, to the state before:"
            if len(told) == 1
            else f"This takes back {len(told)} runs, to the state before the first:"
        )
    for line in told:
        out(f"  {line}")
    for step in undoing.steps:
        out(f"{step.title}: left alone: {step.left}" if step.left else _undo_line(step))
        if step.diff:
            out(step.diff, lines=True)


def _undo_line(step: UndoStep) -> str:
    if step.what == "give back":
        return f"{step.title}: its content is as it was before; give its fields back to those who owned them"
    if step.what == "file":
        return f"{step.title}: put back what it held"
    return step.title if step.nodes or step.what == "disable templates" else f"{step.title}: {step.what}"
