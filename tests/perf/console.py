"""A console on a pty of 200 x 50, and when which of its bytes came.

The terminal's reader thread only notes each piece with its time. What a piece painted is found out after the
measurement, by replaying the pieces through a terminal emulator: the rendering costs the measured program
nothing and delays no time stamp.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyte

from tests.perf.looks import Look
from tests.terminal import Piece, Terminal

COLUMNS, ROWS = 200, 50
_STOCK = "from console.ui.wire import Wire; Wire.encode = lambda self, update: None"
"""Sends every frame the way Textual writes it, for comparison."""
_MAIN = "import sys; from console.cli import main; sys.exit(main())"


class Cost(NamedTuple):
    """Seconds since the start, and seconds of CPU since then (all threads)."""

    seconds: float
    cpu: float


class Load(NamedTuple):
    """What a stretch of time cost: per cent of one core, and bytes a second to the terminal."""

    cpu: float
    bytes: float


class Link(Terminal):
    """A terminal at the far end of a line that passes ``rate`` bytes a second, packet after packet.

    A packet has arrived when its last byte has. Nothing is read ahead of the line, so what the program
    writes beyond the rate waits in the pty (some 20 KB) and then holds up the program.
    """

    chunk = 512

    def __init__(self, argv: Sequence[str], *, rate: int, **options: Any) -> None:
        self._rate = rate
        self._free = 0.0
        super().__init__(argv, **options)

    def transmit(self, data: bytes) -> None:
        """Take the time that the line needs."""
        now = time.monotonic()
        self._free = max(now, self._free) + len(data) / self._rate
        time.sleep(self._free - now)


def on_terminal(argv: Sequence[str], home: Path, link: int | None = None) -> Terminal:
    """A program on a pty of the benchmarks' size, directly or behind a line of ``link`` bytes a second."""
    options: dict[str, Any] = {"columns": COLUMNS, "rows": ROWS, "env": environment(home), "render": False}
    return Terminal(argv, **options) if link is None else Link(argv, rate=link, **options)


class Console:
    """A running console. A context manager that ends it.

    ``stock`` lets Textual write its own frames, ``link`` puts a line of so many bytes a second in between,
    ``state`` is the state folder if it is not the one of all.
    """

    def __init__(
        self,
        config: Path,
        home: Path,
        *,
        stock: bool = False,
        link: int | None = None,
        state: Path | None = None,
    ) -> None:
        program = f"{_STOCK}\n{_MAIN}" if stock else _MAIN
        argv = [sys.executable, "-c", program, "run", "--config", str(config)]
        self.terminal = on_terminal([*argv, "--state-dir", str(state or home / "state")], home, link)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._replayed = self._fed = 0

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.terminal.close()

    def replay(self) -> Iterator[tuple[Piece, pyte.Screen]]:
        """The screen after each piece that was not replayed yet."""
        while self._replayed < len(self.terminal.pieces):
            piece = self.terminal.pieces[self._replayed]
            self._stream.feed(bytes(self.terminal.output[self._fed : piece.end]))
            self._replayed, self._fed = self._replayed + 1, piece.end
            yield piece, self.screen

    def watch_start(self, looks: Mapping[str, Look], timeout: float = 60) -> dict[str, Cost]:
        """What it took until the screen looked like each of ``looks``, by name, once all were seen.

        Raises TimeoutError with the screen.
        """
        found: dict[str, Cost] = {}
        deadline = time.monotonic() + timeout
        while True:
            for piece, screen in self.replay():
                text = "\n".join(screen.display)
                for name, look in looks.items():
                    if name not in found and look(text):
                        found[name] = Cost(piece.at - self.terminal.started, piece.cpu)
            if len(found) == len(looks):
                return found
            if time.monotonic() > deadline:
                missing = ", ".join(set(looks) - set(found))
                text = "\n".join(self.screen.display)
                raise TimeoutError(f"the console did not come to show {missing}:\n{text}")
            time.sleep(0.5)

    def load(self, seconds: float) -> Load:
        """What the console costs during the next ``seconds``."""
        terminal = self.terminal
        cpu, total, began = terminal.cpu_seconds(), terminal.total, time.monotonic()
        time.sleep(seconds)
        length = time.monotonic() - began
        return Load(100 * (terminal.cpu_seconds() - cpu) / length, (terminal.total - total) / length)

    def now(self) -> str:
        """The screen as it is after all that has arrived."""
        for _ in self.replay():
            pass
        return "\n".join(self.screen.display)

    def wait_for(self, look: Look, timeout: float = 30) -> str:
        """The screen once it looks so. Raises TimeoutError with the screen."""
        deadline = time.monotonic() + timeout
        while not look(text := self.now()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the console did not come to show it:\n{text}")
            time.sleep(0.1)
        return text

    def latencies(
        self,
        keys: tuple[bytes, bytes],
        state: Callable[[pyte.Screen], object],
        count: int,
        rng: random.Random,
    ) -> list[float]:
        """Seconds from writing a key to reading the bytes that paint its effect, ``count`` times.

        Two keys are pressed in turn, each of which takes the other's effect back. ``state`` reads from a
        screen what they change and nothing else changes. Keys are pressed by the clock, not after the
        answer to the last one, at random moments of the console's frames.
        """
        for _ in self.replay():
            pass
        before = state(self.screen)
        pressed: list[float] = []
        for number in range(count):
            pressed.append(time.monotonic())
            self.terminal.send(keys[number % 2])
            time.sleep(0.1 + rng.random() * 0.1)
        time.sleep(0.5)
        changes: list[float] = []
        for piece, screen in self.replay():
            now = state(screen)
            if now != before:
                before = now
                changes.append(piece.at)
        return _match(pressed, changes)


def _match(pressed: list[float], changes: list[float]) -> list[float]:
    """How long after each key the next change was seen that no earlier key accounts for."""
    found: list[float] = []
    left = iter(changes)
    for at in pressed:
        change = next((change for change in left if change >= at), None)
        if change is not None:
            found.append(change - at)
    if len(found) < len(pressed) * 0.98:
        raise RuntimeError(f"of {len(pressed)} keys only {len(found)} had an effect that could be seen")
    return found


def environment(home: Path) -> dict[str, str]:
    """The user's own files stay out of it, and byte code is kept as an installation has it."""
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "xdg-state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "KUBECONFIG": "",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(home / "pycache"),
    }
