from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.api import APPLY, NAMESPACE, guide, running
from wizard.errors import UsageError
from wizard.sandbox import SCENARIOS, Sandbox
from wizard.sandbox.faults import FaultPlan
from wizard.sandbox.scenarios import Faults


def test_naming_the_scenarios_costs_no_server() -> None:
    code = "import sys; from wizard.sandbox import SCENARIOS; print(*SCENARIOS); print('aiohttp' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out[0].split()[0] == "mixed"
    expected = {"mixed", "large", "quota", "restricted", "enforced", "owned", "failing", "flaky", "empty", "autoscaled"}
    assert set(out[0].split()) >= expected
    assert out[1] == "False"


@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_every_scenario_starts_and_tells_what_it_is(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.title
    assert scenario.description
    async with await Sandbox.start(name, speed=100) as sandbox:
        assert sandbox.scenario == name
        count = sum(group.count for group in scenario.node_groups)
        assert sandbox._simulation.cluster.store.count("nodes") == count


async def test_an_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="nonsense") as caught:
        await Sandbox.start("nonsense")
    assert "mixed" in caught.value.todo


async def test_each_start_is_a_cluster_of_its_own() -> None:
    async with running() as one, running() as other:
        for api in (one, other):
            found = await api.get("/api/v1/namespaces/kube-system")
            assert found["metadata"]["uid"] == api.sandbox.identity
        assert one.sandbox.identity != other.sandbox.identity


async def test_the_kubeconfig_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("")
    async with await Sandbox.start("restricted") as sandbox:
        sandbox.write_kubeconfig(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        written = json.loads(path.read_text())
        assert written == sandbox.kubeconfig()
        assert written["current-context"] == "sandbox-restricted"
        assert written["contexts"][0]["context"]["user"] == "developer"
        assert sandbox.users == ("developer", "viewer", "watcher", "admin")


async def test_a_path_may_name_the_user_for_clients_that_keep_tokens_to_themselves() -> None:
    async with running("restricted") as api, aiohttp.ClientSession() as session:
        for user, status in (("admin", 200), ("viewer", 403), ("nobody", 403)):
            async with session.get(f"{api.sandbox.url}/as/{user}/api/v1/nodes") as response:
                assert response.status == status
        headers = {"Authorization": "Bearer wrong"}
        async with session.get(f"{api.sandbox.url}/as/admin/api/v1/nodes", headers=headers) as response:
            assert response.status == 401


async def test_few_rights() -> None:
    async with running("restricted") as api:
        assert len(await api.node_names()) == 6
        label = {"metadata": {"labels": {"a": "b"}}}
        refused = await api.patch("/api/v1/nodes/worker-1", label)
        assert refused.message == (
            'nodes "worker-1" is forbidden: User "developer" cannot patch resource "nodes" in API group "" at the '
            "cluster scope"
        )
        for path, body in guide().items():
            assert (await api.apply(path, body)).status == 403
        viewer = api.user("viewer")
        assert (await viewer.ask("GET", "/api/v1/nodes")).status == 403
        assert (await viewer.ask("GET", "/api/v1/namespaces/default/pods")).status == 200
        who = await viewer.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert who.body["status"]["userInfo"]["username"] == "viewer"


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("list", {"resource": "nodes"}, True),
        ("patch", {"resource": "nodes"}, False),
        ("get", {"resource": "pods", "subresource": "log", "namespace": "default"}, True),
        ("create", {"resource": "pods", "namespace": "default"}, True),
        ("create", {"resource": "pods", "namespace": "smarter-device-manager"}, False),
        ("patch", {"resource": "daemonsets", "group": "apps", "namespace": "x"}, False),
    ],
)
async def test_access_reviews(verb: str, resource: dict[str, str], allowed: bool) -> None:
    body = {"spec": {"resourceAttributes": {"verb": verb, **resource}}}
    async with running("restricted") as api:
        reply = await api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
        assert (reply.status, reply.body["status"]["allowed"]) == (201, allowed)


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz", "/version"])
async def test_health_is_for_everybody(path: str) -> None:
    async with running() as api, aiohttp.ClientSession() as session, session.get(api.sandbox.url + path) as response:
        assert response.status == 200


