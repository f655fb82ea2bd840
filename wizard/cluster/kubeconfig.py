"""The kubeconfig as kubectl reads it: several files merged, contexts, in-cluster as a fallback, proxies.

What comes out is an ``Access``: all that it takes to talk to one server. Every mistake in a file is told with
file and line.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from wizard.credentials import EXEC_API_VERSIONS, ExecConfig, Identity
from wizard.errors import ClusterError, InputError
from wizard.escaping import printable
from wizard.files import read_snapshot

LIMIT = 4_000_000
"""The largest kubeconfig that is read, in bytes."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ContextName:
    """One context of the kubeconfig, for choosing from. ``server`` is "" where its cluster is not defined."""

    name: str
    cluster: str
    server: str
    user: str
    namespace: str
    current: bool


@dataclass(frozen=True, slots=True)
class Access:
    """All that it takes to talk to one API server. ``ca`` is PEM; None means the system's own authorities."""

    context: str
    server: str
    identity: Identity
    source: str
    """Where it was read from, for messages: a file, or the pod's service account."""
    ca: bytes | None = None
    verify: bool = True
    tls_server_name: str = ""
    proxy: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    """Impersonation headers; a name may be there several times."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named entry of clusters, contexts or users, and where it stands."""

    value: Mapping[str, Any]
    file: Path
    line: int

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if isinstance(value, (dict, list)):
            raise self.refuse(f"{key} must be text.")
        return "" if value is None else str(value)

    def header(self, key: str) -> str:
        """A text that goes into a header of each request."""
        return self._on_one_line(key, self.text(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts that go into headers; empty where there is none."""
        values = self.value.get(key) or []
        if not isinstance(values, list) or any(isinstance(value, (dict, list)) for value in values):
            raise self.refuse(f"{key} must be a list of texts.")
        return tuple(self._on_one_line(key, str(value)) for value in values if value is not None)

    def _on_one_line(self, key: str, text: str) -> str:
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise self.refuse(f"{key} has a line break, or another character that no request can carry.")
        return text

    def flag(self, key: str) -> bool:
        return self.text(key).lower() in ("true", "yes", "on", "y")

    def path(self, key: str) -> Path | None:
        """The file that an entry names, relative to the kubeconfig that it stands in."""
        return self.file.parent / Path(self.text(key)).expanduser() if self.text(key) else None

    def data(self, key: str) -> bytes | None:
        """What ``KEY-data`` holds in base64, else what the file of ``KEY`` holds."""
        if self.text(f"{key}-data"):
            try:
                return base64.b64decode("".join(self.text(f"{key}-data").split()), validate=True)
            except (binascii.Error, ValueError):
                raise self.refuse(f"{key}-data is not base64.") from None
        path = self.path(key)
        if path is None:
            return None
        try:
            return read_snapshot(path, limit=LIMIT).content
        except InputError as error:
            raise self.refuse(f"{key}: {error.what}", error.todo) from None

    def refuse(self, what: str, todo: str = "") -> InputError:
        return InputError(what, todo or "Mend that entry of the kubeconfig.", file=self.file, line=self.line)


@dataclass(frozen=True, slots=True)
class _Config:
    files: tuple[Path, ...]
    current: str
    clusters: Mapping[str, _Entry]
    contexts: Mapping[str, _Entry]
    users: Mapping[str, _Entry]


def contexts(kubeconfig: str | None = None) -> tuple[ContextName, ...]:
    """The contexts that there are to choose from, without connecting; none where there is no kubeconfig.

    Raises InputError where a file cannot be used, with file and line.
    """
    config = _read_config(kubeconfig, os.environ)
    found = []
    for name, entry in config.contexts.items():
        cluster = entry.text("cluster")
        server = config.clusters[cluster].text("server") if cluster in config.clusters else ""
        found.append(
            ContextName(name, cluster, server, entry.text("user"), entry.text("namespace"), name == config.current)
        )
    return tuple(found)


def read_access(
    kubeconfig: str | None = None, context: str | None = None, environ: Mapping[str, str] | None = None
) -> Access:
    """How to reach the cluster that kubectl would reach with the same options.

    Raises InputError for a file that cannot be used (with its line), for a context that does not exist, and
    where none is chosen; ClusterError where there is no kubeconfig at all.
    """
    environ = os.environ if environ is None else environ
    config = _read_config(kubeconfig, environ)
    if not config.contexts and not config.clusters:
        return _read_in_cluster(kubeconfig, context, config, environ)
    where = ", ".join(str(file) for file in config.files)
    name = context or config.current
    known = "It has: " + ", ".join(printable(one) for one in config.contexts) + "."
    todo = f"Choose one with --context. {known}" if config.contexts else "It has none: log in to a cluster first."
    if not name:
        raise InputError("The kubeconfig names no current context.", todo, file=where)
    if name not in config.contexts:
        whose = "has no context" if context else "names as its current context one that it does not have:"
        raise InputError(f"The kubeconfig {whose} {printable(name)!r}.", todo, file=where)
    return _make_access(name, config, environ)


def _files(kubeconfig: str | None, environ: Mapping[str, str]) -> tuple[list[Path], bool]:
    """The files to read, and whether each of them has to be there."""
    if kubeconfig:
        return [Path(kubeconfig).expanduser()], True
    if environ.get("KUBECONFIG"):
        return [Path(part).expanduser() for part in environ["KUBECONFIG"].split(os.pathsep) if part], False
    return [Path("~/.kube/config").expanduser()], False


def _read_config(kubeconfig: str | None, environ: Mapping[str, str]) -> _Config:
    paths, must_exist = _files(kubeconfig, environ)
    current, files = "", []
    kinds: dict[str, dict[str, _Entry]] = {"clusters": {}, "contexts": {}, "users": {}}
    for path in dict.fromkeys(paths):
        content = read_snapshot(path, missing_ok=not must_exist, limit=LIMIT).content
        if content is None:
            continue
        files.append(path)
        root = _compose(content, path)
        if root is None:
            continue
        for key, node in root.value:
            if key.value == "current-context":
                current = current or str(node.value)
            elif key.value in kinds:
                # Of two entries with the same name the one that was read first stands, as in kubectl.
                for name, entry in _read_entries(key.value, node, path).items():
                    kinds[key.value].setdefault(name, entry)
    return _Config(tuple(files), current, kinds["clusters"], kinds["contexts"], kinds["users"])


def _compose(content: bytes, path: Path) -> yaml.MappingNode | None:
    try:
        root = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError:
        raise InputError("The kubeconfig is not UTF-8.", "Save it as UTF-8.", file=path) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(
            f"The kubeconfig is not YAML: {error.problem}.",
            "Mend that line, or log in again.",
            file=path,
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError("The kubeconfig is not YAML.", printable(str(error)), file=path) from None
    if root is None or _is_null(root):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise InputError("This is not a kubeconfig: it has no mapping at its root.", "Is it the right file?", file=path)
    return root


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _read_entries(kind: str, node: yaml.Node, path: Path) -> dict[str, _Entry]:
    singular = kind.removesuffix("s")
    if _is_null(node):
        return {}
    if not isinstance(node, yaml.SequenceNode):
        raise InputError(f"{kind} must be a list.", "", file=path, line=node.start_mark.line + 1)
    entries: dict[str, _Entry] = {}
    for item in node.value:
        line = item.start_mark.line + 1
        try:
            value = _plain(item, {})
        except RecursionError:
            raise InputError("This entry is nested without end.", "", file=path, line=line) from None
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise InputError(f"Every entry of {kind} needs a name.", "Mend that entry.", file=path, line=line)
        content = value.get(singular)
        if content is not None and not isinstance(content, dict):
            raise InputError(
                f"{singular} of {printable(value['name'])!r} must be a mapping.",
                "Mend that entry.",
                file=path,
                line=line,
            )
        entries.setdefault(value["name"], _Entry(content or {}, path, line))
    return entries


def _plain(node: yaml.Node, seen: dict[int, Any]) -> Any:
    """The node as dicts, lists and text. Scalars keep their text: a token of digits is still a token."""
    if id(node) not in seen:
        if isinstance(node, yaml.MappingNode):
            seen[id(node)] = {str(key.value): _plain(value, seen) for key, value in node.value}
        elif isinstance(node, yaml.SequenceNode):
            seen[id(node)] = [_plain(item, seen) for item in node.value]
        else:
            seen[id(node)] = None if _is_null(node) else node.value
    return seen[id(node)]


def _make_access(name: str, config: _Config, environ: Mapping[str, str]) -> Access:
    context = config.contexts[name]
    if not context.text("cluster"):
        raise context.refuse(f"The context {printable(name)!r} names no cluster.")
    cluster = config.clusters.get(context.text("cluster"))
    if cluster is None:
        raise context.refuse(
            f"The context {printable(name)!r} names the cluster {printable(context.text('cluster'))!r}, "
            "which the kubeconfig does not define."
        )
    user = config.users.get(context.text("user"))
    if user is None and context.text("user"):
        raise context.refuse(
            f"The context {printable(name)!r} names the user {printable(context.text('user'))!r}, "
            "which the kubeconfig does not define."
        )
    ca = cluster.data("certificate-authority")
    verify = not cluster.flag("insecure-skip-tls-verify")
    server = cluster.text("server").rstrip("/")
    if not server:
        raise cluster.refuse("The cluster has no server.")
    if "://" not in server:
        server = f"https://{server}" if ca or not verify else f"http://{server}"
    parts = urlsplit(server)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise cluster.refuse(f"The cluster's server is not an address: {printable(server)}.")
    identity, headers = _read_user(user, cluster, server, ca) if user else (Identity(), ())
    proxy = cluster.text("proxy-url") or proxy_for(server, environ)
    if proxy and not proxy.startswith(("http://", "https://")):
        raise cluster.refuse(
            "The proxy for this cluster is neither http nor https.", "Only these two kinds of proxy can be used."
        )
    return Access(
        context=name,
        server=server,
        identity=identity,
        source=str(cluster.file),
        ca=ca if verify else None,
        verify=verify,
        tls_server_name=cluster.text("tls-server-name"),
        proxy=proxy,
        headers=headers,
    )


def _read_user(
    user: _Entry, cluster: _Entry, server: str, ca: bytes | None
) -> tuple[Identity, tuple[tuple[str, str], ...]]:
    if user.value.get("auth-provider"):
        raise user.refuse(
            "This user logs in by auth-provider, which Kubernetes dropped in 1.26.",
            "Replace it by an exec plugin (gke-gcloud-auth-plugin, kubelogin), as kubectl wants it too.",
        )
    certificate, key = user.data("client-certificate"), user.data("client-key")
    if (certificate is None) != (key is None):
        raise user.refuse("This user has a client certificate or a key, but not both.")
    identity = Identity(
        certificate=(certificate, key) if certificate is not None and key is not None else None,
        token_file=user.path("tokenFile"),
        token=user.header("token"),
        username=user.text("username"),
        password=user.text("password"),
        exec=_read_exec(user, cluster, server, ca),
    )
    return identity, _read_impersonation(user)


def _read_exec(user: _Entry, cluster: _Entry, server: str, ca: bytes | None) -> ExecConfig | None:
    stanza = user.value.get("exec")
    if stanza is None:
        return None
    if not isinstance(stanza, dict) or not stanza.get("command"):
        raise user.refuse("exec of this user has no command.")
    entry = _Entry(stanza, user.file, user.line)
    if entry.text("apiVersion") not in EXEC_API_VERSIONS:
        raise user.refuse(
            f"exec of this user has the apiVersion {printable(entry.text('apiVersion'))!r}.",
            "It must be client.authentication.k8s.io/v1 or v1beta1; update the plugin's kubeconfig.",
        )
    mode = entry.text("interactiveMode") or "IfAvailable"
    if mode not in ("Never", "IfAvailable", "Always"):
        raise user.refuse("interactiveMode must be Never, IfAvailable or Always.")
    args, env = stanza.get("args") or [], stanza.get("env") or []
    if not isinstance(args, list) or not isinstance(env, list) or not all(isinstance(one, dict) for one in env):
        raise user.refuse("args and env of exec must be lists.")
    command = entry.text("command")
    if "/" in command:
        command = str(user.file.parent.absolute() / Path(command).expanduser())
    return ExecConfig(
        command=command,
        api_version=entry.text("apiVersion"),
        args=tuple(str(one) for one in args),
        env={str(one.get("name")): str(one.get("value") or "") for one in env},
        interactive_mode=mode,  # type: ignore[arg-type]
        install_hint=entry.text("installHint"),
        cluster=_cluster_information(cluster, server, ca) if entry.flag("provideClusterInfo") else None,
    )


def _cluster_information(cluster: _Entry, server: str, ca: bytes | None) -> dict[str, Any]:
    information: dict[str, Any] = {"server": server}
    if ca:
        information["certificate-authority-data"] = base64.b64encode(ca).decode("ascii")
    if cluster.flag("insecure-skip-tls-verify"):
        information["insecure-skip-tls-verify"] = True
    for key in ("tls-server-name", "proxy-url"):
        if cluster.text(key):
            information[key] = cluster.text(key)
    extensions = cluster.value.get("extensions")
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            information["config"] = extension.get("extension")
    return information


def _read_impersonation(user: _Entry) -> tuple[tuple[str, str], ...]:
    groups, extra = user.texts("as-groups"), user.value.get("as-user-extra") or {}
    if not isinstance(extra, dict):
        raise user.refuse("as-user-extra must be a mapping.")
    if not user.text("as"):
        if groups or extra or user.text("as-uid"):
            # Whoever takes a lesser role on must not act in their own.
            raise user.refuse("This user takes on groups, a uid or extras without a user (as), which no server takes.")
        return ()
    headers = [("Impersonate-User", user.header("as"))]
    if user.text("as-uid"):
        headers.append(("Impersonate-Uid", user.header("as-uid")))
    headers += [("Impersonate-Group", group) for group in groups]
    extras = _Entry(extra, user.file, user.line)
    headers += [(f"Impersonate-Extra-{_header_name(key)}", value) for key in extra for value in extras.texts(key)]
    return tuple(headers)


def _header_name(key: str) -> str:
    """A key as part of a header's name, as client-go writes it: what none may hold, and %, is percent-encoded."""
    return quote(key, safe="!#$&'*+-.^_`|~")


def _read_in_cluster(
    kubeconfig: str | None, context: str | None, config: _Config, environ: Mapping[str, str]
) -> Access:
    if config.files and kubeconfig:
        raise InputError(
            "The kubeconfig has neither clusters nor contexts.", "Is it the right file?", file=config.files[0]
        )
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token_file = SERVICE_ACCOUNT / "token"
    in_pod = bool(host and port and token_file.exists())
    if context or not host or not port or not in_pod:
        looked = [f"{file} ({'empty' if file in config.files else 'not there'})" for file in _files(None, environ)[0]]
        source = "named by KUBECONFIG" if environ.get("KUBECONFIG") else "KUBECONFIG is not set"
        wanted = f", so there is no context {printable(context)!r} to choose" if context else ""
        what = f"No kubeconfig was found{wanted}. Looked for {', '.join(looked)} ({source})"
        if in_pod:
            raise ClusterError(
                f"{what}; the service account of this pod has no contexts.",
                "Leave --context away to use the service account, or name a file with --kubeconfig.",
            )
        raise ClusterError(
            f"{what} and the service account of a pod.",
            "Name a file with --kubeconfig, log in to a cluster, or try the wizard on a simulated one: --sandbox.",
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(
        context="in-cluster",
        server=server,
        identity=Identity(token_file=token_file),
        source=str(SERVICE_ACCOUNT),
        ca=read_snapshot(SERVICE_ACCOUNT / "ca.crt", missing_ok=True, limit=LIMIT).content,
        proxy=proxy_for(server, environ),
    )


def proxy_for(server: str, environ: Mapping[str, str]) -> str:
    """The proxy from the environment for a server, "" for none, by the rules of Go (and so of kubectl).

    Python's own reading of NO_PROXY knows no networks (``10.0.0.0/8``), which is how bastion hosts write it.
    """
    parts = urlsplit(server)
    host = (parts.hostname or "").lower()
    name = f"{parts.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or _is_exempt(host, parts.port or (443 if parts.scheme == "https" else 80), environ):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(host: str, port: int, environ: Mapping[str, str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for rule in (environ.get("NO_PROXY") or environ.get("no_proxy") or "").lower().split(","):
        rule = rule.strip()
        if rule == "*":
            return True
        if address is not None and "/" in rule:
            try:
                if address in ipaddress.ip_network(rule, strict=False):
                    return True
            except ValueError:
                continue
        pattern, _, wanted = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
        if not pattern or (wanted and wanted != str(port)):
            continue
        pattern = pattern.removeprefix("*")
        if host == pattern.strip("[]").lstrip("."):
            # ".example.org" is for what is below it only.
            if not pattern.startswith("."):
                return True
        elif address is None and host.endswith(pattern if pattern.startswith(".") else f".{pattern}"):
            return True
    return False
