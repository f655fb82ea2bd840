"""An unattended run of all steps: checks everything first, and changes nothing if it cannot finish."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from wizard.choices.answers import Answers
from wizard.coder.steps import IsV2
from wizard.coder.v2.pushing import Pushed
from wizard.engine.coder import CoderAction, EnableTemplates, InCoder, Outlook, UploadPolicy, look_ahead
from wizard.engine.coder_v2 import pushed_json
from wizard.engine.engine import Engine
from wizard.engine.events import Event, Listener, Note, PlanShown
from wizard.engine.executor import Executor, Outcome, RunOutcome
from wizard.engine.looking import look, look_again, look_without_cluster, needs_cluster
from wizard.engine.podman_check import Proof
from wizard.errors import WizardError
from wizard.facts.changes import Change
from wizard.facts.rollout import Shortfall
from wizard.manifest.asking import PlanChanged
from wizard.manifest.forecast import Comparison
from wizard.plan.derive import Plan
from wizard.plan.gates import GateKind, require_open
from wizard.plan.left_to_do import after_rollout, for_coder_v2, missed_step


@dataclass(frozen=True, slots=True)
class Summary(Event):
    """How a run ended: the last line of ``run -o json``."""

    kind: ClassVar[str] = "summary"
    result: Literal["done", "failed", "stopped"]
    changed: bool
    outcomes: tuple[Outcome, ...]
    changes: tuple[Change, ...]
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
    """By node type, the forecast of the rollout and its result."""
    coder: InCoder = field(default_factory=InCoder)
    template: str | None = None
    """The file of a Terraform template that was written."""
    pushed: Pushed | None = None
    error: WizardError | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the summary in the shape that scripts rely on."""
        return {
            "event": self.kind,
            "result": self.result,
            "changed": self.changed,
            "changes": [change.to_json() for change in self.changes],
            "actions": [outcome.to_json() for outcome in self.outcomes],
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
            "template": self._template(),
            "coder": self.coder.to_json(),
            "verify": [proof.to_json() for proof in self.proofs],
            "left_to_do": list(self.left_to_do),
            "error": self.error.to_json() if self.error else None,
        }

    def _template(self) -> dict[str, Any] | None:
        if self.template is None and self.pushed is None:
            return None
        return {"file": self.template, "version": pushed_json(self.pushed)}


def summarize(
    result: Literal["done", "failed", "stopped"],
    plan: Plan | None,
    outcome: RunOutcome,
    error: WizardError | None = None,
) -> Summary:
    """Returns the summary of a run; ``plan`` is None if it ended before there was one."""
    left = tuple(step for step in plan.left_to_do if step not in outcome.replaced_steps) if plan else ()
    desired, ready = _nodes(plan, outcome)
    if outcome.rollout is not None and desired and ready >= desired:
        left = after_rollout(left)
    if outcome.missed:
        left = (missed_step(outcome.missed), *left)
    return Summary(
        result=result,
        changed=outcome.changed,
        outcomes=outcome.outcomes,
        changes=tuple(change for one in outcome.outcomes for change in one.changes),
        applied=outcome.applied,
        skipped=_skipped(plan),
        labelled=len(outcome.labelled.done) if outcome.labelled else 0,
        desired=desired,
        ready=ready,
        failing=outcome.failing,
        policy=str(outcome.policy) if outcome.policy else None,
        left_to_do=for_coder_v2(left) if outcome.is_v2 else left,
        proofs=outcome.proofs,
        groups=outcome.comparison,
        coder=outcome.coder,
        template=str(outcome.template) if outcome.template else None,
        pushed=outcome.pushed,
        error=error,
    )


def _nodes(plan: Plan | None, outcome: RunOutcome) -> tuple[int, int]:
    """Returns how many nodes should offer FUSE, and how many do: as the wait saw it, else as the cluster was read."""
    if outcome.rollout is not None:
        return outcome.rollout.desired, outcome.rollout.ready
    if plan is None:
        return 0, 0
    expected = plan.judgement.expected
    return len(expected), sum(name in plan.judgement.reading.offering for name in expected)


