"""``nodes list``, ``label`` and ``unlabel``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.answers import Answers, NodesChoice
from wizard.commands.printing import document, out, print_comparison, say, tell
from wizard.commands.running import connected, run_async
from wizard.errors import ClusterError, ExitCode, ProblemsFound, UsageError
from wizard.escaping import printable
from wizard.events import Event
from wizard.facts import ClusterFacts
from wizard.target import target_of

if TYPE_CHECKING:
    from wizard.forecast import Comparison
    from wizard.nodes import NodeVerdict


def nodes_choice(arguments: argparse.Namespace) -> NodesChoice:
    """The choices of names, ``--selector`` and ``--all``."""
    names, selector = tuple(getattr(arguments, "names", ())), arguments.selector
    everything = getattr(arguments, "all", False)
    if bool(names) + bool(selector) + everything > 1:
        raise UsageError("Names, --selector and --all exclude each other.", "Keep one of them.")
    return NodesChoice(all=not names and not selector, names=names, selector=selector)


def nodes_list(arguments: argparse.Namespace) -> int:
    """``nodes list``: every node, or those that names or a selector mean."""
    return run_async(_nodes_list(arguments))


async def _nodes_list(arguments: argparse.Namespace) -> int:
    choice = nodes_choice(arguments)
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_nodes()
    require_nodes(facts)
    verdicts = nodes_meant(facts, choice)
    rows = [
        {
            "name": verdict.node.name,
            "labelled": verdict.node.labelled,
            "eligible": verdict.eligible,
            "reasons": list(verdict.reasons),
            "os_image": verdict.node.os_image,
            "kernel": verdict.node.kernel,
            "security_module": verdict.security_module,
            "fuse": verdict.node.fuse_devices,
        }
        for verdict in verdicts
    ]
    if arguments.output == "json":
        document({"nodes": rows, "total": len(rows)}, rows="nodes")
        return ExitCode.DONE
    lines = []
    for verdict in verdicts:
        node = verdict.node
        state = "labelled" if node.labelled else "ready" if verdict.eligible else "unfit"
        fuse = f"fuse {node.fuse_devices}" if node.fuse_devices else "; ".join(verdict.reasons)
        lines.append(printable(f"{node.name:32} {state:9} {node.os_image:36} {node.kernel:28} {fuse}".rstrip()))
    if choice.selector is not None and not verdicts:
        say(f"No node matches {choice.selector}.")
    fit = sum(verdict.eligible for verdict in verdicts)
    out("\n".join((*lines, f"{fit} of {len(verdicts)} nodes qualify.")), lines=True)
    return ExitCode.DONE


def nodes_meant(facts: ClusterFacts, choice: NodesChoice) -> Sequence[NodeVerdict]:
    """The nodes with these names, those that the selector matches, or all of them; whether they are fit or not."""
    from wizard.nodes import choose, judge, parse_selector

    if choice.names:
        return choose(facts, choice)
    matches = parse_selector(choice.selector) if choice.selector is not None else lambda labels: True
    return [judge(node) for node in facts.nodes or () if matches(node.labels)]


def require_nodes(facts: ClusterFacts) -> None:
    """Raises ClusterError where the nodes may not be listed."""
    if facts.nodes is None:
        missing = next((unread for unread in facts.unread if unread.resource == "nodes"), None)
        raise ClusterError(
            "The nodes cannot be listed" + (f": {missing.message}" if missing else "."),
            "Ask for the right to list nodes; podman-wizard plan writes what is needed.",
        )


def nodes_label(arguments: argparse.Namespace) -> int:
    """``nodes label``: the guide's label on the nodes that are meant."""
    return run_async(_nodes_change(arguments, remove=False))


def nodes_unlabel(arguments: argparse.Namespace) -> int:
    """``nodes unlabel``: the guide's label off the nodes that are meant."""
    return run_async(_nodes_change(arguments, remove=True))


