"""Text from outside (node names, server messages, YAML) made harmless for a terminal."""

from __future__ import annotations

import unicodedata


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with every control and bidirectional character shown as an escape (``\x1b``).

    A server's message or a node's name could otherwise move the cursor, change the title or hide
    what it says. With ``lines``, newlines and tabs stay.
    """
    kept = "\n\t" if lines else ""
    # The interpreter's own test is stricter, and a hundred times as fast.
    if (text.replace("\n", "").replace("\t", "") if lines else text).isprintable():
        return text
    return "".join(
        character
        if character in kept or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        else character.encode("unicode_escape").decode("ascii")
        if ord(character) < 0xD800 or ord(character) > 0xDFFF
        else f"\\u{ord(character):04x}"
        for character in text
    )
