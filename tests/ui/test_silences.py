"""A silenced alert says who silenced it, until when and why: in its row, in its details, on its page."""

import pytest

from console.model.metrics import AlertsSnapshot, Silence
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import alerts, everything


def scene(*silences: Silence, failed: str = "") -> FakeEngine:
    engine = everything(FakeEngine())
    shot = alerts()
    quiet = shot.alerts[-1]
    assert quiet.silenced_by == ("s1",)
    engine.board.publish(
        "alertmanager",
        AlertsSnapshot(NOW, shot.alerts, {one.id: one for one in silences}, failed),
    )
    return engine


def silence(left: float, comment: str = "disk is moved tonight", by: str = "ana") -> Silence:
    return Silence("s1", by, comment, NOW - 3600, NOW + left)


async def at_the_silenced(ui: Ui) -> None:
    """The alerts pane alone, the cursor on the silenced alert."""
    ui.main.focus_pane("alerts")
    await ui.press("z", "end", "up")
    await ui.settle()


def line(ui: Ui, part: str) -> str:
    return next((text for text in ui.grid() if part in text), "")


def test_row_and_details_say_who_until_when_and_why() -> None:
    async def script(ui: Ui) -> None:
        await at_the_silenced(ui)
        assert "1h32m left (until 16:02Z) by ana: disk is moved tonight" in line(ui, "· DiskFilling")
        assert "1h32m left (until 16:02Z) by ana: disk is moved tonight" in ui.grid()[-2]
        assert "ends in" not in "".join(ui.grid()[:3])

    drive(scene(silence(5520)), script, (160, 40))


def test_enter_opens_the_alert_which_follows_the_silence() -> None:
    engine = scene(silence(5520))

    async def script(ui: Ui) -> None:
        await at_the_silenced(ui)
        await ui.press("enter")
        await ui.settle()
        assert "ana" in line(ui, "Silenced by") and "disk is moved tonight" in line(ui, "Comment")
        assert "16:02Z, 1h32m left" in line(ui, "Until")
        shot = alerts()
        engine.board.publish("alertmanager", AlertsSnapshot(NOW, shot.alerts, {"s1": silence(600)}))
        await ui.wait(60)
        assert "14:40Z, ends in 9m" in line(ui, "Until")

    drive(engine, script)


def test_a_silence_that_soon_ends_is_worth_a_word() -> None:
    async def script(ui: Ui) -> None:
        await at_the_silenced(ui)
        assert "1 silenced  a silence ends in 14m" in line(ui, "ALERTS")
        assert "ends in 14m (until 14:44Z) by ana" in line(ui, "· DiskFilling")
        await ui.wait(14 * 60)
        assert "ended (until 14:44Z) by ana" in line(ui, "· DiskFilling")

    drive(scene(silence(14 * 60)), script, (160, 40))


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (
            "Alertmanager refuses with status 403",
            "by whom cannot be read: Alertmanager refuses with status 403",
        ),
        ("", "by whom is not known"),
    ],
)
def test_what_is_not_known_of_a_silence_is_said(failed: str, said: str) -> None:
    async def script(ui: Ui) -> None:
        await at_the_silenced(ui)
        assert said in line(ui, "· DiskFilling") and f"silenced {said}" in ui.grid()[-2]

    drive(scene(failed=failed), script, (200, 40))


def test_a_silence_of_weeks_has_a_date_and_is_found_by_its_comment() -> None:
    async def script(ui: Ui) -> None:
        await at_the_silenced(ui)
        assert "42d left (until 2026-04-12 14:30Z) by ana" in line(ui, "· DiskFilling")
        await ui.press("slash", *"tonight", "enter")
        await ui.settle()
        assert "DiskFilling" in line(ui, "· DiskFilling") and not line(ui, "ErrorRatioHigh  ")

    drive(scene(silence(42 * 86400)), script, (160, 40))
