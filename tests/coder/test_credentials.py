"""Where URL and token come from, and that a token goes nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wizard.coder.credentials import (
    CoderCredentials,
    NoCredentials,
    base_url,
    config_folder,
    find_credentials,
    store,
    typed,
)
from wizard.errors import ExitCode, InputError, UsageError

URL = "https://coder.example.org"


def _files(url: str | bytes, session: str | bytes) -> None:
    folder = config_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("url", url), ("session", session)):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_both_from_the_environment() -> None:
    _files("https://other.example.org", "other")
    found = find_credentials(environ={"CODER_URL": f"{URL}/", "CODER_TOKEN": "t", "ENDPOINT_AUTH_HEADER": "Basic x"})
    assert found == CoderCredentials(URL, "t", "environment", "Basic x")


@pytest.mark.parametrize(
    "environ", [{"CODER_URL": URL}, {"CODER_TOKEN": "t"}, {"CODER_URL": URL, "CODER_TOKEN": ""}, {}]
)
def test_else_both_from_the_files(environ: dict[str, str]) -> None:
    _files(f"{URL}/base\n", "from-file\n")
    assert find_credentials(environ=environ) == CoderCredentials(f"{URL}/base", "from-file", "files")


def test_the_files_follow_the_cli(own_home: Path) -> None:
    assert config_folder({}) == own_home / ".config" / "coder"
    assert config_folder({"XDG_CONFIG_HOME": "/elsewhere"}) == Path("/elsewhere/coder")


def test_a_token_goes_to_no_deployment_that_it_was_not_given_for() -> None:
    _files("https://filed.example.org", "filed")
    environ = {"CODER_URL": "https://other.example.org", "CODER_TOKEN": "other"}
    with pytest.raises(NoCredentials, match=f"No session token was found for Coder at {URL}") as caught:
        find_credentials(URL, environ)
    assert caught.value.exit_code == ExitCode.CLUSTER
    assert f"{URL}/internal-auth?show_token=true" in caught.value.todo
    assert find_credentials("https://filed.example.org", environ).token == "filed"
    assert find_credentials("HTTPS://OTHER.example.org/", environ).token == "other"
    assert find_credentials(URL, {"CODER_TOKEN": "t"}).token == "t"


def test_without_anything() -> None:
    with pytest.raises(NoCredentials, match="No Coder URL or session token was found"):
        find_credentials(environ={})
    assert find_credentials(URL, {}, token_needed=False) == CoderCredentials(URL)
    assert find_credentials(environ={"CODER_URL": URL}, token_needed=False) == CoderCredentials(URL)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("https://coder.example.org/", URL),
        (" HTTPS://Coder.Example.org ", URL),
        ("https://coder.example.org:8443/tools/coder//", "https://coder.example.org:8443/tools/coder"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_urls(text: str, made: str) -> None:
    assert base_url(text) == made


@pytest.mark.parametrize(
    "text",
    ["", "coder.example.org", "ftp://coder.example.org", "https://", "https://a b", "https://a:port", "https://[::1",
     "https://a/?x=1", "https://a/#x", "https://a\x1b[31m", "javascript://x"],
)  # fmt: skip
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        base_url(text)
    assert "\x1b" not in str(caught.value)


def test_a_password_in_the_url_is_not_repeated() -> None:
    for text in ("https://me:hunter2@coder.example.org", "me:hunter2@coder.example.org"):
        with pytest.raises(UsageError) as caught:
            base_url(text)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("session", ["tok\nen", "tok\ten", "töken"])
def test_a_token_that_no_header_may_hold(session: str) -> None:
    with pytest.raises(InputError) as caught:
        typed(URL, session)
    assert session not in str(caught.value)


@pytest.mark.parametrize("url", ["not a url", b"\xff\xfe"])
def test_files_that_hold_something_else(url: Any) -> None:
    _files(url, "t")
    with pytest.raises(InputError) as caught:
        find_credentials(environ={})
    assert caught.value.file.endswith("coder/url")


def test_storing_is_for_the_owner_alone() -> None:
    folder = store(typed(f"{URL}/", " typed-token "))
    assert {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in folder.iterdir()} == {
        "url": (URL, 0o600),
        "session": ("typed-token", 0o600),
    }
    (folder / "session").chmod(0o644)
    store(typed(URL, "another"))
    assert (folder / "session").stat().st_mode & 0o777 == 0o600
    assert len(list(folder.iterdir())) == 2
    assert find_credentials(environ={}).token == "another"


def test_nothing_typed() -> None:
    with pytest.raises(UsageError, match="No session token was entered"):
        typed(URL, " ")


@pytest.mark.parametrize(
    ("url", "openly"), [(URL, False), ("http://coder.example.org", True), ("http://127.0.0.1:1", False)]
)
def test_an_open_line(url: str, openly: bool) -> None:
    assert CoderCredentials(url, "t").is_sent_openly is openly
