"""The plan of an undo: its steps, their order, and which of them are left because of what stays.

A step is left if someone else claims its object, if the server rejects it, or if an object that stays needs its thing
as it is: the DaemonSet needs the ConfigMap, the ResourceQuota, the namespace, and the labels that its node selector
requires; everything in a namespace needs the namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.facts.changes import Change
from wizard.facts.cluster import KubernetesObject
from wizard.facts.objects import ObjectRef
from wizard.files import Snapshot
from wizard.journal import journal as journals
from wizard.names import NAMESPACE, NODE_LABEL
from wizard.plan.history import ObjectHistory
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.cluster.pods_with_fuse import PodsWithFuse
    from wizard.coder.v2.undoing import Present, PushedTemplate

DEVICE_MANAGER = ObjectRef("DaemonSet", NAMESPACE, NAMESPACE)

AS_BEFORE = "already in its earlier state"


class What(StrEnum):
    """What a step of undo does, as ``undo -o json`` prints it."""

    DELETE = "delete"
    RESTORE = "restore"
    RETURN_FIELDS = "return fields"
    UNLABEL = "unlabel"
    RELABEL = "relabel"
    RESTORE_FILE = "restore file"
    DELETE_FILE = "delete file"
    DISABLE_TEMPLATES = "disable templates"
    TAKE_BACK_VERSION = "promote former version"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class NodeLabel:
    """The guide's label of one node: its value now, and the earlier one (None: no label)."""

    name: str
    now: str | None
    before: str | None


@dataclass(frozen=True)
class UndoStep:
    """One thing that undo does. ``left`` has why it is not touched, "" if it is.

    ``rejected``: it is left because the server rejects it. ``hopeless``: no later undo can do it either.
    """

    title: str
    what: What
    left: str = ""
    rejected: bool = False
    hopeless: bool = False
    changes: tuple[Change, ...] = ()
    history: ObjectHistory | None = None
    live: KubernetesObject | None = None
    nodes: tuple[NodeLabel, ...] = ()
    path: Path | None = None
    content: bytes | None = None
    read: Snapshot | None = None
    coder_url: str = ""
    pushed: PushedTemplate | None = None
    present: Present | None = None
    """What Coder said of the template when the undo was planned."""

    @property
    def ref(self) -> ObjectRef | None:
        """The object, None if it is about something else."""
        return self.history.ref if self.history else None

    @property
    def acts(self) -> bool:
        """Tells whether it changes something."""
        return self.what is not What.NOTHING

    @property
    def stays(self) -> bool:
        """Tells whether something is left that is not as it was before."""
        return not self.acts and self.left != AS_BEFORE

    @property
    def keeps_an_object(self) -> bool:
        """Tells whether an object stays that can need others."""
        return self.stays and self.live is not None

    def leave(self, why: str, *, rejected: bool = False) -> UndoStep:
        """Returns the same step as one that does nothing."""
        return replace(self, what=What.NOTHING, left=why, rejected=rejected, changes=())

    def to_json(self) -> dict[str, Any]:
        """Returns the step as ``undo -o json`` prints it."""
        path = f".metadata.labels.{NODE_LABEL}"
        labels = [
            Change(ObjectRef("Node", one.name), path, one.now, one.before, by="back")
            for one in (self.nodes if self.acts else ())
        ]
        return {
            "title": self.title,
            "what": self.what,
            "left": self.left,
            "changes": [change.to_json() for change in (*self.changes, *labels)],
            "nodes": len(self.nodes),
        }


@dataclass(frozen=True)
class Inside:
    """What the namespace contains beside what the system creates in each; ``unread`` are the kinds not listed."""

    objects: tuple[ObjectRef, ...] = ()
    unread: str = ""


