"""A terminal that answers where its cursor stands, as all real ones do, at the end of a line of any speed."""

from __future__ import annotations

import fcntl
import re
import struct
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.terminal import Terminal

REQUEST = re.compile(rb"\x1b\[(\d+);(\d+)H\x1b\[6n")


class Answering(Terminal):
    """Answers once it has read the request. ``rate`` is in bytes a second, 0 without a limit."""

    chunk = 1024

    def __init__(self, argv: Sequence[str], *, rate: int = 0, answers: bool = True, **options: Any) -> None:
        self.rate = rate
        self.answers = answers
        self.asked = 0
        self._rest = b""
        super().__init__(argv, **options)

    def __enter__(self) -> Self:
        return self

    def transmit(self, data: bytes) -> None:
        """Take the time that the line needs, and answer."""
        if self.rate:
            time.sleep(len(data) / self.rate)
        self._rest += data
        end = 0
        for match in REQUEST.finditer(self._rest):
            end = match.end()
            self.asked += 1
            if self.answers:
                self.send(b"\x1b[%b;%bR" % match.groups())
        self._rest = self._rest[max(end, len(self._rest) - 32) :]

    def unread(self) -> int:
        """Bytes that the program has written and nobody has read, as far as the kernel tells."""
        found: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, b"\0" * 4))[0]
        return found

    def freeze(self) -> None:
        """Read no more, and let the program fill the pty if it does; it stops by itself if it is answered."""
        self.stall()
        for _ in range(12 if self.answers else 30):
            self.send("\x0c")
            time.sleep(0.05)

    def modes(self) -> list[object]:
        """How the kernel treats what is typed."""
        return list(termios.tcgetattr(self._fd))

    def memory(self) -> int:
        """The resident size of the program, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel does not report VmRSS")

    def state(self) -> str:
        """The state of the program's process: T is stopped."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
