"""What people write into the record: notes, and the incident from its declaration to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from console.engine.record import IncidentView
from console.incident.change import Change, Reopen, Resolve, Roles, Severity, Status, Title
from console.incident.conduct import RESOLVED
from console.timeline.entry import TimelineError
from console.ui.screens.form import declare_form, note_form
from console.ui.screens.incident import (
    ResolveForm,
    RolesForm,
    incident_menu,
    reopen_form,
    severity_menu,
    status_menu,
    title_form,
    update_form,
)

if TYPE_CHECKING:
    from console.ui.screens.main import MainScreen

COMMANDS: dict[str, Callable[[MainScreen], None]] = {}
"""What the keys do that write into the record."""

Work = Callable[["MainScreen"], Coroutine[Any, Any, None]]
Ask = Callable[["MainScreen", IncidentView], Coroutine[Any, Any, Change | None]]


def _opens(name: str) -> Callable[[Work], Work]:
    """Register what opens the dialog of an action."""

    def register(work: Work) -> Work:
        COMMANDS[name] = lambda screen: screen.open_with(work(screen))
        return work

    return register


def _changes(name: str) -> Callable[[Ask], Ask]:
    """Register what asks for a change of the open incident."""

    def register(ask: Ask) -> Ask:
        COMMANDS[name] = lambda screen: screen.open_with(_change(screen, ask))
        _ASKS[name] = ask
        return ask

    return register


_ASKS: dict[str, Ask] = {}


async def _change(screen: MainScreen, ask: Ask) -> None:
    incident = screen.engine.timeline.incident
    if incident is None:
        screen.say(f"No incident is open; {screen.keymap.label('ui.declare')} declares one.", "warn")
        return
    change = await ask(screen, incident)
    if change is not None:
        await _await_write(screen, screen.engine.change(change))


@_opens("ui.note")
async def _note(screen: MainScreen) -> None:
    values = await screen.app.push_screen_wait(note_form(screen.engine))
    if values:
        await _await_write(screen, screen.engine.note(values["text"]))


@_opens("ui.declare")
async def _incident(screen: MainScreen) -> None:
    incident = screen.engine.timeline.incident
    if incident is None:
        await _declare(screen)
        return
    chosen = await screen.app.push_screen_wait(incident_menu(screen.engine, incident))
    if chosen is not None:
        await _change(screen, _ASKS[chosen])


async def _declare(screen: MainScreen) -> None:
    values = await screen.app.push_screen_wait(declare_form(screen.engine))
    if values:
        await _await_write(screen, screen.engine.declare(int(values["severity"]), values["title"]))


@_changes("ui.severity")
async def _severity(screen: MainScreen, incident: IncidentView) -> Change | None:
    chosen = await screen.app.push_screen_wait(severity_menu(screen.engine, incident))
    return Severity(int(chosen)) if chosen is not None else None


@_changes("ui.status")
async def _status(screen: MainScreen, incident: IncidentView) -> Change | None:
    chosen = await screen.app.push_screen_wait(status_menu(screen.engine, incident))
    if chosen is None:
        return None
    if chosen == RESOLVED:
        return await _resolve(screen, incident)
    values = await screen.app.push_screen_wait(update_form(screen.engine, incident, chosen))
    return Status(chosen, values.get("update", "")) if values is not None else None


@_changes("ui.roles")
async def _roles(screen: MainScreen, incident: IncidentView) -> Change | None:
    values = await screen.app.push_screen_wait(RolesForm(screen.engine, incident))
    return Roles(values) if values is not None else None


@_changes("ui.title")
async def _title(screen: MainScreen, incident: IncidentView) -> Change | None:
    values = await screen.app.push_screen_wait(title_form(screen.engine, incident))
    return Title(values["title"]) if values else None


@_changes("ui.resolve")
async def _resolve(screen: MainScreen, incident: IncidentView) -> Change | None:
    form = ResolveForm(screen.engine, incident, await _standing(screen), screen.keymap.label("ui.ledger"))
    values = await screen.app.push_screen_wait(form)
    return Resolve(values["resolution"]) if values else None


async def _standing(screen: MainScreen) -> list[str]:
    """The temporary measures that nobody has taken back, of all incidents."""
    mitigator = screen.engine.mitigator
    if mitigator is None:
        return []
    try:
        measures = await asyncio.wrap_future(screen.engine.submit(mitigator.ledger()))
    except TimelineError as error:
        return [f"The ledger could not be read: {error}"]
    return [f"{measure.text} (by {measure.user} at {measure.opened_at[:16]}Z)" for measure in measures]


@_opens("ui.reopen")
async def _reopen(screen: MainScreen) -> None:
    over = screen.engine.timeline.over
    if over is None:
        screen.say("There is no resolved incident, or another one is open.", "warn")
        return
    values = await screen.app.push_screen_wait(reopen_form(screen.engine, over))
    if values:
        await _await_write(screen, screen.engine.change(Reopen(over.id, values["reason"])))


async def _await_write(screen: MainScreen, future: Future[str]) -> None:
    """Say what became of it, in its own words."""
    try:
        said = await asyncio.wrap_future(future)
    except Exception as error:
        screen.say(str(error) or type(error).__name__, "bad")
    else:
        screen.say(said or "Nothing changed.", "ok")
    screen.frame(tick=True)
