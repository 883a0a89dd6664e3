"""Simulated requests: how many each pod gets, which fail, how long they take.

Every request is drawn from one seeded generator. Its fate follows from the pod that takes it (image,
environment, load) and from the measured state of what it needs (database, cache, other services).
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from console.drill.shop import WEB, PodView, Service

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latency histogram in seconds; +Inf is implied."""

SPREAD = 0.45
"""Sigma of the lognormal latencies: p95 is about twice the median."""

TIMEOUT = 3.0
"""Seconds after which a caller gives up."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with one pod's own code: a share of failing requests, a factor on its latency."""

    errors: float = 0.0
    slower: float = 1.0


class Links(msgspec.Struct, frozen=True):
    """What a pod measured lately of its database and cache.

    ``database_errors`` and ``cache_errors`` are shares of failed calls, ``database_seconds`` the mean time
    of one statement, ``misses`` the share of cache reads that found nothing.
    """

    database_errors: float = 0.0
    database_seconds: float = 0.0005
    cache_errors: float = 0.0
    misses: float = 0.0


class Counters:
    """What one pod counted since it started: requests by status, and the latency histogram."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {"200": 0}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, status: str, seconds: float) -> None:
        """Count one request."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds += seconds
        for index, bound in enumerate(BOUNDS):
            if seconds <= bound:
                self.buckets[index] += 1
                return
        self.buckets[-1] += 1


class Moment(msgspec.Struct, frozen=True):
    """One service in one tick: requests, failed ones, mean latency in seconds."""

    requests: int = 0
    failed: int = 0
    seconds: float = 0.0

    def __add__(self, other: Moment) -> Moment:
        """Both together, with the mean of their latencies."""
        requests = self.requests + other.requests
        spent = self.requests * self.seconds + other.requests * other.seconds
        return Moment(requests, self.failed + other.failed, spent / requests if requests else 0.0)

    @property
    def ratio(self) -> float:
        """Failed share, 0 without requests."""
        return self.failed / self.requests if self.requests else 0.0


class Dependencies(msgspec.Struct, frozen=True):
    """Things outside the cluster: share of failing calls by name."""

    errors: Mapping[str, float] = {}


