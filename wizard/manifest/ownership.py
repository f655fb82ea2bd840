"""Conflicts: fields that other field managers own, the decision about each, and what an apply then sends.

Paths have the form of the API server's conflicts:
``.spec.template.spec.containers[name="smarter-device-manager"].image``.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from wizard.choices.answers import Decision, OwnershipChoice
from wizard.errors import ConflictError, UsageError
from wizard.facts.cluster import KubernetesObject
from wizard.facts.differences import FieldOwner, merge_patch_to, owners
from wizard.facts.field_sets import difference, select, union, union_of, without
from wizard.facts.live import Live
from wizard.facts.objects import LIST_KEYS, SERVER_METADATA, all_paths, leaves, same_value
from wizard.manifest.gitops import gitops_tool, keeper_of
from wizard.manifest.guide import added_to_guide
from wizard.names import FIELD_MANAGER
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.manifest.asking import ObjectCheck

KINDS = ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")
"""The kinds of the manifest's objects, one object each."""

_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<item>(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"])*)\]")
_PAIR = re.compile(r"([^=,]*)=(\"(?:[^\"\\]|\\.)*\"|[^,]*)")


@dataclass(frozen=True)
class Contest:
    """A conflict about one field: its managers since when, their value, and the value of the manifest.

    Decisions name its object by ``kind``.
    """

    kind: str
    name: str
    field: str
    managers: tuple[str, ...]
    time: str
    theirs: Any
    ours: Any

    @property
    def title(self) -> str:
        """The object: ``DaemonSet smarter-device-manager``."""
        return f"{self.kind} {self.name}"

    @property
    def key(self) -> str:
        """The name of a decision about this field alone, in the answers file and on the command line."""
        return f"{self.kind} {self.field}"

    @property
    def short(self) -> str:
        """The field in few words; the manifest has one container, so its name is left out."""
        path = re.sub(r'(?<=containers)\[name="[^"]*"\]', "", self.field)
        return re.sub(r"^\.(spec\.template\.spec\.|spec\.)?", "", path)

    @property
    def owner(self) -> str:
        """The managers, separated by commas."""
        return ", ".join(self.managers)


def contests(checks: Iterable[ObjectCheck]) -> tuple[Contest, ...]:
    """Returns the conflicts of a dry run, field by field; a field with several managers is one conflict."""
    found: list[Contest] = []
    for check in checks:
        kind, _, name = check.title.partition(" ")
        for path in dict.fromkeys(conflict.field for conflict in check.conflicts):
            same = [conflict for conflict in check.conflicts if conflict.field == path]
            found.append(
                Contest(
                    kind,
                    name,
                    path,
                    tuple(dict.fromkeys(conflict.manager for conflict in same)),
                    max(conflict.time for conflict in same),
                    field_value(check.before, path),
                    field_value(check.wanted, path),
                )
            )
    return tuple(found)


def undecided(found: Iterable[Contest], choice: OwnershipChoice) -> tuple[Contest, ...]:
    """Returns the conflicts without a decision."""
    return tuple(contest for contest in found if choice.of(contest.kind, contest.field) == "fail")


def value_words(value: Any) -> str:
    """Returns a value on one line; a missing one as words."""
    if value is None:
        return "not set"
    plain = isinstance(value, str) and "\n" not in value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


_DECIDED = {"take": "taken over from", "leave": "left to", "skip": "skipped, owned by", "fail": "owned by"}


def decision_words(found: Iterable[Contest], choice: OwnershipChoice) -> str:
    """Returns the decisions about one object as a clause: ``.a taken over from x; .b left to y``."""
    return "; ".join(f"{one.field} {_DECIDED[choice.of(one.kind, one.field)]} {one.owner}" for one in found)


def decided_lines(found: Iterable[Contest], choice: OwnershipChoice) -> tuple[str, ...]:
    """Returns the decisions, one on each line: ``taken over from argocd: DaemonSet containers.image``."""
    return tuple(f"{_DECIDED[choice.of(one.kind, one.field)]} {one.owner}: {one.kind} {one.short}" for one in found)


