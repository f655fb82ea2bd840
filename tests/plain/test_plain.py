"""The plain mode, by piped answers and in a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from tests.clusters import ROOT, Cluster, cluster_of, command
from wizard.journal import unfinished
from wizard.journal.journal import runs
from wizard.journal.state import ClusterLock
from wizard.plain import help_text
from wizard.steps import STEPS

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


class Talk:
    """A walk whose answers wait for their question, so that something can happen in between."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""
        """Everything that was printed."""

    async def until(self, text: str) -> str:
        """Returns what is printed until the text is, with it."""
        assert self._process.stdout is not None
        new = ""
        async with asyncio.timeout(60):
            while text not in new:
                chunk = await self._process.stdout.read(65536)
                assert chunk, f"{text!r} was never printed: {self.said}"
                new += chunk.decode()
                self.said += chunk.decode()
        return new

    def answer(self, *lines: str) -> None:
        """Types these lines."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())


@asynccontextmanager
async def talking(cluster: Cluster, folder: Path) -> AsyncIterator[Talk]:
    """A walk on this cluster."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wizard", "--kubeconfig", str(cluster.kubeconfig), "--plain"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield Talk(process)
    _, _ = await process.communicate()
    assert process.returncode == 0


async def test_a_walk_by_piped_answers_does_the_whole_job(tmp_path: Path) -> None:
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=WALK, PODMAN_WIZARD_SANDBOX_SPEED="50")
    assert ended.code == 0, ended.error
    done = next(line for line in ended.out.splitlines() if line.startswith("Done: "))
    assert done == "Done: 4 objects applied; 8 nodes labeled; FUSE on 8 of 8 nodes; policy.yaml written"
    assert "upload policy.yaml" in ended.out
    assert "smarter-devices/fuse" in (tmp_path / "policy.yaml").read_text()
    answers = yaml.safe_load((tmp_path / "podman-wizard.choices.answers.yaml").read_text())
    assert answers["security-modules"]["acknowledged"] is True
    assert answers["policy"]["output"] == str(tmp_path / "policy.yaml")
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
        assert "2 of 2 node types probed" in right.out, right.error


DAEMON_SET = "/apis/apps/v1/namespaces/smarter-device-manager/daemonsets/smarter-device-manager"
INSTALL = "next\nyes\nnext\napply\nyes\nsandbox-mixed\nnext\nnext\nlabel\nyes\nwait\n"


