"""What every source is, and the one way to poll with back-off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from console.model.clock import Clock
from console.model.redact import redact
from console.model.source import Health, SourceStatus
from console.model.text import clean

Snapshot = TypeVar("Snapshot")
Read = TypeVar("Read", covariant=True)


class Publisher(Protocol):
    """Where a source puts what it learns; both calls are made on the engine's loop and return at once."""

    def publish(self, name: str, snapshot: Any) -> None:
        """Replace the latest snapshot of the source ``name``."""
        ...

    def report(self, status: SourceStatus) -> None:
        """Replace the status of a source."""
        ...


class Source(Protocol):
    """One system that is read. ``name`` is unique on the board, e.g. ``kubernetes:prod``."""

    name: str

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled. Errors become a reported status and a back-off, never an exception."""
        ...

    async def close(self) -> None:
        """Release connections; called once, after ``run`` was cancelled."""
        ...


class Reader(Protocol[Read]):
    """Reads one server, round by round, and keeps its session in between."""

    async def read(self) -> Read:
        """One round. Raises SourceError."""
        ...

    async def close(self) -> None:
        """End the session."""
        ...


class SourceError(Exception):
    """A failed read as a sentence, with what to do about it. Both are fit for the screen."""

    def __init__(self, reason: str, advice: str = "", health: Health = Health.FAILED) -> None:
        self.reason = clean(redact(reason), 300)
        self.advice = advice
        self.health = health
        super().__init__(self.reason)


def backoff(failures: int, rng: random.Random, *, base: float = 1.0, ceiling: float = 30.0) -> float:
    """Seconds to wait after ``failures`` in a row: exponential with full jitter in the upper half."""
    return min(ceiling, base * 2.0 ** min(failures - 1, 10)) * (0.5 + rng.random() / 2)


class Reporter:
    """Keeps ``since`` and ``last_ok`` of one source right, and reports only when something changed."""

    def __init__(self, name: str, address: str, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        now = clock.now().timestamp()
        self.status = SourceStatus(name, Health.CONNECTING, now, address=address)
        publisher.report(self.status)

    def ok(self, health: Health = Health.OK, reason: str = "", advice: str = "") -> None:
        """Data arrived; ``health`` may be LIMITED with the reason."""
        self._set(health, reason, advice, fresh=True)

    def failed(self, error: SourceError) -> None:
        """A read failed; the last good data stays on the board and ages."""
        self._set(error.health, error.reason, error.advice, fresh=False)

    def _set(self, health: Health, reason: str, advice: str, *, fresh: bool) -> None:
        now = self._clock.now().timestamp()
        since = self.status.since if health is self.status.health else now
        last_ok = now if fresh else self.status.last_ok
        self.status = SourceStatus(
            self.status.name, health, since, last_ok, reason, advice, self.status.address
        )
        self._publisher.report(self.status)


def until_next_round(now: float, interval: float) -> float:
    """Seconds to the next multiple of ``interval`` that is at least half an interval away from ``now``.

    ``now`` is seconds of the monotonic clock, which differs between machines: many consoles are not in step.
    """
    left = interval - now % interval
    return left if left >= interval / 2 else left + interval


def healthy(_snapshot: object) -> tuple[Health, str, str]:
    """The judgement of a source all of whose snapshots are whole: health, reason and advice."""
    return Health.OK, "", ""


async def poll(
    read: Callable[[], Awaitable[Any]],
    reporter: Reporter,
    publisher: Publisher,
    *,
    interval: float,
    timeout: float,
    rng: random.Random,
    second: float | None = None,
    judge: Callable[[Any], tuple[Health, str, str]] = healthy,
) -> None:
    """Call ``read`` every ``interval`` seconds for ever, publish what it returns, back off when it fails.

    Rounds of all sources are in step, see ``until_next_round``: one frame of the screen can show them all.
    The second comes ``second`` seconds after the first where that is given: a rate needs two rounds.
    A read that takes longer than ``timeout`` seconds is cancelled and counts as failed. ``read`` raises
    SourceError for what it foresees; anything else is reported by its type, so that no surprise ends a
    source. ``judge`` gives the health, reason and advice that a snapshot stands for, e.g. LIMITED.
    """
    failures = 0
    now = asyncio.get_running_loop().time
    pause = second
    while True:
        try:
            snapshot = await asyncio.wait_for(read(), timeout)
        except TimeoutError:
            failures += 1
            reporter.failed(
                SourceError(f"no answer within {timeout:g} s", "check the network and the server")
            )
        except SourceError as error:
            failures += 1
            reporter.failed(error)
        except Exception as error:
            failures += 1
            reporter.failed(SourceError(f"{type(error).__name__}: {error}"))
        else:
            failures = 0
            publisher.publish(reporter.status.name, snapshot)
            reporter.ok(*judge(snapshot))
        if failures:
            await asyncio.sleep(backoff(failures, rng))
        else:
            await asyncio.sleep(until_next_round(now(), interval) if pause is None else pause)
            pause = None


class ServerSource(Generic[Snapshot]):
    """Polls one server with the reader that knows how; the sources of databases and caches are such."""

    def __init__(
        self,
        name: str,
        address: str,
        reader: Reader[Snapshot],
        clock: Clock,
        rng: random.Random,
        *,
        interval: float,
        timeout: float,
        second: float | None = None,
        judge: Callable[[Snapshot], tuple[Health, str, str]] = healthy,
    ) -> None:
        self.name = name
        self._address = address
        self._reader = reader
        self._clock = clock
        self._poll = partial(poll, interval=interval, timeout=timeout, rng=rng, second=second, judge=judge)

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled."""
        await self._poll(self.read, Reporter(self.name, self._address, publisher, self._clock), publisher)

    async def read(self) -> Snapshot:
        """One round. Raises SourceError."""
        return await self._reader.read()

    async def close(self) -> None:
        """End the session with the server."""
        await self._reader.close()
