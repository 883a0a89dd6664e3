"""What the timeline tests share: drafts, recorders on a manual clock, writer processes."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from console.model.clock import ManualClock
from console.timeline.entry import Entry
from console.timeline.identity import Identity
from console.timeline.recorder import Recorder

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INC = "INC-20260301-1"
ALICE = Identity(user="alice", host="bastion", session="s1", origin={"pid": 1})

# Appends N notes of one writer and prints each text once it is on the disk.
WRITER = """
import sys
from pathlib import Path
from console.model.clock import SystemClock
from console.timeline.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), SystemClock(), lock_timeout=60)
for number in range(int(sys.argv[3])):
    text = f"{sys.argv[2]}-{number}"
    recorder.record("note", text, data={"fill": "x" * (number % 7 * 1500)})
    print(text, flush=True)
"""


def draft(text: str = "hello", **changes: Any) -> Entry:
    """An entry that was not written yet."""
    entry = Entry(
        seq=0,
        id="",
        ts="2026-03-01T12:00:00.000Z",
        occurred_at="2026-03-01T12:00:00.000Z",
        incident=None,
        user="alice",
        host="bastion",
        session="s1",
        kind="note",
        source="operator",
        text=text,
        data={},
        prev="",
        hash="",
    )
    return msgspec.structs.replace(entry, **changes)


def new_recorder(state_dir: Path, **options: Any) -> Recorder:
    """A recorder of alice's on a manual clock."""
    return Recorder(
        state_dir, options.pop("clock", ManualClock(START)), options.pop("identity", ALICE), **options
    )


def start_writer(state_dir: Path, name: str, count: int) -> "subprocess.Popen[str]":
    """Start a process that appends `count` notes to the standby record."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(state_dir), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def light(recorder: Recorder) -> str:
    return recorder.health.state


def block(state_dir: Path) -> None:
    """Make the state folder unusable, for root as for anybody: a file stands in its place."""
    if state_dir.exists():
        state_dir.rename(state_dir.with_name("aside"))
    state_dir.write_text("in the way")


def unblock(state_dir: Path) -> None:
    state_dir.unlink()
    aside = state_dir.with_name("aside")
    if aside.exists():
        aside.rename(state_dir)
