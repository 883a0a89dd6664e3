"""Only cells that changed go over the wire, and only what changes between their styles.

Textual rewrites a dirty region from its left edge, changed or not. Here the last frame is kept cell by cell,
and an update becomes the spans that differ: a fraction of the bytes, which decides how the console feels
over a slow SSH link. Built on two classes of Textual's compositor; whatever else arrives is passed on
unchanged and the frame is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.cells import get_character_cell_size
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate


class Pen(NamedTuple):
    """SGR parameters: foreground, background, attributes. A blank cell has but a background."""

    fore: str
    back: str
    attributes: str | None


Cell = tuple[str, Pen]
"""A character with what combines with it, and its pen. A wide one is followed by ("", pen)."""

_DEFAULT = Pen("39", "49", "")
_UNKNOWN: Cell = ("\x00", _DEFAULT)
_GAP = 8
"""Unchanged cells between two changes that cost no more to rewrite than to jump over."""

_ATTRIBUTES = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "reverse": "7", "strike": "9"}
_SEEN_ON_BLANK = frozenset("479")


class Wire:
    """The last frame of one terminal."""

    def __init__(self, width: int, height: int, colours: ColorSystem | None) -> None:
        self._width = width
        self._rows: list[list[Cell]] = [[_UNKNOWN] * width for _ in range(height)]
        self._colours = colours
        self._pens: dict[Style | None, tuple[Pen, Pen]] = {}

    def encode(self, update: CompositorUpdate) -> str | None:
        """The bytes that bring the terminal up to date, or None for an update of another kind."""
        if isinstance(update, ChopsUpdate):
            runs = _chops(update)
        elif isinstance(update, LayoutUpdate):
            runs = _layout(update)
        else:
            return None
        out = _Output()
        for y, x, segments in runs:
            if y < len(self._rows):
                self._line(y, x, list(self._cells(segments)), out)
        return out.finish()

    def _line(self, y: int, x: int, new: list[Cell], out: _Output) -> None:
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
            start = last = index
            index += 1
            while index < end and index - last <= _GAP:
                if old[index] != new[index]:
                    last = index
                index += 1
            while start > 0 and new[start][0] == "":
                start -= 1
            while last + 1 < end and new[last + 1][0] == "":
                last += 1
            out.span(y, x + start, new[start : last + 1])
            index = last + 1
        row[x : x + end] = new

    def _cells(self, segments: Iterable[Segment]) -> Iterator[Cell]:
        """The cells of segments; characters without a width join the one before."""
        for text, style, control in segments:
            if control:
                continue
            pen, blank = self._pens.get(style) or self._learn(style)
            if text.isascii():
                for character in text:
                    yield (character, blank if character == " " else pen)
                continue
            pending = ""
            for character in text:
                if get_character_cell_size(character) == 0 and pending:
                    pending += character
                    continue
                yield from _sized(pending, pen)
                pending = character
            yield from _sized(pending, pen)

    def _learn(self, style: Style | None) -> tuple[Pen, Pen]:
        pen = blank = _DEFAULT
        if style is not None:
            attributes = ";".join(code for name, code in _ATTRIBUTES.items() if getattr(style, name))
            pen = Pen(self._code(style.color, True), self._code(style.bgcolor, False), attributes)
            blank = pen
        if not _SEEN_ON_BLANK.intersection(pen.attributes or ""):
            blank = Pen("", pen.back, None)
        self._pens[style] = (pen, blank)
        return pen, blank

    def _code(self, colour: Color | None, foreground: bool) -> str:
        if colour is None or self._colours is None:
            return "39" if foreground else "49"
        return ";".join(colour.downgrade(self._colours).get_ansi_codes(foreground))


class _Output:
    """The bytes of one frame, and the pen that the terminal holds."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pen = _DEFAULT

    def span(self, y: int, x: int, cells: list[Cell]) -> None:
        """Write cells from a place on."""
        parts = self._parts
        parts.append(f"\x1b[{y + 1};{x + 1}H")
        lost = False
        for offset, (text, pen) in enumerate(cells):
            if not text:
                continue
            if lost:
                parts.append(f"\x1b[{y + 1};{x + offset + 1}H")
            if pen is not self._pen:
                self._change(pen)
            parts.append(text)
            # Terminals disagree on the width of such text, so the next cell is addressed anew.
            lost = not text.isascii() and (len(text) > 1 or get_character_cell_size(text) != 1)

    def _change(self, pen: Pen) -> None:
        held = self._pen
        codes: list[str] = []
        attributes = pen.attributes
        if attributes is None:
            attributes = "" if _SEEN_ON_BLANK.intersection(held.attributes or "") else held.attributes
        if attributes != held.attributes:
            if held.attributes:
                codes.append("0")
                held = _DEFAULT
            if attributes:
                codes.append(attributes)
        if pen.fore and pen.fore != held.fore:
            codes.append(pen.fore)
        if pen.back != held.back:
            codes.append(pen.back)
        self._pen = Pen(pen.fore or held.fore, pen.back, attributes)
        if codes:
            self._parts.append(f"\x1b[{';'.join(codes)}m")

    def finish(self) -> str:
        """All bytes, with the pen put down."""
        if not self._parts:
            return ""
        if self._pen != _DEFAULT:
            self._parts.append("\x1b[0m")
        return "".join(self._parts)


def _sized(text: str, pen: Pen) -> Iterator[Cell]:
    if text:
        yield (text, pen)
        for _ in range(get_character_cell_size(text[0]) - 1):
            yield ("", pen)


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
