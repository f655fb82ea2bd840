"""The API paths of the kinds that the wizard reads and changes, and queries for lists of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_KINDS: Mapping[str, tuple[str, str, bool]] = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Node": ("/api/v1", "nodes", False),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Pod": ("/api/v1", "pods", True),
    "Event": ("/api/v1", "events", True),
    "DaemonSet": ("/apis/apps/v1", "daemonsets", True),
}


def path_of(kind: str, name: str = "", namespace: str = "") -> str:
    """Returns the API path of an object, or of a list if there is no name; without a namespace, of all namespaces."""
    prefix, plural, namespaced = _KINDS[kind]
    place = f"/namespaces/{namespace}" if namespaced and namespace else ""
    return f"{prefix}{place}/{plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which objects of a kind: of one namespace or of all; ``labels`` and ``fields`` are selectors."""

    kind: str
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    @property
    def path(self) -> str:
        """The API path of the list."""
        return path_of(self.kind, namespace=self.namespace)

    @property
    def selectors(self) -> dict[str, str]:
        """The selectors as the parameters of a request."""
        both = (("labelSelector", self.labels), ("fieldSelector", self.fields))
        return {key: value for key, value in both if value}
