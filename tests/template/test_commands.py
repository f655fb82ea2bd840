"""The template commands as a person or a script runs them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml

from tests.template.templates import ANNOTATION, FUSE, STARTER, container, limits, pod
from wizard.cli import main
from wizard.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_SPEED", "100")

    def call(*arguments: str, stdin: bytes = b"") -> Done:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                code = main(["template", *arguments])
            except SystemExit as end:
                code = int(end.code or 0)
            out.flush()
        return Done(code, out.buffer.getvalue(), err.getvalue())

    return call


@pytest.fixture
def main_tf(tmp_path: Path) -> Path:
    path = tmp_path / "main.tf"
    path.write_text(STARTER)
    return path


def test_a_merge_goes_to_stdout_and_says_what_was_not_decided(run: Run, main_tf: Path) -> None:
    done = run("merge", "main.tf")
    assert done.code == 0
    assert done.out.decode().count(FUSE) == 2
    assert "Not decided without a cluster: apparmor, seccomp, selinux." in done.err
    assert "apparmor, seccomp, selinux, user." in run("merge", "-", stdin=pod().encode()).err
    assert "4 lines added, 0 other bytes changed, 0 of 0 comments kept" in done.err
    assert main_tf.read_text() == STARTER


def test_stdin_goes_to_stdout(run: Run) -> None:
    done = run("merge", "-", stdin=pod().encode())
    assert (done.code, done.out.decode()) == (0, pod().replace("limits = {\n", f"limits = {{\n          {FUSE}\n\n", 1))
    assert run("merge", "-", stdin=b"").code == 4


def test_in_place_keeps_a_backup_and_the_mode(run: Run, main_tf: Path, tmp_path: Path) -> None:
    main_tf.chmod(0o640)
    done = run("merge", "main.tf", "--in-place")
    assert (done.code, done.out) == (0, b"")
    assert FUSE in main_tf.read_text()
    assert stat.S_IMODE(main_tf.stat().st_mode) == 0o640
    (backup,) = tmp_path.glob("main.tf.*.bak")
    assert backup.read_text() == STARTER
    assert str(backup.name) in done.err
    again = run("merge", ".", "--in-place")
    assert (again.code, "nothing to change" in again.err) == (0, True)


def test_the_file_of_a_folder_is_edited_where_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "agent.tf").write_text('resource "coder_agent" "main" {\n}\n')
    (tmp_path / "pod.tf").write_text(pod())
    assert run("merge", str(tmp_path), "--in-place").code == 0
    assert FUSE in (tmp_path / "pod.tf").read_text()
    assert [path.name for path in sorted(tmp_path.glob("*.tf"))] == ["agent.tf", "pod.tf"]


def test_to_a_file_and_to_stdout(run: Run, main_tf: Path, tmp_path: Path) -> None:
    assert run("merge", "main.tf", "--to", "new.tf").out == b""
    assert FUSE in (tmp_path / "new.tf").read_text()
    assert run("merge", "main.tf", "--to", "-").out.decode() == (tmp_path / "new.tf").read_text()
    assert main_tf.read_text() == STARTER


def test_check_and_dry_run_write_nothing(run: Run, main_tf: Path) -> None:
    for option, code in (("--check", 1), ("--dry-run", 0)):
        done = run("merge", "main.tf", "--in-place", option)
        assert (done.code, "would be merged" in done.err) == (code, True)
        assert main_tf.read_text() == STARTER
    main_tf.write_bytes(run("merge", "main.tf").out)
    assert run("merge", "main.tf", "--check").code == 0


def test_the_diff_is_shown_instead(run: Run, main_tf: Path) -> None:
    out = run("merge", "main.tf", "--diff").out.decode()
    assert out.startswith("--- main.tf\n+++ main.tf\n@@ ")
    assert f"+              {FUSE}\n" in out


def test_with_and_without_choose_the_parts(run: Run, main_tf: Path) -> None:
    done = run("merge", "main.tf", "--with", "apparmor", "--with", "seccomp", "--without", "device")
    assert f'"{ANNOTATION}/dev" = "unconfined"' in done.out.decode()
    assert FUSE not in done.out.decode()
    assert "Not decided without a cluster: selinux." in done.err
    assert run("merge", "main.tf", "--with", "device", "--without", "device").code == 2


def test_a_refusal_has_its_place_and_writes_nothing(run: Run, main_tf: Path) -> None:
    text = limits("merge(local.a, {})")
    main_tf.write_text(text)
    for options in ([], ["--in-place"], ["--to", "x.tf"]):
        done = run("merge", "main.tf", *options)
        line = text[: text.index("limits =")].count("\n") + 1
        assert (done.code, done.out) == (4, b"")
        assert f"main.tf:{line}:" in done.err
        assert FUSE in done.err
    assert main_tf.read_text() == text
    assert [path.name for path in main_tf.parent.iterdir()] == ["main.tf"]


def test_a_file_that_terraform_rejects_is_not_written(run: Run, main_tf: Path) -> None:
    main_tf.write_text(STARTER + "a = 1 b = 2\n")
    done = run("merge", "main.tf", "--in-place")
    assert done.code == 4
    assert f"main.tf:{STARTER.count(chr(10)) + 1}:" in done.err
    assert main_tf.read_text() == STARTER + "a = 1 b = 2\n"


def test_a_conflict_wants_a_decision(run: Run, main_tf: Path) -> None:
    main_tf.write_text(limits('{ "github.com/fuse" = "1" }'))
    done = run("merge", "main.tf", "--in-place")
    assert (done.code, done.out) == (5, b"")
    assert "--on-conflict keep, replace, or both" in done.err
    assert "github.com/fuse (fuse-device-plugin)" in done.err
    kept = run("merge", "main.tf", "--on-conflict", "keep")
    assert (kept.code, kept.out.decode()) == (0, main_tf.read_text())
    assert "kept" in kept.err
    assert FUSE in run("merge", "main.tf", "--on-conflict", "replace").out.decode()


def test_json_has_the_merge(run: Run, main_tf: Path) -> None:
    document = run("merge", "main.tf", "-o", "json").json
    assert document["changed"] is True
    assert document["refused"] == document["conflicts"] == []
    lines = document["text"].splitlines()
    assert [change["after"] for change in document["changes"]] == ["1", "1"]
    assert all(FUSE in lines[change["line"] - 1] for change in document["changes"])
    assert document["changes"][0]["path"].endswith('resources.limits["smarter-devices/fuse"]')


def test_json_has_the_refusal_and_the_conflict(run: Run, main_tf: Path) -> None:
    main_tf.write_text(limits("local.a").replace('"dev"', "var.name"))
    done = run("merge", "main.tf", "-o", "json", "--with", "apparmor")
    assert (done.code, done.json["error"]["exit_code"]) == (4, 4)
    assert [one["part"] for one in done.json["refused"]] == ["device", "apparmor"]
    assert all(one["line"] and one["todo"] for one in done.json["refused"])
    main_tf.write_text(limits('{ "smarter-devices/fuse" = 0 }'))
    done = run("merge", "main.tf", "-o", "json")
    assert (done.code, done.json["conflicts"][0]["decision"], done.json["changed"]) == (5, None, False)


def test_what_a_merge_leaves_is_a_warning(run: Run, main_tf: Path) -> None:
    main_tf.write_text(STARTER.replace('run_as_user = "1000"', "allow_privilege_escalation = false"))
    done = run("merge", "main.tf")
    assert "problem: allow_privilege_escalation is false" in done.err
    assert "device-missing" not in done.err


def test_a_file_that_changed_meanwhile_is_not_overwritten(
    run: Run, main_tf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wizard.commands.template as command
    from wizard.template.merge import merge_template as merge

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        main_tf.write_text("# mine\n")
        return merge(*arguments, **options)

    monkeypatch.setattr(command, "merge_template", meanwhile)
    assert run("merge", "main.tf", "--in-place").code == 5
    assert main_tf.read_text() == "# mine\n"


def test_names_reach_the_terminal_escaped(run: Run, main_tf: Path) -> None:
    main_tf.write_text(pod(container() + container()).replace('"dev"', '"d\x1b[31mev"'))
    done = run("merge", "main.tf")
    assert (done.code, "\x1b" in done.err, "\\x1b" in done.err) == (4, False, True)


# With a cluster --------------------------------------------------------------------------------------------------


def test_with_a_cluster_its_findings_decide(run: Run, main_tf: Path) -> None:
    done = run("merge", "main.tf", "--sandbox=mixed")
    text = done.out.decode()
    assert done.code == 0
    assert f'"{ANNOTATION}/dev" = "unconfined"' in text
    assert "seccomp_profile {" in text
    assert "se_linux_options" not in text
    assert "modules.apparmor" in done.err
    assert "Unconfined processes cannot use user namespaces either." in done.err
    assert "--with selinux" in done.err
    assert "Not decided without a cluster" not in done.err
    left_out = run("merge", "main.tf", "--sandbox=mixed", "--without", "seccomp").out.decode()
    assert "seccomp_profile" not in left_out


def test_saved_facts_decide_without_a_cluster(run: Run, main_tf: Path) -> None:
    assert main(["check", "--sandbox=mixed", "--save", "facts.json"]) in (0, 1)
    done = run("merge", "main.tf", "--facts", "facts.json", "-o", "json")
    assert {change["part"] for change in done.json["changes"]} == {"device", "apparmor", "seccomp"}
    assert any(finding["id"].startswith("modules.apparmor") for finding in done.json["findings"])
    assert run("merge", "main.tf", "--facts", "facts.json", "--sandbox").code == 2


async def test_a_namespace_that_enforces_baseline_gets_no_annotation(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(STARTER.replace("= var.namespace", '= "workspaces"'))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    async def merge(*options: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wizard", "template", "merge", "main.tf", "--kubeconfig", "config", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
        )
        out, err = await process.communicate()
        return Done(process.returncode or 0, out, err.decode())

    async with await Sandbox.start("mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        unknown = await merge("--diff")
        assert "The Pod Security level of the namespace workspaces is unknown" in unknown.err
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "workspaces", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}},
        }
        token = sandbox.kubeconfig()["users"][0]["user"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{sandbox.url}/api/v1/namespaces", json=namespace) as answer,
        ):
            assert answer.status == 201
        stopped = await merge()
        rest = await merge("--without", "apparmor", "--without", "seccomp")
    assert (stopped.code, stopped.out) == (5, b"")
    assert "The namespace workspaces enforces Pod Security baseline" in stopped.err
    assert "--without apparmor" in stopped.err
    assert (rest.code, rest.out.decode().count(FUSE)) == (0, 2)


# Check and parts -------------------------------------------------------------------------------------------------


def test_check_lists_problems_with_their_places(run: Run, main_tf: Path) -> None:
    done = run("check", "main.tf")
    assert done.code == 1
    line = STARTER[: STARTER.index("resources {")].count("\n") + 1
    assert f"main.tf:{line}:11: problem: smarter-devices/fuse is in neither" in done.out.decode()
    assert "1 problem, 1 warning." in done.err
    main_tf.write_bytes(run("merge", "main.tf").out)
    merged = run("check", ".", "-o", "json")
    assert (merged.code, merged.json["passed"]) == (0, True)
    with_cluster = run("check", "main.tf", "--sandbox=mixed", "-o", "json")
    assert with_cluster.code == 1
    assert "apparmor-missing" in [problem["id"] for problem in with_cluster.json["templates"][0]["problems"]]


def test_parts_and_its_former_name_print_the_same(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    done = run("parts", "--device", "github.com/fuse", "--container", "box")
    assert main(["coder", "template", "--resource", "github.com/fuse", "--container", "box"]) == 0
    assert capsys.readouterr().out == done.out.decode()
    assert f'"{ANNOTATION}/box"' in done.out.decode()


def test_files_alone_need_neither_kubernetes_nor_a_terminal_library(main_tf: Path) -> None:
    script = (
        "import sys; from wizard.cli import main; import wizard.template.checks, wizard.template.parts; "
        f"code = main(['template', 'merge', {str(main_tf)!r}]); code += main(['template', 'check', {str(main_tf)!r}]); "
        "names = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(names & {'kubernetes', 'aiohttp', 'textual', 'screens', 'yaml', 'asyncio'}), code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[] 1"


def test_several_templates_are_checked_and_one_that_is_broken_keeps_no_other_from_it(run: Run) -> None:
    Path("a.tf").write_text(pod())
    Path("b.tf").write_text('resource "kubernetes_pod" "main" {\n')
    Path("c.tf").write_text(pod())
    done = run("check", "a.tf", "b.tf", "c.tf")
    assert done.code == 4
    assert [line.partition(":")[0] for line in done.out.decode().splitlines() if line[0] != " "] == ["a.tf", "c.tf"]
    assert "b.tf:" in done.err
    found = run("check", "a.tf", "c.tf", "-o", "json")
    assert (found.code, found.json["passed"]) == (1, False)
    assert [one["file"] for one in found.json["templates"]] == ["a.tf", "c.tf"]


def test_problems_are_annotations_of_github_actions(run: Run) -> None:
    Path("my,main.tf").write_text(pod())
    done = run("check", "my,main.tf", "-o", "github")
    assert done.code == 1
    [line] = done.out.decode().splitlines()
    _, command, message = line.split("::")
    assert command.startswith("error file=my%2Cmain.tf,line=")
    assert "title=podman-wizard device-missing" in command
    assert "smarter-devices/fuse is in neither requests nor limits. Run podman-wizard template merge" in message
    Path("broken.tf").write_text('resource "kubernetes_pod" "main" {\n')
    for files in (["broken.tf"], ["my,main.tf", "broken.tf"]):
        done = run("check", *files, "-o", "github")
        assert (done.code, b"::error file=broken.tf,line=" in done.out) == (4, True)


def test_the_pre_commit_hook_runs_a_command_that_there_is(run: Run) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    [hook] = [hook for hook in hooks if hook["id"].startswith("podman-template-")]
    program, group, *arguments = hook["entry"].split()
    assert (program, group) == ("podman-wizard", "template")
    for name, matches in (("main.tf", True), ("templates/k8s/main.tf", True), ("domain.tf", False)):
        assert bool(re.search(hook["files"], name)) == matches, name
    Path("main.tf").write_text(pod())
    assert run(*arguments, "main.tf").code == 1
    assert run("merge", "main.tf", "--in-place").code == 0
    assert run(*arguments, "main.tf").code == 0
