"""The table: selection by identity, honest cost, columns that give way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip

from console.ui.widgets.table import Column, Table


class Host(App[None]):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.records: dict[str, str] = {f"k{number:05d}": f"row {number}" for number in range(count)}
        self.formatted = 0
        self.table = Table(
            (
                Column("NAME", 12, self._cell, grow=1),
                Column("EXTRA", 10, lambda record: ((record.upper(), "dim"),), rank=1),
            ),
            self.records.get,
        )

    def _cell(self, record: Any) -> tuple[tuple[str, str], ...]:
        self.formatted += 1
        return ((record, "text"),)

    def compose(self) -> ComposeResult:
        yield self.table


def run(
    count: int, script: Callable[[Host, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (60, 21)
) -> None:
    async def go() -> None:
        app = Host(count)
        async with app.run_test(size=size) as pilot:
            app.table.set_keys(list(app.records))
            app.table.focus()
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(go())


def lines(app: Host) -> list[str]:
    return [app.table.render_line(y).text.rstrip() for y in range(app.table.size.height)]


def test_the_cursor_stays_on_its_object_while_rows_move() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down")
        assert app.table.cursor == "k00002"
        app.table.set_keys(sorted(app.records, reverse=True))
        assert app.table.cursor == "k00002" and app.table.record == "row 2"
        assert any(line.startswith("▌row 2 ") for line in lines(app))

    run(10, script)


def test_an_object_that_is_gone_is_not_replaced_by_its_neighbour() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down")
        del app.records["k00002"]
        app.table.set_keys(list(app.records))
        assert app.table.record is None
        assert not any(line.startswith("▌") for line in lines(app))
        await pilot.press("down")
        assert app.table.cursor == "k00003"

    run(10, script)


def test_the_place_on_the_screen_is_kept_when_rows_come_above() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        for _ in range(3):
            await pilot.press("pagedown")
        line = next(y for y, text in enumerate(lines(app)) if text.startswith("▌"))
        app.table.set_keys([f"k{number:05d}" for number in (90, 91, 92)] + list(app.records)[:90])
        assert lines(app)[line].startswith("▌")

    run(100, script)


def test_at_the_top_new_rows_above_are_seen() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        await pilot.press("home")
        app.records["new"] = "new row"
        app.table.set_keys(["new", *(key for key in app.records if key != "new")])
        assert "new row" in lines(app)[1] and app.table.cursor == "k00000"

    run(100, script)


def test_until_a_person_moves_it_the_cursor_waits_on_the_first_row() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        app.records["new"] = "new row"
        app.table.set_keys(["new", *(key for key in app.records if key != "new")])
        await pilot.pause()
        assert app.table.cursor == "new"

    run(100, script)


def test_work_grows_with_what_is_seen_not_with_what_is_held() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        app.formatted = 0
        app.table.sync()
        assert app.formatted == 20
        app.records["k15000"] = "changed far away"
        app.formatted = 0
        app.table.sync()
        await pilot.pause()
        assert app.formatted == 20

    run(20_000, script)


def test_only_changed_rows_are_repainted() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        painted: list[int] = []
        inner = app.table.render_line

        def watched(y: int) -> Strip:
            painted.append(y)
            return inner(y)

        app.table.render_line = watched  # type: ignore[method-assign]
        await pilot.pause()
        painted.clear()
        app.table.sync()
        await pilot.pause()
        assert painted == []
        app.records["k00004"] = "changed"
        app.table.sync()
        await pilot.pause()
        assert painted == [5]

    run(1000, script)


def test_columns_give_way_by_rank() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        assert "EXTRA" in lines(app)[0]
        await pilot.resize_terminal(20, 21)
        await pilot.pause()
        assert "EXTRA" not in lines(app)[0] and "row 0" in lines(app)[1]

    run(10, script, (60, 21))


def test_wide_and_combining_text_keeps_the_columns() -> None:
    async def script(app: Host, pilot: Pilot[None]) -> None:
        app.records["k00000"] = "漢字テスト"
        app.records["k00001"] = "e\u0301e\u0301e\u0301"
        app.table.sync()
        for y in range(app.table.size.height):
            assert app.table.render_line(y).cell_length == 60

    run(10, script)
