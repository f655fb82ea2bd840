"""What is no policy, or was made to do harm: a sentence with a place, soon, in little memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wizard.errors import InputError
from wizard.policy import LARGEST, PolicyDocument, check, merge_podman

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
    "not closed": (b"a: {b: [\n", 1, "not valid YAML"),
    "no value": (b"a: 1\nb\n", 2, "not valid YAML"),
    "second carriage return": (b"a: 1\r\nb: 2\r\r\n", 2, "Windows line ending"),
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
        b"workspace:\na: " + b"word " * 800_000,
        b'workspace:\na: "' + b"\\n" * 2_000_000 + b'"',
        b"workspace:\na: |\n" + b"  x\n" * 249_000,
        b"# x\n" * 249_000,
        b"workspace:\na:\n" + b"- x\n" * 248_900,
        ('version: "0.2"\nx: |\n' + "".join(f" l{n % 100}\n" for n in range(240_000))).encode(),
    ],
    ids=["long plain text", "long quoted text", "text block", "comments", "list", "alike lines"],
)
def test_what_is_large_but_lawful_is_merged_soon(content: bytes) -> None:
    start = time.process_time()
    result = merge_podman(PolicyDocument.parse(content, "policy.yaml"))
    assert result.changed
    assert result.proof.other_bytes_changed == 0
    assert time.process_time() - start < 20


KUBERNETES = "version: 1\nworkspace:\n  specs:\n    kubernetes:\n      cpu: {policy: read}\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        (
            'a: "x\nb: 1\nc: 2\n',
            1,
            4,
            "a quote opens here and is not closed. The parser noticed it at line 4",
        ),
        ("a: 'x\nb: 1\nc: 'y'\n", 1, 4, "the quote that opens here is closed only on line 3"),
        (f"{KUBERNETES}      memory\n      disk: 1\n", 6, 7, "this line has no colon. The parser noticed it at line 7"),
        (f"{KUBERNETES}      memory 4\n      disk: 1\n", 6, 7, "this line has no colon. The parser noticed it"),
        (f"{KUBERNETES}      memory:4\n      disk: 1\n", 6, 7, "the colon in this line has no space after it."),
        ('# a\nversion "0.2"\n# b\nworkspace: {}\n', 2, 1, "this line has no colon. The parser noticed it at line 4"),
        ('\n version: "0.2"\nworkspace: {}\n', 3, 1, "in column 1, but the mapping above it (line 2) in 2."),
        (f"{KUBERNETES}      env: [\n      disk: 1\n", 6, 12, "[ opens here and is not closed"),
        (f"{KUBERNETES}      env: {{policy: read\n      disk: 1\n", 6, 12, "{ opens here and is not closed"),
        (f"{KUBERNETES}      env: {{policy: read value: 1}}\n", 6, 31, "',' or '}'"),
        (f"{KUBERNETES}     disk: 1\n", 6, 6, "this line starts in column 6, but the mapping above it (line 4) in 5"),
        (f"{KUBERNETES}      disk: a: b\n", 6, 14, "a colon is not allowed here"),
        (f"{KUBERNETES}      disk: @x\n", 6, 13, "starts with @ needs quotes"),
        (f"{KUBERNETES}      disk: *\n", 6, 13, "starts with * needs quotes"),
        (f"{KUBERNETES}<<<<<<< HEAD\n      a: 1\n=======\n      a: 2\n>>>>>>> x\n", 6, 1, "Git conflict marker"),
        (f"{KUBERNETES}{{{{- if .x }}}}\n      a: 1\n{{{{- end }}}}\n", 6, 1, "Helm, Go, or Jinja template syntax"),
        (f"{KUBERNETES}{{% if x %}}\n      a: 1\n{{% endif %}}\n", 6, 1, "Jinja or Ansible template syntax"),
        (f"{KUBERNETES}\u00a0     a: 1\n   b: 1\n", 6, 1, "a no-break space (U+00A0)"),
    ],
)
def test_what_is_not_yaml_is_told_where_it_starts(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(InputError) as refusal:
        PolicyDocument.parse(text.encode(), "policy.yaml")
    assert (refusal.value.line, refusal.value.column) == (line, column)
    assert what in refusal.value.what
    assert refusal.value.todo


@pytest.mark.parametrize(
    ("text", "id", "place"),
    [
        (f"{KUBERNETES}      disk:\n        policy:\u00a0read\n", "odd-space", (7, 9)),
        (f"{KUBERNETES}      disk\u00a0: 1\n", "odd-space", (6, 7)),
        (f"{KUBERNETES}      disk: {{{{ .Values.disk }}}}\n", "template-syntax", (6, 13)),
        (f"{KUBERNETES}      disk: {{policy: read}} # a\u00a0b {{{{\n", "", ()),
        (f'{KUBERNETES}      image: {{value: "a\u00a0b: c"}}\n', "", ()),
    ],
)
def test_what_is_yaml_by_accident_is_told_by_check_and_merge(text: str, id: str, place: tuple[int, int]) -> None:
    document = PolicyDocument.parse(text.encode(), "policy.yaml")
    for found in (check(document), merge_podman(document).warnings):
        places = {one.id: (one.line, one.column) for one in found if one.id in ("odd-space", "template-syntax")}
        assert places == ({id: place} if id else {})


@pytest.mark.parametrize("end", ["---\n", "---", "...\n---\n# the end\n", "---\n---\n"])
def test_an_empty_document_at_the_end_is_nothing(end: str) -> None:
    document = PolicyDocument.parse((KUBERNETES + end).encode(), "policy.yaml")
    merged = merge_podman(document).document
    assert merged.text.endswith(end)
    assert merged.text.startswith(KUBERNETES)
    assert not merge_podman(merged).changed


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n", "the kind NetworkPolicy"),
        (b'{"message": "Not Found", "status": 404}', "an error message"),
        (b"404: Not Found\n", "an error message"),
        (b"services: {web: {image: x}}\nversion: '3'\n", "a Compose file"),
        (b"workspace: {type: kubernetes, specs: {kubernetes: {image: {value: x}}}}\n", "a workspace template"),
        (b"image: {tag: x}\nreplicas: 2\n", "no workspace, but image, replicas"),
        (b"resource-requests: {policy: read}\n", "no workspace, but resource-requests"),
    ],
)
def test_what_is_plainly_something_else_is_refused_and_named(content: bytes, looks: str) -> None:
    with pytest.raises(InputError, match="not a template policy") as refusal:
        PolicyDocument.parse(content, "policy.yaml")
    assert looks in refusal.value.what
    assert refusal.value.line == 1


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'version: "0.2"\nx-own: 1\n',
        b"Version: 0.2\n",
        b"workspaces: {}\n",
        b"workspace: {type: kubernetes, specs: {kubernetes: {image: {policy: read, value: x}}}}\n",
        b"x: &w {dev-urls: {policy: read}}\nworkspace: *w\n",
    ],
)
def test_what_may_be_a_policy_is_read(content: bytes) -> None:
    PolicyDocument.parse(content, "policy.yaml")


@pytest.mark.parametrize("kind", ["alias bomb", "lists 1,000,000 deep", "too many values", "too large"])
def test_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(BAD[kind][0])
    limit = 700 * 1024 * 1024

    done = subprocess.run(
        [sys.executable, "-m", "wizard", "policy", "merge", str(policy)],
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


def test_a_word_without_a_colon_is_found_at_its_own_line() -> None:
    text = b'version: "0.2"\nworkspace:\n  memory\n  cpu:\n    policy: read\n'
    with pytest.raises(InputError, match="this line has no colon") as error:
        PolicyDocument.parse(text, "policy.yaml")
    assert (error.value.line, error.value.column) == (3, 3)
    assert "noticed it at line 4, column 6" in error.value.what
