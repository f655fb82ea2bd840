"""Pools that an autoscaler grows, read from what autoscalers leave in a cluster."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from tests.cluster.conftest import Connected
from tests.cluster.servers import status
from wizard.cluster import ApiRefusal
from wizard.facts.cluster import ScaledPool
from wizard.nodes.autoscaling import pools_of_status, read_scaled_pools

TEXT = """\
Cluster-autoscaler status at 2023-03-27 10:38:18.722 +0000 UTC:
Cluster-wide:
  Health:      Healthy (ready=4 unready=0 (resourceUnready=0) notStarted=0 longNotStarted=0 registered=4 \
longUnregistered=0)
               LastProbeTime:      2023-03-27 10:38:18.722053187 +0000 UTC m=+43.6
NodeGroups:
  Name:        aks-big-24158722-vmss
  Health:      Healthy (ready=0 unready=0 (resourceUnready=0) notStarted=0 longNotStarted=0 registered=0 \
longUnregistered=0 cloudProviderTarget=0 (minSize=0, maxSize=5))
               LastProbeTime:      2023-03-27 10:38:18.722053187 +0000 UTC m=+43.6
  ScaleUp:     NoActivity (ready=0 cloudProviderTarget=0)
  Name:        aks-small-24158722-vmss
  Health:      Healthy (ready=4 unready=0 notStarted=0 longNotStarted=0 registered=4 longUnregistered=0 \
cloudProviderTarget=4 (minSize=3, maxSize=10))
"""
"""What the cluster autoscaler wrote before 1.30."""


def config_map(text: str) -> dict[str, Any]:
    written = [{"manager": "cluster-autoscaler", "time": "2026-11-23T18:30:55Z"}]
    return {"metadata": {"managedFields": written}, "data": {"status": text}}


def test_the_status_before_1_30_is_text() -> None:
    assert [(pool.name, pool.nodes, pool.smallest, pool.largest) for pool in pools_of_status(config_map(TEXT))] == [
        ("aks-big-24158722-vmss", 0, 0, 5),
        ("aks-small-24158722-vmss", 4, 3, 10),
    ]
    assert {pool.as_of for pool in pools_of_status(config_map(TEXT))} == {"2026-11-23T18:30:55Z"}


def test_a_status_that_says_something_else_has_no_pools() -> None:
    for text in ("", "[", "nodeGroups: 5", "nodeGroups: [a, {name: b}, {name: c, health: {minSize: 0}}]", "a: &a [*a]"):
        assert list(pools_of_status(config_map(text))) == []
    assert list(pools_of_status({"metadata": {}})) == []


KARPENTER = {
    "/apis": {"groups": [{"name": "karpenter.sh"}, {"name": "machine.openshift.io"}]},
    "/apis/karpenter.sh": {"versions": [{"version": "v1"}, {"version": "v1alpha1"}]},
    "/apis/karpenter.sh/v1": {"resources": [{"name": "nodepools"}, {"name": "nodeclaims"}]},
    "/apis/karpenter.sh/v1alpha1": {"resources": [{"name": "nodeoverlays"}]},
    "/apis/karpenter.sh/v1/nodepools": {
        "items": [
            {
                "metadata": {"name": "default"},
                "spec": {"template": {"metadata": {"labels": {"pool": "workspaces"}}}},
                "status": {"resources": {"cpu": "8", "nodes": "2"}},
            },
            {"metadata": {"name": "new"}, "spec": {"template": {}}},
        ]
    },
    "/apis/karpenter.sh/v1alpha1/nodeoverlays": {"items": []},
    "/apis/machine.openshift.io": {"versions": [{"version": "v1beta1"}]},
    "/apis/machine.openshift.io/v1beta1": {"resources": [{"name": "machinesets"}]},
    "/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machinesets": {
        "items": [
            {"metadata": {"name": "fixed"}, "spec": {"replicas": 0}},
            {
                "metadata": {
                    "name": "scaled",
                    "annotations": {
                        "machine.openshift.io/cluster-api-autoscaler-node-group-min-size": "0",
                        "machine.openshift.io/cluster-api-autoscaler-node-group-max-size": "6",
                    },
                },
                "spec": {
                    "replicas": 0,
                    "template": {"spec": {"metadata": {"labels": {"smarter-device-manager": "enabled"}}}},
                },
            },
        ]
    },
}


async def read(connected: Connected, answers: dict[str, Any]) -> tuple[tuple[ScaledPool, ...], list[str]]:
    unread: list[str] = []

    async def note(what: str, verb: str, resource: str, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except ApiRefusal:
            unread.append(f"{verb} {resource}")
            return None

    async def serve(request: web.Request) -> web.StreamResponse:
        answer = answers.get(request.path)
        if answer is None:
            return status(404, "NotFound", "the server could not find the requested resource")
        return web.json_response(answer) if answer else status(403, "Forbidden", "forbidden: User cannot list")

    async with connected(serve) as gateway:
        return await read_scaled_pools(gateway, note), unread


async def test_pools_of_karpenter_and_openshift_are_read(connected: Connected) -> None:
    assert await read(connected, KARPENTER) == (
        (
            ScaledPool("Karpenter", "default", 2, 0, None, {"pool": "workspaces"}),
            ScaledPool("Karpenter", "new", 0, 0, None, {}),
            ScaledPool("OpenShift", "scaled", 0, 0, 6, {"smarter-device-manager": "enabled"}),
        ),
        [],
    )


async def test_an_overlay_tells_karpenter_of_the_device(connected: Connected) -> None:
    overlay = {"spec": {"capacity": {"smarter-devices/fuse": "50"}}}
    told = {**KARPENTER, "/apis/karpenter.sh/v1alpha1/nodeoverlays": {"items": [overlay]}}
    pools, _ = await read(connected, told)
    assert [pool.knows_fuse for pool in pools] == [True, True, False]


async def test_what_may_not_be_read_is_told_with_its_verb_and_what_is_not_there_is_not(connected: Connected) -> None:
    refused = {**KARPENTER, "/apis/karpenter.sh/v1/nodepools": {}}
    pools, unread = await read(connected, refused)
    assert [pool.name for pool in pools] == ["scaled"]
    assert unread == ["list nodepools.karpenter.sh"]
    pools, unread = await read(connected, {**KARPENTER, "/apis/karpenter.sh/v1alpha1/nodeoverlays": {}})
    # Without the overlays nobody knows whether Karpenter knows of the device.
    assert [pool.name for pool in pools] == ["scaled"]
    assert unread == ["list nodeoverlays.karpenter.sh"]
    assert await read(connected, {}) == ((), [])
    status_path = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
    assert await read(connected, {status_path: {}}) == ((), ["get configmaps in kube-system"])
