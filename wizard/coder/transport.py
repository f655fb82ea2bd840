"""One connection to a Coder deployment, for the clients of both versions: routes, TLS, limits, and what went wrong.

It follows no redirect, so that the token is sent only to the deployment that it belongs to; it reads no more than a
limit; and it tells an answer of Coder from the page of a proxy.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import quote, urljoin, urlsplit

from wizard.cluster.kubeconfig import proxy_for
from wizard.cluster.routes import Route, distrust, is_socks, reason_of
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError, Refused
from wizard.coder.words import one_line
from wizard.http_library import aiohttp
from wizard.text.trace import note_request
from wizard.tls import follow_go

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes, uncompressed; the list of all workspaces of a large deployment has several megabytes."""

TIMEOUT = 120.0
"""Seconds of silence: a dry run merges the policy into the template of every workspace."""

CONNECT_TIMEOUT = 10.0
"""Seconds allowed for opening a connection."""

_SMALL = 1024 * 1024
"""Bytes; a larger body takes as long as the line needs."""


class Raw(NamedTuple):
    """A body that is sent as it is, and its content type."""

    body: bytes
    kind: str = "application/octet-stream"


class Answer:
    """A response that was read completely."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_page(self) -> bool:
        """Whether this is a web page, such as a proxy's login page."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return kind in ("text/html", "application/xhtml+xml") or self.body[:200].lstrip().lower().startswith(
            (b"<!doctype html", b"<html")
        )


