"""The tab Coder of the template policy, by its keys: each way through it, and each way in which Coder may fail."""

from __future__ import annotations

import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import AppOptions, WizardApp, make_app
from screens.steps.coder import AskLogin
from screens.steps.policy import PolicyStep
from screens.steps.summary import SummaryStep
from screens.widgets.dialogs import Confirm
from tests.facts_for_tests import cluster, nodes
from tests.screens.conftest import on_facts, on_sandbox, running, screen_text, until
from wizard.answers_file import parse_answers, write_answers
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.coder.connection import BEHAVIOURS_VARIABLE
from wizard.coder.credentials import config_folder
from wizard.engine.bridge import Bridge
from wizard.journal import journal
from wizard.journal.state import cluster_folder, deployment_folder
from wizard.plan.policy import plan_policy
from wizard.policy import PolicyDocument, merge_podman
from wizard.sandbox import coder as sandbox_coder
from wizard.sandbox.coder import Behaviour, SandboxCoder

DATA = Path(__file__).parent / "data"
NEVER_SHOWN = "secret-token-of-ada"


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("policy.yaml")
    shutil.copyfile(DATA / "running-deployment.yaml", path)
    return path


class Screen:
    """The tab, as a test uses it."""

    def __init__(self, pilot: Pilot[Any], app: WizardApp) -> None:
        self.pilot = pilot
        self.app = app
        self.step = app.query_one(PolicyStep)
        self.rows = self.step._coder.rows

    @property
    def text(self) -> str:
        return " ".join(screen_text(self.app).replace("│", " ").split())

    @property
    def flat(self) -> str:
        """The rows in full, whatever fits on the screen."""
        return "\n".join(f"{row.state} {row.title}" for row in self.rows.items)

    @property
    def coder(self) -> SandboxCoder:
        found = self.app.walk_through.engine.simulated_coder
        assert isinstance(found, SandboxCoder)
        return found

    def took(self) -> bytes | None:
        """What Coder has for its policy."""
        return self.coder.policy

    @property
    def view(self) -> str:
        return self.step.view

    async def idle(self) -> None:
        walk = self.app.walk_through
        await until(self.pilot, lambda: not self.step.coder.asking and not walk.busy and not walk.reading)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.idle()

    async def choose(self, row: str) -> None:
        self.rows.move_to(row)
        await self.pilot.pause()
        await self.press("enter")

    async def confirm(self) -> None:
        assert isinstance(self.app.screen, Confirm)
        await self.press("right", "enter")

    async def back(self) -> None:
        """Turns away from the result of work."""
        await until(self.pilot, lambda: self.app._main.showing_progress)
        await self.press("enter")

    def posts(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.coder.requests if one.method != "GET"]


@asynccontextmanager
async def at_coder(app: WizardApp | None = None, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Screen]:
    app = app or on_sandbox(policy_file="policy.yaml")
    async with running(app, size) as pilot:
        await app.action_go("policy")
        await pilot.pause()
        screen = Screen(pilot, app)
        await screen.press("t")
        yield screen


@pytest.fixture
def behaves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda *names: monkeypatch.setenv(BEHAVIOURS_VARIABLE, ",".join(names))


@pytest.fixture
def deployment() -> Iterator[Callable[..., SandboxCoder]]:
    """Starts a Coder that is not the sandbox's, for credentials that are typed or found."""
    bridge, servers = Bridge(), []
    bridge.start()

    def start(*behaviours: Behaviour) -> SandboxCoder:
        server = bridge.submit(SandboxCoder.start(*behaviours)).result(10)
        server.token = NEVER_SHOWN
        servers.append(server)
        return server

    yield start
    for server in servers:
        bridge.submit(server.stop()).result(10)
    bridge.stop()


# The way through -------------------------------------------------------------------------------------------------


