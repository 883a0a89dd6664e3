"""The actions that open something to read or to fill in. Imported once, which registers them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from console.model.actions import Action
from console.model.kube import Event, KubeSnapshot, Pod, Workload
from console.model.logs import TAIL, LogRequest
from console.model.metrics import Alert
from console.model.signals import Signal, Suggestion
from console.timeline.entry import Entry
from console.ui import mitigate
from console.ui.cells import Spans
from console.ui.commands import command, perform
from console.ui.entry_page import entry_lines
from console.ui.panes.alerts import AlertsPane
from console.ui.panes.errors import ErrorsPane
from console.ui.panes.pods import PodsPane
from console.ui.panes.suggestions import SuggestionsPane, suggestion_lines
from console.ui.panes.timeline import TimelinePane
from console.ui.screens.logs import LogsScreen
from console.ui.screens.menu import Item, Menu
from console.ui.screens.pages import (
    FetchedScreen,
    OfferScreen,
    PageScreen,
    description_lines,
    event_lines,
    help_lines,
    revision_lines,
    source_lines,
)

if TYPE_CHECKING:
    from console.ui.screens.main import MainScreen

_MERGED = 20
"""Pods whose logs are read at once."""
_FIRST_LINES = 2_000
"""Lines of all of them together that a log begins with."""


def _row(screen: MainScreen) -> tuple[str, Workload | Pod] | None:
    """The board's source and the record under the cursor of the pods pane."""
    row, key = screen.pane.table.record, screen.pane.table.cursor
    if not isinstance(row, Workload | Pod) or key is None:
        screen.say("Move the cursor to a workload or a pod first.", "warn")
        return None
    return key.partition("|")[0], row


def _pods_of(screen: MainScreen, source: str, row: Workload | Pod) -> list[Pod]:
    """The pods of a row, sick ones first."""
    if isinstance(row, Pod):
        return [row]
    snapshot = screen.engine.board.snapshot(source)
    if not isinstance(snapshot, KubeSnapshot):
        return []
    found = snapshot.pods.members(row).values()
    return sorted(found, key=lambda pod: (not pod.sick, -pod.severity, pod.name))


def _label(row: Workload | Pod) -> str:
    return f"{'pod' if isinstance(row, Pod) else row.kind.lower()}/{row.name}"


@command("ui.open")
def _open(screen: MainScreen) -> None:
    if screen.pane.open():
        return
    if isinstance(screen.pane, PodsPane):
        _describe(screen)
    elif isinstance(screen.pane, SuggestionsPane) and screen.pane.table.record is not None:
        screen.open_with(_suggestion(screen, screen.pane))
    elif isinstance(screen.pane, AlertsPane) and isinstance(screen.pane.table.record, Alert):
        _alert(screen, screen.pane, screen.pane.table.record)
    elif isinstance(screen.pane, TimelinePane) and screen.pane.entry is not None:
        _entry(screen, screen.pane.entry)
    elif isinstance(screen.pane, ErrorsPane) and (key := screen.pane.workload()) is not None:
        _workload(screen, key)
    else:
        screen.say("There is nothing to open here.")


def _workload(screen: MainScreen, key: str) -> None:
    """Go to a row of the pods pane, also when a filter or a namespace hides it."""
    pane = screen.panes["pods"]
    assert isinstance(pane, PodsPane)
    screen.focus_pane("pods")
    pane.reread()
    if key not in pane.table.keys:
        pane.namespace = ""
        pane.set_filter("")
    pane.table.select(key)


def _entry(screen: MainScreen, entry: Entry) -> None:
    lines = cache(lambda width: entry_lines(entry, width))
    screen.app.push_screen(PageScreen(screen.engine, f"ENTRY  {entry.kind}", lines))


def _alert(screen: MainScreen, pane: AlertsPane, alert: Alert) -> None:
    """An alert as it is, also after it changed: who silenced it may be what is waited for."""
    key = pane.table.cursor

    def lines(width: int) -> list[Spans]:
        now = pane.lookup(key) if key is not None else None
        return pane.lines(now if isinstance(now, Alert) else alert, width)

    screen.app.push_screen(PageScreen(screen.engine, f"ALERT  {alert.name}", lines))


async def _suggestion(screen: MainScreen, pane: SuggestionsPane) -> None:
    """Read the evidence; Enter goes on to the first mitigation."""
    row = pane.table.record
    if not isinstance(row, Suggestion | Signal):
        return
    offer = pane.offer()
    action = offer[0] if offer is not None else None
    title = row.title if isinstance(row, Suggestion) else f"{row.name} {row.label}"
    taken = await screen.app.push_screen_wait(
        OfferScreen(screen.engine, title, lambda width: suggestion_lines(row, action, width), action)
    )
    if taken and offer is not None:
        mitigate.begin(screen, *offer)


def begin_offer(screen: MainScreen, key: str) -> bool:
    """On a suggestion, the key of its first mitigation starts it on the suggested target."""
    if not isinstance(screen.pane, SuggestionsPane):
        return False
    offer = screen.pane.offer()
    if offer is None or key not in screen.keymap.keys(offer[0].name):
        return False
    if not mitigate.row_jumped(screen):
        mitigate.begin(screen, *offer)
    return True


