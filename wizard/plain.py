"""The plain mode: the same steps as questions and lines, for screen readers, serial consoles and poor terminals.

Nothing is repainted and the cursor is never moved. It shows the same session and runs the same engine as the
screens; of the policy it offers the merge and the policy words, not the whole editor.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Literal

from wizard.answers import Decision, ManifestChoice, NodesChoice
from wizard.answers_file import parse_answers, write_answers
from wizard.commands.printing import out, print_comparison, say, tell
from wizard.commands.verify import print_proofs
from wizard.differences import against_cluster, against_guide
from wizard.engine import Engine
from wizard.errors import ConflictError, ExitCode, InputError, Interrupted, UsageError, WizardError
from wizard.escaping import printable
from wizard.explanations import explain
from wizard.facts import KubernetesObject
from wizard.files import read_target, write_file
from wizard.findings import Finding, Outcome
from wizard.forecast import summary
from wizard.handover import write_handover, write_overlay
from wizard.journal import now
from wizard.manifest import check_choice
from wizard.names import PROBE_NAMESPACE
from wizard.ownership import Contest, Departure, contests, decided_lines, value_words
from wizard.plan import steps_left
from wizard.prove import probe_nodes, subjects, verify_nodes
from wizard.security_modules import PROBE_IMAGE
from wizard.session import STEPS, Session, StepId
from wizard.target import Target
from wizard.unattended import plan_policy
from wizard.unfinished import PolicyEdits, Unfinished, told
from wizard.verification import guide_test

WORDS: Mapping[str, Literal["write", "read", "append"]] = {"write": "write", "read": "read", "append": "append"}
DECISIONS: Mapping[str, Decision] = {"take": "take", "leave": "leave", "skip": "skip"}
COUNTS: Mapping[str, Literal["keep", "replace"]] = {"keep": "keep", "replace": "replace"}
OVERLAY_FOLDER = "podman-wizard-overlay"
PLAN_FOLDER = "podman-wizard-plan"
MANIFEST_FILE = "smarter-device-manager.yaml"
ANSWERS_FILE = "podman-wizard.answers.yaml"

INTRODUCTION = """\
The wizard in questions and lines. The words that a question takes stand behind it; enter alone takes the one behind
"enter:". Nothing is changed before a question that says what and where. At "Go", help tells what a step is for, and
hand-over writes the plan into a folder for someone who has the rights. ctrl+c ends it.
"""

HELP: Mapping[StepId, str] = {
    "prerequisites": """\
For the files of its containers Podman needs FUSE: a device, /dev/fuse, by which a program offers a file system
without being root. Pods get no devices by themselves; a small daemon, smarter-device-manager, offers this one to the
cluster, node by node. This step only looks: can this cluster, and may you?
ok: nothing to do. info: worth knowing. warning: it works, with a catch. blocker: a later step cannot be carried out
until it is mended. unknown: you hold no right to look. skipped: it does not apply here.
""",
    "security-modules": """\
A node's kernel may forbid what Podman needs although the device is there: AppArmor, SELinux and seccomp confine
containers, and some systems allow no user namespaces, in which Podman would be root of its own. Nodes that are alike
share a finding; remedies stand in order, the least drastic first. What is said is often a known default; probe sends
a short pod to a node of each kind, which looks for itself. Applying and labelling want you to say that you have read
this; going on does not.
""",
    "manifest": """\
Four objects bring FUSE to the nodes: a Namespace, a ResourceQuota for it, a ConfigMap that names the device, and a
DaemonSet that runs one pod on every node with the guide's label. The guide's manifest is some years old; each
adjustment is one departure from it. What this cluster needs is on; its id switches it, ID=VALUE gives it a value of
yours. diff shows what differs from the guide and from the cluster, save writes the YAML to a file, apply asks first.
""",
    "nodes": """\
The device manager runs where a node carries the guide's label, and workspaces that ask for FUSE go there. At first
every node that qualifies is chosen; list tells why others do not. A label selector (pool=workspaces) or names of
nodes choose others, all goes back. label sets the label, unlabel takes it off, wait waits until each node offers FUSE.
""",
    "policy": """\
A template policy is a YAML file that a Coder admin uploads once, for all of Coder. It says, field by field, what the
author of a workspace may decide: read, not at all; append, add to it; write, replace it. Podman needs one FUSE device
in resource-requests and in resource-limits. The merge adds that to your policy and changes nothing else in the file,
no comment and no blank. With write a workspace can replace the whole value and lose FUSE; append keeps it.
""",
    "verify": """\
