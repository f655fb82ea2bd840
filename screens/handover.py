"""Files for someone else: a question for a folder, the writing, a page that says what is in it and what to do next.

Whatever step offers it, it is the same operation: ``hand_over`` for the whole plan, ``offer_folder`` for other
files that leave the wizard as a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from screens.dialogs import AskText
from screens.pages import StoryPage, free_path
from screens.words import clean
from wizard.counting import counted
from wizard.escaping import printable

if TYPE_CHECKING:
    from screens.step import Step

FOLDER = "podman-wizard-plan"

Write = Callable[[Path], Sequence[Path]]
"""Writes the files into the folder, and gives them in the order to read them."""


def hand_over(step: Step) -> None:
    """Offers the whole plan as a folder, for someone who has the rights that are missing here."""
    walk, judgement = step.walk, step.session.judgement
    if judgement is None:
        step.say("The cluster has not been read yet: there is no plan to hand over.", bad=True)
        return
    facts, answers, pods_in = judgement.facts, step.session.answers, step.session.pods_offered()
    if answers.policy.file is None and walk.policy_file is not None:
        answers = replace(answers, policy=replace(answers.policy, file=walk.policy_file))

    def write(folder: Path) -> Sequence[Path]:
        from wizard.handover import write_handover

        return write_handover(facts, answers, folder, pods_in=pods_in)

    missing = len(facts.missing_rights(pods_in))
    verb = "is" if missing == 1 else "are"
    role = (
        f"and a role with the {counted(missing, 'right')} that {verb} missing here."
        if missing
        else "nothing is missing here."
    )
    offer_folder(
        step,
        "Hand the plan over",
        f"The folder gets the manifest, the commands, the policy, a README, {role} Nothing is changed on the cluster.",
        FOLDER,
        write,
        then=(
            "Give the folder to someone who may change the cluster; README.md says what to do, in order.",
            "When they have done it: r in Prerequisites reads the cluster again, and you go on from there.",
        ),
    )


def offer_folder(
    step: Step,
    title: str,
    text: str,
    folder: str,
    write: Write,
    then: Sequence[str] = (),
    written: Callable[[], None] = lambda: None,
) -> None:
    """Asks for a folder, writes into it away from the screen, and shows what was written and what is ``then`` to do.

    A folder that is there is used too: what its files held is kept beside them. ``written`` is called when all of it
    is there.
    """

    def check(value: str) -> str:
        return "" if value.strip() else "Give the path of a folder."

    def take(value: str | None) -> None:
        if value is not None:
            step.in_background(_write(step, title, Path(value.strip()).expanduser().absolute(), write, then, written))

    _ = step.app.push_screen(AskText(title, f"{text} The folder:", str(free_path(Path(folder))), check=check), take)


async def _write(
    step: Step, title: str, folder: Path, write: Write, then: Sequence[str], written: Callable[[], None]
) -> None:
    files = await step.walk.compute(lambda: write(folder))
    written()
    step.walk.files.append(str(folder))
    step.walk.tell()
    lines = [Text("Written into "), Text(f"  {clean(str(folder))}", style="bold", overflow="fold"), Text()]
    lines += [Text(f"  {clean(str(path.relative_to(folder)))}") for path in files]
    lines += [Text(), *(Text(printable(line)) for line in then)]
    _ = step.app.push_screen(StoryPage(title, Group(*lines)))
