"""Services by their metrics, and alerts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from console.model.reading import Point, Reading


class ServiceMetrics(msgspec.Struct, frozen=True):
    """One service: error ratio (0..1), request rate (1/s), p95 (seconds), targets up (0..1).

    ``history`` is the error ratio aligned to the query step, oldest first, with gaps as ``None``.
    A rate outlives its targets by the query window: when ``up`` is 0 the other cells are stale.
    ``workload`` is the configured ``deployment/NAME`` behind the service, or "".
    """

    name: str
    error_ratio: Reading
    rate: Reading
    p95: Reading
    up: Reading
    threshold: float
    history: tuple[Point, ...] = ()
    p95_threshold: float | None = None
    workload: str = ""

    @property
    def sick(self) -> bool:
        """Above a threshold, or its targets are down. Blindness is not health, but not sickness either."""
        if self.error_ratio.ok and (self.error_ratio.value or 0) > self.threshold:
            return True
        if self.p95_threshold is not None and self.p95.ok and (self.p95.value or 0) > self.p95_threshold:
            return True
        return self.up.ok and (self.up.value or 0) < 1


class PrometheusSnapshot(msgspec.Struct, frozen=True):
    """All services of one Prometheus. ``warnings`` came with successful answers; ``version`` may be ""."""

    at: float
    services: tuple[ServiceMetrics, ...]
    warnings: tuple[str, ...] = ()
    version: str = ""


class Alert(msgspec.Struct, frozen=True):
    """An alert of Alertmanager. ``state`` is its ``status.state``: active, suppressed or unprocessed."""

    fingerprint: str
    name: str
    state: str
    severity: str
    summary: str
    starts_at: float
    labels: tuple[tuple[str, str], ...] = ()
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class Silence(msgspec.Struct, frozen=True):
    """An active silence: who made it and why, and when it ends. Anybody may have written any name there."""

    id: str
    created_by: str
    comment: str
    starts_at: float
    ends_at: float


class AlertsSnapshot(msgspec.Struct, frozen=True):
    """All alerts as of ``at``, active and severe ones first, and the active silences by id.

    ``silences_failed`` is why the silences could not be read, or "".
    """

    at: float
    alerts: tuple[Alert, ...]
    silences: Mapping[str, Silence] = {}
    silences_failed: str = ""
    version: str = ""

    def silencing(self, alert: Alert) -> tuple[Silence, ...]:
        """What silences an alert, as far as it is known; what ends last, and so counts, comes first."""
        found = (self.silences[key] for key in alert.silenced_by if key in self.silences)
        return tuple(sorted(found, key=lambda silence: (-silence.ends_at, silence.id)))
