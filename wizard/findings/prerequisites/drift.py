"""The rule about what changed since the installation: labels that are gone, and nodes that came."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Final

from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation
from wizard.nodes.verdicts import NodeVerdict
from wizard.text.counting import counted, named

NAMED: Final = 20
"""Up to this number, the command names the nodes."""


def drift(situation: Situation) -> Judged:
    """Checks whether nodes that should have the label lack it, on a cluster where the device manager is installed."""
    if situation.object("DaemonSet") is None:
        return Judged(Outcome.SKIPPED, "Nothing installed that could drift", "The DaemonSet does not exist.")
    if situation.every_node:
        return Judged(Outcome.SKIPPED, "No node labels that could drift", "The DaemonSet has no node selector.")
    fit = [verdict for verdict in situation.verdicts if verdict.eligible]
    bare = [verdict for verdict in fit if not verdict.node.labelled]
    if not bare:
        return Judged(Outcome.OK, "Every node that qualifies has the label")
    runs = situation.facts.labelled_by_run
    lost = [verdict for verdict in bare if verdict.node.name in runs]
    last = max(runs.values(), default="")
    came = [verdict for verdict in bare if last and verdict.node.created > last and verdict not in lost]
    if len(bare) == len(fit) and not (lost or came):
        return Judged(Outcome.SKIPPED, "No node is labeled yet", "No node that qualifies has the label.")
    if not (lost or came):
        return Judged(
            Outcome.INFO,
            _of(bare, fit, "lacks the label" if len(bare) == 1 else "lack the label"),
            "Workspaces there get no FUSE. If these nodes came later, or someone removed their label, label them.",
            (f"without the label: {named(_names(bare))}",),
            (_label(bare),),
            len(bare),
        )
    return Judged(
        Outcome.WARNING,
        _of([*lost, *came], fit, "lost the label" if not came else "came without it" if not lost else "lack the label"),
        "Workspaces there get no FUSE. A pool that replaces or adds nodes needs the label in its own configuration.",
        (
            *(f"{verdict.node.name}: labeled by the run of {runs[verdict.node.name]}" for verdict in lost[:5]),
            *(f"{verdict.node.name}: created at {verdict.node.created}, after that run" for verdict in came[:5]),
            *([f"and {rest} more"] if (rest := len(lost[5:]) + len(came[5:])) else []),
        ),
        (_label([*lost, *came]),),
        len(lost) + len(came),
    )


def _of(nodes: Sequence[NodeVerdict], fit: Sequence[NodeVerdict], what: str) -> str:
    return f"{len(nodes)} of {counted(len(fit), 'qualifying node')} {what}"


def _names(nodes: Iterable[NodeVerdict]) -> list[str]:
    return [verdict.node.name for verdict in nodes]


def _label(nodes: Sequence[NodeVerdict]) -> Remedy:
    names = shlex.join(_names(nodes)) if len(nodes) <= NAMED else "--all"
    return Remedy("Label these nodes.", f"podman-wizard nodes label {names} --wait", touches="the nodes' labels")
