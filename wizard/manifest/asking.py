"""Asks the server what an apply of each object would make of it, and applies exactly that.

A dry run answers with the object as the server would leave it: with its defaults, with what admission changes, and
with the fields that other managers keep. That answer is what the plan judges by. Fields that ``kubectl apply`` left
behind would stay in it for ever, since server-side apply removes only what its own manager set; they are taken over
first, as client-go's csaupgrade does (verified on kube-apiserver 1.36).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from wizard.choices.answers import UNDECIDED, OwnershipChoice
from wizard.cluster.concurrency import attempts, together
from wizard.cluster.content_patch import content_patch
from wizard.cluster.gateway import ApplyResult, Gateway
from wizard.cluster.refusals import ApiRefusal, ApplyConflict, FieldConflict
from wizard.errors import ConflictError
from wizard.facts.changes import Change, changes_between, counts
from wizard.facts.cluster import KubernetesObject
from wizard.facts.field_sets import Fields, difference, select, union, without
from wizard.facts.live import (
    CLIENT_SIDE_APPLY,
    adopted_fields_of,
    content_key,
    entries_of,
    is_adopted,
    migrated_entries,
)
from wizard.facts.objects import ObjectRef, all_paths
from wizard.manifest.gitops import keeper_of
from wizard.manifest.guide import added_to_guide
from wizard.manifest.ownership import without_fields
from wizard.names import BORROWED_NAMESPACE, ENFORCE_LABEL, FIELD_MANAGER, TAKEN_OVER_ANNOTATION

ADOPTED_MANAGERS: Final = (CLIENT_SIDE_APPLY, FIELD_MANAGER)
"""The managers whose fields are taken over without asking."""


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """What the server answered to the dry run of one object.

    ``checked`` says who checked it: "server", "server (in default)" if its namespace does not exist yet, or why nobody
    did. ``before`` is the live object (None: it does not exist), ``after`` the object as it would be (None if it was
    rejected). ``wanted`` is the object as the plan has it, ``sent`` what an apply sends: without the fields that were
    left to others, and with ``forced`` if fields of others are taken over. If conflicts are not decided, ``change``
    is "conflict", and ``after`` is what taking those fields over would give.

    ``takes_over`` says that fields of ``kubectl apply`` become ours first, all but those in ``left``; ``dropped`` are
    those that nobody owns afterwards, which the server then removes.
    """

    title: str
    change: Literal["create", "configure", "unchanged", "conflict", "failed", "skipped"]
    checked: str
    message: str = ""
    todo: str = ""
    warnings: tuple[str, ...] = ()
    conflicts: tuple[FieldConflict, ...] = ()
    before: KubernetesObject | None = None
    after: KubernetesObject | None = None
    wanted: KubernetesObject | None = None
    sent: KubernetesObject | None = None
    forced: bool = False
    takes_over: bool = False
    left: Fields = field(default_factory=dict)
    dropped: Fields = field(default_factory=dict)
    pod_refusal: str | None = None
    """Of a DaemonSet that changes: why admission rejects its pod, "" if it does not; None if that was not asked."""

    @property
    def ref(self) -> ObjectRef:
        """The object that was checked."""
        assert self.wanted is not None
        return ObjectRef.of(self.wanted)

    @property
    def borrowed(self) -> bool:
        """Tells whether the server judged an object of this kind in another namespace."""
        return self.answered and not self.by_server

    @property
    def by_server(self) -> bool:
        """Tells whether the server judged the object itself, and not one in a borrowed namespace."""
        return self.checked == "server"

    @property
    def answered(self) -> bool:
        """Tells whether the server judged the object at all; without the permission to ask, it did not."""
        return not self.checked.startswith("not checked")

    def changes(self, by: Callable[[ObjectRef, str], str] = lambda ref, path: "") -> tuple[Change, ...]:
        """Returns what the apply changes, field by field; nothing if it is skipped or was rejected."""
        if self.after is None or self.change in ("skipped", "failed"):
            return ()
        return changes_between(self.ref, self.before, self.after, by=by)

    @property
    def taken_from(self) -> str:
        """The manager and time of the ``kubectl apply`` whose fields are taken over; "" if none are."""
        if not self.takes_over or self.before is None:
            return ""
        times = [str(one.get("time") or "") for one in entries_of(self.before) if is_adopted(one)]
        return f"{CLIENT_SIDE_APPLY} {max(times, default='')}".strip()


TAKEN_OVER: Final = {TAKEN_OVER_ANNOTATION: "true"}


class PlanChanged(ConflictError):
    """An object is not what the plan was made from: nothing was done to it, and the cluster must be read again."""

    def __init__(self, ref: ObjectRef) -> None:
        self.ref = ref
        super().__init__(
            f"{ref.title} changed after the plan was made, so it was not applied.", "Review the plan again."
        )


async def check_objects(
    gateway: Gateway, objects: Sequence[KubernetesObject], ownership: OwnershipChoice = UNDECIDED
) -> tuple[ObjectCheck, ...]:
    """Has the server check every object, whether or not its namespace exists yet; changes nothing.

    An object whose namespace does not exist is checked in the namespace ``default``, and is shown with its own names
    again. A rejection is an answer here: it is in the check of its object. Decisions about fields of others are
    heeded as an apply heeds them. Raises ClusterError only if the server cannot be reached or rejects the
    credentials.
    """
    # A namespace whose own label says what is enforced is not judged by the Pod Security level of another one.
    labelled = {
        item["metadata"]["name"]
        for item in objects
        if item["kind"] == "Namespace" and ENFORCE_LABEL in (item["metadata"].get("labels") or {})
    }
    return await together(_check_as_decided(gateway, item, labelled, ownership) for item in objects)


async def _check_as_decided(
    gateway: Gateway, item: KubernetesObject, labelled: set[str], ownership: OwnershipChoice
) -> ObjectCheck:
    check = await _check(gateway, item, labelled, ownership)
    if not ownership.skips(item["kind"]):
        return check
    return replace(check, change="skipped", message="", todo="", warnings=(), after=check.before, takes_over=False)


async def _check(
    gateway: Gateway, item: KubernetesObject, labelled: set[str], ownership: OwnershipChoice
) -> ObjectCheck:
    check = ObjectCheck(ObjectRef.of(item).title, "failed", "server", wanted=item, sent=item)
    try:
        return await _Asking(gateway, ownership).ask(check, item)
    except ApiRefusal as refusal:
        if not refusal.namespace_missing:
            return _refused(check, refusal)
    metadata = item["metadata"]
    borrowed = copy.deepcopy(item)
    borrowed["metadata"]["namespace"] = BORROWED_NAMESPACE
    if await gateway.exists(item["kind"], metadata["name"], BORROWED_NAMESPACE):
        # An object of that name exists there: the dry run must not be one of changing it.
        borrowed["metadata"]["name"] = f"{metadata['name']}-dry-run"
    check = replace(check, checked=f"server (in {BORROWED_NAMESPACE})")
    try:
        check = replace(await _Asking(gateway, ownership).ask(check, borrowed), sent=item)
    except ApiRefusal as refusal:
        return _refused(check, refusal)
    if check.after is not None:
        check.after["metadata"] |= {"name": metadata["name"], "namespace": metadata["namespace"]}
    warnings = tuple(
        f"in {BORROWED_NAMESPACE}: {one}"
        for one in check.warnings
        if "violate PodSecurity" not in one or metadata["namespace"] not in labelled
    )
    return replace(check, warnings=warnings)


def _refused(check: ObjectCheck, refusal: ApiRefusal) -> ObjectCheck:
    if refusal.status == 401:
        raise refusal
    if refusal.lacks_permission:
        checked = f"not checked ({refusal.target.verb} {refusal.target.resource})"
    elif refusal.status in (400, 403, 409, 422, 500):
        checked = check.checked
    else:
        checked = f"not checked ({refusal.status})"
    return replace(check, change="failed", checked=checked, message=refusal.message or refusal.what, todo=refusal.todo)


@dataclass(frozen=True)
class _Asking:
    """The dry runs of one object."""

    gateway: Gateway
    ownership: OwnershipChoice

    async def ask(self, check: ObjectCheck, item: KubernetesObject) -> ObjectCheck:
        """Returns the check with the server's answer; asks again if the object changed between two requests.

        A controller that writes its status is enough for that. Raises ApiRefusal.
        """
        said: ApiRefusal | None = None
        async for _ in attempts():
            try:
                return await self._ask(check, item)
            except ApiRefusal as refusal:
                if refusal.status != 409 or refusal.namespace_terminating:
                    raise
                said = refusal
        assert said is not None
        raise said

    async def _ask(self, check: ObjectCheck, item: KubernetesObject) -> ObjectCheck:
        kind = item["kind"]
        found: tuple[FieldConflict, ...] = ()
        sent = item
        try:
            result = await self.gateway.apply(item, dry_run=True)
        except ApplyConflict as conflict:
            found = conflict.conflicts
            left_paths = {one.field for one in found if self.ownership.of(kind, one.field) == "leave"}
            sent = without_fields(item, left_paths)
            result = await self._apply_taking(sent, left_paths)
        keeper = keeper_of(result.before)
        contested = tuple(one for one in found if keeper or one.manager not in ADOPTED_MANAGERS)
        open_ones = [one for one in contested if self.ownership.of(kind, one.field) == "fail"]
        taken = [one for one in contested if self.ownership.of(kind, one.field) == "take"]
        check = replace(
            check,
            warnings=result.warnings,
            conflicts=contested,
            before=result.before,
            after=result.object,
            sent=sent,
            forced=bool(taken or open_ones),
        )
        if result.before is not None and not keeper:
            adopted_conflicts = len(found) > len(contested)
            check = await self._taking_over(check, result.before, result.object, adopted_conflicts)
        return _judged(check, undecided=bool(open_ones))

    async def _apply_taking(self, item: KubernetesObject, left: set[str]) -> ApplyResult:
        """Returns a dry run that takes what is still in conflict; nothing of ``left`` may be."""
        try:
            return await self.gateway.apply(item, dry_run=True)
        except ApplyConflict as conflict:
            kept = sorted({one.field for one in conflict.conflicts} & left)
            if kept:
                # Forcing would take it against the decision.
                raise ConflictError(
                    f"{conflict.object}: {kept[0]} cannot be left out of an apply.",
                    "Take it over, skip the object, or change its source.",
                ) from None
        return await self.gateway.apply(item, dry_run=True, force=True)

    async def _taking_over(
        self, check: ObjectCheck, before: KubernetesObject, answer: KubernetesObject, adopted_conflicts: bool
    ) -> ObjectCheck:
        kind = check.ref.kind
        adopted: Fields = {}
        kept: Fields = {}
        for entry in answer["metadata"].get("managedFields") or ():
            if entry.get("subresource") or _is_apply_of_ours(entry) or not is_adopted(entry):
                kept = union(kept, entry.get("fieldsV1") or {})
            else:
                adopted = union(adopted, adopted_fields_of(entry))
        sent = frozenset(all_paths(check.sent))
        added = added_to_guide(before) - sent
        left = select(adopted, lambda path: path in added or self.ownership.of(kind, path) == "leave")
        dropped = difference(difference(adopted, left), kept)
        if not dropped:
            return replace(check, takes_over=adopted_conflicts, left=left)
        kept = union(kept, left)
        content = without(answer, dropped, kept)
        after = await self.gateway.json_patch(check.ref, content_patch(content, answer), dry_run=True)
        return replace(check, takes_over=True, left=left, dropped=dropped, after=after)


def _is_apply_of_ours(entry: Mapping[str, Any]) -> bool:
    """Tells whether an entry in the answer to an apply of ours is of that apply.

    It has no time if the apply changes nothing, so its time says nothing here (measured on 1.36.2).
    """
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"


def _judged(check: ObjectCheck, *, undecided: bool) -> ObjectCheck:
    after = check.after or {}
    if (after.get("status") or {}).get("phase") == "Terminating":
        return replace(
            check,
            change="failed",
            message="the namespace is being deleted; nothing can be created in it",
            todo="Wait until it is gone, then try again.",
        )
    if undecided:
        return replace(check, change="conflict")
    if check.before is None:
        return replace(check, change="create")
    changes = changes_between(check.ref, check.before, check.after)
    return replace(check, change="configure" if counts(changes) else "unchanged")


async def apply_checked(
    gateway: Gateway, check: ObjectCheck, on_before: Callable[[KubernetesObject | None], None]
) -> ApplyResult:
    """Applies an object exactly as it was checked.

    ``on_before`` gets the object as it is, before anything is changed. Raises PlanChanged if it is not the one that
    was checked, ApiRefusal if the server rejects it, and ConflictError if it never comes to rest.
    """
    assert check.sent is not None
    ref = check.ref
    first: KubernetesObject | None = None
    expected = content_key(check.before) if check.before is not None else ""
    announced, taken_over, said = False, False, ""
    async for _ in attempts():
        live = await gateway.get(ref.kind, ref.name, ref.namespace)
        if (content_key(live) if live is not None else "") != expected:
            raise PlanChanged(ref)
        if not announced:
            on_before(live)
            first, announced = live, True
        try:
            if live is not None and check.takes_over and not taken_over:
                live = await gateway.json_patch(ref, _take_over_patch(live, check.left))
                expected, taken_over = content_key(live), True
            answer = await gateway.apply(_at_version(check.sent, live), force=check.forced)
        except ApplyConflict:
            raise PlanChanged(ref) from None
        except ApiRefusal as refusal:
            if refusal.status != 409 or refusal.namespace_terminating:
                raise
            said = f" ({refusal.message})" if refusal.message else ""
            continue  # a controller wrote its status, or someone changed it: the next look tells
        change = answer.change
        if first is not None:
            changed = counts(changes_between(ref, first, answer.object))
            change = "configure" if changed else "unchanged"
        return ApplyResult(answer.object, first, change, answer.warnings)
    raise ConflictError(f"{ref.title} keeps changing{said}.", "Try again when it is stable.")


def _take_over_patch(live: KubernetesObject, left: Fields) -> Sequence[Mapping[str, Any]]:
    """Moves the adopted fields to the wizard, and notes on the object that it was there before the wizard came."""
    annotations = live["metadata"].get("annotations")
    created_by_kubectl = any(entry.get("manager") == CLIENT_SIDE_APPLY for entry in entries_of(live))
    note: list[Mapping[str, Any]] = []
    if created_by_kubectl:
        note.append({"op": "add", "path": "/metadata/annotations", "value": {**(annotations or {}), **TAKEN_OVER}})
    return (
        *note,
        {"op": "replace", "path": "/metadata/managedFields", "value": list(migrated_entries(live, left))},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    )


def _at_version(sent: KubernetesObject, live: KubernetesObject | None) -> KubernetesObject:
    """Returns what is sent, for exactly this version of the object.

    An object that does not exist cannot be a precondition: an apply with a version creates it all the same
    (measured on 1.36.2).
    """
    if live is None:
        return sent
    return {**sent, "metadata": {**sent["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
