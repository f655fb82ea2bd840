"""The scripts of a plan folder, run for real: with kubectl, by the shell that /bin/sh is."""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clusters import Cluster, Ended
from wizard.facts.objects import SERVER_METADATA

NAMESPACE = "smarter-device-manager"
PATHS = {
    "Namespace": f"/api/v1/namespaces/{NAMESPACE}",
    "ResourceQuota": f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/{NAMESPACE}",
    "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAMESPACE}",
    "DaemonSet": f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{NAMESPACE}",
}

KUBECTL = shutil.which("kubectl") or ""

WRAPPER = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  $FAILS) echo "no answer" >&2; exit 1 ;;
esac
exec "$KUBECTL" "$@"
"""
"""Notes each call of kubectl; those that match FAILS fail."""


@dataclass(frozen=True)
class Folder:
    """A plan folder, and the cluster on which its scripts run."""

    path: Path
    cluster: Cluster

    def text(self, name: str) -> str:
        """The text of a file."""
        return (self.path / name).read_text()

    @property
    def names(self) -> set[str]:
        """The names of all files."""
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file()}

    @property
    def calls(self) -> list[str]:
        """What kubectl was called with, in all runs."""
        calls = self.path.parent / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    async def run(self, script: str, *options: str, limited: bool = False, fails: str = "") -> Ended:
        """Runs a script from another folder, as the admin or as the user with few rights."""
        tools = self.path.parent / "tools"
        tools.mkdir(exist_ok=True)
        wrapper = tools / "kubectl"
        wrapper.write_text(WRAPPER.replace("$FAILS", fails or "''"))
        wrapper.chmod(0o755)
        kubeconfig = self.cluster.kubeconfig_limited if limited else self.cluster.kubeconfig
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            str(self.path / script),
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={
                **os.environ,
                "PATH": f"{tools}:{os.environ['PATH']}",
                "KUBECONFIG": str(kubeconfig),
                "KUBECTL": KUBECTL,
                "CALLS": str(self.path.parent / "calls"),
            },
        )
        out, error = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), error.decode())


async def kubectl(cluster: Cluster, *arguments: str) -> str:
    """Runs kubectl as the admin, and returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        "--kubeconfig",
        str(cluster.kubeconfig),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


async def state(cluster: Cluster) -> dict[str, Any]:
    """The objects of the guide and the label of every node, without what only the server writes."""
    found: dict[str, Any] = {}
    for kind, path in PATHS.items():
        item = copy.deepcopy(await cluster.get(path))
        if item is not None and not item["metadata"].get("deletionTimestamp"):
            item.pop("status", None)
            item["metadata"] = {key: value for key, value in item["metadata"].items() if key not in SERVER_METADATA}
            item["metadata"].get("annotations", {}).pop("deprecated.daemonset.template.generation", None)
            found[kind] = item
    nodes = (await cluster.get("/api/v1/nodes"))["items"]
    found["labels"] = {node["metadata"]["name"]: node["metadata"]["labels"].get(NAMESPACE) for node in nodes}
    return found
