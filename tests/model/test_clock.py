from datetime import UTC, datetime, timedelta, timezone

import pytest

from console.model.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(START, monotonic=5.0)
    assert (clock.now(), clock.monotonic()) == (START, 5.0)
    clock.advance(90.5)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90.5), 95.5)


def test_step_changes_the_wall_clock_alone() -> None:
    clock = ManualClock(START)
    clock.step(-3600)
    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 0.0)


def test_manual_clock_turns_other_zones_into_utc() -> None:
    clock = ManualClock(datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now().isoformat() == "2026-03-01T12:00:00+00:00"


def test_manual_clock_refuses_naive_time_and_a_backward_advance() -> None:
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="step"):
        ManualClock(START).advance(-1)


def test_system_clock_is_aware_and_monotonic() -> None:
    clock: Clock = SystemClock()
    first = clock.monotonic()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() >= first
