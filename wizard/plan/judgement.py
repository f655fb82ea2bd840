"""What follows from one reading of the cluster and the choices: each part is computed once, and only here.

A reading has the facts and what follows from them alone. A judgement adds the choices, what probe pods saw, and what
the server answered to a dry run. ``changed`` carries over every part whose inputs stay equal, so that an
acknowledgement does not judge five thousand nodes again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from wizard.choices.answers import Answers, NodesChoice
from wizard.errors import WizardError
from wizard.facts.changes import changes_between, counts
from wizard.facts.cluster import ClusterFacts, KubernetesObject
from wizard.facts.differences import FieldOwner
from wizard.facts.full_nodes import RunningPod
from wizard.facts.live import Live
from wizard.facts.objects import ObjectRef, leaves
from wizard.finding import Finding
from wizard.findings.needs_fuse import Measured
from wizard.findings.prerequisites import Situation, judge_prerequisites
from wizard.findings.security_modules import Probe, judge_security_modules
from wizard.manifest import Basis, Rendering, attribution, devices_in, render, selects_every_node
from wizard.manifest.forecast import Comparison, ForecastRow, compare, displaced_pods, forecast
from wizard.manifest.gitops import keeper_of
from wizard.manifest.ownership import (
    Contest,
    Departure,
    contests,
    foreign_fields,
    gitops_departures,
    objects_as_decided,
)
from wizard.names import NODE_LABEL
from wizard.nodes.verdicts import NodeVerdict, choose, judge

if TYPE_CHECKING:
    from wizard.manifest.asking import ObjectCheck

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """One reading of the cluster, with everything that follows from facts alone; make it with ``of``.

    ``live`` has the guide's objects that exist, by kind. ``offering`` names the nodes on which workspaces get FUSE
    now: they advertise devices, or their device manager pod is ready.
    """

    facts: ClusterFacts
    verdicts: tuple[NodeVerdict, ...]
    live: Mapping[str, Live]
    offering: frozenset[str]

    @classmethod
    def of(cls, facts: ClusterFacts) -> Reading:
        """Judges every node, once."""
        verdicts = tuple(map(judge, facts.nodes or ()))
        live = {kind: Live.of(item, keeper=keeper_of(item)) for kind, item in facts.objects.items()}
        offering = {verdict.node.name for verdict in verdicts if verdict.node.fuse_devices}
        ready = {str(pod.get("spec", {}).get("nodeName")) for pod in facts.plugin_pods if _is_ready(pod)}
        return cls(facts, verdicts, live, frozenset(offering | ready))

    @cached_property
    def by_name(self) -> Mapping[str, NodeVerdict]:
        """The verdicts by the name of their node."""
        return {verdict.node.name: verdict for verdict in self.verdicts}


def _is_ready(pod: KubernetesObject) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


class part(cached_property[T], Generic[T]):  # noqa: N801 - it is used as a decorator
    """A part of a judgement: computed when it is first read. ``inputs`` name what it is computed from."""

    def __init__(self, inputs: Sequence[str], function: Callable[[Any], T]) -> None:
        super().__init__(function)
        self.inputs = tuple(inputs)


def from_inputs(*inputs: str) -> Callable[[Callable[[Any], T]], part[T]]:
    """Declares a part of a judgement: of the reading, and of these answers, ``probes``, ``checks``, or ``measured``."""

    def declare(function: Callable[[Any], T]) -> part[T]:
        return part(inputs, function)

    return declare


_NEW_LEVEL: Final = re.compile(r'violate the new PodSecurity enforce level "(\w+):')
"""The API server's warning for a namespace whose pods a stricter level forbids."""

OBJECT_INPUTS: Final = ("nodes", "manifest", "ownership", "checks")


