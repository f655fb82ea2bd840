"""``nodes label`` and ``nodes unlabel``."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wizard.choices.answers import Answers, ManifestChoice, NodesChoice, OwnershipChoice, RolloutChoice
from wizard.choices.target import target_of
from wizard.cluster.pods_with_fuse import PodsWithFuse, pods_with_fuse
from wizard.commands.choosing import nodes_choice
from wizard.commands.nodes import nodes_meant, require_nodes
from wizard.commands.running import connected, run_async
from wizard.engine.events import Event
from wizard.engine.executor import Executor, RunOutcome
from wizard.errors import ExitCode, ProblemsFound, UsageError, WizardError
from wizard.manifest import devices_in
from wizard.manifest.ownership import KINDS
from wizard.names import NAMESPACE
from wizard.plan.actions import SetLabels, wait_for_rollout
from wizard.plan.derive import Plan, losing_without_label, plan_labels
from wizard.plan.gates import GateKind, closed
from wizard.plan.judgement import Judgement, Reading
from wizard.printing.lines import document, out, print_comparison, say, tell
from wizard.text.counting import counted, named

if TYPE_CHECKING:
    from wizard.engine.engine import Engine
    from wizard.facts.cluster import ClusterFacts
    from wizard.nodes.verdicts import NodeVerdict


def nodes_label(arguments: argparse.Namespace) -> int:
    """Runs ``nodes label``: sets the guide's label on the selected nodes."""
    return run_async(_nodes_change(arguments, remove=False))


def nodes_unlabel(arguments: argparse.Namespace) -> int:
    """Runs ``nodes unlabel``: removes the guide's label from the selected nodes."""
    return run_async(_nodes_change(arguments, remove=True))


async def _nodes_change(arguments: argparse.Namespace, *, remove: bool) -> int:
    if not (arguments.names or arguments.selector or arguments.all):
        raise UsageError("No nodes were selected.", "Add node names, --selector S, or --all.")
    choice = nodes_choice(arguments)
    waits = not remove and arguments.wait is not None
    if not remove and arguments.timeout and not waits:
        raise UsageError("--timeout needs --wait.", "Add --wait, or leave out --timeout.")
    async with connected(target_of(arguments)) as engine:
        # The wait compares its result with the forecast, which needs the other facts as well.
        facts = await (engine.read_facts() if waits else engine.read_nodes())
        if not waits:
            facts = await _with_daemon_set(engine, facts)
        if not (waits or remove):
            facts = await engine.with_full_nodes(facts)
        if remove or not choice.names:
            require_nodes(facts)
        work = _Work(arguments, Judgement(Reading.of(facts), _answers(choice, arguments)), remove=remove)
        allow: tuple[GateKind, ...] = ("disruption",) if arguments.allow_disruption else ()
        gates = closed(work.plan.gates, "command", actions={action.kind for action in work.plan.actions}, allow=allow)
        error: WizardError | None = gates[0].error("command") if gates else None
        if not work.chosen and not remove:
            error = work.nobody()
        await work.look_at_pods(engine)
        work.say_who_is_left_out()
        if arguments.output == "text":
            work.print_before()
        if arguments.dry_run or error or not work.plan.actions:
            if arguments.output == "json":
                document("nodes-label", work.content(), rows="changes", error=error)
            if error:
                raise error
            return ExitCode.DONE
        return await work.act(engine, allow)


async def _with_daemon_set(engine: Engine, facts: ClusterFacts) -> ClusterFacts:
    """Adds the DaemonSet, which tells whether a node needs the label; without permission, it counts as needed."""
    from wizard.cluster import ApiRefusal

    try:
        found = await engine.gateway.get("DaemonSet", NAMESPACE, NAMESPACE)
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        found = None
    return replace(facts, objects={"DaemonSet": found}) if found is not None else facts


def _timeout(arguments: argparse.Namespace) -> int:
    """Returns how long to wait without a further node becoming ready, in seconds."""
    return getattr(arguments, "timeout", None) or getattr(arguments, "wait", None) or RolloutChoice().timeout


