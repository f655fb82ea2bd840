"""What was done, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.plan.actions import WritePolicy, WriteTemplate
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.engine.executor import RunOutcome


def done_words(outcome: RunOutcome) -> list[str]:
    """Returns what was done, step by step: ``4 objects applied``, ``8 nodes labeled``, ``FUSE on 8 of 8 nodes``."""
    words = []
    if outcome.applied:
        words.append(f"{counted(len(outcome.applied), 'object')} applied")
    if outcome.labelled is not None and outcome.labelled.done:
        verb = "unlabeled" if outcome.unlabels else "labeled"
        words.append(f"{counted(len(outcome.labelled.done), 'node')} {verb}")
    if outcome.rollout is not None:
        words.append(f"FUSE on {outcome.rollout.ready} of {counted(outcome.rollout.desired, 'node')}")
    if outcome.policy is not None and any(one.action.changed for one in outcome.of(WritePolicy)):
        words.append(f"{outcome.policy} written")
    if outcome.template is not None and any(one.action.changed for one in outcome.of(WriteTemplate)):
        words.append(f"{outcome.template} written")
    if outcome.pushed is not None:
        how = "made active" if outcome.pushed.promoted else "created, and not active,"
        words.append(f"version {outcome.pushed.version.name} of the template {how} in Coder")
    if outcome.proofs:
        works = sum(bool(proof.ok) for proof in outcome.proofs)
        words.append(f"Podman works on {works} of {counted(len(outcome.proofs), 'node type')}")
    return words
