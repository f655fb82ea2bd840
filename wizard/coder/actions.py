"""The guide's two steps in Coder as actions of a plan, their execution with the journal, and their undo.

The journal's kind is ``coder``; ``before["what"]`` tells the two apart: ``templates`` (with ``enabled``, as it
was) and ``policy`` (with the file's ``path`` and ``digest``, and ``given``, the file that the person gave).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from wizard.coder import CLICKS_ENABLE, CLICKS_UPLOAD, UNTRIED
from wizard.coder.steps import (
    NOT_READABLE,
    Enabled,
    Prepared,
    Uploaded,
    enable_templates,
    impact_sentence,
    prepare,
    upload,
)
from wizard.errors import WizardError
from wizard.events import ActionEnded, ActionStarted, Listener, Note
from wizard.journal import digest
from wizard.plan import ENABLE_STEP, Action, WritePolicy, upload_step

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.coder.client import CoderClient
    from wizard.journal import Change


class Journaled(Protocol):
    """A change while it is made; ``after`` is what the journal keeps of its result."""

    after: dict[str, Any]


Journal = Callable[[str, Mapping[str, Any]], AbstractAsyncContextManager[Journaled]]
"""Notes a change before it is tried (title, state before) and, at the end of the context, how it ended."""


@dataclass
class _Unjournaled:
    after: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def unjournaled(title: str, before: Mapping[str, Any]) -> AsyncIterator[Journaled]:
    """No journal: for a Coder whose cluster is not connected, or at which another wizard is at work."""
    yield _Unjournaled()


@dataclass(frozen=True)
class CoderAction(Action):
    """Something done in Coder. ``replaces`` is the step that a person is spared, as left_to_do has it."""

    kind: ClassVar[str] = "coder"
    replaces: str = ""


@dataclass(frozen=True)
class EnableTemplates(CoderAction):
    """Workspace templates are enabled for the whole site."""

    kind: ClassVar[str] = "coder-templates"


@dataclass(frozen=True)
class UploadPolicy(CoderAction):
    """The merged policy becomes the site's. ``given`` is the file that it was made from, "" for the guide's."""

    kind: ClassVar[str] = "coder-policy"
    path: Path = Path()
    content: bytes = b""
    given: str = ""


def coder_actions(answers: Answers, policy: WritePolicy | None) -> tuple[CoderAction, ...]:
    """What the choices want done in Coder, in the guide's order; nothing where they want nothing."""
    actions: list[CoderAction] = []
    if answers.coder.enable_templates:
        actions.append(
            EnableTemplates(
                title="Enable workspace templates in Coder",
                why=f"A template policy has no effect without them. {UNTRIED}",
                by_hand=(CLICKS_ENABLE,),
                undo="They are disabled again where they were not enabled before.",
                replaces=ENABLE_STEP,
            )
        )
    if answers.coder.upload and policy is not None:
        option = f" --coder-url {answers.coder.url}" if answers.coder.url else ""
        actions.append(
            UploadPolicy(
                title=f"Upload {policy.path} as Coder's template policy",
                why=f"With it, every workspace gets a FUSE device once it is rebuilt. {UNTRIED}",
                by_hand=(f"podman-wizard policy upload {policy.path}{option}", CLICKS_UPLOAD),
                undo=NOT_READABLE,
                replaces=upload_step(policy.path),
                path=policy.path,
                content=policy.content,
                given=str(Path(answers.policy.file).expanduser().absolute()) if answers.policy.file else "",
            )
        )
    return tuple(actions)


async def execute(
    action: CoderAction,
    client: CoderClient,
    listener: Listener,
    journal: Journal,
    prepared: Prepared | None = None,
) -> Enabled | Uploaded:
    """Executes one action, told to the listener and kept in the journal.

    ``prepared`` is the policy with its impact, where a person has confirmed it; else it is prepared now.
    Raises what the steps raise (CoderError, PolicyRefused), after an ActionEnded that says it.
    """
    listener(ActionStarted(action.kind, action.title, 1))
    try:
        match action:
            case EnableTemplates():
                enabled = await _enable(action, client, journal)
                listener(ActionEnded(action.kind, "done", _said(enabled)))
                return enabled
            case UploadPolicy():
                uploaded = await _upload(action, client, listener, journal, prepared)
                said = f"{action.path} uploaded; {impact_sentence(uploaded.impact)}"
                listener(ActionEnded(action.kind, "done", said))
                return uploaded
            case _:
                raise TypeError(f"no way to execute {type(action).__name__}")
    except WizardError as error:
        listener(ActionEnded(action.kind, "failed", error.what))
        raise
    except asyncio.CancelledError:
        listener(ActionEnded(action.kind, "interrupted", "it is not known how far it came in Coder"))
        raise


def _said(enabled: Enabled) -> str:
    return "workspace templates were enabled already" if enabled.before else "workspace templates: off before, on now"


async def _enable(action: EnableTemplates, client: CoderClient, journal: Journal) -> Enabled:
    if (await client.settings()).templates_enabled:
        return Enabled(before=True, after=True)
    async with journal(action.title, {"what": "templates", "url": client.url, "enabled": False}) as change:
        enabled = await enable_templates(client)
        change.after = {"enabled": enabled.after}
    return enabled


async def _upload(
    action: UploadPolicy, client: CoderClient, listener: Listener, journal: Journal, prepared: Prepared | None
) -> Uploaded:
    from wizard.policy import PolicyDocument

    if prepared is None:
        prepared = await prepare(client, PolicyDocument.parse(action.content, str(action.path)))
        for text in (*prepared.notes, NOT_READABLE):
            listener(Note(text))
        for row in prepared.impact:
            listener(Note(f"{row.workspace} ({row.owner}): {row.severity} {row.when}: {'; '.join(row.messages)}"))
    before = {
        "what": "policy",
        "url": client.url,
        "path": str(action.path.absolute()),
        "digest": digest(action.content),
        "given": action.given or None,
    }
    async with journal(action.title, before) as change:
        uploaded = await upload(client, prepared)
        change.after = {"template_id": uploaded.template.id}
    if uploaded.note:
        listener(Note(uploaded.note))
    return uploaded


def why_left(change: Change) -> str:
    """Why undo leaves a change of Coder alone, and what a person can do; "" where it can be taken back."""
    if change.before.get("what") == "templates":
        return "" if change.after.get("enabled") else "it did not come to pass"
    if change.result == "failed":
        return "it was not uploaded, as far as is known"
    given = change.before.get("given")
    source = f"upload {given}" if given else "upload the file that the earlier policy was made from"
    return (
        f"the policy that was there cannot be read through Coder's API; {source} (podman-wizard policy upload), "
        "or reset the policy to Coder's default: coder workspaces policy-template --default"
    )
