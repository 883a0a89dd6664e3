"""``python -m tests.perf``: measure and print one table. Never fails for a time that is too long."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.perf import parts, whole
from tests.perf.console import Console
from tests.perf.figures import Figure, table
from tests.perf.looks import rows
from tests.perf.world import LoadedSystem

Section = tuple[str, Sequence[Figure]]


def main() -> int:
    """Run the benchmarks; returns 0 whenever all could be measured."""
    parser = argparse.ArgumentParser("python -m tests.perf", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one size, short: for CI, some two minutes")
    parser.add_argument("--pods", type=int, metavar="N", help="measure with N pods only")
    parser.add_argument("--churn", type=int, metavar="N", help="changes a second under load")
    options = parser.parse_args()
    if options.quick or options.pods or options.churn:
        sizes = [(options.pods or 10_000, options.churn or 500)]
    else:
        sizes = [(5_000, 100), (10_000, 500)]
    effort = whole.QUICK if options.quick else whole.Effort()
    _say(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {_load()}")
    with tempfile.TemporaryDirectory(prefix="warroom-perf-", ignore_cleanup_errors=True) as folder:
        sections = list(_measure(Path(folder), sizes, effort))
    _say(f"load at the end {_load()}\n")
    print(table(sections), flush=True)
    return 0


def _measure(home: Path, sizes: Sequence[tuple[int, int]], effort: whole.Effort) -> Iterator[Section]:
    for number, (pods, churn) in enumerate(sizes):
        _say(f"{pods:,} pods, {churn} changes a second …")
        with LoadedSystem(home, pods) as system:
            if number == 0:
                with Console(system.everything, home) as console:  # leaves byte code, as an installer does
                    console.watch_start({"rows": rows})
                yield "command", whole.commands(home)
            figures = whole.starts(system, home, effort)
            figures += whole.at_work(system, home, churn, effort)
            figures += whole.quiet(system, home, effort)
            figures += whole.stock_writer(system, home, churn, effort)
            yield f"{pods:,} pods, {churn} changes a second under load", figures
    _say("parts …")
    count = sizes[-1][0]
    wire = parts.pods_on_the_wire(count)
    yield (
        "parts",
        [
            *parts.decoding(wire, count),
            *parts.table_tick(wire),
            *parts.cleaning(),
            *parts.appending(home),
        ],
    )


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
