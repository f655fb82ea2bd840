"""The shapes of the API server's answers: what is read from each, with its type.

An answer is checked once, where it comes in. What nobody reads is not checked, so that a field of a newer server is no
fault; a null is as good as nothing, as in Go, and is taken out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from wizard.text.escaping import printable

DEEPEST = 100
"""How deeply an answer can be nested; objects of Kubernetes have some twenty levels."""

Shape = Callable[[Any], None]
"""Raises Odd if a value is of another shape."""


class Odd(ValueError):
    """A value of another shape: where it is, and what is wrong with it."""

    def __init__(self, why: str, where: str = "") -> None:
        super().__init__(f"{where} {why}" if where else f"it {why}")
        self.why = why
        self.where = where

    def under(self, key: str) -> Odd:
        """Returns the same fault, seen from the value that has this one under ``key``."""
        joint = "" if not self.where or self.where.startswith("[") else "."
        return Odd(self.why, f"{printable(key[:60])}{joint}{self.where}")


def decoded(body: bytes | str) -> Any:
    """Returns the content of a JSON text. Raises Odd."""
    try:
        return json.loads(body)
    except RecursionError:
        raise Odd("is nested too deeply") from None
    except ValueError:
        raise Odd("is not JSON") from None


def require_flat(value: Any, left: int = DEEPEST) -> None:
    """Raises Odd if a value is nested so deeply that nobody could go through it."""
    if not left:
        raise Odd("is nested too deeply")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(one, (dict, list)):
            require_flat(one, left - 1)


def text(value: Any) -> None:
    """Accepts text."""
    if type(value) is not str:
        raise Odd("is not text")


def name(value: Any) -> None:
    """Accepts text that is not empty."""
    text(value)
    if not value:
        raise Odd("is empty")


def anything(_: Any) -> None:
    """Accepts every value."""


def flag(value: Any) -> None:
    """Accepts true and false."""
    if type(value) is not bool:
        raise Odd("is neither true nor false")


def number(value: Any) -> None:
    """Accepts a whole number of 64 bits."""
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Odd("is not a whole number")


def quantity(value: Any) -> None:
    """Accepts a quantity: text, or a number."""
    if type(value) is not str:
        number(value)


def mapping(value: Any) -> None:
    """Accepts a mapping with any content."""
    if type(value) is not dict:
        raise Odd("is not a mapping")


def mapping_of(shape: Shape) -> Shape:
    """Returns a shape: a mapping with free keys."""

    def check(value: Any) -> None:
        mapping(value)
        for key in [key for key, one in value.items() if one is None]:
            del value[key]
        for key, one in value.items():
            try:
                shape(one)
            except Odd as odd:
                raise odd.under(key) from None

    return check


def texts(value: Any) -> None:
    """Accepts a mapping from text to text, such as labels."""
    mapping(value)
    for key, one in value.items():
        if type(one) is not str:
            if one is None:
                # Go reads a null as an empty text.
                value[key] = ""
                continue
            raise Odd("is not text", printable(key[:60]))


def list_of(shape: Shape) -> Shape:
    """Returns a shape: a list."""

    def check(value: Any) -> None:
        if type(value) is not list:
            raise Odd("is not a list")
        for position, one in enumerate(value):
            try:
                shape(one)
            except Odd as odd:
                raise odd.under(f"[{position}]") from None

    return check


def struct(needed: Mapping[str, Shape] | None = None, /, **fields: Shape) -> Shape:
    """Returns a shape: a mapping with these fields, of which the ``needed`` must be there."""
    every = tuple((needed or {}).items()) + tuple((key.rstrip("_"), shape) for key, shape in fields.items())
    required = frozenset(needed or ())

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Odd("is not a mapping")
        for key, shape in every:
            found = value.get(key)
            if found is None:
                if key in required:
                    raise Odd("is missing", key)
                value.pop(key, None)
                continue
            try:
                shape(found)
            except Odd as odd:
                raise odd.under(key) from None

    return check


def fields_v1(value: Any, left: int = DEEPEST) -> None:
    """Accepts a set of fields: mappings in mappings."""
    mapping(value)
    if not left:
        raise Odd("is nested too deeply")
    for key, one in value.items():
        if one is None:
            value[key] = {}
        elif one != {}:
            fields_v1(one, left - 1)


_ENTRY = struct(
    manager=text, operation=text, subresource=text, time=text, apiVersion=text, fieldsType=text, fieldsV1=fields_v1
)
_OWNER = struct(uid=text, kind=text, name=text, apiVersion=text, controller=flag)
_METADATA: Mapping[str, Shape] = {
    "namespace": text,
    "uid": text,
    "resourceVersion": text,
    "generation": number,
    "creationTimestamp": text,
    "deletionTimestamp": text,
    "labels": texts,
    "annotations": texts,
    "finalizers": list_of(text),
    "ownerReferences": list_of(_OWNER),
    "managedFields": list_of(_ENTRY),
}
metadata = struct({"name": name}, **_METADATA)
whole_metadata = struct({"name": name, "uid": name}, **{
    key: shape for key, shape in _METADATA.items() if key != "uid"
})  # fmt: skip
"""The metadata of an object that is not in a list: what is done to it later depends on its identity."""

_CONDITIONS = list_of(struct({"type": text}, status=text, reason=text, message=text, lastTransitionTime=text))
_TOLERATIONS = list_of(struct(key=text, operator=text, value=text, effect=text, tolerationSeconds=number))
_EXPRESSIONS = list_of(struct(key=text, operator=text, values=list_of(text)))
_NODE_AFFINITY = struct(
    requiredDuringSchedulingIgnoredDuringExecution=struct(
        nodeSelectorTerms=list_of(struct(matchFields=_EXPRESSIONS, matchExpressions=_EXPRESSIONS))
    )
)
_SECURITY_CONTEXT = struct(
    capabilities=struct(add=list_of(text), drop=list_of(text)),
    seccompProfile=mapping_of(text),
    appArmorProfile=mapping_of(text),
    seLinuxOptions=mapping_of(text),
    privileged=flag,
    allowPrivilegeEscalation=flag,
    runAsNonRoot=flag,
    runAsUser=number,
    runAsGroup=number,
    procMount=text,
)
_CONTAINER = struct(
    {"name": text},
    image=text,
    imagePullPolicy=text,
    command=list_of(text),
    args=list_of(text),
    env=list_of(struct({"name": text}, value=text, valueFrom=mapping)),
    resources=struct(limits=mapping_of(quantity), requests=mapping_of(quantity)),
    volumeMounts=list_of(struct({"name": text}, mountPath=text, subPath=text, readOnly=flag)),
    securityContext=_SECURITY_CONTEXT,
)
_POD_SPEC_FIELDS: Mapping[str, Shape] = {
    "initContainers": list_of(_CONTAINER),
    "nodeName": text,
    "nodeSelector": texts,
    "tolerations": _TOLERATIONS,
    "affinity": struct(nodeAffinity=_NODE_AFFINITY),
    "priorityClassName": text,
    "serviceAccountName": text,
    "hostname": text,
    "hostNetwork": flag,
    "imagePullSecrets": list_of(struct(name=text)),
    "volumes": list_of(struct({"name": text}, configMap=mapping, hostPath=mapping)),
    "securityContext": mapping,
}
_TEMPLATE_SPEC = struct({"containers": list_of(_CONTAINER)}, **_POD_SPEC_FIELDS)
_STATE = struct(
    waiting=struct(reason=text, message=text),
    running=mapping,
    terminated=struct(reason=text, message=text, exitCode=number),
)
_CONTAINER_STATUSES = list_of(struct(name=text, image=text, ready=flag, state=_STATE, lastState=_STATE))

_NODE = {
    "spec": struct(
        unschedulable=flag,
        providerID=text,
        taints=list_of(struct({"key": text, "effect": text}, value=text)),
    ),
    "status": struct(
        nodeInfo=struct(
            osImage=text,
            kernelVersion=text,
            containerRuntimeVersion=text,
            kubeletVersion=text,
            operatingSystem=text,
            architecture=text,
        ),
        conditions=_CONDITIONS,
        allocatable=mapping_of(quantity),
        capacity=mapping_of(quantity),
    ),
}
_POD = {
    "spec": struct(containers=list_of(_CONTAINER), **_POD_SPEC_FIELDS),
    "status": struct(
        phase=text,
        reason=text,
        message=text,
        conditions=_CONDITIONS,
        containerStatuses=_CONTAINER_STATUSES,
        initContainerStatuses=_CONTAINER_STATUSES,
    ),
}
_DAEMON_SET_SPEC = struct(
    {
        "template": struct(
            {"spec": _TEMPLATE_SPEC, "metadata": struct(labels=texts, annotations=texts, name=text)},
        )
    },
    selector=struct(matchLabels=texts, matchExpressions=_EXPRESSIONS),
    updateStrategy=struct(type=text, rollingUpdate=mapping),
    minReadySeconds=number,
    revisionHistoryLimit=number,
)
_COUNTS = struct(
    observedGeneration=number,
    currentNumberScheduled=number,
    desiredNumberScheduled=number,
    updatedNumberScheduled=number,
    numberReady=number,
)

_KINDS: Mapping[str, tuple[Mapping[str, Shape], Mapping[str, Shape]]] = {
    "Node": ({}, _NODE),
    "Pod": ({"spec": _POD["spec"]}, {"status": _POD["status"]}),
    "DaemonSet": ({"spec": _DAEMON_SET_SPEC}, {"status": _COUNTS}),
    "Namespace": ({}, {"spec": struct(finalizers=list_of(text)), "status": struct(phase=text)}),
    "ConfigMap": ({}, {"data": texts, "binaryData": texts, "immutable": flag}),
    "ResourceQuota": (
        {},
        {
            "spec": struct(
                hard=mapping_of(quantity),
                scopes=list_of(text),
                scopeSelector=struct(matchExpressions=list_of(
                    struct(scopeName=text, operator=text, values=list_of(text))
                )),
            ),
            "status": struct(hard=mapping_of(quantity), used=mapping_of(quantity)),
        },
    ),
    "Event": (
        {},
        {
            "involvedObject": struct(kind=text, name=text, namespace=text, uid=text),
            "series": struct(lastObservedTime=text, count=number),
            "lastTimestamp": text,
            "eventTime": text,
            "firstTimestamp": text,
            "reason": text,
            "message": text,
            "type": text,
        },
    ),
}  # fmt: skip

ITEMS: Mapping[str, Shape] = {
    kind: struct({"metadata": whole_metadata if kind == "DaemonSet" else metadata, **needed}, **fields)
    for kind, (needed, fields) in _KINDS.items()
}
"""The objects of a list, by kind: they have neither a kind nor an apiVersion."""


def _object_of(kind: str) -> Shape:
    needed, fields = _KINDS[kind]
    # Nodes are never deleted, and labels are patched by name.
    identified = metadata if kind == "Node" else whole_metadata
    content = struct({"metadata": identified, **needed}, kind=text, apiVersion=text, **fields)

    def check(value: Any) -> None:
        content(value)
        # Both are known from the request, and everyone reads them.
        if value.setdefault("kind", kind) != kind:
            raise Odd(f"is a {printable(value['kind'][:60])} and not a {kind}")
        value.setdefault("apiVersion", "apps/v1" if kind == "DaemonSet" else "v1")

    return check


OBJECTS: Mapping[str, Shape] = {kind: _object_of(kind) for kind in _KINDS}
"""An object by itself, by kind."""

METADATA_ITEM = struct({"metadata": metadata})
LIST_METADATA = struct(continue_=text, resourceVersion=text, remainingItemCount=number)
METADATA_LIST = struct(metadata=LIST_METADATA, items=list_of(METADATA_ITEM))

PODS_TABLE = struct(
    metadata=LIST_METADATA,
    columnDefinitions=list_of(struct({"name": text})),
    rows=list_of(struct({"cells": list_of(anything)})),
    items=list_of(struct(spec=struct(nodeName=text))),
)

VERSION = struct(gitVersion=text)
USER_REVIEW = struct(status=struct(userInfo=struct(username=text)))
ACCESS_REVIEW = struct(status=struct(allowed=flag, reason=text, evaluationError=text))
_VERSIONS: Mapping[str, Shape] = {
    "preferredVersion": struct(version=text),
    "versions": list_of(struct({"version": text})),
}
GROUP = struct(**_VERSIONS)
GROUPS = struct(groups=list_of(struct({"name": text}, **_VERSIONS)))
RESOURCES = struct(resources=list_of(struct({"name": text}, kind=text, namespaced=flag, verbs=list_of(text))))

_TEMPLATE = struct(metadata=struct(labels=texts), spec=struct(metadata=struct(labels=texts)))
CUSTOM_LIST = struct(
    metadata=LIST_METADATA,
    items=list_of(
        struct(
            metadata=metadata,
            spec=struct(template=_TEMPLATE, replicas=number, capacity=mapping_of(quantity)),
            status=struct(resources=mapping_of(quantity)),
        )
    ),
)
"""A list of Karpenter's NodePools and NodeOverlays, or of MachineSets."""

