"""A session of one user in the steps: the facts, the choices made so far, and what follows from both.

The screens and plain mode show a session and change it; they decide nothing themselves. A session is
plain data and pure functions; the engine (wizard.engine.engine) reads the facts and executes the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.choices.answers import Answers, Decision, NodesChoice, OwnershipChoice, SecurityModulesChoice
from wizard.engine.coder import InCoder
from wizard.engine.executor import RunOutcome
from wizard.facts.cluster import ClusterFacts
from wizard.finding import Outcome, blockers
from wizard.findings.security_modules import Probe
from wizard.findings.verification import guide_test
from wizard.manifest import Switch
from wizard.manifest.forecast import Comparison
from wizard.manifest.ownership import Departure
from wizard.names import PROBE_NAMESPACE
from wizard.nodes.verdicts import vanished
from wizard.plan.actions import ApplyObject
from wizard.plan.derive import Plan, derive
from wizard.plan.gates import closed
from wizard.plan.judgement import Judgement, Reading, asks_the_same
from wizard.steps import STEPS as STEPS
from wizard.steps import StepId as StepId
from wizard.steps import StepState as StepState

if TYPE_CHECKING:
    from wizard.coder.v2.pushing import Pushed
    from wizard.engine.labels import LabelResult
    from wizard.engine.podman_check import Proof
    from wizard.facts.rollout import RolloutResult
    from wizard.manifest.asking import ObjectCheck
    from wizard.plan.undo import UndoStep


@dataclass
class Session:
    """The state of one session. ``judgement`` is None until facts were read."""

    answers: Answers = field(default_factory=Answers)
    judgement: Judgement | None = None
    plan: Plan | None = None
    """The plan of the judgement; it can be carried out once the server was asked."""
    applied: RunOutcome | None = None
    """What became of the last apply."""
    labelled: LabelResult | None = None
    rollout: RolloutResult | None = None
    comparison: tuple[Comparison, ...] = ()
    """The forecast and the result of the last rollout; empty after other choices."""
    policy_saved: str | None = None
    template_saved: str | None = None
    pushed: Pushed | None = None
    """The version of a template that was pushed last."""
    proofs: tuple[Proof, ...] = ()
    """The results of the Podman test, by node type."""
    in_coder: InCoder = field(default_factory=InCoder)
    coder_is_v2: bool = False
    """Whether the deployment is Coder v2, which has no template policy."""
    ticks: set[str] = field(default_factory=set)
    read_only: str = ""
    """Why the session is read-only ("" if it is not): missing permissions, or a second wizard."""

    @property
    def facts(self) -> ClusterFacts | None:
        """The facts of the judgement."""
        return self.judgement.facts if self.judgement else None

    @property
    def checks(self) -> tuple[ObjectCheck, ...]:
        """What the server answered to a dry run of the manifest; empty while it is asked."""
        return self.judgement.checks if self.judgement else ()

    def drop_vanished(self, facts: ClusterFacts) -> tuple[str, ...]:
        """Takes nodes off the selection that existed before and no longer do; returns them.

        A name that never existed stays, because it is a mistake to report.
        """
        names = self.answers.nodes.names
        if not names or self.judgement is None or facts.nodes is None:
            return ()
        gone = vanished(names, self.judgement.facts.nodes or (), facts.nodes)
        if gone:
            self.answers = self.answers.without_nodes(gone)
        return gone

    def take_facts(self, facts: ClusterFacts) -> None:
        """Uses fresh facts; earlier dry runs no longer count."""
        self._judge(self.judged(facts))

    def judged(self, facts: ClusterFacts) -> Judgement:
        """Returns what follows from other facts with the choices of now; the server is not asked yet."""
        if self.judgement is None:
            return Judgement(Reading.of(facts), self.answers)
        known = self.judgement
        return Judgement(Reading.of(facts), self.answers, known.probes, measured=known.measured)

    def take_probes(self, probes: tuple[Probe, ...]) -> None:
        """Uses the results of probe pods."""
        if self.judgement:
            self._judge(self.judgement.changed(probes=probes))

    def take_checks(self, asked: Judgement, checks: tuple[ObjectCheck, ...]) -> None:
        """Uses what the server answered; an answer to an earlier question is dropped."""
        if self.judgement is not None and asks_the_same(asked, self.judgement):
            self._judge(self.judgement.changed(checks=checks))

    def take_plan(self, plan: Plan) -> tuple[str, ...]:
        """Uses the plan of a fresh look, for instance after something was done; returns the nodes that vanished."""
        gone = self.drop_vanished(plan.judgement.facts)
        self._judge(plan.judgement.changed(answers=self.answers))
        return gone

    def take_outcome(self, outcome: RunOutcome) -> None:
        """Keeps what became of a plan: the latest result of each step.

        Objects or labels that changed make an earlier rollout a thing of the past.
        """
        if outcome.applied or (outcome.labelled is not None and outcome.labelled.done):
            self.rollout, self.comparison = None, ()
        if outcome.of(ApplyObject):
            self.applied = outcome
        if outcome.labelled is not None:
            self.labelled = None if outcome.unlabels else outcome.labelled
        if outcome.rollout is not None:
            self.rollout, self.comparison = outcome.rollout, outcome.comparison
        if outcome.proofs:
            self.take_proofs(outcome.proofs)
        if outcome.policy is not None:
            self.policy_saved = str(outcome.policy)
        if outcome.template is not None:
            self.template_saved = str(outcome.template)
        self.pushed = outcome.pushed or self.pushed

    def take_proofs(self, proofs: tuple[Proof, ...]) -> None:
        """Keeps the results of the Podman test; what it measured counts more than what the nodes report."""
        from wizard.engine.podman_check import measured_by

        self.proofs = proofs
        if self.judgement is not None:
            self._judge(self.judgement.changed(measured=measured_by(proofs)))

    def take_undone(self, steps: Sequence[UndoStep]) -> None:
        """Forgets the results that these steps of an undo took back; other results and the choices stay."""
        for step in steps:
            if step.ref is not None or step.nodes:
                self.rollout, self.comparison, self.proofs = None, (), ()
            if step.ref is not None:
                self.applied = None
            elif step.nodes:
                self.labelled = None
            elif step.pushed is not None:
                self.pushed = None
            elif step.coder_url:
                self.in_coder = InCoder()
            elif step.path is not None:
                self._forget_file(step.path)

    def _forget_file(self, path: Path) -> None:
        if self.policy_saved is not None and Path(self.policy_saved).absolute() == path.absolute():
            self.policy_saved = None
        if self.template_saved is not None and Path(self.template_saved).absolute() == path.absolute():
            self.template_saved = None

    def _judge(self, judgement: Judgement) -> None:
        """Computes every part here, in the caller's thread: the code that draws them must be fast."""
        judgement.evaluate()
        plan = derive(judgement, read_only=self.read_only)
        _ = plan.digest
        self.judgement, self.plan = judgement, plan

    def set_read_only(self, why: str) -> None:
        """Keeps why nothing can be changed from here; "" if it can."""
        self.read_only = why
        if self.judgement is not None:
            self.plan = derive(self.judgement, read_only=why)

    def choose(self, answers: Answers) -> None:
        """Uses changed choices; if one is not possible, keeps the old ones and raises InputError or UsageError."""
        if self.judgement:
            self._judge(self.judgement.changed(answers=answers))
            if answers.nodes != self.answers.nodes or answers.manifest != self.answers.manifest:
                self.comparison = ()
        self.answers = answers

    def choose_nodes(self, names: tuple[str, ...] | None) -> None:
        """Selects nodes by name; None means every node that qualifies."""
        choice = NodesChoice() if names is None else NodesChoice(all=False, names=names)
        self.choose(replace(self.answers, nodes=choice))

    def switch(self, adjustment: str, on: bool, value: str | int | None = None) -> None:
        """Turns an adjustment of the manifest on or off; on without a value, it gets back the one that is live here."""
        choice = self.answers.manifest
        if on and value is None and self.judgement is not None:
            value = self.judgement.rendering.switch(adjustment).live or None
        settings: Mapping[str, str | int | bool] = {k: v for k, v in choice.set.items() if k != adjustment}
        without = tuple(item for item in choice.without if item != adjustment)
        if on:
            settings = {**settings, adjustment: True if value is None else value}
        else:
            without = (*without, adjustment)
        manifest = replace(choice, set=settings, without=without)
        self.choose(replace(self.answers, manifest=manifest))

    def keep_here(self, switch: Switch) -> None:
        """Keeps an adjustment as it is in the cluster, which is the default unless a preset was given."""
        choice = self.answers.manifest
        if choice.preset is not None and switch.live is not None:
            on = switch.live is not False
            self.switch(switch.id, on, None if switch.live is True else switch.live if on else None)
            return
        settings = {name: value for name, value in choice.set.items() if name != switch.id}
        without = tuple(name for name in choice.without if name != switch.id)
        self.choose(replace(self.answers, manifest=replace(choice, set=settings, without=without)))

    def decide(self, what: str, decision: Decision) -> None:
        """Decides on a conflict, or on a whole object (which discards the decisions on its fields)."""
        choice = self.answers.ownership
        kind, _, path = what.partition(" ")
        if path:
            # A decision on a field means that its object is no longer skipped.
            kept = {key: value for key, value in choice.decided.items() if (key, value) != (kind, "skip")}
        else:
            kept = {key: value for key, value in choice.decided.items() if key.partition(" ")[0] != kind}
        self.choose(replace(self.answers, ownership=OwnershipChoice(choice.default, {**kept, what: decision})))

    def undecide(self, kind: str) -> None:
        """Discards the decisions on an object and its fields."""
        choice = self.answers.ownership
        kept = {key: value for key, value in choice.decided.items() if key.partition(" ")[0] != kind}
        self.choose(replace(self.answers, ownership=OwnershipChoice(choice.default, kept)))

    def leave_to_repository(self, departures: Iterable[Departure]) -> None:
        """Skips these objects, because their changes go into the repository of the GitOps tool."""
        for one in departures:
            self.decide(one.kind, "skip")

    def acknowledge(self, acknowledged: bool) -> None:
        """Records whether the user acknowledges the security-module warnings."""
        choice = SecurityModulesChoice(acknowledged=acknowledged, probe=self.answers.security_modules.probe)
        self.choose(replace(self.answers, security_modules=choice))

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether there are security-module warnings that are not acknowledged yet."""
        return (
            self.judgement is not None
            and not self.answers.security_modules.acknowledged
            and any(finding.outcome is Outcome.WARNING for finding in self.judgement.security_modules)
        )

    def may_act(self) -> str:
        """Returns why nothing can be applied or labeled now; "" if something can.

        Conflicts, and nodes that would lose FUSE, are asked about and do not close this door by themselves.
        """
        if self.plan is None:
            return "The cluster has not been read yet."
        shut = closed(self.plan.gates, "screens", allow=("conflict", "disruption", "rejected"))
        return shut[0].words if shut else ""

    def pods_offered(self) -> tuple[str, ...]:
        """Returns the namespaces in which the user can run probe pods and test pods, whatever the choices are."""
        return (PROBE_NAMESPACE, self.answers.verify.namespace)

    def may_send_pods(self, namespace: str) -> str:
        """Returns why no probe or test pods can run in this namespace now; "" if they can.

        These pods are deleted when they finish. They need neither the acknowledgment nor the plan's permissions.
        """
        if self.judgement is None:
            return "The cluster has not been read yet."
        if self.read_only:
            return self.read_only
        pods = [one for one in self.judgement.facts.missing_rights((namespace,)) if one.purpose == "pods"]
        if pods:
            return f"You lack permissions that the pods need: {', '.join(map(str, pods))}."
        return ""

    @property
    def cannot_change(self) -> bool:
        """Whether no change is possible: a permission is missing, or another wizard is changing the cluster."""
        return bool(self.read_only) or any(
            finding.id == "rbac.plan" and finding.outcome is Outcome.BLOCKER
            for finding in (self.judgement.prerequisites if self.judgement else ())
        )

    @property
    def is_applied(self) -> bool:
        """Whether the cluster already matches the manifest: by a dry run, or without permission by reading it."""
        left = self.plan.ids("apply") if self.plan else ()
        return (
            bool(self.checks) and not left and all(one.change == "unchanged" or not one.answered for one in self.checks)
        )

    @property
    def has_device_manager(self) -> bool:
        """Whether the cluster had the DaemonSet when it was read."""
        return self.facts is not None and "DaemonSet" in self.facts.objects

    @property
    def offers_fuse(self) -> bool:
        """Whether each selected node had the label and advertised FUSE devices when the cluster was read."""
        chosen = self.judgement.chosen if self.judgement is not None else ()
        return bool(chosen) and all(verdict.node.labelled and verdict.node.fuse_devices for verdict in chosen)

    def step_states(self) -> dict[StepId, StepState]:
        """Returns the mark of each step in the step list: done, needs attention, blocked, or none yet."""
        states: dict[StepId, StepState] = {step: "" for step, _ in STEPS}
        if self.judgement is None:
            return states
        states["prerequisites"] = "blocked" if blockers(self.judgement.prerequisites) else "ok"
        states["security-modules"] = "!" if self.needs_acknowledgement else "ok"
        if self.applied and any(one.result != "done" for one in self.applied.of(ApplyObject)):
            states["manifest"] = "!"
        elif self.is_applied or (self.applied and not self.checks):
            states["manifest"] = "ok"
        if self.rollout:
            states["nodes"] = "ok" if self.rollout.ready >= self.rollout.desired else "!"
        elif self.labelled:
            states["nodes"] = "!" if self.labelled.failed or self.labelled.cancelled else "ok"
        elif self.offers_fuse:
            states["nodes"] = "ok"
        if self.policy_saved or self.in_coder.uploaded or self.template_saved or self.pushed:
            states["policy"] = "ok"
        if self.proofs:
            states["verify"] = "ok" if all(proof.ok for proof in self.proofs) else "!"
        elif {step.id for step in guide_test()} <= self.ticks:
            states["verify"] = "ok"
        return states
