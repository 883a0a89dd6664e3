"""The source of one Redis server."""

from __future__ import annotations

import random

from console.config import RedisSettings
from console.model.clock import Clock
from console.model.redis import RedisSnapshot
from console.sources.base import ServerSource
from console.sources.redis.client import address
from console.sources.redis.reader import Reader

ROUND_SECONDS = 5.0
SECOND_ROUND = 0.5
"""Seconds after the first round; the pane's rates and its hit ratio are differences between two."""


class RedisSource(ServerSource[RedisSnapshot]):
    """Polls one server; see ``console.sources.redis.reader`` for what a round is."""

    def __init__(self, name: str, settings: RedisSettings, clock: Clock, rng: random.Random) -> None:
        super().__init__(
            name,
            address(settings.url.reveal()),
            Reader(settings, clock),
            clock,
            rng,
            interval=settings.interval,
            timeout=ROUND_SECONDS,
            second=SECOND_ROUND,
        )
