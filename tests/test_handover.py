"""The hand-over: the files of ``plan``, made without any right, and run by someone who has them."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import yaml

from tests.clusters import Cluster, cluster_of, command
from wizard.cli import make_parser
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


async def test_a_coder_admin_finds_the_clicks_and_the_commands(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("coder: {url: https://coder.example.org/base, upload: true}\n")
    folder = tmp_path / "plan"
    ended = await command("plan", "--sandbox", "--answers", str(tmp_path / "answers.yaml"), "--to", str(folder))
    assert ended.code == 0, ended.error
    readme = (folder / "README.md").read_text()
    assert "switch Enable workspace templates on" in readme
    assert "under Template policy, upload template-policy.yaml" in readme
    url = "--coder-url https://coder.example.org/base"
    commands = [line.strip() for line in readme.splitlines() if line.startswith("    podman-wizard")]
    assert commands == [
        f"podman-wizard coder status {url}",
        f"podman-wizard policy upload template-policy.yaml --dry-run {url}",
        f"podman-wizard policy upload template-policy.yaml --enable-templates {url}",
    ]
    for line in commands:
        make_parser().parse_args(shlex.split(line)[1:])  # exits where there is no such command
    assert "never tried on a live deployment" in readme
    assert "podman-wizard coder template" in readme


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


DAEMON_SET = "/apis/apps/v1/namespaces/smarter-device-manager/daemonsets/smarter-device-manager"
SERVER_SIDE = "application/apply-patch+yaml"


async def merged(cluster: Cluster, overlay: Path) -> None:
    """What a sync does with the overlay: Kustomize merges each patch into its object, the tool applies the result."""
    for entry in yaml.safe_load((overlay / "kustomization.yaml").read_text())["patches"]:
        assert entry["target"] == {"kind": "DaemonSet", "name": "smarter-device-manager"}
        patch = yaml.safe_load((overlay / entry["path"]).read_text())
        path = f"{DAEMON_SET}?fieldManager=argocd"
        assert await cluster.send("PATCH", path, patch, "application/strategic-merge-patch+json") == 200


async def test_what_a_gitops_tool_owns_goes_into_an_overlay_that_leaves_nothing_to_apply(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        refused = await cluster.command("manifest", "apply")
        assert refused.code == 5
        assert "--overlay DIR writes an overlay for its repository" in refused.error
        theirs = {"spec": {"template": {"metadata": {"annotations": {"theirs": "too"}}}}}
        assert await cluster.send("PATCH", DAEMON_SET, theirs, "application/merge-patch+json") == 200
        before = await cluster.get(DAEMON_SET)

        overlay = tmp_path / "overlay"
        dry = await cluster.command("manifest", "apply", "--dry-run", "--overlay", str(overlay), "-o", "json")
        assert dry.code == 0, dry.error
        assert not overlay.exists()
        applied = await cluster.command("manifest", "apply", "--overlay", str(overlay), "-o", "json")
        assert applied.code == 0, applied.error
        assert (
            applied.document["overlay"]
            == dry.document["overlay"]
            == [str(overlay / name) for name in ("README.md", "kustomization.yaml", "daemonset.yaml")]
        )
        changes = {one["object"].split()[0]: one["change"] for one in applied.document["objects"]}
        assert (changes["DaemonSet"], changes["ConfigMap"]) == ("skipped", "unchanged")
        assert (await cluster.get(DAEMON_SET))["spec"] == before["spec"]

        patch = yaml.safe_load((overlay / "daemonset.yaml").read_text())
        assert patch["spec"]["template"]["spec"] == {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "containers": [
                {
                    "name": "smarter-device-manager",
                    "image": "ghcr.io/smarter-project/smarter-device-manager:v1.20.12",
                }
            ],
        }
        assert (
            "registry.example.org/mirror/smarter-device-manager:v1.20.11 -> ghcr.io/"
            in (overlay / "README.md").read_text()
        )
        await merged(cluster, overlay)
        assert (await cluster.get(DAEMON_SET))["spec"]["template"]["metadata"]["annotations"] == {"theirs": "too"}
        after = await cluster.command("manifest", "apply", "--dry-run", "-o", "json")
        assert after.code == 0, after.error
        assert {one["change"] for one in after.document["objects"]} == {"unchanged"}
        nothing = await cluster.command("manifest", "apply", "--dry-run", "--overlay", str(tmp_path / "no"))
        assert "no overlay is needed" in nothing.error


async def test_what_the_wizard_alone_has_set_is_not_in_the_repository(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply", "--ownership", "take")).code == 0
        ended = await cluster.command("plan", "--to", str(tmp_path / "plan"))
        assert ended.code == 0, ended.error
        patch = yaml.safe_load((tmp_path / "plan" / "overlay" / "daemonset.yaml").read_text())
        container = patch["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
        assert "Argo CD owns DaemonSet here" in (tmp_path / "plan" / "README.md").read_text()
        decided = await cluster.command("manifest", "apply", "--take", "DaemonSet", "--overlay", str(tmp_path / "no"))
        assert "no overlay is needed" in decided.error  # taken, as it was said
