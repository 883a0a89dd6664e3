import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.config import Config
from console.engine.board import Board
from console.mitigations.kubernetes.judge import Before, by_pods, compare, settle
from console.mitigations.world import Timing, World
from console.model.clock import ManualClock
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.reading import NO_DATA, Reading, State


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.30, 0.002, "helped"),
        (0.30, 0.14, "helped"),
        (0.30, 0.16, "no_change"),
        (0.30, 0.46, "worse"),
        (0.00, 0.06, "worse"),
        (0.00, 0.04, "no_change"),
        (0.01, 0.02, "no_change"),
    ],
)
def test_error_ratios(before: float, after: float, verdict: str) -> None:
    found = compare(before, Reading(State.OK, after, 1.0), 0.05, "shop")

    assert found.status == verdict
    assert f"{after:.2%} after" in found.detail


@pytest.mark.parametrize("state", [State.NO_DATA, State.NO_TRAFFIC, State.STALE, State.FAILED, State.DENIED])
def test_blindness_is_never_a_verdict(state: State) -> None:
    assert compare(0.30, Reading(state, None, 1.0), 0.05, "shop").status == "inconclusive"
    assert compare(None, Reading(State.OK, 0.0, 1.0), 0.05, "shop").status == "inconclusive"


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


@pytest.mark.parametrize(("ratio", "at_once"), [(0.0485, False), (0.02, True)])
def test_only_a_clear_fall_is_judged_before_a_whole_window_has_passed(
    ratio: float, at_once: bool, tmp_path: Path
) -> None:
    async def scenario() -> None:
        clock, board = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), Board()
        world = World(
            clock=clock,
            config=Config.model_validate({"prometheus": {"url": "http://127.0.0.1:9", "window": 60}}),
            board=board,
            source="kubernetes:prod",
            settings=None,
            evidence_dir=tmp_path,
            timing=Timing(poll=0),
        )

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
        assert (await task).status == "helped"

    asyncio.run(scenario())
