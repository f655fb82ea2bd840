"""Answers that no API server gives: nothing but an error with a sentence ever comes of them.

A sandbox and a recorded API server give the answers; one of them is damaged at a time, and the whole way from the
first request to the exported plan is gone with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.mutations import damaged, mutated
from wizard.choices.answers import Answers
from wizard.choices.target import Target as Which
from wizard.cluster import concurrency, transport
from wizard.cluster.conversion import node_facts
from wizard.cluster.refusals import Target
from wizard.cluster.shapes import ITEMS, Odd
from wizard.cluster.transport import Answer, Transport
from wizard.engine import rollout, undo_labels
from wizard.engine.collect import load_facts, save_facts
from wizard.engine.engine import Engine
from wizard.engine.looking import look
from wizard.errors import WizardError
from wizard.handover import write_handover
from wizard.plan.derive import derive
from wizard.plan.judgement import Judgement, Reading
from wizard.sandbox import Sandbox

SCENARIOS = ("owned", "autoscaled")
MUTATIONS = 500
"""How many of the answers of each scenario are damaged, one after the other."""

CONVERTED = 2000
SEED = 20

Key = tuple[str, str, str]
Answers_ = dict[Key, Answer[bytes]]


def key_of(request: Any) -> Key:
    body = json.dumps(request.body, sort_keys=True) if request.method == "POST" else ""
    return request.method, request.path, f"{sorted((request.query or {}).items())} {body}"


class Told:
    """The answers of a server, kept, so that the next ones are given without it."""

    def __init__(self) -> None:
        self.answers: Answers_ = {}
        self.damaged: tuple[Key, Answer[bytes]] | None = None
        self.asked: set[Key] = set()

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Transport._send

        async def send(transport: Transport, request: Any, credential: Any) -> Answer[bytes]:
            answer = await real(transport, request, credential)
            self.answers[key_of(request)] = answer
            return answer

        monkeypatch.setattr(Transport, "_send", send)

    def tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def send(_: Transport, request: Any, __: Any) -> Answer[bytes]:
            key = key_of(request)
            self.asked.add(key)
            if self.damaged is not None and self.damaged[0] == key:
                return self.damaged[1]
            found = self.answers.get(key)
            if found is not None:
                return found
            body = {"kind": "Status", "message": "not found", "reason": "NotFound", "code": 404}
            return Answer(404, {"Content-Type": "application/json"}, json.dumps(body).encode())

        monkeypatch.setattr(Transport, "_send", send)
        monkeypatch.setattr(transport, "_backoff", lambda attempt: 0.0)
        monkeypatch.setattr(concurrency.attempts, "__defaults__", (0.0,))


@asynccontextmanager
async def engine_of(kubeconfig: Path) -> AsyncIterator[Engine]:
    engine = Engine(Which(kubeconfig=str(kubeconfig)))
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


def recorded(recordings: Path) -> Iterator[tuple[str, Target, Answer[bytes]]]:
    """Yields the recorded answers, with their requests."""
    for path in sorted(recordings.glob("*.json")):
        recording = json.loads(path.read_text())
        request, response = recording["request"], recording["response"]
        if isinstance(response["body"], dict):
            target = Target.of(request["method"], request["path"].partition("?")[0])
            body = json.dumps(response["body"]).encode()
            yield path.stem, target, Answer(response["status"], {"Content-Type": "application/json"}, body)


@pytest.fixture
def recordings() -> Path:
    return Path(__file__).parent.parent / "sandbox" / "recordings"


def same_kind(told: Answers_, target: Target) -> list[Key]:
    """Returns the requests that a recorded answer could have been given to."""
    keys = []
    for key in told:
        asked = Target.of(key[0], key[1])
        if (asked.verb, asked.resource) == (target.verb, target.resource):
            keys.append(key)
    return keys


async def way_through(kubeconfig: Path, folder: Path | None) -> str:
    """Goes the whole way with the answers of now; returns the sentence it ended with, "" for none."""
    try:
        async with engine_of(kubeconfig) as engine:
            plan = await look(engine, Answers())
            json.dumps(plan.to_json())
            json.dumps([finding.to_json() for finding in plan.judgement.prerequisites])
            json.dumps(plan.judgement.facts.to_json())
            if folder is not None:
                write_handover(plan, folder)
    except WizardError as error:
        return str(error)
    return ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_whatever_a_server_answers(
    scenario: str, tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, random = Told(), Random(SEED)
    kubeconfig = tmp_path / "kubeconfig"
    async with await Sandbox.start(scenario, speed=50) as sandbox:
        sandbox.write_kubeconfig(kubeconfig)
        with monkeypatch.context() as listening:
            told.listen(listening)
            # The export of contested objects ends with the decisions that are needed.
            ended = await way_through(kubeconfig, tmp_path / "before")
    told.tell(monkeypatch)
    assert await way_through(kubeconfig, tmp_path / "again") == ended
    keys = sorted(told.asked & told.answers.keys())
    others = [
        (name, key, answer) for name, target, answer in recorded(recordings) for key in same_kind(told.answers, target)
    ]
    assert len(keys) > 20
    assert len({name for name, _, _ in others}) > 40
    began, sentences = time.process_time(), 0
    for number in range(MUTATIONS):
        if number % 3:
            key = random.choice(keys)
            name, answer = f"{scenario} {key[:2]}", told.answers[key]
        else:
            name, key, answer = others[number // 3 % len(others)]
        body, what = damaged(answer.body, random)
        status = answer.status if random.random() < 0.9 else random.choice((400, 403, 404, 409, 422))
        told.damaged = key, Answer(status, answer.headers, body)
        try:
            sentence = await way_through(kubeconfig, tmp_path / str(number) if number % 10 == 0 else None)
        except Exception as error:
            raise AssertionError(f"mutation {number}: {name}, status {status}: {what}: {error!r}") from error
        sentences += bool(sentence)
        assert len(sentence) < 10_000, what
        assert "\x1b" not in sentence
        assert "\u202e" not in sentence
    print(f"\n{sentences} of {MUTATIONS} ended with a sentence, {time.process_time() - began:.1f} s of CPU")
    assert sentences > MUTATIONS / 20


CONVERSIONS: Mapping[str, tuple[Callable[[Any], Any], ...]] = {
    "Node": (node_facts, rollout._named_node, undo_labels._labels_of),
    "Pod": (rollout._pod,),
    "DaemonSet": (rollout._daemon_set,),
    "Event": (rollout._happening,),
}


def test_whatever_is_in_a_list(recordings: Path) -> None:
    """What is watched is converted object by object, after the same check at the door."""
    found: dict[str, list[Any]] = {kind: [] for kind in CONVERSIONS}
    for _, _, answer in recorded(recordings):
        body = json.loads(answer.body)
        kind = str(body.get("kind"))
        items = body.get("items", ()) if kind.endswith("List") else [body]
        kind = kind.removesuffix("List")
        if kind in found and answer.status < 300:
            found[kind] += items
    assert all(found.values())
    random = Random(SEED)
    for number in range(CONVERTED):
        kind = random.choice(list(CONVERSIONS))
        item, what = mutated(random.choice(found[kind]), random)
        try:
            ITEMS[kind](item)
            for convert in CONVERSIONS[kind]:
                convert(item)
        except Odd:
            continue
        except Exception as error:
            raise AssertionError(f"mutation {number} of a {kind}: {what}: {error!r}") from error


async def test_whatever_is_in_a_facts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig, saved, odd = tmp_path / "kubeconfig", tmp_path / "facts.json", tmp_path / "odd.json"
    async with await Sandbox.start("owned", speed=50) as sandbox:
        sandbox.write_kubeconfig(kubeconfig)
        async with engine_of(kubeconfig) as engine:
            save_facts(await engine.read_facts(), saved)
    document, random = json.loads(saved.read_bytes()), Random(SEED)
    document["nodes"] = document["nodes"][:3]
    for number in range(MUTATIONS // 2):
        content, what = mutated(document, random)
        odd.write_text(json.dumps(content))
        try:
            judgement = Judgement(Reading.of(load_facts(odd)), Answers())
            judgement.evaluate()
            json.dumps(derive(judgement).to_json())
        except WizardError:
            continue
        except Exception as error:
            raise AssertionError(f"mutation {number}: {what}: {error!r}") from error
