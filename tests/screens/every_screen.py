"""A walk through every screen of the wizard: steps, their views, pages and questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.color import Color
from textual.pilot import Pilot

from screens.app import WizardApp
from screens.operation import Operation
from tests.screens.conftest import app_of, on_sandbox, running, screen_text, until
from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.engine.engine import Engine
from wizard.steps import STEPS

POLICY = Path(__file__).parents[1] / "data" / "running-deployment.yaml"

Screens = dict[str, list[tuple[str, tuple[str, ...], str, tuple[str, ...]]]]
"""By step: what it is called, the keys that open it from the step, what stands there then, the keys that leave it."""

SCREENS: Screens = {
    "prerequisites": [
        ("findings", (), " passed ─", ()),
        ("story", ("enter",), "Found", ("escape",)),
        ("clusters", ("k",), "Which cluster", ("escape",)),
        ("commands", ("c",), "commands", ("escape",)),
        ("quit", ("ctrl+q",), "Quit podman-wizard", ("escape",)),
        ("help", ("f1",), "Help: Prerequisites", ("escape",)),
    ],
    "security-modules": [
        ("kinds", (), "node type", ()),
        ("story", ("enter",), "Found", ("escape",)),
        ("probe", ("p",), "pod", ("escape",)),
        ("export", ("e",), "system admin", ("escape",)),
        ("commands", ("c",), "commands", ("escape",)),
    ],
    "manifest": [
        ("objects", (), "conflict", ()),
        ("changes", ("g",), "Changes", ()),
        ("diff", ("d",), "@@", ()),
        ("yaml", ("y",), "apiVersion", ()),
        ("values", ("o", "v"), "enter to choose", ("escape",)),
        ("value", ("v", "end", "enter"), "enter to accept", ("escape",)),
        ("story", ("enter",), "image", ("escape",)),
        ("owners", ("f",), "undecided", ()),
        ("apply", ("L", "o", "a"), "Apply 1 object?", ("escape",)),
        ("save", ("s",), "Save the manifest", ("escape",)),
        ("commands", ("c",), "commands", ("escape",)),
    ],
    "nodes": [
        ("nodes", (), "selected", ()),
        ("filter", ("slash",), "Filter", ("enter",)),
        ("groups", ("g",), "3 of 3", ("g",)),
        ("selector", ("s",), "Select by label", ("escape",)),
        ("label", ("l",), "nodes?", ("escape",)),
        ("story", ("enter",), "Found", ("escape",)),
    ],
    "policy": [
        ("fields", (), "2 problems", ()),
        ("value", ("p", "p", "p", "enter"), "as YAML", ("escape",)),
        ("open", ("o",), "enter to accept", ("escape",)),
        ("merged", ("m",), "smarter-devices/fuse", ()),
        ("diff", ("d",), "+", ("escape",)),
        ("effect", ("e",), "FUSE", ("escape",)),
        ("problems", ("P",), "warning", ("escape",)),
        ("write", ("s",), "Write the policy", ("escape",)),
        ("drop", ("o",), "Open another file?", ("escape",)),
        ("coder", ("t",), "Coder", ()),
        ("back", ("escape",), "resource-requests", ()),
    ],
    "verify": [
        ("test", (), "of 5 done", ()),
        ("ticked", ("space",), "1 of", ()),
        ("story", ("enter",), "To do", ("escape",)),
        ("commands", ("c",), "commands", ("escape",)),
    ],
    "summary": [
        ("summary", (), "Manifest: not applied in this session", ()),
        ("story", ("end", "enter"), "Repeat", ("escape",)),
        ("answers", ("e",), "Answers file", ("escape",)),
        ("hand-over", ("h",), "folder", ("escape",)),
    ],
}

LOGIN: Screens = {
    "policy": [
        ("coder-unknown", ("t",), "No Coder URL or session token was found", ()),
        ("coder-login", ("l",), "Connect to Coder", ("escape",)),
        ("coder-story", ("i",), "Background", ("escape",)),
    ],
}
"""Where no Coder is known: its login, which the sandbox does not need."""

CODER_V2: Screens = {
    "policy": [
        ("v2", ("t",), "Coder v2", ()),
        ("v2-story", ("i",), "Background", ("escape",)),
        ("v2-resource", ("down", "enter"), "Resource: ", ()),
        ("v2-container", ("down", "enter"), "Its name in your template", ("escape",)),
        ("v2-parts", ("c",), "Parts for a Terraform template", ("escape",)),
    ],
    "summary": [("v2-summary", (), "Template: not written", ())],
}
"""On a Coder that has no template policy."""


@asynccontextmanager
async def wizard(folder: Path, size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Pilot[Any]]:
    """The wizard on a cluster where others own fields, with a policy to merge into; it may act."""
    policy = folder / "policy.yaml"
    policy.write_bytes(POLICY.read_bytes())
    answers = Answers(security_modules=SecurityModulesChoice(acknowledged=True))
    async with running(on_sandbox("owned", answers, policy_file=str(policy), **options), size) as pilot:
        yield pilot


async def every_screen(pilot: Pilot[Any]) -> AsyncIterator[str]:
    """Goes from screen to screen, and gives the name of each while it is in view."""
    async for name in walk(pilot, SCREENS):
        yield name
    async for name in _work(pilot):
        yield name


async def walk(pilot: Pilot[Any], screens: Screens) -> AsyncIterator[str]:
    """Goes from screen to screen, step by step."""
    app = app_of(pilot)
    for step, _ in STEPS:
        if step not in screens:
            continue
        await app.action_go(step)
        for name, keys, text, leave in screens[step]:
            await pilot.press(*keys)
            await until(pilot, lambda text=text: text in screen_text(app))  # type: ignore[misc]
            app.clear_notifications()
            await pilot.pause()
            assert app.screen is app._main or leave, f"{step}/{name} is a screen of its own, which no key leaves"
            yield f"{step}/{name}"
            await pilot.press(*leave)
            await until(pilot, lambda: app.screen is app._main and app._main.current == step)  # noqa: B023


async def _work(pilot: Pilot[Any]) -> AsyncIterator[str]:
    """Work in flight, and what came of it."""
    app = app_of(pilot)
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(engine: Engine, operation: Operation) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go_on.wait(), loop))

    await app.action_go("nodes")
    app.walk_through.begin("nodes", "Label 80 nodes", (), work)
    await until(pilot, lambda: "Label 80 nodes" in screen_text(app))
    yield "nodes/at-work"
    go_on.set()
    await until(pilot, lambda: "done " in screen_text(app))
    yield "nodes/worked"
    await pilot.press("enter")


SCROLL_BAR = " ─│" + "".join(map(chr, range(0x2580, 0x2590)))

XTERM = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
"""The sixteen colours as xterm has them."""


def contrasts(app: WizardApp) -> Iterator[tuple[float, str]]:
    """Each piece of text on the screen with its contrast to its ground (WCAG 2.2), from 1 to 21.

    A ground that is the terminal's own is white in a light theme, black in a dark one. Dimmed text is passed over: a
    terminal dims as it likes.
    """
    paper, ink = ((0, 0, 0), (255, 255, 255)) if app.current_theme.dark else ((255, 255, 255), (0, 0, 0))
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if style is None or style.dim or not text.strip(SCROLL_BAR):
                continue
            colours = (_rgb(style.color, ink), _rgb(style.bgcolor, paper))
            bright, dark = sorted(map(_luminance, colours), reverse=True)
            yield (bright + 0.05) / (dark + 0.05), text


def _rgb(colour: Color | None, default: tuple[int, int, int]) -> tuple[int, int, int]:
    if colour is None or colour.is_default:
        return default
    if colour.number is not None and colour.number < len(XTERM):
        return XTERM[colour.number]
    return colour.get_truecolor()


def _luminance(rgb: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