def check_decision(what: str, decision: Decision) -> None:
    """Raises UsageError if the manifest cannot have what a decision is about."""
    kind, _, path = what.partition(" ")
    if kind not in KINDS:
        raise UsageError(
            f"{what!r} does not name an object of the manifest.", f"Start with one of: {', '.join(KINDS)}."
        )
    if path and not path.startswith("."):
        raise UsageError(f"{path!r} is not a field of the {kind}.", f"For example: {kind} .metadata.labels.name")
    if not _is_path(path):
        raise UsageError(
            f"{path!r} cannot be read as a field of the {kind}.",
            "Put the whole field in single quotes so that the shell keeps the double quotes: "
            f"'{kind} .spec.template.spec.containers[name=\"smarter-device-manager\"].image'.",
        )
    if path and decision == "skip":
        raise UsageError("Only a whole object can be skipped.", f"Skip {kind}, or leave {what}.")


def require_known_fields(objects: Iterable[KubernetesObject], choice: OwnershipChoice) -> None:
    """Raises UsageError for a field that the manifest does not set, if a default decides the other fields.

    Without a default, a typing error leaves the intended field undecided, and is found by that.
    """
    if choice.default == "fail":
        return
    wanted = {item["kind"]: item for item in objects}
    for what in choice.decided:
        kind, _, path = what.partition(" ")
        if path and kind in wanted and _find(wanted[kind], list(_steps(path))) is None:
            raise UsageError(
                f"ownership: the manifest does not set {what}, so it needs no decision.",
                f"Correct or remove it. Fields that are not listed follow the default, {choice.default}.",
            )


def conflict_error(open_ones: Sequence[Contest], choice: OwnershipChoice, *, answers: bool) -> ConflictError:
    """Returns the error with the lines that decide the undecided conflicts: of the answers file, or the options."""
    kinds = list(dict.fromkeys(contest.kind for contest in open_ones))
    lines = [
        f"{contest.title} {contest.field}: {contest.owner} has {value_words(contest.theirs)}"
        f"{f' (since {contest.time})' if contest.time else ''}; the manifest has {value_words(contest.ours)}"
        for contest in open_ones
    ]
    if answers:
        lines += ["For each field, use leave in the answers file to keep the current value, or take to take it over:"]
        lines += ["  ownership:"]
        lines += [f"    {_yaml_key(key)}: {decision}" for key, decision in choice.decided.items()]
        lines += [f"    {_yaml_key(contest.key)}: leave" for contest in open_ones]
        lines.append(
            f"To skip the whole object, use {kinds[0]}: skip. To decide all fields at once, use ownership: take or "
            "ownership: leave."
        )
    else:
        lines += ["For each field, use --leave to keep the current value or --take to take it over:"]
        lines += [f"  --leave {shlex.quote(contest.key)}" for contest in open_ones]
        lines.append(
            f"To skip the whole object, use --skip {kinds[0]}. To decide all fields at once, use --ownership take or "
            "--ownership leave."
        )
    tools = [tool for contest in open_ones for manager in contest.managers if (tool := gitops_tool(manager))]
    if tools:
        command = "podman-wizard manifest apply --overlay DIR" if answers else "--overlay DIR"
        lines.append(
            f"{tools[0]} reverts fields that you take over. {command} writes an overlay for its repository with only "
            "these changes, and skips the objects that it manages."
        )
    fields = counted(len(open_ones), "field")
    return ConflictError(
        f"Conflict: other managers own {fields} that the manifest sets. Nothing was changed.", "\n".join(lines)
    )


def _yaml_key(key: str) -> str:
    return yaml.safe_dump({key: 0}, width=1000, allow_unicode=True).rpartition(":")[0].removeprefix("? ").strip()


def without_fields(item: KubernetesObject, paths: Iterable[str]) -> KubernetesObject:
    """Returns a copy of the object without these fields, so that an apply leaves them to their managers."""
    result = copy.deepcopy(item)
    for path in paths:
        found = _find(result, list(_steps(path)))
        if found is not None:
            container, key = found
            del container[key]
    return result


