"""The kinds that the sandbox serves, as discovery describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wizard.sandbox.refusals import Resource
from wizard.sandbox.schema import Struct, types

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A subresource of a kind, such as ``status`` or ``log``."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of object."""

    name: str
    """``DaemonSet``."""
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage_hash: str = ""
    subresources: tuple[Subresource, ...] = ()
    zero: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    """What a new object of this kind contains before any write; field ownership ignores these fields."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> Resource:
        return Resource(self.plural, self.group, self.name)

    @property
    def go_type(self) -> str:
        """``*apps.DaemonSet``, as in some messages of the server."""
        return f"*{self.group or 'core'}.{self.name}"

    @property
    def schema(self) -> Struct:
        return types()[self.name]


NAMESPACE = Kind(
    "Namespace",
    "namespaces",
    namespaced=False,
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    short_names=("ns",),
    storage_hash="Q3oi5N2YM8M=",
    subresources=(
        Subresource("finalize", "Namespace", ("update",)),
        Subresource("status", "Namespace", STATUS_VERBS),
    ),
    zero={"metadata": {}, "spec": {}, "status": {}},
)
NODE = Kind(
    "Node",
    "nodes",
    namespaced=False,
    short_names=("no",),
    storage_hash="XwShjMxG9Fs=",
    subresources=(
        Subresource("proxy", "NodeProxyOptions", ("create", "delete", "get", "patch", "update")),
        Subresource("status", "Node", STATUS_VERBS),
    ),
    zero={"metadata": {}, "spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {}}},
)
CONFIG_MAP = Kind("ConfigMap", "configmaps", short_names=("cm",), storage_hash="qFsyl6wFWjQ=", zero={"metadata": {}})
SECRET = Kind("Secret", "secrets", storage_hash="S6u1pOWzb84=", zero={"metadata": {}})
SERVICE_ACCOUNT = Kind(
    "ServiceAccount",
    "serviceaccounts",
    short_names=("sa",),
    storage_hash="pbx9ZvyFpBE=",
    subresources=(Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),),
    zero={"metadata": {}},
)
RESOURCE_QUOTA = Kind(
    "ResourceQuota",
    "resourcequotas",
    short_names=("quota",),
    storage_hash="8uhSgffRX6w=",
    subresources=(Subresource("status", "ResourceQuota", STATUS_VERBS),),
    zero={"metadata": {}, "spec": {}, "status": {}},
)
EVENT = Kind(
    "Event",
    "events",
    short_names=("ev",),
    storage_hash="r2yiGXH7wu8=",
    zero={"metadata": {}, "involvedObject": {}, "source": {}, "reportingComponent": "", "reportingInstance": ""},
)
POD = Kind(
    "Pod",
    "pods",
    short_names=("po",),
    categories=("all",),
    storage_hash="xPOwRZ+Yhw8=",
    subresources=(
        Subresource("attach", "PodAttachOptions", ("create", "get")),
        Subresource("binding", "Binding", ("create",)),
        Subresource("ephemeralcontainers", "Pod", STATUS_VERBS),
        Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
        Subresource("exec", "PodExecOptions", ("create", "get")),
        Subresource("log", "Pod", ("get",)),
        Subresource("portforward", "PodPortForwardOptions", ("create", "get")),
        Subresource("proxy", "PodProxyOptions", ("create", "delete", "get", "patch", "update")),
        Subresource("resize", "Pod", STATUS_VERBS),
        Subresource("status", "Pod", STATUS_VERBS),
    ),
    zero={"metadata": {}, "spec": {"containers": None}, "status": {}},
)
DAEMON_SET = Kind(
    "DaemonSet",
    "daemonsets",
    group="apps",
    short_names=("ds",),
    categories=("all",),
    storage_hash="dd7pWHUlMKQ=",
    subresources=(Subresource("status", "DaemonSet", STATUS_VERBS),),
    zero={
        "metadata": {},
        "spec": {"selector": None, "template": {"metadata": {}, "spec": {"containers": None}}, "updateStrategy": {}},
        "status": {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    },
)

KINDS = (CONFIG_MAP, EVENT, NAMESPACE, NODE, POD, RESOURCE_QUOTA, SECRET, SERVICE_ACCOUNT, DAEMON_SET)
BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
BY_NAME = {kind.name: kind for kind in KINDS}

REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}
"""Kinds that can be created but are only answered, never stored."""

GROUPS = ("apps", "authentication.k8s.io", "authorization.k8s.io")


def group_list() -> dict[str, Any]:
    """The answer of ``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS]}


def group(name: str) -> dict[str, Any]:
    """The answer of ``/apis/<group>``."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def resource_list(group_name: str) -> dict[str, Any]:
    """The answer of ``/api/v1`` and ``/apis/<group>/v1``."""
    resources: list[dict[str, Any]] = []
    for kind in KINDS:
        if kind.group != group_name:
            continue
        described = {
            "name": kind.plural,
            "singularName": kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": list(kind.verbs),
            "shortNames": list(kind.short_names),
            "categories": list(kind.categories),
            "storageVersionHash": kind.storage_hash,
        }
        resources.append({name: value for name, value in described.items() if value != []})
        for sub in kind.subresources:
            elsewhere = {"group": sub.group, "version": sub.version} if sub.group else {}
            resources.append(
                {
                    "name": f"{kind.plural}/{sub.name}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    **elsewhere,
                    "kind": sub.kind,
                    "verbs": list(sub.verbs),
                }
            )
    for (review_group, plural), name in REVIEWS.items():
        if review_group == group_name:
            resources.append(
                {"name": plural, "singularName": name.lower(), "namespaced": False, "kind": name, "verbs": ["create"]}
            )
    version = {"apiVersion": "v1"} if group_name else {}  # only the core list comes without it
    where = f"{group_name}/v1" if group_name else "v1"
    return {"kind": "APIResourceList", **version, "groupVersion": where, "resources": resources}