async def test_enable_impact_upload_and_what_undo_knows(policy: Path) -> None:
    async with at_coder() as screen:
        assert "ok Coder v1, 1.44.1, at http://127.0.0.1" in screen.flat
        assert "ok You are ada: site-member, site-admin" in screen.flat
        assert "waiting Workspace templates: not enabled" in screen.flat
        await screen.choose("enable")
        assert "not been tested on a live deployment" in screen.text
        await screen.confirm()
        assert "off before, on now" in screen.text
        await screen.back()
        assert screen.coder.settings["enable_workspaces_as_code"]
        assert screen.coder.settings["a_field_of_a_later_version"] == {"kept": [1, 2]}
        assert screen.step.session.ticks == {"coder-enable-templates"}

        await screen.choose("impact")
        assert "warning Impact: 2 workspaces are affected, 1 cannot be rebuilt" in screen.flat
        assert "gpu-training mia error now cannot be rebuilt: specs" in screen.text
        assert not screen.took()
        asked = len(screen.coder.requests)
        await screen.choose("upload")
        assert len(screen.coder.requests) == asked, "an impact that is known is not asked for again"
        assert "Coder's API cannot return the current policy" in screen.text
        assert "warning once updated: notebooks (mia)" in screen.text
        assert "not been tested on a live deployment" in screen.text
        await screen.confirm()
        await screen.back()
        assert screen.took() == policy.read_bytes()
        assert screen.step.session.ticks == {"coder-enable-templates", "coder-upload-policy", "coder-save"}
        assert "done policy.yaml is Coder's template policy" in screen.flat
        assert "[x] By hand: Save" in screen.flat

        answers = screen.step.session.answers
        assert answers.coder.enable_templates and answers.coder.upload and answers.coder.url is None
        assert answers.policy is not None
        assert answers.policy.file == str(policy)
        folder = cluster_folder(screen.app.walk_through.engine.identity)
        changes = [change for run in journal.runs(folder) for change in run.changes]
        assert [(change.kind, change.result) for change in changes] == [("coder", "done"), ("coder", "done")]
        assert changes[1].before["path"] == str(policy.absolute())
        assert changes[1].before["given"] is None, "it was made from no other file"


async def test_nothing_is_sent_where_the_question_is_refused() -> None:
    async with at_coder() as screen:
        await screen.choose("enable")
        await screen.press("enter")  # Back has the focus
        await screen.choose("upload")
        assert isinstance(screen.app.screen, Confirm)
        await screen.press("escape")
        assert [one for one in screen.posts() if "dry-run" not in one and "parse" not in one] == []
        assert screen.coder.policy is None and not screen.step.session.ticks


async def test_an_upload_outlives_the_step_that_began_it(policy: Path) -> None:
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.pilot.press("right", "enter", "ctrl+n")
        await until(screen.pilot, lambda: screen.coder.policy is not None)
        await screen.idle()
        assert screen.app._main.current == "verify"
        assert {"coder-upload-policy", "coder-save"} <= screen.step.session.ticks


async def test_only_what_is_written_is_uploaded_and_the_impact_is_of_what_is_there(policy: Path) -> None:
    async with at_coder() as screen:
        await screen.choose("impact")
        await screen.press("m")
        assert "waiting Impact: not checked yet" in screen.flat
        assert "skipped Upload policy.yaml" in screen.flat
        assert "Press s to save it" in str(screen.step.coder.why_not_upload())
        given = policy.read_bytes()
        await screen.press("s", "right", "enter")
        await until(screen.pilot, lambda: not screen.step.model.dirty)
        await screen.choose("upload")
        assert ".bak" in screen.text, "what the person gave is in the backup now"
        await screen.confirm()
        await screen.back()
        assert screen.coder.policy == policy.read_bytes() != given
        assert screen.step.model.given is not None and screen.step.model.given.read_bytes() == given


async def test_a_file_that_somebody_changed_is_not_uploaded(policy: Path) -> None:
    async with at_coder() as screen:
        policy.write_bytes(policy.read_bytes() + b"# somebody\n")
        await screen.choose("upload")
        assert not isinstance(screen.app.screen, Confirm)
        assert screen.posts() == []


