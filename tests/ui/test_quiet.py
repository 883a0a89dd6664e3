"""Nothing lays out or animates on a tick, and nothing runs while nothing changes."""

from __future__ import annotations

import ast
import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import console.ui
from console.ui.feed import Feed
from console.ui.screens.logs import LogsScreen
from console.ui.screens.main import MainScreen
from console.ui.widgets.containers import Ground
from tests.ui.cluster import snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything

SOURCES = sorted(Path(console.ui.__file__).parent.rglob("*.py"))
FORBIDDEN = {
    "Static",
    "Label",
    "DataTable",
    "RichLog",
    "Log",
    "LoadingIndicator",
    "ProgressBar",
    "Footer",
    "Header",
    "Sparkline",
    "Markdown",
    "Digits",
}


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_no_widget_that_lays_out_or_moves_by_itself() -> None:
    found = [
        f"{path.name}: {alias.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual.widgets")
        for alias in node.names
        if alias.name in FORBIDDEN
    ]
    assert found == []


def test_no_update_without_layout_false_no_toast_no_markup() -> None:
    wrong: list[str] = []
    for path in SOURCES:
        for call in _calls(ast.parse(path.read_text(encoding="utf-8"))):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            keywords = {word.arg: word.value for word in call.keywords}
            layout = keywords.get("layout")
            quiet = isinstance(layout, ast.Constant) and layout.value is False
            plain = bool(call.args) and isinstance(call.args[0], ast.Dict | ast.DictComp)
            if name == "update" and not quiet and not plain and not _is_dict_update(call):
                wrong.append(f"{path.name}:{call.lineno} update")
            if name in ("notify", "from_markup", "from_ansi", "animate", "refresh_bindings"):
                wrong.append(f"{path.name}:{call.lineno} {name}")
            if "markup" in keywords:
                wrong.append(f"{path.name}:{call.lineno} markup=")
    assert wrong == []


def _is_dict_update(call: ast.Call) -> bool:
    """``os.environ.update(...)``: not a widget."""
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "os.environ"


def test_a_tick_lays_nothing_out() -> None:
    async def script(ui: Ui) -> None:
        layouts: list[bool] = []
        inner = ui.main._refresh_layout

        def watched(*args: object, **kwargs: object) -> None:
            layouts.append(True)
            inner(*args, **kwargs)  # type: ignore[arg-type]

        ui.main._refresh_layout = watched  # type: ignore[method-assign]
        for _ in range(5):
            await ui.wait(61)
        assert layouts == []

    drive(everything(FakeEngine()), script)


def test_many_pokes_make_one_frame() -> None:
    async def go() -> int:
        frames = 0
        done = asyncio.Event()

        def frame() -> None:
            nonlocal frames
            frames += 1
            done.set()

        feed = Feed(asyncio.get_running_loop(), frame, rate=1000)

        def poke() -> None:
            for _ in range(500):
                feed.poke()

        threads = [threading.Thread(target=poke) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await asyncio.wait_for(done.wait(), 5)
        feed.close()
        feed.poke()
        return frames

    assert asyncio.run(go()) == 1


def test_a_change_on_the_board_reaches_the_screen_by_itself() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        engine.timeline.health = "failed"
        engine.health("redis:main")
        for _ in range(200):
            if "LOG FAILED" in ui.text():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the screen did not follow the board")

    drive(engine, script)


async def _until(ui: Ui, look: Callable[[str], bool]) -> None:
    for _ in range(500):
        if look(ui.text()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(ui.text())


def test_what_a_pane_holds_back_comes_without_a_tick_and_the_first_rows_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MainScreen, "_tick", lambda _screen: None)
    engine = FakeEngine()
    engine.health("kubernetes:prod")

    def publish(*names: str) -> None:
        engine.board.publish("kubernetes:prod", snapshot([workload(name) for name in names], []))

    async def script(ui: Ui) -> None:
        publish("checkout")
        await _until(ui, lambda text: "checkout" in text)
        publish("checkout", "payments")
        await _until(ui, lambda _text: ui.main.panes["pods"].due_in(engine.clock.monotonic()) is not None)
        assert "payments" not in ui.text(), "rows are sorted in twice a second at most"
        engine.clock.advance(1)
        await _until(ui, lambda text: "payments" in text)

    drive(engine, script)


def test_a_frame_for_another_reason_takes_the_waiting_one_along() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        painted = asyncio.Event()
        feed = Feed(loop, painted.set, rate=1000, gather=60)
        feed.poke()
        await asyncio.sleep(0)  # the poke arrives on this loop
        feed.painted()
        waiting = [handle for handle in getattr(loop, "_scheduled", []) if not handle.cancelled()]
        assert waiting == []
        feed = Feed(loop, painted.set, rate=1000, gather=0)
        feed.painted()  # nothing waits
        feed.poke()
        await asyncio.wait_for(painted.wait(), 5)

    asyncio.run(go())


def test_what_is_behind_the_widgets_keeps_no_strips() -> None:
    async def script(ui: Ui) -> None:
        await ui.settle()
        await ui.press("question_mark")
        await ui.settle()
        grounds = [
            node
            for screen in ui.app.screen_stack
            for node in screen.walk_children(Ground, with_self=True)
            if not (node.styles.gutter or node._shows_through())
        ]
        assert len(grounds) > 10
        assert [node for node in grounds if node._styles_cache._cache] == []

    engine = FakeEngine()
    everything(engine)
    drive(engine, script)


def test_a_frame_that_comes_while_the_console_leaves_paints_nothing() -> None:
    screens: list[MainScreen | LogsScreen] = []

    async def script(ui: Ui) -> None:
        await ui.press("1", "home", "l")
        assert isinstance(ui.top, LogsScreen)
        screens.extend((ui.main, ui.top))

    drive(everything(FakeEngine()), script)
    main, logs = screens
    assert isinstance(main, MainScreen) and isinstance(logs, LogsScreen)
    main.frame()
    logs._drain()


def test_an_error_that_no_task_handles_is_a_sentence_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> None:
        raise KeyError("unforeseen")

    async def script(ui: Ui) -> None:
        asyncio.get_running_loop().call_soon(broken)
        await ui.settle()
        assert "an unexpected error: KeyError" in ui.text()

    drive(FakeEngine(), script)
