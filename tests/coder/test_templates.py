"""The templates of Coder v2 by commands: listed, pulled, pushed, promoted, and taken back."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clusters import command
from tests.coder.conftest import Ended
from tests.coder.v2_server import TOKEN, Coder, tar
from tests.template.templates import ANNOTATION, FUSE, STARTER, pod
from wizard.cli import main
from wizard.coder.v2 import pushing
from wizard.coder.v2.archive import Archive
from wizard.engine.bridge import Bridge

FILES = {
    "README.md": "# Mine\n",
    "variables.tf": 'variable "namespace" { default = "coder" }\n',
    "main.tf": pod(),
    "modules/x.sh": "#!/bin/sh\n",
    ".terraform.lock.hcl": "# lock\n",
}
Run = Callable[..., Ended]


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    made = Bridge()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def coder(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Coder]:
    server = bridge.submit(Coder.with_files(FILES)).result(10)
    monkeypatch.setenv("CODER_URL", server.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", TOKEN)
    monkeypatch.setattr(pushing, "POLL_SECONDS", 0.0)
    yield server
    bridge.submit(server.stop()).result(10)


@pytest.fixture
def run(coder: Coder, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ended:
        code = main(arguments)
        said = capfd.readouterr()
        return Ended(code, said.out, said.err)

    return call


def test_the_templates_are_listed_and_checked(run: Run, coder: Coder) -> None:
    listed = run("template", "list")
    assert (listed.code, "kubernetes  coder         calm_cat" in listed.out) == (0, True)
    checked = run("template", "list", "--check", "-o", "json")
    row = json.loads(checked.out)["templates"][0]
    assert (checked.code, row["check"]["passed"]) == (1, False)
    assert coder.sent == []


def test_a_pull_writes_the_files_into_a_new_folder_only(run: Run, tmp_path: Path) -> None:
    done = run("template", "pull", "kubernetes", "--to", "here")
    assert done.code == 0
    assert {str(p.relative_to(tmp_path / "here")): p.read_text() for p in (tmp_path / "here").rglob("*") if p.is_file()}
    assert (tmp_path / "here/main.tf").read_text() == FILES["main.tf"]
    assert (tmp_path / "here/modules/x.sh").read_text() == FILES["modules/x.sh"]
    again = run("template", "pull", "kubernetes", "--to", "here")
    assert (again.code, "here is not empty. Nothing was written." in again.err) == (5, True)


def test_a_dry_run_shows_the_diff_and_the_impact_and_sends_nothing(run: Run, coder: Coder) -> None:
    done = run("template", "push", "kubernetes", "--dry-run")
    assert done.code == 0
    assert f"+          {FUSE}" in done.out
    assert "2 workspaces use this template; 1 becomes outdated, 1 already outdated." in done.out
    assert "Updated at the next start without a question: gpu (mia)." in done.out
    assert "coder templates push kubernetes -O coder -d DIR --activate=false" in done.out
    assert coder.sent == []


def test_without_yes_the_version_stays_inactive(run: Run, coder: Coder) -> None:
    done = run("template", "push", "kubernetes")
    assert (done.code, coder.active) == (0, "ver-1")
    assert "Version brisk_fox2 was imported and is not active; calm_cat still is." in done.out
    assert "coder templates versions promote -t kubernetes -O coder --template-version brisk_fox2" in done.err
    assert "  waiting for a provisioner: place 2 of 3 in the queue\n  Parsing template parameters" in done.err
    assert "  Planning\n    Terraform 1.9" in done.err
    body = json.loads(next(b for m, p, _, b in coder.requests if p.endswith("/templateversions")))
    assert (body["tags"], body["user_variable_values"]) == ({"owner": "", "cluster": "west"}, [])
    assert (body["template_id"], body["storage_method"], body["file_id"]) == ("tpl-1", "file", "file-2")
    undone = run("undo", "--coder-url", coder.url, "--yes")
    assert (undone.code, coder.archived, coder.active) == (0, {"ver-2"}, "ver-1")


def test_only_one_file_of_the_archive_changes(run: Run, coder: Coder) -> None:
    assert run("template", "push", "kubernetes").code == 0
    before, after = coder.files["file-1"], coder.files["file-2"]
    with tarfile.open(fileobj=io.BytesIO(after)) as read:
        names = [(one.name, one.mode, one.mtime) for one in read]
        new = {one.name: read.extractfile(one).read().decode() for one in read}  # type: ignore[union-attr]
    assert [name for name, _, _ in names] == list(FILES)
    assert set(names) == {(name, 0o644, 1_700_000_000) for name in FILES}
    assert {name: text for name, text in new.items() if name != "main.tf"} == {
        name: text for name, text in FILES.items() if name != "main.tf"
    }
    assert new["main.tf"].replace(f"          {FUSE}\n\n", "", 1) == FILES["main.tf"]
    at = before.index(b"main.tf")
    assert after[:at] == before[:at]
    assert after.endswith(before[before.index(b"modules/x.sh") :])


def test_yes_promotes_and_undo_promotes_the_former_version(run: Run, coder: Coder) -> None:
    done = run("template", "push", "kubernetes", "--yes", "--name", "podman-1", "-o", "json")
    said = json.loads(done.out)
    assert (done.code, coder.active, said["promoted"], said["changed"]) == (0, "ver-2", True, True)
    assert said["version"] == {"id": "ver-2", "name": "podman-1"}
    assert said["changes"][-1]["before"] == "calm_cat"
    preview = run("undo", "--coder-url", coder.url, "--dry-run")
    assert (preview.code, coder.active) == (0, "ver-2")
    assert "Make version calm_cat of the template kubernetes in Coder at" in preview.out
    assert "  .active_version: podman-1 -> calm_cat\n" in preview.out
    undone = run("undo", "--coder-url", coder.url, "--yes")
    assert (undone.code, coder.active, coder.archived) == (0, "ver-1", {"ver-2"})
    assert "There is nothing to undo" in run("undo", "--coder-url", coder.url, "--dry-run").out


def test_undo_leaves_a_version_of_another(run: Run, coder: Coder) -> None:
    assert run("template", "push", "kubernetes", "--yes").code == 0
    coder.versions["ver-7"] = {**coder.versions["ver-2"], "id": "ver-7", "name": "theirs"}
    coder.active = "ver-7"
    undone = run("undo", "--coder-url", coder.url, "--yes")
    assert (undone.code, coder.active, coder.archived) == (1, "ver-7", set())
    assert "version of kubernetes became active since, and is not replaced" in undone.out


def test_a_template_that_has_podman_is_not_pushed(run: Run, coder: Coder) -> None:
    assert run("template", "push", "kubernetes", "--yes").code == 0
    sent = len(coder.sent)
    again = run("template", "push", "kubernetes", "--yes")
    assert (again.code, "Nothing to push" in again.out, len(coder.sent)) == (0, True, sent)


def test_a_file_replaces_the_member_of_its_name(run: Run, coder: Coder, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(STARTER)
    assert run("template", "push", "kubernetes", "main.tf").code == 0
    assert b"coder_parameter.cpu" in coder.files["file-2"]
    (tmp_path / "other.tf").write_text(STARTER)
    refused = run("template", "push", "kubernetes", "other.tf")
    assert (refused.code, "has no file other.tf" in refused.err) == (4, True)


def test_a_folder_with_other_changes_is_not_pushed_in_part(run: Run, coder: Coder, tmp_path: Path) -> None:
    run("template", "pull", "kubernetes", "--to", "here")
    assert run("template", "push", "kubernetes", "here", "--dry-run").code == 0
    (tmp_path / "here/README.md").write_text("changed")
    refused = run("template", "push", "kubernetes", "here")
    assert (refused.code, "in other files: README.md. Nothing was sent." in refused.err) == (5, True)
    assert coder.sent == []


BAD: list[tuple[str, tuple[str, ...], int, str, list[str]]] = [
    (
        "no-provisioner",
        ("--yes",),
        3,
        "No provisioner can take the import of version brisk_fox2 (cluster=west, owner=). It was canceled.",
        ["files", "templateversions", "cancel"],
    ),
    (
        "import-fails",
        ("--yes",),
        1,
        "Error: Too many resources blocks\n  on main.tf line 61",
        ["files", "templateversions"],
    ),
    ("moved", ("--yes",), 5, "changed from calm_cat to other_one after it was read", ["files", "templateversions"]),
    (
        "down",
        ("--yes",),
        3,
        "To make it active: coder templates versions promote -t kubernetes -O coder --template-version brisk_fox2",
        ["files", "templateversions"],
    ),
    ("no-role", ("--yes",), 3, "You (ada) do not have permission to update the template kubernetes", []),
    ("scope", ("--yes",), 3, "By its role, ada can do this, so the scope of the session token", ["files"]),
    ("name-taken", ("--name", "mine"), 5, "already has a version named mine", ["files", "templateversions"]),
    ("html", (), 3, "returned a web page for GET /api/v2/buildinfo (200)", []),
    (
        "gone",
        ("--yes",),
        3,
        "It is unknown whether version brisk_fox2 is active now",
        ["files", "templateversions", "versions"],
    ),
]


@pytest.mark.parametrize(("fault", "options", "code", "said", "sent"), BAD, ids=[one[0] for one in BAD])
def test_what_goes_wrong_is_said_and_nothing_becomes_active(
    run: Run, coder: Coder, fault: str, options: tuple[str, ...], code: int, said: str, sent: list[str]
) -> None:
    coder.faults.add(fault)
    done = run("template", "push", "kubernetes", *options)
    assert (done.code, coder.versions[coder.active]["name"] in ("calm_cat", "other_one")) == (code, True)
    assert said in done.err
    assert [one.rpartition("/")[2] for one in coder.sent] == sent
    if fault != "html":
        assert f"+          {FUSE}" in done.out


def test_a_taken_name_is_found_before_anything_is_sent(run: Run, coder: Coder) -> None:
    done = run("template", "push", "kubernetes", "--name", "calm_cat")
    assert (done.code, coder.sent) == (5, [])
    assert "already has a version named calm_cat. Nothing was sent." in done.err


def test_a_promotion_whose_answer_is_lost_is_looked_up(run: Run, coder: Coder) -> None:
    coder.faults.add("breaks-off")
    done = run("template", "push", "kubernetes", "--yes")
    assert (done.code, coder.active) == (0, "ver-2")
    assert "Version brisk_fox2 is now the active version" in done.out


def test_an_archive_above_the_limit_is_not_sent(run: Run, coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard.coder.v2.looking.LARGEST_ARCHIVE", 4096)
    done = run("template", "push", "kubernetes", "--yes")
    assert (done.code, "Coder accepts at most 4,096" in done.err, coder.sent) == (4, True, [])


def test_an_archive_with_a_path_outside_is_not_unpacked(run: Run, coder: Coder, tmp_path: Path) -> None:
    coder.files["file-1"] = tar({"../main.tf": pod()})
    done = run("template", "pull", "kubernetes", "--to", "here")
    assert (done.code, list(tmp_path.glob("*.tf")), (tmp_path / "here").exists()) == (3, [], False)
    assert "../main.tf, which is outside of it" in done.err
    coder.files["file-1"] = b"PK\x03\x04 no tar"
    assert run("template", "push", "kubernetes").code == 3


def test_an_unknown_template_is_said(run: Run) -> None:
    done = run("template", "push", "dockerr")
    assert (done.code, "has no template dockerr" in done.err) == (3, True)
    assert run("template", "push", "..").code == 2


def test_a_token_is_not_sent_unencrypted_unless_allowed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_URL", "http://coder.example.org")
    done = run("template", "list")
    assert (done.code, "would be sent over the network unencrypted" in done.err) == (2, True)


def test_long_names_and_sizes_survive_a_replacement() -> None:
    name = f"{'d' * 90}/{'e' * 90}/main.tf"
    made = Archive.read(tar({"a": "1", name: "old", "z": "2" * 2000}))
    for content in (b"", b"new" * 700):
        assert Archive.read(made.replaced(name, content)).files == {"a": b"1", name: content, "z": b"2" * 2000}


ANSWERS = "template: {file: main.tf, output: out.tf, push: kubernetes, with: [apparmor]}\n"


def test_a_run_writes_the_file_and_pushes_it(run: Run, coder: Coder, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(pod())
    (tmp_path / "answers.yaml").write_text(ANSWERS)
    preview = run("run", "--answers", "answers.yaml", "--dry-run")
    assert (preview.code, coder.sent, (tmp_path / "out.tf").exists()) == (0, [], False), preview.err
    assert preview.out.count(f"+          {FUSE}") == 2, "of the file, and of the version"
    assert "2 workspaces use this template" in preview.out
    done = run("run", "--answers", "answers.yaml", "--yes", "-o", "json")
    last = json.loads(done.out.splitlines()[-1])
    assert (done.code, coder.active, last["result"]) == (0, "ver-2", "done"), done.out
    written = (tmp_path / "out.tf").read_text()
    assert (FUSE in written, f"{ANNOTATION}/dev" in written) == (True, True)
    assert Archive.read(coder.files["file-2"]).files["main.tf"].decode() == written
    assert last["template"] == {
        "file": "out.tf",
        "version": {"id": "ver-2", "name": "brisk_fox2", "promoted": True},
    }
    assert not any(
        "Workspace templates" in step or "podman-wizard coder template" in step for step in last["left_to_do"]
    )
    undone = run("undo", "--coder-url", coder.url, "--yes")
    assert (undone.code, coder.active, (tmp_path / "out.tf").exists()) == (0, "ver-1", False)


def test_a_run_that_cannot_push_leaves_it_and_says_so(run: Run, coder: Coder, tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("template: {push: kubernetes}\n")
    coder.faults.add("import-fails")
    done = run("run", "--answers", "answers.yaml", "--yes")
    assert (done.code, coder.active) == (1, "ver-1")
    assert "Error: Too many resources blocks" in done.err
    coder.faults.clear()
    again = run("run", "--answers", "answers.yaml", "--yes")
    assert (again.code, coder.active) == (0, "ver-3"), again.err
    assert "version brisk_fox3 active in Coder" in again.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("template: {}\n", "answers.yaml:1:11: template needs file or push."),
        ("template: {push: a, with: [gpu]}\n", "answers.yaml:1:28: template.with: gpu is not a part."),
        ("template: {push: a, output: b}\n", "answers.yaml:1:29: template.output needs template.file."),
        ("template: {file: gone.tf}\n", "gone.tf does not exist."),
    ],
)
def test_choices_that_make_no_sense_are_refused_with_their_line(
    run: Run, coder: Coder, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "answers.yaml").write_text(text)
    done = run("run", "--answers", "answers.yaml", "--yes")
    assert (done.code, said in done.err, coder.requests) == (4, True, []), done.err


def test_on_a_cluster_its_findings_decide_the_parts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_SPEED", "1000")
    (tmp_path / "main.tf").write_text(pod())
    (tmp_path / "answers.yaml").write_text(
        "security-modules: {acknowledged: true}\nmanifest: {apply: false}\nnodes: {label: false}\n"
        "template: {file: main.tf, output: out.tf}\n"
    )
    done = run("run", "--sandbox", "--answers", "answers.yaml", "--yes")
    written = (tmp_path / "out.tf").read_text()
    assert (done.code, FUSE in written, f"{ANNOTATION}/dev" in written) == (0, True, True), done.err
    folder = run("plan", "--sandbox", "--answers", "answers.yaml", "--to", "plan")
    assert folder.code == 0, folder.err
    assert (tmp_path / "plan/template/main.tf").read_text() == written
    assert "file: template/main.tf" in (tmp_path / "plan/answers.yaml").read_text()
    assert "podman-wizard template push NAME template/main.tf --yes" in (tmp_path / "plan/README.md").read_text()


async def test_plain_mode_merges_and_pushes_what_was_agreed_to(coder: Coder, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(pod())
    typed = "next\n" * 5 + "main.tf\nyes\nkubernetes\nyes\n" + "next\n" * 2 + "no\nquit\n"
    done = await command("--plain", "--kubeconfig", str(tmp_path / "none"), folder=tmp_path, typed=typed)
    assert FUSE in (tmp_path / "main.tf").read_text(), done.out + done.error
    assert (coder.active, list(coder.versions)) == ("ver-2", ["ver-1", "ver-2"])
    assert "2 workspaces use this template" in done.out
    assert f"Push main.tf to kubernetes at {coder.url}, and make it active?" in done.out
    assert "push: kubernetes" in done.out, "the answers file repeats it"


def test_the_status_of_someone_who_is_logged_in_to_v2_only(run: Run, coder: Coder) -> None:
    done = run("coder", "status")
    assert done.code == 0, done.err
    assert "v2.34.0 (Coder v2)" in done.out
    assert "ada: template-admin" in done.out
    assert "coder: 1 template; you can push templates" in done.out
    coder.token = "expired"
    refused = run("coder", "status")
    assert (refused.code, "rejected the session token (401)" in refused.err) == (3, True)
