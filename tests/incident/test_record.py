import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.incident.record import declare, derive, list_incidents, load, open_incident, refresh, resolve
from console.model.clock import ManualClock
from console.timeline.chain import verify
from console.timeline.entry import TimelineError
from console.timeline.file import read_timeline
from console.timeline.folder import incident_folder, incident_ids
from tests.timeline.helpers import START, new_recorder

DECLARER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from console.incident.record import _allot, declare
from console.model.clock import ManualClock
from console.timeline.entry import TimelineError
from console.timeline.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
for _ in range(10):
    try:
        if sys.argv[2] == "number": print(_allot(recorder.state_dir, None, "20260301"), flush=True)
        else: print(declare(recorder, "SEV2", "x").id, flush=True)
    except TimelineError: print("refused", flush=True)
"""


def declare_at_once(state_dir: Path, how: str) -> list[str]:
    consoles = [
        subprocess.Popen(
            [sys.executable, "-c", DECLARER, str(state_dir), how], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [line for console in consoles for line in console.communicate(timeout=60)[0].split()]
    assert [console.returncode for console in consoles] == [0] * 4
    return said


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    said = declare_at_once(tmp_path, "number")
    assert len(said) == len(set(said)) == 40
    assert {f"INC-20260301-{n}" for n in range(1, 41)} == set(said)
    assert incident_ids(tmp_path) == [f"INC-20260301-{n}" for n in range(1, 41)]


def test_of_consoles_that_declare_at_once_one_wins(tmp_path: Path) -> None:
    said = declare_at_once(tmp_path, "incident")
    assert sorted(said) == ["INC-20260301-1"] + ["refused"] * 39


def test_an_incident_runs_from_declaration_to_resolution(tmp_path: Path) -> None:
    clock = ManualClock(START)
    recorder = new_recorder(tmp_path, clock=clock)
    assert open_incident(tmp_path) is None
    record = declare(recorder, "SEV2", "checkout fails", lead="alice")
    assert (record.id, record.status, record.severity, record.title, record.lead, record.drill) == (
        *("INC-20260301-1", "investigating", "SEV2", "checkout fails", "alice"),
        False,
    )
    assert (record.declared_at, record.declared_by, record.open) == (
        "2026-03-01T12:00:00.000Z",
        "alice",
        True,
    )
    assert recorder.record("note", "here").incident == record.id
    clock.advance(60)
    recorder.record("incident.severity", "worse", data={"severity": "SEV1"})
    recorder.record("incident.status", "found", data={"status": "identified"})
    recorder.record("incident.role", "bob leads", data={"role": "lead", "who": "bob"})
    recorder.record("incident.role", "carol writes", data={"role": "scribe", "who": "carol"})
    current = open_incident(tmp_path)
    assert current is not None
    assert (current.severity, current.status, current.lead) == ("SEV1", "identified", "bob")
    assert current.roles == {"lead": "bob", "scribe": "carol"}
    clock.advance(60)
    done = resolve(recorder)
    assert (done.status, done.resolved_at, done.open) == ("resolved", "2026-03-01T12:02:00.000Z", False)
    assert recorder.incident is None
    assert open_incident(tmp_path) is None
    assert verify(incident_folder(tmp_path, done.id) / "timeline.jsonl").ok
    recorder.attach(done.id)
    recorder.record("incident.status", "late", data={"status": "monitoring"})
    reread = load(tmp_path, done.id)
    assert reread is not None
    assert reread.status == "resolved"
    recorder.record("incident.reopened", "it is back")
    current = open_incident(tmp_path)
    assert current is not None
    assert (current.status, current.resolved_at) == ("investigating", None)


def test_a_second_incident_is_refused_and_of_two_the_later_counts(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    declare(recorder, "SEV2", "first")
    with pytest.raises(TimelineError, match=r"INC-20260301-1 \(first\) is still open"):
        declare(new_recorder(tmp_path), "SEV1", "second")
    assert incident_ids(tmp_path) == ["INC-20260301-1"]
    recorder.attach("INC-20260301-2")
    recorder.record("incident.declared", "by a console that saw no other", data={"title": "second"})
    current = open_incident(tmp_path)
    assert current is not None
    assert current.title == "second"


def test_incident_json_is_a_copy_that_can_be_made_again(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    record = declare(recorder, "SEV2", "x")
    copy = incident_folder(tmp_path, record.id) / "incident.json"
    text = copy.read_text()
    assert json.loads(text)["id"] == record.id
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640
    copy.write_text(text.replace("SEV2", "SEV9").replace('"covers": ', '"covers": 1'))
    assert load(tmp_path, record.id) == record
    copy.unlink()
    assert load(tmp_path, record.id) == record
    copy.write_text("{")
    assert load(tmp_path, record.id) == record
    refresh(tmp_path, record.id)
    assert copy.read_text() == text
    recorder.record("incident.severity", "worse", data={"severity": "SEV1"})
    after = load(tmp_path, record.id)
    assert after is not None
    assert after.severity == "SEV1"
    assert not [path for path in copy.parent.iterdir() if path.name.startswith(".")]


def test_entries_that_tell_nothing_of_the_incident_leave_its_copy_valid(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    record = declare(recorder, "SEV2", "x")
    copy = incident_folder(tmp_path, record.id) / "incident.json"
    copy.write_text(copy.read_text().replace('"x"', '"of the copy"'))
    for number in range(3):
        recorder.record("note", f"{number}")
    found = load(tmp_path, record.id)
    assert found is not None
    assert (found.title, found.entries) == ("of the copy", 4)
    recorder.record("incident.status", "y", data={"status": "monitoring"})
    found = load(tmp_path, record.id)
    assert found is not None
    assert (found.title, found.status, found.entries) == ("x", "monitoring", 5)


def test_a_copy_made_in_the_middle_of_a_line_is_not_used(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    record = declare(recorder, "SEV2", "x")
    copy = incident_folder(tmp_path, record.id) / "incident.json"
    covers = json.loads(copy.read_text())["covers"]
    recorder.record("incident.severity", "worse", data={"severity": "SEV1"})
    copy.write_text(copy.read_text().replace(f'"covers": {covers}', f'"covers": {covers + 20}'))
    found = load(tmp_path, record.id)
    assert found is not None
    assert found.severity == "SEV1"


def test_a_drill_is_marked_for_ever(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    record = declare(recorder, "SEV1", "practice", drill=True)
    assert record.drill
    first = read_timeline(incident_folder(tmp_path, record.id) / "timeline.jsonl").entries[0]
    assert first.text.startswith("DRILL: ")
    recorder.record("correction", "real", corrects=first.id, data={"drill": False})
    recorder.record(
        "incident.declared", "real now", data={"drill": False, "title": "real", "severity": "SEV1"}
    )
    recorder.record("incident.status", "x", data={"status": "monitoring", "drill": False})
    assert resolve(recorder).drill
    assert list_incidents(tmp_path)[0].drill


def test_a_corrected_time_counts(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    record = declare(recorder, "SEV1", "x")
    declared = recorder.entries(record.id)[0]
    recorder.record(
        "correction", declared.text, corrects=declared.id, data={"occurred_at": "2026-03-01T11:30:00.000Z"}
    )
    again = load(tmp_path, record.id)
    assert again is not None
    assert again.declared_at == "2026-03-01T11:30:00.000Z"


def test_a_declaration_that_no_sink_takes_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    recorder = new_recorder(tmp_path / "state")
    with pytest.raises(TimelineError, match="cannot be written"):
        declare(recorder, "SEV1", "x")
    assert recorder.incident is None


def test_an_incident_can_be_declared_into_the_spool_and_goes_home(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    state_dir.write_text("in the way")
    recorder = new_recorder(state_dir, spool=spool)
    one = declare(recorder, "SEV1", "disk gone")
    resolve(recorder)
    two = declare(recorder, "SEV1", "other")
    assert (one.id, two.id) == ("INC-20260301-1", "INC-20260301-2")
    assert recorder.health.state == "degraded"
    current = open_incident(state_dir, spool)
    assert current is not None
    assert current.id == two.id
    state_dir.unlink()
    recorder.check()
    home = load(state_dir, one.id)
    assert home is not None
    assert home.title == "disk gone"
    resolve(recorder)
    assert declare(new_recorder(state_dir, spool=spool), "SEV3", "third").id == "INC-20260301-3"


def test_the_day_is_utc(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path, clock=ManualClock(datetime(2026, 3, 1, 23, 59, tzinfo=UTC)))
    assert declare(recorder, "SEV1", "x").id == "INC-20260301-1"
    assert (recorder.clock.now() + timedelta(minutes=2)).day == 2


def test_nothing_is_derived_from_a_timeline_without_declaration(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    recorder.record("note", "x")
    assert derive("INC-20260301-1", recorder.entries(None)) is None
    (tmp_path / "incidents" / "INC-20260301-1").mkdir(parents=True)
    assert list_incidents(tmp_path) == []
    with pytest.raises(TimelineError, match="no open incident"):
        resolve(recorder)
