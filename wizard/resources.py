"""Where the files of ``assets/`` are, in a checkout, a wheel and the single file alike."""

from __future__ import annotations

from pkgutil import get_data
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def asset(*parts: str) -> Traversable:
    """A file or folder under ``assets/``."""
    from importlib.resources import files  # here, because it takes longer to import than a merge takes

    return files("assets").joinpath(*parts)


def asset_text(*parts: str) -> str:
    """The text of a file under ``assets/``."""
    return asset_bytes(*parts).decode("utf-8")


def asset_bytes(*parts: str) -> bytes:
    """The bytes of a file under ``assets/``."""
    content = get_data("assets", "/".join(parts))
    assert content is not None
    return content
