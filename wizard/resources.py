"""Where the files of ``assets/`` are, in a checkout, a wheel and the single file alike."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def asset(*parts: str) -> Traversable:
    """A file or folder under ``assets/``."""
    return files("assets").joinpath(*parts)


def asset_text(*parts: str) -> str:
    """The text of a file under ``assets/``."""
    return asset(*parts).read_text(encoding="utf-8")
