"""What the commands do: each reads its options, runs the same coroutines as the screens, and prints."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.answers import Answers, Decision, ManifestChoice, NodesChoice, OwnershipChoice, VerifyChoice
from wizard.answers_file import read_answers
from wizard.engine import Engine
from wizard.errors import ClusterError, ExitCode, InputError, Interrupted, UsageError
from wizard.escaping import printable
from wizard.events import ActionEnded, ActionProgress, ActionStarted, Event, Note, ObjectResult
from wizard.facts import ClusterFacts
from wizard.files import write_file
from wizard.findings import Finding, Outcome
from wizard.forecast import Comparison, compare, sentence
from wizard.ownership import (
    Contest,
    check_decision,
    contests,
    decision_words,
    gitops_departures,
    in_repository,
    left_to_repository,
    require_decided,
    require_known_fields,
)
from wizard.target import Target, target_of

if TYPE_CHECKING:
    from wizard.cluster import ObjectCheck
    from wizard.coder.actions import Outlook
    from wizard.manifest import Rendering
    from wizard.nodes import NodeVerdict
    from wizard.plan import Plan
    from wizard.prove import Proof
    from wizard.security_modules import Probe
    from wizard.undo import UndoPlan, UndoStep

WORDS = {Outcome.PASS: "ok"}
SEVERITIES: dict[str, tuple[Outcome, ...]] = {
    "blocker": (Outcome.BLOCKER,),
    "warning": (Outcome.BLOCKER, Outcome.WARNING),
    "unknown": (Outcome.BLOCKER, Outcome.WARNING, Outcome.UNKNOWN),
}


COLLECT_AFTER = 50_000
"""After how many new objects the garbage collector looks for some that are not needed any more."""


def sandbox_speed() -> float:
    """How many times faster than life the sandbox plays; tests set it in the environment."""
    return float(os.environ.get("PODMAN_WIZARD_SANDBOX_SPEED", "1"))


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Engine]:
    """An engine that is open, and closed at the end; a run that did not come to its end stays open in its journal."""
    async with engine_of(Engine(target, sandbox_speed=sandbox_speed())) as engine:
        await engine.open()
        yield engine


@asynccontextmanager
async def engine_of(engine: Engine) -> AsyncIterator[Engine]:
    """An engine that is closed at the end, opened or not; a run that broke off stays open in its journal."""
    try:
        yield engine
    except BaseException:
        await engine.close(interrupted=True)
        raise
    await engine.close()


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Runs a command's coroutine; a signal cancels it, so that it can say what was done, and sets the exit code."""
    # What is read of thousands of nodes stays: the collector would go through it after every 700 new objects.
    gc.set_threshold(COLLECT_AFTER)
    return asyncio.run(_until_signalled(work))


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except (asyncio.CancelledError, OSError):
        # An OSError, where there was nobody any more to tell of the end.
        if not received:
            raise
        if received[0] == signal.SIGINT:
            raise Interrupted("Interrupted.", "What was done so far is said above, and kept in the journal.") from None
        return 128 + received[0]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


def out(text: str = "", *, lines: bool = False) -> None:
    """Prints a line for people; whatever came from outside cannot move the cursor."""
    sys.stdout.write(printable(text, lines=lines) + "\n")


def say(text: str) -> None:
    """Says something beside the output, on stderr."""
    sys.stderr.write(printable(text, lines=True) + "\n")