class Transport:
    """The connection to one deployment; an asynchronous context manager.

    ``TOKEN_HEADER`` carries the session token, ``BY_HAND`` tells how to do the same without this program, and
    ``PROXY_HINT`` how to get through a proxy that requires a login.
    """

    TOKEN_HEADER: ClassVar[str] = ""
    BY_HAND: ClassVar[str] = ""
    PROXY_HINT: ClassVar[str] = ""

    def __init__(
        self,
        credentials: CoderCredentials,
        *,
        timeout: float = TIMEOUT,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.credentials = credentials
        self.url = credentials.url
        self._timeout = timeout
        self._environ = environ
        self._session: aiohttp.ClientSession | None = None
        self._route = Route(self.url)
        self._reached = False

    async def __aenter__(self) -> Self:
        # aiohttp creates its own context when it is imported, and would miss an SSL_CERT_FILE that is set later.
        self._route = Route(self.url, proxy_for(self.url, self._environ))
        verified = follow_go(ssl.create_default_context()) if self._route.encrypted else True
        if is_socks(self._route.proxy):
            from wizard.cluster.socks import SocksConnector

            connector: aiohttp.TCPConnector = SocksConnector(self._route.proxy, ssl=verified)
        else:
            connector = aiohttp.TCPConnector(ssl=verified)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "podman-wizard", "Accept": "application/json"},
            # Proxies follow Go's rules here; trust_env would also send credentials from a .netrc file.
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    # ------------------------------------------------------------------------------------------- answers

    def _require_api(self, answer: Answer, where: str) -> None:
        """Raises an error if the response comes from a proxy or another service instead of Coder."""
        if 300 <= answer.status <= 399:
            raise self._redirected(answer, where)
        if answer.is_page:
            raise Refused(
                f"{self.url} returned a web page for {where} ({answer.status}) instead of a Coder API response.",
                "This is the login page of a proxy, or another service. Check the URL, including its path if Coder "
                f"has one. If a proxy requires authentication, {self.PROXY_HINT}.",
                status=answer.status,
            )

    def _redirected(self, answer: Answer, where: str) -> CoderError:
        target = urljoin(self.url + "/", answer.headers.get("Location", ""))
        parts, own = urlsplit(target), urlsplit(self.url)
        shown = one_line(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")
        if parts.hostname == own.hostname and own.scheme == "http" and parts.scheme == "https":
            todo = f"Use the URL with https: {one_line(own._replace(scheme='https').geturl())}"
        else:
            todo = "If Coder is at that address, use its URL. If that is a login page, a proxy is in front of Coder."
        return Refused(f"{self.url} redirected {where} to {shown}.", todo, status=answer.status)

    # ------------------------------------------------------------------------------------------ requests

    def _refusal(self, answer: Answer, where: str) -> CoderError:
        """Returns the error for a response whose status is above 299."""
        raise NotImplementedError

    def _unexpected(self, what: str, why: str) -> CoderError:
        """Returns the error for a response of another shape."""
        raise NotImplementedError

    async def _json(self, method: str, path: str, *, content: Any = None, changing: bool = False) -> Any:
        """Sends a request with the token, requires success, and returns the decoded response."""
        answer = await self._request(method, path, content=content, changing=changing)
        return self._decoded(answer, f"{method} {path}")

    async def _request(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        changing: bool = False,
        limit: int = LARGEST_ANSWER,
    ) -> Answer:
        """Sends a request with the token and requires success; ``changing`` if it changes the deployment."""
        answer = await self._exchange(method, path, content=content, changing=changing, limit=limit)
        where = f"{method} {path.partition('?')[0]}"
        try:
            self._require_api(answer, where)
            if answer.status > 299:
                raise self._refusal(answer, where)
        except CoderError as error:
            error.maybe_done = changing and answer.status >= 500  # a gateway's error says nothing about Coder
            raise
        return answer

    def _decoded(self, answer: Answer, where: str) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._unexpected(f"{where.partition('?')[0]} of {self.url}", "it is not JSON") from None

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        changing: bool = False,
        anonymous: bool = False,
        limit: int = LARGEST_ANSWER,
    ) -> Answer:
        """Sends one request and returns the response, whatever its status; with the token unless ``anonymous``.

        ``content`` is sent as JSON, or as it is if it is Raw; no more than ``limit`` bytes are read.
        """
        if self._session is None:
            raise RuntimeError("the client is not open")
        headers = dict(self.credentials.headers)
        body: bytes | None = None
        if self.credentials.token and not anonymous:
            headers[self.TOKEN_HEADER] = self.credentials.token
        if isinstance(content, Raw):
            body, headers["Content-Type"] = content
        elif content is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(content).encode()
        began = time.time()
        # Silence is limited, and not duration: a long list takes minutes on a slow line, and so does an upload.
        limits = aiohttp.ClientTimeout(total=None, connect=min(CONNECT_TIMEOUT, self._timeout), sock_read=self._timeout)
        response: aiohttp.ClientResponse | None = None
        try:
            # A server that sends its headers drop by drop is never silent.
            async with asyncio.timeout(None if len(body or b"") > _SMALL else self._timeout):
                response = await self._session.request(
                    method,
                    self.url + path,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    proxy=None if is_socks(self._route.proxy) else self._route.proxy or None,
                    timeout=limits,
                )
            self._reached = True
            async with response:
                read = await self._read(response, changing, limit)
                note_request(method, self.url + path, response.status, began)
                return Answer(response.status, response.headers, read if response.ok else self._without_token(read))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(error, changing, began=response is not None) from None

    def _without_token(self, body: bytes) -> bytes:
        # Errors are shown to the user, and a server can repeat what was sent to it.
        token = self.credentials.token.encode()
        return body.replace(token, b"***") if len(token) > 3 else body

    async def _read(self, response: aiohttp.ClientResponse, changing: bool, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                response.close()  # do not wait for the rest
                if not response.ok:
                    break  # its status is enough
                raise CoderError(
                    f"{self.url} returned more than {limit // 1024 // 1024} MB; the rest was not read.",
                    "This is not a response from Coder. Check the URL, and any proxy in front of it.",
                    status=response.status,
                    maybe_done=changing and response.status <= 299,
                )
            parts.append(part)
        return b"".join(parts)

    def _unreachable(self, error: Exception, changing: bool, *, began: bool) -> CoderError:
        """Returns the error for a response that did not arrive completely; ``began`` if a part of it did."""
        at_proxy = self._route.at_proxy(error)
        if at_proxy is not None:
            return CoderError(*at_proxy)
        host = self._route.host
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return CoderError(
                    f"Coder at {host} has a certificate that is not trusted: {distrust(error)}.",
                    "Add its certificate authority to the system's, or set SSL_CERT_FILE to a file that contains it.",
                )
            case aiohttp.ClientSSLError():
                return CoderError(
                    f"Cannot open a secure connection to {host}: {one_line(reason_of(error))}.",
                    "Check that the server supports TLS on this port, and whether the Coder URL begins with http.",
                )
            case aiohttp.ClientConnectorDNSError():
                return CoderError(f"Cannot resolve the name {host}.", "Check the Coder URL, the VPN, and the network.")
            case aiohttp.ClientConnectorError():
                return CoderError(
                    f"Cannot reach Coder at {host}: {one_line(reason_of(error))}.",
                    "Check the Coder URL and the network.",
                )
            case aiohttp.ConnectionTimeoutError():
                return CoderError(
                    f"Cannot reach Coder at {host}: no connection within {CONNECT_TIMEOUT:.0f} seconds.",
                    "Check the network, the VPN, and the firewall.",
                )
            case TimeoutError():
                silent = f"within {self._timeout:g} seconds"
                what = f"stopped in the middle of its answer: nothing came {silent}" if began else None
                return CoderError(
                    f"Coder at {host} {what or f'did not answer {silent}'}.", "Try again.", maybe_done=changing
                )
            case aiohttp.InvalidURL() | ValueError():
                return CoderError(f"{host} is not a valid address.", "Check the Coder URL.")
        reason = one_line(reason_of(error))
        hint = ""
        if not self._reached and self.url.startswith("http:"):
            hint = (
                "A server that requires TLS closes the connection like this: check whether its URL begins with https. "
            )
        return CoderError(
            f"The connection to Coder at {host} was lost: {reason}.",
            f"{hint}Try again. If it still fails, do it by hand: {self.BY_HAND}.",
            maybe_done=changing,
        )


def segment(text: str) -> str:
    """Returns an id or a name as one segment of a path."""
    return quote(text, safe="")
