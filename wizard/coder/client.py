"""Coder v1's API: only those requests of the Coder CLI that the guide's two steps need.

Every request is one of coder-v1-cli's (coder-sdk/request.go, workspace.go, config.go, users.go, version.go):
the header ``Session-Token``, the API path after the path of the base URL, success up to 299, errors as
described in ``wizard.coder.refusals``. Unlike the Coder CLI, it follows no redirect, so that the token is sent
only to the deployment that it belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.answers import Deployment, MergeConflict, Template, User, Workspace, WorkspaceSettings, unexpected
from wizard.coder.refusals import CoderError, Refused, refusal
from wizard.coder.transport import Answer, Raw, Transport, segment
from wizard.coder.words import one_line

_AT_ONCE = 8  # names of workspaces and owners that are requested in parallel

_PARSE = "/api/private/workspaces/template/parse"
_POLICY = "/api/private/workspaces/template/policy"
_SETTINGS = "/api/v0/workspaces/config"
_SCHEMA = "/api/private/template/schemas/wac.schema.json"


class CoderClient(Transport):
    """The connection to a deployment of Coder v1.

    Every method raises CoderError (exit code 3) if Coder cannot be reached, rejects the request, or returns an
    unexpected response.
    """

    TOKEN_HEADER = "Session-Token"
    BY_HAND = CLICKS_UPLOAD
    PROXY_HINT = "set ENDPOINT_AUTH_HEADER"

    # ------------------------------------------------------------------------------------ what it can do

    async def deployment(self) -> Deployment:
        """Finds out whether this is Coder v1 or v2, and its version.

        v1 reports its version in the header ``coder-version`` of ``/api``, or not at all; v2 has
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
                f"No Coder was found at {self.url}: it has neither /api nor /api/v2/buildinfo.",
                "Check the URL, including its path if Coder has one.",
                status=404,
            )
        if first.status >= 500:
            raise refusal(first.status, first.body, where="GET /api", url=self.url)
        return Deployment("v1")

    async def me(self) -> User:
        """Returns the user that the token belongs to."""
        return User.of(await self._json("GET", "/api/v0/users/me"))

    async def settings(self) -> WorkspaceSettings:
        """Returns the site's workspace settings."""
        return WorkspaceSettings.of(await self._json("GET", _SETTINGS))

    async def set_templates(self, enabled: bool) -> tuple[WorkspaceSettings, WorkspaceSettings]:
        """Turns workspace templates on or off; returns the settings before, and those read again afterwards.

        The settings are read, one field is changed, and all are written back, so that unknown fields are kept.
        Nothing is written if the field has the value already.
        """
        before = await self.settings()
        if before.templates_enabled == enabled:
            return before, before
        await self._request("PUT", _SETTINGS, content=before.with_templates(enabled).fields, changing=True)
        try:
            after = await self.settings()
        except CoderError as error:
            raise CoderError(
                f"Coder accepted the setting, but reading it back failed: {error.what}",
                f"{error.todo} To see the current setting, run podman-wizard coder status.".strip(),
                status=error.status,
                maybe_done=True,
            ) from None
        if after.templates_enabled != enabled:
            raise CoderError(
                f"Coder accepted the setting, but still reports that workspace templates are "
                f"{'enabled' if after.templates_enabled else 'not enabled'}.",
                f"{UNTRIED} Check the setting in Coder, under Manage > Admin > Templates.",
                maybe_done=True,
            )
        return before, after

    async def parse(self, content: bytes) -> Template:
        """Sends a template to Coder, which parses it. Raises TemplateRefused with Coder's messages."""
        answer = await self._request("POST", f"{_PARSE}?org-id=SKIP_ORG", content=Raw(content))
        return Template.of(self._decoded(answer, f"POST {_PARSE}"))

    async def set_policy(self, template: Template, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        """Makes a parsed template the site's policy, or in a dry run only lists the affected workspaces.

        Raises an error whose ``maybe_done`` is set if Coder may have accepted it but the response was not readable.
        """
        return await self._set_policy(template.id, dry_run=dry_run)

    async def reset_policy(self, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        """Does the same with Coder's default policy."""
        return await self._set_policy("", dry_run=dry_run)

    async def _set_policy(self, id: str, *, dry_run: bool) -> tuple[MergeConflict, ...]:
        path = f"{_POLICY}?dry-run=true" if dry_run else _POLICY
        content = {"template_id": id, "type": "site"}
        answer = await self._request("POST", path, content=content, changing=not dry_run)
        try:
            return MergeConflict.all_of(self._decoded(answer, f"POST {_POLICY}"))
        except CoderError as error:
            # The status reports success; only the rest of the response is unreadable.
            error.maybe_done = not dry_run
            raise

    async def workspaces(self, ids: Iterable[str]) -> dict[str, Workspace]:
        """Returns workspaces by id, with the names of their owners; an id stands in for a name that is unreadable."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(path: str) -> Mapping[str, Any]:
            async with limit:
                try:
                    found = await self._json("GET", path)
                except CoderError:
                    # Names are optional: the Coder CLI also shows the id if it cannot read the name.
                    return {}
            return found if isinstance(found, Mapping) else {}

        unique = list(dict.fromkeys(ids))
        found = await asyncio.gather(*(read(f"/api/v0/workspaces/{segment(id)}") for id in unique))
        owner_ids = list(dict.fromkeys(str(item.get("user_id") or "") for item in found))
        owners = await asyncio.gather(*(read(f"/api/v0/users/{segment(id)}") if id else _nothing() for id in owner_ids))
        names = {id: one_line(user.get("username") or id) for id, user in zip(owner_ids, owners, strict=True)}
        return {
            id: Workspace(id, one_line(item.get("name") or id), names[str(item.get("user_id") or "")])
            for id, item in zip(unique, found, strict=True)
        }

    async def schema(self) -> Mapping[str, Any] | None:
        """Returns the deployment's own JSON Schema of templates; None if it serves none."""
        answer = await self._exchange("GET", _SCHEMA)
        if answer.status > 299 or answer.is_page:
            return None
        try:
            found = self._decoded(answer, f"GET {_SCHEMA}")
        except CoderError:
            return None
        return found if isinstance(found, Mapping) else None

    # ------------------------------------------------------------------------------------------ requests

    def _refusal(self, answer: Answer, where: str) -> CoderError:
        return refusal(answer.status, answer.body, where=where, url=self.url)

    def _unexpected(self, what: str, why: str) -> CoderError:
        return unexpected(what, why)


async def _nothing() -> Mapping[str, Any]:
    return {}
