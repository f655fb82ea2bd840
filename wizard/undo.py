"""Undo: what earlier runs changed is put back, from their journals, or from field managers where there are none.

What someone changed since is left as it is, and said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wizard import journal as journals
from wizard.coder.actions import why_left
from wizard.coder.steps import enable_templates
from wizard.differences import NOISY_ANNOTATIONS, unified
from wizard.engine import Engine
from wizard.errors import WizardError
from wizard.events import ActionEnded, ActionStarted, Listener, ObjectResult, Shortfall
from wizard.facts import ClusterFacts, KubernetesObject
from wizard.files import Snapshot, read_snapshot, write_file
from wizard.labels import set_labels
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE, NUDGE_ANNOTATION
from wizard.plan import object_title
from wizard.state import cluster_folder

SHOWN = 20
"""How many nodes a title names."""


@dataclass(frozen=True)
class UndoStep:
    """One thing that undo does. ``left`` says why it leaves it alone, "" where it does not."""

    title: str
    what: Literal["delete", "restore", "unlabel", "relabel", "file", "remove file", "disable templates", "nothing"]
    left: str = ""
    diff: str = ""
    object: KubernetesObject | None = None
    live: KubernetesObject | None = None
    nodes: tuple[tuple[str, str | None], ...] = ()
    path: Path | None = None
    content: bytes | None = None
    read: Snapshot | None = None
    coder_url: str = ""

    def to_json(self) -> dict[str, Any]:
        """The step as ``undo -o json`` prints it."""
        return {"title": self.title, "what": self.what, "left": self.left, "diff": self.diff, "nodes": len(self.nodes)}


@dataclass(frozen=True)
class UndoPlan:
    """The steps of an undo, in order, and the runs that they undo."""

    steps: tuple[UndoStep, ...]
    runs: tuple[journals.Run, ...] = ()


async def plan_undo(engine: Engine, *, everything: bool) -> UndoPlan:
    """What undoing the last run (or all that was ever done on this cluster) would do now; changes nothing.

    ``everything`` also finds what no journal tells of: objects and labels whose field manager is the wizard.
    """
    folder = cluster_folder(engine.identity)
    candidates = [run for run in journals.runs(folder) if not run.undone and any(map(_had_effect, run.changes))]
    chosen = tuple(candidates if everything else candidates[:1])
    changes = [change for run in chosen for change in reversed(run.changes)]
    steps: list[UndoStep] = []
    seen: set[str] = set()
    labels = _LabelsBefore.of(changes)
    for change in _oldest_states(changes):
        if change.kind == "label":
            steps.extend(await _label_steps(engine, labels))
        else:
            steps.extend(await _step(engine, change))
        seen.add(change.title)
    if everything:
        steps.extend(await _unjournaled(engine, seen, steps))
    return UndoPlan(tuple([await _sparing_others(engine, step, steps) for step in steps]), chosen)


def _had_effect(change: journals.Change) -> bool:
    match change.kind:
        case "apply":
            return change.result is None or change.before.get("object") != change.after.get("object")
        case "label":
            return change.result is None or any(value != change.before["value"] for value in change.after.values())
        case "policy":
            return change.result is None or not change.before["existed"] or bool(change.after.get("backup"))
        case _:
            return True


def _oldest_states(changes: Sequence[journals.Change]) -> list[journals.Change]:
    """Changes of one object in several runs become one: back to the state before the first of them."""
    merged: dict[str, journals.Change] = {}
    order: list[str] = []
    for number, change in enumerate(changes):
        key = {"apply": f"apply {change.title}", "label": "label"}.get(change.kind, f"{number}")
        if change.kind == "policy":
            key = f"policy {change.before['path']}"
        if key in merged:
            newest = merged[key]
            merged[key] = journals.Change(change.kind, change.title, change.before, newest.after or change.after)
        else:
            merged[key] = change
            order.append(key)
    return [merged[key] for key in order]


async def _step(engine: Engine, change: journals.Change) -> list[UndoStep]:
    match change.kind:
        case "apply":
            return [await _object_step(engine, change)]
        case "policy":
            return [_file_step(change)]
        case "coder":
            why = why_left(change)
            step = UndoStep(change.title, "nothing" if why else "disable templates", left=why)
            return [replace(step, coder_url=change.before["url"])]
        case _:
            return [UndoStep(change.title, "nothing", left="it cannot be undone from here")]


async def _object_step(engine: Engine, change: journals.Change) -> UndoStep:
    before: KubernetesObject | None = change.before["object"]
    after: KubernetesObject | None = change.after.get("object")
    known = after or before
    if known is None:
        kind, _, name = change.title.partition(" ")
        live = await engine.gateway.get(kind, name, "" if kind == "Namespace" else NAMESPACE)
    else:
        metadata = known["metadata"]
        live = await engine.gateway.get(known["kind"], metadata["name"], metadata.get("namespace", ""))
    current = journals.without_noise(live)
    if current == before:
        return UndoStep(change.title, "nothing", left="it is as it was before")
    if live is not None and after is None and not _ours(live):
        return UndoStep(change.title, "nothing", left="it is not of the wizard")
    if after is not None and current != after:
        gone = "it is gone" if current is None else "someone changed it since"
        return UndoStep(change.title, "nothing", left=gone, diff=unified([after], [current] if current else []))
    diff = unified([current] if current else [], [before] if before else [])
    return UndoStep(change.title, "restore" if before else "delete", diff=diff, object=before, live=live)


async def _sparing_others(engine: Engine, step: UndoStep, steps: Sequence[UndoStep]) -> UndoStep:
    """The step; one that would delete a namespace with what stays in it becomes one that leaves it."""
    kind, _, namespace = step.title.partition(" ")
    if kind != "Namespace" or step.what != "delete":
        return step
    deleted = {other.title for other in steps if other.what == "delete"} | {"ConfigMap kube-root-ca.crt"}
    lists = await asyncio.gather(
        *(engine.gateway.list(kind, namespace) for kind in ("DaemonSet", "ConfigMap", "ResourceQuota", "Pod"))
    )
    staying = [
        object_title(item)
        for found in lists
        for item in found
        if object_title(item) not in deleted and not _belongs_to(item, NAMESPACE)
    ]
    return UndoStep(step.title, "nothing", left=f"in it stays {', '.join(staying)}") if staying else step


def _belongs_to(item: KubernetesObject, owner: str) -> bool:
    return any(reference["name"] == owner for reference in item["metadata"].get("ownerReferences", ()))


def _ours(live: KubernetesObject) -> bool:
    return bool(_fields_of_ours(live))


@dataclass(frozen=True)
class _LabelsBefore:
    """Of each node that runs labelled: its value before the first of them, and the one that the last of them set."""

    before: Mapping[str, str | None]
    last: Mapping[str, str | None]

    @classmethod
    def of(cls, newest_first: Sequence[journals.Change]) -> _LabelsBefore:
        before: dict[str, str | None] = {}
        last: dict[str, str | None] = {}
        for change in newest_first:
            if change.kind == "label":
                before.update(change.after)
                last = {**dict.fromkeys(change.after, change.before["value"]), **last}
        return cls(before, last)


async def _label_steps(engine: Engine, labels: _LabelsBefore) -> list[UndoStep]:
    nodes = {node.name: node.labels.get(NODE_LABEL) for node in (await engine.read_facts()).nodes or ()}
    changed = [(name, value) for name, value in labels.before.items() if nodes.get(name, value) != value]
    back = tuple(item for item in changed if nodes[item[0]] == labels.last[item[0]])
    left = tuple(item for item in changed if item not in back)
    steps = []
    if back:
        unlabel = all(value is None for _, value in back)
        title = f"Take the label off {_nodes(back)}" if unlabel else f"Give {_nodes(back)} the label of before"
        steps.append(UndoStep(title, "unlabel" if unlabel else "relabel", nodes=back))
    if left:
        steps.append(UndoStep(f"The label of {_nodes(left)}", "nothing", left="someone changed it since"))
    return steps


def _nodes(items: Sequence[tuple[str, str | None]]) -> str:
    names = ", ".join(name for name, _ in items[:SHOWN])
    more = f", and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{len(items)} node{'s' * (len(items) != 1)} ({names}{more})"


def _file_step(change: journals.Change) -> UndoStep:
    path = Path(change.before["path"])
    now = read_snapshot(path, missing_ok=True)
    title = str(path)
    if now.content is None:
        return UndoStep(title, "nothing", left="the file is gone")
    if change.after.get("digest") != journals.digest(now.content):
        return UndoStep(title, "nothing", left="someone changed the file since")
    backup = change.after.get("backup")
    if backup:
        saved = read_snapshot(Path(backup), missing_ok=True).content
        if saved is None:
            return UndoStep(title, "nothing", left=f"its backup {backup} is gone")
        return UndoStep(title, "file", path=path, content=saved, read=now)
    if change.before["existed"]:
        return UndoStep(title, "nothing", left="it is as it was before")
    return UndoStep(title, "remove file", path=path, read=now)


async def _unjournaled(engine: Engine, seen: set[str], planned: Sequence[UndoStep]) -> list[UndoStep]:
    """What the wizard's field manager owns and no journal tells of (it may have run on another machine)."""
    facts = await engine.read_facts()
    steps = []
    handled = {name for step in planned for name, _ in step.nodes}
    labelled = tuple((name, None) for name in await _labelled_by_us(engine, facts) if name not in handled)
    if labelled:
        steps.append(UndoStep(f"Take the label off {_nodes(labelled)}", "unlabel", nodes=labelled))
    for item in sorted(facts.objects.values(), key=lambda item: item["kind"] == "Namespace"):
        title = object_title(item)
        if title in seen or not _ours(item):
            continue
        others = _other_owners(item)
        if others:
            steps.append(UndoStep(title, "nothing", left=f"{', '.join(others)} owns fields of it too"))
        else:
            steps.append(UndoStep(title, "delete", diff=unified([journals.without_noise(item) or {}], []), live=item))
    return steps


