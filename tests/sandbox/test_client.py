"""The sandbox driven by the client that the wizard uses, and by the one that everybody has."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client, config, watch
from kubernetes.aio.client.exceptions import ApiException

from tests.sandbox.api import DAEMON_SET, FUSE, NAME, guide, ready, running
from wizard.sandbox import Sandbox


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncIterator[client.ApiClient]:
    settings = client.Configuration()
    await config.load_kube_config_from_dict(sandbox.kubeconfig(), client_configuration=settings)
    async with client.ApiClient(settings) as connection:
        yield connection


async def test_the_guide_applied_labelled_and_watched() -> None:
    async with running("mixed") as api, connected(api.sandbox) as connection:
        core, apps = client.CoreV1Api(connection), client.AppsV1Api(connection)
        namespace, quota, config_map, daemon_set = guide().values()
        options: dict[str, Any] = {
            "field_manager": "podman-wizard",
            "field_validation": "Strict",
            "_content_type": "application/apply-patch+yaml",
        }
        await core.patch_namespace(NAME, namespace, **options)
        await core.patch_namespaced_resource_quota(NAME, NAME, quota, **options)
        await core.patch_namespaced_config_map(NAME, NAME, config_map, **options)
        dry = await apps.patch_namespaced_daemon_set(NAME, NAME, daemon_set, dry_run="All", **options)
        assert dry.spec.template.spec.containers[0].termination_message_policy == "File"
        await apps.patch_namespaced_daemon_set(NAME, NAME, daemon_set, **options)
        names, token = [], None
        while True:
            page = await core.list_node(limit=5, **({"_continue": token} if token else {}))
            names += [node.metadata.name for node in page.items]
            token = page.metadata._continue
            if not token:
                break
        assert len(names) == 12
        label = {"metadata": {"labels": {NAME: "enabled"}}}
        await asyncio.gather(
            *(core.patch_node(name, label, _content_type="application/merge-patch+json") for name in names)
        )
        async with asyncio.timeout(20), watch.Watch() as watching:
            async for event in watching.stream(apps.list_namespaced_daemon_set, NAME):
                if event["object"].status.number_ready == 8:
                    break
        await api.until("/api/v1/nodes/talos-a7k-m2p", lambda node: FUSE in node["status"]["allocatable"])
        node = await core.read_node("talos-a7k-m2p")
        assert node.status.allocatable[FUSE] == "50"
        pods = await core.list_namespaced_pod(NAME, field_selector="spec.nodeName=talos-a7k-m2p")
        log = await core.read_namespaced_pod_log(pods.items[0].metadata.name, NAME)
        assert "Registered device plugin" in log
        events = await core.list_namespaced_event(NAME, field_selector="reason=SuccessfulCreate")
        assert events.items


async def test_a_conflict_as_the_client_raises_it() -> None:
    async with running("owned") as api, connected(api.sandbox) as connection:
        apps = client.AppsV1Api(connection)
        with pytest.raises(ApiException) as caught:
            await apps.patch_namespaced_daemon_set(
                NAME,
                NAME,
                guide()[DAEMON_SET],
                field_manager="podman-wizard",
                _content_type="application/apply-patch+yaml",
            )
        assert (caught.value.status, caught.value.reason) == (409, "Conflict")
        assert 'conflicts with \\"argocd\\"' in str(caught.value.body)


async def test_an_access_review_as_the_client_asks_for_it() -> None:
    async with running("restricted") as api, connected(api.sandbox) as connection:
        attributes = client.V1ResourceAttributes(verb="patch", resource="nodes")
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        review = client.V1SelfSubjectAccessReview(spec=spec)
        answer = await client.AuthorizationV1Api(connection).create_self_subject_access_review(review)
        assert answer.status.allowed is False


@pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")
async def test_kubectl(tmp_path: Path) -> None:
    async def kubectl(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "kubectl", "--kubeconfig", str(path), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        return out.decode()

    path, manifest = tmp_path / "kubeconfig", tmp_path / "manifest.json"
    async with running("enforced") as api:
        api.sandbox.write_kubeconfig(path)
        assert "talos-1    Ready" in await kubectl("get", "nodes")
        assert await kubectl("auth", "can-i", "patch", "nodes", "--all-namespaces") == "yes\n"
        await api.apply_guide()
        for mode in ("enforce", "warn"):
            await kubectl("label", "namespace", NAME, f"pod-security.kubernetes.io/{mode}=privileged")
        assert "talos-1 labeled" in await kubectl("label", "nodes", "--all", f"{NAME}=enabled")
        await kubectl("-n", NAME, "rollout", "status", f"daemonset/{NAME}", "--timeout=20s")
        assert ready(6)(await api.get(DAEMON_SET))
        manifest.write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}')
        assert await kubectl("apply", "--server-side", "-f", str(manifest)) == "configmap/x serverside-applied\n"
        assert "deleted" in await kubectl("delete", "namespace", NAME)
