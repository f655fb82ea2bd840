"""What an undo would do: read from the journals and the cluster, or from field managers if there is no journal.

Nothing is changed here (wizard.engine.undoing carries the plan out), but the server is asked whether it accepts each
step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wizard.cluster.pods_with_fuse import pods_with_fuse
from wizard.engine.coder import had_effect, why_left
from wizard.engine.collect import GUIDE_OBJECTS
from wizard.engine.engine import Engine
from wizard.engine.undo_files import file_step
from wizard.engine.undo_labels import LabelsBefore, NodeLabels, label_steps, read_node_labels, unlabel_step
from wizard.errors import UsageError, WizardError
from wizard.facts.changes import changes_between
from wizard.facts.objects import ObjectRef
from wizard.journal import journal as journals
from wizard.journal.unfinished import folder_without_cluster
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.plan.history import ObjectHistory, claim_words, is_ours, was_taken_over
from wizard.plan.undo import (
    AS_BEFORE,
    DEVICE_MANAGER,
    Inside,
    NodeLabel,
    UndoPlan,
    UndoStep,
    What,
    did_words,
    leaving_what_is_needed,
    losing_nodes,
    ordered,
)


async def plan_undo(engine: Engine, *, everything: bool = False, run: str = "") -> UndoPlan:
    """Plans the undo of the last piece of work, of the one with the run ``run``, or with ``everything`` of all work.

    All of it is the work here: on the cluster, or in the Coder deployment if no cluster is connected
    (``Engine.folder``). An interrupted run and the runs that resumed it are one piece of work. Pieces that are already
    undone are skipped. ``everything`` also finds objects and labels without a journal, by the wizard's field manager.
    Changes nothing. Raises InputError if a journal cannot be read, UsageError if there is no such run.
    """
    known = journals.runs(engine.folder)
    notes = [one.damage for one in known if one.damage and not one.undone]
    pieces = _pieces_to_undo(known)
    planning = _Planning(engine, tuple(LabelsBefore.of(_changes(known)).before))
    runs: list[journals.Run] = []
    if everything:
        runs = sorted((one for piece in pieces for one in piece), key=lambda one: one.path.name, reverse=True)
        steps = await planning.steps(runs)
        if engine.has_cluster:
            found, unsaid = await planning.unjournaled(steps, _labelled_before(known))
            steps += found
            notes += unsaid
    elif run:
        piece, note = _piece_of(run, known, pieces)
        runs, notes = piece, [*notes, note] if note else notes
        steps = _not_changed_later(await planning.steps(piece), piece, known)
    else:
        steps = []
        for piece in pieces:
            runs += piece
            steps = await planning.steps(piece)
            if any(step.left != AS_BEFORE for step in steps):
                break
    if any(step.what is What.RELABEL for step in steps):
        notes.append(
            f"A restored label gets its earlier value but not its earlier field manager: {FIELD_MANAGER} remains its "
            "manager."
        )
    return await planning.plan(steps, runs, notes)


@dataclass(frozen=True)
class Undoable:
    """A piece of work that can be undone by the ID of its run, and what it did."""

    run: str
    words: str


def undoable(engine: Engine) -> tuple[Undoable, ...]:
    """Returns the pieces of work that can be undone here, the latest first. Raises InputError."""
    return tuple(
        Undoable(piece[0].id, f"{piece[-1].started}: {', '.join(did_words(run) for run in reversed(piece))}")
        for piece in _pieces_to_undo(journals.runs(engine.folder))
    )


def _pieces_to_undo(known: Sequence[journals.Run]) -> list[list[journals.Run]]:
    return [
        piece
        for runs in journals.pieces(known)
        if any(map(_had_effect, _changes(piece := [one for one in runs if not one.undone])))
    ]


def has_work_without_cluster() -> bool:
    """Tells whether files were written without a cluster, and that was not undone."""
    known = journals.runs(folder_without_cluster())
    return any(not run.undone and any(map(_had_effect, run.changes)) for run in known)


def _changes(latest_first: Sequence[journals.Run]) -> list[journals.Change]:
    return [change for run in latest_first for change in reversed(run.changes)]


def _piece_of(
    run_id: str, known: Sequence[journals.Run], pieces: Sequence[list[journals.Run]]
) -> tuple[list[journals.Run], str]:
    """Returns the piece of work that a run belongs to, and a note if nothing of it is left to undo."""
    for piece in pieces:
        if any(one.id == run_id for one in piece):
            return piece, ""
    found = next((one for one in known if one.id == run_id), None)
    if found is not None:
        return [], f"The run {run_id} {'was undone already' if found.undone else 'changed nothing'}."
    names = ", ".join(one.id for piece in pieces for one in piece)
    raise UsageError(
        f"There is no run {run_id} here.",
        f"The runs that can be undone are: {names}" if names else "There is no run that can be undone.",
    )


def _not_changed_later(
    steps: Sequence[UndoStep], piece: Sequence[journals.Run], known: Sequence[journals.Run]
) -> list[UndoStep]:
    """Returns the steps of an earlier piece of work without those whose thing a later run changed."""
    later: dict[object, str] = {}
    newest = max((one.path.name for one in piece), default="")
    for one in known:
        if one.path.name > newest and not one.undone:
            for change in filter(_had_effect, one.changes):
                later.update(dict.fromkeys(_things(change), one.id))
    found = []
    for step in steps:
        things: Iterable[object] = (step.ref, step.path, *(one.name for one in step.nodes))
        run_id = next((later[thing] for thing in things if thing is not None and thing in later), "")
        why = f"the later run {run_id} changed it; undo that one first"
        found.append(step.leave(why) if run_id and step.left != AS_BEFORE else step)
    return found


def _things(change: journals.Change) -> list[object]:
    match change.kind:
        case "apply":
            return [journals.object_of(change)]
        case "label":
            return list(change.after)
        case _:
            return []


def _had_effect(change: journals.Change) -> bool:
    match change.kind:
        case "apply":
            # Without an answer, the request was possibly carried out.
            unclaimed = "owners" in change.before and not any(
                entry.get("manager") == FIELD_MANAGER for entry in change.before["owners"]
            )
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
    """Groups the changes of one object, one file, one thing in Coder, or all labels, which are undone together."""
    found: dict[object, list[journals.Change]] = {}
    for number, change in enumerate(latest_first):
        key: object = number
        match change.kind:
            case "apply":
                key = journals.object_of(change)
            case "label":
                key = "label"
            case "policy":
                key = ("policy", change.before["path"])
            case "coder":
                key = ("coder", change.before["what"], change.before["url"], change.before.get("template_id"))
        found.setdefault(key, []).append(change)
    return list(found.values())


def _labelled_before(latest_first: Sequence[journals.Run]) -> set[str]:
    """Returns the nodes that had the label before the wizard changed it, by all journals, undone or not."""
    before = LabelsBefore.of(_changes(latest_first)).before
    return {name for name, value in before.items() if value is not None}


@dataclass
class _Planning:
    """Makes the steps of one undo; the nodes are read once, if they matter.

    ``labelled`` are the nodes that the journals name: without permission to list nodes, only those are read.
    """

    engine: Engine
    labelled: tuple[str, ...] = ()
    _nodes: NodeLabels | None = None

    async def nodes(self) -> NodeLabels:
        if self._nodes is None:
            self._nodes = await read_node_labels(self.engine.gateway, self.labelled)
        return self._nodes

    async def steps(self, runs: Sequence[journals.Run]) -> list[UndoStep]:
        """Returns the steps that undo these runs, the latest first."""
        changes = _changes(runs)
        steps: list[UndoStep] = []
        for about_one in _by_thing(changes):
            if about_one[0].kind == "label":
                steps.extend(label_steps(LabelsBefore.of(changes), await self.nodes()))
            else:
                steps.append(await self._step(about_one))
        return steps

    async def _step(self, latest_first: Sequence[journals.Change]) -> UndoStep:
        change = latest_first[0]
        match change.kind:
            case "apply":
                return await self._object_step(ObjectHistory.of(latest_first))
            case "policy":
                return file_step(latest_first)
            case "coder" if change.before["what"] == "template":
                return await self._template_step(latest_first)
            case "coder":
                why = why_left(change)
                if why:
                    hopeless = had_effect(change)
                    return UndoStep(change.title, What.NOTHING, left=why if hopeless else AS_BEFORE, hopeless=hopeless)
                url = change.before["url"]
                title = f"Disable workspace templates in Coder at {url}"
                return UndoStep(title, What.DISABLE_TEMPLATES, coder_url=url)
            case _:
                return UndoStep(change.title, What.NOTHING, left="it cannot be undone from here", hopeless=True)

    async def _template_step(self, latest_first: Sequence[journals.Change]) -> UndoStep:
        from wizard.coder.v2.undoing import PushedTemplate, changes_of, read_present, title_of, why_not

        pushed = PushedTemplate.of(latest_first)
        step = UndoStep(f"Template {pushed.name} in Coder at {pushed.url}", What.TAKE_BACK_VERSION, pushed=pushed)
        if not pushed.versions:
            return step.leave("it is unknown whether a version was created; if so, it is not active")
        try:
            async with self.engine.templates(pushed.url) as client:
                present = await read_present(client, pushed)
        except WizardError as error:
            return step.leave(error.what, rejected=True)
        if why := why_not(pushed, present):
            return step.leave(why)
        changes = changes_of(pushed, present)
        if not changes:
            return step.leave(AS_BEFORE)
        return replace(step, title=title_of(pushed, present), present=present, changes=changes)

    async def _object_step(self, history: ObjectHistory) -> UndoStep:
        ref, before = history.ref, history.before
        live = await self.engine.gateway.get(ref.kind, ref.name, ref.namespace)
        step = UndoStep(ref.title, What.DELETE, history=history, live=live)
        if live is None:
            return step.leave("it no longer exists" if before is not None else AS_BEFORE)
        if live["metadata"].get("deletionTimestamp"):
            # What did not exist before is only waited for.
            return step if before is None else step.leave("it is being deleted")
        if before is not None and history.is_back(live):
            if not history.owners_to_return(live):
                return step.leave(AS_BEFORE)
            return await self._accepted(replace(step, what=What.RETURN_FIELDS))
        claims = history.claims(live)
        if claims:
            return step.leave(claim_words(claims))
        after = history.target(live) if before is not None else None
        what = What.RESTORE if before is not None else What.DELETE
        changes = changes_between(ref, live, after, by=lambda ref, path: "back")
        return await self._accepted(replace(step, what=what, changes=changes))

    async def _accepted(self, step: UndoStep) -> UndoStep:
        """Returns the step, or one that is left if the server would reject it."""
        from wizard.engine.undoing import try_step

        why = await try_step(self.engine.gateway, step)
        return step.leave(why, rejected=True) if why else step

    async def unjournaled(
        self, planned: Sequence[UndoStep], labelled_before: set[str]
    ) -> tuple[list[UndoStep], list[str]]:
        """Returns steps for what the wizard's field manager owns without a journal (from a run on another machine).

        Also returns notes about what is unknown without a journal. A label that an undo restored has the wizard's
        field manager too; it existed before, so it stays.
        """
        from wizard.cluster import ApiRefusal

        steps, notes = [], []
        handled = labelled_before | {one.name for step in planned for one in step.nodes}
        nodes = await self.nodes()
        if nodes.denied:
            notes.append(f"Labeled nodes could not be searched for: {nodes.denied}")
        ours = [
            name
            for name, labels in nodes.labels.items()
            if labels.get(NODE_LABEL) == NODE_LABEL_VALUE and FIELD_MANAGER in nodes.setters.get(name, ())
        ]
        labelled = tuple(NodeLabel(name, NODE_LABEL_VALUE, None) for name in ours if name not in handled)
        if labelled:
            steps.append(unlabel_step(labelled))
        seen = {step.ref for step in planned}
        for kind in reversed(GUIDE_OBJECTS):
            ref = ObjectRef(kind, NAMESPACE, "" if kind == "Namespace" else NAMESPACE)
            try:
                live = await self.engine.gateway.get(kind, ref.name, ref.namespace)
            except ApiRefusal as refusal:
                notes.append(f"{ref.title} could not be checked: {refusal.what}")
                continue
            if live is None or ref in seen or not is_ours(live):
                continue
            left = journals.without_noise(live)
            history = ObjectHistory(ref, left=(left,) if left else ())
            if was_taken_over(live):
                why = "it existed before podman-wizard changed it, and its earlier content is not in a journal here"
                steps.append(UndoStep(ref.title, What.NOTHING, left=why, history=history, live=live))
                continue
            steps.append(await self._object_step(history))
        if steps:
            notes.append(
                "Some of this is not in a journal on this machine; it was found by the field manager podman-wizard. "
                "Its earlier state, written policy files, and changes in Coder are unknown."
            )
        return steps, notes

    async def plan(self, steps: Sequence[UndoStep], runs: Sequence[journals.Run], notes: Sequence[str]) -> UndoPlan:
        """Returns the plan: in order, without what an object that stays needs, and with the pods that are affected."""
        checked = [await self._accepted(step) if step.nodes and step.acts else step for step in ordered(steps)]
        inside = Inside()
        if any(step.what is What.DELETE and step.ref and step.ref.kind == "Namespace" for step in checked):
            inside = await read_inside(self.engine)
        final = leaving_what_is_needed(checked, inside)
        pods = None
        if any(step.acts and (step.nodes or step.ref == DEVICE_MANAGER) for step in final):
            nodes = await self.nodes()
            losing = None if nodes.denied else losing_nodes(final, nodes.labels)
            pods = await pods_with_fuse(self.engine.gateway, losing)
        return UndoPlan(final, tuple(runs), tuple(notes), inside, pods)


async def read_inside(engine: Engine) -> Inside:
    """Returns what the device manager's namespace contains, apart from the pods of the DaemonSet."""
    from wizard.cluster import read_contents

    contents = await read_contents(engine.gateway, NAMESPACE)
    objects = [item for item in contents.objects if not _is_of_the_daemon_set(item)]
    return Inside(tuple(map(ObjectRef.of, objects)), contents.unread_words)


def _is_of_the_daemon_set(item: Mapping[str, Mapping[str, object]]) -> bool:
    """Tells whether the DaemonSet owns it, even if the garbage collector has not deleted it yet."""
    owners = item["metadata"].get("ownerReferences") or ()
    assert isinstance(owners, list | tuple)
    return any((owner["kind"], owner["name"]) == ("DaemonSet", NAMESPACE) for owner in owners)
