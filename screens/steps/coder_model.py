"""The state of Coder, the requests to it, and their rows in the Coder view, without any widget.

All requests run in the engine's thread; their results are kept here, whatever step is in view by then.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeVar

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from screens.steps.coder_by_hand import CLICKS, Click, click_detail
from screens.widgets.tokens import state_style
from screens.widgets.words import clean, detail_text
from wizard.abandoning import abandonable
from wizard.coder import UNTRIED
from wizard.coder.credentials import CoderCredentials, NoCredentials, find_credentials, store
from wizard.coder.refusals import CoderError, PolicyRefused, RefusedLine
from wizard.coder.steps import (
    NOT_READABLE,
    Enabled,
    ImpactRow,
    Prepared,
    Status,
    Uploaded,
    impact_sentence,
    lacks_podman,
    prepare,
    read_status,
    role_note,
)
from wizard.engine.coder import CoderAction, InCoder, UploadPolicy, enable_action, undo_command, upload_action
from wizard.engine.engine import Engine
from wizard.engine.events import ObjectResult
from wizard.errors import WizardError
from wizard.names import FUSE_RESOURCE
from wizard.policy import PolicyDocument
from wizard.template.parts import (
    CONTAINER,
    CONTRADICTIONS,
    DOCUMENTED,
    PLUGINS,
    THE_POD,
    outline,
    plugin_of,
    template_parts,
)
from wizard.text.counting import counted
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.steps.policy_model import PolicyModel
    from screens.walk import Walk
    from wizard.choices.target import Target
    from wizard.coder.client import CoderClient
    from wizard.session.session import Session

Result = TypeVar("Result")

SOURCES = {
    "environment": "CODER_URL and CODER_TOKEN",
    "files": "the Coder CLI's files",
    "typed": "entered here",
    "sandbox": "the sandbox",
    "none": "none",
}
"""Where URL and token came from."""

ENABLED_TICKS = ("coder-enable-templates",)
UPLOADED_TICKS = ("coder-upload-policy", "coder-save")
"""Steps by hand that are done once the API has done them."""

WIDEST = 24
"""Widest column for a name in the impact; the columns after it must stay in view."""

ENABLE_ROW = "Workspace templates"
UPLOAD_ROW = "Template policy"


class Stopped(Exception):
    """The user stopped a request."""


def stopped(what: str) -> CoderError:
    """Returns the error for a change that the user stopped while it was in progress."""
    todo = "Check in Coder, or try again; repeating it is safe."
    return CoderError(f"You stopped the request, so it is unknown whether {what}.", todo, maybe_done=True)


@dataclass
class CoderModel:
    """One deployment at a time: its state, its answers about the policy, and the changes made in it."""

    walk: Walk
    policy: PolicyModel
    typed: CoderCredentials | None = None
    """URL and token that were entered; kept while the program runs."""
    source: str = "none"
    status: Status | None = None
    trouble: WizardError | None = None
    """The reason why there is no status."""
    asking: str = ""
    """The id of the row that waits for an answer; "" if none does."""
    prepared: Prepared | None = None
    prepared_from: bytes = b""
    """The policy that was prepared."""
    impact_trouble: WizardError | None = None
    impact_asked: bytes | None = None
    """The policy that the trouble is about."""
    enabled: Enabled | None = None
    enable_trouble: WizardError | None = None
    uploaded: Uploaded | None = None
    uploaded_bytes: bytes | None = None
    upload_trouble: WizardError | None = None
    resource: str = FUSE_RESOURCE
    container: str = CONTAINER
    _target: Target | None = None
    _stopping: bool = False
    _future: concurrent.futures.Future[Any] | None = field(default=None, repr=False)

    # State ---------------------------------------------------------------------------------------------------

    @property
    def document(self) -> PolicyDocument | None:
        """The policy to upload."""
        return self.policy.document if self.policy.edits is not None else None

    @property
    def in_sandbox(self) -> bool:
        """Whether this is the simulated Coder of the sandbox."""
        return self.walk.target.sandbox is not None

    @property
    def is_v2(self) -> bool:
        """Whether the deployment has no template policy."""
        return self.status is not None and self.status.deployment.kind == "v2"

    @property
    def is_known(self) -> bool:
        """Whether Coder has answered, or failed to."""
        return self.status is not None or self.trouble is not None

    @property
    def current(self) -> Prepared | None:
        """The impact of the current policy; None if it was not checked, or if the policy has changed since."""
        document, prepared = self.document, self.prepared
        same = document is not None and prepared is not None and self.prepared_from == document.content
        return prepared if same else None

    @property
    def refusal(self) -> WizardError | None:
        """The reason why there is no impact of the current policy."""
        document = self.document
        return self.impact_trouble if document is not None and document.content == self.impact_asked else None

    @property
    def refused_lines(self) -> tuple[RefusedLine, ...]:
        """Coder's messages about the current policy, with their lines."""
        return self.refusal.lines if isinstance(self.refusal, PolicyRefused) else ()

    @property
    def is_uploaded(self) -> bool:
        """Whether Coder accepted the current policy."""
        document = self.document
        return self.uploaded is not None and document is not None and document.content == self.uploaded_bytes

    def why_not_change(self) -> str:
        """Returns why nothing can be changed in Coder now; "" if it can."""
        if self.walk.offline:
            return "These are saved facts, so nothing can be changed."
        if self.walk.operation is not None and not self.walk.operation.ended:
            return f"{self.walk.operation.title} is still running."
        if self.status is None:
            return self.trouble.what if self.trouble is not None else "Not connected to Coder yet."
        return self.status.problems[0] if self.status.problems else ""

    def why_not_ask(self) -> str:
        """Returns why the impact cannot be checked now; "" if it can."""
        if self.document is None:
            return "No policy is open. Press o to open one, or n to start one."
        if self.status is None:
            return self.trouble.what if self.trouble is not None else "Not connected to Coder yet."
        return self.status.problems[0] if self.status.problems else ""

    def why_not_upload(self) -> str:
        """Returns why the policy cannot be uploaded now; "" if it can."""
        why = self.why_not_ask() or self.why_not_change()
        if not why and (self.policy.path is None or self.policy.dirty):
            return f"{self.policy.name} has unsaved changes. Press s to save it, then upload it."
        return why

    @property
    def keeps_own_journal(self) -> bool:
        """Whether changes in Coder go to a journal of their own, because no journal of a cluster can be used."""
        return self.walk.identity is None or bool(self.walk.session.read_only)

    def undo_words(self, url: str) -> str:
        """Returns the command that undoes the next change at this deployment."""
        return undo_command(url if self.keeps_own_journal else "")

    @asynccontextmanager
    async def _journaling(self, engine: Engine, url: str) -> AsyncIterator[Engine]:
        """Yields the engine whose journal records a change; for the engine's thread."""
        if not self.keeps_own_journal:
            yield engine
        elif self.walk.identity is None:
            engine.at_coder(url)
            yield engine
        else:
            # Another wizard has locked the journal of the cluster; that of the deployment is free.
            own = Engine(self.walk.target)
            own.at_coder(url)
            own.note_answers(self.walk.session.answers)
            try:
                yield own
            finally:
                await own.close()

    def look_at_target(self) -> None:
        """Forgets the answers of Coder if the target has changed."""
        if self._target is not self.walk.target:
            if self._target is not None:
                self.stop()
                self.forget()
            self._target = self.walk.target

    def forget(self) -> None:
        """Forgets everything about the deployment."""
        self.status = self.trouble = self.prepared = self.impact_trouble = self.impact_asked = None
        self.enabled = self.enable_trouble = self.uploaded = self.uploaded_bytes = self.upload_trouble = None

    # Requests ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[CoderClient]:
        """Yields a connection; for the engine's thread."""
        credentials = self.typed
        if credentials is None and not self.in_sandbox:
            url = self.walk.session.answers.coder.url or None
            credentials = await abandonable(find_credentials, url, token_needed=False)
        async with self.walk.engine.coder(credentials=credentials) as client:
            self.source = client.credentials.source
            yield client

    async def _ask(self, row: str, work: Callable[[CoderClient], Awaitable[Result]]) -> Result:
        """Sends a request in the engine's thread. Raises WizardError, or Stopped if the user stopped it."""

        async def asked() -> Result:
            async with self._connected() as client:
                return await work(client)

        future = self.walk.bridge.submit(asked())
        self.asking, self._stopping, self._future = row, False, future
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if self._stopping:
                raise Stopped from None
            raise
        finally:
            self.asking, self._future = "", None

    def stop(self) -> None:
        """Stops the request in progress; it changes nothing, so nothing is left half done."""
        if self._future is not None:
            self._stopping = True
            self._future.cancel()

    async def read(self, *, keep: bool = False) -> str:
        """Reads the version of Coder and the user. ``keep`` saves URL and token once Coder has accepted them.

        Returns whether they were saved, as a sentence; "" if ``keep`` is not set.
        """
        self.forget()
        try:
            self.status = await self._ask("coder", read_status)
            self.walk.session.coder_is_v2 = self.is_v2
        except Stopped:
            self.trouble = CoderError("You stopped the request to Coder.", "Press r to try again.")
        except WizardError as error:
            self.trouble = error
        typed = self.typed
        if not keep or typed is None:
            return ""
        if self.status is None or self.status.user is None:
            return "The URL and token were not saved because Coder rejected them."
        folder = await self.walk.compute(lambda: store(typed))
        return f"The URL and token were saved in {folder}, readable only by you."

    async def ask_impact(self) -> Prepared | None:
        """Lets Coder parse the policy and list the workspaces it would affect; returns None if that fails."""
        document = self.document
        if document is None:
            return None
        self.prepared = self.impact_trouble = None
        self.impact_asked = document.content
        try:
            self.prepared = await self._ask("impact", lambda client: prepare(client, document))
            self.prepared_from = document.content
        except Stopped:
            self.impact_trouble = CoderError("You stopped the request to Coder.", "Press enter to try again.")
        except WizardError as error:
            self.impact_trouble = error
        return self.current

    # Changes -------------------------------------------------------------------------------------------------

    def enable(self) -> None:
        """Starts to enable workspace templates; the app runs it."""
        action = enable_action()

        async def work(engine: Engine, operation: Operation) -> None:
            self.enable_trouble = None
            try:
                async with self._connected() as client:
                    self.enabled = enabled = await self._execute(engine, action, client, operation, ENABLE_ROW, None)
                    self._did(client, action, enabled)
                    await self._look_again(client)
            except WizardError as error:
                self.enable_trouble = error
                self._failed(action, error)
                raise
            except asyncio.CancelledError:
                self.enable_trouble = stopped("workspace templates are enabled")
                self._failed(action, self.enable_trouble)
                raise

        self._begin(action, ENABLE_ROW, work)

    def upload(self, prepared: Prepared, path: Path) -> None:
        """Starts to upload the prepared policy, which was read from ``path``; the app runs it."""
        given = self.policy.given if self.policy.given != path else None
        action = upload_action(self.prepared_from, path, given=given)

        async def work(engine: Engine, operation: Operation) -> None:
            self.upload_trouble = self.uploaded = None
            try:
                async with self._connected() as client:
                    uploaded = await self._execute(engine, action, client, operation, UPLOAD_ROW, prepared)
                    self.uploaded, self.uploaded_bytes = uploaded, action.content
                    self._did(client, action, uploaded)
                    await self._look_again(client)
            except WizardError as error:
                self.upload_trouble = error
                self._failed(action, error)
                if isinstance(error, PolicyRefused):
                    self.prepared, self.impact_trouble, self.impact_asked = None, error, action.content
                raise
            except asyncio.CancelledError:
                self.upload_trouble = stopped("Coder accepted the policy")
                self._failed(action, self.upload_trouble)
                raise

        self._begin(action, UPLOAD_ROW, work)

    def _begin(self, action: CoderAction, row: str, work: Callable[[Engine, Operation], Awaitable[None]]) -> None:
        async def begun(engine: Engine, operation: Operation) -> None:
            await work(engine, operation)

        self.walk.begin("policy", action.title, (row,), begun).stops_softly = False

    async def _execute(
        self,
        engine: Engine,
        action: CoderAction,
        client: CoderClient,
        operation: Operation,
        row: str,
        prepared: Prepared | None,
    ) -> Any:
        try:
            async with self._journaling(engine, client.url) as journaling:
                result = await journaling.execute_in_coder(action, client, operation.take, prepared)
        except WizardError as error:
            operation.take(ObjectResult(action.kind, row, "failed", message=error.what))
            raise
        unchanged = isinstance(result, Enabled) and result.before
        operation.take(ObjectResult(action.kind, row, "unchanged" if unchanged else "configure"))
        return result

    async def _look_again(self, client: CoderClient) -> None:
        """Reads the status again; if that fails, the earlier status stays."""
        with suppress(CoderError):
            self.status = await read_status(client)

    def _failed(self, action: CoderAction, error: WizardError) -> None:
        """Notes a failed change; its message says whether Coder can have made the change all the same."""
        session = self.walk.session
        url = self.status.url if self.status is not None else ""
        done = session.in_coder if session.in_coder.url in ("", url) else InCoder(url)
        path = str(action.path) if isinstance(action, UploadPolicy) and action.path is not None else done.policy
        undo = self.undo_words(url) if getattr(error, "maybe_done", False) else done.undo
        session.in_coder = replace(done, url=url, policy=path, trouble=f"{action.title}: {error.what}", undo=undo)

    def _did(self, client: CoderClient, action: CoderAction, result: Enabled | Uploaded) -> None:
        """Notes what Coder did, as ticks and as choices that a run repeats; for the engine's thread."""
        session: Session = self.walk.session
        done = session.in_coder.with_result(client.url, result, action)
        session.in_coder = replace(done, undo=self.undo_words(client.url))
        choice, policy = session.answers.coder, session.answers.policy
        if not self.in_sandbox:
            choice = replace(choice, url=client.url)
        if isinstance(action, UploadPolicy):
            session.ticks.update(UPLOADED_TICKS)
            choice = replace(choice, upload=True)
            # A run merges first: it writes to a file only if that does not change it.
            merged = not lacks_podman(PolicyDocument.parse(action.content, done.policy))
            output = done.policy if merged else None
            policy = replace(session.answers.policy_or_default, file=done.policy, output=output)
        else:
            session.ticks.update(ENABLED_TICKS)
            choice = replace(choice, enable_templates=True)
        session.choose(replace(session.answers, coder=choice, policy=policy))


