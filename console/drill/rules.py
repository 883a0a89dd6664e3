"""The alerting rules of the shop. At a greater speed of the drill windows and holds are shorter."""

from __future__ import annotations

from console.drill.promql.rules import Rule

ERRORS, LATENCY = 0.05, 0.5
"""Thresholds: failed share of requests, p95 in seconds."""


def window(speed: float) -> int:
    """Seconds of a rate: a minute at speed 1, never below five scrapes."""
    return max(5, round(60 / speed))


def rules(speed: float) -> tuple[Rule, ...]:
    """The rules at a speed."""
    span, hold = window(speed), 15 / speed
    ratio = (
        f'sum by (job) (rate(http_requests_total{{status=~"5.."}}[{span}s]))'
        f" / sum by (job) (rate(http_requests_total[{span}s]))"
    )
    p95 = f"histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[{span}s])))"
    return (
        _rule(
            "HighErrorRatio",
            f"{ratio} > {ERRORS}",
            hold,
            "critical",
            "{{ $labels.job }} fails {{ $value | humanizePercentage }} of its requests",
        ),
        _rule(
            "HighLatency",
            f"{p95} > {LATENCY}",
            hold,
            "warning",
            "p95 of {{ $labels.job }} is {{ $value | humanizeDuration }}",
        ),
        _rule("ServiceDown", "up == 0", hold, "critical", "Nothing of {{ $labels.job }} answers"),
        _rule(
            "DatabaseConnectionsHigh",
            "sum(pg_stat_activity_count) / max(pg_settings_usable_connections) > 0.9",
            hold,
            "critical",
            "{{ $value | humanizePercentage }} of the usable database connections are taken",
        ),
        _rule(
            "IdleInTransaction",
            f'pg_stat_activity_max_tx_duration{{state="idle in transaction"}} > {round(30 / speed, 3)}',
            0,
            "warning",
            "A session has been idle in transaction for {{ $value }} s",
        ),
        _rule(
            "QueueBackup", "queue_depth > 300", hold, "warning", "{{ $labels.queue }} holds {{ $value }} jobs"
        ),
        _rule(
            "ContainerRestarts",
            f"increase(kube_pod_container_status_restarts_total[{5 * span}s]) > 0",
            0,
            "warning",
            "{{ $labels.container }} of {{ $labels.pod }} was restarted",
        ),
        _rule(
            "CacheMisses",
            f"rate(redis_keyspace_misses_total[{span}s]) / (rate(redis_keyspace_hits_total[{span}s])"
            f" + rate(redis_keyspace_misses_total[{span}s])) > 0.25",
            hold,
            "warning",
            "{{ $value | humanizePercentage }} of the cache reads miss",
        ),
        _rule(
            "DependencyDown", "probe_success == 0", hold, "critical", "{{ $labels.target }} does not answer"
        ),
    )


def _rule(name: str, expression: str, hold: float, severity: str, summary: str) -> Rule:
    return Rule(name, expression, hold, {"severity": severity, "team": "shop"}, {"summary": summary})
