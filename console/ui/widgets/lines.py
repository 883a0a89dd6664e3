"""Scrolling text for logs and the timeline: 100,000 lines at the cost of those that are seen.

It follows the end until a person scrolls up; then it stands still and counts what came since. A filter looks
through the lines from the end backwards, a little at a time, so that no key waits for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip

from console.model.logs import LogLine
from console.model.logstore import LogStore
from console.ui.cells import Spans, strip_of
from console.ui.widgets.line_widget import MOVES, LineWidget

_CACHED = 256
"""Painted lines that are kept, some pages of them: each is a hundred objects for the garbage collector."""
_SLICE = 1000
"""Lines that are filtered at once."""
_PAUSE = 0.004
"""Seconds between two such slices, for the keys and frames that wait."""


class Records(Protocol):
    """What can be shown: records by their position."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class LineView(LineWidget, can_focus=True):
    """See the module. ``form`` makes the spans of a record.

    Records are either log lines, given with ``append`` and kept here, at most ``limit``, or stay in a
    sequence that somebody else keeps and lets grow, and ``show`` says that it did.
    """

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
        self._own = LogStore()
        self._records: Records = self._own
        self._count = 0
        self._base = 0
        self._wanted: Callable[[Any], bool] | None = None
        self._hits: list[int] = []
        self._unfiltered = 0
        self._anchor: int | None = None
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
        return self._count if self._wanted is None else len(self._hits)

    @property
    def held(self) -> int:
        """How many records are kept, filtered or not."""
        return self._count

    @property
    def span(self) -> tuple[int, int]:
        """The positions of the first visible line and of the one after the last."""
        return self._top, min(self.total, self._top + self.size.height)

    def shown(self) -> Iterator[Any]:
        """The records that pass the filter, oldest first."""
        while self._unfiltered:
            self._filter_more()
        places = range(self._count) if self._wanted is None else [hit - self._base for hit in self._hits]
        return (self._records[place] for place in places)

    def append(self, records: Sequence[LogLine]) -> None:
        """Add log lines at the end; the oldest go when there are too many, and are counted."""
        if records:
            self._own.extend(records)
            self._grow(len(records))

    def show(self, records: Records) -> None:
        """Show a sequence that is kept elsewhere; when it is the one shown already, what it has more."""
        known = self._count
        if records is self._records or (0 < known <= len(records) and records[known - 1] is self._last()):
            self._records = records
            self._grow(len(records) - known)
            return
        self.replace(records)

    def _last(self) -> Any:
        return self._records[self._count - 1]

    def _grow(self, more: int) -> None:
        if not more:
            return
        first = self._count
        self._count += more
        added = more
        if self._wanted is not None:
            if more > _SLICE:
                self._filter_anew()
                return
            wanted = self._wanted
            hits = [self._base + at for at in range(first, self._count) if wanted(self._records[at])]
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

    def replace(self, records: Records) -> None:
        """Begin anew with a sequence that is kept elsewhere."""
        self._clear()
        self._records = records
        self._grow(len(records))
        self._clamp()
        self.refresh()

    def clear(self) -> None:
        """Begin anew with nothing; log lines are appended then."""
        self._own = LogStore()
        self.replace(self._own)

    def _clear(self) -> None:
        self._hits = []
        self._count = self._base = self._unfiltered = 0
        self._anchor = None
        self._strips.clear()
        self.forgotten = 0
        self._top = 0

    def set_filter(self, wanted: Callable[[Any], bool] | None) -> None:
        """Show only the records that ``wanted`` accepts."""
        if not self.following and self._anchor is None and self._top < self.total:
            self._anchor = self._base + self._top if self._wanted is None else self._hits[self._top]
        self._wanted = wanted
        self._strips.clear()
        self._filter_anew()

    def _filter_anew(self) -> None:
        """Filter the last lines at once and those before them soon."""
        self._hits = []
        waiting = self._unfiltered > 0
        self._unfiltered = self._count if self._wanted is not None else 0
        self._filter_more()
        if self._anchor is None:
            self.refresh()
        if self._unfiltered and not waiting:
            self.set_timer(_PAUSE, self._filter_on)

    def _filter_on(self) -> None:
        """Filter a slice; what is seen is painted again only where that changes it."""
        if not self._unfiltered:
            return
        before = self._hits[slice(*self.span)]
        self._filter_more()
        if self._anchor is None and before != self._hits[slice(*self.span)]:
            self.refresh()
        if self._unfiltered:
            self.set_timer(_PAUSE, self._filter_on)
        else:
            self.post_message(self.Moved())

    def _filter_more(self) -> None:
        """Filter the slice before those that were filtered, and keep what is seen in its place."""
        last = self._unfiltered
        self._unfiltered = first = max(0, last - _SLICE)
        hits: list[int] = []
        if self._wanted is not None:
            wanted = self._wanted
            hits = [self._base + at for at in range(first, last) if wanted(self._records[at])]
        self._hits[:0] = hits
        if self.following:
            self._to_end()
        elif self._anchor is None:
            self._top += len(hits)
        elif self._base + self._unfiltered <= self._anchor:  # until then there is nothing near it to show
            first_seen = bisect_left(self._hits, self._anchor) if self._wanted else self._anchor - self._base
            self._top, self._anchor = first_seen, None
        self._clamp()

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
        surplus = self._count - self._limit
        if surplus <= 0 or self._records is not self._own:
            return
        surplus += self._limit // 20  # in lots, for each costs a move of what is left
        before = self.total
        self._own.drop(surplus)
        self._count -= surplus
        self._unfiltered = max(0, self._unfiltered - surplus)
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
        self._anchor = None
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

    def on_unmount(self) -> None:
        """Let the records go at once: a closed screen is a cycle that waits for the garbage collector."""
        self._wanted = None
        self._clear()
        self._own = LogStore()
        self._records = self._own
        self._painted.clear()

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

    def _cut(self, spans: Spans, width: int, *, selected: bool = False) -> Strip:
        whole = width + self._left
        strip = strip_of(spans, whole, self.palette, selected=selected, greyed=self._greyed)
        return strip.crop(self._left, whole) if self._left else strip