# Rows --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CoderRow:
    """One row of the view; ``verb`` is the label of Enter, "" if it only opens the details."""

    id: str
    state: str
    title: str
    detail: RenderableType
    verb: str = ""
    refused: RefusedLine | None = None
    click: Click | None = None


def coder_rows(desk: CoderModel, ticks: set[str]) -> tuple[CoderRow, ...]:
    """Returns the rows: the deployment, the changes through its API, and the same steps by hand."""
    if desk.is_v2 and desk.status is not None:
        return _v2_rows(desk, desk.status)
    rows: list[CoderRow] = []
    if desk.status is None:
        rows.append(_unknown_row(desk))
    else:
        rows += _status_rows(desk, desk.status)
        rows += [_enable_row(desk, desk.status), _impact_row(desk), *_refused_rows(desk), _upload_row(desk)]
    return (*rows, *_click_rows(desk, ticks))


def _click_rows(desk: CoderModel, ticks: set[str]) -> list[CoderRow]:
    file = str(desk.policy.path.absolute()) if desk.policy.path is not None else "the file that you save with s"
    return [
        CoderRow(
            click.id,
            "[x]" if click.id in ticks else "[ ]",
            f"By hand: {click.title}",
            click_detail(click, click.id in ticks, file),
            "Mark undone" if click.id in ticks else "Mark done",
            click=click,
        )
        for click in CLICKS
    ]