async def test_what_is_shown_after_a_change_is_what_is_there_now(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        typed = f"{INSTALL}next\nback\nnext\nback\nback\nno\nback\nquit\n"
        ended = await cluster.command("--plain", typed=typed)
        assert ended.code == 0, ended.error
        before, after = ended.out.split("done: 4 of 4 objects applied")
        assert "DaemonSet smarter-device-manager: new" in before
        assert "Namespace smarter-device-manager: not created yet" in before
        assert "No changes: the cluster matches the manifest." in after
        assert "Namespace smarter-device-manager: not created yet" not in after
        assert "8 of 12 nodes selected, 0 to label." in after.partition("nodes labeled")[2]
        assert "smarter-device-manager is not installed yet" not in after


async def test_an_object_that_changed_underneath_is_shown_and_asked_about_again(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        await cluster.command("--plain", typed=f"{INSTALL}next\nquit\n")
        async with talking(cluster, tmp_path) as walk:
            walk.answer("next", "yes", "next", "devices-per-node=110", "apply")
            shown = await walk.until("Apply 2 objects?")
            assert "+   nummaxdevices: 110" in shown
            other = {"metadata": {"labels": {"team": "platform"}}}
            assert (
                await cluster.send(
                    "PATCH",
                    DAEMON_SET.replace("apis/apps/v1", "api/v1").replace("daemonsets", "configmaps"),
                    other,
                    "application/merge-patch+json",
                )
                == 200
            )
            walk.answer("yes")
            again = await walk.until("Apply 2 objects?")
            assert "ConfigMap smarter-device-manager changed after the plan was made, so it was not applied." in again
            assert "+   nummaxdevices: 110" in again
            walk.answer("yes")
            await walk.until("2 of 2 objects applied")
            walk.answer("next", "quit")


async def test_nodes_that_would_lose_fuse_are_a_question_of_their_own(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        without_labels = "next\nyes\nnext\nno-node-selector\napply\nyes\nsandbox-mixed\nnext\nnext\nwait\nnext\nquit\n"
        installed = await cluster.command("--plain", typed=without_labels)
        assert "All 8 nodes match the forecast." in installed.out, installed.error
        refused = await cluster.command("--plain", typed="next\nyes\nnext\nno-node-selector\napply\nno\nnext\nquit\n")
        question = refused.out.rpartition("Continue all the same?")[0]
        assert "talos-a7k-m2p" in question and "sles-worker-1" in question
        assert "Apply 1 object?" not in refused.out
        assert "smarter-device-manager" not in str(
            (await cluster.get(DAEMON_SET))["spec"]["template"]["spec"]["nodeSelector"]
        )
        agreed = await cluster.command(
            "--plain", typed="next\nyes\nnext\nno-node-selector\napply\nyes\nyes\nnext\nquit\n"
        )
        assert "1 of 1 object applied" in agreed.out, agreed.error


async def test_the_label_is_not_taken_from_nodes_that_offer_fuse_without_naming_them(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        typed = f"{INSTALL}unlabel\nno\nunlabel\nyes\nyes\nnext\nquit\n"
        ended = await cluster.command("--plain", typed=typed)
        assert ended.code == 0, ended.error
        first, _, second = ended.out.partition("Nothing was changed.")
        assert "Warning: 8 nodes lose FUSE (the label is removed)" in first and "talos-a7k-m2p" in first
        assert "8 of 8 nodes unlabeled" in second
        # An earlier rollout is no result any more.
        assert "result: ready" not in second.partition("8 of 8 nodes unlabeled")[2]
        assert await cluster.labelled() == set()


async def test_what_was_chosen_here_stays_and_can_be_given_up(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        first = "next\nyes\nnext\nimage=registry.example.org/sdm:1\napply\nyes\nsandbox-mixed\nnext\nquit\n"
        assert "4 of 4 objects applied" in (await cluster.command("--plain", typed=first)).out
        later = "next\nyes\nnext\nimage=recommended\nv image\nhere\nv memory\n64Mi\nnext\nquit\n"
        ended = await cluster.command("--plain", typed=later)
        assert ended.code == 0, ended.error
        step = ended.out.partition("Step 3 of 7")[2]
        as_it_is, recommended, here, more = step.split("on   image ")[1:]
        assert "now: registry.example.org/sdm:1" in as_it_is and "No changes" in as_it_is
        field = '.spec.template.spec.containers[name="smarter-device-manager"].image:'
        assert field in recommended and "registry.example.org/sdm:1 ->" in recommended
        assert "now: registry.example.org/sdm:1" in here and "No changes" in here
        assert "chosen: 64Mi" in more and "30Mi -> 64Mi" in more


async def test_what_was_done_can_be_undone_from_here_once_it_was_shown(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        typed = f"{INSTALL}next\nundo\nno\nundo\nyes\nrepeat\nnext\nnext\n\nnext\nnext\nno\nundo\nquit\n"
        ended = await cluster.command("--plain", typed=typed)
        assert ended.code == 0, ended.error
        shown, agreed, after = ended.out.split("Undo 5 changes?")
        assert "DaemonSet smarter-device-manager: delete it" in shown.rpartition("This undoes:")[2]
        assert "DaemonSet smarter-device-manager: deleted" not in agreed
        assert "5 of 5 changes undone" in after
        assert "8 of 12 nodes selected, 8 to label." in after  # what is shown is what is there now
        assert "FUSE on 8 of 8 nodes; 5 changes undone" in after
        assert "There is nothing to undo on this cluster." in after
        assert await cluster.labelled() == set()
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager") is None


async def test_repeat_reads_the_cluster_again(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster, talking(cluster, tmp_path) as walk:
        await walk.until("quit] (enter: next): ")
        nodes = (await cluster.get("/api/v1/nodes"))["items"]
        await cluster.send("DELETE", f"/api/v1/nodes/{nodes[-1]['metadata']['name']}", {})
        walk.answer("repeat")
        assert "of 11 nodes qualify" in await walk.until("quit] (enter: next): ")
        walk.answer("quit")


async def test_without_a_cluster_the_manifest_and_the_policy_are_still_made(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\nusers: []\n"
        "clusters: [{name: gone, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: gone, context: {cluster: gone}}]\n"
    )
    typed = "next\nnext\npod-quota=77\nsave\n\nnext\nnext\nnext\nguide\n\n\nyes\nnext\nnext\nno\nquit\n"
    ended = await command("--kubeconfig", str(kubeconfig), "--plain", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "127.0.0.1:9" in ended.error
    assert 'pods: "77"' in (tmp_path / "smarter-device-manager.yaml").read_text()
    assert "smarter-devices/fuse" in (tmp_path / "policy.yaml").read_text()
    assert "Done: " in ended.out and "policy.yaml written" in ended.out


async def test_the_answers_file_repeats_what_was_done_and_nothing_else(tmp_path: Path) -> None:
    chosen = "image=registry.example.org/sdm:1\napply\nyes\nnext\nnext\ntalos-a7k-m2p sles-worker-1\nlabel\nyes\n"
    typed = f"next\nyes\nnext\n{chosen}next\nnext\nguide\n\n\nno\nnext\nno\nnext\nyes\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed, PODMAN_WIZARD_SANDBOX_SPEED="50")
    assert "Done: 4 objects applied; 2 nodes labeled\n" in ended.out, ended.error
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        file = str(tmp_path / "podman-wizard.choices.answers.yaml")
        await cluster.command("run", "--answers", file, "--yes", folder=tmp_path)
        pod = (await cluster.get(DAEMON_SET))["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == "registry.example.org/sdm:1"
        assert await cluster.labelled() == {"talos-a7k-m2p", "sles-worker-1"}
    assert not (tmp_path / "policy.yaml").exists()


async def test_a_policy_that_was_not_named_stays_in_the_sandbox(tmp_path: Path) -> None:
    typed = "next\nno\nnext\nnext\nnext\nnext\nnext\nguide\n\n\nyes\nnext\nnext\nno\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "deleted when the sandbox ends" in ended.out and "policy.yaml written" in ended.out
    assert list(tmp_path.iterdir()) == []


async def test_enter_alone_writes_no_policy(tmp_path: Path) -> None:
    typed = "next\nno\nnext\nnext\nnext\nnext\nnext\n\nnext\nnext\n\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "Step 5 of 7" in ended.out and "Done: nothing was changed" in ended.out
    assert list(tmp_path.iterdir()) == []


async def test_each_field_of_another_manager_is_asked_about(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\nleave\ntake\nyes\nnext\nquit\n"
    ended = await command("--plain", "--sandbox=owned", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "on the cluster: registry.example.org/mirror/smarter-device-manager:v1.20.11" in ended.out
    assert "set by argocd at 20" in ended.out
    assert ".image left to argocd; .spec.template.spec.nodeSelector taken over from argocd" in ended.out


async def test_what_a_gitops_tool_owns_goes_into_an_overlay(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\noverlay\nfor-git\nnext\nquit\n"
    ended = await command("--plain", "--sandbox=owned", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert {path.name for path in (tmp_path / "for-git").iterdir()} == {
        "README.md",
        "kustomization.yaml",
        "daemonset.yaml",
    }
    assert "skipped, owned by argocd: DaemonSet nodeSelector" in ended.out
    assert "No other object would change, so there is nothing to apply." in ended.out


async def test_every_change_is_confirmed_with_the_cluster_by_name_and_uid(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "failing", tmp_path) as cluster:
        uid = (await cluster.get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        typed = "next\nyes\nnext\napply\nyes\nsandbox-failing\nnext\nnext\nlabel\nyes\nunlabel\nyes\nnext\nquit\n"
        ended = await cluster.command("--plain", typed=typed)
        assert ended.code == 0, ended.error
        questions = [line for line in ended.out.splitlines() if line.startswith("On ") or ": On " in line]
        assert len(questions) == 3
        assert all(f"sandbox-failing, {cluster.url}" in line and f"uid {uid}" in line for line in questions)
        assert "9 of 9 nodes unlabeled" in ended.out
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
        assert second.out.count("This session is read-only: Another podman-wizard") == 2
        passed = await cluster.command("--plain", "--fresh", typed="quit\n")
        assert "was interrupted" not in passed.out
        taken = await cluster.command("--plain", typed="yes\nnext\nquit\n")
        assert "was interrupted. Its last change: DaemonSet smarter-device-manager." in taken.out
        assert "I have reviewed" not in taken.out  # it was acknowledged by then
        settled = await cluster.command("--plain", typed="quit\n")
        assert "was interrupted" not in settled.out


async def test_what_was_chosen_before_the_line_dropped_is_offered_again(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        cut = await cluster.command("--plain", typed="next\nyes\nnext\nmemory=64Mi\nnext\n")
        assert cut.code == 130
        folder = await cluster.journals()
        left = unfinished.find(folder)
        assert left is not None
        assert left.step == "manifest"
        later = await cluster.command("--plain", typed="later\nquit\n")
        assert "A session lost its connection at" in later.out
        assert "    memory: 64Mi" in later.out
        again = await cluster.command("--plain", typed="yes\nyaml\n")
        assert "Step 3 of 7: Apply the manifest" in again.out
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
        assert "are no longer valid; they are kept for later: There is no node no-longer-here" in misfit.out
        assert unfinished.find(folder)
        edits = unfinished.PolicyEdits(tmp_path / "policy.yaml", b"a: 1\n", b"a: 2\n")
        unfinished.keep(folder, unfinished.Unfinished("2026-01-01T00:00:00Z", "policy", "{}\n", edits))
        ended = await cluster.command("--plain", typed="yes\nnext\nquit\n")
        assert "To edit them, start the wizard without --plain." in ended.out
        left = unfinished.find(folder)
        assert left is not None
        assert left.policy == edits
        assert (await cluster.command("--plain", typed="no\nquit\n")).code == 0
        assert unfinished.find(folder) is None


async def test_it_explains_itself_and_its_findings(tmp_path: Path) -> None:
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed="help\n7\nrepeat\n99\nquit\n")
    assert ended.code == 0, ended.error
    assert "Nothing changes until you confirm a question that says what will change, and" in ended.out
    assert "smarter-device-manager (in short: the device manager) on the nodes." in ended.out
    seventh = re.findall(r"(?m)^7\. \w+: (.*)$", ended.out)
    assert len(seventh) == 2  # the step was shown again
    _, story = ended.out.split("Choose an action, or enter the number of a finding", 2)[2].split(": ", 1)
    assert seventh[0] in story
    assert len(story.partition("Choose an action")[0].splitlines()) > 3
    assert "Enter one of: next, repeat, back, export, undo, help, quit." in ended.out


async def test_help_is_there_at_every_step(tmp_path: Path) -> None:
    typed = (
        "help\nnext\nno\nhelp\nnext\nnext\nhelp\nnext\nnext\nhelp\nnext\nnext\nhelp\nnext\nhelp\nnext\nno\nhelp\nquit\n"
    )
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    for step, _ in STEPS:
        assert ended.out.count(help_text(step)) == 1


async def test_values_names_and_the_file_of_the_manifest(tmp_path: Path) -> None:
    manifest = "pod-quota=77\npod-quota=many\nsave\n\nnext\nnext\n"
    typed = f"next\nyes\nnext\n{manifest}workspaces-noble-1 talos-a7k-m2p\nnext\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "pod-quota" in ended.error and "many" in ended.error
    assert 'pods: "77"' in (tmp_path / "smarter-device-manager.yaml").read_text()
    assert "2 of 12 nodes selected, 2 to label." in ended.out


async def test_a_word_that_is_no_answer_chooses_no_nodes(tmp_path: Path) -> None:
    typed = "next\nno\nnext\nnext\nnext\nyes\nwait\nkubernetes.io/os=linux,=\nnext\nquit\n"
    ended = await command("--plain", "--sandbox", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert "No node that qualifies matches yes. The selection is unchanged." in ended.out
    assert "No selected node has the label, so there is nothing to wait for." in ended.out
    assert "kubernetes.io/os=linux,=" in ended.error  # no selector at all
    counts = re.findall(r"(\d+) of 12 nodes selected", ended.out)
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
        assert "Keep the existing values, or replace them?" in ended.out
        limits = yaml.safe_load(policy.read_text())["workspace"]["specs"]["kubernetes"]["resource-limits"]
        assert limits["value"] == {"smarter-devices/fuse": count}


async def test_without_rights_the_plan_is_handed_over(tmp_path: Path) -> None:
    typed = "next\nyes\nnext\napply\nnext\nexport\n\nquit\n"
    ended = await command("--plain", "--sandbox=restricted", folder=tmp_path, typed=typed)
    assert ended.code == 0, ended.error
    assert 'At the next "Choose an action", enter export to write the plan for someone with access.' in ended.out
    folder = tmp_path / "podman-wizard-plan"
    assert {path.name for path in folder.iterdir()} >= {"README.md", "commands.sh", "missing-permissions.yaml"}
    assert "permissions you lack" in ended.out


async def test_nobody_is_stuck_without_permissions_after_someone_else_applied_the_plan(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        await cluster.command("--plain", typed=f"{INSTALL.replace('mixed', 'restricted')}next\nquit\n")
        typed = "next\nyes\nnext\napply\nnext\nnext\nlabel\nwait\nnext\nnext\nnext\nquit\n"
        ended = await cluster.command("--plain", limited=True, typed=typed)
        assert ended.code == 0, ended.error
        assert "blocker:" not in ended.out
        assert "not checked (patch daemonsets.apps)" in ended.out
        assert "Nothing would change, so there is nothing to apply." in ended.out
        assert "No selected node lacks the label." in ended.out
        assert "Each selected node already advertises FUSE." in ended.out


@pytest.mark.terminal
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_wait_for_an_answer(number: signal.Signals, code: int) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "wizard", "--plain", "--sandbox=empty"])
    shown = b""
    while b"next/repeat" not in shown:
        shown += os.read(terminal, 4096)
    if number == signal.SIGINT:
        os.write(terminal, b"\x03")
    else:
        os.kill(process, number)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == code
