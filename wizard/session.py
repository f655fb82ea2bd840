"""One person's walk through the steps: the facts, the choices made so far, and what follows from both.

The screens and the plain mode show a session and change it; they judge nothing themselves. A session is
plain data and pure functions; the engine (wizard.engine) reads facts into it and executes what it plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from wizard.answers import Answers, Decision, ManifestChoice, NodesChoice, OwnershipChoice, SecurityModulesChoice
from wizard.coder.actions import InCoder
from wizard.engine import ApplyOutcome
from wizard.facts import ClusterFacts
from wizard.findings import Finding, Outcome, blockers
from wizard.forecast import Comparison, ForecastRow, compare
from wizard.manifest import Rendering, render
from wizard.names import PROBE_NAMESPACE
from wizard.nodes import NodeVerdict, choose, judge
from wizard.ownership import Departure, gitops_departures
from wizard.plan import forecast_as_decided, label_nodes, selects_every_node
from wizard.prerequisites import judge_prerequisites
from wizard.security_modules import Probe, judge_security_modules
from wizard.steps import STEPS as STEPS
from wizard.steps import StepId as StepId
from wizard.steps import StepState as StepState
from wizard.verification import guide_test

if TYPE_CHECKING:
    from wizard.cluster import ObjectCheck
    from wizard.labels import LabelResult
    from wizard.prove import Proof
    from wizard.rollout import RolloutResult


@dataclass(frozen=True)
class Judgement:
    """What follows from facts and choices; made anew whenever either changes, each part when it is asked for."""

    facts: ClusterFacts
    answers: Answers
    probes: tuple[Probe, ...] = ()

    @cached_property
    def verdicts(self) -> tuple[NodeVerdict, ...]:
        """Every node, judged, in the cluster's order."""
        return tuple(judge(node) for node in self.facts.nodes or ())

    @cached_property
    def chosen(self) -> tuple[NodeVerdict, ...]:
        """The nodes that the choices mean."""
        return choose(self.facts, self.answers.nodes)

    @cached_property
    def rendering(self) -> Rendering:
        """The manifest with its adjustments."""
        return render(self.facts, self.chosen, self.answers.manifest)

    @cached_property
    def forecast(self) -> tuple[ForecastRow, ...]:
        """Which of the chosen nodes will get a pod, and why not."""
        return forecast_as_decided(self.facts, self.chosen, self.rendering, self.answers.ownership)

    @cached_property
    def expectations(self) -> tuple[Comparison, ...]:
        """The forecast for the chosen nodes alone, as the rollout will be held against it."""
        return compare(self.forecast, self.expected)

    @cached_property
    def departures(self) -> tuple[Departure, ...]:
        """What the plan would change in objects that a GitOps tool owns."""
        return gitops_departures(self.rendering.objects, self.facts.objects)

    @cached_property
    def prerequisites(self) -> tuple[Finding, ...]:
        """The findings of the first step."""
        return judge_prerequisites(self.facts, self.answers)

    @cached_property
    def security_modules(self) -> tuple[Finding, ...]:
        """The findings of the second step, one a group of like nodes."""
        return judge_security_modules(self.facts, self.probes)

    @cached_property
    def to_label(self) -> tuple[str, ...]:
        """The chosen nodes that lack the label; none where the daemon set has no node selector."""
        if selects_every_node(self.rendering):
            return ()
        action = label_nodes(self.chosen)
        return action.nodes if action else ()

    def evaluate(self) -> None:
        """Makes every part now, in the caller's thread; raises InputError or UsageError where choices do not fit."""
        _ = (self.prerequisites, self.security_modules, self.to_label, self.expected, self.verdicts)
        _ = (self.forecast, self.departures)

    @cached_property
    def expected(self) -> tuple[str, ...]:
        """The nodes that the rollout is waited for."""
        return tuple(verdict.node.name for verdict in self.chosen)


