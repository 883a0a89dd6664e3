"""What every benchmark gets: how much to measure, and the system that it measures on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.perf.console import Console
from tests.perf.figures import Figure
from tests.perf.looks import rows
from tests.perf.world import LoadedSystem


class Effort(NamedTuple):
    """How much to measure: starts, seconds of each load, keys of each kind, minutes of history."""

    starts: int = 5
    seconds: float = 20.0
    keys: int = 200
    history: int = 60


QUICK = Effort(starts=3, seconds=8.0, keys=60, history=12)


class Stage:
    """One size of the system. ``home`` is a folder for everything; ``k9s`` the rival's program, if any.

    ``system`` is started when the first benchmark asks for it and then serves the others.
    """

    def __init__(self, home: Path, pods: int, churn: int, effort: Effort, k9s: Path | None) -> None:
        self.home = home
        self.pods = pods
        self.churn = churn
        self.effort = effort
        self.k9s = k9s
        self._open = contextlib.ExitStack()
        self._system: LoadedSystem | None = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._open.close()

    @property
    def system(self) -> LoadedSystem:
        """The running system. A first console has left its byte code, as an installer does."""
        if self._system is None:
            self._system = self._open.enter_context(LoadedSystem(self.home, self.pods))
            with Console(self._system.everything, self.home) as console:
                console.watch_start({"rows": rows})
        return self._system


class Benchmark(NamedTuple):
    """One entry of the registry.

    ``sized``: measured on every size of the system, not only on the largest. ``slow``: not part of a quick
    run unless it is named.
    """

    name: str
    title: str
    run: Callable[[Stage], Sequence[Figure]]
    sized: bool = False
    slow: bool = False


def say(text: str) -> None:
    """Tell the person who waits; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)
