"""The hand-over: the files of ``plan``, made without any right, and run by someone who has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from tests.clusters import cluster_of, command
from wizard.sandbox import Sandbox

KUBECTL = """#!/bin/sh
case "$*" in
  *kube-system*) printf %s "$CLUSTER" ;;
  *) echo "$PWD: $*" >> "$CALLS" ;;
esac
"""


async def test_it_needs_no_right_at_all(tmp_path: Path) -> None:
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "viewer")
        folder = tmp_path / "plan"
        ended = await command("plan", "--to", str(folder), "--kubeconfig", str(tmp_path / "kubeconfig"), "-o", "json")
    assert ended.code == 0, ended.error
    names = {Path(path).name for path in ended.document["files"]}
    assert names == {path.name for path in folder.iterdir()}
    assert names == {
        "README.md",
        "smarter-device-manager.yaml",
        "kustomization.yaml",
        "commands.sh",
        "template-policy.yaml",
        "missing-rights.yaml",
    }
    rules = next(yaml.safe_load_all((folder / "missing-rights.yaml").read_text()))["rules"]
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch", "watch"]} in rules
    assert "kubectl label nodes -l" in (folder / "commands.sh").read_text()
    assert "smarter-device-manager=enabled" in (folder / "commands.sh").read_text()


async def test_the_role_has_the_verbs_of_the_pods_where_the_plan_sends_some(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("verify: {run: true, namespace: kube-system}\n")
    roles = {}
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "viewer")
        kubeconfig = ("--kubeconfig", str(tmp_path / "kubeconfig"))
        for name, options in (("without", ()), ("with", ("--answers", str(tmp_path / "answers.yaml")))):
            ended = await command("plan", "--to", str(tmp_path / name), *kubeconfig, *options)
            assert ended.code == 0, ended.error
            rules = next(yaml.safe_load_all((tmp_path / name / "missing-rights.yaml").read_text()))["rules"]
            roles[name] = {rule["resources"][0]: rule["verbs"] for rule in rules}
    assert roles["without"]["pods"] == ["list", "watch"]
    assert "pods/log" not in roles["without"]
    assert roles["with"]["pods"] == ["create", "delete", "get", "list", "watch"]
    assert roles["with"]["pods/log"] == ["get"]


async def test_its_commands_run_from_anywhere_and_on_their_own_cluster_only(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        uid = (await cluster.get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        ended = await cluster.command("plan", "--to", str(tmp_path / "plan"))
        assert ended.code == 0, ended.error
    assert not (tmp_path / "plan" / "missing-rights.yaml").exists()
    readme = (tmp_path / "plan" / "README.md").read_text()
    assert "## What to know before" in readme
    assert "AppArmor" in readme
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    calls = tmp_path / "calls"
    for cluster_uid, code in (("another", 1), (uid, 0)):
        ran = subprocess.run(
            [tmp_path / "plan" / "commands.sh"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": f"{kubectl.parent}:{os.environ['PATH']}", "CLUSTER": cluster_uid, "CALLS": str(calls)},
        )
        assert ran.returncode == code, ran.stderr
        assert calls.exists() is (code == 0)
    made = calls.read_text().splitlines()
    assert made[0].startswith(f"{tmp_path}/plan: apply --server-side")
    assert made[1].startswith(f"{tmp_path}/plan: label nodes rhel-1 ")
