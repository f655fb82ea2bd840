"""A push in stages: upload, import with its log, and only then, if wanted, the switch of the active version."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from wizard.coder.refusals import CoderError
from wizard.coder.v2.answers import LogLine, Version
from wizard.coder.v2.client import TemplatesClient
from wizard.coder.v2.looking import Draft, promote_by_hand
from wizard.coder.v2.refusals import ActiveMoved, Denied, ImportFailed, NoProvisioner
from wizard.coder.words import MOST
from wizard.errors import WizardError

POLL_SECONDS = 1.0
SILENCE = 600.0
"""Seconds in which neither the log, nor the state, nor the place in the queue changes, after which nobody waits."""


class Journaled(Protocol):
    """A change in progress, whose parts are recorded as they happen."""

    after: dict[str, Any]

    def batch(self, after: Mapping[str, Any]) -> None: ...


Journal = Callable[[str, Mapping[str, Any]], AbstractAsyncContextManager[Journaled]]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Pushed:
    """A version that Coder imported; ``promoted`` tells whether it is the active one now."""

    version: Version
    promoted: bool = False


def journaled_before(draft: Draft) -> dict[str, Any]:
    """Returns what the journal keeps of the state before a push: what undo needs to promote the former version."""
    looked = draft.looked
    return {
        "what": "template",
        "url": looked.url,
        "template": looked.template.name,
        "template_id": looked.template.id,
        "organization": looked.template.organization_name,
        "former": looked.active.id,
        "former_name": looked.active.name,
    }


async def push(
    client: TemplatesClient,
    draft: Draft,
    change: Journaled,
    tell: Told,
    *,
    promoting: bool,
    name: str = "",
    message: str = "",
) -> Pushed:
    """Uploads a draft, follows its import, and makes it active if ``promoting``; ``change`` records each stage.

    Nothing becomes active unless the import succeeded and the active version is still the one that was read. Raises
    Denied, NameTaken, NoProvisioner, ImportFailed, ActiveMoved, or CoderError.
    """
    looked = draft.looked
    if not looked.can_push:
        raise looked.denial
    archive = draft.archive
    await require_still_active(client, draft, "Nothing was sent.")
    with _scope_explained(looked.user.name):
        tell(f"Uploading {len(archive):,} bytes to {looked.url} …")
        file_id = await client.upload(archive)
        version = await _create(client, draft, file_id, change, name=name, message=message)
    change.batch({"version": version.id, "version_name": version.name})
    tell(f"Version {version.name} was created. Coder imports it; the active version stays {looked.active.name}.")
    by_hand = f"To make it active: {promote_by_hand(looked.template, version.name)}"
    with _lost(f"Version {version.name} was created and stays inactive, but its import could not be followed", by_hand):
        version = await follow(client, version, tell)
    if not promoting:
        return Pushed(version)
    with _lost(f"Version {version.name} was imported and stays inactive", by_hand):
        state = f"Version {version.name} was imported and stays inactive."
        await require_still_active(client, draft, state, by_hand)
    await promote(client, looked.template.id, version, change)
    return Pushed(version, promoted=True)


async def _create(
    client: TemplatesClient, draft: Draft, file_id: str, change: Journaled, *, name: str, message: str
) -> Version:
    looked = draft.looked
    try:
        return await client.create_version(
            looked.template, file_id, looked.active.job.tags, name=name, message=message or "rootless Podman"
        )
    except CoderError as error:
        if error.maybe_done:
            change.after = {"maybe_done": True}
            raise CoderError(
                error.what, f"{error.todo} Coder may have created a version, which is not active.", maybe_done=True
            ) from None
        raise


async def require_still_active(client: TemplatesClient, draft: Draft, state: str, todo: str = "") -> None:
    """Raises ActiveMoved if the active version is not the one that was read."""
    looked = draft.looked
    now = (await client.template(looked.template.id)).active_version_id
    if now == looked.active.id:
        return
    name = now
    with contextlib.suppress(CoderError):
        name = (await client.version_of(now)).name
    raise ActiveMoved(
        f"The active version of {looked.template.name} changed from {looked.active.name} to {name} "
        f"after it was read. {state}",
        todo or "Repeat the command: it starts from the version that is active now.",
    )


@contextlib.contextmanager
def _lost(state: str, todo: str) -> Iterator[None]:
    """Adds to an error of a request what became of the version before it."""
    try:
        yield
    except NoProvisioner:
        raise
    except CoderError as error:
        raise CoderError(f"{state}: {error.what}", f"{error.todo} {todo}".strip(), status=error.status) from None


@contextlib.contextmanager
def _scope_explained(user: str) -> Iterator[None]:
    """Adds to a denial that the role is sufficient, because Coder said so before: then the token's scope is not."""
    try:
        yield
    except Denied as error:
        raise Denied(
            error.what,
            f"By its role, {user} can do this, so the scope of the session token does not include it. "
            "Use a token without a limited scope (coder login, or coder tokens create).",
            status=error.status,
        ) from None


