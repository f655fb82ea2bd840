"""The contract: each request that was put to a real kube-apiserver 1.36.2, put to the sandbox, in the same order.

Status, headers and the whole body are compared: every key, every type, every value, but for times, uids, versions,
addresses and generated names. What is left out stands in LEFT_OUT, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from tests.sandbox.contract import comparable, differences, recordings
from wizard.sandbox import Sandbox
from wizard.sandbox.scenarios import scenario
from wizard.sandbox.store import Object

NAMESPACE = "smarter-device-manager"
DAEMON_SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{NAMESPACE}"
QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/{NAMESPACE}"
LABEL = {"metadata": {"labels": {NAMESPACE: "enabled"}}}

LEFT_OUT: dict[int, dict[str, str]] = {
    1: {
        ".gitCommit": "the recorded server was built without saying so",
        ".gitTreeState": "likewise",
        ".buildDate": "likewise",
    },
    4: {".groups": "the recording shows two groups of many; the sandbox has a third besides, authentication.k8s.io"},
    5: {
        ".resources": "the recording shows some resources of many; the sandbox has secrets and serviceaccounts besides"
    },
    16: {".description": "columns are described in the sandbox's own words"},
    55: {".items": "how many events there are depends on how often the controller has tried again; each is compared"},
    60: {".items": "likewise"},
    64: dict.fromkeys(
        (".managedFields", ".conditions[2].status", ".conditions[3].status", ".started", "kubernetes.io/zone"),
        "alike nodes are in different zones; the recorded kubelet, a stand-in, called a pod that had ended ready",
    ),
    66: dict.fromkeys(
        (".managedFields", ".conditions[2].status", ".conditions[3].status", ".started", "kubernetes.io/zone"), "as 64"
    ),
}
"""By number: parts of paths that are not compared."""


class Replay:
    """A sandbox in the state of the recorded cluster."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.tokens: dict[str, str] = {}
        """Where a list goes on: the sandbox's token by the recorded one."""
        self.versions: dict[str, str] = {}
        """The sandbox's resource version by the recorded one."""

    def headers(self, user: str) -> dict[str, str]:
        agent = {"User-Agent": "python-requests/2.32.3"}
        if user == "anonymous":
            return agent
        if user == "bad":
            return agent | {"Authorization": "Bearer no-such-token"}
        token = self.sandbox.kubeconfig(user)["users"][0]["user"]["token"]
        return agent | {"Authorization": f"Bearer {token}"}

    def with_our_versions(self, body: Any) -> Any:
        """A request's body with the resource versions of the sandbox for those of the recorded cluster."""
        if isinstance(body, list):
            return [
                {**one, "value": self.versions.get(one["value"], one["value"])}
                if isinstance(one, dict) and one.get("path") == "/metadata/resourceVersion"
                else one
                for one in body
            ]
        if isinstance(body, dict) and (version := body.get("metadata", {}).get("resourceVersion")):
            metadata = {**body["metadata"], "resourceVersion": self.versions.get(version, version)}
            return {**body, "metadata": metadata}
        return body

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        async with self.session.request(
            method,
            path,
            data=None if body is None else json.dumps(body),
            headers=self.headers("admin") | {name.replace("_", "-"): value for name, value in headers.items()},
        ) as response:
            return await response.json()

    async def until(self, path: str, condition: Callable[[Any], bool]) -> None:
        """Waits until what is at a path fulfils a condition."""
        async with asyncio.timeout(10):
            while True:
                if condition(await self.ask("GET", path)):
                    return
                await asyncio.sleep(0.01)

    async def label(self, *names: str) -> None:
        for name in names:
            await self.ask("PATCH", f"/api/v1/nodes/{name}", LABEL, Content_Type="application/merge-patch+json")

    async def observed(self, generation: int) -> None:
        await self.until(DAEMON_SET, lambda found: found["status"].get("observedGeneration") == generation)


# what happened between the recorded requests


async def _observed_1(replay: Replay) -> None:
    await replay.observed(1)


async def _observed_2(replay: Replay) -> None:
    await replay.observed(2)


async def _first_pod_started(replay: Replay) -> None:
    await replay.label("node-00010")
    await replay.until(DAEMON_SET, lambda found: found["status"]["currentNumberScheduled"] == 1)


