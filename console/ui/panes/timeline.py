"""The timeline pane: what happened, oldest first, following the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from console.model.text import clean
from console.timeline.entry import Entry
from console.ui.cells import Span, Spans, fit
from console.ui.entry_page import late
from console.ui.panes.base import Pane
from console.ui.widgets.cursor_lines import CursorLines

_ROLES = {
    "incident": "accent",
    "action": "warn",
    "signal": "bad",
    "change": "accent",
    "ledger": "warn",
    "escalation": "warn",
    "comms": "text",
}
_TELLING = {"action.result": "outcome", "action.verdict": "verdict"}
"""Where the data of an entry says what came of an action."""
_OUTCOMES = {"done": "ok", "helped": "ok", "failed": "bad", "unknown": "bad", "worse": "bad"}
_WRONG = ("failed", "unknown", "worse")
_TIME = 8
"""Cells of a time of today; a longer one takes them from the kind."""
_KIND = 14
_USER = 8


class TimelinePane(Pane):
    """See the module."""

    NAME: ClassVar[str] = "timeline"

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.view = self.lines = CursorLines(self._form)
        self._today = _day(self.now)

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        entry = self.lines.record
        return entry if isinstance(entry, Entry) else None

    def on_line_view_moved(self, _event: CursorLines.Moved) -> None:
        """Say whether it follows."""
        self.retitle()

    def lookup(self, key: str) -> None:
        """There are no rows, only lines."""

    def signature(self) -> tuple[tuple[str, int], ...]:
        """Changes with the record and with how well it can be written."""
        timeline = self.engine.timeline
        return (("timeline", timeline.version), (timeline.health, len(timeline.reason)))

    def read(self) -> None:
        """Show what is new; begin anew when it is another record."""
        self.lines.show(self.engine.timeline.entries)

    def repaint(self) -> None:
        """After midnight the lines of the day before show their date."""
        if self._today != _day(self.now):
            self._today = _day(self.now)
            self.lines.forget()

    def set_filter(self, text: str) -> None:
        """Show only entries that contain ``text``."""
        self.filter = text
        words = text.casefold().split()
        self.lines.set_filter((lambda entry: _has(entry, words)) if words else None)
        self.reread()

    def _form(self, entry: Entry) -> Spans:
        kind, _, rest = entry.kind.partition(".")
        role = _ROLES.get(kind, "dim")
        outcome = _outcome(entry)
        if entry.kind in ("action.refused", "comms.failed") or outcome in _WRONG:
            role = "bad"
        when = _when(entry.occurred_at, self._today)
        gap = " " if len(when) == _TIME else ""
        spans: list[Span] = [
            (f" {when}", "dim"),
            ("*" if late(entry) else " ", "warn"),
            (fit(gap + (rest or kind), _KIND + _TIME - len(when)), role),
            (fit(entry.user, _USER) + " ", "faint"),
            (f"{outcome}: " if outcome else "", _OUTCOMES.get(outcome, "warn")),
            (clean(entry.text), "strong" if kind == "incident" else "text"),
        ]
        return tuple(spans)

    def summary(self) -> Spans:
        """Where it stands, and whether it can be trusted."""
        timeline = self.engine.timeline
        spans: list[Span] = []
        if timeline.health != "ok":
            spans.append((f"{timeline.health.upper()} {timeline.reason}  ", "bad"))
        if not self.lines.following:
            waiting = self.lines.waiting
            text = f"{waiting} new below, End follows" if waiting else "scrolled, End follows"
            spans.append((text, "warn" if waiting else "dim"))
        elif not spans:
            incident = timeline.incident
            spans.append((incident.id if incident is not None else "standby", "dim"))
        return tuple(spans)

    def extra_notice(self) -> Sequence[Spans]:
        """Nothing was recorded yet, or it is still being read."""
        if self.engine.timeline.behind:
            return [(("Reading the record.", "dim"),)]
        if self.engine.mode == "watch":
            return [(("Nothing is recorded yet.", "dim"),)]
        return [(("Nothing is recorded yet. Press a to write a note.", "dim"),)]


def _day(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"


def _when(text: str, today: str) -> str:
    """The time of an entry of today; of another day the date, and the time without its seconds."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return "--:--:--"
    return f"{at:%H:%M:%S}" if f"{at:%Y-%m-%d}" == today else f"{at:%m-%d %H:%M}"


def _outcome(entry: Entry) -> str:
    """In a word what came of an action and whether it helped; "" for what tells of neither."""
    found = entry.data.get(_TELLING.get(entry.kind, ""))
    status = found.get("status") if isinstance(found, dict) else None
    return clean(status, 20).replace("_", " ") if isinstance(status, str) else ""


def _has(entry: Entry, words: Sequence[str]) -> bool:
    """Whether an entry has every word, folded, in what the pane shows of it."""
    text = f"{entry.kind} {entry.user} {_outcome(entry)} {entry.text}".casefold()
    return all(word in text for word in words)
