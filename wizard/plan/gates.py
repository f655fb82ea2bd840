"""Gates: why the plan may not be carried out now, decided in one place for every door.

A gate is closed until what it asks for is there. Which gates bind which door is one table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wizard.errors import ClusterError, ConflictError, ExitCode, ProblemsFound, WizardError
from wizard.facts.full_nodes import RunningPod
from wizard.finding import Outcome, blockers
from wizard.manifest.ownership import conflict_error, undecided
from wizard.names import NODE_LABEL
from wizard.plan.judgement import Judgement
from wizard.text.counting import counted, named

GateKind = Literal["read-only", "blocker", "acknowledgement", "conflict", "label", "rejected", "disruption"]
Door = Literal["screens", "plain", "run", "command", "plan"]

BOUND: Final[Mapping[GateKind, frozenset[Door]]] = {
    "disruption": frozenset({"screens", "plain", "run", "command"}),
    "read-only": frozenset({"screens", "plain", "run", "command"}),
    "blocker": frozenset({"screens", "plain", "run"}),
    "acknowledgement": frozenset({"screens", "plain", "run"}),
    "conflict": frozenset({"screens", "plain", "run", "command", "plan"}),
    # Screens and plain mode name these nodes in the question; the command plan stops like run (commands/plan).
    "label": frozenset({"run"}),
    "rejected": frozenset({"screens", "plain", "run", "command"}),
}
"""The doors that each gate binds. A single command does what its options say: findings do not stop it."""

EXIT_CODES: Final[Mapping[GateKind, ExitCode]] = {
    "disruption": ExitCode.CONFLICT,
    "read-only": ExitCode.CLUSTER,
    "blocker": ExitCode.PROBLEMS,
    "acknowledgement": ExitCode.PROBLEMS,
    "conflict": ExitCode.CONFLICT,
    "label": ExitCode.CONFLICT,
    "rejected": ExitCode.CLUSTER,
}
"""The exit code of a command that meets a closed gate."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One reason why the plan may not be carried out.

    ``text`` is what a command says, ``todo`` how the answers file opens the gate, ``todo_by_option`` how options do, if
    that differs. ``on_screen`` is what the screens and plain mode say. ``names`` are the nodes, findings, or objects
    that it is about, ``actions`` the kinds of action that it stops.
    """

    kind: GateKind
    text: str
    todo: str
    on_screen: str = ""
    names: tuple[str, ...] = ()
    actions: frozenset[str] = frozenset({"apply", "label", "rollout"})
    todo_by_option: str = ""
    alone: bool = False
    """Whether it is closed only if the labels are not set together with the objects."""
    means: str = ""
    """What follows for workspaces, in sentences."""
    asks: str = ""
    """What someone agrees to, as a question begins ("Take FUSE from 3 nodes")."""

    @property
    def words(self) -> str:
        """What the screens and plain mode say."""
        return self.on_screen or self.text

    def to_json(self) -> dict[str, Any]:
        """Returns the gate as commands print it."""
        return {
            "kind": self.kind,
            "text": self.text,
            "todo": self.todo,
            "names": list(self.names),
            "alone": self.alone,
            "exit_code": int(EXIT_CODES[self.kind]),
        }

    def error(self, door: Door) -> WizardError:
        """Returns the error of a command that meets this gate."""
        todo = self.todo_by_option if door == "command" and self.todo_by_option else self.todo
        match EXIT_CODES[self.kind]:
            case ExitCode.CONFLICT:
                return ConflictError(self.text, todo)
            case ExitCode.CLUSTER:
                return ClusterError(self.text, todo)
            case _:
                return ProblemsFound(self.text, todo)


def closed(
    gates: Iterable[Gate], door: Door, *, actions: Collection[str] = (), allow: Collection[GateKind] = ()
) -> tuple[Gate, ...]:
    """Returns the gates that stop this door from doing ``actions`` (all by default), without what is allowed."""
    return tuple(
        gate
        for gate in gates
        if door in BOUND[gate.kind]
        and gate.kind not in allow
        and (not actions or not gate.actions.isdisjoint(actions))
        and not (gate.alone and (not actions or "label" in actions))
    )


def require_open(
    gates: Iterable[Gate], door: Door, *, actions: Collection[str] = (), allow: Collection[GateKind] = ()
) -> None:
    """Raises the error of the first closed gate."""
    for gate in closed(gates, door, actions=actions, allow=allow):
        raise gate.error(door)


def gates_of(judgement: Judgement, *, read_only: str = "", asked: bool = True) -> tuple[Gate, ...]:
    """Returns every closed gate of a judgement, the one that must be seen first in front.

    ``read_only`` says why this session cannot change anything. ``asked`` tells whether the server was asked.
    """
    found = [_disruption(judgement), _displacing(judgement), _read_only(read_only), _blockers(judgement)]
    found.append(_acknowledgement(judgement))
    if asked:
        found += [_conflicts(judgement), _foreign_labels(judgement), _rejected(judgement)]
    return tuple(gate for gate in found if gate is not None)


def _disruption(judgement: Judgement) -> Gate | None:
    """Taking FUSE from nodes that have it; if the labels bring it back, applying alone still stops at it."""
    losing, by_apply = judgement.losing, judgement.losing_by_apply
    if losing:
        return disruption_gate(losing, _why_losing(judgement, losing), frozenset({"apply", "label", "rollout"}))
    if by_apply and judgement.answers.manifest.apply:
        return disruption_gate(by_apply, "until they are labeled", frozenset({"apply"}), alone=True)
    return None


def disruption_gate(names: Sequence[str], why: str, actions: frozenset[str], *, alone: bool = False) -> Gate:
    """Returns the gate for nodes that offer FUSE and lose it; ``alone``: only if the labels are not set as well."""
    one = len(names) == 1
    means = "New workspaces there get no FUSE device; running workspaces keep their device."
    return Gate(
        "disruption",
        f"Nothing was changed. {counted(len(names), 'node')} that {'offers' if one else 'offer'} FUSE now "
        f"{'loses' if one else 'lose'} it ({why}): {named(names)}.",
        f"{means} {_IN_ANSWERS}",
        f"{counted(len(names), 'node')} {'loses' if one else 'lose'} FUSE ({why}): {named(names)}.",
        tuple(names),
        actions,
        f"{means} {_BY_OPTION}",
        alone=alone,
        means=means,
        asks=f"Take FUSE from {counted(len(names), 'node')}",
    )


_IN_ANSWERS: Final = "To do it all the same, set allow-disruption: true in the answers file."
_BY_OPTION: Final = "To do it all the same, use --allow-disruption."


def _displacing(judgement: Judgement) -> Gate | None:
    """Pods that have to go for the device manager's pod: when the label comes, or with the DaemonSet."""
    new = "DaemonSet" in judgement.changing
    labeled = judgement.to_label if judgement.answers.nodes.label else ()
    pods = {name: found for name, found in judgement.displaced.items() if new or name in labeled}
    actions = {"label" if name in labeled else "apply" for name in pods}
    return displacing_gate(pods, frozenset(actions)) if pods else None


