"""Names and texts of others never become markup, clicks or control sequences."""

from __future__ import annotations

import re

import pytest

from console.model.kube import Event
from console.model.logs import LogLine
from console.model.metrics import Alert, AlertsSnapshot
from console.model.postgres import PostgresSnapshot
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import backend, everything, kubernetes, pod, postgres, snapshot, workload

NASTY = (
    "[/",
    "[/foo]",
    "[@click=app.quit]x[/]",
    "[bold red]x",
    "[ERROR] boom",
    "[type=x, v={'a[0]'}]",
    "\x1b]52;c;aGk=\x07copy",
    "\x1b[2Jclear",
    "\x9b31mred",
    "\x1bcreset",
    "a\u202egnp.exe",
    "zero\u200bwidth",
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202e]")


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_stays_text_in_every_pane(text: str) -> None:
    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    bad = workload(text, 1, uid="w", why=text, sick=True, severity=9)
    one = pod(bad, 0, name=text, reason=text, why=text)
    event = Event("e", "shop", bad.key, text, text, 2, NOW, NOW)
    engine.board.publish("kubernetes:prod", snapshot([bad], [one], context=text, events={"e": event}))
    engine.board.publish("alertmanager", AlertsSnapshot(NOW, (Alert("f", text, "active", text, text, NOW),)))
    shot: PostgresSnapshot = postgres(backends=(backend(1, query=text, application=text),), notes=(text,))
    engine.board.publish("postgres:main", shot)
    engine.timeline.add("note", text, user=text)
    engine.health("redis:main", reason=text)

    async def script(ui: Ui) -> None:
        seen = ui.text()
        for key in ("3", "5", "7", "1"):
            await ui.press(key)
            await ui.settle()
            seen += ui.text()
        for key in ("e", "s", "m", "r", "l"):
            await ui.press(key)
            await ui.settle()
            if key == "l":
                engine.feeds[-1].put([LogLine(NOW, text, text, text)])
                await ui.settle()
            seen += ui.text()
            await ui.press("escape")
            await ui.settle()
            assert ui.at_home
        shown = "".join(line for line in seen.split("\n"))
        assert not CONTROL.search(shown)
        if not CONTROL.search(text):
            assert text in shown

    drive(engine, script, (200, 50))


def test_no_click_action_comes_from_data() -> None:
    engine = everything(FakeEngine())
    bad = workload("[@click=app.quit]x[/]", 1)
    engine.board.publish("kubernetes:prod", snapshot([bad], []))

    async def script(ui: Ui) -> None:
        await ui.wait(1)
        for strip in (ui.main.pane.table.render_line(y) for y in range(5)):
            assert all(not (segment.style and segment.style.meta) for segment in strip)

    drive(engine, script)


def test_the_names_of_the_scene_are_not_hurt_by_the_guard() -> None:
    engine = everything(FakeEngine())
    engine.board.publish("kubernetes:prod", kubernetes())

    async def script(ui: Ui) -> None:
        assert "\ufffd" not in ui.text()

    drive(engine, script)
