"""Prometheus, or what speaks its query API: error ratio, request rate, p95 and targets of every service.

``queries`` writes the PromQL, ``client`` asks (in a thread of its own, the library is synchronous),
``cells`` turns answers into readings that tell a value from no traffic, no data and a failure, and
``source`` polls.
"""

from console.sources.prometheus.source import PrometheusSource

__all__ = ["PrometheusSource"]
