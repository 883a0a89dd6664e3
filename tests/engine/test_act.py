import asyncio
import base64
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.engine.act import BOARD_NAME, MAX_AGE
from console.engine.ledger import standing
from console.engine.ports import PlanError
from console.mitigations.world import EVIDENCE_LIMIT, World
from console.model.plan import Outcome, Plan
from tests.engine.fakes import SOURCE, TARGET, Desk, Fake


def test_the_intent_is_on_the_disk_before_anything_is_done(tmp_path: Path) -> None:
    seen: list[str] = []

    async def act(_world: World, _plan: Plan) -> Outcome:
        seen.extend((tmp_path / "standby.jsonl").read_text().splitlines())
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        plan = await desk.plan(replicas="5")
        done = await desk.runner.run(plan, "too slow")

        intent = json.loads(seen[-1])
        assert intent["kind"] == "action.intent"
        assert intent["data"]["digest"] == plan.digest
        assert intent["data"]["reason"] == "too slow"
        assert intent["data"]["command"] == "kubectl scale"
        assert intent["data"]["plan"]["target"]["uid"] == "uid-1"
        assert intent["data"]["target"]["kind"] == plan.target.kind
        assert intent["data"]["target"]["name"] == plan.target.name
        assert intent["data"]["audit_id"]
        assert desk.kinds() == ["action.intent", "action.result", "action.verdict"]
        assert {entry.ref for entry in desk.recorder.entries()[1:]} == {intent["id"]}
        assert done.verdict is not None
        assert desk.recorder.open_intents() == []

    asyncio.run(scenario())


def test_the_audit_id_of_the_intent_is_the_one_that_is_sent(tmp_path: Path) -> None:
    sent: list[str] = []

    async def act(world: World, _plan: Plan) -> Outcome:
        sent.append(world.audit_id)
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())
        assert [desk.recorder.entries()[0].data["audit_id"]] == sent

    asyncio.run(scenario())


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


def test_a_no_is_recorded(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        await desk.runner.cancel(await desk.plan(), "wrong cluster")

        (entry,) = desk.recorder.entries()
        assert entry.kind == "action.cancelled"
        assert "wrong cluster" in entry.text
        assert desk.fake.executed == []

    asyncio.run(scenario())


@pytest.mark.parametrize("change", [{"refusal": "The budget forbids it."}, {"made_at": 1000.0 - MAX_AGE}])
def test_a_plan_that_is_refused_or_too_old_is_not_carried_out(tmp_path: Path, change: dict[str, Any]) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(**change))

        done = await desk.runner.run(await desk.plan())

        assert done.outcome is not None
        assert done.outcome.status == "refused"
        assert desk.fake.executed == []
        assert desk.kinds() == ["action.refused"]

    asyncio.run(scenario())


def test_two_consoles_do_not_act_on_one_target_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        running, go_on = asyncio.Event(), asyncio.Event()

        async def act(_world: World, _plan: Plan) -> Outcome:
            running.set()
            await go_on.wait()
            return Outcome("done", "ok")

        one, two = Desk(tmp_path, Fake(act)), Desk(tmp_path, Fake(), "s2")
        first = asyncio.create_task(one.runner.run(await one.plan()))
        await running.wait()

        refused = await two.runner.run(await two.plan())
        assert refused.outcome is not None
        assert refused.outcome.status == "refused"
        assert "kim@desk (Scale deployment/shop) is acting on deployment/shop" in refused.outcome.detail
        assert two.fake.executed == []

        go_on.set()
        assert (await first).stage == "finished"
        again = await two.runner.run(await two.plan())
        assert again.outcome is not None
        assert again.outcome.status == "done"

    asyncio.run(scenario())


def test_a_surprise_in_the_middle_is_an_unknown_outcome_with_a_result(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        raise ZeroDivisionError("never foreseen")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))

        done = await desk.runner.run(await desk.plan())

        assert done.outcome is not None
        assert done.outcome.status == "unknown"
        assert "action.result" in desk.kinds()

    asyncio.run(scenario())


def test_a_plan_error_in_the_middle_is_a_refusal(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        raise PlanError("The context is gone.")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        done = await desk.runner.run(await desk.plan())
        assert done.outcome is not None
        assert done.outcome.status == "refused"
        assert desk.kinds() == ["action.intent", "action.refused"]

    asyncio.run(scenario())


def test_being_stopped_in_the_middle_leaves_a_result_that_says_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        running = asyncio.Event()

        async def act(_world: World, _plan: Plan) -> Outcome:
            running.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        desk = Desk(tmp_path, Fake(act))
        task = asyncio.create_task(desk.runner.run(await desk.plan()))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert desk.kinds() == ["action.intent", "action.result"]
        assert desk.recorder.entries()[1].data["outcome"]["status"] == "unknown"

    asyncio.run(scenario())


def test_progress_is_published_newest_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        stages: list[str] = []
        desk = Desk(tmp_path, Fake())
        desk.board.listen(lambda _name: stages.append(desk.runner.progress[0].stage))
        first = await desk.runner.run(await desk.plan())
        second = await desk.runner.run(await desk.plan(replicas="2"))

        assert desk.runner.progress == (second, first)
        assert desk.board.snapshot(BOARD_NAME) == desk.runner.progress
        assert list(dict.fromkeys(stages)) == ["evidence", "executing", "verifying", "finished"]

    asyncio.run(scenario())


def test_a_temporary_measure_stands_until_it_is_taken_back(tmp_path: Path) -> None:
    async def act(_world: World, plan: Plan) -> Outcome:
        back = {"replicas": "3", "expect": plan.params["replicas"]}
        return Outcome("done", "ok", undo_action="k8s.scale", undo_params=back)

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act, temporary=True, undo="scale back to 3"))
        await desk.runner.run(await desk.plan(replicas="10"))

        (measure,) = standing(desk.recorder.entries())
        assert measure.undo_params["replicas"] == "3"
        assert measure.source == SOURCE
        assert measure.target == TARGET
        assert "scale back to 3" in measure.text

        await desk.runner.run(await desk.plan(replicas="3"))

        assert standing(desk.recorder.entries()) == ()

    asyncio.run(scenario())


