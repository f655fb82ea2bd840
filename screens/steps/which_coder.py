"""Which Coder a deployment is: v2 with Terraform templates, or v1 with one template policy; asked if nothing tells."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message

from screens.steps.step import ListStep
from screens.walk import Walk
from screens.widgets.words import clean, detail_text
from wizard.errors import WizardError

Coder = Literal["v1", "v2"]


def which_coder(walk: Walk) -> Coder | None:
    """Returns which Coder the choices, the environment, or the folder tell; None if they do not."""
    if walk.coder is not None:
        return walk.coder
    answers = walk.session.answers
    if walk.policy_file or walk.policy_edits or answers.policy is not None:
        return "v1"
    if answers.template is not None:
        return "v2"
    if answers.coder.upload or answers.coder.enable_templates:
        return "v1"
    if walk.target.sandbox is not None:
        return "v2" if walk.target.sandbox == "coder-v2" else "v1"
    return _by_credentials() or _by_folder(Path())


def _by_credentials() -> Coder | None:
    """Returns the Coder whose command line is set up here; None if neither is, or both are."""
    from wizard.coder.credentials import config_folder
    from wizard.coder.v2.credentials import config_folder as config_folder_v2

    v1 = "CODER_TOKEN" in os.environ or (config_folder() / "url").is_file()
    v2 = "CODER_SESSION_TOKEN" in os.environ or (config_folder_v2() / "url").is_file()
    return None if v1 == v2 else "v2" if v2 else "v1"


def _by_folder(folder: Path) -> Coder | None:
    """Returns the Coder whose file is in a folder; None if there is neither, or both."""
    v1, v2 = (folder / "policy.yaml").is_file(), any(folder.glob("*.tf"))
    return None if v1 == v2 else "v2" if v2 else "v1"


@dataclass(frozen=True)
class Way:
    """A Coder to choose."""

    coder: Coder
    title: str
    seen: str
    means: str


WAYS = (
    Way(
        "v2",
        "Coder v2: its templates are Terraform",
        "The current Coder. The pod of a workspace is described in a template, in files such as main.tf.",
        "What Podman needs is merged into your template. Every other byte stays. Then the template can be pushed.",
    ),
    Way(
        "v1",
        "Coder v1: one template policy for the site",
        "Coder up to version 1.44, not developed since 2023. A Coder admin uploads one policy, a YAML file.",
        "What Podman needs is merged into your policy. Every other byte stays. Then the policy can be uploaded.",
    ),
)


class WhichCoderStep(ListStep[Way]):
    """Asks which Coder it is; the answer opens the step for it."""

    STEP = "policy"
    TITLE = "Template"
    TEXTS = "template"
    WIDTHS = (0,)
    BINDING_GROUP_TITLE = "Template"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", id="which.choose", tooltip="Continue with this Coder"),
    ]

    class Chosen(Message):
        """A Coder was chosen."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk)
        self.set_excerpt("Which Coder is this? Nothing here tells.")
        self._url = self.session.answers.coder.url or os.environ.get("CODER_URL", "")
        self._asked = False

    def show(self) -> None:
        """Draws the two; asks the deployment itself first, if its URL is known."""
        super().show()
        if self._url and not self._asked and not self.walk.offline:
            self._asked = True
            self.in_background(self._ask_coder(), group="which", exclusive=True)

    async def _ask_coder(self) -> None:
        """Chooses what the deployment says it is; one that cannot be asked leaves the choice to the user."""
        from wizard.coder.connection import connected_coder

        async def ask() -> Coder:
            async with connected_coder(self._url, token_needed=False) as client:
                return (await client.deployment()).kind

        # Not its URL: a password in it would be shown before it is refused.
        self.set_excerpt("Asking Coder which version it is.")
        try:
            found = await self.walk.run(ask())
        except WizardError as error:
            self.set_excerpt(f"Which Coder is this? {clean(error.what)}")
            return
        if self.walk.coder is None:
            self.walk.coder = found
            self.post_message(self.Chosen())

    def items(self) -> Iterable[Way]:
        """Returns the two, v2 first."""
        return WAYS

    def key(self, item: Way) -> str:
        """Returns its version."""
        return item.coder

    def cells(self, item: Way) -> Sequence[Text | str]:
        """Returns its title."""
        return (item.title,)

    def detail(self, item: Way) -> RenderableType:
        """Returns what it is."""
        return detail_text(item.title, seen=item.seen, then=item.means, do="Press enter to continue with it.")

    def activate(self) -> None:
        """Chooses it on a second click."""
        self.action_choose()

    def action_choose(self) -> None:
        """Opens the step for the Coder under the cursor."""
        if (way := self.rows.current) is not None:
            self.walk.coder = way.coder
            self.post_message(self.Chosen())
