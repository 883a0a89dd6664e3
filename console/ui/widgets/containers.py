"""Containers, and the bases of screens, whose lines are painted without the caches of a strip.

Textual paints what is behind its widgets too: borders, and the ground of every container. It cuts those lines
where the widgets before them begin, and each keeps its last cuts, which are strips with seven caches again:
2 MB after an hour, for what is cut anew in a few microseconds.
"""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.ui.cells import Line


class Ground(Widget):
    """The last base of a widget that only holds others; of the first one Textual takes the styles."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a region, which keep nothing."""
        whole = super().render_lines(Region(0, crop.y, self.outer_size.width, crop.height))
        lines = [Line(strip, strip.cell_length) for strip in whole]
        if crop.column_span == (0, self.outer_size.width):
            return list(lines)
        return [line.crop(*crop.column_span) for line in lines]


class Stack(Vertical, Ground):
    """One below the other."""


class Beside(Horizontal, Ground):
    """Side by side."""
