"""The guide's two steps in Coder as actions of a plan, their execution with the journal, and their undo.

The journal's kind is ``coder``; ``before["what"]`` distinguishes the two: ``templates`` (with the earlier value of
``enabled``) and ``policy`` (with the file's ``path`` and ``digest``, and ``given``, the original file that it was
made from; each None if there is none). ``after["maybe_done"]`` marks a failed change that Coder may have made.

A run on a cluster records them in the cluster's journal. Changes made in Coder alone (``policy upload``, or the
screens without a cluster) have a journal of the deployment (``wizard.journal.state.deployment_folder``), so that a
Coder admin needs no cluster to upload or undo.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from wizard.coder import CLICKS_ENABLE, CLICKS_UPLOAD, UNTRIED
from wizard.coder.refusals import CoderError
from wizard.coder.steps import (
    NOT_READABLE,
    Enabled,
    IsV2,
    Prepared,
    Uploaded,
    enable_templates,
    impact_lines,
    impact_sentence,
    impact_table,
    prepare,
    prepare_default,
    read_status,
    require_v1,
    upload,
    workspaces_of,
)
from wizard.engine.events import ActionEnded, ActionStarted, Listener, Note
from wizard.errors import ConflictError, WizardError
from wizard.facts.changes import Change
from wizard.facts.objects import ObjectRef
from wizard.journal.journal import digest
from wizard.journal.journal import runs as journaled_runs
from wizard.journal.state import deployment_folders
from wizard.plan.actions import Action, WritePolicy
from wizard.plan.left_to_do import ENABLE_STEP, upload_step
from wizard.text.columns import columns
from wizard.text.counting import counted, named

if TYPE_CHECKING:
    from wizard.choices.answers import Answers
    from wizard.coder.client import CoderClient
    from wizard.journal.journal import Change as JournaledChange


class Journaled(Protocol):
    """A change in progress; ``after`` is what the journal records of its result."""

    after: dict[str, Any]


Journal = Callable[[str, Mapping[str, Any]], AbstractAsyncContextManager[Journaled]]
"""Records a change before it is made (title, earlier state) and, at the end of the context, its result."""


@dataclass(frozen=True)
class CoderAction(Action):
    """A change in Coder. ``replaces`` is the manual step that it makes unnecessary, as in left_to_do."""

    kind: ClassVar[str] = "coder"
    replaces: str = ""

    @property
    def changed(self) -> bool:
        """Tells that it may change something: only Coder knows."""
        return True


@dataclass(frozen=True)
class EnableTemplates(CoderAction):
    """Enables workspace templates for the whole site.

    With ``upload``, the next action of the plan, only if Coder would accept that policy: otherwise there is no use.
    """

    kind: ClassVar[str] = "coder-templates"
    upload: UploadPolicy | None = None


@dataclass(frozen=True)
class UploadPolicy(CoderAction):
    """Makes a policy the site's. ``given`` is the other file that it was made from, "" if there is none.

    Without a ``path`` it is Coder's default policy or, with a ``content``, a policy that came from no file.
    ``on_impact`` decides what happens if workspaces cannot be rebuilt with it, unless someone has seen the impact.
    """

    kind: ClassVar[str] = "coder-policy"
    path: Path | None = None
    content: bytes = b""
    given: str = ""
    on_impact: Literal["fail", "warn"] = "fail"


class BreaksWorkspaces(ConflictError):
    """Workspaces cannot be rebuilt with a policy, so it is not uploaded without a decision."""


@dataclass(frozen=True)
class InCoder:
    """What was done in one deployment: the results of the two steps, and the command that undoes them."""

    url: str = ""
    enabled: Enabled | None = None
    policy: str = ""
    """The last file that was uploaded, or whose upload failed."""
    uploaded: Uploaded | None = None
    trouble: str = ""
    """Why the last attempt at a step failed; "" if it did not."""
    undo: str = ""

    def with_result(self, url: str, result: Enabled | Uploaded, action: CoderAction) -> InCoder:
        """Returns the same with the result of one more action; for another deployment, only that result."""
        done = replace(self, url=url, trouble="") if self.url in ("", url) else InCoder(url)
        if isinstance(result, Enabled):
            return replace(done, enabled=result)
        path = action.path if isinstance(action, UploadPolicy) else None
        return replace(done, policy=str(path or ""), uploaded=result)

    def to_json(self) -> dict[str, Any] | None:
        """Returns the value that commands print; None if nothing was done."""
        if not self.url:
            return None
        uploaded = self.uploaded
        return {
            "url": self.url,
            "templates": {"before": self.enabled.before, "after": self.enabled.after} if self.enabled else None,
            "uploaded": self.policy if uploaded else None,
            "template": uploaded.template.id if uploaded else None,
            "impact": [row.to_json() for row in uploaded.impact] if uploaded else [],
        }


def changes_made(url: str, result: Enabled | Uploaded, content: bytes = b"") -> tuple[Change, ...]:
    """Returns what was changed in a deployment, field by field; the earlier policy cannot be read."""
    coder = ObjectRef("Coder", url)
    if isinstance(result, Uploaded):
        return (Change(coder, ".template-policy", None, content.decode("utf-8", "replace") or "default"),)
    if result.before == result.after:
        return ()
    return (Change(coder, ".templates-enabled", result.before, result.after),)


def enable_action(upload: UploadPolicy | None = None) -> EnableTemplates:
    """Returns the action that enables workspace templates; ``upload`` is the action after it."""
    return EnableTemplates(
        title="Enable workspace templates in Coder",
        why=f"A template policy has no effect without them. {UNTRIED}",
        by_hand=(CLICKS_ENABLE,),
        undo="Workspace templates are disabled again if they were not enabled before.",
        replaces=ENABLE_STEP,
        upload=upload,
    )


def upload_action(
    content: bytes,
    path: Path | None,
    *,
    given: Path | None = None,
    url: str | None = None,
    on_impact: Literal["fail", "warn"] = "fail",
) -> UploadPolicy:
    """Returns the upload of ``path``, made from the file ``given``; ``url`` if a choice sets the deployment."""
    option = f" --coder-url {shlex.quote(url)}" if url else ""
    name = shlex.quote(str(path)) if path is not None else "-"
    return UploadPolicy(
        title=f"Upload {path or 'a policy'} as Coder's template policy",
        why=f"It replaces the current policy. It applies to a workspace when the workspace is rebuilt. {UNTRIED}",
        by_hand=(f"podman-wizard policy upload {name}{option}", CLICKS_UPLOAD),
        undo=NOT_READABLE,
        replaces=upload_step(path) if path is not None else "",
        path=path,
        content=content,
        given=str(given.expanduser().absolute()) if given is not None else "",
        on_impact=on_impact,
    )


def reset_action() -> UploadPolicy:
    """Returns the action that sets Coder's default policy; used only if the user asks for it."""
    return UploadPolicy(
        title="Reset Coder's template policy to its default",
        why=f"It replaces the current policy. {UNTRIED}",
        by_hand=("podman-wizard policy upload --default", "coder workspaces policy-template --default"),
        undo=NOT_READABLE,
    )


