"""The parsers of all commands, from which the help and the completions are made too.

Only the parsers are built here. The work of a command is in the module that its ``run`` names. That module is
imported once the command is known, so ``policy`` starts without a Kubernetes client and ``--help`` without either.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from wizard import __version__
from wizard.commands.arguments import Parser, duration, path
from wizard.errors import ExitCode

CONFIG_HELP = "path to the kubeconfig file (default: KUBECONFIG, then ~/.kube/config)"

DESCRIPTION = (
    "Sets up rootless Podman in Coder workspaces on Kubernetes, step by step. "
    "Without a command, it opens the wizard. To try it on a simulated cluster, add --sandbox."
)


def later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Returns the command ``function`` of ``module``, which is imported when the command runs."""

    def run(arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(module), function)(arguments))

    return run


def make_parser(prog: str = "podman-wizard", *, only: Iterable[str] | None = None) -> Parser:
    """Builds the parser of the whole command line, from which ``--help`` and the shell completions are made.

    ``only`` limits it to these commands: building all parsers takes longer than most commands run.
    """
    parser = Parser(prog=prog, description=DESCRIPTION, parents=[_cluster_options()])
    parser.add_argument("--version", action="version", version=f"podman-wizard {__version__}", help="print the version")
    wizard = parser.add_argument_group("wizard options (without a command)")
    wizard.add_argument("--policy", metavar="FILE", dest="wizard_policy", help="template policy to open")
    wizard.add_argument("--answers", metavar="FILE", dest="wizard_answers", help="answers file to start from")
    for name, text in (
        ("fresh", "do not offer to resume an interrupted run"),
        ("light", "use colors for a light background"),
        ("plain", "use questions and text lines instead of screens"),
    ):
        wizard.add_argument(f"--{name}", dest=f"wizard_{name}", action="store_true", help=text)
    parser.set_defaults(run=None)  # the wizard: wizard.cli opens it, because commands know no screens
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name in COMMANDS if only is None else only:
        COMMANDS[name](commands)
    return parser


def commands_wanted(given: Sequence[str]) -> Iterable[str] | None:
    """Returns the command that the first word names, none if the wizard opens, or None if it can be any command."""
    if given and given[0] in COMMANDS and given[0] not in OF_ALL_COMMANDS:
        return given[:1]
    opens_wizard = all(word.startswith("--") and word not in ("--", "--help") for word in given)
    return () if opens_wizard else None


@cache
def _cluster_options() -> Parser:
    # SUPPRESS keeps an option given before the command from being reset by the defaults of the command.
    options = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("cluster")
    group.add_argument("--kubeconfig", metavar="F", help=CONFIG_HELP)
    group.add_argument("--context", metavar="C", help="context to use (default: the current context)")
    # wizard.cli always joins a value, so the next word is never taken for the scenario.
    group.add_argument(
        "--sandbox", metavar="SCENARIO", nargs="?", help="use a simulated cluster; =SCENARIO selects which one"
    )
    return options


def _group(commands: Any, name: str, text: str) -> Parser:
    made: Parser = commands.add_parser(name, help=text, description=text, parents=[_cluster_options()])
    return made


def _offline(parent: Any, name: str, run: str, text: str, *, output: bool = False) -> Parser:
    """Adds a command that asks no server."""
    made: Parser = parent.add_parser(name, help=text, description=text)
    module, _, function = run.partition(".")
    made.set_defaults(run=later(f"wizard.commands.{module}", function), offline=True)
    if output:
        made.add_argument("-o", "--output", choices=("text", "json"), default="text", help="output format")
    return made


def _command(parent: Any, name: str, run: str, text: str, *, dry_run: bool = False, output: bool = True) -> Parser:
    made = _group(parent, name, text)
    made.add_argument("-v", "--verbose", action="store_true", help="print each request to the cluster and to Coder")
    if run:
        module, _, function = run.partition(".")
        made.set_defaults(run=later(f"wizard.commands.{module}", function))
    if output:
        made.add_argument("-o", "--output", choices=("text", "json"), default="text", help="output format")
    if dry_run:
        made.add_argument("--dry-run", action="store_true", help="preview the changes without making them")
    return made