# The ways in which Coder may fail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("unauthorized", "rejected the session token (401)"),
        ("login-page", "returned a web page for GET /api (200)"),
        ("login-redirect", "redirected GET /api to https://login.example.org"),
        ("not-coder", "No Coder was found at"),
        ("other-shape", "has an unknown format"),
    ],
)
async def test_without_an_answer_the_clicks_remain(behaviour: str, said: str, behaves: Callable[..., None]) -> None:
    behaves(behaviour)
    async with at_coder() as screen:
        assert screen.rows.items[0].state == "failed" and said in screen.flat
        assert [row.state for row in screen.rows.items[1:]] == ["[ ]", "[ ]", "[ ]"]
        await screen.choose("coder-upload-policy")
        assert screen.step.session.ticks == {"coder-upload-policy"}
        assert str(Path("policy.yaml").absolute())[:20] in screen.text
        screen.coder.behaviours.clear()
        await screen.press("r")
        assert "ok Coder v1" in screen.flat, "r asks again"


async def test_another_role_is_warned_about_and_coder_decides(behaves: Callable[..., None]) -> None:
    behaves("wrong-role")
    async with at_coder() as screen:
        assert "warning You are ada: site-member, site-manager" in screen.flat
        await screen.choose("impact")
        assert "denied permission for" in screen.text, screen.text
        assert screen.coder.policy is None


async def test_where_nothing_may_be_done_it_says_why(behaves: Callable[..., None]) -> None:
    behaves("old")
    said = "only 1.28 and later"
    async with at_coder() as screen:
        assert "blocker" in screen.flat and "skipped Upload policy.yaml" in screen.flat
        for row in ("impact", "upload", "enable"):
            await screen.choose(row)
            assert said in screen.text
            await screen.press("escape")
        assert screen.posts() == []


async def test_a_refused_policy_leads_to_its_line_in_the_fields(behaves: Callable[..., None]) -> None:
    behaves("refuses")
    async with at_coder() as screen:
        await screen.choose("upload")
        assert "failed Coder rejected the policy" in screen.flat
        message = next(row for row in screen.rows.items if row.refused is not None)
        assert message.refused is not None and message.refused.line > 1
        assert "resource-limits is not a field" in message.title
        await screen.choose(message.id)
        current = screen.step.fields.rows.current
        assert screen.step.view == "fields"
        assert getattr(current, "label", "") == "resource-limits"
        assert "is not a field of this deployment" in screen.text
        assert screen.coder.policy is None


async def test_a_server_that_is_gone_between_dry_run_and_upload(behaves: Callable[..., None]) -> None:
    behaves("goes-away")
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        assert "failed policy.yaml was not uploaded" in screen.flat
        assert screen.coder.policy is None
        assert not screen.step.session.ticks
        screen.rows.move_to("upload")
        await screen.pilot.pause()
        assert "Coder still has its earlier policy" in screen.text


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("breaks-off", "Unknown whether policy.yaml was uploaded"), ("precondition", "policy.yaml was not uploaded")],
)
async def test_an_upload_that_fails(behaviour: str, said: str, behaves: Callable[..., None]) -> None:
    behaves(behaviour)
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.confirm()
        await until(screen.pilot, lambda: screen.app._main.showing_progress and not screen.app.walk_through.busy)
        assert " To do " in screen.text, "what to do next stands beside what happened"
        await screen.back()
        assert said in screen.flat
        assert not screen.step.session.ticks
        assert not screen.step.session.answers.coder.upload
        lines = await summary(screen)
        word = "It is unknown whether Coder accepted" if behaviour == "breaks-off" else "The policy was not uploaded"
        assert any(line.startswith("failed Coder: Upload policy.yaml") and word in line for line in lines)
        assert any(line.startswith("waiting") and "upload policy.yaml" in line for line in lines)
        assert any(line.startswith("info Undo") for line in lines) == (behaviour == "breaks-off")


async def test_a_setting_that_coder_does_not_keep(behaves: Callable[..., None]) -> None:
    behaves("keeps-setting")
    async with at_coder() as screen:
        await screen.choose("enable")
        await screen.confirm()
        await screen.back()
        assert "failed Workspace templates were not enabled" in screen.flat
        assert not screen.step.session.ticks


