"""The console beside ``kubectl get pods -A -w`` and k9s, on the same simulated API in the same run."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.perf.console import on_terminal
from tests.perf.figures import Figure
from tests.perf.stage import Stage, say
from tests.perf.world import Asked
from tests.terminal import Terminal

_FIRST_ROWS = re.compile(rb"load-\d{4}")
_K9S_CONFIG = """
k9s:
  skipLatestRevCheck: true
  ui:
    splashless: true
"""
"""It asks nobody but the API server."""


class Rival(NamedTuple):
    """A program that shows the pods of all namespaces; ``agent`` begins its user agent."""

    name: str
    argv: Sequence[str]
    agent: str


def rivals(stage: Stage) -> list[Figure]:
    """All of them one after the other, each alone on the system: its start, then ``churn`` changes."""
    figures: list[Figure] = []
    for rival in _rivals(stage):
        figures += _measured(rival, stage)
    return figures


def _rivals(stage: Stage) -> Iterator[Rival]:
    config = ["--config", str(stage.system.cluster), "--state-dir", str(stage.home / "state")]
    yield Rival("console", [sys.executable, "-m", "console.cli", "run", *config], "warroom")
    kubeconfig = ["--kubeconfig", str(stage.system.kubeconfig)]
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        say("  kubectl is not installed, so it is left out")
    else:
        yield Rival("kubectl get pods -A -w", [kubectl, *kubeconfig, "get", "pods", "-A", "-w"], "kubectl")
    if stage.k9s is None:
        say("  k9s is not on the PATH and was not given with --k9s, so it is left out")
    else:
        folder = stage.home / "config" / "k9s"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(_K9S_CONFIG)
        yield Rival("k9s", [*_k9s(stage.k9s), *kubeconfig, "-A", "--command", "pods"], "k9s")


def _k9s(program: Path) -> list[str]:
    return [str(program.absolute()), "--readonly", "--splashless"]


def _measured(rival: Rival, stage: Stage) -> Iterator[Figure]:
    system, seconds = stage.system, stage.effort.seconds
    time.sleep(2)
    system.requests()
    with on_terminal(rival.argv, stage.home) as terminal:
        first = _first_rows(terminal)
        yield Figure(f"{rival.name}: start to first pod rows", first, "s")
        _settle(terminal)
        yield Figure(f"{rival.name}: CPU of the start", terminal.cpu_seconds(), "s")
        yield Figure(f"{rival.name}: bytes of the start", terminal.total / 1000, "KB")
        yield from _requests(rival, "at the start", system.requests())
        with system.changing(stage.churn):
            cpu, total, began = terminal.cpu_seconds(), terminal.total, time.monotonic()
            time.sleep(seconds)
            length = time.monotonic() - began
            yield Figure(f"{rival.name}: load, CPU", 100 * (terminal.cpu_seconds() - cpu) / length, "%")
            written = (terminal.total - total) / length / 1000
            yield Figure(f"{rival.name}: load, to the terminal", written, "KB/s")
        yield from _requests(rival, f"in {seconds:.0f} s of load", system.requests())
        yield Figure(f"{rival.name}: peak memory", terminal.peak_memory() / 1e6, "MB")


def _first_rows(terminal: Terminal, timeout: float = 120) -> float:
    """Seconds from the start to the bytes of the first pod's name."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = _FIRST_ROWS.search(bytes(terminal.output))
        if found is not None:
            piece = next(piece for piece in terminal.pieces if piece.end >= found.end())
            return piece.at - terminal.started
        time.sleep(0.2)
    raise TimeoutError(f"no pod was shown; the last bytes: {bytes(terminal.output[-2000:])!r}")


def _settle(terminal: Terminal, timeout: float = 90) -> None:
    """Return when it has done its first work: less than a tenth of a second of CPU in two seconds."""
    deadline = time.monotonic() + timeout
    time.sleep(5)
    while time.monotonic() < deadline:
        before = terminal.cpu_seconds()
        time.sleep(2)
        if terminal.cpu_seconds() - before < 0.1:
            return


def _requests(rival: Rival, when: str, asked: Sequence[Asked]) -> Iterator[Figure]:
    mine = [one for one in asked if one.agent.startswith(rival.agent)]
    lists = sum(one.times for one in mine if one.verb == "list")
    yield Figure(f"{rival.name}: requests {when}", sum(one.times for one in mine), "")
    yield Figure(f"{rival.name}: lists {when}", lists, "")
