"""A ClusterRole with exactly the permissions that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import yaml

from wizard.facts.cluster import Right

ROLE_NAME = "podman-wizard"


def role_of(rights: Iterable[Right], user: str) -> str:
    """Returns a ClusterRole with exactly these permissions, and its binding to the user, as YAML."""
    ordered = sorted(rights, key=lambda right: (right.group, _resource(right), right.verb))
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted({right.verb for right in same})}
        for (group, resource), same in groupby(ordered, key=lambda right: (right.group, _resource(right)))
    ]
    api = "rbac.authorization.k8s.io"
    documents: list[dict[str, Any]] = [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": ROLE_NAME}, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ROLE_NAME},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": ROLE_NAME},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user or "REPLACE-ME"}],
        },
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _resource(right: Right) -> str:
    return f"{right.resource}/{right.subresource}" if right.subresource else right.resource
