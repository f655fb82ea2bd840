"""The push of a template as an action of a plan, and what it would do."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wizard.choices.answers import Answers, TemplateChoice
from wizard.coder.v2 import UNTRIED
from wizard.coder.v2.answers import Version
from wizard.coder.v2.client import TemplatesClient
from wizard.coder.v2.credentials import organization_of
from wizard.coder.v2.looking import Draft, Impact, Looked, look, promote_by_hand
from wizard.coder.v2.pushing import Pushed, journaled_before, promote, push, require_still_active
from wizard.engine.coder import CoderAction
from wizard.engine.events import Listener, Note
from wizard.errors import UsageError, WizardError
from wizard.facts.changes import Change
from wizard.facts.objects import ObjectRef
from wizard.plan.actions import Action, WriteTemplate
from wizard.plan.template import NO_NEEDS, Needs, merge_chosen
from wizard.template.module import read_archive

if TYPE_CHECKING:
    from wizard.engine.engine import Engine


@dataclass(frozen=True)
class PushTemplate(CoderAction):
    """Pushes a template of Coder v2 as a new version, which becomes active if the active one is the one that was read.

    ``content`` is the merged file if there is one; else the active version's is merged with what the cluster needs.
    """

    kind: ClassVar[str] = "coder-push"
    choice: TemplateChoice = field(default_factory=TemplateChoice)
    needs: Needs = NO_NEEDS
    content: bytes | None = None
    allow_http: bool = False
    promoting: bool = True
    """Whether the pushed version becomes active; otherwise it stays inactive."""
    draft: Draft | None = None
    """What was shown and agreed to; None if it is read when the push begins."""


@dataclass(frozen=True)
class PromoteTemplate(CoderAction):
    """Makes a version active that was pushed before, if the active one is still the one that the push was made from."""

    kind: ClassVar[str] = "coder-promote"
    draft: Draft | None = None
    version: Version | None = None

    @property
    def shown(self) -> tuple[Draft, Version]:
        """What was pushed, and the version that it became."""
        assert self.draft is not None
        assert self.version is not None
        return self.draft, self.version


def push_actions(answers: Answers, written: WriteTemplate | None, needs: Needs) -> tuple[PushTemplate, ...]:
    """Returns the push that the choices ask for, if they do."""
    choice = answers.template
    if choice is None or choice.push is None:
        return ()
    name = shlex.quote(choice.push)
    file = f" {shlex.quote(choice.file)}" if choice.file else ""
    return (
        PushTemplate(
            title=f"Push the template {choice.push} to Coder, and make it active",
            why=f"Workspaces get it when they are updated. {UNTRIED}",
            by_hand=(
                f"podman-wizard template push {name}{file} --yes",
                f"coder templates push {name} -d DIR --activate=false --yes",
                f"coder templates versions promote -t {name} --template-version VERSION",
            ),
            undo="The former version becomes active again, if the pushed one still is.",
            choice=choice,
            needs=needs,
            content=written.content if written is not None else None,
            allow_http=answers.coder.allow_http,
        ),
    )


def promote_action(draft: Draft, version: Version) -> PromoteTemplate:
    """Returns the action that makes a pushed version the active one."""
    template = draft.looked.template
    return PromoteTemplate(
        title=f"Make version {version.name} of {template.name} active",
        why="New workspaces use it, and others get it when they are updated.",
        by_hand=(promote_by_hand(template, version.name),),
        undo="The former version becomes active again, if this one still is.",
        draft=draft,
        version=version,
    )


async def impact_now(action: PromoteTemplate, client: TemplatesClient) -> tuple[str, ...]:
    """Returns whom the promotion affects now, as lines. Raises ActiveMoved if another version became active."""
    draft, version = action.shown
    await require_still_active(client, draft, _inactive(version))
    looked = draft.looked
    workspaces = await client.workspaces(looked.template)
    return Impact(workspaces, looked.active.id, looked.template.requires_active).lines


def _inactive(version: Version) -> str:
    return f"Version {version.name} was imported and stays inactive."


async def draft_of(action: PushTemplate, client: TemplatesClient) -> Draft:
    """Reads the template from Coder, and returns what would be pushed; changes nothing."""
    if client.credentials.is_sent_openly and not action.allow_http:
        raise UsageError(
            f"The session token for {client.url} would be sent over the network unencrypted. Nothing was sent.",
            "Use the URL with https, or set allow-http: true under coder in the answers file.",
        )
    assert action.choice.push is not None
    looked = await look(client, action.choice.push, organization_of(action.choice.org))
    return await asyncio.to_thread(_draft, action, looked)


def _draft(action: PushTemplate, looked: Looked) -> Draft:
    files: dict[str, bytes] = dict(looked.archive.files)
    given = action.choice.file
    if action.content is not None and given is not None:
        from wizard.template.workload import find_workload

        # Which file of the version it replaces is told by the pod, whatever the name of the local file is.
        found = find_workload(read_archive(files), action.choice.resource, action.choice.container)
        name = Path(given).name if Path(given).name in files else found.document.name
        files[name] = action.content
    merged = merge_chosen(read_archive(files), action.choice, action.needs)
    return Draft(looked, merged.before.name, merged.document.content, merged)


def told(draft: Draft) -> tuple[str, ...]:
    """Returns what a push changes, and whom it affects, as lines."""
    if not draft.changed:
        return ("The active version already has what Podman needs.",)
    denied = () if draft.looked.can_push else (draft.looked.denial.what,)
    return (*draft.diff.splitlines(), *draft.looked.impact.lines, *denied)


async def execute_push(
    action: PushTemplate, client: TemplatesClient, listener: Listener, engine: Engine
) -> tuple[Pushed | None, tuple[Change, ...]]:
    """Executes a push, reports it, and records it in the journal; returns None if there is nothing to push."""
    draft = action.draft
    if draft is None:
        draft = await draft_of(action, client)
        for line in told(draft):
            listener(Note(line))
    if not draft.changed:
        return None, ()
    async with engine.journaled("coder", action.title, journaled_before(draft)) as change:
        pushed = await push(client, draft, change, lambda text: listener(Note(text)), promoting=action.promoting)
    about = ObjectRef("Template", draft.looked.template.name)
    if not pushed.promoted:
        return pushed, (Change(about, ".versions", None, pushed.version.name),)
    return pushed, (Change(about, ".active_version", draft.looked.active.name, pushed.version.name),)


async def execute_promote(
    action: PromoteTemplate, client: TemplatesClient, engine: Engine
) -> tuple[Pushed, tuple[Change, ...]]:
    """Makes a pushed version active, and records it in the journal. Raises ActiveMoved or CoderError."""
    draft, version = action.shown
    looked = draft.looked
    await require_still_active(client, draft, _inactive(version), "Push again: it starts from the active version.")
    async with engine.journaled("coder", action.title, journaled_before(draft)) as change:
        change.batch({"version": version.id, "version_name": version.name})
        await promote(client, looked.template.id, version, change)
    about = ObjectRef("Template", looked.template.name)
    return Pushed(version, promoted=True), (Change(about, ".active_version", looked.active.name, version.name),)


async def look_at_push(engine: Engine, actions: Sequence[Action], url: str | None) -> tuple[str, ...]:
    """Returns what the push among these actions would do, as lines; an error is one of them. Changes nothing."""
    for action in actions:
        if isinstance(action, PushTemplate):
            try:
                async with engine.templates(url) as client:
                    return (f"{action.title}:", *told(await draft_of(action, client)))
            except WizardError as error:
                return (f"{action.title}: not possible now.", *str(error).splitlines())
    return ()


def pushed_json(pushed: Pushed | None) -> dict[str, Any] | None:
    """Returns what ``run -o json`` prints of a push."""
    if pushed is None:
        return None
    return {"id": pushed.version.id, "name": pushed.version.name, "promoted": pushed.promoted}