@dataclass(frozen=True)
class Departure:
    """What the plan would change in an object that a GitOps tool keeps as its repository has it.

    ``patch`` is a strategic merge patch with only these changes; ``changes`` has them by path: theirs, ours. Decisions
    name the object by ``kind``.
    """

    kind: str
    name: str
    tool: str
    patch: KubernetesObject
    changes: Mapping[str, tuple[Any, Any]]

    @property
    def title(self) -> str:
        """The object: ``DaemonSet smarter-device-manager``."""
        return f"{self.kind} {self.name}"


def gitops_departures(
    objects: Iterable[KubernetesObject], live: Mapping[str, KubernetesObject]
) -> tuple[Departure, ...]:
    """Returns the GitOps changes: what the plan changes in objects of a GitOps tool. ``live`` has those by kind.

    A field that only the wizard has set is not in the repository, so it counts as a change too.
    """
    from wizard.manifest import guide_objects

    guide = {item["kind"]: item for item in guide_objects()}
    found = []
    for item in objects:
        there = live.get(item["kind"])
        tool = keeper_of(there)
        if there is None or not tool:
            continue
        known = owners(there)
        theirs = {owner.path for owner in known if owner.manager != FIELD_MANAGER}
        kept = without_fields(there, [owner.path for owner in known if owner.path not in theirs])
        patch = merge_patch_to(kept, item, guide.get(item["kind"]))
        if patch:
            name = item["metadata"]["name"]
            found.append(Departure(item["kind"], name, tool, patch, _changed_values(kept, patch)))
    return tuple(found)


def _changed_values(before: KubernetesObject, patch: KubernetesObject) -> dict[str, tuple[Any, Any]]:
    """Returns what a patch changes, by path: the current value, and the new one (None: removed)."""
    old = dict(leaves(before))
    return {
        path: (old.get(path), value)
        for path, value in leaves(patch)
        if not same_value(path, old.get(path), value) and not _is_list_key(path, patch)
    }


def _is_list_key(path: str, patch: KubernetesObject) -> bool:
    """Tells whether a path is the key that names an item of a list, which a patch repeats."""
    return any(f"[{path.rpartition('.')[2]}=" in step for step in re.findall(r"\[[^\]]*\]$", path.rpartition(".")[0]))


def in_repository(departures: Iterable[Departure], choice: OwnershipChoice) -> tuple[Departure, ...]:
    """Returns the changes left to the repository: those without another decision."""
    kinds = {what.partition(" ")[0] for what, decision in choice.decided.items() if decision != "skip"}
    return tuple(one for one in departures if one.kind not in kinds)


def left_to_repository(choice: OwnershipChoice, departures: Iterable[Departure]) -> OwnershipChoice:
    """Returns the decisions with these objects skipped."""
    return OwnershipChoice(choice.default, {**choice.decided, **{one.kind: "skip" for one in departures}})


def foreign_fields(live: Live, wanted: KubernetesObject) -> tuple[FieldOwner, ...]:
    """Returns the fields that an apply of ``wanted`` would take from others, before the server was asked.

    As the server judges it: a field that is wanted with another value than it has, and that another manager owns.
    """
    wanted_values, live_values = dict(leaves(wanted)), dict(leaves(live.object))
    return tuple(
        owner
        for owner in owners(live.object)
        if owner.manager in live.others
        and owner.path in wanted_values
        and not same_value(owner.path, live_values.get(owner.path), wanted_values[owner.path])
    )


def objects_as_decided(
    objects: Iterable[KubernetesObject], live: Mapping[str, Live], choice: OwnershipChoice
) -> tuple[KubernetesObject, ...]:
    """Returns the objects as an apply would leave them, as far as that can be told without asking the server.

    Skipped objects and fields left to other managers keep their values; fields of others that the manifest does not
    set stay; fields of ours, and those that we take over, go if the manifest does not set them. A skipped object that
    does not exist is left out.
    """
    result: list[KubernetesObject] = []
    for item in objects:
        kind, there = item["kind"], live.get(item["kind"])
        if choice.skips(kind):
            result += [there.object] if there is not None else []
            continue
        if there is None:
            result.append(item)
            continue
        named = [what.partition(" ")[2] for what in choice.decided if what.startswith(f"{kind} ")]
        foreign = [owner.path for owner in foreign_fields(there, item)]
        left = [path for path in dict.fromkeys([*named, *foreign]) if choice.of(kind, path) == "leave"]
        result.append(_merged(there, without_fields(item, left), choice))
    return tuple(result)


