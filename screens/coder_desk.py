"""What is known of Coder, and what it was asked: the tab Coder of the template policy, without any widget.

All requests run in the engine's thread; what they find is kept here, whatever step is in view then.
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

from screens.policy_view import CLICKS, Click, click_detail
from screens.words import STATE_STYLES, clean, detail_text
from wizard.coder import UNTRIED
from wizard.coder.actions import CoderAction, InCoder, UploadPolicy, enable_action, undo_command, upload_action
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
)
from wizard.coder.v2 import (
    CONTAINER,
    CONTRADICTIONS,
    DOCUMENTED,
    PLUGINS,
    THE_POD,
    outline,
    plugin_of,
    template_parts,
)
from wizard.engine import Engine
from wizard.errors import WizardError
from wizard.escaping import printable
from wizard.events import ObjectResult
from wizard.names import FUSE_RESOURCE
from wizard.policy import PolicyDocument

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.policy_desk import PolicyDesk
    from screens.walk import Walk
    from wizard.coder.client import CoderClient
    from wizard.session import Session
    from wizard.target import Target

Result = TypeVar("Result")

SOURCES = {
    "environment": "CODER_URL and CODER_TOKEN",
    "files": "the files of Coder's command line",
    "typed": "typed here",
    "sandbox": "the sandbox's own",
    "none": "none",
}
"""Where URL and token came from."""

ENABLED_TICKS = ("coder-enable-templates",)
UPLOADED_TICKS = ("coder-upload-policy", "coder-save")
"""What a person need not do any more once Coder did it."""

WIDEST = 24
"""Columns that a name may take in the impact; what follows it has to stay in view."""

ENABLE_ROW = "Workspace templates"
UPLOAD_ROW = "Template policy"


class Stopped(Exception):
    """The person stopped a request."""


def stopped(what: str) -> CoderError:
    """The error for a change that a person stopped while it was on its way."""
    todo = "Look in Coder, or try it again: that does no harm."
    return CoderError(f"You stopped it on its way: it is not known whether {what}.", todo, maybe_done=True)


@dataclass
class CoderDesk:
    """One deployment at a time: what it said of itself, of the policy, and of what was done."""

    walk: Walk
    policy: PolicyDesk
    typed: CoderCredentials | None = None
    """URL and token that were typed; kept as long as the program runs."""
    source: str = "none"
    status: Status | None = None
    trouble: WizardError | None = None
    """Why there is no status."""
    asking: str = ""
    """The id of the row that waits for an answer; "" where none does."""
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

    # What is known -------------------------------------------------------------------------------------------

    @property
    def document(self) -> PolicyDocument | None:
        """The policy that would be uploaded."""
        return self.policy.document if self.policy.edits is not None else None

    @property
    def in_sandbox(self) -> bool:
        """Whether Coder is the sandbox's."""
        return self.walk.target.sandbox is not None

    @property
    def is_v2(self) -> bool:
        """Whether the deployment has no template policy."""
        return self.status is not None and self.status.deployment.kind == "v2"

    @property
    def is_known(self) -> bool:
        """Whether Coder was asked already."""
        return self.status is not None or self.trouble is not None

    @property
    def current(self) -> Prepared | None:
        """The impact of the policy as it now is; None where it was not asked, or the policy was changed since."""
        document, prepared = self.document, self.prepared
        same = document is not None and prepared is not None and self.prepared_from == document.content
        return prepared if same else None

    @property
    def refusal(self) -> WizardError | None:
        """Why there is no impact of the policy as it now is."""
        document = self.document
        return self.impact_trouble if document is not None and document.content == self.impact_asked else None

    @property
    def refused_lines(self) -> tuple[RefusedLine, ...]:
        """Coder's messages about the policy as it now is, with their lines."""
        return self.refusal.lines if isinstance(self.refusal, PolicyRefused) else ()

    @property
    def is_uploaded(self) -> bool:
        """Whether Coder took the policy as it now is."""
        document = self.document
        return self.uploaded is not None and document is not None and document.content == self.uploaded_bytes

    def why_not_change(self) -> str:
        """Why nothing may be changed in Coder now; "" where it may."""
        if self.walk.offline:
            return "These are saved facts: nothing is changed from here."
        if self.walk.operation is not None and not self.walk.operation.ended:
            return f"{self.walk.operation.title} is still at work."
        if self.status is None:
            return self.trouble.what if self.trouble is not None else "Coder has not been asked yet."
        return self.status.problems[0] if self.status.problems else ""

    def why_not_ask(self) -> str:
        """Why Coder cannot be asked for the impact; "" where it can."""
        if self.document is None:
            return "There is no policy here yet: o opens one, n starts one."
        if self.status is None:
            return self.trouble.what if self.trouble is not None else "Coder has not been asked yet."
        return self.status.problems[0] if self.status.problems else ""

    def why_not_upload(self) -> str:
        """Why the policy cannot be uploaded now; "" where it can."""
        why = self.why_not_ask() or self.why_not_change()
        if not why and (self.policy.path is None or self.policy.dirty):
            return f"{self.policy.name} is not written yet: s writes it, then it can be uploaded."
        return why

    @property
    def keeps_own_journal(self) -> bool:
        """Whether what is done in Coder has a journal of its own: no cluster is there to have it in its own."""
        return self.walk.identity is None or bool(self.walk.session.read_only)

    def undo_words(self, url: str) -> str:
        """The command that will know of what is done now at this deployment."""
        return undo_command(url if self.keeps_own_journal else "")

    @asynccontextmanager
    async def _journaling(self, engine: Engine, url: str) -> AsyncIterator[Engine]:
        """The engine in whose journal it goes; for the engine's thread."""
        if not self.keeps_own_journal:
            yield engine
        elif self.walk.identity is None:
            engine.at_coder(url)
            yield engine
        else:
            # The cluster's journal belongs to another wizard; the deployment's is free.
            own = Engine(self.walk.target)
            own.at_coder(url)
            own.note_answers(self.walk.session.answers)
            try:
                yield own
            finally:
                await own.close()

    def look_at_target(self) -> None:
        """Forgets what an earlier target's Coder said."""
        if self._target is not self.walk.target:
            if self._target is not None:
                self.stop()
                self.forget()
            self._target = self.walk.target

    def forget(self) -> None:
        """Nothing is known of the deployment any more."""
        self.status = self.trouble = self.prepared = self.impact_trouble = self.impact_asked = None
        self.enabled = self.enable_trouble = self.uploaded = self.uploaded_bytes = self.upload_trouble = None

    # Questions -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[CoderClient]:
        """A connection; for the engine's thread."""
        credentials = self.typed
        if credentials is None and not self.in_sandbox:
            credentials = find_credentials(self.walk.session.answers.coder.url or None, token_needed=False)
        async with self.walk.engine.coder(credentials=credentials) as client:
            self.source = client.credentials.source
            yield client

    async def _ask(self, row: str, work: Callable[[CoderClient], Awaitable[Result]]) -> Result:
        """Asks in the engine's thread. Raises WizardError, or Stopped where the person did not want to wait."""

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
        """Gives up the question that is in flight; it changes nothing, so nothing is half done."""
        if self._future is not None:
            self._stopping = True
            self._future.cancel()

    async def read(self, *, keep: bool = False) -> str:
        """Asks Coder what it is, and who we are. ``keep`` stores what was typed, once Coder has taken it.

        Gives what became of that.
        """
        self.forget()
        try:
            self.status = await self._ask("coder", read_status)
            self.walk.session.coder_is_v2 = self.is_v2
        except Stopped:
            self.trouble = CoderError("Coder was not waited for.", "r asks again.")
        except WizardError as error:
            self.trouble = error
        typed = self.typed
        if not keep or typed is None:
            return ""
        if self.status is None or self.status.user is None:
            return "URL and token were not stored: Coder did not take them."
        folder = await self.walk.compute(lambda: store(typed))
        return f"URL and token are stored in {folder}, readable by you alone."

    async def ask_impact(self) -> Prepared | None:
        """Has Coder parse the policy and say which workspaces it would touch; None where it did not."""
        document = self.document
        if document is None:
            return None
        self.prepared = self.impact_trouble = None
        self.impact_asked = document.content
        try:
            self.prepared = await self._ask("impact", lambda client: prepare(client, document))
            self.prepared_from = document.content
        except Stopped:
            self.impact_trouble = CoderError("Coder was not waited for.", "enter asks again.")
        except WizardError as error:
            self.impact_trouble = error
        return self.current

    # Changes -------------------------------------------------------------------------------------------------

    def enable(self) -> None:
        """Starts enabling workspace templates; the work is the app's."""
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
                self.enable_trouble = stopped("workspace templates are enabled now")
                self._failed(action, self.enable_trouble)
                raise

        self._begin(action, ENABLE_ROW, work)

    def upload(self, prepared: Prepared, path: Path) -> None:
        """Starts the upload of what was prepared, and was read from ``path``; the work is the app's."""
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
                self.upload_trouble = stopped("Coder took the policy")
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
        """Reads back what can be read back; where that fails, the earlier status stays."""
        with suppress(CoderError):
            self.status = await read_status(client)

    def _failed(self, action: CoderAction, error: WizardError) -> None:
        """Notes a try that failed; whether Coder has done it all the same is among its words."""
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
            # A run merges first: it writes into a file only where that changes nothing.
            merged = not lacks_podman(PolicyDocument.parse(action.content, done.policy))
            output = done.policy if merged else None
            policy = replace(policy, file=done.policy, output=output)
        else:
            session.ticks.update(ENABLED_TICKS)
            choice = replace(choice, enable_templates=True)
        session.choose(replace(session.answers, coder=choice, policy=policy))


