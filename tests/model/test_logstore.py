"""Log lines kept packed: what went in comes out, at its place, whatever was dropped before it."""

from __future__ import annotations

import random
import sys
from itertools import pairwise

import pytest

from console.model.logs import LogLine
from console.model.logstore import LogStore


def line(number: int) -> LogLine:
    at = None if number % 7 == 0 else 1_700_000_000 + number / 8
    text = ("", "plain", "ümläut 日本", "🙂", "\ud800")[number % 5] + str(number)
    return LogLine(at, f"pod-{number % 3}", "app" if number % 2 else "sidecar", text, number % 11 == 0)


@pytest.mark.parametrize("seed", range(40))
def test_it_is_a_list_that_grows_at_its_end_and_shrinks_at_its_beginning(seed: int) -> None:
    rng = random.Random(seed)
    store, expected, number = LogStore(), [], 0
    for _ in range(6):
        new = [line(number + offset) for offset in range(rng.choice((0, 1, 255, 256, rng.randrange(900))))]
        number += len(new)
        store.extend(new)
        expected += new
        fewer = min(rng.choice((0, 1, 256, rng.randrange(900))), len(expected))
        store.drop(fewer)
        del expected[:fewer]
        assert len(store) == len(expected)
        assert [store[place] for place in range(len(store))] == expected


def test_a_place_beyond_it_is_refused() -> None:
    store = LogStore()
    store.extend([line(1)])
    for place in (-1, 1):
        with pytest.raises(IndexError):
            store[place]
    assert list(store) == [line(1)]  # type: ignore[call-overload]  # the protocol of __getitem__


def test_a_line_costs_little_more_than_its_text() -> None:
    """Measured by what 10,000 more lines take; a record a line takes 200 bytes beside its text."""
    text = "x" * 100

    def size(count: int) -> int:
        store = LogStore()
        store.extend(LogLine(float(number), "pod", "app", text) for number in range(count))
        return sum(
            sys.getsizeof(part)
            for block in store._blocks
            for part in (block, block.streams, block.times, block.ends, block.text)
        )

    for fewer, more in pairwise((2_560, 25_600, 256_000)):
        assert (size(more) - size(fewer)) / (more - fewer) < len(text) + 20
