"""What is known of the automatic entries of a timeline."""

from __future__ import annotations

import pytest

from console.engine import known
from console.engine.known import Known
from console.timeline.entry import Entry, Kind
from tests.timeline.helpers import draft


def automatic(
    kind: Kind, key: str, phase: str, *, session: str = "s1", ts: str = "2026-03-01T12:00:00Z"
) -> Entry:
    return draft(kind=kind, data={"key": key, "phase": phase}, session=session, ts=ts)


def test_the_latest_phase_counts_and_every_one_is_known() -> None:
    found = Known()
    assert (found.latest("a"), found.has("a", "start"), found.writer) == (("", ""), False, "")
    found.take(automatic("signal", "a", "start"))
    found.take(automatic("signal", "a", "end", session="s2", ts="2026-03-01T12:05:00Z"))
    assert found.latest("a") == ("end", "2026-03-01T12:05:00Z")
    assert found.has("a", "start") and found.has("a", "end") and not found.has("b", "start")
    assert found.writer == "s2"


def test_a_summary_tells_of_many() -> None:
    found = Known()
    found.take(draft(kind="change", data={"phases": {"a": "created", "b": "deleted"}}))
    assert found.has("a", "created") and found.has("b", "deleted")


def test_what_a_person_wrote_as_a_change_is_none() -> None:
    found = Known()
    for key in (7, ["a"], None):
        found.take(draft(kind="change", data={"key": key, "phase": "created"}))
    assert found.writer == ""


def test_what_is_no_text_is_left_out() -> None:
    found = Known()
    found.take(draft(kind="signal", data={"phases": {"a": ["x"], "b": "start", "c": None}}))
    assert [key for key in "abc" if found.has(key, "start")] == ["b"]
    assert (found.latest("a"), found.latest("b")[0]) == (("", ""), "start")


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_KEPT", 3)
    found = Known()
    for key in "abacd":
        found.take(automatic("change", key, "created"))
    assert [key for key in "abcd" if found.has(key, "created")] == ["a", "c", "d"]
    assert found.latest("b") == ("", "")
