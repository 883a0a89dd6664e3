"""What the services write when all is well, and what they add when their own code fails."""

from __future__ import annotations

import random
from collections.abc import Mapping

from console.drill.shop import Service

PATHS: Mapping[str, tuple[str, ...]] = {
    "storefront": ("GET /", "GET /cart", "GET /product/4711"),
    "checkout": ("POST /orders", "GET /orders/500", "POST /orders/quote"),
    "auth-service": ("POST /login", "GET /session", "POST /token"),
    "catalog": ("GET /products", "GET /products/5003", "GET /search"),
}


def lines_of(service: Service, rng: random.Random, complaint: str) -> list[str]:
    """One line of a usual request, and a failed one with its ``complaint`` when there is one."""
    path = rng.choice(PATHS[service.name])
    milliseconds = round(service.latency * 1000 * rng.lognormvariate(0, 0.5))
    trace = f"{rng.getrandbits(48):012x}"
    lines = [f'level=info msg="{path}" status=200 ms={milliseconds} trace={trace}']
    if complaint:
        lines.append(f'level=error msg="{path}" status=500 trace={trace[::-1]} error="{complaint}"')
    return lines
