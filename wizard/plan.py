"""The plan: an ordered list of actions made from facts and choices, each with its undo.

Making a plan changes nothing. What a screen shows, what ``--dry-run`` prints and what is executed
(wizard.engine) are the same actions.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wizard.answers import UNDECIDED, Answers, Decision, ManifestChoice, OwnershipChoice, VerifyChoice
from wizard.counting import counted
from wizard.facts import ClusterFacts, KubernetesObject
from wizard.files import Snapshot
from wizard.findings import Finding
from wizard.forecast import ForecastRow, forecast
from wizard.manifest import Rendering, render
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import NodeVerdict, choose
from wizard.ownership import as_decided
from wizard.prerequisites import judge_prerequisites
from wizard.security_modules import Probe, judge_security_modules
from wizard.verification import guide_test

if TYPE_CHECKING:
    from wizard.cluster import ObjectCheck

MANIFEST_FILE = "smarter-device-manager.yaml"
ENABLE_STEP = "Coder admin: in Coder, Manage > Admin > Templates, switch Enable workspace templates on, and save."

TEMPLATE_STEP = (
    "Template author: Coder v2 has no template policy; put what podman-wizard coder template prints into the Terraform "
    "template of your workspaces, then coder templates push."
)


UPLOADING = "Coder admin: in Coder, Manage > Admin > Templates, under Template policy, upload "


def upload_step(path: Path) -> str:
    """What a person does to upload the policy."""
    return f"{UPLOADING}{path}, and save."


def for_coder_v2(left: Sequence[str]) -> tuple[str, ...]:
    """What is left to a person where Coder is a v2: the template takes the place of switch and policy."""
    return (TEMPLATE_STEP, *(step for step in left if step != ENABLE_STEP and not step.startswith(UPLOADING)))


def object_title(item: KubernetesObject) -> str:
    """What people call an object: ``DaemonSet smarter-device-manager``."""
    return f"{item['kind']} {item['metadata']['name']}"


@dataclass(frozen=True)
class Action:
    """One step of a plan: what it does and why, the line that does the same by hand, and its undo."""

    kind: ClassVar[str] = "action"
    title: str
    why: str
    by_hand: tuple[str, ...]
    undo: str

    def to_json(self) -> dict[str, Any]:
        """The action as commands print it."""
        return {
            "action": self.kind,
            "title": self.title,
            "why": self.why,
            "by_hand": list(self.by_hand),
            "undo": self.undo,
        }


@dataclass(frozen=True)
class ApplyObjects(Action):
    """Server-side apply of the four objects, in order."""

    kind: ClassVar[str] = "apply"
    objects: tuple[KubernetesObject, ...] = ()


@dataclass(frozen=True)
class LabelNodes(Action):
    """The label on the chosen nodes that lack it."""

    kind: ClassVar[str] = "label"
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WaitForRollout(Action):
    """Waiting until every node that should get a pod has one and advertises FUSE."""

    kind: ClassVar[str] = "rollout"
    nodes: tuple[str, ...] = ()
    timeout: int = 300


@dataclass(frozen=True)
class WritePolicy(Action):
    """The merged template policy, written to its file."""

    kind: ClassVar[str] = "policy"
    path: Path = Path()
    content: bytes = b""
    read: Snapshot | None = None
    diff: str = ""
    """The unified diff from what it was merged into; where that was the guide's policy, from what the file holds."""

    @property
    def fate(self) -> str:
        """What becomes of the file, in a sentence."""
        held = self.read.content if self.read else None
        if held is None:
            return f"{self.path} will be new."
        if held == self.content:
            return f"{self.path} holds that already: it stays as it is."
        return f"{self.path} is there: what it holds is replaced, and kept in a backup beside it."


@dataclass(frozen=True)
class VerifyPodman(Action):
    """Podman in a pod on each kind of node."""

    kind: ClassVar[str] = "verify"
    choice: VerifyChoice = field(default_factory=VerifyChoice)


@dataclass(frozen=True)
class Plan:
    """What will be done, and what it was made from."""

    actions: tuple[Action, ...]
    rendering: Rendering
    chosen: tuple[NodeVerdict, ...]
    forecast: tuple[ForecastRow, ...]
    prerequisites: tuple[Finding, ...]
    security_modules: tuple[Finding, ...]
    left_to_do: tuple[str, ...]
    checks: tuple[ObjectCheck, ...] = ()
    """What the server said to a dry run, object by object."""


def make_plan(facts: ClusterFacts, answers: Answers, policy: WritePolicy | None, probes: Sequence[Probe] = ()) -> Plan:
    """The plan for a cluster and a person's choices; ``probes`` are what probe pods saw, where some were sent.

    Raises UsageError or InputError where a choice does not fit (a node that is not there, a value that an
    adjustment does not take).
    """
    chosen = choose(facts, answers.nodes)
    rendering = render(facts, chosen, answers.manifest)
    rows = forecast_as_decided(facts, chosen, rendering, answers.ownership)
    actions: list[Action] = [apply_objects(rendering, answers.ownership)]
    if all(answers.ownership.skips(item["kind"]) for item in rendering.objects):
        actions = []
    labelling = label_nodes(chosen)
    if labelling is not None and not selects_every_node(rendering):
        actions.append(labelling)
    # Every chosen node is waited for, also one that the forecast gives up: it was chosen to get FUSE, and the
    # wait says why it does not.
    actions.append(wait_for_rollout([verdict.node.name for verdict in chosen], answers.rollout.timeout))
    if policy is not None:
        actions.append(policy)
    if answers.verify.run:
        actions.append(verify_podman(answers.verify))
    return Plan(
        actions=tuple(actions),
        rendering=rendering,
        chosen=chosen,
        forecast=rows,
        prerequisites=judge_prerequisites(facts, answers),
        security_modules=judge_security_modules(facts, probes),
        left_to_do=left_to_do(answers, policy),
    )


