"""``sandbox``: a simulated cluster that runs until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from wizard.commands.running import run_async, sandbox_speed
from wizard.errors import ExitCode
from wizard.printing.lines import document, out


def sandbox(arguments: argparse.Namespace) -> int:
    """Runs ``sandbox``: a simulated cluster, until interrupted."""
    return run_async(_sandbox(arguments))


async def _sandbox(arguments: argparse.Namespace) -> int:
    from wizard.sandbox import Sandbox

    scenario = arguments.scenario or getattr(arguments, "sandbox", None) or "mixed"
    async with await Sandbox.start(scenario, speed=sandbox_speed()) as running:
        if arguments.kubeconfig_to:
            path = Path(arguments.kubeconfig_to)
            running.write_kubeconfig(path)
        if arguments.output == "json":
            document({"scenario": scenario, "url": running.url, "kubeconfig": arguments.kubeconfig_to})
        else:
            out(f"Sandbox {scenario} is running at {running.url}")
            if arguments.kubeconfig_to:
                out(f"To use it, run kubectl --kubeconfig {arguments.kubeconfig_to} get nodes")
            out("Press ctrl+c to stop it.")
        sys.stdout.flush()
        await asyncio.Event().wait()
    return ExitCode.DONE
