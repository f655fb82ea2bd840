"""The guide's two steps in Coder, as screens, commands and the unattended run take them.

``read_status`` looks; ``enable_templates`` switches; ``prepare`` parses a policy and asks for its impact, which
changes nothing; ``upload`` makes it the site's policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wizard.coder import CLICKS_ENABLE, CLICKS_UPLOAD
from wizard.coder.answers import OLDEST, SITE_ADMIN, Deployment, MergeConflict, Template, User, Workspace
from wizard.coder.credentials import where_to_get_a_token
from wizard.coder.refusals import CoderError, PolicyRefused, Refused, TemplateRefused
from wizard.names import FUSE_RESOURCE

if TYPE_CHECKING:
    from wizard.coder.client import CoderClient
    from wizard.policy import PolicyDocument

NOT_READABLE = (
    "The policy that is there now cannot be read through Coder's API, so it cannot be brought back from here: "
    "keep the file that it was made from."
)
"""What is to be said before an upload, and why its undo is a file of the person's own."""


class IsV2(Refused):
    """A Coder v2, which has neither a template policy nor a switch for templates."""


LACKS_PODMAN = (
    f"This policy does not ask for {FUSE_RESOURCE} as Podman needs it: podman-wizard policy merge shows what it lacks."
)
"""What is to be said of a policy that helps nobody."""


@dataclass(frozen=True)
class Status:
    """What can be known of a deployment before anything is done; ``user`` is None where nobody is known.

    ``templates_enabled`` is None where it cannot be read. ``problems`` are sentences, each with what to do;
    ``notes`` are worth knowing and in nobody's way.
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
        """As ``coder status -o json`` prints it."""
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
    """Which Coder this is, who we are to it, and whether templates are enabled.

    Raises CoderError where there is no Coder, or it refuses the token.
    """
    deployment = await client.deployment()
    notes = []
    if client.credentials.is_sent_openly:
        notes.append("The token goes over the network unencrypted: the URL begins with http.")
    if deployment.kind == "v2":
        notes.append("Coder v2 has no template policy: podman-wizard coder template prints what its templates need.")
        return Status(client.url, deployment, notes=tuple(notes))
    if not deployment.version:
        notes.append(f"Coder does not say its version; it takes {_version(OLDEST)} or later.")
    problems = [_too_old(deployment)] if deployment.is_too_old else []
    if not client.credentials.token:
        problems.append(f"There is no session token. {where_to_get_a_token(client.url)}")
        return Status(client.url, deployment, None, None, tuple(problems), tuple(notes))
    user = await client.me()
    enabled: bool | None = None
    try:
        enabled = (await client.settings()).templates_enabled
    except Refused as error:
        if error.status != 403:
            raise
    if not user.is_site_admin:
        problems.append(_not_admin(user))
    if enabled is False:
        notes.append(
            f"Workspace templates are not enabled: policy upload --enable-templates enables them, or {CLICKS_ENABLE}."
        )
    return Status(client.url, deployment, user, enabled, tuple(problems), tuple(notes))


def _version(number: tuple[int, int]) -> str:
    return f"{number[0]}.{number[1]}"


def _too_old(deployment: Deployment) -> str:
    return (
        f"Coder is version {deployment.version}; resource requests in a policy are kept from {_version(OLDEST)} on. "
        "Update Coder first."
    )


def _not_admin(user: User) -> str:
    roles = ", ".join(user.roles) or "no role"
    return (
        f"{user.name} has {roles}; templates and policies want {SITE_ADMIN}. "
        f"Hand the policy file to someone who has it: {CLICKS_UPLOAD}."
    )


async def require_v1_admin(client: CoderClient) -> User:
    """Who we are, on a Coder v1 that is new enough and lets us. Raises IsV2, or Refused, with what to do otherwise."""
    deployment = await client.deployment()
    if deployment.kind == "v2":
        raise IsV2(
            f"Coder at {client.url} is v2 ({deployment.version}); it has no template policy.",
            "podman-wizard coder template prints what a Terraform template of yours needs instead.",
        )
    if deployment.is_too_old:
        raise Refused(_too_old(deployment), "Nothing was changed in Coder.")
    user = await client.me()
    if not user.is_site_admin:
        raise Refused(_not_admin(user), "Nothing was changed in Coder.", status=403)
    return user


@dataclass(frozen=True)
class Enabled:
    """Whether workspace templates were enabled before, and are after."""

    before: bool
    after: bool


async def enable_templates(client: CoderClient, *, enabled: bool = True) -> Enabled:
    """Enables workspace templates (or, to undo that, disables them), and reads again whether they are."""
    before, after = await client.set_templates(enabled)
    return Enabled(before.templates_enabled, after.templates_enabled)


@dataclass(frozen=True)
class ImpactRow:
    """What a policy does to one workspace, as a row of the table that a person confirms."""

    workspace: str
    owner: str
    severity: Literal["warning", "error"]
    when: Literal["now", "once updated"]
    messages: tuple[str, ...]
    workspace_id: str = ""

    @property
    def consequence(self) -> str:
        """What that means for the workspace, as the Coder CLI's summary has it."""
        if self.severity == "warning":
            return "will be impacted"
        return "cannot be rebuilt" if self.when == "now" else "cannot be rebuilt once updated"

    def to_json(self) -> dict[str, Any]:
        """As commands print it."""
        return {
            "workspace": self.workspace,
            "owner": self.owner,
            "severity": self.severity,
            "when": self.when,
            "messages": list(self.messages),
        }


