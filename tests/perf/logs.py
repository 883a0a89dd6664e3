"""Logs followed while they come fast: what is shown, what is lost and said to be, and what it costs."""

from __future__ import annotations

import random
import re
import time
from typing import NamedTuple

import pyte

from tests.perf import looks
from tests.perf.console import Console
from tests.perf.figures import Figure, latency
from tests.perf.stage import Stage
from tests.perf.world import LOGGING, LoadedSystem

_RATE, _SECONDS = 5_000, 30
_STATE = re.compile(r"^ [\d,]+ lines ")
_ROW = f"▌.*{LOGGING[1]}"
_UP, _END, _ENTER = b"\x1b[A", b"\x1b[F", b"\r"


class _Counts(NamedTuple):
    """Lines that the pods have written, and what the screen says of them."""

    sent: int
    kept: int
    gone: int
    dropped: int


def followed(stage: Stage) -> list[Figure]:
    """The twenty pods of one workload write five thousand lines a second, and a person watches them."""
    system = stage.system
    with Console(system.everything, stage.home) as console:
        console.watch_start({"filled": looks.filled(system.pods)})
        console.terminal.send(b"/" + LOGGING[1].encode() + _ENTER)
        console.wait_for(lambda text: re.search(_ROW, text) is not None)
        time.sleep(2)
        console.terminal.send(b"l")
        console.wait_for(lambda text: "following" in text and _number("lines", text) > 0)
        memory = console.terminal.peak_memory()
        before = _at_rest(console, system)
        system.ask("log", _RATE, _SECONDS)
        time.sleep(2)
        load = console.load(_SECONDS / 2)
        times = console.latencies((_UP, _END), _follows, min(100, stage.effort.keys), random.Random(7))
        while not system.ask("logged")[1]:
            time.sleep(0.2)
        after = _at_rest(console, system)
        sent = after.sent - before.sent
        told = after.kept + after.gone + after.dropped - before.kept - before.gone - before.dropped
        return [
            Figure(f"lines sent in {_SECONDS} s", sent, ""),
            Figure("lines that the screen does not account for", abs(sent - told), "", 0.0),
            Figure("lines dropped because they were not taken in time", after.dropped, ""),
            Figure("older lines let go, of the 100,000 that are kept", after.gone, ""),
            Figure("CPU", load.cpu, "%", 40.0),
            Figure("to the terminal", load.bytes / 1000, "KB/s"),
            *latency("pauses, follows", times, None),
            Figure("peak memory before", memory / 1e6, "MB"),
            Figure("peak memory", console.terminal.peak_memory() / 1e6, "MB", 150.0),
        ]


def _at_rest(console: Console, system: LoadedSystem, timeout: float = 60) -> _Counts:
    """The counts at a moment when nothing is on its way. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    before = None
    while time.monotonic() < deadline:
        sent = system.ask("logged")[0]
        time.sleep(1.2)
        text = console.now()
        counts = _Counts(sent, _number("lines", text), _number("older gone", text), _number("dropped", text))
        if counts == before:
            return counts
        before = counts
    raise TimeoutError(f"the log does not come to rest:\n{console.now()}")


def _number(word: str, text: str) -> int:
    """The number before a word on the line below the log; 0 when it is not there."""
    line = next((line for line in text.splitlines()[-6:] if _STATE.search(line)), "")
    found = re.search(rf"([\d,]+) {word}\b", line)
    return int(found[1].replace(",", "")) if found else 0


def _follows(screen: pyte.Screen) -> bool:
    """Whether the log follows its end, as the line below it says."""
    return any("  following" in line for line in screen.display[-6:])
