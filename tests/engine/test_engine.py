"""The engine's own tasks: one that fails says so, and goes on after a pause."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.config import Config
from console.engine import engine as engine_module
from console.engine.engine import Engine
from console.engine.known import Known
from console.model.clock import ManualClock
from console.model.source import Health, SourceStatus
from console.sources.base import Publisher
from console.timeline.recorder import Recorder
from tests.services import eventually


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(engine_module, "_RETRY_AFTER", 0.05)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = Engine(Config(), clock, tmp_path, "watch")
    yield made
    made.stop()


def test_a_record_that_cannot_be_followed_says_so_and_is_read_again(
    engine: Engine, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, clock)
    recorder.record("note", "before")
    with monkeypatch.context() as patch:
        patch.setattr(Known, "take", lambda *_: dict[str, str]()["unforeseen"])
        recorder.record("signal", "odd")
        engine.start()
        eventually(lambda: engine.timeline.health == "failed", "the light is red")
        assert engine.timeline.reason.startswith("an unexpected error: KeyError: 'unforeseen'")
        recorder.record("note", "meanwhile")
        assert engine.timeline.health == "failed"
    eventually(lambda: engine.timeline.health == "ok", "the light is green")
    assert [entry.text for entry in engine.timeline.entries] == ["before", "odd", "meanwhile"]
    recorder.record("note", "after")
    eventually(lambda: len(engine.timeline.entries) == 4, "it is followed")


def test_an_entry_of_odd_data_stops_nothing(engine: Engine, tmp_path: Path, clock: ManualClock) -> None:
    recorder = Recorder(tmp_path, clock)
    recorder.record("signal", "odd", data={"phases": {"k": ["x"]}})
    engine.start()
    recorder.record("note", "after")
    eventually(lambda: len(engine.timeline.entries) == 2, "it is followed")
    assert engine.timeline.health == "ok"


def test_a_task_beside_the_sources_that_fails_says_so_and_goes_on(engine: Engine) -> None:
    seen: list[Health] = []
    done = threading.Event()

    async def task() -> None:
        if not seen:
            raise RuntimeError("unforeseen")
        done.set()

    def heard(name: str) -> None:
        status = engine.board.status(name)
        if name == "sinks" and status is not None:
            seen.append(status.health)

    engine.board.listen(heard)
    engine.attach(task, "sinks")
    engine.start()
    assert done.wait(20)
    assert seen == [Health.FAILED, Health.OK]
    status = engine.board.status("sinks")
    assert status is not None and not status.reason


def test_an_error_that_no_task_handles_is_a_status(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise KeyError("unforeseen")

    async def schedule() -> None:
        asyncio.get_running_loop().call_soon(broken)

    engine.submit(schedule()).result(20)
    eventually(lambda: engine.board.status("background"), "the status")
    status = engine.board.status("background")
    assert status is not None and status.health is Health.LIMITED and "KeyError" in status.reason
    assert capfd.readouterr().err == ""


class Idle:
    """A source that runs until it is cancelled."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, _publisher: Publisher) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


NAMES = ("kubernetes:a", "kubernetes:b", "prometheus", "http")


@pytest.mark.parametrize("answer", ["snapshot", "failure", "nothing"])
def test_on_a_screen_the_other_sources_are_loaded_once_the_first_cluster_is_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    made: list[tuple[str, bool]] = []
    clusters, everything = threading.Event(), threading.Event()
    shown = False

    def make(name: str, *_: object) -> Idle:
        made.append((name, shown))
        if len(made) == 2:
            clusters.set()
        if len(made) == len(NAMES):
            everything.set()
        return Idle(name)

    monkeypatch.setattr(engine_module, "_FIRST_SECONDS", 0.01 if answer == "nothing" else 60)
    monkeypatch.setattr(engine_module, "factories", lambda _config: [(name, make) for name in NAMES])
    engine.shown = True
    engine.start()
    assert clusters.wait(20)
    if answer != "nothing":
        shown = True
        engine.submit(_tell(engine, "kubernetes:a", answer)).result(20)
    assert everything.wait(20)
    later = answer != "nothing"
    assert made == [(name, later and not name.startswith("kubernetes:")) for name in NAMES]


async def _tell(engine: Engine, name: str, answer: str) -> None:
    if answer == "snapshot":
        engine.board.publish(name, "something")
    else:
        engine.board.report(SourceStatus(name, Health.FAILED, 0.0, reason="refused"))


def test_where_there_is_no_screen_no_source_waits(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    everything = threading.Event()

    def make(name: str, *_: object) -> Idle:
        made.append(name)
        if len(made) == len(NAMES):
            everything.set()
        return Idle(name)

    monkeypatch.setattr(engine_module, "_FIRST_SECONDS", 60)
    monkeypatch.setattr(engine_module, "factories", lambda _config: [(name, make) for name in NAMES])
    engine.start()
    assert everything.wait(20)
    assert made == list(NAMES)
