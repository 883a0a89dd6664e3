"""Broken jobs at the head of the queue: workers fail on them, put them back, and take them again."""

from __future__ import annotations

import contextlib
from typing import cast

import redis.asyncio
from redis.exceptions import RedisError

from console.drill.redis import QUEUE
from console.drill.scenario import Scenario
from console.drill.shop import PodView

BROKEN = b"catalog-export:broken:"
COUNT = 400
DEEP = 100


class PipelineFailure(Scenario):
    """Nothing behind the broken batch is done until it is taken out of the way."""

    name = "pipeline-failure"
    summary = (
        "A batch of broken export jobs blocks the head of the queue; the workers do nothing else any more."
    )
    cure = (
        "Rename the queue's key, for instance to quarantine:default; new jobs then flow. A restart or more"
        " workers change nothing, and deleting it loses orders' confirmations."
    )
    service = "worker"
    right = ("redis.quarantine-key", "redis.delete-prefix")

    _client: redis.asyncio.Redis | None = None
    _blocked = True

    async def setup(self) -> None:
        """Know which jobs no worker can do."""
        self._client = redis.asyncio.Redis.from_url(self.cache.url, socket_timeout=1.5)
        if self.world.apps:
            self.world.apps.consume = self._can_do

    async def begin(self) -> None:
        """The exporter writes a batch that nobody can read."""
        assert self._client
        await self._client.rpush(QUEUE, *(BROKEN + str(number).encode() for number in range(COUNT)))

    async def step(self, _: float) -> None:
        """Look whether they are still at the head."""
        assert self._client
        with contextlib.suppress(RedisError):
            # What workers hold in their hands at this moment is back within a second.
            head = cast(list[bytes], await self._client.lrange(QUEUE, -COUNT, -1))
            self._blocked = any(job.startswith(BROKEN) for job in head)

    async def end(self) -> None:
        """Close the connection."""
        if self._client:
            await self._client.aclose()

    def present(self) -> bool:
        """Whether broken jobs are still in the queue."""
        return self._blocked

    def recovered(self) -> bool:
        """Whether the queue is short and free of them."""
        depth = self.world.queue_depth(QUEUE)
        return not self._blocked and depth is not None and depth < DEEP

    def _can_do(self, pod: PodView, job: bytes) -> bool:
        if not job.startswith(BROKEN):
            return True
        self.world.complain(
            pod, "error", f"export: cannot parse {job.decode()}: unexpected end of input; put back"
        )
        return False
