"""The simulated cluster behind the HTTP server: what each verb does to the objects.

A write has the same stages as in a real API server: read, default, record ownership, admit, validate, store. The
controllers write through the same functions.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from wizard.quantities import QuantityError
from wizard.sandbox import admission, refusals
from wizard.sandbox.access import ALL, Attributes, User
from wizard.sandbox.clock import Clock
from wizard.sandbox.defaults import with_defaults
from wizard.sandbox.field_ownership import ApplyConflict, Conflict, Manager, applied, updated
from wizard.sandbox.kinds import DAEMON_SET, NAMESPACE, POD, RESOURCE_QUOTA, Kind
from wizard.sandbox.patches import json_patch, merge_patch, strategic_merge_patch
from wizard.sandbox.scenarios import Scenario
from wizard.sandbox.schema import SchemaError, misfits, normal, unknown_fields
from wizard.sandbox.store import Object, Store, Version
from wizard.sandbox.validation import problems

MERGE, STRATEGIC, JSON, APPLY = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)


@dataclass
class Write:
    """How a request writes, and the warnings that it gets."""

    user: User
    manager: str
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"
    """The handling of unknown fields: ``Strict``, ``Warn``, or ``Ignore``."""
    subresource: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deletion:
    """How something is deleted."""

    grace: int | None = None
    """Seconds; None for the value of the object."""
    propagation: str = "Background"
    uid: str = ""
    resource_version: str = ""


class Cluster:
    """Objects and the rules by which they change."""

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
        self.scenario = scenario
        self.clock = clock
        self.store = Store()
        self.pod_security = admission.PodSecurity(self.store, scenario.pod_security)

    # --- reading

    def find(self, kind: Kind, namespace: str, name: str) -> Version:
        """Raises the server's 404."""
        found = self.store.get(kind.plural, (namespace, name))
        if found is None:
            raise refusals.not_found(kind.resource, name)
        return found

    # --- create and replace

    def create(self, kind: Kind, namespace: str, body: Object, write: Write) -> Version:
        """Creates an object from the body of a request."""
        obj = self._decoded(kind, namespace, body, write)
        metadata = obj["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            obj = {**obj, "metadata": {**metadata, "name": metadata["generateName"] + self.clock.suffix()}}
        if kind.namespaced:
            admission.check_namespace(self.store, kind.resource, namespace, obj["metadata"].get("name", ""))
        obj = with_defaults(self._without_system_fields(kind, obj))
        manager = self._manager(kind, write, "Update")
        owned = updated({**kind.zero}, obj, kind.schema, manager, self.clock.now())
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": owned}}
        return self._insert(kind, obj, write)

    def replace(self, kind: Kind, namespace: str, name: str, body: Object, write: Write) -> Version:
        """Replaces an object with the body of a PUT."""
        obj = self._decoded(kind, namespace, body, write)
        if obj["metadata"].get("name") != name:
            given = obj["metadata"].get("name", "")
            raise refusals.bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        return self._update(kind, self.find(kind, namespace, name), obj, write)

    def _decoded(self, kind: Kind, namespace: str, body: Any, write: Write) -> Object:
        if not isinstance(body, dict):
            raise refusals.bad_request("the object provided is unrecognized (must be of type " + kind.name + ")")
        said = (body.get("apiVersion", kind.api_version), body.get("kind", kind.name))
        if said[0] != kind.api_version:
            raise refusals.bad_request(
                f"the API version in the data ({said[0]}) does not match the expected API version ({kind.api_version})"
            )
        if said[1] != kind.name:
            text = f'{said[1]} in version "{kind.version}" cannot be handled as a {kind.name}: no kind "{said[1]}"'
            raise refusals.bad_request(text)
        metadata = body.get("metadata")
        given = metadata.get("namespace") if isinstance(metadata, dict) else None
        if given and given != namespace:
            raise refusals.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        unknown = unknown_fields(body, kind.schema)
        if unknown and write.validation == "Strict":
            listed = ", ".join(f'unknown field "{path}"' for path in unknown)
            text = (
                f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: strict decoding error: '
            )
            raise refusals.bad_request(text + listed)
        if write.validation == "Warn":
            write.warnings += [f'unknown field "{path}"' for path in unknown]
        try:
            obj: Object = normal(body, kind.schema)
        except (QuantityError, SchemaError) as error:
            text = f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {error}'
            raise refusals.bad_request(text) from error
        metadata = {**(obj.get("metadata") or {})} | ({"namespace": namespace} if kind.namespaced else {})
        return {**obj, "kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}

    def _without_system_fields(self, kind: Kind, obj: Object) -> Object:
        system = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink",
                  "deletionTimestamp", "deletionGracePeriodSeconds")  # fmt: skip
        kept = {name: value for name, value in obj["metadata"].items() if name not in system}
        result = {**obj, "metadata": kept}
        if kind.name != "Node":  # kubelets bring their node's status with them
            result.pop("status", None)
        return result

    def _insert(self, kind: Kind, obj: Object, write: Write) -> Version:
        name, namespace = obj["metadata"].get("name", ""), obj["metadata"].get("namespace", "")
        if self.store.get(kind.plural, (namespace, name)):
            raise refusals.already_exists(kind.resource, name)
        obj = self._prepared(kind, obj)
        obj, charged = self._admitted(kind, obj, write)
        if causes := problems(obj, None):
            raise refusals.invalid(kind.resource, name, causes)
        if write.dry_run:
            return Version((namespace, name), obj)
        for quota in charged:
            self._charge(quota)
        return self.store.put(kind.plural, obj)

    def _prepared(self, kind: Kind, obj: Object) -> Object:
        """Returns a new object with the fields that the server sets without a manager."""
        metadata = {**obj["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": self.clock.now()}
        status = obj.get("status", {})
        spec = obj.get("spec", {})
        match kind.name:
            case "Namespace":
                labels = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}
                metadata["labels"] = labels
                spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
            case "DaemonSet":
                metadata["generation"] = 1
                metadata["annotations"] = {**metadata.get("annotations", {}), TEMPLATE_GENERATION: "1"}
                status = dict(DAEMON_SET.zero["status"])
            case "Pod":
                metadata["generation"] = 1
                status = {"phase": "Pending", "qosClass": admission.quality_of_service(spec)}
            case "ConfigMap" | "Event" | "Secret" | "ServiceAccount":
                return {**obj, "metadata": metadata}
        return {**obj, "metadata": metadata, "spec": spec, "status": status}

    def _admitted(self, kind: Kind, obj: Object, write: Write) -> tuple[Object, list[Object]]:
        """Returns the object after admission, and the quotas to charge."""
        namespace = obj["metadata"].get("namespace", "")
        if kind is POD:
            obj = admission.completed(obj)
            self.pod_security.check_pod(obj)
            if warning := self.pod_security.warning(obj["metadata"], obj["spec"], namespace):
                write.warnings.append(warning)
            write.warnings += admission.deprecations(obj["metadata"], "metadata")
            return obj, admission.check_quota(self.store, obj)
        if kind is DAEMON_SET and not write.subresource:
            self._warn_of_template(obj, write)
        return obj, []

    def _warn_of_template(self, daemon_set: Object, write: Write) -> None:
        template = daemon_set["spec"]["template"]
        write.warnings += admission.deprecations(template["metadata"], "spec.template.metadata")
        namespace = daemon_set["metadata"]["namespace"]
        if warning := self.pod_security.warning(template["metadata"], template["spec"], namespace):
            write.warnings.append(warning)

    def _charge(self, quota: Object) -> None:
        current = self.find(RESOURCE_QUOTA, quota["metadata"]["namespace"], quota["metadata"]["name"]).obj
        used = int(current.get("status", {}).get("used", {}).get("pods", "0"))
        status = {**current["status"], "used": {**current["status"].get("used", {}), "pods": str(used + 1)}}
        self.record(RESOURCE_QUOTA, {**current, "status": status}, "kube-apiserver")

    # --- patch and apply

    def patch(self, kind: Kind, namespace: str, name: str, body: Any, how: str, write: Write) -> Version:
        """Applies a patch of media type ``how``, other than server-side apply."""
        live = self.find(kind, namespace, name)
        if how == JSON:
            body_after = json_patch(live.obj, body)
            return self._update(kind, live, self._decoded(kind, namespace, body_after, write), write)
        if not isinstance(body, dict):
            raise refusals.bad_request(
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
            )
        patch = self._checked_patch(kind, body, write)
        if how == MERGE:
            return self._update(kind, live, merge_patch(live.obj, patch), write)
        return self._update(kind, live, strategic_merge_patch(live.obj, patch, kind.schema), write)

    def _checked_patch(self, kind: Kind, patch: Object, write: Write) -> Object:
        """Returns a patch with normalized values; its nulls and directives stay."""
        unknown = [path for path in unknown_fields(patch, kind.schema) if "$" not in path]
        if unknown and write.validation == "Strict":
            listed = ", ".join(f'unknown field "{path}"' for path in unknown)
            shown = json.dumps(patch, separators=(",", ":"))
            cause = refusals.field_invalid("patch", json.dumps(shown), f"strict decoding error: {listed}")
            raise refusals.invalid(kind.resource, "", [cause])
        if write.validation == "Warn":
            write.warnings += [f'unknown field "{path}"' for path in unknown]
        try:
            checked: Object = normal(patch, kind.schema, in_patch=True)
        except (QuantityError, SchemaError) as error:
            raise refusals.bad_request(str(error)) from error
        return checked

    def _update(self, kind: Kind, live: Version, obj: Object, write: Write) -> Version:
        """Stores the result of a PUT or a patch."""
        name = live.key[1]
        asked = obj["metadata"].get("resourceVersion", "")
        if asked and asked != live.obj["metadata"]["resourceVersion"]:
            raise refusals.conflict(kind.resource, name)
        owners = obj["metadata"].get("managedFields")
        generation = (obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
        obj = self._kept_apart(kind, live.obj, obj, write.subresource)
        if not write.subresource:
            obj = with_defaults(obj)
        manager = self._manager(kind, write, "Update")
        old = live.obj
        if owners and not write.subresource:
            # A request can also write managedFields; only an empty list has no effect.
            old = {**old, "metadata": {**old["metadata"], "managedFields": owners}}
        claimed = obj
        if kind is DAEMON_SET and not write.subresource:
            # The writer owns the template generation that it sends, although the server does not take it.
            annotations = {**obj["metadata"].get("annotations", {}), TEMPLATE_GENERATION: generation}
            claimed = {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}
        owned = updated(old, claimed, kind.schema, manager, self.clock.now())
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": owned}}
        return self._store_update(kind, live, obj, write)

    def _kept_apart(self, kind: Kind, old: Object, new: Object, subresource: str) -> Object:
        """Returns the new version with the fields that this way of writing cannot change taken from the old one."""
        if subresource == "status":
            metadata = {
                **old["metadata"],
                **{n: v for n, v in new["metadata"].items() if n in ("labels", "annotations")},
            }
            return {**new, "metadata": metadata} | ({"spec": old["spec"]} if "spec" in old else {})
        metadata = dict(new["metadata"])
        for name in ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "deletionTimestamp",
                     "deletionGracePeriodSeconds", "name", "namespace"):  # fmt: skip
            if name in old["metadata"]:
                metadata[name] = old["metadata"][name]
            else:
                metadata.pop(name, None)
        if kind is DAEMON_SET and TEMPLATE_GENERATION in old["metadata"].get("annotations", {}):
            generation = old["metadata"]["annotations"][TEMPLATE_GENERATION]
            metadata["annotations"] = {**metadata.get("annotations", {}), TEMPLATE_GENERATION: generation}
        if kind is NAMESPACE:
            metadata["labels"] = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}
        for empty in ("labels", "annotations", "finalizers"):
            if not metadata.get(empty, True):
                del metadata[empty]
        kept = {**new, "metadata": metadata}
        kept.pop("status", None)
        return kept | ({"status": old["status"]} if "status" in old else {})

    def _store_update(self, kind: Kind, live: Version, obj: Object, write: Write) -> Version:
        old = live.obj
        if kind is DAEMON_SET and not write.subresource:
            obj = _with_generations(old, obj)
            self._warn_of_template(obj, write)
        if kind is NAMESPACE and not write.subresource:
            write.warnings += self.pod_security.warnings_of_namespace(old, obj)
        if causes := problems(obj, old):
            raise refusals.invalid(kind.resource, live.key[1], causes)
        if _same(old, obj):
            return live
        if write.dry_run:
            return Version(live.key, obj)
        if obj["metadata"].get("deletionTimestamp") and not obj["metadata"].get("finalizers") and kind.name not in (
            "Pod", "Namespace"):  # fmt: skip
            return self.store.remove(kind.plural, live.key) or live
        return self.store.put(kind.plural, obj)

    def apply(self, kind: Kind, namespace: str, name: str, body: Any, write: Write) -> tuple[Version, bool]:
        """Carries out server-side apply; returns whether it created the object."""
        if not write.manager:
            cause = refusals.field_required("fieldManager", "is required for apply patch")
            raise refusals.invalid(refusals.Resource("", "meta.k8s.io", "PatchOptions"), "", [cause])
        config = self._configuration(kind, namespace, name, body)
        live = self.store.get(kind.plural, (namespace, name))
        manager = self._manager(kind, write, "Apply")
        if live is None:
            if write.subresource:
                raise refusals.not_found(kind.resource, name)
            write.user.check(Attributes("create", kind.resource, namespace if kind.namespaced else name, name))
            if kind.namespaced:
                admission.check_namespace(self.store, kind.resource, namespace, name)
            metadata = {"name": name} | ({"namespace": namespace} if kind.namespaced else {})
            blank = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
            obj = applied(blank, config, kind.schema, manager, self.clock.now(), force=write.force)
            return self._insert(kind, with_defaults(normal(obj, kind.schema)), write), True
        asked = config["metadata"].get("resourceVersion", "")
        if asked and asked != live.obj["metadata"]["resourceVersion"]:
            raise refusals.conflict(kind.resource, name)
        try:
            obj = applied(live.obj, config, kind.schema, manager, self.clock.now(), force=write.force)
        except ApplyConflict as error:
            raise _apply_refusal(error.conflicts) from error
        owned = obj["metadata"]["managedFields"]
        obj = self._kept_apart(kind, live.obj, normal(obj, kind.schema), write.subresource)
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": owned}}
        if not write.subresource:
            obj = with_defaults(obj)
        return self._store_update(kind, live, obj, write), False

    def _configuration(self, kind: Kind, namespace: str, name: str, body: Any) -> Object:
        """Returns an apply configuration that matches its type."""
        if not isinstance(body, dict):
            raise refusals.bad_request("error decoding YAML: object is not a map")
        if body.get("apiVersion") != kind.api_version or body.get("kind") != kind.name:
            said = f"{body.get('apiVersion', '')}, Kind={body.get('kind', '')}"
            raise refusals.bad_request(
                f"incorrect version specified in apply patch. Specified patch version: {said}, "
                f"expected: {kind.api_version}, Kind={kind.name}"
            )
        metadata = body.get("metadata") or {}
        if metadata.get("managedFields"):
            raise refusals.bad_request("metadata.managedFields must be nil")
        given = metadata.get("name", name)
        if given != name:
            raise refusals.bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        if metadata.get("namespace", namespace) != namespace:
            raise refusals.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        called = f"({namespace}/{name}; {kind.api_version}, Kind={kind.name})"
        if found := misfits(body, kind.schema):
            text = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
            raise refusals.internal(f"failed to create typed patch object {called}: {text}")
        try:
            normal(body, kind.schema)
        except (QuantityError, SchemaError) as error:
            raise refusals.internal(
                f"failed to convert new object {called} to proper version: unable to convert unstructured object to "
                f"{kind.api_version}, Kind={kind.name}: {error}"
            ) from error
        # An apply is compared with the live object as it was written: "1000" conflicts with another manager's "1k".
        config: Object = normal(body, kind.schema, as_written=True)
        return {**config, "metadata": config.get("metadata", {})}

    def _manager(self, kind: Kind, write: Write, operation: str) -> Manager:
        return Manager(write.manager, operation, kind.api_version, write.subresource)

    # --- what controllers write

    def record(self, kind: Kind, obj: Object, manager: str, *, subresource: str = "status") -> Version:
        """Stores a controller's new version of an object with its ownership."""
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        live = self.store.get(kind.plural, key)
        if live is None:
            raise refusals.not_found(kind.resource, key[1])
        writer = Manager(manager, "Update", kind.api_version, subresource)
        owned = updated(live.obj, obj, kind.schema, writer, self.clock.now())
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": owned}}
        if _same(live.obj, obj):
            return live
        return self.store.put(kind.plural, obj)

    def create_as(self, kind: Kind, obj: Object, manager: str, like: Version | None = None) -> Version:
        """Creates an object for a controller. Raises the rejections of admission.

        ``like`` is an object with the same fields and manager, whose ownership is reused.
        """
        namespace = obj["metadata"].get("namespace", "")
        if kind.namespaced:
            admission.check_namespace(self.store, kind.resource, namespace, obj["metadata"]["name"])
        obj = with_defaults(obj)
        now = self.clock.now()
        if like is None:
            owned = updated({**kind.zero}, obj, kind.schema, Manager(manager, "Update", kind.api_version), now)
        else:
            owned = [{**like.obj["metadata"]["managedFields"][0], "time": now}]
        obj = {**obj, "metadata": {**obj["metadata"], "managedFields": owned}}
        return self._insert(kind, obj, Write(SYSTEM, manager))

    # --- delete

    def delete(self, kind: Kind, namespace: str, name: str, how: Deletion, write: Write) -> tuple[Object, bool]:
        """Returns the server's answer to a deletion, and whether the object has been removed."""
        live = self.find(kind, namespace, name)
        metadata = live.obj["metadata"]
        for what, asked, actual in (
            ("UID", how.uid, metadata["uid"]),
            ("ResourceVersion", how.resource_version, metadata["resourceVersion"]),
        ):
            if asked and asked != actual:
                text = f"Precondition failed: {what} in precondition: {asked}, {what} in object meta: {actual}"
                raise refusals.conflict(kind.resource, name, text)
        if kind is NAMESPACE:
            return self._terminating(live, how, write), False
        if kind is POD:
            return self._pod_deletion(live, how, write)
        finalizers = list(metadata.get("finalizers", ()))
        waits = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(how.propagation, "")
        if kind is DAEMON_SET and waits:
            finalizers.append(waits)
        if finalizers:
            changed = {**metadata, "finalizers": finalizers}
            changed.setdefault("deletionTimestamp", self.clock.now())
            changed.setdefault("deletionGracePeriodSeconds", 0)
            if "generation" in metadata:
                changed["generation"] = metadata["generation"] + 1
            obj = {**live.obj, "metadata": changed}
            return (obj if write.dry_run else self.store.put(kind.plural, obj).obj), False
        if not write.dry_run:
            self.store.remove(kind.plural, live.key)
        return live.obj, True

    def _terminating(self, live: Version, how: Deletion, write: Write) -> Object:
        obj = live.obj
        if obj["metadata"].get("deletionTimestamp"):
            raise refusals.conflict(
                NAMESPACE.resource,
                live.key[1],
                "The system is ensuring all content is removed from this namespace.  Upon completion, this namespace "
                "will automatically be purged by the system.",
            )
        metadata = {**obj["metadata"], "deletionTimestamp": self.clock.now()}
        if how.propagation in ("Foreground", "Orphan"):
            waits = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}[how.propagation]
            metadata["finalizers"] = [*metadata.get("finalizers", ()), waits]
        obj = {**obj, "metadata": metadata, "status": {**obj["status"], "phase": "Terminating"}}
        return obj if write.dry_run else self.store.put("namespaces", obj).obj

    def _pod_deletion(self, live: Version, how: Deletion, write: Write) -> tuple[Object, bool]:
        obj = live.obj
        grace = obj["spec"].get("terminationGracePeriodSeconds", 30) if how.grace is None else how.grace
        unbound = not obj["spec"].get("nodeName")
        if unbound or obj["status"].get("phase") in ("Succeeded", "Failed"):
            grace = 0
        metadata = dict(obj["metadata"])
        if "deletionTimestamp" not in metadata:
            metadata["generation"] = metadata.get("generation", 1) + 1
        metadata["deletionTimestamp"] = self.clock.now(grace)
        metadata["deletionGracePeriodSeconds"] = grace
        obj = {**obj, "metadata": metadata}
        if write.dry_run:
            return obj, False
        if grace:
            return self.store.put("pods", obj).obj, False
        self.store.put("pods", obj)
        last = self.store.remove("pods", live.key)
        return (last.obj if last else obj), False


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
SYSTEM = User("system:apiserver", ("system:masters",), ALL)


