"""``check`` and ``explain``: findings about a cluster or saved facts, and their explanations."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.choices.target import Target, target_of
from wizard.commands.running import connected, run_async
from wizard.engine.events import ActionEnded, Event
from wizard.errors import ExitCode, UsageError
from wizard.facts.cluster import ClusterFacts
from wizard.finding import Finding, Outcome, blockers, outcome_counts, worst_first
from wizard.printing.lines import document, out, print_command, say, shortfall_lines, wrapped
from wizard.text.columns import columns
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.plan.judgement import Judgement


SEVERITIES: dict[str, tuple[Outcome, ...]] = {
    "blocker": (Outcome.BLOCKER,),
    "warning": (Outcome.BLOCKER, Outcome.WARNING),
    "unknown": (Outcome.BLOCKER, Outcome.WARNING, Outcome.UNKNOWN),
}


def check(arguments: argparse.Namespace) -> int:
    """Runs ``check``: the findings of the first two steps."""
    return run_async(_check(arguments))


async def _check(arguments: argparse.Namespace) -> int:
    for skipped in arguments.skip:
        _require_id(skipped)
    judgement = await _judgement(arguments)
    findings = [
        finding
        for finding in (*judgement.prerequisites, *judgement.security_modules)
        if not {finding.id, finding.id.partition("@")[0]} & set(arguments.skip)
    ]
    ready = not any(finding.outcome is Outcome.BLOCKER for finding in findings)
    probe = _probed(judgement) if arguments.probe else None
    if arguments.output == "json":
        cluster = cluster_json(judgement.facts)
        document(
            "check", {"cluster": cluster, "findings": [f.to_json() for f in findings], "ready": ready, "probe": probe}
        )
    else:
        _print_findings(judgement.facts, worst_first(findings))
        out(_verdict(findings))
    failing = SEVERITIES[arguments.fail_on]
    if probe and probe["ran"] < probe["node_types"]:
        ran = f"{probe['ran']} of {counted(probe['node_types'], 'node type')}"
        say(f"The probe ran on {ran}. The findings about the others are the known defaults of their systems.")
        return ExitCode.PROBLEMS
    return ExitCode.PROBLEMS if any(finding.outcome in failing for finding in findings) else ExitCode.DONE


def _probed(judgement: Judgement) -> dict[str, int]:
    """Returns on how many node types a probe should run, and on how many it did."""
    from wizard.findings.security_modules import security_groups

    return {"node_types": len(security_groups(judgement.verdicts)), "ran": len(judgement.probes)}


def _require_id(name: str) -> None:
    """Raises UsageError for an unknown id: a typo must not count as a decision."""
    from wizard.explanations import explain as explanation

    try:
        explanation(name)
    except UsageError as error:
        raise UsageError(f"--skip {name}: no finding has this ID.", error.todo) from None


async def _judgement(arguments: argparse.Namespace) -> Judgement:
    """Returns what follows from the cluster and the server's dry run, or from saved facts alone."""
    from wizard.engine.collect import load_facts, save_facts
    from wizard.engine.looking import look
    from wizard.plan.judgement import Judgement, Reading

    if arguments.facts and arguments.probe:
        raise UsageError("--from and --probe cannot be combined.", "Saved facts have no nodes to run a probe pod on.")
    if arguments.facts and target_of(arguments) != Target():
        raise UsageError("--from cannot be combined with a cluster.", "The saved facts already name their cluster.")
    if arguments.facts:
        judgement = Judgement(Reading.of(load_facts(Path(arguments.facts))), Answers())
    else:
        answers = Answers(security_modules=SecurityModulesChoice(probe=arguments.probe))
        async with connected(target_of(arguments)) as engine:
            judgement = (await look(engine, answers, _tell_shortfalls)).judgement
    if arguments.save:
        save_facts(judgement.facts, Path(arguments.save))
        say(f"Facts saved to {arguments.save}.")
    return judgement


def _tell_shortfalls(event: Event) -> None:
    if isinstance(event, ActionEnded):
        say("\n  ".join([event.detail, *shortfall_lines(event.shortfalls)]))


def cluster_json(facts: ClusterFacts) -> dict[str, Any]:
    """Returns the identity of the cluster as JSON."""
    identity = facts.identity
    return {
        "context": identity.context,
        "server": identity.server,
        "version": identity.version,
        "distribution": identity.distribution,
        "uid": identity.uid,
        "user": identity.user,
        "sandbox": identity.sandbox or None,
        "read_at": facts.read_at,
        "nodes": None if facts.nodes is None else len(facts.nodes),
    }


def _print_findings(facts: ClusterFacts, findings: Iterable[Finding]) -> None:
    from wizard.printing.plans import finding_line

    identity = facts.identity
    out(f"{identity.context}  {identity.server}  {identity.version}  {identity.distribution}".rstrip())
    for finding in findings:
        out(wrapped(finding_line(finding), then=MARGIN), lines=True)
        if finding.outcome in (Outcome.OK, Outcome.INFO, Outcome.SKIPPED):
            continue
        for seen in finding.evidence:
            out(wrapped(seen, first=f"{MARGIN}Found  ", then=f"{MARGIN}       "), lines=True)
        if finding.detail:
            out(wrapped(finding.detail, first=f"{MARGIN}Means  ", then=f"{MARGIN}       "), lines=True)
        for remedy in finding.remedies:
            text = f"{remedy.text} ({remedy.who}{', reboot' if remedy.reboot else ''})"
            out(wrapped(text, first=f"{MARGIN}To do  ", then=f"{MARGIN}       "), lines=True)
            print_command(remedy.command, " " * 16)


MARGIN = " " * 9
"""The width of an outcome and the space after it."""


def _verdict(findings: Sequence[Finding]) -> str:
    """Returns the last line of ``check``: whether the steps can be carried out, and how many findings say otherwise."""
    counts = ", ".join(words for _, words in outcome_counts(findings))
    return f"{'Not ready' if blockers(findings) else 'Ready'}: {counts or 'nothing was checked'}."


def explain(arguments: argparse.Namespace) -> int:
    """Runs ``explain``: the explanation of an id, offline."""
    from wizard.explanations import explain as explanation
    from wizard.explanations import titles

    if arguments.id is None:
        out("\n".join(columns(titles().items())), lines=True)
    else:
        text = explanation(arguments.id)
        title = titles()[arguments.id.partition("@")[0]]
        # An indented line is code to copy, or the next line of a list.
        lines = [line if line.startswith(" ") else wrapped(line) for line in text.splitlines()]
        out("\n".join([title, "", *lines]), lines=True)
    return ExitCode.DONE