async def _first_pod_ready(replay: Replay) -> None:
    await replay.until(DAEMON_SET, lambda found: found["status"]["numberReady"] == 1)


async def _quota_used_up(replay: Replay) -> None:
    quota = recordings()[34]["request"]["body"]
    quota = {**quota, "spec": {**quota["spec"], "hard": {"pods": 3}}}
    await replay.ask("PATCH", f"{QUOTA}?fieldManager=podman-wizard", quota, Content_Type="application/apply-patch+yaml")
    await replay.until(QUOTA, lambda found: found["status"].get("hard") == {"pods": "3"})
    await replay.label(*(f"node-000{n}" for n in range(11, 21)))
    await replay.until(
        DAEMON_SET,
        lambda found: found["status"]["desiredNumberScheduled"] == 11 and found["status"]["numberReady"] == 3,
    )


async def _refused_by_pod_security(replay: Replay) -> None:
    await replay.until(
        f"/apis/apps/v1/namespaces/psa-restricted/daemonsets/{NAMESPACE}",
        lambda found: found["status"].get("numberUnavailable") == 11,
    )
    await replay.until(
        "/api/v1/namespaces/psa-restricted/events?fieldSelector=type%3DWarning", lambda found: bool(found["items"])
    )


async def _verified(replay: Replay) -> None:
    await replay.until(
        "/api/v1/namespaces/default/pods/podman-check", lambda found: found["status"]["phase"] == "Succeeded"
    )


async def _namespace_emptied(replay: Replay) -> None:
    def empty(found: Any) -> bool:
        conditions = {one["type"]: one["status"] for one in found["status"].get("conditions", ())}
        return conditions.get("NamespaceContentRemaining") == "False"

    await replay.until(f"/api/v1/namespaces/{NAMESPACE}", empty)


async def _observed(replay: Replay) -> None:
    await replay.until(
        DAEMON_SET, lambda found: found["status"].get("observedGeneration") == found["metadata"]["generation"]
    )


async def _quota_counted(replay: Replay) -> None:
    await replay.until(QUOTA, lambda found: found["status"].get("hard") == found["spec"]["hard"])


async def _observed_and_counted(replay: Replay) -> None:
    await _observed(replay)
    await _quota_counted(replay)


TAKING_OVER = 72
"""From this one on the recordings are of a second cluster, without nodes, to which the guide was given by kubectl."""
BEFORE: dict[int, Callable[[Replay], Awaitable[None]]] = {
    45: _observed_1,
    48: _observed_2,
    49: _first_pod_started,
    50: _first_pod_ready,
    54: _quota_used_up,
    59: _refused_by_pod_security,
    64: _verified,
    69: _namespace_emptied,
    76: _observed_and_counted,
    86: _observed,
    87: _observed,
    88: _observed,
    90: _observed,
    91: _observed,
    92: _observed,
    94: _observed,
    95: _observed,
    97: _observed,
    99: _observed,
    102: _observed,
    104: _observed,
    110: _quota_counted,
}


def recorded_cluster() -> dict[str, Any]:
    """Sixty nodes, of which the recordings show seven."""
    return {
        "users": {"admin": {"all": True}, "limited": {"rules": []}},
        "nodes": [
            {
                "name": f"node-{n:05d}",
                "system": "ubuntu-22.04",
                "log-error": "dial tcp: lookup {node} on 10.255.255.53:53: no such host",
            }
            for n in range(60)
        ],
    }


def put_recorded_nodes(replay: Replay) -> None:
    """Lets the nodes be as they were recorded, those that were not shown like their neighbour."""
    told = recordings()
    shown = {one["metadata"]["name"]: one for number in (12, 13) for one in told[number]["response"]["body"]["items"]}
    shown["node-00010"] = told[21]["response"]["body"]
    store = replay.sandbox._simulation.cluster.store
    for n in range(60):
        name = f"node-{n:05d}"
        node: Object = shown.get(name) or shown["node-00003"]
        metadata = {**node["metadata"], "name": name}
        metadata["labels"] = {
            **metadata["labels"],
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": f"z{n % 3}",
        }
        store.put("nodes", {**node, "kind": "Node", "apiVersion": "v1", "metadata": metadata})


