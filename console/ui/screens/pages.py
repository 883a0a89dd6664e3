"""Dialogs that are read: help, sources, events, descriptions, revisions, and a suggestion's evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar

from textual.events import Key
from textual.widget import Widget

from console.model.actions import Action
from console.model.kube import Event, Revision, Workload, differences
from console.model.logs import Description
from console.model.plan import Change
from console.model.source import Health
from console.model.symptoms.words import plural
from console.ui.cells import Spans, fit
from console.ui.format import age, clock_text
from console.ui.keys import Keymap, key_text
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.widgets.page import Page, labelled

Lines = Callable[[int], Sequence[Spans]]
"""Lines for a width."""


class PageScreen(Dialog[bool]):
    """Lines made by a function, made again once a second. Gives True only where something was offered."""

    HINT: ClassVar[tuple[tuple[str, str], ...]] = (("↑↓ pgup pgdn", "Scroll"), ("esc", "Close"))
    QUITS: ClassVar[bool] = True

    def __init__(self, engine: Engine, title: str, lines: Lines) -> None:
        super().__init__(engine, title)
        self.page = Page()
        self._lines = lines

    def body(self) -> Iterable[Widget]:
        """The page."""
        yield self.page

    def content_height(self) -> int:
        """All lines."""
        return self.page.total

    def first_focus(self) -> Widget:
        """The page scrolls."""
        return self.page

    def refresh_data(self) -> None:
        """Make the lines anew."""
        if self.page.size.width:
            self.page.put(self._lines(self.page.size.width))


class OfferScreen(PageScreen):
    """Something to read that ends in an offer: Enter takes it."""

    def __init__(self, engine: Engine, title: str, lines: Lines, action: Action | None) -> None:
        super().__init__(engine, title, lines)
        self._action = action

    def keys_hint(self) -> tuple[tuple[str, str], ...]:
        """Enter works where there is something to take."""
        if self._action is None:
            return self.HINT
        return (("enter", f"Plan: {self._action.title}"), *self.HINT)

    def handle(self, event: Key) -> bool:
        """Take the offer."""
        if event.key == "enter" and self._action is not None:
            self.dismiss(True)
            return True
        return False


class FetchedScreen(PageScreen):
    """Lines made of an answer that has to be waited for; a failure is shown as its sentence."""

    def __init__(
        self,
        engine: Engine,
        title: str,
        fetch: Callable[[], Coroutine[Any, Any, Any]],
        form: Callable[[Any, int], Sequence[Spans]],
    ) -> None:
        super().__init__(engine, title, self._made)
        self._fetch = fetch
        self._form = form
        self._answer: Any = None
        self._error = ""
        self._done = False

    def opened(self) -> None:
        """Ask the server."""
        self.run_worker(self._ask(), exit_on_error=False)

    async def _ask(self) -> None:
        try:
            self._answer = await asyncio.wrap_future(self.engine.submit(self._fetch()))
        except Exception as error:
            self._error = str(error) or type(error).__name__
        self._done = True
        self.renew()

    def _made(self, width: int) -> Sequence[Spans]:
        if self._error:
            return labelled("failed", self._error, width, role="bad")
        if not self._done:
            return [((" Asking the server.", "dim"),)]
        return self._form(self._answer, width)


def description_lines(description: Description, width: int) -> list[Spans]:
    """A description in its sections."""
    lines: list[Spans] = []
    for name, texts in description.sections:
        lines.append(((f" {name.upper()}", "accent"),))
        if not texts:
            lines.append((("   none", "faint"),))
        for text in texts:
            label, colon, rest = text.partition(": ")
            if colon and len(label) < 24:
                lines.extend(labelled(f"  {label}", rest, width, indent=24))
            else:
                lines.extend(labelled("", text, width, indent=2))
        lines.append(())
    return lines


def event_lines(events: Sequence[Event], now: float, width: int) -> list[Spans]:
    """Warning events, the latest first."""
    if not events:
        return [((" No warning event is known of it.", "dim"),)]
    lines: list[Spans] = []
    for event in sorted(events, key=lambda event: -event.last):
        lines.append(
            (
                (f" {clock_text(event.last)}", "dim"),
                (f" {age(now - event.last):>7} ago ", "faint"),
                (f" {event.reason}", "warn"),
                (f"  {event.about}", "text"),
                (f"  {event.count} times" if event.count > 1 else "", "dim"),
            )
        )
        lines.extend(labelled("", event.message, width, role="dim", indent=10))
    return lines


def revision_lines(workload: Workload, revisions: Sequence[Revision], now: float, width: int) -> list[Spans]:
    """Revisions, the newest first, each with what it changed against the one before."""
    if not revisions:
        return [((" No revision is known.", "dim"),)]
    lines: list[Spans] = []
    ordered = sorted(revisions, key=lambda revision: -revision.number)
    for index, revision in enumerate(ordered):
        current = revision.number == workload.revision
        lines.append(
            (
                (f" r{revision.number:<6}", "strong" if current else "text"),
                (fit(f"{age(now - revision.created)} ago", 12), "accent" if index == 0 else "dim"),
                (f"{clock_text(revision.created)}  ", "faint"),
                (f"{revision.ready}/{plural(revision.replicas, 'pod')}  ", "dim"),
                ("current" if current else "", "ok"),
                (f"  {revision.change_cause}" if revision.change_cause else "", "dim"),
            )
        )
        older = ordered[index + 1] if index + 1 < len(ordered) else None
        for label, text in _changed(older, revision):
            lines.extend(labelled(f"    {label}", text, width, indent=14))
        lines.append(())
    return lines


def _changed(older: Revision | None, newer: Revision) -> list[tuple[str, str]]:
    """What ``newer`` changed, as label and text, or the images of the first one there is."""
    if older is None:
        return [("image", f"{item.name}: {item.image}") for item in newer.containers]
    changes = [_change_line(change) for change in differences(older, newer) if ": " in change.path]
    if changes:
        return changes
    restarted = newer.restarted_at and newer.restarted_at != older.restarted_at
    return [("", "restarted, nothing else" if restarted else "no difference of image or environment")]


def _change_line(change: Change) -> tuple[str, str]:
    """``app: env KEY`` and the like as label and text."""
    container, _, what = change.path.partition(": ")
    if what == "container":
        return ("removed", container) if change.after == "" else ("added", f"{container}: {change.after}")
    kind, _, rest = what.partition(" ")
    values = f"{change.before or '(unset)'} → {change.after or '(unset)'}"
    if kind == "env":
        return ("env", f"{rest}: {values}")
    return (
        ("image", f"{container}: {values}")
        if what == "image"
        else ("resources", f"{container} {what}: {values}")
    )


def source_lines(engine: Engine, now: float, width: int) -> list[Spans]:
    """Every source with its state, age, address and what to do; the record first where something is wrong."""
    record, lines = _record_lines(engine, width), list[Spans]()
    for status in sorted(engine.board.statuses.values(), key=lambda status: status.name):
        role = {Health.OK: "ok", Health.FAILED: "bad", Health.DENIED: "bad"}.get(status.health, "warn")
        if status.health is Health.DISABLED:
            role = "faint"
        fresh = f"data {age(now - status.last_ok)} old" if status.last_ok is not None else "no data yet"
        lines.append(
            (
                (f" {fit(status.name, 26)}", "strong"),
                (fit(status.health.value, 11), role),
                (f"since {clock_text(status.since)}  {fresh}", "dim"),
            )
        )
        for label, text, text_role in (
            ("address", status.address, "dim"),
            ("reason", status.reason, "bad"),
            ("to do", status.advice, "text"),
        ):
            if text:
                lines.extend(labelled(f"  {label}", text, width, role=text_role))
        lines.append(())
    return [*record, (), *lines] if engine.timeline.reason else [*lines, *record]


def _record_lines(engine: Engine, width: int) -> list[Spans]:
    timeline = engine.timeline
    count = plural(len(timeline.entries), "entry", "entries")
    role = "ok" if timeline.health == "ok" else "bad"
    lines: list[Spans] = [
        ((f" {fit('timeline', 26)}", "strong"), (fit(timeline.health, 11), role), (count, "dim"))
    ]
    if timeline.reason:
        lines.extend(labelled("  reason", timeline.reason, width, role="bad"))
    if timeline.changed:
        check = "Check it with warroom timeline verify. Closing this page takes the alarm away."
        lines.extend(labelled("  to do", check, width))
    return lines


_MOVING = (
    ("↑ ↓ pgup pgdn home end", "Move in the focused pane."),
    ("← →", "Scroll lines sideways in the timeline and in logs."),
)


def help_lines(keymap: Keymap, pane: str, width: int) -> list[Spans]:
    """Every key that works in a pane, then those that work everywhere, then what has no key here."""
    lines: list[Spans] = []
    here = [action for action in keymap.actions if action.pane == pane]
    everywhere = [action for action in keymap.actions if not action.pane]
    for title, actions in ((f"IN {pane.upper()}", here), ("EVERYWHERE", everywhere)):
        lines.append(((f" {title}", "accent"),))
        for action in actions:
            keys = " ".join(key_text(key) for key in keymap.keys(action.name)) or "-"
            risk = f" [{action.risk.value}]" if action.mutating else ""
            text = labelled("", f"{action.help}{risk}", width, indent=29, role="dim")
            head: Spans = ((f"  {keys:<9}", "key"), (fit(action.title, 19), "text"))
            if text:
                lines.append((*head, text[0][1]))
                lines.extend(text[1:])
        lines.append(())
    lines.append(((" MOVING", "accent"),))
    lines.extend(((f"  {fit(keys, 28)}", "key"), (text, "dim")) for keys, text in _MOVING)
    for problem in keymap.problems:
        lines.extend(labelled("", problem, width, role="warn", indent=2))
    return lines