def _unknown_row(desk: CoderModel) -> CoderRow:
    if desk.trouble is None:
        detail = detail_text("Connecting to Coder", seen="Reading its version and your roles.", do="Press x to stop.")
        return CoderRow("coder", "waiting", "Connecting to Coder", detail)
    error = desk.trouble
    nobody = isinstance(error, NoCredentials)
    by_hand = "You can also do this by hand with the steps below."
    do = [
        error.todo,
        "Press r to try again."
        if desk.in_sandbox
        else "Press enter to type the URL and a session token, or r to try again.",
    ]
    return CoderRow(
        "coder",
        "unknown" if nobody else "failed",
        error.what,
        detail_text(error.what, then=by_hand, do=do),
        "Retry" if desk.in_sandbox else "URL and token",
    )


def _status_rows(desk: CoderModel, status: Status) -> list[CoderRow]:
    problems = list(status.problems)
    old = problems.pop(0) if status.deployment.is_too_old and problems else ""
    version = status.deployment.version or "unknown version"
    # If templates are not enabled, the last note is about the command; here they have a row.
    notes = status.notes[:-1] if status.templates_enabled is False else status.notes
    role = role_note(status.user) if status.user is not None else ""
    notes = tuple(note for note in notes if note != role)  # said in the user's row
    seen = [status.url, f"URL and token from: {SOURCES.get(desk.source, desk.source)}", *notes]
    state = "waiting" if desk.asking == "coder" else "blocker" if old else "ok"
    rows = [
        CoderRow(
            "coder",
            state,
            f"Coder v1, {version}, at {status.url}",
            detail_text(
                f"Coder v1, {version}",
                seen=seen,
                then=old or UNTRIED,
                do="Press r to refresh" + ("." if desk.in_sandbox else ", or l to use another URL or token."),
            ),
        )
    ]
    user = status.user
    if user is None:
        problem = problems[0] if problems else ""
        detail = detail_text(
            "Not logged in",
            seen=problem,
            then="Without a token, only the version can be read.",
            do="Press l to enter a token.",
        )
        rows.append(CoderRow("who", "unknown", "No session token: the user is unknown", detail, "URL and token"))
    else:
        roles = ", ".join(user.roles) or "no role"
        then = problems[0] if problems else role or "You can enable templates and upload the policy."
        detail = detail_text(f"You are {user.name}", seen=f"roles: {roles}", then=then)
        level = "blocker" if problems else "warning" if role else "ok"
        rows.append(CoderRow("who", level, f"You are {user.name}: {roles}", detail))
    return rows


