"""The long text behind every id of a finding and of an adjustment, for who meets the matter for the first time.

The texts are in ``assets/explanations``: Markdown, a heading an id. They need no network.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from wizard.errors import UsageError
from wizard.resources import asset_text

FILES = ("prerequisites.md", "security-modules.md", "adjustments.md", "coder.md")


def explain(name: str) -> str:
    """The text for an id, without its heading. Of ``modules.apparmor@ubuntu...`` the part before the @ counts.

    Raises UsageError for an id that has none, with those that are near.
    """
    texts = _texts()
    wanted = name.partition("@")[0]
    if wanted in texts:
        return texts[wanted]
    near = difflib.get_close_matches(wanted, texts, n=3, cutoff=0.5) or [
        one for one in texts if wanted and wanted in one
    ]
    raise UsageError(
        f"There is no explanation of {name!r}.",
        f"Near: {', '.join(near[:3])}." if near else "podman-wizard explain lists all of them.",
    )


def ids() -> tuple[str, ...]:
    """Every id that has a text, in the order of the steps."""
    return tuple(_texts())


@lru_cache(maxsize=1)
def _texts() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in FILES:
        for section in re.split(r"(?m)^# ", asset_text("explanations", file))[1:]:
            name, _, text = section.partition("\n")
            found[name.strip()] = text.strip() + "\n"
    return found
