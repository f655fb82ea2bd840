"""What never ends, is silent, blocks, or is far too large: it ends with a sentence, and a signal ends it at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import status, write_kubeconfig
from tests.cluster.test_credentials import V1, plugin
from tests.clusters import ROOT
from wizard.cluster import ApiRefusal, transport
from wizard.cluster import kubeconfig as module
from wizard.cluster.credentials import ExecConfig, run_plugin
from wizard.cluster.kubeconfig import contexts, read_access
from wizard.errors import ClusterError, InputError


async def test_a_slow_line_is_not_a_dead_server(connected: Connected) -> None:
    async def drop_by_drop(request: web.Request) -> web.StreamResponse:
        body = json.dumps({"kind": "NodeList", "items": [{"metadata": {"name": "a" * 200}}]}).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for at in range(0, len(body), 10):
            await response.write(body[at : at + 10])
            await asyncio.sleep(0.02)
        return response

    async with connected(drop_by_drop) as gateway:
        answer = await gateway._transport.request("GET", "/api/v1/nodes", timeout=0.25)
    assert len(answer.body["items"]) == 1


async def test_silence_in_the_middle_is_told(connected: Connected, no_waiting: list[float]) -> None:
    async def stop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"items": [')
        await asyncio.Event().wait()
        return response

    async with connected(stop) as gateway:
        with pytest.raises(ClusterError, match="stopped in the middle of its answer"):
            await gateway._transport.request("GET", "/api/v1/nodes", timeout=0.05)


async def test_an_endless_body_is_not_read(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        code = 403 if request.path.endswith("/refused") else 200
        response = web.StreamResponse(status=code, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b'{"message": "' + b"x" * 100_000)

    monkeypatch.setattr(transport, "LARGEST_REFUSAL", 300_000)
    async with connected(endless) as gateway:
        with pytest.raises(ClusterError, match=r"GET /api/v1/namespaces/a .* more than 1 MiB"):
            await gateway.request("GET", "/api/v1/namespaces/a", largest=2**20)
        with pytest.raises(ApiRefusal) as caught:
            await gateway.request("GET", "/api/v1/namespaces/refused")
    assert len(str(caught.value)) < 4000


@pytest.mark.parametrize("depth", [200, 100_000])
async def test_an_answer_that_is_nested_deeply_is_refused(connected: Connected, depth: int) -> None:
    async def nest(_: web.Request) -> web.StreamResponse:
        return web.Response(text='{"a":' * depth + "{}" + "}" * depth, content_type="application/json")

    async with connected(nest) as gateway:
        with pytest.raises(ClusterError, match="nested too deeply"):
            await gateway.request("GET", "/api/v1/namespaces/a")


@pytest.mark.parametrize("message", ["x" * 300_000, [[[["deep"]]]], None, 5])
async def test_a_refusal_is_short(connected: Connected, message: Any) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(403, "Forbidden", message)

    async with connected(refuse) as gateway:
        with pytest.raises(ApiRefusal) as caught:
            await gateway.get("Namespace", "a")
    assert len(str(caught.value)) < 4000


async def test_an_endless_plugin_is_ended(tmp_path: Path) -> None:
    command = plugin(tmp_path / "p", "while True: print('x' * 100_000)")
    with pytest.raises(ClusterError, match="writes more than"):
        await run_plugin(ExecConfig(command, V1, interactive_mode="Never"))


async def test_a_plugin_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path / "get-token", "open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    for path in (".", "", f"missing:{os.curdir}"):
        monkeypatch.setenv("PATH", path + os.pathsep + "/usr/bin")
        with pytest.raises(ClusterError, match=r"get-token .* only in the current folder"):
            await run_plugin(ExecConfig("get-token", V1, interactive_mode="Never"))
    assert not (tmp_path / "ran").exists()


async def test_a_credential_with_go_s_zero_time_does_not_expire(tmp_path: Path) -> None:
    content = {"token": "t", "expirationTimestamp": "0001-01-01T00:00:00Z"}
    command = plugin(
        tmp_path / "p",
        f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {content!r}}}))",
    )
    assert (await run_plugin(ExecConfig(command, V1, interactive_mode="Never"))).expires is None


@pytest.mark.parametrize("place", ["certificate-authority", "tokenFile"])
async def test_a_signal_ends_a_read_that_blocks(place: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stalled")
    where = {place: str(tmp_path / "stalled")}
    config = write_kubeconfig(
        tmp_path / "k",
        "https://127.0.0.1:1",
        cluster=where if place == "certificate-authority" else {"insecure-skip-tls-verify": True},
        user=where if place == "tokenFile" else {},
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wizard", "--kubeconfig", config, "check"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    # It is stalled as soon as it has the pipe open for reading.
    while True:
        try:
            writing = os.open(tmp_path / "stalled", os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        await process.communicate()
    os.close(writing)
    assert process.returncode == 128 + signal.SIGTERM


MANY = "{" + ", ".join(f"k{n}: x" for n in range(2000)) + "}"
BOMBS = {
    "aliases": "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)),
    "merges": f"m: &m {MANY}\na11: &a11 {{<<: [{', '.join(['*m'] * 600)}]}}",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_alias_bomb_is_refused(bomb: str, tmp_path: Path) -> None:
    text = f"a0: &a0 [x, x]\n{BOMBS[bomb]}\ncurrent-context: x\n"
    text += "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
    text += "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    text += "users: [{name: u, user: {token: t, extensions: *a11}}]\n"
    (tmp_path / "k").write_text(text)
    with pytest.raises(InputError, match="repeats itself too often"):
        read_access(str(tmp_path / "k"))


def test_many_contexts_are_read_and_only_similar_names_are_told(tmp_path: Path) -> None:
    number = 2000
    config = {
        "contexts": [{"name": f"team-{n}", "context": {"cluster": f"c{n}", "user": "u"}} for n in range(number)],
        "clusters": [
            {"name": f"c{n}", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": "QQ==" * 700}}
            for n in range(number)
        ],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = tmp_path / "k"
    path.write_text(yaml.dump(config, Dumper=yaml.CSafeDumper))
    assert path.stat().st_size > 5_000_000
    assert len(contexts(str(path))) == number
    with pytest.raises(InputError) as caught:
        read_access(str(path), "taem-77")
    assert "team-77" in caught.value.todo
    assert len(caught.value.todo) < 300
    assert module.LIMIT > 10_000_000