def _with_generations(old: Object, new: Object) -> Object:
    """Returns a DaemonSet with its generations incremented for the changes."""
    metadata = dict(new["metadata"])
    if old["spec"] != new["spec"]:
        metadata["generation"] = old["metadata"]["generation"] + 1
    if old["spec"]["template"] != new["spec"]["template"]:
        metadata["annotations"] = {
            **metadata.get("annotations", {}),
            TEMPLATE_GENERATION: str(metadata["generation"]),
        }
    return {**new, "metadata": metadata}


def _same(old: Object, new: Object) -> bool:
    """Whether a write changed only the times in ``managedFields``."""
    if any(
        old.get(name) is not new.get(name) and old.get(name) != new.get(name) for name in {*old, *new} - {"metadata"}
    ):
        return False

    def timeless(metadata: Object) -> Object:
        listed = [{**entry, "time": ""} for entry in metadata.get("managedFields", ())]
        listed.sort(key=lambda one: (one["manager"], one["operation"], one.get("subresource", "")))
        return {**metadata, "managedFields": listed}

    return timeless(old["metadata"]) == timeless(new["metadata"])


def _apply_refusal(conflicts: list[Conflict]) -> refusals.Refusal:
    causes = [refusals.Cause("FieldManagerConflict", f"conflict with {one.manager}", one.path) for one in conflicts]
    if len(conflicts) == 1:
        one = conflicts[0]
        return refusals.apply_conflict(f"Apply failed with 1 conflict: conflict with {one.manager}: {one.path}", causes)
    lines = []
    for manager in sorted({str(one.manager) for one in conflicts}):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {one.path}" for one in conflicts if str(one.manager) == manager]
    return refusals.apply_conflict(f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines), causes)
