"""Bytes to a terminal that may not take them: nothing here ever waits, and frames are never queued.

The kernel takes bytes long before a person sees them: a pseudo-terminal holds up to 64 KB, SSH more, and
neither says how much of it is still on its way (TIOCOUTQ is 0 on a Linux pty). So the terminal itself is
asked: a frame ends in a request for the cursor's position, which every terminal answers once it has drawn
what came before. While an answer is due for long, or much is unanswered, the next frame has to wait, and
whoever draws it merges meanwhile. A terminal that never answered is trusted with what the kernel takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

WINDOW = 4096, 65536
"""Bytes without an answer up to which another frame may be sent: at least, at most. A key takes some 500."""
DELAY = 0.1
"""Seconds that these bytes may take. How fast the line is, is seen from the answers."""
PATIENCE = 1.0
"""Seconds without an answer from which no frame is sent."""
ASK_AGAIN = 5.0
"""Seconds after which the request is repeated, in case the answer got lost; doubles up to a minute."""
LAST_RESORT = 60.0
"""Seconds without an answer from which a frame is sent with every repeated request all the same."""
WORTH_SAYING = 3.0
"""Seconds of a stall from which it is told."""
_RETRY = 1.0
_SAMPLE = 1024
"""Bytes from which an answer tells how fast the line is."""
_CHUNK = 65536
_ROW = 2
"""Where the cursor stands when its position is asked for; the column tells which request is answered."""
_COLUMNS = 4


class Listener(Protocol):
    """Who draws."""

    def ready(self) -> None:
        """A frame can be sent again."""

    def stalled(self, seconds: float) -> None:
        """The terminal took nothing for so long, and takes it again. Comes before ``ready``."""

    def lost(self) -> None:
        """A write failed: what the terminal shows is not known."""


class Output:
    """One terminal. All methods but ``answered`` and ``await_answer`` belong to the loop's thread.

    ``fd`` is non-blocking and becomes this object's own. Without ``asks`` the terminal is never asked.
    """

    def __init__(
        self,
        fd: int,
        loop: asyncio.AbstractEventLoop,
        listener: Listener,
        *,
        asks: bool,
        encoding: str = "utf-8",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fd = fd
        self._loop = loop
        self._listener = listener
        self._asks = asks
        self._encoding = encoding
        self._clock = clock
        self._queue: deque[memoryview] = deque()
        self._watched = False
        self._failed = False
        self._closed = False
        self._given = 0
        self._taken = 0
        self._arrived = 0
        self._proven = False
        self._asked: int | None = None
        self._asked_at = 0.0
        self._column = 0
        self._repeat: asyncio.TimerHandle | None = None
        self._last_resort = False
        self._quickest = float("inf")
        self._window = WINDOW[0]
        self._no_answer_due = threading.Event()
        self._no_answer_due.set()
        self._since: float | None = None
        self._longest = 0.0
        self._waiting: list[tuple[int, Callable[[], None]]] = []

    # What may be sent

    @property
    def ready(self) -> bool:
        """Whether a frame may be sent now."""
        if self._closed or self._failed or self._queue:
            return False
        if not self._proven or self._last_resort:
            return True
        patient = not self._due or self._clock() - self._asked_at <= PATIENCE
        return patient and not self._much

    @property
    def _due(self) -> bool:
        return self._proven and self._asked is not None

    @property
    def _much(self) -> bool:
        return self._given - self._arrived > self._window

    def write(self, data: str) -> None:
        """Send a control sequence, after all that was given before. It is dropped only if writing fails."""
        self._give(data.encode(self._encoding, "replace"))

    def _give(self, data: bytes) -> None:
        if self._closed or self._failed or not data:
            return
        self._given += len(data)
        self._queue.append(memoryview(data))
        if not self._watched:
            self._pump()
        if self._proven and self._much:
            self.ask()

    def frame(self, text: str) -> None:
        """Send a frame. Only when ``ready``. What the encoding lacks becomes a question mark."""
        self._last_resort = False
        data = text.encode(self._encoding, "replace")
        self._give(data + self._request(len(data)) if self._asks and self._asked is None else data)

    def ask(self) -> None:
        """Find out whether the terminal answers."""
        if self._asks and self._asked is None:
            self._give(self._request(0))

    def when_arrived(self, callback: Callable[[], None]) -> None:
        """Call back once all that was given so far has been drawn, or taken where nothing answers."""
        self._waiting.append((self._given + self._failed, callback))
        self._tell()

    # Answers

    def answered(self, column: int, row: int) -> None:
        """The terminal reports its cursor, counted from 1. Safe from any thread."""
        if row == _ROW and column == self._column and not self._no_answer_due.is_set():
            self._no_answer_due.set()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._answer, column, self._clock())

    def await_answer(self, seconds: float) -> None:
        """Wait for an answer that is due, so that it is not typed into what comes after us."""
        if self._proven or self._clock() - self._asked_at < PATIENCE:
            self._no_answer_due.wait(seconds)

    def _request(self, before: int) -> bytes:
        """A request that follows ``before`` bytes which are about to be given."""
        self._column = self._column % _COLUMNS + 1
        request = self._question()
        self._asked = self._given + before + len(request)
        self._asked_at = self._clock()
        self._no_answer_due.clear()
        if self._proven and self._since is None:
            self._since = self._asked_at
        self._repeat_in(ASK_AGAIN)
        return request

    def _question(self) -> bytes:
        return f"\x1b[{_ROW};{self._column}H\x1b[6n".encode()

    def _answer(self, column: int, at: float) -> None:
        if self._closed or self._asked is None or column != self._column:
            return
        self._proven = True
        self._measure(self._asked - self._arrived, at - self._asked_at)
        self._arrived = self._asked
        self._asked = None
        if self._repeat is not None:
            self._repeat.cancel()
        self._moved()

    def _measure(self, sent: int, seconds: float) -> None:
        """Fit the window to the line. Far away is not slow: the quickest answer ever took no time to send."""
        self._quickest = min(self._quickest, seconds)
        if sent >= _SAMPLE:
            rate = sent / max(seconds - self._quickest, 0.001)
            self._window = int(min(max(rate * DELAY, WINDOW[0]), WINDOW[1]))

    def _repeat_in(self, seconds: float) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        self._repeat = self._loop.call_later(seconds, self._ask_again, seconds)

    def _ask_again(self, seconds: float) -> None:
        if self._closed or not self._due:
            return
        self._repeat_in(min(2 * seconds, 60.0))
        if not self._queue:
            self._give(self._question())
            if self._clock() - self._asked_at >= LAST_RESORT:
                self._last_resort = True
                self._listener.ready()

    # Bytes

    def _pump(self) -> None:
        before = self._taken
        try:
            while self._queue:
                head = self._queue[0]
                count = os.write(self._fd, head[:_CHUNK])
                self._taken += count
                if count < len(head):
                    self._queue[0] = head[count:]
                else:
                    self._queue.popleft()
        except (BlockingIOError, InterruptedError):
            if self._since is None:
                self._since = self._clock()
        except OSError:
            self._fail()
            return
        self._watch(bool(self._queue))
        if self._taken != before and not self._due:
            self._moved()

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._loop.add_writer(self._fd, self._pump)
        elif self._watched and not wanted:
            self._loop.remove_writer(self._fd)
        self._watched = wanted

    def _moved(self) -> None:
        """Something got through: it was answered, or taken where no answer is due."""
        now = self._clock()
        if self._since is not None:
            self._longest = max(self._longest, now - self._since)
        self._since = now if self._queue or self._due else None
        self._tell()
        if not self.ready:
            if not self._queue and self._proven:
                self.ask()
            return
        if self._longest >= WORTH_SAYING:
            self._listener.stalled(self._longest)
        self._longest = 0.0
        self._listener.ready()

    def _tell(self) -> None:
        arrived = self._arrived if self._proven else self._taken
        done = [callback for position, callback in self._waiting if position <= arrived]
        self._waiting = [item for item in self._waiting if item[0] > arrived]
        if self._waiting and self._proven:
            self.ask()
        for callback in done:
            callback()

    def _fail(self) -> None:
        """The terminal refuses. What was on its way is gone; try again with a whole frame."""
        self._queue.clear()
        self._watch(False)
        self._failed = True
        self._asked = None
        self._no_answer_due.set()
        self._taken = self._arrived = self._given
        self._waiting = [(self._given + 1, callback) for _, callback in self._waiting]
        self._listener.lost()
        self._loop.call_later(_RETRY, self._try_again)

    def _try_again(self) -> None:
        self._failed = False
        if not self._closed:
            self._listener.ready()

    # The end

    def close(self, seconds: float, farewell: bytes) -> None:
        """Give the rest ``seconds`` to get through, then throw it away for ``farewell``; waits no longer."""
        if self._closed:
            return
        self._watch(False)
        self._closed = True
        if self._repeat is not None:
            self._repeat.cancel()
        with contextlib.suppress(OSError, termios.error):
            if not self._drain(seconds):
                # What lies in the kernel is old frames that nobody read: without them there is room.
                termios.tcflush(self._fd, termios.TCOFLUSH)
                self._queue.clear()
                self._queue.append(memoryview(farewell))
                self._drain(0)
        os.close(self._fd)

    def _drain(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._queue:
            head = self._queue.popleft()
            try:
                count = os.write(self._fd, head)
            except BlockingIOError:
                count = 0
            if count < len(head):
                self._queue.appendleft(head[count:])
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [self._fd], [], left)[1]:
                    return False
        return True


def reopen(fd: int) -> int:
    """A non-blocking descriptor of the terminal behind ``fd``, of our own. Raises OSError.

    Non-blocking is a property that descriptors share: set on the inherited one, it would reach the shell.
    """
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        # It may belong to another user, as after su. Our controlling terminal every user may open by its
        # other name, and only of that one the next call does not fail.
        os.tcgetpgrp(fd)
        return os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)


def erases_with_background() -> bool:
    """Whether the terminal of ``TERM`` erases cells with the background colour (terminfo: bce and ech)."""
    try:
        import curses
    except ImportError:  # not every Python is built with it
        return False
    try:
        curses.setupterm(os.environ.get("TERM") or "dumb", 2)
        return curses.tigetflag("bce") == 1 and (curses.tigetstr("ech") or b"").startswith(b"\x1b[%p1%dX")
    except curses.error:
        return False