async def _nodes_change(arguments: argparse.Namespace, *, remove: bool) -> int:
    from wizard.forecast import compare
    from wizard.nodes import choose
    from wizard.plan import forecast_as_it_is

    if not (arguments.names or arguments.selector or arguments.all):
        raise UsageError("Which nodes?", "Name them, or say --selector S or --all.")
    choice = nodes_choice(arguments)
    waits = not remove and arguments.wait is not None
    async with connected(target_of(arguments)) as engine:
        # The forecast, beside which the wait sets what happened, takes the other facts too.
        facts = await (engine.read_facts() if waits else engine.read_nodes())
        require_nodes(facts)
        meant = nodes_meant(facts, choice) if remove or choice.selector is not None else ()
        chosen = meant if remove else choose(facts, choice)
        names = [verdict.node.name for verdict in chosen if verdict.node.labelled is remove]
        if not remove and choice.selector is not None:
            _say_who_is_left_out(meant, chosen)
        events: list[Event] = []
        listener = events.append if arguments.output == "json" else tell
        done: list[str] = []
        failed: list[dict[str, str]] = []
        rollout: dict[str, Any] | None = None
        comparison: tuple[Comparison, ...] = ()
        if not arguments.dry_run and (chosen or remove):
            engine.note_answers(Answers(nodes=choice), repeat=True)
            if names:
                result = await engine.label(names, listener, remove=remove)
                done = list(result.done)
                failed = [{"node": item.name, "reason": item.reason} for item in result.failed]
            if waits:
                waited = await engine.wait([v.node.name for v in chosen], listener, timeout=arguments.wait)
                comparison = compare(forecast_as_it_is(facts, chosen), waited.nodes, waited)
                rollout = {
                    "desired": waited.desired,
                    "ready": waited.ready,
                    "failing": [{"node": item.name, "reason": item.reason} for item in waited.failing],
                    "groups": [row.to_json() for row in comparison],
                }
    word = "unlabel" if remove else "label"
    if arguments.output == "json":
        content: dict[str, Any] = {f"to_{word}": names, "done": done, "failed": failed, "dry_run": arguments.dry_run}
        document(content | ({"rollout": rollout} if rollout else {}))
    elif not names:
        if remove or chosen:
            out(f"Nothing to {word}: {_as_they_are(choice, chosen, remove=remove)}.")
    elif arguments.dry_run:
        for name in names:
            out(f"would {word} {name}")
        out(f"{len(names)} nodes to {word}.")
    if not remove and not chosen:
        raise _nobody(facts, choice, meant)
    if arguments.output == "text":
        print_comparison(comparison)
    if failed:
        return ExitCode.CLUSTER
    return ExitCode.PROBLEMS if rollout and rollout["ready"] < rollout["desired"] else ExitCode.DONE


def _say_who_is_left_out(meant: Sequence[NodeVerdict], chosen: Sequence[NodeVerdict]) -> None:
    """A selector takes the nodes that can serve; who matches it and cannot is named."""
    taken = {verdict.node.name for verdict in chosen}
    for verdict in meant:
        if verdict.node.name not in taken:
            say(f"{verdict.node.name} is left out: {'; '.join(verdict.reasons)}")


def _as_they_are(choice: NodesChoice, chosen: Sequence[NodeVerdict], *, remove: bool) -> str:
    """That the nodes are already as they were asked to be, in words."""
    if not chosen:
        return f"no node matches {choice.selector}" if choice.selector is not None else "this cluster has no nodes"
    if len(chosen) == 1:
        return f"{chosen[0].node.name} {'does not have' if remove else 'has'} the label{'' if remove else ' already'}"
    return f"none of {len(chosen)} nodes has the label" if remove else f"all {len(chosen)} nodes have the label already"


def _nobody(facts: ClusterFacts, choice: NodesChoice, meant: Sequence[NodeVerdict]) -> ProblemsFound:
    """That there is no node to label: where run finds a blocker, this is no success either."""
    if not facts.nodes:
        return ProblemsFound("This cluster has no nodes: nothing was labelled.", "Try again when it has some.")
    total = len(facts.nodes)
    if choice.selector is None:
        return ProblemsFound(
            f"None of the {total} nodes qualifies: nothing was labelled.", "podman-wizard nodes list says why."
        )
    if not meant:
        return ProblemsFound(
            f"None of the {total} nodes matches {choice.selector}: nothing was labelled.",
            "kubectl get nodes --show-labels lists their labels.",
        )
    matching = f"{len(meant)} node{'s match' if len(meant) != 1 else ' matches'} {choice.selector}"
    return ProblemsFound(f"{matching}, and none can serve: nothing was labelled.", "Why not is said above.")
