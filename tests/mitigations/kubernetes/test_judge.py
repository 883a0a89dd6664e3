import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from console.config import Config
from console.engine.board import Board
from console.mitigations.kubernetes.judge import Before, by_pods, compare, measure, settle, variation
from console.mitigations.world import Timing, World
from console.model.clock import ManualClock
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.reading import NO_DATA, Point, Reading, State


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.30, 0.002, "helped"),
        (0.30, 0.14, "helped"),
        (0.30, 0.16, "no_change"),
        (0.0528, 0.0485, "inconclusive"),
        (0.09, 0.048, "inconclusive"),
        (0.30, 0.46, "worse"),
        (0.00, 0.06, "worse"),
        (0.00, 0.04, "no_change"),
        (0.01, 0.02, "no_change"),
    ],
)
def test_error_ratios(before: float, after: float, verdict: str) -> None:
    found = compare(Before("shop", before), Reading(State.OK, after, 1.0), 0.05)

    assert found.status == verdict
    assert f"{before:.2%} before, {after:.2%} after, threshold 5.00%" in found.detail


@pytest.mark.parametrize(
    ("noise", "after", "verdict", "said"),
    [
        (0.002, 0.048, "helped", "9.00% before, 4.80% after"),
        (0.0, 0.048, "helped", "9.00% before, 4.80% after"),
        (0.02, 0.048, "inconclusive", "it moved by 2.00% from window to window before); 3.00% or less"),
        (0.02, 0.02, "helped", "2.00% after"),
        (0.20, 0.03, "inconclusive", "0.90% or less"),
        (0.20, 0.009, "helped", "0.90% after"),
        (0.002, 0.14, "worse", "14.00% after"),
        (0.02, 0.14, "no_change", "14.00% after"),
    ],
)
def test_a_fall_counts_when_it_is_more_than_the_ratio_moves_by_itself(
    noise: float, after: float, verdict: str, said: str
) -> None:
    found = compare(Before("shop", 0.09, noise=noise), Reading(State.OK, after, 1.0), 0.05)

    assert found.status == verdict
    assert said in found.detail


def test_a_hair_is_no_help_even_where_nothing_moves() -> None:
    before = Before("shop", 0.0528, noise=0.0)

    assert compare(before, Reading(State.OK, 0.0485, 1.0), 0.05).status == "inconclusive"
    assert compare(before, Reading(State.OK, 0.0395, 1.0), 0.05).status == "helped"


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


@pytest.mark.parametrize("state", [State.NO_DATA, State.NO_TRAFFIC, State.STALE, State.FAILED, State.DENIED])
def test_blindness_is_never_a_verdict(state: State) -> None:
    assert compare(Before("shop", 0.30), Reading(state, None, 1.0), 0.05).status == "inconclusive"
    assert compare(Before("shop"), Reading(State.OK, 0.0, 1.0), 0.05).status == "inconclusive"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((1, 3), (3, 3), "helped"),
        ((3, 3), (3, 3), "no_change"),
        ((3, 3), (1, 3), "worse"),
        ((1, 3), (1, 3), "no_change"),
    ],
)
def test_pods_decide_where_nothing_is_measured(
    before: tuple[int, int], after: tuple[int, int], verdict: str
) -> None:
    assert by_pods(Before("", None, *before), *after).status == verdict


def world_of(clock: ManualClock, board: Board, folder: Path) -> World:
    return World(
        clock=clock,
        config=Config.model_validate({"prometheus": {"url": "http://127.0.0.1:9", "window": 60}}),
        board=board,
        source="kubernetes:prod",
        settings=None,
        evidence_dir=folder,
        timing=Timing(poll=0),
    )


def test_what_is_measured_before_says_how_much_it_moves(tmp_path: Path) -> None:
    clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
    service = service_with(*(0.09, 0.09, 0.10, 0.10) * 3)
    service = msgspec.structs.replace(service, error_ratio=Reading(State.OK, 0.10, 1.0))
    board.publish("prometheus", PrometheusSnapshot(1.0, 30, (service,)))

    found = measure(world_of(clock, board, tmp_path), "deployment", "shop", 2, 3)
    assert (found.service, found.ratio, found.available, found.desired) == ("shop", 0.10, 2, 3)
    assert found.noise == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("ratio", "at_once", "verdict"), [(0.0485, False, "inconclusive"), (0.02, True, "helped")]
)
def test_only_a_clear_fall_is_judged_before_a_whole_window_has_passed(
    ratio: float, at_once: bool, verdict: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
        world = world_of(clock, board, tmp_path)

        def sample(after: float) -> None:
            at = clock.now().timestamp() + after
            value = Reading(State.OK, ratio, at)
            service = ServiceMetrics("shop", value, NO_DATA, NO_DATA, NO_DATA, threshold=0.05)
            board.publish("prometheus", PrometheusSnapshot(at, 5, (service,)))

        sample(after=5)
        task = asyncio.create_task(settle(world, "deployment", "shop", Before("shop", 0.0528, 4, 4), 4, 4))
        for _ in range(20):
            await asyncio.sleep(0)
        assert task.done() is at_once
        sample(after=61)
        assert (await task).status == verdict

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
    assert "The error ratio of shop cannot be compared: no usable value before." in found.detail
