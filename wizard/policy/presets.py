"""New policies: the guide's two, byte for byte."""

from __future__ import annotations

from wizard.policy.words import PRESETS
from wizard.resources import asset_bytes


def new_policy(preset: str = "podman") -> bytes:
    """Returns one of the guide's policies; ``preset`` is one of ``PRESETS``."""
    if preset not in PRESETS:
        raise ValueError(preset)
    return asset_bytes("policies", f"{preset}.yaml")