async def test_a_dry_run_that_never_ends_is_stopped_and_steps_are_walked_meanwhile(
    behaves: Callable[..., None],
) -> None:
    behaves("hangs")
    async with at_coder() as screen:
        screen.rows.move_to("impact")
        await screen.pilot.press("enter")
        await until(screen.pilot, lambda: any("dry-run" in one for one in screen.posts()))
        await screen.pilot.press("ctrl+n")
        await until(screen.pilot, lambda: screen.app._main.current == "verify")
        await screen.app.action_go("policy")
        await until(screen.pilot, lambda: "Checking the impact" in screen.text)
        await screen.pilot.press("x")
        await screen.idle()
        assert "failed The impact is unknown" in screen.flat
        assert screen.coder.policy is None


async def test_fifty_megabytes_are_not_read(behaves: Callable[..., None]) -> None:
    behaves("huge")
    async with at_coder() as screen:
        await screen.choose("impact")
        assert "failed The impact is unknown" in screen.flat
        assert "returned more than" in screen.text


async def test_doubts_of_the_deployments_schema_are_shown(behaves: Callable[..., None]) -> None:
    behaves("strict-schema")
    async with at_coder() as screen:
        await screen.choose("impact")
        await screen.press("i")
        assert "is not in the JSON Schema of this deployment" in screen.text


# URL and token ---------------------------------------------------------------------------------------------------


async def type_into(screen: Screen, name: str, text: str) -> None:
    screen.app.screen.query_one(f"#{name}", Input).value = text
    await screen.pilot.pause()


async def test_typed_credentials_are_never_shown_and_not_stored(deployment: Callable[..., SandboxCoder]) -> None:
    server = deployment()
    async with at_coder(on_facts(cluster(*nodes(3)), policy_file="policy.yaml")) as screen:
        assert "unknown No Coder URL or session token was found" in screen.flat
        await screen.choose("coder")
        assert isinstance(screen.app.screen, AskLogin)
        await type_into(screen, "coder-url", "not a url")
        await screen.press("enter", "enter")
        assert "is not the URL of a Coder deployment" in screen.text
        await type_into(screen, "coder-url", server.url)
        await type_into(screen, "coder-token", NEVER_SHOWN)
        assert "internal-auth?show_token=true" in screen.text
        assert NEVER_SHOWN not in screen.text
        await screen.press("enter")
        assert "ok You are ada" in screen.flat
        assert NEVER_SHOWN not in screen.text + repr(screen.step.coder)
        assert not config_folder().exists()
        assert "saved facts" in screen.step.coder.why_not_upload()
        await screen.choose("impact")
        assert "Impact: 2 workspaces are affected" in screen.flat, "a dry run changes nothing"


async def test_credentials_are_stored_where_asked_for_once_coder_took_them(
    deployment: Callable[..., SandboxCoder],
) -> None:
    server = deployment()
    async with at_coder(on_facts(cluster(*nodes(3)), policy_file="policy.yaml")) as screen:
        for token, stored in (("wrong", False), (NEVER_SHOWN, True)):
            await screen.press("l")
            await type_into(screen, "coder-url", server.url)
            await type_into(screen, "coder-token", token)
            screen.app.screen.query_one("#keep").focus()
            await screen.press("enter")
            await screen.app.workers.wait_for_complete()
            assert (config_folder() / "session").exists() is stored
        assert stat.S_IMODE((config_folder() / "session").stat().st_mode) == 0o600
        assert (config_folder() / "session").read_text() == NEVER_SHOWN


async def test_a_url_without_a_token_tells_the_version(deployment: Callable[..., SandboxCoder]) -> None:
    server = deployment()
    async with at_coder(on_facts(cluster(*nodes(3)), policy_file="policy.yaml")) as screen:
        await screen.press("l")
        await type_into(screen, "coder-url", server.url)
        await screen.press("enter", "enter")
        assert "ok Coder v1, 1.44.1" in screen.flat
        assert "unknown No session token" in screen.flat


