"""Fields of an object that other field managers own: how they are named, and leaving them out of an apply.

Paths are in the form of the API server's conflicts:
``.spec.template.spec.containers[name="smarter-device-manager"].image``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from typing import Any

from wizard.facts import KubernetesObject

_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<item>(?:\"(?:[^\"\\]|\\.)*\"|[^\]\"])*)\]")
_PAIR = re.compile(r"([^=,]*)=(\"(?:[^\"\\]|\\.)*\"|[^,]*)")


def without_fields(item: KubernetesObject, paths: Iterable[str]) -> KubernetesObject:
    """A copy of the object without these fields, so that an apply leaves them to who owns them."""
    result = copy.deepcopy(item)
    for path in paths:
        _remove(result, list(_steps(path)))
    return result


def _steps(path: str) -> Iterable[str | dict[str, Any] | int]:
    for match in _STEP.finditer(path):
        if match["key"] is not None:
            yield match["key"]
        elif re.fullmatch(r"\d+", match["item"]):
            yield int(match["item"])
        else:
            yield {key: json.loads(value) for key, value in _PAIR.findall(match["item"])}


def _remove(value: Any, steps: list[str | dict[str, Any] | int]) -> None:
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(step, str) and isinstance(value, dict):
            # A key may hold dots of its own (annotations), so the longest key that fits is taken.
            rest = [step]
            while ".".join(rest) not in value and number + len(rest) < len(steps):
                following = steps[number + len(rest)]
                if not isinstance(following, str):
                    return
                rest.append(following)
            key = ".".join(rest)
            if key not in value:
                return
            if number + len(rest) == len(steps):
                del value[key]
            else:
                _remove(value[key], steps[number + len(rest) :])
            return
        if isinstance(value, list):
            index = step if isinstance(step, int) else _index(value, step)
            if index is None or index >= len(value):
                return
            if last:
                del value[index]
                return
            value = value[index]
        else:
            return


def _index(items: list[Any], key: Any) -> int | None:
    for index, item in enumerate(items):
        if isinstance(key, dict) and (
            (isinstance(item, dict) and all(item.get(name) == wanted for name, wanted in key.items()))
            or key == {"": item}
        ):
            return index
    return None
