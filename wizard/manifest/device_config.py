"""The device manager's configuration: which device it offers, and how many times per node.

It is YAML text in the ConfigMap: a list of entries with ``devicematch`` (a regular expression for a name in /dev)
and ``nummaxdevices``. The device manager reads it once, when it starts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from wizard.facts.objects import KubernetesObject

FILE: Final = "conf.yaml"
HASH_ANNOTATION: Final = "podman-wizard/config-hash"
"""In the pod template: a change of the configuration changes it, and so restarts the pods."""

_ENTRY = re.compile(r"(?m)^( *-|-) *")
_NUMBER = re.compile(r"(?m)^(?P<head>[ -]*nummaxdevices:[ \t]*)(?P<number>[^\s#]*)")


def text_of(config_map: Mapping[str, Any] | None) -> str:
    """Returns the configuration in a ConfigMap; "" if it has none."""
    data = (config_map or {}).get("data")
    text = data.get(FILE) if isinstance(data, Mapping) else None
    return text if isinstance(text, str) else ""


def devices_in(config_map: KubernetesObject | None) -> int | None:
    """Returns how many FUSE devices per node a ConfigMap asks for; None if that cannot be read from it."""
    try:
        entries = yaml.safe_load(text_of(config_map))
    except yaml.YAMLError:
        return None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and _matches_fuse(entry.get("devicematch")):
            number = entry.get("nummaxdevices")
            return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None
    return None


def _matches_fuse(pattern: Any) -> bool:
    try:
        return isinstance(pattern, str) and re.search(pattern, "fuse") is not None
    except re.error:
        return False


def with_devices(text: str, devices: int) -> str:
    """Returns the configuration with this number of FUSE devices; other entries stay as they are."""
    starts = [match.start() for match in _ENTRY.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        try:
            entries = yaml.safe_load(part)
        except yaml.YAMLError:
            continue
        first = entries[0] if isinstance(entries, list) and entries else None
        if isinstance(first, Mapping) and _matches_fuse(first.get("devicematch")):
            return text[:start] + _NUMBER.sub(rf"\g<head>{devices}", part, count=1) + text[end:]
    return text


def hash_of(text: str) -> str:
    """Returns the hash of a configuration, as the pod template has it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
