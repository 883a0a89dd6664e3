"""``python -m tests.perf``: measure and print one table. Never fails for a time that is too long."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.perf.figures import Section, table, verdict
from tests.perf.registry import BENCHMARKS
from tests.perf.stage import QUICK, Benchmark, Effort, Stage, say

SIZES = ((5_000, 100), (10_000, 500))
"""Pods, and changes a second."""


def main() -> int:
    """Run the benchmarks; returns 0 whenever all could be measured."""
    options = _options()
    wanted = options.only or [one.name for one in BENCHMARKS if not (one.slow and options.quick)]
    chosen = [one for one in BENCHMARKS if one.name in wanted]
    sizes = SIZES[-1:] if options.quick else SIZES
    if options.pods or options.churn:
        sizes = ((options.pods or SIZES[-1][0], options.churn or SIZES[-1][1]),)
    k9s = options.k9s or shutil.which("k9s")
    runs = []
    for number in range(options.runs):
        say(f"run {number + 1} of {options.runs}: {_machine()}")
        with tempfile.TemporaryDirectory(prefix="warroom-perf-", ignore_cleanup_errors=True) as folder:
            effort = QUICK if options.quick else Effort()
            runs.append(list(_measure(chosen, sizes, effort, Path(folder), Path(k9s) if k9s else None)))
    say(f"at the end: {_machine()}\n")
    print(table(runs), flush=True)
    print(f"\n{verdict(runs)}", flush=True)
    return 0


def _options() -> argparse.Namespace:
    names = [one.name for one in BENCHMARKS]
    parser = argparse.ArgumentParser("python -m tests.perf", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one size, less of everything, none that is slow"
    )
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=" ".join(names))
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="all of it N times: medians, ranges")
    parser.add_argument("--pods", type=int, metavar="N", help="measure with N pods only")
    parser.add_argument("--churn", type=int, metavar="N", help="changes a second under load")
    parser.add_argument("--k9s", metavar="PATH", help="the k9s to compare with; default: the one on the PATH")
    return parser.parse_args()


def _measure(
    chosen: Sequence[Benchmark],
    sizes: Sequence[tuple[int, int]],
    effort: Effort,
    home: Path,
    k9s: Path | None,
) -> Iterator[Section]:
    for pods, churn in sizes:
        last = (pods, churn) == sizes[-1]
        with Stage(home, pods, churn, effort, k9s) as stage:
            for one in chosen:
                if not last and not one.sized:
                    continue
                size = f", {pods:,} pods, {churn} changes a second" if one.sized else ""
                say(f"  {one.title}{size} …")
                yield one.title + size, one.run(stage)


def _machine() -> str:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load}"


if __name__ == "__main__":
    sys.exit(main())
