"""Which frames reach the terminal: those that change something, one at a time, and only when it takes them.

While the terminal does not take a frame, what Textual draws is not sent and not kept. Once it does, the
whole screen is compared with what the terminal has, and one frame brings it up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from textual.app import App
from textual.geometry import Region

from console.ui.output import Output, erases_with_background

if TYPE_CHECKING:
    from console.ui.wire import Wire


_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Around a frame, where the terminal can hold back drawing until it is whole."""
_REGIONS = 200
"""Parts of lines that were left out, from which the whole screen is painted instead."""


class Painter:
    """The painter of an app. Without ``compares`` frames are Textual's own; ``say`` shows a sentence."""

    def __init__(self, app: App[Any], say: Callable[[str], None], *, compares: bool) -> None:
        self._app = app
        self._say = say
        self.compares = compares
        self._erases = erases_with_background()
        self._output: Output | None = None
        self._wire: Wire | None = None
        self._owed = False
        self._regions: list[Region] | None = []
        self._waiting: list[Callable[[], None]] = []

    def show(self, update: Any, stock: Callable[[], None]) -> None:
        """Send a frame if the terminal takes one; ``stock`` paints it in Textual's own way."""
        if self._output is not None and not self._output.ready:
            self._owe(update)
            return
        data = self._encode(update) if self.compares else None
        if data is None:
            self._wire = None
            stock()
        elif data:
            self._send(data)
        self._hand_over()

    def repaint(self) -> None:
        """Forget what the terminal shows and paint everything anew."""
        self._wire = None
        if self._app.is_running and self._app.screen_stack:
            self._app.screen.refresh()

    def when_seen(self, callback: Callable[[], None]) -> None:
        """Call back once what was drawn up to now is on the terminal, as far as that can be known."""
        self._waiting.append(callback)
        self._hand_over()

    # What the driver and the output tell

    def began(self, output: Output | None) -> None:
        """The terminal was taken over, at the start or again."""
        self._output = output
        if output is not None:
            output.ask()
        self.repaint()

    def ready(self) -> None:
        """Paint what was left out."""
        if self._owed and self._app.is_running and self._app.screen_stack:
            regions, self._regions = self._regions, []
            self._owed = False
            self._app.screen.refresh(*(regions or ()))

    def stalled(self, seconds: float) -> None:
        """Say that the screen was old for a while."""
        self._say(f"The terminal took no output for {seconds:.0f} s; everything else went on.")

    def lost(self) -> None:
        """A write failed."""
        self._wire = None
        self._owe(None)

    # Frames

    def _owe(self, update: Any) -> None:
        """Leave a frame out. Where cells are not compared, what it would have painted is remembered."""
        spans = None if self.compares else getattr(update, "spans", None)
        if spans is None or self._regions is None or len(self._regions) > _REGIONS:
            self._regions = None
        else:
            self._regions += [Region(left, y, right - left, 1) for y, left, right in spans]
        self._owed = True

    def _encode(self, update: Any) -> str | None:
        from console.ui.wire import Wire  # builds on what only a proven version of Textual is known to have

        if self._wire is None:
            self._wire = Wire(*self._app.size, colours_of(self._app), erases=self._erases)
        try:
            return self._wire.encode(update)
        except Exception:  # a frame that cannot be compared is still painted
            return None

    def _send(self, data: str) -> None:
        if self._app._sync_available:  # noqa: SLF001
            data = f"{_BEGIN}{data}{_END}"
        driver = self._app._driver  # noqa: SLF001
        if self._output is not None:
            self._output.frame(data)
        elif driver is not None:
            driver.write(data)

    def _hand_over(self) -> None:
        """Let the output find out when what was sent has arrived; nothing is sent that is still owed."""
        if self._owed:
            return
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            if self._output is None:
                callback()
            else:
                self._output.when_arrived(callback)


def colours_of(app: App[Any]) -> ColorSystem | None:
    """How many colours the terminal of an app has."""
    name = app.console.color_system
    return None if name is None else ColorSystem[{"256": "EIGHT_BIT"}.get(name, name.upper())]


def when_seen(app: App[Any], callback: Callable[[], None]) -> None:
    """``Painter.when_seen`` of an app; at once where there is no terminal."""
    painter = getattr(app, "painter", None)
    if isinstance(painter, Painter) and not app.is_headless:
        painter.when_seen(callback)
    else:
        callback()