def _add_check(commands: Any) -> None:
    check = _command(commands, "check", "check.check", "Check prerequisites and security modules")
    check.add_argument(
        "--save", metavar="FACTS", type=path, help="save the facts about the cluster to a file (without secrets)"
    )
    check.add_argument(
        "--from", dest="facts", metavar="FACTS", type=path, help="check saved facts instead of a cluster"
    )
    check.add_argument("--probe", action="store_true", help="run an unprivileged probe pod on each node type")
    check.add_argument("--skip", metavar="ID", action="append", default=[], help="leave out a finding (repeatable)")
    check.add_argument(
        "--fail-on",
        choices=("warning", "blocker", "unknown"),
        default="blocker",
        help="exit 1 if a finding is at least this severe: unknown, warning, blocker (default: blocker)",
    )


def _add_explain(commands: Any) -> None:
    explain = _offline(commands, "explain", "check.explain", "Explain a finding or an adjustment")
    explain.add_argument("id", metavar="ID", nargs="?", help="ID to explain; omit it to list all")


def _add_manifest(commands: Any) -> None:
    manifest = _group(commands, "manifest", "Render, compare, or apply the manifest")
    actions = manifest.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    text = "Print the manifest (needs no cluster)"
    render = _command(actions, "render", "manifest.manifest_render", text, output=False)
    render.add_argument("-o", "--output", choices=("text", "json"), default="text", help="output format")
    render.add_argument("--to", metavar="FILE", type=path, help="write to a file instead of stdout")
    diff = _command(actions, "diff", "manifest.manifest_diff", "Compare with the guide and with the cluster")
    apply = _command(
        actions, "apply", "manifest.manifest_apply", "Apply the manifest (server-side apply)", dry_run=True
    )
    for made in (render, diff, apply):
        made.add_argument(
            "--preset",
            choices=("guide", "recommended"),
            help="reset all adjustments: to none, or to what this cluster needs (default: keep what was chosen here)",
        )
        made.add_argument(
            "--answers", metavar="FILE", type=path, help="answers file (YAML) with the choices; - for stdin"
        )
        made.add_argument(
            "--set",
            metavar="ID=VALUE",
            action="append",
            default=[],
            help="turn on an adjustment; ID=recommended resets it to what this cluster needs",
        )
        made.add_argument("--without", metavar="ID", action="append", default=[], help="turn off an adjustment")
        made.add_argument(
            "-l", "--selector", metavar="S", help="label selector for the nodes to plan for (default: all that qualify)"
        )
    _add_quiet(apply)
    apply.add_argument(
        "--ownership",
        choices=("fail", "take", "leave"),
        help="decision for conflicts not listed with the options below (default: fail)",
    )
    field = "OBJECT or 'OBJECT .FIELD'"
    for word, text in (("take", "take over this field or object"), ("leave", "leave this field or object")):
        apply.add_argument(
            f"--{word}", metavar="WHAT", action="append", default=[], help=f"{text} (repeatable): {field}"
        )
    apply.add_argument(
        "--skip", metavar="OBJECT", action="append", default=[], help="do not apply this object (repeatable)"
    )
    _add_allow_disruption(apply)
    apply.add_argument(
        "--overlay",
        metavar="DIR",
        type=path,
        help="skip objects managed by a GitOps tool, and write their changes as an overlay for its repository",
    )


def _add_allow_disruption(made: Parser) -> None:
    made.add_argument(
        "--allow-disruption",
        action="store_true",
        help="continue even if nodes that advertise FUSE lose it, or pods are displaced from full nodes",
    )


def _add_nodes(commands: Any) -> None:
    nodes = _group(commands, "nodes", "List, label, or unlabel the nodes that get FUSE")
    actions = nodes.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    text = "List nodes, and why some do not qualify"
    listing = _command(actions, "list", "nodes.nodes_list", text, output=False)
    text = "output format; name prints node/NAME, for other commands"
    listing.add_argument("-o", "--output", choices=("text", "json", "name"), default="text", help=text)
    label = _command(actions, "label", "labelling.nodes_label", "Label nodes for the device manager", dry_run=True)
    unlabel = _command(
        actions, "unlabel", "labelling.nodes_unlabel", "Remove the device manager's label from nodes", dry_run=True
    )
    for made in (listing, label, unlabel):
        made.add_argument("names", metavar="NAME", nargs="*", help="node names")
        made.add_argument("-l", "--selector", metavar="S", help="label selector, as in kubectl")
    label.add_argument("--all", action="store_true", help="all nodes that qualify")
    # wizard.cli always joins a duration, so the next word is never taken for one.
    label.add_argument("--wait", metavar="TIME", type=duration, nargs="?", help="wait for the rollout")
    label.add_argument(
        "--timeout",
        metavar="TIME",
        type=duration,
        help="stop waiting if no further node becomes ready for this long, such as 300 or 5m (default: 5m)",
    )
    unlabel.add_argument("--all", action="store_true", help="all labeled nodes")
    for made in (label, unlabel):
        _add_allow_disruption(made)
    _add_quiet(label, unlabel)


