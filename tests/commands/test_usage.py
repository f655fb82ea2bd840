"""A wrong call is answered about the command that was meant, and help has examples that work."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.clusters import command
from wizard import __version__
from wizard.cli import main
from wizard.commands.arguments import Parser
from wizard.commands.examples import EXAMPLES
from wizard.commands.parser import make_parser
from wizard.explanations import titles


@pytest.mark.parametrize(
    ("line", "what", "todo"),
    [
        ("ceck", "podman-wizard has no command ceck.", "Did you mean check?"),
        ("zzz", "podman-wizard has no command zzz.", "Commands: check, explain, manifest"),
        ("nodes lst", "nodes has no command lst.", "Did you mean list?"),
        ("policy mrege p.yaml", "policy has no command mrege.", "Did you mean merge?"),
        ("nodes", "nodes needs a command.", "Commands: list, label, unlabel."),
        ("check --contxt prod", "check has no option --contxt.", "Did you mean --context?"),
        ("--contxt prod check", "podman-wizard has no option --contxt.", "Did you mean --context?"),
        ("nodes --selector=a label x", "--selector stands before its command.", "Put it after nodes label."),
        ("-o json check", "-o stands before its command.", "Put it after check."),
        ("run --answer a.yaml", "run has no option --answer.", "Did you mean --answers?"),
        ("run", "run needs --answers.", "podman-wizard run --help"),
        ("check extra", "check does not take the argument extra.", "podman-wizard check --help"),
        ("check -o jsn", "jsn is not a value of -o/--output.", "Did you mean json?"),
        ("check -o x", "x is not a value of -o/--output.", "Values: text, json."),
        ("check --context", "--context needs a value.", "podman-wizard check --help"),
        ("check --probe=yes", "--probe takes no value (yes).", "podman-wizard check --help"),
        ("policy merge p --to a --in-place", "--in-place and --to cannot be combined.", "policy merge --help"),
        ("nodes label a --wait --timeout 5x", "'5x' is not a duration above 0, such as 300 (seconds) or 5m", ""),
        ("explain --context c", "explain has no option --context.", "podman-wizard explain --help"),
        ("--context c explain", "explain asks no cluster, so --context would do nothing.", "Leave it out."),
        ("--sandbox version", "version asks no cluster, so --sandbox would do nothing.", "Leave it out."),
        ("nodes label a --timeout 5m --sandbox", "--timeout needs --wait.", "Add --wait"),
    ],
)
def test_a_wrong_call_names_the_command_and_what_was_meant(
    line: str, what: str, todo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(line)) == 2
    said = capsys.readouterr()
    assert what in said.err
    assert todo in said.err
    assert "internal error" not in said.err
    if "-o" not in line and line != "nodes" and "explain" not in line:
        main([*shlex.split(line), "-o", "json"])
        assert what in json.loads(capsys.readouterr().out)["error"]["what"]


def test_the_usage_below_an_error_is_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "label", "--al"]) == 2
    assert "usage: podman-wizard nodes label [-h]" in capsys.readouterr().err


def _commands(parser: Parser) -> dict[str, Parser]:
    found = {parser.name: parser}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for child in action.choices.values():
                found |= _commands(child)
    return found


def test_every_command_has_examples_that_it_accepts() -> None:
    commands = _commands(make_parser())
    assert sorted(EXAMPLES) == sorted(commands)
    for name, parser in commands.items():
        for example in EXAMPLES[name]:
            make_parser().parse_args(shlex.split(example.partition(" > ")[0]))
            assert f"\n  podman-wizard {example}\n" in parser.format_help()


@pytest.mark.parametrize("words", [["help", "nodes", "label"], ["nodes", "label", "--help"]])
def test_help_is_the_help_of_the_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: podman-wizard nodes label [-h]")


async def test_version_is_a_command_too() -> None:
    assert (await command("version")).out.startswith("podman-wizard ")
    assert (await command("version", "-o", "json")).document["version"] == __version__


async def test_names_of_nodes_go_from_one_command_to_the_next() -> None:
    listed = await command("nodes", "list", "--sandbox", "-o", "name")
    names = listed.out.split()
    assert "node/rhcos-worker-1" in names
    labeled = await command("nodes", "label", "node/rhcos-worker-1", "--sandbox", "--dry-run")
    assert (labeled.code, "rhcos-worker-1" in labeled.out) == (0, True), labeled.error


async def test_the_table_of_nodes_has_a_header_and_straight_columns() -> None:
    head, *rows = (await command("nodes", "list", "--sandbox")).out.splitlines()
    starts = [head.index(word) for word in head.split()]
    assert head.split() == ["NAME", "LABEL", "QUALIFIES", "FUSE", "OS", "KERNEL", "NOTES"]
    for row in rows[:-1]:
        assert all(row[start - 1 : start] in (" ", "") for start in starts[1:]), row


async def test_check_ends_with_its_verdict() -> None:
    assert (await command("check", "--sandbox")).out.splitlines()[-1] == "Ready: 7 warnings, 7 info, 24 passed."
    stopped = await command("check", "--sandbox=restricted")
    assert stopped.out.splitlines()[-1].startswith("Not ready: 1 blocker, ")


async def test_every_id_is_listed_with_a_title() -> None:
    assert all(titles().values())
    listed = (await command("explain")).out
    assert "kube.reachable              The API server answers\n" in listed
    assert (await command("explain", "kube.reachable")).out.startswith("The API server answers\n\nThe wizard")


async def test_verbose_names_each_request_and_quiet_no_progress() -> None:
    ended = await command("nodes", "label", "rhcos-worker-1", "--sandbox", "-v")
    assert re.search(r"^PATCH /api/v1/nodes/rhcos-worker-1 200 \d+\.\d{3} s$", ended.error, re.MULTILINE), ended.error
    assert "Label 1 node" in ended.error
    quiet = await command("nodes", "label", "rhcos-worker-1", "--sandbox", "-q")
    assert (quiet.code, "Label 1 node" in quiet.error) == (0, False)
    assert quiet.out.splitlines()[-1] == ended.out.splitlines()[-1]
