"""What follows from a reading and the choices is computed once, and carried over while its inputs stay equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from tests.facts_for_tests import CONTROL_PLANE, UBUNTU_24, cluster, judged, node, nodes
from tests.live_objects import Server
from wizard.choices.answers import (
    Answers,
    ManifestChoice,
    NodesChoice,
    OwnershipChoice,
    RolloutChoice,
    SecurityModulesChoice,
    VerifyChoice,
)
from wizard.facts.cluster import ClusterFacts
from wizard.findings.security_modules import Probe
from wizard.manifest import guide_objects
from wizard.manifest.asking import ObjectCheck
from wizard.manifest.forecast import summary
from wizard.nodes import verdicts as nodes_module
from wizard.nodes.verdicts import NodeVerdict
from wizard.plan import judgement as module
from wizard.plan.judgement import PARTS, Judgement, Reading

FACTS = cluster(*nodes(3), node("u", **UBUNTU_24), node("cp", taints=(CONTROL_PLANE,)))


def checks_of(judgement: Judgement) -> tuple[ObjectCheck, ...]:
    """The server accepts every object as it is."""
    return tuple(
        ObjectCheck(
            f"{item['kind']} {item['metadata']['name']}", "create", "server", after=item, wanted=item, sent=item
        )
        for item in judgement.rendering.objects
    )


class Recording:
    """Answers, and a judgement's other inputs, that note which of them are read."""

    def __init__(self, of: Any, read: set[str], names: set[str]) -> None:
        self._of, self._read, self._names = of, read, names

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            self._read.add(name)
        return getattr(self._of, name)


NAMES = {one.name for one in fields(Answers)}


def live_facts() -> ClusterFacts:
    server = Server()
    server.apply(guide_objects(), "argocd")
    return server.facts(*(FACTS.nodes or ()))


@pytest.mark.parametrize("name", list(PARTS))
@pytest.mark.parametrize("facts", [FACTS, live_facts()], ids=["fresh", "installed"])
@pytest.mark.parametrize("asked", [False, True], ids=["not asked", "asked"])
def test_a_part_reads_no_more_than_it_declares(name: str, facts: ClusterFacts, asked: bool) -> None:
    read: set[str] = set()
    plain = judged(facts)
    checks = checks_of(plain) if asked else ()

    class Noting(Judgement):
        """Reads its own inputs through the record too."""

        def __getattribute__(self, key: str) -> Any:
            if key in ("probes", "checks"):
                read.add(key)
            return super().__getattribute__(key)

    judgement = Noting(Reading.of(facts), Recording(Answers(), read, NAMES), (), checks)  # type: ignore[arg-type]
    read.clear()
    getattr(judgement, name)
    assert read <= {one.partition(".")[0] for one in PARTS[name].inputs}


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({"security_modules": SecurityModulesChoice(acknowledged=True)}, set(PARTS)),
        ({"security_modules": SecurityModulesChoice(probe=True)}, set(PARTS) - {"prerequisites"}),
        ({"rollout": RolloutChoice(7)}, set(PARTS)),
        ({"verify": VerifyChoice(run=True)}, set(PARTS) - {"prerequisites"}),
        ({"manifest": ManifestChoice(without=("image",))}, {"chosen", "security_modules"}),
        ({"nodes": NodesChoice(all=False, names=("u",))}, {"security_modules"}),
        (
            {"ownership": OwnershipChoice(default="take")},
            {"chosen", "security_modules"},
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_choice_does_not_touch_is_carried_over(change: dict[str, Any], stays: set[str]) -> None:
    first = judged(FACTS)
    first.evaluate()
    second = first.changed(answers=replace(first.answers, **change))
    assert stays <= set(second.__dict__)
    assert all(second.__dict__[name] is first.__dict__[name] for name in stays)
    # Whatever was carried over is what a fresh judgement of these choices computes.
    fresh = judged(FACTS, second.answers)
    assert all(getattr(second, name) == getattr(fresh, name) for name in PARTS)


def test_the_servers_answers_are_dropped_when_something_else_is_asked() -> None:
    first = judged(FACTS)
    asked = first.changed(checks=checks_of(first))
    assert asked.changed(answers=replace(asked.answers, rollout=RolloutChoice(9))).checks == asked.checks
    # Another selection that makes the same objects asks the server nothing new.
    some = replace(asked.answers, nodes=NodesChoice(all=False, names=("u",)))
    assert asked.changed(answers=some).checks == asked.checks
    other = replace(asked.answers, manifest=ManifestChoice(set={"image": "r.example/sdm:1"}))
    assert asked.changed(answers=other).checks == ()
    decided = replace(asked.answers, ownership=OwnershipChoice(default="take"))
    assert asked.changed(answers=decided).checks == ()


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    judged_names: list[str] = []
    real: Callable[[Any], NodeVerdict] = nodes_module.judge

    def judge(member: Any) -> NodeVerdict:
        judged_names.append(member.name)
        return real(member)

    monkeypatch.setattr(nodes_module, "judge", judge)
    monkeypatch.setattr(module, "judge", judge)
    return judged_names


def test_each_node_is_judged_once_for_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    names = counting(monkeypatch)
    judgement = Judgement(Reading.of(FACTS), Answers())
    judgement.evaluate()
    assert sorted(names) == sorted(member.name for member in FACTS.nodes or ())
    names.clear()
    answers = replace(judgement.answers, manifest=ManifestChoice(set={"no-node-selector": True}))
    later = judgement.changed(answers=answers, probes=(), checks=())
    later.evaluate()
    other = later.changed(answers=replace(answers, nodes=NodesChoice(all=False, names=("cp", "u"))))
    other.evaluate()
    assert names == []


def test_a_selection_that_does_not_fit_is_a_finding_and_judges_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    names = counting(monkeypatch)
    judgement = judged(FACTS, Answers(nodes=NodesChoice(all=False, names=("nowhere",))))
    names.clear()
    assert any("nowhere" in one.title + one.detail + "".join(one.evidence) for one in judgement.prerequisites)
    assert names == []


def test_probes_count_for_the_security_modules_alone() -> None:
    first = judged(FACTS)
    first.evaluate()
    probe = Probe("other", "", 0, False, 0, None, None, None, None, True, "6.1")  # type: ignore[arg-type]
    second = first.changed(probes=(probe,))
    assert set(PARTS) - set(second.__dict__) == {"security_modules"}


# --- what the plan would take away --------------------------------------------------------------------------------


def affinity(zone: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "smarter-device-manager", "namespace": "smarter-device-manager"},
        "spec": {"template": {"spec": {"affinity": {"nodeAffinity": required}}}},
    }


