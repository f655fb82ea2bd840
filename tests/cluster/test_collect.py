"""All facts of the sandbox's scenarios, and what a person with few rights gets of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.conftest import Opened
from tests.cluster.manifests import adjusted
from tests.facts_for_tests import judged
from wizard.cluster import ApiRefusal, Gateway
from wizard.cluster.refusals import Target
from wizard.engine.collect import collect, load_facts, rights_for_plan, rights_for_pods, save_facts
from wizard.errors import InputError
from wizard.facts.cluster import ClusterFacts, ClusterIdentity, KubernetesObject, NodeFacts
from wizard.manifest import enforced_level
from wizard.manifest.asking import check_objects


async def test_an_admin_gets_everything(opened: Opened) -> None:
    told: list[NodeFacts] = []
    totals: set[int | None] = set()
    async with opened("mixed") as (_, gateway):
        for item in adjusted():
            await gateway.apply(item)

        def on_nodes(nodes: tuple[NodeFacts, ...], total: int | None) -> None:
            told.extend(nodes)
            totals.add(total)

        facts = await collect(gateway, on_nodes=on_nodes)
    assert facts.nodes == tuple(told)
    # In the middle of a page it is not known how many there are.
    assert totals - {None} == {len(told)}
    assert facts.unread == ()
    assert facts.missing_rights() == ()
    wanted = (*rights_for_plan(), *rights_for_pods("default"))
    assert [str(right) for right in facts.rights] == [str(right) for right in wanted]
    assert set(facts.objects) == {"Namespace", "ResourceQuota", "ConfigMap", "DaemonSet"}
    assert facts.objects["DaemonSet"]["metadata"]["managedFields"]
    identity = facts.identity
    assert (identity.sandbox, identity.version, identity.user) == ("mixed", "v1.36.2", "admin")
    assert identity.uid
    assert abs(facts.clock_skew) < 2


async def test_someone_with_few_rights_gets_the_rest(opened: Opened) -> None:
    async with opened("restricted") as (_, gateway):
        facts = await collect(gateway)
    missing = {str(right) for right in facts.missing_rights()}
    assert "patch nodes" in missing
    assert all(one.message and one.verb in ("get", "list") for one in facts.unread)


async def test_another_fuse_plugin_is_found(opened: Opened) -> None:
    async with opened("mixed") as (_, gateway):
        daemon_set = adjusted()[-1]
        daemon_set["metadata"] |= {"name": "fuse", "namespace": "kube-system"}
        daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] = "soolaugust/fuse-device-plugin:v1.0"
        await gateway.apply(daemon_set)
        facts = await collect(gateway)
    assert [(one.namespace, one.name) for one in facts.device_plugins] == [("kube-system", "fuse")]


async def test_the_levels_of_the_borrowed_namespace_stay_its_own(opened: Opened) -> None:
    async with opened("mixed") as (_, gateway):
        labels = {"pod-security.kubernetes.io/enforce": "baseline"}
        await gateway.patch("Namespace", "default", {"metadata": {"labels": labels}})
        before = await collect(gateway)
        checks = await check_objects(gateway, adjusted())
        after = await collect(gateway)
    assert any("would violate PodSecurity" in warning for warning in after.warnings)
    assert {check.change for check in checks} == {"create"}
    assert enforced_level(before) == enforced_level(after) == ("", "")
    # That level answered first: neither a default of the cluster nor its policies have been heard.
    told = {one.id: one for one in judged(before).prerequisites}
    for rule in ("adm.psa-namespace", "adm.webhook"):
        assert told[rule].outcome == "unknown"
        assert told[rule].title.startswith("Unknown until the namespace exists")
        assert 'violates PodSecurity "baseline:latest"' in told[rule].evidence[0]
        assert told[rule].remedies == ()


async def test_a_borrowed_namespace_that_lets_everything_in_hears_the_policies(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "pods is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no host paths"

    async def refuse(self: Gateway, item: KubernetesObject, **_: bool) -> KubernetesObject:
        raise ApiRefusal(Target("create", "pods", namespace="default"), 422, {"message": said})

    async with opened("mixed") as (_, gateway):
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}  # as OpenShift has it
        await gateway.patch("Namespace", "default", {"metadata": {"labels": labels}})
        monkeypatch.setattr(Gateway, "create", refuse)
        facts = await collect(gateway)
    assert facts.pod_refusal == said


async def test_a_webhook_that_does_not_answer_is_not_one_that_agrees(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        'Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: Post '
        '"https://kyverno-svc.kyverno.svc:443/validate/fail?timeout=10s": no endpoints available for service'
    )

    async def fail(self: Gateway, item: KubernetesObject, **_: bool) -> KubernetesObject:
        raise ApiRefusal(Target("create", "pods", namespace="default"), 500, {"message": said})

    monkeypatch.setattr(Gateway, "create", fail)
    async with opened("mixed") as (_, gateway):
        facts = await collect(gateway)
    finding = next(one for one in judged(facts).prerequisites if one.id == "adm.webhook")
    assert (finding.outcome, finding.title) == ("warning", "An admission webhook does not respond")
    assert said in finding.evidence[0]


async def test_facts_come_back_from_a_file(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    async with opened("mixed") as (_, gateway):
        for item in adjusted():
            await gateway.apply(item)
        facts = await collect(gateway)
    save_facts(facts, path)
    assert load_facts(path) == facts
    assert path.stat().st_mode & 0o777 == 0o600
    assert "sandbox-admin-" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "line", "said"), [("{\n x", 2, "not JSON"), ("[]", 0, "not a facts file"), ('{"facts": 1}', 0, "not a")]
)
def test_other_files_are_refused(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        load_facts(path)
    assert caught.value.line == line
    with pytest.raises(InputError, match="does not exist"):
        load_facts(tmp_path / "none")


def test_a_facts_file_whose_labels_are_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    identity = ClusterIdentity("c", "s", "v1", "Kubernetes")
    facts = ClusterFacts("2026-01-01T00:00:00Z", identity, nodes=(NodeFacts("a", {}),))
    document = facts.to_json()
    document["nodes"][0]["labels"] = [1]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError):
        load_facts(path)
