"""Access to the files of ``assets/`` in a checkout, a wheel, and the single file."""

from __future__ import annotations

from pkgutil import get_data
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def asset(*parts: str) -> Traversable:
    """Returns a file or folder under ``assets/``."""
    from importlib.resources import files  # imported here, because importing it takes longer than a merge

    return files("assets").joinpath(*parts)


def asset_text(*parts: str) -> str:
    """Returns the text of a file under ``assets/``."""
    return asset_bytes(*parts).decode("utf-8")


def asset_bytes(*parts: str) -> bytes:
    """Returns the bytes of a file under ``assets/``."""
    content = get_data("assets", "/".join(parts))
    assert content is not None
    return content
