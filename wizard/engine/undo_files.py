"""The steps of an undo that are about files: the template policy."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from wizard.facts.changes import Change
from wizard.facts.differences import file_diff
from wizard.files import read_snapshot
from wizard.journal import journal as journals
from wizard.plan.undo import AS_BEFORE, UndoStep, What

SIDES = ("now", "undone")
"""The names of the two sides of a diff."""


def file_step(latest_first: Sequence[journals.Change]) -> UndoStep:
    """Returns the step that restores or deletes a file; one that someone changed since is left."""
    first = latest_first[-1]
    path = Path(first.before["path"])
    title = str(path)
    now = read_snapshot(path, missing_ok=True)
    digest = None if now.content is None else journals.digest(now.content)
    was = first.before.get("digest") if first.before["existed"] else None
    # Old journals have no digest of the earlier content.
    if digest == was and (digest is not None or not first.before["existed"]):
        return UndoStep(title, What.NOTHING, left=AS_BEFORE)
    if digest is None:
        return UndoStep(title, What.NOTHING, left="the file no longer exists")
    if digest not in journals.left_by(latest_first, "digest"):
        return UndoStep(title, What.NOTHING, left="someone changed the file since")
    if not first.before["existed"]:
        changes = (Change(None, "", after=file_diff(path, now.content, b"", SIDES)),)
        return UndoStep(title, What.DELETE_FILE, changes=changes, path=path, read=now)
    name = first.after.get("backup")
    saved = _backup(path, name, was)
    if saved is None:
        return UndoStep(title, What.NOTHING, left=f"its backup {name} no longer exists" if name else AS_BEFORE)
    changes = (Change(None, "", after=file_diff(path, now.content, saved, SIDES)),)
    return UndoStep(title, What.RESTORE_FILE, changes=changes, path=path, content=saved, read=now)


def _backup(path: Path, name: str | None, was: str | None) -> bytes | None:
    """Returns the file's earlier content from its backup, which is searched for if it is not in the journal."""
    target = Path(os.path.realpath(path))
    candidates = [Path(name)] if name else []
    if was is not None:
        candidates += sorted(target.parent.glob(f"{glob.escape(target.name)}.*.bak"), reverse=True)
    for candidate in candidates:
        content = read_snapshot(candidate, missing_ok=True).content
        if content is not None and was in (None, journals.digest(content)):
            return content
    return None
