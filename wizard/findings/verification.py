"""The guide's test as steps, a test pod that runs Podman as a workspace does, and the causes of its failures."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from wizard.errors import UsageError
from wizard.finding import Remedy
from wizard.findings.needs_fuse import NeedsFuse
from wizard.findings.symptoms import (
    DEFAULT_NETWORK,
    LOG_SYMPTOMS,
    NETWORK_SYMPTOMS,
    NO_EGRESS,
    NODE_DECIDES,
    POD_SYMPTOMS,
    PULL,
    Symptom,
    excerpt,
    find,
)
from wizard.names import FUSE_RESOURCE
from wizard.resources import asset_text

PURPOSE_LABEL = "podman-wizard/purpose"
"""The label that finds the wizard's pods again after a lost connection."""

VERIFY_DEADLINE = 180
"""Seconds that a test can take, including the pull of the image; the kubelet then stops the pod."""


@dataclass(frozen=True, slots=True)
class TestStep:
    """One step of the guide's test, done by hand. ``command`` is what to run, "" for steps in the Coder UI."""

    __test__ = False

    id: str
    who: str
    text: str
    command: str = ""


def guide_test(image: str = "quay.io/podman/stable") -> tuple[TestStep, ...]:
    """Returns the steps of the guide's test, in order."""
    return (
        TestStep("fuse", "cluster admin", f"Check that the nodes advertise {FUSE_RESOURCE}.", devices_command("NODE")),
        TestStep("image", "Coder admin", f"In Coder, import the image {image}."),
        TestStep("workspace", "you", "Create a workspace with that image."),
        TestStep(
            "user",
            "you",
            "In the workspace's terminal, switch to the user podman. As root, Podman is not rootless.",
            "su - podman",
        ),
        TestStep("run", "you", "Run a container.", "podman run --rm quay.io/podman/hello"),
    )


def check_image(text: str) -> None:
    """Raises UsageError if it is not an image reference, before a kubelet has to find out."""
    from wizard.manifest import is_image

    if not is_image(text):
        raise UsageError(f"{text!r} is not an image reference.", "For example: quay.io/podman/stable:v5.3")


def check_namespace(text: str) -> None:
    """Raises UsageError if it cannot be the name of a namespace (a DNS label, RFC 1123)."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise UsageError(f"{text!r} cannot be the name of a namespace.", "For example: default")


def check_service_account(text: str) -> None:
    """Raises UsageError if it cannot be the name of a service account (a DNS subdomain, RFC 1123)."""
    label = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    if len(text) > 253 or not re.fullmatch(rf"{label}(\.{label})*", text):
        raise UsageError(f"{text!r} cannot be the name of a service account.", "For example: default")


def devices_command(node: str) -> str:
    """Returns the command that prints how many FUSE devices a node advertises."""
    escaped = FUSE_RESOURCE.replace(".", "\\.")
    return f"kubectl get node {node} -o jsonpath='{{.status.allocatable.{escaped}}}{{\"\\n\"}}'"


def short_pod(
    purpose: Literal["probe", "verify"],
    subject: str,
    node: str,
    image: str,
    namespace: str,
    script: str,
    *,
    deadline: int,
) -> dict[str, Any]:
    """Returns a pod that runs a script once on a node as a workspace does: as UID 1000, unprivileged.

    ``subject`` (a node type, a node) makes the name, so that the same test has the same pod. The node is set by
    name, so that neither taints nor a full scheduler delay the result.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()[:8]
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:30].strip("-")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"podman-wizard-{purpose}-{slug}-{digest}",
            "namespace": namespace,
            "labels": {PURPOSE_LABEL: purpose, "app.kubernetes.io/managed-by": "podman-wizard"},
            "annotations": {"podman-wizard/subject": subject},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
            "containers": [
                {
                    "name": "podman",
                    "image": image,
                    "command": ["/bin/sh", "-c", script],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "500m", "memory": "256Mi"},  # some quotas require both
                    },
                }
            ],
        },
    }


_STORAGE = "/podman-wizard"
"""A volume of its own, so that the test depends on neither the home nor the storage folder of the image."""

NATIVE: Final = "native-overlay"
FUSE: Final = "fuse-overlayfs"
OWN: Final = "own-file-system"