@command("ui.logs")
def _logs(screen: MainScreen) -> None:
    found = _row(screen)
    if found is None:
        return
    source, row = found
    pods = _pods_of(screen, source, row)
    if not pods:
        screen.say(f"{_label(row)} has no pods, so there are no logs.", "warn")
        return
    names = tuple(pod.name for pod in pods[:_MERGED])
    containers = tuple(dict.fromkeys(container.name for pod in pods for container in pod.containers))
    tail = min(TAIL, _FIRST_LINES // len(names))
    request = LogRequest(row.namespace, names, tail=tail)
    label = _label(row) + (f"  {len(names)} pods" if len(names) > 1 else "")
    if len(pods) > _MERGED:
        label = f"{_label(row)}  {_MERGED} of {len(pods)} pods, the sick ones first"
    screen.app.push_screen(LogsScreen(screen.engine, source, label, request, containers))


@command("ui.describe")
def _describe(screen: MainScreen) -> None:
    found = _row(screen)
    if found is None:
        return
    source, row = found
    kind = "Pod" if isinstance(row, Pod) else row.kind
    engine = screen.engine
    screen.app.push_screen(
        FetchedScreen(
            engine,
            f"DESCRIBE  {_label(row)}",
            lambda: engine.describe(source, kind, row.namespace, row.name),
            description_lines,
        )
    )


def _events_of(screen: MainScreen, source: str, row: Workload | Pod) -> list[Event]:
    snapshot = screen.engine.board.snapshot(source)
    if not isinstance(snapshot, KubeSnapshot):
        return []
    about = {f"Pod/{pod.name}" for pod in _pods_of(screen, source, row)}
    if isinstance(row, Workload):
        about.add(row.key)
        about |= {pod.owner for pod in _pods_of(screen, source, row)}
    return [
        event
        for event in snapshot.events.values()
        if event.namespace == row.namespace and event.about in about
    ]


@command("ui.events")
def _events(screen: MainScreen) -> None:
    found = _row(screen)
    if found is None:
        return
    source, row = found
    engine = screen.engine
    screen.app.push_screen(
        PageScreen(
            engine,
            f"EVENTS  {_label(row)}",
            lambda width: event_lines(_events_of(screen, source, row), engine.clock.now().timestamp(), width),
        )
    )


@command("ui.history")
def _history(screen: MainScreen) -> None:
    found = _row(screen)
    if found is None:
        return
    source, row = found
    if isinstance(row, Pod):
        screen.say("A pod has no revisions; move the cursor to its workload.", "warn")
        return
    engine = screen.engine
    screen.app.push_screen(
        FetchedScreen(
            engine,
            f"HISTORY  {_label(row)}",
            lambda: engine.revisions(source, row),
            lambda revisions, width: revision_lines(row, revisions, engine.clock.now().timestamp(), width),
        )
    )


@command("ui.namespace")
def _namespace(screen: MainScreen) -> None:
    screen.open_with(_pick_namespace(screen))


async def _pick_namespace(screen: MainScreen) -> None:
    pane = screen.panes["pods"]
    assert isinstance(pane, PodsPane)
    items = [Item("*", "", "all namespaces", ""), *(Item(name, "", name, "") for name in pane.namespaces())]
    chosen = await screen.app.push_screen_wait(
        Menu(screen.engine, "Namespace", items, current=pane.namespace or "*")
    )
    if chosen is not None:
        pane.namespace = "" if chosen == "*" else chosen
        pane.reread()


@command("ui.help")
def _help(screen: MainScreen) -> None:
    pane = screen.current
    lines = lambda width: help_lines(screen.keymap, pane, width)  # noqa: E731
    screen.app.push_screen(PageScreen(screen.engine, "HELP", lines))


@command("ui.sources")
def _sources(screen: MainScreen) -> None:
    engine = screen.engine
    read = ""

    def lines(width: int) -> list[Spans]:
        nonlocal read
        read = engine.timeline.changed
        return source_lines(engine, engine.clock.now().timestamp(), width)

    screen.app.push_screen(PageScreen(engine, "SOURCES", lines), lambda _: engine.timeline.acknowledge(read))


@command("ui.palette")
def _palette(screen: MainScreen) -> None:
    screen.open_with(_pick_action(screen))


async def _pick_action(screen: MainScreen) -> None:
    """Those of the focused pane first; one of another pane is done there, on the row that is chosen in it."""
    keymap = screen.keymap
    actions = sorted(keymap.actions, key=lambda action: action.pane not in ("", screen.current))
    items = [
        Item(
            action.name,
            keymap.label(action.name),
            action.title if action.pane in ("", screen.current) else f"{action.title} ({action.pane})",
            action.help,
            refusal=_needs(screen, action),
        )
        for action in actions
        if action.name != "ui.palette" and action.pane in ("", *screen.panes)
    ]
    chosen = await screen.app.push_screen_wait(Menu(screen.engine, "Commands", items))
    action = next((action for action in actions if action.name == chosen), None)
    if action is not None:
        if action.pane:
            screen.focus_pane(action.pane)
        perform(screen, action)


def _needs(screen: MainScreen, action: Action) -> str:
    """Why the row under the cursor of its pane is none that an action works on, or ""."""
    pane = screen.panes[action.pane or screen.current]
    kinds = {selection.target.kind for selection in pane.selections()}
    if not action.targets or kinds & set(action.targets):
        return ""
    return f"needs a {' or '.join(action.targets)} under the cursor"
