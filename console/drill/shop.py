"""The shop that a drill breaks: its services, what each needs, and how a pod looks to the simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

NAMESPACE = "shop"
REGISTRY = "registry.shop.test"
PAYMENTS = "payments"
"""The external payment provider, which no pod of the cluster runs."""


class Dependency(msgspec.Struct, frozen=True):
    """A call that a share (0..1) of a service's requests makes; not made by pods with this environment."""

    name: str
    share: float
    unless: tuple[str, str] = ("", "")


class Service(msgspec.Struct, frozen=True):
    """A workload of the shop.

    ``rps`` is requests a second over all pods, ``capacity`` what one pod takes before it slows down,
    ``latency`` the median in seconds of its own work, ``database`` and ``cache`` the shares of requests
    that need them, ``queries`` how many statements such a request runs one after the other, ``pool`` the
    connections that a pod opens at start and at most. A worker has no requests but takes ``jobs`` a
    second and pod from the queue.
    """

    name: str
    replicas: int
    version: str
    rps: float = 0.0
    capacity: float = 30.0
    latency: float = 0.02
    errors: float = 0.001
    database: float = 0.0
    cache: float = 0.0
    queries: int = 1
    pool: tuple[int, int] = (0, 0)
    jobs: int = 0
    calls: tuple[Dependency, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    memory: tuple[int, int] = (96, 192)
    cpu: tuple[int, int] = (100, 500)

    @property
    def versions(self) -> tuple[str, ...]:
        """All that were ever built: up to the release after the healthy one."""
        return tuple(f"v{number}" for number in range(1, int(self.version[1:]) + 2))

    def image(self, version: str = "") -> str:
        """The image of a version, by default of the healthy one."""
        return f"{REGISTRY}/{self.name}:{version or self.version}"


SERVICES: tuple[Service, ...] = (
    Service(
        "storefront",
        4,
        "v87",
        rps=48,
        latency=0.03,
        calls=(Dependency("catalog", 0.6), Dependency("auth-service", 0.3), Dependency("checkout", 0.1)),
        env=(("LOG_LEVEL", "info"), ("SESSION_KEY_FILE", "/etc/shop/session.key")),
    ),
    Service(
        "checkout",
        4,
        "v41",
        rps=14,
        latency=0.045,
        database=1.0,
        queries=3,
        pool=(2, 6),
        calls=(Dependency(PAYMENTS, 0.9, ("PAYMENTS_MODE", "deferred")),),
        env=(("LOG_LEVEL", "info"), ("PAYMENTS_MODE", "immediate"), ("PAYMENT_TIMEOUT_MS", "3000")),
    ),
    Service(
        "auth-service",
        3,
        "v19",
        rps=24,
        latency=0.015,
        database=0.4,
        cache=1.0,
        pool=(2, 3),
        env=(("LOG_LEVEL", "info"), ("TOKEN_TTL", "3600")),
    ),
    Service(
        "catalog",
        4,
        "v63",
        rps=40,
        latency=0.02,
        database=0.2,
        cache=1.0,
        queries=2,
        pool=(1, 3),
        env=(("LOG_LEVEL", "info"), ("CACHE_TTL_SECONDS", "120")),
    ),
    Service("worker", 3, "v25", pool=(1, 2), jobs=7, env=(("LOG_LEVEL", "info"),)),
)

BY_NAME: Mapping[str, Service] = {service.name: service for service in SERVICES}
WEB = tuple(service for service in SERVICES if service.rps)
"""The services that answer requests; the worker has none."""


class PodView(msgspec.Struct, frozen=True):
    """A pod as the simulation needs it. ``started`` is the unix time its container last started."""

    uid: str
    name: str
    workload: str
    image: str
    env: Mapping[str, str]
    ready: bool
    running: bool
    started: float
    restarts: int


def view(pod: Mapping[str, Any], started: float) -> PodView:
    """The view of a pod object (core/v1); its first container is the service."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    container = spec["containers"][0]
    containers = status.get("containerStatuses") or [{}]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return PodView(
        uid=meta["uid"],
        name=meta["name"],
        workload=(meta.get("labels") or {}).get("app", ""),
        image=container["image"],
        env={one["name"]: one.get("value", "") for one in container.get("env") or ()},
        ready=ready and "deletionTimestamp" not in meta,
        running="running" in (containers[0].get("state") or {}),
        started=started,
        restarts=int(containers[0].get("restartCount", 0)),
    )


def of_workload(pods: Iterable[PodView], workload: str) -> list[PodView]:
    """The pods of one workload."""
    return [pod for pod in pods if pod.workload == workload]
