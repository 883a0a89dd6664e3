"""The record of the acting console: an incident takes along what led to it, and knows its drill."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from console.config import Config
from console.engine.live import RecordedTimeline, live_engine
from console.engine.ports import PlanError
from console.incident.change import Reopen, Resolve, Roles, Severity, Status, Title
from console.model.clock import ManualClock
from console.timeline.chain import verify
from console.timeline.entry import Kind, TimelineError
from console.timeline.folder import timeline_path
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


def test_a_second_incident_does_not_take_along_what_led_to_the_first(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    for text in ("checkout 3 -> 4", "checkout 4 -> 5"):
        record.recorder.record("change", text, source="system")
        clock.advance(60)
        record.refresh()
        asyncio.run(record.declare(2, "checkout fails"))
        clock.advance(60)
        record.refresh()
        assert [entry.text for entry in record.entries if entry.kind == "change"] == [text]
        asyncio.run(record.change(Resolve("rolled back")))
        clock.advance(60)
        record.refresh()
        record.refresh()


def test_who_acts_first_and_declares_then_finds_the_mitigation_in_the_post_mortem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    target = {"kind": "Deployment", "name": "checkout"}
    intent = record.recorder.record("action.intent", "Roll back checkout", data={"target": target})
    record.recorder.record("action.intent", "Restart checkout")
    outcome = {"outcome": {"status": "done"}}
    record.recorder.record("action.result", "Roll back checkout: accepted", data=outcome, ref=intent.id)
    helped = {"verdict": {"status": "helped"}}
    record.recorder.record("action.verdict", "Roll back checkout: helped", data=helped, ref=intent.id)
    clock.advance(60)
    record.refresh()
    asyncio.run(record.declare(2, "checkout fails"))
    clock.advance(2)
    record.refresh()
    assert [entry.kind for entry in record.entries] == [
        "incident.declared",
        "action.intent",
        "action.result",
        "action.verdict",
    ]
    _, copied, result, verdict = record.entries
    assert copied.data["target"] == target and copied.data["standby"] == intent.id
    assert copied.id == result.ref == verdict.ref != intent.id
    assert [entry.text for entry in record.recorder.open_intents()] == ["Restart checkout"]
    assert record.incident is not None
    incident = record.incident.id
    assert verify(timeline_path(tmp_path / "state", incident)).ok
    assert main(["postmortem", incident, "--state-dir", str(tmp_path / "state")]) == 0
    text = capsys.readouterr().out
    assert "| First mitigation that helped | 12:00Z | - |\n| Declared | 12:01Z |" in text
    assert text.count("Roll back checkout: helped") == 2, "in its timeline, and as what ended it"


def test_a_second_incident_is_not_declared_over_an_open_one(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    asyncio.run(record.declare(3, "slow"))
    record.refresh()
    with pytest.raises(TimelineError, match="INC-20260301-1 \\(slow\\) is still open"):
        asyncio.run(record.declare(1, "down"))
    with pytest.raises(PlanError, match="no severity 9"):
        asyncio.run(record.declare(9, "down"))
    assert [entry.kind for entry in record.entries] == ["incident.declared"]


def test_every_change_is_an_entry_with_before_and_after(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock, drill=True)
    asyncio.run(record.declare(2, "slow"))
    record.refresh()
    me = record.recorder.identity.user
    for change in (
        Severity(1),
        Status("identified", "the release of 11:50"),
        Status("identified", "rolling back"),
        Roles({"lead": "ben", "scribe": "eva", "operations": ""}),
        Title("checkout down"),
        Title("checkout down in the EU"),
    ):
        clock.advance(60)
        asyncio.run(record.change(change))
    assert asyncio.run(record.change(Severity(1))) == ""
    record.refresh()
    told = [(e.kind, e.text, e.data.get("before")) for e in list(record.entries)[1:]]
    assert told == [
        ("incident.severity", "severity SEV2 -> SEV1", "SEV2"),
        (
            "incident.status",
            "status investigating -> identified: the release of 11:50",
            "investigating",
        ),
        ("incident.status", "update, identified: rolling back", "identified"),
        ("incident.role", f"lead: {me} -> ben", me),
        ("incident.role", "scribe: nobody -> eva", ""),
        ("correction", "DRILL: SEV2 checkout down (title before: slow)", "slow"),
        (
            "correction",
            "DRILL: SEV2 checkout down in the EU (title before: checkout down)",
            "checkout down",
        ),
    ]
    now = record.incident
    assert now is not None
    assert (now.severity, now.status, now.title) == (1, "identified", "checkout down in the EU")
    assert now.roles == {"lead": "ben", "scribe": "eva"}
    assert now.updated_at == "2026-03-01T12:03:00.000Z", "the last word to others, not the last change"
    assert verify(timeline_path(tmp_path / "state", now.id)).ok


def test_resolving_names_what_still_stands_and_reopening_takes_it_up_again(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    asyncio.run(record.declare(2, "slow"))
    target = {"kind": "deployment", "name": "checkout", "namespace": "shop", "uid": "u"}
    kept = record.recorder.record(
        "ledger.opened", "Temporary: scale to 9", data={"target": target, "source": "kubernetes:prod"}
    )
    clock.advance(2460)
    record.refresh()
    with pytest.raises(TimelineError, match="how it was resolved"):
        asyncio.run(record.change(Resolve(" ")))
    said = asyncio.run(record.change(Resolve("rolled back")))
    assert said == "INC-20260301-1 is resolved after 41 min. 1 temporary measure still stands."
    record.refresh()
    record.refresh()
    over = record.over
    assert over is not None
    assert (over.id, over.resolved_at) == ("INC-20260301-1", "2026-03-01T12:41:00.000Z")
    assert record.recorder.incident is None
    with pytest.raises(TimelineError, match="No incident is open"):
        asyncio.run(record.change(Severity(1)))
    asyncio.run(record.change(Reopen("INC-20260301-1", "errors are back")))
    record.refresh()
    assert record.incident is not None and record.incident.status == "investigating"
    resolved, reopened = list(record.entries)[-2:]
    text = "resolved after 41 min: rolled back (1 temporary measure still stands)"
    assert (resolved.kind, resolved.text) == ("incident.resolved", text)
    assert resolved.data["before"] == "investigating"
    assert resolved.data["standing"] == [{"id": kept.id, "text": "Temporary: scale to 9"}]
    assert (reopened.kind, reopened.text) == ("incident.reopened", "reopened: errors are back")
    assert record.incident.updated_at == reopened.ts
    with pytest.raises(TimelineError, match="still open"):
        asyncio.run(record.change(Reopen("INC-20260301-1", "again")))


def test_what_others_are_told_by_another_way_counts_as_an_update(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record = RecordedTimeline(tmp_path / "state", clock)
    asyncio.run(record.declare(2, "slow"))
    record.refresh()
    kinds: tuple[Kind, ...] = ("comms.sent", "note", "comms.failed")
    for kind in kinds:
        clock.advance(60)
        record.recorder.record(kind, "status page")
    record.refresh()
    assert record.incident is not None
    assert record.incident.updated_at == "2026-03-01T12:01:00.000Z"


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


def test_an_incident_declared_while_the_state_folder_is_gone_is_shown(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    (tmp_path / "state").write_text("a file where the folder should be")
    record = RecordedTimeline(tmp_path / "state", clock)
    record.refresh()
    asyncio.run(record.declare(1, "the disk is gone"))
    for _ in range(3):
        clock.advance(2)
        record.refresh()
        assert record.incident is not None and record.incident.title == "the disk is gone"
        assert record.recorder.incident == record.incident.id
    asyncio.run(record.note("written elsewhere"))
    record.refresh()
    assert [entry.text for entry in record.entries] == ["SEV1 the disk is gone", "written elsewhere"]
    asyncio.run(record.change(Resolve("a new disk")))
    for _ in range(3):
        clock.advance(2)
        record.refresh()
    assert (record.incident, record.recorder.incident) == (None, None)


@pytest.mark.parametrize("room_again", [True, False])
def test_what_no_sink_took_is_tried_again_and_told_on_leaving(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], room_again: bool
) -> None:
    for name in ("state", "cache"):
        (tmp_path / name).write_text("a file where the folder should be")
    engine = live_engine(Config(), ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)), tmp_path / "state")
    engine.start()
    with pytest.raises(TimelineError, match="held in memory"):
        engine.note("the pager is quiet").result(20)
    if room_again:
        (tmp_path / "state").unlink()
    engine.stop(20)
    told = capsys.readouterr().err
    if room_again:
        assert told == ""
        assert "the pager is quiet" in (tmp_path / "state" / "standby.jsonl").read_text()
    else:
        assert told == (
            "warroom: no timeline has 1 entry, which ends with this console; write it down:\n"
            "  2026-03-01T12:00:00Z  note  the pager is quiet\n"
        )
