"""The base of all our widgets: a fixed size, lines of spans, and repainting only of what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from textual.binding import Binding
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from console.ui.cells import Span, Spans, strip_of
from console.ui.themes import UNICODE, Glyphs, Palette

_FALLBACK = Palette("warroom-dark")

MOVES: tuple[Binding, ...] = (
    Binding("up", "move(-1)", show=False),
    Binding("down", "move(1)", show=False),
    Binding("pageup", "page(-1)", show=False),
    Binding("pagedown", "page(1)", show=False),
    Binding("home", "edge(0)", show=False),
    Binding("end", "edge(1)", show=False),
)
"""The keys that move by a line, by a page, and to an edge, in everything that scrolls."""


class LineWidget(Widget):
    """A widget whose palette and glyphs come from the app, and whose content never changes its size."""

    DEFAULT_CSS = "LineWidget { width: 1fr; height: 1fr; }"
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        self._painted: dict[int, Strip] = {}
        self._painted_size = Size(0, 0)
        super().__init__(id=id, classes=classes)

    @property
    def palette(self) -> Palette:
        """The styles of the app's theme."""
        palette = getattr(self.app, "palette", None)
        return palette if isinstance(palette, Palette) else _FALLBACK

    @property
    def glyphs(self) -> Glyphs:
        """The glyphs that this terminal can show."""
        glyphs = getattr(self.app, "glyphs", None)
        return glyphs if isinstance(glyphs, Glyphs) else UNICODE

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a region as ``render_line`` makes them, past the filters.

        Textual would make each anew to lay borders, padding and tints over it, which none of ours has.
        """
        if self.styles.gutter:
            return super().render_lines(crop)
        if self._painted_size != self.size:
            self._painted_size = self.size
            self._painted.clear()
        missing = [y for y in crop.line_range if y not in self._painted]
        if missing:
            self._paint(missing)
        lines = [self._painted[y] for y in crop.line_range]
        if crop.column_span == (0, self.size.width):
            return lines
        return [line.crop(*crop.column_span) for line in lines]

    def _paint(self, rows: Sequence[int]) -> None:
        filters, background = self.get_line_filters(), self.background_colors[1]
        for y in rows:
            line = self.render_line(y)
            for each in filters:
                line = line.apply_filter(each, background)
            self._painted[y] = line.adjust_cell_length(self.size.width)

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Repaint these regions, or all."""
        for region in regions:
            for y in region.line_range:
                self._painted.pop(y, None)
        if not regions:
            self._painted.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def refresh_row(self, y: int) -> None:
        """Repaint one line of the widget."""
        self.refresh(Region(0, y, self.size.width, 1))

    def forget(self) -> None:
        """Drop what was cached for the old theme or size and repaint all."""
        self.refresh()


class Block(LineWidget):
    """A few lines of text. ``put`` repaints only the lines that differ."""

    def __init__(self, *, band: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Spans, ...] = ()
        self._band = band
        self.greyed = False

    @property
    def lines(self) -> tuple[Spans, ...]:
        """What it shows."""
        return self._lines

    def fit(self, lines: Sequence[Sequence[Span]], *, at_most: int, greyed: bool = False) -> None:
        """Show ``lines`` in as much height as they need, ``at_most`` so many; without any it is hidden."""
        wanted = min(at_most, len(lines))
        if wanted != len(self._lines):
            self.styles.height = wanted
            self.display = wanted > 0
        self.put(lines[:wanted], greyed=greyed)

    def put(self, lines: Sequence[Sequence[Span]], *, greyed: bool = False) -> None:
        """Show ``lines``; those beyond the height are not seen."""
        new = tuple(tuple(line) for line in lines)
        old, was_greyed = self._lines, self.greyed
        self._lines, self.greyed = new, greyed
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else None
            after = new[y] if y < len(new) else None
            if before != after or greyed != was_greyed:
                self.refresh_row(y)

    def render_line(self, y: int) -> Strip:
        """One line, or an empty one."""
        spans = self._lines[y] if y < len(self._lines) else ()
        return strip_of(spans, self.size.width, self.palette, band=self._band, greyed=self.greyed)


class Bar(Block):
    """One line."""

    DEFAULT_CSS = "Bar { height: 1; }"

    def show(self, spans: Sequence[Span]) -> None:
        """Show this line."""
        self.put((spans,))