def _answers(choice: NodesChoice, arguments: argparse.Namespace) -> Answers:
    """Returns the choices for labels alone: the objects stay as they are."""
    return Answers(
        nodes=choice,
        manifest=ManifestChoice(apply=False),
        ownership=OwnershipChoice(decided=dict.fromkeys(KINDS, "skip")),
        rollout=RolloutChoice(_timeout(arguments)),
        allow_disruption=arguments.allow_disruption,
    )


class _Work:
    """Setting or removing the label: the nodes, the plan, and how both are told."""

    def __init__(self, arguments: argparse.Namespace, judgement: Judgement, *, remove: bool) -> None:
        self._arguments = arguments
        self._judgement = judgement
        self._remove = remove
        self._choice = judgement.answers.nodes
        # Without permission to list nodes, names are trusted, and nothing else can be selected.
        known = judgement.facts.nodes is not None
        self._meant = nodes_meant(judgement.verdicts, self._choice) if known else judgement.chosen
        self.chosen: Sequence[NodeVerdict] = self._meant if remove else judgement.chosen
        self.plan = self._make_plan()
        self._pods = PodsWithFuse()

    async def look_at_pods(self, engine: Engine) -> None:
        """Reads which running pods hold a device on the nodes that lose theirs."""
        if self._losing:
            self._pods = await pods_with_fuse(engine.gateway, self._losing)

    def _make_plan(self) -> Plan:
        by_name = bool(self._choice.names)
        plan = plan_labels(self._judgement, self.chosen, remove=self._remove, by_name=by_name)
        if self._remove or self._arguments.wait is None or not self.chosen:
            return plan
        config = next((one for one in self._judgement.objects if one["kind"] == "ConfigMap"), None)
        names = [verdict.node.name for verdict in self.chosen]
        wait = wait_for_rollout(names, _timeout(self._arguments), devices_in(config))
        return replace(plan, actions=(*plan.actions, replace(wait, after=plan.ids("label"))))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(name for action in self.plan.actions if isinstance(action, SetLabels) for name in action.names)

    @property
    def _word(self) -> str:
        return "unlabel" if self._remove else "label"

    @property
    def _unfit(self) -> Sequence[NodeVerdict]:
        """The nodes that get the label although they do not qualify."""
        changing = set(self._names)
        return [v for v in self.chosen if not self._remove and not v.eligible and v.node.name in changing]

    @property
    def _losing(self) -> Sequence[str]:
        changing = set(self._names) if self._remove else set()
        return losing_without_label(self._judgement, (v for v in self.chosen if v.node.name in changing))

    def say_who_is_left_out(self) -> None:
        """Names the nodes that the selector matches and that do not qualify."""
        if self._remove or self._choice.selector is None:
            return
        taken = {verdict.node.name for verdict in self.chosen}
        for verdict in self._meant:
            if verdict.node.name not in taken:
                say(f"{verdict.node.name} does not qualify and is not labeled: {'; '.join(verdict.reasons)}.")

    def print_before(self) -> None:
        """Prints what is worth knowing before the labels change; for a dry run also which labels would."""
        if not self._names:
            if self.chosen or (self._remove and not self.plan.actions):
                out(f"Nothing to {self._word}: {self._as_they_are()}.")
            return
        dry = self._arguments.dry_run
        labelling = [action for action in self.plan.actions if isinstance(action, SetLabels)]
        for name in (one for action in labelling for one in action.described) if dry else ():
            out(f"would {self._word} {name}")
        for verdict in self._unfit:
            labeled = "would be labeled" if dry else "is labeled"
            out(f"{verdict.node.name} {labeled} although it does not qualify: {'; '.join(verdict.reasons)}.")
        if self._losing and self._choice.names:
            lose = "loses" if len(self._losing) == 1 else "lose"
            out(f"{named(self._losing)} {lose} FUSE: new workspaces there get no FUSE device.")
        for line in (*self._pods.lines(), *self.plan.notes):
            out(line)
        if dry:
            out(f"{counted(len(self._names), 'node')} to {self._word}.")

    async def act(self, engine: Engine, allow: Collection[GateKind]) -> int:
        """Changes the labels, waits if that was asked for, and tells what became of it."""
        events: list[Event] = []
        as_json = self._arguments.output == "json"
        engine.note_answers(Answers(nodes=self._choice), repeat=True)
        executor = Executor(engine, self.plan, events.append if as_json else tell)
        try:
            outcome = await executor.execute(agreed=self.plan.digest, door="command", allow=allow)
        except WizardError as error:
            if as_json:
                document("nodes-label", self.content(executor.outcome), rows="changes", error=error)
            raise
        if as_json:
            document("nodes-label", self.content(outcome), rows="changes")
        else:
            print_comparison(outcome.comparison)
        if outcome.labelled and outcome.labelled.failed:
            return ExitCode.CLUSTER
        return ExitCode.DONE if outcome.complete else ExitCode.PROBLEMS

    def content(self, outcome: RunOutcome | None = None) -> dict[str, Any]:
        """Returns the document: what would change, or what became of it."""
        labelled = outcome.labelled if outcome else None
        done = labelled.done if labelled else ()
        dry = self._arguments.dry_run
        told = done if outcome else self._names if dry else ()
        changes = [
            change.to_json()
            for action in self.plan.actions
            if isinstance(action, SetLabels)
            for change in action.changes_of(told)
        ]
        failed = labelled.failed if labelled else ()
        content: dict[str, Any] = {
            "changed": bool(changes),
            f"to_{self._word}": list(self._names),
            "done": list(done),
            "failed": [{"node": item.name, "reason": item.reason} for item in failed],
            "gone": list(labelled.gone if labelled else ()),
            "unfit": [{"node": v.node.name, "reasons": list(v.reasons)} for v in self._unfit],
            "losing": list(self._losing),
            "pods_with_fuse": self._pods.to_json(),
            "dry_run": dry,
            "changes": changes,
        }
        if outcome is not None and outcome.rollout is not None:
            waited = outcome.rollout
            content["rollout"] = {
                "desired": waited.desired,
                "ready": waited.ready,
                "failing": [{"node": item.name, "reason": item.reason} for item in waited.failing],
                "groups": [row.to_json() for row in outcome.comparison],
            }
        return content

    def _as_they_are(self) -> str:
        """Returns the reason why no node has to be changed, as a clause."""
        if not self.chosen:
            selector = self._choice.selector
            return f"no node matches {selector}" if selector is not None else "this cluster has no nodes"
        if len(self.chosen) == 1:
            has = "does not have the label" if self._remove else "already has the label"
            return f"{self.chosen[0].node.name} {has}"
        if self._remove:
            return f"none of {counted(len(self.chosen), 'node')} has the label"
        return f"all {counted(len(self.chosen), 'node')} already have the label"

    def nobody(self) -> ProblemsFound:
        """Returns the error for no node to label: ``run`` stops here with a blocker, so this is no success either."""
        total = len(self._judgement.verdicts)
        selector = self._choice.selector
        if not total:
            return ProblemsFound("Nothing was changed: this cluster has no nodes.", "Try again when it has nodes.")
        if selector is None:
            return ProblemsFound(
                f"Nothing was changed: 0 of {counted(total, 'node')} qualify.",
                "For the reasons, run podman-wizard nodes list.",
            )
        if not self._meant:
            return ProblemsFound(
                f"Nothing was changed: 0 of {counted(total, 'node')} match {selector}.",
                "To see the labels, run kubectl get nodes --show-labels.",
            )
        matching = f"{counted(len(self._meant), 'node')} {'matches' if len(self._meant) == 1 else 'match'} {selector}"
        return ProblemsFound(f"Nothing was changed: {matching}, but none qualifies.", "The reasons are listed above.")