def _error_row(id: str, title: str, error: WizardError, verb: str, *, then: str = "Nothing was changed.") -> CoderRow:
    return CoderRow(id, "failed", title, detail_text(title, seen=error.what, then=then, do=error.todo), verb)


def _enable_row(desk: CoderModel, status: Status) -> CoderRow:
    title, why = "Workspace templates", desk.why_not_change()
    if status.templates_enabled:
        seen = "Coder reports that they are enabled."
        if desk.enabled is not None and not desk.enabled.before:
            seen = "They were off and are now on; this was read from Coder after the change."
        return CoderRow(
            "enable",
            "done",
            f"{title} are enabled",
            detail_text(title, seen=seen, then="Coder uses templates and the policy."),
        )
    if desk.enable_trouble is not None:
        then = (
            "Coder may have enabled them. Press r to check."
            if getattr(desk.enable_trouble, "maybe_done", False)
            else ""
        )
        title = "Workspace templates were not enabled"
        return _error_row("enable", title, desk.enable_trouble, "Enable templates", then=then or "Nothing was changed.")
    unknown = status.templates_enabled is None
    then = "Until they are enabled, Coder uses neither templates nor the policy."
    detail = detail_text(
        title,
        seen="Your role cannot read whether they are enabled."
        if unknown
        else "Coder reports that they are not enabled.",
        then=[then, why],
        do="" if why else "Press enter to enable them for the whole site. The wizard asks first.",
    )
    state = "unknown" if unknown else "skipped" if why else "waiting"
    return CoderRow(
        "enable", state, f"{title}: {'unknown' if unknown else 'not enabled'}", detail, "" if why else "Enable"
    )


