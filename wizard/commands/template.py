"""``template merge``, ``template check``, and ``template parts``: Terraform templates in files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import ConflictError, ExitCode, InputError, UsageError, WizardError
from wizard.printing.annotations import annotation, refusal_annotation
from wizard.printing.lines import document, out, say
from wizard.template.merge import Conflict, MergeResult, merge_template
from wizard.template.module import Module, read_stdin, read_template
from wizard.template.witness import Opinion, opinion_of
from wizard.template.workload import Workload, find_workload
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.plan.template import Needs
    from wizard.template.checks import Problem

_FROM_CLUSTER = ("apparmor", "seccomp", "selinux")
"""The parts that depend on the nodes."""


# ------------------------------------------------------------------------------------------------------- merge


def template_merge(arguments: argparse.Namespace) -> int:
    """Runs ``template merge``; with ``--check``, the exit code is 1 if the merge would change something."""
    if arguments.in_place and arguments.file == "-":
        raise UsageError("--in-place needs a file, but - is stdin.", "Remove --in-place, or use --to.")
    module = _read(arguments.file)
    return _finish(arguments, module, merge_module(arguments, module))


@dataclass(frozen=True)
class Merged:
    """A merge with what was known of the cluster, and what a program of Terraform said before and after it."""

    result: MergeResult
    needs: Needs | None
    opinions: tuple[Opinion | None, Opinion | None]


def merge_module(arguments: argparse.Namespace, module: Module) -> Merged:
    """Merges what the options and, if one is named, the cluster's findings need. Raises what prevents it."""
    both = sorted(set(arguments.with_parts) & set(arguments.without))
    if both:
        raise UsageError(f"--with and --without both name {both[0]}.", "Use one of them.")
    workload = find_workload(module, arguments.resource, arguments.container)
    needs = _needs(arguments, workload)
    parts = _chosen(arguments, workload, needs)
    before = opinion_of(workload.document)
    if before is not None and not before.accepted:
        raise InputError(
            f"{before.program} rejects this file: {before.message}.",
            "Nothing was written. Correct it first.",
            file=workload.document.name,
            line=before.line,
        )
    result = merge_template(
        module,
        parts,
        resource=arguments.resource,
        container=arguments.container,
        on_conflict=arguments.on_conflict,
        forbidden=needs.forbidden if needs else {},
    )
    after = opinion_of(result.document) if result.changed and before is not None else before
    if after is not None and not after.accepted:
        raise InputError(
            f"{after.program} would reject the result: {after.message}.",
            "Nothing was written. Add Podman by hand, and report this as a bug.",
            file=result.before.name,
            line=after.line,
        )
    return Merged(result, needs, (before, after))


def _read(name: str) -> Module:
    if name == "-":
        from wizard.template.document import LARGEST

        return read_stdin(sys.stdin.buffer.read(LARGEST + 1))
    return read_template(Path(name))


def _needs(arguments: argparse.Namespace, workload: Workload) -> Needs | None:
    # imported only if a cluster was given, because that loads the rest of the wizard
    from wizard.choices.target import Target, target_of

    if target_of(arguments) == Target() and not arguments.facts:
        return None
    from wizard.commands.template_needs import has_cluster, read_needs

    has_cluster(arguments)
    return read_needs(arguments, workload.namespace)


def _chosen(arguments: argparse.Namespace, workload: Workload, needs: Needs | None) -> set[str]:
    """Returns the parts to merge, and says which ones were not decided, and why."""
    given, without = set(arguments.with_parts), set(arguments.without)
    parts = ({"device"} | given | (set(needs.parts) if needs else set())) - without
    if needs is None:
        open_parts = [part for part in (*_FROM_CLUSTER, *_user(workload)) if part not in given | without]
        if open_parts:
            say(
                f"Not decided without a cluster: {', '.join(open_parts)}. "
                "Use --context or --facts to decide by findings, or --with and --without."
            )
        return parts
    for finding in needs.findings:
        from wizard.printing.plans import finding_line

        say(finding_line(finding))
        if finding.id.startswith("modules.apparmor") and "apparmor" in parts:
            say(f"         Means  {finding.detail}")
    if _user(workload) and "user" not in given | without:
        say("Not added: user. The template sets none. If the image starts as root, use --with user.")
    for part in sorted(needs.uncertain - given - without):
        say(f"Not added: {part}. The findings do not show for certain that it is needed. To add it, use --with {part}.")
    if needs.level is None and parts & {"apparmor", "seccomp"}:
        name = f"namespace {workload.namespace}" if workload.namespace else "workspaces' namespace"
        say(f"The Pod Security level of the {name} is unknown; baseline and restricted reject this pod.")
    return parts


def _user(workload: Workload) -> tuple[str, ...]:
    """Returns the part that sets the user, if nothing in the template does and its image is not known to need root."""
    from wizard.template.reading import is_envbox, is_envbuilder

    owners = (workload.spec.body, workload.container.body)
    contexts = [block for body in owners for block in body.blocks("security_context")]
    is_set = any(block.body.attribute("run_as_user") is not None for block in contexts)
    return () if is_set or is_envbox(workload) or is_envbuilder(workload) else ("user",)


