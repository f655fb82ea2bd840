"""Kubernetes quantities (``100m``, ``15Mi``, ``50``): read, written, and compared by value.

The only reader and writer of quantities in the project. The forms are those of apimachinery's
``resource.Quantity``: the server stores ``1000`` as ``1k``, and compares by value.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
"""What the server checks a quantity against before it parses it."""

_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s?)?")
"""A duration as Go writes it, without fractions; a number alone counts seconds."""


def seconds_of(text: str) -> int:
    """Returns a duration (``300``, ``90s``, ``5m``, ``1h30m``) in seconds. Raises ValueError if it is none, or 0."""
    found = _DURATION.fullmatch(text) if text.isascii() else None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (total := hours * 3600 + minutes * 60 + seconds):
        raise ValueError(f"{text!r} is not a duration above 0, such as 300 (seconds) or 5m")
    return total


class QuantityError(ValueError):
    """A text that is not a quantity; the message has the server's words."""


def _parts(text: str) -> tuple[Decimal, str]:
    match = QUANTITY.match(text)
    if not match:
        raise QuantityError(f"quantities must match the regular expression '{QUANTITY.pattern}'")
    number, suffix = match.groups()
    if not re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", number):
        raise QuantityError(f"quantities must match the regular expression '{QUANTITY.pattern}'")
    exponent = re.fullmatch(r"[eE]([-+]?[0-9]+)", suffix)
    if exponent:
        return Decimal(number) * Decimal(10) ** int(exponent[1]), ""
    if suffix not in _BINARY and suffix not in _DECIMAL:
        raise QuantityError("unable to parse quantity's suffix")
    return Decimal(number), suffix


def amount(value: Any) -> Decimal:
    """Returns a quantity as a number. Raises QuantityError."""
    number, suffix = _parts(str(value))
    if suffix in _BINARY[1:]:
        return number * Decimal(1024) ** _BINARY.index(suffix)
    return number * Decimal(10) ** _DECIMAL[suffix]


def canonical(value: Any) -> str:
    """Returns a quantity as the server stores it: ``0.1`` is ``100m``, ``1024Mi`` is ``1Gi``. Raises QuantityError.

    Measured on 1.36: a binary suffix stays binary while the number is whole, an exponent stays an exponent.
    """
    text = str(value)
    number, suffix = _parts(text)
    if suffix in _BINARY[1:]:
        scaled, power = number * 1024 ** _BINARY.index(suffix), 0
        while scaled and scaled % 1024 == 0 and power < len(_BINARY) - 1:
            scaled, power = scaled / 1024, power + 1
        if scaled == int(scaled):
            return f"{int(scaled)}{_BINARY[power]}"
    total = amount(text)
    if not total:
        return "0"
    by_exponent = re.search(r"[eE][-+]?[0-9]", text) is not None
    for sign, exponent in sorted(_DECIMAL.items(), key=lambda pair: -pair[1]):
        scaled = total / Decimal(10) ** exponent
        if scaled == int(scaled):
            return f"{int(scaled)}{f'e{exponent}' * bool(exponent) if by_exponent else sign}"
    return f"{math.ceil(total * 10**9)}n"


def whole(value: Any) -> int | None:
    """Returns a quantity as a whole number, rounded down; None if it is not a quantity."""
    try:
        return int(amount(value))
    except QuantityError:
        return None


def equal(one: Any, other: Any) -> bool:
    """Tells whether two quantities have the same value; texts that are not quantities are compared as texts."""
    try:
        return amount(one) == amount(other)
    except QuantityError:
        return str(one) == str(other)
