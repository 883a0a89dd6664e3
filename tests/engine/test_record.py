"""The followed timeline: entries of other consoles, incidents that open and close, and no write at all."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.engine import record
from console.engine.live import RecordedTimeline
from console.engine.ports import PlanError
from console.engine.record import WatchedTimeline
from console.incident.record import declare, resolve
from console.model.clock import ManualClock
from console.timeline import follow
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
    assert (incident.severity, incident.title) == (2, "checkout fails")
    other.record("incident.severity", "worse", data={"severity": "SEV1"})
    assert watched.refresh()
    assert severity(watched) == 1

    resolve(other, "done")
    watched.refresh()
    clock.advance(2)
    watched.refresh()
    assert severity(watched) is None
    assert [entry.text for entry in watched.entries] == ["before"]


@pytest.mark.parametrize(
    ("recorded", "number", "shown"), [("P3", 3, "SEV3"), ("critical\x1b[m", None, "critical"), ("", None, "")]
)
def test_a_severity_of_another_tool(
    recorded: str, number: int | None, shown: str, tmp_path: Path, clock: ManualClock
) -> None:
    declare(Recorder(tmp_path, clock), recorded, "checkout fails")
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    assert watched.incident is not None
    assert (watched.incident.severity, watched.incident.severity_text) == (number, shown)


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


def test_the_plans_of_answered_intents_are_not_kept(tmp_path: Path, clock: ManualClock) -> None:
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    for number in range(100):
        intent = recorder.record("action.intent", f"{number}", data={"plan": "x" * 10_000})
        recorder.record("action.result", "done", ref=intent.id)
    tracemalloc.start()
    watched.refresh()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert watched.open_intents == ()
    assert len(watched.entries) == 200
    assert kept < 200_000, "held, the plans would be a megabyte"


def test_a_record_that_is_replaced_is_reported_and_read_anew(tmp_path: Path, clock: ManualClock) -> None:
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    recorder.record("note", "one")
    watched.refresh()
    (tmp_path / "standby.jsonl").rename(tmp_path / "moved.jsonl")
    Recorder(tmp_path, clock).record("note", "two")
    assert watched.refresh()
    assert [entry.text for entry in watched.entries] == ["two"]
    assert "replaced" in watched.reason


def test_that_the_record_changed_is_said_until_somebody_has_read_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    recorder, live = Recorder(tmp_path, clock), RecordedTimeline(tmp_path, clock)
    recorder.record("note", "one")
    live.refresh()
    assert (live.health, live.changed) == ("ok", "")
    (tmp_path / "standby.jsonl").rename(tmp_path / "moved.jsonl")
    Recorder(tmp_path, clock).record("note", "two")
    live.refresh()
    said = live.changed
    assert said.startswith("The record changed under us at ") and said.endswith("replaced by another file.")
    for _ in range(20):
        clock.advance(60)
        live.refresh()
        assert (live.health, live.reason, live.changed) == ("degraded", said, said)
    (tmp_path / "standby.jsonl").write_bytes(b"")
    live.refresh()
    assert "was cut" in live.changed
    live.acknowledge(said)
    assert "was cut" in live.changed, "what came since was not read yet"
    live.acknowledge(live.changed)
    assert (live.health, live.reason, live.changed) == ("ok", "", "")


def standby_of(tmp_path: Path, clock: ManualClock, *texts: str) -> Path:
    recorder = Recorder(tmp_path, clock)
    for text in texts:
        recorder.record("note", text)
    return tmp_path / "standby.jsonl"


def test_a_damaged_line_is_said_until_somebody_has_read_it(tmp_path: Path, clock: ManualClock) -> None:
    path = standby_of(tmp_path, clock, "one", "two", "three")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"rub\x1b[31mbish\n" + lines[2])
    watched = WatchedTimeline(tmp_path, clock)
    assert watched.refresh()
    assert [entry.text for entry in watched.entries] == ["one", "three"]
    assert watched.health == "degraded"
    assert watched.changed == watched.reason
    assert watched.changed.startswith(
        f"The record is damaged: line 2 of {path} is skipped: it is not an entry"
    )
    assert watched.changed.endswith("; entry 3 stands where entry 2 belongs: entry 2 missing.")
    clock.advance(60)
    watched.refresh()
    watched.acknowledge(watched.changed)
    watched.refresh()
    assert (watched.health, watched.changed) == ("ok", "")
    with path.open("ab") as file:
        file.write(b"rubbish\n" * 5)
    watched.refresh()
    assert f"line 4 of {path} is skipped" in watched.changed
    assert watched.changed.endswith("; 3 more places like it.")


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ((0, 3), "entry 4 stands where entry 2 belongs: entries 2 to 3 missing"),
        ((1, 2, 3), "entry 2 stands where entry 1 belongs: entry 1 missing"),
        ((0, 2, 1, 3), "entry 3 stands where entry 2 belongs: entry 2 missing"),
    ],
)
def test_missing_and_moved_entries_are_said(
    kept: tuple[int, ...], said: str, tmp_path: Path, clock: ManualClock
) -> None:
    path = standby_of(tmp_path, clock, "one", "two", "three", "four")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in kept))
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    assert watched.health == "degraded"
    assert said in watched.changed


def test_an_entry_of_another_chain_is_said(tmp_path: Path, clock: ManualClock) -> None:
    path = standby_of(tmp_path, clock, "one", "two")
    lines = path.read_bytes().splitlines(keepends=True)
    other = standby_of(tmp_path / "other", clock, "uno", "due")
    path.write_bytes(lines[0] + other.read_bytes().splitlines(keepends=True)[1])
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    assert "entry 2 does not follow the entry before it" in watched.changed


def test_a_line_that_is_just_being_written_is_no_damage(tmp_path: Path, clock: ManualClock) -> None:
    path = standby_of(tmp_path, clock, "one", "two")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    watched = WatchedTimeline(tmp_path, clock)
    for _ in range(5):
        watched.refresh()
        assert watched.health == "ok"
        clock.advance(1)
    path.write_bytes(whole)
    watched.refresh()
    assert (watched.health, len(watched.entries)) == ("ok", 2)


def test_a_line_that_nobody_ends_is_said_once_and_when_it_is_closed(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = standby_of(tmp_path, clock, "one", "two")
    path.write_bytes(path.read_bytes()[:-20])
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    clock.advance(30)
    assert watched.refresh()
    assert watched.changed == f"The record is damaged: the last line of {path} was left unfinished."
    watched.acknowledge(watched.changed)
    clock.advance(30)
    watched.refresh()
    assert watched.health == "ok"
    standby_of(tmp_path, clock, "three")
    watched.refresh()
    assert f"line 2 of {path} is skipped" in watched.changed
    assert [entry.text for entry in watched.entries] == ["one", "three"]


def test_a_record_that_is_gone_is_said_once(tmp_path: Path, clock: ManualClock) -> None:
    path = standby_of(tmp_path, clock, "one")
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    path.unlink()
    assert watched.refresh()
    assert watched.changed == f"The record is damaged: {path} is gone."
    watched.acknowledge(watched.changed)
    watched.refresh()
    assert (watched.health, len(watched.entries)) == ("ok", 1)


def test_a_record_that_was_out_of_reach_is_not_shown_twice(tmp_path: Path, clock: ManualClock) -> None:
    state, away = tmp_path / "state", tmp_path / "away"
    recorder, watched = Recorder(state, clock), WatchedTimeline(state, clock)
    for text in ("one", "two"):
        recorder.record("note", text)
    watched.refresh()
    state.rename(away)
    state.write_text("in the way")
    watched.refresh()
    assert watched.health == "failed"
    assert len(watched.entries) == 2
    state.unlink()
    away.rename(state)
    watched.refresh()
    assert [entry.text for entry in watched.entries] == ["one", "two"]
    assert watched.health == "ok"


def test_a_long_record_is_shown_when_its_end_is_known(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_SLICE", 2000)
    monkeypatch.setattr(record, "_AT_ONCE", 0.0)
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    declare(recorder, "SEV1", "checkout fails")
    intent = recorder.record("action.intent", "restart shop")
    for number in range(30):
        recorder.record("note", f"note {number}")
    calls = 0
    watched.refresh()
    assert (watched.behind, len(watched.entries), severity(watched)) == (True, 0, None)
    while watched.behind:
        assert watched.refresh() is not watched.behind
        calls += 1
    assert calls > 3
    assert [entry.text for entry in watched.entries][2:] == [f"note {number}" for number in range(30)]
    assert severity(watched) == 1
    assert [entry.id for entry in watched.open_intents] == [intent.id]


def test_looking_for_another_incident_reads_none_again(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, watched = Recorder(tmp_path, clock), WatchedTimeline(tmp_path, clock)
    old = declare(recorder, "SEV3", "over").id
    resolve(recorder)
    recorder.attach(old)
    recorder.record("note", "written afterwards")
    declare(recorder, "SEV1", "now")
    watched.refresh()
    assert watched.incident is not None and watched.incident.title == "now"
    read: list[str] = []
    monkeypatch.setattr(record, "load", lambda folder, incident: read.append(incident))
    for number in range(3):
        recorder.record("note", f"{number}")
        clock.advance(2)
        assert watched.refresh()
    assert read == []
    monkeypatch.undo()
    resolve(recorder)
    watched.refresh()
    clock.advance(2)
    watched.refresh()
    assert (severity(watched), len(watched.entries)) == (None, 0)


def test_watching_writes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    watched = WatchedTimeline(tmp_path, clock)
    watched.refresh()
    for work in (watched.note("x"), watched.declare(1, "x")):
        with pytest.raises(PlanError, match="watch mode"):
            asyncio.run(work)
    assert list(tmp_path.iterdir()) == []
