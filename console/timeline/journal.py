"""A timeline of any length as a sequence: where each entry lies is kept, the entries are read when needed."""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import overload

from console.timeline.entry import Entry, decode

_PAGE = 128
"""Entries that are read together."""
_KEPT = 48
"""Pages that are kept in memory, those used last."""


class Journal(Sequence[Entry]):
    """The entries of one open file. It only grows; every method may be called from any thread.

    It has a descriptor of its own, so it stays readable when the file is moved away. An entry whose bytes
    were changed after they had been found becomes one that says so.
    """

    def __init__(self, descriptor: int) -> None:
        # Closed with the last reader, wherever that is: the screen may still show what the engine has left.
        self._file = os.fdopen(os.dup(descriptor), "rb", buffering=0)
        self._starts = array("Q")
        self._ends = array("Q")
        self._pages: OrderedDict[int, tuple[Entry, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def extend(self, places: Sequence[tuple[int, int]]) -> None:
        """Add entries by where they begin and end in the file."""
        self._starts.extend(start for start, _ in places)
        self._ends.extend(end for _, end in places)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Entry, ...]: ...

    def __getitem__(self, index: int | slice) -> Entry | tuple[Entry, ...]:
        count = len(self)
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(count)))
        if index < 0:
            index += count
        if not 0 <= index < count:
            raise IndexError(index)
        number, offset = divmod(index, _PAGE)
        with self._lock:
            page = self._pages.get(number, ())
            if offset >= len(page):
                page = self._pages[number] = self._read(number, count)
            self._pages.move_to_end(number)
            while len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
        return page[offset]

    def __iter__(self) -> Iterator[Entry]:
        count = len(self)
        for number in range(-(-count // _PAGE)):
            yield from self._read(number, count)

    def __reversed__(self) -> Iterator[Entry]:
        count = len(self)
        for number in reversed(range(-(-count // _PAGE))):
            yield from reversed(self._read(number, count))

    def _read(self, number: int, count: int) -> tuple[Entry, ...]:
        first, last = number * _PAGE, min(count, (number + 1) * _PAGE)
        begin = self._starts[first]
        try:
            data = os.pread(self._file.fileno(), self._ends[last - 1] - begin, begin)
        except OSError as error:
            data = (error.strerror or str(error)).encode()
        return tuple(
            _entry(data[self._starts[at] - begin : self._ends[at] - begin]) for at in range(first, last)
        )


class Joined(Sequence[Entry]):
    """The entries that a journal has now, and those that wait to come into it. It never changes."""

    def __init__(self, journal: Sequence[Entry], waiting: tuple[Entry, ...]) -> None:
        self._journal, self._count, self._waiting = journal, len(journal), waiting

    def __len__(self) -> int:
        return self._count + len(self._waiting)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Entry, ...]: ...

    def __getitem__(self, index: int | slice) -> Entry | tuple[Entry, ...]:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(len(self))))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._journal[index] if index < self._count else self._waiting[index - self._count]


def _entry(line: bytes) -> Entry:
    try:
        return decode(line)
    except ValueError:
        return _UNREADABLE


_UNREADABLE = Entry(
    seq=0,
    id="",
    ts="",
    occurred_at="",
    incident=None,
    user="",
    host="",
    session="",
    kind="check",
    source="system",
    text="This entry can no longer be read: the file was changed. Run `warroom timeline verify`.",
    data={},
    prev="",
    hash="",
)
