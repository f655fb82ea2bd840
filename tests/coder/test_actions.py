"""The two steps in a plan: told, journaled, undone; and the unattended run, Coder included, in the sandbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wizard.choices.answers import Answers, CoderChoice, PolicyChoice, SecurityModulesChoice, VerifyChoice
from wizard.choices.target import Target
from wizard.cli import main
from wizard.coder.refusals import CoderError
from wizard.engine.coder import EnableTemplates, UploadPolicy, coder_actions, execute, why_left
from wizard.engine.engine import Engine
from wizard.engine.events import ActionEnded, Event, Note
from wizard.engine.undo import plan_undo
from wizard.engine.undoing import execute_undo
from wizard.errors import ExitCode
from wizard.journal import journal as journals
from wizard.journal.journal import Change
from wizard.journal.state import cluster_folder
from wizard.plan.left_to_do import ENABLE_STEP, TEMPLATE_STEP, upload_step
from wizard.plan.policy import plan_policy
from wizard.sandbox.coder import SandboxCoder
from wizard.session.unattended import Summary, run


class Journal:
    """A journal that remembers what was begun and how it ended."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Any, Any]] = []

    @asynccontextmanager
    async def __call__(self, title: str, before: Any) -> AsyncIterator[Any]:
        class Made:
            after: dict[str, Any] = {}  # noqa: RUF012  the protocol's own shape

        made = Made()
        try:
            yield made
        finally:
            self.entries.append((title, before, made.after))


def _answers(tmp_path: Path, **coder: Any) -> Answers:
    return Answers(
        policy=PolicyChoice(output=str(tmp_path / "policy.yaml")),
        coder=CoderChoice(**coder),
        security_modules=SecurityModulesChoice(acknowledged=True),
    )


def _actions(tmp_path: Path) -> tuple[Any, ...]:
    answers = _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn")
    return coder_actions(answers, plan_policy(answers.policy_or_default))


def test_what_the_choices_want(tmp_path: Path) -> None:
    policy = plan_policy(_answers(tmp_path).policy_or_default)
    assert coder_actions(_answers(tmp_path), policy) == ()
    enable, upload = _actions(tmp_path)
    assert isinstance(enable, EnableTemplates)
    assert isinstance(upload, UploadPolicy)
    assert enable.replaces == ENABLE_STEP
    assert upload.replaces == upload_step(tmp_path / "policy.yaml")
    assert "not been tested on a live deployment" in upload.to_json()["why"]
    assert "Coder's API cannot return the current policy" in upload.undo


async def test_both_are_told_and_journaled(coder: Any, tmp_path: Path) -> None:
    server, client = await coder()
    journal, events = Journal(), list[Event]()
    for action in _actions(tmp_path):
        await execute(action, client, events.append, journal)
    assert [event.detail for event in events if isinstance(event, ActionEnded)] == [
        "workspace templates: off before, on now",
        f"{tmp_path / 'policy.yaml'} uploaded; 2 workspaces are affected, 1 cannot be rebuilt",
    ]
    told = [event.text for event in events if isinstance(event, Note)]
    assert "gpu-training (mia): error now: specs.kubernetes.resource-limits: not allowed by the policy" in told
    assert [(entry[1]["what"], entry[1]["url"]) for entry in journal.entries] == [
        ("templates", server.url),
        ("policy", server.url),
    ]
    assert server.token not in repr(journal.entries)
    assert journal.entries[0][2] == {"enabled": True}


async def test_what_is_enabled_already_is_no_change(coder: Any, tmp_path: Path) -> None:
    server, client = await coder()
    server.settings["enable_workspaces_as_code"] = True
    journal, events = Journal(), list[Event]()
    await execute(_actions(tmp_path)[0], client, events.append, journal)
    assert journal.entries == []
    assert isinstance(events[-1], ActionEnded)
    assert events[-1].detail == "workspace templates were already on"


async def test_a_refusal_ends_the_action_before_the_journal(coder: Any, tmp_path: Path) -> None:
    _, client = await coder("wrong-role")
    journal, events = Journal(), list[Event]()
    with pytest.raises(CoderError):
        await execute(_actions(tmp_path)[1], client, events.append, journal)
    assert journal.entries == []
    assert isinstance(events[-1], ActionEnded)
    assert events[-1].result == "failed"


def test_why_undo_leaves_an_upload() -> None:
    before = {"what": "policy", "given": "/home/a/policy.yaml", "url": "https://coder.example.org"}
    change = Change("coder", "Upload", before, {}, "done")
    assert "policy upload /home/a/policy.yaml --coder-url https://coder.example.org;" in why_left(change)
    assert "podman-wizard policy upload --default --coder-url https://coder.example.org" in why_left(change)
    assert why_left(replace(change, result="failed")) == "it was not uploaded, as far as is known"
    assert "cannot return" in why_left(replace(change, result="failed", after={"maybe_done": True}))
    enabled = Change("coder", "Enable", {"what": "templates", "enabled": False}, {"enabled": True}, "done")
    assert why_left(enabled) == ""
    assert why_left(replace(enabled, result="failed", after={})) == "it failed, so there is nothing to undo"
    for result in ("failed", "stopped"):
        doubtful = replace(enabled, result=result, after={"maybe_done": True})
        assert why_left(doubtful) == "", "whether it is on is read from Coder before it is switched off"


