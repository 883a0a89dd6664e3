"""Only cells that changed go over the wire.

Textual rewrites a dirty region from its left edge, changed or not. Here the last frame is kept cell by cell,
and an update becomes the spans that differ: a fraction of the bytes, which decides how the console feels
over a slow SSH link. Built on two classes of Textual's compositor; whatever else arrives is passed on
unchanged and the frame is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

Cell = tuple[str, Style | None]
"""A character with what combines with it, and its style. A wide one is followed by ("", style)."""

_GAP = 8
"""Unchanged cells between two changes that cost no more to rewrite than to jump over."""

_UNKNOWN: Cell = ("\x00", None)


class Wire:
    """The last frame of one terminal."""

    def __init__(self, width: int, height: int, colours: ColorSystem | None) -> None:
        self._width = width
        self._rows: list[list[Cell]] = [[_UNKNOWN] * width for _ in range(height)]
        self._colours = colours
        self._codes: dict[Style | None, str] = {None: "\x1b[0m"}

    def encode(self, update: CompositorUpdate) -> str | None:
        """The bytes that bring the terminal up to date, or None for an update of another kind."""
        if isinstance(update, ChopsUpdate):
            runs = _chops(update)
        elif isinstance(update, LayoutUpdate):
            runs = _layout(update)
        else:
            return None
        out: list[str] = []
        pen: list[str] = [""]
        for y, x, segments in runs:
            if y < len(self._rows):
                self._line(y, x, list(_cells(segments)), out, pen)
        if out:
            out.append("\x1b[0m")
        return "".join(out)

    def _line(self, y: int, x: int, new: list[Cell], out: list[str], pen: list[str]) -> None:
        row = self._rows[y]
        del new[max(0, self._width - x) :]
        old = row[x : x + len(new)]
        if old == new:
            return
        index, end = 0, len(new)
        while index < end:
            if old[index] == new[index]:
                index += 1
                continue
            start = index
            last = index
            index += 1
            while index < end and index - last <= _GAP:
                if old[index] != new[index]:
                    last = index
                index += 1
            while start > 0 and new[start][0] == "":
                start -= 1
            while last + 1 < end and new[last + 1][0] == "":
                last += 1
            self._span(y, x + start, new[start : last + 1], out, pen)
            index = last + 1
        row[x : x + end] = new

    def _span(self, y: int, x: int, cells: list[Cell], out: list[str], pen: list[str]) -> None:
        out.append(f"\x1b[{y + 1};{x + 1}H")
        moved = False
        for offset, (text, style) in enumerate(cells):
            if not text:
                continue
            if moved:
                out.append(f"\x1b[{y + 1};{x + offset + 1}H")
            code = self._code(style)
            if code != pen[0]:
                out.append(code)
                pen[0] = code
            out.append(text)
            # Terminals disagree on the width of such text, so the next cell is addressed anew.
            moved = not text.isascii() and (len(text) > 1 or get_character_cell_size(text) != 1)

    def _code(self, style: Style | None) -> str:
        code = self._codes.get(style)
        if code is None:
            assert style is not None
            painted = style.render("x", color_system=self._colours)
            prefix = painted.partition("x")[0]
            code = self._codes[style] = prefix.replace("\x1b[", "\x1b[0;", 1) if prefix else "\x1b[0m"
        return code


def _cells(segments: Iterable[Segment]) -> Iterator[Cell]:
    """The cells of segments; characters without a width join the one before."""
    for text, style, control in segments:
        if control:
            continue
        if text.isascii():
            for character in text:
                yield (character, style)
            continue
        pending = ""
        for character in text:
            size = get_character_cell_size(character)
            if size == 0:
                pending += character
                continue
            if pending:
                yield from _wide(pending, style)
            pending = character
        if pending:
            yield from _wide(pending, style)


def _wide(text: str, style: Style | None) -> Iterator[Cell]:
    yield (text, style)
    for _ in range(cell_len(text[0]) - 1):
        yield ("", style)


def _layout(update: LayoutUpdate) -> Iterator[tuple[int, int, Iterable[Segment]]]:
    for y, line in enumerate(update.strips, update.region.y):
        yield y, update.region.x, [segment for strip in line for segment in strip]


def _chops(update: ChopsUpdate) -> Iterator[tuple[int, int, Iterable[Segment]]]:
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > right or end <= left:
                continue
            if right > x >= left and end <= right:
                yield y, x, strip
            else:
                yield y, x, strip.crop(0, min(end, right) - x)
