"""A crash at any point of a save leaves the old file or the new one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wizard.policy import PolicyDocument, merge_podman

DATA = Path(__file__).with_name("data")

# Every call into the operating system that a save makes, but the n-th and later: there the process ends,
# as after a power cut, without cleaning up.
CRASH = """
import os, sys

left = int(sys.argv.pop(1))

def counted(call):
    def wrapper(*arguments, **keywords):
        global left
        left -= 1
        if left < 0:
            os._exit(86)
        return call(*arguments, **keywords)
    return wrapper

from wizard.commands.policy import run_merge
import wizard.files, wizard.policy.merge, tempfile
for name in ("open", "write", "fsync", "fchmod", "fchown", "replace", "rename", "close", "unlink", "fdopen", "umask"):
    setattr(os, name, counted(getattr(os, name)))
from tests.policy.program import main
sys.exit(main())
"""


def test_a_process_that_dies_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    old = (DATA / "running-deployment.yaml").read_bytes()
    new = merge_podman(PolicyDocument.parse(old)).document.content
    script = tmp_path / "crash.py"
    script.write_text(CRASH)
    seen = set()
    for calls in range(200):
        folder = tmp_path / str(calls)
        folder.mkdir()
        policy = folder / "policy.yaml"
        policy.write_bytes(old)
        policy.chmod(0o640)
        done = subprocess.run(
            [sys.executable, str(script), str(calls), "merge", "--in-place", str(policy)],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
            check=False,
        )
        content = policy.read_bytes()
        assert content in (old, new), f"after {calls} calls"
        assert policy.stat().st_mode & 0o777 == 0o640
        seen.add(content)
        for backup in folder.glob("*.bak"):
            assert backup.read_bytes() == old
        if done.returncode != 86:
            assert done.returncode == 0, done.stderr
            break
    else:
        pytest.fail("the save never came to its end")
    assert calls > 8, "the calls of a save are no longer counted"
    assert seen == {old, new}
    assert len(list(folder.iterdir())) == 2, "a finished save leaves the policy and its backup"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_kill_at_any_system_call_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    old = (DATA / "running-deployment.yaml").read_bytes()
    new = merge_podman(PolicyDocument.parse(old)).document.content
    seen = set()
    for call in ["fsync", "?rename,?renameat,?renameat2", "fchmod"]:
        for number in range(1, 6):
            policy = tmp_path / f"{len(call)}-{number}.yaml"
            policy.write_bytes(old)
            done = subprocess.run(
                [
                    *(
                        "strace",
                        "-f",
                        "--seccomp-bpf",
                        "-qq",
                        "-o",
                        "/dev/null",
                        "-e",
                        f"inject={call}:signal=KILL:when={number}",
                    ),
                    *(sys.executable, "-m", "wizard", "policy", "merge", "--in-place", str(policy)),
                ],
                capture_output=True,
                cwd=Path(__file__).parents[2],
                check=False,
            )
            if b"not permitted" in done.stderr or b"PTRACE" in done.stderr:
                pytest.skip("strace may not trace here")
            content = policy.read_bytes()
            assert content in (old, new), f"killed at {call} number {number}"
            seen.add(content)
            if done.returncode == 0:
                break
    assert seen == {old, new}
