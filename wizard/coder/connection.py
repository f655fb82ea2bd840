"""A connection to Coder: a deployment, or the sandbox's own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, get_args

from wizard.abandoning import abandonable
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials, find_credentials
from wizard.errors import UsageError

if TYPE_CHECKING:
    from wizard.coder.v2.client import TemplatesClient
    from wizard.sandbox.coder import SandboxCoder
    from wizard.sandbox.coder_v2 import SandboxTemplates

    SimulatedCoder = SandboxCoder | SandboxTemplates

BEHAVIOURS_VARIABLE = "PODMAN_WIZARD_SANDBOX_CODER"
"""Names of behaviors (wizard.sandbox.coder), separated by commas, to show what a failure looks like."""


@asynccontextmanager
async def connected_coder(
    url: str | None = None,
    *,
    credentials: CoderCredentials | None = None,
    scenario: str | None = None,
    sandbox: SimulatedCoder | None = None,
    token_needed: bool = True,
) -> AsyncIterator[CoderClient]:
    """Opens a client, and closes it at the end.

    In the sandbox it connects to ``sandbox``, or with a ``scenario`` to one that exists as long as the
    connection; otherwise to the deployment of the ``credentials``, or to the one that ``find_credentials``
    finds. Raises what that raises.
    """
    async with AsyncExitStack() as stack:
        if sandbox is None and scenario is not None:
            sandbox = await stack.enter_async_context(await start_sandbox(scenario))
        if sandbox is not None:
            credentials = CoderCredentials(sandbox.url, sandbox.token, "sandbox")
        if credentials is None:
            # The home folder can be on a disk that is stalled.
            credentials = await abandonable(find_credentials, url, token_needed=token_needed)
        yield await stack.enter_async_context(CoderClient(credentials))


@asynccontextmanager
async def connected_templates(
    url: str | None = None, *, credentials: CoderCredentials | None = None, sandbox: SimulatedCoder | None = None
) -> AsyncIterator[TemplatesClient]:
    """Opens a client of Coder v2, and closes it at the end; in the sandbox it connects to ``sandbox``.

    Raises what ``v2.credentials.find_credentials`` raises.
    """
    from wizard.coder.v2.client import TemplatesClient
    from wizard.coder.v2.credentials import find_credentials as find

    if sandbox is not None:
        credentials = CoderCredentials(sandbox.url, sandbox.token, "sandbox")
    if credentials is None:
        credentials = await abandonable(find, url)
    async with TemplatesClient(credentials) as client:
        yield client


async def start_sandbox(scenario: str) -> SimulatedCoder:
    """Starts the Coder of a sandbox scenario: v2 in ``coder-v2``; in ``restricted`` the user is not a site admin."""
    from wizard.sandbox.coder import Behaviour, SandboxCoder
    from wizard.sandbox.coder_v2 import SCENARIO, Fault, start_templates

    named = [name for name in os.environ.get(BEHAVIOURS_VARIABLE, "").split(",") if name]
    known = get_args(Fault if scenario == SCENARIO else Behaviour)
    for name in named:
        if name not in known:
            raise UsageError(f"{BEHAVIOURS_VARIABLE}: {name} is unknown.", f"Use one of {', '.join(known)}.")

    if scenario == SCENARIO:
        return await start_templates(tuple(named))
    if scenario == "restricted":
        named.append("wrong-role")
    return await SandboxCoder.start(*(name for name in known if name in named))
