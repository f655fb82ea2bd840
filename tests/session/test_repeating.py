"""The answers file that repeats what was done: replayed on a fresh cluster, it gives the same cluster."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import Cluster, cluster_of
from tests.scripts import KUBECTL, Folder, state
from wizard.answers_file import parse_answers
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.executor import RunOutcome
from wizard.engine.looking import act, ignored, look
from wizard.plan.derive import Plan
from wizard.session.repeating import resolved_answers

REVIEWED = "security-modules: {acknowledged: true}\nrollout: {timeout: 60}\n"


async def done(cluster: Cluster, answers: str, *kinds: str) -> tuple[Plan, RunOutcome]:
    """Does the actions of these kinds, and returns the plan of now with what was done."""
    engine = Engine(Target(kubeconfig=str(cluster.kubeconfig)))
    try:
        _ = await engine.open()
        plan = await look(engine, parse_answers(answers.encode(), "answers.yaml"))
        only: Collection[str] = plan.ids(*kinds)
        outcome, now = await act(engine, plan, ignored, door="run", only=only)
        return now, outcome
    finally:
        await engine.close()


async def replayed(scenario: str, text: str, folder: Path) -> dict[str, Any]:
    """Runs an exported answers file on a fresh cluster, and returns the cluster's state."""
    folder.mkdir()
    (folder / "answers.yaml").write_text(text)
    async with cluster_of("sandbox", scenario, folder) as cluster:
        ran = await cluster.command("run", "--answers", str(folder / "answers.yaml"), "--yes", folder=folder)
        assert ran.code == 0, ran.error + ran.out
        return await state(cluster)


DONE = [
    pytest.param("mixed", "", ("apply", "label", "rollout"), id="all"),
    pytest.param(
        "mixed",
        "manifest: {set: {devices-per-node: 70, drop-host-network: true}, without: [linux-only, selinux-type]}\n",
        ("apply", "label", "rollout"),
        id="own adjustments",
    ),
    pytest.param("mixed", "manifest: {set: {no-node-selector: true}}\n", ("apply", "rollout"), id="no labels"),
    pytest.param("mixed", "manifest: {preset: guide}\n", ("apply", "label", "rollout"), id="the guide's values"),
    pytest.param("mixed", "", ("apply",), id="only the manifest"),
    pytest.param("mixed", "nodes: {names: [sles-worker-1, flatcar-arm-1]}\n", ("label",), id="only two labels"),
    pytest.param(
        "mixed", "nodes: {selector: 'kubernetes.io/arch=arm64'}\n", ("apply", "label", "rollout"), id="a selector"
    ),
    pytest.param("mixed", "", (), id="nothing"),
    pytest.param("owned", "ownership: {default: take}\n", ("apply", "label", "rollout"), id="taken over"),
    pytest.param("owned", "ownership: {DaemonSet: skip}\n", ("apply", "label", "rollout"), id="left to Argo CD"),
    pytest.param("enforced", "", ("apply", "label", "rollout"), id="an enforced level"),
    pytest.param("quota", "", ("apply", "label", "rollout"), id="a larger quota"),
]


@pytest.mark.parametrize(("scenario", "answers", "kinds"), DONE)
async def test_it_gives_the_same_cluster(scenario: str, answers: str, kinds: tuple[str, ...], tmp_path: Path) -> None:
    async with cluster_of("sandbox", scenario, tmp_path) as cluster:
        now, outcome = await done(cluster, REVIEWED + answers, *kinds)
        expected = await state(cluster)
    text = resolved_answers(now, outcome)
    assert await replayed(scenario, text, tmp_path / "again") == expected, text


async def test_the_file_of_a_plan_folder_does_what_its_commands_do(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        chosen = REVIEWED + "manifest: {without: [memory]}\nnodes: {names: [sles-worker-1]}\npolicy: {}\n"
        (tmp_path / "answers.yaml").write_text(chosen)
        plan = ("plan", "--answers", str(tmp_path / "answers.yaml"), "--to", str(tmp_path / "plan"))
        assert (await cluster.command(*plan)).code == 0
        folder = Folder(tmp_path / "plan", cluster)
        text = folder.text("answers.yaml")
        written = yaml.safe_load(text)
        assert written["cluster"] == {"context": "sandbox-mixed"}
        assert written["manifest"]["without"] == ["memory"]
        assert written["manifest"]["set"]["image"] == "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
        assert "preset" not in written["manifest"]
        if not KUBECTL:
            pytest.skip("no kubectl")
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        expected = await state(cluster)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "template-policy.yaml").write_text(folder.text("template-policy.yaml"))
    (tmp_path / "again").rename(tmp_path / "copy")
    (tmp_path / "copy" / "answers.yaml").write_text(text)
    async with cluster_of("sandbox", "mixed", tmp_path / "copy") as cluster:
        replay = ("run", "--answers", "answers.yaml", "--yes")
        ran = await cluster.command(*replay, folder=tmp_path / "copy")
        assert ran.code == 0, ran.error
        assert await state(cluster) == expected
    assert (tmp_path / "copy" / "template-policy.yaml").read_text() == folder.text("template-policy.yaml")


async def test_steps_that_were_not_done_are_off_and_what_it_cannot_repeat_is_said(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        answers = REVIEWED + "policy: {}\ncoder: {url: https://coder.example.org, upload: true}\nverify: {run: true}\n"
        now, outcome = await done(cluster, answers, "label")
        text = resolved_answers(now, outcome, kubeconfig=str(cluster.kubeconfig), notes=["  The fields edited by hand"])
        written = yaml.safe_load(text)
        assert written["manifest"]["apply"] is False
        assert written["nodes"] == {"all": True, "label": True}
        assert "policy" not in written
        assert written["verify"]["run"] is False
        assert written["coder"]["upload"] is False
        assert written["cluster"] == {"kubeconfig": str(cluster.kubeconfig), "context": "sandbox-mixed"}
        assert "# This file does not repeat:\n#   The fields edited by hand\n" in text


async def test_a_policy_that_was_written_is_named_by_its_whole_path(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        (tmp_path / "mine.yaml").write_text('version: "0.2"\n')
        policy = f"policy: {{file: {tmp_path}/mine.yaml, output: {tmp_path}/merged.yaml, devices: 2}}\n"
        now, outcome = await done(cluster, REVIEWED + policy, "policy")
    text = resolved_answers(now, outcome)
    assert yaml.safe_load(text)["policy"] == {
        "file": f"{tmp_path}/mine.yaml",
        "output": f"{tmp_path}/merged.yaml",
        "devices": 2,
    }
    merged = (tmp_path / "merged.yaml").read_bytes()
    (tmp_path / "merged.yaml").unlink()
    _ = await replayed("mixed", text, tmp_path / "again")
    assert (tmp_path / "merged.yaml").read_bytes() == merged
