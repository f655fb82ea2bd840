"""Which parts a Terraform template needs on a cluster, and the template's part of the plan: its file, and its push."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.choices.answers import TemplateChoice
from wizard.files import read_snapshot, read_target
from wizard.finding import Finding, Outcome
from wizard.plan.actions import WriteTemplate
from wizard.template.by_hand import APPARMOR_KEY
from wizard.template.described import described
from wizard.template.merge import MergeResult, merge_template
from wizard.template.module import Module, read_template
from wizard.template.workload import find_workload

if TYPE_CHECKING:
    from wizard.facts.cluster import ClusterFacts

_FIELDS = {"apparmor": APPARMOR_KEY, "seccomp": "seccomp-profile-type", "selinux": "seLinuxOptions"}
"""For each part, what the fix of a finding contains that sets it for a workspace."""
_FORBIDDEN_BY_LEVEL = ("apparmor", "seccomp", "selinux")


@dataclass(frozen=True)
class Needs:
    """What the cluster's findings need: the parts, those that are not certain, and those that it would reject."""

    parts: frozenset[str]
    uncertain: frozenset[str]
    forbidden: Mapping[str, str]
    findings: tuple[Finding, ...]
    level: str | None
    """The Pod Security level of the namespace; None if it is not known."""


def needs_of(facts: ClusterFacts, namespace: str | None, level: str | None) -> Needs:
    """Judges the facts; the findings are the ones of ``podman-wizard check``."""
    from wizard.choices.answers import Answers
    from wizard.plan.judgement import Judgement, Reading

    findings = Judgement(Reading.of(facts), Answers()).security_modules
    certain, uncertain = _parts(findings)
    forbidden = {}
    if level in ("baseline", "restricted"):
        for part in _FORBIDDEN_BY_LEVEL:
            if part != "selinux" or level == "restricted":
                forbidden[part] = (
                    f"The namespace {namespace} enforces Pod Security {level}, which rejects pods with {_WORDS[part]}."
                )
    shown = tuple(one for one in findings if one.outcome in (Outcome.WARNING, Outcome.UNKNOWN))
    return Needs(certain, uncertain - certain, forbidden, shown, level)


_WORDS = {
    "apparmor": "the AppArmor profile unconfined",
    "seccomp": "the seccomp profile Unconfined",
    "selinux": "this SELinux type",
}


def _parts(findings: Iterable[Finding]) -> tuple[frozenset[str], frozenset[str]]:
    certain, uncertain = set[str](), set[str]()
    for finding in findings:
        if finding.outcome is not Outcome.WARNING:
            continue
        for part, field in _FIELDS.items():
            if any(field in remedy.command for remedy in finding.remedies):
                # A type that the nodes' policy does not have keeps the container from starting.
                sure = part != "selinux" or finding.confidence == "high"
                (certain if sure else uncertain).add(part)
    return frozenset(certain), frozenset(uncertain)


NO_NEEDS = Needs(frozenset(), frozenset(), {}, (), None)
"""What is known without a cluster."""


def parts_of(choice: TemplateChoice, needs: Needs) -> frozenset[str]:
    """Returns the parts that are chosen and needed."""
    return frozenset(({"device"} | needs.parts | set(choice.with_)) - set(choice.without))


def merge_chosen(module: Module, choice: TemplateChoice, needs: Needs) -> MergeResult:
    """Returns the merge of the parts that are chosen and needed. Raises the error that prevents it."""
    result = merge_template(
        module,
        parts_of(choice, needs),
        resource=choice.resource,
        container=choice.container,
        on_conflict=choice.on_conflict,
        forbidden=needs.forbidden,
    )
    if result.error is not None:
        raise result.error
    return result


def namespace_of(choice: TemplateChoice) -> str | None:
    """Returns the namespace of the template's pod, if its file tells; None without a file. Raises InputError."""
    if choice.file is None:
        return None
    return find_workload(read_template(_path(choice.file)), choice.resource, choice.container).namespace


def plan_template(choice: TemplateChoice, needs: Needs = NO_NEEDS) -> WriteTemplate | None:
    """Returns the merged file as an action, read, merged, and checked now, and written later; None without a file.

    Raises InputError or ConflictError if it cannot be read or merged.
    """
    if choice.file is None:
        return None
    module = read_template(_path(choice.file))
    merged = merge_chosen(module, choice, needs)
    source = Path(merged.before.name)
    output = _path(choice.output) if choice.output else source
    in_place = output.absolute() == source.absolute()
    files = merged.workload.module.files
    files[merged.before.name] = merged.document
    pod = described(find_workload(module, choice.resource, choice.container))
    return WriteTemplate(
        title=f"Write {output}",
        why="The workspaces of this template request the FUSE device.",
        by_hand=(f"podman-wizard template merge {shlex.quote(choice.file)}{_options(choice)}",),
        undo="The previous content is restored; a new file is deleted.",
        path=output,
        content=merged.document.content,
        diff=merged.diff(),
        read=read_snapshot(source) if in_place else read_target(output),
        source=source.name,
        pod=pod,
    )


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _options(choice: TemplateChoice) -> str:
    options = [f"--to {shlex.quote(choice.output)}" if choice.output else "--in-place"]
    options += [f"--with {part}" for part in choice.with_] + [f"--without {part}" for part in choice.without]
    options += [f"--on-conflict {choice.on_conflict}"] if choice.on_conflict != "fail" else []
    for name, value in (("resource", choice.resource), ("container", choice.container)):
        options += [f"--{name} {shlex.quote(value)}"] if value else []
    return " " + " ".join(options)
