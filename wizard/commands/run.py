"""``run``: all steps by an answers file, unattended."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.answers import Answers
from wizard.answers_file import read_answers
from wizard.commands.manifest import print_dry_run, result_of
from wizard.commands.printing import document, out, print_comparison, tell, tell_json
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode, InputError, UsageError
from wizard.forecast import compare
from wizard.target import target_of

if TYPE_CHECKING:
    from wizard.coder.actions import Outlook
    from wizard.plan import Plan


def run(arguments: argparse.Namespace) -> int:
    """``run``: all steps, unattended."""
    return run_async(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from wizard.unattended import look, look_in_coder
    from wizard.unattended import run as run_all

    answers = read_answers(Path(arguments.answers))
    if not arguments.yes and not arguments.dry_run:
        raise UsageError(
            "run changes the cluster, and does so only with --yes.", "Look first: the same with --dry-run."
        )
    async with connected(target_of(arguments, answers)) as engine:
        with choices_of(arguments.answers):
            if arguments.dry_run:
                # A dry run creates nothing, probe pods included.
                unprobed = replace(answers, security_modules=replace(answers.security_modules, probe=False))
                plan = await look(engine, unprobed)
                _show_plan(plan, arguments, answers, await look_in_coder(engine, plan, answers))
                return ExitCode.DONE
            summary = await run_all(engine, answers, tell_json if arguments.output == "json" else tell)
    if arguments.output == "text":
        print_comparison(summary.groups)
        out(f"{summary.result}: {summary.ready} of {summary.desired} nodes offer FUSE; policy: {summary.policy}")
        for step in summary.left_to_do:
            out(f"  left to do: {step}")
    return ExitCode.DONE if summary.result == "done" else ExitCode.PROBLEMS


@contextmanager
def choices_of(file: str | None) -> Iterator[None]:
    """A choice that does not fit is an error in the answers file, where it came from one."""
    try:
        yield
    except UsageError as error:
        if file is None:
            raise
        raise InputError(error.what, error.todo, file=file) from None


def _show_plan(plan: Plan, arguments: argparse.Namespace, answers: Answers, coder: Outlook | None) -> None:
    from wizard.plan import ApplyObjects, WaitForRollout, WritePolicy
    from wizard.unattended import left_by

    objects = [result_of(check, answers.ownership) for check in plan.checks]
    if arguments.output == "json":
        actions = [action.to_json() for action in plan.actions]
        results = [event.to_json() for event in objects]
        document(
            {
                "actions": actions,
                "objects": results,
                "forecast": [row.to_json() for row in plan.forecast],
                "coder": coder.to_json() if coder else None,
                "left_to_do": list(left_by(plan, coder)),
            }
        )
        return
    for action in plan.actions:
        out(f"{action.title}: {action.why}")
        for line in action.by_hand:
            out(f"  {line}")
        if isinstance(action, ApplyObjects):
            print_dry_run(objects)
        if isinstance(action, WaitForRollout):
            print_comparison(compare(plan.forecast, action.nodes))
        if isinstance(action, WritePolicy):
            out(f"  {action.fate}")
            if action.diff:
                out(action.diff, lines=True)
    if coder is not None:
        out("In Coder:")
        for line in coder.lines:
            out(f"  {line}")
    for step in left_by(plan, coder):
        out(f"left to do: {step}")
