"""The gateway on a real kube-apiserver: what it answers is what the other tests take for granted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster.manifests import adjusted, guide
from tests.plan.test_kept_choices import VALUES, same
from tests.real_api_server import RealCluster, missing
from wizard.cluster import ApiRefusal, ApplyConflict, Gateway
from wizard.engine.collect import collect
from wizard.engine.labels import set_labels
from wizard.engine.rollout import nudge, wait_for_rollout
from wizard.facts.live import Live
from wizard.manifest import ADJUSTMENTS, guide_objects
from wizard.manifest.asking import check_objects
from wizard.names import NAMESPACE

pytestmark = [
    pytest.mark.real_api_server,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there"),
    pytest.mark.asyncio(loop_scope="module"),
]
DAEMON_SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{NAMESPACE}"


def node(number: int) -> dict[str, Any]:
    now = "2026-11-23T17:29:19Z"
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    information = {
        "machineID": "a", "systemUUID": "a", "bootID": "a", "kernelVersion": "6.8.0-31-generic",
        "osImage": "Ubuntu 24.04 LTS", "containerRuntimeVersion": "containerd://1.7.24", "kubeletVersion": "v1.36.2",
        "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
    }  # fmt: skip
    return {
        "metadata": {"name": f"node-{number:02}", "labels": {"kubernetes.io/os": "linux"}},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]} if number == 3 else {},
        "status": {
            "capacity": {"cpu": "4", "pods": "110"},
            "allocatable": {"cpu": "4", "pods": "110"},
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "nodeInfo": information,
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real() -> AsyncIterator[RealCluster]:
    async with RealCluster() as cluster:
        await cluster.add_nodes([node(number) for number in range(12)])
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(real: RealCluster) -> AsyncIterator[Gateway]:
    async with await Gateway.connect(str(real.kubeconfig()), None) as gateway:
        yield gateway


async def test_who_it_is(gateway: Gateway) -> None:
    identity = await gateway.identity()
    assert identity.version.startswith("v1.")
    assert identity.uid
    assert identity.user == "admin"
    assert abs(gateway.clock_skew) < 2


async def test_all_four_are_checked_where_the_namespace_is_missing(gateway: Gateway) -> None:
    checks = await check_objects(gateway, guide())
    assert [(check.change, check.checked) for check in checks] == [
        ("create", "server"),
        *[("create", "server (in default)")] * 3,
    ]
    assert {check.after["metadata"].get("namespace", "") for check in checks if check.after} == {"", NAMESPACE}
    bad = guide()
    bad[-1]["spec"]["selector"]["matchLabels"] = {"name": "other"}
    refused = (await check_objects(gateway, bad))[-1]
    assert refused.change == "failed"
    assert "selector" in refused.message
    assert await gateway.get("Namespace", NAMESPACE) is None
    assert await gateway.list("ConfigMap", "default", fields=f"metadata.name={NAMESPACE}") == ()


async def test_someone_without_rights(real: RealCluster) -> None:
    async with await Gateway.connect(str(real.kubeconfig("limited")), None) as gateway:
        facts = await collect(gateway)
        checks = await check_objects(gateway, guide())
    assert facts.nodes is not None
    assert len(facts.nodes) == 12
    assert "patch nodes" in {str(right) for right in facts.missing_rights()}
    assert {one.resource for one in facts.unread} == {
        *("resourcequotas", "configmaps", "daemonsets.apps", "pods"),
        *("configmaps in kube-system", "pods in default"),
    }
    assert all(check.checked.startswith("not checked (patch ") for check in checks)


async def test_apply_again_and_the_field_of_another(gateway: Gateway, real: RealCluster) -> None:
    objects = adjusted()
    assert [(await gateway.apply(item)).change for item in objects] == ["create"] * 4
    assert [(await gateway.apply(item)).change for item in objects] == ["unchanged"] * 4
    container = {"name": "smarter-device-manager", "image": "other:1"}
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    apply = "application/apply-patch+yaml"
    assert (await real.request("PATCH", f"{DAEMON_SET}?fieldManager=argocd&force=true", theirs, apply))[0] == 200
    with pytest.raises(ApplyConflict) as caught:
        await gateway.apply(objects[-1])
    (conflict,) = caught.value.conflicts
    assert conflict.manager == "argocd"
    assert conflict.field.endswith(".image")
    assert conflict.time.startswith("20")
    check = (await check_objects(gateway, objects))[-1]
    assert check.change == "conflict"
    assert check.after is not None
    assert (await gateway.apply(objects[-1], force=True)).change == "configure"


async def test_what_an_adjustment_sets_is_read_back_from_a_real_servers_answer(gateway: Gateway) -> None:
    for adjustment in ADJUSTMENTS:
        for value in VALUES.get(adjustment.id, [True]):
            wanted = adjustment.change(guide_objects(), value)
            answers = [await gateway.apply(item, dry_run=True, force=True) for item in wanted]
            live = {answer.object["kind"]: Live.of(answer.object) for answer in answers}
            assert same(adjustment, adjustment.here(live), value), (adjustment.id, value)


async def test_labels_and_the_rollout_to_its_end(gateway: Gateway, real: RealCluster) -> None:
    names = [f"node-{number:02}" for number in range(12)]
    real.has_fuse = set(names) - {"node-05"}
    real.play_kubelets()
    for item in adjusted(pods="8"):
        await gateway.apply(item)
    result = await set_labels(gateway, [*names, "gone"], value="enabled", on_event=lambda _: None, action="label")
    assert (len(result.done), [item.name for item in result.failed]) == (12, ["gone"])

    def quiet(_: object) -> None: ...

    short = await wait_for_rollout(gateway, names, timeout=6, on_event=quiet, action="rollout", grace=0.5)
    reasons = {item.name: item.reason for item in short.failing}
    assert "nvidia.com/gpu" in reasons["node-03"]
    assert any("exceeded quota" in reason and "pod-quota" in reason for reason in reasons.values())
    await gateway.apply(adjusted()[1])
    await nudge(gateway)
    rest = [name for name in names if name not in ("node-03", "node-05")]
    complete = await wait_for_rollout(gateway, rest, timeout=60, on_event=quiet, action="rollout")
    assert complete.complete
    (missing_device,) = (
        await wait_for_rollout(gateway, ["node-05"], timeout=2, on_event=quiet, action="rollout", grace=0.2)
    ).failing
    assert "modprobe fuse" in missing_device.reason
    # A device manager reads its configuration when it starts: another number needs a restart.
    config = adjusted()[2]
    config["data"]["conf.yaml"] = config["data"]["conf.yaml"].replace("50", "110")
    await gateway.apply(config)
    stale = await wait_for_rollout(gateway, rest, timeout=1, on_event=quiet, action="rollout", devices=110, grace=0.2)
    assert {one.seen for one in stale.failing} == {"offers 50, not 110"}
    restart = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
    await gateway.patch("DaemonSet", NAMESPACE, restart, NAMESPACE)
    restarted = await wait_for_rollout(gateway, rest, timeout=60, on_event=quiet, action="rollout", devices=110)
    assert restarted.complete


async def test_a_namespace_that_is_being_deleted(gateway: Gateway, real: RealCluster) -> None:
    merge = "application/merge-patch+json"
    path = f"/api/v1/namespaces/{NAMESPACE}"
    await real.request("PATCH", path, {"metadata": {"finalizers": ["example.org/hold"]}}, merge)
    await gateway.delete("ConfigMap", NAMESPACE, NAMESPACE)
    assert await gateway.delete("Namespace", NAMESPACE)
    namespace, _, config_map, _ = await check_objects(gateway, adjusted())
    assert namespace.change == "failed"
    assert "being deleted" in namespace.message
    assert config_map.change == "failed"
    assert "being deleted" in config_map.todo
    with pytest.raises(ApiRefusal) as caught:
        await gateway.apply(adjusted()[2])
    assert caught.value.namespace_terminating
    await real.request("PATCH", path, {"metadata": {"finalizers": None}}, merge)
