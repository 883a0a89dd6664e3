"""A slow link: the console's terminal behind a line that passes only so many bytes a second."""

from __future__ import annotations

import random
import time

from tests.perf import looks, work
from tests.perf.console import Console
from tests.perf.figures import Figure, latency
from tests.perf.stage import Stage

_RATES = (100_000, 30_000)
"""Bytes a second."""
_BUDGET = 100.0
"""Milliseconds of the 99th percentile, over each of them."""


def throttled(stage: Stage) -> list[Figure]:
    """Keys, bytes and the first screen over each link, while pods change."""
    figures: list[Figure] = []
    for rate in _RATES:
        figures += _over(stage, rate)
    return figures


def _over(stage: Stage, rate: int) -> list[Figure]:
    system, rng = stage.system, random.Random(7)
    named = f"{rate // 1000} KB/s"
    with Console(system.everything, stage.home, link=rate) as console:
        start = console.watch_start({"titles": looks.titles, "filled": looks.filled(system.pods)})
        figures = [
            Figure(f"{named}: start to first frame", start["titles"].seconds, "s"),
            Figure(f"{named}: start to all panes filled", start["filled"].seconds, "s"),
        ]
        time.sleep(3)
        with system.changing(stage.churn):
            load = console.load(stage.effort.seconds)
            figures.append(Figure(f"{named}: to the terminal", load.bytes / 1000, "KB/s", 6.0))
            times = work.filter_keys(console, stage.effort.keys, rng)
            figures += latency(f"filter line over {named}", times, None, _BUDGET)
            times = work.cursor_keys(console, stage.effort.keys, rng)
            figures += latency(f"cursor over {named}", times, None, _BUDGET)
    return figures
