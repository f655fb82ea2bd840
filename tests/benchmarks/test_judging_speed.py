"""Judging five thousand nodes: once for each reading, and never again at a choice that is not about nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.facts.cluster import ClusterFacts, NodeFacts
from wizard.nodes.verdicts import NodeVerdict, judge
from wizard.plan import judgement
from wizard.session.session import Session

NODES = 5000
ROUNDS = 5


async def _read() -> tuple[ClusterFacts, float]:
    engine = Engine(Target(sandbox="large"), sandbox_speed=100.0)
    await engine.open()
    try:
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            facts = await engine.read_facts()
            seconds.append(time.perf_counter() - began)
        return facts, median(seconds)
    finally:
        await engine.close()


def _seconds(work: Callable[[], Any]) -> float:
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


def test_each_node_is_judged_once_for_a_reading_and_never_at_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, so it does not depend on speed."""
    facts, _ = asyncio.run(_read())
    judged: list[str] = []

    def counting(node: NodeFacts) -> NodeVerdict:
        judged.append(node.name)
        return judge(node)

    monkeypatch.setattr(judgement, "judge", counting)
    session = Session(Answers())
    session.take_facts(facts)
    assert len(judged) == len(set(judged)) == NODES
    session.acknowledge(True)
    session.switch("devices-per-node", True, 110)
    session.choose_nodes(tuple(judged[:9]))
    assert len(judged) == NODES


@pytest.mark.measured
def test_a_choice_takes_at_most_a_tenth_of_a_pass_over_all_nodes() -> None:
    """A pass is everything that follows from a reading; an acknowledgement leaves all of it as it is."""
    facts, reading = asyncio.run(_read())
    session = Session(Answers())
    one_pass = _seconds(lambda: session.take_facts(facts))
    tick = _seconds(lambda: session.acknowledge(not session.answers.security_modules.acknowledged))
    print(f"reading {reading:.3f} s, one pass {one_pass:.3f} s, a choice {tick:.4f} s")
    assert tick <= one_pass / 10
