"""What the keys do: one function an action of the registry, found by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from console.model.actions import PANES, Action
from console.ui import mitigate, recording

if TYPE_CHECKING:
    from console.ui.screens.main import MainScreen

Command = Callable[["MainScreen"], None]
COMMANDS: dict[str, Command] = {}


def command(name: str) -> Callable[[Command], Command]:
    """Register a function as what ``name`` does."""

    def register(function: Command) -> Command:
        COMMANDS[name] = function
        return function

    return register


def perform(screen: MainScreen, action: Action) -> None:
    """Do ``action`` on the current pane."""
    if action.mutating:
        mitigate.begin(screen, action)
        return
    COMMANDS[action.name](screen)


@command("ui.quit")
def _quit(screen: MainScreen) -> None:
    mitigator = screen.engine.mitigator
    running = (
        [progress for progress in mitigator.progress if progress.stage != "finished"] if mitigator else []
    )
    if running and not screen.warned_of_leaving:
        names = ", ".join(str(progress.plan.target) for progress in running)
        screen.warn_of_leaving(f"Still running: {names}.")
        return
    screen.app.exit(0)


@command("ui.jump")
def _jump(screen: MainScreen) -> None:
    screen.set_badges(True)


@command("ui.next-pane")
def _next(screen: MainScreen) -> None:
    screen.step_pane(1)


@command("ui.previous-pane")
def _previous(screen: MainScreen) -> None:
    screen.step_pane(-1)


@command("ui.zoom")
def _zoom(screen: MainScreen) -> None:
    screen.zoomed = not screen.zoomed
    screen.lay_out()


@command("ui.filter")
def _filter(screen: MainScreen) -> None:
    screen.begin_filter()


@command("ui.sort")
def _sort(screen: MainScreen) -> None:
    name = screen.pane.next_sort()
    screen.say(f"Sorted by {name}." if name else "This pane has one order.")


@command("ui.back")
def _back(screen: MainScreen) -> None:
    pane = screen.pane
    if pane.filter:
        pane.set_filter("")
    elif not pane.back() and screen.zoomed:
        screen.zoomed = False
        screen.lay_out()


@command("ui.pause")
def _pause(screen: MainScreen) -> None:
    screen.paused = not screen.paused
    screen.frame(tick=True)


@command("ui.redraw")
def _redraw(screen: MainScreen) -> None:
    screen.redraw()


@command("ui.actions")
def _actions(screen: MainScreen) -> None:
    mitigate.choose(screen)


@command("ui.ledger")
def _ledger(screen: MainScreen) -> None:
    mitigate.take_back(screen)


COMMANDS |= recording.COMMANDS


def _focus(name: str) -> Command:
    return lambda screen: screen.focus_pane(name)


for _pane in PANES:
    COMMANDS[f"ui.focus-{_pane}"] = _focus(_pane)