def _merged(live: Live, sent: KubernetesObject, choice: OwnershipChoice) -> KubernetesObject:
    kind = live.ref.kind
    added = added_to_guide(live.object) - frozenset(all_paths(sent))
    adopted = select(live.adopted, lambda path: path not in added and choice.of(kind, path) != "leave")
    stay = select(live.adopted, lambda path: path in added)
    kept = union_of([*live.others.values(), stay])
    set_again = dict(leaves(sent))
    # An item of a list that is sent again keeps its key, and what the server's defaults set in it.
    items = {path[: end + 1] for path in set_again for end, sign in enumerate(path) if sign == "]"}
    dropped = select(
        difference(union(live.ours, adopted), kept), lambda path: path not in set_again and path not in items
    )
    base = without(live.object, dropped, kept)
    metadata = {key: value for key, value in base["metadata"].items() if key not in SERVER_METADATA}
    result = _over({**base, "metadata": metadata}, sent)
    assert isinstance(result, dict)
    return result


def _over(base: Any, sent: Any, name: str = "") -> Any:
    """Returns ``sent`` merged over ``base``: maps by key, lists by the keys of their items, all else replaced."""
    if isinstance(base, dict) and isinstance(sent, dict):
        return {**base, **{key: _over(base.get(key), value, key) for key, value in sent.items()}}
    if isinstance(base, list) and isinstance(sent, list) and name in LIST_KEYS:
        key = LIST_KEYS[name]
        found = {tuple(item.get(one) for one in key): item for item in base}
        for item in sent:
            names = tuple(item.get(one) for one in key)
            found[names] = _over(found.get(names, {}), item)
        return list(found.values())
    return copy.deepcopy(sent)


def field_value(item: KubernetesObject | None, path: str) -> Any:
    """Returns the value of a field; None if the object does not have it."""
    found = _find(item, list(_steps(path)))
    return None if found is None else found[0][found[1]]


def _is_path(path: str) -> bool:
    """Whether a path consists of steps only."""
    try:
        tuple(_steps(path))
    except ValueError:
        return False
    return not _STEP.sub("", path)


def _steps(path: str) -> Iterable[str | dict[str, Any] | int]:
    for match in _STEP.finditer(path):
        if match["key"] is not None:
            yield match["key"]
        elif re.fullmatch(r"\d+", match["item"]):
            yield int(match["item"])
        else:
            yield {key: json.loads(value) for key, value in _PAIR.findall(match["item"])}


def _find(value: Any, steps: list[str | dict[str, Any] | int]) -> tuple[Any, Any] | None:
    """Returns the mapping or list that contains a field, and its key or index; None if the field is missing."""
    if not steps:
        return None
    step, rest = steps[0], steps[1:]
    key: str | int | None
    if isinstance(step, str) and isinstance(value, dict):
        key = step
        while key not in value:
            # A key can contain dots (annotations).
            if not rest or not isinstance(rest[0], str):
                return None
            key, rest = f"{key}.{rest[0]}", rest[1:]
    elif isinstance(value, list) and not isinstance(step, str):
        key = step if isinstance(step, int) else _index(value, step)
        if key is None or key >= len(value):
            return None
    else:
        return None
    return _find(value[key], rest) if rest else (value, key)


def _index(items: list[Any], key: Any) -> int | None:
    for index, item in enumerate(items):
        if isinstance(key, dict) and (
            (isinstance(item, dict) and all(item.get(name) == wanted for name, wanted in key.items()))
            or key == {"": item}
        ):
            return index
    return None
