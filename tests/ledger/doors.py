"""The doors: how each of them shows the plan of a situation, and carries it out."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clusters import Cluster, Ended
from tests.ledger.situations import Situation
from tests.scripts import Folder
from wizard.answers_file import parse_answers
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.events import Event, PlanShown
from wizard.errors import WizardError
from wizard.plan.derive import Plan
from wizard.session.unattended import Summary, run

ACKNOWLEDGED = "security-modules: {acknowledged: true}\n"


@dataclass
class Seen:
    """What a door showed, as the ledger writes it (``normal``), and how it ended.

    ``changes`` are the changes as they were printed, ``unbound`` the kinds of gate that do not hold this door. The plan
    itself is there if the door is in this process; else ``pods`` has how many nodes it gives a pod.
    """

    shown: Mapping[str, Any] = field(default_factory=dict)
    exit: int = 0
    changes: Sequence[Mapping[str, Any]] = ()
    unbound: Sequence[str] = ()
    pods: int | None = None
    made: Plan | None = None
    summary: Summary | None = None
    error: WizardError | None = None
    output: str = ""
    events: list[Event] = field(default_factory=list)


def normal(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan says, as the ledger writes it: from the JSON that every door prints."""
    objects: dict[str, Any] = {}
    found: dict[str, Any] = {"objects": objects, "label": [], "wake": False, "wait": None, "checked": {}}
    for action in plan["actions"]:
        match action["action"]:
            case "apply":
                kind = action["id"].removeprefix("apply ")
                objects |= normal_objects(action["changes"])
                found["checked"][kind] = action["checked"]
            case "label":
                found["label"] = [one["object"].removeprefix("Node ") for one in action["changes"]]
            case "wake":
                found["wake"] = True
            case "rollout":
                found["wait"] = (action["nodes"], action["devices"])
    gates = {gate["kind"]: gate["names"] for gate in plan["gates"] if not gate["alone"]}
    return {**found, "gates": gates, "losing": plan["losing"], "stage": plan["stage"]}


