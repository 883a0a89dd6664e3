"""Scrolling text for logs and the timeline: 100,000 lines at the cost of those that are seen.

It follows the end until a person scrolls up; then it stands still and counts what came since.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip

from console.ui.cells import Spans, strip_of
from console.ui.widgets.line_widget import MOVES, LineWidget

_CACHED = 1000


class LineView(LineWidget, can_focus=True):
    """See the module. ``form`` makes the spans of a record; at most ``limit`` records are kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *MOVES,
        Binding("left", "shift(-16)", show=False),
        Binding("right", "shift(16)", show=False),
    ]

    class Moved(Message):
        """The view was scrolled, or follows again."""

    def __init__(self, form: Callable[[Any], Spans], *, limit: int = 100_000, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._form = form
        self._limit = limit
        self._records: list[Any] = []
        self._base = 0
        self._wanted: Callable[[Any], bool] | None = None
        self._hits: list[int] = []
        self._top = 0
        self._left = 0
        self._strips: dict[int, Strip] = {}
        self._notice: tuple[Spans, ...] = ()
        self._greyed = False
        self.following = True
        self.waiting = 0
        self.forgotten = 0

    # What it holds

    @property
    def total(self) -> int:
        """How many lines can be scrolled through: all, or those that pass the filter."""
        return len(self._records) if self._wanted is None else len(self._hits)

    @property
    def held(self) -> int:
        """How many records are kept, filtered or not."""
        return len(self._records)

    @property
    def span(self) -> tuple[int, int]:
        """The positions of the first visible line and of the one after the last."""
        return self._top, min(self.total, self._top + self.size.height)

    def shown(self) -> Iterable[Any]:
        """The records that pass the filter, oldest first."""
        if self._wanted is None:
            return tuple(self._records)
        return tuple(self._records[serial - self._base] for serial in self._hits)

    def append(self, records: Sequence[Any]) -> None:
        """Add records at the end; the oldest go when there are too many, and are counted."""
        if not records:
            return
        first = self._base + len(self._records)
        self._records.extend(records)
        if self._wanted is None:
            added = len(records)
        else:
            hits = [first + index for index, record in enumerate(records) if self._wanted(record)]
            self._hits.extend(hits)
            added = len(hits)
        self._trim()
        if self.following:
            self._to_end()
            if added:
                self.refresh()
        else:
            self.waiting += added
            if added and self._top + self.size.height > self.total - added:
                self.refresh()

    def replace(self, records: Sequence[Any]) -> None:
        """Show other records."""
        self._records = []
        self._hits = []
        self._base = 0
        self._strips.clear()
        self.forgotten = 0
        self._top = 0
        self.append(records)
        self._clamp()
        self.refresh()

    def set_filter(self, wanted: Callable[[Any], bool] | None) -> None:
        """Show only the records that ``wanted`` accepts."""
        self._wanted = wanted
        self._strips.clear()
        if wanted is not None:
            self._hits = [self._base + index for index, record in enumerate(self._records) if wanted(record)]
        if self.following:
            self._to_end()
        self._clamp()
        self.refresh()

    def set_notice(self, lines: Sequence[Spans]) -> None:
        """What to show while there are no lines."""
        if tuple(lines) != self._notice:
            self._notice = tuple(lines)
            if not self.total:
                self.refresh()

    def set_greyed(self, greyed: bool) -> None:
        """Show everything as old data, or not."""
        if greyed != self._greyed:
            self._greyed = greyed
            self.forget()

    def sync(self) -> None:
        """Nothing here changes with time alone."""

    def forget(self) -> None:
        """Drop all cached lines and repaint."""
        self._strips.clear()
        self.refresh()

    def _trim(self) -> None:
        surplus = len(self._records) - self._limit
        if surplus <= 0:
            return
        surplus += self._limit // 20  # in lots, for each costs a move of the whole list
        before = self.total
        del self._records[:surplus]
        self._base += surplus
        self.forgotten += surplus
        if self._wanted is not None:
            del self._hits[: bisect_left(self._hits, self._base)]
        self._top = max(0, self._top - (before - self.total))

    # Moving

    def action_move(self, step: int) -> None:
        """Scroll by lines."""
        self.scroll_lines_to(self._top + step)

    def action_page(self, direction: int) -> None:
        """Scroll by a screen of lines."""
        self.action_move(direction * max(1, self.size.height - 1))

    def action_edge(self, end: int) -> None:
        """Scroll to the first or the last line."""
        self.scroll_lines_to(self.total if end else 0)

    def action_shift(self, step: int) -> None:
        """Scroll sideways."""
        self._left = max(0, self._left + step)
        self.forget()

    def scroll_lines_to(self, top: int) -> None:
        """Put a line at the top; at the end it follows again."""
        before = (self._top, self.following)
        self._top = top
        self._clamp()
        self.following = self._top >= self.total - self.size.height
        if self.following:
            self.waiting = 0
        if (self._top, self.following) != before:
            self.refresh()
            self.post_message(self.Moved())

    def follow(self) -> None:
        """Go to the end and stay there."""
        self.scroll_lines_to(self.total)

    def _to_end(self) -> None:
        self.waiting = 0
        self._top = max(0, self.total - self.size.height)

    def _clamp(self) -> None:
        self._top = max(0, min(self._top, self.total - self.size.height))

    # Painting

    def on_resize(self, _event: Resize) -> None:
        """Keep the end in view, or the place."""
        if self.following:
            self._to_end()
        self._clamp()
        self.forget()

    def render_line(self, y: int) -> Strip:
        """One line of a record, or of the notice."""
        width = self.size.width
        index = self._top + y
        if index >= self.total:
            spans = self._notice[y] if not self.total and y < len(self._notice) else ()
            return strip_of(((" ", "text"), *spans), width, self.palette)
        serial = self._base + index if self._wanted is None else self._hits[index]
        strip = self._strips.get(serial)
        if strip is None:
            if len(self._strips) > _CACHED:
                self._strips.clear()
            spans = self._form(self._records[serial - self._base])
            strip = self._strips[serial] = self._cut(spans, width)
        return strip

    def _cut(self, spans: Spans, width: int) -> Strip:
        if not self._left:
            return strip_of(spans, width, self.palette, greyed=self._greyed)
        strip = strip_of(spans, width + self._left, self.palette, greyed=self._greyed)
        return strip.crop(self._left, self._left + width)
