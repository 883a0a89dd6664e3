"""Answers -> readings. A number only where there is one; otherwise why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from console.config import PrometheusSettings
from console.model.reading import Point, Reading, State
from console.model.source import Health
from console.sources.base import SourceError
from console.sources.prometheus.client import Series
from console.sources.prometheus.queries import Number, duration


class Column(msgspec.Struct, frozen=True):
    """One number of all services. ``failures`` names the services whose question failed; "" is the rest."""

    values: Mapping[str, float]
    failures: Mapping[str, SourceError]

    def reading(self, number: Number, service: str, settings: PrometheusSettings, at: float) -> Reading:
        """The cell of one service."""
        failure = self.failures.get(service) or (
            self.failures.get("") if service not in self.values else None
        )
        if failure is not None:
            state = State.DENIED if failure.health is Health.DENIED else State.FAILED
            return Reading(state, None, at, failure.reason)
        value = self.values.get(service)
        if value is None:
            return Reading(State.NO_DATA, None, at, _absence(number, settings))
        if math.isnan(value):
            return Reading(State.NO_TRAFFIC, None, at, _silence(settings))
        if math.isinf(value):
            return Reading(State.NO_DATA, None, at, "the expression gives infinity")
        if number is Number.RATE and value == 0:
            return Reading(State.NO_TRAFFIC, 0.0, at, _silence(settings))
        reason = "some targets are down" if number is Number.UP and 0 < value < 1 else ""
        return Reading(State.OK, value, at, reason)


def outlived(reading: Reading, up: Reading, settings: PrometheusSettings, answered: float | None) -> Reading:
    """A cell of a service whose targets are all down: a rate outlives them by its window.

    The number is kept for the screen, but it is the past: STALE, never OK, and as old as the last time that
    a target ``answered``; None when it was not seen to.
    """
    if not reading.ok or not up.ok or up.value != 0:
        return reading
    reason = f"targets are down; this is left over from the last {duration(settings.window)}"
    return msgspec.structs.replace(reading, state=State.STALE, at=answered, reason=reason)


def history(points: Sequence[tuple[float, float]], end: float, step: float, span: float) -> tuple[Point, ...]:
    """Points at every multiple of ``step`` up to ``end`` over ``span`` seconds; what is missing is a gap."""
    known = {round(at / step): value for at, value in points}
    last = round(end / step)
    first = last - int(span / step)
    return tuple(
        Point(tick * step, value if value is not None and math.isfinite(value) else None)
        for tick in range(first, last + 1)
        for value in (known.get(tick),)
    )


def by_label(series: Sequence[Series], label: str) -> dict[str, list[Series]]:
    """The series of an answer by the value of one label; series without it are left out."""
    found: dict[str, list[Series]] = {}
    for item in series:
        name = item.labels.get(label, "")
        if name:
            found.setdefault(name, []).append(item)
    return found


def _absence(number: Number, settings: PrometheusSettings) -> str:
    if number is Number.UP:
        return f"no target: up has no series with this {settings.service_label}"
    metric = f"{settings.duration_metric}_bucket" if number is Number.P95 else settings.metric
    return (
        f"no samples of {metric} in the last {duration(settings.window)}: the scrape fails, the metric has"
        " another name, or the window is under 4 scrape intervals"
    )


def _silence(settings: PrometheusSettings) -> str:
    return f"no requests in the last {duration(settings.window)}"
