"""What goes wrong on the way, as a person meets it: each command ends with a clear outcome, and nothing half done.

A proxy stands between the wizard and a sandbox. It passes everything on but what the test has it answer itself.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.clusters import Ended, command
from wizard.sandbox import Sandbox

Answer = Callable[[web.Request], web.Response | None]
NAMESPACED = "/namespaces/smarter-device-manager/"


def refusal(code: int, reason: str, message: str, **details: Any) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return web.json_response({**body, "reason": reason, "message": message, "details": details}, status=code)


@dataclass
class Between:
    """The proxy: ``answer`` gives what it says itself, None for what it passes on."""

    kubeconfig: Path
    answer: Answer = lambda request: None
    skew: timedelta = timedelta()
    changes: list[str] = field(default_factory=list)
    """What was changed in the cluster: method and path, dry runs left out."""

    async def run(self, *arguments: str) -> Ended:
        return await command(*arguments, "--kubeconfig", str(self.kubeconfig))

    async def check(self, name: str) -> Any:
        ended = await self.run("check", "-o", "json")
        return next(one for one in ended.document["findings"] if one["id"] == name)


@asynccontextmanager
async def between(scenario: str, folder: Path) -> AsyncIterator[Between]:
    async with await Sandbox.start(scenario, speed=100) as sandbox, aiohttp.ClientSession() as session:
        proxy = Between(folder / "kubeconfig")

        async def handle(request: web.Request) -> web.StreamResponse:
            own = proxy.answer(request)
            if own is not None:
                return own
            if request.method in ("POST", "PATCH", "DELETE") and "dryRun" not in request.query:
                proxy.changes.append(f"{request.method} {request.path}")
            headers = {name: text for name, text in request.headers.items() if name != "Host"}
            async with session.request(
                request.method, sandbox.url + request.raw_path, data=await request.read(), headers=headers
            ) as got:
                body = await got.read()
                kept = {name: text for name, text in got.headers.items() if name in ("Content-Type", "Warning")}
                answer = web.Response(status=got.status, body=body, headers=kept)
                answer.headers["Date"] = format_datetime(datetime.now(UTC) + proxy.skew, usegmt=True)
                return answer

        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        config = sandbox.kubeconfig()
        server = config["clusters"][0]["cluster"]["server"]
        here = f"http://127.0.0.1:{runner.addresses[0][1]}"
        config["clusters"][0]["cluster"]["server"] = server.replace(sandbox.url, here)
        proxy.kubeconfig.write_text(json.dumps(config))
        try:
            yield proxy
        finally:
            await runner.cleanup()


def on(method: str, part: str, answer: web.Response, *, dry_run: bool | None = None) -> Answer:
    """That answer to requests with this method and this part in their path."""

    def give(request: web.Request) -> web.Response | None:
        if request.method != method or part not in request.path:
            return None
        if dry_run is not None and ("dryRun" in request.query) != dry_run:
            return None
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")

    return give


WEBHOOK = 'admission webhook "validate.kyverno.svc-fail" denied the request: no host paths'
FORBIDDEN = 'configmaps "smarter-device-manager" is forbidden: User "dev" cannot patch resource "configmaps"'
INVALID = "DaemonSet.apps is invalid: spec.selector: Invalid value: field is immutable"
CAUSES = [{"reason": "FieldValueInvalid", "message": "Invalid value: field is immutable", "field": "spec.selector"}]


@pytest.mark.parametrize(
    ("part", "answer", "said"),
    [
        (f"{NAMESPACED}configmaps", refusal(403, "Forbidden", FORBIDDEN), "cannot patch resource"),
        (f"{NAMESPACED}daemonsets", refusal(400, "", WEBHOOK), "An admission webhook rejected it"),
        (
            f"{NAMESPACED}daemonsets",
            refusal(422, "Invalid", INVALID, causes=CAUSES),
            "field is immutable",
        ),
        (
            f"{NAMESPACED}daemonsets",
            refusal(409, "Conflict", "Operation cannot be fulfilled: the object has been modified"),
            "has been modified",
        ),
        (f"{NAMESPACED}resourcequotas", refusal(500, "InternalError", "etcdserver: no leader"), "no leader"),
    ],
    ids=["403", "webhook", "422", "409", "500"],
)
async def test_one_object_of_four_that_is_refused_is_named_and_the_others_are_told(
    part: str, answer: web.Response, said: str, tmp_path: Path
) -> None:
    async with between("mixed", tmp_path) as proxy:
        proxy.answer = on("PATCH", part, answer, dry_run=False)
        ended = await proxy.run("manifest", "apply")
        told = ended.out + ended.error
        # An object that never comes to rest is a conflict, as one that changed after the plan was made.
        assert ended.code == (5 if answer.status == 409 else 3), told
        assert said in " ".join(told.split())
        assert "Traceback" not in told


async def test_after_one_object_was_refused_the_rest_is_applied_and_all_of_it_taken_back(tmp_path: Path) -> None:
    async with between("mixed", tmp_path) as proxy:
        proxy.answer = on("PATCH", f"{NAMESPACED}configmaps", refusal(403, "Forbidden", FORBIDDEN), dry_run=False)
        assert (await proxy.run("manifest", "apply")).code == 3
        proxy.answer = lambda request: None
        again = await proxy.run("manifest", "apply")
        assert again.code == 0, again.error
        # What is as it should be is not applied again.
        assert "Namespace" not in again.out
        assert "ConfigMap smarter-device-manager: created" in again.out
        undone = await proxy.run("undo", "--all", "--yes")
        assert undone.code == 0, undone.error
        assert "DELETE" in " ".join(proxy.changes)


async def test_credentials_that_end_in_the_middle_end_the_apply_and_say_so(tmp_path: Path) -> None:
    async with between("mixed", tmp_path) as proxy:
        answer = refusal(401, "Unauthorized", "Unauthorized")
        proxy.answer = on("PATCH", f"{NAMESPACED}daemonsets", answer, dry_run=False)
        ended = await proxy.run("manifest", "apply")
    assert ended.code == 3
    assert "(401 Unauthorized)" in ended.out + ended.error
    # The simulated server speaks http, to which no credentials are sent: logging in again would not help.
    assert "no credentials are sent, as with kubectl" in ended.out + ended.error


async def test_a_node_that_is_gone_when_it_is_labelled_is_named_and_the_others_get_theirs(tmp_path: Path) -> None:
    async with between("quota", tmp_path) as proxy:
        gone = refusal(404, "NotFound", 'nodes "worker-07" not found')
        proxy.answer = on("PATCH", "/nodes/worker-07", gone)
        ended = await proxy.run("nodes", "label", "--all")
        labelled = sum(change.startswith("PATCH") and "/nodes/" in change for change in proxy.changes)
    told = ended.out + ended.error
    assert ended.code == 0, told
    assert "1 node no longer exists: worker-07." in told
    assert "done: 79 of 80 nodes labeled, 1 no longer exists" in told
    assert labelled == 79


async def test_a_namespace_that_is_being_deleted_stops_check_and_run_before_anything_changes(tmp_path: Path) -> None:
    live = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "smarter-device-manager", "uid": "u", "deletionTimestamp": "2026-11-24T10:00:00Z"},
        "status": {"phase": "Terminating"},
    }
    answers = tmp_path / "answers.yaml"
    answers.write_text("security-modules: {acknowledged: true}\n")

    def terminating(request: web.Request) -> web.Response | None:
        path = request.path.rpartition("/api/v1")[2]
        return (
            web.json_response(live) if (request.method, path) == ("GET", "/namespaces/smarter-device-manager") else None
        )

    async with between("mixed", tmp_path) as proxy:
        proxy.answer = terminating
        assert (await proxy.check("namespace.terminating"))["outcome"] == "blocker"
        ended = await proxy.run("run", "--answers", str(answers), "--yes")
        assert ended.code == 1
        assert "is being deleted" in ended.out + ended.error
        assert [change for change in proxy.changes if "selfsubject" not in change] == []


async def test_an_apply_into_a_namespace_that_goes_away_meanwhile_says_why(tmp_path: Path) -> None:
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace is being terminated",
        "field": "metadata.namespace",
    }
    message = (
        'configmaps "smarter-device-manager" is forbidden: unable to create new content in namespace '
        "smarter-device-manager because it is being terminated"
    )
    async with between("mixed", tmp_path) as proxy:
        answer = refusal(403, "Forbidden", message, causes=[cause])
        proxy.answer = on("PATCH", f"{NAMESPACED}configmaps", answer, dry_run=False)
        ended = await proxy.run("manifest", "apply")
    told = " ".join((ended.out + ended.error).split())
    assert ended.code == 3
    assert "being terminated" in told
    assert "Wait until it is gone" in told


@pytest.mark.parametrize(("minutes", "outcome", "said"), [(0, "ok", "agree"), (-3, "warning", "behind this machine")])
async def test_the_servers_clock_is_compared_with_ours(minutes: int, outcome: str, said: str, tmp_path: Path) -> None:
    async with between("restricted", tmp_path) as proxy:
        proxy.skew = timedelta(minutes=minutes)
        finding = await proxy.check("kube.clock-skew")
    assert finding["outcome"] == outcome
    assert said in finding["title"]


async def test_a_policy_that_refuses_pods_is_a_finding_before_anything_is_applied(tmp_path: Path) -> None:
    async with between("mixed", tmp_path) as proxy:
        proxy.answer = on("POST", "/namespaces/default/pods", refusal(400, "", WEBHOOK), dry_run=True)
        finding = await proxy.check("adm.webhook")
    assert (finding["outcome"], finding["title"]) == ("warning", "An admission policy rejects the device manager")
    assert WEBHOOK in finding["evidence"][0]


TOO_SMALL = 'pods "x" is forbidden: minimum memory usage per Container is 64Mi, but request is 10Mi'
OWN_QUOTA = 'pods "x" is forbidden: exceeded quota: smarter-device-manager, requested: pods=1, used: pods=50'
NO_RIGHT = 'pods is forbidden: User "dev" cannot create resource "pods" in API group "" in the namespace "default"'


REJECTIONS = [
    (403, "Forbidden", TOO_SMALL, "warning", "A LimitRange rejects the device manager"),
    (403, "Forbidden", 'pods "x" is forbidden: whatever a plugin says', "warning", "An admission policy rejects"),
    (400, "BadRequest", "a policy engine with a status of its own", "warning", "An admission policy rejects"),
    (500, "InternalError", 'failed calling webhook "v": timeout', "warning", "An admission webhook does not"),
    (403, "Forbidden", OWN_QUOTA, "ok", "No known admission policy"),
    (403, "Forbidden", NO_RIGHT, "unknown", "Not checked: admission policies"),
    (409, "AlreadyExists", "the object exists", "unknown", "Not checked: admission policies"),
]


async def test_every_rejection_of_the_pod_counts_by_its_status(tmp_path: Path) -> None:
    async with between("coder-v2", tmp_path) as proxy:
        assert (await proxy.run("manifest", "apply")).code == 0
        for code, reason, message, outcome, title in REJECTIONS:
            proxy.answer = on("POST", f"{NAMESPACED}pods", refusal(code, reason, message), dry_run=True)
            ended = await proxy.run("check", "-o", "json")
            found = next(one for one in json.loads(ended.out)["findings"] if one["id"] == "adm.webhook")
            assert (found["outcome"], title in found["title"]) == (outcome, True), (message, found["title"])
