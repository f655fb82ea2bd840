"""A credential plugin that asks for a password, under the screens and on the command line, in a real terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.servers import Certificates
from tests.clusters import ROOT
from tests.terminal.conftest import Host
from tests.terminal.far_end import StandaloneCluster, wait_until
from tests.terminal.multiplexer import Pane, Tmux
from tests.terminal.tls_front import tls_front

pytestmark = pytest.mark.terminal

V1 = "client.authentication.k8s.io/v1"

ASKS = """\
import datetime, getpass, json, os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
(folder / "runs").open("a").write("x")
if not json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]["interactive"]:
    sys.exit("no terminal: log in first")
what = (folder / "what").read_text()
if what == "hang":
    print("thinking about it", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(600)
said = input("second factor: ") if what == "stdin" else getpass.getpass("password for jane: ")
if said != "sesame":
    sys.exit("access\\x1b[31m denied")
lives = float((folder / "lives").read_text())
expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=10 + lives)
status = {{"token": {token!r}, "expirationTimestamp": expiry.isoformat()}}
print(json.dumps({{"kind": "ExecCredential", "apiVersion": {version!r}, "status": status}}))
"""
"""Asks on /dev/tty, or on stdin (with the prompt on stderr), as ``what`` says; the credential lives ``lives`` seconds
beyond the margin in which it is renewed."""


AGAIN = "(?s)password for jane:.*password for jane:"
"""The second prompt: the first one still stands above it."""


class Plugin:
    """The plugin's script, what it is to do, and how often it was run."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        folder.mkdir()
        self.script = folder / "get-token"
        text = ASKS.format(folder=str(folder), token=token, version=V1)
        if "input(" in text:
            # input() prompts on stdout, where the credential goes.
            text = text.replace('input("second factor: ")', '(sys.stderr.write("second factor: "), input())[1]')
        self.script.write_text(f"#!{sys.executable}\n{text}")
        self.script.chmod(self.script.stat().st_mode | stat.S_IXUSR)
        self.does("tty", 600)

    def does(self, what: str, lives: float = 600) -> None:
        (self._folder / "what").write_text(what)
        (self._folder / "lives").write_text(str(lives))

    @property
    def runs(self) -> int:
        path = self._folder / "runs"
        return len(path.read_text()) if path.exists() else 0


@pytest.fixture
def plugin(mixed: StandaloneCluster, tmp_path: Path) -> Plugin:
    return Plugin(tmp_path / "plugin", mixed.token)


@pytest.fixture
def asking(mixed: StandaloneCluster, plugin: Plugin, tmp_path: Path) -> Iterator[StandaloneCluster]:
    """The cluster by TLS, since no plugin runs for plain http, with a kubeconfig whose user logs in by the plugin."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    (tmp_path / "certificates").mkdir()
    certificates = Certificates(tmp_path / "certificates")
    config = json.loads(mixed.kubeconfig.read_text())
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    with tls_front(address.port or 80, certificates.context()) as port:
        secured = address._replace(scheme="https", netloc=f"127.0.0.1:{port}").geturl()
        config["clusters"][0]["cluster"] |= {"server": secured, "certificate-authority": str(certificates.authority)}
        config["users"][0]["user"] = {"exec": {"command": str(plugin.script), "apiVersion": V1}}
        path = tmp_path / "asking.kubeconfig"
        path.write_text(json.dumps(config))
        yield replace(mixed, kubeconfig=path)


def start(tmux: Tmux, host: Host, cluster: StandaloneCluster, *arguments: str) -> Pane:
    return tmux.start(host.command(cluster, *arguments), host.variables())


def command_line(tmux: Tmux, host: Host, cluster: StandaloneCluster) -> Pane:
    """``check`` in a shell that says how it ended."""
    line = shlex.join([sys.executable, "-m", "wizard", "check", "--kubeconfig", str(cluster.kubeconfig)])
    script = f"cd {ROOT}; trap : INT; {line}; echo ended $?; cat"
    return tmux.start(["sh", "-c", script], host.variables(), (100, 50))


@pytest.mark.parametrize(("where", "prompt"), [("tty", "password for jane:"), ("stdin", "second factor:")])
def test_the_screens_step_aside_for_a_prompt_and_come_back(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin, where: str, prompt: str
) -> None:
    plugin.does(where)
    pane = start(tmux, host, asking)
    pane.wait_for(prompt, "get-token is using the terminal. Press ctrl\\+c to stop it.")
    pane.settled(lambda text: "Prerequisites" not in text)
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    pane.wait_for("[0-9]+ passed", "Prerequisites")
    pane.settled(lambda text: prompt not in text)
    # Asked once, for all the requests that waited; the keys are the screens' again.
    assert plugin.runs == 2
    pane.keys("C-n")
    pane.wait_for("AppArmor")


def test_a_token_that_expires_in_the_middle_is_asked_for_again(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    plugin.does("tty", lives=0)
    pane = start(tmux, host, asking)
    pane.wait_for("password for jane:")
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    # The version was asked for with the first; what is read next wants another one.
    wait_until(lambda: plugin.runs == 4, "the plugin is asked again")
    plugin.does("tty", lives=600)
    pane.wait_for(AGAIN)
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    pane.wait_for("[0-9]+ passed")
    assert plugin.runs == 4


def test_a_plugin_that_fails_is_told_with_its_words_and_can_be_tried_again(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    pane = start(tmux, host, asking)
    pane.wait_for("password for jane:")
    pane.keys("x", "Enter")
    says = ("failed (exit code 1)", "access\\x1b[31m denied", "Run it by hand, or log in again")
    pane.settled(lambda text: all(words in " ".join(text.split()) for words in says))
    runs = plugin.runs
    pane.keys("r")
    pane.wait_for(AGAIN)
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    pane.wait_for("[0-9]+ passed")
    assert plugin.runs == runs + 2


def test_a_plugin_that_hangs_is_ended_by_the_second_ctrl_c_and_the_wizard_goes_on(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    plugin.does("hang")
    pane = start(tmux, host, asking)
    pane.wait_for("thinking about it")
    pane.keys("C-c")
    pane.keys("C-c")
    pane.wait_for("get-token was stopped")
    plugin.does("tty")
    pane.keys("r")
    pane.wait_for("password for jane:")
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    pane.wait_for("[0-9]+ passed")


def test_a_signal_ends_the_wizard_while_a_plugin_has_the_terminal(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    plugin.does("hang")
    pane = start(tmux, host, asking)
    pane.wait_for("thinking about it")
    for process, command in host.wizards().items():
        if "get-token" not in command:
            os.kill(process, 15)
    wait_until(lambda: not host.wizards(), "all have ended")


def test_on_the_command_line_the_plugin_has_the_terminal_at_once(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    plugin.does("stdin")
    pane = command_line(tmux, host, asking)
    pane.wait_for("second factor:")
    pane.keys("s", "e", "s", "a", "m", "e", "Enter")
    pane.wait_for("ended 0")
    assert plugin.runs == 1


def test_on_the_command_line_ctrl_c_ends_a_plugin_that_ignores_it(
    tmux: Tmux, host: Host, asking: StandaloneCluster, plugin: Plugin
) -> None:
    plugin.does("hang")
    pane = command_line(tmux, host, asking)
    pane.wait_for("thinking about it")
    pane.keys("C-c")
    pane.wait_for("ended 130")
    wait_until(lambda: not any("get-token" in command for command in host.wizards().values()), "the plugin ended")
