"""Undo: what earlier runs changed is put back, from their journals, or from field managers where there are none.

What someone changed since is left as it is, and said.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wizard import journal as journals
from wizard.coder.actions import had_effect, why_left
from wizard.coder.steps import enable_templates
from wizard.collect import GUIDE_OBJECTS
from wizard.counting import counted
from wizard.differences import NOISY_ANNOTATIONS, file_diff, unified
from wizard.engine import Engine
from wizard.errors import ConflictError, WizardError
from wizard.events import ActionEnded, ActionStarted, Listener, ObjectResult, Shortfall
from wizard.facts import KubernetesObject
from wizard.files import Snapshot, read_snapshot, remove_file, write_file
from wizard.labels import set_labels
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE, NUDGE_ANNOTATION
from wizard.plan import object_title

SHOWN = 20
"""How many nodes a title names."""

TRIES = 8
"""How often an object is looked at anew that somebody writes to (its status, as a rule) while it is put back."""

UNDONE = ("now", "undone")
"""What the two sides of a difference are called."""

AS_BEFORE = "it is as it was before"
CHANGED = "someone changed it since"
BEING_DELETED = "it is being deleted"


What = Literal[
    "delete", "restore", "give back", "unlabel", "relabel", "file", "remove file", "disable templates", "nothing"
]


@dataclass(frozen=True)
class UndoStep:
    """One thing that undo does. ``left`` says why it leaves it alone, "" where it does not."""

    title: str
    what: What
    left: str = ""
    diff: str = ""
    object: KubernetesObject | None = None
    live: KubernetesObject | None = None
    owners: Sequence[Mapping[str, Any]] = ()
    """The object's managed fields as they were before."""
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
    """The steps of an undo, in order, the runs that they undo (the latest first), and what cannot be known."""

    steps: tuple[UndoStep, ...]
    runs: tuple[journals.Run, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def todo(self) -> tuple[UndoStep, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.what != "nothing")

    def to_json(self) -> dict[str, Any]:
        """The plan as ``undo -o json`` prints it."""
        return {
            "runs": [
                {"started": run.started, "interrupted": run.interrupted, "resumes": run.resumes or None}
                for run in self.runs
            ],
            "steps": [step.to_json() for step in self.steps],
            "notes": list(self.notes),
        }

    def told_runs(self) -> tuple[str, ...]:
        """Which runs are taken back, oldest first, in lines; none where no journal tells of any."""
        names = {run.path.name for run in self.runs}
        lines = []
        for run in reversed(self.runs):
            ended = ", which was cut off" if run.interrupted else ""
            went_on = ", which went on with the one before" if run.resumes in names else ""
            lines.append(f"the run of {run.started}{went_on}{ended}: {_did(run)}")
        return tuple(lines)


def _did(run: journals.Run) -> str:
    """What a run tried, in short."""
    objects = sum(change.kind == "apply" for change in run.changes)
    told = [f"apply {counted(objects, 'object')}"] if objects else []
    return ", ".join([*told, *(change.title for change in run.changes if change.kind != "apply")])


async def plan_undo(engine: Engine, *, everything: bool) -> UndoPlan:
    """What undoing the last piece of work (or all that was ever done here) would do now; changes nothing.

    Here is the cluster, or the Coder deployment where no cluster is connected (``Engine.folder``). A run that was
    cut off and those that went on with it are one piece of work. One of which nothing is left is passed over.
    ``everything`` also finds what no journal tells of: objects and labels whose field manager is the wizard.
    Raises InputError where a journal cannot be read.
    """
    known = journals.runs(engine.folder)
    notes = [run.damage for run in known if run.damage and not run.undone]
    pieces = [
        piece
        for runs in journals.pieces(known)
        if any(map(_had_effect, _changes(piece := [run for run in runs if not run.undone])))
    ]
    runs: list[journals.Run] = []
    steps: list[UndoStep] = []
    if everything:
        runs = sorted((run for piece in pieces for run in piece), key=lambda run: run.path.name, reverse=True)
        steps = await _steps(engine, runs)
        if engine.has_cluster:
            found, unsaid = await _unjournaled(engine, {step.title for step in steps}, steps, _labelled_before(known))
            steps += found
            notes += unsaid
    else:
        for piece in pieces:
            runs += piece
            steps = await _steps(engine, piece)
            if any(step.left != AS_BEFORE for step in steps):
                break
    if any(step.what == "relabel" for step in steps):
        notes.append(
            f"A label that is given back gets its value, not its field manager: {FIELD_MANAGER} owns it from then on, "
            "whoever had set it."
        )
    # A namespace goes last: what is in it goes first, one by one.
    steps.sort(key=_is_namespace)
    return UndoPlan(tuple([await _sparing_others(engine, step, steps) for step in steps]), tuple(runs), tuple(notes))


def _is_namespace(step: UndoStep) -> bool:
    return step.title.startswith("Namespace ")


def _changes(latest_first: Sequence[journals.Run]) -> list[journals.Change]:
    return [change for run in latest_first for change in reversed(run.changes)]


async def _steps(engine: Engine, runs: Sequence[journals.Run]) -> list[UndoStep]:
    changes = _changes(runs)
    labels = _LabelsBefore.of(changes)
    steps: list[UndoStep] = []
    for about_one in _by_thing(changes):
        if about_one[0].kind == "label":
            steps.extend(await _label_steps(engine, labels))
        else:
            steps.extend(await _step(engine, about_one))
    return steps


def _had_effect(change: journals.Change) -> bool:
    match change.kind:
        case "apply":
            # An answer that was lost says nothing about what became of the request.
            unclaimed = "owners" in change.before and not _claims(change.before["owners"])
            return "object" not in change.after or change.before.get("object") != change.after["object"] or unclaimed
        case "label":
            return change.result is None or any(value != change.before["value"] for value in change.after.values())
        case "policy":
            return not change.after or not change.before["existed"] or bool(change.after.get("backup"))
        case "coder":
            return had_effect(change)
        case _:
            return True


def _by_thing(latest_first: Sequence[journals.Change]) -> list[list[journals.Change]]:
    """The changes of one object, one file, one thing in Coder, or of all labels together: taken back as one."""
    found: dict[str, list[journals.Change]] = {}
    for number, change in enumerate(latest_first):
        match change.kind:
            case "apply":
                key = f"apply {change.title}"
            case "label":
                key = "label"
            case "policy":
                key = f"policy {change.before['path']}"
            case "coder":
                key = f"coder {change.before['what']} {change.before['url']}"
            case _:
                key = f"{number}"
        found.setdefault(key, []).append(change)
    return list(found.values())


def _left_by_us(latest_first: Sequence[journals.Change], name: str) -> list[Any]:
    """The states in which the wizard may have left a thing: what is ``name`` in the changes' ends.

    Where the latest ended without a word, it came to be what was meant, or stayed what the one before made of it.
    """
    states: list[Any] = []
    for change in latest_first:
        if name in change.after:
            return [*states, change.after[name]]
        if "meant" in change.before:
            states.append(change.before["meant"])
    return states


async def _step(engine: Engine, latest_first: Sequence[journals.Change]) -> list[UndoStep]:
    change = latest_first[0]
    match change.kind:
        case "apply":
            return [await _object_step(engine, latest_first)]
        case "policy":
            return [_file_step(latest_first)]
        case "coder":
            why = why_left(change)
            if why:
                return [UndoStep(change.title, "nothing", left=why)]
            url = change.before["url"]
            return [UndoStep(f"Disable workspace templates in Coder at {url}", "disable templates", coder_url=url)]
        case _:
            return [UndoStep(change.title, "nothing", left="it cannot be undone from here")]


async def _object_step(engine: Engine, latest_first: Sequence[journals.Change]) -> UndoStep:
    title = latest_first[0].title
    before: KubernetesObject | None = latest_first[-1].before["object"]
    ours: list[KubernetesObject | None] = _left_by_us(latest_first, "object")
    known = next((state for state in (*ours, before) if state is not None), None)
    if known is None:
        kind, _, name = title.partition(" ")
        live = await engine.gateway.get(kind, name, "" if kind == "Namespace" else NAMESPACE)
    else:
        metadata = known["metadata"]
        live = await engine.gateway.get(known["kind"], metadata["name"], metadata.get("namespace", ""))
    current = journals.without_noise(live)
    owners = latest_first[-1].before.get("owners", ())
    if current == before:
        if live is not None and _owners_to_give_back(live, owners):
            return UndoStep(title, "give back", object=before, live=live, owners=owners)
        return UndoStep(title, "nothing", left=AS_BEFORE)
    if live is None:
        return UndoStep(title, "nothing", left="it is gone", diff=_diff(known, None, names=("as-left", "now")))
    if live["metadata"].get("deletionTimestamp"):
        return UndoStep(title, "nothing", left=BEING_DELETED)
    if current not in ours:
        made_by_us_alone = not latest_first[0].after and _ours(live) and not _other_owners(live)
        if ours and not made_by_us_alone:
            was = next((state for state in reversed(ours) if state is not None), None)
            return UndoStep(title, "nothing", left=CHANGED, diff=_diff(was, current, names=("as-left", "now")))
        if not _ours(live):
            return UndoStep(title, "nothing", left="it is not of the wizard")
    diff = _diff(current, before)
    return UndoStep(title, "restore" if before else "delete", diff=diff, object=before, live=live, owners=owners)


def _diff(old: KubernetesObject | None, new: KubernetesObject | None, names: tuple[str, str] = UNDONE) -> str:
    return unified([old] if old else [], [new] if new else [], names=names)


async def _sparing_others(
    engine: Engine, step: UndoStep, steps: Sequence[UndoStep], gone: frozenset[str] = frozenset()
) -> UndoStep:
    """The step; one that would delete a namespace with what others have in it becomes one that leaves it."""
    from wizard.cluster import names_of, read_contents

    if not _is_namespace(step) or step.what != "delete":
        return step
    deleted = gone or frozenset(other.title for other in steps if other.what == "delete")
    contents = await read_contents(engine.gateway, step.title.partition(" ")[2])
    staying = [
        item for item in contents.objects if object_title(item) not in deleted and not _is_of_our_daemon_set(item)
    ]
    left = []
    if staying:
        left.append(f"in it stays {names_of(staying)}")
    if contents.unread_words:
        left.append(f"it cannot be seen whether something of others is in it: {contents.unread_words}")
    return UndoStep(step.title, "nothing", left="; ".join(left)) if left else step


def _is_of_our_daemon_set(item: KubernetesObject) -> bool:
    """Whether it goes with the daemon set, even where that is gone already and the garbage collector still at work."""
    owners = item["metadata"].get("ownerReferences") or ()
    return any((owner["kind"], owner["name"]) == ("DaemonSet", NAMESPACE) for owner in owners)


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
    from wizard.cluster import ApiRefusal

    nodes: dict[str, str | None] = {}
    try:
        async for part in engine.gateway.slices("Node", convert=_label_of):
            nodes = {**({} if part.restarted else nodes), **dict(part.items)}
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        what = f"The label of {_nodes(tuple(labels.before.items()))}"
        return [UndoStep(what, "nothing", left=f"the nodes cannot be listed: {refusal.message}")]
    changed = [(name, value) for name, value in labels.before.items() if nodes.get(name, value) != value]
    back = tuple(item for item in changed if nodes[item[0]] == labels.last[item[0]])
    left = tuple(item for item in changed if item not in back)
    steps = []
    if back:
        unlabel = all(value is None for _, value in back)
        title = f"Take the label off {_nodes(back)}" if unlabel else f"Give {_nodes(back)} the label of before"
        steps.append(UndoStep(title, "unlabel" if unlabel else "relabel", nodes=back))
    if left:
        steps.append(UndoStep(f"The label of {_nodes(left)}", "nothing", left=CHANGED))
    if not steps and labels.before:
        what = f"The label of {_nodes(tuple(labels.before.items()))}"
        steps.append(UndoStep(what, "nothing", left=AS_BEFORE))
    return steps


def _label_of(node: KubernetesObject) -> tuple[str, str | None]:
    metadata = node["metadata"]
    return metadata["name"], (metadata.get("labels") or {}).get(NODE_LABEL)


def _nodes(items: Sequence[tuple[str, str | None]]) -> str:
    names = ", ".join(name for name, _ in items[:SHOWN])
    more = f", and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{counted(len(items), 'node')} ({names}{more})"


def _file_step(latest_first: Sequence[journals.Change]) -> UndoStep:
    first = latest_first[-1]
    path = Path(first.before["path"])
    title = str(path)
    now = read_snapshot(path, missing_ok=True)
    digest = None if now.content is None else journals.digest(now.content)
    was = first.before.get("digest") if first.before["existed"] else None
    # Journals of old kept no digest of what was there before.
    if digest == was and (digest is not None or not first.before["existed"]):
        return UndoStep(title, "nothing", left=AS_BEFORE)
    if digest is None:
        return UndoStep(title, "nothing", left="the file is gone")
    if digest not in _left_by_us(latest_first, "digest"):
        return UndoStep(title, "nothing", left="someone changed the file since")
    if not first.before["existed"]:
        return UndoStep(title, "remove file", diff=file_diff(path, now.content, b"", UNDONE), path=path, read=now)
    saved = _backup(path, first.after.get("backup"), was)
    if saved is None:
        name = first.after.get("backup")
        return UndoStep(title, "nothing", left=f"its backup {name} is gone" if name else AS_BEFORE)
    return UndoStep(title, "file", diff=file_diff(path, now.content, saved, UNDONE), path=path, content=saved, read=now)


def _backup(path: Path, name: str | None, was: str | None) -> bytes | None:
    """What the file held before: from its backup, which is looked for where the journal does not tell of it."""
    target = Path(os.path.realpath(path))
    candidates = [Path(name)] if name else []
    if was is not None:
        candidates += sorted(target.parent.glob(f"{glob.escape(target.name)}.*.bak"), reverse=True)
    for candidate in candidates:
        content = read_snapshot(candidate, missing_ok=True).content
        if content is not None and was in (None, journals.digest(content)):
            return content
    return None


def _labelled_before(latest_first: Sequence[journals.Run]) -> set[str]:
    """The nodes whose label was there before the wizard first touched it, by all journals, undone or not."""
    before = _LabelsBefore.of(_changes(latest_first)).before
    return {name for name, value in before.items() if value is not None}


async def _unjournaled(
    engine: Engine, seen: set[str], planned: Sequence[UndoStep], labelled_before: set[str]
) -> tuple[list[UndoStep], list[str]]:
    """What the wizard's field manager owns and no journal tells of (it may have run on another machine).

    With it, what cannot be known without a journal. A label that an undo gave back is the wizard's too, by its
    field manager; it was there before, so it stays.
    """
    from wizard.cluster import ApiRefusal

    steps, notes = [], []
    handled = labelled_before | {name for step in planned for name, _ in step.nodes}
    try:
        labelled = tuple((name, None) for name in await _labelled_by_us(engine) if name not in handled)
    except ApiRefusal as refusal:
        labelled = ()
        notes.append(f"Whether nodes carry the label cannot be seen: {refusal.what}")
    if labelled:
        steps.append(UndoStep(f"Take the label off {_nodes(labelled)}", "unlabel", nodes=labelled))
    for kind in reversed(GUIDE_OBJECTS):
        try:
            item = await engine.gateway.get(kind, NAMESPACE, NAMESPACE)
        except ApiRefusal as refusal:
            notes.append(f"Whether {kind} {NAMESPACE} is the wizard's cannot be seen: {refusal.what}")
            continue
        if item is None:
            continue
        title = object_title(item)
        if title in seen or not _ours(item):
            continue
        others = _other_owners(item)
        if item["metadata"].get("deletionTimestamp"):
            steps.append(UndoStep(title, "nothing", left=BEING_DELETED))
        elif others:
            steps.append(UndoStep(title, "nothing", left=f"{', '.join(others)} owns fields of it too"))
        else:
            steps.append(UndoStep(title, "delete", diff=_diff(journals.without_noise(item), None), live=item))
    if any(step.left != BEING_DELETED for step in steps):
        notes.append(
            "No journal on this machine tells of some of this: it was found by the field manager podman-wizard. What "
            "it held before, policy files that were written, and what was done in Coder are not known here."
        )
    return steps, notes


async def _labelled_by_us(engine: Engine) -> list[str]:
    found = await engine.gateway.list("Node", labels=f"{NODE_LABEL}={NODE_LABEL_VALUE}")
    return [node["metadata"]["name"] for node in found if any(map(_sets_the_label, _fields_of_ours(node)))]


def _fields_of_ours(live: KubernetesObject) -> list[Mapping[str, Any]]:
    return _claims(live["metadata"].get("managedFields", ()))


def _claims(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
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

    Raises ConflictError where another wizard is at work on this cluster, InputError where no lock can be had.
    """
    todo = plan.todo
    if todo or plan.runs:
        engine.claim()
    listener(ActionStarted("undo", f"Undo {counted(len(todo), 'change')}", len(todo)))
    failed: list[Shortfall] = []
    gone: set[str] = set()
    for step in todo:
        try:
            spared = await _sparing_others(engine, step, (), frozenset(gone))
            if spared.left:
                raise ConflictError(f"It was left: {spared.left}.", "Look at it, and repeat undo --all.")
            await _execute_step(engine, step, listener)
        except WizardError as error:
            failed.append(Shortfall(step.title, error.what))
            listener(ObjectResult("undo", step.title, "failed", message=error.what))
        else:
            if step.what == "delete":
                gone.add(step.title)
            deletes = step.what in ("delete", "remove file", "unlabel")
            what = f"Label of {counted(len(step.nodes), 'node')}" if step.nodes else step.title
            listener(ObjectResult("undo", what, "delete" if deletes else "configure"))
    if not failed:
        for run in plan.runs:
            journals.mark(run, "undone")
    detail = f"{len(todo) - len(failed)} of {counted(len(todo), 'change')} undone"
    listener(ActionEnded("undo", "failed" if failed else "done", detail, tuple(failed)))
    return tuple(failed)


def _owners_to_give_back(live: KubernetesObject, before: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The managed fields with which everyone owns again what they owned before; none where they do already.

    The wizard's claims become what they were. Nobody else loses one: who came since keeps theirs. What is written to
    a subresource is the business of those who write it. Managed fields are written as client-go's csaupgrade does it.
    """
    now = live["metadata"].get("managedFields") or ()
    if not before or not _claims(now):
        return []
    kept = {_owner(entry): entry for entry in now if entry.get("manager") != FIELD_MANAGER or entry.get("subresource")}
    wanted = dict(kept)
    for entry in before:
        key = _owner(entry)
        if entry.get("subresource"):
            continue
        there = kept.get(key)
        wanted[key] = {**entry, "fieldsV1": _union(entry["fieldsV1"], there["fieldsV1"])} if there else entry
    owned = {_owner(entry): entry.get("fieldsV1") for entry in now}
    as_it_was = {key: entry.get("fieldsV1") for key, entry in wanted.items()} == owned
    return [] if as_it_was else list(wanted.values())


def _owner(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(key) for key in ("manager", "operation", "apiVersion", "subresource"))


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of fields (FieldsV1) as one: a member without members below it is an empty mapping."""
    if bool(one) != bool(other):
        return {".": {}, **one, **other}
    return {
        key: _union(one[key], other[key]) if key in one and key in other else {**one, **other}[key]
        for key in {**one, **other}
        if key != "."
    } | ({".": {}} if "." in one or "." in other else {})


def _put_back(before: KubernetesObject, live: KubernetesObject) -> KubernetesObject:
    """The object as it was, as a write that fails where it changed since; what tools keep on it stays theirs."""
    metadata = {**before["metadata"], **{key: live["metadata"][key] for key in ("uid", "resourceVersion")}}
    annotations = live["metadata"].get("annotations", {})
    tools = {key: value for key, value in annotations.items() if key in NOISY_ANNOTATIONS and key != NUDGE_ANNOTATION}
    metadata["annotations"] = {**tools, **before["metadata"].get("annotations", {})}
    return {**before, "metadata": metadata}


async def _execute_step(engine: Engine, step: UndoStep, listener: Listener) -> None:
    if step.what in ("delete", "restore", "give back") and step.live is not None:
        await _execute_on_object(engine, step, step.live)
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
        remove_file(step.path, read=step.read)


async def _execute_on_object(engine: Engine, step: UndoStep, shown: KubernetesObject) -> None:
    """Deletes an object or puts it back, if it still is what was shown; who wrote to its status is no obstacle."""
    from wizard.cluster import ApiRefusal

    metadata, kind = shown["metadata"], shown["kind"]
    name, namespace = metadata["name"], metadata.get("namespace", "")
    put_back = False
    for _ in range(TRIES):
        live = await engine.gateway.get(kind, name, namespace)
        current = journals.without_noise(live)
        is_back = live is not None and (put_back or (step.object is not None and current == step.object))
        owners = _owners_to_give_back(live, step.owners) if live is not None and is_back else []
        if (is_back and not owners) or (live is None and (put_back or step.object is None)):
            return
        as_shown = is_back or current == journals.without_noise(shown)
        if live is None or live["metadata"]["uid"] != metadata["uid"] or not as_shown:
            raise ConflictError(f"{step.title} is no longer what was shown: it was left alone.", "Look, and repeat it.")
        version = live["metadata"]["resourceVersion"]
        try:
            if is_back:
                change = {"managedFields": owners, "resourceVersion": version}
                await engine.gateway.patch(kind, name, {"metadata": change}, namespace)
            elif step.object is None:
                await engine.gateway.delete(kind, name, namespace, uid=metadata["uid"], version=version)
                return
            else:
                await engine.gateway.replace(_put_back(step.object, live))
                put_back = True
        except ApiRefusal as refusal:
            if refusal.status != 409 or refusal.namespace_terminating:
                raise
    raise ConflictError(f"{step.title} changes all the time.", "Try again when it has come to rest.")
