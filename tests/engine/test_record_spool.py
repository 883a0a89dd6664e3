"""The followed timeline while its disk is gone: what waits in the second place is shown, and once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.engine.record import WatchedTimeline
from console.incident.record import declare
from console.model.clock import ManualClock
from console.timeline.recorder import Recorder
from tests.timeline.helpers import block, unblock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


def severity(watched: WatchedTimeline) -> int | None:
    return watched.incident.severity if watched.incident else None


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def texts(watched: WatchedTimeline) -> list[str]:
    return [entry.text for entry in watched.entries]


def test_an_incident_that_only_the_second_place_has_stays_until_it_is_at_home(
    tmp_path: Path, clock: ManualClock, spool: Path
) -> None:
    state = tmp_path / "state"
    block(state)
    recorder, watched = Recorder(state, clock, spool=spool), WatchedTimeline(state, clock, spool)
    watched.refresh()
    declare(recorder, "SEV1", "the disk is gone")
    for number in range(3):
        clock.advance(2)
        recorder.record("note", f"note {number}")
        assert watched.refresh()
        assert severity(watched) == 1
        assert len(watched.entries) == number + 2
    intent = recorder.record("action.intent", "restart shop")
    watched.refresh()
    assert [entry.id for entry in watched.open_intents] == [intent.id]

    unblock(state)
    recorder.record("action.result", "restarted", ref=intent.id)
    before = [*texts(watched)]
    for _ in range(3):
        clock.advance(2)
        watched.refresh()
        assert texts(watched) == [*before, "restarted"]
        assert (severity(watched), watched.open_intents, watched.health) == (1, (), "ok")


def test_what_changes_an_incident_while_its_disk_is_gone_counts(
    tmp_path: Path, clock: ManualClock, spool: Path
) -> None:
    state = tmp_path / "state"
    recorder, watched = Recorder(state, clock, spool=spool), WatchedTimeline(state, clock, spool)
    declare(recorder, "SEV2", "checkout fails")
    watched.refresh()
    assert severity(watched) == 2
    block(state)
    recorder.record("incident.severity", "worse", data={"severity": "SEV1"})
    watched.refresh()
    assert (severity(watched), watched.health) == (1, "failed")
    assert texts(watched) == ["SEV2 checkout fails", "worse"]
    unblock(state)
    clock.advance(2)
    watched.refresh()
    assert (severity(watched), watched.health) == (1, "ok")
    recorder.check()
    watched.refresh()
    assert texts(watched) == ["SEV2 checkout fails", "worse"]
    assert severity(watched) == 1


def test_an_incident_that_ended_in_the_second_place_is_over(
    tmp_path: Path, clock: ManualClock, spool: Path
) -> None:
    state = tmp_path / "state"
    incident = declare(Recorder(state, clock), "SEV2", "checkout fails").id
    clock.advance(60)
    (tmp_path / "full").write_text("nothing can be written here")
    recorder = Recorder(tmp_path / "full", clock, spool=spool)
    recorder.attach(incident)
    recorder.record("incident.resolved", "rolled back")
    watched = WatchedTimeline(state, clock, spool)
    for _ in range(3):
        watched.refresh()
        clock.advance(2)
    assert severity(watched) is None
    assert watched.over is not None and watched.over.title == "checkout fails"


def test_an_entry_that_both_places_hold_is_shown_once(
    tmp_path: Path, clock: ManualClock, spool: Path
) -> None:
    state = tmp_path / "state"
    recorder, watched = Recorder(state, clock, spool=spool), WatchedTimeline(state, clock, spool)
    recorder.record("note", "once")
    watched.refresh()
    spool.mkdir()
    (spool / "standby.jsonl").write_bytes((state / "standby.jsonl").read_bytes())
    watched.refresh()
    assert texts(watched) == ["once"]
    late = WatchedTimeline(state, clock, spool)
    late.refresh()
    assert texts(late) == ["once"]


def test_a_damaged_second_place_hides_nothing(tmp_path: Path, clock: ManualClock, spool: Path) -> None:
    state = tmp_path / "state"
    (spool / "standby.jsonl").mkdir(parents=True)
    Recorder(state, clock).record("note", "one")
    watched = WatchedTimeline(state, clock, spool)
    watched.refresh()
    assert (watched.health, texts(watched)) == ("ok", ["one"])
