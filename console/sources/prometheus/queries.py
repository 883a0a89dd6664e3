"""The PromQL of the error-rate pane.

The error ratio is ``(errors or 0 * total) / total``: without a 5xx series it is 0, without traffic NaN, and
empty when the metric is gone. ``errors / total`` alone would be empty for a healthy service, and
``… or vector(0)`` would be green in blindness. Rate before sum, and ``le`` kept in the sum, else the
quantile is one per pod or of the whole life of the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from console.config import PrometheusSettings, ServiceSettings

SERVICE = "warroom_service"
"""The label that names the service in the answer to a union of expressions."""


class Number(StrEnum):
    """The four numbers of a service; the values are the names of the overrides in the settings."""

    UP = "up"
    RATE = "rate"
    ERROR_RATIO = "error_ratio"
    P95 = "p95"


def own_expression(number: Number, settings: PrometheusSettings, service: ServiceSettings) -> str:
    """What is asked for this service alone, or "" when the question for all services covers it."""
    override: str = getattr(service, number.value)
    if override:
        return override
    selector = service.selector.strip().removeprefix("{").removesuffix("}").strip().rstrip(",")
    return _default(number, settings, selector, "") if selector else ""


def for_services(number: Number, settings: PrometheusSettings, names: Sequence[str] | None) -> str:
    """One question for all services by ``service_label``; ``names`` None asks for every one there is."""
    label = settings.service_label
    if names is None:
        matcher = f'{label}!=""'
    else:
        matcher = f"{label}=~{quote('|'.join(_literal(name) for name in names))}"
    return _default(number, settings, matcher, label)


def union(expressions: Mapping[str, str]) -> str:
    """One question for expressions of several services, told apart by the label ``SERVICE``."""
    return " or ".join(
        f'label_replace({expression}, "{SERVICE}", {quote(name.replace("$", "$$"))}, "", "")'
        for name, expression in expressions.items()
    )


def samples_per_window(settings: PrometheusSettings) -> str:
    """How many samples the window holds, of targets that were there for all of it; fewer than 4 is thin."""
    label, window = settings.service_label, duration(settings.window)
    return f"max by ({label}) (count_over_time(up[{window}]) and up offset {window})"


def duration(seconds: float) -> str:
    """A PromQL duration."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds * 1000:.0f}ms"


def quote(text: str) -> str:
    """A PromQL string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _literal(name: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)


def _default(number: Number, settings: PrometheusSettings, matcher: str, label: str) -> str:
    window = duration(settings.window)
    by = f" by ({label}) " if label else ""
    total = f"sum{by}(rate({settings.metric}{{{matcher}}}[{window}]))"
    if number is Number.UP:
        return f"avg{by}(up{{{matcher}}})"
    if number is Number.RATE:
        return total
    if number is Number.ERROR_RATIO:
        errors = f'sum{by}(rate({settings.metric}{{{matcher}, {settings.status_label}=~"5.."}}[{window}]))'
        return f"({errors} or 0 * {total}) / {total}"
    le = f" by ({label}, le) " if label else " by (le) "
    buckets = f"rate({settings.duration_metric}_bucket{{{matcher}}}[{window}])"
    return f"histogram_quantile(0.95, sum{le}({buckets}))"
