"""The engine that can act: a recorder for the timeline, an observer of what happens, and a mitigator.

Only this module joins them to an engine, so that the watch path has none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from console.config import Config
from console.engine import memory
from console.engine.act import ActionRunner
from console.engine.engine import Engine, Mode
from console.engine.ledger import ledger_entries, standing
from console.engine.observer import Observer
from console.engine.ports import PlanError
from console.engine.record import WatchedTimeline
from console.incident.change import SEVERITIES, Change, Resolve, apply
from console.incident.record import declare, list_incidents
from console.mitigations.postgres.kept import ActingSessions
from console.model.clock import Clock
from console.timeline.entry import Entry, Kind, TimelineError, format_time, parse_time
from console.timeline.folder import default_spool, spool_path
from console.timeline.recorder import Recorder
from console.timeline.spool import SpoolError, waiting_in

T = TypeVar("T")

_PROBE_EVERY = 10.0
"""Seconds between probes of the sinks."""
_LOAD_AFTER = 3.0
"""Seconds after the start at which the mitigations are loaded: the first data comes first."""
_RECOVER_AFTER = 1.0
"""Seconds after the start at which actions without a result are looked for and reported."""
_LED_TO_IT = timedelta(hours=1)
"""How far back the standby record is part of an incident's story."""
_TAKEN_ALONG: frozenset[Kind] = frozenset(("change", "note", "action.result", "action.verdict"))
"""Kinds that are, and intents with their results. A signal that goes on is recorded anew all the same."""
_LOOKED_THROUGH = 5000
"""Entries at the end of the standby record among which those of that time are looked for."""


class RecordedTimeline(WatchedTimeline):
    """The followed timeline, and the recorder that writes into it: both always mean the same incident."""

    def __init__(self, state_dir: Path, clock: Clock, *, drill: bool = False) -> None:
        super().__init__(state_dir, clock, default_spool(state_dir))
        self.recorder = Recorder(state_dir, clock, spool=self.spool)
        self._drill = drill
        self._writing = 0

    async def keep_sinks_known(self) -> None:
        """Look every few seconds whether the sinks take entries, and bring home what waits in the second."""
        while True:
            await asyncio.to_thread(self.recorder.check)
            await asyncio.sleep(_PROBE_EVERY)

    @property
    def unwritten(self) -> tuple[Entry, ...]:
        """Entries that no sink took yet."""
        return self.recorder.held

    async def close(self) -> None:
        """Write what can still be written."""
        if self.recorder.held:
            await asyncio.to_thread(self.recorder.check)

    def _unanswered(self) -> tuple[Entry, ...]:
        """Intents without a result, but for those that this very console is carrying out."""
        mine = self.recorder.identity.session
        return tuple(entry for entry in super()._unanswered() if entry.session != mine)

    @property
    def health(self) -> str:
        """ok, degraded (only the second sink takes entries, or the record changed under us) or failed."""
        ours, sinks = super().health, self.recorder.health.state
        return ours if ours == "failed" or sinks == "ok" else sinks

    @property
    def reason(self) -> str:
        """Why it is not ok, as a sentence."""
        return " ".join(filter(None, (self._problem or self.recorder.health.reason, self.changed)))

    def refresh(self) -> bool:
        """Read what is new and follow the incident with the recorder, unless that is just changing it."""
        changed = super().refresh()
        if not self._writing and self.recorder.incident != self._incident_id:
            self.recorder.attach(self._incident_id)
        return changed

    async def note(self, text: str) -> str:
        """Write a note; gives a sentence that says where it is.

        What no sink takes is held until one does; raises TimelineError to say so.
        """
        if not text.strip():
            raise PlanError("an empty note is not recorded; write a word.")
        try:
            entry = await asyncio.to_thread(self.recorder.record, "note", text)
        except TimelineError as error:
            await asyncio.to_thread(self.recorder.record_break_glass, "note", text)
            raise TimelineError(f"The note is held in memory until it can be written. {error}") from None
        return await asyncio.to_thread(self._where, "The note", entry.incident)

    async def declare(self, severity: int, title: str) -> str:
        """Declare an incident; gives a sentence. Raises TimelineError, also while one is open."""
        if severity not in SEVERITIES:
            raise PlanError(f"there is no severity {severity}; it is 1 (worst) to 4.")
        return await self._write(lambda: self._open(f"SEV{severity}", title))

    async def change(self, change: Change) -> str:
        """Change the open incident, end it or take one up again; gives a sentence. Raises TimelineError."""
        return await self._write(lambda: apply(self.recorder, change, self._standing(change)))

    async def _write(self, work: Callable[[], T]) -> T:
        """Run what moves the recorder to another incident in a thread, then follow it."""
        self._writing += 1
        try:
            return await asyncio.to_thread(work)
        finally:
            self._writing -= 1
            self.look_again()

    def _standing(self, change: Change) -> list[dict[str, str]]:
        """The temporary measures that the end of an incident leaves, for its entry."""
        if not isinstance(change, Resolve):
            return []
        try:
            found = standing(ledger_entries(self.state_dir, self.recorder.spool))
        except TimelineError as error:
            return [{"id": "", "text": f"the ledger could not be read: {error}"}]
        return [{"id": measure.id, "text": measure.text} for measure in found]

    def _where(self, what: str, incident: str | None) -> str:
        """Where that is which was just written: the spool is empty whenever the timeline takes entries."""
        spool = self.recorder.spool
        with contextlib.suppress(SpoolError):
            if spool is not None and waiting_in(path := spool_path(spool, incident)):
                return f"{what} waits in the second place until the timeline can be written: {path}"
        return f"{what} is in the timeline."

    def _open(self, label: str, title: str) -> str:
        """Declare, and take along what led to it: the changes, notes and mitigations of the last hour.

        What an earlier incident took along belongs to that one.
        """
        earlier = list_incidents(self.state_dir, self.recorder.spool)
        since = max([format_time(self.clock.now() - _LED_TO_IT), *(one.declared_at for one in earlier)])
        before = _led_to_it(self.entries[-_LOOKED_THROUGH:], since)
        declare(self.recorder, label, title, lead=self.recorder.identity.user, drill=self._drill)
        copies: dict[str, str] = {}
        for entry in before:
            copy = self.recorder.record(
                entry.kind,
                entry.text,
                source=entry.source,
                data={**entry.data, "standby": entry.id, "by": entry.user},
                ref=copies.get(entry.ref or ""),
                occurred_at=parse_time(entry.occurred_at),
            )
            copies[entry.id] = copy.id
        return self._where(label, self.recorder.incident)


