"""The actions of a plan: what each changes field by field, why, the same by hand, and its undo."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wizard.choices.answers import VerifyChoice
from wizard.facts.changes import Change, counts
from wizard.facts.objects import ObjectRef
from wizard.files import Snapshot
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.manifest.asking import ObjectCheck
    from wizard.template.described import Described

MANIFEST_FILE = "smarter-device-manager.yaml"

NODES_A_LINE = 20
"""How many nodes one ``kubectl label`` line names."""


@dataclass(frozen=True)
class Action:
    """One step of a plan. ``id`` names it in events and JSON, ``after`` the actions that must be done first."""

    kind: ClassVar[str] = "action"
    title: str
    why: str
    by_hand: tuple[str, ...]
    undo: str
    changes: tuple[Change, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The name of the action within its plan."""
        return self.kind

    @property
    def changed(self) -> bool:
        """Tells whether it changes anything but noise."""
        return counts(self.changes)

    def to_json(self) -> dict[str, Any]:
        """Returns the action as commands print it."""
        return {
            "id": self.id,
            "action": self.kind,
            "title": self.title,
            "why": self.why,
            "by_hand": list(self.by_hand),
            "undo": self.undo,
            "changes": [change.to_json() for change in self.changes],
        }


@dataclass(frozen=True)
class ApplyObject(Action):
    """Server-side apply of one object, exactly as the server checked it.

    Without ``check`` the server was not asked: ``changes`` has only the fields that the manifest sets.
    """

    kind: ClassVar[str] = "apply"
    ref: ObjectRef = field(default_factory=lambda: ObjectRef("", ""))
    check: ObjectCheck | None = None

    @property
    def id(self) -> str:
        """One for each kind of object."""
        return f"apply {self.ref.kind}"

    def to_json(self) -> dict[str, Any]:
        """Returns the action with who checked it, and what the server warned of."""
        check = self.check
        return {
            **super().to_json(),
            "checked": check.checked if check else "not checked",
            "warnings": list(check.warnings) if check else [],
        }


