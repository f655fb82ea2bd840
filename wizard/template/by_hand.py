"""What to add by hand where a merge cannot be certain, in the form that fits there."""

from __future__ import annotations

from typing import Literal

from wizard.names import FUSE_RESOURCE

Form = Literal["block", "hcl", "json"]

APPARMOR_KEY = "container.apparmor.security.beta.kubernetes.io/"
"""The beginning of the AppArmor annotation; the container's name follows."""


def manifest_lines(form: Form, resource: str = FUSE_RESOURCE) -> str:
    """Returns the FUSE device as blocks of a container, as an object of ``kubernetes_manifest``, or as JSON."""
    if form == "json":
        return f'  "resources": {{"limits": {{"{resource}": "1"}}}}'
    head = "resources {" if form == "block" else "resources = {"
    return f'  {head}\n    limits = {{\n      "{resource}" = "1"\n    }}\n  }}'


def yaml_lines(resource: str = FUSE_RESOURCE) -> str:
    """Returns the FUSE device as YAML of a container."""
    return f'  resources:\n    limits:\n      {resource}: "1"'


def item_line(resource: str = FUSE_RESOURCE, value: str = "1") -> str:
    """Returns the FUSE device as an item of a map."""
    return f'  "{resource}" = "{value}"'


def annotation_line(container: str) -> str:
    """Returns the AppArmor annotation as an item of a map."""
    return f'  "{APPARMOR_KEY}{container}" = "unconfined"'
