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
from wizard.cli import main, make_parser
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
        "eligible",
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
        (["nosuch"], 2, "invalid choice"),
        (["nodes", "label", "--sandbox"], 2, "Which nodes?"),
        (["undo", "--coder-url", "", "--yes"], 2, "is not the URL of a Coder deployment"),
        (["plan", "--to", "", "--sandbox"], 2, "the path is empty"),
        (["manifest", "apply", "--overlay", "", "--sandbox"], 2, "the path is empty"),
        (["verify", "--image", "", "--sandbox"], 2, "'' is no image reference"),
        (["verify", "--namespace", "a b", "--sandbox"], 2, "'a b' cannot be the name of a namespace"),
        (["nodes", "label", "a", "--all", "--sandbox"], 2, "exclude each other"),
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
        (["check", "--from", "/nosuch.json", "--sandbox"], 2, "--from and a cluster exclude each other"),
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
    assert (ended.code, ended.out) == (3, "")
    assert "127.0.0.1:1 cannot be reached" in ended.error
    assert "secret-token" not in ended.error


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
    assert "No node that can serve matches pool=nope" in rendered.error


async def test_where_no_node_is_to_be_labelled_it_is_a_problem_and_says_why() -> None:
    for arguments, why in (
        (("--all", "--wait", "--sandbox=empty"), "This cluster has no nodes"),
        (("-l", "pool=nope", "--sandbox"), "None of the 12 nodes matches pool=nope"),
        (
            ("-l", "kubernetes.io/os=windows", "--dry-run", "--sandbox"),
            "1 node matches kubernetes.io/os=windows, and none can",
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
        assert (again.code, again.out) == (0, "Nothing to label: all 8 nodes have the label already.\n")
        dry = await cluster.command("nodes", "label", "rhcos-worker-1", "--dry-run")
        assert (dry.code, dry.out) == (0, "Nothing to label: rhcos-worker-1 has the label already.\n")
        assert (await cluster.command("nodes", "unlabel", "--all")).code == 0
        gone = await cluster.command("nodes", "unlabel", "--all")
        assert (gone.code, gone.out) == (0, "Nothing to unlabel: none of 12 nodes has the label.\n")


async def test_a_selector_lists_and_unlabels_also_nodes_that_cannot_serve(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        listed = await cluster.command("nodes", "list", "-l", "kubernetes.io/os=windows", "-o", "json")
        (windows,) = listed.document["nodes"]
        assert not windows["eligible"]
        assert (await cluster.command("nodes", "label", windows["name"])).code == 0
        taken = await cluster.command("nodes", "unlabel", "-l", "kubernetes.io/os=windows", "-o", "json")
        assert taken.document["done"] == [windows["name"]]
        labelled = await cluster.command("nodes", "label", "-l", "kubernetes.io/os", "-o", "json")
        assert labelled.code == 0
        assert windows["name"] not in labelled.document["done"]
        assert f"{windows['name']} is left out: " in labelled.error


@pytest.mark.parametrize(("changing", "said"), [(True, "It stopped in the middle."), (False, "")])
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
    assert b"listens on" in process.stdout.readline()
    process.terminate()
    _, error = process.communicate(timeout=20)
    assert process.returncode == 143
    assert b"Ended by SIGTERM." in error


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
        (["--answers", "a.yaml", "plan", "--to", "d"], 2, "--answers in front of a command"),
        (["--plain", "check"], 2, "--plain in front of a command"),
        (["--sandbox", "quota", "check"], 2, "--sandbox=quota"),
        (["nodes", "label", "--all", "--wait", "-5", "--sandbox"], 2, "above 0"),
        (["check", "--skip", "rbac.paln", "--sandbox"], 2, "Near: rbac.plan"),
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
    assert "would be refused" in capsys.readouterr().out


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
        ("$W nodes list --sandbox=quota >/dev/full", 1, "The output cannot be written: no space left on device."),
        ("$W nodes list --sandbox=quota | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("$W --plain --sandbox=empty <&-", 130, "The input ended."),
        ("$W --sandbox <&-", 2, "The wizard needs a terminal"),
        ("PYTHONIOENCODING=ascii $W check --sandbox=nosuch", 2, "\\u201cnosuch\\u201d"),
    ],
)
def test_streams_that_are_closed_full_or_narrow_are_no_bugs(script: str, code: int, words: str) -> None:
    ended = _shell(script)
    assert ended.returncode == code, ended.stderr
    assert "bug of ours" not in ended.stderr
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
    words = set(re.findall(r"[a-z]+", ended.out))
    assert set(SCENARIOS) <= words
