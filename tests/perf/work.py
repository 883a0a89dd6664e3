"""What the whole console costs at work: on a quiet system, and while pods change."""

from __future__ import annotations

import random
import time

from tests.perf import looks
from tests.perf.console import Console
from tests.perf.figures import Figure, latency, percentile
from tests.perf.stage import Effort, Stage
from tests.perf.world import LoadedSystem

DOWN, UP = b"\x1b[B", b"\x1b[A"
_SLASH, _ENTER, _SORT, _BACKSPACE = b"/", b"\r", b"o", b"\x7f"


def clock_only(stage: Stage) -> list[Figure]:
    """One healthy namespace and no other source: what the clock alone costs, and usage now and then."""
    with Console(stage.system.quiet_cluster, stage.home) as console:
        console.watch_start({"rows": looks.shop_rows})
        time.sleep(3)
        load = console.load(stage.effort.seconds)
    return [
        Figure("clock only: CPU", load.cpu, "%"),
        Figure("clock only: to the terminal", load.bytes / 1000, "KB/s", 0.2),
    ]


def at_work(stage: Stage) -> list[Figure]:
    """All sources on: first nothing special happens, then ``churn`` pods change every second."""
    system, effort = stage.system, stage.effort
    with Console(system.everything, stage.home) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        time.sleep(3)
        system.requests()
        idle = console.load(effort.seconds)
        figures = [
            Figure("quiet: CPU, sources polling", idle.cpu, "%", 2.0),
            Figure("quiet: to the terminal", idle.bytes / 1000, "KB/s", 1.5),
        ]
        with system.changing(stage.churn):
            load = console.load(effort.seconds)
            figures += [
                Figure("load: CPU", load.cpu, "%", 12.0),
                Figure("load: to the terminal", load.bytes / 1000, "KB/s", 6.0),
            ]
            figures.append(_lists(system))
            figures += _keys(console, effort)
            figures.append(Figure("peak memory", console.terminal.peak_memory() / 1e6, "MB", 120.0))
    return figures


def _lists(system: LoadedSystem) -> Figure:
    """Lists since the last look. Usage cannot be watched, so the metrics API is polled and does not count."""
    lists = sum(
        asked.times
        for asked in system.requests()
        if asked.verb == "list" and "metrics.k8s.io" not in asked.path
    )
    return Figure("lists asked of the API after the start", lists, "", 0.0)


def stock_writer(stage: Stage) -> list[Figure]:
    """The bytes that the same screens take without the comparison of cells."""
    system, effort = stage.system, stage.effort
    with Console(system.everything, stage.home, stock=True) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        time.sleep(3)
        idle = console.load(effort.seconds)
        with system.changing(stage.churn):
            load = console.load(effort.seconds)
    return [
        Figure("quiet: to the terminal, cells not compared", idle.bytes / 1000, "KB/s", 5.0),
        Figure("load: to the terminal, cells not compared", load.bytes / 1000, "KB/s", 30.0),
    ]


def filter_keys(console: Console, count: int, rng: random.Random) -> list[float]:
    """Seconds from key to paint while the filter line opens and closes; nothing is filtered."""
    return console.latencies((_SLASH, _ENTER), looks.filter_line, count, rng)


def cursor_keys(console: Console, count: int, rng: random.Random) -> list[float]:
    """Seconds from key to paint while the cursor moves; the rows are then sorted by name."""
    console.terminal.send(_SORT)  # by name: no data moves a row
    time.sleep(1.5)
    return console.latencies((DOWN, UP), looks.cursor_row, count, rng)


def _keys(console: Console, effort: Effort) -> list[Figure]:
    """Key to paint under the present load, by two effects that no data has."""
    rng = random.Random(7)
    figures = latency("filter line opens, closes", filter_keys(console, effort.keys, rng))
    console.terminal.send(_SLASH)
    time.sleep(0.5)
    times = console.latencies((b"7", _BACKSPACE), looks.filter_text, max(20, effort.keys // 4), rng)
    figures.append(Figure("key filters all pods, p50", 1000 * percentile(times, 0.5), "ms"))
    console.terminal.send(_ENTER)
    figures += latency("cursor moves", cursor_keys(console, effort.keys, rng))
    console.terminal.send(_SORT)  # by restarts: many visible rows change and move
    time.sleep(2)
    load = console.load(effort.seconds)
    figures.append(Figure("load, sorted by what changes: CPU", load.cpu, "%"))
    figures.append(Figure("load, sorted by what changes: to the terminal", load.bytes / 1000, "KB/s"))
    return figures
