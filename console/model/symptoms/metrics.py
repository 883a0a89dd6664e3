"""What is wrong by the metrics, the alerts, the health checks, and with the sources themselves."""

from __future__ import annotations

from collections.abc import Iterator

from console.model.http import HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot, PrometheusSnapshot, ServiceMetrics
from console.model.reading import State
from console.model.source import Health
from console.model.symptoms.finding import BoardView, Finding, Memory, Severity, above
from console.model.symptoms.words import percent, span

CERTIFICATE_WARNING = 14 * 86_400.0
CERTIFICATE_CRITICAL = 2 * 86_400.0

ALERT_FIRING = "alert-firing"

_BLIND = (State.NO_DATA, State.FAILED, State.DENIED, State.STALE)


def metrics_findings(board: BoardView, now: float, memory: Memory) -> Iterator[Finding]:
    """Services, alerts, checks and sources."""
    for source, snapshot in board.of_type(PrometheusSnapshot).items():
        for service in snapshot.services:
            yield from _service(source, service, memory)
    for source, alerts in board.of_type(AlertsSnapshot).items():
        yield from _alerts(source, alerts)
    for source, checks in board.of_type(HttpSnapshot).items():
        yield from _checks(source, checks, now)
    for name, status in board.statuses.items():
        if status.health in (Health.FAILED, Health.DENIED):
            yield Finding("source-failed", name, "warning", name, status.reason, since=status.since)


def _service(source: str, service: ServiceMetrics, memory: Memory) -> Iterator[Finding]:
    yield from _error_ratio(source, service)
    yield from _latency(source, service)
    yield from _targets(source, service, memory)


def _error_ratio(source: str, service: ServiceMetrics) -> Iterator[Finding]:
    ratio = service.error_ratio
    if ratio.ok and ratio.value is not None:
        yield from above(
            Finding(
                "error-ratio-high",
                service.name,
                "critical",
                source,
                percent(ratio.value),
                value=ratio.value,
                threshold=service.threshold,
                limit=percent(service.threshold),
                since=_crossed(service),
            )
        )
    elif ratio.state in _BLIND:
        yield Finding("error-ratio-high", service.name, "critical", source, "", held=True)


def _latency(source: str, service: ServiceMetrics) -> Iterator[Finding]:
    p95 = service.p95
    if service.p95_threshold is None:
        return
    if p95.ok and p95.value is not None:
        yield from above(
            Finding(
                "latency-high",
                service.name,
                "warning",
                source,
                f"p95 {span(p95.value)}",
                value=p95.value,
                threshold=service.p95_threshold,
                limit=span(service.p95_threshold),
            )
        )
    elif p95.state in _BLIND:
        yield Finding("latency-high", service.name, "warning", source, "", held=True)


def _targets(source: str, service: ServiceMetrics, memory: Memory) -> Iterator[Finding]:
    """Targets that are down, or numbers that went away although the targets are up."""
    ratio, up = service.error_ratio, service.up
    if up.ok and up.value is not None and up.value < 1:
        severity: Severity = "warning" if up.value else "critical"
        missing = f"{percent(1 - up.value)} of" if up.value else "all"
        detail = f"{missing} its targets are down"
        yield Finding("targets-down", service.name, severity, source, detail, value=1 - up.value)
    elif ratio.state in (State.NO_DATA, State.FAILED, State.DENIED) and had_data(source, service, memory):
        detail = ratio.reason or "no data any more"
        yield Finding("metrics-blind", service.name, "warning", source, detail)


def had_data(source: str, service: ServiceMetrics, memory: Memory) -> bool:
    """Whether the service gave numbers before."""
    return f"{source}/{service.name}" in memory.served or any(
        point.value is not None for point in service.history
    )


def _crossed(service: ServiceMetrics) -> float | None:
    """When the ratio rose above its threshold, as far as the history reaches; gaps do not end the run."""
    began: float | None = None
    for point in reversed(service.history):
        if point.value is None:
            continue
        if point.value <= service.threshold:
            break
        began = point.at
    return began


def _alerts(source: str, snapshot: AlertsSnapshot) -> Iterator[Finding]:
    groups: dict[str, list[Alert]] = {}
    for alert in snapshot.alerts:
        if alert.state == "active":
            groups.setdefault(alert.name, []).append(alert)
    for name, alerts in groups.items():
        severity = min((_severity(alert.severity) for alert in alerts), key=_ORDER.index)
        count = f"{len(alerts)} alerts: " if len(alerts) > 1 else ""
        detail = count + (alerts[0].summary or "firing")
        since = min(alert.starts_at for alert in alerts)
        yield Finding(ALERT_FIRING, name, severity, source, detail, value=float(len(alerts)), since=since)


def suppressed(board: BoardView, source: str, name: str) -> str:
    """``silenced`` or ``inhibited`` when alerts of a name fire on without anybody being told, else ""."""
    snapshot = board.of_type(AlertsSnapshot).get(source)
    alerts = snapshot.alerts if snapshot is not None else ()
    quiet = [alert for alert in alerts if alert.name == name and alert.state == "suppressed"]
    if not quiet:
        return ""
    return "silenced" if any(alert.silenced_by for alert in quiet) else "inhibited"


_ORDER: tuple[Severity, ...] = ("critical", "warning", "info")


def _severity(label: str) -> Severity:
    word = label.lower()
    if word in ("critical", "page", "error", "emergency"):
        return "critical"
    return "info" if word in ("info", "none") else "warning"


def _checks(source: str, snapshot: HttpSnapshot, now: float) -> Iterator[Finding]:
    for check in snapshot.checks:
        if check.state == "down":
            yield Finding("http-down", check.name, "critical", source, check.reason)
        if check.expires is not None and check.expires - now < CERTIFICATE_WARNING:
            left = check.expires - now
            severity: Severity = "critical" if left < CERTIFICATE_CRITICAL else "warning"
            detail = f"its certificate ends in {span(left)}" if left > 0 else "its certificate has ended"
            yield Finding("certificate-expiring", check.name, severity, source, detail)
