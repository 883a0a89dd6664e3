"""A second place that is damaged: it stops no entry of a sound timeline, and is said."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.timeline.entry import TimelineError
from console.timeline.file import read_timeline
from console.timeline.folder import incident_ids
from console.timeline.recorder import walk_entries
from tests.timeline.helpers import INC, block, light, new_recorder


def damage(spool: Path, how: str) -> str:
    """Put something in the place of the spool file that is none; gives the path that a sentence names."""
    path = spool / "standby.jsonl"
    if how == "no folder":
        spool.write_text("in the way")
        return str(path)
    spool.mkdir()
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        (spool / "elsewhere").write_text("")
        path.symlink_to(spool / "elsewhere")
    return str(path)


@pytest.mark.parametrize("how", ["folder", "link", "pipe", "no folder"])
def test_a_damaged_second_place_stops_no_entry_and_is_said(tmp_path: Path, how: str) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    recorder = new_recorder(state_dir, spool=spool)
    recorder.record("note", "one")
    path = damage(spool, how)
    recorder.record("note", "two")
    for health in (recorder.health, recorder.check()):
        assert health.state == "degraded"
        assert health.reason.startswith(f"The second place for entries, {path}, cannot be read: ")
    assert [entry.text for entry in read_timeline(state_dir / "standby.jsonl").entries] == ["one", "two"]
    assert [entry.text for entry in walk_entries(state_dir, None, spool)] == ["one", "two"]
    recorder.attach(INC)
    recorder.record("note", "of the incident")
    assert light(recorder) == ("degraded" if how == "no folder" else "ok")
    assert recorder.check().state == "degraded"


def test_a_damaged_second_place_hides_no_timeline_that_cannot_be_read(tmp_path: Path) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    block(state_dir)
    damage(spool, "folder")
    with pytest.raises(TimelineError, match="Nor does the second place take it"):
        new_recorder(state_dir, spool=spool).record("note", "x")
    with pytest.raises(TimelineError, match=f"The timeline {state_dir}/standby.jsonl cannot be read"):
        list(walk_entries(state_dir, None, spool))


def test_a_second_place_that_cannot_be_listed_hides_no_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir, spool = tmp_path / "state", tmp_path / "spool"
    recorder = new_recorder(state_dir, spool=spool)
    recorder.attach(INC)
    recorder.record("note", "one")
    spool.mkdir()
    real = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == spool:
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert incident_ids(state_dir, spool) == [INC]
    assert recorder.check().state == "ok"
