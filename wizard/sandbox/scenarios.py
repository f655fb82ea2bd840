"""The scenarios of the sandbox, as data in ``assets/scenarios``.

A scenario is one YAML file; ``systems.yaml`` has the properties of nodes with the same operating system.
A node group has ``system``, ``name`` (with ``{n}``, counted from 1, optionally formatted), ``count``, ``labels``,
``taints``, ``kubelet``, ``arch``, ``pool``, and its failures: ``no-fuse``, ``unpullable``,
``plugin-memory`` (MiB that the device plugin needs), ``verify`` (an outcome of the Podman test, see podman.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from wizard.errors import UsageError
from wizard.resources import asset

SYSTEMS = "systems.yaml"
"""The only file there that is not a scenario."""


@dataclass(frozen=True)
class NodeGroup:
    """Nodes with the same properties."""

    system: str
    name: str
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    kubelet: str = "v1.36.2"
    arch: str = "amd64"
    zones: tuple[str, ...] = ()
    instance_type: str = ""
    provider: str = ""
    """``spec.providerID`` before the node's own name."""
    cpu: str = "4"
    memory: str = "16Gi"
    pods: str = "110"
    unschedulable: bool = False
    ready: bool = True
    no_fuse: bool = False
    unpullable: bool = False
    """No image can be pulled there."""
    plugin_memory: int = 9
    """MiB that the device plugin needs to start."""
    log_error: str = ""
    """Why logs cannot be read: the API server's message after the kubelet's URL; ``{node}`` is the node's name."""
    verify: str = ""
    """The outcome of the Podman test, if it does not follow from the operating system."""


@dataclass(frozen=True)
class Faults:
    """How often requests fail, as shares of all requests; the seed and the request alone decide which."""

    too_many_requests: float = 0.0
    internal_error: float = 0.0
    unavailable: float = 0.0
    reset: float = 0.0
    """The connection is lost before the request is carried out."""
    reset_after: float = 0.0
    """The connection is lost after the request is carried out: only the response is lost."""
    half_a_body: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 2.0


@dataclass(frozen=True)
class Scenario:
    """A simulated cluster."""

    name: str
    title: str
    description: str
    document: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @cached_property
    def version(self) -> str:
        return str(self.document.get("version", "v1.36.2"))

    @cached_property
    def node_groups(self) -> tuple[NodeGroup, ...]:
        return tuple(_node_group(entry) for entry in self.document.get("nodes", ()))

    @cached_property
    def users(self) -> Mapping[str, Mapping[str, Any]]:
        users: Mapping[str, Mapping[str, Any]] = self.document.get("users", {"admin": {"all": True}})
        return users

    @property
    def default_user(self) -> str:
        return next(iter(self.users))

    @property
    def pod_security(self) -> Mapping[str, str]:
        """The levels of namespaces that set none: ``enforce`` and ``warn``."""
        levels: Mapping[str, str] = self.document.get("pod-security", {})
        return levels

    @property
    def objects(self) -> tuple[Mapping[str, Any], ...]:
        """The objects that exist from the start: ``{manager, operation, object}``."""
        return tuple(self.document.get("objects", ()))

    @property
    def faults(self) -> Faults:
        return Faults(**{name.replace("-", "_"): value for name, value in self.document.get("faults", {}).items()})


def _node_group(entry: Mapping[str, Any]) -> NodeGroup:
    values = {name.replace("-", "_"): value for name, value in entry.items()}
    for name in ("taints", "zones"):
        if name in values:
            values[name] = tuple(values[name])
    return NodeGroup(**values)


class Scenarios(Mapping[str, Scenario]):
    """All scenarios by name; a name costs listing the folder, a scenario costs reading its file."""

    def __init__(self) -> None:
        self._read: dict[str, Scenario] = {}

    def _files(self) -> dict[str, Traversable]:
        folder = asset("scenarios").iterdir()
        found = {
            one.name.removesuffix(".yaml"): one for one in folder if one.name.endswith(".yaml") and one.name != SYSTEMS
        }
        return dict(sorted(found.items(), key=lambda pair: (pair[0] != "mixed", pair[0])))

    def __getitem__(self, name: str) -> Scenario:
        if name not in self._read:
            document = load(self._files()[name].read_text(encoding="utf-8"))
            self._read[name] = scenario(name, document)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files())

    def __len__(self) -> int:
        return len(self._files())


def scenario(name: str, document: Mapping[str, Any]) -> Scenario:
    """Returns the scenario of a document."""
    return Scenario(name, str(document.get("title", name)), str(document.get("description", "")).strip(), document)


def load(text: str) -> Any:
    """Parses YAML, with the fast parser if it is installed."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def systems() -> Mapping[str, Mapping[str, Any]]:
    """Returns the properties of each operating system, by its name in the node groups."""
    table: Mapping[str, Mapping[str, Any]] = load(asset("scenarios", SYSTEMS).read_text(encoding="utf-8"))
    return table


SCENARIOS = Scenarios()


def find(name: str) -> Scenario:
    """Returns a scenario. Raises UsageError with the existing names if it does not exist."""
    if name not in SCENARIOS:
        raise UsageError(f"There is no sandbox scenario {name!r}.", f"Choose one of: {', '.join(SCENARIOS)}.")
    return SCENARIOS[name]
