"""The loop never waits for the disk while an act is recorded: a slow disk must not stop the sources."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from console.mitigations.world import World
from console.model.plan import Outcome, Plan
from tests.disk import DiskWatch
from tests.engine.fakes import Desk, Fake
from tests.mitigations.kubernetes.rig import rig, run


async def fail(_world: World, _plan: Plan) -> Outcome:
    raise ZeroDivisionError("never foreseen")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_an_act_and_its_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(temporary=True))
        watch = DiskWatch(monkeypatch)
        await desk.runner.run(await desk.plan())
        assert watch.here == []
        assert any(".lock" in call for call in watch.elsewhere)

    asyncio.run(scenario())


def test_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        (tmp_path / "state").write_text("in the way")
        desk = Desk(tmp_path / "state", Fake())
        watch = DiskWatch(monkeypatch)
        await desk.runner.run(await desk.plan())
        assert watch.here == []

    asyncio.run(scenario())


def test_a_broken_glass_and_a_surprise(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        (tmp_path / "state").write_text("in the way")
        desk = Desk(tmp_path / "state", Fake(fail))
        watch = DiskWatch(monkeypatch)
        await desk.runner.run(await desk.plan(), "fire", break_glass=True)
        assert watch.here == []
        assert any("break-glass" in call for call in watch.elsewhere)
        assert any("crash" in call for call in watch.elsewhere)

    asyncio.run(scenario())


def test_a_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        one, two = Desk(tmp_path, Fake()), Desk(tmp_path, Fake(), "s2")
        plan = await one.plan()
        one.recorder.record("action.intent", "stopped", data={"plan": plan})
        watch = DiskWatch(monkeypatch)
        await two.runner.recover()
        assert watch.here == []
        assert two.kinds() == ["action.intent", "action.result"]

    asyncio.run(scenario())


def test_the_evidence_of_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            watch = DiskWatch(monkeypatch)
            await r.runner.run(plan)
            assert watch.here == []
            for name in ("deployment-shop.json", "pods.json", "events.json"):
                assert any(name in call for call in watch.elsewhere)

    run(scenario())