Everything is in place when a person can start a container in a workspace. The guide proves it by hand: import an
image that has Podman in it, create a workspace, become the user podman there. Without waiting for a workspace, Podman
can be run in a short pod on one node of each kind.
""",
    "summary": """\
What was done, what is left for whom, how to take it back, and the answers file, with which podman-wizard run repeats
it. Whatever was changed is in a journal; podman-wizard undo reads it, and leaves alone what others changed since.
""",
}
"""For someone who meets all this for the first time."""


async def run_plain(target: Target, session: Session, *, speed: float = 1.0, fresh: bool = False) -> int:
    """Walks through all steps with a person; gives the exit code. ``fresh`` passes an interrupted run over."""
    engine = Engine(target, sandbox_speed=speed)
    walk = _Walk(engine, session)
    try:
        identity = await engine.open()
        out(INTRODUCTION, lines=True)
        out(f"Cluster: {identity.context}, {identity.server}, {identity.version}, {identity.distribution}")
        session.take_facts(await engine.read_facts(verify_in=session.answers.verify.namespace))
        try:
            engine.claim()
            if not fresh:
                await walk.take_up()
        except (ConflictError, InputError) as error:
            session.read_only = f"Nothing can be changed from here: {error}"
            out(session.read_only, lines=True)
        await walk.through()
    except BaseException:
        walk.keep()
        await engine.close(interrupted=True)
        raise
    walk.let_go()
    await engine.close()
    return ExitCode.DONE


class _Lines:
    """The lines of stdin, read so that a signal ends the wait: nothing else waits in a thread of its own."""

    def __init__(self) -> None:
        self._held = b""

    async def next(self) -> str:
        """The next line, with its end; "" at the end of stdin."""
        while b"\n" not in self._held:
            chunk = await self._more()
            if not chunk:
                line, self._held = self._held, b""
                return line.decode("utf-8", "replace")
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace") + "\n"

    async def _more(self) -> bytes:
        loop, there = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(0, there.set)
        except OSError:  # a file, which is never waited for
            there.set()
        try:
            await there.wait()
        finally:
            loop.remove_reader(0)
        try:
            return os.read(0, 65536)
        except OSError:  # the terminal has gone
            return b""


_lines = _Lines()


async def ask(question: str, options: Sequence[str] = (), *, default: str = "", also: Sequence[str] = ()) -> str:
    """One answer from stdin; one of the options where there are any, or of those that the question itself names.

    Raises Interrupted at the end of stdin.
    """
    hint = f" [{'/'.join(options)}]" if options else ""
    hint += f" (enter: {default})" if default else ""
    # What is chosen from stands on one line, where a terminal has the usual 80 columns.
    between = "\n" if len(question + hint) > 76 else ""
    while True:
        sys.stdout.write(printable(question) + between + printable(f"{hint}: "))
        sys.stdout.flush()
        line = await _lines.next()
        if not line:
            raise Interrupted("The input ended.", "What was done so far is said above, and kept in the journal.")
        answer = line.strip() or default
        if not options or answer in options or answer in also:
            return answer
        out(f"Please answer one of: {', '.join(options)}.")


async def _agreed(question: str) -> bool:
    return await ask(question, ("yes", "no"), default="no") == "yes"


class _Walk:
    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._done: list[str] = []
        self._overlaid: dict[str, Departure] = {}
        """What was written for a repository in place of an apply, by kind."""
        self._is_known = False
        """Whether this cluster was changed from here before, or its context has been typed."""
        self._told: Sequence[Finding] = ()
        """The findings of the step, each of which has a number."""
        self._shown = ""
        """What the step has said last of its state."""
        self._number = 0
        """Which of the steps this is."""
        self._answers = session.answers
        """The choices that it began with."""
        self._edits: PolicyEdits | None = None
        """A policy that a session of the screens was editing: these questions have no editor, and keep it for them."""
        self._is_open = False
        """Whether something that was left unfinished is still on offer, for the next session then."""

    async def take_up(self) -> None:
        """Offers to go on with a run that stopped in the middle, and with what a session had chosen and not done."""
        run, left = self._engine.interrupted_run(), self._engine.unfinished_session()
        if run is None and left is None:
            return
        if run is not None:
            out(f"A run that began at {run.started} stopped in the middle of its work, after: {run.changes[-1].title}.")
            if run.damage:
                out(run.damage)
        for line in told(left) if left is not None else ():
            out(line)
        answer = await ask("Go on with its choices", ("yes", "no", "later"), default="yes")
        if answer == "later":
            self._is_open = True
            return
        if answer == "yes":
            text, source = (left.answers, "the session") if left else (run.answers, str(run.path)) if run else ("", "")
            try:
                self._session.choose(parse_answers(text.encode(), source))
            except (InputError, UsageError) as error:
                # A node that was chosen may be gone by now.
                out(f"Its choices do not fit any more, and stay on offer: {error}", lines=True)
                self._is_open = True
                return
        if answer == "yes" and left is not None:
            self._edits = left.policy
            self._number = [step for step, _ in STEPS].index(left.step)
            if left.policy is not None:
                out("Its changes to the policy stay kept: the wizard on the screen has the editor for them.")
        if run is not None and answer == "yes":
            self._engine.resume(run)
        elif run is not None:
            self._engine.settle_run(run)
        if answer == "no":
            self._engine.keep_session(None)

    def keep(self) -> None:
        """Keeps what was chosen here and not done for the next session, also where nobody can say goodbye."""
        session = self._session
        if session.judgement is None or session.read_only or self._is_open:
            return
        left = None
        if self._edits is not None or session.answers != self._answers:
            left = Unfinished(now(), STEPS[self._number][0], write_answers(session.answers), self._edits)
        try:
            self._engine.keep_session(left)
        except InputError as error:
            say(f"What is chosen here cannot be kept for another session: {error}")

    def let_go(self) -> None:
        """The person has ended the session on purpose: only a policy that takes an editor is still kept."""
        self._answers = self._session.answers
        self.keep()

    async def through(self) -> None:
        """All steps in order; ``back`` and ``next`` walk, whatever was done or not."""
        steps: dict[StepId, Callable[[], Awaitable[None]]] = {
            "prerequisites": self._prerequisites,
            "security-modules": self._security_modules,
            "manifest": self._manifest,
            "nodes": self._nodes,
            "policy": self._policy,
            "verify": self._verify,
            "summary": self._summary,
        }
        while True:
            step, title = STEPS[self._number]
            out(f"\nStep {self._number + 1} of {len(STEPS)}: {title}", lines=True)
            self._told, self._shown = (), ""
            await self._or_say(steps[step])
            self.keep()
            answer = await self._way_on(step)
            if answer == "quit":
                return
            self._number = max(0, self._number + {"next": 1, "again": 0, "back": -1}[answer])

    async def _or_say(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does it; what does not work is said, and the walk goes on."""
        try:
            await work()
        except Interrupted:
            raise
        except WizardError as error:
            say(str(error))

    async def _way_on(self, step: StepId) -> str:
        """Where to go from a step; help, stories and the hand-over come in between."""
        options = ["again", "back", "hand-over", "help", "quit"]
        default = "quit"
        if step != STEPS[-1][0]:
            options.insert(0, "next")
            default = "next"
        numbers = [str(number) for number in range(1, len(self._told) + 1)]
        question = "Go, or the number of a finding for its whole story" if numbers else "Go"
        while True:
            answer = await ask(question, options, default=default, also=numbers)
            if answer == "help":
                out(HELP[step], lines=True)
            elif answer == "hand-over":
                await self._or_say(self._hand_over)
            elif answer in numbers:
                _tell_story(self._told[int(answer) - 1])
            else:
                return answer

    async def _hand_over(self) -> None:
        """Writes the whole plan into a folder, for someone who has the rights that are missing here."""
        judgement = self._session.judgement
        assert judgement is not None
        folder = _path(await ask("The folder for the plan", default=PLAN_FOLDER))
        pods_in = self._session.pods_offered()
        for path in write_handover(judgement.facts, self._session.answers, folder, pods_in=pods_in):
            out(f"  {path}")
        missing = len(judgement.facts.missing_rights(pods_in))
        role = f"a role with the {missing} rights that are missing here" if missing else "no role: no right is missing"
        out(f"In it: the manifest, the commands, the policy, {role}. README.md says what to do, in order.")

    def _tell_findings(self, findings: Sequence[Finding]) -> None:
        self._told = findings
        for number, finding in enumerate(findings, start=1):
            _tell_finding(finding, number)

    def _show_once(self, text: str) -> None:
        """Says what stands; where that is what was said last, it is not said again."""
        if text != self._shown:
            self._shown = text
            out(text, lines=True)

    def _refuses(self, reason: str) -> bool:
        """Says why something may not be done here, and what remains; whether there is a reason."""
        if reason:
            out(reason)
            out('At "Go", hand-over writes the plan for someone who may.')
        return bool(reason)

    async def _prerequisites(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        self._tell_findings(judgement.prerequisites)

    async def _security_modules(self) -> None:
        while True:
            judgement = self._session.judgement
            assert judgement is not None
            self._tell_findings(judgement.security_modules)
            if not self._session.needs_acknowledgement:
                return
            options = ("yes", "no") if judgement.probes else ("yes", "no", "probe")
            answer = await ask("I have read this and decide for my cluster", options, default="no")
            if answer != "probe":
                self._session.acknowledge(answer == "yes")
                return
            if not self._refuses(self._session.may_send_pods(PROBE_NAMESPACE)) and await self._agreed_here(
                f"Send a short pod to each kind of node ({PROBE_IMAGE}, {PROBE_NAMESPACE})"
            ):
                self._session.take_probes(await probe_nodes(self._engine, judgement.facts, tell))

    async def _manifest(self) -> None:
        while True:
            judgement = self._session.judgement
            assert judgement is not None
            switches = [f"{'on' if one.on else 'off':4} {one.id:28} {one.why}" for one in judgement.rendering.switches]
            self._show_once("\n".join([*switches, summary(judgement.forecast)]))
            answer = await ask(
                "apply, yaml, diff, save, next, the id of an adjustment to switch, or ID=VALUE", default="next"
            )
            name, sign, value = answer.partition("=")
            switched = next((item for item in judgement.rendering.switches if item.id == name.strip()), None)
            if answer == "next":
                return
            if answer == "yaml":
                out(judgement.rendering.yaml(), lines=True)
            elif answer == "diff":
                await self._show_diff()
            elif answer == "save":
                await self._or_say(self._save_manifest)
            elif answer == "apply":
                await self._apply()
            elif switched is not None:
                on, given = (True, value.strip()) if sign else (not switched.on, None)
                await self._or_say(partial(self._switch, switched.id, on, given))
            else:
                out(f"There is no adjustment {answer!r}.")

    async def _switch(self, adjustment: str, on: bool, value: str | None) -> None:
        if value is not None:
            check_choice(ManifestChoice(set={adjustment: value}))
        self._session.switch(adjustment, on, value)

    async def _save_manifest(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        path = _path(await ask("The file; what one of that name held is kept", default=MANIFEST_FILE))
        write_file(path, judgement.rendering.yaml().encode(), read=read_target(path))
        out(f"Written: {path}")

    async def _show_diff(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        out("Against the guide:")
        out(against_guide(judgement.rendering.objects), lines=True)
        for check in await self._engine.dry_run(judgement.rendering.objects, self._session.answers.ownership):
            out(f"{check.title}: {check.change}, checked: {check.checked} {check.message}".rstrip())
            out(
                against_cluster([check.before] if check.before else [], [check.after] if check.after else []),
                lines=True,
            )

    async def _apply(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        if self._refuses(self._session.may_act()):
            return
        objects = judgement.rendering.objects
        found = await self._decide_ownership(objects)
        if found is None:
            return
        ownership = self._session.answers.ownership
        count = sum(not ownership.skips(item["kind"]) for item in objects)
        if not count:
            out("Every object is skipped: there is nothing to apply.")
            return
        for line in decided_lines(found, ownership):
            out(line)
        if await self._agreed_here(f"Apply {count} objects"):
            self._engine.note_answers(self._session.answers)
            self._session.applied = await self._engine.apply(objects, tell, ownership=ownership)
            self._done.append(f"{len(self._session.applied.applied)} objects applied")

    async def _decide_ownership(self, objects: Sequence[KubernetesObject]) -> tuple[Contest, ...] | None:
        """Asks about every field of others that nothing is decided about; None where the person stops."""
        found = contests(await self._engine.dry_run(objects))
        if found:
            out(f"{len(found)} fields of the manifest belong to other managers.")
        judgement = self._session.judgement
        departures = {one.kind: one for one in judgement.departures} if judgement else {}
        for contest in found:
            choice = self._session.answers.ownership
            out(f"{contest.title} {contest.field}")
            out(f"  {contest.owner} has set it{f' at {contest.time}' * bool(contest.time)}")
            out(f"  theirs: {value_words(contest.theirs)}")
            out(f"  ours: {value_words(contest.ours)}")
            if choice.of(contest.kind, contest.field) != "fail":
                out(f"  decided: {choice.of(contest.kind, contest.field)}")
                continue
            question, options = "Take it, leave it, skip the whole object, or stop", [*DECISIONS, "stop"]
            departure = departures.get(contest.kind)
            if departure is not None:
                out(f"  {departure.tool} sets back what is taken; overlay writes the change for its repository.")
                options.insert(0, "overlay")
            answer = await ask(question, options, default="stop")
            if answer == "stop":
                return None
            if answer == "overlay" and departure is not None:
                await self._write_overlay(departure)
                continue
            what = contest.kind if answer == "skip" else contest.key
            self._session.decide(what, DECISIONS[answer])
        for kind, departure in departures.items():
            decided = any(what.partition(" ")[0] == kind for what in self._session.answers.ownership.decided)
            if decided or kind in {contest.kind for contest in found}:
                continue
            out(f"{departure.tool} owns {departure.title}, and may set back what is applied there.")
            answer = await ask(
                "Write the change for its repository, or apply it all the same", ("overlay", "apply"), default="overlay"
            )
            if answer == "overlay":
                await self._write_overlay(departure)
        return found

    async def _write_overlay(self, departure: Departure) -> None:
        """Writes the change of an object for the repository of who owns it, with that of all skipped for that."""
        judgement = self._session.judgement
        assert judgement is not None
        folder = Path(await ask("The folder for the overlay", default=OVERLAY_FOLDER))
        self._overlaid[departure.kind] = departure
        for path in write_overlay(judgement.facts, tuple(self._overlaid.values()), folder):
            out(f"  {path}")
        self._session.leave_to_repository((departure,))
        self._done.append(f"{departure.kind} left to {departure.tool}: {folder} is for its repository")

    async def _agreed_here(self, question: str) -> bool:
        """The same, and the first time on a cluster its context by name: a guard against the wrong one."""
        out(f"On {self._engine.identity.words}:")
        if not await _agreed(question):
            return False
        context = self._engine.identity.context
        self._is_known = self._is_known or not self._engine.is_new_here()
        if self._is_known or await ask(f"The first change on this cluster. Type {context}") == context:
            self._is_known = True
            return True
        out("Nothing was changed.")
        return False

    async def _nodes(self) -> None:
        while True:
            judgement = self._session.judgement
            assert judgement is not None
            print_comparison(self._session.comparison or judgement.expectations)
            chosen = {verdict.node.name for verdict in judgement.chosen}
            out(f"{len(chosen)} of {len(judgement.verdicts)} nodes chosen, {len(judgement.to_label)} to label.")
            answer = await ask(
                "list, label, unlabel, wait, next, all, a label selector, or names of nodes", default="next"
            )
            if answer == "next":
                return
            if answer == "list":
                for verdict in judgement.verdicts:
                    node = verdict.node
                    mark = "chosen" if node.name in chosen else "-"
                    state = "labelled" if node.labelled else ""
                    out(f"{mark:7} {node.name} {node.os_image} {node.kernel} {state} {'; '.join(verdict.reasons)}")
            elif answer in ("label", "unlabel"):
                await self._label(remove=answer == "unlabel")
            elif answer == "wait":
                await self._wait()
            else:
                await self._or_say(partial(self._choose, answer))

    async def _choose(self, answer: str) -> None:
        """All that qualify, those with these names, or those that a selector matches."""
        judgement = self._session.judgement
        assert judgement is not None
        words = tuple(answer.replace(",", " ").split())
        if answer == "all":
            choice = NodesChoice()
        elif {verdict.node.name for verdict in judgement.verdicts}.issuperset(words):
            choice = NodesChoice(all=False, names=words)
        else:
            choice = NodesChoice(all=False, selector=answer)
        before = self._session.answers
        self._session.choose(replace(before, nodes=choice))
        chosen = self._session.judgement.chosen if self._session.judgement else ()
        if choice.selector is not None and not chosen:
            self._session.choose(before)
            out(f"No node has these labels: {answer}. The choice stays as it was.")

    async def _label(self, *, remove: bool = False) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        if self._refuses(self._session.may_act()):
            return
        names = tuple(v.node.name for v in judgement.chosen if v.node.labelled) if remove else judgement.to_label
        word = "Unlabel" if remove else "Label"
        if not names:
            out(f"Nothing to {word.lower()}: 0 nodes.")
        elif await self._agreed_here(f"{word} {len(names)} nodes"):
            self._engine.note_answers(self._session.answers)
            labelled = await self._engine.label(names, tell, remove=remove)
            if not remove:
                self._session.labelled = labelled
            self._done.append(f"{len(labelled.done)} nodes {word.lower()}led")
            self._session.take_facts(await self._engine.read_facts())

    async def _wait(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        if len(judgement.to_label) == len(judgement.expected):
            out("No chosen node has the label: there is nothing to wait for.")
            return
        timeout = self._session.answers.rollout.timeout
        rollout = await self._engine.wait(judgement.expected, tell, timeout=timeout)
        self._session.take_rollout(rollout, judgement.forecast)
        self._done.append(f"{rollout.ready} of {rollout.desired} nodes offer FUSE")
        self._session.take_facts(await self._engine.read_facts())

    async def _policy(self) -> None:
        choice = self._session.answers.policy
        file = await ask(
            "Policy file to merge into, guide for the guide's own, or next", default=choice.file or "guide"
        )
        if file == "next":
            return
        mode = await ask("Policy word of the FUSE fields", (*WORDS, "as it is"), default="as it is")
        output = await ask("Write it to", default=choice.output or (file if file != "guide" else "policy.yaml"))
        choice = replace(
            choice,
            file=None if file == "guide" else file,
            output=output,
            mode=WORDS.get(mode),
        )
        try:
            action = plan_policy(replace(choice, on_conflict="fail"))
        except ConflictError as error:
            out(error.what)
            answer = await ask("Keep what stands there, or replace it", tuple(COUNTS), default="keep")
            choice = replace(choice, on_conflict=COUNTS[answer])
            action = plan_policy(choice)
        self._session.choose(replace(self._session.answers, policy=choice))
        if action.diff:
            out(action.diff, lines=True)
        elif choice.file:
            out("No difference: the policy already asks for FUSE, or keeps what it has.")
        out(action.fate)
        if action.read is not None and action.read.content == action.content:
            self._session.policy_saved = str(action.path)
            return
        if await _agreed(f"Write {action.path}"):
            self._engine.note_answers(self._session.answers)
            await self._engine.write_policy(action, tell)
            self._session.policy_saved = str(action.path)
            self._done.append(f"{action.path} written")

    async def _verify(self) -> None:
        judgement = self._session.judgement
        assert judgement is not None
        for step in guide_test():
            out(f"{step.who}: {step.text}")
            if step.command:
                out(f"    {step.command}")
        choice = self._session.answers.verify
        if not subjects(judgement.facts):
            out("No node offers FUSE yet: apply, label and wait first.")
            return
        if not self._refuses(self._session.may_send_pods(choice.namespace)) and await self._agreed_here(
            f"Run Podman in a pod on each kind of node ({choice.image}, in {choice.namespace})"
        ):
            self._session.proofs = await verify_nodes(self._engine, judgement.facts, choice, tell)
            print_proofs(self._session.proofs)

    async def _summary(self) -> None:
        out("Done: " + ("; ".join(self._done) or "nothing was changed"))
        saved = self._session.policy_saved
        for _, step in steps_left(Path(saved) if saved else None):
            out(f"Left to do: {step}")
        if self._done:
            out("To take it back: podman-wizard undo shows what that would do, undo --yes does it.")
        text = write_answers(self._session.answers)
        out("The answers file that repeats it:")
        out(text, lines=True)
        if await _agreed(f"Write it to {ANSWERS_FILE}"):
            write_file(Path(ANSWERS_FILE), text.encode())


def _path(typed: str) -> Path:
    return Path(typed).expanduser().absolute()


def _tell_finding(finding: Finding, number: int) -> None:
    word = "ok" if finding.outcome is Outcome.PASS else finding.outcome
    out(f"{number}. {word}: {finding.title}")
    if finding.outcome in (Outcome.PASS, Outcome.SKIPPED):
        return
    _tell_details(finding)


def _tell_details(finding: Finding) -> None:
    for seen in dict.fromkeys(finding.evidence):
        out(f"  Seen: {seen}")
    if finding.confidence != "high":
        out(f"  Sure: {finding.confidence} confidence")
    if finding.detail:
        out(f"  Then: {finding.detail}")
    for remedy in finding.remedies:
        out(f"  Do: {remedy.text} ({remedy.who})")
        if remedy.command:
            out(indent(remedy.command, "    "), lines=True)


def _tell_story(finding: Finding) -> None:
    """All that is known of a finding, with the background for who meets the matter for the first time."""
    out(f"{finding.outcome}: {finding.title}")
    _tell_details(finding)
    try:
        out(explain(finding.id), lines=True)
    except UsageError:
        out("There is no more to say of it.")