class Traffic:
    """The request load of all services. ``surge`` multiplies the rate of a service."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.counters: dict[str, Counters] = {}
        self.last: dict[str, Moment] = {service.name: Moment() for service in WEB}
        self._recent: deque[dict[str, Moment]] = deque(maxlen=60)
        self.succeeded: dict[str, int] = {}
        """Successful requests of each pod (by uid) in the last tick."""
        self.refused: dict[str, Counter[str]] = {}
        """Requests of each pod (by uid) that another service failed in the last tick, by its name."""
        self.surge: dict[str, float] = {}

    def tick(
        self,
        seconds: float,
        pods: Sequence[PodView],
        fault: Callable[[PodView], Fault],
        links: Callable[[PodView], Links],
        outside: Mapping[str, float],
    ) -> None:
        """Let ``seconds`` of requests happen. ``outside`` is the share of failing calls by dependency."""
        before, now = self.last, {}
        self.succeeded, self.refused = {}, {}
        for service in WEB:
            serving = [pod for pod in pods if pod.workload == service.name and pod.ready]
            now[service.name] = self._serve(service, seconds, serving, fault, links, before, outside)
        self.last = now
        self._recent.append(now)
        alive = {pod.uid for pod in pods}
        self.counters = {uid: counters for uid, counters in self.counters.items() if uid in alive}

    def recent(self, service: str, ticks: int) -> Moment:
        """A service over its last ticks, at most 60: one request of few does not decide."""
        return sum((one[service] for one in list(self._recent)[-ticks:]), Moment())

    def restart(self, uid: str) -> None:
        """A container started anew: its counters begin at zero."""
        self.counters.pop(uid, None)

    def _serve(
        self,
        service: Service,
        seconds: float,
        serving: Sequence[PodView],
        fault: Callable[[PodView], Fault],
        links: Callable[[PodView], Links],
        before: Mapping[str, Moment],
        outside: Mapping[str, float],
    ) -> Moment:
        if not serving:
            # Nobody is there to count: callers see the whole share fail.
            return Moment(1, 1, 0.0)
        rate = service.rps * self.surge.get(service.name, 1.0)
        mean = rate * seconds
        wanted = max(0, round(self._rng.gauss(mean, mean**0.5)))
        requests = failed = 0
        total = 0.0
        for index, pod in enumerate(serving):
            share = wanted // len(serving) + (index < wanted % len(serving))
            chances = _chances(service, pod, fault(pod), links(pod), before, outside)
            load = share / seconds / service.capacity
            median = _median(service, pod, fault(pod), links(pod), before, load)
            if load > 1:
                chances = (*chances, ("503", min(0.9, (load - 1) * 0.6), ""))
            pod_failed, pod_seconds = self._draw(pod, share, chances, median)
            requests += share
            failed += pod_failed
            total += pod_seconds
            self.succeeded[pod.uid] = share - pod_failed
        return Moment(requests, failed, total / requests if requests else 0.0)

    def _draw(
        self, pod: PodView, count: int, chances: Sequence[tuple[str, float, str]], median: float
    ) -> tuple[int, float]:
        counters = self.counters.setdefault(pod.uid, Counters())
        rng, failed, total = self._rng, 0, 0.0
        for _ in range(count):
            status, wanted = next(
                ((code, name) for code, chance, name in chances if chance and rng.random() < chance),
                ("200", ""),
            )
            seconds = TIMEOUT if status == "504" else median * rng.lognormvariate(0.0, SPREAD)
            if status == "200" and rng.random() < 0.008:
                status = "404"
            counters.add(status, seconds)
            failed += status[0] == "5"
            if wanted:
                self.refused.setdefault(pod.uid, Counter())[wanted] += 1
            total += seconds
        return failed, total


def _chances(
    service: Service,
    pod: PodView,
    fault: Fault,
    links: Links,
    before: Mapping[str, Moment],
    outside: Mapping[str, float],
) -> tuple[tuple[str, float, str], ...]:
    """What can go wrong with a request, in the order it is met: status code, chance, and who failed it."""
    chances = [("500", service.errors + fault.errors, "")]
    if service.database:
        chances.append(("503", _database_share(service, links) * links.database_errors, ""))
    if service.cache:
        # Without its cache a service falls back to the database, but one in five requests cannot.
        chances.append(("503", service.cache * links.cache_errors * 0.2, ""))
    for call in service.calls:
        name, value = call.unless
        if name and pod.env.get(name) == value:
            continue
        failing = outside[call.name] if call.name in outside else before.get(call.name, Moment()).ratio
        chances.append(("502", call.share * failing, call.name))
    return tuple(chances)


def _database_share(service: Service, links: Links) -> float:
    """A request that misses the cache asks the database."""
    if not service.cache:
        return service.database
    return min(1.0, service.database + (1 - service.database) * max(links.misses, links.cache_errors))


def _median(
    service: Service,
    pod: PodView,
    fault: Fault,
    links: Links,
    before: Mapping[str, Moment],
    load: float,
) -> float:
    """The median latency of a pod in seconds: its own work, its statements, its calls.

    Own work waits behind other work as in a queue: it grows without bound towards full load.
    """
    own = service.latency * fault.slower * (1 + load**2 / (1 - min(load, 0.97)))
    database = (
        _database_share(service, links) * service.queries * links.database_seconds if service.database else 0
    )
    calls = sum(
        call.share * before.get(call.name, Moment()).seconds
        for call in service.calls
        if not (call.unless[0] and pod.env.get(call.unless[0]) == call.unless[1])
    )
    return own + database + calls
