"""The sandbox: a simulated Kubernetes API server on loopback, in this process.

It answers as a real one of version 1.36 does, keeps field ownership, and simulates the controllers, the scheduler, and
the kubelets, so that a rollout progresses, stops at a quota, or is rejected, with the events of a real cluster.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.files import write_file
from wizard.sandbox.scenarios import SCENARIOS, Scenario, find

if TYPE_CHECKING:
    from types import TracebackType

    from wizard.sandbox.simulation import Simulation

__all__ = ["SCENARIOS", "Sandbox", "Scenario"]


class Sandbox:
    """A simulated cluster that runs on the event loop that started it, until it is stopped."""

    def __init__(self, simulation: Simulation, tokens: Mapping[str, str], port: int) -> None:
        self._simulation = simulation
        self._tokens = tokens
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    async def start(
        cls, scenario: str | Scenario = "mixed", *, speed: float = 1.0, port: int = 0, seed: int = 0
    ) -> Sandbox:
        """Starts a cluster as the scenario describes it, and waits until it is stable.

        ``speed`` divides the time that kubelets and controllers take; 1 is pleasant to watch. ``port`` 0 uses a free
        one. ``seed`` decides generated names and, in scenarios with faults, which requests fail.
        Raises UsageError for a scenario that does not exist.
        """
        chosen = find(scenario) if isinstance(scenario, str) else scenario
        from wizard.sandbox.simulation import Simulation  # listing the scenarios must not import aiohttp

        tokens = {name: f"sandbox-{name}-{secrets.token_urlsafe(12)}" for name in chosen.users}
        simulation = Simulation(chosen, speed, seed, str(uuid.uuid4()))
        port = await simulation.start(tokens, port)
        return cls(simulation, tokens, port)

    @property
    def scenario(self) -> str:
        return self._simulation.scenario.name

    @property
    def identity(self) -> str:
        """The identity of this cluster: the UID of its namespace kube-system, new at each start."""
        return self._simulation.identity

    @property
    def users(self) -> tuple[str, ...]:
        """The users; the first one is the default of kubeconfig."""
        return tuple(self._tokens)

    def kubeconfig(self, user: str | None = None) -> dict[str, Any]:
        """Returns a kubeconfig document for one of the users, with a context ``sandbox-<scenario>``.

        Its server URL names the user too, because kubectl does not send tokens without TLS.
        """
        name = user or self.users[0]
        context = f"sandbox-{self.scenario}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": {"server": f"{self.url}/as/{name}"}}],
            "users": [{"name": name, "user": {"token": self._tokens[name]}}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": name, "namespace": "default"}}],
        }

    def write_kubeconfig(self, path: Path, user: str | None = None) -> None:
        """Writes the kubeconfig, readable by its owner alone."""
        content = json.dumps(self.kubeconfig(user), indent=2) + "\n"
        write_file(path, content.encode(), backup=False, mode=0o600)
        path.chmod(0o600)  # an existing file kept its mode, and this one contains a token

    def compact(self) -> None:
        """Forgets all past versions, as etcd does every five minutes: older pages and watches then answer 410."""
        self._simulation.cluster.store.compact()

    async def stop(self) -> None:
        """Stops the server, its watches, and everything that is scheduled; a second call does nothing."""
        await self._simulation.stop()

    async def __aenter__(self) -> Sandbox:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
