"""Log lines on their way from the engine's loop to a reader in another thread, bounded and counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from console.model.logs import LogLine

CAPACITY = 20_000
"""Lines that wait for a slow reader; beyond it the oldest are dropped and counted."""


class BufferedFeed:
    """The LogFeed of ``console.engine.ports``. ``wake`` is called on the writer's thread when lines came."""

    def __init__(self, close: Callable[[], None], wake: Callable[[], None], capacity: int = CAPACITY) -> None:
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._dropped = 0
        self._finished = False
        self._lock = threading.Lock()
        self._close = close
        self._wake = wake

    def put(self, lines: Iterable[LogLine]) -> None:
        """Append lines, dropping the oldest that nobody took."""
        with self._lock:
            for line in lines:
                if len(self._lines) == self._lines.maxlen:
                    self._dropped += 1
                self._lines.append(line)
        self._wake()

    def take(self) -> tuple[Sequence[LogLine], int]:
        """Lines since the last call and how many were dropped since then."""
        with self._lock:
            lines, dropped = tuple(self._lines), self._dropped
            self._lines.clear()
            self._dropped = 0
        return lines, dropped

    @property
    def finished(self) -> bool:
        """Whether the reader on the engine's side has ended."""
        return self._finished

    def finish(self) -> None:
        """No further line will come."""
        self._finished = True
        self._wake()

    def close(self) -> None:
        """Stop reading; safe to call twice and from any thread."""
        self._close()
