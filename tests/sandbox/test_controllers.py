from __future__ import annotations

import asyncio
import copy
import re
from typing import Any

import pytest

from tests.sandbox.api import APPLY, CONFIG_MAP, DAEMON_SET, FUSE, NAME, NAMESPACE, QUOTA, Api, guide, ready, running
from wizard.sandbox import Scenario
from wizard.sandbox.scenarios import scenario

PODS = f"{NAMESPACE}/pods"
EVENTS = f"{NAMESPACE}/events"


def workers(count: int, **changes: Any) -> Scenario:
    return scenario(
        "workers", {"nodes": [{"name": "worker-{n:03d}", "system": "ubuntu-22.04", "count": count, **changes}]}
    )


def named(count: int) -> list[str]:
    return [f"worker-{n:03d}" for n in range(1, count + 1)]


def changed(**container: Any) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(guide()[DAEMON_SET])
    body["spec"]["template"]["spec"]["containers"][0].update(container)
    return body


async def warnings(api: Api, namespace: str = NAMESPACE) -> list[str]:
    found = await api.get(f"{namespace}/events?fieldSelector=type%3DWarning")
    return [one["message"] for one in found["items"]]


def fuse(node: Any) -> str | None:
    count: str | None = node["status"]["allocatable"].get(FUSE)
    return count


async def advertises(api: Api, name: str, count: str | None = "50") -> None:
    await api.until(f"/api/v1/nodes/{name}", lambda node: fuse(node) == count)


async def test_a_rollout_goes_where_the_label_is_and_the_taints_allow() -> None:
    async with running("mixed") as api:
        await api.apply_guide()
        found = await api.until(DAEMON_SET, lambda one: one["status"].get("observedGeneration") == 1)
        assert found["status"]["desiredNumberScheduled"] == 0
        await api.label(*await api.node_names())
        # not the control plane, the GPU node and Fargate, for their taints; Windows gets a pod that cannot run
        found = await api.until(DAEMON_SET, ready(8))
        assert found["status"]["desiredNumberScheduled"] == 9
        assert found["status"]["numberUnavailable"] == 1
        unfit = [
            "akswin000001",
            "control-plane-1",
            "fargate-ip-10-0-87-112.eu-central-1.compute.internal",
            "gke-prod-gpu-l4-7c1d9b2e-x0kq",
        ]
        # A pod is ready before its node advertises what it brought.
        for name in await api.node_names():
            if name not in unfit:
                await advertises(api, name)
        nodes = {one["metadata"]["name"]: fuse(one) for one in (await api.get("/api/v1/nodes"))["items"]}
        assert [name for name, count in nodes.items() if count is None] == unfit


async def test_every_fit_node_of_mixed_finishes_with_tolerations_and_a_node_selector_for_linux() -> None:
    async with running("mixed") as api:
        await api.apply_guide()
        body = changed()
        spec = body["spec"]["template"]["spec"]
        spec["nodeSelector"]["kubernetes.io/os"] = "linux"
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert (await api.apply(DAEMON_SET, body)).status == 200
        await api.label(*await api.node_names())
        found = await api.until(DAEMON_SET, ready(9))
        assert found["status"]["desiredNumberScheduled"] == 9
        assert "numberUnavailable" not in found["status"]


async def test_without_the_label_the_pod_and_the_devices_go() -> None:
    async with running(workers(2)) as api:
        await api.apply_guide()
        await api.label(*named(2))
        await api.until(DAEMON_SET, ready(2))
        await advertises(api, "worker-001")
        await api.label("worker-001", value=None)
        await api.until(DAEMON_SET, lambda one: ready(1)(one) and one["status"]["currentNumberScheduled"] == 1)
        await advertises(api, "worker-001", "0")


