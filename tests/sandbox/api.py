"""Talking plain HTTP to a sandbox, and waiting for what it is to become."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.sandbox.contract import recordings
from wizard.sandbox import Sandbox, Scenario

NAME = "smarter-device-manager"
NAMESPACE = f"/api/v1/namespaces/{NAME}"
QUOTA = f"{NAMESPACE}/resourcequotas/{NAME}"
CONFIG_MAP = f"{NAMESPACE}/configmaps/{NAME}"
DAEMON_SET = f"/apis/apps/v1/namespaces/{NAME}/daemonsets/{NAME}"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
FUSE = "smarter-devices/fuse"


def guide() -> dict[str, Any]:
    """The guide's four objects by path."""
    told = recordings()
    paths = {NAMESPACE: 32, QUOTA: 34, CONFIG_MAP: 35, DAEMON_SET: 42}
    return {path: told[number]["request"]["body"] for path, number in paths.items()}


@dataclass
class Reply:
    """What the server said."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return str(self.body["message"])

    @property
    def managers(self) -> dict[str, Any]:
        return {entry["manager"]: entry["fieldsV1"] for entry in self.body["metadata"].get("managedFields", ())}


class Api:
    """One user's requests."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession, user: str | None = None) -> None:
        self.sandbox = sandbox
        self.session = session
        self._headers = {"Authorization": f"Bearer {sandbox.kubeconfig(user)['users'][0]['user']['token']}"}

    def user(self, name: str) -> Api:
        return Api(self.sandbox, self.session, name)

    async def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> Reply:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        async with self.session.request(method, path, data=data, headers=self._headers | given) as response:
            text = await response.text()
            body = json.loads(text) if text.startswith(("{", "[")) else text
            return Reply(response.status, body, dict(response.headers))

    async def get(self, path: str) -> Any:
        reply = await self.ask("GET", path)
        assert reply.status == 200, reply
        return reply.body

    async def patch(self, path: str, body: Any, content_type: str = MERGE) -> Reply:
        return await self.ask("PATCH", path, body, Content_Type=content_type)

    async def apply(self, path: str, body: Any, manager: str = "podman-wizard", options: str = "") -> Reply:
        return await self.patch(f"{path}?fieldManager={manager}{options}", body, APPLY)

    async def apply_guide(self) -> None:
        for path, body in guide().items():
            reply = await self.apply(path, body)
            assert reply.status == 201, reply

    async def label(self, *names: str, value: str | None = "enabled") -> None:
        for name in names:
            reply = await self.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {NAME: value}}})
            assert reply.status == 200, reply

    async def node_names(self) -> list[str]:
        return [one["metadata"]["name"] for one in (await self.get("/api/v1/nodes"))["items"]]

    async def until(self, path: str, condition: Callable[[Any], Any], seconds: float = 20) -> Any:
        """What is at a path as soon as it fulfils a condition."""
        async with asyncio.timeout(seconds):
            while True:
                reply = await self.ask("GET", path)
                if condition(reply.body):
                    return reply.body
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with self.session.get(path, headers=self._headers) as response:
            assert response.status == 200

            async def events() -> AsyncIterator[dict[str, Any]]:
                async for line in response.content:
                    yield json.loads(line)

            yield events()


@asynccontextmanager
async def running(scenario: str | Scenario = "empty", *, speed: float = 100, seed: int = 0) -> AsyncIterator[Api]:
    """A sandbox and its default user."""
    async with (
        await Sandbox.start(scenario, speed=speed, seed=seed) as sandbox,
        aiohttp.ClientSession(sandbox.url) as session,
    ):
        yield Api(sandbox, session)


def ready(count: int) -> Callable[[Any], bool]:
    """Whether a daemon set has so many ready pods."""
    return lambda found: found.get("status", {}).get("numberReady") == count
