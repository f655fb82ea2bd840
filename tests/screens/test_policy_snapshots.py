"""Pictures of the template policy, at the smallest usual size and at a wide one."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from textual.pilot import Pilot

from screens.app import WizardApp
from screens.steps.coder_model import CoderModel
from screens.steps.policy import PolicyStep
from screens.walk import Walk
from tests.screens.conftest import on_facts, until
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.engine.bridge import Bridge
from wizard.engine.coder import execute
from wizard.engine.engine import Engine
from wizard.sandbox.coder import Behaviour, SandboxCoder

DATA = Path(__file__).parent / "data"

VIEWS = {
    "fields": (),
    "needs": ("p",),
    "merged": ("m",),
    "value": ("p", "p", "p", "enter"),
    "diff": ("m", "d"),
    "effect": ("m", "e"),
    "problems": ("P",),
    "save": ("m", "s"),
    "help": ("f1",),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("view", [*VIEWS, "start", "refused"])
def test_template_policy(
    view: str, size: tuple[int, int], snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(DATA / "running-deployment.yaml", "policy.yaml")
    Path("bad.yaml").write_text('version: "0.2"\nworkspace:\n\tspecs: {}\n')
    file = {"start": None, "refused": "bad.yaml"}.get(view, "policy.yaml")
    app = on_facts(policy_file=file)
    assert snap_compare(app, terminal_size=size, run_before=to_view(app, view))


def to_view(app: WizardApp, view: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await app.action_go("policy")
        await pilot.pause()
        await pilot.press(*VIEWS.get(view, ()))
        await app.workers.wait_for_complete()
        await pilot.pause()

    return before


@pytest.mark.parametrize("view", ["fields", "diff"])
def test_template_policy_on_a_light_ground(
    view: str, snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(DATA / "running-deployment.yaml", "policy.yaml")
    app = on_facts(policy_file="policy.yaml", light=True)
    assert snap_compare(app, terminal_size=(80, 24), run_before=to_view(app, view))


SHOWN = "https://coder.example.org"

CODER_STATES: dict[str, tuple[tuple[str, ...], str]] = {
    "nobody": ((), ""),
    "ready": (("down", "down"), "no-schema"),
    "impact": (("down", "down", "down", "enter"), "no-schema"),
    "enable": (("down", "down", "enter"), "no-schema"),
    "upload": (("down", "down", "down", "down", "enter"), "no-schema"),
    "uploaded": (("down", "down", "down", "down", "enter", "right", "enter", "enter"), "no-schema"),
    "refused": (("down", "down", "down", "enter", "down"), "refuses"),
    "jumped": (("down", "down", "down", "enter", "down", "enter"), "refuses"),
    "wrong-role": (("down",), "wrong-role"),
    "old": ((), "old"),
    "login-page": ((), "login-page"),
    "login": (("l",), ""),
    "v2": (("down", "down", "down", "down", "down"), "v2"),
    "v2-text": (("c",), "v2"),
}
"""Keys, each of which is waited for, and the behaviour of the deployment; nobody knows of one without."""


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("state", CODER_STATES)
def test_coder(
    state: str, size: tuple[int, int], snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(DATA / "running-deployment.yaml", "policy.yaml")
    keys, behaviour = CODER_STATES[state]
    bridge = Bridge()
    bridge.start()
    names = [name for name in get_args(Behaviour) if name == behaviour]
    server = bridge.submit(SandboxCoder.start(*names)).result(10)
    # The saved facts stand for a cluster, and the URL for the port, which is another one each time.
    monkeypatch.setattr(Walk, "offline", False)

    @asynccontextmanager
    async def unjournaled(title: str, before: Any) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(after={})

    async def executed(self: Engine, action: Any, client: Any, listener: Any, prepared: Any = None) -> Any:
        return await execute(action, client, listener, unjournaled, prepared)

    monkeypatch.setattr(Engine, "execute_in_coder", executed)
    monkeypatch.setattr("screens.steps.coder.config_folder", lambda: "~/.config/coder")
    exchange = CoderClient._exchange

    async def exchanged(client: CoderClient, *arguments: Any, **options: Any) -> Any:
        client.url = server.url
        try:
            return await exchange(client, *arguments, **options)
        finally:
            client.url = SHOWN

    @asynccontextmanager
    async def connected(desk: CoderModel) -> AsyncIterator[CoderClient]:
        async with CoderClient(CoderCredentials(server.url, server.token, "environment")) as client:
            desk.source, client.url = "environment", SHOWN
            yield client

    monkeypatch.setattr(CoderClient, "_exchange", exchanged)
    if behaviour:
        monkeypatch.setattr(CoderModel, "_connected", connected)
    app = on_facts(policy_file="policy.yaml")

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await app.action_go("policy")
        step, walk = app.query_one(PolicyStep), app.walk_through
        for key in ("t", *keys):
            await pilot.press(key)
            await until(pilot, lambda: not (step.coder.asking or walk.busy or walk.reading))
        await app.workers.wait_for_complete()
        await pilot.pause()

    try:
        assert snap_compare(app, terminal_size=size, run_before=before)
    finally:
        bridge.submit(server.stop()).result(10)
        bridge.stop()
