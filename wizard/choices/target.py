"""Which cluster to use: from the options, else from the answers file, else the one that kubectl would use."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wizard.choices.answers import Answers


@dataclass(frozen=True)
class Target:
    """A cluster as kubectl finds it (None: as kubectl would choose), or the sandbox with a scenario."""

    kubeconfig: str | None = None
    context: str | None = None
    sandbox: str | None = None


def target_of(arguments: argparse.Namespace, answers: Answers | None = None) -> Target:
    """Returns the cluster of the options, else the one of the answers file."""
    return Target(
        kubeconfig=getattr(arguments, "kubeconfig", None) or (answers.cluster.kubeconfig if answers else None),
        context=getattr(arguments, "context", None) or (answers.cluster.context if answers else None),
        sandbox=getattr(arguments, "sandbox", None),
    )
