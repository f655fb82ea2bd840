"""The way to Coder: which part of it an error blames, how long it can be silent, and how much of an answer is read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.conftest import certificates as certificates
from tests.cluster.servers import Certificates, raw_api_server
from tests.cluster.test_routes import socks_proxy
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError

FAR = "https://coder.example.org"
ME = {"id": "u", "username": "jane", "roles": []}


async def answer(_: web.Request) -> web.StreamResponse:
    return web.json_response(ME)


@dataclass(frozen=True)
class Servers:
    """Addresses of servers and proxies on loopback."""

    plain: str
    tls: str
    elsewhere: str
    refusing: str
    locked: str


@asynccontextmanager
async def servers(certificates: Certificates) -> AsyncIterator[Servers]:
    async with (
        raw_api_server(answer) as plain,
        raw_api_server(answer, certificates.context()) as tls,
        raw_api_server(answer, certificates.context("elsewhere")) as elsewhere,
        socks_proxy(1, reply=5) as (refusing, _),
        socks_proxy(1, password="another") as (locked, _),
    ):
        yield Servers(plain, tls, elsewhere, refusing, locked)


def at(proxy: str) -> str:
    """A proxy with a password, which no error can have."""
    scheme, _, address = proxy.partition("://")
    return f"{scheme}://me:canary@{address}"


Made = Callable[[Servers], str]
WAYS: dict[str, tuple[Made, Made, str]] = {
    "TLS where http was meant": (lambda s: s.tls.replace("https", "http"), lambda _: "", "begins with https"),
    "http where TLS was meant": (lambda s: s.plain.replace("http", "https"), lambda _: "", "begins with http."),
    "another name": (lambda s: s.elsewhere, lambda _: "", "has a certificate that is not trusted"),
    "a port that is closed": (lambda _: "http://127.0.0.1:1", lambda _: "", "Cannot reach Coder at 127.0.0.1:1: conn"),
    "SOCKS refuses": (lambda _: FAR, lambda s: at(f"socks5://{s.refusing}"), "did not connect to coder.example.org: "),
    "SOCKS wants a password": (lambda _: FAR, lambda s: at(f"socks5://{s.locked}"), "password authentication failure"),
    "SOCKS is closed": (lambda _: FAR, lambda _: at("socks5://127.0.0.1:1"), "Cannot reach the proxy 127.0.0.1:1: "),
    "a proxy is closed": (lambda _: FAR, lambda _: at("http://127.0.0.1:1"), "Cannot reach the proxy 127.0.0.1:1: "),
    "a proxy has no TLS": (lambda _: FAR, lambda s: at(s.plain.replace("http", "https")), "connection to the proxy"),
    "a proxy is not trusted": (lambda _: FAR, lambda s: at(s.elsewhere), "The certificate of the proxy 127.0.0.1:"),
    "a proxy has no name": (lambda _: FAR, lambda _: at("http://p.invalid:1"), "resolve the name of the proxy p.inv"),
    "SOCKS has no name": (lambda _: FAR, lambda _: at("socks5://p.invalid:1"), "resolve the name of the proxy p.inv"),
}


@pytest.mark.parametrize("name", WAYS)
async def test_what_an_error_blames(name: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    real = asyncio.get_running_loop().getaddrinfo

    async def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        if host == "p.invalid":
            raise socket.gaierror(-2, "Name or service not known")
        return await real(host, *rest, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    url, proxy, said = WAYS[name]
    async with servers(certificates) as places:
        credentials = CoderCredentials(url(places), "token-of-coder")
        with pytest.raises(CoderError) as caught:
            async with CoderClient(credentials, environ={"HTTPS_PROXY": proxy(places)}) as client:
                await client.me()
    told = str(caught.value)
    assert said in told
    assert "canary" not in told
    assert ("HTTPS_PROXY" in told) == bool(proxy(places))


async def test_silence_is_limited_and_not_duration() -> None:
    async def drop_by_drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for byte in json.dumps(ME).encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(0.02)
        return response

    async def stop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.Event().wait()
        return response

    async with raw_api_server(drop_by_drop) as url, CoderClient(CoderCredentials(url, "t" * 9), timeout=0.4) as client:
        assert (await client.me()).id == "u"
    async with raw_api_server(stop) as url, CoderClient(CoderCredentials(url, "t" * 9), timeout=0.05) as client:
        with pytest.raises(CoderError, match="stopped in the middle of its answer"):
            await client.me()


async def test_an_answer_without_an_end_is_not_read() -> None:
    status = 200

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)

    async with raw_api_server(endless) as url, CoderClient(CoderCredentials(url, "t" * 9)) as client:
        with pytest.raises(CoderError, match="returned more than 16 MB"):
            await client.me()
        status = 403
        with pytest.raises(CoderError, match="denied permission") as caught:
            await client.me()
    assert len(str(caught.value)) < 1000
