"""Where no journal can be kept: said before anything is changed, with what to do; looking goes on."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.clusters import ROOT, Cluster, Ended, cluster_of, command
from wizard.journal.journal import runs

FAILING = """
import errno, os

number = getattr(errno, os.environ["FAILS_WITH"])
tries = int(os.environ.get("FAILS_FROM", "0"))
open_, write, mkdir = os.open, os.write, os.mkdir
journals = {}

def failing_open(path, flags, *more, **named):
    ours = isinstance(path, (str, os.PathLike)) and "podman-wizard" in os.fspath(path) and flags & os.O_CREAT
    if ours and number != errno.ENOSPC:
        raise OSError(number, os.strerror(number), path)
    handle = open_(path, flags, *more, **named)
    if ours and "run-" in os.fspath(path):
        journals[handle] = 0
    return handle

def failing_write(handle, data):
    if handle in journals:
        journals[handle] += 1
        if journals[handle] > tries:
            write(handle, data[: len(data) // 2])
            raise OSError(number, os.strerror(number))
    return write(handle, data)

os.open, os.write = failing_open, failing_write
"""


async def on_a_bad_disk(cluster: Cluster, folder: Path, fails_with: str, *arguments: str, fails_from: int = 0) -> Ended:
    """Runs a command where the wizard's folder cannot be written to."""
    (folder / "disk").mkdir(exist_ok=True)
    (folder / "disk" / "sitecustomize.py").write_text(FAILING)
    path = f"{folder / 'disk'}:{ROOT}"
    where = ("--kubeconfig", str(cluster.kubeconfig))
    return await command(*where, *arguments, PYTHONPATH=path, FAILS_WITH=fails_with, FAILS_FROM=str(fails_from))


@pytest.mark.parametrize("fails_with", ["EACCES", "EROFS", "ENOSPC"])
async def test_nothing_is_changed_without_a_journal(tmp_path: Path, fails_with: str) -> None:
    (tmp_path / "answers.yaml").write_text(
        f"security-modules: {{acknowledged: true}}\npolicy: {{output: {tmp_path / 'policy.yaml'}}}\n"
    )
    run = ["run", "--answers", str(tmp_path / "answers.yaml"), "--yes"]
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        for arguments in (["manifest", "apply"], ["nodes", "label", "worker-1"], run):
            ended = await on_a_bad_disk(cluster, tmp_path, fails_with, *arguments)
            assert ended.code == 4, ended.out + ended.error
            assert "Set XDG_STATE_HOME" in ended.error
            words = {"EACCES": "permission denied", "EROFS": "read-only", "ENOSPC": "no space left"}
            assert words[fails_with] in ended.error
        assert await cluster.labelled() == set()
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager") is None
        assert not (tmp_path / "policy.yaml").exists()
        for arguments in (["check", "-o", "json"], ["nodes", "list"], ["manifest", "diff"], ["undo"]):
            ended = await on_a_bad_disk(cluster, tmp_path, fails_with, *arguments)
            assert ended.code == (1 if "diff" in arguments else 0), ended.error


async def test_a_disk_that_fills_up_on_the_way(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        # The journal's head, the beginning of the namespace; its end finds no place any more.
        ended = await on_a_bad_disk(cluster, tmp_path, "ENOSPC", "manifest", "apply", fails_from=2)
        assert ended.code != 0
        assert "Namespace smarter-device-manager: done, but the result could not be recorded" in ended.out + ended.error
        assert "no space left on device" in ended.out + ended.error
        (run,) = runs(await cluster.journals())
        assert not run.damaged, "half a line is taken back"
        assert [change.result for change in run.changes] == [None]
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager")
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.error
        namespace = await cluster.get("/api/v1/namespaces/smarter-device-manager")
        assert namespace is None or namespace["metadata"]["deletionTimestamp"]


async def test_a_journal_that_may_not_be_read_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wizard.errors import InputError
    from wizard.journal import journal

    def refuse(path: object) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(InputError, match="permission denied"):
        journal.runs(tmp_path)