def impact_view(rows: Sequence[ImpactRow]) -> RenderableType:
    """Returns the impact as a table: workspace, owner, warning or error, now or once updated, and Coder's message."""
    head = ("workspace", "owner", "", "when")
    cells = [head, *((clean(r.workspace), clean(r.owner), r.severity, r.when) for r in rows)]
    widths = [min(WIDEST, max(cell_len(line[column]) for line in cells)) for column in range(len(head))]
    parts: list[RenderableType] = []
    for number, line in enumerate(cells):
        text = Text(no_wrap=True, overflow="ellipsis", style="" if number else "bold")
        for cell, width in zip(line, widths, strict=True):
            fitting = Text(cell, state_style("failed" if cell == "error" else cell))
            fitting.truncate(width, overflow="ellipsis", pad=True)
            text.append_text(fitting).append("  ")
        text.rstrip()
        parts.append(text)
        if number:
            # A line of its own: Coder's messages do not fit a column.
            row = rows[number - 1]
            words = ": ".join(part for part in (row.consequence, "; ".join(row.messages)) if part)
            parts.append(Padding(Text(clean(words)), (0, 0, 0, 2)))
    return Group(*parts)


def _impact_row(desk: CoderModel) -> CoderRow:
    why = desk.why_not_ask()
    title = "Impact on workspaces"
    prepared = desk.current
    if desk.asking == "impact":
        return CoderRow(
            "impact",
            "waiting",
            "Checking the impact",
            detail_text("Checking the impact with a dry run", do="Press x to stop."),
        )
    if prepared is not None:
        parts: list[RenderableType] = [Text(f"{title} (dry run, nothing was changed)", style="bold")]
        if prepared.impact:
            parts.append(impact_view(prepared.impact))
        parts += [Text(printable(note, lines=True)) for note in prepared.notes]
        state = "warning" if prepared.impact or prepared.notes else "ok"
        return CoderRow("impact", state, f"Impact: {impact_sentence(prepared.impact)}", Group(*parts), "Details")
    if desk.refusal is not None:
        if desk.refused_lines:
            count = len(desk.refused_lines)
            detail = detail_text(
                "Coder rejected the policy",
                seen=[f"{counted(count, 'message')}, listed in the rows below"],
                then="Nothing was changed.",
                do="Press enter on a message to go to its field. Fix it, then check again.",
            )
            return CoderRow("impact", "failed", "Coder rejected the policy", detail, "Check again")
        return _error_row("impact", "The impact is unknown", desk.refusal, "Check again")
    stale = "The policy has changed since the last check." if desk.prepared is not None else ""
    detail = detail_text(
        title,
        seen=stale or "Not checked yet.",
        then=why or "Coder parses the policy and lists the workspaces it would affect. Nothing changes.",
        do="" if why else "Press enter to check.",
    )
    return CoderRow(
        "impact", "skipped" if why else "waiting", "Impact: not checked yet", detail, "" if why else "Check"
    )


