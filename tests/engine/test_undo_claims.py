"""What others did to our objects since, and what undo makes of it: what keeps them, and what hangs together."""

from __future__ import annotations

import ast
import asyncio
import copy
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import ROOT, Cluster, cluster_of
from tests.real_api_server import missing
from wizard import names
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.undo import plan_undo
from wizard.engine.undoing import execute_undo
from wizard.facts.objects import ObjectRef
from wizard.journal.journal import runs
from wizard.plan.history import ObjectHistory, claim_words
from wizard.sandbox.scenarios import scenario

NAME = "smarter-device-manager"
NODES = ("worker-1", "worker-2")
PATHS = {
    "Namespace": f"/api/v1/namespaces/{NAME}",
    "ResourceQuota": f"/api/v1/namespaces/{NAME}/resourcequotas/{NAME}",
    "ConfigMap": f"/api/v1/namespaces/{NAME}/configmaps/{NAME}",
    "DaemonSet": f"/apis/apps/v1/namespaces/{NAME}/daemonsets/{NAME}",
}
GUIDE = ROOT / "assets" / "manifests" / "smarter-device-manager.yaml"
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="no kubectl here")
on_both = pytest.mark.parametrize(
    "kind", ["sandbox", pytest.param("real", marks=pytest.mark.skipif(bool(missing()), reason=missing()))]
)


async def kubectl(cluster: Cluster, *arguments: str) -> str:
    assert KUBECTL is not None
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        "--kubeconfig",
        str(cluster.kubeconfig),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, (arguments, out, error)
    return out.decode()


async def install(cluster: Cluster) -> None:
    for arguments in (["manifest", "apply"], ["nodes", "label", *NODES]):
        ended = await cluster.command(*arguments)
        assert ended.code == 0, ended.error


async def state(cluster: Cluster) -> dict[str, Any]:
    """The content of our objects and who owns it, without what controllers write, and the labelled nodes."""
    found: dict[str, Any] = {"nodes": sorted(await cluster.labelled())}
    for kind, path in PATHS.items():
        item = await cluster.get(path)
        if item is None:
            found[kind] = None
            continue
        metadata = item["metadata"]
        annotations = {**(metadata.get("annotations") or {})}
        entries = [one for one in metadata["managedFields"] if not one.get("subresource")]
        found[kind] = {
            "content": {key: value for key, value in item.items() if key not in ("metadata", "status")},
            "labels": metadata.get("labels"),
            "annotations": {key: value for key, value in annotations.items() if "template.generation" not in key},
            "owners": {
                (one["manager"], one["operation"]): json.dumps(one["fieldsV1"], sort_keys=True) for one in entries
            },
            "deleted": bool(metadata.get("deletionTimestamp")),
        }
    return found


