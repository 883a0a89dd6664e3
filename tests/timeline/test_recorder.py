import json
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.model.clock import ManualClock
from console.timeline.chain import verify
from console.timeline.entry import Entry, TimelineError
from console.timeline.file import TimelineFile, read_timeline
from console.timeline.identity import Identity, current_identity
from console.timeline.recorder import Recorder, walk_entries
from tests.timeline.helpers import ALICE, INC, START, block, light, new_recorder, unblock

SECRET = "Tr0ub4dor" + "And3"


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_entry_says_who_when_where_and_what(tmp_path: Path) -> None:
    clock = ManualClock(START)
    recorder = new_recorder(tmp_path, clock=clock)
    clock.advance(1.5)
    earlier = START - timedelta(minutes=5)
    recorder.attach(INC)
    entry = recorder.record("note", "seen", data={"n": 1}, occurred_at=earlier)
    line = json.loads((tmp_path / "incidents" / INC / "timeline.jsonl").read_text())
    assert line["ts"] == "2026-03-01T12:00:01.500Z"
    assert line["occurred_at"] == "2026-03-01T11:55:00.000Z"
    assert (line["incident"], line["user"], line["host"], line["session"]) == (INC, "alice", "bastion", "s1")
    assert (line["kind"], line["source"], line["text"], line["seq"]) == ("note", "operator", "seen", 1)
    assert line["data"] == {"n": 1, "origin": {"pid": 1, "monotonic": 1.5}}
    assert line["id"] == entry.id
    assert recorder.record("note", "again").data == {}


