"""Admission of a valid object before it is stored: namespace, Pod Security, quotas, and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard.quantities import amount
from wizard.sandbox.pod_security import reasons, violations
from wizard.sandbox.refusals import Cause, Resource, forbidden, not_found
from wizard.sandbox.store import Object, Store

POD = Resource("pods", "", "Pod")
PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
ENFORCE, WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"


def check_namespace(store: Store, resource: Resource, namespace: str, name: str) -> None:
    """Raises 404 if a namespace is missing, 403 if it is being deleted."""
    found = store.get("namespaces", ("", namespace))
    if found is None:
        raise not_found(Resource("namespaces", "", "Namespace"), namespace)
    if found.obj["status"].get("phase") == "Terminating":
        raise forbidden(
            resource,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
            [Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")],
        )


_LEVELS = ("privileged", "baseline", "restricted")


def _stricter(level: str, than: str) -> bool:
    return level in _LEVELS and _LEVELS.index(level) > _LEVELS.index(than)


class PodSecurity:
    """The levels of the namespaces, and the cluster's defaults for namespaces without one."""

    def __init__(self, store: Store, defaults: Mapping[str, Any]) -> None:
        self._store = store
        self._defaults = defaults

    def _level(self, namespace: str, label: str) -> tuple[str, str]:
        if namespace in self._defaults.get("exempt-namespaces", ()):
            return "privileged", "latest"
        found = self._store.get("namespaces", ("", namespace))
        return self._level_of(found.obj["metadata"].get("labels", {}) if found else {}, label)

    def _level_of(self, labels: Mapping[str, str], label: str) -> tuple[str, str]:
        default = self._defaults.get(label.rpartition("/")[2], "privileged")
        if label == WARN and label not in labels and _stricter(labels.get(ENFORCE, ""), default):
            # Since 1.26, the enforced level of a namespace is also its default warn level (kubernetes#113491).
            version = labels.get(f"{WARN}-version") or labels.get(f"{ENFORCE}-version", "latest")
            return labels[ENFORCE], version
        return labels.get(label, default), labels.get(f"{label}-version", "latest")

    def check_pod(self, pod: Object) -> None:
        """Raises 403 for a pod that its namespace's level forbids."""
        namespace = pod["metadata"]["namespace"]
        level, version = self._level(namespace, ENFORCE)
        if broken := violations(pod["metadata"], pod["spec"], level):
            raise forbidden(POD, pod["metadata"]["name"], f'violates PodSecurity "{level}:{version}": {broken}')

    def warnings_of_namespace(self, old: Object, new: Object) -> list[str]:
        """Returns the warnings for an update of a namespace: its pods that a stricter level forbids.

        Pods with the same violations are one line, which names the first of them.
        """
        name = new["metadata"]["name"]
        before = self._level_of(old["metadata"].get("labels", {}), ENFORCE)
        level, version = after = self._level_of(new["metadata"].get("labels", {}), ENFORCE)
        if name in self._defaults.get("exempt-namespaces", ()) or after == before:
            return []
        if version == before[1] and not _stricter(level, before[0]):
            return []
        pods: dict[str, list[str]] = {}
        for one in self._store.all("pods", name):
            if broken := reasons(one.obj["metadata"], one.obj["spec"], level):
                pods.setdefault(broken, []).append(one.key[1])
        lines = []
        for broken, names in pods.items():
            others = len(names) - 1
            more = f" (and {others} other pod{'s' * (others > 1)})" if others else ""
            lines.append(f"{min(names)}{more}: {broken}")
        head = f'existing pods in namespace "{name}" violate the new PodSecurity enforce level "{level}:{version}"'
        return [head, *sorted(lines)] if lines else []

    def warning(self, metadata: Object, spec: Object, namespace: str) -> str:
        """Returns the warning for a pod or a pod template; "" if there is none."""
        level, version = self._level(namespace, WARN)
        broken = violations(metadata, spec, level)
        return f'would violate PodSecurity "{level}:{version}": {broken}' if broken else ""


def completed(pod: Object) -> Object:
    """Returns a pod with its priority and the tolerations of every pod. Raises 403 for an unknown priority class."""
    spec = pod["spec"]
    name = spec.get("priorityClassName", "")
    if name and name not in PRIORITIES:
        raise forbidden(POD, pod["metadata"]["name"], f"no PriorityClass with name {name} was found")
    tolerations = list(spec.get("tolerations", ()))
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(one.get("key") in (key, None) and one.get("effect") in ("NoExecute", None) for one in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    priority = {"priority": PRIORITIES.get(name, 0), "preemptionPolicy": "PreemptLowerPriority"}
    return {**pod, "spec": {**spec, "tolerations": tolerations, **priority}}


def counts(quota: Object, pod: Object) -> bool:
    """Whether a pod is in a quota's scopes; a pod that has ended never is."""
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return False
    rules = quota["spec"].get("scopeSelector", {}).get("matchExpressions", [])
    rules = rules + [{"scopeName": scope, "operator": "Exists"} for scope in quota["spec"].get("scopes", ())]
    return all(_in_scope(rule, pod["spec"]) for rule in rules)


def _in_scope(rule: Object, spec: Object) -> bool:
    scope, values = rule["scopeName"], rule.get("values", [])
    if scope == "PriorityClass":
        name = spec.get("priorityClassName", "")
        match rule["operator"]:
            case "In":
                return name in values
            case "NotIn":
                return name not in values
            case "Exists":
                return bool(name)
            case _:
                return not name
    if scope in ("Terminating", "NotTerminating"):
        return bool(("activeDeadlineSeconds" in spec) == (scope == "Terminating"))
    best_effort = quality_of_service(spec) == "BestEffort"
    return bool(best_effort == (scope == "BestEffort"))


def check_quota(store: Store, pod: Object) -> list[Object]:
    """Returns the quotas that a new pod counts against. Raises 403 if one is used up or not yet known."""
    metadata = pod["metadata"]
    charged = []
    for version in store.all("resourcequotas", metadata["namespace"]):
        quota = version.obj
        if "pods" not in quota["spec"].get("hard", {}) or not counts(quota, pod):
            continue
        status = quota.get("status", {})
        name = quota["metadata"]["name"]
        if "pods" not in status.get("hard", {}):
            raise forbidden(POD, metadata["name"], f"status unknown for quota: {name}, resources: pods")
        used, hard = status.get("used", {}).get("pods", "0"), status["hard"]["pods"]
        if amount(used) + 1 > amount(hard):
            text = f"exceeded quota: {name}, requested: pods=1, used: pods={used}, limited: pods={hard}"
            raise forbidden(POD, metadata["name"], text)
        charged.append(quota)
    return charged


def quality_of_service(spec: Object) -> str:
    """Returns Guaranteed, Burstable, or BestEffort, from CPU and memory alone."""
    amounts = [
        (one.get("resources", {}).get("limits", {}), one.get("resources", {}).get("requests", {}))
        for one in spec.get("containers", ())
    ]
    if not any(name in group for pair in amounts for group in pair for name in ("cpu", "memory")):
        return "BestEffort"
    guaranteed = all(
        name in limits and amount(requests.get(name, limits[name])) == amount(limits[name])
        for limits, requests in amounts
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def deprecations(metadata: Object, path: str) -> list[str]:
    """Returns warnings about pod annotations that have become fields."""
    prefix = "container.apparmor.security.beta.kubernetes.io/"
    return [
        f'{path}.annotations[{name}]: deprecated since v1.30; use the "appArmorProfile" field instead'
        for name in metadata.get("annotations", {})
        if name.startswith(prefix)
    ]