CHECKS: Mapping[str, str] = {
    "user": "user",
    "podman": "programs",
    "user-namespace": "user namespace",
    "uid-map": "user mapping",
    NATIVE: "native overlay",
    "device": "/dev/fuse",
    FUSE: "fuse-overlayfs",
    OWN: "storage in the container",
    "network": "default network",
    "pull": "pull",
}
"""The checks of the test in order, with their titles."""

EXPLAINED = tuple(f"verify.{name}" for name in (FUSE, NATIVE, "needs-fuse", "uid-map"))
"""The ids of what ``explain`` says about the test."""

_SHARED = ("user", "podman", "user-namespace", "uid-map")
"""What both ways need."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What a template policy sets for workspaces: AppArmor's annotation and seccomp ("Unconfined", ...).

    A Terraform template describes the whole security contexts of the pod and its container (None: it is a policy).
    """

    apparmor: str = ""
    seccomp: str = ""
    seccomp_profile: str = ""
    pod: Mapping[str, Any] | None = None
    container: Mapping[str, Any] | None = None

    @classmethod
    def of_policy(cls, policy: Any) -> PodSettings:
        """Returns what the content of a template policy sets; anything else in it does not matter here."""
        for name in ("workspace", "specs", "kubernetes"):
            policy = policy.get(name) if isinstance(policy, Mapping) else None

        def value(name: str) -> Any:
            entry = policy.get(name) if isinstance(policy, Mapping) else None
            return entry.get("value") if isinstance(entry, Mapping) else None

        annotations = value("annotations")
        profiles = [
            str(one.get("value") or "")
            for one in (annotations if isinstance(annotations, list) else ())
            if isinstance(one, Mapping) and str(one.get("key")).startswith(_APPARMOR)
        ]
        seccomp, localhost = value("seccomp-profile-type"), value("seccomp-profile-localhost-profile")
        return cls(next(iter(profiles), ""), str(seccomp or ""), str(localhost or ""))


NO_SETTINGS = PodSettings()

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def verify_pod(
    node: str,
    image: str,
    namespace: str,
    *,
    service_account: str = "",
    fuse: bool = True,
    settings: PodSettings = NO_SETTINGS,
) -> dict[str, Any]:
    """Returns a test pod that runs Podman on a node as a Coder workspace does: UID 1000, one FUSE device.

    ``fuse`` is whether the node advertises FUSE; without it, only native overlay is tested. ``settings`` are
    what the template policy or the Terraform template sets for workspaces, which the test pod then has too. The pod
    prints ``name: ok``, ``name: failed``, or ``name: skipped`` for each check, and its output as ``name>: line``.
    """
    script = asset_text("verify", "podman.sh")
    pod = short_pod("verify", node, node, image, namespace, script, deadline=VERIFY_DEADLINE)
    spec = pod["spec"]
    container = spec["containers"][0]
    device = {FUSE_RESOURCE: "1"} if fuse else {}
    container["resources"] = {
        "requests": {"cpu": "100m", "memory": "128Mi", **device},
        "limits": {"cpu": "1", "memory": "512Mi", **device},
    }
    container["env"] = [{"name": "FUSE", "value": "yes" if fuse else "no"}]
    # Left to the image: newuidmap accepts only the user's own primary group.
    del spec["securityContext"]["runAsGroup"]
    # The container's own file system is an overlay, and overlays cannot be stacked: native overlay needs a volume.
    container["volumeMounts"] = [{"name": "storage", "mountPath": _STORAGE}]
    spec["volumes"] = [{"name": "storage", "emptyDir": {}}]
    if service_account:
        spec["serviceAccountName"] = service_account
    if settings.apparmor:
        pod["metadata"]["annotations"][f"{_APPARMOR}podman"] = settings.apparmor
    if settings.pod is not None:
        spec["securityContext"] = dict(settings.pod)
    if settings.container:
        container["securityContext"] = dict(settings.container)
    if settings.seccomp:
        profile = {"localhostProfile": settings.seccomp_profile} if settings.seccomp_profile else {}
        spec["securityContext"]["seccompProfile"] = {"type": settings.seccomp, **profile}
    return pod


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a test pod. ``ok`` is None if it was skipped. ``symptom`` is the row of a failed check."""

    id: str
    ok: bool | None
    detail: str = ""
    remedies: tuple[Remedy, ...] = ()
    excerpt: tuple[str, ...] = ()
    symptom: Symptom | None = None

    @property
    def title(self) -> str:
        """The name for people."""
        return CHECKS.get(self.id, self.id)

    @property
    def word(self) -> str:
        """The outcome as a word; what Podman does with its storage in the container is for information."""
        if self.id == OWN and self.ok is not None:
            return "info"
        return {True: "ok", False: "failed", None: "skipped"}[self.ok]

    def to_json(self) -> dict[str, Any]:
        """Returns the check as ``verify -o json`` prints it."""
        return {
            "id": self.id,
            "ok": self.ok,
            "detail": self.detail,
            "symptom": self.symptom.id if self.symptom else None,
            "excerpt": list(self.excerpt),
            "remedies": [remedy_json(remedy) for remedy in self.remedies],
        }


def remedy_json(remedy: Remedy) -> dict[str, str]:
    """Returns a fix as JSON."""
    return {"text": remedy.text, "command": remedy.command, "who": remedy.who, "touches": remedy.touches}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a test pod. ``excerpt`` has the lines that led to it.

    ``symptom`` is what happened, on one line; ``cause`` explains it; ``id`` is the row of the table of symptoms, or
    "ok", or "unclear" if no row matches. A network failure leaves ``ok`` true: Podman itself works. ``means`` is what
    follows from both ways for workspaces.
    """

    ok: bool
    id: str
    symptom: str
    cause: str = ""
    remedies: tuple[Remedy, ...] = ()
    excerpt: tuple[str, ...] = ()
    by_node: bool = False
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    needs_fuse: NeedsFuse = "unknown"
    means: str = ""

    @property
    def ways(self) -> str:
        """Both ways by name with their outcomes; "" if none was tested."""
        done = [check for check in self.checks if check.id in (FUSE, NATIVE) and check.ok is not None]
        done.sort(key=lambda check: check.id)
        return ", ".join(f"{check.title} {check.word}" for check in done)


