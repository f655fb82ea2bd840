"""GitOps tools by the signs that they leave on objects: field managers, labels, and annotations."""

from __future__ import annotations

from collections.abc import Iterator

from wizard.facts.live import entries_of
from wizard.facts.objects import KubernetesObject

K3S_ADDON = "k3s"
"""What keeps an object that a file in the manifests folder of a k3s or RKE2 server describes."""

_GITOPS_MANAGERS = (
    ("argocd", "Argo CD"),
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
    ("flux", "Flux"),
    ("fleet", "Fleet"),
    ("configsync", "Config Sync"),
    ("kapp", "kapp"),
    ("deploy@", K3S_ADDON),
)
_GITOPS_MARKS = (
    ("argocd.argoproj.io/", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/", "Flux"),
    ("helm.toolkit.fluxcd.io/", "Flux"),
    ("objectset.rio.cattle.io/", "Fleet"),
    ("configsync.gke.io/", "Config Sync"),
    ("kapp.k14s.io/", "kapp"),
)


def gitops_tool(manager: str) -> str:
    """Returns the GitOps tool that a field manager belongs to, "" if it is not a known one."""
    return next((tool for mark, tool in _GITOPS_MANAGERS if manager.startswith(mark)), "")


def gitops_signs(item: KubernetesObject) -> Iterator[tuple[str, str]]:
    """Yields the GitOps tools that have left traces on an object, each with the trace."""
    for entry in entries_of(item):
        if tool := gitops_tool(str(entry.get("manager", ""))):
            yield tool, f"fields of manager {entry['manager']} ({entry.get('time', 'no time')})"
    # k3s and RKE2 apply the files of their manifests folder with the library that Fleet uses.
    annotations = item.get("metadata", {}).get("annotations") or {}
    addon = str(annotations.get("objectset.rio.cattle.io/owner-gvk") or "").startswith("k3s.cattle.io/")
    for place in ("labels", "annotations"):
        for key in item.get("metadata", {}).get(place) or {}:
            for mark, tool in _GITOPS_MARKS:
                if key.startswith(mark):
                    yield K3S_ADDON if addon and tool == "Fleet" else tool, f"{place[:-1]} {key}"


def keeper_of(item: KubernetesObject | None) -> str:
    """Returns the GitOps tool that keeps an object; "" if there are no signs of one."""
    return next((tool for tool, _ in gitops_signs(item)), "") if item is not None else ""