def document(content: Any, *, rows: str = "") -> None:
    """Prints the one JSON document of a command, in ASCII: valid in every locale, and harmless in a terminal.

    ``rows`` names a list in it that may be long: its items get a line each.
    """
    text = json.dumps({**content, rows: []} if rows else content, indent=2)
    if rows and content[rows]:
        lines = ",\n".join(f"    {json.dumps(row)}" for row in content[rows])
        text = text.replace(f'"{rows}": []', f'"{rows}": [\n{lines}\n  ]', 1)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Teller:
    """Tells events as lines for people: on stderr where it is only progress, and only where it is news."""

    def __init__(self) -> None:
        self._progress = ""

    def __call__(self, event: Event) -> None:
        match event:
            case ActionStarted():
                self._progress = ""
                say(event.title)
            case ActionProgress():
                progress = f"  {event.done} of {event.total}" + _who(event.shortfalls)
                if progress != self._progress:
                    say(f"{progress}, {event.seconds:.0f} s")
                self._progress = progress
            case ObjectResult():
                out(f"  {event.object}: {event.words}")
                for warning in event.warnings:
                    say(f"  warning: {warning}")
            case ActionEnded():
                out(f"{event.result}: {event.detail}")
                for item in event.shortfalls:
                    out(f"  {item.name}: {item.reason}")
            case Note():
                say(event.text)
            case _:
                pass


tell = Teller()


def print_comparison(rows: Sequence[Comparison]) -> None:
    """The forecast by kind of node, and beside it what happened, where something has."""
    happened = any(row.happened for row in rows)
    width = max((len(row.name) for row in rows), default=0)
    wide = max((len(row.forecast) for row in rows), default=0)
    for row in rows:
        line = f"{row.state:8} {row.name:{width}}  expected {row.forecast:{wide}}"
        out(f"{line}  happened {row.happened}" if happened else line.rstrip())
        if row.ready or (row.gets_pod and not row.happened):
            continue
        names = ", ".join(row.nodes[:3]) + (f" and {len(row.nodes) - 3} more" if len(row.nodes) > 3 else "")
        for word, text in (("Seen", row.seen), ("Why", "" if row.seen else row.why), ("Do", row.todo)):
            if text:
                out(f"         {word:4}  {f'{names}: ' if word != 'Do' else ''}{text}")
    if happened:
        out(sentence(rows))


def _who(shortfalls: Sequence[Any]) -> str:
    if not shortfalls:
        return ""
    more = f" and {len(shortfalls) - 1} more" if len(shortfalls) > 1 else ""
    return f", not {shortfalls[0].name}{more}"


def tell_json(event: Event) -> None:
    """An event as a line of JSON on stdout."""
    sys.stdout.write(json.dumps(event.to_json()) + "\n")
    sys.stdout.flush()


# ---------------------------------------------------------------------------------------------- check


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


# ------------------------------------------------------------------------------------------- manifest


def manifest_choice(arguments: argparse.Namespace) -> ManifestChoice:
    """The choices of ``--preset``, ``--set`` and ``--without``."""
    settings: dict[str, str | int | bool] = {}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        settings[name] = value if equals else True
    return ManifestChoice(preset=arguments.preset, set=settings, without=tuple(arguments.without))


def nodes_choice(arguments: argparse.Namespace) -> NodesChoice:
    """The choices of names, ``--selector`` and ``--all``."""
    names, selector = tuple(getattr(arguments, "names", ())), arguments.selector
    everything = getattr(arguments, "all", False)
    if bool(names) + bool(selector) + everything > 1:
        raise UsageError("Names, --selector and --all exclude each other.", "Keep one of them.")
    return NodesChoice(all=not names and not selector, names=names, selector=selector)


def _rendering(facts: ClusterFacts | None, arguments: argparse.Namespace) -> tuple[Rendering, tuple[NodeVerdict, ...]]:
    from wizard.manifest import render
    from wizard.nodes import choose

    chosen = choose(facts, nodes_choice(arguments)) if facts else ()
    return render(facts, chosen, manifest_choice(arguments)), chosen


def manifest_render(arguments: argparse.Namespace) -> int:
    """``manifest render``: the YAML, adjusted to the cluster where there is one."""
    return run_async(_manifest_render(arguments))


async def _manifest_render(arguments: argparse.Namespace) -> int:
    facts = await _facts_if_any(arguments)
    rendering, _ = _rendering(facts, arguments)
    text = rendering.yaml()
    if arguments.to:
        backup = write_file(Path(arguments.to), text.encode())
        say(f"{arguments.to} written" + (f"; what it held is in {backup}" if backup else "") + ".")
    if arguments.output == "json":
        document({"objects": list(rendering.objects), "adjustments": _switches_json(rendering), "to": arguments.to})
    elif not arguments.to:
        sys.stdout.write(text)
    return ExitCode.DONE


