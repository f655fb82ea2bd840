"""The defaults that the server sets."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

Object = dict[str, Any]

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _filled(given: Object, **defaults: Any) -> Object:
    return given | {name: value for name, value in defaults.items() if name not in given}


def with_defaults(obj: Object) -> Object:
    """Returns an object of any kind with its defaults."""
    match obj["kind"]:
        case "DaemonSet":
            spec = _daemon_set_spec(obj.get("spec", {}))
            return {**_with_metadata(obj, "annotations", TEMPLATE_GENERATION, "0"), "spec": spec}
        case "Namespace":
            return _with_metadata(obj, "labels", "kubernetes.io/metadata.name", obj["metadata"].get("name", ""))
        case "Pod":
            return {**obj, "spec": _pod_spec(obj.get("spec", {}), in_template=False)}
        case "Secret":
            return _secret(obj)
    return obj


def _with_metadata(obj: Object, group: str, name: str, value: str) -> Object:
    """Returns the object with a label or annotation. The manager that creates it owns this value, too."""
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, group: _filled(metadata.get(group) or {}, **{name: value})}}


def _secret(obj: Object) -> Object:
    written = {key: b64encode(text.encode()).decode() for key, text in obj.get("stringData", {}).items()}
    kept = {name: value for name, value in obj.items() if name != "stringData"}
    data = {**obj.get("data", {}), **written}
    return _filled(kept | ({"data": data} if data else {}), type="Opaque")


def _daemon_set_spec(spec: Object) -> Object:
    template = spec.get("template", {})
    template = {
        "metadata": template.get("metadata", {}),
        "spec": _pod_spec(template.get("spec", {}), in_template=True),
    }
    strategy = _filled(spec.get("updateStrategy", {}), type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = _filled(strategy.get("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)
        strategy = {**strategy, "rollingUpdate": rolling}
    return {
        **spec,
        "template": template,
        "updateStrategy": strategy,
        "revisionHistoryLimit": spec.get("revisionHistoryLimit", 10),
    }


def _pod_spec(spec: Object, *, in_template: bool) -> Object:
    host_network = bool(spec.get("hostNetwork"))
    filled = _filled(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for name in ("containers", "initContainers"):
        if name in spec:
            filled[name] = [_container(one, host_network=host_network, in_template=in_template) for one in spec[name]]
    if "volumes" in spec:
        filled["volumes"] = [_volume(one) for one in spec["volumes"]]
    if not in_template:
        filled = _filled(filled, enableServiceLinks=True)
    return filled


def _container(container: Object, *, host_network: bool, in_template: bool) -> Object:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    policy = "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"
    filled = _filled(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=policy,
    )
    if "ports" in container:
        filled["ports"] = [
            _filled(port, protocol="TCP", **({"hostPort": port["containerPort"]} if host_network else {}))
            for port in container["ports"]
        ]
    if "env" in container:
        filled["env"] = [_environment(one) for one in container["env"]]
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            probe = _filled(container[name], timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if "httpGet" in probe:
                probe = {**probe, "httpGet": _filled(probe["httpGet"], path="/", scheme="HTTP")}
            filled[name] = probe
    limits = filled["resources"].get("limits", {})
    if limits and not in_template:  # only a pod's own requests follow its limits
        requests = {**limits, **filled["resources"].get("requests", {})}
        filled["resources"] = {**filled["resources"], "requests": requests}
    return filled


def _environment(variable: Object) -> Object:
    source = variable.get("valueFrom", {})
    if "fieldRef" not in source:
        return variable
    return {**variable, "valueFrom": {**source, "fieldRef": _filled(source["fieldRef"], apiVersion="v1")}}


def _volume(volume: Object) -> Object:
    filled = dict(volume)
    if len(volume) == 1:
        filled["emptyDir"] = {}
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if name in volume:
            filled[name] = _filled(volume[name], defaultMode=420)
    if "hostPath" in volume:
        filled["hostPath"] = _filled(volume["hostPath"], type="")
    return filled
