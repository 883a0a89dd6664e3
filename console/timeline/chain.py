"""Verification of a timeline file: every line sound, every entry chained to the one before it.

The chain proves that no line was changed, removed, added or moved between the first and the last entry. It
cannot show that lines were cut off at the end or that the whole file was replaced: keep the count and the
head hash elsewhere (a hand-over note, the chat) and compare.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from console.timeline.entry import GENESIS, BadLine, decode_sound
from console.timeline.file import failure


class Report(msgspec.Struct, frozen=True):
    """The result of a verification: sound entries, the hash of the last one, and the bad lines in order."""

    entries: int
    head: str
    bad: tuple[BadLine, ...]

    @property
    def ok(self) -> bool:
        """Tell whether every line is sound and in its place."""
        return not self.bad


def verify(path: Path) -> Report:
    """Check the lines and the chain of one file; raise TimelineError when it cannot be read."""
    bad: list[BadLine] = []
    count, seq, head = 0, 0, GENESIS
    try:
        for number, line, complete in _lines(path):
            try:
                entry = decode_sound(line)
            except ValueError as error:
                torn = "" if complete else "it is torn (it does not end in a newline), and "
                bad.append(BadLine(number, torn + str(error), torn=not complete))
                continue
            if not complete:
                bad.append(BadLine(number, "it does not end in a newline", torn=True))
            elif entry.prev != head or entry.seq != seq + 1:
                bad.append(BadLine(number, misplaced(seq, entry.seq)))
            count, seq, head = count + 1, entry.seq, entry.hash
    except OSError as error:
        raise failure(path, "read", error) from error
    return Report(count, head, tuple(bad))


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, line.removesuffix(b"\n"), line.endswith(b"\n")


def misplaced(before: int, seq: int) -> str:
    """What is wrong with entry `seq` after entry `before` when it does not follow it."""
    if seq == before + 1:
        return f"entry {seq} does not follow the entry before it: the chain is broken here"
    if seq <= before:
        return f"entry {seq} stands after entry {before}: lines were moved or added"
    missing = f"entry {before + 1}" if seq == before + 2 else f"entries {before + 1} to {seq - 1}"
    return f"entry {seq} stands where entry {before + 1} belongs: {missing} missing"
