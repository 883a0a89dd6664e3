"""What was done stands on the history of the service that it was done for."""

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
