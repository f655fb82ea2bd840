"""What is no policy, or was made to do harm: a sentence with a place, soon, in little memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wizard.errors import InputError
from wizard.policy import LARGEST, PolicyDocument, merge_podman

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
BAD: dict[str, tuple[bytes, int, str]] = {
    "alias bomb": (BOMB.encode(), 7, "expanded"),
    "alias in itself": (b"a: &a [*a]", 1, "inside"),
    "alias of nothing": (b"a: 1\nb: *x", 2, "no anchor"),
    "lists 1,000 deep": (b"a: " + b"[" * 1000 + b"]" * 1000, 1, "levels deep"),
    "lists 1,000,000 deep": (b"a: " + b"[" * 1_000_000, 1, "levels deep"),
    "mappings 1,000 deep": ("".join(" " * n + "a:\n" for n in range(1000)).encode(), 101, "levels deep"),
    "dashes 1,000 deep": (b"a:\n  " + b"- " * 1000 + b"x", 2, "levels deep"),
    "aliases 101 deep": (
        b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 690)),
        102,
        "deep",
    ),
    "merge keys 101 deep": (
        b"a0: &a0 {x: y}\n" + b"".join(b"a%d: &a%d {<<: *a%d}\n" % (n, n, n - 1) for n in range(1, 400)),
        102,
        "levels deep",
    ),
    "too large": (b"# " + b"x" * LARGEST, 0, "4 MB"),
    "too many values": (b"a: [" + b"x," * 2_000_000 + b"]", 1, "250,000 values"),
    "too many lines": (b"# x\n" * 1_000_000, 250_001, "250,000 lines"),
    "too many directives": (b"%TAG !a! b\n" * 300_000, 51, "start with %"),
    "NUL": (b"a: 1\nb: \0", 2, "NUL"),
    "escape character": (b"a: 1\nb: \x1b[31m", 2, "U+001B"),
    "C1 control character": ("a: 1\nb: \x9b31m".encode(), 2, "U+009B"),
    "lone CR": (b"a: 1\rb: 2\n", 1, "carriage return"),
    "NEL": ("a: 1 # x\x85b: 2\n".encode(), 1, "NEL"),
    "LS": ('a: 1\nb: "x\u2028"\n'.encode(), 2, "LS"),
    "PS": ("a: \u2029\n".encode(), 1, "PS"),
    "a second byte order mark": ("\ufeffa: 1\nb: \ufeff1\n".encode(), 2, "byte order mark"),
    "UTF-16": ("a: 1\n".encode("utf-16"), 1, "UTF-16"),
    "UTF-16 without a mark": ("version: 1\n".encode("utf-16-le"), 1, "UTF-16"),
    "UTF-32": ("a: 1\n".encode("utf-32"), 1, "UTF-16 or UTF-32"),
    "Latin-1 after a mark": (b"\xef\xbb\xbfa: 1\nbb: \xe9\n", 2, "0xe9"),
    "binary": (b"\x7fELF\x02\x01\x01" + bytes(range(256)), 2, "not UTF-8"),
    "a list": (b"# c\n- a\n", 2, "no mapping"),
    "a text": (b"hello\n", 1, "no mapping"),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, "second document"),
    "tab": (b"a:\n\tb: 1\n", 2, "tab"),
    "not closed": (b"a: {b: [\n", 2, "not valid YAML"),
    "no value": (b"a: 1\nb\n", 3, "not valid YAML"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_with_its_line_soon(kind: str) -> None:
    content, line, reason = BAD[kind]
    start = time.process_time()
    with pytest.raises(InputError) as refusal:
        PolicyDocument.parse(content, "policy.yaml")
    assert time.process_time() - start < 5
    assert refusal.value.line == line
    assert reason in refusal.value.what
    assert refusal.value.todo
    assert str(refusal.value).startswith("policy.yaml")


@pytest.mark.parametrize(
    "content",
    [
        b"a: " + b"word " * 800_000,
        b'a: "' + b"\\n" * 2_000_000 + b'"',
        b"a: |\n" + b"  x\n" * 249_000,
        b"# x\n" * 249_000,
        b"a:\n" + b"- x\n" * 249_000,
        ('version: "0.1"\nx: |\n' + "".join(f" l{n % 100}\n" for n in range(240_000))).encode(),
    ],
    ids=["long plain text", "long quoted text", "text block", "comments", "list", "alike lines"],
)
def test_what_is_large_but_lawful_is_merged_soon(content: bytes) -> None:
    start = time.process_time()
    result = merge_podman(PolicyDocument.parse(content, "policy.yaml"))
    assert result.changed
    assert result.proof.other_bytes_changed == 0
    assert time.process_time() - start < 20


@pytest.mark.parametrize("kind", ["alias bomb", "lists 1,000,000 deep", "too many values", "too large"])
def test_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(BAD[kind][0])
    limit = 700 * 1024 * 1024

    done = subprocess.run(
        [sys.executable, "-m", "wizard.policy", "merge", str(policy)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        check=False,
    )

    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert str(policy) in done.stderr
    assert done.stdout == ""
    assert policy.read_bytes() == BAD[kind][0]


def test_nothing_of_the_file_moves_the_cursor_in_a_message() -> None:
    with pytest.raises(InputError) as refusal:
        PolicyDocument.parse("a: 1\n\u202ex\n".encode(), "policy.yaml")
    assert "\u202e" not in str(refusal.value)
