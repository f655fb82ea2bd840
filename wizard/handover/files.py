"""The files of a plan folder: their names, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wizard.errors import InputError
from wizard.files import why, write_file

README_FILE = "README.md"
CHANGES_FILE = "changes.md"
COMMANDS_FILE = "commands.sh"
UNDO_FILE = "undo.sh"
NODES_FILE = "nodes.txt"
ANSWERS_FILE = "answers.yaml"
MANIFEST_FOLDER = "manifest"
KUSTOMIZATION_FILE = "kustomization.yaml"
TEMPLATE_FOLDER = "template"
POLICY_FILE = "template-policy.yaml"
ROLE_FILE = "missing-permissions.yaml"
OVERLAY_FOLDER = "overlay"
BEFORE_FOLDER = "before"
"""What ``commands.sh`` keeps of the cluster before it changes it."""

MANIFEST_FILES: Mapping[str, str] = {
    "Namespace": "10-namespace",
    "ResourceQuota": "20-resourcequota",
    "ConfigMap": "30-configmap",
    "DaemonSet": "40-daemonset",
}
"""The names of the objects' files, in the order in which they are applied, without their ending."""

_SOMETIMES = (
    COMMANDS_FILE,
    UNDO_FILE,
    NODES_FILE,
    CHANGES_FILE,
    KUSTOMIZATION_FILE,
    POLICY_FILE,
    ROLE_FILE,
    *(f"{MANIFEST_FOLDER}/{name}.yaml" for name in MANIFEST_FILES.values()),
)
"""The files that are absent if they would have no content."""


def write_files(folder: Path, contents: Mapping[str, str]) -> tuple[Path, ...]:
    """Writes files by their names in the folder, and returns their paths. Raises InputError if that is not possible.

    Existing files are backed up beside themselves.
    """
    for name, text in contents.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The folder {path.parent} cannot be created: {why(error)}.", "Choose another folder.", file=path.parent
            ) from None
        write_file(path, text.encode("utf-8"), mode=0o755 if name.endswith(".sh") else 0o644)
    return tuple(folder / name for name in contents)


def require_unused(folder: Path) -> None:
    """Raises InputError if commands.sh was run from this folder: what undoes that run must stay."""
    if (folder / BEFORE_FOLDER).exists():
        raise InputError(
            f"{folder} has the state before an earlier run of {COMMANDS_FILE}, which {UNDO_FILE} needs.",
            "Choose another folder.",
            file=folder,
        )


def set_aside(folder: Path, contents: Mapping[str, str]) -> None:
    """Removes files of an earlier export that this one does not have, with a backup beside each."""
    for name in _SOMETIMES:
        stale = folder / name
        if name not in contents and stale.is_file():
            try:
                _ = write_file(stale, b"", mode=0o644)  # its backup keeps the content
                stale.unlink()
            except OSError as error:
                raise InputError(
                    f"{stale} is from an earlier export and cannot be removed: {why(error)}.",
                    "Choose another folder.",
                    file=stale,
                ) from None
