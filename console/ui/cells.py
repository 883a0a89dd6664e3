"""Text by role, fitted to a width: what every line of the screen is made of.

Outside text arrives here as plain strings and leaves as segments. Nothing is ever parsed as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.cache import FIFOCache
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip

from console.ui.themes import Palette

Span = tuple[str, str]
"""A text and its role."""

Spans = tuple[Span, ...]


class _Forgetful(FIFOCache[Any, Any]):
    """A cache that keeps nothing."""

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ARG002
        """Nothing is known."""
        return default

    def __setitem__(self, key: Any, value: Any) -> None:
        """Nothing is kept."""


_NOTHING = _Forgetful(0)
_CACHES = tuple(name for name in Strip.__slots__ if isinstance(getattr(Strip([]), name, None), FIFOCache))


class Line(Strip):
    """A strip without caches, which is garbage as soon as nobody holds it.

    A strip of Textual has seven of them, a kilobyte even while they are empty, and widgets keep thousands of
    lines. In one it keeps itself, undivided: a cycle that waits for the garbage collector, and thousands of
    these stop the console for 30 to 60 ms, every second while text scrolls.
    """

    __slots__ = ()

    def __init__(self, segments: Iterable[Segment], cell_length: int | None) -> None:
        super().__init__(segments, cell_length)
        for name in _CACHES:
            setattr(self, name, _NOTHING)

    def apply_filter(self, filter: LineFilter, background: Color) -> Strip:  # noqa: A002
        """What ``filter`` makes of it; itself when that is the same."""
        segments = filter.apply(self._segments, background)
        return self if segments is self._segments else Line(segments, self._cell_length)


def width_of(text: str) -> int:
    """The cells that ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """``text`` padded or cut to exactly ``width`` cells; a cut one ends in an ellipsis."""
    if width <= 0:
        return ""
    size = width_of(text)
    if size > width:
        if text.isascii():
            return text[: width - 1] + ellipsis
        return set_cell_size(text, width - 1) + ellipsis
    padding = " " * (width - size)
    return padding + text if right else text + padding


def spans_width(spans: Iterable[Span]) -> int:
    """The cells that ``spans`` take."""
    return sum(width_of(text) for text, _ in spans)


def fit_spans(spans: Spans, width: int, *, right: bool = False, ellipsis: str = "…") -> Spans:
    """``spans`` padded or cut to exactly ``width`` cells."""
    if len(spans) == 1:
        text, role = spans[0]
        return ((fit(text, width, right=right, ellipsis=ellipsis), role),)
    total = spans_width(spans)
    if total <= width:
        padding = (" " * (width - total), "text")
        return (padding, *spans) if right else (*spans, padding)
    result: list[Span] = []
    left = width
    for text, role in spans:
        size = width_of(text)
        if size < left:
            result.append((text, role))
            left -= size
        else:
            result.append((fit(text if size == left else text + " ", left, ellipsis=ellipsis), role))
            break
    return tuple(result)


def strip_of(
    spans: Sequence[Span],
    width: int,
    palette: Palette,
    *,
    selected: bool = False,
    band: bool = False,
    greyed: bool = False,
) -> Strip:
    """A strip of exactly ``width`` cells; ``greyed`` shows old data in one faint colour."""
    segments: list[Segment] = []
    style = palette.style
    used = 0
    for text, role in fit_spans(tuple(spans), width) if spans else ((" " * width, "text"),):
        if text:
            segments.append(Segment(text, style("faint" if greyed else role, selected, band)))
            used += width_of(text)
    if used < width:
        segments.append(Segment(" " * (width - used), style("text", selected, band)))
    return Line(segments, width)


def sides(left: Sequence[Span], right: Sequence[Span], width: int) -> Spans:
    """``left`` and ``right`` on one line; the right side stays whole, the left is cut."""
    room = max(0, width - spans_width(right) - (1 if right else 0))
    head = fit_spans(tuple(left), room) if left else ((" " * room, "text"),)
    return (*head, (" ", "text"), *right) if right else head


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` cells, broken at spaces where there are any."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            candidate = f"{line} {word}" if line else word
            if width_of(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            while width_of(word) > width:
                head = _head(word, width)
                lines.append(head)
                word = word[len(head) :]
            line = word
        lines.append(line)
    return lines


def paragraph(text: str, role: str, width: int, most: int) -> list[Spans]:
    """``text`` in at most ``most`` lines of ``width`` cells; the last one goes on with the rest."""
    lines = wrap(text, max(10, width - 2))
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [((f" {line}", role),) for line in lines]


def _head(word: str, width: int) -> str:
    """As much of a word without spaces as fits, preferably up to a sign that parts it."""
    head = set_cell_size(word, width).rstrip() or word[:1]
    cut = max(head.rfind(sign) for sign in "/.,-=:")
    return head[: cut + 1] if cut >= width // 2 else head