async def _labelled_by_us(engine: Engine, facts: ClusterFacts) -> list[str]:
    if not any(node.labelled for node in facts.nodes or ()):
        return []
    found = await engine.gateway.list("Node", labels=f"{NODE_LABEL}={NODE_LABEL_VALUE}")
    return [node["metadata"]["name"] for node in found if any(map(_sets_the_label, _fields_of_ours(node)))]


def _fields_of_ours(live: KubernetesObject) -> list[Mapping[str, Any]]:
    entries = live["metadata"].get("managedFields", ())
    return [entry.get("fieldsV1", {}) for entry in entries if entry.get("manager") == FIELD_MANAGER]


def _other_owners(live: KubernetesObject) -> list[str]:
    """Who else wrote on an object; its status is a controller's business."""
    return sorted(
        {
            str(entry.get("manager"))
            for entry in live["metadata"].get("managedFields", ())
            if entry.get("manager") != FIELD_MANAGER and not entry.get("subresource")
        }
    )


def _sets_the_label(fields: Mapping[str, Any]) -> bool:
    return f"f:{NODE_LABEL}" in fields.get("f:metadata", {}).get("f:labels", {})


async def execute_undo(engine: Engine, plan: UndoPlan, listener: Listener) -> tuple[Shortfall, ...]:
    """Undoes it, step by step; gives what failed. Runs that were undone whole are marked as such.

    Raises ConflictError where another wizard is at work on this cluster.
    """
    todo = [step for step in plan.steps if step.what != "nothing"]
    if todo:
        engine.claim()
    listener(ActionStarted("undo", f"Undo {len(todo)} changes", len(todo)))
    failed: list[Shortfall] = []
    for step in todo:
        try:
            await _execute_step(engine, step, listener)
        except WizardError as error:
            failed.append(Shortfall(step.title, error.what))
            listener(ObjectResult("undo", step.title, "failed", message=error.what))
        else:
            change: Literal["delete", "configure"] = "delete" if step.what in ("delete", "remove file") else "configure"
            listener(ObjectResult("undo", step.title, change))
    if not failed:
        for run in plan.runs:
            journals.mark(run, "undone")
    detail = f"{len(todo) - len(failed)} of {len(todo)} changes undone"
    listener(ActionEnded("undo", "failed" if failed else "done", detail, tuple(failed)))
    return tuple(failed)


