"""From the engine's thread to the screen: many changes become at most a few frames a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


class Feed:
    """Calls ``frame`` on the screen's loop soon after ``poke``, at most ``rate`` times a second.

    Sources are read in step, so the first poke waits ``gather`` seconds for the others: one frame shows all.
    While nothing is poked nothing runs. However often the engine pokes while the screen stalls on a frozen
    terminal, one call waits for it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        frame: Callable[[], None],
        rate: float = 6.0,
        gather: float = 0.05,
    ) -> None:
        self._loop = loop
        self._frame = frame
        self._period = 1 / rate
        self._gather = gather
        self._next = 0.0
        self._pending = False
        self._arranged: asyncio.TimerHandle | None = None
        self._closed = False

    def poke(self, _name: str = "") -> None:
        """Something changed. Safe from any thread."""
        if self._pending or self._closed:
            return
        self._pending = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: the screen has gone
            self._loop.call_soon_threadsafe(self._arrange)

    def painted(self) -> None:
        """A frame was painted for another reason: what waited for one has been seen."""
        if self._arranged is not None:
            self._arranged.cancel()
            self._begin()

    def close(self) -> None:
        """No further frame."""
        self._closed = True

    def _arrange(self) -> None:
        delay = max(self._gather, self._next - self._loop.time())
        self._arranged = self._loop.call_later(delay, self._run)

    def _run(self) -> None:
        self._begin()
        if not self._closed:
            self._frame()

    def _begin(self) -> None:
        """Whatever is poked from now on is for the next frame."""
        self._arranged = None
        self._pending = False
        self._next = self._loop.time() + self._period
