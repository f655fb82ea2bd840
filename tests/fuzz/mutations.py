"""Damage to documents, always the same for the same seed."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "odd",
    "\x1b[2J\u202e",
    "x" * 3000,
    [],
    {},
    ["odd"],
    [None],
    [[]],
    [{}],
    {"odd": "odd"},
    {"odd": None},
    {"name": {"odd": []}},
)
"""What a field becomes."""


def mutated(document: Any, random: Random) -> tuple[Any, str]:
    """Returns the document with one place dropped, retyped, or nested, and what was done to it."""
    document = copy.deepcopy(document)
    holder: Any = {"": document}
    key: Any = ""
    path = ""
    while True:
        value = holder[key]
        inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if not inner or random.random() < 0.15:
            break
        holder, key = value, random.choice(inner)
        path += f"/{key}"
    match random.randrange(4):
        case 0 if path:
            del holder[key]
            return document, f"drop {path}"
        case 1:
            depth = random.choice((1, 2, 90, 150))
            for _ in range(depth):
                holder[key] = random.choice((list, lambda one: {"odd": one}))([holder[key]])
            return (document if path else holder[key]), f"nest {path} {depth}"
        case _:
            holder[key] = copy.deepcopy(random.choice(ODD))
            return (document if path else holder[key]), f"retype {path} {str(holder[key])[:40]!r}"


def damaged(body: bytes, random: Random) -> tuple[bytes, str]:
    """Returns a JSON body with some damage: usually in its content, at times in its bytes."""
    kind = random.randrange(20)
    if kind == 0:
        cut = random.randrange(len(body) + 1)
        return body[:cut] + random.choice((b"", b"}", b"]}", b"\xff}")), f"truncate at {cut}"
    if kind == 1:
        deep = random.choice((200, 100_000))
        return b'{"metadata":' * deep + b"{}" + b"}" * deep, f"nest {deep}"
    document, what = mutated(json.loads(body), random)
    if random.random() < 0.2:
        document, more = mutated(document, random)
        what = f"{what}, {more}"
    return json.dumps(document).encode(), what