@dataclass
class Session:
    """What one walk holds. ``judgement`` is None until facts were read."""

    answers: Answers = field(default_factory=Answers)
    judgement: Judgement | None = None
    checks: tuple[ObjectCheck, ...] = ()
    applied: ApplyOutcome | None = None
    labelled: LabelResult | None = None
    rollout: RolloutResult | None = None
    comparison: tuple[Comparison, ...] = ()
    """What the last rollout was forecast to be, and what happened; empty once other choices have been made."""
    policy_saved: str | None = None
    proofs: tuple[Proof, ...] = ()
    """What Podman said on each kind of node, where it was asked."""
    in_coder: InCoder = field(default_factory=InCoder)
    coder_is_v2: bool = False
    """Whether the Coder that answered is a v2, which has no template policy."""
    ticks: set[str] = field(default_factory=set)
    read_only: str = ""
    """Why nothing may be changed here ("" where it may): missing rights, or a second wizard."""

    @property
    def facts(self) -> ClusterFacts | None:
        """The facts that the judgement is made from."""
        return self.judgement.facts if self.judgement else None

    def take_facts(self, facts: ClusterFacts) -> None:
        """Judges anew from fresh facts; what was checked before them no longer counts.

        Where a judgement is seen, all of it is made: whoever draws it has no time to.
        """
        probes = self.judgement.probes if self.judgement else ()
        judgement = Judgement(facts, self.answers, probes)
        judgement.evaluate()
        self.judgement = judgement
        self.checks = ()

    def take_probes(self, probes: tuple[Probe, ...]) -> None:
        """Judges anew from what probe pods saw."""
        if self.judgement:
            judgement = replace(self.judgement, probes=probes)
            judgement.evaluate()
            self.judgement = judgement

    def choose(self, answers: Answers) -> None:
        """Takes changed choices; raises InputError or UsageError, and keeps the old ones, where they do not fit."""
        if self.judgement:
            judgement = replace(self.judgement, answers=answers)
            if answers.nodes != self.answers.nodes or answers.manifest != self.answers.manifest:
                _ = judgement.rendering
                self.checks, self.comparison = (), ()
            elif answers.ownership != self.answers.ownership:
                self.checks = ()
            if answers.nodes == self.answers.nodes:
                # Five thousand verdicts do not change with an acknowledgement.
                judgement.__dict__["verdicts"] = self.judgement.verdicts
                judgement.__dict__["chosen"] = self.judgement.chosen
            judgement.evaluate()
            self.judgement = judgement
        self.answers = answers

    def take_rollout(self, result: RolloutResult, forecast: Iterable[ForecastRow]) -> None:
        """Keeps how a rollout ended, beside what was forecast before it."""
        self.rollout, self.comparison = result, compare(forecast, result.nodes, result)

    def choose_nodes(self, names: tuple[str, ...] | None) -> None:
        """Chooses nodes by name; None means every node that qualifies."""
        choice = NodesChoice() if names is None else NodesChoice(all=False, names=names)
        self.choose(replace(self.answers, nodes=choice))

    def switch(self, adjustment: str, on: bool, value: str | int | None = None) -> None:
        """Switches an adjustment of the manifest on (with a value of its own, if given) or off."""
        choice = self.answers.manifest
        settings: Mapping[str, str | int | bool] = {k: v for k, v in choice.set.items() if k != adjustment}
        without = tuple(item for item in choice.without if item != adjustment)
        if on:
            settings = {**settings, adjustment: True if value is None else value}
        else:
            without = (*without, adjustment)
        manifest = ManifestChoice(preset=choice.preset, set=settings, without=without)
        self.choose(replace(self.answers, manifest=manifest))

    def decide(self, what: str, decision: Decision) -> None:
        """Decides about a field of others, or a whole object (then what was decided about its fields is void)."""
        choice = self.answers.ownership
        kind, _, path = what.partition(" ")
        if path:
            # An object that was to be skipped is to be applied after all.
            kept = {key: value for key, value in choice.decided.items() if (key, value) != (kind, "skip")}
        else:
            kept = {key: value for key, value in choice.decided.items() if key.partition(" ")[0] != kind}
        self.choose(replace(self.answers, ownership=OwnershipChoice(choice.default, {**kept, what: decision})))

    def undecide(self, kind: str) -> None:
        """Forgets what was decided about an object and its fields."""
        choice = self.answers.ownership
        kept = {key: value for key, value in choice.decided.items() if key.partition(" ")[0] != kind}
        self.choose(replace(self.answers, ownership=OwnershipChoice(choice.default, kept)))

    def leave_to_repository(self, departures: Iterable[Departure]) -> None:
        """Skips these objects: what changes in them goes into the repository of the tool that owns them."""
        for one in departures:
            self.decide(one.kind, "skip")

    def acknowledge(self, acknowledged: bool) -> None:
        """Keeps whether the person has read the warnings about security modules and decides for the cluster."""
        choice = SecurityModulesChoice(acknowledged=acknowledged, probe=self.answers.security_modules.probe)
        self.choose(replace(self.answers, security_modules=choice))

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether there are warnings about security modules that nobody has acknowledged yet."""
        return (
            self.judgement is not None
            and not self.answers.security_modules.acknowledged
            and any(finding.outcome is Outcome.WARNING for finding in self.judgement.security_modules)
        )

    def may_act(self) -> str:
        """Why nothing may be applied or labelled now; "" where it may."""
        if self.judgement is None:
            return "The cluster has not been read yet."
        if self.read_only:
            return self.read_only
        stopping = blockers(self.judgement.prerequisites)
        if stopping:
            return f"Prerequisites: {stopping[0].title}"
        if self.needs_acknowledgement:
            return "Acknowledge the warnings in Security modules first."
        return ""

    def pods_offered(self) -> tuple[str, ...]:
        """The namespaces where a person may have short pods run, whether or not the choices say so."""
        return (PROBE_NAMESPACE, self.answers.verify.namespace)

    def may_send_pods(self, namespace: str) -> str:
        """Why no short pods may be sent to this namespace now; "" where they may.

        They look for themselves and go again: they want neither the acknowledgement nor the rights of the plan.
        """
        if self.judgement is None:
            return "The cluster has not been read yet."
        if self.read_only:
            return self.read_only
        pods = [one for one in self.judgement.facts.missing_rights((namespace,)) if one.purpose == "pods"]
        if pods:
            return f"You lack rights that the pods take: {', '.join(map(str, pods))}."
        return ""

    @property
    def cannot_change(self) -> bool:
        """Whether nothing of the plan may be changed from here: a right is missing, or another wizard is at work."""
        return bool(self.read_only) or any(
            finding.id == "rbac.plan" and finding.outcome is Outcome.BLOCKER
            for finding in (self.judgement.prerequisites if self.judgement else ())
        )

    @property
    def is_applied(self) -> bool:
        """Whether the cluster has every object as it would be applied, by the server's own dry run."""
        return bool(self.checks) and all(check.change == "unchanged" for check in self.checks)

    @property
    def has_device_manager(self) -> bool:
        """Whether the cluster had the daemon set when it was read."""
        return self.facts is not None and "DaemonSet" in self.facts.objects

    @property
    def offers_fuse(self) -> bool:
        """Whether each chosen node had the label and offered FUSE devices when the cluster was read."""
        chosen = self.judgement.chosen if self.judgement is not None else ()
        return bool(chosen) and all(verdict.node.labelled and verdict.node.fuse_devices for verdict in chosen)

    def step_states(self) -> dict[StepId, StepState]:
        """The mark of each step in the side list: done, wants attention, blocked, or nothing yet."""
        states: dict[StepId, StepState] = {step: "" for step, _ in STEPS}
        if self.judgement is None:
            return states
        states["prerequisites"] = "blocked" if blockers(self.judgement.prerequisites) else "ok"
        states["security-modules"] = "!" if self.needs_acknowledgement else "ok"
        if self.applied:
            states["manifest"] = "!" if self.applied.failed or self.applied.left else "ok"
        elif self.is_applied:
            states["manifest"] = "ok"
        if self.rollout:
            states["nodes"] = "ok" if self.rollout.ready >= self.rollout.desired else "!"
        elif self.labelled:
            states["nodes"] = "!" if self.labelled.failed or self.labelled.cancelled else "ok"
        elif self.offers_fuse:
            states["nodes"] = "ok"
        if self.policy_saved or self.in_coder.uploaded:
            states["policy"] = "ok"
        if self.proofs:
            states["verify"] = "ok" if all(proof.ok for proof in self.proofs) else "!"
        elif {step.id for step in guide_test()} <= self.ticks:
            states["verify"] = "ok"
        return states
