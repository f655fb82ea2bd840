"""The kubeconfig as kubectl reads it, and every mistake with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.servers import write_kubeconfig
from wizard.cluster import contexts
from wizard.cluster import kubeconfig as module
from wizard.cluster.kubeconfig import proxy_for, read_access
from wizard.errors import ClusterError, ExitCode, InputError


def config(path: Path, names: list[str], current: str = "", **extra: Any) -> Path:
    content: dict[str, Any] = {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.{path.stem}:6443"}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": ""}} for name in names],
        "users": None,
        **extra,
    }
    if current:
        content["current-context"] = current
    path.write_text(yaml.safe_dump(content))
    return path


def test_of_several_files_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = config(tmp_path / "first", ["a", "b"])
    second = config(tmp_path / "second", ["b", "c"], current="b")
    third = config(tmp_path / "third", ["c"], current="c")
    monkeypatch.setenv("KUBECONFIG", f"{first}::{tmp_path / 'missing'}:{second}:{third}")
    assert read_access().server == "https://b.first:6443"
    assert read_access(context="c").server == "https://c.second:6443"
    assert [(one.name, one.current) for one in contexts()] == [("a", False), ("b", True), ("c", False)]


def test_a_named_file_wins_over_the_environment(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(own_home / "mine", ["home"], current="home")
    monkeypatch.setenv("KUBECONFIG", str(config(tmp_path / "other", ["x"], current="x")))
    assert read_access("~/mine").server == "https://home.mine:6443"


def test_what_a_shell_hands_over_as_a_pipe_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, config(tmp_path / "piped", ["x"], current="x").read_bytes())
    os.close(writing)
    try:
        monkeypatch.setenv("KUBECONFIG", f"/dev/fd/{reading}")
        assert read_access().server == "https://x.piped:6443"
    finally:
        os.close(reading)


def test_a_named_file_that_is_missing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as caught:
        read_access(str(tmp_path / "none"))
    assert caught.value.exit_code is ExitCode.INPUT
    assert caught.value.file == str(tmp_path / "none")


def test_without_any_kubeconfig_it_says_what_was_looked_for(own_home: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        read_access()
    assert str(own_home / ".kube/config") in caught.value.what
    assert "--sandbox" in caught.value.todo
    assert contexts() == ()


def test_a_context_without_any_kubeconfig_is_not_to_blame(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClusterError, match="No kubeconfig was found, so the context 'prod' does not exist") as caught:
        read_access(context="prod")
    assert f"{own_home / '.kube/config'} (missing) (KUBECONFIG is not set)" in caught.value.what
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{tmp_path / 'empty'}")
    with pytest.raises(ClusterError, match="No kubeconfig was found") as caught:
        read_access(context="prod")
    assert f"{tmp_path / 'none'} (missing), {tmp_path / 'empty'} (empty) (from KUBECONFIG)" in caught.value.what


def test_in_a_pod_a_context_is_refused_and_its_service_account_offered(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ClusterError, match="has no contexts") as caught:
        read_access(context="prod")
    assert caught.value.todo.startswith("Omit --context")


def test_a_file_that_cannot_be_read_is_told_although_others_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = config(tmp_path / "good", ["a"], current="a")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("KUBECONFIG", f"{good}:{tmp_path / 'folder'}")
    with pytest.raises(InputError, match="folder cannot be read: is a directory"):
        read_access()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    monkeypatch.setenv("KUBECONFIG", f"{good}:{loop}")
    with pytest.raises(InputError, match="loop cannot be read: too many levels"):
        read_access()


def test_a_current_context_that_is_gone_is_the_files_mistake(tmp_path: Path) -> None:
    path = config(tmp_path / "c", ["a"], current="gone")
    with pytest.raises(InputError, match="The current context is not in the kubeconfig: 'gone'") as caught:
        read_access(str(path))
    assert "Contexts: a." in caught.value.todo
    only_clusters = tmp_path / "d"
    only_clusters.write_text("clusters: [{name: c, cluster: {server: 'https://h'}}]\n")
    with pytest.raises(InputError, match="has no context 'x'") as caught:
        read_access(str(only_clusters), "x")
    assert "It has no contexts" in caught.value.todo


def test_a_context_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    path = config(tmp_path / "c", ["a", "b"])
    with pytest.raises(InputError, match="'z'") as caught:
        read_access(str(path), "z")
    assert "a, b" in caught.value.todo
    for current in ("", "current-context: null\n"):
        path.write_text(path.read_text() + current)
        with pytest.raises(InputError, match="no current context"):
            read_access(str(path))


HERE = (
    "contexts: [{name: a, context: {cluster: c, user: u}}]\ncurrent-context: a\n"
    "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("clusters:\n- name: a\n  cluster: {server: [}\n", 3, "not valid YAML"),
        ("- a\n", 0, "not a mapping"),
        ("clusters: 5\n", 1, "clusters must be a list"),
        ("clusters:\n- {name: a}\n- {cluster: {}}\n", 3, "needs a name"),
        ("contexts:\n- name: a\n  context: {cluster: gone}\ncurrent-context: a\n", 2, "does not define"),
        ("contexts:\n- name: a\n  context: {user: u}\ncurrent-context: a\n", 2, "'a' names no cluster"),
        (
            "clusters: [{name: c, cluster: {server: 'https://h:6443'}}]\ncontexts:\n"
            "- {name: a, context: {cluster: c, user: gone}}\ncurrent-context: a\n",
            3,
            "the user 'gone'",
        ),
        (
            "contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\nclusters:\n"
            "- {name: c, cluster: {server: 'https://h', certificate-authority-data: '%%%'}}\n",
            4,
            "not base64",
        ),
        (
            "contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\nclusters:\n"
            "- {name: c, cluster: {server: 'https://h', certificate-authority: gone.crt}}\n",
            4,
            "gone.crt does not exist",
        ),
        (
            "contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\n\nclusters:\n"
            "- {name: c, cluster: {server: 'ftp://h'}}\n",
            5,
            "not a valid URL",
        ),
        (
            "contexts: [{name: a, context: {cluster: c, user: u}}]\ncurrent-context: a\n"
            "clusters: [{name: c, cluster: {server: 'https://h'}}]\nusers:\n- name: u\n"
            "  user: {auth-provider: {name: gcp}}\n",
            5,
            "auth-provider",
        ),
        ("users: &a [*a]\n", 1, "needs a name"),
        ("users:\n- *gone\n", 2, "found undefined alias"),
        ("a: &a [x]\nusers:\n- {? *a : b}\n", 3, "a key is not text"),
        ("- " * 5000, 0, "nested too deeply"),
        ("users:\n- {name: a}\n- {name: a}\n", 3, "the other is in line 2"),
        (f"{HERE}users:\n- name: u\n  user: {{as-groups: [a]}}\n", 5, "without a user (as)"),
        (f"{HERE}users:\n- name: u\n  user: {{as-uid: 7}}\n", 5, "without a user (as)"),
        (f"{HERE}users:\n- name: u\n  user: {{as: a, as-groups: admins}}\n", 5, "as-groups must be a list"),
        (f"{HERE}users:\n- name: u\n  user: {{as: a, as-user-extra: {{b: c}}}}\n", 5, "b must be a list"),
        (f"{HERE}users:\n- name: u\n  user:\n    token: |\n      secret\n", 5, "token has a line break"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_access(str(path))
    assert said in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(path), line)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_access(str(tmp_path / "k"))


def test_what_a_user_may_have(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    path = tmp_path / "k"
    write_kubeconfig(
        path,
        "host:6443",
        cluster={
            "certificate-authority": "ca.crt",
            "tls-server-name": "api",
            "proxy-url": "http://proxy:3128",
        },
        user={
            "token": 1234567,
            "tokenFile": "token",
            "username": "jane",
            "password": "hush",
            "as": "admin",
            "as-uid": 7,
            "as-groups": ["a", "b"],
            "as-user-extra": {"reason": ["x"], "example.org/50% of": ["y", "z"]},
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "./plugin",
                "args": ["get", 5],
                "env": [{"name": "A", "value": "b"}],
                "provideClusterInfo": True,
                "interactiveMode": "Never",
            },
        },
    )
    access = read_access(str(path))
    assert access.server == "https://host:6443"
    assert (access.ca, access.tls_server_name, access.proxy) == (b"CA", "api", "http://proxy:3128")
    assert access.identity.token == "1234567"
    assert access.identity.token_file == tmp_path / "token"
    assert access.headers == (
        ("Impersonate-User", "admin"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-example.org%2F50%25%20of", "y"),
        ("Impersonate-Extra-example.org%2F50%25%20of", "z"),
        ("Impersonate-Extra-reason", "x"),
    )
    plugin = access.identity.exec
    assert plugin is not None
    assert (plugin.command, plugin.args, plugin.env) == (str(tmp_path / "plugin"), ("get", "5"), {"A": "b"})
    assert plugin.cluster is not None
    assert plugin.cluster["server"] == "https://host:6443"
    assert not any(secret in repr(access) for secret in ("1234567", "hush", "key'"))


def test_in_a_pod_the_service_account_is_the_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_text("CA")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = read_access()
    assert (access.server, access.context, access.ca) == ("https://[fd00::1]:443", "in-cluster", b"CA")
    assert access.identity.token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("server", "no_proxy", "used"),
    [
        ("https://10.1.2.3:6443", "", True),
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://11.1.2.3:6443", "10.0.0.0/8", True),
        ("https://api.example.org", "example.org", False),
        ("https://example.org", ".example.org", True),
        ("https://api.example.org", ".example.org", False),
        ("https://api.example.org", "*.example.org", False),
        ("https://notexample.org", "example.org", True),
        ("https://api.example.org:6443", "api.example.org:443", True),
        ("https://api.example.org:443", "api.example.org:443", False),
        ("https://api.example.org", "*", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("https://localhost:6443", "", False),
        ("http://10.1.2.3", "", False),
    ],
)
def test_proxies_by_the_rules_of_kubectl(server: str, no_proxy: str, used: bool) -> None:
    environ = {"HTTPS_PROXY": "proxy:3128", "NO_PROXY": no_proxy}
    assert proxy_for(server, environ) == ("http://proxy:3128" if used else "")
