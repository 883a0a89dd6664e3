"""The timeline as the engine follows it: what others and we wrote, and the incident it tells of."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from console.engine.known import AUTOMATIC, Known
from console.engine.ports import PlanError
from console.incident.change import Change
from console.incident.record import IncidentRecord, derive, load, sizes, stored, tells
from console.model.clock import Clock
from console.model.text import clean
from console.timeline.damage import DamageFinder
from console.timeline.entry import Entry, Kind, OpenIntents, TimelineError
from console.timeline.folder import incident_ids, spool_path, timeline_path
from console.timeline.follow import Batch, Follower
from console.timeline.journal import Joined, Journal

_LOOK_EVERY = 1.0
"""Seconds between looks for an incident that another console declared or resolved."""
_AT_ONCE = 0.1
"""Seconds for which a long record may be read before all else has its turn."""
_JUST_WRITTEN = 100
"""Entries at the end of the timeline among which one is looked for that both sinks took."""


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

    ``spool`` is where entries wait that the timeline could not take; they count and are shown like others.
    ``refresh`` is called on the engine's loop; everything else may be read from any thread, see
    ``console.ui.port.TimelineView``.
    """

    def __init__(self, state_dir: Path, clock: Clock, spool: Path | None = None) -> None:
        self.state_dir = state_dir
        self.spool = spool
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
        self._telling: dict[str, Entry] = {}
        self._told = False
        self._updated = ""
        self._incident_id: str | None = None
        self._follower = Follower(timeline_path(state_dir, None))
        self._spooled = Follower(spool_path(spool, None)) if spool is not None else None
        self._waiting: dict[str, Entry] = {}
        self._news = False
        self._damage = DamageFinder(self._follower.path)
        self._looked = -_LOOK_EVERY
        self._others: dict[str, tuple[tuple[int, int], IncidentRecord | None]] = {}
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

    @property
    def unwritten(self) -> tuple[Entry, ...]:
        """Entries that no sink took yet: none here, where none is written."""
        return ()

    async def close(self) -> None:
        """Write what can still be written."""

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
            self._read_waiting()
            self._read_slice()
            while self.behind and time.monotonic() < until:
                self._read_slice()
            self._problem = ""
        except TimelineError as error:
            self._problem, self.behind = str(error), False
        if self._news and not self.behind:
            self._show()
        return (self.version, self.health, self.reason) != before

    def _read_waiting(self) -> None:
        """Read what waits in the spool; before the timeline, so that nothing goes home unseen in between."""
        if self._spooled is None:
            return
        try:
            batch = self._spooled.poll()
        except TimelineError:
            return  # who writes finds the damage, see Recorder.check
        if self._waiting and (batch.missing or batch.restarted is not None):
            self._waiting, self._news = {}, True
        if batch.entries and not batch.missing:
            at_home = {entry.id for entry in (self._journal or ())[-_JUST_WRITTEN:]}
            fresh = [entry for entry in batch.entries if entry.id not in at_home]
            self._waiting.update((entry.id, entry) for entry in fresh)
            self._learn(fresh)
            self._news = True

    def _read_slice(self) -> None:
        batch = self._follower.poll()
        if batch.restarted is not None or self._anew:
            self._begin()
        self._say_what_changed(batch)
        self._take(batch)
        self._anew = False
        if batch.more and not self.behind:
            self.version += 1  # for the screen, which says that the record is being read
        if batch.entries or batch.restarted is not None or (self.behind and not batch.more):
            self._news = True
        self.behind = batch.more

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
            if self.spool is not None and self._spooled is not None:
                self._spooled.close()
                self._spooled = Follower(spool_path(self.spool, found))
            self._waiting = {}
            self._begin()
            self._show()

    def _open_incident(self) -> str | None:
        """The incident that was declared last among those not resolved.

        The one that is followed is known; of the others only those are read that have grown since.
        """
        for incident in reversed(incident_ids(self.state_dir, self.spool)):
            if incident == self._incident_id and self.incident is not None:
                return incident
            size = sizes(self.state_dir, incident, self.spool)
            known = self._others.get(incident)
            if known is None or known[0] != size or incident == self._incident_id:
                record = stored(self.state_dir, incident)
                if incident == self._incident_id or record is None or not record.open:
                    record = load(self.state_dir, incident, self.spool)
                known = self._others[incident] = (size, record)
            if known[1] is not None and known[1].open:
                self.over = None
                return incident
        ended = [record for _, record in self._others.values() if record is not None and record.resolved_at]
        last = max(ended, key=lambda record: record.resolved_at or "", default=None)
        self.over = _view(last) if last is not None else None
        return None

    def _begin(self) -> None:
        """Forget what was read of the timeline: it is another record now."""
        self._journal = None
        self.known = Known()
        self._damage = DamageFinder(self._follower.path)
        self._intents, self._telling = OpenIntents(), {}
        self._told = True
        self._updated = ""
        self._learn(self._waiting.values())

    def _take(self, batch: Batch) -> None:
        if not batch.entries:
            return
        if self._journal is None:
            self._journal = self._follower.journal()
        self._journal.extend(batch.places)
        self._learn(batch.entries)
        for entry in batch.entries if self._waiting else ():
            self._waiting.pop(entry.id, None)

    def _learn(self, entries: Iterable[Entry]) -> None:
        """Keep what entries say; one that waited comes again when it is at home."""
        for entry in entries:
            self.known.timeline = entry.incident
            if entry.kind in _UPDATES:
                self._updated = max(self._updated, min(entry.occurred_at, entry.ts))
                self._told = True
            if entry.kind in AUTOMATIC:
                self.known.take(entry)
            elif tells(entry):
                self._telling[entry.id] = entry
                self._told = True
            else:
                self._intents.take(entry)

    def _show(self) -> None:
        self._news = False
        known = self._journal or ()
        self.entries = Joined(known, tuple(self._waiting.values())) if self._waiting else known
        self._derive()

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
        record = derive(self._incident_id, self._telling.values()) if self._incident_id else None
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
