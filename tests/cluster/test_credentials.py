"""Exec credential plugins, with and without a terminal; no secret in any message."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wizard.cluster import credentials as module
from wizard.cluster.credentials import Credentials, ExecConfig, Identity, run_plugin
from wizard.errors import ClusterError

V1 = "client.authentication.k8s.io/v1"
SECRET = "very-secret-token"


def plugin(path: Path, script: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def printing(path: Path, before: str = "", **status: str) -> str:
    document = {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": SECRET, **status}}
    return plugin(path, f"{before}\nprint({json.dumps(document)!r})")


async def test_a_token_and_what_the_plugin_is_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = printing(tmp_path / "p", f"open({str(told)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO'])")
    config = ExecConfig(command, V1, cluster={"server": "https://h"})
    credential = await run_plugin(config)
    assert credential.authorization == f"Bearer {SECRET}"
    assert SECRET not in repr(credential)
    assert json.loads(told.read_text()) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://h"}},
    }


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.stderr.write('line\\n' * 9 + 'please log in\\x1b[2J\\n'); sys.exit(3)", "exit code 3"),
        ("print('very-secret-token {')", "not JSON"),
        ("print('[]')", "not an ExecCredential"),
        ("print(json.dumps({'kind': 'ExecCredential', 'apiVersion': 'x', 'status': {}}))", "apiVersion differs"),
        (f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}}}))", "no status"),
        (f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {{}}}}))", "neither a token"),
        (
            f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {{'token': 'a\\nb'}}}}))",
            "token has a line break",
        ),
        (
            f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, "
            "'status': {'clientCertificateData': 'x'}}))",
            "not both",
        ),
        (
            f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, "
            "'status': {'token': 'very-secret-token', 'expirationTimestamp': 'soon'}}))",
            "not a time",
        ),
    ],
)
async def test_a_plugin_that_fails_is_named(tmp_path: Path, script: str, said: str) -> None:
    command = plugin(tmp_path / "my-plugin", script)
    with pytest.raises(ClusterError) as caught:
        await run_plugin(ExecConfig(command, V1))
    assert "my-plugin" in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    if "exit code" in said:
        assert "please log in\\x1b[2J" in str(caught.value)


async def test_a_plugin_that_is_missing_comes_with_its_hint() -> None:
    with pytest.raises(ClusterError, match="not found") as caught:
        await run_plugin(ExecConfig("no-such-plugin", V1, install_hint="Install it so."))
    assert caught.value.todo == "Install it so."


async def test_a_plugin_that_hangs_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.5)
    child = tmp_path / "child"
    command = plugin(
        tmp_path / "p",
        "import subprocess, time\n"
        f"c = subprocess.Popen(['sleep', '600']); open({str(child)!r}, 'w').write(str(c.pid)); time.sleep(600)",
    )
    with pytest.raises(ClusterError, match="did not finish"):
        await run_plugin(ExecConfig(command, V1))
    if child.exists():
        await _until_gone(int(child.read_text()))


async def test_a_cancelled_wait_leaves_no_plugin_behind(tmp_path: Path) -> None:
    began = tmp_path / "began"
    command = plugin(tmp_path / "p", f"import time\nopen({str(began)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    task = asyncio.create_task(run_plugin(ExecConfig(command, V1)))
    while not (began.exists() and began.read_text()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until_gone(int(began.read_text()))


async def _until_gone(process: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                os.kill(process, 0)
                if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
                    return
            except (ProcessLookupError, FileNotFoundError):
                return
            await asyncio.sleep(0.01)


async def test_under_the_screens_a_quiet_plugin_never_takes_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_person_present", lambda: True)
    asked: list[str] = []

    @asynccontextmanager
    async def terminal(whom: str) -> AsyncIterator[None]:
        assert whom.startswith("The credential plugin ")
        asked.append("taken")
        yield
        asked.append("given back")

    await run_plugin(ExecConfig(printing(tmp_path / "quiet"), V1), terminal)
    assert asked == []
    wants = "if not json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive']: sys.exit(1)"
    credential = await run_plugin(ExecConfig(printing(tmp_path / "prompts", wants), V1), terminal)
    assert credential.authorization
    assert asked == ["taken", "given back"]
    with pytest.raises(ClusterError):
        await run_plugin(ExecConfig(printing(tmp_path / "never", wants), V1, interactive_mode="Never"), terminal)
    assert len(asked) == 2


async def test_a_plugin_that_must_ask_says_so_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_person_present", lambda: False)
    with pytest.raises(ClusterError, match="needs input"):
        await run_plugin(ExecConfig(printing(tmp_path / "p"), V1, interactive_mode="Always"))


async def test_it_is_run_again_when_it_expires_and_not_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    count = f"open({str(log)!r}, 'a').write('x')"
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    late = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for expiry, runs in ((late, 1), (soon, 3)):
        log.write_text("")
        command = printing(tmp_path / f"p{runs}", count, expirationTimestamp=expiry)
        credentials = Credentials(Identity(exec=ExecConfig(command, V1)))
        for _ in range(3):
            await credentials.current()
        assert len(log.read_text()) == runs


async def test_many_refusals_renew_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = printing(tmp_path / "p", f"open({str(log)!r}, 'a').write('x')")
    credentials = Credentials(Identity(exec=ExecConfig(command, V1)))
    first = await credentials.current()
    await asyncio.gather(*(credentials.renew(first) for _ in range(20)))
    assert log.read_text() == "xx"


async def test_what_fails_fails_for_all_who_waited_and_is_tried_again_later(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = plugin(tmp_path / "p", f"open({str(log)!r}, 'a').write('x'); sys.exit('no')")
    credentials = Credentials(Identity(exec=ExecConfig(command, V1)))
    ended = await asyncio.gather(*(credentials.current() for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in ended] == [ClusterError] * 20
    assert log.read_text() == "x"
    with pytest.raises(ClusterError, match=r"failed \(exit code 1\)"):
        await credentials.current()
    assert log.read_text() == "xx"


async def test_what_a_plugin_says_under_the_screens_is_kept_although_something_holds_its_stderr_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_person_present", lambda: True)
    script = (
        "import subprocess\nif not json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']['interactive']: sys.exit(1)\n"
        f"c = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL); open({str(tmp_path / 'left')!r}, 'w')"
        ".write(str(c.pid)); sys.stderr.write('no \\x1b[2J way\\n'); sys.stderr.flush(); os._exit(4)"
    )

    @asynccontextmanager
    async def terminal(whom: str) -> AsyncIterator[None]:
        yield

    try:
        with pytest.raises(ClusterError) as caught:
            await asyncio.wait_for(run_plugin(ExecConfig(plugin(tmp_path / "browser", script), V1), terminal), 20)
        assert "browser failed (exit code 4):\nno \\x1b[2J way" in caught.value.what
    finally:
        os.kill(int((tmp_path / "left").read_text()), 9)


async def test_token_files_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    credentials = Credentials(Identity(token_file=path, token="ignored"))
    first = await credentials.current()
    assert first.authorization == "Bearer one"
    path.write_text("two")
    assert await credentials.current() is first
    assert await credentials.renew(first)
    assert (await credentials.current()).authorization == "Bearer two"
    path.write_text("one\ntwo\n")
    with pytest.raises(ClusterError, match="several lines"):
        await Credentials(Identity(token_file=path)).current()
    path.write_text("x" * (module.LARGEST_TOKEN + 1))
    with pytest.raises(ClusterError, match="too large for a token"):
        await Credentials(Identity(token_file=path)).current()
    path.write_text("")
    with pytest.raises(ClusterError, match="is empty"):
        await Credentials(Identity(token_file=path)).current()
    await credentials.renew(await credentials.current())
    assert (await credentials.current()).authorization == "Bearer ignored"


async def test_fixed_credentials_are_not_renewed() -> None:
    credentials = Credentials(Identity(username="jane", password="hush"))
    current = await credentials.current()
    assert current.authorization == "Basic amFuZTpodXNo"
    assert current.expires is None or current.expires > time.time()
    assert not await credentials.renew(current)
