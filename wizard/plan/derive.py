"""The one plan: an ordered list of actions derived from a judgement.

What is shown, forecast, asked, executed, handed over, and undone is read from it, by every door.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from wizard.choices.answers import Answers
from wizard.facts.changes import Change, changes_of_set_fields, counts
from wizard.facts.cluster import ClusterFacts, ClusterIdentity, KubernetesObject
from wizard.facts.full_nodes import PODS_OF_ALL_NODES
from wizard.facts.objects import ObjectRef
from wizard.manifest import Rendering, selects_every_node
from wizard.manifest.forecast import ForecastRow, displaced_pods
from wizard.names import BORROWED_NAMESPACE, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes.verdicts import NodeVerdict
from wizard.plan.actions import (
    Action,
    ApplyObject,
    SetLabels,
    WaitForRollout,
    WakeController,
    apply_commands,
    digest_of,
    set_labels,
    wait_for_rollout,
)
from wizard.plan.gates import Gate, displacing_gate, disruption_gate, gates_of, read_only_gate
from wizard.plan.judgement import Judgement, Reading
from wizard.text.counting import counted

Stage = Literal["planned", "asked"]
SomeAction = TypeVar("SomeAction", bound=Action)


@dataclass(frozen=True)
class Plan:
    """What would be done, and what it was made from.

    ``stage`` is "asked" if the server answered to a dry run of every object, else "planned": then only the fields
    that the manifest sets are known, and nothing may be executed. ``left_to_do`` are the steps for a person.
    """

    judgement: Judgement
    stage: Stage
    actions: tuple[Action, ...]
    gates: tuple[Gate, ...]
    left_to_do: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """What someone agrees to when they agree to this plan."""
        return digest_of(self.actions)

    @property
    def changed(self) -> bool:
        """Tells whether anything would change."""
        return any(action.changed for action in self.actions)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of an object or file; labels of nodes are in their action."""
        return tuple(change for action in self.actions for change in action.changes)

    @property
    def rendering(self) -> Rendering:
        """The manifest with its adjustments."""
        return self.judgement.rendering

    @property
    def chosen(self) -> tuple[NodeVerdict, ...]:
        """The selected nodes."""
        return self.judgement.chosen

    @property
    def forecast(self) -> tuple[ForecastRow, ...]:
        """Which nodes get a pod, and why not."""
        return self.judgement.forecast

    @property
    def without_pod(self) -> tuple[str, ...]:
        """The nodes that the plan waits for although the forecast gives them no pod: the wait cannot succeed."""
        awaited = {name for action in self.actions if isinstance(action, WaitForRollout) for name in action.nodes}
        return tuple(name for row in self.forecast if not row.gets_pod for name in row.nodes if name in awaited)

    def ids(self, *kinds: str) -> tuple[str, ...]:
        """Returns the ids of the actions of these kinds."""
        return tuple(action.id for action in self.actions if action.kind in kinds)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as commands print it."""
        return {
            "stage": self.stage,
            "changed": self.changed,
            "actions": [action.to_json() for action in self.actions],
            "gates": [gate.to_json() for gate in self.gates],
            "losing": list(self.judgement.losing),
            "without_pod": list(self.without_pod),
            "left_to_do": list(self.left_to_do),
            "notes": list(self.notes),
        }


def derive(
    judgement: Judgement,
    extras: Iterable[Action] = (),
    *,
    read_only: str = "",
    left_to_do: Sequence[str] = (),
) -> Plan:
    """Returns the plan for a judgement; pure.

    ``extras`` are the actions that need files or Coder, made before. ``read_only`` says why this session cannot
    change anything. Raises UsageError or InputError if a choice does not fit the cluster.
    """
    asked = bool(judgement.checks)
    applying = _applying(judgement)
    labelling = _labelling(judgement, applying)
    actions = [*applying, *_waking(judgement, applying), *labelling, *_waiting(judgement, applying, labelling), *extras]
    return Plan(
        judgement=judgement,
        stage="asked" if asked else "planned",
        actions=tuple(actions),
        gates=gates_of(judgement, read_only=read_only, asked=asked),
        left_to_do=tuple(left_to_do),
        notes=(*_notes(judgement), *room_notes(judgement)),
    )


def _applying(judgement: Judgement) -> list[ApplyObject]:
    if not judgement.answers.manifest.apply:
        return []
    ownership = judgement.answers.ownership
    found: list[ApplyObject] = []
    checks = {check.ref.kind: check for check in judgement.checks}
    for item in judgement.rendering.objects:
        ref, check = ObjectRef.of(item), checks.get(item["kind"])
        if ownership.skips(ref.kind) or (check is not None and check.change in ("unchanged", "skipped")):
            continue
        if check is not None and check.answered:
            changes = check.changes(judgement.attribute)
        else:
            live = judgement.reading.live.get(ref.kind)
            changes = changes_of_set_fields(ref, live.object if live else None, item, by=judgement.attribute)
            if not counts(changes):
                continue
        found.append(_apply_object(judgement, ref, changes, [one.id for one in found]))
    return found


def _apply_object(
    judgement: Judgement, ref: ObjectRef, changes: tuple[Change, ...], before: Sequence[str]
) -> ApplyObject:
    check = next((one for one in judgement.checks if one.ref.kind == ref.kind), None)
    there = ref.kind in judgement.reading.live
    return ApplyObject(
        title=f"{'Change' if there else 'Create'} {ref.title}",
        why="Part of the device manager, which lets a workspace request /dev/fuse.",
        # Forcing would decide what nobody has decided yet.
        by_hand=apply_commands(force=check is not None and check.forced and check.change != "conflict"),
        undo="The object gets its earlier content back." if there else "The object is deleted.",
        changes=changes,
        after=tuple(before),
        ref=ref,
        check=check,
    )


def _labelling(judgement: Judgement, applying: Sequence[ApplyObject]) -> list[SetLabels]:
    labels = judgement.labels_before if judgement.answers.nodes.label else ()
    if not labels:
        return []
    action = set_labels(labels)
    return [_after(action, applying)]


def _waking(judgement: Judgement, applying: Sequence[ApplyObject]) -> list[WakeController]:
    """A raised quota or a changed Pod Security level does not wake the controller of a DaemonSet that stays."""
    kinds = {action.ref.kind for action in applying if action.changed}
    live = judgement.reading.live
    waits = any(name not in judgement.reading.offering for name in judgement.expected)
    raised = [kind for kind in ("Namespace", "ResourceQuota") if kind in kinds and kind in live]
    if not raised or "DaemonSet" in kinds or "DaemonSet" not in live or not waits:
        return []
    action = WakeController(
        title="Wake the DaemonSet controller",
        why="The controller tries again only at growing intervals after a rejection.",
        by_hand=(f"kubectl -n {NAMESPACE} annotate daemonset/{NAMESPACE} --overwrite podman-wizard/nudged=now",),
        undo="The annotation is removed with the DaemonSet.",
    )
    return [_after(action, applying)]


def _waiting(
    judgement: Judgement, applying: Sequence[ApplyObject], labelling: Sequence[SetLabels]
) -> list[WaitForRollout]:
    """The wait, if any selected node does not advertise the wanted number of devices yet."""
    expected = judgement.expected
    restarts = any(
        action.ref.kind == "DaemonSet" and change.path.startswith(".spec.template.")
        for action in applying
        for change in action.changes
    )
    late = judgement.late
    if _object(judgement.objects, "DaemonSet") is None or not expected or not (late or labelling or restarts):
        return []
    action = wait_for_rollout(expected, judgement.answers.rollout.timeout, judgement.devices)
    return [_after(action, applying)]


def _after(action: SomeAction, before: Sequence[Action]) -> SomeAction:
    return replace(action, after=tuple(one.id for one in before))


def _object(objects: Iterable[KubernetesObject], kind: str) -> KubernetesObject | None:
    return next((item for item in objects if item["kind"] == kind), None)


def _notes(judgement: Judgement) -> Iterable[str]:
    for check in judgement.checks:
        if check.taken_from and check.change == "configure":
            yield (
                f"{check.title}: fields are taken over from {check.taken_from}. "
                "A later kubectl apply of that file sets its values again."
            )
    borrowed = [check for check in judgement.checks if check.change == "create" and check.borrowed]
    if borrowed:
        kinds = " and ".join(
            filter(None, [", ".join(check.ref.kind for check in borrowed[:-1]), borrowed[-1].ref.kind])
        )
        where = borrowed[0].ref.namespace
        yield f"{kinds}: checked in namespace {BORROWED_NAMESPACE}, because {where} does not exist yet."


def room_notes(judgement: Judgement) -> tuple[str, ...]:
    """Returns a note if it is not known whether nodes that get a new pod have room for it."""
    served = {str((pod.get("spec") or {}).get("nodeName")) for pod in judgement.facts.plugin_pods}
    new = [name for row in judgement.forecast if row.gets_pod for name in row.nodes if name not in served]
    return tuple(
        f"Not checked: whether {counted(len(new), 'node')} {'has' if len(new) == 1 else 'have'} room for one more pod "
        f"({unread.verb} {unread.resource}). On a full node, the device manager displaces a pod of lower priority."
        for unread in judgement.facts.unread
        if unread.what == PODS_OF_ALL_NODES and new
    )


NO_CLUSTER = ClusterFacts(read_at="", identity=ClusterIdentity(context="", server="", version="", distribution=""))
"""What is known without a cluster."""


def plan_without_cluster(answers: Answers, actions: Iterable[Action], *, left_to_do: Sequence[str] = ()) -> Plan:
    """Returns the plan for actions that need no cluster: a policy that is written, work in Coder."""
    judgement = Judgement(Reading.of(NO_CLUSTER), answers)
    return Plan(judgement, "asked", tuple(actions), gates=(), left_to_do=tuple(left_to_do))


def plan_labels(
    judgement: Judgement, nodes: Sequence[NodeVerdict], *, remove: bool, by_name: bool, read_only: str = ""
) -> Plan:
    """Returns the plan that sets the label on these nodes, or removes it, and does nothing else.

    Removing it from nodes that were named is what was told to do; from all, or by a selector, it is a disruption
    that wants a consent of its own.
    """
    value = None if remove else NODE_LABEL_VALUE
    changing = [verdict for verdict in nodes if verdict.node.labels.get(NODE_LABEL) != value]
    action = set_labels([(v.node.name, v.node.labels.get(NODE_LABEL)) for v in changing], remove=remove)
    gates = []
    losing = losing_without_label(judgement, changing) if remove else ()
    if losing and not by_name:
        gates.append(disruption_gate(losing, "the label is removed", frozenset({"label"})))
    new = {verdict.node.name for verdict in changing} if not remove else set[str]()
    if pods := displaced_pods(judgement.facts, judgement.objects, new):
        gates.append(displacing_gate(pods, frozenset({"label"})))
    if read_only:
        gates.append(read_only_gate(read_only))
    notes = room_notes(judgement) if new else ()
    return Plan(judgement, "asked", (action,) if changing else (), tuple(gates), notes=notes)


def plan_wait(judgement: Judgement) -> Plan:
    """Returns the plan that waits for the selected nodes and changes nothing: no gate holds it."""
    action = wait_for_rollout(judgement.expected, judgement.answers.rollout.timeout, judgement.devices)
    return Plan(judgement, "asked", (action,), gates=())


def losing_without_label(judgement: Judgement, nodes: Iterable[NodeVerdict]) -> tuple[str, ...]:
    """Returns the names of these nodes that lose FUSE with their label; none if the DaemonSet does not ask for it."""
    live = judgement.reading.live.get("DaemonSet")
    if live is not None and selects_every_node([live.object]):
        return ()
    return tuple(verdict.node.name for verdict in nodes if verdict.node.name in judgement.reading.offering)
