"""The Terraform template of Coder v2: what is merged, what Coder has, and the work on both, without any widget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from wizard.choices.answers import TemplateChoice
from wizard.errors import InputError, WizardError

if TYPE_CHECKING:
    from screens.operation import Operation
    from screens.walk import Walk
    from wizard.coder.credentials import CoderCredentials
    from wizard.coder.v2.client import TemplatesClient
    from wizard.coder.v2.looking import Draft
    from wizard.coder.v2.pushing import Pushed
    from wizard.engine.coder_v2 import PromoteTemplate, PushTemplate
    from wizard.engine.engine import Engine
    from wizard.journal.journal import Run
    from wizard.plan.actions import Action, WriteTemplate
    from wizard.plan.derive import Plan
    from wizard.plan.template import Needs
    from wizard.template.checks import Problem
    from wizard.template.merge import Conflict, MergeResult

Result = TypeVar("Result")
Decision = Literal["keep", "replace", "both"]


@dataclass(frozen=True)
class Read:
    """A template that was read, and what the merge makes of it or what prevents it.

    ``problems`` are about its text of now.
    """

    choice: TemplateChoice
    needs: Needs
    result: MergeResult
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Merged(Read):
    """A template that can be written."""

    action: WriteTemplate
    """The file to write."""


@dataclass(frozen=True)
class InCoder:
    """A template of the deployment, as far as a list shows it."""

    name: str
    organization: str
    active: str


@dataclass
class TemplateModel:
    """One template at a time, from a file or from Coder."""

    walk: Walk
    choice: TemplateChoice = field(default_factory=TemplateChoice)
    read: Read | None = None
    """What was read, also if it cannot be merged; None if it could not be read."""
    merged: Merged | None = None
    trouble: WizardError | None = None
    """Why there is nothing merged."""
    typed: CoderCredentials | None = None
    """URL and token that were entered; kept while the program runs."""
    url: str = ""
    user: str = ""
    version: str = ""
    templates: tuple[InCoder, ...] | None = None
    """None before Coder was asked."""
    coder_trouble: WizardError | None = None
    draft: Draft | None = None
    """The next version of the template in Coder, as it was read and merged last."""
    draft_trouble: WizardError | None = None
    pushed_draft: Draft | None = None
    """What the version that was pushed last was made from."""
    push_run: Run | None = None
    """The run of that push, and of its promotion."""
    promote_trouble: WizardError | None = None
    """Why that version could not be made active."""
    busy: str = ""
    """What is waited for; "" if nothing is."""

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The values that need a decision."""
        return self.read.result.undecided if self.read is not None else ()

    @property
    def name(self) -> str:
        """The name of the merged file."""
        return self.merged.result.before.name if self.merged is not None else ""

    # Reading --------------------------------------------------------------------------------------------------

    async def open(self, choice: TemplateChoice) -> None:
        """Reads a template from its file or folder and merges it, in memory."""
        self.choice, self.read, self.merged, self.trouble = choice, None, None, None
        self.walk.merged_template = None
        self.draft = self.draft_trouble = self.pushed_draft = self.promote_trouble = None
        if choice.file is None:
            return
        try:
            self._take(await self._run(f"Reading {choice.file}", lambda engine: _merge(engine, self.walk, choice)))
        except WizardError as error:
            self.trouble = error

    def _take(self, read: Read) -> None:
        self.read, self.merged, self.trouble = read, None, read.result.error
        if isinstance(read, Merged):
            self.merged = read
        self.walk.merged_template = read.choice if self.merged is not None else None

    async def read_coder(self) -> None:
        """Reads who the user is in Coder, and its templates."""
        self.coder_trouble = None
        try:
            await self._run("Connecting to Coder", self._read_coder)
        except WizardError as error:
            self.templates, self.coder_trouble = (), error

    async def _read_coder(self, engine: Engine) -> None:
        from wizard.coder.v2.looking import organizations_of

        async with self._connected(engine) as client:
            self.url, self.version = client.url, await client.version()
            self.user = (await client.me()).name
            found = []
            for organization in await organizations_of(client, self.choice.org or ""):
                for template in await client.templates(organization.id):
                    active = await client.version_of(template.active_version_id)
                    found.append(InCoder(template.name, template.organization_name, active.name))
            self.templates = tuple(found)

    async def look_at_push(self, name: str, organization: str) -> None:
        """Reads a template of Coder; merges into its active version, or replaces a file of it with the merged one."""
        self.draft = self.draft_trouble = None
        self.choice = replace(self.choice, push=name, org=organization or None)
        try:
            self.draft = await self._run(f"Reading {name}", self._look_at_push)
        except WizardError as error:
            self.draft_trouble = error

    async def _look_at_push(self, engine: Engine) -> Draft:
        from wizard.engine.coder_v2 import draft_of

        async with self._connected(engine) as client:
            return await draft_of(await self._push_action(engine), client)

    async def _push_action(self, engine: Engine) -> PushTemplate:
        from wizard.engine.coder_v2 import push_actions

        merged = self.merged
        needs = merged.needs if merged is not None else await _needs(engine, self.walk, self.choice)
        answers = replace(self.walk.session.answers, template=self.choice)
        return push_actions(answers, merged.action if merged is not None else None, needs)[0]

    async def look_at_promotion(self) -> tuple[PromoteTemplate, tuple[str, ...]] | None:
        """Returns the promotion of the version that was pushed, and whom it affects now; None if it is not possible."""
        from wizard.engine.coder_v2 import impact_now, promote_action

        draft, pushed = self.pushed_draft, self.inactive
        if draft is None or pushed is None:
            return None
        action = promote_action(draft, pushed.version)

        async def read(engine: Engine) -> tuple[str, ...]:
            async with self._connected(engine) as client:
                return await impact_now(action, client)

        self.promote_trouble = None
        try:
            return action, await self._run("Reading the impact", read)
        except WizardError as error:
            self.promote_trouble = error
            return None

    @property
    def inactive(self) -> Pushed | None:
        """The version that was pushed here and is not active."""
        pushed = self.walk.session.pushed
        return pushed if pushed is not None and not pushed.promoted and self.pushed_draft is not None else None

    async def pull(self, name: str, organization: str, folder: Path) -> None:
        """Writes the files of the active version of a template into a new folder, and opens it."""
        from wizard.coder.v2.archive import require_empty, unpack
        from wizard.coder.v2.looking import find_template, read_version

        async def read(engine: Engine) -> None:
            await asyncio.to_thread(require_empty, folder)
            async with self._connected(engine) as client:
                template = await find_template(client, name, organization)
                _, archive = await read_version(client, template)
            await asyncio.to_thread(unpack, archive, folder)

        await self._run(f"Pulling {name}", read)
        self.walk.files.append(str(folder))
        await self.open(TemplateChoice(file=str(folder), push=name, org=organization or None))

    def why_not_push(self) -> str:
        """Returns why nothing can be sent to Coder now; "" if it can."""
        return self.walk.why_not_act() if self.walk.offline or self.walk.busy else ""

    def why_not_promote(self) -> str:
        """Returns why no version can become active now; "" if it can."""
        from wizard.engine.executor import why_not_for_workspaces

        session = self.walk.session
        offers = session.judgement is None or bool(session.judgement.reading.offering)
        why = why_not_for_workspaces(offers_fuse=offers, proofs=session.proofs)
        return f"No version can become active: {why}" if why else ""

    # Work -----------------------------------------------------------------------------------------------------

    async def write(self, engine: Engine, operation: Operation) -> None:
        """Writes the merged file, as it was shown; for the engine's thread."""
        merged = self.merged
        assert merged is not None
        await self._execute(engine, operation, merged.action)
        # Only now: a template that was looked at and not written is no choice.
        self._choose()
        self._take(await _merge(engine, self.walk, merged.choice))

    async def push(self, engine: Engine, operation: Operation, *, promoting: bool) -> None:
        """Pushes the version that was shown, and makes it active if ``promoting``; for the engine's thread."""
        draft = self.draft
        assert draft is not None
        action = replace(await self._push_action(engine), draft=draft, promoting=promoting)
        engine.at_coder(draft.looked.url)
        self.promote_trouble = None
        await self._execute_alone(engine, operation, action)
        self._choose()
        self.draft, self.pushed_draft = None, draft

    async def promote(self, engine: Engine, operation: Operation, action: PromoteTemplate) -> None:
        """Makes the version active that was pushed; for the engine's thread."""
        draft, _ = action.shown
        engine.at_coder(draft.looked.url)
        await self._execute_alone(engine, operation, action, resumes=self.push_run)

    async def read_after_push(self, engine: Engine) -> None:
        """Reads the templates once more, to show which version is active now; for the engine's thread."""
        try:
            await self._read_coder(engine)
        except WizardError as error:
            self.coder_trouble = error

    def _choose(self) -> None:
        session = self.walk.session
        session.choose(replace(session.answers, template=self.choice))

    async def _execute_alone(
        self, engine: Engine, operation: Operation, action: Action, *, resumes: Run | None = None
    ) -> None:
        """Executes it in a run of its own or in the one that it ``resumes``, so that it can be undone alone."""
        engine.end_run()
        if resumes is not None:
            engine.resume(resumes)
        try:
            await self._execute(engine, operation, action)
        finally:
            self.push_run = engine.end_run() or resumes

    async def _execute(self, engine: Engine, operation: Operation, action: Action) -> None:
        from wizard.engine.executor import Executor

        session = self.walk.session
        plan = self._plan(action)
        operation.is_log = True
        executor = Executor(engine, plan, operation.take, stop=operation.stop, coder=self.typed)
        try:
            await executor.execute(agreed=plan.digest, door="screens", only=(action.id,))
        finally:
            session.take_outcome(executor.outcome)
        for one in executor.outcome.outcomes:
            if one.result == "failed":
                operation.fail(one.message, one.todo)

    def _plan(self, action: Action) -> Plan:
        from wizard.plan.derive import derive, plan_without_cluster

        session = self.walk.session
        if session.judgement is None:
            return plan_without_cluster(session.answers, [action])
        return derive(session.judgement, [action], read_only=session.read_only)

    def _connected(self, engine: Engine) -> AbstractAsyncContextManager[TemplatesClient]:
        return engine.templates(self.walk.session.answers.coder.url, credentials=self.typed)

    async def _run(self, what: str, work: Callable[[Engine], Awaitable[Result]]) -> Result:
        """Does work in the engine's thread; ``busy`` says what is waited for."""

        async def call() -> Result:
            return await work(self.walk.engine)

        self.busy = what
        self.walk.tell()
        try:
            return await self.walk.run(call())
        finally:
            self.busy = ""
            self.walk.tell()