def _switches_json(rendering: Rendering) -> list[dict[str, Any]]:
    return [
        {"id": switch.id, "title": switch.title, "on": switch.on, "why": switch.why, "value": switch.value}
        for switch in rendering.switches
    ]


async def _facts_if_any(arguments: argparse.Namespace) -> ClusterFacts | None:
    """The facts of the cluster that is meant; None where none is, or the one of kubectl does not answer."""
    target = target_of(arguments)
    asked_for = target != Target()
    configured = os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists()
    if not asked_for and not configured:
        return None
    try:
        async with connected(target) as engine:
            return await engine.read_facts()
    except (ClusterError, InputError) as error:
        if asked_for or arguments.selector:
            raise
        say(f"Rendered without a cluster: {error.what}")
        return None


def manifest_diff(arguments: argparse.Namespace) -> int:
    """``manifest diff``: against the guide, and against the cluster by a server dry run."""
    return run_async(_manifest_diff(arguments))


async def _manifest_diff(arguments: argparse.Namespace) -> int:
    from wizard.differences import against_cluster, against_guide

    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_facts()
        rendering, _ = _rendering(facts, arguments)
        checks = await engine.dry_run(rendering.objects)
    guide = against_guide(rendering.objects)
    rows: list[dict[str, Any]] = [
        {
            "object": check.title,
            "change": check.change,
            "checked": check.checked,
            "message": check.message,
            "conflicts": [{"field": c.field, "manager": c.manager} for c in check.conflicts],
            "diff": against_cluster([check.before] if check.before else [], [check.after] if check.after else []),
        }
        for check in checks
    ]
    if arguments.output == "json":
        document({"guide": guide, "objects": rows, "adjustments": _switches_json(rendering)})
        return ExitCode.DONE
    out("Against the guide:")
    out(guide or "  no difference", lines=True)
    out("Against the cluster:")
    for row in rows:
        out(f"{row['object']}: {row['change']}, checked: {row['checked']} {row['message']}".rstrip())
        for conflict in row["conflicts"]:
            out(f"  {conflict['field']} belongs to {conflict['manager']}")
        if row["diff"]:
            out(str(row["diff"]), lines=True)
    return ExitCode.DONE


def manifest_apply(arguments: argparse.Namespace) -> int:
    """``manifest apply``: the four objects, server-side."""
    return run_async(_manifest_apply(arguments))


def ownership_choice(arguments: argparse.Namespace) -> OwnershipChoice:
    """The decisions of ``--ownership``, ``--take``, ``--leave`` and ``--skip``."""
    decided: dict[str, Decision] = {}
    given: dict[Decision, list[str]] = {"take": arguments.take, "leave": arguments.leave, "skip": arguments.skip}
    for decision, names in given.items():
        for what in names:
            check_decision(what, decision)
            if decided.setdefault(what, decision) != decision:
                raise UsageError(f"--{decided[what]} and --{decision} of {what} exclude each other.", "Keep one.")
    return OwnershipChoice(arguments.ownership, decided)