async def test_a_new_template_is_rolled_out_node_by_node() -> None:
    async with running(workers(4)) as api:
        await api.apply_guide()
        await api.label(*named(4))
        await api.until(DAEMON_SET, ready(4))
        since = (await api.get(DAEMON_SET))["metadata"]["resourceVersion"]
        image = "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
        assert (await api.apply(DAEMON_SET, changed(image=image))).body["metadata"]["generation"] == 2
        least = 4
        path = f"{DAEMON_SET.rpartition('/')[0]}?watch=true&resourceVersion={since}"
        async with asyncio.timeout(20), api.watch(path) as events:
            async for event in events:
                status = event["object"]["status"]
                least = min(least, status["numberReady"])
                if (
                    status["observedGeneration"] == 2
                    and status.get("updatedNumberScheduled") == 4 == status["numberReady"]
                ):
                    break
        assert least == 3
        pods = (await api.get(PODS))["items"]
        assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {image}
        assert {pod["metadata"]["labels"]["pod-template-generation"] for pod in pods} == {"2"}


async def test_the_guides_quota_stops_the_rollout_at_50_of_80() -> None:
    async with running("quota") as api:
        await api.apply_guide()
        await api.label(*await api.node_names())
        found = await api.until(
            DAEMON_SET, lambda one: ready(50)(one) and one["status"]["desiredNumberScheduled"] == 80
        )
        assert found["status"]["numberUnavailable"] == 30
        assert (await api.get(QUOTA))["status"] == {"hard": {"pods": "50"}, "used": {"pods": "50"}}
        await api.until(EVENTS, lambda found: any(one["reason"] == "FailedCreate" for one in found["items"]))
        said = await warnings(api)
        text = f"exceeded quota: {NAME}, requested: pods=1, used: pods=50, limited: pods=50"
        assert said
        for one in said:
            assert re.fullmatch(
                rf'(\(combined from similar events\): )?Error creating: pods "{NAME}-\w{{5}}" is forbidden: {text}', one
            )
        quota = copy.deepcopy(guide()[QUOTA])
        quota["spec"]["hard"]["pods"] = 100
        assert (await api.apply(QUOTA, quota)).status == 200
        await api.until(DAEMON_SET, ready(80))


async def test_a_quota_counts_only_what_is_in_its_scope() -> None:
    async with running(workers(1)) as api:
        await api.apply(NAMESPACE, guide()[NAMESPACE])
        quota = copy.deepcopy(guide()[QUOTA])
        quota["spec"]["hard"]["pods"] = 0
        await api.apply(QUOTA, quota)
        await api.until(QUOTA, lambda one: one["status"].get("hard"))
        pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
        assert (await api.ask("POST", PODS, pod)).status == 201
        pod["metadata"]["name"] = "q"
        pod["spec"]["priorityClassName"] = "system-node-critical"
        refused = await api.ask("POST", PODS, pod)
        assert refused.status == 403
        assert "exceeded quota" in refused.message


async def test_pod_security_refuses_the_pods_until_the_namespace_allows_them() -> None:
    async with running("enforced") as api:
        replies = [await api.apply(path, body) for path, body in guide().items()]
        assert replies[-1].headers["Warning"].startswith('299 - "would violate PodSecurity \\"baseline:latest\\": host')
        await api.label(*await api.node_names())
        await api.until(DAEMON_SET, lambda one: one["status"].get("numberUnavailable") == 6)
        await api.until(EVENTS, lambda found: any(one["reason"] == "FailedCreate" for one in found["items"]))
        assert (
            'is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), hostPath'
            in ((await warnings(api))[0])
        )
        namespace = copy.deepcopy(guide()[NAMESPACE])
        for mode in ("enforce", "warn"):
            namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "privileged"
        await api.apply(NAMESPACE, namespace)
        await api.until(DAEMON_SET, ready(6))
        assert "Warning" not in (await api.apply(DAEMON_SET, guide()[DAEMON_SET])).headers


