"""Which parts a template needs on a cluster, from the findings about its nodes and from its namespace."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.choices.target import Target, target_of
from wizard.commands.running import connected, run_async
from wizard.engine.looking import level_of
from wizard.errors import ExitCode, UsageError
from wizard.names import ENFORCE_LABEL
from wizard.plan.template import Needs, needs_of

if TYPE_CHECKING:
    from wizard.facts.cluster import ClusterFacts


def has_cluster(arguments: argparse.Namespace) -> bool:
    """Tells whether a cluster or saved facts were given; nothing is read otherwise."""
    given = target_of(arguments) != Target()
    if given and arguments.facts:
        raise UsageError("--facts cannot be combined with a cluster.", "The saved facts already name their cluster.")
    return given or bool(arguments.facts)


def read_needs(arguments: argparse.Namespace, namespace: str | None) -> Needs:
    """Returns what the nodes need of a template whose pods are in a namespace (None: it is not known).

    Raises ClusterError if the cluster cannot be reached, InputError if the facts cannot be read.
    """
    if arguments.facts:
        from wizard.engine.collect import load_facts

        facts = load_facts(Path(arguments.facts))
        return needs_of(facts, namespace, _level_in(facts, namespace))
    found: list[Needs] = []

    async def look() -> int:
        async with connected(target_of(arguments)) as engine:
            facts = await engine.read_facts()
            found.append(needs_of(facts, namespace, await level_of(engine, namespace)))
        return ExitCode.DONE

    run_async(look())
    return found[0]


def _level_in(facts: ClusterFacts, namespace: str | None) -> str | None:
    known = facts.objects.get("Namespace")
    if known is None or known["metadata"]["name"] != namespace:
        return None
    return str(known["metadata"].get("labels", {}).get(ENFORCE_LABEL, ""))