async def test_every_recorded_request_is_answered_as_the_real_server_answered_it() -> None:
    cluster = scenario("recorded", recorded_cluster())
    async with await Sandbox.start(cluster, speed=4) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        replay = Replay(sandbox, session)
        put_recorded_nodes(replay)
        wrong = await _played(replay, range(1, TAKING_OVER))
    assert not wrong, "\n".join(wrong)


async def test_taking_over_what_kubectl_applied_goes_as_on_the_real_server() -> None:
    cluster = scenario("taking over", {"users": {"admin": {"all": True}}, "nodes": []})
    async with await Sandbox.start(cluster, speed=4) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        replay = Replay(sandbox, session)
        wrong = await _played(replay, range(TAKING_OVER, 1000))
    assert not wrong, "\n".join(wrong)


async def _played(replay: Replay, numbers: range) -> list[str]:
    """Returns what the sandbox answers differently, one line for each difference."""
    wrong: list[str] = []
    for number, recording in recordings().items():
        if number not in numbers:
            continue
        if number in BEFORE:
            await BEFORE[number](replay)
        wrong += [f"{number} {recording['title']}: {line}" for line in await _replayed(replay, number, recording)]
    return wrong


async def _replayed(replay: Replay, number: int, recording: dict[str, Any]) -> list[str]:
    request, expected = recording["request"], recording["response"]
    body, path = replay.with_our_versions(request["body"]), request["path"]
    for theirs, ours in replay.tokens.items():
        path = path.replace(theirs, ours)
    content = None if body is None else body if isinstance(body, str) else json.dumps(body)
    headers = replay.headers(recording["as"]) | request["headers"]
    async with replay.session.request(request["method"], path, data=content, headers=headers) as response:
        found = [] if response.status == expected["status"] else [f"status {response.status}, not {expected['status']}"]
        for name, value in expected["headers"].items():
            if response.headers.get(name) != value:
                found.append(f"header {name}: recorded {value!r}, answered {response.headers.get(name)!r}")
        if "Warning" in response.headers and "Warning" not in expected["headers"]:
            found.append(f"a warning that the real server does not give: {response.headers['Warning']}")
        if isinstance(expected["body"], str):
            answered: Any = await response.text()
        elif isinstance(expected["body"], list):
            answered = [json.loads(await response.content.readline()) for _ in expected["body"]]
        else:
            answered = await response.json()
    if isinstance(answered, dict) and (token := answered.get("metadata", {}).get("continue")):
        replay.tokens[expected["body"]["metadata"]["continue"]] = token
    if isinstance(answered, dict) and (version := answered.get("metadata", {}).get("resourceVersion")):
        replay.versions[expected["body"].get("metadata", {}).get("resourceVersion", "")] = version
    return found + [line for line in _compared(number, expected["body"], answered) if not _left_out(number, line)]


def _compared(number: int, recorded: Any, answered: Any) -> list[str]:
    if number == 4:
        listed = answered["groups"]
        return [f"group missing: {one}" for one in recorded["groups"] if one not in listed]
    if number == 5:
        listed = answered["resources"]
        missing = [f"resource missing: {one}" for one in recorded["resources"] if one not in listed]
        return missing + differences({**recorded, "resources": []}, {**answered, "resources": []})
    if number in (55, 60):
        # each of the sandbox's events is one of those that the real controllers write
        shape = comparable(recorded["items"][0])
        lines = differences(comparable({**recorded, "items": []}), comparable({**answered, "items": []}))
        for item in answered["items"]:
            counted = {**comparable(item), "count": shape["count"]}
            counted["message"] = counted["message"].removeprefix("(combined from similar events): ")
            lines += differences(shape, counted, ".items[]")
        return lines if answered["items"] else ["no events"]
    if number == 16:
        for table in (recorded, answered):
            for row in table["rows"]:
                row["cells"][3] = "<age>"
    if number in (64, 65, 66):  # of the nodes that are alike, the two schedulers take different ones
        recorded, answered = (
            json.loads(re.sub(r"node-\d{5}", "node", json.dumps(one))) for one in (recorded, answered)
        )
    return differences(comparable(recorded), comparable(answered))


def _left_out(number: int, line: str) -> bool:
    return any(part in line.partition(": ")[0] for part in LEFT_OUT.get(number, ()))
