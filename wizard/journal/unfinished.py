"""The choices of a session that lost its connection, kept until the next session on the same cluster.

One file next to the cluster's journals, readable only by its owner. A session that is quit leaves none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wizard.errors import InputError
from wizard.files import why, write_file
from wizard.journal.state import private_folder, state_folder
from wizard.steps import STEP_TITLES, StepId
from wizard.text.counting import counted

NAME = "unfinished.json"
CHOICES_SHOWN = 12
"""How many lines of a session's choices are shown at most."""


@dataclass(frozen=True)
class PolicyEdits:
    """A policy that was being edited. ``path`` is None, and ``original`` empty, if it was in no file yet."""

    path: Path | None
    original: bytes
    """The file's content when it was read."""
    content: bytes
    draft: bytes | None = None
    """A text from the editor that is not a valid policy yet."""


@dataclass(frozen=True)
class Unfinished:
    """The state of a session: the time, the step, its choices as an answers file, and its policy."""

    time: str
    step: StepId
    answers: str
    policy: PolicyEdits | None = None


def folder_without_cluster() -> Path:
    """Returns the folder for a session that had no cluster."""
    return state_folder() / "no-cluster"


def keep(folder: Path, unfinished: Unfinished) -> None:
    """Saves the session, in place of an earlier one. Raises InputError if it cannot be written."""
    content: dict[str, Any] = {"time": unfinished.time, "step": unfinished.step, "answers": unfinished.answers}
    policy = unfinished.policy
    if policy is not None:
        draft = None if policy.draft is None else _text(policy.draft)
        texts = {"original": _text(policy.original), "content": _text(policy.content), "draft": draft}
        content["policy"] = {"path": str(policy.path) if policy.path else None, **texts}
    private_folder(folder)
    write_file(folder / NAME, json.dumps(content).encode() + b"\n", backup=False, mode=0o600)


def find(folder: Path) -> Unfinished | None:
    """Returns the saved session; None if there is none or it is not valid. Raises InputError if it cannot be read."""
    try:
        found = json.loads((folder / NAME).read_bytes())
        if found["step"] not in STEP_TITLES:
            return None
        policy = found.get("policy")
        edits = _edits(policy) if policy is not None else None
        return Unfinished(str(found["time"]), cast(StepId, found["step"]), str(found["answers"]), edits)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return None
    except OSError as error:
        raise InputError(
            f"{folder / NAME} cannot be read: {why(error)}.", "Fix its permissions, or remove it."
        ) from None


def told(left: Unfinished) -> list[str]:
    """Describes a session that lost its connection, in lines."""
    lines = [f"A session lost its connection at {left.time}, in the step {STEP_TITLES[left.step]}."]
    chosen = left.answers.splitlines() if left.answers.strip() != "{}" else []
    if chosen:
        more = len(chosen) - CHOICES_SHOWN
        lines += ["Its choices that were not carried out yet are kept:", ""]
        lines += [f"  {line}" for line in chosen[:CHOICES_SHOWN]]
        lines += [f"  and {counted(more, 'more line')}"] if more > 0 else []
    if left.policy is not None:
        lines.append("")
        lines.append(f"Unsaved changes to {left.policy.path or 'a new policy'} are kept too.")
    return lines


def forget(folder: Path) -> None:
    """Discards the saved session, if there is one."""
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
