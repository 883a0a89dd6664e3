"""A person's forgotten transaction holds a lock; everything that writes stock queues behind it."""

from __future__ import annotations

import contextlib

import psycopg

from console.drill.postgres import ANALYST_ROLE
from console.drill.scenario import Scenario


class ConnectionsExhausted(Scenario):
    """The blocker is a real session, idle in transaction; pools fill until the server refuses."""

    name = "connections-exhausted"
    summary = (
        "A session idle in transaction holds a lock; writers queue, pools fill, the server refuses clients."
    )
    cure = "Terminate the blocking session of psql (idle in transaction); a cancel does nothing to it."
    service = "checkout"
    right = ("pg.terminate", "pg.terminate-matching")

    _blocker: psycopg.AsyncConnection[tuple[object, ...]] | None = None

    async def begin(self) -> None:
        """Touch every row of the stock and go to lunch."""
        dsn = self.postgres.dsn(ANALYST_ROLE, "psql")
        self._blocker = await psycopg.AsyncConnection.connect(dsn)
        await self._blocker.execute("UPDATE stock SET available = available WHERE available < 1000000")

    async def end(self) -> None:
        """Close the session."""
        if self._blocker:
            await self._blocker.close()

    def present(self) -> bool:
        """Whether the session is still there: a terminated one is found closed by reading from it."""
        if self._blocker is None or self._blocker.closed:
            return False
        with contextlib.suppress(psycopg.OperationalError):
            self._blocker.pgconn.consume_input()
        return self._blocker.pgconn.status == psycopg.pq.ConnStatus.OK
