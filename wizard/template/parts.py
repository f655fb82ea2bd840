"""The parts of a template by themselves, for those who add them by hand: the HCL, and where it goes.

``template merge`` adds them to an existing template. The parts follow the documentation in coder/coder
(docs/admin/templates/extending-templates/docker-in-workspaces.md, after pull request 28100 of 2026-08-13) and
coder/community-templates (kubernetes-podman/main.tf, of 2023-09).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Template as Text
from typing import Any

from wizard.errors import UsageError
from wizard.names import FUSE_RESOURCE, OTHER_FUSE_RESOURCES
from wizard.resources import asset_text

CONTAINER = "dev"
"""The container's name in v2's own examples; the AppArmor annotation names it."""


@dataclass(frozen=True)
class Plugin:
    """A device plugin that offers /dev/fuse: the resource it offers, and the limits it has."""

    resource: str
    name: str
    limits: tuple[str, ...]


PLUGINS = (
    Plugin(
        FUSE_RESOURCE,
        "smarter-device-manager",
        (
            "This is the guide's device plugin, which podman-wizard installs on labeled nodes.",
            "A node advertises as many devices as nummaxdevices sets: 50 in the guide, one for each workspace.",
            "The guide's ResourceQuota allows 50 pods; podman-wizard's adjustment pod-quota raises it.",
        ),
    ),
    Plugin(
        OTHER_FUSE_RESOURCES[0],
        "fuse-device-plugin",
        (
            "This is the device plugin in v2's documentation; podman-wizard does not install it.",
            "A node advertises 5 devices, for 5 workspaces, unless -mounts_allowed sets another number.",
            "It runs in kube-system on every node, without tolerations, priority, or resources; "
            "it was last changed in 2022.",
        ),
    ),
)
"""Sources of the limits: the plugins' own (smarter-device-manager; fuse-device-plugin, main.go)."""

DOCUMENTED = (
    "Nodes of AKS, EKS, and GKE can lose labels that were set with kubectl; set them through the cloud provider.",
    "If nodes use SELinux, it may have to be disabled or set to permissive.",
    "Bottlerocket has no user namespaces by default: set user.max_user_namespaces to 65536 in the nodes' user data.",
)
"""What v2's documentation requires besides the template."""

CONTRADICTIONS = (
    "The text names smarter-device-manager, but the manifest below it installs fuse-device-plugin, "
    "which offers github.com/fuse.",
    "The text asks you to label nodes with smarter-device-manager=enabled, but the manifest has no node selector, "
    "so the label has no effect.",
    "The community template requests github.com/fuse, but its comment names smarter-device-manager.",
    "The manifest uses the pull secret registry-secret, which usually does not exist.",
    "The steps start from the starter template kubernetes, which sets run_as_non_root and has an image without "
    "Podman; the steps replace the image with codercom/example-podman:ubuntu.",
)
"""Contradictions between v2's documentation and its examples, as of 2026-08-13 (coder/coder pull request 28100)."""


@dataclass(frozen=True)
class Part:
    """A piece of HCL, where it goes in a typical main.tf, and what to take care of there."""

    id: str
    title: str
    place: str
    text: str
    mind: str = ""


def plugin_of(resource: str) -> Plugin:
    """Returns the device plugin that offers a resource. Raises UsageError for an unknown resource."""
    for plugin in PLUGINS:
        if plugin.resource == resource:
            return plugin
    known = " and ".join(plugin.resource for plugin in PLUGINS)
    raise UsageError(f"{resource} is not a known FUSE resource.", f"The known ones are {known}.")


