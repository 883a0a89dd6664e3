"""What is wrong with a file that is followed, told once as it is read; hashes are left to `verify`."""

import math
from pathlib import Path

from console.model.symptoms.words import plural
from console.model.text import clean
from console.timeline.chain import misplaced
from console.timeline.entry import GENESIS
from console.timeline.follow import Batch

_UNFINISHED_AFTER = 10.0
"""Seconds for which a line without its end may be one that is just being written."""
_NAMED = 2
"""Places that one sentence names."""
_LIMIT = 300
"""Characters of what is wrong with a line, which may quote what stands there."""


class DamageFinder:
    """Looks at the batches of one file from its beginning on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seq, self._head = 0, GENESIS
        self._gone = False
        self._torn_since: float | None = None

    def look(self, batch: Batch, now: float) -> str:
        """What is wrong with a batch, as part of a sentence, or nothing; `now` is in monotonic seconds."""
        found = [
            f"line {bad.line} of {self._path} is skipped: {clean(bad.reason, _LIMIT)}" for bad in batch.bad
        ]
        for entry in batch.entries:
            if entry.prev != self._head or entry.seq != self._seq + 1:
                found.append(misplaced(self._seq, entry.seq))
            self._seq, self._head = entry.seq, entry.hash
        if not batch.torn:
            self._torn_since = None
        elif self._torn_since is None:
            self._torn_since = now
        elif now - self._torn_since > _UNFINISHED_AFTER:
            found.append(f"the last line of {self._path} was left unfinished")
            self._torn_since = math.inf
        if batch.missing and self._seq and not self._gone:
            found.append(f"{self._path} is gone")
        self._gone = batch.missing
        if len(found) > _NAMED:
            found[_NAMED:] = [plural(len(found) - _NAMED, "more place like it", "more places like it")]
        return "; ".join(found)
