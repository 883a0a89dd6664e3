import io
import random
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.timeline import corrected as corrected_module
from console.timeline.corrected import Row, corrected, rows
from console.timeline.entry import Entry, TimelineError, encode, seal
from console.timeline.export import FORMATS, Format, export
from console.timeline.file import read_timeline, scan
from console.timeline.stored import Stored
from tests.timeline.helpers import draft


def written(number: int, **changes: Any) -> Entry:
    """A sealed entry that was recorded in its turn, `number` seconds after noon."""
    at = f"2026-03-01T{12 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
    fields = {"text": f"entry {number}", "ts": at, "occurred_at": at, "id": f"{number:026}"} | changes
    entry = draft(**fields)
    return seal(entry, seq=number + 1, entry_id=entry.id, prev="0" * 64)


def store(path: Path, entries: Iterable[Entry]) -> Path:
    with path.open("wb") as file:
        file.writelines(encode(entry) + b"\n" for entry in entries)
    return path


def plainly_corrected(entries: list[Entry]) -> list[tuple[str, str, str | None, str]]:
    """Id, text, original and time of the corrected view, derived from everything at once."""
    by_id = {entry.id: entry for entry in entries}
    applied: dict[str, Entry] = {}
    kept: list[Entry] = []
    for entry in entries:
        passed: list[str] = []
        root = entry
        while root.corrects in by_id and root.corrects not in passed:
            passed.append(root.corrects)
            root = by_id[root.corrects]
        if entry.corrects is not None and root.corrects is None:
            applied[root.id] = entry
        else:
            kept.append(entry)
    found = []
    for entry in kept:
        by = applied.get(entry.id)
        at = by.data.get("occurred_at", entry.occurred_at) if by else entry.occurred_at
        shown = (entry.id, by.text if by else entry.text, entry.text if by else None, at)
        found.append(((at, entry.ts, entry.seq), shown))
    return [shown for _, shown in sorted(found, key=lambda one: one[0])]


def jumbled(seed: int) -> list[Entry]:
    """Entries of which many were written late, corrected, moved, or correct what is not there."""
    rng = random.Random(seed)
    count = rng.choice([1, 3, 30, 150])
    entries = []
    for number in range(count):
        changes: dict[str, Any] = {}
        moment = f"2026-03-01T{rng.randrange(11, 14)}:00:{rng.randrange(60):02}.000Z"
        if rng.random() < 0.3:
            changes["occurred_at"] = moment
        if rng.random() < 0.3:
            target = rng.choice([f"{rng.randrange(count):026}", "gone"])
            changes |= {"kind": "correction", "corrects": target}
            changes["data"] = {"occurred_at": moment} if rng.random() < 0.5 else {}
        if rng.random() < 0.1:
            changes["id"] = f"{rng.randrange(count):026}"
        entries.append(written(number, **changes))
    return entries