def _skipped(plan: Plan | None) -> tuple[str, ...]:
    if plan is None:
        return ()
    ownership = plan.judgement.answers.ownership
    objects = plan.rendering.objects
    return tuple(f"{one['kind']} {one['metadata']['name']}" for one in objects if ownership.skips(one["kind"]))


async def look_first(engine: Engine, answers: Answers, listener: Listener, *, before: Plan | None = None) -> Plan:
    """Returns the plan of a run, which is shown as an event; raises the error of the first closed gate after it.

    ``before`` is the plan of an earlier look, if the cluster has changed since.
    """
    if engine.has_cluster:
        plan = await look(engine, answers, listener, before=before)
    else:
        plan = look_without_cluster(answers)
    listener(PlanShown(plan))
    require_open(plan.gates, "run", actions={action.kind for action in plan.actions}, allow=consents(answers))
    return plan


def consents(answers: Answers) -> tuple[GateKind, ...]:
    """Returns the gates that these answers open."""
    return ("disruption",) if answers.allow_disruption else ()


async def look_in_coder(engine: Engine, plan: Plan, answers: Answers) -> Outlook | None:
    """Returns what the plan would do in Coder, or None if nothing. Changes nothing; an error is part of the result."""
    actions = [action for action in plan.actions if isinstance(action, EnableTemplates | UploadPolicy)]
    if not actions:
        return None
    try:
        async with engine.coder(answers.coder.url) as client:
            return await look_ahead(actions, client)
    except WizardError as error:
        return Outlook(trouble=error)


def left_by(plan: Plan, coder: Outlook | None) -> tuple[str, ...]:
    """Returns the steps that a run of this plan would leave to do by hand, judging by the current state of Coder."""
    if coder is not None and isinstance(coder.trouble, IsV2):
        return for_coder_v2(plan.left_to_do)
    if coder is None or coder.trouble is not None:
        return plan.left_to_do
    done = {action.replaces for action in plan.actions if isinstance(action, CoderAction)}
    return tuple(step for step in plan.left_to_do if step not in done)


async def run(engine: Engine, answers: Answers, listener: Listener) -> Summary:
    """Checks everything, then executes the whole plan; failures are reported as events and in the summary.

    If the cluster changed after the look, it looks again once, shows the plan, and goes on if no gate is closed. The
    summary is the last event, even if the run is stopped or ends with an error.
    """
    plan: Plan | None = None
    executor: Executor | None = None
    outcome = RunOutcome()
    try:
        # Without a journal, or while another wizard is changing the cluster, not even a probe pod is sent.
        engine.claim()
        plan = await look_first(engine, answers, listener)
        engine.note_answers(answers, repeat=True)
        executor = Executor(engine, plan, listener)
        try:
            outcome = await executor.execute(agreed=plan.digest, door="run", allow=consents(answers))
        except PlanChanged as changed:
            listener(Note(f"{changed.what} {changed.todo}"))
            plan = await look_first(engine, answers, listener, before=plan)
            gone = tuple(name for name in answers.nodes.names if name not in plan.judgement.answers.nodes.names)
            executor = Executor(engine, plan, listener, before=executor.outcome)
            executor.miss(gone, by_name=True)
            outcome = await executor.execute(agreed=plan.digest, door="run", allow=consents(answers))
        await look_again(engine, plan, outcome)
    except (asyncio.CancelledError, WizardError) as error:
        reached = executor.outcome if executor else outcome
        if isinstance(error, WizardError):
            listener(summarize("failed", plan, reached, error))
        else:
            listener(summarize("stopped", plan, reached))
        raise
    summary = summarize("done" if outcome.complete else "failed", plan, outcome)
    listener(summary)
    return summary


__all__ = ["Summary", "consents", "left_by", "look_first", "look_in_coder", "needs_cluster", "run", "summarize"]