async def test_a_coder_admin_without_a_cluster_has_a_journal_of_the_deployment(
    deployment: Callable[..., SandboxCoder], monkeypatch: pytest.MonkeyPatch, policy: Path
) -> None:
    server = deployment()
    monkeypatch.setenv("CODER_URL", server.url)
    monkeypatch.setenv("CODER_TOKEN", NEVER_SHOWN)
    target = Target(kubeconfig="there-is-none")
    app = make_app(AppOptions(target=target, answers=Answers(), policy_file="policy.yaml"))
    async with at_coder(app) as screen:
        await screen.choose("enable")
        assert f"To undo this: podman-wizard undo --coder-url {server.url}" in screen.text
        await screen.confirm()
        await screen.back()
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        assert server.policy == policy.read_bytes()
        assert screen.step.session.answers.coder.url == server.url
        lines = await summary(screen)
        assert f"info Undo in Coder: podman-wizard undo --coder-url {server.url} --yes" in lines
        assert not any(line.startswith("info Undo: ") for line in lines), "nothing was done on a cluster"
    (run,) = journal.runs(deployment_folder(server.url))
    assert [(change.before["what"], change.result) for change in run.changes] == [
        ("templates", "done"),
        ("policy", "done"),
    ]
    assert run.ended


async def test_beside_another_wizard_the_deployment_has_the_journal() -> None:
    async with at_coder() as screen:
        screen.step.session.read_only = "Another podman-wizard (process 1) is changing this cluster."
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        (run,) = journal.runs(deployment_folder(screen.coder.url))
        assert [change.result for change in run.changes] == ["done"]


# What the summary says of it -------------------------------------------------------------------------------------


async def summary(screen: Screen) -> list[str]:
    await screen.app.action_go("summary")
    step = screen.app.query_one(SummaryStep)
    await until(screen.pilot, lambda: bool(step.rows.items))
    return [f"{line.state} {line.what}" for line in step.rows.items]


async def test_the_summary_of_an_upload_of_a_file_that_was_not_written_here(policy: Path) -> None:
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        lines = await summary(screen)
        step = screen.app.query_one(SummaryStep)
        assert "done Template policy: policy.yaml, uploaded unchanged" in lines
        assert "done Coder: policy.yaml uploaded, 2 workspaces are affected, 1 cannot be rebuilt" in lines
        left = [line for line in lines if line.startswith("waiting")]
        assert left[0].startswith("waiting Coder admin: In Coder, go to Manage > Admin > Templates, set Enable")
        assert not any("under Template policy" in line for line in left), "the upload is done"
        assert "info Undo: not needed, the sandbox ends with the wizard" in lines
        assert screen.app.walk_through.session.step_states()["policy"] == "ok"
        step.rows.move_to("Repeat: podman-wizard run --answers podman-wizard-answers.yaml --yes")
        await screen.pilot.pause()
        assert "It first merges the FUSE request into a copy of policy.yaml" in screen.text
        await screen.press("e")
        assert "upload: true" in screen.text and "file: policy.yaml" in screen.text
        assert "output" not in screen.text, "a run writes into no file that was only uploaded"


async def test_the_answers_of_an_upload_of_a_merged_file_repeat_it(policy: Path) -> None:
    policy.write_bytes(merge_podman(PolicyDocument.parse(policy.read_bytes(), "policy.yaml")).document.content)
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        answers = parse_answers(write_answers(screen.step.session.answers).encode(), "answers.yaml")
        uploaded = screen.coder.policy
    assert answers.policy is not None
    assert (answers.coder.upload, answers.policy.file, answers.policy.output) == (True, "policy.yaml", "policy.yaml")
    action = plan_policy(answers.policy)
    assert action.content == uploaded == policy.read_bytes()


async def test_a_policy_that_is_written_anew_after_its_upload_is_left_to_upload(policy: Path) -> None:
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.confirm()
        await screen.back()
        await screen.press("m", "s", "right", "enter")
        await until(screen.pilot, lambda: not screen.step.model.dirty)
        await until(screen.pilot, lambda: screen.step.session.policy_saved == "policy.yaml")
        lines = await summary(screen)
        assert "done Template policy: written to policy.yaml" in lines
        assert any(line.startswith("waiting") and "upload policy.yaml" in line for line in lines)
        assert any(line.startswith("done Coder: policy.yaml uploaded") for line in lines)