def displacing_gate(pods: Mapping[str, Sequence[RunningPod] | None], actions: frozenset[str]) -> Gate:
    """Returns the gate for full nodes, on which running pods have to go; ``pods`` has them by node, None: not read."""
    told = [f"{pod} on {node}" for node, found in pods.items() for pod in found or ()]
    told += [f"a pod on {node}" for node, found in pods.items() if found is None]
    count = counted(len(told), "running pod")
    on = "1 full node" if len(pods) == 1 else f"{len(pods)} full nodes"
    text = f"The device manager displaces {count} on {on}: {named(told)}."
    means = (
        "Its pod is critical for a node, so the scheduler evicts pods of lower priority if a node has no room. Leave "
        "these nodes out, or make room there first."
    )
    return Gate(
        "disruption",
        f"Nothing was changed. {text}",
        f"{means} {_IN_ANSWERS}",
        text,
        tuple(pods),
        actions,
        f"{means} {_BY_OPTION}",
        means=means,
        asks=f"Displace {count}",
    )


def _why_losing(judgement: Judgement, names: Sequence[str]) -> str:
    rows = [row for row in judgement.forecast if not row.gets_pod and not set(names).isdisjoint(row.nodes)]
    return ", ".join(dict.fromkeys(row.why or row.short for row in rows))


