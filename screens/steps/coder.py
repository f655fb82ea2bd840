"""The Coder view of the template policy: the deployment, the changes through its API, and the same steps by hand.

For Coder v2, which has no template policy, the parts for the user's own Terraform template.
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

from screens.steps.coder_model import CoderModel, CoderRow, coder_rows
from screens.widgets.dialogs import AskText, Choice, Confirm, Dialog
from screens.widgets.fields import Field
from screens.widgets.pages import CommandsPage, StoryPage
from screens.widgets.rows import Detail, RowList
from screens.widgets.tokens import tone
from screens.widgets.words import clean, state_word
from wizard.coder import UNTRIED
from wizard.coder.credentials import CoderCredentials, base_url, config_folder, typed
from wizard.coder.refusals import RefusedLine
from wizard.coder.steps import NOT_READABLE, Prepared, impact_sentence
from wizard.errors import InputError, WizardError
from wizard.explanations import explain
from wizard.template.parts import PLUGINS, template_parts, template_text
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from pathlib import Path

    from screens.steps.step import Step

IMPACT_LINES = 8
"""Rows of the impact in a dialog; a page shows the whole table."""


@dataclass(frozen=True)
class Login:
    """What was typed, and whether to save it."""

    credentials: CoderCredentials
    keep: bool


class AskLogin(Dialog[Login]):
    """Asks for Coder's URL and a session token, which is never shown, and saved only if the user chooses so."""

    def __init__(self, url: str) -> None:
        super().__init__("Connect to Coder")
        self._url = PasteField(url, id="coder-url", placeholder="https://coder.example.org")
        self._token = PasteField("", id="coder-token", password=True)
        self._hint = Static("", markup=False)
        self._error = Static("", classes="dialog-error", markup=False)

    def compose_dialog(self) -> ComposeResult:
        """Yields the URL, the token, whether to save them, and the errors."""
        yield Static("Coder URL, including its path if it has one", markup=False)
        yield self._url
        yield Static("Session token (hidden)", markup=False)
        yield self._token
        yield self._hint
        yield Static(Text(f'"Connect and save" stores both in {config_folder()}, readable only by you.'), markup=False)
        yield self._error
        with Horizontal(classes="dialog-buttons"):
            yield Button("Cancel", id="back", compact=True)
            yield Button("Connect", id="ask", compact=True)
            yield Button("Connect and save", id="keep", compact=True)

    def on_mount(self) -> None:
        """Focuses the first field that is empty."""
        self._show_hint()
        (self._token if self._url.value else self._url).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._error.update("")
        self._show_hint()

    def _show_hint(self) -> None:
        # base_url checks the URL before it is shown: it can contain a password.
        try:
            url = base_url(self._url.value)
        except WizardError:
            self._hint.update("To get a token, open the Coder URL + /internal-auth?show_token=true.")
        else:
            self._hint.update(f"To get a token, open {printable(url)}/internal-auth?show_token=true.")

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
            # Even without a token, Coder reports whether it is v1 or v2.
            credentials = typed(url, given) if given else CoderCredentials(url, source="typed")
        except WizardError as error:
            self._error.update(Text(printable(str(error), lines=True), style=tone("bad")))
            return
        _ = self.dismiss(Login(credentials, bool(given) and keep))


