"""The device manager's manifest: the guide's objects, the adjustments, and what both make for a cluster."""

from __future__ import annotations

from wizard.manifest.adjustments import (
    ADJUSTMENT_IDS,
    ADJUSTMENTS,
    Basis,
    confines_containers,
    enforced_level,
    pods_per_node,
    quota_for,
)
from wizard.manifest.device_config import HASH_ANNOTATION, devices_in
from wizard.manifest.guide import GUIDE_DEVICES, GUIDE_QUOTA, container_of, guide_objects, pod_of
from wizard.manifest.rendering import Rendering, Switch, attribution, check_choice, render, selects_every_node
from wizard.manifest.values import PLUGIN_TYPE, is_image

__all__ = [
    "ADJUSTMENTS",
    "ADJUSTMENT_IDS",
    "GUIDE_DEVICES",
    "GUIDE_QUOTA",
    "HASH_ANNOTATION",
    "PLUGIN_TYPE",
    "Basis",
    "Rendering",
    "Switch",
    "attribution",
    "check_choice",
    "confines_containers",
    "container_of",
    "devices_in",
    "enforced_level",
    "guide_objects",
    "is_image",
    "pod_of",
    "pods_per_node",
    "quota_for",
    "render",
    "selects_every_node",
]
