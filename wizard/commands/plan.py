"""``plan``: exports the plan for someone with access."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from wizard.answers_file import read_answers
from wizard.choices.answers import Answers
from wizard.choices.target import target_of
from wizard.commands.choosing import choices_of
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode
from wizard.printing.lines import document, out


def plan(arguments: argparse.Namespace) -> int:
    """Runs ``plan``: exports the plan for someone with access."""
    return run_async(_plan(arguments))


async def _plan(arguments: argparse.Namespace) -> int:
    from wizard.engine.looking import look
    from wizard.handover import write_handover

    answers = read_answers(Path(arguments.answers)) if arguments.answers else Answers()
    # An export sends no pods; the answers file that it writes still says that a run probes.
    unprobed = replace(answers, security_modules=replace(answers.security_modules, probe=False))
    async with connected(target_of(arguments, answers)) as engine:
        with choices_of(arguments.answers):
            found = await look(engine, unprobed, writes=False)
            found = replace(found, judgement=found.judgement.changed(answers=answers))
            for gate in found.gates:
                if gate.kind == "label":  # nobody is asked here, and a run of the exported answers would stop too
                    raise gate.error("plan")
            written = write_handover(found, Path(arguments.to))
    if arguments.output == "json":
        document("plan", {"files": [str(path) for path in written], "plan": found.to_json()})
    else:
        for path in written:
            out(str(path))
    return ExitCode.DONE
