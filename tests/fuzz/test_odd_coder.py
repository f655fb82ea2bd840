"""Answers that no Coder gives, of v1 and v2: nothing but an error with a sentence ever comes of them.

The simulated deployments give the answers once; then one of them is damaged at a time, and each way is gone with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from tests.coder.v2_server import ORG, TEMPLATE, TOKEN, Coder
from tests.fuzz.mutations import damaged
from tests.template.templates import pod
from wizard.coder import steps
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.coder.transport import Answer, Transport
from wizard.coder.v2 import looking
from wizard.coder.v2.client import TemplatesClient
from wizard.errors import WizardError
from wizard.policy import PolicyDocument, new_policy
from wizard.sandbox.coder import SandboxCoder

MUTATIONS = 500
SEED = 21
STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 409, 412, 422, 429, 500, 502)

Key = tuple[str, str]
Way = Callable[[Any], Awaitable[None]]


async def way_of_v1(client: CoderClient) -> None:
    json.dumps((await steps.read_status(client)).to_json())
    await steps.require_v1(client)
    prepared = await steps.prepare(client, PolicyDocument.parse(new_policy("podman"), "policy.yaml"), enabling=True)
    steps.impact_lines(prepared.impact)
    json.dumps([row.to_json() for row in prepared.impact])
    await steps.enable_templates(client)
    await steps.upload(client, prepared)


async def way_of_v2(client: TemplatesClient) -> None:
    json.dumps(await looking.read_status(client))
    looked = await looking.look(client, "kubernetes")
    str(looked.denial)
    await client.versions(TEMPLATE)
    await client.logs(looked.active.id, 0)
    await client.templates(ORG)


class Told:
    """The answers of a deployment, kept, so that the next ones are given without it."""

    def __init__(self) -> None:
        self.answers: dict[Key, Answer] = {}
        self.damaged: tuple[Key, Answer] | None = None

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Transport._exchange

        async def exchange(client: Transport, method: str, path: str, **options: Any) -> Answer:
            answer = await real(client, method, path, **options)
            self.answers[method, path] = answer
            return answer

        monkeypatch.setattr(Transport, "_exchange", exchange)

    def tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def exchange(_: Transport, method: str, path: str, **__: Any) -> Answer:
            if self.damaged is not None and self.damaged[0] == (method, path):
                return self.damaged[1]
            return self.answers.get((method, path), Answer(404, {"Content-Type": "application/json"}, b"{}"))

        monkeypatch.setattr(Transport, "_exchange", exchange)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_whatever_coder_answers(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told, random = Told(), Random(SEED)
    server: SandboxCoder | Coder
    client: Transport
    if version == "v1":
        server = await SandboxCoder.start()
        client, way = CoderClient(CoderCredentials(server.url, server.token), environ={}), way_of_v1
    else:
        server = await Coder.with_files({"main.tf": pod()})
        client, way = TemplatesClient(CoderCredentials(server.url, TOKEN), environ={}), way_of_v2  # type: ignore[assignment]
    async with client:
        with monkeypatch.context() as listening:
            told.listen(listening)
            await way(client)  # type: ignore[arg-type]
        await server.stop()
        told.tell(monkeypatch)
        keys = sorted(key for key, answer in told.answers.items() if answer.body[:1] in (b"{", b"["))
        assert len(keys) > 4
        sentences = 0
        for number in range(MUTATIONS):
            key = keys[number % len(keys)]
            answer = told.answers[key]
            body, what = damaged(answer.body, random)
            status = answer.status if random.random() < 0.7 else random.choice(STATUSES)
            told.damaged = key, Answer(status, answer.headers, body)
            try:
                async with asyncio.timeout(30):
                    await way(client)  # type: ignore[arg-type]
            except WizardError as error:
                sentence = str(error)
                sentences += 1
                assert len(sentence) < 20_000, what
                assert "\x1b" not in sentence
                assert "\u202e" not in sentence
                assert server_token(version, server) not in sentence
            except Exception as error:
                raise AssertionError(f"mutation {number}: {key}, status {status}: {what}: {error!r}") from error
    assert sentences > MUTATIONS / 10


def server_token(version: str, server: SandboxCoder | Coder) -> str:
    return server.token if version == "v1" else TOKEN
