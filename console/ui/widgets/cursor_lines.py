"""Scrolling text with a cursor on one line: it stays on the last one until a person moves it up."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from textual.events import Blur, Focus
from textual.strip import Strip

from console.ui.widgets.lines import LineView


class CursorLines(LineView):
    """See the module. The first cell of each line belongs to the cursor."""

    _chosen: int | None = None
    """The serial number of the record that a person chose; None is whichever is the last."""

    @property
    def at(self) -> int:
        """The position of the cursor among the lines, on the next one where a filter hides its own.

        -1 when there are no lines.
        """
        if self._chosen is None:
            return self.total - 1
        place = self._chosen - self._base if self._wanted is None else bisect_left(self._hits, self._chosen)
        return min(place, self.total - 1)

    @property
    def record(self) -> Any | None:
        """The record under the cursor."""
        at = self.at
        return self._records[self._serial(at) - self._base] if at >= 0 else None

    def _serial(self, at: int) -> int:
        return self._base + at if self._wanted is None else self._hits[at]

    def _clear(self) -> None:
        super()._clear()
        self._chosen = None
        self.following = True

    def _clamp(self) -> None:
        """Keep the view within the lines and the cursor in view."""
        super()._clamp()
        at, height = self.at, self.size.height
        if at >= 0 and height and self._anchor is None:
            self._top = max(at - height + 1, min(self._top, at))

    # Moving

    def action_move(self, step: int) -> None:
        """Move the cursor by lines."""
        self._put(self.at + step, self._top)

    def action_page(self, direction: int) -> None:
        """Move the cursor and the view by a screen of lines."""
        step = direction * max(1, self.size.height - 1)
        self._put(self.at + step, self._top + step)

    def action_edge(self, end: int) -> None:
        """Move the cursor to the first or the last line."""
        place = self.total if end else 0
        self._put(place, place)

    def _put(self, at: int, top: int) -> None:
        """Put the cursor on one line and another at the top; on the last line it follows the end."""
        at = max(0, at)
        self.following = at >= self.total - 1
        self._chosen = None if self.following else self._serial(at)
        self.waiting = 0 if self.following else self.waiting
        self._top, self._anchor = top, None
        self._clamp()
        self.refresh()
        self.post_message(self.Moved())

    # Painting

    def render_line(self, y: int) -> Strip:
        """One line; that of the cursor is marked while the keys come here."""
        at = self._top + y
        if not self.has_focus or at >= self.total or at != self.at:
            return super().render_line(y)
        (text, role), *rest = self._form(self.record)
        spans = ((self.glyphs.cursor, "accent"), (text[1:], role), *rest)
        return self._cut(spans, self.size.width, selected=True)

    def on_focus(self, _event: Focus) -> None:
        """Show the cursor."""
        self.refresh()

    def on_blur(self, _event: Blur) -> None:
        """Hide the cursor."""
        self.refresh()
