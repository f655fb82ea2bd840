"""``README.md`` and ``changes.md`` of a plan folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wizard.coder import UNTRIED
from wizard.coder.steps import NOT_READABLE
from wizard.engine.coder import undo_command
from wizard.facts.cluster import Right
from wizard.finding import Outcome
from wizard.handover.files import (
    ANSWERS_FILE,
    CHANGES_FILE,
    COMMANDS_FILE,
    KUSTOMIZATION_FILE,
    NODES_FILE,
    OVERLAY_FOLDER,
    POLICY_FILE,
    ROLE_FILE,
    TEMPLATE_FOLDER,
    UNDO_FILE,
)
from wizard.handover.objects import ExportedObject, node_names
from wizard.handover.scripts import Scripts
from wizard.manifest.ownership import Departure, decided_lines, value_words
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.plan.actions import WriteTemplate
from wizard.plan.derive import Plan
from wizard.plan.left_to_do import left_to_do
from wizard.plan.words import change_lines
from wizard.text.counting import counted
from wizard.text.escaping import printable


@dataclass(frozen=True)
class Contents:
    """What a plan folder is about: the plan, and what follows from it for the files."""

    plan: Plan
    objects: Sequence[ExportedObject]
    scripts: Scripts
    policy: Path | None
    missing: Sequence[Right]
    departures: Sequence[Departure]

    @property
    def unasked(self) -> Sequence[ExportedObject]:
        """The objects that the server did not check."""
        return [item for item in self.objects if item.unasked]


def changes_page(contents: Contents) -> str:
    """Returns ``changes.md``: what changes, field by field, with its managers and what asks for it."""
    plan = contents.plan
    lines = ["# Changes", "", "Each line has a field, its value before -> after, and in brackets what asks for the"]
    lines += ["change and who manages the field now.", ""]
    for item in contents.objects:
        lines += [f"## {item.ref.title}", "", printable(_checked(item)), *_notes(plan, item), ""]
        lines += [f"    {printable(line)}" for line in change_lines(item.changes, whole=True)]
        if removed := [change.path for change in item.changes if change.noise and change.after is None]:
            lines += ["", printable(f"Also removed: {', '.join(removed)}.")]
        lines.append("")
    if nodes := node_names(plan):
        lines += [f"## {counted(len(nodes), 'node')}", "", f"`{NODES_FILE}` has the names.", ""]
        others = {before for _, before in nodes if before is not None}
        path = f".metadata.labels.{NODE_LABEL}"
        for before in [None, *sorted(others)]:
            same = [name for name, value in nodes if value == before]
            if same:
                change = f"{path}: {value_words(before)} -> {NODE_LABEL_VALUE}"
                lines.append(printable(f"    {change} on {counted(len(same), 'node')}"))
        lines.append("")
    causes = {change.by for item in contents.objects for change in item.changes}
    reasons = [switch for switch in plan.rendering.switches if switch.id in causes]
    if reasons:
        lines += ["## Why", "", *(printable(f"- {one.id}: {one.why}") for one in reasons), ""]
    return "\n".join(lines).rstrip() + "\n"


def _notes(plan: Plan, item: ExportedObject) -> Sequence[str]:
    """Returns what the plan notes about an object, but for where it was checked, which is said already."""
    title = f"{item.ref.title}: "
    notes = [note.removeprefix(title) for note in plan.notes if note.startswith(title) and not item.where]
    return [printable(note[0].upper() + note[1:]) for note in notes]


def _checked(item: ExportedObject) -> str:
    if item.unasked:
        return (
            f"Not checked by the server ({item.unasked}). These are only the fields that the manifest sets; fields "
            "that are removed, and defaults of the server, are not known."
        )
    if item.rejected:
        return f"The server would reject it: {item.rejected}"
    where = f" in namespace {item.where}, because its own does not exist yet" if item.where else ""
    return f"Checked by the server{where}."


def readme(contents: Contents) -> str:
    """Returns ``README.md``: what was not checked first, then the steps in order."""
    plan = contents.plan
    identity = plan.judgement.facts.identity
    lines = [
        "# Rootless Podman in Coder workspaces: the plan",
        "",
        *_not_checked(contents),
        f"Exported by podman-wizard from a cluster read at {plan.judgement.facts.read_at}.",
        "",
        printable(f"- Cluster: {identity.server}, context {identity.context}, {identity.version}"),
        f"- Nodes that get FUSE: {_nodes(contents)}",
        f"- Changes: {_summary(contents)}",
        "",
        *_before_you_start(contents),
        "## Steps, in order",
        "",
        *_numbered(_steps(contents)),
        "",
        *_in_coder(contents),
        *_adjustments(plan),
        *_undo(contents),
        *_repeat(),
        *_permissions(contents),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _not_checked(contents: Contents) -> Sequence[str]:
    """Returns what the server was not asked, and why; it is the first that a reader must know."""
    lines: list[str] = []
    facts = contents.plan.judgement.facts
    if contents.unasked:
        lines += ["The server has not checked these objects, so it can still reject them:", ""]
        lines += [printable(f"- {item.ref.title}: {item.unasked}") for item in contents.unasked]
        lines += ["", f"`{COMMANDS_FILE}` asks the server first, and changes nothing if it rejects one.", ""]
    if facts.nodes is None:
        lines += ["The nodes could not be listed, so it is not known which of them qualify.", ""]
    return ["## Not checked", "", *lines] if lines else ()


def _nodes(contents: Contents) -> str:
    judgement = contents.plan.judgement
    if judgement.facts.nodes is None and not judgement.answers.nodes.names:
        return f"those that match the selector in `{COMMANDS_FILE}`" if contents.scripts.labels else "not known"
    late = len(node_names(contents.plan))
    label = f", {late} of them must be labeled" if late else ""
    total = len(judgement.facts.nodes) if judgement.facts.nodes is not None else len(judgement.chosen)
    return f"{len(judgement.chosen)} of {total}{label}"


def _summary(contents: Contents) -> str:
    if not contents.scripts.needed:
        return "none; the cluster already matches the plan"
    parts = [counted(len(contents.objects), "object")] if contents.objects else []
    nodes = node_names(contents.plan)
    parts += [f"the label of {counted(len(nodes), 'node')}"] if nodes else []
    return f"{' and '.join(parts) or 'the label of nodes'}; `{CHANGES_FILE}` lists them field by field"


def _before_you_start(contents: Contents) -> Sequence[str]:
    """Returns what stops the plan, and the findings to read first; permissions have their own section."""
    judgement = contents.plan.judgement
    lost = [gate for gate in contents.plan.gates if gate.kind == "disruption"]
    lines = [f"- {gate.text.removeprefix('Nothing was changed. ')}" for gate in lost]
    lines += [f"- {item.ref.title} would be rejected: {item.rejected}" for item in contents.objects if item.rejected]
    for finding in (*judgement.prerequisites, *judgement.security_modules):
        if finding.outcome not in (Outcome.BLOCKER, Outcome.WARNING) or finding.id.startswith("rbac."):
            continue
        lines.append(f"- {finding.outcome}: {finding.title}. {finding.detail}".strip())
        lines += [f"  Fix: {remedy.text} ({remedy.who})" for remedy in finding.remedies[:1]]
    decided = decided_lines(judgement.conflicts, judgement.answers.ownership)
    lines += [f"- Conflict decided: {line}" for line in decided]
    return ("## Before you start", "", *map(printable, lines), "") if lines else ()


def _steps(contents: Contents) -> Sequence[Sequence[str]]:
    """Returns the steps; each is a list of lines."""
    steps: list[Sequence[str]] = []
    if contents.departures:
        tools = " and ".join(dict.fromkeys(one.tool for one in contents.departures))
        kinds = ", ".join(one.kind for one in contents.departures)
        steps.append(
            (
                f"{tools} manages {kinds} here and reverts changes made outside its repository. Add",
                f"`{OVERLAY_FOLDER}/`, which contains only the changes, to it. See its README.md.",
            )
        )
    if contents.scripts.needed:
        steps.append((f"Review `{CHANGES_FILE}`, which lists every change, and the files that make them.",))
        steps.append(
            (
                f"Review `{COMMANDS_FILE}`, and run it as a user who can change the cluster: `sh {COMMANDS_FILE}`.",
                "It has the server check the objects, saves their current state in `before/`, and then applies them.",
                *(_or_kustomize() if contents.objects else ()),
            )
        )
    v2 = contents.plan.judgement.answers.template is not None
    steps += [(printable(step),) for step in left_to_do(Path(POLICY_FILE) if contents.policy else None, v2=v2)]
    return steps


def _or_kustomize() -> Sequence[str]:
    return (
        f"Instead, you can add the folder to a GitOps repository (it has a `{KUSTOMIZATION_FILE}`) and label the",
        "nodes yourself.",
    )


def _numbered(steps: Sequence[Sequence[str]]) -> Sequence[str]:
    lines = []
    for number, (first, *rest) in enumerate(steps, 1):
        lines += [f"{number}. {first}", *(f"   {line}" for line in rest)]
    return lines


def _in_coder(contents: Contents) -> Sequence[str]:
    """Returns the section for the Coder admin, with the commands that replace the steps by hand."""
    written = next((one for one in contents.plan.actions if isinstance(one, WriteTemplate)), None)
    if written is not None:
        file = f"{TEMPLATE_FOLDER}/{written.source}"
        choice = contents.plan.judgement.answers.template
        name = shlex.quote((choice.push if choice else None) or "NAME")
        return (
            "## For the template admin",
            "",
            f"`{file}` is the merged file of the Terraform template for Coder v2. To push it:",
            "",
            f"    podman-wizard template push {name} {shlex.quote(file)} --dry-run",
            f"    podman-wizard template push {name} {shlex.quote(file)} --yes",
            "",
            "The first command shows the diff and which workspaces it affects, and changes nothing. By hand, replace",
            f"the file in the template's folder, then run `coder templates push {name} -d DIR --activate=false` and",
            "`coder templates versions promote`. If a pipeline pushes the template, commit the file there.",
            "",
        )
    if contents.policy is None:
        return (
            "Coder v1 also needs a template policy, which this plan does not write: see `podman-wizard policy new`.",
            "Coder v2 has no template policy: `podman-wizard coder template` prints the parts for its Terraform",
            "templates.",
            "",
        )
    url = printable(contents.plan.judgement.answers.coder.url or "https://coder.example.org")
    option = f" --coder-url {shlex.quote(url)}"
    return (
        "## For the Coder admin",
        "",
        "This requires the site-admin role and Coder 1.28 or later. Instead of the steps by hand, you can use",
        f"podman-wizard with a session token (CODER_URL and CODER_TOKEN, or `coder login {url}`):",
        "",
        f"    podman-wizard coder status{option}",
        f"    podman-wizard policy upload {POLICY_FILE} --dry-run{option}",
        f"    podman-wizard policy upload {POLICY_FILE} --enable-templates{option}",
        "",
        "The second command shows which workspaces the policy affects, and changes nothing.",
        f"{UNTRIED}",
        f"{NOT_READABLE}",
        f"`{POLICY_FILE}` replaces the whole policy. If a policy already exists, merge into its file first",
        "(`podman-wizard policy merge FILE`), and upload that file instead.",
        f"`{undo_command(url)}` shows what can be undone.",
        "",
        "Coder v2 has no template policy: `podman-wizard coder template` prints the parts for its Terraform templates.",
        "",
    )


def _adjustments(plan: Plan) -> Sequence[str]:
    on = [switch for switch in plan.rendering.switches if switch.on]
    off = [switch for switch in plan.rendering.switches if not switch.on and switch.needed]
    lines = [f"- {one.id}: {one.why}" for one in on] + [f"- {one.id} is turned off: {one.why}" for one in off]
    return ("## Adjustments to the guide's manifest", "", *map(printable, lines), "") if lines else ()


def _undo(contents: Contents) -> Sequence[str]:
    if not contents.scripts.needed:
        return ()
    lines = ["## To undo", "", f"    sh {UNDO_FILE}", "", f"It undoes only what `{COMMANDS_FILE}` did:"]
    if contents.objects:
        lines += [
            "",
            "- Objects that it created are deleted. A namespace that has other objects is kept.",
            "- Objects that it changed are restored from `before/`. This requires the permission to update them, and",
            "  `kubectl` then becomes the field manager of the restored fields.",
            "- If an object was changed since, nothing is undone. With `--force`, the undo overwrites such changes.",
        ]
    if contents.scripts.labels:
        lines += ["- Only nodes that got the label lose it; another value that a node had is restored."]
    return (*lines, "")


def _repeat() -> Sequence[str]:
    return (
        "## To use podman-wizard instead",
        "",
        f"    podman-wizard run --answers {ANSWERS_FILE} --dry-run",
        f"    podman-wizard run --answers {ANSWERS_FILE} --yes",
        "",
    )


def _permissions(contents: Contents) -> Sequence[str]:
    if not contents.missing:
        return ()
    user = printable(contents.plan.judgement.facts.identity.user) or "a user"
    return (
        "## Missing permissions",
        "",
        f"`{ROLE_FILE}` grants exactly these permissions to {user}:",
        "",
        *(f"- {right}" for right in contents.missing),
    )
