"""The source of one Redis server."""

from __future__ import annotations

import random

from console.config import RedisSettings
from console.model.clock import Clock
from console.model.redis import RedisSnapshot
from console.sources.base import Publisher, Reporter, poll
from console.sources.redis.client import address
from console.sources.redis.reader import Reader

ROUND_SECONDS = 5.0
SECOND_ROUND = 0.5
"""Seconds after the first round; the pane's rates and its hit ratio are differences between two."""


class RedisSource:
    """Polls one server; see ``console.sources.redis.reader`` for what a round is."""

    def __init__(self, name: str, settings: RedisSettings, clock: Clock, rng: random.Random) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._reader: Reader | None = None

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled."""
        await poll(
            self.read,
            Reporter(self.name, address(self._settings.url.get_secret_value()), publisher, self._clock),
            publisher,
            interval=self._settings.interval,
            timeout=ROUND_SECONDS,
            rng=self._rng,
            second=SECOND_ROUND,
        )

    async def read(self) -> RedisSnapshot:
        """One round. Raises SourceError."""
        if self._reader is None:
            self._reader = Reader(self._settings, self._clock)
        return await self._reader.read()

    async def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            await self._reader.close()
