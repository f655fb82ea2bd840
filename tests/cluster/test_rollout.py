"""The rollout on the sandbox's scenarios: counted from the nodes, with the reason of each that is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from time import thread_time, time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cluster.conftest import Opened
from tests.cluster.manifests import adjusted, guide
from wizard.cluster import ApiRefusal, Gateway, WatchEvent
from wizard.cluster.credentials import Identity
from wizard.cluster.kubeconfig import Access
from wizard.cluster.refusals import Target
from wizard.cluster.transport import Transport
from wizard.engine import rollout as module
from wizard.engine.events import ActionProgress, Event, Note
from wizard.engine.labels import set_labels
from wizard.engine.rollout import nudge, wait_for_rollout
from wizard.facts.cluster import KubernetesObject, NodeFacts
from wizard.facts.rollout import RolloutResult
from wizard.names import NAMESPACE
from wizard.nodes.verdicts import judge


async def nodes_of(gateway: Gateway) -> list[NodeFacts]:
    return [node async for part in gateway.nodes() for node in part.items]


async def install(gateway: Gateway, objects: list[KubernetesObject], names: list[str]) -> None:
    for item in objects:
        await gateway.apply(item)
    await set_labels(gateway, names, value="enabled", on_event=lambda _: None, action="label")


async def wait(
    gateway: Gateway, names: list[str], seconds: float, events: list[Event] | None = None, **options: Any
) -> RolloutResult:
    told: list[Event] = [] if events is None else events
    return await wait_for_rollout(
        gateway, names, timeout=seconds, on_event=told.append, action="rollout", grace=0.3, **options
    )


async def test_all_that_qualify_become_ready(opened: Opened) -> None:
    events: list[Event] = []
    async with opened("mixed") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway) if judge(node).eligible]
        await install(gateway, adjusted(), names)
        result = await wait(gateway, names, 30, events)
        advertised = [node.name for node in await nodes_of(gateway) if node.fuse_devices]
    assert (result.ready, result.desired, result.failing) == (len(names), len(names), ())
    assert result.complete
    assert sorted(advertised) == sorted(names)
    last = events[-1]
    assert isinstance(last, ActionProgress)
    assert (last.done, last.total, last.waiting) == (len(names), len(names), 0)


async def test_the_quota_is_named_and_the_wait_goes_on(opened: Opened) -> None:
    async with opened("quota") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway)]
        await install(gateway, adjusted(pods="50"), names)
        result = await wait(gateway, names, 4)
        assert (result.ready, len(result.failing)) == (50, len(names) - 50)
        assert all("exceeded quota" in item.reason and "pod-quota" in item.reason for item in result.failing)
        assert all('pods "' not in item.reason for item in result.failing)
        waiting = asyncio.create_task(wait(gateway, names, 60))
        await gateway.apply(adjusted(pods="500")[1])
        await nudge(gateway)
        assert (await waiting).complete


async def test_pod_security_is_named(opened: Opened) -> None:
    async with opened("enforced") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway) if judge(node).eligible]
        await install(gateway, guide(), names)
        result = await wait(gateway, names, 3)
    assert result.ready == 0
    assert all("PodSecurity" in item.reason and "pod-security" in item.reason for item in result.failing)


async def test_each_failing_node_has_its_own_reason(opened: Opened) -> None:
    async with opened("failing") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway)]
        await install(gateway, guide(), names)
        result = await wait(gateway, names, 6)
    reasons = {item.name.rpartition("-")[0]: item.reason for item in result.failing}
    assert "cannot be pulled" in reasons["airgapped"]
    assert "OOMKilled" in reasons["hungry"]
    assert "modprobe fuse" in reasons["nofuse"]
    assert result.ready == len(names) - len(result.failing)


async def test_taints_selectors_and_missing_labels(opened: Opened) -> None:
    async with opened("mixed") as (_, gateway):
        nodes = await nodes_of(gateway)
        tainted = [node.name for node in nodes if node.taints]
        windows = [node.name for node in nodes if node.operating_system == "windows" and not node.taints]
        fit = [node.name for node in nodes if judge(node).eligible]
        await install(gateway, adjusted(), [*tainted, *windows, *fit[1:]])
        result = await wait(gateway, [*tainted, *windows, *fit, "gone"], 4)
    reasons = {item.name: item.reason for item in result.failing}
    assert all("is not tolerated" in reasons[name] for name in tainted)
    assert all("kubernetes.io/os=linux" in reasons[name] for name in windows)
    assert "does not have the label" in reasons[fit[0]]
    assert reasons[fit[0]].endswith("enabled")
    assert (result.gone, "gone" in reasons, "gone" in result.nodes) == (("gone",), False, False)


async def test_without_a_daemon_set(opened: Opened) -> None:
    async with opened("mixed") as (_, gateway):
        names = [(await nodes_of(gateway))[0].name]
        async with asyncio.timeout(30):  # the answer is known at once
            result = await wait(gateway, names, 300)
    assert result.failing[0].reason == "the DaemonSet does not exist"


async def test_pods_of_the_old_template_do_not_count(opened: Opened) -> None:
    async with opened("quota") as (_, gateway):
        names = [node.name for node in (await nodes_of(gateway))[:6]]
        await install(gateway, adjusted(), names)
        assert (await wait(gateway, names, 30)).complete
        changed = adjusted(memory="40Mi")
        await gateway.apply(changed[-1])
        result = await wait(gateway, names, 60)
        pods = await gateway.list("Pod", NAMESPACE)
    assert result.complete
    limits = [pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in pods]
    assert limits == ["40Mi"] * len(names)


async def test_thousands_of_pods_that_hang_are_told_of_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def seconds(number: int) -> float:
        lists = hanging(number)

        async def watch(
            self: Gateway, kind: str, namespace: str = "", *, convert: Any, **_: Any
        ) -> AsyncGenerator[WatchEvent[Any], None]:
            yield WatchEvent("listed", tuple(convert(item) for item in lists[kind]))
            await asyncio.Event().wait()

        async def get(self: Gateway, kind: str, name: str, namespace: str = "") -> KubernetesObject | None:
            return lists["DaemonSet"][0]

        monkeypatch.setattr(Gateway, "watch", watch)
        monkeypatch.setattr(Gateway, "get", get)
        gateway = Gateway(Transport(Access("test", "https://127.0.0.1:1", Identity(), "nowhere")))
        began = thread_time()
        result = await wait(gateway, [node["metadata"]["name"] for node in lists["Node"]], 0.5)
        assert result.failing[-1].reason == (
            f"its pod pod-{number - 1} is not ready (ContainerCreating): no volume for pod-{number - 1}"
        )
        return thread_time() - began

    # Eight times as many: where each pod were looked for among all warnings, it would be sixty-four times as much.
    assert await seconds(4000) < 24 * await seconds(500)


def hanging(number: int) -> dict[str, list[KubernetesObject]]:
    """Nodes with a pod each that does not get beyond its volumes, and a warning about each pod."""
    name = {"name": NAMESPACE, "uid": "u", "generation": 1}
    status = {"observedGeneration": 1, "currentNumberScheduled": number, "updatedNumberScheduled": number}
    waiting = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]
    return {
        "DaemonSet": [{"metadata": name, "status": status, "spec": {"template": {"spec": {}}}}],
        "Node": [
            {"metadata": {"name": f"node-{n}"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            for n in range(number)
        ],
        "Pod": [
            {
                "metadata": {"name": f"pod-{n}", "ownerReferences": [{"uid": "u", "controller": True}]},
                "spec": {"nodeName": f"node-{n}"},
                "status": {"phase": "Pending", "containerStatuses": waiting},
            }
            for n in range(number)
        ],
        "Event": [
            {
                "metadata": {},
                "involvedObject": {"kind": "Pod", "name": f"pod-{n}"},
                "reason": "FailedMount",
                "message": f"no volume for pod-{n}",
            }
            for n in range(number)
        ],
    }


RESTART = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}


async def test_a_node_that_offers_an_earlier_number_is_not_ready(opened: Opened) -> None:
    async with opened("mixed") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway) if judge(node).eligible][:3]
        await install(gateway, adjusted(), names)
        assert (await wait(gateway, names, 30, devices=50)).complete
        config = adjusted()[2]
        config["data"]["conf.yaml"] = config["data"]["conf.yaml"].replace("50", "110")
        await gateway.apply(config)
        # The device manager read its configuration when it started, as a real one does.
        result = await wait(gateway, names, 2, devices=110)
        assert (result.ready, {item.short for item in result.failing}) == (0, {"devices"})
        for item in result.failing:
            assert item.reason.startswith("offers 50, not 110; ")
            assert "kubectl -n smarter-device-manager rollout restart" in item.todo
        # Unread configuration: more than none is all that can be asked for.
        assert (await wait(gateway, names, 2)).complete
        await gateway.patch("DaemonSet", NAMESPACE, RESTART, NAMESPACE)
        assert (await wait(gateway, names, 30, devices=110)).complete
        assert {node.fuse_devices for node in await nodes_of(gateway) if node.name in names} == {110}


async def test_without_pods_the_number_of_devices_counts_too(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("mixed") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway) if judge(node).eligible][:2]
        await install(gateway, adjusted(), names)
        assert (await wait(gateway, names, 30)).complete
        refuse_lists(monkeypatch, "pods")
        assert (await wait(gateway, names, 2, devices=50)).complete
        result = await wait(gateway, names, 1, devices=110)
    assert [item.seen for item in result.failing] == ["offers 50, not 110"] * 2


async def test_the_limit_counts_only_the_time_without_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"node-{number}" for number in range(5)]
    clock, judged, ended, quiet = [100.0], asyncio.Event(), asyncio.Event(), asyncio.Event()
    words: dict[str, None] = {}

    def told(event: Event) -> None:
        if isinstance(event, ActionProgress):
            words[event.words] = None
            if event.words == "4 of 5 ready, last 3 s ago, gives up after 5 s without another":
                quiet.set()
            judged.set()

    async def watch(
        self: Gateway, kind: str, namespace: str = "", *, convert: Any, **_: Any
    ) -> AsyncGenerator[WatchEvent[Any], None]:
        if kind != "Node":
            raise ApiRefusal(Target("list", kind), 403, {"message": "no"})
        for ready in range(1, len(names)):  # the last one never gets its devices
            clock[0] += 4
            yield WatchEvent("listed", tuple(convert(advertising(name, names.index(name) < ready)) for name in names))
            judged.clear()
            await judged.wait()
        ended.set()
        await asyncio.Event().wait()

    async def get(self: Gateway, kind: str, name: str, namespace: str = "") -> KubernetesObject | None:
        return None

    monkeypatch.setattr(Gateway, "watch", watch)
    monkeypatch.setattr(Gateway, "get", get)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time))
    monkeypatch.setattr(module, "PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(module, "JUDGE_SECONDS", 0.0)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 3.0)
    gateway = Gateway(Transport(Access("test", "https://127.0.0.1:1", Identity(), "nowhere")))
    waiting = asyncio.create_task(wait_for_rollout(gateway, names, timeout=5, on_event=told, action="rollout"))
    async with asyncio.timeout(20):
        await ended.wait()
        assert not waiting.done()
        clock[0] += 3
        await quiet.wait()
        clock[0] += 2
        result = await waiting
    assert (result.ready, result.desired, result.seconds) == (4, 5, 21)
    assert [next(iter(words)), [*words][-1]] == ["0 of 5 ready, gives up after 5 s", "4 of 5 ready"]


@pytest.mark.parametrize(
    ("uid", "age", "named"),
    [("u", 60, True), ("", 60, True), ("u", 3600, False), ("earlier", 60, False)],
    ids=["of this DaemonSet", "without a uid", "an hour old", "of an earlier DaemonSet"],
)
async def test_only_a_recent_rejection_of_this_daemon_set_is_the_cause(
    uid: str, age: int, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"kind": "DaemonSet", "name": NAMESPACE, "uid": uid}
    happened = {"involvedObject": about, "reason": "FailedCreate", "message": "exceeded quota: q"}
    moment = datetime.fromtimestamp(time() - age, UTC).isoformat()
    lists = {
        **hanging(1),
        "Pod": [],
        "Event": [{**happened, "metadata": {"name": "e"}, "lastTimestamp": moment}],
    }

    async def watch(
        self: Gateway, kind: str, namespace: str = "", *, convert: Any, **_: Any
    ) -> AsyncGenerator[WatchEvent[Any], None]:
        yield WatchEvent("listed", tuple(convert(item) for item in lists[kind]))
        await asyncio.Event().wait()

    async def get(self: Gateway, kind: str, name: str, namespace: str = "") -> KubernetesObject | None:
        return lists["DaemonSet"][0]

    monkeypatch.setattr(Gateway, "watch", watch)
    monkeypatch.setattr(Gateway, "get", get)
    gateway = Gateway(Transport(Access("test", "https://127.0.0.1:1", Identity(), "nowhere")))
    result = await wait(gateway, [lists["Node"][0]["metadata"]["name"]], 0.3)
    assert ("exceeded quota" in result.failing[0].reason) is named, result.failing[0].reason


def advertising(name: str, ready: bool) -> KubernetesObject:
    """A ready node, with its devices or without."""
    allocatable = {"smarter-devices/fuse": "50"} if ready else {}
    conditions = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "allocatable": allocatable}}


async def test_a_stop_ends_the_wait_at_once(opened: Opened) -> None:
    async with opened("quota") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway)]
        await install(gateway, adjusted(pods="50"), names)
        stop = asyncio.Event()
        waiting = asyncio.create_task(wait(gateway, names, 60, stop=stop))
        stop.set()
        async with asyncio.timeout(5):
            result = await waiting
    assert not result.complete


async def test_a_cancelled_wait_leaves_nothing_running(opened: Opened) -> None:
    async with opened("quota") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway)]
        before = asyncio.all_tasks()
        told = asyncio.Event()
        waiting = asyncio.create_task(
            wait_for_rollout(gateway, names, timeout=60, on_event=lambda _: told.set(), action="rollout")
        )
        await told.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ours = {task for task in asyncio.all_tasks() - before if "rollout" in repr(task.get_coro())}
    assert not ours


async def test_without_the_right_to_read_events_or_pods(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    async with opened("quota") as (_, gateway):
        names = [node.name for node in await nodes_of(gateway)][:60]
        await install(gateway, adjusted(pods="50"), names)
        refuse_lists(monkeypatch, "events", "pods")
        result = await wait(gateway, names, 4, events)
    assert result.ready == 50
    assert all("cannot be read" in item.reason for item in result.failing)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert len(notes) == 2


def refuse_lists(monkeypatch: pytest.MonkeyPatch, *plurals: str) -> None:
    """Lists of these resources are forbidden."""
    real = Transport.fetch

    async def refusing(transport: Transport, method: str, path: str, **options: Any) -> Any:
        if path.rpartition("/")[2] in plurals:
            body = {"reason": "Forbidden", "message": f"cannot list {path}"}
            raise ApiRefusal(Target.of(method, path), 403, body)
        return await real(transport, method, path, **options)

    monkeypatch.setattr(Transport, "fetch", refusing)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            '(combined from similar events): Error creating: pods "x-1" is forbidden: exceeded quota: q, used: pods=5',
            "no pod, quota: exceeded quota: q, used: pods=5; raise it",
        ),
        ('Error creating: pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPath', "Pod Security"),
        (
            'Error creating: pods "x" is forbidden: insufficient quota to match these scopes: [{PriorityClass In []}]',
            "requires a quota for critical pods",
        ),
        ('Error creating: pods "x" is forbidden: status unknown for quota: q, resources: pods', ""),
        ('Error creating: admission webhook "w" denied the request: no', "no pod: admission webhook"),
        ("Error creating: pods is forbidden: unable to validate against any security context constraint", "SCC"),
    ],
)
def test_refusals_of_the_controller(message: str, said: str) -> None:
    explained = module._explain_refusal(message)
    assert (said in explained.of("n").reason) if explained else not said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"phase": "Pending"}, ""),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit"}
                ],
            },
            "0/3 nodes fit",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "Evicted: disk"),
        (
            {"containerStatuses": [{"image": "i", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]},
            "image: i cannot be pulled (ErrImagePull): no",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                    }
                ]
            },
            "OOMKilled",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"reason": "Error", "exitCode": 2}},
                    }
                ]
            },
            "keeps crashing (exit code 2)",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "CreateContainerError", "message": "m"}}}]},
            "CreateContainerError): m",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
    ],
)
def test_troubles_of_a_pod(status: dict[str, Any], said: str) -> None:
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    trouble, _ = module._trouble(status, conditions)
    assert (said in trouble.of("n").reason) if trouble else not said
