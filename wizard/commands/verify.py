"""``verify``: Podman in a pod on each kind of node."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from wizard.answers import VerifyChoice
from wizard.commands.nodes import require_nodes
from wizard.commands.printing import document, out, tell
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode
from wizard.target import target_of

if TYPE_CHECKING:
    from wizard.prove import Proof


def verify(arguments: argparse.Namespace) -> int:
    """``verify``: Podman in a pod on each kind of node."""
    return run_async(_verify(arguments))


async def _verify(arguments: argparse.Namespace) -> int:
    from wizard.prove import verify_nodes
    from wizard.verification import check_image, check_namespace

    choice = VerifyChoice(run=True)
    if arguments.image is not None:
        check_image(arguments.image)
        choice = replace(choice, image=arguments.image)
    if arguments.namespace is not None:
        check_namespace(arguments.namespace)
        choice = replace(choice, namespace=arguments.namespace)
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_facts()
        require_nodes(facts)
        listener = (lambda event: None) if arguments.output == "json" else tell
        proofs = await verify_nodes(engine, facts, choice, listener, dry_run=arguments.dry_run)
    if arguments.output == "json":
        document({"proofs": [proof.to_json() for proof in proofs], "dry_run": arguments.dry_run})
    else:
        print_proofs(proofs)
        if not proofs:
            out("No node advertises smarter-devices/fuse yet: nothing to verify.")
    bad = not proofs or any(proof.ok is False for proof in proofs)
    return ExitCode.PROBLEMS if bad and not arguments.dry_run else ExitCode.DONE


def print_proofs(proofs: Iterable[Proof]) -> None:
    """What Podman said where it did not run, and what to do; where it ran, an event has told it."""
    for proof in proofs:
        if proof.ok:
            continue
        out(f"{proof.word:8} {proof.title}, on {proof.node}: {proof.text}")
        for line in proof.excerpt:
            out(f"         {line}")
        for remedy in proof.remedies:
            out(f"         Do  {remedy.text}")
            for line in remedy.command.splitlines():
                out(f"             {line}")