async def _manifest_apply(arguments: argparse.Namespace) -> int:
    ownership = ownership_choice(arguments)
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_facts()
        rendering, _ = _rendering(facts, arguments)
        overlay, ownership = _overlay(facts, rendering, ownership, arguments)
        events: list[Event] = []
        found: tuple[Contest, ...] = ()
        code = ExitCode.DONE
        if arguments.dry_run:
            require_known_fields(rendering.objects, ownership)
            checks = await engine.dry_run(rendering.objects, ownership)
            events.extend(_result_of(check, ownership) for check in checks)
            found = contests(checks)
            if any(check.change == "failed" for check in checks):
                code = ExitCode.CLUSTER
        else:
            engine.note_answers(Answers(manifest=manifest_choice(arguments), ownership=ownership), repeat=True)
            listener = events.append if arguments.output == "json" else tell
            outcome = await engine.apply(rendering.objects, listener, ownership=ownership)
            if outcome.failed:
                code = ExitCode.CLUSTER
            for one in gitops_departures(rendering.objects, facts.objects):
                if one.title in outcome.applied:
                    say(f"{one.tool} owns {one.title}, and may set it back; --overlay DIR is for its repository.")
    objects = [event for event in events if isinstance(event, ObjectResult)]
    if arguments.output == "json":
        content = {"objects": [event.to_json() for event in objects], "dry_run": arguments.dry_run}
        content["overlay"] = [str(path) for path in overlay]
        document(content | ({"conflicts": _conflicts_json(found, ownership)} if arguments.dry_run else {}))
    elif arguments.dry_run:
        _print_dry_run(objects)
    if code is ExitCode.DONE:
        require_decided(found, ownership, answers=False)
    return code


def _overlay(
    facts: ClusterFacts, rendering: Rendering, ownership: OwnershipChoice, arguments: argparse.Namespace
) -> tuple[Sequence[Path], OwnershipChoice]:
    """The files of ``--overlay``, written, and the decisions with what they hold skipped."""
    if not arguments.overlay:
        return (), ownership
    departures = in_repository(gitops_departures(rendering.objects, facts.objects), ownership)
    if not departures:
        say("No GitOps tool owns an object that would change: no overlay is needed.")
        return (), ownership
    from wizard.handover import overlay_files, write_overlay

    folder = Path(arguments.overlay)
    if arguments.dry_run:
        files: Sequence[Path] = tuple(folder / name for name in overlay_files(departures))
    else:
        files = write_overlay(facts, departures, folder)
    owned = " and ".join(f"{one.tool} owns {one.title}" for one in departures)
    say(f"{owned}: {'would be ' if arguments.dry_run else ''}written for the repository, and skipped here:")
    for path in files:
        say(f"  {path}")
    return files, left_to_repository(ownership, departures)


def _conflicts_json(found: Iterable[Contest], ownership: OwnershipChoice) -> list[dict[str, Any]]:
    return [
        {
            "object": contest.title,
            "field": contest.field,
            "managers": list(contest.managers),
            "time": contest.time,
            "theirs": contest.theirs,
            "ours": contest.ours,
            "decision": ownership.of(contest.kind, contest.field),
        }
        for contest in found
    ]


def _result_of(check: ObjectCheck, ownership: OwnershipChoice) -> ObjectResult:
    message = check.message or decision_words(contests([check]), ownership)
    return ObjectResult(
        "apply", check.title, check.change, checked=check.checked, message=message, warnings=check.warnings
    )


def _print_dry_run(objects: Iterable[ObjectResult]) -> None:
    words = {
        "failed": "would be refused",
        "conflict": "in conflict",
        "unchanged": "stays as it is",
        "skipped": "is skipped",
    }
    for event in objects:
        what = words.get(event.change, f"would {event.change}")
        out(f"{event.object}: {what}, checked: {event.checked}" + (f": {event.message}" if event.message else ""))


# ---------------------------------------------------------------------------------------------- nodes


def nodes_list(arguments: argparse.Namespace) -> int:
    """``nodes list``: every node, or those that names or a selector mean."""
    return run_async(_nodes_list(arguments))


