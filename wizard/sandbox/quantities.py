"""Kubernetes quantities: ``100m``, ``15Mi``, ``50``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

QUANTITY = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
"""What the server checks a quantity against before it parses it."""

_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


class QuantityError(ValueError):
    """A text that is no quantity, in the server's words."""


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
    """A quantity as a number."""
    number, suffix = _parts(str(value))
    if suffix in _BINARY[1:]:
        return number * Decimal(1024) ** _BINARY.index(suffix)
    return number * Decimal(10) ** _DECIMAL[suffix]


def canonical(value: Any) -> str:
    """A quantity as the server writes it back: ``0.1`` is ``100m``, ``1024Mi`` is ``1Gi``."""
    text = str(value)
    number, suffix = _parts(text)
    if suffix in _BINARY[1:]:
        whole, power = number * 1024 ** _BINARY.index(suffix), 0
        while whole and whole % 1024 == 0 and power < len(_BINARY) - 1:
            whole, power = whole / 1024, power + 1
        return f"{int(whole)}{_BINARY[power]}"
    total = amount(text)
    if not total:
        return "0"
    for sign, exponent in sorted(_DECIMAL.items(), key=lambda pair: -pair[1]):
        scaled = total / Decimal(10) ** exponent
        if scaled == int(scaled):
            return f"{int(scaled)}{sign}"
    return f"{int(total * 10**9)}n"
