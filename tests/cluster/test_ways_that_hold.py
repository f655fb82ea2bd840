"""Servers, ways to them, and kubeconfigs of every kind that users have: kubectl connects, and so does the wizard.

Each row is a server on loopback and a kubeconfig; kubectl gets the very same, where it is found.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.cluster.servers import Certificates, Handler, version, write_kubeconfig
from tests.cluster.test_credentials import V1, plugin
from tests.cluster.test_routes import pipe
from wizard.cluster import Gateway
from wizard.errors import WizardError

TOKEN = "any-token"


class Place:
    """What a row is made with: a folder, certificates, and what it opens."""

    def __init__(self, folder: Path, certificates: Certificates, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.certificates = certificates
        self._stack = stack
        self.trusted = {"certificate-authority": str(certificates.authority)}

    async def server(
        self, handler: Handler | None = None, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> str:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", handler or answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, 0, ssl_context=context or self.certificates.context()).start()
        shown = f"[{host}]" if ":" in host else host
        return f"https://{shown}:{runner.addresses[0][1]}"

    async def proxy(self, asked: str, said: bytes = b"200 OK") -> str:
        """An http proxy that wants ``asked`` as its authorization, and leads everything to its own host."""
        return await self._stack.enter_async_context(connect_proxy(asked, said))

    def config(self, server: str, user: Mapping[str, Any] | None = None, /, **cluster: Any) -> str:
        given = {"token": TOKEN} if user is None else user
        return write_kubeconfig(self.folder / "kubeconfig", server, cluster={**self.trusted, **cluster}, user=given)


async def answer(_: web.Request) -> web.StreamResponse:
    return version()


@asynccontextmanager
async def connect_proxy(asked: str, said: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            allowed = f"Proxy-Authorization: {asked}\r\n" in head if asked else True
            writer.write(b"HTTP/1.1 %s\r\n\r\n" % (said if allowed else b"407 Proxy Authentication Required"))
            if allowed and said.startswith(b"200"):
                port = int(head.split()[1].rpartition(":")[2])
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def ed25519(place: Place) -> str:
    folder = place.folder / "ed25519"
    folder.mkdir()
    for line in (
        "req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=ed -addext subjectAltName=IP:127.0.0.1 "
        "-keyout key -out certificate",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    own = {"certificate-authority": str(folder / "certificate")}
    return place.config(await place.server(context=context), **own)


async def tls_1_2(place: Place) -> str:
    context = place.certificates.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return place.config(await place.server(context=context))


async def another_name(place: Place) -> str:
    url = await place.server(context=place.certificates.context("elsewhere"))
    return place.config(url, **{"tls-server-name": "api.example.org"})


async def the_wrong_name(place: Place) -> str:
    return place.config(await place.server(context=place.certificates.context("elsewhere")))


async def no_check(place: Place) -> str:
    url = await place.server(context=place.certificates.context("elsewhere"))
    place.trusted = {}
    return place.config(url, **{"insecure-skip-tls-verify": True})


async def ipv6(place: Place) -> str:
    url = await place.server(host="::1")
    place.trusted = {}
    return place.config(url, **{"insecure-skip-tls-verify": True})


async def compressed(place: Place) -> str:
    async def squeeze(_: web.Request) -> web.StreamResponse:
        response = version()
        response.enable_compression(web.ContentCoding.gzip)
        return response

    return place.config(await place.server(squeeze))


async def in_a_circle(place: Place) -> str:
    async def around(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.path)

    return place.config(await place.server(around))


async def a_login_page(place: Place) -> str:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>log in</html>", content_type="text/html", status=403)

    return place.config(await place.server(page))


BASIC = "Basic " + base64.b64encode(b"me:p@ss").decode()


def through(asked: str, user: str = "", said: bytes = b"200 OK") -> Callable[[Place], Awaitable[str]]:
    async def made(place: Place) -> str:
        proxy = await place.proxy(asked, said)
        url = (await place.server(context=place.certificates.context("elsewhere"))).replace("127.0.0.1", "10.9.8.7")
        return place.config(url, **{"tls-server-name": "api.example.org", "proxy-url": f"http://{user}{proxy}"})

    return made


async def as_json(place: Place) -> str:
    path = Path(place.config(await place.server()))
    path.write_text(json.dumps(yaml.safe_load(path.read_text())))
    return str(path)


def named(name: str) -> Callable[[Place], Awaitable[str]]:
    async def made(place: Place) -> str:
        path = Path(place.config(await place.server()))
        content = yaml.safe_load(path.read_text())
        content["contexts"][0]["name"] = content["current-context"] = name
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return str(path)

    return made


def by_plugin(script: str, version: str = V1) -> Callable[[Place], Awaitable[str]]:
    async def made(place: Place) -> str:
        credential = {"kind": "ExecCredential", "apiVersion": version, "status": {"token": TOKEN}}
        command = plugin(place.folder / "plugin", f"{script}\nprint(json.dumps({credential!r}))")
        user = {"exec": {"command": command, "apiVersion": version, "interactiveMode": "Never"}}
        return place.config(await place.server(), user)

    return made


async def certificate_data(place: Place) -> str:
    context = place.certificates.context(ask_client=True)
    files = {"client-certificate": "client.crt", "client-key": "client.key"}
    user = {
        f"{name}-data": base64.b64encode((place.certificates.folder / file).read_bytes()).decode()
        for name, file in files.items()
    }
    return place.config(await place.server(context=context), user)


@dataclass(frozen=True)
class Row:
    """A server with its kubeconfig, and whether it is reached."""

    made: Callable[[Place], Awaitable[str]]
    reached: bool = True
    said: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


ROWS = {
    "a key of ED25519": Row(ed25519),
    "TLS 1.2 only": Row(tls_1_2),
    "tls-server-name": Row(another_name),
    "a certificate for another name": Row(the_wrong_name, False, "is not trusted"),
    "insecure-skip-tls-verify": Row(no_check),
    "an IPv6 address": Row(ipv6),
    "an answer that is compressed": Row(compressed),
    "redirects in a circle": Row(in_a_circle, False, "redirects in a circle"),
    "a login page": Row(a_login_page, False, "it returned a web page (status 403)"),
    "a proxy": Row(through("")),
    "a proxy with a password": Row(through(BASIC, "me:p%40ss@")),
    "a proxy that wants a password": Row(through(BASIC), False, "(407)"),
    "a proxy that refuses": Row(through("", said=b"403 Forbidden"), False, "The proxy rejected the connection"),
    "a kubeconfig in JSON": Row(as_json),
    "a context with spaces": Row(named("my cluster (prod)")),
    "a context as EKS names it": Row(named("arn:aws:eks:eu-central-1:123456789012:cluster/prod")),
    "a context of digits": Row(named("0123")),
    "a context that is not ASCII": Row(named("köln-☸")),
    "a context that begins with a dash": Row(named("-prod")),
    "a plugin that makes noise": Row(by_plugin("sys.stderr.write('E1127 warning\\n' * 500)")),
    "a plugin of v1alpha1": Row(by_plugin("", V1.replace("v1", "v1alpha1")), False, "v1alpha1"),
    "a plugin of v1beta1": Row(by_plugin("", V1.replace("v1", "v1beta1"))),
    "a client certificate in the file": Row(certificate_data),
    "a proxy that NO_PROXY exempts": Row(
        tls_1_2, environment={"HTTPS_PROXY": "http://10.9.9.9:1", "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"}
    ),
}


@pytest.mark.parametrize("name", ROWS)
async def test_what_kubectl_reaches_is_reached(
    name: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ROWS[name]
    for variable, value in row.environment.items():
        monkeypatch.setenv(variable, value)
    async with AsyncExitStack() as stack:
        config = await row.made(Place(tmp_path, certificates, stack))
        try:
            await (await Gateway.connect(config, None)).close()
            told = ""
        except WizardError as error:
            told = str(error)
        assert (not told) is row.reached, told
        assert row.said in told
        kubectl = shutil.which("kubectl")
        if kubectl is not None:
            options = [kubectl, "--kubeconfig", config, "get", "--raw", "/version"]
            ended = await asyncio.to_thread(subprocess.run, options, capture_output=True, timeout=60)
            assert (ended.returncode == 0) is row.reached, ended.stderr


async def test_a_list_of_files_that_names_none_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then kubectl knows no cluster either."""
    monkeypatch.setenv("KUBECONFIG", ":")
    with pytest.raises(WizardError, match="No kubeconfig was found"):
        await Gateway.connect(None, None)