async def _nodes_list(arguments: argparse.Namespace) -> int:
    from wizard.nodes import choose, judge

    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_nodes()
    require_nodes(facts)
    if arguments.names or arguments.selector:
        verdicts: Sequence[NodeVerdict] = choose(facts, nodes_choice(arguments))
    else:
        verdicts = [judge(node) for node in facts.nodes or ()]
    rows = [
        {
            "name": verdict.node.name,
            "labelled": verdict.node.labelled,
            "eligible": verdict.eligible,
            "reasons": list(verdict.reasons),
            "os_image": verdict.node.os_image,
            "kernel": verdict.node.kernel,
            "security_module": verdict.security_module,
            "fuse": verdict.node.fuse_devices,
        }
        for verdict in verdicts
    ]
    if arguments.output == "json":
        document({"nodes": rows, "total": len(rows)}, rows="nodes")
        return ExitCode.DONE
    lines = []
    for verdict in verdicts:
        node = verdict.node
        state = "labelled" if node.labelled else "ready" if verdict.eligible else "unfit"
        fuse = f"fuse {node.fuse_devices}" if node.fuse_devices else "; ".join(verdict.reasons)
        lines.append(printable(f"{node.name:32} {state:9} {node.os_image:36} {node.kernel:28} {fuse}".rstrip()))
    fit = sum(verdict.eligible for verdict in verdicts)
    out("\n".join((*lines, f"{fit} of {len(verdicts)} nodes qualify.")), lines=True)
    return ExitCode.DONE


def require_nodes(facts: ClusterFacts) -> None:
    """Raises ClusterError where the nodes may not be listed."""
    if facts.nodes is None:
        missing = next((unread for unread in facts.unread if unread.resource == "nodes"), None)
        raise ClusterError(
            "The nodes cannot be listed" + (f": {missing.message}" if missing else "."),
            "Ask for the right to list nodes; podman-wizard plan writes what is needed.",
        )


def nodes_label(arguments: argparse.Namespace) -> int:
    """``nodes label``: the guide's label on the nodes that are meant."""
    return run_async(_nodes_change(arguments, remove=False))


def nodes_unlabel(arguments: argparse.Namespace) -> int:
    """``nodes unlabel``: the guide's label off the nodes that are meant."""
    return run_async(_nodes_change(arguments, remove=True))


async def _nodes_change(arguments: argparse.Namespace, *, remove: bool) -> int:
    from wizard.nodes import choose
    from wizard.plan import forecast_as_it_is

    if not (arguments.names or arguments.selector or arguments.all):
        raise UsageError("Which nodes?", "Name them, or say --selector S or --all.")
    choice = nodes_choice(arguments)
    waits = not remove and arguments.wait is not None
    async with connected(target_of(arguments)) as engine:
        # The forecast, beside which the wait sets what happened, takes the other facts too.
        facts = await (engine.read_facts() if waits else engine.read_nodes())
        require_nodes(facts)
        if remove and arguments.all:
            names = [node.name for node in facts.nodes or () if node.labelled]
        else:
            names = [v.node.name for v in choose(facts, choice) if v.node.labelled is remove]
        events: list[Event] = []
        listener = events.append if arguments.output == "json" else tell
        done: list[str] = []
        failed: list[dict[str, str]] = []
        rollout: dict[str, Any] | None = None
        comparison: tuple[Comparison, ...] = ()
        if not arguments.dry_run:
            engine.note_answers(Answers(nodes=choice), repeat=True)
            if names:
                result = await engine.label(names, listener, remove=remove)
                done = list(result.done)
                failed = [{"node": item.name, "reason": item.reason} for item in result.failed]
            if waits:
                chosen = choose(facts, choice)
                waited = await engine.wait([v.node.name for v in chosen], listener, timeout=arguments.wait)
                comparison = compare(forecast_as_it_is(facts, chosen), waited.nodes, waited)
                rollout = {
                    "desired": waited.desired,
                    "ready": waited.ready,
                    "failing": [{"node": item.name, "reason": item.reason} for item in waited.failing],
                    "groups": [row.to_json() for row in comparison],
                }
    word = "unlabel" if remove else "label"
    if arguments.output == "json":
        content: dict[str, Any] = {f"to_{word}": names, "done": done, "failed": failed, "dry_run": arguments.dry_run}
        document(content | ({"rollout": rollout} if rollout else {}))
    elif arguments.dry_run:
        for name in names:
            out(f"would {word} {name}")
        out(f"{len(names)} nodes to {word}.")
    elif not names:
        out(f"Nothing to {word}: 0 nodes.")
    if arguments.output == "text":
        print_comparison(comparison)
    if failed:
        return ExitCode.CLUSTER
    return ExitCode.PROBLEMS if rollout and rollout["ready"] < rollout["desired"] else ExitCode.DONE


