"""Looks at the board once a second: signals, suggestions, and what of them belongs into the timeline.

It publishes a ``SignalsSnapshot`` on the board as ``signals``. With a ``record`` it also writes when a
signal begins, gets worse and ends, and what is deployed, scaled, made or deleted. Without one (watch mode)
it only looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from console.engine.board import Board
from console.engine.changes import ChangeWatch, Notice
from console.engine.crash import save_crash
from console.engine.known import Known
from console.engine.scribe import Record, Scribe
from console.incident.scenarios import suggest
from console.model.clock import Clock
from console.model.kube import KubeSnapshot
from console.model.signals import Signal, SignalsSnapshot, Suggestion, detect, remember
from console.model.source import Health, SourceStatus
from console.model.symptoms.finding import Memory
from console.model.symptoms.kube import cluster_prefix, clusters_of
from console.model.symptoms.metrics import ALERT_FIRING, suppressed
from console.model.symptoms.words import span
from console.timeline.entry import TimelineError

NAME = "signals"
"""The board name of what it publishes."""

STATUS = "observer"
PERIOD = 1.0
IDLE = 5.0
"""Seconds until it looks again although nothing was published: ages grow on a quiet board, too."""

_NOT_NEWS = (NAME, STATUS, "timeline", "mitigations")


class Observer:
    """``signals`` and ``suggestions`` are the present ones; both may be read from any thread."""

    def __init__(
        self,
        board: Board,
        record: Record | None,
        clock: Clock,
        known: Callable[[], Known] = Known,
        rng: random.Random | None = None,
        *,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.signals: tuple[Signal, ...] = ()
        self.suggestions: tuple[Suggestion, ...] = ()
        self._board = board
        self._clock = clock
        self._known = known
        self._scribe = Scribe(record, clock, known, rng) if record is not None else None
        self._may_write = may_write
        self._memory = Memory()
        self._watches: dict[str, ChangeWatch] = {}
        self._announced: dict[str, Signal] = {}
        self._timeline: str | None = None
        self._failures: dict[str, str] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Look, and write, until cancelled. What fails is shown as a status of its own and tried again."""
        stop_listening = self._board.listen(self._heard)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_on())
                tasks.create_task(self._write_on())
        finally:
            stop_listening()

    def look(self) -> None:
        """Find signals, suggestions and changes now, and publish the first two when they differ."""
        now = self._clock.now().timestamp()
        self._memory = remember(self._board, self._memory)
        previous = {signal.key: signal for signal in self.signals}
        signals = detect(self._board, previous, now, self._memory)
        suggestions = suggest(signals, self._board)
        changed = (signals, suggestions) != (self.signals, self.suggestions)
        self.signals, self.suggestions = signals, suggestions
        if changed or self._board.snapshot(NAME) is None:
            self._board.publish(NAME, SignalsSnapshot(now, signals, suggestions))
        if self._scribe is None:
            return
        for source, snapshot in self._board.of_type(KubeSnapshot).items():
            watch = self._watches.setdefault(source, ChangeWatch(source))
            for notice in watch.look(snapshot, now, cluster_prefix(clusters_of(self._board), source)):
                self._scribe.add(notice)
        self._announce(self._scribe, now)

    async def write(self) -> None:
        """Write into the timeline what is due. Raises TimelineError; what was not written is kept.

        As long as nothing may be written it is kept as well.
        """
        if self._scribe is not None and self._may_write():
            await self._scribe.write()

    async def _look_on(self) -> None:
        while True:
            waiting = any(watch.waiting for watch in self._watches.values())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD if waiting else IDLE):
                    await self._news.wait()
            self._news.clear()
            try:
                self.look()
            except Exception as error:
                await self._report("look", error)
            else:
                await self._report("look")
            await asyncio.sleep(PERIOD)

    async def _write_on(self) -> None:
        while True:
            try:
                await self.write()
            except TimelineError:
                pass  # the timeline's own light shows it; the entries are kept
            except Exception as error:
                await self._report("write", error)
            else:
                await self._report("write")
            await asyncio.sleep(PERIOD)

    async def _report(self, loop: str, error: Exception | None = None) -> None:
        """Show how a loop fares beside the other; a status appears only after the first failure."""
        if error is not None:
            self._failures[loop] = await asyncio.to_thread(save_crash, error)
        elif self._failures.pop(loop, None) is None:
            return
        health = Health.FAILED if self._failures else Health.OK
        before = self._board.status(STATUS)
        same = before is not None and before.health is health
        since = before.since if before is not None and same else self._clock.now().timestamp()
        reason = " ".join(self._failures.values())
        self._board.report(SourceStatus(STATUS, health, since, reason=reason))

    def _heard(self, name: str) -> None:
        if name not in _NOT_NEWS:
            self._news.set()

    def _announce(self, scribe: Scribe, now: float) -> None:
        """Notices for signals that began, got worse or ended. A new timeline begins with all there are."""
        timeline = self._known().timeline
        if timeline != self._timeline:
            self._timeline = timeline
            self._announced = {}
        present = {signal.key: signal for signal in self.signals if signal.severity != "info"}
        for key, signal in present.items():
            earlier = self._announced.get(key)
            if earlier is None:
                self._announced[key] = signal
                if scribe.phase(key) not in ("start", "worse"):
                    scribe.add(_notice(signal, "start", signal.text, signal.since))
            elif earlier.severity == "warning" and signal.severity == "critical":
                self._announced[key] = signal
                scribe.add(_notice(signal, "worse", f"now critical: {signal.text}", now))
        for key in [key for key in self._announced if key not in present]:
            gone = self._announced.pop(key)
            scribe.add(_notice(gone, "end", self._end(gone, now), now))

    def _end(self, gone: Signal, now: float) -> str:
        """How a signal ended; of an alert that is only kept quiet it must not say that it is over."""
        name, after = f"{gone.name}({gone.label})", f"after {span(max(now - gone.since, 1))}"
        how = suppressed(self._board, gone.source, gone.subject) if gone.name == ALERT_FIRING else ""
        return f"{name} {how} {after}; it still fires" if how else f"{name} ended {after}"


def _notice(signal: Signal, phase: str, text: str, at: float) -> Notice:
    data = {
        "name": signal.name,
        "subject": signal.subject,
        "source": signal.source,
        "severity": signal.severity,
        "value": signal.value,
        "threshold": signal.threshold,
    }
    return Notice("signal", signal.key, phase, text, at, data)
