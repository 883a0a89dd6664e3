"""Time as a dependency: whoever needs a time takes a `Clock`, so that tests set it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time and monotonic time. Safe to call from any thread."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC. It may step in both directions."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary origin."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to move; for tests, drills and replays."""

    def __init__(self, start: datetime, monotonic: float = 0.0) -> None:
        if start.tzinfo is None:
            raise ValueError("A ManualClock needs an aware start time; give it a time zone.")
        self._now = start.astimezone(UTC)
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall time that was set, aware, in UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks. A negative number is refused; see `step`."""
        if seconds < 0:
            raise ValueError("Time cannot pass backwards; use step() for a change of the wall clock.")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Step the wall clock alone by `seconds`, either way, as NTP or an administrator does."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
