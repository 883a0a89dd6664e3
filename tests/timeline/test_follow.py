import errno
import os
from pathlib import Path

import pytest

from console.timeline.entry import TimelineError
from console.timeline.file import TimelineFile
from console.timeline.follow import Batch, Follower
from tests.timeline.helpers import draft, start_writer


def texts(batch: Batch) -> list[str]:
    return [entry.text for entry in batch.entries]


def test_appends_of_others_arrive_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    follower = Follower(path)
    assert follower.poll() == Batch(missing=True)
    writer = TimelineFile(path)
    writer.append(draft("one"))
    assert texts(follower.poll()) == ["one"]
    assert follower.poll() == Batch()
    writer.append(draft("two"))
    TimelineFile(path).append(draft("three"))
    assert texts(follower.poll()) == ["two", "three"]
    follower.close()
    assert texts(follower.poll()) == ["one", "two", "three"]
    follower.close()


def test_nothing_is_missed_or_doubled_while_others_write(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "standby.jsonl")
    writers = [start_writer(tmp_path, f"w{n}", 60) for n in range(3)]
    seen: list[int] = []
    while any(writer.poll() is None for writer in writers):
        seen += [entry.seq for entry in follower.poll().entries]
    seen += [entry.seq for entry in follower.poll().entries]
    for writer in writers:
        writer.communicate()
    assert seen == list(range(1, 181))
    follower.close()


def test_a_torn_tail_waits_and_a_bad_line_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    line = path.read_bytes()
    follower = Follower(path)
    path.write_bytes(line[:50])
    batch = follower.poll()
    assert (texts(batch), batch.torn) == ([], True)
    assert follower.poll().torn
    with path.open("ab") as file:
        file.write(line[50:])
    batch = follower.poll()
    assert (texts(batch), batch.torn) == (["one"], False)
    with path.open("ab") as file:
        file.write(b'{"torn')
    TimelineFile(path).append(draft("two"))
    batch = follower.poll()
    assert texts(batch) == ["two"]
    assert [bad.line for bad in batch.bad] == [2]
    follower.close()


def test_rotation_and_truncation_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    writer = TimelineFile(path)
    for number in range(5):
        writer.append(draft(f"old {number}"))
    follower = Follower(path)
    assert len(follower.poll().entries) == 5
    writer.append(draft("last"))
    path.rename(tmp_path / "old.jsonl")
    batch = follower.poll()
    assert (texts(batch), batch.missing, batch.restarted) == (["last"], True, None)
    TimelineFile(path).append(draft("new"))
    batch = follower.poll()
    assert texts(batch) == ["new"]
    assert batch.restarted is not None
    assert "replaced" in batch.restarted
    line = path.read_bytes()
    TimelineFile(path).append(draft("newer"))
    assert texts(follower.poll()) == ["newer"]
    path.write_bytes(line)
    batch = follower.poll()
    assert texts(batch) == ["new"]
    assert batch.restarted is not None
    assert "was cut" in batch.restarted
    follower.close()


def test_a_file_that_is_out_of_reach_for_a_while_is_gone_on_with(tmp_path: Path) -> None:
    state, away = tmp_path / "state", tmp_path / "away"
    path = state / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    follower = Follower(path)
    assert texts(follower.poll()) == ["one"]
    state.rename(away)
    state.write_text("in the way")
    for _ in range(2):
        with pytest.raises(TimelineError, match="cannot be read"):
            follower.poll()
    state.unlink()
    away.rename(state)
    assert follower.poll() == Batch()
    TimelineFile(path).append(draft("two"))
    batch = follower.poll()
    assert (texts(batch), batch.restarted) == (["two"], None)
    follower.close()


def test_after_a_disk_error_the_file_is_read_anew_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    follower = Follower(path)
    assert texts(follower.poll()) == ["one"]
    TimelineFile(path).append(draft("two"))

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", broken)
        for _ in range(2):
            with pytest.raises(TimelineError, match="input/output error"):
                follower.poll()
    batch = follower.poll()
    assert texts(batch) == ["one", "two"]
    assert batch.restarted == f"{path} could not be read for a while (input/output error)"
    assert follower.poll() == Batch()
    follower.close()


def test_a_file_that_was_replaced_while_it_could_not_be_opened_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    follower = Follower(path)
    assert texts(follower.poll()) == ["one"]
    path.rename(tmp_path / "old.jsonl")
    TimelineFile(path).append(draft("new"))

    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        with pytest.raises(TimelineError, match="permission denied"):
            follower.poll()
    batch = follower.poll()
    assert texts(batch) == ["new"]
    assert batch.restarted is not None and "replaced" in batch.restarted
    follower.close()


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").mkdir()
    follower = Follower(tmp_path / "t.jsonl")
    with pytest.raises(TimelineError, match="cannot be read: is a directory"):
        follower.poll()
