"""Files for someone else: a question for a folder, then a page that lists the files written and what to do next.

It is the same operation in every step: ``hand_over`` for the whole plan, ``offer_folder`` for other files that leave
the wizard as a folder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from screens.widgets.dialogs import AskText
from screens.widgets.pages import StoryPage, free_path
from screens.widgets.words import clean
from wizard.errors import ConflictError
from wizard.text.counting import counted
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from screens.steps.step import Step
    from screens.walk import Walk
    from wizard.plan.derive import Plan

FOLDER = "podman-wizard-plan"

Write = Callable[[Path], Sequence[Path]]
"""Writes the files into the folder, and returns them in the order in which to read them."""


def hand_over(step: Step) -> None:
    """Offers to export the whole plan to a folder, for someone with the missing permissions."""
    plan = step.session.plan
    if plan is None:
        step.say("There is no plan to export yet: the cluster has not been read.", bad=True)
        return
    facts, pods_in = plan.judgement.facts, step.session.pods_offered()

    async def look() -> None:
        from wizard.handover import closed_gates

        nonlocal plan
        assert plan is not None
        plan = await _plan_of_now(step.walk, plan)
        for gate in await step.walk.compute(lambda: closed_gates(plan)):
            raise ConflictError(gate.words)

    def write(folder: Path) -> Sequence[Path]:
        from wizard.handover import write_handover

        assert plan is not None
        return write_handover(plan, folder, pods_in=pods_in)

    missing = len(facts.missing_rights(pods_in))
    role = f", plus a ClusterRole with the {counted(missing, 'permission')} you lack" if missing else ""
    offer_folder(
        step,
        "Export the plan",
        f"Writes the changes, the commands, and a README to a folder{role}. Nothing changes on the cluster.",
        FOLDER,
        write,
        first=look,
        then=(
            "Give the folder to someone who can change the cluster. README.md lists the steps in order.",
            "When they are done, press r in Prerequisites to refresh, then continue from there.",
        ),
    )


async def _plan_of_now(walk: Walk, shown: Plan) -> Plan:
    """Returns the plan, checked by the server if that is possible.

    It has the policy that the wizard was started with, and the template that is open.
    """
    from wizard.engine.looking import plan_to_export

    answers = walk.session.answers
    if answers.policy_or_default.file is None and walk.policy_file is not None:
        answers = replace(answers, policy=replace(answers.policy_or_default, file=walk.policy_file))
    if walk.merged_template is not None:
        answers = replace(answers, template=walk.merged_template)
    judgement = (walk.plan or shown).judgement.changed(answers=answers)
    asks = walk.identity is not None and not walk.offline
    return await walk.run(plan_to_export(walk.engine, judgement, read_only=walk.session.read_only, asks=asks))


def offer_folder(
    step: Step,
    title: str,
    text: str,
    folder: str,
    write: Write,
    then: Sequence[str] = (),
    written: Callable[[], None] = lambda: None,
    first: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Asks for a folder, writes into it in the background, and shows the files and what to do ``then``.

    In an existing folder, files that are replaced are backed up. ``written`` is called after the last file, and
    ``first`` is awaited before the first.
    """

    def check(value: str) -> str:
        return "" if value.strip() else "Enter the path of a folder."

    async def work(path: Path) -> None:
        if first is not None:
            await first()
        files = await step.walk.compute(lambda: write(path))
        written()
        _show_written(step, title, path, files, then)

    def take(value: str | None) -> None:
        if value is not None:
            step.in_background(work(Path(value.strip()).expanduser().absolute()))

    _ = step.app.push_screen(AskText(title, f"{text} Folder:", str(free_path(Path(folder))), check=check), take)


def _show_written(step: Step, title: str, folder: Path, files: Sequence[Path], then: Sequence[str]) -> None:
    step.walk.files.append(str(folder))
    step.walk.tell()
    lines = [Text("Written to"), Text(f"  {clean(str(folder))}", style="bold", overflow="fold"), Text()]
    lines += [Text(f"  {clean(str(path.relative_to(folder)))}") for path in files]
    lines += [Text(), *(Text(printable(line)) for line in then)]
    _ = step.app.push_screen(StoryPage(title, Group(*lines)))
