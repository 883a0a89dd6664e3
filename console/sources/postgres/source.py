"""The source of one PostgreSQL server."""

from __future__ import annotations

import random

from console.config import PostgresSettings
from console.model.clock import Clock
from console.model.postgres import PostgresSnapshot
from console.model.source import Health
from console.sources.base import Publisher, Reporter, poll
from console.sources.postgres.link import address
from console.sources.postgres.reader import Reader

ROUND_SECONDS = 15.0
LIMITED = "limited view: the role may not see the sessions of others, so the counts are lower bounds"
LIMITED_ADVICE = "GRANT pg_monitor TO the console's role"


class PostgresSource:
    """Polls one server; see ``console.sources.postgres.reader`` for what a round is."""

    def __init__(self, name: str, settings: PostgresSettings, clock: Clock, rng: random.Random) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._reader: Reader | None = None

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled."""
        await poll(
            self.read,
            Reporter(self.name, address(self._settings.dsn.get_secret_value()), publisher, self._clock),
            publisher,
            interval=self._settings.interval,
            timeout=ROUND_SECONDS,
            rng=self._rng,
            judge=_judge,
        )

    async def read(self) -> PostgresSnapshot:
        """One round. Raises SourceError."""
        if self._reader is None:
            self._reader = Reader(self._settings, self._clock)
        return await self._reader.read()

    async def close(self) -> None:
        """End the session."""
        if self._reader is not None:
            await self._reader.close()


def _judge(snapshot: PostgresSnapshot) -> tuple[Health, str, str]:
    return (Health.LIMITED, LIMITED, LIMITED_ADVICE) if snapshot.limited else (Health.OK, "", "")
