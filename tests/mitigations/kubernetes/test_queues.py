"""A worker judged by the queue that it empties."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.engine.board import Board
from console.mitigations.kubernetes.figures import Before
from console.mitigations.kubernetes.judge import measure, settle
from console.mitigations.kubernetes.queues import queue_of
from console.model.clock import ManualClock
from console.model.reading import NO_DATA, Reading, State
from console.model.redis import Queue
from tests.mitigations.kubernetes.test_judge import world_of
from tests.model.board import cluster, redis, workload

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def publish(board: Board, at: float, kind: str = "list", **depths: float | None) -> None:
    queues = tuple(
        Queue(
            key.replace("_", ":"),
            kind if depth is not None else "none",
            NO_DATA if depth is None else Reading(State.OK, depth),
        )
        for key, depth in depths.items()
    )
    board.publish("redis:main", redis(at, queues=queues))


@pytest.mark.parametrize(
    ("name", "kind", "depths", "found"),
    [
        ("worker", "list", {"shop_queue": 900.0, "stuck": None}, "redis:main/shop:queue"),
        ("worker", "list", {"shop_queue": 900.0, "small": 12.0}, "redis:main/shop:queue"),
        ("mail-worker", "list", {"mail": 900.0, "orders": 2000.0}, "redis:main/mail"),
        ("worker", "list", {"mail": 900.0, "orders": 2000.0}, None),
        ("checkout", "list", {"mail": 900.0}, None),
        ("worker", "stream", {"mail": 900.0}, None),
        ("worker", "list", {}, None),
    ],
)
def test_the_queue_of_a_worker_is_known_only_when_it_can_be_no_other(
    name: str, kind: str, depths: dict[str, float | None], found: str | None, tmp_path: Path
) -> None:
    clock, board = ManualClock(NOON), Board()
    publish(board, 1.0, kind, **depths)

    queue = queue_of(world_of(clock, board, tmp_path), name)

    assert (queue and queue[0]) == found
    before = measure(world_of(clock, board, tmp_path), "deployment", name, 2, 2)
    assert before.queue == (found or "")


@pytest.mark.parametrize(
    ("name", "found"), [("worker", None), ("mail-worker", "redis:main/mail"), ("billing-worker", None)]
)
def test_beside_other_workers_the_queue_has_to_bear_the_name(
    name: str, found: str | None, tmp_path: Path
) -> None:
    clock, board = ManualClock(NOON), Board()
    publish(board, 1.0, mail=900.0)
    world = world_of(clock, board, tmp_path)
    workers = [workload(name) for name in ("worker", "mail-worker", "billing-worker")]
    board.publish(world.source, cluster(*workers))

    queue = queue_of(world, name)

    assert (queue and queue[0]) == found


@pytest.mark.parametrize(
    ("ready", "after", "verdict", "said"),
    [
        (5000.0, 3000.0, "helped", "depth of queue mail 4,000 before, 5,000 when the pods were ready, 3,000"),
        (4000.0, 3900.0, "no_change", "Still too high: depth of queue mail."),
        (5000.0, 4500.0, "no_change", "4,500 after"),
        (5000.0, 7000.0, "worse", "7,000 after"),
        (5000.0, None, "inconclusive", "depth of queue mail cannot be compared: it is not read any more"),
    ],
)
def test_a_worker_is_judged_by_its_queue(
    ready: float, after: float | None, verdict: str, said: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(NOON), Board()
        world = world_of(clock, board, tmp_path)
        before = Before(available=2, desired=2, queue="redis:main/mail", depth=4000.0)
        publish(board, world.now, mail=ready)
        task = asyncio.create_task(settle(world, "deployment", "mail-worker", before, 4, 4))
        await turns()
        publish(board, world.now + 59, mail=1.0)
        await turns()
        assert not task.done()
        if after is None:
            publish(board, world.now + 61)
            await turns()
            clock.advance(world.timing.settle)
        else:
            publish(board, world.now + 61, mail=after)
        found = await task
        assert found.status == verdict
        assert said in found.detail

    async def turns() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_queue_that_is_not_read_any_more_is_no_verdict(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(NOON), Board()
        world = world_of(clock, board, tmp_path)
        publish(board, world.now, mail=10.0)
        before = Before(available=2, desired=2, queue="redis:main/mail", depth=4000.0)
        task = asyncio.create_task(settle(world, "deployment", "mail-worker", before, 4, 4))
        await asyncio.sleep(0)
        clock.advance(world.timing.settle)
        found = await task
        assert found.status == "inconclusive"
        assert "was not read after the change in time" in found.detail

    asyncio.run(scenario())
