"""Memory over an hour of an incident: everything that an hour brings, delivered as fast as it can be taken.

What grows with time is what arrives, not the time itself: changes and replacements of pods, warning events,
samples, timeline entries, logs, and what a person opens and closes. All of that is counted out minute by
minute, the pods' changes at ten times their usual rate, and every source polled once a second.
"""

from __future__ import annotations

import re
import time
from statistics import linear_regression

from console.model.clock import SystemClock
from console.timeline.recorder import Recorder
from tests.perf import looks
from tests.perf.console import Console
from tests.perf.figures import Figure
from tests.perf.stage import Stage
from tests.perf.world import LOGGING, LoadedSystem

_SAMPLES = 6
"""Times that the size is taken, and that a person looks around before."""
_FASTER = 10
"""How much faster than usual the pods change."""
_REPLACED = 60
"""Pods that are replaced by new ones in a minute."""
_WARNINGS = 60
_GROWTH = 10.0
"""MB that an hour may still add once what only fills up is full: the slope of the line through the sizes of
the second half, of which each is 1 or 2 MB off. A shorter history cannot tell: the person looks around as
often in it."""
_ENTRIES = 24
"""Automatic entries of the timeline in a minute, as many as a console writes of both kinds."""
_ESCAPE, _ENTER, _ZOOM, _SORT, _SLASH = b"\x1b", b"\r", b"z", b"o", b"/"


def hour(stage: Stage) -> list[Figure]:
    """Memory at the start, after half of the history and after all of it, its peak, and what still grows."""
    system, minutes = stage.system, stage.effort.history
    state = stage.home / "an-hour"
    recorder = Recorder(state, SystemClock())
    with Console(system.busy, stage.home, state=state) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        time.sleep(10)
        sizes = [_memory(console)]
        began = time.monotonic()
        for minute in range(minutes):
            _minute(system, recorder, stage.churn, minute)
            if (minute + 1) % (minutes // _SAMPLES) == 0:
                _look_around(console, system)
                time.sleep(3)
                sizes.append(_memory(console))
        took = time.monotonic() - began
        peak = console.terminal.peak_memory() / 1e6
    half = sizes[_SAMPLES // 2 :]
    growth = linear_regression(range(len(half)), half).slope * 60 / (minutes / _SAMPLES)
    return [
        Figure("minutes of history, in minutes of the benchmark", minutes / took * 60, "to 1"),
        Figure("memory at the start", sizes[0], "MB"),
        Figure(f"memory after {minutes // 2} minutes", sizes[_SAMPLES // 2], "MB"),
        Figure(f"memory after {minutes} minutes", sizes[-1], "MB"),
        Figure("growth in the second half, per hour", growth, "MB", _GROWTH if minutes >= 60 else None),
        Figure(f"peak memory in {minutes} minutes", peak, "MB", 120.0),
    ]


def _minute(system: LoadedSystem, recorder: Recorder, churn: int, minute: int) -> None:
    """What happens in a minute: changes, replacements, events, entries."""
    until = system.ask("version") + 60 * churn
    system.ask("churn", churn * _FASTER)
    system.ask("replace", _REPLACED)
    system.ask("warn", _WARNINGS)
    for number in range(_ENTRIES):
        key = f"kubernetes:load/pods-not-ready/load-{(minute * _ENTRIES + number) % 500:04d}"
        data = {"key": key, "phase": "start" if minute % 2 else "end", "severity": "warning"}
        recorder.record("signal", f"pods-not-ready, entry {number} of minute {minute}", data=data)
    deadline = time.monotonic() + 120
    while system.ask("version") < until:
        if time.monotonic() > deadline:
            raise TimeoutError("the world does not change its pods as fast as it should")
        time.sleep(0.1)
    system.ask("churn", 0)


def _look_around(console: Console, system: LoadedSystem) -> None:
    """A person filters, sorts, zooms, and reads ten seconds of logs."""
    send = console.terminal.send
    send(_SLASH + LOGGING[1].encode() + _ENTER)
    console.wait_for(lambda text: re.search(f"▌.*{LOGGING[1]}", text) is not None)
    send(b"l")
    console.wait_for(lambda text: "following" in text)
    system.ask("log", 1000, 10)
    while not system.ask("logged")[1]:
        time.sleep(0.2)
    send(_ESCAPE)
    console.wait_for(looks.titles)
    for keys in (_SLASH + _ESCAPE, _SORT, _ZOOM, _ZOOM, b"7", b"1"):
        send(keys)
        time.sleep(0.5)


def _memory(console: Console) -> float:
    """The resident size now, in MB."""
    return console.terminal.memory() / 1e6
