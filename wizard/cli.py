"""The command line: which commands there are, and how errors become exit codes.

Only the parser is built here. What a command does is in the module that its ``run`` names, which is imported
when the command is known, so that ``policy`` starts without a Kubernetes client and ``--help`` without anything.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wizard import __version__
from wizard.errors import ExitCode, UsageError, WizardError

if TYPE_CHECKING:
    from wizard.answers import Answers

DESCRIPTION = (
    "Takes a Kubernetes cluster without FUSE to Coder workspaces in which rootless Podman works. "
    "Without a command it opens the wizard; try it with --sandbox."
)


def later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """The command ``function`` of ``module``, imported when it is called."""

    def run(arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(module), function)(arguments))

    return run


def make_parser(prog: str = "podman-wizard", *, only: Iterable[str] | None = None) -> argparse.ArgumentParser:
    """The whole command line; ``--help`` and the shell completions are made from it.

    With ``only``, no other commands than these: making all of their parsers takes longer than most of them run.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=DESCRIPTION, parents=[_cluster_options()], allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"podman-wizard {__version__}")
    wizard = parser.add_argument_group("the wizard itself, without a command")
    wizard.add_argument("--policy", metavar="FILE", dest="wizard_policy", help="the template policy that it opens")
    wizard.add_argument("--answers", metavar="FILE", dest="wizard_answers", help="an answers file to start from")
    for name, text in (
        ("fresh", "do not offer to go on with an interrupted run"),
        ("light", "colours for a light background"),
        ("plain", "questions and lines in place of screens"),
    ):
        wizard.add_argument(f"--{name}", dest=f"wizard_{name}", action="store_true", help=text)
    parser.set_defaults(run=_open_wizard)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name in COMMANDS if only is None else only:
        COMMANDS[name](commands)
    return parser


def _commands_wanted(given: Sequence[str]) -> Iterable[str] | None:
    """The command that is known from the first word on, none where the wizard is opened; None: it may be any."""
    if given and given[0] in COMMANDS:
        return given[:1]
    opens_wizard = all(word.startswith("--") and word not in ("--", "--help") for word in given)
    return () if opens_wizard else None


@cache
def _cluster_options() -> argparse.ArgumentParser:
    # SUPPRESS: an option given before the command is not reset by the command's own defaults.
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = options.add_argument_group("cluster")
    group.add_argument("--kubeconfig", metavar="F", help="as for kubectl (default: KUBECONFIG, then ~/.kube/config)")
    group.add_argument("--context", metavar="C", help="as for kubectl (default: the current context)")
    # Never without a value here (_with_default_scenario): a word after it is not its own.
    group.add_argument("--sandbox", metavar="SCENARIO", nargs="?", help="a simulated cluster; =SCENARIO picks which")
    return options


def _group(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, parents=[_cluster_options()], allow_abbrev=False
    )
    return made


def _command(
    parent: Any, name: str, run: str, text: str, *, dry_run: bool = False, output: bool = True
) -> argparse.ArgumentParser:
    made = _group(parent, name, text)
    if run:
        module, _, function = run.partition(".")
        made.set_defaults(run=later(f"wizard.commands.{module}", function))
    if output:
        made.add_argument("-o", "--output", choices=("text", "json"), default="text", help="what goes to stdout")
    if dry_run:
        made.add_argument("--dry-run", action="store_true", help="show what would be done, change nothing")
    return made


def _add_check(commands: Any) -> None:
    check = _command(commands, "check", "check.check", "Judge the cluster: prerequisites and security modules.")
    check.add_argument(
        "--save", metavar="FACTS", type=_path, help="write what was read to a file (it holds no secrets)"
    )
    check.add_argument(
        "--from", dest="facts", metavar="FACTS", type=_path, help="judge a saved file in place of a cluster"
    )
    check.add_argument("--probe", action="store_true", help="send a short unprivileged pod to each kind of node")
    check.add_argument("--skip", metavar="ID", action="append", default=[], help="leave a finding out; may be repeated")
    check.add_argument(
        "--fail-on",
        choices=("warning", "blocker", "unknown"),
        default="blocker",
        help="exit 1 from this outcome on (default: blocker)",
    )


def _add_explain(commands: Any) -> None:
    explain = _command(
        commands, "explain", "check.explain", "The long text of a finding or an adjustment.", output=False
    )
    explain.add_argument("id", metavar="ID", nargs="?", help="without: the list of them")


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds above 0")
    return int(text)


