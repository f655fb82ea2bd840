"""Files read with their identity, and replaced atomically, with a backup, only if still the same.

A reader gets a ``Snapshot``. A writer passes the snapshot back: if the file no longer matches it,
nothing is written and a ``ConflictError`` is raised. The new content is written to a temporary file in
the same folder and synced, gets the old file's mode and owner, and replaces the old file by one rename;
a crash at any point leaves the old file or the new one. The access control list and the extended
attributes are kept.
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
_FIX = "Choose another file, or fix its permissions."


@dataclass(frozen=True)
class Snapshot:
    """The content of a file when it was read; ``content`` is None if there was no file."""

    path: Path
    content: bytes | None


def why(error: OSError) -> str:
    """Returns the system's reason, for the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def read_snapshot(path: Path, *, missing_ok: bool = False, limit: int | None = None) -> Snapshot:
    """Reads a whole file. ``limit`` is the largest size that is accepted, in bytes.

    A pipe is read to its end, because shells pass one for ``<(…)``.

    Raises InputError if it cannot be read, is a folder, or is larger than the limit.
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
            f"{path} cannot be read: {why(error)}.", "Check the path and its permissions.", file=path
        ) from None
    if limit is not None and len(content) > limit:
        raise InputError(f"{path} is larger than {limit:,} bytes.", "Check that this is the right file.", file=path)
    return Snapshot(path, content)


def read_target(path: Path) -> Snapshot:
    """Reads a file that will be written, if it exists. A device, a pipe, or a socket is not even opened.

    A file renamed over ``/dev/null`` replaces it for every program, and a pipe without a writer blocks.
    Raises InputError as ``read_snapshot`` does.
    """
    with contextlib.suppress(OSError):  # the read below reports the error
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise InputError(
                f"{path} is a device, a pipe, or a socket, not a file.", "Enter the path of a file.", file=path
            )
    return read_snapshot(path, missing_ok=True)


def write_file(
    path: Path, content: bytes, *, read: Snapshot | None = None, backup: bool = True, mode: int = 0o644
) -> Path | None:
    """Replaces ``path`` with ``content`` atomically; returns the path of the backup, if one was made.

    ``read`` is the snapshot that the content was made from: if the file has changed since, nothing is
    written. ``mode`` is for a new file; an existing file keeps its mode and its owner. A symbolic link
    stays, and its target is replaced.

    Raises ConflictError if the file changed since it was read, InputError if it cannot be written.
    """
    target = Path(os.path.realpath(path))
    current = read_target(target)
    if read is not None and current.content != read.content:
        raise ConflictError(
            f"{path} changed after it was read, so it was not overwritten.",
            "Read it again, review the differences, and repeat the step.",
        )
    if current.content == content:
        return None
    saved = None
    try:
        if current.content is not None:
            os.close(os.open(target, os.O_WRONLY))  # a file without write permission is not replaced either
            saved = _write_backup(target, current.content) if backup else None
        _replace(target, content, like=target if current.content is not None else None, mode=mode)
    except OSError as error:
        if saved is not None:
            with contextlib.suppress(OSError):
                saved.unlink()
        todo = "Free some space there, or choose another file." if error.errno in _FULL else _FIX
        raise InputError(f"{path} cannot be written: {why(error)}.", todo, file=path) from None
    return saved


def remove_file(path: Path, *, read: Snapshot | None = None) -> None:
    """Removes a file if it still matches ``read``.

    Raises ConflictError if it changed since it was read, InputError if it cannot be removed.
    """
    if read is not None and read_snapshot(path, missing_ok=True).content != read.content:
        raise ConflictError(
            f"{path} changed after it was read, so it was not removed.", "Review it, and repeat the step."
        )
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path} cannot be removed: {why(error)}.", "Fix the permissions of its folder.", file=path
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
    import tempfile  # imported here, because it loads half of the standard library and reading needs none of it

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
            error.errno, f"it belongs to {owner}, and you cannot create a file with that owner"
        ) from None


def _copy_attributes(source: Path, handle: int) -> None:
    """Copies the access control list and the other extended attributes of an old file to a new one.

    The list belongs to the mode: without it, the mode's bits for the list's mask would be the group's permissions.
    Raises OSError if a list cannot be set; other attributes that cannot be set are skipped.
    """
    if not hasattr(os, "listxattr"):  # only Linux has them
        return
    try:
        names = os.listxattr(source)
    except OSError:  # a file system without any
        return
    if _ACCESS_LIST not in names:  # the folder's default list does not apply either
        with contextlib.suppress(OSError):
            os.removexattr(handle, _ACCESS_LIST)
    for name in names:
        try:
            os.setxattr(handle, name, os.getxattr(source, name))
        except OSError as error:
            if name == _ACCESS_LIST:
                raise OSError(error.errno, "its access control list cannot be kept") from None


def _sync_folder(folder: Path) -> None:
    # some network file systems cannot sync a folder, and a folder can be writable but not readable
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
