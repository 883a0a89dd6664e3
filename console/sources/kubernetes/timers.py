"""Moments at which something is to be looked at again, because time alone may change it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")


class Timers(Generic[K]):
    """One moment a key, the earliest that was asked for: who is looked at too early asks again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, K]] = []
        self._due: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, key: K, when: float | None) -> None:
        """Have ``key`` looked at again at ``when`` (unix seconds), or before; None is never."""
        known = self._due.get(key)
        if when is not None and (known is None or when < known):
            self._due[key] = when
            heapq.heappush(self._heap, (when, key))

    def drop(self, key: K) -> None:
        """Forget a key."""
        self._due.pop(key, None)

    def pop(self, now: float) -> Iterator[K]:
        """The keys whose moment has come, each once."""
        while self._heap and self._heap[0][0] <= now:
            when, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                yield key
