"""What is on the screen, cell by cell, in three sizes and in the states that matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.config import Config
from console.model.source import Health
from console.model.strict import convert
from tests.ui.cluster import snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import everything, redis

Same = Callable[[str, list[str]], None]


@pytest.mark.parametrize("size", [(200, 50), (120, 40), (80, 24)])
def test_console(size: tuple[int, int], same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        same_text(f"console-{size[0]}x{size[1]}", ui.grid())

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script, size)


@pytest.mark.parametrize("pane", ["pods", "errors", "database", "cache", "alerts", "suggestions", "timeline"])
def test_every_pane_alone(pane: str, same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane(pane)
        await ui.settle()
        same_text(f"pane-{pane}-80x24", ui.grid())

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script, (80, 24))


def test_zoomed_errors_draw_a_chart(same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press("2", "z")
        await ui.settle()
        same_text("errors-zoomed-120x40", ui.grid())

    drive(everything(FakeEngine()), script)


def test_zoomed_database_shows_statements(same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press("3", "z")
        await ui.settle()
        same_text("database-zoomed-120x40", ui.grid())

    drive(everything(FakeEngine()), script)


def test_nothing_configured_says_how(same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        same_text("nothing-120x40", ui.grid())

    drive(FakeEngine(), script)


def test_everything_failed_keeps_old_data(same_text: Same) -> None:
    engine = everything(FakeEngine())
    engine.timeline.health = "failed"
    engine.timeline.reason = "disk full on /var"
    for name in list(engine.board.statuses):
        engine.health(
            name,
            Health.FAILED,
            reason="connection refused",
            advice="Check the network.",
            since=NOW - 1669,
            last_ok=NOW - 1670,
        )

    async def script(ui: Ui) -> None:
        same_text("failed-120x40", ui.grid())

    drive(engine, script)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_that_the_record_changed_stays_until_it_was_read(size: tuple[int, int]) -> None:
    engine = everything(FakeEngine())
    said = "The record changed under us at 14:02:11Z: standby.jsonl was replaced by another file."
    engine.timeline.changed = engine.timeline.reason = said
    engine.timeline.health = "degraded"

    async def script(ui: Ui) -> None:
        for key in ("down", "2", "r", "escape", "3"):
            await ui.press(key)
            await ui.wait(60)
            assert "RECORD CHANGED, see Sources" in ui.text()
        await ui.press("s")
        await ui.settle()
        assert said in " ".join(ui.text().replace("│", " ").split())
        await ui.press("escape")
        await ui.settle()
        assert "RECORD CHANGED" not in ui.text()
        assert engine.timeline.changed == ""

    drive(engine, script, size=size)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_a_failed_pane_keeps_name_and_filter_and_cuts_the_reason(size: tuple[int, int]) -> None:
    engine = everything(FakeEngine())
    for name in list(engine.board.statuses):
        reason = f"{name} cannot be reached: " + "no route to host " * 10
        engine.health(name, Health.FAILED, reason=reason, since=NOW - 1669)

    async def script(ui: Ui) -> None:
        for name, pane in ui.main.panes.items():
            ui.main.focus_pane(name)
            pane.set_filter("c")
            await ui.settle()
            title = "".join(text for text, _ in pane.heading.lines[0])
            assert name.upper() in title and "/c" in title
            if pane.trouble():
                assert "✗ FAILED" in title and " old" in title and "…" in title

    drive(engine, script, size)


def test_every_failed_source_of_a_pane_keeps_its_state_in_the_title() -> None:
    engine = everything(FakeEngine())
    for name in ("postgres:main", "postgres:replica"):
        reason = "the server does not answer " * 10
        engine.health(name, Health.FAILED, reason=reason, since=NOW - 1669, last_ok=None)

    async def script(ui: Ui) -> None:
        await ui.press("3", "z")
        await ui.settle()
        title = ui.line("DATABASE")
        assert "main ✗ FAILED since 14:02:11: the ser" in title
        assert "replica ✗ FAILED since 14:02:11: the ser" in title

    drive(engine, script)


@pytest.mark.parametrize(("key", "name"), [("question_mark", "help"), ("s", "sources"), ("m", "menu")])
def test_pages(key: str, name: str, same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press(key)
        await ui.settle()
        same_text(f"{name}-120x40", ui.grid())

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script)


@pytest.mark.parametrize(("key", "name"), [("h", "history"), ("d", "describe"), ("e", "events")])
def test_pages_of_a_row(key: str, name: str, same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press(key)
        await ui.settle()
        same_text(f"{name}-120x40", ui.grid())

    drive(everything(FakeEngine()), script)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_confirm(size: tuple[int, int], same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press("r")
        await ui.settle()
        same_text(f"confirm-{size[0]}x{size[1]}", ui.grid())

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script, size)


def test_the_same_picture_whatever_the_theme() -> None:
    grids: list[list[str]] = []

    async def script(ui: Ui) -> None:
        grids.append(ui.grid())

    for theme in ("warroom-dark", "warroom-light", "warroom-contrast"):
        drive(everything(FakeEngine(convert({"screen": {"theme": theme}}, Config))), script)
    assert grids[0] == grids[1] == grids[2]


def test_an_unknown_theme_is_said() -> None:
    async def script(ui: Ui) -> None:
        assert "There is no theme neon; there are warroom-dark, warroom-light" in ui.text()

    drive(everything(FakeEngine(convert({"screen": {"theme": "neon"}}, Config))), script)


def test_panes_that_are_not_seen_say_on_their_tab_that_something_is_wrong() -> None:
    engine = everything(FakeEngine())
    engine.health("redis:main", Health.FAILED, reason="no answer", since=NOW - 9)

    async def script(ui: Ui) -> None:
        tabs = " 1 pods  2 errors✗ 3 database! 4 cache✗ 5 alerts  6 suggestions  7 timeline"
        assert ui.line("1 pods").rstrip() == tabs
        engine.health("redis:main")
        await ui.settle()
        assert "4 cache  5" in ui.line("1 pods")

    drive(engine, script, (80, 24))


def test_the_advice_in_an_empty_pane_is_read_to_its_end() -> None:
    engine = FakeEngine(convert({"postgres": [{"dsn": "host=db"}]}, Config))
    advice = "it hangs or the network is cut; look at the server's own log and its load"
    engine.health("postgres:main", Health.FAILED, reason="x" * 60, advice=advice, last_ok=None)

    async def script(ui: Ui) -> None:
        pane = ui.main.panes["database"]
        assert pane.size.width < len(advice)
        assert "it hangs or" in ui.text() and "its load" in ui.text()

    drive(engine, script)


def test_the_reason_comes_before_the_count_where_there_is_little_room() -> None:
    engine = FakeEngine()
    why = "4 of 4 pods: app: CrashLoopBackOff after OOMKilled"
    sick = workload("storefront", sick=True, severity=99, why=why)
    engine.health("kubernetes:prod")
    engine.board.publish("kubernetes:prod", snapshot([sick], []))

    async def script(ui: Ui) -> None:
        assert "CrashLoop" in ui.line("storefront") and "of 4 pods" not in ui.line("storefront")
        assert why in ui.text(), "in full on the message line"

    drive(engine, script)


@pytest.mark.parametrize("several", [False, True])
def test_what_is_wrong_with_a_redis_is_never_cut_off(several: bool) -> None:
    engine = FakeEngine()
    for name in ("a", "b") if several else ("a",):
        engine.health(f"redis:{name}")
        engine.board.publish(f"redis:{name}", redis(oom_errors=12.0, rdb_ok=False, replicas=2))

    async def script(ui: Ui) -> None:
        assert ui.text().count("last RDB save failed  12 OOM errors/s") == (2 if several else 1)

    drive(engine, script)


def test_a_pane_that_is_shown_for_the_first_time_is_filled_at_once() -> None:
    async def script(ui: Ui) -> None:
        for key, part in (("6", "Bad release"), ("4", "orders"), ("3", "idle")):
            await ui.press(key)
            assert part in ui.text(), ui.text()

    drive(everything(FakeEngine()), script, size=(80, 24))
