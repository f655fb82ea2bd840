"""The template policy in plain mode: a merge that is shown and written. It needs no cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from wizard.choices.answers import PolicyChoice
from wizard.engine.executor import Outcome, RunOutcome
from wizard.errors import ConflictError
from wizard.files import write_file
from wizard.plain.asking import agreed, ask
from wizard.plain.desk import Desk
from wizard.plain.template import TemplateStep, is_terraform
from wizard.plan.actions import WritePolicy
from wizard.plan.derive import derive
from wizard.plan.policy import DEFAULT_POLICY, plan_policy
from wizard.printing.lines import out

WORDS: Final[Mapping[str, Literal["write", "read", "append"]]] = {"write": "write", "read": "read", "append": "append"}
COUNTS: Final[Mapping[str, Literal["keep", "replace"]]] = {"keep": "keep", "replace": "replace"}


class PolicyStep:
    """The step Template for Coder v1. A file is written only if one was chosen and the user agrees."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def run(self) -> None:
        """Asks for the file to merge into, shows the merge, and writes it."""
        chosen = self._desk.session.answers.policy
        default = "next" if chosen is None else chosen.file or "guide"
        file = await ask(
            "Enter the path of a policy file, guide to start from the guide's policy, or next "
            "(Coder v2: the path of a Terraform file or folder)",
            default=default,
        )
        if file == "next":
            return
        if is_terraform(file):
            await TemplateStep(self._desk).run(file)
            return
        choice, action = await self._merge(self._desk.session.answers.policy_or_default, file)
        if action.diff:
            out(action.diff, lines=True)
        elif choice.file:
            out("No changes: the policy already requests FUSE, or keeps its existing values.")
        out(action.fate)
        if action.changed and not await agreed(f"Write {action.path}?"):
            return
        # Only now: a policy that was looked at and not written is no choice.
        self._desk.session.choose(replace(self._desk.session.answers, policy=choice))
        if action.changed:
            await self._write(action)
        else:
            self._desk.session.policy_saved = str(action.path)

    async def _merge(self, choice: PolicyChoice, file: str) -> tuple[PolicyChoice, WritePolicy]:
        mode = await ask("Field policy for the FUSE fields", (*WORDS, "as it is"), default="as it is")
        offered = choice.output or (file if file != "guide" else self._offered())
        output = await ask("Output file (an existing file is backed up)", default=offered)
        choice = replace(choice, file=None if file == "guide" else file, output=output, mode=WORDS.get(mode))
        try:
            return choice, plan_policy(replace(choice, on_conflict="fail"))
        except ConflictError as error:
            out(error.what)
            answer = await ask("Keep the existing values, or replace them?", tuple(COUNTS), default="keep")
            choice = replace(choice, on_conflict=COUNTS[answer])
            return choice, plan_policy(choice)

    def _offered(self) -> str:
        """Returns the file that is offered for a policy that has none; in a sandbox, one in the sandbox's folder."""
        folder = self._desk.engine.sandbox_folder
        if folder is None:
            return DEFAULT_POLICY
        out("The offered folder is deleted when the sandbox ends. Enter another path to keep the file.")
        return str(folder / DEFAULT_POLICY)

    async def _write(self, action: WritePolicy) -> None:
        session = self._desk.session
        if session.judgement is not None:
            plan = derive(session.judgement, [action], read_only=session.read_only)
            await self._desk.execute(plan, (action.id,))
            return
        # Without a cluster there is no journal, and no other wizard whose work it could disturb.
        backup = write_file(action.path, action.content, read=action.read)
        out(f"Wrote {action.path}." + (f" The previous file is in {backup}." if backup else ""))
        self._desk.take(RunOutcome((Outcome(action, "done", changes=action.changes),), policy=action.path))
