"""Coder v1's API: the requests of its command line, no more than the guide's two steps need.

Every request is one of coder-v1-cli's (coder-sdk/request.go, workspace.go, config.go, users.go, version.go):
the header ``Session-Token``, the API's path behind the path of the base URL, success up to 299, errors as
``wizard.coder.refusals`` has them. Unlike the command line it follows no redirect: the token goes to no other
place than the one that it was given for.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import aiohttp

from wizard.cluster.kubeconfig import proxy_for
from wizard.cluster.transport import reason_of
from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.answers import (
    Deployment,
    MergeConflict,
    Template,
    User,
    Workspace,
    WorkspaceSettings,
    unexpected,
)
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError, Refused, refusal
from wizard.coder.words import one_line

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes, unpacked; the list of all workspaces of a large deployment is some megabytes."""

TIMEOUT = 120.0
"""Seconds for one request: a dry run merges the policy into the template of every workspace."""

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection stands."""

_AT_ONCE = 8  # names of workspaces and owners asked for together

_PARSE = "/api/private/workspaces/template/parse"
_POLICY = "/api/private/workspaces/template/policy"
_SETTINGS = "/api/v0/workspaces/config"
_SCHEMA = "/api/private/template/schemas/wac.schema.json"


class Answer:
    """An answer that was read whole."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, as a proxy's login page is."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return kind in ("text/html", "application/xhtml+xml") or self.body[:200].lstrip().lower().startswith(
            (b"<!doctype html", b"<html")
        )


