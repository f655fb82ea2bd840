"""A connection to the Coder that is meant: a deployment, or the sandbox's own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, get_args

from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials, find_credentials
from wizard.errors import UsageError

if TYPE_CHECKING:
    from wizard.sandbox.coder import SandboxCoder

BEHAVIOURS_VARIABLE = "PODMAN_WIZARD_SANDBOX_CODER"
"""Names of behaviours (wizard.sandbox.coder) with commas between, to see how a failure looks."""


@asynccontextmanager
async def connected_coder(
    url: str | None = None,
    *,
    credentials: CoderCredentials | None = None,
    scenario: str | None = None,
    sandbox: SandboxCoder | None = None,
    token_needed: bool = True,
) -> AsyncIterator[CoderClient]:
    """A client that is open, and closed at the end.

    In the sandbox it talks to ``sandbox``, or with a ``scenario`` to one that lives as long as the connection.
    Else to the deployment of the ``credentials``, or as ``find_credentials`` finds it. Raises what that raises.
    """
    async with AsyncExitStack() as stack:
        if sandbox is None and scenario is not None:
            sandbox = await stack.enter_async_context(await start_sandbox(scenario))
        if sandbox is not None:
            credentials = CoderCredentials(sandbox.url, sandbox.token, "sandbox")
        found = credentials or find_credentials(url, token_needed=token_needed)
        yield await stack.enter_async_context(CoderClient(found))


async def start_sandbox(scenario: str) -> SandboxCoder:
    """The Coder of a scenario of the sandbox: in ``restricted`` the person is no site admin."""
    from wizard.sandbox.coder import Behaviour, SandboxCoder

    named = [name for name in os.environ.get(BEHAVIOURS_VARIABLE, "").split(",") if name]
    known = get_args(Behaviour)
    for name in named:
        if name not in known:
            raise UsageError(f"{BEHAVIOURS_VARIABLE}: {name} is not known.", f"Known are {', '.join(known)}.")
    if scenario == "restricted":
        named.append("wrong-role")
    return await SandboxCoder.start(*(name for name in known if name in named))