def _add_policy(commands: Any) -> None:
    # wizard.policy works without the rest of the wizard, so it defines its own options.
    policies = import_module("wizard.commands.policy").add_parser(commands, [])
    upload = _command(policies, "upload", "", "Check the impact of a policy and upload it to Coder", dry_run=True)
    upload.set_defaults(run=later("wizard.commands.coder", "policy_upload"))
    upload.add_argument("file", metavar="FILE", nargs="?", help="template policy; - for stdin")
    upload.add_argument("--default", action="store_true", help="upload Coder's default policy instead of a file")
    upload.add_argument("--enable-templates", action="store_true", help="enable workspace templates first")
    _add_on_impact(upload)
    _add_deployment(upload)


def _add_quiet(*commands: Parser) -> None:
    for made in commands:
        made.add_argument("-q", "--quiet", action="store_true", help="print results and no progress")


def _add_on_impact(made: Parser) -> None:
    made.add_argument(
        "--on-impact",
        choices=("fail", "warn"),
        help="what to do if workspaces cannot be rebuilt with the policy: do not upload it (default), or upload it",
    )


def _add_deployment(made: Parser) -> None:
    made.add_argument(
        "--coder-url", metavar="U", help="URL of the Coder deployment (default: CODER_URL, then the Coder CLI login)"
    )
    made.add_argument("--ask-token", action="store_true", help="prompt for the session token")
    made.add_argument("--store-token", action="store_true", help="save the token in the Coder CLI files (mode 0600)")


def _add_template(commands: Any) -> None:
    from wizard.template.words import ON_CONFLICT, PARTS

    template = _group(commands, "template", "Merge Podman into a Coder v2 template, or check one")
    actions = template.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    text = "Add what Podman needs to a template, and change nothing else"
    merge = _command(actions, "merge", "template.template_merge", text, dry_run=True)
    merge.description = (
        "Adds the FUSE device to the workspace container of a Terraform template, and, if you name a cluster, what its "
        "nodes need. Everything else stays the same, byte for byte; if that is not possible, nothing is "
        "written. The merged file is printed to stdout unless you use --to or --in-place."
    )
    merge.add_argument("file", metavar="FILE", type=path, help="main.tf or a template's folder, or - for stdin")
    target = merge.add_mutually_exclusive_group()
    target.add_argument("--to", metavar="FILE", type=path, help="write the merged file here")
    target.add_argument("--in-place", action="store_true", help="write it to the file itself, with a backup")
    merge.add_argument("--diff", action="store_true", help="show the diff instead of the merged file")
    merge.add_argument("--check", action="store_true", help="write nothing; exit 1 if the merge would change something")
    text = "List what prevents Podman in a template"
    check = _command(actions, "check", "template.template_check", text, output=False)
    text = "main.tf or a template's folder (repeatable), or - for stdin"
    check.add_argument("files", metavar="FILE", type=path, nargs="+", help=text)
    text = "output format; github annotates the lines of a pull request in GitHub Actions"
    check.add_argument("-o", "--output", choices=("text", "json", "github"), default="text", help=text)
    push = _add_template_of_coder(actions)
    for made in (merge, check, push):
        made.add_argument("--resource", metavar="TYPE.NAME", default="", help="resource that has the workspace's pod")
        made.add_argument("--container", metavar="NAME", default="", help="name of the workspace container")
        made.add_argument("--facts", metavar="FACTS", type=path, help="use saved facts instead of a cluster")
    what = (("--with", "with_parts", "add this part too"), ("--without", "without", "leave it out"))
    for made in (merge, push):
        for option, dest, text in what:
            made.add_argument(
                option, dest=dest, choices=PARTS, action="append", default=[], help=f"{text} (repeatable)"
            )
        made.add_argument(
            "--on-conflict",
            choices=ON_CONFLICT,
            default="fail",
            help="what to do if another value or FUSE resource is set (default: fail)",
        )
    _add_parts(
        _offline(actions, "parts", "template.template_parts", "Print the parts to add by hand (HCL)", output=True),
        "--device",
    )


