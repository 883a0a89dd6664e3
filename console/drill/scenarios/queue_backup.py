"""An import makes more jobs than the workers take."""

from __future__ import annotations

import contextlib

import redis.asyncio
from redis.exceptions import RedisError

from console.drill.redis import QUEUE, STUCK
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, of_workload

WORKER = BY_NAME["worker"]
ORDERS = BY_NAME["checkout"].rps
DEEP = 100


class QueueBackup(Scenario):
    """Jobs come faster than three workers do them; the queue grows until there are more."""

    name = "queue-backup"
    summary = (
        "An import adds jobs faster than three workers do them; the queue grows and confirmations are late."
    )
    cure = "Scale worker to six pods or more; deleting the queue would lose orders' confirmations."
    service = "worker"
    right = ("k8s.scale",)

    rate = 0
    _client: redis.asyncio.Redis | None = None

    async def setup(self) -> None:
        """Some jobs have been stuck for long; they are not the cause."""
        self._client = redis.asyncio.Redis.from_url(self.cache.url, socket_timeout=1.5)
        await self._client.rpush(STUCK, *(f"refund:{number}" for number in range(12)))

    async def begin(self) -> None:
        """Start the import with what it had prepared."""
        self.rate = self.rng.randrange(16, 19)
        await self._add(round(60 * min(self.world.speed, 5)))

    async def step(self, _: float) -> None:
        """Add a second's worth of jobs."""
        await self._add(self.rate)

    async def end(self) -> None:
        """Close the connection."""
        if self._client:
            await self._client.aclose()

    def present(self) -> bool:
        """Whether the ready workers still take fewer jobs than come in."""
        ready = [pod for pod in of_workload(self.world.pods, WORKER.name) if pod.ready]
        return len(ready) * WORKER.jobs < self.rate + ORDERS

    def recovered(self) -> bool:
        """Whether the queue is short again."""
        depth = self.world.queue_depth(QUEUE)
        return depth is not None and depth < DEEP

    async def _add(self, count: int) -> None:
        assert self._client
        with contextlib.suppress(RedisError):
            await self._client.lpush(QUEUE, *(f"import-row:{number}" for number in range(count)))
