"""The source of one PostgreSQL server."""

from __future__ import annotations

import random

from console.config import PostgresSettings
from console.model.clock import Clock
from console.model.postgres import PostgresSnapshot
from console.model.source import Health
from console.sources.base import ServerSource
from console.sources.postgres.link import address
from console.sources.postgres.reader import Reader

ROUND_SECONDS = 15.0
LIMITED = "limited view: the role may not see the sessions of others, so the counts are lower bounds"
LIMITED_ADVICE = "GRANT pg_monitor TO the console's role"


class PostgresSource(ServerSource[PostgresSnapshot]):
    """Polls one server; see ``console.sources.postgres.reader`` for what a round is."""

    def __init__(self, name: str, settings: PostgresSettings, clock: Clock, rng: random.Random) -> None:
        super().__init__(
            name,
            address(settings.dsn.reveal()),
            Reader(settings, clock),
            clock,
            rng,
            interval=settings.interval,
            timeout=ROUND_SECONDS,
            judge=_judge,
        )


def _judge(snapshot: PostgresSnapshot) -> tuple[Health, str, str]:
    return (Health.LIMITED, LIMITED, LIMITED_ADVICE) if snapshot.limited else (Health.OK, "", "")
