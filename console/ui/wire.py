"""Only cells that changed go over the wire, and only what changes between their looks.

Textual rewrites a dirty region from its left edge, changed or not. Here the last frame is kept cell by cell,
and an update becomes the spans that differ: a fraction of the bytes, which decides how the console feels
over a slow SSH link. Built on two classes of Textual's compositor (see ``console.ui.proven``); whatever else
arrives is for the caller to paint in Textual's own way.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from console.ui.pens import PLAIN, Pen, Pens

Cell = tuple[str, Pen]
"""A character with what combines with it, and its pen. A wide one is followed by ("", pen)."""

Run = tuple[int, int, list[Cell]]
"""Cells from a row and a column on."""

_UNKNOWN: Cell = ("\x00", PLAIN)
_JOINS = Pen("", "", frozenset())
"""The pen of a character that a segment begins with and that has no cell of its own."""
_GAP = 4
"""Unchanged cells between two changes that cost no more to rewrite than to jump over."""
_MANY = 24
"""Runs of one pen from which it pays to order them by pen."""
_ERASE = 12
"""Blanks in a row from which erasing them is shorter than writing them."""
_PICTURES = "\U0001f000"
"""From here on terminals of different ages give a character one cell or two."""
_JOINER = "\u200d"
"""Zero width joiner. One that was cut off from what follows would join whatever is written next."""
_SEGMENTS = 1024
"""How many segments are remembered as cells."""
_CELLS = 4096
"""How many cells of one pen are remembered; more are in use only where a screen is full of ideographs."""


class NotComparedError(Exception):
    """A frame holds what is no cell: a link or a control sequence."""


class _Inkwell(dict[str, Cell]):
    """The cells of one pen by their text: equal ones are one object, a frame has thousands of them."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def __missing__(self, text: str) -> Cell:
        if len(self) >= _CELLS:
            self.clear()
        cell = self[text] = (text, self._pen)
        return cell


