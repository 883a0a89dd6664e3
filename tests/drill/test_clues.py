"""What leads a player to the cause and what a wrong way out costs: logs, checks, settings, losses."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import httpx
import redis.asyncio

from console.drill.redis import QUEUE, SESSIONS
from console.drill.world import World
from tests.drill import moves
from tests.drill.test_scenarios import cured, play


def written(world: World, workload: str) -> str:
    """All that the pods of a workload wrote so far."""
    return "\n".join(
        line.decode()
        for pod in world.simulation.pods
        if pod.workload == workload
        for _, line in world.simulation.logs.between(pod.uid, 0, world.simulation.seconds())
    )


def test_a_failing_dependency_and_the_way_without_it_stand_in_the_log_and_the_template() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(6)
        told = written(world, "checkout")
        assert "status=502" in told
        way = (
            "payments failed the call; PAYMENTS_MODE=immediate waits for it, PAYMENTS_MODE=deferred would not"
        )
        assert way in told
        assert "checkout failed the call" in written(world, "storefront")
        (container, *_) = world.scenario.containers("checkout")
        assert {"name": "PAYMENTS_MODE", "value": "immediate"} in container["env"]

        await moves.set_env("checkout", PAYMENTS_MODE="deferred")(world)
        await world.pass_time(10)
        now = world.simulation.seconds()
        late = [
            line
            for pod in world.simulation.pods
            if pod.workload == "checkout"
            for _, line in world.simulation.logs.between(pod.uid, now - 3, now)
        ]
        assert late
        assert not any(b"payments" in line for line in late)

    play("dependency-down", story)


def test_workers_tell_what_they_take_and_what_they_put_back() -> None:
    async def story(world: World) -> None:
        await world.pass_time(4)
        assert f" of {QUEUE}, 0 left" in written(world, "worker")
        assert "put back" not in written(world, "worker")
        await world.break_it()
        await world.pass_time(6)
        told = written(world, "worker")
        assert "cannot parse catalog-export:broken:" in told
        assert "unexpected end of input; put back" in told
        assert f"took 7 jobs of {QUEUE}, " in told

    play("pipeline-failure", story)


def test_a_check_begins_with_what_fails() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(8)
        address = check_of(world, "catalog")
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(address)
        assert answer.status_code == 503
        assert answer.text.startswith('{"failing":["cache"],"status":"degraded"')

    play("cache-stampede", story)


def check_of(world: World, name: str) -> str:
    """The address of a health check in the configuration that the drill wrote."""
    checks: list[dict[str, Any]] = tomllib.loads(Path(world.info.config).read_text())["http"]
    return next(str(check["url"]) for check in checks if check["name"] == name)


def test_more_memory_is_a_cure_of_the_stampede_too() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(5)
        assert not cured(world)
        async with redis.asyncio.Redis.from_url(world.redis.url) as client:
            await client.config_set("maxmemory", 64 * 2**20)
        for _ in range(20):
            await world.pass_time(2)
            if world.course.recovered_at is not None:
                break
        assert cured(world)
        assert world.course.recovered_at is not None
        assert world.losses.words() == ()

    play("cache-stampede", story)


def test_a_flush_ends_the_stampede_and_its_price_is_told() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(8)
        async with redis.asyncio.Redis.from_url(world.redis.url) as client:
            await client.flushall()
        await world.pass_time(6)
        assert cured(world)
        assert world.losses.words() == (f"{SESSIONS} sessions",)

    play("cache-stampede", story)


def test_deleting_the_queue_costs_its_jobs_and_moving_it_does_not() -> None:
    async def move(world: World) -> None:
        await world.break_it()
        await world.pass_time(8)
        await moves.rename_key(QUEUE, "quarantine:default")(world)
        await world.pass_time(8)
        assert cured(world)
        assert world.losses.words() == ()

    async def delete(world: World) -> None:
        await world.break_it()
        await world.pass_time(8)
        async with redis.asyncio.Redis.from_url(world.redis.url) as client:
            assert await client.delete(QUEUE) == 1
        await world.pass_time(8)
        assert cured(world)
        assert world.losses.jobs >= 400
        assert world.losses.words() == (f"{world.losses.jobs} queued jobs",)

    play("pipeline-failure", move)
    play("pipeline-failure", delete)


def test_work_that_is_done_is_not_lost() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(3)
        await moves.scale("worker", 12)(world)
        await world.pass_time(25)
        assert cured(world)
        assert world.simulation.queue_depth(QUEUE) is not None
        assert world.losses.words() == ()

    play("queue-backup", story)
