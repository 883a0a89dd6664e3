"""An act whose task is cancelled, at every point of its life: what was sent has its end in the record."""

import asyncio
import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.engine.act import ActionRunner
from console.engine.ledger import standing
from console.engine.target_lock import TargetLock
from console.mitigations.world import World
from console.model.plan import Outcome, Plan, Verdict
from console.timeline.entry import Entry
from tests.engine.fakes import SOURCE, TARGET, Desk, Fake


class Held:
    """A record that keeps entries of one kind waiting for the disk until ``go_on``."""

    def __init__(self, desk: Desk, kind: str) -> None:
        self.reached, self.go_on = asyncio.Event(), threading.Event()
        self._loop, self._kind, self._record = asyncio.get_running_loop(), kind, desk.recorder.record
        desk.recorder.record = self.record  # type: ignore[method-assign]

    def record(self, kind: Any, text: str, **more: Any) -> Entry:
        if kind == self._kind:
            self._loop.call_soon_threadsafe(self.reached.set)
            assert self.go_on.wait(10)
        return self._record(kind, text, **more)


async def forever(*_: object) -> Any:
    await asyncio.Event().wait()


def temporary(act: Callable[..., Any]) -> Fake:
    return Fake(act, temporary=True, undo="scale back")


async def save(world: World, _plan: Plan) -> Outcome:
    world.save_evidence("pod.log", b"last words")
    return Outcome("done", "It is done.", undo_action="k8s.scale", undo_params={"replicas": "3"})


