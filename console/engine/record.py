"""The timeline as the engine follows it: what others and we wrote, and the incident it tells of."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from console.engine.known import AUTOMATIC, Known
from console.engine.ports import PlanError
from console.incident.change import Change
from console.incident.record import IncidentRecord, derive, load, stored, tells, timeline_size
from console.model.clock import Clock
from console.model.text import clean
from console.timeline.damage import DamageFinder
from console.timeline.entry import Entry, Kind, OpenIntents, TimelineError
from console.timeline.folder import incident_ids, timeline_path
from console.timeline.follow import Batch, Follower
from console.timeline.journal import Journal

_LOOK_EVERY = 1.0
"""Seconds between looks for an incident that another console declared or resolved."""
_AT_ONCE = 0.1
"""Seconds for which a long record may be read before all else has its turn."""


_UPDATES: frozenset[Kind] = frozenset(
    ("incident.declared", "incident.reopened", "incident.status", "comms.sent")
)
"""Kinds of entries that tell others how things stand: the next update is due some time after the last."""


_LABEL = 16
"""Cells of a severity that another tool recorded in words of its own."""


class IncidentView(msgspec.Struct, frozen=True):
    """An incident for the status line: the open one, or the one that was resolved last.

    ``severity`` is 1 (worst) to 4, None when its ``label`` has no number; times are ISO 8601 in UTC.
    ``updated_at`` is when others were last told how things stand.
    """

    id: str
    severity: int | None
    title: str
    status: str
    lead: str
    declared_at: str
    roles: dict[str, str] = {}
    updated_at: str = ""
    resolved_at: str = ""
    label: str = ""

    @property
    def severity_text(self) -> str:
        """``SEV2``, or what was recorded in place of a number; may be empty."""
        return self.label if self.severity is None else f"SEV{self.severity}"


class WatchedTimeline:
    """Follows the standby record, or the timeline of the open incident. It only reads.

    ``refresh`` is called on the engine's loop; everything else may be read from any thread, see
    ``console.ui.port.TimelineView``.
    """

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self.entries: Sequence[Entry] = ()
        self.version = 0
        self.incident: IncidentView | None = None
        self.over: IncidentView | None = None
        self.open_intents: tuple[Entry, ...] = ()
        self.known = Known()
        self.behind = False
        self.changed = ""
        self._journal: Journal | None = None
        self._intents = OpenIntents()
        self._telling: list[Entry] = []
        self._told = False
        self._updated = ""
        self._incident_id: str | None = None
        self._follower = Follower(timeline_path(state_dir, None))
        self._damage = DamageFinder(self._follower.path)
        self._looked = -_LOOK_EVERY
        self._others: dict[str, tuple[int, IncidentRecord | None]] = {}
        self._problem = ""
        self._anew = False

    @property
    def health(self) -> str:
        """ok, degraded or failed."""
        if self._problem:
            return "failed"
        return "degraded" if self.changed else "ok"

    @property
    def reason(self) -> str:
        """Why it is not ok, as a sentence."""
        return self._problem or self.changed

    def acknowledge(self, changed: str) -> None:
        """A person has read this sentence; one that came since stays."""
        if self.changed == changed:
            self.changed = ""

    async def note(self, text: str) -> str:
        """Refused: this record is only read."""
        raise PlanError(f"watch mode cannot write into the timeline (not written: {text[:40]}).")

    async def declare(self, severity: int, title: str) -> str:
        """Refused: this record is only read."""
        raise PlanError(f"watch mode cannot declare an incident (SEV{severity} {title[:40]}).")

    async def change(self, change: Change) -> str:
        """Refused: this record is only read."""
        raise PlanError(f"watch mode cannot change an incident ({type(change).__name__.lower()}).")

    def refresh(self) -> bool:
        """Read what is new, for a moment at most; whether anything changed. ``behind``: there is more."""
        before = (self.version, self.health, self.reason)
        until = time.monotonic() + _AT_ONCE
        try:
            self._find_incident()
            self._read_slice()
            while self.behind and time.monotonic() < until:
                self._read_slice()
        except TimelineError as error:
            self._problem, self.behind = str(error), False
        return (self.version, self.health, self.reason) != before

    def _read_slice(self) -> None:
        batch = self._follower.poll()
        if batch.restarted is not None or self._anew:
            self._begin()
        self._say_what_changed(batch)
        self._take(batch)
        self._anew = False
        caught_up, self.version = self.behind and not batch.more, self.version + (batch.more > self.behind)
        self.behind = batch.more
        if not batch.more and (batch.entries or batch.restarted or caught_up):
            self.entries = self._journal or ()
            self._derive()
        self._problem = ""

    def _say_what_changed(self, batch: Batch) -> None:
        said = []
        if batch.restarted is not None:
            at = f"{self.clock.now():%H:%M:%S}Z"
            said.append(f"The record changed under us at {at}: {batch.restarted}.")
        damage = self._damage.look(batch, self.clock.monotonic())
        if damage:
            said.append(f"The record is damaged: {damage}.")
        if said:
            self.changed = " ".join(said)

    def start_over(self, problem: str) -> None:
        """Show a problem that nobody foresaw, and read all again at the next refresh."""
        self._problem, self.behind, self._anew = problem, False, True
        self._follower.close()

    def look_again(self) -> None:
        """Look for a new or resolved incident at the next refresh, whatever the time."""
        self._looked = -_LOOK_EVERY

    def _find_incident(self) -> None:
        now = self.clock.monotonic()
        if now - self._looked < _LOOK_EVERY or self.behind:
            return
        self._looked = now
        found = self._open_incident()
        if found != self._incident_id:
            self._incident_id = found
            self._follower.close()
            self._follower = Follower(timeline_path(self.state_dir, found))
            self._begin()
            self.entries = ()
            self._derive()

    def _open_incident(self) -> str | None:
        """The incident that was declared last among those not resolved.

        The one that is followed is known; of the others only those are read that have grown since.
        """
        for incident in reversed(incident_ids(self.state_dir)):
            if incident == self._incident_id and self.incident is not None:
                return incident
            size = timeline_size(self.state_dir, incident)
            known = self._others.get(incident)
            if known is None or known[0] != size:
                record = stored(self.state_dir, incident)
                if incident == self._incident_id or record is None or not record.open:
                    record = load(self.state_dir, incident)
                known = self._others[incident] = (size, record)
            if known[1] is not None and known[1].open:
                self.over = None
                return incident
        ended = [record for _, record in self._others.values() if record is not None and record.resolved_at]
        last = max(ended, key=lambda record: record.resolved_at or "", default=None)
        self.over = _view(last) if last is not None else None
        return None

    def _begin(self) -> None:
        """Forget what was read: it is another record now."""
        self._journal = None
        self.known = Known()
        self._damage = DamageFinder(self._follower.path)
        self._intents, self._telling = OpenIntents(), []
        self._told = True
        self._updated = ""

    def _take(self, batch: Batch) -> None:
        if not batch.entries:
            return
        if self._journal is None:
            self._journal = self._follower.journal()
        self._journal.extend(batch.places)
        self.known.timeline = batch.entries[-1].incident
        for entry in batch.entries:
            if entry.kind in _UPDATES:
                self._updated = max(self._updated, min(entry.occurred_at, entry.ts))
                self._told = True
            if entry.kind in AUTOMATIC:
                self.known.take(entry)
            elif tells(entry):
                self._telling.append(entry)
                self._told = True
            else:
                self._intents.take(entry)

    def _unanswered(self) -> tuple[Entry, ...]:
        return self._intents.entries

    def _derive(self) -> None:
        self.open_intents = self._unanswered()
        if self._told:
            self._told = False
            self._derive_incident()
        self.version += 1

    def _derive_incident(self) -> None:
        self.incident = None
        record = derive(self._incident_id, self._telling) if self._incident_id else None
        if record is not None and record.open:
            self.incident = _view(record, self._updated)
        elif record is not None:
            self.look_again()


def _view(record: IncidentRecord, updated: str = "") -> IncidentView:
    digits = re.search(r"\d", record.severity)
    return IncidentView(
        id=record.id,
        severity=int(digits.group()) if digits else None,
        title=record.title,
        status=record.status,
        lead=record.lead or "",
        declared_at=record.declared_at,
        roles=record.roles,
        updated_at=updated,
        resolved_at=record.resolved_at or "",
        label=clean(record.severity, _LABEL),
    )