class Wire:
    """The last frame of one terminal. ``erases``: it erases with the background colour (bce, ech)."""

    def __init__(self, width: int, height: int, colours: ColorSystem | None, *, erases: bool = False) -> None:
        self._width = width
        self._rows: list[list[Cell]] = [[_UNKNOWN] * width for _ in range(height)]
        self._pens = Pens(colours)
        self._erases = erases
        self._known: dict[tuple[str, Style | None], list[Cell]] = {}
        self._inkwells: dict[Pen, _Inkwell] = {}
        self._doubts = False

    def encode(self, update: CompositorUpdate) -> str | None:
        """The bytes that bring the terminal up to date, or None for an update of another kind.

        Raises NotComparedError, and then the rest of the frame is not known either.
        """
        if isinstance(update, ChopsUpdate):
            runs = _chops(update)
        elif isinstance(update, LayoutUpdate):
            runs = _layout(update)
        else:
            return None
        before: dict[int, list[Cell]] = {}
        for y, x, strip in runs:
            if y < len(self._rows):
                if y not in before:
                    before[y] = self._rows[y].copy()
                self._put(self._rows[y], x, strip)
        changed: list[Run] = []
        for y, old in before.items():
            self._compare(y, old, changed)
        if not self._doubts:  # else one character may reach into the next, so the order matters
            changed = _by_pen(changed)
        out = _Output(self._pens, self._erases)
        for y, x, cells in changed:
            out.write(y, x, cells)
        return out.finish()

    def _put(self, row: list[Cell], x: int, strip: Strip) -> None:
        known = self._known
        new: list[Cell] = []
        for text, style, control in strip:
            if control:
                raise NotComparedError("a control sequence")
            new += known.get((text, style)) or self._learn(text, style)
        if self._doubts:
            new = _joined(new, row, x)
            _fit(new, strip.cell_length)
        del new[max(0, self._width - x) :]
        end = x + len(new)
        if not new:
            return
        # Half a wide character that is written over does not keep its other half.
        if x > 0 and not row[x][0]:
            row[x - 1] = _UNKNOWN
        if end < self._width and not row[end][0]:
            row[end] = _UNKNOWN
        row[x:end] = new

    def _compare(self, y: int, old: list[Cell], changed: list[Run]) -> None:
        row = self._rows[y]
        if old == row:
            return
        if self._doubts:
            _unsettle(old, row)
        at, end = 0, self._width
        while at < end:
            if old[at] == row[at] or row[at] is _UNKNOWN:
                at += 1
                continue
            start, at = self._span(old, row, at)
            changed.append((y, start, row[start:at]))

    def _span(self, old: list[Cell], row: list[Cell], at: int) -> tuple[int, int]:
        """From the first changed cell on: where to begin to write, and where to stop."""
        start, width = at, self._width
        while start > 0 and row[start][0] == "":
            start -= 1
        pen = row[at][1]
        last = must = at
        while at < width and (at <= must or at - last <= _GAP):
            cell = row[at]
            if cell is _UNKNOWN:
                break
            doubtful = self._doubts and _doubtful(cell[0])
            if old[at] != cell:
                last = at
                pen = cell[1]
            elif at > must and (doubtful or not _passes(cell, pen)):
                break
            if doubtful:
                must = max(must, at + 2 * len(cell[0]) - 1)
            at += 1
        stop = min(max(last, must), at - 1) + 1
        while stop < width and row[stop][0] == "":
            stop += 1
        return start, stop

    def _learn(self, text: str, style: Style | None) -> list[Cell]:
        """The cells of a segment; characters without a width join the one before."""
        if style is not None and style.link:
            raise NotComparedError("a link")
        pen, blank = self._pens.of(style)
        cell, blank_cell = self._inkwell(pen), self._inkwell(blank)[" "]
        if text.isascii():
            cells = [blank_cell if character == " " else cell[character] for character in text]
        else:
            cells = []
            for start, end, size in split_graphemes(text)[0]:
                cluster = text[start:end].rstrip(_JOINER) or _JOINER
                self._doubts = self._doubts or not size or _doubtful(cluster)
                if size:
                    cells.append(blank_cell if cluster == " " else cell[cluster])
                    cells += [cell[""]] * (size - 1)
                elif cluster != _JOINER:
                    cells.append((cluster, _JOINS))
        if len(self._known) >= _SEGMENTS:
            self._known.clear()
        self._known[(text, style)] = cells
        return cells

    def _inkwell(self, pen: Pen) -> _Inkwell:
        found = self._inkwells.get(pen)
        if found is None:
            found = self._inkwells[pen] = _Inkwell(pen)
        return found


class _Output:
    """The bytes of one frame, and where and how the terminal would write."""

    def __init__(self, pens: Pens, erases: bool) -> None:
        self._parts: list[str] = []
        self._turn = pens.turn
        self._erases = erases
        self._held = PLAIN
        self._y = -1
        self._x = -1

    def write(self, y: int, x: int, cells: list[Cell]) -> None:
        """Write cells from a place on."""
        parts = self._parts
        self._move(y, x)
        held, pen_now = self._held, None
        index, end = 0, len(cells)
        lost = passed = False
        while index < end:
            text, pen = cells[index]
            if not text:
                index += 1
                continue
            certain = len(text) == 1 and text < _PICTURES
            wide = index + 1 < end and not cells[index + 1][0]
            if lost or (passed and not (certain and wide)):
                parts.append(f"\x1b[{y + 1};{x + index + 1}H")
                lost = passed = False
            if pen is not pen_now:
                codes, held = self._turn(held, pen)
                pen_now = pen
                if codes:
                    parts.append(codes)
            if self._erases and text == " " and pen.attributes is None:
                blanks = _blanks(cells, index)
                if blanks >= _ERASE:
                    parts.append(f"\x1b[{blanks}X")
                    index += blanks
                    if index < end:
                        parts.append(f"\x1b[{blanks}C")
                    else:
                        self._held, self._x = held, -1
                        return
                    continue
            if certain:
                parts.append(text)
                passed = wide
            else:
                place = f"\x1b[{y + 1};{x + index + 1}H"
                parts.append(f"{' ' * (1 + _rest(cells, index))}{place}{text}")
                lost = True
            index += 1
        self._held = held
        self._x = -1 if lost or passed else x + end

    def _move(self, y: int, x: int) -> None:
        if y == self._y and 0 <= self._x <= x:
            gap = x - self._x
            if gap:
                self._parts.append(f"\x1b[{gap if gap > 1 else ''}C")
        else:
            self._parts.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._y = y

    def finish(self) -> str:
        """All bytes, with the pen put down."""
        if not self._parts:
            return ""
        if self._held != PLAIN:
            self._parts.append("\x1b[m")
        return "".join(self._parts)


