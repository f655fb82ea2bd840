"""The explanation of every finding and every adjustment, for readers who are new to the topic.

The texts are in ``assets/explanations``: Markdown, with a heading for each id, ``# ID: Title``. They need no network.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from wizard.errors import UsageError
from wizard.resources import asset_text

FILES = ("prerequisites.md", "security-modules.md", "adjustments.md", "coder.md", "verify.md")


def explain(name: str) -> str:
    """Returns the explanation of an id, without its heading; ``@`` and what follows it in the id is ignored.

    Raises UsageError with similar ids if there is none.
    """
    texts = _texts()
    wanted = name.partition("@")[0]
    if wanted in texts:
        return texts[wanted][1]
    near = difflib.get_close_matches(wanted, texts, n=3, cutoff=0.5) or [
        one for one in texts if wanted and wanted in one
    ]
    raise UsageError(
        f"No finding or adjustment has the ID {name!r}.",
        f"Similar IDs: {', '.join(near[:3])}." if near else "To list all IDs, run podman-wizard explain.",
    )


def ids() -> tuple[str, ...]:
    """Returns every id with an explanation, in the order of the steps."""
    return tuple(_texts())


def titles() -> dict[str, str]:
    """Returns the title of every id, in the order of the steps."""
    return {name: title for name, (title, _) in _texts().items()}


@lru_cache(maxsize=1)
def _texts() -> dict[str, tuple[str, str]]:
    """Returns the title and the text of each id."""
    found: dict[str, tuple[str, str]] = {}
    profile = asset_text("verify", "podman-workspace.apparmor")
    for file in FILES:
        for section in re.split(r"(?m)^# ", asset_text("explanations", file))[1:]:
            heading, _, text = section.partition("\n")
            name, _, title = heading.strip().partition(": ")
            found[name] = title, text.strip().replace("{profile}", profile) + "\n"
    return found
