"""A real etcd, kube-apiserver and kube-controller-manager on loopback, and a stand-in for the kubelets.

The binaries are found as controller-runtime's envtest finds them: in ``KUBEBUILDER_ASSETS``, else in
``/usr/local/kubebuilder/bin``. No node runs here, so the stand-in binds pods, reports them as running, and
advertises FUSE devices on their nodes, as kubelets and the device manager would.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import yaml

ASSETS = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin")
CONTROLLERS = "daemonset-controller,resourcequota-controller,namespace-controller,garbage-collector-controller"
FUSE = "smarter-devices/fuse"


def missing() -> str:
    """Why no real API server can be started here; "" where one can."""
    lacking = [name for name in ("etcd", "kube-apiserver", "kube-controller-manager") if not (ASSETS / name).exists()]
    if lacking:
        return f"no {', '.join(lacking)} in {ASSETS} (set KUBEBUILDER_ASSETS)"
    return "" if shutil.which("openssl") else "no openssl for the service accounts' key"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class RealCluster:
    """A control plane of its own, gone at the end. Users: ``admin``, ``limited`` (no rights but to look)."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="real-api-server-"))
        self.tokens = {name: secrets.token_hex(16) for name in ("admin", "limited")}
        self.port = _free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.has_fuse: set[str] | None = None
        """The nodes on which the device manager finds /dev/fuse; None: all."""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> RealCluster:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def _run(self, name: str, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self._processes.append(subprocess.Popen([ASSETS / name, *arguments], stdout=log, stderr=log))
        log.close()

    async def _start(self) -> None:
        folder = self.folder
        subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text(
            f'{self.tokens["admin"]},admin,admin,"system:masters"\n{self.tokens["limited"]},limited,limited\n'
        )
        client, peer = _free_port(), _free_port()
        self._run(
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={folder / 'certs'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={self.url}",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-key-file={folder / 'sa.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        )
        await self._until_ready()
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig()}",
            f"--controllers={CONTROLLERS}",
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--secure-port=0",
            "--resource-quota-sync-period=1s",
        )
        await self.create_role()

    async def _until_ready(self) -> None:
        certificate = self.folder / "certs" / "apiserver.crt"
        async with asyncio.timeout(60):
            while True:
                for process in self._processes:
                    assert process.poll() is None, self.logs()
                if certificate.exists() and certificate.stat().st_size:
                    if self._session is None:
                        context = ssl.create_default_context(cafile=str(certificate))
                        context.check_hostname = False
                        self._session = aiohttp.ClientSession(
                            headers={"Authorization": f"Bearer {self.tokens['admin']}"},
                            connector=aiohttp.TCPConnector(ssl=context, limit=32),
                        )
                    with contextlib.suppress(aiohttp.ClientError):
                        async with self._session.get(f"{self.url}/readyz") as response:
                            if response.status == 200:
                                return
                await asyncio.sleep(0.05)

    def logs(self) -> str:
        """The last lines of every process."""
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-2000:]}" for log in self.folder.glob("*.log"))

    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig file for a user."""
        path = self.folder / f"kubeconfig-{user}"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": "real",
                            "cluster": {
                                "server": self.url,
                                "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
                                "tls-server-name": "127.0.0.1",
                            },
                        }
                    ],
                    "users": [{"name": user, "user": {"token": self.tokens[user]}}],
                    "contexts": [{"name": "real", "context": {"cluster": "real", "user": user}}],
                    "current-context": "real",
                }
            )
        )
        return path

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """One request as admin: status and body."""
        assert self._session is not None
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(
            method, self.url + path, data=data, headers={"Content-Type": content_type}
        ) as response:
            return response.status, await response.json(content_type=None)

    async def create_role(self) -> None:
        """What the user ``limited`` may: look at nodes and namespaces."""
        base = "/apis/rbac.authorization.k8s.io/v1"
        await self.request(
            "POST",
            f"{base}/clusterroles",
            {
                "metadata": {"name": "limited"},
                "rules": [{"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["get", "list", "watch"]}],
            },
        )
        await self.request(
            "POST",
            f"{base}/clusterrolebindings",
            {
                "metadata": {"name": "limited"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "limited"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "limited"}],
            },
        )

    async def add_nodes(self, nodes: Iterable[dict[str, Any]]) -> None:
        """Creates nodes like these (as another API server has them), with their status and only their own taints."""
        gate = asyncio.Semaphore(16)

        async def add(node: dict[str, Any]) -> None:
            name = node["metadata"]["name"]
            taints = copy.deepcopy(node.get("spec", {}).get("taints", []))
            metadata = {
                key: node["metadata"][key] for key in ("name", "labels", "annotations") if key in node["metadata"]
            }
            spec = {key: value for key, value in node.get("spec", {}).items() if key in ("providerID", "unschedulable")}
            async with gate:
                status, answer = await self.request(
                    "POST", "/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": metadata, "spec": spec}
                )
                assert status == 201, answer
                merge = "application/merge-patch+json"
                # The real server's admission adds a taint of its own to every new node.
                status, answer = await self.request(
                    "PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": taints or None}}, merge
                )
                assert status == 200, answer
                status, answer = await self.request(
                    "PATCH", f"/api/v1/nodes/{name}/status", {"status": node["status"]}, merge
                )
                assert status == 200, answer

        await asyncio.gather(*(add(node) for node in nodes))

    def play_kubelets(self) -> None:
        """From now on pods are bound, run, and bring FUSE devices to their nodes."""
        self._tasks.append(asyncio.create_task(self._kubelets()))

    async def _kubelets(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                _, pods = await self.request("GET", "/api/v1/pods")
                for pod in pods.get("items", []):
                    await self._play(pod)
            await asyncio.sleep(0.1)

    async def _play(self, pod: dict[str, Any]) -> None:
        metadata, spec, phase = pod["metadata"], pod["spec"], pod.get("status", {}).get("phase")
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            await self.request("DELETE", path, {"gracePeriodSeconds": 0})
            return
        if not spec.get("nodeName"):
            node = _wanted_node(spec)
            if node:
                await self.request(
                    "POST",
                    f"{path}/binding",
                    {
                        "apiVersion": "v1",
                        "kind": "Binding",
                        "metadata": {"name": metadata["name"]},
                        "target": {"kind": "Node", "name": node},
                    },
                )
            return
        if phase == "Running":
            return
        now = metadata["creationTimestamp"]
        statuses = [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in spec["containers"]
        ]
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")
        ]
        status = {"phase": "Running", "startTime": now, "conditions": conditions, "containerStatuses": statuses}
        merge = "application/merge-patch+json"
        await self.request("PATCH", f"{path}/status", {"status": status}, merge)
        name = spec["nodeName"]
        if metadata["namespace"] == "smarter-device-manager" and (self.has_fuse is None or name in self.has_fuse):
            number = await self._devices()
            devices = {"capacity": {FUSE: number}, "allocatable": {FUSE: number}}
            await self.request("PATCH", f"/api/v1/nodes/{name}/status", {"status": devices}, merge)

    async def _devices(self) -> str:
        """How many devices the device manager offers: it reads its configuration when it starts."""
        name = "smarter-device-manager"
        _, found = await self.request("GET", f"/api/v1/namespaces/{name}/configmaps/{name}")
        entries = yaml.safe_load(found.get("data", {}).get("conf.yaml", "[]")) or [{}]
        return str(entries[0].get("nummaxdevices", 0))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _wanted_node(spec: dict[str, Any]) -> str:
    """The node that the daemon set controller means: in the pod's node affinity, by name."""
    required = (
        spec.get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": []})
    )
    for term in required["nodeSelectorTerms"]:
        for field in term.get("matchFields", []):
            if field["key"] == "metadata.name":
                name: str = field["values"][0]
                return name
    return ""
