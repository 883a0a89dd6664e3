"""The corrected view of a timeline: corrections applied to what they correct, nothing hidden."""

from collections.abc import Iterable

import msgspec

from console.timeline.entry import Entry, parse_time


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


def corrected(entries: Iterable[Entry]) -> list[Row]:
    """Return the entries without corrections, with the last correction of each applied.

    A correction replaces the text, and `occurred_at` when its data names one. A correction of a correction
    counts for the entry at the root. One whose target is not here stays as an entry of its own. Rows are
    ordered by when things happened, then by when they were recorded.
    """
    everything = list(entries)
    by_id = {entry.id: entry for entry in everything}
    applied: dict[str, Entry] = {}
    rows: list[Entry] = []
    for entry in everything:
        root = _root(entry, by_id)
        if root is None:
            rows.append(entry)
        else:
            applied[root] = entry
    result = [_apply(entry, applied.get(entry.id)) for entry in rows]
    return sorted(result, key=lambda row: (row.entry.occurred_at, row.entry.ts, row.entry.seq))


def _root(entry: Entry, by_id: dict[str, Entry]) -> str | None:
    seen: set[str] = set()
    target = entry.corrects
    while target is not None and target in by_id and target not in seen:
        seen.add(target)
        above = by_id[target].corrects
        if above is None:
            return target
        target = above
    return None


def _apply(entry: Entry, correction: Entry | None) -> Row:
    if correction is None:
        return Row(entry)
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
