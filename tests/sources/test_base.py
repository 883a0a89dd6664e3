"""How a source is polled."""

import asyncio
import random

import pytest

from console.model.clock import SystemClock
from console.sources.base import Reporter, SourceError, poll, until_next_round
from tests.sources.publishing import Kept


class EndedError(Exception):
    """Raised instead of a further pause."""


def pauses(monkeypatch: pytest.MonkeyPatch, outcomes: list[bool], second: float | None) -> list[float]:
    """How long is waited after each read; ``outcomes`` says which of them succeed."""
    found: list[float] = []
    left = iter(outcomes)

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        if len(found) == len(outcomes):
            raise EndedError

    async def read() -> str:
        if not next(left):
            raise SourceError("it is down")
        return "data"

    async def story() -> None:
        kept = Kept()
        reporter = Reporter("test", "", kept, SystemClock())
        with pytest.raises(EndedError):
            await poll(read, reporter, kept, interval=2, timeout=5, rng=random.Random(1), second=second)

    monkeypatch.setattr("console.sources.base.asyncio.sleep", sleep)
    asyncio.run(story())
    return found


@pytest.mark.parametrize(
    ("now", "pause"), [(100.0, 2.0), (100.01, 1.99), (100.9, 1.1), (101.0, 1.0), (101.1, 2.9), (101.99, 2.01)]
)
def test_rounds_are_in_step_and_never_close_together(now: float, pause: float) -> None:
    assert until_next_round(now, 2.0) == pytest.approx(pause)


def test_the_second_round_may_come_early_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    early, *regular = pauses(monkeypatch, [True] * 3, 0.5)
    assert early == 0.5
    assert all(1 <= pause <= 3 for pause in [*regular, *pauses(monkeypatch, [True] * 3, None)])


def test_a_failure_backs_off_and_the_second_round_still_comes_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third, fourth = pauses(monkeypatch, [False, False, True, True], 0.5)
    assert 0.5 <= first <= 1 <= second <= 2
    assert third == 0.5
    assert 1 <= fourth <= 3
