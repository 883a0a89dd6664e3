"""A source on a server, read by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from console.config import PostgresSettings
from console.model.clock import ManualClock
from console.model.postgres import PostgresSnapshot
from console.model.strict import convert
from console.sources.base import SourceError
from console.sources.postgres import PostgresSource

T = TypeVar("T")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def reading(dsn: str, clock: ManualClock | None = None) -> AsyncIterator[PostgresSource]:
    """A source that is closed afterwards."""
    settings = convert({"dsn": dsn}, PostgresSettings)
    source = PostgresSource("postgres:main", settings, clock or ManualClock(START), random.Random(1))
    try:
        yield source
    finally:
        await source.close()


def read_once(dsn: str) -> PostgresSnapshot:
    """One round on a new connection."""

    async def once() -> PostgresSnapshot:
        async with reading(dsn) as source:
            return await source.read()

    return asyncio.run(once())


def failure(dsn: str) -> SourceError:
    """The error of one round that has to fail."""
    try:
        read_once(dsn)
    except SourceError as error:
        return error
    raise AssertionError("the read succeeded")


async def read_until(
    source: PostgresSource, check: Callable[[PostgresSnapshot], object], patience: float = 20
) -> PostgresSnapshot:
    """Read until ``check`` holds for the snapshot."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        snapshot = await source.read()
        if check(snapshot):
            return snapshot
        assert asyncio.get_running_loop().time() < deadline, snapshot
        await asyncio.sleep(0.02)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine."""
    return asyncio.run(coroutine)
