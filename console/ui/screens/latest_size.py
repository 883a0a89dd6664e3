"""Screens that follow the present size of the terminal only."""

from __future__ import annotations

from textual.events import Resize
from textual.message_pump import MessagePump


class LatestSize(MessagePump):
    """Drops news of a size that the terminal no longer has.

    A screen that is laid out for a size posts itself that size. With two on their way, as in a quick resize
    or where the first guess was wrong, each would call forth the other for ever.
    """

    def on_resize(self, event: Resize) -> None:
        """Let only the present size through to Textual's own handler."""
        if event.size != self.app.size:
            event.prevent_default()
            event.stop()
