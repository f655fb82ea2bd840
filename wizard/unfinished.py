"""What a session had chosen and not done yet when its line dropped, kept until the next one on the same cluster.

One file beside the cluster's journals, readable by its owner alone. A session that ends on purpose leaves none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wizard.errors import InputError
from wizard.files import write_file
from wizard.state import private_folder, state_folder, why
from wizard.steps import STEPS, StepId

NAME = "unfinished.json"
CHOICES_SHOWN = 12
"""How many lines of a session's choices are shown."""


@dataclass(frozen=True)
class PolicyEdits:
    """A policy as it was being edited. ``path`` is None, and ``original`` empty, where no file held it yet."""

    path: Path | None
    original: bytes
    """What the file held when it was read."""
    content: bytes
    draft: bytes | None = None
    """A text from the editor that is no policy yet."""


@dataclass(frozen=True)
class Unfinished:
    """Where a session stood: when that was, at which step, its choices as an answers file, its policy."""

    time: str
    step: StepId
    answers: str
    policy: PolicyEdits | None = None


def folder_without_cluster() -> Path:
    """Where it is kept of a session that had no cluster."""
    return state_folder() / "no-cluster"


def keep(folder: Path, unfinished: Unfinished) -> None:
    """Keeps it, in place of what was kept before. Raises InputError where it cannot be written."""
    content: dict[str, Any] = {"time": unfinished.time, "step": unfinished.step, "answers": unfinished.answers}
    policy = unfinished.policy
    if policy is not None:
        draft = None if policy.draft is None else _text(policy.draft)
        texts = {"original": _text(policy.original), "content": _text(policy.content), "draft": draft}
        content["policy"] = {"path": str(policy.path) if policy.path else None, **texts}
    private_folder(folder)
    write_file(folder / NAME, json.dumps(content).encode() + b"\n", backup=False, mode=0o600)


def find(folder: Path) -> Unfinished | None:
    """What was kept; None where nothing was, or it is no such file. Raises InputError where it may not be read."""
    try:
        found = json.loads((folder / NAME).read_bytes())
        if found["step"] not in dict(STEPS):
            return None
        policy = found.get("policy")
        edits = _edits(policy) if policy is not None else None
        return Unfinished(str(found["time"]), cast(StepId, found["step"]), str(found["answers"]), edits)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None
    except OSError as error:
        raise InputError(f"{folder / NAME} cannot be read: {why(error)}.", "Mend its rights, or remove it.") from None


def told(left: Unfinished) -> list[str]:
    """What a session left behind whose line dropped, in lines."""
    lines = [f"While you were away: the line of a session dropped on {left.time}, at {dict(STEPS)[left.step]}."]
    chosen = left.answers.splitlines() if left.answers.strip() != "{}" else []
    if chosen:
        more = len(chosen) - CHOICES_SHOWN
        lines += ["What it had chosen and not done yet is kept here:", ""]
        lines += [f"  {line}" for line in chosen[:CHOICES_SHOWN]] + ([f"  and {more} lines more"] if more > 0 else [])
    if left.policy is not None:
        lines.append("")
        lines.append(f"Changes to {left.policy.path or 'a new policy'} that were not saved are kept too.")
    return lines


def forget(folder: Path) -> None:
    """Lets go of what was kept; nothing happens where nothing was."""
    with contextlib.suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)


def _edits(policy: Mapping[str, Any]) -> PolicyEdits:
    path, draft = policy["path"], policy["draft"]
    return PolicyEdits(
        Path(path) if path else None,
        _bytes(policy["original"]),
        _bytes(policy["content"]),
        None if draft is None else _bytes(draft),
    )


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
