"""The answers file that repeats what was done: every choice resolved, steps that were not done turned off.

A choice that follows the cluster would follow another cluster, or tomorrow's, differently. So adjustments are written
with their values, nodes by name or all, and what an answers file cannot repeat is a comment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.answers_file import complete_answers
from wizard.choices.answers import ClusterChoice, ManifestChoice, NodesChoice, PolicyChoice, TemplateChoice
from wizard.engine.coder import EnableTemplates, UploadPolicy
from wizard.engine.executor import RunOutcome
from wizard.plan.actions import ApplyObject, SetLabels
from wizard.plan.derive import Plan
from wizard.text.counting import counted, named
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.session.session import Session


def resolved_answers(
    plan: Plan,
    outcome: RunOutcome | None = None,
    *,
    kubeconfig: str | None = None,
    policy: PolicyChoice | None = None,
    template: TemplateChoice | None = None,
    disrupted: bool = False,
    notes: Sequence[str] = (),
) -> str:
    """Returns the text of an answers file that repeats what was done, on this or another cluster.

    ``outcome`` is what became of the work, and ``plan`` the plan of now, made after it; without an outcome nothing was
    done yet, and the file does what the plan says. ``kubeconfig`` is the file that was used, ``policy`` and
    ``template`` replace the choices about these files. ``disrupted`` says that someone agreed to take FUSE from nodes.
    ``notes`` are what else an answers file cannot repeat.
    """
    steps = _Steps(plan, outcome)
    answers = plan.judgement.answers
    identity = plan.judgement.facts.identity
    probed = bool(plan.judgement.probes) or answers.security_modules.probe
    resolved = replace(
        answers,
        # A sandbox exists only once: the file is for the next one, or for a cluster.
        cluster=ClusterChoice() if identity.sandbox else _cluster(plan, kubeconfig),
        security_modules=replace(answers.security_modules, probe=probed),
        manifest=replace(_manifest(plan), apply=steps.applied),
        nodes=steps.nodes,
        allow_disruption=answers.allow_disruption or disrupted,
        policy=policy or steps.policy,
        template=template or steps.template,
        coder=replace(
            answers.coder,
            url=steps.coder_url,
            enable_templates=steps.enables_templates,
            upload=steps.uploads,
        ),
        verify=replace(answers.verify, run=steps.verified),
    )
    header = [f"The choices of podman-wizard on {identity.words}." if identity.server else "The choices of a run."]
    comments = [*header, *(("This file does not repeat:", *lines) if (lines := [*steps.notes, *notes]) else ())]
    return "".join(f"# {printable(line)}\n" for line in comments) + complete_answers(resolved)


def outcome_of(session: Session) -> RunOutcome:
    """Returns what was done in a session, step by step, as one outcome."""
    return RunOutcome(
        outcomes=session.applied.outcomes if session.applied else (),
        labelled=session.labelled,
        rollout=session.rollout,
        comparison=session.comparison,
        proofs=session.proofs,
        policy=Path(session.policy_saved) if session.policy_saved else None,
        template=Path(session.template_saved) if session.template_saved else None,
        pushed=session.pushed,
        coder=session.in_coder,
        is_v2=session.coder_is_v2,
    )


def _cluster(plan: Plan, kubeconfig: str | None) -> ClusterChoice:
    chosen = plan.judgement.answers.cluster
    file = kubeconfig or chosen.kubeconfig
    path = str(Path(file).expanduser().absolute()) if file else None
    return ClusterChoice(kubeconfig=path, context=plan.judgement.facts.identity.context or chosen.context)


def _manifest(plan: Plan) -> ManifestChoice:
    """Returns every adjustment that is on with its value, and every one that is off although it would be on.

    The guide's preset is kept: with it, everything that is not set is off, on every cluster.
    """
    settings: Mapping[str, str | int | bool] = {
        one.id: True if one.value_kind == "switch" else one.value for one in plan.rendering.switches if one.on
    }
    if plan.judgement.answers.manifest.preset == "guide":
        return ManifestChoice(preset="guide", set=settings)
    left_out = tuple(one.id for one in plan.rendering.switches if not one.on and one.needed)
    return ManifestChoice(set=settings, without=left_out)


@dataclass(frozen=True)
class _Steps:
    """What was done of a plan, or what the plan says if nothing was."""

    plan: Plan
    outcome: RunOutcome | None

    @property
    def applied(self) -> bool:
        """Tells whether the manifest was applied, or the cluster has it already."""
        if self.outcome is None:
            return self.plan.judgement.answers.manifest.apply
        left = any(isinstance(action, ApplyObject) for action in self.plan.actions)
        asked = self.plan.stage == "asked" and self.plan.judgement.answers.manifest.apply
        return bool(self.outcome.applied) or (asked and not left)

    @property
    def nodes(self) -> NodesChoice:
        """The nodes that have the label now, by name or all; or the selection, without a label."""
        choice = self.plan.judgement.answers.nodes
        names = tuple(verdict.node.name for verdict in self.plan.chosen)
        if self.outcome is None:
            return NodesChoice(all=False, names=names, label=choice.label) if names and not choice.all else choice
        late = {name for action in self.plan.actions if isinstance(action, SetLabels) for name in action.names}
        late |= set(self.plan.judgement.to_label)
        have = tuple(name for name in names if name not in late)
        if not late and names:
            return NodesChoice() if choice.all else NodesChoice(all=False, names=names)
        if self._labelled_here and have:
            return NodesChoice(all=False, names=have)
        return replace(choice, label=False) if choice.all else NodesChoice(all=False, names=names, label=False)

    @property
    def _labelled_here(self) -> bool:
        return bool(self.outcome and self.outcome.labelled and self.outcome.labelled.done and not self.outcome.unlabels)

    @property
    def policy(self) -> PolicyChoice | None:
        """The policy that was written; its paths are absolute, so that they count from anywhere."""
        choice = self.plan.judgement.answers.policy
        if self.outcome is not None:
            if self.outcome.policy is None:
                return None
            choice = replace(choice or PolicyChoice(file=str(self.outcome.policy)), output=str(self.outcome.policy))
        if choice is None:
            return None
        return replace(choice, file=_absolute(choice.file), output=_absolute(choice.output))

    @property
    def template(self) -> TemplateChoice | None:
        """The template that was chosen; its paths are absolute, so that they count from anywhere."""
        choice = self.plan.judgement.answers.template
        if choice is None:
            return None
        return replace(choice, file=_absolute(choice.file), output=_absolute(choice.output))

    @property
    def coder_url(self) -> str | None:
        """The deployment."""
        url = self.outcome.coder.url if self.outcome is not None else ""
        return url or self.plan.judgement.answers.coder.url

    @property
    def enables_templates(self) -> bool:
        """Tells whether workspace templates were enabled."""
        if self.outcome is None:
            return any(isinstance(action, EnableTemplates) for action in self.plan.actions)
        return self.outcome.coder.enabled is not None

    @property
    def uploads(self) -> bool:
        """Tells whether the policy was uploaded."""
        if self.outcome is None:
            return any(isinstance(action, UploadPolicy) for action in self.plan.actions)
        return self.outcome.coder.uploaded is not None

    @property
    def verified(self) -> bool:
        """Tells whether Podman was tested."""
        if self.outcome is None:
            return self.plan.judgement.answers.verify.run
        return bool(self.outcome.proofs)

    @property
    def notes(self) -> Sequence[str]:
        """What an answers file cannot repeat."""
        if self.outcome is None:
            return ()
        lines = [f"  {item.name} was not changed: {item.reason}" for item in self.outcome.failing]
        if self.outcome.unlabels and self.outcome.labelled:
            removed = self.outcome.labelled.done
            lines.append(f"  The label was removed from {counted(len(removed), 'node')}: {named(removed)}")
        coder = self.outcome.coder
        if coder.uploaded is not None and self.outcome.policy is None:
            lines.append(
                f"  {coder.policy or 'A policy'} was uploaded unchanged; a run writes and uploads a merged one."
            )
        kept = [one for one in self.plan.judgement.departures if self._skips(one.kind)]
        lines += [
            f"  {one.title} is skipped: {one.tool} manages it, and its repository has its changes." for one in kept
        ]
        return lines

    def _skips(self, kind: str) -> bool:
        return self.plan.judgement.answers.ownership.skips(kind)


def _absolute(path: str | None) -> str | None:
    return str(Path(path).expanduser().absolute()) if path else None
