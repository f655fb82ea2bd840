"""Results of test pods, and what an undo does, as lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wizard.printing.lines import out, print_command

if TYPE_CHECKING:
    from wizard.engine.podman_check import Proof
    from wizard.plan.undo import UndoPlan


def print_proofs(proofs: Iterable[Proof]) -> None:
    """Prints each test result with its checks, what follows from it, and the output and the fixes of what failed."""
    for proof in proofs:
        if proof.ok is None:
            continue
        out(f"{proof.word:8} {proof.title}, on {proof.node}: {proof.text}")
        for line in proof.lines:
            out(f"         {line}")
        for number, line in enumerate(proof.excerpt if proof.checks and proof.id != "ok" else ()):
            out(f"         {'Found' if number == 0 else '':5}  {line}")
        if proof.means:
            out(f"         Means  {proof.means}")
        for remedy in proof.remedies:
            out(f"         To do  {remedy.text} ({remedy.who})")
            print_command(remedy.command, " " * 16)


def print_undo(undoing: UndoPlan, where: str) -> None:
    """Prints what an undo does, step by step, and what it leaves."""
    from wizard.plan.words import undo_lines

    for line in undo_lines(undoing, where):
        out(line)
