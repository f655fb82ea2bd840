"""What the server rejects as invalid, with the field and the words of the real one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from wizard.quantities import amount
from wizard.sandbox.refusals import (
    Cause,
    field_forbidden,
    field_invalid,
    field_not_found,
    field_required,
    field_unsupported,
)
from wizard.sandbox.selectors import matches_labels

Object = dict[str, Any]

_LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LABEL_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def problems(new: Object, old: Object | None) -> list[Cause]:
    """Returns all errors of an object with its defaults; ``old`` is the version that it replaces."""
    kind = new["kind"]
    found = list(_metadata(new))
    if kind == "Node" and old is not None:
        found *= 4  # the real server checks a node's metadata in four places and repeats each error
    if kind == "DaemonSet":
        found += _daemon_set(new.get("spec", {}), old.get("spec", {}) if old else None)
    elif kind == "Pod":
        found += _pod_spec(new.get("spec", {}), "spec")
        if old is not None and new.get("spec") != old.get("spec"):
            found += _pod_update(new["spec"], old["spec"])
    elif kind == "ResourceQuota":
        found += _quota(new.get("spec", {}))
    elif kind == "ConfigMap":
        found += _config_map(new)
    return found


def _metadata(obj: Object) -> Iterator[Cause]:
    metadata = obj.get("metadata", {})
    name = metadata.get("name", "")
    if not name:
        yield field_required("metadata.name", "name or generateName is required")
    elif obj["kind"] == "Namespace":
        if not re.fullmatch(_DNS_LABEL, name) or len(name) > 63:
            yield field_invalid(
                "metadata.name",
                _json(name),
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
                f"'{_DNS_LABEL}')",
            )
    elif obj["kind"] != "Event" and (not re.fullmatch(_SUBDOMAIN, name) or len(name) > 253):
        yield field_invalid(
            "metadata.name",
            _json(name),
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN}')",
        )
    yield from _labels(metadata.get("labels", {}), "metadata.labels")
    for key in metadata.get("annotations", {}):
        yield from _qualified_name(key.lower(), "metadata.annotations")


def _labels(labels: Object, path: str) -> Iterator[Cause]:
    for key, value in labels.items():
        yield from _label(key, value, path)


@lru_cache(maxsize=4096)
def _label(key: str, value: str, path: str) -> tuple[Cause, ...]:
    return (*_qualified_name(key, path), *_label_value(value, path))


def _label_value(value: str, path: str) -> Iterator[Cause]:
    if len(value) > 63:
        yield field_invalid(path, _json(value), "must be no more than 63 bytes")
    if not re.fullmatch(_LABEL_VALUE, value):
        yield field_invalid(
            path,
            _json(value),
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
            "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
            f"regex used for validation is '{_LABEL_VALUE}')",
        )


def _qualified_name(key: str, path: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if not slash:
        prefix = ""
    elif not re.fullmatch(_SUBDOMAIN, prefix):
        yield field_invalid(
            path,
            _json(key),
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
            "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
            f"validation is '{_SUBDOMAIN}')",
        )
    if len(name) > 63:
        yield field_invalid(path, _json(key), "name part must be no more than 63 bytes")
    if not re.fullmatch(_LABEL_NAME, name):
        yield field_invalid(
            path,
            _json(key),
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_LABEL_NAME}')",
        )


def _daemon_set(spec: Object, old: Object | None) -> Iterator[Cause]:
    selector = spec.get("selector")
    labels = spec["template"]["metadata"].get("labels", {})
    if old is not None and selector != old.get("selector"):
        yield field_invalid("spec.selector", _json(selector), "field is immutable")
    if selector is None:
        yield field_required("spec.selector")
    else:
        if not (selector.get("matchLabels") or selector.get("matchExpressions")):
            yield field_invalid("spec.selector", _json(selector), "empty selector is invalid for daemonset")
        if not matches_labels(selector, labels):
            yield field_invalid(
                "spec.template.metadata.labels", _json(labels), "`selector` does not match template `labels`"
            )
    yield from _labels(labels, "spec.template.labels")
    template = spec["template"]["spec"]
    yield from _pod_spec(template, "spec.template.spec")
    if template.get("restartPolicy") != "Always":
        yield field_unsupported("spec.template.spec.restartPolicy", _json(template["restartPolicy"]), ["Always"])
    strategy = spec["updateStrategy"]
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        yield field_unsupported("spec.updateStrategy.type", _json(strategy["type"]), ["RollingUpdate", "OnDelete"])
    rolling = strategy.get("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and not any(
        str(rolling.get(name)).rstrip("%") not in ("0", "None") for name in ("maxUnavailable", "maxSurge")
    ):
        yield field_required("spec.updateStrategy.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    volumes = {volume.get("name") for volume in spec.get("volumes", ())}
    if not spec.get("containers"):
        yield field_required(f"{path}.containers")
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group, ())):
            yield from _container(container, volumes, f"{path}.{group}[{index}]")
    for index, toleration in enumerate(spec.get("tolerations", ())):
        where = f"{path}.tolerations[{index}]"
        operator = toleration.get("operator", "Equal")
        if not toleration.get("key") and operator != "Exists":
            yield field_invalid(
                f"{where}.operator",
                _json(operator),
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        if operator == "Exists" and toleration.get("value"):
            yield field_invalid(
                f"{where}.operator", _json(toleration), "value must be empty when `operator` is 'Exists'"
            )
        if operator not in ("Equal", "Exists", "Lt", "Gt"):
            yield field_unsupported(f"{where}.operator", _json(operator), ["Equal", "Exists"])
        effect = toleration.get("effect")
        if effect and effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            yield field_unsupported(f"{where}.effect", _json(effect), ["NoExecute", "NoSchedule", "PreferNoSchedule"])
    policy = spec.get("restartPolicy", "Always")
    if policy not in ("Always", "OnFailure", "Never"):
        yield field_unsupported(f"{path}.restartPolicy", _json(policy), ["Always", "OnFailure", "Never"])
    yield from _labels(spec.get("nodeSelector", {}), f"{path}.nodeSelector")


def _container(container: Object, volumes: set[Any], path: str) -> Iterator[Cause]:
    if not container.get("name"):
        yield field_required(f"{path}.name")
    if not container.get("image"):
        yield field_required(f"{path}.image")
    for index, mount in enumerate(container.get("volumeMounts", ())):
        if mount.get("name") not in volumes:
            yield field_not_found(f"{path}.volumeMounts[{index}].name", _json(mount.get("name")))
    yield from _resources(container.get("resources", {}), f"{path}.resources")


def _resources(resources: Object, path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for name, request in requests.items():
        where = f"{path}.requests"
        if "/" in name and not name.startswith("hugepages-"):  # an extended resource cannot be overcommitted
            if name not in limits:
                yield field_required(f"{path}.limits", "Limit must be set for non overcommitable resources")
            elif amount(limits[name]) != amount(request):
                yield field_invalid(where, _json(request), f"must be equal to {name} limit of {limits[name]}")
        elif name in limits and amount(request) > amount(limits[name]):
            yield field_invalid(where, _json(request), f"must be less than or equal to {name} limit of {limits[name]}")
    for group, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            if amount(value) < 0:
                yield field_invalid(f"{path}.{group}[{name}]", _json(value), "must be greater than or equal to 0")
            elif "/" in name and amount(value) % 1:
                yield field_invalid(f"{path}.{group}[{name}]", _json(value), "must be an integer")


def _pod_update(new: Object, old: Object) -> Iterator[Cause]:
    # images, deadlines, and tolerations can change; the real message adds the difference of the two specs
    def fixed(spec: Object) -> Object:
        kept = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "containers")}
        kept["containers"] = [{k: v for k, v in one.items() if k != "image"} for one in spec["containers"]]
        return kept

    if fixed(new) != fixed(old):
        yield field_forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)",
        )


def _quota(spec: Object) -> Iterator[Cause]:
    for name, value in spec.get("hard", {}).items():
        if amount(value) < 0:
            yield field_invalid(f"spec.hard[{name}]", _json(value), "must be greater than or equal to 0")
        elif name in ("pods", "services", "configmaps", "secrets") and amount(value) % 1:
            yield field_invalid(f"spec.hard[{name}]", _json(value), "must be an integer")


def _config_map(obj: Object) -> Iterator[Cause]:
    for key in obj.get("data", {}):
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            yield field_invalid(
                f"data[{key}]",
                _json(key),
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            )
