"""Requests to the API server: repeats what is safe to repeat, and raises one clear error for everything else.

The stock client provides TLS, proxies, and the connection pool; its models are not used, because raw JSON is three
times as fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack
from urllib.parse import urlencode

from wizard.cluster.credentials import Credential, Credentials, Interactive
from wizard.cluster.failures import Failure, Failures
from wizard.cluster.kubeconfig import Access
from wizard.cluster.refusals import LONGEST_MESSAGE, ApiRefusal, OddAnswer, Target, read_warnings
from wizard.cluster.routes import CONNECT_SECONDS, is_socks, reason_of
from wizard.cluster.shapes import Odd, Shape, decoded, require_flat
from wizard.cluster.stock_client import stock_client
from wizard.errors import InputError
from wizard.text.escaping import printable
from wizard.text.trace import note_request
from wizard.tls import KeyIsEncrypted, follow_go, load_client_certificate, usable_certificates

if TYPE_CHECKING:
    from wizard.http_library import aiohttp

ATTEMPTS = 8
"""How often a request is tried, including the first time."""

FIRST_ATTEMPTS = 4
"""The same if the server never answered: it is more likely the wrong server than a busy one."""

TIMEOUT_SECONDS = 30.0
"""How long the server can be silent."""

LARGEST = 64 * 2**20
"""The largest answer that is read, in bytes; objects have two million at most."""

LARGEST_LIST = 2**30
"""The same for a list: without pages, that of 15,000 nodes has some hundred million."""

LARGEST_REFUSAL = 2**20
LONGEST_DELAY_SECONDS = 5.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A request is not repeated if the server requires a longer pause than this."""

CONNECTIONS = 64
TRANSIENT = (429, 500, 502, 503, 504)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Answer(Generic[Body]):
    """An answer of the server; the names of ``headers`` are not case-sensitive.

    ``body`` is the raw bytes, or their content: the JSON, or the text if it is not JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Body
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """A request will be repeated after ``delay`` seconds. ``status`` is 0 if the connection failed."""

    status: int
    delay: float


class Options(TypedDict, total=False):
    """What a request can have besides its method and its path."""

    query: Mapping[str, str]
    """Unquoted."""
    body: Any
    content_type: str
    accept: str
    timeout: float
    """How long the server can be silent, in seconds."""
    largest: int
    """How many bytes the body of the answer can have."""
    idempotent: bool
    """Whether it can be repeated although it was possibly carried out; by default all but POST."""
    attempts: int
    on_retry: Callable[[Retry], None] | None
    """Is called before each repetition."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, as it is sent each time."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    timeout: float = TIMEOUT_SECONDS
    largest: int = LARGEST
    idempotent: bool | None = None
    attempts: int = ATTEMPTS
    on_retry: Callable[[Retry], None] | None = None

    @property
    def repeatable(self) -> bool:
        """Tells whether it can be sent again although the server has possibly carried it out."""
        return self.method != "POST" if self.idempotent is None else self.idempotent