def _led_to_it(entries: Sequence[Entry], since: str) -> list[Entry]:
    """What is taken along of these entries, in the order in which it was recorded.

    An intent goes with its result: without one its outcome would be unknown here for good.
    """
    taken = [entry for entry in entries if entry.ts >= since and entry.kind in _TAKEN_ALONG]
    answered = {entry.ref for entry in taken if entry.kind == "action.result"}
    taken += [entry for entry in entries if entry.kind == "action.intent" and entry.id in answered]
    return sorted(taken, key=lambda entry: entry.id)


def live_engine(
    config: Config,
    clock: Clock,
    state_dir: Path,
    *,
    read: Config | None = None,
    keep_sessions: bool = True,
    may_write: Callable[[], bool] = lambda: True,
) -> Engine:
    """An engine with everything that a person in an incident needs; not started yet.

    ``read`` has the sources to run where these are not all of ``config``; ``keep_sessions`` for acting open
    on every database; ``may_write`` tells whether by now the record takes what nobody asked for: what is
    seen, and what became of other consoles' actions.
    """
    timeline = RecordedTimeline(state_dir, clock, drill=config.drill)
    mode: Mode = "drill" if config.drill else "live"
    engine = Engine(read or config, clock, state_dir, mode, timeline=timeline)
    sessions = ActingSessions(config.postgres if keep_sessions else (), clock)
    engine.attach(sessions.keep, "acting sessions")
    runner = ActionRunner(engine.board, config, clock, timeline.recorder, state_dir, sessions=sessions)
    engine.mitigator = runner
    engine.attach(lambda: _recover_later(runner, may_write), "recovery")
    observer = Observer(
        engine.board,
        timeline.recorder.record,
        clock,
        known=lambda: timeline.known,
        may_write=may_write,
    )
    engine.attach(observer.run, "observer")
    engine.attach(timeline.keep_sinks_known, "sinks")
    engine.attach(_load_mitigations, "mitigation libraries")
    return engine


async def _recover_later(runner: ActionRunner, may_write: Callable[[], bool]) -> None:
    """Look for what other consoles left open, which reads the whole record, when it is on the screen."""
    await asyncio.sleep(_RECOVER_AFTER)
    if may_write():
        await runner.recover()


async def _load_mitigations() -> None:
    """Import what the first plan would otherwise have to wait for."""
    await asyncio.sleep(_LOAD_AFTER)
    await asyncio.to_thread(importlib.import_module, "console.mitigations.registry")
    memory.set_aside()
