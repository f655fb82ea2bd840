"""Makes text from outside (node names, server messages, YAML) safe to print on a terminal."""

from __future__ import annotations

import unicodedata

from wizard.text.redaction import redacted


def printable(text: str, *, lines: bool = False) -> str:
    r"""Returns the text with every control and bidirectional character as an escape (``\x1b``).

    Otherwise, a server's message or a node's name could move the cursor, change the title, or hide
    its own text. Known secrets are replaced too. With ``lines``, newlines and tabs stay.
    """
    kept = "\n\t" if lines else ""
    text = redacted(text)
    # The interpreter's own test is stricter, and a hundred times faster.
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


def visible(text: str) -> str:
    """Returns the text as ``printable`` does, in quotes if it is empty, or begins or ends with a space."""
    return f'"{printable(text)}"' if text != text.strip() or not text else printable(text)
