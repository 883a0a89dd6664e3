"""A clock that first replays the past by hand and then follows the machine."""

from __future__ import annotations

from datetime import datetime

from console.model.clock import ManualClock, SystemClock


class DrillClock(ManualClock):
    """Stands still until moved; after ``go_live`` it is the clock of the machine."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._system: SystemClock | None = None

    def go_live(self) -> None:
        """Follow the machine from now on. The past must have been brought up to its time."""
        self._system = SystemClock()

    @property
    def live(self) -> bool:
        """Whether the clock follows the machine."""
        return self._system is not None

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        return self._system.now() if self._system else super().now()

    def monotonic(self) -> float:
        """Seconds that never run backwards, but for the one step of going live."""
        return self._system.monotonic() if self._system else super().monotonic()
