"""The observer with a real board and real timeline files, and a clock that the test moves."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from console.engine import scribe
from console.engine.board import Board
from console.engine.observer import Observer
from console.incident.record import declare
from console.model.clock import ManualClock
from console.model.signals import SignalsSnapshot
from console.model.source import Health, SourceStatus
from console.timeline.entry import Entry, Kind, TimelineError
from tests.engine.observing import AtOnce, Console, failing
from tests.model.board import NOW, cluster, container, pod, prometheus, revision, service, template, workload

DELAY = scribe.FOLLOWER_DELAY


def test_a_signal_is_recorded_when_it_begins_and_when_it_ends(console: Console, clock: ManualClock) -> None:
    console.round(prometheus=failing(clock))
    console.round(prometheus=failing(clock, 0.3))
    assert console.texts == ["signal: error-ratio-high(shop) 20 % > 5 %"]
    for _ in range(3):
        console.round(passed=30, prometheus=failing(clock, 0.0))
    assert console.texts[1:] == ["signal: error-ratio-high(shop) ended after 61 s"]
    begin, end = console.timeline.entries[-2:]
    assert (begin.source, begin.data["phase"], begin.data["value"]) == ("system", "start", 0.2)
    assert begin.data["key"] == end.data["key"] == "prometheus/error-ratio-high/shop"
    assert begin.occurred_at.startswith("2026-05-28T20:26:41")


def test_what_is_published_follows_the_board(console: Console, clock: ManualClock) -> None:
    console.round(prometheus=failing(clock, 0.0))
    first = console.board.snapshot("signals")
    assert isinstance(first, SignalsSnapshot) and first.signals == ()
    version = console.board.version("signals")
    console.round()
    assert console.board.version("signals") == version, "nothing new, nothing published"
    console.round(prometheus=failing(clock))
    published = console.board.of_type(SignalsSnapshot)["signals"]
    assert [signal.name for signal in published.signals] == ["error-ratio-high"]
    assert [item.scenario for item in published.suggestions] == ["error-spike"]
    assert console.observer.signals == published.signals
    assert console.observer.suggestions == published.suggestions


def test_a_signal_that_gets_worse_is_recorded_once_more(console: Console) -> None:
    short = workload(ready=2, sick=True, why="2 of 3 ready")
    for ready in (2, 1, 0, 0):
        console.round(kube=cluster(replace(short, ready=ready, why=f"{ready} of 3 ready")))
    assert console.texts == [
        "signal: pods-not-ready(deployment/shop) 2 of 3 ready",
        "signal: now critical: pods-not-ready(deployment/shop) 0 of 3 ready",
    ]


def test_a_source_that_fails_and_comes_back(console: Console, clock: ManualClock) -> None:
    now = clock.now().timestamp()
    console.board.report(SourceStatus("redis:main", Health.FAILED, now, reason="connection refused"))
    console.round()
    console.board.report(SourceStatus("redis:main", Health.OK, now + 60))
    for _ in range(3):
        console.round(passed=60)
    assert console.texts == [
        "signal: source-failed(redis:main) connection refused",
        "signal: source-failed(redis:main) ended after 2 min",
    ]


def test_deploys_are_changes_and_that_one_is_young_is_recorded_once(console: Console) -> None:
    before = (
        workload(revision=41, revision_at=NOW - 60),
        revision(41, "shop:v1", 60),
        revision(40, "shop:v0", 99),
    )
    after = (
        workload(revision=42, revision_at=NOW, generation=2, containers=template("shop:v2")),
        *before[1:],
        revision(42, "shop:v2", 0),
    )
    console.round(kube=cluster(*before))
    console.round(kube=cluster(*after))
    assert [signal.name for signal in console.observer.signals] == ["new-revision"]
    assert console.texts == [
        "change: deployment/shop revision 40 -> 41: image shop:v0 -> shop:v1",
        "change: deployment/shop revision 41 -> 42: image shop:v1 -> shop:v2",
    ]
    assert console.timeline.entries[-1].data["changes"] == ["image shop:v1 -> shop:v2"]


def test_a_console_that_starts_again_repeats_nothing(
    console: Console, clock: ManualClock, tmp_path: Path
) -> None:
    console.round(prometheus=failing(clock))
    again = Console(tmp_path, clock, "two")
    again.round(prometheus=failing(clock))
    again.round(prometheus=failing(clock))
    assert len(again.texts) == 1


def test_a_beginning_of_long_ago_is_not_taken_for_the_present_one(
    console: Console, clock: ManualClock, tmp_path: Path
) -> None:
    console.round(prometheus=failing(clock))
    clock.advance(8 * 3600)
    again = Console(tmp_path, clock, "two")
    again.round(prometheus=failing(clock))
    assert len(again.texts) == 2


def test_two_consoles_write_one_entry(console: Console, clock: ManualClock, tmp_path: Path) -> None:
    other = Console(tmp_path, clock, "two")
    before = (workload(revision=41, desired=3), revision(41, "shop:v1", 9000))
    scaled = (replace(before[0], desired=5, generation=2), before[1])
    for one in (console, other):
        one.round(kube=cluster(*before), prometheus=failing(clock))
    for one in (console, other):
        one.round(kube=cluster(*scaled))
    for _ in range(3):
        snapshot = failing(clock, 0.0)
        for one in (console, other):
            one.round(passed=2.5, prometheus=snapshot)
    assert other.texts == [
        "signal: error-ratio-high(shop) 20 % > 5 %",
        "change: deployment/shop scaled 3 -> 5",
        "signal: error-ratio-high(shop) ended after 10 s",
    ]
    assert {entry.session for entry in other.timeline.entries if entry.kind == "signal"} == {"one"}


def test_the_one_that_wrote_last_writes_and_the_others_wait(
    console: Console, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(scribe, "FOLLOWER_DELAY", DELAY)
    monkeypatch.setattr("console.engine.scribe.asyncio.sleep", wait)
    other = Console(tmp_path, clock, "two")
    console.round(prometheus=failing(clock))
    console.round(http=prometheus(service("web", 0.2)))
    other.round(http=prometheus(service("mail", 0.2)))
    other.round(prometheus=prometheus(service("late", 0.2)))
    assert waits == [0.0, 0.0, DELAY, 0.0], "the second became the writer"


def test_a_flood_becomes_one_summary(console: Console, clock: ManualClock) -> None:
    looping = container(state="waiting", reason="CrashLoopBackOff", restarts=5)
    pods = [
        pod(f"p{index}", f"Deployment/d{index:02}", "app: CrashLoopBackOff", containers=(looping,))
        for index in range(40)
    ]
    console.round(kube=cluster(*pods))
    assert len(console.texts) == scribe.PER_MINUTE
    console.round(passed=30)
    assert len(console.texts) == scribe.PER_MINUTE
    console.round(passed=31)
    assert console.texts[scribe.PER_MINUTE :] == ["signal: 28 more signal entries in a minute: 28 crash-loop"]
    summary = console.timeline.entries[-1]
    assert summary.data["count"] == 28
    assert "deployment/d39" in "".join(summary.data["texts"])
    console.round(passed=120)
    assert len(console.texts) == scribe.PER_MINUTE + 1, "and then nothing more of it"


def test_a_summary_is_known_to_the_other_console(
    console: Console, clock: ManualClock, tmp_path: Path
) -> None:
    sick = [workload(f"d{index:02}", ready=0, sick=True, why="0 of 3 ready") for index in range(20)]
    console.round(kube=cluster(*sick))
    console.round(passed=61)
    again = Console(tmp_path, clock, "two")
    again.round(kube=cluster(*sick))
    assert len(again.texts) == scribe.PER_MINUTE + 1


def test_an_incident_begins_with_the_signals_of_the_moment(console: Console, clock: ManualClock) -> None:
    console.round(prometheus=failing(clock))
    declare(console.recorder, "SEV2", "orders fail")
    for _ in range(3):
        console.round(passed=2, prometheus=failing(clock))
    assert console.timeline.incident is not None
    assert console.texts == ["signal: error-ratio-high(shop) 20 % > 5 %"]
    assert console.timeline.entries[0].kind == "incident.declared"


def test_nothing_is_lost_while_the_timeline_refuses(console: Console, clock: ManualClock) -> None:
    console.refusing = True
    for _ in range(3):
        with pytest.raises(TimelineError):
            console.round(prometheus=failing(clock))
    assert console.texts == []
    console.refusing = False
    console.round(passed=60)
    assert console.texts == ["signal: error-ratio-high(shop) 20 % > 5 %"]
    entry = console.timeline.entries[-1]
    assert entry.occurred_at < entry.ts, "when it happened, not when it could be written"


def test_what_does_not_fit_while_the_timeline_refuses_is_counted(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe, "KEPT", 3)
    sick = [workload(f"d{index}", ready=0, sick=True, why="0 of 3 ready") for index in range(5)]
    console.refusing = True
    with pytest.raises(TimelineError):
        console.round(kube=cluster(*sick))
    console.refusing = False
    console.round()
    assert (
        console.texts[-1] == "signal: 2 automatic entries were lost while the timeline could not be written"
    )
    assert len(console.texts) == 4


def test_what_cannot_be_written_at_all_is_counted(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    record = console.recorder.record
    sick = [workload(f"d{index}", ready=0, sick=True, why="0 of 3 ready") for index in range(3)]

    def fail_on_one(kind: Kind, text: str, **more: Any) -> Entry:
        if "d1" in text:
            raise ValueError("nobody foresaw this")
        return record(kind, text, **more)

    monkeypatch.setattr(console.recorder, "record", fail_on_one)
    with pytest.raises(ValueError, match="nobody foresaw this"):
        console.round(kube=cluster(*sick))
    console.round()
    assert [text.partition(" ")[2].partition(" ")[0] for text in console.texts[:-1]] == [
        "pods-not-ready(deployment/d0)",
        "pods-not-ready(deployment/d2)",
    ]
    assert console.texts[-1] == "signal: 1 automatic entry was lost while the timeline could not be written"


def test_a_summary_that_cannot_be_written_at_all_is_counted(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribe, "PER_MINUTE", 2)
    record = console.recorder.record

    def fail_on_summaries(kind: Kind, text: str, **more: Any) -> Entry:
        if "in a minute" in text:
            raise ValueError("nobody foresaw this")
        return record(kind, text, **more)

    monkeypatch.setattr(console.recorder, "record", fail_on_summaries)
    sick = [workload(f"d{index}", ready=0, sick=True, why="0 of 3 ready") for index in range(5)]
    console.round(kube=cluster(*sick))
    with pytest.raises(ValueError, match="nobody foresaw this"):
        console.round(passed=61)
    console.round()
    assert console.texts[2:] == [
        "signal: 3 automatic entries were lost while the timeline could not be written"
    ]


def test_without_a_record_it_only_looks(clock: ManualClock) -> None:
    board = Board()
    watching = Observer(board, None, clock)
    board.publish("prometheus", failing(clock))
    watching.look()
    asyncio.run(watching.write())
    assert [signal.name for signal in watching.signals] == ["error-ratio-high"]


def test_what_may_not_be_written_yet_waits(console: Console, clock: ManualClock) -> None:
    allowed: list[bool] = []
    waiting = Observer(console.board, console.record, clock, rng=AtOnce(), may_write=lambda: bool(allowed))
    console.board.publish("prometheus", failing(clock))
    waiting.look()
    asyncio.run(waiting.write())
    assert console.recorder.entries() == []
    allowed.append(True)
    asyncio.run(waiting.write())
    assert [entry.kind for entry in console.recorder.entries()] == ["signal"]


def test_ten_thousand_pods_are_looked_at_quickly(console: Console) -> None:
    pods = [pod(f"p{index}", f"Deployment/d{index % 500}") for index in range(10_000)]
    records = [workload(f"d{index}", revision=2, revision_at=NOW - 60) for index in range(500)]
    revisions = [revision(n, f"v{n}", 60, f"d{index}") for index in range(500) for n in (1, 2)]
    console.round(kube=cluster(*pods, *records, *revisions))
    assert len(console.observer.signals) == 500
    assert len(console.texts) == scribe.PER_MINUTE
