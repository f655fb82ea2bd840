"""Coder v2: what a person's own Terraform template needs for rootless Podman, and where each part goes.

v2 has no template policy. What its documentation says was read in coder/coder (docs/admin/templates/
extending-templates/docker-in-workspaces.md) and coder/community-templates (kubernetes-podman/main.tf); nothing
here was applied to a live v2 deployment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Template as Text
from typing import Any

from wizard.errors import UsageError
from wizard.names import FUSE_RESOURCE
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
            "The plugin of the guide, which podman-wizard installs on labelled nodes.",
            "A node offers as many devices as nummaxdevices says: 50 in the guide, one a workspace.",
            "The guide's resource quota ends at 50 pods; podman-wizard's adjustment pod-quota raises it.",
        ),
    ),
    Plugin(
        "github.com/fuse",
        "fuse-device-plugin",
        (
            "The plugin of the manifest in v2's documentation; podman-wizard does not install it.",
            "A node offers 5 devices unless the plugin is given -mounts_allowed: at most 5 workspaces a node.",
            "It runs in kube-system on every node, without tolerations, priority or resources; "
            "its last change was in 2022.",
        ),
    ),
)
"""Sources of the limits: the plugins' own (smarter-device-manager; fuse-device-plugin, main.go)."""

DOCUMENTED = (
    "Nodes of AKS, EKS and GKE may lose labels that kubectl set; set them through the cloud provider.",
    "Where nodes have SELinux, it might have to be disabled or set to permissive.",
    "Bottlerocket has no user namespaces by default: set user.max_user_namespaces to 65536 in the nodes' user data.",
)
"""What v2's documentation asks for beside the template."""

CONTRADICTIONS = (
    "The text speaks of smarter-device-manager; the manifest below it installs fuse-device-plugin, "
    "which offers github.com/fuse.",
    "It tells to label nodes with smarter-device-manager=enabled; the manifest has no node selector, "
    "so the label does nothing for it.",
    "The template that it names requests github.com/fuse, and its comment credits smarter-device-manager.",
    "The manifest names the pull secret registry-secret, which usually does not exist.",
    "AppArmor is not mentioned in the text; the template switches it off for its container by an annotation.",
    "coder templates init with kubernetes-with-podman: the example moved to community-templates, so expect that "
    "to fail; coder templates push is today's command.",
)
"""Where v2's documentation and its examples do not agree with themselves."""


@dataclass(frozen=True)
class Part:
    """A piece of HCL, where in a usual main.tf it goes, and what to mind there."""

    id: str
    title: str
    place: str
    text: str
    mind: str = ""


def plugin_of(resource: str) -> Plugin:
    """The plugin that offers a resource. Raises UsageError for one that is not known."""
    for plugin in PLUGINS:
        if plugin.resource == resource:
            return plugin
    known = " and ".join(plugin.resource for plugin in PLUGINS)
    raise UsageError(f"{resource} is not a FUSE resource that is known here.", f"Known are {known}.")


def template_parts(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> tuple[Part, ...]:
    """The parts for one resource, in the order of a main.tf; each is indented as it stands there.

    ``container`` is the name of the workspace's container. Raises UsageError for an unknown resource, or a
    name that Kubernetes does not allow.
    """
    plugin_of(resource)
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", container):
        raise UsageError("That is not the name of a container.", f"For example: {CONTAINER}")
    places = (
        ("annotation", "AppArmor", "metadata { ... } of the pod", "Keep annotations that are there."),
        (
            "security-context",
            "User",
            "spec { ... } of the pod",
            "Take the place of one that is there.",
        ),
        ("resources", "FUSE device", "container { ... } of the pod", "Merge it with a resources block that is there."),
    )
    return tuple(Part(id, title, place, _hcl(id, resource, container), mind) for id, title, place, mind in places)


def _hcl(name: str, resource: str, container: str) -> str:
    return Text(asset_text("coder", f"{name}.tf")).substitute(resource=resource, container=container)


THE_POD = (
    'The pod is the resource "kubernetes_pod" of the template; in a "kubernetes_deployment" it is its template { ... }.'
)
"""Which block of a template the places mean."""


def outline(container: str = CONTAINER) -> str:
    """A usual main.tf with nothing in it but the places of the parts, by their numbers."""
    return _hcl("outline", "", container)


def template_text(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> str:
    """All parts as one commented file, to copy from: it is no template by itself."""
    plugin = plugin_of(resource)
    lines = [
        "# What a Terraform template of Coder v2 needs for rootless Podman, part by part.",
        "# This is not a template by itself: copy each part to its place in your main.tf,",
        "# then run terraform validate, and coder templates push.",
        "# Read in the documentation of Coder v2, never tried on a live deployment.",
        "#",
    ]
    for one in (plugin, *(other for other in PLUGINS if other is not plugin)):
        words = "is offered by" if one is plugin else "is what you would ask for instead, of"
        lines += [f"# {one.resource} {words} {one.name}:", *(f"#   {limit}" for limit in one.limits)]
    lines += ["#", "# Where each part goes in a usual main.tf:", "#"]
    lines += [f"#   {line}" for line in outline(container).splitlines()]
    lines += ["#", f"# {THE_POD}", ""]
    for number, part in enumerate(template_parts(resource, container), 1):
        lines += [f"# {number}. {part.title}", f"#    Goes into {part.place}. {part.mind}", part.text]
    lines += ["# The documentation of Coder v2 says besides:", *(f"#   {text}" for text in DOCUMENTED)]
    lines += ["# Where the documentation of Coder v2 contradicts itself:", *(f"#   {text}" for text in CONTRADICTIONS)]
    return "\n".join(lines) + "\n"


def template_json(resource: str = FUSE_RESOURCE, container: str = CONTAINER) -> dict[str, Any]:
    """The same as ``coder template -o json`` prints it."""
    plugin = plugin_of(resource)
    return {
        "resource": plugin.resource,
        "plugin": plugin.name,
        "limits": list(plugin.limits),
        "parts": [
            {"id": part.id, "title": part.title, "place": part.place, "mind": part.mind, "text": part.text}
            for part in template_parts(resource, container)
        ],
        "outline": outline(container),
        "documented": list(DOCUMENTED),
        "contradictions": list(CONTRADICTIONS),
        "text": template_text(resource, container),
    }
