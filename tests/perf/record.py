"""The timeline: many writers at once, and a very long record opened, scrolled, filtered, exported."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyte

from console.incident.record import refresh
from console.model.clock import SystemClock
from console.timeline.entry import GENESIS, Entry, Kind, encode, format_time, seal
from console.timeline.folder import timeline_path
from console.timeline.recorder import Recorder
from console.timeline.ulid import new_ulid
from tests.perf.console import Console, environment
from tests.perf.figures import Figure, latency, median, percentile
from tests.perf.looks import Look
from tests.perf.stage import Stage

_WRITERS, _APPENDS = 8, 100
_WRITER = f"""
import sys
from pathlib import Path
from console.incident.record import refresh
from console.model.clock import SystemClock
from console.timeline.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), SystemClock(), lock_timeout=60)
recorder.record("note", "ready")
print("ready", flush=True)
sys.stdin.readline()
for number in range({_APPENDS}):
    recorder.record("note", f"note {{number}} of a person in an incident", data={{"pod": "checkout-7d9f"}})
"""
_ENTRIES = 100_000
_INCIDENT = "INC-20260301-1"
_BEGAN = datetime.now(UTC) - timedelta(seconds=_ENTRIES * 0.2)
_NEWEST = "the newest of all entries"
_PAGE_DOWN, _HOME, _END, _ZOOM, _SLASH, _BACKSPACE = b"\x1b[6~", b"\x1b[H", b"\x1b[F", b"z", b"/", b"\x7f"
_PANE = b"7"
_ONE_CHECK = """
[[http]]
name = "nobody"
url = "http://127.0.0.1:1/"
interval = 600
"""
"""A console needs a source; this one costs next to nothing."""


def appending(stage: Stage) -> list[Figure]:
    """Eight consoles that write into one timeline at once, each entry fsynced and chained."""
    rates = []
    for run in range(3):
        state = stage.home / f"appends-{run}"
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(state)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment(stage.home),
            )
            for _ in range(_WRITERS)
        ]
        for writer in writers:
            assert writer.stdout
            writer.stdout.readline()
        began = time.monotonic()
        for writer in writers:
            writer.communicate(b"go\n")
        rates.append(_WRITERS * _APPENDS / (time.monotonic() - began))
    return [Figure(f"{_WRITERS} writers at once", median(rates), "appends a second")]


def long_record(stage: Stage) -> list[Figure]:
    """An open incident with a hundred thousand entries, on the screen and on the command line."""
    state = stage.home / "long-record"
    _write(timeline_path(state, _INCIDENT), 1)
    refresh(state, _INCIDENT)  # as its declaration leaves it
    _write(timeline_path(state, _INCIDENT), _ENTRIES)
    config = stage.home / "one-check.toml"
    config.write_text(_ONE_CHECK)
    figures = _opened(config, stage, state)
    with Console(config, stage.home, state=state) as console:
        console.wait_for(_sees(_NEWEST))
        figures += _followed(console, stage, state)
        figures += _scrolled(console, stage.effort.keys)
        figures.append(Figure("peak memory", console.terminal.peak_memory() / 1e6, "MB", 120.0))
    with Console(config, stage.home, state=stage.home / "no-record") as console:
        console.wait_for(_sees("Nothing is recorded"))
        time.sleep(5)
        figures.append(Figure("peak memory without a record", console.terminal.peak_memory() / 1e6, "MB"))
    for words, budget in _COMMANDS.items():
        figures += _command(words, budget, stage, state)
    return figures


_COMMANDS: dict[tuple[str, ...], float] = {
    ("show",): 2.5,
    ("verify",): 1.5,
    ("export", "--format", "md"): 3.0,
    ("export", "--format", "json"): 6.0,
    ("export", "--format", "csv"): 6.0,
}
"""The words after ``warroom timeline``, and a budget in seconds."""


def _opened(config: Path, stage: Stage, state: Path) -> list[Figure]:
    costs = []
    for _ in range(stage.effort.starts):
        with Console(config, stage.home, state=state) as console:
            costs.append(console.watch_start({"newest": _sees(_NEWEST)})["newest"])
    return [
        Figure("start to the newest page", median([cost.seconds for cost in costs]), "s", 1.0),
        Figure("start to the newest page, CPU", median([cost.cpu for cost in costs]), "s"),
    ]


def _followed(console: Console, stage: Stage, state: Path) -> list[Figure]:
    """What the long record costs while nothing happens, and how soon another console's entry is seen."""
    time.sleep(3)
    idle = console.load(stage.effort.seconds)
    recorder = Recorder(state, SystemClock())
    recorder.attach(_INCIDENT)
    written: list[float] = []
    for number in range(20):
        recorder.record("note", f"written by another console {number}")
        written.append(time.monotonic())
        time.sleep(0.5 + 0.3 * random.Random(number).random())
    time.sleep(1)
    seen: dict[int, float] = {}
    for piece, screen in console.replay():
        for found in re.findall(r"another console (\d+)", "\n".join(screen.display)):
            seen.setdefault(int(found), piece.at)
    delays = [seen[number] - at for number, at in enumerate(written)]
    return [
        Figure("quiet: CPU", idle.cpu, "%", 2.0),
        Figure("another console's entry is seen after, p50", percentile(delays, 0.5), "s", 0.5),
        Figure("another console's entry is seen after, at most", max(delays), "s"),
    ]