def _put_back(before: KubernetesObject, live: KubernetesObject) -> KubernetesObject:
    """The object as it was, as a write that fails where it changed since; what tools keep on it stays theirs."""
    metadata = {**before["metadata"], **{key: live["metadata"][key] for key in ("uid", "resourceVersion")}}
    annotations = live["metadata"].get("annotations", {})
    tools = {key: value for key, value in annotations.items() if key in NOISY_ANNOTATIONS and key != NUDGE_ANNOTATION}
    metadata["annotations"] = {**tools, **before["metadata"].get("annotations", {})}
    return {**before, "metadata": metadata}


async def _execute_step(engine: Engine, step: UndoStep, listener: Listener) -> None:
    if step.what == "delete" and step.live is not None:
        metadata = step.live["metadata"]
        await engine.gateway.delete(
            step.live["kind"], metadata["name"], metadata.get("namespace", ""), uid=metadata["uid"]
        )
    elif step.what == "restore" and step.object is not None and step.live is not None:
        await engine.gateway.replace(_put_back(step.object, step.live))
    elif step.nodes:
        for value in {value for _, value in step.nodes}:
            names = [name for name, wanted in step.nodes if wanted == value]
            result = await set_labels(engine.gateway, names, value=value, on_event=listener, action="undo")
            if result.failed:
                reasons = "; ".join(f"{item.name}: {item.reason}" for item in result.failed[:3])
                raise WizardError(f"{len(result.failed)} of {len(names)} nodes kept the label: {reasons}")
    elif step.what == "disable templates":
        async with engine.coder(step.coder_url) as client:
            await enable_templates(client, enabled=False)
    elif step.path is not None and step.what == "file":
        write_file(step.path, step.content or b"", read=step.read, backup=False)
    elif step.path is not None:
        await asyncio.to_thread(step.path.unlink)
