"""What a push would do, read from Coder without changing anything: the template, permissions, and the impact."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wizard.coder.refusals import Refused
from wizard.coder.v2.answers import IDENTIFIER, Organization, Template, User, Version, Workspace
from wizard.coder.v2.archive import Archive
from wizard.coder.v2.client import LARGEST_ARCHIVE, TemplatesClient
from wizard.coder.v2.refusals import Denied
from wizard.errors import InputError, UsageError
from wizard.facts.differences import file_diff
from wizard.template.merge import MergeResult
from wizard.text.counting import counted, named


@dataclass(frozen=True)
class Impact:
    """What a new active version means for the workspaces of a template."""

    workspaces: tuple[Workspace, ...]
    active_id: str
    requires_active: bool

    @property
    def outdated(self) -> tuple[Workspace, ...]:
        """The workspaces that are outdated after it, and are not now."""
        return tuple(one for one in self.workspaces if one.version_id == self.active_id)

    @property
    def updating(self) -> tuple[Workspace, ...]:
        """The workspaces that get the new version when they start the next time, without a decision of their owner."""
        return tuple(one for one in self.workspaces if one.updates_itself or self.requires_active)

    @property
    def lines(self) -> tuple[str, ...]:
        """The impact in sentences."""
        total = len(self.workspaces)
        if not total:
            return ("Impact: no workspace uses this template, as far as you can see.",)
        before = total - len(self.outdated)
        said = [
            f"Impact: {counted(total, 'workspace uses', 'workspaces use')} this template; "
            f"{counted(len(self.outdated), 'becomes', 'become')} outdated, {before} already outdated. "
            "Running workspaces do not change until they are rebuilt."
        ]
        if self.updating:
            names = named([f"{one.name} ({one.owner})" for one in self.updating])
            said.append(f"Updated at the next start without a question: {names}.")
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Returns the impact as commands print it."""
        outdated, updating = set(self.outdated), set(self.updating)
        return {
            "total": len(self.workspaces),
            "outdated": len(outdated),
            "updating": len(updating),
            "workspaces": [
                {
                    "workspace": one.name,
                    "owner": one.owner,
                    "status": one.status,
                    "becomes_outdated": one in outdated,
                    "updates_at_start": one in updating,
                }
                for one in self.workspaces
            ],
        }


@dataclass(frozen=True)
class Looked:
    """A template as it was read: who asks, its active version with its files, and the impact of another one."""

    url: str
    coder: str
    user: User
    template: Template
    active: Version
    archive: Archive
    can_push: bool
    impact: Impact

    @property
    def by_hand(self) -> str:
        """The command of Coder's own command line that pushes the same without making it active."""
        name, org = shlex.quote(self.template.name), shlex.quote(self.template.organization_name or "ORG")
        return f"coder templates push {name} -O {org} -d DIR --activate=false --yes"

    @property
    def denial(self) -> Denied:
        """The error of a user who cannot push this template."""
        return Denied(
            f"You ({self.user.name}) do not have permission to update the template {self.template.name} "
            f"in {self.template.organization_name}. Nothing was sent.",
            "This needs the role template-admin or owner. Give the merged files to a template admin, "
            f"who runs: {self.by_hand}",
            status=403,
        )


def promote_by_hand(template: Template, version: str) -> str:
    """Returns the command of Coder's own command line that makes a version the active one."""
    org = shlex.quote(template.organization_name or "ORG")
    return (
        f"coder templates versions promote -t {shlex.quote(template.name)} -O {org} "
        f"--template-version {shlex.quote(version)}"
    )


async def organizations_of(client: TemplatesClient, organization: str) -> Sequence[Organization]:
    """Returns the organization that was named, or all that the user can see."""
    if organization:
        return [await client.organization(_identifier(organization, "an organization"))]
    return await client.organizations()