class Transport:
    """Connections to one API server, with fresh credentials."""

    def __init__(self, access: Access, interactive: Interactive | None = None) -> None:
        self.access = access
        self.warnings: dict[str, None] = {}
        """Warnings from the server, each once, in order."""
        self.clock_skew = 0.0
        """Seconds by which the server's clock is ahead, from the Date of its last answer, to about one second."""
        self._credentials = Credentials(access.identity, interactive)
        self._client: Any = None
        self._certificate: tuple[bytes, bytes] | None = None
        self._opening = asyncio.Lock()
        self._reached = False
        self._date = ""
        self._failures = Failures(access)

    async def close(self) -> None:
        """Closes all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def request(
        self, method: str, path: str, *, shape: Shape | None = None, **options: Unpack[Options]
    ) -> Answer[Any]:
        """Sends one request, repeated if that is safe.

        ``shape`` is what the answer has to look like: that it is not deep is always checked.

        Raises ApiRefusal if the server rejects it, OddAnswer if its answer has another shape, ClusterError if no
        complete answer comes.
        """
        raw = await self.fetch(method, path, **options)
        if not options.get("accept", JSON).startswith(JSON):
            return Answer(raw.status, raw.headers, raw.body.decode("utf-8", "replace"), raw.warnings)
        try:
            read = decoded(raw.body)
            require_flat(read)
            if shape is not None:
                shape(read)
        except Odd as odd:
            raise self.odd(method, path, odd) from None
        return Answer(raw.status, raw.headers, read, raw.warnings)

    def odd(self, method: str, path: str, odd: Odd) -> OddAnswer:
        """Returns the error for an answer of another shape."""
        return self._failures.odd(method, path, str(odd))

    async def fetch(self, method: str, path: str, **options: Unpack[Options]) -> Answer[bytes]:
        """Sends a request as ``request`` does, but returns the body unparsed."""
        request = _Request(method, path, **options)
        renewed, timeouts, attempt = False, 0, 0
        while True:
            attempt += 1
            credential = await self._credentials.current()
            try:
                answer = await self._send(request, credential)
                if answer.status < 300:
                    self._check_whole(answer, request.accept)
                    return answer
                refusal = self._read_refusal(Target.of(method, path), answer)
            except Failure as failure:
                timeouts += failure.timeout
                again = failure.transient and (request.repeatable or not failure.sent) and timeouts < 2
                if not self._reached:
                    again = again and failure.sent and attempt < FIRST_ATTEMPTS
                if not again or attempt >= request.attempts:
                    raise failure.error from None
                delay, status = _backoff(attempt), 0
            else:
                if answer.status == 401 and not renewed and await self._credentials.renew(credential):
                    renewed = True
                    continue
                wanted = _retry_after(answer)
                safe = request.repeatable or answer.status == 429
                if (
                    answer.status not in TRANSIENT
                    or refusal.permanent
                    or not safe
                    or attempt >= request.attempts
                    or (wanted or 0) > LONGEST_RETRY_AFTER_SECONDS
                ):
                    raise refusal
                delay, status = max(_backoff(attempt), wanted or 0), answer.status
            if request.on_retry is not None:
                request.on_retry(Retry(status, delay))
            await asyncio.sleep(delay)

    async def stream(self, path: str, query: Mapping[str, str], silence: float) -> AsyncGenerator[bytes, None]:
        """Yields the lines of a long answer, until the server ends it.

        ``silence`` is the number of seconds without a byte after which the connection counts as lost. Raises
        ApiRefusal if the server rejects the request, ClusterError if the connection fails; nothing is repeated here.
        """
        from wizard.http_library import aiohttp

        request = _Request("GET", path, query, timeout=silence)
        credential = await self._credentials.current()
        response: aiohttp.ClientResponse | None = None
        try:
            began = time.time()
            response = await self._open(credential, request)
            note_request("WATCH", path, response.status, began)
            if response.status >= 300:
                answer = Answer(response.status, response.headers, await self._read(response, request))
                if answer.status == 401:
                    await self._credentials.renew(credential)
                raise self._read_refusal(Target("watch", Target.of("GET", path).resource), answer)
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
                if len(rest) > LARGEST:
                    raise self._failures.too_large("GET", path, LARGEST)
        except Failure as failure:
            raise failure.error from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failures.explain(error, silence, reached=self._reached, began=response is not None).error from (
                None
            )
        finally:
            if response is not None:
                response.close()

    async def _send(self, request: _Request, credential: Credential) -> Answer[bytes]:
        if self._client is None:
            # The imports are slow, so they run on a thread and the loop continues.
            await asyncio.to_thread(stock_client)
        from wizard.http_library import aiohttp

        began, response = time.time(), None
        try:
            # A server that sends its headers drop by drop is never silent, but no list takes this long to begin.
            async with asyncio.timeout(request.timeout):
                response = await self._open(credential, request)
            try:
                content = await self._read(response, request)
            finally:
                response.release()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._failures.explain(
                error, request.timeout, reached=self._reached, began=response is not None
            ) from None
        note_request(request.method, request.path, response.status, began)
        self._reached = True
        self._read_date(response.headers.get("Date", ""), began)
        warnings = read_warnings(response.headers.getall("Warning", ()))
        self.warnings.update(dict.fromkeys(warnings))
        if response.history or response.status in (301, 302, 303, 307, 308):
            raise self._failures.not_an_api(
                f"it redirected the request to {printable(str(response.url.origin()))}", transient=False
            )
        return Answer(response.status, response.headers, content, warnings)

    async def _read(self, response: aiohttp.ClientResponse, request: _Request) -> bytes:
        """Returns the body. A refusal is read up to a limit, and any other answer has to end before its own."""
        refused = response.status >= 300
        largest = LARGEST_REFUSAL if refused else request.largest
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > largest:
                response.close()
                if refused:
                    break
                raise self._failures.too_large(request.method, request.path, largest)
        return b"".join(parts)

    async def _open(self, credential: Credential, request: _Request) -> aiohttp.ClientResponse:
        from multidict import CIMultiDict
        from yarl import URL

        from wizard.http_library import aiohttp

        client = await self._get_client(credential)
        headers = CIMultiDict(
            {"Accept": request.accept, "Content-Type": request.content_type, "User-Agent": "podman-wizard"}
        )
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        for name, value in self.access.headers:
            headers.add(name, value)
        address = self.access.server + request.path
        url = URL(f"{address}?{urlencode(request.query)}" if request.query else address, encoded=True)
        # Silence is limited, and not duration: a long list takes minutes on a slow line.
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=request.timeout)
        answer = await client.request(request.method, url, headers=headers, body=request.body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _get_client(self, credential: Credential) -> Any:
        if self._client is not None and self._certificate == credential.certificate:
            return self._client
        async with self._opening:
            if self._client is not None and self._certificate != credential.certificate:
                await self.close()
            if self._client is None:
                # Reading the system's certificates is slow too.
                self._client = await asyncio.to_thread(_make_client, self.access, credential.certificate)
                self._certificate = credential.certificate
            return self._client

    def _check_whole(self, answer: Answer[bytes], accept: str) -> None:
        if not accept.startswith(JSON):
            return
        if not answer.headers.get("Content-Type", "").startswith(JSON):
            raise self._failures.not_an_api("its answer is not JSON", transient=False)
        # Cheaper than parsing a page of 500 nodes twice, and enough to detect a missing end.
        if not answer.body[-64:].rstrip().endswith(b"}"):
            raise self._failures.broken_off()

    def _read_refusal(self, target: Target, answer: Answer[bytes]) -> ApiRefusal:
        kind = answer.headers.get("Content-Type", "")
        if "html" in kind:
            transient = answer.status in TRANSIENT
            raise self._failures.not_an_api(f"it returned a web page (status {answer.status})", transient=transient)
        body: Any = answer.body[:LONGEST_MESSAGE].decode("utf-8", "replace")
        if kind.startswith(JSON):
            try:
                body = decoded(answer.body)
            except Odd as odd:
                # What is cut off is worth another try; what is too long or too deep still has its status.
                if len(answer.body) < LARGEST_REFUSAL and "deeply" not in odd.why:
                    raise self._failures.broken_off() from None
        return ApiRefusal(target, answer.status, body, withheld=self.access.withheld)

    def _read_date(self, date: str, began: float) -> None:
        if date == self._date:
            return
        self._date = date
        now = time.time()
        # A slow answer is useless for the clock; a Date has no fractions, so half a second is added.
        if now - began < 2:
            with contextlib.suppress(ValueError, OverflowError, OSError):
                self.clock_skew = round(parsedate_to_datetime(date).timestamp() + 0.5 - (began + now) / 2, 1)


def _make_client(access: Access, certificate: tuple[bytes, bytes] | None) -> Any:
    """Returns the stock client's connections: TLS, proxy, pool. Raises InputError for certificates it cannot use."""
    client = stock_client()
    from wizard.http_library import without_authorities

    trusted = usable_certificates(access.ca) if access.ca else []
    if access.ca and not trusted:
        raise InputError(
            f"The certificate-authority of the context {printable(access.context)!r} has no usable certificate.",
            "Correct the entry: it needs certificates in PEM form.",
            file=access.source,
        )
    through_socks = is_socks(access.proxy)
    configuration = client.configuration(
        host=access.server,
        ca_cert_data="\n".join(trusted) or None,
        verify_ssl=access.verify,
        tls_server_name=access.tls_server_name or None,
        proxy=None if through_socks else access.proxy or None,
        connection_pool_maxsize=CONNECTIONS,
        # The environment was already read by kubectl's rules; ~/.netrc must not be used.
        client_session_kwargs={"trust_env": False},
    )
    # The authorities of the system are many, and reading them takes as long as several requests.
    with contextlib.nullcontext() if access.route.encrypted else without_authorities():
        made = client.rest(configuration)
    follow_go(made.ssl_context)
    if through_socks:
        from wizard.cluster.socks import SocksConnector

        options = {"limit": CONNECTIONS, "ssl": made.ssl_context}
        # Its documented place for another connector; this one is opened by the first request, on the loop.
        made._create_connector = lambda: SocksConnector(access.proxy, **options)
    if certificate is not None:
        try:
            load_client_certificate(made.ssl_context, *certificate)
        except KeyIsEncrypted:
            raise InputError(
                f"The client key of the context {printable(access.context)!r} is encrypted, which kubectl does not "
                "accept either.",
                "Decrypt it into a file that only you can read, and set client-key to it: "
                "(umask 077; openssl pkey -in CLIENT.key -out DECRYPTED.key)",
                file=access.source,
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(
                f"The client certificate of the context {printable(access.context)!r} cannot be used: "
                f"{reason_of(error)}.",
                "Log in again, or fix the entry.",
                file=access.source,
            ) from None
    return made


def _backoff(attempt: int) -> float:
    """Returns the seconds before the next try: doubling, with jitter, so that clients do not retry all at once."""
    delay: float = min(0.1 * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS)
    return delay * (0.5 + random.random() / 2)


def _retry_after(answer: Answer[bytes]) -> float | None:
    """Returns the pause that the server requires, in seconds; API servers send whole seconds, never a date."""
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