def test_without_an_incident_entries_stand_by(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    recorder.record("signal", "quiet", source="system")
    assert [entry.incident for entry in read_timeline(tmp_path / "standby.jsonl").entries] == [None]


@pytest.mark.parametrize("name", ["../../etc", "INC-1-1", "", "INC-20260301-1/../x"])
def test_an_incident_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(TimelineError, match="not the id of an incident"):
        new_recorder(tmp_path).attach(name)


def test_no_secret_and_no_control_character_reaches_the_disk(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    recorder.record(
        "note",
        f"\x1b[31mpass\x1b[0mword={SECRET} \u202eevil postgres://u:{SECRET}@db/x",
        data={
            "argv": ["psql", "--password", SECRET, f"postgres://u:{SECRET}@db/x"],
            "token": SECRET,
            "env": [{"name": "DB_PASSWORD", "value": SECRET}],
            "out\x1b]0;x\x07": b"\x9b2Jbytes \xff",
            "clipped": "x" * 16_370 + f" postgres://user:{SECRET}@db/x " + "y" * 50_000,
        },
    )
    data = on_disk(tmp_path)
    assert SECRET.encode() not in data
    assert b"evil" in data
    text = data.decode()
    assert not any(ord(char) < 32 and char != "\n" for char in text)
    assert not any(char in text for char in ("\x1b", "\\u001b", "\u202e", "\x9b", "\x7f"))


def test_invalid_utf8_and_ten_megabytes_are_taken_and_cut(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    entry = recorder.record("evidence", "log", data={"out": b"\xff\xfe ok " + b"z" * 10_000_000})
    assert entry.data["out"].startswith("\ufffd\ufffd ok zzz")
    assert entry.data["out"].endswith("… (cut; 10,000,006 in all)")
    entry = recorder.record("note", "t" * 10_000_000)
    assert entry.text.endswith("… (cut; 10,000,000 in all)")
    assert (
        recorder.record("note", "many", data={str(n): "w" * 9000 for n in range(100)})
        .data["0"]
        .startswith("www")
    )
    assert (
        "omitted"
        in recorder.record("note", "too many", data={"x" * 250 + str(n): n for n in range(5000)}).data
    )
    assert max(map(len, (tmp_path / "standby.jsonl").read_bytes().splitlines())) < 300_000
    assert verify(tmp_path / "standby.jsonl").ok


def test_any_value_becomes_json(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"d": deep}
    data = {
        "when": START,
        "path": tmp_path,
        "set": {"b", "a"},
        "tuple": (1, 2),
        "nan": float("nan"),
        "big": 2**80,
        "deep": deep,
        5: "five",
        "struct": Identity("a", "b", "c"),
        "none": None,
        "surrogate": "\ud800",
    }
    entry = new_recorder(tmp_path).record("note", "x", data=data)  # type: ignore[arg-type]
    assert entry.data["when"] == "2026-03-01T12:00:00.000Z"
    assert entry.data["set"] == ["a", "b"]
    assert (entry.data["nan"], entry.data["big"], entry.data["5"]) == ("nan", str(2**80), "five")
    assert entry.data["struct"]["user"] == "a"
    assert read_timeline(tmp_path / "standby.jsonl").entries == (entry,)


def test_a_clock_that_steps_back_keeps_the_order(tmp_path: Path) -> None:
    clock = ManualClock(START)
    recorder = new_recorder(tmp_path, clock=clock)
    for step in (0, -3600, 7200, -86_400, 0):
        clock.step(step)
        recorder.record("note", str(step))
    other = new_recorder(tmp_path, clock=ManualClock(START - timedelta(days=30)))
    other.record("note", "other")
    entries = read_timeline(tmp_path / "standby.jsonl").entries
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert [entry.id for entry in entries] == sorted({entry.id for entry in entries})
    assert entries[1].ts < entries[0].ts
    assert verify(tmp_path / "standby.jsonl").ok


def test_threads_share_a_recorder(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [recorder.record("note", f"{n}-{i}") for i in range(50)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.text for entry in read_timeline(tmp_path / "standby.jsonl").entries}) == 400
    assert verify(tmp_path / "standby.jsonl").ok


def test_without_a_sink_nothing_is_recorded_and_the_caller_knows(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    recorder = new_recorder(state_dir)
    assert recorder.check().state == "ok"
    block(state_dir)
    with pytest.raises(TimelineError, match="cannot be written"):
        recorder.record("action.intent", "restart")
    assert light(recorder) == "failed"
    assert str(state_dir) in recorder.health.reason
    unblock(state_dir)
    recorder.record("action.intent", "restart")
    assert light(recorder) == "ok"


def test_both_sinks_failing_is_a_refusal(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    block(state_dir)
    block(spool)
    recorder = new_recorder(state_dir, spool=spool)
    with pytest.raises(TimelineError, match="Nor does the second place take it"):
        recorder.record("note", "x")
    assert light(recorder) == "failed"
    assert recorder.check().state == "failed"


def test_the_spool_takes_over_and_its_entries_go_home(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    recorder = new_recorder(state_dir, spool=spool)
    recorder.record("note", "before")
    block(state_dir)
    assert recorder.check().state == "degraded"
    intent = recorder.record("action.intent", f"restart token={SECRET}")
    recorder.record("note", "meanwhile")
    assert light(recorder) == "degraded"
    assert "cannot be written" in recorder.health.reason
    assert [entry.text for entry in read_timeline(spool / "standby.jsonl").entries][1] == "meanwhile"
    unblock(state_dir)
    assert [entry.text for entry in walk_entries(state_dir, None, spool)][-1] == "meanwhile"
    result = recorder.record("action.result", "done", ref=intent.id)
    assert light(recorder) == "ok"
    entries = read_timeline(state_dir / "standby.jsonl").entries
    assert [entry.text for entry in entries] == ["before", "restart token=REDACTED", "meanwhile", "done"]
    assert entries[1].id == intent.id
    assert entries[1].ts == intent.ts
    assert result.ref == intent.id
    assert verify(state_dir / "standby.jsonl").ok
    assert not (spool / "standby.jsonl").exists()
    assert [path.suffix for path in spool.iterdir()] == [".merged"]
    assert SECRET.encode() not in on_disk(tmp_path)


def test_a_spool_of_a_console_that_died_goes_home_with_the_next_one(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    block(state_dir)
    intent = new_recorder(state_dir, spool=spool).record("action.intent", "restart")
    unblock(state_dir)
    second = new_recorder(state_dir, spool=spool)
    assert [entry.id for entry in second.open_intents()] == [intent.id]
    second.record("note", "next")
    assert [entry.text for entry in read_timeline(state_dir / "standby.jsonl").entries] == ["restart", "next"]


def test_a_check_brings_home_what_waits_for_any_timeline(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    block(state_dir)
    recorder = new_recorder(state_dir, spool=spool)
    recorder.attach(INC)
    recorder.record("note", "from the incident")
    unblock(state_dir)
    assert new_recorder(state_dir, spool=spool).check().state == "ok"
    path = state_dir / "incidents" / INC / "timeline.jsonl"
    assert [entry.text for entry in read_timeline(path).entries] == ["from the incident"]
    assert verify(path).ok


def test_an_entry_that_both_sinks_hold_goes_home_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    recorder = new_recorder(state_dir, spool=spool)

    def lose_the_answer(self: TimelineFile, draft: Entry, *, keep_id: bool = False) -> Entry:
        entry = real(self, draft, keep_id=keep_id)
        if self.path.parent == state_dir:
            raise TimelineError("The disk did not confirm.")
        return entry

    real = TimelineFile.append
    with monkeypatch.context() as patch:
        patch.setattr(TimelineFile, "append", lose_the_answer)
        recorder.record("note", "once")
    recorder.record("note", "then")
    assert [entry.text for entry in read_timeline(state_dir / "standby.jsonl").entries] == ["once", "then"]


def test_break_glass_never_refuses_and_is_written_later(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    recorder = new_recorder(state_dir)
    block(state_dir)
    held = recorder.record_break_glass("action.intent", "restart unrecorded")
    assert (held.seq, recorder.held) == (0, (held,))
    with pytest.raises(TimelineError):
        recorder.record("note", "still nothing")
    unblock(state_dir)
    recorder.record("action.result", "done", ref=held.id)
    entries = read_timeline(state_dir / "standby.jsonl").entries
    assert [(entry.text, entry.data.get("break_glass")) for entry in entries] == [
        ("restart unrecorded", True),
        ("done", None),
    ]
    assert (entries[0].id, recorder.held, recorder.open_intents()) == (held.id, (), [])


def test_an_intent_without_result_is_an_unknown_outcome(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    recorder.attach(INC)
    done = recorder.record("action.intent", "one")
    recorder.record("action.result", "ok", ref=done.id)
    lost = recorder.record("action.intent", "two")
    again = new_recorder(tmp_path)
    again.attach(INC)
    assert [entry.id for entry in again.open_intents()] == [lost.id]
    again.attach(None)
    again.record("action.result", "checked: it had run", ref=lost.id)
    again.attach(INC)
    assert again.open_intents() == []
    assert [entry.text for entry in again.entries(INC)][-1] == "checked: it had run"
    assert again.entries(None) == []


def test_a_result_stands_beside_its_intent_though_the_incident_changed(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    intent = recorder.record("action.intent", "restart")
    recorder.attach(INC)
    assert recorder.record("action.result", "ok", ref=intent.id).incident is None
    assert recorder.record("note", "x").incident == INC


def test_a_correction_names_what_it_corrects(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    note = recorder.record("note", "14 pods")
    recorder.record("correction", "4 pods", corrects=note.id)
    with pytest.raises(TimelineError, match="names the entry"):
        recorder.record("correction", "4 pods")
    with pytest.raises(TimelineError, match="only a correction"):
        recorder.record("note", "4 pods", corrects=note.id)


def test_the_person_is_named_under_sudo_and_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    environ = {"SUDO_USER": "bob\x1b[31m", "SSH_CONNECTION": "10.0.0.9 50000 10.0.0.1 22"}
    identity = current_identity(environ)
    assert identity.user == "bob"
    assert identity.origin["account"] == "root"
    assert (identity.origin["sudo_user"], identity.origin["ssh_client"]) == ("bob", "10.0.0.9")
    assert current_identity({}).user == "root"
    assert current_identity({}).session != identity.session
    monkeypatch.setattr("os.getuid", lambda: 3_999_999_999)
    assert current_identity(environ).user == "uid-3999999999"


def test_a_state_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    recorder = Recorder(state_dir, ManualClock(START), ALICE)
    recorder.record("note", "one")
    shutil.rmtree(state_dir)
    assert recorder.record("note", "two").seq == 1
