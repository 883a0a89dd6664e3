"""What the whole console costs, measured on a terminal."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.perf import looks
from tests.perf.console import Console, environment
from tests.perf.figures import Figure, median, percentile
from tests.perf.world import LoadedSystem

_DOWN, _UP, _SLASH, _ENTER, _SORT, _BACKSPACE = b"\x1b[B", b"\x1b[A", b"/", b"\r", b"o", b"\x7f"


class Effort(NamedTuple):
    """How long to measure: starts, seconds of each load, keys of each kind."""

    starts: int = 5
    seconds: float = 20.0
    keys: int = 200


QUICK = Effort(starts=3, seconds=8.0, keys=50)


def commands(home: Path) -> list[Figure]:
    """How soon the command answers without a screen, beside the bare interpreter."""
    words = {"python -c pass": ["-c", "pass"], "warroom --version": ["-m", "console.cli", "--version"]}
    figures = []
    for what, arguments in words.items():
        times = []
        for _ in range(6):
            began = time.monotonic()
            subprocess.run(
                [sys.executable, *arguments], check=True, capture_output=True, env=environment(home)
            )
            times.append(time.monotonic() - began)
        figures.append(Figure(what, 1000 * median(times[1:]), "ms"))
    return figures


def starts(system: LoadedSystem, home: Path, effort: Effort) -> list[Figure]:
    """From the start to the first frame, the first rows and all panes; medians."""
    marks = {
        "start to first frame": (looks.titles, 0.5),
        "start to first pod rows": (looks.rows, 1.0),
        "start to all panes filled": (looks.filled(system.pods), 2.5),
    }
    runs = []
    for _ in range(effort.starts):
        with Console(system.everything, home) as console:
            runs.append(console.watch_start({what: look for what, (look, _) in marks.items()}))
    figures = []
    for what, (_, budget) in marks.items():
        figures.append(Figure(what, median([run[what].seconds for run in runs]), "s", budget))
        figures.append(Figure(f"{what}, CPU", median([run[what].cpu for run in runs]), "s"))
    return figures


def quiet(system: LoadedSystem, home: Path, effort: Effort) -> list[Figure]:
    """One healthy namespace and no other source: what the clock alone costs, and usage now and then."""
    with Console(system.quiet_cluster, home) as console:
        console.watch_start({"rows": looks.shop_rows})
        time.sleep(3)
        load = console.load(effort.seconds)
    return [
        Figure("clock only: CPU", load.cpu, "%"),
        Figure("clock only: to the terminal", load.bytes / 1000, "KB/s", 0.2),
    ]


def at_work(system: LoadedSystem, home: Path, churn: int, effort: Effort) -> list[Figure]:
    """All sources on: first nothing special happens, then ``churn`` pods change every second."""
    with Console(system.everything, home) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        time.sleep(3)
        system.requests()
        idle = console.load(effort.seconds)
        figures = [
            Figure("quiet: CPU, sources polling", idle.cpu, "%", 2.0),
            Figure("quiet: to the terminal", idle.bytes / 1000, "KB/s", 1.5),
        ]
        system.churn(churn)
        time.sleep(2)
        load = console.load(effort.seconds)
        figures += [
            Figure("load: CPU", load.cpu, "%", 12.0),
            Figure("load: to the terminal", load.bytes / 1000, "KB/s", 6.0),
        ]
        figures.append(_lists(system))
        figures += _keys(console, effort)
        figures.append(Figure("peak memory", console.terminal.peak_memory() / 1e6, "MB", 120.0))
        system.churn(0)
    return figures


def _lists(system: LoadedSystem) -> Figure:
    """Lists since the last look. Usage cannot be watched, so the metrics API is polled and does not count."""
    asked = system.requests()
    lists = sum(
        count for what, count in asked.items() if what.startswith("list ") and "metrics.k8s.io" not in what
    )
    return Figure("lists asked of the API after the start", lists, "", 0.0)


def stock_writer(system: LoadedSystem, home: Path, churn: int, effort: Effort) -> list[Figure]:
    """The bytes that the same screens take without the comparison of cells."""
    with Console(system.everything, home, stock=True) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        time.sleep(3)
        idle = console.load(effort.seconds)
        system.churn(churn)
        time.sleep(2)
        load = console.load(effort.seconds)
        system.churn(0)
    return [
        Figure("quiet: to the terminal, cells not compared", idle.bytes / 1000, "KB/s", 5.0),
        Figure("load: to the terminal, cells not compared", load.bytes / 1000, "KB/s", 30.0),
    ]


def _keys(console: Console, effort: Effort) -> list[Figure]:
    """Key to paint under the present load, by two effects that no data has."""
    rng = random.Random(7)
    times = console.latencies((_SLASH, _ENTER), looks.filter_line, effort.keys, rng)
    figures = _latency("filter line opens, closes", times)
    console.terminal.send(_SLASH)
    time.sleep(0.5)
    times = console.latencies((b"7", _BACKSPACE), looks.filter_text, max(20, effort.keys // 4), rng)
    figures.append(Figure("key filters all pods, p50", 1000 * percentile(times, 0.5), "ms"))
    console.terminal.send(_ENTER + _SORT)  # by name: no data moves a row
    time.sleep(1.5)
    times = console.latencies((_DOWN, _UP), looks.cursor_row, effort.keys, rng)
    figures += _latency("cursor moves", times)
    console.terminal.send(_SORT)  # by restarts: many visible rows change and move
    time.sleep(2)
    load = console.load(effort.seconds)
    figures.append(Figure("load, sorted by what changes: CPU", load.cpu, "%"))
    figures.append(Figure("load, sorted by what changes: to the terminal", load.bytes / 1000, "KB/s"))
    return figures


def _latency(what: str, times: Sequence[float]) -> list[Figure]:
    shares = ((0.5, 8.0), (0.95, None), (0.99, 35.0))
    return [
        Figure(f"key to paint, {what}, p{share * 100:.0f}", 1000 * percentile(times, share), "ms", budget)
        for share, budget in shares
    ]