def _refused_rows(desk: CoderModel) -> list[CoderRow]:
    rows = []
    for number, refused in enumerate(desk.refused_lines):
        place = f"line {refused.line}" if refused.line else "no line"
        detail = detail_text(
            f"Message from Coder, {place}",
            seen=refused.message,
            do="Press enter to go to the field." if refused.line else "The message names no field in the file.",
        )
        verb = "Show field" if refused.line else ""
        rows.append(CoderRow(f"refused-{number}", "failed", f"{place}: {refused.message}", detail, verb, refused))
    return rows


def _upload_row(desk: CoderModel) -> CoderRow:
    name = clean(desk.policy.name) if desk.document is not None else "the policy"
    uploaded = desk.uploaded
    if desk.is_uploaded and uploaded is not None:
        enabled = desk.status.templates_enabled if desk.status is not None else None
        words = {True: "workspace templates are enabled", False: "workspace templates are not enabled yet"}
        seen = [f"Coder accepted it as template {uploaded.template.id}; {impact_sentence(uploaded.impact)}"]
        if uploaded.template.file_hash:
            seen.append(f"SHA-256 reported by Coder: {uploaded.template.file_hash}")
        if enabled is not None:
            seen.append(f"after the upload, {words[enabled]}")
        detail = detail_text(
            f"{name} is Coder's template policy",
            seen=seen,
            then=["Coder's API cannot return the policy itself.", uploaded.note],
            do="Rebuild the workspaces. Each then requests a FUSE device.",
        )
        return CoderRow("upload", "done", f"{name} is Coder's template policy", detail)
    why = desk.why_not_upload()
    if desk.upload_trouble is not None and not desk.refused_lines:
        maybe = getattr(desk.upload_trouble, "maybe_done", False)
        then = "It is unknown whether Coder accepted it. Uploading it again is safe." if maybe else ""
        title = f"{name} was not uploaded" if not maybe else f"Unknown whether {name} was uploaded"
        return _error_row(
            "upload", title, desk.upload_trouble, "Upload", then=then or "Coder still has its earlier policy."
        )
    detail = detail_text(
        f"Upload {name} for the whole site",
        seen=why,
        then=["" if why else "It replaces the current policy.", "" if why else NOT_READABLE],
        do="" if why else "Press enter to check the impact, then confirm.",
    )
    return CoderRow("upload", "skipped" if why else "waiting", f"Upload {name}", detail, "" if why else "Upload")