@dataclass(frozen=True)
class Judgement:
    """What follows from a reading, the choices, the probes, and the server's answers.

    ``checks`` are the answers to a dry run of ``rendering``, object by object; empty before the server was asked.
    """

    reading: Reading
    answers: Answers
    probes: tuple[Probe, ...] = ()
    checks: tuple[ObjectCheck, ...] = ()
    measured: tuple[Measured, ...] = ()
    """What the Podman test found about the need for FUSE."""

    @property
    def facts(self) -> ClusterFacts:
        """The facts that were read."""
        return self.reading.facts

    @property
    def verdicts(self) -> tuple[NodeVerdict, ...]:
        """Every node, judged, in the cluster's order."""
        return self.reading.verdicts

    def changed(
        self,
        *,
        answers: Answers | None = None,
        probes: tuple[Probe, ...] | None = None,
        checks: tuple[ObjectCheck, ...] | None = None,
        measured: tuple[Measured, ...] | None = None,
    ) -> Judgement:
        """Returns the judgement with other inputs; parts whose inputs are equal are carried over.

        The server's answers count only for what was asked: other objects or decisions drop them.
        """
        new = replace(
            self,
            answers=self.answers if answers is None else answers,
            probes=self.probes if probes is None else probes,
            checks=self.checks if checks is None else checks,
            measured=self.measured if measured is None else measured,
        )
        self._carry_over(new)
        if checks is None and self.checks and not asks_the_same(self, new):
            new = replace(new, checks=())
            self._carry_over(new)
        return new

    def _carry_over(self, new: Judgement) -> None:
        for name, one in PARTS.items():
            if name in self.__dict__ and all(_input(self, item) == _input(new, item) for item in one.inputs):
                new.__dict__[name] = self.__dict__[name]

    def evaluate(self) -> None:
        """Computes every part, in the caller's thread; raises InputError or UsageError if choices do not fit."""
        for name in PARTS:
            getattr(self, name)

    # Nodes and manifest ---------------------------------------------------------------------------------------

    @from_inputs("nodes")
    def chosen(self) -> tuple[NodeVerdict, ...]:
        """The nodes that the choices select."""
        return choose(self.reading.verdicts, self.answers.nodes, listed=self.facts.nodes is not None)

    @from_inputs("nodes", "manifest", "ownership")
    def expected(self) -> tuple[str, ...]:
        """The names of the selected nodes that have the label or get it, for which the rollout waits."""
        every = self.answers.nodes.label or selects_every_node(self.rendering.objects)
        return tuple(
            verdict.node.name
            for verdict in self.chosen
            if (every and not self._leaves_label(verdict)) or verdict.node.labelled
        )

    @from_inputs("nodes", "manifest", "ownership")
    def rendering(self) -> Rendering:
        """The manifest with its adjustments."""
        return render(self._basis(self.chosen), self.answers.manifest, self.answers.ownership)

    def _basis(self, chosen: Sequence[NodeVerdict]) -> Basis:
        return Basis(self.facts, self.verdicts, chosen, self.reading.live)

    @from_inputs("nodes", "manifest", "ownership")
    def attributed(self) -> Mapping[str, str]:
        """By kind and path of a field, the adjustment that sets or removes it."""
        return attribution(self.rendering)

    @from_inputs("nodes", "manifest", "ownership")
    def written(self) -> frozenset[str]:
        """By kind and path, the fields that the manifest sets, and those that were there before."""
        items = (*self.rendering.objects, *(one.object for one in self.reading.live.values()))
        return frozenset(f"{item['kind']} {path}" for item in items for path, _ in leaves(item))

    def attribute(self, ref: ObjectRef, path: str) -> str:
        """Returns what asks for a change: an adjustment, "guide", or "server" for its defaults and its admission."""
        key = f"{ref.kind} {path}"
        return self.attributed.get(key) or ("guide" if key in self.written else "server")

    @from_inputs("nodes", "manifest", "ownership")
    def to_label(self) -> tuple[str, ...]:
        """The selected nodes that lack the label; none if the DaemonSet has no node selector."""
        if selects_every_node(self.rendering.objects):
            return ()
        return tuple(
            verdict.node.name
            for verdict in self.chosen
            if not verdict.node.labelled and not self._leaves_label(verdict)
        )

    def _leaves_label(self, verdict: NodeVerdict) -> bool:
        """Tells whether the node keeps another value of the label, as decided."""
        other = NODE_LABEL in verdict.node.labels and not verdict.node.labelled
        return other and self.answers.ownership.default == "leave" and not selects_every_node(self.rendering.objects)

    @from_inputs("nodes", "manifest", "ownership")
    def labels_before(self) -> tuple[tuple[str, str | None], ...]:
        """The value that the guide's label has on each node that gets it; None if it has none, or is not known."""
        known = self.reading.by_name
        return tuple(
            (name, known[name].node.labels.get(NODE_LABEL) if name in known else None) for name in self.to_label
        )

    # Objects as the server would leave them -------------------------------------------------------------------

    @from_inputs(*OBJECT_INPUTS)
    def objects(self) -> tuple[KubernetesObject, ...]:
        """The objects as the apply leaves them: the server's answer where there is one, else a local merge.

        If the manifest is left out, they are the live objects.
        """
        if not self.answers.manifest.apply:
            return tuple(one.object for one in self.reading.live.values())
        merged = objects_as_decided(self.rendering.objects, self.reading.live, self.answers.ownership)
        answered = {check.ref.kind: check.after for check in self.checks if check.after is not None}
        return tuple(answered.get(item["kind"], item) for item in merged)

    @from_inputs(*OBJECT_INPUTS)
    def conflicts(self) -> tuple[Contest, ...]:
        """The fields that other managers own with another value, as the server found them."""
        return contests(self.checks)

    @from_inputs("nodes", "manifest", "ownership")
    def departures(self) -> tuple[Departure, ...]:
        """What the plan would change in objects that a GitOps tool keeps."""
        return gitops_departures(self.rendering.objects, self.facts.objects)

    @from_inputs(*OBJECT_INPUTS)
    def forecast(self) -> tuple[ForecastRow, ...]:
        """Which nodes get a pod once the objects are applied and the selected nodes are labelled, and why not."""
        nodes = self.verdicts or self.chosen
        return forecast(self.facts, nodes, set(self.expected), self.objects, level=self.level)

    @from_inputs(*OBJECT_INPUTS)
    def displaced(self) -> Mapping[str, tuple[RunningPod, ...] | None]:
        """By node that gets a pod in the plan, the running pods that it displaces; None: not known which."""
        getting = {name for row in self.forecast if row.gets_pod for name in row.nodes}
        return displaced_pods(self.facts, self.objects, getting)

    @from_inputs("checks")
    def level(self) -> str:
        """The Pod Security level that the server would enforce from now on; "" if it did not say so.

        A label that is removed leaves the namespace to the cluster's default, which only the server knows: its dry
        run warns of the pods that the new level forbids.
        """
        said = (found for check in self.checks for warning in check.warnings if (found := _NEW_LEVEL.search(warning)))
        return next((found[1] for found in said), "")

    @from_inputs(*OBJECT_INPUTS)
    def expectations(self) -> tuple[Comparison, ...]:
        """The forecast for the selected nodes alone, as the rollout will be held against it."""
        return compare(self.forecast, self.expected)

    @from_inputs(*OBJECT_INPUTS)
    def losing(self) -> tuple[str, ...]:
        """The nodes that offer FUSE and get no pod any more, if the whole plan is carried out."""
        return self._losing(self.forecast)

    @from_inputs(*OBJECT_INPUTS)
    def losing_by_apply(self) -> tuple[str, ...]:
        """The same if the objects are applied and no node is labelled."""
        if not self.reading.offering:
            return ()
        nodes = self.verdicts or self.chosen
        return self._losing(forecast(self.facts, nodes, set(), self.objects, level=self.level))

    def _losing(self, rows: Sequence[ForecastRow]) -> tuple[str, ...]:
        without = {name for row in rows if not row.gets_pod for name in row.nodes} & self.reading.offering
        if not without:
            return ()
        # A node that offers FUSE although the live objects would give it no pod (a taint that came later) is not
        # lost by this plan.
        live = tuple(one.object for one in self.reading.live.values())
        now = forecast(self.facts, self.verdicts or self.chosen, set(), live)
        kept = {name for row in now if row.gets_pod for name in row.nodes}
        return tuple(name for name in self.reading.by_name if name in without & kept)

    @from_inputs(*OBJECT_INPUTS)
    def devices(self) -> int | None:
        """The number of FUSE devices that a node advertises once the objects are applied; None if it is not known."""
        return devices_in(next((item for item in self.objects if item["kind"] == "ConfigMap"), None))

    @from_inputs(*OBJECT_INPUTS)
    def late(self) -> tuple[str, ...]:
        """The expected nodes that do not advertise that number yet."""
        return tuple(name for name in self.expected if not self._is_settled(name))

    def _is_settled(self, name: str) -> bool:
        verdict = self.reading.by_name.get(name)
        advertised = verdict.node.fuse_devices if verdict is not None else 0
        return advertised == self.devices if self.devices is not None else advertised > 0

    # Findings -------------------------------------------------------------------------------------------------

    @from_inputs(*OBJECT_INPUTS)
    def changing(self) -> frozenset[str]:
        """The kinds of the objects that the plan would change; if the server was not asked, by comparing locally."""
        if not self.answers.manifest.apply:
            return frozenset()
        found = set()
        objects = {item["kind"]: item for item in self.objects}
        checks = {check.ref.kind: check for check in self.checks}
        for item in self.rendering.objects:
            kind, live, check = item["kind"], self.reading.live.get(item["kind"]), checks.get(item["kind"])
            if self.answers.ownership.skips(kind):
                continue
            if check is not None and check.after is not None:
                changes = check.change in ("create", "configure", "conflict")
            else:
                changes = live is None or counts(changes_between(live.ref, live.object, objects[kind]))
            if changes:
                found.add(kind)
        return frozenset(found)

    @from_inputs(*OBJECT_INPUTS)
    def foreign(self) -> tuple[FieldOwner, ...]:
        """The fields of the manifest that other managers own with another value, each named with its object."""
        if self.checks:
            return tuple(
                FieldOwner(one.key, manager, "", one.time) for one in self.conflicts for manager in one.managers
            )
        return tuple(
            replace(owner, path=f"{item['kind']} {owner.path}")
            for item in self.rendering.objects
            if (live := self.reading.live.get(item["kind"])) is not None
            for owner in foreign_fields(live, item)
        )

    @from_inputs(*OBJECT_INPUTS, "security_modules.probe", "verify", "measured")
    def prerequisites(self) -> tuple[Finding, ...]:
        """The findings of the first step; a selection that does not fit the cluster is one of them."""
        try:
            _ = self.chosen
        except WizardError as misfit:
            none = replace(self, answers=replace(self.answers, nodes=NodesChoice(all=False)))
            return none._findings(str(misfit))
        return self._findings("")

    def _findings(self, selection_error: str) -> tuple[Finding, ...]:
        selector = self.rendering.switch("no-node-selector").on
        refusals = [check.pod_refusal for check in self.checks if check.pod_refusal is not None]
        situation = Situation(
            # The pod that is planned counts more than the one that is there, or the guide's.
            facts=replace(self.facts, pod_refusal=refusals[0]) if refusals else self.facts,
            answers=self.answers,
            verdicts=self.verdicts,
            chosen=self.chosen,
            rendering=self.rendering,
            objects=self.objects,
            foreign=self.foreign,
            expected_pods=replace(self._basis(self.chosen), everywhere=selector).expected_pods,
            changing=self.changing,
            labelling=bool(self.to_label),
            selection_error=selection_error,
            measured=self.measured,
        )
        return judge_prerequisites(situation)

    @from_inputs("probes")
    def security_modules(self) -> tuple[Finding, ...]:
        """The findings of the second step, one for each node type."""
        return judge_security_modules(None if self.facts.nodes is None else self.verdicts, self.probes)


PARTS: Final[Mapping[str, part[Any]]] = {name: one for name, one in vars(Judgement).items() if isinstance(one, part)}


def _input(judgement: Judgement, name: str) -> Any:
    if name in ("probes", "checks", "measured"):
        return getattr(judgement, name)
    return attrgetter(name)(judgement.answers)


def asks_the_same(old: Judgement, new: Judgement) -> bool:
    """Tells whether the server's answers to the old judgement are answers to the new one."""
    return old.answers.ownership == new.answers.ownership and old.rendering.objects == new.rendering.objects