def diagnose(log: str, reasons: str = "", *, fuse: bool = True) -> Diagnosis:
    """Returns the result of a test pod from its ``log`` and the cluster's ``reasons``.

    The reasons are those of the pod's status and events, or the server's rejection, one on each line, verbatim. The
    result is that of fuse-overlayfs if the node advertises FUSE (``fuse``), else that of native overlay.
    """
    facts = dict(re.findall(r"(?m)^facts>: ([a-z-]+)=(.*)$", log))
    checks = tuple(_check(name, result, log, facts) for name, result in _results(log).items())
    by_id = {check.id: check for check in checks}
    needs, means = _meaning(by_id)
    told = _verdict(by_id, facts, log, reasons, fuse=fuse)
    return replace(told, checks=checks, facts=facts, needs_fuse=needs, means=means)


def _results(log: str) -> dict[str, str]:
    found = dict(re.findall(r"(?m)^([a-z-]+): (ok|failed|skipped)$", log))
    return {name: found[name] for name in CHECKS if name in found}


def _check(name: str, result: str, log: str, facts: Mapping[str, str]) -> Check:
    lines = _said(name, log)
    if result == "skipped":
        return Check(name, None)
    if name == FUSE and any("fuse: failed" in line for line in lines):
        result = "failed"  # whatever the exit status says: the device was not used
    if result == "ok":
        return Check(name, True, _ok_detail(name, lines, facts), excerpt=excerpt(lines))
    row, telling = _row(name, lines, facts)
    if row is None:
        return Check(name, False, "The cause is not known.", _UNCLEAR, telling)
    if name == OWN:  # for information: no fix is needed
        return Check(name, False, f"Podman does not run there. {row.symptom}.", (), telling, row)
    return Check(name, False, f"{row.symptom}: {row.cause}" if row.cause else row.symptom, row.remedies, telling, row)


_UNCLEAR = (Remedy(NODE_DECIDES, who="you", touches="nothing"),)


def _row(name: str, lines: Sequence[str], facts: Mapping[str, str]) -> tuple[Symptom | None, tuple[str, ...]]:
    if name == "network":
        return find(NETWORK_SYMPTOMS, lines, facts) or (DEFAULT_NETWORK, excerpt(lines))
    if name == "pull":
        return find((NO_EGRESS,), lines, facts) or (PULL, excerpt(lines))
    return find(LOG_SYMPTOMS, lines, facts) or (None, excerpt(lines))


