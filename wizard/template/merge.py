"""The merge of what rootless Podman needs into a template of Coder v2.

After a merge, the workspace container requests the FUSE device in ``limits``, and in ``requests`` if that is
written; and the parts that were asked for are there: the AppArmor annotation with the container's own name, and
``seccomp_profile`` and ``se_linux_options`` of the container. An existing value that differs is a conflict. An
existing security context is otherwise kept. A second merge changes nothing.

The contract is the one of template policies: either the structure of the result is exactly the planned one, and
every byte outside the cuts is the same, or nothing can be written and the error has file, line, and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wizard.editing.cuts import Cut, in_order
from wizard.editing.diff import Counts, count, hunks, unified_diff
from wizard.errors import ConflictError, InputError, WizardError
from wizard.names import FUSE_RESOURCE
from wizard.template.document import Document
from wizard.template.module import Module
from wizard.template.proof import proved
from wizard.template.reading import (
    OTHER_PLUGINS,
    ResourceMap,
    apparmor_annotation,
    image_of,
    is_envbox,
    is_envbuilder,
    one_block,
    resource_maps,
    security_contexts,
)
from wizard.template.tree import Block, Expression
from wizard.template.words import PARTS
from wizard.template.workload import WORKLOADS, Workload, find_workload
from wizard.template.writing import Edits, NewAttribute, NewBlock, NewItem, NewMember, NewObject, cuts_of, quoted
from wizard.text.counting import counted

UNCONFINED: Final = "unconfined"
SELINUX_TYPE: Final = "container_engine_t"
_ENGINE_TYPES: Final = (SELINUX_TYPE, "spc_t")


@dataclass(frozen=True)
class Change:
    """One change: ``add`` or ``replace``; ``line`` is in the merged file, from 1."""

    part: str
    path: str
    before: str | None
    after: str
    line: int = 0

    @property
    def action(self) -> str:
        return "add" if self.before is None else "replace"


@dataclass(frozen=True)
class Conflict:
    """An existing value that differs; ``decision`` is "" if it is not decided. ``line`` is in the original file."""

    part: str
    path: str
    found: str
    wanted: str
    line: int
    decision: str


@dataclass(frozen=True)
class Refusal:
    """A part that cannot be merged, and the error that says where, why, and what to add by hand."""

    part: str
    error: InputError | ConflictError


@dataclass(frozen=True)
class Note:
    """Something existing that was kept, and is good to know."""

    part: str
    line: int
    text: str


@dataclass(frozen=True)
class MergeResult:
    """The merged file, which is ``before`` itself if there was nothing to do, a refusal, or an open conflict."""

    workload: Workload
    before: Document
    document: Document
    cuts: tuple[Cut, ...]
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[Note, ...]

    @property
    def changed(self) -> bool:
        return self.document.content != self.before.content

    @property
    def undecided(self) -> tuple[Conflict, ...]:
        """The conflicts without a decision."""
        return tuple(one for one in self.conflicts if not one.decision)

    @property
    def error(self) -> WizardError | None:
        """What prevents the merge, if anything does."""
        if self.refusals:
            return self.refusals[0].error
        if not self.undecided:
            return None
        first = self.undecided[0]
        choices = "keep, replace, or both" if any(one.part == "device" for one in self.undecided) else "keep or replace"
        return ConflictError(
            f"{self.before.name}:{first.line}: {first.path} is {first.found}, not {first.wanted}.",
            f"Nothing was written. Decide with --on-conflict {choices}.",
        )

    @property
    def counts(self) -> Counts:
        """What the merge did to the file."""
        found = hunks(self.before.text, self.document.text, self.cuts)
        comments = self.before.comment_texts()
        return count(found, comments, len(comments) if comments == self.document.comment_texts() else 0)

    def diff(self) -> str:
        """Returns the unified diff, an exact patch."""
        mark = len(self.before.full_text) - len(self.before.text)
        cuts = [replace(cut, start=cut.start + mark, end=cut.end + mark) for cut in self.cuts]
        return unified_diff(self.before.name, self.before.full_text, self.document.full_text, cuts)


def merge_template(
    module: Module,
    parts: Collection[str] = ("device",),
    *,
    resource: str = "",
    container: str = "",
    on_conflict: str = "fail",
    device: str = FUSE_RESOURCE,
    forbidden: Mapping[str, str] | None = None,
) -> MergeResult:
    """Merges the parts into the pod of a template.

    ``resource`` and ``container`` select the pod and the container if the template does not. ``forbidden`` has, for
    a part, the reason why the cluster would reject the pod with it. Raises InputError if there is no certain pod.
    """
    workload = find_workload(module, resource, container)
    plan = _Plan(workload, on_conflict, device)
    for part in PARTS:
        if part in parts:
            plan.make(part, (forbidden or {}).get(part, ""))
    before = workload.document
    undecided = any(not one.decision for one in plan.conflicts)
    if plan.refusals or undecided or not plan.edits:
        return MergeResult(workload, before, before, (), (), *plan.told())
    cuts = cuts_of(before, plan.edits)
    after = proved(before, plan.edits, cuts)
    ordered = tuple(in_order(cuts))
    changes = tuple(replace(one, line=_line(after, ordered, at, needle)) for one, at, needle in plan.changes)
    return MergeResult(workload, before, after, ordered, changes, *plan.told())


def _line(after: Document, cuts: Sequence[Cut], at: int, needle: str) -> int:
    """Returns the line on which something new is: in the first cut from a place on that has it."""
    shift = 0
    for cut in cuts:
        found = cut.new.find(needle) if cut.end >= at else -1
        if found >= 0:
            return after.line(cut.start + shift + found)
        shift += len(cut.new) - (cut.end - cut.start)
    return 0


class _Plan:
    """What a merge will change in a file."""

    def __init__(self, workload: Workload, on_conflict: str, device: str) -> None:
        self.workload = workload
        self.document = workload.document
        self.on_conflict = on_conflict
        self.device_name = device
        self.edits = Edits()
        self.changes: list[tuple[Change, int, str]] = []
        """Each with the place in the original file after which it is, and what to find there."""
        self.conflicts: list[Conflict] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.renamed: set[str] = set()
        """The maps in which another resource becomes this one."""
        self.pod = ".".join([workload.resource.title, *WORKLOADS[workload.resource.labels[0]]])
        self.container = f'{self.pod}.spec.container["{workload.container_name or "?"}"]'

    def make(self, part: str, forbidden: str) -> None:
        """Plans one part, or notes why it cannot be merged."""
        makers: dict[str, Callable[[], None]] = {
            "device": self._device,
            "apparmor": self._apparmor,
            "seccomp": self._seccomp,
            "selinux": self._selinux,
            "user": self._user,
        }
        try:
            if forbidden:
                raise ConflictError(forbidden, f"Nothing was written. Use --without {part} to add the rest.")
            makers[part]()
        except (InputError, ConflictError) as error:
            self.refusals.append(Refusal(part, error))

    def told(self) -> tuple[tuple[Conflict, ...], tuple[Refusal, ...], tuple[Note, ...]]:
        return tuple(self.conflicts), tuple(self.refusals), tuple(self.notes)

    # Device -----------------------------------------------------------------------------------------------------

    def _device(self) -> None:
        if is_envbox(self.workload):
            raise self.document.refusal(
                image_of(self.workload)[1],
                "The container is envbox, in which the workspace is an inner container with Docker; "
                "a device of the pod does not reach it.",
                "Nothing was written. To give the inner container FUSE, add this to the container by hand:\n"
                '  env {\n    name  = "CODER_ADD_FUSE"\n    value = "true"\n  }',
            )
        block, limits, requests = resource_maps(self.workload, self.device_name)
        maps = [limits, *([requests] if requests.target is not None else [])]
        for one in maps:
            self._note_count(one)
        if self._conflicts_of(maps) == "keep":
            return
        number = next((str(one.count) for one in maps if one.is_decided and one.count is not None), "1")
        if block is None:
            new = NewBlock("resources", (NewObject("limits", (NewItem(self.device_name, number),)),))
            self._add(self.workload.container, new, self._path("resources.limits", self.device_name), number)
            return
        for one in maps:
            if one.device is not None or one.name in self.renamed:
                continue
            if one.target is None:
                made = NewObject(one.name, (NewItem(self.device_name, number),))
                self._add(block, made, self._path("resources.limits", self.device_name), number)
            else:
                self.edits.add_item(one.target, self.device_name, number)
                path = self._path(f"resources.{one.name}", self.device_name)
                self._change("device", path, None, number, one.target.start, quoted(self.device_name))

    def _note_count(self, one: ResourceMap) -> None:
        if one.device is None:
            return
        line = self.document.line(one.device.key.start)
        if one.device.value.literal is None:
            text = " ".join(self.document.text[one.device.value.start : one.device.value.end].split())
            self.notes.append(Note("device", line, f"{one.name}: the number is {text}, which only Terraform knows."))
        elif one.count is not None and one.count > 1:
            self.notes.append(Note("device", line, f"{one.name} has {counted(one.count, 'device')}, which was kept."))
        if one.is_decided and one.others:
            other = ", ".join(str(item.key.key) for item in one.others)
            self.notes.append(Note("device", line, f"{one.name}: {other} is requested besides, and was kept."))

    def _conflicts_of(self, maps: list[ResourceMap]) -> str:
        """Plans what is decided about conflicts of the device; returns "keep" if nothing is to be added then."""
        before = len(self.conflicts)
        for one in maps:
            if one.device is not None and not one.is_decided:
                self._number(one, one.device.value, "1")
            elif one.device is None and one.others:
                self._other(one)
        first, *others = maps
        for one in others:
            if one.is_decided and first.is_decided and None not in (one.count, first.count):
                assert one.device is not None
                if one.count != first.count:
                    self._number(one, one.device.value, str(first.count))
        new = self.conflicts[before:]
        return "keep" if any(one.decision in ("keep", "") for one in new) else ""

    def _number(self, one: ResourceMap, value: Expression, wanted: str) -> None:
        """Plans the number of a resource that is there: 0, not a number, or another one than in the limits."""
        path = self._path(f"resources.{one.name}", self.device_name)
        self._decide("device", path, value, wanted)

    def _other(self, one: ResourceMap) -> None:
        item = one.others[0]
        name = str(item.key.key)
        plugin = OTHER_PLUGINS.get(name)
        line = self.document.line(item.key.start)
        decision = self.on_conflict if self.on_conflict != "fail" else ""
        found = f"{name} ({plugin})" if plugin else f"{name} (did you mean {self.device_name}?)"
        where = f"{self.container}.resources.{one.name}"
        self.conflicts.append(Conflict("device", where, found, self.device_name, line, decision))
        if decision == "replace":
            self.edits.literals[item.key] = self.device_name
            path = self._path(f"resources.{one.name}", self.device_name)
            self._change("device", path, name, self.device_name, item.key.start, quoted(self.device_name))
            self.renamed.add(one.name)

    # Settings of the pod ----------------------------------------------------------------------------------------

    def _apparmor(self) -> None:
        key, there = apparmor_annotation(self.workload)
        path = f'{self.pod}.metadata.annotations["{key}"]'
        if there.item is not None:
            self._existing("apparmor", path, there.item.value, (UNCONFINED,), UNCONFINED, keep=("localhost/",))
        elif there.target is not None:
            self.edits.add_item(there.target, key, UNCONFINED)
            self._change("apparmor", path, None, UNCONFINED, there.target.start, quoted(key))
        else:
            made: NewMember = NewObject("annotations", (NewItem(key, UNCONFINED),))
            owner = there.metadata
            if owner is None:
                owner, made = self.workload.pod_block, NewBlock("metadata", (made,))
            self.edits.add(owner, made)
            self._change("apparmor", path, None, UNCONFINED, owner.body.start, quoted(key))

    def _seccomp(self) -> None:
        self._setting("seccomp", "seccomp_profile", "Unconfined", ("Unconfined",), keep=("Localhost",))

    def _selinux(self) -> None:
        self._setting("selinux", "se_linux_options", SELINUX_TYPE, _ENGINE_TYPES, keep=())

    def _setting(self, part: str, name: str, wanted: str, good: tuple[str, ...], *, keep: tuple[str, ...]) -> None:
        """Plans ``type`` in a block of the container's security context; the pod's counts if the container has none."""
        pod, container = security_contexts(self.workload)
        by_hand = f'  {name} {{\n    type = "{wanted}"\n  }}'
        own = one_block(self.document, container.body, name, by_hand) if container is not None else None
        inherited = one_block(self.document, pod.body, name, by_hand) if pod is not None else None
        path = f"{self.container}.security_context.{name}.type"
        type = own.body.attribute("type") if own is not None else None
        pods = inherited.body.attribute("type") if inherited is not None else None
        if type is not None:
            self._existing(part, path, type.value, good, wanted, keep=keep)
        elif own is not None:
            self.edits.add(own, NewAttribute("type", quoted(wanted)))
            self._change(part, path, None, wanted, own.body.start, "type")
        elif pods is None:
            self._in_context(part, path, container, NewBlock(name, (NewAttribute("type", quoted(wanted)),)), wanted)
        elif pods.value.literal not in good:
            pod_path = f"{self.pod}.spec.security_context.{name}.type"
            if self._existing(part, pod_path, pods.value, good, wanted, keep=keep, edit=False):
                self._in_context(part, path, container, NewBlock(name, (NewAttribute("type", quoted(wanted)),)), wanted)

    def _in_context(self, part: str, path: str, container: Block | None, member: NewMember, wanted: str) -> None:
        needle = member.type if isinstance(member, NewBlock) else ""
        owner = container if container is not None else self.workload.container
        if container is not None:
            self.edits.add(container, member)
        else:
            # Several parts go into one new security context.
            added = self.edits.bodies.get(owner.body, (owner, []))[1]
            old = next((one for one in added if isinstance(one, NewBlock) and one.type == "security_context"), None)
            if old is not None:
                added[added.index(old)] = NewBlock("security_context", (*old.members, member))
            else:
                self.edits.add(owner, NewBlock("security_context", (member,)))
        self._change(part, path, None, wanted, owner.body.start, needle)

    def _user(self) -> None:
        pod, container = security_contexts(self.workload)
        if is_envbuilder(self.workload) or is_envbox(self.workload):
            raise self.document.refusal(
                image_of(self.workload)[1],
                "The container's image must run as root (envbuilder or envbox), so no user is set.",
                "Nothing was written. Use --without user.",
            )
        for block in (container, pod):
            if block is not None and (found := block.body.attribute("run_as_user")) is not None:
                line = self.document.line(found.start)
                text = self.document.text[found.value.start : found.value.end]
                self.notes.append(Note("user", line, f"run_as_user is {text}, and was kept."))
                return
        names = ["run_as_user"]
        if pod is None or pod.body.attribute("fs_group") is None:
            names.append("fs_group")
        members = [NewAttribute(name, "1000") for name in names]
        owner = pod if pod is not None else self.workload.spec
        if pod is not None:
            for member in members:
                self.edits.add(pod, member)
        else:
            self.edits.add(owner, NewBlock("security_context", tuple(members)))
        for name in names:
            self._change("user", f"{self.pod}.spec.security_context.{name}", None, "1000", owner.body.start, name)

    # Common -----------------------------------------------------------------------------------------------------

    def _existing(
        self,
        part: str,
        path: str,
        value: Expression,
        good: tuple[str, ...],
        wanted: str,
        *,
        keep: tuple[str, ...],
        edit: bool = True,
    ) -> bool:
        """Judges a value that is there; returns whether it was decided to replace it."""
        line = self.document.line(value.start)
        text = self.document.text[value.start : value.end]
        if value.literal is None:
            self.notes.append(Note(part, line, f"{path} is {text}, which only Terraform knows, and was kept."))
            return False
        if value.literal in good:
            return False
        if value.literal.startswith(keep) and keep:
            self.notes.append(Note(part, line, f"{path} is {value.literal}, a profile of its own, and was kept."))
            return False
        return self._decide(part, path, value, wanted, edit=edit)

    def _decide(self, part: str, path: str, value: Expression, wanted: str, *, edit: bool = True) -> bool:
        # Two values of one key cannot stand beside each other.
        decision = self.on_conflict if self.on_conflict in ("keep", "replace") else ""
        found = self.document.text[value.start : value.end]
        line = self.document.line(value.start)
        self.conflicts.append(Conflict(part, path, found, quoted(wanted), line, decision))
        if decision != "replace":
            return False
        if edit:
            self.edits.literals[value] = wanted
            self._change(part, path, value.value, wanted, value.start, quoted(wanted))
        return True

    def _add(self, owner: Block, member: NewMember, path: str, number: str) -> None:
        self.edits.add(owner, member)
        self._change("device", path, None, number, owner.body.start, quoted(self.device_name))

    def _path(self, path: str, key: str) -> str:
        return f'{self.container}.{path}["{key}"]'

    def _change(self, part: str, path: str, before: str | None, after: str, at: int, needle: str) -> None:
        self.changes.append((Change(part, path, before, after), at, needle))
