"""The API of Coder v2, as far as a template needs it: list, pull, push, follow the import, promote, and undo.

The requests follow the API reference of coder/coder (docs/reference/api, of 2026) and the source of its command line.
Nothing was tested on a live deployment; ``UNTRIED`` says so wherever a user decides whether to use it.

Modules: ``credentials`` (as Coder's own command line has them), ``client`` (requests), ``answers`` (responses, as
data), ``refusals`` (errors), ``archive`` (a version's files), ``looking`` (what a push would do), ``pushing`` (a push
in stages), ``actions`` (a push in a plan and in the journal, and its undo).
"""

UNTRIED = "This uses the API of Coder v2 as documented in 2026. It has not been tested on a live deployment."
"""What a user needs to know before relying on this package."""
