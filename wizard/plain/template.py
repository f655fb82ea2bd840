"""The Terraform template of Coder v2 in plain mode: a merge that is shown and written, and a push that is confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from wizard.choices.answers import TemplateChoice
from wizard.engine.coder_v2 import PushTemplate, draft_of, push_actions, told
from wizard.engine.executor import Executor
from wizard.engine.looking import template_needs
from wizard.errors import ConflictError
from wizard.plain.asking import agreed, ask
from wizard.plain.desk import Desk
from wizard.plan.actions import Action, WriteTemplate
from wizard.plan.derive import derive, plan_without_cluster
from wizard.plan.policy import require_writable
from wizard.plan.template import Needs, plan_template
from wizard.printing.lines import out, tell

CONFLICTS: Final[Mapping[str, Literal["keep", "replace", "both"]]] = {
    "keep": "keep",
    "replace": "replace",
    "both": "both",
}
NO_PUSH: Final = "no"


def is_terraform(text: str) -> bool:
    """Tells whether a path is one of a Terraform file or of a template's folder."""
    return text.endswith((".tf", ".tofu", ".tf.json")) or Path(text).expanduser().is_dir()


class TemplateStep:
    """The step for Coder v2. A file is written, and a version pushed, only if the user agrees."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def run(self, file: str) -> None:
        """Shows the merge, writes it, and offers to push it."""
        chosen = self._desk.session.answers.template or TemplateChoice()
        choice = replace(chosen, file=file)
        needs = await self._needs(choice)
        choice, action = await self._merge(choice, needs)
        if action.diff:
            out(action.diff, lines=True)
        else:
            out("No changes: the template already requests FUSE, or keeps its existing values.")
        out(action.fate)
        if action.changed:
            require_writable(action.path)
            if not await agreed(f"Write {action.path}?"):
                return
            await self._execute(action)
        # Only now: a template that was looked at and not written is no choice.
        self._choose(choice)
        await self._push(choice, action, needs)

    async def _needs(self, choice: TemplateChoice) -> Needs:
        judgement = self._desk.session.judgement
        return await template_needs(self._desk.engine, judgement.facts if judgement else None, choice)

    async def _merge(self, choice: TemplateChoice, needs: Needs) -> tuple[TemplateChoice, WriteTemplate]:
        try:
            action = plan_template(choice, needs)
        except ConflictError as error:
            out(str(error), lines=True)
            answer = await ask(
                "Keep the existing values, replace them, or add besides?", tuple(CONFLICTS), default="keep"
            )
            choice = replace(choice, on_conflict=CONFLICTS[answer])
            action = plan_template(choice, needs)
        assert action is not None
        return choice, action

    def _choose(self, choice: TemplateChoice) -> None:
        self._desk.session.choose(replace(self._desk.session.answers, template=choice))

    async def _push(self, choice: TemplateChoice, written: WriteTemplate, needs: Needs) -> None:
        name = await ask("Push it to Coder v2: enter the name of a template, or no", default=choice.push or NO_PUSH)
        if name == NO_PUSH:
            return
        choice = replace(choice, push=name)
        answers = replace(self._desk.session.answers, template=choice)
        action: PushTemplate = push_actions(answers, written, needs)[0]
        async with self._desk.engine.templates(answers.coder.url) as client:
            draft = await draft_of(action, client)
            url = client.url
        for line in told(draft):
            out(line)
        if not draft.looked.can_push:
            raise draft.looked.denial
        if draft.changed and not await agreed(f"Push {draft.path} to {name} at {url}, and make it active?"):
            return
        self._choose(choice)
        if draft.changed:
            self._desk.engine.at_coder(url)
            await self._execute(replace(action, draft=draft))

    async def _execute(self, action: Action) -> None:
        session = self._desk.session
        if session.judgement is not None:
            plan = derive(session.judgement, [action], read_only=session.read_only)
            await self._desk.execute(plan, (action.id,))
            return
        plan = plan_without_cluster(session.answers, [action])
        executor = Executor(self._desk.engine, plan, tell)
        await executor.execute(agreed=plan.digest, door="plain")
        self._desk.take(executor.outcome)
