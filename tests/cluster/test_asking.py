"""What the server says an apply would make of an object, and an apply of exactly that."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters import Cluster, cluster_of
from tests.ledger.harness import SCENARIO
from tests.ledger.setups import GUIDE, Request, applied, kubectl_apply, part_of, patched, send
from tests.ledger.states import NAME, PATHS, fields, owners
from wizard.choices.answers import UNDECIDED, OwnershipChoice
from wizard.cluster import Gateway
from wizard.facts.changes import counts
from wizard.facts.cluster import KubernetesObject
from wizard.facts.live import Live
from wizard.manifest.asking import ObjectCheck, PlanChanged, apply_checked, check_objects
from wizard.sandbox.scenarios import scenario

CONTAINER = f'.spec.template.spec.containers[name="{NAME}"]'
IMAGE = f"{CONTAINER}.image"
HOST_NETWORK = ".spec.template.spec.hostNetwork"
LAST_APPLIED = ".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"


class Server:
    """A simulated cluster, what the gateway says of it, and requests of others."""

    def __init__(self, cluster: Cluster, gateway: Gateway) -> None:
        self.cluster, self.gateway = cluster, gateway

    async def has(self, *requests: Request) -> None:
        for request in requests:
            await send(self.cluster, request)

    async def check(self, item: KubernetesObject, ownership: OwnershipChoice = UNDECIDED) -> ObjectCheck:
        found = await check_objects(self.gateway, [item], ownership)
        return found[0]

    async def live(self, kind: str) -> KubernetesObject:
        item: KubernetesObject = await self.cluster.get(PATHS[kind])
        return item


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with (
        cluster_of("sandbox", scenario("ledger", SCENARIO), tmp_path) as cluster,
        await Gateway.connect(str(cluster.kubeconfig), None) as gateway,
    ):
        yield Server(cluster, gateway)


def guide(kind: str) -> dict[str, Any]:
    return copy.deepcopy(GUIDE[kind])


def without_host_network() -> dict[str, Any]:
    item = guide("DaemonSet")
    del item["spec"]["template"]["spec"]["hostNetwork"]
    del item["spec"]["template"]["spec"]["dnsPolicy"]
    return item


def with_image(image: str) -> dict[str, Any]:
    item = guide("DaemonSet")
    item["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return item


def values(item: KubernetesObject | None) -> dict[str, Any]:
    assert item is not None
    return dict(fields(item, noise=False))


def nothing(_: KubernetesObject | None) -> None:
    """For applies whose state before is of no interest."""


async def test_an_object_without_its_namespace_is_asked_about_in_another_one(server: Server) -> None:
    check = await server.check(guide("ConfigMap"))
    assert (check.change, check.checked, check.before) == ("create", "server (in default)", None)
    assert check.after is not None
    assert check.after["metadata"]["namespace"] == NAME
    assert not check.by_server and check.answered
    assert await server.cluster.get(f"/api/v1/namespaces/default/configmaps/{NAME}") is None


async def test_an_object_of_that_name_in_the_other_namespace_is_not_asked_about(server: Server) -> None:
    other = {**guide("ConfigMap"), "metadata": {"name": NAME, "namespace": "default"}, "data": {"conf.yaml": "other"}}
    await server.has(Request("POST", "/api/v1/namespaces/default/configmaps?fieldManager=someone", other))
    check = await server.check(guide("ConfigMap"))
    assert (check.change, check.conflicts) == ("create", ())
    assert check.after is not None
    assert check.after["metadata"]["name"] == NAME


async def test_what_kubectl_left_behind_is_removed_as_the_check_says(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    check = await server.check(without_host_network())
    assert check.takes_over and not check.forced
    assert check.taken_from.startswith("kubectl-client-side-apply 20")
    assert {change.path for change in check.changes() if not change.noise} == {
        HOST_NETWORK,
        ".spec.template.spec.dnsPolicy",
    }
    result = await apply_checked(server.gateway, check, nothing)
    assert result.change == "configure"
    live = await server.live("DaemonSet")
    assert values(live) == values(check.after)
    assert LAST_APPLIED not in dict(fields(live, noise=True))
    assert {manager for manager, _, _ in owners(live)} == {"podman-wizard"}
    assert all(entry.get("time") for entry in live["metadata"]["managedFields"])


async def test_a_field_that_is_left_stays_with_kubectl(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    left = OwnershipChoice("fail", {f"DaemonSet {HOST_NETWORK}": "leave"})
    item = without_host_network()
    item["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirstWithHostNet"
    item["spec"]["template"]["metadata"]["annotations"] = {}
    check = await server.check(item, left)
    assert [change.path for change in check.changes() if not change.noise] == [
        ".spec.template.metadata.annotations.node.kubernetes.io/bootstrap-checkpoint"
    ]
    await apply_checked(server.gateway, check, nothing)
    live = await server.live("DaemonSet")
    assert values(live) == values(check.after)
    kubectl = [text for manager, _, text in owners(live) if manager == "kubectl-client-side-apply"]
    assert len(kubectl) == 1 and "f:hostNetwork" in kubectl[0] and "f:image" not in kubectl[0]


async def test_an_apply_that_changes_nothing_drops_nothing(server: Server) -> None:
    """The server gives a first apply that changes nothing an entry without a time."""
    await server.has(*(kubectl_apply(guide(kind)) for kind in PATHS))
    for check in await check_objects(server.gateway, [guide(kind) for kind in PATHS]):
        assert (check.change, counts(check.changes())) == ("unchanged", False)
        assert values(check.after) == values(check.before)


async def test_a_take_over_that_was_cut_off_is_finished_by_the_next_one(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    wanted = without_host_network()
    check = await server.check(wanted)

    class CutOff(Exception):
        pass

    class Gone(Gateway):
        async def apply(self, *arguments: Any, **options: Any) -> Any:
            raise CutOff

    async with await Gone.connect(str(server.cluster.kubeconfig), None) as gateway:
        with pytest.raises(CutOff):
            await apply_checked(gateway, check, nothing)
    moved = await server.live("DaemonSet")
    assert {manager for manager, _, _ in owners(moved)} == {"podman-wizard"}
    assert not Live.of(moved).is_ours, "the guide's values are not taken for what was chosen"
    again = await server.check(wanted)
    assert {change.path for change in again.changes() if not change.noise} == {
        HOST_NETWORK,
        ".spec.template.spec.dnsPolicy",
    }
    await apply_checked(server.gateway, again, nothing)
    assert values(await server.live("DaemonSet")) == values(check.after)


async def test_nothing_is_taken_over_of_an_object_that_a_gitops_tool_keeps(server: Server) -> None:
    item = guide("DaemonSet")
    item["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": f"fuse:apps/DaemonSet:{NAME}/{NAME}"}
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(item))
    check = await server.check(with_image("registry.internal/sdm:1"))
    assert check.change == "conflict"
    assert [(one.field, one.manager) for one in check.conflicts] == [(IMAGE, "kubectl-client-side-apply")]
    assert not check.takes_over


async def test_decisions_about_fields_of_others_are_part_of_the_answer(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), applied("other", with_image("registry.internal/sdm:theirs")))
    wanted = with_image("registry.internal/sdm:ours")
    undecided = await server.check(wanted)
    assert undecided.change == "conflict"
    assert [one.manager for one in undecided.conflicts] == ["other"]

    left = await server.check(wanted, OwnershipChoice("leave"))
    assert (left.change, left.forced) == ("unchanged", False)
    skipped = await server.check(wanted, OwnershipChoice("fail", {"DaemonSet": "skip"}))
    assert (skipped.change, skipped.changes(), skipped.after) == ("skipped", (), skipped.before)

    taken = await server.check(wanted, OwnershipChoice("take"))
    assert taken.forced
    assert [(one.path, one.after, one.owners) for one in taken.changes() if not one.noise] == [
        (IMAGE, "registry.internal/sdm:ours", ("other",))
    ]
    await apply_checked(server.gateway, taken, nothing)
    assert values(await server.live("DaemonSet"))[IMAGE] == "registry.internal/sdm:ours"


async def test_an_object_that_changed_after_the_check_is_not_touched(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    check = await server.check(without_host_network())
    await server.has(patched("kubectl-set", "DaemonSet", {"metadata": {"labels": {"team": "platform"}}}))
    before = await server.live("DaemonSet")
    with pytest.raises(PlanChanged, match="DaemonSet smarter-device-manager changed after the plan was made"):
        await apply_checked(server.gateway, check, lambda _: pytest.fail("nothing was begun"))
    after = await server.live("DaemonSet")
    assert (values(after), owners(after)) == (values(before), owners(before))


async def test_an_object_that_appeared_after_the_check_is_not_touched(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")))
    check = await server.check(guide("ConfigMap"))
    theirs = part_of("ConfigMap", data={"conf.yaml": "theirs", "more": "theirs"})
    await server.has(applied("other", theirs))
    with pytest.raises(PlanChanged):
        await apply_checked(server.gateway, check, nothing)
    assert (await server.live("ConfigMap"))["data"] == theirs["data"]


async def test_a_controller_that_writes_its_status_meanwhile_stops_nothing(server: Server) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    check = await server.check(without_host_network())
    writes = 0

    class Busy(Gateway):
        async def apply(self, item: KubernetesObject, *, dry_run: bool = False, force: bool = False) -> Any:
            nonlocal writes
            if writes < 2:
                writes += 1
                path = f"{PATHS['DaemonSet']}/status?fieldManager=kube-controller-manager"
                status = {"status": {"numberMisscheduled": writes}}
                await server.has(Request("PATCH", path, status, "application/merge-patch+json"))
            return await super().apply(item, dry_run=dry_run, force=force)

    befores: list[KubernetesObject | None] = []
    async with await Busy.connect(str(server.cluster.kubeconfig), None) as gateway:
        await apply_checked(gateway, check, befores.append)
    assert writes == 2
    assert values(await server.live("DaemonSet")) == values(check.after)
    assert len(befores) == 1, "the state before is noted once, and it is the one before the take-over"
    assert befores[0] is not None
    assert {manager for manager, _, _ in owners(befores[0])} == {"kubectl-client-side-apply"}


async def test_a_missing_permission_and_a_rejection_are_told_apart(server: Server, tmp_path: Path) -> None:
    await server.has(kubectl_apply(guide("Namespace")), kubectl_apply(guide("DaemonSet")))
    async with await Gateway.connect(str(server.cluster.kubeconfig_limited), None) as gateway:
        found = await check_objects(gateway, [guide("Namespace"), with_image("registry.internal/sdm:1")])
    allowed, denied = found
    assert allowed.answered
    assert (denied.change, denied.checked) == ("failed", "not checked (patch daemonsets.apps)")
    assert not denied.answered
    wrong = guide("DaemonSet")
    wrong["spec"]["selector"]["matchLabels"]["name"] = "other"
    rejected = await server.check(wrong)
    assert (rejected.change, rejected.checked) == ("failed", "server")
    assert "selector" in rejected.message


async def test_objects_in_a_namespace_that_is_being_deleted_cannot_be_applied(server: Server) -> None:
    namespace = yaml.safe_load("{apiVersion: v1, kind: Namespace, metadata: {name: x, finalizers: [a.example/b]}}")
    namespace["metadata"]["name"] = NAME
    await server.has(
        Request("POST", "/api/v1/namespaces?fieldManager=someone", namespace),
        kubectl_apply(guide("ConfigMap")),
    )
    await server.has(Request("DELETE", PATHS["Namespace"], {}))
    check = await server.check(guide("Namespace"))
    assert (check.change, check.message) == (
        "failed",
        "the namespace is being deleted; nothing can be created in it",
    )


async def test_what_someone_added_to_their_copy_of_the_guide_stays(server: Server) -> None:
    namespace, daemon_set = guide("Namespace"), guide("DaemonSet")
    namespace["metadata"]["labels"]["istio-injection"] = "disabled"
    second = {"name": "exporter", "image": "registry.example.org/exporter:1"}
    daemon_set["spec"]["template"]["spec"]["containers"].append(second)
    await server.has(kubectl_apply(namespace), kubectl_apply(daemon_set))
    wanted = guide("Namespace")
    wanted["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    without = guide("DaemonSet")
    del without["spec"]["template"]["spec"]["hostNetwork"]
    for item, path in ((wanted, ".metadata.labels.istio-injection"), (without, '[name="exporter"].image')):
        check = await server.check(item)
        assert not [change for change in check.changes() if path in change.path]
        await apply_checked(server.gateway, check, lambda before: None)
        live = dict(fields(await server.live(item["kind"]), noise=False))
        assert [value for found, value in live.items() if found.endswith(path)]
        again = await server.check(item)
        assert not [change for change in again.changes() if not change.noise]
    assert not (await server.live("DaemonSet"))["spec"]["template"]["spec"].get("hostNetwork")
