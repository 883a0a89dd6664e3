"""An import fills Redis to its limit: nothing can be cached any more, every read goes to the database."""

from __future__ import annotations

import contextlib

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from console.drill.redis import CATALOG_KEYS
from console.drill.scenario import Scenario

PREFIX = "cache:recommendations:"
ROOM = 2 * 2**20
"""Bytes that the import finds free."""
STEPS_WITH_ROOM = 4
"""Steps in a row in which Redis takes all that the import writes, until it counts as not full."""


class CacheStampede(Scenario):
    """Redis refuses writes (noeviction), product entries expire, catalog reads past its cache and fails."""

    name = "cache-stampede"
    summary = "An import of recommendations fills Redis; product entries expire and cannot be written again."
    cure = (
        "Delete the keys cache:recommendations:*, or give Redis more memory; a flush would lose sessions and"
        " queued jobs as well."
    )
    service = "catalog"
    right = ("redis.delete-prefix",)

    _client: redis.asyncio.Redis | None = None
    _full = True
    _roomy = 0
    _written = 0

    async def setup(self) -> None:
        """Connect before it is too late."""
        self._client = redis.asyncio.Redis.from_url(self.cache.url, socket_timeout=1.5)

    async def begin(self) -> None:
        """Fill the memory, and let product entries run out sooner at greater speeds."""
        client = self._client
        assert client
        used = int((await client.info("memory"))["used_memory"])
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", used + ROOM)
        with contextlib.suppress(ResponseError):
            for number in range(ROOM // 4096 * 2):
                await client.set(f"{PREFIX}{number}", "x" * 4096)
        await self._fill_up()
        for number in range(1, CATALOG_KEYS + 1):
            seconds = self.rng.uniform(1, 40) / self.world.speed * self.world.pace
            await client.pexpire(f"cache:product:{number}", round(seconds * 1000) + 1)

    async def step(self, _: float) -> None:
        """Take whatever room expired entries leave, while the import is there; look whether it is."""
        client = self._client
        assert client
        with contextlib.suppress(RedisError):
            importing = bool(await client.exists(f"{PREFIX}0"))
            # Expired entries may leave room for a moment; it is not full when there is room for some time.
            self._roomy = 0 if importing and await self._fill_up() else self._roomy + 1
            self._full = importing and self._roomy < STEPS_WITH_ROOM

    async def end(self) -> None:
        """Close the connection."""
        if self._client:
            await self._client.aclose()

    def present(self) -> bool:
        """Whether the import still takes all the room: not once it is deleted, or Redis has or makes more."""
        return self._full

    async def _fill_up(self) -> bool:
        """Let the import go on, in small entries, until Redis refuses; tells whether it did."""
        assert self._client
        try:
            for _ in range(500):
                await self._client.set(f"{PREFIX}similar:{self._written}", "x" * 64)
                self._written += 1
        except ResponseError:
            return True
        return False
