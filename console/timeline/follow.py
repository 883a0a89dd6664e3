"""Following a timeline that others append to: what is new since the last look, at the price of a stat."""

import os
from pathlib import Path

import msgspec

from console.model.symptoms.words import plural
from console.timeline.entry import BadLine, Entry, decode
from console.timeline.file import failure
from console.timeline.journal import Journal

_SLICE = 1024 * 1024
"""Bytes that one poll takes in at most, unless a single line is longer."""


class Batch(msgspec.Struct, frozen=True):
    """What one poll brought.

    `places` are the first byte of each entry and the one behind its last. `restarted` is None, or the
    sentence that says why the file is read from its beginning again (it was replaced or cut shorter, or the
    disk failed); then `entries` begins with the start of the file and what was known of it is to be dropped.
    `torn` tells that the file ends in the middle of a line right now, `missing` that there is no file of
    that name, `more` that another poll would bring more at once: a long file comes in slices.
    """

    entries: tuple[Entry, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    bad: tuple[BadLine, ...] = ()
    restarted: str | None = None
    torn: bool = False
    missing: bool = False
    more: bool = False


class Follower:
    """Reads a timeline incrementally. Synchronous; for one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._offset = 0
        self._line = 0
        self._size = 0
        self._restarted: str | None = None

    def poll(self) -> Batch:
        """Return what was appended since the last poll; nothing while the file does not exist yet.

        Raise TimelineError when the file cannot be read; the next poll tries again.
        """
        try:
            named = self._named()
        except OSError as error:
            raise failure(self.path, "read", error) from error
        try:
            return self._poll(named)
        except OSError as error:
            if self._descriptor >= 0:  # which may be of no use any more, and so may the one of the journal
                reason = (error.strerror or str(error)).lower()
                self._restart(f"{self.path} could not be read for a while ({reason})")
            raise failure(self.path, "read", error) from error

    def journal(self) -> Journal:
        """An empty journal of the file that is followed; ValueError before there is one."""
        if self._descriptor < 0:
            raise ValueError("No file is followed yet.")
        return Journal(self._descriptor)

    def close(self) -> None:
        """Let go of the file; a later poll begins at its start."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._restarted = -1, None
        self._offset, self._line, self._size = 0, 0, 0

    def _named(self) -> os.stat_result | None:
        try:
            return self.path.stat()
        except FileNotFoundError:
            return None

    def _poll(self, named: os.stat_result | None) -> Batch:
        if named is None:
            # What was written before the file was moved away is still readable through our descriptor.
            rest = self._read_new() if self._descriptor >= 0 else Batch()
            return msgspec.structs.replace(rest, missing=True)
        if self._descriptor >= 0:
            ours = os.fstat(self._descriptor)
            if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
                self._restart(f"{self.path} was replaced by another file")
            elif ours.st_size < self._size:
                lost = plural(self._size - ours.st_size, "byte of the record is", "bytes of the record are")
                self._restart(f"{self.path} was cut: at least {lost} gone")
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._read_new()

    def _restart(self, reason: str) -> None:
        """Begin at the start of the file that has the name then; the next batch of it says why."""
        self.close()
        self._restarted = reason

    def _read_new(self) -> Batch:
        batch = self._read_lines()
        restarted, self._restarted = self._restarted, None
        return msgspec.structs.replace(batch, restarted=restarted) if restarted else batch

    def _read_lines(self) -> Batch:
        size = os.fstat(self._descriptor).st_size
        if size == self._size:
            return Batch(torn=size > self._offset)
        data = self._read_slice(size)
        entries: list[Entry] = []
        places: list[tuple[int, int]] = []
        bad: list[BadLine] = []
        *lines, rest = bytes(data).split(b"\n")
        at = self._offset
        for line in lines:
            self._line += 1
            try:
                entries.append(decode(line))
                places.append((at, at + len(line)))
            except ValueError as error:
                bad.append(BadLine(self._line, str(error)))
            at += len(line) + 1
        self._size = self._offset + len(data)
        self._offset = at
        more = self._size < size
        if more:
            self._size = at
        return Batch(tuple(entries), tuple(places), tuple(bad), torn=bool(rest) and not more, more=more)

    def _read_slice(self, size: int) -> bytearray:
        """What is new, up to a slice that holds the end of a line."""
        data = bytearray()
        while self._offset + len(data) < size:
            if len(data) >= _SLICE and b"\n" in data:
                break
            wanted = min(_SLICE, size - self._offset - len(data))
            block = os.pread(self._descriptor, wanted, self._offset + len(data))
            if not block:
                break
            data += block
        return data