@asynccontextmanager
async def _engine() -> AsyncIterator[Engine]:
    engine = Engine(Target(sandbox="mixed"), sandbox_speed=1000)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


async def test_the_whole_guide_unattended_in_the_sandbox_and_undone(tmp_path: Path) -> None:
    async with _engine() as engine:
        events: list[Event] = []
        summary = await run(
            engine, _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn"), events.append
        )
        assert summary.ready > 0
        assert not [step for step in summary.left_to_do if "Manage > Admin > Templates" in step]
        server = engine.simulated_coder
        assert isinstance(server, SandboxCoder)
        assert server.policy == (tmp_path / "policy.yaml").read_bytes()
        kinds = [change.kind for change in journals.runs(cluster_folder(engine.identity))[0].changes]
        assert kinds[-2:] == ["coder", "coder"]
        undo = await plan_undo(engine, everything=False)
        coder = [step for step in undo.steps if "Coder" in step.title]
        assert [step.what for step in coder] == ["nothing", "disable templates"]
        assert "Coder's API cannot return the earlier policy" in coder[0].left
        outcome = await execute_undo(engine, undo, events.append)
        assert (outcome.failed, [step.title for step in outcome.left]) == ((), [coder[0].title])
        assert journals.runs(cluster_folder(engine.identity))[0].undone, "no later undo could restore the policy"
        assert server.settings["enable_workspaces_as_code"] is False


async def _run(tmp_path: Path) -> tuple[Summary, list[Event], SandboxCoder]:
    async with _engine() as engine:
        events: list[Event] = []
        summary = await run(
            engine, _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn"), events.append
        )
        assert isinstance(engine.simulated_coder, SandboxCoder)
        return summary, events, engine.simulated_coder


async def test_the_summary_tells_what_was_done_in_coder(tmp_path: Path) -> None:
    summary, _, server = await _run(tmp_path)
    coder = summary.to_json()["coder"]
    assert coder["templates"] == {"before": False, "after": True}
    assert (coder["url"], coder["uploaded"]) == (server.url, str(tmp_path / "policy.yaml"))
    assert [row["workspace"] for row in coder["impact"]] == ["gpu-training", "notebooks"]


async def test_a_run_does_not_upload_what_breaks_workspaces_unless_it_is_told_to(tmp_path: Path) -> None:
    async with _engine() as engine:
        events: list[Event] = []
        summary = await run(engine, _answers(tmp_path, enable_templates=True, upload=True), events.append)
        server = engine.simulated_coder
        assert isinstance(server, SandboxCoder)
    assert summary.result == "failed"
    assert summary.policy == str(tmp_path / "policy.yaml"), "everything else is done"
    assert (server.policy, server.settings["enable_workspaces_as_code"]) == (None, False)
    assert summary.left_to_do[:2] == (ENABLE_STEP, upload_step(tmp_path / "policy.yaml"))
    told = [event.text for event in events if isinstance(event, Note)]
    assert any("1 workspace cannot be rebuilt with it: gpu-training (mia)" in text for text in told)


async def test_nothing_is_uploaded_after_a_failed_podman_test(tmp_path: Path) -> None:
    async with _engine() as engine:
        events: list[Event] = []
        answers = _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn")
        summary = await run(engine, replace(answers, verify=VerifyChoice(run=True)), events.append)
        assert engine.simulated_coder is None, "it was not even asked"
    assert any(proof.ok is False for proof in summary.proofs)
    assert (summary.result, summary.coder.uploaded, summary.coder.enabled) == ("failed", None, None)
    assert summary.left_to_do[:2] == (ENABLE_STEP, upload_step(tmp_path / "policy.yaml"))
    told = [event.text for event in events if isinstance(event, Note)]
    assert any("not uploaded: the Podman test failed" in text for text in told)


async def test_what_a_run_changed_in_coder_counts_as_a_change(tmp_path: Path) -> None:
    summary, _, server = await _run(tmp_path)
    changes = [(one["object"], one["path"]) for one in summary.to_json()["changes"]]
    assert changes[-2:] == [(f"Coder {server.url}", ".templates-enabled"), (f"Coder {server.url}", ".template-policy")]
    assert ("", "") in changes, "the policy file"
    assert sum(path == ".metadata.labels.smarter-device-manager" for _, path in changes) == summary.labelled


