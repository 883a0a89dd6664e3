import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from console.config import Config
from console.engine.board import Board
from console.mitigations.kubernetes.figures import Before
from console.mitigations.kubernetes.judge import measure, settle, variation
from console.mitigations.world import Timing, World
from console.model.clock import ManualClock
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.reading import NO_DATA, Point, Reading, State
from console.model.strict import convert


def service_with(*ratios: float | None) -> ServiceMetrics:
    """A service with that history, a point every 30 s."""
    points = tuple(Point(30.0 * number, value) for number, value in enumerate(ratios))
    return ServiceMetrics("shop", NO_DATA, NO_DATA, NO_DATA, NO_DATA, threshold=0.05, history=points)


def test_how_much_a_ratio_moves_is_measured_window_by_window_while_it_is_as_high() -> None:
    healthy, rise = (0.0,) * 20, (0.02, 0.05)
    steady = (0.09, 0.09, 0.10, 0.10, 0.09, 0.09, 0.10, 0.10)

    found = variation(service_with(*healthy, *rise, *steady), 0.10, window=60)
    assert found == pytest.approx(0.01)
    assert variation(service_with(*healthy, *rise, 0.09, None, 0.10), 0.10, window=60) is None
    assert variation(service_with(), 0.10, window=60) is None
    assert variation(service_with(*healthy), 0.0, window=60) is None


def world_of(clock: ManualClock, board: Board, folder: Path, window: int = 60) -> World:
    return World(
        clock=clock,
        config=convert({"prometheus": {"url": "http://127.0.0.1:9", "window": window}}, Config),
        board=board,
        source="kubernetes:prod",
        settings=None,
        evidence_dir=folder,
        timing=Timing(poll=0),
    )


def test_what_is_measured_before_says_how_much_it_moves(tmp_path: Path) -> None:
    clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
    service = service_with(*(0.09, 0.09, 0.10, 0.10) * 3)
    service = msgspec.structs.replace(
        service, error_ratio=Reading(State.OK, 0.10, 1.0), p95=Reading(State.OK, 3.0, 1.0)
    )
    board.publish("prometheus", PrometheusSnapshot(1.0, (service,)))

    found = measure(world_of(clock, board, tmp_path), "deployment", "shop", 2, 3)
    assert (found.service, found.ratio, found.available, found.desired) == ("shop", 0.10, 2, 3)
    assert found.noise == pytest.approx(0.01)
    assert found.p95 == 3.0


@pytest.mark.parametrize(
    ("before", "ratio", "verdict"),
    [
        (Before("shop", 0.0528, 4, 4), 0.0485, "inconclusive"),
        (Before("shop", 0.0528, 4, 4), 0.02, "helped"),
        (Before("shop", 0.042, 3, 4), 0.0, "helped"),
        (Before("shop", 0.042, 3, 4, rolling=True), 0.0443, "no_change"),
    ],
)
def test_a_whole_window_is_waited_for_whatever_the_first_samples_say(
    before: Before, ratio: float, verdict: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
        world = world_of(clock, board, tmp_path)

        def sample(after: float) -> None:
            at = clock.now().timestamp() + after
            value = Reading(State.OK, ratio, at)
            service = ServiceMetrics("shop", value, NO_DATA, NO_DATA, NO_DATA, threshold=0.05)
            board.publish("prometheus", PrometheusSnapshot(at, (service,)))

        sample(after=59)
        task = asyncio.create_task(settle(world, "deployment", "shop", before, 4, 4))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        sample(after=61)
        assert (await task).status == verdict

    asyncio.run(scenario())


@pytest.mark.parametrize(("slow", "verdict"), [(0.2, "helped"), (2.9, "no_change"), (None, "inconclusive")])
def test_the_p95_of_a_whole_window_is_waited_for_too(
    slow: float | None, verdict: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
        world = world_of(clock, board, tmp_path)

        def sample(after: float, latency_after: float) -> None:
            at = clock.now().timestamp()
            ratio = Reading(State.OK, 0.001, at + after)
            latency = Reading(State.OK if slow is not None else State.NO_DATA, slow, at + latency_after)
            service = ServiceMetrics(
                "shop", ratio, NO_DATA, latency, NO_DATA, threshold=0.05, p95_threshold=0.5
            )
            board.publish("prometheus", PrometheusSnapshot(at, (service,)))

        async def turns() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        sample(5, 5)
        before = Before("shop", 0.001, 4, 4, p95=3.0)
        task = asyncio.create_task(settle(world, "deployment", "shop", before, 4, 4))
        await turns()
        assert not task.done()
        sample(61, 59)
        await turns()
        assert not task.done()
        sample(61, 61)
        await turns()
        if slow is None:
            assert not task.done()
            clock.advance(world.timing.settle)
            sample(0, 0)
        found = await task
        assert found.status == verdict
        assert "p95 of shop" in found.detail

    asyncio.run(scenario())


def test_a_long_window_is_waited_for_as_much_longer(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
        world = world_of(clock, board, tmp_path, window=300)

        def sample(value: float) -> None:
            at = clock.now().timestamp()
            service = ServiceMetrics("shop", Reading(State.OK, value, at), NO_DATA, NO_DATA, NO_DATA, 0.05)
            board.publish("prometheus", PrometheusSnapshot(at, (service,)))

        sample(0.2)
        task = asyncio.create_task(settle(world, "deployment", "shop", Before("shop", 0.2, 4, 4), 4, 4))
        for seconds in (world.timing.settle, 300 - world.timing.settle + 1):
            for _ in range(20):
                await asyncio.sleep(0)
            assert not task.done()
            clock.advance(seconds)
            sample(0.001)
        assert (await task).status == "helped"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("was", "now", "verdict"),
    [(0, 4, "helped"), (2, 1, "worse"), (4, 4, "inconclusive"), (1, 2, "inconclusive")],
)
def test_of_a_service_without_a_ratio_of_before_the_pods_tell(
    tmp_path: Path, was: int, now: int, verdict: str
) -> None:
    world = world_of(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)), Board(), tmp_path)
    found = asyncio.run(settle(world, "deployment", "shop", Before("shop", None, was, 4), now, 4))
    assert found.status == verdict
    assert "error ratio of shop cannot be compared: no usable value before." in found.detail


@pytest.mark.parametrize(
    ("was", "now", "verdict"),
    [((3, 3), (8, 8), "inconclusive"), ((1, 3), (3, 3), "helped"), ((1, 3), (1, 3), "no_change")],
)
def test_pods_that_were_well_before_cannot_tell_whether_it_helped(
    tmp_path: Path, was: tuple[int, int], now: tuple[int, int], verdict: str
) -> None:
    world = world_of(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)), Board(), tmp_path)
    before = Before(available=was[0], desired=was[1])
    found = asyncio.run(settle(world, "deployment", "worker", before, *now))
    assert found.status == verdict
    assert found.detail.endswith("No service metric is related to it.")
    assert ("cannot tell" in found.detail) is (verdict == "inconclusive")


def test_pods_that_a_rollout_was_about_to_start_cannot_tell_either(tmp_path: Path) -> None:
    world = world_of(ManualClock(datetime(2026, 3, 1, tzinfo=UTC)), Board(), tmp_path)
    before = Before(available=1, desired=3, rolling=True)
    found = asyncio.run(settle(world, "deployment", "worker", before, 3, 3))
    assert found.status == "inconclusive"
    assert "3 of 3 after (a rollout was under way before)" in found.detail