def _scrolled(console: Console, count: int) -> list[Figure]:
    """The whole record by pages from its beginning, from end to end, and through a filter."""
    rng = random.Random(7)
    console.terminal.send(_PANE + _ZOOM)
    time.sleep(1)
    console.terminal.send(_HOME)
    time.sleep(1)
    figures = latency("page by page", console.latencies((_PAGE_DOWN, _PAGE_DOWN), _middle, count, rng), None)
    jumps = console.latencies((_END, _HOME), _middle, max(40, count // 5), rng)
    figures += latency("from end to end", jumps, None)
    console.terminal.send(_SLASH)
    time.sleep(0.5)
    console.terminal.send(b"load-00")
    time.sleep(3)
    times = console.latencies((b"4", _BACKSPACE), _title, 20, rng)
    return [*figures, Figure("key filters all entries, p50", 1000 * percentile(times, 0.5), "ms")]


def _middle(screen: pyte.Screen) -> str:
    return str(screen.display[len(screen.display) // 2])


def _title(screen: pyte.Screen) -> str:
    """The filter in the pane's title, painted with the lines that pass it."""
    found = re.search(r"/load-\d+", screen.display[2] + screen.display[1])
    return found[0] if found else ""


def _sees(text: str) -> Look:
    return lambda screen: text in screen


def _command(words: Sequence[str], budget: float, stage: Stage, state: Path) -> Iterator[Figure]:
    argv = [sys.executable, "-m", "console.cli", "timeline", *words, "--incident", _INCIDENT]
    measured = [sys.executable, "-S", "-c", _MEASURE, str(stage.home / "output"), *argv]
    said = subprocess.check_output([*measured, "--state-dir", str(state)], env=environment(stage.home))
    status, seconds, cpu, kilobytes = (float(word) for word in said.split())
    if status:
        raise RuntimeError(f"{' '.join(argv)} ended with {status:.0f}")
    named = f"timeline {' '.join(words)}"
    yield Figure(named, seconds, "s", budget)
    yield Figure(f"{named}, CPU", cpu, "s")
    yield Figure(f"{named}, peak memory", kilobytes / 1000, "MB")


_MEASURE = """
import os, sys, time
began = time.monotonic()
actions = [(os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
_, status, used = os.wait4(pid, 0)
print(status, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Runs a command. In a small process of its own: a child's peak is never below what its parent had."""


_KINDS: tuple[tuple[Kind, int], ...] = (
    ("signal", 40),
    ("change", 30),
    ("note", 20),
    ("check", 5),
    ("evidence", 5),
)


def _write(path: Path, count: int) -> None:
    """The first entries of an incident as consoles write them, sealed and chained, but not synced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    rng = random.Random(3)
    kinds, weights = zip(*_KINDS, strict=True)
    began = _BEGAN
    last, previous = "", GENESIS
    with path.open("wb") as file:
        for number in range(count):
            at = began + timedelta(seconds=number * 0.2)
            last = new_ulid(int(at.timestamp() * 1000), last)
            kind: Kind = rng.choices(kinds, weights)[0]
            if number == 0:
                kind = "incident.declared"
            draft = _draft(kind, number, format_time(at))
            sealed = seal(draft, seq=number + 1, entry_id=last, prev=previous)
            previous = sealed.hash
            file.write(encode(sealed) + b"\n")


def _draft(kind: Kind, number: int, at: str) -> Entry:
    subject = f"load-{number % 500:04d}"
    data = {
        "key": f"kubernetes:drill/pods-not-ready/{subject}",
        "phase": "end" if number // 500 % 2 else "start",
        "name": "pods-not-ready",
        "subject": subject,
        "source": "kubernetes:drill",
        "severity": "warning",
        "value": float(number % 20),
    }
    text = f"pods-not-ready(deployment/{subject}) {number % 20} of 20 ready, restarts {number % 7}"
    if number == 0:
        data, text = {"severity": "SEV2", "title": "a very long incident", "drill": True}, "SEV2"
    if number == _ENTRIES - 1:
        text = _NEWEST
    return Entry(
        seq=0,
        id="",
        ts=at,
        occurred_at=at,
        incident=_INCIDENT,
        user="ann",
        host="bastion-1",
        session="0123456789abcdef",
        kind=kind,
        source="system",
        text=text,
        data=data,
        prev="",
        hash="",
    )
