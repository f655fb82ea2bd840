"""The history of one object: as it was before the wizard's runs, and as they left it.

It tells whether someone else has claimed the object since, and what restores it. Claims are judged by field managers
and by changed values; what kubectl and platforms add to any object without keeping it (annotations, labels, the time
of a restart) is no claim, and is kept when the object is restored.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from wizard.facts.changes import changes_between
from wizard.facts.cluster import KubernetesObject
from wizard.facts.differences import LAST_APPLIED, NOISY_ANNOTATIONS, owners
from wizard.facts.field_sets import Fields, difference, paths, union
from wizard.facts.live import entries_of
from wizard.facts.objects import ObjectRef
from wizard.journal import journal as journals
from wizard.manifest.gitops import gitops_signs
from wizard.names import FIELD_MANAGER, NUDGE_ANNOTATION, TAKEN_OVER_ANNOTATION

RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
"""What ``kubectl rollout restart`` writes into the annotations of the pod template."""

TEMPLATE_ANNOTATIONS: Final = ".spec.template.metadata.annotations"

_CONTAINERS: Final = (
    ".metadata",
    ".metadata.labels",
    ".metadata.annotations",
    ".spec.template.metadata",
    TEMPLATE_ANNOTATIONS,
)
"""Maps that belong to whoever wrote the first key; that keeps nothing."""

_KEEPING_KEYS: Final = ("app.kubernetes.io/managed-by", "meta.helm.sh/")
"""Labels and annotations by which Helm and other tools tell what is theirs."""

_SERVER_MANAGERS: Final = (FIELD_MANAGER, "before-first-apply")
"""Not somebody else: the wizard, and the server's name for fields that had no manager."""

WORDS: Final = 3
"""How many fields a reason names."""

Annotations = Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """What someone else changed, keeps, or removed since: ``path`` is "" for an object as a whole."""

    manager: str
    path: str