# Coder v2 ----------------------------------------------------------------------------------------------------


def _v2_rows(desk: CoderModel, status: Status) -> tuple[CoderRow, ...]:
    plugin = plugin_of(desk.resource)
    others = [one for one in PLUGINS if one.resource != desk.resource]
    rows = [
        CoderRow(
            "coder",
            "info",
            f"Coder v2, {status.deployment.version}: no template policy",
            detail_text(
                f"Coder v2 at {status.url}",
                seen=f"version {status.deployment.version}",
                then="It has no template policy. Your Terraform template needs the parts below.",
                do=[
                    "Press c to copy or save all parts.",
                    "They follow the documentation of v2 and have not been tested.",
                ],
            ),
        ),
        CoderRow(
            "resource",
            "info",
            f"Resource: {desk.resource} ({plugin.name})",
            detail_text(
                f"{desk.resource}, offered by {plugin.name}",
                seen=plugin.limits,
                do=[f"Press enter to use {one.resource} ({one.name})." for one in others],
            ),
            "Change resource",
        ),
        CoderRow(
            "container",
            "info",
            f"Container: {desk.container}",
            detail_text(
                "The name of the workspace container",
                seen=f"{desk.container}; the examples of v2 use {CONTAINER}",
                then="The AppArmor annotation contains this name.",
                do="Press enter to change it.",
            ),
            "Change name",
        ),
    ]
    places = Group(Text(outline(desk.container).rstrip("\n")), Text(THE_POD))
    rows.append(CoderRow("outline", "info", "Where each part goes in a typical main.tf", places))
    for number, part in enumerate(template_parts(desk.resource, desk.container), 1):
        detail = part_detail(f"{part.place}. {part.mind}", part.text)
        rows.append(CoderRow(f"part-{part.id}", "", f"{number} {part.title}: {part.place}", detail))
    for id, title, lines in (
        ("documented", "Other requirements in the documentation of v2", DOCUMENTED),
        ("contradictions", "Contradictions in the documentation of v2", CONTRADICTIONS),
    ):
        state = "info" if id == "documented" else "warning"
        rows.append(CoderRow(id, state, title, detail_text(title, seen=[f"- {line}" for line in lines])))
    return tuple(rows)


def part_detail(place: str, text: str) -> RenderableType:
    """Returns the detail of a template part: where it goes, and its text."""
    source = Text(printable(dedent(text).rstrip("\n"), lines=True), overflow="fold")
    return Group(Text(f"Add to {place}", style="bold"), source)
