"""Containers, and the bases of screens, whose lines are painted without keeping any.

Textual paints what is behind its widgets too: borders, and the ground of every container. It keeps each of
those lines, what the filters made of it and its last cuts, all of them strips with seven caches: 4 MB after
an hour, for what is made anew in a few microseconds.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from console.ui.cells import Line


class Ground(Widget):
    """The last base of a widget that only holds others; of the first one Textual takes the styles."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a region, which keep nothing; without a border they are all the same."""
        if self.styles.gutter or self._shows_through():
            whole = super().render_lines(Region(0, crop.y, self.outer_size.width, crop.height))
            return [Line(strip, strip.cell_length).crop(*crop.column_span) for strip in whole]
        line: Strip = Line([Segment(" " * crop.width, self.visual_style.rich_style)], crop.width)
        background = self.background_colors[1]
        for each in self.get_line_filters():
            line = line.apply_filter(each, background)
        return [line] * crop.height

    def _shows_through(self) -> bool:
        """Whether it is a screen that lets the one below be seen."""
        return isinstance(self, Screen) and self.styles.background.a < 1


class Stack(Vertical, Ground):
    """One below the other."""


class Beside(Horizontal, Ground):
    """Side by side."""