class CoderClient:
    """The connection to one deployment; an asynchronous context.

    Every method raises CoderError (exit code 3) where Coder cannot be reached, refuses, or answers otherwise
    than expected.
    """

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

    async def __aenter__(self) -> CoderClient:
        # aiohttp's own context is made at its import, and would not see an SSL_CERT_FILE that is set later.
        verified = ssl.create_default_context() if self.url.startswith("https:") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=verified),
            timeout=aiohttp.ClientTimeout(total=self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "podman-wizard", "Accept": "application/json"},
            # Proxies are read here by Go's rules; trust_env would also send what stands in a .netrc.
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    # ------------------------------------------------------------------------------------ what it can do

    async def deployment(self) -> Deployment:
        """Whether this is Coder v1 or v2, and its version.

        v1 tells its version in the header ``coder-version`` of ``/api``, or not at all; v2 has
        ``/api/v2/buildinfo``, which needs no token.
        """
        first = await self._exchange("GET", "/api")
        version = first.headers.get("coder-version", "").strip()
        if version:
            return Deployment("v1", one_line(version))
        second = await self._exchange("GET", "/api/v2/buildinfo", anonymous=True)
        if second.status <= 299 and not second.is_page:
            try:
                found = self._decoded(second, "GET /api/v2/buildinfo")
            except CoderError:
                found = None
            if isinstance(found, Mapping) and isinstance(found.get("version"), str):
                return Deployment("v2", one_line(found["version"]))
        if first.is_page or 300 <= first.status <= 399:
            self._require_api(first, "GET /api")
        if first.status == 404:
            raise Refused(
                f"There is no Coder at {self.url}: it knows neither /api nor /api/v2/buildinfo.",
                "Check the URL, with its path if Coder has one.",
                status=404,
            )
        if first.status >= 500:
            raise refusal(first.status, first.body, where="GET /api", url=self.url)
        return Deployment("v1")

    async def me(self) -> User:
        """Who the token belongs to."""
        return User.of(await self._json("GET", "/api/v0/users/me"))

    async def settings(self) -> WorkspaceSettings:
        """The site's settings of workspaces."""
        return WorkspaceSettings.of(await self._json("GET", _SETTINGS))

    async def set_templates(self, enabled: bool) -> tuple[WorkspaceSettings, WorkspaceSettings]:
        """Switches workspace templates on or off; gives the settings before and, read again, after.

        The settings are read, one field is changed, and all are written back: fields that are not known here
        stay. Nothing is written where it is so already.
        """
        before = await self.settings()
        if before.templates_enabled == enabled:
            return before, before
        await self._request("PUT", _SETTINGS, content=before.with_templates(enabled).fields, changing=True)
        try:
            after = await self.settings()
        except CoderError as error:
            raise CoderError(
                f"Coder took the setting; whether it holds could not be read: {error.what}",
                f"{error.todo} podman-wizard coder status tells then how it is.".strip(),
                status=error.status,
                maybe_done=True,
            ) from None
        if after.templates_enabled != enabled:
            raise CoderError(
                f"Coder took the setting, but still says that workspace templates are "
                f"{'enabled' if after.templates_enabled else 'not enabled'}.",
                f"{UNTRIED} Look in Coder, under Manage > Admin > Templates.",
                maybe_done=True,
            )
        return before, after

    async def parse(self, content: bytes) -> Template:
        """Has Coder parse a template, as it is in the file. Raises TemplateRefused with Coder's messages."""
        answer = await self._request("POST", f"{_PARSE}?org-id=SKIP_ORG", raw=content)
        return Template.of(self._decoded(answer, f"POST {_PARSE}"))

    async def set_policy(self, template: Template, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        """Makes a parsed template the site's policy, or only says which workspaces that would touch.

        Raises an error whose ``maybe_done`` is set where Coder may have taken it and we could not read so.
        """
        return await self._set_policy(template.id, dry_run=dry_run)

    async def reset_policy(self, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        """The same with Coder's default policy."""
        return await self._set_policy("", dry_run=dry_run)

    async def _set_policy(self, id: str, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        path = f"{_POLICY}?dry-run=true" if dry_run else _POLICY
        content = {"template_id": id, "type": "site"}
        answer = await self._request("POST", path, content=content, changing=not dry_run)
        try:
            return MergeConflict.all_of(self._decoded(answer, f"POST {_POLICY}"))
        except CoderError as error:
            # The status said yes: what we cannot read is only its report.
            error.maybe_done = not dry_run
            raise

    async def workspaces(self, ids: Iterable[str]) -> dict[str, Workspace]:
        """Workspaces by id, with their names and their owners'; what cannot be read keeps its id as its name."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(path: str) -> Mapping[str, Any]:
            async with limit:
                try:
                    found = await self._json("GET", path)
                except CoderError:
                    # A name is a kindness: the command line shows the id as well where it cannot read it.
                    return {}
            return found if isinstance(found, Mapping) else {}

        unique = list(dict.fromkeys(ids))
        found = await asyncio.gather(*(read(f"/api/v0/workspaces/{_segment(id)}") for id in unique))
        owner_ids = list(dict.fromkeys(str(item.get("user_id") or "") for item in found))
        owners = await asyncio.gather(
            *(read(f"/api/v0/users/{_segment(id)}") if id else _nothing() for id in owner_ids)
        )
        names = {id: one_line(user.get("username") or id) for id, user in zip(owner_ids, owners, strict=True)}
        return {
            id: Workspace(id, one_line(item.get("name") or id), names[str(item.get("user_id") or "")])
            for id, item in zip(unique, found, strict=True)
        }

    async def schema(self) -> Mapping[str, Any] | None:
        """The deployment's own JSON Schema of templates; None where it serves none."""
        answer = await self._exchange("GET", _SCHEMA)
        if answer.status > 299 or answer.is_page:
            return None
        try:
            found = self._decoded(answer, f"GET {_SCHEMA}")
        except CoderError:
            return None
        return found if isinstance(found, Mapping) else None

    # ------------------------------------------------------------------------------------------ requests

    async def _json(self, method: str, path: str) -> Any:
        return self._decoded(await self._request(method, path), f"{method} {path}")

    async def _request(
        self, method: str, path: str, *, content: Any = None, raw: bytes | None = None, changing: bool = False
    ) -> Answer:
        """A request as the token's owner whose answer is a success; ``changing`` where it changes the deployment."""
        answer = await self._exchange(method, path, content=content, raw=raw, changing=changing)
        where = f"{method} {path.partition('?')[0]}"
        try:
            self._require_api(answer, where)
            if answer.status > 299:
                raise refusal(answer.status, answer.body, where=where, url=self.url)
        except CoderError as error:
            error.maybe_done = changing and answer.status >= 500  # a gateway's word says nothing of Coder's
            raise
        return answer

    def _require_api(self, answer: Answer, where: str) -> None:
        """Raises where not Coder itself answered, but what stands before it."""
        if 300 <= answer.status <= 399:
            raise self._redirected(answer, where)
        if answer.is_page:
            raise Refused(
                f"{self.url} answers {where} with a web page ({answer.status}), not as Coder's API does.",
                "A login page of a proxy, or another service: check the URL, with its path if Coder has one. "
                "A proxy may want ENDPOINT_AUTH_HEADER.",
                status=answer.status,
            )

    def _redirected(self, answer: Answer, where: str) -> CoderError:
        target = urljoin(self.url + "/", answer.headers.get("Location", ""))
        parts, own = urlsplit(target), urlsplit(self.url)
        shown = one_line(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")
        if parts.hostname == own.hostname and own.scheme == "http" and parts.scheme == "https":
            todo = f"Give the URL with https: {one_line(own._replace(scheme='https').geturl())}"
        else:
            todo = "If that is where Coder is, give its URL; if it is a login page, a proxy stands before Coder."
        return Refused(f"{self.url} sends {where} on to {shown}.", todo, status=answer.status)

    def _decoded(self, answer: Answer, where: str) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise unexpected(f"{where.partition('?')[0]} of {self.url}", "it is no JSON") from None

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        raw: bytes | None = None,
        changing: bool = False,
        anonymous: bool = False,
    ) -> Answer:
        """One request and its answer, whatever its status; the token only where it is not ``anonymous``."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        headers: dict[str, str] = {}
        body = raw
        if self.credentials.token and not anonymous:
            headers["Session-Token"] = self.credentials.token
        if self.credentials.endpoint_authorization:
            headers["Authorization"] = self.credentials.endpoint_authorization
        if raw is not None:
            headers["Content-Type"] = "application/octet-stream"
        elif content is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(content).encode()
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy_for(self.url, self._environ) or None,
            ) as response:
                read = await self._read(response, changing)
                return Answer(response.status, response.headers, read if response.ok else self._without_token(read))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(error, changing) from None

    def _without_token(self, body: bytes) -> bytes:
        # What is refused is quoted to a person, and a server may repeat what it was sent.
        token = self.credentials.token.encode()
        return body.replace(token, b"***") if len(token) > 3 else body

    async def _read(self, response: aiohttp.ClientResponse, changing: bool) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > LARGEST_ANSWER:
                response.close()  # what is still on its way is not waited for
                raise CoderError(
                    f"{self.url} answers with more than {LARGEST_ANSWER // 1024 // 1024} MB; the rest was not read.",
                    "That is not an answer of Coder's: check the URL, and what stands before it.",
                    status=response.status,
                    maybe_done=changing and response.status <= 299,
                )
            parts.append(part)
        return b"".join(parts)

    def _unreachable(self, error: Exception, changing: bool) -> CoderError:
        host = urlsplit(self.url).netloc
        match error:
            case aiohttp.ClientConnectorCertificateError():
                found = error.certificate_error
                reason = one_line(getattr(found, "verify_message", "") or found)
                return CoderError(
                    f"Coder at {host} shows a certificate that is not trusted: {reason}.",
                    "Add its authority to the system's, or name a file of authorities in SSL_CERT_FILE.",
                )
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return CoderError(f"The proxy does not let us through to {host}.", "Check HTTPS_PROXY and NO_PROXY.")
            case aiohttp.ClientSSLError():
                return CoderError(f"No secure connection to {host}: {one_line(error)}.", "Does it speak TLS there?")
            case aiohttp.ClientConnectorDNSError() if error.host != urlsplit(self.url).hostname:
                return CoderError(
                    f"The name of the proxy, {one_line(error.host)}, cannot be resolved.",
                    "Check HTTPS_PROXY and NO_PROXY.",
                )
            case aiohttp.ClientConnectorDNSError():
                return CoderError(
                    f"The name {host} cannot be resolved.", "Check the URL of Coder, the VPN and the network."
                )
            case aiohttp.ClientConnectorError():
                return CoderError(
                    f"Coder at {host} cannot be reached: {one_line(reason_of(error))}.",
                    "Check its URL and the network.",
                )
            case aiohttp.ConnectionTimeoutError():
                return CoderError(
                    f"Coder at {host} cannot be reached: no connection within {CONNECT_TIMEOUT:.0f} seconds.",
                    "Check the network, the VPN and the firewall.",
                )
            case TimeoutError():
                return CoderError(
                    f"Coder at {host} did not answer within {self._timeout:g} seconds.",
                    "Try again.",
                    maybe_done=changing,
                )
            case aiohttp.InvalidURL() | ValueError():
                return CoderError(f"{host} is not an address that can be asked.", "Check the URL of Coder.")
        reason = one_line(error) or type(error).__name__
        return CoderError(
            f"The connection to Coder at {host} broke off: {reason}.",
            f"Try again; if it stays, by hand: {CLICKS_UPLOAD}.",
            maybe_done=changing,
        )


def _segment(id: str) -> str:
    """An id as one segment of a path."""
    return quote(id, safe="")


async def _nothing() -> Mapping[str, Any]:
    return {}
