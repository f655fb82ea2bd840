"""All parts of a simulated cluster; starts and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from wizard.sandbox import access, nodes
from wizard.sandbox.access import Rule, User
from wizard.sandbox.clock import Clock
from wizard.sandbox.cluster import SYSTEM, Cluster, Write
from wizard.sandbox.daemon_sets import DaemonSetController
from wizard.sandbox.events import Recorder
from wizard.sandbox.faults import FaultPlan
from wizard.sandbox.kinds import BY_NAME, NAMESPACE
from wizard.sandbox.kubelets import Kubelets
from wizard.sandbox.namespaces import NAMES, NamespaceController
from wizard.sandbox.nodes import Machine
from wizard.sandbox.quotas import QuotaController
from wizard.sandbox.scenarios import Scenario
from wizard.sandbox.server import Server
from wizard.sandbox.store import Change, Object

SETTLING_SECONDS = 5.0


class Simulation:
    """One cluster with its controllers and its server."""

    def __init__(self, scenario: Scenario, speed: float, seed: int, identity: str) -> None:
        self.scenario = scenario
        self.identity = identity
        self.clock = Clock(speed, seed)
        self.cluster = Cluster(scenario, self.clock)
        self._seed = seed
        self._machines: dict[str, Machine] = {}
        self._server: Server | None = None
        self._stopped = False

    async def start(self, tokens: Mapping[str, str], port: int) -> int:
        """Sets the cluster up and serves it; returns the port."""
        for name in NAMES:
            self._create_namespace(name)
        for node, machine in nodes.objects(self.scenario, self.clock):
            self.cluster.store.put("nodes", node)
            self._machines[node["metadata"]["name"]] = machine
        recorder = Recorder(self.cluster)
        self._quotas = QuotaController(self.cluster)
        self._namespaces = NamespaceController(self.cluster)
        self._daemon_sets = DaemonSetController(self.cluster, recorder)
        self._kubelets = Kubelets(self.cluster, recorder, self._machines)
        if self.scenario.objects:
            for entry in self.scenario.objects:
                self._install(entry)
            await self._settle()
        self.clock.hurry = False
        users = {tokens[name]: user for name, user in _users(self.scenario).items()}
        faults = FaultPlan(self.scenario.faults, self._seed)
        self._server = Server(self.cluster, users, faults, self._kubelets.read_log)
        return await self._server.start(port)

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._server is not None:
            await self._server.stop()
        await self._daemon_sets.stop()
        await self._namespaces.stop()
        self._quotas.stop()
        self._kubelets.stop()

    def _create_namespace(self, name: str) -> None:
        obj: Object = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        created = self.cluster.create(NAMESPACE, "", obj, Write(SYSTEM, "kube-apiserver"))
        if name == "kube-system":
            metadata = {**created.obj["metadata"], "uid": self.identity}
            self.cluster.store.put("namespaces", {**created.obj, "metadata": metadata})

    def _install(self, entry: Mapping[str, Any]) -> None:
        """Creates an object of the scenario as its manager would."""
        body = entry["object"]
        kind = BY_NAME[body["kind"]]
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "")
        write = Write(SYSTEM, entry.get("manager", "kubectl"), force=True)
        if entry.get("operation", "Apply") == "Apply":
            self.cluster.apply(kind, namespace, metadata["name"], body, write)
        elif self.cluster.store.get(kind.plural, (namespace, metadata["name"])):
            self.cluster.patch(kind, namespace, metadata["name"], body, "application/merge-patch+json", write)
        else:
            self.cluster.create(kind, namespace, body, write)

    async def _settle(self) -> None:
        """Runs the controllers until nothing changes any more."""
        changed = asyncio.Event()

        def note(_change: Change) -> None:
            changed.set()

        ends = [self.cluster.store.listen(plural, note) for plural in ("pods", "daemonsets", "nodes", "resourcequotas")]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLING_SECONDS
        try:
            while loop.time() < deadline:
                changed.clear()
                await asyncio.wait_for(changed.wait(), 0.06)
        except TimeoutError:
            pass
        finally:
            for end in ends:
                end()


def _users(scenario: Scenario) -> dict[str, User]:
    users = {}
    for name, entry in scenario.users.items():
        if entry.get("all"):
            groups: tuple[str, ...] = ("system:masters", "system:authenticated")
            users[name] = User(name, groups, access.ALL)
            continue
        rules = [Rule(**{key: tuple(values) for key, values in rule.items()}) for rule in entry.get("rules", ())]
        users[name] = User(name, ("system:authenticated",), (*access.EVERYBODY, *rules))
    return users
