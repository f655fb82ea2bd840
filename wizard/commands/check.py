"""``check`` and ``explain``: findings about a cluster or saved facts, and their long texts."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.answers import Answers
from wizard.commands.printing import document, out, say
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode, UsageError
from wizard.events import ActionEnded, Event
from wizard.facts import ClusterFacts
from wizard.findings import Finding, Outcome
from wizard.target import Target, target_of

if TYPE_CHECKING:
    from wizard.security_modules import Probe


WORDS = {Outcome.PASS: "ok"}


SEVERITIES: dict[str, tuple[Outcome, ...]] = {
    "blocker": (Outcome.BLOCKER,),
    "warning": (Outcome.BLOCKER, Outcome.WARNING),
    "unknown": (Outcome.BLOCKER, Outcome.WARNING, Outcome.UNKNOWN),
}


def check(arguments: argparse.Namespace) -> int:
    """``check``: the findings of the first two steps."""
    return run_async(_check(arguments))


async def _check(arguments: argparse.Namespace) -> int:
    from wizard.prerequisites import judge_prerequisites
    from wizard.security_modules import judge_security_modules

    for skipped in arguments.skip:
        _require_id(skipped)
    facts, probes = await _facts(arguments)
    answers = Answers()
    findings = [
        finding
        for finding in (*judge_prerequisites(facts, answers), *judge_security_modules(facts, probes))
        if not {finding.id, finding.id.partition("@")[0]} & set(arguments.skip)
    ]
    ready = not any(finding.outcome is Outcome.BLOCKER for finding in findings)
    if arguments.output == "json":
        document({"cluster": cluster_json(facts), "findings": [f.to_json() for f in findings], "ready": ready})
    else:
        _print_findings(facts, findings)
    failing = SEVERITIES[arguments.fail_on]
    return ExitCode.PROBLEMS if any(finding.outcome in failing for finding in findings) else ExitCode.DONE


def _require_id(name: str) -> None:
    """Raises UsageError for an id that there is not: a typo must not count as a decision."""
    from wizard.explanations import explain as explanation

    try:
        explanation(name)
    except UsageError as error:
        raise UsageError(f"--skip {name}: there is no such finding.", error.todo) from None


async def _facts(arguments: argparse.Namespace) -> tuple[ClusterFacts, tuple[Probe, ...]]:
    from wizard.collect import load_facts, save_facts
    from wizard.prove import probe_nodes

    probes: tuple[Probe, ...] = ()
    if arguments.facts and arguments.probe:
        raise UsageError("--from and --probe exclude each other.", "A saved file has no nodes to send a pod to.")
    if arguments.facts and target_of(arguments) != Target():
        raise UsageError("--from and a cluster exclude each other.", "A saved file tells which cluster it is of.")
    if arguments.facts:
        facts = load_facts(Path(arguments.facts))
    else:
        async with connected(target_of(arguments)) as engine:
            facts = await engine.read_facts()
            if arguments.probe:
                probes = await probe_nodes(engine, facts, _tell_shortfalls)
    if arguments.save:
        save_facts(facts, Path(arguments.save))
        say(f"Facts written to {arguments.save}.")
    return facts, probes


def _tell_shortfalls(event: Event) -> None:
    if isinstance(event, ActionEnded):
        say(event.detail + "".join(f"\n  {item.name}: {item.reason}" for item in event.shortfalls))


def cluster_json(facts: ClusterFacts) -> dict[str, Any]:
    """Which cluster the facts are of."""
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
    identity = facts.identity
    out(f"{identity.context}  {identity.server}  {identity.version}  {identity.distribution}".rstrip())
    for finding in findings:
        out(f"{WORDS.get(finding.outcome, finding.outcome):8} {finding.title}  [{finding.id}]")
        if finding.outcome in (Outcome.PASS, Outcome.INFO, Outcome.SKIPPED):
            continue
        for seen in finding.evidence:
            out(f"         Seen  {seen}")
        if finding.detail:
            out(f"         Then  {finding.detail}")
        for number, remedy in enumerate(finding.remedies, 1):
            out(f"         Do {number:2}  {remedy.text} ({remedy.who}{', reboot' if remedy.reboot else ''})")
            for line in remedy.command.splitlines():
                out(f"               {line}")


def explain(arguments: argparse.Namespace) -> int:
    """``explain``: the long text of an id, offline."""
    from wizard.explanations import explain as explanation
    from wizard.explanations import ids

    if arguments.id is None:
        for known in ids():
            out(known)
    else:
        out(explanation(arguments.id), lines=True)
    return ExitCode.DONE