def workspaces_of(rows: Iterable[ImpactRow]) -> set[tuple[str, str]]:
    """The workspaces of a table, by owner and name: two people may each have one of that name."""
    return {(row.owner, row.workspace) for row in rows}


@dataclass(frozen=True)
class Prepared:
    """A policy that Coder has parsed, with its impact; nothing has changed yet. ``notes`` are doubts.

    ``document`` is None for Coder's default policy, which no file holds.
    """

    document: PolicyDocument | None
    template: Template
    user: User
    impact: tuple[ImpactRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def workspaces(self) -> int:
        """How many workspaces are touched."""
        return len(workspaces_of(self.impact))


async def prepare(client: CoderClient, document: PolicyDocument, *, enabling: bool = False) -> Prepared:
    """Has Coder parse the policy and say which workspaces it would touch; changes nothing.

    ``enabling`` tells that workspace templates will be enabled before the upload.

    Raises PolicyRefused with Coder's messages at their lines, CoderError for all else.
    """
    user = await require_v1_admin(client)
    notes = [LACKS_PODMAN] * lacks_podman(document) + [*await _schema_notes(client, document)]
    with suppress(Refused):
        if not enabling and not (await client.settings()).templates_enabled:
            notes.append(
                f"Workspace templates are not enabled, so the policy has no effect until someone does: {CLICKS_ENABLE}."
            )
    try:
        template = await client.parse(document.content)
        conflicts = await client.set_policy(template, dry_run=True)
    except TemplateRefused as error:
        raise PolicyRefused(document, error) from None
    if template.file_hash and template.file_hash != hashlib.sha256(document.content).hexdigest():
        notes.append("Coder's hash of the file is not the file's own; it may hash what it made of it.")
    return Prepared(document, template, user, await _impact(client, conflicts), tuple(notes))


async def prepare_default(client: CoderClient) -> Prepared:
    """The same for Coder's default policy."""
    user = await require_v1_admin(client)
    conflicts = await client.reset_policy(dry_run=True)
    return Prepared(None, Template(""), user, await _impact(client, conflicts))


def lacks_podman(document: PolicyDocument) -> bool:
    """Whether a merge of what Podman needs would add to the policy."""
    from wizard.errors import InputError
    from wizard.policy import merge_podman

    with suppress(InputError):  # what cannot be merged into may still be a policy to Coder
        return any(change.path != ("version",) for change in merge_podman(document).changes)
    return True


async def _impact(client: CoderClient, conflicts: Iterable[MergeConflict]) -> tuple[ImpactRow, ...]:
    touched = [conflict for conflict in conflicts if list(rows_of(conflict))]
    known = await client.workspaces(conflict.workspace_id for conflict in touched)
    rows = [row for conflict in touched for row in rows_of(conflict, known[conflict.workspace_id])]
    return tuple(sorted(rows, key=lambda row: (row.severity, row.when != "now", row.owner, row.workspace)))


def rows_of(conflict: MergeConflict, workspace: Workspace | None = None) -> Iterable[ImpactRow]:
    """The rows of one workspace. What holds for its latest template is left out where that is its current one."""
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
    """What can be told of an upload: Coder's template, and the impact as Coder told it then."""

    template: Template
    impact: tuple[ImpactRow, ...]
    note: str = ""


async def upload(client: CoderClient, prepared: Prepared) -> Uploaded:
    """Makes the prepared policy the site's. Raises CoderError, which says whether Coder may have taken it."""
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
    # By id: the names may not have been read a second time.
    known = {row.workspace_id for row in prepared.impact}
    new = sorted(workspaces_of(row for row in impact if row.workspace_id not in known))
    named = ", ".join(f"{name} ({owner})" for owner, name in new)
    note = f"Since the dry run these are touched as well: {named}." if new else ""
    return Uploaded(prepared.template, impact, note)


def _unfinished(error: CoderError) -> CoderError:
    if error.maybe_done:
        what, todo = "It is not known whether Coder took the policy", "Uploading the same file again does no harm."
    else:
        what, todo = (
            "The policy was not uploaded; Coder has the one that it had",
            "Upload it again once that is mended.",
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
        f"line {line}: {path} is not in the JSON Schema that this deployment serves."
        for path, line in unknown_fields(schema, document)
    )


def impact_sentence(rows: Iterable[ImpactRow]) -> str:
    """How many workspaces are touched, and how badly; without a full stop."""
    rows = tuple(rows)
    touched = workspaces_of(rows)
    if not touched:
        return "no workspace is touched"
    broken = workspaces_of(row for row in rows if row.severity == "error" and row.when == "now")
    later = workspaces_of(row for row in rows if row.severity == "error") - broken
    said = [f"{len(touched)} {'workspace is' if len(touched) == 1 else 'workspaces are'} touched"]
    said += [f"{len(broken)} cannot be rebuilt"] * bool(broken)
    said += [f"{len(later)} cannot be rebuilt once updated"] * bool(later)
    return ", ".join(said)


def impact_lines(rows: Iterable[ImpactRow]) -> tuple[str, ...]:
    """The impact as sentences, a row each."""
    return tuple(f"{row.workspace} ({row.owner}): {row.severity} {row.when}: {'; '.join(row.messages)}" for row in rows)


def impact_table(rows: Iterable[ImpactRow]) -> tuple[tuple[str, ...], ...]:
    """The impact as cells: workspace, owner, severity, when, what it says; the head is the first row."""
    head = ("workspace", "owner", "", "when", "what Coder says")
    return (head, *((r.workspace, r.owner, r.severity, r.when, "; ".join(r.messages)) for r in rows))


def columns(table: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Cells as lines, each column as wide as its widest cell."""
    rows = tuple(table)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