EVENT_OF_WATCH = struct({"type": text, "object": mapping})


def real(value: Any) -> None:
    """Accepts a finite number."""
    if type(value) not in (int, float) or not abs(value) < 1e15:
        raise Odd("is not a number")


def _each_object(value: Any) -> None:
    mapping(value)
    for kind, item in value.items():
        if kind not in OBJECTS:
            raise Odd("is not a kind of the guide", printable(kind[:60]))
        try:
            OBJECTS[kind](item)
        except Odd as odd:
            raise odd.under(kind) from None


_RIGHT = struct(
    {"verb": text, "resource": text},
    group=text,
    namespace=text,
    subresource=text,
    allowed=flag,
    reason=text,
    purpose=text,
)
_NODE_FACTS_TEXTS = dict.fromkeys(
    (
        *("os_image", "kernel", "container_runtime", "kubelet_version", "operating_system", "architecture"),
        *("ready_message", "provider_id", "created"),
    ),
    text,
)
FACTS = struct(
    {
        "read_at": text,
        "identity": struct(
            dict.fromkeys(("context", "server", "version", "distribution"), text), uid=text, user=text, sandbox=text
        ),
    },
    rights=list_of(_RIGHT),
    nodes=list_of(
        struct(
            {"name": name, "labels": texts},
            annotations=texts,
            taints=list_of(struct({"key": text, "value": text, "effect": text})),
            ready=flag,
            unschedulable=flag,
            allocatable=mapping_of(number),
            **_NODE_FACTS_TEXTS,
        )
    ),
    objects=_each_object,
    device_plugins=list_of(struct({"namespace": text, "name": text, "image": text})),
    plugin_pods=list_of(ITEMS["Pod"]),
    unread=list_of(struct(dict.fromkeys(("what", "verb", "resource", "message"), text))),
    clock_skew=real,
    warnings=list_of(text),
    pod_refusal=text,
    labelled_by_run=texts,
    full_nodes=list_of(
        struct(
            {"node": name, "excess": number},
            pods=list_of(struct({"namespace": text, "name": text, "priority": number})),
        )
    ),
    scaled_pools=list_of(
        struct(
            {"manager": text, "name": text, "nodes": number, "smallest": number},
            largest=number,
            labels=texts,
            knows_fuse=flag,
            as_of=text,
        )
    ),
)
"""A file of saved facts, which anyone can have edited."""
