"""Fields of an object that other field managers own: who, what is decided about each, and what an apply then sends.

Paths are in the form of the API server's conflicts:
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

from wizard.answers import Decision, OwnershipChoice
from wizard.differences import changed_values, contested, merge_patch_to, owners
from wizard.errors import ConflictError, UsageError
from wizard.facts import KubernetesObject
from wizard.names import FIELD_MANAGER

if TYPE_CHECKING:
    from wizard.cluster import ObjectCheck

KINDS = ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")
"""The objects of the manifest; each is the only one of its kind."""

_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<item>(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"])*)\]")
_PAIR = re.compile(r"([^=,]*)=(\"(?:[^\"\\]|\\.)*\"|[^,]*)")


@dataclass(frozen=True)
class Contest:
    """One field that the manifest sets and others own: whose it is since when, what they have, what we would set."""

    title: str
    field: str
    managers: tuple[str, ...]
    time: str
    theirs: Any
    ours: Any

    @property
    def kind(self) -> str:
        """The kind of its object, by which decisions name it."""
        return self.title.partition(" ")[0]

    @property
    def key(self) -> str:
        """What a decision about this field alone is called, in the answers file and on the command line."""
        return f"{self.kind} {self.field}"

    @property
    def short(self) -> str:
        """The field in few words; the manifest has one container, so that it need not be named."""
        path = re.sub(r'(?<=containers)\[name="[^"]*"\]', "", self.field)
        return re.sub(r"^\.(spec\.template\.spec\.|spec\.)?", "", path)

    @property
    def owner(self) -> str:
        """The managers in words."""
        return ", ".join(self.managers)


def contests(checks: Iterable[ObjectCheck]) -> tuple[Contest, ...]:
    """The conflicts that a dry run met, field by field; a field of several managers is one."""
    found: list[Contest] = []
    for check in checks:
        for path in dict.fromkeys(conflict.field for conflict in check.conflicts):
            same = [conflict for conflict in check.conflicts if conflict.field == path]
            found.append(
                Contest(
                    check.title,
                    path,
                    tuple(dict.fromkeys(conflict.manager for conflict in same)),
                    max(conflict.time for conflict in same),
                    field_value(check.before, path),
                    field_value(check.wanted, path),
                )
            )
    return tuple(found)


def undecided(found: Iterable[Contest], choice: OwnershipChoice) -> tuple[Contest, ...]:
    """Those that nothing is decided about."""
    return tuple(contest for contest in found if choice.of(contest.kind, contest.field) == "fail")


def value_words(value: Any) -> str:
    """A value on one line; what is not there is said in words."""
    if value is None:
        return "not set"
    plain = isinstance(value, str) and "\n" not in value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


_DECIDED = {"take": "taken from", "leave": "left to", "skip": "stays with", "fail": "belongs to"}


def decision_words(found: Iterable[Contest], choice: OwnershipChoice) -> str:
    """What becomes of the fields of one object, as a clause: ``.a taken from x; .b left to y``."""
    return "; ".join(f"{one.field} {_DECIDED[choice.of(one.kind, one.field)]} {one.owner}" for one in found)


def decided_lines(found: Iterable[Contest], choice: OwnershipChoice) -> tuple[str, ...]:
    """What becomes of each field, a line each: ``taken from argocd: DaemonSet containers.image``."""
    return tuple(f"{_DECIDED[choice.of(one.kind, one.field)]} {one.owner}: {one.kind} {one.short}" for one in found)


def check_decision(what: str, decision: Decision) -> None:
    """Raises UsageError where a decision is about nothing that the manifest could have."""
    kind, _, path = what.partition(" ")
    if kind not in KINDS:
        raise UsageError(f"{what!r} names no object of the manifest.", f"Start with one of: {', '.join(KINDS)}.")
    if path and not path.startswith("."):
        raise UsageError(f"{path!r} is no field of the {kind}.", f"For example: {kind} .metadata.labels.name")
    if not _is_path(path):
        raise UsageError(
            f"{path!r} cannot be read as a field of the {kind}.",
            "Names of list items stand in double quotes, which a shell takes off: put the whole in single quotes, "
            f"'{kind} .spec.template.spec.containers[name=\"smarter-device-manager\"].image'.",
        )
    if path and decision == "skip":
        raise UsageError("Only a whole object can be skipped.", f"Say skip of {kind}, or leave of {what}.")


def require_known_fields(objects: Iterable[KubernetesObject], choice: OwnershipChoice) -> None:
    """Raises UsageError for a field that the manifest does not set, where the rest is decided by a default.

    Without a default a slip of the pen leaves its field undecided, and is found by that.
    """
    if choice.default == "fail":
        return
    wanted = {item["kind"]: item for item in objects}
    for what in choice.decided:
        kind, _, path = what.partition(" ")
        if path and kind in wanted and _find(wanted[kind], list(_steps(path))) is None:
            raise UsageError(
                f"ownership: the manifest does not set {what}, so nothing can be decided about it.",
                f"Mend or remove it: all that is not named is decided by the default, {choice.default}.",
            )


def require_decided(found: Sequence[Contest], choice: OwnershipChoice, *, answers: bool) -> None:
    """Raises ConflictError with the lines that decide what is not decided yet: of the answers file, or options."""
    open_ones = undecided(found, choice)
    if not open_ones:
        return
    from wizard.prerequisites import gitops_tool

    kinds = list(dict.fromkeys(contest.kind for contest in open_ones))
    if answers:
        lines = ["Nothing was changed. Decide each in the answers file: leave it as it is, or take it over."]
        lines += ["  ownership:"]
        lines += [f"    {_yaml_key(key)}: {decision}" for key, decision in choice.decided.items()]
        lines += [f"    {_yaml_key(contest.key)}: leave" for contest in open_ones]
        lines.append(f"{kinds[0]}: skip does not apply the object at all; ownership: take, or leave, decides all.")
    else:
        lines = ["Nothing was changed. Decide each: --leave it as it is, or --take it over."]
        lines += [f"  --leave {shlex.quote(contest.key)}" for contest in open_ones]
        lines.append(f"--skip {kinds[0]} does not apply the object at all; --ownership take, or leave, decides all.")
    tools = [tool for contest in open_ones for manager in contest.managers if (tool := gitops_tool(manager))]
    if tools:
        where = "podman-wizard plan --to DIR writes an" if answers else "--overlay DIR writes an"
        lines.append(f"{tools[0]} puts back what is taken: {where} overlay for its repository")
        lines.append(f"  with these changes only{', and skips what it owns here' * (not answers)}.")
    said = "; ".join(
        f"{contest.title} {contest.field} ({contest.owner}{', ' + contest.time if contest.time else ''}): "
        f"{value_words(contest.theirs)}, not {value_words(contest.ours)}"
        for contest in open_ones
    )
    raise ConflictError(f"Fields that must be set belong to other managers: {said}", "\n".join(lines))


def _yaml_key(key: str) -> str:
    return yaml.safe_dump({key: 0}, width=1000, allow_unicode=True).rpartition(":")[0].removeprefix("? ").strip()


def without_fields(item: KubernetesObject, paths: Iterable[str]) -> KubernetesObject:
    """A copy of the object without these fields, so that an apply leaves them to who owns them."""
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

    ``patch`` is a strategic merge patch of nothing but these changes, ``changes`` has them by path: theirs, ours.
    """

    title: str
    tool: str
    patch: KubernetesObject
    changes: Mapping[str, tuple[Any, Any]]

    @property
    def kind(self) -> str:
        """The kind of its object, by which decisions name it."""
        return self.title.partition(" ")[0]