def tell_merge(arguments: argparse.Namespace, module: Module, result: MergeResult) -> None:
    """Says what is good to know about a merge, apart from the error with which the command ends."""
    error, name = result.error, result.before.name
    # What the command ends with is said once, by its error.
    said = result.undecided[:1] if isinstance(error, ConflictError) else ()
    for conflict in result.conflicts:
        if conflict not in said:
            say(_conflict_line(name, conflict))
    for note in result.notes:
        say(f"{name}:{note.line}: note: {note.text}")
    for refusal in result.refusals[1:]:
        say(str(refusal.error))
    if error is None:
        for problem in _left(module, arguments, result):
            say(f"{problem.file}:{problem.line}: {problem.severity}: {problem.message} {problem.hint}".rstrip())


def _finish(arguments: argparse.Namespace, module: Module, merged: Merged) -> int:
    result, needs, opinions = merged.result, merged.needs, merged.opinions
    error, name = result.error, result.before.name
    tell_merge(arguments, module, result)
    target = None if arguments.to in (None, "-") else Path(arguments.to)
    if arguments.in_place:
        target = Path(name)
    if not (error or arguments.check or arguments.dry_run or target is None):
        _write(target, result)
    if arguments.output == "json":
        document("template-merge", merge_json(result, needs), error=error)
    elif error is None:
        _print(arguments, result, to_stdout=target is None)
    if error is not None:
        raise error
    writes = "would be " if arguments.check or arguments.dry_run else ""
    if not result.changed:
        say(f"{name}: nothing to change.")
        return ExitCode.DONE
    before, after = opinions
    accepted = f"; {after.program} accepts the result" if after is not None else ""
    say(f"{name}: {writes}merged: {result.counts}{accepted}.")
    if before is not None and after is not None and before.formatted and not after.formatted:
        say(f"{name}: note: {after.program} fmt would now align some lines differently; they were not changed.")
    return ExitCode.PROBLEMS if arguments.check else ExitCode.DONE


def _conflict_line(name: str, conflict: Conflict) -> str:
    what = {"keep": "kept", "replace": "replaced", "both": "added besides"}.get(conflict.decision, "not decided")
    return f"{name}:{conflict.line}: conflict: {conflict.path} is {conflict.found}, not {conflict.wanted}: {what}."


def _left(module: Module, arguments: argparse.Namespace, result: MergeResult) -> list[Problem]:
    """Returns the problems and warnings that the merge leaves; a conflict was shown already."""
    from wizard.template.checks import check_template

    files = result.workload.module.files
    files[result.before.name] = result.document
    try:
        found = check_template(module, resource=arguments.resource, container=arguments.container)
    finally:
        files[result.before.name] = result.before
    conflicts = result.conflicts != ()
    return [one for one in found if one.severity != "info" and not (conflicts and one.id.startswith("device-"))]


def _write(target: Path, result: MergeResult) -> None:
    from wizard.editing.saving import save

    read = result.workload.module.snapshots.get(result.before.name)
    for line in save(target, result.document.content, read).in_words():
        say(line)


def _print(arguments: argparse.Namespace, result: MergeResult, *, to_stdout: bool) -> None:
    if arguments.diff:
        content = result.diff().encode()
    elif to_stdout and not arguments.check:
        content = result.document.content
    else:
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def merge_json(result: MergeResult, needs: Needs | None) -> dict[str, Any]:
    """Returns the merge as the command's JSON document."""
    return {
        "file": result.before.name,
        "resource": result.workload.resource.title,
        "container": result.workload.container_name,
        "changed": result.changed,
        "changes": [
            {
                "part": one.part,
                "path": one.path,
                "action": one.action,
                "before": one.before,
                "after": one.after,
                "line": one.line,
            }
            for one in result.changes
        ],
        "conflicts": [
            {
                "part": one.part,
                "path": one.path,
                "found": one.found,
                "wanted": one.wanted,
                "line": one.line,
                "decision": one.decision or None,
            }
            for one in result.conflicts
        ],
        "refused": [{"part": one.part, **_place(one.error)} for one in result.refusals],
        "notes": [{"part": one.part, "line": one.line, "text": one.text} for one in result.notes],
        "findings": [finding.to_json() for finding in needs.findings] if needs else None,
        "proof": str(result.counts),
        "text": result.document.full_text,
    }


def _place(error: InputError | ConflictError) -> dict[str, Any]:
    line = error.line if isinstance(error, InputError) else 0
    return {
        "file": error.file if isinstance(error, InputError) else "",
        "line": line,
        "what": error.what,
        "todo": error.todo,
    }


# ------------------------------------------------------------------------------------------------------- check


