"""One request to the API server, and all that can go wrong with it.

The stock client gives TLS, proxies and the connection pool; its models are left alone, since raw JSON is three
times as fast. Repeats what may be repeated, and makes one clear error of what may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

from wizard.cluster.kubeconfig import Access
from wizard.cluster.refusals import ApiRefusal, Target, read_warnings
from wizard.cluster.stock_client import stock_client
from wizard.credentials import Credential, Credentials, Interactive
from wizard.errors import ClusterError, InputError
from wizard.escaping import printable

if TYPE_CHECKING:
    import aiohttp

ATTEMPTS = 8
"""How often a request is tried, the first time included."""

FIRST_ATTEMPTS = 4
"""The same as long as the server never answered: it is more likely the wrong one than a busy one."""

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 5.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A server that wants a longer pause than this is not waited for."""

CONNECTIONS = 64
TRANSIENT = (429, 500, 502, 503, 504)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Body]):
    """What the server said; ``headers`` are found in upper and lower case.

    ``body`` is its bytes as they came, or what was read from them: the JSON, or the text where it is not JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Body
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """A request will be repeated after ``delay`` seconds. ``status`` is 0 where the connection failed."""

    status: int
    delay: float


class _Failure(Exception):
    """No whole answer came. ``sent`` is False where the request certainly did not reach the server."""

    def __init__(self, error: ClusterError, *, sent: bool, transient: bool, timeout: bool = False) -> None:
        super().__init__(error.what)
        self.error = error
        self.sent = sent
        self.transient = transient
        self.timeout = timeout


class Transport:
    """Connections to one API server, with credentials that are kept fresh."""

    def __init__(self, access: Access, interactive: Interactive | None = None) -> None:
        self.access = access
        self.warnings: dict[str, None] = {}
        """Warnings that the server sent along, each once, in order."""
        self.clock_skew = 0.0
        """Seconds by which the server's clock is ahead, as its last answer's Date says, to about one second."""
        self._credentials = Credentials(access.identity, interactive)
        self._client: Any = None
        self._certificate: tuple[bytes, bytes] | None = None
        self._opening = asyncio.Lock()
        self._reached = False
        self._date = ""
        self._host = urlsplit(access.server).netloc

    async def close(self) -> None:
        """Closes all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        idempotent: bool | None = None,
        timeout: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        on_retry: Callable[[Retry], None] | None = None,
        accept: str = JSON,
    ) -> Answer[Any]:
        """One request, repeated where that is safe. ``query`` is unquoted; ``timeout`` is in seconds, for one try.

        ``idempotent`` says whether a request may be repeated that perhaps was carried out; by default all but
        POST. ``on_retry`` is told before each repetition.

        Raises ApiRefusal where the server refuses, ClusterError where no whole answer can be had.
        """
        raw = await self.fetch(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            idempotent=idempotent,
            timeout=timeout,
            attempts=attempts,
            on_retry=on_retry,
            accept=accept,
        )
        read: Any = json.loads(raw.body) if accept.startswith(JSON) else raw.body.decode("utf-8", "replace")
        return Answer(raw.status, raw.headers, read, raw.warnings)

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        idempotent: bool | None = None,
        timeout: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        on_retry: Callable[[Retry], None] | None = None,
        accept: str = JSON,
    ) -> Answer[bytes]:
        """As ``request``, without looking into a body that is whole."""
        repeatable = method != "POST" if idempotent is None else idempotent
        renewed, timeouts, attempt = False, 0, 0
        while True:
            attempt += 1
            credential = await self._credentials.current()
            try:
                answer = await self._send(method, path, query, body, content_type, accept, timeout, credential)
                if answer.status < 300:
                    self._check_whole(answer, accept)
                    return answer
                refusal = self._read_refusal(Target.of(method, path), answer)
            except _Failure as failure:
                timeouts += failure.timeout
                again = failure.transient and (repeatable or not failure.sent) and timeouts < 2
                if not self._reached:
                    again = again and failure.sent and attempt < FIRST_ATTEMPTS
                if not again or attempt >= attempts:
                    raise failure.error from None
                delay, status = _backoff(attempt), 0
            else:
                if answer.status == 401 and not renewed and await self._credentials.renew(credential):
                    renewed = True
                    continue
                wanted = _retry_after(answer)
                safe = repeatable or answer.status == 429
                if (
                    answer.status not in TRANSIENT
                    or refusal.permanent
                    or not safe
                    or attempt >= attempts
                    or (wanted or 0) > LONGEST_RETRY_AFTER_SECONDS
                ):
                    raise refusal
                delay, status = max(_backoff(attempt), wanted or 0), answer.status
            if on_retry is not None:
                on_retry(Retry(status, delay))
            await asyncio.sleep(delay)

    async def stream(self, path: str, query: Mapping[str, str], silence: float) -> AsyncGenerator[bytes, None]:
        """The lines of an answer that goes on, until the server ends it.

        ``silence`` is how many seconds may pass without a byte before the connection is taken for dead. Raises
        ApiRefusal where the server refuses, ClusterError where the connection fails; nothing is repeated here.
        """
        import aiohttp

        credential = await self._credentials.current()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._open(credential, "GET", path, query, None, JSON, JSON, timeout)
            if response.status >= 300:
                answer = Answer(response.status, response.headers, await response.read())
                if answer.status == 401:
                    await self._credentials.renew(credential)
                raise self._read_refusal(Target("watch", Target.of("GET", path).resource), answer)
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
        except _Failure as failure:
            raise failure.error from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._explain(error, silence).error from None
        finally:
            if response is not None:
                response.close()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        accept: str,
        timeout: float,
        credential: Credential,
    ) -> Answer[bytes]:
        if self._client is None:
            # The imports take their time on a thread: the loop goes on meanwhile.
            await asyncio.to_thread(stock_client)
        import aiohttp

        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        began = time.time()
        try:
            response = await self._open(credential, method, path, query, body, content_type, accept, limits)
            try:
                content = await response.read()
            finally:
                response.release()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._explain(error, timeout) from None
        self._reached = True
        self._read_date(response.headers.get("Date", ""), began)
        warnings = read_warnings(response.headers.getall("Warning", ()))
        self.warnings.update(dict.fromkeys(warnings))
        if response.history or response.status in (301, 302, 303, 307, 308):
            raise self._not_an_api(
                f"it sent the request on to {printable(str(response.url.origin()))}", transient=False
            )
        return Answer(response.status, response.headers, content, warnings)

    async def _open(
        self,
        credential: Credential,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        accept: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        from multidict import CIMultiDict
        from yarl import URL

        client = await self._get_client(credential)
        headers = CIMultiDict({"Accept": accept, "Content-Type": content_type, "User-Agent": "podman-wizard"})
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        for name, value in self.access.headers:
            headers.add(name, value)
        url = URL(
            f"{self.access.server}{path}?{urlencode(query)}" if query else self.access.server + path, encoded=True
        )
        answer = await client.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _get_client(self, credential: Credential) -> Any:
        if self._client is not None and self._certificate == credential.certificate:
            return self._client
        async with self._opening:
            if self._client is not None and self._certificate != credential.certificate:
                await self.close()
            if self._client is None:
                # So does reading the system's certificates.
                self._client = await asyncio.to_thread(_make_client, self.access, credential.certificate)
                self._certificate = credential.certificate
            return self._client

    def _check_whole(self, answer: Answer[bytes], accept: str) -> None:
        if not accept.startswith(JSON):
            return
        if not answer.headers.get("Content-Type", "").startswith(JSON):
            raise self._not_an_api("it answered with something that is not JSON", transient=False)
        # Cheaper than parsing a page of 500 nodes twice, and enough to see that the end is missing.
        if not answer.body[-64:].rstrip().endswith(b"}"):
            raise self._broken_off()

    def _read_refusal(self, target: Target, answer: Answer[bytes]) -> ApiRefusal:
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith(JSON):
            try:
                return ApiRefusal(target, answer.status, json.loads(answer.body))
            except ValueError:
                raise self._broken_off() from None
        if "html" in kind:
            transient = answer.status in TRANSIENT
            raise self._not_an_api(f"it answered with a web page (status {answer.status})", transient=transient)
        return ApiRefusal(target, answer.status, answer.body[:500].decode("utf-8", "replace"))

    def _read_date(self, date: str, began: float) -> None:
        if date == self._date:
            return
        self._date = date
        now = time.time()
        # A slow answer says nothing about the clock; a Date has no fractions, so half a second is added.
        if now - began < 2:
            with contextlib.suppress(ValueError):
                self.clock_skew = round(parsedate_to_datetime(date).timestamp() + 0.5 - (began + now) / 2, 1)

    def _not_an_api(self, why: str, *, transient: bool) -> _Failure:
        error = ClusterError(
            f"{self._host} does not answer as a Kubernetes API server: {why}.",
            f"A proxy or a login page may stand in between. Check the server of the context in {self.access.source}, "
            "HTTPS_PROXY and NO_PROXY.",
        )
        return _Failure(error, sent=True, transient=transient)

    def _broken_off(self) -> _Failure:
        error = ClusterError(
            f"The answer of {self._host} breaks off in the middle.",
            "Check the connection, and what stands in between (a proxy, a VPN), and try again.",
        )
        return _Failure(error, sent=True, transient=True)

    def _explain(self, error: Exception, timeout: float) -> _Failure:
        import aiohttp

        host, source = self._host, self.access.source
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
            return _Failure(self._explain_certificate(error), sent=False, transient=False)
        if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
            status = f" ({error.status})" if isinstance(error, aiohttp.ClientHttpProxyError) else ""
            problem = ClusterError(
                f"The proxy does not let us through to {host}{status}.",
                "Check HTTPS_PROXY and NO_PROXY, or proxy-url in the kubeconfig.",
            )
            return _Failure(problem, sent=False, transient=False)
        if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)) or "SSL" in type(error).__name__:
            problem = ClusterError(
                f"No secure connection to {host}: {reason_of(error)}.",
                f"Check that the server speaks TLS and that the client certificate in {source} is still valid.",
            )
            return _Failure(problem, sent=False, transient=False)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            problem = ClusterError(
                f"The name of {host} cannot be resolved.", f"Check the server in {source}, the VPN and the network."
            )
            return _Failure(problem, sent=False, transient=True)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            problem = ClusterError(
                f"{host} cannot be reached: no connection within {CONNECT_SECONDS:.0f} seconds.",
                "Check the network, the VPN and the firewall.",
            )
            return _Failure(problem, sent=False, transient=True, timeout=True)
        if isinstance(error, aiohttp.ClientConnectorError):
            problem = ClusterError(
                f"{host} cannot be reached: {reason_of(error)}.",
                f"Check that the cluster is running, and the server in {source}.",
            )
            return _Failure(problem, sent=False, transient=True)
        if isinstance(error, TimeoutError):
            problem = ClusterError(
                f"{host} did not answer within {timeout:.0f} seconds.", "It may be overloaded. Try again in a while."
            )
            return _Failure(problem, sent=True, transient=True, timeout=True)
        if isinstance(error, aiohttp.ClientPayloadError):
            return self._broken_off()
        if isinstance(error, (aiohttp.ClientResponseError, ValueError)):
            return self._not_an_api("it does not speak HTTP as expected", transient=False)
        todo = "Check the connection, and try again."
        if not self._reached and self.access.server.startswith("https:"):
            todo += " A server that insists on a client certificate hangs up like this too."
        problem = ClusterError(f"The connection to {host} was lost: {reason_of(error)}.", todo)
        return _Failure(problem, sent=True, transient=True)

    def _explain_certificate(self, error: Exception) -> ClusterError:
        cause = getattr(error, "certificate_error", error)
        why = str(getattr(cause, "verify_message", "") or cause).rstrip(".")
        todo = f"Check certificate-authority of the cluster in {self.access.source}"
        if "expired" in why or "not yet valid" in why:
            todo = "Check the clock of this machine; if it is right, the server's certificate has to be renewed"
        elif "mismatch" in why or "doesn't match" in why or "not valid for" in why:
            todo = f"Check the server, or set tls-server-name, in {self.access.source}"
        return ClusterError(f"The certificate of {self._host} is not trusted: {printable(why)}.", f"{todo}.")


