"""Looking before acting, and looking again after it: how every door gets its plan."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.choices.answers import Answers, TemplateChoice
from wizard.engine.coder import coder_actions
from wizard.engine.coder_v2 import PushTemplate, push_actions
from wizard.engine.events import Event, Listener
from wizard.engine.executor import Executor, RunOutcome
from wizard.engine.podman_check import measured_by, probe_nodes
from wizard.errors import ClusterError, ProblemsFound
from wizard.facts.cluster import ClusterFacts
from wizard.manifest.ownership import require_known_fields
from wizard.names import ENFORCE_LABEL
from wizard.nodes.verdicts import vanished
from wizard.plan.actions import Action, WritePolicy, WriteTemplate, verify_podman
from wizard.plan.derive import Plan, derive, plan_without_cluster
from wizard.plan.gates import Door, GateKind
from wizard.plan.judgement import Judgement, Reading
from wizard.plan.left_to_do import left_to_do
from wizard.plan.policy import plan_policy, require_writable
from wizard.plan.template import NO_NEEDS, Needs, namespace_of, needs_of, plan_template

if TYPE_CHECKING:
    import asyncio

    from wizard.engine.engine import Engine


def ignored(event: Event) -> None:
    """A listener for those who do not watch."""


def needs_cluster(answers: Answers) -> bool:
    """Tells whether these choices are about a cluster at all, or only about the policy and Coder."""
    files = answers.policy is not None or answers.template is not None
    only_others = files or answers.coder.enable_templates or answers.coder.upload
    untouched = replace(answers, policy=None, template=None, coder=Answers().coder)
    if not answers.manifest.apply and not answers.nodes.label:
        untouched = replace(untouched, manifest=Answers().manifest, nodes=Answers().nodes)
    return not (only_others and untouched == Answers())


def extra_actions(answers: Answers, needs: Needs = NO_NEEDS, *, writes: bool = True) -> tuple[Action, ...]:
    """Returns the actions that are not about the cluster's objects: policy, template, the Podman test, and Coder.

    ``needs`` is what the cluster's findings need of a template. Raises InputError or ConflictError if the policy or
    the template cannot be read, merged, or (if this door ``writes``) written.
    """
    policy = plan_policy(answers.policy) if answers.policy is not None else None
    if policy is not None and writes:
        require_writable(policy.path)
    verify = (verify_podman(answers.verify),) if answers.verify.run else ()
    template = plan_template(answers.template, needs) if answers.template is not None else None
    if template is not None and writes:
        require_writable(template.path)
    written = [one for one in (policy, template) if one is not None]
    return (*written, *verify, *coder_actions(answers, policy), *push_actions(answers, template, needs))


def _left(extras: Sequence[Action]) -> tuple[str, ...]:
    """Returns the steps left by hand: a template that is written or pushed is one of Coder v2."""
    v2 = any(isinstance(one, WriteTemplate | PushTemplate) for one in extras)
    pushed = any(isinstance(one, PushTemplate) for one in extras)
    return left_to_do(policy_path(extras), v2=v2, pushed=pushed)


def policy_path(actions: Sequence[Action]) -> Path | None:
    """Returns the policy file among these actions."""
    return next((action.path for action in actions if isinstance(action, WritePolicy)), None)


async def look(
    engine: Engine,
    answers: Answers,
    listener: Listener = ignored,
    *,
    facts: ClusterFacts | None = None,
    read_only: str = "",
    writes: bool = True,
    before: Plan | None = None,
) -> Plan:
    """Reads the cluster (unless ``facts`` are given), asks the server, and returns the plan; changes nothing.

    Nodes that the plan ``before`` selects by name and that no longer exist are left out of it.

    A probe pod is sent to each node type if the choices ask for it. Without ``writes``, the plan is only exported, and
    its policy need not be writable here. Raises UsageError or InputError for choices that
    do not fit, ClusterError if the cluster cannot be reached.
    """
    extras = extra_actions(answers, writes=writes)
    if answers.verify.run:
        await require_namespace(engine, answers.verify.namespace)
    if facts is None:
        facts = await engine.read_facts(verify_in=answers.verify.namespace)
    if before is not None:
        answers = answers.without_nodes(_vanished(before, facts))
    judgement = Judgement(Reading.of(facts), answers)
    if answers.security_modules.probe:
        judgement = judgement.changed(probes=await probe_nodes(engine, facts, listener))
    if answers.template is not None:
        needs = await template_needs(engine, facts, answers.template)
        extras = extra_actions(answers, needs, writes=writes)
    return await ask(engine, judgement, extras, read_only=read_only)


async def ask(engine: Engine, judgement: Judgement, extras: Sequence[Action] = (), *, read_only: str = "") -> Plan:
    """Asks the server what the apply would do, and returns the plan."""
    require_known_fields(judgement.rendering.objects, judgement.answers.ownership)
    judgement = judgement.changed(checks=await engine.ask(judgement))
    judgement.evaluate()
    return derive(judgement, extras, read_only=read_only, left_to_do=_left(extras))


def look_without_cluster(answers: Answers) -> Plan:
    """Returns the plan for choices that are not about a cluster."""
    extras = extra_actions(answers)
    return plan_without_cluster(answers, extras, left_to_do=_left(extras))


async def act(
    engine: Engine,
    plan: Plan,
    listener: Listener,
    *,
    door: Door,
    only: Collection[str] | None = None,
    allow: Collection[GateKind] = (),
    stop: asyncio.Event | None = None,
) -> tuple[RunOutcome, Plan]:
    """Carries out a plan that was agreed to, then looks again; returns what became of it, and the plan of now.

    Raises the error of a closed gate, and PlanChanged if the cluster is not what the plan was made from.
    """
    executor = Executor(engine, plan, listener, stop=stop)
    outcome = await executor.execute(agreed=plan.digest, door=door, only=only, allow=allow)
    return outcome, await look_again(engine, plan, outcome)


async def look_again(engine: Engine, plan: Plan, outcome: RunOutcome) -> Plan:
    """Returns the plan of now, after ``outcome``: nothing is read if nothing was changed.

    It is without the nodes that were selected by name and no longer exist.
    """
    if not engine.has_cluster or not (outcome.changed or outcome.rollout):
        return plan
    answers = plan.judgement.answers
    facts = await engine.read_facts(verify_in=answers.verify.namespace)
    answers = answers.without_nodes(_vanished(plan, facts))
    measured = measured_by(outcome.proofs) or plan.judgement.measured
    judgement = Judgement(Reading.of(facts), answers, plan.judgement.probes, measured=measured)
    return await ask(engine, judgement)


def _vanished(before: Plan, facts: ClusterFacts) -> tuple[str, ...]:
    """Returns the nodes that the plan selects by name and that no longer exist."""
    if facts.nodes is None:
        return ()
    return vanished(before.judgement.answers.nodes.names, before.judgement.facts.nodes or (), facts.nodes)


async def plan_to_export(engine: Engine, judgement: Judgement, *, read_only: str = "", asks: bool = True) -> Plan:
    """Returns the plan of a session with its policy, its template, and what it asks of Coder, to be handed over.

    The server is asked if it was not before, unless ``asks`` is false or it does not answer; then the plan says that it
    was not. Raises InputError or ConflictError if the policy or the template cannot be read or merged.
    """
    answers = judgement.answers
    reaches = asks and engine.has_cluster
    needs = NO_NEEDS
    if answers.template is not None:
        needs = await template_needs(engine, judgement.facts, answers.template, asks=reaches)
    extras = extra_actions(answers, needs, writes=False)
    if reaches and not judgement.checks:
        with contextlib.suppress(ClusterError):
            return await ask(engine, judgement, extras, read_only=read_only)
    return derive(judgement, extras, read_only=read_only, left_to_do=_left(extras))


async def template_needs(
    engine: Engine, facts: ClusterFacts | None, choice: TemplateChoice, *, asks: bool = True
) -> Needs:
    """Returns what the cluster's findings need of a template; without ``facts``, nothing is known to be needed.

    Unless the engine ``asks``, the Pod Security level of the template's namespace stays unknown. Raises InputError if
    the template cannot be read.
    """
    if facts is None:
        return NO_NEEDS
    namespace = namespace_of(choice)
    level = await level_of(engine, namespace) if asks and engine.has_cluster else None
    return needs_of(facts, namespace, level)


async def level_of(engine: Engine, namespace: str | None) -> str | None:
    """Returns the Pod Security level that a namespace enforces, "" for none; None if that is not known."""
    from wizard.cluster import ApiRefusal

    if namespace is None:
        return None
    try:
        found = await engine.gateway.get("Namespace", namespace)
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        return None
    return None if found is None else str(found["metadata"].get("labels", {}).get(ENFORCE_LABEL, ""))


async def require_namespace(engine: Engine, name: str) -> None:
    """Raises ProblemsFound if the namespace of the test pods does not exist; without permission it is not checked."""
    from wizard.cluster import ApiRefusal

    try:
        found = await engine.gateway.get("Namespace", name)
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
    else:
        if found is None:
            raise ProblemsFound(
                f"Nothing was changed: the namespace {name} for the Podman test does not exist.",
                "Create it, or set another one in the answers file: verify: {namespace: default}.",
            )
