"""Lines leave nothing behind for the garbage collector."""

from __future__ import annotations

import gc

from rich.segment import Segment
from textual.color import Color

from console.ui.cells import Line, strip_of
from console.ui.guard import ControlGuard
from console.ui.themes import Palette

_BLACK = Color(0, 0, 0)


def test_a_painted_line_is_no_cycle() -> None:
    palette, guard = Palette("warroom-dark"), ControlGuard()
    gc.collect()
    gc.disable()
    try:
        for number in range(50):
            line = strip_of(((f"line {number}", "text"),), 40, palette)
            same = line.apply_filter(guard, _BLACK)
            assert same is line
            assert [part.text for part in same.divide([40])] == [line.text]
            assert [part.cell_length for part in same.divide([10, 40])] == [10, 30]
        del line, same
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_filter_that_changes_it_makes_another_line() -> None:
    line = Line([Segment("a\x1bb")], 3)
    filtered = line.apply_filter(ControlGuard(), _BLACK)
    assert filtered.text == "a\ufffdb" and isinstance(filtered, Line)
    assert line.text == "a\x1bb"
