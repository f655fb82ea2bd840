"""``plan``: the hand-over to someone who has the rights."""

from __future__ import annotations

import argparse
from pathlib import Path

from wizard.answers import Answers
from wizard.answers_file import read_answers
from wizard.commands.printing import document, out
from wizard.commands.run import choices_of
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode
from wizard.target import target_of


def plan(arguments: argparse.Namespace) -> int:
    """``plan``: the hand-over, for someone who has the rights."""
    return run_async(_plan(arguments))


async def _plan(arguments: argparse.Namespace) -> int:
    from wizard.handover import write_handover

    answers = read_answers(Path(arguments.answers)) if arguments.answers else Answers()
    async with connected(target_of(arguments, answers)) as engine:
        facts = await engine.read_facts(verify_in=answers.verify.namespace)
    with choices_of(arguments.answers):
        written = write_handover(facts, answers, Path(arguments.to))
    if arguments.output == "json":
        document({"files": [str(path) for path in written]})
    else:
        for path in written:
            out(str(path))
    return ExitCode.DONE
