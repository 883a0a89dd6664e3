"""A Redis source on a server, read by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from console.config import RedisSettings
from console.model.clock import ManualClock
from console.model.redis import RedisSnapshot
from console.model.strict import convert
from console.sources.base import SourceError
from console.sources.redis import RedisSource

T = TypeVar("T")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def reading(url: str, *queues: str, clock: ManualClock | None = None) -> AsyncIterator[RedisSource]:
    """A source that is closed afterwards."""
    settings = convert({"url": url, "queues": queues}, RedisSettings)
    source = RedisSource("redis:main", settings, clock or ManualClock(START), random.Random(1))
    try:
        yield source
    finally:
        await source.close()


def read_once(url: str, *queues: str) -> RedisSnapshot:
    """One round on a new connection."""

    async def once() -> RedisSnapshot:
        async with reading(url, *queues) as source:
            return await source.read()

    return asyncio.run(once())


async def error_of(source: RedisSource) -> SourceError:
    """The error of a round that has to fail."""
    try:
        found = await source.read()
    except SourceError as error:
        return error
    raise AssertionError(found)


def failure(url: str) -> SourceError:
    """The error of one round on a new connection."""

    async def once() -> SourceError:
        async with reading(url) as source:
            return await error_of(source)

    return asyncio.run(once())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine."""
    return asyncio.run(coroutine)
