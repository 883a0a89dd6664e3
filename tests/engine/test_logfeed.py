"""Log lines between threads: bounded, and every dropped line is counted."""

from __future__ import annotations

from console.engine.logfeed import BufferedFeed
from console.model.logs import LogLine


def lines(first: int, last: int) -> list[LogLine]:
    return [LogLine(None, "pod", "app", str(number)) for number in range(first, last)]


def test_lines_beyond_the_capacity_are_dropped_oldest_first_and_counted_once() -> None:
    feed = BufferedFeed(lambda: None, lambda: None, capacity=3)
    feed.put(lines(0, 5))
    taken, dropped = feed.take()
    assert ([line.text for line in taken], dropped) == (["2", "3", "4"], 2)
    feed.put(lines(5, 6))
    taken, dropped = feed.take()
    assert ([line.text for line in taken], dropped) == (["5"], 0)


def test_the_reader_is_woken_by_lines_and_by_the_end() -> None:
    woken, closed = list[int](), list[int]()
    feed = BufferedFeed(lambda: closed.append(1), lambda: woken.append(1))
    feed.put(lines(0, 1))
    feed.finish()
    feed.close()
    assert (len(woken), len(closed), feed.finished) == (2, 1, True)