def gitops_departures(
    objects: Iterable[KubernetesObject], live: Mapping[str, KubernetesObject]
) -> tuple[Departure, ...]:
    """The objects that a GitOps tool owns and the plan would change; ``live`` has what is in the cluster by kind.

    What is there because the wizard set it, and nobody else did, is not in the repository: it departs too.
    """
    from wizard.manifest import guide_objects
    from wizard.prerequisites import gitops_signs

    guide = {item["kind"]: item for item in guide_objects()}
    found = []
    for item in objects:
        there = live.get(item["kind"])
        tool = next((tool for tool, _ in gitops_signs(there)), "") if there is not None else ""
        if there is None or not tool:
            continue
        known = owners(there)
        theirs = {owner.path for owner in known if owner.manager != FIELD_MANAGER}
        kept = without_fields(there, [owner.path for owner in known if owner.path not in theirs])
        patch = merge_patch_to(kept, item, guide.get(item["kind"]))
        if patch:
            title = f"{item['kind']} {item['metadata']['name']}"
            found.append(Departure(title, tool, patch, changed_values(kept, patch)))
    return tuple(found)


def in_repository(departures: Iterable[Departure], choice: OwnershipChoice) -> tuple[Departure, ...]:
    """Those that are left to the repository: but for the ones of which something else is decided."""
    kinds = {what.partition(" ")[0] for what, decision in choice.decided.items() if decision != "skip"}
    return tuple(one for one in departures if one.kind not in kinds)


def left_to_repository(choice: OwnershipChoice, departures: Iterable[Departure]) -> OwnershipChoice:
    """The decisions, with these objects skipped."""
    return OwnershipChoice(choice.default, {**choice.decided, **{one.kind: "skip" for one in departures}})


def as_decided(
    objects: Iterable[KubernetesObject], live: Mapping[str, KubernetesObject], choice: OwnershipChoice
) -> tuple[KubernetesObject, ...]:
    """The objects as an apply would leave them in the cluster, where ``live`` has what is there by kind.

    What is skipped, or left to others, is as they have it; an object that is skipped and not there is left out.
    """
    result: list[KubernetesObject] = []
    for item in objects:
        kind, there = item["kind"], live.get(item["kind"])
        if choice.skips(kind):
            result += [there] if there is not None else []
            continue
        named = [what.partition(" ")[2] for what in choice.decided if what.startswith(f"{kind} ")]
        owned = [owner.path for owner in contested(there, item, FIELD_MANAGER)] if there is not None else []
        left = [path for path in dict.fromkeys([*named, *owned]) if choice.of(kind, path) == "leave"]
        result.append(_with_fields_of(there, item, left))
    return tuple(result)


def _with_fields_of(there: KubernetesObject | None, item: KubernetesObject, paths: Sequence[str]) -> KubernetesObject:
    result = copy.deepcopy(item)
    for path in paths:
        found = _find(result, list(_steps(path)))
        if found is not None:
            container, key = found
            container[key] = copy.deepcopy(field_value(there, path))
    return result


def field_value(item: KubernetesObject | None, path: str) -> Any:
    """What an object has in a field; None where it has no such field."""
    found = _find(item, list(_steps(path)))
    return None if found is None else found[0][found[1]]


def _is_path(path: str) -> bool:
    """Whether a path is made of steps, with nothing between them that is none."""
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
    """The mapping or list that holds a field, and its key or index there; None where the field is not there."""
    if not steps:
        return None
    step, rest = steps[0], steps[1:]
    key: str | int | None
    if isinstance(step, str) and isinstance(value, dict):
        key = step
        while key not in value:
            # A key may hold dots of its own (annotations).
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
