"""The objects of a plan as files for kubectl: what is applied, whether by force, and whether the server checked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wizard.cluster.paths import path_of
from wizard.facts.changes import Change
from wizard.facts.cluster import KubernetesObject
from wizard.facts.differences import NOISY_ANNOTATIONS
from wizard.facts.objects import SERVER_METADATA, ObjectRef, with_canonical_quantities
from wizard.handover.files import MANIFEST_FILES, MANIFEST_FOLDER
from wizard.manifest.ownership import foreign_fields, objects_as_decided
from wizard.plan.actions import ApplyObject
from wizard.plan.derive import Plan


@dataclass(frozen=True)
class ExportedObject:
    """One object that the plan applies.

    ``content`` is what is sent; ``forced`` says that fields of other managers are taken over, ``takes_over`` that they
    are those of an earlier ``kubectl apply``. ``unasked`` is why the server did not check it, "" if it did.
    ``rejected`` is the server's answer if it would reject it.
    """

    ref: ObjectRef
    content: KubernetesObject
    changes: tuple[Change, ...]
    forced: bool
    takes_over: bool
    unasked: str = ""
    rejected: str = ""
    where: str = ""
    """The namespace in which the server checked it, if that was not its own."""

    @property
    def name(self) -> str:
        """The name of its files, without their ending."""
        return MANIFEST_FILES[self.ref.kind]

    @property
    def file(self) -> str:
        """Its file in the plan folder."""
        return f"{MANIFEST_FOLDER}/{self.name}.yaml"

    @property
    def path(self) -> str:
        """Its path on the API server."""
        return path_of(self.ref.kind, self.ref.name, self.ref.namespace)

    @property
    def resource(self) -> str:
        """Its resource as ``kubectl auth can-i`` has it: ``daemonsets.apps``."""
        *group, plural = path_of(self.ref.kind).split("/")[1:]
        return f"{plural}.{group[1]}" if group[0] == "apis" else plural


def exported_objects(plan: Plan) -> tuple[ExportedObject, ...]:
    """Returns the objects that the plan applies, in order."""
    return tuple(_exported(plan, action) for action in plan.actions if isinstance(action, ApplyObject))


def _exported(plan: Plan, action: ApplyObject) -> ExportedObject:
    check = action.check
    if check is None or not check.answered:
        return _unasked(plan, action)
    assert check.sent is not None
    content = check.sent
    if check.left and check.after is not None:
        # kubectl takes over all fields of an earlier kubectl apply, and removes what the file does not have.
        content = _content_of(check.after)
    return ExportedObject(
        action.ref,
        with_canonical_quantities(content),
        action.changes,
        forced=check.forced or check.takes_over,
        takes_over=check.takes_over,
        rejected=check.message if check.change == "failed" else "",
        where="" if check.by_server else check.checked.removeprefix("server (in ").removesuffix(")"),
    )


def _content_of(item: KubernetesObject) -> KubernetesObject:
    """Returns an object as a file would have it, without what only the server and kubectl write."""
    content = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVER_METADATA}
    annotations = metadata.pop("annotations", None) or {}
    kept = {key: value for key, value in annotations.items() if key not in NOISY_ANNOTATIONS}
    return {**content, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def _as_decided(plan: Plan, kind: str, wanted: KubernetesObject) -> KubernetesObject:
    judgement = plan.judgement
    found = objects_as_decided([wanted], judgement.reading.live, judgement.answers.ownership)
    assert found[0]["kind"] == kind
    return _content_of(found[0])


def _unasked(plan: Plan, action: ApplyObject) -> ExportedObject:
    """Returns an object as the plan wants it; a conflict that nobody decided stops the dry run of kubectl."""
    judgement, check = plan.judgement, action.check
    kind, ownership = action.ref.kind, judgement.answers.ownership
    wanted = next(item for item in plan.rendering.objects if item["kind"] == kind)
    live = judgement.reading.live.get(kind)
    foreign = [owner.path for owner in foreign_fields(live, wanted)] if live is not None else []
    decisions = {ownership.of(kind, path) for path in foreign}
    takes_over = live is not None and bool(live.adopted)
    content = _as_decided(plan, kind, wanted) if "leave" in decisions else wanted
    return ExportedObject(
        action.ref,
        with_canonical_quantities(content),
        action.changes,
        forced="fail" not in decisions and (takes_over or "take" in decisions),
        takes_over=takes_over,
        unasked=check.message if check is not None else "it was not asked yet",
    )


def node_names(plan: Plan) -> Sequence[tuple[str, str | None]]:
    """Returns the nodes that get the label, each with its value before."""
    from wizard.plan.actions import SetLabels

    return tuple(pair for action in plan.actions if isinstance(action, SetLabels) for pair in action.nodes)
