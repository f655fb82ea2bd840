"""Coder itself: its v1 API (enable templates, upload a policy after showing its impact), and what v2 needs instead.

The v1 API is known from the source of the Coder CLI (coder/coder-v1-cli, the last open version, about 1.23).
Paths below ``/api/private`` are not a stable interface, and nothing was tested on a live deployment. ``UNTRIED``
says so wherever a user decides whether to use it. If a response is not what was expected, the error names the
steps that do the same by hand.

Modules: ``credentials`` (URL and token), ``client`` (requests), ``answers`` (Coder's responses, as data),
``refusals`` (Coder's errors in its own words), ``steps`` (status, enabling, upload in three stages), ``actions``
(the same in a plan), ``v2`` (parts of a Terraform template), ``commands``.
"""

UNTRIED = (
    "This uses the Coder API as found in the Coder CLI source (about version 1.23). "
    "It has not been tested on a live deployment."
)
"""What a user needs to know before relying on this package."""

CLICKS_ENABLE = "in Coder, go to Manage > Admin > Templates, set Enable workspace templates to On, and click Save"
CLICKS_UPLOAD = "in Coder, go to Manage > Admin > Templates, upload the file under Template policy, and click Save"
"""The guide's steps in the Coder UI, which always work."""

EXPLAINED = ("coder.api", "coder.templates", "coder.impact", "coder.upload", "coder.v2")
"""Ids of topics that have an explanation (wizard.explanations)."""
