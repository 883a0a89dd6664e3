"""Samples in memory: one pair of arrays a series, pruned to the retention."""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence

from console.drill.promql.ast import Matcher

STALE = -math.inf
"""The value that marks the end of a series; the drill never exports minus infinity as a measurement."""

Labels = tuple[tuple[str, str], ...]
"""Sorted label pairs, ``__name__`` among them."""


def labels_of(name: str, labels: Mapping[str, str]) -> Labels:
    """The identity of a series."""
    return tuple(sorted({"__name__": name, **labels}.items()))


class Series:
    """One series. ``corrected`` is the value with counter resets added up, so that a rate is a difference."""

    __slots__ = ("corrected", "labels", "lookup", "times", "values")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.lookup = dict(labels)
        self.times = array("d")
        self.values = array("d")
        self.corrected = array("d")

    def append(self, at: float, value: float) -> None:
        """Add a sample; one that is not newer than the last is dropped, as Prometheus does."""
        if self.times and at <= self.times[-1]:
            return
        carried = 0.0
        if self.times and value != STALE:
            last = self._last_value()
            if last is not None:
                carried = last[1] - last[0] + (last[0] if value < last[0] else 0.0)
        self.times.append(at)
        self.values.append(value)
        self.corrected.append(STALE if value == STALE else value + carried)

    def _last_value(self) -> tuple[float, float] | None:
        """The last value that is not a stale mark, with its corrected one."""
        for index in range(len(self.values) - 1, max(-1, len(self.values) - 3), -1):
            if self.values[index] != STALE:
                return self.values[index], self.corrected[index]
        return None

    def at(self, time: float, lookback: float) -> float | None:
        """The newest value not older than ``lookback`` seconds, None when absent or stale."""
        index = bisect.bisect_right(self.times, time) - 1
        if index < 0 or self.times[index] < time - lookback or self.values[index] == STALE:
            return None
        return self.values[index]

    def between(self, start: float, end: float) -> tuple[int, int]:
        """The slice of samples in the closed interval; stale marks are still in it."""
        return bisect.bisect_left(self.times, start), bisect.bisect_right(self.times, end)

    def prune(self, before: float) -> bool:
        """Drop samples older than ``before``; False when none are left."""
        cut = bisect.bisect_left(self.times, before)
        if cut:
            del self.times[:cut], self.values[:cut], self.corrected[:cut]
        return bool(self.times)


class Store:
    """All series by metric name."""

    def __init__(self, retention: float = 3600) -> None:
        self.retention = retention
        self._series: dict[Labels, Series] = {}
        self._names: dict[str, list[Series]] = {}
        self._pruned = 0.0

    def append(self, at: float, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add one sample to each of many series."""
        for labels, value in samples:
            series = self._series.get(labels)
            if series is None:
                series = self._series[labels] = Series(labels)
                self._names.setdefault(series.lookup["__name__"], []).append(series)
            series.append(at, value)
        if at - self._pruned > self.retention / 10:
            self._prune(at)

    def end(self, at: float, labels: Labels) -> None:
        """Mark a series as stale from ``at`` on."""
        series = self._series.get(labels)
        if series is not None:
            series.append(at, STALE)

    def select(self, matchers: Sequence[Matcher]) -> list[Series]:
        """The series that match, in no particular order."""
        names = [matcher.value for matcher in matchers if matcher.label == "__name__" and matcher.op == "="]
        candidates = self._names.get(names[0], []) if names else list(self._series.values())
        return [
            series
            for series in candidates
            if all(matcher.matches(series.lookup.get(matcher.label, "")) for matcher in matchers)
        ]

    def _prune(self, at: float) -> None:
        self._pruned = at
        for labels, series in list(self._series.items()):
            if not series.prune(at - self.retention):
                del self._series[labels]
                self._names[series.lookup["__name__"]].remove(series)
