"""What people do in a drill, as tests do it: the same API calls, statements and commands as a console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import psycopg
import redis.asyncio

from console.drill import manifests
from console.drill.postgres import APP_ROLE
from console.drill.shop import BY_NAME, NAMESPACE
from console.drill.world import World

Move = Callable[[World], Awaitable[None]]


def restart(name: str) -> Move:
    async def do(world: World) -> None:
        at = world.simulation.clock.now().isoformat()
        world.simulation.cluster.patch("Deployment", name, manifests.restart(at, "restart"), NAMESPACE)

    return do


def release(name: str, version: str, **env: str) -> Move:
    async def do(world: World) -> None:
        change = manifests.release(BY_NAME[name], version, "a person", env)
        world.simulation.cluster.patch("Deployment", name, change, NAMESPACE)

    return do


def set_env(name: str, **env: str) -> Move:
    return release(name, BY_NAME[name].version, **env)


def scale(name: str, replicas: int) -> Move:
    async def do(world: World) -> None:
        world.simulation.cluster.scale("Deployment", name, replicas, NAMESPACE)

    return do


def undo(name: str) -> Move:
    """The blind ``kubectl rollout undo``: the template of the revision before the present one."""

    async def do(world: World) -> None:
        cluster = world.simulation.cluster
        owned = cluster.list("ReplicaSet", NAMESPACE, f"app={name}")
        number = "deployment.kubernetes.io/revision"
        owned.sort(key=lambda one: int(one["metadata"]["annotations"][number]))
        template = owned[-2]["spec"]["template"]
        template["metadata"]["labels"].pop("pod-template-hash")
        change = [{"op": "replace", "path": "/spec/template", "value": template}]
        cluster.patch("Deployment", name, change, NAMESPACE)

    return do


def memory_limit(name: str, limit: str) -> Move:
    async def do(world: World) -> None:
        container = {"name": name, "resources": {"limits": {"memory": limit}}}
        change = {"spec": {"template": {"spec": {"containers": [container]}}}}
        world.simulation.cluster.patch("Deployment", name, change, NAMESPACE)

    return do


async def terminate_idle(world: World) -> None:
    """What many runbooks say: end the idle sessions of the application."""
    await _signal(world, f"state = 'idle' AND usename = '{APP_ROLE}'")


async def terminate_blocker(world: World) -> None:
    await _signal(world, "state = 'idle in transaction' AND application_name = 'psql'")


async def _signal(world: World, which: str) -> None:
    statement = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {which}"
    dsn = world.postgres.dsn("postgres")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        row = await (await connection.execute(statement)).fetchone()
        assert row and row[0] >= 1


def rename_key(key: str, to: str) -> Move:
    async def do(world: World) -> None:
        async with redis.asyncio.Redis.from_url(world.redis.url) as client:
            await client.rename(key, to)

    return do


def delete_prefix(prefix: str) -> Move:
    async def do(world: World) -> None:
        async with redis.asyncio.Redis.from_url(world.redis.url) as client:
            keys = [key async for key in client.scan_iter(f"{prefix}*", count=1000)]
            assert keys
            await client.unlink(*keys)

    return do


async def ask(world: World, expression: str) -> float | None:
    """One number from the world's Prometheus endpoint, None for an empty answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{world.prometheus_url}/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, answer.text
    result = answer.json()["data"]["result"]
    return float(result[0]["value"][1]) if result else None


async def firing(world: World) -> set[tuple[str, str]]:
    """Name and job of the active alerts, from the world's Alertmanager."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{world.alertmanager_url}/api/v2/alerts")
    return {(one["labels"]["alertname"], one["labels"].get("job", "")) for one in answer.json()}
