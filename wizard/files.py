"""Files read with their identity, and replaced atomically, with a backup, only if still the same.

A reader gets a ``Snapshot``. A writer hands the snapshot back: where the file is no longer what the
snapshot says, nothing is written and a ``ConflictError`` tells so. The new content goes to a temporary
file beside the target, is synced, gets the old file's mode and owner, and takes its place by one
rename; a crash at any point leaves the old file or the new one. Access control list and extended
attributes go along.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from wizard.errors import ConflictError, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ACCESS_LIST = "system.posix_acl_access"
_MEND = "Choose another file, or mend its rights."


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
    saved = None
    try:
        if current.content is not None:
            os.close(os.open(target, os.O_WRONLY))  # what may not be written is not replaced either
            saved = _write_backup(target, current.content) if backup else None
        _replace(target, content, like=target if current.content is not None else None, mode=mode)
    except OSError as error:
        if saved is not None:
            with contextlib.suppress(OSError):
                saved.unlink()
        todo = "Make room there, or choose another file." if error.errno in _FULL else _MEND
        raise InputError(f"{path} cannot be written: {_why(error)}.", todo, file=path) from None
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
                    _give_to(file.fileno(), information)
                _copy_attributes(like, file.fileno())
                os.fchmod(file.fileno(), stat.S_IMODE(information.st_mode))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _give_to(handle: int, information: os.stat_result) -> None:
    try:
        os.fchown(handle, information.st_uid, information.st_gid)
    except PermissionError as error:
        owner = f"{information.st_uid}:{information.st_gid}"
        raise PermissionError(
            error.errno, f"it belongs to others ({owner}), and a new file may not be given to them"
        ) from None


def _copy_attributes(source: Path, handle: int) -> None:
    """Gives a new file the access control list and the other extended attributes of an old one.

    The list goes with the mode: without it, the mode's bits for the list's mask would be the group's rights.
    Raises OSError where a list cannot be set; what else the system keeps to itself is left.
    """
    if not hasattr(os, "listxattr"):  # only Linux has them
        return
    try:
        names = os.listxattr(source)
    except OSError:  # a file system without any
        return
    if _ACCESS_LIST not in names:  # nor is one taken from the folder
        with contextlib.suppress(OSError):
            os.removexattr(handle, _ACCESS_LIST)
    for name in names:
        try:
            os.setxattr(handle, name, os.getxattr(source, name))
        except OSError as error:
            if name == _ACCESS_LIST:
                raise OSError(error.errno, "its access control list cannot be kept") from None


def _sync_folder(folder: Path) -> None:
    # some network file systems cannot sync a folder, and not everybody may read one that they may write to
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
