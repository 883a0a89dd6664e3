"""A table that costs what it shows, not what it holds.

Rows are keys (identities) in an order; what a row says is looked up and formatted only while it is visible,
and only visible rows that read differently are painted. The cursor sits on a key: rows may move, come and
go, and it stays on its object, or on nothing once the object is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from textual.binding import BindingType
from textual.events import Blur, Focus, Resize
from textual.message import Message
from textual.strip import Strip

from console.ui.cells import Span, Spans, fit_spans, strip_of
from console.ui.widgets.line_widget import MOVES, LineWidget


class Column(NamedTuple):
    """A column. The lowest ``rank`` is kept longest when space is short; ``grow`` shares what is left."""

    title: str
    width: int
    cell: Callable[[Any], Spans]
    rank: int = 0
    grow: int = 0
    right: bool = False


_STRIPS = 128
"""Lines kept, many times what is visible. A line is some 3 KB, and under load each is new twice a second."""


class Table(LineWidget, can_focus=True):
    """See the module. ``lookup`` gives the record of a key, or None when it is gone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *MOVES,
    ]

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(
        self,
        columns: Sequence[Column],
        lookup: Callable[[str], Any | None],
        *,
        header: bool = True,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._lookup = lookup
        self._header = 1 if header else 0
        self._keys: Sequence[str] = ()
        self._notice: tuple[Spans, ...] = ()
        self._top = 0
        self._at = 0
        self._cursor: str | None = None
        self._chosen = False
        self.jumps = 0
        """How often the cursor, which nobody had put there, went to another object."""
        self.jumped = False
        """Whether it did so since a person last chose a row."""
        self._greyed = False
        self.old: Callable[[str], bool] = lambda _key: False
        """Whether a row shows what was last known, while the others show what is."""
        self._sorted = ""
        self._fitted: tuple[tuple[Column, int, int], ...] = ()
        self._shown: dict[int, tuple[Any, ...]] = {}
        self._strips: dict[tuple[Any, ...], Strip] = {}
        self.always_marked = False

    # What it shows

    @property
    def keys(self) -> Sequence[str]:
        """The keys in their order."""
        return self._keys

    @property
    def cursor(self) -> str | None:
        """The key under the cursor; it may be gone by now."""
        return self._cursor

    @property
    def record(self) -> Any | None:
        """The record under the cursor, or None when there is none, it is gone, or its row is not shown."""
        if self._cursor is None or self._find(self._cursor) is None:
            return None
        return self._lookup(self._cursor)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._keys)

    @property
    def room(self) -> int:
        """How many rows fit."""
        return max(0, self.size.height - self._header)

    @property
    def span(self) -> tuple[int, int]:
        """The positions of the first visible row and of the one after the last."""
        return self._top, min(len(self._keys), self._top + self.room)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Replace the columns."""
        self._columns = tuple(columns)
        self.forget()

    def set_keys(self, keys: Sequence[str]) -> None:
        """Replace the rows and their order; the cursor stays on its key, at its place on the screen."""
        old_at = self._at
        if bool(keys) != bool(self._keys):
            self.refresh()
        self._keys = keys
        if self._cursor is not None:
            found = self._find(self._cursor)
            if found is not None:
                self._at = found
                if self._top > 0:
                    self._top += found - old_at
        self._at = max(0, min(self._at, len(keys) - 1))
        if not self._chosen and self._cursor is not None and keys:
            # Nobody chose this row: the cursor waits on the first one, where the sickest is.
            if self._cursor != keys[0]:
                self.jumps += 1
                self.jumped = True
            self._cursor, self._at = keys[0], 0
        self._clamp()
        if self.has_focus:
            self.ensure_cursor()
        self.sync()

    def set_notice(self, lines: Sequence[Spans]) -> None:
        """What to show instead of rows while there are none."""
        if tuple(lines) != self._notice:
            self._notice = tuple(lines)
            if not self._keys:
                self.refresh()

    def set_greyed(self, greyed: bool) -> None:
        """Show every row as old data, or not."""
        if greyed != self._greyed:
            self._greyed = greyed
            self.refresh()

    def set_sorted(self, title: str) -> None:
        """Mark the column that the rows are sorted by."""
        if title != self._sorted:
            self._sorted = title
            if self._header:
                self.refresh_row(0)

    def sync(self) -> None:
        """Look at the visible rows again and repaint those that read differently."""
        if not self.size.width:
            return
        for y in range(self._header, self.size.height):
            state = self._state(y)
            if self._shown.get(y) != state:
                self._shown[y] = state
                self.refresh_row(y)

    def forget(self) -> None:
        """Drop all cached lines and repaint."""
        self._fitted = ()
        self._shown.clear()
        self._strips.clear()
        self.refresh()

    # Moving

    def select(self, key: str | None, *, chosen: bool = True) -> None:
        """Put the cursor on ``key``, or on nothing. ``chosen`` says that a person did."""
        found = None if key is None else self._find(key)
        self._cursor = key if found is not None else None
        self._chosen = chosen and found is not None
        self.jumped = self.jumped and not chosen
        if found is not None:
            self._at = found
        self._clamp()
        self.sync()
        self.post_message(self.Moved())

    def ensure_cursor(self) -> None:
        """Put the cursor on the first visible row if it is on none."""
        if self._cursor is None and self._keys:
            self.select(self._keys[self._top], chosen=False)

    def start_over(self) -> None:
        """Put the cursor on the first row, unless its row is still there: what is hidden is not acted on."""
        if self._cursor is None or self._find(self._cursor) is None:
            self._top = 0
            self._cursor = self._keys[0] if self._keys else None
        self.select(self._cursor)

    def settle(self) -> None:
        """A person is at the keys: the cursor stays on its object from now on, wherever that moves."""
        self._chosen = True

    def action_move(self, step: int) -> None:
        """Move by rows. From a row that is gone it moves to a neighbour of its old place."""
        if not self._keys:
            return
        if self._cursor is None:
            self.ensure_cursor()
            return
        gone = self._find(self._cursor) is None
        target = self._at if gone and step > 0 else self._at + step
        self.select(self._keys[max(0, min(target, len(self._keys) - 1))])

    def action_page(self, direction: int) -> None:
        """Move by a screen of rows."""
        self.action_move(direction * max(1, self.room - 1))

    def action_edge(self, end: int) -> None:
        """Move to the first or the last row."""
        if self._keys:
            self.select(self._keys[-1 if end else 0])

    def _find(self, key: str) -> int | None:
        keys = self._keys
        if self._at < len(keys) and keys[self._at] == key:
            return self._at
        try:
            return keys.index(key)
        except ValueError:
            return None

    def _clamp(self) -> None:
        """Keep the cursor's place in view and the view within the rows."""
        room = self.room
        if self._cursor is not None and room:
            self._top = max(self._at - room + 1, min(self._top, self._at))
        self._top = max(0, min(self._top, len(self._keys) - room))

    # Painting

    def _state(self, y: int) -> tuple[Any, ...]:
        """All that decides how line ``y`` looks."""
        index = self._top + y - self._header
        if index >= len(self._keys):
            return ("", self._notice_line(y))
        key = self._keys[index]
        record = self._lookup(key)
        if record is None:
            return ("", ())
        fitted = self._fit_columns()
        marked = key == self._cursor and (self.has_focus or self.always_marked)
        greyed = self._greyed or self.old(key)
        return (key, tuple(column.cell(record) for column, _, _ in fitted), marked, greyed)

    def _notice_line(self, y: int) -> Spans:
        line = y - self._header
        return self._notice[line] if not self._keys and line < len(self._notice) else ()

    def render_line(self, y: int) -> Strip:
        """The header, a row, a line of the notice, or nothing."""
        width = self.size.width
        if y < self._header:
            return self._render_header(width) if self._keys else strip_of((), width, self.palette)
        state = self._shown[y] = self._state(y)
        if state[0] == "":
            return strip_of(((" ", "text"), *state[1]), width, self.palette)
        strip = self._strips.get(state)
        if strip is None:
            if len(self._strips) > _STRIPS:
                self._strips.clear()
            strip = self._strips[state] = self._render_row(state, width)
        return strip

    def _render_row(self, state: tuple[Any, ...], width: int) -> Strip:
        _, cells, marked, greyed = state
        ellipsis = self.glyphs.ellipsis
        spans: list[Span] = [(self.glyphs.cursor if marked else " ", "accent")]
        for (column, size, gap), cell in zip(self._fit_columns(), cells, strict=True):
            if gap:
                spans.append((" " * gap, "text"))
            fitted = fit_spans(cell, size, right=column.right, ellipsis=ellipsis) if cell else ()
            spans.extend(fitted or ((" " * size, "text"),))
        return strip_of(spans, width, self.palette, selected=marked, greyed=greyed)

    def _render_header(self, width: int) -> Strip:
        spans: list[Span] = [(" ", "faint")]
        for column, size, gap in self._fit_columns():
            mark = self.glyphs.open if column.title and column.title == self._sorted else ""
            spans.append((" " * gap, "faint"))
            spans.extend(fit_spans(((column.title + mark, "faint"),), size, right=column.right))
        return strip_of(spans, width, self.palette)

    def _fit_columns(self) -> tuple[tuple[Column, int, int], ...]:
        """The columns that fit, each with its width and the gap before it. The least important go first."""
        if self._fitted:
            return self._fitted
        width = self.size.width - 1
        kept = list(self._columns)
        while len(kept) > 1 and _needed(kept) > width:
            kept.remove(max(reversed(kept), key=lambda column: column.rank))
        spare = width - _needed(kept)
        shares = sum(column.grow for column in kept)
        self._fitted = tuple(
            (column, column.width + (spare * column.grow // shares if shares and spare > 0 else 0), gap)
            for column, gap in zip(kept, _gaps(kept), strict=True)
        )
        return self._fitted

    # Events

    def on_resize(self, _event: Resize) -> None:
        """Fit the columns and the view to the new size."""
        self._clamp()
        self.forget()

    def on_focus(self, _event: Focus) -> None:
        """Show the cursor."""
        self.ensure_cursor()
        self.sync()

    def on_blur(self, _event: Blur) -> None:
        """Hide the cursor."""
        self.sync()


def _gaps(columns: Sequence[Column]) -> list[int]:
    """One cell between columns, two where a flush-right one meets a flush-left one."""
    gaps = [0]
    for before, after in itertools.pairwise(columns):
        gaps.append(2 if before.right and not after.right else 1)
    return gaps


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + sum(_gaps(columns))