def forecast_as_decided(
    facts: ClusterFacts, chosen: Sequence[NodeVerdict], rendering: Rendering, ownership: OwnershipChoice
) -> tuple[ForecastRow, ...]:
    """The forecast for what an apply leaves in the cluster: also what others own and keep."""
    objects = as_decided(rendering.objects, facts.objects, ownership)
    return forecast(facts, chosen, replace(rendering, objects=objects))


def forecast_as_it_is(facts: ClusterFacts, chosen: Sequence[NodeVerdict]) -> tuple[ForecastRow, ...]:
    """The forecast for the objects that are in the cluster, where the chosen nodes get the label."""
    rendering = render(facts, chosen, ManifestChoice())
    skip_all: dict[str, Decision] = {item["kind"]: "skip" for item in rendering.objects}
    return forecast_as_decided(facts, chosen, rendering, OwnershipChoice(decided=skip_all))


def apply_objects(rendering: Rendering, ownership: OwnershipChoice = UNDECIDED) -> ApplyObjects:
    """The action that applies what was rendered, but for what is decided to stay as others have it."""
    count = sum(not ownership.skips(item["kind"]) for item in rendering.objects)
    return ApplyObjects(
        title=f"Apply {counted(count, 'object')}",
        why="They run the device manager, which lets a workspace request /dev/fuse.",
        by_hand=apply_commands(ownership),
        undo="Objects that were not there are deleted; others get back what they held before.",
        objects=rendering.objects,
    )


def apply_commands(ownership: OwnershipChoice) -> tuple[str, ...]:
    """The lines that apply the manifest's file by hand as it was decided."""
    left = [what for what, decision in ownership.decided.items() if decision != "take"]
    left += ["every other field that kubectl names as in conflict"] * (ownership.default == "leave")
    takes = ownership.default == "take" or "take" in ownership.decided.values()
    force = " --force-conflicts" if takes else ""
    return (
        *([f"# take these out of {MANIFEST_FILE} first: {', '.join(left)}"] if left else []),
        f"kubectl apply --server-side{force} --field-manager={FIELD_MANAGER} -f {MANIFEST_FILE}",
    )


def label_nodes(chosen: Sequence[NodeVerdict]) -> LabelNodes | None:
    """The action that labels those of the chosen nodes that lack the label; None where all have it."""
    names = tuple(verdict.node.name for verdict in chosen if not verdict.node.labelled)
    if not names:
        return None
    return LabelNodes(
        title=f"Label {counted(len(names), 'node')}",
        why="The daemon set runs where its node selector finds this label.",
        by_hand=label_commands(names),
        undo="The label is taken off the nodes that got it here.",
        nodes=names,
    )


def label_commands(names: Sequence[str], *, remove: bool = False) -> tuple[str, ...]:
    """The ``kubectl`` lines that label these nodes, twenty at a time."""
    label = f"{NODE_LABEL}-" if remove else f"{NODE_LABEL}={NODE_LABEL_VALUE} --overwrite"
    return tuple(
        f"kubectl label nodes {shlex.join(names[start : start + 20])} {label}" for start in range(0, len(names), 20)
    )


def wait_for_rollout(nodes: Sequence[str], timeout: int) -> WaitForRollout:
    """The action that waits for these nodes."""
    return WaitForRollout(
        title=f"Wait for {counted(len(nodes), 'node')}",
        why="A node is ready once its pod runs and it advertises FUSE devices.",
        by_hand=(f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE}",),
        undo="Nothing to undo.",
        nodes=tuple(nodes),
        timeout=timeout,
    )


def verify_podman(choice: VerifyChoice) -> VerifyPodman:
    """The action that proves it with Podman."""
    options = f"--image {shlex.quote(choice.image)} --namespace {shlex.quote(choice.namespace)}"
    return VerifyPodman(
        title=f"Run Podman in a pod on each kind of node, in namespace {choice.namespace}",
        why="It shows that rootless Podman works there, or why it does not.",
        by_hand=(f"podman-wizard verify {options}",),
        undo="The pods are removed when they have ended.",
        choice=choice,
    )


def selects_every_node(rendering: Rendering) -> bool:
    """Whether the daemon set does without the label: the guide's alternative to labelling."""
    daemon_set = next(item for item in rendering.objects if item["kind"] == "DaemonSet")
    return NODE_LABEL not in daemon_set["spec"]["template"]["spec"].get("nodeSelector", {})


def left_to_do(answers: Answers, policy: WritePolicy | None) -> tuple[str, ...]:
    """What remains for a person, in order: the guide's clicks in Coder, and its test."""
    return tuple(text for _, text in steps_left(policy.path if policy else None))


def steps_left(policy: Path | None, *, v2: bool = False) -> tuple[tuple[str, str], ...]:
    """The same by id, as a person ticks it off; ``policy`` is the file that was written, if one was.

    ``v2`` is for a Coder v2, where the template takes the place of the policy.
    """
    steps = [("coder-template", TEMPLATE_STEP)] if v2 else [("coder-enable-templates", ENABLE_STEP)]
    if policy is not None and not v2:
        steps.append(("coder-upload-policy", upload_step(policy)))
    steps += [(step.id, f"{step.who}: {step.text} {step.command}".strip()) for step in guide_test()]
    return tuple(steps)
