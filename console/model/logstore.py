"""Log lines as they are kept for scrolling: packed in blocks, a third of the memory of one record a line.

A line that is asked for is made anew. Blocks also leave no holes: the small records of 100,000 lines would
share their places in memory with others that stay, and could not be given back when the log is closed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import msgspec

from console.model.logs import LogLine

_BLOCK = 256
"""Lines of a block; those of the last one, not yet full, are kept as they came."""

Stream = tuple[str, str, bool]
"""Pod, container, and whether it is a notice of the console."""


class LogStore:
    """Lines in the order in which they came; they are added at the end and dropped at the beginning."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._last: list[LogLine] = []
        self._dropped = 0  # of the first block
        self._streams: list[Stream] = []
        self._numbers: dict[Stream, int] = {}

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._last) - self._dropped

    def __getitem__(self, index: int) -> LogLine:
        if not 0 <= index < len(self):
            raise IndexError(index)
        block, at = divmod(index + self._dropped, _BLOCK)
        if block == len(self._blocks):
            return self._last[at]
        number, text, time = self._blocks[block].line(at)
        pod, container, notice = self._streams[number]
        return LogLine(time, pod, container, text, notice)

    def extend(self, lines: Iterable[LogLine]) -> None:
        """Add lines at the end."""
        for line in lines:
            self._last.append(line)
            if len(self._last) == _BLOCK:
                self._blocks.append(self._packed(self._last))
                self._last.clear()

    def drop(self, count: int) -> None:
        """Let the first ``count`` lines go."""
        blocks, self._dropped = divmod(self._dropped + count, _BLOCK)
        if blocks >= len(self._blocks):
            rest = (blocks - len(self._blocks)) * _BLOCK + self._dropped
            del self._last[:rest]
            self._dropped = 0
        del self._blocks[:blocks]

    def _packed(self, lines: list[LogLine]) -> _Block:
        numbers, ends, times = array("I"), array("I"), array("d")
        texts: list[bytes] = []
        end = 0
        for line in lines:
            stream = (line.pod, line.container, line.notice)
            number = self._numbers.setdefault(stream, len(self._streams))
            if number == len(self._streams):
                self._streams.append(stream)
            text = line.text.encode("utf-8", "surrogatepass")
            texts.append(text)
            end += len(text)
            numbers.append(number)
            ends.append(end)
            times.append(_NO_TIME if line.at is None else line.at)
        return _Block(numbers, times, ends, b"".join(texts))


_NO_TIME = float("-inf")


class _Block(msgspec.Struct, frozen=True, gc=False):
    """As many lines as a block has: their streams by number, their times, where their texts end."""

    streams: array[int]
    times: array[float]
    ends: array[int]
    text: bytes

    def line(self, at: int) -> tuple[int, str, float | None]:
        """The stream, the text and the time of a line."""
        text = self.text[self.ends[at - 1] if at else 0 : self.ends[at]].decode("utf-8", "surrogatepass")
        time = self.times[at]
        return self.streams[at], text, None if time == _NO_TIME else time
