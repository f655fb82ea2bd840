"""The requests of Coder v2's API that a template needs.

The header of the token is ``Coder-Session-Token``. As with v1, no redirect is followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from wizard.coder.refusals import CoderError, Refused
from wizard.coder.transport import Answer, Raw, Transport, segment
from wizard.coder.v2.answers import (
    LogLine,
    Organization,
    Template,
    User,
    Version,
    Workspace,
    all_of,
    checks_of,
    file_id_of,
    items_of,
    unexpected,
    version_of_build,
)
from wizard.coder.v2.refusals import TO_PUSH, NameTaken, refusal

LARGEST_ARCHIVE = 100 * 1024 * 1024
"""Bytes; Coder accepts no larger file."""

PAGE = 100
MOST_WORKSPACES = 10_000
_TAR = "application/x-tar"


class TemplatesClient(Transport):
    """The connection to a deployment of Coder v2.

    Every method raises CoderError (exit code 3) if Coder cannot be reached, rejects the request, or returns an
    unexpected response.
    """

    TOKEN_HEADER = "Coder-Session-Token"
    BY_HAND = TO_PUSH
    PROXY_HINT = "set CODER_HEADER or CODER_HEADER_COMMAND"

    # Deployment and user ----------------------------------------------------------------------------------------

    async def version(self) -> str:
        """Returns the version of the deployment. Raises Refused if it is not Coder v2."""
        path = "/api/v2/buildinfo"
        answer = await self._exchange("GET", path, anonymous=True)
        if answer.status == 404:
            first = await self._exchange("GET", "/api")
            if first.headers.get("coder-version", "").strip():
                raise Refused(
                    f"Coder at {self.url} is v1, which has a template policy instead of Terraform templates.",
                    "Use podman-wizard policy merge and podman-wizard policy upload.",
                    status=404,
                )
            raise Refused(
                f"No Coder v2 was found at {self.url}: it has no {path}.",
                "Check the URL, including its path if Coder has one.",
                status=404,
            )
        self._require_api(answer, f"GET {path}")
        if answer.status > 299:
            raise self._refusal(answer, f"GET {path}")
        return version_of_build(self._decoded(answer, f"GET {path}"))

    async def me(self) -> User:
        """Returns the user that the token belongs to."""
        return User.of(await self._json("GET", "/api/v2/users/me"))

    async def may(self, checks: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, bool]:
        """Returns what the user has permission for; each check is an action and the object that it is about."""
        content = {
            "checks": {name: {"object": dict(about), "action": action} for name, (action, about) in checks.items()}
        }
        return checks_of(await self._json("POST", "/api/v2/authcheck", content=content), tuple(checks))

    # Templates --------------------------------------------------------------------------------------------------

    async def organizations(self) -> tuple[Organization, ...]:
        """Returns the organizations that the user can see."""
        return all_of(await self._json("GET", "/api/v2/organizations"), "the organizations", Organization.of)

    async def organization(self, name: str) -> Organization:
        """Returns an organization by its name or id."""
        return Organization.of(await self._json("GET", f"/api/v2/organizations/{segment(name)}"))

    async def templates(self, organization_id: str) -> tuple[Template, ...]:
        """Returns the templates of an organization; deprecated ones are not among them."""
        path = f"/api/v2/organizations/{segment(organization_id)}/templates"
        return all_of(await self._json("GET", path), "the templates", Template.of)

    async def template_named(self, organization_id: str, name: str) -> Template | None:
        """Returns a template of an organization by its name; None if there is none that the user can see."""
        path = f"/api/v2/organizations/{segment(organization_id)}/templates/{segment(name)}"
        try:
            return Template.of(await self._json("GET", path))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def template(self, id: str) -> Template:
        """Returns a template by its id."""
        return Template.of(await self._json("GET", f"/api/v2/templates/{segment(id)}"))

    async def versions(self, template_id: str) -> tuple[Version, ...]:
        """Returns the latest versions of a template, archived ones included."""
        path = f"/api/v2/templates/{segment(template_id)}/versions?limit={PAGE}&include_archived=true"
        return all_of(await self._json("GET", path), "the versions", Version.of)

    async def version_of(self, id: str) -> Version:
        """Returns one version by its id."""
        return Version.of(await self._json("GET", f"/api/v2/templateversions/{segment(id)}"))

    async def version_named(self, template_id: str, name: str) -> bool:
        """Tells whether a template has a version with this name."""
        path = f"/api/v2/templates/{segment(template_id)}/versions/{segment(name)}"
        try:
            await self._json("GET", path)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    async def workspaces(self, template: Template) -> tuple[Workspace, ...]:
        """Returns the workspaces of a template that the user can see."""
        found: list[Workspace] = []
        while len(found) < MOST_WORKSPACES:
            query = urlencode(
                {"q": f"template:{template.name}", "limit": PAGE, "offset": len(found)}, quote_via=quote, safe=":"
            )
            answer = await self._json("GET", f"/api/v2/workspaces?{query}")
            if not isinstance(answer, Mapping):
                raise unexpected("the workspaces", "it is not a JSON object")
            page = [Workspace.of(one) for one in items_of(answer.get("workspaces"), "the workspaces")]
            found += page
            total = answer.get("count")
            if not page or not isinstance(total, int) or len(found) >= total:
                break
        # Another organization can have a template of the same name.
        return tuple(one for one in found if one.template_id in ("", template.id))

    # Files and versions -----------------------------------------------------------------------------------------

    async def download(self, file_id: str) -> bytes:
        """Returns the archive of a version's files, a tar."""
        path = f"/api/v2/files/{segment(file_id)}"
        answer = await self._request("GET", path, limit=LARGEST_ARCHIVE)
        return answer.body

    async def upload(self, archive: bytes) -> str:
        """Uploads an archive, and returns the id of the file. Nothing uses it yet."""
        answer = await self._request("POST", "/api/v2/files", content=Raw(archive, _TAR))
        return file_id_of(self._decoded(answer, "POST /api/v2/files"))

    async def create_version(
        self, template: Template, file_id: str, tags: Mapping[str, str], *, name: str = "", message: str = ""
    ) -> Version:
        """Creates a version from an uploaded file, which stays inactive; its job imports it.

        ``tags`` are the active version's: Coder does not copy them, and without them nobody may take the job. The
        values of variables are not sent, because Coder itself copies them from the active version.
        """
        content: dict[str, Any] = {
            "message": message,
            "template_id": template.id,
            "storage_method": "file",
            "file_id": file_id,
            "provisioner": template.provisioner,
            "tags": dict(tags),
            "user_variable_values": [],
        }
        if name:
            content["name"] = name
        path = f"/api/v2/organizations/{segment(template.organization_id)}/templateversions"
        try:
            return Version.of(await self._json("POST", path, content=content, changing=True))
        except Refused as error:
            if error.status != 409:
                raise
            raise NameTaken(
                f"{template.name} already has a version named {name}." if name else error.what,
                "Nothing became active. Use another --name, or none, so that Coder names the version.",
            ) from None

    async def logs(self, version_id: str, after: int = 0) -> tuple[LogLine, ...]:
        """Returns the lines of an import's log that follow a line."""
        path = f"/api/v2/templateversions/{segment(version_id)}/logs"
        answer = await self._json("GET", f"{path}?after={after}" if after else path)
        return all_of(answer, "the log", LogLine.of)

    async def cancel(self, version_id: str) -> bool:
        """Cancels the import of a version; returns False if it has ended already."""
        try:
            await self._request("PATCH", f"/api/v2/templateversions/{segment(version_id)}/cancel", changing=True)
        except Refused as error:
            if error.status == 412:
                return False
            raise
        return True

    async def promote(self, template_id: str, version_id: str) -> None:
        """Makes a version the active one, whichever is active now."""
        path = f"/api/v2/templates/{segment(template_id)}/versions"
        await self._request("PATCH", path, content={"id": version_id}, changing=True)

    async def archive(self, version_id: str) -> None:
        """Hides a version that is not active; a version cannot be deleted."""
        await self._request("POST", f"/api/v2/templateversions/{segment(version_id)}/archive", changing=True)

    # Errors -----------------------------------------------------------------------------------------------------

    def _refusal(self, answer: Answer, where: str) -> CoderError:
        return refusal(answer.status, answer.body, where=where, url=self.url)

    def _unexpected(self, what: str, why: str) -> CoderError:
        return unexpected(what, why)
