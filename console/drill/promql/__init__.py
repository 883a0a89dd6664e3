"""A Prometheus-compatible query endpoint over the drill's own samples, for machines without Prometheus.

``store`` keeps samples, ``parse`` reads PromQL, ``evaluate`` and ``functions`` compute it, ``rules``
evaluates alerting rules, ``api`` answers over HTTP. The semantics are those of Prometheus 2 (staleness,
five minutes of lookback, extrapolated rates); subqueries and the ``@`` modifier are refused by name.
"""
