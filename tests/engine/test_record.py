"""The followed timeline: entries of other consoles, incidents that open and close, and no write at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.engine.ports import PlanError
from console.engine.record import WatchedTimeline
from console.incident.record import declare, resolve
from console.model.clock import ManualClock
from console.timeline.recorder import Recorder


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


def severity(watched: WatchedTimeline) -> int | None:
    return watched.incident.severity if watched.incident else None


def test_it_follows_from_standby_into_an_incident_and_back(tmp_path: Path, clock: ManualClock) -> None:
    other, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    assert not watched.refresh()
    other.record("note", "before")
    assert watched.refresh()
    assert [entry.text for entry in watched.entries] == ["before"]

    declare(other, "SEV2", "checkout fails", lead="ann", drill=True)
    clock.advance(2)
    assert watched.refresh()
    incident = watched.incident
    assert incident is not None
    assert (incident.severity, incident.title, incident.drill) == (2, "checkout fails", True)
    other.record("incident.severity", "worse", data={"severity": "SEV1"})
    assert watched.refresh()
    assert severity(watched) == 1

    resolve(other, "done")
    watched.refresh()
    clock.advance(2)
    watched.refresh()
    assert severity(watched) is None
    assert [entry.text for entry in watched.entries] == ["before"]


def test_nothing_new_changes_no_version(tmp_path: Path, clock: ManualClock) -> None:
    Recorder(tmp_path, clock).record("note", "one")
    watched = WatchedTimeline(tmp_path, clock)
    assert watched.refresh()
    version = watched.version
    clock.advance(5)
    assert not watched.refresh()
    assert watched.version == version


def test_an_intent_without_a_result_is_open(tmp_path: Path, clock: ManualClock) -> None:
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    first = recorder.record("action.intent", "restart shop")
    second = recorder.record("action.intent", "scale shop")
    recorder.record("action.result", "done", ref=first.id)
    watched.refresh()
    assert [entry.id for entry in watched.open_intents] == [second.id]


def test_a_record_that_is_replaced_is_reported_and_read_anew(tmp_path: Path, clock: ManualClock) -> None:
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    recorder.record("note", "one")
    watched.refresh()
    (tmp_path / "standby.jsonl").rename(tmp_path / "moved.jsonl")
    Recorder(tmp_path, clock).record("note", "two")
    assert watched.refresh()
    assert [entry.text for entry in watched.entries] == ["two"]
    assert "replaced" in watched.reason


def test_watching_writes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    for work in (watched.note("x"), watched.declare(1, "x")):
        with pytest.raises(PlanError, match="watch mode"):
            asyncio.run(work)
    assert list(tmp_path.iterdir()) == []