def template_check(arguments: argparse.Namespace) -> int:
    """Runs ``template check``; problems result in exit code 1, a template that cannot be read in its error's."""
    checked: list[Checked] = []
    refused: list[WizardError] = []
    needs: dict[str | None, Needs | None] = {}
    for name in arguments.files:
        try:
            checked.append(_checked(arguments, name, needs))
        except InputError as error:
            if arguments.output == "github":
                out(refusal_annotation(error))
            if len(arguments.files) == 1:
                raise
            refused.append(error)
    if None in needs.values():
        say(f"Not checked without a cluster: {', '.join(_FROM_CLUSTER)}. Use --context or --facts.")
    first = refused[0] if refused else None
    if arguments.output == "json":
        passed = not refused and all(one.passed for one in checked)
        document("template-check", {"passed": passed, "templates": [one.to_json() for one in checked]}, error=first)
    else:
        _print_checked(checked, _print_annotation if arguments.output == "github" else _print_problem)
    for template in checked:
        say(template.words)
    for later in refused[1:]:
        say(str(later))
    if first is not None:
        raise first
    return ExitCode.DONE if all(one.passed for one in checked) else ExitCode.PROBLEMS


def _print_checked(checked: Sequence[Checked], tell: Callable[[Problem], None]) -> None:
    """Prints the cluster's findings, which are the same for all, and the problems of each template."""
    known = next((one.needs for one in checked if one.needs is not None), None)
    if known is not None:
        from wizard.printing.plans import finding_line

        for finding in known.findings:
            out(finding_line(finding))
    for template in checked:
        for problem in template.problems:
            tell(problem)


@dataclass(frozen=True)
class Checked:
    """A template's workload, its problems, and what was known of the cluster."""

    workload: Workload
    problems: tuple[Problem, ...]
    needs: Needs | None

    @property
    def passed(self) -> bool:
        """Whether it has no problem; warnings do not count."""
        return passes(self.problems)

    @property
    def words(self) -> str:
        """The result as a sentence."""
        numbers = [sum(one.severity == word for one in self.problems) for word in ("problem", "warning")]
        name = f"{self.workload.document.name}: {self.workload.resource.title}"
        return f"{name}: {counted(numbers[0], 'problem')}, {counted(numbers[1], 'warning')}."

    def to_json(self) -> dict[str, Any]:
        """Returns what ``template check -o json`` prints of it."""
        return {
            "file": self.workload.document.name,
            "resource": self.workload.resource.title,
            "container": self.workload.container_name,
            "passed": self.passed,
            "problems": [problem_json(one) for one in self.problems],
            "findings": [finding.to_json() for finding in self.needs.findings] if self.needs else None,
        }


def _checked(arguments: argparse.Namespace, name: str, known: dict[str | None, Needs | None]) -> Checked:
    """Checks one template; ``known`` is what was read of the cluster before, by namespace."""
    from wizard.template.checks import check_template

    module = _read(name)
    workload = find_workload(module, arguments.resource, arguments.container)
    if workload.namespace not in known:
        known[workload.namespace] = _needs(arguments, workload)
    needs = known[workload.namespace]
    parts = needs.parts if needs else frozenset[str]()
    found = check_template(module, parts, resource=arguments.resource, container=arguments.container)
    return Checked(workload, found, needs)


def _print_problem(one: Problem) -> None:
    """Prints a problem as compilers do, which editors and CI systems parse."""
    place = ":".join(str(part) for part in (one.file, one.line, one.column) if part)
    out(f"{place}: {one.severity}: {one.message} [{one.id}]")
    for line in one.hint.splitlines():
        out(f"    {line}")


def _print_annotation(one: Problem) -> None:
    """Prints a problem for GitHub Actions."""
    out(annotation(one.severity, one.id, f"{one.message} {one.hint}", one.file, one.line, one.column))


def passes(problems: Iterable[Problem]) -> bool:
    """Tells whether there is no problem among them; warnings do not count."""
    return not any(one.severity == "problem" for one in problems)


def problem_json(one: Problem) -> dict[str, Any]:
    """Returns a problem as the JSON documents have it."""
    return {
        "file": one.file,
        "line": one.line,
        "column": one.column,
        "severity": one.severity,
        "id": one.id,
        "message": one.message,
        "hint": one.hint,
    }


# ------------------------------------------------------------------------------------------------------- parts


def template_parts(arguments: argparse.Namespace) -> int:
    """Runs ``template parts``: prints what a template needs, as HCL to copy from."""
    from wizard.files import write_file
    from wizard.template.parts import template_json, template_text

    text = template_text(arguments.device, arguments.container)
    if arguments.to:
        backup = write_file(Path(arguments.to), text.encode())
        say(f"{arguments.to} was written." + (f" Its earlier content is in {backup}." if backup else ""))
    if arguments.output == "json":
        document("template-parts", {**template_json(arguments.device, arguments.container), "to": arguments.to})
    elif not arguments.to:
        sys.stdout.write(text)
    return ExitCode.DONE
