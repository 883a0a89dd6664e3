"""The one way into the timeline: cleans, redacts, writes to the disk, falls back to a second sink.

Whoever acts records the intent first and acts only when `record` returned. When no sink takes an entry
`record` raises and the action is to be refused; a person who must go on all the same uses
`record_break_glass`, which keeps the entry in memory and writes it, marked, as soon as a sink takes it.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from console.model.clock import Clock
from console.model.text import clean
from console.timeline.entry import Entry, Kind, Source, TimelineError, format_time, open_intents, parse_time
from console.timeline.file import TimelineFile, remote_file_system, walk
from console.timeline.folder import incident_ids, spool_path, timeline_path
from console.timeline.identity import Identity, current_identity
from console.timeline.spool import SpoolError, bring_home, waiting_in
from console.timeline.tidy import tidy_data, tidy_text
from console.timeline.ulid import new_ulid

_ANSWERED: frozenset[Kind] = frozenset(("action.intent", "ledger.opened"))
"""Kinds of entries that later ones refer to, maybe after another incident was declared."""


class Health(msgspec.Struct, frozen=True):
    """The light of the timeline: ok, failed (nothing takes entries), or degraded.

    Then only the spool takes them, or the spool itself is damaged.
    """

    state: Literal["ok", "degraded", "failed"] = "ok"
    reason: str = ""


class Recorder:
    """Records for one session. Every method may be called from any thread; it blocks for the disk.

    `spool` is a folder on another disk than `state_dir`; without it there is no second sink.
    """

    def __init__(
        self,
        state_dir: Path,
        clock: Clock,
        identity: Identity | None = None,
        spool: Path | None = None,
        lock_timeout: float = 2.0,
    ) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self.identity = identity or current_identity()
        self.spool = spool
        self._lock_timeout = lock_timeout
        self._lock = threading.RLock()
        self._incident: str | None = None
        self._health = Health()
        self._files: dict[Path, TimelineFile] = {}
        self._introduced: set[str | None] = set()
        # Id of an entry that others will refer to -> the incident whose timeline holds it.
        self._homes: dict[str, str | None] = {}
        self._held: list[Entry] = []
        self._last_id = ""

    @property
    def incident(self) -> str | None:
        """The incident that entries go to; None is the standby record."""
        return self._incident

    def attach(self, incident: str | None) -> None:
        """Send entries to this incident from now on, or to the standby record for None."""
        timeline_path(self.state_dir, incident)
        with self._lock:
            self._incident = incident

    @property
    def health(self) -> Health:
        """The state of the sinks as the last write left it."""
        return self._health

    @property
    def warning(self) -> str | None:
        """What makes the state folder a poor place, as a sentence; None when nothing is known."""
        kind = remote_file_system(self.state_dir)
        if kind is None:
            return None
        return (
            f"The state folder {self.state_dir} is on a network file system ({kind}), which does not append "
            "safely from several machines; set --state-dir to a local disk."
        )

    def check(self) -> Health:
        """Find out whether the sinks can be opened, and bring home what waits in the spool.

        Nothing new is recorded. For the start of a console and for now and then; returns the new health.
        """
        with self._lock:
            try:
                self._file(timeline_path(self.state_dir, self._incident)).probe()
                damage = self._bring_home(None, *incident_ids(self.state_dir, self.spool))
                self._write_held()
                self._health = _health(damage)
            except TimelineError as error:
                self._health = Health("degraded" if self._spool_opens() else "failed", str(error))
            return self._health

    def record(
        self,
        kind: Kind,
        text: str,
        *,
        source: Source = "operator",
        data: Mapping[str, Any] | None = None,
        ref: str | None = None,
        corrects: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Entry:
        """Write an entry and return it once it is on the disk.

        An entry that refers to another one (`ref`, `corrects`) goes to that one's timeline. Raise
        TimelineError when neither the timeline nor the spool takes it: then nothing may be done that this
        entry was to record.
        """
        with self._lock:
            draft = self._draft(kind, text, source, data, ref, corrects, occurred_at)
            self._write_held()
            return self._write(draft)

    def record_break_glass(
        self,
        kind: Kind,
        text: str,
        *,
        source: Source = "operator",
        data: Mapping[str, Any] | None = None,
        ref: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Entry:
        """Record like `record` but never refuse: what no sink takes is held in memory for later.

        Such an entry has seq 0 until it is written and carries `"break_glass": true` in its data. It is
        lost when the console ends before a sink works again: say so to the person.
        """
        with self._lock:
            marked = {**(data or {}), "break_glass": True}
            draft = self._draft(kind, text, source, marked, ref, None, occurred_at)
            try:
                self._write_held()
                return self._write(draft)
            except TimelineError:
                self._held.append(draft)
                self._homes[draft.id] = draft.incident
                return draft

    @property
    def held(self) -> tuple[Entry, ...]:
        """The entries that wait in memory because no sink took them."""
        return tuple(self._held)

    def entries(self, incident: str | None = None) -> list[Entry]:
        """Return the entries of a timeline (None: the standby record), with those waiting in the spool."""
        return list(walk_entries(self.state_dir, incident, self.spool))

    def open_intents(self) -> list[Entry]:
        """Return the intents without result in the standby record and the current incident, oldest first.

        An intent of another running console may just be under way: `session` tells whose it is. A result
        that is recorded for one of them goes to the timeline of its intent.
        """
        with self._lock:
            return sorted(open_intents(self._walk_with_homes()), key=lambda entry: entry.id)

    def _walk_with_homes(self) -> Iterator[Entry]:
        for incident in dict.fromkeys((None, self._incident)):
            for entry in walk_entries(self.state_dir, incident, self.spool):
                if entry.kind == "action.intent":
                    self._homes[entry.id] = incident
                yield entry

    def _draft(
        self,
        kind: Kind,
        text: str,
        source: Source,
        data: Mapping[str, Any] | None,
        ref: str | None,
        corrects: str | None,
        occurred_at: datetime | None,
    ) -> Entry:
        if (kind == "correction") != (corrects is not None):
            raise TimelineError("A correction names the entry it corrects, and only a correction does.")
        now = format_time(self.clock.now())
        anchor = ref or corrects
        incident = self._homes.get(anchor, self._incident) if anchor else self._incident
        content = tidy_data(data or {})
        if incident not in self._introduced:
            content.setdefault("origin", {**self.identity.origin, "monotonic": self.clock.monotonic()})
        self._last_id = new_ulid(int(parse_time(now).timestamp() * 1000), self._last_id)
        return Entry(
            seq=0,
            id=self._last_id,
            ts=now,
            occurred_at=format_time(occurred_at) if occurred_at else now,
            incident=incident,
            user=clean(self.identity.user, 64),
            host=clean(self.identity.host, 64),
            session=clean(self.identity.session, 64),
            kind=kind,
            source=source,
            text=tidy_text(text),
            data=content,
            ref=clean(ref, 64) if ref else None,
            corrects=clean(corrects, 64) if corrects else None,
            prev="",
            hash="",
        )

    def _write(self, draft: Entry, *, keep_id: bool = False) -> Entry:
        timeline = self._file(timeline_path(self.state_dir, draft.incident))
        try:
            damage = self._bring_home(draft.incident)
            entry = timeline.append(draft, keep_id=keep_id)
            self._health = _health(damage)
        except TimelineError as error:
            entry = self._write_spool(draft, error)
        if entry.kind in _ANSWERED:
            self._homes[entry.id] = entry.incident
        self._introduced.add(entry.incident)
        return entry

    def _bring_home(self, *incidents: str | None) -> str:
        """Bring home what waits for these timelines; return what is wrong with the spool, or nothing."""
        damage = ""
        if self.spool is None:
            return damage
        for incident in incidents:
            timeline = self._file(timeline_path(self.state_dir, incident))
            try:
                bring_home(spool_path(self.spool, incident), timeline)
            except SpoolError as error:
                damage = damage or str(error)
        return damage

    def _write_spool(self, draft: Entry, reason: TimelineError) -> Entry:
        if self.spool is None:
            self._health = Health("failed", str(reason))
            raise reason
        try:
            entry = self._file(spool_path(self.spool, draft.incident)).append(draft, keep_id=True)
        except TimelineError as error:
            self._health = Health("failed", f"{reason} {error}")
            raise TimelineError(f"{reason} Nor does the second place take it: {error}") from error
        self._health = Health("degraded", str(reason))
        return entry

    def _write_held(self) -> None:
        while self._held:
            self._write(self._held[0], keep_id=True)
            del self._held[0]

    def _spool_opens(self) -> bool:
        if self.spool is None:
            return False
        try:
            self._file(spool_path(self.spool, self._incident)).probe()
        except TimelineError:
            return False
        return True

    def _file(self, path: Path) -> TimelineFile:
        return self._files.setdefault(path, TimelineFile(path, self._lock_timeout))


def _health(damage: str) -> Health:
    return Health("degraded", damage) if damage else Health()


def walk_entries(state_dir: Path, incident: str | None, spool: Path | None = None) -> Iterator[Entry]:
    """Yield the entries of a timeline followed by those that wait for it in the spool, each once.

    When the timeline cannot be read, what waits in the spool is all there is; with nothing there either,
    raise TimelineError. A spool that cannot be read holds nothing, see `Recorder.check`.
    """
    waiting: tuple[Entry, ...] = ()
    if spool is not None:
        with contextlib.suppress(SpoolError):
            waiting = waiting_in(spool_path(spool, incident))
    missing = {entry.id for entry in waiting}
    try:
        for entry in walk(timeline_path(state_dir, incident)):
            if isinstance(entry, Entry):
                missing.discard(entry.id)
                yield entry
    except TimelineError:
        if not waiting:
            raise
    yield from (entry for entry in waiting if entry.id in missing)