@dataclass(frozen=True)
class ObjectHistory:
    """What is known about one object from the journals, or, without one, from its field managers.

    ``before`` is the object before the first change (None: it did not exist), with its managed fields (``owners``) and
    the annotation of ``kubectl apply``. ``left`` has the states in which the wizard can have left it. ``settled`` tells
    whether the end of the last change is recorded; without it, the state is one of several.
    """

    ref: ObjectRef
    before: KubernetesObject | None = None
    owners: tuple[Mapping[str, Any], ...] | None = ()
    last_applied: str = ""
    left: tuple[KubernetesObject, ...] = ()
    settled: bool = True

    @classmethod
    def of(cls, latest_first: Sequence[journals.Change]) -> ObjectHistory:
        """Returns the history from the changes of one object, the latest first."""
        first, last = latest_first[-1].before, latest_first[0]
        entries = first.get("owners", () if first["object"] is None else None)
        return cls(
            journals.object_of(last),
            first["object"],
            None if entries is None else tuple(entries),
            str(first.get("last_applied") or ""),
            tuple(state for state in journals.left_by(latest_first, "object") if state is not None),
            "object" in last.after,
        )

    # Claims ---------------------------------------------------------------------------------------------------

    def claims(self, live: KubernetesObject) -> tuple[Claim, ...]:
        """Returns what keeps the live object as it is; nothing if it can be undone."""
        found = [*self._signs(live), *self._claims_by_manager(live)]
        if not self.left and not is_ours(live):
            found.append(Claim("", ""))
        by_value = [list(self._claims_by_value(live, state)) for state in self.left]
        found += sorted(by_value, key=len)[0] if by_value else []
        return tuple(dict.fromkeys(found))

    def _signs(self, live: KubernetesObject) -> Iterator[Claim]:
        then: KubernetesObject = {"metadata": {**_metadata(self.before), "managedFields": list(self.owners or ())}}
        known = {tool for tool, _ in gitops_signs(then)}
        for tool in dict.fromkeys(tool for tool, _ in gitops_signs(live)):
            if tool not in known:
                yield Claim(tool, "")
        for place in ("labels", "annotations"):
            there = _metadata(self.before).get(place) or {}
            for key, value in (_metadata(live).get(place) or {}).items():
                if key.startswith(_KEEPING_KEYS) and key not in there and not self._sets(place, key):
                    yield Claim(str(value), f".metadata.{place}.{key}")

    def _claims_by_manager(self, live: KubernetesObject) -> Iterator[Claim]:
        if self.owners is None:
            return  # old journals do not have them
        owned: dict[str, Fields] = {}
        for entry in _entries(self.owners):
            manager = str(entry.get("manager"))
            owned[manager] = union(owned.get(manager, {}), entry.get("fieldsV1") or {})
        for entry in entries_of(live):
            manager = str(entry.get("manager"))
            if manager in _SERVER_MANAGERS:
                continue
            for path in paths(difference(entry.get("fieldsV1") or {}, owned.get(manager, {}))):
                if not self._is_noise(path):
                    yield Claim(manager, path)

    def _claims_by_value(self, live: KubernetesObject, state: KubernetesObject) -> Iterator[Claim]:
        """Yields what someone changed or removed of ``state``; additions are judged by their managers alone."""
        written = owners(live)
        for change in changes_between(self.ref, live, state):
            if change.after is None or change.noise or self._is_noise(change.path):
                continue
            managers = [one.manager for one in written if _covers(one.path, change.path)]
            others = [one for one in managers if one not in _SERVER_MANAGERS]
            if managers and not others and not self.settled:
                continue  # the run was interrupted: what only the wizard has written is its own
            yield Claim(others[-1] if others else managers[-1] if managers else "", change.path)

    def _is_noise(self, path: str) -> bool:
        """Tells whether a field keeps nothing: additions of tools, and what the wizard never set."""
        if path in _CONTAINERS or path == f"{TEMPLATE_ANNOTATIONS}.{RESTARTED_AT}":
            return True
        for place in ("labels", "annotations"):
            prefix = f".metadata.{place}."
            if path.startswith(prefix):
                return not self._sets(place, path.removeprefix(prefix))
        return False

    def _sets(self, place: str, key: str) -> bool:
        """Tells whether the wizard set or removed this label or annotation."""
        return key in self._set_keys[place] and key not in NOISY_ANNOTATIONS

    @cached_property
    def _set_keys(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for place in ("labels", "annotations"):
            before = _metadata(self.before).get(place) or {}
            keys = set() if self.left else set(before)
            for state in self.left:
                now = _metadata(state).get(place) or {}
                keys |= {key for key in {**before, **now} if before.get(key) != now.get(key)}
            found[place] = frozenset(keys)
        return found

    # Restoring ------------------------------------------------------------------------------------------------

    def target(self, live: KubernetesObject) -> KubernetesObject:
        """Returns the earlier object, with what others added to the metadata of the live one.

        Requires that it existed before.
        """
        assert self.before is not None
        content = copy.deepcopy({key: value for key, value in self.before.items() if key != "metadata"})
        restarted = _template_annotations(live).get(RESTARTED_AT)
        if restarted is not None and isinstance((content.get("spec") or {}).get("template"), dict):
            template = content["spec"]["template"]
            metadata = {**(template.get("metadata") or {})}
            metadata["annotations"] = {**(metadata.get("annotations") or {}), RESTARTED_AT: restarted}
            template["metadata"] = metadata
        labels, annotations = self._metadata_target("labels", live), self._annotations_target(live)
        metadata = {
            key: self.before["metadata"][key] for key in ("name", "namespace") if key in self.before["metadata"]
        }
        return {
            **content,
            "metadata": {
                **metadata,
                **({"labels": labels} if labels else {}),
                **({"annotations": annotations} if annotations else {}),
            },
        }

    def _metadata_target(self, place: str, live: KubernetesObject) -> dict[str, str]:
        then, now = _metadata(self.before).get(place) or {}, _metadata(live).get(place) or {}
        wanted = {key: value for key, value in now.items() if not self._sets(place, key)}
        return wanted | {key: value for key, value in then.items() if self._sets(place, key)}

    def _annotations_target(self, live: KubernetesObject) -> dict[str, str]:
        wanted = self._metadata_target("annotations", live)
        if self.last_applied:
            wanted.setdefault(LAST_APPLIED, self.last_applied)
        for note in (NUDGE_ANNOTATION, TAKEN_OVER_ANNOTATION):
            was_there = any(f"f:{note}" in _annotations_of(entry.get("fieldsV1") or {}) for entry in self.owners or ())
            if not was_there:
                wanted.pop(note, None)
        return wanted

    def is_back(self, live: KubernetesObject) -> bool:
        """Tells whether the object has its earlier content; what others added to its metadata does not count."""
        return self.before is not None and _content(live) == _content(self.target(live))

    def owners_to_return(self, live: KubernetesObject) -> list[Mapping[str, Any]]:
        """Returns the managed fields that give every manager its earlier fields again; none if they already match.

        The wizard's entries become what they were. Other managers keep all their fields, including new managers.
        Entries of subresources are not changed. Managed fields are written as in client-go's csaupgrade.
        """
        now = _metadata(live).get("managedFields") or ()
        if not self.owners or not is_ours(live):
            return []
        kept = {_owner(one): one for one in now if one.get("manager") != FIELD_MANAGER or one.get("subresource")}
        wanted = dict(kept)
        for entry in _entries(self.owners):
            there = kept.get(_owner(entry))
            fields = union(entry["fieldsV1"], there["fieldsV1"]) if there else entry["fieldsV1"]
            wanted[_owner(entry)] = {**entry, "fieldsV1": fields}
        owned = {_owner(one): one.get("fieldsV1") for one in now}
        as_it_was = {key: one.get("fieldsV1") for key, one in wanted.items()} == owned
        return [] if as_it_was else list(wanted.values())


def claim_words(claims: Sequence[Claim]) -> str:
    """Returns who claims an object, and what, for the middle of a sentence."""
    found: dict[str, list[str]] = {}
    for claim in claims:
        found.setdefault(claim.manager, []).append(claim.path)
    said = []
    for manager, fields in found.items():
        named = [path for path in fields if path]
        if not named:
            said.append(f"{manager} manages it" if manager else "podman-wizard did not create it")
            continue
        more = f" and {len(named) - WORDS} more" if len(named) > WORDS else ""
        who = {"": "someone", FIELD_MANAGER: "another run of podman-wizard"}.get(manager, manager)
        said.append(f"{who} changed it since ({', '.join(named[:WORDS])}{more})")
    return "; ".join(said)


def is_ours(live: KubernetesObject) -> bool:
    """Tells whether the wizard's field manager has written the object."""
    return any(entry.get("manager") == FIELD_MANAGER for entry in _metadata(live).get("managedFields") or ())


def was_taken_over(live: KubernetesObject) -> bool:
    """Tells whether someone else had created the object, by what the wizard noted on it."""
    return TAKEN_OVER_ANNOTATION in (_metadata(live).get("annotations") or {})


def _entries(entries: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield from entries_of({"metadata": {"managedFields": entries}})


def _owner(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(key) for key in ("manager", "operation", "apiVersion", "subresource"))


def _metadata(item: KubernetesObject | None) -> Mapping[str, Any]:
    return (item or {}).get("metadata") or {}


def _template_annotations(item: KubernetesObject) -> Annotations:
    spec = item.get("spec") or {}
    return ((spec.get("template") or {}).get("metadata") or {}).get("annotations") or {}


def _annotations_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return (fields.get("f:metadata") or {}).get("f:annotations") or {}


def _covers(owned: str, path: str) -> bool:
    return path == owned or path.startswith((f"{owned}.", f"{owned}["))


def _content(item: KubernetesObject) -> Any:
    """Returns what a restore writes: the content, the labels, and all annotations."""
    metadata = {key: value for key, value in _metadata(item).items() if key in ("labels", "annotations") and value}
    return {key: value for key, value in item.items() if key not in ("metadata", "status")} | {"metadata": metadata}
