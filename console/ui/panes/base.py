"""What every pane has in common: a title line that says how far its data can be trusted, and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

from console.engine.assemble import board_names
from console.model.plan import Target
from console.model.signals import SignalsSnapshot
from console.model.source import Health, SourceStatus
from console.ui.cells import Span, Spans, fit, fit_spans, sides, spans_width, width_of, wrap
from console.ui.format import age, clock_text
from console.ui.port import Engine
from console.ui.widgets.containers import Stack
from console.ui.widgets.line_widget import Bar
from console.ui.widgets.lines import LineView
from console.ui.widgets.table import Column, Table

UNSTEADY = 1.5
"""Seconds that a person needs to see that the first row is another one."""

_BRIEF = 60
"""Cells a source below which its state is told in few words."""

_SICK = (Health.FAILED, Health.DENIED, Health.LIMITED)
"""The states whose reason stands in the title."""


class Selection(NamedTuple):
    """What the cursor is on: the board's source, the target as the plan takes it, and how to call it."""

    source: str
    target: Target
    label: str


class Pane(Stack):
    """One pane. A subclass reads its snapshots in ``read`` and says what a row is.

    ``SOURCES`` are the board names it follows, or prefixes ending in a colon. ``SETUP`` tells how to
    configure them. ``REORDER`` is the least time in seconds between two sorts.
    """

    NAME: ClassVar[str]
    SOURCES: ClassVar[tuple[str, ...]] = ()
    SETUP: ClassVar[tuple[str, ...]] = ()
    SORTS: ClassVar[tuple[str, ...]] = ()
    REORDER: ClassVar[float] = 0.0

    class Shown(Message):
        """The pane has come into sight."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(id=f"pane-{self.NAME}")
        self.engine = engine
        self.now = engine.clock.now().timestamp()
        self.filter = ""
        self.sort = self.SORTS[0] if self.SORTS else ""
        self.badge = ""
        self.heading = Bar(band=True, classes="heading")
        self.table = Table(self.columns(), self.lookup)
        self.view: Table | LineView = self.table
        self._signature: tuple[tuple[str, int], ...] | None = None
        self._read_at = float("-inf")
        self._due = True
        self._had_rows = False
        self._jumps = 0
        self._jumped_at = float("-inf")

    # For subclasses

    def columns(self) -> Sequence[Column]:
        """The columns of the table."""
        return ()

    def lookup(self, key: str) -> object | None:
        """The record of a row."""
        raise NotImplementedError

    def read(self) -> None:
        """Take what is new from the board and set the order of the rows."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Bring what is not the table up to date with ``now``."""

    def summary(self) -> Spans:
        """What the title says beside the name."""
        return ()

    def body(self) -> Iterable[Widget]:
        """The widgets below the title."""
        yield self.view

    def focus_target(self) -> Widget:
        """What takes the keys when the pane is focused."""
        return self.view

    def selections(self) -> tuple[Selection, ...]:
        """What actions may work on, the most specific first."""
        return ()

    def detail(self) -> Spans:
        """The row under the cursor in full, for the message line."""
        return ()

    def open(self) -> bool:
        """Open the row; False when there is nothing to open."""
        return False

    def back(self) -> bool:
        """Leave what is innermost; False when there is nothing to leave."""
        return False

    def extra_notice(self) -> Sequence[Spans]:
        """What stands in place of rows while the sources are well."""
        return ()

    # For the screen

    def compose(self) -> ComposeResult:
        """The title line and the body."""
        yield self.heading
        yield from self.body()

    def _follows(self, name: str) -> bool:
        return any(name == own or (own.endswith(":") and name.startswith(own)) for own in self.SOURCES)

    def configured(self) -> bool:
        """Whether the configuration has a source that the pane follows, reported or not yet."""
        return any(self._follows(name) for name in board_names(self.engine.config))

    def source_names(self) -> tuple[str, ...]:
        """The names of the sources that the pane follows and that are there."""
        return tuple(name for name in self.engine.board.statuses if self._follows(name))

    def statuses(self) -> tuple[SourceStatus, ...]:
        """The statuses of its sources."""
        found = (self.engine.board.status(name) for name in self.source_names())
        return tuple(status for status in found if status is not None)

    def alarm(self) -> str:
        """``bad`` or ``warn`` when a signal or a failed source is about this pane, seen or not; else ""."""
        if any(status.health in (Health.FAILED, Health.DENIED) for status in self.statuses()):
            return "bad"
        shot = self.engine.board.snapshot("signals")
        signals = shot.signals if isinstance(shot, SignalsSnapshot) else ()
        found = {signal.severity for signal in signals if self._follows(signal.source)}
        return "bad" if "critical" in found else "warn" if "warning" in found else ""

    def on_show(self) -> None:
        """Ask to be filled at once: until the next tick an empty pane would look like a quiet one."""
        self.post_message(self.Shown())

    def sync(self, now: float, *, tick: bool, monotonic: float) -> None:
        """Bring the pane up to date if its sources changed, or if time did (``tick``)."""
        self.now = now
        signature = self.signature()
        if signature != self._signature:
            self._signature = signature
            self._due = True
        elif not tick and not self._due:
            return
        if self._due and (not self._had_rows or monotonic - self._read_at >= self.REORDER):
            self._due = False
            self._read_at = monotonic
            self.read()
            self._had_rows = self._had_rows or bool(self.table.keys)
        elif self._due:
            self.refresh_records()
        if self.table.jumps != self._jumps:
            self._jumps, self._jumped_at = self.table.jumps, self.engine.clock.monotonic()
        self.view.set_greyed(self.is_old())
        self.view.set_notice(self.notice())
        self.view.sync()
        self.repaint()
        self.retitle()

    def due_in(self, monotonic: float) -> float | None:
        """Seconds until what has come is to be sorted in; None when all of it is."""
        return max(0.0, self._read_at + self.REORDER - monotonic) if self._due else None

    @property
    def unsteady(self) -> bool:
        """Whether the row under the cursor has just become another, so that a key may mean the old one."""
        return self.table.jumped and self.engine.clock.monotonic() - self._jumped_at < UNSTEADY

    def signature(self) -> tuple[tuple[str, int], ...]:
        """Changes whenever there is something to read."""
        return tuple((name, self.engine.board.version(name)) for name in self.source_names())

    def refresh_records(self) -> None:
        """Take new records for the rows as they stand, between two sorts."""

    def reread(self) -> None:
        """Sort and filter at once, because a person asked for it."""
        self._read_at = float("-inf")
        self._due = True
        self.sync(self.now, tick=True, monotonic=0.0)

    def set_filter(self, text: str) -> None:
        """Show only rows that contain ``text``, whatever the case."""
        self.filter = text
        self.reread()
        self.table.start_over()

    def next_sort(self) -> str:
        """Sort by the next criterion; returns its name, or empty when there is none."""
        if not self.SORTS:
            return ""
        self.sort = self.SORTS[(self.SORTS.index(self.sort) + 1) % len(self.SORTS)]
        self.table.set_sorted(self.sort.upper())
        self.reread()
        return self.sort

    def is_old(self) -> bool:
        """Whether what is shown is what was last known, not what is."""
        statuses = self.statuses()
        return bool(statuses) and all(s.health in (Health.FAILED, Health.DENIED) for s in statuses)

    def retitle(self) -> None:
        """Write the title line: the name and the filter always, then what is wrong, then the summary."""
        glyphs = self.view.glyphs
        focused = self.has_focus_within
        mark = self.badge or (glyphs.cursor if focused else " ")
        name: Spans = (
            (f"{mark} " if not self.badge else f"[{self.badge}] ", "key" if self.badge else "accent"),
            (self.NAME.upper(), "title" if focused else "dim"),
            ("  ", "dim"),
        )
        filtered: Spans = ((("  ", "dim"), (f"/{self.filter}", "match"))) if self.filter else ()
        left: Spans = (*name, *self.summary(), *filtered)
        first, last = self.view.span
        place = f" {first + 1}-{last}/{self.view.total} " if self.view.total > last - first > 0 else " "
        width = self.heading.size.width
        right: Spans = (*self.trouble(), (place, "dim"))
        if len(right) > 1 and spans_width(left) + spans_width(right) > width:
            left = (*name, *filtered)
            room = max(0, width - spans_width(left) - 1)
            right = fit_spans((*self.trouble(room - len(place)), (place, "dim")), room)
        self.heading.show(sides(left, right, width))

    def trouble(self, room: int = 10_000) -> Spans:
        """What is wrong with the sources, with ages, worst first.

        In a smaller ``room`` of cells the states are brief and the reasons cut, all alike, so that every
        source keeps its state and the age of its data.
        """
        brief = room < _BRIEF * len(self.statuses())
        several = len(self.statuses()) > 1
        found: list[tuple[str, str, str]] = []
        for status in self.statuses():
            name = f"{status.name.partition(':')[2] or status.name} " if several else ""
            text, role = self._trouble(status, brief=brief)
            if text:
                reason = f": {status.reason}" if status.reason and status.health in _SICK else ""
                found.append((f" {name}{text}", reason, role))
        found.sort(key=lambda one: one[2] != "bad")
        spare = room - sum(width_of(text) for text, _, _ in found)
        share = max(0, spare) // max(1, len(found))
        return tuple(
            (text + (reason if width_of(reason) <= share else fit(reason, share)), role)
            for text, reason, role in found
        )

    def _trouble(self, status: SourceStatus, *, brief: bool) -> Span:
        old = f"{age(self.now - status.last_ok)} old" if status.last_ok is not None else ""
        glyphs = self.view.glyphs
        match status.health:
            case Health.FAILED:
                if brief and old:
                    return (f"{glyphs.bad} FAILED, {old}", "bad")
                since = f"{glyphs.bad} FAILED since {clock_text(status.since)}"
                return (f"{since}, data {old}" if old else since, "bad")
            case Health.DENIED:
                return (f"{glyphs.bad} DENIED", "bad")
            case Health.LIMITED:
                return (f"{glyphs.warn} LIMITED", "warn")
            case Health.CONNECTING:
                return ("connecting", "dim")
            case Health.OK | Health.DISABLED:
                return ("", "dim")

    def notice(self) -> Sequence[Spans]:
        """What stands in place of rows: how to configure, what failed, or that nothing matches."""
        statuses = [status for status in self.statuses() if status.health is not Health.DISABLED]
        if self.SOURCES and not statuses and self.configured():
            return [(("Starting.", "dim"),)]
        if self.SOURCES and not statuses:
            return [((line, "dim" if number else "text"),) for number, line in enumerate(self.SETUP)]
        if self.filter:
            return [((f"Nothing matches /{self.filter}. Esc shows all again.", "dim"),)]
        lines: list[Spans] = []
        for status in statuses:
            if status.health is Health.CONNECTING:
                lines.append(((f"Connecting to {status.address or status.name}.", "dim"),))
            elif status.health in (Health.FAILED, Health.DENIED):
                lines.append(((status.reason or f"{status.name} does not answer.", "bad"),))
                if status.advice:
                    lines.append(((status.advice, "text"),))
        return _wrapped(lines, self.size.width - 2) or self.extra_notice()


def _wrapped(lines: Sequence[Spans], width: int) -> list[Spans]:
    """What a source said, broken where it is too long: half an advice helps nobody."""
    return [((part, role),) for spans in lines for text, role in spans for part in wrap(text, max(20, width))]


def matches(text: str, needle: str) -> bool:
    """Whether a row's text passes the filter; every word of the filter has to occur."""
    folded = text.casefold()
    return all(word in folded for word in needle.casefold().split())


PaneFactory = Callable[[Engine], Pane]
