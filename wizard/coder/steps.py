"""The guide's two steps in Coder, for the screens, the commands, and the unattended run.

``read_status`` only reads; ``enable_templates`` turns templates on; ``prepare`` has Coder parse a policy and
report its impact, which changes nothing; ``upload`` makes it the site's policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wizard.coder import CLICKS_ENABLE
from wizard.coder.answers import OLDEST, SITE_ADMIN, Deployment, MergeConflict, Template, User, Workspace
from wizard.coder.credentials import where_to_get_a_token
from wizard.coder.refusals import CoderError, PolicyRefused, Refused, TemplateRefused
from wizard.names import FUSE_RESOURCE
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.coder.client import CoderClient
    from wizard.policy import PolicyDocument

NOT_READABLE = (
    "Coder's API cannot return the current policy, so undo cannot restore it. Keep the file it was made from."
)
"""Shown before an upload, and as the reason why an upload cannot be undone."""


class IsV2(Refused):
    """Coder v2, which has no template policy and no setting that enables templates."""


LACKS_PODMAN = (
    f"This policy does not request {FUSE_RESOURCE} as Podman needs it. "
    "To see what is missing, run podman-wizard policy merge with --diff."
)
"""Shown for a policy without what Podman needs."""


@dataclass(frozen=True)
class Status:
    """What is known about a deployment before any change; ``user`` is None without a session token.

    ``templates_enabled`` is None if it cannot be read. ``problems`` are sentences, each with what to do;
    ``notes`` are worth knowing but block nothing.
    """

    url: str
    deployment: Deployment
    user: User | None = None
    templates_enabled: bool | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether a policy can be uploaded."""
        return self.deployment.kind == "v1" and not self.problems

    def to_json(self) -> dict[str, Any]:
        """Returns what ``coder status -o json`` prints."""
        return {
            "url": self.url,
            "kind": self.deployment.kind,
            "version": self.deployment.version or None,
            "user": self.user.name if self.user else None,
            "roles": list(self.user.roles) if self.user else [],
            "site_admin": self.user.is_site_admin if self.user else None,
            "templates_enabled": self.templates_enabled,
            "ready": self.ready,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


async def read_status(client: CoderClient) -> Status:
    """Reads which Coder this is, who the user is, and whether templates are enabled.

    Raises CoderError if there is no Coder, or if it rejects the token.
    """
    deployment = await client.deployment()
    notes = []
    if client.credentials.is_sent_openly:
        notes.append("The token is sent over the network unencrypted, because the URL begins with http.")
    if deployment.kind == "v2":
        notes.append(
            "Coder v2 has no template policy. To see what its templates need, run podman-wizard coder template."
        )
        return Status(client.url, deployment, notes=tuple(notes))
    if not deployment.version:
        notes.append(f"Coder does not report its version. Version {_version(OLDEST)} or later is required.")
    problems = [_too_old(deployment)] if deployment.is_too_old else []
    if not client.credentials.token:
        problems.append(f"No session token was found. {where_to_get_a_token(client.url)}")
        return Status(client.url, deployment, None, None, tuple(problems), tuple(notes))
    user = await client.me()
    enabled: bool | None = None
    try:
        enabled = (await client.settings()).templates_enabled
    except Refused as error:
        if error.status != 403:
            raise
    if note := role_note(user):
        notes.append(note)
    if enabled is False:
        notes.append(
            "Workspace templates are not enabled. Enable them with policy upload --enable-templates, "
            f"or by hand: {CLICKS_ENABLE}."
        )
    return Status(client.url, deployment, user, enabled, tuple(problems), tuple(notes))


def _version(number: tuple[int, int]) -> str:
    return f"{number[0]}.{number[1]}"


def _too_old(deployment: Deployment) -> str:
    return (
        f"Coder is version {deployment.version}, but only {_version(OLDEST)} and later keep the resource requests "
        "of a policy. Update Coder first."
    )


def role_note(user: User) -> str:
    """Returns what to expect of a user who is not a site admin; "" for one who is."""
    if user.is_site_admin:
        return ""
    roles = ", ".join(user.roles) or "no role"
    return (
        f"{user.name} has {roles}; templates and policies require {SITE_ADMIN} by Coder's documentation. "
        "Coder decides when it is asked for the impact. If it denies permission, give the policy file to a site admin."
    )


async def require_v1(client: CoderClient) -> User:
    """Returns the user if this is a recent Coder v1. Raises IsV2 or Refused if not.

    Only Coder knows what a role permits: its guides send site managers, too, to the template policy.
    """
    deployment = await client.deployment()
    if deployment.kind == "v2":
        raise IsV2(
            f"Coder at {client.url} is v2 ({deployment.version}); it has no template policy.",
            "To see what your Terraform template needs instead, run podman-wizard coder template.",
        )
    if deployment.is_too_old:
        raise Refused(_too_old(deployment), "Nothing was changed in Coder.")
    return await client.me()


@dataclass(frozen=True)
class Enabled:
    """Whether workspace templates were enabled before, and are after."""

    before: bool
    after: bool


async def enable_templates(client: CoderClient, *, enabled: bool = True) -> Enabled:
    """Enables workspace templates (or disables them, for undo), and reads the setting again."""
    before, after = await client.set_templates(enabled)
    return Enabled(before.templates_enabled, after.templates_enabled)


@dataclass(frozen=True)
class ImpactRow:
    """The impact of a policy on one workspace, as a row of the table that the user confirms."""

    workspace: str
    owner: str
    severity: Literal["warning", "error"]
    when: Literal["now", "once updated"]
    messages: tuple[str, ...]
    workspace_id: str = ""

    @property
    def consequence(self) -> str:
        """What that means for the workspace, with the distinctions of the Coder CLI's summary."""
        if self.severity == "warning":
            return "will be affected"
        return "cannot be rebuilt" if self.when == "now" else "cannot be rebuilt once updated"

    def to_json(self) -> dict[str, Any]:
        """Returns the row as commands print it."""
        return {
            "workspace": self.workspace,
            "owner": self.owner,
            "severity": self.severity,
            "when": self.when,
            "messages": list(self.messages),
        }


def workspaces_of(rows: Iterable[ImpactRow]) -> set[tuple[str, str]]:
    """Returns the workspaces of a table by owner and name, because two users can use the same name."""
    return {(row.owner, row.workspace) for row in rows}


@dataclass(frozen=True)
class Prepared:
    """A policy that Coder has parsed, with its impact; nothing has changed yet. ``notes`` are reservations.

    ``document`` is None for Coder's default policy, which is in no file.
    """

    document: PolicyDocument | None
    template: Template
    user: User
    impact: tuple[ImpactRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def workspaces(self) -> int:
        """How many workspaces are affected."""
        return len(workspaces_of(self.impact))


async def prepare(client: CoderClient, document: PolicyDocument, *, enabling: bool = False) -> Prepared:
    """Has Coder parse the policy and list the workspaces it would affect; changes nothing.

    ``enabling`` is set if workspace templates will be enabled before the upload.

    Raises PolicyRefused with Coder's messages at their lines, or CoderError for anything else.
    """
    user = await require_v1(client)
    notes = [LACKS_PODMAN] * lacks_podman(document) + [*await _schema_notes(client, document)]
    with suppress(Refused):
        if not enabling and not (await client.settings()).templates_enabled:
            notes.append(
                "Workspace templates are not enabled, so the policy has no effect. "
                f"To enable them by hand: {CLICKS_ENABLE}."
            )
    try:
        template = await client.parse(document.content)
        conflicts = await client.set_policy(template, dry_run=True)
    except TemplateRefused as error:
        raise PolicyRefused(document, error) from None
    if template.file_hash and template.file_hash != hashlib.sha256(document.content).hexdigest():
        notes.append("Coder reports another hash than the file has. It may be the hash of the parsed template.")
    return Prepared(document, template, user, await _impact(client, conflicts), tuple(notes))


async def prepare_default(client: CoderClient) -> Prepared:
    """Does the same for Coder's default policy."""
    user = await require_v1(client)
    conflicts = await client.reset_policy(dry_run=True)
    return Prepared(None, Template(""), user, await _impact(client, conflicts))


def lacks_podman(document: PolicyDocument) -> bool:
    """Whether a merge of what Podman needs would add to the policy."""
    from wizard.errors import InputError
    from wizard.policy import merge_podman

    with suppress(InputError):  # Coder may accept a policy that cannot be merged
        return any(change.path != ("version",) for change in merge_podman(document).changes)
    return True


async def _impact(client: CoderClient, conflicts: Iterable[MergeConflict]) -> tuple[ImpactRow, ...]:
    touched = [conflict for conflict in conflicts if list(rows_of(conflict))]
    known = await client.workspaces(conflict.workspace_id for conflict in touched)
    rows = [row for conflict in touched for row in rows_of(conflict, known[conflict.workspace_id])]
    return tuple(sorted(rows, key=lambda row: (row.severity, row.when != "now", row.owner, row.workspace)))


def rows_of(conflict: MergeConflict, workspace: Workspace | None = None) -> Iterable[ImpactRow]:
    """Yields the rows of one workspace; those for its latest template only if it does not use that one already."""
    named = workspace or Workspace(conflict.workspace_id, conflict.workspace_id, "")
    effects: list[tuple[Literal["now", "once updated"], Any]] = [("now", conflict.now)]
    if not conflict.is_latest:
        effects.append(("once updated", conflict.updated))
    for when, effect in effects:
        if effect.errors is not None:
            told = effect.errors or (conflict.message or "no reason given",)
            yield ImpactRow(named.name, named.owner, "error", when, told, named.id)
        if effect.warnings:
            yield ImpactRow(named.name, named.owner, "warning", when, effect.warnings, named.id)
    if conflict.message and conflict.now.is_nothing and conflict.updated.is_nothing:
        yield ImpactRow(named.name, named.owner, "warning", "now", (conflict.message,), named.id)


@dataclass(frozen=True)
class Uploaded:
    """The result of an upload: Coder's template, and the impact that Coder reported with it."""

    template: Template
    impact: tuple[ImpactRow, ...]
    note: str = ""


async def upload(client: CoderClient, prepared: Prepared) -> Uploaded:
    """Makes the prepared policy the site's. Raises CoderError, which states whether Coder may have accepted it."""
    try:
        if prepared.document is None:
            conflicts = await client.reset_policy(dry_run=False)
        else:
            conflicts = await client.set_policy(prepared.template, dry_run=False)
    except CoderError as error:
        if isinstance(error, TemplateRefused) and prepared.document is not None:
            raise PolicyRefused(prepared.document, error) from None
        raise _unfinished(error) from None
    impact = await _impact(client, conflicts)
    # By id, because the names may be unreadable the second time.
    known = {row.workspace_id for row in prepared.impact}
    new = sorted(workspaces_of(row for row in impact if row.workspace_id not in known))
    named = ", ".join(f"{name} ({owner})" for owner, name in new)
    note = f"The upload also affects workspaces that the dry run did not list: {named}." if new else ""
    return Uploaded(prepared.template, impact, note)


def _unfinished(error: CoderError) -> CoderError:
    if error.maybe_done:
        what, todo = "It is unknown whether Coder accepted the policy", "It is safe to upload the same file again."
    else:
        what, todo = (
            "The policy was not uploaded, and Coder still uses its earlier one",
            "Fix this, then upload the policy again.",
        )
    return CoderError(
        f"{what}: {error.what}",
        f"{error.todo} {todo}".strip(),
        status=error.status,
        code=error.code,
        maybe_done=error.maybe_done,
    )


async def _schema_notes(client: CoderClient, document: PolicyDocument) -> tuple[str, ...]:
    from wizard.coder.schema import unknown_fields

    schema = await client.schema()
    if schema is None:
        return ()
    return tuple(
        f"line {line}: {path} is not in the JSON Schema of this deployment."
        for path, line in unknown_fields(schema, document)
    )


def impact_sentence(rows: Iterable[ImpactRow]) -> str:
    """Returns how many workspaces are affected, and how severely; without a period."""
    rows = tuple(rows)
    touched = workspaces_of(rows)
    if not touched:
        return "no workspaces are affected"
    broken = workspaces_of(row for row in rows if row.severity == "error" and row.when == "now")
    later = workspaces_of(row for row in rows if row.severity == "error") - broken
    said = [f"{counted(len(touched), 'workspace is', 'workspaces are')} affected"]
    said += [f"{len(broken)} cannot be rebuilt"] * bool(broken)
    said += [f"{len(later)} cannot be rebuilt once updated"] * bool(later)
    return ", ".join(said)


def impact_lines(rows: Iterable[ImpactRow]) -> tuple[str, ...]:
    """Returns the impact as lines of text, one for each row."""
    return tuple(f"{row.workspace} ({row.owner}): {row.severity} {row.when}: {'; '.join(row.messages)}" for row in rows)


def impact_table(rows: Iterable[ImpactRow]) -> tuple[tuple[str, ...], ...]:
    """Returns the impact as cells: workspace, owner, severity, when, message; the head is the first row."""
    head = ("workspace", "owner", "", "when", "message from Coder")
    return (head, *((r.workspace, r.owner, r.severity, r.when, "; ".join(r.messages)) for r in rows))
