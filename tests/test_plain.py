"""The plain mode, by piped answers and in a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
from pathlib import Path

import pytest
import yaml

from tests.clusters import ROOT, cluster_of, command
from wizard import unfinished
from wizard.journal import runs
from wizard.plain import HELP
from wizard.state import ClusterLock

WALK = """next
yes
next
diff
apply
yes
next
next
label
yes
wait
next
next
guide
as it is
policy.yaml
yes
next
no
next
yes
quit
"""


async def test_a_walk_by_piped_answers_does_the_whole_job(tmp_path: Path) -> None:
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=WALK, PODMAN_WIZARD_SANDBOX_SPEED="50")
    assert ended.code == 0, ended.error
    done = next(line for line in ended.out.splitlines() if line.startswith("Done: "))
    assert done == "Done: 4 objects applied; 8 nodes labelled; 8 of 8 nodes offer FUSE; policy.yaml written"
    assert "upload policy.yaml" in ended.out
    assert "smarter-devices/fuse" in (tmp_path / "policy.yaml").read_text()
    answers = yaml.safe_load((tmp_path / "podman-wizard.answers.yaml").read_text())
    assert answers["security-modules"] == {"acknowledged": True}
    assert "\x1b" not in ended.out


async def test_the_first_change_on_a_cluster_wants_its_context_typed(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        typed = "next\nyes\nnext\napply\nyes\n{}\nnext\nquit\n"
        wrong = await cluster.command("--plain", typed=typed.format("prod"))
        assert wrong.code == 0, wrong.error
        assert "Nothing was changed." in wrong.out
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager") is None
        right = await cluster.command("--plain", typed=typed.format("sandbox-restricted"))
        assert "4 of 4 objects applied" in right.out, right.error


async def test_pods_are_sent_only_to_a_cluster_that_was_named(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        typed = "next\nprobe\nyes\n{}\nyes\nquit\n"
        wrong = await cluster.command("--plain", typed=typed.format("prod"))
        assert "Nothing was changed." in wrong.out and "Probe 2 kinds" not in wrong.error, wrong.error
        right = await cluster.command("--plain", typed=typed.format("sandbox-restricted"))
        assert "2 of 2 kinds of nodes probed" in right.out, right.error


async def test_each_field_of_another_manager_is_asked_about(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\nleave\ntake\nyes\nnext\nquit\n"
    ended = await command("--plain", "--sandbox=owned", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "theirs: registry.example.org/mirror/smarter-device-manager:v1.20.11" in ended.out
    assert "argocd has set it at 20" in ended.out
    assert ".image left to argocd; .spec.template.spec.nodeSelector taken from argocd" in ended.out


async def test_what_a_gitops_tool_owns_goes_into_an_overlay(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\noverlay\nfor-git\nyes\nnext\nquit\n"
    ended = await command("--plain", "--sandbox=owned", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert {path.name for path in (tmp_path / "for-git").iterdir()} == {
        "README.md",
        "kustomization.yaml",
        "daemonset.yaml",
    }
    assert "stays with argocd: DaemonSet nodeSelector" in ended.out
    assert "3 of 3 objects applied, 1 skipped" in ended.out


async def test_every_change_is_confirmed_with_the_cluster_by_name_and_uid(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "failing", tmp_path) as cluster:
        uid = (await cluster.get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        typed = "next\nyes\nnext\napply\nyes\nsandbox-failing\nnext\nnext\nlabel\nyes\nunlabel\nyes\nnext\nquit\n"
        ended = await cluster.command("--plain", typed=typed)
        assert ended.code == 0, ended.error
        questions = [line for line in ended.out.splitlines() if line.startswith("On ") or ": On " in line]
        assert len(questions) == 3
        assert all(f"sandbox-failing, {cluster.url}" in line and f"uid {uid}" in line for line in questions)
        assert "9 of 9 nodes unlabelled" in ended.out
        assert await cluster.labelled() == set()


async def test_a_run_that_stopped_in_the_middle_is_offered_and_a_second_wizard_only_looks(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        # The input ends in the middle: what was begun stays open.
        cut = await cluster.command("--plain", typed="next\nyes\nnext\napply\nyes\nsandbox-restricted\n")
        assert cut.code == 130
        folder = await cluster.journals()
        assert [run.interrupted for run in runs(folder)] == [True]
        with ClusterLock(folder) as lock:
            assert lock.take()
            second = await cluster.command("--plain", typed="next\nyes\nnext\napply\nnext\nquit\n")
        assert second.code == 0, second.error
        assert second.out.count("Nothing can be changed from here: Another podman-wizard") == 2
        passed = await cluster.command("--plain", "--fresh", typed="quit\n")
        assert "stopped in the middle" not in passed.out
        taken = await cluster.command("--plain", typed="yes\nnext\nquit\n")
        assert "stopped in the middle of its work, after: DaemonSet smarter-device-manager." in taken.out
        assert "I have read this" not in taken.out  # it was acknowledged by then
        settled = await cluster.command("--plain", typed="quit\n")
        assert "stopped in the middle" not in settled.out


async def test_what_was_chosen_before_the_line_dropped_is_offered_again(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        cut = await cluster.command("--plain", typed="next\nyes\nnext\nmemory=64Mi\nnext\n")
        assert cut.code == 130
        folder = await cluster.journals()
        left = unfinished.find(folder)
        assert left is not None
        assert left.step == "manifest"
        later = await cluster.command("--plain", typed="later\nquit\n")
        assert "While you were away: the line of a session dropped on" in later.out
        assert "    memory: 64Mi" in later.out
        again = await cluster.command("--plain", typed="yes\nyaml\n")
        assert "Step 3 of 7: Manifest" in again.out
        assert "Step 1 of 7" not in again.out
        assert "memory: 64Mi" in again.out
        ended = await cluster.command("--plain", typed="yes\nnext\nquit\n")
        assert ended.code == 0, ended.error
        assert unfinished.find(folder) is None


async def test_what_plain_mode_cannot_go_on_with_stays_kept(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        folder = await cluster.journals()
        gone = "nodes:\n  names: [no-longer-here]\n"
        unfinished.keep(folder, unfinished.Unfinished("2026-01-01T00:00:00Z", "nodes", gone))
        misfit = await cluster.command("--plain", typed="yes\nquit\n")
        assert misfit.code == 0, misfit.error
        assert "do not fit any more, and stay on offer: No node is called no-longer-here" in misfit.out
        assert unfinished.find(folder)
        edits = unfinished.PolicyEdits(tmp_path / "policy.yaml", b"a: 1\n", b"a: 2\n")
        unfinished.keep(folder, unfinished.Unfinished("2026-01-01T00:00:00Z", "policy", "{}\n", edits))
        ended = await cluster.command("--plain", typed="yes\nnext\nquit\n")
        assert "the wizard on the screen has the editor" in ended.out
        left = unfinished.find(folder)
        assert left is not None
        assert left.policy == edits
        assert (await cluster.command("--plain", typed="no\nquit\n")).code == 0
        assert unfinished.find(folder) is None


async def test_it_explains_itself_and_its_findings(tmp_path: Path) -> None:
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed="help\n7\nagain\n99\nquit\n")
    assert ended.code == 0, ended.error
    assert "Nothing is changed before a question that says what and where." in ended.out
    assert "smarter-device-manager, offers this one to the" in ended.out
    seventh = re.findall(r"(?m)^7\. \w+: (.*)$", ended.out)
    assert len(seventh) == 2  # the step was shown again
    _, story = ended.out.split("Go, or the number of a finding", 2)[2].split(": ", 1)
    assert seventh[0] in story
    assert len(story.partition("Go, or")[0].splitlines()) > 3
    assert "Please answer one of: next, again, back, hand-over, help, quit." in ended.out


async def test_help_is_there_at_every_step(tmp_path: Path) -> None:
    typed = (
        "help\nnext\nno\nhelp\nnext\nnext\nhelp\nnext\nnext\nhelp\nnext\nnext\nhelp\nnext\nhelp\nnext\nno\nhelp\nquit\n"
    )
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    for text in HELP.values():
        assert ended.out.count(text) == 1


async def test_values_names_and_the_file_of_the_manifest(tmp_path: Path) -> None:
    manifest = "pod-quota=77\npod-quota=many\nsave\n\nnext\nnext\n"
    typed = f"next\nyes\nnext\n{manifest}workspaces-noble-1 talos-a7k-m2p\nnext\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "pod-quota" in ended.error and "many" in ended.error
    assert "pods: 77" in (tmp_path / "smarter-device-manager.yaml").read_text()
    assert "2 of 12 nodes chosen, 2 to label." in ended.out


async def test_a_word_that_is_no_answer_chooses_no_nodes(tmp_path: Path) -> None:
    typed = "next\nno\nnext\nnext\nnext\nyes\nwait\nkubernetes.io/os=linux,=\nnext\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "No node has these labels: yes. The choice stays as it was." in ended.out
    assert "No chosen node has the label: there is nothing to wait for." in ended.out
    assert "kubernetes.io/os=linux,=" in ended.error  # no selector at all
    counts = re.findall(r"(\d+) of 12 nodes chosen", ended.out)
    assert set(counts) == {"8"}


async def test_another_count_in_the_policy_is_asked_about(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-limits:\n        policy: write\n'
        '        value: {"smarter-devices/fuse": "5"}\n'
    )
    walk = "next\nno\nnext\nnext\nnext\nnext\nnext\npolicy.yaml\nas it is\npolicy.yaml\n{}\nyes\nquit\n"
    for answer, count in (("keep", "5"), ("replace", "1")):
        ended = await command("--plain", "--sandbox", folder=tmp_path, typed=walk.format(answer))
        assert ended.code == 0, ended.error
        assert "Keep what stands there, or replace it" in ended.out
        limits = yaml.safe_load(policy.read_text())["workspace"]["specs"]["kubernetes"]["resource-limits"]
        assert limits["value"] == {"smarter-devices/fuse": count}


async def test_without_rights_the_plan_is_handed_over(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\nnext\nhand-over\n\nquit\n"
    ended = await command("--plain", "--sandbox=restricted", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert 'At "Go", hand-over writes the plan for someone who may.' in ended.out
    folder = tmp_path / "podman-wizard-plan"
    assert {path.name for path in folder.iterdir()} >= {"README.md", "commands.sh", "missing-rights.yaml"}
    assert "rights that are missing here" in ended.out


@pytest.mark.terminal
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_wait_for_an_answer(number: signal.Signals, code: int) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "wizard", "--plain", "--sandbox=empty"])
    shown = b""
    while b"next/again" not in shown:
        shown += os.read(terminal, 4096)
    if number == signal.SIGINT:
        os.write(terminal, b"\x03")
    else:
        os.kill(process, number)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == code
