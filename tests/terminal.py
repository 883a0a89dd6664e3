"""A real pseudo-terminal around a program: keys in, bytes and a rendered screen out.

Used by the end-to-end tests and by the benchmarks. A thread of its own reads, so that bytes are counted and
answered even while a test is busy; ``stall`` stops the reading, as a frozen SSH link would.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyte


class Piece(NamedTuple):
    """What one read brought: when (monotonic seconds), all bytes by then, and the program's CPU seconds."""

    at: float
    end: int
    cpu: float


class Terminal:
    """A child process on a pty of ``columns`` x ``rows``. A context manager that ends the child."""

    chunk = 65536
    """Bytes that are read at once at most."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        render: bool = True,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._render = render
        self._lock = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self.output = bytearray()
        self.pieces: list[Piece] = []
        self.total = 0
        self.last_read = 0.0
        self.started = time.monotonic()
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("COLUMNS", "LINES"):  # a runner of tests may set them; the pty has its own size
            environment.pop(name, None)
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            if cwd:
                os.chdir(cwd)
            os.execvpe(argv[0], list(argv), environment)
        self.resize(columns, rows)
        self._exit: int | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Change the window size, as a person dragging the window would.

        The screen changes before the program learns of it, else it would cut what the program then paints.
        """
        with self._lock:
            self.screen.resize(rows, columns)
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: str | bytes) -> None:
        """Type."""
        os.write(self._fd, keys.encode() if isinstance(keys, str) else keys)

    def text(self) -> str:
        """The screen as lines of text."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, found: str | Callable[[str], bool], timeout: float = 20) -> str:
        """The screen's text as soon as it contains ``found``; AssertionError with the screen otherwise."""
        look = found if callable(found) else (lambda text: found in text)
        deadline = time.monotonic() + timeout
        while True:
            text = self.text()
            if look(text):
                return text
            with self._lock:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or self._exit is not None:
                    break
                self._lock.wait(min(remaining, 0.2))
        raise AssertionError(
            f"not seen within {timeout} s: {found!r}; exit {self._exit}; the screen:\n{text}"
        )

    def wait_quiet(self, seconds: float = 0.3, timeout: float = 20) -> None:
        """Return once no byte came for ``seconds``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self._lock:
                idle = time.monotonic() - self.last_read
                if self.total and idle >= seconds:
                    return
                self._lock.wait(max(0.01, seconds - idle))
        raise AssertionError(f"the screen did not become quiet within {timeout} s")

    def stall(self) -> None:
        """Stop reading what the program writes."""
        self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def cpu_seconds(self) -> float:
        """User and system time of the program, all threads, from the kernel's accounting."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self) -> int:
        """The largest resident size so far, in bytes."""
        return self._size("VmHWM")

    def memory(self) -> int:
        """The resident size now, in bytes."""
        return self._size("VmRSS")

    def _size(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"the kernel does not report {name}")

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def wait_exit(self, timeout: float = 20) -> int:
        """The exit status as a shell would give it (128+n for signal n)."""
        deadline = time.monotonic() + timeout
        while self._exit is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still running after {timeout} s; the screen:\n{self.text()}")
            self._reap()
            with self._lock:
                self._lock.wait(0.05)
        return self._exit

    def close(self) -> None:
        """End the program, hard if it must be."""
        self.resume()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._exit is None:
                self.kill(number)
                try:
                    self.wait_exit(5)
                except AssertionError:
                    continue
        os.close(self._fd)

    def transmit(self, data: bytes) -> None:
        """What lies between the program and the reader: nothing. A slow link takes its time here."""

    def _cpu_so_far(self) -> float:
        try:
            return self.cpu_seconds()
        except OSError:  # it has ended
            return self.pieces[-1].cpu if self.pieces else 0.0

    def _reap(self) -> None:
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit = os.waitstatus_to_exitcode(status)
                if self._exit < 0:
                    self._exit = 128 - self._exit

    def _read(self) -> None:
        while True:
            self._reading.wait()
            try:
                ready, _, _ = select.select([self._fd], [], [], 0.1)
                data = os.read(self._fd, self.chunk) if ready else b""
            except (OSError, ValueError):
                break
            if ready and not data:
                break
            if data:
                self.transmit(data)
                with self._lock:
                    self.last_read = time.monotonic()
                    self.total += len(data)
                    self.output += data
                    self.pieces.append(Piece(self.last_read, self.total, self._cpu_so_far()))
                    if self._render:
                        self._stream.feed(data)
                    self._lock.notify_all()
