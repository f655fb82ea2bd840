"""``manifest render``, ``diff``, and ``apply``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.choices.answers import Answers, CoderChoice, Decision, ManifestChoice, OwnershipChoice, VerifyChoice
from wizard.choices.target import Target, target_of
from wizard.commands.choosing import answers_given, choices_of, nodes_choice
from wizard.commands.running import connected, run_async
from wizard.engine.events import Event, ObjectResult
from wizard.errors import ClusterError, ExitCode, InputError, UsageError, WizardError
from wizard.facts.changes import counts
from wizard.facts.cluster import ClusterFacts
from wizard.files import write_file
from wizard.manifest.ownership import check_decision, in_repository, left_to_repository
from wizard.printing.lines import Teller, document, out, say
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.engine.engine import Engine
    from wizard.manifest import Rendering
    from wizard.plan.derive import Plan
    from wizard.plan.gates import Gate
    from wizard.plan.judgement import Judgement


def manifest_answers(arguments: argparse.Namespace) -> Answers:
    """Returns the choices about the manifest: of ``--answers``, and of the other options, which count more."""
    from wizard.manifest import check_choice

    given = answers_given(arguments)
    manifest = _manifest_choice(arguments, given.manifest)
    check_choice(manifest)
    return replace(
        given,
        manifest=manifest,
        ownership=_ownership_choice(arguments, given.ownership),
        nodes=given.nodes if arguments.selector is None else nodes_choice(arguments),
        allow_disruption=given.allow_disruption or getattr(arguments, "allow_disruption", False),
        # Nothing else is done here, and no pod is sent.
        security_modules=replace(given.security_modules, probe=False),
        policy=None,
        coder=CoderChoice(),
        verify=VerifyChoice(),
    )


def _manifest_choice(arguments: argparse.Namespace, given: ManifestChoice) -> ManifestChoice:
    settings: dict[str, str | int | bool] = {}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        settings[name] = value if equals else True
    without = tuple(arguments.without)
    kept = {name: value for name, value in given.set.items() if name not in without}
    return ManifestChoice(
        preset=arguments.preset or given.preset,
        set={**kept, **settings},
        without=(*(name for name in given.without if name not in settings and name not in without), *without),
    )


def _ownership_choice(arguments: argparse.Namespace, given: OwnershipChoice) -> OwnershipChoice:
    if not hasattr(arguments, "ownership"):
        return given
    decided: dict[str, Decision] = {}
    options: dict[Decision, list[str]] = {"take": arguments.take, "leave": arguments.leave, "skip": arguments.skip}
    for decision, names in options.items():
        for what in names:
            check_decision(what, decision)
            if decided.setdefault(what, decision) != decision:
                raise UsageError(
                    f"--{decided[what]} and --{decision} cannot be combined for {what}.", "Use one of them."
                )
    return OwnershipChoice(arguments.ownership or given.default, {**given.decided, **decided})


def manifest_render(arguments: argparse.Namespace) -> int:
    """Runs ``manifest render``: the YAML, adjusted to the cluster if there is one."""
    return run_async(_manifest_render(arguments))


async def _manifest_render(arguments: argparse.Namespace) -> int:
    from wizard.plan.derive import NO_CLUSTER
    from wizard.plan.judgement import Judgement, Reading

    answers = manifest_answers(arguments)
    facts = await _facts_if_any(arguments, answers)
    with choices_of(arguments):
        judgement = Judgement(Reading.of(facts or NO_CLUSTER), answers)
        _say_if_for_no_node(arguments, judgement)
        rendering = judgement.rendering
    text = rendering.yaml()
    if arguments.to:
        backup = write_file(Path(arguments.to), text.encode())
        say(f"Wrote {arguments.to}." + (f" The previous file is in {backup}." if backup else ""))
    if arguments.output == "json":
        document(
            "manifest-render",
            {"objects": list(rendering.objects), "adjustments": _switches_json(rendering), "to": arguments.to},
        )
    elif not arguments.to:
        sys.stdout.write(text)
    return ExitCode.DONE


def _say_if_for_no_node(arguments: argparse.Namespace, judgement: Judgement) -> None:
    if judgement.facts.nodes is not None and arguments.selector and not judgement.chosen:
        say(f"No node that qualifies matches {arguments.selector}, so the manifest is not adjusted to any node.")


def _switches_json(rendering: Rendering) -> list[dict[str, Any]]:
    return [switch.to_json() for switch in rendering.switches]


async def _facts_if_any(arguments: argparse.Namespace, answers: Answers) -> ClusterFacts | None:
    """Returns the facts of the selected cluster; None without one, or if the default cluster does not respond."""
    target = target_of(arguments, answers)
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
        say(f"Rendered without facts about a cluster. {error.what}")
        return None


def manifest_diff(arguments: argparse.Namespace) -> int:
    """Runs ``manifest diff``: the differences from the guide, and what an apply would change in the cluster.

    Exits with 1 if an apply would change anything, and with 3 if the server would reject an object.
    """
    return run_async(_manifest_diff(arguments))


async def _manifest_diff(arguments: argparse.Namespace) -> int:
    from wizard.manifest.guide import against_guide
    from wizard.printing.plans import print_objects

    answers = manifest_answers(arguments)
    async with connected(target_of(arguments, answers)) as engine:
        plan = await _look(engine, arguments, answers)
    guide = against_guide(plan.rendering.objects)
    if arguments.output == "json":
        content = {"guide": guide, "objects": _diff_json(plan), "adjustments": _switches_json(plan.rendering)}
        document("manifest-diff", {**_changes_json(plan), **content})
    else:
        out("Changes to the guide's manifest:")
        out(guide or "  none", lines=True)
        out("Changes to the cluster:")
        print_objects(plan)
    if any(check.change == "failed" for check in plan.judgement.checks):
        return ExitCode.CLUSTER
    return ExitCode.PROBLEMS if _applying(plan) else ExitCode.DONE


def _diff_json(plan: Plan) -> list[dict[str, Any]]:
    from wizard.facts.differences import against_cluster

    return [
        {
            "object": check.title,
            "change": check.change,
            "checked": check.checked,
            "message": check.message,
            "conflicts": [{"field": c.field, "manager": c.manager} for c in check.conflicts],
            "changes": [change.to_json() for change in check.changes(plan.judgement.attribute)],
            "diff": against_cluster([check.before] if check.before else [], [check.after] if check.after else []),
        }
        for check in plan.judgement.checks
    ]


def _applying(plan: Plan) -> tuple[str, ...]:
    """Returns the ids of the actions that change objects."""
    return plan.ids("apply", "wake")


def _changes_json(plan: Plan) -> dict[str, Any]:
    changes = [change for action in plan.actions if action.kind == "apply" for change in action.changes]
    return {"changed": counts(changes), "changes": [change.to_json() for change in changes]}


async def _look(engine: Engine, arguments: argparse.Namespace, answers: Answers) -> Plan:
    from wizard.engine.looking import look

    with choices_of(arguments):
        plan = await look(engine, answers)
    _say_if_for_no_node(arguments, plan.judgement)
    return plan


def manifest_apply(arguments: argparse.Namespace) -> int:
    """Runs ``manifest apply``: server-side apply of the objects that change."""
    return run_async(_manifest_apply(arguments))


async def _manifest_apply(arguments: argparse.Namespace) -> int:
    from wizard.plan.gates import GateKind, closed

    answers = manifest_answers(arguments)
    async with connected(target_of(arguments, answers)) as engine:
        overlay: Sequence[Path] = ()
        if arguments.overlay:
            overlay, answers = await _overlay(engine, arguments, answers)
        plan = await _look(engine, arguments, answers)
        only = _applying(plan)
        allow: tuple[GateKind, ...] = ("disruption",) if answers.allow_disruption else ()
        kinds = {action.kind for action in plan.actions if action.id in only}
        gates = closed(plan.gates, "command", actions=kinds, allow=allow) if only else ()
        if arguments.dry_run or gates or not only:
            return _show(arguments, plan, overlay, gates)
        return await _act(engine, arguments, plan, overlay, allow)


def _show(arguments: argparse.Namespace, plan: Plan, overlay: Sequence[Path], gates: Sequence[Gate]) -> int:
    """Prints what an apply would change; raises the error of the first closed gate, if there is one."""
    from wizard.printing.plans import conflicts_json, object_results, print_gates, print_objects

    error = gates[0].error("command") if gates else None
    if arguments.output == "json":
        document(
            "manifest-apply",
            {
                **(_changes_json(plan) if arguments.dry_run else {"changed": False, "changes": []}),
                "objects": [result.to_json() for result in object_results(plan)],
                "dry_run": arguments.dry_run,
                "overlay": [str(path) for path in overlay],
                "conflicts": conflicts_json(plan),
                "gates": [gate.to_json() for gate in gates],
                "notes": list(plan.notes),
            },
            error=error,
        )
    else:
        print_objects(plan, *gates[:1])
        if not _applying(plan):
            out("Nothing to apply: the cluster already has what you chose.")
        print_gates(gates[1:])
    if error is not None:
        raise error
    return ExitCode.DONE


async def _act(
    engine: Engine, arguments: argparse.Namespace, plan: Plan, overlay: Sequence[Path], allow: Sequence[Any]
) -> int:
    from wizard.engine.looking import act
    from wizard.printing.plans import conflicts_json, notes_to_tell

    events: list[Event] = []
    tell = Teller(fields=True)

    def listener(event: Event) -> None:
        events.append(event)
        if arguments.output == "text":
            tell(event)

    def content(*, changed: bool) -> dict[str, Any]:
        results = _results(plan, events)
        changes = [change.to_json() for one in results.values() if one.changes for change in one.changes]
        return {
            "changed": changed or bool(changes),
            "changes": changes,
            "objects": [one.to_json() for one in results.values()],
            "dry_run": False,
            "overlay": [str(path) for path in overlay],
            "conflicts": conflicts_json(plan),
            "notes": list(plan.notes),
        }

    engine.note_answers(plan.judgement.answers, repeat=True)
    try:
        outcome, now = await act(engine, plan, listener, door="command", only=_applying(plan), allow=allow)
    except WizardError as error:
        if arguments.output == "json":
            document("manifest-apply", content(changed=False), error=error)
        raise
    for one in plan.judgement.departures:
        if one.title in outcome.applied:
            say(f"{one.tool} manages {one.title} and may revert it. For its repository, use --overlay DIR.")
    if arguments.output == "json":
        document("manifest-apply", content(changed=outcome.changed))
    else:
        for note in notes_to_tell(plan):
            say(note)
        _say_what_is_left(now)
    return ExitCode.CLUSTER if any(one.result != "done" for one in outcome.outcomes) else ExitCode.DONE


def _results(plan: Plan, events: Sequence[Event]) -> Mapping[str, ObjectResult]:
    """Returns what became of each object: as it was done, or, if it had no action, as the server answered."""
    from wizard.plan.actions import ApplyObject
    from wizard.printing.plans import object_results

    planned = {action.ref.title for action in plan.actions if isinstance(action, ApplyObject)}
    found = {one.object: one for one in object_results(plan) if one.object not in planned}
    for event in events:
        if isinstance(event, ObjectResult):
            found[event.object] = event
    order = [f"{item['kind']} {item['metadata']['name']}" for item in plan.rendering.objects]
    return {title: found[title] for title in order if title in found}


def _say_what_is_left(now: Plan) -> None:
    labels, choice = now.judgement.to_label, now.judgement.answers.nodes
    if labels and choice.label:
        which = f"-l {shlex.quote(choice.selector)}" if choice.selector else shlex.join(choice.names) or "--all"
        say(
            f"{counted(len(labels), 'selected node')} {'lacks' if len(labels) == 1 else 'lack'} the label. "
            f"To label {'it' if len(labels) == 1 else 'them'} and wait for FUSE, run podman-wizard nodes label "
            f"{which} --wait."
        )


async def _overlay(engine: Engine, arguments: argparse.Namespace, answers: Answers) -> tuple[Sequence[Path], Answers]:
    """Writes the files of ``--overlay``; returns them, and the choices that skip their objects here."""
    from wizard.handover import overlay_files, write_overlay
    from wizard.plan.judgement import Judgement, Reading

    facts = await engine.read_facts()
    with choices_of(arguments):
        departures = in_repository(Judgement(Reading.of(facts), answers).departures, answers.ownership)
    if not departures:
        say("No overlay is needed: no GitOps tool manages an object that would change.")
        return (), answers
    folder = Path(arguments.overlay)
    if arguments.dry_run:
        files: Sequence[Path] = tuple(folder / name for name in overlay_files(departures))
    else:
        files = write_overlay(facts, departures, folder)
    owned = " and ".join(f"{one.tool} manages {one.title}" for one in departures)
    say(f"{owned}. Skipped here; {'would be written' if arguments.dry_run else 'written'} for the repository instead:")
    for path in files:
        say(f"  {path}")
    return files, replace(answers, ownership=left_to_repository(answers.ownership, departures))
