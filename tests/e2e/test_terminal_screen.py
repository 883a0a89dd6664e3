"""What a real terminal shows after thousands of random actions: the same as with Textual's own output.

Two consoles do the same things in tmux, one with the comparison of cells and one without; both screens are
compared cell by cell, characters and looks. By hand, longer: ``WARROOM_TURMOIL=3000 pytest -k same_in_tmux``.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import LayoutUpdate

from console.ui.wire import Wire
from tests.e2e.small import eventually
from tests.e2e.tmux import TMUX, Cells, Tmux, environment
from tests.ui.noise import Noise
from tests.ui.turmoil import CERTAIN, DOUBTFUL

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

ACTS = int(os.environ.get("WARROOM_TURMOIL", "0")) or 40
SIZES = ((120, 40), (80, 24), (200, 50), (118, 34), (60, 15), (43, 10))


class Said(NamedTuple):
    """What a console says when it has done something: its size, how often it took the terminal over."""

    columns: int
    rows: int
    begun: int


class Puppets:
    """Consoles that do the same: the first compares cells, the second paints in Textual's own way.

    Where widths are doubtful there is only the first.
    """

    def __init__(self, folder: Path, tmux: Tmux, seed: int, terminal: dict[str, str], *words: str) -> None:
        self.tmux = tmux
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "puppets"))
        self._listener.listen()
        self._listener.settimeout(30)
        self.pids: list[int] = []
        self._lines = []
        self.names = ("ours",) if "doubtful" in words else ("ours", "other")
        for name in self.names:
            argv = [sys.executable, "-m", "tests.e2e.puppet", str(folder / "puppets"), str(seed), *words]
            plain = ["plain"] if name == "other" else []
            tmux.start(name, [*argv, *plain], {**environment(), **terminal}, *SIZES[0])
            connection, _ = self._listener.accept()
            connection.settimeout(60)
            self._lines.append(connection.makefile("rw", buffering=1))
            self.pids.append(int(self._lines[-1].readline()))

    def tell(self, what: str) -> list[Said]:
        """Let them do something, all at once, and wait until they have and it has been drawn."""
        for line in self._lines:
            line.write(f"{what}\n")
        return [Said(*map(int, line.readline().split())) for line in self._lines]

    def resize(self, columns: int, rows: int) -> None:
        """Give their windows another size."""
        for name in self.names:
            self.tmux.resize(name, columns, rows)
        eventually(lambda: all(said[:2] == (columns, rows) for said in self.tell("settle")), "they know")

    def stop_and_go(self, number: signal.Signals) -> None:
        """Suspend them; tmux lets what stops in it go on at once."""
        before = self.tell("settle")
        for pid in self.pids:
            os.kill(pid, number)

        def again() -> bool:
            now = self.tell("settle")
            return all(said.begun > was.begun for said, was in zip(now, before, strict=True))

        eventually(again, "they have taken the terminal over again")

    def differences(self) -> list[str]:
        """The cells in which two screens differ, once both have drawn all that they were sent.

        Alone, the screen is compared with itself painted from nothing. Not through a second terminal, which
        has doubts of its own; and after a whole frame, for Textual cuts characters where it paints a part.
        """
        if len(self.names) == 1:
            self.tell("refresh")
            history = self.tmux.cells("ours", client=False)
            self.tell("paint")
            return differing(history, self.tmux.cells("ours", client=False))
        deadline = time.monotonic() + 3
        while True:
            found = differing(*(self.tmux.cells(name) for name in self.names))
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def close(self) -> None:
        """Let them leave."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.close()
        self._listener.close()


def differing(left: Cells, right: Cells) -> list[str]:
    return [
        f"{y},{x}: {first} / {second}"
        for y, lines in enumerate(zip(left, right, strict=True))
        for x, (first, second) in enumerate(zip_longest(*lines))
        if first != second
    ]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    with Tmux(tmp_path) as made:
        yield made


TERMINALS = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "tmux-256color", "COLORTERM": ""},
    "16": {"TERM": "xterm", "COLORTERM": ""},
    "no-color": {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"},
}


