"""The real program on a real pseudo-terminal: start, keys, signals, crashes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ptyprocess
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything
from console.ui.run import run

class Engine(FakeEngine):
    def stop(self):
        super().stop()
        print("engine stopped", flush=True)

engine = everything(Engine())
{extra}
sys.exit(run(engine))
"""


class Terminal:
    def __init__(self, extra: str = "", **environment: str) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TEXTUAL") and name != "NO_COLOR"
        }
        self.process = ptyprocess.PtyProcess.spawn(
            [sys.executable, "-c", PROGRAM.format(extra=extra)],
            cwd=str(ROOT),
            dimensions=(40, 120),
            env={**inherited, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
        )
        self.seen = b""

    def until(self, wanted: bytes, seconds: float = 30) -> None:
        self.when(lambda: wanted in self.seen, f"{wanted!r}", seconds)

    def when(self, happened: Callable[[], bool], what: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f"{what} did not come; seen: {self.seen[-2000:]!r}"
            try:
                self.seen += self.process.read(65536)
            except EOFError:
                assert happened(), f"it ended before {what}: {self.seen[-2000:]!r}"

    def code(self) -> int:
        while True:
            try:
                self.seen += self.process.read(65536)
            except EOFError:
                break
        self.process.wait()
        return int(self.process.exitstatus or 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_in_order(number: signal.Signals, code: int) -> None:
    terminal = Terminal()
    terminal.until(b"auth-service")
    terminal.process.kill(number)
    assert terminal.code() == code
    assert b"engine stopped" in terminal.seen and b"Traceback" not in terminal.seen
    assert b"\x1b[?1049l" in terminal.seen


def test_quit_and_no_mouse() -> None:
    terminal = Terminal()
    terminal.until(b"auth-service")
    terminal.process.write(b"\x11")
    assert terminal.code() == 0
    assert b"engine stopped" in terminal.seen
    for mode in (b"?1000h", b"?1003h", b"?1006h"):
        assert mode not in terminal.seen


def test_a_crash_is_a_sentence_and_no_secret_is_shown(tmp_path: Path) -> None:
    extra = """
from console.ui.panes.pods import PodsPane
def broken(self):
    password = "hunter2hunter2"
    raise RuntimeError("cannot draw")
PodsPane.next_sort = broken
"""
    terminal = Terminal(extra, TMPDIR=str(tmp_path))
    terminal.until(b"auth-service")
    terminal.process.write(b"o")
    assert terminal.code() == 1
    assert b"warroom: an unexpected error: RuntimeError: cannot draw." in terminal.seen
    assert b"Traceback" not in terminal.seen and b"hunter2" not in terminal.seen
    [kept] = tmp_path.glob("warroom-crash-*")
    assert "hunter2" not in kept.read_text() and "in broken" in kept.read_text()


def test_a_key_costs_few_bytes() -> None:
    terminal = Terminal()
    terminal.until(b"auth-service")
    terminal.process.write(b"\x1b[B")
    terminal.when(lambda: b"auth-service  " in terminal.seen, "the details of the next row")
    before = len(terminal.seen)
    terminal.process.write(b"j")
    terminal.when(lambda: b"[p]" in terminal.seen, "the letters over the panes")
    assert len(terminal.seen) - before < 6000


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"COLORTERM": "truecolor"}, b"38;2;"),
        ({"COLORTERM": ""}, b"38;5;"),
        ({"COLORTERM": "", "TERM": "xterm-16color"}, b"97"),
        ({"NO_COLOR": "1"}, b""),
    ],
)
def test_every_number_of_colours(environment: dict[str, str], colours: bytes) -> None:
    terminal = Terminal(**environment)
    terminal.until(b"auth-service")
    terminal.until("✗".encode())
    assert colours in terminal.seen
    if not environment.get("COLORTERM"):
        assert b"38;2;" not in terminal.seen or "NO_COLOR" in environment
    terminal.process.kill(signal.SIGTERM)
    assert terminal.code() == 143


def test_ascii_where_the_terminal_knows_no_better() -> None:
    terminal = Terminal(TERM="linux", COLORTERM="")
    terminal.until(b"auth-service")
    assert "✗".encode() not in terminal.seen and "▌".encode() not in terminal.seen
    terminal.process.kill(signal.SIGTERM)
    assert terminal.code() == 143
