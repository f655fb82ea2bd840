"""Which cluster is meant: what the options say, else the answers file, else what kubectl would choose."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wizard.answers import Answers


@dataclass(frozen=True)
class Target:
    """A cluster as kubectl finds it (None: as kubectl would choose), or the sandbox with a scenario."""

    kubeconfig: str | None = None
    context: str | None = None
    sandbox: str | None = None


def target_of(arguments: argparse.Namespace, answers: Answers | None = None) -> Target:
    """The cluster that the options mean, else the one of the answers file."""
    return Target(
        kubeconfig=getattr(arguments, "kubeconfig", None) or (answers.cluster.kubeconfig if answers else None),
        context=getattr(arguments, "context", None) or (answers.cluster.context if answers else None),
        sandbox=getattr(arguments, "sandbox", None),
    )
