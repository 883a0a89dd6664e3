"""How soon the command answers, and how soon the console shows what."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.perf import looks
from tests.perf.console import Console, environment
from tests.perf.figures import Figure, median
from tests.perf.stage import Stage


def commands(stage: Stage) -> list[Figure]:
    """How soon the command answers without a screen, beside the bare interpreter."""
    words = {"python -c pass": ["-c", "pass"], "warroom --version": ["-m", "console.cli", "--version"]}
    figures = []
    for what, arguments in words.items():
        times = []
        for _ in range(6):
            began = time.monotonic()
            subprocess.run(
                [sys.executable, *arguments], check=True, capture_output=True, env=environment(stage.home)
            )
            times.append(time.monotonic() - began)
        figures.append(Figure(what, 1000 * median(times[1:]), "ms"))
    return figures


def starts(stage: Stage) -> list[Figure]:
    """From the start to the first frame, the first rows and all panes; medians."""
    system = stage.system
    marks = {
        "start to first frame": (looks.titles, 0.5),
        "start to first pod rows": (looks.rows, 1.0),
        "start to all panes filled": (looks.filled(system.pods), 2.5),
    }
    runs = []
    for _ in range(stage.effort.starts):
        with Console(system.everything, stage.home) as console:
            runs.append(console.watch_start({what: look for what, (look, _) in marks.items()}))
    figures = []
    for what, (_, budget) in marks.items():
        figures.append(Figure(what, median([run[what].seconds for run in runs]), "s", budget))
        figures.append(Figure(f"{what}, CPU", median([run[what].cpu for run in runs]), "s"))
    return figures
