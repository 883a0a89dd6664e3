"""A timeline as a sequence that is read from the disk where somebody looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.timeline import follow
from console.timeline.file import TimelineFile, read_timeline
from console.timeline.follow import Follower
from console.timeline.journal import Joined, Journal
from tests.timeline.helpers import draft


def written(path: Path, count: int, first: int = 0) -> None:
    file = TimelineFile(path)
    for number in range(first, first + count):
        file.append(draft(f"entry {number}"))


def followed(path: Path) -> tuple[Follower, Journal]:
    follower = Follower(path)
    batch = follower.poll()
    journal = follower.journal()
    journal.extend(batch.places)
    return follower, journal


def test_it_holds_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path, 300)
    with path.open("ab") as file:
        file.write(b"no entry\n")
    written(path, 10, first=300)
    follower, journal = followed(path)
    entries = read_timeline(path).entries
    assert len(journal) == len(entries) == 310
    assert tuple(journal) == entries
    assert tuple(reversed(journal)) == entries[::-1]
    assert journal[-4:] == entries[-4:] and journal[5:9] == entries[5:9] and journal[400:] == ()
    assert (journal[0], journal[309], journal[-310]) == (entries[0], entries[309], entries[0])
    for beyond in (310, -311):
        with pytest.raises(IndexError):
            journal[beyond]
    written(path, 3, first=310)
    journal.extend(follower.poll().places)
    assert [entry.text for entry in journal[-4:]] == [f"entry {number}" for number in range(309, 313)]
    follower.close()


def test_what_waits_stands_behind_what_there_was(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path, 3)
    follower, journal = followed(path)
    waiting = (draft("waiting"), draft("too"))
    joined = Joined(journal, waiting)
    expected = (*read_timeline(path).entries, *waiting)
    written(path, 1, first=3)
    journal.extend(follower.poll().places)
    assert len(joined) == 5
    assert tuple(joined) == expected and tuple(reversed(joined)) == expected[::-1]
    assert joined[-3:] == expected[-3:] and (joined[2], joined[3], joined[-1]) == expected[2:5]
    for beyond in (5, -6):
        with pytest.raises(IndexError):
            joined[beyond]
    follower.close()


def test_a_file_that_was_moved_away_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path, 5)
    follower, journal = followed(path)
    path.rename(tmp_path / "old.jsonl")
    written(path, 1, first=99)
    assert follower.poll().restarted
    follower.close()
    assert [entry.text for entry in journal] == [f"entry {number}" for number in range(5)]


def test_an_entry_that_was_changed_under_us_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path, 3)
    follower, journal = followed(path)
    content = path.read_bytes().splitlines(keepends=True)
    with path.open("r+b") as file:
        file.write(content[0] + b"#" * (len(content[1]) - 1) + b"\n")
    assert "can no longer be read" in journal[1].text
    assert journal[2].text == "entry 2"
    os.truncate(path, 10)
    assert "can no longer be read" in list(journal)[2].text
    follower.close()


def test_a_long_file_comes_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_SLICE", 2000)
    path = tmp_path / "t.jsonl"
    written(path, 20)
    TimelineFile(path).append(draft("long", data={"fill": "x" * 5000}))
    written(path, 5, first=20)
    with path.open("ab") as file:
        file.write(b'{"torn')
    follower = Follower(path)
    seen: list[str] = []
    places: list[tuple[int, int]] = []
    polls = 0
    more = True
    while more:
        batch = follower.poll()
        seen += [entry.text for entry in batch.entries]
        places += batch.places
        more = batch.more
        assert batch.torn is not more
        polls += 1
    assert seen == [f"entry {number}" for number in range(20)] + ["long"] + [
        f"entry {number}" for number in range(20, 25)
    ]
    assert polls > 4
    journal = follower.journal()
    journal.extend(places)
    assert [entry.text for entry in journal] == seen
    assert follower.poll() == follow.Batch(torn=True)
    os.truncate(path, 1000)
    assert follower.poll().restarted
    follower.close()