async def test_clicks_that_a_person_ticked_off_are_said_to_be_theirs(policy: Path) -> None:
    async with at_coder() as screen:
        screen.step.session.policy_saved = "policy.yaml"
        await screen.choose("coder-upload-policy")
        assert not any(line.startswith("done Coder admin") for line in await summary(screen)), "it is not saved yet"
        await screen.app.action_go("policy")
        await screen.choose("coder-save")
        assert any(line.startswith("done Coder admin") for line in await summary(screen))


# Whoever means harm, or has heavy fingers ------------------------------------------------------------------------


def burst(app: WizardApp, *keys: str) -> None:
    """Keys that are there before the first of them was answered."""
    for key in keys:
        app.simulate_key(key)


async def test_a_key_that_is_pressed_twice_asks_once_and_uploads_once() -> None:
    async with at_coder() as screen:
        screen.rows.move_to("impact")
        burst(screen.app, "enter", "enter", "enter")
        await until(screen.pilot, lambda: screen.step.coder.current is not None)
        await screen.idle()
        assert len(screen.posts()) == 2, "one parse, one dry run"
        screen.rows.move_to("upload")
        burst(screen.app, "enter", "enter")
        await until(screen.pilot, lambda: isinstance(screen.app.screen, Confirm))
        assert len(screen.app.screen_stack) == 2, "one question"
        burst(screen.app, "right", "enter", "enter", "enter")
        await until(screen.pilot, lambda: screen.coder.policy is not None)
        await screen.idle()
        assert len([one for one in screen.posts() if one.endswith("/policy")]) == 1


async def test_an_upload_that_is_stopped_on_its_way_is_in_doubt(behaves: Callable[..., None]) -> None:
    behaves("hangs-upload")
    async with at_coder() as screen:
        await screen.choose("upload")
        await screen.pilot.press("right", "enter")
        await until(screen.pilot, lambda: screen.coder.policy is not None)
        await screen.pilot.press("x")
        await screen.idle()
        await screen.back()
        assert "failed Unknown whether policy.yaml was uploaded" in screen.flat
        assert not screen.step.session.ticks
        folder = cluster_folder(screen.app.walk_through.engine.identity)
        (change,) = [change for run in journal.runs(folder) for change in run.changes]
        assert change.result == "stopped"
        lines = await summary(screen)
        assert any(line.startswith("failed Coder: Upload") and "is unknown whether" in line for line in lines)


async def test_a_token_is_pasted_with_new_lines_around_and_in_it(deployment: Callable[..., SandboxCoder]) -> None:
    server = deployment()
    async with at_coder(on_facts(cluster(*nodes(3)), policy_file="policy.yaml")) as screen:
        await screen.press("l")
        for name, text in (("coder-url", f"\n {server.url}\r\n"), ("coder-token", "\nsecret-token-\n  of-ada\n")):
            field = screen.app.screen.query_one(f"#{name}", Input)
            field.focus()
            field.post_message(events.Paste(text))
            await screen.pilot.pause()
        assert screen.app.screen.query_one("#coder-url", Input).value == server.url
        assert NEVER_SHOWN not in screen.text
        await screen.press("enter")
        assert "ok You are ada" in screen.flat


async def test_a_password_in_a_url_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_URL", "https://ada:hunter2@coder.example.org")
    monkeypatch.setenv("CODER_TOKEN", NEVER_SHOWN)
    async with at_coder(on_facts(cluster(*nodes(3)), policy_file="policy.yaml")) as screen:
        assert "contains a user name or a password" in screen.flat
        await screen.press("i")
        assert "hunter2" not in screen.text
        await screen.press("escape", "l")
        await type_into(screen, "coder-url", "https://ada:hunter2@coder.example.org")
        await type_into(screen, "coder-token", NEVER_SHOWN)
        assert screen.text.count("hunter2") == 1, "only the field holds it, as it was typed"
        await screen.press("enter", "enter")
        assert isinstance(screen.app.screen, AskLogin)
        assert "Remove it." in screen.text
        await screen.press("escape")
        assert "hunter2" not in screen.text + screen.flat + repr(screen.step.coder)