@pytest.mark.parametrize("behaviour", ["refuses", "old", "wrong-role", "login-page", "huge"])
async def test_templates_are_not_enabled_for_a_policy_that_coder_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", behaviour)
    summary, events, server = await _run(tmp_path)
    assert summary.result == "failed"
    assert server.settings["enable_workspaces_as_code"] is False
    assert server.policy is None
    assert summary.left_to_do[:2] == (ENABLE_STEP, upload_step(tmp_path / "policy.yaml"))
    assert summary.to_json()["coder"] is None
    assert not any("\n" in event.detail for event in events if isinstance(event, ActionEnded))


async def test_on_coder_v2_the_template_is_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", "v2")
    summary, events, _ = await _run(tmp_path)
    assert summary.left_to_do[0] == TEMPLATE_STEP
    assert not any("Manage > Admin > Templates" in step for step in summary.left_to_do)
    failed = [event.detail for event in events if isinstance(event, ActionEnded) and event.action == "coder-templates"]
    assert "is v2" in failed[0]


def _dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str, on_impact: str = "warn") -> str:
    answers = tmp_path / "answers.yaml"
    answers.write_text(
        "security-modules: {acknowledged: true}\n"
        f"policy: {{output: {tmp_path / 'policy.yaml'}}}\n"
        f"coder: {{upload: true, enable-templates: true, on-impact: {on_impact}}}\n"
    )
    assert main(["run", "--sandbox", "--answers", str(answers), "--dry-run", *options]) == ExitCode.DONE
    assert not (tmp_path / "policy.yaml").exists()
    return capsys.readouterr().out


def test_a_dry_run_shows_the_impact_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[SandboxCoder] = []
    start = SandboxCoder.start

    async def noted(*behaviours: Any, prefix: str = "") -> SandboxCoder:
        servers.append(await start(*behaviours, prefix=prefix))
        return servers[-1]

    monkeypatch.setattr(SandboxCoder, "start", noted)
    text = _dry_run(tmp_path, capsys)
    assert "workspace templates are off" in text
    assert "gpu-training  mia    error    now" in text
    assert "2 workspaces are affected, 1 cannot be rebuilt." in text
    assert "left to do: Coder admin: In Coder, go to" not in text, "the run would do it"
    found = json.loads(_dry_run(tmp_path, capsys, "-o", "json"))
    assert found["coder"]["templates_enabled"] is False
    assert [row["workspace"] for row in found["coder"]["impact"]] == ["gpu-training", "notebooks"]
    for server in servers:
        changing = [one for one in server.requests if one.method != "GET"]
        assert [one.path.rpartition("/")[2] for one in changing] == ["parse?org-id=SKIP_ORG", "policy?dry-run=true"]


def test_a_dry_run_says_that_an_upload_that_breaks_workspaces_would_be_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _dry_run(tmp_path, capsys, on_impact="fail")
    assert "gpu-training  mia    error    now" in text
    assert "The policy is not uploaded: 1 workspace cannot be rebuilt with it" in text
    assert f"left to do: {ENABLE_STEP}" in text


@pytest.mark.parametrize(
    ("behaviour", "said", "left"),
    [
        ("unauthorized", "rejected the session token (401)", ENABLE_STEP),
        ("refuses", "line 9: resource-limits is not a field of this deployment", ENABLE_STEP),
        ("v2", "Coder v2 has no template policy", TEMPLATE_STEP),
    ],
)
def test_a_dry_run_says_what_would_be_left(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    said: str,
    left: str,
) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", behaviour)
    text = _dry_run(tmp_path, capsys)
    assert said in text
    assert "The steps in Coder are left to do by hand. Nothing else depends on them." in text
    assert f"left to do: {left}" in text


async def test_without_rights_in_coder_the_clicks_are_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", "unauthorized")
    async with _engine() as engine:
        events: list[Event] = []
        summary = await run(
            engine, _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn"), events.append
        )
    assert summary.result == "failed"
    assert summary.policy == str(tmp_path / "policy.yaml")
    assert summary.left_to_do[:2] == (ENABLE_STEP, upload_step(tmp_path / "policy.yaml"))
    ended = [event for event in events if isinstance(event, ActionEnded) and event.action.startswith("coder")]
    assert [event.result for event in ended] == ["failed", "failed"]


async def test_without_credentials_nothing_else_is_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wizard.coder.credentials import NoCredentials

    @asynccontextmanager
    async def nowhere(self: Engine, url: Any = None, credentials: Any = None) -> AsyncIterator[Any]:
        raise NoCredentials("No Coder URL or session token was found.", "Set CODER_URL.")
        yield

    monkeypatch.setattr(Engine, "coder", nowhere)
    async with _engine() as engine:
        events: list[Event] = []
        summary = await run(
            engine, _answers(tmp_path, enable_templates=True, upload=True, on_impact="warn"), events.append
        )
    assert (summary.result, summary.ready) == ("failed", summary.desired), "it was asked for, and is left to do"
    assert summary.policy == str(tmp_path / "policy.yaml")
    assert summary.left_to_do[:2] == (ENABLE_STEP, upload_step(tmp_path / "policy.yaml"))
