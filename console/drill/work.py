"""The real statements and cache commands of each service."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import redis.asyncio

from console.drill.pool import Connection
from console.drill.redis import CATALOG_KEYS, SESSIONS
from console.drill.shop import PodView

Call = Coroutine[Any, Any, None]
Query = Callable[[Connection, int], Awaitable[None]]
Reader = Callable[["redis.asyncio.Redis", PodView, random.Random], Awaitable[tuple[int, int]]]

BATCH = 12
"""Cache reads that one call makes."""


async def place_order(connection: Connection, number: int) -> None:
    """Checkout: read a price, take one from stock, write the order."""
    async with connection.transaction():
        await connection.execute("SELECT price_cents FROM products WHERE id = %s", (number,))
        await connection.execute(
            "UPDATE stock SET available = available - 1 WHERE product_id = %s", (number,)
        )
        await connection.execute("INSERT INTO orders (user_id, product_id) VALUES (%s, %s)", (number, number))


async def log_in(connection: Connection, number: int) -> None:
    """Auth: find the user and note the login."""
    await connection.execute("UPDATE users SET last_login = now() WHERE id = %s", (number,))


async def read_product(connection: Connection, number: int) -> None:
    """Catalog: a product and what it sold lately."""
    await connection.execute("SELECT name, price_cents FROM products WHERE id = %s", (number,))
    await connection.execute("SELECT id, created_at FROM orders WHERE user_id = %s LIMIT 20", (number,))


async def reserve(connection: Connection, number: int) -> None:
    """Worker: restock one product."""
    await connection.execute("UPDATE stock SET available = available + 1 WHERE product_id = %s", (number,))


async def record_jobs(connection: Connection, count: int) -> None:
    """Worker: note a batch of finished jobs."""
    await connection.execute("INSERT INTO jobs (kind, done_at) VALUES (%s, now())", (f"batch of {count}",))


QUERIES: Mapping[str, Query] = {
    "checkout": place_order,
    "auth-service": log_in,
    "catalog": read_product,
    "worker": reserve,
}


async def read_catalog(client: redis.asyncio.Redis, pod: PodView, rng: random.Random) -> tuple[int, int]:
    """Catalog: read products, fill in what was missing. Returns reads and misses."""
    keys = [f"cache:product:{rng.randrange(1, CATALOG_KEYS + 1)}" for _ in range(BATCH)]
    found = await client.mget(keys)
    missing = [key for key, value in zip(keys, found, strict=True) if value is None]
    lifetime = int(pod.env.get("CACHE_TTL_SECONDS", "30"))
    if missing and lifetime > 0:
        async with client.pipeline(transaction=False) as pipe:
            for key in missing:
                pipe.set(key, f'{{"id": "{key}"}}', ex=lifetime)
            await pipe.execute()
    return len(keys), len(missing)


async def read_sessions(client: redis.asyncio.Redis, _: PodView, rng: random.Random) -> tuple[int, int]:
    """Auth: read sessions. Returns reads and misses; a lost session is a user who has to log in again."""
    keys = [f"session:{rng.randrange(1, SESSIONS + 1):06d}" for _ in range(BATCH)]
    found = await client.mget(keys)
    return len(keys), sum(value is None for value in found)


READERS: Mapping[str, Reader] = {"catalog": read_catalog, "auth-service": read_sessions}
