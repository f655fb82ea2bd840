"""The guide's objects, and the same with what today's clusters call for."""

from __future__ import annotations

import copy
from importlib.resources import files

import yaml

from wizard.facts.cluster import KubernetesObject


def guide() -> list[KubernetesObject]:
    text = (files("assets") / "manifests/smarter-device-manager.yaml").read_text()
    return [item for item in yaml.safe_load_all(text) if item]


def adjusted(*, pods: str = "1000", memory: str = "30Mi") -> list[KubernetesObject]:
    namespace, quota, config_map, daemon_set = copy.deepcopy(guide())
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    quota["spec"]["hard"]["pods"] = pods
    spec = daemon_set["spec"]["template"]["spec"]
    spec["containers"][0]["resources"] = {name: {"cpu": "10m", "memory": memory} for name in ("limits", "requests")}
    spec["nodeSelector"]["kubernetes.io/os"] = "linux"
    return [namespace, quota, config_map, daemon_set]
