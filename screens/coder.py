"""The tab Coder of the template policy: the deployment, what is done through its API, and the clicks that do the same.

On a Coder v2, which has no template policy, the parts for a person's own Terraform template.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Input, Static

from screens.coder_desk import CoderDesk, CoderRow, coder_rows
from screens.dialogs import AskText, Choice, Confirm, Dialog
from screens.fields import Field
from screens.pages import CommandsPage, StoryPage
from screens.rows import Detail, RowList
from screens.words import clean, state_word
from wizard.coder import UNTRIED
from wizard.coder.credentials import CoderCredentials, base_url, config_folder, typed
from wizard.coder.refusals import RefusedLine
from wizard.coder.steps import NOT_READABLE, Prepared, impact_sentence
from wizard.coder.v2 import PLUGINS, template_parts, template_text
from wizard.errors import InputError, WizardError
from wizard.escaping import printable
from wizard.explanations import explain

if TYPE_CHECKING:
    from pathlib import Path

    from screens.step import Step

IMPACT_LINES = 8
"""Rows of the impact in a question; the whole table has a page."""


@dataclass(frozen=True)
class Login:
    """What was typed, and whether it is to be kept."""

    credentials: CoderCredentials
    keep: bool


class AskLogin(Dialog[Login]):
    """Asks for Coder's URL and a session token, which is never shown, and stored only where that was asked for."""

    def __init__(self, url: str) -> None:
        super().__init__("Which Coder, and who are you to it?")
        self._url = PasteField(url, id="coder-url", placeholder="https://coder.example.org")
        self._token = PasteField("", id="coder-token", password=True)
        self._hint = Static("", markup=False)
        self._error = Static("", classes="dialog-error", markup=False)

    def compose_dialog(self) -> ComposeResult:
        """The URL, the token, whether to keep them, what is wrong with them."""
        yield Static("URL of Coder, with its path if it has one", markup=False)
        yield self._url
        yield Static("Session token, as Coder shows it (it is not shown here)", markup=False)
        yield self._token
        yield self._hint
        yield Static(Text(f"Kept only if you say so: in {config_folder()}, readable by you alone."), markup=False)
        yield self._error
        with Horizontal(classes="dialog-buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button("Ask Coder", id="ask", compact=True)
            yield Button("Ask Coder, and keep both", id="keep", compact=True)

    def on_mount(self) -> None:
        """Typing starts at once, at what is missing."""
        self._show_hint()
        (self._token if self._url.value else self._url).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._error.update("")
        self._show_hint()

    def _show_hint(self) -> None:
        # base_url is asked before anything is shown: a URL may hold a password.
        try:
            url = base_url(self._url.value)
        except WizardError:
            self._hint.update("Coder shows a token at its URL + /internal-auth?show_token=true.")
        else:
            self._hint.update(f"Coder shows a token at {printable(url)}/internal-auth?show_token=true.")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input is self._url:
            self._token.focus()
        else:
            self._take(keep=False)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "back":
            _ = self.dismiss(None)
        else:
            self._take(keep=event.button.id == "keep")

    def _take(self, *, keep: bool) -> None:
        try:
            url = base_url(self._url.value)
            given = self._token.value.strip()
            # Without a token it can still be told whether this is v1 or v2.
            credentials = typed(url, given) if given else CoderCredentials(url, source="typed")
        except WizardError as error:
            self._error.update(Text(printable(str(error), lines=True), style="bold red"))
            return
        _ = self.dismiss(Login(credentials, bool(given) and keep))


class PasteField(Field):
    """A field for one word: what is pasted may begin or end with a new line, or be broken by the copying."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace("".join(event.text.split()), *sorted(self.selection))


BACKGROUND = {"coder": "coder.api", "enable": "coder.templates", "impact": "coder.impact", "upload": "coder.upload"}


def in_full(row: CoderRow, *, v2: bool) -> RenderableType:
    """A row with what is behind it, for who meets the matter for the first time."""
    name = "coder.v2" if v2 and row.id == "coder" else BACKGROUND.get(row.id)
    if name is None:
        return row.detail
    return Group(row.detail, Text(), Text("Background", style="bold"), Text(explain(name)))


class Story(Detail):
    """The detail of a row, which has a key of its own to be read in full."""

    MORE = "... i shows the rest"


class CoderView(Container):
    """A list over a detail, like every step; what it asks and does outlives it."""

    BINDING_GROUP_TITLE = "Coder"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "Stop asking", id="coder.stop", tooltip="Do not wait for Coder's answer"),
        Binding("c", "take_away", "Copy or write", id="coder.take", tooltip="The parts, to copy or as a file"),
        Binding("r", "ask_again", "Ask again", show=False, id="coder.again", tooltip="Ask Coder again who it is"),
        Binding("l", "login", "URL and token", id="coder.login", tooltip="Another Coder, or another session token"),
        Binding("i", "story", "In full", show=False, id="coder.story", tooltip="All that is known about this row"),
    ]

    class GoToLine(Message):
        """To a line of the policy, and what Coder says of it."""

        def __init__(self, refused: RefusedLine) -> None:
            super().__init__()
            self.refused = refused

    def __init__(self, step: Step, desk: CoderDesk, changed_on_disk: Callable[[], bool]) -> None:
        super().__init__(classes="list-and-detail coder")
        self._step = step
        self.desk = desk
        self._changed_on_disk = changed_on_disk
        self._working = False
        """Whether a question to Coder is being answered or prepared; a second key must not ask it again."""
        self.rows: RowList[CoderRow] = RowList(self._cells, (8, 0), key=lambda row: row.id, classes="rows")
        self._detail = Story()

    def compose(self) -> ComposeResult:
        """The list and the detail."""
        yield self.rows
        with Vertical(classes="detail"):
            yield self._detail

    # Drawing -------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws it; the first time, Coder is asked who it is."""
        self.desk.look_at_target()
        if not self.desk.is_known and not self.desk.asking:
            self.desk.asking = "coder"
            self._run(self._read())
        self._fill()

    def _fill(self) -> None:
        self.rows.fill(coder_rows(self.desk, self._step.session.ticks))
        self._show_detail()

    def excerpt(self) -> str:
        """The sentence under the title."""
        if self.desk.is_v2:
            return "What your own Terraform template needs, part by part."
        if self.desk.document is None:
            return "Coder's own two steps; the policy itself is not here yet (o, n)."
        return f"{clean(self.desk.policy.name)} into Coder: through its API, or by the clicks."

    def _cells(self, row: CoderRow) -> Sequence[Text | str]:
        return (state_word(row.state), clean(row.title))

    def _show_detail(self) -> None:
        row = self.rows.current
        self._detail.update(row.detail if row is not None else "")

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """The detail follows the cursor."""
        message.stop()
        self._show_detail()
        self._step.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """A second click is Enter."""
        message.stop()
        self.choose()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done now is offered."""
        match action:
            case "stop":
                return bool(self.desk.asking)
            case "take_away":
                return self.desk.is_v2
            case "ask_again":
                return not self.desk.asking
            case "login":
                return not self.desk.asking and not self.desk.in_sandbox
        return True

    # What Enter does -----------------------------------------------------------------------------------------

    @property
    def verb(self) -> str:
        """What Enter does with the row under the cursor."""
        row = self.rows.current
        return (row.verb or "In full") if row is not None else ""

    def choose(self) -> None:
        """Does what the row under the cursor is there for."""
        row = self.rows.current
        if row is None:
            return
        if row.click is not None:
            click = row.click.id
            self._step.change(lambda session: session.ticks.symmetric_difference_update({click}))
        elif not row.verb:
            self.action_story()
        elif self.desk.asking or self._working:
            self._step.say("Coder was asked already; x stops waiting.")
        elif row.refused is not None:
            self.post_message(self.GoToLine(row.refused))
        else:
            self._act(row)

    def _act(self, row: CoderRow) -> None:
        match row.id:
            case "coder" | "who" if self.desk.in_sandbox:
                self.action_ask_again()
            case "coder" | "who":
                self.action_login()
            case "enable":
                self._ask_enable()
            case "impact" if self.desk.current is not None:
                self.action_story()
            case "impact":
                self._run(self._impact())
            case "upload":
                self._run(self._upload())
            case "resource":
                known = [plugin.resource for plugin in PLUGINS]
                self.desk.resource = known[(known.index(self.desk.resource) + 1) % len(known)]
                self._step.show()
            case "container":
                self._ask_container()

    def action_story(self) -> None:
        """The row under the cursor in full."""
        row = self.rows.current
        if row is not None:
            _ = self.app.push_screen(StoryPage(clean(row.title), in_full(row, v2=self.desk.is_v2)))

    def action_take_away(self) -> None:
        """The parts for a template, to copy, or as a file of its own."""
        text = template_text(self.desk.resource, self.desk.container)
        page = CommandsPage("Parts for a Terraform template", text, "coder-podman-parts.tf.txt", self._step.walk.files)
        _ = self.app.push_screen(page)

    def _ask_container(self) -> None:
        def wrong(name: str) -> str:
            try:
                template_parts(self.desk.resource, name)
            except WizardError as error:
                return str(error)
            return ""

        def answered(name: str | None) -> None:
            if name:
                self.desk.container = name
                self._step.show()

        question = AskText("The workspace's container", "Its name in your template:", self.desk.container, check=wrong)
        _ = self.app.push_screen(question, answered)

    # Questions to Coder --------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the screen, owned by the app; the tab is drawn when it begins and when it has ended."""

        async def drawn() -> None:
            try:
                await work
            finally:
                self._working = False
                self._redraw()

        self._working = True
        self._step.in_background(drawn(), group="coder")
        self.call_later(self._redraw)

    def _redraw(self) -> None:
        if self.is_attached:
            self._step.show()
            self._step.refresh_bindings()

    def action_stop(self) -> None:
        """Gives up waiting."""
        self.desk.stop()

    def action_ask_again(self) -> None:
        """Asks who Coder is; what was asked of it before no longer counts."""
        self.desk.forget()
        self.desk.asking = "coder"
        self._run(self._read())

    async def _read(self, *, keep: bool = False) -> None:
        said = await self.desk.read(keep=keep)
        self._step.walk.tell()  # what the step is called depends on it
        if said:
            self._step.say(said)

    def action_login(self) -> None:
        """Asks for URL and token."""
        status, known = self.desk.status, self._step.session.answers.coder.url
        url = status.url if status is not None else self.desk.typed.url if self.desk.typed else known or ""

        def answered(login: Login | None) -> None:
            if login is not None:
                self.desk.typed = login.credentials
                self.desk.forget()
                self.desk.asking = "coder"
                self._run(self._read(keep=login.keep))

        _ = self.app.push_screen(AskLogin(url), answered)

    async def _impact(self) -> None:
        await self.desk.ask_impact()

    # Changes -------------------------------------------------------------------------------------------------

    def _who(self) -> str:
        status = self.desk.status
        assert status is not None
        name = status.user.name if status.user is not None else "nobody"
        return f"Coder at {status.url}, version {status.deployment.version or 'unknown'}, as {name}"

    def _url(self) -> str:
        return self.desk.status.url if self.desk.status is not None else ""

    def _ask_enable(self) -> None:
        lines = [
            self._who(),
            "",
            "Workspace templates: not enabled now. Enabled for the whole site after this.",
            f"To take it back: {self.desk.undo_words(self._url())}",
            UNTRIED,
        ]

        def answered(answer: str | None) -> None:
            why = self.desk.why_not_change()
            if answer == "enable" and why:
                self._step.say(why, bad=True)
            elif answer == "enable":
                self.desk.enable()

        choice = Choice("enable", "Enable workspace templates", danger=True)
        shown = [line for number, line in enumerate(lines) if line or number == 1]
        _ = self.app.push_screen(Confirm("Enable workspace templates?", shown, [choice]), answered)

    async def _upload(self) -> None:
        """The impact, if it is not known yet; then the question."""
        why = self.desk.why_not_upload()
        if not why and self._is_changed():
            why = f"{self.desk.policy.name} was changed on disk since it was read: R reads it again."
        if why:
            self._step.say(why, bad=True)
            return
        prepared = self.desk.current or await self.desk.ask_impact()
        path = self.desk.policy.path
        if prepared is None or path is None:
            self._step.show()
            self.rows.move_to("impact")
            return
        self._ask_upload(prepared, path)

    def _is_changed(self) -> bool:
        try:
            return self._changed_on_disk()
        except InputError:
            return True

    def _ask_upload(self, prepared: Prepared, path: Path) -> None:
        given = self.desk.policy.given
        lines: list[str | Text] = [
            self._who(),
            f"{path} becomes the template policy of the whole site.",
            NOT_READABLE,
        ]
        if given is not None:
            lines.append(f"What you gave stays in {given}")
        lines.append(UNTRIED)
        lines += ["", Text(f"Impact: {impact_sentence(prepared.impact)}", style="bold")]
        for row in prepared.impact[:IMPACT_LINES]:
            lines.append(f"  {row.severity} {row.when}: {row.workspace} ({row.owner}) {row.consequence}")
        if len(prepared.impact) > IMPACT_LINES:
            lines.append(f"  and {len(prepared.impact) - IMPACT_LINES} more: the row Impact shows them")
        lines += prepared.notes

        def answered(answer: str | None) -> None:
            if answer != "upload":
                return
            # What was shown is what is uploaded, or nothing is.
            why = self.desk.why_not_upload()
            if not why and self.desk.current is not prepared:
                why = "The policy is not the one that was shown any more."
            if why:
                self._step.say(why, bad=True)
            else:
                self.desk.upload(prepared, path)

        question = Confirm("Upload the policy?", lines, [Choice("upload", f"Upload {clean(path.name)}", danger=True)])
        _ = self.app.push_screen(question, answered)
