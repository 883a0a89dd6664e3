"""The record of the acting console: an incident takes along what led to it, and knows its drill."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.engine.live import RecordedTimeline
from console.model.clock import ManualClock
from console.timeline.recorder import Recorder


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_declaring_takes_along_the_changes_and_notes_of_the_last_hour(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock, drill=True)
    record.recorder.record("change", "an old deploy", source="system")
    clock.advance(2 * 3600)
    record.recorder.record("change", "deployment/checkout 3 -> 4", source="system", data={"key": "k"})
    record.recorder.record("signal", "error-ratio-high(checkout)", source="system")
    clock.advance(60)
    record.refresh()
    asyncio.run(record.declare(2, "checkout fails"))
    clock.advance(2)
    record.refresh()
    assert [(entry.kind, entry.text) for entry in record.entries] == [
        ("incident.declared", "DRILL: SEV2 checkout fails"),
        ("change", "deployment/checkout 3 -> 4"),
    ]
    assert record.entries[1].occurred_at == "2026-03-01T14:00:00.000Z"
    assert record.entries[1].data["key"] == "k"
    assert record.incident is not None


def test_declaring_again_changes_the_severity_of_the_open_incident(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    asyncio.run(record.declare(3, "slow"))
    clock.advance(2)
    record.refresh()
    asyncio.run(record.declare(1, "down"))
    record.refresh()
    assert record.incident is not None
    assert record.incident.severity == 1
    assert record.entries[-1].text == "severity SEV3 -> SEV1: down"


def test_a_running_mitigation_of_this_console_is_no_unknown_outcome(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    record.recorder.record("action.intent", "ours")
    Recorder(tmp_path / "state", clock).record("action.intent", "of another")
    record.refresh()
    assert [entry.text for entry in record.open_intents] == ["of another"]


def test_the_light_is_degraded_while_only_the_second_sink_takes_entries(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    (tmp_path / "state").write_text("a file where the folder should be")
    record = RecordedTimeline(tmp_path / "state", clock)
    asyncio.run(record.note("still recorded"))
    assert record.health == "degraded"
    assert "state" in record.reason
