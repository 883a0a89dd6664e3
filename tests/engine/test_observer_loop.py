"""The loop of the observer: woken by news, not by its own, and going on after a failure."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from console.engine import observer as module
from console.engine.observer import Observer
from console.model.clock import ManualClock
from console.model.signals import detect
from console.model.source import Health
from tests.engine.observing import Console, failing


async def running(watching: Observer, done: Callable[[], bool], act: Callable[[], None]) -> None:
    task = asyncio.create_task(watching.run())
    try:
        await asyncio.sleep(0)
        act()
        async with asyncio.timeout(10):
            while not done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_loop_answers_to_news_and_writes(console: Console, clock: ManualClock) -> None:
    def done() -> bool:
        console.refresh()
        return bool(console.texts)

    def act() -> None:
        console.board.publish("prometheus", failing(clock))

    asyncio.run(running(console.observer, done, act))
    assert console.texts == ["signal: error-ratio-high(shop) 20 % > 5 %"]
    console.board.publish("prometheus", failing(clock, 0.0))  # nobody listens any more
    assert [signal.name for signal in console.observer.signals] == ["error-ratio-high"]


def test_its_own_news_do_not_wake_it(
    console: Console, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.0)
    looks = 0
    look = console.observer.look

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    monkeypatch.setattr(console.observer, "look", counted)
    pauses = 0

    def done() -> bool:
        nonlocal pauses
        pauses += 1
        return pauses > 30

    asyncio.run(running(console.observer, done, lambda: console.board.publish("prometheus", failing(clock))))
    assert looks == 1


def test_a_look_that_fails_is_shown_and_tried_again(
    console: Console, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.01)
    broken = True

    def detect(*_: Any) -> tuple[Any, ...]:
        if broken:
            raise ValueError("nobody foresaw this")
        return ()

    monkeypatch.setattr(module, "detect", detect)

    def health() -> Health | None:
        status = console.board.status("observer")
        return status.health if status else None

    def publish() -> None:
        console.board.publish("prometheus", failing(clock))

    asyncio.run(running(console.observer, lambda: health() is Health.FAILED, publish))
    status = console.board.status("observer")
    assert status is not None and "nobody foresaw this" in status.reason
    broken = False
    asyncio.run(running(console.observer, lambda: health() is Health.OK, publish))


def test_one_loop_does_not_hide_that_the_other_fails(
    console: Console, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.01)
    shown: list[str] = []
    looks = 0
    broken = {"look": False, "write": True}
    record = console.recorder.record

    def look(*given: Any) -> tuple[Any, ...]:
        nonlocal looks
        looks += 1
        if broken["look"]:
            raise ValueError("cannot look")
        return detect(*given)

    def write(*given: Any, **more: Any) -> Any:
        if broken["write"]:
            raise ValueError("cannot write")
        return record(*given, **more)

    def heard(name: str) -> None:
        status = console.board.status("observer")
        if name == "observer" and status is not None:
            shown.append(f"{status.health} {status.reason}")

    monkeypatch.setattr(module, "detect", look)
    monkeypatch.setattr(console.recorder, "record", write)
    console.board.listen(heard)

    def published() -> None:
        console.board.publish("prometheus", failing(clock))

    def looked_again() -> bool:
        published()
        return bool(shown) and looks > 5

    asyncio.run(running(console.observer, looked_again, published))
    assert all(text.startswith("failed") and "cannot write" in text for text in shown), shown

    broken["look"] = True

    def both() -> bool:
        published()
        return "cannot look" in shown[-1] and "cannot write" in shown[-1]

    asyncio.run(running(console.observer, both, published))

    broken["write"] = False

    def only_look() -> bool:
        published()
        return "cannot look" in shown[-1] and "cannot write" not in shown[-1]

    asyncio.run(running(console.observer, only_look, published))
    broken["look"] = False

    def fine() -> bool:
        published()
        return shown[-1].startswith("ok")

    asyncio.run(running(console.observer, fine, published))
