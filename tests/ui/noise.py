"""Random frames as Textual's compositor makes them, for the comparison of cells alone."""

from __future__ import annotations

import random

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

STYLES = [
    Style.parse(text)
    for text in (
        "none",
        "red",
        "bold #102030 on #405060",
        "#102030 on #405060",
        "on #405060",
        "reverse",
        "underline on blue",
        "dim italic yellow",
        "bold dim",
        "strike red on default",
    )
]


class Noise:
    """Frames as the compositor makes them, of random text in random styles."""

    def __init__(self, seed: int, width: int, height: int, texts: tuple[str, ...]) -> None:
        self._rng = random.Random(seed)
        self._size = (width, height)
        self._texts = texts
        self._lines = [self._line() for _ in range(height)]

    def _line(self) -> Strip:
        rng, width = self._rng, self._size[0]
        segments: list[Segment] = []
        while cell_len("".join(segment.text for segment in segments)) < width:
            blank = " " * rng.choice((0, 1, 3, 20))
            segments.append(Segment(rng.choice(self._texts) + blank, rng.choice(STYLES)))
        line = Strip(segments).crop(0, width - 1)
        short = width - 1 - cell_len(line.text)  # a wide character may have been cut off
        # Without wrapping, terminals differ on a mark behind the last column, so a letter stands there.
        return Strip([*line, Segment(" " * short), Segment(rng.choice("abc "), rng.choice(STYLES))])

    def frame(self) -> CompositorUpdate:
        rng, (width, height) = self._rng, self._size
        for y in rng.sample(range(height), rng.randint(0, height)):
            self._lines[y] = self._line()
        if rng.random() < 0.2:
            return LayoutUpdate([[line] for line in self._lines], Region(0, 0, width, height))
        while True:
            cuts = [0, *sorted(rng.sample(range(1, width), rng.randint(0, 4))), width]
            chops = [dict(zip(cuts, line.divide(cuts[1:]), strict=False)) for line in self._lines]
            parts = [strip.text[:1] for line in chops for strip in line.values()]
            if all(cell_len(part) for part in parts):  # else Textual adds the mark again with every frame
                break
        spans: list[tuple[int, int, int]] = []
        for y in sorted(rng.sample(range(height), rng.randint(1, height))):
            left, right = sorted(rng.sample(range(width + 1), 2))
            spans.append((y, left, right))
        return ChopsUpdate(chops, spans, [cuts[1:]] * height)