def _add_template_of_coder(actions: Any) -> Parser:
    """Adds the commands that need Coder v2; returns the one that takes the options of a merge."""
    text = "List the templates of a Coder v2 deployment"
    listing = _command(actions, "list", "template_coder.template_list", text)
    listing.add_argument("--check", action="store_true", help="check each template; exit 1 if one has a problem")
    text = "Download the active version of a template"
    pull = _command(actions, "pull", "template_coder.template_pull", text)
    pull.add_argument("name", metavar="NAME", help="template")
    pull.add_argument("--to", metavar="DIR", type=path, required=True, help="new or empty folder")
    text = "Merge Podman into a template, and push it as a new version"
    push = _command(actions, "push", "template_coder.template_push", text, dry_run=True)
    push.description = (
        "Merges what Podman needs into the active version of a template, and pushes the result as a new version, in "
        "which every other file is the same. The version stays inactive unless you use --yes."
    )
    push.add_argument("name", metavar="NAME", help="template")
    push.add_argument(
        "file", metavar="FILE", type=path, nargs="?", help="file or folder to use instead of the active version's"
    )
    push.add_argument("-y", "--yes", action="store_true", help="make the new version active")
    push.add_argument("--name", metavar="V", dest="version_name", default="", help="name of the new version")
    push.add_argument("--message", metavar="M", default="", help="message of the new version")
    for made in (listing, pull, push):
        made.add_argument(
            "--coder-url", metavar="U", help="URL of Coder v2 (default: CODER_URL, then the Coder CLI login)"
        )
        made.add_argument("-O", "--org", metavar="O", help="organization (default: CODER_ORGANIZATION, then all)")
        made.add_argument("--allow-http", action="store_true", help="send the session token unencrypted")
    return push


def _add_parts(made: Parser, option: str) -> None:
    made.add_argument(
        option,
        dest="device",
        choices=("smarter-devices/fuse", "github.com/fuse"),
        default="smarter-devices/fuse",
        help="FUSE resource of the device plugin (default: smarter-devices/fuse)",
    )
    made.add_argument(
        "--container", metavar="NAME", default="dev", help="name of the workspace container (default: dev)"
    )
    made.add_argument("--to", metavar="FILE", type=path, help="write to a file instead of stdout")


def _add_coder(commands: Any) -> None:
    coder = _group(commands, "coder", "Check Coder, or print parts for a Coder v2 template")
    actions = coder.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    status = _command(actions, "status", "", "Show the deployment, your user, and what an upload still needs")
    status.set_defaults(run=later("wizard.commands.coder", "status"))
    _add_deployment(status)
    text = "Print the parts for a Coder v2 template (the same as template parts)"
    _add_parts(_offline(actions, "template", "template.template_parts", text, output=True), "--resource")


def _add_verify(commands: Any) -> None:
    verify = _command(commands, "verify", "verify.verify", "Test Podman in a pod on each node type", dry_run=True)
    _add_quiet(verify)
    verify.add_argument("--image", metavar="I", help="Podman image (default: quay.io/podman/stable, pinned)")
    verify.add_argument("-n", "--namespace", metavar="N", help="namespace of the test pods (default: default)")
    verify.add_argument("--service-account", metavar="S", help="service account of the test pods (default: default)")
    described = verify.add_mutually_exclusive_group()
    described.add_argument(
        "--template",
        metavar="FILE",
        type=path,
        dest="workspace_template",
        help="Terraform template (file or folder) whose pod is tested: image, namespace, user, and security settings",
    )
    verify.add_argument("--resource", metavar="TYPE.NAME", default="", help="resource that has the template's pod")
    verify.add_argument("--container", metavar="NAME", default="", help="name of the template's workspace container")
    described.add_argument(
        "--policy",
        metavar="FILE",
        type=path,
        dest="workspace_policy",
        help="template policy whose settings for workspaces (AppArmor, seccomp) the test pods get",
    )


def _add_run(commands: Any) -> None:
    run = _command(commands, "run", "run.run", "Run all steps unattended", dry_run=True)
    _add_quiet(run)
    run.add_argument("--answers", metavar="FILE", type=path, required=True, help="answers file (YAML); - for stdin")
    run.add_argument("-y", "--yes", action="store_true", help="apply the changes")
    _add_allow_disruption(run)
    _add_on_impact(run)


def _add_plan(commands: Any) -> None:
    plan = _command(commands, "plan", "plan.plan", "Export the plan for someone with access")
    plan.add_argument("--answers", metavar="FILE", type=path, help="answers file (YAML); - for stdin")
    plan.add_argument("--to", metavar="DIR", type=path, required=True, help="plan folder")