@pytest.mark.parametrize("seed", range(40))
def test_the_view_of_a_file_is_that_of_its_entries_taken_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(corrected_module, "_RUN", 4)
    entries = jumbled(seed)
    half = len(entries) // 2
    home = store(tmp_path / "t.jsonl", entries[:half])
    # What is in both is not told twice.
    known = {entry.id for entry in entries[:half]}
    waiting = [entry for entry in entries[half:] if entry.id not in known]
    spool = store(tmp_path / "s.jsonl", waiting + entries[: half // 2])
    stored = Stored(home, spool)
    seen = [(row.entry.id, row.entry.text, row.original, row.entry.occurred_at) for row in rows(stored)]
    stored.close()
    assert seen == plainly_corrected(entries[:half] + waiting)
    assert stored.waiting == len(waiting)


def test_a_note_written_hours_later_stands_where_it_happened(tmp_path: Path) -> None:
    entries = [written(number) for number in range(50)]
    entries.append(written(50, occurred_at="2026-03-01T12:00:10.500Z"))
    fix = {
        "kind": "correction",
        "corrects": entries[3].id,
        "data": {"occurred_at": "2026-03-01T12:00:40.100Z"},
    }
    entries.append(written(51, **fix))
    stored = Stored(store(tmp_path / "t.jsonl", entries), tmp_path / "none")
    view = list(rows(stored))
    stored.close()
    assert [row.entry.seq for row in view][9:12] == [11, 51, 12]
    moved = next(row for row in view if row.entry.seq == 4)
    assert (moved.entry.text, moved.original) == ("entry 51", "entry 3")
    assert view.index(moved) == view.index(next(row for row in view if row.entry.seq == 41)) + 1
    assert len(view) == 51


def test_what_is_appended_while_it_is_read_is_left_to_the_next_reader(tmp_path: Path) -> None:
    path = store(tmp_path / "t.jsonl", [written(0), written(1)])
    stored = Stored(path, tmp_path / "none")
    with path.open("ab") as file:
        file.write(encode(written(2)) + b"\n")
    assert [entry.seq for _, entry in stored.walk()] == [1, 2]
    stored.close()


def test_bad_lines_are_counted_and_the_first_ten_named(tmp_path: Path) -> None:
    path = store(tmp_path / "t.jsonl", [written(0)])
    path.write_bytes(path.read_bytes() + b"rubbish\n" * 30 + b'{"torn')
    stored = Stored(path, tmp_path / "none")
    deque(stored.walk(), maxlen=0)
    stored.close()
    assert (stored.bad_count, [bad.line for bad in stored.bad]) == (31, list(range(2, 12)))
    assert stored.bad == read_timeline(path).bad[:10]


def test_an_entry_is_read_at_its_place_whatever_its_length(tmp_path: Path) -> None:
    entries = [written(number, text="x" * length) for number, length in enumerate((0, 9_000, 70_000, 5))]
    home = store(tmp_path / "t.jsonl", entries[:3])
    stored = Stored(home, store(tmp_path / "s.jsonl", entries[3:]))
    places = list(stored.walk())
    assert [stored.read(place) for place, _ in reversed(places)] == entries[::-1]
    home.write_bytes(b"y" * home.stat().st_size)
    with pytest.raises(TimelineError, match="was changed while it was read"):
        stored.read(places[0][0])
    stored.close()


def test_a_scan_ends_in_the_middle_of_a_line_where_it_is_told_to() -> None:
    first, second = encode(written(0)) + b"\n", encode(written(1))
    found = list(scan(io.BytesIO(first + second), 0, len(first) + 20))
    assert [place for place, _ in found] == [0, len(first)]
    whole = [one for _, one in scan(io.BytesIO(first + second + b"\n"), 0, len(first) + len(second))]
    assert [isinstance(one, Entry) for one in whole] == [True, False, True]


def exported(form: Format) -> Callable[[Stored], Iterator[object]]:
    return lambda stored: export(rows(stored), form)


READERS: dict[str, Callable[[Stored], Iterator[object]]] = {
    "walk": Stored.walk,
    "rows": rows,
    **{form: exported(form) for form in FORMATS},
}


@pytest.mark.parametrize("name", READERS)
def test_memory_does_not_grow_with_the_entries(tmp_path: Path, name: str) -> None:
    fill = {"fill": ["x" * 50] * 4}
    peaks = []
    for count in (300, 3_000):
        entries = (written(number, data=fill) for number in range(count))
        stored = Stored(store(tmp_path / f"{count}.jsonl", entries), tmp_path / "none")
        deque(READERS[name](stored), maxlen=0)  # what is learned once is not counted
        tracemalloc.start()
        deque(READERS[name](stored), maxlen=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        stored.close()
    assert peaks[1] < peaks[0] + 100_000, "2,700 more entries, held, would be megabytes"


def test_many_late_entries_cost_their_places_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrected_module, "_RUN", 100)
    # A console whose clock is an hour ahead makes every other entry late.
    ahead = {"ts": "2026-03-01T14:00:00.000Z", "occurred_at": "2026-03-01T14:00:00.000Z"}
    entries = [
        written(number, data={"fill": "x" * 1_000}, **(ahead if number % 2 else {}))
        for number in range(2_000)
    ]
    stored = Stored(store(tmp_path / "t.jsonl", entries), tmp_path / "none")
    size = (tmp_path / "t.jsonl").stat().st_size
    del entries
    tracemalloc.start()
    last = deque(rows(stored), maxlen=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stored.close()
    assert last[0].entry.seq == 2_000
    assert peak < size / 10


def test_the_view_of_entries_in_memory_takes_an_iterator() -> None:
    entries = [written(1), written(0)]
    assert corrected(iter(entries)) == [Row(entries[1]), Row(entries[0])]
    assert msgspec.structs.asdict(corrected(entries)[0])["correction"] is None
