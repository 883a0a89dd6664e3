"""The corrected view of a timeline: corrections applied to what they correct, nothing hidden.

The view is made in two walks over the record, three when something was corrected. Entries are mostly written
in the order in which things happened, so those that are can be passed on as they are read; kept is only where
the others lie, and what corrections say of what.
"""

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from console.timeline.entry import Entry, parse_time

_RUN = 4096
"""Late entries that are sorted at a time; all that is kept of them afterwards is their places."""


class Record(Protocol):
    """Entries that can be walked several times, and read one by one at the places that a walk named.

    Places grow in the order of the walk.
    """

    def walk(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries in the order in which they were written, each with its place."""
        ...

    def read(self, place: int) -> Entry:
        """Return the entry at a place."""
        ...


class Row(msgspec.Struct, frozen=True):
    """An entry as it reads today, with its last correction and its first text when it was corrected."""

    entry: Entry
    correction: Entry | None = None
    original: str | None = None

    @property
    def mark(self) -> str:
        """The visible sign of a correction, empty when there is none."""
        if self.correction is None:
            return ""
        return f"(corrected by {self.correction.user} at {self.correction.ts})"


class _Order(NamedTuple):
    """When it happened, when it was recorded, its number; the place decides between equals."""

    occurred_at: str
    ts: str
    seq: int
    place: int


def corrected(entries: Iterable[Entry]) -> list[Row]:
    """Return the corrected view of entries that are held in memory; see `rows`."""
    return list(rows(_Held(tuple(entries))))


def rows(record: Record) -> Iterator[Row]:
    """Return the entries without corrections, with the last correction of each applied.

    A correction replaces the text, and `occurred_at` when its data names one. A correction of a correction
    counts for the entry at the root. One whose target is not here stays as an entry of its own. Rows are
    ordered by when things happened, then by when they were recorded. The record is walked once before this
    returns; memory grows with corrections and with what was written late, not with entries.
    """
    corrections: list[tuple[int, str]] = []
    late = _Late()
    latest = _Order("", "", 0, -1)
    for place, entry in record.walk():
        if entry.corrects is not None:
            corrections.append((place, entry.corrects))
        order = _order(entry, place)
        if order < latest:
            late.add(order)
        else:
            latest = order
    return _merged(record, late, _Corrections(record, corrections))


def _merged(record: Record, late: "_Late", corrections: "_Corrections") -> Iterator[Row]:
    def in_place(places: Iterable[tuple[int, Entry]]) -> Iterator[tuple[_Order, Row]]:
        for place, entry in places:
            row = corrections.row(entry)
            if row is not None and row.entry.occurred_at == entry.occurred_at:
                yield _order(entry, place), row

    runs = [in_place((place, record.read(place)) for place in run) for run in late.runs()]
    ordered = heapq.merge(in_place(_in_order(record)), *runs, corrections.moved())
    return (row for _, row in ordered)


def _in_order(record: Record) -> Iterator[tuple[int, Entry]]:
    latest = _Order("", "", 0, -1)
    for place, entry in record.walk():
        order = _order(entry, place)
        if order > latest:
            latest = order
            yield place, entry


def _order(entry: Entry, place: int) -> _Order:
    return _Order(entry.occurred_at, entry.ts, entry.seq, place)


class _Held:
    """A record in memory."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def walk(self) -> Iterator[tuple[int, Entry]]:
        return iter(enumerate(self._entries))

    def read(self, place: int) -> Entry:
        return self._entries[place]


class _Late:
    """The places of entries that were written after something that happened later, in sorted runs."""

    def __init__(self) -> None:
        self._fresh: list[_Order] = []
        self._runs: list[array[int]] = []

    def add(self, order: _Order) -> None:
        self._fresh.append(order)
        if len(self._fresh) == _RUN:
            self._close()

    def runs(self) -> list["array[int]"]:
        self._close()
        return self._runs

    def _close(self) -> None:
        if self._fresh:
            self._runs.append(array("Q", (order.place for order in sorted(self._fresh))))
            self._fresh = []


class _Corrections:
    """What corrects what: the place of the last correction of each entry that was corrected."""

    def __init__(self, record: Record, corrections: Sequence[tuple[int, str]]) -> None:
        self._record = record
        wanted = {target for _, target in corrections}
        self._above: dict[str, str | None] = {}
        """Of each entry that a correction names: what it corrects itself."""
        self._targets: list[int] = []
        for place, entry in record.walk() if wanted else ():
            if entry.id in wanted:
                self._above[entry.id] = entry.corrects
                self._targets.append(place)
        self._last: dict[str, int] = {}
        for place, target in corrections:
            root = self._root(target)
            if root is not None:
                self._last[root] = place

    def row(self, entry: Entry) -> Row | None:
        """The entry as it reads today, None of a correction that was applied."""
        if self._root(entry.corrects) is not None:
            return None
        place = self._last.get(entry.id)
        return Row(entry) if place is None else _apply(entry, self._record.read(place))

    def moved(self) -> list[tuple[_Order, Row]]:
        """The rows that a correction has put at another time, in order."""
        found: list[tuple[_Order, Row]] = []
        for place in self._targets:
            entry = self._record.read(place)
            row = self.row(entry)
            if row is not None and row.entry.occurred_at != entry.occurred_at:
                found.append((_order(row.entry, place), row))
        return sorted(found, key=lambda one: one[0])

    def _root(self, target: str | None) -> str | None:
        seen: set[str] = set()
        while target is not None and target in self._above and target not in seen:
            seen.add(target)
            above = self._above[target]
            if above is None:
                return target
            target = above
        return None


def _apply(entry: Entry, correction: Entry) -> Row:
    moment = correction.data.get("occurred_at")
    occurred_at = entry.occurred_at
    if isinstance(moment, str):
        try:
            parse_time(moment)
            occurred_at = moment
        except ValueError:
            pass
    current = msgspec.structs.replace(entry, text=correction.text, occurred_at=occurred_at)
    return Row(current, correction, entry.text)
