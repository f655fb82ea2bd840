"""The questions before something changes in Coder v2: a push, a promotion; and before a template is pulled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from screens.steps.template_model import TemplateModel
from screens.walk import Work
from screens.widgets.dialogs import AskText, Choice, Option, Pick
from screens.widgets.words import clean, diff_text

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.steps.step import ListStep
    from screens.steps.template_rows import Row
    from wizard.coder.v2.looking import Draft
    from wizard.engine.engine import Engine


def _place(draft: Draft) -> str:
    return f"In Coder at {draft.looked.url}, as {draft.looked.user.name}"


class TemplateQuestions:
    """Asks for the step, and starts the work that was agreed to."""

    def __init__(self, step: ListStep[Row], model: TemplateModel) -> None:
        self._step = step
        self._model = model

    def look_at_push(self, row: str) -> None:
        """Reads what a push to the template of a row would change, and asks about it."""
        organization, _, name = row.removeprefix("push:").partition("/")

        async def look() -> None:
            await self._model.look_at_push(name, organization)
            self._step.show()
            if self._model.draft is not None and self._model.draft.changed:
                self._push(self._model.draft)

        self._step.rows.move_to(row)
        self._step.in_background(look(), group="template", exclusive=True)

    def _push(self, draft: Draft) -> None:
        if not draft.looked.can_push:
            return
        if why := self._model.why_not_push():
            self._step.say(why, bad=True)
            return
        why_not = self._model.why_not_promote()
        from wizard.coder.v2 import UNTRIED

        lines: list[str | Text] = [
            *([why_not] if why_not else []),
            *draft.looked.impact.lines,
            diff_text(draft.diff.splitlines()),
            "If a pipeline pushes this template, commit the merged file to its repository instead.",
            UNTRIED,
        ]
        choices = [Choice("inactive", "Push, keep inactive", danger=True)]
        if not why_not:
            choices.append(Choice("promote", "Push and make active", danger=True))

        def work(answer: str) -> Work:
            async def push(engine: Engine, operation: Operation) -> None:
                await self._model.push(engine, operation, promoting=answer == "promote")
                await self._model.read_after_push(engine)

            return push

        what = f"Push {draft.path} to {draft.looked.template.name}"
        self._step.ask_and_begin(what, lines, choices, work, stops_softly=False, place=_place(draft))

    def promote(self) -> None:
        """Reads whom the promotion of the pushed version affects now, and asks."""

        async def look() -> None:
            found = await self._model.look_at_promotion()
            self._step.show()
            if found is None:
                return
            action, impact = found
            draft, version = action.shown
            template = draft.looked.template.name
            what = f"Make {version.name} active"
            lines = [
                f"{version.name} replaces {draft.looked.active.name} as the active version of {template}.",
                "",
                *impact,
                "New workspaces use it at once. An undo makes the former version active again.",
            ]

            def work(_: str) -> Work:
                async def promote(engine: Engine, operation: Operation) -> None:
                    await self._model.promote(engine, operation, action)
                    await self._model.read_after_push(engine)

                return promote

            choices = [Choice("promote", what, danger=True)]
            self._step.ask_and_begin(what, lines, choices, work, stops_softly=False, place=_place(draft))

        if why := self._model.why_not_push() or self._model.why_not_promote():
            self._step.say(f"{why} Apply the manifest and label the nodes first.", bad=True)
        else:
            self._step.in_background(look(), group="template", exclusive=True)

    def pull(self) -> None:
        """Asks for a template and a folder, and pulls its active version into it."""
        base = self._step.walk.engine.sandbox_folder or Path()

        def into(value: str) -> None:
            organization, _, name = value.partition("/")

            def answered(folder: str | None) -> None:
                if folder is not None and folder.strip():
                    path = Path(folder.strip()).expanduser()
                    work = self._model.pull(name, organization, path)
                    self._step.in_background(work, group="template", exclusive=True)

            text = f"The files of {clean(name)} are written to a new folder:"
            self._step.ask(AskText(f"Pull {clean(name)}", text, str(base / name)), answered)

        options = [
            Option(f"{one.organization}/{one.name}", f"{one.name} (active version {one.active})")
            for one in self._model.templates or ()
        ]
        question = Pick("Pull a template", "The templates of this Coder that you can see.", options)
        self._step.ask(question, lambda value: into(value) if value is not None else None)
