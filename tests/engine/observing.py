"""A console of the observer's tests: a real board, real timeline files, and a clock that the test moves."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.engine import scribe
from console.engine.board import Board
from console.engine.observer import Observer
from console.engine.record import WatchedTimeline
from console.model.clock import ManualClock
from console.timeline.entry import Entry, Kind, TimelineError
from console.timeline.identity import Identity
from console.timeline.recorder import Recorder
from tests.model.board import KUBE, NOW, prometheus, service


class AtOnce(random.Random):
    """No waiting where a console would wait a random moment."""

    def random(self) -> float:
        return 0.0


class Console:
    """One console on a state folder: board, recorder, follower and observer."""

    def __init__(self, folder: Path, clock: ManualClock, session: str = "one") -> None:
        self.clock = clock
        self.board = Board()
        self.timeline = WatchedTimeline(folder, clock)
        self.recorder = Recorder(folder, clock, Identity("ann", "host", session))
        self.observer = Observer(
            self.board, self.record, clock, known=lambda: self.timeline.known, rng=AtOnce()
        )
        self.refusing = False

    def record(self, kind: Kind, text: str, **more: Any) -> Entry:
        if self.refusing:
            raise TimelineError("The disk is full; make room.")
        return self.recorder.record(kind, text, **more)

    def round(self, *, passed: float = 1.0, **snapshots: Any) -> None:
        """Publish, let time pass, look and write, as the loop does."""
        for name, snapshot in snapshots.items():
            self.board.publish({"kube": KUBE}.get(name, name), snapshot)
        self.clock.advance(passed)
        self.refresh()
        self.observer.look()
        try:
            asyncio.run(self.observer.write())
        finally:
            self.refresh()

    def refresh(self) -> None:
        self.timeline.refresh()
        incident = self.timeline.incident
        self.recorder.attach(incident.id if incident else None)

    @property
    def texts(self) -> list[str]:
        """The automatic entries, without the time in their text."""
        return [
            f"{entry.kind}: {entry.text.partition(' since ')[0]}"
            for entry in self.timeline.entries
            if entry.kind in ("signal", "change")
        ]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.fromtimestamp(NOW, UTC))


@pytest.fixture
def console(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Consoles here take turns by themselves; only the one test that is about it waits."""
    monkeypatch.setattr(scribe, "FOLLOWER_DELAY", 0.0)
    return Console(tmp_path, clock)


def failing(clock: ManualClock, ratio: float = 0.2) -> Any:
    return prometheus(service(ratio=ratio), at=clock.now().timestamp())
