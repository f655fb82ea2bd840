"""The archive of a version's files: read, unpacked, and with one file replaced, all other bytes as they were."""

from __future__ import annotations

import copy
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from wizard.coder.refusals import CoderError
from wizard.coder.words import one_line
from wizard.errors import ConflictError, InputError
from wizard.files import why, write_file
from wizard.text.counting import counted

MOST_MEMBERS = 20_000
CLI_LIMIT = 1024 * 1024
"""Bytes; Coder's own command line pushes no larger archive, but Coder takes it."""


@dataclass(frozen=True)
class Archive:
    """A tar as it was downloaded. ``files`` are the contents by path, ``skipped`` what is neither file nor folder."""

    content: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    members: Mapping[str, tarfile.TarInfo] = field(repr=False)
    skipped: tuple[str, ...] = ()

    @classmethod
    def read(cls, content: bytes) -> Archive:
        """Reads an archive that Coder sent. Raises CoderError if it is not a tar, or has unsafe paths."""
        files: dict[str, bytes] = {}
        members: dict[str, tarfile.TarInfo] = {}
        skipped: list[str] = []
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
                for number, member in enumerate(tar):
                    if number >= MOST_MEMBERS:
                        raise _unusable(f"it has more than {counted(MOST_MEMBERS, 'file')}")
                    if member.isdir():
                        continue
                    path = _path(member.name)
                    stream = tar.extractfile(member) if member.isreg() else None
                    if stream is None:
                        skipped.append(path)
                        continue
                    files[path] = stream.read()
                    members[path] = member
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise _unusable(one_line(error)) from None
        return cls(content, files, members, tuple(skipped))

    def replaced(self, path: str, content: bytes) -> bytes:
        """Returns the archive with another content of one file; every other byte is the same."""
        old = self.members[path]
        new = copy.copy(old)
        new.size = len(content)
        new.pax_headers = {}
        try:
            header = new.tobuf(tarfile.USTAR_FORMAT)
        except ValueError:  # a long name
            header = new.tobuf(tarfile.GNU_FORMAT)
        end = old.offset_data + _padded(old.size)
        body = content + bytes(_padded(len(content)) - len(content))
        return self.content[: old.offset] + header + body + self.content[end:]


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _path(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise _unusable(f"it has the path {one_line(name)}, which is outside of it")
    return str(path)


def _unusable(reason: str) -> CoderError:
    return CoderError(
        f"The archive of the active version cannot be used: {reason}.",
        "Nothing was changed. Push the template from its folder: coder templates push NAME -d DIR --activate=false.",
    )


def require_empty(folder: Path) -> None:
    """Raises ConflictError if files would be mixed with others, InputError if it is not a folder."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConflictError(
                f"{folder} is not empty. Nothing was written.", "Use another folder, or one that does not exist yet."
            )
    except OSError as error:
        raise InputError(f"{folder} cannot be used: {why(error)}.", "Use another folder.", file=folder) from None


def unpack(archive: Archive, folder: Path) -> tuple[Path, ...]:
    """Writes the files into a new or empty folder; returns their paths. Raises ConflictError or InputError.

    The folder gets its name only at the end, so that an interruption leaves no half of a template in it.
    """
    import shutil
    import tempfile

    require_empty(folder)
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise InputError(f"{folder} cannot be created: {why(error)}.", "Use another folder.", file=folder) from None
    try:
        for name, content in archive.files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content, backup=False, mode=0o755 if archive.members[name].mode & 0o100 else 0o644)
        made.chmod(0o755)
        made.replace(target)  # also replaces an empty folder
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise InputError(f"{folder} cannot be written: {why(error)}.", "Use another folder.", file=folder) from None
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return tuple(folder / name for name in archive.files)