@dataclass(frozen=True)
class SetLabels(Action):
    """The guide's label set on nodes, or removed (``value`` None). ``nodes`` has the value of before for each name."""

    kind: ClassVar[str] = "label"
    value: str | None = NODE_LABEL_VALUE
    nodes: tuple[tuple[str, str | None], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(name for name, _ in self.nodes)

    @property
    def described(self) -> tuple[str, ...]:
        """The names, with the value of another that is overwritten or removed: ``node-1 (mine -> enabled)``."""
        usual = (None, NODE_LABEL_VALUE)
        after = self.value or "removed"
        return tuple(name if before in usual else f"{name} ({before} -> {after})" for name, before in self.nodes)

    @property
    def changed(self) -> bool:
        """Tells whether any node changes."""
        return bool(self.nodes)

    def changes_of(self, names: Collection[str]) -> tuple[Change, ...]:
        """Returns the changes of these nodes, one each."""
        path, wanted = f".metadata.labels.{NODE_LABEL}", frozenset(names)
        return tuple(
            Change(ObjectRef("Node", name), path, before, self.value, by="label")
            for name, before in self.nodes
            if name in wanted
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the action with one change for each node."""
        return {**super().to_json(), "changes": [change.to_json() for change in self.changes_of(self.names)]}


@dataclass(frozen=True)
class WakeController(Action):
    """An annotation that makes the DaemonSet's controller try again at once."""

    kind: ClassVar[str] = "wake"


@dataclass(frozen=True)
class WaitForRollout(Action):
    """Waiting until each of ``nodes`` runs its pod and advertises ``devices`` FUSE devices (None: more than none)."""

    kind: ClassVar[str] = "rollout"
    nodes: tuple[str, ...] = ()
    devices: int | None = None
    timeout: int = 300

    def to_json(self) -> dict[str, Any]:
        """Returns the action with what it waits for."""
        return {**super().to_json(), "nodes": list(self.nodes), "devices": self.devices, "timeout": self.timeout}


@dataclass(frozen=True)
class WriteFile(Action):
    """A merged file, written with a backup."""

    path: Path = Path()
    content: bytes = b""
    read: Snapshot | None = None
    diff: str = ""
    """The unified diff from what it was merged into; from the file's content if that was the guide's policy."""

    @property
    def changed(self) -> bool:
        """Tells whether the file's content changes."""
        return self.read is None or self.read.content != self.content

    @property
    def fate(self) -> str:
        """What happens to the file, in a sentence."""
        if self.read is None or self.read.content is None:
            return f"{self.path} will be created."
        if not self.changed:
            return f"{self.path} already has this content and is not changed."
        return f"{self.path} exists: it will be replaced and backed up in the same folder."

    def to_json(self) -> dict[str, Any]:
        """Returns the action with the diff as its change."""
        changes = [Change(None, "", after=self.diff).to_json()] if self.changed else []
        return {**super().to_json(), "changes": changes, "path": str(self.path)}


@dataclass(frozen=True)
class WritePolicy(WriteFile):
    """The merged template policy."""

    kind: ClassVar[str] = "policy"


@dataclass(frozen=True)
class WriteTemplate(WriteFile):
    """The merged file of a Terraform template; ``source`` is its name there, ``pod`` what its pod describes."""

    kind: ClassVar[str] = "template"
    source: str = ""
    pod: Described | None = None


@dataclass(frozen=True)
class VerifyPodman(Action):
    """Podman in a test pod on one node of each type."""

    kind: ClassVar[str] = "verify"
    choice: VerifyChoice = field(default_factory=VerifyChoice)


def apply_commands(*, force: bool, left: Sequence[str] = (), skipped: Sequence[str] = ()) -> tuple[str, ...]:
    """Returns the lines that apply the manifest's file by hand as it was decided."""
    out = [*left, *skipped]
    return (
        *([f"# first remove from {MANIFEST_FILE}: {', '.join(out)}"] if out else []),
        f"kubectl apply --server-side{' --force-conflicts' * force} --field-manager={FIELD_MANAGER} -f {MANIFEST_FILE}",
    )


@lru_cache(maxsize=4)  # a plan is derived at every choice, mostly for the same five thousand nodes
def label_commands(names: tuple[str, ...], *, remove: bool = False) -> tuple[str, ...]:
    """Returns the ``kubectl`` lines that label these nodes, twenty in a line."""
    label = f"{NODE_LABEL}-" if remove else f"{NODE_LABEL}={NODE_LABEL_VALUE} --overwrite"
    return tuple(
        f"kubectl label nodes {shlex.join(names[start : start + NODES_A_LINE])} {label}"
        for start in range(0, len(names), NODES_A_LINE)
    )


def set_labels(nodes: Sequence[tuple[str, str | None]], *, remove: bool = False) -> SetLabels:
    """Returns the action that sets the label on these nodes, or removes it."""
    names = tuple(name for name, _ in nodes)
    count = counted(len(names), "node")
    return SetLabels(
        title=f"Remove the label from {count}" if remove else f"Label {count}",
        why="The device manager stops on these nodes." if remove else "The DaemonSet runs on nodes with this label.",
        by_hand=label_commands(names, remove=remove),
        undo="The nodes get the label back." if remove else "Nodes that get the label here lose it again.",
        value=None if remove else NODE_LABEL_VALUE,
        nodes=tuple(nodes),
    )


def wait_for_rollout(nodes: Sequence[str], timeout: int, devices: int | None = None) -> WaitForRollout:
    """Returns the action that waits for these nodes."""
    return WaitForRollout(
        title=f"Wait for {counted(len(nodes), 'node')}",
        why="A node is ready when its pod runs and it advertises FUSE devices.",
        by_hand=(f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE}",),
        undo="Nothing to undo.",
        nodes=tuple(nodes),
        devices=devices,
        timeout=timeout,
    )


def verify_podman(choice: VerifyChoice) -> VerifyPodman:
    """Returns the action that tests Podman."""
    options = f"--image {shlex.quote(choice.image)} --namespace {shlex.quote(choice.namespace)}"
    if choice.service_account != "default":
        options += f" --service-account {shlex.quote(choice.service_account)}"
    return VerifyPodman(
        title=f"Test Podman in a pod on one node of each type, in namespace {choice.namespace}",
        why="It shows whether rootless Podman works there, and why not.",
        by_hand=(f"podman-wizard verify {options}",),
        undo="The pods are deleted when they finish.",
        choice=choice,
    )


def digest_of(actions: Sequence[Action]) -> str:
    """Returns a digest of what a plan changes: what someone agreed to when they agreed to it."""
    content: list[Any] = []
    for action in actions:
        match action:
            case ApplyObject():
                content.append([action.id, [[one.path, one.before, one.after] for one in action.changes]])
            case SetLabels():
                content.append([action.id, action.value, action.nodes])
            case WaitForRollout():
                content.append([action.id, action.nodes, action.devices])
            case WriteFile():
                content.append([action.id, str(action.path), hashlib.sha256(action.content).hexdigest()])
            case _:
                content.append([action.id, action.title])
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
