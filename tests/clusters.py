"""Clusters for end-to-end tests: the sandbox, and a real API server with the same nodes where one is found."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.contract import validate_output
from tests.real_api_server import RealCluster
from wizard.journal.state import state_folder
from wizard.sandbox import Sandbox, Scenario

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    error: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Cluster:
    """A cluster that a test runs commands against, and looks into with requests of its own."""

    kubeconfig: Path
    kubeconfig_limited: Path
    url: str
    token: str
    real: bool

    async def get(self, path: str) -> Any:
        """A GET as admin; None where there is nothing."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
            session.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"}) as response,
        ):
            return None if response.status == 404 else await response.json()

    async def send(self, method: str, path: str, body: Any, content_type: str = "application/json") -> int:
        """Another request as admin; gives the status."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
            session.request(
                method,
                self.url + path,
                data=json.dumps(body),
                headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
            ) as response,
        ):
            await response.read()
            return response.status

    async def labelled(self) -> set[str]:
        """The nodes that have the guide's label."""
        nodes = await self.get("/api/v1/nodes?labelSelector=smarter-device-manager%3Denabled")
        return {node["metadata"]["name"] for node in nodes["items"]}

    async def journals(self) -> Path:
        """The folder of the wizard's journals on this cluster."""
        namespace = await self.get("/api/v1/namespaces/kube-system")
        return state_folder() / str(namespace["metadata"]["uid"])

    async def command(
        self, *arguments: str, limited: bool = False, folder: Path | None = None, typed: str = ""
    ) -> Ended:
        """Runs podman-wizard on this cluster."""
        kubeconfig = self.kubeconfig_limited if limited else self.kubeconfig
        return await command("--kubeconfig", str(kubeconfig), *arguments, folder=folder, typed=typed)


async def command(*arguments: str, folder: Path | None = None, typed: str = "", **environment: str) -> Ended:
    """Runs podman-wizard as a process of its own, without a terminal; ``typed`` is what its stdin holds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wizard",
        *arguments,
        stdin=asyncio.subprocess.PIPE if typed else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    out, error = await process.communicate(typed.encode() or None)
    assert process.returncode is not None
    assert b"Traceback" not in error, error.decode()
    validate_output(out.decode())
    return Ended(process.returncode, out.decode(), error.decode())


@asynccontextmanager
async def cluster_of(kind: str, scenario: str | Scenario, folder: Path) -> AsyncIterator[Cluster]:
    """A cluster with the nodes of a scenario: ``kind`` is ``sandbox`` or ``real``."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(await Sandbox.start(scenario, speed=50))
        path, limited = folder / "kubeconfig", folder / "kubeconfig-limited"
        path.write_text(json.dumps(sandbox.kubeconfig("admin")))
        simulated = Cluster(path, limited, sandbox.url, _token(sandbox.kubeconfig("admin")), False)
        if kind == "sandbox":
            limited.write_text(json.dumps(sandbox.kubeconfig()))
            yield simulated
            return
        nodes = (await simulated.get("/api/v1/nodes"))["items"]
        real = await stack.enter_async_context(RealCluster())
        await real.add_nodes(nodes)
        real.play_kubelets()
        yield Cluster(real.kubeconfig(), real.kubeconfig("limited"), real.url, real.tokens["admin"], True)


def _token(kubeconfig: dict[str, Any]) -> str:
    token: str = kubeconfig["users"][0]["user"]["token"]
    return token
