"""What plain mode prints: its introduction, the help of each step, findings, and the plan of the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill

from wizard.errors import UsageError
from wizard.explanations import explain
from wizard.finding import Finding, Outcome
from wizard.manifest import Switch
from wizard.manifest.forecast import summary
from wizard.plan.derive import Plan
from wizard.plan.words import change_lines
from wizard.printing.lines import out, print_command
from wizard.session.session import StepId
from wizard.steps import step_help
from wizard.text.counting import counted

WIDTH = 78

INTRODUCTION = """\
This is podman-wizard as text. Each question lists its possible answers in
brackets; press enter alone to accept the default, shown as "(enter: ...)".
Nothing changes until you confirm a question that says what will change, and
where. At the end of every step, under "Choose an action", enter help for an
explanation, repeat to refresh and see the step again, export to write the
plan to a folder for someone with access, or undo to restore what was before.
Press ctrl+c to stop; completed changes are kept and recorded in the journal.
"""

STEP_ANSWERS: Mapping[StepId, str] = {
    "manifest": """
Answers in this step:
  apply: apply the manifest; asks first
  yaml: show the manifest
  diff: show all changes to the guide's manifest and to the cluster
  save: write the manifest to a file
  ID: turn an adjustment on or off
  ID=VALUE: turn it on with this value; ID=recommended for the value that this cluster needs
  values ID, or v ID: choose between the guide's value, the recommended one, and the one here
  repeat: refresh, and show the step again
""",
    "nodes": """
Answers in this step:
  list: show all nodes, and why some do not qualify
  label, unlabel: set or remove the label of the selected nodes; asks first
  wait: wait until each selected node advertises FUSE
  all: select all nodes that qualify
  pool=workspaces, or another label selector: select the nodes that match
  node names: select these nodes
  repeat: refresh, and show the step again
""",
}
"""What the keys of the screens do, as answers."""


def help_text(step: StepId) -> str:
    """Returns the help of a step, wrapped for a terminal."""
    lines = (step_help(step, keys=False) + STEP_ANSWERS.get(step, "")).splitlines()
    return "\n".join(
        fill(line, WIDTH, subsequent_indent="    " * line.startswith(" "), break_on_hyphens=False) for line in lines
    )


def tell_finding(finding: Finding, number: int) -> None:
    """Prints a finding of a list; details only if it needs attention."""
    out(f"{number}. {finding.outcome}: {finding.title}")
    if finding.outcome in (Outcome.OK, Outcome.SKIPPED):
        return
    _tell_details(finding)


def tell_story(finding: Finding) -> None:
    """Prints everything known about a finding, with its explanation."""
    out(f"{finding.outcome}: {finding.title}")
    _tell_details(finding)
    try:
        out(explain(finding.id), lines=True)
    except UsageError:
        out("This finding has no explanation.")


def _tell_details(finding: Finding) -> None:
    for seen in dict.fromkeys(finding.evidence):
        out(f"  Found: {seen}")
    if finding.confidence != "high":
        out(f"  Confidence: {finding.confidence}")
    if finding.detail:
        out(f"  Means: {finding.detail}")
    for remedy in finding.remedies:
        out(f"  To do: {remedy.text} ({remedy.who})")
        print_command(remedy.command, "    ")


def switch_line(switch: Switch) -> str:
    """Returns an adjustment on one line: on or off, why, and its value here or the chosen one, below if it is long."""
    line = f"{'on' if switch.on else 'off':4} {switch.id:28} {switch.why}"
    told = ""
    if switch.source == "live":
        told = f"now: {here_words(switch)}"
    elif switch.source == "set" and switch.on and switch.value_kind != "switch":
        told = f"chosen: {switch.value}"
    if not told:
        return line
    return f"{line}; {told}" if len(line) + len(told) + 2 <= WIDTH else f"{line}\n     {told}"


def here_words(switch: Switch) -> str:
    """Returns what the cluster has for an adjustment."""
    if switch.live is None or switch.live is False:
        return "left out" if switch.live is None else "as in the guide"
    return "on" if switch.live is True else str(switch.live)


def plan_lines(plan: Plan, *, whole: bool = False) -> Iterator[str]:
    """Yields what applying the manifest changes, field by field, and what stands in the way."""
    changes = [change for action in plan.actions if action.kind == "apply" for change in action.changes]
    lines = change_lines(changes, whole=whole)
    if plan.stage == "planned":
        yield "Changes to the cluster, not checked by the server yet; only fields that the manifest sets:"
    elif lines:
        yield "Changes to the cluster, server-checked:"
    yield from (_wrapped(f"  {line}") for line in lines)
    yield from _unchecked(plan)
    if not lines and plan.stage == "asked" and not any(check.change == "failed" for check in plan.judgement.checks):
        yield "No changes: the cluster matches the manifest."
    yield from (_wrapped(f"Note: {note}") for note in plan.notes)
    for gate in plan.gates:
        if gate.kind == "conflict":
            yield f"{counted(len(gate.names), 'conflict')} with other field managers; apply asks about each."
        if gate.kind == "disruption":
            yield _wrapped(f"Warning: {gate.words}")
    yield summary(plan.forecast)


def _wrapped(line: str) -> str:
    """Returns a line of text wrapped for a terminal: a long path of a field stays whole, its value goes below it."""
    text = line.lstrip()
    margin = " " * (len(line) - len(text))
    return fill(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=f"{margin}    ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _unchecked(plan: Plan) -> Iterator[str]:
    changing = set(plan.ids("apply"))
    for check in plan.judgement.checks:
        if check.change != "failed":
            continue
        if f"apply {check.ref.kind}" not in changing:
            yield _wrapped(f"  {check.title}: {check.checked}; as far as could be read, nothing would change in it")
        else:
            what = check.checked if check.checked.startswith("not checked") else "would be rejected"
            yield _wrapped(f"  {check.title}: {what}: {check.message}")
