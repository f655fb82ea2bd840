"""``manifest render``, ``diff`` and ``apply``: the four objects as they are decided."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.answers import Answers, Decision, ManifestChoice, OwnershipChoice
from wizard.commands.nodes import nodes_choice
from wizard.commands.printing import document, out, say, tell
from wizard.commands.running import connected, run_async
from wizard.errors import ClusterError, ExitCode, InputError, UsageError
from wizard.events import Event, ObjectResult
from wizard.facts import ClusterFacts
from wizard.files import write_file
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
    from wizard.manifest import Rendering
    from wizard.nodes import NodeVerdict


def manifest_choice(arguments: argparse.Namespace) -> ManifestChoice:
    """The choices of ``--preset``, ``--set`` and ``--without``."""
    settings: dict[str, str | int | bool] = {}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        settings[name] = value if equals else True
    return ManifestChoice(preset=arguments.preset, set=settings, without=tuple(arguments.without))


def _rendering(facts: ClusterFacts | None, arguments: argparse.Namespace) -> tuple[Rendering, tuple[NodeVerdict, ...]]:
    from wizard.manifest import render
    from wizard.nodes import choose

    chosen = choose(facts, nodes_choice(arguments)) if facts else ()
    if facts and facts.nodes is not None and arguments.selector and not chosen:
        say(f"No node that can serve matches {arguments.selector}: the manifest is adjusted to none.")
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
            events.extend(result_of(check, ownership) for check in checks)
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
        print_dry_run(objects)
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


def result_of(check: ObjectCheck, ownership: OwnershipChoice) -> ObjectResult:
    """What the dry run of an object found, as its apply would tell it."""
    message = check.message or decision_words(contests([check]), ownership)
    return ObjectResult(
        "apply", check.title, check.change, checked=check.checked, message=message, warnings=check.warnings
    )


def print_dry_run(objects: Iterable[ObjectResult]) -> None:
    """What an apply would do, a line an object."""
    words = {
        "failed": "would be refused",
        "conflict": "in conflict",
        "unchanged": "stays as it is",
        "skipped": "is skipped",
    }
    for event in objects:
        what = words.get(event.change, f"would {event.change}")
        out(f"{event.object}: {what}, checked: {event.checked}" + (f": {event.message}" if event.message else ""))
