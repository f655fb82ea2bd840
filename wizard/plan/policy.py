"""The template policy's part of the plan: the file that would be written, merged and checked beforehand."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from wizard.choices.answers import PolicyChoice
from wizard.errors import ConflictError, InputError
from wizard.facts.differences import file_diff
from wizard.files import read_snapshot, read_target
from wizard.plan.actions import WritePolicy
from wizard.policy import LARGEST, PolicyDocument, merge_podman, new_policy, outcome_in_words
from wizard.policy.merge import Conflict

DEFAULT_POLICY = "policy.yaml"


def plan_policy(choice: PolicyChoice) -> WritePolicy:
    """Returns the merged policy as an action: it is read, merged, and checked now, and written later.

    Without a file it starts from the guide's short policy. Raises InputError if the file cannot be read or edited
    safely, and ConflictError if it has a conflict that ``on-conflict`` does not decide.
    """
    source = Path(choice.file).expanduser() if choice.file else None
    output = Path(choice.output).expanduser() if choice.output else _merged_path(source)
    snapshot = read_snapshot(source, limit=LARGEST) if source else None
    content = (snapshot.content or b"") if snapshot else new_policy("podman")
    name = str(source) if source else "the guide's policy"
    merged = merge_podman(
        PolicyDocument.parse(content, name), mode=choice.mode, devices=choice.devices, on_conflict=choice.on_conflict
    )
    if merged.undecided:
        raise ConflictError(
            f"{name} has values that differ from what Podman needs: {_counts(merged.conflicts)}.",
            "In the answers file, set on-conflict to keep or replace under policy.",
        )
    in_place = snapshot is not None and output.absolute() == snapshot.path.absolute()
    held = snapshot if snapshot is not None and in_place else read_target(output)
    return WritePolicy(
        title=f"Write {output}",
        why=f"{outcome_in_words(merged.document)}{_kept(merged.conflicts)}",
        by_hand=(_by_hand(source, output, choice),),
        undo="The previous content is restored; a new file is deleted.",
        path=output,
        content=merged.document.content,
        diff=merged.diff(width=80) if source else file_diff(output, held.content, merged.document.content),
        read=held,
    )


def _counts(conflicts: Iterable[Conflict]) -> str:
    return ", ".join(f"line {one.line} has {one.shown}, not {one.wanted}" for one in conflicts)


def _kept(conflicts: Sequence[Conflict]) -> str:
    kept = [one for one in conflicts if one.kept]
    return f" Existing values are kept: {_counts(kept)}." if kept else ""


def _by_hand(source: Path | None, output: Path, choice: PolicyChoice) -> str:
    start = f"policy merge {shlex.quote(str(source))}" if source else "policy new | podman-wizard policy merge -"
    options = [f"--to {shlex.quote(str(output))}"]
    default = PolicyChoice()
    options += [f"--mode {choice.mode}"] if choice.mode else []
    options += [f"--devices {choice.devices}"] if choice.devices != default.devices else []
    options += [f"--on-conflict {choice.on_conflict}"] if choice.on_conflict else []
    return f"podman-wizard {start} {' '.join(options)}"


def require_writable(path: Path) -> None:
    """Raises InputError if the file cannot be written, so that a run does not fail at its last step."""
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        why = "permission denied"
    elif not target.parent.is_dir():
        why = f"the folder {target.parent} does not exist"
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        why = f"permission denied in {target.parent}"
    else:
        return
    raise InputError(f"{path} cannot be written: {why}.", "Choose another file, or fix its permissions.", file=path)


def _merged_path(source: Path | None) -> Path:
    return Path(DEFAULT_POLICY) if source is None else source.with_name(f"{source.stem}.merged{source.suffix}")