def _path(text: str) -> str:
    if not text:
        # As from a variable that is not set: it must not mean the folder here, or that the option was not given.
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def _add_manifest(commands: Any) -> None:
    manifest = _group(commands, "manifest", "The device manager's four objects.")
    actions = manifest.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    render = _command(
        actions, "render", "manifest.manifest_render", "Print the manifest; needs no cluster.", output=False
    )
    render.add_argument("-o", "--output", choices=("text", "json"), default="text", help="what goes to stdout")
    render.add_argument("--to", metavar="FILE", type=_path, help="write it to a file")
    diff = _command(actions, "diff", "manifest.manifest_diff", "What differs from the guide, and from the cluster.")
    apply = _command(actions, "apply", "manifest.manifest_apply", "Apply the four objects, server-side.", dry_run=True)
    for made in (render, diff, apply):
        made.add_argument(
            "--preset",
            choices=("guide", "recommended"),
            default="recommended",
            help="the guide's own, or what this cluster calls for (default)",
        )
        made.add_argument("--set", metavar="ID=VALUE", action="append", default=[], help="switch an adjustment on")
        made.add_argument("--without", metavar="ID", action="append", default=[], help="switch an adjustment off")
        made.add_argument("--selector", metavar="S", help="the nodes that are meant (default: all that qualify)")
    apply.add_argument(
        "--ownership",
        choices=("fail", "take", "leave"),
        default="fail",
        help="fields that other managers own and that are not named below (default: fail)",
    )
    field = "OBJECT or 'OBJECT .FIELD'"
    for word, text in (("take", "take it over from its manager"), ("leave", "leave it to its manager")):
        apply.add_argument(f"--{word}", metavar="WHAT", action="append", default=[], help=f"{text}: {field}")
    apply.add_argument("--skip", metavar="OBJECT", action="append", default=[], help="do not apply this object")
    apply.add_argument(
        "--overlay",
        metavar="DIR",
        type=_path,
        help="write what would change in objects of a GitOps tool for its repository, and do not apply these objects",
    )


def _add_nodes(commands: Any) -> None:
    nodes = _group(commands, "nodes", "The nodes that get FUSE.")
    actions = nodes.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    listing = _command(actions, "list", "nodes.nodes_list", "Every node, whether it qualifies, and why not.")
    label = _command(actions, "label", "nodes.nodes_label", "Set the guide's label.", dry_run=True)
    unlabel = _command(actions, "unlabel", "nodes.nodes_unlabel", "Remove the guide's label.", dry_run=True)
    for made in (listing, label, unlabel):
        made.add_argument("names", metavar="NAME", nargs="*", help="nodes by name")
        made.add_argument("--selector", "-l", metavar="S", help="a label selector, as for kubectl")
    label.add_argument("--all", action="store_true", help="every node that qualifies")
    label.add_argument(
        "--wait", metavar="SECONDS", type=_seconds, nargs="?", const=300, help="then wait for the rollout"
    )
    unlabel.add_argument("--all", action="store_true", help="every node that has the label")


def _add_policy(commands: Any) -> None:
    # The policy room brings its own parser: its options are its own affair.
    policies = import_module("wizard.policy.commands").add_parser(commands, [])
    upload = _command(policies, "upload", "", "Upload a policy to Coder, with its impact shown.", dry_run=True)
    upload.set_defaults(run=later("wizard.coder.commands", "policy_upload"))
    upload.add_argument("file", metavar="FILE", nargs="?", help="the policy, - for stdin")
    upload.add_argument("--default", action="store_true", help="Coder's default policy in place of a file")
    upload.add_argument("--enable-templates", action="store_true", help="enable workspace templates first")
    _add_deployment(upload)


def _add_deployment(made: argparse.ArgumentParser) -> None:
    made.add_argument("--coder-url", metavar="U", help="the deployment (default: CODER_URL, then the Coder CLI's)")
    made.add_argument("--ask-token", action="store_true", help="ask for the session token on the terminal")
    made.add_argument("--store-token", action="store_true", help="keep it in the Coder CLI's files (mode 0600)")


