"""Scrolling text: following, standing still, filtering, forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from console.model.logs import LogLine
from console.ui.widgets.cursor_lines import CursorLines
from console.ui.widgets.lines import LineView


def logged(*texts: str) -> list[LogLine]:
    return [LogLine(None, "pod", "app", text) for text in texts]


def text_of(record: LogLine | str) -> str:
    return record if isinstance(record, str) else record.text


class Host(App[None]):
    def __init__(self, limit: int, kind: type[LineView] = LineView) -> None:
        super().__init__()
        self.lines = kind(lambda record: ((text_of(record), "text"),), limit=limit)

    def compose(self) -> ComposeResult:
        yield self.lines


def run(
    script: Callable[[Any, Pilot[None]], Awaitable[None]],
    limit: int = 100_000,
    kind: type[LineView] = LineView,
) -> None:
    async def go() -> None:
        app = Host(limit, kind)
        async with app.run_test(size=(40, 10)) as pilot:
            app.lines.focus()
            await pilot.pause()
            await script(app.lines, pilot)

    asyncio.run(go())


def seen(lines: LineView) -> list[str]:
    return [lines.render_line(y).text.rstrip() for y in range(lines.size.height)]


def test_it_follows_the_end() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged(*(f"line {number}" for number in range(100))))
        assert seen(lines)[-1] == "line 99"

    run(script)


def test_it_stands_still_after_scrolling_up_and_counts() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged(*(f"line {number}" for number in range(100))))
        await pilot.press("pageup")
        before = seen(lines)
        lines.append(logged("late 1", "late 2"))
        assert seen(lines) == before and lines.waiting == 2 and not lines.following
        await pilot.press("end")
        assert seen(lines)[-1] == "late 2" and lines.waiting == 0 and lines.following

    run(script)


def test_a_filter_shows_and_counts_matches_of_old_and_new_lines() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged(*(f"line {number}" for number in range(100))))
        lines.set_filter(lambda line: line.text.endswith("7"))
        assert lines.total == 10 and seen(lines)[-1] == "line 97"
        lines.append(logged("line 107", "line 108"))
        assert lines.total == 11 and lines.held == 102
        lines.set_filter(None)
        assert seen(lines)[-1] == "line 108"

    run(script)


def test_the_oldest_are_forgotten_and_counted_while_the_view_stands() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged(*(f"line {number}" for number in range(1000))))
        await pilot.press("pageup", "pageup")
        before = seen(lines)
        lines.append(logged(*(f"more {number}" for number in range(50))))
        assert lines.held <= 1000 and lines.forgotten == 1050 - lines.held
        assert seen(lines) == before
        lines.set_filter(lambda line: line.text.startswith("more"))
        lines.append(logged(*(f"more {number}" for number in range(50, 800))))
        assert lines.total == len(list(lines.shown()))

    run(script, limit=1000)


def test_a_hundred_thousand_lines() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged(*(f"line {number}" for number in range(100_000))))
        await pilot.press("home")
        assert seen(lines)[0] == "line 0"
        await pilot.press("end")
        assert seen(lines)[-1] == "line 99999"

    run(script)


def test_sideways() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(logged("0123456789" * 8))
        await pilot.press("right")
        assert seen(lines)[0].startswith("6789")
        await pilot.press("left")
        assert seen(lines)[0].startswith("0123")

    run(script)


class Kept(Sequence[str]):
    """Lines that somebody else keeps and lets grow; each access makes a new object."""

    def __init__(self, count: int) -> None:
        self.size = count
        self.read = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.size:
            raise IndexError(index)
        self.read += 1
        return f"line {index}"


def test_a_sequence_that_grows_is_read_where_it_is_seen() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        kept = Kept(200_000)
        lines.show(kept)
        assert seen(lines)[-1] == "line 199999" and kept.read < 100 and lines.held == 200_000
        kept.size += 3
        lines.show(kept)
        assert seen(lines)[-1] == "line 200002" and lines.forgotten == 0
        await pilot.press("home")
        assert seen(lines)[0] == "line 0"
        kept.size += 2
        lines.show(kept)
        assert seen(lines)[0] == "line 0" and lines.waiting == 2
        lines.show(Kept(2))
        assert seen(lines)[:3] == ["line 0", "line 1", ""]

    run(script)


def test_a_filter_over_many_lines_begins_at_the_end_and_keeps_the_place() -> None:
    async def done(lines: LineView, pilot: Pilot[None]) -> None:
        while lines._unfiltered:
            await pilot.pause(0.01)

    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        kept = Kept(10_000)
        lines.show(kept)
        lines.set_filter(lambda text: text.endswith("00"))
        assert 0 < lines.total < 100 and seen(lines)[-1] == "line 9900"
        await done(lines, pilot)
        assert lines.total == 99 and seen(lines)[-1] == "line 9900"
        assert len(list(lines.shown())) == 99

        lines.set_filter(None)
        await pilot.press("home", "pagedown")
        top = seen(lines)[0]
        lines.set_filter(lambda text: text.endswith("0"))
        await done(lines, pilot)
        assert top == "line 9" and seen(lines)[:2] == ["line 10", "line 20"] and not lines.following
        lines.set_filter(None)
        assert seen(lines)[0] == "line 10"
        lines.set_filter(lambda text: text == "line 3")
        assert [str(line) for line in lines.shown()] == ["line 3"], "saving waits for the whole"

    run(script)


def ends_in(ending: str, text: str) -> bool:
    return text.endswith(ending)


def marked(lines: LineView) -> list[str]:
    return [line for line in seen(lines) if line.startswith("▌")]


def test_a_cursor_moves_by_lines_pages_and_to_the_edges_and_reads_what_is_seen() -> None:
    async def script(lines: CursorLines, pilot: Pilot[None]) -> None:
        kept = Kept(100_000)
        lines.show(kept)
        assert marked(lines) == ["▌ine 99999"] == seen(lines)[-1:]
        await pilot.press("up")
        assert lines.record == "line 99998" and seen(lines)[-1] == "line 99999"
        kept.size += 1
        lines.show(kept)
        assert marked(lines) == ["▌ine 99998"] and lines.waiting == 1 and seen(lines)[-1] == "line 99999"
        await pilot.press("pageup")
        assert lines.record == "line 99989" and seen(lines)[0] == "line 99981"
        await pilot.press("home", "up", "down")
        assert marked(lines) == ["▌ine 1"] == seen(lines)[1:2]
        await pilot.press("pagedown")
        assert marked(lines) == ["▌ine 10"] == seen(lines)[1:2]
        await pilot.press("end")
        assert marked(lines) == ["▌ine 100000"] and lines.following and lines.waiting == 0
        assert kept.read < 500
        lines.show(Kept(0))
        assert lines.record is None and marked(lines) == []
        await pilot.press("up", "pageup", "home")
        lines.show(Kept(2))
        assert marked(lines) == ["▌ine 1"]

    run(script, kind=CursorLines)


def test_a_cursor_stays_on_its_record_under_a_filter_or_goes_to_the_next() -> None:
    async def script(lines: CursorLines, pilot: Pilot[None]) -> None:
        lines.show(Kept(5_000))
        await pilot.press("home", *["pagedown"] * 3, "up", "up")
        assert lines.record == "line 25"
        for ending, record in (("5", "line 25"), ("8", "line 28"), ("x", None)):
            lines.set_filter(partial(ends_in, ending))
            assert len(list(lines.shown())) == (0 if record is None else 500)
            assert lines.record == record
            if record is not None:
                assert marked(lines) == [record.replace("l", "▌", 1)]
        lines.set_filter(None)
        assert marked(lines) == ["▌ine 25"]

    run(script, kind=CursorLines)
