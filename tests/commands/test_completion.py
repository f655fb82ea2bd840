"""Completions in the shells themselves: a person types, presses tab, and reads what stands there then."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import ROOT, command
from tests.terminal.far_end import FarTerminal
from wizard.cli import main
from wizard.commands.completion import script
from wizard.commands.parser import make_parser

pytestmark = pytest.mark.terminal

SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "--interactive"],
}

LIST_AT_ONCE = {"bash": "bind 'set show-all-if-ambiguous on'", "zsh": "setopt no_list_ambiguous", "fish": "true"}

# Some shells list candidates by columns, some by rows.
ANY_ORDER = r"(?s)(?=.*apply)(?=.*diff)(?=.*render)"

# What is typed behind the program's name, what stands there after a tab, and what may not.
CASES = [
    ("ch", r"podman-wizard check ", "explain"),
    ("manifest ", ANY_ORDER, "--help"),
    ("manifest -", r"--help", "render"),
    ("manifest apply --owner", r"--ownership ", "leave"),
    ("manifest apply --ownership t", r"--ownership take ", "leave"),
    ("manifest apply --set pod-q", r"--set pod-quota=", "pod-quota= "),
    ("manifest apply --without no-n", r"--without no-node-selector ", "kube.version"),
    ("manifest apply --take Da", r"--take DaemonSet ", "Namespace"),
    ("--sandbox=qu", r"--sandbox=quota ", "mixed"),
    ("check --sandbox=e", r"(?s)(?=.*empty)(?=.*enforced)", "restricted"),
    ("check -o j", r"-o json ", "text"),
    ("sandbox fl", r"sandbox flaky ", "large"),
    ("explain rbac", r"explain rbac\.plan ", "kube.version"),
    ("--kubeconfig k nodes unl", r"nodes unlabel ", "render"),
    ("--context check nodes unl", r"nodes unlabel ", "render"),
    ("nodes label --wait", r"--wait", "my-answers"),
    ("completion ba", r"completion bash ", "fish"),
    ("run --answers my-an", r"run --answers my-answers\.yaml ", "my-policy"),
    ("run --answers=my-an", r"run --answers=my-answers\.yaml ", "my-policy"),
    ("policy merge my-p", r"policy merge my-policy\.yaml ", "--help"),
    ("policy merge ", r"my-policy\.yaml", "--in-place"),
    ("policy merge --in", r"policy merge --in-place ", "my-policy"),
    ("plan --to my-", r"plan --to my-folder/", "my-answers"),
    ("check --context arn:aws:eks:eu:1:cl", r"check --context arn:aws:eks:eu:1:cluster/prod ", "staging"),
    ("--context=stag", r"--context=staging ", "arn"),
    ("nodes label --sandbox=mixed rhc", r"nodes label --sandbox=mixed rhcos-worker-1 ", "sles"),
    ("verify --namespace my-", r"verify --namespace my-", "my-answers"),
]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarTerminal]:
    name = request.param
    if not shutil.which(name):
        pytest.skip(f"no {name} here (Debian: apt-get install {name})")
    folder = tmp_path / "folder"
    folder.mkdir()
    for file in ("my-answers.yaml", "my-policy.yaml"):
        (folder / file).touch()
    (folder / "my-folder").mkdir()
    completions = tmp_path / f"completions.{name}"
    completions.write_text(script(make_parser(), name))
    kubeconfig = tmp_path / "kubeconfig"
    names = ("arn:aws:eks:eu:1:cluster/prod", "staging")
    kubeconfig.write_text(json.dumps({"contexts": [{"name": one, "context": {"cluster": "c"}} for one in names]}))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "podman-wizard"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m wizard "$@"\n')
    program.chmod(0o755)
    environment = {"PS1": "$ ", "LC_ALL": "C.UTF-8", "ZDOTDIR": str(tmp_path), "KUBECONFIG": str(kubeconfig)}
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    terminal = FarTerminal(SHELLS[name], (100, 40), environment | path, folder)
    try:
        terminal.settle()
        terminal.send(f"{LIST_AT_ONCE[name]}; source {completions}; echo so''urced\r")
        terminal.wait_for("sourced\\s")
        terminal.settle()
        yield terminal
    finally:
        terminal.close()


def seen(shell: FarTerminal) -> str:
    """What stands on the screen, up to the cursor in its own line."""
    lines = [line.rstrip() for line in shell.screen.display]
    cursor = shell.screen.cursor
    lines[cursor.y] = shell.screen.display[cursor.y][: cursor.x]
    return "\n".join(lines).rstrip("\n")


def test_a_tab_completes(shell: FarTerminal) -> None:
    wrong = []
    for words, wanted, unwanted in CASES:
        # From an empty line on an empty screen.
        shell.send("\x15\x0c")
        shell.settle(0.05)
        shell.send(f"podman-wizard {words}")
        shell.wait_for(re.escape(words.strip()))
        shell.settle(0.05)
        shell.send("\t")
        try:
            shell.wait_until(lambda wanted=wanted: re.search(wanted, seen(shell)), wanted, 5)  # type: ignore[misc]
            shell.settle(0.05)
            assert unwanted not in seen(shell)
        except AssertionError:
            wrong.append(f"{words!r}: wanted {wanted!r} and not {unwanted!r}; the screen:\n{seen(shell)}")
    assert not wrong, "\n\n".join(wrong)


def test_there_are_completions_for_every_command_in_every_shell(capsys: pytest.CaptureFixture[str]) -> None:
    for name in SHELLS:
        assert main(["completion", name]) == 0
        made = capsys.readouterr().out
        for words in ("manifest apply", "policy upload", "coder template", "kubeconfig-to"):
            assert words in made


def test_in_zsh_it_can_lie_in_fpath(tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("no zsh here (Debian: apt-get install zsh)")
    (tmp_path / "_podman-wizard").write_text(script(make_parser(), "zsh"))
    lines = (
        f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump; echo $_comps[podman-wizard]"
    )
    ended = subprocess.run(["zsh", "-f", "-c", lines], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("_podman-wizard\n", "")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["nodes", "la"], "label\tLabel nodes for the device manager\n:4\n"),
        (["check", "--output", "j"], "json\n:4\n"),
        (["check", "-o=j"], "-o=json\n:4\n"),
        (["check", "--fail-on=b"], "--fail-on=blocker\n:4\n"),
        (["sandbox", "fl"], "flaky\n:4\n"),
        (["run", "--answers", ""], ":0\n"),
        (["plan", "--to", "x"], ":16\n"),
        (["nodes", "list", "--sandbox", "rh"], "rhcos-worker-1\n:4\n"),
        (["nodes", "list", "--kubeconfig", "/nowhere", "a"], ":4\n"),
        (["nosuch", ""], None),
    ],
)
async def test_kubectl_is_answered_as_cobra_answers(words: list[str], printed: str | None) -> None:
    ended = await command("__complete", *words)
    assert ended.code == 0, ended.error
    assert printed is None or ended.out == printed
