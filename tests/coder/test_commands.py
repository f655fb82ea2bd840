"""The commands, as a person or a script meets them: what they say, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wizard.cli import main
from wizard.errors import ExitCode
from wizard.journal.journal import runs
from wizard.journal.state import deployment_folders, state_folder
from wizard.sandbox.coder import TOKEN

ACCEPTED = ("--on-impact", "warn")
"""The simulated Coder has a workspace that cannot be rebuilt with a policy."""


def test_a_policy_with_which_workspaces_cannot_be_rebuilt_is_not_uploaded_unasked(
    command: Any, policy_file: Path
) -> None:
    for options in ((), ("--on-impact", "fail"), ("--dry-run",)):
        ended = command("policy", "upload", str(policy_file), "--enable-templates", *options)
        server = command.servers[-1]
        assert ended.code == ExitCode.CONFLICT, ended.err
        assert "gpu-training  mia    error    now" in ended.out
        assert "1 workspace cannot be rebuilt with it: gpu-training (mia)" in ended.err
        assert "--on-impact warn" in ended.err
        assert server.policy is None
        assert server.settings["enable_workspaces_as_code"] is False
    assert deployment_folders() == () or not any(runs(folder) for folder in deployment_folders())
    found = json.loads(command("policy", "upload", str(policy_file), "-o", "json").out)
    assert (found["changed"], found["changes"], found["uploaded"]) == (False, [], False)
    assert found["error"]["exit_code"] == ExitCode.CONFLICT


def test_templates_are_enabled_by_a_run_alone_and_undone_without_a_cluster(
    command: Any, tmp_path: Path, capfd: Any
) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("coder: {enable-templates: true}\n")
    ended = command("run", "--answers", str(answers), "--yes", "-o", "json")
    server = command.servers[0]
    summary = json.loads(ended.out.splitlines()[-1])
    assert (ended.code, summary["changed"], summary["policy"]) == (ExitCode.DONE, True, None), ended.err
    assert [(one["path"], one["after"]) for one in summary["changes"]] == [(".templates-enabled", True)]
    assert server.settings["enable_workspaces_as_code"] is True
    assert main(["undo", "--coder-url", server.url, "--yes"]) == ExitCode.DONE
    assert server.settings["enable_workspaces_as_code"] is False


def test_what_an_upload_changed_is_data(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates", "-o", "json")
    found = json.loads(ended.out)
    assert (found["schema_version"], found["changed"], found["uploaded"]) == (1, True, True)
    assert [(one["object"], one["path"], one["before"], one["after"]) for one in found["changes"]] == [
        (f"Coder {found['url']}", ".templates-enabled", False, True),
        (f"Coder {found['url']}", ".template-policy", None, policy_file.read_text()),
    ]


def test_upload(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates")
    server = command.servers[0]
    assert ended.code == ExitCode.DONE, ended.err
    assert ended.out.splitlines() == [
        "workspace     owner           when          message from Coder",
        "gpu-training  mia    error    now           specs.kubernetes.resource-limits: not allowed by the policy",
        "notebooks     mia    warning  once updated  specs.kubernetes.labels: the value is replaced by the policy's",
        "2 workspaces are affected, 1 cannot be rebuilt.",
        f"{policy_file} is now the template policy of {server.url}, uploaded as ada.",
    ]
    assert "not been tested on a live deployment" in ended.err
    assert "Coder's API cannot return the current policy" in ended.err
    assert "Workspace templates: off before, on now." in ended.err
    assert server.policy == policy_file.read_bytes()
    assert server.settings["enable_workspaces_as_code"] is True


def test_dry_run_changes_nothing(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--dry-run", "--enable-templates", "-o", "json")
    server = command.servers[0]
    found = json.loads(ended.out)
    assert ended.code == ExitCode.DONE
    assert (found["uploaded"], found["dry_run"], found["workspaces"], len(found["impact"])) == (False, True, 2, 2)
    assert found["impact"][0] == {
        "workspace": "gpu-training",
        "owner": "mia",
        "severity": "error",
        "when": "now",
        "messages": ["specs.kubernetes.resource-limits: not allowed by the policy"],
    }
    assert server.policy is None
    assert server.settings["enable_workspaces_as_code"] is False


def test_an_upload_is_in_a_journal_and_undone_without_a_cluster(command: Any, policy_file: Path, capfd: Any) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates")
    server = command.servers[0]
    undo = ("undo", "--coder-url", server.url)
    assert f"To see what can be undone: podman-wizard undo --coder-url {server.url}" in ended.err
    assert all(TOKEN not in path.read_text() for path in state_folder().rglob("*") if path.is_file())

    assert main(undo) == ExitCode.USAGE
    what, run, *shown = capfd.readouterr().out.splitlines()
    assert (what, run[:6]) == ("This undoes:", "  run ")
    assert shown[0].startswith(
        f"Upload {policy_file} as Coder's template policy: not touched: Coder's API cannot return the earlier policy"
    )
    assert "podman-wizard policy upload --default" in shown[0]
    assert shown[1] == f"Disable workspace templates in Coder at {server.url}"
    assert server.settings["enable_workspaces_as_code"] is True, "what only shows changes nothing"

    assert main([*undo, "--yes"]) == ExitCode.PROBLEMS, "the upload is left"
    assert server.settings["enable_workspaces_as_code"] is False
    assert server.settings["a_field_of_a_later_version"] == {"kept": [1, 2]}
    assert server.policy == policy_file.read_bytes(), "the default policy is offered, and never set unasked"
    capfd.readouterr()
    assert main([*undo, "--yes"]) == ExitCode.DONE
    assert capfd.readouterr().out == "There is nothing to undo in this Coder deployment.\n"


def test_undo_on_a_cluster_says_what_was_done_in_coder_alone(command: Any, policy_file: Path, capfd: Any) -> None:
    command("policy", "upload", str(policy_file), *ACCEPTED)
    url = command.servers[0].url
    assert main(["undo", "--kubeconfig", "there-is-none"]) == ExitCode.INPUT
    assert f"To preview their undo, run podman-wizard undo --coder-url {url}" in capfd.readouterr().err
    assert main(["undo", "--coder-url", url, "--context", "prod"]) == ExitCode.USAGE
    capfd.readouterr()
    assert main(["undo", "--coder-url", url, "--yes"]) == ExitCode.PROBLEMS, "the upload is left"
    assert main(["undo", "--kubeconfig", "there-is-none"]) == ExitCode.INPUT
    assert "Changes made only in Coder" not in capfd.readouterr().err


def test_what_changes_nothing_leaves_no_journal(command: Any, policy_file: Path) -> None:
    command("policy", "upload", str(policy_file), *ACCEPTED, "--dry-run")
    command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates", coder=("refuses",))
    assert deployment_folders() == () or not any(runs(folder) for folder in deployment_folders())
    assert main(["policy", "upload", str(policy_file), *ACCEPTED, "--sandbox"]) == ExitCode.DONE
    assert not any(runs(folder) for folder in deployment_folders()), "a sandbox never comes back"


def test_a_policy_that_is_refused_enables_nothing(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates", coder=("refuses",))
    assert ended.code == ExitCode.INPUT
    assert "Nothing was changed" in ended.err
    assert command.servers[0].settings["enable_workspaces_as_code"] is False


def test_an_upload_that_fails_after_templates_were_enabled_says_so(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates", coder=("precondition",))
    server = command.servers[0]
    assert ended.code == ExitCode.CLUSTER
    assert f"stay enabled. To see how to undo that, run podman-wizard undo --coder-url {server.url}" in ended.err
    assert main(["undo", "--coder-url", server.url, "--yes"]) == ExitCode.DONE
    assert server.settings["enable_workspaces_as_code"] is False


def test_a_setting_that_could_not_be_read_back_is_in_doubt_and_undone(command: Any, policy_file: Path) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, "--enable-templates", coder=("setting-goes-away",))
    server = command.servers[0]
    assert ended.code == ExitCode.CLUSTER
    assert "Coder accepted the setting, but reading it back failed" in ended.err
    assert server.policy is None
    assert main(["undo", "--coder-url", server.url]) == ExitCode.USAGE, "there is something to take back"


def test_coders_default_policy_where_it_is_asked_for(command: Any, capfd: Any) -> None:
    ended = command("policy", "upload", "--default")
    server = command.servers[0]
    assert ended.code == ExitCode.DONE
    assert f"Coder's default is now the template policy of {server.url}, uploaded as ada." in ended.out
    posts = [(one.path, one.body) for one in server.requests if one.method == "POST"]
    body = b'{"template_id": "", "type": "site"}'
    path = "/api/private/workspaces/template/policy"
    assert posts == [(f"{path}?dry-run=true", body), (path, body)]
    for wrong in (["policy", "upload"], ["policy", "upload", "policy.yaml", "--default"]):
        assert main(wrong) == ExitCode.USAGE
        assert "--default for Coder's default policy" in capfd.readouterr().err


def test_a_policy_without_fuse_is_uploaded_with_a_word(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text('version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpu:\n        policy: write\n')
    ended = command("policy", "upload", str(path), *ACCEPTED)
    assert ended.code == ExitCode.DONE
    assert "does not request smarter-devices/fuse" in ended.err


@pytest.mark.parametrize(
    ("behaviour", "code", "what", "todo"),
    [
        ("v2", 3, "it has no template policy", "podman-wizard coder template"),
        ("login-page", 3, "returned a web page for", "the login page of a proxy"),
        ("login-redirect", 3, "redirected GET /api to https://login.example.org/sso", "a proxy is in front of Coder"),
        ("not-coder", 3, "No Coder was found at", "Check the URL"),
        ("wrong-role", 3, "denied permission for", "This requires the site-admin role"),
        ("unauthorized", 3, "rejected the session token (401)", "internal-auth?show_token=true"),
        ("old", 3, "Coder is version 1.26.2", "Nothing was changed"),
        ("refuses", 4, "Coder rejected the policy (validation). Nothing was changed", "Correct the file"),
        ("goes-away", 3, "The policy was not uploaded", "Fix this, then upload the policy again"),
        ("breaks-off", 3, "It is unknown whether Coder accepted the policy", "safe to upload the same file again"),
        ("huge", 3, "returned more than 16 MB", "Check the URL"),
        ("precondition", 3, "Another admin is editing the policy", "Coder suggests: Wait until they are done."),
        ("other-shape", 3, "has an unknown format", "not been tested on a live deployment"),
    ],
)
def test_bad_conditions(command: Any, policy_file: Path, behaviour: Any, code: int, what: str, todo: str) -> None:
    ended = command("policy", "upload", str(policy_file), *ACCEPTED, coder=(behaviour,))
    assert ended.code == code
    assert what in ended.err
    assert todo in ended.err
    assert "Traceback" not in ended.err
    assert "internal error" not in ended.err
    assert TOKEN not in ended.out + ended.err
    assert (command.servers[0].policy is None) == (behaviour != "breaks-off")


def test_a_refused_policy_is_told_at_its_line(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text('version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpus:\n        policy: write\n')
    ended = command("policy", "upload", str(path))
    assert ended.code == ExitCode.INPUT
    assert f"podman-wizard: {path}:5: Coder rejected the policy" in ended.err
    assert "line 5: workspace.specs.kubernetes.cpus: unknown field" in ended.err


def test_a_wrong_url(policy_file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_TOKEN", "t")
    assert main(["policy", "upload", str(policy_file), "--coder-url", "http://127.0.0.1:1"]) == ExitCode.CLUSTER
    assert "Cannot reach Coder at 127.0.0.1:1: connection refused." in capsys.readouterr().err
    assert main(["policy", "upload", str(policy_file), "--coder-url", "coder"]) == ExitCode.USAGE
    assert "coder is not the URL of a Coder deployment" in capsys.readouterr().err


def test_what_a_policy_lacks_is_told_without_a_line_that_there_is_not(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "my\u202epolicy.yaml"
    path.write_text("workspace: {}\n")
    ended = command("policy", "upload", str(path), "--dry-run")
    shown = str(path).replace("\u202e", "\\u202e")
    assert f"{shown}: The policy has no version." in ended.err
    assert ":0:" not in ended.err
    assert "\u202e" not in ended.err


def test_without_credentials_the_clicks_are_named(policy_file: Path, capsys: Any) -> None:
    assert main(["policy", "upload", str(policy_file)]) == ExitCode.CLUSTER
    said = capsys.readouterr().err
    assert "by hand: in Coder, go to Manage > Admin > Templates, upload the file under Template policy" in said


@pytest.mark.parametrize(
    ("content", "what"), [(b"# nothing\n", "is empty"), (b"- a\n", "not a policy"), (None, "does not")]
)
def test_files_that_are_no_policy(tmp_path: Path, content: bytes | None, what: str, capsys: Any) -> None:
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main(["--sandbox", "policy", "upload", str(path)]) == ExitCode.INPUT
    assert what in capsys.readouterr().err


def test_in_the_sandbox(policy_file: Path, capsys: Any) -> None:
    assert main(["policy", "upload", str(policy_file), *ACCEPTED, "--sandbox"]) == ExitCode.DONE
    assert "2 workspaces are affected" in capsys.readouterr().out
    assert main(["--sandbox=restricted", "coder", "status"]) == ExitCode.DONE
    assert "require site-admin by Coder's documentation" in capsys.readouterr().out


def test_failures_can_be_seen_in_the_sandbox(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", "v2")
    assert main(["coder", "status", "--sandbox"]) == ExitCode.DONE
    assert "Coder v2" in capsys.readouterr().out
    monkeypatch.setenv("PODMAN_WIZARD_SANDBOX_CODER", "nothing-known")
    assert main(["coder", "status", "--sandbox"]) == ExitCode.USAGE


def test_status(command: Any) -> None:
    ended = command("coder", "status", "-o", "json")
    found = json.loads(ended.out)
    assert ended.code == ExitCode.DONE
    assert {name: found[name] for name in ("kind", "version", "user", "site_admin", "templates_enabled", "ready")} == {
        "kind": "v1",
        "version": "1.44.1",
        "user": "ada",
        "site_admin": True,
        "templates_enabled": False,
        "ready": True,
    }
    assert found["credentials"] == "environment"


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("old", 1), ("wrong-role", 0), ("v2", 0), ("unauthorized", 3), ("login-page", 3), ("not-coder", 3)],
)
def test_status_ends_with(command: Any, behaviour: Any, code: int) -> None:
    assert command("coder", "status", coder=(behaviour,)).code == code


def test_a_typed_token_wants_a_terminal_and_is_stored_only_when_asked(
    command: Any, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = command("coder", "status", "--store-token")
    assert ended.code == ExitCode.USAGE
    assert "together with --ask-token" in ended.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert command("coder", "status", "--ask-token").code == ExitCode.USAGE
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: TOKEN)
    assert command("coder", "status", "--ask-token").code == ExitCode.DONE
    assert not (own_home / ".config" / "coder").exists()
    ended = command("coder", "status", "--ask-token", "--store-token")
    assert ended.code == ExitCode.DONE
    assert TOKEN not in ended.out + ended.err
    assert (own_home / ".config" / "coder" / "session").stat().st_mode & 0o777 == 0o600


def test_template(capsys: Any, tmp_path: Path) -> None:
    assert main(["coder", "template", "--resource", "github.com/fuse"]) == ExitCode.DONE
    assert '"github.com/fuse" = "1"' in capsys.readouterr().out
    path = tmp_path / "podman.tf"
    path.write_text("mine")
    assert main(["coder", "template", "--to", str(path), "-o", "json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert path.read_text() == found["text"]
    assert [part["id"] for part in found["parts"]] == ["annotation", "security-context", "resources"]
    assert len(list(tmp_path.glob("podman.tf.*.bak"))) == 1
    assert main(["coder", "template", "--container", "No Name"]) == ExitCode.USAGE


def test_a_merge_starts_without_the_client() -> None:
    code = (
        "import sys; from wizard.cli import main; main(['policy', 'new'])\n"
        "print([name for name in ('aiohttp', 'asyncio', 'wizard.coder') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_password_in_the_url_of_an_answers_file_is_shown_nowhere(tmp_path: Path, capsys: Any) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("coder: {url: 'https://ada:hunter2@coder.example.org', upload: true}\n")
    for rest in (["--dry-run"], ["--yes"]):
        assert main(["run", "--sandbox", "--answers", str(answers), *rest]) == ExitCode.INPUT
        said = capsys.readouterr()
        assert "contains a user name or a password" in said.err
        assert "hunter2" not in said.out + said.err
