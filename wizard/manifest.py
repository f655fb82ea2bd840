"""The guide's manifest, and every departure from it.

``assets/manifests`` holds the guide's four objects as they are. An adjustment is a departure: it says what this
cluster calls for and why, and changes the objects without knowing of any other adjustment. Adjustments touch
different fields, so their order does not matter, and applying one twice is applying it once.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import shorten
from typing import Any, Literal

import yaml

from wizard.answers import ManifestChoice
from wizard.differences import owners, to_yaml
from wizard.errors import UsageError
from wizard.facts import DRY_RUN, LEVEL_REFUSES, ClusterFacts, KubernetesObject
from wizard.names import FIELD_MANAGER, NODE_LABEL
from wizard.nodes import CONTROL_PLANE_TAINTS, NodeVerdict, judge, untolerated
from wizard.resources import asset_text

MANIFEST = "smarter-device-manager.yaml"

GUIDE_QUOTA = 50
GUIDE_DEVICES = 50
CURRENT_IMAGE = "ghcr.io/smarter-project/smarter-device-manager:v1.20.12"
"""The last release (2022-11), from where the project publishes now. Later states of its main branch do not build."""
ENOUGH_MEMORY = "30Mi"
"""What the project's own Helm chart gives since March 2025, "because 15Mi is not enough anymore"."""
DEFAULT_MAX_PODS = 110
"""The kubelet's maxPods where nothing else is set (Kubernetes, KubeletConfiguration)."""
PLUGIN_TYPE = "container_device_plugin_t"
"""The SELinux type that container-selinux has for device plugins: it may connect to the kubelet's socket."""

Objects = tuple[KubernetesObject, ...]
Value = str | int | bool
ValueKind = Literal["switch", "image", "quantity", "count", "taints", "name"]
"""What an adjustment takes: nothing but on and off; an image reference; an amount of memory; a number above 0; taints
as ``kubectl taint`` writes them, with commas between; an SELinux type."""


@lru_cache(maxsize=1)
def _guide() -> Objects:
    return tuple(yaml.safe_load_all(asset_text("manifests", MANIFEST)))


def guide_objects() -> Objects:
    """The guide's Namespace, ResourceQuota, ConfigMap and DaemonSet, in this order; the caller's own copy."""
    return copy.deepcopy(_guide())


@dataclass(frozen=True, slots=True)
class Reason:
    """What a cluster has to do with an adjustment: whether it is needed, one line why, and the value that fits."""

    needed: bool
    why: str
    value: Value = True


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A departure from the guide. ``change`` is pure; ``reason`` judges facts, chosen nodes, choices, served nodes."""

    id: str
    title: str
    value_kind: ValueKind
    reason: Callable[[ClusterFacts | None, Sequence[NodeVerdict], ManifestChoice, Sequence[NodeVerdict]], Reason]
    change: Callable[[Objects, Value], Objects]


@dataclass(frozen=True, slots=True)
class Switch:
    """An adjustment as a person sees it.

    ``forced_by`` is who decided: "set", "without", "preset", or "" for the facts alone. ``value`` is what it is set
    to, or would be if it were switched on.
    """

    id: str
    title: str
    why: str
    on: bool
    needed: bool
    value: Value
    value_kind: ValueKind
    forced_by: Literal["", "set", "without", "preset"]

    def to_json(self) -> dict[str, Any]:
        """The switch as commands print it."""
        return {
            "id": self.id,
            "title": self.title,
            "why": self.why,
            "on": self.on,
            "needed": self.needed,
            "value": self.value,
            "forced_by": self.forced_by,
        }


@dataclass(frozen=True, slots=True)
class Rendering:
    """The manifest that the facts and choices make: four objects in the guide's order, and all switches."""

    objects: Objects
    switches: tuple[Switch, ...]

    def yaml(self) -> str:
        """The objects as one YAML text of four documents, as ``kubectl apply -f`` takes it."""
        return to_yaml(self.objects)


def _edit(objects: Objects, kind: str, change: Callable[[KubernetesObject], None]) -> Objects:
    changed = tuple(copy.deepcopy(item) for item in objects)
    for item in changed:
        if item["kind"] == kind:
            change(item)
    return changed


