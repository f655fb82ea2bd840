"""New policies: the two of the guide, byte for byte."""

from __future__ import annotations

from wizard.policy.words import PRESETS


def new_policy(preset: str = "podman") -> bytes:
    """One of the guide's policies; ``preset`` is one of ``PRESETS``."""
    from wizard.resources import asset  # here, because a merge does without

    if preset not in PRESETS:
        raise ValueError(preset)
    return asset("policies", f"{preset}.yaml").read_bytes()
