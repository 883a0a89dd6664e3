"""An act from its plan to its verdict: what is recorded, refused, unknown, or stands until taken back."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.engine.act import BOARD_NAME, MAX_AGE
from console.engine.ledger import standing
from console.engine.ports import PlanError
from console.mitigations.world import World
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


def test_a_measure_that_is_kept_for_good_names_its_owner(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        return Outcome("done", "ok", undo_action="k8s.scale", undo_params={"replicas": "3"})

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act, temporary=True, undo="scale back to 3"))
        await desk.runner.run(await desk.plan(replicas="10"))
        (measure,) = await desk.runner.ledger()
        await desk.runner.accept(measure, "ana", "the load stays")
        assert await desk.runner.ledger() == ()
        (closed,) = [entry for entry in desk.recorder.entries() if entry.kind == "ledger.closed"]
        assert closed.ref == measure.id and closed.data["owner"] == "ana"
        assert closed.text.startswith("Kept for good, ana owns it (the load stays): Temporary: ")

    asyncio.run(scenario())


def test_a_refused_act_leaves_nothing_on_the_ledger(tmp_path: Path) -> None:
    async def act(_world: World, _plan: Plan) -> Outcome:
        return Outcome("refused", "somebody else was there")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act, temporary=True))
        await desk.runner.run(await desk.plan())
        assert standing(desk.recorder.entries()) == ()

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
