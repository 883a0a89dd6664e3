"""Histories as bars: one line for a table cell, several with a threshold line for a chart.

A gap in the data has its own glyph and is never drawn as zero. Bars above the threshold differ in colour and,
by their height against the threshold line, in shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from console.model.reading import Point
from console.ui.cells import Span, Spans
from console.ui.themes import Glyphs
from console.ui.widgets.line_widget import Block


class Mark(NamedTuple):
    """Something that was done: ``change`` was deployed or configured, ``action`` was a mitigation."""

    at: float
    kind: str


def buckets(points: Sequence[Point], start: float, end: float, width: int) -> list[float | None]:
    """The worst value of each of ``width`` equal parts of the time between; None is a gap."""
    result: list[float | None] = [None] * width
    length = (end - start) / width if width else 0
    if length <= 0:
        return result
    for at, value in ((point.at, point.value) for point in points):
        if value is None or not start <= at <= end:
            continue
        index = min(width - 1, int((at - start) / length))
        known = result[index]
        result[index] = value if known is None else max(known, value)
    return result


def place(marks: Sequence[Mark], start: float, end: float, width: int) -> dict[int, str]:
    """The columns in which marks stand, with their kind; an action hides a change."""
    result: dict[int, str] = {}
    for mark in sorted(marks, key=lambda mark: mark.kind == "action"):
        if end > start and start <= mark.at <= end:
            result[min(width - 1, int((mark.at - start) / (end - start) * width))] = mark.kind
    return result


def _scale(values: Sequence[float | None], threshold: float | None) -> float:
    """The value at the top: the largest seen, and at least what leaves the threshold two thirds up."""
    largest = max((value for value in values if value is not None), default=0.0)
    return max(largest, (threshold or 0.0) * 1.5) or 1.0


def spark_line(
    values: Sequence[float | None], threshold: float | None, marks: dict[int, str], glyphs: Glyphs
) -> Spans:
    """One line of bars. A mark stands in place of its bar, since there is no other line for it."""
    top = _scale(values, threshold)
    spans: list[Span] = []
    for index, value in enumerate(values):
        if index in marks:
            _append(spans, glyphs.action if marks[index] == "action" else glyphs.change, "accent")
        elif value is None:
            _append(spans, glyphs.gap, "faint")
        else:
            level = min(7, int(value / top * 8)) if value > 0 else 0
            sick = threshold is not None and value > threshold
            _append(spans, glyphs.bars[level], "bad" if sick else "dim")
    return tuple(spans)


def _append(spans: list[Span], character: str, role: str) -> None:
    if spans and spans[-1][1] == role:
        spans[-1] = (spans[-1][0] + character, role)
    else:
        spans.append((character, role))


def chart(
    values: Sequence[float | None],
    height: int,
    threshold: float | None,
    marks: dict[int, str],
    glyphs: Glyphs,
) -> list[Spans]:
    """``height`` lines of bars with the threshold as a line through them; marks stand in the last line."""
    rows = max(1, height - 1)
    top = _scale(values, threshold)
    threshold_row = rows - 1 - int(threshold / top * rows) if threshold else -1
    lines: list[Spans] = []
    for row in range(rows):
        spans: list[Span] = []
        base = rows - 1 - row
        for value in values:
            fill = 0.0 if value is None else value / top * rows - base
            sick = value is not None and threshold is not None and value > threshold
            if value is None and base == 0:
                _append(spans, glyphs.gap, "faint")
            elif fill <= 0 and row == threshold_row:
                _append(spans, glyphs.threshold, "warn")
            elif fill <= 0 and not (base == 0 and value is not None):
                _append(spans, " ", "text")
            else:
                _append(spans, glyphs.bars[max(0, min(7, int(fill * 8) - 1))], "bad" if sick else "dim")
        lines.append(tuple(spans))
    foot: list[Span] = []
    for index in range(len(values)):
        kind = marks.get(index)
        sign = glyphs.action if kind == "action" else glyphs.change if kind else " "
        _append(foot, sign, "accent")
    lines.append(tuple(foot))
    return lines


class Chart(Block):
    """A history with its scale at the left and what the marks mean below."""

    _SCALE = 8

    def draw(
        self,
        title: Spans,
        points: Sequence[Point],
        threshold: float | None,
        marks: Sequence[Mark],
        labels: tuple[str, str, str],
    ) -> None:
        """Draw ``points``; ``labels`` are the top, the threshold and the bottom of the scale as text."""
        width, height = self.size.width - self._SCALE - 1, self.size.height - 1
        if width < 10 or height < 3 or not points:
            self.put((title,))
            return
        start, end = points[0].at, max(points[-1].at, points[0].at + 1)
        values = buckets(points, start, end, min(width, max(1, len(points))))
        lines = chart(values, height, threshold, place(marks, start, end, len(values)), self.glyphs)
        rows = height - 1
        scale: dict[int, Span] = {rows - 1: (labels[2], "faint"), 0: (labels[0], "faint")}
        if threshold:
            row = rows - 1 - int(threshold / _scale(values, threshold) * rows)
            scale[max(0, row)] = (labels[1], "warn")
        shown = [title]
        for row, line in enumerate(lines):
            label, role = scale.get(row, ("", "faint"))
            shown.append(((f"{label:>{self._SCALE - 1}} ", role), *line))
        self.put(shown)
