"""Textual's driver for a terminal: output never holds up the event loop, and Escape is a key like others."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import sys
import time
from typing import Any, Protocol

from textual import constants
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition, Key
from textual.message import Message

from console.ui.escape import EscapeKey
from console.ui.output import Listener, Output, reopen

_LEAVING = 1.0
"""Seconds that the last bytes have to get through when the console leaves the terminal."""
_ANSWER = 0.5
"""Seconds that leaving waits for an answer of the terminal which is still due."""
_LOOK = 0.1
"""Seconds after which the thread that reads the keys looks whether it is to end."""
_FAREWELL = b"\x18\x1b\\\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?7h\x1b[?1004l\x1b[<u\x1b[?1049l\x1b[?25h"
"""Ends what was cut in the middle (CAN, ST) and puts the terminal back as it was found."""


class Painter(Listener, Protocol):
    """Who draws on the terminal that the driver opens."""

    @property
    def compares(self) -> bool:
        """Whether frames are compared; only then the terminal is asked for answers."""
        ...

    def began(self, output: Output | None) -> None:
        """The terminal was taken over, at the start or again: nothing is known of its content.

        Without an output Textual's own writer is used.
        """
        ...


class TerminalDriver(LinuxDriver):
    """See the module. The app has the painter as ``painter``."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._painter: Painter = app.painter  # type: ignore[attr-defined]
        self._output: Output | None = None

    def write(self, data: str) -> None:
        """Send a control sequence or a frame of Textual's own."""
        if self._output is None:
            super().write(data)
        else:
            self._output.write(data)

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        self._let_go(0)
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        asks = self._painter.compares
        try:
            descriptor = reopen(sys.__stderr__.fileno() if sys.__stderr__ else 2)
        except OSError:
            self._output = None
        else:
            self._output = Output(descriptor, self._loop, self._painter, asks=asks, encoding=encoding)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._in_use:  # else we were let go on in the background, and are stopped again
            self._painter.began(self._output)

    @property
    def _in_use(self) -> bool:
        return self._key_thread is not None and self._key_thread.is_alive()

    def _let_go(self, seconds: float) -> None:
        if self._output is not None:
            self._output.close(seconds, _FAREWELL)

    def process_message(self, message: Message) -> None:
        """Answers of the terminal go to the output; this runs on the thread that reads the keys."""
        if isinstance(message, CursorPosition):
            if self._output is not None:
                self._output.answered(message.x + 1, message.y + 1)
            return
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Read keys and answers until input is disabled; this is the thread's whole life."""
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        escape = EscapeKey(constants.ESCAPE_DELAY)
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                due = escape.until()
                wait = _LOOK if due is None else min(_LOOK, max(0.0, due - time.monotonic()))
                text = ""
                if selector.select(wait):
                    try:
                        read = os.read(self.fileno, 4096)
                    except OSError:
                        read = b""
                    if not read:
                        return  # the terminal is gone; the hang-up that says so to the process is on its way
                    text = decode(read)
                for piece in escape.split(text, time.monotonic()):
                    for message in (Key("escape", "\x1b"),) if piece is None else parser.feed(piece):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)

    def disable_input(self) -> None:
        """Read no more, but first what the terminal still owes: it would be typed into the shell."""
        if self._output is not None:
            self._output.await_answer(_ANSWER)
        super().disable_input()

    def close(self) -> None:
        """Let the last bytes through, within a second."""
        super().close()
        self._let_go(_LEAVING)

    # Job control. Python runs a handler between any two steps of the loop's thread, also in the middle of a
    # write; so what uses the terminal is left to the loop.

    def _sigtstp_application(self, *_: object) -> None:
        if self._auto_restart:
            self._loop.call_soon_threadsafe(super()._sigtstp_application)
        else:
            super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        if self._in_use:
            # Stopped by a signal that none can handle: the shell may have used the terminal meanwhile.
            if os.isatty(self.fileno) and os.tcgetpgrp(self.fileno) != os.getpgrp():
                os.kill(os.getpid(), signal.SIGSTOP)
                return
            self.suspend_application_mode()
        self.resume_application_mode()
