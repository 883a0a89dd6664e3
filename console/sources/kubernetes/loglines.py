"""Log bytes to lines: clipped while they come in, timestamps read, repetitions after a resume dropped."""

from __future__ import annotations

import re
from datetime import UTC, datetime

TEXT_LIMIT = 4096
"""Characters of a line that are kept."""
_BYTES_KEPT = 4 * TEXT_LIMIT + 64
"""A character has at most four bytes, and a timestamp stands before the text."""


class LineSplitter:
    """Splits chunks into lines and keeps no more than the start of any line, be it of gigabytes."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes, each clipped."""
        *complete, rest = chunk.split(b"\n")
        lines: list[bytes] = []
        for piece in complete:
            self._hold(piece)
            lines.append(bytes(self._held))
            self._held.clear()
        self._hold(rest)
        return lines

    def rest(self) -> list[bytes]:
        """The last line when the stream ended without a newline."""
        lines = [bytes(self._held)] if self._held else []
        self._held.clear()
        return lines

    def _hold(self, piece: bytes) -> None:
        room = _BYTES_KEPT - len(self._held)
        if room > 0:
            self._held += piece[:room]


_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")


class Stamps:
    """Reads the timestamps before the lines of one container, and where to resume after a cut.

    A resume can only name a second, so the lines of that second come again; those seen are dropped by
    their time to the nanosecond, and by their count where several carry the same. ``seen`` counts lines.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._last = 0
        self._same = 0
        self._skip = 0
        self._second = (b"", 0)

    def resume(self) -> str | None:
        """Begin a resume: the ``sinceTime`` to go on from, None when nothing was read yet."""
        if not self._last:
            return None
        self._skip = self._same
        return datetime.fromtimestamp(self._last // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def take(self, raw: bytes) -> tuple[float | None, bytes, bool]:
        """Time, text and whether the line is new."""
        match = _STAMP.match(raw)
        if match is None:
            self.seen += 1
            return None, raw, True
        moment = self._moment(match)
        content = raw[match.end() :]
        if moment < self._last and self._skip:
            return moment / 1e9, content, False
        if moment == self._last:
            if self._skip > 0:
                self._skip -= 1
                return moment / 1e9, content, False
            self._same += 1
        elif moment > self._last:
            self._last, self._same, self._skip = moment, 1, 0
        self.seen += 1
        return moment / 1e9, content, True

    def _moment(self, match: re.Match[bytes]) -> int:
        """Nanoseconds since the epoch; the seconds of the line before are remembered, they rarely change."""
        key = match[1] + match[3]
        if key != self._second[0]:
            try:
                seconds = int(datetime.fromisoformat(key.decode()).timestamp())
            except ValueError:
                seconds = 0
            self._second = (key, seconds)
        return self._second[1] * 1_000_000_000 + int((match[2] or b"0").ljust(9, b"0"))