def normal_objects(changes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Changes by the kind of their object, without noise."""
    objects: dict[str, Any] = {}
    for one in changes:
        found = objects.setdefault(one["object"].partition(" ")[0], {})
        if not one["noise"]:
            found[one["path"]] = (one["before"], one["after"], one["by"])
    return objects


def answers_of(text: str) -> Answers:
    return parse_answers((ACKNOWLEDGED + text).encode(), "answers.yaml")


@asynccontextmanager
async def engine_on(cluster: Cluster, *, limited: bool = False) -> AsyncIterator[Engine]:
    path = cluster.kubeconfig_limited if limited else cluster.kubeconfig
    engine = Engine(Target(kubeconfig=str(path)))
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


async def run_with(cluster: Cluster, answers: str, *, limited: bool = False) -> Seen:
    """An unattended run in this process."""
    seen = Seen()
    async with engine_on(cluster, limited=limited) as engine:
        try:
            seen.summary = await run(engine, answers_of(answers), seen.events.append)
            seen.exit = 0 if seen.summary.result == "done" else 1
        except WizardError as error:
            seen.exit, seen.error = int(error.exit_code), error
    _note_plan(seen)
    return seen


def _note_plan(seen: Seen) -> None:
    shown = [event for event in seen.events if isinstance(event, PlanShown)]
    if shown:
        seen.made = shown[0].plan
        show(seen, shown[0].to_json())


def show(seen: Seen, plan: Mapping[str, Any]) -> None:
    """Notes a plan as it was shown, from its JSON."""
    seen.shown = normal(plan)
    seen.changes = [change for action in plan["actions"] for change in action["changes"]]


async def by_run(cluster: Cluster, situation: Situation) -> Seen:
    """Door R: ``run --yes``."""
    return await run_with(cluster, situation.answers, limited=situation.limited)


async def by_dry_run(cluster: Cluster, situation: Situation) -> Seen:
    """Door D: ``run --dry-run``, which looks and does not act."""
    ended = await _command(cluster, situation, "run", *_answers(cluster, situation), "--dry-run", "-o", "json")
    seen = Seen(exit=ended.code)
    show(seen, ended.document)
    seen.pods = sum(row["nodes"] for row in ended.document["forecast"] if row["gets_pod"])
    return seen


async def by_commands(cluster: Cluster, situation: Situation) -> Seen:
    """Door C: ``manifest apply``, then ``nodes label`` where the plan has labels to set."""
    apply = ("manifest", "apply", *_answers(cluster, situation), "-o", "json")
    label = ("nodes", "label", "--all", "-o", "json")
    objects = (await _command(cluster, situation, *apply, "--dry-run")).document
    seen = Seen(changes=objects["changes"], unbound=("blocker", "acknowledgement"))
    seen.shown = {
        "objects": normal_objects(objects["changes"]),
        "gates": {gate["kind"]: gate["names"] for gate in objects["gates"]},
        "checked": {
            one["object"].partition(" ")[0]: one["checked"]
            for one in objects["objects"]
            if one["change"] not in ("unchanged", "skipped")
        },
    }
    if situation.plan.label:
        labels = (await _command(cluster, situation, *label, "--dry-run")).document
        seen.shown["label"] = labels["to_label"]
    seen.exit = (await _command(cluster, situation, *apply)).code
    if situation.plan.label and not seen.exit:
        seen.exit = (await _command(cluster, situation, *label, "--wait")).code
    return seen


async def by_hand_over(cluster: Cluster, situation: Situation) -> Seen:
    """Door H: ``plan``, whose folder is then executed with kubectl by an admin."""
    path = folder_of(cluster)
    options = (*_answers(cluster, situation), "--to", str(path), "-o", "json")
    ended = await _command(cluster, situation, "plan", *options)
    seen = Seen(exit=ended.code, output=ended.out + ended.error)
    if ended.code:
        assert not path.exists()
        return seen
    show(seen, ended.document["plan"])
    if (path / "commands.sh").exists():
        executed = await Folder(path, cluster).run("commands.sh")
        seen.exit, seen.output = executed.code, executed.out + executed.error
    return seen


def folder_of(cluster: Cluster) -> Path:
    """The folder of the hand-over."""
    return cluster.kubeconfig.parent / "plan"


async def by_plain(cluster: Cluster, situation: Situation) -> Seen:
    """Door P: plain mode with piped answers, which applies, labels and waits as far as the plan has it."""
    plan = situation.plan
    async with engine_on(cluster) as engine:
        named = ["sandbox-ledger"] if engine.is_new_here() else []
    typed = ["next", "next", "diff"]
    if "conflict" in plan.gates:
        typed += ["apply", "stop"]
    elif "disruption" in plan.gates:
        typed += ["apply", "no"]
    elif "blocker" in plan.gates:
        typed += ["apply"]
    elif plan.objects:
        typed += ["apply", *situation.asks, *["yes"] * situation.loses_until_labelled, "yes", *named]
    typed += ["next", "next"]
    if not plan.gates:
        typed += ["label", "yes"] if plan.label else []
        typed += ["wait"] if plan.wait is not None else []
    typed += ["next", "quit"]
    lines = "".join(f"{line}\n" for line in typed)
    arguments = ("--plain", *_answers(cluster, situation))
    ended = await cluster.command(*arguments, limited=situation.limited, typed=lines)
    seen = Seen(exit=ended.code, output=ended.out + ended.error)
    pods = re.search(r"(\d+) nodes? will get a pod", ended.out)
    seen.pods = int(pods[1]) if pods else None
    return seen


def told_changes(output: str) -> str:
    """The changes to the cluster as plain mode tells them at ``diff``, on one line."""
    shown = output.partition("Changes to the guide's manifest:")[2].partition("will get a pod")[0]
    return " ".join(shown.partition("Changes to the cluster, server-checked:")[2].split())


def paths_in(text: str) -> set[str]:
    """The fields that a text on one line tells of."""
    return set(re.findall(r"(?<= )(\.[a-z]\S*):(?= )", text))


def told(path: str, before: Any, after: Any, *, new: bool) -> str:
    """How a change is told; ``new``: the whole object is."""
    if new:
        return f" {path}: {_value(after)}"
    if "\n" in str(before) and "\n" in str(after):
        return f" {path}:"
    return f" {path}: {_value(before)} -> {_value(after) if after is not None else 'removed'}"


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    text = (value or '""') if isinstance(value, str) and "\n" not in value else json.dumps(value)
    return " ".join(text.split())


async def _command(cluster: Cluster, situation: Situation, *arguments: str) -> Ended:
    return await cluster.command(*arguments, limited=situation.limited)


def _answers(cluster: Cluster, situation: Situation) -> tuple[str, str]:
    path = cluster.kubeconfig.parent / "answers.yaml"
    path.write_text(ACKNOWLEDGED + situation.answers)
    return "--answers", str(path)
