"""Writes notices into the timeline: once among all consoles, never in a flood, and none is lost silently.

Of the consoles on one timeline the one that wrote the last automatic entry goes on writing at once; the
others wait a little and then find its entries there. When it stops, the next one takes over.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from console.engine.changes import Notice
from console.engine.known import Known
from console.model.clock import Clock
from console.model.symptoms.words import plural
from console.timeline.entry import Entry, Kind, Source, TimelineError

PER_MINUTE = 12
"""Entries a kind and minute; what is more goes into one summarising entry."""

FOLLOWER_DELAY = 3.0
KEPT = 500
"""Notices kept while the timeline takes none."""

IN_SUMMARY = 50
OPEN_FOR = 6 * 3600.0
"""Seconds after which the beginning of a signal without an end no longer counts as known."""


class Record(Protocol):
    """What writes an entry; it blocks for the disk and raises when no sink takes it."""

    def __call__(
        self,
        kind: Kind,
        text: str,
        *,
        source: Source = "system",
        data: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Entry:
        """Write one entry and return it."""
        ...


class Scribe:
    """Takes notices with ``add`` and writes them with ``write``, both on one loop."""

    def __init__(
        self,
        record: Record,
        clock: Clock,
        known: Callable[[], Known],
        rng: random.Random | None = None,
    ) -> None:
        self._record = record
        self._clock = clock
        self._memory = known
        self._rng = rng or random.Random()
        self._waiting: deque[Notice] = deque()
        self._lost = 0
        self._written: dict[Kind, deque[float]] = {}
        self._excess: dict[Kind, list[Notice]] = {}
        self._session = ""

    def add(self, notice: Notice) -> None:
        """Take a notice; what comes beyond ``KEPT`` while the timeline fails is counted, and told later."""
        if len(self._waiting) < KEPT:
            self._waiting.append(notice)
        else:
            self._lost += 1

    def phase(self, key: str) -> str:
        """The latest phase that the timeline knows of ``key``, or "" when it is unknown or long ago."""
        phase, at = self._memory().latest(key)
        if not phase:
            return ""
        age = self._clock.now().timestamp() - datetime.fromisoformat(at).timestamp()
        return phase if age < OPEN_FOR else ""

    async def write(self) -> None:
        """Write what waits and is not in the timeline yet.

        Raises TimelineError when no sink takes it: it is kept for the next call. What fails in another way
        would fail again; it is counted as lost, and told later.
        """
        if self._waiting:
            await asyncio.sleep(self._delay())
        while self._waiting:
            notice = self._waiting[0]
            try:
                await self._take(notice)
            except TimelineError:
                raise
            except Exception:
                self._waiting.popleft()  # else the one that cannot be written would hold up all others
                self._lost += 1
                raise
            self._waiting.popleft()
        for kind in [kind for kind in self._excess if self._room(kind)]:
            left = [item for item in self._excess[kind] if not self._known(item)]
            try:
                await self._summarise(kind, left)
            except TimelineError:
                raise
            except Exception:
                del self._excess[kind]
                self._lost += len(left)
                raise
            del self._excess[kind]
        if self._lost and self._room("signal"):
            lost = plural(self._lost, "automatic entry was", "automatic entries were")
            text = f"{lost} lost while the timeline could not be written"
            await self._put("signal", text, {"lost": self._lost}, self._clock.now().timestamp())
            self._lost = 0

    async def _take(self, notice: Notice) -> None:
        if self._known(notice):
            return
        if self._room(notice.kind):
            await self._put(notice.kind, notice.text, _data(notice), notice.at)
        else:
            self._excess.setdefault(notice.kind, []).append(notice)

    def _delay(self) -> float:
        """No wait for the console that writes, some for the others, a random one while nobody does yet."""
        writer = self._memory().writer
        if writer:
            return 0.0 if writer == self._session else FOLLOWER_DELAY
        return self._rng.random()

    def _known(self, notice: Notice) -> bool:
        if notice.kind == "signal":  # begins and ends again and again: only the latest phase tells
            return self.phase(notice.key) == notice.phase
        return self._memory().has(notice.key, notice.phase)

    def _room(self, kind: Kind) -> bool:
        now = self._clock.monotonic()
        times = self._written.setdefault(kind, deque())
        while times and now - times[0] >= 60:
            times.popleft()
        return len(times) < PER_MINUTE

    async def _put(self, kind: Kind, text: str, data: Mapping[str, Any], at: float) -> None:
        occurred = datetime.fromtimestamp(at, UTC)
        entry = await asyncio.to_thread(
            self._record, kind, text, source="system", data=data, occurred_at=occurred
        )
        self._session = entry.session
        self._written[kind].append(self._clock.monotonic())

    async def _summarise(self, kind: Kind, notices: list[Notice]) -> None:
        if not notices:
            return
        words = Counter(notice.data.get("name") or notice.phase.partition("-")[0] for notice in notices)
        what = ", ".join(f"{count} {word}" for word, count in words.most_common(8))
        words_of = ("change",) if kind == "change" else ("signal entry", "signal entries")
        text = f"{plural(len(notices), *(f'more {word}' for word in words_of))} in a minute: {what}"
        data = {
            "phases": {notice.key: notice.phase for notice in notices[:KEPT]},
            "texts": [notice.text for notice in notices[:IN_SUMMARY]],
            "count": len(notices),
        }
        await self._put(kind, text, data, min(notice.at for notice in notices))


def _data(notice: Notice) -> dict[str, Any]:
    return {"key": notice.key, "phase": notice.phase, **notice.data}
