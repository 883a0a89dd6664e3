"""A small connection pool, one a simulated pod, with the manners of the pools that services use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg

from console.drill.traffic import TIMEOUT

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Work = Callable[[Connection], Awaitable[None]]

WAIT = 1.0
"""Seconds that a request waits for a free connection."""


KEEP = 20.0
"""Seconds after which an idle connection beyond the smallest size is closed."""
LEAST_PACE = 0.25


class PoolError(Exception):
    """Why a request got no answer from the database, in the words of the driver or the server."""


class Pool:
    """Opens ``smallest`` connections at start and up to ``largest`` on demand, and keeps them.

    A request that gives up leaves its connection busy until the server answers, as most drivers do.
    ``pace`` below 1 shortens how long requests wait, down to what a busy machine needs.
    """

    def __init__(self, dsn: str, smallest: int, largest: int, pace: float = 1.0) -> None:
        self._dsn, self._pace, self._keep = dsn, max(pace, LEAST_PACE), KEEP * pace
        self._smallest, self._largest = smallest, largest
        self._idle: list[Connection] = []
        self._used: dict[Connection, float] = {}
        self._open: set[Connection] = set()
        self._opening = 0
        self._freed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def size(self) -> int:
        """Connections that are open or being opened."""
        return len(self._open) + self._opening

    @property
    def busy(self) -> int:
        """Connections in use."""
        return self.size - len(self._idle)

    @property
    def largest(self) -> int:
        """The most connections that the pool opens."""
        return self._largest

    async def maintain(self) -> None:
        """Open what is missing of the smallest size, close what was idle for long beyond it.

        Raises PoolError as ``run`` does.
        """
        now = asyncio.get_running_loop().time()
        while self._idle and self.size > self._smallest:
            oldest = self._idle[0]
            if now - self._used.get(oldest, now) < self._keep:
                break
            self._idle.pop(0)
            await self._drop(oldest)
        while self.size < self._smallest and not self._closed:
            await self._give_back(await self._connect())

    async def run(self, work: Work) -> None:
        """Do ``work`` on a connection. Raises PoolError: refused, failed, or the caller gave up."""
        task = asyncio.create_task(self._work(work))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=TIMEOUT * self._pace)
        if not done:
            raise PoolError(f"timeout: no answer from the database within {TIMEOUT:g} s")
        task.result()

    async def close(self) -> None:
        """Cancel what runs and close every connection, as a process does that is asked to end."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in tuple(self._open):
            await _close(connection)
        self._open.clear()
        self._idle.clear()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _work(self, work: Work) -> None:
        connection = await self._take()
        try:
            await work(connection)
        except psycopg.Error as error:
            await self._drop(connection)
            raise PoolError(_sentence(error)) from None
        except asyncio.CancelledError:
            await self._drop(connection)
            raise
        await self._give_back(connection)

    async def _take(self) -> Connection:
        async with self._freed:
            if not self._idle and self.size >= self._largest:
                try:
                    await asyncio.wait_for(self._freed.wait_for(lambda: bool(self._idle)), WAIT * self._pace)
                except TimeoutError:
                    raise PoolError(
                        f"connection pool exhausted: {self._largest} of {self._largest} in use"
                    ) from None
            if self._idle:
                return self._idle.pop()
        return await self._connect()

    async def _connect(self) -> Connection:
        self._opening += 1
        try:
            connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=3)
        except psycopg.Error as error:
            raise PoolError(_sentence(error)) from None
        finally:
            self._opening -= 1
        self._open.add(connection)
        return connection

    async def _give_back(self, connection: Connection) -> None:
        if self._closed:
            await self._drop(connection)
            return
        async with self._freed:
            self._used[connection] = asyncio.get_running_loop().time()
            self._idle.append(connection)
            self._freed.notify()

    async def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._used.pop(connection, None)
        await _close(connection)
        async with self._freed:
            self._freed.notify()


async def _close(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        await connection.close()


def _sentence(error: psycopg.Error) -> str:
    """The first line of what the server or libpq said, without the address."""
    text = str(error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return line.rpartition("failed: ")[2]
