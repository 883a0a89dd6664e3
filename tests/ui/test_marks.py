"""What was done stands on the history of the service that it was done for."""

import asyncio
from pathlib import Path

import pytest

from console.engine.live import RecordedTimeline
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import metrics, timeline


def test_deploys_and_mitigations_are_marked_on_their_service() -> None:
    engine = FakeEngine()
    engine.health("prometheus")
    engine.board.publish("prometheus", metrics())

    async def script(ui: Ui) -> None:
        pane = ui.main.panes["errors"]
        glyphs = pane.table.glyphs
        assert glyphs.action not in ui.line("checkout ")
        timeline(engine)
        engine.timeline.add("action.intent", "of another version", at=NOW, target="deployment/checkout")
        pane.reread()
        await ui.settle()
        assert glyphs.action in ui.line("checkout ")
        assert glyphs.action not in ui.line("auth-service ")

    drive(engine, script, (200, 50))


def test_the_mark_of_a_mitigation_stays_when_an_incident_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine = FakeEngine()
    engine.health("prometheus")
    engine.board.publish("prometheus", metrics())
    engine.timeline = record = RecordedTimeline(tmp_path / "state", engine.clock)
    target = {"kind": "Deployment", "name": "checkout"}
    intent = record.recorder.record("action.intent", "Restart checkout", data={"target": target})
    record.recorder.record("action.result", "Restart checkout: done", ref=intent.id)
    record.refresh()

    async def script(ui: Ui) -> None:
        glyph = ui.main.panes["errors"].table.glyphs.action
        assert glyph in ui.line("checkout ")
        await asyncio.to_thread(asyncio.run, record.declare(2, "slow"))
        record.refresh()
        await ui.wait(10)
        assert record.incident is not None and glyph in ui.line("checkout ")

    drive(engine, script, (200, 50))
