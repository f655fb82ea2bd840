"""The guide's two steps in Coder as actions of a plan, their execution with the journal, and their undo.

The journal's kind is ``coder``; ``before["what"]`` tells the two apart: ``templates`` (with ``enabled``, as it
was) and ``policy`` (with the file's ``path`` and ``digest``, and ``given``, the file of before that it was made
from, each None where there is none). ``after["maybe_done"]`` notes a failure that Coder may have done all the same.

A run on a cluster keeps them in the cluster's journal. What is done in Coder alone (``policy upload``, or the
screens without a cluster) has a journal of the deployment (``wizard.state.deployment_folder``), so that a Coder
admin needs no cluster, neither to upload nor to undo.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from wizard.coder import CLICKS_ENABLE, CLICKS_UPLOAD, UNTRIED
from wizard.coder.refusals import CoderError
from wizard.coder.steps import (
    NOT_READABLE,
    Enabled,
    IsV2,
    Prepared,
    Uploaded,
    columns,
    enable_templates,
    impact_lines,
    impact_sentence,
    impact_table,
    prepare,
    prepare_default,
    read_status,
    require_v1_admin,
    upload,
)
from wizard.errors import WizardError
from wizard.events import ActionEnded, ActionStarted, Listener, Note
from wizard.journal import digest
from wizard.journal import runs as journaled_runs
from wizard.plan import ENABLE_STEP, Action, WritePolicy, upload_step
from wizard.state import deployment_folders

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.coder.client import CoderClient
    from wizard.journal import Change


class Journaled(Protocol):
    """A change while it is made; ``after`` is what the journal keeps of its result."""

    after: dict[str, Any]


Journal = Callable[[str, Mapping[str, Any]], AbstractAsyncContextManager[Journaled]]
"""Notes a change before it is tried (title, state before) and, at the end of the context, how it ended."""


@dataclass(frozen=True)
class CoderAction(Action):
    """Something done in Coder. ``replaces`` is the step that a person is spared, as left_to_do has it."""

    kind: ClassVar[str] = "coder"
    replaces: str = ""


@dataclass(frozen=True)
class EnableTemplates(CoderAction):
    """Workspace templates are enabled for the whole site.

    With ``upload``, which the plan has next, only where Coder would take that policy: else nobody would be helped.
    """

    kind: ClassVar[str] = "coder-templates"
    upload: UploadPolicy | None = None


@dataclass(frozen=True)
class UploadPolicy(CoderAction):
    """A policy becomes the site's. ``given`` is the other file that it was made from, "" where there is none.

    Without a ``path`` it is Coder's default policy, or, with a ``content``, one that came from no file.
    """

    kind: ClassVar[str] = "coder-policy"
    path: Path | None = None
    content: bytes = b""
    given: str = ""


@dataclass(frozen=True)
class InCoder:
    """What was done in one Coder: what became of the two steps, and the command that undoes it."""

    url: str = ""
    enabled: Enabled | None = None
    policy: str = ""
    """The file that was uploaded last, or tried to be."""
    uploaded: Uploaded | None = None
    trouble: str = ""
    """Why the last try of a step failed; "" where it did not."""
    undo: str = ""

    def with_result(self, url: str, result: Enabled | Uploaded, action: CoderAction) -> InCoder:
        """The same, and what one more action did; at another deployment only that."""
        done = replace(self, url=url, trouble="") if self.url in ("", url) else InCoder(url)
        if isinstance(result, Enabled):
            return replace(done, enabled=result)
        path = action.path if isinstance(action, UploadPolicy) else None
        return replace(done, policy=str(path or ""), uploaded=result)

    def to_json(self) -> dict[str, Any] | None:
        """As commands print it; None where nothing was done."""
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


def enable_action(upload: UploadPolicy | None = None) -> EnableTemplates:
    """Enabling workspace templates, as every plan has it; ``upload`` is what is done next."""
    return EnableTemplates(
        title="Enable workspace templates in Coder",
        why=f"A template policy has no effect without them. {UNTRIED}",
        by_hand=(CLICKS_ENABLE,),
        undo="They are disabled again where they were not enabled before.",
        replaces=ENABLE_STEP,
        upload=upload,
    )


def upload_action(
    content: bytes, path: Path | None, *, given: Path | None = None, url: str | None = None
) -> UploadPolicy:
    """The upload of what ``path`` holds, made from the file ``given``; ``url`` where a choice names the deployment."""
    option = f" --coder-url {shlex.quote(url)}" if url else ""
    name = shlex.quote(str(path)) if path is not None else "-"
    return UploadPolicy(
        title=f"Upload {path or 'a policy'} as Coder's template policy",
        why=f"It takes the place of the policy that is there; a workspace follows it once it is rebuilt. {UNTRIED}",
        by_hand=(f"podman-wizard policy upload {name}{option}", CLICKS_UPLOAD),
        undo=NOT_READABLE,
        replaces=upload_step(path) if path is not None else "",
        path=path,
        content=content,
        given=str(given.expanduser().absolute()) if given is not None else "",
    )


def reset_action() -> UploadPolicy:
    """Going back to Coder's default policy; never done but where a person asks for it."""
    return UploadPolicy(
        title="Reset Coder's template policy to its default",
        why=f"It takes the place of the policy that is there. {UNTRIED}",
        by_hand=("podman-wizard policy upload --default", "coder workspaces policy-template --default"),
        undo=NOT_READABLE,
    )


