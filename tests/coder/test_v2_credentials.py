"""Where the URL, the token, and the headers for Coder v2 come from, and to whom a token is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from wizard.coder.credentials import NoCredentials
from wizard.coder.v2 import credentials as module
from wizard.coder.v2.credentials import find_credentials
from wizard.errors import UsageError, WizardError

A, B = "https://a.example.org", "https://b.example.org"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "url").write_text(f"{A}\n")
    (tmp_path / "session").write_text("stored-token")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        (None, {"CODER_URL": f"{B}/", "CODER_SESSION_TOKEN": "given"}, (B, "given", "environment")),
        (None, {}, (A, "stored-token", "files")),
        (None, {"CODER_SESSION_TOKEN": "given"}, (A, "given", "environment")),
        (None, {"CODER_URL": A}, (A, "stored-token", "files")),
        (B, {"CODER_SESSION_TOKEN": "given"}, (B, "given", "environment")),
        (A, {"CODER_URL": B, "CODER_SESSION_TOKEN": "given"}, (A, "stored-token", "files")),
    ],
)
def test_each_of_url_and_token_can_come_from_either(
    folder: Path, url: str | None, environ: dict[str, str], expected: tuple[str, str, str]
) -> None:
    found = find_credentials(url, {**environ, "CODER_CONFIG_DIR": str(folder)})
    assert (found.url, found.token, found.source) == expected


@pytest.mark.parametrize(("url", "environ"), [(B, {}), (B, {"CODER_URL": A, "CODER_SESSION_TOKEN": "given"})])
def test_a_token_of_another_deployment_is_not_sent(folder: Path, url: str, environ: dict[str, str]) -> None:
    with pytest.raises(NoCredentials, match="No session token was found for Coder at https://b") as caught:
        find_credentials(url, {**environ, "CODER_CONFIG_DIR": str(folder)})
    assert "/cli-auth" in caught.value.todo


def test_the_folder_is_that_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "coderv2").mkdir()
    (tmp_path / "coderv2/url").write_text(A)
    found = find_credentials(environ={"XDG_CONFIG_HOME": str(tmp_path)}, token_needed=False)
    assert (found.url, found.token) == (A, "")


def test_headers_come_from_the_environment_and_from_a_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "CODER_CONFIG_DIR": str(folder),
        "CODER_HEADER": 'X-One=1,"X-Two=a,b"',
        "CODER_HEADER_COMMAND": 'echo "X-Three=$CODER_URL"',
    }
    found = find_credentials(environ=environ)
    assert found.headers == {"X-One": "1", "X-Two": "a,b", "X-Three": A}
    assert "a,b" not in repr(found)
    for command, seconds, said in (
        ("sleep 600 | cat", 0.3, "did not end within"),
        ("yes X-A=b", 60, "printed more than 100,000 bytes"),
        ("exit 3", 60, "exit code 3"),
    ):
        monkeypatch.setattr(module, "_HEADER_SECONDS", seconds)
        with pytest.raises(UsageError, match=said):
            find_credentials(A, {"CODER_SESSION_TOKEN": "t", "CODER_HEADER_COMMAND": command})
    for bad in ({"CODER_HEADER": "secret"}, {"CODER_HEADER": "a b=1"}):
        with pytest.raises(UsageError) as caught:
            find_credentials(environ={"CODER_CONFIG_DIR": str(folder), **bad})
        assert "secret" not in str(caught.value)
    with pytest.raises(WizardError, match="not allowed in an HTTP header"):
        find_credentials(environ={"CODER_CONFIG_DIR": str(folder), "CODER_HEADER": "X=a\u20ac"})
