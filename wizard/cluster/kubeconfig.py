"""The kubeconfig as kubectl reads it: several files merged, contexts, in-cluster as a fallback, proxies.

The result is an ``Access``: everything needed to talk to one server. An error in a file is reported with the
file and the line.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import ipaddress
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import yaml

from wizard.cluster.credentials import EXEC_API_VERSIONS, ExecConfig, Identity
from wizard.cluster.plain_yaml import Lines, RepeatsItself, first_document, size_of
from wizard.cluster.routes import SOCKS, Route
from wizard.errors import ClusterError, InputError
from wizard.files import read_snapshot
from wizard.text.escaping import printable
from wizard.text.redaction import keep_secret

LIMIT = 32_000_000
"""The largest kubeconfig that is read, in bytes: ten thousand contexts have some ten million."""

LARGEST_ENTRY = 100_000
"""How many values an entry can have, each counted as often as an alias repeats it."""

TOKEN_MARGIN_SECONDS = 10.0
"""An id-token is not used so shortly before it expires, as in kubectl."""

NAMES_SHOWN = 10
"""How many contexts an error names."""

REPEATS = "This kubeconfig repeats itself too often with aliases."
CHECK_FILE = "Check that this is the right file."

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ContextName:
    """One context of the kubeconfig. ``server`` is "" if its cluster is not defined."""

    name: str
    cluster: str
    server: str
    user: str
    namespace: str
    current: bool


@dataclass(frozen=True, slots=True)
class Access:
    """Everything needed to talk to one API server. ``ca`` is PEM; None means the system's own authorities."""

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
    """Impersonation headers; a name can appear several times."""
    proxy_is_configured: bool = False
    """Whether the proxy is the kubeconfig's; otherwise, it is the environment's."""
    withheld: bool = False
    """Whether the user has credentials that are not sent, since the connection is not encrypted."""

    @property
    def route(self) -> Route:
        """The way to the server."""
        return Route(self.server, self.proxy, f"proxy-url in {self.source}" if self.proxy_is_configured else "")


