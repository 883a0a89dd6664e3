"""Measured figures beside their budgets, and the table of all, of one run or of several."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

Section = tuple[str, Sequence["Figure"]]
"""A heading of the table and what stands under it."""


class Figure(NamedTuple):
    """What was measured, in which unit, and its budget (None: there is none)."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How much of the budget is used; beyond 1 it is missed."""
        if not self.budget or not self.value:
            return None
        return self.budget / self.value if self.more_is_better else self.value / self.budget

    @property
    def missed(self) -> bool:
        """Whether there is a budget and the figure is beyond it."""
        if self.budget is None:
            return False
        return self.value < self.budget if self.more_is_better else self.value > self.budget


def median(values: Sequence[float]) -> float:
    """The median, which one disturbed run does not move."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def latency(what: str, times: Sequence[float], p50: float | None = 8.0, p99: float = 35.0) -> list[Figure]:
    """Seconds from key to paint as milliseconds, with budgets for the median and the worst hundredth."""
    shares = ((0.5, p50), (0.95, None), (0.99, p99))
    return [
        Figure(f"key to paint, {what}, p{share * 100:.0f}", 1000 * percentile(times, share), "ms", budget)
        for share, budget in shares
    ]


def table(runs: Sequence[Sequence[Section]]) -> str:
    """All figures as one Markdown table; of several runs median, range and how many met the budget."""
    several = len(runs) > 1
    head = ["what", "budget", "median", "range", "ratio", "met"] if several else _SINGLE
    lines = [_row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    for title, rows in _gathered(runs):
        lines.append(_row([f"**{title}**"] + [""] * (len(head) - 1)))
        lines += [_row(_several(figures) if several else _single(figures[0])) for figures in rows]
    return "\n".join(lines)


def verdict(runs: Sequence[Sequence[Section]]) -> str:
    """How many budgets were met in every run, and which were missed, and how often."""
    bounded = [
        (title, figures)
        for title, rows in _gathered(runs)
        for figures in rows
        if figures[0].budget is not None
    ]
    missed = [(title, figures) for title, figures in bounded if any(figure.missed for figure in figures)]
    every = "" if len(runs) == 1 else f" in each of {len(runs)} runs"
    lines = [f"{len(bounded) - len(missed)} of {len(bounded)} budgets are met{every}."]
    for title, figures in missed:
        times = sum(figure.missed for figure in figures)
        often = "" if len(runs) == 1 else f" in {times} of {len(figures)} runs"
        lines.append(f"- missed{often}: {title}: {figures[0].what}")
    return "\n".join(lines)


_SINGLE = ["what", "budget", "figure", "ratio"]


def _gathered(runs: Sequence[Sequence[Section]]) -> list[tuple[str, list[list[Figure]]]]:
    """The same figure of all runs together, in the order of the first run."""
    found: dict[str, dict[str, list[Figure]]] = {}
    for run in runs:
        for title, figures in run:
            rows = found.setdefault(title, {})
            for figure in figures:
                rows.setdefault(figure.what, []).append(figure)
    return [(title, list(rows.values())) for title, rows in found.items()]


def _single(figure: Figure) -> list[str]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}" + " missed" * figure.missed
    return [figure.what, _budget(figure), f"{_number(figure.value)} {figure.unit}", ratio]


def _several(figures: Sequence[Figure]) -> list[str]:
    values = [figure.value for figure in figures]
    middle = figures[0]._replace(value=median(values))
    ratio = "" if middle.ratio is None else f"{middle.ratio:.2f}"
    met = sum(not figure.missed for figure in figures)
    return [
        middle.what,
        _budget(middle),
        f"{_number(middle.value)} {middle.unit}",
        f"{_number(min(values))} to {_number(max(values))}",
        ratio,
        "" if middle.budget is None else f"{met}/{len(figures)}",
    ]


def _budget(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    return f"{'≥' if figure.more_is_better else '≤'} {_number(figure.budget)} {figure.unit}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"
