"""The engine's own tasks: one that fails says so, and goes on after a pause."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
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


class Kept:
    """A source that runs until it is cancelled and notes when it was made."""

    def __init__(self, name: str, made: list[str], events: dict[str, threading.Event]) -> None:
        self.name = name
        made.append(name)
        self._begun = events[name]

    async def run(self, _publisher: Publisher) -> None:
        self._begun.set()
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("answer", ["snapshot", "failure", "nothing"])
def test_the_other_sources_are_loaded_when_the_first_is_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    made: list[str] = []
    begun = {name: threading.Event() for name in ("first", "second")}
    monkeypatch.setattr(engine_module, "_ALONE_SECONDS", 60 if answer != "nothing" else 0.05)
    monkeypatch.setattr(
        engine_module,
        "factories",
        lambda _config: [(name, lambda name, *_: Kept(name, made, begun)) for name in begun],
    )
    engine.start()
    assert begun["first"].wait(20)
    if answer == "snapshot":
        assert made == ["first"]
        engine.submit(_call(lambda: engine.board.publish("first", "something"))).result(20)
    elif answer == "failure":
        assert made == ["first"]
        failed = SourceStatus("first", Health.FAILED, 0.0, reason="refused")
        engine.submit(_call(lambda: engine.board.report(failed))).result(20)
    assert begun["second"].wait(20)


async def _call(what: Callable[[], None]) -> None:
    what()
