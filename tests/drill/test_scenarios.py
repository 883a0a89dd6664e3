"""Cause and effect of every scenario, measured over the endpoints that a console reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import psycopg
import pytest

from console.drill.postgres import APP_ROLE
from console.drill.redis import QUEUE
from console.drill.scenarios import SCENARIOS
from console.drill.shop import NAMESPACE
from console.drill.world import World
from tests.drill import moves
from tests.drill.moves import Move, ask, firing

WINDOW = 12


def ratio(job: str) -> str:
    errors = f'sum(rate(http_requests_total{{job="{job}",status=~"5.."}}[{WINDOW}s]))'
    total = f'sum(rate(http_requests_total{{job="{job}"}}[{WINDOW}s]))'
    return f"({errors} or 0 * {total}) / {total}"


def p95(job: str) -> str:
    buckets = f'sum by (le) (rate(http_request_duration_seconds_bucket{{job="{job}"}}[{WINDOW}s]))'
    return f"histogram_quantile(0.95, {buckets})"


DEPTH = f'queue_depth{{queue="{QUEUE}"}}'


class Course(NamedTuple):
    """A scenario: what is measured, above what it is sick and below what well, wrong and right moves."""

    name: str
    signal: str
    sick: float
    well: float
    wrong: Move
    right: Move
    alert: tuple[str, str]
    most: float = 1.0


COURSES = [
    Course(
        "bad-release",
        ratio("checkout"),
        0.06,
        0.02,
        moves.restart("checkout"),
        moves.release("checkout", "v41"),
        ("HighErrorRatio", "checkout"),
        0.22,
    ),
    Course(
        "connections-exhausted",
        ratio("checkout"),
        0.5,
        0.05,
        moves.terminate_idle,
        moves.terminate_blocker,
        ("DatabaseConnectionsHigh", ""),
    ),
    Course(
        "error-spike",
        ratio("auth-service"),
        0.15,
        0.02,
        moves.restart("auth-service"),
        moves.set_env("auth-service", TOKEN_TTL="3600"),
        ("HighErrorRatio", "auth-service"),
    ),
    Course(
        "latency",
        p95("catalog"),
        0.3,
        0.2,
        moves.restart("catalog"),
        moves.scale("catalog", 7),
        ("HighLatency", "catalog"),
        10.0,
    ),
    Course(
        "outage",
        '1 - up{job="storefront"}',
        0.9,
        0.1,
        moves.restart("storefront"),
        moves.release("storefront", "v87"),
        ("ServiceDown", "storefront"),
    ),
    Course(
        "dependency-down",
        ratio("checkout"),
        0.6,
        0.02,
        moves.restart("checkout"),
        moves.set_env("checkout", PAYMENTS_MODE="deferred"),
        ("HighErrorRatio", "checkout"),
    ),
    Course(
        "queue-backup",
        DEPTH,
        300,
        100,
        moves.restart("worker"),
        moves.scale("worker", 12),
        ("QueueBackup", "redis"),
        10_000,
    ),
    Course(
        "pipeline-failure",
        DEPTH,
        300,
        100,
        moves.scale("worker", 5),
        moves.rename_key(QUEUE, "quarantine:queue"),
        ("QueueBackup", "redis"),
        10_000,
    ),
    Course(
        "cache-stampede",
        ratio("catalog"),
        0.04,
        0.02,
        moves.restart("catalog"),
        moves.delete_prefix("cache:recommendations:"),
        ("CacheMisses", "redis"),
    ),
]


def play(scenario: str, story: Callable[[World], Awaitable[None]], *, speed: float = 5) -> None:
    async def run() -> None:
        async with World(SCENARIOS[scenario], seed=4, speed=speed, pace=0.03) as world:
            await story(world)

    asyncio.run(run())


def cured(world: World) -> bool:
    return world.course.cured_at is not None


async def until(
    world: World, expression: str, *, above: float | None = None, below: float | None = None
) -> float:
    """Let the drill go on until a signal is where it should be; fails after 60 of its seconds."""
    for _ in range(30):
        await world.pass_time(2)
        value = await ask(world, expression)
        if value is not None and (above is None or value > above) and (below is None or value < below):
            return value
    raise AssertionError(f"{expression} is {value}, wanted above {above}, below {below}")


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_only_the_right_move_ends_it(course: Course) -> None:
    async def story(world: World) -> None:
        await world.pass_time(4)
        quiet = await ask(world, course.signal)
        assert quiet is not None
        assert quiet < course.well
        assert course.alert not in await firing(world)

        await world.break_it()
        value = await until(world, course.signal, above=course.sick)
        assert value <= course.most
        for _ in range(30):
            await world.pass_time(2)
            if course.alert in await firing(world):
                break
        assert course.alert in await firing(world)

        await course.wrong(world)
        await world.pass_time(WINDOW)
        await until(world, course.signal, above=course.sick)
        assert not cured(world)

        await course.right(world)
        await until(world, course.signal, below=course.well)
        assert cured(world)
        for _ in range(30):
            await world.pass_time(2)
            if world.course.recovered_at is not None and course.alert not in await firing(world):
                return
        raise AssertionError(f"recovered at {world.course.recovered_at}, firing {await firing(world)}")

    play(course.name, story)


def test_a_healthy_shop_stays_healthy() -> None:
    async def story(world: World) -> None:
        await world.pass_time(30)
        for job in ("storefront", "checkout", "auth-service", "catalog"):
            value = await ask(world, ratio(job))
            assert value is not None
            assert value < 0.02
        assert await firing(world) == set()

    play("healthy", story)


def test_the_later_revisions_of_a_bad_release_make_a_blind_undo_useless() -> None:
    async def story(world: World) -> None:
        await world.break_it()
        await world.pass_time(25)
        history = world.simulation.cluster.list("ReplicaSet", NAMESPACE, "app=checkout")
        images: dict[int, str] = {}
        for one in history:
            number = int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
            images[number] = one["spec"]["template"]["spec"]["containers"][0]["image"].partition(":")[2]
        newest = sorted(images, reverse=True)
        assert [images[number] for number in newest[:4]] == ["v42", "v42", "v42", "v41"]

        await moves.undo("checkout")(world)
        await world.pass_time(WINDOW)
        await until(world, ratio("checkout"), above=0.06)
        assert not cured(world)

    play("bad-release", story)


def test_a_leak_ends_in_oomkilled_and_a_restart_helps_only_for_a_while() -> None:
    restarts = 'sum(kube_pod_container_status_restarts_total{container="catalog"})'

    async def story(world: World) -> None:
        await world.pass_time(4)
        await world.break_it()
        await until(world, restarts, above=0)
        reasons = [
            (status.get("lastState") or {}).get("terminated", {}).get("reason")
            for pod in world.simulation.cluster.list("pods", NAMESPACE, "app=catalog")
            for status in pod["status"]["containerStatuses"]
            if status["name"] == "catalog"
        ]
        assert "OOMKilled" in reasons
        shipper = 'max(container_memory_working_set_bytes{container="log-shipper"})'
        assert (await ask(world, shipper) or 0) < 64 * 2**20

        await moves.restart("catalog")(world)
        await world.pass_time(7)
        memory = 'max(container_memory_working_set_bytes{container="catalog"}) / 2^20'
        assert (await ask(world, memory) or 0) < 192
        await until(world, restarts, above=0)
        assert not cured(world)

        await moves.memory_limit("catalog", "512Mi")(world)
        await world.pass_time(40)
        assert await ask(world, restarts) == 0
        assert await until(world, memory, above=300) < 448
        assert await until(world, ratio("catalog"), below=0.02) < 0.02
        assert cured(world)

    play("memory-leak", story)


def test_a_full_database_refuses_the_application_but_not_an_open_monitor() -> None:
    async def story(world: World) -> None:
        monitor = await psycopg.AsyncConnection.connect(world.info.postgres_dsn, autocommit=True)
        async with monitor:
            await world.break_it()
            await world.pass_time(20)
            query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
            row = await (await monitor.execute(query, (APP_ROLE,))).fetchone()
            assert row
            assert row[0] >= world.postgres.usable - 3
            with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
                for _ in range(20):
                    # A slot may be free for a moment between two attempts of the pools.
                    await (await psycopg.AsyncConnection.connect(world.postgres.dsn(APP_ROLE))).execute(
                        "SELECT 1"
                    )
            blockers = await monitor.execute(
                "SELECT DISTINCT blocker.application_name, blocker.state FROM pg_stat_activity waiting,"
                " unnest(pg_blocking_pids(waiting.pid)) AS root, pg_stat_activity blocker"
                " WHERE blocker.pid = root AND cardinality(pg_blocking_pids(root)) = 0"
            )
            assert await blockers.fetchall() == [("psql", "idle in transaction")]

            await moves.terminate_blocker(world)
            await world.pass_time(20)
            waiting = await monitor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
            assert await waiting.fetchone() == (0,)

    play("connections-exhausted", story)


def test_a_pod_more_is_a_pool_more() -> None:
    async def story(world: World) -> None:
        await world.pass_time(3)
        before = await ask(world, "sum(pg_stat_activity_count)")
        await moves.scale("checkout", 7)(world)
        await world.pass_time(8)
        after = await ask(world, "sum(pg_stat_activity_count)")
        assert before is not None
        assert after is not None
        # Three pods with two connections each; a pool may have grown by one meanwhile.
        assert after - before >= 6

    play("healthy", story)


def test_the_console_sees_a_past() -> None:
    async def story(world: World) -> None:
        await world.pass_time(2)
        value = await ask(
            world, 'count_over_time(sum_requests[10m]) or count_over_time(up{job="checkout"}[10m])'
        )
        assert value is not None
        assert value >= 110

    play("healthy", story)
