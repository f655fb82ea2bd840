"""The walk through the steps in plain mode: in order, and back; what was interrupted; and what is kept of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from wizard.answers_file import parse_answers, write_answers
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.looking import plan_to_export
from wizard.errors import ExitCode, InputError, UsageError
from wizard.handover import write_handover
from wizard.journal.journal import Run, now
from wizard.journal.unfinished import PolicyEdits, Unfinished, told
from wizard.plain.asking import ask, or_say, path_of
from wizard.plain.conflicts import Conflicts
from wizard.plain.desk import Desk
from wizard.plain.ending import EndingSteps
from wizard.plain.findings import FindingsSteps
from wizard.plain.manifest import ManifestStep
from wizard.plain.nodes import NodesStep
from wizard.plain.policy import PolicyStep
from wizard.plain.telling import INTRODUCTION, help_text, tell_story
from wizard.plain.undoing import undo
from wizard.printing.lines import out, say
from wizard.session.session import STEPS, Session, StepId
from wizard.steps import task_title
from wizard.text.counting import counted

PLAN_FOLDER: Final = "podman-wizard-plan"

EARLIER_WORDS: Final[Mapping[str, str]] = {
    "again": "repeat",
    "hand-over": "export",
    "yes": "resume",
    "no": "discard",
}
"""Answers that had another name in earlier versions, and are still accepted."""


async def run_plain(target: Target, session: Session, *, speed: float = 1.0, fresh: bool = False) -> int:
    """Walks the user through all steps; returns the exit code. ``fresh`` ignores an interrupted run."""
    engine = Engine(target, sandbox_speed=speed)
    walk = Walk(engine, session)
    try:
        out(INTRODUCTION, lines=True)
        await walk.read()
        if not fresh and not session.read_only:
            await walk.take_up()
        await walk.through()
    except BaseException:
        walk.keep()
        await engine.close(interrupted=True)
        raise
    walk.let_go()
    await engine.close()
    return ExitCode.DONE


class Walk:
    """One walk through the steps."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._desk = Desk(engine, session)
        self._conflicts = Conflicts(self._desk)
        self._findings = FindingsSteps(self._desk)
        ending = EndingSteps(self._desk)
        self._steps: Mapping[StepId, Callable[[], Awaitable[None]]] = {
            "prerequisites": self._findings.prerequisites,
            "security-modules": self._findings.security_modules,
            "manifest": ManifestStep(self._desk, self._conflicts).run,
            "nodes": NodesStep(self._desk).run,
            "policy": PolicyStep(self._desk).run,
            "verify": ending.verify,
            "summary": ending.summary,
        }
        self._number = 0
        """The index of the current step."""
        self._answers = session.answers
        """The choices at the start."""
        self._edits: PolicyEdits | None = None
        """Unsaved policy edits of the screens. Plain mode has no editor, so it keeps them for the next session."""
        self._is_open = False
        """Whether an interrupted run or session is still to be offered by the next session."""

    async def read(self) -> None:
        """Reads the cluster; what cannot be read is said, and the walk goes on without it."""
        await or_say(self._desk.read)

    async def take_up(self) -> None:
        """Offers to resume an interrupted run, and the choices of an interrupted session."""
        try:
            run = self._engine.interrupted_run() if self._engine.has_cluster else None
            left = self._engine.unfinished_session()
        except InputError as error:
            self._session.set_read_only(f"This session is read-only: {error}")
            out(self._session.read_only, lines=True)
            return
        if run is None and left is None:
            return
        answer = await _resume_or_discard(run, left)
        if answer == "later":
            self._is_open = True
            return
        if answer == "resume":
            text, source = (left.answers, "the session") if left else (run.answers, str(run.path)) if run else ("", "")
            if not self._choose_again(text, source):
                return
            if left is not None:
                self._edits = left.policy
                self._number = [step for step, _ in STEPS].index(left.step)
                if left.policy is not None:
                    out("Its unsaved policy changes are kept. To edit them, start the wizard without --plain.")
        if run is not None and answer == "resume":
            self._engine.resume(run)
        elif run is not None:
            self._engine.settle_run(run)
        if answer == "discard":
            self._engine.keep_session(None)

    def _choose_again(self, text: str, source: str) -> bool:
        try:
            self._session.choose(parse_answers(text.encode(), source))
        except (InputError, UsageError) as error:
            # For example, a selected node no longer exists.
            out(f"Its choices are no longer valid; they are kept for later: {error}", lines=True)
            self._is_open = True
            return False
        return True

    def keep(self) -> None:
        """Keeps choices that were not carried out for the next session, even if the connection was lost."""
        session = self._session
        if session.judgement is None or session.read_only or self._is_open:
            return
        left = None
        if self._edits is not None or session.answers != self._answers:
            left = Unfinished(now(), STEPS[self._number][0], write_answers(session.answers), self._edits)
        try:
            self._engine.keep_session(left)
        except InputError as error:
            say(f"Your choices could not be saved for the next session: {error}")

    def let_go(self) -> None:
        """Ends the session as the user asked: only policy edits, which need an editor, are still kept."""
        self._answers = self._session.answers
        self.keep()

    async def through(self) -> None:
        """Runs the steps in order; ``back`` and ``next`` move between them at any time."""
        while True:
            step, _ = STEPS[self._number]
            out(f"\nStep {self._number + 1} of {len(STEPS)}: {task_title(step)}", lines=True)
            self._findings.told = ()
            await or_say(self._steps[step])
            self.keep()
            answer = await self._way_on(step)
            if answer == "quit":
                return
            if answer == "repeat":
                await self.read()
            self._number = max(0, self._number + {"next": 1, "repeat": 0, "back": -1}[answer])

    async def _way_on(self, step: StepId) -> str:
        """Asks where to go from a step; help, details, export, and undo return to the question."""
        options = ["repeat", "back", "export", "undo", "help", "quit"]
        default = "quit"
        if step != STEPS[-1][0]:
            options.insert(0, "next")
            default = "next"
        findings = self._findings.told
        numbers = [str(number) for number in range(1, len(findings) + 1)]
        question = "Choose an action"
        if numbers:
            question += ", or enter the number of a finding for details"
        while True:
            answer = await ask(question, options, default=default, also=[*numbers, "again", "hand-over"])
            answer = EARLIER_WORDS.get(answer, answer)
            if answer == "help":
                out(help_text(step), lines=True)
            elif answer == "export":
                await or_say(self._export)
            elif answer == "undo":
                await or_say(partial(undo, self._desk))
            elif answer in numbers:
                tell_story(findings[int(answer) - 1])
            else:
                return answer

    async def _export(self) -> None:
        """Exports the plan to a folder for someone with access."""
        judgement = self._desk.judgement
        # What is undecided cannot be exported: the commands would stop there.
        if not await self._conflicts.decide_fields():
            return
        folder = path_of(await ask("Plan folder", default=PLAN_FOLDER))
        pods_in = self._session.pods_offered()
        plan = await plan_to_export(self._desk.engine, judgement, read_only=self._session.read_only)
        for path in write_handover(plan, folder, pods_in=pods_in):
            out(f"  {path}")
        missing = len(judgement.facts.missing_rights(pods_in))
        role = f", plus a ClusterRole with the {counted(missing, 'permission')} you lack" if missing else ""
        out(f"The folder contains the changes, the commands, and a README{role}.")
        out("Give it to someone who can change the cluster. README.md lists the steps in order.")


async def _resume_or_discard(run: Run | None, left: Unfinished | None) -> str:
    """Says what was interrupted, and asks what becomes of it: ``resume``, ``discard``, or ``later``."""
    if run is not None:
        out(f"The run started at {run.started} was interrupted. Its last change: {run.changes[-1].title}.")
        if run.damage:
            out(run.damage)
    for line in told(left) if left is not None else ():
        out(line)
    question = f"Resume the interrupted {'run' if run is not None else 'session'}?"
    answer = await ask(question, ("resume", "discard", "later"), default="resume", also=("yes", "no"))
    return EARLIER_WORDS.get(answer, answer)
