"""The manifest that a cluster, its nodes, and the choices make: every adjustment decided, and the objects."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from wizard.choices.answers import UNDECIDED, ManifestChoice, OwnershipChoice
from wizard.errors import UsageError
from wizard.facts.differences import to_yaml
from wizard.facts.live import Live
from wizard.facts.objects import KubernetesObject, leaves, same_value
from wizard.manifest.adjustments import (
    ADJUSTMENT_IDS,
    ADJUSTMENTS,
    LEFT_OUT_ANNOTATION,
    POD_SECURITY,
    Adjustment,
    Basis,
    Reason,
    config_of_ours,
    left_out_here,
    other_tolerations,
)
from wizard.manifest.device_config import FILE, text_of
from wizard.manifest.guide import GUIDE_DEVICES, Objects, edit, guide_objects, pod_of
from wizard.manifest.values import RECOMMENDED, Value, ValueKind, is_on, parse
from wizard.names import NODE_LABEL

Source = Literal["set", "without", "preset", "live", "facts"]
"""What decided an adjustment: the choices, a preset that was given, what is live and ours, or the facts."""

BY_ADJUSTMENT = {adjustment.id: adjustment for adjustment in ADJUSTMENTS}


@dataclass(frozen=True, slots=True)
class Switch:
    """An adjustment as the user sees it: on or off, its value, and what decided that.

    ``value`` is what it is set to, or would be if it were turned on. ``recommended`` is the value that this cluster
    needs (None: it needs none). ``live`` is what was chosen here before (None: nothing of ours tells; False: the
    guide's value).
    """

    id: str
    title: str
    why: str
    on: bool
    needed: bool
    value: Value
    value_kind: ValueKind
    source: Source
    recommended: Value | None = None
    live: Value | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the adjustment as commands print it."""
        return {
            "id": self.id,
            "title": self.title,
            "why": self.why,
            "on": self.on,
            "needed": self.needed,
            "value": self.value,
            "source": self.source,
            "recommended": self.recommended,
            "live": self.live,
        }


@dataclass(frozen=True, slots=True)
class Rendering:
    """The manifest from facts and choices: four objects in the guide's order, and all adjustments."""

    objects: Objects
    switches: tuple[Switch, ...]

    def yaml(self) -> str:
        """Returns the objects as one YAML text of four documents, for ``kubectl apply -f``."""
        return to_yaml(self.objects)

    def switch(self, adjustment: str) -> Switch:
        """Returns the adjustment with this id."""
        return next(one for one in self.switches if one.id == adjustment)


def check_choice(choice: ManifestChoice) -> None:
    """Raises UsageError if a choice names no adjustment, has an invalid value, or contradicts itself."""
    for name in (*choice.set, *choice.without):
        if name not in ADJUSTMENT_IDS:
            near = difflib.get_close_matches(name, ADJUSTMENT_IDS, n=1)
            raise UsageError(
                f"There is no adjustment {name!r}." + (f" Did you mean {near[0]}?" if near else ""),
                f"Adjustments: {', '.join(ADJUSTMENT_IDS)}.",
            )
    both = [name for name in choice.without if name in choice.set]
    if both:
        raise UsageError(
            f"Adjustment {both[0]} is both turned on (set) and turned off (without).", "Keep only one of them."
        )
    for adjustment in ADJUSTMENTS:
        if adjustment.id in choice.set and choice.set[adjustment.id] != RECOMMENDED:
            parse(adjustment.id, adjustment.value_kind, choice.set[adjustment.id], default=True)


def render(basis: Basis, choice: ManifestChoice, ownership: OwnershipChoice = UNDECIDED) -> Rendering:
    """Returns the manifest for a cluster (or for none in particular), its selected nodes, and the choices.

    ``ownership`` counts where another manager's configuration is kept: its hash is then the one in the pod template.
    Raises UsageError as ``check_choice`` does.
    """
    check_choice(choice)
    selector = _decide(BY_ADJUSTMENT["no-node-selector"], basis, choice)
    basis = replace(basis, everywhere=selector.on)
    objects = _base(basis.live)
    switches: dict[str, Switch] = {}
    for adjustment in ADJUSTMENTS:
        if adjustment.id == "restart-on-change":
            config = _decided_config(objects, basis.live, ownership)
            basis = replace(basis, config=config)
            found = _decide_restart(adjustment, basis, choice, objects)
            if found.on:
                objects = adjustment.change(objects, config)
        else:
            found = _decide(adjustment, basis, choice)
            if found.on:
                objects = adjustment.change(objects, found.value)
        switches[adjustment.id] = found
    objects = _with_left_out(objects, switches.values(), choice)
    return Rendering(objects, tuple(switches.values()))


def _base(live: Mapping[str, Live]) -> Objects:
    """Returns the guide's objects, with what is live and ours and no adjustment speaks of.

    These are the entries of the configuration for other devices, tolerations that no taint can say, and the labels
    by which earlier versions set Pod Security's audit and warn levels.
    """
    objects = guide_objects()
    if config := config_of_ours(live):
        objects = edit(objects, "ConfigMap", lambda item: item["data"].update({FILE: config}))
        objects = BY_ADJUSTMENT["devices-per-node"].change(objects, GUIDE_DEVICES)
    if tolerations := other_tolerations(live):
        objects = edit(objects, "DaemonSet", lambda item: pod_of(item).update(tolerations=copy.deepcopy(tolerations)))
    namespace = live.get("Namespace")
    if namespace is not None:
        ours = namespace.ours.get("f:metadata", {}).get("f:labels", {})
        labels = namespace.object["metadata"].get("labels") or {}
        names = [f"{POD_SECURITY}{mode}" for mode in ("audit", "warn")]
        kept = {name: labels[name] for name in names if f"f:{name}" in ours and name in labels}
        objects = edit(objects, "Namespace", lambda item: item["metadata"]["labels"].update(kept))
    return objects


def _decide(adjustment: Adjustment, basis: Basis, choice: ManifestChoice) -> Switch:
    """Decides an adjustment: by the choices, a preset that was given, what is live and ours, or the facts."""
    reason = adjustment.reason(basis)
    here = adjustment.here(basis.live)
    given = choice.set.get(adjustment.id)
    on, value, source = reason.needed, reason.value, "facts"
    if adjustment.id in choice.without:
        on, source = False, "without"
    elif given == RECOMMENDED:
        source = "set"
    elif given is not None:
        on, source = is_on(given), "set"
        value = parse(adjustment.id, adjustment.value_kind, given, default=reason.value) if on else reason.value
    elif choice.preset == "guide":
        on, source = False, "preset"
    elif choice.preset == "recommended":
        source = "preset"
    elif adjustment.id in left_out_here(basis.live):
        on, source = False, "live"
    elif here is not None:
        on, source = here is not False, "live"
        value = here if on and adjustment.value_kind != "switch" else reason.value
        if adjustment.grown is not None and reason.needed:
            on, value = True, adjustment.grown(here, reason.value)
    return _switch(adjustment, reason, on, value, source, here)


def _switch(adjustment: Adjustment, reason: Reason, on: bool, value: Value, source: str, here: Value | None) -> Switch:
    return Switch(
        id=adjustment.id,
        title=adjustment.title,
        why=reason.why,
        on=on,
        needed=reason.needed,
        value=value,
        value_kind=adjustment.value_kind,
        source=source,  # type: ignore[arg-type]
        recommended=reason.value if reason.needed else None,
        live=here,
    )


def _decide_restart(adjustment: Adjustment, basis: Basis, choice: ManifestChoice, objects: Objects) -> Switch:
    """Decides the hash of the configuration: the guide's preset has it only if its configuration is not the guide's."""
    found = _decide(adjustment, basis, choice)
    if found.source == "preset" and choice.preset == "guide":
        guide = next(item for item in guide_objects() if item["kind"] == "ConfigMap")
        return replace(found, on=basis.config != text_of(guide))
    return found


def _decided_config(objects: Objects, live: Mapping[str, Live], ownership: OwnershipChoice) -> str:
    """Returns the configuration as it will be: another manager's, if it is left to that manager."""
    wanted = text_of(next(item for item in objects if item["kind"] == "ConfigMap"))
    found = live.get("ConfigMap")
    if found is None:
        return wanted
    left = ownership.of("ConfigMap", f".data.{FILE}") in ("leave", "skip")
    others = any(f"f:{FILE}" in (fields.get("f:data") or {}) for fields in found.others.values())
    return text_of(found.object) if left and (others or ownership.skips("ConfigMap")) else wanted


def _with_left_out(objects: Objects, switches: Sequence[Switch] | Any, choice: ManifestChoice) -> Objects:
    """Notes on the DaemonSet what was turned off although the cluster needs it, if its absence would not say so."""
    if choice.preset == "guide":
        return objects
    left = [
        one.id
        for one in switches
        if not one.on and one.needed and one.source != "facts" and not BY_ADJUSTMENT[one.id].absence_tells
    ]
    if not left:
        return objects

    def change(item: KubernetesObject) -> None:
        metadata = item["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), LEFT_OUT_ANNOTATION: ",".join(left)}

    return edit(objects, "DaemonSet", change)


def attribution(rendering: Rendering) -> Mapping[str, str]:
    """Returns, by kind and path, the adjustment that sets or removes a field."""
    guide = guide_objects()
    found: dict[str, str] = {}
    for one in rendering.switches:
        if one.on:
            changed = BY_ADJUSTMENT[one.id].change(guide, _example(one))
            found |= dict.fromkeys(_differing(guide, changed), one.id)
    left = next(item for item in rendering.objects if item["kind"] == "DaemonSet")["metadata"].get("annotations") or {}
    if LEFT_OUT_ANNOTATION in left:
        found[f"DaemonSet .metadata.annotations.{LEFT_OUT_ANNOTATION}"] = left[LEFT_OUT_ANNOTATION]
    return found


def _example(switch: Switch) -> Value:
    return "dedicated:NoSchedule" if switch.id == "tolerations" else switch.value


def _differing(old: Objects, new: Objects) -> list[str]:
    paths = []
    for before, after in zip(old, new, strict=True):
        one, other = dict(leaves(before)), dict(leaves(after))
        paths += [
            f"{after['kind']} {path}"
            for path in dict.fromkeys([*one, *other])
            if not same_value(path, one.get(path), other.get(path))
        ]
    return paths


def selects_every_node(objects: Sequence[KubernetesObject]) -> bool:
    """Tells whether the DaemonSet does not need the label: the guide's alternative to labels."""
    daemon_set = next((item for item in objects if item["kind"] == "DaemonSet"), None)
    return daemon_set is not None and NODE_LABEL not in (pod_of(daemon_set).get("nodeSelector") or {})
