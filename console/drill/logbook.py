"""What the services write when all is well, and what they add when they or what they call fails."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from console.drill.shop import PodView, Service

PATHS: Mapping[str, tuple[str, ...]] = {
    "storefront": ("GET /", "GET /cart", "GET /product/4711"),
    "checkout": ("POST /orders", "GET /orders/500", "POST /orders/quote"),
    "auth-service": ("POST /login", "GET /session", "POST /token"),
    "catalog": ("GET /products", "GET /products/5003", "GET /search"),
}


def lines_of(
    service: Service,
    rng: random.Random,
    complaint: str,
    pod: PodView | None = None,
    refused: Iterable[str] = (),
) -> list[str]:
    """One line of a usual request, a failed one with its ``complaint`` when there is one, and one of each
    service that ``refused`` the calls of ``pod``.
    """
    path = rng.choice(PATHS[service.name])
    milliseconds = round(service.latency * 1000 * rng.lognormvariate(0, 0.5))
    trace = f"{rng.getrandbits(48):012x}"
    lines = [f'level=info msg="{path}" status=200 ms={milliseconds} trace={trace}']
    if complaint:
        lines.append(f'level=error msg="{path}" status=500 trace={trace[::-1]} error="{complaint}"')
    for name in refused:
        words = f"{name} failed the call{_way_out(service, pod, name)}"
        lines.append(f'level=error msg="{path}" status=502 trace={rng.getrandbits(48):012x} error="{words}"')
    return lines


def _way_out(service: Service, pod: PodView | None, name: str) -> str:
    """The setting that makes a pod insist on a call, and the value that does without."""
    setting, value = next((call.unless for call in service.calls if call.name == name), ("", ""))
    if not setting or pod is None:
        return ""
    return f"; {setting}={pod.env.get(setting, '')} waits for it, {setting}={value} would not"
