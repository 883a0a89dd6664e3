"""Scrolling text: following, standing still, filtering, forgetting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from console.ui.widgets.lines import LineView


class Host(App[None]):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.lines = LineView(lambda text: ((text, "text"),), limit=limit)

    def compose(self) -> ComposeResult:
        yield self.lines


def run(script: Callable[[LineView, Pilot[None]], Awaitable[None]], limit: int = 100_000) -> None:
    async def go() -> None:
        app = Host(limit)
        async with app.run_test(size=(40, 10)) as pilot:
            app.lines.focus()
            await pilot.pause()
            await script(app.lines, pilot)

    asyncio.run(go())


def seen(lines: LineView) -> list[str]:
    return [lines.render_line(y).text.rstrip() for y in range(lines.size.height)]


def test_it_follows_the_end() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append([f"line {number}" for number in range(100)])
        assert seen(lines)[-1] == "line 99"

    run(script)


def test_it_stands_still_after_scrolling_up_and_counts() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append([f"line {number}" for number in range(100)])
        await pilot.press("pageup")
        before = seen(lines)
        lines.append(["late 1", "late 2"])
        assert seen(lines) == before and lines.waiting == 2 and not lines.following
        await pilot.press("end")
        assert seen(lines)[-1] == "late 2" and lines.waiting == 0 and lines.following

    run(script)


def test_a_filter_shows_and_counts_matches_of_old_and_new_lines() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append([f"line {number}" for number in range(100)])
        lines.set_filter(lambda text: text.endswith("7"))
        assert lines.total == 10 and seen(lines)[-1] == "line 97"
        lines.append(["line 107", "line 108"])
        assert lines.total == 11 and lines.held == 102
        lines.set_filter(None)
        assert seen(lines)[-1] == "line 108"

    run(script)


def test_the_oldest_are_forgotten_and_counted_while_the_view_stands() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append([f"line {number}" for number in range(1000)])
        await pilot.press("pageup", "pageup")
        before = seen(lines)
        lines.append([f"more {number}" for number in range(50)])
        assert lines.held <= 1000 and lines.forgotten == 1050 - lines.held
        assert seen(lines) == before
        lines.set_filter(lambda text: text.startswith("more"))
        lines.append([f"more {number}" for number in range(50, 800)])
        assert lines.total == len(list(lines.shown()))

    run(script, limit=1000)


def test_a_hundred_thousand_lines() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append([f"line {number}" for number in range(100_000)])
        await pilot.press("home")
        assert seen(lines)[0] == "line 0"
        await pilot.press("end")
        assert seen(lines)[-1] == "line 99999"

    run(script)


def test_sideways() -> None:
    async def script(lines: LineView, pilot: Pilot[None]) -> None:
        lines.append(["0123456789" * 8])
        await pilot.press("right")
        assert seen(lines)[0].startswith("6789")
        await pilot.press("left")
        assert seen(lines)[0].startswith("0123")

    run(script)
