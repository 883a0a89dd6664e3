"""The cell diff against a terminal emulator, and what it saves."""

from __future__ import annotations

import asyncio
import random
import unicodedata
from typing import Any

import pyte
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from console.ui.app import WarroomApp
from console.ui.wire import Wire
from tests.ui.drive import Ui
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything

KEYS = (
    "down",
    "up",
    "pagedown",
    "pageup",
    "tab",
    "z",
    "j",
    "enter",
    "escape",
    "question_mark",
    "3",
    "1",
    "o",
    "2",
)


class Watched(WarroomApp):
    """Keeps two terminals: one fed with our bytes, one repainted whole from Textual's own."""

    def __init__(self, engine: FakeEngine, width: int, height: int) -> None:
        super().__init__(engine)
        self.terminal = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.terminal)
        self.wire = Wire(width, height, ColorSystem.TRUECOLOR)
        self.sent = 0
        self.stock = 0

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            data = self.wire.encode(renderable)
            assert data is not None
            self.sent += len(data)
            self.stock += len(renderable.render_segments(self.console))
            self.stream.feed(data)
        super()._display(screen, renderable)


def whole(app: Watched, width: int, height: int) -> pyte.Screen:
    terminal = pyte.Screen(width, height)
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)
    pyte.Stream(terminal).feed(update.render_segments(app.console).replace("\n", "\r\n"))
    return terminal


def same(left: pyte.Screen, right: pyte.Screen) -> list[str]:
    wrong: list[str] = []
    for y in range(left.lines):
        for x in range(left.columns):
            a, b = left.buffer[y][x], right.buffer[y][x]
            blank = a.data == b.data == " " and a.bg == b.bg and a.underscore == b.underscore
            if not blank and (a.data, a.fg, a.bg, a.bold) != (b.data, b.fg, b.bg, b.bold):
                wrong.append(f"{y},{x}: {a} / {b}")
    return wrong


def test_the_terminal_shows_what_textual_means_after_any_keys() -> None:
    async def go() -> tuple[int, int]:
        engine = everything(FakeEngine())
        app = Watched(engine, 120, 40)
        rng = random.Random(7)
        async with app.run_test(size=(120, 40)) as pilot:
            ui = Ui(pilot, engine)
            for number in range(60):
                await ui.press(rng.choice(KEYS))
                if rng.random() < 0.3:
                    engine.clock.advance(rng.random() * 100)
                    await ui.settle()
                if number % 5 == 4:
                    assert same(app.terminal, whole(app, 120, 40)) == []
        return app.sent, app.stock

    sent, stock = asyncio.run(go())
    assert sent * 2 < stock


def test_wide_and_combining_text_survives_changes() -> None:
    terminal = pyte.Screen(20, 1)
    stream = pyte.Stream(terminal)
    wire = Wire(20, 1, ColorSystem.TRUECOLOR)
    style = Style.parse("red on black")
    for text in (
        "漢字 plain text     ",
        "a漢字plain text     ",
        "ab plain text       ",
        "e\u0301 漢 x             ",
    ):
        update = LayoutUpdate([[Strip([Segment(text, style)])]], Region(0, 0, 20, 1))
        data = wire.encode(update)
        assert data is not None
        stream.feed(data)
        shown = "".join(terminal.buffer[0][x].data for x in range(20))
        assert unicodedata.normalize("NFC", shown).rstrip() == unicodedata.normalize("NFC", text).rstrip()


def test_an_unchanged_frame_costs_nothing() -> None:
    async def go() -> None:
        engine = everything(FakeEngine())
        app = Watched(engine, 120, 40)
        async with app.run_test(size=(120, 40)) as pilot:
            ui = Ui(pilot, engine)
            await ui.settle()
            before = app.sent
            for _ in range(5):
                await ui.settle()
            assert app.sent == before
            app.screen.refresh()
            await pilot.pause()
            assert app.sent == before
            await ui.wait(1)
            assert 0 < app.sent - before < 400

    asyncio.run(go())