def _add_undo(commands: Any) -> None:
    undo = _command(commands, "undo", "undo.undo", "Undo the last run on this cluster", dry_run=True)
    _add_quiet(undo)
    which = undo.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="undo all runs on this cluster")
    which.add_argument("--run", dest="run_id", metavar="ID", help="undo this run (undo --all --dry-run lists the runs)")
    undo.add_argument("-y", "--yes", action="store_true", help="undo the changes")
    where = undo.add_mutually_exclusive_group()
    where.add_argument("--coder-url", metavar="U", help="undo changes to this deployment (needs no cluster)")
    where.add_argument(
        "--no-cluster", action="store_true", help="undo policy files that were written without a cluster"
    )


def _add_sandbox(commands: Any) -> None:
    sandbox = _command(commands, "sandbox", "sandbox.sandbox", "Run a simulated cluster until interrupted")
    # Spelled out, because reading the names from their folder would slow down every --help by 0.25 seconds.
    names = "mixed (default), autoscaled, coder-v2, empty, enforced, failing, flaky, large, owned, quota, restricted"
    sandbox.add_argument("scenario", metavar="SCENARIO", nargs="?", help=names)
    sandbox.add_argument("--kubeconfig-to", metavar="FILE", type=path, help="write its kubeconfig to a file")


def _add_completion(commands: Any) -> None:
    completion = _offline(commands, "completion", "completion.completion", "Print completions for a shell")
    completion.description = (
        "Prints completions for a shell. For bash and zsh: source <(podman-wizard completion bash); "
        "for fish: podman-wizard completion fish | source"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


def _add_answers(commands: Any) -> None:
    text = "Print a commented answers file"
    made = _offline(commands, "answers", "contracts.answers", text)
    made.description = "Prints an answers file with every key commented out, its default, and what it is for."


def _add_schema(commands: Any) -> None:
    text = "Print the JSON Schema of a file or an output"
    made = _offline(commands, "schema", "contracts.schema", text)
    made.description = (
        "Prints the JSON Schema of the answers file, of a template policy, or of what a command prints with -o json. "
        "Without a name, it lists the names."
    )
    made.add_argument("name", metavar="NAME", nargs="*", help="answers, policy, or a command, such as nodes list")


def _add_images(commands: Any) -> None:
    text = "List the images that a cluster pulls"
    made = _offline(commands, "images", "images.images", text, output=True)
    made.description = "Lists every image that an apply, a probe, or a test pulls, for clusters without access to them."
    made.add_argument("--answers", metavar="FILE", type=path, help="answers file (YAML) with other images; - for stdin")
    made.add_argument(
        "--mirror",
        metavar="REGISTRY",
        help="print the commands that copy the images there and use them",
    )


def _add_help(commands: Any) -> None:
    text = "Show the help of a command"
    shown = _offline(commands, "help", "parser.print_help", text)
    shown.add_argument("words", metavar="COMMAND", nargs="*", help="command and subcommand; omit them to list all")
    text = "output format; man and markdown print the reference of all commands"
    shown.add_argument("-o", "--output", choices=("text", "man", "markdown"), default="text", help=text)


def print_help(arguments: argparse.Namespace) -> int:
    """Runs ``help``."""
    parser = make_parser()
    if arguments.output == "text":
        parser.parse_args([*arguments.words, "--help"])
    from wizard.commands import reference

    sys.stdout.write(reference.man(parser) if arguments.output == "man" else reference.markdown(parser))
    return ExitCode.DONE


def _add_version(commands: Any) -> None:
    _offline(commands, "version", "version.version", "Print the version", output=True)


OF_ALL_COMMANDS = ("completion", "help")
"""The commands that need the parsers of all the others."""

COMMANDS: dict[str, Callable[[Any], None]] = {
    "check": _add_check,
    "explain": _add_explain,
    "manifest": _add_manifest,
    "nodes": _add_nodes,
    "policy": _add_policy,
    "template": _add_template,
    "coder": _add_coder,
    "verify": _add_verify,
    "run": _add_run,
    "plan": _add_plan,
    "undo": _add_undo,
    "sandbox": _add_sandbox,
    "images": _add_images,
    "answers": _add_answers,
    "schema": _add_schema,
    "completion": _add_completion,
    "help": _add_help,
    "version": _add_version,
}
"""The function that adds the parser of each command, in the order of ``--help``."""
