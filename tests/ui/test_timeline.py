"""The timeline pane: its cursor, what a line says of an entry, and the page of one."""

from __future__ import annotations

import msgspec

from console.timeline.entry import format_time
from console.ui.screens.pages import PageScreen
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, START, FakeEngine

PLAN = "Roll back deployment/checkout to revision 41"


def rolled_back() -> FakeEngine:
    engine = FakeEngine()
    add = engine.timeline.add
    intent = add("action.intent", f"{PLAN} in prod: bad release", at=NOW - 60)
    outcome = {"status": "done", "detail": "accepted"}
    add("action.result", f"{PLAN}: accepted", at=NOW - 50, ref=intent.id, outcome=outcome)
    verdict = {"status": "no_change", "detail": "28 % before, 27 % after [b]now[/b]", "evidence": ["a", "b"]}
    text = f"{PLAN}: no change. " + "28 % before, 27 % after. " * 6
    add("action.verdict", text, at=NOW - 40, ref=intent.id, verdict=verdict)
    return engine


def test_what_came_of_an_action_stands_first() -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.settle()
        assert f"result       ana      done: {PLAN[:20]}" in ui.text()
        assert f"verdict      ana      no change: {PLAN[:20]}" in ui.text()
        await ui.press("/", *"change", "enter")
        assert "done: " not in ui.text() and "no change: " in ui.text()

    drive(rolled_back(), script, (80, 24))


def test_enter_opens_the_whole_entry_under_the_cursor() -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.settle()
        assert ui.line("verdict ").startswith("▌14:29:20")
        await ui.press("enter")
        await ui.settle()
        assert ui.on(PageScreen)
        for part in (
            "action.verdict",
            "2026-03-01 14:29:20Z",
            "ana@ops1 (operator)",
            "no_change",
            "28 % before, 27 % after [b]now[/b]",
        ):
            assert part in ui.text(), part
        assert " ".join(ui.text().split()).count("27 % after.") == 6
        await ui.press("escape", "up", "up", "enter")
        await ui.settle()
        assert "bad release" in ui.text() and "action.intent" in ui.text()

    drive(rolled_back(), script, (80, 24))


def test_the_cursor_stays_on_its_entry_and_the_last_line_follows() -> None:
    engine = rolled_back()

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.settle()
        await ui.press("up")
        assert ui.line("result ").startswith("▌") and "scrolled" in ui.text()
        engine.timeline.add("note", "later")
        await ui.settle()
        assert ui.line("result ").startswith("▌") and "1 new below" in ui.text()
        await ui.press("down", "down")
        assert ui.line("later").startswith("▌") and "below" not in ui.text()
        engine.timeline.add("note", "the last")
        await ui.settle()
        assert ui.line("the last").startswith("▌")
        ui.main.focus_pane("pods")
        await ui.settle()

    drive(engine, script, (80, 24))


def test_nothing_can_be_opened_where_nothing_is_recorded() -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.press("up", "enter")
        assert ui.at_home and "There is nothing to open here." in ui.text()

    drive(FakeEngine(), script, (80, 24))


def test_an_entry_of_another_day_shows_its_date() -> None:
    engine = FakeEngine()
    for kind, days in (("escalation", 365), ("note", 1), ("note", 0)):
        engine.timeline.add(kind, f"{days} days ago", at=NOW - days * 86400)

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.settle()
        assert ui.line("365 days ago").startswith(" 03-01 14:30 escalation ana      365 days ago")
        assert ui.line(" 1 days ago").startswith(" 02-28 14:30 note       ana      1 days ago")
        assert ui.line(" 0 days ago").startswith("▌14:30:00  note         ana      0 days ago")
        await ui.wait(10 * 3600)
        assert ui.line(" 0 days ago").startswith("▌03-01 14:30 note       ana      0 days ago")

    drive(engine, script, (80, 24))


def test_the_mark_of_what_was_recorded_later_is_explained_on_its_page() -> None:
    engine = FakeEngine()
    entry = engine.timeline.add("note", "seen before", at=NOW - 125)
    engine.timeline.entries = (msgspec.structs.replace(entry, ts=format_time(START)),)

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("timeline")
        await ui.settle()
        assert ui.line("seen before").startswith("▌14:27:55* note")
        await ui.press("enter")
        await ui.settle()
        assert "2026-03-01 14:27:55Z" in ui.line("happened")
        assert "14:30:00Z, 2m after it happened: the * in the timeline" in ui.line("recorded")

    drive(engine, script, (80, 24))
