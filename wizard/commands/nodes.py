"""``nodes list``, and which nodes a command is about."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.choices.answers import NodesChoice
from wizard.choices.target import target_of
from wizard.commands.choosing import nodes_choice
from wizard.commands.running import connected, run_async
from wizard.errors import ClusterError, ExitCode
from wizard.facts.cluster import ClusterFacts
from wizard.printing.lines import document, out, say
from wizard.text.columns import columns
from wizard.text.counting import counted
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.nodes.verdicts import NodeVerdict


def nodes_list(arguments: argparse.Namespace) -> int:
    """Runs ``nodes list``: every node, or those that names or a selector match."""
    return run_async(_nodes_list(arguments))


async def _nodes_list(arguments: argparse.Namespace) -> int:
    from wizard.nodes.verdicts import judge

    choice = nodes_choice(arguments)
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_nodes()
    require_nodes(facts)
    verdicts = nodes_meant([judge(node) for node in facts.nodes or ()], choice)
    if arguments.output == "json":
        rows = [_row(verdict) for verdict in verdicts]
        document("nodes-list", {"nodes": rows, "total": len(rows)}, rows="nodes")
        return ExitCode.DONE
    if choice.selector is not None and not verdicts:
        say(f"No node matches {choice.selector}.")
    if arguments.output == "name":
        for verdict in verdicts:
            out(f"node/{verdict.node.name}")
        return ExitCode.DONE
    fit = sum(verdict.eligible for verdict in verdicts)
    lines = columns([HEADER, *map(_cells, verdicts)]) if verdicts else []
    summary = f"{fit} of {counted(len(verdicts), 'node')} {'qualifies' if fit == 1 else 'qualify'}."
    out("\n".join((*lines, summary)), lines=True)
    return ExitCode.DONE


HEADER = ("NAME", "LABEL", "QUALIFIES", "FUSE", "OS", "KERNEL", "NOTES")


def _row(verdict: NodeVerdict) -> dict[str, Any]:
    node = verdict.node
    return {
        "name": node.name,
        "labelled": node.labelled,
        "qualifies": verdict.eligible,
        "ready": node.ready,
        "schedulable": not node.unschedulable,
        "reasons": list(verdict.reasons),
        "os_image": node.os_image,
        "kernel": node.kernel,
        "security_module": verdict.security_module,
        "fuse": node.fuse_devices,
    }


def _cells(verdict: NodeVerdict) -> tuple[str, ...]:
    """Returns the row of a node, with the cells of ``HEADER``."""
    node = verdict.node
    notes = [*verdict.reasons, *["not ready"] * (not node.ready), *["cordoned"] * node.unschedulable]
    label, fit = "labeled" if node.labelled else "-", "yes" if verdict.eligible else "no"
    devices = str(node.fuse_devices or "-")
    return tuple(map(printable, (node.name, label, fit, devices, node.os_image, node.kernel, "; ".join(notes))))


def nodes_meant(verdicts: Sequence[NodeVerdict], choice: NodesChoice) -> Sequence[NodeVerdict]:
    """Returns the nodes with these names, those that the selector matches, or all; also if they do not qualify."""
    from wizard.nodes.verdicts import choose, parse_selector

    if choice.names:
        return choose(verdicts, choice)
    if choice.selector is None:
        return verdicts
    matches = parse_selector(choice.selector)
    return [verdict for verdict in verdicts if matches(verdict.node.labels)]


def require_nodes(facts: ClusterFacts) -> None:
    """Raises ClusterError if the nodes could not be listed."""
    if facts.nodes is None:
        missing = next((unread for unread in facts.unread if unread.resource == "nodes"), None)
        raise ClusterError(
            "The nodes cannot be listed" + (f": {missing.message}" if missing else "."),
            "Ask a cluster admin for permission to list nodes. To export the plan, run podman-wizard plan --to DIR.",
        )
