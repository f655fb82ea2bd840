"""Comparing what the sandbox answers with what a real server answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"

_TIMES = "creationTimestamp time deletionTimestamp lastTransitionTime lastHeartbeatTime startedAt finishedAt startTime"
_OTHERS = "firstTimestamp lastTimestamp uid resourceVersion continue imageID controller-revision-hash"
VOLATILE = frozenset([*_TIMES.split(), *_OTHERS.split()])
"""Keys whose values no two servers share; that they are there, and of which type, is compared."""
ADDRESS = re.compile(r"10\.\d+\.\d+\.\d+")
GENERATED = re.compile(r"(smarter-device-manager)([-.])(?:[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9a-f]{16})\b")
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def recordings() -> dict[int, dict[str, Any]]:
    """All recordings by number."""
    numbered = {int(path.name.partition("-")[0]): path for path in RECORDINGS.glob("*.json")}
    return {number: json.loads(path.read_text()) for number, path in sorted(numbered.items())}


def comparable(value: Any, key: str = "") -> Any:
    """A body with all that cannot be the same in two clusters replaced by what kind of thing it is."""
    if key in VOLATILE and not isinstance(value, dict | list):
        return f"<{key}: {type(value).__name__}>"
    if isinstance(value, dict):
        return {_plain(name): comparable(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        if key == "managedFields":  # its order follows times, which are as coarse as seconds
            items.sort(key=lambda one: (one["operation"], one["manager"], one.get("subresource", "")))
        return items
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    text = GENERATED.sub(r"\1\2<generated>", UID.sub("<uid>", ADDRESS.sub("<address>", text)))
    return "kubelet" if text == "Python" else text


def differences(recorded: Any, answered: Any, path: str = "") -> list[str]:
    """What differs, a line a difference; both sides are comparable."""
    if type(recorded) is not type(answered):
        return [f"{path}: recorded {recorded!r:.200}, answered {answered!r:.200}"]
    if isinstance(recorded, dict):
        found = [f"{path}.{key}: missing in the answer" for key in recorded if key not in answered]
        found += [
            f"{path}.{key}: not in the recording ({answered[key]!r:.100})" for key in answered if key not in recorded
        ]
        for key in recorded:
            if key in answered:
                found += differences(recorded[key], answered[key], f"{path}.{key}")
        return found
    if isinstance(recorded, list):
        if len(recorded) != len(answered):
            return [f"{path}: recorded {len(recorded)} items, answered {len(answered)}"]
        return [
            line
            for index, (one, other) in enumerate(zip(recorded, answered, strict=True))
            for line in differences(one, other, f"{path}[{index}]")
        ]
    return [] if recorded == answered else [f"{path}: recorded {recorded!r:.300}, answered {answered!r:.300}"]
