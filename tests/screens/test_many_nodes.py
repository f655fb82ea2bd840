"""Five thousand nodes: no key waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from statistics import median
from time import perf_counter

import pytest

from tests.facts_for_tests import UBUNTU_24, cluster, nodes
from tests.screens.conftest import IDENTITY, on_facts, running, screen_text, until

pytestmark = pytest.mark.measured

NODES = 5000


async def test_five_thousand_nodes_stay_quick() -> None:
    facts = replace(cluster(*nodes(NODES, **UBUNTU_24)), identity=IDENTITY, read_at="2026-03-14T18:31:00Z")
    app = on_facts(facts)
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        await until(
            pilot, lambda: f"{NODES} of {NODES} chosen" in screen_text(app) and "node-00000" in screen_text(app)
        )
        nodes_step = app._main.step
        rows = nodes_step.home()
        assert rows is not None
        took = []
        for _ in range(40):
            began = perf_counter()
            rows.action_cursor(1)  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            app.screen._compositor.render_strips()
            took.append(perf_counter() - began)
        assert median(took) < 0.05
        await pilot.press("end")
        await until(pilot, lambda: "node-04999" in screen_text(app))
        await pilot.press("slash", *"04321")
        await until(pilot, lambda: "node-04321" in screen_text(app) and "node-04999" not in screen_text(app))
        await pilot.press("enter", "space")
        await until(pilot, lambda: f"{NODES - 1} of {NODES} chosen" in screen_text(app))
        await until(pilot, lambda: (j := app.walk_through.session.judgement) is not None and len(j.chosen) == NODES - 1)
        await pilot.press("g")
        await until(pilot, lambda: "marked" in screen_text(app))
