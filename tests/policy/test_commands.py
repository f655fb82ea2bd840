"""The policy commands as a person or a script runs them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.policy.program import main
from wizard.policy import PolicyDocument, merge_podman, new_policy

DATA = Path(__file__).with_name("data")
RUNNING = (DATA / "running-deployment.yaml").read_bytes()
MERGED = merge_podman(PolicyDocument.parse(RUNNING)).document.content
TWO = (DATA / "nasty" / "40_two_devices.yaml").read_bytes()
FUSE = "workspace.specs.kubernetes.resource-requests.value.smarter-devices/fuse"


class Done(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Runner:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.monkeypatch = monkeypatch
        self.folder = folder

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Done:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        err = io.StringIO()
        self.monkeypatch.setattr(sys, "argv", ["podman-wizard", *arguments])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.monkeypatch.setattr(sys, "stdout", out)
        self.monkeypatch.setattr(sys, "stderr", err)
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            self.monkeypatch.undo()
        out.flush()
        return Done(code, out.buffer.getvalue(), err.getvalue())

    def file(self, content: bytes, name: str = "policy.yaml") -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(pytest.MonkeyPatch(), tmp_path)


def test_merge_writes_the_merged_policy_to_stdout_and_the_proof_to_stderr(run: Runner) -> None:
    done = run("merge", run.file(RUNNING))
    assert (done.code, done.out) == (0, MERGED)
    assert "2 lines added, 0 other bytes changed, 24 of 24 comments kept" in done.err


@pytest.mark.parametrize("name", sorted(path.stem for path in (DATA / "merged").glob("*.yaml")))
def test_stdin_goes_to_stdout_byte_for_byte(run: Runner, name: str) -> None:
    done = run("merge", "-", stdin=(DATA / "nasty" / f"{name}.yaml").read_bytes())
    assert (done.code, done.out) == (0, (DATA / "merged" / f"{name}.yaml").read_bytes())


def test_merge_in_place_keeps_a_backup(run: Runner) -> None:
    file = run.file(RUNNING)
    done = run("merge", "--in-place", file)
    assert (done.code, done.out) == (0, b"")
    assert Path(file).read_bytes() == MERGED
    assert [path.read_bytes() for path in run.folder.glob("*.bak")] == [RUNNING]
    again = run("merge", "--in-place", file)
    assert (again.code, again.out) == (0, b"")
    assert len(list(run.folder.iterdir())) == 2


def test_merge_to_another_file(run: Runner) -> None:
    target = run.folder / "merged.yaml"
    done = run("merge", run.file(RUNNING), "--to", str(target))
    assert (done.code, done.out, target.read_bytes()) == (0, b"", MERGED)
    assert (run.folder / "policy.yaml").read_bytes() == RUNNING


def test_merge_of_stdin_to_a_file_that_is_there_keeps_a_backup(run: Runner) -> None:
    target = run.file(b"# old\n", "merged.yaml")
    assert run("merge", "-", "--to", target, stdin=RUNNING).code == 0
    assert Path(target).read_bytes() == MERGED
    assert [path.read_bytes() for path in run.folder.glob("*.bak")] == [b"# old\n"]


def test_check_says_whether_something_would_change_and_writes_nothing(run: Runner) -> None:
    file = run.file(RUNNING)
    done = run("merge", "--check", "--in-place", file)
    assert (done.code, done.out, Path(file).read_bytes()) == (1, b"", RUNNING)
    assert "would be merged" in done.err
    merged = run.file(MERGED, "merged.yaml")
    assert run("merge", "--check", merged).code == 0
    assert run("merge", "--check", file, merged).code == 1
    assert len(list(run.folder.iterdir())) == 2


def test_dry_run_writes_nothing(run: Runner) -> None:
    file = run.file(RUNNING)
    done = run("merge", "--in-place", "--dry-run", "--diff", file)
    assert done.code == 0
    assert done.out.count(b'\n+          smarter-devices/fuse: "1"\n') == 2
    assert Path(file).read_bytes() == RUNNING
    target = run.folder / "new.yaml"
    assert run("merge", "--dry-run", "--to", str(target), file).code == 0
    assert not target.exists()


def test_the_diff_takes_the_place_of_the_merged_policy(run: Runner) -> None:
    done = run("merge", "--diff", run.file(RUNNING))
    assert done.out.startswith(b"--- ")
    assert b"+          smarter-devices/fuse" in done.out
    assert run("merge", "--diff", run.file(MERGED)).out == b""


def test_json_is_one_document_on_stdout(run: Runner) -> None:
    done = run("merge", "-o", "json", run.file(RUNNING))
    assert done.code == 0
    assert done.json["changed"] is True
    assert done.json["text"] == MERGED.decode()
    assert done.json["conflicts"] == []
    change = done.json["changes"][0]
    assert change == {"path": FUSE, "action": "add", "before": None, "after": "1", "line": 76}
    assert MERGED.decode().splitlines()[75].strip() == 'smarter-devices/fuse: "1"'
    nothing = run("merge", "--output", "json", run.file(MERGED)).json
    assert (nothing["changed"], nothing["changes"]) == (False, [])


def test_another_count_is_kept_and_told(run: Runner) -> None:
    done = run("merge", "-o", "json", run.file(TWO))
    assert done.code == 0
    assert [(entry["path"], entry["found"], entry["wanted"], entry["line"]) for entry in done.json["conflicts"]] == [
        (FUSE, "2", "1", 8)
    ]
    assert done.json["text"].count('smarter-devices/fuse: "2"') == 2
    assert "kept" in done.err


def test_another_count_is_replaced_if_told_so(run: Runner) -> None:
    done = run("merge", "--on-conflict", "replace", run.file(TWO))
    assert done.code == 0
    assert done.out.count(b'smarter-devices/fuse: "1"') == 2


def test_another_count_fails_if_told_so(run: Runner) -> None:
    file = run.file(TWO)
    done = run("merge", "--in-place", "--on-conflict", "fail", file)
    assert (done.code, done.out, Path(file).read_bytes()) == (5, b"", TWO)
    assert "--on-conflict" in done.err
    as_json = run("merge", "-o", "json", "--on-conflict", "fail", file)
    assert as_json.code == 5
    assert (as_json.json["changed"], len(as_json.json["conflicts"]), as_json.json["text"]) == (False, 1, TWO.decode())


def test_the_number_of_devices_can_be_given(run: Runner) -> None:
    done = run("merge", "--devices", "2", "-o", "json", run.file(TWO))
    assert done.json["conflicts"] == []
    assert run("merge", "--devices", "3", "-", stdin=b"# ours").out.count(b'fuse: "3"') == 2


@pytest.mark.parametrize("devices", ["0", "-1", "x", "1.5", "99999999999"])
def test_devices_are_a_whole_number(run: Runner, devices: str) -> None:
    assert run("merge", f"--devices={devices}", "-").code == 2


@pytest.mark.parametrize("mode", ["read", "write", "append"])
def test_a_mode_sets_the_words_that_are_there_too(run: Runner, mode: str) -> None:
    done = run("merge", "--mode", mode, run.file(RUNNING))
    fields = yaml.safe_load(done.out)["workspace"]["specs"]["kubernetes"]
    assert [fields[name]["policy"] for name in ("resource-requests", "resource-limits")] == [mode, mode]


def test_an_empty_file_and_comments_become_the_guides_policy_and_that_is_said(run: Runner) -> None:
    empty = run("merge", run.file(b""))
    assert empty.out == new_policy("podman")
    assert "is empty, so the guide's short policy is added" in empty.err
    commented = run("merge", "-", stdin=b"# ours")
    assert commented.out == b"# ours\n" + new_policy("podman")
    assert "contains only comments" in commented.err


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n\n"])
@pytest.mark.parametrize("command", ["merge", "check"])
def test_nothing_from_a_pipe_is_refused(run: Runner, command: str, content: bytes) -> None:
    target = run.file(RUNNING)
    done = run(command, "-", *(["--to", target] if command == "merge" else []), stdin=content)
    assert (done.code, done.out) == (4, b"")
    assert "Nothing was read from stdin" in done.err
    assert Path(target).read_bytes() == RUNNING


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_every_name_of_stdout_is_stdout(run: Runner, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.folder)
    done = run("merge", "--to", name, run.file(RUNNING))
    assert (done.code, done.out) == (0, MERGED)
    assert [path.name for path in run.folder.iterdir()] == ["policy.yaml"]


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/stdin", "/dev/fd/2", "/proc/self/fd/2"])
def test_an_open_file_is_no_file_to_replace(run: Runner, name: str) -> None:
    assert run("merge", "--to", name, run.file(RUNNING)).code == 2


MISSPELT = MERGED.replace(b"smarter-devices/fuse", b"smarter-device/fuse")


def test_a_misspelt_resource_is_a_conflict_and_never_doubled(run: Runner) -> None:
    file = run.file(MISSPELT)
    done = run("merge", "--in-place", file)
    assert (done.code, done.out, Path(file).read_bytes()) == (5, b"", MISSPELT)
    assert f"{file}:76: conflict: {FUSE.replace('devices', 'device')} is not smarter-devices/fuse:" in done.err
    as_json = run("merge", "-o", "json", file)
    assert as_json.code == 5
    assert [(one["line"], one["kind"]) for one in as_json.json["conflicts"]] == [(76, "name"), (81, "name")]
    assert run("merge", "--on-conflict", "keep", file).out == MISSPELT
    assert run("merge", "--on-conflict", "replace", file).out == MERGED


def test_no_devices_are_a_conflict_that_needs_a_decision(run: Runner) -> None:
    file = run.file(TWO.replace(b'"2"', b'"0"'))
    done = run("merge", file)
    assert (done.code, done.out) == (5, b"")
    assert "is 0, not 1: not decided" in done.err
    assert run("merge", "--on-conflict", "keep", file).code == 0
    assert run("merge", "--on-conflict", "replace", file).out.count(b'fuse: "1"') == 2


def test_json_names_every_file_that_is_refused(run: Runner) -> None:
    bad, other = run.file(b"workspace: [\n", "bad.yaml"), run.file(b"apiVersion: v1\nkind: Pod\n", "other.yaml")
    good = run.file(MERGED, "good.yaml")
    done = run("check", "-o", "json", bad, other, good)
    assert done.code == 4
    assert [(one["file"], one["line"]) for one in done.json["refused"]] == [(bad, 1), (other, 1)]
    assert "kind Pod" in done.json["refused"][1]["what"]
    assert done.json["passed"] is False
    merged = run("merge", "-o", "json", bad)
    assert (merged.code, merged.json["changed"], merged.json["refused"][0]["file"]) == (4, False, bad)
    assert merged.json["error"]["object"].startswith(bad)


def test_every_file_that_is_refused_is_named_by_a_merge(run: Runner) -> None:
    bad, other = run.file(b"workspace: [\n", "bad.yaml"), run.file(b"404: Not Found\n", "other.yaml")
    good = run.file(RUNNING, "good.yaml")
    done = run("merge", "--in-place", good, bad, other)
    assert done.code == 4
    assert bad in done.err
    assert f"{other}:1:1: This is not a template policy: it looks like an error message." in done.err
    assert Path(good).read_bytes() == RUNNING


def test_unknown_fields_and_two_readings_are_told(run: Runner) -> None:
    text = "version: 0.2\nx-own: 1\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: on}\n"
    done = run("merge", "-", stdin=text.encode())
    assert done.code == 0
    assert "standard input:2:1: warning: x-own" in done.err
    assert "standard input:6:21: warning" in done.err
    assert "on is true (a boolean) in YAML 1.1 and 'on' (text) in YAML 1.2" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["merge", "--in-place", "-"], 2),
        (["merge"], 2),
        (["merge", "a", "b"], 2),
        (["merge", "--to", "x", "--in-place", "y"], 2),
        (["merge", "--mode", "Write", "-"], 2),
        (["merge", "/nowhere/policy.yaml"], 4),
        (["merge", "/"], 4),
        (["check", "/nowhere/policy.yaml"], 4),
        (["new", "--preset", "other"], 2),
    ],
)
def test_what_cannot_be_has_its_exit_code(run: Runner, arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (code, b"")
    assert done.err


def test_a_file_that_is_refused_is_left_alone_and_so_are_the_others(run: Runner) -> None:
    bad = run.file((DATA / "nasty" / "23_anchor_on_the_way.yaml").read_bytes(), "bad.yaml")
    good = run.file(RUNNING, "good.yaml")
    done = run("merge", "--in-place", good, bad)
    assert done.code == 4
    assert f"{bad}:5:26: " in done.err
    assert Path(good).read_bytes() == RUNNING
    assert run("merge", "--unshare", "--in-place", bad).code == 0


def test_a_terminal_is_safe_from_what_a_file_holds(run: Runner) -> None:
    done = run("check", run.file('version: "0.2"\n"x\\e[31m": 1\n"\u202e": 2\n'.encode()))
    assert "\x1b" not in done.out.decode() + done.err
    assert "\u202e" not in done.out.decode() + done.err


@pytest.mark.parametrize("preset", ["podman", "complete"])
def test_new_writes_the_guides_policy(run: Runner, preset: str) -> None:
    done = run("new", "--preset", preset)
    assert (done.code, done.out) == (0, new_policy(preset))
    assert run("new", "--preset", preset, "-o", "json").json["text"] == new_policy(preset).decode()
    assert run("merge", "--check", "-", stdin=done.out).code == 0


def test_check_lists_what_is_wrong_with_its_place(run: Runner) -> None:
    file = run.file(RUNNING)
    done = run("check", file)
    assert done.code == 1
    assert f"{file}:72:7: problem: ".encode() in done.out
    assert b"[fuse-missing]" in done.out
    as_json = run("check", "-o", "json", file)
    assert as_json.code == 1
    assert as_json.json["passed"] is False
    assert [problem["id"] for problem in as_json.json["problems"]] == ["fuse-missing", "fuse-missing", "two-readings"]


def test_warnings_are_problems_only_if_told_so(run: Runner) -> None:
    file = run.file(new_policy("podman"))
    assert run("check", file).code == 0
    strict = run("check", "--strict", file)
    assert strict.code == 1
    assert strict.out.count(b"problem: With write") == 2


def test_a_merge_imports_neither_screens_nor_clients() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wizard", "policy", "merge", "-"],
        input=RUNNING,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    imported = {line.split(b"|")[-1].strip().split(b".")[0] for line in done.stderr.splitlines() if b"|" in line}
    assert b"yaml" in imported
    assert not imported & {b"textual", b"kubernetes", b"aiohttp", b"ruamel", b"screens", b"rich"}
    assert done.stdout == MERGED


def test_no_module_of_the_rooms_for_files_imports_screens_or_clients() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "for room in ('wizard.policy', 'wizard.template', 'wizard.editing'):\n"
        "    package = importlib.import_module(room)\n"
        "    for module in pkgutil.iter_modules(package.__path__):\n"
        "        importlib.import_module(f'{room}.{module.name}')\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    imported = set(done.stdout.split())
    assert {"yaml", "wizard"} <= imported
    assert not imported & {"textual", "rich", "screens", "kubernetes", "aiohttp"}


def test_what_is_not_valid_is_not_counted_as_checked(run: Runner) -> None:
    broken = run.file(b'version: "0.2\n', "broken.yaml")
    alone = run("check", broken)
    assert alone.code == 4
    assert "0 problems" not in alone.err
    both = run("check", broken, run.file(new_policy("podman")))
    assert both.code == 4
    assert "1 file: 0 problems, 2 warnings.\n1 file could not be checked.\n" in both.err


PRE_COMMIT = {
    "policy.yaml": True,
    "coder/policy.yml": True,
    "template-policy.yaml": True,
    "policy.merged.yaml": True,
    "coder-template-policy.yaml": True,
    "network-policy.yaml": False,
    "policy-network.yaml": False,
    "policies.yaml": False,
    "kyverno/policy-require-labels.yaml": False,
    "policy.md": False,
}


def test_the_pre_commit_hooks_run_commands_that_there_are(run: Runner) -> None:
    hooks = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    merged, unmerged = run.file(new_policy("podman"), "policy-a.yaml"), run.file(RUNNING, "policy-b.yaml")
    assert len(hooks) == 3
    for hook in (hook for hook in hooks if hook["id"].startswith("podman-policy-")):
        for name, matches in PRE_COMMIT.items():
            assert bool(re.search(hook["files"], name)) == matches, name
        program, command, *arguments = hook["entry"].split()
        assert (program, command) == ("podman-wizard", "policy")
        assert run(*arguments, merged).code == 0
        assert run(*arguments, merged, unmerged).code == 1


def test_what_a_check_finds_are_annotations_of_github_actions(run: Runner) -> None:
    bad = run.file(RUNNING.replace(b"dedicated", b"5"), "p,1.yaml")
    broken, good = run.file(b"a: [", "b.yaml"), run.file(MERGED, "c.yaml")
    done = run("check", "-o", "github", bad, broken, good)
    assert done.code == 4
    lines = done.out.decode().splitlines()
    assert all(line.startswith(("::error file=", "::warning file=")) for line in lines)
    place = f"{bad.replace(',', '%2C')},line=57,col=18,title=podman-wizard toleration"
    said = 'workspace.specs.kubernetes.tolerations[0].key is 5 (a number), not text. Write "5".'
    assert f"::error file={place}::{said}" in lines
    assert lines[-1].startswith(f"::error file={broken},line=1,col=4,title=podman-wizard input-error::This is not")
    warnings = run("check", "-o", "github", good)
    assert (warnings.code, warnings.out.decode().partition(" ")[0]) == (0, "::warning")
    strict = run("check", "-o", "github", "--strict", good)
    assert (strict.code, strict.out.decode().partition(" ")[0]) == (1, "::error")


def test_a_file_that_is_refused_does_not_keep_the_others_from_being_checked(run: Runner) -> None:
    bad, tab, good = run.file(b"a: [", "a.yaml"), run.file(b"\ta: 1\n", "b.yaml"), run.file(MERGED, "c.yaml")
    done = run("check", bad, tab, good)
    assert done.code == 4
    assert f"{good}:".encode() in done.out
    assert bad in done.err
    assert tab in done.err
    done = run("check", "-o", "json", bad)
    assert (done.code, done.json["passed"], done.json["problems"]) == (4, False, [])
    assert done.json["error"]["object"] == f"{bad}:1:4"


@pytest.mark.parametrize("count", ["true", '""', '" "', "[1]", "{}", "{a: [b]}"])
def test_a_count_that_is_no_number_is_shown_as_yaml_writes_it(run: Runner, count: str) -> None:
    content = TWO.replace(b'"2"', count.encode())
    assert content != TWO
    assert f"{FUSE} is {count}, not 1: kept." in run("merge", "--on-conflict", "keep", run.file(content)).err


def test_a_list_with_comments_in_place_of_a_count_is_not_replaced(run: Runner) -> None:
    done = run("merge", "--on-conflict", "replace", run.file(TWO.replace(b'"2"', b"[1,  # one\n            2]")))
    assert (done.code, done.out) == (4, b"")
    assert "comments, which would be lost" in done.err


@pytest.mark.parametrize("name", ["23_anchor_on_the_way.yaml", "26_field_from_a_merge_key.yaml"])
def test_a_refusal_that_names_an_option_is_mended_by_it(run: Runner, name: str) -> None:
    file = run.file((DATA / "nasty" / name).read_bytes())
    assert "with --unshare" in run("merge", file).err
    assert run("merge", "--unshare", file).code == 0


def test_a_conflict_in_one_of_several_files_leaves_all_of_them(run: Runner) -> None:
    first, two, last = run.file(RUNNING, "a.yaml"), run.file(TWO, "two.yaml"), run.file(RUNNING, "z.yaml")
    done = run("merge", "--in-place", "--on-conflict", "fail", first, two, last)
    assert done.code == 5
    assert f"{two} has a conflict. Nothing was written." in done.err
    assert "written; its earlier content" not in done.err
    assert f"{last}: would be merged" in done.err
    assert len(list(run.folder.iterdir())) == 3
    assert [Path(name).read_bytes() for name in (first, two, last)] == [RUNNING, TWO, RUNNING]


def test_a_file_that_is_named_twice_is_merged_once(run: Runner) -> None:
    file = run.file(RUNNING)
    link = run.folder / "link.yaml"
    link.symlink_to(file)
    done = run("merge", "--in-place", file, str(link), file)
    assert done.code == 0
    assert f"{link}: skipped, because it is the same file as {file}." in done.err
    assert Path(file).read_bytes() == MERGED
    assert len(list(run.folder.glob("*.bak"))) == 1


def test_a_name_that_is_not_utf_8_does_not_stop_json(run: Runner) -> None:
    file = os.fsdecode(os.fsencode(run.folder) + b"/bad\xff.yaml")
    Path(file).write_bytes(RUNNING)
    done = run("check", "-o", "json", file)
    assert done.json["problems"][0]["file"] == file


def test_what_is_wrong_with_the_two_fields_and_stays_so_is_told(run: Runner) -> None:
    text = (
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
        "      resource-requests:\n        policy: Write\n        note: ours\n        value:\n"
        '          smarter-devices/fuse: "1"\n'
        '      resource-limits:\n        policy: read\n        value: {smarter-devices/fuse: "2"}\n'
    )
    file = run.file(text.encode())
    done = run("merge", file)
    assert (done.code, done.out) == (0, text.encode())
    assert f"{file}:6:17: warning: The field policy of" in done.err
    assert f"{file}:7:9: warning:" in done.err
    assert f"{file}:12:39: warning: smarter-devices/fuse: the request is 1 and the limit is 2. Kubernetes" in done.err
    mended = run("merge", "--mode", "read", "--on-conflict", "replace", file).err
    assert "field policy" not in mended
    assert "Kubernetes rejects" not in mended


@pytest.mark.parametrize(
    ("count", "code"),
    [
        *((count, 5) for count in ("true", '""', '"-1"', "-1", "[1]", "{}", "1.5", '" 1 "', "!!binary MQ==")),
        ("!env COUNT", 0),
    ],
)
def test_what_is_no_count_waits_for_a_decision_and_is_not_written_again(run: Runner, count: str, code: int) -> None:
    content = TWO.replace(b'"2"', count.encode())
    assert run("merge", run.file(content)).code == code
    done = run("merge", "-o", "json", "--on-conflict", "keep", run.file(content))
    assert done.code == 0
    assert f"smarter-devices/fuse: {count}\n" in done.json["text"]
    assert done.json["text"].count('smarter-devices/fuse: "1"') == 1
    assert [conflict["kept"] for conflict in done.json["conflicts"]] == [True]
    right = run("merge", "--on-conflict", "replace", run.file(content))
    assert right.out.count(b'smarter-devices/fuse: "1"') == 2
    kept = run.file(done.json["text"].encode())
    assert run("merge", "--check", "--on-conflict", "keep", kept).code == 0


def test_a_duplicate_key_beside_the_merge_is_told_as_a_check_tells_it(run: Runner) -> None:
    double = "    docker:\n      cpu: {policy: read}\n      cpu: {policy: write}\n    kubernetes:"
    file = run.file(RUNNING.replace(b"    kubernetes:", double.encode(), 1))
    said = "workspace.specs.docker.cpu appears a second time here."
    assert said in run("check", file).out.decode()
    merged = run("merge", file)
    assert merged.code == 0
    assert merged.out.decode().count("cpu: {policy: write}") == 1
    assert f"warning: {said}" in merged.err or f"problem: {said}" in merged.err


def test_a_set_is_not_taken_for_a_mapping(run: Runner) -> None:
    text = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: {value: !!set {a.b/c}}\n'
    done = run("merge", run.file(text.encode()))
    assert done.code == 4
    assert "is a set, but must be a mapping" in done.err


def test_a_result_that_nothing_can_take_is_no_success(run: Runner) -> None:
    command = f"{sys.executable} -m wizard policy merge {run.file(RUNNING)}"
    ends = [
        subprocess.run(["sh", "-c", f"{command} {to}"], capture_output=True, cwd=Path(__file__).parents[2]).returncode
        for to in (">&-", "> /dev/null", "| cat > /dev/null")
    ]
    assert ends == [4, 0, 0]


def test_warnings_at_one_place_come_in_the_same_order_in_every_run(tmp_path: Path) -> None:
    """A set of them would be printed in the order of their hashes, which differ from process to process."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1e0\nworkspace:\n  specs:\n    kubernetes:\n      resource-requests: &r {policy: yes, value: {}}\n"
        "      resource-limits: *r\n"
    )
    command = [sys.executable, "-m", "wizard", "policy", "merge", str(file), "--on-conflict", "replace", "--unshare"]
    said = {
        subprocess.run(
            command,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stderr
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert said.pop().count(b"policy.yaml:5:") >= 4