class PasteField(Field):
    """A field for one word; removes the line breaks and spaces that copying can add to it."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace("".join(event.text.split()), *sorted(self.selection))


BACKGROUND = {"coder": "coder.api", "enable": "coder.templates", "impact": "coder.impact", "upload": "coder.upload"}


def in_full(row: CoderRow, *, v2: bool) -> RenderableType:
    """Returns the detail of a row with its background, for users who are new to it."""
    name = "coder.v2" if v2 and row.id == "coder" else BACKGROUND.get(row.id)
    if name is None:
        return row.detail
    return Group(row.detail, Text(), Text("Background", style="bold"), Text(explain(name)))


class Story(Detail):
    """The detail of a row; a key of its own opens the full page."""

    MORE = "… press i for more"


class CoderView(Container):
    """A list over a detail, like every step; its requests and changes continue without it."""

    BINDING_GROUP_TITLE = "Coder"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "Stop", id="coder.stop", tooltip="Stop waiting for Coder"),
        Binding(
            "c", "take_away", "Copy or save", id="coder.take", tooltip="Copy the template parts or save them to a file"
        ),
        Binding("r", "ask_again", "Refresh", show=False, id="coder.again", tooltip="Connect to Coder again"),
        Binding("l", "login", "URL and token", id="coder.login", tooltip="Use another Coder URL or session token"),
        Binding("i", "story", "Details", show=False, id="coder.story", tooltip="Show everything known about this row"),
    ]

    class GoToLine(Message):
        """Asks to show a line of the policy, and the message from Coder about it."""

        def __init__(self, refused: RefusedLine) -> None:
            super().__init__()
            self.refused = refused

    def __init__(self, step: Step, desk: CoderModel, changed_on_disk: Callable[[], bool]) -> None:
        super().__init__(classes="list-and-detail coder")
        self._step = step
        self.desk = desk
        self._changed_on_disk = changed_on_disk
        self._working = False
        """Whether a request to Coder is running or being prepared; a second key must not repeat it."""
        self.rows: RowList[CoderRow] = RowList(self._cells, (8, 0), key=lambda row: row.id, classes="rows")
        self._detail = Story()

    def compose(self) -> ComposeResult:
        """Yields the list and the detail."""
        yield self.rows
        with Vertical(classes="detail"):
            yield self._detail

    # Drawing -------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws the view; the first time, it connects to Coder."""
        self.desk.look_at_target()
        if not self.desk.is_known and not self.desk.asking:
            self.desk.asking = "coder"
            self._run(self._read())
        self._fill()

    def _fill(self) -> None:
        self.rows.fill(coder_rows(self.desk, self._step.session.ticks))
        self._show_detail()

    def excerpt(self) -> str:
        """Returns the sentence under the title."""
        if self.desk.is_v2:
            return "What your Terraform template needs, part by part."
        if self.desk.document is None:
            return "No policy is open: press o to open one, or n to start one."
        return f"Upload {clean(self.desk.policy.name)} with the Coder API or by hand."

    def _cells(self, row: CoderRow) -> Sequence[Text | str]:
        return (state_word(row.state), clean(row.title))

    def _show_detail(self) -> None:
        row = self.rows.current
        self._detail.update(row.detail if row is not None else "")

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Shows the detail of the row under the cursor."""
        message.stop()
        self._show_detail()
        self._step.refresh_bindings()

    def on_row_list_clicked(self, message: RowList.Clicked) -> None:
        """Treats a second click as Enter."""
        message.stop()
        self.choose()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers only what is possible now."""
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
        """The label of Enter for the row under the cursor."""
        row = self.rows.current
        return (row.verb or "Details") if row is not None else ""

    def choose(self) -> None:
        """Does what the row under the cursor offers."""
        row = self.rows.current
        if row is None:
            return
        if row.click is not None:
            click = row.click.id
            self._step.change(lambda session: session.ticks.symmetric_difference_update({click}))
        elif not row.verb:
            self.action_story()
        elif self.desk.asking or self._working:
            self._step.say("A request to Coder is in progress. Press x to stop it.")
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
        """Opens the full page of the row under the cursor."""
        row = self.rows.current
        if row is not None:
            _ = self.app.push_screen(StoryPage(clean(row.title), in_full(row, v2=self.desk.is_v2)))

    def action_take_away(self) -> None:
        """Opens the parts for a template, to copy or save."""
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

        question = AskText("Workspace container", "Its name in your template:", self.desk.container, check=wrong)
        _ = self.app.push_screen(question, answered)

    # Requests to Coder ---------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs in the background, owned by the app; redraws the view when it starts and when it ends."""

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
        """Stops waiting."""
        self.desk.stop()

    def action_ask_again(self) -> None:
        """Connects to Coder again and forgets its earlier answers."""
        self.desk.forget()
        self.desk.asking = "coder"
        self._run(self._read())

    async def _read(self, *, keep: bool = False) -> None:
        said = await self.desk.read(keep=keep)
        self._step.walk.tell()  # the title of the step depends on it
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
        name = status.user.name if status.user is not None else "no user"
        return f"Coder at {status.url}, version {status.deployment.version or 'unknown'}, as {name}"

    def _url(self) -> str:
        return self.desk.status.url if self.desk.status is not None else ""

    def _ask_enable(self) -> None:
        lines = [
            self._who(),
            "",
            "This enables workspace templates for the whole site. They are not enabled now.",
            f"To undo this: {self.desk.undo_words(self._url())}",
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
        """Checks the impact if it is unknown, then asks."""
        why = self.desk.why_not_upload()
        if not why and self._is_changed():
            why = f"{self.desk.policy.name} has changed on disk. Press R to reload it."
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
            lines.append(f"Your original policy is kept in {given}")
        lines.append(UNTRIED)
        lines += ["", Text(f"Impact: {impact_sentence(prepared.impact)}", style="bold")]
        for row in prepared.impact[:IMPACT_LINES]:
            lines.append(f"  {row.severity} {row.when}: {row.workspace} ({row.owner}) {row.consequence}")
        if len(prepared.impact) > IMPACT_LINES:
            lines.append(f"  and {len(prepared.impact) - IMPACT_LINES} more; see the row Impact")
        lines += prepared.notes

        def answered(answer: str | None) -> None:
            if answer != "upload":
                return
            # Uploads exactly what was shown, or nothing.
            why = self.desk.why_not_upload()
            if not why and self.desk.current is not prepared:
                why = "The policy has changed since it was shown. Nothing was uploaded."
            if why:
                self._step.say(why, bad=True)
            else:
                self.desk.upload(prepared, path)

        question = Confirm("Upload the policy?", lines, [Choice("upload", f"Upload {clean(path.name)}", danger=True)])
        _ = self.app.push_screen(question, answered)
