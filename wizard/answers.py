"""The choices of a person; the answers file (wizard.answers_file) holds them for an unattended run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wizard.names import PROBE_NAMESPACE


@dataclass(frozen=True)
class ClusterChoice:
    """Which cluster; None: as kubectl would choose."""

    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class SecurityModulesChoice:
    """Whether the warnings about security modules are acknowledged, and a probe pod agreed to."""

    acknowledged: bool = False
    probe: bool = False


@dataclass(frozen=True)
class ManifestChoice:
    """The preset, and what departs from it: ``set`` switches an adjustment on, with its value, ``without`` off."""

    preset: Literal["recommended", "guide"] = "recommended"
    set: Mapping[str, str | int | bool] = field(default_factory=dict)
    without: tuple[str, ...] = ()


Decision = Literal["take", "leave", "skip"]
"""About what others own: it becomes ours, it stays theirs, or the whole object is not applied."""


@dataclass(frozen=True)
class OwnershipChoice:
    """What becomes of fields that other field managers own.

    ``decided`` is by what it is about: an object by its kind (``DaemonSet``), or one field of it
    (``DaemonSet .spec.template.spec.nodeSelector``, the path as the server's conflicts have it). A field's decision
    goes before its object's, an object's before ``default``. An object that is skipped is not applied at all.
    """

    default: Literal["fail", "take", "leave"] = "fail"
    decided: Mapping[str, Decision] = field(default_factory=dict)

    def of(self, kind: str, path: str) -> Literal["fail", "take", "leave", "skip"]:
        """What is decided about a field; "fail" where nothing is."""
        if self.skips(kind):
            return "skip"
        return self.decided.get(f"{kind} {path}") or self.decided.get(kind) or self.default

    def skips(self, kind: str) -> bool:
        """Whether the object of this kind is not to be applied."""
        return self.decided.get(kind) == "skip"


UNDECIDED = OwnershipChoice()
"""Nothing of what others own is decided."""


@dataclass(frozen=True)
class NodesChoice:
    """Which nodes: every one that qualifies, or some by name, or by label selector."""

    all: bool = True
    names: tuple[str, ...] = ()
    selector: str | None = None


@dataclass(frozen=True)
class RolloutChoice:
    """How long to wait for the rollout, in seconds."""

    timeout: int = 300


@dataclass(frozen=True)
class PolicyChoice:
    """The template policy to merge into (without: the guide's own), and where the result goes."""

    file: str | None = None
    output: str | None = None
    on_conflict: Literal["keep", "replace", "fail"] = "keep"
    mode: Literal["write", "read", "append"] | None = None
    devices: int = 1


@dataclass(frozen=True)
class CoderChoice:
    """The Coder deployment, and what the wizard may do there."""

    url: str | None = None
    enable_templates: bool = False
    upload: bool = False


@dataclass(frozen=True)
class VerifyChoice:
    """The check with real Podman: whether, and with which image in which namespace."""

    run: bool = False
    image: str = "quay.io/podman/stable:v5.3"
    namespace: str = "default"


@dataclass(frozen=True)
class Answers:
    """All choices. What is not said has its default."""

    cluster: ClusterChoice = ClusterChoice()
    security_modules: SecurityModulesChoice = SecurityModulesChoice()
    manifest: ManifestChoice = ManifestChoice()
    ownership: OwnershipChoice = UNDECIDED
    nodes: NodesChoice = NodesChoice()
    rollout: RolloutChoice = RolloutChoice()
    policy: PolicyChoice = PolicyChoice()
    coder: CoderChoice = CoderChoice()
    verify: VerifyChoice = VerifyChoice()

    def pods_in(self) -> tuple[str, ...]:
        """The namespaces where the plan runs short pods: those of the probe, and of the verification."""
        probe = (PROBE_NAMESPACE,) if self.security_modules.probe else ()
        return (*probe, *((self.verify.namespace,) if self.verify.run else ()))
