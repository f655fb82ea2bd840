"""Servers that cannot be reached, cannot be trusted, or answer badly: one clear message each, nothing half done."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import (
    Certificates,
    api_server,
    byte_server,
    json_bytes,
    raw_api_server,
    status,
    version,
    write_kubeconfig,
)
from tests.cluster.test_credentials import V1, plugin
from wizard.cluster import ApiRefusal, Gateway, Retry
from wizard.cluster import transport as module
from wizard.errors import ClusterError, ExitCode, InputError

VERSION = {"gitVersion": "v1.36.2"}


async def connect_error(config: str) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await (await Gateway.connect(config, None)).close()
    assert caught.value.exit_code is ExitCode.CLUSTER
    assert "secret" not in str(caught.value)
    return caught.value


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    error = await connect_error(write_kubeconfig(tmp_path / "k", f"http://127.0.0.1:{port}"))
    assert error.what == f"Cannot reach the API server 127.0.0.1:{port}: connection refused."
    assert str(tmp_path / "k") in error.todo


async def test_a_name_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_such_name(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_name)
    error = await connect_error(write_kubeconfig(tmp_path / "k", "https://api.invalid:6443"))
    assert error.what == "Cannot resolve the host name api.invalid:6443."


async def answer_version(_: web.Request) -> web.StreamResponse:
    return version()


async def test_certificates_that_are_not_trusted(tmp_path: Path, certificates: Certificates) -> None:
    async with raw_api_server(answer_version, certificates.context()) as url:
        other = {"certificate-authority": str(certificates.other_authority)}
        distrusted: list[dict[str, Any]] = [{}, other]
        for cluster in distrusted:
            error = await connect_error(write_kubeconfig(tmp_path / "k", url, cluster=cluster))
            assert "is not trusted" in error.what
            assert "certificate-authority" in error.todo
        trusted: list[dict[str, Any]] = [
            {"certificate-authority": str(certificates.authority)},
            {"insecure-skip-tls-verify": True},
        ]
        for cluster in trusted:
            await (await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=cluster), None)).close()


async def test_a_certificate_for_another_name(tmp_path: Path, certificates: Certificates) -> None:
    cluster: dict[str, Any] = {"certificate-authority": str(certificates.authority)}
    async with raw_api_server(answer_version, certificates.context("elsewhere")) as url:
        error = await connect_error(write_kubeconfig(tmp_path / "k", url, cluster=cluster))
        assert "tls-server-name" in error.todo
        cluster["tls-server-name"] = "api.example.org"
        await (await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=cluster), None)).close()


async def test_client_certificates(tmp_path: Path, certificates: Certificates) -> None:
    cluster = {"certificate-authority": str(certificates.authority)}
    pair = {
        "client-certificate": str(certificates.folder / "client.crt"),
        "client-key": str(certificates.folder / "client.key"),
    }
    async with raw_api_server(answer_version, certificates.context(ask_client=True)) as url:
        await (await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=cluster, user=pair), None)).close()
        error = await connect_error(write_kubeconfig(tmp_path / "k", url, cluster=cluster))
        assert "client certificate" in error.todo
        broken = {**pair, "client-key": str(certificates.folder / "server.key")}
        with pytest.raises(InputError, match="client certificate"):
            await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=cluster, user=broken), None)


async def test_a_server_that_does_not_speak_tls(tmp_path: Path) -> None:
    async with raw_api_server(answer_version) as url:
        error = await connect_error(write_kubeconfig(tmp_path / "k", url.replace("http:", "https:")))
        assert "Cannot open a secure connection" in error.what


async def test_a_login_page(tmp_path: Path) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Log in</html>", content_type="text/html")

    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            return await page(request)
        raise web.HTTPFound("/login")

    for handler in (page, redirect):
        async with raw_api_server(handler) as url:
            error = await connect_error(write_kubeconfig(tmp_path / "k", url))
            assert "is not responding as a Kubernetes API server" in error.what
            assert "login page" in error.todo


async def test_something_that_is_not_http(tmp_path: Path) -> None:
    async with byte_server([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"]) as url:
        error = await connect_error(write_kubeconfig(tmp_path / "k", url))
        assert "is not valid HTTP" in error.what


async def test_a_wrong_token(tmp_path: Path, certificates: Certificates) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(401, "Unauthorized", "Unauthorized")

    trusted = {"certificate-authority": str(certificates.authority)}
    async with raw_api_server(refuse, certificates.context()) as url:
        error = await connect_error(write_kubeconfig(tmp_path / "k", url, cluster=trusted, user={"token": "secret"}))
        assert "401" in error.what
        assert "Log in again" in error.todo


async def test_a_reset_and_half_a_body_are_repeated(tmp_path: Path, no_waiting: list[float]) -> None:
    half = json_bytes(VERSION, promised=4000)
    short = (
        json_bytes({"gitVersion": "v1"}).replace(b'"}', b'"', 1).replace(b"Content-Length: 20", b"Content-Length: 19")
    )
    async with byte_server([None, half, short, json_bytes(VERSION)]) as url:
        await (await Gateway.connect(write_kubeconfig(tmp_path / "k", url), None)).close()
    # The reset of a GET is repeated by aiohttp itself.
    assert len(no_waiting) == 2


async def test_half_a_body_every_time(tmp_path: Path, no_waiting: list[float]) -> None:
    async with byte_server([json_bytes(VERSION, promised=4000)]) as url:
        error = await connect_error(write_kubeconfig(tmp_path / "k", url))
    assert "is incomplete" in error.what
    assert len(no_waiting) == module.FIRST_ATTEMPTS - 1


async def test_a_slow_server(connected: Connected, no_waiting: list[float]) -> None:
    tries = 0

    async def slow(_: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        await asyncio.Event().wait()
        raise AssertionError

    async with connected(slow) as gateway:
        with pytest.raises(ClusterError, match="did not respond within"):
            await gateway._transport.request("GET", "/api/v1/nodes", timeout=0.05)
    assert tries == 2


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_busy_server_is_asked_again(connected: Connected, no_waiting: list[float], code: int) -> None:
    answers = [status(code, "", "busy"), status(code, "", "busy"), web.json_response({"kind": "Node"})]
    answers[0].headers["Retry-After"] = "7"
    told: list[Retry] = []

    async def busy(_: web.Request) -> web.StreamResponse:
        return answers.pop(0)

    async with connected(busy) as gateway:
        await gateway.request("GET", "/api/v1/nodes/a", on_retry=told.append)
    assert [retry.status for retry in told] == [code, code]
    assert no_waiting[0] == 7
    assert no_waiting[1] < 1


async def test_it_does_not_wait_for_ever(connected: Connected, no_waiting: list[float]) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        answer = status(429, "TooManyRequests", "too many requests")
        answer.headers["Retry-After"] = "3600"
        return answer

    async with connected(busy) as gateway:
        with pytest.raises(ApiRefusal, match="too many"):
            await gateway.request("GET", "/api/v1/nodes/a")
    assert no_waiting == []


async def test_a_creation_is_not_repeated_where_it_may_have_happened(
    connected: Connected, no_waiting: list[float]
) -> None:
    seen: list[str] = []

    async def break_off(request: web.Request) -> web.StreamResponse:
        seen.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "default"}}
    async with connected(break_off) as gateway:
        with pytest.raises(ClusterError, match="was lost"):
            await gateway.create(pod)
        assert seen == ["POST"]
        with pytest.raises(ClusterError, match="was lost"):
            await gateway.create(pod, idempotent=True)
    assert len(seen) == 1 + module.ATTEMPTS


async def test_a_bad_value_is_not_asked_again_although_it_is_a_500(
    connected: Connected, no_waiting: list[float]
) -> None:
    said = "failed to create typed patch object (a/b; v1, Kind=ConfigMap): .x: field not declared in schema"

    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(500, "", said)

    async with connected(refuse) as gateway:
        with pytest.raises(ApiRefusal, match="field not declared"):
            await gateway.patch("Node", "a", {})
    assert no_waiting == []


async def test_401_in_the_middle_renews_the_credential_once(tmp_path: Path, certificates: Certificates) -> None:
    valid = tmp_path / "valid"
    valid.write_text("token-1")
    command = plugin(
        tmp_path / "p",
        f"token = open({str(valid)!r}).read()\n"
        f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {{'token': token}}}}))",
    )
    seen: list[str] = []

    async def check(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        if seen[-1] != valid.read_text() or seen[-1] == "token-3":
            return status(401, "Unauthorized", "Unauthorized")
        return web.json_response({"kind": "Namespace", "metadata": {"name": "a", "uid": "1"}})

    user = {"exec": {"command": command, "apiVersion": V1}}
    trusted = {"certificate-authority": str(certificates.authority)}
    async with (
        api_server(check, certificates.context()) as url,
        await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=trusted, user=user), None) as gateway,
    ):
        await gateway.get("Namespace", "a")
        valid.write_text("token-2")
        await asyncio.gather(*(gateway.get("Namespace", "a") for _ in range(5)))
        valid.write_text("token-3")
        with pytest.raises(ApiRefusal) as caught:
            await gateway.get("Namespace", "a")
    assert caught.value.status == 401
    assert seen.count("token-3") == 1
    assert "token" not in caught.value.what


async def test_a_plugin_that_fails_is_a_cluster_error(tmp_path: Path) -> None:
    command = plugin(tmp_path / "get-token", "sys.stderr.write('session expired\\n'); sys.exit(1)")
    user = {"exec": {"command": command, "apiVersion": V1}}
    error = await connect_error(write_kubeconfig(tmp_path / "k", "https://127.0.0.1:1", user=user))
    assert "get-token" in error.what
    assert "session expired" in error.what


async def test_a_proxy_that_refuses(tmp_path: Path) -> None:
    async with byte_server([b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"]) as proxy:
        config = write_kubeconfig(
            tmp_path / "k", "https://10.9.9.9:6443", cluster={"proxy-url": proxy.replace("://", "://me:secret@")}
        )
        error = await connect_error(config)
    assert "proxy rejected the connection to 10.9.9.9:6443 (407)" in error.what


async def test_an_old_continue_token_restarts_the_list(connected: Connected) -> None:
    queries: list[dict[str, str]] = []

    def page(names: list[str], token: str = "", remaining: int | None = None) -> web.Response:
        metadata: dict[str, Any] = {"resourceVersion": "7", "continue": token, "remainingItemCount": remaining}
        items = [{"metadata": {"name": name}} for name in names]
        return web.json_response({"kind": "NodeList", "metadata": metadata, "items": items})

    async def expire(request: web.Request) -> web.StreamResponse:
        queries.append(dict(request.query))
        if "continue" in request.query:
            return status(410, "Expired", "The provided continue parameter is too old")
        return page(["a", "b"], "token", 2) if "limit" in request.query else page(["b", "c", "d"])

    async with connected(expire) as gateway:
        parts = [part async for part in gateway.nodes("pool=x")]
        names = [node["metadata"]["name"] for node in await gateway.list("Node")]
    assert [([node.name for node in part.items], part.total, part.restarted) for part in parts] == [
        (["a", "b"], 4, False),
        (["b", "c", "d"], 3, True),
    ]
    assert names == ["b", "c", "d"]
    assert queries[:3] == [
        {"labelSelector": "pool=x", "limit": "500"},
        {"labelSelector": "pool=x", "limit": "500", "continue": "token"},
        {"labelSelector": "pool=x"},
    ]


async def test_server_text_cannot_move_the_cursor(connected: Connected) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status(403, "Forbidden", "no \x1b[2J you \u202e cannot")

    async with connected(refuse) as gateway:
        with pytest.raises(ApiRefusal) as caught:
            await gateway.get("Namespace", "a")
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


async def test_warnings_are_kept_once(connected: Connected) -> None:
    async def warn(_: web.Request) -> web.StreamResponse:
        answer = web.json_response({"metadata": {}})
        answer.headers.add("Warning", '299 - "one \\"quoted\\""')
        answer.headers.add("Warning", '299 - "two", 299 - "three"')
        return answer

    async with connected(warn) as gateway:
        for _ in range(2):
            answer = await gateway.request("GET", "/api/v1/nodes/a")
            assert answer.warnings == ('one "quoted"', "two", "three")
        assert gateway.warnings == ('one "quoted"', "two", "three")


async def test_recorded_refusals_become_sentences(recordings: Path) -> None:
    """What a real 1.36.2 answered: status, reason and causes come out whole."""
    from wizard.cluster.refusals import Target

    seen = 0
    for path in sorted(recordings.glob("*.json")):
        recording = json.loads(path.read_text())
        request, response = recording["request"], recording["response"]
        body = response["body"]
        if response["status"] < 400 or not isinstance(body, dict):
            continue
        seen += 1
        target = Target.of(request["method"], request["path"].partition("?")[0])
        refusal = ApiRefusal(target, response["status"], body)
        assert refusal.status == body["code"]
        assert refusal.reason == body.get("reason", "")
        assert len(refusal.causes) == len(body.get("details", {}).get("causes", []))
        assert refusal.todo
        if refusal.status != 401:
            assert body["message"][:40].replace("\n", "\\n") in refusal.what
    assert seen > 15
