"""A plan as commands show it: its findings, its actions with their changes by field, its pods, and its gates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wizard.engine.events import ObjectResult
from wizard.finding import Finding, Outcome
from wizard.manifest.ownership import contests, decision_words
from wizard.plan.actions import Action, ApplyObject, SetLabels, VerifyPodman, WaitForRollout, WakeController, WriteFile
from wizard.plan.gates import Gate
from wizard.printing.lines import document, out, print_comparison, print_fields
from wizard.text.counting import counted, named

if TYPE_CHECKING:
    from wizard.engine.coder import Outlook
    from wizard.errors import WizardError
    from wizard.nodes.verdicts import NodeGroup
    from wizard.plan.derive import Plan

_PREVIEW = {
    "create": "would be created",
    "configure": "would be configured",
    "failed": "would be rejected",
    "conflict": "has undecided conflicts",
}


def check_line(title: str, change: str, checked: str, message: str) -> str:
    """Returns one line about the dry run of an object: what an apply would do, who checked it, and why."""
    checked = checked.replace("server", "server-checked", 1) if checked.startswith("server") else checked
    what = checked if checked.startswith("not checked") else f"{_PREVIEW.get(change, change)}, {checked}"
    return f"{title}: {what}" + (f": {message}" if message else "")


def object_results(plan: Plan) -> tuple[ObjectResult, ...]:
    """Returns what the server answered to the dry run of each object, with what would change in it."""
    ownership = plan.judgement.answers.ownership
    results = []
    for check in plan.judgement.checks:
        # An undecided conflict is shown once, by the error that ends the command.
        decided = "" if check.change == "conflict" else decision_words(contests([check]), ownership)
        results.append(
            ObjectResult(
                "apply",
                check.title,
                check.change,
                checked=check.checked,
                message=check.message or decided,
                warnings=check.warnings,
                changes=check.changes(plan.judgement.attribute),
            )
        )
    return tuple(results)


def print_objects(plan: Plan, gate: Gate | None = None) -> None:
    """Prints what an apply would do to each object, field by field, and what the plan notes about them.

    What ``gate`` says, the error that the command ends with, is not said here too; nor which permission is missing in
    the server's words, where the line has it already.
    """
    first = gate.names[:1] if gate is not None and gate.kind == "rejected" else ()
    for result in object_results(plan):
        told = result.object in first or result.checked.startswith("not checked")
        out(check_line(result.object, result.change, result.checked, "" if told else result.message))
        print_fields(result.changes)
        for warning in result.warnings:
            out(f"  warning: {warning}")
    for note in notes_to_tell(plan):
        out(f"note: {note}")


def notes_to_tell(plan: Plan) -> tuple[str, ...]:
    """Returns the notes without those about where an object was checked, which its own line tells."""
    checked = tuple(f"{check.title}: checked" for check in plan.judgement.checks)
    return tuple(note for note in plan.notes if not note.startswith(checked))


def conflicts_json(plan: Plan) -> list[dict[str, Any]]:
    """Returns the conflicts with other managers, each with its decision."""
    ownership = plan.judgement.answers.ownership
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
        for contest in plan.judgement.conflicts
    ]


def notable(plan: Plan) -> tuple[Finding, ...]:
    """Returns the findings that someone has to know before the plan is carried out: blockers, then warnings."""
    findings = (*plan.judgement.prerequisites, *plan.judgement.security_modules)
    order = (Outcome.BLOCKER, Outcome.WARNING)
    return tuple(sorted((one for one in findings if one.outcome in order), key=lambda one: order.index(one.outcome)))


def finding_line(finding: Finding) -> str:
    """Returns a finding on one line; its confidence is shown if it is not high."""
    sure = "" if finding.confidence == "high" else f" (confidence: {finding.confidence})"
    return f"{finding.outcome:8} {finding.title}  [{finding.id}]{sure}"


def pods_of(plan: Plan) -> list[dict[str, Any]]:
    """Returns the pods that a run sends to nodes: probe pods, and test pods on nodes that will advertise FUSE."""
    from wizard.findings.security_modules import probe_pod, security_groups
    from wizard.nodes.verdicts import groups

    judgement, pods = plan.judgement, []
    if judgement.answers.security_modules.probe and not judgement.probes:
        pods += [_pod("probe", group, probe_pod(group)) for group in security_groups(judgement.verdicts)]
    for action in plan.actions:
        if isinstance(action, VerifyPodman):
            from wizard.engine.podman_check import pod_for

            served = {name for row in plan.forecast if row.gets_pod for name in row.nodes} | judgement.reading.offering
            kinds = groups(verdict for verdict in judgement.verdicts if verdict.node.name in served)
            pods += [_pod("test", group, pod_for(group, action.choice)) for group in kinds]
    return pods


def _pod(what: str, group: NodeGroup, pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": what,
        "node": group.to_try,
        "group": group.title,
        "namespace": pod["metadata"]["namespace"],
        "image": pod["spec"]["containers"][0]["image"],
    }


def print_plan(plan: Plan) -> None:
    """Prints a plan before it is carried out: findings, then each action with its reason and its changes."""
    findings = notable(plan)
    for finding in findings:
        out(finding_line(finding))
    if findings:
        out("For the evidence and the fixes, run podman-wizard check.")
    for pod in pods_of(plan):
        where = f"on {pod['node']} ({pod['group']}), in namespace {pod['namespace']}, from {pod['image']}"
        out(f"{'Probe' if pod['what'] == 'probe' else 'Test'} pod {where}")
    if not plan.changed:
        out("Nothing would change.")
    for kind, group in groupby(plan.actions, key=lambda action: "apply" if _applies(action) else action.id):
        actions = list(group)
        if kind == "apply":
            _print_apply(plan, actions)
        else:
            _print_action(plan, actions[0])


def _applies(action: Action) -> bool:
    return isinstance(action, ApplyObject | WakeController)


def _print_apply(plan: Plan, actions: Sequence[Action]) -> None:
    count = sum(isinstance(action, ApplyObject) for action in actions)
    out(f"Apply {counted(count, 'object')}: {actions[0].why}")
    for line in dict.fromkeys(line for action in actions for line in action.by_hand):
        out(f"  {line}")
    print_objects(plan)


def _print_action(plan: Plan, action: Action) -> None:
    from wizard.manifest.forecast import compare

    out(f"{action.title}: {action.why}")
    for line in action.by_hand:
        out(f"  {line}")
    if isinstance(action, SetLabels) and (overwritten := [name for name in action.described if " " in name]):
        out(f"  overwrites the value of another: {named(overwritten)}")
    if isinstance(action, WaitForRollout):
        print_comparison(compare(plan.forecast, action.nodes))
    if isinstance(action, WriteFile):
        out(f"  {action.fate}")
        if action.diff:
            out(action.diff, lines=True)


def print_gates(gates: Iterable[Gate]) -> None:
    """Prints the gates that are closed besides the one that the command ends with."""
    for gate in gates:
        out(gate.text)


def plan_document(plan: Plan, coder: Outlook | None, left: Sequence[str], error: WizardError | None) -> None:
    """Prints the document of a dry run of all steps."""
    document(
        "run-dry-run",
        {
            **plan.to_json(),
            "changes": [change for action in plan.actions for change in action.to_json()["changes"]],
            "objects": [result.to_json() for result in object_results(plan)],
            "conflicts": conflicts_json(plan),
            "findings": [finding.to_json() for finding in notable(plan)],
            "pods": pods_of(plan),
            "forecast": [row.to_json() for row in plan.forecast],
            "coder": coder.to_json() if coder else None,
            "left_to_do": list(left),
        },
        error=error,
    )
