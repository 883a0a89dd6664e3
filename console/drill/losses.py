"""What is thrown away in Redis while a drill runs: sessions, and queued jobs that nobody has done.

A flush makes room and a deleted queue is short, so both look like cures; the score names their price.
"""

from __future__ import annotations

import redis.asyncio
from redis.exceptions import RedisError

from console.drill.redis import Redis
from console.model.symptoms.words import plural

IN_HAND = 200
"""Jobs that the workers may hold in their hands at a look."""


class Losses:
    """``sessions`` and ``jobs`` are what was lost so far. A renamed list is not lost."""

    def __init__(self, cache: Redis) -> None:
        self._client = redis.asyncio.Redis.from_url(
            cache.url, socket_timeout=1.5, socket_connect_timeout=1.5, decode_responses=True
        )
        self._before: tuple[int, int, int] | None = None
        self.sessions = self.jobs = 0

    async def look(self, done: int) -> None:
        """Compare with the look before; ``done`` is how many jobs the workers have done so far."""
        try:
            sessions, jobs = await self._count()
        except RedisError:
            return
        if self._before is not None:
            had_sessions, had_jobs, had_done = self._before
            fewer_sessions, fewer_jobs = had_sessions - sessions, had_jobs - jobs - (done - had_done)
            self.sessions += max(0, fewer_sessions)
            self.jobs += fewer_jobs if fewer_jobs > IN_HAND else 0
        self._before = sessions, jobs, done

    def words(self) -> tuple[str, ...]:
        """What was lost, for the score."""
        named = ((self.sessions, "session"), (self.jobs, "queued job"))
        return tuple(plural(number, name) for number, name in named if number)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _count(self) -> tuple[int, int]:
        """Sessions, and jobs in lists. Types are asked for sparingly: Redis counts those as hits."""
        names = [name async for name in self._client.scan_iter(count=1000)]
        others = [name for name in names if not name.startswith(("session:", "cache:"))]
        lists = [name for name in others if await self._client.type(name) == "list"]
        jobs = sum([await self._client.llen(name) for name in lists])
        return sum(name.startswith("session:") for name in names), jobs
