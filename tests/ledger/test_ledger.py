"""Every situation of the ledger at every door: what is shown is what is done, once, and can be undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.doors import (
    by_commands,
    by_dry_run,
    by_hand_over,
    by_plain,
    by_run,
    folder_of,
    paths_in,
    run_with,
    told,
    told_changes,
)
from tests.ledger.harness import REAL, check_done, check_folder, check_shown, opened, prepared, until_deleted
from tests.ledger.screens import by_screens
from tests.ledger.situations import SITUATIONS, Situation
from tests.ledger.states import State
from tests.scripts import KUBECTL, Folder

ACTING = {"R": by_run, "C": by_commands}
UNDOS: Mapping[str, Callable[[Situation], int]] = {
    "R": lambda situation: 1,
    # Each command is a run of its own.
    "C": lambda situation: bool(situation.plan.objects) + bool(situation.plan.label),
}
"""How often ``undo`` takes back what a door did."""


def rows(doors: str) -> list[Any]:
    """Every situation at each of these doors; on a real API server at one of them."""
    found = []
    for situation in SITUATIONS:
        for door in doors:
            if door in situation.doors:
                found.append(pytest.param("sandbox", situation, door, id=f"{situation.id}, door {door}"))
    return found


def rows_on_real() -> list[Any]:
    """What is claimed about a real API server, at the door R."""
    return [
        pytest.param("real", situation, "R", id=f"{situation.id}, real", marks=REAL.marks)
        for situation in SITUATIONS
        if situation.on_real and "R" in situation.doors
    ]


@pytest.mark.parametrize(("kind", "situation", "door"), rows("D"))
async def test_the_plan_is_shown_and_nothing_is_changed(
    tmp_path: Path, kind: str, situation: Situation, door: str
) -> None:
    async with opened(kind, tmp_path, **situation.scenario) as cluster:
        await prepared(cluster, situation.setup)
        before = await State.of(cluster)
        seen = await by_dry_run(cluster, situation)
        check_shown(situation, seen, before)
        assert seen.exit == situation.exit_of(door)
        assert (await State.of(cluster)).whole == before.whole


@pytest.mark.parametrize(("kind", "situation", "door"), [*rows("RC"), *rows_on_real()])
async def test_what_was_shown_is_done_once_and_can_be_undone(
    tmp_path: Path, kind: str, situation: Situation, door: str
) -> None:
    async with opened(kind, tmp_path, **situation.scenario) as cluster:
        await prepared(cluster, situation.setup)
        before = await State.of(cluster)
        seen = await ACTING[door](cluster, situation)
        check_shown(situation, seen, before)
        assert seen.exit == situation.exit_of(door), seen.error or seen.summary
        assert situation.offers.get(door, "") in str(seen.error)
        if seen.summary is not None:
            assert not any(group.wrong for group in seen.summary.groups), "it ended otherwise than forecast"
        after = await State.of(cluster)
        if situation.plan.gates or not situation.plan.changes:
            assert after.whole == before.whole
            return
        check_done(situation.plan, before, after)

        again = await run_with(cluster, situation.answers)
        assert again.made is not None
        assert not again.made.changed
        assert (await State.of(cluster)).whole == after.whole

        for _ in range(UNDOS[door](situation)):
            undone = await cluster.command("undo", "--yes")
            assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


@pytest.mark.parametrize(("kind", "situation", "door"), rows("P"))
async def test_what_was_told_is_done_by_typed_answers_and_can_be_undone(
    tmp_path: Path, kind: str, situation: Situation, door: str
) -> None:
    async with opened(kind, tmp_path, **situation.scenario) as cluster:
        await prepared(cluster, situation.setup)
        before = await State.of(cluster)
        seen = await by_plain(cluster, situation)
        assert seen.exit == 0, seen.output
        assert situation.offers.get(door, "") in seen.output
        text = told_changes(seen.output)
        changes = situation.plan.objects
        assert paths_in(text) == {path for one in changes.values() for path in one}, seen.output
        for one in changes.values():
            for path, (old, new, _) in one.items():
                assert told(path, old, new, new=".metadata.name" in one) in text
        assert seen.pods == len(situation.plan.pods)
        after = await State.of(cluster)
        if situation.plan.gates or not situation.plan.changes:
            assert after.whole == before.whole, seen.output
            return
        check_done(situation.plan, before, after)

        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


@pytest.mark.parametrize(("kind", "situation", "door"), rows("S"))
async def test_what_is_on_screen_is_done_by_keyboard_and_can_be_undone(
    tmp_path: Path, kind: str, situation: Situation, door: str
) -> None:
    async with opened(kind, tmp_path, **situation.scenario) as cluster:
        await prepared(cluster, situation.setup)
        before = await State.of(cluster)
        seen = await by_screens(cluster, situation)
        check_shown(situation, seen, before)
        after = await State.of(cluster)
        if situation.plan.gates or not situation.plan.changes:
            assert after.whole == before.whole, seen.output
            return
        said = " ".join(seen.output.split())
        for one in situation.plan.objects.values():
            for path, (old, new, _) in one.items():
                # Of a new object the question says only that it is new; the manifest is shown as a whole.
                assert ".metadata.name" in one or told(path, old, new, new=False) in said, said
        check_done(situation.plan, before, after)

        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


@pytest.mark.skipif(not KUBECTL, reason="no kubectl")
@pytest.mark.parametrize(("kind", "situation", "door"), rows("H"))
async def test_what_was_exported_is_done_by_kubectl_and_can_be_undone(
    tmp_path: Path, kind: str, situation: Situation, door: str
) -> None:
    """As with the other doors, but for who owns what: after its undo the fields belong to kubectl."""
    async with opened(kind, tmp_path, **situation.scenario) as cluster:
        await prepared(cluster, situation.setup)
        before = await State.of(cluster)
        seen = await by_hand_over(cluster, situation)
        if seen.exit == 5:
            assert all(json.dumps(name)[1:-1] in seen.output for name in situation.plan.gates["conflict"])
        else:
            check_shown(situation, seen, before)
        assert seen.exit == situation.exit_of(door), seen.output
        if seen.exit != 5:
            check_folder(folder_of(cluster), situation)
        after = await State.of(cluster)
        if seen.exit or not situation.plan.changes:
            assert after.whole == before.whole
            return
        check_done(situation.plan, before, after)

        again = await run_with(cluster, situation.answers)
        assert again.made is not None
        assert not again.made.changed

        undone = await Folder(folder_of(cluster), cluster).run("undo.sh")
        assert undone.code == 0, undone.out + undone.error
        restored = await until_deleted(cluster)
        assert restored.contents(noise=True) == before.contents(noise=True)
        assert restored.nodes == before.nodes


def test_the_ledger_is_whole() -> None:
    """Each number of the ledger has its rows here or in the tests beside."""
    numbers = {int(situation.id[:2]) for situation in SITUATIONS}
    assert numbers | {10, 18, 19, 20} == set(range(1, 21))
