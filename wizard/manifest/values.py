"""The values of adjustments: their kinds, how they are written, and taints as ``kubectl taint`` writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from wizard.errors import UsageError

Value = str | int | bool
ValueKind = Literal["switch", "image", "quantity", "count", "taints", "name", "share", "names"]
"""Only on or off; an image reference; an amount of memory; a number above 0; taints as ``kubectl taint`` writes them,
separated by commas; an SELinux type; a number or a percentage of nodes; names of objects, separated by commas."""

PLUGIN_TYPE: Final = "container_device_plugin_t"
"""The SELinux type of container-selinux for device plugins: it can connect to the kubelet's socket."""

RECOMMENDED: Final = "recommended"
"""The value that means: as this cluster needs it, whatever is live."""

_ON = ("true", "on", "yes")
_OFF = ("false", "off", "no")


def is_on(value: Value) -> bool:
    """Tells whether a value that was set turns its adjustment on."""
    return not (value is False or (isinstance(value, str) and value.lower() in _OFF))


def parse(adjustment: str, kind: ValueKind, value: Value, *, default: Value) -> Value:
    """Returns the value in its own type; ``default`` if it says no more than "on". Raises UsageError."""
    if isinstance(value, bool) or str(value).lower() in (*_ON, *_OFF):
        return default
    text = str(value).strip()
    pattern, example = _SHAPES[kind]
    if not re.fullmatch(pattern, text):
        raise UsageError(f"{adjustment}: {value!r} is not a valid value.", f"Use {example}.")
    return int(text) if kind == "count" else text


def is_image(text: str) -> bool:
    """Tells whether a text is an image reference."""
    return re.fullmatch(_SHAPES["image"][0], text) is not None


_SEGMENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]+)?"
_TAINT = r"[A-Za-z0-9][-A-Za-z0-9_./]*(?:=[-A-Za-z0-9_.]*)?:(?:NoSchedule|NoExecute)"
_OBJECT = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_SHAPES: Mapping[ValueKind, tuple[str, str]] = {
    "switch": (r"(?!)", "true or false"),
    "image": (
        rf"(?:{_HOST}/)?{_SEGMENT}(?:/{_SEGMENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
        "an image reference, for example registry.example.org/sdm:v1.20.12",
    ),
    "quantity": (r"(?=.*[1-9])[0-9]+(?:\.[0-9]+)?(?:[kMGT]|[KMGT]i)?", "an amount of memory above 0, for example 30Mi"),
    "count": (r"0*[1-9][0-9]{0,8}", "a whole number above 0, for example 110"),
    "taints": (rf"{_TAINT}(?:,\s*{_TAINT})*", "taints separated by commas, for example dedicated=coder:NoSchedule"),
    "share": (r"0*[1-9][0-9]{0,5}|[1-9][0-9]?%|100%", "a number of nodes or a percentage, for example 5 or 10%"),
    "names": (rf"{_OBJECT}(?:,\s*{_OBJECT})*", "names of secrets separated by commas, for example regcred"),
    "name": (r"[a-z][a-z0-9_]*_t", f"an SELinux type, for example {PLUGIN_TYPE} or spc_t"),
}


def toleration_of(taint: str) -> dict[str, str]:
    """Returns the toleration of a taint: ``dedicated=coder:NoSchedule``."""
    name, _, effect = taint.strip().rpartition(":")
    key, equals, value = name.partition("=")
    if equals:
        return {"key": key, "operator": "Equal", "value": value, "effect": effect}
    return {"key": key, "operator": "Exists", "effect": effect}


def taint_of(toleration: Mapping[str, Any]) -> str:
    """Returns the taint that a toleration is for; "" if no taint says the same (no key, or a time limit)."""
    key, effect = toleration.get("key"), toleration.get("effect")
    if not key or effect not in ("NoSchedule", "NoExecute") or "tolerationSeconds" in toleration:
        return ""
    value = f"={toleration.get('value', '')}" if toleration.get("operator", "Equal") == "Equal" else ""
    taint = f"{key}{value}:{effect}"
    return taint if re.fullmatch(_TAINT, taint) else ""
