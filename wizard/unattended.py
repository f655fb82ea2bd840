"""All steps without a person: look first, change nothing where it cannot finish, then do it and say how it went."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from wizard.answers import Answers, PolicyChoice
from wizard.coder.actions import CoderAction, InCoder, Outlook, UploadPolicy, coder_actions, look_ahead
from wizard.coder.credentials import NoCredentials
from wizard.coder.steps import IsV2
from wizard.differences import file_diff
from wizard.engine import ApplyOutcome, Engine
from wizard.errors import ConflictError, InputError, ProblemsFound, WizardError
from wizard.events import Event, Listener, Note, Shortfall
from wizard.files import read_snapshot, read_target
from wizard.findings import Finding, Outcome, blockers
from wizard.forecast import Comparison, compare
from wizard.ownership import contests, require_decided, require_known_fields
from wizard.plan import (
    Action,
    ApplyObjects,
    LabelNodes,
    Plan,
    VerifyPodman,
    WaitForRollout,
    WritePolicy,
    for_coder_v2,
    make_plan,
)
from wizard.policy import LARGEST, PolicyDocument, merge_podman, new_policy, outcome_in_words
from wizard.policy.merge import Conflict
from wizard.prove import Proof, all_well, probe_nodes, verify_nodes

DEFAULT_POLICY = "policy.yaml"


@dataclass(frozen=True, slots=True)
class Summary(Event):
    """How a run ended: the last line of ``run -o json``."""

    kind: ClassVar[str] = "summary"
    result: Literal["done", "failed", "interrupted"]
    applied: tuple[str, ...]
    skipped: tuple[str, ...]
    labelled: int
    desired: int
    ready: int
    failing: tuple[Shortfall, ...]
    policy: str | None
    left_to_do: tuple[str, ...]
    proofs: tuple[Proof, ...] = ()
    groups: tuple[Comparison, ...] = ()
    """By kind of node, what the rollout was forecast to be and what happened."""
    coder: InCoder = field(default_factory=InCoder)

    def to_json(self) -> dict[str, Any]:
        """In the shape that scripts rely on."""
        return {
            "event": self.kind,
            "result": self.result,
            "applied": list(self.applied),
            "skipped": list(self.skipped),
            "labelled": self.labelled,
            "rollout": {
                "desired": self.desired,
                "ready": self.ready,
                "failing": [{"node": item.name, "reason": item.reason} for item in self.failing],
                "groups": [group.to_json() for group in self.groups],
            },
            "policy": self.policy,
            "coder": self.coder.to_json(),
            "verify": [proof.to_json() for proof in self.proofs],
            "left_to_do": list(self.left_to_do),
        }


def plan_policy(choice: PolicyChoice) -> WritePolicy:
    """The merged policy as an action: read, merged and proved now, written later.

    Without a file it starts from the guide's short policy. Raises InputError where the file cannot be read or
    edited safely, ConflictError where ``on-conflict`` is ``fail`` and another count is there.
    """
    source = Path(choice.file).expanduser() if choice.file else None
    output = Path(choice.output).expanduser() if choice.output else _merged_path(source)
    snapshot = read_snapshot(source, limit=LARGEST) if source else None
    content = (snapshot.content or b"") if snapshot else new_policy("podman")
    name = str(source) if source else "the guide's policy"
    merged = merge_podman(
        PolicyDocument.parse(content, name), mode=choice.mode, devices=choice.devices, on_conflict=choice.on_conflict
    )
    if choice.on_conflict == "fail" and merged.conflicts:
        raise ConflictError(
            f"{name} asks for another number of FUSE devices: {_counts(merged.conflicts)}.",
            "Decide with on-conflict: keep or replace in the answers file, under policy.",
        )
    in_place = snapshot is not None and output.absolute() == snapshot.path.absolute()
    held = snapshot if snapshot is not None and in_place else read_target(output)
    return WritePolicy(
        title=f"Write {output}",
        why=f"{outcome_in_words(merged.document)}{_kept(merged.conflicts)}",
        by_hand=(_by_hand(source, output, choice),),
        undo="The file gets back what it held; a new one is removed.",
        path=output,
        content=merged.document.content,
        diff=merged.diff(width=80) if source else file_diff(output, held.content, merged.document.content),
        read=held,
    )


def _counts(conflicts: Iterable[Conflict]) -> str:
    return ", ".join(f"line {one.line} has {one.found}, not {one.wanted}" for one in conflicts)


def _kept(conflicts: Sequence[Conflict]) -> str:
    kept = [one for one in conflicts if one.kept]
    return f" What was there is kept: {_counts(kept)}." if kept else ""


def _by_hand(source: Path | None, output: Path, choice: PolicyChoice) -> str:
    start = f"policy merge {shlex.quote(str(source))}" if source else "policy new | podman-wizard policy merge -"
    options = [f"--to {shlex.quote(str(output))}"]
    default = PolicyChoice()
    options += [f"--mode {choice.mode}"] if choice.mode else []
    options += [f"--devices {choice.devices}"] if choice.devices != default.devices else []
    options += [f"--on-conflict {choice.on_conflict}"] if choice.on_conflict != default.on_conflict else []
    return f"podman-wizard {start} {' '.join(options)}"


def require_writable(path: Path) -> None:
    """Raises InputError where a file cannot be written there: a run must not find that out at its end."""
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        why = "permission denied"
    elif not target.parent.is_dir():
        why = f"there is no folder {target.parent}"
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        why = f"permission denied in {target.parent}"
    else:
        return
    raise InputError(f"{path} cannot be written: {why}.", "Choose another file, or mend its rights.", file=path)


def _merged_path(source: Path | None) -> Path:
    return Path(DEFAULT_POLICY) if source is None else source.with_name(f"{source.stem}.merged{source.suffix}")


async def require_namespace(engine: Engine, name: str) -> None:
    """Raises ProblemsFound where the pods of the verification would have no namespace; who may not look goes on."""
    from wizard.cluster import ApiRefusal

    try:
        found = await engine.gateway.get("Namespace", name)
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
    else:
        if found is None:
            raise ProblemsFound(
                f"Nothing was changed; there is no namespace {name}, where Podman would be run.",
                "Make it, or name another in the answers: verify: {namespace: default}.",
            )


async def look(engine: Engine, answers: Answers, listener: Listener = lambda event: None) -> Plan:
    """Facts, then the plan; nothing is changed, and whatever the run could not finish with is raised.

    Raises ProblemsFound for blockers and for a missing acknowledgement, ConflictError for fields of others
    that nothing is decided about, ClusterError for what the server would refuse.
    """
    policy = plan_policy(answers.policy)
    require_writable(policy.path)
    if answers.verify.run:
        await require_namespace(engine, answers.verify.namespace)
    facts = await engine.read_facts(verify_in=answers.verify.namespace)
    probes = await probe_nodes(engine, facts, listener) if answers.security_modules.probe else ()
    plan = make_plan(facts, answers, policy, probes)
    plan = replace(plan, actions=(*plan.actions, *coder_actions(answers, policy)))
    require_no_blockers(plan.prerequisites)
    require_acknowledgement(plan.security_modules, answers)
    require_known_fields(plan.rendering.objects, answers.ownership)
    checks = await engine.dry_run(plan.rendering.objects, answers.ownership)
    require_decided(contests(checks), answers.ownership, answers=True)
    refused = [check for check in checks if check.change == "failed"]
    if refused:
        raise ProblemsFound(
            f"{refused[0].title} would be refused: {refused[0].message}",
            "Nothing was changed. podman-wizard check says which rights are missing.",
        )
    return replace(plan, checks=checks)


def require_no_blockers(findings: tuple[Finding, ...]) -> None:
    """Raises ProblemsFound that names every blocker."""
    stopping = blockers(findings)
    if stopping:
        raise ProblemsFound(
            "Nothing was changed; this is in the way: " + "; ".join(finding.title for finding in stopping),
            f"podman-wizard check has the evidence; podman-wizard explain {stopping[0].id} the whole story.",
        )


def require_acknowledgement(findings: tuple[Finding, ...], answers: Answers) -> None:
    """Raises ProblemsFound where warnings about security modules were not acknowledged."""
    warnings = [finding for finding in findings if finding.outcome is Outcome.WARNING]
    if warnings and not answers.security_modules.acknowledged:
        raise ProblemsFound(
            f"Nothing was changed; {len(warnings)} warnings about security modules are not acknowledged: "
            + "; ".join(finding.title for finding in warnings),
            "Read them with podman-wizard check, then put security-modules: {acknowledged: true} in the answers.",
        )


async def look_in_coder(engine: Engine, plan: Plan, answers: Answers) -> Outlook | None:
    """What the plan would do in Coder; None where it does nothing there. Changes nothing, and stops nothing."""
    actions = [action for action in plan.actions if isinstance(action, CoderAction)]
    if not actions:
        return None
    try:
        async with engine.coder(answers.coder.url) as client:
            return await look_ahead(actions, client)
    except WizardError as error:
        return Outlook(trouble=error)


def left_by(plan: Plan, coder: Outlook | None) -> tuple[str, ...]:
    """What a run of this plan would leave to a person, where Coder does as it says now."""
    if coder is not None and isinstance(coder.trouble, IsV2):
        return for_coder_v2(plan.left_to_do)
    if coder is None or coder.trouble is not None:
        return plan.left_to_do
    done = {action.replaces for action in plan.actions if isinstance(action, CoderAction)}
    return tuple(step for step in plan.left_to_do if step not in done)


async def run(engine: Engine, answers: Answers, listener: Listener) -> Summary:
    """Looks, then executes the whole plan; what fails on the way is told, and in the summary.

    The summary is the last that the listener hears, also where the run is interrupted or an error ends it.
    """
    progress, plan = _Progress(), None
    try:
        # Where no journal can be kept, or another wizard is at work, not even a probe is sent.
        engine.claim()
        plan = await look(engine, answers, listener)
        engine.note_answers(answers, repeat=True)
        for action in plan.actions:
            if progress.stopped and not isinstance(action, WritePolicy):
                continue
            progress = await _execute(engine, action, listener, answers, plan, progress)
    except (asyncio.CancelledError, WizardError) as error:
        listener(progress.summary("failed" if isinstance(error, WizardError) else "interrupted", plan))
        raise
    summary = progress.summary("done" if progress.complete else "failed", plan)
    listener(summary)
    return summary


@dataclass(frozen=True)
class _Progress:
    applied: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    labelled: int = 0
    desired: int = 0
    ready: int = 0
    failing: tuple[Shortfall, ...] = ()
    policy: str | None = None
    proofs: tuple[Proof, ...] = ()
    groups: tuple[Comparison, ...] = ()
    coder: InCoder = field(default_factory=InCoder)
    complete: bool = True
    stopped: bool = False
    spared: tuple[str, ...] = ()
    """Steps that were left to a person, and have been done in Coder."""
    is_v2: bool = False
    """Whether Coder turned out to be a v2."""

    def summary(self, result: Literal["done", "failed", "interrupted"], plan: Plan | None) -> Summary:
        left = tuple(step for step in plan.left_to_do if step not in self.spared) if plan else ()
        return Summary(
            result=result,
            applied=self.applied,
            skipped=self.skipped,
            labelled=self.labelled,
            desired=self.desired,
            ready=self.ready,
            failing=self.failing,
            policy=self.policy,
            proofs=self.proofs,
            groups=self.groups,
            coder=self.coder,
            left_to_do=for_coder_v2(left) if self.is_v2 else left,
        )


async def _execute(
    engine: Engine, action: Action, listener: Listener, answers: Answers, plan: Plan, progress: _Progress
) -> _Progress:
    match action:
        case ApplyObjects():
            outcome: ApplyOutcome = await engine.apply(action.objects, listener, ownership=answers.ownership)
            failed = bool(outcome.failed)
            return replace(
                progress,
                applied=outcome.applied,
                skipped=outcome.skipped,
                failing=outcome.failed,
                complete=not failed,
                stopped=failed,
            )
        case LabelNodes():
            result = await engine.label(action.nodes, listener)
            return replace(
                progress,
                labelled=len(result.done),
                failing=(*progress.failing, *result.failed),
                complete=progress.complete and not result.failed,
            )
        case WaitForRollout():
            rollout = await engine.wait(action.nodes, listener, timeout=action.timeout)
            known = {item.name for item in progress.failing}
            return replace(
                progress,
                desired=rollout.desired,
                ready=rollout.ready,
                failing=(*progress.failing, *(item for item in rollout.failing if item.name not in known)),
                groups=compare(plan.forecast, rollout.nodes, rollout),
                complete=progress.complete and rollout.ready >= rollout.desired,
            )
        case WritePolicy():
            await engine.write_policy(action, listener)
            return replace(progress, policy=str(action.path))
        case VerifyPodman():
            # Read anew: the devices are those that the rollout brought.
            proofs = await verify_nodes(engine, await engine.read_facts(), action.choice, listener)
            return replace(progress, proofs=proofs, complete=progress.complete and all_well(proofs))
        case CoderAction():
            return await _execute_in_coder(engine, action, listener, answers, progress)
        case _:
            listener(Note(f"{action.title}: by hand"))
            return progress


async def _execute_in_coder(
    engine: Engine, action: CoderAction, listener: Listener, answers: Answers, progress: _Progress
) -> _Progress:
    """Coder stands in nobody's way: what cannot be done there is left to a person, as clicks."""
    if isinstance(action, UploadPolicy) and not progress.ready:
        listener(Note("The policy was not uploaded: no node offers FUSE, and every workspace would ask for it."))
        return replace(progress, complete=False)
    try:
        async with engine.coder(answers.coder.url) as client:
            result = await engine.execute_in_coder(action, client, listener)
            coder = progress.coder.with_result(client.url, result, action)
    except IsV2 as error:
        listener(Note(f"{action.title}: not possible. {error}"))
        return replace(progress, complete=False, is_v2=True)
    except NoCredentials as error:
        listener(Note(f"{action.title}: left to do. {error}"))
        return progress
    except WizardError as error:
        listener(Note(f"{action.title}: left to do. {error}"))
        return replace(progress, complete=False)
    return replace(progress, coder=coder, spared=(*progress.spared, action.replaces))
