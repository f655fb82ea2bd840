"""The simulated Coder v2: what its import finds in a template, and a person's way to a promoted version and back."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clusters import ROOT, command
from wizard.sandbox.coder_v2 import scenario_templates
from wizard.sandbox.terraform import judge
from wizard.template.merge import merge_template
from wizard.template.module import read_archive

STARTER = scenario_templates()["kubernetes"]["main.tf"]
FUSE = '"smarter-devices/fuse" = "1"'


def changed(old: str, new: str) -> str:
    assert old in STARTER
    return STARTER.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (STARTER, []),
        (changed("replicas = 1\n", "replicas = 1\n    replicas = 2\n"), ["Attribute redefined", "main.tf line 68"]),
        (
            changed("          resources {\n", "          resources {}\n          resources {\n"),
            ["Too many resources blocks", "main.tf line 103"],
        ),
        (changed('variable "namespace"', 'variable "place"'), ["undeclared input variable", '"namespace"']),
        (STARTER.rstrip().removesuffix("}"), ["Unclosed configuration block", "main.tf line 54"]),
        (changed('["sh", "-c", coder', '["sh", "-c", (coder'), ["closing bracket", "main.tf line 94"]),
        (changed('name              = "dev"', 'name              = "dev'), ["Unterminated template string"]),
        (changed('"ReadWriteOnce"]', '"${["a}b"][0]}"] # "'), []),
        (changed("replicas = 1", "replicas = 1 /* = {\n */"), []),
        ('variable "a" { default = 1 }\n', []),
        ("a b = 1\n", ["Invalid block definition"]),
        ("= 1\n", ["Argument or block definition required"]),
    ],
)
def test_an_import_finds_what_terraform_would(text: str, errors: list[str]) -> None:
    found = "\n".join(judge({"main.tf": text, "modules/x/main.tf": "{", "notes.md": "{"}).errors)
    assert bool(found) == bool(errors), found
    for error in errors:
        assert error in found


async def test_a_required_variable_and_a_lost_tag_are_noticed(tmp_path: Path) -> None:
    from wizard.coder.credentials import CoderCredentials
    from wizard.coder.v2.client import TemplatesClient
    from wizard.sandbox.coder_v2 import start_templates, tar

    async with (
        await start_templates() as server,
        TemplatesClient(CoderCredentials(server.url, server.token, "typed"), environ={}) as client,
    ):
        [organization] = await client.organizations()
        template = await client.template_named(organization.id, "kubernetes")
        assert template is not None
        file = await client.upload(tar({"main.tf": STARTER + 'variable "size" {}\n'}))
        version = await client.create_version(template, file, {"owner": "", "cluster": "west"}, name="", message="")
        while not version.job.ended:
            version = await client.version_of(version.id)
        assert (version.job.status, version.job.error_code) == ("failed", "REQUIRED_TEMPLATE_VARIABLES")
        assert "size" in (await client.logs(version.id, 0))[-1].text
        lost = await client.create_version(template, file, {}, name="", message="")
        assert lost.provisioners == 0


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The scenario as a server of its own; gives the environment for its Coder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wizard", "sandbox", "coder-v2", "-o", "json", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    said = b""
    while not said.rstrip().endswith(b"}\n}") and b'"token"' not in said:
        said += await process.stdout.readline()
    coder = json.loads(said + await _rest(process.stdout, said))["coder"]
    try:
        yield {"CODER_URL": coder["url"], "CODER_SESSION_TOKEN": coder["token"]}
    finally:
        process.terminate()
        await process.wait()


async def _rest(stdout: asyncio.StreamReader, said: bytes) -> bytes:
    """Reads until the document is whole."""
    rest = b""
    while True:
        try:
            json.loads(said + rest)
        except ValueError:
            rest += await stdout.readline()
        else:
            return rest


async def test_to_a_promoted_version_and_back_by_commands(
    running: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in running.items():
        monkeypatch.setenv(name, value)
    pulled = await command("template", "pull", "kubernetes", "--to", "here", folder=tmp_path)
    assert pulled.code == 0, pulled.error
    merged = await command("template", "merge", "here", "--in-place", folder=tmp_path)
    assert merged.code == 0, merged.error
    pushed = await command("template", "push", "kubernetes", "here", "--yes", folder=tmp_path)
    assert (pulled.code, pushed.code) == (0, 0), pushed.error
    listed = await command("template", "list", "--check", "-o", "json")
    rows = {row["name"]: row for row in json.loads(listed.out)["templates"]}
    assert rows["kubernetes"]["active_version"]["name"] == "brisk_fox3"
    assert rows["kubernetes"]["check"]["passed"]
    undone = await command("undo", "--coder-url", running["CODER_URL"], "--yes")
    assert undone.code == 0, undone.error
    again = json.loads((await command("template", "list", "-o", "json")).out)["templates"]
    assert {row["name"]: row["active_version"]["name"] for row in again}["kubernetes"] == "dull_duck"


async def test_unattended_in_one_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_SPEED", "1000")
    (tmp_path / "answers.yaml").write_text("security-modules: {acknowledged: true}\ntemplate: {push: kubernetes}\n")
    preview = await command("run", "--sandbox=coder-v2", "--answers", "answers.yaml", "--dry-run", folder=tmp_path)
    assert preview.code == 0, preview.error
    assert f"+              {FUSE}" in preview.out
    done = await command(
        "run", "--sandbox=coder-v2", "--answers", "answers.yaml", "--yes", "-o", "json", folder=tmp_path
    )
    assert done.code == 0, done.error
    last = json.loads(done.out.splitlines()[-1])
    assert last["template"]["version"]["promoted"]
    assert last["rollout"]["ready"] == 12


async def test_the_other_template_needs_a_decision() -> None:
    ended = await command("template", "push", "data-science", "--sandbox=coder-v2", "--dry-run")
    assert ended.code == 5
    assert "github.com/fuse" in ended.error
    decided = await command(
        "template", "push", "data-science", "--sandbox=coder-v2", "--dry-run", "--on-conflict", "replace"
    )
    assert decided.code == 0, decided.error
    assert '-          "github.com/fuse" = 1 # of the old device plugin' in decided.out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("html", "returned a web page"),
        ("no-provisioner", "No provisioner can take the import"),
        ("import-fails", "Error: Too many resources blocks"),
        ("moved", "changed from dull_duck to other_one"),
        ("scope", "the scope of the session token does not include it"),
        ("no-role", "do not have permission to update the template kubernetes"),
    ],
)
async def test_a_switch_of_the_scenario_shows_a_failure(fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", fault)
    ended = await command("template", "push", "kubernetes", "--sandbox=coder-v2", "--yes")
    assert ended.code in (1, 3, 5)
    assert said in ended.error


def test_what_the_merge_makes_is_what_the_import_takes() -> None:
    for files in scenario_templates().values():
        module = read_archive({name: text.encode() for name, text in files.items()})
        merged = merge_template(module, on_conflict="replace")
        assert judge({"main.tf": merged.document.content.decode()}).errors == []
