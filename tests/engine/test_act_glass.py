"""Acts that cannot be recorded: refused, unless the glass is broken."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

import pytest

from console.mitigations.world import World
from console.model.plan import Outcome, Plan
from tests.engine.fakes import Desk, Fake


def full_disk(state: Path) -> None:
    """A timeline on a disk without room."""
    state.mkdir(parents=True, exist_ok=True)
    (state / "standby.jsonl").symlink_to("/dev/full")


def test_without_a_record_nothing_is_done(tmp_path: Path) -> None:
    async def scenario() -> None:
        full_disk(tmp_path)
        desk = Desk(tmp_path, Fake())

        done = await desk.runner.run(await desk.plan())

        assert done.outcome is not None
        assert done.outcome.status == "refused"
        assert "nothing was done" in done.outcome.detail
        assert desk.fake.executed == []

    asyncio.run(scenario())


def test_breaking_the_glass_acts_says_so_and_writes_to_a_second_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
        (tmp_path / "state" / "standby.jsonl").mkdir(parents=True)
        desk = Desk(tmp_path / "state", Fake())

        done = await desk.runner.run(await desk.plan(), "fire", break_glass=True)

        assert done.outcome is not None
        assert done.outcome.status == "done"
        assert done.unrecorded
        assert "BREAK GLASS" in done.text
        lines = (elsewhere / f"warroom-break-glass-{os.getuid()}.jsonl").read_text().splitlines()
        assert json.loads(lines[0])["data"]["reason"] == "fire"
        kinds = [json.loads(line)["kind"] for line in lines]
        assert kinds == ["action.intent", "action.result", "action.verdict"]

    asyncio.run(scenario())


@pytest.mark.parametrize("spare", [True, False])
def test_breaking_the_glass_is_not_held_up_by_evidence_and_tells_what_to_write_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: bool
) -> None:
    """A full disk takes neither record nor evidence; the temporary folder takes both or is full too."""

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod.log", b"last words")
        return Outcome("done", f"missing: {world.missing}")

    async def scenario() -> None:
        state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
        state.write_text("in the way")
        if spare:
            elsewhere.mkdir()
        else:
            elsewhere.write_text("in the way")
        monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
        desk = Desk(state, Fake(act))

        done = await desk.runner.run(await desk.plan(), "fire", break_glass=True)

        assert done.outcome is not None and done.outcome.status == "done", done
        assert ("missing: []" in done.outcome.detail) is spare
        written = done.by_hand.splitlines()
        assert any(line.startswith("who       kim on desk") for line in written)
        assert "why       fire" in written
        assert "command   kubectl scale" in written
        assert "verdict   helped: It helped." in written
        assert sum(line.startswith("evidence") for line in written) == spare
        if spare:
            file = elsewhere / f"warroom-break-glass-{os.getuid()}.jsonl"
            kinds = [json.loads(line)["kind"] for line in file.read_text().splitlines()]
            assert kinds == ["action.intent", "evidence", "action.result", "action.verdict"]
            (log,) = elsewhere.rglob("pod.log")
            assert log.read_text() == "last words"
        else:
            assert "NOT RECORDED ANYWHERE" in done.text

    asyncio.run(scenario())


def test_what_is_recorded_needs_not_be_written_down(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        done = await desk.runner.run(await desk.plan(), "fire", break_glass=True)
        assert done.by_hand == ""
        assert not done.unrecorded
        assert desk.kinds() == ["action.intent", "action.result", "action.verdict"]

    asyncio.run(scenario())


@pytest.mark.parametrize("whole", [True, False])
def test_what_the_second_place_takes_is_recorded_and_needs_no_glass_broken(
    tmp_path: Path, whole: bool
) -> None:
    """The state folder takes nothing: all of it, or each of the places in it."""

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod.log", b"last words")
        return Outcome("done", f"missing: {world.missing}")

    async def scenario() -> None:
        state, spool = tmp_path / "state", tmp_path / "spool"
        if whole:
            state.write_text("in the way")
        else:
            (state / "standby.jsonl").mkdir(parents=True)
            (state / "locks").write_text("in the way")
            (state / "evidence").write_text("in the way")
        desk = Desk(state, Fake(act), spool=spool)

        done = await desk.runner.run(await desk.plan(), "fire")

        assert done.outcome is not None and done.outcome.status == "done", done
        assert done.outcome.detail == "missing: []"
        assert not done.unrecorded and not done.by_hand
        lines = (spool / "standby.jsonl").read_text().splitlines()
        kinds = [json.loads(line)["kind"] for line in lines]
        assert kinds == ["action.intent", "evidence", "action.result", "action.verdict"]
        (log,) = spool.rglob("pod.log")
        assert log.read_text() == "last words"
        assert list(spool.glob("locks/*.lock"))

    asyncio.run(scenario())