async def test_what_coder_says_moves_no_cursor_and_pushes_nothing_out_of_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]now[/] \u202e" + "x" * 4000
    monkeypatch.setattr(sandbox_coder, "WORKSPACES", {"w-3": (evil, "u-mia"), "w-4": ("notebooks", "u-mia")})
    monkeypatch.setattr(sandbox_coder, "USERS", {"u-mia": evil})
    conflicts: list[Any] = [
        {**dict(one), "current_template_warnings": [evil]} for one in list[Any](sandbox_coder.CONFLICTS)
    ]
    monkeypatch.setattr(sandbox_coder, "CONFLICTS", conflicts)
    async with at_coder() as screen:
        await screen.choose("impact")
        assert "error" in screen.text and "\\x1b]0;owned" in screen.text and "[bold red]" in screen.flat + screen.text
        for keys in ("i", "escape"):
            await screen.press(keys)
            raw = screen_text(screen.app)
            assert not any(character in raw for character in "\x1b\x07\u202e")
        await screen.choose("upload")
        assert isinstance(screen.app.screen, Confirm)
        raw = screen_text(screen.app)
        assert "Upload policy.yaml" in raw, "the buttons stay in view"
        assert not any(character in raw for character in "\x1b\x07\u202e")


async def test_a_refusal_of_thousands_of_lines_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"[link=x]\x1b[31mline 9: {number} " + "y" * 900 for number in range(3000)]
    monkeypatch.setattr(sandbox_coder, "complaints", lambda content: lines)
    async with at_coder() as screen:
        await screen.choose("upload")
        refused = [row for row in screen.rows.items if row.refused is not None]
        assert len(refused) == 50
        assert all(len(row.title) < 600 and "\x1b" not in row.title for row in refused)
        assert screen.coder.policy is None


# Coder v2 --------------------------------------------------------------------------------------------------------


async def test_v2_shows_the_parts_of_a_template(behaves: Callable[..., None], tmp_path: Path) -> None:
    behaves("v2")
    async with at_coder() as screen:
        assert "[Template]" in screen.text
        assert "Coder v2, v2.24.1" in screen.flat and "[ ]" not in screen.flat
        screen.rows.move_to("part-resources")
        await screen.pilot.pause()
        assert "Add to container { ... } of the pod" in screen.text and '"smarter-devices/fuse"' in screen.text
        screen.rows.move_to("outline")
        await screen.pilot.resize_terminal(80, 50)
        await until(screen.pilot, lambda: "# 3. FUSE device: resources" in screen.text)
        steps = screen_text(screen.app).splitlines()[1]
        assert "5 Template 6" in " ".join(steps.split()), "the step is called so on the line of the steps as well"
        assert "Merge" not in screen.text and "Save" not in screen.text
        await screen.choose("resource")
        assert "Resource: github.com/fuse (fuse-device-plugin)" in screen.flat
        assert "for 5 workspaces" in screen.text
        await screen.choose("container")
        await type_into_only(screen, "Not A Name")
        assert "not a valid container name" in screen.text
        await type_into_only(screen, "workspace")
        await screen.press("enter")
        assert "Container: workspace" in screen.flat
        await screen.choose("contradictions")
        assert "the manifest below it installs fuse-device-plugin" in screen.text
        await screen.press("escape", "c", "w")
        written = (tmp_path / "coder-podman-parts.tf.txt").read_text()
        assert '"github.com/fuse"' in written and "apparmor.security.beta.kubernetes.io/workspace" in written
        assert screen.app.walk_through.files == ["coder-podman-parts.tf.txt"]
        lines = await summary(screen)
        assert "skipped Template: not written and not pushed" in lines
        assert any(line.startswith("waiting Template admin: Coder v2 has no template policy") for line in lines)
        assert not any("Manage > Admin" in line for line in lines)


async def type_into_only(screen: Screen, text: str) -> None:
    screen.app.screen.query_one(Input).value = text
    await screen.pilot.pause()


async def test_v2_needs_no_policy(behaves: Callable[..., None]) -> None:
    behaves("v2")
    async with at_coder(on_sandbox()) as screen:
        assert screen.view == "coder" and "Coder v2" in screen.flat
        await screen.press("escape")
        assert screen.view == "start"