async def cancelled(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


def free(state: Path) -> None:
    TargetLock(state, SOURCE, TARGET, "next").release()


@pytest.mark.parametrize("kind", ["evidence", "action.result", "ledger.opened"])
def test_while_the_result_is_recorded(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, temporary(save))
        held = Held(desk, kind)
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await held.reached.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        other = Desk(tmp_path, Fake(), "s2")
        await other.runner.recover()
        assert other.runner.progress == (), "the target is held until the record is complete"
        held.go_on.set()
        await cancelled(task)

        assert desk.kinds() == [
            "action.intent",
            "evidence",
            "action.result",
            "ledger.opened",
            "action.verdict",
        ]
        result, verdict = desk.recorder.entries()[2], desk.recorder.entries()[-1]
        assert result.data["outcome"]["status"] == "done"
        assert verdict.data["verdict"]["status"] == "inconclusive"
        (measure,) = standing(desk.recorder.entries())
        assert measure.undo_params == {"replicas": "3"}
        (progress,) = desk.runner.progress
        assert progress.stage == "finished"
        assert progress.text.startswith("It is done.") and "before it could be verified" in progress.text
        free(tmp_path)

    asyncio.run(scenario())


def test_while_it_is_verified(tmp_path: Path) -> None:
    class Slow(Fake):
        async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
            verifying.set()
            await forever()
            raise AssertionError("unreachable")

    async def scenario() -> None:
        desk = Desk(tmp_path, Slow())
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await verifying.wait()
        task.cancel()
        await cancelled(task)

        assert desk.kinds() == ["action.intent", "action.result", "action.verdict"]
        assert desk.recorder.entries()[-1].data["verdict"]["status"] == "inconclusive"
        assert desk.runner.progress[0].stage == "finished"
        free(tmp_path)

    verifying = asyncio.Event()
    asyncio.run(scenario())


def test_while_the_verdict_is_recorded(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        held = Held(desk, "action.verdict")
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await held.reached.wait()
        task.cancel()
        held.go_on.set()
        await cancelled(task)

        assert desk.kinds() == ["action.intent", "action.result", "action.verdict"]
        assert desk.recorder.entries()[-1].data["verdict"]["status"] == "helped"
        assert desk.runner.progress[0].text == "It is done. It helped."

    asyncio.run(scenario())


def test_in_the_middle_of_what_no_timeline_took_it_is_told_what_to_write_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        acting.set()
        await forever()
        raise AssertionError("unreachable")

    async def scenario() -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        (tmp_path / "state").write_text("in the way")
        desk = Desk(tmp_path / "state", Fake(act))
        task = asyncio.create_task(desk.runner.run(await desk.plan(), "fire", break_glass=True))
        await acting.wait()
        task.cancel()
        await cancelled(task)

        (progress,) = desk.runner.progress
        assert "outcome   unknown: Outcome unknown: stopped" in progress.by_hand
        assert "BREAK GLASS" in progress.text
        (second,) = tmp_path.glob("warroom-break-glass-*")
        kinds = [json.loads(line)["kind"] for line in second.read_text().splitlines()]
        assert kinds == ["action.intent", "action.result"]

    acting = asyncio.Event()
    asyncio.run(scenario())


def test_in_the_middle_of_a_temporary_one(tmp_path: Path) -> None:
    async def act(world: World, plan: Plan) -> Outcome:
        await save(world, plan)
        acting.set()
        await forever()
        raise AssertionError("unreachable")

    async def scenario() -> None:
        desk = Desk(tmp_path, temporary(act))
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await acting.wait()
        task.cancel()
        await cancelled(task)

        assert desk.kinds() == ["action.intent", "evidence", "action.result", "ledger.opened"]
        assert desk.recorder.entries()[2].data["outcome"]["status"] == "unknown"
        (measure,) = standing(desk.recorder.entries())
        assert "outcome unknown" in measure.text
        (progress,) = desk.runner.progress
        assert progress.stage == "finished"
        assert progress.outcome is not None and progress.outcome.status == "unknown"
        assert "Outcome unknown" in progress.text
        free(tmp_path)

    acting = asyncio.Event()
    asyncio.run(scenario())


def test_a_temporary_one_that_fails_in_a_way_nobody_foresaw_stands_on_the_ledger(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        raise ZeroDivisionError("never foreseen")

    async def scenario() -> None:
        desk = Desk(tmp_path, temporary(act))
        await desk.runner.run(await desk.plan())
        (measure,) = standing(desk.recorder.entries())
        assert "outcome unknown" in measure.text

    asyncio.run(scenario())


def test_a_temporary_one_of_a_console_that_ended_stands_on_the_ledger(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = Desk(tmp_path, temporary(save)), Desk(tmp_path, Fake(), "s2")
        one.recorder.record("action.intent", "stopped", data={"plan": await one.plan()})
        await two.runner.recover()
        await two.runner.recover()
        assert one.kinds() == ["action.intent", "action.result", "ledger.opened"]
        (measure,) = standing(one.recorder.entries())
        assert "outcome unknown" in measure.text and "scale back" in measure.text
        assert (measure.source, measure.target) == (SOURCE, TARGET)

    asyncio.run(scenario())


def test_while_the_intent_is_recorded_nothing_is_done(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        held = Held(desk, "action.intent")
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await held.reached.wait()
        task.cancel()
        held.go_on.set()
        await cancelled(task)

        assert desk.fake.executed == []
        assert desk.kinds() == ["action.intent", "action.cancelled"]
        assert desk.recorder.open_intents() == []
        (progress,) = desk.runner.progress
        assert (progress.stage, progress.text) == ("finished", "Stopped before anything was done.")
        free(tmp_path)

    asyncio.run(scenario())


def test_when_the_loop_ends_the_result_is_recorded_all_the_same(tmp_path: Path) -> None:
    """The loop of a console that is quit cancels whatever still runs on it."""
    runners: list[ActionRunner] = []

    async def scenario() -> None:
        desk = Desk(tmp_path, temporary(save))
        runners.append(desk.runner)
        held = Held(desk, "action.result")
        running.append(asyncio.create_task(desk.runner.run(await desk.plan())))
        await held.reached.wait()
        asyncio.get_running_loop().call_later(0.05, held.go_on.set)

    running: list[asyncio.Task[Any]] = []
    asyncio.run(scenario())
    kinds = Desk(tmp_path, Fake()).kinds()
    assert kinds == ["action.intent", "evidence", "action.result", "ledger.opened", "action.verdict"]
    assert runners[0].progress[0].stage == "finished"