# Rows --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CoderRow:
    """A line of the tab; ``verb`` is what Enter does with it, "" for nothing but to show it in full."""

    id: str
    state: str
    title: str
    detail: RenderableType
    verb: str = ""
    refused: RefusedLine | None = None
    click: Click | None = None


def coder_rows(desk: CoderDesk, ticks: set[str]) -> tuple[CoderRow, ...]:
    """The tab, line by line: the deployment, what can be done through its API, and the clicks that do the same."""
    if desk.is_v2 and desk.status is not None:
        return _v2_rows(desk, desk.status)
    rows: list[CoderRow] = []
    if desk.status is None:
        rows.append(_unknown_row(desk))
    else:
        rows += _status_rows(desk, desk.status)
        rows += [_enable_row(desk, desk.status), _impact_row(desk), *_refused_rows(desk), _upload_row(desk)]
    return (*rows, *_click_rows(desk, ticks))


def _click_rows(desk: CoderDesk, ticks: set[str]) -> list[CoderRow]:
    file = str(desk.policy.path.absolute()) if desk.policy.path is not None else "the file that you write with s"
    return [
        CoderRow(
            click.id,
            "[x]" if click.id in ticks else "[ ]",
            f"By hand: {click.title}",
            click_detail(click, click.id in ticks, file),
            "Untick" if click.id in ticks else "Tick off",
            click=click,
        )
        for click in CLICKS
    ]