def kubectl_lines() -> set[str]:
    """Every line for kubectl in the product that restarts, annotates, or labels something, with its names filled in."""
    found = set()
    for path in (*(ROOT / "wizard").rglob("*.py"), *(ROOT / "screens").rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            if not isinstance(node, ast.JoinedStr | ast.Constant) or id(node) in parts:
                continue
            text = _filled(node)
            if re.match(r"kubectl (-n \S+ )?(rollout restart|annotate|label) ", text):
                found.add(text)
    return found


def _filled(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    known = {**vars(names), "label": f"{NAME}=enabled --overwrite"}
    parts = []
    for one in node.values:
        if isinstance(one, ast.Constant):
            parts.append(str(one.value))
            continue
        assert isinstance(one, ast.FormattedValue)
        expression = ast.unparse(one.value)
        parts.append(str(known.get(expression, "worker-1" if "names" in expression else f"<{expression}>")))
    return "".join(parts)


@needs_kubectl
async def test_every_line_for_kubectl_that_is_shown_can_be_undone_over(tmp_path: Path) -> None:
    lines = {
        line.replace(" NAME ", " worker-1 ").replace("-l <shlex.quote(selector)>", "--all") for line in kubectl_lines()
    }
    assert {re.sub(r"-n \S+ ", "", line).split()[1] for line in lines} == {"rollout", "annotate", "label"}
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        before = await state(cluster)
        await install(cluster)
        for line in sorted(lines):
            assert "<" not in line, line
            if line.endswith("annotate daemonset/smarter-device-manager"):
                line += " --overwrite podman-wizard/nudged=now"  # the script of the plan folder adds it
            await kubectl(cluster, *shlex.split(line)[1:])
        await kubectl(cluster, "-n", NAME, "annotate", f"daemonset/{NAME}", "note=mine")
        await kubectl(cluster, "label", f"namespace/{NAME}", "team=mine")
        # What these lines did to nodes is not of the wizard's doing.
        await kubectl(cluster, "label", "nodes", *NODES, f"{NAME}=enabled", "--overwrite")
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 0, undone.out + undone.error
        left = await state(cluster)
        assert {kind: left[kind] for kind in PATHS} == {kind: before[kind] for kind in PATHS}
        assert not set(left["nodes"]) & set(NODES)


@needs_kubectl
@on_both
async def test_an_image_that_someone_set_keeps_all_that_its_daemon_set_needs(tmp_path: Path, kind: str) -> None:
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        await install(cluster)
        await kubectl(cluster, "-n", NAME, "set", "image", f"daemonset/{NAME}", f"{NAME}=mine:1")
        before = await state(cluster)
        undone = await cluster.command("undo", "--all", "--yes", "-o", "json")
        assert undone.code == 1, undone.error
        assert await state(cluster) == before
        left = {item["title"].split()[0]: item["reason"] for item in undone.document["left"]}
        assert set(left) == {*PATHS, "Remove"}
        assert "kubectl-set changed it since" in left["DaemonSet"]
        assert f'.spec.template.spec.containers[name="{NAME}"].image' in left["DaemonSet"]
        assert left["ConfigMap"] == f"DaemonSet {NAME} stays and needs it"
        assert undone.document["changed"] is False
        assert not any(run.undone for run in runs(await cluster.journals()))


@needs_kubectl
@on_both
async def test_what_kubectl_apply_had_left_is_there_again(tmp_path: Path, kind: str) -> None:
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        await kubectl(cluster, "apply", "-f", str(GUIDE))
        await kubectl(cluster, "label", "nodes", NODES[0], f"{NAME}=enabled")
        before = await state(cluster)
        assert "kubectl-client-side-apply" in str(before["DaemonSet"]["owners"])
        await install(cluster)
        assert await state(cluster) != before
        await kubectl(cluster, "-n", NAME, "rollout", "restart", f"daemonset/{NAME}")
        await kubectl(cluster, "-n", NAME, "annotate", f"daemonset/{NAME}", "note=mine")
        await kubectl(cluster, "-n", NAME, "label", f"daemonset/{NAME}", "team=mine")
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 0, undone.out + undone.error
        after = await state(cluster)
        daemon_set = after["DaemonSet"]
        template = daemon_set["content"]["spec"]["template"]["metadata"]
        assert template.pop("annotations").keys() - {"kubectl.kubernetes.io/restartedAt"} <= _template_keys(before)
        before["DaemonSet"]["content"]["spec"]["template"]["metadata"].pop("annotations", None)
        assert daemon_set["annotations"].pop("note") == "mine"
        assert daemon_set["labels"].pop("team") == "mine"
        for manager in ("kubectl-rollout", "kubectl-annotate", "kubectl-label"):
            assert daemon_set["owners"].pop((manager, "Update"))
        assert after == before


def _template_keys(before: dict[str, Any]) -> set[str]:
    return set(before["DaemonSet"]["content"]["spec"]["template"]["metadata"].get("annotations") or {})


@on_both
async def test_signs_of_another_tool_keep_an_object(tmp_path: Path, kind: str) -> None:
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        await install(cluster)
        body = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
        patch = f"{PATHS['DaemonSet']}?fieldManager=kubectl-label"
        assert await cluster.send("PATCH", patch, body, "application/merge-patch+json") == 200
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 1, undone.error
        assert f"DaemonSet {NAME}: not touched: Helm changed it since" in undone.out
        assert f"ConfigMap {NAME}: not touched: DaemonSet {NAME} stays and needs it" in undone.out
        assert await cluster.labelled() == set(NODES)


@on_both
async def test_another_manager_of_the_same_value_keeps_the_object(tmp_path: Path, kind: str) -> None:
    async with cluster_of(kind, "restricted", tmp_path) as cluster:
        await install(cluster)
        data = (await cluster.get(PATHS["ConfigMap"]))["data"]
        metadata = {"name": NAME, "namespace": NAME}
        same = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        patch = f"{PATHS['ConfigMap']}?fieldManager=theirs"
        assert await cluster.send("PATCH", patch, same, "application/apply-patch+yaml") == 200
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 1, undone.error
        assert f"ConfigMap {NAME}: not touched: theirs changed it since (.data.conf.yaml)" in undone.out
        assert await cluster.get(PATHS["ConfigMap"])
        assert await cluster.get(PATHS["DaemonSet"]) is None
        assert await cluster.labelled() == set()


async def test_a_failure_on_the_way_leaves_what_is_needed(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        await install(cluster)
        engine = Engine(Target(kubeconfig=str(cluster.kubeconfig)))
        await engine.open()
        plan = await plan_undo(engine, everything=True)
        assert len(plan.todo) == 5
        image = {"spec": {"template": {"spec": {"containers": [{"name": NAME, "image": "mine:1"}]}}}}
        patch = f"{PATHS['DaemonSet']}?fieldManager=kubectl-edit"
        assert await cluster.send("PATCH", patch, image, "application/strategic-merge-patch+json") == 200
        before = await state(cluster)
        outcome = await execute_undo(engine, plan, lambda event: None)
        await engine.close()
        assert await state(cluster) == before
        assert len(outcome.left) == 5
        assert outcome.exit_code == 1
        assert "changed after the preview" in outcome.failed[0].reason


async def test_without_permission_to_delete_the_daemon_set_everything_is_left(tmp_path: Path) -> None:
    everything = ["get", "list", "watch", "patch", "create"]
    rules = [
        {"verbs": everything, "resources": ["*"], "groups": ["*"]},
        {"verbs": ["delete"], "resources": ["namespaces", "resourcequotas", "configmaps"], "groups": ["*"]},
    ]
    async with limited_to(tmp_path, rules) as cluster:
        await install(cluster)
        before = await state(cluster)
        undone = await cluster.command("undo", "--all", "--yes", limited=True)
        assert undone.code == 3, undone.out + undone.error
        assert "You do not have permission to delete daemonsets" in undone.out
        assert await state(cluster) == before


async def test_a_restore_needs_no_more_than_the_permission_to_patch(tmp_path: Path) -> None:
    rules = [{"verbs": ["get", "list", "patch", "create"], "resources": ["*"], "groups": ["*"]}]
    async with limited_to(tmp_path, rules) as cluster:
        await install(cluster)
        before = await state(cluster)
        options = [one for text in ("memory=64Mi", "pod-quota=90", "devices-per-node=110") for one in ("--set", text)]
        changed = await cluster.command("manifest", "apply", *options)
        assert changed.code == 0, changed.error
        shown = await cluster.command("undo", limited=True)
        assert "limits.memory: 64Mi -> 30Mi" in shown.out
        # The pods read their configuration when they start: it must be there before they are replaced.
        titles = [
            line.split(":")[0] for line in shown.out.splitlines() if line.endswith("restore the previous content")
        ]
        assert [title.split()[0] for title in titles] == ["ConfigMap", "DaemonSet", "ResourceQuota"]
        undone = await cluster.command("undo", "--yes", limited=True)
        assert undone.code == 0, undone.out + undone.error
        assert await state(cluster) == before


def limited_to(tmp_path: Path, rules: list[dict[str, Any]]) -> Any:
    """The nodes of a scenario, and a limited user with these rules."""
    content = copy.deepcopy(yaml.safe_load((ROOT / "assets" / "scenarios" / "restricted.yaml").read_text()))
    content["users"] = {"limited": {"rules": rules}, "admin": {"all": True}}
    return cluster_of("sandbox", scenario("restricted", content), tmp_path)


LEFT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": NAME, "namespace": NAME, "labels": {"name": NAME, "theirs": "old"}},
    "spec": {
        "template": {"metadata": {"labels": {"name": NAME}}, "spec": {"hostNetwork": True, "dnsPolicy": "Default"}}
    },
}
BEFORE: dict[str, Any] = {
    **LEFT,
    "metadata": {**LEFT["metadata"], "labels": {"theirs": "old"}},
    "spec": {"template": {}},
}
FIELDS = {"f:metadata": {"f:labels": {"f:name": {}}}, "f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}}}}}


def live(*changes: tuple[str, Any, str]) -> dict[str, Any]:
    """The object as it was left, with changes: the path, the new value (None: removed), and the manager."""
    item = copy.deepcopy(LEFT)
    entries = [{"manager": "podman-wizard", "operation": "Apply", "time": "2026", "fieldsV1": FIELDS}]
    for path, value, manager in changes:
        *places, last = path.split("|")
        where = item
        fields: dict[str, Any] = {}
        entry: dict[str, Any] = {"manager": manager, "operation": "Update", "fieldsV1": fields}
        for place in places:
            where = where.setdefault(place, {})
            fields = fields.setdefault(f"f:{place}", {".": {}} if place == "annotations" else {})
        if value is None:
            del where[last]
            continue
        where[last] = value
        fields[f"f:{last}"] = {}
        entries.append(entry)
    item["metadata"]["managedFields"] = entries
    return item


NOTES = "metadata|annotations|"
KEEPS_NOTHING = [
    (f"{NOTES}kubernetes.io/change-cause", "kubectl annotate", "kubectl-annotate"),
    (f"{NOTES}kubectl.kubernetes.io/last-applied-configuration", "{}", "kubectl-client-side-apply"),
    (f"{NOTES}deprecated.daemonset.template.generation", "2", "kube-controller-manager"),
    (f"{NOTES}podman-wizard/nudged", "2026", "podman-wizard"),
    (f"{NOTES}cattle.io/status", "{}", "rancher"),
    ("metadata|labels|team", "a", "kubectl-label"),
    ("metadata|labels|theirs", "new", "rancher"),
    ("spec|template|metadata|annotations|kubectl.kubernetes.io/restartedAt", "2026", "kubectl-rollout"),
]
KEEPS_IT = [
    ("metadata|labels|name", "mine", "kubectl-label"),
    ("metadata|labels|name", None, "kubectl-label"),
    ("metadata|labels|app.kubernetes.io/managed-by", "Helm", "helm"),
    (f"{NOTES}argocd.argoproj.io/tracking-id", "x", "kubectl-annotate"),
    ("metadata|finalizers", ["example.org/hold"], "theirs"),
    ("spec|template|spec|hostNetwork", False, "kubectl-edit"),
    ("spec|template|spec|hostNetwork", None, "kubectl-edit"),
    ("spec|template|spec|nodeName", "a", "kubectl-patch"),
    ("spec|template|metadata|annotations|sidecar/inject", "true", "theirs"),
]


@pytest.mark.parametrize(
    ("change", "before"),
    [(change, before) for change in KEEPS_NOTHING for before in (None, BEFORE) if before or "theirs" not in change[0]],
)
def test_what_keeps_nothing(change: tuple[str, Any, str], before: dict[str, Any] | None) -> None:
    history = ObjectHistory(ObjectRef.of(LEFT), before, left=(LEFT,))
    assert history.claims(live(change)) == ()
    if before is not None and "nudged" not in change[0]:
        *places, last = change[0].split("|")
        found: Any = history.target(live(change))
        for place in places:
            found = found[place]
        assert found[last] == change[1], "it is kept when the object is restored"


@pytest.mark.parametrize("before", [None, BEFORE], ids=["created", "changed"])
@pytest.mark.parametrize("change", KEEPS_IT, ids=lambda change: f"{change[0]} {change[1]}")
def test_what_keeps_an_object_as_it_is(change: tuple[str, Any, str], before: dict[str, Any] | None) -> None:
    history = ObjectHistory(ObjectRef.of(LEFT), before, left=(LEFT,))
    claims = history.claims(live(change))
    assert claims
    assert change[1] is None or claim_words(claims)


def test_what_only_the_wizard_wrote_in_an_interrupted_run_is_its_own() -> None:
    history = ObjectHistory(ObjectRef.of(LEFT), None, left=(LEFT,), settled=False)
    changed = live()
    changed["spec"]["template"]["spec"]["hostNetwork"] = False
    assert history.claims(changed) == ()
    (claim,) = ObjectHistory(ObjectRef.of(LEFT), None, left=(LEFT,)).claims(changed)
    assert "another run of podman-wizard changed it since" in claim_words([claim])


def test_the_annotation_of_kubectl_apply_is_restored() -> None:
    history = ObjectHistory(ObjectRef.of(LEFT), BEFORE, last_applied="{}", left=(LEFT,))
    assert history.target(live())["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/last-applied-configuration": "{}"
    }
    assert not history.is_back(live())
