"""One measured figure beside its budget, and the table of all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured, in which unit, its budget (None: there is none) and how many runs it is of."""

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


def median(values: Sequence[float]) -> float:
    """The median, which one disturbed run does not move."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def table(sections: Sequence[tuple[str, Sequence[Figure]]]) -> str:
    """All figures as one Markdown table."""
    lines = ["| what | budget | figure | ratio |", "| --- | ---: | ---: | ---: |"]
    for title, figures in sections:
        lines.append(f"| **{title}** | | | |")
        for figure in figures:
            bound = "≥" if figure.more_is_better else "≤"
            budget = "" if figure.budget is None else f"{bound} {_number(figure.budget)} {figure.unit}"
            ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}" + (" missed" * (figure.ratio > 1))
            lines.append(f"| {figure.what} | {budget} | {_number(figure.value)} {figure.unit} | {ratio} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"
