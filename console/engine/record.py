"""The timeline as the engine follows it: what others and we wrote, and the incident it tells of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import msgspec

from console.engine.ports import PlanError
from console.incident.record import derive, open_incident
from console.model.clock import Clock
from console.timeline.entry import Entry, TimelineError, open_intents
from console.timeline.folder import timeline_path
from console.timeline.follow import Follower

_LOOK_EVERY = 1.0
"""Seconds between looks for an incident that another console declared or resolved."""


class IncidentView(msgspec.Struct, frozen=True):
    """The open incident for the status line.

    ``severity`` is 1 (worst) to 4, None when its label has no number; ``declared_at`` is ISO 8601 in UTC.
    """

    id: str
    severity: int | None
    title: str
    status: str
    lead: str
    declared_at: str
    drill: bool


class TimelineView(Protocol):
    """The record as a reader sees it; every property may be read from any thread."""

    entries: tuple[Entry, ...]
    version: int
    incident: IncidentView | None
    open_intents: tuple[Entry, ...]

    @property
    def health(self) -> str:
        """ok, degraded or failed."""
        ...

    @property
    def reason(self) -> str:
        """Why it is not ok, as a sentence."""
        ...


class WatchedTimeline:
    """Follows the standby record, or the timeline of the open incident. It only reads.

    ``refresh`` is called on the engine's loop; everything else may be read from any thread.
    """

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self.entries: tuple[Entry, ...] = ()
        self.version = 0
        self.incident: IncidentView | None = None
        self.open_intents: tuple[Entry, ...] = ()
        self._incident_id: str | None = None
        self._follower = Follower(timeline_path(state_dir, None))
        self._looked = -_LOOK_EVERY
        self._problem = ""

    @property
    def health(self) -> str:
        """ok, degraded or failed."""
        return "failed" if self._problem else "ok"

    @property
    def reason(self) -> str:
        """Why it is not ok, as a sentence."""
        return self._problem

    async def note(self, text: str) -> None:
        """Refused: this record is only read."""
        raise PlanError(f"watch mode cannot write into the timeline (not written: {text[:40]}).")

    async def declare(self, severity: int, title: str) -> None:
        """Refused: this record is only read."""
        raise PlanError(f"watch mode cannot declare an incident (SEV{severity} {title[:40]}).")

    def refresh(self) -> bool:
        """Read what is new; whether anything changed."""
        before = (self.version, self.health, self.reason)
        try:
            self._find_incident()
            batch = self._follower.poll()
        except TimelineError as error:
            self._problem = str(error)
            return (self.version, self.health, self.reason) != before
        self._problem = "" if batch.restarted is None else f"The record changed under us: {batch.restarted}."
        if batch.entries or batch.restarted:
            kept = () if batch.restarted else self.entries
            self.entries = (*kept, *batch.entries)
            self._derive()
        return (self.version, self.health, self.reason) != before

    def look_again(self) -> None:
        """Look for a new or resolved incident at the next refresh, whatever the time."""
        self._looked = -_LOOK_EVERY

    def _find_incident(self) -> None:
        now = self.clock.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        record = open_incident(self.state_dir)
        found = record.id if record else None
        if found != self._incident_id:
            self._incident_id = found
            self._follower.close()
            self._follower = Follower(timeline_path(self.state_dir, found))
            self.entries = ()
            self._derive()

    def _unanswered(self) -> tuple[Entry, ...]:
        return tuple(open_intents(self.entries))

    def _derive(self) -> None:
        self.open_intents = self._unanswered()
        self.incident = None
        record = derive(self._incident_id, self.entries) if self._incident_id else None
        if record is not None and record.open:
            digits = re.search(r"\d", record.severity)
            self.incident = IncidentView(
                id=record.id,
                severity=int(digits.group()) if digits else None,
                title=record.title,
                status=record.status,
                lead=record.lead or "",
                declared_at=record.declared_at,
                drill=record.drill,
            )
        elif record is not None:
            self.look_again()
        self.version += 1
