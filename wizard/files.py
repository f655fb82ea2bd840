"""Files read with their identity, and replaced atomically, with a backup, only if still the same.

A reader gets a ``Snapshot``. A writer hands the snapshot back: where the file is no longer what the
snapshot says, nothing is written and a ``ConflictError`` tells so. The new content goes to a temporary
file beside the target, is synced, gets the old file's mode and owner, and takes its place by one
rename; a crash at any point leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from wizard.errors import ConflictError, InputError


@dataclass(frozen=True)
class Snapshot:
    """What a file held when it was read; ``content`` is None where there was no file."""

    path: Path
    content: bytes | None


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def read_snapshot(path: Path, *, missing_ok: bool = False, limit: int | None = None) -> Snapshot:
    """Reads a file whole. ``limit`` is the most bytes that are read before it is refused.

    A pipe is read to its end, as shells hand them over (``<(…)``).

    Raises InputError where it cannot be read, is a folder, or is larger than the limit.
    """
    try:
        with path.open("rb") as file:
            information = os.fstat(file.fileno())
            if stat.S_ISDIR(information.st_mode):
                raise IsADirectoryError(21, "Is a directory")
            content = file.read() if limit is None else file.read(limit + 1)
    except FileNotFoundError:
        if missing_ok:
            return Snapshot(path, None)
        raise InputError(f"{path} does not exist.", "Check the path.", file=path) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {_why(error)}.", "Check the path and its rights.", file=path
        ) from None
    if limit is not None and len(content) > limit:
        raise InputError(f"{path} is larger than {limit:,} bytes.", "Is it the file that you meant?", file=path)
    return Snapshot(path, content)


def read_target(path: Path) -> Snapshot:
    """What a file holds that is to be written, if it is there. A device, a pipe or a socket is not even opened.

    What is renamed over ``/dev/null`` takes its place for every program, and a pipe without a writer blocks.
    Raises InputError as ``read_snapshot`` does.
    """
    with contextlib.suppress(OSError):  # reading it says why
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise InputError(
                f"{path} is a device, a pipe or a socket, not a file.", "Give the path of a file.", file=path
            )
    return read_snapshot(path, missing_ok=True)


def write_file(
    path: Path, content: bytes, *, read: Snapshot | None = None, backup: bool = True, mode: int = 0o644
) -> Path | None:
    """Replaces ``path`` by ``content`` atomically; gives the path of the backup, if one was made.

    ``read`` is the snapshot that the content was made from: where the file has changed since, nothing is
    written. ``mode`` is for a file that is new; one that is there keeps its mode and its owner. A symbolic
    link stays, and what it points at is replaced.

    Raises ConflictError where the file changed since it was read, InputError where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    current = read_target(target)
    if read is not None and current.content != read.content:
        raise ConflictError(
            f"{path} has changed since it was read; it was not overwritten.",
            "Read it again, look at the difference, and repeat the step.",
        )
    if current.content == content:
        return None
    try:
        if current.content is not None and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        saved = _write_backup(target, current.content) if backup and current.content is not None else None
        _replace(target, content, like=target if current.content is not None else None, mode=mode)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {_why(error)}.", "Choose another file, or mend its rights.", file=path
        ) from None
    return saved


def remove_file(path: Path, *, read: Snapshot | None = None) -> None:
    """Removes a file, if it still is what ``read`` says.

    Raises ConflictError where it changed since it was read, InputError where it cannot be removed.
    """
    if read is not None and read_snapshot(path, missing_ok=True).content != read.content:
        raise ConflictError(f"{path} has changed since it was read; it was not removed.", "Look at it, and repeat it.")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path} cannot be removed: {_why(error)}.", "Mend the rights of its folder.", file=path
        ) from None


def _write_backup(target: Path, content: bytes) -> Path:
    moment = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        candidate = target.with_name(f"{target.name}.{moment}{f'-{number}' if number else ''}.bak")
        if not candidate.exists():
            _replace(candidate, content, like=target, mode=0o600)
            return candidate
    raise FileExistsError(17, "no free name for a backup")


def _replace(target: Path, content: bytes, *, like: Path | None, mode: int) -> None:
    import tempfile  # here, because it brings half of the standard library and reading needs none of it

    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if like is None:
                umask = os.umask(0)
                os.umask(umask)
                os.fchmod(file.fileno(), mode & ~umask)
            else:
                information = like.stat()
                if (information.st_uid, information.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), information.st_uid, information.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(information.st_mode))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)