def template_parts(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> tuple[Part, ...]:
    """Returns the parts for one resource, in the order of a main.tf and with its indentation.

    ``container`` is the name of the workspace's container. Raises UsageError for an unknown resource, or for a
    name that Kubernetes does not allow.
    """
    plugin_of(resource)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", container):
        raise UsageError(
            "This is not a valid container name.",
            f"Use lowercase letters, digits, and dashes; for example, {CONTAINER}.",
        )
    places = (
        ("annotation", "AppArmor", "metadata { ... } of the pod", "Add its item to existing annotations."),
        ("security-context", "User", "spec { ... } of the pod", "Keep an existing security_context instead."),
        ("resources", "FUSE device", "container { ... } of the pod", "Add its items to existing limits and requests."),
    )
    return tuple(Part(id, title, place, _hcl(id, resource, container), mind) for id, title, place, mind in places)


def optional_parts(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> tuple[Part, ...]:
    """Returns the parts that only some nodes need; ``podman-wizard check`` finds out which."""
    place = "security_context { ... } of the container"
    return (
        Part("seccomp", "seccomp", place, _hcl("seccomp", resource, container), "Only if a check finds seccomp."),
        Part("selinux", "SELinux", place, _hcl("selinux", resource, container), "Only if a check finds SELinux."),
    )


def _hcl(name: str, resource: str, container: str) -> str:
    return Text(asset_text("coder", f"{name}.tf")).substitute(resource=resource, container=container)


THE_POD = (
    'The pod is the resource "kubernetes_pod_v1" (before: "kubernetes_pod"); in a "kubernetes_deployment_v1", '
    "a stateful set, or a job, it is its template { ... }."
)
"""Which block of a template the places refer to."""


def outline(container: str = CONTAINER) -> str:
    """Returns a typical main.tf that contains only the places of the parts, by their numbers."""
    return _hcl("outline", "", container)


def template_text(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> str:
    """Returns all parts as one commented file to copy from; it is not a template by itself."""
    plugin = plugin_of(resource)
    lines = [
        "# What a Terraform template of Coder v2 needs for rootless Podman, part by part.",
        "# This is not a template by itself. podman-wizard template merge adds what is needed to an existing",
        "# main.tf and changes nothing else. By hand, copy each part to its place; a second block or argument of",
        "# the same name is rejected. Then run terraform validate and coder templates push.",
        "# This follows the documentation of Coder v2 (August 2026). It has not been tested on a live deployment.",
        "#",
    ]
    for one in (plugin, *(other for other in PLUGINS if other is not plugin)):
        words = "is offered by" if one is plugin else "is the alternative, offered by"
        lines += [f"# {one.resource} {words} {one.name}:", *(f"#   {limit}" for limit in one.limits)]
    lines += ["#", "# Where each part goes in a typical main.tf:", "#"]
    lines += [f"#   {line}" for line in outline(container).splitlines()]
    lines += ["#", f"# {THE_POD}", ""]
    for number, part in enumerate(template_parts(resource, container), 1):
        lines += [f"# {number}. {part.title}", f"#    Put this into {part.place}. {part.mind}", part.text]
    lines.append("# Parts that only some nodes need (podman-wizard check):")
    for part in optional_parts(resource, container):
        lines += [f"# {part.title}", f"#    Put this into {part.place}. {part.mind}", part.text]
    lines += ["# The documentation of Coder v2 also requires:", *(f"#   {text}" for text in DOCUMENTED)]
    lines += ["# Contradictions in the documentation of Coder v2:", *(f"#   {text}" for text in CONTRADICTIONS)]
    return "\n".join(lines) + "\n"


def template_json(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> dict[str, Any]:
    """Returns what ``template parts -o json`` prints."""
    plugin = plugin_of(resource)
    return {
        "resource": plugin.resource,
        "plugin": plugin.name,
        "limits": list(plugin.limits),
        "parts": [_part_json(part) for part in template_parts(resource, container)],
        "optional": [_part_json(part) for part in optional_parts(resource, container)],
        "outline": outline(container),
        "documented": list(DOCUMENTED),
        "contradictions": list(CONTRADICTIONS),
        "text": template_text(resource, container),
    }


def _part_json(part: Part) -> dict[str, str]:
    return {"id": part.id, "title": part.title, "place": part.place, "mind": part.mind, "text": part.text}
