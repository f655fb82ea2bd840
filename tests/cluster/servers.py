"""Small servers that answer as badly as real ones do, and kubeconfigs for them."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def write_kubeconfig(
    path: Path, server: str, *, user: Mapping[str, Any] | None = None, cluster: Mapping[str, Any] | None = None
) -> str:
    """A kubeconfig with one context, ``here``."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": dict(user or {})}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def status(code: int, reason: str = "", message: str = "", **details: Any) -> web.Response:
    """A refusal as an API server writes it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return web.json_response({**body, "reason": reason, "message": message, "details": details}, status=code)


def version() -> web.Response:
    return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})


@asynccontextmanager
async def api_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server that hands everything but /version to ``handler``; gives its URL."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return version() if request.path == "/version" else await handler(request)

    async with raw_api_server(answer, context) as url:
        yield url


@asynccontextmanager
async def raw_api_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The same, with /version too."""
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def byte_server(answers: list[bytes | None]) -> AsyncIterator[str]:
    """A server that gives these bytes to one connection after the other, and then closes it; None: a reset.

    When they are used up, the last one is given for ever.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is None:
                writer.transport.abort()
                return
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def json_bytes(body: Any, *, promised: int | None = None) -> bytes:
    """A whole HTTP answer; ``promised`` is what its Content-Length says."""
    content = json.dumps(body).encode()
    length = len(content) if promised is None else promised
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


class Certificates:
    """An authority and what it signed, made with openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = self._self_signed("authority", "/CN=authority")
        self.other_authority = self._self_signed("other", "/CN=other")
        self._signed("server", "/CN=server", "subjectAltName=IP:127.0.0.1")
        self._signed("elsewhere", "/CN=elsewhere", "subjectAltName=DNS:api.example.org")
        self._signed("client", "/O=people/CN=jane", "extendedKeyUsage=clientAuth")

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def _self_signed(self, name: str, subject: str) -> Path:
        self._run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.crt",
        )  # fmt: skip
        return self.folder / f"{name}.crt"

    def _signed(self, name: str, subject: str, extension: str) -> None:
        (self.folder / f"{name}.ext").write_text(extension)
        self._run(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
        self._run(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "authority.crt", "-CAkey", "authority.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt",
        )  # fmt: skip

    def context(self, name: str = "server", *, ask_client: bool = False) -> ssl.SSLContext:
        """What a server with this certificate uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        return context