async def _needs(engine: Engine, walk: Walk, choice: TemplateChoice) -> Needs:
    """Returns what the cluster's findings need of a template."""
    from wizard.engine.looking import template_needs

    judgement = walk.session.judgement
    return await template_needs(engine, judgement.facts if judgement else None, choice)


async def _merge(engine: Engine, walk: Walk, choice: TemplateChoice) -> Read:
    needs = await _needs(engine, walk, choice)
    return await asyncio.to_thread(_read, choice, needs)


def _read(choice: TemplateChoice, needs: Needs) -> Read:
    from wizard.plan.template import parts_of, plan_template
    from wizard.template.checks import check_template
    from wizard.template.merge import merge_template
    from wizard.template.module import read_template

    assert choice.file is not None
    module = read_template(Path(choice.file).expanduser())
    problems = check_template(module, needs.parts, resource=choice.resource, container=choice.container)
    module = read_template(Path(choice.file).expanduser())
    result = merge_template(
        module,
        parts_of(choice, needs),
        resource=choice.resource,
        container=choice.container,
        on_conflict=choice.on_conflict,
        forbidden=needs.forbidden,
    )
    if result.error is not None:
        return Read(choice, needs, result, problems)
    action = plan_template(choice, needs)
    assert action is not None
    return Merged(choice, needs, result, problems, action)


def path_to_open(text: str) -> str:
    """Returns the path of a template that was typed. Raises InputError if there is none."""
    path = Path(text.strip()).expanduser()
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Enter the path of a Terraform file, or of a template's folder.")
    return str(path)
