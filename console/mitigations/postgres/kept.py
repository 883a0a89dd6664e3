"""The kept acting connections: opened before they are needed.

A server whose slots are all taken gives none to a role that is not privileged, and that is when sessions have
to be ended. Importing this loads no client library.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.config import PostgresSettings
from console.engine.ports import FullError
from console.model.clock import Clock

if TYPE_CHECKING:
    from console.mitigations.postgres.connection import PostgresConnection

OPEN_SECONDS = 1.0
"""Seconds until they are opened, with what that loads: the first data comes first."""
KEEP_SECONDS = 15.0
"""Seconds between looks at the kept connections."""
FULL_SECONDS = 1.0
"""Seconds between tries while a server is full: its slots come free for moments."""
ANSWER_SECONDS = 5.0
"""How long a kept connection is waited for before it is replaced."""


class ActingSessions:
    """One connection a server, by server name. Used on the engine's loop only."""

    def __init__(self, servers: Sequence[PostgresSettings], _clock: Clock) -> None:
        self._servers = tuple(servers)
        self._kept: dict[str, PostgresConnection] = {}
        self._opening: dict[str, asyncio.Lock] = {server.name: asyncio.Lock() for server in self._servers}

    async def keep(self) -> None:
        """Open a connection to every server and open again those that break, until cancelled.

        A server that refuses is tried again at the next look, soon when it is full, and a plan that needs it
        says why.
        """
        try:
            await asyncio.sleep(OPEN_SECONDS)
            while True:
                pause = KEEP_SECONDS
                for settings in self._servers:
                    with contextlib.suppress(Exception):
                        try:
                            await self._look(settings)
                        except FullError:
                            pause = FULL_SECONDS
                await asyncio.sleep(pause)
        finally:
            for connection in self._kept.values():
                with contextlib.suppress(Exception):
                    await connection.close()

    async def take(self, settings: PostgresSettings) -> PostgresConnection:
        """The kept connection to a server, or a new one that is kept from now on. Raises PlanError."""
        from console.mitigations.postgres.connection import open_postgres

        async with self._opening[settings.name]:
            kept = self._kept.get(settings.name)
            if kept is None or kept.closed:
                kept = self._kept[settings.name] = await open_postgres(settings)
            return kept

    async def _look(self, settings: PostgresSettings) -> None:
        connection = await self.take(settings)
        if connection.lock.locked():
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.execute("SELECT 1")
        except Exception:
            await connection.close()
            raise