def _by_pen(runs: list[Run]) -> list[Run]:
    """The same cells ordered by pen, if that is shorter: a place costs a third of two colours."""
    groups: dict[Pen, list[Run]] = {}
    for y, x, cells in runs:
        start, end = 0, len(cells)
        while start < end:
            pen = cells[start][1]
            stop = start + 1
            while stop < end and (cells[stop][1] is pen or _passes(cells[stop], pen)):
                stop += 1
            groups.setdefault(pen, []).append((y, x + start, cells[start:stop]))
            start = stop
    count = sum(map(len, groups.values()))
    if count < _MANY or count < 2 * len(groups):
        return runs
    return [run for group in groups.values() for run in group]


def _doubtful(text: str) -> bool:
    """Whether terminals disagree on the width: they may touch as many cells as each part alone could."""
    return len(text) > 1 or text >= _PICTURES


def _joined(cells: list[Cell], row: list[Cell], x: int) -> list[Cell]:
    """Characters without a cell, in the cell of the character before them; that may be left of ``x``."""
    if not any(cell[1] is _JOINS for cell in cells):
        return cells
    result = row[:x]
    for cell in cells:
        if cell[1] is not _JOINS:
            result.append(cell)
            continue
        base = len(result) - 1
        while base > 0 and not result[base][0]:
            base -= 1
        if base >= 0 and not (base < x and result[base][0].endswith(cell[0])):
            result[base] = (result[base][0] + cell[0], result[base][1])
    row[:x] = result[:x]
    return result[x:]


def _fit(cells: list[Cell], width: int) -> None:
    """Make a strip as wide as it says: where it was cut through such a character it is not always."""
    if len(cells) > width:
        head = width
        while head > 0 and not cells[head][0]:
            head -= 1
        cells[head:width] = [(" ", cells[head][1])] * (width - head)
        del cells[width:]
    elif cells:
        cells += [(" ", cells[-1][1])] * (width - len(cells))


def _unsettle(old: list[Cell], row: list[Cell]) -> None:
    """What finds no room before the right edge may take it from the left: write all of that again, too."""
    for at in range(max(0, len(row) - 16), len(row)):
        for text in (old[at][0], row[at][0]):
            reach = 2 * len(text)
            around = slice(max(0, at - reach), at + 1)
            if at + reach > len(row) and _doubtful(text) and old[around] != row[around]:
                old[around] = [_UNKNOWN] * len(old[around])


def _passes(cell: Cell, pen: Pen) -> bool:
    """Whether writing a cell with ``pen`` in hand takes nothing but its character."""
    return cell[1] is pen or (cell[1].attributes is None and cell[1].back == pen.back)


def _blanks(cells: list[Cell], index: int) -> int:
    """How many cells are the same blank from here on."""
    blank, start = cells[index], index
    while index < len(cells) and cells[index] == blank:
        index += 1
    return index - start


def _rest(cells: list[Cell], index: int) -> int:
    """How many further cells a character takes."""
    start = index
    while index + 1 < len(cells) and not cells[index + 1][0]:
        index += 1
    return index - start


def _layout(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in line:
            yield y, x, strip
            x += strip.cell_length


def _chops(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > right or end <= left:
                continue
            if right > x >= left and end <= right:
                yield y, x, strip
            else:
                yield y, x, strip.crop(0, min(end, right) - x)