def read_only_gate(why: str) -> Gate:
    """Returns the gate of a session that cannot change anything."""
    return Gate("read-only", why, "Wait until the other one has finished, then refresh.")


def _read_only(why: str) -> Gate | None:
    return read_only_gate(why) if why else None


def _blockers(judgement: Judgement) -> Gate | None:
    stopping = blockers(judgement.prerequisites)
    if not stopping:
        return None
    return Gate(
        "blocker",
        "Nothing was changed. Blocked by: " + "; ".join(finding.title for finding in stopping),
        f"For the evidence, run podman-wizard check. For background, run podman-wizard explain {stopping[0].id}.",
        f"Prerequisites: {stopping[0].title}",
        tuple(finding.id for finding in stopping),
    )


def _acknowledgement(judgement: Judgement) -> Gate | None:
    if judgement.answers.security_modules.acknowledged:
        return None
    warnings = [finding for finding in judgement.security_modules if finding.outcome is Outcome.WARNING]
    if not warnings:
        return None
    titles = tuple(finding.title for finding in warnings)
    return Gate(
        "acknowledgement",
        f"Nothing was changed, because you have not acknowledged {counted(len(warnings), 'security-module warning')}: "
        f"{'; '.join(titles)}",
        "Read them with podman-wizard check, then add security-modules: {acknowledged: true} to the answers file.",
        "Acknowledge the warnings in Security modules first.",
        tuple(finding.id for finding in warnings),
    )


def _conflicts(judgement: Judgement) -> Gate | None:
    open_ones = undecided(judgement.conflicts, judgement.answers.ownership)
    if not open_ones:
        return None
    choice = judgement.answers.ownership
    error = conflict_error(open_ones, choice, answers=True)
    return Gate(
        "conflict",
        error.what,
        error.todo,
        f"{counted(len(open_ones), 'conflict')} undecided. Press f in Manifest to decide.",
        tuple(one.key for one in open_ones),
        frozenset({"apply"}),
        conflict_error(open_ones, choice, answers=False).todo,
    )


def _foreign_labels(judgement: Judgement) -> Gate | None:
    """Nodes whose label has another value: somebody uses it for something else."""
    if judgement.answers.ownership.default != "fail" or not judgement.answers.nodes.label:
        return None
    values = {name: value for name, value in judgement.labels_before if value is not None}
    if not values:
        return None
    one = len(values) == 1
    told = named([f"{name} ({value})" for name, value in values.items()])
    return Gate(
        "label",
        f"Nothing was changed. {counted(len(values), 'node')} {'has' if one else 'have'} another value of the label "
        f"{NODE_LABEL}: {told}.",
        "To overwrite it, set ownership: take in the answers file; to leave these nodes out, set ownership: leave.",
        names=tuple(values),
        actions=frozenset({"label"}),
    )


def _rejected(judgement: Judgement) -> Gate | None:
    changing = judgement.changing
    refused = [check for check in judgement.checks if check.change == "failed" and check.ref.kind in changing]
    if not refused:
        return None
    first = refused[0]
    return Gate(
        "rejected",
        f"{first.title} would be rejected: {first.message}",
        f"Nothing was changed. {first.todo}".strip(),
        names=tuple(check.title for check in refused),
        actions=frozenset({"apply"}),
    )
