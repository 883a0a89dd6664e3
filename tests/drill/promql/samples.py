"""A small fixed world of samples, for the evaluator and for a real Prometheus alike."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

from console.drill.promql.store import Labels, Store, labels_of

START = 1_700_000_000
SECONDS = 300
END = START + SECONDS
BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "+Inf")


def rows() -> Iterator[tuple[int, list[tuple[Labels, float]]]]:
    """One scrape a second: two services of two pods, a counter reset, a gauge, one that ends half way."""
    rng = random.Random(7)
    totals: dict[Labels, float] = {}

    def add(name: str, amount: float, **labels: str) -> None:
        key = labels_of(name, labels)
        totals[key] = totals.get(key, 0) + amount

    for second in range(SECONDS + 1):
        if second == 130:
            for key in [key for key in totals if ("pod", "web-1") in key]:
                totals[key] = 0
        for job in ("web", "api"):
            for pod in ("1", "2"):
                labels = {"job": job, "pod": f"{job}-{pod}"}
                ok = rng.randrange(5, 30)
                add("http_requests_total", ok, status="200", **labels)
                if job == "web" and second > 60:
                    add("http_requests_total", rng.randrange(0, 4), status="503", **labels)
                for index, le in enumerate(BOUNDS):
                    share = min(1.0, (index + 1) / (3 if job == "web" else 5))
                    add("http_request_duration_seconds_bucket", round(ok * share), le=le, **labels)
                add("http_request_duration_seconds_count", ok, **labels)
        totals[labels_of("queue_depth", {"queue": "default"})] = 40 + 30 * rng.random()
        totals[labels_of("up", {"job": "web"})] = float(second % 50 != 0)
        totals[labels_of("up", {"job": "api"})] = 1
        current = list(totals.items())
        if second <= 100:
            current.append((labels_of("batch_last_success", {"job": "batch"}), float(second)))
        yield START + second, current


@functools.cache
def filled() -> Store:
    """A store with all rows; only to be read."""
    store = Store()
    for at, samples in rows():
        store.append(at, samples)
    return store