def coder_actions(answers: Answers, policy: WritePolicy | None) -> tuple[CoderAction, ...]:
    """What the choices want done in Coder, in the guide's order; nothing where they want nothing."""
    choice = answers.coder
    upload = None
    if choice.upload and policy is not None:
        given = Path(answers.policy.file) if answers.policy.file and policy.diff else None
        upload = upload_action(policy.content, policy.path, given=given, url=choice.url)
    enable = enable_action(upload) if choice.enable_templates else None
    return tuple(action for action in (enable, upload) if action is not None)


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
                done = "policy uploaded" if action.content else "Coder's default policy set"
                said = f"{action.path} uploaded" if action.path else done
                listener(ActionEnded(action.kind, "done", f"{said}; {impact_sentence(uploaded.impact)}"))
                return uploaded
            case _:
                raise TypeError(f"no way to execute {type(action).__name__}")
    except WizardError as error:
        listener(ActionEnded(action.kind, "failed", " ".join(error.what.split())))
        raise
    except asyncio.CancelledError:
        listener(ActionEnded(action.kind, "interrupted", "it is not known how far it came in Coder"))
        raise


def _said(enabled: Enabled) -> str:
    return "workspace templates were enabled already" if enabled.before else "workspace templates: off before, on now"


async def _enable(action: EnableTemplates, client: CoderClient, journal: Journal) -> Enabled:
    await require_v1_admin(client)
    if action.upload is not None:
        await prepare_upload(action.upload, client, enabling=True)
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
    """What the upload would do, as Coder's dry run tells it; changes nothing. Raises what ``prepare`` raises."""
    from wizard.policy import PolicyDocument

    if not action.content:
        return await prepare_default(client)
    name = str(action.path) if action.path is not None else "the policy"
    return await prepare(client, PolicyDocument.parse(action.content, name), enabling=enabling)


@dataclass(frozen=True)
class Outlook:
    """What the actions of a plan would do in Coder, as far as it tells without a change.

    ``trouble`` says why it cannot be told; then the steps are left to a person.
    """

    url: str = ""
    templates_enabled: bool | None = None
    prepared: Prepared | None = None
    trouble: WizardError | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """As sentences and a table, for people."""
        if self.trouble is not None:
            return (*str(self.trouble).splitlines(), "So this is left to a person; nothing else waits for it.")
        words = {True: "on already", False: "off now", None: "on or off: it cannot be read"}
        said = [f"{self.url}: workspace templates are {words[self.templates_enabled]}"]
        if self.prepared is not None:
            said += [*self.prepared.notes, NOT_READABLE, f"{impact_sentence(self.prepared.impact)}."]
            said += columns(impact_table(self.prepared.impact)) if self.prepared.impact else ()
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """As ``run --dry-run -o json`` prints it."""
        prepared = self.prepared
        return {
            "url": self.url or None,
            "templates_enabled": self.templates_enabled,
            "impact": [row.to_json() for row in prepared.impact] if prepared else None,
            "notes": list(prepared.notes) if prepared else [],
            "trouble": str(self.trouble) if self.trouble else None,
        }


async def look_ahead(actions: Sequence[CoderAction], client: CoderClient) -> Outlook:
    """Has Coder say what the actions would do: whether templates are enabled, and the dry run of an upload."""
    status = await read_status(client)
    if status.deployment.kind == "v2":
        return Outlook(client.url, trouble=IsV2("; ".join(status.notes)))
    if status.problems:
        return Outlook(client.url, trouble=CoderError("; ".join(status.problems)))
    enabling = any(isinstance(action, EnableTemplates) for action in actions)
    prepared = None
    for action in actions:
        if isinstance(action, UploadPolicy):
            prepared = await prepare_upload(action, client, enabling=enabling)
    return Outlook(client.url, status.templates_enabled, prepared)


def had_effect(change: Change) -> bool:
    """Whether a change of the journal did something in Coder, or may have."""
    return change.result != "failed" or bool(change.after.get("maybe_done"))


def why_left(change: Change) -> str:
    """Why undo leaves a change of Coder alone, and what a person can do; "" where it can be taken back."""
    if change.before.get("what") == "templates":
        return "" if had_effect(change) else "it did not come to pass"
    if not had_effect(change):
        return "it was not uploaded, as far as is known"
    given, url = change.before.get("given"), shlex.quote(str(change.before["url"]))
    upload_it = f"podman-wizard policy upload {shlex.quote(given) if given else 'FILE'} --coder-url {url}"
    what = "What this one was made from" if given else "The FILE of the earlier policy"
    return (
        f"the policy that was there cannot be read through Coder's API. {what} can be uploaded again: {upload_it}; "
        f"or Coder's default policy: podman-wizard policy upload --default --coder-url {url}"
    )


def journaled_deployments() -> tuple[str, ...]:
    """The URLs of the deployments whose own journals tell of something that was not undone."""
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
    """The command that shows what can be taken back, on the cluster, or of what was done in this Coder alone."""
    return "podman-wizard undo" + (f" --coder-url {shlex.quote(url)}" if url else "")
