"""What is left for a person after a plan: the guide's steps in Coder, and its test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wizard.findings.verification import guide_test
from wizard.text.counting import named

ENABLE_STEP = (
    "Coder admin: In Coder, go to Manage > Admin > Templates, set Enable workspace templates to On, and click Save."
)

TEMPLATE_STEP = (
    "Template admin: Coder v2 has no template policy. Run podman-wizard template push NAME: it adds the FUSE device to "
    "the Terraform template of your workspaces. By hand: podman-wizard template merge, then coder templates push."
)

UPLOADING = "Coder admin: In Coder, go to Manage > Admin > Templates, upload "


def upload_step(path: Path) -> str:
    """Returns the step by which a Coder admin uploads the policy."""
    return f"{UPLOADING}{path} under Template policy, and click Save."


def missed_step(names: Sequence[str]) -> str:
    """Returns the step that is left if nodes that were selected by name no longer exist."""
    exist = "it no longer exists" if len(names) == 1 else "they no longer exist"
    return f"Cluster admin: Remove {named(names)} from the selected nodes: {exist}."


def for_coder_v2(left: Sequence[str]) -> tuple[str, ...]:
    """Returns the steps left by hand for a Coder v2, in which the Terraform template replaces the policy."""
    of_v1 = (ENABLE_STEP, _test_by_hand()["image"])
    return (TEMPLATE_STEP, *(step for step in left if step not in of_v1 and not step.startswith(UPLOADING)))


def left_to_do(policy: Path | None, *, v2: bool = False, pushed: bool = False) -> tuple[str, ...]:
    """Returns the steps left by hand, in order: the guide's steps in Coder, and its test.

    ``pushed``: the template of a Coder v2 is pushed by the plan, and so is not left.
    """
    return tuple(text for _, text in steps_left(policy, v2=v2, pushed=pushed))


def after_rollout(left: Sequence[str]) -> tuple[str, ...]:
    """Returns the steps left by hand once the wizard saw every selected node advertise FUSE."""
    seen = _test_by_hand()["fuse"]
    return tuple(step for step in left if step != seen)


def _test_by_hand() -> dict[str, str]:
    return {step.id: f"{step.who}: {step.text} {step.command}".strip() for step in guide_test()}


def steps_left(
    policy: Path | None, *, v2: bool = False, pushed: bool = False, offers: bool = False
) -> tuple[tuple[str, str], ...]:
    """Returns the same with the ids by which they are marked done; ``policy`` is the file, if one was written.

    ``v2`` is for a Coder v2, in which the Terraform template replaces the policy; it is ``pushed`` already, or not.
    ``offers``: every selected node was seen to advertise FUSE, so that is not left to check.
    """
    steps = [("coder-template", TEMPLATE_STEP)] if v2 else [("coder-enable-templates", ENABLE_STEP)]
    if v2 and pushed:
        steps = []
    if policy is not None and not v2:
        steps.append(("coder-upload-policy", upload_step(policy)))
    # A template of Coder v2 names its image itself: only v1 imports it.
    needless = [id for id, is_done in (("fuse", offers), ("image", v2)) if is_done]
    steps += [(id, text) for id, text in _test_by_hand().items() if id not in needless]
    return tuple(steps)
