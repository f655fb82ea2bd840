"""The application: keys that work everywhere, the way from step to step, and an orderly end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self

from textual._compositor import CompositorUpdate
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from screens.main import MainScreen
from screens.messages import OperationChanged, WalkChanged
from screens.steps.step import Step
from screens.terminal.handoff import TerminalLender
from screens.terminal.repaint import Thrift
from screens.terminal.terminal import HANGUP_CODE, TERMINATED_CODE, TerminalGuard, never_wait_for_the_terminal
from screens.walk import Walk
from screens.widgets.colored import ColoredApp
from screens.widgets.rows import RowList
from screens.widgets.words import clean
from wizard.errors import ExitCode, WizardError
from wizard.resources import asset_text
from wizard.steps import STEPS, StepId

if TYPE_CHECKING:
    from wizard.choices.answers import Answers
    from wizard.choices.target import Target
    from wizard.facts.cluster import ClusterFacts
    from wizard.journal.journal import Run
    from wizard.journal.unfinished import Unfinished

LAST_WORK_SECONDS = 3.0
"""How long work in progress can continue after the terminal is gone or the process receives a signal to end."""

SIGNALLED = (HANGUP_CODE, TERMINATED_CODE)
"""Exit codes of runs that a signal ended."""

STEP_CLASSES: dict[StepId, tuple[str, str]] = {
    "prerequisites": ("screens.steps.prerequisites", "PrerequisitesStep"),
    "security-modules": ("screens.steps.security_modules", "SecurityModulesStep"),
    "manifest": ("screens.steps.manifest", "ManifestStep"),
    "nodes": ("screens.steps.nodes", "NodesStep"),
    "policy": ("screens.steps.policy", "PolicyStep"),
    "verify": ("screens.steps.verify", "VerifyStep"),
    "summary": ("screens.steps.summary", "SummaryStep"),
}


CODER_CLASSES: Mapping[str | None, tuple[str, str]] = {
    "v1": STEP_CLASSES["policy"],
    "v2": ("screens.steps.template", "TemplateStep"),
    None: ("screens.steps.which_coder", "WhichCoderStep"),
}
"""The classes of the step for each Coder, and the one that asks which it is."""


@dataclass(frozen=True)
class AppOptions:
    """The options of the wizard. ``facts`` replays a saved reading instead of a cluster."""

    target: Target
    answers: Answers | None = None
    policy_file: str | None = None
    fresh: bool = False
    light: bool = False
    facts: ClusterFacts | None = None
    sandbox_speed: float = 1.0


STEP_KEYS = tuple(
    Binding(
        str(number),
        f"go('{step}')",
        f"Go to {title}",
        show=False,
        id=f"app.go-{step}",
        tooltip=f"Go to the step {title}",
    )
    for number, (step, title) in enumerate(STEPS, start=1)
)
"""The keys 1 to 7."""


class WizardApp(ColoredApp):
    """The wizard on screen."""

    TITLE = "podman-wizard"
    ENABLE_COMMAND_PALETTE = True
    BINDING_GROUP_TITLE = "Everywhere"
    CSS = asset_text("styles", "wizard.tcss")
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (textual declares it so)
        (0, "-tiny"),
        (40, "-narrow"),
        (70, "-middle"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (10, "-low"), (20, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="app.back", tooltip="Go to the previous step"),
        Binding("greater_than_sign,ctrl+n,f8", "next", "Next", id="app.next", tooltip="Go to the next step"),
        Binding(
            "question_mark,f1",
            "help",
            "Help",
            key_display="?",
            id="app.help",
            tooltip="Explain this step and its keys",
        ),
        *STEP_KEYS,
        Binding("c", "copy", "Copy commands", id="app.copy", tooltip="Show the equivalent commands"),
        Binding(
            "h",
            "hand_over",
            "Export plan",
            id="app.handover",
            tooltip="Export the plan to a folder for someone with access",
        ),
        Binding(
            "ctrl+q,ctrl+c",
            "ask_quit",
            "Quit",
            show=False,
            priority=True,
            id="app.quit",
            tooltip="Quit, after confirmation",
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Commands",
            show=False,
            priority=True,
            id="app.palette",
            tooltip="Show all commands",
        ),
    ]

    def __init__(self, options: AppOptions) -> None:
        self._thrift = Thrift()
        super().__init__(light=options.light)
        self.animation_level = "none"
        self.exit_code: int = ExitCode.DONE
        self._lender = TerminalLender(self)
        self.walk_through = Walk(
            options.target,
            options.answers,
            policy_file=options.policy_file,
            fresh=options.fresh,
            facts=options.facts,
            sandbox_speed=options.sandbox_speed,
            interactive=self._lender.lend,
            on_change=self._tell_changed,
            on_operation=self._tell_operation,
        )
        self._main = MainScreen(self.walk_through, self._make_step)
        self._guard = TerminalGuard(self._end_by_signal)
        self._ending = False
        self._asked_about_earlier_run = False

    def redraw(self) -> None:
        """Draws the step in view again."""
        self._main.show_current()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        is_written = self._running and self._driver is not None and not self._closed and not self._batch_count
        if is_written and isinstance(renderable, CompositorUpdate):
            renderable = self._thrift.left_to_draw(renderable)
        super()._display(screen, renderable)

    def refresh(self, *, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draws all of it: another program could have written to the terminal."""
        self._thrift.forget()
        return super().refresh(repaint=repaint, layout=layout, recompose=recompose)

    def on_resize(self) -> None:
        """Forgets the terminal's content, which is unknown after a change of its size."""
        self._thrift.forget()

    def _make_step(self, step: StepId) -> Step:
        return self._step_class(step)(self.walk_through)

    def _step_class(self, step: StepId) -> type[Step]:
        module, name = STEP_CLASSES[step]
        if step == "policy":
            from screens.steps.which_coder import which_coder

            module, name = CODER_CLASSES[which_coder(self.walk_through)]
        kind: type[Step] = getattr(import_module(module), name)
        return kind

    def _tell_changed(self) -> None:
        # Called from the engine's thread, in which only posting is safe.
        self.post_message(WalkChanged())

    def _tell_operation(self) -> None:
        self.post_message(OperationChanged())

    # Start and end -------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        """Returns the main screen."""
        return self._main

    def on_mount(self) -> None:
        """Starts to read once the first picture has been drawn: reading imports the Kubernetes client."""
        self.walk_through.start()
        if self._driver is not None and not self.is_headless:
            self._guard.start(asyncio.get_running_loop(), self._driver)
            self.call_after_refresh(collect_garbage_from_now_on)
        self.call_after_refresh(self.read_cluster)

    def read_cluster(self) -> None:
        """Reads the cluster in the background."""
        self.run_worker(self.walk_through.read(), group="read", exclusive=True)

    def _end_by_signal(self, code: int) -> None:
        if not self._ending:
            self._ending = True
            self.run_worker(self._end(code), group="end")

    async def _end(self, code: int) -> None:
        """Lets the work in progress finish or stops it, and quits."""
        await self._lender.close()
        await self.walk_through.finish(LAST_WORK_SECONDS)
        try:
            if code in SIGNALLED:
                await self.walk_through.keep_unfinished(self._main.current, self._main.policy_edits())
            else:
                await self.walk_through.forget_unfinished()
        except WizardError as error:  # the program ends either way
            self.log.warning(f"not kept: {error}")
        self.exit_code = code
        self.exit(code, return_code=code)

    async def on_unmount(self) -> None:
        """Ends the connection and the engine's thread."""
        self._guard.stop()
        try:
            await self.walk_through.close(interrupted=self.exit_code in SIGNALLED)
        except Exception as error:  # the program ends either way
            self.log.warning(f"closing: {error!r}")
        self.walk_through.bridge.stop(timeout=1.0 if self.exit_code == HANGUP_CODE else 5.0)
        self._guard.leave(self.exit_code)

    # Messages ------------------------------------------------------------------------------------------------

    def on_walk_changed(self) -> None:
        """Draws the step in view again, and asks about an interrupted run, once."""
        if not self._main.is_mounted:
            return
        self._main.show_current()
        run, left = self.walk_through.interrupted, self.walk_through.unfinished
        if run is None and left is None:
            self._asked_about_earlier_run = False
        elif not self._asked_about_earlier_run:
            self._asked_about_earlier_run = True
            self._ask_about_earlier_run(run, left)

    def _ask_about_earlier_run(self, run: Run | None, left: Unfinished | None) -> None:
        from screens.widgets.dialogs import Choice, Confirm
        from wizard.journal.unfinished import told

        lines = []
        if run is not None:
            lines += [f"The run started at {run.started} was interrupted. Progress so far:", ""]
            words = {
                "done": "done",
                "failed": "failed",
                "stopped": "stopped",
                None: "result unknown",
            }
            lines += [f"  {change.title}: {words[change.result]}" for change in run.changes]
            lines += [
                "",
                "The cluster has been read again. Completed changes are kept and are not repeated.",
            ]
            lines += ["", run.damage] if run.damage else []
        if left is not None:
            lines += ["", *told(left)] if run is not None else told(left)
        choices = [Choice("go-on", "Resume"), Choice("afresh", "Discard")]
        question = Confirm("Resume the interrupted run?", lines, choices, back="Ask me later")
        _ = self.push_screen(question, self._earlier_run_answered)

    def _earlier_run_answered(self, answer: str | None) -> None:
        if answer is None:
            # Without a decision, the question is asked again, in the next session too.
            return

        async def decide() -> None:
            try:
                step = await self.walk_through.decide_about_earlier(go_on=answer == "go-on")
            except WizardError as error:
                self.notify(clean(f"{error.what} {error.todo}"), severity="error", markup=False)
            else:
                if step is not None:
                    await self._main.go(step)

        self.run_worker(decide(), group="resume")

    def on_operation_changed(self) -> None:
        """Draws the work in progress again."""
        if self._main.is_mounted:
            self._main.show_current()

    def on_step_list_picked(self, message: object) -> None:
        """A step was clicked."""
        self.run_worker(self._main.go(message.step), group="go")  # type: ignore[attr-defined]

    # Keys ----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers no next step at the end, and the export of the plan if permission is lacking, and at the end."""
        if action == "next":
            return self._main.neighbour(1) is not None
        if action == "hand_over":
            return self.walk_through.hand_over_helps or self._main.neighbour(1) is None
        return True

    async def action_next(self) -> None:
        """Goes to the next step."""
        step = self._main.neighbour(1)
        if step is not None:
            await self._main.go(step)

    async def action_back(self) -> None:
        """Goes to the previous step."""
        step = self._main.neighbour(-1)
        if step is not None:
            await self._main.go(step)

    async def action_go(self, step: StepId) -> None:
        """Goes to a step by name."""
        await self._main.go(step)

    def action_help(self) -> None:
        """Explains this step and every key that works now."""
        from screens.widgets.pages import show_help

        step = self._main.step
        show_help(self._main, step.TITLE, step.HELP)

    def action_copy(self) -> None:
        """Shows the commands of this step."""
        from screens.widgets.pages import CommandsPage

        step = self._main.step
        lines = list(step.commands())
        if lines:
            _ = self.push_screen(CommandsPage(f"{step.TITLE}: commands", "\n".join(lines), f"{step.STEP}-commands.sh"))
        else:
            self.notify("There are no commands for this step.", markup=False)

    def action_hand_over(self) -> None:
        """Exports the plan to a folder, for someone with access."""
        from screens.steps.handover import hand_over

        hand_over(self._main.step)

    def action_ask_quit(self) -> None:
        """Asks whether to quit, with the work in progress."""
        from screens.widgets.dialogs import Choice, Confirm, Dialog

        if isinstance(self.screen, Dialog):
            self.screen.action_refuse()
            return
        operation = self.walk_through.operation
        lines = []
        if operation is not None and not operation.ended:
            lines.append(f"{operation.phase} is still running: {operation.progress()}.")
            lines.append("Quitting stops it. Changes made so far are kept and recorded in the journal.")
            choices = [Choice("quit", "Stop and quit", danger=True)]
        else:
            lines.append(
                "Applied objects, labels, and saved files are kept. Choices that you have not exported are lost."
            )
            choices = [Choice("quit", "Quit", danger=True)]
        lines += self._main.unsaved()
        _ = self.push_screen(Confirm("Quit podman-wizard?", lines, choices), self._quit_answered)

    def _quit_answered(self, answer: str | None) -> None:
        if answer == "quit" and not self._ending:
            self._ending = True
            self.run_worker(self._end(ExitCode.DONE), group="end")

    # The command palette -------------------------------------------------------------------------------------

    def on_command_palette_opened(self) -> None:
        """Stops the cursor from blinking, which would write to an idle terminal."""
        self.screen.query_one(Input).cursor_blink = False

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yields every step, and every action of the step in view."""
        for step, title in STEPS:
            yield SystemCommand(f"Go to {title}", "Step of the wizard", partial(self._go_later, step))
        if screen is self._main:
            yield from self._commands_here()
        for step, title in STEPS:
            if step != self._main.current:
                for binding in self._step_class(step).actions():
                    go = partial(self._go_later, step, binding.key.partition(",")[0])
                    yield SystemCommand(f"{title}: {binding.description}", binding.tooltip, go)
        yield SystemCommand("Refresh", "Read the cluster again", self.read_cluster)
        yield SystemCommand("Help", "Explain this step and its keys", self.action_help)
        yield SystemCommand("Export the plan", "To a folder for someone with access", self.action_hand_over)
        yield SystemCommand("Copy commands", "Show the equivalent commands", self.action_copy)
        yield SystemCommand("Colors for a dark background", "Theme", partial(setattr, self, "theme", "ansi-dark"))
        yield SystemCommand("Colors for a light background", "Theme", partial(setattr, self, "theme", "ansi-light"))
        yield SystemCommand("Quit", "After confirmation", self.action_ask_quit)

    def _commands_here(self) -> Iterable[SystemCommand]:
        for key, active in self._main.active_bindings.items():
            node, binding = active.node, active.binding
            if not binding.id or not active.enabled or node is self or isinstance(node, RowList):
                continue
            words = node.describe(binding.action) if isinstance(node, Step) else ""
            title = node.TITLE if isinstance(node, Step) else getattr(type(node), "BINDING_GROUP_TITLE", "")
            yield SystemCommand(
                f"{title}: {words or binding.description}", binding.tooltip, partial(self.simulate_key, key)
            )

    def _go_later(self, step: StepId, key: str = "") -> None:
        """Goes to a step and presses a key there, once it is drawn."""

        async def go() -> None:
            await self._main.go(step)
            if key:
                self.call_after_refresh(self.simulate_key, key)

        self.run_worker(go(), group="go")


def collect_garbage_from_now_on() -> None:
    """Freezes what exists after the first picture: it lives until the end, so the collector can skip it."""
    gc.freeze()
    gc.enable()


def make_app(options: AppOptions) -> WizardApp:
    """Returns the application, the same for the program and the tests."""
    return WizardApp(options)


def run_app(options: AppOptions) -> int:
    """Shows the wizard until the user quits; returns the exit code."""
    never_wait_for_the_terminal()
    app = make_app(options)
    app.run()
    return app.exit_code
