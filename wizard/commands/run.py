"""``run``: all steps with an answers file, unattended."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wizard.abandoning import abandonable
from wizard.choices.answers import Answers
from wizard.choices.target import Target, target_of
from wizard.commands.choosing import answers_given, choices_of
from wizard.commands.running import connected, engine_of, run_async
from wizard.engine.engine import Engine
from wizard.errors import ExitCode, UsageError, WizardError
from wizard.printing.lines import out, print_comparison, say, tell, tell_json
from wizard.printing.results import print_proofs
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.session.unattended import Summary


def run(arguments: argparse.Namespace) -> int:
    """Runs ``run``: all steps, unattended."""
    return run_async(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from wizard.engine.executor import RunOutcome
    from wizard.session.unattended import summarize

    as_lines = arguments.output == "json" and not arguments.dry_run
    try:
        return await _look_and_run(arguments)
    except WizardError as error:
        if as_lines and not error.documented:
            tell_json(summarize("failed", None, RunOutcome(), error))
            error.documented = True
        raise


async def _look_and_run(arguments: argparse.Namespace) -> int:
    answers = _answers_of(arguments)
    if not arguments.yes and not arguments.dry_run:
        raise UsageError("run changes the cluster, so it requires --yes.", "To preview, use --dry-run.")
    target = target_of(arguments, answers)
    with choices_of(arguments):
        if _needs_cluster(answers) or target != Target():
            async with connected(target) as engine:
                return await _with(engine, arguments, answers)
        async with engine_of(Engine(target)) as engine:
            await abandonable(_at_coder, engine, answers)
            return await _with(engine, arguments, answers)


def _answers_of(arguments: argparse.Namespace) -> Answers:
    answers = answers_given(arguments)
    if arguments.on_impact is not None:
        answers = replace(answers, coder=replace(answers.coder, on_impact=arguments.on_impact))
    return replace(answers, allow_disruption=answers.allow_disruption or arguments.allow_disruption)


def _needs_cluster(answers: Answers) -> bool:
    from wizard.engine.looking import needs_cluster

    return needs_cluster(replace(answers, allow_disruption=False))


def _at_coder(engine: Engine, answers: Answers) -> None:
    """Without a cluster, what is done in Coder is in the journal of the deployment, and can be undone there."""
    from wizard.coder.credentials import NoCredentials, find_credentials

    if answers.template is not None and answers.template.push is not None:
        from wizard.coder.v2.credentials import find_credentials as find

        with suppress(NoCredentials):
            engine.at_coder(find(answers.coder.url, token_needed=False).url)
    if answers.coder.enable_templates or answers.coder.upload:
        with suppress(NoCredentials):  # the plan says that these steps are left to do
            engine.at_coder(find_credentials(answers.coder.url, token_needed=False).url)


async def _with(engine: Engine, arguments: argparse.Namespace, answers: Answers) -> int:
    from wizard.session.unattended import run as run_all

    if arguments.dry_run:
        return await _preview(engine, arguments, answers)
    try:
        summary = await run_all(engine, answers, tell_json if arguments.output == "json" else tell)
    except WizardError as error:
        error.documented = True  # the summary has it
        raise
    if arguments.output == "text":
        _print_summary(engine, summary)
    return ExitCode.DONE if summary.result == "done" else ExitCode.PROBLEMS


def _print_summary(engine: Engine, summary: Summary) -> None:
    print_comparison(summary.groups)
    print_proofs(summary.proofs)
    reached = f"FUSE on {summary.ready} of {counted(summary.desired, 'node')}; " if engine.has_cluster else ""
    wrote = f"policy: {summary.policy or 'not written'}"
    if summary.template or summary.pushed:
        wrote = f"template: {summary.template or 'not written'}"
    version = f", version {summary.pushed.version.name} active in Coder" if summary.pushed else ""
    out(f"{summary.result}: {reached}{wrote}{version}")
    if not summary.changed:
        out("Nothing was changed.")
    for step in summary.left_to_do:
        out(f"  left to do: {step}")


async def _preview(engine: Engine, arguments: argparse.Namespace, answers: Answers) -> int:
    """Prints what a run would do; ends as the run would if a gate is closed, or if nodes get no pod."""
    from wizard.engine.coder_v2 import look_at_push
    from wizard.engine.looking import look, look_without_cluster
    from wizard.plan.gates import closed
    from wizard.printing.plans import plan_document, print_gates, print_plan
    from wizard.session.unattended import consents, left_by, look_in_coder

    # A dry run creates nothing, probe pods included.
    unprobed = replace(answers, security_modules=replace(answers.security_modules, probe=False))
    plan = await look(engine, unprobed) if engine.has_cluster else look_without_cluster(answers)
    probing = plan.judgement.changed(answers=answers)
    plan = replace(plan, judgement=probing)
    coder = await look_in_coder(engine, plan, answers)
    pushing = await look_at_push(engine, plan.actions, answers.coder.url)
    gates = closed(plan.gates, "run", actions={action.kind for action in plan.actions}, allow=consents(answers))
    error = gates[0].error("run") if gates else None
    left = left_by(plan, coder)
    for line in pushing if arguments.output == "json" else ():
        say(line)
    if arguments.output == "json":
        plan_document(plan, coder, left, error)
    else:
        print_plan(plan)
        if coder is not None:
            out("In Coder:")
            for line in coder.lines:
                out(f"  {line}")
        for line in pushing:
            out(line)
        for step in left:
            out(f"left to do: {step}")
        print_gates(gates[1:])
        if plan.without_pod:
            count = counted(len(plan.without_pod), "node")
            out(f"The rollout would not finish, so run would end with exit code 1: {count} without a pod.")
    if error is not None:
        raise error
    return ExitCode.PROBLEMS if plan.without_pod else ExitCode.DONE