# ------------------------------------------------------------------------------ verify, run, plan, undo


def verify(arguments: argparse.Namespace) -> int:
    """``verify``: Podman in a pod on each kind of node."""
    return run_async(_verify(arguments))


async def _verify(arguments: argparse.Namespace) -> int:
    from wizard.prove import verify_nodes

    default = VerifyChoice()
    choice = replace(
        default, run=True, image=arguments.image or default.image, namespace=arguments.namespace or default.namespace
    )
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_facts()
        require_nodes(facts)
        listener = (lambda event: None) if arguments.output == "json" else tell
        proofs = await verify_nodes(engine, facts, choice, listener, dry_run=arguments.dry_run)
    if arguments.output == "json":
        document({"proofs": [proof.to_json() for proof in proofs], "dry_run": arguments.dry_run})
    else:
        print_proofs(proofs)
        if not proofs:
            out("No node advertises smarter-devices/fuse yet: nothing to verify.")
    bad = not proofs or any(proof.ok is False for proof in proofs)
    return ExitCode.PROBLEMS if bad and not arguments.dry_run else ExitCode.DONE


def print_proofs(proofs: Iterable[Proof]) -> None:
    """What Podman said where it did not run, and what to do; where it ran, an event has told it."""
    for proof in proofs:
        if proof.ok:
            continue
        out(f"{proof.word:8} {proof.title}, on {proof.node}: {proof.text}")
        for line in proof.excerpt:
            out(f"         {line}")
        for remedy in proof.remedies:
            out(f"         Do  {remedy.text}")
            for line in remedy.command.splitlines():
                out(f"             {line}")


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

    objects = [_result_of(check, answers.ownership) for check in plan.checks]
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
            _print_dry_run(objects)
        if isinstance(action, WaitForRollout):
            print_comparison(compare(plan.forecast, action.nodes))
        if isinstance(action, WritePolicy):
            out(action.diff or "  no difference", lines=True)
    if coder is not None:
        out("In Coder:")
        for line in coder.lines:
            out(f"  {line}")
    for step in left_by(plan, coder):
        out(f"left to do: {step}")


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


def undo(arguments: argparse.Namespace) -> int:
    """``undo``: the last run on this cluster, or all of them; with ``--coder-url`` those in Coder alone."""
    return run_async(_undo(arguments))


@asynccontextmanager
async def _undoing(arguments: argparse.Namespace) -> AsyncIterator[Engine]:
    """The engine whose journal is meant: the cluster's, or the one of a Coder deployment, which takes no cluster."""
    from wizard.coder.actions import journaled_deployments, undo_command

    target = target_of(arguments)
    if arguments.coder_url:
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
    return step.title if step.nodes or step.what == "disable templates" else f"{step.title}: {step.what}"


# -------------------------------------------------------------------------------------------- sandbox


def sandbox(arguments: argparse.Namespace) -> int:
    """``sandbox``: the simulated cluster by itself, until interrupted."""
    return run_async(_sandbox(arguments))


async def _sandbox(arguments: argparse.Namespace) -> int:
    from wizard.sandbox import Sandbox

    scenario = arguments.scenario or getattr(arguments, "sandbox", None) or "mixed"
    async with await Sandbox.start(scenario, speed=sandbox_speed()) as running:
        if arguments.kubeconfig_to:
            path = Path(arguments.kubeconfig_to)
            running.write_kubeconfig(path)
        if arguments.output == "json":
            document({"scenario": scenario, "url": running.url, "kubeconfig": arguments.kubeconfig_to})
        else:
            out(f"Sandbox {scenario} listens on {running.url}")
            if arguments.kubeconfig_to:
                out(f"Use it: kubectl --kubeconfig {arguments.kubeconfig_to} get nodes")
            out("It ends with ctrl+c.")
        sys.stdout.flush()
        await asyncio.Event().wait()
    return ExitCode.DONE