def _make_client(access: Access, certificate: tuple[bytes, bytes] | None) -> Any:
    """The stock client's connections: TLS, proxy, pool."""
    client = stock_client()
    with tempfile.TemporaryDirectory(prefix="podman-wizard-") as folder:
        configuration = client.configuration(
            host=access.server,
            ca_cert_data=access.ca.decode("utf-8", "replace") if access.ca else None,
            verify_ssl=access.verify,
            tls_server_name=access.tls_server_name or None,
            proxy=access.proxy or None,
            connection_pool_maxsize=CONNECTIONS,
            # The environment was read already, by kubectl's rules; from ~/.netrc nothing is wanted.
            client_session_kwargs={"trust_env": False},
        )
        # Python 3.13 refuses authorities that Go, and so kubectl, takes.
        configuration.disable_strict_ssl_verification = True
        if certificate is not None:
            # OpenSSL takes them from files only.
            for name, content in zip(("cert_file", "key_file"), certificate, strict=True):
                path = Path(folder, name)
                path.touch(mode=0o600)
                path.write_bytes(content)
                setattr(configuration, name, str(path))
        try:
            return client.rest(configuration)
        except (ssl.SSLError, ValueError) as error:
            what = "client certificate" if certificate is not None else "certificate-authority"
            raise InputError(
                f"The {what} of the context {printable(access.context)!r} cannot be used: {reason_of(error)}.",
                "Log in again, or mend the entry.",
                file=access.source,
            ) from None


def _backoff(attempt: int) -> float:
    """Seconds before the next try: doubling, with jitter, so that many clients do not come back at once."""
    delay: float = min(0.1 * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS)
    return delay * (0.5 + random.random() / 2)


def _retry_after(answer: Answer[bytes]) -> float | None:
    """The pause that the server asks for, in seconds; API servers give whole seconds, never a date."""
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in the system's words."""
    cause = getattr(error, "os_error", error)
    text = getattr(cause, "reason", None) or getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    # asyncio writes "Connect call failed ('127.0.0.1', 1)" where the system says "Connection refused".
    number = getattr(cause, "errno", None)
    if isinstance(number, int) and number > 0 and not isinstance(cause, ssl.SSLError):
        text = os.strerror(number)
    return printable(str(text)).strip().rstrip(".").replace("_", " ").lower()