async def follow(client: TemplatesClient, version: Version, tell: Told) -> Version:
    """Waits until a version is imported, telling its log; returns it. A version whose import fails stays inactive.

    Raises NoProvisioner if nobody can take the job, ImportFailed with the errors of the log, CoderError otherwise.
    """
    if version.provisioners == 0:
        await _give_up(client, version)
    lines: list[LogLine] = []
    told, last, since = "", ("", 0, 0), time.monotonic()
    while True:
        ended = version.job.ended  # the log is read once more after the end
        new = await client.logs(version.id, lines[-1].id if lines else 0)
        new = tuple(line for line in new if not lines or line.id > lines[-1].id)
        for line in new:
            if line.stage and (not lines or lines[-1].stage != line.stage):
                tell(f"  {line.stage}")
            if line.text:
                tell(f"    {'error: ' if line.is_error else ''}{line.text}")
            lines.append(line)
        if ended:
            break
        told = _tell_queue(version, told, tell) if not lines else told
        state = (version.job.status, version.job.queue_position, len(lines))
        if state != last:
            last, since = state, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            raise CoderError(
                f"The import of version {version.name} has made no progress for {SILENCE:.0f} seconds "
                f"(state: {version.job.status}). It stays inactive.",
                "Check the provisioners in Coder (Deployment > Provisioners), or cancel the job there.",
            )
        await asyncio.sleep(POLL_SECONDS)
        version = await client.version_of(version.id)
    if version.job.logs_overflowed:
        tell("  The rest of the log is lost: it is longer than Coder keeps.")
    if version.job.status != "succeeded":
        raise _failed(version, lines)
    return version


def _tell_queue(version: Version, told: str, tell: Told) -> str:
    job = version.job
    if job.status != "pending" or (not job.queue_size and version.available != 0):
        return told
    words = f"  waiting for a provisioner: place {job.queue_position} of {job.queue_size} in the queue"
    if version.available == 0:
        words = "  waiting: the provisioners that could take this job have not answered lately"
    if words != told:
        tell(words)
    return words


async def _give_up(client: TemplatesClient, version: Version) -> None:
    cancelled = "It was canceled."
    try:
        await client.cancel(version.id)
    except CoderError as error:
        cancelled = f"It could not be canceled: {error.what}"
    tags = ", ".join(f"{key}={value}" for key, value in sorted(version.job.tags.items())) or "no tags"
    raise NoProvisioner(
        f"No provisioner can take the import of version {version.name} ({tags}). {cancelled} "
        "The active version did not change.",
        "Start a provisioner with these tags (coder provisioner start --tag KEY=VALUE), then push again.",
    )


def _failed(version: Version, lines: list[LogLine]) -> WizardError:
    job = version.job
    errors = tuple(line.text for line in lines if line.is_error and line.text)[:MOST]
    reason = f": {job.error}" if job.error else ""
    if job.error_code == "REQUIRED_TEMPLATE_VARIABLES":
        todo = (
            "The template needs values of variables that the active version does not have. Push it with "
            "coder templates push NAME -d DIR --variable NAME=VALUE."
        )
    else:
        todo = "Correct the template. The diff above shows what was merged."
    word = "was canceled" if job.status == "canceled" else f"failed ({job.status})"
    return ImportFailed(
        f"The import of version {version.name} {word}{reason}. It stays inactive, and the active version did not "
        "change.",
        todo,
        errors,
    )


async def promote(client: TemplatesClient, template_id: str, version: Version, change: Journaled) -> None:
    """Makes a version active, and reads that back. Raises CoderError, whose ``maybe_done`` tells if it is unknown."""
    change.batch({"promoting": True})
    trouble: CoderError | None = None
    try:
        await client.promote(template_id, version.id)
    except CoderError as error:
        if not error.maybe_done:
            raise _not_promoted(error, f"Version {version.name} was imported and stays inactive") from None
        trouble = error
    try:
        active = (await client.template(template_id)).active_version_id
    except CoderError as error:
        unknown = _not_promoted(trouble or error, f"It is unknown whether version {version.name} is active now")
        unknown.maybe_done = True
        raise unknown from None
    if active != version.id:
        if trouble is not None:
            raise _not_promoted(trouble, f"Version {version.name} was imported and stays inactive")
        raise ActiveMoved(
            f"Coder accepted the promotion of {version.name}, but another version is active now.",
            "Someone else promoted a version at the same time. To see it, run podman-wizard template list.",
        )
    change.after = {**change.after, "promoted": True}


def _not_promoted(error: CoderError, state: str) -> CoderError:
    todo = f"{error.todo} To see the active version, run podman-wizard template list."
    return CoderError(f"{state}: {error.what}", todo.strip(), status=error.status)
