"""What the rules of all categories share: the situation that they look at, what they find, and some words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from wizard.answers import Answers
from wizard.errors import WizardError
from wizard.facts import LEVEL_REFUSES, ClusterFacts, KubernetesObject, Unread
from wizard.findings import Confidence, Outcome, Remedy
from wizard.manifest import Rendering, Switch, render
from wizard.nodes import NodeVerdict, choose, judge

WANTS_QUOTA = "insufficient quota to match these scopes"
"""How a server refuses a pod of a class that it starts only where a quota for that class is (the quota plugin's
limitedResources)."""


@dataclass(frozen=True)
class Situation:
    """What the rules look at: the facts, the choices, and what follows from both."""

    facts: ClusterFacts
    answers: Answers

    @cached_property
    def verdicts(self) -> tuple[NodeVerdict, ...]:
        """Every node, judged."""
        return tuple(map(judge, self.facts.nodes or ()))

    @cached_property
    def chosen(self) -> tuple[NodeVerdict, ...]:
        """The nodes that are meant; none where the choice does not fit the cluster."""
        try:
            return choose(self.facts, self.answers.nodes)
        except WizardError:
            return ()

    @cached_property
    def concerned(self) -> frozenset[str]:
        """The names of the nodes that are meant or labelled already."""
        labelled = {verdict.node.name for verdict in self.verdicts if verdict.node.labelled}
        return frozenset(labelled | {verdict.node.name for verdict in self.chosen})

    @cached_property
    def rendering(self) -> Rendering:
        """The manifest as it would be applied. Raises UsageError where the choices do not fit."""
        return render(self.facts, self.chosen, self.answers.manifest)

    @cached_property
    def every_node(self) -> bool:
        """Whether the daemon set does without the label."""
        return self.switch("no-node-selector").on

    def switch(self, adjustment: str) -> Switch:
        """The state of an adjustment."""
        return next(switch for switch in self.rendering.switches if switch.id == adjustment)

    def unread(self, what: str) -> Unread | None:
        """What is said of something that may not be read; None where it was read."""
        return next((unread for unread in self.facts.unread if unread.what == what), None)

    def object(self, kind: str) -> KubernetesObject | None:
        """The live object of the guide of that kind."""
        return self.facts.objects.get(kind)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule finds; with the rule's id and category it is a finding."""

    outcome: Outcome
    title: str
    detail: str = ""
    evidence: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    nodes: int = 0
    confidence: Confidence = "high"


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: ``title`` says what it looks at and ``why`` what for; ``needs`` are the resources it reads."""

    id: str
    category: str
    title: str
    why: str
    judge: Callable[[Situation], Judged]
    needs: tuple[str, ...] = ()


def not_looked_at(what: str, why: str, unread: Unread) -> Judged:
    """Something may not be read, or is not told yet; names the right that is missing."""
    right = f"{unread.verb} {unread.resource}"
    if LEVEL_REFUSES in unread.message:
        return Judged(
            Outcome.UNKNOWN,
            f"Not told before the namespace is there: {what}"[:55],
            f"{why} Another namespace was asked in its place, and a Pod Security level of its own answered first.",
            (f"{unread.what} ({right}): {unread.message}",),
        )
    return Judged(
        Outcome.UNKNOWN,
        f"Not looked at ({right}): {what}"[:55],
        f"{why} It could not be read: the right to {right} is missing, or the server refused.",
        (f"{unread.what}: {unread.message}",),
        (ask_for([right]),),
    )


def ask_for(rights: Sequence[str]) -> Remedy:
    """Rights that somebody else has to give."""
    return Remedy(
        f"Ask a cluster admin for the right to {', '.join(rights)}, or hand them the plan.",
        "podman-wizard plan --answers answers.yaml --to handover",
        who="you",
        touches="nothing",
    )


def counted(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def names(verdicts: Sequence[NodeVerdict]) -> str:
    """The first three, and how many more."""
    shown = ", ".join(verdict.node.name for verdict in verdicts[:3])
    return f"{shown} and {len(verdicts) - 3} more" if len(verdicts) > 3 else shown


def in_manifest(switch: Switch, what: str) -> Remedy:
    """An adjustment that mends it, and how to switch it on."""
    state = "already on" if switch.on else "off now"
    value = "" if switch.value is True else f"={switch.value}"
    return Remedy(
        f"{what} in Manifest (adjustment {switch.id}, {state}).",
        "" if switch.on else f"podman-wizard manifest apply --set {switch.id}{value or '=true'}",
        touches="the device manager",
    )


def written(item: KubernetesObject) -> list[KubernetesObject]:
    """Who wrote fields of an object, but for its status."""
    entries = item.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in entries if not entry.get("subresource")]
