"""How fast a context is asked, and in what form it answers: a token bucket and the choice of compression."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

QPS = 50.0
BURST = 300
"""Requests a second, and at once after a pause: what kubectl allows itself (k8s.io/cli-runtime)."""

FAST = 10e6
"""Bytes a second that a server on the same machine sends even when it is busy, and hardly any tunnel."""
MEASURED = 2**18
"""Bytes from which the time of a body says something of the link."""


class TokenBucket:
    """Lets ``burst`` requests through at once and ``rate`` a second after that, in the order of asking."""

    def __init__(
        self, rate: float = QPS, burst: int = BURST, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.burst = burst
        self._now = now
        self._tokens = float(burst)
        self._at = now()

    def reserve(self) -> float:
        """Take a token, if need be one that is still to come; returns the seconds until then."""
        now = self._now()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self.rate)

    async def take(self) -> None:
        """Wait for a token."""
        pause = self.reserve()
        if not pause:
            return
        try:
            await asyncio.sleep(pause)
        except asyncio.CancelledError:
            self._tokens += 1
            raise


_BUCKETS: WeakValueDictionary[tuple[str, str], TokenBucket] = WeakValueDictionary()


def bucket(server: str, context: str, rate: float, burst: int) -> TokenBucket:
    """The bucket of a context, shared by all connections to it: the one that reads and those that act."""
    found = _BUCKETS.get((server, context))
    if found is None or (found.rate, found.burst) != (rate, burst):
        found = _BUCKETS[(server, context)] = TokenBucket(rate, burst)
    return found


class Compression:
    """Whether bodies are asked for compressed.

    Compressing pods makes a sixteenth of them and costs both sides some 4 ns a byte, as much as a link of
    200 MB/s: it helps on every network and only costs on one machine. A server on loopback is asked for plain
    bodies until one comes so slowly that it must come through a tunnel.
    """

    def __init__(self, *, loopback: bool) -> None:
        self.wanted = not loopback

    @property
    def headers(self) -> dict[str, str]:
        """What a request says of it."""
        return {"Accept-Encoding": "gzip" if self.wanted else "identity"}

    def heard(self, size: int, seconds: float) -> None:
        """A plain body of ``size`` bytes took ``seconds`` from its first byte to its last."""
        if size >= MEASURED and size < FAST * seconds:
            self.wanted = True