def _unknown_row(desk: CoderDesk) -> CoderRow:
    if desk.trouble is None:
        detail = detail_text("Asking Coder", seen="which Coder it is, and who you are to it", do="x stops it")
        return CoderRow("coder", "waiting", "Asking Coder who it is", detail)
    error = desk.trouble
    nobody = isinstance(error, NoCredentials)
    by_hand = "the clicks below do the same by hand; nothing waits for this"
    do = [error.todo, "r asks again" if desk.in_sandbox else "enter: type its URL and a session token; r asks again"]
    return CoderRow(
        "coder",
        "unknown" if nobody else "failed",
        error.what,
        detail_text(error.what, then=by_hand, do=do),
        "Ask again" if desk.in_sandbox else "URL and token",
    )


def _status_rows(desk: CoderDesk, status: Status) -> list[CoderRow]:
    problems = list(status.problems)
    old = problems.pop(0) if status.deployment.is_too_old and problems else ""
    version = status.deployment.version or "of unknown version"
    # Its last note is about the command line where templates are not enabled; here they have a row.
    notes = status.notes[:-1] if status.templates_enabled is False else status.notes
    seen = [status.url, f"URL and token: {SOURCES.get(desk.source, desk.source)}", *notes]
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
                do="r asks again" + ("" if desk.in_sandbox else ", l takes another URL or token"),
            ),
        )
    ]
    user = status.user
    if user is None:
        problem = problems[0] if problems else ""
        detail = detail_text("Nobody is logged in", seen=problem, then="only the version can be read", do="l: a token")
        rows.append(CoderRow("who", "unknown", "No session token: who you are is not known", detail, "URL and token"))
    else:
        roles = ", ".join(user.roles) or "no role"
        then = problems[0] if problems else "you may enable templates and set the policy"
        detail = detail_text(f"You are {user.name}", seen=f"roles: {roles}", then=then)
        rows.append(CoderRow("who", "blocker" if problems else "ok", f"You are {user.name}: {roles}", detail))
    return rows


def _error_row(id: str, title: str, error: WizardError, verb: str, *, then: str = "nothing was changed") -> CoderRow:
    return CoderRow(id, "failed", title, detail_text(title, seen=error.what, then=then, do=error.todo), verb)


