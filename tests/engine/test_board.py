"""The board: versions, types and listeners."""

from __future__ import annotations

from console.engine.board import Board
from console.model.http import HttpSnapshot
from console.model.source import Health, SourceStatus


def test_each_publication_and_report_raises_the_version_of_its_source_only() -> None:
    board = Board()
    board.publish("http", HttpSnapshot(1.0, ()))
    board.report(SourceStatus("http", Health.OK, 1.0))
    board.report(SourceStatus("prometheus", Health.FAILED, 1.0))
    assert (board.version("http"), board.version("prometheus"), board.version("none")) == (2, 1, 0)


def test_a_failed_source_keeps_its_last_good_snapshot() -> None:
    board = Board()
    good = HttpSnapshot(1.0, ())
    board.publish("http", good)
    board.report(SourceStatus("http", Health.FAILED, 2.0))
    assert board.snapshot("http") is good
    assert board.of_type(HttpSnapshot) == {"http": good}


def test_a_listener_hears_of_every_change_until_it_stops_listening() -> None:
    board, heard = Board(), list[str]()
    stop = board.listen(heard.append)
    board.publish("http", HttpSnapshot(1.0, ()))
    board.touch("timeline")
    stop()
    board.touch("timeline")
    assert heard == ["http", "timeline"]
