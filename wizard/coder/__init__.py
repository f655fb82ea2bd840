"""Coder itself: its v1 API (enable templates, upload a policy with its impact shown), and what v2 needs instead.

The v1 API was read in the sources of Coder's own command line (coder/coder-v1-cli, the last open version,
about 1.23; paths below ``/api/private`` come without any promise) and never tried on a live deployment.
``UNTRIED`` says so wherever a person decides to trust it. A request that is answered otherwise than expected
ends in an error that names the clicks which do the same.

Rooms: ``credentials`` (URL and token), ``client`` (requests), ``answers`` (what Coder answers, as data),
``refusals`` (Coder's errors in its own words), ``steps`` (status, enabling, upload in three stages), ``actions``
(the same in a plan), ``v2`` (parts of a Terraform template), ``commands``.
"""

UNTRIED = (
    "Coder's API was read in the sources of Coder's own command line (about version 1.23) "
    "and never tried on a live deployment."
)
"""What a person has to know who decides to trust this room."""

CLICKS_ENABLE = "in Coder, Manage > Admin > Templates, switch Enable workspace templates on, and save"
CLICKS_UPLOAD = "in Coder, Manage > Admin > Templates, under Template policy, upload the file, and save"
"""The guide's own way, which always remains."""

EXPLAINED = ("coder.api", "coder.templates", "coder.impact", "coder.upload", "coder.v2")
"""Ids of matters that have an explanation (wizard.explanations)."""
