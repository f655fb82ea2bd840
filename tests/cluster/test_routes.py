"""The way to a server: proxies of each kind, and which part of the way an error blames."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.servers import Certificates, raw_api_server, version, write_kubeconfig
from wizard.cluster import Gateway
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.errors import ClusterError, InputError, WizardError


async def answer(_: web.Request) -> web.StreamResponse:
    return version()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def socks_proxy(to: int, *, password: str = "", reply: int = 0) -> AsyncIterator[tuple[str, list[str]]]:
    """A SOCKS5 proxy that leads every name to a port here; gives its address, and the names that it was asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            _, count = await reader.readexactly(2)
            await reader.readexactly(count)
            writer.write(bytes((5, 2 if password else 0)))
            if password:
                await reader.readexactly(1)
                user = await reader.readexactly((await reader.readexactly(1))[0])
                given = await reader.readexactly((await reader.readexactly(1))[0])
                if (user, given) != (b"jane", password.encode()):
                    writer.write(bytes((1, 1)))
                    writer.close()
                    return
                writer.write(bytes((1, 0)))
            *_, kind = await reader.readexactly(4)
            length = (await reader.readexactly(1))[0] if kind == 3 else 4
            name = await reader.readexactly(length)
            asked.append(name.decode() if kind == 3 else socket.inet_ntoa(name))
            await reader.readexactly(2)
            writer.write(bytes((5, reply, 0, 1, 0, 0, 0, 0, 0, 0)))
            if not reply:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
                await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def kubectl_connects(config: str) -> bool | None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return None
    options = [kubectl, "--kubeconfig", config, "get", "--raw", "/version"]
    return (await asyncio.to_thread(subprocess.run, options, capture_output=True, timeout=60)).returncode == 0


@pytest.mark.parametrize("password", ["", "canary-1"])
@pytest.mark.parametrize("by", ["proxy-url", "HTTPS_PROXY"])
async def test_through_a_socks_proxy(
    by: str, password: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name exists only where the proxy is, and the certificate is for it."""
    cluster: dict[str, Any] = {"certificate-authority": str(certificates.authority)}
    async with (
        raw_api_server(answer, certificates.context("elsewhere")) as url,
        socks_proxy(port_of(url), password=password) as (address, asked),
    ):
        proxy = f"socks5://{f'jane:{password}@' if password else ''}{address}"
        if by == "proxy-url":
            cluster["proxy-url"] = proxy
        else:
            monkeypatch.setenv(by, proxy)
        server = f"https://api.example.org:{port_of(url)}"
        config = write_kubeconfig(tmp_path / "k", server, cluster=cluster, user={"token": "any-token"})
        await (await Gateway.connect(config, None)).close()
        assert asked == ["api.example.org"]
        assert await kubectl_connects(config) in (True, None)


async def test_the_name_of_the_certificate_holds_through_a_socks_proxy(
    tmp_path: Path, certificates: Certificates
) -> None:
    cluster = {"certificate-authority": str(certificates.authority)}
    async with (
        raw_api_server(answer, certificates.context("elsewhere")) as url,
        socks_proxy(port_of(url)) as (address, _),
    ):
        for name, trusted in (("api.example.org", True), ("", False)):
            way = {**cluster, "proxy-url": f"socks5://{address}", "tls-server-name": name}
            config = write_kubeconfig(tmp_path / "k", "https://10.9.9.9:6443", cluster=way)
            if trusted:
                await (await Gateway.connect(config, None)).close()
            else:
                with pytest.raises(ClusterError, match=r"certificate of 10\.9\.9\.9:6443 is not trusted"):
                    await Gateway.connect(config, None)


async def test_coder_through_a_socks_proxy(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    async with (
        raw_api_server(answer, certificates.context("elsewhere")) as url,
        socks_proxy(port_of(url)) as (address, asked),
    ):
        environ = {"HTTPS_PROXY": f"socks5://{address}"}
        credentials = CoderCredentials("https://api.example.org", "token-of-coder")
        async with CoderClient(credentials, environ=environ) as client:
            assert (await client._exchange("GET", "/api")).status == 200
    assert asked == ["api.example.org"]


async def test_what_is_wrong_with_a_socks_proxy(tmp_path: Path) -> None:
    async def error(proxy: str) -> str:
        way = {"proxy-url": proxy}
        with pytest.raises(WizardError) as caught:
            await Gateway.connect(write_kubeconfig(tmp_path / "k", "https://api.example.org:6443", cluster=way), None)
        return caught.value.what

    async with socks_proxy(1, reply=5) as (address, _):
        told = await error(f"socks5://{address}")
        assert told.startswith(f"The proxy {address} did not connect to api.example.org:6443: ")
    async with socks_proxy(1, password="right-one") as (address, _):
        told = await error(f"socks5://jane:canary-2@{address}")
        assert told.startswith(f"The proxy {address} did not connect")
        assert "canary" not in told
    assert "Cannot reach the proxy 127.0.0.1:1: connection refused." in await error("socks5://127.0.0.1:1")
    assert "is not a valid address: 127.0.0.1:99999" in await error("socks5://me:canary@127.0.0.1:99999")
    assert "nor a socks5 proxy" in await error("ftp://127.0.0.1:21")


async def test_who_is_blamed_where_an_http_proxy_is_in_the_way(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def error(proxy: str) -> str:
        way = {"proxy-url": proxy}
        with pytest.raises(WizardError) as caught:
            await Gateway.connect(write_kubeconfig(tmp_path / "k", "https://api.example.org:6443", cluster=way), None)
        assert "canary" not in str(caught.value)
        assert str(tmp_path / "k") in str(caught.value)
        return caught.value.what

    real = asyncio.get_running_loop().getaddrinfo

    async def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        if host == "proxy.invalid":
            raise socket.gaierror(-2, "Name or service not known")
        return await real(host, *rest, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    assert await error("http://me:canary@127.0.0.1:1") == "Cannot reach the proxy 127.0.0.1:1: connection refused."
    assert await error("http://me:canary@proxy.invalid:3128") == (
        "Cannot resolve the name of the proxy proxy.invalid:3128."
    )
    assert "proxy-url of the cluster is not a valid address" in await error("http://me:canary@127.0.0.1:99999")

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as plain:
        address = f"127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        told = await error(f"https://me:canary@{address}")
    assert told.startswith(f"Cannot open a secure connection to the proxy {address}: ")
    async with raw_api_server(answer, certificates.context()) as url:
        told = await error(url.replace("https://", "https://me:canary@"))
    assert told.startswith(f"The certificate of the proxy {url.removeprefix('https://')} is not trusted: ")


async def test_a_redirect_is_blamed_and_not_the_server(tmp_path: Path, certificates: Certificates) -> None:
    target = "https://localhost:1/login"

    async def away(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(target)

    async with raw_api_server(away) as url:
        with pytest.raises(ClusterError, match="it redirected the request to localhost"):
            await Gateway.connect(write_kubeconfig(tmp_path / "k", url), None)
        async with raw_api_server(answer, certificates.context()) as target:
            with pytest.raises(ClusterError, match="it redirected the request to an https address"):
                await Gateway.connect(write_kubeconfig(tmp_path / "k", url), None)


async def test_a_proxy_of_the_environment_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:canary@proxy.example.org:99999")
    config = write_kubeconfig(tmp_path / "k", "https://api.example.org:6443")
    with pytest.raises(InputError, match=r"The proxy in HTTPS_PROXY is not a valid address: proxy\.example\.org:99999"):
        await Gateway.connect(config, None)
