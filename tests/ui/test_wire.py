"""The cell diff against a terminal emulator and Textual's own painting, and what it saves.

The emulator (pyte) has faults of its own where characters are wide, so what is compared is compared with a
whole repaint on an emulator of its own; tests/e2e does the same in tmux.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import unicodedata
from typing import Any

import pyte
import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from console.ui.app import WarroomApp
from console.ui.painter import colours_of
from console.ui.wire import NotComparedError, Wire
from tests.ui.drive import Ui
from tests.ui.fake import FakeEngine
from tests.ui.noise import Noise
from tests.ui.scene import everything
from tests.ui.turmoil import CERTAIN, DOUBTFUL, Turmoil, troubled_engine

SIZES = ((120, 40), (80, 24), (160, 45), (100, 30), (43, 12))
ACTS = int(os.environ.get("WARROOM_TURMOIL", "0")) or 20
"""More of them by hand: WARROOM_TURMOIL=3000."""
MODES: dict[str, dict[str, str]] = {
    "truecolor": {},
    "256": {"COLORTERM": ""},
    "16": {"COLORTERM": "", "TERM": "xterm"},
    "no-color": {"NO_COLOR": "1"},
}


class Watched(WarroomApp):
    """Feeds a terminal with our bytes; ``whole`` is the same frame painted on a fresh one."""

    def __init__(self, engine: FakeEngine, *, erases: bool = True) -> None:
        super().__init__(engine)
        self._erases = erases
        self.wire: Wire | None = None
        self.terminal = pyte.Screen(1, 1)
        self.stream = pyte.Stream(self.terminal)
        self.stream.feed("\x1b[?7l")
        self.sent = 0
        self.stock = 0

    def _wire(self) -> Wire:
        return Wire(*self.size, colours_of(self), erases=self._erases)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            if self.wire is None:
                self.wire = self._wire()
                self.terminal.resize(self.size.height, self.size.width)
            data = self.wire.encode(renderable)
            assert data is not None
            self.sent += len(data)
            self.stock += len(renderable.render_segments(self.console))
            self.stream.feed(data)
        super()._display(screen, renderable)

    def whole(self, *, stock: bool) -> pyte.Screen:
        update = self.screen._compositor.render_update(full=True, screen_stack=self._background_screens)
        assert isinstance(update, LayoutUpdate)
        terminal = pyte.Screen(*self.size)
        data = uncached(update).render_segments(self.console) if stock else self._wire().encode(update)
        pyte.Stream(terminal).feed("\x1b[?7l" + (data or "").replace("\n", "\r\n"))
        return terminal


def uncached(update: LayoutUpdate) -> LayoutUpdate:
    """The same frame, rendered for the colours of now: styles keep the codes of their first rendering."""

    def bare(style: Style | None) -> Style | None:
        copy = style and style.copy()
        if copy:
            copy._ansi = None
        return copy

    strips = [
        [Strip([Segment(text, bare(style), control) for text, style, control in strip]) for strip in line]
        for line in update.strips
    ]
    return LayoutUpdate(list(strips), update.region)


def same(left: pyte.Screen, right: pyte.Screen) -> list[str]:
    """The cells that differ, character or style; a blank has only what is seen of it."""
    wrong: list[str] = []
    for y in range(left.lines):
        for x in range(left.columns):
            a, b = left.buffer[y][x], right.buffer[y][x]
            shown = [(c.bg, c.reverse, c.underscore, c.strikethrough) for c in (a, b)]
            text = [(unicodedata.normalize("NFC", c.data), c.fg, c.bold, c.italics) for c in (a, b)]
            if a.data == b.data == " " and not (a.reverse or a.underscore or a.strikethrough):
                text = []
            if shown[0] != shown[1] or (text and text[0] != text[1]):
                wrong.append(f"{y},{x}: {a} / {b}")
    return wrong


def turmoil(seed: int, acts: int, texts: tuple[str, ...], *, stock: bool, erases: bool) -> tuple[int, int]:
    """Act, resize now and then, and compare after every few acts; the bytes of ours and of Textual."""

    async def go() -> tuple[int, int]:
        engine = troubled_engine()
        app = Watched(engine, erases=erases)
        rng = random.Random(seed)
        async with app.run_test(size=SIZES[0]) as pilot:
            ui = Ui(pilot, engine)
            doing = Turmoil(ui, seed, texts)
            for number in range(acts):
                await doing.act()
                if number % 20 == 19:
                    app.wire = None
                    await pilot.resize_terminal(*rng.choice(SIZES))
                    await ui.settle()
                if number % 5 == 4:
                    if not stock:  # Textual repaints no more than it must, and cuts characters there
                        app.screen.refresh()
                        await pilot.pause()
                    assert same(app.terminal, app.whole(stock=stock)) == []
        return app.sent, app.stock

    return asyncio.run(go())


@pytest.mark.parametrize("mode", MODES)
def test_after_anything_the_terminal_shows_what_textual_paints(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in MODES[mode].items():
        monkeypatch.setenv(name, value)
    sent, stock = turmoil(len(mode), ACTS, CERTAIN, stock=True, erases=mode != "256")
    assert sent * 3 < stock


@pytest.mark.parametrize("erases", [False, True])
def test_text_of_doubtful_width_leaves_nothing_behind(erases: bool) -> None:
    turmoil(11, ACTS, DOUBTFUL, stock=False, erases=erases)


@pytest.mark.parametrize("seed", range(4))
def test_any_frames_leave_what_textual_would(seed: int) -> None:
    width, height = 60, 4
    wire = Wire(width, height, ColorSystem.TRUECOLOR, erases=seed % 2 == 0)
    noise = Noise(seed, width, height, CERTAIN)
    console = Console(color_system="truecolor", force_terminal=True, file=io.StringIO())
    ours, stock = pyte.Screen(width, height), pyte.Screen(width, height)
    streams = pyte.Stream(ours), pyte.Stream(stock)
    for stream in streams:
        stream.feed("\x1b[?7l")  # Textual's driver does not let lines wrap
    for _ in range(120):
        frame = noise.frame()
        data = wire.encode(frame)
        assert data is not None
        streams[0].feed(data)
        streams[1].feed(frame.render_segments(console).replace("\n", "\r\n"))
        assert same(ours, stock) == []


@pytest.mark.parametrize("seed", range(4))
def test_doubtful_text_is_the_same_after_any_history(seed: int) -> None:
    width, height = 60, 4
    wire = Wire(width, height, ColorSystem.TRUECOLOR, erases=seed % 2 == 0)
    noise = Noise(seed, width, height, DOUBTFUL)
    ours = pyte.Screen(width, height)
    stream = pyte.Stream(ours)
    stream.feed("\x1b[?7l")
    for _ in range(120):
        frame = noise.frame()
        stream.feed(wire.encode(frame) or "")
        if isinstance(frame, LayoutUpdate):
            fresh = pyte.Screen(width, height)
            data = Wire(width, height, ColorSystem.TRUECOLOR).encode(frame)
            pyte.Stream(fresh).feed(f"\x1b[?7l{data}")
            assert same(ours, fresh) == []


def update_of(*lines: list[tuple[str, str]] | str, width: int = 20) -> LayoutUpdate:
    """A frame of lines of (text, style)."""
    strips = [
        [Strip([Segment(text, Style.parse(style)) for text, style in line])]
        for line in ([(line, "red on black")] if isinstance(line, str) else line for line in lines)
    ]
    return LayoutUpdate(list(strips), Region(0, 0, width, len(lines)))


def test_wide_and_combining_text_survives_changes() -> None:
    terminal = pyte.Screen(20, 1)
    stream = pyte.Stream(terminal)
    wire = Wire(20, 1, ColorSystem.TRUECOLOR)
    for text in (
        "漢字 plain text     ",
        "a漢字plain text     ",
        "ab plain text       ",
        "e\u0301 漢 x             ",
        "e\u0301漢字x            ",
    ):
        data = wire.encode(update_of(text))
        assert data is not None
        stream.feed(data)
        shown = "".join(terminal.buffer[0][x].data for x in range(20))
        assert unicodedata.normalize("NFC", shown).rstrip() == unicodedata.normalize("NFC", text).rstrip()


def test_a_mark_that_begins_a_segment_joins_the_one_before() -> None:
    wire = Wire(4, 1, ColorSystem.TRUECOLOR)
    data = wire.encode(update_of([("e", "red"), ("\u0301x", "bold"), ("  ", "none")], width=4))
    assert data is not None and "e\u0301" in data


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bold red on blue", "red on blue"),
        ("bold dim red on blue", "dim red on blue"),
        ("underline", "none"),
        ("reverse underline red", "red"),
        ("overline blink", "strike"),
        ("italic #102030 on #405060", "default on default"),
    ],
)
@pytest.mark.parametrize("text", ["x", " "])
def test_every_attribute_begins_and_ends(before: str, after: str, text: str) -> None:
    terminals = []
    for styles in ((before, after), (after,)):
        terminal = pyte.Screen(6, 1)
        stream = pyte.Stream(terminal)
        wire = Wire(6, 1, ColorSystem.TRUECOLOR)
        for style in styles:
            for order in (("a", style), (text, "none")), ((text, style), ("b", before)):
                stream.feed(wire.encode(update_of([*order, (text * 4, style)], width=6)) or "")
        terminals.append(terminal)
    assert same(*terminals) == []


def test_what_is_no_cell_is_left_to_textual() -> None:
    wire = Wire(4, 1, ColorSystem.TRUECOLOR)
    with pytest.raises(NotComparedError):
        wire.encode(update_of([("link", "link https://localhost/")], width=4))


def test_an_unchanged_frame_costs_nothing() -> None:
    async def go() -> None:
        engine = everything(FakeEngine())
        app = Watched(engine)
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
            assert 0 < app.sent - before < 300

    asyncio.run(go())


def test_no_whole_screen_for_a_small_change() -> None:
    """Bytes of the commonest frames at 120x40, in true colour: what a slow link has to carry."""

    async def go() -> None:
        engine = everything(FakeEngine())
        app = Watched(engine)
        async with app.run_test(size=(120, 40)) as pilot:
            ui = Ui(pilot, engine)
            await ui.settle()
            assert app.sent < 10_000
            for keys, most in ((("down",), 900), (("question_mark",), 12_000), (("escape",), 9_000)):
                before = app.sent
                await ui.press(*keys)
                assert app.sent - before < most, keys

    asyncio.run(go())
