"""The plan folder: written from the plan that was made, and carried out and undone with kubectl by someone else."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.clusters import Cluster, cluster_of, command
from tests.real_api_server import missing
from tests.scripts import KUBECTL, NAMESPACE, PATHS, Folder, kubectl, state
from wizard.commands.parser import make_parser
from wizard.facts.differences import LAST_APPLIED
from wizard.resources import asset_text
from wizard.sandbox import Sandbox

MANIFEST = {f"manifest/{name}.yaml" for name in ("10-namespace", "20-resourcequota", "30-configmap", "40-daemonset")}
SCRIPTS = {"README.md", "changes.md", "commands.sh", "undo.sh", "answers.yaml", "kustomization.yaml"}
MERGE = "application/merge-patch+json"

needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl")
real = pytest.param(
    "real", marks=[pytest.mark.real_api_server, pytest.mark.skipif(bool(missing()), reason=missing() or "there")]
)


async def exported(cluster: Cluster, folder: Path, answers: str = "{}", *, limited: bool = False) -> Folder:
    """Writes the plan of these answers into a folder."""
    (folder / "answers.yaml").write_text(answers)
    ended = await cluster.command(
        "plan", "--answers", str(folder / "answers.yaml"), "--to", str(folder / "plan"), "-o", "json", limited=limited
    )
    assert ended.code == 0, ended.error
    found = Folder(folder / "plan", cluster)
    assert {str(Path(path).relative_to(found.path)) for path in ended.document["files"]} == found.names
    return found


# What is in the folder ------------------------------------------------------------------------------------------


async def test_it_needs_no_right_at_all_and_says_first_what_was_not_asked(tmp_path: Path) -> None:
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "viewer")
        folder = tmp_path / "plan"
        ended = await command("plan", "--to", str(folder), "--kubeconfig", str(tmp_path / "kubeconfig"), "-o", "json")
    assert ended.code == 0, ended.error
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {*SCRIPTS, *MANIFEST, "missing-permissions.yaml"}
    rules = next(yaml.safe_load_all((folder / "missing-permissions.yaml").read_text()))["rules"]
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch", "watch"]} in rules
    readme = (folder / "README.md").read_text()
    assert readme.split("\n## ")[1].startswith("Not checked")
    assert readme.count("cannot patch resource") == 4  # each object once
    assert "The nodes could not be listed" in readme
    assert "Not checked by the server" in (folder / "changes.md").read_text()
    assert "kubectl get nodes -l 'kubernetes.io/os=linux,!node-role" in (folder / "commands.sh").read_text()


async def test_the_role_has_the_verbs_of_the_pods_where_the_plan_sends_some(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("verify: {run: true, namespace: kube-system}\n")
    roles = {}
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "viewer")
        kubeconfig = ("--kubeconfig", str(tmp_path / "kubeconfig"))
        for name, options in (("without", ()), ("with", ("--answers", str(tmp_path / "answers.yaml")))):
            ended = await command("plan", "--to", str(tmp_path / name), *kubeconfig, *options)
            assert ended.code == 0, ended.error
            rules = next(yaml.safe_load_all((tmp_path / name / "missing-permissions.yaml").read_text()))["rules"]
            roles[name] = {rule["resources"][0]: rule["verbs"] for rule in rules}
    assert roles["without"]["pods"] == ["list", "watch"]
    assert "pods/log" not in roles["without"]
    assert roles["with"]["pods"] == ["create", "delete", "get", "list", "watch"]
    assert roles["with"]["pods/log"] == ["get"]


async def test_a_coder_admin_finds_the_clicks_and_the_commands(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("policy: {}\ncoder: {url: https://coder.example.org/base, upload: true}\n")
    folder = tmp_path / "plan"
    ended = await command("plan", "--sandbox", "--answers", str(tmp_path / "answers.yaml"), "--to", str(folder))
    assert ended.code == 0, ended.error
    readme = (folder / "README.md").read_text()
    assert "set Enable workspace templates to On" in readme
    assert "upload template-policy.yaml under Template policy" in readme
    url = "--coder-url https://coder.example.org/base"
    commands = [line.strip() for line in readme.splitlines() if line.startswith("    podman-wizard")]
    assert commands[:3] == [
        f"podman-wizard coder status {url}",
        f"podman-wizard policy upload template-policy.yaml --dry-run {url}",
        f"podman-wizard policy upload template-policy.yaml --enable-templates {url}",
    ]
    for line in commands:
        make_parser().parse_args(shlex.split(line)[1:])  # exits where there is no such command
    assert "not been tested on a live deployment" in readme
    assert "podman-wizard coder template" in readme
    assert "smarter-devices/fuse" in (folder / "template-policy.yaml").read_text()
    assert yaml.safe_load((folder / "answers.yaml").read_text())["policy"]["file"] == "template-policy.yaml"


async def test_what_has_no_content_is_absent(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        answers = "security-modules: {acknowledged: true}\nrollout: {timeout: 60}\n"
        (tmp_path / "run.yaml").write_text(answers)
        ran = await cluster.command("run", "--answers", str(tmp_path / "run.yaml"), "--yes")
        assert ran.code == 0, ran.error
        folder = await exported(cluster, tmp_path)
        assert folder.names == {"README.md", "answers.yaml"}
        assert "already matches the plan" in folder.text("README.md")


async def test_who_cannot_ask_the_server_compares_by_reading(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        answers = "security-modules: {acknowledged: true}\nrollout: {timeout: 60}\n"
        (tmp_path / "run.yaml").write_text(answers)
        ran = await cluster.command("run", "--answers", str(tmp_path / "run.yaml"), "--yes")
        assert ran.code == 0, ran.error
        folder = await exported(cluster, tmp_path, limited=True)
        assert folder.names == {"README.md", "answers.yaml", "missing-permissions.yaml"}
        image = "manifest: {set: {image: registry.internal/sdm:1}}\n"
        shutil.rmtree(folder.path)
        folder = await exported(cluster, tmp_path, image, limited=True)
        assert {name for name in folder.names if name.startswith("manifest/")} == {"manifest/40-daemonset.yaml"}
        assert "- DaemonSet smarter-device-manager: " in folder.text("README.md").split("\n## ")[1]
        assert ".image: ghcr.io/smarter-project" in folder.text("changes.md")


async def test_an_undecided_conflict_writes_nothing(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        ended = await cluster.command("plan", "--to", str(tmp_path / "plan"))
        assert ended.code == 5
        assert "argocd" in ended.error
        assert not (tmp_path / "plan").exists()


async def test_an_earlier_export_leaves_no_outdated_file_and_a_run_is_not_overwritten(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        folder = await exported(cluster, tmp_path)
        (tmp_path / "answers.yaml").write_text("ownership: {DaemonSet: skip}\n")
        plan = ("plan", "--answers", str(tmp_path / "answers.yaml"), "--to", str(folder.path))
        assert (await cluster.command(*plan)).code == 0
        assert "manifest/40-daemonset.yaml" not in folder.names
        assert any(name.startswith("manifest/40-daemonset.yaml.") for name in folder.names)
        (folder.path / "before").mkdir()
        refused = await cluster.command(*plan)
        assert refused.code == 4
        assert "the state before an earlier run" in refused.error


async def test_nodes_that_lose_fuse_are_named_and_want_a_consent_of_their_own(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        (tmp_path / "run.yaml").write_text(
            "security-modules: {acknowledged: true}\nmanifest: {set: {no-node-selector: true}}\n"
        )
        ran = await cluster.command("run", "--answers", str(tmp_path / "run.yaml"), "--yes")
        assert ran.code == 0, ran.error
        folder = await exported(cluster, tmp_path, "manifest: {without: [no-node-selector]}\nnodes: {label: false}\n")
        assert "lose it" in folder.text("README.md")
        before = await state(cluster)
        if KUBECTL:
            stopped = await folder.run("commands.sh")
            assert stopped.code == 1
            assert "--allow-disruption" in stopped.error
            assert await state(cluster) == before


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
@pytest.mark.parametrize(
    ("scenario", "answers", "limited"),
    [
        ("mixed", "{}", False),
        ("mixed", "manifest: {apply: false}", False),
        ("mixed", "nodes: {label: false}", False),
        ("restricted", "{}", True),
        ("owned", "ownership: {default: take}", False),
    ],
)
async def test_the_scripts_pass_shellcheck(scenario: str, answers: str, limited: bool, tmp_path: Path) -> None:
    async with cluster_of("sandbox", scenario, tmp_path) as cluster:
        folder = await exported(cluster, tmp_path, answers, limited=limited)
    checked = subprocess.run(
        ["shellcheck", "--shell=sh", folder.path / "commands.sh", folder.path / "undo.sh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


# The scripts, carried out ---------------------------------------------------------------------------------------


@needs_kubectl
@pytest.mark.parametrize("kind", ["sandbox", real])
async def test_a_fresh_cluster_gets_what_the_plan_says_and_undo_leaves_nothing(kind: str, tmp_path: Path) -> None:
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        before = await state(cluster)
        folder = await exported(cluster, tmp_path)
        assert folder.names == {*SCRIPTS, *MANIFEST, "nodes.txt"}
        assert folder.text("nodes.txt").split() == ["rhel-1", "rhel-2", *(f"worker-{n}" for n in range(1, 5))]
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        assert "--force-conflicts" not in " ".join(folder.calls)
        diff = await cluster.command("run", "--answers", str(folder.path / "answers.yaml"), "--dry-run", "-o", "json")
        assert diff.code in (0, 1), diff.error
        assert await cluster.labelled() == set(folder.text("nodes.txt").split())
        done = await state(cluster)

        again = await folder.run("commands.sh")
        assert again.code == 1
        assert "an earlier run of commands.sh" in again.error
        resumed = await folder.run("commands.sh", "--resume")
        assert resumed.code == 0, resumed.error
        assert await state(cluster) == done

        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before
        nothing = await folder.run("undo.sh")
        assert nothing.code == 1
        assert "nothing to undo" in nothing.error


@needs_kubectl
@pytest.mark.parametrize("kind", ["sandbox", real])
async def test_what_kubectl_apply_left_is_taken_over_and_restored(kind: str, tmp_path: Path) -> None:
    (tmp_path / "guide.yaml").write_text(asset_text("manifests", "smarter-device-manager.yaml"))
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        _ = await kubectl(cluster, "apply", "-f", str(tmp_path / "guide.yaml"))
        _ = await kubectl(cluster, "label", "nodes", "worker-1", "worker-2", f"{NAMESPACE}=enabled")
        _ = await kubectl(cluster, "label", "nodes", "worker-3", f"{NAMESPACE}=no")
        before = await state(cluster)
        answers = "ownership: take\nmanifest: {set: {drop-host-network: true, devices-per-node: 70}}\n"
        folder = await exported(cluster, tmp_path, answers)
        assert folder.names == {*SCRIPTS, "manifest/30-configmap.yaml", "manifest/40-daemonset.yaml", "nodes.txt"}
        changes = folder.text("changes.md")
        assert ".spec.template.spec.hostNetwork: true -> removed" in changes
        assert "managed by kubectl-client-side-apply" in changes
        assert ': "no" -> enabled on 1 node' in changes or ": no -> enabled on 1 node" in changes
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        done = await state(cluster)
        assert "hostNetwork" not in done["DaemonSet"]["spec"]["template"]["spec"]
        assert done["Namespace"] == before["Namespace"]
        forced = [line for line in folder.calls if "--force-conflicts" in line]
        assert len(forced) == 4
        assert all("40-daemonset" in line or "30-configmap" in line for line in forced)

        cut = await folder.run("undo.sh", fails="replace*configmaps*")
        assert cut.code != 0
        assert "use sh undo.sh again" in cut.error
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before
        told = await kubectl(cluster, "apply", "-f", str(tmp_path / "guide.yaml"))
        assert f"daemonset.apps/{NAMESPACE} unchanged" in told


@needs_kubectl
async def test_only_what_takes_over_is_forced_and_what_is_skipped_stays(tmp_path: Path) -> None:
    answers = "ownership: {default: take, DaemonSet: skip}\nmanifest: {set: {pod-quota: 80}}\n"
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        before = await state(cluster)
        folder = await exported(cluster, tmp_path, answers)
        assert {"manifest/20-resourcequota.yaml", "overlay/daemonset.yaml"} <= folder.names
        assert "manifest/40-daemonset.yaml" not in folder.names
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        after = await state(cluster)
        assert after["DaemonSet"]["spec"] == before["DaemonSet"]["spec"]
        assert after["ResourceQuota"]["spec"]["hard"]["pods"] == "80"
        assert all("20-resourcequota" in line for line in folder.calls if "--force-conflicts" in line)
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before


@needs_kubectl
@pytest.mark.parametrize("existing", [False, True])
async def test_the_first_rejection_stops_it_without_any_change(existing: bool, tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        if existing:
            assert (await cluster.command("manifest", "apply")).code == 0
        before = await state(cluster)
        folder = await exported(cluster, tmp_path, "manifest: {set: {memory: 64Mi, devices-per-node: 70}}\n")
        stopped = await folder.run("commands.sh", limited=True)
        assert stopped.code != 0
        assert stopped.error.splitlines()[-1] == "Nothing was changed."
        assert await state(cluster) == before
        assert not (folder.path / "before").exists()
        if existing:
            # Someone takes a field after the export: it is not overwritten.
            patch = {"data": {"conf.yaml": "- devicematch: ^fuse$\n  nummaxdevices: 60\n"}}
            assert await cluster.send("PATCH", PATHS["ConfigMap"] + "?fieldManager=other", patch, MERGE) == 200
            before = await state(cluster)
            stopped = await folder.run("commands.sh")
            assert stopped.code != 0
            assert "The configmap smarter-device-manager was changed after this plan" in stopped.error
            assert await state(cluster) == before


@needs_kubectl
async def test_it_runs_on_its_own_cluster_only(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with (
        cluster_of("sandbox", "restricted", tmp_path) as cluster,
        cluster_of("sandbox", "restricted", tmp_path / "other") as other,
    ):
        folder = await exported(cluster, tmp_path)
        before = await state(other)
        stopped = await Folder(folder.path, other).run("commands.sh")
        assert stopped.code == 1
        assert "a different cluster" in stopped.error
        assert await state(other) == before


@needs_kubectl
async def test_it_continues_after_an_interruption_and_undo_takes_both_runs_as_one(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        before = await state(cluster)
        folder = await exported(cluster, tmp_path)
        cut = await folder.run("commands.sh", fails="*podman-wizard?-f?*30-configmap*")
        assert cut.code != 0
        assert "--resume" in cut.error
        assert set(await state(cluster)) == {"Namespace", "ResourceQuota", "labels"}
        resumed = await folder.run("commands.sh", "--resume")
        assert resumed.code == 0, resumed.error
        assert set(await state(cluster)) == {*PATHS, "labels"}
        cut = await folder.run("undo.sh", fails="delete?configmap*")
        assert cut.code != 0
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before


@needs_kubectl
async def test_undo_leaves_what_others_did_since(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        folder = await exported(cluster, tmp_path)
        assert (await folder.run("commands.sh")).code == 0
        # A restart is no change of anything, another image is one.
        _ = await kubectl(cluster, "-n", NAMESPACE, "rollout", "restart", f"daemonset/{NAMESPACE}")
        image = f"{NAMESPACE}=registry.example.org/other:v1"
        _ = await kubectl(cluster, "-n", NAMESPACE, "set", "image", f"daemonset/{NAMESPACE}", image)
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}}
        assert await cluster.send("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", theirs) == 201
        _ = await kubectl(cluster, "label", "nodes", "worker-1", f"{NAMESPACE}=mine", "--overwrite")
        done = await state(cluster)
        left = await folder.run("undo.sh")
        assert left.code == 1
        assert "daemonset smarter-device-manager was changed" in left.error
        assert await state(cluster) == done

        forced = await folder.run("undo.sh", "--force")
        assert forced.code == 1
        assert "configmap/theirs" in forced.error
        after = await state(cluster)
        assert set(after) == {"Namespace", "labels"}
        assert {name: value for name, value in after["labels"].items() if value} == {"worker-1": "mine"}
        _ = await kubectl(cluster, "-n", NAMESPACE, "delete", "configmap", "theirs")
        assert (await folder.run("undo.sh")).code == 0
        assert set(await state(cluster)) == {"labels"}


@needs_kubectl
@pytest.mark.parametrize("kind", ["sandbox", real])
async def test_nothing_is_done_if_an_object_changed_after_the_export(kind: str, tmp_path: Path) -> None:
    (tmp_path / "guide.yaml").write_text(asset_text("manifests", "smarter-device-manager.yaml"))
    daemon_set = f"daemonset/{NAMESPACE}"
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        early = await exported(cluster, tmp_path)
        guide = ("--server-side", "--field-manager=argocd", "-f", str(tmp_path / "guide.yaml"))
        _ = await kubectl(cluster, "apply", *guide)
        created = await early.run("commands.sh")
        assert created.code == 1
        assert "The daemonset smarter-device-manager was created after this plan" in created.error
        shutil.rmtree(early.path)

        folder = await exported(cluster, tmp_path, "ownership: take\n")
        _ = await kubectl(cluster, "-n", NAMESPACE, "set", "image", daemon_set, f"{NAMESPACE}=mirror.example.org/a:v1")
        before = await state(cluster)
        ran = await folder.run("commands.sh")
        assert ran.code == 1
        assert "The daemonset smarter-device-manager was changed after this plan" in ran.error
        assert await state(cluster) == before

        # Exported again, it has the change; what a restart or a label changes since stops nothing.
        shutil.rmtree(folder.path)
        folder = await exported(cluster, tmp_path, "ownership: take\n")
        _ = await kubectl(cluster, "-n", NAMESPACE, "rollout", "restart", daemon_set)
        _ = await kubectl(cluster, "-n", NAMESPACE, "label", daemon_set, "team=workspaces")
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error


@needs_kubectl
@pytest.mark.parametrize("kind", ["sandbox", real])
async def test_undo_keeps_the_labels_and_annotations_that_others_set_since(kind: str, tmp_path: Path) -> None:
    (tmp_path / "guide.yaml").write_text(asset_text("manifests", "smarter-device-manager.yaml"))
    note = 'two lines:\n"it\'s" 100%'
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        _ = await kubectl(cluster, "apply", "-f", str(tmp_path / "guide.yaml"))
        before = await state(cluster)
        folder = await exported(cluster, tmp_path)
        assert (await folder.run("commands.sh")).code == 0
        _ = await kubectl(cluster, "-n", NAMESPACE, "label", f"daemonset/{NAMESPACE}", "role=other", "--overwrite")
        _ = await kubectl(cluster, "-n", NAMESPACE, "annotate", f"daemonset/{NAMESPACE}", f"example.org/note={note}")
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        after = await state(cluster)
        metadata = after["DaemonSet"]["metadata"]
        assert metadata["labels"].pop("role") == "other"
        assert metadata["annotations"].pop("example.org/note") == note
        del before["DaemonSet"]["metadata"]["labels"]["role"]
        assert after == before


@needs_kubectl
async def test_a_restart_is_transparent_to_undo(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        before = await state(cluster)
        folder = await exported(cluster, tmp_path)
        assert (await folder.run("commands.sh")).code == 0
        _ = await kubectl(cluster, "-n", NAMESPACE, "rollout", "restart", f"daemonset/{NAMESPACE}")
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before


@needs_kubectl
async def test_many_nodes_are_labeled_by_name_on_twenty_at_a_time(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "quota", tmp_path) as cluster:
        folder = await exported(cluster, tmp_path)
        names = folder.text("nodes.txt").split()
        gone, *rest = names
        assert await cluster.send("DELETE", f"/api/v1/nodes/{gone}", {}) == 200
        ran = await folder.run("commands.sh")
        assert f"{gone} is no longer in the cluster" in ran.error
        assert await cluster.labelled() == set(rest)
        counts = [line.count(" ") - 3 for line in folder.calls if line.startswith("label nodes")]
        assert sum(counts) == len(rest)
        assert max(counts) == 20


@needs_kubectl
async def test_nodes_that_could_not_be_listed_are_found_by_the_script(tmp_path: Path) -> None:
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "viewer", "viewer")
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "admin")
        token = sandbox.kubeconfig("admin")["users"][0]["user"]["token"]
        cluster = Cluster(tmp_path / "kubeconfig", tmp_path / "viewer", sandbox.url, token, False)
        folder = await exported(cluster, tmp_path, limited=True)
        before = await state(cluster)
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        assert "worker-1" in ran.out
        assert len(await cluster.labelled()) == 6
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before


# What a GitOps tool owns -------------------------------------------------------------------------------------------


async def merged(cluster: Cluster, overlay: Path) -> None:
    """What a sync does with the overlay: Kustomize merges each patch into its object, the tool applies the result."""
    for entry in yaml.safe_load((overlay / "kustomization.yaml").read_text())["patches"]:
        assert entry["target"] == {"kind": "DaemonSet", "name": "smarter-device-manager"}
        patch = yaml.safe_load((overlay / entry["path"]).read_text())
        path = PATHS["DaemonSet"] + "?fieldManager=argocd"
        assert await cluster.send("PATCH", path, patch, "application/strategic-merge-patch+json") == 200


async def test_what_a_gitops_tool_owns_goes_into_an_overlay_that_leaves_nothing_to_apply(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        refused = await cluster.command("manifest", "apply")
        assert refused.code == 5
        assert "--overlay DIR writes an overlay for its repository" in refused.error
        theirs = {"spec": {"template": {"metadata": {"annotations": {"theirs": "too"}}}}}
        assert await cluster.send("PATCH", PATHS["DaemonSet"], theirs, "application/merge-patch+json") == 200
        before = await cluster.get(PATHS["DaemonSet"])

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
        assert (await cluster.get(PATHS["DaemonSet"]))["spec"] == before["spec"]

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
        annotations = (await cluster.get(PATHS["DaemonSet"]))["spec"]["template"]["metadata"]["annotations"]
        assert set(annotations) == {"theirs", "podman-wizard/config-hash"}
        after = await cluster.command("manifest", "apply", "--dry-run", "-o", "json")
        assert after.code == 0, after.error
        assert {one["change"] for one in after.document["objects"]} == {"unchanged"}
        nothing = await cluster.command("manifest", "apply", "--dry-run", "--overlay", str(tmp_path / "no"))
        assert "No overlay is needed" in nothing.error


async def test_what_the_wizard_alone_has_set_is_not_in_the_repository(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply", "--ownership", "take")).code == 0
        ended = await cluster.command("plan", "--to", str(tmp_path / "plan"))
        assert ended.code == 0, ended.error
        patch = yaml.safe_load((tmp_path / "plan" / "overlay" / "daemonset.yaml").read_text())
        container = patch["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
        assert "Argo CD manages DaemonSet here" in (tmp_path / "plan" / "README.md").read_text()
        decided = await cluster.command("manifest", "apply", "--take", "DaemonSet", "--overlay", str(tmp_path / "no"))
        assert "No overlay is needed" in decided.error  # taken, as it was said


# The same as a run ----------------------------------------------------------------------------------------------

LEAVE_HOST_NETWORK = "ownership: {DaemonSet .spec.template.spec.hostNetwork: leave}\n"


@needs_kubectl
@pytest.mark.parametrize(
    ("scenario", "guide_first", "answers"),
    [
        ("mixed", False, "manifest: {set: {devices-per-node: 70}}\n"),
        ("mixed", True, "manifest: {set: {drop-host-network: true, no-node-selector: true}}\n"),
        ("mixed", True, "manifest: {set: {drop-host-network: true}}\n" + LEAVE_HOST_NETWORK),
        ("mixed", True, "ownership: {default: leave}\n"),
        ("owned", False, "ownership: {default: take}\n"),
        ("owned", False, "ownership: {default: leave}\n"),
        ("enforced", False, "{}"),
    ],
)
async def test_its_commands_do_what_a_run_does(scenario: str, guide_first: bool, answers: str, tmp_path: Path) -> None:
    (tmp_path / "guide.yaml").write_text(asset_text("manifests", "smarter-device-manager.yaml"))
    (tmp_path / "twin").mkdir()
    reviewed = "security-modules: {acknowledged: true}\nrollout: {timeout: 60}\n"
    async with (
        cluster_of("sandbox", scenario, tmp_path) as cluster,
        cluster_of("sandbox", scenario, tmp_path / "twin") as twin,
    ):
        if guide_first:
            for one in (cluster, twin):
                _ = await kubectl(one, "apply", "-f", str(tmp_path / "guide.yaml"))
        before = await state(cluster)
        folder = await exported(cluster, tmp_path, reviewed + ("" if answers == "{}" else answers))
        ran = await folder.run("commands.sh")
        assert ran.code == 0, ran.error
        run = await twin.command("run", "--answers", str(tmp_path / "answers.yaml"), "--yes")
        assert run.code in (0, 1), run.error
        done, expected = await state(cluster), await state(twin)
        for item in (*done.values(), *expected.values()):
            item.get("metadata", {}).get("annotations", {}).pop(LAST_APPLIED, None)
        assert done == expected
        undone = await folder.run("undo.sh")
        assert undone.code == 0, undone.error
        assert await state(cluster) == before


@needs_kubectl
async def test_nodes_that_got_another_value_since_are_named_and_nothing_is_done(tmp_path: Path) -> None:
    """A value that was there at the export is overwritten as the plan says; one that came later is not."""
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        path = "/api/v1/nodes/worker-1?fieldManager=team"
        assert await cluster.send("PATCH", path, {"metadata": {"labels": {NAMESPACE: "mine"}}}, MERGE) == 200
        folder = await exported(cluster, tmp_path, "nodes: {names: [worker-1, worker-2]}\nownership: take")
        other = path.replace("worker-1", "worker-2")
        assert await cluster.send("PATCH", other, {"metadata": {"labels": {NAMESPACE: "theirs"}}}, MERGE) == 200
        before = await state(cluster)
        ended = await folder.run("commands.sh")
        assert ended.code == 1
        assert "worker-2: theirs" in ended.error
        assert "worker-1" not in ended.error
        assert ended.error.endswith("Nothing was changed.\n")
        assert await state(cluster) == before
        assert await cluster.send("PATCH", other, {"metadata": {"labels": {NAMESPACE: None}}}, MERGE) == 200
        ended = await folder.run("commands.sh")
        assert ended.code == 0, ended.error
        assert await cluster.labelled() == {"worker-1", "worker-2"}


async def test_an_export_needs_no_place_for_the_policy_of_a_later_run(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        await exported(cluster, tmp_path, "policy: {output: /nonexistent/policy.yaml}")
        answers = ("--answers", str(tmp_path / "answers.yaml"))
        assert (await cluster.command("run", *answers, "--dry-run")).code == 4
