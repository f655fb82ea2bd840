"""The plan folder: everything that someone with access needs to carry out a plan, and to undo it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import yaml

from wizard.facts.differences import to_yaml
from wizard.handover.files import (
    ANSWERS_FILE,
    CHANGES_FILE,
    COMMANDS_FILE,
    KUSTOMIZATION_FILE,
    NODES_FILE,
    OVERLAY_FOLDER,
    POLICY_FILE,
    README_FILE,
    ROLE_FILE,
    TEMPLATE_FOLDER,
    UNDO_FILE,
    require_unused,
    set_aside,
    write_files,
)
from wizard.handover.objects import ExportedObject, exported_objects, node_names
from wizard.handover.overlay import write_overlay
from wizard.handover.pages import Contents, changes_page, readme
from wizard.handover.role import role_of
from wizard.handover.scripts import Scripts
from wizard.manifest.ownership import in_repository
from wizard.plan.actions import WritePolicy, WriteTemplate
from wizard.plan.derive import Plan
from wizard.plan.gates import Gate, closed
from wizard.session.repeating import resolved_answers


def write_handover(plan: Plan, folder: Path, *, pods_in: Iterable[str] = ()) -> tuple[Path, ...]:
    """Writes the files of a plan; returns them in the order to read them. It needs no permission on the cluster.

    ``pods_in`` are namespaces in which pods can be needed, besides those of the answers. Raises ConflictError if a
    conflict is undecided, and InputError if the folder cannot be written; then nothing was written.
    """
    for gate in closed_gates(plan):
        raise gate.error("plan")
    require_unused(folder)
    judgement = plan.judgement
    objects = exported_objects(plan)
    policy = _policy(plan)
    departures = in_repository(judgement.departures, judgement.answers.ownership)
    contents = Contents(
        plan,
        objects,
        Scripts(plan, objects),
        policy.path if policy else None,
        judgement.facts.missing_rights({*judgement.answers.pods_in(), *pods_in}),
        departures,
    )
    files = _files(contents, policy)
    set_aside(folder, files)
    written = write_files(folder, files)
    return written + (write_overlay(judgement.facts, departures, folder / OVERLAY_FOLDER) if departures else ())


def closed_gates(plan: Plan) -> tuple[Gate, ...]:
    """Returns why the plan cannot be exported: conflicts of what it applies that are not decided."""
    kinds = {action.kind for action in plan.actions}
    return closed(plan.gates, "plan", actions=kinds) if kinds else ()


def _policy(plan: Plan) -> WritePolicy | None:
    """Returns the merged policy, if the choices have one."""
    return next((action for action in plan.actions if isinstance(action, WritePolicy)), None)


def _template(plan: Plan) -> WriteTemplate | None:
    """Returns the merged file of a Terraform template, if the choices have one."""
    return next((action for action in plan.actions if isinstance(action, WriteTemplate)), None)


def _files(contents: Contents, policy: WritePolicy | None) -> dict[str, str]:
    """Returns the files by name, without those that would have no content."""
    files = {README_FILE: readme(contents)}
    names = [name for name, _ in node_names(contents.plan)]
    if contents.objects or names:
        files[CHANGES_FILE] = changes_page(contents)
    if contents.scripts.needed:
        files[COMMANDS_FILE] = contents.scripts.commands()
        files[UNDO_FILE] = contents.scripts.undo()
    if names:
        files[NODES_FILE] = "".join(f"{name}\n" for name in names)
    files[ANSWERS_FILE] = _answers(contents.plan, policy)
    files |= {item.file: to_yaml([item.content]) for item in contents.objects}
    if contents.objects:
        files[KUSTOMIZATION_FILE] = _kustomization(contents.objects)
    if policy is not None:
        files[POLICY_FILE] = policy.content.decode("utf-8")
    template = _template(contents.plan)
    if template is not None:
        files[f"{TEMPLATE_FOLDER}/{template.source}"] = template.content.decode("utf-8")
    if contents.missing:
        files[ROLE_FILE] = role_of(contents.missing, contents.plan.judgement.facts.identity.user)
    return files


def _kustomization(objects: Iterable[ExportedObject]) -> str:
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [item.file for item in objects],
    }
    return yaml.safe_dump(kustomization, sort_keys=False)


def _answers(plan: Plan, policy: WritePolicy | None) -> str:
    """Returns the answers file of the folder; its policy is the one in the folder, already merged."""
    choice = plan.judgement.answers.policy
    if policy is not None and choice is not None:
        choice = replace(choice, file=POLICY_FILE, output=POLICY_FILE)
    template, merged = plan.judgement.answers.template, _template(plan)
    if template is not None and merged is not None:
        file = f"{TEMPLATE_FOLDER}/{merged.source}"
        template = replace(template, file=file, output=file)
    where = "# Run it in this folder: the paths of the files count from there.\n" if policy or merged else ""
    return where + resolved_answers(plan, policy=choice, template=template)
