import errno
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from wizard.errors import ConflictError, InputError
from wizard.files import read_snapshot, read_target, write_file


def test_a_file_is_replaced_with_a_backup_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    path.chmod(0o640)
    backup = write_file(path, b"new\n", read=read_snapshot(path))
    assert path.read_bytes() == b"new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert backup is not None
    assert backup.read_bytes() == b"old\n"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert {item.name for item in tmp_path.iterdir()} == {"policy.yaml", backup.name}


def test_a_file_that_changed_since_it_was_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    snapshot = read_snapshot(path)
    path.write_bytes(b"somebody else's\n")
    with pytest.raises(ConflictError, match="changed after it was read"):
        write_file(path, b"new\n", read=snapshot)
    assert path.read_bytes() == b"somebody else's\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appeared_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    snapshot = read_snapshot(path, missing_ok=True)
    path.write_bytes(b"somebody else's\n")
    with pytest.raises(ConflictError):
        write_file(path, b"new\n", read=snapshot)
    assert path.read_bytes() == b"somebody else's\n"


def test_writing_the_same_again_makes_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"same\n")
    before = path.stat().st_ino
    assert write_file(path, b"same\n") is None
    assert path.stat().st_ino == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    target.write_bytes(b"old\n")
    link.symlink_to(target)
    write_file(link, b"new\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"new\n"


def test_two_backups_within_a_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"1")
    saved = [write_file(path, b"2"), write_file(path, b"3")]
    assert [item.read_bytes() for item in saved if item] == [b"1", b"2"]


@pytest.mark.parametrize("name", ["missing.yaml", "folder"])
def test_what_cannot_be_read_is_an_error_for_people(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as refused:
        read_snapshot(tmp_path / name)
    assert name in refused.value.what
    assert refused.value.todo


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"x" * 11)
    assert read_snapshot(path, limit=11).content == b"x" * 11
    with pytest.raises(InputError, match="larger than 10 bytes"):
        read_snapshot(path, limit=10)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    path.chmod(0o444)
    with pytest.raises(InputError, match="cannot be written"):
        write_file(path, b"new\n")
    assert path.read_bytes() == b"old\n"


def test_a_folder_that_is_not_there_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_file(tmp_path / "no" / "policy.yaml", b"new\n")


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))


# No device: where this fails, and root runs it, the machine would lose that device.
@pytest.mark.parametrize("make", [os.mkfifo, _make_socket], ids=["pipe", "socket"])
def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "policy.yaml"
    make(path)
    kind = path.stat().st_mode
    # A snapshot first, as callers do: it must not wait for a pipe's other end either.
    for attempt in (lambda: read_target(path), lambda: write_file(path, b"new\n")):
        with pytest.raises(InputError, match="a device, a pipe, or a socket"):
            attempt()
    assert path.stat().st_mode == kind
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_shell_hands_over_as_a_pipe_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"version: 1\n")
    os.close(writing)
    try:
        assert read_snapshot(Path(f"/dev/fd/{reading}")).content == b"version: 1\n"
    finally:
        os.close(reading)


def _set_attributes(path: Path) -> dict[str, bytes]:
    """Lets one more user write, and the owning group nothing; the mode then shows rw for the group all the same."""
    entries = [(1, 6, -1), (2, 6, 1000), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
    packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
    attributes = {"system.posix_acl_access": struct.pack("<I", 2) + packed, "user.origin": b"git"}
    try:
        for name, value in attributes.items():
            os.setxattr(path, name, value)
    except OSError:
        pytest.skip("the file system has no access control lists")
    return attributes


def _attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("security.")}


def test_the_access_control_list_and_other_attributes_go_along(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    attributes = _set_attributes(path)
    backup = write_file(path, b"new\n")
    assert backup is not None
    assert _attributes(path) == _attributes(backup) == attributes
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_no_access_control_list_comes_from_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    path.chmod(0o640)
    probe = tmp_path / "probe"
    probe.touch()
    os.setxattr(tmp_path, "system.posix_acl_default", _set_attributes(probe)["system.posix_acl_access"])
    write_file(path, b"new\n", backup=False)
    assert _attributes(path) == {}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_full_disk_leaves_the_old_file_and_no_backup_of_what_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    sync = os.fsync

    def full(handle: int) -> None:
        if os.fstat(handle).st_size == len(b"a longer one\n"):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left on device") as refused:
        write_file(path, b"a longer one\n")
    assert "Free some space" in refused.value.todo
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_may_not_be_read_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    opened = os.open

    def denied(place: str | Path, flags: int, *arguments: int, **keywords: int) -> int:
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(place, flags, *arguments, **keywords)

    monkeypatch.setattr(os, "open", denied)
    backup = write_file(path, b"new\n")
    assert path.read_bytes() == b"new\n"
    assert backup is not None
    assert backup.read_bytes() == b"old\n"


def test_the_owner_that_a_new_file_cannot_get_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old\n")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    def denied(handle: int, user: int, group: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", denied)
    with pytest.raises(InputError, match=f"belongs to {owner}:"):
        write_file(path, b"new\n")
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]