def _add_coder(commands: Any) -> None:
    coder = _group(commands, "coder", "Coder itself.")
    actions = coder.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    status = _command(actions, "status", "", "Which Coder, who you are to it, and what an upload lacks.")
    status.set_defaults(run=later("wizard.coder.commands", "status"))
    _add_deployment(status)
    template = _command(actions, "template", "", "What a Terraform template of Coder v2 needs, as HCL.")
    template.set_defaults(run=later("wizard.coder.commands", "template"))
    template.add_argument(
        "--resource",
        choices=("smarter-devices/fuse", "github.com/fuse"),
        default="smarter-devices/fuse",
        help="which device plugin's (default: smarter-devices/fuse)",
    )
    template.add_argument("--container", metavar="NAME", default="dev", help="the workspace's container (default: dev)")
    template.add_argument("--to", metavar="FILE", type=_path, help="write it to a file")


def _add_verify(commands: Any) -> None:
    verify = _command(commands, "verify", "verify.verify", "Run Podman in a pod on each kind of node.", dry_run=True)
    verify.add_argument("--image", metavar="I", help="a Podman image (default: quay.io/podman/stable, pinned)")
    verify.add_argument("--namespace", metavar="N", help="where the pods run (default: default)")


def _add_run(commands: Any) -> None:
    run = _command(commands, "run", "run.run", "All steps, unattended.", dry_run=True)
    run.add_argument("--answers", metavar="FILE", type=_path, required=True, help="the choices (YAML)")
    run.add_argument("--yes", action="store_true", help="do it")


def _add_plan(commands: Any) -> None:
    plan = _command(commands, "plan", "plan.plan", "Write the plan to a folder, for someone who has the rights.")
    plan.add_argument("--answers", metavar="FILE", type=_path, help="the choices (YAML)")
    plan.add_argument("--to", metavar="DIR", type=_path, required=True, help="the folder")


def _add_undo(commands: Any) -> None:
    undo = _command(commands, "undo", "undo.undo", "Undo the last run on this cluster.", dry_run=True)
    undo.add_argument("--all", action="store_true", help="all that the wizard ever did here")
    undo.add_argument("--yes", action="store_true", help="do it")
    undo.add_argument("--coder-url", metavar="U", help="what policy upload did at this Coder; takes no cluster")


def _add_sandbox(commands: Any) -> None:
    sandbox = _command(commands, "sandbox", "sandbox.sandbox", "A simulated cluster by itself, until interrupted.")
    # Written out: reading the names from their folder would cost every --help a quarter of a second.
    names = "mixed (default), autoscaled, empty, enforced, failing, flaky, large, owned, quota, restricted"
    sandbox.add_argument("scenario", metavar="SCENARIO", nargs="?", help=names)
    sandbox.add_argument("--kubeconfig-to", metavar="FILE", type=_path, help="where its kubeconfig goes")


def _add_completion(commands: Any) -> None:
    completion = _command(commands, "completion", "", "Completions for a shell.", output=False)
    completion.description = (
        "Completions for a shell. For bash and zsh: source <(podman-wizard completion bash); "
        "for fish: podman-wizard completion fish | source"
    )
    completion.set_defaults(run=_print_completion)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


COMMANDS: dict[str, Callable[[Any], None]] = {
    "check": _add_check,
    "explain": _add_explain,
    "manifest": _add_manifest,
    "nodes": _add_nodes,
    "policy": _add_policy,
    "coder": _add_coder,
    "verify": _add_verify,
    "run": _add_run,
    "plan": _add_plan,
    "undo": _add_undo,
    "sandbox": _add_sandbox,
    "completion": _add_completion,
}
"""Each command, and what adds its parser, in the order of ``--help``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; every error becomes a message for a person."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _mend_streams()
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (pathlib costs start-up time, and raises)
        # A user without an entry and without HOME, as in containers: their runtimes say so too.
        os.environ["HOME"] = "/"
    try:
        parser = make_parser("kubectl podman-wizard" if _is_plugin() else "podman-wizard", only=_commands_wanted(given))
        parsed = parser.parse_args(_with_default_scenario(given))
        _refuse_misplaced(parsed)
        return int(parsed.run(parsed))
    except WizardError as error:
        from wizard.escaping import printable

        _complain(f"podman-wizard: {printable(str(error), lines=True)}")
        return error.exit_code
    except KeyboardInterrupt:
        _complain("podman-wizard: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return ExitCode.PROBLEMS
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS and error.filename is None:
            _forget_output()
            _complain(f"podman-wizard: The output cannot be written: {(error.strerror or str(error)).lower()}.")
            return ExitCode.TERMINAL_GONE if error.errno == errno.EIO else ExitCode.PROBLEMS
        _complain(_report(error))
        return ExitCode.PROBLEMS


OUTPUT_ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How writing to stdout fails: the terminal has gone, or the disk is full."""