def _ok_detail(name: str, lines: Sequence[str], facts: Mapping[str, str]) -> str:
    used = next((line.rpartition(": ")[2] for line in lines if line.startswith("root file system")), "")
    if name == NATIVE:
        return f"A container ran on {used or 'overlay'}, with storage on a volume ({facts.get('volume', 'emptyDir')})."
    if name == FUSE:
        return f"A container ran on {used or 'fuse-overlayfs'}, with storage off the volume."
    if name == "device":
        return "/dev/fuse was opened for reading and writing."
    if name == OWN:
        return f"By itself, Podman used {used or 'overlay'} there."
    if name == "uid-map":
        return "A file of another user (UID 33) could be made."
    return excerpt(lines)[-1] if name == "podman" and lines else ""


def _said(check: str, log: str) -> list[str]:
    return [line.partition(">: ")[2] for line in log.splitlines() if line.startswith(f"{check}>: ")]


# --- the verdict -----------------------------------------------------------------------------------------------


def _verdict(checks: Mapping[str, Check], facts: Mapping[str, str], log: str, reasons: str, *, fuse: bool) -> Diagnosis:
    needed = (*_SHARED, "device", FUSE) if fuse else (*_SHARED, NATIVE)
    if all(name in checks and checks[name].ok for name in needed):
        return _works(checks, FUSE if fuse else NATIVE)
    failed = [checks[name] for name in needed if name in checks and checks[name].ok is False]
    # A check that ended counts more than what the cluster says about the pod's end.
    if not failed and (found := find(POD_SYMPTOMS, reasons.splitlines(), facts)):
        return _told(*found)
    if not failed:
        nothing = "The test was interrupted" if checks else "The pod printed no result"
        lines = excerpt((reasons or log).splitlines())
        return Diagnosis(False, "unclear", nothing, remedies=_UNCLEAR if checks else (), excerpt=lines)
    first = failed[0]
    if first.symptom is None:
        title = CHECKS[first.id]
        return Diagnosis(False, "unclear", f"Podman fails at: {title}", first.detail, _UNCLEAR, first.excerpt)
    return _told(first.symptom, first.excerpt)


def _told(row: Symptom, lines: tuple[str, ...]) -> Diagnosis:
    return Diagnosis(False, row.id, row.symptom, row.cause, row.remedies, lines, row.by_node)


def _works(checks: Mapping[str, Check], way: str) -> Diagnosis:
    rows = [check for name in ("network", "pull") if (check := checks.get(name)) and check.ok is False]
    if not rows:
        return Diagnosis(
            True, "ok", f"Rootless Podman ran a container with {CHECKS[way]}", excerpt=(checks[way].detail,)
        )
    symptoms = [check.symptom for check in rows if check.symptom]
    first, *others = symptoms
    return Diagnosis(
        True,
        first.id,
        f"Podman works, but {first.symptom}",
        " ".join([first.cause, *(f"{_capitalized(one.symptom)}: {one.cause}" for one in others)]),
        tuple(remedy for one in symptoms for remedy in one.remedies),
        tuple(line for check in rows for line in check.excerpt),
    )


def _capitalized(clause: str) -> str:
    return clause[:1].upper() + clause[1:]


def _meaning(checks: Mapping[str, Check]) -> tuple[NeedsFuse, str]:
    """Returns which workspaces need FUSE, as measured, and what else would do."""
    native, fuse, own = (checks.get(name) for name in (NATIVE, FUSE, OWN))
    if any((check := checks.get(name)) is None or not check.ok for name in _SHARED) or native is None:
        return "unknown", ""
    if native.ok:
        if own is not None and own.ok and any(line.endswith(": overlay") for line in own.excerpt):
            return "no", "No workspace here needs FUSE: native overlay works even in the container's own file system."
        return "own-file-system", (
            "Only workspaces that keep Podman's storage in the container's own file system need FUSE here. With the "
            "storage on a volume, such as a home volume (not NFS), Podman uses native overlay, without FUSE."
        )
    if fuse is not None and fuse.ok:
        return "yes", "Every workspace here needs FUSE: native overlay does not work, even on a volume."
    return "unknown", ""


_TOLD = (NATIVE, "device", FUSE, OWN)
"""The checks that are always told; the others only if they failed."""


def lines_of(checks: Iterable[Check]) -> list[str]:
    """Returns both ways and what failed as lines of text: the outcome, the title, and the detail."""
    lines, seen = [], set[str]()
    for check in checks:
        if check.id not in _TOLD and check.ok is not False:
            continue
        again = check.ok is False and check.detail in seen
        seen.add(check.detail)
        detail = "for the same reason" if again else check.detail
        lines.append(f"{check.word:8} {check.title}" + (f": {detail}" if detail else ""))
    return lines