def _pod(daemon_set: KubernetesObject) -> dict[str, Any]:
    spec = daemon_set["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


# --- image -----------------------------------------------------------------------------------------------------


def _image_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    return Reason(True, "v1.20.7 has moved; v1.20.12 is on ghcr.io", CURRENT_IMAGE)


def _change_image(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        _pod(item)["containers"][0]["image"] = value

    return _edit(objects, "DaemonSet", change)


# --- memory ----------------------------------------------------------------------------------------------------


def _memory_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    return Reason(True, f"15Mi is killed; {ENOUGH_MEMORY} as its makers have it", ENOUGH_MEMORY)


def _change_memory(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        resources = _pod(item)["containers"][0]["resources"]
        resources["limits"]["memory"] = value
        resources["requests"]["memory"] = value

    return _edit(objects, "DaemonSet", change)


# --- pod-quota -------------------------------------------------------------------------------------------------


def _everywhere(choice: ManifestChoice) -> bool:
    return "no-node-selector" in choice.set and _switched_on(choice.set["no-node-selector"])


def _also_asking(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], *, everywhere: bool
) -> Iterator[NodeVerdict]:
    """The nodes besides those chosen that ask for a pod: labelled before, or every one."""
    names = {verdict.node.name for verdict in chosen}
    for node in (facts.nodes if facts else None) or ():
        if (node.labelled or everywhere) and node.name not in names:
            yield judge(node)


def served_nodes(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice
) -> tuple[NodeVerdict, ...]:
    """The nodes chosen, and those that have a pod by an earlier choice; all that qualify where no label is asked for.

    The daemon set is one: what it loses because those chosen now do not need it, it loses on the others too.
    """
    live = facts.objects.get("DaemonSet") if facts else None
    tolerations = (_pod(live).get("tolerations") or ()) if live else ()
    others = _also_asking(facts, chosen, everywhere=_everywhere(choice))
    return (*chosen, *(v for v in others if v.possible and not untolerated(v.node, tolerations)))


def expected_pods(facts: ClusterFacts, chosen: Sequence[NodeVerdict], *, everywhere: bool) -> int:
    """How many nodes ask for a pod: those chosen and those labelled before, or every one that qualifies."""
    others = _also_asking(facts, chosen, everywhere=everywhere)
    return sum(verdict.possible for verdict in chosen) + sum(verdict.eligible for verdict in others)


def quota_for(pods: int) -> int:
    """A quota with room for a fifth more, in full tens, and never below the guide's."""
    return max(GUIDE_QUOTA, -(-pods * 12 // 100) * 10)


def _quota_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    if facts is None or (facts.nodes is None and not chosen):
        return Reason(False, "the nodes are not known: set it to their number", GUIDE_QUOTA)
    pods = expected_pods(facts, chosen, everywhere=_everywhere(choice))
    wanted = quota_for(pods)
    live = _live_quota(facts)
    if live > wanted:
        return Reason(live != GUIDE_QUOTA, f"{live} is set already and stays, for {pods} nodes", live)
    if pods > GUIDE_QUOTA:
        return Reason(True, f"{GUIDE_QUOTA} -> {wanted} for {pods} nodes", wanted)
    return Reason(False, f"{pods} nodes fit in the guide's {GUIDE_QUOTA}", wanted)


def _live_quota(facts: ClusterFacts) -> int:
    hard = (facts.objects.get("ResourceQuota", {}).get("spec") or {}).get("hard") or {}
    pods = str(hard.get("pods", ""))
    return int(pods) if pods.isdecimal() else 0


def _change_quota(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        item["spec"]["hard"]["pods"] = value

    return _edit(objects, "ResourceQuota", change)


# --- pod-security ----------------------------------------------------------------------------------------------

_POD_SECURITY = "pod-security.kubernetes.io/"
ENFORCE_PATH = f".metadata.labels.{_POD_SECURITY}enforce"


def enforced_level(facts: ClusterFacts) -> tuple[str, str]:
    """The Pod Security level that stands in the way of the device manager, and where it was seen.

    Two empty strings where nothing was seen. A cluster's own default cannot be read through the API: a dry run of
    the pod gives it away, and Talos is known for one (Talos documentation, Pod Security). The server's warnings speak
    of the level to warn of, which is often a stricter one, so they count only where nobody may ask for a dry run.
    """
    labels = facts.objects.get("Namespace", {}).get("metadata", {}).get("labels") or {}
    level = labels.get(f"{_POD_SECURITY}enforce", "")
    if level == "privileged":
        return "", ""
    if level:
        return level, f"namespace {NODE_LABEL}, label {_POD_SECURITY}enforce={level}"
    if found := re.search(r'violates PodSecurity "(\w+):', facts.pod_refusal):
        return found[1], f"the server on a dry run of the pod: {shorten(facts.pod_refusal, 200, placeholder=' …')}"
    not_asked = any(unread.what == DRY_RUN and LEVEL_REFUSES not in unread.message for unread in facts.unread)
    for warning in facts.warnings if not_asked else ():
        if found := re.search(r'would violate PodSecurity "(\w+):', warning):
            return found[1], f"the server's warning: {shorten(warning, 200, placeholder=' …')}"
    if "talos" in facts.identity.distribution.lower():
        return "baseline", "the default of Talos for namespaces without the label"
    return "", ""


def _pod_security_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    if facts is None:
        return Reason(False, "only where Pod Security is enforced")
    level, _ = enforced_level(facts)
    if level:
        return Reason(True, f"{level} is enforced: no pod would start")
    live = facts.objects.get("Namespace", {})
    if any((one.path, one.manager) == (ENFORCE_PATH, FIELD_MANAGER) for one in owners(live)):
        # With it nothing is in the way any more; an apply without it would take it off.
        return Reason(True, "set from here before: without it no pod may start")
    return Reason(False, "nothing is known to be enforced here")


def _change_pod_security(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        for mode in ("enforce", "audit", "warn"):
            item["metadata"]["labels"][f"{_POD_SECURITY}{mode}"] = "privileged"

    return _edit(objects, "Namespace", change)


# --- linux-only ------------------------------------------------------------------------------------------------


def _linux_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    others = sum(node.operating_system != "linux" for node in (facts.nodes if facts else None) or ())
    if others:
        return Reason(True, f"{_nodes(others)} not Linux would get a pod if labelled")
    return Reason(True, "a label alone must not put it on Windows")


def _change_linux(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        pod = _pod(item)
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), "kubernetes.io/os": "linux"}

    return _edit(objects, "DaemonSet", change)


# --- tolerations -----------------------------------------------------------------------------------------------


def _tolerations_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    tainted = [verdict for verdict in served if untolerated(verdict.node)]
    if tainted:
        verb = "is" if len(tainted) == 1 else "are"
        names = {verdict.node.name for verdict in chosen}
        whose = (
            "of the chosen" if all(verdict.node.name in names for verdict in tainted) else "that have or get the label"
        )
        return Reason(True, f"{_nodes(len(tainted))} {whose} {verb} tainted", _taints(tainted))
    outside = [v for v in map(judge, (facts.nodes if facts else None) or ()) if v.standing == "possible"]
    if not outside:
        return Reason(False, "no chosen node is tainted", "")
    control_plane = all(any(t.key in CONTROL_PLANE_TAINTS for t in v.node.taints) for v in outside)
    kind = "control-plane" if control_plane else "tainted"
    verb = "stays" if len(outside) == 1 else "stay"
    return Reason(False, f"{_nodes(len(outside), kind)} {verb} out", _taints(outside))


def _taints(verdicts: Iterable[NodeVerdict]) -> str:
    return ",".join(sorted({str(taint) for verdict in verdicts for taint in untolerated(verdict.node)}))


def _change_tolerations(objects: Objects, value: Value) -> Objects:
    tolerations = [_toleration(taint) for taint in str(value).split(",") if taint]

    def change(item: KubernetesObject) -> None:
        pod = _pod(item)
        present = pod.get("tolerations", [])
        if added := [toleration for toleration in tolerations if toleration not in present]:
            pod["tolerations"] = [*present, *added]

    return _edit(objects, "DaemonSet", change)


def _toleration(taint: str) -> dict[str, str]:
    name, _, effect = taint.strip().rpartition(":")
    key, equals, value = name.partition("=")
    if equals:
        return {"key": key, "operator": "Equal", "value": value, "effect": effect}
    return {"key": key, "operator": "Exists", "effect": effect}


# --- devices-per-node ------------------------------------------------------------------------------------------


def pods_per_node(chosen: Sequence[NodeVerdict]) -> int:
    """The most pods that any of these nodes takes."""
    return max((verdict.node.allocatable.get("pods", 0) for verdict in chosen), default=0) or DEFAULT_MAX_PODS


def _devices_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    pods = pods_per_node(served)
    if pods > GUIDE_DEVICES:
        return Reason(False, f"{GUIDE_DEVICES} workspaces a node; it takes {pods} pods", pods)
    return Reason(False, f"{GUIDE_DEVICES} devices cover the {pods} pods of a node", GUIDE_DEVICES)


def _change_devices(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        text = item["data"]["conf.yaml"]
        item["data"]["conf.yaml"] = re.sub(r"(?m)^( *nummaxdevices:).*$", rf"\g<1> {value}", text)

    return _edit(objects, "ConfigMap", change)


# --- selinux-type ----------------------------------------------------------------------------------------------


def confines_containers(verdict: NodeVerdict) -> bool:
    """Whether SELinux confines a node's containers, as far as its system tells.

    CRI-O confines by default; containerd only where it was told to, which the API does not show. Bottlerocket
    confines too, but has a policy of its own without the type of container-selinux.
    """
    enforcing = verdict.security_module == "SELinux enforcing"
    return enforcing and verdict.node.container_runtime.startswith("cri-o:")


def _selinux_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    confined = sum(map(confines_containers, served))
    if confined:
        verb = "keeps" if confined == 1 else "keep"
        return Reason(True, f"{_nodes(confined)} {verb} it from the kubelet's socket", PLUGIN_TYPE)
    return Reason(False, "no chosen node is known to need it", PLUGIN_TYPE)


def _change_selinux(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        _pod(item)["containers"][0]["securityContext"]["seLinuxOptions"] = {"type": value}

    return _edit(objects, "DaemonSet", change)


# --- what the guide's daemon set can do without ----------------------------------------------------------------


def _host_network_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    return Reason(False, "it talks to the kubelet by a socket file only")


def _drop_host_network(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        _pod(item).pop("hostNetwork", None)
        _pod(item).pop("dnsPolicy", None)

    return _edit(objects, "DaemonSet", change)


_CHECKPOINT = "node.kubernetes.io/bootstrap-checkpoint"


def _checkpoint_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    return Reason(True, "inert since Kubernetes 1.20")


def _drop_checkpoint(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        metadata = item["spec"]["template"]["metadata"]
        annotations = {key: text for key, text in metadata.get("annotations", {}).items() if key != _CHECKPOINT}
        if annotations:
            metadata["annotations"] = annotations
        else:
            metadata.pop("annotations", None)

    return _edit(objects, "DaemonSet", change)


def _selector_reason(
    facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice, served: Sequence[NodeVerdict]
) -> Reason:
    return Reason(False, "in place of labels: every untainted node gets a pod")


def _drop_selector(objects: Objects, value: Value) -> Objects:
    def change(item: KubernetesObject) -> None:
        pod = _pod(item)
        selector = {key: text for key, text in pod.get("nodeSelector", {}).items() if key != NODE_LABEL}
        if selector:
            pod["nodeSelector"] = selector
        else:
            pod.pop("nodeSelector", None)

    return _edit(objects, "DaemonSet", change)


# --- all of them -----------------------------------------------------------------------------------------------

ADJUSTMENTS: tuple[Adjustment, ...] = (
    Adjustment("image", "A current image", "image", _image_reason, _change_image),
    Adjustment("memory", "Enough memory", "quantity", _memory_reason, _change_memory),
    Adjustment("pod-quota", "A quota with room for the nodes", "count", _quota_reason, _change_quota),
    Adjustment("pod-security", "Pod Security: privileged", "switch", _pod_security_reason, _change_pod_security),
    Adjustment("linux-only", "Linux nodes only", "switch", _linux_reason, _change_linux),
    Adjustment("tolerations", "Tolerations of the nodes' taints", "taints", _tolerations_reason, _change_tolerations),
    Adjustment("devices-per-node", "FUSE devices a node", "count", _devices_reason, _change_devices),
    Adjustment("selinux-type", "SELinux type for device plugins", "name", _selinux_reason, _change_selinux),
    Adjustment("drop-host-network", "Without host network", "switch", _host_network_reason, _drop_host_network),
    Adjustment(
        "drop-checkpoint-annotation",
        "Without the checkpoint annotation",
        "switch",
        _checkpoint_reason,
        _drop_checkpoint,
    ),
    Adjustment("no-node-selector", "Without node selector", "switch", _selector_reason, _drop_selector),
)
"""All departures, in the order in which they are shown."""

ADJUSTMENT_IDS = tuple(adjustment.id for adjustment in ADJUSTMENTS)


def check_choice(choice: ManifestChoice) -> None:
    """Raises UsageError where a choice names no adjustment, has a value it does not take, or contradicts itself."""
    for name in (*choice.set, *choice.without):
        if name not in ADJUSTMENT_IDS:
            near = difflib.get_close_matches(name, ADJUSTMENT_IDS, n=1)
            raise UsageError(
                f"There is no adjustment {name!r}." + (f" Do you mean {near[0]}?" if near else ""),
                f"Adjustments: {', '.join(ADJUSTMENT_IDS)}.",
            )
    both = [name for name in choice.without if name in choice.set]
    if both:
        raise UsageError(f"The adjustment {both[0]} is both set and left out.", "Keep one of the two.")
    for adjustment in ADJUSTMENTS:
        if adjustment.id in choice.set:
            _parse(adjustment, choice.set[adjustment.id], default=True)


def switches(facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice) -> tuple[Switch, ...]:
    """Every adjustment, on or off, with its reason. Without facts only those that every cluster needs are on.

    Raises UsageError as ``check_choice`` does.
    """
    check_choice(choice)
    served = served_nodes(facts, chosen, choice)
    return tuple(_switch(one, one.reason(facts, chosen, choice, served), choice) for one in ADJUSTMENTS)


def _switch(adjustment: Adjustment, reason: Reason, choice: ManifestChoice) -> Switch:
    on, value = reason.needed, reason.value
    forced_by: Literal["", "set", "without", "preset"] = ""
    if adjustment.id in choice.without:
        on, forced_by = False, "without"
    elif adjustment.id in choice.set:
        given = choice.set[adjustment.id]
        on, forced_by = _switched_on(given), "set"
        value = _parse(adjustment, given, default=reason.value) if on else reason.value
    elif choice.preset == "guide":
        on, forced_by = False, "preset"
    return Switch(
        adjustment.id, adjustment.title, reason.why, on, reason.needed, value, adjustment.value_kind, forced_by
    )


def render(facts: ClusterFacts | None, chosen: Sequence[NodeVerdict], choice: ManifestChoice) -> Rendering:
    """The manifest for a cluster (or for none in particular), its chosen nodes and a person's choices.

    Raises UsageError as ``check_choice`` does.
    """
    found = switches(facts, chosen, choice)
    objects = guide_objects()
    for adjustment, switch in zip(ADJUSTMENTS, found, strict=True):
        if switch.on:
            objects = adjustment.change(objects, switch.value)
    return Rendering(objects, found)


_ON = ("true", "on", "yes")
_OFF = ("false", "off", "no")


def _switched_on(value: Value) -> bool:
    return not (value is False or (isinstance(value, str) and value.lower() in _OFF))


def _parse(adjustment: Adjustment, value: Value, *, default: Value) -> Value:
    """The value in its own type; ``default`` where it says no more than "on"."""
    if isinstance(value, bool) or str(value).lower() in (*_ON, *_OFF):
        return default
    text = str(value).strip()
    pattern, example = _SHAPES[adjustment.value_kind]
    if not re.fullmatch(pattern, text):
        raise UsageError(f"{adjustment.id} does not take {value!r}.", f"It takes {example}.")
    return int(text) if adjustment.value_kind == "count" else text


def is_image(text: str) -> bool:
    """Whether it is an image reference."""
    return re.fullmatch(_SHAPES["image"][0], text) is not None


_SEGMENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]+)?"
_TAINT = r"[A-Za-z0-9][-A-Za-z0-9_./]*(?:=[-A-Za-z0-9_.]*)?:(?:NoSchedule|NoExecute)"
_SHAPES: Mapping[ValueKind, tuple[str, str]] = {
    "switch": (r"(?!)", "true or false"),
    "image": (
        rf"(?:{_HOST}/)?{_SEGMENT}(?:/{_SEGMENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
        "an image reference: registry.example.org/sdm:v1.20.12",
    ),
    "quantity": (r"(?=.*[1-9])[0-9]+(?:\.[0-9]+)?(?:[kMGT]|[KMGT]i)?", "an amount of memory above 0: 30Mi"),
    "count": (r"0*[1-9][0-9]{0,8}", "a whole number above 0: 110"),
    "taints": (rf"{_TAINT}(?:,\s*{_TAINT})*", "taints with commas between: dedicated=coder:NoSchedule"),
    "name": (r"[a-z][a-z0-9_]*_t", f"an SELinux type: {PLUGIN_TYPE} or spc_t"),
}


def _nodes(count: int, kind: str = "") -> str:
    word = f"{kind} node" if kind else "node"
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
