"""The whole record of an incident as it lies on the disk, to be walked as often as needed, never held."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from console.timeline.entry import BadLine, Entry, TimelineError, decode
from console.timeline.file import failure, scan
from console.timeline.spool import SpoolError, open_spool

_BLOCK = 4096
_BAD_KEPT = 10


class Stored:
    """A timeline followed by the entries that wait for it in the spool, each once, as they were when opened.

    What is appended later is not in it, so that every walk sees the same. The place of an entry is the byte
    at which it begins, counted on through the spool. A walk to the end sets `bad` (the first ten bad lines
    of the timeline), `bad_count` and `waiting` (entries that are in the spool alone). Raise TimelineError
    when a file cannot be read; a missing one is empty. Of the two files one that cannot be opened is empty
    as well: `damage` says why. Synchronous; for one thread and one walk at a time.
    """

    def __init__(self, path: Path, spooled: Path) -> None:
        self.path, self.spooled = path, spooled
        self.bad: tuple[BadLine, ...] = ()
        self.bad_count = 0
        self.waiting = 0
        self.damage = ""
        self._spool: BinaryIO | None = None
        try:
            self._spool = open_spool(spooled)
        except SpoolError as error:
            self.damage = str(error)
        self._spool_end = os.fstat(self._spool.fileno()).st_size if self._spool is not None else 0
        self._home, self._home_end = self._open(path)

    def close(self) -> None:
        """Let go of the files."""
        for file in (self._home, self._spool):
            if file is not None:
                file.close()

    def walk(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries in the order in which they were written, each with its place."""
        bad: list[BadLine] = []
        bad_count = waiting = 0
        missing = {entry.id for _, entry in self._walk_spool()}
        for place, found in _scan(self.path, self._home, self._home_end):
            if isinstance(found, Entry):
                missing.discard(found.id)
                yield place, found
            else:
                bad_count += 1
                if len(bad) < _BAD_KEPT:
                    bad.append(found)
        for place, entry in self._walk_spool() if missing else ():
            if entry.id in missing:
                waiting += 1
                yield place, entry
        self.bad, self.bad_count, self.waiting = tuple(bad), bad_count, waiting

    def read(self, place: int) -> Entry:
        """Return the entry at a place that a walk named; TimelineError when it is there no more."""
        if place < self._home_end:
            path, file, at, end = self.path, self._home, place, self._home_end
        else:
            path, file, at, end = self.spooled, self._spool, place - self._home_end, self._spool_end
        try:
            return decode(_line(file, at, end))
        except OSError as error:
            raise failure(path, "read", error) from error
        except ValueError as error:
            raise TimelineError(f"The timeline {path} was changed while it was read; try again.") from error

    def _open(self, path: Path) -> tuple[BinaryIO | None, int]:
        try:
            file = path.open("rb")
            return file, os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            return None, 0
        except OSError as error:
            problem = failure(path, "read", error)
            if self._spool is None:
                raise problem from error
            self.damage = str(problem)
            return None, 0

    def _walk_spool(self) -> Iterator[tuple[int, Entry]]:
        for place, found in _scan(self.spooled, self._spool, self._spool_end):
            if isinstance(found, Entry):
                yield self._home_end + place, found


def _scan(path: Path, file: BinaryIO | None, end: int) -> Iterator[tuple[int, Entry | BadLine]]:
    if file is None:
        return
    try:
        yield from scan(file, 0, end)
    except OSError as error:
        raise failure(path, "read", error) from error


def _line(file: BinaryIO | None, at: int, end: int) -> bytes:
    line = b""
    while file is not None and b"\n" not in line and at + len(line) < end:
        begin = at + len(line)
        block = os.pread(file.fileno(), min(max(_BLOCK, len(line)), end - begin), begin)
        if not block:
            break
        line += block
    return line.partition(b"\n")[0]