def _enable_row(desk: CoderDesk, status: Status) -> CoderRow:
    title, why = "Workspace templates", desk.why_not_change()
    if status.templates_enabled:
        seen = "Coder says that they are enabled"
        if desk.enabled is not None and not desk.enabled.before:
            seen = "off before, on now: read again from Coder after it was set"
        return CoderRow(
            "enable", "done", f"{title} are enabled", detail_text(title, seen=seen, then="templates and policy count")
        )
    if desk.enable_trouble is not None:
        then = "Coder may have done it: r asks" if getattr(desk.enable_trouble, "maybe_done", False) else ""
        title = "Workspace templates were not enabled"
        return _error_row("enable", title, desk.enable_trouble, "Enable templates", then=then or "nothing was changed")
    unknown = status.templates_enabled is None
    then = "without them Coder reads neither templates nor the policy"
    detail = detail_text(
        title,
        seen="whether they are enabled cannot be read with this role" if unknown else "Coder says: not enabled",
        then=[then, why],
        do="" if why else "enter enables them for the whole site, after a question",
    )
    state = "unknown" if unknown else "skipped" if why else "waiting"
    return CoderRow(
        "enable", state, f"{title}: {'not known' if unknown else 'not enabled'}", detail, "" if why else "Enable"
    )


def impact_view(rows: Sequence[ImpactRow]) -> RenderableType:
    """The impact as a table: workspace, owner, warning or error, now or once updated, and Coder's words."""
    head = ("workspace", "owner", "", "when")
    cells = [head, *((clean(r.workspace), clean(r.owner), r.severity, r.when) for r in rows)]
    widths = [min(WIDEST, max(cell_len(line[column]) for line in cells)) for column in range(len(head))]
    parts: list[RenderableType] = []
    for number, line in enumerate(cells):
        text = Text(no_wrap=True, overflow="ellipsis", style="" if number else "bold")
        for cell, width in zip(line, widths, strict=True):
            fitting = Text(cell, STATE_STYLES.get(cell, "bold red" if cell == "error" else ""))
            fitting.truncate(width, overflow="ellipsis", pad=True)
            text.append_text(fitting).append("  ")
        text.rstrip()
        parts.append(text)
        if number:
            # A line of its own: Coder's sentences are longer than what a column has.
            row = rows[number - 1]
            words = ": ".join(part for part in (row.consequence, "; ".join(row.messages)) if part)
            parts.append(Padding(Text(clean(words)), (0, 0, 0, 2)))
    return Group(*parts)


def _impact_row(desk: CoderDesk) -> CoderRow:
    why = desk.why_not_ask()
    title = "Impact on workspaces"
    prepared = desk.current
    if desk.asking == "impact":
        return CoderRow("impact", "waiting", "Asking Coder for the impact", detail_text("A dry run", do="x stops it"))
    if prepared is not None:
        parts: list[RenderableType] = [Text(f"{title}: nothing was changed, this was a dry run", style="bold")]
        if prepared.impact:
            parts.append(impact_view(prepared.impact))
        parts += [Text(printable(note, lines=True)) for note in prepared.notes]
        state = "warning" if prepared.impact or prepared.notes else "ok"
        return CoderRow("impact", state, f"Impact: {impact_sentence(prepared.impact)}", Group(*parts), "Show it")
    if desk.refusal is not None:
        if desk.refused_lines:
            count = len(desk.refused_lines)
            detail = detail_text(
                "Coder refuses the policy",
                seen=[f"{count} {'message' if count == 1 else 'messages'}, in the rows under this one"],
                then="nothing was changed",
                do="enter on a message goes to its field; then ask again",
            )
            return CoderRow("impact", "failed", "Coder refuses the policy", detail, "Ask again")
        return _error_row("impact", "The impact is not known", desk.refusal, "Ask again")
    stale = "the policy was changed since it was asked last" if desk.prepared is not None else ""
    detail = detail_text(
        title,
        seen=stale or "not asked yet",
        then=why or "Coder parses the policy and says which workspaces it would touch; nothing is changed",
        do="" if why else "enter asks",
    )
    return CoderRow("impact", "skipped" if why else "waiting", "Impact: not asked yet", detail, "" if why else "Ask")


def _refused_rows(desk: CoderDesk) -> list[CoderRow]:
    rows = []
    for number, refused in enumerate(desk.refused_lines):
        place = f"line {refused.line}" if refused.line else "no line"
        detail = detail_text(
            f"{place}: what Coder says",
            seen=refused.message,
            do="enter goes to the field" if refused.line else "it names no field of the file",
        )
        verb = "Go there" if refused.line else ""
        rows.append(CoderRow(f"refused-{number}", "failed", f"{place}: {refused.message}", detail, verb, refused))
    return rows


