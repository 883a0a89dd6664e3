"""Measures the real PostgreSQL and Redis for the drill's exporters, over connections opened at the start."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import psycopg
import redis.asyncio
from redis.exceptions import RedisError

from console.drill.postgres import MONITOR_ROLE, Postgres
from console.drill.redis import QUEUE, STUCK, Redis

Values = Mapping[str, Mapping[str, float]]

ACTIVITY = """
SELECT coalesce(state, 'unknown'), count(*), coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1
"""


class Probes:
    """``postgres`` and ``redis`` are the last measurements, None while the server does not answer."""

    def __init__(self, server: Postgres, cache: Redis) -> None:
        self._server = server
        self._connection: psycopg.AsyncConnection[tuple[str, int, float]] | None = None
        self._redis = redis.asyncio.Redis.from_url(
            cache.url, socket_timeout=1.5, socket_connect_timeout=1.5, decode_responses=True
        )
        self.postgres: Values | None = None
        self.redis: Values | None = None

    async def measure(self) -> None:
        """One round; never raises for a server that does not answer."""
        self.postgres, self.redis = await asyncio.gather(self._measure_postgres(), self._measure_redis())

    async def close(self) -> None:
        """Close the connections."""
        if self._connection:
            await self._connection.close()
        await self._redis.aclose()

    async def _measure_postgres(self) -> Values | None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._server.dsn(MONITOR_ROLE, "postgres_exporter"), autocommit=True, connect_timeout=2
                )
            rows = await (await self._connection.execute(ACTIVITY)).fetchall()
        except psycopg.Error:
            return None
        return {
            "pg_stat_activity_count": {f"state={state}": float(count) for state, count, _ in rows},
            "pg_stat_activity_max_tx_duration": {f"state={state}": oldest for state, _, oldest in rows},
            "pg_settings_max_connections": {"": float(self._server.max_connections)},
            "pg_settings_usable_connections": {"": float(self._server.usable)},
        }

    async def _measure_redis(self) -> Values | None:
        try:
            info = await self._redis.info()
            depths = {key: await self._redis.llen(key) for key in (QUEUE, STUCK)}
        except RedisError:
            return None
        return {
            "redis_memory_used_bytes": {"": float(info["used_memory"])},
            "redis_memory_max_bytes": {"": float(info["maxmemory"])},
            "redis_keyspace_hits_total": {"": float(info["keyspace_hits"])},
            "redis_keyspace_misses_total": {"": float(info["keyspace_misses"])},
            "redis_connected_clients": {"": float(info["connected_clients"])},
            "queue_depth": {f"queue={key}": float(depth) for key, depth in depths.items()},
        }
