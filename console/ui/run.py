"""From an engine to a screen and back: the environment, the signals and the last words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.ui.port import Engine

_ENVIRONMENT = {
    "TEXTUAL_FPS": "120",  # data is coalesced before it; a low rate would only delay the keys
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_SMOOTH_SCROLL": "0",
}
_DEFAULTS = {"ESCDELAY": "50"}
_PAINTED = 2
"""The descriptor of standard error, on which Textual paints."""
_TURN = 0.0005
"""Seconds that a busy thread keeps the interpreter from one that waits. A key needs it four times on its way
between the threads that read it, paint and write; by Python's own 5 ms the engine could hold it up for 20."""


def run(engine: Engine) -> int:
    """Show ``engine`` on the terminal until the person leaves; returns the exit code.

    The app starts the engine after its first frame.

    A hang-up or a termination ends it in order, with code 129 or 143: the engine is stopped and its record
    written. An error leaves a sentence on standard error and the redacted details in a file.
    """
    sys.setswitchinterval(_TURN)
    os.environ.update(_ENVIRONMENT)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in ("TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_DRIVER", "TEXTUAL_SCREENSHOT", "TEXTUAL_PRESS"):
        os.environ.pop(name, None)
    try:
        with _on_the_terminal():
            code, crash = asyncio.run(_show(engine))
    finally:
        engine.stop()
    if crash:
        print(f"warroom: {crash}", file=sys.stderr)
    return code


@contextlib.contextmanager
def _on_the_terminal() -> Iterator[None]:
    """Paint on the terminal although standard error, where Textual paints, may go elsewhere."""
    if os.isatty(_PAINTED):
        yield
        return
    elsewhere = os.dup(_PAINTED)
    os.dup2(sys.stdout.fileno(), _PAINTED)
    try:
        yield
    finally:
        os.dup2(elsewhere, _PAINTED)
        os.close(elsewhere)


async def _show(engine: Engine) -> tuple[int, str]:
    from console.ui.app import WarroomApp

    app = WarroomApp(engine)
    loop = asyncio.get_running_loop()
    ended: list[int] = []

    def leave(number: int) -> None:
        ended.append(128 + number)
        app.exit(128 + number)

    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, leave, number)
    try:
        result = await app.run_async(mouse=False)
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if ended:
        return ended[0], ""
    return (1 if app.crash else result or 0), app.crash