async def test_a_namespace_that_enforces_warns_of_the_same_level_where_it_names_no_other() -> None:
    async with running(workers(1)) as api:
        namespace = copy.deepcopy(guide()[NAMESPACE])
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"
        await api.apply(NAMESPACE, namespace)
        warned = await api.apply(DAEMON_SET, guide()[DAEMON_SET])
        assert warned.headers["Warning"].startswith('299 - "would violate PodSecurity \\"baseline:latest\\": host')
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "restricted"
        await api.apply(NAMESPACE, namespace)
        warned = await api.apply(DAEMON_SET, guide()[DAEMON_SET])
        assert warned.headers["Warning"].replace("\\", "") == (
            '299 - "would violate PodSecurity "restricted:latest": host namespaces (hostNetwork=true), '
            'restricted volume types (volumes "device-plugin", "dev-dir", "sys-dir" use restricted volume type '
            '"hostPath"), runAsNonRoot != true (pod or container "smarter-device-manager" must set '
            'securityContext.runAsNonRoot=true), seccompProfile (pod or container "smarter-device-manager" must set '
            'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"'
        )
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "privileged"
        await api.apply(NAMESPACE, namespace)
        assert "Warning" not in (await api.apply(DAEMON_SET, guide()[DAEMON_SET])).headers


