"""Live objects as a server has them: with defaults, and with the managed fields of everyone who wrote them.

They come from the rules of the simulated server, without a connection: a create, an apply, and a patch.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

from tests.facts_for_tests import cluster, judged
from wizard.choices.answers import Answers
from wizard.facts.cluster import ClusterFacts, KubernetesObject, NodeFacts
from wizard.facts.live import CLIENT_SIDE_APPLY, Live
from wizard.facts.objects import with_canonical_quantities
from wizard.names import FIELD_MANAGER, NAMESPACE
from wizard.plan.judgement import Judgement
from wizard.sandbox.clock import Clock
from wizard.sandbox.cluster import JSON, MERGE, SYSTEM, Cluster, Write
from wizard.sandbox.kinds import BY_NAME
from wizard.sandbox.scenarios import scenario

KINDS = ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def live_of(facts: ClusterFacts) -> dict[str, Live]:
    """The live objects by kind."""
    return {kind: Live.of(item) for kind, item in facts.objects.items()}


class Server:
    """A server with the guide's objects, once someone wrote them."""

    def __init__(self) -> None:
        self._cluster = Cluster(scenario("live", {}), Clock(1, 0))

    def apply(self, objects: Iterable[KubernetesObject], manager: str = FIELD_MANAGER, *, force: bool = False) -> None:
        """Server-side apply; quantities are sent as our own gateway sends them."""
        for item in objects:
            kind, place = BY_NAME[item["kind"]], item["metadata"].get("namespace", "")
            body = with_canonical_quantities(copy.deepcopy(item))
            self._cluster.apply(kind, place, item["metadata"]["name"], body, Write(SYSTEM, manager, force=force))

    def kubectl_apply(self, objects: Iterable[KubernetesObject]) -> None:
        """The first ``kubectl apply`` without ``--server-side``: a create, with the file in an annotation."""
        for item in objects:
            body = copy.deepcopy(item)
            body["metadata"].setdefault("annotations", {})[LAST_APPLIED] = json.dumps(item, separators=(",", ":"))
            place = item["metadata"].get("namespace", "")
            self._cluster.create(BY_NAME[item["kind"]], place, body, Write(SYSTEM, CLIENT_SIDE_APPLY))

    def patch(self, kind: str, body: dict[str, Any], manager: str = "kubectl-edit") -> None:
        """A merge patch, as ``kubectl edit`` and the like send it."""
        place = "" if kind == "Namespace" else NAMESPACE
        self._cluster.patch(BY_NAME[kind], place, NAMESPACE, body, MERGE, Write(SYSTEM, manager))

    def json_patch(self, kind: str, operations: list[dict[str, Any]], manager: str = FIELD_MANAGER) -> None:
        """A JSON patch (RFC 6902)."""
        place = "" if kind == "Namespace" else NAMESPACE
        self._cluster.patch(BY_NAME[kind], place, NAMESPACE, operations, JSON, Write(SYSTEM, manager))

    def object(self, kind: str) -> KubernetesObject:
        """One live object."""
        place = "" if kind == "Namespace" else NAMESPACE
        return copy.deepcopy(self._cluster.find(BY_NAME[kind], place, NAMESPACE).obj)

    def facts(self, *nodes: NodeFacts, **fields: Any) -> ClusterFacts:
        """What is read from a cluster with these nodes and these objects."""
        there = {}
        for kind in KINDS:
            place = "" if kind == "Namespace" else NAMESPACE
            if self._cluster.store.get(BY_NAME[kind].plural, (place, NAMESPACE)) is not None:
                there[kind] = self.object(kind)
        return cluster(*nodes, objects=there, **fields)

    def judged(self, *nodes: NodeFacts, answers: Answers | None = None, **fields: Any) -> Judgement:
        """What follows from these nodes, these objects, and the choices."""
        return judged(self.facts(*nodes, **fields), answers)
