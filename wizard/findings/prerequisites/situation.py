"""What the rules of all categories share: their input, their result, and common texts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from wizard.choices.answers import Answers
from wizard.facts.cluster import LEVEL_REFUSES, ClusterFacts, KubernetesObject, Unread
from wizard.facts.differences import FieldOwner
from wizard.finding import Confidence, Outcome, Remedy
from wizard.findings.needs_fuse import Measured
from wizard.manifest import Rendering, Switch
from wizard.nodes.verdicts import NodeVerdict

WANTS_QUOTA = "insufficient quota to match these scopes"
"""Part of the server's message when it rejects a pod of a priority class that requires a quota (limitedResources of
the quota plugin)."""


TITLE_WIDTH = 49
"""The columns of a title in the list on a terminal of 80 columns."""


@dataclass(frozen=True)
class Situation:
    """What the rules judge: plain data that a judgement of the cluster fills (wizard.plan.judgement).

    ``objects`` are those of the manifest as the apply would leave them, ``foreign`` the fields among them that other
    managers own with another value, ``expected_pods`` the number of nodes that get a pod. ``changing`` are the kinds
    of the objects that the plan would change, ``labelling`` tells whether nodes lack the label. ``selection_error``
    says which selected nodes do not exist; then none is selected. ``measured`` is what the Podman test found.
    """

    facts: ClusterFacts
    answers: Answers
    verdicts: Sequence[NodeVerdict]
    chosen: Sequence[NodeVerdict]
    rendering: Rendering
    objects: Sequence[KubernetesObject]
    foreign: Sequence[FieldOwner]
    expected_pods: int
    changing: Collection[str]
    labelling: bool
    selection_error: str = ""
    measured: Sequence[Measured] = ()

    @cached_property
    def concerned(self) -> frozenset[str]:
        """The names of the nodes that are selected or already labeled."""
        labelled = {verdict.node.name for verdict in self.verdicts if verdict.node.labelled}
        return frozenset(labelled | {verdict.node.name for verdict in self.chosen})

    @property
    def every_node(self) -> bool:
        """Whether the DaemonSet does not need the label."""
        return self.switch("no-node-selector").on

    def switch(self, adjustment: str) -> Switch:
        """Returns the state of an adjustment."""
        return self.rendering.switch(adjustment)

    def planned(self, kind: str) -> KubernetesObject:
        """Returns the object of that kind as it would be; an empty one if it is skipped and does not exist."""
        return next((item for item in self.objects if item["kind"] == kind), {})

    def unread(self, what: str) -> Unread | None:
        """Returns why something could not be read; None if it was read."""
        return next((unread for unread in self.facts.unread if unread.what == what), None)

    def object(self, kind: str) -> KubernetesObject | None:
        """Returns the live object of the guide of that kind."""
        return self.facts.objects.get(kind)


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of a rule; with the rule's id and category, it is a finding."""

    outcome: Outcome
    title: str
    detail: str = ""
    evidence: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    nodes: int = 0
    confidence: Confidence = "high"


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: ``title`` says what it checks, ``why`` says why, ``needs`` names the resources it reads."""

    id: str
    category: str
    title: str
    why: str
    judge: Callable[[Situation], Judged]
    needs: tuple[str, ...] = ()


def not_looked_at(what: str, why: str, unread: Unread) -> Judged:
    """Returns the result for something that cannot be read, or is not known yet; names the missing permission."""
    right = f"{unread.verb} {unread.resource}"
    if LEVEL_REFUSES in unread.message:
        return Judged(
            Outcome.UNKNOWN,
            f"Unknown until the namespace exists: {what}"[:55],
            f"{why} The dry run used another namespace, whose own Pod Security level rejected the pod first.",
            (f"{unread.what} ({right}): {unread.message}",),
        )
    title = f"Not checked: {what}"
    return Judged(
        Outcome.UNKNOWN,
        f"{title} ({right})" if len(f"{title} ({right})") <= TITLE_WIDTH else title[:TITLE_WIDTH],
        f"{why} This was not checked: you lack permission ({right}), or the server denied the request.",
        (f"{unread.what}: {unread.message}",),
        (ask_for([right]),),
    )


def ask_for(rights: Sequence[str]) -> Remedy:
    """Returns the fix for missing permissions, which a cluster admin grants."""
    return Remedy(
        f"Ask a cluster admin for these permissions: {', '.join(rights)}. Or give the admin the plan.",
        "podman-wizard plan --answers answers.yaml --to podman-plan",
        who="you",
        touches="nothing",
    )


def names(verdicts: Sequence[NodeVerdict]) -> str:
    """Returns the first three names, and how many more there are."""
    shown = ", ".join(verdict.node.name for verdict in verdicts[:3])
    return f"{shown} and {len(verdicts) - 3} more" if len(verdicts) > 3 else shown


def in_manifest(switch: Switch, what: str) -> Remedy:
    """Returns an adjustment as the fix, and how to turn it on."""
    value = "" if switch.value is True else f"={switch.value}"
    return Remedy(
        f"{what}: the adjustment {switch.id} is already on and does this when you apply the manifest."
        if switch.on
        else f"{what} in Manifest (adjustment {switch.id}, now off).",
        "" if switch.on else f"podman-wizard manifest apply --set {switch.id}{value or '=true'}",
        touches="the device manager",
    )
