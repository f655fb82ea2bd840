"""The rows of the step for Coder v2: what to open, the merged parts, the problems, and the templates in Coder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType

from screens.steps.template_model import InCoder, Merged, Read, TemplateModel
from screens.widgets.words import detail_text
from wizard.coder.v2 import UNTRIED
from wizard.coder.v2.looking import promote_by_hand
from wizard.errors import InputError, WizardError
from wizard.template.merge import Conflict
from wizard.template.words import PARTS

PART_WORDS = {
    "device": "request the FUSE device",
    "apparmor": "run the container without AppArmor",
    "seccomp": "run the container without seccomp",
    "selinux": "use an SELinux type that allows mounts",
    "user": "run as a user, not as root",
}


@dataclass(frozen=True)
class Row:
    """One row of the step; ``does`` is what enter does on it, "" for nothing but the details."""

    id: str
    state: str
    title: str
    detail: RenderableType
    does: str = ""
    lines: tuple[int, ...] = ()
    """The lines that it is about, as they are numbered after the merge."""
    old_line: int = 0
    """The line that it is about, as it is numbered in the file of now; 0 if it is about none."""


def ways_to_open(*, pulls: bool) -> Iterable[Row]:
    """Yields what can be opened here, and a pull if Coder has answered."""
    here = sorted(Path().glob("*.tf"))
    if here:
        names = ", ".join(path.name for path in here)
        yield Row(
            "here",
            "",
            "Open the template in this folder",
            detail_text(
                "The template in this folder",
                seen=names,
                then="What Podman needs is merged in memory first. Nothing is written until you agree.",
                do="Press enter to open it.",
            ),
            "Open",
        )
    yield Row(
        "open",
        "",
        "Open a Terraform file or a template's folder",
        detail_text(
            "Open a template",
            seen="The template that your workspaces use now: in a repository, or pulled from Coder.",
            then="The merge adds what Podman needs. Every comment and every other byte stays.",
            do="Press enter or o, and enter the path.",
        ),
        "Open",
    )
    if pulls:
        yield Row(
            "pull",
            "",
            "Pull a template from Coder",
            detail_text(
                "Pull a template from Coder",
                seen=UNTRIED,
                then="The files of its active version are written to a new folder. Nothing changes in Coder.",
                do=["Press enter or g, and select the template.", "By hand: coder templates pull NAME DIR"],
            ),
            "Pull",
        )


def template_row(model: TemplateModel, one: InCoder) -> Row:
    """Returns the row of a template in Coder: whether it can be pushed to, and what became of that."""
    draft = model.draft
    id, title = f"push:{one.organization}/{one.name}", f"Push to {one.name} (active version {one.active})"
    chosen = (model.choice.push, model.choice.org) == (one.name, one.organization)
    if chosen and model.draft_trouble is not None:
        return trouble_row(id, model.draft_trouble, f"Push to {one.name}", does="Push")
    if chosen and draft is not None and not draft.looked.can_push:
        return trouble_row(id, draft.looked.denial, f"Push to {one.name}", does="Push")
    pushed = model.walk.session.pushed
    if chosen and pushed is not None and pushed.promoted and pushed.version.name == one.active:
        return Row(id, "done", f"{one.name}: {one.active} is active", detail_text(title, seen="Pushed just now."))
    seen = [f"organization {one.organization}", f"active version {one.active}"]
    if chosen and draft is not None and not draft.changed:
        already = "The active version already has what Podman needs."
        return Row(id, "ok", f"{one.name}: nothing to push", detail_text(title, seen=[*seen, already]), "Push")
    why_not = model.why_not_promote()
    if chosen and why_not:
        todo = "Apply the manifest and label the nodes first. Until then, press enter to push without making it active."
        return Row(id, "waiting", title, detail_text(title, seen=seen, then=why_not, do=todo), "Push")
    return Row(
        id,
        "",
        title,
        detail_text(
            title,
            seen=seen,
            then="Only the merged file is replaced in its archive. Coder imports the new version, and running "
            "workspaces do not change until they are updated.",
            do="Press enter or p to see the changes and the impact. The push asks first.",
        ),
        "Push",
    )


def merged_rows(merged: Merged) -> Iterable[Row]:
    """Yields the pod, each part, each problem that is left, and the file to write."""
    result = merged.result
    workload = result.workload
    title = f"{'.'.join(workload.resource.labels)}, container {workload.container_name or 'of an unknown name'}"
    place = f"{workload.document.name}:{workload.document.line(workload.container.start)}"
    yield Row(
        "pod",
        "ok",
        f"Pod: {title}",
        detail_text(f"Pod: {title}", seen=place, then="Workspaces of this template run in this pod."),
        old_line=workload.document.line(workload.container.start),
    )
    for part in PARTS:
        yield _part_row(part, merged)
    yield from problem_rows(merged)
    if result.changed:
        yield Row(
            "write",
            "waiting",
            f"Write {merged.action.path.name}",
            detail_text(
                f"Write {merged.action.path.name}",
                seen=f"{result.counts}, checked by reading it again.",
                then=merged.action.fate,
                do=[
                    "Press enter or s to write it, or d to see the whole diff.",
                    f"By hand: {merged.action.by_hand[0]}",
                ],
            ),
            "Save",
        )


def conflict_row(name: str, conflicts: Sequence[Conflict]) -> Row:
    """Returns the row of existing values in a file that differ from what is merged, until they are decided."""
    first = conflicts[0]
    seen = [f"line {one.line}: {place_in_pod(one.path)} is {one.found}, not {one.wanted}" for one in conflicts]
    do = "Press enter to keep the existing values, to replace them, or to add besides."
    title = f"{name}:{first.line}: {place_in_pod(first.path)} is {first.found}"
    detail = detail_text("Conflict", seen=seen, then="Nothing is merged until you decide.", do=do)
    return Row("trouble", "failed", title, detail, "Decide", old_line=first.line)


def problem_rows(merged: Read) -> Iterable[Row]:
    """Yields each problem that the merge does not fix."""
    result = merged.result
    fixed = {change.part for change in result.changes}
    for problem in merged.problems:
        if problem.id.removesuffix("-missing") in fixed or (problem.id.startswith("device") and "device" in fixed):
            continue
        where = f"{problem.file}:{problem.line}"
        yield Row(
            f"problem:{problem.id}:{where}",
            "blocker" if problem.severity == "problem" else problem.severity,
            f"{where}: {problem.message}",
            detail_text(problem.message, seen=where, do=problem.hint),
            old_line=problem.line if problem.file == result.before.name else 0,
        )


def place_in_pod(path: str) -> str:
    """Returns the end of a path, from its part of the pod on: what tells one from another."""
    inner = re.split(r"\bspec\.", path)[-1]
    return re.sub(r"^(template\.|container\[[^]]*\]\.)+", "", inner).removeprefix("resources.")


def _part_row(part: str, merged: Merged) -> Row:
    result, words = merged.result, PART_WORDS[part]
    changes = [change for change in result.changes if change.part == part]
    title = words[0].upper() + words[1:]
    if changes:
        seen = [f"line {change.line}: {place_in_pod(change.path)} = {change.after}" for change in changes]
        why = "Every workspace needs it." if part == "device" else "This cluster's nodes need it."
        detail = detail_text(title, seen=seen, then=why, do="Press space to leave it out, d to see the diff.")
        lines = tuple(change.line for change in changes)
        return Row(f"part:{part}", "merge", title, detail, lines=lines)
    if part in merged.needs.forbidden and part in merged.needs.parts:
        reason = merged.needs.forbidden[part]
        return Row(f"part:{part}", "warning", title, detail_text(title, seen=reason))
    kept = [note.text for note in result.notes if note.part == part]
    if part == "device":
        return Row(f"part:{part}", "ok", title, detail_text(title, seen=kept or "The template has it already."))
    needed = part in merged.needs.parts and part not in merged.choice.without
    state = "ok" if needed else "skipped"
    then = "" if needed else "No finding of this cluster asks for it." if merged.needs.level is not None else ""
    return Row(f"part:{part}", state, title, detail_text(title, seen=kept, then=then, do="Press space to merge it."))


def pushed_rows(model: TemplateModel) -> Iterable[Row]:
    """Yields what can be done about the version that was pushed here: make it active, and undo."""
    pushed, draft = model.walk.session.pushed, model.pushed_draft
    if pushed is None or draft is None:
        return
    name, title = pushed.version.name, f"Make {pushed.version.name} active"
    by_hand = f"By hand: {promote_by_hand(draft.looked.template, name)}"
    if not pushed.promoted and model.promote_trouble is not None:
        yield trouble_row("promote", model.promote_trouble, title, do=by_hand, does="Promote")
    elif not pushed.promoted:
        seen = f"Coder imported version {name} of {draft.looked.template.name}. It is not active."
        do = ["Press enter to see whom it affects; it asks first.", by_hand]
        yield Row("promote", "waiting", title, detail_text(title, seen=seen, do=do), "Promote")
    then = "The former version becomes active again, if the pushed one still is. The pushed one is archived."
    detail = detail_text("Undo the push", then=then, do="Press enter to see what an undo does; it asks first.")
    yield Row("undo", "", "Undo the push", detail, "Undo")


def by_hand_row(lines: Sequence[str]) -> Row:
    """Returns the row with the commands that do the same without the wizard."""
    then = "If a pipeline pushes this template, commit the merged file to its repository instead."
    return Row("by-hand", "", "By hand: the Coder CLI, or a pipeline", detail_text("By hand", seen=lines, then=then))


def trouble_row(id: str, error: WizardError, title: str, *, do: str = "", does: str = "") -> Row:
    """Returns the row of something that did not work: what happened, and what to do."""
    place = error.place if isinstance(error, InputError) else ""
    seen = f"{place}: {error.what}" if place else error.what
    detail = detail_text(title, seen=seen, do=[error.todo, do])
    return Row(id, "failed", f"{title}: {seen.splitlines()[0]}", detail, does)