async def find_template(client: TemplatesClient, name: str, organization: str = "") -> Template:
    """Returns the template with a name. Raises Refused if there is none, UsageError if several organizations have it.

    Raises CoderError if Coder cannot be reached, or is not v2.
    """
    _identifier(name, "a template")
    found = []
    for one in await organizations_of(client, organization):
        template = await client.template_named(one.id, name)
        if template is not None:
            found.append(template)
    if not found:
        where = f" in the organization {organization}" if organization else ""
        raise Refused(
            f"Coder at {client.url} has no template {name}{where}, or you do not have permission to see it.",
            "To see the templates, run podman-wizard template list.",
            status=404,
        )
    if len(found) > 1:
        names = ", ".join(one.organization_name for one in found)
        raise UsageError(f"Several organizations have a template {name}: {names}.", "Select one with --org.")
    return found[0]


def _identifier(text: str, what: str) -> str:
    if not IDENTIFIER.fullmatch(text):
        raise UsageError(f"{text!r} cannot be the name of {what}.", "Names have letters, digits, dashes, and dots.")
    return text


async def read_version(client: TemplatesClient, template: Template) -> tuple[Version, Archive]:
    """Returns the active version of a template, and its files."""
    active = await client.version_of(template.active_version_id)
    if not active.job.file_id:
        raise Refused(f"The active version of {template.name} has no files.", "Push it again from its folder.")
    # Reading an archive of many megabytes must not hold up the event loop.
    return active, await asyncio.to_thread(Archive.read, await client.download(active.job.file_id))


async def look(client: TemplatesClient, name: str, organization: str = "") -> Looked:
    """Reads everything that a push shows before it sends anything. Raises what the client and find_template raise."""
    version = await client.version()
    user = await client.me()
    template = await find_template(client, name, organization)
    about = {
        "resource_type": "template",
        "organization_id": template.organization_id,
        "resource_id": template.id,
    }
    may = await client.may(
        {
            "update": ("update", about),
            "upload": ("create", {"resource_type": "file", "owner_id": user.id}),
        }
    )
    active, archive = await read_version(client, template)
    impact = Impact(await client.workspaces(template), active.id, template.requires_active)
    return Looked(client.url, version, user, template, active, archive, all(may.values()), impact)


async def read_status(client: TemplatesClient) -> dict[str, Any]:
    """Returns which Coder this is, who the user is, and in which organizations templates can be pushed."""
    version = await client.version()
    user = await client.me()
    organizations = await client.organizations()
    may = await client.may(
        {one.id: ("update", {"resource_type": "template", "organization_id": one.id}) for one in organizations}
    )
    return {
        "url": client.url,
        "kind": "v2",
        "version": version,
        "user": user.name,
        "roles": list(user.roles),
        "organizations": [
            {"name": one.name, "templates": len(await client.templates(one.id)), "can_push": may[one.id]}
            for one in organizations
        ],
    }


@dataclass(frozen=True)
class Draft:
    """The next version of a template: its archive with one file (``path``) replaced. ``merge`` is how it was made."""

    looked: Looked
    path: str
    content: bytes
    merge: MergeResult

    @property
    def before(self) -> bytes:
        """The file in the active version."""
        return self.looked.archive.files[self.path]

    @property
    def changed(self) -> bool:
        """Tells whether the file differs from the active version's."""
        return self.content != self.before

    @cached_property
    def archive(self) -> bytes:
        """The archive to upload. Raises InputError if Coder does not take one of this size."""
        made = self.looked.archive.replaced(self.path, self.content)
        if len(made) > LARGEST_ARCHIVE:
            raise InputError(
                f"The archive would have {len(made):,} bytes, and Coder accepts at most {LARGEST_ARCHIVE:,}.",
                "Nothing was sent. Remove files that the template does not need.",
                file=self.path,
            )
        return made

    @property
    def diff(self) -> str:
        """What changes in the file, as ``diff -u`` shows it."""
        if self.merge.before.content == self.before:
            return self.merge.diff()
        from pathlib import Path

        return file_diff(Path(self.path), self.before, self.content)
