"""The template of Coder v2: a Terraform file that is opened, merged, written, and pushed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from screens.steps.step import ListStep
from screens.steps.template_model import Decision, TemplateModel, path_to_open
from screens.steps.template_questions import TemplateQuestions
from screens.steps.template_rows import (
    Row,
    by_hand_row,
    conflict_row,
    merged_rows,
    place_in_pod,
    problem_rows,
    pushed_rows,
    template_row,
    trouble_row,
    ways_to_open,
)
from screens.steps.template_source import SourceLine, SourcePane, source_lines
from screens.walk import Walk
from screens.widgets.dialogs import AskText, Choice, Option, Pick
from screens.widgets.pages import StoryPage
from screens.widgets.words import clean, detail_text, diff_text, state_word
from wizard.errors import InputError
from wizard.template.merge import MergeResult
from wizard.text.counting import counted

if TYPE_CHECKING:
    from screens.steps.coder import Login


class TemplateStep(ListStep[Row]):
    """Opens a template, shows what is merged and what its problems are, and writes and pushes it."""

    STEP = "policy"
    TITLE = "Template"
    TEXTS = "template"
    WIDTHS = (8, 0)
    BINDING_GROUP_TITLE = "Template"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Details", id="template.choose", tooltip="Do what this row offers"),
        Binding("o", "open", "Open", id="template.open", tooltip="Open a Terraform file, or a template's folder"),
        Binding("space", "part", "On/off", id="template.part", tooltip="Merge this part or leave it out"),
        Binding("s", "write", "Save", id="template.write", tooltip="Write the merged file, with a backup"),
        Binding("p", "push", "Push", id="template.push", tooltip="Push the template to Coder as a new version"),
        Binding("g", "pull", "Pull", id="template.pull", tooltip="Pull a template from Coder into a new folder"),
        Binding("d", "diff", "Diff", id="template.diff", tooltip="Show the changes to the file"),
        Binding("l", "login", "URL and token", id="template.login", tooltip="Use another Coder URL or session token"),
        Binding("R", "again", "Read again", show=False, id="template.again", tooltip="Read the file and Coder again"),
    ]

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.model = TemplateModel(walk)
        self.questions = TemplateQuestions(self, self.model)
        self._began = False
        self._left = Container(classes="template-left")
        self._source = SourcePane()
        self._shown: tuple[MergeResult | None, tuple[SourceLine, ...]] = (None, ())
        walk.session.coder_is_v2 = True

    # Rows -----------------------------------------------------------------------------------------------------

    def key(self, item: Row) -> str:
        """Returns the row's id."""
        return item.id

    def cells(self, item: Row) -> Sequence[Text | str]:
        """Returns state and title."""
        return (state_word(item.state), clean(item.title))

    def detail(self, item: Row) -> RenderableType:
        """Returns what the row is about."""
        return item.detail

    def items(self) -> Iterable[Row]:
        """Returns what is known: the template, its parts and problems, and Coder."""
        model = self.model
        if model.busy:
            yield Row("busy", "waiting", model.busy, detail_text(model.busy, then="Nothing is changed by this."))
        if model.merged is not None:
            yield from merged_rows(model.merged)
        elif model.trouble is not None:
            if model.conflicts:
                yield conflict_row(self._note(), model.conflicts)
            else:
                yield trouble_row("trouble", model.trouble, f"Merge into {model.choice.file}")
            if model.read is not None:
                yield from problem_rows(model.read)
        elif not model.busy:
            yield from ways_to_open(pulls=bool(model.templates))
        yield from self._coder_rows()
        yield from pushed_rows(model)
        yield by_hand_row(self.by_hand())

    def _coder_rows(self) -> Iterable[Row]:
        model = self.model
        if model.coder_trouble is not None:
            yield trouble_row("coder", model.coder_trouble, "Coder", do="Press l to enter the URL and a token.")
        elif model.templates is not None:
            where = f"{model.version}, at {model.url}, as {model.user}"
            yield Row("coder", "ok", f"Coder {where}", detail_text(f"Coder {model.version}", seen=where))
        for one in model.templates or ():
            yield template_row(model, one)

    def compose_body(self) -> ComposeResult:
        """Yields the list over the detail, and the text of the file: below them, or beside them if there is room."""
        with Container(classes="template-body"):
            with self._left:
                yield self.rows
                with self._pane:
                    yield self._detail
            yield self._source

    # Drawing --------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Draws the rows; opens what the answers name, and connects to Coder first."""
        if not self._began:
            self._began = True
            self.in_background(self._begin())
        read = self.model.read.result if self.model.read is not None else None
        if read is not self._shown[0]:
            self._shown = (read, source_lines(read) if read is not None else ())
        self._source.display = read is not None
        self._left.set_class(read is None, "alone")
        super().show()
        self.show_detail()
        self.set_note(self._note())
        self.set_excerpt(self._summary())

    def show_detail(self) -> None:
        """Draws the detail of the row under the cursor, and brings its lines into view."""
        super().show_detail()
        row, lines = self.rows.current, self._shown[1]
        marked: tuple[int, ...] = ()
        if row is not None and (row.lines or row.old_line):
            marked = tuple(
                place
                for place, line in enumerate(lines)
                if (line.new and line.new in row.lines) or (line.old and line.old == row.old_line)
            )
        self._source.fill(lines, marked)

    def _note(self) -> str:
        read = self.model.read
        return "" if read is None else clean(Path(read.result.before.name).name)

    def _summary(self) -> str:
        merged, conflicts = self.model.merged, self.model.conflicts
        if conflicts:
            return f"{counted(len(conflicts), 'conflict')} to decide before {self._note()} can be merged."
        if merged is None:
            return self.EXCERPT
        if not merged.result.changed and self.session.template_saved == str(merged.action.path):
            return f"{self._note()} was written. It has what Podman needs."
        if not merged.result.changed:
            return "Nothing to merge: the template already has what Podman needs."
        return (
            f"{counted(len(merged.result.changes), 'change')} to {clean(Path(self.model.name).name)}, not written yet."
        )

    async def _begin(self) -> None:
        choice = self.session.answers.template
        if choice is not None and choice.file is not None:
            await self.model.open(choice)
        if self.walk.offline:
            return
        await self.model.read_coder()

    def main_keys(self) -> Sequence[str]:
        """Returns the keys that write and push."""
        return ("s", "p")

    def describe(self, action: str) -> str:
        """Returns the label of Enter, which depends on the row."""
        if action == "choose":
            return self.rows.current.does if self.rows.current is not None and self.rows.current.does else "Details"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers only what is possible here and now."""
        row = self.rows.current
        if action == "part":
            return row is not None and row.id.startswith("part:")
        if action in ("write", "diff"):
            return self.model.merged is not None and self.model.merged.result.changed
        if action in ("push", "pull"):
            return bool(self.model.templates)
        return action != "story"  # enter does it

    def by_hand(self) -> Sequence[str]:
        """Returns the commands of Coder's own command line that push and promote."""
        from wizard.coder.v2.looking import promote_by_hand

        draft = self.model.draft or self.model.pushed_draft
        if draft is None:
            name = self.model.choice.push or "NAME"
            return (
                f"coder templates push {name} -d DIR --activate=false --yes",
                f"coder templates versions promote -t {name} --template-version VERSION",
            )
        pushed = self.session.pushed
        version = pushed.version.name if pushed is not None else "VERSION"
        return (draft.looked.by_hand, promote_by_hand(draft.looked.template, version))

    def commands(self) -> Sequence[str]:
        """Returns the commands that do the same without the screens, and by Coder's own command line."""
        file = self.model.choice.file or "main.tf"
        name = self.model.choice.push or "NAME"
        return [
            "# Merge what Podman needs",
            f"podman-wizard template merge {shlex.quote(file)} --in-place",
            "# Push it, and make it active",
            f"podman-wizard template push {name} {shlex.quote(file)} --yes",
            "# By hand: push without making it active, then promote",
            *self.by_hand(),
        ]

    # Keys -----------------------------------------------------------------------------------------------------

    def activate(self) -> None:
        """Does what Enter does on a second click."""
        self.action_choose()

    def action_choose(self) -> None:
        """Opens, decides, writes, or pushes, as the row offers; otherwise shows its details."""
        row = self.rows.current
        if row is None:
            return
        if row.id == "here":
            self._open(".")
        elif row.id == "open":
            self.action_open()
        elif row.id == "trouble" and self.model.conflicts:
            self._ask_about_conflict()
        elif row.id in ("write", "pull"):
            self.action_write() if row.id == "write" else self.action_pull()
        elif row.id in ("promote", "undo"):
            self.questions.promote() if row.id == "promote" else self._ask_to_undo()
        elif row.id.startswith("push:"):
            self.questions.look_at_push(row.id)
        else:
            self.action_story()

    def action_open(self) -> None:
        """Asks for a path."""

        def check(text: str) -> str:
            try:
                path_to_open(text)
            except InputError as error:
                return error.what
            return ""

        def opened(text: str | None) -> None:
            if text is not None:
                self._open(path_to_open(text))

        question = "Path of a Terraform file, or of a template's folder:"
        self.ask(AskText("Open a template", question, self.model.choice.file or "", check=check), opened)

    def _open(self, file: str) -> None:
        self.in_background(self.model.open(replace(self.model.choice, file=file)), group="template", exclusive=True)

    def action_part(self) -> None:
        """Turns a part on or off, and merges again."""
        row, choice = self.rows.current, self.model.choice
        merged = self.model.merged
        if row is None or merged is None or not row.id.startswith("part:"):
            return
        part = row.id.removeprefix("part:")
        on = part in {change.part for change in merged.result.changes}
        others = tuple(one for one in choice.with_ if one != part), tuple(one for one in choice.without if one != part)
        with_, without = (others[0], (*others[1], part)) if on else ((*others[0], part), others[1])
        changed = replace(choice, with_=with_, without=without)
        self.in_background(self.model.open(changed), group="template", exclusive=True)

    def action_again(self) -> None:
        """Reads the file and Coder again."""

        async def again() -> None:
            await self.model.open(self.model.choice)
            if not self.walk.offline:
                await self.model.read_coder()

        self.in_background(again(), group="template", exclusive=True)

    def action_diff(self) -> None:
        """Shows the changes to the file."""
        merged = self.model.merged
        if merged is not None:
            lines = merged.result.diff().splitlines()
            _ = self.app.push_screen(StoryPage(f"{self.model.name}: changes to the file", diff_text(lines)))

    def action_write(self) -> None:
        """Shows what will be written and where; then asks."""
        merged = self.model.merged
        if merged is None or not merged.result.changed:
            return
        if self.walk.busy:
            self.say(self.walk.why_not_act(), bad=True)
            return
        lines = [
            *(f"{place_in_pod(change.path)}: {change.after}" for change in merged.result.changes),
            "",
            merged.action.fate,
            str(merged.result.counts),
        ]
        what = f"Write {merged.action.path}"
        choices = [Choice("do", "Write", danger=True)]
        folder = merged.action.path.absolute().parent
        place = "In this folder" if folder == Path.cwd() else f"In the folder {clean(str(folder))}"
        self.ask_and_begin(what, lines, choices, lambda _: self.model.write, stops_softly=False, place=place)

    def action_push(self) -> None:
        """Reads what a push would change in Coder; asks for the template if there are several."""
        row, templates = self.rows.current, self.model.templates or ()
        if row is not None and row.id.startswith("push:"):
            self.questions.look_at_push(row.id)
        elif len(templates) == 1:
            self.questions.look_at_push(f"push:{templates[0].organization}/{templates[0].name}")
        else:

            def chosen(value: str | None) -> None:
                if value is not None:
                    self.questions.look_at_push(value)

            options = [
                Option(f"push:{one.organization}/{one.name}", f"{one.name} (active version {one.active})")
                for one in templates
            ]
            self.ask(Pick("Push to which template?", "The templates of this Coder that you can see.", options), chosen)

    def _ask_to_undo(self) -> None:
        from screens.steps.undoing import ask_to_undo

        if (run := self.model.push_run) is not None:
            place = f"In Coder at {self.model.url}"
            asking = ask_to_undo(self, run.id, place=place, then=self.model.read_after_push)
            self.in_background(asking, group="undo", exclusive=True)

    def action_pull(self) -> None:
        """Asks for a template and a folder, and pulls its active version into it."""
        self.questions.pull()

    def _ask_about_conflict(self) -> None:
        decisions: list[tuple[Decision, str, str]] = [
            ("keep", "Keep the existing values", "The template stays as it is there."),
            ("replace", "Replace them", "What was found is replaced by what this cluster offers."),
            ("both", "Add besides", "The pod requests both resources."),
        ]
        options = [Option(value, f"{title}. {about}") for value, title, about in decisions]

        def decided(value: str | None) -> None:
            chosen = next((one for one, _, _ in decisions if one == value), None)
            if chosen is not None:
                choice = replace(self.model.choice, on_conflict=chosen)
                self.in_background(self.model.open(choice), group="template", exclusive=True)

        assert self.model.trouble is not None
        self.ask(Pick("Decide the conflict", self.model.trouble.what, options), decided)

    def action_login(self) -> None:
        """Asks for another URL and token."""
        from screens.steps.coder import AskLogin

        def answered(login: Login | None) -> None:
            if login is not None:
                self.model.typed = login.credentials
                self.in_background(self.model.read_coder(), group="template", exclusive=True)

        _ = self.app.push_screen(AskLogin(self.model.url), answered)