def test_a_measure_outlives_its_incident_and_is_taken_back_after_it(tmp_path: Path) -> None:
    async def act(_world: World, plan: Plan) -> Outcome:
        return Outcome("done", "ok", undo_action="k8s.scale", undo_params={"replicas": "3"})

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act, temporary=True, undo="scale back to 3"))
        desk.recorder.attach("INC-20260301-1")
        await desk.runner.run(await desk.plan(replicas="10"))
        desk.recorder.attach(None)

        (measure,) = await desk.runner.ledger()
        assert (measure.target, measure.undo_params) == (TARGET, {"replicas": "3"})

        await desk.runner.run(await desk.plan(replicas="3"))

        assert await desk.runner.ledger() == ()

    asyncio.run(scenario())


def test_a_refused_act_leaves_nothing_on_the_ledger(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        return Outcome("refused", "somebody else was there")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act, temporary=True))
        await desk.runner.run(await desk.plan())
        assert standing(desk.recorder.entries()) == ()

    asyncio.run(scenario())


def test_evidence_is_redacted_summed_and_never_overwritten(tmp_path: Path) -> None:
    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod/../a.log", b"DB_PASSWORD=hunter2hunter2\n\x1b[31mred")
        world.save_evidence("pod/../a.log", b"second")
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        first, second = (Path(file["path"]) for file in entry.data["files"])
        assert first.parent.parent == tmp_path / "evidence"
        assert first != second
        assert "hunter2" not in first.read_text()
        assert "\x1b" not in first.read_text()
        assert second.read_text() == "second"
        sums = (first.parent / "SHA256SUMS").read_text()
        assert f"{entry.data['files'][0]['sha256']}  {first.name}" in sums

    asyncio.run(scenario())


def test_the_rest_of_a_private_key_at_the_beginning_of_evidence_is_redacted(tmp_path: Path) -> None:
    key = base64.encodebytes(random.Random(1).randbytes(1_190)).split()
    log = b"".join(
        b"2026-03-01T12:00:00.000000000Z %s\n" % line for line in (*key, b"-----END PRIVATE KEY-----")
    )

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod.log", log[45:] + b"ready\n")
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        saved = Path(entry.data["files"][0]["path"]).read_bytes()
        assert not [line for line in key if line[14:26] in saved]
        assert saved.endswith(b"-----END PRIVATE KEY-----\nready\n")
        assert saved.count(b"2026-03-01T12:00:00.000000000Z REDACTED\n") == len(key) - 1

    asyncio.run(scenario())


def test_of_too_much_evidence_the_end_is_kept_and_no_secret_without_its_name(tmp_path: Path) -> None:
    secret = b"hunter2" * 500
    lines = b"".join(b"line %07d\n" % number for number in range(500_000))
    long = b"x" * 9_000_000 + b" password=" + secret + b" " + b"y" * (1_000_000 - 1000) + b" the end"

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("many.log", lines)
        world.save_evidence("long.log", long, limit=1_000_000, before=5)
        world.save_evidence("short.log", b"first\nlast", limit=1_000_000)
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        many, whole, short = (Path(file["path"]).read_text() for file in entry.data["files"])
        head, _, rest = many.partition("\n")
        assert rest.endswith("line 0499999\n")
        assert head == f"[cut by warroom: at least {len(lines) - len(rest)} bytes before this]"
        assert len(rest) == EVIDENCE_LIMIT
        head, _, rest = whole.partition("\n")
        assert rest.endswith("y the end") and len(rest) <= 1_000_000
        assert "hunter2" not in rest
        assert 9_000_000 < int(head.split()[5]) < 9_100_000
        assert short == "first\nlast"

    asyncio.run(scenario())


def test_an_unknown_system_or_action_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        with pytest.raises(PlanError, match="kubernetes:other"):
            await desk.runner.plan("k8s.scale", TARGET, {}, source="kubernetes:other")

    asyncio.run(scenario())


def test_the_plan_that_ran_is_the_plan_that_was_shown(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        plan = await desk.plan(replicas="5")
        await desk.runner.run(plan)
        recorded = msgspec.convert(desk.recorder.entries()[0].data["plan"], Plan)
        assert recorded.digest == plan.digest

    asyncio.run(scenario())