@dataclass(frozen=True)
class UndoPlan:
    """The steps of an undo in order, the runs that they undo (the latest first), and notes about what is unknown.

    ``pods`` are the pods that hold a FUSE device on nodes that lose it.
    """

    steps: tuple[UndoStep, ...]
    runs: tuple[journals.Run, ...] = ()
    notes: tuple[str, ...] = ()
    inside: Inside = Inside()
    pods: PodsWithFuse | None = None

    @property
    def todo(self) -> tuple[UndoStep, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.acts)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as ``undo -o json`` prints it."""
        return {
            "runs": [
                {
                    "id": run.id,
                    "started": run.started,
                    "interrupted": run.interrupted,
                    "resumes": run.resumes or None,
                }
                for run in self.runs
            ],
            "pods_with_fuse": self.pods.to_json() if self.pods else None,
            "steps": [step.to_json() for step in self.steps],
            "notes": list(self.notes),
        }

    def told_runs(self) -> tuple[str, ...]:
        """Describes the runs that are undone, oldest first, in lines; none if they are in no journal."""
        names = {run.path.name for run in self.runs}
        lines = []
        for run in reversed(self.runs):
            notes = [f"started {run.started}"]
            notes += ["resumed the one before"] * (run.resumes in names) + ["interrupted"] * run.interrupted
            lines.append(f"run {run.id} ({', '.join(notes)}): {did_words(run)}")
        return tuple(lines)


def did_words(run: journals.Run) -> str:
    """Summarizes what a run tried."""
    objects = sum(change.kind == "apply" for change in run.changes)
    applied = [f"Apply {counted(objects, 'object')}"] if objects else []
    return ", ".join([*applied, *(change.title for change in run.changes if change.kind != "apply")])


def ordered(steps: Sequence[UndoStep]) -> list[UndoStep]:
    """Returns the steps in the order in which they are carried out.

    The DaemonSet goes before what it needs, so that nothing is missing if it cannot be deleted. If it is restored,
    its earlier configuration is restored first: its pods read that only when they start. The namespace goes last.
    """
    restoring = any(step.ref == DEVICE_MANAGER and step.what is What.RESTORE for step in steps)

    def rank(step: UndoStep) -> int:
        kind = step.ref.kind if step.ref else ""
        if step.nodes:
            return 3
        if kind == "ConfigMap" and restoring and step.what is What.RESTORE:
            return 1
        return {"": 0, "DaemonSet": 2, "Namespace": 5}.get(kind, 4)

    return sorted(steps, key=rank)


def leaving_what_is_needed(
    steps: Sequence[UndoStep], inside: Inside, done: Collection[int] = ()
) -> tuple[UndoStep, ...]:
    """Returns the steps without those whose thing an object that stays needs; ``done`` are carried out already."""
    current = list(steps)
    while True:
        changed = False
        for number, step in enumerate(current):
            why = _why_needed(step, current, inside) if step.acts and number not in done else ""
            if why:
                current[number] = step.leave(why)
                changed = True
        if not changed:
            return tuple(current)


def _why_needed(step: UndoStep, steps: Sequence[UndoStep], inside: Inside) -> str:
    staying = [one for one in steps if one.keeps_an_object and one is not step]
    manager = next((one for one in staying if one.ref == DEVICE_MANAGER), None)
    if manager is not None and _needs(manager, step):
        return f"{DEVICE_MANAGER.title} stays and needs it"
    ref = step.ref
    if ref is None or ref.kind != "Namespace" or step.what is not What.DELETE:
        return ""
    deleted = {one.ref for one in steps if one.what is What.DELETE}
    refs = dict.fromkeys((*inside.objects, *(one.ref for one in staying if one.ref and one.ref.namespace == ref.name)))
    names = [one.title for one in refs if one not in deleted]
    left = []
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        left.append(f"it still contains {', '.join(names[:5])}{more}")
    if inside.unread:
        left.append(f"it can contain objects that cannot be listed: {inside.unread}")
    return "; ".join(left)


def _needs(manager: UndoStep, step: UndoStep) -> bool:
    if step.nodes:
        return NODE_LABEL in node_selector(manager.live)
    ref = step.ref
    return ref is not None and (
        (ref.kind in ("ConfigMap", "ResourceQuota") and ref.namespace == DEVICE_MANAGER.namespace)
        or ref == ObjectRef("Namespace", DEVICE_MANAGER.namespace)
    )


def node_selector(daemon_set: KubernetesObject | None) -> Mapping[str, str]:
    """Returns the labels that a DaemonSet requires of its nodes."""
    spec = (daemon_set or {}).get("spec") or {}
    return ((spec.get("template") or {}).get("spec") or {}).get("nodeSelector") or {}


def losing_nodes(steps: Sequence[UndoStep], labels: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Returns the nodes (given with their labels) on which the device manager no longer runs after these steps.

    Judged by the node selector alone: a node with an untolerated taint has no pod that could lose its device.
    """
    manager = next((step for step in steps if step.ref == DEVICE_MANAGER and step.acts), None)
    relabeled = {one.name: one.before for step in steps if step.acts for one in step.nodes}
    now: Mapping[str, str] = {NODE_LABEL: "enabled"}
    later: Mapping[str, str] | None = now
    if manager is not None:
        now = node_selector(manager.live)
        before = manager.history.before if manager.history else None
        later = None if before is None else node_selector(before)
    found = []
    for name, there in labels.items():
        becomes: Mapping[str, str | None] = {**there, **({NODE_LABEL: relabeled[name]} if name in relabeled else {})}
        if _matches(now, there) and (later is None or not _matches(later, becomes)):
            found.append(name)
    return tuple(found)


def _matches(selector: Mapping[str, str], labels: Mapping[str, str | None]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())