async def test_a_deletion_with_a_body_ignores_its_query() -> None:
    async with running() as api:
        path = "/api/v1/namespaces/default/pods/trial"
        pod = {"metadata": {"name": "trial"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
        assert (await api.ask("POST", "/api/v1/namespaces/default/pods", json.dumps(pod))).status == 201
        for query, body in (("?dryRun=All", ""), ("", '{"dryRun": ["All"]}')):
            assert (await api.ask("DELETE", path + query, body)).status == 200
            assert "deletionTimestamp" not in (await api.get(path))["metadata"]
        assert (await api.ask("DELETE", f"{path}?dryRun=All", '{"gracePeriodSeconds": 0}')).status == 200
        assert (await api.ask("GET", path)).status == 404


async def test_what_a_method_media_type_or_option_is_refused_with() -> None:
    async with running() as api:
        assert (await api.ask("POST", "/api/v1/namespaces/default")).status == 405
        assert (await api.ask("PUT", "/api/v1/nodes")).status == 405
        assert (await api.ask("GET", "/api/v1/nodes", Accept="text/html")).status == 406
        assert (await api.patch("/api/v1/namespaces/default", {}, "text/plain")).status == 415
        dry = await api.patch("/api/v1/namespaces/default?dryRun=Some", {})
        assert (dry.status, dry.body["details"]["causes"][0]["field"]) == (422, "dryRun")
        assert (await api.patch("/api/v1/namespaces/default?force=true", {})).status == 422
        assert (await api.ask("POST", "/api/v1/namespaces", "{")).status == 400


POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
MEMORY = {"limits": {"memory": "1.2.3"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/api/v1/nodes?limit=few", None, 'parsing "few": invalid syntax'),
        ("GET", "/api/v1/nodes?watch=true&resourceVersion=x", None, 'parsing "x": invalid syntax'),
        ("GET", "/api/v1/nodes?watch=true&timeoutSeconds=soon", None, 'parsing "soon": invalid syntax'),
        ("GET", "/api/v1/nodes?labelSelector=a%3Eb", None, "the value must be an integer"),
        ("GET", "/api/v1/nodes?labelSelector=a%3E", None, "the value must be an integer"),
        ("POST", "/api/v1/namespaces/default/pods", {**POD, "metadata": "p"}, "cannot be handled as a Pod"),
        (
            "POST",
            "/api/v1/namespaces/default/pods",
            {**POD, "spec": {"containers": [{"name": "c", "image": "i:1", "resources": MEMORY}]}},
            "quantities must match the regular expression",
        ),
    ],
)
async def test_what_cannot_be_read_is_refused_as_a_bad_request(method: str, path: str, body: Any, said: str) -> None:
    async with running("mixed") as api:
        reply = await api.ask(method, path, body)
    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert said in reply.message


async def test_patch_formats() -> None:
    path = "/api/v1/namespaces/default"
    async with running() as api:
        steps: list[tuple[str, Any]] = [
            ("application/merge-patch+json", {"metadata": {"labels": {"a": "1"}}}),
            ("application/strategic-merge-patch+json", {"metadata": {"labels": {"b": "2"}}}),
            ("application/json-patch+json", [{"op": "add", "path": "/metadata/labels/c~1d", "value": "3"}]),
        ]
        for how, body in steps:
            assert (await api.patch(path, body, how)).status == 200
        labels = (await api.get(path))["metadata"]["labels"]
        assert labels == {"kubernetes.io/metadata.name": "default", "a": "1", "b": "2", "c/d": "3"}
        wrong = await api.patch(path, [{"op": "remove", "path": "/metadata/labels/x"}], "application/json-patch+json")
        assert wrong.status == 422


async def test_put_and_its_conflict() -> None:
    path = f"{NAMESPACE}/configmaps/a"
    async with running() as api:
        await api.apply(NAMESPACE, guide()[NAMESPACE])
        await api.ask("POST", f"{NAMESPACE}/configmaps", {"metadata": {"name": "a"}, "data": {"x": "1"}})
        live = await api.get(path)
        assert (await api.ask("PUT", path, {**live, "data": {"x": "2"}})).body["data"] == {"x": "2"}
        stale = await api.ask("PUT", path, {**live, "data": {"x": "3"}})
        assert (stale.status, stale.body["reason"]) == (409, "Conflict")


async def test_preconditions_of_a_deletion() -> None:
    async with running("mixed") as api:
        body = {"preconditions": {"uid": "another"}}
        reply = await api.ask("DELETE", "/api/v1/nodes/talos-a7k-m2p", body)
        assert (reply.status, reply.body["reason"]) == (409, "Conflict")


async def test_an_apply_may_be_yaml() -> None:
    async with running() as api:
        text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  annotations: {since: 2026-01-01}\n"
        reply = await api.patch("/api/v1/namespaces/x?fieldManager=me", text, APPLY)
        assert reply.body["metadata"]["annotations"] == {"since": "2026-01-01"}


async def test_a_flaky_server_fails_in_the_same_places() -> None:
    async def outcomes(seed: int) -> list[str]:
        found = []
        async with running("flaky", seed=seed) as api:
            for number in range(150):
                try:
                    reply = await api.ask("GET", f"/api/v1/nodes/worker-{number + 1:03d}")
                    found.append(str(reply.status))
                    if reply.status == 429:
                        assert reply.headers["Retry-After"] == "1"
                except aiohttp.ClientError as error:
                    found.append(type(error).__name__)
        return found

    first, second, other = await asyncio.gather(outcomes(1), outcomes(1), outcomes(2))
    assert first == second
    assert first != other
    assert 1 <= sum(one != "200" for one in first) <= 25


def test_faults_do_not_depend_on_other_requests() -> None:
    faults = Faults(too_many_requests=0.2, reset=0.2, slow=0.1)
    one, other = FaultPlan(faults, 7), FaultPlan(faults, 7)
    paths = [f"/{n}" for n in range(200)]
    first = {path: one.next_fault("GET", path) for path in paths}
    for path in reversed(paths):
        assert other.next_fault("GET", path) == first[path]
    share = sum(bool(fault) for fault in first.values()) / len(first)
    assert 0.35 < share < 0.65
    assert not FaultPlan(Faults(), 7).any
