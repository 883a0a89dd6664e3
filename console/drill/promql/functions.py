"""PromQL functions. Formulas: github.com/prometheus/prometheus promql/functions.go and promql/quantile.go."""

from __future__ import annotations

import itertools
import math
import statistics
from array import array
from collections.abc import Callable, Sequence

from console.drill.promql.store import STALE, Series

NAN = math.nan


def _window(series: Series, start: float, end: float) -> tuple[array[float], array[float], array[float]]:
    """Times, values and corrected values in the closed interval, without stale marks."""
    low, high = series.between(start, end)
    times, values, corrected = series.times[low:high], series.values[low:high], series.corrected[low:high]
    if STALE in values:
        kept = [index for index, value in enumerate(values) if value != STALE]
        return (
            array("d", (times[index] for index in kept)),
            array("d", (values[index] for index in kept)),
            array("d", (corrected[index] for index in kept)),
        )
    return times, values, corrected


def _extrapolated(
    series: Series, start: float, end: float, *, counter: bool, per_second: bool
) -> float | None:
    times, values, corrected = _window(series, start, end)
    if len(times) < 2:
        return None
    source = corrected if counter else values
    result = source[-1] - source[0]
    sampled = times[-1] - times[0]
    average = sampled / (len(times) - 1)
    to_start, to_end = times[0] - start, end - times[-1]
    if counter and result > 0 and values[0] >= 0:
        to_start = min(to_start, sampled * values[0] / result)
    threshold = average * 1.1
    interval = sampled
    interval += to_start if to_start < threshold else average / 2
    interval += to_end if to_end < threshold else average / 2
    result *= interval / sampled
    return result / (end - start) if per_second else result


def _instant(series: Series, start: float, end: float, *, per_second: bool, counter: bool) -> float | None:
    times, values, _ = _window(series, start, end)
    if len(times) < 2 or times[-1] == times[-2]:
        return None
    change = values[-1] if counter and values[-1] < values[-2] else values[-1] - values[-2]
    return change / (times[-1] - times[-2]) if per_second else change


def _slope(series: Series, start: float, end: float) -> float | None:
    times, values, _ = _window(series, start, end)
    if len(times) < 2:
        return None
    return statistics.linear_regression(times, values).slope


def _over(reduce: Callable[[Sequence[float]], float]) -> Callable[[Series, float, float], float | None]:
    def function(series: Series, start: float, end: float) -> float | None:
        _, values, _ = _window(series, start, end)
        return float(reduce(values)) if values else None

    return function


def _changes(values: Sequence[float]) -> float:
    return sum(first != second for first, second in itertools.pairwise(values))


def _resets(values: Sequence[float]) -> float:
    return sum(second < first for first, second in itertools.pairwise(values))


RANGE_FUNCTIONS: dict[str, Callable[[Series, float, float], float | None]] = {
    "rate": lambda s, a, b: _extrapolated(s, a, b, counter=True, per_second=True),
    "increase": lambda s, a, b: _extrapolated(s, a, b, counter=True, per_second=False),
    "delta": lambda s, a, b: _extrapolated(s, a, b, counter=False, per_second=False),
    "irate": lambda s, a, b: _instant(s, a, b, per_second=True, counter=True),
    "idelta": lambda s, a, b: _instant(s, a, b, per_second=False, counter=False),
    "deriv": _slope,
    "avg_over_time": _over(lambda values: sum(values) / len(values)),
    "sum_over_time": _over(math.fsum),
    "min_over_time": _over(min),
    "max_over_time": _over(max),
    "count_over_time": _over(len),
    "last_over_time": _over(lambda values: values[-1]),
    "present_over_time": _over(lambda _: 1.0),
    "stddev_over_time": _over(statistics.pstdev),
    "changes": _over(_changes),
    "resets": _over(_resets),
}
"""Functions of one range: (series, start, end in unix seconds) -> a value or nothing."""


def _rounded(value: float, nearest: float = 1.0) -> float:
    return math.floor(value / nearest + 0.5) * nearest if math.isfinite(value) else value


def _finite(function: Callable[[float], float]) -> Callable[[float], float]:
    def guarded(value: float) -> float:
        try:
            return function(value)
        except (ValueError, OverflowError):
            return value if math.isinf(value) and value > 0 else NAN

    return guarded


VALUE_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": _finite(lambda value: float(math.ceil(value))),
    "floor": _finite(lambda value: float(math.floor(value))),
    "exp": _finite(math.exp),
    "ln": lambda value: -math.inf if value == 0 else _finite(math.log)(value),
    "log2": lambda value: -math.inf if value == 0 else _finite(math.log2)(value),
    "log10": lambda value: -math.inf if value == 0 else _finite(math.log10)(value),
    "sqrt": _finite(math.sqrt),
    "sgn": lambda value: float((value > 0) - (value < 0)),
    "round": _rounded,
    "clamp": lambda value, low, high: max(low, min(high, value)),
    "clamp_min": lambda value, low: max(low, value),
    "clamp_max": lambda value, high: min(high, value),
}
"""Functions of each value of a vector, with further scalar arguments."""


def bucket_quantile(quantile: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The quantile of a classic histogram from (upper bound, cumulative count) pairs.

    NaN without a +Inf bucket or without observations; in the top bucket the second-highest bound.
    """
    ordered = sorted(buckets)
    if math.isnan(quantile) or len(ordered) < 2 or ordered[-1][0] != math.inf:
        return NAN
    if quantile < 0 or quantile > 1:
        return math.copysign(math.inf, quantile)
    bounds = [bound for bound, _ in ordered]
    counts: list[float] = []
    for _, count in ordered:
        # Counts of one histogram are scraped together, but rates of them may dip by rounding.
        counts.append(max(count, counts[-1]) if counts else count)
    if counts[-1] == 0 or math.isnan(counts[-1]):
        return NAN
    rank = quantile * counts[-1]
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start = bounds[index - 1] if index else 0.0
    below = counts[index - 1] if index else 0.0
    inside = counts[index] - below
    return start + (bounds[index] - start) * ((rank - below) / inside) if inside else start


def quantile(wanted: float, values: Sequence[float]) -> float:
    """The quantile of plain values, interpolated linearly."""
    if not values or math.isnan(wanted):
        return NAN
    if wanted < 0 or wanted > 1:
        return math.copysign(math.inf, wanted)
    ordered = sorted(values)
    rank = wanted * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] * (1 - (rank - low)) + ordered[high] * (rank - low)
