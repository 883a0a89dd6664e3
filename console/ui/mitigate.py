"""From a key to a verdict: parameters, plan and confirmation, the run, and the way back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from console.model.actions import Action, Param, find
from console.model.plan import Progress
from console.timeline.entry import TimelineError
from console.ui.panes.base import Selection
from console.ui.screens.confirm import ConfirmScreen
from console.ui.screens.form import Field, Form, ParamForm
from console.ui.screens.menu import Item, Menu
from console.ui.screens.running import RunningScreen

if TYPE_CHECKING:
    from console.engine.ledger import Measure
    from console.engine.ports import Mitigator
    from console.ui.screens.main import MainScreen


def begin(
    screen: MainScreen,
    action: Action,
    selection: Selection | None = None,
    params: dict[str, str] | None = None,
    *,
    ask: bool = True,
) -> None:
    """Start a mitigation on ``selection``, or on what the cursor is on. One at a time is prepared.

    ``ask`` for its parameters first, with ``params`` filled in.
    """
    if _mitigator(screen) is None or screen.preparing:
        return
    if selection is None and row_jumped(screen):
        return
    chosen = selection or _target(screen, action)
    if chosen is None:
        wanted = " or ".join(action.targets)
        screen.say(f"{action.title} needs a {wanted}: move the cursor to one first.", "warn")
        return
    screen.preparing = True
    screen.open_with(_carry_through(screen, chosen, _Step(action, params or {}, ask=ask)))


def row_jumped(screen: MainScreen) -> bool:
    """Whether the row under the cursor has just become another one, which the person is told."""
    if screen.pane.unsteady:
        now = "".join(one.label for one in screen.pane.selections()[:1])
        screen.say(f"The first row has just become {now or 'another one'}. Press the key again.", "warn")
    return screen.pane.unsteady


def _mitigator(screen: MainScreen) -> Mitigator | None:
    """What carries mitigations out; None, and the person is told, where this console only watches."""
    if screen.engine.mitigator is None:
        screen.say("This console only watches.", "warn")
    return screen.engine.mitigator


def _target(screen: MainScreen, action: Action) -> Selection | None:
    return next((one for one in screen.pane.selections() if _works_on(action, one)), None)


def _works_on(action: Action, selection: Selection) -> bool:
    """Whether it takes such a target, in such a system: PostgreSQL and Redis both have a ``db``."""
    system = _SYSTEMS.get(action.name.partition(".")[0], "")
    return selection.target.kind in action.targets and selection.source.startswith(system)


_SYSTEMS = {"k8s": "kubernetes", "pg": "postgres", "redis": "redis"}
"""The sources that the mitigations of a name work on."""


async def _carry_through(screen: MainScreen, selection: Selection, first: _Step) -> None:
    """Until there is nothing left to do or undo."""
    try:
        following: _Step | None = first
        while following is not None:
            following = await _once(screen, following, selection)
    finally:
        screen.preparing = False


class _Step(NamedTuple):
    """One mitigation to go through; ``ask`` for its parameters first."""

    action: Action
    params: dict[str, str]
    ask: bool = False
    break_glass: bool = False


async def _once(screen: MainScreen, step: _Step, selection: Selection) -> _Step | None:
    """One mitigation; gives the one to go on with: its undoing, or the same without a record."""
    engine, mitigator = screen.engine, screen.engine.mitigator
    assert mitigator is not None
    action, params = step.action, step.params
    if action.params and step.ask:
        filled = await screen.app.push_screen_wait(ParamForm(engine, mitigator, action, selection, params))
        if filled is None:
            return None
        params = filled
    decision = await screen.app.push_screen_wait(
        ConfirmScreen(engine, mitigator, action, selection, params, break_glass=step.break_glass)
    )
    if decision is None or not decision.yes:
        screen.say(f"{action.title} was not done.")
        if decision is not None:
            cancelled = mitigator.cancel(decision.plan, decision.reason)
            await asyncio.wrap_future(engine.submit(cancelled))
        return None
    run = mitigator.run(decision.plan, decision.reason, break_glass=step.break_glass)
    future = engine.submit(run)
    screen.run_worker(_report(screen, action, asyncio.wrap_future(future)), exit_on_error=False)
    outcome = await screen.app.push_screen_wait(RunningScreen(engine, mitigator, decision.plan, future))
    if outcome is None:
        return None
    if outcome.unrecorded:
        return _Step(action, params, break_glass=True)
    undo = find(outcome.undo_action)
    return None if undo is None else _Step(undo, dict(outcome.undo_params or {}))


async def _report(screen: MainScreen, action: Action, running: asyncio.Future[Progress]) -> None:
    """Say how it ended, for whoever closed the dialog before."""
    try:
        progress = await running
    except Exception as error:
        screen.say(f"{action.title} failed: {error}", "bad")
        return
    verdict, outcome = progress.verdict, progress.outcome
    if verdict is not None:
        word = verdict.status.replace("_", " ")
        screen.say(f"{action.title}: {word}. {verdict.detail}", "ok" if word == "helped" else "warn")
    elif outcome is not None:
        screen.say(f"{action.title}: {outcome.status}. {outcome.detail}", "text")


def choose(screen: MainScreen) -> None:
    """The menu of mitigations for the row, and of those that run or ran."""
    screen.open_with(_choose(screen))


async def _choose(screen: MainScreen) -> None:
    mitigator = _mitigator(screen)
    if mitigator is None:
        return
    selections = screen.pane.selections()
    items = [
        Item(
            action.name,
            screen.keymap.label(action.name),
            action.title,
            f"[{action.risk.value}] {action.help}",
        )
        for action in screen.keymap.actions
        if action.mutating and any(_works_on(action, one) for one in selections)
    ]
    progresses = mitigator.progress
    for number, progress in enumerate(progresses):
        text = f"{progress.stage}: {progress.text}"
        items.append(Item(f"progress {number}", "", progress.plan.title, text, "accent"))
    on = selections[0].label if selections else screen.current
    notice = "Move the cursor to a row first."
    if selections:
        notice = "The console has no mitigation for this row. The suggestions say what to do by hand."
    chosen = await screen.app.push_screen_wait(Menu(screen.engine, f"Mitigate  {on}", items, notice=notice))
    if chosen is None:
        return
    if chosen.startswith("progress "):
        plan = progresses[int(chosen.split()[1])].plan
        await screen.app.push_screen_wait(RunningScreen(screen.engine, mitigator, plan))
        return
    action = find(chosen)
    selection = next((one for one in selections if action and _works_on(action, one)), None)
    if action is not None:
        begin(screen, action, selection)


def take_back(screen: MainScreen) -> None:
    """The menu of the ledger: temporary measures of all incidents, each with what takes it back."""
    screen.open_with(_take_back(screen))


async def _take_back(screen: MainScreen) -> None:
    mitigator = _mitigator(screen)
    if mitigator is None:
        return
    try:
        measures = await asyncio.wrap_future(screen.engine.submit(mitigator.ledger()))
    except TimelineError as error:
        screen.say(str(error), "bad")
        return
    items = [
        Item(
            measure.id,
            "",
            str(measure.target),
            f"{measure.text}, by {measure.user} at {measure.opened_at[:16]}Z",
        )
        for measure in measures
    ]
    notice = "No temporary measure stands."
    chosen = await screen.app.push_screen_wait(Menu(screen.engine, "Take back or keep", items, notice=notice))
    measure = next((one for one in measures if one.id == chosen), None)
    if measure is None:
        return
    action = find(measure.undo_action)
    ways = [
        Item(
            "back",
            "t",
            "Take back",
            "Plan what takes it back, and ask.",
            refusal="" if action else f"{measure.text} It has to be taken back by hand.",
        ),
        Item("keep", "k", "Keep for good", "It is no longer temporary; somebody owns it from now on."),
    ]
    way = await screen.app.push_screen_wait(Menu(screen.engine, str(measure.target), ways))
    if way == "keep":
        await _keep(screen, mitigator, measure)
    elif way is not None and action is not None:
        target = msgspec.structs.replace(measure.target, resource_version="")
        selection = Selection(measure.source, target, str(target))
        begin(screen, action, selection, dict(measure.undo_params), ask=False)


async def _keep(screen: MainScreen, mitigator: Mitigator, measure: Measure) -> None:
    fields = [
        Field(Param("owner", "text", "Who answers for it from now on.", required=True)),
        Field(Param("why", "text", "Why it may stay, and until when.")),
    ]
    filled = await screen.app.push_screen_wait(Form(screen.engine, f"Keep {measure.target}", fields))
    if filled is None:
        return
    accepted = mitigator.accept(measure, filled["owner"], filled.get("why", ""))
    await asyncio.wrap_future(screen.engine.submit(accepted))
    screen.say(f"{measure.target} stays as it is; {filled['owner']} owns it.")
