"""Characters that look like a space and are none for YAML."""

from __future__ import annotations

import re

_SPACES = "\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000"
_NAMES = {"\u00a0": "a no-break space", "\u200b": "a zero-width space", "\u3000": "an ideographic space"}

ODD_SPACE = re.compile(f"[{_SPACES}]")
STRUCTURAL_SPACE = re.compile(f"(?:[:-]|^)([{_SPACES}])|([{_SPACES}])(?:#|$)|([{_SPACES}])(?:[:-] )")
"""One in a place where a space was probably meant: after a colon or a dash, before a comment, at an end."""


def space_in_words(character: str) -> str:
    """Returns a character that looks like a space: ``a no-break space (U+00A0)``."""
    return f"{_NAMES.get(character, 'an unusual space')} (U+{ord(character):04X})"