def compare(puppets: Puppets, seed: int, acts: int) -> None:
    """Act, and compare after every few acts; sizes and suspensions in between."""
    rng = random.Random(seed)
    done = 0
    while done < acts:
        count = rng.randint(1, 5)
        puppets.tell(f"act {count}")
        done += count
        what = rng.random()
        if what < 0.15:
            puppets.resize(*rng.choice(SIZES))
        elif what < 0.2:
            puppets.stop_and_go(rng.choice([signal.SIGTSTP, signal.SIGSTOP]))
        assert puppets.differences() == [], f"after {done} acts, seed {seed}"


@pytest.mark.timeout(0 if ACTS > 100 else 120)
@pytest.mark.parametrize("terminal", TERMINALS)
def test_same_in_tmux_as_with_textuals_own_output(tmp_path: Path, tmux: Tmux, terminal: str) -> None:
    seed = len(terminal)
    puppets = Puppets(tmp_path, tmux, seed, TERMINALS[terminal])
    try:
        compare(puppets, seed, ACTS // 4)
    finally:
        puppets.close()


@pytest.mark.timeout(0 if ACTS > 100 else 120)
def test_same_in_tmux_as_painted_from_nothing_where_widths_are_doubtful(tmp_path: Path, tmux: Tmux) -> None:
    puppets = Puppets(tmp_path, tmux, 5, TERMINALS["256"], "doubtful")
    try:
        compare(puppets, 5, ACTS // 3)
    finally:
        puppets.close()


class Pipe:
    """A tmux session that shows what is written to it."""

    def __init__(self, folder: Path, tmux: Tmux, name: str) -> None:
        self._tmux = tmux
        self._name = name
        fifo = folder / name
        os.mkfifo(fifo)
        script = f"stty raw -echo; exec cat {fifo}"
        tmux.start(name, ["sh", "-c", script], {"TERM": "tmux-256color"}, WIDTH, HEIGHT)
        self._file = fifo.open("w", encoding="utf-8")
        self._count = 0
        self.write("\x1b[?7l")

    def write(self, data: str) -> None:
        """Show it, and wait until it was."""
        self._count += 1
        self._file.write(f"{data}\x1b]2;{self._count}\x07")
        self._file.flush()
        eventually(lambda: self._tmux.title(self._name) == str(self._count), "tmux has read it")

    def cells(self) -> Cells:
        return self._tmux.cells(self._name, client=False)

    def close(self) -> None:
        self._file.close()


WIDTH, HEIGHT = 60, 5
FRAMES = 10 * ACTS // 4


@pytest.mark.timeout(0 if ACTS > 100 else 120)
@pytest.mark.parametrize("texts", [CERTAIN, DOUBTFUL], ids=["certain", "doubtful"])
def test_frames_of_any_text_are_the_same_in_tmux(tmp_path: Path, tmux: Tmux, texts: tuple[str, ...]) -> None:
    """As Textual paints them, or where tmux and Rich disagree on widths as painted from nothing."""
    console = Console(color_system="truecolor", force_terminal=True, file=io.StringIO())
    noise = Noise(len(texts), WIDTH, HEIGHT, texts)
    wire = Wire(WIDTH, HEIGHT, ColorSystem.TRUECOLOR)
    panes = [Pipe(tmp_path, tmux, name) for name in ("ours", "other")]
    for number in range(FRAMES):
        frame = noise.frame()
        panes[0].write(wire.encode(frame) or "")
        if texts is CERTAIN:
            panes[1].write(frame.render_segments(console).replace("\n", "\r\n"))
        elif isinstance(frame, LayoutUpdate):
            fresh = Wire(WIDTH, HEIGHT, ColorSystem.TRUECOLOR).encode(frame)
            panes[1].write(f"\x1b[m\x1b[2J{fresh}")
        else:
            continue
        assert panes[0].cells() == panes[1].cells(), f"frame {number}"
    for pane in panes:
        pane.close()
