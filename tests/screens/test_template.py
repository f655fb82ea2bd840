"""The step for Coder v2: which Coder it is, a template opened, merged, written, pushed, and what can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import AppOptions, WizardApp, make_app
from screens.steps.template import TemplateStep
from tests.screens.conftest import (
    app_of,
    apply_and_label,
    beside_the_steps,
    ended,
    on_facts,
    on_sandbox,
    running,
    screen_text,
    until,
)
from tests.template.templates import FUSE
from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.coder.v2 import pushing
from wizard.handover.files import ANSWERS_FILE
from wizard.sandbox import Sandbox
from wizard.sandbox.coder import Behaviour, SandboxCoder
from wizard.sandbox.coder_v2 import SandboxTemplates, scenario_templates

READY = Answers(security_modules=SecurityModulesChoice(acknowledged=True))
STARTER = scenario_templates()["kubernetes"]["main.tf"]
OTHER = scenario_templates()["data-science"]["main.tf"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pushing, "POLL_SECONDS", 0.0)
    return tmp_path


async def to_template(pilot: Pilot[Any]) -> TemplateStep:
    """Goes to the step, once Coder has answered."""
    app = app_of(pilot)
    await app.action_go("policy")
    step = app.query_one(TemplateStep)
    await until(pilot, lambda: not step.model.busy and step.model.templates is not None)
    return step


async def opened(pilot: Pilot[Any]) -> TemplateStep:
    """Goes to the step, and opens the template of this folder, which can be merged."""
    step = await to_template(pilot)
    await pilot.press("enter")
    await until(pilot, lambda: step.model.merged is not None)
    return step


async def at_row(pilot: Pilot[Any], step: TemplateStep, id: str) -> None:
    await until(pilot, lambda: any(row.id == id for row in step.rows.items))
    step.rows.move_to(id)
    await pilot.pause()


def coder_of(app: WizardApp) -> SandboxTemplates:
    coder = app.walk_through.engine.simulated_coder
    assert isinstance(coder, SandboxTemplates)
    return coder


async def test_a_template_of_this_folder_is_merged_in_memory_and_then_written(here: Path) -> None:
    (here / "main.tf").write_text(STARTER)
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await to_template(pilot)
        assert "Template policy" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: step.model.merged is not None)
        await until(pilot, lambda: "Pod: kubernetes_deployment_v1.main, container dev" in screen_text(app))
        assert (here / "main.tf").read_text() == STARTER
        await at_row(pilot, step, "part:device")
        assert 'limits["smarter-devices/fuse"]' in beside_the_steps(app) or "limits" in beside_the_steps(app)
        await pilot.press("d")
        assert f"+              {FUSE}" in screen_text(app) or FUSE in screen_text(app)
        await pilot.press("escape", "s")
        await until(pilot, lambda: "Write main.tf?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app))
        written = (here / "main.tf").read_text()
        assert written.count(FUSE) == 2
        assert len(list(here.glob("main.tf.*.bak"))) == 1
        await pilot.press("enter")
        await app.action_go("summary")
        await until(pilot, lambda: "Template: written to" in screen_text(app))


async def test_a_template_is_pulled_into_a_new_folder_and_opened(here: Path) -> None:
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await to_template(pilot)
        await at_row(pilot, step, "pull")
        await pilot.press("enter")
        await until(pilot, lambda: "Pull a template" in screen_text(app) and "escape to cancel" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Pull kubernetes" in screen_text(app))
        app.screen.query_one(Input).value = str(here / "pulled")
        await pilot.press("enter")
        await until(pilot, lambda: step.model.merged is not None and not step.model.busy)
        assert (here / "pulled" / "main.tf").read_text() == STARTER
        # Each line of the merged parts is marked in the text.
        await at_row(pilot, step, "part:device")
        marked = [step._shown[1][place] for place in step._source._marked]
        assert [(line.sign, line.text.strip()) for line in marked] == [("+", FUSE)] * 2
        await pilot.press("g", "enter")
        await until(pilot, lambda: "Pull data-science" in screen_text(app))
        app.screen.query_one(Input).value = str(here / "pulled")
        await pilot.press("enter")
        await until(pilot, lambda: "is not empty" in screen_text(app))


async def test_a_part_is_left_out_and_taken_in(here: Path) -> None:
    (here / "main.tf").write_text(STARTER)
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await opened(pilot)
        assert step.model.merged is not None
        assert {change.part for change in step.model.merged.result.changes} == {"device", "apparmor"}
        await at_row(pilot, step, "part:apparmor")
        await pilot.press("space")
        await until(pilot, lambda: not step.model.busy and step.model.choice.without == ("apparmor",))
        assert step.model.merged is not None
        assert {change.part for change in step.model.merged.result.changes} == {"device"}
        await at_row(pilot, step, "part:apparmor")
        await pilot.press("space")
        await until(pilot, lambda: not step.model.busy and step.model.choice.with_ == ("apparmor",))
        assert step.model.choice.without == ()


async def test_a_conflict_is_decided(here: Path) -> None:
    (here / "main.tf").write_text(OTHER)
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await to_template(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: step.model.conflicts != () and not step.model.busy)
        await until(pilot, lambda: "github.com/fuse" in screen_text(app))
        assert step._source.display  # the text stands there, whatever prevents the merge
        await pilot.press("home", "enter")
        await until(pilot, lambda: "Decide the conflict" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: step.model.merged is not None)
        assert step.model.choice.on_conflict == "replace"
        assert step.model.merged is not None
        assert [line.text.strip() for line in step._shown[1] if line.sign == "-"] == [
            '"github.com/fuse" = 1 # of the old device plugin'
        ]
        assert b"github.com/fuse" not in step.model.merged.result.document.content


async def test_a_push_is_asked_about_followed_and_undone() -> None:
    app = on_sandbox("coder-v2", READY)
    async with running(app, (100, 40)) as pilot:
        step = await to_template(pilot)
        await at_row(pilot, step, "push:coder/kubernetes")
        await pilot.press("enter")
        await until(pilot, lambda: "no node advertises it" in " ".join(screen_text(app).split()))
        assert "Push and make active" not in screen_text(app)
        await pilot.press("escape")
        await app.action_go("prerequisites")
        await apply_and_label(pilot, 12)
        await pilot.press("enter")
        await app.action_go("policy")
        await at_row(pilot, step, "push:coder/kubernetes")
        await pilot.press("enter")
        await until(pilot, lambda: "Push main.tf to kubernetes?" in screen_text(app))
        coder = coder_of(app)

        def active() -> str:
            return coder.active_of("kubernetes")

        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app) and app.walk_through.session.pushed is not None)
        await until(pilot, lambda: "Parsing template parameters" in screen_text(app))
        assert active() == "dull_duck"
        await pilot.press("enter")
        await at_row(pilot, step, "promote")
        await pilot.press("enter")
        await until(pilot, lambda: "Make brisk_fox3 active?" in screen_text(app))
        assert "1 becomes outdated" in " ".join(screen_text(app).split())
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app) and active() == "brisk_fox3")
        await pilot.press("enter")
        await until(pilot, lambda: "kubernetes: brisk_fox3 is active" in screen_text(app))
        await app.action_go("summary")
        await until(pilot, lambda: "Template in Coder: brisk_fox3 is the active version" in screen_text(app))
        assert "Template admin:" not in screen_text(app), "nothing of it is left to do by hand"
        await pilot.press("u")
        await until(pilot, lambda: "Label 12 nodes" in screen_text(app))  # a run of its own, to choose from
        await pilot.press("enter")
        await until(pilot, lambda: "Make version dull_duck of the template kubernetes" in screen_text(app))
        await pilot.press("escape")
        await app.action_go("policy")
        await at_row(pilot, step, "undo")
        await pilot.press("enter")
        # The push and its promotion, and not what was done on the cluster before them.
        await until(pilot, lambda: "Undo 1 change?" in screen_text(app))
        assert "Make version dull_duck of the template kubernetes" in screen_text(app)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app) and active() == "dull_duck")
        session = app.walk_through.session
        assert session.pushed is None
        assert session.labelled is not None
        await pilot.press("enter")
        await until(pilot, lambda: "kubernetes (active version dull_duck)" in screen_text(app))
        assert not any(row.id in ("promote", "undo") for row in step.rows.items)


async def test_the_exported_plan_has_the_template_that_is_open(here: Path) -> None:
    (here / "main.tf").write_text(STARTER)
    app = on_sandbox("coder-v2", READY)
    async with running(app) as pilot:
        await opened(pilot)
        await app.action_go("summary")
        await pilot.press("h")
        await until(pilot, lambda: "Export the plan" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Written to" in screen_text(app))
    folder = here / "podman-wizard-plan"
    assert (folder / "template" / "main.tf").read_text().count(FUSE) == 2
    assert "## For the template admin" in (folder / "README.md").read_text()
    assert "file: template/main.tf" in (folder / ANSWERS_FILE).read_text()
    assert (here / "main.tf").read_text() == STARTER


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("html", "returned a web page"),
        ("no-role", "do not have permission to update the template kubernetes"),
        ("import-fails", "Error: Too many resources blocks"),
        ("no-provisioner", "No provisioner can take the import"),
        ("moved", "changed from dull_duck to other_one"),
        ("scope", "the scope of the session token"),
        ("down", "could not be followed"),
        ("name-taken", "A version with this name already exists"),
        ("gone", "It is unknown whether"),
    ],
)
async def test_what_fails_is_said_in_the_step(fault: str, said: str) -> None:
    app = on_sandbox("coder-v2", READY)
    async with running(app, (100, 40)) as pilot:
        step = await to_template(pilot)
        judgement = app.walk_through.session.judgement
        assert judgement is not None
        # Whether a node offers FUSE is another test's.
        object.__setattr__(judgement.reading, "offering", frozenset({"worker-01"}))
        coder_of(app).faults.add(fault)
        await at_row(pilot, step, "push:coder/kubernetes")
        await pilot.press("enter")
        if fault not in ("html", "no-role"):
            await until(pilot, lambda: "Push main.tf to kubernetes?" in screen_text(app))
            await pilot.press("tab", "tab", "enter")
            await until(pilot, lambda: ended(app))
        await until(pilot, lambda: said in " ".join(screen_text(app).split()) or said in beside_the_steps(app))
        assert coder_of(app).active_of("kubernetes") in ("dull_duck", "other_one")


async def test_a_file_that_changed_since_it_was_read_is_not_overwritten(here: Path) -> None:
    (here / "main.tf").write_text(STARTER)
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await opened(pilot)
        changed = STARTER + "# by a colleague\n"
        (here / "main.tf").write_text(changed)
        await pilot.press("s")
        await until(pilot, lambda: "Write main.tf?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "main.tf changed" in " ".join(screen_text(app).split()))
        assert (here / "main.tf").read_text() == changed
        await pilot.press("enter", "R")
        await until(pilot, lambda: step.model.merged is not None and not step.model.busy)
        assert step.model.merged is not None
        assert step.model.merged.result.document.content.endswith(b"# by a colleague\n")


async def test_a_variable_without_a_value_fails_the_import_and_names_it(here: Path) -> None:
    (here / "main.tf").write_text(STARTER + 'variable "new_one" {\n  type = string\n}\n')
    app = on_sandbox("coder-v2", READY)
    async with running(app, (100, 40)) as pilot:
        step = await opened(pilot)
        await at_row(pilot, step, "push:coder/kubernetes")
        await pilot.press("enter")
        await until(pilot, lambda: "Push main.tf to kubernetes?" in screen_text(app))
        await pilot.press("tab", "enter")  # inactive: no node offers FUSE
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "new_one" in beside_the_steps(app))
        assert coder_of(app).active_of("kubernetes") == "dull_duck"


async def test_where_nothing_tells_it_is_asked_v2_first_and_the_answer_opens_its_step() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("policy")
        await until(pilot, lambda: "Which Coder is this?" in screen_text(app))
        text = screen_text(app)
        assert text.index("Coder v2: its templates are Terraform") < text.index("Coder v1: one template policy")
        assert "uploaded" not in text
        await pilot.press("enter")
        await until(pilot, lambda: "Open a Terraform file or a template's folder" in screen_text(app))
        assert app.walk_through.coder == "v2"


@pytest.mark.parametrize(
    ("files", "environment", "title"),
    [
        (("main.tf",), {}, "Open the template in this folder"),
        (("policy.yaml",), {}, "Open the policy that Coder uses now"),
        (("policy.yaml", "main.tf"), {}, "Coder v2: its templates are Terraform"),
        ((), {"CODER_SESSION_TOKEN": "x"}, "Open a Terraform file or a template's folder"),
        ((), {"CODER_TOKEN": "x"}, "Open the policy that Coder uses now"),
    ],
)
async def test_what_is_here_tells_which_coder_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], environment: dict[str, str], title: str
) -> None:
    for name in files:
        (here / name).write_text("")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("policy")
        await until(pilot, lambda: title in screen_text(app))


@asynccontextmanager
async def on_a_cluster(folder: Path) -> AsyncIterator[Pilot[Any]]:
    """The screens on a cluster that is none of theirs, so that nothing is known of its Coder."""
    async with await Sandbox.start("mixed") as sandbox:
        kubeconfig = folder / "config"
        sandbox.write_kubeconfig(kubeconfig)
        app = make_app(AppOptions(target=Target(kubeconfig=str(kubeconfig)), answers=READY))
        async with running(app) as pilot:
            yield pilot


@pytest.mark.parametrize(
    ("behaviour", "title"),
    [("v2", "Open a Terraform file or a template's folder"), ("old", "Open the policy that Coder uses now")],
)
async def test_a_deployment_with_a_known_url_is_asked_what_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, title: str
) -> None:
    async with await SandboxCoder.start(behaviour) as coder:
        monkeypatch.setenv("CODER_URL", coder.url)
        async with on_a_cluster(here) as pilot:
            app = app_of(pilot)
            await app.action_go("policy")
            await until(pilot, lambda: title in screen_text(app))


async def test_a_deployment_that_does_not_answer_leaves_the_choice(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_URL", "http://127.0.0.1:9")
    async with on_a_cluster(here) as pilot:
        app = app_of(pilot)
        await app.action_go("policy")
        await until(pilot, lambda: "Which Coder is this? Cannot reach Coder" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Open a Terraform file or a template's folder" in screen_text(app))


async def test_a_broken_file_and_a_missing_one_are_said_with_their_place(here: Path) -> None:
    (here / "main.tf").write_text('resource "kubernetes_pod" "main" {\n')
    app = on_sandbox("coder-v2")
    async with running(app) as pilot:
        step = await to_template(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: step.model.trouble is not None and not step.model.busy)
        await until(pilot, lambda: "main.tf:" in screen_text(app))
        await pilot.press("o", *"gone.tf", "enter")
        await until(pilot, lambda: "gone.tf does not exist" in screen_text(app))
