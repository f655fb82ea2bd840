"""The examples at the end of each command's help; every one of them is parsed by a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "podman-wizard": ("--sandbox", "--context prod --policy template-policy.yaml", "check --context prod"),
    "check": ("check --sandbox", "check --fail-on warning -o json", "check --save facts.json"),
    "explain": ("explain", "explain node.label-durable"),
    "manifest": ("manifest diff", "manifest apply --dry-run"),
    "manifest render": ("manifest render --preset guide", "manifest render --set memory=64Mi --to manifest.yaml"),
    "manifest diff": ("manifest diff", "manifest diff --answers answers.yaml"),
    "manifest apply": (
        "manifest apply --dry-run",
        "manifest apply --without tolerations",
        "manifest apply --overlay overlay/",
    ),
    "nodes": ("nodes list", "nodes label --all --wait"),
    "nodes list": ("nodes list -l pool=workspaces", "nodes list -o name"),
    "nodes label": ("nodes label --all --dry-run", "nodes label worker-1 worker-2 --wait --timeout 10m"),
    "nodes unlabel": ("nodes unlabel worker-1", "nodes unlabel --all --dry-run"),
    "policy": ("policy merge policy.yaml --diff", "policy check policy.yaml"),
    "policy merge": (
        "policy merge policy.yaml --diff",
        "policy merge policy.yaml --in-place",
        "policy merge --check policies/*.yaml",
    ),
    "policy new": ("policy new", "policy new --preset complete"),
    "policy check": ("policy check policy.yaml", "policy check --strict policies/*.yaml -o json"),
    "policy set": (
        "policy set policy.yaml workspace.specs.kubernetes.pod-security-context.fs-group.value 1000 --in-place",
        "policy set policy.yaml 'workspace.specs.kubernetes.tolerations[key=gpu].value' present --diff",
    ),
    "policy unset": ("policy unset policy.yaml 'workspace.specs.kubernetes.tolerations[key=gpu]' --diff",),
    "policy effect": ("policy effect policy.yaml",),
    "policy upload": (
        "policy upload policy.yaml --dry-run",
        "policy upload policy.yaml --coder-url https://coder.example",
    ),
    "template": ("template check main.tf", "template push docker --dry-run"),
    "template merge": (
        "template merge main.tf --diff",
        "template merge main.tf --in-place --context prod",
        "template merge main.tf --with apparmor",
    ),
    "template check": ("template check main.tf", "template check templates/* -o github"),
    "template parts": ("template parts", "template parts --container main --to parts.tf"),
    "template list": ("template list --check",),
    "template pull": ("template pull kubernetes --to kubernetes/",),
    "template push": ("template push kubernetes --dry-run", "template push kubernetes kubernetes/ --yes"),
    "coder": ("coder status",),
    "coder status": ("coder status", "coder status --coder-url https://coder.example"),
    "coder template": ("coder template --container main",),
    "verify": ("verify", "verify --policy template-policy.yaml", "verify -n workspaces --service-account coder"),
    "run": ("run --answers answers.yaml --dry-run", "run --answers answers.yaml --yes"),
    "plan": ("plan --to plan/", "plan --answers answers.yaml --to plan/"),
    "undo": ("undo --dry-run", "undo --yes", "undo --all --dry-run"),
    "sandbox": ("sandbox", "sandbox quota --kubeconfig-to kubeconfig.yaml"),
    "images": ("images", "images --mirror registry.example.org/mirror"),
    "answers": ("answers > answers.yaml",),
    "schema": ("schema answers > answers.schema.json", "schema nodes list"),
    "completion": ("completion bash", "completion zsh"),
    "help": ("help nodes label", "help -o man > podman-wizard.1"),
    "version": ("version",),
}
"""The examples of each command, without the program's name before them."""
