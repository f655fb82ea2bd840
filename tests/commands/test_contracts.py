"""The answers file and the JSON documents as contracts: complete, and as they are read and printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.clusters import ROOT, command
from wizard.answers_file import parse_answers
from wizard.choices.answers import Answers, OwnershipChoice
from wizard.commands import reference
from wizard.commands.parser import make_parser
from wizard.printing.schemas import documents_page, make_schemas, schema_text
from wizard.resources import asset_text

SCHEMAS = ROOT / "assets" / "schemas"


def test_the_kept_schemas_are_those_of_the_code() -> None:
    made = {f"{name}.json": schema_text(schema) for name, schema in make_schemas().items()}
    if os.environ.get("UPDATE_SCHEMAS"):
        for old in SCHEMAS.glob("*.json"):
            old.unlink()
        for name, text in made.items():
            (SCHEMAS / name).write_text(text)
    kept = {path.name: path.read_text() for path in SCHEMAS.glob("*.json")}
    assert kept == made, "To update the files, run the test with UPDATE_SCHEMAS=1."
    for schema in make_schemas().values():
        Draft202012Validator.check_schema(schema)


def test_the_kept_pages_are_those_of_the_code() -> None:
    made = {
        "commands.md": reference.markdown(make_parser()),
        "podman-wizard.1": reference.man(make_parser()),
        "json.md": documents_page(),
    }
    for name, text in made.items():
        path = ROOT / "assets" / "docs" / name
        if os.environ.get("UPDATE_SCHEMAS"):
            path.write_text(text)
        assert path.read_text() == text, "To update the files, run the test with UPDATE_SCHEMAS=1."


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
def test_the_manual_page_is_one_to_groff() -> None:
    page = ROOT / "assets" / "docs" / "podman-wizard.1"
    formatted = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(page)], capture_output=True, text=True, check=True, timeout=60
    )
    assert formatted.stderr == ""
    assert "podman-wizard nodes label [OPTION ...] [NAME ...]" in re.sub(r"\x1b\[\d*m|.\x08", "", formatted.stdout)


def _keys(kind: Any, path: str = "") -> dict[str, Any]:
    """Returns the default of every key of the answers file, by its path."""
    found: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for item in fields(kind):
        where = (f"{path}." if path else "") + item.name.rstrip("_").replace("_", "-")
        nested = next((one for one in (hints[item.name], *get_args(hints[item.name])) if is_dataclass(one)), None)
        if nested is None or nested is OwnershipChoice:
            found[where] = item.default
        else:
            found |= _keys(nested, where)
    return found


def _uncommented(text: str) -> str:
    """Returns the printed answers file with its keys set, and one of the three ways to choose nodes."""
    lines = [re.sub(r"^( *)#([a-z][a-z-]*:)", r"\1\2", line) for line in text.splitlines()]
    return "\n".join(line for line in lines if not line.startswith(("  names:", "  selector:")))


async def test_the_printed_answers_file_has_every_key_with_its_default(tmp_path: Path) -> None:
    printed = (await command("answers")).out
    assert parse_answers(printed.encode(), "answers.yaml") == Answers()
    content = yaml.safe_load(_uncommented(printed))
    parse_answers(_uncommented(printed).encode(), "answers.yaml")
    Draft202012Validator(make_schemas()["answers"]).validate(content)
    for path, default in _keys(Answers).items():
        if path in ("nodes.names", "nodes.selector"):
            continue
        value = content
        for key in path.split("."):
            assert key in value, f"{path} is not in the printed file"
            value = value[key]
        if isinstance(default, bool | int | str) and default != "":
            assert value == default, path


@pytest.mark.parametrize(
    "text",
    [
        "{nodes: {names: [a]}, manifest: {set: {image: a/b:1, pod-security: true}, without: [tolerations]}}",
        "{ownership: {default: take, DaemonSet: skip}, rollout: {timeout: 5m}, policy: {devices: 2}}",
        "{template: {push: t, with: [apparmor]}, coder: {url: 'https://coder.example'}, verify: {run: true}}",
        "{policy: null, nodes: }",
        "{rollout: {timeout: 0}}",
        "{nodes: {name: [a]}}",
        "{manifest: {set: {imgae: a}}}",
        "{manifest: {preset: best}}",
        "{template: {push: t, with: [gpu]}}",
        "{policy: {devices: -1}}",
        "{verify: {run: maybe}}",
    ],
)
def test_an_editor_accepts_what_the_wizard_accepts(text: str) -> None:
    try:
        parse_answers(text.encode(), "answers.yaml")
        read = True
    except Exception:
        read = False
    assert Draft202012Validator(make_schemas()["answers"]).is_valid(yaml.safe_load(text)) == read


def test_the_schema_of_the_policy_accepts_ours_and_refuses_wrong_words() -> None:
    validator = Draft202012Validator(make_schemas()["policy"])
    for name in ("podman.yaml", "complete.yaml"):
        policy = yaml.safe_load(asset_text("policies", name))
        validator.validate(policy)
        policy["workspace"]["specs"]["kubernetes"]["resource-limits"]["policy"] = "wirte"
        assert not validator.is_valid(policy)


@pytest.mark.parametrize(
    ("words", "title"), [(["nodes", "list"], "nodes-list"), (["nodes"], "nodes-list"), (["run"], "run")]
)
async def test_schemas_are_printed_by_the_words_of_their_command(words: list[str], title: str) -> None:
    ended = await command("schema", *words)
    assert json.loads(ended.out)["title"] == f"podman-wizard: {title}"


async def test_a_schema_that_is_not_there_is_told_with_a_near_one() -> None:
    ended = await command("schema", "anwsers")
    assert (ended.code, "Did you mean answers?" in ended.error) == (2, True)
    assert (await command("schema")).out.startswith("answers\npolicy\n")


async def test_images_are_listed_and_copied_to_a_mirror(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(
        "{manifest: {set: {image: 'r.example:5000/sdm:v2'}}, verify: {image: 'quay.io/podman/stable:v6'}}"
    )
    listed = (await command("images", "--answers", str(answers), "-o", "json")).document["images"]
    assert [one["image"] for one in listed] == [
        "r.example:5000/sdm:v2",
        "quay.io/podman/stable:v5.3",
        "quay.io/podman/stable:v6",
        "quay.io/podman/hello",
    ]
    copied = (await command("images", "--answers", str(answers), "--mirror", "m.example/x")).out
    assert "skopeo copy --all docker://r.example:5000/sdm:v2 docker://m.example/x/sdm:v2\n" in copied
    assert "podman-wizard verify --image m.example/x/podman/stable:v6\n" in copied
    assert (await command("images", "--mirror", "nowhere")).code == 2
