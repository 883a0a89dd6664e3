"""The timeline pane: what happened, oldest first, following the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from console.model.text import clean
from console.timeline.entry import Entry
from console.ui.cells import Span, Spans, fit
from console.ui.panes.base import Pane
from console.ui.widgets.lines import LineView

_ROLES = {
    "incident": "accent",
    "action": "warn",
    "signal": "bad",
    "change": "accent",
    "ledger": "warn",
    "escalation": "warn",
    "comms": "text",
}
_KIND = 14
_USER = 8


class TimelinePane(Pane):
    """See the module."""

    NAME: ClassVar[str] = "timeline"

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.view = self.lines = LineView(self._form)

    def lookup(self, key: str) -> None:
        """There are no rows, only lines."""

    def signature(self) -> tuple[tuple[str, int], ...]:
        """Changes with the record and with how well it can be written."""
        timeline = self.engine.timeline
        return (("timeline", timeline.version), (timeline.health, len(timeline.reason)))

    def read(self) -> None:
        """Show what is new; begin anew when it is another record."""
        self.lines.show(self.engine.timeline.entries)

    def set_filter(self, text: str) -> None:
        """Show only entries that contain ``text``."""
        self.filter = text
        words = text.casefold().split()
        self.lines.set_filter((lambda entry: _has(entry, words)) if words else None)
        self.reread()

    def _form(self, entry: Entry) -> Spans:
        kind, _, rest = entry.kind.partition(".")
        role = _ROLES.get(kind, "dim")
        if entry.kind in ("action.refused", "comms.failed") or _went_wrong(entry):
            role = "bad"
        late = entry.occurred_at[:19] != entry.ts[:19]
        spans: list[Span] = [
            (f" {_clock(entry.occurred_at)}", "dim"),
            ("*" if late else " ", "warn"),
            (fit(f" {rest or kind}", _KIND), role),
            (fit(entry.user, _USER) + " ", "faint"),
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


def _clock(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%H:%M:%S")
    except ValueError:
        return "--:--:--"


def _went_wrong(entry: Entry) -> bool:
    """Whether it is the result of an action that failed or of which nobody knows."""
    outcome = entry.data.get("outcome") if entry.kind == "action.result" else None
    return isinstance(outcome, dict) and outcome.get("status") in ("failed", "unknown")


def _has(entry: Entry, words: Sequence[str]) -> bool:
    """Whether an entry has every word, folded, in what the pane shows of it."""
    text = f"{entry.kind} {entry.user} {entry.text}".casefold()
    return all(word in text for word in words)
