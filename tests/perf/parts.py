"""What single parts cost, in CPU seconds of this process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from console.drill.cluster import Cluster
from console.drill.cluster.store import Event
from console.model.clock import ManualClock
from console.model.kube import KubeSnapshot
from console.model.redact import redact
from console.model.text import clean
from console.sources.kubernetes.kinds import PAGE, PODS
from console.sources.kubernetes.store import Store
from console.ui.app import WarroomApp
from tests.perf.console import COLUMNS, ROWS
from tests.perf.figures import Figure, median
from tests.perf.stage import Stage
from tests.ui.fake import FakeEngine

_START = datetime(2026, 3, 1, tzinfo=UTC)
_LOG_LINE = (
    '2026-03-01T12:00:00Z level=error service=checkout trace=4bf92f3577b34da6 msg="payment refused" '
    "status=502 attempt=3 url=https://payments.example/v1/charges"
)


def parts(stage: Stage) -> list[Figure]:
    """All parts, with as many pods as the stage has."""
    wire = pods_on_the_wire(stage.pods)
    return [*decoding(wire, stage.pods), *table_tick(wire), *cleaning()]


class Pods(NamedTuple):
    """Pods as the API sends them: pages of a list, and lines of a watch."""

    pages: list[bytes]
    lines: list[bytes]


def pods_on_the_wire(count: int) -> Pods:
    """``count`` pods, then a change of each, by the simulated API server's own encoder."""
    clock = ManualClock(_START)
    cluster = Cluster(clock, random.Random(1))
    cluster.populate(count, namespaces=max(1, count // 500))
    raw = [entry.raw for entry in cluster.store.entries("pods")]
    head = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":['
    pages = [head + b",".join(raw[at : at + PAGE]) + b"]}" for at in range(0, len(raw), PAGE)]
    lines: list[bytes] = []

    def hear(event: Event) -> None:
        if event.table == "pods":
            lines.append(b'{"type":"MODIFIED","object":' + event.entry.raw + b"}")

    cluster.store.listeners.append(hear)
    cluster.churn(count)
    cluster.advance(1)
    return Pods(pages, lines)


def decoding(pods: Pods, count: int) -> list[Figure]:
    """The list and the watch, from bytes to records that are joined and judged."""
    lists, watches = [], []
    for _ in range(3):
        store = Store(_START.timestamp)
        began = time.process_time()
        for page in pods.pages:
            for item in PODS.page(page).items or ():
                store.put("pods", item)
        _snapshot(store)
        lists.append(time.process_time() - began)
        began = time.process_time()
        for number, line in enumerate(pods.lines):
            store.put("pods", PODS.change(line).object)
            if number % 64 == 0:  # eight a second at 500 events a second
                _snapshot(store)
        watches.append(len(pods.lines) / (time.process_time() - began))
    return [
        Figure(f"list of {count:,} pods: decode, project, judge", median(lists), "CPU s"),
        Figure("watch: decode, project, judge, publish", median(watches), "events per CPU s"),
    ]


def table_tick(pods: Pods) -> list[Figure]:
    """A frame of the pods pane after 64 changes: between two sorts, and with one."""
    return asyncio.run(_table_tick(pods))


async def _table_tick(pods: Pods) -> list[Figure]:
    store = Store(_START.timestamp)
    for page in pods.pages:
        for item in PODS.page(page).items or ():
            store.put("pods", item)
    for kind in ("pods", "deployments"):
        store.mark_synced(kind)
    engine = FakeEngine()
    engine.health("kubernetes:load")
    app = WarroomApp(engine)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        engine.board.publish("kubernetes:load", _snapshot(store))
        await pilot.pause()
        pane = app.screen.query_one("#pane-pods")
        ticks: list[float] = []
        sorts: list[float] = []
        lines = iter(pods.lines)
        now = _START.timestamp()
        for frame in range(40):
            for _ in range(64):
                store.put("pods", PODS.change(next(lines)).object)
            engine.board.publish("kubernetes:load", _snapshot(store))
            # Sorts are half a second apart; by this clock every fourth frame is due for one.
            began = time.process_time()
            pane.sync(now, tick=False, monotonic=1000 + frame / 8)  # type: ignore[attr-defined]
            (sorts if frame % 4 == 0 else ticks).append(time.process_time() - began)
    return [
        Figure("pods pane, frame after 64 changes", 1000 * median(ticks), "CPU ms"),
        Figure("pods pane, the same with a sort", 1000 * median(sorts), "CPU ms"),
    ]


def _snapshot(store: Store) -> KubeSnapshot:
    return store.snapshot(context="load", namespaces=(), server="", version="")


def cleaning() -> list[Figure]:
    """What every line of outside text passes."""
    coloured = _LOG_LINE.replace("level=error", "level=\x1b[31merror\x1b[0m")
    return [
        Figure("clean(), a plain log line", _microseconds(lambda: clean(_LOG_LINE)), "µs"),
        Figure("clean(), a log line with colours", _microseconds(lambda: clean(coloured)), "µs"),
        Figure("redact(), a log line", _microseconds(lambda: redact(_LOG_LINE)), "µs"),
    ]


def _microseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(2000):
            call()
        times.append(time.process_time() - began)
    return median(times) / 2000 * 1e6
