"""The user's choices; the answers file (wizard.answers_file) stores them for an unattended run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from wizard.names import PROBE_NAMESPACE


@dataclass(frozen=True)
class ClusterChoice:
    """Which cluster; None: the one that kubectl would use."""

    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class SecurityModulesChoice:
    """Whether the security-module warnings are acknowledged, and whether probe pods can run."""

    acknowledged: bool = False
    probe: bool = False


@dataclass(frozen=True)
class ManifestChoice:
    """What is chosen about the manifest.

    ``set`` turns an adjustment on, with its value; ``without`` turns it off. What is not named stays as it is in the
    cluster, or as the cluster needs it. A ``preset`` that is given resets what is not named. Without ``apply`` the
    manifest is left out.
    """

    preset: Literal["recommended", "guide"] | None = None
    set: Mapping[str, str | int | bool] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    apply: bool = True


Decision = Literal["take", "leave", "skip"]
"""What to do about a conflict: take over the field, leave it as it is, or skip the whole object."""


@dataclass(frozen=True)
class OwnershipChoice:
    """The decisions about fields that other field managers own.

    ``decided`` has a decision for an object, by its kind (``DaemonSet``), or for one field of it
    (``DaemonSet .spec.template.spec.nodeSelector``, the path as in the server's conflicts). A field's decision has
    priority over its object's, and an object's over ``default``. A skipped object is not applied at all.
    """

    default: Literal["fail", "take", "leave"] = "fail"
    decided: Mapping[str, Decision] = field(default_factory=dict)

    def of(self, kind: str, path: str) -> Literal["fail", "take", "leave", "skip"]:
        """Returns the decision about a field; "fail" if there is none."""
        if self.skips(kind):
            return "skip"
        return self.decided.get(f"{kind} {path}") or self.decided.get(kind) or self.default

    def skips(self, kind: str) -> bool:
        """Returns whether the object of this kind is skipped."""
        return self.decided.get(kind) == "skip"


UNDECIDED = OwnershipChoice()
"""No decisions about conflicts."""


@dataclass(frozen=True)
class NodesChoice:
    """Which nodes: all that qualify, or some by name, or by label selector."""

    all: bool = True
    names: tuple[str, ...] = ()
    selector: str | None = None
    label: bool = True
    """Whether they get the label."""


@dataclass(frozen=True)
class RolloutChoice:
    """How long to wait for the rollout, in seconds."""

    timeout: int = 300


@dataclass(frozen=True)
class PolicyChoice:
    """The template policy to merge into (default: the guide's), and the file for the result."""

    file: str | None = None
    output: str | None = None
    on_conflict: Literal["keep", "replace", "fail"] | None = None
    """None keeps a different number of devices, and fails for 0 devices and for misspelled names."""
    mode: Literal["write", "read", "append"] | None = None
    devices: int = 1


@dataclass(frozen=True)
class TemplateChoice:
    """The Terraform template of Coder v2 to merge into, the file for the result, and the template to push it to.

    ``file`` is a file or a folder; without it, the active version of ``push`` is merged into. Without ``output``, the
    merged file replaces its original, with a backup.
    """

    file: str | None = None
    output: str | None = None
    push: str | None = None
    org: str | None = None
    resource: str = ""
    container: str = ""
    with_: tuple[str, ...] = ()
    """Parts that are added whatever the cluster's findings are."""
    without: tuple[str, ...] = ()
    on_conflict: Literal["keep", "replace", "both", "fail"] = "fail"


@dataclass(frozen=True)
class CoderChoice:
    """The Coder deployment, and what the wizard does there."""

    url: str | None = None
    enable_templates: bool = False
    upload: bool = False
    on_impact: Literal["fail", "warn"] = "fail"
    """Whether a policy with which workspaces cannot be rebuilt is uploaded all the same."""
    allow_http: bool = False
    """Whether a template is pushed although the session token is sent unencrypted."""


@dataclass(frozen=True)
class VerifyChoice:
    """The Podman test: whether it runs, with which image, in which namespace, and with which service account."""

    run: bool = False
    image: str = "quay.io/podman/stable:v5.3"
    namespace: str = "default"
    service_account: str = "default"


@dataclass(frozen=True)
class Answers:
    """All choices. A choice that is not made has its default."""

    cluster: ClusterChoice = ClusterChoice()
    security_modules: SecurityModulesChoice = SecurityModulesChoice()
    manifest: ManifestChoice = ManifestChoice()
    ownership: OwnershipChoice = UNDECIDED
    nodes: NodesChoice = NodesChoice()
    rollout: RolloutChoice = RolloutChoice()
    allow_disruption: bool = False
    """Whether nodes that offer FUSE may lose it, and running pods on full nodes their place."""
    policy: PolicyChoice | None = None
    """None: no policy is written."""
    template: TemplateChoice | None = None
    """None: no Terraform template is written or pushed."""
    coder: CoderChoice = CoderChoice()
    verify: VerifyChoice = VerifyChoice()

    @property
    def policy_or_default(self) -> PolicyChoice:
        """What is chosen about the policy; the defaults if nothing is, for those who offer to write one."""
        return self.policy or PolicyChoice()

    def without_nodes(self, names: Collection[str]) -> Answers:
        """Returns the choices without these nodes, which were selected by name."""
        if not names:
            return self
        left = tuple(name for name in self.nodes.names if name not in names)
        # Without a name left, none is selected: not all.
        return replace(self, nodes=replace(self.nodes, all=False, names=left))

    def pods_in(self) -> tuple[str, ...]:
        """Returns the namespaces in which the plan runs probe pods and test pods."""
        probe = (PROBE_NAMESPACE,) if self.security_modules.probe else ()
        return (*probe, *((self.verify.namespace,) if self.verify.run else ()))
