"""The steps by hand in the Coder UI, for a policy whose file is written."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType

from screens.widgets.words import detail_text


@dataclass(frozen=True)
class Click:
    """A step by hand in the Coder UI; ``id`` is kept in ``session.ticks`` when it is marked done."""

    id: str
    title: str
    what: str
    why: str


CLICKS = (
    Click(
        "coder-enable-templates",
        "Enable workspace templates",
        "In Coder, go to Manage > Admin > Templates and set Enable workspace templates to On.",
        "Until then, Coder uses neither templates nor this policy.",
    ),
    Click(
        "coder-upload-policy",
        "Upload the policy",
        "On the same page, under Template policy, upload {file}.",
        "It replaces the current policy. New workspaces follow it.",
    ),
    Click(
        "coder-save",
        "Save",
        "Click Save on the same page.",
        "Until then, nothing changes for workspaces.",
    ),
)
"""The steps of the guide for an admin after the file is written."""


def click_detail(click: Click, done: bool, file: str) -> RenderableType:
    """Returns the detail of a step by hand."""
    return detail_text(
        click.title,
        seen="You marked this done." if done else "The wizard cannot see the Coder UI. Mark this step done yourself.",
        then=click.why,
        do=[
            click.what.format(file=file),
            "Press enter to mark it not done." if done else "Press enter to mark it done.",
        ],
    )