def test_the_forecast_heeds_the_required_affinity_of_another_manager() -> None:
    members = (node("a", labels={"zone": "one"}), node("b", labels={"zone": "two"}))
    server = Server()
    server.apply(server.judged(*members).rendering.objects)
    server.apply([affinity("one")], "platform")
    judgement = server.judged(*members)
    assert summary(judgement.forecast) == "1 node will get a pod, 1 will not (required node affinity)"
    assert [row.nodes for row in judgement.forecast if row.gets_pod] == [("a",)]
    # The affinity is not ours: the plan neither changes it nor is it a conflict.
    assert judgement.foreign == ()
    assert "DaemonSet" not in judgement.changing


def offering(*names: str, **fields: Any) -> tuple[Any, ...]:
    allocatable = {"pods": 50, "smarter-devices/fuse": 50}
    return tuple(node(name, allocatable=allocatable, **fields) for name in names)


def test_nodes_that_offer_fuse_and_get_no_pod_any_more_are_losing() -> None:
    members = offering("a", "b")
    server = Server()
    everywhere = Answers(manifest=ManifestChoice(set={"no-node-selector": True}))
    server.apply(server.judged(*members, answers=everywhere).rendering.objects)
    assert server.judged(*members).losing == ()
    back = Answers(manifest=ManifestChoice(without=("no-node-selector",)))
    judgement = server.judged(*members, answers=back)
    # All of them get the label, so only applying alone loses them until then.
    assert judgement.losing == ()
    assert judgement.losing_by_apply == ("a", "b")
    one = replace(back, nodes=NodesChoice(all=False, names=("a",)))
    assert server.judged(*members, answers=one).losing == ("b",)


def test_a_node_that_lost_its_pod_before_is_not_lost_by_the_plan() -> None:
    server = Server()
    (plain,) = offering("a", labelled=True)
    server.apply(server.judged(plain).rendering.objects)
    (tainted,) = offering("a", labelled=True, taints=(CONTROL_PLANE,))
    assert server.judged(tainted).losing == ()
