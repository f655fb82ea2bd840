"""``sandbox``: a simulated cluster that runs until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from wizard.commands.running import run_async, sandbox_speed
from wizard.errors import ExitCode
from wizard.printing.lines import document, out


def sandbox(arguments: argparse.Namespace) -> int:
    """Runs ``sandbox``: a simulated cluster, until interrupted."""
    return run_async(_sandbox(arguments))


async def _sandbox(arguments: argparse.Namespace) -> int:
    from wizard.sandbox import Sandbox
    from wizard.sandbox.coder_v2 import SCENARIO as CODER_V2
    from wizard.sandbox.coder_v2 import start_templates

    scenario = arguments.scenario or getattr(arguments, "sandbox", None) or "mixed"
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(await Sandbox.start(scenario, speed=sandbox_speed()))
        coder = await stack.enter_async_context(await start_templates()) if scenario == CODER_V2 else None
        if arguments.kubeconfig_to:
            path = Path(arguments.kubeconfig_to)
            running.write_kubeconfig(path)
        if arguments.output == "json":
            about: dict[str, Any] = {"scenario": scenario, "url": running.url, "kubeconfig": arguments.kubeconfig_to}
            if coder is not None:
                about["coder"] = {"url": coder.url, "token": coder.token}
            document("sandbox", about)
        else:
            out(f"Sandbox {scenario} is running at {running.url}")
            if arguments.kubeconfig_to:
                out(f"To use it, run kubectl --kubeconfig {arguments.kubeconfig_to} get nodes")
            if coder is not None:
                out(f"To use its Coder, run export CODER_URL={coder.url} CODER_SESSION_TOKEN={coder.token}")
            out("Press ctrl+c to stop it.")
        sys.stdout.flush()
        await asyncio.Event().wait()
    return ExitCode.DONE
