"""Through all steps by keyboard, on the sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from screens.app import AppOptions, WizardApp, make_app
from screens.steps.summary import SummaryStep
from tests.clusters import Cluster, cluster_of
from tests.screens.conftest import (
    apply_and_label,
    beside_the_steps,
    ended,
    on_facts,
    on_sandbox,
    running,
    screen_text,
    sixty_nodes,
    until,
)
from wizard.answers_file import read_answers
from wizard.choices.answers import Answers, ManifestChoice, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.looking import act, ignored, look
from wizard.facts.cluster import ClusterFacts
from wizard.facts.objects import Json
from wizard.names import NAMESPACE, NODE_LABEL
from wizard.session.session import Session

ACKNOWLEDGED = Answers(security_modules=SecurityModulesChoice(acknowledged=True))


async def test_from_prerequisites_to_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = on_sandbox()
    async with running(app) as pilot:
        session = app.walk_through.session
        assert "API server answers" not in screen_text(app), "what passed is one row until it is opened"
        await pilot.press("end", "enter")
        await until(pilot, lambda: "enter folds them" in screen_text(app))
        await pilot.press("end")
        await until(pilot, lambda: "No GitOps tool" in screen_text(app))
        await pilot.press("home")

        await pilot.press("ctrl+n")
        assert "Security modules" in screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: session.answers.security_modules.acknowledged)
        assert "[x] I have reviewed these warnings" in screen_text(app)

        await pilot.press("ctrl+n")
        await until(pilot, lambda: bool(session.checks))
        assert "server-checked" in screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: "Apply 4 objects?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app))
        assert session.applied is not None
        assert len(session.applied.applied) == 4
        await until(pilot, lambda: "4 of 4 objects applied" in screen_text(app))
        await pilot.press("enter")

        await pilot.press("ctrl+n")
        await until(pilot, lambda: not app.walk_through.reading and "x " in screen_text(app))
        await pilot.press("l")
        await until(pilot, lambda: "Label 8 nodes?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: session.rollout is not None and ended(app))
        assert session.rollout is not None
        assert session.rollout.ready == session.rollout.desired == 8
        await until(
            pilot, lambda: session.facts is not None and sum(n.labelled for n in session.facts.nodes or ()) == 8
        )

        await pilot.press("ctrl+n", "ctrl+n")
        await until(pilot, lambda: "labeled nodes that advertise FUSE: 8 of 8" in screen_text(app))
        await pilot.press("space")
        assert "1 of 5 done" in screen_text(app)

        await pilot.press("ctrl+n")
        await until(pilot, lambda: "Manifest: 4 objects applied" in screen_text(app))
        assert "Rollout: 8 of 8 nodes ready" in screen_text(app)
        left = [line.what for line in app.query_one(SummaryStep).rows.items if line.state == "waiting"]
        assert any("import the image" in what for what in left)
        assert not any("advertise" in what for what in left), "the wizard saw that they do"
        await pilot.press("e")
        await until(pilot, lambda: "acknowledged: true" in screen_text(app))
        await pilot.press("w")
        await until(pilot, lambda: (tmp_path / "podman-wizard-answers.yaml").exists())
        assert read_answers(tmp_path / "podman-wizard-answers.yaml").security_modules.acknowledged
        await pilot.press("escape")

        for _ in range(6):
            await pilot.press("escape")
        assert app._main.current == "prerequisites"
        for _ in range(5):
            await pilot.press("ctrl+n")
        assert "1 of 5 done" in screen_text(app)


async def test_nothing_is_applied_before_it_was_acknowledged_and_confirmed() -> None:
    app = on_sandbox()
    async with running(app) as pilot:
        session = app.walk_through.session
        await pilot.press("ctrl+n", "ctrl+n")
        await until(pilot, lambda: bool(session.checks))
        await pilot.press("a")
        await pilot.pause()
        assert "Acknowledge the warnings" in screen_text(app)
        await app.walk_through.change(lambda session: session.acknowledge(True))
        await pilot.press("a")
        await until(pilot, lambda: "Apply 4 objects?" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert app.walk_through.operation is None
        assert "Apply 4 objects?" not in screen_text(app)


async def test_before_the_apply_it_is_said_that_no_pod_will_run_and_what_the_server_warns_of() -> None:
    app = on_sandbox("enforced", Answers(security_modules=SecurityModulesChoice(acknowledged=True)))
    async with running(app, (100, 40)) as pilot:
        session = app.walk_through.session
        await app.action_go("manifest")
        await app.walk_through.change(lambda session: session.switch("pod-security", False))
        await until(pilot, lambda: any(check.warnings for check in session.checks))
        await pilot.press("a")
        await until(pilot, lambda: "Apply 4 objects?" in screen_text(app))
        said = " ".join(screen_text(app).replace("│", " ").split())
        assert "warning from the server: " in said, said
        assert "0 nodes will get a pod, 6 will not (Pod Security)." in said
        await pilot.press("escape")
        await app.walk_through.change(lambda session: session.switch("pod-security", True))
        await until(pilot, lambda: bool(session.checks) and not any(check.warnings for check in session.checks))
        await pilot.press("a")
        await until(pilot, lambda: "6 nodes will get a pod." in screen_text(app))
        assert "6 of the selected nodes lack the label" in screen_text(app)


async def test_without_rights_the_wizard_goes_on_and_names_the_verb() -> None:
    app = on_sandbox("restricted")
    async with running(app) as pilot:
        assert "READ ONLY" in screen_text(app)
        for _ in range(6):
            await pilot.press("ctrl+n")
            await pilot.pause()
        assert app._main.current == "summary"


async def test_an_unreachable_cluster_is_said_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    app = make_app(AppOptions(target=Target(), answers=Answers()))
    async with running(app) as pilot:
        assert "blocker" in screen_text(app)
        assert app.walk_through.trouble is not None
        for _ in range(6):
            await pilot.press("ctrl+n")
            await pilot.pause()
        assert "Summary" in screen_text(app)


async def test_marks_filter_and_groups() -> None:
    app = on_facts()
    async with running(app) as pilot:
        session = app.walk_through.session
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        await until(pilot, lambda: "57 of 60 selected" in screen_text(app))
        await pilot.press("slash", *"noble-00003")
        await until(pilot, lambda: "noble-00003" in screen_text(app) and "noble-00004" not in screen_text(app))
        await pilot.press("enter", "space")
        await until(pilot, lambda: len(session.judgement.chosen) == 56)  # type: ignore[union-attr]
        await pilot.press("slash", "escape", "g")
        await until(pilot, lambda: "30 of 32 selected" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: session.judgement is not None and len(session.judgement.chosen) == 57)
        await pilot.press("escape", "ctrl+n")
        await until(pilot, lambda: "31 of 32 selected" in screen_text(app))


async def test_more_nodes_than_the_quota_allows_is_said_at_once() -> None:
    app = on_facts()
    async with running(app) as pilot:
        session = app.walk_through.session
        await app.walk_through.change(lambda session: session.switch("pod-quota", False))
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        await until(pilot, lambda: "pod-quota is off" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "pod-quota is off" not in screen_text(app))
        assert session.answers.manifest.set["pod-quota"]


async def test_a_value_is_checked_as_it_is_typed() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "down", "v")
        await until(pilot, lambda: "Another value" in screen_text(app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: "Current value: 30Mi" in screen_text(app))
        await pilot.press("x", "enter")
        await until(pilot, lambda: "is not a valid value" in screen_text(app))
        await pilot.press("backspace", "backspace", "backspace", "backspace", "backspace", *"64Mi", "enter")
        await until(pilot, lambda: app.walk_through.session.answers.manifest.set.get("memory") == "64Mi")


async def test_the_views_of_the_manifest() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "y")
        await until(pilot, lambda: "kind: Namespace" in screen_text(app))
        await pilot.press("g")
        await until(pilot, lambda: "+++" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "devices-per-node" in screen_text(app))
        await pilot.press("y", "escape")
        await until(pilot, lambda: "[Objects]" in screen_text(app))
        assert app._main.current == "manifest"
        await pilot.press("escape")
        await until(pilot, lambda: app._main.current == "security-modules")


async def test_escape_leaves_the_forecast_and_then_the_step() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("nodes")
        await pilot.press("f")
        await until(pilot, lambda: "forecast result" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "forecast result" not in screen_text(app))
        assert app._main.current == "nodes"
        await pilot.press("escape")
        await until(pilot, lambda: app._main.current == "manifest")


async def test_while_a_filter_is_typed_the_keys_that_lead_out_are_named() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("nodes")
        await pilot.press("slash", *"jammy")
        await until(pilot, lambda: "enter To the list  esc Clear filter" in screen_text(app))
        assert "/ Filter" not in screen_text(app)
        await pilot.press("down", "slash", "escape")
        await until(pilot, lambda: "noble-00030" in screen_text(app) and "/ Filter" in screen_text(app))


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (39, 9), (120, 40)])
async def test_empty_lists(size: tuple[int, int]) -> None:
    facts = sixty_nodes()
    empty = ClusterFacts(read_at=facts.read_at, identity=facts.identity, nodes=())
    app = on_facts(empty)
    async with running(app, size) as pilot:
        for _ in range(7):
            await pilot.press("home", "end", "pageup", "pagedown", "up", "down", "space", "enter")
            if len(app.screen_stack) > 1:
                await pilot.press("escape")
            await pilot.press("ctrl+n")
        assert app._main.current == "summary"


async def test_resized_at_every_step() -> None:
    app = on_facts()
    async with running(app) as pilot:
        for _ in range(7):
            for width, height in (
                (120, 40),
                (69, 24),
                (60, 20),
                (40, 10),
                (39, 9),
                (10, 3),
                (1, 1),
                (200, 60),
                (80, 24),
            ):
                await pilot.resize_terminal(width, height)
                small = width < 40 or height < 10
                await until(pilot, lambda small=small: app.screen.query_one("#too-small").display == small)  # type: ignore[misc]
                assert screen_text(app)
            await pilot.press("ctrl+n")


async def test_ctrl_c_and_ctrl_q_ask() -> None:
    app = on_facts()
    async with running(app) as pilot:
        for key in ("ctrl+c", "ctrl+q"):
            await pilot.press(key)
            await until(pilot, lambda: "Quit podman-wizard?" in screen_text(app))
            await pilot.press("enter")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("f1")
        await until(pilot, lambda: "Help: Prerequisites" in screen_text(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Quit podman-wizard?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: app._exit)
    assert app.exit_code == 0


async def test_text_from_outside_is_shown_and_not_obeyed() -> None:
    facts = sixty_nodes()
    evil = "[red]evil\x1b]0;pwned\x07[/red]"
    members = facts.nodes or ()
    facts = replace(facts, identity=replace(facts.identity, context=evil), nodes=(replace(members[0], name=evil),))
    app = on_facts(facts)
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        await until(pilot, lambda: "[red]evil" in screen_text(app))
        assert "\x1b" not in screen_text(app)
        assert "\x07" not in screen_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "\x1b" not in screen_text(app)


async def test_every_binding_has_id_tooltip_and_group() -> None:
    app = on_facts()
    async with running(app) as pilot:
        for _ in range(7):
            for node in {active.node for active in app.screen.active_bindings.values()}:
                for binding in type(node).__dict__.get("BINDINGS", ()) if ours(node) else ():
                    assert binding.id, binding
                    assert binding.tooltip, binding
                    assert type(node).BINDING_GROUP_TITLE, node
                    assert not {"ctrl+a", "ctrl+b"} & set(binding.key.split(","))
            assert app._main.step.HELP
            await pilot.press("ctrl+n")


def ours(node: object) -> bool:
    return type(node).__module__.startswith("screens")


async def test_the_palette_knows_steps_and_actions() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Go to Summary", "Manifest: Apply 4 objects", "Quit"} <= titles


async def test_mouse_on_the_steps_and_the_keys() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.click("#steps", offset=(screen_text(app).splitlines()[1].index("Manifest"), 0))
        await until(pilot, lambda: app._main.current == "manifest")
        line = screen_text(app).splitlines()[-1]
        await pilot.click(".keyline", offset=(line.index("Help"), 0))
        await until(pilot, lambda: "Help: Manifest" in screen_text(app))


async def test_no_color_writes_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = on_facts()
    async with running(app):
        for strip in app.screen._compositor.render_strips():
            for segment in strip.apply_filter(app._filters[-1], app.screen.background_colors[1]):
                if segment.style is not None:
                    assert segment.style.color is None or segment.style.color.is_default, segment


async def test_labels_and_their_removal() -> None:
    app = on_sandbox()
    async with running(app) as pilot:
        walk = app.walk_through
        await walk.change(lambda session: session.acknowledge(True))
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        await until(pilot, lambda: "8 of 12 selected" in screen_text(app))
        await pilot.press("l")
        await until(pilot, lambda: "The label has no effect" in " ".join(screen_text(app).split()))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app) and not walk.reading and sum_labelled(app) == 8)
        await pilot.press("enter", "u")
        await until(pilot, lambda: "Unlabel 8 nodes?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app) and not walk.reading and sum_labelled(app) == 0)
        await pilot.press("enter", "n", "home", "space")
        await until(pilot, lambda: "1 of them lacks the label" in screen_text(app))
        assert " Label 1 node  a" in screen_text(app)
        await pilot.press("l")
        await until(pilot, lambda: "Label 1 node?" in screen_text(app))


def sum_labelled(app: WizardApp) -> int:
    facts = app.walk_through.session.facts
    return sum(node.labels.get(NODE_LABEL) == "enabled" for node in (facts.nodes if facts else None) or ())


async def test_pods_look_for_themselves_where_a_person_agrees() -> None:
    app = on_sandbox(answers=Answers(security_modules=SecurityModulesChoice(acknowledged=True)))
    async with running(app) as pilot:
        session = app.walk_through.session
        await pilot.press("ctrl+n", "p")
        await until(pilot, lambda: "Run 8 pods" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: ended(app))
        assert session.judgement is not None
        assert len(session.judgement.probes) == 8
        await pilot.press("enter")

        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n", "ctrl+n", "v")
        await until(pilot, lambda: "No node advertises FUSE yet" in screen_text(app))


async def test_podman_runs_on_each_kind_of_node_that_offers_fuse() -> None:
    app = on_sandbox(answers=Answers(security_modules=SecurityModulesChoice(acknowledged=True)))
    async with running(app) as pilot:
        session = app.walk_through.session
        await apply_and_label(pilot, 8)
        await until(
            pilot,
            lambda: session.facts is not None and all(n.fuse_devices for n in session.facts.nodes or () if n.labelled),
        )
        await pilot.press("enter", "ctrl+n", "ctrl+n", "v")
        await until(pilot, lambda: "Run 8 pods" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: len(session.proofs) == 8 and ended(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Podman ran on 4 of 8" in screen_text(app) or "1 x " in screen_text(app))
        assert sum(proof.ok is True for proof in session.proofs) == 4


async def test_quitting_says_what_would_be_lost(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('version: "0.2"\n')
    app = on_facts(policy_file=str(policy))
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n", "ctrl+n", "m")
        await until(pilot, lambda: "lines added" in screen_text(app))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: "Quit podman-wizard?" in screen_text(app))
        assert "policy.yaml has unsaved changes" in screen_text(app)


async def installed(cluster: Cluster, answers: Answers, *, labels: bool = False) -> WizardApp:
    """The wizard on a cluster to which another machine has applied these choices."""
    target = Target(kubeconfig=str(cluster.kubeconfig))
    engine = Engine(target)
    await engine.open()
    plan = await look(engine, answers)
    await act(engine, plan, ignored, door="run", only=None if labels else plan.ids("apply"))
    await engine.close()
    return make_app(AppOptions(target=target, answers=ACKNOWLEDGED, fresh=True))


async def test_a_plan_that_is_out_of_date_is_not_applied_and_the_new_one_is_asked_about(tmp_path: Path) -> None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{NAMESPACE}"
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        app = await installed(cluster, ACKNOWLEDGED)
        async with running(app) as pilot:
            walk = app.walk_through
            walk.was_named()
            await app.action_go("manifest")
            await until(pilot, lambda: "Nothing to apply: the cluster already matches." in beside_the_steps(app))
            await walk.change(lambda session: session.switch("memory", True, "64Mi"))
            await until(pilot, lambda: bool(walk.session.checks))
            await pilot.press("a")
            await until(pilot, lambda: "30Mi -> 64Mi (adjustment memory)" in screen_text(app))
            body = {"metadata": {"annotations": {"example.org/note": "by somebody else"}}}
            theirs = f"{path}?fieldManager=kubectl-annotate"
            assert await cluster.send("PATCH", theirs, body, "application/merge-patch+json") == 200
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "changed after the plan was made" in beside_the_steps(app))
            assert walk.session.step_states()["manifest"] == "!"
            await pilot.press("enter")
            await until(pilot, lambda: "30Mi -> 64Mi (adjustment memory)" in screen_text(app))
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "1 of 1 object applied" in screen_text(app) and ended(app))
            await pilot.press("enter")
            await until(pilot, lambda: "Nothing to apply: the cluster already matches." in beside_the_steps(app))
        live = await cluster.get(path)
        assert live["metadata"]["annotations"]["example.org/note"] == "by somebody else"
        assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "64Mi"


async def test_taking_fuse_from_nodes_is_a_question_of_its_own(tmp_path: Path) -> None:
    everywhere = replace(ACKNOWLEDGED, manifest=ManifestChoice(set={"no-node-selector": True}))
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        app = await installed(cluster, everywhere, labels=True)
        async with running(app, (80, 30)) as pilot:
            walk = app.walk_through
            walk.was_named()
            await app.action_go("manifest")
            # What is live here stays, although the answers do not say so.
            await until(pilot, lambda: "Nothing to apply" in beside_the_steps(app))
            await walk.change(lambda session: session.switch("no-node-selector", False))
            await until(pilot, lambda: bool(walk.session.checks))
            for answer in ("enter", "tab enter"):
                await pilot.press("a")
                await until(pilot, lambda: "Take FUSE from 8 nodes?" in screen_text(app))
                assert "talos-a7k-m2p" in screen_text(app)
                await pilot.press(*answer.split())
            await until(pilot, lambda: "Apply 1 object?" in screen_text(app))
            assert walk.operation is None
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "1 of 1 object applied" in screen_text(app) and ended(app))
            await pilot.press("enter")
            await app.action_go("nodes")
            await pilot.press("l")
            await until(pilot, lambda: "Label 8 nodes?" in screen_text(app))


async def test_an_adjustment_goes_back_to_what_is_here_to_what_is_recommended_and_to_the_guide(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        app = await installed(cluster, replace(ACKNOWLEDGED, manifest=ManifestChoice(set={"memory": "64Mi"})))
        async with running(app, (100, 30)) as pilot:
            session = app.walk_through.session
            await app.action_go("manifest")
            await until(pilot, lambda: "now: 64Mi" in beside_the_steps(app))
            for option, expected in (
                (1, {"30Mi"}),
                (0, {"15Mi"}),
                (2, set()),
            ):
                await pilot.press("home", "down", "v")
                await until(pilot, lambda: "Keep the current value: 64Mi" in screen_text(app))
                await pilot.press("home", *["down"] * option, "enter")
                await until(pilot, lambda: app.screen is app._main and bool(session.checks))
                await until(pilot, lambda expected=expected: memory(session) == expected)  # type: ignore[misc]
            # Off, it is the guide's; on again, it gets back what is here.
            await pilot.press("home", "down", "space")
            await until(pilot, lambda: memory(session) == {"15Mi"})
            await pilot.press("space")
            await until(pilot, lambda: bool(session.checks) and memory(session) == set())


def memory(session: Session) -> set[Json]:
    """The values that the plan gives the memory of the device manager."""
    changes = session.plan.changes if session.plan is not None and session.plan.stage == "asked" else ()
    return {change.after for change in changes if change.path.endswith(".memory")} if session.checks else {"not asked"}
