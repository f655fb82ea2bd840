"""The command line as a script meets it: exit codes, what goes where, and what is not imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clusters import ROOT, cluster_of, command
from wizard.cli import main
from wizard.commands.parser import make_parser
from wizard.resources import asset_text
from wizard.sandbox import SCENARIOS


def test_the_wizard_without_a_terminal_names_what_to_use() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "wizard", "--sandbox"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "ssh -t" in ended.stderr
    assert "podman-wizard run" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sandbox=quota", "--kubeconfig", "k", "nodes", "list", "-o", "json"],
        ["nodes", "list", "-o", "json", "--sandbox=quota", "--kubeconfig", "k"],
        ["--kubeconfig", "k", "nodes", "list", "--sandbox=quota", "--output", "json"],
    ],
)
def test_the_cluster_options_stand_before_or_after_the_command(arguments: list[str]) -> None:
    parsed = make_parser().parse_args(arguments)
    assert (parsed.sandbox, parsed.kubeconfig, parsed.output) == ("quota", "k", "json")


async def test_a_scenario_needs_the_equals_sign() -> None:
    ended = await command("--sandbox", "nodes", "list", "--output", "json")
    assert ended.code == 0, ended.error
    assert ended.document["total"] == 12
    assert set(ended.document["nodes"][0]) == {
        "name",
        "labelled",
        "qualifies",
        "ready",
        "schedulable",
        "reasons",
        "os_image",
        "kernel",
        "security_module",
        "fuse",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 2, "--answers"),
        (["nosuch"], 2, "podman-wizard has no command nosuch."),
        (["nodes", "label", "--sandbox"], 2, "No nodes were selected."),
        (["undo", "--coder-url", "", "--yes"], 2, "is not the URL of a Coder deployment"),
        (["plan", "--to", "", "--sandbox"], 2, "the path is empty"),
        (["manifest", "apply", "--overlay", "", "--sandbox"], 2, "the path is empty"),
        (["verify", "--image", "", "--sandbox"], 2, "'' is not an image reference"),
        (["verify", "--namespace", "a b", "--sandbox"], 2, "'a b' cannot be the name of a namespace"),
        (["nodes", "label", "a", "--all", "--sandbox"], 2, "cannot be combined"),
        (["nodes", "list", "--sandbox=nosuch"], 2, "mixed"),
        (["nodes", "list", "--selector", "!!=", "--sandbox"], 2, "selector"),
        (["run", "--answers", "/nosuch.yaml", "--yes"], 4, "/nosuch.yaml does not exist"),
        (["check", "--kubeconfig", "/nosuch"], 4, "/nosuch"),
        (["check"], 3, "--sandbox"),
        (["manifest", "render", "--set", "imgae=x"], 2, "image"),
        (["manifest", "render", "--set", "pod-quota=many"], 2, "pod-quota"),
        (["manifest", "render", "--to", "/nosuch/file.yaml"], 4, "/nosuch/file.yaml"),
        (["explain", "rbac.plam"], 2, "rbac.plan"),
        (["policy", "merge", "/nosuch.yaml"], 4, "/nosuch.yaml"),
        (["check", "--from", "/nosuch.json"], 4, "/nosuch.json"),
        (["check", "--from", "/nosuch.json", "--sandbox"], 2, "--from cannot be combined with a cluster"),
    ],
)
async def test_what_does_not_fit_ends_with_its_code_and_a_sentence(arguments: list[str], code: int, words: str) -> None:
    ended = await command(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.error


async def test_a_server_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {"token": "secret-token"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    ended = await command("check", "--kubeconfig", str(kubeconfig), "-o", "json")
    assert ended.code == 3
    assert "Cannot reach the API server 127.0.0.1:1" in ended.error
    assert (ended.document["schema_version"], set(ended.document)) == (1, {"schema_version", "document", "error"})
    assert ended.document["error"]["exit_code"] == 3
    assert ended.document["error"]["what"] in ended.error
    assert "secret-token" not in ended.error + ended.out


async def test_the_manifest_renders_without_a_cluster(tmp_path: Path) -> None:
    guide = await command("manifest", "render", "--preset", "guide")
    assert guide.code == 0, guide.error
    assert "memory: 15Mi" in guide.out
    written = await command("manifest", "render", "--set", "memory=48Mi", "--to", str(tmp_path / "m.yaml"))
    assert (written.code, written.out) == (0, "")
    assert "memory: 48Mi" in (tmp_path / "m.yaml").read_text()


async def test_facts_that_were_saved_are_judged_the_same_without_the_cluster(tmp_path: Path) -> None:
    saved = tmp_path / "facts.json"
    live = await command("check", "--sandbox", "--save", str(saved), "-o", "json")
    again = await command("check", "--from", str(saved), "-o", "json")
    assert again.code == live.code == 0
    assert again.document == live.document
    assert live.document["ready"] is True
    skipped = await command("check", "--from", str(saved), "--skip", "docs.podman", "-o", "json")
    assert {f["id"] for f in live.document["findings"]} - {f["id"] for f in skipped.document["findings"]} == {
        "docs.podman"
    }
    assert (await command("check", "--from", str(saved), "--fail-on", "warning")).code == 1


async def test_labelling_and_unlabelling_on_the_sandbox_says_what_it_did() -> None:
    shown = await command("nodes", "label", "--all", "--dry-run", "--sandbox", "-o", "json")
    assert shown.code == 0, shown.error
    assert shown.document["dry_run"]
    labelled = await command("nodes", "label", "--all", "--sandbox", "-o", "json")
    assert labelled.code == 0, labelled.error
    assert labelled.document["done"] == shown.document["to_label"] != []


async def test_a_manifest_for_a_selector_that_matches_nothing_says_so() -> None:
    rendered = await command("manifest", "render", "--selector", "pool=nope", "--sandbox")
    assert rendered.code == 0
    assert "No node that qualifies matches pool=nope" in rendered.error


async def test_where_no_node_is_to_be_labelled_it_is_a_problem_and_says_why() -> None:
    for arguments, why in (
        (("--all", "--wait", "--sandbox=empty"), "this cluster has no nodes"),
        (("-l", "pool=nope", "--sandbox"), "0 of 12 nodes match pool=nope"),
        (
            ("-l", "kubernetes.io/os=windows", "--dry-run", "--sandbox"),
            "1 node matches kubernetes.io/os=windows, but none",
        ),
    ):
        ended = await command("nodes", "label", *arguments, "-o", "json")
        assert ended.code == 1, ended.error
        assert why in ended.error
        assert ended.document["to_label"] == ended.document["done"] == []


async def test_a_second_label_changes_nothing_and_says_so(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        assert (await cluster.command("nodes", "label", "--all")).code == 0
        again = await cluster.command("nodes", "label", "--all")
        assert (again.code, again.out) == (0, "Nothing to label: all 8 nodes already have the label.\n")
        dry = await cluster.command("nodes", "label", "rhcos-worker-1", "--dry-run")
        assert (dry.code, dry.out) == (0, "Nothing to label: rhcos-worker-1 already has the label.\n")
        assert (await cluster.command("nodes", "unlabel", "--all")).code == 0
        gone = await cluster.command("nodes", "unlabel", "--all")
        assert (gone.code, gone.out) == (0, "Nothing to unlabel: none of 12 nodes has the label.\n")


async def test_the_value_of_another_is_named_before_it_is_overwritten(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        label = {"metadata": {"labels": {"smarter-device-manager": "mine"}}}
        await cluster.send("PATCH", "/api/v1/nodes/rhcos-worker-1", label, "application/merge-patch+json")
        dry = await cluster.command("nodes", "label", "--all", "--dry-run")
        assert "would label rhcos-worker-1 (mine -> enabled)\n" in dry.out
        answers = tmp_path / "answers.yaml"
        answers.write_text("security-modules: {acknowledged: true}\n")
        run = await cluster.command("run", "--answers", str(answers), "--dry-run")
        assert "overwrites the value of another: rhcos-worker-1 (mine -> enabled)" in run.out
        assert run.code == 5


@pytest.mark.parametrize(("decided", "value"), [("take", "enabled"), ("leave", "mine")])
async def test_another_value_of_the_label_is_a_conflict(tmp_path: Path, decided: str, value: str) -> None:
    """Undecided, it stops a run and an export; taken, it is overwritten; left, the node is left out."""
    path, answers = "/api/v1/nodes/worker-1", tmp_path / "answers.yaml"
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        body = {"metadata": {"labels": {"smarter-device-manager": "mine"}}}
        await cluster.send("PATCH", path, body, "application/merge-patch+json")
        text = "security-modules: {acknowledged: true}\nnodes: {names: [worker-1, worker-2]}\n"
        answers.write_text(text)
        for door in (("run", "--yes"), ("run", "--dry-run"), ("plan", "--to", str(tmp_path / "plan"))):
            ended = await cluster.command(*door, "--answers", str(answers))
            assert ended.code == 5, ended.out + ended.error
            assert "worker-1 (mine)" in ended.error
        assert await cluster.labelled() == set()
        assert not (tmp_path / "plan").exists()
        answers.write_text(f"{text}ownership: {decided}\n")
        shown = await cluster.command("run", "--dry-run", "--answers", str(answers))
        assert shown.code == 0, shown.out + shown.error
        ended = await cluster.command("run", "--yes", "--answers", str(answers))
        assert ended.code == 0, ended.out + ended.error
        assert (await cluster.get(path))["metadata"]["labels"]["smarter-device-manager"] == value
        assert "worker-2" in await cluster.labelled()


async def test_a_selector_lists_and_unlabels_also_nodes_that_cannot_serve(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        listed = await cluster.command("nodes", "list", "-l", "kubernetes.io/os=windows", "-o", "json")
        (windows,) = listed.document["nodes"]
        assert not windows["qualifies"]
        assert (await cluster.command("nodes", "label", windows["name"])).code == 0
        taken = await cluster.command("nodes", "unlabel", "-l", "kubernetes.io/os=windows", "-o", "json")
        assert taken.document["done"] == [windows["name"]]
        labelled = await cluster.command("nodes", "label", "-l", "kubernetes.io/os", "-o", "json")
        assert labelled.code == 0
        assert windows["name"] not in labelled.document["done"]
        assert f"{windows['name']} does not qualify and is not labeled: " in labelled.error


async def test_a_node_that_cannot_serve_gets_a_sentence_where_it_is_labelled_all_the_same() -> None:
    for options, said in ((["--dry-run"], "would be labeled"), ([], "is labeled")):
        ended = await command("nodes", "label", "akswin000001", "rhcos-worker-1", *options, "--sandbox")
        assert ended.code == 0, ended.error
        assert f"akswin000001 {said} although it does not qualify: not Linux (windows)" in ended.out
        assert "rhcos-worker-1 is labeled although" not in ended.out
    told = await command("nodes", "label", "akswin000001", "--dry-run", "--sandbox", "-o", "json")
    (unfit,) = told.document["unfit"]
    assert (unfit["node"], told.document["changed"], len(told.document["changes"])) == ("akswin000001", True, 1)


async def test_the_label_is_taken_from_many_only_with_a_consent_of_its_own(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("nodes", "label", "--all", "--wait", "40")).code == 0
        labelled = await cluster.labelled()
        for options in (["--all"], ["--all", "--dry-run"], ["-l", "kubernetes.io/os=linux"]):
            refused = await cluster.command("nodes", "unlabel", *options)
            assert refused.code == 5
            assert "8 nodes that offer FUSE now lose it" in refused.error
            assert "rhcos-worker-1" in refused.error
            assert "--allow-disruption" in refused.error
        assert await cluster.labelled() == labelled

        named = await cluster.command("nodes", "unlabel", "rhcos-worker-1")
        assert named.code == 0, "one that is named was meant"
        assert "rhcos-worker-1 loses FUSE: new workspaces there get no FUSE device" in named.out
        allowed = await cluster.command("nodes", "unlabel", "--all", "--allow-disruption", "-o", "json")
        assert (allowed.code, allowed.document["changed"]) == (0, True), allowed.error
        assert await cluster.labelled() == set()

        assert (await cluster.command("manifest", "apply", "--set", "no-node-selector")).code == 0
        assert (await cluster.command("nodes", "label", "--all")).code == 0
        unneeded = await cluster.command("nodes", "unlabel", "--all", "-o", "json")
        assert (unneeded.code, unneeded.document["losing"]) == (0, []), "the DaemonSet asks for no label any more"


async def test_the_same_refusal_of_many_nodes_is_told_once() -> None:
    ended = await command("nodes", "label", "--all", "--sandbox=restricted")
    assert ended.code == 3
    (line,) = [line for line in ended.out.splitlines() if "forbidden" in line]
    assert line.startswith("  rhel-1, rhel-2, worker-1, worker-2, worker-3, worker-4: forbidden: User ")


async def test_a_diff_takes_answers_and_ends_with_1_where_something_differs(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("manifest: {set: {memory: 48Mi, image: 'registry.internal/sdm:1'}}\npolicy: {output: p.yaml}\n")
    given = ("--answers", str(answers))
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        assert (await cluster.command("manifest", "diff", *given)).code == 1
        applied = await cluster.command("manifest", "apply", *given, "--set", "memory=64Mi")
        assert applied.code == 0, applied.error
        assert ".resources.limits.memory: 64Mi (adjustment memory)" in applied.out, "options count more than the file"
        assert "registry.internal/sdm:1 (adjustment image)" in applied.out
        same = await cluster.command("manifest", "diff", "-o", "json")
        assert (same.code, same.document["changed"], same.document["changes"]) == (0, False, [])
        differs = await cluster.command("manifest", "diff", "--set", "image=recommended")
        assert differs.code == 1
        image = '.spec.template.spec.containers[name="smarter-device-manager"].image'
        (line,) = [line for line in differs.out.splitlines() if line.startswith(f"  {image}: ")]
        assert line.startswith(f"  {image}: registry.internal/sdm:1 -> ghcr.io/")
        assert line.endswith("(adjustment image)")
        assert not (tmp_path / "p.yaml").exists(), "nothing but the manifest is meant"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("nodes: {names: [nosuch]}\n")
    ended = await command("manifest", "diff", "--answers", str(wrong), "--sandbox", "-o", "json")
    assert (ended.code, ended.document["error"]["object"]) == (4, str(wrong))


async def test_a_conflict_is_told_once_and_is_data_too() -> None:
    for options in ([], ["--dry-run"]):
        text = await command("manifest", "apply", "--sandbox=owned", *options)
        assert text.code == 5
        assert "owned by argocd" not in text.out
        assert "DaemonSet smarter-device-manager: has undecided conflicts" in text.out
        assert text.error.count("argocd has") == 2, "one line a field"
    found = (await command("manifest", "apply", "--sandbox=owned", "-o", "json")).document
    assert (found["changed"], found["changes"], found["error"]["exit_code"]) == (False, [], 5)
    assert [one["decision"] for one in found["conflicts"]] == ["fail", "fail"]
    assert [gate["kind"] for gate in found["gates"]] == ["conflict"]


async def test_a_run_about_policy_and_coder_needs_no_cluster(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(f"policy: {{output: {tmp_path / 'policy.yaml'}}}\n")
    shown = await command("run", "--answers", str(answers), "--dry-run", "-o", "json")
    assert (shown.code, shown.document["changed"]) == (0, True), shown.error
    assert [action["action"] for action in shown.document["actions"]] == ["policy"]
    assert not (tmp_path / "policy.yaml").exists()
    for changed in (True, False):
        ended = await command("run", "--answers", str(answers), "--yes", "-o", "json")
        assert (ended.code, ended.events[-1]["changed"]) == (0, changed), ended.error
    assert "smarter-devices/fuse" in (tmp_path / "policy.yaml").read_text()
    answers.write_text(f"policy: {{output: {tmp_path / 'policy.yaml'}}}\nnodes: {{label: false}}\n")
    assert (await command("run", "--answers", str(answers), "--dry-run")).code == 3, "this one is about a cluster"


async def test_a_dry_run_of_all_steps_shows_findings_pods_and_what_stops_it(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("security-modules: {probe: true}\nverify: {run: true}\nnodes: {names: [rhcos-worker-1]}\n")
    ended = await command("run", "--answers", str(answers), "--dry-run", "--sandbox")
    assert ended.code == 1
    assert "Labels on managed-pool nodes do not last" not in ended.out, "of the selected node"
    assert "warning  1 x RHCOS 9.6   SELinux enforcing  [modules.selinux@" in ended.out
    assert "(confidence: medium)" in ended.out
    assert "Probe pod on talos-a7k-m2p" in ended.out
    assert "Test pod on rhcos-worker-1 (1 x RHCOS 9.6" in ended.out
    assert ended.out.count("Test pod on ") == 1
    assert re.search(r"you have not acknowledged \d+ security-module warnings: ", ended.error)
    found = (await command("run", "--answers", str(answers), "--dry-run", "--sandbox", "-o", "json")).document
    assert {pod["what"] for pod in found["pods"]} == {"probe", "test"}
    assert [gate["kind"] for gate in found["gates"]] == ["acknowledgement"]
    assert found["error"]["exit_code"] == 1
    assert not [action for action in found["actions"] if action["action"] == "policy"], "no key, no policy"


async def test_every_failed_run_ends_with_a_summary_that_has_the_error(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("nodes: {names: [rhcos-worker-1]}\n")
    for arguments, code in (
        (["--answers", str(tmp_path / "nosuch.yaml"), "--yes"], 4),
        (["--answers", str(answers)], 2),
        (["--answers", str(answers), "--yes", "--sandbox"], 1),
    ):
        ended = await command("run", *arguments, "-o", "json")
        assert (ended.code, ended.events[-1]["event"], ended.events[-1]["changed"]) == (code, "summary", False)
        assert ended.events[-1]["error"]["exit_code"] == code
        assert all(event["schema_version"] == 1 for event in ended.events)
        assert ended.events[-1]["error"]["what"] in ended.error


@pytest.mark.parametrize(("changing", "said"), [(True, "The command was interrupted."), (False, "")])
def test_who_closes_the_pipe_of_a_change_hears_that_it_stopped(changing: bool, said: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ["nodes", "label" if changing else "list", *(["--all"] * changing), "--sandbox=restricted"]
    ended = subprocess.run(
        [sys.executable, "-m", "wizard", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert changing or not ended.stderr


def test_what_ends_a_command_by_a_signal_is_said() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wizard", "sandbox", "empty"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"is running at" in process.stdout.readline()
    process.terminate()
    _, error = process.communicate(timeout=20)
    assert process.returncode == 143
    assert b"ended by signal SIGTERM" in error


def _imported(*arguments: str) -> set[str]:
    script = (
        "import sys; from wizard.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ}
    )
    return {name.split(".")[0] for name in ended.stderr.split("\n")}


def test_policy_imports_neither_textual_nor_a_kubernetes_client() -> None:
    imported = _imported("policy", "merge", str(ROOT / "tests/data/running-deployment.yaml"))
    assert "yaml" in imported
    assert not imported & {"textual", "rich", "kubernetes", "aiohttp", "ruamel", "asyncio"}


def test_help_imports_hardly_anything() -> None:
    assert not _imported("--help") & {"textual", "rich", "kubernetes", "aiohttp", "yaml", "asyncio"}


def test_the_commands_import_no_screens() -> None:
    assert not _imported("nodes", "list", "--sandbox") & {"textual", "screens"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--answers", "a.yaml", "plan", "--to", "d"], 2, "--answers is an option of the wizard"),
        (["--plain", "check"], 2, "--plain is an option of the wizard"),
        (["--sandbox", "quota", "check"], 2, "--sandbox=quota"),
        (["nodes", "label", "--all", "--wait", "-5", "--sandbox"], 2, "above 0"),
        (["check", "--skip", "rbac.paln", "--sandbox"], 2, "Similar IDs: rbac.plan"),
        (["manifest", "diff", "--ownership", "take", "--sandbox"], 2, "--ownership"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        ended = main(arguments)
    except SystemExit as error:
        ended = int(error.code or 0)
    said = capsys.readouterr()
    assert (ended, said.out) == (code, "")
    assert words in said.err


def test_a_dry_run_ends_as_the_apply_would(capsys: pytest.CaptureFixture[str]) -> None:
    for changing in ([], ["--dry-run"]):
        assert main(["manifest", "apply", "--sandbox=owned", *changing]) == 5
        assert "argocd" in "".join(capsys.readouterr())
    assert main(["manifest", "apply", "--sandbox=owned", "--dry-run", "--ownership", "take"]) == 0
    assert main(["manifest", "apply", "--sandbox=restricted", "--dry-run"]) == 3
    assert "DaemonSet smarter-device-manager: not checked (patch daemonsets.apps)" in capsys.readouterr().out


def test_a_kind_of_finding_is_skipped_for_all_groups_of_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sandbox", "--skip", "modules.selinux", "-o", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    ids = {finding["id"].partition("@")[0] for finding in findings}
    assert "modules.apparmor" in ids
    assert "modules.selinux" not in ids


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes: {names: [nosuch]}", "nosuch"),
        ("manifest: {set: {imgae: x}}", "imgae"),
        ("rollout: {timeout: -1}", "rollout.timeout"),
    ],
)
def test_a_choice_in_the_answers_file_that_does_not_fit_is_an_error_in_that_file(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(f"security-modules: {{acknowledged: true}}\n{text}\n")
    for arguments in (["run", "--yes"], ["plan", "--to", str(tmp_path / "plan")]):
        assert main([*arguments, "--answers", str(answers), "--sandbox"]) == 4
        said = capsys.readouterr().err
        assert said.startswith(f"podman-wizard: {answers}")
        assert words in said
    assert not (tmp_path / "plan").exists()


def _shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "W": f"{sys.executable} -m wizard", **environment},
    )


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("$W check --sandbox=empty >&-", 1, ""),
        ("$W nodes list --sandbox=quota >/dev/full", 1, "Cannot write the output: no space left on device."),
        ("$W nodes list --sandbox=quota | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("$W --plain --sandbox=empty <&-", 130, "The input ended."),
        ("$W --sandbox <&-", 2, "The wizard needs a terminal"),
        ("PYTHONIOENCODING=ascii $W explain \u201cnosuch\u201d", 2, "\\u201cnosuch\\u201d"),
    ],
)
def test_streams_that_are_closed_full_or_narrow_are_no_bugs(script: str, code: int, words: str) -> None:
    ended = _shell(script)
    assert ended.returncode == code, ended.stderr
    assert "internal error" not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert words in ended.stderr


def test_a_user_without_a_home_is_served() -> None:
    script = (
        "import os, pwd, sys\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "from wizard.cli import main\n"
        "sys.exit(main(['check', '--sandbox=empty', '-o', 'json']))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert json.loads(ended.stdout)["ready"] is False, ended.stderr


def test_as_a_plugin_of_kubectl_it_calls_itself_so(tmp_path: Path) -> None:
    plugin = tmp_path / "kubectl-podman_wizard"
    plugin.write_text(f"#!{sys.executable}\nfrom wizard.cli import entry\nentry()\n")
    plugin.chmod(0o755)
    ended = _shell(f"{plugin} nodes label --help", PYTHONPATH=str(ROOT))
    assert ended.stdout.startswith("usage: kubectl podman-wizard nodes label"), ended.stderr


def test_what_comes_from_a_cluster_cannot_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, again = tmp_path / "facts.json", tmp_path / "again.json"
    assert main(["check", "--sandbox", "--save", str(saved)]) == 0
    evil = "\x1b]0;t\x07\u009b2J\u202e\ud800z\u00fc"
    facts = json.loads(saved.read_text())
    facts["identity"]["context"] = evil
    for node in facts["nodes"]:
        node["name"] += evil
    saved.write_text(json.dumps(facts))
    capsys.readouterr()
    assert main(["check", "--from", str(saved), "--save", str(again)]) == 0
    assert not set("".join(capsys.readouterr())) & set("\x1b\x07\u009b\u202e\ud800")
    assert main(["check", "--from", str(again), "-o", "json"]) == 0
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said)["cluster"]["context"] == evil


async def test_the_help_of_the_sandbox_names_each_scenario() -> None:
    ended = await command("sandbox", "--help")
    words = set(re.findall(r"[a-z]+(?:-[a-z0-9]+)*", ended.out.replace("-\n" + " " * 24, "-")))
    assert set(SCENARIOS) <= words


def test_a_command_of_several_lines_can_be_copied_from_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an indent, a here-document would have no end."""
    main(["check", "--sandbox=owned"])
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("cat > /etc/apparmor.d/"))
    end = next(number for number, line in enumerate(lines) if line.startswith("apparmor_parser "))
    script = "\n".join(lines[start:end]).replace("/etc/apparmor.d", str(tmp_path))
    subprocess.run(["sh", "-eu"], input=f"{script}\n", text=True, check=True)
    assert (tmp_path / "podman-workspace").read_text() == asset_text("verify", "podman-workspace.apparmor")
