"""The log screen and its filters."""

from __future__ import annotations

from pathlib import Path

from console.config import Config
from console.model.logs import LogLine, LogRequest
from console.model.strict import convert
from console.ui.screens.logs import LogsScreen, highlight
from console.ui.widgets.lines import LineView
from tests.ui.cluster import pod, snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import everything


def line(text: str, pod: str = "checkout-7d9f8-000") -> LogLine:
    return LogLine(NOW, pod, "app", text)


def asked(engine: FakeEngine) -> LogRequest:
    found = [call[2] for call in engine.calls if call[0] == "logs"][-1]
    assert isinstance(found, LogRequest)
    return found


def test_logs_of_a_workload_are_merged_filtered_counted_and_saved(tmp_path: Path) -> None:
    engine = everything(FakeEngine(convert({"state_dir": str(tmp_path)}, Config)))

    async def script(ui: Ui) -> None:
        await ui.press("l")
        names = tuple(f"checkout-7d9f8-00{number}" for number in range(3))
        assert asked(engine) == LogRequest("shop", names)
        feed = engine.feeds[-1]
        feed.put([line("GET /pay 200"), line("ERROR no stock"), line('"GET /pay HTTP/1.1" 503 12')])
        feed.put([line("took 503 ms", "checkout-7d9f8-002")])
        await ui.settle()
        assert "4 lines  following" in ui.text() and "7d9f8-002 took 503 ms" in ui.text()
        await ui.press("e")
        assert "1 matches errors" in ui.text() and "GET /pay 200" not in ui.text()
        await ui.press("e", "5")
        assert "1 matches 5xx" in ui.text() and "took 503 ms" not in ui.text()
        await ui.press("5", "slash", *"stock", "enter")
        assert "1 matches /stock" in ui.text()
        await ui.press("w")
        saved_name = "checkout-3-pods-20260301T143000Z.log"
        for _ in range(100):
            await ui.settle()
            if saved_name in ui.text():
                break
        [saved] = (tmp_path / "logs").iterdir()
        assert saved.read_text() == "14:30:00Z checkout-7d9f8-000/app ERROR no stock\n"
        assert saved.stat().st_mode & 0o777 == 0o600 and saved_name in ui.text()
        await ui.press("escape")
        assert "4 lines  following" in ui.text(), "the filter goes first"
        await ui.press("escape")
        assert ui.at_home and ("close", "kubernetes:prod") in engine.calls

    drive(engine, script, (160, 40))


def test_how_to_save_and_to_close_is_told_on_a_narrow_screen_too() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("l")
        await ui.settle()
        assert ui.grid()[-1].rstrip().endswith("w Save  esc Close")

    drive(everything(FakeEngine()), script, (80, 24))


def test_of_many_pods_the_title_says_how_many_are_read() -> None:
    engine = FakeEngine()
    engine.health("kubernetes:prod")
    row = workload("catalog", 26)
    engine.board.publish("kubernetes:prod", snapshot([row], [pod(row, number) for number in range(26)]))

    async def script(ui: Ui) -> None:
        await ui.settle()
        await ui.press("l")
        await ui.settle()
        assert "LOGS  deployment/catalog  20 of 26 pods, the sick ones first" in ui.text()

    drive(engine, script, (160, 40))


def test_the_more_pods_are_merged_the_fewer_lines_each_begins_with() -> None:
    engine = everything(FakeEngine())
    web = workload("web", 50)
    engine.board.publish("kubernetes:prod", snapshot([web], [pod(web, number) for number in range(50)]))

    async def script(ui: Ui) -> None:
        await ui.press("l")
        assert (len(asked(engine).pods), asked(engine).tail) == (20, 100)
        assert "last 100 lines of each" in ui.text()

    drive(engine, script)


def test_previous_since_and_container_ask_again() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l", "p")
        assert asked(engine).previous and not asked(engine).follow
        await ui.press("p", "s")
        assert asked(engine).since == 60 and asked(engine).follow
        await ui.press("c")
        assert asked(engine).container == "app"
        await ui.press("c")
        assert asked(engine).container == ""
        assert [call[0] for call in engine.calls].count("close") == 5

    drive(engine, script)


def test_scrolling_up_pauses_and_counts_what_comes() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l")
        engine.feeds[-1].put([line(f"number {n}") for n in range(200)])
        await ui.settle()
        await ui.press("pageup")
        engine.feeds[-1].put([line("late")] * 7)
        await ui.settle()
        assert "paused, 7 new lines" in ui.text() and "late" not in ui.text()
        await ui.press("f")
        assert "late" in ui.text() and "following" in ui.text()

    drive(engine, script)


def test_dropped_lines_and_the_end_are_told() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l")
        feed = engine.feeds[-1]
        feed.put([line("x")] * 20_100)
        feed.finish()
        await ui.settle()
        assert "100 dropped" in ui.text() and "ended" in ui.text()

    drive(engine, script)


def test_a_closed_log_keeps_no_line() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l")
        engine.feeds[-1].put([line(f"number {n}") for n in range(200)])
        await ui.settle()
        view = ui.app.screen.query_one(LineView)
        assert view.held == 200
        await ui.press("escape")
        assert view.held == 0 and not list(view.shown())

    drive(engine, script)


def test_letters_in_the_filter_field_are_not_commands() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l", "slash", *"pscw5")
        assert ui.on(LogsScreen) and len(engine.feeds) == 1
        await ui.press("escape")
        assert ui.on(LogsScreen)

    drive(engine, script)


def test_filters_go_by_what_a_line_says_and_never_count_what_the_console_says() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("l")
        feed = engine.feeds[-1]
        feed.put([line("connection error: refused"), line("upstream returned 502"), line("took 1500ms")])
        feed.put([line('level=info msg="no ERROR seen"'), line("code=5003 bytes=500")])
        feed.put([LogLine(None, "checkout-7d9f8-000", "app", "the container ended", notice=True)])
        feed.finish()
        await ui.settle()
        assert "5 lines  ended" in ui.text() and "following" not in ui.text()
        await ui.press("e")
        assert "1 matches errors" in ui.text() and "error: refused" in ui.text()
        assert "the container ended" in ui.text()
        await ui.press("e", "5")
        assert "1 matches 5xx" in ui.text() and "returned 502" in ui.text()

    drive(engine, script)


def test_highlight_marks_every_occurrence() -> None:
    assert highlight("Stock, stock", "stock", "text") == (
        ("Stock", "match"),
        (", ", "text"),
        ("stock", "match"),
    )
    assert highlight("abc", "", "text") == (("abc", "text"),)
