"""Journals of an earlier version (0.1, before plans were kept by field) can still be undone.

The journals were recorded with that version in the sandbox: a first install, an interrupted labelling, and an install
that took fields over from Argo CD. The cluster is brought into the state that they describe.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import Cluster, cluster_of
from wizard.journal.journal import Run, object_of, read_run, runs

JOURNALS = Path(__file__).parents[1] / "data" / "journals"
NAME = "smarter-device-manager"
PATHS = {
    "Namespace": f"/api/v1/namespaces/{NAME}",
    "ResourceQuota": f"/api/v1/namespaces/{NAME}/resourcequotas/{NAME}",
    "ConfigMap": f"/api/v1/namespaces/{NAME}/configmaps/{NAME}",
    "DaemonSet": f"/apis/apps/v1/namespaces/{NAME}/daemonsets/{NAME}",
}
APPLY = "application/apply-patch+yaml"


async def bring_about(cluster: Cluster, name: str, *, finished: bool = True) -> Run:
    """Does what the earlier version had done, and puts its journal where it belongs."""
    folder = await cluster.journals()
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir()))
    path = folder / f"run-20260101T00000{number}.000000Z.jsonl"
    shutil.copy(JOURNALS / f"{name}.jsonl", path)
    run = read_run(path)
    for change in run.changes:
        if change.kind == "label":
            for node in change.after:
                body = {"metadata": {"labels": {NAME: change.before["value"]}}}
                patch = f"/api/v1/nodes/{node}?fieldManager=podman-wizard"
                assert await cluster.send("PATCH", patch, body, "application/merge-patch+json") == 200
            continue
        made = _as_applied(change.after["object"])
        patch = f"{PATHS[made['kind']]}?fieldManager=podman-wizard&force=true"
        assert await cluster.send("PATCH", patch, made, APPLY) in (200, 201)
    if not finished:
        lines = path.read_bytes().splitlines(keepends=True)
        assert b'"end"' in lines[-2]
        path.write_bytes(b"".join(lines[:-2]))
    return run


def _as_applied(item: dict[str, Any]) -> dict[str, Any]:
    """The object without what only the server writes."""
    spec = {key: value for key, value in item.get("spec", {}).items() if key != "finalizers"}
    labels = {key: value for key, value in item["metadata"].get("labels", {}).items() if "/metadata.name" not in key}
    metadata = {**item["metadata"], **({"labels": labels} if labels else {})}
    return {**item, "metadata": metadata, **({"spec": spec} if spec else {})} if "spec" in item else item


@pytest.mark.parametrize("finished", [True, False])
async def test_a_first_install_and_an_interrupted_labelling(tmp_path: Path, finished: bool) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        run = await bring_about(cluster, "first-install", finished=finished)
        assert [object_of(change).kind for change in run.changes] == list(PATHS)
        assert (await bring_about(cluster, "interrupted-labels")).interrupted
        assert await cluster.labelled() == {"worker-1", "worker-2"}
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert await cluster.labelled() == set()
        assert await cluster.get(PATHS["DaemonSet"])
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert [await cluster.get(path) for path in PATHS.values()] == [None] * 4
        assert all(one.undone for one in runs(await cluster.journals()))


async def test_what_was_taken_over_is_given_back(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        await bring_about(cluster, "first-install")
        image = {"containers": [{"name": NAME, "image": "mine:1"}]}
        theirs = {
            "DaemonSet": {"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"template": {"spec": image}}},
            "ResourceQuota": {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "7"}}},
        }
        for kind, body in theirs.items():
            assert await cluster.send("PATCH", f"{PATHS[kind]}?fieldManager=argocd&force=true", body, APPLY) == 200
        before = {kind: (await cluster.get(path)).get("spec") for kind, path in PATHS.items()}
        await bring_about(cluster, "taken-over")
        assert {kind: (await cluster.get(path)).get("spec") for kind, path in PATHS.items()} != before
        undone = await cluster.command("undo", "--yes", "-o", "json")
        assert undone.code == 0, undone.out + undone.error
        restored = [step["title"].split()[0] for step in undone.document["steps"] if step["what"] == "restore"]
        assert restored == ["DaemonSet", "ResourceQuota"]
        assert {kind: (await cluster.get(path)).get("spec") for kind, path in PATHS.items()} == before
        quota = await cluster.get(PATHS["ResourceQuota"])
        owners = {entry["manager"]: json.dumps(entry["fieldsV1"]) for entry in quota["metadata"]["managedFields"]}
        assert "f:pods" in owners["argocd"]
        assert "f:pods" not in owners["podman-wizard"]
