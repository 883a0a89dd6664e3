"""Names and texts of others never become markup, clicks or control sequences."""

from __future__ import annotations

import re

from console.model.kube import Event
from console.model.logs import LogLine
from console.model.metrics import Alert, AlertsSnapshot, Silence
from console.model.source import Health
from tests.ui.cluster import kubernetes, pod, snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import backend, everything, postgres

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


def hostile_engine() -> FakeEngine:
    """Every nasty text in every place that others can write."""
    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    numbered = list(enumerate(NASTY))
    bad = [workload(text, 1, uid=f"w{n}", why=text, sick=True, severity=9) for n, text in numbered]
    pods = [
        pod(bad[n], 0, uid=f"p{n}-{k}", name=f"{text}{k or ''}", reason=text, why=text)
        for n, text in numbered
        for k in range(2)
    ]
    events = {f"e{n}": Event(f"e{n}", "shop", f"Pod/{text}", text, text, 2, NOW - n) for n, text in numbered}
    engine.board.publish("kubernetes:prod", snapshot(bad, pods, context=NASTY[2], events=events))
    alerts = tuple(Alert(f"f{n}", text, "active", text, text, NOW - n) for n, text in numbered)
    quiet = tuple(
        Alert(f"q{n}", text, "suppressed", text, text, NOW - n, (), (f"s{n}",)) for n, text in numbered
    )
    silences = {f"s{n}": Silence(f"s{n}", text, text, NOW, NOW + n) for n, text in numbered}
    engine.board.publish("alertmanager", AlertsSnapshot(NOW, alerts + quiet, silences))
    sessions = tuple(backend(n, query=text, application=text, user=text) for n, text in numbered)
    engine.board.publish("postgres:main", postgres(backends=sessions, notes=NASTY))
    for _, text in numbered:
        engine.timeline.add("note", text, user=text)
    engine.health("redis:main", Health.FAILED, reason=" ".join(NASTY), advice=NASTY[3])
    return engine


def test_nasty_text_stays_text_everywhere() -> None:
    engine = hostile_engine()

    async def script(ui: Ui) -> None:
        pages = {"console": ui.text()}
        for key in ("3", "5", "7", "1"):
            await ui.press(key, "z")
            await ui.settle()
            pages[key] = ui.text()
            await ui.press("z")
        for key in ("e", "s", "m", "r", "l"):
            await ui.press(key)
            await ui.settle()
            if key == "l":
                engine.feeds[-1].put([LogLine(NOW, text, text, text) for text in NASTY])
                await ui.settle()
            pages[key] = ui.text()
            await ui.press("escape")
            await ui.settle()
            assert ui.at_home, key
        for page, text in pages.items():
            assert not CONTROL.search(text.replace("\n", "")), page
        for text in NASTY:
            if not CONTROL.search(text):
                for page in ("3", "5", "7", "1", "l"):
                    assert text in pages[page], (text, page)

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
