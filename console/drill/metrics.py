"""What the drill exports: one scrape a job, with the names that services and exporters commonly use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from aiohttp import web

from console.drill.promql.exposition import Metric, render
from console.drill.shop import BY_NAME, WEB, PodView, Service
from console.drill.traffic import BOUNDS, Counters

INFRASTRUCTURE = ("postgres", "redis", "kubelet", "blackbox")
JOBS = (*BY_NAME, *INFRASTRUCTURE)


class Gauges(msgspec.Struct, frozen=True):
    """Measured values of the infrastructure: name -> labels -> value; an absent job is down."""

    postgres: Mapping[str, Mapping[str, float]] | None = None
    redis: Mapping[str, Mapping[str, float]] | None = None
    kubelet: Sequence[tuple[str, str, float, float | None, int]] = ()
    """Pod, container, memory in use, memory limit (bytes), restarts."""
    payments: bool = True


class Metrics:
    """Turns the state of the world into metric families; ``update`` is called once a tick."""

    def __init__(self) -> None:
        self._pods: Sequence[PodView] = ()
        self._counters: Mapping[str, Counters] = {}
        self._pools: Mapping[str, tuple[int, int, int]] = {}
        self._jobs = (0, 0)
        self._gauges = Gauges()

    def update(
        self,
        pods: Sequence[PodView],
        counters: Mapping[str, Counters],
        pools: Mapping[str, tuple[int, int, int]],
        jobs: tuple[int, int],
        gauges: Gauges,
    ) -> None:
        """Take in the state after a tick. ``jobs`` are those done and failed by the workers."""
        self._pods, self._counters, self._pools = pods, counters, pools
        self._jobs, self._gauges = jobs, gauges

    def scrape(self, job: str) -> Sequence[Metric] | None:
        """The families of a job, or None when nothing of it answers."""
        if job in BY_NAME:
            return self._service(BY_NAME[job])
        infrastructure = {
            "postgres": _flat(self._gauges.postgres),
            "redis": _flat(self._gauges.redis),
            "kubelet": self._kubelet(),
            "blackbox": [_gauge("probe_success", "Whether the payment provider answers.", [
                ({"target": "payments"}, float(self._gauges.payments))
            ])],
        }  # fmt: skip
        return infrastructure.get(job)

    async def handle(self, request: web.Request) -> web.Response:
        """``/metrics/JOB`` in the text format; 503 when nothing of the job answers."""
        job = request.match_info["job"]
        if job not in JOBS:
            return web.Response(status=404, text=f"There is no job {job}.\n")
        found = self.scrape(job)
        if found is None:
            return web.Response(status=503, text=f"No pod of {job} is ready.\n")
        return web.Response(
            body=render(found).encode(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    def _service(self, service: Service) -> Sequence[Metric] | None:
        pods = [pod for pod in self._pods if pod.workload == service.name and pod.ready]
        if not pods:
            return None
        families = list(_requests(pods, self._counters)) if service in WEB else []
        if service.pool[1]:
            pools = [(pod.name, self._pools[pod.uid]) for pod in pods if pod.uid in self._pools]
            families.append(
                _gauge(
                    "db_pool_connections",
                    "Connections of the pod's pool to the database.",
                    [
                        ({"pod": pod, "state": state}, float(size[index]))
                        for pod, size in pools
                        for index, state in enumerate(("open", "busy", "max"))
                    ],
                )
            )
        if service.jobs:
            done, failed = self._jobs
            samples = (
                ("jobs_processed_total", {"status": "ok"}, float(done)),
                ("jobs_processed_total", {"status": "failed"}, float(failed)),
            )
            families.append(Metric("jobs_processed_total", "counter", "Jobs that workers took.", samples))
        return families

    def _kubelet(self) -> Sequence[Metric]:
        rows = self._gauges.kubelet
        return (
            _gauge(
                "container_memory_working_set_bytes",
                "Memory in use.",
                [({"pod": pod, "container": name}, used) for pod, name, used, _, _ in rows],
            ),
            _gauge(
                "container_spec_memory_limit_bytes",
                "Memory limit.",
                [
                    ({"pod": pod, "container": name}, limit)
                    for pod, name, _, limit, _ in rows
                    if limit is not None
                ],
            ),
            Metric(
                "kube_pod_container_status_restarts_total",
                "counter",
                "Restarts of a container.",
                tuple(
                    (
                        "kube_pod_container_status_restarts_total",
                        {"pod": pod, "container": name},
                        float(restarts),
                    )
                    for pod, name, _, _, restarts in rows
                ),
            ),
        )


def _gauge(name: str, text: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> Metric:
    return Metric(name, "gauge", text, tuple((name, labels, value) for labels, value in samples))


def _flat(values: Mapping[str, Mapping[str, float]] | None) -> Sequence[Metric] | None:
    """Families whose samples differ in one label, written ``name`` -> ``label=value`` -> number."""
    if values is None:
        return None
    return [
        _gauge(name, "Measured by the drill.", [(_label(label), value) for label, value in samples.items()])
        for name, samples in values.items()
    ]


def _label(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    return {name: value} if equals else {}


def _requests(pods: Sequence[PodView], counters: Mapping[str, Counters]) -> Iterator[Metric]:
    known = [(pod.name, counters[pod.uid]) for pod in pods if pod.uid in counters]
    name = "http_requests_total"
    yield Metric(
        name,
        "counter",
        "Requests by status.",
        tuple(
            (name, {"pod": pod, "status": status}, float(count))
            for pod, counter in known
            for status, count in counter.statuses.items()
        ),
    )
    name = "http_request_duration_seconds"
    samples: list[tuple[str, Mapping[str, str], float]] = []
    for pod, counter in known:
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), counter.buckets, strict=True):
            total += count
            samples.append((f"{name}_bucket", {"pod": pod, "le": bound}, float(total)))
        samples.append((f"{name}_sum", {"pod": pod}, counter.seconds))
        samples.append((f"{name}_count", {"pod": pod}, float(total)))
    yield Metric(name, "histogram", "Duration of requests.", tuple(samples))