def coder_actions(answers: Answers, policy: WritePolicy | None) -> tuple[CoderAction, ...]:
    """Returns the actions in Coder that the choices ask for, in the guide's order; there can be none."""
    choice = answers.coder
    upload = None
    if choice.upload and policy is not None:
        file = answers.policy.file if answers.policy else None
        given = Path(file) if file and policy.diff else None
        upload = upload_action(policy.content, policy.path, given=given, url=choice.url, on_impact=choice.on_impact)
    enable = enable_action(upload) if choice.enable_templates else None
    return tuple(action for action in (enable, upload) if action is not None)


async def execute(
    action: CoderAction,
    client: CoderClient,
    listener: Listener,
    journal: Journal,
    prepared: Prepared | None = None,
) -> Enabled | Uploaded:
    """Executes one action, reports it to the listener, and records it in the journal.

    ``prepared`` is the policy with its impact if the user has confirmed it; otherwise it is prepared now.
    Raises what the steps raise (CoderError, PolicyRefused), after an ActionEnded that reports it.
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
                done = "policy uploaded" if action.content else "Coder's default policy restored"
                said = f"{action.path} uploaded" if action.path else done
                listener(ActionEnded(action.kind, "done", f"{said}; {impact_sentence(uploaded.impact)}"))
                return uploaded
            case _:
                raise TypeError(f"no way to execute {type(action).__name__}")
    except WizardError as error:
        listener(ActionEnded(action.kind, "failed", " ".join(error.what.split())))
        raise
    except asyncio.CancelledError:
        listener(ActionEnded(action.kind, "stopped", "it is unknown whether Coder completed it"))
        raise


def _said(enabled: Enabled) -> str:
    return "workspace templates were already on" if enabled.before else "workspace templates: off before, on now"


async def _enable(action: EnableTemplates, client: CoderClient, journal: Journal) -> Enabled:
    await require_v1(client)
    if action.upload is not None:
        require_harmless(await prepare_upload(action.upload, client, enabling=True), action.upload.on_impact)
    if (await client.settings()).templates_enabled:
        return Enabled(before=True, after=True)
    async with journal(action.title, {"what": "templates", "url": client.url, "enabled": False}) as change:
        with _noting_doubt(change):
            enabled = await enable_templates(client)
        change.after = {"enabled": enabled.after}
    return enabled


@contextmanager
def _noting_doubt(change: Journaled) -> Iterator[None]:
    try:
        yield
    except CoderError as error:
        if error.maybe_done:
            change.after = {"maybe_done": True}
        raise


async def _upload(
    action: UploadPolicy, client: CoderClient, listener: Listener, journal: Journal, prepared: Prepared | None
) -> Uploaded:
    if prepared is None:
        prepared = await prepare_upload(action, client)
        for text in (*prepared.notes, NOT_READABLE):
            listener(Note(text))
        for line in impact_lines(prepared.impact):
            listener(Note(line))
        require_harmless(prepared, action.on_impact)
    before = {
        "what": "policy",
        "url": client.url,
        "path": str(action.path.absolute()) if action.path is not None else None,
        "digest": digest(action.content) if action.content else None,
        "given": action.given or None,
    }
    async with journal(action.title, before) as change:
        with _noting_doubt(change):
            uploaded = await upload(client, prepared)
        change.after = {"template_id": uploaded.template.id}
    if uploaded.note:
        listener(Note(uploaded.note))
    return uploaded


async def prepare_upload(action: UploadPolicy, client: CoderClient, *, enabling: bool = False) -> Prepared:
    """Asks Coder in a dry run what the upload would do; changes nothing. Raises what ``prepare`` raises."""
    from wizard.policy import PolicyDocument

    if not action.content:
        return await prepare_default(client)
    name = str(action.path) if action.path is not None else "the policy"
    return await prepare(client, PolicyDocument.parse(action.content, name), enabling=enabling)


def breaking(prepared: Prepared, on_impact: Literal["fail", "warn"]) -> BreaksWorkspaces | None:
    """Returns the error with which an upload ends if workspaces cannot be rebuilt, unless that is accepted."""
    broken = sorted(workspaces_of(row for row in prepared.impact if row.severity == "error"))
    if not broken or on_impact == "warn":
        return None
    names = named([f"{name} ({owner})" for owner, name in broken])
    return BreaksWorkspaces(
        f"The policy is not uploaded: {counted(len(broken), 'workspace')} cannot be rebuilt with it: {names}.",
        "Change the policy, or accept this with --on-impact warn (answers file: coder: {on-impact: warn}).",
    )


def require_harmless(prepared: Prepared, on_impact: Literal["fail", "warn"]) -> None:
    """Raises BreaksWorkspaces if workspaces cannot be rebuilt with a policy, and that is not accepted."""
    error = breaking(prepared, on_impact)
    if error is not None:
        raise error


@dataclass(frozen=True)
class Outlook:
    """What the actions of a plan would do in Coder, as far as Coder can tell without a change.

    ``trouble`` is the reason why that is unknown, or why they would not be done; the steps remain to be done by hand.
    """

    url: str = ""
    templates_enabled: bool | None = None
    prepared: Prepared | None = None
    trouble: WizardError | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The outlook as sentences and a table."""
        said = []
        if self.prepared is not None or self.trouble is None:
            words = {True: "are already on", False: "are off", None: "are on or off; the setting cannot be read"}
            said.append(f"{self.url}: workspace templates {words[self.templates_enabled]}")
        if self.prepared is not None:
            said += [*self.prepared.notes, NOT_READABLE, f"{impact_sentence(self.prepared.impact)}."]
            said += columns(impact_table(self.prepared.impact)) if self.prepared.impact else ()
        if self.trouble is not None:
            said += [
                *str(self.trouble).splitlines(),
                "The steps in Coder are left to do by hand. Nothing else depends on them.",
            ]
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Returns what ``run --dry-run -o json`` prints."""
        prepared = self.prepared
        return {
            "url": self.url or None,
            "templates_enabled": self.templates_enabled,
            "impact": [row.to_json() for row in prepared.impact] if prepared else None,
            "notes": list(prepared.notes) if prepared else [],
            "trouble": str(self.trouble) if self.trouble else None,
        }


async def look_ahead(actions: Sequence[CoderAction], client: CoderClient) -> Outlook:
    """Asks Coder what the actions would do: whether templates are enabled, and the dry run of an upload."""
    status = await read_status(client)
    if status.deployment.kind == "v2":
        return Outlook(client.url, trouble=IsV2("; ".join(status.notes)))
    if status.problems:
        return Outlook(client.url, trouble=CoderError("; ".join(status.problems)))
    enabling = any(isinstance(action, EnableTemplates) for action in actions)
    prepared, trouble = None, None
    for action in actions:
        if isinstance(action, UploadPolicy):
            prepared = await prepare_upload(action, client, enabling=enabling)
            trouble = breaking(prepared, action.on_impact)
    return Outlook(client.url, status.templates_enabled, prepared, trouble)


def had_effect(change: JournaledChange) -> bool:
    """Whether a change in the journal did something in Coder, or may have."""
    if change.before.get("what") == "template":
        return bool(change.after.get("version") or change.after.get("maybe_done"))
    return change.result != "failed" or bool(change.after.get("maybe_done"))


def why_left(change: JournaledChange) -> str:
    """Returns why undo cannot reverse a change in Coder, and what the user can do; "" if it can."""
    if change.before.get("what") == "templates":
        return "" if had_effect(change) else "it failed, so there is nothing to undo"
    if not had_effect(change):
        return "it was not uploaded, as far as is known"
    given, url = change.before.get("given"), shlex.quote(str(change.before["url"]))
    upload_it = f"podman-wizard policy upload {shlex.quote(given) if given else 'FILE'} --coder-url {url}"
    what = "the file that this one was made from" if given else "the FILE of the earlier policy"
    return (
        f"Coder's API cannot return the earlier policy. To upload {what}, run {upload_it}; "
        f"to set Coder's default policy, run podman-wizard policy upload --default --coder-url {url}"
    )


def journaled_deployments() -> tuple[str, ...]:
    """Returns the URLs of the deployments whose own journals contain a change that was not undone."""
    found = (
        str(change.before["url"])
        for folder in deployment_folders()
        for run in journaled_runs(folder)
        if not run.undone
        for change in run.changes
        if change.kind == "coder" and had_effect(change)
    )
    return tuple(dict.fromkeys(found))


def undo_command(url: str = "") -> str:
    """Returns the command that shows what can be undone: on the cluster, or in this deployment alone."""
    return "podman-wizard undo" + (f" --coder-url {shlex.quote(url)}" if url else "")