async def test_what_goes_wrong_on_the_nodes_of_failing_is_told() -> None:
    async with running("failing") as api:
        await api.apply_guide()
        names = [name for name in await api.node_names() if name != "lost-1"]
        await api.label(*names)
        await api.until(DAEMON_SET, ready(5))  # four workers, and the one without /dev/fuse
        for name in ("worker-1", "worker-4"):
            await advertises(api, name)
        assert fuse(await api.get("/api/v1/nodes/nofuse-1")) is None

        def waiting(found: Any) -> dict[str, str]:
            states = {one["spec"]["nodeName"]: one["status"]["containerStatuses"][0] for one in found["items"]}
            return {node: one["state"].get("waiting", {}).get("reason", "") for node, one in states.items()}

        def settled(found: Any) -> bool:
            now = waiting(found)
            return (
                now["airgapped-1"] == now["airgapped-2"] == "ImagePullBackOff" and now["hungry-1"] == "CrashLoopBackOff"
            )

        pods = await api.until(PODS, settled)
        hungry = next(one for one in pods["items"] if one["spec"]["nodeName"] == "hungry-1")
        assert hungry["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"
        idle = next(one for one in pods["items"] if one["spec"]["nodeName"] == "nofuse-1")
        log = (await api.ask("GET", f"{PODS}/{idle['metadata']['name']}/log")).body
        assert "Creating device" not in log
        await api.apply(DAEMON_SET, changed(resources={"limits": {"cpu": "200m", "memory": "30Mi"}}))
        await advertises(api, "hungry-1")


async def test_the_plugin_logs_what_it_does() -> None:
    async with running(workers(1)) as api:
        await api.apply_guide()
        await api.label("worker-001")
        await advertises(api, "worker-001")
        (pod,) = (await api.get(PODS))["items"]
        reply = await api.ask("GET", f"{PODS}/{pod['metadata']['name']}/log?container={NAME}")
        assert "Creating device smarter-devices/fuse\n" in reply.body
        assert "Registered device plugin with Kubelet\n" in reply.body
        last = await api.ask("GET", f"{PODS}/{pod['metadata']['name']}/log?tailLines=1")
        assert last.body == "Registered device plugin with Kubelet\n"


async def test_the_configuration_decides_how_many_devices_there_are() -> None:
    async with running(workers(1)) as api:
        await api.apply_guide()
        body = copy.deepcopy(guide()[CONFIG_MAP])
        body["data"]["conf.yaml"] = "- devicematch: ^fuse$\n  nummaxdevices: 110\n"
        await api.apply(CONFIG_MAP, body)
        await api.label("worker-001")
        await advertises(api, "worker-001", "110")


async def test_a_deleted_namespace_is_emptied_and_goes() -> None:
    async with running(workers(3)) as api:
        await api.apply_guide()
        await api.label(*named(3))
        await api.until(DAEMON_SET, ready(3))
        reply = await api.ask("DELETE", NAMESPACE)
        assert reply.body["status"]["phase"] == "Terminating"
        refused = await api.apply(f"{NAMESPACE}/configmaps/new", {**guide()[CONFIG_MAP], "metadata": {"name": "new"}})
        assert refused.status in (403, 404)
        if refused.status == 403:
            assert refused.message == (
                f'configmaps "new" is forbidden: unable to create new content in namespace {NAME} because it is being '
                "terminated"
            )
        await api.until(NAMESPACE, lambda found: found.get("code") == 404)
        assert (await api.get("/api/v1/pods"))["items"] == []
        await advertises(api, "worker-001", "0")


@pytest.mark.parametrize(("policy", "left"), [("Background", 0), ("Foreground", 0), ("Orphan", 2)])
async def test_a_daemon_set_is_deleted_with_or_without_its_pods(policy: str, left: int) -> None:
    async with running(workers(2)) as api:
        await api.apply_guide()
        await api.label(*named(2))
        await api.until(DAEMON_SET, ready(2))
        assert (await api.ask("DELETE", f"{DAEMON_SET}?propagationPolicy={policy}")).status == 200
        await api.until(DAEMON_SET, lambda found: found.get("code") == 404)
        found = await api.until(PODS, lambda found: len(found["items"]) == left)
        assert len(found["items"]) == left


def short_pod(purpose: str, **spec: Any) -> dict[str, Any]:
    resources = {"limits": {FUSE: "1"}} if purpose == "verify" else {}
    container: dict[str, Any] = {"name": "podman", "image": "quay.io/podman/stable:v5.3", "resources": resources}
    container["env"] = [{"name": "GROUP", "value": "a"}]
    return {
        "metadata": {"name": purpose, "labels": {"podman-wizard/purpose": purpose}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


DEFAULT_PODS = "/api/v1/namespaces/default/pods"


async def run(api: Api, pod: dict[str, Any]) -> str:
    name = pod["metadata"]["name"]
    reply = await api.ask("POST", DEFAULT_PODS, pod)
    assert reply.status == 201, reply
    await api.until(f"{DEFAULT_PODS}/{name}", lambda one: one["status"]["phase"] in ("Succeeded", "Failed"))
    log: str = (await api.ask("GET", f"{DEFAULT_PODS}/{name}/log")).body
    await api.ask("DELETE", f"{DEFAULT_PODS}/{name}?gracePeriodSeconds=0")
    return log


async def test_a_pod_that_asks_for_a_device_waits_until_there_is_one() -> None:
    async with running(workers(2)) as api:
        await api.ask("POST", DEFAULT_PODS, short_pod("verify"))
        pod = await api.until(f"{DEFAULT_PODS}/verify", lambda one: one["status"].get("conditions"))
        (condition,) = pod["status"]["conditions"]
        assert condition["reason"] == "Unschedulable"
        assert condition["message"].startswith(f"0/2 nodes are available: 2 Insufficient {FUSE}.")
        await api.until(
            "/api/v1/namespaces/default/events",
            lambda found: any(one["reason"] == "FailedScheduling" for one in found["items"]),
        )
        await api.apply_guide()
        await api.label("worker-002")
        pod = await api.until(f"{DEFAULT_PODS}/verify", lambda one: one["status"]["phase"] == "Succeeded")
        assert pod["spec"]["nodeName"] == "worker-002"


async def test_podman_says_what_a_node_lets_it_do() -> None:
    async with running("mixed") as api:
        await api.apply_guide()
        await api.label(*await api.node_names())
        await api.until(DAEMON_SET, ready(8))
        unconfined = {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
        expected: list[tuple[str, dict[str, Any], str]] = [
            ("workspaces-noble-1", {}, "flags: 0x1000: permission denied"),
            ("workspaces-noble-1", unconfined, "newuidmap: write to uid_map failed: Operation not permitted"),
            ("aks-workspaces-24158722-vmss000000", {}, "flags: 0x1000: permission denied"),
            ("aks-workspaces-24158722-vmss000000", unconfined, ""),
            ("rhcos-worker-1", {}, ""),
            ("ip-10-0-31-58.eu-central-1.compute.internal", {}, "max_user_namespaces"),
            ("flatcar-arm-1", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "cannot clone"),
            ("flatcar-arm-1", {}, ""),
        ]
        for node, spec, symptom in expected:
            await advertises(api, node)
            log = await run(api, short_pod("verify", nodeName=node, **spec))
            assert log.endswith("end: reached\n")
            if symptom:
                assert "native-overlay: failed" in log and "fuse-overlayfs: failed" in log
                assert symptom in log
            else:
                assert "failed" not in log


async def test_a_probe_prints_what_confines_it() -> None:
    async with running("mixed") as api:
        seen: Any = await run(api, short_pod("probe", nodeName="workspaces-noble-1"))
        assert seen["group"] == "a"
        assert seen["current"] == "cri-containerd.apparmor.d (enforce)"
        assert (seen["restrict_userns"], seen["selinux_enforce"]) == ("1", "")
        seen = await run(api, short_pod("probe", nodeName="rhcos-worker-1"))
        assert seen["current"] == "system_u:system_r:container_t:s0:c112,c857"


async def test_a_kubelet_that_never_heard_of_the_device_lets_the_pod_in_without_it() -> None:
    async with running(workers(1)) as api:
        log = await run(api, short_pod("verify", nodeName="worker-001"))
        assert "device: failed" in log
        assert "/dev/fuse does not exist" in log


async def test_a_kubelet_that_has_no_device_left_refuses_the_pod() -> None:
    async with running(workers(1)) as api:
        few = copy.deepcopy(guide())
        few[CONFIG_MAP]["data"]["conf.yaml"] = "- devicematch: ^fuse$\n  nummaxdevices: 1\n"
        for path, body in few.items():
            await api.apply(path, body)
        await api.label("worker-001")
        await advertises(api, "worker-001", "1")
        first = short_pod("verify", nodeName="worker-001", restartPolicy="Always")
        first["metadata"]["name"] = "first"
        await api.ask("POST", DEFAULT_PODS, first)
        await api.until(f"{DEFAULT_PODS}/first", lambda one: one["status"]["phase"] == "Running")
        await api.ask("POST", DEFAULT_PODS, short_pod("verify", nodeName="worker-001"))
        pod = await api.until(f"{DEFAULT_PODS}/verify", lambda one: one["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "UnexpectedAdmissionError"
        assert pod["status"]["message"] == (
            f"Pod was rejected: Allocate failed due to requested number of devices unavailable for {FUSE}. "
            "Requested: 1, Available: 0, which is unexpected"
        )


async def test_a_deadline_ends_a_pod_that_cannot_start() -> None:
    async with running(workers(1, unpullable=True)) as api:
        await api.ask("POST", DEFAULT_PODS, short_pod("probe", nodeName="worker-001", activeDeadlineSeconds=5))
        pod = await api.until(f"{DEFAULT_PODS}/probe", lambda one: one["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_what_another_manager_installed_runs_from_the_start() -> None:
    async with running("owned") as api:
        found = await api.get(DAEMON_SET)
        assert found["status"]["numberReady"] == 2
        assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {
            "argocd",
            "kube-controller-manager",
        }
        assert fuse(await api.get("/api/v1/nodes/worker-1")) == "50"
        reply = await api.patch(f"{DAEMON_SET}?fieldManager=podman-wizard", guide()[DAEMON_SET], APPLY)
        assert [cause["field"].rpartition(".")[2] for cause in reply.body["details"]["causes"]] == [
            "image",
            "memory",
            "memory",
        ]
        config = (await api.get(CONFIG_MAP))["metadata"]["managedFields"]
        assert [(entry["manager"], entry["operation"]) for entry in config] == [("kubectl-client-side-apply", "Update")]