def _is_plugin() -> bool:
    return os.path.basename(sys.argv[0]).startswith("kubectl-")  # noqa: PTH119 (pathlib costs start-up time)


def _mend_streams() -> None:
    """A stream that is closed becomes one that leads nowhere; text that a stream's encoding lacks is escaped."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest number that is free is this one, so that no other file gets it by accident.
            handle = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            setattr(sys, name, open(handle, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # By lines, so that what is piped or cut off stands in the order in which it happened.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _forget_output() -> None:
    """Who read our output has gone; the interpreter must not complain about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _refuse_misplaced(parsed: argparse.Namespace) -> None:
    """Raises UsageError for an option of the wizard itself in front of a command, which would ignore it."""
    given = [
        name.removeprefix("wizard_") for name, value in vars(parsed).items() if name.startswith("wizard_") and value
    ]
    if parsed.command and given:
        raise UsageError(
            f"--{given[0]} in front of a command is an option of the wizard itself.",
            f"podman-wizard {parsed.command} --help lists what the command takes, after its name.",
        )


def _print_completion(arguments: argparse.Namespace) -> int:
    from wizard.completion import script

    sys.stdout.write(script(make_parser(), arguments.shell))
    return ExitCode.DONE


def _report(error: Exception) -> str:
    """A bug of ours, for a person: the trace goes to a file of their own, not over their screen."""
    import time
    import traceback

    from wizard.escaping import printable
    from wizard.state import private_folder, state_folder

    what = f"podman-wizard: this is a bug of ours: {type(error).__name__}: {printable(str(error))}"
    trace = "".join(traceback.format_exception(error))
    try:
        path = private_folder(state_folder()) / f"bug-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        path.touch(mode=0o600)
        path.write_text(trace, encoding="utf-8")
    except (OSError, WizardError):
        return f"{what}\n{printable(trace, lines=True)}"
    return f"{what}\nWhat led to it is in {path}; please send it along with what you did."


def _with_default_scenario(arguments: Sequence[str]) -> list[str]:
    # A scenario needs the "=", so that "--sandbox check" is not the scenario "check".
    for option, word in pairwise(arguments):
        if option == "--sandbox":
            from wizard.sandbox import SCENARIOS

            if word in SCENARIOS:
                raise UsageError(f"--sandbox {word}: a scenario needs the equals sign.", f"Say --sandbox={word}.")
    return ["--sandbox=mixed" if argument == "--sandbox" else argument for argument in arguments]


def _open_wizard(arguments: argparse.Namespace) -> int:
    from screens.terminal import prepare_environment, why_no_screen

    reason = why_no_screen()
    if reason and not arguments.wizard_plain and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            f"The wizard needs a terminal: {reason}.",
            "With ssh, use ssh -t. Without a terminal: podman-wizard run --answers FILE --yes.",
        )
    answers = None
    if arguments.wizard_answers:
        from pathlib import Path

        from wizard.answers_file import read_answers

        answers = read_answers(Path(arguments.wizard_answers))
    if arguments.wizard_plain or reason:
        return _open_plain(arguments, answers)
    prepare_environment()
    # Nothing of what is made for the first picture is garbage; the app switches this on again.
    gc.disable()
    from screens.app import AppOptions, run_app
    from wizard.target import target_of

    return run_app(
        AppOptions(
            target=target_of(arguments, answers),
            answers=answers,
            policy_file=arguments.wizard_policy,
            fresh=arguments.wizard_fresh,
            light=arguments.wizard_light,
        )
    )


def _open_plain(arguments: argparse.Namespace, answers: Answers | None) -> int:
    from dataclasses import replace

    from wizard.answers import Answers
    from wizard.commands.running import run_async, sandbox_speed
    from wizard.plain import run_plain
    from wizard.session import Session
    from wizard.target import target_of

    answers = answers or Answers()
    if arguments.wizard_policy:
        answers = replace(answers, policy=replace(answers.policy, file=arguments.wizard_policy))
    work = run_plain(
        target_of(arguments, answers), Session(answers), speed=sandbox_speed(), fresh=arguments.wizard_fresh
    )
    return run_async(work)


def entry() -> None:
    """The entry point of the installed commands."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
