"""``verify``: tests Podman in a pod on each node type."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.choices.answers import VerifyChoice
from wizard.choices.target import target_of
from wizard.commands.nodes import require_nodes
from wizard.commands.running import connected, run_async
from wizard.errors import ExitCode, UsageError
from wizard.names import FUSE_RESOURCE
from wizard.printing.lines import document, say, tell
from wizard.printing.results import print_proofs

if TYPE_CHECKING:
    from wizard.findings.verification import PodSettings

NO_FUSE_YET = "No node advertises smarter-devices/fuse yet, so only native overlay is tested, without FUSE."


def verify(arguments: argparse.Namespace) -> int:
    """Runs ``verify``: tests Podman in a pod on each node type."""
    return run_async(_verify(arguments))


def _choice(arguments: argparse.Namespace) -> VerifyChoice:
    from wizard.findings.verification import check_image, check_namespace, check_service_account

    choice = VerifyChoice(run=True)
    if arguments.image is not None:
        check_image(arguments.image)
        choice = replace(choice, image=arguments.image)
    if arguments.namespace is not None:
        check_namespace(arguments.namespace)
        choice = replace(choice, namespace=arguments.namespace)
    if arguments.service_account is not None:
        check_service_account(arguments.service_account)
        choice = replace(choice, service_account=arguments.service_account)
    return choice


def _workspace(arguments: argparse.Namespace) -> tuple[VerifyChoice, PodSettings]:
    """Returns what the policy or the template sets for workspaces: the test pods are to run as these do."""
    from wizard.findings.verification import PodSettings

    choice = _choice(arguments)
    if arguments.workspace_template is not None:
        return _of_template(arguments, choice)
    if arguments.workspace_policy is None:
        return choice, PodSettings()
    from wizard.policy import PolicyDocument

    document, _ = PolicyDocument.read(Path(arguments.workspace_policy))
    return choice, PodSettings.of_policy(document.data)


_OPTIONS = {"image": "--image", "namespace": "--namespace", "service account": "--service-account"}
"""The options that tell what only Terraform knows."""


def _of_template(arguments: argparse.Namespace, choice: VerifyChoice) -> tuple[VerifyChoice, PodSettings]:
    """Returns the pod that a template describes; an option has priority over the template.

    Raises UsageError if the image is not known, because another one proves nothing about the template.
    """
    from wizard.findings.verification import PodSettings, check_image, check_namespace, check_service_account
    from wizard.template.described import described
    from wizard.template.module import read_template
    from wizard.template.workload import find_workload

    workload = find_workload(read_template(Path(arguments.workspace_template)), arguments.resource, arguments.container)
    found = described(workload)
    name = workload.document.name
    for what, expression in found.unknown:
        option = _OPTIONS.get(what, "")
        if option and getattr(arguments, option[2:].replace("-", "_")) is not None:
            continue
        if what == "image":
            raise UsageError(f"{name}: the image is {expression}, which only Terraform knows.", "Set it with --image.")
        instead = f"Set it with {option}; the default is used." if option else "The test pod does without it."
        say(f"{name}: the {what} is {expression}, which only Terraform knows. {instead}")
    if not found.has_device:
        say(f"{name} does not request {FUSE_RESOURCE}; the test pod does. To add it, use podman-wizard template merge.")
    if found.image and arguments.image is None:
        check_image(found.image)
        choice = replace(choice, image=found.image)
    if found.namespace and arguments.namespace is None:
        check_namespace(found.namespace)
        choice = replace(choice, namespace=found.namespace)
    if found.service_account and arguments.service_account is None:
        check_service_account(found.service_account)
        choice = replace(choice, service_account=found.service_account)
    return choice, PodSettings(apparmor=found.apparmor, pod=found.pod, container=found.container)


async def _verify(arguments: argparse.Namespace) -> int:
    from wizard.engine.podman_check import subjects, verify_nodes

    choice, settings = _workspace(arguments)
    async with connected(target_of(arguments)) as engine:
        facts = await engine.read_facts()
        require_nodes(facts)
        native = not subjects(facts)
        if native:
            say(NO_FUSE_YET)
        listener = (lambda event: None) if arguments.output == "json" else tell
        proofs = await verify_nodes(
            engine, facts, choice, listener, dry_run=arguments.dry_run, native=native, settings=settings
        )
    if arguments.output == "json":
        document(
            "verify",
            {"results": [proof.to_json() for proof in proofs], "fuse": not native, "dry_run": arguments.dry_run},
        )
    else:
        print_proofs(proofs)
    bad = not proofs or any(proof.ok is False for proof in proofs)
    return ExitCode.PROBLEMS if bad and not arguments.dry_run else ExitCode.DONE