@dataclass(frozen=True)
class _Entry:
    """A named entry of clusters, contexts, or users, with its place."""

    content: Any
    file: Path
    line: int
    kind: str
    name: str

    @cached_property
    def value(self) -> Mapping[str, Any]:
        """The content, checked: of ten thousand entries, only those that are used are."""
        if self.content is not None and not isinstance(self.content, dict):
            raise self.refuse(f"{self.kind} of {printable(self.name)!r} must be a mapping.")
        try:
            size = size_of(self.content)
        except RecursionError:
            raise self.refuse("This entry is nested too deeply.") from None
        if size > LARGEST_ENTRY:
            raise self.refuse(REPEATS)
        return self.content or {}

    def part(self, value: Mapping[str, Any]) -> _Entry:
        """Returns a mapping in this entry, as an entry."""
        return replace(self, content=value)

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if isinstance(value, (dict, list)):
            raise self.refuse(f"{key} must be text.")
        return "" if value is None else str(value)

    def header(self, key: str) -> str:
        """Returns a text for a header of each request."""
        return self._on_one_line(key, self.text(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Returns a list of texts for headers; empty if there are none."""
        values = self.value.get(key) or []
        if not isinstance(values, list) or any(isinstance(value, (dict, list)) for value in values):
            raise self.refuse(f"{key} must be a list of text values.")
        return tuple(self._on_one_line(key, str(value)) for value in values if value is not None)

    def _on_one_line(self, key: str, text: str) -> str:
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise self.refuse(f"{key} has a line break, or another character that is not allowed in a request.")
        return text

    def flag(self, key: str) -> bool:
        return self.text(key).lower() in ("true", "yes", "on", "y")

    def path(self, key: str) -> Path | None:
        """Returns the file that an entry names, relative to its kubeconfig."""
        return self.file.parent / self.text(key) if self.text(key) else None

    def data(self, key: str) -> bytes | None:
        """Returns the content of ``KEY-data`` (base64), else of the file named by ``KEY``."""
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
        return InputError(what, todo or "Fix that entry of the kubeconfig.", file=self.file, line=self.line)


@dataclass(frozen=True, slots=True)
class _Config:
    files: tuple[Path, ...]
    current: str
    clusters: Mapping[str, _Entry]
    contexts: Mapping[str, _Entry]
    users: Mapping[str, _Entry]


def contexts(kubeconfig: str | None = None) -> tuple[ContextName, ...]:
    """Returns the contexts without connecting; none if there is no kubeconfig.

    Raises InputError with file and line if a file cannot be used.
    """
    config = _read_config(kubeconfig, os.environ)
    found = []
    for name, entry in config.contexts.items():
        cluster = entry.text("cluster")
        server = config.clusters[cluster].text("server") if cluster in config.clusters else ""
        scheme, separator, rest = server.rpartition("://")
        server = f"{scheme}{separator}{rest.rpartition('@')[2]}"
        found.append(
            ContextName(name, cluster, server, entry.text("user"), entry.text("namespace"), name == config.current)
        )
    return tuple(found)


def read_access(
    kubeconfig: str | None = None, context: str | None = None, environ: Mapping[str, str] | None = None
) -> Access:
    """Returns how to reach the cluster that kubectl would reach with the same options.

    Raises InputError for a file that cannot be used (with its line), for a context that does not exist, and
    if no context is selected; ClusterError if there is no kubeconfig at all.
    """
    environ = os.environ if environ is None else environ
    config = _read_config(kubeconfig, environ)
    if not config.contexts and not config.clusters:
        return _read_in_cluster(kubeconfig, context, config, environ)
    where = ", ".join(str(file) for file in config.files)
    name = context or config.current
    todo = _choose_context(name, config)
    if not name:
        raise InputError("The kubeconfig has no current context.", todo, file=where)
    if name not in config.contexts:
        what = "The kubeconfig has no context" if context else "The current context is not in the kubeconfig:"
        raise InputError(f"{what} {printable(name)!r}.", todo, file=where)
    return _make_access(name, config, environ)


def _choose_context(name: str, config: _Config) -> str:
    """Returns which contexts there are, or which of many are meant by a name with a mistake in it."""
    if not config.contexts:
        return "It has no contexts. Log in to a cluster first."
    names = list(config.contexts)
    if len(names) > NAMES_SHOWN:
        import difflib

        near = difflib.get_close_matches(name, names, NAMES_SHOWN // 2) if name else []
        meant = f" Similar names: {', '.join(printable(one) for one in near)}." if near else ""
        return f"Choose one of {len(names)} contexts with --context.{meant} kubectl config get-contexts lists all."
    return f"Choose one with --context. Contexts: {', '.join(printable(one) for one in names)}."


def _files(kubeconfig: str | None, environ: Mapping[str, str]) -> tuple[list[Path], bool]:
    """Returns the files to read, and whether all of them have to exist."""
    if kubeconfig:
        # Shells expand a ~; after --kubeconfig= they do not, and kubectl does not either.
        return [Path(os.path.expanduser(kubeconfig))], True  # noqa: PTH111 (pathlib raises for an unknown user)
    if environ.get("KUBECONFIG"):
        return [Path(part) for part in environ["KUBECONFIG"].split(os.pathsep) if part], False
    return [Path(os.path.expanduser("~/.kube/config"))], False  # noqa: PTH111


def _read_config(kubeconfig: str | None, environ: Mapping[str, str]) -> _Config:
    paths, must_exist = _files(kubeconfig, environ)
    current, files = "", []
    kinds: dict[str, dict[str, _Entry]] = {"clusters": {}, "contexts": {}, "users": {}}
    for path in dict.fromkeys(paths):
        content = read_snapshot(path, missing_ok=not must_exist, limit=LIMIT).content
        if content is None:
            continue
        files.append(path)
        root, lines = _parse(content, path)
        if not current and root.get("current-context") is not None:
            current = str(root["current-context"])
        for kind, entries in kinds.items():
            # Of two entries with the same name, the first one wins, as in kubectl.
            for name, entry in _read_entries(kind, root.get(kind), lines.get(kind) or [0], path).items():
                entries.setdefault(name, entry)
    return _Config(tuple(files), current, kinds["clusters"], kinds["contexts"], kinds["users"])


def _parse(content: bytes, path: Path) -> tuple[Mapping[str, Any], Lines]:
    # PowerShell writes UTF-16 with a mark; the YAML library of kubectl reads it too.
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        root, lines = first_document(content.decode(encoding))
    except UnicodeDecodeError:
        raise InputError("The kubeconfig is not UTF-8.", "Save it as UTF-8.", file=path) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(
            f"The kubeconfig is not valid YAML: {error.problem}.",
            "Fix that line, or log in again.",
            file=path,
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
        ) from None
    except yaml.YAMLError as error:
        raise InputError("The kubeconfig is not valid YAML.", printable(str(error)), file=path) from None
    except RecursionError:
        raise InputError("The kubeconfig is nested too deeply.", CHECK_FILE, file=path) from None
    except RepeatsItself:
        raise InputError(REPEATS, CHECK_FILE, file=path) from None
    if root is None:
        return {}, {}
    if not isinstance(root, dict):
        raise InputError("This is not a kubeconfig: the top level is not a mapping.", CHECK_FILE, file=path)
    return root, lines


def _read_entries(kind: str, found: Any, lines: Sequence[int], path: Path) -> dict[str, _Entry]:
    """Returns the entries by name; ``lines`` has the line of the list, then those of its items if they are known."""
    if found is None:
        return {}
    if not isinstance(found, list):
        raise InputError(f"{kind} must be a list.", "", file=path, line=lines[0])
    singular = kind.removesuffix("s")
    entries: dict[str, _Entry] = {}
    for number, item in enumerate(found, 1):
        line = lines[number] if number < len(lines) else lines[0]
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            raise InputError(f"Every entry of {kind} needs a name.", "Fix that entry.", file=path, line=line)
        if name in entries:
            # kubectl refuses such a file too: nobody knows which of the two is meant.
            raise InputError(
                f"Two entries of {kind} have the name {printable(name)!r}.",
                f"Remove or rename one of them; the other is in line {entries[name].line}.",
                file=path,
                line=line,
            )
        entries[name] = _Entry(item.get(singular), path, line, singular, name)
    return entries


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
    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(character <= " " or character == "\x7f" for character in server):
        shown = printable(server.rpartition("@")[2])
        raise cluster.refuse(f"The server of the cluster is not a valid URL: {shown}.")
    server, from_address = _without_credentials(server)
    identity, headers = _read_user(user, cluster, server, ca) if user else (Identity(), ())
    if from_address is not None:
        # Go puts them into the request before kubectl adds what the user has.
        identity = replace(identity, token="", token_file=None, exec=None, username=from_address[0])
        identity = replace(identity, password=from_address[1])
    withheld = server.startswith("http:") and identity != Identity()
    proxy, proxy_is_configured = _read_proxy(cluster, server, environ)
    return Access(
        context=name,
        server=server,
        # Whoever listens on the way would have them, so kubectl sends none either, and runs no plugin.
        identity=Identity() if withheld else identity,
        source=str(cluster.file),
        ca=ca if verify else None,
        verify=verify,
        tls_server_name=cluster.text("tls-server-name"),
        proxy=proxy,
        proxy_is_configured=proxy_is_configured,
        headers=headers,
        withheld=withheld,
    )


def _without_credentials(server: str) -> tuple[str, tuple[str, str] | None]:
    """Returns the address without the user, the password, and the query in it, and these credentials."""
    parts = urlsplit(server)
    given = None
    if parts.username is not None or parts.password is not None:
        given = unquote(parts.username or ""), unquote(parts.password or "")
        keep_secret(given[1])
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}", given


def _read_proxy(cluster: _Entry, server: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Returns the proxy for a server, "" for none, and whether the kubeconfig names it."""
    configured = cluster.text("proxy-url")
    if not configured:
        return proxy_for(server, environ), False
    try:
        return checked_proxy(configured, "proxy-url of the cluster"), True
    except InputError as error:
        raise cluster.refuse(error.what, error.todo) from None


def checked_proxy(proxy: str, where: str) -> str:
    """Returns a proxy that can be used. Raises InputError, without the password in it; ``where`` says where it is."""
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable, parts = False, urlsplit("")
    keep_secret(parts.password or "", unquote(parts.password or ""))
    if not usable:
        shown = printable(proxy.rpartition("@")[2])
        raise InputError(f"{where} is not a valid address: {shown}.", "Correct the address of the proxy.")
    if parts.scheme not in ("http", "https", *SOCKS):
        raise InputError(
            f"{where} is neither an http, an https, nor a socks5 proxy.", "Use a proxy of one of these kinds."
        )
    return proxy


def _read_user(
    user: _Entry, cluster: _Entry, server: str, ca: bytes | None
) -> tuple[Identity, tuple[tuple[str, str], ...]]:
    certificate, key = user.data("client-certificate"), user.data("client-key")
    token = user.header("token") or _read_provider_token(user)
    keep_secret(token, user.text("password"))
    if (certificate is None) != (key is None):
        raise user.refuse("This user has a client certificate or a key, but not both.")
    identity = Identity(
        certificate=(certificate, key) if certificate is not None and key is not None else None,
        token_file=user.path("tokenFile"),
        token=token,
        username=user.text("username"),
        password=user.text("password"),
        # kubectl runs no plugin for a user who has a certificate.
        exec=_read_exec(user, cluster, server, ca) if certificate is None else None,
    )
    return identity, _read_impersonation(user)


def _read_provider_token(user: _Entry) -> str:
    """Returns the id-token of ``auth-provider: oidc``, which kubectl still uses; "" without a provider.

    An expired one is not refreshed: kubectl does that, and writes the new token into the kubeconfig.
    """
    provider = user.value.get("auth-provider")
    if not provider:
        return ""
    entry = user.part(provider) if isinstance(provider, dict) else user.part({})
    if entry.text("name") != "oidc":
        raise user.refuse(
            f"This user logs in with the auth-provider {printable(entry.text('name'))!r}, which Kubernetes removed "
            "in 1.26.",
            "Replace it with an exec plugin (gke-gcloud-auth-plugin, kubelogin), as kubectl requires too.",
        )
    content = provider.get("config")
    token = user.part(content if isinstance(content, dict) else {}).header("id-token")
    keep_secret(token)
    expires = _expiry_of(token)
    if user.text("tokenFile") or user.text("username"):
        return ""
    if expires is None or expires < time.time() + TOKEN_MARGIN_SECONDS:
        state = "has no usable id-token" if expires is None else "has an id-token that has expired"
        raise user.refuse(
            f"The auth-provider oidc of this user {state}.",
            "Run kubectl get namespaces, which refreshes it, or log in with the exec plugin kubelogin "
            "(kubectl oidc-login).",
        )
    return token


def _expiry_of(token: str) -> float | None:
    """Returns when a JSON Web Token expires, as a Unix time; None if it cannot be read."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, (int, float)) and abs(expires) < 1e12 else None


def _read_exec(user: _Entry, cluster: _Entry, server: str, ca: bytes | None) -> ExecConfig | None:
    stanza = user.value.get("exec")
    if stanza is None:
        return None
    if not isinstance(stanza, dict) or not stanza.get("command"):
        raise user.refuse("The exec entry of this user has no command.")
    entry = user.part(stanza)
    if entry.text("apiVersion") not in EXEC_API_VERSIONS:
        raise user.refuse(
            f"The exec entry of this user has the apiVersion {printable(entry.text('apiVersion'))!r}.",
            "It must be client.authentication.k8s.io/v1 or v1beta1. Update the plugin's kubeconfig.",
        )
    mode = entry.text("interactiveMode") or "IfAvailable"
    if mode not in ("Never", "IfAvailable", "Always"):
        raise user.refuse("interactiveMode must be Never, IfAvailable, or Always.")
    args, env = stanza.get("args") or [], stanza.get("env") or []
    if not isinstance(args, list) or not isinstance(env, list) or not all(isinstance(one, dict) for one in env):
        raise user.refuse("args and env of exec must be lists.")
    command = entry.text("command")
    if "/" in command:
        command = str(user.file.parent.absolute() / command)
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
            # A request without impersonation would act with the user's own, wider permissions.
            raise user.refuse(
                "This user impersonates groups, a UID, or extras without a user (as). Kubernetes does not allow that."
            )
        return ()
    headers = [("Impersonate-User", user.header("as"))]
    if user.text("as-uid"):
        headers.append(("Impersonate-Uid", user.header("as-uid")))
    headers += [("Impersonate-Group", group) for group in groups]
    extras = user.part(extra)
    headers += [(f"Impersonate-Extra-{_header_name(key)}", value) for key in extra for value in extras.texts(key)]
    return tuple(headers)


def _header_name(key: str) -> str:
    """Returns a key for a header's name, as in client-go: % and characters that are not allowed are escaped."""
    return quote(key, safe="!#$&'*+-.^_`|~")


def _read_in_cluster(
    kubeconfig: str | None, context: str | None, config: _Config, environ: Mapping[str, str]
) -> Access:
    if config.files and kubeconfig:
        raise InputError(
            "The kubeconfig has neither clusters nor contexts.",
            "Check that this is the right file.",
            file=config.files[0],
        )
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    token_file = SERVICE_ACCOUNT / "token"
    in_pod = bool(host and port and token_file.exists())
    if context or not host or not port or not in_pod:
        looked = [f"{file} ({'empty' if file in config.files else 'missing'})" for file in _files(None, environ)[0]]
        if not looked:
            looked = ["no file"]
        source = "from KUBECONFIG" if environ.get("KUBECONFIG") else "KUBECONFIG is not set"
        wanted = f", so the context {printable(context)!r} does not exist" if context else ""
        what = f"No kubeconfig was found{wanted}. Looked for: {', '.join(looked)} ({source})."
        if in_pod:
            raise ClusterError(
                f"{what} The service account of this pod has no contexts.",
                "Omit --context to use the service account, or pass a file with --kubeconfig.",
            )
        raise ClusterError(
            what,
            "Pass a file with --kubeconfig, or log in to a cluster. "
            "To try the wizard without a cluster, use --sandbox.",
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
    """Returns the proxy from the environment for a server, "" for none, by the rules of Go (and so of kubectl).

    Python's own reading of NO_PROXY does not know networks (``10.0.0.0/8``), which are common on bastion hosts.
    Raises InputError for a proxy that cannot be used.
    """
    parts = urlsplit(server)
    host = (parts.hostname or "").lower()
    name = f"{parts.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or _is_exempt(host, parts.port or (443 if parts.scheme == "https" else 80), environ):
        return ""
    return checked_proxy(proxy if "://" in proxy else f"http://{proxy}", f"The proxy in {name.upper()}")


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
            # ".example.org" matches only names below it.
            if not pattern.startswith("."):
                return True
        elif address is None and host.endswith(pattern if pattern.startswith(".") else f".{pattern}"):
            return True
    return False