def _upload_row(desk: CoderDesk) -> CoderRow:
    name = clean(desk.policy.name) if desk.document is not None else "the policy"
    uploaded = desk.uploaded
    if desk.is_uploaded and uploaded is not None:
        enabled = desk.status.templates_enabled if desk.status is not None else None
        words = {True: "workspace templates are enabled", False: "workspace templates are not enabled yet"}
        seen = [f"Coder took it as template {uploaded.template.id}; {impact_sentence(uploaded.impact)}"]
        if uploaded.template.file_hash:
            seen.append(f"SHA-256, as Coder tells it: {uploaded.template.file_hash}")
        if enabled is not None:
            seen.append(f"read again after it: {words[enabled]}")
        detail = detail_text(
            f"{name} is Coder's template policy",
            seen=seen,
            then=["the policy itself cannot be read back through the API", uploaded.note],
            do="rebuild workspaces: each asks for a FUSE device then",
        )
        return CoderRow("upload", "done", f"{name} is Coder's template policy", detail)
    why = desk.why_not_upload()
    if desk.upload_trouble is not None and not desk.refused_lines:
        maybe = getattr(desk.upload_trouble, "maybe_done", False)
        then = "it is not known whether Coder took it; uploading it again does no harm" if maybe else ""
        title = f"{name} was not uploaded" if not maybe else f"{name}: not known whether it was uploaded"
        return _error_row("upload", title, desk.upload_trouble, "Upload", then=then or "Coder has what it had")
    detail = detail_text(
        f"Upload {name} as the policy of the whole site",
        seen=why,
        then=["" if why else "it takes the place of the policy that is there", "" if why else NOT_READABLE],
        do="" if why else "enter asks for the impact if that was not done yet, shows it, and asks you",
    )
    return CoderRow("upload", "skipped" if why else "waiting", f"Upload {name}", detail, "" if why else "Upload")


# Coder v2 ----------------------------------------------------------------------------------------------------


def _v2_rows(desk: CoderDesk, status: Status) -> tuple[CoderRow, ...]:
    plugin = plugin_of(desk.resource)
    others = [one for one in PLUGINS if one.resource != desk.resource]
    rows = [
        CoderRow(
            "coder",
            "info",
            f"Coder v2, {status.deployment.version}: no template policy, but templates",
            detail_text(
                f"Coder v2 at {status.url}",
                seen=f"version {status.deployment.version}",
                then="it has no template policy: your own Terraform template gets the parts below",
                do=["c takes all of it away, or writes a file", "read in v2's documentation, never tried on one"],
            ),
        ),
        CoderRow(
            "resource",
            "info",
            f"Resource: {desk.resource} ({plugin.name})",
            detail_text(
                f"{desk.resource}, offered by {plugin.name}",
                seen=plugin.limits,
                do=[f"enter switches to {one.resource} ({one.name})" for one in others],
            ),
            "Other resource",
        ),
        CoderRow(
            "container",
            "info",
            f"Container: {desk.container}",
            detail_text(
                "The name of the workspace's container",
                seen=f"{desk.container}; v2's own examples call it {CONTAINER}",
                then="the AppArmor annotation names it",
                do="enter takes another name",
            ),
            "Other name",
        ),
    ]
    places = Group(Text(outline(desk.container).rstrip("\n")), Text(THE_POD))
    rows.append(CoderRow("outline", "info", "Where each part goes in a usual main.tf", places))
    for number, part in enumerate(template_parts(desk.resource, desk.container), 1):
        detail = part_detail(f"{part.place}. {part.mind}", part.text)
        rows.append(CoderRow(f"part-{part.id}", "", f"{number} {part.title}: {part.place}", detail))
    for id, title, lines in (
        ("documented", "What v2's documentation asks for besides", DOCUMENTED),
        ("contradictions", "Where v2's documentation contradicts itself", CONTRADICTIONS),
    ):
        state = "info" if id == "documented" else "warning"
        rows.append(CoderRow(id, state, title, detail_text(title, seen=[f"- {line}" for line in lines])))
    return tuple(rows)


def part_detail(place: str, text: str) -> RenderableType:
    """A part of a template: where it goes, and the text as it stands there."""
    source = Text(printable(dedent(text).rstrip("\n"), lines=True), overflow="fold")
    return Group(Text(f"Into {place}", style="bold"), source)
